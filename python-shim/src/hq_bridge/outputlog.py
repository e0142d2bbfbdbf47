"""Reads the consolidated output logs of ``hq submit --stream=DIR``.

    with OutputLog("logs/") as log:
        for task in log.tasks(job=3):
            print(task.id, task.outcome, log.read(3, task.id))

The byte layout is described in docs/output-log.md; src/outputlog is the same in TypeScript. Growing, cut off and
damaged files are read as far as they are intact. Standard library only.
"""

import os
from typing import BinaryIO, Callable, Dict, Iterator, List, Optional, Tuple

from .outputlog_file import (
    CHANNELS,
    DATA,
    HEADER,
    LOG_NAME,
    OUTCOMES,
    SIZES,
    Chunk,
    LogFile,
    Notice,
    OutputLogError,
    Record,
    TaskInfo,
    TaskRecords,
    read_record,
    size_of,
)


class OutputLog:
    """The log in a stream directory, or of one job.

    ``path``: a stream directory or a log file; ``job-N.log`` stands for the files of all workers of the job.
    ``server_uid``: only logs of this server. ``on_notice``: told of everything damaged, cut off or skipped.
    Raises OutputLogError when there is no log or several servers wrote there, OSError when it cannot be read.
    """

    def __init__(
        self, path: str, server_uid: Optional[str] = None, on_notice: Optional[Callable[[Notice], None]] = None
    ) -> None:
        self.path = os.fspath(path)
        self.implied_job: Optional[int] = None
        self._notify = on_notice if on_notice is not None else (lambda notice: None)
        self._tables: Dict[int, Dict[int, TaskRecords]] = {}
        # The file read last stays open: reading goes through one file for a while.
        self._stream: Optional[BinaryIO] = None
        self._stream_path = ""
        self._files = self._find(server_uid)
        uids = sorted({file.identity["serverUid"] for file in self._files})
        if len(uids) > 1:
            text = "{} holds logs of several servers ({}); choose one with server_uid"
            raise OutputLogError(text.format(self.path, ", ".join(uids)))
        if not self._files:
            of = "" if server_uid is None else " of server {}".format(server_uid)
            raise OutputLogError("No log files{} found in {}".format(of, self.path))
        self.server_uid: str = uids[0]

    def __enter__(self) -> "OutputLog":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def close(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = None

    def jobs(self) -> List[int]:
        """Ids of the jobs that have a log, ascending."""
        return sorted({file.identity["jobId"] for file in self._files})

    def tasks(self, job: int) -> List[TaskInfo]:
        """The tasks of a job by id. Raises OutputLogError for an unknown job."""
        return [self.task(job, task) for task in sorted(self._table(job))]

    def task(self, job: int, task: int) -> TaskInfo:
        """One task. Raises OutputLogError for an unknown job or task."""
        entry = self._task(job, task)
        current = entry.current()
        end = entry.end()
        record = end[1] if end is not None else None
        known = record is not None and record.code < len(OUTCOMES)
        return TaskInfo(
            id=task,
            instance=max(entry.instances),
            finished=record is not None,
            outcome=OUTCOMES[record.code] if record is not None and known else None,
            ended_ms=record.time_ms if record is not None else None,
            stdout_size=size_of(current, "stdout"),
            stderr_size=size_of(current, "stderr"),
        )

    def iter_task(self, job: int, task: int, channel: str = "stdout") -> Iterator[bytes]:
        """What the highest instance of a task printed, in pieces of at most 64 KiB. Raises OutputLogError when unknown."""
        entry = self._task(job, task)
        code = CHANNELS.index(channel)
        count = 0
        for file, record in entry.current():
            if record.type != DATA or record.code != code:
                continue
            data = self._payload(file, record)
            if data is None:
                file.damaged(record.offset, HEADER.size + record.length)
            else:
                count += len(data)
                yield data
        end = entry.end()
        if end is not None:
            self._compare(task, channel, count, end)

    def read(self, job: int, task: int, channel: str = "stdout") -> bytes:
        """All that the highest instance of a task printed. Raises OutputLogError for an unknown job or task."""
        return b"".join(self.iter_task(job, task, channel))

    def show(self, job: Optional[int] = None, channel: Optional[str] = None) -> Iterator[Chunk]:
        """What tasks printed ordered by time, of all jobs or of one, both channels or one."""
        wanted = []
        for job_id in self.jobs() if job is None else [job]:
            for entry in self._table(job_id).values():
                for file, record in entry.current():
                    if record.type == DATA and channel in (None, CHANNELS[record.code]):
                        wanted.append((record.time_ms, job_id, file, record))
        wanted.sort(key=lambda item: (item[0], item[1], item[2].path, item[3].offset))
        for time_ms, job_id, file, record in wanted:
            data = self._payload(file, record)
            if data is None:
                file.damaged(record.offset, HEADER.size + record.length)
            else:
                yield Chunk(job_id, record.task, record.instance, CHANNELS[record.code], time_ms, data)

    def summary(self) -> Dict[str, int]:
        """Counts over all jobs with the key names of ``hq --output-mode=json output-log … summary``; sizes in bytes."""
        result = dict.fromkeys(("n_files", "n_jobs", "n_tasks", "n_streams", "n_opened", "stdout_size", "stderr_size"), 0)
        result.update(n_superseded=0, superseded_stdout_size=0, superseded_stderr_size=0)
        result["n_files"] = len(self._files)
        result["n_jobs"] = len(self.jobs())
        for job in self.jobs():
            for entry in self._table(job).values():
                result["n_tasks"] += 1
                result["n_streams"] += len(entry.instances)
                result["n_opened"] += 1 if entry.end() is None else 0
                result["n_superseded"] += len(entry.instances) - 1
                for instance, records in entry.instances.items():
                    prefix = "" if instance == max(entry.instances) else "superseded_"
                    for channel in CHANNELS:
                        result[prefix + channel + "_size"] += size_of(records, channel)
        return result

    def _find(self, server_uid: Optional[str]) -> List[LogFile]:
        if os.path.isdir(self.path):
            return self._find_names(self.path, None, server_uid)
        try:
            named = LogFile(self.path, self._notify)
        except OutputLogError as error:
            raise OutputLogError("{} cannot be read as an output log: {}".format(self.path, error)) from error
        self.implied_job = int(named.identity["jobId"])
        uid = server_uid if server_uid is not None else named.identity["serverUid"]
        match = LOG_NAME.match(os.path.basename(self.path))
        if match is not None and match.group(2) is None:
            return self._find_names(os.path.dirname(self.path) or ".", self.implied_job, uid)
        return [named] if named.identity["serverUid"] == uid else []

    def _find_names(self, directory: str, job: Optional[int], uid: Optional[str]) -> List[LogFile]:
        files = []
        for name in sorted(os.listdir(directory)):
            match = LOG_NAME.match(name)
            if match is None or job not in (None, int(match.group(1))):
                continue
            path = os.path.join(directory, name)
            try:
                if os.path.islink(path) or not os.path.isfile(path):
                    raise OutputLogError("it is not a regular file")
                file = LogFile(path, self._notify)
            except (OutputLogError, OSError) as error:
                self._notify(Notice(path, 0, 0, "skipped", "{}: skipped, {}".format(path, error)))
                continue
            if uid in (None, file.identity["serverUid"]):
                files.append(file)
        return files

    def _table(self, job: int) -> Dict[int, TaskRecords]:
        if job not in self._tables:
            files = [file for file in self._files if file.identity["jobId"] == job]
            if not files:
                raise OutputLogError("Job {} not found".format(job))
            table: Dict[int, TaskRecords] = {}
            for file in files:
                for record in file.records():
                    if record.type == DATA and record.code >= len(CHANNELS):
                        continue
                    if record.task not in table:
                        table[record.task] = TaskRecords()
                    table[record.task].add(file, record)
            self._tables[job] = table
        return self._tables[job]

    def _task(self, job: int, task: int) -> TaskRecords:
        table = self._table(job)
        if task not in table:
            raise OutputLogError("Task {} not found".format(task))
        return table[task]

    def _payload(self, file: LogFile, record: Record) -> Optional[bytes]:
        if self._stream is None or self._stream_path != file.path:
            self.close()
            self._stream = file.open()
            self._stream_path = file.path
        return read_record(self._stream, record.offset)[1]

    def _compare(self, task: int, channel: str, count: int, end: Tuple[LogFile, Record]) -> None:
        file, record = end
        payload = self._payload(file, record)
        if payload is None:
            return
        lacking = SIZES.unpack_from(payload)[CHANNELS.index(channel)] - count
        if lacking > 0:
            text = "{}: task {} lacks {} bytes of its output (end record at offset {})"
            text = text.format(file.path, task, lacking, record.offset)
            self._notify(Notice(file.path, record.offset, lacking, "incomplete", text))
