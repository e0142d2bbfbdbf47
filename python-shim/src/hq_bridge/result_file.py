"""The file in which a function leaves what it has returned. Written by `task_main` on a worker, read by `Results`.

One file per attempt, `<task>.<instance>.result`, because an older attempt may still be running somewhere unreachable:
it cannot replace what counts. Nobody looks at it before its task has finished, when it is complete. The first byte
tells what follows: `V` a pickled value, `E` a sentence why there is none.
"""

from __future__ import annotations

import io
import os
import pickle
import sys

# As typing has it: to import that would double what a task costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Tuple, Union

    AnyPath = Union[str, "os.PathLike[str]"]

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


def result_path(directory: AnyPath, task_id: int, instance: int) -> str:
    return os.path.join(directory, f"{task_id}.{instance}{ENDING}")


def write_result(path: AnyPath, value: Any, limit: int) -> Optional[str]:
    """Keeps a value.

    :param limit: bytes that the pickled value may take
    :returns: why the value was not kept; the file then says the same
    :raises OSError: when there can be no file
    """
    try:
        with open(path, "wb", opener=private) as file:
            problem = _write_value(file, value, limit)
            if problem is not None:
                file.seek(0)
                file.truncate()
                file.write(EXPLANATION + problem.encode())
    except BaseException:
        if os.path.exists(path):
            os.unlink(path)
        raise
    return problem


def read_result(path: AnyPath) -> Any:
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


def newest_results(directory: AnyPath) -> Dict[int, str]:
    """The files of the last attempts, by task.

    :raises OSError: when the directory cannot be read
    """
    newest: Dict[int, Tuple[int, str]] = {}
    for name in os.listdir(directory):
        parts = name.split(".")
        # Drafts begin with a dot.
        if name.endswith(ENDING) and parts[0]:
            task_id, instance = int(parts[0]), int(parts[1])
            newest[task_id] = max(newest.get(task_id, (-1, "")), (instance, os.path.join(directory, name)))
    return {task_id: path for task_id, (_, path) in newest.items()}


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
        pickle.dump(value, file, protocol=PROTOCOL)
    else:
        cloudpickle.dump(value, file, protocol=PROTOCOL)


def private(path: str, flags: int) -> int:
    """Opens a file of the job for its owner alone, and through no link. An `opener`."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
