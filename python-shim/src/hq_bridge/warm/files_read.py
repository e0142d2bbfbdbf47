"""What a runner has read, so that it can be replaced when something of that changes. Used by hosts."""

from __future__ import annotations

import builtins
import contextlib
import io
import os
import sys
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple

# Looked at before each task.
LIMIT = 500
# Not of the user's making.
_SYSTEM = ("/proc/", "/dev/", "/sys/", "/etc/", "/usr/lib/", "/usr/share/")

_Mark = Optional[Tuple[int, int, int]]


class FilesRead:
    """:param ignore: directories whose content says nothing about the workflow"""

    def __init__(self, ignore: List[str]) -> None:
        self._ignored = tuple(os.path.join(path, "") for path in ignore) + _SYSTEM
        self._marks: Dict[str, _Mark] = {}

    @property
    def too_many(self) -> bool:
        return len(self._marks) > LIMIT

    def note(self, path: Any) -> None:
        """From now on a change of this file, or of the list of names in this directory, counts."""
        if not isinstance(path, (str, bytes, os.PathLike)):
            return
        full = os.path.abspath(os.fsdecode(path))
        if full not in self._marks and not full.startswith(self._ignored) and not self.too_many:
            self._marks[full] = _mark_of(full)

    def changed(self) -> Optional[str]:
        """The first path that is not as it was."""
        for path, mark in self._marks.items():
            if _mark_of(path) != mark:
                return path
        return None

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Notes what is opened for reading or listed meanwhile, and the user's modules that are loaded."""
        before = set(sys.modules)
        opened, scanned, listed = builtins.open, os.scandir, os.listdir

        def note_open(file: Any, mode: Any = "r", *args: Any, **options: Any) -> Any:
            if isinstance(mode, str) and not set(mode) & set("wax"):
                self.note(file)
            return opened(file, mode, *args, **options)

        def noting(call: Callable[..., Any]) -> Callable[..., Any]:
            def note_list(path: Any = ".") -> Any:
                self.note(path)
                return call(path)

            return note_list

        builtins.open = io.open = note_open  # type: ignore[assignment]
        os.scandir, os.listdir = noting(scanned), noting(listed)  # type: ignore[assignment]
        try:
            yield
        finally:
            builtins.open = io.open = opened  # type: ignore[assignment]
            os.scandir, os.listdir = scanned, listed
            for name in set(sys.modules) - before:
                file = getattr(sys.modules[name], "__file__", None)
                if file is not None and not file.startswith((sys.prefix, sys.base_prefix)):
                    self.note(file)


def _mark_of(path: str) -> _Mark:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return (found.st_mtime_ns, found.st_size, found.st_ino)
