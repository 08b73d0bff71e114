"""Private: static_rnn and the functions based on it, which add every step to the graph, and stacked
bidirectional layers.
"""

from collections.abc import Callable, Sequence
from typing import Any

import torch

from ..errors import InputError, SizeError
from . import operations, shapes
from .graph import (
    DTypeLike,
    Operation,
    ScopeLike,
    StateLike,
    Tensor,
    TensorFlowGraph,
    TensorLike,
    get_default_graph,
)
from .operations import merge
from .rnn import SIZE, bidirectional_dynamic_rnn, count_rows
from .steps import RNNCell, check_cell, flatten, input_parts, pack, shared_state

__all__ = [
    "stack_bidirectional_dynamic_rnn",
    "stack_bidirectional_rnn",
    "static_bidirectional_rnn",
    "static_rnn",
    "static_state_saving_rnn",
]

# TensorFlow 1.13.1's operations for lengths, and around a step that runs only if a row is that
# long; see `graph.py`.
_ZEROS = "{rows} Const concat(axis) zeros(Const) {static} Const"
_EXTREMES = "Const Min Const Max"
_ASK = "LessEqual(y) LessEqual(y)"
_BRANCH = "Switch switch_t switch_f pred_id"


def static_rnn(
    cell: RNNCell,
    inputs: Sequence,
    initial_state: StateLike = None,
    dtype: DTypeLike | None = None,
    sequence_length: TensorLike = None,
    scope: ScopeLike = None,
) -> tuple[list[Tensor], object]:
    """Run a cell over a list of steps; every step is added to the graph.

    Args:
        cell: The cell.
        inputs: One (B, I) for each step.
        initial_state: The initial state, with the structure of `cell.zero_state`; None for zeros.
        dtype: tf.float32 or tf.float64; required without an initial state.
        sequence_length: The valid steps of each row, (B,); None if all are valid.
        scope: The scope of the variables; None for "rnn".

    Returns:
        The outputs, one (B, output_size) for each step, 0 past a row's end, and the state after
        each row's last valid step.

    Raises:
        InputError: Neither an initial state nor a dtype was given, or the inputs are not a list of
            steps.
        SizeError: Sizes do not match.
    """
    check_cell(cell, "static_rnn")
    _check_steps(inputs, "static_rnn")
    graph = get_default_graph()
    outputs = []
    with graph.open_variable_scope(scope or "rnn"):
        steps = [input_parts(cell, x, ["batch"], "static_rnn") for x in inputs]
        first, state = steps[0][0], initial_state
        rows = batch = first.shape[0]
        if batch is None:
            graph.record(SIZE)
            rows = count_rows(first, 0)
        if state is None:
            if dtype is None:
                raise InputError(
                    "static_rnn was given neither initial_state nor dtype: give dtype=tf.float32"
                )
            state = cell.zero_state(rows, dtype)
        lengths = None if sequence_length is None else _lengths(graph, sequence_length, batch)
        graph.cached = True
        try:
            for t, x in enumerate(steps):
                x = x if len(x) > 1 else x[0]
                output, state = (
                    cell(x, state)
                    if lengths is None
                    else _masked(graph, cell, x, state, lengths, t)
                )
                outputs.append(output)
        finally:
            graph.cached = False
    return outputs, state


