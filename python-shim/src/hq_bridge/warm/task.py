"""A task in its own process, a fork of the runner: sets it up as hqspawn would, and runs it. Called by the runner."""

from __future__ import annotations

import atexit
import contextlib
import errno
import logging
import os
import shutil
import signal
import sys
import threading
import traceback
import weakref
from typing import Callable, List, NoReturn, Optional, Sequence, Tuple

from . import frames
from .frames import Launch, Variables
from .linux import die_with_parent

_ALL_SIGNALS = signal.valid_signals()
# Nobody reading from a named pipe must not stop the task for ever, hence not blocking; for files it changes nothing.
_OUTPUT = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NONBLOCK | os.O_CLOEXEC


class SetUpError(Exception):
    """A step before the task runs has failed; `step` is one of those in `frames`."""

    def __init__(self, step: int, error: OSError) -> None:
        super().__init__(step, error)
        self.step = step
        self.errno = error.errno or 0


def set_up(launch: Launch, env: Variables, captures: Sequence[Optional[int]], parent: int) -> None:
    """Turns this fork into a process of its own: session, directory, files, CPUs, variables.

    :param captures: open files of the channels that are captured
    :param parent: process id of the runner
    :raises SetUpError:
    """
    with _step(frames.START):
        os.setsid()
        die_with_parent(signal.SIGKILL, parent)
    if launch.group:
        with _step(frames.ENTER_GROUP):
            _write(launch.group, b"0")
    with _step(frames.STDIN):
        stdin = _null() if launch.stdin is None else _file_of(launch.stdin)
    _enter(launch.cwd)
    stdout = _open(launch, 0, captures[0])
    stderr = stdout if launch.outputs[1] == frames.OUT_SAME else _open(launch, 1, captures[1])
    if launch.cpus:
        with _step(frames.AFFINITY):
            os.sched_setaffinity(0, launch.cpus)
    with _step(frames.START):
        for number, fd in enumerate((stdin, stdout, stderr)):
            os.dup2(fd, number)
        for fd in {stdin, stdout, stderr}:
            os.close(fd)
    before = os.environb.copy()
    for name in before.keys() - env.keys():
        del os.environb[name]
    for name, value in env.items():
        if before.get(name) != value:
            os.environb[name] = value


def unblock_signals() -> None:
    """What was sent to the task so far takes effect here; signals mean what they mean to a new Python."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, _ALL_SIGNALS)


def block_signals() -> None:
    """All but the one that tells of ended children: what is meant for the worker must not end its tasks."""
    signal.pthread_sigmask(signal.SIG_BLOCK, set(_ALL_SIGNALS) - {signal.SIGCHLD})


def execute(args: List[bytes]) -> NoReturn:
    """Becomes the program, as without a warm runner. :raises SetUpError:"""
    # Python ignores them, and what is ignored stays so in the program.
    for number in (signal.SIGPIPE, signal.SIGXFSZ):
        signal.signal(number, signal.SIG_DFL)
    with _step(frames.EXEC):
        try:
            os.execvp(args[0], args)
        except OSError as error:
            if error.errno != errno.ENOEXEC:
                raise
            # A script without "#!" is for the shell.
            path = args[0] if b"/" in args[0] else shutil.which(args[0]) or args[0]
            os.execv(b"/bin/sh", [b"/bin/sh", path, *args[1:]])


def run(main: Callable[[], None]) -> NoReturn:
    """Runs a function and ends the process as Python does at the end of a program."""
    _forget_exit_handlers()
    code = 1
    try:
        code = _exit_code(main)
        _finish()
    except KeyboardInterrupt:
        traceback.print_exc()
        _flush()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    except BaseException:
        traceback.print_exc()
    finally:
        _flush()
        os._exit(code)


def _exit_code(main: Callable[[], None]) -> int:
    try:
        main()
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return (end.code or 0) & 0xFF
        print(end.code, file=sys.stderr)
        return 1
    except Exception:
        traceback.print_exc()
        return 1
    return 0


def _forget_exit_handlers() -> None:
    """Those of the runner concern files of the runner."""
    atexit._clear()
    for finalizer in list(weakref.finalize._registry):  # type: ignore[attr-defined]
        finalizer.atexit = False


def _finish() -> None:
    """What the interpreter does at its end."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    if "multiprocessing.util" in sys.modules:
        sys.modules["multiprocessing.util"]._exit_function()
    weakref.finalize._exitfunc()  # type: ignore[attr-defined]
    logging.shutdown()


def _flush() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(Exception):
            stream.flush()


class _step:
    """Errors of the operating system become one of this step."""

    def __init__(self, step: int) -> None:
        self._step = step

    def __enter__(self) -> None:
        pass

    def __exit__(self, _kind: object, error: Optional[BaseException], _trace: object) -> None:
        if isinstance(error, OSError):
            raise SetUpError(self._step, error)


def _write(path: bytes, text: bytes) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, text)
    finally:
        os.close(fd)


def _null() -> int:
    return os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)


def _file_of(data: bytes) -> int:
    """Memory as a file: nothing has to be fed while the task runs, and nothing is left when it does not read."""
    fd = os.memfd_create("stdin", os.MFD_CLOEXEC)
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
    os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _enter(path: bytes) -> None:
    try:
        os.chdir(path)
        return
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        raise SetUpError(frames.ENTER_CWD, error) from error
    with _step(frames.MAKE_CWD):
        os.makedirs(path, exist_ok=True)
    with _step(frames.ENTER_CWD):
        os.chdir(path)


_CHANNELS: Tuple[Tuple[int, int], ...] = (
    (frames.MAKE_STDOUT_DIR, frames.OPEN_STDOUT),
    (frames.MAKE_STDERR_DIR, frames.OPEN_STDERR),
)


def _open(launch: Launch, channel: int, capture: Optional[int]) -> int:
    make_step, open_step = _CHANNELS[channel]
    path = launch.paths[channel]
    if capture is not None:
        with _step(open_step):
            return os.dup(capture)
    if path is None:
        with _step(open_step):
            return _null()
    with contextlib.suppress(FileNotFoundError, NotADirectoryError), _step_unless_missing(open_step):
        return os.open(path, _OUTPUT, 0o666)
    with _step(make_step):
        os.makedirs(os.path.dirname(path), exist_ok=True)
    with _step(open_step):
        return os.open(path, _OUTPUT, 0o666)


class _step_unless_missing(_step):
    """As `_step`, but lets through that a directory on the way is missing."""

    def __exit__(self, kind: object, error: Optional[BaseException], trace: object) -> None:
        if not isinstance(error, (FileNotFoundError, NotADirectoryError)):
            super().__exit__(kind, error, trace)
