"""Workflows on real servers: what jobs get, what users see when they fail, and that nothing is left behind."""

from __future__ import annotations

import os
import re

import pytest
from hq_bridge import Client
from real_server import is_alive, wait_for

CHAIN = """
    rule all:
        input: expand("c/{s}.txt", s=["x/a b", "it's", "pl$in"])

    rule a:
        output: "a/{s}.txt"
        priority: 5
        threads: 2
        resources: runtime=3
        shell: "echo {threads} > {output:q}"

    rule c:
        input: "a/{s}.txt"
        output: "c/{s}.txt"
        log: "logs/{s}.log"
        shell: "cat {input:q} > {output:q} 2> {log:q}"
"""


def test_tasks_are_described_by_the_workflow(workflow):
    workflow.write(CHAIN)
    out = workflow.succeed()
    assert workflow.text("c/it's.txt") == "2\n"
    (job,) = workflow.jobs()
    assert job["name"] == "snakemake-work dir"
    assert (job["isOpen"], job["stats"]["finished"]) == (False, 6)
    tasks = {task["label"]: task for task in workflow.tasks()}
    assert sorted(tasks) == sorted(f"{rule} s={s}" for rule in "ac" for s in ["x/a b", "it's", "pl$in"])
    spec = tasks["a s=x/a b"]["spec"]
    assert spec["request"][0]["resources"] == {"cpus": 2}
    assert (spec["priority"], spec["timeLimitMs"]) == (5, 180_000)
    assert "timeLimitMs" not in tasks["c s=x/a b"]["spec"]
    # Nothing of successful jobs is kept, and there is nothing to warn of.
    assert workflow.logs() == []
    assert not (workflow.directory / f"job-{job['id']}").exists()
    assert "no worker provides" not in out
    logs = workflow.hq("logs", "snakemake", str(job["id"]))
    assert (logs.returncode, logs.stdout) == (1, "")
    assert "--hyperqueue-keep-logs always" in logs.stderr


def test_batches_are_submitted_with_one_request(workflow):
    workflow.write(
        """
        rule all:
            input: expand("{s}.txt", s=range(6))
        rule a:
            output: "{s}.txt"
            shell: "touch {output}"
        """
    )
    workflow.succeed(jobs=6)
    with Client(workflow.server.directory) as client:
        submits = client.job(workflow.jobs()[0]["id"])["submits"]
    assert [submit["taskIds"] for submit in submits] == ["1-6"]


FAILING = """
    rule all:
        input: expand("{s}.txt", s=["good", "bad/x y"])

    rule good:
        output: "good.txt"
        shell: "touch {output}"

    rule bad:
        output: "bad/{s}.txt"
        log: "logs/{s}.log"
        shell: "echo the disk is warm; echo the disk is on fire >&2; exit 3"
"""


def test_failure_shows_reason_and_last_lines_and_keeps_its_output_alone(workflow):
    workflow.write(FAILING)
    out = workflow.fail("--keep-going")
    assert re.search(r"task \d+ of HyperQueue job \d+ on \S+ \(worker 1\) failed: exit code 1", out)
    assert "    the disk is on fire" in out
    assert "    On standard output:\n    the disk is warm\n" in out
    assert "returned non-zero exit status 3" in out
    assert "logs/x y.log" in out
    (log,) = [name for name in workflow.logs() if not name.startswith("run-")]
    assert re.fullmatch(r"bad_s=x_y\.\d+-\d+\.log", log)
    assert re.search(r"exit code 1; it ran for [\d.]+ s, peak memory \d+ MiB", out)
    assert f".snakemake/hyperqueue/{log}" in out
    assert "the disk is on fire" in workflow.text(f".snakemake/hyperqueue/{log}")
    assert (workflow.directory / "good.txt").exists()


def test_no_output_is_kept_on_demand(workflow):
    workflow.write(FAILING)
    assert "the disk is on fire" in workflow.fail("--hyperqueue-keep-logs", "never")
    assert workflow.logs() == []


def test_all_output_is_kept_on_demand(workflow):
    workflow.write(FAILING)
    workflow.fail("--keep-going", "--hyperqueue-keep-logs", "always", "--hyperqueue-stream-dir", "output")
    from hq_bridge.outputlog import OutputLog

    (directory,) = (workflow.directory / "output").glob("run-*")
    with OutputLog(str(directory)) as log:
        assert [task.outcome for task in log.tasks(log.jobs()[0])].count("finished") == 1


