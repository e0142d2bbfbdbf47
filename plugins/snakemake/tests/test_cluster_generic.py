"""Snakemake's executor for any command that submits, with `hq submit`, as documented in docs/snakemake.md: without this project's plugin."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from hq_bridge import Client
from real_server import wait_for
from workflow import LIMIT_S, Running, Workflow

ROOT = Path(__file__).resolve().parents[3]
SECTION = (ROOT / "docs/snakemake.md").read_text().split("## Coming from cluster-generic")[1].split("\n## ")[0]
# What is put into a file or typed there, in this order.
STATUS, CANCEL, LINE = re.findall(r"^```sh\n(.*?)^```$", SECTION, re.DOTALL | re.MULTILINE)

SNAKEFILE = """
    rule all:
        input: expand("{sample}.txt", sample=["a", "b"])
    rule parts:
        output: "{sample}.part"
        threads: 2
        shell: "echo {wildcards.sample} $HQ_CPUS > {output}"
    rule whole:
        input: "{sample}.part"
        output: "{sample}.txt"
        shell: "cat {input} > {output}"
    rule fails:
        output: "never.txt"
        shell: "exit 3"
    rule sleeps:
        output: "late.txt"
        resources: runtime=10
        shell: "sleep 600; touch {output}"
"""


@pytest.fixture
def generic(workflow: Workflow, monkeypatch: pytest.MonkeyPatch) -> Workflow:
    """The workflow in a directory with both scripts of the documentation."""
    folder = workflow.directory / "bin"
    folder.mkdir()
    (folder / "hq").symlink_to(os.environ["HQ_BRIDGE_HQ"])
    for name, text in (("hq-status.sh", STATUS), ("hq-cancel.sh", CANCEL)):
        (workflow.directory / name).write_text(text)
        (workflow.directory / name).chmod(0o755)
    monkeypatch.setenv("PATH", os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
    monkeypatch.setenv("HQ_SERVER_DIR", str(workflow.server.directory))
    workflow.write(SNAKEFILE)
    return workflow


def typed(workflow: Workflow, *targets: str, line: str = LINE) -> Running:
    """The documented line with these targets. By default Snakemake asks for the state of jobs every ten seconds."""
    return workflow.start(command=["bash", "-c", f"exec {line.strip()} --seconds-between-status-checks 0 {' '.join(targets)}"])


def jobs_of(server) -> dict[int, dict]:
    with Client(server.directory) as client:
        return {job["id"]: job for job in client.jobs()}


def running_jobs(server, name: str) -> list[int]:
    return [number for number, job in jobs_of(server).items() if job["name"] == name and job["stats"]["running"] == 1]


def test_a_workflow_runs_with_the_documented_line(generic):
    before = jobs_of(generic.server)
    typed(generic).end()
    assert (generic.directory / "a.txt").read_text().startswith("a ")
    # Two CPUs for a rule with two threads.
    assert len((generic.directory / "b.txt").read_text().split()[1].split(",")) == 2
    jobs = [job for number, job in jobs_of(generic.server).items() if number not in before]
    assert sorted(job["name"] for job in jobs) == ["parts"] * 2 + ["whole"] * 2
    assert all(job["stats"]["finished"] == 1 for job in jobs)


def test_without_a_status_command_markers_say_what_has_ended(generic):
    words = re.sub(r"--cluster-generic-(status|cancel)-cmd \S+", "", LINE.replace("\\\n", " "))
    assert "status" not in words
    typed(generic, "c.part", line=words).end()
    assert (generic.directory / "c.part").read_text().startswith("c ")


def test_a_job_that_fails_and_one_that_hyperqueue_ends_fail_the_workflow(generic):
    run = typed(generic, "--keep-going", "never.txt", "late.txt")
    wait_for(lambda: running_jobs(generic.server, "sleeps"), "the job")
    [job] = running_jobs(generic.server, "sleeps")
    subprocess.run(["hq", "job", "cancel", str(job)], check=True, timeout=LIMIT_S)
    output = run.end_badly()
    assert "Error in rule fails" in output
    assert "Error in rule sleeps" in output


def test_an_interrupted_workflow_cancels_its_jobs(generic):
    run = typed(generic, "late.txt")
    wait_for(lambda: running_jobs(generic.server, "sleeps"), "the job")
    run.interrupt()
    wait_for(lambda: not running_jobs(generic.server, "sleeps"), "the end of the job")
