"""Private: raw_rnn: a loop over a cell that is controlled by a function of the program."""

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.tensors import Tensor
from ..flow.control_flow import while_loop
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from ..state import scopes
from .cell import join_sizes
from .checks import check_cell, check_rows
from .dynamic import cache_reads, element_shape

__all__ = [
    "raw_rnn",
]


def raw_rnn(
    cell: Any,
    loop_fn: Callable,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Run a cell in a loop that a function controls: it computes inputs and states, and decides
    when rows finish.

    The function is called twice, for the first step and for a step of the loop.

    Args:
        cell: The cell.
        loop_fn: A function of the time, the cell's output, the cell's state and the state of the
            loop; in the first call, all but the time are None. It returns the finished rows (B,),
            the next input, the next state, the emitted values and the state of the loop. The first
            emitted value is None, or tensors with the shapes of a row; the state of the loop may be
            None.
        parallel_iterations, swap_memory: Accepted for compatibility; ignored.
        scope: The scope of the variables; None for "rnn".

    Returns:
        A TensorArray of the emitted values, or a structure of them, with 0 in finished rows; the
        final state, which for each row is the state before it finished; and the final state of the
        loop.

    Raises:
        InputError: `loop_fn` is not a function, or does not return these five values.
    """
    check_cell(cell, "raw_rnn")
    if not callable(loop_fn):
        raise InputError(
            f"raw_rnn was given loop_fn={loop_fn!r}: give it a function of (time, cell_output, "
            "cell_state, loop_state)"
        )
    with scopes.variable_scope(scope or "rnn") as entered:
        cache_reads(entered)
        time = constant(0, dtype="int32")
        finished, inputs, state, emit_structure, first_loop_state = _five(
            loop_fn(time, None, None, None)
        )
        # A loop needs a value for each variable.
        loop_state = constant(0, dtype="int32") if first_loop_state is None else first_loop_state
        flat_input = nest.flatten(inputs)
        static_rows = None
        for x in flat_input:
            static_rows = check_rows(
                static_rows, x.shape.sizes[0] if x.shape.sizes else None, "raw_rnn: rows of inputs"
            )
        rows = arrays.shape(flat_input[0])[0] if static_rows is None else static_rows
        _check_structure(cell.state_size, state)
        state = nest.map_structure(convert_to_tensor, state)
        if emit_structure is None:
            emit_structure = cell.output_size
            sizes = nest.flatten(emit_structure)
            kinds = [nest.flatten(state)[0].dtype.base_dtype] * len(sizes)
        else:
            emits = nest.flatten(emit_structure)
            sizes = [e.shape if e.shape.is_fully_defined() else arrays.shape(e) for e in emits]
            kinds = [e.dtype.base_dtype for e in emits]
        emit_arrays = nest.pack_sequence_as(
            emit_structure,
            [
                TensorArray(
                    kind,
                    size=0,
                    dynamic_size=True,
                    element_shape=element_shape(static_rows, size),
                    name=f"rnn_output_{i}",
                )
                for i, (size, kind) in enumerate(zip(sizes, kinds))
            ],
        )
        zero_emit = nest.pack_sequence_as(
            emit_structure,
            [arrays.zeros(join_sizes(rows, size), kind) for size, kind in zip(sizes, kinds)],
        )

        def body(
            time: Tensor, finished: Tensor, given: Any, emitted: Any, state: Any, loop_state: Any
        ) -> tuple:
            output, cell_state = cell(given, state)
            next_time = time + 1
            next_finished, next_input, next_state, emit, next_loop_state = _five(
                loop_fn(next_time, output, cell_state, loop_state)
            )
            for first, later in ((state, next_state), (given, next_input), (zero_emit, emit)):
                _check_structure(first, later)

            def choose(current: Any, candidate: Any) -> Any:
                if isinstance(current, TensorArray) or current.shape.ndims == 0:
                    return candidate
                return arrays.where(finished, current, candidate)

            emit = nest.map_structure(choose, zero_emit, emit)
            next_state = nest.map_structure(choose, state, next_state)
            emitted = nest.map_structure(lambda array, e: array.write(time, e), emitted, emit)
            finished = math.logical_or(finished, next_finished)
            if next_loop_state is None:
                next_loop_state = loop_state
            return next_time, finished, next_input, emitted, next_state, next_loop_state

        *_, emitted, final_state, final_loop_state = while_loop(
            lambda time, finished, *_: math.logical_not(math.reduce_all(finished)),
            body,
            [time, finished, inputs, emit_arrays, state, loop_state],
            parallel_iterations=parallel_iterations or 32,
            swap_memory=swap_memory,
        )
    return emitted, final_state, None if first_loop_state is None else final_loop_state


def _five(returned: Any) -> tuple:
    if not isinstance(returned, tuple) or len(returned) != 5:
        raise InputError(
            f"raw_rnn: loop_fn returned {returned!r}: return a tuple of five, the finished rows, "
            "the next input, the next state, the emitted values and the loop's state"
        )
    return returned


def _check_structure(first: Any, later: Any) -> None:
    try:
        nest.assert_same_structure(first, later)
    except InputError as error:
        raise InputError(
            "raw_rnn: loop_fn returns another structure in a step of the loop than in the first "
            f"call: return the same numbers of inputs, states and emitted values; {error}"
        ) from None