def test_failed_job_is_repeated_by_snakemake(workflow):
    workflow.write(
        """
        rule a:
            output: "a.txt"
            resources: runtime=lambda wildcards, attempt: attempt
            shell: "test {resources.runtime} = 3 && touch {output}"
        """
    )
    # As an option: the retries of a rule are also made by the job's own Snakemake, within the task.
    workflow.succeed("--retries", "2")
    assert [task["spec"]["timeLimitMs"] for task in workflow.tasks()] == [60_000, 120_000, 180_000]
    assert [task["state"] for task in workflow.tasks()] == ["failed", "failed", "finished"]


SLOW = """
    rule all:
        input: expand("{s}.txt", s=range(6))
    rule slow:
        output: "{s}.txt"
        shell: "echo $$ > started-{wildcards.s}; sleep 600; touch {output}"
"""


def test_interrupt_leaves_no_task_and_no_process(workflow):
    workflow.write(SLOW)
    running = workflow.start(jobs=6)
    # Four run, two wait for a CPU.
    workflow.wait_for_started(4)
    out = running.interrupt()
    with Client(workflow.server.directory) as client:
        (job,) = workflow.jobs()
        assert job["stats"]["canceled"] == 6, out
        assert not job["isOpen"]
        wait_for(lambda: client.workers()[0]["runningTasks"] == 0, "the end of all tasks")
    for path in workflow.directory.glob("started-*"):
        wait_for(lambda path=path: not is_running(path.read_text()), "the end of the job's processes")


def is_running(pid):
    return is_alive(int(pid))


def test_task_canceled_by_somebody_else_fails(workflow):
    workflow.write(SLOW)
    running = workflow.start(jobs=1)
    workflow.wait_for_started(1)
    with Client(workflow.server.directory) as client:
        client.cancel(workflow.jobs()[0]["id"])
    assert "it was canceled in HyperQueue" in running.end_badly()


def test_time_limit_is_named(workflow):
    workflow.write(
        """
        rule slow:
            output: "a.txt"
            resources: runtime=1
            shell: "sleep 600; touch {output}"
        """
    )
    # Snakemake knows whole minutes only; here they last a second.
    out = workflow.fail(main="import snakemake_executor_plugin_hyperqueue.resources as r; r.MINUTE_MS = 1_000")
    assert "it exceeded its time limit of 1 min (resource runtime)" in out
    assert workflow.tasks()[0]["failure"] == "time-limit"


def test_time_limit_can_be_off(workflow):
    workflow.write(
        """
        rule a:
            output: "a.txt"
            resources: runtime=1
            shell: "touch {output}"
        """
    )
    workflow.succeed("--hyperqueue-runtime-limit", "off", "--hyperqueue-time-request")
    (task,) = workflow.tasks()
    assert "timeLimitMs" not in task["spec"]
    assert task["spec"]["request"][0]["timeRequestMs"] == 60_000


MEMORY = """
    rule a:
        output: "a.txt"
        resources: mem_mb=500, slurm_partition="long"
        shell: "touch {output}"
"""


def test_memory_is_not_asked_for_where_it_is_not_provided(workflow):
    workflow.write(MEMORY)
    out = workflow.succeed()
    assert out.count("no worker provides 'mem'") == 1
    assert out.count("resources for batch jobs are ignored (slurm_partition)") == 1
    assert workflow.tasks()[0]["spec"]["request"][0]["resources"] == {"cpus": 1}


# Holds 300 MB until it is ended where it may not have them.
HUNGRY = """
    rule all:
        input: "a.txt", "b.txt"
    rule a:
        output: "a.txt"
        resources: mem_mb=lambda wildcards, attempt: 250 * attempt ** 2
        shell: "python -c 'import sys, time; held = bytearray(300_000_000); time.sleep(600 * (sys.argv[1] == \\"250\\"))' "
               "{resources.mem_mb}; touch {output}"
    rule b:
        output: "b.txt"
        resources: slurm_partition="long"
        shell: "touch {output}"
"""


