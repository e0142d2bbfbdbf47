"""Warm runners: how jobs are started, and what happens when something is not as usual. What they make: test_warm_workflows.py."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import snakemake.cli
from hq_bridge import Batch, EventStream
from hq_bridge.warm.snakemake_arguments import parse_directly
from real_server import wait_for

from workflow import Workflow

# Says who has parsed the workflow, and what the process is that runs the job.
HOW = "echo {PARSED_BY} $PPID $(tr '\\\\0' ' ' < /proc/$PPID/cmdline) > {output[0]}"

TELLING = """
    import os
    PARSED_BY = os.getpid()

    rule all:
        input: expand("{s}.txt", s=range(3))

    rule a:
        output: "{s}.txt"
        shell: "HOW"
""".replace("HOW", HOW)


def said(workflow: Workflow) -> str:
    """What the workers have printed."""
    server = workflow.server
    return "".join(server.log(process) for process in server.processes[1:])


def notices(workflow: Workflow) -> list:
    """What workers have told the event log of the server."""
    messages: list = []
    with EventStream(workflow.server.directory, messages.append, after=0, types=("worker-notice",)):
        return wait_for(lambda: [event for one in messages if isinstance(one, Batch) for event in one.events], "notices")


def how(workflow: Workflow, name: str) -> str:
    """`plain`, `imports` or `snakefile`: how the job was started that has made this file."""
    parser, process, command = workflow.text(name).split(" ", 2)
    if "hq_bridge.warm" not in command:
        return "plain"
    return "imports" if parser == process else "snakefile"


def run_telling(workflow: Workflow, before: str, *options: str) -> set[str]:
    """How jobs are started of a workflow that begins with these lines."""
    workflow.write(TELLING)
    snakefile = workflow.directory / "Snakefile"
    snakefile.write_text(before + snakefile.read_text())
    workflow.succeed(*options)
    return {how(workflow, f"{s}.txt") for s in range(3)}


@pytest.mark.parametrize(("level", "expected"), [("off", "plain"), ("imports", "imports"), ("auto", "snakefile")])
def test_jobs_are_started_as_the_setting_says(workflow, level, expected):
    assert run_telling(workflow, "", "--hyperqueue-warm-runner", level) == {expected}


@pytest.mark.parametrize("profile", [None, "none"])
def test_arguments_mean_the_same_to_a_warm_job(monkeypatch, profile):
    monkeypatch.delenv("SNAKEMAKE_PROFILE", raising=False)
    if profile is not None:
        monkeypatch.setenv("SNAKEMAKE_PROFILE", profile)
    argv = "a.txt b.txt --snakefile S --target-jobs r:s=1 --cores all --mode remote --force --retries 2 --config n=1 list=[1,2]"
    argv = [*argv.split(), "--set-resources=r:mem_mb=5", "--default-resources", "tmpdir=system_tmpdir", "--nolock"]
    plain, warm = snakemake.cli.get_argument_parser(), snakemake.cli.get_argument_parser()
    parse_directly(warm)
    expected, found = vars(plain.parse_args(argv)), vars(warm.parse_args(argv))
    # Objects of classes without a comparison of their own.
    assert {name: re.sub(" at 0x.*", "", repr(value)) for name, value in found.items()} == {
        name: re.sub(" at 0x.*", "", repr(value)) for name, value in expected.items()
    }
    assert expected["profile"] == (None if profile is None else [profile])


LOADED = """
import json, sys
if sys.argv[1] == "warm":
    from hq_bridge.warm.snakemake_arguments import load_snakemake
    load_snakemake()
