"""Files for what tasks print, without names: nothing is left of them when the runner has ended. Used by the runner."""

from __future__ import annotations

import os
import time
from typing import List, Optional

# Up to this it travels with the end of its task, more is read from the file.
INLINE_BYTES = 32 * 1024


# More are not kept: as many tasks as end at about the same time.
_KEPT = 32


class Spares:
    """Files of ended tasks for later ones: making one takes a file system up to a millisecond.

    :param directory: node-local
    """

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._files: List[int] = []

    def take(self) -> int:
        """An open and empty file, to be appended to. :raises OSError:"""
        return self._files.pop() if self._files else make(self._directory)

    def put(self, fds: List[Optional[int]]) -> None:
        """Takes back files that no other process has open any more, which the caller has made sure of; `fds` has none then."""
        for channel, fd in enumerate(fds):
            if fd is not None and len(self._files) < _KEPT and os.fstat(fd).st_size <= INLINE_BYTES:
                os.ftruncate(fd, 0)
                self._files.append(fd)
                fds[channel] = None
        close(fds)

    def close(self) -> None:
        """In a fork, to which they are of no use."""
        for fd in self._files:
            os.close(fd)


def make(directory: str) -> int:
    """An open file, to be appended to. :raises OSError:"""
    flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC
    try:
        return os.open(directory, flags | os.O_TMPFILE, 0o600)
    except OSError:
        # A file system that has no files without a name.
        path = os.path.join(directory, f"warm-{os.getpid()}-{time.monotonic_ns()}")
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        os.unlink(path)
        return fd


def content(fd: Optional[int]) -> Optional[bytes]:
    """What was captured; None when it is to be read from the file."""
    if fd is None:
        return b""
    size = os.fstat(fd).st_size
    return None if size > INLINE_BYTES else os.pread(fd, size, 0)


def close(fds: List[Optional[int]]) -> None:
    """Closes those that are open, once."""
    for channel, fd in enumerate(fds):
        if fd is not None:
            os.close(fd)
            fds[channel] = None
