"""An executor that makes the outputs of its jobs and starts nothing: what is left is Snakemake's own work for a job.

Found by Snakemake because the benchmark puts the folder above on PYTHONPATH. Not installed.
"""

from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
# How Snakemake treats it is to be the same as with the executor that is measured beside it.
from snakemake_executor_plugin_hyperqueue import common_settings

__all__ = ["Executor", "common_settings"]


class Executor(RemoteExecutor):
    """Every job has ended well before the next round of the status thread."""

    def __post_init__(self):
        self.next_seconds_between_status_checks = 0.02

    def run_job(self, job):
        """:param job: its outputs are made, empty"""
        for file in job.output:
            with open(file, "w"):
                pass
        self.report_job_submission(SubmittedJobInfo(job, external_jobid="none"))

    async def check_active_jobs(self, active_jobs):
        for job in active_jobs:
            self.report_job_success(job)
        return
        yield  # Makes this the generator that the interface asks for.

    def cancel_jobs(self, active_jobs):
        """There is nothing to cancel."""
