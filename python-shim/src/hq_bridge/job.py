"""A job before and after its submit: users describe tasks here, `JobClient` sends them.

Names, arguments and defaults follow `hyperqueue.Job` of HyperQueue 0.26; what goes beyond is marked "ours".
"""

from __future__ import annotations

import dataclasses
import os
from datetime import timedelta
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Union

from .data_dir import DataDirectory
from .output import AnyPath, Stdio, default_stderr, default_stdout, stdio_spec
from .python_env import PythonEnv
from .resources import Resources, milliseconds, request_spec
from .tasks import ExternalProgram, ProgramArgs, PythonFunction, Task, function_name
from .validation import ValidationException

Env = Mapping[str, str]
CrashLimit = Union[None, int, str]

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
    ) -> None:
        self.tasks: List[Task] = []
        self.max_fails = max_fails
        self.default_workdir = None if default_workdir is None else os.path.abspath(default_workdir)
        self.default_env = _checked_env("default_env", default_env)
        self.name = DEFAULT_NAME if name is None else name
        self.labels = dict(labels or {})
        if isinstance(result_limit, bool) or not isinstance(result_limit, int) or result_limit < 0:
            raise ValidationException(f"result_limit={result_limit!r} is no number of bytes")
        self.result_limit = result_limit
        self.keep_open = keep_open

    def task_by_id(self, task_id: int) -> Task:
        """:raises KeyError: when the job has no such task"""
        if not 0 <= task_id < len(self.tasks):
            raise KeyError(f"the job has no task {task_id}")
        return self.tasks[task_id]

    def program(
        self,
        args: ProgramArgs,
        *,
        env: Optional[Env] = None,
        cwd: Optional[AnyPath] = None,
        stdout: Stdio = default_stdout(),
        stderr: Stdio = default_stderr(),
        stdin: Union[None, str, bytes] = None,
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
        settings = self._settings(env, cwd, stdout, stderr, priority, resources, crash_limit, max_retries, time_limit)
        if task_dir:
            settings["taskDir"] = True
        if stdin is not None:
            settings["stdin"] = stdin.encode() if isinstance(stdin, str) else bytes(stdin)
        task = ExternalProgram(args, self, len(self.tasks), name, deps, settings)
        self.tasks.append(task)
        return task

    def function(
        self,
        fn: Callable[..., Any],
        *,
        args: Sequence[Any] = (),
        kwargs: Optional[Mapping[str, Any]] = None,
        env: Union[None, Env, PythonEnv] = None,
        cwd: Optional[AnyPath] = None,
        stdout: Stdio = default_stdout(),
        stderr: Stdio = default_stderr(),
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
        settings = self._settings(env, cwd, stdout, stderr, priority, resources, crash_limit, max_retries, time_limit)
        # There it can leave its traceback.
        settings["taskDir"] = True
        task_id = len(self.tasks)
        label = function_name(fn, task_id) if name is None else name
        task = PythonFunction(fn, args, kwargs, python_env, self, task_id, label, deps, settings)
        self.tasks.append(task)
        return task

    def _settings(
        self,
        env: Optional[Env],
        cwd: Optional[AnyPath],
        stdout: Stdio,
        stderr: Stdio,
        priority: int,
        resources: Resources,
        crash_limit: CrashLimit,
        max_retries: int,
        time_limit: Optional[timedelta],
    ) -> Dict[str, Any]:
        workdir = self.default_workdir if cwd is None else os.fspath(cwd)
        own = _checked_env("env", env)
        settings: Dict[str, Any] = {
            "cwd": workdir,
            "env": {**self.default_env, **own} if own else self.default_env,
            "stdout": stdio_spec(stdout, default_stdout()),
            "stderr": stdio_spec(stderr, default_stderr()),
            "request": request_spec(resources),
            "crashLimit": crash_limit,
        }
        if priority:
            settings["priority"] = priority
        if max_retries:
            settings["maxRetries"] = max_retries
        if time_limit is not None:
            settings["timeLimitMs"] = milliseconds("time_limit", time_limit)
        absent = [key for key in ("cwd", "env", "request", "crashLimit") if not settings[key]]
        for key in absent:
            del settings[key]
        if crash_limit == 0:
            raise ValidationException('crash_limit=0 is not one; say "never-restart" or "unlimited"')
        return settings


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


def _checked_env(name: str, env: Optional[Env]) -> Dict[str, str]:
    checked = dict(env or {})
    for key, value in checked.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValidationException(f"{name} has {key!r}: {value!r}; names and values of variables are texts")
    return checked
