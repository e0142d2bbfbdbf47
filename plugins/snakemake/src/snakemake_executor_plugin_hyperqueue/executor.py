"""The executor: Snakemake's calls -> one open job on a HyperQueue server.

Two threads call it: the scheduler (`run_jobs`, `cancel`, `shutdown`) and the base class's status thread
(`check_active_jobs`). Only `Run.tasks` knows which jobs run; the base class's own list is empty while the status
thread waits, and whoever cancels by it cancels nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.real import RealExecutor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
from snakemake_interface_executor_plugins.settings import SharedFSUsage
from snakemake_interface_executor_plugins.utils import format_cli_arg

from .command import CommandFormat
from .settings import DEFAULT_STREAM_DIR, ExecutorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

    from .run import Run

# Of the two MiB that Linux takes for the arguments and variables of a program.
WAIT_FILES_LIMIT_BYTES = 512 * 1024
# Longest wait for news, so that a shutdown that wakes nobody is still noticed.
WAIT_LIMIT_S = 0.2
# A round of the base class costs more than looking for news, so there are many looks in a round of this length.
ROUND_S = 2.0
# Nothing can end before the first job was submitted.
BEFORE_FIRST_S = 0.05
# News are taken in portions, because a round of the scheduler costs the same for one job as for many. The more jobs run,
# the less matters when one of them is known to have ended; a tenth of a second is what nobody notices, of which a busy
# worker takes up to 0.04.
SHORTEST_PORTION_S, LONGEST_PORTION_S = 0.02, 0.06
PORTION_S_PER_TASK = 0.0002


class Executor(RemoteExecutor):
    """Sends every batch of jobs with few requests and learns of their ends from the server's events."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        if workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("The hyperqueue executor does not support --immediate-submit.")
        # The base class starts the status thread in its constructor; this is all that the thread needs.
        self._run: Run | None = None
        self._formats_group = False
        self._commands = CommandFormat()
        super().__init__(workflow, logger)

    def __post_init__(self) -> None:
        self.next_seconds_between_status_checks = 0
        self.settings: ExecutorSettings = self.executor_settings or ExecutorSettings()
        from .allocation import queue_params

        self.queue = queue_params(self.settings)
        # Now, as relative paths are meant from the directory that Snakemake was started for.
        self.stream_dir = Path(os.path.abspath(self.settings.stream_dir or DEFAULT_STREAM_DIR))
        report = self.settings.report
        self.report_dir = None if report is None else Path(os.path.abspath(report))

    # The scheduler's thread

    def run_job(self, job: JobExecutorInterface) -> None:
        self.run_jobs([job])

    def run_jobs(self, jobs: list[JobExecutorInterface]) -> None:
        """Submits all jobs with few requests."""
        if self._run is None:
            from .run import Run

            self._run = Run(self)
        self._run.submit(jobs)

    def format_job_exec(self, job: JobExecutorInterface) -> str:
        self._formats_group = job.is_group()
        whole = super().format_job_exec
        return self._commands.command(self._formats_group, self.get_job_args(job), lambda: whole(job))

    def get_job_args(self, job: JobExecutorInterface) -> str:
        """What a job waits for stands in its command, which may be long here. The base class writes a file for each job
        with more than 20 inputs; so does this one where a program could not be called with so many.
        """
        if SharedFSUsage.INPUT_OUTPUT not in self.workflow.storage_settings.shared_fs_usage:
            return super().get_job_args(job)
        files = [self.tmpdir, *job.get_wait_for_files()]
        if sum(len(os.fsencode(file)) for file in files) > WAIT_FILES_LIMIT_BYTES:
            return super().get_job_args(job)
        return f"{RealExecutor.get_job_args(self, job)} {format_cli_arg('--wait-for-files', files)}"

    def additional_general_args(self) -> str:
        """The Snakemake of a job has one job, for which solving a schedule takes longer than running it.

        It also waits for the end of its rate limiter's period before it exits: a second in which its cores do nothing.
        In a group that wait is what keeps members from polling for cores.
        """
        return "--scheduler greedy" if self._formats_group else "--scheduler greedy --max-jobs-per-timespan 100/0s"

    def cancel_jobs(self, active_jobs: list[SubmittedJobInfo]) -> None:
        """Cancels everything of this run, whatever the given list holds. A second call finds nothing left."""
        if self._run is not None:
            self._run.cancel("the workflow was interrupted")

    def shutdown(self) -> None:
        if self._run is not None:
            self._run.inbox.close()
        super().shutdown()
        run, self._run = self._run, None
        if run is not None:
            run.close()

    # The status thread

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Reports what has ended. Nothing is given back: the cost of a round must not grow with the jobs that run."""
        run = self._run
        if run is None:
            await asyncio.sleep(BEFORE_FIRST_S)
            return
        until = time.monotonic() + ROUND_S
        while not run.inbox.closed and time.monotonic() < until:
            run.monitor.handle(await run.inbox.take(WAIT_LIMIT_S))
            merge_wake_ups(self.workflow.scheduler)
            portion_s = len(run.tasks) * PORTION_S_PER_TASK
            await asyncio.sleep(max(SHORTEST_PORTION_S, min(LONGEST_PORTION_S, portion_s)))
        return
        yield  # Makes this the generator that the interface asks for.


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