def static_state_saving_rnn(
    cell: RNNCell,
    inputs: Sequence,
    state_saver: Any,
    state_name: str | tuple[str, ...],
    sequence_length: TensorLike = None,
    scope: ScopeLike = None,
) -> tuple[list[Tensor], object]:
    """Run a cell over a list of steps, from a saved state, and save the final state. A long
    sequence is processed in segments.

    Args:
        cell: The cell.
        inputs, sequence_length, scope: See `static_rnn`.
        state_saver: An object that saves states: `state(name)` returns a tensor, (B, size of the
            state), and `save_state(name, value)` returns a tensor that saves the value when it is
            run.
        state_name: The name of the state; a tuple of names if the cell has several states.

    Returns:
        As `static_rnn`. Running the last output or the final state saves the state.

    Raises:
        InputError: The saver lacks a method, or the numbers of names and states differ.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> class Saver:
        ...     def __init__(self, **sizes):
        ...         self.kept = {name: tf.Variable(tf.zeros([1, size]),
        ...             trainable=False) for name, size in sizes.items()}
        ...     def state(self, name):
        ...         return self.kept[name].value()
        ...     def save_state(self, name, value):
        ...         return self.kept[name].assign(value)
        >>> cell = tf.nn.rnn_cell.BasicLSTMCell(2)
        >>> saver = Saver(c=2, h=2)
        >>> outputs, state = tf.nn.static_state_saving_rnn(cell, [tf.ones([1, 3])], saver, ("c",
        ...     "h"))
        >>> with tf.Session() as sess:
        ...     sess.run(tf.global_variables_initializer())
        ...     first, second = sess.run(outputs[-1]), sess.run(outputs[-1])
        ...     print((saver.kept["h"].eval() == second).all(), (first == second).all())
        True False
    """
    check_cell(cell, "static_state_saving_rnn")
    for method in ("state", "save_state"):
        if isinstance(state_saver, type) or not callable(getattr(state_saver, method, None)):
            raise InputError(
                f"static_state_saving_rnn was given {state_saver!r}, which has no {method}(): give "
                "it an object with state(name) and save_state(name, value)"
            )
    names, sizes = flatten(state_name), flatten(cell.state_size)
    if len(names) != len(sizes) or isinstance(state_name, (tuple, list)) != isinstance(
        cell.state_size, tuple
    ):
        several = isinstance(cell.state_size, tuple)
        expected = "a tuple with a name for each" if several else "one name"
        raise InputError(
            f"static_state_saving_rnn(state_name={state_name!r}): the states of "
            f"{type(cell).__name__} are {cell.state_size!r}; give {expected}"
        )
    before = [state_saver.state(name) for name in names]
    for name, value in zip(names, before):
        if value is None:
            raise InputError(
                f"static_state_saving_rnn: the state saver's state({name!r}) returned None: return "
                f"a tensor"
            )
    state = pack(cell.state_size, before)
    outputs, state = static_rnn(cell, inputs, state, sequence_length=sequence_length, scope=scope)
    kept = [state_saver.save_state(name, part) for name, part in zip(names, flatten(state))]
    for value in kept:
        if not isinstance(value, Tensor):
            raise InputError(
                f"static_state_saving_rnn: the state saver's save_state returned {value!r}: return "
                f"a tensor that saves the state, such as variable.assign(value)"
            )

    def after(tensors):
        return pack(
            tensors,
            [
                get_default_graph().computed(
                    "Identity", t.dtype, t.shape, [t, *kept], lambda value, *_: value
                )
                for t in flatten(tensors)
            ],
        )

    return [*outputs[:-1], after(outputs[-1])], after(state)


def _check_steps(inputs, of: str) -> None:
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise InputError(
            f"{of} was given {inputs!r}: give it a list of steps, such as tf.unstack(x, axis=1)"
        )


def _lengths(graph: TensorFlowGraph, given, batch: int | None) -> Tensor:
    lengths = operations.convert_to_tensor(given, name="sequence_length")
    if lengths.dtype.is_floating or len(lengths.shape) != 1:
        raise InputError(f"sequence_length was given {lengths}: give one whole number for each row")
    merge(
        batch,
        lengths.shape[0],
        f"static_rnn: rows of the inputs, {batch}, and of the lengths {lengths.shape}",
    )
    graph.record(
        _ZEROS.format(
            rows="ExpandDims(dim)" if batch is None else "Const",
            static="" if batch is None else "Const",
        )
    )
    if lengths.dtype.name != "int32":
        lengths = operations.cast(lengths, "int32", name="ToInt32")
    graph.record(_EXTREMES)
    return lengths


