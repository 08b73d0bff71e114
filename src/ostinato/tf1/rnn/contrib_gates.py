"""Private: the cells of tf.contrib.rnn with few gates.

TensorFlow 1.13.1 has MinimalRNNCell and CFNCell only in tensorflow.contrib.rnn.python.ops.rnn_cell.
"""

from collections.abc import Callable
from typing import Any

from ...errors import SizeError
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..initializers import ones_initializer, zeros_initializer
from ..ops import arrays, math, nn
from ..state import scopes
from .cell import KnownCell, LayerRNNCell
from .cells import LSTMStateTuple
from .checks import activation_of, number, whole
from .linear import Linear

__all__ = [
    "CFNCell",
    "IntersectionRNNCell",
    "MinimalRNNCell",
    "NASCell",
    "SRUCell",
    "UGRNNCell",
]


class NASCell(KnownCell):
    """The cell found by neural architecture search, with an optional projection.

    Args:
        num_units: The size of the cell state.
        num_proj: The size of the projected output; None for no projection.
        use_biases: Whether there are biases.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_biases: bool = False,
        reuse: bool | None = None,
    ):
        super().__init__(num_units, reuse)
        self._num_proj, self._use_biases = num_proj, use_biases
        if num_proj is not None:
            self.output_size = whole(
                self, "num_proj", num_proj, ", or leave it out for no projection"
            )
        self.state_size = LSTMStateTuple(num_units, self.output_size)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        sigmoid, tanh, relu = math.sigmoid, math.tanh, nn.relu
        c_prev, m_prev = state
        size, dtype = 8 * self._num_units, inputs.dtype
        recurrent = scopes.get_variable("recurrent_kernel", [self.output_size, size], dtype=dtype)
        kernel = scopes.get_variable("kernel", [inputs.shape[1].value, size], dtype=dtype)
        m_matrix = math.matmul(m_prev, recurrent)
        x_matrix = math.matmul(inputs, kernel)
        if self._use_biases:
            bias = scopes.get_variable(
                "bias", shape=[size], initializer=zeros_initializer(), dtype=dtype
            )
            m_matrix = nn.bias_add(m_matrix, bias)
        m = arrays.split(axis=1, num_or_size_splits=8, value=m_matrix)
        x = arrays.split(axis=1, num_or_size_splits=8, value=x_matrix)
        first = [
            sigmoid(x[0] + m[0]),
            relu(x[1] + m[1]),
            sigmoid(x[2] + m[2]),
            relu(x[3] * m[3]),
            tanh(x[4] + m[4]),
            sigmoid(x[5] + m[5]),
            tanh(x[6] + m[6]),
            sigmoid(x[7] + m[7]),
        ]
        second = [
            tanh(first[0] * first[1]),
            tanh(first[2] + first[3]),
            tanh(first[4] * first[5]),
            sigmoid(first[6] + first[7]),
        ]
        new_c = tanh(second[0] + c_prev) * second[1]
        new_m = tanh(new_c * tanh(second[2] + second[3]))
        if self._num_proj is not None:
            projection = scopes.get_variable(
                "projection_weights", [self._num_units, self._num_proj], dtype=dtype
            )
            new_m = math.matmul(new_m, projection)
        return new_m, LSTMStateTuple(new_c, new_m)


class UGRNNCell(KnownCell):
    """The update gate network.

    Args:
        num_units: The size of the state.
        initializer: The initializer of the kernel; None for the scope's, or else glorot_uniform.
        forget_bias: A constant added to the gate.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        forget_bias: float = 1.0,
        activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        super().__init__(num_units, reuse)
        self._initializer = initializer
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._activation = activation_of(self, activation, names=False)
        self._linear: Linear | None = None

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        with scopes.variable_scope(scopes.get_variable_scope(), initializer=self._initializer):
            joined = arrays.concat([inputs, state], 1)
            if self._linear is None:
                self._linear = Linear(joined, 2 * self._num_units, True)
            gate, candidate = arrays.split(axis=1, num_or_size_splits=2, value=self._linear(joined))
            c = self._activation(candidate)
            g = math.sigmoid(gate + self._forget_bias)
            new = g * state + (1.0 - g) * c
        return new, new


