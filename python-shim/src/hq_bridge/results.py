"""What the functions of a job have returned, read when it is asked for. Made by `JobClient.results`."""

from __future__ import annotations

import os
from collections.abc import Mapping as AbstractMapping
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Mapping, Optional, Union

from .data_dir import DataDirectory
from .result_file import ResultUnavailable, read_result
from .tasks import Task

if TYPE_CHECKING:
    from ._generated import models
    from .client import Client

    ResultMap = Mapping[int, Any]
else:
    ResultMap = AbstractMapping


class Results(ResultMap):
    """Results by task id, or by task, of the functions that have finished.

    Nothing is read before it is asked for, and nothing is kept in memory. Iteration asks the server once for the tasks
    that have finished by then.

    :raises ResultUnavailable: by `results[task]`, with the reason, when there is no result
    """

    def __init__(self, client: "Client", job_id: int, data: Optional[DataDirectory]) -> None:
        self._client = client
        self._job_id = job_id
        self._data = data
        # Attempts that count, of tasks known to have finished; that is final.
        self._instances: Dict[int, int] = {}

    def __getitem__(self, task: Union[int, Task]) -> Any:
        task_id = task.task_id if isinstance(task, Task) else task
        if self._data is None:
            raise ResultUnavailable(f"job {self._job_id} has no functions that keep results")
        if task_id not in self._instances:
            self._instances[task_id] = self._finished_instance(task_id)
        return read_attempt(self._data, task_id, self._instances[task_id])

    def __iter__(self) -> Iterator[int]:
        if self._data is None:
            return iter(())
        finished = {info["id"]: info["instance"] for info in all_tasks(self._client, self._job_id, ["finished"])}
        self._instances.update(finished)
        return iter(sorted(finished.keys() & set(self._data.tasks_with_results())))

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __contains__(self, task: object) -> bool:
        return (task.task_id if isinstance(task, Task) else task) in list(self)

    def __repr__(self) -> str:
        return f"<Results of job {self._job_id}>"

    def _finished_instance(self, task_id: int) -> int:
        infos = self._client.tasks(self._job_id, ids=str(task_id))
        if not infos:
            raise ResultUnavailable(f"job {self._job_id} has no task {task_id}")
        (info,) = infos
        if info["state"] != "finished":
            detail = f": {info['error']}" if info["error"] else ""
            raise ResultUnavailable(f"task {task_id} of job {self._job_id} is {info['state']}, not finished{detail}")
        return info["instance"]


def read_attempt(data: DataDirectory, task_id: int, instance: int) -> Any:
    """What this attempt of a task has returned.

    :raises ResultUnavailable: with the reason, when there is no result
    """
    result_path = data.result(task_id, instance)
    try:
        return read_result(result_path)
    except FileNotFoundError:
        pass
    # A look into the directory: network file systems remember for a while that a file was missing.
    try:
        is_there = result_path.name in os.listdir(data.path)
    except FileNotFoundError:
        raise ResultUnavailable(f"the job keeps no results, or they are gone from {data.path}") from None
    if is_there:
        return read_result(result_path)
    raise ResultUnavailable(
        f"task {task_id} has left no result in {data.path}: it is no function, has called sys.exit, or its worker cannot "
        "write there, as its standard error would say"
    )


def all_tasks(client: "Client", job_id: int, states: List[str]) -> "Iterator[models.TaskInfo]":
    """Tasks of a job in these states, however many."""
    after: Optional[int] = None
    while True:
        page = client.tasks(job_id, states=states, after=after)
        if not page:
            return
        yield from page
        after = page[-1]["id"]
