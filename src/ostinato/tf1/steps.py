"""Private: one step of a cell in a graph: its inputs and outputs, and the base class of cells."""

import numbers
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch

from ..errors import InputError, SizeError
from . import operations
from .graph import (
    Computation,
    DType,
    DTypeLike,
    Operation,
    ScopeLike,
    StateLike,
    Tensor,
    TensorFlowGraph,
    TensorShape,
    as_dtype,
    get_default_graph,
)
from .operations import merge
from .session import SessionRun
from .variables import Variable, get_variable

__all__ = [
    "Placed",
    "RNNCell",
    "Step",
    "bound",
    "check_cell",
    "check_state",
    "dimensions",
    "flatten",
    "input_depth",
    "input_parts",
    "join_inputs",
    "variable_maker",
    "number",
    "pack",
    "shared_state",
    "count_steps",
    "stepwise",
    "whole",
    "mask_outputs",
]


def flatten(state: StateLike) -> list:
    """The parts of a state, in order."""
    return [s for part in state for s in flatten(part)] if _is_nested(state) else [state]


def _is_nested(state) -> bool:
    # A TensorShape is a tuple, but it is a single part of a state's size.
    return isinstance(state, (tuple, list)) and not isinstance(state, TensorShape)


def dimensions(size: Any) -> tuple[int, ...]:
    """The dimensions of a part of a state, from its number of units or its shape."""
    return tuple(size) if isinstance(size, TensorShape) else (size,)


def pack(like: Any, parts: Sequence) -> Any:
    """Parts packed into the structure of another state.

    Args:
        like: A state, or a cell's `state_size`.
        parts: The parts, in order.
    """
    rest = iter(parts)

    def build(node: Any) -> Any:
        if hasattr(node, "_fields"):
            return type(node)(*(build(n) for n in node))
        return tuple(build(n) for n in node) if _is_nested(node) else next(rest)

    return build(like)


@dataclass
class Step:
    """One step of a cell in a graph.

    Attributes:
        advance: A function of the run, the input (T, B, I) or a tuple of several inputs, the states
            (B, size), and the lengths (B,) or None. It returns the outputs (T, B, size of the
            output), 0 past a row's end, and the states after each row's last valid step.
        output: The operation of the output in TensorFlow.
        states: The operation of each state.
        reads: The tensors of the variables that it uses.
    """

    advance: Callable
    output: Operation
    states: list[Operation]
    reads: list[Tensor]


