"""Private: static_rnn and the functions based on it, which add every step to the graph, and stacked
bidirectional layers.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import control_dependencies
from ..core.tensors import Tensor, TensorLike
from ..ops import arrays, math
from ..state import scopes
from .cell import join_sizes, static_sizes
from .checks import check_cell, check_dtypes, check_rows, input_parts, pack_inputs
from .dynamic import (
    bidirectional_dynamic_rnn,
    cache_reads,
    call_cell,
    check_lengths,
    initial_state_of,
    select_step,
    state_dtype,
)

__all__ = [
    "stack_bidirectional_dynamic_rnn",
    "stack_bidirectional_rnn",
    "static_bidirectional_rnn",
    "static_rnn",
    "static_state_saving_rnn",
]


def static_rnn(
    cell: Any,
    inputs: Sequence,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: TensorLike = None,
    scope: Any = None,
) -> tuple[list, Any]:
    """Run a cell over a list of steps; every step is added to the graph.

    Args:
        cell: The cell.
        inputs: One (B, I) for each step.
        initial_state: The initial state, with the structure of `cell.zero_state`; None for zeros.
        dtype: The dtype of the state and the outputs; required without an initial state.
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
    outputs = []
    with scopes.variable_scope(scope or "rnn") as entered:
        cache_reads(entered)
        steps = [_step_input(cell, x, dtype) for x in inputs]
        first = nest.flatten(steps[0])[0]
        static_rows = first.shape.sizes[0] if first.shape.sizes else None
        rows = static_rows or arrays.shape(first)[0]
        state = initial_state
        if state is None:
            state = initial_state_of(cell, rows, dtype, "static_rnn")
        lengths = zero_output = extremes = None
        if sequence_length is not None:
            check_lengths(sequence_length)
            lengths = convert_to_tensor(sequence_length, name="sequence_length")
            check_lengths(lengths)
            check_rows(
                static_rows,
                lengths.shape[0].value,
                f"static_rnn: rows of the inputs, {static_rows}, and of the lengths "
                f"{lengths.shape}",
            )
            kind = state_dtype(dtype, state)
            zero_output = nest.map_structure(
                lambda size: _zeros(rows, static_rows, size, kind), cell.output_size
            )
            lengths = math.to_int32(lengths)
            extremes = math.reduce_min(lengths), math.reduce_max(lengths)
        for time, x in enumerate(steps):
            if time:
                entered.reuse_variables()
            if lengths is None:
                output, state = call_cell(cell, x, state)
            else:
                output, state = select_step(
                    time,
                    lengths,
                    extremes,  # type: ignore[arg-type]  # there with lengths
                    zero_output,
                    state,
                    lambda x=x, state=state: call_cell(cell, x, state),
                )
            outputs.append(output)
    return outputs, state


def _step_input(cell: Any, x: Any, dtype: Any) -> Any:
    # An embedding takes numbers (B,) too.
    of_rows = getattr(cell, "of_indices", False) and getattr(x, "shape", None) is not None
    if of_rows and len(x.shape) == 1:
        return convert_to_tensor(x)
    parts = input_parts(cell, x, ["batch"], "static_rnn")
    check_dtypes(cell, parts, None if dtype is None else as_dtype(dtype), "static_rnn")
    return pack_inputs(cell, x, parts)


def _zeros(rows: Any, static_rows: int | None, size: Any, dtype: Any) -> Tensor:
    zeros = arrays.zeros(arrays.stack(join_sizes(rows, size)), dtype)
    zeros.set_shape(static_sizes([static_rows], size))
    return zeros