class IntersectionRNNCell(KnownCell):
    """The intersection network.

    Args:
        num_units: The size of the state and of the output.
        num_in_proj: Any size above 0: an input of another size than `num_units` is projected to
            `num_units`.
        initializer: The initializer of the kernels; None for the scope's, or else glorot_uniform.
        forget_bias: A constant added to both gates.
        y_activation: A function.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        num_in_proj: int | None = None,
        initializer: Any = None,
        forget_bias: float = 1.0,
        y_activation: Callable = nn.relu,
        reuse: bool | None = None,
    ):
        super().__init__(num_units, reuse)
        self._num_in_proj, self._initializer = num_in_proj, initializer
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._y_activation = activation_of(self, y_activation, names=False)
        self._linears: dict[str, Linear] = {}

    def _linear(self, name: str, x: Tensor, size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(x, size, True)
        return self._linears[name](x)

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        units, size = self._num_units, inputs.shape[1].value
        with scopes.variable_scope(scopes.get_variable_scope(), initializer=self._initializer):
            if size != units:
                if not self._num_in_proj:
                    raise SizeError(
                        f"IntersectionRNNCell(num_units={units}) was given an input of size "
                        f"{size}: make it num_in_proj={units}, or give an input of size {units}"
                    )
                with scopes.variable_scope("in_projection"):
                    inputs = self._linear("in_projection", inputs, units)
            joined = arrays.concat([inputs, state], 1)
            gates = self._linear("gates", joined, 4 * units)
            gh, h, gy, y = (gates[:, i * units : (i + 1) * units] for i in range(4))
            h, y = math.tanh(h), self._y_activation(y)
            gh = math.sigmoid(gh + self._forget_bias)
            gy = math.sigmoid(gy + self._forget_bias)
            new_state = gh * state + (1.0 - gh) * h
            output = gy * inputs + (1.0 - gy) * y
        return output, new_state


class SRUCell(LayerRNNCell):
    """The simple recurrent unit.

    Args:
        num_units: The size of the state.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
        name: The scope of its variables; None for `sru_cell`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Callable | None = None,
        reuse: bool | None = None,
        name: str | None = None,
        **kwargs: Any,
    ):
        super().__init__(num_units, reuse, name, **kwargs)
        self._activation = activation_of(self, activation, names=False)

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        depth = TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable("kernel", shape=[depth, 4 * self._num_units])
        self._bias = self.add_variable(
            "bias", shape=[2 * self._num_units], initializer=zeros_initializer()
        )
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        gates = math.matmul(inputs, self._kernel)
        x_bar, f, r, x = arrays.split(value=gates, num_or_size_splits=4, axis=1)
        f_r = math.sigmoid(nn.bias_add(arrays.concat([f, r], 1), self._bias))
        f, r = arrays.split(value=f_r, num_or_size_splits=2, axis=1)
        c = f * state + (1.0 - f) * x_bar
        h = r * self._activation(c) + (1.0 - r) * x
        return h, c


class _NamedCell(LayerRNNCell):
    """A cell whose activation and initializers may be given by name."""

    def __init__(
        self,
        units: int,
        activation: Callable | str | None,
        kernel_initializer: Any,
        bias_initializer: Any,
        name: str | None,
        dtype: Any,
        **kwargs: Any,
    ):
        super().__init__(units, None, name, dtype, **kwargs)
        self._activation = activation_of(self, activation)
        # The default initializer is glorot_uniform.
        named = kernel_initializer == "glorot_uniform"
        self._kernel_initializer = None if named else kernel_initializer
        ones = bias_initializer == "ones"
        self._bias_initializer = ones_initializer() if ones else bias_initializer


class MinimalRNNCell(_NamedCell):
    """The minimal network.

    Args:
        units: The size of the state.
        activation: A function, or its name; None for tanh.
        kernel_initializer, bias_initializer: The initializers: "glorot_uniform" and "ones", or
            initializers of `tf`.
        name: The scope of its variables; None for `minimal_rnn_cell`.
        dtype: The dtype of the input; None to accept any.
    """

    def __init__(
        self,
        units: int,
        activation: Callable | str | None = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "ones",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            units, activation, kernel_initializer, bias_initializer, name, dtype, **kwargs
        )

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        depth = self._input_size = TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable(
            "kernel",
            shape=[depth + 2 * self._num_units, self._num_units],
            initializer=self._kernel_initializer,
        )
        self._bias = self.add_variable(
            "bias", shape=[self._num_units], initializer=self._bias_initializer
        )
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        sizes = [self._input_size, 2 * self._num_units]
        forward, gate = arrays.split(value=self._kernel, num_or_size_splits=sizes, axis=0)
        z = self._activation(math.matmul(inputs, forward))
        gates = nn.bias_add(math.matmul(arrays.concat([z, state], 1), gate), self._bias)
        u = math.sigmoid(gates)
        new = u * state + (1 - u) * z
        return new, new


class CFNCell(_NamedCell):
    """The chaos-free network.

    Args:
        units, activation, kernel_initializer, bias_initializer, dtype: See `MinimalRNNCell`.
        name: The scope of its variables; None for `cfn_cell`.
    """

    def __init__(
        self,
        units: int,
        activation: Callable | str | None = "tanh",
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "ones",
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            units, activation, kernel_initializer, bias_initializer, name, dtype, **kwargs
        )

    def build(self, input_shape: Any) -> None:
        """Make the variables."""
        units, kernel = self._num_units, self._kernel_initializer
        depth = TensorShape(input_shape)[-1].value
        self._kernel = self.add_variable("kernel", shape=[depth, 3 * units], initializer=kernel)
        self._recurrent_kernel = self.add_variable(
            "recurrent_kernel", shape=[units, 2 * units], initializer=kernel
        )
        self._bias = self.add_variable(
            "bias", shape=[2 * units], initializer=self._bias_initializer
        )
        self.built = True

    def call(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """One step."""
        sizes = [2 * self._num_units, self._num_units]
        v, w = arrays.split(value=self._kernel, num_or_size_splits=sizes, axis=1)
        gates = math.matmul(state, self._recurrent_kernel) + math.matmul(inputs, v)
        gates = math.sigmoid(nn.bias_add(gates, self._bias))
        theta, eta = arrays.split(value=gates, num_or_size_splits=2, axis=1)
        projected = math.matmul(inputs, w)
        new = theta * self._activation(state) + (1 - eta) * self._activation(projected)
        return new, new
