"""Private: dropout with TensorFlow 1's masks, on values and on the inputs and outputs of a cell."""

import hashlib
import numbers
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from ..errors import InputError, SizeError
from . import operations
from .cells import LSTMStateTuple
from .graph import (
    Computation,
    DType,
    DTypeLike,
    Marks,
    Operation,
    Tensor,
    TensorFlowGraph,
    TensorShape,
    as_dtype,
    get_default_graph,
)
from .session import SessionRun
from .steps import RNNCell, Step, dimensions, flatten, number, pack, stepwise
from .wrappers import _Wrapper

__all__ = [
    "DROPOUT",
    "DropoutWrapper",
    "keep_probability",
    "keep_mask",
]

# TensorFlow 1.13.1's operations in tf.nn.dropout's scope, for the random numbers of a whole run,
# and for dropout with these numbers; see `graph.py`.
DROPOUT = (
    "rate Shape sub(x) random_uniform(min max RandomUniform=random sub mul) add Floor "
    "truediv mul=result"
)
_NOISE = "concat(values_0 values_1 axis) random_uniform(min max RandomUniform=random sub mul)=value"
_MASKED = "add(x)[Enter] Floor div(y) mul=result"


def keep_probability(cell: object, name: str, given: Any) -> float:
    """Validate a keep probability.

    Args:
        cell, name, given: See `steps.number`.

    Raises:
        InputError: It is not a number above 0 and up to 1.
    """
    if not 0 < number(cell, name, given) <= 1:
        raise InputError(
            f"{type(cell).__name__}({name}={given!r}): give a number above 0 and up to 1"
        )
    return float(given)


def _probability(cell, name: str, given) -> float | Tensor:
    """Validate a probability, or a tensor whose value is known only in a run."""
    if not isinstance(given, Tensor):
        # TensorFlow rounds the probability to float32, for every dtype of the values.
        return float(np.float32(keep_probability(cell, name, given)))
    if not given.dtype.is_floating or given.shape != ():
        raise InputError(
            f"{type(cell).__name__}({name}={given}): give a number, or a tensor of one, such as "
            f"tf.placeholder(tf.float32, [])"
        )
    return given


def _now(run, keep: float | Tensor):
    """The value of a probability in a run."""
    if not isinstance(keep, Tensor):
        return keep
    value = run[keep]
    if not 0 < value <= 1:
        raise InputError(
            f"{keep.name}, a keep probability, is {value.item():g} in this run: feed a number "
            f"above 0 and up to 1"
        )
    return value


def keep_mask(
    run: SessionRun, marks: Marks, keep: float | torch.Tensor, shape: Any, dtype: torch.dtype
) -> tuple[torch.Tensor, torch.Tensor]:
    """The mask that `DROPOUT` draws, 1 for kept values and 0 for others, and the divisor of the
    kept values.

    Args:
        run: The run.
        marks: The marks of `DROPOUT` in its graph.
        keep: The probability.
        shape, dtype: The shape and the dtype of the mask.
    """
    rate = 1 - keep
    part = 1 - (
        rate.to(dtype) if isinstance(rate, torch.Tensor) else torch.tensor(rate, dtype=dtype)
    )
    return torch.floor(part + run.uniform(marks["random"], shape, dtype)), part


def _by_default(state):
    """The default visitor: drop every state but the c of an LSTM."""
    return LSTMStateTuple(c=False, h=True) if isinstance(state, LSTMStateTuple) else True


