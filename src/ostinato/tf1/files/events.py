"""Private: event files, which TensorBoard reads, and their writer (tf.summary.FileWriter).

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

import numpy as np

from ...errors import ArgumentTypeError, InputError
from ..app import logging
from ..core.errors import DataLossError, NotFoundError
from ..core.graph import Graph, get_default_graph
from .crc32c import crc32c, masked
from .graph_def import as_graph_def
from .messages import Event, GraphDef, MetaGraphDef, Summary
from .protobuf import Malformed
from .table import open_regular

__all__ = [
    "EventFile",
    "FileWriter",
    "FileWriterCache",
    "read_records",
    "record",
    "summary_iterator",
]

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
        NotFoundError: The file does not exist.
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
        # A second file of the same second is appended to the first one.
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


class FileWriter:
    """Writes summaries to an event file.

    Args:
        logdir: The directory of the file, which is created.
        graph: A graph to write too.
        max_queue: The number of events that are kept before they are written.
        flush_secs: For how many seconds they are kept.
        graph_def: A GraphDef to write; older than `graph`.
        filename_suffix: The end of the name of the file.
        session: Accepted for compatibility; ignored.
    """

    def __init__(
        self,
        logdir: str,
        graph: Any = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        graph_def: Any = None,
        filename_suffix: str | None = None,
        session: Any = None,
    ):
        self._logdir, self._closed = str(logdir), False
        self._events = EventFile(self._logdir, max_queue, flush_secs, filename_suffix or "")
        self._described: set[str] = set()
        if graph is not None or graph_def is not None:
            self.add_graph(graph, graph_def=graph_def)

    def __enter__(self) -> "FileWriter":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def get_logdir(self) -> str:
        """The directory of the file."""
        return self._logdir

    def add_event(self, event: Any) -> None:
        """Write an Event."""
        if self._closed:
            logging.warning("Attempting to use a closed FileWriter. The operation will be a noop.")
        else:
            self._events.add(event)

    def _add(self, event: Any, global_step: Any) -> None:
        event.wall_time = time.time()
        if global_step is not None:
            event.step = int(global_step)
        self.add_event(event)

    def add_summary(self, summary: Any, global_step: Any = None) -> None:
        """Write a summary.

        Args:
            summary: What a summary's tensor gives in a run, or a Summary.
            global_step: The number of the step.

        Raises:
            InputError: It is not a summary.
        """
        data = summary.item() if isinstance(summary, np.ndarray) else summary
        if isinstance(data, Summary):
            data = data.SerializeToString()
        message = Summary()
        try:
            message.ParseFromString(data)
        except (TypeError, Malformed):
            raise InputError(
                f"add_summary was given {type(summary).__name__}: give it what sess.run(merged) "
                "returns, or a tf.Summary"
            ) from None
        for value in message.value:
            # A description is written once.
            if value.HasField("metadata"):
                if value.tag in self._described:
                    value.ClearField("metadata")
                self._described.add(value.tag)
        self._add(Event(summary=message), global_step)

    def add_graph(self, graph: Any, global_step: Any = None, graph_def: Any = None) -> None:
        """Write a graph.

        Args:
            graph: The graph, or a GraphDef.
            global_step: The number of the step.
            graph_def: A GraphDef; older than `graph`.
        """
        given = graph if graph is not None else graph_def
        if isinstance(given, Graph):
            given = as_graph_def(given, add_shapes=True)
        if not isinstance(given, GraphDef):
            raise ArgumentTypeError(
                "The passed graph must be an instance of `Graph` or the deprecated `GraphDef`, "
                f"not {type(given).__name__}: write add_graph(sess.graph)"
            )
        self._add(Event(graph_def=given.SerializeToString()), global_step)

    def add_meta_graph(self, meta_graph_def: Any, global_step: Any = None) -> None:
        """Write a MetaGraphDef."""
        if not isinstance(meta_graph_def, MetaGraphDef):
            raise ArgumentTypeError(
                "meta_graph_def must be type MetaGraphDef: write saver.export_meta_graph()"
            )
        self._add(Event(meta_graph_def=meta_graph_def.SerializeToString()), global_step)

    def add_session_log(self, session_log: Any, global_step: Any = None) -> None:
        """Write a SessionLog."""
        self._add(Event(session_log=session_log), global_step)

    def add_run_metadata(self, run_metadata: Any, tag: str, global_step: Any = None) -> None:
        """Accepted for compatibility: runs have no metadata."""

    def flush(self) -> None:
        """Write all events to the disk."""
        self._events.flush()

    def close(self) -> None:
        """Write all events to the disk and end the file."""
        self._events.close()
        self._closed = True

    def reopen(self) -> None:
        """Begin another file after `close`."""
        self._events.open()
        self._closed = False


class FileWriterCache:
    """One FileWriter for each directory."""

    _writers: dict[str, FileWriter] = {}

    @classmethod
    def get(cls, logdir: str) -> FileWriter:
        """The FileWriter of a directory."""
        if logdir not in cls._writers:
            cls._writers[logdir] = FileWriter(logdir, graph=get_default_graph())
        return cls._writers[logdir]

    @classmethod
    def clear(cls) -> None:
        """Forget all FileWriters."""
        cls._writers.clear()
