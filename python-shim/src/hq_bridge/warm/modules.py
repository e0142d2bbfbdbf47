"""Loading modules in a process from which tasks are forked, if it stays fit for that. Used by `function_host`."""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from typing import Any, Dict, Iterator, List, Optional, Sequence, Set

from . import linux

# Belongs to one task; everything else is the same for all tasks of a runner. As in `src/worker/executor/warmKey.ts`.
OF_ONE_TASK = re.compile(rb"^HQ_|_VISIBLE_DEVICES$")
_STANDARD = os.path.join(os.path.dirname(os.__file__), "")
_SITE = re.compile(r"/(site|dist)-packages/")
# Of a module's file.
_ENDINGS = (".py", ".pyc", ".so")


class Unfit(Exception):
    """Tasks cannot be forked from this process any more; the message says why."""


def load(named: Sequence[str], learned: Sequence[str]) -> None:
    """Loads modules; what is not there any more of the learned ones is left to the tasks.

    :raises Unfit: when one of those that the user has named cannot be loaded, or when loading has left something in
        this process that a fork would share with other tasks, or has told something that was meant for each of them
    """
    with _told_nothing(), _left_nothing():
        for name in named:
            try:
                importlib.import_module(name)
            except (Exception, SystemExit) as error:
                raise Unfit(f"the module {name} cannot be loaded: {type(error).__name__}: {error}") from error
        for name in learned:
            with contextlib.suppress(Exception, SystemExit):
                importlib.import_module(name)
        count = linux.threads_after_fork()
        if count > 1:
            raise Unfit(f"loading them has started {count - 1} {'thread' if count == 2 else 'threads'}")


def installed(module: Any) -> bool:
    """Whether a module came with Python or was installed: one of the user's may be edited, or look at what is there."""
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None)
    if origin in ("built-in", "frozen"):
        return True
    return isinstance(origin, str) and (_SITE.search(origin) is not None or origin.startswith(_STANDARD))


def site_directories() -> List[str]:
    """Where modules are installed: what is installed or removed later changes them."""
    return [path for path in sys.path if path and _SITE.search(os.path.join(path, ""))]


class Shadows:
    """Modules in the working directory that tasks would load instead of those that were loaded before.

    :param directory: in which tasks look first
    :param names: of modules that were loaded
    """

    def __init__(self, directory: str, names: Set[str]) -> None:
        self._directory = directory
        self._names = {name.partition(".")[0] for name in names}
        self._mark: Optional[int] = None
        self._found: Optional[str] = None

    def find(self) -> Optional[str]:
        """The name of one. Looks again when the list of files has changed, as Python itself does."""
        try:
            mark = os.stat(self._directory).st_mtime_ns
            if mark != self._mark:
                self._found = next((name for name in os.listdir(self._directory) if self._is_shadow(name)), None)
                self._mark = mark
        except OSError:
            return None
        return self._found

    def _is_shadow(self, file: str) -> bool:
        name, dot, _ = file.partition(".")
        if name not in self._names:
            return False
        path = os.path.join(self._directory, file)
        return path.endswith(_ENDINGS) if dot else os.path.exists(os.path.join(path, "__init__.py"))


@contextlib.contextmanager
def _told_nothing() -> Iterator[None]:
    """Notices what modules print while they are loaded, and what they ask of one task's variables."""
    sys.stdout.flush()
    sys.stderr.flush()
    heard = os.memfd_create("printed", os.MFD_CLOEXEC)
    channels = {channel: os.dup(channel) for channel in (1, 2)}
    for channel in channels:
        os.dup2(heard, channel)
    asked: Set[str] = set()
    # Both look into the same dictionary.
    environs: List[Any] = [os.environ, os.environb]
    data = environs[0]._data
    watched = _Watched(data, asked)
    for environ in environs:
        environ._data = watched
    try:
        yield
    finally:
        data.clear()
        data.update(watched)
        for environ in environs:
            environ._data = data
        sys.stdout.flush()
        sys.stderr.flush()
        for channel, kept in channels.items():
            os.dup2(kept, channel)
            os.close(kept)
        text = os.pread(heard, 200, 0).decode(errors="replace")
        os.close(heard)
    if text:
        raise Unfit(f"loading them prints {text.strip().splitlines()[0] if text.strip() else 'blanks'}")
    if asked:
        raise Unfit(f"loading them looks at {min(asked)}, which is different for each task")


class _Watched(Dict[bytes, bytes]):
    """Variables that note which of one task are asked for."""

    def __init__(self, data: Dict[bytes, bytes], asked: Set[str]) -> None:
        super().__init__(data)
        self._asked = asked

    def __getitem__(self, name: bytes) -> bytes:
        if OF_ONE_TASK.search(name):
            self._asked.add(os.fsdecode(name))
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        if isinstance(name, bytes) and OF_ONE_TASK.search(name):
            self._asked.add(os.fsdecode(name))
        return super().__contains__(name)


@contextlib.contextmanager
def _left_nothing() -> Iterator[None]:
    before = _open_files()
    yield
    for fd, target in _open_files().items():
        if before.get(fd) != target:
            raise Unfit(f"loading them leaves {target} open")
    with contextlib.suppress(ChildProcessError):
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        raise Unfit("loading them has started a process that goes on")


def _open_files() -> Dict[int, str]:
    found = {}
    for name in os.listdir("/proc/self/fd"):
        # The list itself was open meanwhile.
        with contextlib.suppress(OSError):
            found[int(name)] = os.readlink(f"/proc/self/fd/{name}")
    return found
