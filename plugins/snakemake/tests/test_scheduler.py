"""The scheduler of the main process: it chooses what Snakemake's greedy one does, much sooner."""

from __future__ import annotations

import logging
import random
import sys
from types import SimpleNamespace

import pytest
from snakemake.scheduling import greedy

from snakemake_scheduler_plugin_hyperqueue import Scheduler


class File(str):
    """An input; temporary ones say so in their names."""

    def is_flagged(self, flag):
        assert flag == "temp"
        return self.startswith("temp")


def choose(kind, settings, jobs, room, sizes):
    return kind(None, settings, logging.getLogger()).select_jobs(jobs, jobs, room, sizes)


@pytest.mark.parametrize("seed", range(300))
def test_it_chooses_what_the_greedy_one_does(seed):
    chance = random.Random(seed)
    files = [File(f"{chance.choice(['temp', 'kept'])}{number}") for number in range(6)]
    sizes = {file: chance.choice([None, 0, 1, 1, 7, 10**12]) for file in files}
    room = {"_cores": chance.choice([1, 8, 40, sys.maxsize]), "_nodes": chance.randint(1, 30), "_job_count": sys.maxsize}
    room |= {"mem_mb": chance.choice([0, 10, 50]), "gpu": chance.choice([0, 1, 3])}
    jobs = []
    for number in range(chance.choice([0, 1, 5, 40])):
        wanted = {"_cores": chance.randint(1, 5), "_nodes": 1, "other": 3, "tmpdir": "/tmp"}
        if chance.random() < 0.5:
            wanted |= {"mem_mb": chance.choice([0, 1, 9, 60]), "gpu": chance.choice([0, 1])}
        inputs = chance.sample(files, chance.randint(0, 3))
        jobs.append(SimpleNamespace(number=number, priority=chance.choice([0, 0, 5, -1]), input=inputs, scheduler_resources=wanted))
    expected = choose(greedy.Scheduler, greedy.SchedulerSettings(), jobs, dict(room), sizes)
    found = choose(Scheduler, None, jobs, room, sizes)
    assert sorted(job.number for job in found) == [job.number for job in expected]
    # What is most urgent comes first, and its resources are those of the caller still.
    assert [job.priority for job in found] == sorted((job.priority for job in found), reverse=True)
    assert "other" not in room


def test_a_workflow_runs_with_it_within_the_limits_of_its_resources(workflow):
    workflow.write(
        """
        rule all:
            input: expand("{s}.txt", s=range(30)), "last.txt"
        rule a:
            output: "{s}.txt"
            wildcard_constraints: s="[0-9]+"
            resources: licences=1
            shell: "mkdir lock; rmdir lock; touch {output}"
        rule grouped:
            output: temp("{s}.part")
            group: "g"
            shell: "touch {output}"
        rule last:
            input: expand("{s}.part", s="abc")
            output: "last.txt"
            group: "g"
            shell: "cat {input} > {output}"
        """
    )
    workflow.succeed("--scheduler", "hyperqueue", "--resources", "licences=1", jobs=100)
    assert len(workflow.tasks()) == 31
