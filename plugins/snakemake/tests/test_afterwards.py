"""What a run leaves to its user: logs by rule and wildcard, failures, the report, a profile for the next one."""

from __future__ import annotations

import csv
import json

import pytest
from hq_bridge import Client
from real_server import wait_for

from workflow import Workflow

# Long enough to be judged; one of three rules fails, one is killed by its limit of memory.
MIXED = """
    rule all:
        input: expand("{s}.txt", s=["A", "B"]), "bad.txt"
    rule good:
        output: "{s}.txt"
        threads: 2
        resources: runtime=60
        shell: "echo making {wildcards.s}; echo made {wildcards.s}; sleep 1; touch {output}"
    rule bad:
        output: "bad.txt"
        shell: "echo the disk is warm; echo the disk is on fire >&2; exit 3"
"""


@pytest.fixture(scope="module")
def mixed(tmp_path_factory, server):
    """A run with a failure, and what Snakemake has said."""
    workflow = Workflow(tmp_path_factory.mktemp("mixed") / "work dir", server)
    workflow.write(MIXED)
    out = workflow.fail("--keep-going", "--hyperqueue-report", "report")
    yield workflow, out
    workflow.stop()


def test_logs_are_chosen_by_rule_and_wildcard(mixed):
    workflow, out = mixed
    job = str(workflow.jobs()[0]["id"])
    assert f"hq logs snakemake {job} --failed --server-dir {workflow.server.directory}" in out
    chosen = workflow.hq("logs", "snakemake", job, "--rule", "good", "--wildcard", "s=A")
    assert chosen.stdout.count("# good s=A (task ") >= 1, chosen.stderr
    assert "made A" in chosen.stdout
    assert "made B" not in chosen.stdout
    last = workflow.hq("logs", "snakemake", job, "--rule", "good", "--wildcard", "s=A", "--lines", "1").stdout.splitlines()
    # On standard error is what the job's own Snakemake says.
    assert (len(last), last[1], last[2]) == (4, "made A", f"{last[0]}, stderr")
    assert "made B" in workflow.hq("logs", "snakemake", workflow.jobs()[0]["labels"]["snakemake-run"][:8]).stdout


