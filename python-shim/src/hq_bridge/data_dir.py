"""The files of a job with functions: large functions and arguments, and what its functions return. Used by `JobClient`.

They lie in the server directory beside the spool of the workers, which both sides reach, and are named by a label of
the job, so that any client of the server finds them. They go with `JobClient.forget`; what jobs leave that were
forgotten otherwise is removed by the next client that submits functions.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Iterable, Iterator, Mapping, Optional

from .intarray import ids_of, ids_text
from .result_file import private, result_path

if TYPE_CHECKING:
    from .client import Client

LABEL = "python-data"
PARENT = "python"
RESULTS_FILE = "tasks-with-results"
# A directory without a job belongs to a submit that is just being made, unless it is this old.
ORPHAN_AGE_S = 24 * 3600.0


class DataDirectory:
    """The directory of one job. `path` exists once `make` was called."""

    def __init__(self, identity: Path, token: str) -> None:
        self.token = token
        self.path = identity / PARENT / token

    @classmethod
    def new(cls, identity: Path) -> "DataDirectory":
        return cls(identity, uuid.uuid4().hex)

    @classmethod
    def of_job(cls, identity: Path, labels: Mapping[str, str]) -> "Optional[DataDirectory]":
        """None for a job without functions."""
        token = labels.get(LABEL, "")
        # It comes from the server, where everybody with its token may set labels, and names a directory to be removed.
        return cls(identity, token) if len(token) == 32 and token.isalnum() else None

    def make(self) -> None:
        """Makes it for its owner alone. May be called twice."""
        self.path.parent.mkdir(mode=0o700, exist_ok=True)
        self.path.mkdir(mode=0o700, exist_ok=True)

    def write(self, name: str, content: bytes) -> None:
        """Keeps a part of a task. A submit that is tried again writes the same once more, maybe beside readers."""
        draft = self.path / f".{name}-{os.getpid()}"
        with open(draft, "wb", opener=private) as file:
            file.write(content)
        os.replace(draft, self.path / name)

    def add_results(self, task_ids: Iterable[int]) -> None:
        """Notes that these tasks will leave results."""
        ids = ids_text(task_ids)
        if ids:
            with open(self.path / RESULTS_FILE, "a", encoding="ascii", opener=private) as file:
                file.write(f"{ids}\n")

    def tasks_with_results(self) -> Iterator[int]:
        with contextlib.suppress(FileNotFoundError), open(self.path / RESULTS_FILE, encoding="ascii") as file:
            for line in file:
                yield from ids_of(line)

    def result(self, task_id: int, instance: int) -> Path:
        return Path(result_path(self.path, task_id, instance))

    def remove(self) -> None:
        # Somebody else may be doing the same.
        shutil.rmtree(self.path, ignore_errors=True)


def remove_orphans(identity: Path, client: "Client") -> None:
    """Removes what jobs have left that the server does not know any more."""
    parent = identity / PARENT
    oldest = time.time() - ORPHAN_AGE_S
    try:
        old = [entry.name for entry in os.scandir(parent) if entry.stat(follow_symlinks=False).st_mtime < oldest]
    except FileNotFoundError:
        return
    if old:
        known = {job["labels"].get(LABEL) for job in client.jobs()}
        for token in set(old) - known:
            DataDirectory(identity, token).remove()
