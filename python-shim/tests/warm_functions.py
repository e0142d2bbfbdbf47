"""What the tests of warm functions have in common: calls as tasks, how these were started, and what workers say."""

from __future__ import annotations

import contextlib
import os
import sys

import cloudpickle

from hq_bridge import Batch, EventStream, Job
from real_server import wait_for


@contextlib.contextmanager
def by_value(name: str):
    """Meanwhile functions of the module of this name, and of this one, go to workers whole: these have no tests to import."""
    modules = [sys.modules[name], sys.modules[__name__]]
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        yield
    finally:
        for module in modules:
            cloudpickle.unregister_pickle_by_value(module)


def parent():
    """How the task that asks was started: `warm` or `plain`, and the process that has started it."""
    with open("/proc/self/cmdline", "rb") as file:
        return ("warm" if b"hq_bridge.warm" in file.read() else "plain", os.getppid())


def run(client, python_env, *functions, **options):
    """What these functions return, called as tasks of one job."""
    job = Job(max_fails=None)
    tasks = [job.function(function, python_env=python_env, **options) for function in functions]
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    results = client.results(submitted)
    return [results[task] for task in tasks]


def warmed(client, python_env, **options):
    """Returns once functions of this kind are started warm: the first one of a kind is not."""
    return wait_for(
        lambda: [pid for how, pid in run(client, python_env, parent, **options) if how == "warm"], "a runner"
    )[0]


def lines(batch: Batch) -> list[str]:
    return [event["message"] for event in batch.events]


def notices(cluster) -> list[str]:
    """What workers have told the event log of the server so far, at least one line."""
    messages: list = []
    with EventStream(cluster.server_dir, messages.append, after=0, types=("worker-notice",)):
        return wait_for(lambda: [line for one in messages if isinstance(one, Batch) for line in lines(one)], "notices")


def told(cluster, text: str) -> None:
    """Waits for a notice that has this text."""
    wait_for(lambda: any(text in line for line in notices(cluster)), f"a notice with {text!r}")
