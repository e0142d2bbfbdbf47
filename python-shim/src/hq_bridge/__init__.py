"""Client of hq-bridge, a HyperQueue server: jobs of programs and functions, typed calls of its API, events.

    from hq_bridge import Job, JobClient
    with JobClient() as client:
        job = Job()
        job.function(print, args=("hello",))
        client.wait_for_jobs([client.submit(job)])

The module `hyperqueue` offers the same under the names of HyperQueue's own package. Needs the standard library, and
cloudpickle for functions that are in no module. Names are loaded when they are first used, so that importing this costs
nothing.
"""

from __future__ import annotations

# As typing has it: to import that would double what a task costs.
TYPE_CHECKING = False

__version__ = "0.1.0"

_PLACES = {
    "Access": "access",
    "AsyncJobClient": "aio",
    "Batch": "events",
    "Client": "client",
    "EmbeddedServer": "embedded",
    "EventStream": "events",
    "Executor": "executor",
    "FailedJobsException": "failures",
    "FailedTaskContext": "failures",
    "Gap": "events",
    "HqError": "errors",
    "Job": "job",
    "JobClient": "job_client",
    "LocalCluster": "cluster",
    "Lost": "events",
    "Output": "output",
    "PythonEnv": "python_env",
    "RemoteError": "batch",
    "ResourceRequest": "resources",
    "ResultUnavailable": "result_file",
    "Results": "results",
    "Resumed": "events",
    "ServerUnavailable": "errors",
    "StdioDef": "output",
    "SubmittedJob": "job",
    "TaskFailed": "executor",
    "ValidationException": "validation",
    "WorkerConfig": "cluster",
    "ensure_server": "embedded",
    "ids_of": "intarray",
    "ids_text": "intarray",
    "read_access": "access",
    "server_directory": "access",
}

__all__ = ["__version__", *sorted(_PLACES)]

if TYPE_CHECKING:
    from typing import Any

    from .access import Access as Access
    from .access import read_access as read_access
    from .access import server_directory as server_directory
    from .aio import AsyncJobClient as AsyncJobClient
    from .batch import RemoteError as RemoteError
    from .client import Client as Client
    from .cluster import LocalCluster as LocalCluster
    from .cluster import WorkerConfig as WorkerConfig
    from .embedded import EmbeddedServer as EmbeddedServer
    from .embedded import ensure_server as ensure_server
    from .errors import HqError as HqError
    from .errors import ServerUnavailable as ServerUnavailable
    from .events import Batch as Batch
    from .events import EventStream as EventStream
    from .events import Gap as Gap
    from .events import Lost as Lost
    from .events import Resumed as Resumed
    from .executor import Executor as Executor
    from .executor import TaskFailed as TaskFailed
    from .failures import FailedJobsException as FailedJobsException
    from .failures import FailedTaskContext as FailedTaskContext
    from .intarray import ids_of as ids_of
    from .intarray import ids_text as ids_text
    from .job import Job as Job
    from .job import SubmittedJob as SubmittedJob
    from .job_client import JobClient as JobClient
    from .output import Output as Output
    from .output import StdioDef as StdioDef
    from .python_env import PythonEnv as PythonEnv
    from .resources import ResourceRequest as ResourceRequest
    from .result_file import ResultUnavailable as ResultUnavailable
    from .results import Results as Results
    from .validation import ValidationException as ValidationException


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    from .other_wheel import warn_of_other_wheel

    # Here and not above: tasks import their part of this package by its own name, and each start would pay for the look.
    warn_of_other_wheel()
    return getattr(import_module(f".{_PLACES[name]}", __name__), name)
