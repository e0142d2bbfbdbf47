"""Runs joblib's parallel loops, and with them scikit-learn's, on a server.

    from hq_bridge.joblib_backend import register
    register()
    with joblib.parallel_config("hyperqueue"):
        joblib.Parallel()(joblib.delayed(fn)(item) for item in items)

Follows the interface for backends that joblib documents (`joblib.parallel.ParallelBackendBase`, 1.3 and newer).
"""

from __future__ import annotations

from typing import Any, Callable, Optional

from joblib.parallel import AutoBatchingMixin, ParallelBackendBase, register_parallel_backend

from .executor import Executor

NAME = "hyperqueue"


def register() -> None:
    """Makes the backend known to joblib as "hyperqueue"; its settings are those of `Executor`."""
    register_parallel_backend(NAME, HyperQueueBackend)


class HyperQueueBackend(AutoBatchingMixin, ParallelBackendBase):  # type: ignore[misc]
    """Each batch of calls is a task. All workers are used, unless `n_jobs` is a smaller number than their CPUs."""

    # Each task starts an interpreter, so a batch should last several times as long as that, seconds; joblib assumes
    # processes that are there already.
    MIN_IDEAL_BATCH_DURATION = 2.0
    MAX_IDEAL_BATCH_DURATION = 10.0
    supports_retrieve_callback = True
    default_n_jobs = -1

    def __init__(
        self, nesting_level: Optional[int] = None, inner_max_num_threads: Optional[int] = None, **settings: Any
    ):
        super().__init__(nesting_level=nesting_level, inner_max_num_threads=inner_max_num_threads)
        self._settings = settings
        self._executor: Optional[Executor] = None

    def configure(self, n_jobs: int = 1, parallel: Any = None, **_backend_args: Any) -> int:
        self.parallel = parallel
        self._executor = Executor(**self._settings)
        return self.effective_n_jobs(n_jobs)

    def effective_n_jobs(self, n_jobs: Optional[int]) -> int:
        if n_jobs == 0:
            raise ValueError("n_jobs == 0 in Parallel has no meaning")
        cpus = self._executor.cpus() if self._executor is not None else 1
        return cpus if n_jobs is None or n_jobs < 0 else min(n_jobs, cpus)

    def submit(self, func: Callable[[], Any], callback: Callable[[Any], None]) -> Any:
        assert self._executor is not None
        future = self._executor.submit(func)
        future.add_done_callback(callback)
        return future

    def retrieve_result_callback(self, out: Any) -> Any:
        return out.result()

    def abort_everything(self, ensure_ready: bool = True) -> None:
        self._shut(cancel=True)
        if ensure_ready:
            self._executor = Executor(**self._settings)

    def terminate(self) -> None:
        self._shut(cancel=False)
        self.reset_batch_stats()

    def _shut(self, cancel: bool) -> None:
        executor, self._executor = self._executor, None
        if executor is not None:
            executor.shutdown(wait=True, cancel_futures=cancel)
