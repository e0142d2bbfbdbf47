"""Waits until jobs have ended, over restarts of the server. Called by `JobClient`.

The server's events say when to look; what counts is the state that is read afterwards, so that nothing is missed.
"""

from __future__ import annotations

import queue
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, List, Optional, Sequence, Set

from .client import Client
from .errors import HqError, ServerUnavailable
from .events import EventStream, Message
from .intarray import ids_text
from .patience import AWAY_S, RETURN_LIMIT_S, Absence

if TYPE_CHECKING:
    from ._generated import models

TYPES = ("job-idle", "job-completed", "job-closed", "job-canceled", "job-forgotten")
# How often numbers on a terminal change.
PROGRESS_S = 0.5

Progress = Callable[["List[models.JobInfo]"], None]


class Waiter:
    """One wait for some jobs. `stop` may be called in another thread."""

    def __init__(
        self,
        server_dir: Path,
        client: Client,
        job_ids: Sequence[int],
        return_limit_s: Optional[float] = RETURN_LIMIT_S,
    ) -> None:
        self._server_dir = server_dir
        self._client = client
        self._ids = set(job_ids)
        self._inbox: "queue.Queue[Optional[Message]]" = queue.Queue()
        self._stopped = threading.Event()
        self._absence = Absence(server_dir, return_limit_s)

    def stop(self) -> None:
        """Lets `wait` return before the end."""
        self._stopped.set()
        self._inbox.put(None)

    def wait(self, progress: Optional[Progress] = None) -> "Optional[List[models.JobInfo]]":
        """The jobs, sorted by id, when none of their tasks is unfinished; None when it was stopped.

        :raises HqError: HQ_E_JOB_NOT_FOUND when one of them is not there or was forgotten
        :raises ServerUnavailable: HQ_E_SERVER_GONE when the server was away for longer than `return_limit_s`
        """
        if not self._ids:
            return []
        with EventStream(self._server_dir, self._inbox.put, jobs=ids_text(self._ids), types=TYPES):
            while not self._stopped.is_set():
                jobs = self._read()
                if jobs is not None:
                    if progress is not None:
                        progress(jobs)
                    if all(has_ended(job) for job in jobs):
                        return jobs
                self._await_news(AWAY_S if jobs is None else None if progress is None else PROGRESS_S)
        return None

    def _read(self) -> "Optional[List[models.JobInfo]]":
        """None while no server answers."""
        try:
            jobs = self._client.jobs(ids=ids_text(self._ids))
        except ServerUnavailable as error:
            self._absence.begins(error)
            if self._absence.left_s() == 0:
                raise self._absence.error(f"{_jobs(self._ids)} may still be running") from error
            return None
        self._absence.ends()
        missing: Set[int] = self._ids - {job["id"] for job in jobs}
        if missing:
            raise HqError(
                "HQ_E_JOB_NOT_FOUND", f"job {ids_text(missing)} not found", "List the jobs with: hq job list --all"
            )
        return jobs

    def _await_news(self, timeout_s: Optional[float]) -> None:
        try:
            self._inbox.get(timeout=timeout_s)
            while True:
                self._inbox.get_nowait()
        except queue.Empty:
            pass


def has_ended(job: "models.JobInfo") -> bool:
    """Whether nothing is left to do. An open job may get more tasks all the same."""
    return job["stats"]["waiting"] == 0 and job["stats"]["running"] == 0


def _jobs(ids: Set[int]) -> str:
    return f"{'job' if len(ids) == 1 else 'jobs'} {ids_text(ids)}"


class ProgressBar:
    """Finished tasks of some jobs, drawn with tqdm where that is installed and standard error is a terminal."""

    def __init__(self) -> None:
        self._bar: Any = None
        self.draw: Optional[Progress] = None
        if sys.stderr is not None and sys.stderr.isatty():
            try:
                from tqdm import tqdm
            except ImportError:
                return
            self._bar = tqdm(unit="task")
            self.draw = self._draw

    def __enter__(self) -> "ProgressBar":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _draw(self, jobs: "List[models.JobInfo]") -> None:
        ended = sum(1 for job in jobs if has_ended(job))
        failed = sum(job["stats"]["failed"] for job in jobs)
        self._bar.total = sum(job["taskCount"] for job in jobs)
        self._bar.n = sum(job["taskCount"] - job["stats"]["waiting"] - job["stats"]["running"] for job in jobs)
        trouble = f", {failed} failed" if failed else ""
        self._bar.set_postfix_str(f"{ended}/{len(jobs)} {'job' if len(jobs) == 1 else 'jobs'}{trouble}")
