"""Resources of a Snakemake job -> resource request of a task. Pure; called once per job by the executor."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain
from typing import Any

from snakemake_interface_common.exceptions import WorkflowError

# What Snakemake itself keeps among the resources.
INTERNAL = {"_cores", "_nodes", "tmpdir"}
# Understood below under a name of our own, or another unit of such a one.
MAPPED = {
    *("cpus_per_task", "mem", "mem_mb", "mem_mib", "mem_mb_per_cpu", "disk", "disk_mb", "disk_mib", "runtime", "nodes"),
    *("gpu", "gpus", "nvidia_gpu", "amd_gpu", "gpu_manufacturer", "gpu_model", "gres", "cpus_per_gpu", "tasks_per_gpu"),
    *("tasks", "ntasks", "tasks_per_node", "mpi", "constraint"),
    *("hq_resources", "hq_variants", "hq_priority", "hq_crash_limit", "hq_pin"),
}
# The Slurm plugin's words for what belongs to a batch job: here that is an allocation queue's business.
FOR_BATCH_JOBS = {"account", "clusters", "partition", "qos", "reservation"}
NUMBER = re.compile(r"\d+(\.\d+)?")
WHOLE = re.compile(r"[+-]?\d+")
GRES = re.compile(r"^gpu(?::(?P<model>[A-Za-z][\w.-]*))?(?::(?P<count>\d+))?$")
PRIORITY_MIN, PRIORITY_MAX = -(2**31), 2**31 - 1
MINUTE_MS = 60_000
# The least amount of a resource: what a worker provides as a mark of what it is, is not used up by it.
MARK = 0.0001
# MiB that every job gets at least: the Snakemake in it takes half of that where no warm runner shares its memory with it,
# and a rule's `mem_mb` is meant for its tools.
LEAST_MEMORY = 200.0
# Requests that are remembered: more kinds of jobs than workflows have, unless each job asks for something else.
MOST_KNOWN = 1_000
CRASH_LIMIT_WORDS = ("never-restart", "unlimited")
PIN_MODES = ("taskset", "omp")


@dataclass(frozen=True)
class Site:
    """What the workers are like. `provided` None: there is none yet; `largest_cpus` set: no larger worker will come."""

    provided: frozenset[str] | None
    largest_cpus: int | None = None
    longest_life_ms: float | None = None


@dataclass(frozen=True)
class Request:
    """`specs` are RequestSpecs of the API, the preferred one first; `time_limit_ms` None: may run for ever.

    `options` are further fields of a task: `priority`, `crashLimit`, `pin`.
    """

    specs: list[dict[str, Any]]
    time_limit_ms: float | None
    options: dict[str, Any]


class ResourceMapper:
    """Maps jobs' resources for one workflow run. `warn` gets (kind, line); the same kind is to be shown once."""

    def __init__(self, *, time_limit: bool, time_request: bool, warn: Callable[[str, str], None]) -> None:
        self._time_limit = time_limit
        self._time_request = time_request
        self._warn = warn
        self.site = Site(None)
        # Typed: True is equal to 1, but no amount.
        self._known = lru_cache(MOST_KNOWN, typed=True)(self._request)

    def request(self, rule: str, threads: int, resources: Mapping[str, Any]) -> Request:
        """The request of a job of this rule; amounts as Snakemake has them: MB, minutes, counts. It is the same one for jobs that ask
        for the same, as those of a rule mostly do.

        :raises WorkflowError: for a value of a resource of ours that cannot be meant; one line with rule and value
        """
        return self._known(self.site, rule, threads, *chain.from_iterable(resources.items()))

    def _request(self, _site: Site, rule: str, threads: int, *named: Any) -> Request:
        """:param named: names and values of resources in turn; `_site` is what `self.site` is"""
        resources = dict(zip(named[::2], named[1::2], strict=True))
        self._warn_of_ignored(resources)
        runtime_ms = _positive(resources.get("runtime")) * MINUTE_MS
        common: dict[str, Any] = {}
        if self._time_request and runtime_ms > 0:
            self._warn_of_short_lives(rule, runtime_ms)
            common["timeRequestMs"] = runtime_ms
        nodes = _nodes(resources)
        if nodes > 1:
            specs = [{"nodes": nodes, **common}]
        else:
            own = _typed(rule, "hq_resources", _text(resources, "hq_resources"))
            amounts = {**self._amounts(rule, threads, resources), **own}
            alternatives = _text(resources, "hq_variants").split("|")
            specs = [
                {"resources": _without_zeros({**amounts, **_typed(rule, "hq_variants", text)}), **common}
                for text in alternatives
            ]
        limit = runtime_ms if self._time_limit and runtime_ms > 0 else None
        return Request(specs, limit, _options(rule, resources))

    def _amounts(self, rule: str, threads: int, resources: Mapping[str, Any]) -> dict[str, float | str]:
        amounts: dict[str, float | str] = {}
        gpus = self._gpus(resources)
        cpus = self._cpus(rule, threads, resources, sum(_positive(count) for count in gpus.values()))
        if cpus > 0:
            amounts["cpus"] = cpus
        memory = _memory(resources, cpus)
        if memory > 0:
            self._add_provided(amounts, "mem", max(memory, LEAST_MEMORY), "mem_mb")
        disk = _first(resources, "disk_mb", "disk_mib")
        # Snakemake gives every job disk_mb by default, so that lacking it deserves no warning.
        if disk > 0 and self._is_provided("disk"):
            amounts["disk"] = disk
        amounts.update(gpus)
        amounts.update({feature: MARK for feature in _features(resources) if self._is_provided(feature)})
        for name in resources.keys() - MAPPED - INTERNAL:
            value = resources[name]
            if self._is_provided(name) and (isinstance(value, str) or _positive(value) > 0):
                amounts[name] = value
        return amounts

    def _cpus(self, rule: str, threads: int, resources: Mapping[str, Any], gpus: float) -> int:
        """CPUs of all ranks together: Slurm counts `cpus_per_task` for each of them, too."""
        per_gpu = _positive(resources.get("cpus_per_gpu"))
        if per_gpu > 0 and gpus > 0:
            cpus = math.ceil(per_gpu * gpus)
        else:
            cpus = int(resources.get("cpus_per_task", threads)) * _ranks(resources, gpus)
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
            where = "--hyperqueue-slurm, or hq alloc add"
            line = f"resources for batch jobs are ignored ({', '.join(ignored)}); they belong to {where}"
            self._warn("batch", line)
        missing = sorted(feature for feature in _features(resources) if not self._is_provided(feature))
        if missing and self.site.provided is not None:
            line = (
                f"constraint={resources['constraint']} is ignored: no worker provides {' or '.join(missing)}; mark "
                f"workers with: hq worker start --resource '{missing[0]}=sum(1)'"
            )
            self._warn("constraint", line)

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
    return _bounded(int(getattr(job, "priority", 0) or 0))


