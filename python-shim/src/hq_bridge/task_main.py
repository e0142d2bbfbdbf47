"""Runs one function as a task: loads it from standard input, calls it, keeps what it returns. Started by `PythonEnv`.

Its imports are part of the cost of every task.
"""

from __future__ import annotations

import os
import pickle
import sys
from json import loads

from .result_file import ResultUnavailable, newest_results, read_result, result_path, write_result

# As typing has it: to import that would double what a task costs.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Dict, Optional, Tuple, Union

# The worker takes 2,048 bytes of what a task says about its failure.
ERROR_BYTES = 2000
JOB_VARIABLE = "HQ_BRIDGE_JOB"


class _CannotRun(Exception):
    """The function cannot be run here; the message is all that its user needs."""


class _Data:
    """Where files of the job are, and how large a result may be (bytes)."""

    def __init__(self, directory: str, limit: int) -> None:
        self.directory = directory
        self.limit = limit


_data: Optional[_Data] = None
_results: Dict[int, str] = {}


def main() -> None:
    """Ends the process: with 0 when the function has returned, with 1 when it has raised, or as it asked for itself."""
    code = run(sys.stdin.buffer.read())
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(code)


def run(payload: bytes) -> int:
    """Runs the function in `payload` (see `payload.py`).

    :returns: the exit code for the process; what went wrong is on standard error and in HQ_ERROR_FILENAME
    """
    try:
        _configure_logging()
        function, args, kwargs = _load(payload)
        value = function(*args, **kwargs)
        _keep(value)
    except _CannotRun as error:
        return _fail(str(error))
    except SystemExit as request:
        return _exit_code(request)
    except BaseException as error:
        return _fail(_traceback_of(error))
    return 0


def result_of(task_id: int) -> Any:
    """The value that an earlier task of the same job has returned. Stands for that task in the arguments of a function.

    :raises ResultUnavailable: when it has kept none
    """
    if _data is None:
        raise ResultUnavailable(f"the result of task {task_id} can only be had by a task of its job")
    # All that a task may ask for was there before it started, so that one listing does for thousands of arguments. A
    # listing, because network file systems remember for a while that a file was missing.
    if task_id not in _results:
        _results.update(newest_results(_data.directory))
    if task_id not in _results:
        raise ResultUnavailable(f"task {task_id} has left no result in {_data.directory}")
    return read_result(_results[task_id])


def _load(payload: bytes) -> Tuple[Any, Tuple[Any, ...], Dict[str, Any]]:
    global _data
    first, _, rest = payload.partition(b"\n")
    place, place_of_args = loads(first)
    header = loads(os.environ[JOB_VARIABLE])
    _data = _Data(header["data"], header["limit"])
    inline = place if isinstance(place, int) else 0
    function = rest[:inline] if isinstance(place, int) else _read_part(place)
    args = rest[inline:] if place_of_args is None else _read_part(place_of_args)
    _check(header, function, args)
    try:
        loaded = pickle.loads(function)
        positional, named = pickle.loads(args)
    except ResultUnavailable as error:
        raise _CannotRun(f"an argument is the result of another task, but {error}") from error
    except BaseException as error:
        raise _CannotRun(
            f"{_traceback_of(error)}The function could not be loaded by {_here()}.{_made(header)}"
        ) from error
    return loaded, positional, named


def _read_part(name: str) -> bytes:
    path = os.path.join(loads(os.environ[JOB_VARIABLE])["data"], name)
    try:
        with open(path, "rb") as file:
            return file.read()
    except OSError as error:
        raise _CannotRun(
            f"{path} cannot be read on {_host()}: {error.strerror}. Large functions and arguments are kept "
            "in the server directory, which must lie on a file system that workers share"
        ) from error


def _check(header: Dict[str, Any], function: bytes, args: bytes) -> None:
    """Code that was pickled by value is bytecode, which another Python would run into the ground."""
    # Whatever is pickled by reference can be loaded by every Python that has the same modules.
    if b"cloudpickle" not in function and b"cloudpickle" not in args:
        return
    if header["python"] != f"{sys.version_info[0]}.{sys.version_info[1]}":
        raise _CannotRun(
            f"the function was made by Python {header['python']} and cannot run in {_here()}. Name an interpreter of "
            "that version with PythonEnv(python_bin=…), or put the function into a module that is installed here"
        )
    try:
        import cloudpickle  # noqa: F401
    except ImportError:
        raise _CannotRun(f"{_here()} lacks cloudpickle: pip install cloudpickle=={header['cloudpickle']}") from None


def _made(header: Dict[str, Any]) -> str:
    cloudpickle = sys.modules.get("cloudpickle")
    here = None if cloudpickle is None else cloudpickle.__version__
    if header["cloudpickle"] in (None, here):
        return ""
    return f" It was made with cloudpickle {header['cloudpickle']}, but {here} is installed here; install the same one."


def _keep(value: Any) -> None:
    """A result that cannot be kept fails no task: nobody may want it. Whoever asks for it is told why."""
    if _data is None or _data.limit == 0:
        return
    path = result_path(_data.directory, int(os.environ["HQ_TASK_ID"]), int(os.environ["HQ_INSTANCE_ID"]))
    try:
        problem = write_result(path, value, _data.limit)
    except OSError as error:
        problem = f"the result cannot be written to {path} on {_host()}: {error.strerror}"
    if problem is not None:
        print(f"hq-bridge: {problem}", file=sys.stderr)


def _exit_code(request: SystemExit) -> int:
    """As Python itself ends: None is success, a number is meant so, everything else is a message."""
    code: Union[int, Any, None] = request.code
    if code is None:
        return 0
    if not isinstance(code, int):
        return _fail(str(code))
    if code & 0xFF:
        _fail(f"The function has called sys.exit({code}).")
    return code & 0xFF


def _fail(text: str) -> int:
    print(text.rstrip(), file=sys.stderr)
    path = os.environ.get("HQ_ERROR_FILENAME")
    if path:
        with open(path, "wb") as file:
            file.write(shortened(text, ERROR_BYTES))
    return 1


def shortened(text: str, limit: int) -> bytes:
    """The end of a text, where a traceback says what has happened: whole lines, or the start of the last one."""
    content = text.rstrip().encode(errors="replace")
    if len(content) <= limit:
        return content
    cut = b"[The start is on standard error.]\n"
    tail = content[-(limit - len(cut)) :]
    _, newline, lines = tail.partition(b"\n")
    if newline:
        return cut + lines
    last = content[content.rfind(b"\n") + 1 :]
    return last[: limit - 3].decode(errors="ignore").encode() + b"..."


def _traceback_of(error: BaseException) -> str:
    """Without our own frames, which tell the user nothing, unless nothing else is left."""
    # Only now: it costs more than all else that is imported here.
    import traceback

    frames: Optional[TracebackType] = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename == __file__:
        frames = frames.tb_next
    return "".join(traceback.format_exception(type(error), error, frames))


def _host() -> str:
    return os.uname().nodename


def _here() -> str:
    version = ".".join(map(str, sys.version_info[:3]))
    return f"{sys.executable} (Python {version}) on {_host()}"


def _configure_logging() -> None:
    """Only where somebody asks for it, because the module takes its time."""
    level = os.environ.get("HQ_PYLOG", "")
    if level in ("DEBUG", "INFO", "WARNING", "ERROR"):
        import logging

        logging.basicConfig(level=level, format="%(asctime)s %(name)s:%(levelname)-4s %(message)s")
