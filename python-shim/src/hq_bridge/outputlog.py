"""Reads the consolidated output logs of ``hq submit --stream=DIR``.

    with OutputLog("logs/") as log:
        for task in log.tasks(job=3):
            print(task.id, task.outcome, log.read(3, task.id))

The byte layout is described in docs/output-log.md; src/outputlog is the same in TypeScript. Growing, cut off and
damaged files are read as far as they are intact. Standard library only.
"""

import json
import os
import re
import struct
import zlib
from typing import Any, BinaryIO, Callable, Dict, Iterable, Iterator, List, NamedTuple, Optional, Tuple

VERSION = 1
MAGIC = b"\x89HQLOG\n" + bytes([VERSION])
MARKER = b"\xf5HQ\xfa"
CHANNELS = ("stdout", "stderr")
OUTCOMES = ("finished", "failed", "canceled", "stopped")

_IDENTITY, _DATA, _END, _INDEX, _TRAILER = 1, 2, 3, 4, 5

# marker, type, code, zero, task, instance, time (ms since 1970), payload length, payload CRC, CRC of the 32 bytes before
_HEADER = struct.Struct("<4sBBHIIQIII")
# previous index, first record, number of entries, zero
_INDEX_HEAD = struct.Struct("<QQII")
# type, code, zero, task, instance, payload length, time
_INDEX_ENTRY = struct.Struct("<BBHIIIQ")
_SIZES = struct.Struct("<QQ")
_OFFSET = struct.Struct("<Q")
_TRAILER_BYTES = _HEADER.size + _OFFSET.size

_MAX_PAYLOAD = 16 * 1024 * 1024
_IDENTITY_AREA = 4096
_SEARCH_BYTES = 256 * 1024

_NAME = re.compile(r"^job-([0-9]{1,10})(?:-[A-Za-z0-9_-]+)?\.log(\.w[0-9]+(?:\.[0-9]+)?)?$")


class OutputLogError(Exception):
    """The log, job or task does not exist, or several servers wrote to the directory."""


class Notice(NamedTuple):
    """Something that is not whole. ``kind`` is damaged, cut, skipped or incomplete; ``text`` is a line to show."""

    file: str
    offset: int
    bytes: int
    kind: str
    text: str


class TaskInfo(NamedTuple):
    """One task at its highest instance. Sizes are bytes, times ms since 1970; ``outcome`` is None while it runs."""

    id: int
    instance: int
    finished: bool
    outcome: Optional[str]
    ended_ms: Optional[int]
    stdout_size: int
    stderr_size: int


class Chunk(NamedTuple):
    """A piece of what a task printed, at most 64 KiB."""

    job: int
    task: int
    instance: int
    channel: str
    time_ms: int
    data: bytes


class _Record(NamedTuple):
    offset: int
    type: int
    code: int
    task: int
    instance: int
    time_ms: int
    length: int


class _Task:
    """Records of one task: instance -> [(file, record)]."""

    def __init__(self) -> None:
        self.instances: Dict[int, List[Tuple["_File", _Record]]] = {}

    def add(self, file: "_File", record: _Record) -> None:
        self.instances.setdefault(record.instance, []).append((file, record))

    def current(self) -> List[Tuple["_File", _Record]]:
        return self.instances[max(self.instances)]

    def end(self) -> Optional[Tuple["_File", _Record]]:
        ends = [entry for entry in self.current() if entry[1].type == _END]
        return ends[-1] if ends else None


def _size_of(entries: Iterable[Tuple["_File", _Record]], channel: str) -> int:
    code = CHANNELS.index(channel)
    return sum(record.length for _, record in entries if record.type == _DATA and record.code == code)


