"""Jobs -> tasks without a server: resources, commands, labels, environment, sizes of requests."""

from __future__ import annotations

import subprocess
import sys

import pytest
from snakemake_interface_common.exceptions import WorkflowError

from snakemake_executor_plugin_hyperqueue.resources import ResourceMapper, Site, priority_of
from snakemake_executor_plugin_hyperqueue.site import site_of
from snakemake_executor_plugin_hyperqueue.submit import (
    REQUEST_LIMIT_TASKS,
    command_fields,
    label_of,
    growing,
    portions,
    shared_fields,
    warm_fields,
)

BARE = Site(frozenset({"cpus"}))


class Mapper(ResourceMapper):
    def __init__(self, site=BARE, *, time_limit=True, time_request=False):
        self.said = {}
        super().__init__(time_limit=time_limit, time_request=time_request, warn=self.said.setdefault)
        self.site = site

    def amounts(self, threads=1, **resources):
        (spec,) = self.specs(threads, **resources)
        return spec["resources"]

    def specs(self, threads=1, **resources):
        return self.request("r", threads, resources).specs


def test_threads_become_cpus():
    mapper = Mapper()
    assert mapper.amounts(3) == {"cpus": 3}
    assert mapper.amounts(3, cpus_per_task=5) == {"cpus": 5}
    assert mapper.amounts(0) == {}
    assert mapper.amounts(2, cpus_per_task=-1) == {}
    assert mapper.said == {}


def test_jobs_that_ask_for_the_same_share_a_request_which_follows_the_workers():
    mapper = Mapper()
    first = mapper.request("r", 2, {"gpu": 1, "mem_mb": 500})
    assert mapper.request("r", 2, {"gpu": 1, "mem_mb": 500}) is first
    assert mapper.request("r", 2, {"gpu": True, "mem_mb": 500}).specs == [{"resources": {"cpus": 2}}]
    mapper.site = Site(frozenset({"cpus", "mem", "gpus"}))
    assert mapper.request("r", 2, {"gpu": 1, "mem_mb": 500}).specs == [{"resources": {"cpus": 2, "gpus": 1, "mem": 500}}]
    mapper.site = Site(frozenset({"cpus"}))
    assert mapper.request("r", 2, {"gpu": 1, "mem_mb": 500}) is first


def test_memory_is_asked_for_only_where_it_is_provided():
    mapper = Mapper()
    assert mapper.amounts(mem_mb=500, mem_mib=477) == {"cpus": 1}
    assert list(mapper.said) == ["missing mem"]
    mapper = Mapper(Site(frozenset({"cpus", "mem"})))
    assert mapper.amounts(mem_mb=500, mem_mib=477, mem="500 MB") == {"cpus": 1, "mem": 500}
    assert mapper.amounts(2, mem_mb_per_cpu=300, mem_mb=500) == {"cpus": 2, "mem": 600}
    assert mapper.amounts(mem_mib=477) == {"cpus": 1, "mem": 477}
    assert mapper.amounts(mem_mb=50) == {"cpus": 1, "mem": 200}, "less than the Snakemake of a job needs"
    assert mapper.said == {}


def test_before_the_first_worker_memory_is_expected():
    assert Mapper(Site(None)).amounts(mem_mb=500, disk_mb=7, fpga=1) == {"cpus": 1, "mem": 500}


def test_disk_and_own_resources_where_provided():
    mapper = Mapper(Site(frozenset({"cpus", "disk", "fpga", "licenses"})))
    amounts = mapper.amounts(disk_mb=1000, fpga=2, licenses="all", downloads=1, tmpdir="/tmp", _cores=4)
    assert amounts == {"cpus": 1, "disk": 1000, "fpga": 2, "licenses": "all"}
    assert Mapper().amounts(disk_mb=1000, fpga=0) == {"cpus": 1}
    assert mapper.said == {}