def _masked(graph: TensorFlowGraph, cell: RNNCell, x, state, lengths: Tensor, t: int) -> tuple:
    """One step in its own branch, which TensorFlow skips if no row is that long."""
    graph.record(_ASK)
    if not cell.counted:
        graph.uncounted = graph.uncounted or "static_rnn(sequence_length=...)"
    count = len(flatten(cell.state_size))
    with graph.name_scope("cond"):
        graph.record(f"{_BRANCH} {'Switch ' * (1 + count)}")
        # The first operation of the step takes the input from outside.
        graph.loop, graph.captures = "Switch", 1
        try:
            placed = cell.place(x, state)
            graph.record("Switch " * (len(cell.input_dims) - 1))
            shared = shared_state(placed.step.output, placed.step.states)
            selects = " ".join(
                "Select" + ("[Enter]" if i == shared else "[Enter Enter]") for i in range(count)
            )
            distinct = 1 + count - (shared is not None)
            graph.record(
                f"Greater(y)[Enter] cond{{{_BRANCH} {'Switch ' * distinct} Select[{'Enter ' * 5}] "
                f"{selects} {'Merge ' * (1 + count)}}}"
            )
        finally:
            graph.loop, graph.captures = "", 0
        merges = [graph.record("Merge").last for _ in range(1 + count)]
    return placed.results(merges[0], merges[1:], lengths, t)


def static_bidirectional_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs: Sequence,
    initial_state_fw: StateLike = None,
    initial_state_bw: StateLike = None,
    dtype: DTypeLike | None = None,
    sequence_length: TensorLike = None,
    scope: ScopeLike = None,
) -> tuple[list[Tensor], object, object]:
    """Run one cell forwards and another one backwards over a list of steps. The backward cell
    starts at each row's last valid step.

    Args:
        cell_fw, cell_bw: The cells.
        inputs, dtype, sequence_length: See `static_rnn`.
        initial_state_fw, initial_state_bw: The initial states; None for zeros.
        scope: The scope of the variables; None for "bidirectional_rnn".

    Returns:
        The outputs, one (B, sum of both output sizes) for each step, and the final states of both.
    """
    check_cell(cell_fw, "static_bidirectional_rnn")
    check_cell(cell_bw, "static_bidirectional_rnn")
    _check_steps(inputs, "static_bidirectional_rnn")
    graph = get_default_graph()
    with graph.open_variable_scope(scope or "bidirectional_rnn"):
        with graph.open_variable_scope("fw") as below:
            outputs_fw, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, below
            )
        with graph.open_variable_scope("bw") as below:
            steps = [input_parts(cell_bw, x, ["batch"], "static_bidirectional_rnn") for x in inputs]
            backwards: list[Any] = list(
                zip(*(_reversed(part, sequence_length) for part in zip(*steps)))
            )
            backwards = [x if len(x) > 1 else x[0] for x in backwards]
            outputs_bw, state_bw = static_rnn(
                cell_bw, backwards, initial_state_bw, dtype, sequence_length, below
            )
    pairs = zip(
        *(
            map(_one, outputs)
            for outputs in (outputs_fw, _reversed(list(map(_one, outputs_bw)), sequence_length))
        )
    )
    return [shapes.concat(pair, 1) for pair in pairs], state_fw, state_bw


def _one(output) -> Tensor:
    (tensor,) = flatten(output)
    return tensor


def _reversed(steps: Sequence[Tensor], lengths) -> list[Tensor]:
    """Reversed steps; with lengths, only the valid steps of each row are reversed."""
    if lengths is None:
        return list(reversed(steps))
    joined = shapes.stack(steps)
    graph = get_default_graph()
    with graph.name_scope("ReverseSequence") as scope:
        lengths = operations.convert_to_tensor(lengths, name="seq_lengths")
        op = Operation(graph, scope[:-1])

    def reverse(v, n):
        time = torch.arange(len(v))[:, None]
        order = torch.where(time < n, n - 1 - time, time).long()
        return v.gather(0, order.view(*order.shape, *[1] * (v.dim() - 2)).expand_as(v))

    return shapes.unstack(op.computed(joined.dtype, joined.shape, [joined, lengths], reverse))