def test_memory_is_asked_for_where_it_is_provided_and_a_job_that_holds_more_gets_more(lone_workflow):
    workflow = lone_workflow
    workflow.server.start()
    workflow.server.worker("--cpus", "2", "--resource", "mem=sum(2000)")
    workflow.write(HUNGRY)
    out = workflow.succeed("--retries", "1")
    assert "no worker provides" not in out
    assert "it exceeded its memory limit of 250 MiB (resource mem_mb)" in out
    found = {(task["label"], task["state"], task["spec"]["request"][0]["resources"].get("mem")) for task in workflow.tasks()}
    assert found == {("a", "failed", 250), ("a", "finished", 1000), ("b", "finished", None)}
    failed = workflow.hq("logs", "snakemake", "last", "--failed").stdout
    assert "memory limit (resource mem_mb): Memory limit exceeded: 250 MiB" in failed
    assert re.search(r"peak memory: \d+", failed)


def test_job_that_no_worker_can_run_is_told(workflow):
    workflow.write(
        """
        rule a:
            output: "a.txt"
            threads: 64
            shell: "touch {output}"
        """
    )
    workflow.start(jobs=1).says("no worker has 64")


def test_declared_variables_are_secrets(workflow):
    workflow.write(
        """
        envvars: "MY_TOKEN"
        rule a:
            output: "a.txt"
            shell: "echo $MY_TOKEN > {output}; tr '\\\\0' ' ' < /proc/$PPID/cmdline > command"
        """
    )
    workflow.succeed(MY_TOKEN="open sesame")
    assert workflow.text("a.txt") == "open sesame\n"
    assert "snakemake" in workflow.text("command")
    assert "sesame" not in workflow.text("command")
    spec = workflow.tasks()[0]["spec"]
    assert "MY_TOKEN" in spec["secretEnv"]
    assert "sesame" not in str(spec)


def test_software_of_the_calling_shell_is_used(workflow, tmp_path):
    tool = tmp_path / "my-tool"
    tool.write_text("#!/bin/sh\necho from my tool\n")
    tool.chmod(0o755)
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "my-tool > {output}"\n')
    workflow.succeed(PATH=f"{tmp_path}:{os.environ['PATH']}")
    assert workflow.text("a.txt") == "from my tool\n"


def test_command_of_200_kilobytes(workflow):
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "echo {config[key19]} | wc -c > {output}"\n')
    keys = [f"key{number}={'x' * 10_000}" for number in range(10, 30)]
    workflow.succeed("a.txt", "--config", *keys)
    assert workflow.text("a.txt").strip() == "10001"
    (task,) = workflow.tasks()
    assert len(task["spec"]["stdin"]) > 200_000


def test_a_request_that_cannot_be_meant_ends_the_workflow_with_one_line(workflow):
    workflow.write('rule a:\n    output: "a.txt"\n    resources: hq_resources="fpga"\n    shell: "touch {output}"\n')
    assert "rule a: hq_resources has 'fpga'; give NAME=AMOUNT" in workflow.fail()
    assert workflow.tasks() == []


def test_working_directory_of_the_workflow(workflow):
    (workflow.directory / "elsewhere").mkdir()
    workflow.write('workdir: "elsewhere"\nrule a:\n    output: "a.txt"\n    shell: "pwd > {output}"\n')
    workflow.succeed()
    assert workflow.text("elsewhere/a.txt").strip().endswith("work dir/elsewhere")


def test_without_a_server_and_without_hq_there_is_one_clear_line(lone_workflow):
    workflow = lone_workflow
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "touch {output}"\n')
    out = workflow.fail(HQ_BRIDGE_HQ="/nowhere/hq")
    assert "there is no executable /nowhere/hq" in out
    assert not (workflow.directory / "a.txt").exists()


def test_immediate_submit_is_refused(workflow):
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "touch {output}"\n')
    assert "does not support --immediate-submit" in workflow.fail("--immediate-submit", "--notemp")


@pytest.mark.parametrize("option", ["keep-logs", "runtime-limit"])
def test_settings_are_checked(workflow, option):
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "touch {output}"\n')
    assert "invalid choice: 'sometimes'" in workflow.fail(f"--hyperqueue-{option}", "sometimes")
