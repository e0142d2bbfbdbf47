"""What is made of events and of trouble, without a server; what a failure looks like."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hq_bridge import Batch, Gap, HqError, Lost, Resumed

from snakemake_executor_plugin_hyperqueue import status
from snakemake_executor_plugin_hyperqueue.failure import Failures, file_name, reason_of, telling_lines
from snakemake_executor_plugin_hyperqueue.leftovers import is_gone, this_process
from snakemake_executor_plugin_hyperqueue.status import Monitor


class Session:
    """Answers for a server."""

    server_uid = "uid-1"

    def __init__(self, directory):
        self.directory = directory
        self.looked_after = 0
        self.found = []

    def tasks(self, job_id, ids=None):
        if isinstance(self.found, HqError):
            raise self.found
        return [task for task in self.found if ids is None or str(task["id"]) == ids]

    def host_of(self, worker_id):
        return f"node{worker_id}"

    def run_dir(self, job_id):
        return self.directory

    def look_after(self):
        self.looked_after += 1


class Bench:
    """A monitor with three running tasks of job 5."""

    def __init__(self, directory):
        self.session = Session(directory)
        self.said = []
        self.logger = SimpleNamespace(warning=self.said.append, info=self.said.append, error=self.said.append)
        self.infos = [SimpleNamespace(job=Job(), aux=None) for _ in range(3)]
        self.tasks = {(5, number): info for number, info in enumerate(self.infos)}
        self.done = []
        self.failed = {}
        self.monitor = Monitor(
            session=self.session,
            tasks=self.tasks,
            failures=Failures(self.session, directory / "logs", self.logger),
            succeed=self.done.append,
            fail=self.fail,
            logger=self.logger,
        )

    def fail(self, info, message, **more):
        assert self.infos.index(info) not in self.failed
        self.failed[self.infos.index(info)] = message


class Job:
    name = "rule_a"

    def is_group(self):
        return False


@pytest.fixture
def bench(tmp_path):
    return Bench(tmp_path)


MIB = 1024 * 1024
USAGE = {"wallMs": 1_500, "userMs": None, "systemMs": None, "maxRssBytes": 9 * MIB, "peakMemBytes": 20 * MIB}


def finished(number):
    return {"type": "task-finished", "jobId": 5, "taskId": number}


def failed(number, **more):
    event = {"type": "task-failed", "jobId": 5, "taskId": number, "error": "e", "failure": "exit"}
    return {**event, "exitCode": 3, "signal": None, "usage": USAGE, **more}


def test_ends_are_reported_once(bench):
    bench.monitor.handle(Batch([finished(1), finished(1), failed(2)]))
    bench.monitor.handle(Batch([finished(2), finished(99)]))
    assert bench.done == [bench.infos[1]]
    used = "it ran for 1.5 s, peak memory 20 MiB"
    assert bench.failed == {2: f"task 2 of HyperQueue job 5 failed: exit code 3; {used}\n"}
    assert list(bench.tasks) == [(5, 0)]


def test_canceled_and_aborted_tasks_fail_with_the_reason(bench):
    events = [
        {"type": "tasks-canceled", "jobId": 5, "ids": "0,1,7"},
        {"type": "tasks-aborted", "jobId": 5, "ids": "2", "reason": "too many failed"},
        {"type": "tasks-canceled", "jobId": 6, "ids": "0-2"},
    ]
    bench.monitor.handle(Batch(events))
    assert "canceled" in bench.failed[0]
    assert "canceled" in bench.failed[1]
    assert "too many failed" in bench.failed[2]


def test_restarts_are_told(bench):
    bench.monitor.handle(Batch([{"type": "task-restarted", "jobId": 5, "taskId": 0, "cause": "worker-lost"}]))
    assert bench.said == ["HyperQueue: rule_a (task 0) starts again: worker lost"]
    assert len(bench.tasks) == 3


def test_a_break_is_waited_out(bench):
    bench.monitor.handle(Lost(HqError("X", "gone")))
    bench.monitor.look_after()
    bench.monitor.handle(Resumed("uid-1"))
    bench.monitor.handle(Batch([finished(0)]))
    assert bench.failed == {}
    assert bench.said == ["HyperQueue: gone; waiting for it to come back", "HyperQueue: the server is back"]
    assert bench.done == [bench.infos[0]]


def test_a_break_without_end_fails_the_jobs(bench, monkeypatch):
    monkeypatch.setattr(status, "OFFLINE_LIMIT_S", -1.0)
    bench.monitor.handle(Lost(HqError("X", "gone")))
    assert bench.failed == {}
    for _ in range(2):
        bench.monitor.look_after()
        assert sorted(bench.failed) == [0, 1, 2]
    assert "has not answered" in bench.failed[0]


def test_another_server_fails_the_jobs(bench):
    bench.monitor.handle(Resumed("uid-2"))
    assert "another server" in bench.failed[1]


def test_after_a_gap_the_state_is_read(bench):
    task = {"jobId": 5, "error": "e", "failure": "signal", "exitCode": None, "signal": "SIGKILL", "workers": [4], "usage": None}
    bench.session.found = [
        {**task, "id": 0, "state": "finished"},
        {**task, "id": 1, "state": "failed"},
        {**task, "id": 2, "state": "running"},
        {**task, "id": 3, "state": "finished"},
    ]
    bench.monitor.handle(Gap())
    assert bench.done == [bench.infos[0]]
    reason = "killed by signal SIGKILL; the node may be out of memory"
    assert bench.failed == {1: f"task 1 of HyperQueue job 5 on node4 (worker 4) failed: {reason}\n"}
    assert list(bench.tasks) == [(5, 2)]


def test_trouble_while_the_state_is_read_is_no_end(bench):
    bench.session.found = HqError("HQ_E_SERVER_GONE", "gone")
    bench.monitor.handle(Gap())
    assert bench.failed == {}
    bench.session.found = HqError("HQ_E_JOB_NOT_FOUND", "job 5 not found")
    bench.monitor.handle(Gap())
    assert sorted(bench.failed) == [0, 1, 2]


def test_after_the_end_nothing_is_reported(bench, monkeypatch):
    monkeypatch.setattr(status, "OFFLINE_LIMIT_S", -1.0)
    bench.monitor.handle(Lost(HqError("X", "gone")))
    bench.monitor.stop()
    bench.monitor.handle(Batch([finished(0), failed(1)]))
    bench.monitor.look_after()
    assert (bench.done, bench.failed) == ([], {})


def test_server_and_queue_are_looked_after_while_jobs_run(bench, monkeypatch):
    bench.monitor.look_after()
    assert bench.session.looked_after == 0
    monkeypatch.setattr(status, "LOOK_AFTER_S", -1.0)
    bench.monitor.look_after()
    assert bench.session.looked_after == 1
    bench.tasks.clear()
    bench.monitor.look_after()
    assert bench.session.looked_after == 1


@pytest.mark.parametrize(
    ("end", "aux", "text"),
    [
        (
            {"failure": "time-limit"},
            {"time_limit_ms": 90_000},
            "it exceeded its time limit of 1.5 min (resource runtime)",
        ),
        ({"failure": "time-limit"}, {}, "e"),
        ({"failure": "memory-limit"}, {"memory": 500}, "it exceeded its memory limit of 500 MiB (resource mem_mb): e"),
        ({"failure": "signal", "signal": "SIGSEGV"}, {}, "killed by signal SIGSEGV"),
        ({"failure": "worker-lost"}, {}, "its worker was lost too often, maybe because of this job: e"),
        ({"failure": "spawn"}, {}, "e"),
    ],
)
def test_reasons(end, aux, text):
    assert reason_of(failed(1, **end), aux) == text


def test_telling_lines_leave_out_what_the_main_process_says():
    text = """
