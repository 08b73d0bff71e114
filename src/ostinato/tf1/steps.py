"""One step of a cell as it is put into a graph: what it is given, what it gives, and what the cells
have in common.
"""

import numbers
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch

from ..errors import InputError, SizeError
from . import operations
from .graph import (
    Computation,
    DType,
    Graph,
    Operation,
    Tensor,
    TensorShape,
    as_dtype,
    get_default_graph,
)
from .operations import merge
from .variables import Variable, get_variable


def flatten(state) -> list:
    """The parts of a state, in order."""
    return [s for part in state for s in flatten(part)] if _is_nested(state) else [state]


def _is_nested(state) -> bool:
    # A shape is a tuple, and one part of a state's size.
    return isinstance(state, (tuple, list)) and not isinstance(state, TensorShape)


def dimensions(size) -> tuple[int, ...]:
    """The dimensions of a part of a state: one for a number of units, several for a shape."""
    return tuple(size) if isinstance(size, TensorShape) else (size,)


def pack(like, parts: Sequence):
    """Parts put together as another state is.

    Args:
        like: A state, or a cell's `state_size`.
        parts: As many parts as it has.
    """
    parts = iter(parts)

    def build(node):
        if hasattr(node, "_fields"):
            return type(node)(*(build(n) for n in node))
        return tuple(build(n) for n in node) if _is_nested(node) else next(parts)

    return build(like)


@dataclass
class Step:
    """One step of a cell as it was put into a graph.

    Attributes:
        advance: Takes the run, the input (T, B, I), or a tuple of such where a cell is given
            several, the states (B, size) and the lengths (B,) or None; returns the outputs (T, B,
            size of the output), 0 past a row's end, and the states after the row's last valid step.
        output: The operation that TensorFlow names the output by.
        states: The same for each state.
        reads: The tensors of the variables that it uses.
    """

    advance: Callable
    output: Operation
    states: list[Operation]
    reads: list[Tensor]


class RNNCell:
    """What the cells have in common.

    Attributes:
        state_size: The size of each state, put together as the state is.
        output_size: The size of the output.
        of_indices: Whether its input are whole numbers.
        input_dims: How many dimensions each tensor has that it is given for a step.
        counted: Whether it is known how many operations TensorFlow makes of it in a branch.
    """

    state_size = None
    output_size = None
    of_indices = False
    input_dims = (2,)
    counted = True

    def __init__(self, **given):
        # A cell of one's own gives what it was given itself.
        for name, value in given.items():
            if value is not None:
                raise InputError(
                    f"{type(self).__name__} gives RNNCell {name}={value!r}, which is not provided "
                    f"by ostinato.tf1: leave it out"
                )

    def zero_state(self, batch_size: int | Tensor, dtype):
        """A state of zeros.

        Args:
            batch_size: How many rows; a whole number, or a tensor of one.
            dtype: tf.float32 or tf.float64.
        """
        if (
            not isinstance(batch_size, (Tensor, numbers.Integral))
            or isinstance(batch_size, numbers.Integral)
            and batch_size < 0
        ):
            raise InputError(
                f"{type(self).__name__}.zero_state({batch_size!r}, ...): give a number of rows, or "
                f"a tensor such as tf.shape(x)[0]"
            )
        dtype, graph = as_dtype(dtype), get_default_graph()
        inputs = [batch_size] if isinstance(batch_size, Tensor) else []
        rows = None if inputs else int(batch_size)
        # The batch size is joined to the state's size once to make the zeros and once more to know
        # their shape.
        prefix = "ExpandDims(dim)" if inputs else "Const"

        def zero(size):
            op = graph.record(f"{prefix} Const concat(axis) zeros(Const)=zeros {prefix} Const")[
                "zeros"
            ]
            shape = dimensions(size)
            return op.computed(
                dtype,
                (rows, *shape),
                inputs,
                lambda *n: torch.zeros(int(n[0]) if n else rows, *shape, dtype=dtype.torch),
            )

        with graph.name_scope(f"{type(self).__name__}ZeroState"):
            return pack(self.state_size, [zero(size) for size in flatten(self.state_size)])

    def __call__(self, inputs, state, scope=None):
        """Put one step into the graph.

        Args:
            inputs: (B, size of the input).
            state: The state before, put together as `state_size` is.

        Returns:
            The output (B, output_size) and the new state.
        """
        placed = self.place(inputs, state, scope)
        return placed.results(placed.step.output, placed.step.states)

    def place(self, inputs, state, scope=None) -> "Placed":
        """Put one step into the graph, without the tensors that it gives.

        Args:
            inputs, state: See `__call__`.
            scope: A variable scope for it.
        """
        graph = get_default_graph()
        xs = input_parts(self, inputs, ["batch"], type(self).__name__)
        kind = None if self.of_indices else xs[-1].dtype
        states = [operations.convert_to_tensor(s, dtype=kind) for s in check_state(self, state)]
        batch = None
        for t in (*xs, *states):
            batch = merge(
                batch,
                t.shape[0],
                f"{type(self).__name__}: rows of the input {xs[-1].shape} and the state",
            )
        with graph.open_variable_scope(scope) if scope else nullcontext():
            dtype = states[0].dtype if self.of_indices else xs[-1].dtype
            step = self.trace(graph, input_depth(xs, self), dtype)
            return Placed(self.output_size, self.state_size, step, xs, states, dtype, batch)

    def trace(self, graph: Graph, input_size: int, dtype) -> Step:
        """Put one step into a graph, with the variables if this is the first one.

        Args:
            graph: The graph.
            input_size: The size of the input.
            dtype: The dtype of everything.
        """
        raise InputError(
            f"{type(self).__name__} is a cell of your own that ostinato.tf1 cannot put into a "
            f"graph: give it a "
            "__call__(inputs, state, scope=None) and use static_rnn, or write its equations with "
            "@ostinato.cell"
        )


