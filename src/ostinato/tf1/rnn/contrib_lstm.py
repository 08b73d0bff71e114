"""Private: the LSTMs of tf.contrib.rnn that are made of TensorFlow 1's operations.

TensorFlow 1.13.1 has WeightNormLSTMCell only in tensorflow.contrib.rnn.python.ops.rnn_cell.
"""

from collections.abc import Callable
from typing import Any

from ...errors import InputError, SizeError
from ..core.graph import control_dependencies
from ..core.tensors import Tensor
from ..initializers import constant_initializer, zeros_initializer
from ..layers.contrib import layer_norm
from ..ops import arrays, math, nn
from ..state import scopes
from .cell import KnownCell
from .cells import LSTMStateTuple, clip
from .checks import activation_of, bound, keep_probability, number, refuse, whole
from .linear import Linear

__all__ = [
    "CoupledInputForgetGateLSTMCell",
    "GLSTMCell",
    "LayerNormBasicLSTMCell",
    "WeightNormLSTMCell",
]


class LayerNormBasicLSTMCell(KnownCell):
    """The LSTM with layer normalisation of each gate and of the cell state.

    Args:
        num_units: The size of each state.
        forget_bias: A constant added to the forget gate.
        input_size: Accepted for compatibility; ignored.
        activation: A function; None for tanh.
        layer_norm: False for no normalisation.
        norm_gain, norm_shift: The initial gains and shifts.
        dropout_keep_prob: The probability, above 0 and up to 1, of keeping what a step adds to the
            cell state, or a tensor.
        dropout_prob_seed: The seed of the dropout; None for the graph's.
        reuse: Whether to use variables that exist already.

    Source: Semeniuta, Severyn and Barth, Recurrent Dropout without Memory Loss (2016),
        arXiv:1603.05118, for the dropout.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Callable | None = None,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: bool | None = None,
    ):
        super().__init__(num_units, reuse)
        self._activation = activation_of(self, activation, names=False)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._layer_norm = layer_norm
        self._norm_gain = number(self, "norm_gain", norm_gain)
        self._norm_shift = number(self, "norm_shift", norm_shift)
        self._keep_prob = dropout_keep_prob
        if not isinstance(dropout_keep_prob, Tensor):
            self._keep_prob = keep_probability(self, "dropout_keep_prob", dropout_keep_prob)
        self._seed = dropout_prob_seed
        self.state_size = LSTMStateTuple(num_units, num_units)

    def _norm(self, x: Tensor, scope: str) -> Tensor:
        if not self._layer_norm:
            return x
        begins = {"gamma": self._norm_gain, "beta": self._norm_shift}
        with scopes.variable_scope(scope):
            for name, value in begins.items():
                scopes.get_variable(
                    name,
                    shape=x.shape[-1:],
                    initializer=constant_initializer(value),
                    dtype=x.dtype,
                )
        return layer_norm(x, reuse=True, scope=scope)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        c, h = state
        joined = arrays.concat([inputs, h], 1)
        size = 4 * self._num_units
        kernel = scopes.get_variable("kernel", [joined.shape[-1], size], dtype=joined.dtype)
        gates = math.matmul(joined, kernel)
        if not self._layer_norm:
            gates = nn.bias_add(gates, scopes.get_variable("bias", [size], dtype=joined.dtype))
        i, j, f, o = arrays.split(value=gates, num_or_size_splits=4, axis=1)
        i, j = self._norm(i, "input"), self._norm(j, "transform")
        f, o = self._norm(f, "forget"), self._norm(o, "output")
        g = self._activation(j)
        if isinstance(self._keep_prob, Tensor) or self._keep_prob < 1:
            g = nn.dropout(g, self._keep_prob, seed=self._seed)
        c = c * math.sigmoid(f + self._forget_bias) + math.sigmoid(i) * g
        c = self._norm(c, "state")
        h = self._activation(c) * math.sigmoid(o)
        return h, LSTMStateTuple(c, h)


class CoupledInputForgetGateLSTMCell(KnownCell):
    """The LSTM with the input gate 1 - f.

    Args:
        num_units: The size of the cell state.
        use_peepholes: Whether the gates see the cell state.
        initializer: Accepted and ignored, as in TensorFlow.
        num_proj: The size of the projected output; None for no projection.
        proj_clip: The bound to which the projected output is clipped; None for no clipping.
        num_unit_shards, num_proj_shards: 1; sharded weights are not supported.
        forget_bias: A constant added to the forget gate.
        state_is_tuple: False to concatenate c and h to one state.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
        layer_norm: False; normalisation is not supported.
        norm_gain, norm_shift: Ignored.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        num_unit_shards: int = 1,
        num_proj_shards: int = 1,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Callable | None = None,
        reuse: bool | None = None,
        layer_norm: bool = False,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
    ):
        if (num_unit_shards, num_proj_shards) != (1, 1):
            raise InputError(
                "CoupledInputForgetGateLSTMCell(num_unit_shards=..., num_proj_shards=...): sharded "
                "weights are not provided; leave both out"
            )
        refuse("CoupledInputForgetGateLSTMCell", layer_norm=layer_norm)
        super().__init__(num_units, reuse)
        self._activation = activation_of(self, activation, names=False)
        self._use_peepholes, self._num_proj = use_peepholes, num_proj or None
        self._proj_clip = bound(self, "proj_clip", proj_clip)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self._state_is_tuple = state_is_tuple
        self.output_size = whole(
            self, "num_proj", num_proj or num_units, ", or leave it out for no projection"
        )
        self.state_size = LSTMStateTuple(num_units, self.output_size)
        if not state_is_tuple:
            self.state_size = num_units + self.output_size

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        units, dtype = self._num_units, inputs.dtype
        if self._state_is_tuple:
            c_prev, m_prev = state
        else:
            c_prev = arrays.slice(state, [0, 0], [-1, units])
            m_prev = arrays.slice(state, [0, units], [-1, self.output_size])
        rows = inputs.shape[1].value + self.output_size
        kernel = scopes.get_variable("W_0", [rows, 3 * units], dtype=dtype)
        bias = scopes.get_variable(
            "B", shape=[3 * units], initializer=zeros_initializer(), dtype=dtype
        )
        gates = nn.bias_add(math.matmul(arrays.concat([inputs, m_prev], 1), kernel), bias)
        j, f, o = arrays.split(value=gates, num_or_size_splits=3, axis=1)
        diagonals = {}
        if self._use_peepholes:
            diagonals = {
                gate: scopes.get_variable(f"W_{gate}_diag", shape=[units], dtype=dtype)
                for gate in "FO"
            }
        f = f + self._forget_bias
        f = math.sigmoid(f + diagonals["F"] * c_prev if diagonals else f)
        c = f * c_prev + (1 - f) * self._activation(j)
        m = math.sigmoid(o + diagonals["O"] * c if diagonals else o) * self._activation(c)
        if self._num_proj is not None:
            projection = scopes.get_variable("W_P_0", [units, self._num_proj], dtype=dtype)
            m = clip(math.matmul(m, projection), self._proj_clip)
        return m, LSTMStateTuple(c, m) if self._state_is_tuple else arrays.concat([c, m], 1)


