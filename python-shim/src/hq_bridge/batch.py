"""Many calls of a function as one task, each with an outcome of its own. Made by `Executor`, run by `task_main`."""

from __future__ import annotations

import pickle
import sys
import traceback
from typing import Any, Callable, Dict, List, NamedTuple, Sequence, Tuple

from .result_file import PROTOCOL

Call = Tuple[Tuple[Any, ...], Dict[str, Any]]


class RemoteError(Exception):
    """An exception of a call that could not be brought back as itself; the message is its traceback."""


class RemoteTraceback(Exception):
    """The cause of an exception of a call: where in its task it was raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


class Outcome(NamedTuple):
    """How a call has ended. `content`: its pickled value or exception, alone, so that a bad one spoils no other."""

    ok: bool
    content: bytes
    traceback: str = ""

    def value(self) -> Any:
        """What the call has returned.

        :raises Exception: what it has raised; `RemoteError` where that cannot be loaded
        """
        try:
            value = pickle.loads(self.content)
        except Exception as error:
            raise RemoteError(
                self.traceback or f"a result cannot be loaded: {type(error).__name__}: {error}"
            ) from error
        if self.ok:
            return value
        raise value from RemoteTraceback(self.traceback)


class Batch:
    """Calls one function for several arguments, one after the other."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn = fn

    def __call__(self, calls: Sequence[Call]) -> List[Outcome]:
        return [self._call(args, kwargs) for args, kwargs in calls]

    def _call(self, args: Tuple[Any, ...], kwargs: Dict[str, Any]) -> Outcome:
        try:
            return Outcome(True, _dumps(self.fn(*args, **kwargs)))
        except Exception as error:
            text = traceback.format_exc()
            try:
                return Outcome(False, _dumps(error), text)
            except Exception:
                return Outcome(False, _dumps(RemoteError(text)), text)


def _dumps(value: Any) -> bytes:
    """As in `result_file`: what came by value goes back by value."""
    cloudpickle = sys.modules.get("cloudpickle")
    return (cloudpickle or pickle).dumps(value, protocol=PROTOCOL)  # type: ignore[no-any-return]
