"""Cells run over a list of steps, each of which is put into the graph, and layers of two directions
one above the other.
"""

from collections.abc import Callable, Sequence

import torch

from ..errors import InputError, SizeError
from . import operations, shapes
from .graph import Graph, Operation, Tensor, get_default_graph
from .operations import merge
from .rnn import SIZE, bidirectional_dynamic_rnn, count_rows
from .steps import RNNCell, check_cell, flatten, input_parts, pack, shared_state

# What TensorFlow 1.13.1 makes of lengths, and around a step that it makes only where a row is that
# long; see `graph.py`.
_ZEROS = "{rows} Const concat(axis) zeros(Const) {static} Const"
_EXTREMES = "Const Min Const Max"
_ASK = "LessEqual(y) LessEqual(y)"
_BRANCH = "Switch switch_t switch_f pred_id"


def static_rnn(
    cell: RNNCell,
    inputs: Sequence,
    initial_state=None,
    dtype=None,
    sequence_length=None,
    scope=None,
) -> tuple[list[Tensor], object]:
    """Run a cell over a list of steps, each of which is put into the graph.

    Args:
        cell: The cell.
        inputs: One (B, I) for each step.
        initial_state: As `cell.zero_state` makes it; None for zeros.
        dtype: tf.float32 or tf.float64; needed where there is no initial state.
        sequence_length: Valid steps of each row, (B,); None where all are valid.
        scope: What variables are named below; None for "rnn".

    Returns:
        The outputs, one (B, output_size) for each step, 0 past a row's end, and the state after
        each row's last valid step.

    Raises:
        InputError: Neither an initial state nor a dtype was given, or the inputs are no list of
            steps.
        SizeError: Sizes do not fit each other.
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
    cell: RNNCell, inputs: Sequence, state_saver, state_name, sequence_length=None, scope=None
) -> tuple[list[Tensor], object]:
    """Run a cell over a list of steps, from a state that was kept to one that is kept: a long
    sequence comes in pieces.

    Args:
        cell: The cell.
        inputs, sequence_length, scope: As for `static_rnn`.
        state_saver: What keeps states: `state(name)` gives a tensor, (B, size of the state), and
            `save_state(name, value)` a tensor that keeps the value when it is run.
        state_name: The state's name; where the cell has several states, as many names in a tuple.

    Returns:
        As `static_rnn`. To run the last output or the final state is to keep the state.

    Raises:
        InputError: The saver has no such methods, or there are not as many names as states.

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
                f"it an object with "
                "state(name) and save_state(name, value)"
            )
    names, sizes = flatten(state_name), flatten(cell.state_size)
    if len(names) != len(sizes) or isinstance(state_name, (tuple, list)) != isinstance(
        cell.state_size, tuple
    ):
        raise InputError(
            f"static_state_saving_rnn(state_name={state_name!r}): the states of "
            f"{type(cell).__name__} are "
            f"{cell.state_size!r}; give "
            f"{'a tuple of as many names' if isinstance(cell.state_size, tuple) else 'one name'}"
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
                f"the tensor that keeps "
                "the state, such as variable.assign(value)"
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


def _lengths(graph: Graph, given, batch: int | None) -> Tensor:
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


def _masked(graph: Graph, cell: RNNCell, x, state, lengths: Tensor, t: int) -> tuple:
    """One step in a branch of its own, which TensorFlow does not compute where no row is that
    long.
    """
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
                f"{selects} "
                f"{'Merge ' * (1 + count)}}}"
            )
        finally:
            graph.loop, graph.captures = "", 0
        merges = [graph.record("Merge").last for _ in range(1 + count)]
    return placed.results(merges[0], merges[1:], lengths, t)


def static_bidirectional_rnn(
    cell_fw: RNNCell,
    cell_bw: RNNCell,
    inputs: Sequence,
    initial_state_fw=None,
    initial_state_bw=None,
    dtype=None,
    sequence_length=None,
    scope=None,
) -> tuple[list[Tensor], object, object]:
    """Run one cell forwards and another one backwards over a list of steps; backwards is from each
    row's last valid step.

    Args:
        cell_fw, cell_bw: The cells.
        inputs, dtype, sequence_length: As for `static_rnn`.
        initial_state_fw, initial_state_bw: Their initial states.
        scope: What variables are named below; None for "bidirectional_rnn".

    Returns:
        The outputs, one (B, both output sizes together) for each step, and the final states of
        both.
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
            backwards = list(zip(*(_reversed(part, sequence_length) for part in zip(*steps))))
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
    """Steps back to front, with lengths those of each row."""
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
            f"{of} was given {len(cells_fw)} cells forwards and {len(cells_bw)} backwards: give as "
            f"many of both"
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
    dtype=None,
    sequence_length=None,
    scope=None,
) -> tuple[list[Tensor], tuple, tuple]:
    """Run layers of two directions over a list of steps, each layer over both outputs of the one
    below.

    Args:
        cells_fw, cells_bw: A cell for each layer, forwards and backwards.
        inputs, dtype, sequence_length: As for `static_rnn`.
        initial_states_fw, initial_states_bw: A state for each layer; None for zeros.
        scope: What variables are named below; None for "stack_bidirectional_rnn".

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
    inputs,
    initial_states_fw: list | None = None,
    initial_states_bw: list | None = None,
    dtype=None,
    sequence_length=None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope=None,
) -> tuple[Tensor, tuple, tuple]:
    """Run layers of two directions over sequences, each layer over both outputs of the one below.

    Args:
        cells_fw, cells_bw: A cell for each layer, forwards and backwards.
        inputs, dtype, sequence_length, parallel_iterations, time_major: As for `dynamic_rnn`.
        initial_states_fw, initial_states_bw: A state for each layer; None for zeros.
        scope: What variables are named below; None for "stack_bidirectional_rnn".

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
