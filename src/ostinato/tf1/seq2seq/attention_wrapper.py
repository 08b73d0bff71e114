"""Private: a cell with attention: AttentionWrapper and its state."""

from collections import namedtuple
from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core import nest
from ..core.graph import control_dependencies, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from ..flow import checks
from ..layers.core import Dense
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from ..rnn.cell import RNNCell
from ..rnn.checks import check_cell
from .attention import AttentionMechanism
from .sizes import size_at, zero_rows

__all__ = ["AttentionWrapper", "AttentionWrapperState"]


class AttentionWrapperState(
    namedtuple(
        "AttentionWrapperState",
        (
            "cell_state",
            "attention",
            "time",
            "alignments",
            "alignment_history",
            "attention_state",
        ),
    )
):
    """The state of an `AttentionWrapper`.

    Attributes:
        cell_state: The state of its cell.
        attention: The last attention, (B, size).
        time: The number of the step, ().
        alignments: The last weights of the memory, (B, T), or a tuple with those of each mechanism.
        alignment_history: A TensorArray of all weights, or (); or a tuple of them.
        attention_state: The state of the mechanism, or a tuple of them.
    """

    __slots__ = ()

    def clone(self, **kwargs: Any) -> "AttentionWrapperState":
        """A copy with other values, which must have the same shapes.

        Args:
            **kwargs: The values by field, such as `cell_state`.
        """

        def same_shape(old: Any, new: Any) -> Any:
            both = isinstance(old, Tensor) and isinstance(new, Tensor)
            return _with_same_shape(old, new) if both else new

        return nest.map_structure(same_shape, self, self._replace(**kwargs))


def _with_same_shape(old: Tensor, new: Tensor) -> Tensor:
    """A tensor, checked to have the shape of another one: in a run, where a size is not known."""
    if old.shape.is_fully_defined() and new.shape.is_fully_defined():
        if old.shape != new.shape:
            raise SizeError(
                f"Invalid shape for tensor {new.name}, expected {old.shape.as_list()}, got "
                f"{new.shape.as_list()}: give a state of that shape"
            )
        return new
    with name_scope(f"{new.op.name}/"):
        known = old.shape.is_fully_defined()
        wanted = old.shape.as_list() if known else arrays.shape(old, name="expected_shape")
    with name_scope(f"{new.op.name}/"):
        with control_dependencies([_assert_shape(wanted, new)]):
            result = arrays.identity(new)
    if known:
        result.set_shape(wanted)
    return result


def _assert_shape(wanted: Any, x: Tensor) -> Operation:
    with name_scope("assert_shape") as scope:
        found = arrays.shape(x, name="actual")
        with name_scope("is_shape") as inner:
            size = arrays.size(wanted)
            with name_scope("is_rank") as innermost:
                is_rank = math.equal(size, arrays.rank(x, name="actual"), name=innermost)
            with name_scope("shape_tensor_equal") as innermost:
                unknown = math.equal(wanted, -1)
                either = math.logical_or(
                    unknown, math.equal(wanted, found, name="equal"), name="exclude_partial_shape"
                )
                equal = math.reduce_all(either, name=innermost)
            is_shape = math.logical_and(is_rank, equal, name=inner)
        message = f"Wrong shape for {x.name} [expected] [actual]."
        return checks.Assert(is_shape, [message, wanted, found], name=scope)


