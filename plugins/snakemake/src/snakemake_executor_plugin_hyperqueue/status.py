"""What became of tasks: messages of the event stream -> reports to Snakemake. Runs in the thread that reads the stream."""

from __future__ import annotations

import threading
import time
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


class Monitor:
    """Reports the end of every task once. Never raises HqError: trouble with the server is waited out.

    Three threads call it: `handle` the reader of events and, for what earlier runs have left behind, the scheduler's; `look_after`
    the status thread. Whoever takes a task out of the table reports its end, so none meets what another has reported.
    """

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
        self._stopped = False
        self._lost_at: float | None = None
        self._looked_at = time.monotonic()

    def handle(self, message: Message) -> None:
        """Takes what has arrived."""
        if self._stopped:
            return
        if isinstance(message, Batch):
            self._events(message.events)
        elif isinstance(message, Lost):
            self._lost_at = time.monotonic()
            self._logger.warning(f"HyperQueue: {message.error.message}; waiting for it to come back")
        elif isinstance(message, Resumed):
            self._resumed(message)
        elif isinstance(message, Gap):
            self._read_again()

    def stop(self) -> None:
        """Nothing that arrives is reported any more: the workflow has ended."""
        self._stopped = True

    def look_after(self) -> None:
        """To be called every few seconds: sees to the server while jobs run, and gives up one that stays away."""
        if self._stopped:
            return
        now = time.monotonic()
        if self._lost_at is not None and now - self._lost_at > OFFLINE_LIMIT_S:
            self._lost_at = None
            self._give_up_all(f"the server has not answered for {OFFLINE_LIMIT_S / 60:.0f} minutes")
        if self._tasks and now - self._looked_at > LOOK_AFTER_S:
            self._session.look_after()
            self._looked_at = time.monotonic()

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


def merge_wake_ups(scheduler: Any) -> None:
    """One round of Snakemake's scheduler takes in all that was reported before it, but it makes a round per report, each
    as expensive as looking at all jobs that are ready. So of the wake-ups that wait one is left.

    It is put back after the others were taken: whatever was reported before any of them is seen by the round that it
    causes. The semaphore is not in the promised interface; without it every report keeps its round.
    """
    wake_ups = getattr(scheduler, "_open_jobs", None)
    if not isinstance(wake_ups, threading.Semaphore):
        return
    if wake_ups.acquire(blocking=False):
        while wake_ups.acquire(blocking=False):
            pass
        wake_ups.release()
