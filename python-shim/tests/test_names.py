"""The names, arguments and defaults of HyperQueue 0.26 and 0.27, under its own module names: a script for that runs unchanged."""

from __future__ import annotations

import importlib
import inspect

import pytest

import hq_bridge
import hyperqueue

OUT = "%{CWD}/%{TASK_ID}.stdout"
ERR = "%{CWD}/%{TASK_ID}.stderr"
NEEDED = inspect.Parameter.empty
# By place: they may be given without their names.
BY_PLACE = {
    "Client": {"server_dir": None, "python_env": None},
    "Client.submit": {"job": NEEDED},
    "Client.wait_for_jobs": {"jobs": NEEDED, "raise_on_error": True},
    "Client.get_failed_tasks": {"job": NEEDED},
    "Client.forget": {"job": NEEDED},
    "Job": {"default_workdir": None, "max_fails": 1, "default_env": None, "name": None},
    "Job.task_by_id": {"id": NEEDED},
    "Job.program": {"args": NEEDED},
    "Job.function": {"fn": NEEDED},
    "LocalCluster": {"server_dir": None, "worker_config": None},
    "LocalCluster.start_worker": {"config": None},
    "LocalCluster.client": {},
    "LocalCluster.stop": {},
    "get_version": {},
    "client.FailedJobsException": {"failed_tasks": NEEDED, "job_map": NEEDED},
    "client.FailedJobsException.task_label": {"job_id": NEEDED, "task_id": NEEDED},
    "client.FailedTaskContext": {"error": NEEDED, "cwd": NEEDED, "stdout": NEEDED, "stderr": NEEDED},
    "cluster.WorkerConfig": {"cores": None},
    "job.SubmittedJob": {"job": NEEDED, "id": NEEDED},
    "output.Output": {"name": NEEDED, "filepath": None, "extension": None},
    "output.StdioDef": {"path": NEEDED, "on_close": NEEDED},
    "output.StdioDef.from_path": {"path": NEEDED},
    "output.StdioDef.remove_if_finished": {"path": None},
    "output.default_stdout": {},
    "output.default_stderr": {},
    "task.function.PythonEnv": {"python_bin": "python3", "prologue": None, "shell": "bash"},
    "visualization.visualize_job": {"job": NEEDED, "path": NEEDED},
}
OF_TASKS = {
    "env": None,
    "cwd": None,
    "stdout": OUT,
    "stderr": ERR,
    "deps": (),
    "name": None,
    "priority": 0,
    "resources": None,
    "crash_limit": None,
}
BY_NAME = {
    "Job.program": {**OF_TASKS, "stdin": None, "task_dir": False},
    "Job.function": {**OF_TASKS, "args": (), "kwargs": None},
    "ffi.protocol.ResourceRequest": {"n_nodes": 0, "cpus": 1, "resources": None, "min_time": None},
}
PARTS = {
    "task.task.Task": "tasks.Task",
    "task.program.ExternalProgram": "tasks.ExternalProgram",
    "task.function.PythonFunction": "tasks.PythonFunction",
    "validation.ValidationException": "validation.ValidationException",
}


def find(package, name):
    """What has this name in a package or its modules."""
    found = importlib.import_module(package)
    for part in name.split("."):
        if not hasattr(found, part):
            importlib.import_module(f"{found.__name__}.{part}")
        found = getattr(found, part)
    return found


def parameters(name):
    found = find("hyperqueue", name)
    known = dict(inspect.signature(found).parameters)
    known.pop("self", None)
    return known


@pytest.mark.parametrize("name", BY_PLACE)
def test_arguments_have_their_places_and_defaults(name):
    known = parameters(name)
    for (own, parameter), (original, default) in zip(known.items(), BY_PLACE[name].items()):
        assert own == original
        assert parameter.kind is inspect.Parameter.POSITIONAL_OR_KEYWORD
        # What the original demands may be left out here.
        assert default in (parameter.default, NEEDED)
    assert len(known) >= len(BY_PLACE[name])
    for parameter in list(known.values())[len(BY_PLACE[name]) :]:
        assert parameter.default is not NEEDED or parameter.kind is inspect.Parameter.VAR_KEYWORD


@pytest.mark.parametrize("name", BY_NAME)
def test_arguments_by_name_have_their_defaults(name):
    known = parameters(name)
    assert {key: known[key].default for key in BY_NAME[name]} == BY_NAME[name]


@pytest.mark.parametrize("name", PARTS)
def test_types_are_those_of_hq_bridge(name):
    assert find("hyperqueue", name) is find("hq_bridge", PARTS[name])


def test_the_version_is_that_of_hq_bridge():
    assert hyperqueue.get_version() == hyperqueue.__version__ == hq_bridge.__version__
    assert hyperqueue.output.default_stdout() == OUT
    assert hyperqueue.output.default_stderr() == ERR


def test_what_was_described_is_found_again():
    job = hyperqueue.Job()
    task = job.program(["true"], name="first")
    job.program(["true"])
    assert job.task_by_id(0) is task
    assert job.task_by_id(2) is None
    assert job.task_by_id(-1) is None
    error = hq_bridge.FailedJobsException({7: {}}, {7: job})
    assert [error.task_label(7, 0), error.task_label(7, 1), error.task_label(8, 0)] == ["first", "1", "0"]
