"""Warm functions: how they are started, what they share, and what happens when something is not as usual."""

from __future__ import annotations

import asyncio
import os
import sys

import pytest

from hq_bridge import AsyncJobClient, Executor, Job, LocalCluster, PythonEnv, ValidationException, WorkerConfig
from real_server import is_alive, wait_for
from warm_functions import by_value, notices, parent, run, told, warmed


@pytest.fixture(autouse=True)
def _by_value():
    with by_value(__name__):
        yield


def test_it_can_be_switched_off(client):
    env = PythonEnv(sys.executable, warm=False)
    assert [how for how, _ in run(client, env, *[parent] * 3)] == ["plain"] * 3


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"imports": "numpy"}, "give a sequence, such as ['numpy']"),
        ({"imports": ["numpy as np"]}, "'numpy as np', which is no name of a module"),
        ({"imports": ["json"], "warm": False}, "imports needs warm"),
    ],
)
def test_what_no_runner_could_load_is_refused(arguments, problem):
    with pytest.raises(ValidationException, match="imports") as caught:
        PythonEnv(**arguments)
    assert problem in str(caught.value)


def test_executors_and_asyncio_have_it_too(client):
    warmed(client, client.python_env)
    with Executor(client) as executor:
        assert executor.submit(parent).result()[0] == "warm"
        assert [how for how, _ in executor.map(lambda _: parent(), range(3), chunksize=1)] == ["warm"] * 3

    async def main():
        async with AsyncJobClient(client.server_dir, client.python_env) as other:
            job = Job()
            job.function(parent)
            submitted = await other.submit(job)
            await other.wait_for_jobs([submitted])
            return [value async for _, value in other.results(submitted)]

    assert asyncio.run(main())[0][0] == "warm"


def test_random_numbers_are_those_of_each_task(client):
    def numbers():
        import random
        import uuid

        import numpy

        return random.random(), numpy.random.rand(), uuid.uuid4()

    env = PythonEnv(sys.executable, imports=["numpy", "random"])
    warmed(client, env)
    assert len({value for values in run(client, env, *[numbers] * 3) for value in values}) == 9


def has_yaml():
    """Whether it was there already; loads it."""
    there = "yaml" in sys.modules
    import yaml

    return there, yaml.__file__, parent()


def test_installed_modules_are_learned_and_given_up_where_another_one_is_in_their_place(client, cluster, tmp_path):
    env = PythonEnv(sys.executable)
    first = warmed(client, env)
    (there, _, _), *_ = run(client, env, has_yaml)
    assert not there
    learned = wait_for(lambda: [one for one in run(client, env, has_yaml) if one[0]], "a runner that has learned")
    _, installed, (how, runner) = learned[0]
    assert how == "warm" and runner != first

    (tmp_path / "yaml.py").write_text("")
    assert run(client, env, has_yaml)[0][:2] == (False, str(tmp_path / "yaml.py"))
    told(cluster, f"{tmp_path}/yaml.py is in the place of an installed module")
    (tmp_path / "yaml.py").unlink()
    assert run(client, env, has_yaml)[0][:2] == (True, installed)


def loads_calm_and_wild():
    there = "calm" in sys.modules, "wild" in sys.modules
    import calm
    import wild

    return (*there, calm.__name__, wild.__name__)


def test_one_bad_module_keeps_no_others_from_being_learned(client, cluster, tmp_path):
    folder = tmp_path / "site-packages"
    folder.mkdir()
    (folder / "calm.py").write_text("import decimal, email.message, html.parser, wave, xml.dom.minidom")
    threads = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()"
    (folder / "wild.py").write_text(threads)
    options = {"env": {"PYTHONPATH": str(folder)}}
    warmed(client, client.python_env, **options)

    def learned():
        (seen,) = run(client, client.python_env, loads_calm_and_wild, **options)
        return seen[0] and seen

    assert wait_for(learned, "a runner that has learned") == (True, False, "calm", "wild")
    told(cluster, "functions load wild themselves: loading it has started 1 thread")


def value_of_helper():
    there = "helper" in sys.modules
    import helper

    return there, helper.VALUE, parent()[0]


