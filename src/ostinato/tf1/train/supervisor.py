"""Private: sessions that initialize or restore their variables (tf.train.Supervisor)."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ..core.graph import get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.session import Session
from ..state import collections
from .queues import Coordinator
from .saver import Saver, latest_checkpoint

__all__ = ["MonitoredSession", "MonitoredTrainingSession", "Supervisor"]

_USE_DEFAULT = 0  # TensorFlow's mark of an argument that was not given


class Supervisor:
    """Opens sessions whose variables are initialized, or restored from the newest checkpoint of a
    directory.

    Attributes:
        saver: The Saver.
        coord: The Coordinator.
        save_path: The start of the checkpoints' paths, or None.
        global_step: The tensor of the global step, or None.

    Args:
        graph: The graph; None for the default one.
        init_op: Initializes the variables; by default all of them.
        logdir: The directory of checkpoints; None for none.
        saver: The Saver; by default one for all variables; None for none.
        save_model_secs: The number of seconds between checkpoints; 0 for none.
        global_step: The global step; by default that of the graph.
        checkpoint_basename: The name of checkpoints.
        init_feed_dict: Values of placeholders for `init_op`.
        init_fn: Called with a new session.
        summary_op, ready_op, ready_for_local_init_op, is_chief, local_init_op, save_summaries_secs,
            recovery_wait_secs, stop_grace_secs, session_manager, summary_writer: Accepted for
            compatibility; ignored.
    """

    USE_DEFAULT = _USE_DEFAULT

    def __init__(
        self,
        graph: Any = None,
        ready_op: Any = _USE_DEFAULT,
        ready_for_local_init_op: Any = _USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = _USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = _USE_DEFAULT,
        logdir: str | None = None,
        summary_op: Any = _USE_DEFAULT,
        saver: Any = _USE_DEFAULT,
        global_step: Any = _USE_DEFAULT,
        save_summaries_secs: int = 120,
        save_model_secs: int = 600,
        recovery_wait_secs: int = 30,
        stop_grace_secs: int = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: Any = None,
        summary_writer: Any = _USE_DEFAULT,
        init_fn: Callable | None = None,
        local_init_run_options: Any = None,
    ):
        self.graph = graph or get_default_graph()
        self.coord = Coordinator()
        self.logdir, self._seconds = logdir, save_model_secs
        self.init_feed_dict, self.init_fn = init_feed_dict, init_fn
        self.save_path = None if logdir is None else os.path.join(logdir, checkpoint_basename)
        self._session: Session | None = None
        self._saved = 0.0
        with self.graph.as_default():
            given = init_op is not _USE_DEFAULT
            self.init_op = init_op if given else collections.global_variables_initializer()
            self.local_init_op = collections.local_variables_initializer()
            kept = self.graph.get_collection(GraphKeys.SAVERS)
            if saver is not _USE_DEFAULT:
                self.saver = saver
            elif kept:
                self.saver = kept[0]
            else:
                self.saver = Saver() if collections.global_variables() else None
            if global_step is _USE_DEFAULT:
                global_step = collections.get_global_step(self.graph)
            self.global_step = global_step

    @contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Session]:
        """A session, restored or initialized; `OutOfRangeError` ends it without an error."""
        session = self.prepare_or_wait_for_session(master, config)
        try:
            with session.as_default(), self.graph.as_default():
                with self.coord.stop_on_exception():
                    yield session
        finally:
            self.stop()
            session.close()

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: int = 7200,
        start_standard_services: bool = True,
    ) -> Any:
        """A session, restored or initialized.

        Args:
            master, config: See `tf.Session`.
            wait_for_checkpoint, max_wait_secs, start_standard_services: Accepted for compatibility;
                ignored: there is one process.
        """
        session = Session(master, self.graph, config)
        newest = latest_checkpoint(self.logdir) if self.logdir else None
        if newest and self.saver is not None:
            self.saver.restore(session, newest)
        elif self.init_op is not None:
            session.run(self.init_op, self.init_feed_dict)
            if self.init_fn is not None:
                self.init_fn(session)
        session.run(self.local_init_op)
        self._session = session
        self._save()
        return session

    def _save(self) -> None:
        if self.save_path and self.saver is not None and self._seconds > 0:
            os.makedirs(os.path.dirname(self.save_path) or ".", exist_ok=True)
            self.saver.save(self._session, self.save_path, global_step=self.global_step)
            self._saved = time.monotonic()

    def should_stop(self) -> bool:
        """Whether to stop. It saves a checkpoint where `save_model_secs` have passed."""
        if self._session is not None and time.monotonic() - self._saved >= self._seconds > 0:
            self._save()
        return self.coord.should_stop()

    def request_stop(self, ex: BaseException | None = None) -> None:
        """Ask to stop."""
        self.coord.request_stop(ex)

    def stop(
        self,
        threads: Any = None,
        close_summary_writer: bool = True,
        ignore_live_threads: bool = False,
    ) -> None:
        """Stop. The arguments are accepted for compatibility."""
        self.coord.request_stop()

    def start_queue_runners(self, sess: Any, queue_runners: Any = None) -> list:
        """No threads: queues are filled when they are empty."""
        return []

    def start_standard_services(self, sess: Any) -> list:
        """No threads: checkpoints are saved by `should_stop`."""
        return []


class MonitoredSession:
    """A session whose variables are initialized, or restored from the newest checkpoint of a
    directory.

    Attributes:
        graph: The graph.
    """

    def __init__(self, checkpoint_dir: str | None = None, save_secs: int = 600, config: Any = None):
        self._supervisor = Supervisor(logdir=checkpoint_dir, save_model_secs=save_secs)
        self.graph = self._supervisor.graph
        self._session = self._supervisor.prepare_or_wait_for_session(config=config)

    def run(self, fetches: Any, feed_dict: Any = None, *_: Any) -> Any:
        """See `tf.Session.run`."""
        return self._session.run(fetches, feed_dict)

    def should_stop(self) -> bool:
        """Whether to stop."""
        return self._supervisor.should_stop()

    def close(self) -> None:
        """Save a checkpoint, and close the session."""
        self._supervisor._save()
        self._session.close()

    def __enter__(self) -> "MonitoredSession":
        return self

    def __exit__(self, kind: Any, *error: object) -> bool:
        from ..core.errors import OutOfRangeError

        self.close()
        return kind is not None and issubclass(kind, OutOfRangeError)


def MonitoredTrainingSession(  # noqa: N802  the name is TensorFlow's
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: str | None = None,
    scaffold: Any = None,
    hooks: Any = None,
    chief_only_hooks: Any = None,
    save_checkpoint_secs: int = 600,
    save_summaries_steps: Any = None,
    save_summaries_secs: Any = None,
    config: Any = None,
    **_: Any,
) -> MonitoredSession:
    """A MonitoredSession; other arguments than the directory and the seconds have no effect."""
    return MonitoredSession(checkpoint_dir, save_checkpoint_secs, config)
