"""Where tasks write: the two channels, and files that a program names in its arguments. Used by `Job`.

Names and defaults follow `hyperqueue.output` of HyperQueue 0.26.
"""

from __future__ import annotations

import dataclasses
import os
import uuid
from typing import Any, Dict, Iterable, Optional, Union

from .access import AnyPath
from .validation import ValidationException

# A file per task in its working directory.
DEFAULT_STDOUT = "%{CWD}/%{TASK_ID}.stdout"
DEFAULT_STDERR = "%{CWD}/%{TASK_ID}.stderr"
KEEP = "none"
REMOVE = "rm-if-finished"


def default_stdout() -> str:
    return DEFAULT_STDOUT


def default_stderr() -> str:
    return DEFAULT_STDERR


@dataclasses.dataclass(frozen=True)
class StdioDef:
    """A channel of a task: its file, and whether that is removed when the task has finished well.

    :param path: None: what the channel would have anyhow, see `resolved`
    :param on_close: "none": the file stays; "rm-if-finished": only a task that did not finish leaves it
    """

    path: Optional[str] = None
    on_close: str = KEEP

    @classmethod
    def from_path(cls, path: AnyPath) -> "StdioDef":
        """A file; placeholders such as `%{TASK_ID}` are allowed."""
        return cls(os.fspath(path))

    @classmethod
    def remove_if_finished(cls, path: Optional[AnyPath] = None) -> "StdioDef":
        """A file that is left only by a task that did not finish; None for the default one."""
        return cls(None if path is None else os.fspath(path), REMOVE)

    def resolved(self, default: str) -> Dict[str, str]:
        """The channel as the HTTP API has it.

        :raises ValidationException: `on_close` is none of its words
        """
        if self.on_close not in (KEEP, REMOVE):
            raise ValidationException(f'on_close={self.on_close!r} is neither "{KEEP}" nor "{REMOVE}"')
        path = default if self.path is None else os.fspath(self.path)
        return {"path": path} if self.on_close == KEEP else {"path": path, "onClose": self.on_close}


Stdio = Union[None, str, "os.PathLike[str]", StdioDef]


def stdio_spec(name: str, stdio: Stdio, default: str) -> Optional[Dict[str, str]]:
    """A channel as the HTTP API has it; None: nowhere.

    :param name: the argument, for errors
    :raises ValidationException: no path
    """
    if stdio is None:
        return None
    if isinstance(stdio, StdioDef):
        return stdio.resolved(default)
    return StdioDef(checked_path(name, stdio)).resolved(default)


def checked_path(name: str, path: AnyPath) -> str:
    """A path as a text.

    :param name: the argument, for errors
    :raises ValidationException: no path
    """
    text = path if isinstance(path, str) else path.__fspath__() if hasattr(path, "__fspath__") else None
    if not isinstance(text, str):
        raise ValidationException(f"{name}={path!r} is no path; give a text or a pathlib.Path")
    return text


class Output:
    """A file that a program writes: put it among the arguments, and give `program["name"]` to the tasks that read it.

    :param name: by which the task is asked for it
    :param filepath: relative to the task's working directory; None: a name that nobody else has
    :param extension: of such a name
    """

    def __init__(self, name: str, filepath: Optional[AnyPath] = None, extension: Optional[str] = None) -> None:
        if filepath is not None and extension is not None:
            raise ValidationException(f"output {name} has both filepath and extension; give one of them")
        self.name = name
        ending = f".{extension.lstrip('.')}" if extension else ""
        self.filepath = os.fspath(filepath) if filepath is not None else f"{name}-{uuid.uuid4().hex[:16]}{ending}"

    def __str__(self) -> str:
        return self.filepath

    __fspath__ = __str__

    def __repr__(self) -> str:
        return f"Output({self.name!r}, {self.filepath!r})"


def outputs_of(values: Iterable[Any]) -> Dict[str, Output]:
    """The outputs among arguments, by name.

    :raises ValidationException: two of one name
    """
    found: Dict[str, Output] = {}
    for value in values:
        if isinstance(value, Output) and found.setdefault(value.name, value) is not value:
            raise ValidationException(f"output {value.name} is defined twice; names of outputs must differ")
    return found
