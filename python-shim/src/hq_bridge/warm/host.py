"""What a runner asks of the code that knows how a kind of tasks is started warm. Implemented by hosts."""

from __future__ import annotations

from typing import Callable, List, NoReturn, Protocol, Union

from . import task
from .frames import Launch, Variables


class Start(Protocol):
    """What a forked task runs; never returns to the loop."""

    def __call__(self) -> NoReturn: ...


class Plain(str):
    """The reason why a task is started as without a warm runner."""


class Outdated(Plain):
    """A reason that holds for all later tasks, too."""


class Host(Protocol):
    """What knows how a kind of tasks is started warm."""

    def prepare(self, launch: Launch) -> Union[Start, Plain]:
        """Called for each task, before the fork: quick, and never raises."""

    def variables(self, env: Variables) -> Variables:
        """Called in the fork: the variables of the task, out of those that a new process of the worker's would have."""

    def lesson(self) -> List[str]:
        """Called after the end of a task: modules that another runner should load, as this one has learned; once."""


def starting(main: Callable[[], None]) -> Start:
    """A start that runs this function to the end of the process."""

    def start() -> NoReturn:
        task.run(main)

    return start
