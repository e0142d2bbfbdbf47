"""CPUs of this host, login nodes, ids, finding the command."""

from __future__ import annotations

import os

import pytest

from hq_bridge import HqError, ids_of, ids_text
from hq_bridge.executable import find_hq
from hq_bridge.host import cgroup_cpu_quotas, login_node_sign, usable_cpus


def test_quota_of_any_level_counts(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/user/job\n")
    (tmp_path / "sys/fs/cgroup/user/job").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/user/job/cpu.max").write_text("max 100000\n")
    (tmp_path / "sys/fs/cgroup/user/cpu.max").write_text("150000 100000\n")
    assert list(cgroup_cpu_quotas(tmp_path)) == [1.5]
    assert usable_cpus(tmp_path) == 1


def test_quota_of_version_one(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("4:cpu,cpuacct:/x\n3:cpuset:/y\n")
    for place, quota in (("", "-1"), ("x/", "400000")):
        (tmp_path / f"sys/fs/cgroup/cpu,cpuacct/{place}").mkdir(parents=True, exist_ok=True)
        (tmp_path / f"sys/fs/cgroup/cpu,cpuacct/{place}cpu.cfs_quota_us").write_text(quota)
        (tmp_path / f"sys/fs/cgroup/cpu,cpuacct/{place}cpu.cfs_period_us").write_text("100000")
    assert list(cgroup_cpu_quotas(tmp_path)) == [4.0]


def test_without_control_groups_the_affinity_counts(tmp_path):
    assert usable_cpus(tmp_path, {}) == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    "env",
    [
        {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "1"},
        {"PBS_JOBID": "7.pbs", "NCPUS": "1"},
        {"PBS_JOBID": "7.pbs", "PBS_NUM_PPN": "1"},
    ],
)
def test_what_a_batch_job_was_granted_counts(tmp_path, env):
    assert usable_cpus(tmp_path, env) == 1


@pytest.mark.parametrize(
    "env",
    [{"NCPUS": "1"}, {"SLURM_JOB_ID": "7", "SLURM_CPUS_ON_NODE": "0"}, {"PBS_JOBID": "7", "NCPUS": "9999"}],
)
def test_what_was_not_granted_does_not_count(tmp_path, env):
    assert usable_cpus(tmp_path, env) == usable_cpus(tmp_path, {})


def test_quota_below_one_cpu_still_gives_one(tmp_path):
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text("0::/\n")
    (tmp_path / "sys/fs/cgroup").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").write_text("20000 100000\n")
    assert usable_cpus(tmp_path) == 1


def program(path, text):
    path.write_text(text)
    path.chmod(0o755)
    return path


def test_login_node_has_the_command_but_no_job(tmp_path):
    program(tmp_path / "sbatch", "#!/bin/sh\n")
    assert login_node_sign({"PATH": str(tmp_path)}) == "sbatch"
    assert login_node_sign({"PATH": str(tmp_path), "SLURM_JOB_ID": "1"}) is None
    assert login_node_sign({"PATH": str(tmp_path / "empty")}) is None


def test_foreign_hq_is_passed_over(tmp_path):
    hq = program(tmp_path / "hq", "#!/bin/sh\necho --idle-timeout\n")
    home = tmp_path / "home"
    with pytest.raises(HqError, match=f"{hq} is another product"):
        find_hq({"PATH": str(tmp_path), "HQ_BRIDGE_HOME": str(home)})
    node = program(tmp_path / "node", "#!/bin/sh\n")
    (home / "dist/bin").mkdir(parents=True)
    (home / "dist/bin/hq.js").write_text("")
    assert find_hq({"PATH": str(tmp_path), "HQ_BRIDGE_HOME": str(home)}) == [str(node), str(home / "dist/bin/hq.js")]


def test_our_hq_on_the_path_is_used(tmp_path):
    hq = program(tmp_path / "hq", '#!/bin/sh\n[ "$*" = "server start --help" ] && echo --exit-when-idle\n')
    assert find_hq({"PATH": str(tmp_path)}) == [str(hq)]


def test_named_command_is_used_unseen(tmp_path):
    hq = program(tmp_path / "other", "#!/bin/sh\n")
    assert find_hq({"PATH": "", "HQ_BRIDGE_HQ": str(hq)}) == [str(hq)]
    with pytest.raises(HqError, match="there is no executable /nowhere/hq"):
        find_hq({"PATH": "", "HQ_BRIDGE_HQ": "/nowhere/hq"})


@pytest.mark.parametrize(
    ("text", "ids"), [("5", [5]), ("1-3,7", [1, 2, 3, 7]), ("0-10:5", [0, 5, 10]), ("1_000-1_001", [1000, 1001])]
)
def test_ids_are_read(text, ids):
    assert list(ids_of(text)) == ids


def test_ids_are_written_as_ranges():
    assert ids_text([9, 1, 2, 3, 3, 7, 8]) == "1-3,7-9"
    assert list(ids_of(ids_text(range(1, 1000, 3)))) == list(range(1, 1000, 3))
