"""Tasks of earlier runs in the same directory whose Snakemake is gone: taken over where possible, else canceled.

Without this, a workflow that is started again after a crash would write the same files as tasks that still run.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hq_bridge import HqError, ids_text

if TYPE_CHECKING:
    from hq_bridge import Client

RUN_LABEL = "snakemake-run"
WORKDIR_LABEL = "snakemake-workdir"
PROCESS_LABEL = "snakemake-process"


class Leftovers:
    """What earlier runs left behind on this server.

    :param own_job: the job of this run
    """

    def __init__(self, client: Client, workdir: str, own_job: int, say: Callable[[str], None]) -> None:
        self._client = client
        self._labels: dict[tuple[int, int], str] = {}
        self.job_ids: list[int] = []
        for job in client.jobs(live=True, labels={WORKDIR_LABEL: workdir}):
            if job["id"] == own_job or RUN_LABEL not in job["labels"]:
                continue
            if is_gone(job["labels"].get(PROCESS_LABEL, "")):
                self.job_ids.append(job["id"])
            elif job["stats"]["waiting"] + job["stats"]["running"] > 0:
                where = job["labels"].get(PROCESS_LABEL)
                say(f"another run in this directory may still be alive (job {job['id']}, process {where})")

    def read(self) -> None:
        """Reads which of their tasks are unfinished. To be called when their events are being followed already."""
        for job_id in self.job_ids:
            for task in self._client.tasks(job_id, states=("waiting", "running")):
                self._labels[(job_id, task["id"])] = task["label"] or ""

    def __bool__(self) -> bool:
        return bool(self._labels)

    def claim(self, external_id: str | None, server_uid: str) -> tuple[int, int] | None:
        """The task with this external id, if it is one of these and unfinished as far as is known."""
        uid, _, rest = (external_id or "").partition("/")
        job, _, task = rest.partition("/")
        if uid != server_uid or not (job.isdigit() and task.isdigit()):
            return None
        key = (int(job), int(task))
        return key if self._labels.pop(key, None) is not None else None

    def cancel_like(self, labels: set[str]) -> None:
        """Cancels tasks that do the same as those that are about to be submitted. :raises HqError:"""
        self._cancel([key for key, label in self._labels.items() if label in labels])

    def finish(self) -> None:
        """Cancels what nobody has claimed and closes the jobs. :raises HqError:"""
        self._cancel(list(self._labels))
        for job_id in self.job_ids:
            try:
                self._client.close_job(job_id)
            except HqError as error:
                # Somebody may have closed or forgotten it meanwhile.
                if error.code not in ("HQ_E_JOB_NOT_OPEN", "HQ_E_JOB_NOT_FOUND"):
                    raise

    def _cancel(self, keys: list[tuple[int, int]]) -> None:
        for job_id in {job for job, _ in keys}:
            tasks = [task for job, task in keys if job == job_id]
            self._client.cancel(job_id, ids_text(tasks), reason="a later run of the workflow replaces it")
        for key in keys:
            self._labels.pop(key, None)


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
