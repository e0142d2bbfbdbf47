"""Warm runners: the same results as without them, and what they do when something is not as usual."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from real_server import wait_for

from workflow import LIMIT_S, Workflow

LEVELS = ["off", "imports", "auto"]

# Every way in which a job can be run and what is done around it. Nothing in the outputs may depend on who runs it.
FEATURES = """
    import os
    configfile: "config.yaml"
    include: "more/extra.smk"

    def made(wildcards):
        with checkpoints.split.get().output[0].open() as names:
            return [f"parts/{name.strip()}.txt" for name in names]

    rule all:
        input:
            "shell.txt", "run.txt", "script.txt", "shadow.txt", "retried.txt", "kept.txt", "collected.txt", "piped.txt",
            "grouped.txt", "extra.txt", "protected.txt", "dir/tree", "touched.done", "x/a b.txt", "it's.txt",
            "scripted in sh.txt", "set.txt"

    rule sh:
        output: "shell.txt"
        log: "logs/shell.log"
        benchmark: "logs/shell.tsv"
        threads: 2
        params: text=lambda wildcards: config["text"]
        shell: "echo {params.text:q} {threads} $(pwd) > {output}; echo logged > {log}; ls {log} >&2"

    rule odd:
        output: "{name}.txt"
        wildcard_constraints: name="x/a b|it's"
        shell: "echo {wildcards.name:q} > {output:q}"

    rule run:
        input: "shell.txt"
        output: "run.txt"
        run:
            with open(output[0], "w") as out:
                print(rule, threads, sorted(config.items()), len(input), os.path.basename(os.getcwd()), file=out)
            shell("echo from a shell >> {output}")

    rule script:
        output: "script.txt"
        params: n=3
        script: "more/script.py"

    rule bash_script:
        output: "scripted in sh.txt"
        script: "more/script.sh"

    rule shadow:
        input: "script.txt"
        output: "shadow.txt"
        shadow: "minimal"
        shell: "echo left > litter.txt; cat {input} > {output}"

    rule retried:
        output: "retried.txt"
        retries: 2
        resources: tries=lambda wildcards, attempt: attempt
        shell: "test {resources.tries} -ge 2; echo {resources.tries} > {output}"

    rule temporary:
        output: temp("temporary.txt")
        shell: "echo temporary > {output}"

    rule kept:
        input: "temporary.txt"
        output: "kept.txt"
        shell: "cat {input} > {output}"

    checkpoint split:
        output: "names.txt"
        shell: "printf 'a\\nb\\nc\\n' > {output}"

    rule part:
        output: "parts/{name}.txt"
        wildcard_constraints: name="[a-c]"
        shell: "echo {wildcards.name} > {output}"

    rule collect:
        input: made
        output: "collected.txt"
        shell: "cat {input} > {output}"

    rule produce:
        output: pipe("piped")
        shell: "seq 1000 > {output}"

    rule consume:
        input: "piped"
        output: "piped.txt"
        shell: "wc -l < {input} > {output}"

    rule member:
        output: "members/{n}.txt"
        group: "g"
        shell: "echo {wildcards.n} > {output}"

    rule gather:
        input: expand("members/{n}.txt", n=range(3))
        output: "grouped.txt"
        group: "g"
        shell: "cat {input} > {output}"

    rule protect:
        output: protected("protected.txt")
        shell: "echo protected > {output}"

    rule tree:
        output: directory("dir/tree")
        shell: "mkdir -p {output}; echo leaf > {output}/leaf"

    rule touched:
        output: touch("touched.done")
        shell: "true"

    rule resources:
        output: "set.txt"
        resources: mem_mb=50
        shell: "echo {resources.mem_mb} > {output}"
"""

FILES = {
    "config.yaml": "text: from a file\n",
    "more/extra.smk": 'rule extra:\n    output: "extra.txt"\n    shell: "echo {rule} > {output}"\n',
    "more/script.py": 'print(snakemake.params.n, snakemake.rule, file=open(snakemake.output[0], "w"))\n',
    "more/script.sh": 'echo "${snakemake[rule]}" > "${snakemake_output[0]}"\n',
}


def write_features(workflow: Workflow) -> None:
    workflow.write(FEATURES)
    for name, text in FILES.items():
        path = workflow.directory / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


def results(directory: Path) -> dict[str, str]:
    """All that a workflow has made, by name. Times differ."""
    found = {}
    for path in sorted(directory.rglob("*")):
        name = str(path.relative_to(directory))
        if path.is_file() and not name.startswith((".snakemake", "snakemake-")):
            text = path.read_text().replace(str(directory), "DIRECTORY").replace(directory.name, "NAME")
            found[name] = re.sub(r"[\d.:-]+", "0", text) if name.endswith(".tsv") else text
    return found


@pytest.fixture(scope="module")
def local_results(tmp_path_factory):
    """What `--executor local` makes."""
    made = Workflow(tmp_path_factory.mktemp("local") / "work dir", None)
    write_features(made)
    command = [sys.executable, "-m", "snakemake", "--cores", "4", "--set-resources", "resources:mem_mb=70"]
    done = subprocess.run(command, cwd=made.directory, capture_output=True, text=True, timeout=LIMIT_S, check=False)
    assert done.returncode == 0, done.stderr
    return results(made.directory)


@pytest.mark.parametrize("level", LEVELS)
def test_a_workflow_makes_the_same_as_with_the_local_executor(workflow, local_results, level):
    write_features(workflow)
    workflow.succeed("--hyperqueue-warm-runner", level, "--set-resources", "resources:mem_mb=70")
    assert results(workflow.directory) == local_results
    warm = [task["spec"].get("warm", {}).get("level") for task in workflow.tasks()]
    assert set(warm) == {{"off": None, "imports": "imports", "auto": "snakefile"}[level]}


# Says who has parsed the workflow, and what the process is that runs the job.
TELLING = """
    import os
    PARSED_BY = os.getpid()

    rule all:
        input: expand("{s}.txt", s=range(int(config.get("jobs", 3))))

    rule a:
        output: "{s}.txt"
        shell: "echo {PARSED_BY} $PPID $(tr '\\\\0' ' ' < /proc/$PPID/cmdline) > {output}"
"""


def said(workflow: Workflow) -> str:
    """What the workers have printed."""
    server = workflow.server
    return "".join(server.log(process) for process in server.processes[1:])


def how(workflow: Workflow, name: str) -> str:
    """`plain`, `imports` or `snakefile`: how the job was started that has made this file."""
    parser, process, command = workflow.text(name).split(" ", 2)
    if "hq_bridge.warm" not in command:
        return "plain"
    return "imports" if parser == process else "snakefile"


@pytest.mark.parametrize(("level", "expected"), [("off", "plain"), ("imports", "imports"), ("auto", "snakefile")])
def test_jobs_are_started_as_the_setting_says(workflow, level, expected):
    assert run_telling(workflow, "", "--hyperqueue-warm-runner", level) == {expected}


HOW = "echo {PARSED_BY} $PPID $(tr '\\\\0' ' ' < /proc/$PPID/cmdline) > {output[0]}"


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


def run_telling(workflow: Workflow, before: str, *options: str) -> set[str]:
    """How jobs are started of a workflow that begins with these lines."""
    workflow.write(TELLING)
    snakefile = workflow.directory / "Snakefile"
    snakefile.write_text(before + snakefile.read_text())
    workflow.succeed(*options)
    return {how(workflow, f"{s}.txt") for s in range(3)}


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
    assert "a job is started by its command, which does more than to start Snakemake" in said(workflow)


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
