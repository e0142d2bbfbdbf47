"""The event stream against a stand-in: order, resuming by number, breaks, gaps, leases."""

from __future__ import annotations

import io
import queue
import threading

import pytest

from hq_bridge import Batch, EventStream, Gap, HqError, Lost, Resumed
from hq_bridge.events import lines_of, read_messages


class Streams:
    """Answers every request for events with a stream that the test feeds."""

    def __init__(self, fake):
        self.opened = queue.Queue()
        self.others = queue.Queue()
        self.release = threading.Event()
        fake.answer = self.answer

    def answer(self, request):
        if not request.path.startswith("/v1/events"):
            self.others.put(request)
            return 200, {"ended": 1}
        request.handler.start_stream()
        self.opened.put(request)
        request.handler.close_connection = True
        self.release.wait(30)
        return None

    def next(self):
        return self.opened.get(timeout=30)


@pytest.fixture
def streams(fake):
    streams = Streams(fake)
    yield streams
    streams.release.set()


def batch(*numbers):
    events = ",".join(f'{{"seq":{number}}}' for number in numbers)
    return f"id: {numbers[-1]}\nevent: batch\ndata: [{events}]\n\n"


def end(request):
    """The server goes away."""
    request.handler.connection.shutdown(2)


def numbers(message):
    assert isinstance(message, Batch)
    return [event["seq"] for event in message.events]


def test_messages_of_any_shape():
    text = (
        b": keep-alive\n\nid: 4\n\nid: 5\nevent: batch\ndata: [1,\ndata: 2]\n\r\ndata: x\n\nevent: failure\ndata:y\n\n"
    )
    messages = [(4, "", b""), (5, "batch", b"[1,\n2]"), (None, "", b"x"), (None, "failure", b"y")]
    assert list(read_messages(text.splitlines(keepends=True))) == messages
    for length in (1, 2, 3, 10, len(text)):
        answer = io.BytesIO(text)
        answer.read1 = lambda _most, of=answer, length=length: of.read(length)
        assert list(read_messages(lines_of(answer))) == messages


def test_events_arrive_in_order_and_the_query_selects(fake, streams):
    inbox = queue.Queue()
    stream = EventStream(fake.directory, inbox.put, after=7, jobs="1,3", types=["task-finished", "task-failed"])
    with stream:
        request = streams.next()
        assert request.path == "/v1/events?after=7&jobs=1%2C3&types=task-finished%2Ctask-failed"
        request.handler.chunk(batch(8) + batch(9, 10))
        assert numbers(inbox.get(timeout=30)) == [8]
        assert numbers(inbox.get(timeout=30)) == [9, 10]


def test_message_may_come_in_pieces(fake, streams):
    inbox = queue.Queue()
    with EventStream(fake.directory, inbox.put, gather_ms=50):
        request = streams.next()
        assert request.path == "/v1/events?gatherMs=50"
        for piece in batch(5, 6):
            request.handler.chunk(piece)
        assert numbers(inbox.get(timeout=30)) == [5, 6]


def test_first_connection_must_succeed(tmp_path):
    with pytest.raises(HqError, match="no running server"):
        EventStream(tmp_path, lambda _message: None).open()


def test_broken_stream_resumes_behind_the_last_event(fake, streams):
    inbox = queue.Queue()
    with EventStream(fake.directory, inbox.put):
        first = streams.next()
        assert first.path == "/v1/events?"
        first.handler.chunk("id: 41\n\n" + batch(42))
        assert numbers(inbox.get(timeout=30)) == [42]
        end(first)
        second = streams.next()
        assert second.path == "/v1/events?after=42"
        second.handler.chunk(batch(43))
        assert numbers(inbox.get(timeout=30)) == [43]


def test_stream_without_events_resumes_from_where_it_began(fake, streams):
    inbox = queue.Queue()
    stream = EventStream(fake.directory, inbox.put)
    with stream:
        first = streams.next()
        first.handler.chunk("id: 41\n\n: keep-alive\n\n")
        while stream.seq is None:
            pass
        end(first)
        assert streams.next().path == "/v1/events?after=41"
    assert inbox.empty()


def test_restarted_server_is_told_and_followed(fake, streams):
    inbox = queue.Queue()
    with EventStream(fake.directory, inbox.put, after=3):
        first = streams.next()
        fake.stop()
        end(first)
        assert isinstance(inbox.get(timeout=30), Lost)
        fake.start(tcp=True)
        assert inbox.get(timeout=30) == Resumed("uid-1")
        assert streams.next().path == "/v1/events?after=3"


def test_another_server_is_told_and_counts_from_its_own_start(fake, streams):
    inbox = queue.Queue()
    with EventStream(fake.directory, inbox.put, after=3):
        first = streams.next()
        fake.stop()
        fake.uid = "uid-2"
        fake.start(tcp=True)
        end(first)
        assert inbox.get(timeout=30) == Resumed("uid-2")
        assert streams.next().path == "/v1/events?"


def test_missed_events_are_a_gap_told_after_the_new_stream_is_there(fake, streams):
    inbox = queue.Queue()
    with EventStream(fake.directory, inbox.put, after=3):
        first = streams.next()
        gone = '{"error":{"code":"HQ_E_EVENTS_GONE","message":"events before 9 are gone","hint":"","data":{}}}'
        first.handler.chunk(f"event: failure\ndata: {gone}\n\n")
        end(first)
        second = streams.next()
        assert second.path == "/v1/events?"
        assert inbox.get(timeout=30) == Gap()


def test_close_ends_the_lease_and_the_reader(fake, streams):
    stream = EventStream(fake.directory, lambda _message: None, lease="run 1/x").open()
    assert streams.next().path == "/v1/events?lease=run+1%2Fx"
    stream.close()
    request = streams.others.get(timeout=30)
    assert (request.method, request.path) == ("DELETE", "/v1/leases/run%201%2Fx")
    assert not stream._thread.is_alive()
    stream.close()
    assert streams.others.empty()


def test_close_while_the_server_is_away(fake, streams):
    inbox = queue.Queue()
    stream = EventStream(fake.directory, inbox.put, lease="x").open()
    first = streams.next()
    fake.stop()
    end(first)
    assert isinstance(inbox.get(timeout=30), Lost)
    stream.close()
    assert not stream._thread.is_alive()
