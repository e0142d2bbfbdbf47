"""Submits jobs, waits for them and fetches what they returned. `hyperqueue.Client` is this class.

Names, arguments and defaults follow `hyperqueue.Client` of HyperQueue 0.26; what goes beyond is marked "ours".
"""

from __future__ import annotations

import contextlib
import os
import sys
import uuid
import weakref
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence

from .access import AnyPath, identity_directory, server_directory
from .client import Client
from .data_dir import LABEL, DataDirectory, remove_orphans
from .embedded import ensure_server
from .errors import HqError, ServerUnavailable
from .events import EventStream
from .failures import FailedJobsException, FailedTaskContext, TaskFailures
from .graph import graph_of
from .intarray import ids_text
from .job import HasJobId, Job, SubmittedJob, job_id_of
from .patience import RETURN_LIMIT_S
from .python_env import PythonEnv
from .results import Results, all_tasks
from .tasks import PythonFunction, Task
from .validation import ValidationException
from .waiting import ProgressBar, Waiter


class JobClient:
    """Jobs of one server.

    A server that runs is used; where none does, one is started together with a worker on this host, which ends by
    itself when the client is closed, or its process has ended, and no task is unfinished.

    :param server_dir: None for `HQ_SERVER_DIR`, else `~/.hq-server`
    :param python_env: runs functions that name no other
    :param cpus: ours: CPUs of such a worker; None: all that this process may use
    :param return_limit_s: ours: how long `wait_for_jobs`, and the calls of an `Executor`, stand a server that is away,
        seconds; None: for ever
    :raises HqError: when no server can be started or the one that runs cannot be used

    Every method raises `HqError` when the server refuses something, and `ServerUnavailable` when none answers.
    """

    def __init__(
        self,
        server_dir: Optional[AnyPath] = None,
        python_env: Optional[PythonEnv] = None,
        *,
        cpus: Optional[int] = None,
        return_limit_s: Optional[float] = RETURN_LIMIT_S,
    ) -> None:
        self.server_dir: Path = server_directory(server_dir)
        self.return_limit_s = return_limit_s
        self.python_env = PythonEnv() if python_env is None else python_env
        server = ensure_server(self.server_dir, cpus)
        self.api = Client(self.server_dir)
        self._swept = False
        lease = f"python-{os.getpid()}-{uuid.uuid4().hex[:8]}" if server.embedded else None
        self._release = weakref.finalize(self, _release, self.api, _hold(self.server_dir, lease))

    def __enter__(self) -> "JobClient":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Ours: gives up the connection; a server that was started for this client ends when nothing is left to do."""
        self._release()

    def submit(self, job: Job) -> SubmittedJob:
        """Submits all tasks of a job, in one request. Warnings of the server go to standard error.

        :raises ValidationException: a job without tasks, or with a function that cannot be pickled
        """
        if not job.tasks and not job.keep_open:
            raise ValidationException("the job has no tasks; add some with job.program or job.function")
        data = self._new_data()
        body: Dict[str, Any] = {"name": job.name, "open": job.keep_open, "labels": dict(job.labels)}
        if job.max_fails is not None:
            body["maxFails"] = job.max_fails
        if job.keep_open or any(isinstance(task, PythonFunction) for task in job.tasks):
            body["labels"][LABEL] = data.token
        with _removed_on_refusal(data):
            if job.tasks:
                body["submit"] = self._submit_body(job, job.tasks, data)
            answer = self.api.create_job(body)  # type: ignore[arg-type]
        _show(answer["warnings"])
        return SubmittedJob(job, answer["jobId"], data, len(job.tasks))

    def extend(self, submitted: SubmittedJob) -> List[Task]:
        """Ours: submits the tasks that an open job (`Job(keep_open=True)`) was given since the last submit.

        :returns: these tasks
        :raises ValidationException: when there are none, or a function cannot be pickled
        """
        tasks = submitted.job.tasks[submitted.sent :]
        if not tasks or submitted.data is None:
            raise ValidationException(f"job {submitted.id} was given no new tasks")
        body = self._submit_body(submitted.job, tasks, submitted.data)
        answer = self.api.submit(submitted.id, body)  # type: ignore[arg-type]
        submitted.sent += len(tasks)
        _show(answer["warnings"])
        return tasks

    def close_job(self, job: HasJobId) -> None:
        """Ours: an open job takes no more tasks."""
        self.api.close_job(job_id_of(job))

    def wait_for_jobs(self, jobs: Sequence[HasJobId], raise_on_error: bool = True) -> bool:
        """Waits until no task of these jobs is unfinished, also over a restart of the server. Open jobs stay open.

        Progress is drawn where tqdm is installed and standard error is a terminal. An interrupt ends the wait, not the
        jobs.

        :returns: whether all tasks have finished
        :raises FailedJobsException: when some have not, unless `raise_on_error` is false
        :raises ServerUnavailable: when the server was away for longer than `return_limit_s`
        """
        ids = [job_id_of(job) for job in jobs]
        try:
            with ProgressBar() as bar:
                ended = self.waiter(ids).wait(bar.draw)
        except KeyboardInterrupt:
            print(f"hq-bridge: {self._goes_on(ids)}", file=sys.stderr)
            raise
        return self.judge(jobs, ended or [], raise_on_error)

    def waiter(self, job_ids: Sequence[int]) -> Waiter:
        """Ours: a wait that another thread can stop."""
        return Waiter(self.server_dir, self.api, job_ids, self.return_limit_s)

    def get_failed_tasks(self, job: HasJobId) -> TaskFailures:
        """Why tasks of a job have failed, by their ids."""
        return {
            info["id"]: FailedTaskContext(
                error=info["error"] or "",
                cwd=info["cwd"],
                stdout=info["stdout"],
                stderr=info["stderr"],
                label=info["label"],
                exit_code=info["exitCode"],
            )
            for info in all_tasks(self.api, job_id_of(job), ["failed"])
        }

    def results(self, job: HasJobId) -> Results:
        """Ours: what the functions of a job have returned, also of one that another process has submitted."""
        job_id = job_id_of(job)
        if isinstance(job, SubmittedJob) and job.data is not None:
            return Results(self.api, job_id, job.data)
        return Results(self.api, job_id, self._data_of(job_id))

    def cancel(self, job: HasJobId, tasks: Optional[Sequence[int]] = None, reason: Optional[str] = None) -> int:
        """Ours: cancels the unfinished tasks of a job, or those of these ids.

        :returns: how many were canceled
        """
        ids = None if tasks is None else ids_text(tasks)
        return self.api.cancel(job_id_of(job), ids, reason)["canceled"]

    def forget(self, job: HasJobId) -> None:
        """Removes an ended job, and what its functions have returned, from the server."""
        job_id = job_id_of(job)
        data = self._data_of(job_id)
        self.api.forget_job(job_id)
        if data is not None:
            data.remove()

    def _submit_body(self, job: Job, tasks: Sequence[Task], data: DataDirectory) -> Dict[str, Any]:
        functions = [task.task_id for task in tasks if isinstance(task, PythonFunction)]
        submit_dir = os.getcwd()
        try:
            if functions and job.result_limit > 0:
                data.make()
                data.add_results(functions)
            body: Dict[str, Any] = {"submitDir": submit_dir, "tasks": graph_of(job, tasks, self.python_env, data)}
            if job.after_ok:
                body["afterOk"] = [{"job": job_id} for job_id in job.after_ok]
            return body
        except OSError as error:
            detail = f"{data.path} cannot be written: {error.strerror or error}"
            raise HqError(
                "HQ_E_FILE", detail, "Functions need a server directory to which this user may write"
            ) from error

    def _new_data(self) -> DataDirectory:
        identity = self._identity()
        if not self._swept:
            self._swept = True
            remove_orphans(identity, self.api)
        return DataDirectory.new(identity)

    def _data_of(self, job_id: int) -> Optional[DataDirectory]:
        for info in self.api.jobs(ids=str(job_id)):
            return DataDirectory.of_job(self._identity(), info["labels"])
        raise HqError("HQ_E_JOB_NOT_FOUND", f"job {job_id} not found", "List the jobs with: hq job list --all")

    def _identity(self) -> Path:
        # A path that stays when another identity becomes the current one.
        return identity_directory(self.server_dir).resolve()

    def judge(self, jobs: Sequence[HasJobId], ended: Sequence[Any], raise_on_error: bool) -> bool:
        bad = [job["id"] for job in ended if job["stats"]["finished"] < job["taskCount"]]
        if bad and raise_on_error:
            known = {job.id: job.job for job in jobs if isinstance(job, SubmittedJob)}
            raise FailedJobsException({job_id: self.get_failed_tasks(job_id) for job_id in bad}, known)
        return not bad

    def _goes_on(self, ids: Sequence[int]) -> str:
        place = "" if self.server_dir == server_directory() else f" --server-dir {self.server_dir}"
        which = ids_text(ids)
        goes = "job" if len(ids) == 1 else "jobs"
        return f"{goes} {which} still running; cancel with: hq job cancel {which}{place}"


def _show(warnings: Sequence[str]) -> None:
    """What the server has to say about a job that it took, such as a resource that no worker has."""
    for warning in warnings:
        print(f"hq-bridge: {warning}", file=sys.stderr)


def _hold(server_dir: Path, lease: Optional[str]) -> Optional[EventStream]:
    """Keeps an embedded server alive: it would end between a wait and the look at the results."""
    if lease is None:
        return None
    # One kind of event that hardly ever comes; the stream itself is the point.
    return EventStream(server_dir, lambda _message: None, types=["server-stop"], lease=lease).open()


def _release(api: Client, lease: Optional[EventStream]) -> None:
    if lease is not None:
        lease.close()
    api.close()


@contextlib.contextmanager
def _removed_on_refusal(data: DataDirectory) -> Iterator[None]:
    try:
        yield
    except ServerUnavailable as error:
        # A job that may exist needs its files.
        if not error.sent:
            data.remove()
        raise
    except (HqError, ValidationException):
        data.remove()
        raise
