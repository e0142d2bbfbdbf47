"""What the workers are like, boiled down from the server's answers to what the mapping of resources needs."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from .resources import Site

if TYPE_CHECKING:
    from hq_bridge import Client
    from hq_bridge._generated import models

# Workers come and go; asking once per batch of jobs is enough, once per job in a trickle of them is not needed.
MAX_AGE_S = 10.0
UNITS_PER_WHOLE = 10_000


class SiteView:
    """Asks the server when the last answer is too old.

    :param embedded: the server is ours alone, so that no other workers will come
    :param with_lives: also how long workers live is wanted
    """

    def __init__(self, client: Client, *, embedded: bool, with_lives: bool) -> None:
        self._client = client
        self._embedded = embedded
        self._with_lives = with_lives
        self._site = Site(None)
        self._asked_at = float("-inf")

    def now(self) -> Site:
        """:raises HqError: when the server cannot be asked"""
        if time.monotonic() - self._asked_at > MAX_AGE_S:
            info = self._client.server_info()
            may_grow = not self._embedded or info.get("allocationQueues", 0) > 0
            workers = self._client.workers() if self._with_lives or not may_grow else []
            self._site = site_of(info, workers, may_grow)
            self._asked_at = time.monotonic()
        return self._site


def site_of(info: models.ServerInfo, workers: list[models.WorkerInfo], may_grow: bool) -> Site:
    """`may_grow`: larger workers than the present ones may come."""
    if info["workers"] == 0:
        return Site(None)
    running = [worker["configuration"] for worker in workers if worker["state"] != "offline"]
    lives = [configuration["timeLimitMs"] for configuration in running]
    return Site(
        provided=frozenset(info["resourceNames"]),
        largest_cpus=None if may_grow else max(map(cpus_of, running), default=None),
        longest_life_ms=None if None in lives else max((life for life in lives if life is not None), default=None),
    )


def cpus_of(configuration: models.WorkerConfiguration) -> int:
    """Number of a worker's CPUs."""
    for resource in configuration["resources"]["resources"]:
        if resource["name"] != "cpus":
            continue
        if resource["kind"] == "list":
            return len(resource["values"])
        if resource["kind"] == "range":
            return resource["end"] - resource["start"] + 1
        if resource["kind"] == "sum":
            return resource["size"] // UNITS_PER_WHOLE
        return sum(map(len, resource["groups"]))
    return 0
