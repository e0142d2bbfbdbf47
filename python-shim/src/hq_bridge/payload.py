"""Functions and arguments as bytes for the standard input of tasks. Made at submit, taken apart by `task_main`.

A payload is a line of JSON, then the function, then its arguments, both pickled:

    [512, null]

The line tells where both are. The function is as long as its first number says, or in the file that is named there; the
arguments follow when the second is null, or are in a file, too. What all functions of a submit have in common is in the
variable HQ_BRIDGE_JOB: `data` is the directory of the files, `limit` is what a pickled result may take, in bytes (0:
none is kept), `python` and `cloudpickle` are the versions that have pickled.
"""

from __future__ import annotations

import json
import pickle
import sys
import threading
from typing import TYPE_CHECKING, Any, Callable, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple

from .data_dir import DataDirectory
from .result_file import PROTOCOL
from .task_main import JOB_VARIABLE as JOB_VARIABLE
from .validation import ValidationException

if TYPE_CHECKING:
    from .tasks import PythonFunction

# What one part may take of a submit, in all its tasks together. More goes to a file, which is read where it is needed.
INLINE_BYTES = 256 * 1024
# A part as small as this, such as the name of a function in a module, is not worth a file, however many tasks have it.
SMALL_BYTES = 256

_packing = threading.local()


class Packed(NamedTuple):
    """The payload of one task, and the tasks whose results are among its arguments."""

    content: bytes
    needs: "Sequence[PythonFunction]"


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


def pack(tasks: "Sequence[PythonFunction]", data: DataDirectory) -> Iterator[Packed]:
    """Packs the functions of one submit, in order. Equal functions are pickled once.

    :param data: takes what is too large for a submit; is made when that happens
    :raises ValidationException: for a function or an argument that cannot be pickled
    """
    uses: Dict[int, int] = {}
    for task in tasks:
        uses[id(task.fn)] = uses.get(id(task.fn), 0) + 1
    dumps = _by_value if _wants_modules_by_value() else _by_reference
    # The tasks keep their functions alive, so that an id stays the name of one function.
    known: Dict[int, Tuple[bytes, bytes]] = {}
    for task in tasks:
        if id(task.fn) not in known:
            content = _pickled(dumps, task, "the function", task.fn)
            place, inline = _place(data, f"function-{task.task_id}", content, uses[id(task.fn)])
            known[id(task.fn)] = f"[{json.dumps(place or len(inline))},".encode(), inline
        start, function = known[id(task.fn)]
        needs: "List[PythonFunction]" = []
        _packing.needs = needs
        try:
            content = _pickled(dumps, task, "an argument", (task.args, task.kwargs))
        finally:
            _packing.needs = None
        place, args = _place(data, f"args-{task.task_id}", content, 1)
        end = b"null]\n" if place is None else f"{json.dumps(place)}]\n".encode()
        yield Packed(start + end + function + args, needs)


def job_value(data: DataDirectory, limit: int) -> str:
    """What JOB_VARIABLE is for functions that were packed just now."""
    cloudpickle = sys.modules.get("cloudpickle")
    value = {
        "python": f"{sys.version_info[0]}.{sys.version_info[1]}",
        "cloudpickle": None if cloudpickle is None else cloudpickle.__version__,
        "data": str(data.path),
        "limit": limit,
    }
    return json.dumps(value)


def _place(data: DataDirectory, name: str, content: bytes, uses: int) -> Tuple[Optional[str], bytes]:
    """The name of the file to which this part went, None for none, and what stays for the payload."""
    if len(content) <= SMALL_BYTES or len(content) * uses <= INLINE_BYTES:
        return None, content
    data.make()
    data.write(name, content)
    return name, b""


def _pickled(dumps: Callable[[Any], bytes], task: "PythonFunction", what: str, value: Any) -> bytes:
    try:
        return dumps(value)
    except Exception as error:
        raise ValidationException(
            f"{what} of task {task.label} cannot be pickled: {type(error).__name__}: {error}. Make it inside the "
            "function, or pass what it is made from"
        ) from error


def _by_reference(value: Any) -> bytes:
    """By reference where that is enough: it is quicker, and another Python can load it."""
    try:
        content = pickle.dumps(value, protocol=PROTOCOL)
        # What is defined in the user's script is nowhere else, and so must travel by value.
        if b"__main__" not in content:
            return content
    except Exception:
        # A lambda, a function in a function and much else; the next one says what is really wrong.
        pass
    return _by_value(value)


def _by_value(value: Any) -> bytes:
    return _cloudpickle().dumps(value, protocol=PROTOCOL)  # type: ignore[no-any-return]


def _wants_modules_by_value() -> bool:
    """Whether the user has asked cloudpickle for that."""
    cloudpickle = sys.modules.get("cloudpickle")
    return cloudpickle is not None and bool(cloudpickle.list_registry_pickle_by_value())


def _cloudpickle() -> Any:
    try:
        import cloudpickle
    except ImportError:
        raise pickle.PicklingError("it needs cloudpickle: pip install cloudpickle") from None
    return cloudpickle