def test_own_modules_are_loaded_by_each_task_unless_they_are_named(client, tmp_path):
    (tmp_path / "helper.py").write_text("VALUE = 1")
    own, named = PythonEnv(sys.executable), PythonEnv(sys.executable, imports=["helper"])
    warmed(client, own)
    warmed(client, named)
    assert run(client, own, *[value_of_helper] * 2) == [(False, 1, "warm")] * 2
    assert run(client, named, value_of_helper) == [(True, 1, "warm")]
    (tmp_path / "helper.py").write_text("VALUE = 22")
    assert run(client, own, value_of_helper) == [(False, 22, "warm")]
    assert run(client, named, value_of_helper) == [(False, 22, "plain")]
    assert run(client, named, value_of_helper) == [(True, 22, "warm")]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (
            "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
            "has started 1 thread",
        ),
        ("print('loaded')", "prints loaded"),
        ("import os\nTASK = os.environ.get('HQ_TASK_ID')", "looks at HQ_TASK_ID, which is different for each task"),
        ("import os\nos.open('/etc/passwd', os.O_RDONLY)", "leaves /etc/passwd open"),
        (
            "import subprocess\nopen('pid', 'w').write(str(subprocess.Popen(['sleep', '1000']).pid))",
            "has started a process",
        ),
        ("import nothing_of_that_name", "it cannot be loaded: ModuleNotFoundError"),
        ("raise SystemExit(3)", "it cannot be loaded: SystemExit"),
    ],
    ids=["thread", "output", "variable", "file", "process", "missing", "exit"],
)
def test_what_must_not_be_shared_by_tasks_is_loaded_by_each(client, cluster, tmp_path, content, reason):
    (tmp_path / "risky.py").write_text(content)
    env = PythonEnv(sys.executable, imports=["risky"])
    warmed(client, env)
    assert run(client, env, lambda: "risky" in sys.modules) == [False]
    told(cluster, "functions load risky themselves: ")
    assert any(reason in line for line in notices(cluster))
    for path in tmp_path.glob("pid"):
        wait_for(lambda path=path: not is_alive(int(path.read_text())), "the end of what was started")


def test_variables_that_a_module_sets_are_there(client, tmp_path):
    (tmp_path / "setting.py").write_text("import os\nos.environ['SET_BY_MODULE'] = 'yes'\nos.environ.pop('HOME', None)")
    env = PythonEnv(sys.executable, imports=["setting"])
    warmed(client, env)
    assert run(client, env, lambda: (os.environ.get("SET_BY_MODULE"), os.environ.get("HOME"))) == [("yes", None)]


def test_an_interpreter_that_does_something_at_its_end_is_started_for_each(client, cluster, tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import atexit\natexit.register(print, 'the end')")
    ways = run(client, PythonEnv(sys.executable), *[parent] * 3, env={"PYTHONPATH": str(tmp_path)})
    assert [how for how, _ in ways] == ["plain"] * 3
    told(
        cluster,
        "functions are started by their command: the interpreter is set up so that it does something at its end",
    )


def test_a_prologue_for_each_task_alone_runs_with_each(client, cluster):
    env = PythonEnv(sys.executable, prologue="export MINE=$HQ_TASK_ID")
    values = run(client, env, *[lambda: (os.environ["MINE"], parent()[0])] * 3)
    assert values == [("0", "plain"), ("1", "plain"), ("2", "plain")]
    told(cluster, "their prologue has HQ_, which is for each task alone")


def test_a_prologue_that_fails_fails_the_task_as_without_a_runner(client, cluster):
    env = PythonEnv(sys.executable, prologue="echo no such module >&2; exit 9")
    for _ in range(3):
        job = Job()
        job.function(parent, python_env=env)
        submitted = client.submit(job)
        assert not client.wait_for_jobs([submitted], raise_on_error=False)
        assert client.get_failed_tasks(submitted)[0].exit_code == 9
    told(cluster, "a warm runner could not be started: it ended with exit code 9")


def test_tasks_with_a_directory_each_make_no_runners(client, tmp_path):
    job = Job()
    tasks = [job.function(parent, cwd=tmp_path / str(number)) for number in range(10)]
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    assert {client.results(submitted)[task][0] for task in tasks} == {"plain"}


def test_a_result_is_of_use_to_a_warm_function(client):
    warmed(client, client.python_env)
    job = Job()
    parts = [job.function(lambda n=n: [n] * 100_000) for n in range(5)]
    total = job.function(lambda lists: (sum(map(sum, lists)), parent()[0]), args=(parts,))
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    assert client.results(submitted)[total] == (1_000_000, "warm")


def test_runners_end_with_their_worker(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with LocalCluster(worker_config=WorkerConfig(1)) as cluster, cluster.client(
        python_env=PythonEnv(sys.executable)
    ) as client:
        runner = warmed(client, client.python_env)
        assert is_alive(runner)
    wait_for(lambda: not is_alive(runner), "the end of the runner")
