"""Servers and workers that come and go while workflows run: embedded ones, restarts, losses, a killed Snakemake."""

from __future__ import annotations

import os
import re
import shlex
import signal
import sys

from hq_bridge import Client
from hq_bridge.executable import find_hq
from real_server import wait_for

from workflow import Workflow

ONE = """
    rule all:
        input: expand("{s}.txt", s=range(3))
    rule a:
        output: "{s}.txt"
        threads: 4
        shell: "touch {output}"
"""
# A job that waits for a file, so that a test decides when it ends.
GATED = """
    rule all:
        input: expand("{s}.txt", s=range(2))
    rule a:
        output: "{s}.txt"
        shell: "echo $$ >> started-{wildcards.s}; until [ -e go ]; do sleep 0.05; done; touch {output}"
"""


def go(workflow):
    (workflow.directory / "go").touch()


def test_server_and_worker_start_and_end_with_the_workflow(lone_workflow, own_server):
    lone_workflow.write(ONE)
    out = lone_workflow.succeed(jobs=2)
    cpus = min(2, len(os.sched_getaffinity(0)))
    assert f"started a local worker with {cpus} CPUs" in out
    assert out.count(f"asks for 4 threads, the local worker has {cpus} CPUs") == 1
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")
    # The next run finds the same journal.
    (lone_workflow.directory / "0.txt").unlink()
    lone_workflow.succeed(jobs=2)
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")


def test_two_workflows_share_a_server_and_neither_ends_the_others(lone_workflow, own_server, tmp_path):
    other = Workflow(tmp_path / "other", own_server)
    lone_workflow.write(GATED)
    other.write(ONE)
    running = lone_workflow.start(jobs=2)
    lone_workflow.wait_for_started(min(2, len(os.sched_getaffinity(0))))
    second = other.start(jobs=2)
    lone_workflow.running.append(second)
    with Client(own_server.directory) as client:
        wait_for(lambda: client.server_info()["leases"] == 2, "two workflows on one server")
        assert len(client.workers()) == 1
        go(lone_workflow)
        running.end()
        second.end()
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")


def test_what_failed_is_told_when_the_embedded_server_is_started_again(lone_workflow, own_server):
    lone_workflow.write('rule a:\n    output: "a.txt"\n    shell: "echo oh no >&2; exit 3"\n')
    out = lone_workflow.fail(jobs=1)
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")
    refused = lone_workflow.hq("logs", "snakemake", "last", "--failed")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "hq server start --exit-when-idle 10min" in refused.stderr
    # What is typed is what was told.
    (told_now,) = (line.split("why: ", 1)[1] for line in out.splitlines() if "what failed and why: " in line)
    command = re.sub(r"\bhq (?=server|logs)", f"{shlex.join(find_hq())} ", told_now)
    assert "    oh no" in lone_workflow.start(command=["/bin/sh", "-c", command]).end()
    lone_workflow.hq("server", "stop")
    wait_for(lambda: own_server.embedded() == [], "the end of the server")


def test_interrupted_workflow_ends_its_embedded_server(lone_workflow, own_server):
    lone_workflow.write(GATED)
    running = lone_workflow.start(jobs=1)
    lone_workflow.wait_for_started(1)
    running.interrupt()
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")


def test_job_of_a_lost_worker_runs_again(lone_workflow, own_server):
    own_server.start()
    first = own_server.worker("--cpus", "4")
    lone_workflow.write(GATED)
    running = lone_workflow.start()
    lone_workflow.wait_for_started(2)
    first.kill()
    own_server.worker("--cpus", "4")
    wait_for(lambda: len(lone_workflow.text("started-0").split()) == 2, "the second start")
    go(lone_workflow)
    assert "starts again: worker lost" in running.end()


def test_lost_local_worker_is_replaced(lone_workflow, own_server):
    lone_workflow.write(GATED)
    running = lone_workflow.start(jobs=1)
    lone_workflow.wait_for_started(1)
    with Client(own_server.directory) as client:
        (worker,) = client.workers()
        os.kill(worker["configuration"]["pid"], signal.SIGKILL)
        wait_for(lambda: [one["id"] for one in client.workers()] not in ([], [worker["id"]]), "another worker")
    go(lone_workflow)
    running.end()


def test_workflow_outlives_a_killed_server(lone_workflow, own_server):
    first = own_server.start()
    own_server.worker("--cpus", "4")
    lone_workflow.write(GATED)
    running = lone_workflow.start()
    lone_workflow.wait_for_started(2)
    first.kill()
    first.wait()
    go(lone_workflow)
    own_server.start()
    out = running.end()
    assert len(lone_workflow.text("started-0").split()) == 1, out


def test_killed_embedded_server_is_started_again(lone_workflow, own_server):
    lone_workflow.write(GATED)
    running = lone_workflow.start(jobs=1)
    lone_workflow.wait_for_started(1)
    with Client(own_server.directory) as client:
        before = client.server_info()
        os.kill(before["pid"], signal.SIGKILL)
    go(lone_workflow)
    running.end()
    wait_for(lambda: own_server.embedded() == [], "the end of server and worker")


def test_jobs_of_a_killed_snakemake_are_followed_by_the_next_and_not_run_again(workflow):
    workflow.write(GATED.replace("[ -e go ]", "[ -e go-{wildcards.s} ]"))
    first = workflow.start()
    workflow.wait_for_started(2)
    first.kill()
    # One finishes while nobody looks.
    (workflow.directory / "go-0").touch()
    wait_for(lambda: "finished" in [task["state"] for task in workflow.tasks()], "the end of a job")
    workflow.succeed("--unlock")
    second = workflow.start()
    second.says("a s=1 is still running since an earlier run")
    (workflow.directory / "go-1").touch()
    out = second.end()
    assert [len(workflow.text(f"started-{s}").split()) for s in range(2)] == [1, 1], out
    assert len(workflow.tasks()) == 2
    assert [job["isOpen"] for job in workflow.jobs()] == [False, False]


# Says who else is at work on the same file.
STUBBORN = """
    rule a:
        output: "a.txt"
        shell: "trap '' INT; for p in $(cat started-0); do kill -0 $p && echo alive >> seen; done 2> /dev/null; "
               "echo $$ >> started-0; touch {output}; until [ -e go ]; do sleep 0.05; done"
"""


def test_files_of_a_killed_snakemake_are_made_anew_after_its_jobs_are_dead(workflow):
    workflow.write(STUBBORN)
    first = workflow.start()
    workflow.wait_for("a.txt")
    first.kill()
    # What is typed is what was told.
    rerun = told(workflow.fail(), "--rerun-incomplete")
    locked = workflow.start(command=rerun).end_badly()
    assert "jobs of it that HyperQueue still runs are followed" in locked
    workflow.start(command=told(locked, "--unlock")).end()
    second = workflow.start(command=rerun)
    wait_for(lambda: len(workflow.text("started-0").split()) == 2, "the second start")
    assert not (workflow.directory / "seen").exists()
    go(workflow)
    second.end()
    assert sorted(task["state"] for task in workflow.tasks()) == ["canceled", "finished"]


def told(out, option):
    """The command with this option that Snakemake's error ends with, for the Python that has Snakemake."""
    line = next(line for line in out.splitlines() if line.startswith(f"    python -m snakemake {option} "))
    return [sys.executable, *shlex.split(line)[1:]]
