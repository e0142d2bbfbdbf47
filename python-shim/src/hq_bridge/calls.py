"""Calls on their way through a task, for whom somebody waits. Used by `Executor`."""

from __future__ import annotations

import time
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, cast

from .batch import Call

if TYPE_CHECKING:
    from ._generated import models


class Work(NamedTuple):
    """Calls that go into one task, and who waits for them."""

    fn: Callable[..., Any]
    calls: List[Call]
    futures: "List[Future[Any]]"


def begin(work: Work) -> bool:
    """Leaves out what was canceled before it was sent; tells whether anything is left."""
    kept = [index for index, future in enumerate(work.futures) if future.set_running_or_notify_cancel()]
    work.calls[:] = [work.calls[index] for index in kept]
    work.futures[:] = [work.futures[index] for index in kept]
    return bool(kept)


def cancel(work: Work) -> None:
    """None of these calls is ever sent."""
    for future in work.futures:
        future.cancel()
    begin(work)


def fail(work: Work, error: BaseException) -> None:
    """All calls of a task end with this error."""
    for future in work.futures:
        if not future.done():
            future.set_exception(error)


def in_order(futures: "List[Future[Any]]", end: Optional[float]) -> Iterator[Any]:
    """Results in this order; what is left is canceled when nobody goes on asking.

    :param end: on the monotonic clock, seconds; after it `TimeoutError` is raised
    """
    futures.reverse()
    try:
        while futures:
            # Popped first, so that what was delivered can be freed.
            yield futures.pop().result(None if end is None else max(0.0, end - time.monotonic()))
    finally:
        for future in futures:
            future.cancel()


def cpus_of(worker: "models.WorkerInfo") -> int:
    """CPUs of a worker; 0 for one that has described none."""
    for resource in worker["configuration"]["resources"]["resources"]:
        if resource["name"] == "cpus":
            return _size_of(cast(Dict[str, Any], resource))
    return 0


def _size_of(resource: Dict[str, Any]) -> int:
    if resource["kind"] == "range":
        return int(resource["end"]) - int(resource["start"]) + 1
    groups: List[Any] = resource.get("groups", [resource.get("values", [])])
    return sum(len(group) for group in groups)
