"""The allocation queue of a run: what settings become, and its life on a real server with the batch system `local`."""

from __future__ import annotations

import pytest
from hq_bridge import Client
from real_server import wait_for
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_hyperqueue import ExecutorSettings
from snakemake_executor_plugin_hyperqueue.allocation import queue_params

LOCAL = ("--hyperqueue-alloc", "local", "--hyperqueue-time-limit", "10m", "--hyperqueue-cpus", "2")
GATED = """
    rule a:
        output: "a.txt"
        shell: "touch started; until [ -e go ]; do sleep 0.05; done; touch {output}"
"""


def test_settings_become_a_queue():
    assert queue_params(ExecutorSettings()) is None
    assert queue_params(
        ExecutorSettings(slurm="--partition general --account 'a b'", time_limit="4h", max_workers=3)
    ) == {
        **{"system": "slurm", "additionalArgs": ["--partition", "general", "--account", "a b"]},
        **{"timeLimitMs": 14_400_000, "maxWorkerCount": 3, "backlog": 3},
    }
    settings = ExecutorSettings(alloc="pbs -q batch", time_limit="01:30:00", workers_per_alloc=2, cpus=8)
    assert queue_params(settings) == {
        **{"system": "pbs", "additionalArgs": ["-q", "batch"], "timeLimitMs": 5_400_000, "backlog": 10},
        **{"maxWorkersPerAlloc": 2, "worker": {"cpus": "8"}},
    }


@pytest.mark.parametrize(
    ("text", "ms"),
    [("90", 90_000), ("2:30", 150_000), ("1h 30min", 5_400_000), ("1.5h", 5_400_000), ("2 hours", 7_200_000)],
)
def test_durations(text, ms):
    assert queue_params(ExecutorSettings(alloc="local", time_limit=text))["timeLimitMs"] == ms


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"slurm": ""}, "--hyperqueue-time-limit is missing"),
        ({"slurm": "", "alloc": "local"}, "--hyperqueue-slurm cannot both be given"),
        ({"slurm": "'x", "time_limit": "1h"}, "is not words of a shell"),
        ({"alloc": "--partition x", "time_limit": "1h"}, "begins with the name of a batch system"),
        ({"alloc": "local", "time_limit": "soon"}, "'soon' is no duration"),
        ({"alloc": "local", "time_limit": "3 fortnights"}, "'3 fortnights' is no duration"),
        ({"alloc": "local", "time_limit": "0s"}, "no time at all"),
        ({"alloc": "local", "time_limit": "off"}, "--hyperqueue-runtime-limit"),
        ({"alloc": "local", "time_limit": "1h", "max_workers": 0}, "--hyperqueue-max-workers must be at least 1"),
        ({"max_workers": 3}, "--hyperqueue-max-workers is of use only with"),
    ],
)
def test_what_cannot_be_meant_is_refused_in_one_line(given, said):
    with pytest.raises(WorkflowError) as caught:
        queue_params(ExecutorSettings(**given))
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_interrupt_takes_everything_away(lone_workflow, own_server):
    lone_workflow.write(GATED)
    running = lone_workflow.start(*LOCAL)
    lone_workflow.wait_for("started")
    running.interrupt()
    wait_for(lambda: own_server.embedded() == [], "the end of server and workers")


def test_on_a_server_of_somebody_only_what_the_run_added_goes(lone_workflow, own_server):
    own_server.start()
    lone_workflow.write(GATED)
    with Client(own_server.directory) as client:
        client.create_queue(
            {"params": {"system": "local", "timeLimitMs": 60_000, "name": "mine", "worker": {"cpus": "1"}}}
        )
        first = lone_workflow.start(*LOCAL)
        lone_workflow.wait_for("started")
        assert [queue["params"]["name"] for queue in client.queues()] == ["mine", "snakemake-1"]
        # The queue of a run that is killed goes with the next one, which needs none; its job is followed to the end.
        first.kill()
        lone_workflow.succeed("--unlock")
        second = lone_workflow.start()
        second.says("still running since an earlier run")
        (lone_workflow.directory / "go").touch()
        second.end()
        wait_for(lambda: [queue["params"]["name"] for queue in client.queues()] == ["mine"], "the end of the queue")


def test_a_queue_that_is_refused_ends_the_workflow_with_the_reason(lone_workflow, own_server):
    lone_workflow.write(GATED)
    out = lone_workflow.fail("--hyperqueue-alloc", "plugin:/nowhere.mjs", "--hyperqueue-time-limit", "1h")
    assert "/nowhere.mjs" in out
    wait_for(lambda: own_server.embedded() == [], "the end of the server")


def test_a_queue_that_has_given_up_is_told(lone_workflow, own_server):
    own_server.start()
    lone_workflow.write(GATED)
    look_often = "import snakemake_executor_plugin_hyperqueue.status as s; s.LOOK_AFTER_S = 0.1"
    running = lone_workflow.start(*LOCAL, "--hyperqueue-max-workers", "1", main=look_often)
    lone_workflow.wait_for("started")
    with Client(own_server.directory) as client:
        client._call("POST", "/v1/queues/1/pause")
    running.says("no more allocations are submitted: somebody asked for it")
    running.says("hq alloc resume 1")
    (lone_workflow.directory / "go").touch()
    running.end()
