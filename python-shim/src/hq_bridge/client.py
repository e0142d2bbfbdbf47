"""Typed calls to a server. One connection is kept and reused, and opened again after a restart of the server.

Safe to use from several threads; their requests go one after the other.
"""

from __future__ import annotations

import http.client
import json
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Callable, Dict, Generator, Iterable, List, Mapping, Optional, Tuple, Union, cast
from urllib.parse import quote, urlencode

from .access import Access, AnyPath, read_access, server_directory
from .errors import HqError, ServerUnavailable
from .transport import connect, headers, is_stale, pieces_of

if TYPE_CHECKING:
    from ._generated import models

# Below the 75 s after which the server closes an idle connection: no request is ever on its way into a closing one.
KEEP_CONNECTION_S = 30.0
# A submit of a hundred thousand tasks is parsed, checked and synced to disk in seconds; ten times that is a hang.
ANSWER_TIMEOUT_S = 120.0

_Query = Iterable[Tuple[str, Union[str, int]]]


class Client:
    """Calls to the server of one server directory.

    `server_dir`: None for `HQ_SERVER_DIR`, else `~/.hq-server`. Every call raises `HqError` when the server refuses it
    and `ServerUnavailable` when none answers; its `sent` tells whether the request may have been carried out.
    """

    def __init__(self, server_dir: Optional[AnyPath] = None, timeout_s: float = ANSWER_TIMEOUT_S) -> None:
        self.server_dir: Path = server_directory(server_dir)
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._connection: Optional[http.client.HTTPConnection] = None
        self._headers: Dict[str, str] = {}
        self._used_at = 0.0

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; the next call opens a new one."""
        with self._lock:
            self._drop()

    # The server

    def server_info(self) -> "models.ServerInfo":
        return cast("models.ServerInfo", self._call("GET", "/v1/server"))

    def stop_server(self, keep_workers: bool = False) -> None:
        self._call("POST", "/v1/server/stop", {"keepWorkers": keep_workers})

    def workers(self, include_gone: bool = False) -> "List[models.WorkerInfo]":
        """Connected and reconnecting workers, sorted by id; `include_gone`: also those that have ended."""
        query = [("all", "true")] if include_gone else []
        return cast("List[models.WorkerInfo]", self._call("GET", "/v1/workers", query=query))

    def worker(self, worker_id: int) -> "models.WorkerInfo":
        return cast("models.WorkerInfo", self._call("GET", f"/v1/workers/{worker_id}"))

    def stop_worker(self, worker_id: int) -> None:
        self._call("POST", f"/v1/workers/{worker_id}/stop")

    def end_lease(self, lease: str) -> int:
        """Ends the event streams that hold this lease, cleanly; returns how many there were."""
        answer = cast("models.LeaseEnded", self._call("DELETE", f"/v1/leases/{quote(lease, safe='')}"))
        return answer["ended"]

    # Jobs

    def create_job(self, job: "models.CreateJob") -> "models.Submitted":
        return cast("models.Submitted", self._call("POST", "/v1/jobs", job))

    def jobs(
        self, live: bool = False, ids: Optional[str] = None, labels: Optional[Mapping[str, str]] = None
    ) -> "List[models.JobInfo]":
        """Jobs sorted by id. `live`: only open, waiting and running ones; `labels`: only those that have them all."""
        query: List[Tuple[str, Union[str, int]]] = [
            ("label", f"{key}={value}") for key, value in (labels or {}).items()
        ]
        if live:
            query.append(("live", "true"))
        if ids is not None:
            query.append(("ids", ids))
        return cast("List[models.JobInfo]", self._call("GET", "/v1/jobs", query=query))

    def job(self, job_id: int) -> "models.JobDetail":
        return cast("models.JobDetail", self._call("GET", f"/v1/jobs/{job_id}"))

    def submit(self, job_id: int, submit: "models.Submit") -> "models.Submitted":
        """Adds tasks to an open job. They are on the server's disk when this returns."""
        return cast("models.Submitted", self._call("POST", f"/v1/jobs/{job_id}/tasks", submit))

    def preview(self, submit: "models.Submit", job_id: Optional[int] = None) -> "models.SubmitPreview":
        """What a submit would bring, for a new job or this open one: ids, warnings, workers that fit. Changes nothing."""
        body = {"submit": submit} if job_id is None else {"submit": submit, "jobId": job_id}
        return cast("models.SubmitPreview", self._call("POST", "/v1/preview", body))

    def close_job(self, job_id: int) -> None:
        self._call("POST", f"/v1/jobs/{job_id}/close")

    def cancel(
        self, job_id: int, task_ids: Optional[str] = None, reason: Optional[str] = None
    ) -> "models.CancelAnswer":
        """Cancels unfinished tasks; `task_ids` like `1-10,20`, None for all of the job."""
        request = {"taskIds": task_ids, "reason": reason}
        body = {key: value for key, value in request.items() if value is not None}
        return cast("models.CancelAnswer", self._call("POST", f"/v1/jobs/{job_id}/cancel", body))

    def forget_job(self, job_id: int) -> None:
        self._call("DELETE", f"/v1/jobs/{job_id}")

    def tasks(
        self,
        job_id: int,
        ids: Optional[str] = None,
        states: Optional[Iterable[str]] = None,
        after: Optional[int] = None,
    ) -> "List[models.TaskInfo]":
        """Tasks of a job sorted by id, at most 100,000. `ids` like `1-10,20`; `after`: only higher ids, for paging."""
        query: List[Tuple[str, Union[str, int]]] = []
        if ids is not None:
            query.append(("ids", ids))
        if states is not None:
            query.append(("states", ",".join(states)))
        if after is not None:
            query.append(("after", after))
        return cast("List[models.TaskInfo]", self._call("GET", f"/v1/jobs/{job_id}/tasks", query=query))

    def task(self, job_id: int, task_id: int) -> "models.TaskDetail":
        return cast("models.TaskDetail", self._call("GET", f"/v1/jobs/{job_id}/tasks/{task_id}"))

    def explain_task(self, job_id: int, task_id: int) -> "models.TaskExplanation":
        """Why a task is not running: typed reasons, per worker and alternative of its request."""
        return cast("models.TaskExplanation", self._call("GET", f"/v1/jobs/{job_id}/tasks/{task_id}/explain"))

    def task_output(
        self, job_id: int, task_id: int, channel: str = "stdout", follow: bool = False, tail: Optional[int] = None
    ) -> "Generator[bytes, None, None]":
        """What a task has printed on `stdout` or `stderr`, piece by piece; `close()` or the end of the loop ends it.

        :param follow: until the task has ended; without it, what is there now
        :param tail: only the last bytes of what is there at the beginning
        :raises HqError: `HQ_E_LOG` when there is no output, `HQ_E_FILE` when it cannot be read
        :raises ServerUnavailable: also while it is iterated, when it was cut off
        """
        query: List[Tuple[str, Union[str, int]]] = [("follow", "true")] if follow else []
        if tail is not None:
            query.append(("tail", tail))
        path = f"/v1/jobs/{job_id}/tasks/{task_id}/output/{quote(channel, safe='')}"
        # A connection of its own: other calls go on while this one is read.
        connection, access = open_connection(self.server_dir, self.timeout_s)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}" if query else path, headers=headers(access))
            # The connection gives it up to an answer that is its last one.
            sock = connection.sock
            response = connection.getresponse()
            if response.status != 200:
                parse_answer(response.status, response.read())
                raise HqError("HQ_E_PROTOCOL", f"the server answered {response.status} instead of bytes")
            if follow:
                # A task may be silent for hours.
                sock.settimeout(None)
        except (http.client.HTTPException, OSError) as error:
            connection.close()
            raise _gone(error) from error
        except BaseException:
            connection.close()
            raise
        return _pieces(connection, response)

    # Allocation queues

    def create_queue(self, request: "models.CreateQueue") -> "models.QueueCreated":
        """Creates an allocation queue; unless `trial` is false an allocation is submitted and canceled at once before.

        :raises HqError: `HQ_E_QUEUE_PARAMS`, `HQ_E_BATCH_SYSTEM`, `HQ_E_ALLOC_TRIAL` when the batch system refuses it
        """
        return cast("models.QueueCreated", self._call("POST", "/v1/queues", request))

    def queues(self) -> "List[models.QueueInfo]":
        """Allocation queues, sorted by id."""
        return cast("List[models.QueueInfo]", self._call("GET", "/v1/queues"))

    def remove_queue(self, queue_id: int, running: str = "drain") -> None:
        """Removes a queue; what it has queued is canceled.

        :param running: what becomes of running allocations: `drain` (they end with their tasks), `cancel` or `refuse`
        """
        self._call("DELETE", f"/v1/queues/{queue_id}", query=[("running", running)])

    # HTTP

    def _call(self, method: str, path: str, body: Any = None, query: _Query = ()) -> Any:
        target = f"{path}?{urlencode(list(query))}" if query else path
        content = None if body is None else json.dumps(body, separators=(",", ":")).encode()
        with self._lock:
            try:
                status, data = self._exchange(method, target, content)
            except BaseException:
                # Also a KeyboardInterrupt: an answer still to come must not be taken for that of the next request.
                self._drop()
                raise
        return parse_answer(status, data)

    def _exchange(self, method: str, target: str, content: Optional[bytes]) -> Tuple[int, bytes]:
        reused = self._open()
        try:
            return self._send(method, target, content)
        except (http.client.HTTPException, OSError) as error:
            self._drop()
            # Only what changes nothing may be sent twice without asking.
            if not reused or method != "GET":
                raise _gone(error) from error
        self._open()
        try:
            return self._send(method, target, content)
        except (http.client.HTTPException, OSError) as error:
            raise _gone(error) from error

    def _send(self, method: str, target: str, content: Optional[bytes]) -> Tuple[int, bytes]:
        connection = cast(http.client.HTTPConnection, self._connection)
        extra = {} if content is None else {"Content-Type": "application/json"}
        connection.request(method, target, body=content, headers={**self._headers, **extra})
        response = connection.getresponse()
        data = response.read()
        self._used_at = time.monotonic()
        if response.will_close:
            self._drop()
        return response.status, data

    def _open(self) -> bool:
        """Makes sure that there is a connection; tells whether it is an old one."""
        if self._connection is not None:
            idle_s = time.monotonic() - self._used_at
            if idle_s < KEEP_CONNECTION_S and not is_stale(self._connection):
                return True
            self._drop()
        # The access file is read again each time: a restarted server may have another port.
        self._connection, access = open_connection(self.server_dir, self.timeout_s)
        self._headers = headers(access)
        return False

    def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def open_connection(
    server_dir: Path, timeout_s: float, check: Optional[Callable[[Access], None]] = None
) -> Tuple[http.client.HTTPConnection, Access]:
    """A new connection to the server of a directory. `check` may refuse the access file by raising."""
    access = read_access(server_dir)
    if check is not None:
        check(access)
    return connect(access, timeout_s), access


