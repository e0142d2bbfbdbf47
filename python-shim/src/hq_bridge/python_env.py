"""Which Python runs the functions of a job, and how it is started. Made by users, read by `Job` and by the executor.

The start names the interpreter, this package and nothing else, so that it fails with a sentence where one of them is
missing: the sentence goes to HQ_ERROR_FILENAME and so becomes the error of the task.
"""

from __future__ import annotations

import re
import shlex
import sys
from typing import Any, Dict, List, Optional, Sequence

from .validation import ValidationException

# Runs where nothing of ours may be installed, in whatever Python 3 there is; all that is checked later is in task_main.
START = """\
import sys
try:
    from hq_bridge.task_main import main
except Exception as error:
    import os, platform
    text = (
        "%s (Python %s) on %s cannot load hq_bridge: %s: %s. Install hq-bridge for this interpreter, "
        "or name another one with PythonEnv(python_bin=...) or PythonEnv(prologue=...)."
        % (sys.executable, platform.python_version(), platform.node(), type(error).__name__, error)
    )
    if os.environ.get("HQ_ERROR_FILENAME"):
        open(os.environ["HQ_ERROR_FILENAME"], "w").write(text)
    sys.exit(text)
main()"""


# Of a module, as in an import statement.
_MODULE = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class PythonEnv:
    """An interpreter that has hq-bridge and what the functions import.

    :param python_bin: the interpreter as the worker finds it. With a prologue this is text for the shell
    :param prologue: shell commands that come first, e.g. `"module load Python"` or `"source venv/bin/activate"`
    :param shell: runs the prologue
    :param warm: ours: workers keep such an interpreter, and functions are forks of it; False: each starts its own
    :param imports: ours: modules that are loaded before functions are forked, also the user's own, e.g. `["numpy"]`;
        None: the installed ones that the first functions are seen to load
    :raises ValidationException: for what cannot be an interpreter or a module
    """

    def __init__(
        self,
        python_bin: str = "python3",
        prologue: Optional[str] = None,
        shell: str = "bash",
        *,
        warm: bool = True,
        imports: Optional[Sequence[str]] = None,
    ) -> None:
        if not isinstance(python_bin, str) or not python_bin:
            raise ValidationException(f"python_bin={python_bin!r} is no command")
        if isinstance(imports, str):
            raise ValidationException(f"imports={imports!r} is a text; give a sequence, such as [{imports!r}]")
        for name in imports or ():
            if not isinstance(name, str) or _MODULE.fullmatch(name) is None:
                raise ValidationException(f"imports has {name!r}, which is no name of a module")
        if imports and not warm:
            raise ValidationException("imports needs warm: functions that start their interpreter load modules themselves")
        self.python_bin = python_bin
        self.prologue = prologue
        self.shell = shell
        self.warm = warm
        self.imports = None if imports is None else list(imports)

    @property
    def args(self) -> List[str]:
        """The argument vector of a task that runs a function."""
        if self.prologue:
            return [self.shell, "-c", f"{self.prologue}\n\n{self.python_bin} -c {shlex.quote(START)}"]
        return [self.python_bin, "-c", START]

    @property
    def warm_spec(self) -> Optional[Dict[str, Any]]:
        """`warm` of such a task in the HTTP API; None: it is started by `args` alone."""
        if not self.warm:
            return None
        spec: Dict[str, Any] = {"kind": "python", "python": self.python_bin, "run": "functions", "level": "imports"}
        if self.prologue:
            spec.update(prologue=self.prologue, shell=self.shell)
        if self.imports is not None:
            spec["imports"] = self.imports
        return spec

    def __repr__(self) -> str:
        more = ("" if self.warm else ", warm=False") + ("" if self.imports is None else f", imports={self.imports!r}")
        return f"PythonEnv({self.python_bin!r}, prologue={self.prologue!r}, shell={self.shell!r}{more})"


def this_python() -> PythonEnv:
    """The interpreter that asks, which certainly has what it needs where workers see the same files."""
    return PythonEnv(sys.executable)