@pytest.mark.parametrize(
    ("resources", "provided", "expected"),
    [
        ({"gpu": 1}, set(), {"gpus": 1}),
        ({"gpus": "0.5"}, set(), {"gpus": 0.5}),
        ({"gpu": 2, "gpu_manufacturer": "NVIDIA"}, set(), {"gpus/nvidia": 2}),
        ({"amd_gpu": 1}, set(), {"gpus/amd": 1}),
        ({"gres": "gpu:a100:2"}, {"gpus/a100"}, {"gpus/a100": 2}),
        ({"gres": "gpu:a100:2"}, set(), {"gpus": 2}),
        ({"gres": "gpu"}, set(), {"gpus": 1}),
        ({"gpu": 0}, set(), {}),
    ],
)
def test_gpus(resources, provided, expected):
    mapper = Mapper(Site(frozenset({"cpus", *provided})))
    assert mapper.amounts(**resources) == {"cpus": 1, **expected}


def test_unknown_gres_is_told():
    mapper = Mapper()
    assert mapper.amounts(gres="tape:3") == {"cpus": 1}
    assert "gres=tape:3" in mapper.said["gres"]


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({"nodes": 3, "mem_mb": 5}, {"nodes": 3}),
        ({"nodes": 1}, {"resources": {"cpus": 4}}),
        ({"mpi": "mpirun", "tasks": 3}, {"resources": {"cpus": 12}}),
        ({"mpi": "mpirun", "ntasks": 2, "cpus_per_task": 1}, {"resources": {"cpus": 2}}),
        ({"mpi": "mpirun", "tasks": 6, "nodes": 2}, {"nodes": 2}),
        ({"mpi": "mpirun", "tasks": 6, "tasks_per_node": 2}, {"nodes": 3}),
        ({"tasks": 2, "tasks_per_node": 2}, {"resources": {"cpus": 8}}),
        ({"gpu": 2, "cpus_per_gpu": 3}, {"resources": {"cpus": 6, "gpus": 2}}),
        ({"gpu": 2, "tasks_per_gpu": 2, "cpus_per_task": 1}, {"resources": {"cpus": 4, "gpus": 2}}),
        ({"cpus_per_gpu": 3}, {"resources": {"cpus": 4}}),
    ],
)
def test_nodes_ranks_and_cpus_as_for_slurm(resources, expected):
    mapper = Mapper()
    assert mapper.specs(4, **resources) == [expected]
    assert mapper.said == {}


def test_a_constraint_chooses_workers_that_are_marked():
    mapper = Mapper(Site(frozenset({"cpus", "avx512", "nvme"})))
    assert mapper.amounts(constraint="avx512&nvme") == {"cpus": 1, "avx512": 0.0001, "nvme": 0.0001}
    assert mapper.said == {}
    assert mapper.amounts(constraint="avx512&haswell") == {"cpus": 1, "avx512": 0.0001}
    assert "--resource 'haswell=sum(1)'" in mapper.said["constraint"]


def test_what_only_hyperqueue_has():
    mapper = Mapper()
    assert mapper.amounts(4, hq_resources="fpga=1, cpus=8 compact!") == {"cpus": "8 compact!", "fpga": 1}
    assert mapper.specs(4, gpu=1, hq_variants="cpus=2 | cpus=32, gpus=0 | gpus=0.5") == [
        {"resources": {"cpus": 2, "gpus": 1}},
        {"resources": {"cpus": 32}},
        {"resources": {"cpus": 4, "gpus": 0.5}},
    ]
    request = mapper.request("r", 1, {"hq_priority": -5, "hq_crash_limit": "unlimited", "hq_pin": "omp"})
    assert request.options == {"priority": -5, "crashLimit": "unlimited", "pin": "omp"}
    assert mapper.request("r", 1, {"hq_crash_limit": "3"}).options == {"crashLimit": 3}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("hq_resources", "fpga"), ("hq_variants", "cpus=1 | =3"), ("hq_priority", "high"), ("hq_crash_limit", 0)),
        *(("hq_priority", 3.7), ("hq_crash_limit", "often"), ("hq_pin", "hard")),
    ],
)
def test_what_cannot_be_meant_is_refused(name, value):
    with pytest.raises(WorkflowError, match=f"^rule r: {name}"):
        Mapper().request("r", 1, {name: value})