def static_state_saving_rnn(
    cell: Any,
    inputs: Sequence,
    state_saver: Any,
    state_name: str | tuple,
    sequence_length: TensorLike = None,
    scope: Any = None,
) -> tuple[list, Any]:
    """Run a cell over a list of steps, from a saved state, and save the final state. A long
    sequence is processed in segments.

    Args:
        cell, inputs, sequence_length, scope: See `static_rnn`.
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
    names, several = nest.flatten(state_name), nest.is_sequence(cell.state_size)
    if len(names) != len(nest.flatten(cell.state_size)) or nest.is_sequence(state_name) != several:
        raise InputError(
            f"static_state_saving_rnn(state_name={state_name!r}): the states of "
            f"{type(cell).__name__} are {cell.state_size!r}; give "
            f"{'a tuple with a name for each' if several else 'one name'}"
        )
    before = [state_saver.state(name) for name in names]
    for name, value in zip(names, before):
        if value is None:
            raise InputError(
                f"static_state_saving_rnn: the state saver's state({name!r}) returned None: return "
                "a tensor"
            )
    state = nest.pack_sequence_as(cell.state_size, before)
    outputs, state = static_rnn(cell, inputs, state, sequence_length=sequence_length, scope=scope)
    saved = [state_saver.save_state(name, part) for name, part in zip(names, nest.flatten(state))]
    for value in saved:
        if value is None:
            raise InputError(
                f"static_state_saving_rnn: the state saver's save_state returned {value!r}: return "
                "a tensor that saves the state, such as variable.assign(value)"
            )
    with control_dependencies(saved):
        last = nest.map_structure(arrays.identity, outputs[-1])
        state = nest.map_structure(arrays.identity, state)
    return [*outputs[:-1], last], state


def _check_steps(inputs: Any, of: str) -> None:
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise InputError(
            f"{of} was given {inputs!r}: give it a list of steps, such as tf.unstack(x, axis=1)"
        )


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Sequence,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: TensorLike = None,
    scope: Any = None,
) -> tuple[list, Any, Any]:
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
    with scopes.variable_scope(scope or "bidirectional_rnn"):
        with scopes.variable_scope("fw") as below:
            outputs_fw, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, below
            )
        with scopes.variable_scope("bw") as below:
            steps = inputs
            if sequence_length is not None:
                steps = [_step_input(cell_bw, x, None) for x in inputs]
            backwards = _reversed(steps, sequence_length)
            outputs_bw, state_bw = static_rnn(
                cell_bw, backwards, initial_state_bw, dtype, sequence_length, below
            )
    outputs_bw = _reversed(outputs_bw, sequence_length)
    pairs = zip(map(nest.flatten, outputs_fw), map(nest.flatten, outputs_bw))
    outputs = [
        nest.pack_sequence_as(like, [arrays.concat([f, b], 1) for f, b in zip(*pair)])
        for like, pair in zip(outputs_fw, pairs)
    ]
    return outputs, state_fw, state_bw


def _reversed(steps: Sequence, lengths: TensorLike) -> list:
    """Reversed steps; with lengths, only the valid steps of each row are reversed."""
    if lengths is None:
        return list(reversed(steps))
    turned = []
    for sequence in zip(*map(nest.flatten, steps)):
        joined = arrays.stack(sequence)
        turned.append(arrays.unstack(arrays.reverse_sequence(joined, lengths, 0, 1)))
    return [nest.pack_sequence_as(x, parts) for x, parts in zip(steps, zip(*turned))]


def _check_stack(of: str, cells_fw: Any, cells_bw: Any, **states: Any) -> None:
    for name, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(cells, list) or not cells:
            raise InputError(f"{of}({name}={cells!r}): give it a list of cells, one for each layer")
        for cell in cells:
            check_cell(cell, of)
    if len(cells_fw) != len(cells_bw):
        raise SizeError(
            f"{of} was given {len(cells_fw)} cells forwards and {len(cells_bw)} backwards: give "
            "the same number of both"
        )
    for name, given in states.items():
        if given is not None and (not isinstance(given, list) or len(given) != len(cells_fw)):
            raise InputError(
                f"{of}({name}={given!r}): give it a list of {len(cells_fw)}, a state for each layer"
            )


def stack_bidirectional_rnn(
    cells_fw: list,
    cells_bw: list,
    inputs: Sequence,
    initial_states_fw: list | None = None,
    initial_states_bw: list | None = None,
    dtype: Any = None,
    sequence_length: TensorLike = None,
    scope: Any = None,
) -> tuple[list, tuple, tuple]:
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

    def layer(i: int, below: Any) -> tuple:
        with scopes.variable_scope(f"cell_{i}") as named:
            return static_bidirectional_rnn(
                cells_fw[i],
                cells_bw[i],
                below,
                None if initial_states_fw is None else initial_states_fw[i],
                None if initial_states_bw is None else initial_states_bw[i],
                dtype,
                sequence_length,
                named,
            )

    return _stacked(layer, len(cells_fw), inputs, scope)


def stack_bidirectional_dynamic_rnn(
    cells_fw: list,
    cells_bw: list,
    inputs: Any,
    initial_states_fw: list | None = None,
    initial_states_bw: list | None = None,
    dtype: Any = None,
    sequence_length: TensorLike = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
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

    def layer(i: int, below: Any) -> tuple:
        with scopes.variable_scope(f"cell_{i}"):
            outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                cells_fw[i],
                cells_bw[i],
                below,
                sequence_length,
                None if initial_states_fw is None else initial_states_fw[i],
                None if initial_states_bw is None else initial_states_bw[i],
                dtype,
                parallel_iterations,
                time_major=time_major,
            )
            return arrays.concat(nest.flatten(outputs), 2), state_fw, state_bw

    return _stacked(layer, len(cells_fw), inputs, scope)


def _stacked(layer: Callable, count: int, inputs: Any, scope: Any) -> tuple:
    states = []
    with scopes.variable_scope(scope or "stack_bidirectional_rnn"):
        for i in range(count):
            inputs, *state = layer(i, inputs)
            states.append(state)
    return inputs, *zip(*states)