Building DAG of jobs...
[Mon Nov 23 21:31:21 2026]
localrule bad:
    output: x
    resources: tmpdir=/tmp, mem_mb=1000
trouble ahead
RuleException:
Command 'exit 3' returned non-zero exit status 3.
[Mon Nov 23 21:31:21 2026]
Error in rule bad:
    message: None
Shutting down
"""
    expected = ["trouble ahead", "RuleException:", "Command 'exit 3' returned non-zero exit status 3."]
    assert telling_lines(text) == expected
    assert telling_lines("a\n\nb  \n") == ["a", "b"]
    assert telling_lines("Error in rule x:\nmore") == ["Error in rule x:", "more"]
    assert telling_lines("\n".join(map(str, range(100)))) == [str(number) for number in range(80, 100)]


def test_file_names_have_no_special_characters():
    assert file_name("a s=x/../y z,u='1'") == "a_s=x_.._y_z,u=_1"
    assert file_name("../../etc") == "etc"
    assert file_name("//") == "job"
    assert len(file_name("x" * 1000)) == 100


def test_processes_are_recognised():
    assert not is_gone(this_process())
    host, pid, start = this_process().split(":")
    assert is_gone(f"{host}:{pid}:{int(start) - 1}")
    assert is_gone(f"{host}:999999999:1")
    assert not is_gone("another-host:1:1")
    assert not is_gone("")
