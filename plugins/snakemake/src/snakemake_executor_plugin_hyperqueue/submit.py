"""A Snakemake job -> a task: its command, its environment, its label. Pure; called by the executor for every job."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

T = TypeVar("T")

# The kernel refuses a single argument of 128 KiB or more.
ARGUMENT_LIMIT_BYTES = 120_000
# The server takes 256 MiB; smaller pieces let it start the first tasks while the next are still being sent.
REQUEST_LIMIT_BYTES = 16 * 1024 * 1024
REQUEST_LIMIT_TASKS = 2_000
# As many tasks keep a node busy for a moment, and the largest requests come when workers have enough to do.
FIRST_PORTION_TASKS = 32
LABEL_LIMIT = 1_000

# What a software environment consists of. Everything else stays as the worker has it, which may be on another node;
# variables that a workflow needs are declared in it (`envvars:`).
SOFTWARE = re.compile(
    r"PATH|LD_LIBRARY_PATH|LIBRARY_PATH|VIRTUAL_ENV|JAVA_HOME|R_HOME|R_LIBS\w*|R_PROFILE\w*|R_ENVIRON\w*|PERL5LIB|GEM_PATH"
    r"|JULIA_\w+|PYTHON\w+|CONDA_\w+|MAMBA_\w+|PIXI_\w+|APPTAINER_\w+|SINGULARITY_\w+|SNAKEMAKE_\w+|MODULEPATH|LOADEDMODULES"
    r"|XDG_CACHE_HOME|LANG|LANGUAGE|LC_\w+|TZ|\w+_proxy|\w+_PROXY|SSL_CERT_\w+"
)
SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|API_?KEY|ACCESS_?KEY", re.IGNORECASE)


def shared_fields(declared: Mapping[str, str], workdir: str) -> dict[str, Any]:
    """Fields that all tasks of a run share. Declared variables are secrets: they are never shown and not kept.

    :param declared: the variables that the workflow declares, with their values
    :param workdir: absolute
    """
    env = {name: value for name, value in os.environ.items() if SOFTWARE.fullmatch(name)}
    secrets = [name for name in env if SECRET.search(name)]
    return {
        "env": {**env, **declared},
        "secretEnv": sorted({*secrets, *declared}),
        "cwd": workdir,
    }


def warm_fields(setting: str, python: str, run_id: str) -> dict[str, Any]:
    """Asks workers to start the jobs of this run from warm runners.

    :param setting: `auto`, `imports` or `off`
    :param python: interpreter of the jobs
    """
    if setting == "off":
        return {}
    level = "snakefile" if setting == "auto" else setting
    return {"warm": {"kind": "snakemake", "python": python, "run": run_id, "level": level}}


def command_fields(command: str) -> dict[str, Any]:
    """How a task runs a shell command of any length."""
    text = command.encode()
    if len(text) <= ARGUMENT_LIMIT_BYTES:
        return {"command": ["/bin/sh", "-c", command]}
    return {"command": ["/bin/sh", "-c", 'eval "$(cat)" </dev/null'], "stdin": base64.b64encode(text).decode()}


def label_of(job: Any) -> str:
    """`rule sample=a,unit=1`, or the name of a group: what people recognise a job by, also in `hq task list`."""
    wildcards = getattr(job, "wildcards", None)
    if job.is_group() or not wildcards:
        return clean(job.name)
    return clean(f"{job.name} {','.join(f'{name}={value}' for name, value in wildcards.items())}")


def clean(text: str) -> str:
    """One line of bounded length."""
    line = " ".join(text.split())
    return line if len(line) <= LABEL_LIMIT else f"{line[: LABEL_LIMIT - 1]}…"


def growing(items: list[T]) -> Iterator[list[T]]:
    """Cuts a batch into portions, each twice as long as the one before: writing thousands of tasks takes seconds."""
    at, size = 0, FIRST_PORTION_TASKS
    while at < len(items):
        yield items[at : at + size]
        at, size = at + size, min(2 * size, REQUEST_LIMIT_TASKS)


def portions(tasks: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """Cuts tasks into requests of bounded size, keeping their order."""
    portion: list[dict[str, Any]] = []
    size = 0
    for task in tasks:
        length = len(task["command"][-1]) + len(task.get("stdin", ""))
        if portion and (len(portion) == REQUEST_LIMIT_TASKS or size + length > REQUEST_LIMIT_BYTES):
            yield portion
            portion, size = [], 0
        portion.append(task)
        size += length
    if portion:
        yield portion
