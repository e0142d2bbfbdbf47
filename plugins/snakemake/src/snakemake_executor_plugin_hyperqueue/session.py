"""One workflow run on one server: its open job, its event stream, its output. Called from all threads."""

from __future__ import annotations

import os
import shutil
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hq_bridge import Client, EventStream, HqError, ServerUnavailable, ensure_server, ids_text

from .allocation import WorkflowQueue
from .leftovers import PROCESS_LABEL, RUN_LABEL, WORKDIR_LABEL, Leftovers, this_process
from .submit import clean

if TYPE_CHECKING:
    from hq_bridge._generated import models
    from hq_bridge.events import Message

EVENT_TYPES = ("task-finished", "task-failed", "task-restarted", "tasks-canceled", "tasks-aborted")
# A server that is restarted by hand or moves to another node is back well within this time.
OFFLINE_LIMIT_S = 600.0
RETRY_S = 1.0

Say = Callable[[str], None]


class Session:
    """Made without a server; `open` finds or starts one. `say` shows one line to the user.

    :param stream_dir: absolute; one directory per run is made in it
    :param max_jobs: Snakemake's `--jobs`, the most CPUs that a local worker needs
    :param changed_at: last change of the workflow's files (Unix time); None: tasks of earlier runs are of no use
    :param queue: the allocation queue that brings workers; None: there are workers, or one is started on this host
    :param gather_ms: least time from one portion of ends to the next; what comes after a pause is told at once
    """

    def __init__(
        self,
        *,
        server_dir: Path | None,
        cpus: int | None,
        max_jobs: int | None,
        workdir: str,
        stream_dir: Path,
        changed_at: float | None,
        queue: models.QueueParams | None,
        gather_ms: int,
        say: Say,
    ) -> None:
        self.client = Client(server_dir)
        self.run_id = str(uuid.uuid4())
        self.embedded = False
        self._options: dict[str, Any] = {
            **{"server_dir": server_dir, "cpus": cpus, "max_jobs": max_jobs, "warn": say},
            "local_worker": queue is None,
        }
        self._queue = None if queue is None else WorkflowQueue(self.client, queue, say)
        self._workdir = workdir
        self._stream_dir = stream_dir
        self._changed_at = changed_at
        self._gather_ms = gather_ms
        self._say = say
        self._next_task = 1
        self._job_asked = False
        self._job_id: int | None = None
        self._stream: EventStream | None = None
        self.leftovers: Leftovers | None = None

    def open(self, on_message: Callable[[Message], None]) -> None:
        """Finds or starts the server, opens the job and follows its events.

        :raises HqError: when there is no server to be had
        """
        server = ensure_server(**self._options)
        self.embedded = server.embedded
        self.server_uid = server.server_uid
        if server.worker_cpus is not None:
            self._say(f"started a local worker with {server.worker_cpus} CPUs")
        self._job_id = self._create_job()
        self.leftovers = Leftovers(self.client, self._workdir, self._job_id, changed_at=self._changed_at, say=self._say)
        stream = EventStream(
            server.server_dir,
            on_message,
            jobs=ids_text(self.job_ids),
            types=EVENT_TYPES,
            lease=f"snakemake {self.run_id}",
            gather_ms=self._gather_ms,
        )
        self._stream = stream.open()
        if self._queue is not None:
            self._queue.create(self._job_id)
        self.leftovers.read()
        self.run_dir(self.job_id).mkdir(parents=True, exist_ok=True)

    @property
    def job_id(self) -> int:
        """The job of this run, when the session is open."""
        assert self._job_id is not None
        return self._job_id

    @property
    def job_ids(self) -> list[int]:
        """All jobs that tasks of this run are in: its own and those of earlier runs."""
        own = [] if self._job_id is None else [self._job_id]
        return own + (self.leftovers.job_ids if self.leftovers is not None else [])

    def run_dir(self, job_id: int) -> Path:
        """Where the output of a job's tasks is."""
        return self._stream_dir / f"run-{job_id}-{self.server_uid[:8]}"

    def new_task_id(self) -> int:
        """Ids are given out here, so that a request whose answer was lost can be repeated without harm."""
        self._next_task += 1
        return self._next_task - 1

    def submit(self, shared: dict[str, Any], tasks: list[dict[str, Any]]) -> list[str]:
        """Adds tasks to the job; returns warnings. Waits for a server that is away.

        :raises HqError: when the server refuses them or stays away
        """
        graph = {"kind": "graph", "shared": shared, "tasks": tasks}
        body = {"submitDir": self._workdir, "stream": str(self.run_dir(self.job_id)), "tasks": graph}
        deadline = time.monotonic() + OFFLINE_LIMIT_S
        may_have_arrived = False
        while True:
            try:
                return self.client.submit(self.job_id, body)["warnings"]  # type: ignore[arg-type]
            except ServerUnavailable as error:
                may_have_arrived = may_have_arrived or error.sent
                if time.monotonic() > deadline:
                    raise
                self._say(f"{error.message}; trying again")
            except HqError as error:
                if may_have_arrived and error.code == "HQ_E_TASK_EXISTS":
                    return []
                raise
            time.sleep(RETRY_S)
            self.revive()

    def cancel(self, reason: str) -> None:
        """Cancels everything of this run, also what the server got while a request was interrupted. :raises HqError:"""
        self._find_lost_job()
        for job_id in self.job_ids:
            self.client.cancel(job_id, reason=reason)

    def close(self, keep_output: bool) -> None:
        """Closes the job, ends the lease, removes the output of jobs unless it is to be kept. Never raises HqError."""
        try:
            self._find_lost_job()
            if self.leftovers is not None:
                self.leftovers.finish()
            if self._queue is not None:
                self._queue.remove()
            if self._job_id is not None:
                self.client.close_job(self._job_id)
        except HqError as error:
            self._say(f"the job of this run could not be closed: {error}")
        if self._stream is not None:
            self._stream.close()
        if not keep_output:
            for job_id in self.job_ids:
                shutil.rmtree(self.run_dir(job_id), ignore_errors=True)
        self.client.close()

    def look_after(self) -> None:
        """What is done now and then while jobs run: see that there is a server, and that workers may come."""
        self.revive()
        if self._queue is not None:
            self._queue.look_after()

    def revive(self) -> None:
        """Starts an embedded server or its worker again, should they be gone. Quiet when that does not help."""
        if self.embedded:
            try:
                ensure_server(**self._options)
            except HqError as error:
                self._say(f"the server could not be started again: {error}")

    def tasks(self, job_id: int, ids: str | None = None) -> list[models.TaskInfo]:
        return self.client.tasks(job_id, ids=ids)

    def host_of(self, worker_id: int) -> str:
        return self.client.worker(worker_id)["configuration"]["hostname"]

    def _create_job(self) -> int:
        labels = {RUN_LABEL: self.run_id, WORKDIR_LABEL: self._workdir, PROCESS_LABEL: this_process()}
        name = clean(f"snakemake-{os.path.basename(self._workdir) or 'root'}")
        self._job_asked = True
        try:
            return self.client.create_job({"name": name, "open": True, "labels": labels})["jobId"]
        except ServerUnavailable as error:
            if error.sent:
                self._find_lost_job()
            if self._job_id is None:
                raise
            return self._job_id

    def _find_lost_job(self) -> None:
        """Should the answer to the job's creation have been lost, the label tells which one it is."""
        if self._job_asked and self._job_id is None:
            jobs = self.client.jobs(live=True, labels={RUN_LABEL: self.run_id})
            self._job_id = jobs[0]["id"] if jobs else None
