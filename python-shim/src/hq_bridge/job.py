"""A job before and after its submit: users describe tasks here, `JobClient` sends them.

Names, arguments and defaults follow `hyperqueue.Job` of HyperQueue 0.26; what goes beyond is marked "ours".
"""

from __future__ import annotations

import dataclasses
import os
from datetime import timedelta
from typing import Any, Callable, List, Mapping, Optional, Sequence, Union

from .access import AnyPath
from .data_dir import DataDirectory
from .output import DEFAULT_STDERR, DEFAULT_STDOUT, Stdio
from .python_env import PythonEnv
from .resources import Resources
from .settings import CrashLimit, Env, Settings, Wanted, checked_env
from .tasks import ExternalProgram, ProgramArgs, PythonFunction, Task, function_name
from .validation import ValidationException

DEFAULT_NAME = "PyAPI job"
# Pickled; many times what should go through files, and little enough for the memory of a client.
DEFAULT_RESULT_LIMIT = 256 * 1024 * 1024


class Job:
    """Tasks with dependencies, to be submitted together. Ids of tasks count from 0 in the order in which they are made.

    :param default_workdir: working directory of tasks without one; None: the directory from which the job is submitted
    :param max_fails: when more tasks than this have failed, the rest is aborted; None: never
    :param default_env: variables of all tasks
    :param name: shown in lists
    :param labels: ours: free key-value pairs, by which jobs are found
    :param result_limit: ours: bytes that a pickled result may take; 0: results are not kept
    :param keep_open: ours: more tasks may be added after the submit, with `JobClient.extend`, until it is closed
    :param after_ok: ours: submitted jobs, or their ids; its tasks start when all tasks that these have now have finished, and
        are aborted when one of them does not
    """

    def __init__(
        self,
        default_workdir: Optional[AnyPath] = None,
        max_fails: Optional[int] = 1,
        default_env: Optional[Env] = None,
        name: Optional[str] = None,
        *,
        labels: Optional[Mapping[str, str]] = None,
        result_limit: int = DEFAULT_RESULT_LIMIT,
        keep_open: bool = False,
        after_ok: Sequence[HasJobId] = (),
    ) -> None:
        self.tasks: List[Task] = []
        self.max_fails = max_fails
        self.default_workdir = None if default_workdir is None else os.path.abspath(default_workdir)
        self.default_env = checked_env("default_env", default_env)
        self._settings = Settings(self.default_workdir, self.default_env)
        self.name = DEFAULT_NAME if name is None else name
        self.labels = dict(labels or {})
        if isinstance(result_limit, bool) or not isinstance(result_limit, int) or result_limit < 0:
            raise ValidationException(f"result_limit={result_limit!r} is no number of bytes")
        self.result_limit = result_limit
        self.keep_open = keep_open
        self.after_ok = [job_id_of(job) for job in after_ok]

    def task_by_id(self, id: int) -> Optional[Task]:
        """The task with this id; None when the job has none."""
        return self.tasks[id] if 0 <= id < len(self.tasks) else None

    def program(
        self,
        args: ProgramArgs,
        *,
        env: Optional[Env] = None,
        cwd: Optional[AnyPath] = None,
        stdout: Stdio = DEFAULT_STDOUT,
        stderr: Stdio = DEFAULT_STDERR,
        stdin: Union[str, bytes, None] = None,
        deps: Sequence[Task] = (),
        name: Optional[str] = None,
        task_dir: bool = False,
        priority: int = 0,
        resources: Resources = None,
        crash_limit: CrashLimit = None,
        max_retries: int = 0,
        time_limit: Optional[timedelta] = None,
    ) -> ExternalProgram:
        """Adds a program.

        :param args: the program and its arguments; a text alone is a program without arguments
        :param env: variables, in addition to those of the worker and to `default_env`
        :param stdout, stderr: a path, a `StdioDef`, or None for nowhere; placeholders are allowed
        :param stdin: what the program finds on its standard input
        :param deps: tasks of this job that must finish first
        :param task_dir: an empty directory for the task alone, named in HQ_TASK_DIR
        :param priority: higher first
        :param resources: what it needs, or alternatives, the preferred one first; None: one CPU
        :param crash_limit: how often it may be lost with its worker before it fails; None: 5. Also `"never-restart"`
            and `"unlimited"`
        :param max_retries: ours: how often it is run again after it has failed
        :param time_limit: ours: it is killed after this time
        :raises ValidationException: for what could not be submitted
        """
        wanted = Wanted(cwd, stdout, stderr, priority, crash_limit, max_retries, time_limit, task_dir)
        settings = self._settings.of(wanted, env, resources)
        content = stdin.encode() if isinstance(stdin, str) else stdin
        if content is not None and not isinstance(content, bytes):
            raise ValidationException(f"stdin={stdin!r} is neither a text nor bytes")
        task = ExternalProgram(args, content, self, len(self.tasks), name, deps, settings)
        self.tasks.append(task)
        return task

    def function(
        self,
        fn: Callable[..., Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Optional[Mapping[str, Any]] = None,
        env: Union[Env, PythonEnv, None] = None,
        cwd: Optional[AnyPath] = None,
        stdout: Stdio = DEFAULT_STDOUT,
        stderr: Stdio = DEFAULT_STDERR,
        deps: Sequence[Task] = (),
        name: Optional[str] = None,
        priority: int = 0,
        resources: Resources = None,
        crash_limit: CrashLimit = None,
        max_retries: int = 0,
        time_limit: Optional[timedelta] = None,
        python_env: Optional[PythonEnv] = None,
    ) -> PythonFunction:
        """Adds a Python function, which is pickled at the submit. What it returns is had from `JobClient.results`.

        :param args, kwargs: its arguments. A function of this job among them stands for its result, at any depth, and
            finishes first
        :param env: variables, or (ours) the PythonEnv that runs it
        :param python_env: ours: runs it; None: that of the client
        :param name: None: the name of the function and the id of the task

        The others are as for `program`.
        """
        if isinstance(env, PythonEnv):
            if python_env is not None:
                raise ValidationException("env and python_env are both a PythonEnv; give one of them")
            env, python_env = None, env
        # In a directory of its own it can leave its traceback.
        wanted = Wanted(cwd, stdout, stderr, priority, crash_limit, max_retries, time_limit, True)
        settings = self._settings.of(wanted, env, resources)
        task_id = len(self.tasks)
        label = function_name(fn, task_id) if name is None else name
        task = PythonFunction(fn, args, kwargs, python_env, self, task_id, label, deps, settings)
        self.tasks.append(task)
        return task


@dataclasses.dataclass
class SubmittedJob:
    """A job that the server has. As a text it is its id.

    `sent` counts the tasks of `job` that were submitted; `data` is where its functions leave what they return.
    """

    job: Job
    id: int
    data: Optional[DataDirectory] = dataclasses.field(default=None, repr=False)
    sent: int = dataclasses.field(default=0, repr=False)

    def __str__(self) -> str:
        return str(self.id)


HasJobId = Union[int, SubmittedJob]


def job_id_of(job: HasJobId) -> int:
    """:raises ValidationException: neither an id nor a submitted job"""
    if isinstance(job, SubmittedJob):
        return job.id
    if isinstance(job, bool) or not isinstance(job, int):
        raise ValidationException(f"{job!r} is no submitted job; give what submit has returned, or an id")
    return job