class AttentionWrapper(RNNCell):
    """A cell with attention: the last attention joins its input, and its output is the query.

    Args:
        cell: The cell.
        attention_mechanism: A mechanism, such as `LuongAttention`, or a list of them.
        attention_layer_size: The size of a layer that makes the attention of the cell's output and
            the context, or a list of sizes; None for the context itself.
        alignment_history: Whether the weights of all steps are kept.
        cell_input_fn: A function of the input and the last attention that returns the input of the
            cell; None to concatenate them.
        output_attention: Whether the output is the attention, and not the output of the cell.
        initial_cell_state: The first state of the cell; None for zeros.
        name: The scope of its variables; None for `attention_wrapper`.
        attention_layer: A layer in place of `attention_layer_size`, or a list of layers.

    Raises:
        ArgumentTypeError: An argument is of another kind.
        InputError: There are several mechanisms and another number of layers, or both a layer and
            its size were given.
    """

    def __init__(
        self,
        cell: Any,
        attention_mechanism: Any,
        attention_layer_size: Any = None,
        alignment_history: bool = False,
        cell_input_fn: Callable | None = None,
        output_attention: bool = True,
        initial_cell_state: Any = None,
        name: str | None = None,
        attention_layer: Any = None,
    ):
        super().__init__(name=name)
        check_cell(cell, "AttentionWrapper")
        self._is_multi = isinstance(attention_mechanism, (list, tuple))
        self._attention_mechanisms = _as_tuple(attention_mechanism)
        for mechanism in self._attention_mechanisms:
            if not isinstance(mechanism, AttentionMechanism):
                raise ArgumentTypeError(
                    "attention_mechanism must be an AttentionMechanism or list of multiple "
                    f"AttentionMechanism instances, saw type: {type(mechanism).__name__}: give "
                    "tf.contrib.seq2seq.LuongAttention(...)"
                )
        if cell_input_fn is not None and not callable(cell_input_fn):
            raise ArgumentTypeError(
                f"cell_input_fn must be callable, saw type: {type(cell_input_fn).__name__}: give a "
                "function of the input and the attention"
            )
        if attention_layer_size is not None and attention_layer is not None:
            raise InputError(
                "Only one of attention_layer_size and attention_layer should be set: leave one out"
            )
        self._attention_layers: tuple | None = None
        if attention_layer_size is not None:
            sizes = self._one_each(attention_layer_size, "attention_layer_size")
            self._attention_layers = tuple(
                Dense(size, name="attention_layer", use_bias=False, dtype=mechanism.dtype)
                for size, mechanism in zip(sizes, self._attention_mechanisms)
            )
            self._attention_layer_size = sum(sizes)
        elif attention_layer is not None:
            self._attention_layers = self._one_each(attention_layer, "attention_layer")
            self._attention_layer_size = sum(
                _layer_size(layer, cell, mechanism)
                for layer, mechanism in zip(self._attention_layers, self._attention_mechanisms)
            )
        else:
            self._attention_layer_size = sum(
                m.values.shape[-1].value for m in self._attention_mechanisms
            )
        self._cell = cell
        self._cell_input_fn = cell_input_fn or (
            lambda inputs, attention: arrays.concat([inputs, attention], -1)
        )
        self._output_attention = output_attention
        self._alignment_history = alignment_history
        self._initial_cell_state = None
        with name_scope(name, "AttentionWrapperInit"):
            if initial_cell_state is not None:
                rows = size_at(nest.flatten(initial_cell_state)[-1], 0)
                self._initial_cell_state = self._checked_rows(
                    initial_cell_state,
                    rows,
                    "check_initial_cell_state",
                    "When constructing AttentionWrapper: Non-matching batch sizes between the "
                    "memory (encoder output) and initial_cell_state. Are you using the "
                    "BeamSearchDecoder? You may need to tile your initial state via the "
                    "tf.contrib.seq2seq.tile_batch function with argument multiple=beam_width.",
                )

    def _one_each(self, given: Any, argument: str) -> tuple:
        found, count = _as_tuple(given), len(self._attention_mechanisms)
        if len(found) != count:
            raise InputError(
                f"If provided, {argument} must contain exactly one value per attention_mechanism, "
                f"saw: {len(found)} vs {count}: give {count}"
            )
        return found

    def _checked_rows(self, values: Any, rows: Any, name: str, message: str) -> Any:
        """Values, after a check in a run that the memories have as many rows."""
        equal = [
            checks.assert_equal(rows, mechanism.batch_size, message=message)
            for mechanism in self._attention_mechanisms
        ]
        with control_dependencies(equal):
            return nest.map_structure(lambda v: arrays.identity(v, name=name), values)

    def _one_or_tuple(self, values: Sequence) -> Any:
        return tuple(values) if self._is_multi else values[0]

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        return self._attention_layer_size if self._output_attention else self._cell.output_size

    @property
    def state_size(self) -> AttentionWrapperState:
        """The sizes of the states."""
        return AttentionWrapperState(
            cell_state=self._cell.state_size,
            time=TensorShape([]),
            attention=self._attention_layer_size,
            alignments=self._one_or_tuple([m.alignments_size for m in self._attention_mechanisms]),
            attention_state=self._one_or_tuple([m.state_size for m in self._attention_mechanisms]),
            alignment_history=self._one_or_tuple(
                [
                    m.alignments_size if self._alignment_history else ()
                    for m in self._attention_mechanisms
                ]
            ),
        )

    def zero_state(self, batch_size: Any, dtype: Any) -> AttentionWrapperState:
        """The first state: zeros, and the initial state of the cell where it was given.

        Args:
            batch_size: The number of rows, a number or a tensor.
            dtype: The dtype.
        """
        with name_scope(f"{type(self).__name__}ZeroState"):
            cell_state = self._initial_cell_state
            if cell_state is None:
                cell_state = self._cell.zero_state(batch_size, dtype)
            cell_state = self._checked_rows(
                cell_state,
                batch_size,
                "checked_cell_state",
                f"When calling zero_state of AttentionWrapper {self._base_name}: Non-matching "
                "batch sizes between the memory (encoder output) and the requested batch size. Are "
                "you using the BeamSearchDecoder? If so, make sure your encoder output has been "
                "tiled to beam_width via tf.contrib.seq2seq.tile_batch, and the batch_size= "
                "argument passed to zero_state is batch_size * beam_width.",
            )
            alignments = [
                m.initial_alignments(batch_size, dtype) for m in self._attention_mechanisms
            ]
            return AttentionWrapperState(
                cell_state=cell_state,
                time=arrays.zeros([], dtype="int32"),
                attention=zero_rows(self._attention_layer_size, batch_size, dtype),
                alignments=self._one_or_tuple(alignments),
                attention_state=self._one_or_tuple(
                    [m.initial_state(batch_size, dtype) for m in self._attention_mechanisms]
                ),
                alignment_history=self._one_or_tuple([self._history(dtype, a) for a in alignments]),
            )

    def _history(self, dtype: Any, alignments: Tensor) -> Any:
        if not self._alignment_history:
            return ()
        return TensorArray(dtype, size=0, dynamic_size=True, element_shape=alignments.shape)

    def call(self, inputs: Any, state: AttentionWrapperState) -> tuple[Any, AttentionWrapperState]:
        """One step."""
        if not isinstance(state, AttentionWrapperState):
            raise ArgumentTypeError(
                "Expected state to be instance of AttentionWrapperState. Received type "
                f"{type(state).__name__} instead: give cell.zero_state(batch_size, dtype), with "
                ".clone(cell_state=...) for another state of the cell"
            )
        cell_inputs = self._cell_input_fn(inputs, state.attention)
        output, cell_state = self._cell(cell_inputs, state.cell_state)
        output = self._checked_rows(
            output,
            size_at(output, 0),
            "checked_cell_output",
            f"When applying AttentionWrapper {self.name}: Non-matching batch sizes between the "
            "memory (encoder output) and the query (decoder output). Are you using the "
            "BeamSearchDecoder? You may need to tile your memory input via the "
            "tf.contrib.seq2seq.tile_batch function with argument multiple=beam_width.",
        )
        one = not self._is_multi
        states = [state.attention_state] if one else state.attention_state
        histories = [state.alignment_history] if one else state.alignment_history
        attentions, weights, next_states, next_histories = [], [], [], []
        for i, mechanism in enumerate(self._attention_mechanisms):
            layer = self._attention_layers[i] if self._attention_layers else None
            attention, alignments, next_state = _attend(mechanism, output, states[i], layer)
            kept = histories[i].write(state.time, alignments) if self._alignment_history else ()
            attentions.append(attention)
            weights.append(alignments)
            next_states.append(next_state)
            next_histories.append(kept)
        joined = arrays.concat(attentions, 1)
        new = AttentionWrapperState(
            time=state.time + 1,
            cell_state=cell_state,
            attention=joined,
            attention_state=self._one_or_tuple(next_states),
            alignments=self._one_or_tuple(weights),
            alignment_history=self._one_or_tuple(next_histories),
        )
        return (joined if self._output_attention else output), new


def _as_tuple(given: Any) -> tuple:
    return tuple(given) if isinstance(given, (list, tuple)) else (given,)


def _layer_size(layer: Any, cell: Any, mechanism: Any) -> int:
    depth = cell.output_size + mechanism.values.shape[-1].value
    return layer.compute_output_shape([None, depth])[-1].value


def _attend(mechanism: Any, output: Tensor, state: Any, layer: Any) -> tuple[Tensor, Tensor, Any]:
    """The attention (B, size), the weights (B, T), and the next state of a mechanism."""
    alignments, next_state = mechanism(output, state=state)
    weights = arrays.expand_dims(alignments, 1)
    context = arrays.squeeze(math.matmul(weights, mechanism.values), [1])
    if layer is None:
        return context, alignments, next_state
    return layer(arrays.concat([output, context], 1)), alignments, next_state
