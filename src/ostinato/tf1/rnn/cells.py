"""Private: the recurrent cells of TensorFlow 1 (tf.nn.rnn_cell)."""

from collections import namedtuple
from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.constant import constant
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..initializers import constant_initializer, zeros_initializer
from ..layers.base import Layer
from ..ops import arrays, math, nn
from ..state import scopes
from ..train.clipping import clip_by_value
from .cell import LayerRNNCell, RNNCell
from .checks import activation_of, bound, check_cell, is_known, number, sizes_of, whole

__all__ = [
    "BasicLSTMCell",
    "BasicRNNCell",
    "GRUCell",
    "LSTMCell",
    "LSTMStateTuple",
    "MultiRNNCell",
    "RNNCell",
    "clip",
]


class LSTMStateTuple(namedtuple("LSTMStateTuple", ("c", "h"))):
    """The state of an LSTM: the cell state c and the output h, in TensorFlow's order."""

    __slots__ = ()

    @property
    def dtype(self) -> Any:
        """The dtype of both."""
        if self.c.dtype != self.h.dtype:
            raise InputError(
                f"the states c and h have the dtypes {self.c.dtype.name} and {self.h.dtype.name}: "
                "make them the same"
            )
        return self.c.dtype


def clip(value: Tensor, limit: float | None) -> Tensor:
    """A value clipped to a bound; unchanged where the bound is None."""
    return value if limit is None else clip_by_value(value, -limit, limit)


class BasicRNNCell(LayerRNNCell):
    """The simple (Elman) recurrent network.

    Args:
        num_units: The size of the state.
        activation: A function, or its name; None for tanh.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `basic_rnn_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(num_units, reuse, name, dtype, **kwargs)
        self._activation = activation_of(self, activation)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, depth = self._num_units, TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable("kernel", shape=[depth + units, units])
        self._bias = self.add_variable("bias", shape=[units], initializer=zeros_initializer())
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        gates = math.matmul(arrays.concat([inputs, state], 1), self._kernel)
        output = self._activation(nn.bias_add(gates, self._bias))
        return output, output


class GRUCell(LayerRNNCell):
    """The gated recurrent unit with the reset gate before the product.

    Args:
        num_units: The size of the state.
        activation: A function, or its name; None for tanh.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of both kernels; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of both biases; None for 1 in the gates' and 0 in the
            candidate's.
        name: The scope of its variables; None for `gru_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | str | None = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(num_units, reuse, name, dtype, **kwargs)
        self._activation = activation_of(self, activation)
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, rows = self._num_units, TensorShape(input_shape)[-1].value + self._num_units
        ones, zeros = self._bias_initializer, self._bias_initializer
        if self._bias_initializer is None:
            ones = constant_initializer(1.0)
            zeros = zeros_initializer()
        kernel = self._kernel_initializer
        self._gate_kernel = self.add_variable(
            "gates/kernel", shape=[rows, 2 * units], initializer=kernel
        )
        self._gate_bias = self.add_variable("gates/bias", shape=[2 * units], initializer=ones)
        self._candidate_kernel = self.add_variable(
            "candidate/kernel", shape=[rows, units], initializer=kernel
        )
        self._candidate_bias = self.add_variable("candidate/bias", shape=[units], initializer=zeros)
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        gates = math.matmul(arrays.concat([inputs, state], 1), self._gate_kernel)
        value = math.sigmoid(nn.bias_add(gates, self._gate_bias))
        r, u = arrays.split(value=value, num_or_size_splits=2, axis=1)
        candidate = math.matmul(arrays.concat([inputs, r * state], 1), self._candidate_kernel)
        c = self._activation(nn.bias_add(candidate, self._candidate_bias))
        new = u * state + (1 - u) * c
        return new, new


class BasicLSTMCell(LayerRNNCell):
    """The LSTM with a forget gate.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: A function, or its name; None for tanh.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `basic_lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | str | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(num_units, reuse, name, dtype, **kwargs)
        self._activation = activation_of(self, activation)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._state_is_tuple = state_is_tuple
        self.state_size = LSTMStateTuple(num_units, num_units) if state_is_tuple else 2 * num_units

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, depth = self._num_units, TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable("kernel", shape=[depth + units, 4 * units])
        self._bias = self.add_variable("bias", shape=[4 * units], initializer=zeros_initializer())
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        one = constant(1, dtype="int32")
        if self._state_is_tuple:
            c, h = state
        else:
            c, h = arrays.split(value=state, num_or_size_splits=2, axis=one)
        gates = math.matmul(arrays.concat([inputs, h], 1), self._kernel)
        gates = nn.bias_add(gates, self._bias)
        i, j, f, o = arrays.split(value=gates, num_or_size_splits=4, axis=one)
        forget_bias = constant(self._forget_bias, dtype=f.dtype)
        new_c = math.add(
            math.multiply(c, math.sigmoid(math.add(f, forget_bias))),
            math.multiply(math.sigmoid(i), self._activation(j)),
        )
        new_h = math.multiply(self._activation(new_c), math.sigmoid(o))
        if self._state_is_tuple:
            return new_h, LSTMStateTuple(new_c, new_h)
        return new_h, arrays.concat([new_c, new_h], 1)