def parse_answer(status: int, data: bytes) -> Any:
    """The JSON of an answer, None where it has none.

    :raises HqError: what the server answered, when `status` is no success
    """
    try:
        content = json.loads(data) if data else None
    except ValueError:
        raise HqError("HQ_E_PROTOCOL", f"the server answered {status} with something that is not JSON") from None
    if 200 <= status < 300:
        return content
    error = content.get("error") if isinstance(content, dict) else None
    if not isinstance(error, dict):
        raise HqError("HQ_E_PROTOCOL", f"the server answered {status} without an error of its own")
    raise HqError(str(error.get("code")), str(error.get("message")), str(error.get("hint") or ""), error.get("data"))


def _pieces(
    connection: http.client.HTTPConnection, response: http.client.HTTPResponse
) -> "Generator[bytes, None, None]":
    try:
        yield from pieces_of(response)
    except (http.client.HTTPException, OSError) as error:
        raise _gone(error) from error
    finally:
        response.close()
        connection.close()


def _gone(error: Exception) -> ServerUnavailable:
    detail = str(error) or type(error).__name__
    hint = "Its jobs are kept; start it again with: hq server start"
    return ServerUnavailable("HQ_E_SERVER_GONE", f"the server went away in mid-command: {detail}", hint, sent=True)
