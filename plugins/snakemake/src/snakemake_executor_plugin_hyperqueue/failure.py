"""What a user is told about a failed job: why, where, the last lines that it printed, and a file with all of them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hq_bridge import HqError

from . import resources

if TYPE_CHECKING:
    from hq_bridge._generated import models
    from snakemake_interface_executor_plugins.executors.base import SubmittedJobInfo

    from .session import Session

TAIL_LINES = 20
TAIL_BYTES = 16_384
# A shared file system may show another host's file a moment late.
LOG_TRIES = 3
LOG_RETRY_S = 0.2
NAME_LIMIT = 100
MIB = 1024 * 1024
TIME_STAMP = re.compile(r"\[\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}\]")


class Failures:
    """Reports failed tasks of one run.

    :param log_dir: where a failed job's output goes; None: it is not kept
    """

    def __init__(self, session: Session, log_dir: Path | None, logger: Any) -> None:
        self._session = session
        self._log_dir = log_dir
        self._logger = logger
        self.count = 0

    def report(
        self, info: SubmittedJobInfo, end: models.HqEventTaskFailed | models.TaskInfo, fail: Callable[..., None]
    ) -> None:
        """Calls `fail(info, message, aux_logs=[...])` once."""
        self.count += 1
        job_id = end["jobId"]
        task_id: int = end["taskId"] if "taskId" in end else end["id"]  # type: ignore[typeddict-item]
        aux: dict[str, Any] = info.aux or {}
        file = None
        if self._log_dir is not None:
            file = self._log_dir / f"{file_name(aux.get('label', info.job.name))}.{job_id}-{task_id}.log"
        lines = self._save_output(job_id, task_id, file)
        text = (
            f"task {task_id} of HyperQueue job {job_id}{self._place(job_id, task_id)} failed: {reason_of(end, aux)}"
            f"{usage_text(end['usage'])}"
        )
        if lines:
            text += "\nLast lines that it printed:\n" + "\n".join(f"    {line}" for line in lines)
        logs = [str(file)] if file is not None and file.exists() else []
        # Snakemake shows no message of its own for a group.
        if info.job.is_group():
            self._logger.error(text)
        fail(info, f"{text}\n", aux_logs=logs)

    def _place(self, job_id: int, task_id: int) -> str:
        """` on HOST`, where that can still be found out."""
        try:
            workers = self._session.tasks(job_id, str(task_id))[0]["workers"]
            return f" on {self._session.host_of(workers[0])} (worker {workers[0]})" if workers else ""
        except (HqError, IndexError):
            return ""

    def _save_output(self, job_id: int, task_id: int, file: Path | None) -> list[str]:
        """Copies what the task printed into the file; returns the last lines of its standard error."""
        from hq_bridge.outputlog import OutputLog, OutputLogError

        for attempt in range(LOG_TRIES):
            try:
                with OutputLog(str(self._session.run_dir(job_id)), self._session.server_uid) as log:
                    return copy_output(log, job_id, task_id, file)
            except (OSError, OutputLogError):
                if attempt + 1 < LOG_TRIES:
                    time.sleep(LOG_RETRY_S)
        return []


def copy_output(log: Any, job_id: int, task_id: int, file: Path | None) -> list[str]:
    """Standard error, which has all that Snakemake says, then standard output; tells the last lines of both."""
    tails = []
    pieces: list[bytes] = []
    for channel in ("stderr", "stdout"):
        tail = b""
        for number, piece in enumerate(log.iter_task(job_id, task_id, channel)):
            if number == 0:
                pieces.append(f"--- {channel} ---\n".encode())
            pieces.append(piece)
            tail = (tail + piece)[-TAIL_BYTES:]
        tails.append(tail)
    if file is not None and pieces:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"".join(pieces))
    said, printed = (telling_lines(tail.decode(errors="replace")) for tail in tails)
    # Many programs complain on standard output.
    return said if not printed else [*said, "On standard output:", *printed]


def telling_lines(text: str) -> list[str]:
    """The last lines of what a job's Snakemake printed that tell something.

    Snakemake says around them what the main process says anyway: up to `resources:` what it is going to do, from
    `Error in rule` on which rule that was.
    """
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    end = next((at for at, line in enumerate(lines) if line.startswith("Error in rule ")), len(lines))
    begin = max((at + 1 for at, line in enumerate(lines[:end]) if line.startswith("    resources: ")), default=0)
    inner = [line for line in lines[begin:end] if not TIME_STAMP.fullmatch(line)]
    return (inner or lines)[-TAIL_LINES:]


def reason_of(end: models.HqEventTaskFailed | models.TaskInfo, aux: dict[str, Any]) -> str:
    """Why, in the words of a workflow: which resource to change."""
    failure = end["failure"]
    limit_ms = aux.get("time_limit_ms")
    memory = aux.get("memory")
    if failure == "exit":
        return f"exit code {end['exitCode']}"
    if failure == "signal":
        hint = "; the node may be out of memory" if end["signal"] == "SIGKILL" else ""
        return f"killed by signal {end['signal']}{hint}"
    if failure == "time-limit" and limit_ms is not None:
        return f"it exceeded its time limit of {limit_ms / resources.MINUTE_MS:g} min (resource runtime)"
    if failure == "memory-limit" and memory is not None:
        return f"it exceeded its memory limit of {memory:g} MiB (resource mem_mb): {end['error']}"
    if failure == "worker-lost":
        return f"its worker was lost too often, maybe because of this job: {end['error']}"
    return end["error"] or str(failure)


def usage_text(usage: models.TaskUsage | None) -> str:
    """`; it ran for 3.2 s, peak memory 45 MiB`, as far as that is known."""
    if usage is None:
        return ""
    peak = usage["peakMemBytes"] if usage["peakMemBytes"] is not None else usage["maxRssBytes"]
    memory = "" if peak is None else f", peak memory {peak / MIB:.0f} MiB"
    return f"; it ran for {usage['wallMs'] / 1_000:.1f} s{memory}"


def file_name(label: str) -> str:
    """A label as a file name: slashes of wildcards and other special characters become `_`."""
    return re.sub(r"[^\w.=,+-]+", "_", label)[:NAME_LIMIT].strip("_.") or "job"
