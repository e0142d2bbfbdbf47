"""The job client for asyncio: the same calls, awaited. Requests run in threads; a canceled wait ends at once.

    async with AsyncJobClient() as client:
        submitted = await client.submit(job)
        await client.wait_for_jobs([submitted])

Futures of an `Executor` are awaited with `asyncio.wrap_future`.
"""

from __future__ import annotations

import asyncio
import functools
from typing import Any, AsyncIterator, Callable, List, Optional, Sequence, Tuple, TypeVar

from .failures import TaskFailures
from .job import HasJobId, Job, SubmittedJob, job_id_of
from .job_client import JobClient
from .tasks import Task

Value = TypeVar("Value")


class AsyncJobClient:
    """Takes what `JobClient` takes, and raises what that raises. Used with `async with`, or after `await start()`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._make = functools.partial(JobClient, *args, **kwargs)
        self._client: Optional[JobClient] = None

    @property
    def client(self) -> JobClient:
        """The client behind this one, whose calls block."""
        if self._client is None:
            raise RuntimeError("the client was not started; use it with: async with AsyncJobClient() as client")
        return self._client

    async def start(self) -> "AsyncJobClient":
        if self._client is None:
            self._client = await _in_thread(self._make)
        return self

    async def close(self) -> None:
        if self._client is not None:
            await _in_thread(self._client.close)

    async def __aenter__(self) -> "AsyncJobClient":
        return await self.start()

    async def __aexit__(self, *_exc_info: object) -> None:
        await self.close()

    async def submit(self, job: Job) -> SubmittedJob:
        return await _in_thread(self.client.submit, job)

    async def extend(self, submitted: SubmittedJob) -> List[Task]:
        return await _in_thread(self.client.extend, submitted)

    async def close_job(self, job: HasJobId) -> None:
        await _in_thread(self.client.close_job, job)

    async def wait_for_jobs(self, jobs: Sequence[HasJobId], raise_on_error: bool = True) -> bool:
        """Draws no progress. When it is canceled the jobs go on."""
        waiter = self.client.waiter([job_id_of(job) for job in jobs])
        try:
            ended = await _in_thread(waiter.wait)
        finally:
            waiter.stop()
        return await _in_thread(self.client.judge, jobs, ended or [], raise_on_error)

    async def get_failed_tasks(self, job: HasJobId) -> TaskFailures:
        return await _in_thread(self.client.get_failed_tasks, job)

    async def results(self, job: HasJobId) -> AsyncIterator[Tuple[int, Any]]:
        """Task ids and what the functions have returned, one by one, of those that have finished by now."""
        found = await _in_thread(self.client.results, job)
        ids: List[int] = await _in_thread(list, found)
        for task_id in ids:
            yield task_id, await _in_thread(found.__getitem__, task_id)

    async def cancel(self, job: HasJobId, tasks: Optional[Sequence[int]] = None, reason: Optional[str] = None) -> int:
        return await _in_thread(self.client.cancel, job, tasks, reason)

    async def forget(self, job: HasJobId) -> None:
        await _in_thread(self.client.forget, job)


async def _in_thread(call: Callable[..., Value], *args: Any) -> Value:
    # asyncio.to_thread is younger than Python 3.8.
    return await asyncio.get_running_loop().run_in_executor(None, functools.partial(call, *args))
