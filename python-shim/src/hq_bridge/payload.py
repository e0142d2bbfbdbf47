"""Functions and arguments as bytes for the standard input of tasks. Made at submit, taken apart by `task_main`.

A payload is a line of JSON, then the function, then its arguments, both pickled:

    {"python": "3.11", "cloudpickle": "3.1.2", "data": "/…", "limit": 268435456, "function": 512, "args": null}

`function` is its length, or the name of the file in `data` where it is; `args` is null when they follow, or such a
name. `limit` is what the pickled result may take, in bytes; with 0 none is kept.
"""

from __future__ import annotations

import json
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any, Dict, Iterator, List, Optional, Sequence, Tuple

from .data_dir import DataDirectory
from .result_file import PROTOCOL
from .validation import ValidationException

if TYPE_CHECKING:
    from .tasks import PythonFunction

# What one part may take of a submit, in all its tasks together. More goes to a file, which is read where it is needed.
INLINE_BYTES = 256 * 1024

_packing = threading.local()


class Packed:
    """The payload of one task, and the tasks whose results are among its arguments."""

    __slots__ = ("content", "needs")

    def __init__(self, content: bytes, needs: "List[PythonFunction]") -> None:
        self.content = content
        self.needs = needs


def note_needed(task: "PythonFunction") -> int:
    """Called when a task is pickled: it stands for its result.

    :returns: its id
    :raises PickleError: anywhere but among the arguments of a function
    """
    needs: "Optional[List[PythonFunction]]" = getattr(_packing, "needs", None)
    if needs is None:
        raise pickle.PicklingError("a task can be pickled only as an argument of a function of its job")
    needs.append(task)
    return task.task_id


def pack(tasks: "Sequence[PythonFunction]", data: DataDirectory, limit: int) -> Iterator[Packed]:
    """Packs the functions of one submit, in order. Equal functions are pickled once.

    :param data: takes what is too large for a submit; is made when that happens
    :param limit: bytes that a result may take; 0 to keep none
    :raises ValidationException: for a function or an argument that cannot be pickled
    """
    uses: Dict[int, int] = {}
    for task in tasks:
        uses[id(task.fn)] = uses.get(id(task.fn), 0) + 1
    # The tasks keep their functions alive, so that an id stays the name of one function.
    known: Dict[int, Tuple[bytes, bytes]] = {}
    for task in tasks:
        if id(task.fn) not in known:
            content = _pickled(task, "the function", task.fn)
            place, inline = _place(data, f"function-{task.task_id}", content, uses[id(task.fn)])
            known[id(task.fn)] = _header(data, limit, place or len(inline)), inline
        header, function = known[id(task.fn)]
        needs: "List[PythonFunction]" = []
        _packing.needs = needs
        try:
            content = _pickled(task, "an argument", (task.args, task.kwargs))
        finally:
            _packing.needs = None
        place, args = _place(data, f"args-{task.task_id}", content, 1)
        yield Packed(b"".join((header, json.dumps(place).encode(), b"}\n", function, args)), needs)


def _header(data: DataDirectory, limit: int, function: Any) -> bytes:
    """All of the first line but the place of the arguments, which comes last."""
    cloudpickle = sys.modules.get("cloudpickle")
    header = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "cloudpickle": None if cloudpickle is None else cloudpickle.__version__,
        "data": str(data.path),
        "limit": limit,
        "function": function,
    }
    return json.dumps(header)[:-1].encode() + b', "args": '


def _place(data: DataDirectory, name: str, content: bytes, uses: int) -> Tuple[Optional[str], bytes]:
    """The name of the file to which this part went, None for none, and what stays for the payload."""
    if len(content) * uses <= INLINE_BYTES:
        return None, content
    data.make()
    data.write(name, content)
    return name, b""


def _pickled(task: "PythonFunction", what: str, value: Any) -> bytes:
    try:
        return _dumps(value)
    except Exception as error:
        raise ValidationException(
            f"{what} of task {task.label} cannot be pickled: {type(error).__name__}: {error}. Make it inside the function, "
            "or pass what it is made from"
        ) from error


def _dumps(value: Any) -> bytes:
    """By reference where that is enough: it is quicker, and another Python can load it."""
    try:
        content = pickle.dumps(value, protocol=PROTOCOL)
        # What is defined in the user's script is nowhere else, and so must travel by value.
        if b"__main__" not in content and not _by_value():
            return content
    except Exception:
        # A lambda, a function in a function and much else; the next one says what is really wrong.
        pass
    return _cloudpickle().dumps(value, protocol=PROTOCOL)  # type: ignore[no-any-return]


def _by_value() -> bool:
    """Whether the user has asked for modules by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle is not None and bool(cloudpickle.list_registry_pickle_by_value())


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        raise pickle.PicklingError("it needs cloudpickle: pip install cloudpickle") from None
    return cloudpickle
