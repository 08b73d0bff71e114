"""Private: the recurrent cells of tf.keras."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..ops import arrays
from . import activations, constraints, initializers, regularizers
from .arithmetic import bias_add, concatenate, dot, dropout, in_train_phase
from .engine import Layer

__all__ = ["GRUCell", "LSTMCell", "SimpleRNNCell", "arguments_of", "zero_state"]


def zero_state(rows: Any, size: Any, dtype: Any) -> Any:
    """A state of zeros.

    Args:
        rows: The batch size: a number or a tensor.
        size: The size of a state, or a structure of sizes.
        dtype: The dtype.
    """

    def zeros(of: Any) -> Tensor:
        return arrays.zeros([rows, *TensorShape(of).as_list()], dtype=dtype)

    return nest.map_structure(zeros, size) if nest.is_sequence(size) else zeros(size)


def _last_size(input_shape: Any) -> int:
    size = TensorShape(input_shape).as_list()[-1]
    if size is None:
        raise InputError(
            f"a recurrent cell was given inputs of shape {TensorShape(input_shape)}: its last "
            "size must be known"
        )
    return size


def _part(number: int, units: int) -> slice:
    """The columns of a gate: those of the first and of the last one have an open end."""
    return slice(number * units or None, (number + 1) * units)


def arguments_of(local: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a constructor by name, from its `locals()`."""
    found = {name: value for name, value in local.items() if name not in ("self", "__class__")}
    return found | found.pop("kwargs")