def test_words_for_batch_jobs_are_ignored_with_one_warning():
    mapper = Mapper()
    assert mapper.amounts(slurm_partition="x", slurm_account="y", qos="z") == {"cpus": 1}
    assert list(mapper.said) == ["batch"]
    assert "(qos, slurm_account, slurm_partition)" in mapper.said["batch"]


def test_runtime_is_a_limit_and_on_demand_a_request():
    assert Mapper().request("r", 1, {"runtime": 2}).time_limit_ms == 120_000
    assert Mapper(time_limit=False).request("r", 1, {"runtime": 2}).time_limit_ms is None
    assert Mapper().specs(1, runtime=2) == [{"resources": {"cpus": 1}}]
    mapper = Mapper(Site(frozenset({"cpus"}), longest_life_ms=60_000), time_request=True)
    assert mapper.specs(1, runtime=2) == [{"resources": {"cpus": 1}, "timeRequestMs": 120_000}]
    assert mapper.said == {"time r": "rule r has runtime=2, but no worker lives for more than 1 min: it cannot start"}
    assert Mapper(BARE, time_request=True).specs(1) == [{"resources": {"cpus": 1}}]


def test_more_threads_than_the_local_worker_has_are_cut():
    mapper = Mapper(Site(frozenset({"cpus"}), largest_cpus=2))
    assert mapper.amounts(8) == {"cpus": 2}
    assert mapper.amounts(2) == {"cpus": 2}
    assert list(mapper.said) == ["cpus r"]


def test_placeholders_of_unknown_resources_are_no_amounts():
    assert Mapper(Site(frozenset({"cpus", "mem"}))).amounts(mem_mb="<TBD>", runtime=None) == {"cpus": 1}


def worker(resource, life_ms=None, state="running"):
    return {"state": state, "configuration": {"resources": {"resources": [resource]}, "timeLimitMs": life_ms}}


RANGE = {"name": "cpus", "kind": "range", "start": 0, "end": 7}
LIST = {"name": "cpus", "kind": "list", "values": ["a", "b"]}
GROUPS = {"name": "cpus", "kind": "groups", "groups": [["0", "1"], ["2"]]}
SUM = {"name": "cpus", "kind": "sum", "size": 50_000}


@pytest.mark.parametrize(("resource", "cpus"), [(RANGE, 8), (LIST, 2), (GROUPS, 3), (SUM, 5)])
def test_cpus_of_the_largest_worker(resource, cpus):
    info = {"workers": 2, "resourceNames": ["cpus"]}
    offline = worker({"name": "cpus", "kind": "range", "start": 0, "end": 99}, state="offline")
    assert site_of(info, [worker(resource), offline], may_grow=False).largest_cpus == cpus
    assert site_of(info, [worker(resource)], may_grow=True).largest_cpus is None


def test_lives_of_workers():
    info = {"workers": 2, "resourceNames": ["cpus"]}
    assert site_of(info, [worker(LIST, 5), worker(LIST, 9)], may_grow=True).longest_life_ms == 9
    assert site_of(info, [worker(LIST, 5), worker(LIST)], may_grow=True).longest_life_ms is None
    assert site_of({"workers": 0, "resourceNames": []}, [], may_grow=True) == Site(None)


class Job:
    def __init__(self, name="a", wildcards=None, group=False, priority=None):
        self.name = name
        self.group = group
        if wildcards is not None:
            self.wildcards = wildcards
        if priority is not None:
            self.priority = priority

    def is_group(self):
        return self.group


def test_labels():
    assert label_of(Job()) == "a"
    assert label_of(Job(wildcards={"s": "1", "unit": "x/y z"})) == "a s=1,unit=x/y z"
    assert label_of(Job("group_a_b", group=True)) == "group_a_b"
    long = label_of(Job(wildcards={"s": "x\ny" * 1000}))
    assert (len(long), "\n" in long) == (1000, False)


