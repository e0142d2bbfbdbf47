"""Which Python runs the functions of a job, and how it is started. Made by users, read by `Job` and by the executor.

The start names the interpreter, this package and nothing else, so that it fails with a sentence where one of them is
missing: the sentence goes to HQ_ERROR_FILENAME and so becomes the error of the task.
"""

from __future__ import annotations

import shlex
import sys
from typing import List, Optional

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


class PythonEnv:
    """An interpreter that has hq-bridge and what the functions import.

    :param python_bin: the interpreter as the worker finds it. With a prologue this is text for the shell
    :param prologue: shell commands that come first, e.g. `"module load Python"` or `"source venv/bin/activate"`
    :param shell: runs the prologue
    """

    def __init__(self, python_bin: str = "python3", prologue: Optional[str] = None, shell: str = "bash") -> None:
        if not isinstance(python_bin, str) or not python_bin:
            raise ValidationException(f"python_bin={python_bin!r} is no command")
        self.python_bin = python_bin
        self.prologue = prologue
        self.shell = shell

    @property
    def args(self) -> List[str]:
        """The argument vector of a task that runs a function."""
        if self.prologue:
            return [self.shell, "-c", f"{self.prologue}\n\n{self.python_bin} -c {shlex.quote(START)}"]
        return [self.python_bin, "-c", START]

    def __repr__(self) -> str:
        return f"PythonEnv({self.python_bin!r}, prologue={self.prologue!r}, shell={self.shell!r})"


def this_python() -> PythonEnv:
    """The interpreter that asks, which certainly has what it needs where workers see the same files."""
    return PythonEnv(sys.executable)
