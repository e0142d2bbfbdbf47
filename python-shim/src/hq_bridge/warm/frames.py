"""The frames between a worker and a warm runner: a part of those of hqspawn (`src/worker/executor/launcherFrames.ts`).

Each is u32 length, one letter, body; numbers are little-endian u32 unless said otherwise, texts end with a null byte.
"""

from __future__ import annotations

import os
import struct
from typing import Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

PROTOCOL = 3
NONE = 0xFFFF_FFFF
# Longer than any task that fits a frame of the server: what is longer is garbage.
LIMIT_BYTES = 256 * 1024 * 1024

# Where a launch failed.
STDIN, MAKE_CWD, ENTER_CWD, MAKE_STDOUT_DIR, OPEN_STDOUT, MAKE_STDERR_DIR, OPEN_STDERR, AFFINITY, EXEC, START, CAPTURE, ENTER_GROUP = range(
    1, 13
)

# Where a channel goes.
OUT_NULL, OUT_FILE, OUT_CAPTURE, OUT_SAME = range(4)

Variables = Dict[bytes, bytes]
_LAUNCH = struct.Struct("<10I")


class Launch(NamedTuple):
    """One task.

    `lane` are the variables of what it holds; `group` is the `cgroup.procs` of its control group, or empty; `paths` are
    those of the channels that go to a file.
    """

    id: int
    environment: int
    args: List[bytes]
    own: Variables
    lane: Variables
    cwd: bytes
    group: bytes
    cpus: Tuple[int, ...]
    stdin: Optional[bytes]
    outputs: Tuple[int, int]
    paths: Tuple[Optional[bytes], Optional[bytes]]


def take_frames(data: bytearray) -> Iterator[Tuple[bytes, bytes]]:
    """Takes whole frames out of what has been read: their letters and bodies. The rest stays.

    :raises ValueError: for what is no frame
    """
    at = 0
    while len(data) - at >= 4:
        (length,) = struct.unpack_from("<I", data, at)
        if not 0 < length <= LIMIT_BYTES:
            raise ValueError(f"a frame of {length} bytes")
        if len(data) - at - 4 < length:
            break
        yield bytes(data[at + 4 : at + 5]), bytes(data[at + 5 : at + 4 + length])
        at += 4 + length
    del data[:at]


def numbers(body: bytes, count: int) -> Tuple[int, ...]:
    return struct.unpack_from(f"<{count}I", body)


def parse_environment(body: bytes) -> Tuple[int, Variables]:
    """The number of a shared environment, and its variables."""
    number, count = numbers(body, 2)
    return number, _variables(body[8:].split(b"\0")[:count])


def parse_launch(body: bytes) -> Launch:
    """:raises struct.error: when it is cut"""
    task, environment, _, nargs, nown, nlane, ncpus, nstdin, out, err = _LAUNCH.unpack_from(body)
    nfiles = (out == OUT_FILE) + (err == OUT_FILE)
    texts: List[bytes] = []
    at = _LAUNCH.size
    for _ in range(nargs + nown + nlane + 2 + nfiles):
        end = body.index(b"\0", at)
        texts.append(body[at:end])
        at = end + 1
    own, lane = nargs + nown, nargs + nown + nlane
    files = iter(texts[lane + 2 :])
    stdin = at + 4 * ncpus
    return Launch(
        id=task,
        environment=environment,
        args=texts[:nargs],
        own=_variables(texts[nargs:own]),
        lane=_variables(texts[own:lane]),
        cwd=texts[lane],
        group=texts[lane + 1],
        cpus=struct.unpack_from(f"<{ncpus}I", body, at),
        stdin=None if nstdin == NONE else body[stdin : stdin + nstdin],
        outputs=(out, err),
        paths=(next(files) if out == OUT_FILE else None, next(files) if err == OUT_FILE else None),
    )


def hello(pid: int) -> bytes:
    """`pid`: of the process that holds captured output, which need not be the one that the worker has started."""
    return _frame(b"H", PROTOCOL, pid)


def started(task: int, pid: int, captures: Sequence[Optional[int]], at_us: int) -> bytes:
    fds = [NONE if fd is None else fd for fd in captures]
    return _frame(b"S", task, pid, *fds, tail=struct.pack("<Q", at_us))


def failed(task: int, step: int, error: int) -> bytes:
    return _frame(b"F", task, step, error, 0)


def ended(task: int, status: int, usage: Tuple[int, int, int, int], outputs: Sequence[Optional[bytes]]) -> bytes:
    """`usage`: user us, system us, peak kB, wall us. `outputs`: what was captured; None: to be read from the file."""
    lengths = [NONE if output is None else len(output) for output in outputs]
    tail = struct.pack("<4Q2I", *usage, *lengths) + b"".join(output or b"" for output in outputs)
    return _frame(b"X", task, status, 0, tail=tail)


def note(text: str) -> bytes:
    """Something for the worker's log."""
    return _frame(b"N", tail=os.fsencode(text))


def outdated(text: str) -> bytes:
    """A note that also asks the worker to use another runner from now on."""
    return _frame(b"O", tail=os.fsencode(text))


def lesson(modules: Sequence[str]) -> bytes:
    """Modules that another runner should have loaded, in this order."""
    return _frame(b"M", tail=" ".join(modules).encode())


def _variables(pairs: Sequence[bytes]) -> Variables:
    return dict(pair.split(b"=", 1) for pair in pairs)  # type: ignore[misc]


def _frame(kind: bytes, *words: int, tail: bytes = b"") -> bytes:
    body = kind + struct.pack(f"<{len(words)}I", *words) + tail
    return struct.pack("<I", len(body)) + body