class GLSTMCell(KnownCell):
    """The LSTM in groups; each group sees its part of the input and of the output.

    Args:
        num_units: The size of the cell state.
        initializer: The initializer of the kernels; None for the scope's, or else glorot_uniform.
        num_proj: The size of the projected output; None for no projection.
        number_of_groups: The number of groups. It divides the sizes of the input, the state and the
            output.
        forget_bias: A constant added to the forget gate.
        activation: tf.nn.tanh. Other activations, which TensorFlow applies to the output only, are
            not supported.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        initializer: Any = None,
        num_proj: int | None = None,
        number_of_groups: int = 1,
        forget_bias: float = 1.0,
        activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        refuse("GLSTMCell", activation=None if activation is math.tanh else activation)
        super().__init__(num_units, reuse)
        self._initializer, self._num_proj = initializer, num_proj or None
        self._groups = whole(self, "number_of_groups", number_of_groups)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self.output_size = whole(
            self, "num_proj", num_proj or num_units, ", or leave it out for no projection"
        )
        self.state_size = LSTMStateTuple(num_units, self.output_size)
        self._share("num_units", num_units)
        self._share("num_proj", self.output_size)
        self._linears: dict[Any, Linear] = {}

    def _share(self, of: str, units: int) -> int:
        if units % self._groups:
            raise SizeError(
                f"GLSTMCell(number_of_groups={self._groups}): {of} is {units}, which is not a "
                "multiple of it; give a multiple"
            )
        return units // self._groups

    def _linear(self, name: Any, x: Tensor, size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(x, size, False)
        return self._linears[name](x)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        c_prev, m_prev = state
        rows = inputs.shape[0].value or arrays.shape(inputs)[0]
        share = self._share("the size of the input", inputs.shape[1].value)
        own, out = self._num_units // self._groups, self.output_size // self._groups

        def part(x: Tensor, group: int, size: int) -> Tensor:
            name = f"GLSTM_group{group}_input_generation"
            return arrays.slice(x, begin=[0, group * size], size=[rows, size], name=name)

        with scopes.variable_scope(scopes.get_variable_scope(), initializer=self._initializer):
            parts = []
            for group in range(self._groups):
                with scopes.variable_scope(f"group{group}"):
                    x = arrays.concat(
                        [part(inputs, group, share), part(m_prev, group, out)], axis=1
                    )
                    parts.append(arrays.split(self._linear(group, x, 4 * own), 4, 1))
            biases = [
                scopes.get_variable(
                    f"bias_{gate}",
                    shape=[self._num_units],
                    dtype=inputs.dtype,
                    initializer=constant_initializer(0.0, dtype=inputs.dtype),
                )
                for gate in "ijfo"
            ]
            i, j, f, o = (
                nn.bias_add(arrays.concat(list(gate), axis=1), bias)
                for gate, bias in zip(zip(*parts), biases)
            )
        c = math.sigmoid(f + self._forget_bias) * c_prev + math.sigmoid(i) * math.tanh(j)
        m = math.sigmoid(o) * math.tanh(c)
        if self._num_proj is not None:
            with scopes.variable_scope("projection"):
                m = self._linear("projection", m, self._num_proj)
        return m, LSTMStateTuple(c, m)


class WeightNormLSTMCell(KnownCell):
    """The LSTM with weight normalisation of its two matrices, with a gain for each unit of a gate.

    Args:
        num_units: The size of each state.
        norm: False for an LSTM without normalisation.
        use_peepholes: Whether the gates see the cell state.
        cell_clip: The bound to which the cell state is clipped; None for no clipping.
        initializer: The initializer of the weights other than the bias; None for the scope's, or
            else glorot_uniform.
        num_proj: None; a projection is not supported.
        proj_clip: Accepted for compatibility; ignored.
        forget_bias: A constant added to the forget gate.
        activation: A function; None for tanh.
        reuse: Whether to use variables that exist already.
    """

    def __init__(
        self,
        num_units: int,
        norm: bool = True,
        use_peepholes: bool = False,
        cell_clip: float | None = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: float | None = None,
        forget_bias: float = 1.0,
        activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        refuse("WeightNormLSTMCell", num_proj=num_proj)
        super().__init__(num_units, reuse, name="wn_lstm_cell")
        self._activation = activation_of(self, activation, names=False)
        self._norm, self._use_peepholes, self._initializer = norm, use_peepholes, initializer
        self._cell_clip = bound(self, "cell_clip", cell_clip)
        self._forget_bias = number(self, "forget_bias", forget_bias)
        self.state_size = LSTMStateTuple(num_units, num_units)

    def _normalized(self, kernel: Any, sizes: list[int]) -> Tensor:
        parts, start = [], 0
        with control_dependencies(None):
            for i, size in enumerate(sizes):
                part = kernel[start : start + size, :]
                gain = scopes.get_variable(f"norm_{i}", [part.shape[1].value], dtype=part.dtype)
                parts.append(nn.l2_normalize(part, axis=0) * gain)
                start += size
            return arrays.concat(parts, axis=0)

    def _linear(self, args: list[Tensor]) -> Tensor:
        sizes, dtype = [x.shape[1].value for x in args], args[0].dtype
        size = 4 * self._num_units
        with scopes.variable_scope(scopes.get_variable_scope()) as outer:
            kernel = scopes.get_variable("kernel", [sum(sizes), size], dtype=dtype)
            if self._norm:
                kernel = self._normalized(kernel, sizes)
            result = math.matmul(arrays.concat(args, 1), kernel)
            with scopes.variable_scope(outer) as inner:
                inner.set_partitioner(None)
                bias = scopes.get_variable(
                    "bias",
                    [size],
                    dtype=dtype,
                    initializer=constant_initializer(0.0, dtype=dtype),
                )
            return nn.bias_add(result, bias)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        c, h = state
        with scopes.variable_scope("wn_lstm_cell", initializer=self._initializer):
            gates = self._linear([inputs, h])
            i, j, f, o = arrays.split(value=gates, num_or_size_splits=4, axis=1)
            diagonals = {}
            if self._use_peepholes:
                diagonals = {
                    gate: scopes.get_variable(
                        f"w_{gate}_diag", shape=[self._num_units], dtype=inputs.dtype
                    )
                    for gate in "fio"
                }

            def gate(name: str, value: Tensor, c: Tensor) -> Tensor:
                return math.sigmoid(value + diagonals[name] * c if diagonals else value)

            kept = c * gate("f", f + self._forget_bias, c)
            new_c = clip(kept + gate("i", i, c) * self._activation(j), self._cell_clip)
            new_h = gate("o", o, new_c) * self._activation(new_c)
        return new_h, LSTMStateTuple(new_c, new_h)
