"""Private: raw_rnn: a loop over a cell that is controlled by a function of the program."""

from collections.abc import Callable

import torch

from ..errors import InputError
from . import operations
from .graph import Computation, ScopeLike, Tensor, TensorShape, as_dtype, get_default_graph
from .logic import Inner, TensorArray, rows
from .steps import RNNCell, check_cell, dimensions, flatten, input_parts, pack

__all__ = [
    "raw_rnn",
]


def raw_rnn(
    cell: RNNCell,
    loop_fn: Callable,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: ScopeLike = None,
) -> tuple[object, object, object]:
    """Run a cell in a loop that a function controls: it computes inputs and states, and decides
    when rows finish.

    The function is called twice, for the first step and for a step of the loop. The number of
    TensorFlow's operations of the loop is unknown here: if the graph has a seed, random operations
    in the loop or after it need their own seeds.

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
    graph = get_default_graph()
    graph.uncounted = graph.uncounted or "tf.nn.raw_rnn"
    with graph.open_variable_scope(scope or "rnn"):
        time = operations.constant(0)
        finished, inputs, state, emit_like, loop_state = _five(loop_fn(time, None, None, None))
        first = [
            time,
            operations.convert_to_tensor(finished),
            *input_parts(cell, inputs, ["batch"], "raw_rnn"),
        ]
        count, sizes = len(first) - 2, len(flatten(cell.state_size))
        states = [operations.convert_to_tensor(s) for s in flatten(state)]
        first += states + [_value(v) for v in _parts(loop_state)]
        emit_like = cell.output_size if emit_like is None else emit_like
        with graph.name_scope("while"):
            start = len(graph.operations)
            given = [_stand_in(t) for t in first]
            now, _, *rest = given
            before, held = rest[count : count + sizes], rest[count + sizes :]
            graph.loop, graph.cached = "Enter", True
            try:
                output, new = cell(
                    tuple(rest[:count]) if count > 1 else rest[0], pack(cell.state_size, before)
                )
                after = _five(loop_fn(now + 1, output, new, _packed(loop_state, held)))
            finally:
                graph.loop, graph.cached = "", False
            emitted = [operations.convert_to_tensor(e) for e in flatten(after[3])]
            loop_after = held if after[4] is None else [_value(v) for v in _parts(after[4])]
            results = [
                now + 1,
                operations.convert_to_tensor(after[0]),
                *input_parts(cell, after[1], ["batch"], "raw_rnn"),
                *(operations.convert_to_tensor(s) for s in flatten(after[2])),
                *loop_after,
            ]
        if len(results) != len(given) or len(emitted) != len(flatten(emit_like)):
            raise InputError(
                "raw_rnn: loop_fn returns another structure in a step of the loop than in the "
                "first call: return the same numbers of inputs, states and emitted values"
            )
        body = Inner([*results, *emitted], given, start)
        rows_at = range(2 + count, 2 + count + sizes)

        def loop(run, *values):
            compute, kept = body.run(run, values[len(first) :]), []
            values = list(values[: len(first)])
            while not values[1].all():
                done, following = values[1], compute(values)
                following, out = following[: len(first)], following[len(first) :]
                for i in rows_at:
                    following[i] = torch.where(rows(done, values[i]), values[i], following[i])
                kept.append(
                    [
                        torch.where(rows(done, e), torch.zeros_like(e), e) if e.dim() else e
                        for e in out
                    ]
                )
                following[1] = done | following[1]
                values = following
            return *values, *(zip(*kept) if kept else [() for _ in emitted])

        computation = Computation([*first, *body.taken], loop)
        exits = [graph.record("Exit").last for _ in range(len(first) + len(emitted))]
        made = [
            Tensor(op, t.dtype, t.shape, computation, i)
            for i, (op, t) in enumerate(zip(exits, [*first, *emitted]))
        ]
        batch = first[2].shape[0]
        shapes = [
            (batch, *(e.shape if isinstance(e, Tensor) else dimensions(e)))
            for e in flatten(emit_like)
        ]
        arrays = [
            TensorArray(t.dtype, flow=t, shape=TensorShape(shape))
            for t, shape in zip(made[len(first) :], shapes)
        ]
    final = pack(cell.state_size, made[rows_at.start : rows_at.stop])
    # An initially empty array has the shape of what the loop writes.
    like = None if loop_state is None else loop_state if after[4] is None else after[4]
    return pack(emit_like, arrays), final, _packed(like, made[rows_at.stop : len(first)])


def _five(returned) -> tuple:
    if not isinstance(returned, tuple) or len(returned) != 5:
        raise InputError(
            f"raw_rnn: loop_fn returned {returned!r}: return a tuple of five, the finished "
            f"rows, the next input, the next state, the emitted values and the loop's state"
        )
    return returned


def _parts(loop_state) -> list:
    return [] if loop_state is None else flatten(loop_state)


def _value(part) -> Tensor:
    return part.flow if isinstance(part, TensorArray) else operations.convert_to_tensor(part)


def _packed(like, tensors: list[Tensor]):
    """The state of the loop, with the structure of another one."""
    if like is None:
        return None
    parts = zip(_parts(like), tensors)
    return pack(
        like,
        [
            TensorArray(p.dtype, flow=t, shape=p.shape) if isinstance(p, TensorArray) else t
            for p, t in parts
        ],
    )


def _stand_in(tensor: Tensor) -> Tensor:
    """A placeholder for the value of a tensor in a step of the loop."""
    op = get_default_graph().record("Identity").last
    return Tensor(op, as_dtype(tensor.dtype), tensor.shape, Computation([], lambda run: ()))
