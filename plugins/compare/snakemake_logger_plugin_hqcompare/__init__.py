"""Notes when jobs of a workflow are submitted and when Snakemake knows that they have ended, for `hq compare snakemake`.

Found by Snakemake because `hq compare` puts the folder above on PYTHONPATH; chosen with `--logger hqcompare`. Not installed.
"""

import json
import os
import time
from logging import LogRecord

from snakemake_interface_executor_plugins.utils import TargetSpec, encode_target_jobs_cli_args
from snakemake_interface_logger_plugins.base import LogHandlerBase

# Where the notes go: one JSON object per line.
FILE_VARIABLE = "HQ_COMPARE_EVENTS"


class LogHandler(LogHandlerBase):
    """Writes the four events of a job, each with the time at which it was logged, and nothing else."""

    # What Snakemake prints, and its log file, stay as they are.
    writes_to_stream = False
    writes_to_file = False
    # Levels of quietness must not hide events, and nothing is formatted.
    has_filter = True
    has_formatter = True
    needs_rulegraph = False

    def __post_init__(self) -> None:
        """
        :raises KeyError: when HQ_COMPARE_EVENTS is not set
        :raises OSError: when the file that it names cannot be opened
        """
        self._file = open(os.environ[FILE_VARIABLE], "a", encoding="utf-8", buffering=1)

    def emit(self, record: LogRecord) -> None:
        """Note an event of a job.

        :param record: of Snakemake; anything without one of the four events is passed over
        """
        event = str(getattr(record, "event", None))
        note = _NOTES[event](record) if event in _NOTES else None
        if note is not None:
            self._file.write(json.dumps({"event": event, "atMs": time.time() * 1000, **note}) + "\n")

    def close(self) -> None:
        """Close the file with the handler."""
        self._file.close()
        super().close()


def _info(record: LogRecord) -> dict:
    """What a job is. `target` is how the Snakemake that runs it on a node is told which one, so that both can be joined."""
    target = encode_target_jobs_cli_args([TargetSpec(record.rule_name, dict(record.wildcards or {}))])[0]
    return {"job": record.jobid, "rule": record.rule_name, "local": bool(record.local), "threads": record.threads, "target": target}


_NOTES = {
    "job_info": _info,
    "job_started": lambda record: {"jobs": list(record.jobs)},
    "job_finished": lambda record: {"job": record.job_id},
    "job_error": lambda record: {"job": record.jobid},
}
