"""Private: dynamic_rnn and the functions based on it, which run cells over sequences with
TensorFlow 1's semantics and operations.
"""

from collections.abc import Sequence
from typing import Any

import torch

from ..errors import InputError, SizeError
from . import operations
from .graph import (
    Computation,
    DTypeLike,
    Operation,
    ScopeLike,
    StateLike,
    Tensor,
    TensorFlowGraph,
    TensorLike,
    as_dtype,
    get_default_graph,
)
from .operations import merge
from .session import InvalidArgumentError
from .steps import (
    RNNCell,
    check_cell,
    check_state,
    dimensions,
    flatten,
    input_depth,
    input_parts,
    join_inputs,
    pack,
)

__all__ = [
    "SIZE",
    "best_effort_input_batch_size",
    "bidirectional_dynamic_rnn",
    "count_rows",
    "dynamic_rnn",
    "reverse",
    "transpose_batch_time",
]

# TensorFlow 1.13.1's operations for parts of dynamic_rnn; see `graph.py` for the notation.
_TRANSPOSE = "Rank range(start delta) concat(values_0 axis) transpose"
SIZE = "Shape strided_slice(stack stack_1 stack_2)"
_CHECK_LENGTHS = "Shape stack Equal Const All Assert{Const Const Assert(data_0 data_2)} CheckSeqLen"
_EXTREMES = "Const Min Const Max"
_ARRAYS = "time TensorArray {arrays} {unstacks} Maximum(x) Minimum"
_UNSTACK = (
    "TensorArrayUnstack{Shape strided_slice(stack stack_1 stack_2) range(start delta) "
    "TensorArrayScatter{TensorArrayScatterV3}}"
)
_CONDITION = "Less[Enter] Less[Enter] LogicalAnd LoopCond"
_READ = "TensorArrayReadV3[Enter Enter]"
_WRITE = "TensorArrayWrite{TensorArrayWriteV3[Enter]} add(y)"
_STACK = "TensorArrayStack{TensorArraySizeV3 range(start delta) TensorArrayGatherV3=stacked}"


