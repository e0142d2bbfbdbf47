"""Tasks of a job as one submit of the HTTP API, in time that grows with their number alone. Called by `JobClient`."""

from __future__ import annotations

import os
from base64 import b64encode
from typing import Any, Dict, List, Sequence

from .data_dir import DataDirectory
from .job import Job
from .payload import Packed, pack
from .python_env import PythonEnv
from .tasks import ExternalProgram, PythonFunction, Task
from .validation import ValidationException

# Fields of a task that usually all tasks have alike; what is alike is sent once.
SHARED = ("command", "cwd", "env", "stdout", "stderr", "request", "priority", "crashLimit", "taskDir", "timeLimitMs")


def submit_of(job: Job, tasks: Sequence[Task], python_env: PythonEnv, data: DataDirectory) -> Dict[str, Any]:
    """The body of `POST /v1/jobs/{id}/tasks` for these tasks of a job.

    :raises ValidationException: when a function cannot be pickled, or asks for a result that will not be there
    """
    packed = iter(pack([task for task in tasks if isinstance(task, PythonFunction)], data, job.result_limit))
    commands: Dict[int, List[str]] = {}
    default = python_env.args
    specs: List[Dict[str, Any]] = []
    for task in tasks:
        spec = {"id": task.task_id, **task.settings}
        deps = [dependency.task_id for dependency in task.dependencies]
        if task.name is not None:
            spec["label"] = task.name
        stdin = spec.get("stdin")
        if isinstance(task, ExternalProgram):
            spec["command"] = [str(word) for word in task.args]
        elif isinstance(task, PythonFunction):
            own = task.python_env
            spec["command"] = default if own is None else commands.setdefault(id(own), own.args)
            payload = next(packed)
            stdin = payload.content
            deps += _needed(job, task, payload)
        if stdin is not None:
            spec["stdin"] = b64encode(stdin).decode("ascii")
        if deps:
            spec["deps"] = sorted(set(deps))
        specs.append(spec)
    graph = {"kind": "graph", "shared": _take_shared(specs), "tasks": specs}
    return {"submitDir": os.getcwd(), "tasks": graph}


def _needed(job: Job, task: PythonFunction, payload: Packed) -> List[int]:
    """Ids of the tasks whose results are arguments."""
    for other in payload.needs:
        if other.job is not job:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, a task of another job")
        if other.task_id >= task.task_id:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, which comes later")
        if job.result_limit == 0:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, but result_limit is 0")
    return [other.task_id for other in payload.needs]


def _take_shared(specs: Sequence[Dict[str, Any]]) -> Dict[str, Any]:
    """Takes what all tasks have alike out of them."""
    shared: Dict[str, Any] = {}
    for field in SHARED:
        value = specs[0].get(field)
        if field in specs[0] and all(field in spec and spec[field] == value for spec in specs):
            shared[field] = value
            for spec in specs:
                del spec[field]
    return shared