class _File:
    """One log file: whose it is, its records, the payload of one."""

    def __init__(self, path: str, notify: Callable[[Notice], None]) -> None:
        self.path = path
        self._notify = notify
        self.identity = self._read_identity()

    # Opened for each pass: a directory may hold more files than a process may have open.
    def open(self) -> BinaryIO:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.fdopen(os.open(self.path, flags), "rb")

    def records(self) -> List[_Record]:
        """All data and end records that are in the file now; tells of damage and of a cut-off end."""
        found: List[_Record] = []
        with self.open() as stream:
            size = os.fstat(stream.fileno()).st_size
            at = len(MAGIC)
            for start, index_offset, entries in self._segments(stream, size):
                walked = self._walk(stream, at, start, found)
                if walked < start:
                    self.damaged(walked, start - walked)
                offset = start
                for kind, code, _, task, instance, length, time_ms in _INDEX_ENTRY.iter_unpack(entries):
                    found.append(_Record(offset, kind, code, task, instance, time_ms, length))
                    offset += _HEADER.size + length
                at = index_offset + _HEADER.size + _INDEX_HEAD.size + len(entries)
            end = self._walk(stream, at, size, found)
            if end < size:
                text = "{}: the record at offset {} is incomplete ({} bytes so far); the log is being written or was cut off"
                self._notify(Notice(self.path, end, size - end, "cut", text.format(self.path, end, size - end)))
        return [record for record in found if record.type in (_DATA, _END)]

    def damaged(self, offset: int, count: int) -> None:
        text = "{}: {} bytes at offset {} are damaged and left out".format(self.path, count, offset)
        self._notify(Notice(self.path, offset, count, "damaged", text))

    def _read_identity(self) -> Dict[str, Any]:
        with self.open() as stream:
            area = stream.read(_IDENTITY_AREA)
        at = len(MAGIC)
        while at >= 0:
            record, crc = _parse(area, at, at)
            if record is not None and record.type == _IDENTITY:
                payload = area[at + _HEADER.size : at + _HEADER.size + record.length]
                identity = _identity(payload) if zlib.crc32(payload) == crc else None
                if identity is not None:
                    return identity
            at = area.find(MARKER, at + 1)
        prefix = area[: len(MAGIC) - 1]
        if not MAGIC.startswith(prefix):
            raise OutputLogError("it is not an output log")
        if len(area) >= len(MAGIC) and area[len(MAGIC) - 1] > VERSION:
            raise OutputLogError("it was written by a newer version of hq")
        raise OutputLogError("its beginning has not been written" if len(area) < _IDENTITY_AREA else "it is not an output log")

    def _segments(self, stream: BinaryIO, size: int) -> List[Tuple[int, int, bytes]]:
        """Stretches described by intact indexes, ascending: (first record, offset of the index, entries)."""
        segments: List[Tuple[int, int, bytes]] = []
        offset = self._last_index(stream, size)
        while offset > 0:
            record, payload = read_record(stream, offset)
            if record is None or record.type != _INDEX or payload is None or len(payload) < _INDEX_HEAD.size:
                break
            previous, first, count, _ = _INDEX_HEAD.unpack_from(payload)
            entries = payload[_INDEX_HEAD.size :]
            if len(entries) != count * _INDEX_ENTRY.size:
                break
            described = sum(_HEADER.size + entry[5] for entry in _INDEX_ENTRY.iter_unpack(entries))
            if first + described != offset or previous >= max(first, 1):
                break
            segments.append((first, offset, entries))
            offset = previous
        segments.reverse()
        return segments

    def _last_index(self, stream: BinaryIO, size: int) -> int:
        offset = size - _TRAILER_BYTES
        if offset < len(MAGIC):
            return 0
        record, payload = read_record(stream, offset)
        if record is None or record.type != _TRAILER or payload is None:
            return 0
        return int(_OFFSET.unpack_from(payload)[0])

    def _walk(self, stream: BinaryIO, start: int, stop: int, found: List[_Record]) -> int:
        """Appends the records of [start, stop); returns the offset after the last complete one."""
        done = offset = start
        while offset + _HEADER.size <= stop:
            stream.seek(offset)
            record, crc = _parse(stream.read(_HEADER.size), 0, offset)
            if record is None:
                offset = _find_marker(stream, offset + 1, stop)
                continue
            if offset > done:
                self.damaged(done, offset - done)
                done = offset
            end = offset + _HEADER.size + record.length
            if end > stop:
                break
            if record.type in (_DATA, _INDEX) or zlib.crc32(stream.read(record.length)) == crc:
                found.append(record)
            else:
                self.damaged(offset, end - offset)
            done = offset = end
        return done


def _parse(data: bytes, at: int, offset: int) -> Tuple[Optional[_Record], int]:
    """The record header at ``data[at:]``, which lies at ``offset`` of the file, and the CRC of its payload."""
    if at + _HEADER.size > len(data) or data[at : at + 4] != MARKER:
        return None, 0
    _, kind, code, _, task, instance, time_ms, length, payload_crc, crc = _HEADER.unpack_from(data, at)
    if zlib.crc32(data[at : at + 32], offset & 0xFFFFFFFF) != crc or length > _MAX_PAYLOAD:
        return None, 0
    return _Record(offset, kind, code, task, instance, time_ms, length), payload_crc


def read_record(stream: BinaryIO, offset: int) -> Tuple[Optional[_Record], Optional[bytes]]:
    """The record at ``offset``; None for what is not intact."""
    stream.seek(offset)
    record, crc = _parse(stream.read(_HEADER.size), 0, offset)
    if record is None:
        return None, None
    payload = stream.read(record.length)
    return record, payload if len(payload) == record.length and zlib.crc32(payload) == crc else None


