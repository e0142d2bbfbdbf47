"""Several processes in one task: groups of jobs, ranks on several nodes; and which worker is chosen for a job."""

from __future__ import annotations

from hq_bridge import Client


def test_group_is_one_task_and_its_failure_is_explained(workflow):
    workflow.write(
        """
        rule all:
            input: "b/1.txt", "b/2.txt"
        rule a:
            output: "a/{s}.txt"
            group: "g"
            shell: "touch {output}"
        rule b:
            input: "a/{s}.txt"
            output: "b/{s}.txt"
            group: "g"
            shell: "test {wildcards.s} = 1 || {{ echo no luck >&2; exit 5; }}; touch {output}"
        """
    )
    out = workflow.fail("--keep-going")
    tasks = workflow.tasks()
    assert sorted(task["state"] for task in tasks) == ["failed", "finished"]
    assert all("--max-jobs-per-timespan" not in task["spec"]["command"][2] for task in tasks)
    assert "no luck" in out
    assert (workflow.directory / "b/1.txt").exists()


def test_members_of_a_group_run_at_the_same_time(workflow):
    workflow.write(
        """
        rule all:
            input: "a.txt", "b.txt"
        rule meet:
            output: "{s}.txt"
            group: "g"
            params: other=lambda wildcards: "b" if wildcards.s == "a" else "a"
            shell: "touch here-{wildcards.s}; until [ -e here-{params.other} ]; do sleep 0.02; done; touch {output}"
        """
    )
    workflow.succeed("--group-components", "g=2")
    (task,) = workflow.tasks()
    assert task["spec"]["request"][0]["resources"] == {"cpus": 2}


# Starts a rank for each host of the file, as mpirun does; there is no way to these hosts here, so all run on this one.
LAUNCH = 'for host in $(cat "$HQ_NODE_FILE"); do RANK_HOST=$host "$@" & done; wait\n'


def test_ranks_on_two_workers_alternatives_and_marked_workers(lone_workflow, own_server):
    own_server.start()
    own_server.worker("--cpus", "2", "--hostname", "one")
    own_server.worker("--cpus", "2", "--hostname", "two", "--resource", "nvme=sum(1)")
    lone_workflow.write(
        """
        rule all:
            input: "ranks.txt", "marked.txt", "either.txt", "pinned.txt"
        rule ranks:
            output: "ranks.txt"
            resources: mpi="sh launch.sh", tasks=2, nodes=2
            shell: "{resources.mpi} sh -c 'echo $RANK_HOST of {resources.tasks} >> {output}'"
        rule marked:
            output: "marked.txt"
            resources: constraint="nvme", slurm_partition="x"
            shell: "touch {output}"
        rule either:
            output: "either.txt"
            resources: gpu=1, hq_variants="cpus=1 | gpus=0, cpus=2", hq_priority=7, hq_crash_limit="never-restart"
            shell: "echo $HQ_RESOURCE_VARIANT > {output}"
        rule pinned:
            output: "pinned.txt"
            resources: hq_pin="taskset"
            shell: "nproc > {output}"
        """
    )
    (lone_workflow.directory / "launch.sh").write_text(LAUNCH)
    lone_workflow.succeed()
    assert sorted(lone_workflow.text("ranks.txt").splitlines()) == ["one of 2", "two of 2"]
    assert lone_workflow.text("either.txt") == "1\n"
    assert lone_workflow.text("pinned.txt") == "1\n"
    tasks = {task["label"]: task for task in lone_workflow.tasks()}
    assert tasks["ranks"]["spec"]["request"][0]["nodes"] == 2
    with Client(own_server.directory) as client:
        (worker,) = tasks["marked"]["workers"]
        assert client.worker(worker)["configuration"]["hostname"] == "two"
    assert (tasks["either"]["spec"]["priority"], tasks["either"]["spec"]["crashLimit"]) == (7, "never-restart")


def test_two_jobs_share_a_gpu_and_each_gpu_has_two(lone_workflow):
    workflow = lone_workflow
    workflow.server.start()
    workflow.server.worker("--cpus", "8", "--detect-resources", "none", "--resource", "gpus/nvidia=[0,1]")
    workflow.write(
        """
        rule all:
            input: expand("{s}.txt", s=range(4)), "whole.txt"
        rule half:
            output: "{s}.txt"
            wildcard_constraints: s="[0-9]"
            resources: nvidia_gpu="0.5"
            # Until all four run at the same time, which they can do on two GPUs only in pairs.
            shell: "touch {wildcards.s}.runs; until [ -e 0.runs -a -e 1.runs -a -e 2.runs -a -e 3.runs ]; do sleep 0.01; done;"
                " echo $CUDA_VISIBLE_DEVICES $HQ_RESOURCE_REQUEST_gpus_nvidia > {output}"
        rule whole:
            input: expand("{s}.txt", s=range(4))
            output: "whole.txt"
            resources: nvidia_gpu=2
            shell: "echo $CUDA_VISIBLE_DEVICES > {output}"
        """
    )
    workflow.succeed(jobs=100)
    read = [(workflow.directory / f"{number}.txt").read_text().split() for number in range(4)]
    assert sorted(device for device, *_ in read) == ["0", "0", "1", "1"]
    assert {" ".join(asked) for _, *asked in read} == {"0.5 compact"}
    assert (workflow.directory / "whole.txt").read_text() in ("0,1\n", "1,0\n")