def _check_stack(of: str, cells_fw, cells_bw, **states) -> None:
    for name, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(cells, list) or not cells:
            raise InputError(f"{of}({name}={cells!r}): give it a list of cells, one for each layer")
        for cell in cells:
            check_cell(cell, of)
    if len(cells_fw) != len(cells_bw):
        raise SizeError(
            f"{of} was given {len(cells_fw)} cells forwards and {len(cells_bw)} backwards: give "
            f"the same number of both"
        )
    for name, given in states.items():
        if given is not None and (not isinstance(given, list) or len(given) != len(cells_fw)):
            raise InputError(
                f"{of}({name}={given!r}): give it a list of {len(cells_fw)}, a state for each layer"
            )


def stack_bidirectional_rnn(
    cells_fw: list[RNNCell],
    cells_bw: list[RNNCell],
    inputs: Sequence,
    initial_states_fw: list | None = None,
    initial_states_bw: list | None = None,
    dtype: DTypeLike | None = None,
    sequence_length: TensorLike = None,
    scope: ScopeLike = None,
) -> tuple[list[Tensor], tuple, tuple]:
    """Run stacked bidirectional layers over a list of steps; each layer takes both outputs of the
    layer below.

    Args:
        cells_fw, cells_bw: A cell for each layer, forwards and backwards.
        inputs, dtype, sequence_length: See `static_rnn`.
        initial_states_fw, initial_states_bw: A state for each layer; None for zeros.
        scope: The scope of the variables; None for "stack_bidirectional_rnn".

    Returns:
        The last layer's outputs, one for each step, and the final states forwards and backwards,
        one for each layer.
    """
    _check_stack(
        "stack_bidirectional_rnn",
        cells_fw,
        cells_bw,
        initial_states_fw=initial_states_fw,
        initial_states_bw=initial_states_bw,
    )

    def layer(i, below):
        with get_default_graph().open_variable_scope(f"cell_{i}") as named:
            return static_bidirectional_rnn(
                cells_fw[i],
                cells_bw[i],
                below,
                (initial_states_fw or {i: None})[i],
                (initial_states_bw or {i: None})[i],
                dtype,
                sequence_length,
                named,
            )

    return _stacked(layer, len(cells_fw), inputs, scope)


def stack_bidirectional_dynamic_rnn(
    cells_fw: list[RNNCell],
    cells_bw: list[RNNCell],
    inputs: Any,
    initial_states_fw: list | None = None,
    initial_states_bw: list | None = None,
    dtype: DTypeLike | None = None,
    sequence_length: TensorLike = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: ScopeLike = None,
) -> tuple[Tensor, tuple, tuple]:
    """Run stacked bidirectional layers over sequences; each layer takes both outputs of the layer
    below.

    Args:
        cells_fw, cells_bw: A cell for each layer, forwards and backwards.
        inputs, dtype, sequence_length, parallel_iterations, time_major: See `dynamic_rnn`.
        initial_states_fw, initial_states_bw: A state for each layer; None for zeros.
        scope: The scope of the variables; None for "stack_bidirectional_rnn".

    Returns:
        The last layer's outputs, and the final states forwards and backwards, one for each layer.
    """
    _check_stack(
        "stack_bidirectional_dynamic_rnn",
        cells_fw,
        cells_bw,
        initial_states_fw=initial_states_fw,
        initial_states_bw=initial_states_bw,
    )

    def layer(i, below):
        with get_default_graph().open_variable_scope(f"cell_{i}"):
            outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                cells_fw[i],
                cells_bw[i],
                below,
                sequence_length,
                (initial_states_fw or {i: None})[i],
                (initial_states_bw or {i: None})[i],
                dtype,
                time_major=time_major,
            )
            return shapes.concat(list(map(_one, outputs)), 2), state_fw, state_bw

    return _stacked(layer, len(cells_fw), inputs, scope)


def _stacked(layer: Callable, count: int, inputs, scope) -> tuple:
    states = []
    with get_default_graph().open_variable_scope(scope or "stack_bidirectional_rnn"):
        for i in range(count):
            inputs, *state = layer(i, inputs)
            states.append(state)
    return inputs, *zip(*states)
