"""Resources of a Snakemake job -> resource request of a task. Pure; called once per job by the executor."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

# What Snakemake itself keeps among the resources.
INTERNAL = {"_cores", "_nodes", "tmpdir"}
# Understood below under a name of our own, or another unit of such a one.
MAPPED = {
    *("cpus_per_task", "mem", "mem_mb", "mem_mib", "mem_mb_per_cpu", "disk", "disk_mb", "disk_mib", "runtime", "nodes"),
    *("gpu", "gpus", "nvidia_gpu", "amd_gpu", "gpu_manufacturer", "gpu_model", "gres"),
}
# The Slurm plugin's words for what belongs to a batch job: here that is an allocation queue's business.
FOR_BATCH_JOBS = {
    *("account", "clusters", "constraint", "cpus_per_gpu", "mpi", "ntasks", "partition", "qos", "reservation"),
    *("tasks", "tasks_per_gpu", "tasks_per_node"),
}
GRES = re.compile(r"^gpu(?::(?P<model>[A-Za-z][\w.-]*))?(?::(?P<count>\d+))?$")
PRIORITY_MIN, PRIORITY_MAX = -(2**31), 2**31 - 1
MINUTE_MS = 60_000


@dataclass(frozen=True)
class Site:
    """What the workers are like. `provided` None: there is none yet; `largest_cpus` set: no larger worker will come."""

    provided: frozenset[str] | None
    largest_cpus: int | None = None
    longest_life_ms: float | None = None


@dataclass(frozen=True)
class Request:
    """`spec` is a RequestSpec of the API; `time_limit_ms` None: may run for ever."""

    spec: dict[str, Any]
    time_limit_ms: float | None


class ResourceMapper:
    """Maps jobs' resources for one workflow run. `warn` gets (kind, line); the same kind is to be shown once."""

    def __init__(self, *, time_limit: bool, time_request: bool, warn: Callable[[str, str], None]) -> None:
        self._time_limit = time_limit
        self._time_request = time_request
        self._warn = warn
        self.site = Site(None)

    def request(self, rule: str, threads: int, resources: Mapping[str, Any]) -> Request:
        """The request of a job of this rule; amounts as Snakemake has them: MB, minutes, counts."""
        self._warn_of_ignored(resources)
        runtime_ms = _positive(resources.get("runtime")) * MINUTE_MS
        spec: dict[str, Any] = {}
        nodes = int(_positive(resources.get("nodes")))
        if nodes > 1:
            spec["nodes"] = nodes
        else:
            spec["resources"] = self._amounts(rule, threads, resources)
        if self._time_request and runtime_ms > 0:
            self._warn_of_short_lives(rule, runtime_ms)
            spec["timeRequestMs"] = runtime_ms
        return Request(spec, runtime_ms if self._time_limit and runtime_ms > 0 else None)

    def _amounts(self, rule: str, threads: int, resources: Mapping[str, Any]) -> dict[str, float | str]:
        amounts: dict[str, float | str] = {}
        cpus = self._cpus(rule, threads, resources)
        if cpus > 0:
            amounts["cpus"] = cpus
        memory = _memory(resources, cpus)
        if memory > 0:
            self._add_provided(amounts, "mem", memory, "mem_mb")
        disk = _first(resources, "disk_mb", "disk_mib")
        # Snakemake gives every job disk_mb by default, so that lacking it deserves no warning.
        if disk > 0 and self._is_provided("disk"):
            amounts["disk"] = disk
        amounts.update(self._gpus(resources))
        for name in resources.keys() - MAPPED - INTERNAL:
            value = resources[name]
            if self._is_provided(name) and (isinstance(value, str) or _positive(value) > 0):
                amounts[name] = value
        return amounts

    def _cpus(self, rule: str, threads: int, resources: Mapping[str, Any]) -> int:
        cpus = int(resources.get("cpus_per_task", threads))
        largest = self.site.largest_cpus
        if largest is not None and cpus > largest:
            line = f"rule {rule} asks for {cpus} threads, the local worker has {largest} CPUs: it gets those"
            self._warn(f"cpus {rule}", line)
            return largest
        return cpus

    def _gpus(self, resources: Mapping[str, Any]) -> dict[str, float | str]:
        """Asked for even where no worker has any: such a job must wait for one, not run without."""
        for name, resource in (("nvidia_gpu", "gpus/nvidia"), ("amd_gpu", "gpus/amd")):
            if _positive(resources.get(name)) > 0:
                return {resource: _positive(resources[name])}
        count = _first(resources, "gpu", "gpus")
        model = str(resources.get("gpu_model") or "")
        if count == 0 and resources.get("gres"):
            match = GRES.match(str(resources["gres"]))
            if match is None:
                self._warn(
                    "gres", f"the resource gres={resources['gres']} is ignored: only gpu[:model][:count] is known"
                )
                return {}
            count = int(match["count"] or 1)
            model = model or match["model"] or ""
        if count == 0:
            return {}
        vendor = str(resources.get("gpu_manufacturer") or "").lower()
        for name in (f"gpus/{model}", f"gpus/{vendor}"):
            if self.site.provided is not None and name in self.site.provided:
                return {name: count}
        return {f"gpus/{vendor}" if vendor in ("nvidia", "amd") else "gpus": count}

    def _add_provided(self, amounts: dict[str, float | str], name: str, amount: float, asked_as: str) -> None:
        if self._is_provided(name):
            amounts[name] = amount
        else:
            line = f"no worker provides '{name}', so {asked_as} is not taken into account when jobs are placed"
            self._warn(f"missing {name}", line)

    def _is_provided(self, name: str) -> bool:
        # Before the first worker comes: every worker detects its memory unless it is told not to.
        return name == "mem" if self.site.provided is None else name in self.site.provided

    def _warn_of_ignored(self, resources: Mapping[str, Any]) -> None:
        names = (name for name in resources if name.startswith("slurm_") or name in FOR_BATCH_JOBS)
        ignored = sorted(name for name in names if not self._is_provided(name))
        if ignored:
            line = f"resources for batch jobs are ignored ({', '.join(ignored)}); they belong to: hq alloc add"
            self._warn("batch", line)

    def _warn_of_short_lives(self, rule: str, runtime_ms: float) -> None:
        longest = self.site.longest_life_ms
        if longest is not None and runtime_ms > longest:
            minutes, most = runtime_ms / MINUTE_MS, longest / MINUTE_MS
            line = (
                f"rule {rule} has runtime={minutes:g}, but no worker lives for more than {most:g} min: it cannot start"
            )
            self._warn(f"time {rule}", line)


def priority_of(job: Any) -> int:
    """Task priority of a job; `priority` is not in the promised interface, jobs to be prioritised have sys.maxsize."""
    return max(PRIORITY_MIN, min(PRIORITY_MAX, int(getattr(job, "priority", 0) or 0)))


def _memory(resources: Mapping[str, Any], cpus: int) -> float:
    """Memory in MiB. MB are taken as MiB, as Slurm takes them: another executor must not mean a smaller limit."""
    per_cpu = _positive(resources.get("mem_mb_per_cpu"))
    return per_cpu * max(1, cpus) if per_cpu > 0 else _first(resources, "mem_mb", "mem_mib")


def _first(resources: Mapping[str, Any], *names: str) -> float:
    return next((value for value in (_positive(resources.get(name)) for name in names) if value > 0), 0)


def _positive(value: Any) -> float:
    """The number, 0 for anything that is no positive number: Snakemake has placeholders until a resource is known.

    Text may be a number, too: that is how fractions are written, of which Snakemake has none.
    """
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return 0
    return value if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0 else 0
