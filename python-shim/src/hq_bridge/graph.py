"""Tasks of a job as one submit of the HTTP API, in time that grows with their number alone. Called by `JobClient`."""

from __future__ import annotations

import contextlib
import gc
from binascii import b2a_base64
from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence

from .data_dir import DataDirectory
from .job import Job
from .payload import JOB_VARIABLE, job_value, pack
from .python_env import PythonEnv
from .tasks import ExternalProgram, PythonFunction, Task
from .validation import ValidationException


def graph_of(job: Job, tasks: Sequence[Task], python_env: PythonEnv, data: DataDirectory) -> Dict[str, Any]:
    """The `tasks` of a submit for these tasks of a job.

    :raises ValidationException: when a function cannot be pickled, or asks for a result that will not be there
    """
    functions = [task for task in tasks if isinstance(task, PythonFunction)]
    distinct = {id(task.settings): task.settings for task in tasks}
    shared = _common(list(distinct.values()))
    own = {key: _without(settings, shared) for key, settings in distinct.items()}
    environments = {id(env): env for env in (task.python_env or python_env for task in functions)}
    starts = {key: _start_of(env) for key, env in environments.items()}
    alike = len(starts) == 1 and len(functions) == len(tasks)
    if alike:
        shared.update(*starts.values())
    packed = pack(functions, data)
    specs: List[Dict[str, Any]] = []
    with _no_collection():
        for task in tasks:
            spec = {"id": task.task_id, **own[id(task.settings)]}
            deps = [dependency.task_id for dependency in task.dependencies]
            if task.name is not None:
                spec["label"] = task.name
            if isinstance(task, PythonFunction):
                if not alike:
                    spec.update(starts[id(task.python_env or python_env)])
                payload = next(packed)
                stdin: Optional[bytes] = payload.content
                if payload.needs:
                    deps += _needed(job, task, payload.needs)
            elif isinstance(task, ExternalProgram):
                spec["command"] = [str(word) for word in task.args]
                stdin = task.stdin
            else:
                raise ValidationException(f"task {task.label} is neither a program nor a function")
            if stdin is not None:
                spec["stdin"] = b2a_base64(stdin, newline=False).decode("ascii")
            if deps:
                spec["deps"] = sorted(set(deps))
            specs.append(spec)
    if functions:
        # After the pickling, which may have loaded cloudpickle. The server merges variables.
        shared["env"] = {**shared.get("env", {}), JOB_VARIABLE: job_value(data, job.result_limit)}
    return {"kind": "graph", "shared": shared, "tasks": specs}


def _start_of(env: PythonEnv) -> Dict[str, Any]:
    """The fields that say how its functions are started."""
    warm = env.warm_spec
    return {"command": env.args} if warm is None else {"command": env.args, "warm": warm}


@contextlib.contextmanager
def _no_collection() -> Iterator[None]:
    """Nothing that is made here is garbage: to look for some again and again takes a third of the time of a large graph."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _needed(job: Job, task: PythonFunction, needs: Sequence[PythonFunction]) -> List[int]:
    """Ids of the tasks whose results are arguments."""
    for other in needs:
        if other.job is not job:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, a task of another job")
        if other.task_id >= task.task_id:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, which comes later")
        if job.result_limit == 0:
            raise ValidationException(f"task {task.label} asks for the result of {other.label}, but result_limit is 0")
    return [other.task_id for other in needs]


def _common(distinct: Sequence[Mapping[str, Any]]) -> Dict[str, Any]:
    """The fields that all have alike: they are sent once."""
    first, *others = distinct
    return {
        name: value
        for name, value in first.items()
        if all(name in settings and settings[name] == value for settings in others)
    }


def _without(settings: Mapping[str, Any], shared: Mapping[str, Any]) -> Dict[str, Any]:
    return {name: value for name, value in settings.items() if name not in shared}
