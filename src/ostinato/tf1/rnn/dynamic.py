"""Private: dynamic_rnn and the functions based on it, which run cells over sequences in a loop."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.constant import constant, constant_value_as_shape
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import control_dependencies, get_default_graph, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..flow.checks import Assert
from ..flow.control_flow import cond, while_loop
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from ..state import scopes
from .cell import RNNCell, join_sizes, static_sizes
from .checks import (
    check_cell,
    check_dtypes,
    check_rows,
    check_state,
    input_parts,
    is_known,
    pack_inputs,
)

__all__ = [
    "best_effort_input_batch_size",
    "bidirectional_dynamic_rnn",
    "cache_reads",
    "call_cell",
    "check_lengths",
    "dynamic_rnn",
    "element_shape",
    "initial_state_of",
    "reverse",
    "select_step",
    "state_dtype",
    "transpose_batch_time",
]


def transpose_batch_time(x: TensorLike) -> Tensor:
    """A tensor with its first two dimensions swapped; unchanged if it has fewer.

    Args:
        x: (B, T, ...) or (T, B, ...).
    """
    x = convert_to_tensor(x)
    sizes = x.shape.sizes
    if sizes is not None and len(sizes) < 2:
        raise SizeError(
            f"transpose_batch_time was given shape {x.shape}: give it two dimensions or more, "
            "(batch, time, ...)"
        )
    rank = arrays.rank(x)
    turned = arrays.transpose(x, arrays.concat(([1, 0], math.range(2, rank)), axis=0))
    if sizes is not None:
        turned.set_shape([sizes[1], sizes[0], *sizes[2:]])
    return turned


def best_effort_input_batch_size(flat_input: Sequence[TensorLike]) -> int | Tensor:
    """The batch size of sequences, time first: a number if it is static, or else a tensor.

    Args:
        flat_input: A list of tensors, each (T, B, ...).
    """
    tensors = [convert_to_tensor(x) for x in flat_input]
    for x in tensors:
        if x.shape.sizes is not None and len(x.shape.sizes) < 2:
            raise SizeError(f"Expected input tensor {x} to have rank at least 2")
        if x.shape.sizes is not None and x.shape.sizes[1] is not None:
            return x.shape.sizes[1]
    return arrays.shape(tensors[0])[1]


def cache_reads(scope: Any) -> None:
    """Read the resource variables of a scope only once, outside of loops, as TensorFlow does."""
    context = get_default_graph().control_flow_context
    while context is not None and not context.is_loop:
        context = context.outer
    if context is None and scope.caching_device is None:
        scope.set_caching_device(lambda op: op.device)


def initial_state_of(cell: Any, rows: Any, dtype: Any, of: str) -> Any:
    """A cell's state of zeros.

    Raises:
        InputError: No dtype was given.
    """
    if dtype is None:
        raise InputError(f"{of} was given neither initial_state nor dtype: give dtype=tf.float32")
    if getattr(cell, "get_initial_state", None) is not None:
        return cell.get_initial_state(inputs=None, batch_size=rows, dtype=dtype)
    return cell.zero_state(rows, dtype)


def state_dtype(dtype: Any, state: Any) -> Any:
    """The dtype of outputs: the given one, or else that of the state."""
    if dtype is not None:
        return as_dtype(dtype)
    kinds = {as_dtype(part.dtype).base_dtype for part in nest.flatten(state)}
    if len(kinds) != 1:
        raise InputError(
            f"the initial state has the dtypes {sorted(k.name for k in kinds)}: give a dtype"
        )
    return kinds.pop()


def element_shape(rows: int | None, size: Any) -> TensorShape:
    """The static shape of a step's output, from the batch size and the cell's size."""
    if isinstance(size, Tensor):
        size = constant_value_as_shape(size)
    return TensorShape([rows]).concatenate(TensorShape(size))


def is_keras_cell(cell: Any) -> bool:
    """Whether a cell is a layer of tf.keras, whose states are a list."""
    return not isinstance(cell, RNNCell) and getattr(cell, "zero_state", None) is None


def call_cell(cell: Any, inputs: Any, state: Any) -> tuple[Any, Any]:
    """One step of a cell, or of a cell of tf.keras, whose states are a list."""
    if not is_keras_cell(cell):
        return cell(inputs, state)
    output, new = cell(inputs, state if nest.is_sequence(state) else [state])
    if len(new) == 1 and not nest.is_sequence(state):
        new = new[0]
    return output, new


def check_lengths(lengths: TensorLike) -> None:
    """Reject lengths that are not one whole number for each row. Tensors of floats are accepted,
    since programs count steps with tf.reduce_sum(tf.sign(...)).
    """
    dtype = getattr(lengths, "dtype", None)
    if dtype is None:
        fractions = any(isinstance(n, float) for n in nest.flatten(lengths))
    else:
        whole = as_dtype(dtype).is_integer
        fractions = not (whole or isinstance(lengths, Tensor) and lengths.dtype.is_floating)
    if fractions or isinstance(lengths, Tensor) and lengths.shape.ndims not in (None, 1):
        raise InputError(f"sequence_length was given {lengths}: give one whole number for each row")


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: TensorLike = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[Any, Any]:
    """Run a cell over sequences.

    Args:
        cell: The cell.
        inputs: (B, T, I), or (T, B, I) with `time_major`: a tensor or an array.
        sequence_length: The valid steps of each row, (B,); None if all are valid.
        initial_state: The initial state, with the structure of `cell.zero_state`; None for zeros.
        dtype: The dtype of the state and the outputs; required without an initial state.
        parallel_iterations, swap_memory: Accepted for compatibility; ignored.
        time_major: Whether time is the first dimension of inputs and outputs.
        scope: The scope of the variables; None for "rnn".

    Returns:
        The outputs (B, T, output_size), or (T, B, output_size), 0 past a row's end, and the state
        after each row's last valid step (the initial one where the length is 0).

    Raises:
        InputError: Neither an initial state nor a dtype was given, or the dtypes differ.
        SizeError: Sizes do not match.
    """
    check_cell(cell, "dynamic_rnn")
    with scopes.variable_scope(scope or "rnn") as entered:
        cache_reads(entered)
        leading = ("time", "batch") if time_major else ("batch", "time")
        flat_input = input_parts(cell, inputs, leading, "dynamic_rnn")
        check_dtypes(cell, flat_input, None if dtype is None else as_dtype(dtype), "dynamic_rnn")
        if not time_major:
            flat_input = [transpose_batch_time(x) for x in flat_input]
        lengths = None
        if sequence_length is not None:
            check_lengths(sequence_length)
            lengths = math.to_int32(sequence_length)
            check_lengths(lengths)
            lengths = arrays.identity(lengths, name="sequence_length")
        rows = best_effort_input_batch_size(flat_input)
        state = initial_state
        if state is None:
            state = initial_state_of(cell, rows, dtype, "dynamic_rnn")
        _check_sizes(cell, flat_input, state, lengths)
        if lengths is not None:
            with control_dependencies([_assert_shape(lengths, [rows])]):
                lengths = arrays.identity(lengths, name="CheckSeqLen")
        inputs = pack_inputs(cell, inputs, flat_input)
        loop = _DynamicLoop(cell, inputs, state, lengths, dtype, parallel_iterations, swap_memory)
        outputs, final_state = loop.run()
        if not time_major:
            outputs = nest.map_structure(transpose_batch_time, outputs)
    return outputs, final_state


def _assert_shape(x: Tensor, shape: list) -> Any:
    found, wanted = arrays.shape(x), arrays.stack(shape)
    return Assert(
        math.reduce_all(math.equal(found, wanted)),
        [f"Expected shape for Tensor {x.name} is ", wanted, " but saw shape: ", found],
    )


def _check_sizes(cell: Any, flat_input: list[Tensor], state: Any, lengths: Tensor | None) -> None:
    x, steps, rows = flat_input[0], None, None
    for part in flat_input:
        if part.shape.ndims is not None and part.shape.ndims < 3:
            raise SizeError(
                f"dynamic_rnn was given inputs of shape {part.shape}: give them three dimensions "
                "or more, (batch, time, size)"
            )
        sizes = part.shape.sizes or (None, None)
        between = f"of the inputs {x.shape} and {part.shape}"
        steps = check_rows(steps, sizes[0], f"dynamic_rnn: steps {between}")
        rows = check_rows(rows, sizes[1], f"dynamic_rnn: rows {between}")
    if lengths is not None:
        check_rows(
            rows,
            lengths.shape[0].value,
            f"dynamic_rnn: rows of the inputs {x.shape} and the lengths {lengths.shape}",
        )
    check_state(cell, state)
    if is_known(cell):
        for s in nest.flatten(state):
            shape = TensorShape(getattr(s, "shape", None))
            rows = check_rows(
                rows,
                shape.sizes[0] if shape.sizes else None,
                f"dynamic_rnn: rows of the inputs {x.shape} and the initial state {shape}",
            )


class _DynamicLoop:
    """The loop of `dynamic_rnn`, with inputs (T, B, ...)."""

    static_steps: int | None
    static_rows: int | None

    def __init__(
        self,
        cell: Any,
        inputs: Any,
        state: Any,
        lengths: Tensor | None,
        dtype: Any,
        parallel_iterations: int | None,
        swap_memory: bool,
    ):
        self.cell, self.inputs, self.state, self.lengths = cell, inputs, state, lengths
        self.dtype = dtype
        self.static_steps, self.static_rows = (nest.flatten(inputs)[0].shape.sizes or (None,) * 2)[
            :2
        ]
        self.options: dict[str, Any] = {
            "parallel_iterations": parallel_iterations or 32,
            "swap_memory": swap_memory,
        }

    def run(self) -> tuple[Any, Any]:
        """Add the loop to the graph: the outputs (T, B, ...) and the final state."""
        cell, lengths = self.cell, self.lengths
        flat_input = nest.flatten(self.inputs)
        sizes = nest.flatten(cell.output_size)
        steps = arrays.shape(flat_input[0])[0]
        rows = best_effort_input_batch_size(flat_input)
        kind = state_dtype(self.dtype, self.state)
        zeros = [arrays.zeros(arrays.stack(join_sizes(rows, size)), kind) for size in sizes]
        self.zero_output = nest.pack_sequence_as(cell.output_size, zeros)
        longest = steps
        if lengths is not None:
            self.shortest, self.longest = math.reduce_min(lengths), math.reduce_max(lengths)
            longest = self.longest
        time = constant(0, dtype="int32", name="time")
        with name_scope("dynamic_rnn") as base:
            pass
        output_arrays = tuple(
            TensorArray(
                kind,
                size=steps,
                element_shape=element_shape(self.static_rows, size),
                tensor_array_name=f"{base}output_{i}",
            )
            for i, size in enumerate(sizes)
        )
        input_arrays = tuple(
            TensorArray(
                x.dtype,
                size=steps,
                element_shape=x.shape[1:],
                tensor_array_name=f"{base}input_{i}",
            )
            for i, x in enumerate(flat_input)
        )
        self.input_arrays = [a.unstack(x) for a, x in zip(input_arrays, flat_input)]
        # One step at least is run, so that the arrays have the shapes of their elements.
        end = math.minimum(steps, math.maximum(1, longest))
        _, filled, final_state = while_loop(
            lambda time, *_: time < end,
            self._step,
            (time, output_arrays, self.state),
            maximum_iterations=steps,
            **self.options,
        )
        outputs = [array.stack() for array in filled]
        for output, size in zip(outputs, sizes):
            output.set_shape(static_sizes([self.static_steps, self.static_rows], size))
        return nest.pack_sequence_as(cell.output_size, outputs), final_state

    def _step(self, time: Tensor, output_arrays: Any, state: Any) -> tuple[Any, Any, Any]:
        parts = [array.read(time) for array in self.input_arrays]
        for part, x in zip(parts, nest.flatten(self.inputs)):
            part.set_shape(x.shape[1:])
        inputs = nest.pack_sequence_as(self.inputs, parts)
        if self.lengths is None:
            output, new = call_cell(self.cell, inputs, state)
        else:
            output, new = select_step(
                time,
                self.lengths,
                (self.shortest, self.longest),
                self.zero_output,
                state,
                lambda: call_cell(self.cell, inputs, state),
                skip_conditionals=True,
            )
        written = tuple(a.write(time, o) for a, o in zip(output_arrays, nest.flatten(output)))
        return time + 1, written, new


def select_step(
    time: int | Tensor,
    lengths: Tensor,
    extremes: tuple[Tensor, Tensor],
    zero_output: Any,
    state: Any,
    call: Callable,
    *,
    skip_conditionals: bool = False,
) -> tuple[Any, Any]:
    """One step of rows with lengths: rows that have ended put out 0 and keep their state.

    Args:
        time: The number of the step.
        lengths: (B,).
        extremes: The shortest and the longest length.
        zero_output: The output of a row that has ended.
        state: The state before the step.
        call: Runs the cell.
        skip_conditionals: Whether to run the cell in every step, and not only where a row is that
            long.
    """
    old_state, zeros = nest.flatten(state), nest.flatten(zero_output)
    ended = time >= lengths

    def choose(old: Any, new: Any) -> Any:
        if isinstance(old, TensorArray) or old.shape.ndims == 0:
            return new
        return arrays.where(ended, old, new)

    def step() -> tuple[list, list]:
        output, new = call()
        nest.assert_same_structure(zero_output, output)
        nest.assert_same_structure(state, new)
        return nest.flatten(output), nest.flatten(new)

    def chosen(output: list, new: list) -> list:
        return [choose(z, o) for z, o in zip(zeros, output)] + [
            choose(s, n) for s, n in zip(old_state, new)
        ]

    def some() -> list:
        output, new = step()
        return cond(time < extremes[0], lambda: output + new, lambda: chosen(output, new))

    if skip_conditionals:
        result = chosen(*step())
    else:
        result = cond(time >= extremes[1], lambda: zeros + old_state, some)
    output, new = result[: len(zeros)], result[len(zeros) :]
    for found, like in zip([*output, *new], [*zeros, *old_state]):
        if not isinstance(found, TensorArray):
            found.set_shape(like.shape)
    return nest.pack_sequence_as(zero_output, output), nest.pack_sequence_as(state, new)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: TensorLike = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> tuple[tuple[Any, Any], tuple[Any, Any]]:
    """Run one cell forwards and another one backwards over sequences. The backward cell starts at
    each row's last valid step.

    Args:
        cell_fw, cell_bw: The cells.
        initial_state_fw, initial_state_bw: The initial states; None for zeros.
        scope: The scope of the variables; None for "bidirectional_rnn".
        inputs, sequence_length, dtype, parallel_iterations, swap_memory, time_major: See
            `dynamic_rnn`.

    Returns:
        The outputs of both, in the order of the inputs, and the final states of both.
    """
    check_cell(cell_fw, "bidirectional_dynamic_rnn")
    check_cell(cell_bw, "bidirectional_dynamic_rnn")
    given = {
        "sequence_length": sequence_length,
        "dtype": dtype,
        "parallel_iterations": parallel_iterations,
        "swap_memory": swap_memory,
        "time_major": time_major,
    }

    def turned(x: TensorLike) -> Tensor:
        return reverse(x, sequence_length, time_major=time_major)

    with scopes.variable_scope(scope or "bidirectional_rnn"):
        with scopes.variable_scope("fw") as below:
            output_fw, state_fw = dynamic_rnn(
                cell_fw, inputs, initial_state=initial_state_fw, scope=below, **given
            )
        with scopes.variable_scope("bw") as below:
            backwards = nest.map_structure(turned, inputs) if _several(inputs) else turned(inputs)
            output_bw, state_bw = dynamic_rnn(
                cell_bw, backwards, initial_state=initial_state_bw, scope=below, **given
            )
    return (output_fw, nest.map_structure(turned, output_bw)), (state_fw, state_bw)


def _several(inputs: Any) -> bool:
    # Nested lists of numbers are one input.
    return nest.is_sequence(inputs) and any(hasattr(x, "shape") for x in nest.flatten(inputs))


def reverse(x: TensorLike, lengths: TensorLike, *, time_major: bool) -> Tensor:
    """Reversed sequences; with lengths, only the valid steps of each row are reversed.

    Args:
        x: (B, T, ...), or (T, B, ...) with `time_major`.
        lengths: Valid steps of each row, (B,), or None.
        time_major: See `x`.
    """
    axis = 0 if time_major else 1
    if lengths is None:
        return arrays.reverse(x, axis=[axis])
    return arrays.reverse_sequence(input=x, seq_lengths=lengths, seq_axis=axis, batch_axis=1 - axis)