@dataclass
class Placed:
    """A step that was put into the graph by itself, and the tensors that it is given.

    Attributes:
        output_size, state_size: The cell's.
        step: What was put there.
        inputs, states: The tensors.
        dtype: Of the output and the states.
        batch: How many rows; None if that is not known.
    """

    output_size: object
    state_size: object
    step: Step
    inputs: list[Tensor]
    states: list[Tensor]
    dtype: DType
    batch: int | None

    def results(
        self,
        output: Operation,
        states: list[Operation],
        lengths: Tensor | None = None,
        time: int = 0,
    ) -> tuple:
        """The output and the new state.

        Args:
            output, states: The operations that they come from.
            lengths: Valid steps of each row, (B,); None where all are valid. Where no row is that
                long, the cell is not computed.
            time: Which step this is, from 0.
        """
        several, count = len(self.inputs), len(self.inputs) + len(self.states)
        shape = (self.batch, *dimensions(*flatten(self.output_size)))

        def advance(run, *given):
            before, valid = list(given[several:count]), None
            if lengths is not None:
                valid = (given[count] - time).clamp(0, 1)
                if not valid.any():
                    return torch.zeros(len(valid), *shape[1:], dtype=self.dtype.torch), *before
            output, new = self.step.advance(
                run, joined([x[None] for x in given[:several]]), before, valid
            )
            return output[0], *new

        computation = Computation(
            [*self.inputs, *self.states, *([] if lengths is None else [lengths]), *self.step.reads],
            advance,
        )
        output = Tensor(output, self.dtype, shape, computation)
        shared = shared_state(output.op, states)
        new = [
            output
            if i == shared
            else Tensor(op, self.dtype, (self.batch, *dimensions(size)), computation, i + 1)
            for i, (op, size) in enumerate(zip(states, flatten(self.state_size)))
        ]
        return pack(self.output_size, [output]), pack(self.state_size, new)


def shared_state(output: Operation, states: list[Operation]) -> int | None:
    """Which state is the output too, if one is: TensorFlow has one tensor for both."""
    return max((i for i, op in enumerate(states) if op is output), default=None)


