"""Calls as tasks: futures, batches, exceptions, cancellation, on a real server with a real worker."""

from __future__ import annotations

import os
import signal
import sys
from concurrent.futures import CancelledError

import cloudpickle
import pytest

from hq_bridge import Executor, PythonEnv, RemoteError, TaskFailed, ValidationException
from real_server import wait_for


class Odd(Exception):
    """Cannot be made from what it is pickled with."""

    def __init__(self, one, two):
        super().__init__(one)


@pytest.fixture(autouse=True)
def _by_value():
    """Workers have no tests to import."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


@pytest.fixture
def executor(client):
    with Executor(client) as executor:
        yield executor


def test_calls_in_batches_keep_their_order(executor):
    assert list(executor.map(pow, range(50), [2] * 50)) == [number**2 for number in range(50)]
    tasks = executor.job.job.tasks
    # Two CPUs, four batches each.
    assert len(tasks) == 8
    assert all(task.args == () for task in tasks)
    assert list(executor.map(str, [])) == []
    assert list(executor.map(str, range(4), chunksize=3)) == ["0", "1", "2", "3"]
    assert len(tasks) == 10
    with pytest.raises(ValueError, match="chunksize=0"):
        executor.map(str, range(4), chunksize=0)


def test_exceptions_come_back_as_themselves_and_stay_alone(executor):
    def check(number):
        if number == 1:
            raise LookupError("one")
        if number == 2:
            raise Odd(1, 2)
        return number

    fine, known, odd = (executor.submit(check, number) for number in range(3))
    assert fine.result() == 0
    with pytest.raises(LookupError, match="one") as caught:
        known.result()
    assert "in check" in str(caught.value.__cause__)
    with pytest.raises(RemoteError, match="Odd: 1"):
        odd.result()
    with pytest.raises(LookupError):
        list(executor.map(check, range(2), chunksize=2))


def test_task_that_dies_fails_its_calls_alone(executor):
    dying = executor.submit(os.kill, 0, signal.SIGKILL)
    fine = executor.submit(len, "abc")
    with pytest.raises(TaskFailed, match="SIGKILL"):
        dying.result()
    assert fine.result() == 3


def test_what_cannot_be_pickled_fails_its_call_alone(executor):
    # Both are sent together.
    lengths = executor.map(len, ["abc", sys.stdout], chunksize=1)
    assert next(lengths) == 3
    with pytest.raises(ValidationException, match="cannot be pickled"):
        next(lengths)


def test_shutdown_waits_and_forgets(client):
    with Executor(client) as executor:
        future = executor.submit(len, "abc")
    assert future.done()
    assert future.result() == 3
    assert executor.job.id not in [job["id"] for job in client.api.jobs()]
    with pytest.raises(RuntimeError, match="shut down"):
        executor.submit(len, "abc")


def test_shutdown_may_cancel(client, tmp_path):
    executor = Executor(client, python_env=PythonEnv(sys.executable))
    future = executor.submit(os.system, "while test ! -e never; do sleep 0.05; done")
    wait_for(lambda: client.api.jobs(ids=str(executor.job.id))[0]["stats"]["running"] == 1, "the start of the task")
    executor.shutdown(wait=False)
    executor.shutdown(cancel_futures=True)
    with pytest.raises(CancelledError):
        future.result()
