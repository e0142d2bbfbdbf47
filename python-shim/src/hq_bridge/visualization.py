"""Draws the tasks of a job as a graph in the DOT language. `hyperqueue.visualization` re-exports this."""

from __future__ import annotations

import json
from pathlib import Path

from .access import AnyPath
from .job import Job


def visualize_job(job: Job, path: AnyPath) -> None:
    """Writes a file that `dot -Tsvg` and others draw: an arrow goes from a task to those that wait for it.

    Of functions only the dependencies in `deps` are drawn; results among their arguments are found at the submit.
    """
    lines = ["digraph job {"]
    lines += [f"  {task.task_id} [label={json.dumps(task.label)}];" for task in job.tasks]
    lines += [f"  {needed.task_id} -> {task.task_id};" for task in job.tasks for needed in task.dependencies]
    Path(path).write_text("\n".join([*lines, "}", ""]), encoding="utf-8")
