"""Functions as forks of a warm runner: the same as in an interpreter of their own, whatever they do, and visibly not where that cannot be."""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import timedelta
from pathlib import Path

import cloudpickle
import pytest
from hq_bridge import AsyncJobClient, Batch, EventStream, Executor, Job, LocalCluster, PythonEnv, ResourceRequest, ResultUnavailable, ValidationException, WorkerConfig
from real_server import is_alive, wait_for


@pytest.fixture(autouse=True)
def _by_value():
    """Workers have no tests to import."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def parent():
    """How the task that asks was started: `warm` or `plain`, and the process that has started it."""
    with open("/proc/self/cmdline", "rb") as file:
        return ("warm" if b"hq_bridge.warm" in file.read() else "plain", os.getppid())


def run(client, env, *functions, **options):
    """What these functions return, called as tasks of one job."""
    job = Job(max_fails=None)
    tasks = [job.function(function, python_env=env, **options) for function in functions]
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    results = client.results(submitted)
    return [results[task] for task in tasks]


def warmed(client, env, **options):
    """Returns once functions of this kind are started warm: the first one of a kind is not."""
    return wait_for(lambda: [pid for how, pid in run(client, env, parent, **options) if how == "warm"], "a warm runner")[0]


def notices(cluster) -> list[str]:
    """What workers have told the event log of the server so far, at least one line."""
    messages: list = []
    with EventStream(cluster.server_dir, messages.append, after=0, types=("worker-notice",)):
        events = wait_for(lambda: [event for one in messages if isinstance(one, Batch) for event in one.events], "notices")
    return [event["message"] for event in events]


def told(cluster, text: str) -> None:
    wait_for(lambda: any(text in line for line in notices(cluster)), f"a notice with {text!r}")


# Each is run both ways. Modules are imported inside: a new interpreter has none.


def prints():
    print("to stdout")
    print("to stderr", file=sys.stderr)
    print("no newline", end="")
    os.write(1, b"raw ")


def raises():
    def inner():
        raise ValueError("wrong")

    try:
        inner()
    except ValueError as error:
        raise RuntimeError("caused") from error


def raises_much():
    raise ValueError("ä" * 5000)


def exits(code):
    def exit():
        print("before")
        sys.exit(code)

    return exit


def exits_at_once():
    print("lost: nobody flushes this")
    os._exit(5)


def kills(number):
    def kill():
        os.kill(os.getpid(), number)

    return kill


def stdin():
    return sys.stdin.read(), os.read(0, 1), os.isatty(0)


def main_module():
    main = sys.modules["__main__"]
    return sorted(vars(main)), main.__name__, sys.argv, sys.path[0], __name__


def environment():
    own = ("HQ_JOB_ID", "HQ_TASK_ID", "HQ_TASK_DIR", "HQ_ERROR_FILENAME", "HQ_BRIDGE_JOB", "HQ_CPUS", "HQ_RESOURCE_VALUES_cpus")
    return sorted((name, value) for name, value in os.environ.items() if name not in own), "HQ_CPUS" in os.environ


def own_environment():
    return os.environ["HQ_TASK_ID"], os.listdir(os.environ["HQ_TASK_DIR"]), os.path.dirname(os.environ["HQ_ERROR_FILENAME"]) == os.environ["HQ_TASK_DIR"]


def place():
    umask = os.umask(0)
    files = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
    return os.getcwd(), umask, files, sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)


def session():
    return os.getsid(0) == os.getpid() == os.getpgid(0), len(os.listdir("/proc/self/task"))


def signals():
    import signal

    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {str(number): str(handler) for number, handler in handlers.items()}, len(signal.pthread_sigmask(signal.SIG_BLOCK, ()))


def limits():
    import resource

    return [resource.getrlimit(getattr(resource, name)) for name in sorted(dir(resource)) if name.startswith("RLIMIT_")]


def ends_in_order():
    import atexit
    import threading
    import weakref

    class Thing:
        pass

    sys.kept = Thing()
    weakref.finalize(sys.kept, print, "finalizer")
    atexit.register(print, "handler")
    threading.Timer(0.01, print, ["thread"]).start()
    print("body")


def leaves_a_file_open():
    sys.modules["__main__"].kept = open("kept", "w")  # noqa: SIM115
    sys.modules["__main__"].kept.write("written at the end")


def starts_processes():
    import multiprocessing
    import subprocess

    with multiprocessing.Pool(2) as pool:
        squares = pool.map(abs, [-1, -2])
    return squares, subprocess.run("yes | head -n 1; cat", shell=True, capture_output=True, check=False)


def echo(value):
    return value


def unpicklable():
    return sys._getframe()


def sleeps():
    import time

    time.sleep(60)


def grows():
    kept = []
    while True:
        kept.append(b"x" * 1_000_000)


CASES = {
    "prints": prints,
    "raises": raises,
    "raises much": raises_much,
    "exit 3": exits(3),
    "exit 0": exits(None),
    "exit words": exits("words"),
    "exit 256": exits(256),
    "_exit": exits_at_once,
    "SIGKILL": kills(9),
    "SIGTERM": kills(15),
    "SIGINT": kills(2),
    "stdin": stdin,
    "main": main_module,
    "environment": environment,
    "own environment": own_environment,
    "place": place,
    "session": session,
    "signals": signals,
    "limits": limits,
    "order": ends_in_order,
    "file": leaves_a_file_open,
    "processes": starts_processes,
    "unpicklable": unpicklable,
}
ENVIRONMENTS = {
    "no prologue": {},
    "prologue": {
        "prologue": "unset PYTHONUNBUFFERED; export ADDED='a b'; export PATH=/first:$PATH; unset HOME; umask 027; ulimit -c 0; mkdir -p inner; cd inner; echo loading; echo warning >&2"
    },
}


def returned(results, task_id) -> str:
    try:
        return repr(results[task_id])
    except ResultUnavailable as problem:
        return str(problem).replace(f"job {results._job_id} ", "").replace(str(results._data.path), "")


def outcomes(client, env, directory: Path) -> dict:
    """All that can be seen of tasks with each of the cases."""
    job = Job(max_fails=None)
    for name, function in CASES.items():
        job.function(function, name=name, python_env=env)
    job.function(echo, args=("x" * 1_000_000,), kwargs={}, name="large", python_env=env)
    job.function(echo, args=(os.urandom(0),), name="empty", python_env=env)
    job.function(sleeps, name="time limit", time_limit=timedelta(seconds=0.5), python_env=env)
    job.function(grows, name="memory limit", resources=ResourceRequest(resources={"mem": "60MiB"}), python_env=env)
    submitted = client.submit(job)
    client.wait_for_jobs([submitted], raise_on_error=False)
    results = client.results(submitted)
    seen = {}
    for info in client.api.tasks(submitted.id):
        error = info["error"] or ""
        # How much it was when it was seen is chance.
        error = error.partition(" ")[0] if info["label"] == "memory limit" else error
        printed = [(directory / f"{info['id']}.{channel}").read_bytes() for channel in ("stdout", "stderr")]
        for channel in ("stdout", "stderr"):
            (directory / f"{info['id']}.{channel}").unlink()
        seen[info["label"]] = (info["state"], info["exitCode"], error, *printed, returned(results, info["id"]))
    kept = [path for path in directory.rglob("kept")]
    seen["kept"] = [path.read_text() for path in kept]
    for path in kept:
        path.unlink()
    return seen


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_warm_function_is_like_one_with_an_interpreter_of_its_own(client, tmp_path, kind):
    options = ENVIRONMENTS[kind]
    plain = PythonEnv(sys.executable, warm=False, **options)
    warm = PythonEnv(sys.executable, **options)
    assert run(client, plain, parent)[0][0] == "plain"
    runner = warmed(client, warm)
    expected = outcomes(client, plain, tmp_path)
    seen = outcomes(client, warm, tmp_path)
    different = [f"{name}\n  warm:  {seen[name]}\n  plain: {expected[name]}" for name in expected if seen[name] != expected[name]]
    assert not different, "\n".join(different)
    # None of that was too much for the runner.
    assert is_alive(runner)
    assert run(client, warm, parent)[0][0] == "warm"


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
        ("import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()", "has started 1 thread"),
        ("print('loaded')", "prints loaded"),
        ("import os\nTASK = os.environ.get('HQ_TASK_ID')", "looks at HQ_TASK_ID, which is different for each task"),
        ("import os\nos.open('/etc/passwd', os.O_RDONLY)", "leaves /etc/passwd open"),
        ("import subprocess\nP = subprocess.Popen(['sleep', '1000'])", "has started a process"),
        ("import nothing_of_that_name", "the module risky cannot be loaded: ModuleNotFoundError"),
        ("raise SystemExit(3)", "the module risky cannot be loaded: SystemExit"),
    ],
    ids=["thread", "output", "variable", "file", "process", "missing", "exit"],
)
def test_what_must_not_be_shared_by_tasks_is_loaded_by_each(client, cluster, tmp_path, content, reason):
    (tmp_path / "risky.py").write_text(content)
    env = PythonEnv(sys.executable, imports=["risky"])
    warmed(client, env)
    assert run(client, env, lambda: "risky" in sys.modules) == [False]
    told(cluster, "functions load their modules themselves: ")
    assert any(reason in line for line in notices(cluster))


def test_variables_that_a_module_sets_are_there(client, tmp_path):
    (tmp_path / "setting.py").write_text("import os\nos.environ['SET_BY_MODULE'] = 'yes'\nos.environ.pop('HOME', None)")
    env = PythonEnv(sys.executable, imports=["setting"])
    warmed(client, env)
    assert run(client, env, lambda: (os.environ.get("SET_BY_MODULE"), os.environ.get("HOME"))) == [("yes", None)]


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
    with LocalCluster(worker_config=WorkerConfig(1)) as cluster, cluster.client(python_env=PythonEnv(sys.executable)) as client:
        runner = warmed(client, client.python_env)
        assert is_alive(runner)
    wait_for(lambda: not is_alive(runner), "the end of the runner")
