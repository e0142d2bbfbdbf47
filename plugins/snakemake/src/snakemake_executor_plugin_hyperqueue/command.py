"""The command of a job, of which almost all is the same for every job of a run. Used by the executor for every job."""

from __future__ import annotations

from collections.abc import Callable, Hashable


class CommandFormat:
    """Snakemake writes out the settings of the whole run for every job, which takes longer than all else that is done
    for a job here. So what stands around the job's own arguments is kept.
    """

    def __init__(self) -> None:
        self._around: dict[Hashable, tuple[str, str]] = {}

    def command(self, kind: Hashable, own: str, whole: Callable[[], str]) -> str:
        """The command of one job.

        :param kind: jobs of the same kind differ in their own arguments only
        :param own: the job's own arguments as they stand in its command
        :param whole: writes the whole command of this job
        """
        around = self._around.get(kind)
        if around is not None:
            return own.join(around)
        command = whole()
        head, *rest = command.split(own) if own else [command]
        # Anything else is not understood, and written out for every job.
        if len(rest) == 1:
            self._around[kind] = (head, rest[0])
        return command
