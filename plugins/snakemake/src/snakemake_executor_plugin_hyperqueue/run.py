"""One run of a workflow, from its first batch of jobs to its end. Made by the executor when there is one to run."""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING, Any

from hq_bridge import Gap, HqError
from snakemake_interface_common.exceptions import WorkflowError
from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

from .failure import Failures
from .report import write_report
from .resources import Request, ResourceMapper, priority_of
from .session import Session
from .site import SiteView
from .status import Monitor, Registry, merge_wake_ups
from .submit import command_fields, growing, label_of, portions, shared_fields, warm_fields

if TYPE_CHECKING:
    from collections.abc import Callable

    from hq_bridge.events import Message
    from snakemake_interface_executor_plugins.jobs import JobExecutorInterface

    from .executor import Executor

# With as many jobs to choose from, what Snakemake's own schedulers take can be felt.
MANY_JOBS = 1_000
# Ends of jobs come in portions, because a round of Snakemake's scheduler costs the same for one as for many: more than all that is done
# here for a job. The first end after a pause comes at once. Where there are many jobs, others wait for the CPUs that become free, and
# most ends are still known within a tenth of a second.
GATHER_MS, GATHER_MANY_MS = 40, 150
GATHER_MANY_JOBS = 250


class Run:
    """What the scheduler's thread shares with the reader of events (`_take`) and the status thread (`look_after`)."""

    def __init__(self, executor: Executor, stir: Callable[[], None]) -> None:
        """:param stir: calls for `look_after` at once"""
        settings = executor.settings
        workdir = str(executor.workflow.workdir_init)
        self._executor = executor
        self._logger = executor.logger
        self._keep_logs = settings.keep_logs
        self._report_dir = executor.report_dir
        # For commands that users are told to type.
        directory = settings.server_dir
        self._server_option = "" if directory is None else f" --server-dir {shlex.quote(str(directory))}"
        self._said: set[str] = set()
        self._site: SiteView | None = None
        self._mapper = ResourceMapper(
            time_limit=settings.runtime_limit == "on", time_request=settings.time_request, warn=self._warn_once
        )
        self._session = Session(
            server_dir=settings.server_dir,
            cpus=settings.cpus,
            max_jobs=executor.workflow.resource_settings.nodes,
            workdir=workdir,
            stream_dir=executor.stream_dir,
            changed_at=changed_at(executor.workflow),
            queue=executor.queue,
            gather_ms=GATHER_MANY_MS if jobs_of(executor.workflow) >= GATHER_MANY_JOBS else GATHER_MS,
            say=lambda line: self._warn_once(line, line),
        )
        self._shared = {
            **shared_fields(executor.envvars(), workdir),
            **warm_fields(settings.warm_runner, executor.get_python_executable(), self._session.run_id),
        }
        self.tasks: Registry = {}
        self._stir = stir
        self._trouble: Exception | None = None
        self._failures = Failures(
            self._session, None if settings.keep_logs == "never" else executor.stream_dir, self._logger
        )
        self.monitor = Monitor(
            session=self._session,
            tasks=self.tasks,
            failures=self._failures,
            succeed=executor.report_job_success,
            fail=executor.report_job_error,
            logger=self._logger,
        )

    def submit(self, jobs: list[JobExecutorInterface]) -> None:
        """Announces every job and reports it once: as submitted, or as failed when the server does not take it. The first
        tasks run while the others are still being written.

        :raises WorkflowError: when there is no server, or one of the jobs asks for what cannot be meant; the workflow then
            ends, and nothing of `jobs` was submitted
        """
        try:
            if self._site is None:
                self._site = self._start()
            self._mapper.site = self._site.now()
            if len(jobs) >= MANY_JOBS:
                self._advise_scheduler(len(jobs))
            # The server knows only what it has got: what is urgent must not come after the rest.
            ordered = sorted(jobs, key=priority_of, reverse=True)
            wanted = [(job, self._mapper.request(job.name, job.threads, dict(job.resources.items()))) for job in ordered]
            for some in growing(wanted):
                self._submit(some)
        except HqError as error:
            raise WorkflowError(f"HyperQueue: {error}") from error

    def _advise_scheduler(self, count: int) -> None:
        settings = getattr(self._executor.workflow, "scheduling_settings", None)
        used = getattr(settings, "scheduler", None)
        if used in ("greedy", "ilp"):
            text = f"to choose among {count} jobs takes the scheduler {used} seconds to minutes"
            self._warn_once("scheduler", f"{text}; --scheduler hyperqueue chooses as greedy does, at once")

    def _submit(self, wanted: list[tuple[JobExecutorInterface, Request]]) -> None:
        for job, _ in wanted:
            self._executor.run_job_pre(job)
        infos: dict[int, SubmittedJobInfo] = {}
        tasks = [self._task_of(job, request, infos) for job, request in self._take_over(wanted)]
        for portion in portions(tasks):
            self._send(portion, [infos[task["id"]] for task in portion])

    def look_after(self) -> None:
        """To be called every few seconds by the status thread, which ends the workflow with what is raised here.

        :raises Exception: what the reader of events has met
        """
        if self._trouble is not None:
            raise self._trouble
        self.monitor.look_after()

    def cancel(self, reason: str) -> None:
        """Cancels whatever of this run is unfinished; reports nothing."""
        self.tasks.clear()
        try:
            self._session.cancel(reason)
        except HqError as error:
            jobs = ",".join(map(str, self._session.job_ids))
            self._logger.error(f"HyperQueue: the tasks could not be canceled: {error}. Try: hq job cancel {jobs}")

    def close(self) -> None:
        """The status thread has ended. What still runs would write files that nobody waits for."""
        if self.tasks:
            self.cancel("the workflow ended early")
        if self._report_dir is not None and self._site is not None:
            write_report(self._session, self._report_dir, self._logger)
        failed = self._keep_logs == "failed" and self._failures.count > 0
        if failed:
            where = self._server_option
            # A server of our own ends now, and knows what has been when it is started again.
            again = f"hq server start{where} --exit-when-idle 10min & hq server wait{where} && "
            command = f"hq logs snakemake {self._session.job_id} --failed{where}"
            self._logger.info(f"HyperQueue: what failed and why: {again if self._session.embedded else ''}{command}")
        self._session.close(keep_output=failed or self._keep_logs == "always")

    def _start(self) -> SiteView:
        session = self._session
        session.open(self._take)
        self._logger.info(f"HyperQueue: job {session.job_id} of the server in {session.client.server_dir}")
        with_lives = self._executor.settings.time_request
        return SiteView(session.client, embedded=session.embedded, with_lives=with_lives)

    def _take(self, message: Message) -> None:
        """Takes what the server tells. Called by a thread with which nobody could see an exception: the jobs would never end."""
        try:
            self.monitor.handle(message)
            merge_wake_ups(self._executor.workflow.scheduler)
        except Exception as error:
            self._trouble = error
            self._stir()

    def _take_over(self, wanted: list[tuple[JobExecutorInterface, Request]]) -> list[tuple[JobExecutorInterface, Request]]:
        """Follows tasks that an earlier run, now dead, has left behind for these jobs; returns the other jobs."""
        leftovers = self._session.leftovers
        if not leftovers:
            return wanted
        fresh = []
        for job, request in wanted:
            label = label_of(job)
            key = leftovers.claim(label)
            if key is None:
                fresh.append((job, request))
                continue
            external_id = f"{self._session.server_uid}/{key[0]}/{key[1]}"
            self.tasks[key] = info = SubmittedJobInfo(job, external_jobid=external_id, aux={"label": label})
            self._executor.report_job_submission(info)
            self._logger.info(f"HyperQueue: {label} is still running since an earlier run (task {external_id})")
        if len(fresh) < len(wanted):
            # They may have ended before they were registered.
            self.monitor.handle(Gap())
        return fresh

    def _task_of(self, job: JobExecutorInterface, request: Request, infos: dict[int, SubmittedJobInfo]) -> dict[str, Any]:
        """The task of a job, which is registered before it is sent: its end may be told before the answer comes."""
        job_id, task_id = self._session.job_id, self._session.new_task_id()
        label = label_of(job)
        memory = request.specs[0].get("resources", {}).get("mem")
        aux = {"label": label, "time_limit_ms": request.time_limit_ms, "memory": memory}
        external_id = f"{self._session.server_uid}/{job_id}/{task_id}"
        infos[task_id] = self.tasks[(job_id, task_id)] = SubmittedJobInfo(job, external_jobid=external_id, aux=aux)
        task = {
            "id": task_id,
            "label": label,
            "request": request.specs,
            "priority": priority_of(job),
            **request.options,
        }
        if request.time_limit_ms is not None:
            task["timeLimitMs"] = request.time_limit_ms
        return {**task, **command_fields(self._executor.format_job_exec(job))}

    def _send(self, tasks: list[dict[str, Any]], infos: list[SubmittedJobInfo]) -> None:
        try:
            warnings = self._session.submit(self._shared, tasks)
        except HqError as error:
            for task, info in zip(tasks, infos, strict=True):
                self.tasks.pop((self._session.job_id, task["id"]), None)
                self._executor.report_job_error(info, f"HyperQueue did not take the job: {error}\n")
            return
        for warning in warnings:
            self._warn_once(warning, warning)
        for info in infos:
            self._executor.report_job_submission(info)

    def _warn_once(self, kind: str, line: str) -> None:
        if kind not in self._said:
            self._said.add(kind)
            self._logger.warning(f"HyperQueue: {line}")


def jobs_of(workflow: Any) -> int:
    """Jobs that the workflow has to run, as far as is known; 0 where Snakemake does not tell: it is not in the promised interface."""
    dag = workflow.dag
    return len(dag) if hasattr(dag, "__len__") else 0


def changed_at(workflow: Any) -> float | None:
    """Last change of the workflow's files (Unix time); None where jobs have to be run again in any case.

    What is asked for beyond the main file is not in the promised interface.
    """
    if getattr(getattr(workflow, "dag_settings", None), "force_incomplete", False):
        return None
    files = {str(workflow.main_snakefile), *(str(file) for file in getattr(workflow, "included", ()))}
    return max((os.stat(file).st_mtime for file in files if os.path.exists(file)), default=None)
