"""The file in which a function leaves what it has returned. Written by `task_main` on a worker, read by `Results`.

One file per attempt, `<task>.<instance>.result`, because an older attempt may still be running somewhere unreachable:
it cannot replace what counts. The first byte tells what follows: `V` a pickled value, `E` a sentence why there is none.
"""

from __future__ import annotations

import io
import os
import pickle
import sys
from pathlib import Path
from typing import Any, List, Optional

# The newest that Python 3.8 reads.
PROTOCOL = 5
VALUE = b"V"
EXPLANATION = b"E"
ENDING = ".result"
MIB = 1024 * 1024


class ResultUnavailable(Exception):
    """There is no result to return; the message says why."""


class _TooLarge(Exception):
    pass


class _Limited(io.RawIOBase):
    """A file that refuses to grow beyond a limit, so that a huge value neither fills a disk nor is held twice."""

    def __init__(self, file: Any, limit: int) -> None:
        super().__init__()
        self._file = file
        self._left = limit

    def write(self, data: Any) -> int:
        size = memoryview(data).nbytes
        self._left -= size
        if self._left < 0:
            raise _TooLarge
        self._file.write(data)
        return size


def result_path(directory: Path, task_id: int, instance: int) -> Path:
    return directory / f"{task_id}.{instance}{ENDING}"


def write_result(path: Path, value: Any, limit: int) -> Optional[str]:
    """Keeps a value; a reader sees all of the file or nothing of it.

    :param limit: bytes that the pickled value may take
    :returns: why the value was not kept; the file then says the same
    :raises OSError: when there can be no file
    """
    draft = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        with open(draft, "wb", opener=_private) as file:
            problem = _write_value(file, value, limit)
            if problem is not None:
                file.seek(0)
                file.truncate()
                file.write(EXPLANATION + problem.encode())
        os.replace(draft, path)
    except BaseException:
        try:
            os.unlink(draft)
        except OSError:
            pass  # It was never made.
        raise
    return problem


def read_result(path: Path) -> Any:
    """The value that was kept.

    :raises ResultUnavailable: when a reason was kept instead, or the file is damaged
    :raises FileNotFoundError: when nothing was kept
    """
    with open(path, "rb") as file:
        kind = file.read(1)
        if kind == EXPLANATION:
            raise ResultUnavailable(file.read().decode())
        if kind != VALUE:
            raise ResultUnavailable(f"the result in {path} is damaged")
        try:
            return pickle.load(file)
        except Exception as error:
            detail = f"{type(error).__name__}: {error}"
            raise ResultUnavailable(f"the result in {path} cannot be loaded here: {detail}") from error


def newest_result(directory: Path, task_id: int) -> Path:
    """The file of the last attempt of a task.

    :raises ResultUnavailable: when there is none
    """
    start = f"{task_id}."
    # A listing, not a guess: network file systems remember for a while that a file was missing.
    names: List[str] = [name for name in os.listdir(directory) if name.startswith(start) and name.endswith(ENDING)]
    if not names:
        raise ResultUnavailable(f"task {task_id} has left no result in {directory}")
    return directory / max(names, key=lambda name: int(name.split(".")[1]))


def _write_value(file: Any, value: Any, limit: int) -> Optional[str]:
    file.write(VALUE)
    try:
        _dump(value, _Limited(file, limit))
    except _TooLarge:
        return (
            f"the result takes more than {limit / MIB:g} MiB; raise the limit with Job(result_limit=…) or write a file"
        )
    except Exception as error:
        return f"the result cannot be pickled: {type(error).__name__}: {error}"
    return None


def _dump(value: Any, file: _Limited) -> None:
    # Values of classes that came by value can only go back by value, and only where such things came is this loaded.
    cloudpickle = sys.modules.get("cloudpickle")
    if cloudpickle is None:
        pickle.dump(value, file, protocol=PROTOCOL)  # type: ignore[arg-type]
    else:
        cloudpickle.dump(value, file, protocol=PROTOCOL)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