def _typed(rule: str, name: str, text: str) -> dict[str, float | str]:
    """Amounts as on the command line of hq, `cpus=8 compact!, gpus=0.5`. Pure.

    :raises WorkflowError: when that is not what it is
    """
    amounts: dict[str, float | str] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        key, _, amount = (word.strip() for word in entry.partition("="))
        if not key or not amount:
            raise WorkflowError(f"rule {rule}: {name} has '{entry}'; give NAME=AMOUNT, as in {name}='cpus=8, gpus=0.5'")
        amounts[key] = float(amount) if NUMBER.fullmatch(amount) else amount
    return amounts


def _text(resources: Mapping[str, Any], name: str) -> str:
    return str(resources.get(name) or "")


def _without_zeros(amounts: dict[str, float | str]) -> dict[str, float | str]:
    """An alternative without a GPU says so with `gpus=0`."""
    return {name: amount for name, amount in amounts.items() if amount != 0}


def _options(rule: str, resources: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of the task that only HyperQueue has."""
    options: dict[str, Any] = {}
    if "hq_priority" in resources:
        options["priority"] = _bounded(_whole(rule, "hq_priority", resources["hq_priority"]))
    if "hq_crash_limit" in resources:
        limit = resources["hq_crash_limit"]
        options["crashLimit"] = limit if limit in CRASH_LIMIT_WORDS else _whole(rule, "hq_crash_limit", limit, least=1)
    if "hq_pin" in resources:
        if resources["hq_pin"] not in PIN_MODES:
            raise WorkflowError(f"rule {rule}: hq_pin={resources['hq_pin']} is neither taskset nor omp")
        options["pin"] = resources["hq_pin"]
    return options


def _whole(rule: str, name: str, value: Any, least: int | None = None) -> int:
    number = int(value) if WHOLE.fullmatch(str(value)) else None
    if number is None or (least is not None and number < least):
        raise WorkflowError(
            f"rule {rule}: {name}={value} is no whole number{'' if least is None else f' from {least}'}"
        )
    return number


def _bounded(priority: int) -> int:
    return max(PRIORITY_MIN, min(PRIORITY_MAX, priority))


def _ranks(resources: Mapping[str, Any], gpus: float = 0) -> int:
    """Ranks (tasks in Slurm's words) of the job, on all its nodes together."""
    per_gpu = _positive(resources.get("tasks_per_gpu"))
    ranks = per_gpu * gpus if per_gpu > 0 and gpus > 0 else _first(resources, "tasks", "ntasks")
    return max(1, math.ceil(ranks))


def _nodes(resources: Mapping[str, Any]) -> int:
    """Nodes of the job: as many as it says, or as its ranks need."""
    nodes = int(_positive(resources.get("nodes")))
    per_node = _positive(resources.get("tasks_per_node"))
    return nodes if nodes > 0 or per_node == 0 else math.ceil(_ranks(resources) / per_node)


def _features(resources: Mapping[str, Any]) -> list[str]:
    """Features of a constraint such as `avx512&nvme`. Slurm's other operators have no counterpart."""
    return [name for name in re.split(r"[&,\s]+", _text(resources, "constraint")) if name]


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
