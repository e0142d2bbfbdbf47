"""`python main_process.py FIGURES ARGUMENT…`: runs Snakemake with these arguments in this process and leaves in the file FIGURES what
that has cost: {"cpuS": CPU seconds of all its threads, without processes that it has started, "ownS": those of the executor
hyperqueue alone, see `own_cpu`}, and when it knew that jobs had ended: {"finished": [Unix time in seconds, …]}. Started by the
benchmark `snakemakeJobs`.
"""

import atexit
import json
import logging
import sys
import time

import own_cpu
import snakemake.cli
from snakemake.logging import logger

finished = []


def note(record: logging.LogRecord) -> bool:
    """A filter that keeps every record, and the time of those that tell of the end of a job."""
    if getattr(record, "event", None) == "job_finished":
        finished.append(record.created)
    return True


def leave_figures() -> None:
    with open(sys.argv[1], "w") as file:
        json.dump({"cpuS": time.process_time(), "ownS": own_cpu.spent_s(), "finished": finished}, file)


own_cpu.watch()
logger.addFilter(note)
atexit.register(leave_figures)
snakemake.cli.main(sys.argv[2:])
