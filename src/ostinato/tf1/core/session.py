"""Private: sessions, which hold the values of variables and compute tensors."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import numpy as np

from ...errors import EngineError, SizeError
from .arithmetic import arithmetic
from .constant import as_array
from .defaults import on_top, sessions
from .errors import InvalidArgumentError, UnknownName
from .executor import DEAD, SessionPlan
from .graph import Graph, get_default_graph
from .tensors import IndexedSlices, Operation, Tensor

__all__ = ["IndexedSlicesValue", "InteractiveSession", "Session"]


class IndexedSlicesValue(NamedTuple):
    """The value of an IndexedSlices."""

    values: np.ndarray
    indices: np.ndarray
    dense_shape: np.ndarray | None


def _pairs(key: Any, value: Any) -> Iterator[tuple[Any, Any]]:
    """The fed value of a tensor, or of each tensor of a state or of a sparse tensor."""
    if hasattr(key, "feed_parts"):
        yield from key.feed_parts(value)
    elif not isinstance(key, tuple):
        yield key, value
    elif isinstance(value, (tuple, list)) and len(value) == len(key):
        for below in zip(key, value):
            yield from _pairs(*below)
    else:
        raise InvalidArgumentError(
            f"feed_dict has for the state {key!r} a value of another structure: give a value as "
            f"sess.run returns it for such a state"
        )


class Session:
    """Runs a graph. It is a context manager: inside `with`, `tensor.eval()` runs in it.

    Args:
        target: Must be "": sessions run on this machine only.
        graph: The graph to run; None for the current default graph.
        config: Accepted for compatibility; ignored.

    Raises:
        InputError: The graph is not a graph, or a target was given.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> a = tf.constant([1.0, 2.0])
        >>> with tf.Session() as sess:
        ...     print(sess.run(a * 2.0))
        [2. 4.]
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: object = None):
        if target or not isinstance(graph, Graph | None):
            raise InvalidArgumentError(
                f"tf.Session(target={target!r}, graph={graph!r}): sessions run on this machine "
                "only; write tf.Session(), or tf.Session(graph=graph)"
            )
        self.graph = graph or get_default_graph()
        # Values of variables by name; streams of random operations; readers, tables, iterators.
        self.variables: dict[str, Any] = {}
        self.streams: dict[Operation, Any] = {}
        self.resources: dict[Any, Any] = {}
        self.closed = False
        self._plans: dict[Any, SessionPlan] = {}
        self._version = -1
        self._context: ExitStack | None = None

    @property
    def graph_def(self) -> Any:
        """The graph as a GraphDef."""
        return self.graph.as_graph_def()

    @property
    def sess_str(self) -> str:
        """The target, ""."""
        return ""

    def run(
        self,
        fetches: Any,
        feed_dict: Mapping | None = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Compute.

        Args:
            fetches: A tensor, variable, operation, name of a tensor, or a list, tuple or dict of
                these.
            feed_dict: Values of placeholders, or of other tensors, whose own values they replace; a
                state may be a key too.
            options, run_metadata: Accepted for compatibility; ignored.

        Returns:
            NumPy arrays in the same structure; None for an operation.

        Raises:
            InvalidArgumentError: A placeholder has no value, or a value does not fit.
            UnknownName: The graph has no operation or tensor of a name that is fetched.
            FailedPreconditionError: A variable has no value yet.
            EngineError: The session is closed.
        """
        if self.closed:
            raise EngineError(
                "Attempted to use a closed Session: run inside its `with`, or create a new one "
                "with tf.Session()"
            )
        feeds: dict[Tensor, Any] = {}
        for given in (feed_dict or {}).items():
            for key, value in _pairs(*given):
                tensor = self._fed_tensor(key)
                feeds[tensor] = self._fed(tensor, value)
        wanted: list[Tensor | Operation] = []
        self._collect(fetches, wanted)
        results = iter(self._plan(wanted, feeds).run(self, feeds))
        return self._answer(fetches, results, iter(wanted))

    def _plan(self, wanted: list[Tensor | Operation], feeds: Mapping[Tensor, Any]) -> SessionPlan:
        if self._version != self.graph.version:
            self._plans, self._version = {}, self.graph.version
        key = (tuple(wanted), frozenset(feeds), arithmetic())
        if key not in self._plans:
            self._plans[key] = SessionPlan(wanted, feeds, arithmetic())
        return self._plans[key]

    def make_callable(
        self, fetches: Any, feed_list: Any = None, accept_options: bool = False
    ) -> Any:
        """A function of the values of `feed_list` that runs the fetches."""
        return lambda *values: self.run(fetches, dict(zip(feed_list or (), values)))

    def _fed_tensor(self, key: Any) -> Tensor:
        try:
            tensor = self.graph.as_graph_element(key)
        except ValueError as error:
            raise InvalidArgumentError(
                f"feed_dict has the key {key!r}: feed placeholders, or other tensors of this "
                f"session's graph ({error})"
            ) from None
        if not isinstance(tensor, Tensor):
            raise InvalidArgumentError(
                f"feed_dict has the key {key!r}, an operation: feed placeholders, or other tensors"
            )
        return tensor

    def _element(self, fetch: Any) -> Tensor | Operation:
        if not isinstance(fetch, str) and not hasattr(fetch, "graph"):
            raise InvalidArgumentError(
                f"sess.run was given {fetch!r} ({type(fetch).__name__}): give tensors, variables "
                "or operations"
            )
        try:
            return self.graph.as_graph_element(fetch)
        except UnknownName:
            raise
        except ValueError as error:
            raise InvalidArgumentError(str(error)) from None

    @staticmethod
    def _parts(fetches: Any) -> Any:
        if isinstance(fetches, Mapping):
            return list(fetches.values())
        if hasattr(fetches, "fetch_parts"):
            return fetches.fetch_parts()
        if isinstance(fetches, IndexedSlices):
            dense = [] if fetches.dense_shape is None else [fetches.dense_shape]
            return [fetches.values, fetches.indices, *dense]
        return list(fetches) if isinstance(fetches, (list, tuple)) else None

    def _collect(self, fetches: Any, wanted: list) -> None:
        parts = self._parts(fetches)
        if parts is None:
            wanted.append(self._element(fetches))
        else:
            for f in parts:
                self._collect(f, wanted)

    def _answer(self, fetches: Any, results: Iterator, wanted: Iterator) -> Any:
        parts = self._parts(fetches)
        if parts is None:
            return self._array(next(wanted), next(results))
        values = [self._answer(f, results, wanted) for f in parts]
        if isinstance(fetches, Mapping):
            kind: Any = type(fetches)
            return kind(zip(fetches, values))
        if hasattr(fetches, "fetch_value"):
            return fetches.fetch_value(values)
        if isinstance(fetches, IndexedSlices):
            return IndexedSlicesValue(values[0], values[1], values[2] if values[2:] else None)
        if hasattr(fetches, "_fields"):
            return type(fetches)(*values)
        return tuple(values) if isinstance(fetches, tuple) else values

    @staticmethod
    def _array(fetch: Tensor | Operation, value: Any) -> Any:
        if isinstance(fetch, Operation):
            return None
        if value is DEAD:
            raise InvalidArgumentError(
                f"Retval[0] does not have value: {fetch.name} is in a branch that was not taken"
            )
        if not fetch.dtype.is_numpy_compatible:
            return value
        if isinstance(value, bytes):
            return value
        # Indexing with () converts an array without dimensions to a NumPy scalar, as in TensorFlow.
        return np.array(value)[()]

    @staticmethod
    def _fed(tensor: Tensor, value: Any) -> Any:
        if isinstance(value, Tensor):
            raise InvalidArgumentError(
                f"feed_dict has {value} as a value: feed numbers or NumPy arrays; run the tensor "
                f"first"
            )
        if not tensor.dtype.is_numpy_compatible:
            return value
        kind = tensor.dtype.as_numpy_dtype
        try:
            if kind is np.object_:
                array = as_array(value, "string")
            else:
                array = np.array(value, kind)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(
                f"feed_dict has for {tensor.name!r} a value that is not an array of "
                f"{tensor.dtype.name} ({error}): give it numbers, in rows of one length"
            ) from None
        if not tensor.shape.is_compatible_with(array.shape):
            raise SizeError(
                f"Cannot feed value of shape {array.shape} for Tensor {tensor.name!r}, which has "
                f"shape {str(tensor.shape)!r}: give it that shape"
            )
        return array

    @contextmanager
    def as_default(self) -> Iterator["Session"]:
        """Make this the default session inside a `with`, which does not close it."""
        with on_top(sessions, self):
            yield self

    def close(self) -> None:
        """Close the session and free its variables."""
        self.closed = True
        self.variables.clear()
        self.streams.clear()
        self.resources.clear()
        self._plans.clear()
        if self in sessions:
            sessions.remove(self)

    def __enter__(self) -> "Session":
        self._context = ExitStack()
        self._context.enter_context(self.graph.as_default())
        self._context.enter_context(on_top(sessions, self))
        return self

    def __exit__(self, *error: object) -> None:
        assert self._context is not None, "inside a `with`"
        self._context.close()
        self.close()


class InteractiveSession(Session):
    """A session that is the default session until it is closed; its graph is the default graph if
    one is given.
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config: object = None):
        super().__init__(target, graph, config)
        self._held = ExitStack()
        if graph is not None:
            self._held.enter_context(graph.as_default())
        self._held.enter_context(on_top(sessions, self))

    def close(self) -> None:
        self._held.close()
        super().close()
