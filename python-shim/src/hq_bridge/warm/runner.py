"""The loop of a warm runner: starts tasks as forks of this process, watches them and tells the worker of their ends.

One thread that waits for nothing but news. As in hqspawn a task sets itself up, what goes wrong there is left in shared
memory, the group of an ended task is killed before its number is free, and its end is told when the group is gone. When
the requests end, the worker is gone: every task is interrupted and, a second later, killed.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
import os
import select
import signal
import struct
import sys
import time
import traceback
from typing import Dict, List, NoReturn, Optional, Union

from . import capture, frames, linux, task
from .frames import Launch, Variables
from .host import Host, Outdated, Plain, Start

MAX_TASKS = 4096
READ_BYTES = 64 * 1024
GRACE_S = 1.0
# A killed process in an uninterruptible wait is not waited for any longer.
GIVE_UP_S = 2.0
DRAIN_POLL_MS = 10
_FAILURE = struct.Struct("<II")


class _Task:
    """`drained_by`: once its main process has ended, until when the rest of its group is waited for (monotonic)."""

    def __init__(self, number: int, slot: int, captures: List[Optional[int]]) -> None:
        self.id = number
        self.slot = slot
        self.captures = captures
        self.pid = 0
        self.begun = time.monotonic()
        self.status = 0
        self.usage = (0, 0, 0, 0)
        self.drained_by = 0.0


class Runner:
    """:param requests: open file; :param answers: open file; :param directory: node-local, for captured output"""

    def __init__(self, requests: int, answers: int, directory: str) -> None:
        self._requests = requests
        self._answers = answers
        self._spares = capture.Spares(directory)
        self._host: Optional[Host] = None
        self._in = bytearray()
        self._out = bytearray()
        self._environments: Dict[int, Variables] = {}
        self._tasks: Dict[int, _Task] = {}
        self._running: Dict[int, _Task] = {}
        self._draining: List[_Task] = []
        self._slots = list(range(MAX_TASKS - 1, -1, -1))
        self._failures = mmap.mmap(-1, MAX_TASKS * _FAILURE.size)
        self._said: Dict[str, None] = {}
        self._gone_at: Optional[float] = None
        self._killed = False

    @property
    def pid(self) -> int:
        return os.getpid()

    @property
    def requests(self) -> int:
        return self._requests

    def abandon(self) -> None:
        """A fork of this process serves the worker: its pipes must end with it."""
        os.close(self._requests)
        os.close(self._answers)

    def note(self, text: str) -> None:
        """Says something for the worker's log before it ends: there is nothing to serve."""
        os.write(self._answers, frames.note(text))

    def serve(self, host: Host, notes: List[str]) -> None:
        """Greets the worker and runs tasks until it is gone and they have ended. :param notes: for the worker's log"""
        self._host = host
        self._wake, wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._own_fds = [self._requests, self._answers, self._wake, wake]
        os.set_blocking(self._requests, False)
        os.set_blocking(self._answers, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        task.block_signals()
        linux.adopt_orphans()
        sys.stdout.flush()
        sys.stderr.flush()
        # What is here stays: without this the first collection in a task would copy all of it.
        gc.collect()
        gc.freeze()
        self._out += frames.hello(self.pid)
        for text in notes:
            self._out += frames.note(text)
        while not self._finished():
            self._flush()
            self._wait()
            self._read()
            self._reap()
            self._drain()

    # News

    def _wait(self) -> None:
        poll = select.poll()
        poll.register(self._wake, select.POLLIN)
        if self._gone_at is None:
            poll.register(self._requests, select.POLLIN)
        if self._out:
            poll.register(self._answers, select.POLLOUT)
        poll.poll(DRAIN_POLL_MS if self._draining or self._gone_at is not None else None)
        with contextlib.suppress(BlockingIOError):
            os.read(self._wake, READ_BYTES)

    def _flush(self) -> None:
        while self._out:
            try:
                del self._out[: os.write(self._answers, self._out)]
            except BlockingIOError:
                return
            except OSError:
                # Nobody listens any more; the requests end, too.
                self._out.clear()

    def _read(self) -> None:
        if self._gone_at is not None:
            return
        try:
            data = os.read(self._requests, READ_BYTES)
        except BlockingIOError:
            return
        if not data:
            self._gone_at = time.monotonic()
            self._signal_all(signal.SIGINT)
            return
        self._in += data
        for kind, body in frames.take_frames(self._in):
            self._handle(kind, body)

    def _handle(self, kind: bytes, body: bytes) -> None:
        if kind == b"L":
            self._start(frames.parse_launch(body))
        elif kind == b"E":
            number, variables = frames.parse_environment(body)
            self._environments[number] = variables
        elif kind == b"K":
            number, signal_number = frames.numbers(body, 2)
            if number in self._tasks:
                self._signal(self._tasks[number], signal_number)
        elif kind == b"R":
            (number,) = frames.numbers(body, 1)
            self._release(self._tasks.get(number))
        else:
            raise ValueError(f"an unknown request {kind!r}")

    def _finished(self) -> bool:
        """The worker is gone, and nothing is left to be done."""
        if self._gone_at is None:
            return False
        since = time.monotonic() - self._gone_at
        if not self._killed and since > GRACE_S:
            self._signal_all(signal.SIGKILL)
            self._killed = True
        return not (self._running or self._draining) or since > GRACE_S + GIVE_UP_S

    # Tasks

    def _start(self, launch: Launch) -> None:
        if not self._slots:
            self._out += frames.failed(launch.id, frames.START, 11)
            return
        captures: List[Optional[int]] = [None, None]
        try:
            for channel, output in enumerate(launch.outputs):
                if output == frames.OUT_CAPTURE:
                    captures[channel] = self._spares.take()
        except OSError as error:
            capture.close(captures)
            self._out += frames.failed(launch.id, frames.CAPTURE, error.errno or 0)
            return
        assert self._host is not None
        start = self._host.prepare(launch)
        if isinstance(start, Plain):
            self._say(start)
        one = _Task(launch.id, self._slots.pop(), captures)
        _FAILURE.pack_into(self._failures, one.slot * _FAILURE.size, 0, 0)
        at_us = time.time_ns() // 1000
        parent = self.pid
        try:
            one.pid = os.fork()
        except OSError as error:
            capture.close(captures)
            self._slots.append(one.slot)
            self._out += frames.failed(launch.id, frames.START, error.errno or 0)
            return
        if one.pid == 0:
            self._become(launch, one, start, parent)
        self._tasks[one.id] = self._running[one.pid] = one
        self._out += frames.started(one.id, one.pid, captures, at_us)

    def _become(self, launch: Launch, one: _Task, start: Union[Start, Plain], parent: int) -> NoReturn:
        try:
            env = {**self._environments[launch.environment], **launch.lane, **launch.own}
            assert self._host is not None
            if not isinstance(start, Plain):
                env = self._host.variables(env)
            task.set_up(launch, env, one.captures, parent)
            for fd in self._own_fds:
                os.close(fd)
            for other in [one, *self._tasks.values()]:
                capture.close(other.captures)
            self._spares.close()
            task.unblock_signals()
            if isinstance(start, Plain):
                task.execute(launch.args)
            start()
        except task.SetUpError as error:
            _FAILURE.pack_into(self._failures, one.slot * _FAILURE.size, error.step, error.errno)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(127)

    def _say(self, reason: Plain) -> None:
        """Once for each reason."""
        if reason not in self._said:
            self._said[reason] = None
            self._out += frames.outdated(reason) if isinstance(reason, Outdated) else frames.note(reason)

    def _signal(self, one: _Task, number: int) -> None:
        if one.pid not in self._running:
            return
        try:
            os.killpg(one.pid, number)
        except ProcessLookupError:
            # It has not come to its session yet.
            os.kill(one.pid, number)

    def _signal_all(self, number: int) -> None:
        for one in list(self._running.values()):
            self._signal(one, number)

    def _reap(self) -> None:
        """Also orphans, which nobody else waits for."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            one = self._running.pop(ended.si_pid, None)
            if one is None:
                os.waitpid(ended.si_pid, 0)
            else:
                self._ended(one)

    def _ended(self, one: _Task) -> None:
        # Before its number can belong to somebody else.
        with contextlib.suppress(OSError):
            os.killpg(one.pid, signal.SIGKILL)
        _, one.status, used = os.wait4(one.pid, 0)
        wall_us = int((time.monotonic() - one.begun) * 1e6)
        one.usage = (int(used.ru_utime * 1e6), int(used.ru_stime * 1e6), used.ru_maxrss, wall_us)
        step, error = _FAILURE.unpack_from(self._failures, one.slot * _FAILURE.size)
        self._slots.append(one.slot)
        if step != 0:
            self._out += frames.failed(one.id, step, error)
            self._release(one)
        elif _group_lives(one.pid):
            one.drained_by = time.monotonic() + GIVE_UP_S
            self._draining.append(one)
        else:
            self._tell_end(one)

    def _drain(self) -> None:
        now = time.monotonic()
        for one in self._draining[:]:
            if now > one.drained_by or not _group_lives(one.pid):
                self._draining.remove(one)
                self._tell_end(one)

    def _tell_end(self, one: _Task) -> None:
        outputs = [capture.content(fd) for fd in one.captures]
        self._out += frames.ended(one.id, one.status, one.usage, outputs)
        assert self._host is not None
        modules = self._host.lesson()
        if modules:
            self._out += frames.lesson(modules)
        if one.captures == [None, None]:
            self._release(one)

    def _release(self, one: Optional[_Task]) -> None:
        if one is not None and one.pid not in self._running:
            # Where a process of an ended task goes on it may still write.
            if linux.children() == self._running.keys():
                self._spares.put(one.captures)
            else:
                capture.close(one.captures)
            self._tasks.pop(one.id, None)


def _group_lives(pid: int) -> bool:
    try:
        os.killpg(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