class LSTMCell(LayerRNNCell):
    """The LSTM with optional peepholes, clipping and projection.

    Args:
        num_units: The size of the cell state.
        use_peepholes: Whether the gates see the cell state.
        cell_clip: The bound to which the cell state is clipped; None for no clipping.
        initializer: The initializer of the weights other than the bias; None for the scope's, or
            else glorot_uniform.
        num_proj: The size of the projected output; None for no projection.
        proj_clip: The bound to which the projected output is clipped; None for no clipping.
        num_unit_shards, num_proj_shards: Not supported; use a partitioner of the variable scope.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: A function, or its name; None for tanh.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | str | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        if num_unit_shards or num_proj_shards:
            raise InputError(
                "LSTMCell(num_unit_shards=..., num_proj_shards=...): sharded weights are not "
                "provided; leave both out, or use tf.variable_scope(..., partitioner=...)"
            )
        super().__init__(num_units, reuse, name, dtype, **kwargs)
        self._activation = activation_of(self, activation)
        self._use_peepholes, self._initializer = use_peepholes, initializer
        self._cell_clip = bound(self, "cell_clip", cell_clip)
        self._proj_clip = bound(self, "proj_clip", proj_clip)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._state_is_tuple = state_is_tuple
        self._num_proj = num_proj or None
        self.output_size = whole(
            self, "num_proj", num_proj or num_units, ", or leave it out for no projection"
        )
        self.state_size = LSTMStateTuple(num_units, self.output_size)
        if not state_is_tuple:
            self.state_size = num_units + self.output_size

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, depth = self._num_units, TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable(
            "kernel", shape=[depth + self.output_size, 4 * units], initializer=self._initializer
        )
        self._bias = self.add_variable("bias", shape=[4 * units], initializer=zeros_initializer())
        if self._use_peepholes:
            self._diagonals = {
                gate: self.add_variable(
                    f"w_{gate}_diag", shape=[units], initializer=self._initializer
                )
                for gate in "fio"
            }
        if self._num_proj is not None:
            self._proj_kernel = self.add_variable(
                "projection/kernel", shape=[units, self._num_proj], initializer=self._initializer
            )
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        if self._state_is_tuple:
            c_prev, m_prev = state
        else:
            c_prev = arrays.slice(state, [0, 0], [-1, self._num_units])
            m_prev = arrays.slice(state, [0, self._num_units], [-1, self.output_size])
        gates = math.matmul(arrays.concat([inputs, m_prev], 1), self._kernel)
        gates = nn.bias_add(gates, self._bias)
        i, j, f, o = arrays.split(value=gates, num_or_size_splits=4, axis=1)
        kept = self._gate(f + self._forget_bias, "f", c_prev) * c_prev
        added = self._gate(i, "i", c_prev) * self._activation(j)
        c = clip(kept + added, self._cell_clip)
        m = self._gate(o, "o", c) * self._activation(c)
        if self._num_proj is not None:
            m = clip(math.matmul(m, self._proj_kernel), self._proj_clip)
        return m, LSTMStateTuple(c, m) if self._state_is_tuple else arrays.concat([c, m], 1)

    def _gate(self, value: Tensor, name: str, c: Tensor) -> Tensor:
        return math.sigmoid(value + self._diagonals[name] * c if self._use_peepholes else value)


class MultiRNNCell(RNNCell):
    """Stacked cells: each cell takes the output of the cell before.

    Args:
        cells: The cells, from the input to the output.
        state_is_tuple: False to concatenate all states to one.
    """

    def __init__(self, cells: Any, state_is_tuple: bool = True):
        if not isinstance(cells, (list, tuple)) or not cells:
            raise InputError(f"MultiRNNCell was given {cells!r}: give it a list of cells")
        for cell in cells:
            check_cell(cell, "MultiRNNCell")
            if not state_is_tuple and nest.is_sequence(cell.state_size):
                raise InputError(
                    f"MultiRNNCell(state_is_tuple=False) was given {type(cell).__name__} with a "
                    "tuple of states: create that cell with state_is_tuple=False too"
                )
        for below, cell in zip(cells, cells[1:]):
            if is_known(below) and is_known(cell) and not nest.is_sequence(below.output_size):
                if cell.input_dims != (1 + len(sizes_of(below.output_size)),):
                    raise InputError(
                        f"MultiRNNCell was given {type(cell).__name__} above "
                        f"{type(below).__name__}, whose output has other dimensions than its "
                        "input: give it matching cells"
                    )
        super().__init__()
        self._cells, self._state_is_tuple = list(cells), state_is_tuple
        sizes = tuple(c.state_size for c in cells)
        self.state_size = sizes if state_is_tuple else sum(sizes)
        self.output_size = cells[-1].output_size
        if all(map(is_known, cells)):
            self.input_dims = cells[0].input_dims
        self.of_indices = getattr(cells[0], "of_indices", False)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros; see `RNNCell.zero_state`."""
        with name_scope("MultiRNNCellZeroState"):
            if self._state_is_tuple:
                return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)
            return super().zero_state(batch_size, dtype)

    def call(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """One step."""
        start, new_states = 0, []
        for i, cell in enumerate(self._cells):
            with scopes.variable_scope(f"cell_{i}"):
                if self._state_is_tuple:
                    if not nest.is_sequence(state):
                        raise InputError(
                            f"MultiRNNCell was given the state {state!r}: give it a tuple of "
                            f"{len(self._cells)}"
                        )
                    own = state[i]
                else:
                    own = arrays.slice(state, [0, start], [-1, cell.state_size])
                    start += cell.state_size
                inputs, new = cell(inputs, own)
            new_states.append(new)
        return inputs, tuple(new_states) if self._state_is_tuple else arrays.concat(new_states, 1)

    @property
    def trainable_weights(self) -> list:
        """The variables of the cells that are trained."""
        return [v for c in self._cells if isinstance(c, Layer) for v in c.trainable_weights]

    @property
    def non_trainable_weights(self) -> list:
        """The variables of the cells that are not trained."""
        return [v for c in self._cells if isinstance(c, Layer) for v in c.non_trainable_weights]