def test_failed_jobs_are_explained(mixed):
    workflow, _ = mixed
    failed = workflow.hq("logs", "snakemake", str(workflow.jobs()[0]["id"]), "--failed").stdout
    (head,) = [line for line in failed.splitlines() if line.startswith("# ")]
    assert head.startswith("# bad (task ")
    assert head.endswith(": exit code 1")
    assert "  command: /bin/sh -c" in failed
    assert "  peak memory: " in failed
    assert "  last lines on standard output:\n    the disk is warm\n  last lines:\n    the disk is on fire\n" in failed
    shortest = workflow.hq("logs", "snakemake", str(workflow.jobs()[0]["id"]), "--failed", "--lines", "1").stdout
    assert "\n    the disk is on fire\n" not in shortest
    assert "returned non-zero exit status 3" in shortest


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("last", "--rule", "other"), "job of this run"),
        (("99999",), "'99999' is no run of Snakemake"),
        (("last", "--wildcard", "A"), "NAME=VALUE is expected"),
        (("last", "--failed", "--follow"), "cannot be used with"),
        (("last", "--lines", "3", "--follow"), "cannot be used with"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(mixed, arguments, said):
    workflow, _ = mixed
    result = workflow.hq("logs", "snakemake", *arguments)
    assert result.returncode != 0
    assert said in result.stderr
    assert result.stdout == ""


def test_report_tells_what_was_used_and_what_to_ask_for(mixed):
    workflow, out = mixed
    assert "threads: 1  # asked for 2" in out
    directory = workflow.directory / "report"
    rules = {row["rule"]: row for row in csv.DictReader((directory / "report.csv").open())}
    assert (rules["good"]["jobs"], rules["good"]["cpus_requested"], rules["good"]["advised_threads"]) == ("2", "2", "1")
    assert (rules["good"]["runtime_requested_s"], rules["good"]["advised_runtime_min"]) == ("3600", "1")
    assert (rules["bad"]["failed"], rules["bad"]["advised_mem_mb"]) == ("1", "")
    report = json.loads((directory / "report.json").read_text())
    assert sorted(attempt["outcome"] for attempt in report["attempts"]) == ["failed", "finished", "finished"]
    assert all(attempt["submittedMs"] <= attempt["startedMs"] for attempt in report["attempts"])
    page = (directory / "report.html").read_text()
    assert "good s=A" in page
    assert page.count("<svg") == 2
    assert "src=" not in page
    assert "href=" not in page
    again = workflow.hq("report", "snakemake", str(workflow.jobs()[0]["id"]), "--output-mode", "json")
    assert json.loads(again.stdout)["rules"] == report["rules"]


def test_requests_are_known_of_every_rule_of_a_large_batch(workflow, server):
    """The server tells the requests of the first 1,000 tasks of a submit."""
    first = {"label": "first", "command": ["true"], "request": [{"resources": {"cpus": 1}}]}
    second = {"label": "second", "command": ["true"], "request": [{"resources": {"cpus": 2}}], "timeLimitMs": 60_000}
    tasks = [{"id": number, **(first if number < 1_000 else second)} for number in range(1_002)]
    with Client(server.directory) as client:
        labels = {"snakemake-run": "large-batch"}
        job = client.create_job({"name": "snakemake", "open": True, "labels": labels})["jobId"]
        client.submit(job, {"submitDir": str(workflow.directory), "tasks": {"kind": "graph", "tasks": tasks}})
        client.close_job(job)
        wait_for(lambda: client.job(job)["stats"]["finished"] == len(tasks), "the end of all tasks")
    rules = json.loads(workflow.hq("report", "snakemake", str(job), "--output-mode", "json").stdout)["rules"]
    asked = {rule["rule"]: (rule["jobs"], rule["cpus"], rule["limitMs"]) for rule in rules}
    assert asked == {"first": (1_000, 1, None), "second": (2, 2, 60_000)}


def test_a_report_that_cannot_be_written_is_told_in_one_line(mixed):
    workflow, _ = mixed
    (workflow.directory / "taken" / "report.csv").mkdir(parents=True)
    result = workflow.hq("report", "snakemake", str(workflow.jobs()[0]["id"]), "--out", "taken")
    assert result.returncode == 1
    assert "EISDIR" in result.stderr
    assert "    at " not in result.stderr


def test_output_that_was_not_kept_is_not_called_empty(workflow):
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "echo oh no; exit 3"\n')
    workflow.fail("--hyperqueue-keep-logs", "never")
    failed = workflow.hq("logs", "snakemake", str(workflow.jobs()[0]["id"]), "--failed").stdout
    assert failed.splitlines()[-1] == "  what it has printed was not kept"


def test_logs_are_followed_until_the_run_ends(workflow):
    workflow.write(
        """
        rule last:
            input: "first.txt"
            output: "last.txt"
            shell: "echo hello from last; touch {output}"
        rule first:
            output: "first.txt"
            shell: "echo hello from first; until [ -e go ]; do sleep 0.05; done; touch {output}"
        """
    )
    running = workflow.start()
    wait_for(lambda: [job for job in workflow.jobs() if job["stats"]["running"] == 1], "the first job")
    job = str(workflow.jobs()[0]["id"])
    following = workflow.start(command=workflow.hq_command("logs", "snakemake", job, "--follow"))
    following.says("first> hello from first")
    (workflow.directory / "go").touch()
    running.end()
    assert "last> hello from last" in following.end()


def test_a_profile_is_all_that_is_needed(lone_workflow, own_server):
    workflow = lone_workflow
    workflow.write('rule a:\n    output: "a.txt"\n    shell: "touch {output}"\n')
    made = workflow.hq("snakemake", "profile", "prof", "--alloc", "local", "--time-limit", "10m", "--max-workers", "1")
    assert "snakemake --profile prof" in made.stderr
    assert "exists already" in workflow.hq("snakemake", "profile", "prof").stderr
    assert "--time-limit" in workflow.hq("snakemake", "profile", "other", "--alloc", "local").stderr
    queue = ("--alloc", "local", "--time-limit", "soon")
    assert "'soon' is no time limit" in workflow.hq("snakemake", "profile", "other", *queue).stderr
    assert not (workflow.directory / "other").exists()
    out = workflow.succeed("--profile", "prof")
    assert "allocations come from queue 1 (local)" in out
    assert "started a local worker" not in out
    wait_for(lambda: own_server.embedded() == [], "the end of server and workers")
    assert (workflow.directory / "a.txt").exists()
