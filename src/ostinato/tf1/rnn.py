"""Cells run over sequences: dynamic_rnn, bidirectional_dynamic_rnn and static_rnn, with TensorFlow 1's semantics and operations."""

from collections.abc import Sequence

import torch

from ..errors import InputError, SizeError
from . import operations
from .cells import RNNCell, check_cell, check_state, flatten, input_depth, pack
from .graph import Computation, Graph, Operation, Tensor, as_dtype, get_default_graph, merge
from .session import InvalidArgumentError

# The operations that TensorFlow 1.13.1 makes for parts of dynamic_rnn; see `graph.py` for how they are written.
_TRANSPOSE = "Rank range(start delta) concat(values_0 axis) transpose"
_SIZE = "Shape strided_slice(stack stack_1 stack_2)"
_CHECK_LENGTHS = "Shape stack Equal Const All Assert{Const Const Assert(data_0 data_2)} CheckSeqLen"
_EXTREMES = "Const Min Const Max"
_ARRAYS = (
    "time TensorArray TensorArray TensorArrayUnstack{Shape strided_slice(stack stack_1 stack_2) range(start delta) "
    "TensorArrayScatter{TensorArrayScatterV3}} Maximum(x) Minimum"
)
_CONDITION = "Less[Enter] Less[Enter] LogicalAnd LoopCond"
_READ = "add(y) TensorArrayReadV3[Enter Enter]"
_WRITE = "TensorArrayWrite{TensorArrayWriteV3[Enter]} add(y)"
_STACK = "TensorArrayStack{TensorArraySizeV3 range(start delta) TensorArrayGatherV3=stacked}"


def dynamic_rnn(
    cell: RNNCell,
    inputs,
    sequence_length=None,
    initial_state=None,
    dtype=None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope=None,
) -> tuple[Tensor, object]:
    """Run a cell over sequences.

    Args:
        cell: The cell.
        inputs: (B, T, I), or (T, B, I) where `time_major`: a tensor or an array.
        sequence_length: Valid steps of each row, (B,); None where all are valid.
        initial_state: As `cell.zero_state` makes it; None for zeros.
        dtype: tf.float32 or tf.float64; needed where there is no initial state.
        parallel_iterations, swap_memory: Taken and not needed.
        time_major: Whether time comes first in the inputs and outputs.
        scope: What variables are named below; None for "rnn".

    Returns:
        The outputs (B, T, output_size), or (T, B, output_size), 0 past a row's end, and the state after each row's last valid
        step (the initial one where the length is 0).

    Raises:
        InputError: Neither an initial state nor a dtype was given, or the dtypes differ.
        SizeError: Sizes do not fit each other.
    """
    check_cell(cell, "dynamic_rnn")
    graph = get_default_graph()
    with graph.open_variable_scope(scope or "rnn"):
        x = operations.convert_to_tensor(inputs)
        if len(x.shape) != 3:
            raise SizeError(f"dynamic_rnn was given inputs of shape {x.shape}: give them three dimensions, (batch, time, size)")
        if dtype is not None and as_dtype(dtype) is not x.dtype and not cell.of_indices:
            raise InputError(
                f"dynamic_rnn was given inputs of {x.dtype.name} and dtype={as_dtype(dtype)!r}: make the inputs "
                f"np.{as_dtype(dtype).name}, or the dtype tf.{x.dtype.name}"
            )
        if not time_major:
            graph.record(_TRANSPOSE)
        lengths = None if sequence_length is None else _lengths(graph, sequence_length)
        steps, batch = (x.shape[0], x.shape[1]) if time_major else (x.shape[1], x.shape[0])
        depth = input_depth(x, cell)
        rows = batch
        if batch is None:
            graph.record(_SIZE)
            rows = _rows(x, 1 if time_major else 0)
        if initial_state is None:
            if dtype is None:
                raise InputError("dynamic_rnn was given neither initial_state nor dtype: give dtype=tf.float32")
            initial_state = cell.zero_state(rows, dtype)
        if lengths is not None:
            merge(batch, lengths.shape[0], f"dynamic_rnn: rows of the inputs {x.shape} and the lengths {lengths.shape}")
            graph.record(_CHECK_LENGTHS)
        graph.record(_SIZE)
        if batch is None:
            graph.record(_SIZE)
        graph.record(f"{'ExpandDims(dim)' if batch is None else 'Const'} Const concat(axis) zeros(Const)")
        if lengths is not None:
            graph.record(_EXTREMES)
        graph.record(_ARRAYS)

        with graph.name_scope("while"):
            graph.record("iteration_counter")
            kind = (dtype and as_dtype(dtype)) if cell.of_indices else x.dtype
            states = [operations.convert_to_tensor(s, dtype=kind) for s in check_state(cell, initial_state)]
            kind, static = states[0].dtype, batch
            for s in states:
                static = merge(static, s.shape[0], f"dynamic_rnn: rows of the inputs {x.shape} and the initial state {s.shape}")
            step, exits = _loop(graph, cell, depth, kind, len(states), masked=lengths is not None)
        output = graph.record(_STACK)["stacked"]
        graph.record("Const" if batch is None or steps is None else "Const Const")
        if not time_major:
            output = graph.record(_TRANSPOSE).last

    given = [] if lengths is None else [lengths]

    def run_all(run, x, *rest):
        valid = rest[len(states)].long() if given else None
        x_TBI = x if time_major else x.transpose(0, 1)
        if valid is not None:
            if valid.shape != (x_TBI.shape[1],):
                raise InvalidArgumentError(
                    f"Expected shape for Tensor {lengths.name} is [{x_TBI.shape[1]}] but saw shape: {list(valid.shape)}: give a length for each row"
                )
            valid = valid.clamp(0, len(x_TBI))
        output_TBO, new = step.advance(run, x_TBI, list(rest[: len(states)]), valid)
        return output_TBO if time_major else output_TBO.transpose(0, 1), *new

    computation = Computation([x, *states, *given, *step.reads], run_all)
    outer = (steps, static) if time_major else (static, steps)
    sizes = flatten(cell.state_size)
    finals = [Tensor(op, kind, (static, n), computation, i + 1) for i, (op, n) in enumerate(zip(exits, sizes))]
    (width,) = flatten(cell.output_size)
    return pack(cell.output_size, [Tensor(output, kind, (*outer, width), computation)]), pack(cell.state_size, finals)