import snakemake.cli
args = vars(snakemake.cli.get_argument_parser().parse_args(sys.argv[2:]))
from snakemake_interface_executor_plugins.registry import ExecutorPluginRegistry
from snakemake_interface_storage_plugins.registry import StoragePluginRegistry
plugins = [sorted(kind().plugins) for kind in (ExecutorPluginRegistry, StoragePluginRegistry)]
told = lambda value: sorted(map(repr, value)) if isinstance(value, frozenset) else repr(value)
print(json.dumps([{name: told(value) for name, value in args.items()}, plugins, sorted(sys.modules)]))
"""


def test_plugins_of_the_main_process_are_not_in_a_runner():
    argv = "a.txt --snakefile S --target-jobs r:s=1 --cores all --mode remote --force --local-storage-prefix here"
    plain, warm = (
        json.loads(subprocess.run([sys.executable, "-c", LOADED, how, *argv.split()], capture_output=True, check=True).stdout)
        for how in ("plain", "warm")
    )
    assert "slurm" in plain[1][0]
    assert warm[1] == [["dryrun", "local", "touch"], plain[1][1]]
    assert "fs" in warm[1][1]
    assert {"pandas", "docutils"} <= set(plain[2])
    assert {"pandas", "docutils", "numpy"}.isdisjoint(warm[2])
    # What a command line says beside the options of such plugins.
    left_out = plain[0].keys() - warm[0].keys()
    assert {name.partition("_")[0] for name in left_out} == {"cluster", "hyperqueue", "report", "slurm"}
    mine = {name: re.sub(" at 0x.*", "", str(value)) for name, value in warm[0].items()}
    assert mine == {name: re.sub(" at 0x.*", "", str(plain[0][name])) for name in mine}


def test_a_changed_file_is_read_again(workflow):
    workflow.write(
        f"""
        import os
        PARSED_BY = os.getpid()
        configfile: "config.yaml"
        rule all:
            input: "last.txt"
        rule first:
            output: "first.txt"
            shell: "{HOW}; echo 'text: second' > config.yaml"
        rule second:
            input: "first.txt"
            output: "second.txt", "second.text"
            params: text=config["text"]
            shell: "{HOW}; echo {{params.text}} > {{output[1]}}"
        rule last:
            input: "second.txt"
            output: "last.txt", "last.text"
            params: text=config["text"]
            shell: "{HOW}; echo {{params.text}} > {{output[1]}}"
        """
    )
    (workflow.directory / "config.yaml").write_text("text: first\n")
    workflow.succeed()
    assert [how(workflow, f"{rule}.txt") for rule in ("first", "second", "last")] == ["snakefile", "plain", "snakefile"]
    # The main process has parsed the workflow before.
    assert [workflow.text(f"{rule}.text") for rule in ("second", "last")] == ["second\n", "second\n"]
    assert f"{workflow.directory}/config.yaml has changed" in said(workflow)


def test_threads_of_a_workflow_keep_jobs_from_being_forked_from_it(workflow):
    threads = "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    assert run_telling(workflow, threads) == {"imports"}
    assert "parsing the workflow has started 1 threads; the workflow is parsed by each job" in said(workflow)


def test_threads_and_loops_that_have_ended_do_no_harm(workflow):
    before = "import asyncio, threading\nt = threading.Thread(target=print); t.start(); t.join()\nasyncio.run(asyncio.sleep(0))\n"
    assert run_telling(workflow, before) == {"snakefile"}


def test_what_acts_at_the_start_of_python_is_that_of_the_workflow(workflow):
    workflow.write(
        """
        import sys, time
        rule all:
            input: "a.txt"
        rule a:
            output: "a.txt"
            run:
                zone, utf8, seed = time.strftime("%Z"), sys.flags.utf8_mode, sys.flags.hash_randomization
                open(output[0], "w").write(f"{zone} {utf8} {seed}")
        """
    )
    seen = []
    for env in ({"TZ": "EST5", "PYTHONUTF8": "1"}, {"TZ": "JST-9", "PYTHONHASHSEED": "0"}):
        workflow.succeed("--forceall", **env)
        seen.append(workflow.text("a.txt"))
    assert seen == ["EST 1 1", "JST 0 0"]


def test_what_a_workflow_sets_while_it_is_parsed_is_there_in_its_jobs(workflow):
    (workflow.directory / "inner").mkdir()
    workflow.write(
        """
        import os
        os.environ["ADDED"] = "added"
        os.environ["PATH"] = "/first:" + os.environ["PATH"]
        os.environ.pop("HOME")
        os.umask(0o077)
        workdir: "inner"
        rule a:
            output: "a.txt"
            shell: "echo $ADDED ${{PATH%%:*}} ${{HOME-none}} $(umask) ${{PWD##*/}} > {output}"
        """
    )
    workflow.succeed("a.txt")
    assert workflow.text("inner/a.txt") == "added /first none 0077 inner\n"


def test_jobs_get_nothing_to_read_and_random_numbers_of_their_own(workflow):
    body = """
        import random
        rule all:
            input: expand("{s}.txt", s=range(3))
        rule a:
            output: "{s}.txt"
            run:
                open(output[0], "w").write(str(random.random()))
                shell("cat >> {output}")
    """
    workflow.write(body)
    workflow.succeed()
    assert len({workflow.text(f"{s}.txt") for s in range(3)}) == 3
    workflow.write(body.replace("import random", "import random; random.seed(7)"))
    workflow.succeed("--forceall")
    assert len({workflow.text(f"{s}.txt") for s in range(3)}) == 1


def test_a_precommand_makes_a_plain_start(workflow):
    assert run_telling(workflow, "", "--precommand", "true") == {"plain"}
    reason = "a job is started by its command, which does more than to start Snakemake"
    assert reason in said(workflow)
    # For whoever cannot read the log of a worker on some node.
    assert any(reason in event["message"] for event in notices(workflow))


def test_a_failed_group_of_pipes_leaves_no_shell_behind(workflow):
    workflow.write(
        """
        rule all:
            input: "out.txt"
        rule produce:
            output: pipe("piped")
            shell: "sleep 0.3; exit 1; echo {output}"
        rule consume:
            input: "piped"
            output: "out.txt"
            shell: "cat {input} > {output}"
        """
    )
    out = workflow.fail("--show-failed-logs")
    assert "failed: exit code 1" in out
    assert processes_in(workflow.directory) == []


def test_an_interrupt_ends_jobs_with_all_that_they_have_started(workflow):
    workflow.write(
        """
        rule a:
            output: "a.txt"
            shell: "sleep 1000 & touch started; sleep 1000; touch {output}"
        """
    )
    running = workflow.start("a.txt", jobs=1)
    workflow.wait_for("started")
    # The main process, the shell of the job, and its two children.
    wait_for(lambda: len(processes_in(workflow.directory)) == 4, "all processes of the job")
    running.interrupt()
    wait_for(lambda: processes_in(workflow.directory) == [], "the end of the job")


def test_nothing_is_left_when_the_worker_is_killed(lone_workflow):
    server = lone_workflow.server
    server.start()
    worker = server.worker("--cpus", "2")
    lone_workflow.write(
        """
        rule a:
            output: "a.txt"
            shell: "touch started; sleep 1000; touch {output}"
        """
    )
    running = lone_workflow.start("a.txt", jobs=1)
    lone_workflow.wait_for("started")
    # The runner, its fork that has parsed the workflow, and the job.
    assert len(runners_of(lone_workflow.directory)) == 3
    worker.kill()
    worker.wait()
    wait_for(lambda: runners_of(lone_workflow.directory) == [], "the end of the warm runner")
    wait_for(lambda: processes_in(lone_workflow.directory) == [running.process.pid], "the end of the job")
    running.interrupt()


def processes_in(directory: Path) -> list[int]:
    """Those whose working directory this is, but for warm runners: a runner may stay for the next run."""
    runners = runners_of(directory)
    return [pid for pid in pids() if pid not in runners and target(f"/proc/{pid}/cwd") == str(directory)]


def runners_of(directory: Path) -> list[int]:
    """Processes of warm runners, with their forks."""
    return [
        pid
        for pid in pids()
        if b"hq_bridge.warm" in content(f"/proc/{pid}/cmdline") and target(f"/proc/{pid}/cwd") == str(directory)
    ]


def pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def target(link: str) -> str:
    try:
        return os.readlink(link)
    except OSError:
        return ""


def content(file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError:
        return b""


def test_what_a_job_leaves_running_writes_into_no_other_output(workflow):
    workflow.write(
        """
        rule all:
            input: "second.txt"
        rule first:
            output: "first.txt"
            shell: "setsid sh -c 'until [ -e go ]; do sleep 0.01; done; echo intruder >&2; touch wrote' & touch {output}"
        rule second:
            input: "first.txt"
            output: "second.txt"
            shell: "echo mine >&2; touch go {output}; until [ -e wrote ]; do sleep 0.01; done"
        """
    )
    workflow.succeed("--hyperqueue-keep-logs", "always")
    text = workflow.hq("logs", "snakemake", "last", "--rule", "second").stdout
    assert "mine" in text
    assert "intruder" not in text


def test_each_warm_job_logs_what_is_its_own_once(workflow):
    workflow.write(
        """
        import os
        from snakemake.logging import logger
        logger.info(f"parsed by {os.getpid()}")
        rule all:
            input: expand("{s}.txt", s=range(6))
        rule a:
            output: "{s}.txt"
            log: "{s}.log"
            run:
                import logging
                logger.info(f"I am {wildcards.s}")
                logging.getLogger("mine").warning(f"warned {wildcards.s}")
                open(log[0], "w").write(wildcards.s)
                open(output[0], "w").write(str(os.getppid()))
        """
    )
    workflow.succeed("--hyperqueue-keep-logs", "always", "--verbose")
    # All are forks of one process, but for those that came before it was ready.
    assert len({(workflow.directory / f"{s}.txt").read_text() for s in range(6)}) == 1
    for s in range(6):
        text = workflow.hq("logs", "snakemake", "last", "--rule", "a", "--wildcard", f"s={s}").stdout
        assert (text.count(f"I am {s}\n"), text.count(f"warned {s}\n")) == (1, 1), text
        assert text.count("rule a:") == 1, text
        assert len(re.findall(r"I am \d|warned \d", text)) == 2, text
        assert (workflow.directory / f"{s}.log").read_text() == str(s)
