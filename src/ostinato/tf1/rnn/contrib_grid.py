"""Private: the cells of tf.contrib.grid_rnn, with a cell for each dimension. The cell in depth
takes the input and returns the output.
"""

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.tensors import Tensor
from ..ops import arrays, math
from ..state import scopes
from .cell import KnownCell
from .cells import BasicLSTMCell, BasicRNNCell, GRUCell, LSTMCell
from .checks import number, refuse

__all__ = [
    "Grid1BasicLSTMCell",
    "Grid1BasicRNNCell",
    "Grid1LSTMCell",
    "Grid2BasicLSTMCell",
    "Grid2BasicRNNCell",
    "Grid2GRUCell",
    "Grid2LSTMCell",
    "Grid3LSTMCell",
]


class _Grid(KnownCell):
    """A grid of cells; dimension 0 is depth.

    Args:
        cell: Makes the cell of a dimension.
        dimensions: The number of dimensions.
        num_units: The size of each state, of the output and of the projected input.
        output_is_tuple: Whether the output is a tuple of one.
        state_is_tuple: False to concatenate all states to one.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
    """

    def __init__(
        self,
        cell: Callable,
        dimensions: int,
        num_units: int,
        output_is_tuple: bool,
        state_is_tuple: bool,
        tied: bool = False,
        non_recurrent_fn: object = None,
    ):
        kind = type(self).__name__
        refuse(kind, non_recurrent_fn=non_recurrent_fn)
        super().__init__(num_units)
        self._cells = [cell()] * dimensions if tied else [cell() for _ in range(dimensions)]
        self._tied, self._joined = tied, not state_is_tuple
        self._output_is_tuple = output_is_tuple
        inner = self._cells[0].state_size
        self._has_c = nest.is_sequence(inner)
        if self._joined and not self._has_c:
            raise InputError(
                f"{kind}(state_is_tuple=False) is not provided by ostinato.tf1, because TensorFlow "
                "fails: leave state_is_tuple out"
            )
        self.output_size = (num_units,) if output_is_tuple else num_units
        self.state_size = (inner,) * dimensions
        if self._joined:
            self.state_size = dimensions * sum(nest.flatten(inner))

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        inputs, state = self._checked(inputs, state)
        c_prev, m_prev = self._states(state)
        with scopes.variable_scope(scope or type(self).__name__):
            (x,) = arrays.split(value=inputs, num_or_size_splits=1, axis=1)
            for name, states in (("m", m_prev), ("c", c_prev)):
                if name == "m" or self._has_c:
                    kernel = scopes.get_variable(
                        f"project_{name}_0",
                        [x.shape[1].value, self._num_units],
                        dtype=inputs.dtype,
                    )
                    states[0] = math.matmul(x, kernel)
            outputs, states = self._propagate(c_prev, m_prev)
            output: Any = (outputs[0],)
            if not self._output_is_tuple:
                output = arrays.concat([outputs[0]], 1)
            new_state: Any = tuple(states)
            if self._joined:
                new_state = arrays.concat(nest.flatten(new_state), 1)
        return output, new_state

    def _states(self, state: Any) -> tuple[list, list]:
        """The cell state and the output of each dimension."""
        units = self._num_units
        if self._joined:
            parts = [
                arrays.slice(state, [0, i * units], [-1, units])
                for i in range(2 * len(self._cells))
            ]
            return parts[::2], parts[1::2]
        if self._has_c:
            return [c for c, _ in state], [m for _, m in state]
        return [None] * len(self._cells), list(state)

    def _propagate(self, c_prev: list, m_prev: list) -> tuple[list, list]:
        """The outputs and the states after a step of each dimension, depth being the last one."""
        count = len(self._cells)
        outputs: list[Any] = [None] * count
        states: list[Any] = [None] * count
        for turn in [d for d in ([*range(1, count)], [0]) if d]:
            latest = [m if o is None else o for m, o in zip(m_prev, outputs)]
            x = self._joined_inputs(latest, m_prev)
            for d in turn:
                given = latest[-1] if c_prev[d] is None else (c_prev[d], latest[-1])
                with scopes.variable_scope("recurrent" if self._tied else f"recurrent/cell_{d}"):
                    if self._tied and any(o is not None for o in outputs):
                        scopes.get_variable_scope().reuse_variables()
                    outputs[d], states[d] = self._cells[d](x, given)
        return outputs, states

    def _joined_inputs(self, latest: list, m_prev: list) -> Tensor:
        if len(latest) > 1:
            return arrays.concat(latest[:-1], 1)
        first = m_prev[0]
        return arrays.zeros([first.shape[0].value or arrays.shape(first)[0], 0], first.dtype)


class Grid1BasicRNNCell(_Grid):
    """Simple network in depth only.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(self, num_units: int, state_is_tuple: bool = True, output_is_tuple: bool = True):
        super().__init__(
            lambda: BasicRNNCell(num_units), 1, num_units, output_is_tuple, state_is_tuple
        )


class Grid2BasicRNNCell(_Grid):
    """Simple networks in time and depth.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            lambda: BasicRNNCell(num_units),
            2,
            num_units,
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid2GRUCell(_Grid):
    """GRUs in time and depth.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        state_is_tuple: True; TensorFlow fails with False.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        super().__init__(
            lambda: GRUCell(num_units),
            2,
            num_units,
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid1BasicLSTMCell(_Grid):
    """LSTM in depth only.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        forget_bias = number(self, "forget_bias", forget_bias)
        super().__init__(
            lambda: BasicLSTMCell(num_units, forget_bias=forget_bias),
            1,
            num_units,
            output_is_tuple,
            state_is_tuple,
        )


class Grid2BasicLSTMCell(_Grid):
    """LSTMs in time and depth.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        forget_bias = number(self, "forget_bias", forget_bias)
        super().__init__(
            lambda: BasicLSTMCell(num_units, forget_bias=forget_bias),
            2,
            num_units,
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid1LSTMCell(_Grid):
    """LSTM in depth only.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        use_peepholes: Whether the gates see the cell state.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        forget_bias = number(self, "forget_bias", forget_bias)
        super().__init__(
            lambda: LSTMCell(num_units, use_peepholes, forget_bias=forget_bias),
            1,
            num_units,
            output_is_tuple,
            state_is_tuple,
        )


class Grid2LSTMCell(_Grid):
    """LSTMs in time and depth.

    Args:
        num_units: The size of each state, of the output and of the projected input.
        tied: Whether all dimensions share their weights.
        non_recurrent_fn: Not supported.
        use_peepholes: Whether the gates see the cell state.
        forget_bias: A constant added to the forget gates.
        state_is_tuple: False to concatenate all states to one.
        output_is_tuple: Whether the output is a tuple of one.
    """

    _dimensions = 2

    def __init__(
        self,
        num_units: int,
        tied: bool = False,
        non_recurrent_fn: object = None,
        use_peepholes: bool = False,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        output_is_tuple: bool = True,
    ):
        forget_bias = number(self, "forget_bias", forget_bias)
        super().__init__(
            lambda: LSTMCell(num_units, use_peepholes, forget_bias=forget_bias),
            self._dimensions,
            num_units,
            output_is_tuple,
            state_is_tuple,
            tied,
            non_recurrent_fn,
        )


class Grid3LSTMCell(Grid2LSTMCell):
    """LSTMs in two dimensions and depth. Its arguments are those of `Grid2LSTMCell`."""

    _dimensions = 3