def _loop(graph: Graph, cell: RNNCell, depth: int, dtype, count: int, *, masked: bool):
    """Record the loop, with the cell's step in it, and return that and the operations that the final states leave by."""
    # Besides the states, the loop carries its count, the time and the array of outputs.
    carried = 3 + count
    graph.loop = graph.cached = True
    try:
        graph.record(f"{'Enter ' * carried} {'Merge ' * carried} {_CONDITION} {'Switch ' * carried} {'Identity ' * carried} {_READ}")
        if masked:
            graph.record("GreaterEqual[Enter]")
        step = cell.trace(graph, depth, dtype)
        if masked:
            graph.record(f"Select[Enter] {'Select ' * count}")
        graph.record(f"{_WRITE} {'NextIteration ' * carried} {'Exit ' * 3}")
    finally:
        graph.loop = graph.cached = False
    return step, [graph.record("Exit").last for _ in range(count)]


def _rows(x: Tensor, axis: int) -> Tensor:
    """The number of rows as a value of the run; its operations are recorded by the caller."""
    shape = Computation([x], lambda run, v: (torch.tensor(v.shape[axis], dtype=torch.int32),))
    return Tensor(x.graph.operations[-1], as_dtype("int32"), (), shape)


def _lengths(graph: Graph, given) -> Tensor:
    with graph.name_scope("ToInt32") as scope:
        lengths = operations.convert_to_tensor(given, name="x")
        if lengths.dtype.is_floating or len(lengths.shape) != 1:
            raise InputError(f"sequence_length was given {lengths}: give one whole number for each row")
        if lengths.dtype.name != "int32":
            lengths = Operation(graph, scope[:-1]).computed(as_dtype("int32"), lengths.shape, [lengths], lambda v: v.to(torch.int32))
    return operations.identity(lengths, name="sequence_length")


