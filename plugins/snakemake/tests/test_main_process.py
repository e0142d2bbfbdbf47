"""What the executor costs Snakemake's main process: commands that are written once, rounds that are made once."""

from __future__ import annotations

import threading
from types import SimpleNamespace

import pytest

from snakemake_executor_plugin_hyperqueue.command import CommandFormat
from snakemake_executor_plugin_hyperqueue.run import jobs_of
from snakemake_executor_plugin_hyperqueue.status import merge_wake_ups


@pytest.mark.parametrize("own", ["--own 1", "--own 'a b'", "--", "", "m"])
def test_a_command_is_the_one_that_snakemake_would_have_written(own):
    commands = CommandFormat()
    written = []

    def whole(kind, own):
        written.append(own)
        return f"python -m snakemake {own} --kind {kind}"

    for number in range(3):
        for kind in ("single", "group"):
            args = own if number == 0 else f"{own}{number}"
            expected = f"python -m snakemake {args} --kind {kind}"
            assert commands.command(kind, args, lambda kind=kind, args=args: whole(kind, args)) == expected
    # What stands in the command in other places, too, does not tell where the job's own arguments begin.
    assert len(written) == (2 if own.startswith("--own") else 4)


def test_one_wake_up_is_left_of_many_and_none_is_made():
    scheduler = SimpleNamespace(_open_jobs=threading.Semaphore(0))
    merge_wake_ups(scheduler)
    assert not scheduler._open_jobs.acquire(blocking=False)
    scheduler._open_jobs.release(5)
    merge_wake_ups(scheduler)
    assert scheduler._open_jobs.acquire(blocking=False)
    assert not scheduler._open_jobs.acquire(blocking=False)


def test_a_scheduler_without_wake_ups_is_left_alone():
    for scheduler in (None, SimpleNamespace(), SimpleNamespace(_open_jobs=[])):
        merge_wake_ups(scheduler)


def test_jobs_of_a_workflow_are_counted_where_snakemake_tells():
    assert jobs_of(SimpleNamespace(dag=range(300))) == 300
    assert jobs_of(SimpleNamespace(dag=object())) == 0


def test_trouble_of_the_reader_of_events_ends_the_workflow(workflow):
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "touch {output}"\n')
    out = workflow.fail(
        main="""
from snakemake_executor_plugin_hyperqueue.status import Monitor
def handle(self, message):
    raise LookupError(f"what is a {type(message).__name__}?")
Monitor.handle = handle
"""
    )
    assert "what is a Batch?" in out
    assert [job["isOpen"] for job in workflow.jobs()] == [False]


# Compares each command with the one that the base class writes.
COMPARING = """
from snakemake_executor_plugin_hyperqueue.executor import Executor
from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor
quick = Executor.format_job_exec
def compared(self, job):
    # Few inputs stand there as the base class writes them.
    assert self.get_job_args(job) == RemoteExecutor.get_job_args(self, job)
    command = quick(self, job)
    assert command == RemoteExecutor.format_job_exec(self, job)
    return command
Executor.format_job_exec = compared
"""


def test_commands_of_a_run_are_those_of_snakemake_and_no_file_is_written_for_a_job(workflow):
    workflow.write(
        """
        rule all:
            input: expand("c/{s}.txt", s=["x/a b", "it's", *range(20)]), "grouped.txt"
        rule a:
            output: temp("a/{s}.txt")
            shell: "touch {output:q}"
        rule c:
            input: "a/{s}.txt"
            output: "c/{s}.txt"
            shell: "touch {output:q}"
        rule member:
            output: "members/{n}.txt"
            group: "g"
            shell: "touch {output}"
        rule grouped:
            input: expand("members/{n}.txt", n=range(3))
            output: "grouped.txt"
            group: "g"
            shell: "touch {output}"
        """
    )
    options = ("--config", "given='a b'", "--hyperqueue-keep-logs", "always", "--retries", "1")
    workflow.succeed(*options, jobs=50, main=COMPARING)
    assert len(workflow.tasks()) == 45
    # The consolidated log, and what says whose it is.
    assert len(workflow.logs()) <= 2


PRIORITIES = """
rule all:
    input: expand("{s}.txt", s=range(80))
rule a:
    output: "{s}.txt"
    resources: hq_pin=lambda wildcards: "PIN" if wildcards.s == "79" else "omp"
    shell: "touch {output}"
rule urgent:
    output: "{s,7|77|78}.txt"
    priority: 5
    shell: "touch {output}"
ruleorder: urgent > a
"""


def test_what_is_urgent_is_sent_first(workflow):
    workflow.write(PRIORITIES.replace("PIN", "omp"))
    workflow.succeed(jobs=100)
    labels = {task["id"]: task["label"] for task in workflow.tasks()}
    assert len(labels) == 80
    assert {labels[number] for number in (1, 2, 3)} == {"urgent s=7", "urgent s=77", "urgent s=78"}


def test_nothing_is_submitted_of_a_batch_with_a_job_that_cannot_be_meant(workflow):
    workflow.write(PRIORITIES.replace("PIN", "neither"))
    output = workflow.fail(jobs=100)
    assert "rule a: hq_pin=neither is neither taskset nor omp" in output
    assert workflow.tasks() == []
    assert not list(workflow.directory.glob("*.txt"))


# Before the plugin is used.
FEW_ARE_MANY = """
import snakemake_executor_plugin_hyperqueue.run
snakemake_executor_plugin_hyperqueue.run.MANY_JOBS = 3
"""


@pytest.mark.parametrize(("scheduler", "told"), [("greedy", 1), ("ilp", 1), ("hyperqueue", 0)])
def test_with_many_jobs_the_scheduler_that_is_quick_is_named_once(workflow, scheduler, told):
    workflow.write(
        """
        rule all:
            input: expand("{s}.txt", s=range(3)), expand("{s}.text", s=range(4))
        rule a:
            output: "{s}.txt"
            shell: "touch {output}"
        rule b:
            input: expand("{s}.txt", s=range(3))
            output: "{s}.text"
            shell: "touch {output}"
        """
    )
    out = workflow.succeed("--scheduler", scheduler, main=FEW_ARE_MANY)
    assert out.count("--scheduler hyperqueue chooses as greedy does") == told


def test_inputs_of_a_job_stand_in_its_command_as_long_as_a_program_takes_them(workflow):
    workflow.write(
        """
        from pathlib import Path
        rule all:
            input: "few.txt", "many.txt", "too_many.txt"
        for name, count in (("few", 3), ("many", 900), ("too_many", 4_000)):
            Path(name).mkdir(exist_ok=True)
            files = [f"{name}/{'a it' * 40} {number}" for number in range(count)]
            for file in files:
                Path(file).touch()
            rule:
                name: name
                input: files, [] if name != "too_many" else ["few.txt", "many.txt"]
                output: f"{name}.txt"
                shell: "find .snakemake -name '*waitforfiles*' | wc -l > {output}"
        """
    )
    workflow.succeed()
    specs = {task["label"]: task["spec"] for task in workflow.tasks()}
    texts = {name: "".join(spec["command"]) + (spec.get("stdin") or "") for name, spec in specs.items()}
    assert len(texts["few"]) < 10_000
    assert len(texts["many"]) > 150_000
    # Only where it would be too long there is a file.
    assert [(workflow.directory / f"{name}.txt").read_text() for name in ("few", "many")] == ["0\n", "0\n"]
    assert (workflow.directory / "too_many.txt").read_text() == "1\n"
