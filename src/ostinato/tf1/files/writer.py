"""Private: writing summaries and graphs to event files (tf.summary.FileWriter)."""

import time
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError
from ..app import logging
from ..core.graph import Graph, get_default_graph
from .events import EventFile
from .graph_def import as_graph_def
from .messages import Event, GraphDef, MetaGraphDef, Summary
from .protobuf import Malformed

__all__ = ["FileWriter", "FileWriterCache"]


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

    def add_graph(self, graph: Any = None, global_step: Any = None, graph_def: Any = None) -> None:
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
