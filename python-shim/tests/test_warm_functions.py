"""A function as a fork of a warm interpreter is the same as in an interpreter of its own, whatever it does."""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from hq_bridge import Job, PythonEnv, ResourceRequest, ResultUnavailable
from warm_functions import by_value, parent, warmed


@pytest.fixture(autouse=True)
def _by_value():
    with by_value(__name__):
        yield


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
    own = (
        "HQ_JOB_ID",
        "HQ_TASK_ID",
        "HQ_TASK_DIR",
        "HQ_ERROR_FILENAME",
        "HQ_BRIDGE_JOB",
        "HQ_CPUS",
        "HQ_RESOURCE_VALUES_cpus",
    )
    return sorted((name, value) for name, value in os.environ.items() if name not in own), "HQ_CPUS" in os.environ


def own_environment():
    directory = os.environ["HQ_TASK_DIR"]
    return (
        os.environ["HQ_TASK_ID"],
        os.listdir(directory),
        os.path.dirname(os.environ["HQ_ERROR_FILENAME"]) == directory,
    )


def place():
    umask = os.umask(0)
    files = sorted(int(fd) for fd in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{fd}"))
    return os.getcwd(), umask, files, sorted(os.sched_getaffinity(0)), os.getpriority(os.PRIO_PROCESS, 0)


def session():
    return os.getsid(0) == os.getpid() == os.getpgid(0), len(os.listdir("/proc/self/task"))


def signals():
    import signal

    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    return {str(number): str(handler) for number, handler in handlers.items()}, len(
        signal.pthread_sigmask(signal.SIG_BLOCK, ())
    )


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
    said = threading.Event()
    threading.Thread(target=lambda: (said.wait(), print("thread"))).start()
    print("body")
    said.set()


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
        "prologue": "unset PYTHONUNBUFFERED; export ADDED='a b'; export PATH=/first:$PATH; unset HOME\n"
        "umask 027; ulimit -c 0; mkdir -p inner; cd inner; echo loading; echo warning >&2"
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
    job.function(echo, args=("x" * 100_000,), name="less large", python_env=env)
    job.function(echo, args=(os.urandom(0),), name="empty", python_env=env)
    job.function(lambda: parent()[0], name="how", python_env=env)
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
    seen["how"] = results[next(task for task in job.tasks if task.name == "how")]
    kept = list(directory.rglob("kept"))
    seen["kept"] = [path.read_text() for path in kept]
    for path in kept:
        path.unlink()
    return seen


@pytest.mark.parametrize("kind", ENVIRONMENTS)
def test_a_warm_function_is_like_one_with_an_interpreter_of_its_own(client, tmp_path, kind):
    options = ENVIRONMENTS[kind]
    plain = PythonEnv(sys.executable, warm=False, **options)
    warm = PythonEnv(sys.executable, **options)
    warmed(client, warm)
    expected = outcomes(client, plain, tmp_path)
    seen = outcomes(client, warm, tmp_path)
    assert (expected.pop("how"), seen.pop("how")) == ("plain", "warm")
    different = [
        f"{name}\n  warm:  {seen[name]}\n  plain: {expected[name]}" for name in expected if seen[name] != expected[name]
    ]
    assert not different, "\n".join(different)