def _find_marker(stream: BinaryIO, start: int, stop: int) -> int:
    while start + len(MARKER) <= stop:
        stream.seek(start)
        block = stream.read(_SEARCH_BYTES)
        at = block.find(MARKER)
        if at >= 0:
            return min(start + at, stop)
        if len(block) < len(MARKER):
            break
        start += len(block) - len(MARKER) + 1
    return stop


def _identity(payload: bytes) -> Optional[Dict[str, Any]]:
    try:
        value = json.loads(payload.decode("utf-8"))
    except ValueError:
        return None
    if not isinstance(value, dict) or not isinstance(value.get("serverUid"), str) or not isinstance(value.get("jobId"), int):
        return None
    return value


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
        self._tables: Dict[int, Dict[int, _Task]] = {}
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
            stdout_size=_size_of(current, "stdout"),
            stderr_size=_size_of(current, "stderr"),
        )

    def iter_task(self, job: int, task: int, channel: str = "stdout") -> Iterator[bytes]:
        """What the highest instance of a task printed, in pieces of at most 64 KiB. Raises OutputLogError when unknown."""
        entry = self._task(job, task)
        code = CHANNELS.index(channel)
        count = 0
        for file, record in entry.current():
            if record.type != _DATA or record.code != code:
                continue
            data = self._payload(file, record)
            if data is None:
                file.damaged(record.offset, _HEADER.size + record.length)
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
                    if record.type == _DATA and channel in (None, CHANNELS[record.code]):
                        wanted.append((record.time_ms, job_id, file, record))
        wanted.sort(key=lambda item: (item[0], item[1], item[2].path, item[3].offset))
        for time_ms, job_id, file, record in wanted:
            data = self._payload(file, record)
            if data is None:
                file.damaged(record.offset, _HEADER.size + record.length)
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
                        result[prefix + channel + "_size"] += _size_of(records, channel)
        return result

    def _find(self, server_uid: Optional[str]) -> List[_File]:
        if os.path.isdir(self.path):
            return self._find_names(self.path, None, server_uid)
        try:
            named = _File(self.path, self._notify)
        except OutputLogError as error:
            raise OutputLogError("{} cannot be read as an output log: {}".format(self.path, error)) from error
        self.implied_job = int(named.identity["jobId"])
        uid = server_uid if server_uid is not None else named.identity["serverUid"]
        match = _NAME.match(os.path.basename(self.path))
        if match is not None and match.group(2) is None:
            return self._find_names(os.path.dirname(self.path) or ".", self.implied_job, uid)
        return [named] if named.identity["serverUid"] == uid else []

    def _find_names(self, directory: str, job: Optional[int], uid: Optional[str]) -> List[_File]:
        files = []
        for name in sorted(os.listdir(directory)):
            match = _NAME.match(name)
            if match is None or job not in (None, int(match.group(1))):
                continue
            path = os.path.join(directory, name)
            try:
                if os.path.islink(path) or not os.path.isfile(path):
                    raise OutputLogError("it is not a regular file")
                file = _File(path, self._notify)
            except (OutputLogError, OSError) as error:
                self._notify(Notice(path, 0, 0, "skipped", "{}: skipped, {}".format(path, error)))
                continue
            if uid in (None, file.identity["serverUid"]):
                files.append(file)
        return files

    def _table(self, job: int) -> Dict[int, _Task]:
        if job not in self._tables:
            files = [file for file in self._files if file.identity["jobId"] == job]
            if not files:
                raise OutputLogError("Job {} not found".format(job))
            table: Dict[int, _Task] = {}
            for file in files:
                for record in file.records():
                    if record.type == _DATA and record.code >= len(CHANNELS):
                        continue
                    if record.task not in table:
                        table[record.task] = _Task()
                    table[record.task].add(file, record)
            self._tables[job] = table
        return self._tables[job]

    def _task(self, job: int, task: int) -> _Task:
        table = self._table(job)
        if task not in table:
            raise OutputLogError("Task {} not found".format(task))
        return table[task]

    def _payload(self, file: _File, record: _Record) -> Optional[bytes]:
        if self._stream is None or self._stream_path != file.path:
            self.close()
            self._stream = file.open()
            self._stream_path = file.path
        return read_record(self._stream, record.offset)[1]

    def _compare(self, task: int, channel: str, count: int, end: Tuple[_File, _Record]) -> None:
        file, record = end
        payload = self._payload(file, record)
        if payload is None:
            return
        lacking = _SIZES.unpack_from(payload)[CHANNELS.index(channel)] - count
        if lacking > 0:
            text = "{}: task {} lacks {} bytes of its output (end record at offset {})"
            text = text.format(file.path, task, lacking, record.offset)
            self._notify(Notice(file.path, record.offset, lacking, "incomplete", text))
