"""A scheduler for Snakemake's main process, for workflows with thousands of jobs: `snakemake --scheduler hyperqueue`.

It chooses the jobs that Snakemake's own greedy scheduler chooses. That one looks at every job again for each that it takes:
7 s of the main process for 2,000 jobs, minutes for 10,000, before the first of them starts. Taking a job only makes what is
left smaller, so that one look at each, the most rewarding first, finds the same. Works with every executor.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from snakemake_interface_scheduler_plugins.base import SchedulerBase

if TYPE_CHECKING:
    from snakemake_interface_common.io import AnnotatedStringInterface
    from snakemake_interface_scheduler_plugins.interfaces.jobs import JobSchedulerInterface


class Scheduler(SchedulerBase):
    """The greedy heuristic of Snakemake with its default greediness of 1, in n log n steps for n jobs."""

    def select_jobs(
        self,
        selectable_jobs: Sequence[JobSchedulerInterface],
        remaining_jobs: Sequence[JobSchedulerInterface],
        available_resources: Mapping[str, int | str],
        input_sizes: dict[AnnotatedStringInterface, int],
    ) -> Sequence[JobSchedulerInterface]:
        """Takes each job for which there is room: by priority, then by the bytes of temporary input that its end frees,
        then by the bytes of input.

        :returns: the chosen jobs in this order, which is also the one in which they are best submitted
        """
        room: dict[str, Any] = dict(available_resources)
        chosen = []
        for job in sorted(selectable_jobs, key=lambda job: _reward(job, input_sizes), reverse=True):
            resources = job.scheduler_resources
            needs = [(name, resources[name]) for name in room if resources.get(name, 0) > 0]
            if any(room[name] < amount for name, amount in needs):
                continue
            for name, amount in needs:
                room[name] -= amount
            chosen.append(job)
        return chosen


def _reward(job: Any, input_sizes: Mapping[Any, int | None]) -> tuple[int, int, int]:
    sizes = [(file, input_sizes[file] or 0) for file in job.input]
    freed = sum(size for file, size in sizes if size > 0 and file.is_flagged("temp"))
    return (job.priority, freed, sum(size for _, size in sizes))
