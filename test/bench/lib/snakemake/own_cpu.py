"""CPU time that the executor hyperqueue takes in Snakemake's main process, by the clocks of its threads.

Counted are submission, the thread that reads the server's events, and the status thread that Snakemake gives to every executor;
of these not what Snakemake does when it is told of a job (its log, its own tables), which every executor pays.
"""

import threading
import time
from functools import wraps

from hq_bridge.events import EventStream
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

from snakemake_executor_plugin_hyperqueue.executor import Executor

OURS = [(Executor, "run_jobs"), (EventStream, "_run"), (RemoteExecutor, "_wait_thread")]
SNAKEMAKES = [(Executor, name) for name in ("run_job_pre", "report_job_submission", "report_job_success", "report_job_error")]

_spent = []
_calls = threading.local()


def watch() -> None:
    """To be called before Snakemake starts."""
    for owner, name in OURS:
        setattr(owner, name, _clocked(getattr(owner, name), _spent.append))
    for owner, name in SNAKEMAKES:
        setattr(owner, name, _clocked(getattr(owner, name), lambda _own_s: None))


def spent_s() -> float:
    """Seconds so far; threads that have not ended are left out."""
    return sum(_spent)


def _clocked(function, take):
    """`function`; `take` gets the CPU seconds of each call, without those of clocked functions that it calls."""

    @wraps(function)
    def clocked(*args, **kwargs):
        outer_s = getattr(_calls, "inner_s", 0.0)
        _calls.inner_s = 0.0
        from_s = time.thread_time()
        try:
            return function(*args, **kwargs)
        finally:
            whole_s = time.thread_time() - from_s
            take(whole_s - _calls.inner_s)
            _calls.inner_s = outer_s + whole_s

    return clocked
