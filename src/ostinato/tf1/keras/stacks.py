"""Private: cells of tf.keras on top of one another."""

from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.shape import TensorShape
from ..layers.base_layer import BaseLayer, accepts
from .cells import zero_state
from .engine import Layer

__all__ = ["StackedRNNCells", "own_state"]


def own_state(cell: Any, states: Sequence) -> Any:
    """The states as a cell takes them: a cell of tf.nn.rnn_cell takes a single state itself, one of
    tf.keras takes a list.
    """
    return states[0] if len(states) == 1 and hasattr(cell, "zero_state") else states


class StackedRNNCells(Layer):
    """Cells on top of one another, as one cell.

    Attributes:
        cells: The cells, the first one takes the input.

    Args:
        cells: The cells.
        **kwargs: `reverse_state_order`, whether the states of the last cell come first; `name`.
    """

    def __init__(self, cells: Sequence, **kwargs: Any):
        for cell in cells:
            if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
                raise InputError(
                    f"All cells must have a `call` method and a `state_size`: {cell!r} has not; "
                    "give cells such as tf.keras.layers.LSTMCell(2)"
                )
        self.reverse_state_order = kwargs.pop("reverse_state_order", False)
        super().__init__(**kwargs)
        self.cells = list(cells)

    def _in_order_of_states(self) -> list:
        return self.cells[::-1] if self.reverse_state_order else self.cells

    @property
    def state_size(self) -> tuple:
        """The sizes of the states of each cell."""
        return tuple(cell.state_size for cell in self._in_order_of_states())

    @property
    def output_size(self) -> Any:
        """The size of the output of the last cell."""
        return _output_size(self.cells[-1])

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> tuple:
        """The states of zeros of each cell; see `SimpleRNNCell.get_initial_state`."""
        found = []
        for cell in self._in_order_of_states():
            if getattr(cell, "get_initial_state", None) is not None:
                state = cell.get_initial_state(inputs=inputs, batch_size=batch_size, dtype=dtype)
            else:
                state = zero_state(batch_size, cell.state_size, dtype)
            found.append(state)
        return tuple(found)

    def build(self, input_shape: Any) -> None:
        extra = []
        if isinstance(input_shape, list):
            input_shape, extra = input_shape[0], input_shape[1:]
        for cell in self.cells:
            if isinstance(cell, BaseLayer):
                cell.build([input_shape, *extra] if extra else input_shape)
                cell.built = True
            rows = TensorShape(input_shape).as_list()[0]
            input_shape = TensorShape([rows, *TensorShape(_output_size(cell)).as_list()])
        self.built = True

    def call(self, inputs: Any, states: Any, constants: Any = None) -> tuple[Any, Any]:
        """One step of each cell.

        Args:
            inputs: (B, I).
            states: The states of each cell.
            constants: Tensors for cells that take them, or None.
        """
        sizes = self.state_size[::-1] if self.reverse_state_order else self.state_size
        nested = nest.pack_sequence_as(sizes, nest.flatten(states))
        new = []
        for cell, own in zip(self.cells, nested):
            own = own_state(cell, own if nest.is_sequence(own) else [own])
            given = {"constants": constants} if accepts(cell.call, "constants") else {}
            inputs, own = cell.call(inputs, own, **given)
            new.append(own)
        return inputs, nest.pack_sequence_as(sizes, nest.flatten(new))

    @property
    def trainable_weights(self) -> list:
        """The variables of the cells that are trained."""
        if not self.trainable:
            return []
        return [w for cell in self.cells for w in getattr(cell, "trainable_weights", [])]

    @property
    def non_trainable_weights(self) -> list:
        """The variables of the cells that are not trained."""
        if not self.trainable:
            return [w for cell in self.cells for w in getattr(cell, "weights", [])]
        return [w for cell in self.cells for w in getattr(cell, "non_trainable_weights", [])]

    @property
    def losses(self) -> list:
        """The losses of the cells."""
        return [x for cell in self.cells for x in getattr(cell, "losses", [])] + super().losses


def _output_size(cell: Any) -> Any:
    size = getattr(cell, "output_size", None)
    if size is not None:
        return size
    return cell.state_size[0] if nest.is_sequence(cell.state_size) else cell.state_size
