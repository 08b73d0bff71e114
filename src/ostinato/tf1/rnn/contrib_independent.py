"""Private: the cells of tf.contrib.rnn whose units see only their own state."""

from collections.abc import Callable
from typing import Any

from ..core.constant import constant
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..initializers import constant_initializer, random_uniform_initializer, zeros_initializer
from ..ops import arrays, math, nn
from .cell import LayerRNNCell
from .cells import LSTMStateTuple
from .checks import activation_of, number

__all__ = [
    "IndRNNCell",
    "IndyGRUCell",
    "IndyLSTMCell",
]


class _IndependentCell(LayerRNNCell):
    def __init__(
        self,
        num_units: int,
        activation: Callable | None,
        reuse: bool | None,
        name: str | None,
        dtype: Any,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
    ):
        super().__init__(num_units, reuse, name, dtype)
        self._activation = activation_of(self, activation, names=False)
        self._kernel_initializer, self._bias_initializer = kernel_initializer, bias_initializer

    def _diagonal(self, name: str, size: int) -> Any:
        begin = random_uniform_initializer(minval=-1, maxval=1)
        return self.add_variable(name, shape=[1, size], initializer=begin)

    def _zeros(self) -> Any:
        given = self._bias_initializer
        return zeros_initializer() if given is None else given


class IndRNNCell(_IndependentCell):
    """The independently recurrent network.

    Args:
        num_units: The size of the state.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `ind_rnn_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(num_units, activation, reuse, name, dtype)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, depth = self._num_units, TensorShape(input_shape)[-1].value
        self._kernel_w = self.add_variable("kernel_w", shape=[depth, units])
        self._kernel_u = self._diagonal("kernel_u", units)
        self._bias = self.add_variable("bias", shape=[units], initializer=self._zeros())
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        gates = math.matmul(inputs, self._kernel_w) + state * self._kernel_u
        output = self._activation(nn.bias_add(gates, self._bias))
        return output, output


class IndyGRUCell(_IndependentCell):
    """The independent GRU, whose units see only their own state.

    Args:
        num_units: The size of the state.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of both input kernels; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of both biases; None for 1 in the gates' and 0 in the
            candidate's.
        name: The scope of its variables; None for `indy_gru_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | None = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(
            num_units, activation, reuse, name, dtype, kernel_initializer, bias_initializer
        )

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, depth = self._num_units, TensorShape(input_shape)[-1].value
        ones = self._bias_initializer
        if ones is None:
            ones = constant_initializer(1.0)
        kernel = self._kernel_initializer
        self._gate_kernel_w = self.add_variable(
            "gates/kernel_w", shape=[depth, 2 * units], initializer=kernel
        )
        self._gate_kernel_u = self._diagonal("gates/kernel_u", 2 * units)
        self._gate_bias = self.add_variable("gates/bias", shape=[2 * units], initializer=ones)
        self._candidate_kernel_w = self.add_variable(
            "candidate/kernel", shape=[depth, units], initializer=kernel
        )
        self._candidate_kernel_u = self._diagonal("candidate/kernel_u", units)
        self._candidate_bias = self.add_variable(
            "candidate/bias", shape=[units], initializer=self._zeros()
        )
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        gates = math.matmul(inputs, self._gate_kernel_w)
        gates = gates + arrays.tile(state, [1, 2]) * self._gate_kernel_u
        value = math.sigmoid(nn.bias_add(gates, self._gate_bias))
        r, u = arrays.split(value=value, num_or_size_splits=2, axis=1)
        r_state = r * state
        candidate = math.matmul(inputs, self._candidate_kernel_w)
        candidate = candidate + r_state * self._candidate_kernel_u
        c = self._activation(nn.bias_add(candidate, self._candidate_bias))
        new = u * state + (1 - u) * c
        return new, new


class IndyLSTMCell(_IndependentCell):
    """The independent LSTM, whose units see only their own states.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
        kernel_initializer: The initializer of the input kernel; None for the scope's, or else
            glorot_uniform.
        bias_initializer: The initializer of the bias; None for 0.
        name: The scope of its variables; None for `indy_lstm_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        activation: Callable | None = None,
        reuse: bool | None = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
    ):
        super().__init__(
            num_units, activation, reuse, name, dtype, kernel_initializer, bias_initializer
        )
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self.state_size = LSTMStateTuple(num_units, num_units)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        size, depth = 4 * self._num_units, TensorShape(input_shape)[-1].value
        self._kernel_w = self.add_variable(
            "kernel_w", shape=[depth, size], initializer=self._kernel_initializer
        )
        self._kernel_u = self._diagonal("kernel_u", size)
        self._bias = self.add_variable("bias", shape=[size], initializer=self._zeros())
        self.built = True

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        one = constant(1, dtype="int32")
        c, h = state
        gates = math.matmul(inputs, self._kernel_w)
        gates = gates + arrays.tile(h, [1, 4]) * self._kernel_u
        gates = nn.bias_add(gates, self._bias)
        i, j, f, o = arrays.split(value=gates, num_or_size_splits=4, axis=one)
        forget_bias = constant(self._forget_bias, dtype=f.dtype)
        new_c = math.add(
            math.multiply(c, math.sigmoid(math.add(f, forget_bias))),
            math.multiply(math.sigmoid(i), self._activation(j)),
        )
        new_h = math.multiply(self._activation(new_c), math.sigmoid(o))
        return new_h, LSTMStateTuple(new_c, new_h)
