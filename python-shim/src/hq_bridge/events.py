"""The server's events, read in a thread of its own that resumes by sequence number when something breaks.

    with EventStream(server_dir, on_message=queue.put, jobs="3", types=["task-finished"]) as stream:
        ...

What arrives is handed to `on_message` in the reader's thread, in order: `Batch`, then for trouble `Lost`, `Resumed`
and `Gap`, each at most once per break.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import socket
import threading
from typing import TYPE_CHECKING, Callable, Iterable, Iterator, List, NamedTuple, Optional, Tuple, Union
from urllib.parse import urlencode

from .access import Access, AnyPath, server_directory
from .client import Client, open_connection, parse_answer
from .errors import HqError, ServerUnavailable
from .transport import headers, pieces_of

if TYPE_CHECKING:
    from ._generated import models

# Three of the server's keep-alive comments.
SILENCE_LIMIT_S = 45.0
# A restarted server is back within a second; a machine that reboots should not be asked all the time.
RETRY_S = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)


class Batch(NamedTuple):
    """Events in order of their numbers."""

    events: "List[models.HqEvent]"


class Lost(NamedTuple):
    """The connection broke and has not come back at once; the reader goes on trying."""

    error: HqError


class Resumed(NamedTuple):
    """Connected again; nothing was missed unless `Gap` follows. `server_uid` tells whether it is the same server."""

    server_uid: str


class Gap(NamedTuple):
    """Events were missed: read the state of what matters again."""


Message = Union[Batch, Lost, Resumed, Gap]


class EventStream:
    """Follows events until it is closed. With `lease` it also keeps an embedded server alive.

    :param after: start behind this sequence number (0: from the oldest kept); None: only new events
    :param jobs: ids like `1-10,20`; only their events
    :param types: only events of these types
    :param gather_ms: least time from one batch to the next, milliseconds: what happens meanwhile comes in one
    """

    def __init__(
        self,
        server_dir: Optional[AnyPath],
        on_message: Callable[[Message], None],
        *,
        after: Optional[int] = None,
        jobs: Optional[str] = None,
        types: Optional[Iterable[str]] = None,
        lease: Optional[str] = None,
        gather_ms: Optional[int] = None,
    ) -> None:
        self.server_dir = server_directory(server_dir)
        self.seq = after
        self.lease = lease
        self._jobs = jobs
        self._types = None if types is None else ",".join(types)
        self._gather_ms = gather_ms
        self._deliver = on_message
        self._closed = threading.Event()
        self._socket: Optional[socket.socket] = None
        self._uid: Optional[str] = None
        self._thread: Optional[threading.Thread] = None

    def open(self) -> "EventStream":
        """Connects and starts reading; every event from now on is delivered.

        :raises HqError: when the first connection fails
        """
        response = self._request()
        self._thread = threading.Thread(target=self._run, args=(response,), name="hq-events", daemon=True)
        self._thread.start()
        return self

    def close(self, timeout_s: float = 5.0) -> None:
        """Ends the lease cleanly, where there is one, and the reader. May be called twice."""
        if self._closed.is_set():
            return
        self._closed.set()
        if self.lease is not None:
            try:
                with Client(self.server_dir, timeout_s) as client:
                    client.end_lease(self.lease)
            except HqError:
                pass  # There is no server whose lease could be held.
        self._shut()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(timeout_s)

    def __enter__(self) -> "EventStream":
        return self.open()

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def _run(self, response: http.client.HTTPResponse) -> None:
        current: Optional[http.client.HTTPResponse] = response
        while current is not None:
            try:
                self._follow(current)
            except HqError as error:
                self._forget_place(error)
            except (OSError, ValueError, http.client.HTTPException):
                pass  # However it broke, the way on is the same.
            finally:
                current.close()
            current = self._reconnect()

    def _follow(self, response: http.client.HTTPResponse) -> None:
        for number, name, data in read_messages(lines_of(response)):
            if self._closed.is_set():
                return
            if name == "failure":
                parse_answer(500, data)
            if name == "batch":
                self._deliver(Batch(json.loads(data)))
            if number is not None:
                self.seq = number

    def _reconnect(self) -> Optional[http.client.HTTPResponse]:
        """Tries until it has a stream again or is closed (None)."""
        lost = False
        attempt = 0
        known = self._uid
        while not self._closed.wait(RETRY_S[min(attempt, len(RETRY_S)) - 1] if attempt > 0 else 0):
            attempt += 1
            from_here = self.seq is None
            try:
                response = self._request()
            except HqError as error:
                self._forget_place(error)
                # The first failure is usually a restart that takes a moment.
                if attempt > 1 and not lost:
                    lost = True
                    self._deliver(Lost(error))
                continue
            if lost or self._uid != known:
                self._deliver(Resumed(self._uid or ""))
            # Only now: whoever reads the state again must not miss what happens meanwhile.
            if from_here and self._uid == known:
                self._deliver(Gap())
            return response
        return None

    def _forget_place(self, error: HqError) -> None:
        if error.code == "HQ_E_EVENTS_GONE":
            self.seq = None

    def _request(self) -> http.client.HTTPResponse:
        connection, access = open_connection(self.server_dir, SILENCE_LIMIT_S, self._notice_server)
        # http.client hands the socket over to an answer without end, so it has to be remembered here.
        self._socket = connection.sock
        query = {
            "after": self.seq,
            "jobs": self._jobs,
            "types": self._types,
            "lease": self.lease,
            "gatherMs": self._gather_ms,
        }
        target = "/v1/events?" + urlencode({key: value for key, value in query.items() if value is not None})
        try:
            connection.request("GET", target, headers=headers(access))
            response = connection.getresponse()
            if response.status != 200:
                parse_answer(response.status, response.read())
        except HqError:
            connection.close()
            raise
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise ServerUnavailable("HQ_E_SERVER_GONE", f"the event stream broke: {error}") from error
        self._uid = access.server_uid
        return response

    def _notice_server(self, access: Access) -> None:
        """Another server counts its own events from one."""
        if self._uid is not None and access.server_uid != self._uid:
            self.seq = None

    def _shut(self) -> None:
        """Wakes a reader that waits in another thread; closing alone would not."""
        if self._socket is not None:
            # The other side may have been faster.
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def lines_of(response: http.client.HTTPResponse) -> Iterator[bytes]:
    """Lines of an endless answer without their line feeds. Its own reading of lines takes several calls for each in an answer that
    comes in chunks.
    """
    rest = b""
    for piece in pieces_of(response):
        *lines, rest = (rest + piece).split(b"\n")
        yield from lines


def read_messages(lines: Iterable[bytes]) -> Iterator[Tuple[Optional[int], str, bytes]]:
    """Splits a server-sent event stream into (id, event, data). An id without data is a message with an empty name."""
    number: Optional[int] = None
    name = ""
    data: List[bytes] = []
    for raw in lines:
        line = raw.rstrip(b"\r\n")
        field, _, value = line.partition(b":")
        value = value[1:] if value.startswith(b" ") else value
        if field == b"id":
            number = int(value)
        elif field == b"event":
            name = value.decode()
        elif field == b"data":
            data.append(value)
        elif line == b"" and (number is not None or name or data):
            yield number, name if data else "", b"\n".join(data)
            number, name, data = None, "", []
