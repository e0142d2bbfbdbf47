"""After a crash Snakemake refuses to start: its error about a lock or incomplete files gets the command to type."""

from __future__ import annotations

import logging
import os
import shlex
import sys

# What Snakemake calls the error, in the record that it logs -> the option that goes on.
REMEDIES = {"LockException": "--unlock", "IncompleteFilesException": "--rerun-incomplete"}
WHAT = {
    "--unlock": "If the Snakemake that made the lock is gone, unlock the directory with this command and start again; "
    "jobs of it that HyperQueue still runs are followed, not started a second time:",
    "--rerun-incomplete": "To make them again type the following; jobs of the dead run that HyperQueue still runs are "
    "stopped before:",
}


class RestartHint(logging.Filter):
    """Adds to these two errors what to type, whatever shows them."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Lets everything pass."""
        option = REMEDIES.get(getattr(record, "exception", None) or "")
        if option is not None:
            record.msg = f"{record.msg}\n{WHAT[option]}\n    {command_with(option, sys.argv)}"
        return True


def install() -> None:
    """Once per process; Snakemake's logger exists before the first plugin is asked for its settings."""
    logger = logging.getLogger("snakemake.logging")
    if not any(isinstance(one, RestartHint) for one in logger.filters):
        logger.addFilter(RestartHint())


def command_with(option: str, argv: list[str]) -> str:
    """This call of Snakemake, as a shell reads it, with one more option. Behind the program, as targets may be last."""
    program = os.path.basename(argv[0])
    words = ["python", "-m", "snakemake"] if program == "__main__.py" else [program]
    return shlex.join([*words, option, *argv[1:]])
