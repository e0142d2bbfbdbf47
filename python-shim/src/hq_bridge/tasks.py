"""Tasks of a job. Made by `Job.program` and `Job.function`, turned into those of the HTTP API by `graph`.

Names follow `hyperqueue.task` of HyperQueue 0.26.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Callable, Dict, List, Mapping, Optional, Sequence, Tuple, Union

from .output import Output, outputs_of
from .payload import note_needed
from .python_env import PythonEnv
from .task_main import result_of
from .validation import ValidationException

Word = Union[str, Output]
ProgramArgs = Union[str, Sequence[Word]]


class Task:
    """What programs and functions have in common. `settings` are fields of the HTTP API, checked."""

    # A hundred thousand of them are made at once, and the collector looks at each dictionary of an object, too.
    __slots__ = ("dependencies", "job", "name", "settings", "task_id")
    dependencies: "Tuple[Task, ...]"
    job: Any

    def __init__(
        self, job: Any, task_id: int, name: Optional[str], dependencies: "Sequence[Task]", settings: Mapping[str, Any]
    ) -> None:
        if name is not None and not isinstance(name, str):
            raise ValidationException(f"name={name!r} of task {task_id} is no text")
        # A task alone is none of these.
        if not isinstance(dependencies, Iterable):
            raise ValidationException(f"deps of task {name or task_id} is {dependencies!r}; give a list of tasks")
        # First, as an iterator can be read once.
        self.dependencies = tuple(dependencies)
        for task in self.dependencies:
            if not isinstance(task, Task) or task.job is not job:
                raise ValidationException(
                    f"deps of task {name or task_id} names {task!r}, which is no task of this job"
                )
        self.job = job
        self.task_id = task_id
        self.name = name
        self.settings = settings

    @property
    def label(self) -> str:
        """The name of the task, its id where it has none."""
        return str(self.task_id) if self.name is None else self.name


class ExternalProgram(Task):
    """A program. `task["name"]` is the `Output` of that name among its arguments, for the tasks that read it."""

    __slots__ = ("args", "outputs", "stdin")

    def __init__(self, args: ProgramArgs, stdin: Optional[bytes], *of_task: Any) -> None:
        super().__init__(*of_task)
        words: List[Word] = [args] if isinstance(args, (str, Output)) else list(args)
        for word in words:
            if not isinstance(word, (str, Output)):
                raise ValidationException(f"args of task {self.label} has {word!r}; all arguments must be texts")
        if not words:
            raise ValidationException(f"args of task {self.label} is empty; the first one is the program")
        self.args = words
        self.stdin = stdin
        self.outputs = outputs_of(words)

    def __getitem__(self, name: str) -> Output:
        if name not in self.outputs:
            raise KeyError(f"task {self.label} has no output {name}")
        return self.outputs[name]

    def __repr__(self) -> str:
        return f"<ExternalProgram {self.label}: {' '.join(map(str, self.args))}>"


class PythonFunction(Task):
    """A function. As an argument of a later function of its job it stands for what it returns."""

    __slots__ = ("args", "fn", "kwargs", "python_env")

    def __init__(
        self,
        fn: Callable[..., Any],
        args: Sequence[Any],
        kwargs: Optional[Mapping[str, Any]],
        python_env: Optional[PythonEnv],
        *of_task: Any,
    ) -> None:
        super().__init__(*of_task)
        if not callable(fn):
            raise ValidationException(f"task {self.label} has {fn!r}, which is no function")
        if isinstance(args, (str, bytes)):
            raise ValidationException(f"args of task {self.label} is {args!r}; give a sequence, such as ({args!r},)")
        self.fn = fn
        self.args = tuple(args)
        self.kwargs: Dict[str, Any] = dict(kwargs or {})
        self.python_env = python_env

    def __reduce__(self) -> Tuple[Any, ...]:
        return result_of, (note_needed(self),)

    def __repr__(self) -> str:
        return f"<PythonFunction {self.label}>"


def function_name(fn: Any, task_id: int) -> Optional[str]:
    """What a function is called where its user gives no name."""
    name = getattr(fn, "__name__", None)
    return None if name is None else f"{name}/{task_id}"
