"""Private: event files, which TensorBoard reads.

An event file is a list of records: length (uint64), its masked CRC-32C, an Event, its masked
CRC-32C.
"""

import os
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import Any, BinaryIO

from ..core.errors import DataLossError, NotFoundError
from .crc32c import crc32c, masked
from .messages import Event
from .protobuf import Malformed
from .table import open_regular

__all__ = ["EventFile", "read_records", "record", "summary_iterator"]

_VERSION = "brain.Event:2"


def record(data: bytes) -> bytes:
    """Bytes as a record of an event file."""
    length = struct.pack("<Q", len(data))
    return b"".join(
        [
            length,
            struct.pack("<I", masked(crc32c(length))),
            data,
            struct.pack("<I", masked(crc32c(data))),
        ]
    )


def read_records(path: Any) -> Iterator[bytes]:
    """The records of a file.

    Raises:
        NotFoundError: There is no such file.
        DataLossError: It is damaged.
    """
    path = os.fspath(path)
    file, size = open_regular(path)
    with file:
        at = 0
        while at < size:
            head = file.read(12)
            problem = _problem(head, 12, head[:8])
            if not problem:
                (length,) = struct.unpack("<Q", head[:8])
                if length > size - at - 16:
                    problem = f"has {length} bytes, more than the rest of the file"
            if not problem:
                body = file.read(length + 4)
                problem = _problem(body, length + 4, body[:-4])
            if problem:
                raise DataLossError(
                    f"{path} is damaged: the record at byte {at} {problem}; the records before it "
                    "were read"
                )
            at += length + 16
            yield body[:-4]


def _problem(found: bytes, size: int, checked: bytes) -> str:
    if len(found) < size:
        return "does not end"
    (stored,) = struct.unpack("<I", found[-4:])
    return "" if masked(crc32c(checked)) == stored else "has another checksum"


def summary_iterator(path: Any) -> Iterator[Any]:
    """The Events of an event file.

    Args:
        path: The file.
    """
    for data in read_records(path):
        try:
            yield Event.FromString(data)
        except Malformed as error:
            raise DataLossError(f"{path} is damaged: a record is not an Event ({error})") from None


class EventFile:
    """An event file that is written. Events are kept until there are enough, or for long enough.

    Args:
        directory: Its directory, which is created.
        max_queue: The number of events that are kept.
        flush_secs: For how many seconds they are kept.
        suffix: The end of its name.
    """

    def __init__(self, directory: str, max_queue: int, flush_secs: float, suffix: str = ""):
        try:
            os.makedirs(directory, exist_ok=True)
        except OSError as error:
            raise NotFoundError(
                f"the directory {directory} cannot be created ({error.strerror}): give tf.summary."
                "FileWriter a directory, not a file"
            ) from None
        self._directory, self._suffix = directory, suffix
        self._max_queue, self._flush_secs = max_queue, flush_secs
        self._lock = threading.Lock()
        self._file: BinaryIO | None = None
        self.path = ""
        self.open()

    def open(self) -> None:
        """Begin a file, unless one is open."""
        if self._file is not None:
            return
        now = time.time()
        name = f"events.out.tfevents.{int(now):010d}.{socket.gethostname()}{self._suffix}"
        self.path = os.path.join(self._directory, name)
        # A second file of the same second goes on with the first one.
        self._file = open(self.path, "ab")
        self._waiting: list[bytes] = []
        self._flushed = now
        self.add(Event(wall_time=now, file_version=_VERSION))
        self.flush()

    def add(self, event: Any) -> None:
        """Add an event."""
        with self._lock:
            self._waiting.append(record(event.SerializeToString()))
        if len(self._waiting) > self._max_queue or time.time() - self._flushed > self._flush_secs:
            self.flush()

    def flush(self) -> None:
        """Write all events to the disk."""
        with self._lock:
            if self._file is not None:
                self._file.write(b"".join(self._waiting))
                self._file.flush()
                self._waiting.clear()
                self._flushed = time.time()

    def close(self) -> None:
        """Write all events to the disk and end the file."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
