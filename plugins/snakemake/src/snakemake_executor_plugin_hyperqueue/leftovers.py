"""Tasks of earlier runs in the same directory whose Snakemake is gone: taken over where possible, else canceled.

Without this, a workflow that is started again after a crash would write the same files as tasks that still run.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hq_bridge import HqError, ids_text

from .allocation import queue_name, remove_queues

if TYPE_CHECKING:
    from hq_bridge import Client
    from hq_bridge._generated import models

RUN_LABEL = "snakemake-run"
WORKDIR_LABEL = "snakemake-workdir"
PROCESS_LABEL = "snakemake-process"

# A killed task gets a few seconds to end; a worker that is cut off does not answer at all.
STOP_LIMIT_S = 60.0
STOP_POLL_S = 0.1

Key = tuple[int, int]


class Leftovers:
    """What earlier runs left behind on this server.

    :param own_job: the job of this run
    :param changed_at: Unix time of the last change of the workflow's files, seconds; None: take nothing over
    """

    def __init__(
        self, client: Client, workdir: str, own_job: int, *, changed_at: float | None, say: Callable[[str], None]
    ) -> None:
        self._client = client
        self._say = say
        self._running: dict[str, Key] = {}
        self._usable: set[int] = set()
        self.job_ids: list[int] = []
        for job in client.jobs(live=True, labels={WORKDIR_LABEL: workdir}):
            process = job["labels"].get(PROCESS_LABEL, "")
            if job["id"] == own_job:
                continue
            if is_gone(process):
                self.job_ids.append(job["id"])
                if changed_at is not None and changed_at * 1000 < job["submittedAtMs"]:
                    self._usable.add(job["id"])
            elif is_unfinished(job):
                say(f"another run in this directory may still be alive (job {job['id']}, process {process})")

    def read(self) -> None:
        """Finds out what still runs, cancels what cannot be used and waits until it is gone: files that it would write
        may be written anew from now on. To be called when events are being followed.

        A task that has not started yet is of no use: its files for passing arguments went with its Snakemake.

        :raises HqError: when the server refuses
        """
        remove_queues(self._client, {queue_name(job_id) for job_id in self.job_ids})
        any_canceled = False
        for job_id in self.job_ids:
            tasks = self._client.tasks(job_id, states=("waiting", "running"))
            useless = [task for task in tasks if task["state"] == "waiting"]
            running = [task for task in tasks if task["state"] == "running"]
            if job_id in self._usable:
                self._running.update({task["label"] or "": (job_id, task["id"]) for task in running})
            else:
                useless += running
            self._cancel(job_id, [task["id"] for task in useless])
            any_canceled = any_canceled or bool(useless)
        if any_canceled:
            self._await_stop()

    def __bool__(self) -> bool:
        return bool(self._running)

    def claim(self, label: str) -> Key | None:
        """The task that does the job with this label, when one was running."""
        return self._running.pop(label, None)

    def finish(self) -> None:
        """Cancels what nobody has claimed and closes the jobs. :raises HqError:"""
        for job_id in self.job_ids:
            self._cancel(job_id, [task for job, task in self._running.values() if job == job_id])
            try:
                self._client.close_job(job_id)
            except HqError as error:
                # Somebody may have closed or forgotten it meanwhile.
                if error.code not in ("HQ_E_JOB_NOT_OPEN", "HQ_E_JOB_NOT_FOUND"):
                    raise

    def _await_stop(self) -> None:
        """Waits until workers have confirmed that canceled tasks are dead. One that is gone has taken them along."""
        deadline = time.monotonic() + STOP_LIMIT_S
        while True:
            busy = [worker["id"] for worker in self._client.workers() if worker.get("stoppingTasks", 0) > 0]
            if not busy:
                return
            if time.monotonic() > deadline:
                named = ", ".join(map(str, busy))
                self._say(f"jobs of an earlier run were canceled, but may still run: no answer from worker {named}")
                return
            time.sleep(STOP_POLL_S)

    def _cancel(self, job_id: int, tasks: list[int]) -> None:
        if tasks:
            self._client.cancel(job_id, ids_text(tasks), reason="its Snakemake has ended")


def is_unfinished(job: models.JobInfo) -> bool:
    return job["stats"]["waiting"] + job["stats"]["running"] > 0


def this_process() -> str:
    """Names this process so that it can be told later whether it still lives: host, process id, its start."""
    return f"{socket.gethostname()}:{os.getpid()}:{started_at(os.getpid())}"


def is_gone(process: str) -> bool:
    """Whether such a process has ended; of those on other hosts nothing is known, so they have not."""
    host, _, rest = process.partition(":")
    pid, _, start = rest.partition(":")
    return host == socket.gethostname() and pid.isdigit() and started_at(int(pid)) != start


def started_at(pid: int) -> str:
    """Start of a process in clock ticks since the boot of the host, empty when there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except OSError:
        return ""
