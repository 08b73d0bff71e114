"""Private: the body of a loop: what its tensors stand for, as far as the engine can run them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...language.graph import Builder, Node, Size
from ..core.dtypes import DTYPES
from ..core.tensors import Operation, Tensor

__all__ = [
    "Below",
    "Body",
    "Counter",
    "RandomDraw",
    "Ended",
    "Factor",
    "Flow",
    "Input",
    "Masked",
    "NotARecurrence",
    "Output",
    "Outside",
    "is_float",
]


class NotARecurrence(Exception):
    """The engine cannot run the loop; the message says why."""


@dataclass(frozen=True)
class Factor:
    """A tensor that is the same in all steps, or a part of one.

    Attributes:
        op: The Enter, the operation that reads a variable, or a constant.
        view: The first number and the end of the part, in each dimension.
    """

    op: Operation
    view: tuple[tuple[int, int], ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the part."""
        return tuple(stop - start for start, stop in self.view)

    @property
    def enter(self) -> Operation:
        """The Enter that it comes from, or the constant."""
        return self.op.inputs[0].op if self.op.type == "ReadVariableOp" else self.op

    def cut(self, axis: int, start: int, stop: int) -> "Factor":
        """A part of it."""
        view = list(self.view)
        first = view[axis][0]
        view[axis] = (first + start, first + stop)
        return Factor(self.op, tuple(view))


@dataclass(frozen=True)
class Outside:
    """A tensor from outside that is not a factor, such as a bound, lengths or a TensorArray."""

    enter: Operation

    @property
    def tensor(self) -> Tensor:
        return self.enter.inputs[0]


@dataclass(frozen=True)
class Counter:
    """The number of the step, in a loop variable; `following` if 1 was added."""

    variable: int
    following: bool = False


@dataclass(frozen=True)
class Below:
    """The condition that the number of the step is below bounds."""

    bounds: tuple[Tensor | int, ...]


@dataclass(frozen=True)
class Ended:
    """Whether each row has ended."""

    lengths: Tensor


@dataclass(frozen=True)
class Masked:
    """`old` for rows that have ended, else `new`."""

    lengths: Tensor
    old: Any
    new: Node


@dataclass(frozen=True)
class Flow:
    """The flow of a TensorArray, in a loop variable; after a write `output` is set."""

    variable: int
    output: "Output | None" = None


@dataclass(frozen=True)
class Input:
    """A TensorArray that the loop reads.

    Attributes:
        name: Of the input of the graph.
        handle: The TensorArray, outside of the loop.
        flow: The Enter of its flow.
        units: The size of an element's row.
    """

    name: str
    handle: Tensor
    flow: Operation
    units: int


@dataclass(frozen=True)
class RandomDraw:
    """An operation that draws random numbers (B, units) in each step.

    Attributes:
        name: Of the input of the graph.
        op: The operation.
        rows: B if it is a constant, else None.
        units: The size of a row.
    """

    name: str
    op: Operation
    rows: int | None
    units: int


@dataclass(frozen=True)
class Output:
    """The TensorArray that the loop writes.

    Attributes:
        handle: The TensorArray, outside of the loop.
        value: The element of a step.
    """

    handle: Tensor
    value: Any


class Body:
    """The meaning of the tensors of a loop.

    Attributes:
        builder: Of the nodes of the step.
        values: What each tensor stands for; a tensor that the engine does not have is not there.
        inputs, draws: The TensorArrays that are read, and the random operations.
        names: The names of factors in the step, each as a matrix (2) or a vector (1).
    """

    def __init__(self, ops: Sequence[Operation]):
        self.ops = sorted(ops, key=lambda op: op._id)
        self.builder = Builder()
        self.values: dict[Tensor, Any] = {}
        self.merges = [op for op in self.ops if op.type == "Merge"]
        self.inputs: list[Input] = []
        self.draws: list[RandomDraw] = []
        self.names: dict[tuple[Factor, int], str] = {}

    def weight(self, factor: Factor, rank: int) -> str:
        """The name of a factor as a matrix (rank 2) or as one value for each unit (rank 1)."""
        return self.names.setdefault((factor, rank), f"w{len(self.names)}")

    def node(self, value: Any) -> Node | None:
        """A value as a node of the step; None if it is not a value of rows."""
        if isinstance(value, Node):
            return value
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 0:
            return self.builder.number(float(value))
        if isinstance(value, Factor) and all(n == 1 for n in value.shape[:-1]):
            size = Size(value.shape[-1] if value.shape else 1)
            return self.builder.node("weight", (), self.weight(value, 1), size)
        return None


def is_float(t: Tensor, rank: int) -> bool:
    """Whether a tensor is float32, of known sizes but for the number of rows."""
    known = t.shape.sizes is not None and None not in t.shape.sizes[1:]
    return t.dtype == DTYPES["float32"] and known and rank == t.shape.ndims
