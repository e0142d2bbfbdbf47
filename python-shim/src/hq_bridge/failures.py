"""What is known of tasks that have failed. Made by `JobClient`, shown to users.

Names follow `hyperqueue.client` and `hyperqueue.ffi.client` of HyperQueue 0.26.
"""

from __future__ import annotations

import dataclasses
import itertools
from typing import Dict, Mapping, Optional

from .job import Job

SHOWN_TASKS = 5
TRACEBACK_START = "Traceback (most recent call last)"


@dataclasses.dataclass(frozen=True)
class FailedTaskContext:
    """Why a task has failed, and where its files are.

    `stdout` and `stderr` are paths, `<stream>` for a log of the job, or None. `exit_code` is None for a task that did
    not end by itself.
    """

    error: str
    cwd: Optional[str]
    stdout: Optional[str]
    stderr: Optional[str]
    label: Optional[str] = None
    exit_code: Optional[int] = None

    @property
    def traceback(self) -> Optional[str]:
        """What a function has raised, as Python prints it; its end when it is long. None for everything else."""
        is_one = TRACEBACK_START in self.error or self.error.startswith("[The start is on standard error.]")
        return self.error if is_one else None


TaskFailures = Dict[int, FailedTaskContext]


class FailedJobsException(Exception):
    """Jobs of which not every task has finished.

    `failed_tasks`: by job, then by task; a job that was canceled may have none. `job_map`: the jobs that were given as
    submitted jobs.
    """

    def __init__(self, failed_tasks: Mapping[int, TaskFailures], job_map: Mapping[int, Job]) -> None:
        super().__init__(failed_tasks, job_map)
        self.failed_tasks = failed_tasks
        self.job_map = job_map

    def task_label(self, job_id: int, task_id: int) -> str:
        """What a task is called in lists: its name, its id where it has none or where its job is not in `job_map`."""
        job = self.job_map.get(job_id)
        task = None if job is None else job.task_by_id(task_id)
        return str(task_id) if task is None else task.label

    def __str__(self) -> str:
        return "\n".join(_describe(job_id, tasks) for job_id, tasks in self.failed_tasks.items())


def _describe(job_id: int, tasks: TaskFailures) -> str:
    if not tasks:
        return f"Job {job_id} has no failed task, but tasks that were canceled or aborted."
    lines = [f"Job {job_id} has {len(tasks)} failed {'task' if len(tasks) == 1 else 'tasks'}:"]
    for task_id, context in itertools.islice(tasks.items(), SHOWN_TASKS):
        lines.append(
            f"Task {task_id}" + (f" ({context.label})" if context.label else "") + f": {context.error.rstrip()}"
        )
        places = {"working directory": context.cwd, "stdout": context.stdout, "stderr": context.stderr}
        lines += [f"  {name}: {place}" for name, place in places.items() if place]
    if len(tasks) > SHOWN_TASKS:
        lines.append(f"and {len(tasks) - SHOWN_TASKS} more; see: hq task list {job_id} --filter failed")
    return "\n".join(lines)