class _UnitCell(Layer):
    """The arguments and the variables that all cells have. The variables of the gates are joined
    along the last axis.
    """

    gates = 1

    def __init__(
        self,
        *,
        units: int,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        recurrent_regularizer: Any,
        bias_regularizer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        recurrent_activation: Any = None,
        implementation: int = 1,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.units, self.use_bias, self.implementation = int(units), use_bias, implementation
        self.activation = activations.get(activation)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.state_size: Any = self.units
        self.output_size = self.units
        self.kernel: Any = None
        self.recurrent_kernel: Any = None
        self.bias: Any = None
        self.forget_masks()

    def forget_masks(self) -> None:
        """Draw new dropout masks at the next call."""
        self._dropout_mask: Any = None
        self._recurrent_dropout_mask: Any = None

    def build(self, input_shape: Any) -> None:
        width = self.units * self.gates
        self.kernel = self.add_weight(
            "kernel",
            shape=(_last_size(input_shape), width),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.recurrent_kernel = self.add_weight(
            "recurrent_kernel",
            shape=(self.units, width),
            initializer=self.recurrent_initializer,
            regularizer=self.recurrent_regularizer,
            constraint=self.recurrent_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=self._bias_shape(),
                initializer=self._first_bias(),
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def _bias_shape(self) -> tuple:
        return (self.units * self.gates,)

    def _first_bias(self) -> Any:
        return self.bias_initializer

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """A state of zeros.

        Args:
            inputs: An input that gives the batch size and the dtype; None for those given.
            batch_size: The batch size: a number or a tensor.
            dtype: The dtype.
        """
        if inputs is not None:
            batch_size, dtype = arrays.shape(inputs)[0], inputs.dtype
        if batch_size is None or dtype is None:
            raise InputError(
                "batch_size and dtype cannot be None while constructing initial state: "
                f"{type(self).__name__}.get_initial_state was given {batch_size!r} and {dtype!r}"
            )
        return zero_state(batch_size, self.state_size, dtype)

    def _make_masks(self, inputs: Any, state: Any, training: Any) -> None:
        if 0 < self.dropout < 1 and self._dropout_mask is None:
            self._dropout_mask = self._masks(inputs, self.dropout, training)
        if 0 < self.recurrent_dropout < 1 and self._recurrent_dropout_mask is None:
            self._recurrent_dropout_mask = self._masks(state, self.recurrent_dropout, training)

    def _masks(self, x: Any, rate: float, training: Any) -> list:
        """A mask for each gate."""
        ones = arrays.ones_like(x)
        return [
            in_train_phase(lambda: dropout(ones, rate), ones, training=training)
            for _ in range(self.gates)
        ]

    def _dropped(self, x: Any, masks: list | None) -> list:
        """An input for each gate."""
        return [x] * self.gates if masks is None else [x * mask for mask in masks]


class SimpleRNNCell(_UnitCell):
    """The basic recurrent cell: activation(x @ kernel + h @ recurrent_kernel + bias).

    Attributes:
        state_size, output_size: The number of units.

    Args:
        units: The number of units.
        activation: A function or its name; None for none.
        use_bias: Whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: Functions of a shape, or names.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: Functions of a variable whose
            result is a loss.
        kernel_constraint, recurrent_constraint, bias_constraint: Functions of the value that return
            the value to use instead.
        dropout, recurrent_dropout: The probability to drop an input, or an element of the state, in
            training.
        **kwargs: `name`, `dtype`, `trainable`.
    """

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**arguments_of(locals()))

    def call(self, inputs: Any, states: Sequence, training: Any = None) -> tuple[Any, list]:
        """One step.

        Args:
            inputs: (B, I).
            states: The output of the step before, (B, units), in a list.
            training: Whether elements are dropped; None for the learning phase.
        """
        before = states[0]
        self._make_masks(inputs, before, training)
        x = dot(self._dropped(inputs, self._dropout_mask)[0], self.kernel)
        if self.bias is not None:
            x = bias_add(x, self.bias)
        before = self._dropped(before, self._recurrent_dropout_mask)[0]
        output = self.activation(x + dot(before, self.recurrent_kernel))
        return output, [output]


class GRUCell(_UnitCell):
    """The gated recurrent unit, with gates z, r, h.

    Args:
        recurrent_activation: The function of the gates z and r.
        implementation: 1 for a product for each gate, 2 for one product for all gates.
        reset_after: Whether r is applied after the product with the recurrent kernel, which then
            has a bias of its own.
        units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs: See
            `SimpleRNNCell`.

    Source: Cho et al., Learning Phrase Representations using RNN Encoder-Decoder (2014),
        arXiv:1406.1078.
    """

    gates = 3

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        reset_after: bool = False,
        **kwargs: Any,
    ):
        given = arguments_of(locals())
        self.reset_after = given.pop("reset_after")
        super().__init__(**given)

    def _bias_shape(self) -> tuple:
        # With reset_after, a row for the input and one for the state.
        return (2, 3 * self.units) if self.reset_after else (3 * self.units,)

    def call(self, inputs: Any, states: Sequence, training: Any = None) -> tuple[Any, list]:
        """One step; see `SimpleRNNCell.call`."""
        h = states[0]
        self._make_masks(inputs, h, training)
        biases: Any = (self.bias, None)
        if self.use_bias and self.reset_after:
            biases = tuple(arrays.unstack(self.bias))
        if self.implementation == 1:
            z, candidate = self._by_gate(inputs, h, *biases)
        else:
            z, candidate, h = self._at_once(inputs, h, *biases)
        h = z * h + (1 - z) * candidate
        return h, [h]

    def _by_gate(self, inputs: Any, h: Any, bias: Any, recurrent_bias: Any) -> tuple[Any, Any]:
        units = self.units
        z_columns, r_columns = _part(0, units), _part(1, units)
        h_columns = slice(units * 2, None)
        columns = (z_columns, r_columns, h_columns)
        x = [
            dot(part, self.kernel[:, c])
            for part, c in zip(self._dropped(inputs, self._dropout_mask), columns)
        ]
        if bias is not None:
            x = [bias_add(part, bias[c]) for part, c in zip(x, columns)]
        state = self._dropped(h, self._recurrent_dropout_mask)
        gates = [dot(state[i], self.recurrent_kernel[:, columns[i]]) for i in (0, 1)]
        if recurrent_bias is not None:
            gates = [bias_add(g, recurrent_bias[c]) for g, c in zip(gates, columns)]
        z = self.recurrent_activation(x[0] + gates[0])
        r = self.recurrent_activation(x[1] + gates[1])
        if not self.reset_after:
            # the slice is read after r times h is computed
            reset = dot(r * state[2], self.recurrent_kernel[:, h_columns])
            return z, self.activation(x[2] + reset)
        inner = dot(state[2], self.recurrent_kernel[:, h_columns])
        if recurrent_bias is not None:
            inner = bias_add(inner, recurrent_bias[h_columns])
        return z, self.activation(x[2] + r * inner)

    def _at_once(self, inputs: Any, h: Any, bias: Any, recurrent_bias: Any) -> tuple[Any, Any, Any]:
        units = self.units
        columns = (slice(None, units), slice(units, 2 * units), slice(2 * units, None))
        x = dot(self._dropped(inputs, self._dropout_mask)[0], self.kernel)
        if bias is not None:
            x = bias_add(x, bias)
        x_z, x_r, x_h = (x[:, c] for c in columns)
        h = self._dropped(h, self._recurrent_dropout_mask)[0]
        if self.reset_after:
            inner = dot(h, self.recurrent_kernel)
            if recurrent_bias is not None:
                inner = bias_add(inner, recurrent_bias)
        else:
            inner = dot(h, self.recurrent_kernel[:, : 2 * units])
        gates = [inner[:, c] for c in columns[:2]]
        z = self.recurrent_activation(x_z + gates[0])
        r = self.recurrent_activation(x_r + gates[1])
        if self.reset_after:
            reset = r * inner[:, columns[2]]
        else:
            reset = dot(r * h, self.recurrent_kernel[:, columns[2]])
        return z, self.activation(x_h + reset), h


class LSTMCell(_UnitCell):
    """The long short-term memory, with gates i, f, c, o. The states are h and c.

    Args:
        recurrent_activation: The function of the gates i, f and o.
        unit_forget_bias: Whether the bias of f starts at 1.
        implementation: 1 for a product for each gate, 2 for one product for all gates.
        units, activation, use_bias, kernel_initializer, recurrent_initializer, bias_initializer,
            kernel_regularizer, recurrent_regularizer, bias_regularizer, kernel_constraint,
            recurrent_constraint, bias_constraint, dropout, recurrent_dropout, **kwargs: See
            `SimpleRNNCell`.

    Source: Hochreiter and Schmidhuber, Long Short-Term Memory (1997).
    """

    gates = 4

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        **kwargs: Any,
    ):
        given = arguments_of(locals())
        self.unit_forget_bias = given.pop("unit_forget_bias")
        super().__init__(**given)
        self.state_size = [self.units, self.units]

    def _first_bias(self) -> Any:
        return self._with_forget_bias if self.unit_forget_bias else self.bias_initializer

    def _with_forget_bias(self, shape: Any, *args: Any, **kwargs: Any) -> Tensor:
        units = self.units
        parts = (
            (self.bias_initializer, units),
            (initializers.Ones(), units),
            (self.bias_initializer, units * 2),
        )
        return concatenate([make((size,), *args, **kwargs) for make, size in parts])

    def call(self, inputs: Any, states: Sequence, training: Any = None) -> tuple[Any, list]:
        """One step; see `SimpleRNNCell.call`.

        Args:
            inputs: (B, I).
            states: h and c, each (B, units).
            training: Whether elements are dropped; None for the learning phase.
        """
        h, c = states[0], states[1]
        self._make_masks(inputs, h, training)
        gates = self._by_gate if self.implementation == 1 else self._at_once
        c, o = self._next(gates(inputs, h), c)
        h = o * self.activation(c)
        return h, [h, c]

    def _next(self, gates: Sequence[Callable], c: Any) -> tuple[Any, Any]:
        # A gate is computed where it is needed, which makes the order of the operations.
        i = self.recurrent_activation(gates[0]())
        f = self.recurrent_activation(gates[1]())
        c = f * c + i * self.activation(gates[2]())
        return c, self.recurrent_activation(gates[3]())

    def _by_gate(self, inputs: Any, h: Any) -> list[Callable]:
        units = self.units
        columns = [_part(n, units) for n in range(3)] + [slice(units * 3, None)]
        x = [
            dot(part, self.kernel[:, c])
            for part, c in zip(self._dropped(inputs, self._dropout_mask), columns)
        ]
        if self.use_bias:
            x = [bias_add(part, self.bias[c]) for part, c in zip(x, columns)]
        state = self._dropped(h, self._recurrent_dropout_mask)

        def gate(n: int) -> Callable:
            return lambda: x[n] + dot(state[n], self.recurrent_kernel[:, columns[n]])

        return [gate(n) for n in range(4)]

    def _at_once(self, inputs: Any, h: Any) -> list[Callable]:
        units = self.units
        x = dot(self._dropped(inputs, self._dropout_mask)[0], self.kernel)
        z = x + dot(self._dropped(h, self._recurrent_dropout_mask)[0], self.recurrent_kernel)
        if self.use_bias:
            z = bias_add(z, self.bias)
        columns = [_part(n, units) for n in range(3)] + [slice(units * 3, None)]
        parts = [z[:, c] for c in columns]
        return [lambda part=part: part for part in parts]  # type: ignore[misc]
