"""The allocation queue of one run: what the settings ask for, and its life from the first job to the end."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING, Any

from hq_bridge import HqError, ServerUnavailable
from snakemake_interface_common.exceptions import WorkflowError

if TYPE_CHECKING:
    from collections.abc import Callable

    from hq_bridge import Client
    from hq_bridge._generated import models

    from .settings import ExecutorSettings

# So many allocations wait in the batch system at a time. As only as many are submitted as would get jobs, a wide
# workflow need not wait for one after the other.
BACKLOG_MOST = 10
NAME_PREFIX = "snakemake-"

SECOND_MS = 1_000
# Those of `src/common/duration.ts` in which an allocation may be long.
UNITS_MS = {
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), SECOND_MS),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60 * SECOND_MS),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3_600 * SECOND_MS),
    **dict.fromkeys(("d", "day", "days"), 86_400 * SECOND_MS),
    **dict.fromkeys(("w", "week", "weeks"), 604_800 * SECOND_MS),
}
CLOCK = re.compile(r"(?:(?:(\d+):)?(\d+):)?(\d+)")
HUMAN = re.compile(r"(\d+(?:\.\d+)?)\s*([a-z]+)\s*")


class WorkflowQueue:
    """An allocation queue that belongs to one run. Its name tells the job of the run, so that it is found again.

    :param params: as `queue_params` makes them
    :param say: shows one line to the user
    """

    def __init__(self, client: Client, params: models.QueueParams, say: Callable[[str], None]) -> None:
        self._client = client
        self._params = params
        self._say = say
        self._name: str | None = None
        self._id: int | None = None
        self._paused: str | None = None

    def create(self, job_id: int) -> None:
        """:raises HqError: when the batch system or the server refuses it; nothing is left then"""
        self._name = queue_name(job_id)
        params: Any = {**self._params, "name": self._name}
        created = self._client.create_queue({"params": params})
        self._id = created["queueId"]
        self._say(f"allocations come from queue {self._id} ({self._params['system']}) and end with the workflow")

    def look_after(self) -> None:
        """Says when the queue has given up: jobs wait until somebody mends the cause. Quiet when no server answers."""
        if self._id is None:
            return
        try:
            queue = next((one for one in self._client.queues() if one["id"] == self._id), None)
        except HqError:
            return
        reason = (
            None if queue is None or queue["state"] != "paused" else queue["pausedReason"] or "somebody asked for it"
        )
        if reason is not None and reason != self._paused:
            directory = shlex.quote(str(self._client.server_dir))
            self._say(
                f"no more allocations are submitted: {reason}. Jobs wait; see hq alloc info {self._id}, mend the "
                f"cause, then: hq alloc resume {self._id} --server-dir {directory}"
            )
        self._paused = reason

    def remove(self) -> None:
        """Waiting allocations are canceled; running ones end as soon as nothing runs on them.

        A second call does nothing. :raises HqError: when the server cannot be asked
        """
        if self._name is None:
            return
        # Looked up, as the answer to its creation may have been lost.
        remove_queues(self._client, {self._name})
        self._name = self._id = None


def queue_name(job_id: int) -> str:
    """The name of the queue of a run."""
    return f"{NAME_PREFIX}{job_id}"


def remove_queues(client: Client, names: set[str]) -> None:
    """Removes the queues with these names that are not on their way out yet. :raises HqError:"""
    for queue in client.queues():
        if queue["params"].get("name") not in names or queue["state"] == "draining":
            continue
        try:
            client.remove_queue(queue["id"])
        except ServerUnavailable:
            raise
        except HqError as error:
            # Somebody else has been faster.
            if error.code != "HQ_E_QUEUE_NOT_FOUND":
                raise


def queue_params(settings: ExecutorSettings) -> models.QueueParams | None:
    """What the settings ask for; None: no queue. Pure.

    :raises WorkflowError: one line that names the setting and the fix
    """
    wanted = _system_of(settings)
    if wanted is None:
        for name in ("time_limit", "max_workers", "workers_per_alloc"):
            if getattr(settings, name) is not None:
                raise _wrong(name, "is of use only with --hyperqueue-slurm or --hyperqueue-alloc")
        return None
    system, arguments = wanted
    if settings.time_limit is None:
        raise _wrong("time_limit", "is missing: how long may an allocation be? For example --hyperqueue-time-limit 4h")
    params: dict[str, Any] = {
        "system": system,
        "timeLimitMs": _duration_ms(settings.time_limit),
        "additionalArgs": arguments,
        "backlog": min(settings.max_workers or BACKLOG_MOST, BACKLOG_MOST),
    }
    if settings.max_workers is not None:
        params["maxWorkerCount"] = _positive("max_workers", settings.max_workers)
    if settings.workers_per_alloc is not None:
        params["maxWorkersPerAlloc"] = _positive("workers_per_alloc", settings.workers_per_alloc)
    if settings.cpus is not None:
        params["worker"] = {"cpus": str(_positive("cpus", settings.cpus))}
    return params  # type: ignore[return-value]


def _system_of(settings: ExecutorSettings) -> tuple[str, list[str]] | None:
    """Name of the batch system and the options for it."""
    if settings.slurm is not None and settings.alloc is not None:
        raise _wrong("alloc", "and --hyperqueue-slurm cannot both be given: a run has one queue")
    if settings.slurm is not None:
        return "slurm", _words("slurm", settings.slurm)
    if settings.alloc is None:
        return None
    words = _words("alloc", settings.alloc)
    if not words or words[0].startswith("-"):
        raise _wrong("alloc", "begins with the name of a batch system: slurm, pbs, gridengine, local or plugin:PATH")
    return words[0], words[1:]


def _words(name: str, text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError as error:
        raise _wrong(name, f"{text!r} is not words of a shell: {error}") from None


def _duration_ms(text: str) -> float:
    """`4h`, `1h 30min`, `[[HH:]MM:]SS`, as `hq alloc add --time-limit` takes them."""
    wanted = text.strip()
    clock = CLOCK.fullmatch(wanted)
    if clock is not None:
        hours, minutes, seconds = (int(digits or 0) for digits in clock.groups())
        total: float = ((hours * 60 + minutes) * 60 + seconds) * SECOND_MS
    else:
        parts = HUMAN.findall(wanted)
        if HUMAN.sub("", wanted) or any(unit not in UNITS_MS for _, unit in parts):
            hint = (
                "; whether runtimes are limits is said with --hyperqueue-runtime-limit" if text in ("on", "off") else ""
            )
            raise _wrong("time_limit", f"'{text}' is no duration: give one like 4h, 90min or 01:30:00{hint}")
        total = sum(float(digits) * UNITS_MS[unit] for digits, unit in parts)
    if total <= 0:
        raise _wrong("time_limit", f"'{text}' is no time at all: give a duration like 4h")
    return total


def _positive(name: str, value: int) -> int:
    if value < 1:
        raise _wrong(name, f"must be at least 1, not {value}")
    return value


def _wrong(name: str, text: str) -> WorkflowError:
    return WorkflowError(f"--hyperqueue-{name.replace('_', '-')} {text}")
