"""Private: sessions, which hold the values of variables and compute tensors."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import Any, cast

import numpy as np
import torch

from ..errors import EngineError, InputError, OstinatoError, SizeError
from .graph import (
    Computation,
    Operation,
    Tensor,
    TensorFlowGraph,
    get_default_graph,
    on_top,
    sessions,
)
from .random import UniformStream

__all__ = [
    "FailedPreconditionError",
    "InteractiveSession",
    "InvalidArgumentError",
    "Session",
    "SessionRun",
]


class FailedPreconditionError(EngineError):
    """A variable was read before it was initialized."""


class InvalidArgumentError(InputError):
    """A value of a run is missing or does not fit."""


class SessionRun:
    """One call of `Session.run`, with the values computed so far.

    Args:
        session: The session, with its variables and random streams.
        feeds: The fed values of tensors.
        fetches: The computations to run.
    """

    def __init__(
        self,
        session: "Session",
        feeds: Mapping[Tensor, torch.Tensor],
        fetches: Iterable[Computation],
    ):
        self.session = session
        self.order = self._order(fetches, feeds)
        gradients = [c for c in self.order if c.sources]
        self.differentiated = {s for c in gradients for s in c.sources}
        # Torch has to keep the graph of a backward pass only for gradients of gradients.
        self.of_gradients = len(gradients) > 1
        self.feeds = {t: self._source(t, v) for t, v in feeds.items()}
        self.values: dict[Computation, tuple[torch.Tensor, ...]] = {}
        self.slots = {(s.computation, s.slot): s for s in self.differentiated}

    @staticmethod
    def _order(fetches, feeds) -> list[Computation]:
        """The computations to run, inputs first. It does not use recursion, because a static_rnn
        may be thousands of computations deep.
        """
        order, seen = [], set()
        stack = [(c, False) for c in reversed(list(fetches))]
        while stack:
            computation, ready = stack.pop()
            if ready:
                order.append(computation)
            elif computation not in seen:
                seen.add(computation)
                stack.append((computation, True))
                stack += [
                    (t.computation, False) for t in reversed(computation.inputs) if t not in feeds
                ]
        return order

    def _source(self, tensor: Tensor, value: torch.Tensor) -> torch.Tensor:
        if tensor in self.differentiated and value.is_floating_point() and not value.requires_grad:
            return value.detach().requires_grad_()
        return value

    def __getitem__(self, tensor: Tensor) -> torch.Tensor:
        return (
            self.feeds[tensor]
            if tensor in self.feeds
            else self.values[tensor.computation][tensor.slot]
        )

    def compute(self) -> None:
        """Compute all values, in order."""
        with torch.set_grad_enabled(bool(self.differentiated)):
            for c in self.order:
                self.values[c] = tuple(
                    self._source(self.slots[c, i], v) if (c, i) in self.slots else v
                    for i, v in enumerate(self.call(c))
                )

    def call(self, computation: Computation) -> tuple[torch.Tensor, ...]:
        """A computation's values.

        Raises:
            InvalidArgumentError: Values of the inputs do not fit.
        """
        given = [self[t] for t in computation.inputs]
        try:
            return computation.function(self, *given)
        except (RuntimeError, IndexError, ValueError) as error:
            if isinstance(error, OstinatoError):
                raise
            sizes = ", ".join(
                f"{t.name} {tuple(getattr(v, 'shape', ()))}"
                for t, v in zip(computation.inputs, given)
            )
            raise InvalidArgumentError(
                f"the computation on {sizes} fails in this run ({error}): feed values with "
                f"matching shapes"
            ) from error

    def uniform(self, op: Operation, shape: Any, dtype: torch.dtype) -> torch.Tensor:
        """The next numbers in [0, 1) of a random operation."""
        if op not in self.session.streams:
            self.session.streams[op] = UniformStream(*cast(tuple[int, int], op.seeds))
        numpy_dtype = np.dtype(np.float64 if dtype == torch.float64 else np.float32)
        return torch.from_numpy(self.session.streams[op].draw(tuple(shape), numpy_dtype))


def _pairs(key, value) -> Iterator[tuple]:
    """The fed value of a tensor, or of each tensor of a state."""
    if not isinstance(key, tuple):
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

    def __init__(
        self, target: str = "", graph: TensorFlowGraph | None = None, config: object = None
    ):
        if target or not isinstance(graph, TensorFlowGraph | None):
            raise InputError(
                f"tf.Session(target={target!r}, graph={graph!r}): sessions run on this machine "
                "only; write tf.Session(), or tf.Session(graph=graph)"
            )
        self.graph = graph or get_default_graph()
        self.variables: dict = {}
        self.streams: dict[Operation, UniformStream] = {}
        self.closed = False
        self._context: ExitStack | None = None

    def run(self, fetches: Any, feed_dict: Mapping | None = None) -> Any:
        """Compute.

        Args:
            fetches: A tensor, variable, operation, name of a tensor, or a list, tuple or dict of
                these.
            feed_dict: Values of placeholders, or of other tensors, whose own values they replace; a
                state may be a key too.

        Returns:
            NumPy arrays in the same structure; None for an operation.

        Raises:
            InvalidArgumentError: A placeholder has no value, or a value does not fit.
            FailedPreconditionError: A variable has no value yet.
            EngineError: The session is closed.
        """
        if self.closed:
            raise EngineError(
                "Attempted to use a closed Session: run inside its `with`, or create a new one "
                "with tf.Session()"
            )
        feeds = {}
        for key, value in (pair for given in (feed_dict or {}).items() for pair in _pairs(*given)):
            tensor = self._tensor(key)
            if tensor is None:
                raise InvalidArgumentError(
                    f"feed_dict has the key {key!r}: feed placeholders, or other tensors of this "
                    f"session's graph"
                )
            feeds[tensor] = self._fed(tensor, value)
        wanted = []
        self._collect(fetches, wanted)
        run = SessionRun(self, feeds, [c for c in wanted if c is not None])
        run.compute()
        return self._answer(fetches, run)

    def _tensor(self, fetch) -> Tensor | None:
        if isinstance(fetch, str):
            fetch = self.graph.get_tensor_by_name(fetch)
        tensor = fetch if isinstance(fetch, Tensor) else getattr(fetch, "read", None)
        if tensor is not None and tensor.graph is not self.graph:
            raise InvalidArgumentError(
                f"{tensor} is not in this session's graph: create the session after the graph "
                "(after tf.reset_default_graph()), or with tf.Session(graph=...)"
            )
        return tensor if isinstance(tensor, Tensor) else None

    def _parts(self, fetches: Any) -> Any:
        if isinstance(fetches, Mapping):
            return fetches.values()
        return fetches if isinstance(fetches, (list, tuple)) else None

    def _collect(self, fetches, wanted):
        parts = self._parts(fetches)
        if parts is not None:
            for f in parts:
                self._collect(f, wanted)
        elif isinstance(fetches, Operation):
            if fetches.effect is None and not fetches.outputs:
                raise InvalidArgumentError(
                    f"{fetches.name} cannot be run: it has only a name and a number"
                )
            wanted.append(fetches.effect or fetches.outputs[0].computation)
        elif (tensor := self._tensor(fetches)) is not None:
            wanted.append(tensor.computation)
        else:
            raise InvalidArgumentError(
                f"sess.run was given {fetches!r} ({type(fetches).__name__}): give tensors, "
                f"variables or operations"
            )

    def _answer(self, fetches: Any, run: SessionRun) -> Any:
        if isinstance(fetches, Mapping):
            kind: Any = type(fetches)
            return kind((k, self._answer(f, run)) for k, f in fetches.items())
        if isinstance(fetches, tuple) and hasattr(fetches, "_fields"):
            return type(fetches)(*(self._answer(f, run) for f in fetches))
        if isinstance(fetches, (list, tuple)):
            return type(fetches)(self._answer(f, run) for f in fetches)
        if isinstance(fetches, Operation):
            return None
        # Indexing with () converts an array without dimensions to a NumPy scalar, as in TensorFlow.
        return run[cast(Tensor, self._tensor(fetches))].detach().numpy().copy()[()]

    def _fed(self, tensor: Tensor, value) -> torch.Tensor:
        if isinstance(value, Tensor):
            raise InvalidArgumentError(
                f"feed_dict has {value} as a value: feed numbers or NumPy arrays; run the tensor "
                f"first"
            )
        try:
            array = np.asarray(value, tensor.dtype.as_numpy_dtype)
        except (TypeError, ValueError, OverflowError) as error:
            raise InvalidArgumentError(
                f"feed_dict has for {tensor.name!r} a value that is not an array of "
                f"{tensor.dtype.name} ({error}): give it numbers, in rows of one length"
            ) from None
        fits = array.ndim == len(tensor.shape) and all(
            d in (None, n) for d, n in zip(tensor.shape, array.shape)
        )
        if not fits:
            raise SizeError(
                f"Cannot feed value of shape {array.shape} for Tensor {tensor.name!r}, which has "
                f"shape {str(tensor.shape)!r}: give it that shape"
            )
        return torch.from_numpy(np.array(array))

    def value(self, variable: Any) -> torch.Tensor:
        """A variable's value in this session."""
        if variable not in self.variables:
            raise FailedPreconditionError(
                f"Attempting to use uninitialized value {variable.op.name}: run "
                f"sess.run(tf.global_variables_initializer()) first"
            )
        return self.variables[variable]

    def as_default(self) -> AbstractContextManager:
        """Make this the default session inside a `with`, which does not close it."""
        return on_top(sessions, self)

    def close(self) -> None:
        """Close the session and free its variables."""
        self.closed = True
        self.variables.clear()
        self.streams.clear()
        if self in sessions:
            sessions.remove(self)

    def __enter__(self) -> "Session":
        self._context = ExitStack()
        self._context.enter_context(self.graph.as_default())
        return self._context.enter_context(self.as_default())

    def __exit__(self, *error: object) -> None:
        assert self._context is not None, "inside a `with`"
        self._context.close()
        self.close()


class InteractiveSession(Session):
    """A session that is the default session until it is closed; its graph is the default graph if
    one is given.
    """

    def __init__(
        self, target: str = "", graph: TensorFlowGraph | None = None, config: object = None
    ):
        super().__init__(target, graph, config)
        self._held = ExitStack()
        if graph is not None:
            self._held.enter_context(graph.as_default())
        self._held.enter_context(self.as_default())

    def close(self) -> None:
        self._held.close()
        super().close()