def joined(inputs: Sequence[torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """What `Step.advance` is given: the one input, or a tuple of several."""
    return tuple(inputs) if len(inputs) > 1 else inputs[0]


def steps_made(x: torch.Tensor, lengths: torch.Tensor | None) -> int:
    """How many steps TensorFlow makes of an input (T, ...): none past the longest row, and so no
    draws there.
    """
    return len(x) if lengths is None else min(len(x), max([1, *lengths.tolist()]))


def zeroed(output_TBO: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Outputs with 0 past each row's end; of lengths None, as they are."""
    if lengths is None:
        return output_TBO
    valid = torch.arange(len(output_TBO))[:, None] < lengths
    return torch.where(valid.view(*valid.shape, *[1] * (output_TBO.dim() - 2)), output_TBO, 0.0)


def stepwise(
    run, x: torch.Tensor, states: list, lengths: torch.Tensor | None, once: Callable
) -> tuple[torch.Tensor, list]:
    """What `Step.advance` does, by what does it for a step:
    `once(run, x, states, which rows are valid or None)`.
    """
    steps = steps_made(x, lengths)
    outputs = []
    for t in range(steps):
        left = None if lengths is None else (lengths - t).clamp(0, 1)
        output, new = once(run, x[t], states, left)
        outputs.append(zeroed(output[None], left))
        if left is not None:
            new = [
                torch.where(left.view(-1, *[1] * (n.dim() - 1)) > 0, n, s)
                for n, s in zip(new, states)
            ]
        states = new
    return torch.cat([*outputs, output.new_zeros(len(x) - steps, *output.shape)]), states


def making(
    made: dict[str, Variable], declared: dict[str, tuple], dtype, resource: bool | None = None
) -> Callable:
    """What makes the variables of a recipe in the current scope, each where it is named first, and
    keeps them.

    Args:
        made: Where it keeps them, by name.
        declared: The shape and the initialiser of each, by name, and whether it is trained if that
            is said.
        dtype, resource: See `get_variable`.
    """

    def variable(name):
        if name not in made:
            shape, initializer, *trainable = declared[name]
            made[name] = get_variable(
                name, shape, dtype, initializer, *trainable, use_resource=resource
            )

    return variable


def number(cell, name: str, given) -> float:
    """A number that a cell was given.

    Args:
        cell: The cell.
        name: The argument's name.
        given: It.

    Raises:
        InputError: It is none.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise InputError(f"{type(cell).__name__}({name}={given!r}): give a number")
    return float(given)


def bound(cell, name: str, given) -> float | None:
    """Within what something is held, as a cell was given it: a number from 0 on, or None for no
    bound.

    Args:
        cell, name, given: As of `number`.

    Raises:
        InputError: It is neither.
    """
    if given is not None and number(cell, name, given) < 0:
        raise InputError(
            f"{type(cell).__name__}({name}={given!r}): give a number from 0 on, or leave it out "
            f"for no bound"
        )
    return given


def whole(cell, name: str, given, mend: str = "") -> int:
    """A size that a cell was given.

    Args:
        cell, name, given: As of `number`.
        mend: What else may be done.

    Raises:
        SizeError: It is no whole number above 0.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise SizeError(
            f"{type(cell).__name__}({name}={given!r}): give a whole number, 1 or more{mend}"
        )
    return int(given)


def check_cell(cell, of: str) -> None:
    """Refuse what is no cell.

    Args:
        cell: What was given.
        of: What it was given to.
    """
    if not isinstance(cell, RNNCell):
        raise InputError(
            f"{of} was given {cell!r} ({type(cell).__name__}): give it a cell, such as "
            f"tf.nn.rnn_cell.BasicLSTMCell(num_units=2)"
        )


def check_state(cell: RNNCell, state) -> list:
    """The parts of a state, which must be put together as the cell's are."""
    sizes, parts = flatten(cell.state_size), flatten(state)
    if len(parts) != len(sizes):
        raise SizeError(
            f"{type(cell).__name__} was given a state of {len(parts)} part(s): give it as "
            f"cell.zero_state(batch_size, dtype) makes it, "
            f"{cell.state_size!r}"
        )
    for part, size in zip(parts, sizes):
        wanted = dimensions(size)
        known = part.shape[-len(wanted) :] if isinstance(part, Tensor) else wanted
        if len(known) != len(wanted) or any(n not in (None, m) for n, m in zip(known, wanted)):
            raise SizeError(
                f"{type(cell).__name__} was given a state of {part.shape} where one of size {size} "
                f"is wanted: {cell.state_size!r}"
            )
    return parts


def input_parts(cell: RNNCell, inputs, leading: Sequence[str], of: str) -> list[Tensor]:
    """The tensors of an input: one, or several where a cell is given several.

    Args:
        cell: The cell.
        inputs: What was given.
        leading: What its first dimensions are, before its sizes.
        of: What it was given to.
    """
    several = len(cell.input_dims)
    if several == 1:
        parts = [inputs]
    elif isinstance(inputs, (list, tuple)) and len(inputs) == several:
        parts = inputs
    else:
        raise InputError(
            f"{of} was given {inputs!r}: {type(cell).__name__} is given a tuple of {several} for "
            f"each step, (time, input)"
        )
    tensors = [operations.convert_to_tensor(part) for part in parts]
    for x, dims in zip(tensors, cell.input_dims):
        if len(x.shape) != dims - 1 + len(leading):
            sizes = ["size"] if dims == 2 else ["sizes"] * (dims - 2) + ["channels"]
            number = {2: "two", 3: "three", 4: "four", 5: "five", 6: "six"}[dims - 1 + len(leading)]
            raise SizeError(
                f"{of} was given inputs of shape {x.shape}: give them {number} dimensions, "
                f"({', '.join([*leading, *sizes])})"
            )
    return tensors


def input_depth(parts: Sequence[Tensor], cell: RNNCell) -> int | tuple:
    """The size of an input, which must be known beforehand: weights are made for it. Of several, or
    of several sizes, all.
    """
    known = []
    for x, dims in zip(parts, cell.input_dims):
        sizes = x.shape[1 - dims :]
        if None in sizes:
            raise SizeError(
                f"{type(cell).__name__} was given {x}: its last size must be known; give the "
                f"placeholder a number there"
            )
        known.append(sizes[0] if dims == 2 else tuple(sizes))
    return tuple(known) if len(known) > 1 else known[0]
