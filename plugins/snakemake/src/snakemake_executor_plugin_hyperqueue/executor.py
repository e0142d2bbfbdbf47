"""The executor: Snakemake's calls -> one open job on a HyperQueue server.

Two threads call it: the scheduler (`run_jobs`, `cancel`, `shutdown`) and the base class's status thread
(`check_active_jobs`). The ends of jobs are reported by a third one, which reads the server's events. Only `Run.tasks` knows
which jobs run; the base class's own list is empty while the status thread waits, and whoever cancels by it cancels nothing.
"""

from __future__ import annotations

import os
import threading
from functools import cached_property
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
# How often the status thread looks whether all is well. A round of the base class costs more than that look.
ROUND_S = 2.0


class Executor(RemoteExecutor):
    """Sends every batch of jobs with few requests and learns of their ends from the server's events."""

    def __init__(self, workflow: Any, logger: Any) -> None:
        if workflow.remote_execution_settings.immediate_submit:
            raise WorkflowError("The hyperqueue executor does not support --immediate-submit.")
        # The base class starts the status thread in its constructor; this is all that the thread needs.
        self._run: Run | None = None
        self._stirred = threading.Event()
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

            self._run = Run(self, stir=self._stirred.set)
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
        files = [self._job_tmpdir, *job.get_wait_for_files()]
        if sum(len(os.fsencode(file)) for file in files) > WAIT_FILES_LIMIT_BYTES:
            return super().get_job_args(job)
        return f"{RealExecutor.get_job_args(self, job)} {format_cli_arg('--wait-for-files', files)}"

    @cached_property
    def _job_tmpdir(self) -> str:
        """As the base class makes it, which looks for the current directory again each time."""
        return self.tmpdir

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
            self._run.monitor.stop()
        self._stirred.set()
        super().shutdown()
        run, self._run = self._run, None
        if run is not None:
            run.close()

    # The status thread

    async def check_active_jobs(self, active_jobs: list[SubmittedJobInfo]) -> AsyncGenerator[SubmittedJobInfo, None]:
        """Waits for trouble that ends the workflow. Nothing is given back: the cost of a round must not grow with the jobs that
        run. Blocks: nothing else runs in this event loop, and timers of asyncio cost more than all else that is done here.
        """
        self._stirred.wait(ROUND_S)
        if self._run is not None:
            self._run.look_after()
        return
        yield  # Makes this the generator that the interface asks for.
