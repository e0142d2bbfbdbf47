"""What this host gives to a local worker: how many CPUs, and whether it looks like a cluster's login node."""

from __future__ import annotations

import math
import os
import shutil
from pathlib import Path
from typing import Iterator, List, Mapping, Optional, Tuple

# Commands that submit batch jobs -> the variable that is set inside one.
BATCH_SYSTEMS = (("sbatch", "SLURM_JOB_ID"), ("qsub", "PBS_JOBID"))

# Variable that is set inside a batch job -> those that tell how many CPUs of this node it was granted.
GRANTED_CPUS = (("SLURM_JOB_ID", ("SLURM_CPUS_ON_NODE",)), ("PBS_JOBID", ("NCPUS", "PBS_NUM_PPN")))


def usable_cpus(root: Path = Path("/"), environ: Optional[Mapping[str, str]] = None) -> int:
    """CPUs that this process may use: its affinity mask, cut to the quota of its control groups and to what its batch job
    was granted; at least 1.

    :param root: where `proc` and `sys` are
    """
    affinity = len(os.sched_getaffinity(0))
    quotas = [math.floor(quota) for quota in cgroup_cpu_quotas(root)]
    return max(1, min([affinity, *quotas, *_granted_cpus(os.environ if environ is None else environ)]))


def _granted_cpus(env: Mapping[str, str]) -> Iterator[int]:
    for inside, names in GRANTED_CPUS:
        if inside in env:
            yield from (int(env[name]) for name in names if env.get(name, "").isdigit() and int(env[name]) > 0)


def login_node_sign(environ: Optional[Mapping[str, str]] = None) -> Optional[str]:
    """The command of a batch system that is installed here while no batch job of it is around; None elsewhere."""
    env = os.environ if environ is None else environ
    for command, inside in BATCH_SYSTEMS:
        if inside not in env and shutil.which(command, path=env.get("PATH")) is not None:
            return command
    return None


def cgroup_cpu_quotas(root: Path) -> Iterator[float]:
    """CPU quotas (in CPUs) of this process's control group and all above it, version 1 and 2."""
    for base, group in _groups(root):
        # In a container the path may be that of the host, where only the top is visible.
        for directory in [base / group, *(base / group).parents]:
            if directory != base and base not in directory.parents:
                break
            quota = _quota_v2(directory) or _quota_v1(directory)
            if quota is not None:
                yield quota


def _groups(root: Path) -> Iterator[Tuple[Path, str]]:
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controllers == "":
            yield root / "sys/fs/cgroup", group.lstrip("/")
        elif "cpu" in controllers.split(","):
            yield root / "sys/fs/cgroup" / controllers, group.lstrip("/")


def _quota_v2(directory: Path) -> Optional[float]:
    fields = _read(directory / "cpu.max").split()
    return None if len(fields) != 2 or fields[0] == "max" else int(fields[0]) / int(fields[1])


def _quota_v1(directory: Path) -> Optional[float]:
    fields: List[str] = [_read(directory / name).strip() for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")]
    return int(fields[0]) / int(fields[1]) if all(fields) and int(fields[0]) > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:
        return ""