def dynamic_rnn(
    cell: RNNCell,
    inputs: Any,
    sequence_length: TensorLike = None,
    initial_state: StateLike = None,
    dtype: DTypeLike | None = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: ScopeLike = None,
) -> tuple[Tensor, object]:
    """Run a cell over sequences.

    Args:
        cell: The cell.
        inputs: (B, T, I), or (T, B, I) with `time_major`: a tensor or an array.
        sequence_length: The valid steps of each row, (B,); None if all are valid.
        initial_state: The initial state, with the structure of `cell.zero_state`; None for zeros.
        dtype: tf.float32 or tf.float64; required without an initial state.
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
    graph = get_default_graph()
    with graph.open_variable_scope(scope or "rnn"):
        leading = ("time", "batch") if time_major else ("batch", "time")
        xs = input_parts(cell, inputs, leading, "dynamic_rnn")
        # If a cell takes the time and an input, the dtype is that of the input.
        x = xs[-1]
        if dtype is not None and as_dtype(dtype) is not x.dtype and not cell.of_indices:
            raise InputError(
                f"dynamic_rnn was given inputs of {x.dtype.name} and dtype={as_dtype(dtype)!r}: "
                f"make the inputs np.{as_dtype(dtype).name}, or the dtype tf.{x.dtype.name}"
            )
        if not time_major:
            for _ in xs:
                graph.record(_TRANSPOSE)
        lengths = None if sequence_length is None else _lengths(graph, sequence_length)
        steps = batch = None
        for part in xs:
            sizes = dict(zip(leading, part.shape))
            steps = merge(
                steps, sizes["time"], f"dynamic_rnn: steps of the inputs {x.shape} and {part.shape}"
            )
            batch = merge(
                batch, sizes["batch"], f"dynamic_rnn: rows of the inputs {x.shape} and {part.shape}"
            )
        depth = input_depth(xs, cell)
        if batch is None:
            graph.record(SIZE)
            rows = count_rows(x, 1 if time_major else 0)
        else:
            rows = batch
        if initial_state is None:
            if dtype is None:
                raise InputError(
                    "dynamic_rnn was given neither initial_state nor dtype: give dtype=tf.float32"
                )
            initial_state = cell.zero_state(rows, dtype)
        if lengths is not None:
            merge(
                batch,
                lengths.shape[0],
                f"dynamic_rnn: rows of the inputs {x.shape} and the lengths {lengths.shape}",
            )
            graph.record(_CHECK_LENGTHS)
        graph.record(SIZE)
        if batch is None:
            graph.record(SIZE)
        graph.record(
            f"{'ExpandDims(dim)' if batch is None else 'Const'} Const concat(axis) zeros(Const)"
        )
        if lengths is not None:
            graph.record(_EXTREMES)
        graph.record(
            _ARRAYS.format(arrays="TensorArray " * len(xs), unstacks=f"{_UNSTACK} " * len(xs))
        )

        with graph.name_scope("while"):
            graph.record("iteration_counter")
            kind = (dtype and as_dtype(dtype)) if cell.of_indices else x.dtype
            states = [
                operations.convert_to_tensor(s, dtype=kind)
                for s in check_state(cell, initial_state)
            ]
            kind, static = states[0].dtype, batch
            for s in states:
                static = merge(
                    static,
                    s.shape[0],
                    f"dynamic_rnn: rows of the inputs {x.shape} and the initial state {s.shape}",
                )
            step, exits = _loop(
                graph, cell, depth, kind, len(xs), len(states), masked=lengths is not None
            )
        output = graph.record(_STACK)["stacked"]
        graph.record("Const" if batch is None or steps is None else "Const Const")
        if not time_major:
            output = graph.record(_TRANSPOSE).last

    given = [] if lengths is None else [lengths]

    def run_all(run, *values):
        inputs, before = values[: len(xs)], values[len(xs) : len(xs) + len(states)]
        inputs = [x if time_major else x.transpose(0, 1) for x in inputs]
        valid = values[len(xs) + len(states)].long() if given else None
        if valid is not None and lengths is not None:
            if valid.shape != (inputs[0].shape[1],):
                raise InvalidArgumentError(
                    f"Expected shape for Tensor {lengths.name} is [{inputs[0].shape[1]}] but saw "
                    f"shape: {list(valid.shape)}: give a length for each row"
                )
            valid = valid.clamp(0, len(inputs[0]))
        output, new = step.advance(run, join_inputs(inputs), list(before), valid)
        return output if time_major else output.transpose(0, 1), *new

    computation = Computation([*xs, *states, *given, *step.reads], run_all)
    outer = (steps, static) if time_major else (static, steps)
    sizes = flatten(cell.state_size)
    finals = [
        Tensor(op, kind, (static, *dimensions(n)), computation, i)
        for i, (op, n) in enumerate(zip(exits, sizes), 1)
    ]
    (width,) = flatten(cell.output_size)
    result = Tensor(output, kind, (*outer, *dimensions(width)), computation)
    return pack(cell.output_size, [result]), pack(cell.state_size, finals)


def _loop(
    graph: TensorFlowGraph, cell: RNNCell, depth, dtype, inputs: int, count: int, *, masked: bool
):
    """Record the loop and the cell's step in it. Returns the step and the operations of the final
    states.
    """
    # In addition to the states, the loop carries a counter, the time and the array of outputs.
    carried = 3 + count
    graph.loop, graph.cached = "Enter", True
    try:
        enter, merges, switch, identity = (
            f"{name} " * carried for name in ("Enter", "Merge", "Switch", "Identity")
        )
        graph.record(
            f"{enter} {merges} {_CONDITION} {switch} {identity} add(y) {f'{_READ} ' * inputs}"
        )
        if masked:
            graph.record("GreaterEqual[Enter]")
        step = cell.trace(graph, depth, dtype)
        if masked:
            graph.record(f"Select[Enter] {'Select ' * count}")
        graph.record(f"{_WRITE} {'NextIteration ' * carried} {'Exit ' * 3}")
    finally:
        graph.loop, graph.cached = "", False
    return step, [graph.record("Exit").last for _ in range(count)]


def count_rows(x: Tensor, axis: int) -> Tensor:
    """The batch size as a tensor; its operations are recorded by the caller."""
    shape = Computation([x], lambda run, v: (torch.tensor(v.shape[axis], dtype=torch.int32),))
    return Tensor(x.graph.operations[-1], as_dtype("int32"), (), shape)


def best_effort_input_batch_size(flat_input: Sequence[TensorLike]) -> int | Tensor:
    """The batch size of sequences, time first: a number if it is static, or else a tensor.

    Args:
        flat_input: A list of tensors, each (T, B, ...).
    """
    tensors = [operations.convert_to_tensor(x) for x in flat_input]
    known = next((x.shape[1] for x in tensors if len(x.shape) > 1 and x.shape[1] is not None), None)
    if known is None:
        get_default_graph().record(SIZE)
        return count_rows(tensors[0], 1)
    return known


def transpose_batch_time(x: TensorLike) -> Tensor:
    """A tensor with its first two dimensions swapped.

    Args:
        x: (B, T, ...) or (T, B, ...).
    """
    x = operations.convert_to_tensor(x)
    if len(x.shape) < 2:
        raise SizeError(
            f"transpose_batch_time was given shape {x.shape}: give it two dimensions or more, "
            f"(batch, time, ...)"
        )
    turned = (x.shape[1], x.shape[0], *x.shape[2:])
    return get_default_graph().computed(
        _TRANSPOSE, x.dtype, turned, [x], lambda v: v.transpose(0, 1)
    )


def _lengths(graph: TensorFlowGraph, given) -> Tensor:
    with graph.name_scope("ToInt32") as scope:
        lengths = operations.convert_to_tensor(given, name="x")
        if lengths.dtype.is_floating or len(lengths.shape) != 1:
            raise InputError(
                f"sequence_length was given {lengths}: give one whole number for each row"
            )
        if lengths.dtype.name != "int32":
            lengths = Operation(graph, scope[:-1]).computed(
                as_dtype("int32"), lengths.shape, [lengths], lambda v: v.to(torch.int32)
            )
    return operations.identity(lengths, name="sequence_length")


def bidirectional_dynamic_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs: Any,
    sequence_length: TensorLike = None,
    initial_state_fw: StateLike = None,
    initial_state_bw: StateLike = None,
    dtype: DTypeLike | None = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: ScopeLike = None,
) -> tuple[tuple[Tensor, Tensor], tuple[object, object]]:
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
    graph = get_default_graph()
    given = {"sequence_length": sequence_length, "dtype": dtype, "time_major": time_major}
    with graph.open_variable_scope(scope or "bidirectional_rnn"):
        with graph.open_variable_scope("fw") as below:
            output_fw, state_fw = dynamic_rnn(
                cell_fw, inputs, initial_state=initial_state_fw, scope=below, **given
            )
        with graph.open_variable_scope("bw") as below:
            several = len(cell_bw.input_dims) > 1 and isinstance(inputs, (list, tuple))
            backwards = [
                reverse(graph, x, sequence_length, time_major)
                for x in (inputs if several else [inputs])
            ]
            backwards = backwards if several else backwards[0]
            output_bw, state_bw = dynamic_rnn(
                cell_bw, backwards, initial_state=initial_state_bw, scope=below, **given
            )
    return (output_fw, reverse(graph, output_bw, sequence_length, time_major)), (state_fw, state_bw)


def reverse(graph: TensorFlowGraph, x: TensorLike, lengths: TensorLike, time_major: bool) -> Tensor:
    """Reversed sequences; with lengths, only the valid steps of each row are reversed.

    Args:
        graph: The graph.
        x: (B, T, ...), or (T, B, ...) with `time_major`.
        lengths: Valid steps of each row, (B,), or None.
        time_major: See `x`.
    """
    axis = 0 if time_major else 1
    with graph.name_scope("ReverseV2" if lengths is None else "ReverseSequence") as scope:
        x = operations.convert_to_tensor(x, name="tensor" if lengths is None else "input")
        if lengths is None:
            graph.record("axis")
            return Operation(graph, scope[:-1]).computed(
                x.dtype, x.shape, [x], lambda v: v.flip(axis)
            )
        lengths = operations.convert_to_tensor(lengths, name="seq_lengths")

        def reverse(v, n):
            time = torch.arange(v.shape[axis])
            n = n.long()[None if time_major else slice(None), slice(None) if time_major else None]
            time = time[:, None] if time_major else time[None]
            order = torch.where(time < n, n - 1 - time, time)
            return v.gather(axis, order.view(*order.shape, *[1] * (v.dim() - 2)).expand_as(v))

        return Operation(graph, scope[:-1]).computed(x.dtype, x.shape, [x, lengths], reverse)
