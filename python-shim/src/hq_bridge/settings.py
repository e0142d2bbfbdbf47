"""What a task asks for beside its command, checked and as fields of the HTTP API. Used by `Job`.

Tasks that ask for the same share one dictionary: 100,000 like tasks are described, and sent, as one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Dict, Mapping, NamedTuple, Optional, Union

from .access import AnyPath
from .output import DEFAULT_STDERR, DEFAULT_STDOUT, Stdio, checked_path, stdio_spec
from .resources import Resources, milliseconds, request_spec
from .validation import ValidationException

Env = Mapping[str, str]
CrashLimit = Union[int, str, None]
CRASH_WORDS = ("never-restart", "unlimited")


class Wanted(NamedTuple):
    """Arguments of `Job.program` and `Job.function` that can be compared."""

    cwd: Optional[AnyPath]
    stdout: Stdio
    stderr: Stdio
    priority: int
    crash_limit: CrashLimit
    max_retries: int
    time_limit: Optional[timedelta]
    task_dir: bool


class Settings:
    """Makes the fields of the tasks of one job.

    :param workdir: of tasks without one
    :param env: variables of all tasks
    """

    def __init__(self, workdir: Optional[str], env: Dict[str, str]) -> None:
        self._workdir = workdir
        self._env = env
        self._known: Dict[Wanted, Dict[str, Any]] = {}

    def of(self, wanted: Wanted, env: Optional[Env], resources: Resources) -> Dict[str, Any]:
        """The fields; not to be changed, as other tasks may have the same.

        :raises ValidationException: for what could not be submitted
        """
        if env or resources is not None:
            return self._make(wanted, env, resources)
        known = self._known.get(wanted)
        if known is None:
            known = self._known[wanted] = self._make(wanted, None, None)
        return known

    def _make(self, wanted: Wanted, env: Optional[Env], resources: Resources) -> Dict[str, Any]:
        # Channels without a file are None, which means something; of the others what is empty is left to the server.
        fields = {
            "cwd": self._workdir if wanted.cwd is None else checked_path("cwd", wanted.cwd),
            "env": {**self._env, **checked_env("env", env)},
            "request": request_spec(resources),
            "priority": _whole("priority", wanted.priority),
            "crashLimit": _crash_limit(wanted.crash_limit),
            "maxRetries": _whole("max_retries", wanted.max_retries),
            "timeLimitMs": None if wanted.time_limit is None else milliseconds("time_limit", wanted.time_limit),
            "taskDir": wanted.task_dir,
        }
        return {
            "stdout": stdio_spec("stdout", wanted.stdout, DEFAULT_STDOUT),
            "stderr": stdio_spec("stderr", wanted.stderr, DEFAULT_STDERR),
            **{name: value for name, value in fields.items() if value},
        }


def checked_env(name: str, env: Optional[Env]) -> Dict[str, str]:
    """A copy of these variables.

    :raises ValidationException: when one is no text
    """
    checked = dict(env or {})
    for key, value in checked.items():
        if not isinstance(key, str) or not isinstance(value, str):
            raise ValidationException(f"{name} has {key!r}: {value!r}; names and values of variables are texts")
    return checked


def _crash_limit(limit: CrashLimit) -> CrashLimit:
    is_number = isinstance(limit, int) and not isinstance(limit, bool) and limit >= 1
    if limit is None or is_number or limit in CRASH_WORDS:
        return limit
    raise ValidationException(f'crash_limit={limit!r} is none; give a number from 1, "never-restart" or "unlimited"')


def _whole(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValidationException(f"{name}={value!r} is no whole number")
    return value
