"""Jobs of the Python API on a real server with a real worker."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import cloudpickle
import pytest

from hq_bridge import (
    AsyncJobClient,
    FailedJobsException,
    HqError,
    Job,
    JobClient,
    LocalCluster,
    PythonEnv,
    ResourceRequest,
    ResultUnavailable,
    StdioDef,
    ValidationException,
    WorkerConfig,
)
from hq_bridge.data_dir import ORPHAN_AGE_S, remove_orphans
from real_server import is_alive, wait_for

MIB = 1024 * 1024


@dataclass
class Point:
    x: int


@pytest.fixture(autouse=True)
def _by_value():
    """Workers have no tests to import."""
    cloudpickle.register_pickle_by_value(sys.modules[__name__])
    yield
    cloudpickle.unregister_pickle_by_value(sys.modules[__name__])


def failure(client, function, **settings):
    """How the only task of a job fails."""
    job = Job()
    job.function(function, **settings)
    submitted = client.submit(job)
    with pytest.raises(FailedJobsException) as caught:
        client.wait_for_jobs([submitted])
    failed = client.get_failed_tasks(submitted)[0]
    assert failed.error.rstrip() in str(caught.value)
    return failed


def result(client, function, *args, **job_settings):
    """What the only task of a job returns."""
    job = Job(**job_settings)
    job.function(function, args=args)
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    return client.results(submitted)[0]


def test_results_come_back_whatever_they_are(client):
    job = Job()
    values = [None, 7, "text", {"a": [1]}]
    tasks = [job.function(lambda value=value: value) for value in values]
    point = job.function(lambda: Point(3))
    unpickled = job.function(lambda: lambda: 4)
    job.program("true")
    submitted = client.submit(job)
    assert client.wait_for_jobs([submitted])
    results = client.results(submitted)
    assert [results[task] for task in tasks] == values
    assert results[point] == Point(3)
    assert type(results[point]) is Point
    assert results[unpickled]() == 4
    assert list(results) == [0, 1, 2, 3, 4, 5]
    assert (tasks[0] in results, 6 in results, len(results)) == (True, False, 6)
    # Another process would have nothing but the number of the job.
    assert client.results(submitted.id)[1] == 7
    with pytest.raises(ResultUnavailable, match="task 6 has left no result"):
        results[6]
    with pytest.raises(ResultUnavailable, match="has no task 99"):
        results[99]


def test_exception_becomes_error_and_traceback(client, tmp_path):
    def broken():
        raise KeyError("the reason")

    failed = failure(client, broken)
    assert failed.traceback.startswith("Traceback (most recent call last)")
    assert failed.traceback.endswith("KeyError: 'the reason'")
    assert "task_main" not in failed.traceback
    assert (failed.label, failed.exit_code, failed.cwd) == ("broken/0", 1, str(tmp_path))
    assert (tmp_path / "0.stderr").read_text() == failed.traceback + "\n"
    assert failed.stderr == str(tmp_path / "0.stderr")


@pytest.mark.parametrize(
    ("code", "exit_code", "error"),
    [(3, 3, "The function has called sys.exit(3)."), ("no data", 1, "no data")],
)
def test_sys_exit_fails_the_task_as_it_says(client, code, exit_code, error):
    failed = failure(client, sys.exit, args=(code,))
    assert (failed.exit_code, failed.error, failed.traceback) == (exit_code, error, None)


def test_sys_exit_without_a_code_finishes_without_a_result(client):
    with pytest.raises(ResultUnavailable, match="has left no result"):
        result(client, sys.exit)


def test_function_that_kills_its_own_process(client):
    failed = failure(client, lambda: os.kill(os.getpid(), signal.SIGKILL))
    assert (failed.exit_code, failed.traceback) == (None, None)
    assert "Received signal 9 (SIGKILL)" in failed.error


def test_result_of_a_failed_function_says_why_there_is_none(client):
    job = Job()
    task = job.function(lambda: 1 / 0)
    submitted = client.submit(job)
    assert not client.wait_for_jobs([submitted], raise_on_error=False)
    with pytest.raises(ResultUnavailable, match=r"is failed, not finished: (?s:.*)ZeroDivisionError"):
        client.results(submitted)[task]
    assert dict(client.results(submitted)) == {}


def test_100_mib_of_arguments_arrive(client):
    assert result(client, len, bytes(100 * MIB)) == 100 * MIB


def test_result_above_the_limit_is_refused_where_it_is_asked_for(client, tmp_path):
    with pytest.raises(ResultUnavailable, match=r"takes more than 1 MiB; raise the limit with Job\(result_limit"):
        result(client, bytes, 2 * MIB, result_limit=MIB)
    assert "hq-bridge: the result takes more" in (tmp_path / "0.stderr").read_text()


def test_result_that_cannot_be_pickled_is_told_where_it_is_asked_for(client):
    with pytest.raises(ResultUnavailable, match="cannot be pickled: TypeError"):
        result(client, lambda: threading.Lock())


def test_job_that_keeps_no_results(client):
    with pytest.raises(ResultUnavailable, match="the job keeps no results"):
        result(client, lambda: 1, result_limit=0)


def test_forgetting_a_job_removes_its_results(client):
    job = Job()
    job.function(len, args=("x" * 300_000,))
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    assert len(list(submitted.data.path.iterdir())) == 3
    client.forget(submitted)
    assert not submitted.data.path.exists()
    with pytest.raises(HqError, match="not found"):
        client.results(submitted.id)


def test_a_refused_job_leaves_no_files(client):
    job = Job()
    job.function(len, args=("x" * 300_000,), resources=ResourceRequest(cpus="1 nonsense"))
    parent = client.server_dir / "hq-current" / "python"
    before = set(parent.iterdir()) if parent.exists() else set()
    with pytest.raises(HqError, match="nonsense"):
        client.submit(job)
    assert set(parent.iterdir()) == before


def test_what_forgotten_jobs_have_left_goes_away(client):
    job = Job()
    job.function(len, args=("abc",))
    kept, forgotten = client.submit(job), client.submit(job)
    client.wait_for_jobs([kept, forgotten])
    client.api.forget_job(forgotten.id)
    for submitted in (kept, forgotten):
        old = submitted.data.path.stat().st_mtime - ORPHAN_AGE_S - 1
        os.utime(submitted.data.path, (old, old))
    remove_orphans(submitted.data.path.parents[1], client.api)
    assert (kept.data.path.exists(), forgotten.data.path.exists()) == (True, False)


def test_variables_directories_and_alternatives_reach_the_task(client, tmp_path):
    job = Job(default_workdir=tmp_path / "work", default_env={"A": "1", "B": "1"})

    def look():
        return os.environ["A"], os.environ["B"], os.getcwd(), os.environ["HQ_RESOURCE_VARIANT"]

    requests = [ResourceRequest(resources={"nowhere": 1}), ResourceRequest(cpus=0.5)]
    task = job.function(look, env={"B": "2"}, resources=requests)
    submitted = client.submit(job)
    client.wait_for_jobs([submitted])
    assert client.results(submitted)[task] == ("1", "2", str(tmp_path / "work"), "1")


def test_a_job_waits_for_others(client, tmp_path):
    order = tmp_path / "order"
    first = Job()
    first.program(["sh", "-c", f"sleep 0.2; echo first >> {order}"])
    submitted = client.submit(first)
    second = Job(after_ok=[submitted])
    second.program(["sh", "-c", f"echo second >> {order}"])
    client.wait_for_jobs([client.submit(second)])
    assert order.read_text().split() == ["first", "second"]
    broken = Job()
    broken.program(["false"])
    failed = client.submit(broken)
    client.wait_for_jobs([failed], raise_on_error=False)
    late = Job(after_ok=[submitted, failed.id])
    late.program(["true"])
    job = client.submit(late)
    assert not client.wait_for_jobs([job], raise_on_error=False)
    assert client.api.job(job.id)["stats"]["aborted"] == 1


def test_tasks_of_a_running_job_are_added_and_canceled(client, tmp_path):
    job = Job(keep_open=True)
    submitted = client.submit(job)
    with pytest.raises(ValidationException, match="was given no new tasks"):
        client.extend(submitted)
    holding = job.program(["sh", "-c", "while test ! -e go; do sleep 0.05; done"])
    assert client.extend(submitted) == [holding]
    after = [job.function(int, deps=[holding]) for _ in range(2)]
    assert client.extend(submitted) == after
    assert client.cancel(submitted, [2], reason="not needed") == 1
    (tmp_path / "go").touch()
    assert not client.wait_for_jobs([submitted], raise_on_error=False)
    assert dict(client.results(submitted)) == {1: 0}
    client.close_job(submitted)
    with pytest.raises(FailedJobsException, match="no failed task, but tasks that were canceled"):
        client.wait_for_jobs([submitted])


def test_warnings_of_the_server_are_shown(client, capfd):
    job = Job()
    job.program("true", resources=ResourceRequest(resources={"nowhere": 1}))
    client.cancel(client.submit(job))
    said = capfd.readouterr().err
    assert said.startswith("hq-bridge: ")
    assert "nowhere" in said


def test_a_submit_that_has_failed_may_be_tried_again(client):
    job = Job(keep_open=True)
    submitted = client.submit(job)
    task = job.function(len, args=("x" * 300_000,))
    client.close_job(submitted)
    for _ in range(2):
        with pytest.raises(HqError, match="is not open"):
            client.extend(submitted)
    assert job.tasks[submitted.sent :] == [task]


def test_unknown_jobs_are_refused(client):
    with pytest.raises(HqError, match="job 999 not found"):
        client.wait_for_jobs([999])
    with pytest.raises(ValidationException, match="is no submitted job"):
        client.wait_for_jobs([Job()])
    with pytest.raises(ValidationException, match="the job has no tasks"):
        client.submit(Job())


def test_canceled_asyncio_wait_leaves_the_job_alone(client, tmp_path):
    async def main():
        async with AsyncJobClient() as other:
            job = Job()
            job.program(["sh", "-c", "while test ! -e go; do sleep 0.05; done"])
            submitted = await other.submit(job)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(other.wait_for_jobs([submitted]), 0.01)
            assert other.client.api.jobs(live=True) != []
            (tmp_path / "go").touch()
            assert await other.wait_for_jobs([submitted])

    asyncio.run(main())


def test_cluster_takes_its_processes_and_files_with_it(tmp_path):
    with LocalCluster(worker_config=WorkerConfig(1)) as cluster:
        directory = cluster.server_dir
        with cluster.client() as client:
            pids = [client.api.server_info()["pid"], client.api.workers()[0]["configuration"]["pid"]]
        assert all(map(is_alive, pids))
        with pytest.raises(HqError, match="already"):
            LocalCluster(directory)
        assert all(map(is_alive, pids))
        with pytest.raises(ValidationException, match="cores=0 is no number of CPUs"):
            cluster.start_worker(WorkerConfig(0))
    assert not any(map(is_alive, pids))
    assert not directory.exists()


@pytest.mark.skipif(sys.prefix == sys.base_prefix, reason="this Python is in no virtual environment")
def test_client_starts_a_server_that_ends_with_it(real, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    # Started by its path: nothing has activated the environment.
    own = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join(place for place in os.environ["PATH"].split(os.pathsep) if place != own))
    with JobClient(real.directory, cpus=1) as client:
        assert result(client, lambda: sys.prefix) == sys.prefix
        assert len(real.embedded()) == 2
    wait_for(lambda: real.embedded() == [], "the end of server and worker")


def test_what_a_task_asks_for_is_what_it_gets(client, tmp_path):
    job = Job(labels={"study": "a"}, max_fails=None)

    def second_time():
        if os.environ["HQ_INSTANCE_ID"] == "0":
            raise OSError("not yet")
        return os.environ["HQ_INSTANCE_ID"]

    again = job.function(second_time, max_retries=1)
    endless = job.program(["sleep", "1000"], time_limit=timedelta(milliseconds=100))
    unprepared = job.function(len, args=("abc",), python_env=PythonEnv(f"{sys.executable} -S", prologue="true"))
    quiet = StdioDef.remove_if_finished("%{TASK_ID}.out")
    read = job.program(["sh", "-c", "cat > copy;pwd"], stdin=b"text", cwd=tmp_path / "sub", stdout=quiet, task_dir=True)
    submitted = client.submit(job)
    assert not client.wait_for_jobs([submitted], raise_on_error=False)
    failed = client.get_failed_tasks(submitted)
    assert sorted(failed) == [endless.task_id, unprepared.task_id]
    assert "time limit" in failed[endless.task_id].error.lower()
    assert "cannot load hq_bridge: ModuleNotFoundError" in failed[unprepared.task_id].error
    assert client.results(submitted)[again] == "1"
    assert (tmp_path / "sub/copy").read_text() == "text"
    assert not (tmp_path / f"sub/{read.task_id}.out").exists()
    assert [info["id"] for info in client.api.jobs(labels={"study": "a"})] == [submitted.id]


def test_a_graph_of_100_000_tasks_is_one_submit(client):
    job = Job()
    # Nothing starts before the first one, and that never does.
    job.program(["true"], resources=ResourceRequest(resources={"nowhere": 1}))
    for number in range(1, 100_000):
        job.program(["true"], deps={job.tasks[number // 2], job.tasks[number - 1]})
    submitted = client.submit(job)
    assert client.api.jobs(ids=str(submitted.id))[0]["stats"]["waiting"] == 100_000
    assert client.cancel(submitted) == 100_000


def test_argument_whose_result_was_not_kept_says_so(client):
    job = Job(result_limit=MIB)
    large = job.function(bytes, args=(2 * MIB,))
    job.function(len, args=(large,))
    submitted = client.submit(job)
    assert not client.wait_for_jobs([submitted], raise_on_error=False)
    error = client.get_failed_tasks(submitted)[1].error
    assert error.startswith("an argument is the result of another task, but the result takes more than 1 MiB")