class RNNCell:
    """Base class of the cells.

    Attributes:
        state_size: The size of each state, in the structure of the state.
        output_size: The size of the output.
        of_indices: Whether its input consists of integers.
        input_dims: The number of dimensions of each input tensor of a step.
        counted: Whether the number of TensorFlow's operations for it in a branch is known.
    """

    state_size: Any = None
    output_size: Any = None
    of_indices = False
    input_dims: tuple[int, ...] = (2,)
    counted = True

    def __init__(self, **given: Any):
        # Custom cells pass on their own arguments.
        for name, value in given.items():
            if value is not None:
                raise InputError(
                    f"{type(self).__name__} passes RNNCell {name}={value!r}, which is not provided "
                    f"by ostinato.tf1: leave it out"
                )

    def zero_state(self, batch_size: int | Tensor, dtype: DTypeLike) -> StateLike:
        """A state of zeros.

        Args:
            batch_size: The batch size: a whole number, or a scalar tensor.
            dtype: tf.float32 or tf.float64.
        """
        if (
            not isinstance(batch_size, (Tensor, numbers.Integral))
            or not isinstance(batch_size, Tensor)
            and int(batch_size) < 0
        ):
            raise InputError(
                f"{type(self).__name__}.zero_state({batch_size!r}, ...): give a number of rows, or "
                f"a tensor such as tf.shape(x)[0]"
            )
        kind, graph = as_dtype(dtype), get_default_graph()
        inputs = [batch_size] if isinstance(batch_size, Tensor) else []
        rows = None if isinstance(batch_size, Tensor) else int(batch_size)
        # TensorFlow concatenates the batch size and the size of the state twice, for the zeros and
        # for their shape.
        prefix = "ExpandDims(dim)" if inputs else "Const"

        def zero(size: Any) -> Tensor:
            op = graph.record(f"{prefix} Const concat(axis) zeros(Const)=zeros {prefix} Const")[
                "zeros"
            ]
            shape = dimensions(size)

            def compute(*n: torch.Tensor) -> torch.Tensor:
                return torch.zeros((int(n[0]) if rows is None else rows, *shape), dtype=kind.torch)

            return op.computed(kind, (rows, *shape), inputs, compute)

        with graph.name_scope(f"{type(self).__name__}ZeroState"):
            return pack(self.state_size, [zero(size) for size in flatten(self.state_size)])

    def __call__(self, inputs: Any, state: StateLike, scope: ScopeLike = None) -> tuple[Any, Any]:
        """Add one step to the graph.

        Args:
            inputs: (B, size of the input).
            state: The previous state, with the structure of `state_size`.

        Returns:
            The output (B, output_size) and the new state.
        """
        placed = self.place(inputs, state, scope)
        return placed.results(placed.step.output, placed.step.states)

    def place(self, inputs: Any, state: StateLike, scope: ScopeLike = None) -> "Placed":
        """Add one step to the graph, without its output tensors.

        Args:
            inputs, state: See `__call__`.
            scope: The variable scope; None for the current one.
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

    def trace(self, graph: TensorFlowGraph, input_size: Any, dtype: DType) -> Step:
        """Add one step to a graph, with the variables if this is the first one.

        Args:
            graph: The graph.
            input_size: The size of the input.
            dtype: The dtype of everything.
        """
        raise InputError(
            f"{type(self).__name__} is a custom cell that ostinato.tf1 cannot add to a graph: "
            "define __call__(inputs, state, scope=None) and use static_rnn, or write its "
            "equations with @ostinato.cell"
        )


@dataclass
class Placed:
    """A single step in the graph, and its input tensors.

    Attributes:
        output_size, state_size: The sizes of the cell.
        step: The step.
        inputs, states: The tensors.
        dtype: The dtype of the output and the states.
        batch: The batch size; None if it is unknown.
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
            output, states: The operations that compute them.
            lengths: The valid steps of each row, (B,); None if all are valid. The cell is skipped
                if no row is that long.
            time: The index of the step, from 0.
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
                run, join_inputs([x[None] for x in given[:several]]), before, valid
            )
            return output[0], *new

        computation = Computation(
            [*self.inputs, *self.states, *([] if lengths is None else [lengths]), *self.step.reads],
            advance,
        )
        result = Tensor(output, self.dtype, shape, computation)
        shared = shared_state(output, states)
        new = [
            result
            if i == shared
            else Tensor(op, self.dtype, (self.batch, *dimensions(size)), computation, i + 1)
            for i, (op, size) in enumerate(zip(states, flatten(self.state_size)))
        ]
        return pack(self.output_size, [result]), pack(self.state_size, new)


def shared_state(output: Operation, states: list[Operation]) -> int | None:
    """The index of the state that is also the output, or None. TensorFlow has one tensor for
    both.
    """
    return max((i for i, op in enumerate(states) if op is output), default=None)


def join_inputs(inputs: Sequence[torch.Tensor]) -> torch.Tensor | tuple[torch.Tensor, ...]:
    """The input of `Step.advance`: a single input, or a tuple of several."""
    return tuple(inputs) if len(inputs) > 1 else inputs[0]


def count_steps(x: torch.Tensor, lengths: torch.Tensor | None) -> int:
    """The number of steps that TensorFlow runs for an input (T, ...). It runs none past the longest
    row, and draws no random numbers there.
    """
    return len(x) if lengths is None else min(len(x), max([1, *lengths.tolist()]))


