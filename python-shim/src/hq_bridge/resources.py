"""What a task asks for. Users make `ResourceRequest`s, `Job` turns them into the `request` of the HTTP API.

Names and defaults follow `hyperqueue.ffi.protocol.ResourceRequest` of HyperQueue 0.26; `weight` is an addition.
"""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any, Dict, List, Mapping, Optional, Sequence, Union

from .validation import ValidationException

Amount = Union[int, float, str]
MAX_VARIANTS = 32


@dataclasses.dataclass(init=False)
class ResourceRequest:
    """One alternative of what a task needs.

    :param n_nodes: whole nodes; 0: a part of one. With nodes, `cpus` and `resources` do not count
    :param cpus: number of CPUs, a fraction of one (`0.5`), or a text as on the command line (`"2-8"`, `"all"`)
    :param resources: amounts by name, e.g. `{"gpus": 0.5, "mem": "4GiB"}`; a plain number of `mem` is in MiB
    :param min_time: the worker must still have this much time
    :param weight: which alternative is preferred; the largest first
    """

    n_nodes: int
    cpus: Amount
    resources: Optional[Mapping[str, Amount]]
    min_time: Optional[timedelta]
    weight: float

    # By name alone, as in the original: a number without a name could mean nodes or CPUs.
    def __init__(
        self,
        *,
        n_nodes: int = 0,
        cpus: Amount = 1,
        resources: Optional[Mapping[str, Amount]] = None,
        min_time: Optional[timedelta] = None,
        weight: float = 1,
    ) -> None:
        self.n_nodes = n_nodes
        self.cpus = cpus
        self.resources = resources
        self.min_time = min_time
        self.weight = weight

    def to_spec(self) -> Dict[str, Any]:
        """This alternative as the HTTP API has it.

        :raises ValidationException: `cpus` is named twice, or an amount is nothing that could be one
        """
        spec: Dict[str, Any] = {}
        if self.n_nodes:
            spec["nodes"] = self.n_nodes
        else:
            named = dict(self.resources or {})
            if "cpus" in named:
                raise ValidationException("ResourceRequest has cpus also in resources; say it once, with cpus=")
            spec["resources"] = {
                name: _amount(name, value) for name, value in [("cpus", self.cpus), *named.items()] if value != 0
            }
        if self.min_time is not None:
            spec["timeRequestMs"] = milliseconds("min_time", self.min_time)
        if self.weight != 1:
            spec["weight"] = self.weight
        return spec


Resources = Union[None, ResourceRequest, Sequence[ResourceRequest]]


def request_spec(resources: Resources) -> Optional[List[Dict[str, Any]]]:
    """The alternatives, the preferred one first; None for the default of one CPU.

    :raises ValidationException: something else than one or several `ResourceRequest`s
    """
    if resources is None:
        return None
    variants = [resources] if isinstance(resources, ResourceRequest) else list(resources)
    for variant in variants:
        if not isinstance(variant, ResourceRequest):
            raise ValidationException(f"resources={variant!r} is no ResourceRequest")
    if not 1 <= len(variants) <= MAX_VARIANTS:
        raise ValidationException(f"a task has 1 to {MAX_VARIANTS} alternatives of resources, not {len(variants)}")
    return [variant.to_spec() for variant in variants]


def milliseconds(name: str, duration: timedelta) -> float:
    """:raises ValidationException: no `timedelta`, or a negative one"""
    if not isinstance(duration, timedelta) or duration < timedelta(0):
        raise ValidationException(f"{name}={duration!r} is no length of time; use datetime.timedelta(minutes=…)")
    return duration / timedelta(milliseconds=1)


def _amount(name: str, value: Amount) -> Amount:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise ValidationException(f"the amount of {name} is {value!r}; give a number or a text")
    if not isinstance(value, str) and value < 0:
        raise ValidationException(f"the amount of {name} is {value}; it cannot be negative")
    return value
