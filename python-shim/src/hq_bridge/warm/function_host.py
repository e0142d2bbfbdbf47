"""How functions of the Python API are started warm: `task_main`, and modules that tasks load, are loaded before them.

A task is `python -c …` as `PythonEnv` has written it, below the shell with the prologue, if there is one; here
`task_main.main` runs it in a fork. The prologue has run before this process: what it has changed is there, and what it
has printed is kept.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import mmap
import os
import struct
import sys
import types
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Set, Tuple, Union

from . import linux
from .files_read import FilesRead
from .frames import Launch, Variables
from .fresh import reseed_numpy
from .host import Outdated, Plain, Start, starting
from .modules import OF_ONE_TASK, Shadows, Unfit, installed, load, site_directories

# What every function needs, as far as it is there; most of the start of a task are these.
MODULES = ("hq_bridge.task_main", "hq_bridge.batch", "cloudpickle", "traceback")
# In the command of a task that runs a function.
_START = b"from hq_bridge.task_main import main"
# Fewer modules than this are loaded faster than another runner is made.
_WORTH_A_RUNNER = 5
# For the names of a few thousand modules.
_LESSON_BYTES = 128 * 1024
_LENGTH = struct.Struct("<I")
# What a prologue prints is kept for every task; more than this is not meant to be.
_SAID_BYTES = 64 * 1024


class Wanted(NamedTuple):
    """What a runner is to load before its tasks.

    `imports`: modules that the user has named; `learned`: others that tasks have loaded; `learns`: tell which they load
    """

    imports: List[str]
    learned: List[str]
    learns: bool

    @classmethod
    def parse(cls, text: str) -> "Wanted":
        """:raises ValueError: for what is none"""
        fields: Dict[str, Any] = json.loads(text)
        return cls(fields["imports"], fields["learned"], fields["learns"])

    @property
    def modules(self) -> bool:
        return bool(self.imports or self.learned)


class FunctionHost:
    """:param cwd: working directory of the tasks, in which this process was started

    :param said: what a prologue has printed, by channel
    """

    def __init__(self, cwd: str, wanted: Wanted, said: Tuple[bytes, bytes]) -> None:
        self._cwd = cwd
        self._wanted = wanted
        self._said = said
        # Where the prologue has gone to.
        self._gone_to: Optional[str] = None if os.path.samefile(cwd, ".") else os.getcwd()
        self._files = FilesRead(ignore=[])
        self._variables: Variables = {}
        self._loaded: Set[str] = set()
        self._shadows: Optional[Shadows] = None
        # Where tasks write which modules they have loaded; None: nobody wants to know any more.
        self._lessons: Optional[mmap.mmap] = None

    def load(self, handlers_of_site: int) -> Optional[str]:
        """Loads what every function needs.

        :param handlers_of_site: exit handlers that were there when this interpreter had started
        :returns: why nothing can be forked from here
        """
        # As for a program that is an argument: modules are looked for in whatever is the working directory.
        if not getattr(sys.flags, "safe_path", False):
            sys.path[0] = ""
        for name in MODULES:
            with contextlib.suppress(ImportError):
                importlib.import_module(name)
        for module in (__name__, "hq_bridge.task_main"):
            self._files.note(str(sys.modules[module].__file__))
        for path in site_directories():
            self._files.note(path)
        if handlers_of_site > 0:
            return "the interpreter is set up so that it does something at its end"
        if linux.threads() > 1:
            return "the interpreter starts threads by itself"
        if max(map(len, self._said)) > _SAID_BYTES:
            return "their prologue prints very much"
        self._settle()
        return None

    def load_modules(self, ready: Callable[[], None]) -> str:
        """Loads what this process may turn out to be unfit with, and calls `ready`.

        :returns: why tasks cannot be forked then
        """
        base = set(sys.modules)
        # What is installed reads nothing that its user would change.
        recording = self._files.recording() if self._wanted.imports else contextlib.nullcontext()
        try:
            with recording:
                load(self._wanted.imports, self._wanted.learned)
        except Unfit as error:
            return " ".join(str(error).split())[:500]
        if self._files.too_many:
            return "loading them reads very many files"
        if not getattr(sys.flags, "safe_path", False):
            new = {name for name in set(sys.modules) - base if installed(sys.modules[name])}
            self._shadows = Shadows(self._gone_to or self._cwd, new)
        self._settle()
        ready()
        return ""

    def _settle(self) -> None:
        """From here tasks are forked."""
        self._variables = dict(os.environb)
        self._loaded = set(sys.modules)
        if self._wanted.learns and self._lessons is None:
            # Memory, not a file: tasks have no descriptor that a new process would not have.
            self._lessons = mmap.mmap(-1, _LESSON_BYTES)

    def variables(self, env: Variables) -> Variables:
        """Those that this process has, as the prologue and modules have left them, and what is the task's alone."""
        return {**self._variables, **{name: value for name, value in env.items() if OF_ONE_TASK.search(name)}}

    def lesson(self) -> List[str]:
        if self._lessons is None:
            return []
        (length,) = _LENGTH.unpack_from(self._lessons)
        if length == 0:
            return []
        # Two tasks that have written at the same time leave names that do not exist: these are not loaded.
        names = self._lessons[_LENGTH.size : _LENGTH.size + length].decode(errors="replace").split()
        self._lessons.close()
        self._lessons = None
        return [*self._wanted.learned, *names]

    def prepare(self, launch: Launch) -> Union[Start, Plain]:
        changed = self._files.changed()
        if changed is not None:
            return Outdated(f"{changed} has changed")
        if _START not in launch.args[-1]:
            return Plain("a task is started by its command, which is not that of a function")
        shadow = None if self._shadows is None else self._shadows.find()
        if shadow is not None:
            place = f"{self._cwd}/{shadow}"
            return Plain(f"functions are started by their command: {place} is in the place of an installed module")
        return starting(self._run)

    # In the task

    def _run(self) -> None:
        import hq_bridge.task_main

        if self._gone_to is not None:
            os.chdir(self._gone_to)
        for channel, text in enumerate(self._said, start=1):
            if text:
                os.write(channel, text)
        sys.argv = ["-c"]
        sys.modules["__main__"] = main = types.ModuleType("__main__")
        # What a program that is an argument finds there, and what the one of a function has made of it.
        vars(main).update(
            __annotations__={}, __builtins__=sys.modules["builtins"], sys=sys, main=hq_bridge.task_main.main
        )
        reseed_numpy()
        # The first one is called last.
        atexit.register(self._drop_objects)
        try:
            hq_bridge.task_main.main()
        finally:
            self._teach()

    def _teach(self) -> None:
        """Leaves the names of modules that another task would load, too."""
        if self._lessons is None:
            return
        new = [name for name, module in list(sys.modules.items()) if name not in self._loaded and installed(module)]
        text = " ".join(new).encode()
        if len(new) >= _WORTH_A_RUNNER and len(text) <= _LESSON_BYTES - _LENGTH.size:
            self._lessons[_LENGTH.size : _LENGTH.size + len(text)] = text
            _LENGTH.pack_into(self._lessons, 0, len(text))

    def _drop_objects(self) -> None:
        """What would end with the interpreter ends now: files are written out, finalizers run."""
        for name in [name for name in reversed(list(sys.modules)) if name not in self._loaded or name == "__main__"]:
            module = sys.modules[name]
            if name == "__main__" or not installed(module):
                vars(module).clear()
        gc.collect()
