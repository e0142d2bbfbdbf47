"""What Python has no name for on Linux. Used by the runner and its tasks."""

from __future__ import annotations

import ctypes
import os
from typing import Optional, Set

# As in <linux/prctl.h>.
PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def _prctl(option: int, value: int) -> None:
    """:raises OSError: when the kernel refuses"""
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def die_with_parent(signal_number: int, parent: int) -> None:
    """From now on this process gets the signal when `parent` ends; exits at once when that has happened already."""
    _prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:
        os._exit(127)


def adopt_orphans() -> None:
    """Processes whose parents have ended become children of this one, so that the end of a whole group can be seen."""
    _prctl(PR_SET_CHILD_SUBREAPER, 1)


def children() -> Optional[Set[int]]:
    """Process ids of what the first thread of this process has started or adopted; None where the kernel does not tell."""
    try:
        with open(f"/proc/self/task/{os.getpid()}/children", "rb") as file:
            return set(map(int, file.read().split()))
    except OSError:
        return None


def threads() -> int:
    """How many threads this process has, also those that Python does not know of."""
    return len(os.listdir("/proc/self/task"))


def threads_after_fork() -> int:
    """As `threads`, once this process has forked: numerical libraries end theirs before, and start them when needed."""
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return threads()