def test_priorities_fit():
    assert [priority_of(Job(priority=value)) for value in (None, 5, -3, sys.maxsize)] == [0, 5, -3, 2**31 - 1]


def run(fields, **options):
    import base64

    stdin = base64.b64decode(fields.get("stdin", ""))
    return subprocess.run(fields["command"], input=stdin, capture_output=True, check=True, **options).stdout.decode()


def test_short_command_is_an_argument_and_a_long_one_comes_by_standard_input():
    short = command_fields("echo 'a  b' \"$0\"; cat")
    assert "stdin" not in short
    assert run(short) == "a  b /bin/sh\n"
    words = " ".join(f"word{number}" for number in range(25_000))
    assert len(words) > 200_000
    # One argument may not be longer than 128 KiB, all together may.
    long = command_fields(f"f() {{ printf '%s' \"$#\"; }}; f {words}; cat")
    assert max(map(len, long["command"])) < 1_000
    assert run(long) == "25000"


def test_exit_code_of_a_long_command():
    fields = command_fields("exit 7 #" + "x" * 200_000)
    with pytest.raises(subprocess.CalledProcessError) as caught:
        run(fields)
    assert caught.value.returncode == 7


def test_environment_has_the_software_and_the_declared_secrets_only(monkeypatch):
    monkeypatch.setenv("CONDA_PREFIX", "/conda")
    monkeypatch.setenv("APPTAINER_DOCKER_PASSWORD", "hidden")
    monkeypatch.setenv("SLURM_JOB_ID", "1")
    monkeypatch.setenv("MY_PATHS", "no")
    fields = shared_fields({"DECLARED": "value"}, "/work")
    assert fields["cwd"] == "/work"
    assert fields["env"]["CONDA_PREFIX"] == "/conda"
    assert fields["env"]["DECLARED"] == "value"
    assert not {"SLURM_JOB_ID", "MY_PATHS", "HOME"} & fields["env"].keys()
    assert fields["secretEnv"] == ["APPTAINER_DOCKER_PASSWORD", "DECLARED"]


@pytest.mark.parametrize(("setting", "level"), [("auto", "snakefile"), ("imports", "imports")])
def test_jobs_ask_for_warm_runners(setting, level):
    expected = {"kind": "snakemake", "python": "/venv/bin/python", "run": "r1", "level": level}
    assert warm_fields(setting, "/venv/bin/python", "r1") == {"warm": expected}


def test_jobs_can_do_without_warm_runners():
    assert warm_fields("off", "/venv/bin/python", "r1") == {}


def test_requests_have_bounded_sizes():
    small = [{"id": number, "command": ["x"]} for number in range(REQUEST_LIMIT_TASKS + 1)]
    assert [len(portion) for portion in portions(small)] == [REQUEST_LIMIT_TASKS, 1]
    large = [{"id": number, "command": ["sh"], "stdin": "x" * 6_000_000} for number in range(5)]
    assert [[task["id"] for task in portion] for portion in portions(large)] == [[0, 1], [2, 3], [4]]
    assert list(portions([])) == []


def test_first_tasks_of_a_batch_do_not_wait_for_all():
    jobs = [f"job {number}" for number in range(6_000)]
    parts = list(growing(jobs))
    assert [len(part) for part in parts] == [32, 64, 128, 256, 512, 1_024, 2_000, 1_984]
    assert sum(parts, []) == jobs
    assert list(growing(jobs[:5])) == [jobs[:5]]
    assert list(growing([])) == []


def test_import_is_light():
    """Every start of Snakemake imports the plugin, also inside each job."""
    code = """
import sys
import snakemake_interface_executor_plugins.executors.remote
before = set(sys.modules)
import snakemake_executor_plugin_hyperqueue
print(*sorted(set(sys.modules) - before))
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = [name for name in result.stdout.split() if name != "__future__"]
    top = "snakemake_executor_plugin_hyperqueue"
    assert loaded == [top, f"{top}.command", f"{top}.executor", f"{top}.settings"]