def bidirectional_dynamic_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs,
    sequence_length=None,
    initial_state_fw=None,
    initial_state_bw=None,
    dtype=None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope=None,
) -> tuple[tuple[Tensor, Tensor], tuple[object, object]]:
    """Run one cell forwards and another one backwards over sequences; backwards is from each row's last valid step.

    Args:
        cell_fw, cell_bw: The cells.
        initial_state_fw, initial_state_bw: Their initial states.
        scope: What variables are named below; None for "bidirectional_rnn".
        inputs, sequence_length, dtype, parallel_iterations, swap_memory, time_major: As for `dynamic_rnn`.

    Returns:
        The outputs of both, in the order of the inputs, and the final states of both.
    """
    check_cell(cell_fw, "bidirectional_dynamic_rnn")
    check_cell(cell_bw, "bidirectional_dynamic_rnn")
    graph = get_default_graph()
    given = {"sequence_length": sequence_length, "dtype": dtype, "time_major": time_major}
    with graph.open_variable_scope(scope or "bidirectional_rnn"):
        with graph.open_variable_scope("fw") as below:
            output_fw, state_fw = dynamic_rnn(cell_fw, inputs, initial_state=initial_state_fw, scope=below, **given)
        with graph.open_variable_scope("bw") as below:
            backwards = _reverse(graph, inputs, sequence_length, time_major)
            output_bw, state_bw = dynamic_rnn(cell_bw, backwards, initial_state=initial_state_bw, scope=below, **given)
    return (output_fw, _reverse(graph, output_bw, sequence_length, time_major)), (state_fw, state_bw)


def _reverse(graph: Graph, x, lengths, time_major: bool) -> Tensor:
    axis = 0 if time_major else 1
    with graph.name_scope("ReverseV2" if lengths is None else "ReverseSequence") as scope:
        x = operations.convert_to_tensor(x, name="tensor" if lengths is None else "input")
        if lengths is None:
            graph.record("axis")
            return Operation(graph, scope[:-1]).computed(x.dtype, x.shape, [x], lambda v: v.flip(axis))
        lengths = operations.convert_to_tensor(lengths, name="seq_lengths")

        def reverse(v, n):
            time = torch.arange(v.shape[axis])
            n = n.long()[None if time_major else slice(None), slice(None) if time_major else None]
            time = time[:, None] if time_major else time[None]
            order = torch.where(time < n, n - 1 - time, time)
            return v.gather(axis, order[..., None].expand_as(v))

        return Operation(graph, scope[:-1]).computed(x.dtype, x.shape, [x, lengths], reverse)


def static_rnn(
    cell: RNNCell, inputs: Sequence, initial_state=None, dtype=None, sequence_length=None, scope=None
) -> tuple[list[Tensor], object]:
    """Run a cell over a list of steps, each of which is put into the graph.

    Args:
        cell: The cell.
        inputs: One (B, I) for each step.
        initial_state: As `cell.zero_state` makes it; None for zeros.
        dtype: tf.float32 or tf.float64; needed where there is no initial state.
        sequence_length: Not provided.
        scope: What variables are named below; None for "rnn".

    Returns:
        The outputs, one (B, output_size) for each step, and the final state.
    """
    check_cell(cell, "static_rnn")
    if sequence_length is not None:
        raise InputError("static_rnn(sequence_length=...) is not provided: use tf.nn.dynamic_rnn, which takes it")
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise InputError(f"static_rnn was given {inputs!r}: give it a list of steps, such as tf.unstack(x, axis=1)")
    graph = get_default_graph()
    outputs = []
    with graph.open_variable_scope(scope or "rnn"):
        steps = [operations.convert_to_tensor(x) for x in inputs]
        state = initial_state
        batch = steps[0].shape[0]
        if batch is None:
            graph.record(_SIZE)
            batch = _rows(steps[0], 0)
        if state is None:
            if dtype is None:
                raise InputError("static_rnn was given neither initial_state nor dtype: give dtype=tf.float32")
            state = cell.zero_state(batch, dtype)
        graph.cached = True
        try:
            for x in steps:
                output, state = cell(x, state)
                outputs.append(output)
        finally:
            graph.cached = False
    return outputs, state
