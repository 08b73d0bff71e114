"""Sessions: where variables have values, and where tensors get theirs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack

import numpy as np
import torch

from ..errors import EngineError, InputError, OstinatoError, SizeError
from .graph import (
    Computation,
    Graph,
    Operation,
    Tensor,
    get_default_graph,
    on_top,
    sessions,
)
from .random import UniformStream


class FailedPreconditionError(EngineError):
    """A variable was read before it had a value."""


class InvalidArgumentError(InputError):
    """A run that lacks a value, or was given one that does not fit."""


class Run:
    """One call of `Session.run`: the values so far.

    Args:
        session: Whose variables and random streams are used.
        feeds: Values given for tensors.
        fetches: The tensors wanted.
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
        # Only where one gradient is taken of another does torch have to keep the graph of a
        # backward pass.
        self.of_gradients = len(gradients) > 1
        self.feeds = {t: self._source(t, v) for t, v in feeds.items()}
        self.values: dict[Computation, tuple[torch.Tensor, ...]] = {}
        self.slots = {(s.computation, s.slot): s for s in self.differentiated}

    @staticmethod
    def _order(fetches, feeds) -> list[Computation]:
        """What has to be computed, inputs first, without recursion: a static_rnn may be thousands
        of computations deep.
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
        """Compute everything, in order."""
        with torch.set_grad_enabled(bool(self.differentiated)):
            for c in self.order:
                self.values[c] = tuple(
                    self._source(self.slots[c, i], v) if (c, i) in self.slots else v
                    for i, v in enumerate(self.call(c))
                )

    def call(self, computation: Computation) -> tuple[torch.Tensor, ...]:
        """A computation's values.

        Raises:
            InvalidArgumentError: What it is given does not fit, which is known only now.
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
                f"what is computed of {sizes} fails in this run ({error}): feed values whose "
                f"shapes fit each other"
            ) from error

    def uniform(self, op: Operation, shape, dtype: torch.dtype) -> torch.Tensor:
        """The next numbers in [0, 1) of a random operation."""
        if op not in self.session.streams:
            self.session.streams[op] = UniformStream(*op.seeds)
        numpy_dtype = np.float64 if dtype == torch.float64 else np.float32
        return torch.from_numpy(self.session.streams[op].draw(tuple(shape), numpy_dtype))


def _pairs(key, value) -> Iterator[tuple]:
    """What was fed for a tensor, or for each tensor of a state."""
    if not isinstance(key, tuple):
        yield key, value
    elif isinstance(value, (tuple, list)) and len(value) == len(key):
        for below in zip(key, value):
            yield from _pairs(*below)
    else:
        raise InvalidArgumentError(
            f"feed_dict has for the state {key!r} a value that is not put together as it is: give "
            f"what "
            "sess.run gave for such a state"
        )


class Session:
    """Runs a graph. It is a context manager: inside `with`, `tensor.eval()` runs in it.

    Args:
        target: "": sessions run on this machine alone.
        graph: The graph to run; None for the default one as it is now.
        config: Taken and not needed.

    Raises:
        InputError: What was given is no graph, or a target.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> a = tf.constant([1.0, 2.0])
        >>> with tf.Session() as sess:
        ...     print(sess.run(a * 2.0))
        [2. 4.]
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config=None):
        if target or not isinstance(graph, Graph | None):
            raise InputError(
                f"tf.Session(target={target!r}, graph={graph!r}): sessions run here alone; write "
                f"tf.Session(), or "
                "tf.Session(graph=graph)"
            )
        self.graph = graph or get_default_graph()
        self.variables: dict = {}
        self.streams: dict[Operation, UniformStream] = {}
        self.closed = False
        self._context = None

    def run(self, fetches, feed_dict: Mapping | None = None):
        """Compute.

        Args:
            fetches: A tensor, variable, operation, name of a tensor, or a list, tuple or dict of
                these.
            feed_dict: Values by placeholder (or by any other tensor, whose own value they replace);
                also a state's by the state.

        Returns:
            NumPy arrays in the same structure; None for an operation.

        Raises:
            InvalidArgumentError: A placeholder has no value, or a value does not fit.
            FailedPreconditionError: A variable has no value yet.
            EngineError: The session is closed.
        """
        if self.closed:
            raise EngineError(
                "Attempted to use a closed Session: run inside its `with`, or make a new one with "
                "tf.Session()"
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
        run = Run(self, feeds, [c for c in wanted if c is not None])
        run.compute()
        return self._answer(fetches, run)

    def _tensor(self, fetch) -> Tensor | None:
        if isinstance(fetch, str):
            fetch = self.graph.get_tensor_by_name(fetch)
        tensor = fetch if isinstance(fetch, Tensor) else getattr(fetch, "read", None)
        if tensor is not None and tensor.graph is not self.graph:
            raise InvalidArgumentError(
                f"{tensor} is not in this session's graph: make the session after the graph (after "
                f"tf.reset_default_graph()), "
                f"or with tf.Session(graph=...)"
            )
        return tensor if isinstance(tensor, Tensor) else None

    def _parts(self, fetches):
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
                    f"{fetches.name} cannot be run: it is kept for its name and number only"
                )
            wanted.append(fetches.effect or fetches.outputs[0].computation)
        elif (tensor := self._tensor(fetches)) is not None:
            wanted.append(tensor.computation)
        else:
            raise InvalidArgumentError(
                f"sess.run was given {fetches!r} ({type(fetches).__name__}): give tensors, "
                f"variables or operations"
            )

    def _answer(self, fetches, run):
        if isinstance(fetches, Mapping):
            return type(fetches)((k, self._answer(f, run)) for k, f in fetches.items())
        if isinstance(fetches, tuple) and hasattr(fetches, "_fields"):
            return type(fetches)(*(self._answer(f, run) for f in fetches))
        if isinstance(fetches, (list, tuple)):
            return type(fetches)(self._answer(f, run) for f in fetches)
        if isinstance(fetches, Operation):
            return None
        # Indexing with () makes a NumPy scalar of an array of no dimensions, as TensorFlow returns.
        return run[self._tensor(fetches)].detach().numpy().copy()[()]

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
                f"feed_dict has for {tensor.name!r} what is no array of {tensor.dtype.name} "
                f"({error}): give it "
                "numbers, in rows of one length"
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

    def value(self, variable) -> torch.Tensor:
        """A variable's value in this session."""
        if variable not in self.variables:
            raise FailedPreconditionError(
                f"Attempting to use uninitialized value {variable.op.name}: run "
                f"sess.run(tf.global_variables_initializer()) first"
            )
        return self.variables[variable]

    def as_default(self):
        """Make this the default session inside a `with`, without closing it after."""
        return on_top(sessions, self)

    def close(self) -> None:
        """Forget the variables; nothing can be run any more."""
        self.closed = True
        self.variables.clear()
        self.streams.clear()
        if self in sessions:
            sessions.remove(self)

    def __enter__(self):
        self._context = ExitStack()
        self._context.enter_context(self.graph.as_default())
        return self._context.enter_context(self.as_default())

    def __exit__(self, *error):
        self._context.close()
        self.close()


class InteractiveSession(Session):
    """A session that is the default one, and a graph given with it too, from when it is made until
    it is closed.
    """

    def __init__(self, target: str = "", graph: Graph | None = None, config=None):
        super().__init__(target, graph, config)
        self._held = ExitStack()
        if graph is not None:
            self._held.enter_context(graph.as_default())
        self._held.enter_context(self.as_default())

    def close(self) -> None:
        self._held.close()
        super().close()
