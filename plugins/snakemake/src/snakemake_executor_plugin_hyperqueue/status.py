"""What became of tasks: messages of the event stream -> reports to Snakemake. Runs in the executor's status thread."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from hq_bridge import Batch, Gap, HqError, Lost, Resumed, ids_of

from .session import OFFLINE_LIMIT_S

if TYPE_CHECKING:
    from hq_bridge._generated import models
    from hq_bridge.events import Message
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    from .failure import Failures
    from .session import Session

# How often an embedded server and an allocation queue are looked after.
LOOK_AFTER_S = 10.0

# (job id, task id) -> the job; the only list of what is running.
Registry = dict[tuple[int, int], "SubmittedJobInfo"]


class Inbox:
    """Hands messages from the reader's thread to the status thread's event loop."""

    def __init__(self) -> None:
        self._messages: deque[Message] = deque()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._changed: asyncio.Event | None = None
        self.closed = False

    def put(self, message: Message) -> None:
        self._messages.append(message)
        self._wake()

    def close(self) -> None:
        """Nobody waits any more."""
        self.closed = True
        self._wake()

    async def take(self, limit_s: float) -> list[Message]:
        """What has arrived, after at most `limit_s` seconds."""
        if self._changed is None:
            self._changed = asyncio.Event()
            self._loop = asyncio.get_running_loop()
        if not self._messages and not self.closed:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), limit_s)
        self._changed.clear()
        return [self._messages.popleft() for _ in range(len(self._messages))]

    def _wake(self) -> None:
        # Once is enough: `take` forgets that it was woken before it looks at what there is.
        if self._loop is not None and self._changed is not None and not self._changed.is_set():
            # The loop ends with the workflow, the reader a moment later.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._changed.set)


class Monitor:
    """Reports the end of every task once. Never raises HqError: trouble with the server is waited out."""

    def __init__(
        self,
        *,
        session: Session,
        tasks: Registry,
        failures: Failures,
        succeed: Callable[[SubmittedJobInfo], None],
        fail: Callable[..., None],
        logger: Any,
    ) -> None:
        self._session = session
        self._tasks = tasks
        self._failures = failures
        self._succeed = succeed
        self._fail = fail
        self._logger = logger
        self._lost_at: float | None = None
        self._looked_at = time.monotonic()

    def handle(self, messages: list[Message]) -> None:
        """Takes what has arrived, which may be nothing."""
        for message in messages:
            if isinstance(message, Batch):
                self._events(message.events)
            elif isinstance(message, Lost):
                self._lost_at = time.monotonic()
                self._logger.warning(f"HyperQueue: {message.error.message}; waiting for it to come back")
            elif isinstance(message, Resumed):
                self._resumed(message)
            elif isinstance(message, Gap):
                self._read_again()
        self._look_after()

    def _events(self, events: list[models.HqEvent]) -> None:
        failed: list[models.HqEventTaskFailed] = []
        for event in events:
            if event["type"] == "task-finished":
                info = self._tasks.pop((event["jobId"], event["taskId"]), None)
                if info is not None:
                    self._succeed(info)
            elif event["type"] == "task-failed":
                failed.append(event)
            elif event["type"] == "task-restarted":
                self._restarted(event)
            elif event["type"] == "tasks-canceled":
                self._give_up(event["jobId"], event["ids"], "it was canceled in HyperQueue")
            elif event["type"] == "tasks-aborted":
                self._give_up(event["jobId"], event["ids"], f"it was aborted: {event['reason']}")
        for event in failed:
            info = self._tasks.pop((event["jobId"], event["taskId"]), None)
            if info is not None:
                self._failures.report(info, event, self._fail)

    def _restarted(self, event: models.HqEventTaskRestarted) -> None:
        info = self._tasks.get((event["jobId"], event["taskId"]))
        if info is not None:
            cause = event["cause"].replace("-", " ")
            self._logger.info(f"HyperQueue: {info.job.name} (task {event['taskId']}) starts again: {cause}")

    def _give_up(self, job_id: int, ids: str, reason: str) -> None:
        for task_id in ids_of(ids):
            info = self._tasks.pop((job_id, task_id), None)
            if info is not None:
                self._fail(info, f"task {task_id} of HyperQueue job {job_id}: {reason}")

    def _give_up_all(self, reason: str) -> None:
        for job_id, task_id in list(self._tasks):
            self._give_up(job_id, str(task_id), reason)

    def _resumed(self, message: Resumed) -> None:
        self._lost_at = None
        if message.server_uid == self._session.server_uid:
            self._logger.info("HyperQueue: the server is back")
        else:
            self._give_up_all("another server has taken the place of the one that ran it")

    def _read_again(self) -> None:
        """After missed events: what has become of the tasks that should still be running?"""
        for job_id in {job for job, _ in list(self._tasks)}:
            try:
                for task in self._session.tasks(job_id):
                    self._ended(task)
            except HqError as error:
                if error.code == "HQ_E_JOB_NOT_FOUND":
                    self._give_up_all("the server has forgotten its job")
                else:
                    # The stream breaks with the server; when it is back, there is another gap.
                    self._logger.warning(f"HyperQueue: {error.message}")

    def _ended(self, task: models.TaskInfo) -> None:
        key = (task["jobId"], task["id"])
        if task["state"] == "finished":
            info = self._tasks.pop(key, None)
            if info is not None:
                self._succeed(info)
        elif task["state"] == "failed":
            info = self._tasks.pop(key, None)
            if info is not None:
                self._failures.report(info, task, self._fail)
        elif task["state"] in ("canceled", "aborted"):
            self._give_up(task["jobId"], str(task["id"]), task["error"] or f"it was {task['state']} in HyperQueue")

    def _look_after(self) -> None:
        now = time.monotonic()
        if self._lost_at is not None and now - self._lost_at > OFFLINE_LIMIT_S:
            self._lost_at = None
            self._give_up_all(f"the server has not answered for {OFFLINE_LIMIT_S / 60:.0f} minutes")
        if self._tasks and now - self._looked_at > LOOK_AFTER_S:
            self._session.look_after()
            self._looked_at = time.monotonic()