def mask_outputs(output_TBO: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
    """Outputs with 0 past each row's end; unchanged if lengths is None."""
    if lengths is None:
        return output_TBO
    valid = torch.arange(len(output_TBO))[:, None] < lengths
    return torch.where(valid.view(*valid.shape, *[1] * (output_TBO.dim() - 2)), output_TBO, 0.0)


def stepwise(
    run: SessionRun | None,
    x: torch.Tensor,
    states: list,
    lengths: torch.Tensor | None,
    once: Callable,
) -> tuple[torch.Tensor, list]:
    """`Step.advance` for a function that computes a single step:
    `once(run, x, states, valid rows or None)`.
    """
    steps = count_steps(x, lengths)
    outputs: list[torch.Tensor] = []
    output: torch.Tensor | None = None
    for t in range(steps):
        left = None if lengths is None else (lengths - t).clamp(0, 1)
        output, new = once(run, x[t], states, left)
        assert output is not None
        outputs.append(mask_outputs(output[None], left))
        if left is not None:
            new = [
                torch.where(left.view(-1, *[1] * (n.dim() - 1)) > 0, n, s)
                for n, s in zip(new, states)
            ]
        states = new
    assert output is not None, "there is a step"
    return torch.cat([*outputs, output.new_zeros(len(x) - steps, *output.shape)]), states


def variable_maker(
    made: dict[str, Variable],
    declared: dict[str, tuple],
    dtype: DType,
    resource: bool | None = None,
) -> Callable:
    """A function that creates the variables of a recipe in the current scope, each at its first
    use, and stores them.

    Args:
        made: The dict that stores them, by name.
        declared: The shape and the initializer of each variable, by name, and optionally whether it
            is trainable.
        dtype, resource: See `get_variable`.
    """

    def variable(name: str) -> None:
        if name not in made:
            shape, initializer, *trainable = declared[name]
            made[name] = get_variable(
                name, shape, dtype, initializer, *trainable, use_resource=resource
            )

    return variable


def number(cell: object, name: str, given: Any) -> float:
    """Validate a number given to a cell.

    Args:
        cell: The cell.
        name: The name of the argument.
        given: The argument.

    Raises:
        InputError: It is not a number.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Real):
        raise InputError(f"{type(cell).__name__}({name}={given!r}): give a number")
    return float(given)


def bound(cell: object, name: str, given: Any) -> float | None:
    """Validate a bound given to a cell: a number, 0 or more, or None for no bound.

    Args:
        cell, name, given: See `number`.

    Raises:
        InputError: It is neither of them.
    """
    if given is not None and number(cell, name, given) < 0:
        raise InputError(
            f"{type(cell).__name__}({name}={given!r}): give a number, 0 or more, or leave it "
            f"out for no bound"
        )
    return given


def whole(cell: object, name: str, given: object, fix: str = "") -> int:
    """Validate a size given to a cell.

    Args:
        cell, name, given: See `number`.
        fix: An alternative fix, for the error.

    Raises:
        SizeError: It is not a whole number above 0.
    """
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or given < 1:
        raise SizeError(
            f"{type(cell).__name__}({name}={given!r}): give a whole number, 1 or more{fix}"
        )
    return int(given)


def check_cell(cell: object, of: str) -> None:
    """Reject values that are not cells.

    Args:
        cell: The value.
        of: The name of the function, for errors.
    """
    if not isinstance(cell, RNNCell):
        raise InputError(
            f"{of} was given {cell!r} ({type(cell).__name__}): give it a cell, such as "
            f"tf.nn.rnn_cell.BasicLSTMCell(num_units=2)"
        )


def check_state(cell: RNNCell, state: StateLike) -> list:
    """The parts of a state, which must have the structure of the cell's states."""
    sizes, parts = flatten(cell.state_size), flatten(state)
    if len(parts) != len(sizes):
        raise SizeError(
            f"{type(cell).__name__} was given a state of {len(parts)} part(s): give it the "
            f"structure of cell.zero_state(batch_size, dtype), {cell.state_size!r}"
        )
    for part, size in zip(parts, sizes):
        wanted = dimensions(size)
        known = part.shape[-len(wanted) :] if isinstance(part, Tensor) else wanted
        if len(known) != len(wanted) or any(n not in (None, m) for n, m in zip(known, wanted)):
            raise SizeError(
                f"{type(cell).__name__} was given a state of {part.shape} where size {size} is "
                f"expected: {cell.state_size!r}"
            )
    return parts


def input_parts(cell: RNNCell, inputs: Any, leading: Sequence[str], of: str) -> list[Tensor]:
    """The tensors of an input: one, or several for a cell with several inputs.

    Args:
        cell: The cell.
        inputs: The inputs.
        leading: The names of its first dimensions, before its sizes.
        of: The name of the function, for errors.
    """
    several = len(cell.input_dims)
    if several == 1:
        parts = [inputs]
    elif isinstance(inputs, (list, tuple)) and len(inputs) == several:
        parts = inputs
    else:
        raise InputError(
            f"{of} was given {inputs!r}: {type(cell).__name__} needs a tuple of {several} for "
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
    """The size of an input, which must be static because weights depend on it. For several inputs
    or sizes, a tuple of all.
    """
    known = []
    for x, dims in zip(parts, cell.input_dims):
        sizes = x.shape[1 - dims :]
        if None in sizes:
            raise SizeError(
                f"{type(cell).__name__} was given {x}: its last size must be known; give "
                f"the placeholder a fixed size"
            )
        known.append(sizes[0] if dims == 2 else tuple(sizes))
    return tuple(known) if len(known) > 1 else known[0]
