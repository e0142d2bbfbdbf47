"""The files of a consolidated output log: records, indexes and what is known of a task. Used by ``outputlog``.

The byte layout is described in docs/output-log.md; src/outputlog is the same in TypeScript.
"""

import json
import os
import re
import struct
import zlib
from typing import Any, BinaryIO, Callable, Dict, Iterable, List, NamedTuple, Optional, Tuple

VERSION = 1
MAGIC = b"\x89HQLOG\n" + bytes([VERSION])
MARKER = b"\xf5HQ\xfa"
CHANNELS = ("stdout", "stderr")
OUTCOMES = ("finished", "failed", "canceled", "stopped")

_IDENTITY, DATA, _END, _INDEX, _TRAILER = 1, 2, 3, 4, 5

# marker, type, code, zero, task, instance, time (ms since 1970), payload length, payload CRC, CRC of the 32 bytes before
HEADER = struct.Struct("<4sBBHIIQIII")
# previous index, first record, number of entries, zero
_INDEX_HEAD = struct.Struct("<QQII")
# type, code, zero, task, instance, payload length, time
_INDEX_ENTRY = struct.Struct("<BBHIIIQ")
SIZES = struct.Struct("<QQ")
_OFFSET = struct.Struct("<Q")
_TRAILER_BYTES = HEADER.size + _OFFSET.size

_MAX_PAYLOAD = 16 * 1024 * 1024
_IDENTITY_AREA = 4096
_SEARCH_BYTES = 256 * 1024

LOG_NAME = re.compile(r"^job-([0-9]{1,10})(?:-[A-Za-z0-9_-]+)?\.log(\.w[0-9]+(?:\.[0-9]+)?)?$")


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


class Record(NamedTuple):
    offset: int
    type: int
    code: int
    task: int
    instance: int
    time_ms: int
    length: int


class TaskRecords:
    """Records of one task: instance -> [(file, record)]."""

    def __init__(self) -> None:
        self.instances: Dict[int, List[Tuple["LogFile", Record]]] = {}

    def add(self, file: "LogFile", record: Record) -> None:
        self.instances.setdefault(record.instance, []).append((file, record))

    def current(self) -> List[Tuple["LogFile", Record]]:
        return self.instances[max(self.instances)]

    def end(self) -> Optional[Tuple["LogFile", Record]]:
        ends = [entry for entry in self.current() if entry[1].type == _END]
        return ends[-1] if ends else None


def size_of(entries: Iterable[Tuple["LogFile", Record]], channel: str) -> int:
    code = CHANNELS.index(channel)
    return sum(record.length for _, record in entries if record.type == DATA and record.code == code)


class LogFile:
    """One log file: whose it is, its records, the payload of one."""

    def __init__(self, path: str, notify: Callable[[Notice], None]) -> None:
        self.path = path
        self._notify = notify
        self.identity = self._read_identity()

    # Opened for each pass: a directory may hold more files than a process may have open.
    def open(self) -> BinaryIO:
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
        return os.fdopen(os.open(self.path, flags), "rb")

    def records(self) -> List[Record]:
        """All data and end records that are in the file now; tells of damage and of a cut-off end."""
        found: List[Record] = []
        with self.open() as stream:
            size = os.fstat(stream.fileno()).st_size
            at = len(MAGIC)
            for start, index_offset, entries in self._segments(stream, size):
                walked = self._walk(stream, at, start, found)
                if walked < start:
                    self.damaged(walked, start - walked)
                offset = start
                for kind, code, _, task, instance, length, time_ms in _INDEX_ENTRY.iter_unpack(entries):
                    found.append(Record(offset, kind, code, task, instance, time_ms, length))
                    offset += HEADER.size + length
                at = index_offset + HEADER.size + _INDEX_HEAD.size + len(entries)
            end = self._walk(stream, at, size, found)
            if end < size:
                text = "{}: the record at offset {} is incomplete ({} bytes so far); the log is being written or was cut off"
                self._notify(Notice(self.path, end, size - end, "cut", text.format(self.path, end, size - end)))
        return [record for record in found if record.type in (DATA, _END)]

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
                payload = area[at + HEADER.size : at + HEADER.size + record.length]
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
            described = sum(HEADER.size + entry[5] for entry in _INDEX_ENTRY.iter_unpack(entries))
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

    def _walk(self, stream: BinaryIO, start: int, stop: int, found: List[Record]) -> int:
        """Appends the records of [start, stop); returns the offset after the last complete one."""
        done = offset = start
        while offset + HEADER.size <= stop:
            stream.seek(offset)
            record, crc = _parse(stream.read(HEADER.size), 0, offset)
            if record is None:
                offset = _find_marker(stream, offset + 1, stop)
                continue
            if offset > done:
                self.damaged(done, offset - done)
                done = offset
            end = offset + HEADER.size + record.length
            if end > stop:
                break
            if record.type in (DATA, _INDEX) or zlib.crc32(stream.read(record.length)) == crc:
                found.append(record)
            else:
                self.damaged(offset, end - offset)
            done = offset = end
        return done


def _parse(data: bytes, at: int, offset: int) -> Tuple[Optional[Record], int]:
    """The record header at ``data[at:]``, which lies at ``offset`` of the file, and the CRC of its payload."""
    if at + HEADER.size > len(data) or data[at : at + 4] != MARKER:
        return None, 0
    _, kind, code, _, task, instance, time_ms, length, payload_crc, crc = HEADER.unpack_from(data, at)
    if zlib.crc32(data[at : at + 32], offset & 0xFFFFFFFF) != crc or length > _MAX_PAYLOAD:
        return None, 0
    return Record(offset, kind, code, task, instance, time_ms, length), payload_crc


def read_record(stream: BinaryIO, offset: int) -> Tuple[Optional[Record], Optional[bytes]]:
    """The record at ``offset``; None for what is not intact."""
    stream.seek(offset)
    record, crc = _parse(stream.read(HEADER.size), 0, offset)
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
