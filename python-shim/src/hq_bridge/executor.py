"""A `concurrent.futures.Executor` whose calls are tasks of a server. Used by users, by `aio` and by the joblib backend.

All calls of an executor are tasks of one open job. A thread sends what has gathered while it was sending, so that many
calls cost few requests; the server's events say which tasks have ended.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import queue
import threading
import time
import weakref
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional

from .batch import Batch, Call
from .calls import Work, begin, cancel, cpus_of, fail, in_order
from .client import Client
from .errors import HqError, ServerUnavailable
from .events import Batch as EventBatch
from .events import EventStream, Lost, Message
from .intarray import ids_of
from .job import DEFAULT_RESULT_LIMIT, Job, SubmittedJob
from .job_client import JobClient
from .patience import Absence, extend_patiently
from .python_env import PythonEnv, this_python
from .resources import Resources
from .result_file import ResultUnavailable
from .results import all_tasks, read_attempt
from .settings import Env
from .tasks import PythonFunction
from .validation import ValidationException

TYPES = ("task-finished", "task-failed", "tasks-canceled", "tasks-aborted")
ENDED = ["finished", "failed", "canceled", "aborted"]
# A batch per CPU would leave CPUs idle behind the longest one; many more would cost a start each.
BATCHES_PER_CPU = 4
MAX_BATCH = 1000
# Where no worker is there yet, because an allocation queue will bring them.
UNKNOWN_CPUS = 64


class TaskFailed(Exception):
    """The task that made a call has not finished; the message says why."""


class Executor(concurrent.futures.Executor):
    """Runs calls on the workers of a server.

    :param client: None: one of its own, closed with the executor
    :param python_env: runs the calls; None: that of the client, or for a client of its own this very interpreter
    :param resources: what each task needs; None: one CPU
    :param name: of the job
    :param env: variables of the tasks
    :param result_limit: bytes that the results of one batch may take
    :raises HqError: when there is no server that can be used

    Calls go on over a restart of the server. When it is away for longer than the client's `return_limit_s` they end with
    `ServerUnavailable`, and `shutdown` comes back.
    """

    def __init__(
        self,
        client: Optional[JobClient] = None,
        *,
        python_env: Optional[PythonEnv] = None,
        resources: Resources = None,
        name: str = "Executor",
        env: Optional[Env] = None,
        result_limit: int = DEFAULT_RESULT_LIMIT,
    ) -> None:
        self._own_client = client is None
        self.client = JobClient(python_env=this_python()) if client is None else client
        self._settings: Dict[str, Any] = {
            "python_env": python_env,
            "resources": resources,
            "stdout": None,
            "stderr": None,
            "env": env,
        }
        job = Job(name=name, max_fails=None, result_limit=result_limit, keep_open=True)
        self.job: SubmittedJob = self.client.submit(job)
        self._open = True
        self._cancel = False
        self._changed = threading.Condition()
        self._waiting: List[Work] = []
        self._sent: Dict[int, Work] = {}
        self._absence = Absence(self.client.server_dir, self.client.return_limit_s)
        self._inbox: "queue.Queue[Optional[Message]]" = queue.Queue()
        self._events = EventStream(self.client.server_dir, self._inbox.put, jobs=str(self.job.id), types=TYPES).open()
        self._threads = [threading.Thread(target=run, daemon=True) for run in (self._send_all, self._receive_all)]
        for thread in self._threads:
            thread.start()
        # Whoever never shuts it down leaves no open job.
        self._closing = weakref.finalize(self.job, _close_job, self.client.api, self.job.id)

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "concurrent.futures.Future[Any]":
        """Calls a function in a task of its own.

        :raises RuntimeError: after `shutdown`
        """
        (future,) = self._add([Work(fn, [(args, kwargs)], [concurrent.futures.Future()])])
        return future

    def map(
        self,
        fn: Callable[..., Any],
        *iterables: Iterable[Any],
        timeout: Optional[float] = None,
        chunksize: Optional[int] = None,
    ) -> Iterator[Any]:
        """The results of a function for all items, in their order.

        :param timeout: seconds for all of it
        :param chunksize: calls per task; None: so many that each CPU has a few tasks
        :raises TimeoutError: by the iteration, when the time is over
        """
        end = None if timeout is None else time.monotonic() + timeout
        calls: List[Call] = [(args, {}) for args in zip(*iterables)]
        size = self._batch_size(len(calls)) if chunksize is None else chunksize
        if size < 1:
            raise ValueError(f"chunksize={chunksize} is no number of calls")
        batches = [calls[start : start + size] for start in range(0, len(calls), size)]
        futures = self._add([Work(fn, batch, [concurrent.futures.Future() for _ in batch]) for batch in batches])
        return in_order(futures, end)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No more calls. With `cancel_futures` those that have not ended are canceled, running ones too. May be called
        twice."""
        with self._changed:
            self._open = False
            self._cancel = self._cancel or cancel_futures
            self._changed.notify_all()
        if cancel_futures:
            # Nothing is sent behind the back of this.
            self._threads[0].join()
            self._cancel_all()
        if wait:
            for thread in self._threads:
                thread.join()

    def _add(self, works: List[Work]) -> "List[concurrent.futures.Future[Any]]":
        with self._changed:
            if not self._open:
                raise RuntimeError("the executor was shut down and takes no more calls")
            self._waiting += works
            self._changed.notify_all()
        return [future for work in works for future in work.futures]

    def cpus(self) -> int:
        """CPUs of all workers; a guess while there are none."""
        return sum(cpus_of(worker) for worker in self.client.api.workers()) or UNKNOWN_CPUS

    def _batch_size(self, calls: int) -> int:
        return max(1, min(MAX_BATCH, -(-calls // (self.cpus() * BATCHES_PER_CPU))))

    # The sending thread

    def _send_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or not self._open)
                works, self._waiting = self._waiting, []
                last = not self._open
            if self._cancel:
                for work in works:
                    cancel(work)
            else:
                self._send([work for work in works if begin(work)])
            if last:
                break
        self._inbox.put(None)

    def _send(self, works: List[Work]) -> None:
        job = self.job.job
        functions: Dict[int, Batch] = {}
        tasks: List[PythonFunction] = []
        for work in works:
            function = functions.setdefault(id(work.fn), Batch(work.fn))
            name = getattr(work.fn, "__name__", None)
            tasks.append(job.function(function, args=(work.calls,), name=name, **self._settings))
        if not tasks:
            return
        with self._changed:
            self._sent.update((task.task_id, work) for task, work in zip(tasks, works))
        try:
            extend_patiently(self.client, self.job, self._absence, lambda: self._cancel)
        except BaseException as error:
            self.job.sent = len(job.tasks)
            if isinstance(error, ValidationException) and len(works) > 1:
                self._send_alone([work for work in map(self._take, (task.task_id for task in tasks)) if work])
            else:
                for task in tasks:
                    self._fail(task.task_id, error)
        for task in tasks:
            # They are on the server now; a long life must not fill the memory with them.
            task.args = ()

    def _send_alone(self, works: List[Work]) -> None:
        """One of them cannot be pickled, which must not be the trouble of the others."""
        for work in works:
            self._send([work])

    # The receiving thread

    def _receive_all(self) -> None:
        sending = True
        while sending or self._sent:
            try:
                message = self._inbox.get(timeout=self._absence.left_s() if self._sent else None)
            except queue.Empty:
                self._give_up()
                continue
            if message is None:
                sending = False
            elif isinstance(message, EventBatch):
                for event in message.events:
                    self._handle(event)
            elif isinstance(message, Lost):
                if self._sent:
                    self._absence.begins(message.error)
            else:
                self._absence.ends()
                self._look_again()
                if self._cancel:
                    # It may have been away when this was asked for.
                    self._cancel_all()
        self._events.close()
        with contextlib.suppress(HqError):
            self._closing()
            self.client.forget(self.job)
        if self._own_client:
            self.client.close()

    def _cancel_all(self) -> None:
        with contextlib.suppress(HqError):
            self.client.cancel(self.job)

    def _give_up(self) -> None:
        """Nobody waits for ever. When the server comes back later it finds an executor that works."""
        error = self._absence.error(f"this call of job {self.job.id} may still be running")
        for task_id in list(self._sent):
            self._fail(task_id, error)

    def _handle(self, event: Any) -> None:
        kind = event["type"]
        if kind == "task-finished":
            self._finish(event["taskId"], event["instance"])
        elif kind == "task-failed":
            self._fail(event["taskId"], TaskFailed(event["error"]))
        else:
            for task_id in ids_of(event["ids"]):
                self._fail(task_id, concurrent.futures.CancelledError())

    def _look_again(self) -> None:
        """Events may have been missed, or be those of another server: what has ended is read instead."""
        try:
            for info in all_tasks(self.client.api, self.job.id, ENDED):
                state = {"finished": "task-finished", "failed": "task-failed"}.get(info["state"], "tasks-canceled")
                self._handle({**info, "type": state, "taskId": info["id"], "ids": str(info["id"])})
        except ServerUnavailable:
            pass  # The stream comes back with it, and so does this look.
        except HqError as error:
            for task_id in list(self._sent):
                self._fail(task_id, error)

    def _take(self, task_id: int) -> Optional[Work]:
        """The calls of a task that has ended, once."""
        with self._changed:
            return self._sent.pop(task_id, None)

    def _fail(self, task_id: int, error: BaseException) -> None:
        work = self._take(task_id)
        if work is not None:
            fail(work, error)

    def _finish(self, task_id: int, instance: int) -> None:
        work, data = self._take(task_id), self.job.data
        if work is None or data is None:
            return
        try:
            outcomes = read_attempt(data, task_id, instance)
        except (ResultUnavailable, OSError) as error:
            fail(work, error)
            return
        for future, outcome in zip(work.futures, outcomes):
            try:
                future.set_result(outcome.value())
            except Exception as error:
                future.set_exception(error)
        # It is read once.
        with contextlib.suppress(OSError):
            data.result(task_id, instance).unlink()


def _close_job(api: Client, job_id: int) -> None:
    with contextlib.suppress(HqError):
        api.close_job(job_id)
