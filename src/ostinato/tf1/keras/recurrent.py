"""Private: the recurrent layers of tf.keras."""

import inspect
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core import nest
from ..core.shape import TensorShape
from ..layers.base_layer import BaseLayer, accepts
from ..layers.specs import InputSpec
from ..ops import arrays
from ..state.variables import assign
from . import backend
from .cells import GRUCell, LSTMCell, SimpleRNNCell, arguments_of, zero_state
from .engine import Layer, as_list
from .loop import rnn
from .stacks import StackedRNNCells, own_state
from .states import call_with_states, standard_arguments

__all__ = ["GRU", "LSTM", "RNN", "SimpleRNN"]


class RNN(Layer):
    """A recurrent layer: a cell over the steps of a sequence.

    Attributes:
        cell: The cell.
        states: The states of a stateful layer.

    Args:
        cell: A cell, or a list of cells on top of one another. A cell has `call(inputs, states)`
            and `state_size`.
        return_sequences: Whether to return the output of every step.
        return_state: Whether to return the last states too.
        go_backwards: Whether to begin with the last step.
        stateful: Whether a batch starts with the states of the batch before; the batch size must be
            known.
        unroll: Whether each step has operations of its own, in place of a loop.
        time_major: Whether inputs and outputs are (T, B, ...).
        **kwargs: `name`, `dtype`, `input_shape`, `zero_output_for_mask`.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> x = tf.placeholder(tf.float32, [None, 5, 4])
        >>> tf.keras.layers.RNN(tf.keras.layers.LSTMCell(2), return_sequences=True)(x)
        <tf.Tensor 'rnn/transpose_1:0' shape=(?, 5, 2) dtype=float32>
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        **kwargs: Any,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        if not hasattr(cell, "call") or not hasattr(cell, "state_size"):
            raise InputError(
                f"`cell` should have a `call` method and a `state_size`: RNN was given {cell!r}; "
                "give a cell such as tf.keras.layers.LSTMCell(2)"
            )
        self.zero_output_for_mask = kwargs.pop("zero_output_for_mask", False)
        size, depth = kwargs.pop("input_dim", None), kwargs.pop("input_length", None)
        if size is not None and "input_shape" not in kwargs:
            kwargs["input_shape"] = (depth, size)
        super().__init__(**kwargs)
        self.cell, self.return_sequences, self.return_state = cell, return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.time_major, self.supports_masking = time_major, True
        self.input_spec: Any = [None]
        self.state_spec: Any = None
        self._states: Any = None
        self._num_constants: int | None = None

    @property
    def states(self) -> Any:
        """The states of a stateful layer, or None for each state."""
        if self._states is not None:
            return self._states
        sizes = self.cell.state_size
        empty = nest.map_structure(lambda _: None, sizes)
        return empty if nest.is_sequence(sizes) else [empty]

    @states.setter
    def states(self, states: Any) -> None:
        self._states = states

    # Variables

    def build(self, input_shape: Any) -> None:
        extra = []
        if isinstance(input_shape, list):
            if self._num_constants:
                extra = input_shape[-self._num_constants :]
            input_shape = input_shape[0]
        several = nest.is_sequence(input_shape) and not all(
            n is None or isinstance(n, int) for n in input_shape
        )
        if several:
            step_shape = nest.map_structure(self._step_shape, input_shape)
        else:
            self.input_spec = [self._input_spec(input_shape), *self.input_spec[1:]]
            step_shape = self._step_shape(input_shape)
        if isinstance(self.cell, BaseLayer):
            self.cell.build([step_shape, *extra] if extra else step_shape)
            self.cell.built = True
        self._check_state_spec()
        if self.stateful:
            self.reset_states()
        self.built = True

    def _input_spec(self, shape: Any) -> InputSpec:
        sizes = list(TensorShape(shape).as_list())
        rows, steps = (1, 0) if self.time_major else (0, 1)
        if not self.stateful:
            sizes[rows] = None
        sizes[steps] = None
        return InputSpec(shape=tuple(sizes))

    def _step_shape(self, shape: Any) -> TensorShape:
        sizes = TensorShape(shape).as_list()
        return TensorShape([sizes[1 if self.time_major else 0], *sizes[2:]])

    def _check_state_spec(self) -> None:
        sizes = nest.flatten(self.cell.state_size)
        if self.state_spec is None:
            self.state_spec = [InputSpec(shape=[None, *TensorShape(s).as_list()]) for s in sizes]
            return
        for spec, size in zip(nest.flatten(self.state_spec), sizes):
            wanted = TensorShape(size)
            if not TensorShape(spec.shape)[1:].is_compatible_with(wanted):
                raise SizeError(
                    f"An `initial_state` was passed that is not compatible with `cell.state_size`: "
                    f"a state of shape {spec.shape} where the size is {wanted}: give it that size"
                )

    @property
    def trainable_weights(self) -> list:
        """The variables of the cell that are trained."""
        return list(getattr(self.cell, "trainable_weights", ())) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list:
        """The variables of the cell that are not trained."""
        of = "non_trainable_weights" if self.trainable else "weights"
        return list(getattr(self.cell, of, ()))

    @property
    def losses(self) -> list:
        """The losses of the cell and of the layer."""
        return list(getattr(self.cell, "losses", ())) + super().losses

    # Calls

    def get_initial_state(self, inputs: Any) -> list:
        """The states of zeros for an input."""
        first = nest.flatten(inputs)[0]
        rows = arrays.shape(first)[1 if self.time_major else 0]
        make = getattr(self.cell, "get_initial_state", None)
        if make is not None:
            states = make(inputs=None, batch_size=rows, dtype=first.dtype)
        else:
            states = zero_state(rows, self.cell.state_size, first.dtype)
        return list(states) if nest.is_sequence(states) else [states]

    def __call__(
        self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any
    ) -> Any:
        """Create the variables, at the first call, and compute the output.

        Args:
            inputs: (B, T, I), or a list with the states too.
            initial_state: The states before the first step; None for zeros.
            constants: Tensors that the cell gets in each step.
            **kwargs: `mask` and `training`; see `call`.
        """
        inputs, states, extra = standard_arguments(
            inputs, initial_state, constants, self._num_constants
        )
        if states is None and extra is None:
            return super().__call__(inputs, **kwargs)
        if states is not None:
            self.state_spec = nest.map_structure(
                lambda s: InputSpec(shape=backend.int_shape(s)), states
            )
        if extra is not None:
            self._num_constants = len(extra)
        return call_with_states(self, inputs, states, extra, **kwargs)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """Compute the output.

        Args:
            inputs: (B, T, I).
            mask: Whether a step counts, (B, T).
            training: Whether elements are dropped; None for the learning phase.
            initial_state, constants: See `__call__`.

        Returns:
            The last output (B, units), or all outputs (B, T, units); with `return_state` a list of
            it and the last states.
        """
        inputs, states, constants = self._states_for(inputs, initial_state, constants)
        if isinstance(mask, list):
            mask = mask[0]
        sizes = backend.int_shape(nest.flatten(inputs)[0]) or (None, None)
        length = sizes[0] if self.time_major else sizes[1]
        if self.unroll and length in (None, 1):
            raise InputError(
                f"Cannot unroll a RNN if the time dimension is undefined or equal to 1: {length}; "
                "give the input the number of steps, such as Input(shape=(5, 4))"
            )
        last, outputs, states = rnn(
            self._step(training, len(constants or ())),
            inputs,
            states,
            constants=constants,
            go_backwards=self.go_backwards,
            mask=mask,
            unroll=self.unroll,
            input_length=length,
            time_major=self.time_major,
            zero_output_for_mask=self.zero_output_for_mask,
        )
        if self.stateful:
            old, new = nest.flatten(self.states), nest.flatten(list(states))
            self.add_update([assign(o, n) for o, n in zip(old, new)], inputs)
        output = outputs if self.return_sequences else last
        return [*as_list(output), *states] if self.return_state else output

    def _step(self, training: Any, constant_count: int) -> Any:
        cell = self.cell
        kwargs: dict[str, Any] = {}
        if accepts(cell.call, "training"):
            kwargs["training"] = training

        def step(inputs: Any, states: Any) -> tuple[Any, Any]:
            if constant_count:
                kwargs["constants"] = list(states[-constant_count:])
                states = states[:-constant_count]
            output, new = cell.call(inputs, own_state(cell, states), **kwargs)
            return output, new if nest.is_sequence(new) else [new]

        return step

    def _states_for(
        self, inputs: Any, initial_state: Any, constants: Any
    ) -> tuple[Any, Any, list | None]:
        """The input, the states before the first step, and the constants."""
        if isinstance(inputs, list):
            inputs, initial_state, constants = standard_arguments(
                inputs, initial_state, constants, self._num_constants
            )
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(inputs)
        if len(initial_state) != len(self.states):
            raise InputError(
                f"Layer {self.name} has {len(self.states)} states but was passed "
                f"{len(initial_state)} initial states: give {len(self.states)}"
            )
        return inputs, initial_state, constants

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(mask, list):
            mask = mask[0]
        kept = mask if self.return_sequences else None
        if not self.return_state:
            return kept
        return [kept, *nest.map_structure(lambda _: None, list(self.states))]

    def compute_output_shape(self, input_shape: Any) -> Any:
        if isinstance(input_shape, list):
            input_shape = input_shape[0]
        rows, steps = TensorShape(input_shape).as_list()[:2]
        if self.time_major:
            rows, steps = steps, rows
        sizes = nest.flatten(self.cell.state_size)
        width = TensorShape(getattr(self.cell, "output_size", None) or sizes[0]).as_list()
        leading = [rows]
        if self.return_sequences:
            leading = [steps, rows] if self.time_major else [rows, steps]
        output = TensorShape(leading + width)
        if not self.return_state:
            return output
        return [output, *[TensorShape([rows, *TensorShape(s).as_list()]) for s in sizes]]

    def reset_states(self, states: Any = None) -> None:
        """Set the states of a stateful layer.

        Args:
            states: An array for each state; None for zeros.

        Raises:
            InputError: The layer is not stateful, or the batch size is not known.
            SizeError: A state has another shape.
        """
        if not self.stateful:
            raise InputError("Layer must be stateful: write stateful=True")
        spec = self.input_spec[0]
        rows = None if spec is None else spec.shape[1 if self.time_major else 0]
        if not rows:
            raise InputError(
                f"If a RNN is stateful, it needs to know its batch size: layer {self.name}; give "
                "batch_input_shape=(rows, steps, size), or Input(batch_shape=...)"
            )
        sizes = self.cell.state_size

        def shape_of(size: Any) -> list:
            return [rows, *TensorShape(size).as_list()]

        if self._states is None:
            made = nest.map_structure(lambda s: backend.zeros(shape_of(s)), sizes)
            self.states = made if nest.is_sequence(made) else [made]
            return
        flat, flat_sizes = nest.flatten(self.states), nest.flatten(sizes)
        values = [np.zeros(shape_of(s)) for s in flat_sizes] if states is None else as_list(states)
        if len(values) != len(flat):
            raise InputError(
                f"Layer {self.name} expects {len(flat)} states, but it received {len(values)}"
            )
        for value, size in zip(values, flat_sizes):
            if list(np.shape(value)) != shape_of(size):
                raise SizeError(
                    f"State for layer {self.name} is incompatible: expected shape="
                    f"{tuple(shape_of(size))}, found shape={np.shape(value)}"
                )
        backend.batch_set_value(zip(flat, values))


class _OfUnits(RNN):
    """A recurrent layer that makes its cell; the arguments of the cell are its attributes.

    Args:
        kind: The class of the cell.
        given: The arguments of the cell and of the layer.
    """

    def __init__(self, kind: type, given: dict[str, Any]):
        names = [n for n in inspect.signature(kind).parameters if n != "kwargs"]
        self._of_cell = {name: given.pop(name) for name in names}
        super().__init__(kind(**self._of_cell), **given)
        self.input_spec = [InputSpec(ndim=3)]

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("_") and name in self._of_cell:
            return getattr(self.cell, name)
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def call(  # type: ignore[override]
        self, inputs: Any, mask: Any = None, training: Any = None, initial_state: Any = None
    ) -> Any:
        """Compute the output; see `RNN.call`."""
        self.cell.forget_masks()
        return super().call(inputs, mask=mask, training=training, initial_state=initial_state)


class SimpleRNN(_OfUnits):
    """A layer of `SimpleRNNCell`; see `RNN` and `SimpleRNNCell` for the arguments."""

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ):
        super().__init__(SimpleRNNCell, arguments_of(locals()))


class GRU(_OfUnits):
    """A layer of `GRUCell`; see `RNN` and `GRUCell` for the arguments."""

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        reset_after: bool = False,
        **kwargs: Any,
    ):
        super().__init__(GRUCell, arguments_of(locals()))


class LSTM(_OfUnits):
    """A layer of `LSTMCell`; see `RNN` and `LSTMCell` for the arguments."""

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
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        implementation: int = 1,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ):
        super().__init__(LSTMCell, arguments_of(locals()))
