"""Waiting for jobs while something breaks: the server, a worker, the wait itself."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import sys
import termios
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hq_bridge import Executor, Job, JobClient, PythonEnv, ServerUnavailable
from real_server import wait_for

HOLD = ["sh", "-c", "while test ! -e go; do sleep 0.05; done"]
# So that the loss of a worker is noticed soon.
QUICK = ("--heartbeat", "200ms")


@pytest.fixture
def waiting():
    """A thread for the call that waits."""
    with ThreadPoolExecutor(1) as threads:
        yield threads


def running(client, submitted):
    return client.api.jobs(ids=str(submitted.id))[0]["stats"]["running"]


def test_a_wait_goes_on_over_a_restart_of_the_server(real, waiting, monkeypatch, tmp_path, capfd):
    monkeypatch.chdir(tmp_path)
    server = real.start()
    real.worker("--cpus", "1")
    with JobClient(real.directory, PythonEnv(sys.executable)) as client:
        job = Job()
        held = job.program(HOLD)
        counted = job.function(len, args=("abc",), deps=[held])
        submitted = client.submit(job)
        wait_for(lambda: running(client, submitted) == 1, "the start of the task")
        ended = waiting.submit(client.wait_for_jobs, [submitted])
        calls = Executor(client)
        future = calls.submit(len, "abcd")
        wait_for(lambda: client.api.jobs(ids=str(calls.job.id))[0]["taskCount"] == 1, "the submit of the call")
        server.kill()
        server.wait()
        # Sent to nobody, and again to the next one.
        late = calls.submit(len, "abcde")
        wait_for(lambda: capfd.readouterr().err.count("waiting for its return") > 0, "the notice of the loss")
        real.start()
        assert not ended.done()
        (tmp_path / "go").touch()
        assert ended.result()
        assert client.results(submitted)[counted] == 3
        assert future.result() == 4
        assert late.result() == 5
        calls.shutdown()


@pytest.mark.parametrize("embedded", [False, True])
def test_a_server_that_does_not_come_back_ends_every_wait(waiting, real, monkeypatch, tmp_path, embedded):
    monkeypatch.chdir(tmp_path)
    if not embedded:
        real.start()
        real.worker("--cpus", "2", *QUICK)
    with JobClient(real.directory, PythonEnv(sys.executable), cpus=2, return_limit_s=0.5) as client:
        job = Job()
        job.program(HOLD)
        submitted = client.submit(job)
        ended = waiting.submit(client.wait_for_jobs, [submitted])
        calls = Executor(client)
        future = calls.submit(os.system, " ".join(HOLD[:2]) + f" '{HOLD[2]}'")
        wait_for(lambda: [running(client, job) for job in (submitted, calls.job)] == [1, 1], "the start of the tasks")
        # As Ctrl-C does it, and as a lost host does it.
        os.kill(client.api.server_info()["pid"], signal.SIGINT if embedded else signal.SIGKILL)
        with pytest.raises(ServerUnavailable, match="did not come back within 0.5 s, and job 1 may still be running"):
            ended.result()
        with pytest.raises(ServerUnavailable, match="within 0.5 s, and this call of job 2 may still be running"):
            future.result()
        with pytest.raises(ServerUnavailable, match="within 0.5 s, and the calls of job 2 could not be sent"):
            calls.submit(len, "abc").result()
        calls.shutdown()
        (tmp_path / "go").touch()


def test_a_graph_goes_on_when_its_worker_is_lost(real, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    real.start()
    worker = real.worker("--cpus", "1", *QUICK)
    with JobClient(real.directory, PythonEnv(sys.executable)) as client:
        job = Job()
        first = job.function(lambda: 20)
        held = job.program(HOLD, deps=[first])
        last = job.function(lambda number: (number, os.environ["HQ_INSTANCE_ID"]), args=(first,), deps=[held])
        submitted = client.submit(job)
        wait_for(lambda: client.api.tasks(submitted.id)[1]["state"] == "running", "the start of the second task")
        worker.kill()
        worker.wait()
        (tmp_path / "go").touch()
        real.worker("--cpus", "1")
        assert client.wait_for_jobs([submitted])
        assert client.results(submitted)[last] == (20, "0")
        assert client.api.tasks(submitted.id)[1]["instance"] == 1


def test_an_interrupted_wait_leaves_the_job_and_says_how_to_cancel_it(cluster, client, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from hyperqueue import Client, Job\n"
        "job = Job(name='interrupted')\n"
        f"job.program({HOLD!r})\n"
        "client = Client()\n"
        "client.wait_for_jobs([client.submit(job)])\n"
    )
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stderr=subprocess.PIPE, text=True)

    def is_running():
        return [job for job in client.api.jobs(live=True) if job["stats"]["running"]]

    (job,) = wait_for(is_running, "the start of the task")
    wait_for(lambda: waits(process.pid), "the wait")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == -signal.SIGINT
    assert f"hq-bridge: job {job['id']} still running; cancel with: hq job cancel {job['id']}\n" in said
    assert said.endswith("KeyboardInterrupt\n")
    assert is_running()
    (tmp_path / "go").touch()
    assert client.wait_for_jobs([job["id"]])


def waits(pid):
    """Whether a process has its thread for events, as it has while it waits."""
    return len(os.listdir(f"/proc/{pid}/task")) > 1


def test_a_wait_can_be_stopped(client, tmp_path):
    job = Job()
    job.program(HOLD)
    submitted = client.submit(job)
    waiter = client.waiter([submitted.id])
    threading.Timer(0, waiter.stop).start()
    assert waiter.wait() is None
    (tmp_path / "go").touch()
    assert [info["id"] for info in client.waiter([submitted.id]).wait()] == [submitted.id]


def test_progress_is_drawn_on_a_terminal(cluster, tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from hyperqueue import Client, Job\n"
        "job = Job()\n"
        "job.program('true')\n"
        "job.program('false')\n"
        "client = Client()\n"
        "client.wait_for_jobs([client.submit(job)], raise_on_error=False)\n"
    )
    terminal, end = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("4H", 24, 120, 0, 0))
    process = subprocess.Popen([sys.executable, str(script)], cwd=tmp_path, stderr=end)
    os.close(end)
    drawn = b""
    try:
        while True:
            piece = os.read(terminal, 4096)
            if not piece:
                break
            drawn += piece
    except OSError:
        pass  # So ends a terminal.
    os.close(terminal)
    assert process.wait() == 0
    assert b"2/2" in drawn
    assert b"1/1 job, 1 failed" in drawn
