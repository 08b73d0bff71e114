"""Private: dropout on the inputs, outputs and states of a cell, with TensorFlow 1's masks."""

import hashlib
import numbers
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core import nest
from ..core.constant import constant_value
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..ops import arrays, math, nn, random
from ..ops.tensor_arrays import TensorArray
from .cells import LSTMStateTuple
from .checks import keep_probability, sizes_of
from .wrappers import CellWrapper

__all__ = [
    "DropoutWrapper",
]


def _by_default(state: Any) -> Any:
    """The default visitor: drop every state but the c of an LSTM."""
    if isinstance(state, LSTMStateTuple):
        return LSTMStateTuple(c=False, h=True)
    return not isinstance(state, TensorArray)


class DropoutWrapper(CellWrapper):
    """Dropout on the input, the output and the new state of a cell, with TensorFlow's masks.

    Args:
        cell: The cell.
        input_keep_prob, output_keep_prob, state_keep_prob: The keep probabilities, above 0 and up
            to 1, or tensors, such as placeholders.
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
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable | None = None,
    ):
        super().__init__(cell)
        if dropout_state_filter_visitor is not None and not callable(dropout_state_filter_visitor):
            raise InputError(
                f"DropoutWrapper(dropout_state_filter_visitor={dropout_state_filter_visitor!r}): "
                "give a function of a state, or leave it out"
            )
        self._seed, self._visitor = seed, dropout_state_filter_visitor or _by_default
        given = {"input": input_keep_prob, "state": state_keep_prob, "output": output_keep_prob}
        with name_scope("DropoutWrapperInit"):
            self._keep = {what: self._probability(what, p) for what, p in given.items()}
        self._noise: dict[str, list[Tensor]] = {}
        self._noise_input_size: tuple | None = None
        if variational_recurrent:
            self._draw(input_size, dtype)

    def _probability(self, what: str, given: Any) -> float | Tensor:
        """A probability, or a tensor whose value is known only in a run."""
        if not isinstance(given, Tensor):
            keep_probability(self, f"{what}_keep_prob", given)
        keep = convert_to_tensor(given)
        if not keep.dtype.is_floating or keep.shape.ndims not in (None, 0):
            raise InputError(
                f"DropoutWrapper({what}_keep_prob={given}): give a number, or a tensor of one, "
                "such as tf.placeholder(tf.float32, [])"
            )
        value = constant_value(keep)
        if value is None:
            return keep
        # TensorFlow rounds the probability to float32, for every dtype of the values.
        return float(np.float32(keep_probability(self, f"{what}_keep_prob", float(value))))

    def _drops(self, what: str) -> bool:
        keep = self._keep[what]
        return isinstance(keep, Tensor) or keep < 1

    def _own_seed(self, what: str, index: int) -> int | None:
        if self._seed is None:
            return None
        text = f"{self._seed}{what}_{index}".encode()
        return int(hashlib.md5(text, usedforsecurity=False).hexdigest()[:8], 16) & 0x7FFFFFFF

    def _draw(self, input_size: Any, dtype: Any) -> None:
        """Draw the random numbers of the masks of a whole run: (1, size) for the input, each state
        and the output.
        """
        if dtype is None or not as_dtype(dtype).is_floating:
            raise InputError(
                f"DropoutWrapper(variational_recurrent=True, dtype={dtype!r}): its masks are drawn "
                "before there is an input; give dtype=tf.float32"
            )
        sizes = {"state": self._cell.state_size, "output": self._cell.output_size}
        if self._drops("input"):
            parts = nest.flatten(input_size)
            if not all(
                isinstance(n, (numbers.Integral, TensorShape)) and all(sizes_of(n)) and sizes_of(n)
                for n in parts
            ):
                raise InputError(
                    f"DropoutWrapper(variational_recurrent=True, input_size={input_size!r}): its "
                    "masks are drawn before there is an input; give the input's size, such as "
                    "input_size=4 or tf.TensorShape([4])"
                )
            if len(parts) == 1:
                self._noise_input_size = sizes_of(parts[0])
            sizes = {"input": input_size, **sizes}
        for what, structure in sizes.items():
            self._noise[what] = [
                random.random_uniform(
                    arrays.concat(([1], list(sizes_of(size))), 0),
                    seed=self._own_seed(what, i),
                    dtype=dtype,
                )
                for i, size in enumerate(nest.flatten(structure))
            ]

    def _check_masks(self, inputs: Any) -> None:
        x = nest.flatten(inputs)[-1]
        noise = self._noise["output"][0]
        if noise.dtype != as_dtype(x.dtype).base_dtype:
            raise InputError(
                f"DropoutWrapper(dtype={noise.dtype!r}) was given an input of "
                f"{as_dtype(x.dtype).name}: make both the same"
            )
        found = (TensorShape(x.shape).sizes or (None,))[1:]
        wanted = self._noise_input_size
        if wanted is not None and found and wanted != found:
            size = found[0] if len(found) == 1 else found
            raise SizeError(
                f"DropoutWrapper(input_size={wanted}) was given an input of size {size}: make it "
                f"input_size={size}"
            )

    def _dropout(self, what: str, index: int, value: Tensor, place: int) -> Tensor:
        """A value with dropout.

        Args:
            what: "input", "state" or "output".
            index: The number of the mask, for its seed.
            value: The value.
            place: The number of the part of the input, the state or the output.
        """
        keep = self._keep[what]
        if not self._noise:
            return nn.dropout(value, keep_prob=keep, seed=self._own_seed(what, index))
        mask = math.floor(keep + self._noise[what][place])
        dropped = math.div(value, keep) * mask
        dropped.set_shape(value.shape)
        return dropped

    def _dropped(self, what: str, structure: Any) -> Any:
        parts = nest.flatten(structure)
        return nest.pack_sequence_as(
            structure, [self._dropout(what, i, part, i) for i, part in enumerate(parts)]
        )

    def _chosen(self, state: Any) -> Iterator[tuple[int, bool]]:
        """For each part of a state that the visitor decides on: the number of states in it, and
        whether they are dropped.
        """
        chosen, several = self._visitor(state), nest.is_sequence(state)
        if chosen is False or chosen is True and not several:
            yield len(nest.flatten(state)), chosen
            return
        each: Any = [True] * len(state) if chosen is True and several else chosen
        if (
            not several
            or not nest.is_sequence(each)
            or [type(goes) for goes in each] != [bool] * len(state)
        ):
            raise InputError(
                f"dropout_state_filter_visitor returned {chosen!r} for {state!r}: return True or "
                "False, or for a tuple one of these for each part"
            )
        for goes, part in zip(each, state):
            if goes:
                yield from self._chosen(part)
            else:
                yield len(nest.flatten(part)), False

    def _dropped_state(self, state: Any) -> Any:
        parts, place = nest.flatten(state), 0
        for index, (count, dropped) in enumerate(self._chosen(state)):
            if dropped:
                parts[place] = self._dropout("state", index, parts[place], place)
            place += count
        return nest.pack_sequence_as(state, parts)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        inputs = nest.map_structure(convert_to_tensor, inputs)
        if self._noise:
            self._check_masks(inputs)
        if self._drops("input"):
            inputs = self._dropped("input", inputs)
        output, new_state = self._cell(inputs, state, scope=scope)
        if self._drops("state"):
            new_state = self._dropped_state(new_state)
        if self._drops("output"):
            output = self._dropped("output", output)
        return output, new_state