class DropoutWrapper(_Wrapper):
    """Dropout on the input, the output and the new state of a cell, with TensorFlow's masks.

    Args:
        cell: The cell.
        input_keep_prob, output_keep_prob, state_keep_prob: The keep probabilities, above 0 and up
            to 1, or tensors, such as placeholders. With a tensor the number of TensorFlow's
            operations is unknown: later random operations need their own seeds, or a graph without
            a seed.
        variational_recurrent: Whether to draw one mask for a whole run, shared by all steps and
            rows.
        input_size: The size of the input, a number or a tf.TensorShape; needed for an input mask
            for a whole run.
        dtype: tf.float32 or tf.float64; needed for masks of a whole run.
        seed: The seed of the operation; None for the graph's.
        dropout_state_filter_visitor: A function that decides which states are dropped. It takes a
            state and returns True or False; for a tuple it may return one of them for each part,
            and parts with True are visited in turn. None for all states but the c of an
            LSTMStateTuple.

    Raises:
        InputError: A probability is invalid, or a mask for a whole run lacks its size or dtype.

    Source: Gal and Ghahramani, A Theoretically Grounded Application of Dropout in Recurrent Neural
        Networks (2016), arXiv:1512.05287, for `variational_recurrent`.

    Example:
        >>> import numpy as np
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> tf.set_random_seed(1)
        >>> cell = tf.nn.rnn_cell.DropoutWrapper(
        ...     tf.nn.rnn_cell.GRUCell(4), output_keep_prob=0.5, variational_recurrent=True,
        ...         dtype=tf.float32)
        >>> outputs, _ = tf.nn.dynamic_rnn(cell, np.ones((1, 3, 2), np.float32), dtype=tf.float32)
        >>> with tf.Session() as sess:
        ...     sess.run(tf.global_variables_initializer())
        ...     print((sess.run(outputs) != 0).astype(int))
        [[[1 0 1 0]
          [1 0 1 0]
          [1 0 1 0]]]
    """

    most_dims = 5

    def __init__(
        self,
        cell: RNNCell,
        input_keep_prob: float = 1.0,
        output_keep_prob: float = 1.0,
        state_keep_prob: float = 1.0,
        variational_recurrent: bool = False,
        input_size: int | tuple[int, ...] | TensorShape | None = None,
        dtype: DTypeLike | None = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable | None = None,
    ):
        super().__init__(cell)
        given = {"input": input_keep_prob, "output": output_keep_prob, "state": state_keep_prob}
        self.keep = {what: _probability(self, f"{what}_keep_prob", p) for what, p in given.items()}
        self.fed = {what: p for what, p in self.keep.items() if isinstance(p, Tensor)}
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise InputError(
                f"DropoutWrapper(dropout_state_filter_visitor={dropout_state_filter_visitor!r}): "
                "give a function of a state, or leave it out"
            )
        self.seed, self.visitor = seed, dropout_state_filter_visitor or _by_default
        self.noise: dict[str, list[Tensor]] | None = None
        graph = get_default_graph()
        graph.record(f"DropoutWrapperInit{{{'Const ' * (len(given) - len(self.fed))}}}")
        for what in self.fed:
            graph.uncounted = graph.uncounted or f"DropoutWrapper({what}_keep_prob=a tensor)"
        if variational_recurrent:
            self.noise = self._draws(graph, input_size, dtype)

    def _draws(self, graph: TensorFlowGraph, input_size, dtype) -> dict[str, list[Tensor]]:
        """The random numbers for the masks of a whole run: (1, size) for the input, each state and
        the output.
        """
        if dtype is None or not as_dtype(dtype).is_floating:
            raise InputError(
                f"DropoutWrapper(variational_recurrent=True, dtype={dtype!r}): its masks are drawn "
                "before there is an input; give dtype=tf.float32"
            )
        sizes = {"state": flatten(self.state_size), "output": flatten(self.output_size)}
        if self._drops("input"):
            if not isinstance(input_size, (numbers.Integral, TensorShape)) or not all(
                n and n > 0 for n in dimensions(input_size)
            ):
                raise InputError(
                    f"DropoutWrapper(variational_recurrent=True, input_size={input_size!r}): its "
                    "masks are drawn before there is an input; give the input's size, such as "
                    "input_size=4 or tf.TensorShape([4])"
                )
            sizes = {"input": [input_size]} | sizes

        def noise(what, i, size):
            marks, shape = (
                graph.random_uniform(_NOISE, self._own_seed(what, i)),
                (1, *dimensions(size)),
            )
            draw = Computation(
                [], lambda run: (run.uniform(marks["random"], shape, as_dtype(dtype).torch),)
            )
            return Tensor(marks["value"], as_dtype(dtype), shape, draw)

        return {
            what: [noise(what, i, size) for i, size in enumerate(parts)]
            for what, parts in sizes.items()
        }

    def _drops(self, what: str) -> bool:
        keep = self.keep[what]
        return isinstance(keep, Tensor) or keep < 1

    def _own_seed(self, what: str, index: int) -> int | None:
        if self.seed is None:
            return None
        digest = hashlib.md5(
            f"{self.seed}{what}_{index}".encode(), usedforsecurity=False
        ).hexdigest()
        return int(digest[:8], 16) & 0x7FFFFFFF

    def _dropout(
        self, graph: TensorFlowGraph, what: str, index: int, noise: Tensor | None
    ) -> tuple[Operation, Callable]:
        keep = self.keep[what]
        # A branch takes in the values only where they are divided, after the mask is drawn.
        taken, graph.captures = graph.captures, 0
        if noise is None:
            marks = graph.random_uniform(f"dropout{{{DROPOUT}}}", self._own_seed(what, index))

            def drop(run, value):
                mask, part = keep_mask(run, marks, _now(run, keep), value.shape, value.dtype)
                return value / part * mask
        else:
            marks = graph.record(_MASKED)

            def drop(run, value):
                part = _now(run, keep)
                return value / part * torch.floor(part + run[noise])

        graph.record("Switch " * taken)
        return marks["result"], drop

    def _chosen(self, state) -> list[tuple[int, bool]]:
        """For each part of a state that the visitor decides on: the number of states in it, and
        whether they are dropped.
        """
        chosen, several = self.visitor(state), isinstance(state, tuple)
        if chosen is False or chosen is True and not several:
            return [(len(flatten(state)), chosen)]
        each = [True] * len(state) if chosen is True else chosen
        if (
            not several
            or not isinstance(each, (tuple, list))
            or [type(goes) for goes in each] != [bool] * len(state)
        ):
            raise InputError(
                f"dropout_state_filter_visitor returned {chosen!r} for {state!r}: return True or "
                "False, or for a tuple one of these for each part"
            )
        return [
            found
            for goes, part in zip(each, state)
            for found in (self._chosen(part) if goes else [(len(flatten(part)), False)])
        ]

    def _state_dropouts(
        self, graph: TensorFlowGraph, dtype
    ) -> dict[int, tuple[Operation, Callable]]:
        # The visitor gets placeholders of the states' sizes. They are in a separate graph, so that
        # they do not count as operations.
        with TensorFlowGraph().as_default():
            shown = [
                operations.placeholder(dtype, [None, *dimensions(size)])
                for size in flatten(self.state_size)
            ]
        found, place = {}, 0
        for index, (count, dropped) in enumerate(self._chosen(pack(self.state_size, shown))):
            if dropped:
                found[place] = self._dropout(
                    graph, "state", index, self.noise["state"][place] if self.noise else None
                )
            place += count
        return found

    def _check_masks(self, drawn: dict[str, list[Tensor]], input_size: Any, dtype: DType) -> None:
        (noise, *_) = drawn["state"]
        if noise.dtype is not as_dtype(dtype):
            raise InputError(
                f"DropoutWrapper(dtype={noise.dtype!r}) was given an input of "
                f"{as_dtype(dtype).name}: make both the same"
            )
        expected = drawn["input"][0].shape[1:] if "input" in drawn else None
        if expected not in (None, input_size if isinstance(input_size, tuple) else (input_size,)):
            raise SizeError(
                f"DropoutWrapper(input_size={expected}) was given an input of size {input_size}: "
                f"make it input_size={input_size}"
            )

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        if self.noise is not None:
            self._check_masks(self.noise, input_size, dtype)
        noise = {what: found[0] for what, found in (self.noise or {}).items()}
        keep = lambda run, value: value  # noqa: E731
        drop_input = drop_output = keep
        if self._drops("input"):
            _, drop_input = self._dropout(graph, "input", 0, noise.get("input"))
        step = self.cell.trace(graph, input_size, dtype)
        output, states = step.output, list(step.states)
        drop_states = [keep] * len(states)
        if self._drops("state"):
            for i, (op, drop) in self._state_dropouts(graph, dtype).items():
                states[i], drop_states[i] = op, drop
        if self._drops("output"):
            output, drop_output = self._dropout(graph, "output", 0, noise.get("output"))

        def once(run, x, states, left):
            value, new = step.advance(run, drop_input(run, x)[None], states, left)
            return drop_output(run, value[0]), [drop(run, n) for drop, n in zip(drop_states, new)]

        def advance(run, x, states, lengths):
            return stepwise(run, x, states, lengths, once)

        masks = [
            tensor
            for what, found in (self.noise or {}).items()
            if self._drops(what)
            for tensor in found
        ]
        return Step(advance, output, states, [*step.reads, *masks, *self.fed.values()])
