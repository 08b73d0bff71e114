"""Private: a loop as one step of a cell: reads the operations of its body.

A loop is a recurrence if the engine can run it as it is: its variables are counters of its steps,
states (B, units), and a TensorArray that gets one output a step; it reads one element of other
TensorArrays a step, in order; and all other values follow by operations of the cell language from
these, from constants, and from tensors that are the same in all steps. With lengths, rows that have
ended keep their states and put out 0.

Everything else is refused, and then runs as an ordinary loop.
"""

import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...language.graph import ONE, Builder, Graph, Node, Size, Weight, walk
from ..core.constant import constant_value
from ..core.dtypes import DTYPES
from ..core.graph import Operation, Tensor
from ..core.registry import definition

__all__ = ["Draw", "Factor", "Input", "NotARecurrence", "Output", "Recurrence", "read_loop"]


class NotARecurrence(Exception):
    """The engine cannot run the loop; the message says why."""


# ---------------------------------------------------------------- values of the body


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
class _Outside:
    """A tensor from outside that is not a factor, such as a bound, lengths or a TensorArray."""

    enter: Operation

    @property
    def tensor(self) -> Tensor:
        return self.enter.inputs[0]


@dataclass(frozen=True)
class _Counter:
    """The number of the step, in a loop variable; `following` if 1 was added."""

    variable: int
    following: bool = False


@dataclass(frozen=True)
class _Below:
    """The condition that counters are below bounds."""

    bounds: tuple[tuple[_Counter, Tensor], ...]


@dataclass(frozen=True)
class _Ended:
    """Whether each row has ended."""

    lengths: Tensor


@dataclass(frozen=True)
class _Masked:
    """`old` for rows that have ended, else `new`."""

    lengths: Tensor
    old: Any
    new: Node


@dataclass(frozen=True)
class _Flow:
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
class Draw:
    """An operation that draws random numbers (B, units) in each step.

    Attributes:
        name: Of the input of the graph.
        op: The operation.
        units: The size of a row.
    """

    name: str
    op: Operation
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


# ---------------------------------------------------------------- the result


@dataclass
class Recurrence:
    """A loop as the engine runs it.

    Attributes:
        graph: One step.
        bounds: Tensors outside; the smallest is the number of steps.
        counters: The Enters of the counters, each of which has to begin with 0.
        inputs: The TensorArrays that are read, in the order of the graph's inputs.
        draws: The random operations, the graph's inputs after `inputs`.
        states: The Enters of the states.
        factors: The weights of the graph by name.
        lengths: The number of steps of each row, outside; None for all.
        zeros: Tensors outside that have to be 0: the output of rows that have ended.
        output: The TensorArray that is written, or None.
        variables: For each Merge of the loop its Enter.
    """

    graph: Graph
    bounds: list[Tensor] = field(default_factory=list)
    counters: list[Operation] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    draws: list["Draw"] = field(default_factory=list)
    states: list[Operation] = field(default_factory=list)
    factors: dict[str, Factor] = field(default_factory=dict)
    lengths: Tensor | None = None
    zeros: list[Tensor] = field(default_factory=list)
    output: Output | None = None
    variables: dict[Operation, Operation] = field(default_factory=dict)


# Equal graphs are one, so that they share what is compiled.
_graphs: weakref.WeakValueDictionary[str, Graph] = weakref.WeakValueDictionary()

# Operations whose results may stay unused: gradients add them to a loop.
_HARMLESS = {
    "Add", "BroadcastGradientArgs", "Const", "ControlTrigger", "Enter", "Exit", "Fill", "Identity",
    "LoopCond", "NextIteration", "NoOp", "Rank", "Shape", "ShapeN", "Size", "StackPushV2",
    "StridedSlice", "Switch", "ZerosLike",
}  # fmt: skip

_INTEGERS = (DTYPES["int32"], DTYPES["int64"])


def _is_float(t: Tensor, rank: int | None = None) -> bool:
    known = t.shape.sizes is not None and None not in t.shape.sizes[1:]
    return t.dtype == DTYPES["float32"] and known and rank in (None, t.shape.ndims)


class _Reader:
    """Reads the operations of a loop.

    Attributes:
        values: What each tensor in the loop stands for; a tensor of another kind is not there.
    """

    def __init__(self, ops: Sequence[Operation]):
        self.ops = sorted(ops, key=lambda op: op._id)
        self.builder = Builder()
        self.values: dict[Tensor, Any] = {}
        self.merges = [op for op in self.ops if op.type == "Merge"]
        self.inputs: list[Input] = []
        self.draws: list[Draw] = []
        self.names: dict[tuple[Factor, int], str] = {}

    # ------------------------------------------------------------ leaves

    def read(self) -> None:
        """Find out what each tensor stands for.

        Raises:
            NotARecurrence: An operation is of a kind that cannot be run, or must not be left out.
        """
        for op in self.ops:
            if op.type == "Enter" and op.attrs["is_constant"]:
                self._enter(op)
        for k, merge in enumerate(self.merges):
            self._variable(k, merge)
        for op in self.ops:
            if op.type in ("Enter", "Merge"):
                continue
            rule = _RULES.get(op.type)
            given = [self.values.get(t) for t in op.inputs]
            result = None if rule is None else rule(self, op, *given)
            if result is None:
                if op.type not in _HARMLESS:
                    raise NotARecurrence(f"{op.name} ({op.type})")
                continue
            results = result if isinstance(result, tuple) else (result,)
            for t, value in zip(op.outputs, results):
                if isinstance(value, Node) and not _fits(t, value):
                    raise NotARecurrence(f"{op.name} has shape {t.shape}")
                self.values[t] = value

    def _enter(self, op: Operation) -> None:
        (t,) = op.outputs
        if t.dtype == DTYPES["float32"] and t.shape.is_fully_defined():
            self.values[t] = Factor(op, tuple((0, n) for n in t.shape.as_list()))  # type: ignore[misc]
        else:
            self.values[t] = _Outside(op)

    def _variable(self, k: int, merge: Operation) -> None:
        t = merge.outputs[0]
        first = merge.inputs[0]
        if first.op.type != "Enter":
            raise NotARecurrence(f"{merge.name} begins with {first.op.type}")
        if t.dtype in _INTEGERS and first.shape.ndims == 0:
            self.values[t] = _Counter(k)
        elif _is_float(first, 2):
            size = Size(first.shape.as_list()[1])
            self.values[t] = self.builder.node("state", (), f"s{k}", size)
        elif _is_float(first, 0):
            self.values[t] = _Flow(k)
        else:
            raise NotARecurrence(f"the loop variable {first.name}, {first.dtype} {first.shape}")

    def weight(self, factor: Factor, rank: int) -> str:
        """The name of a factor as a matrix (rank 2) or as one value for each unit (rank 1)."""
        return self.names.setdefault((factor, rank), f"w{len(self.names)}")

    def node(self, value: Any) -> Node | None:
        """A value as a node of the step; None if it is no value of rows."""
        if isinstance(value, Node):
            return value
        if isinstance(value, np.ndarray) and value.dtype == np.float32 and value.ndim == 0:
            return self.builder.number(float(value))
        if isinstance(value, Factor) and all(n == 1 for n in value.shape[:-1]):
            size = Size(value.shape[-1] if value.shape else 1)
            return self.builder.node("weight", (), self.weight(value, 1), size)
        return None

    # ------------------------------------------------------------ the whole loop

    def recurrence(self) -> Recurrence:
        """The loop, once its operations are read."""
        states: list[Node] = []
        new_states: list[Node] = []
        result = Recurrence(graph=None)  # type: ignore[arg-type]
        masked: set[Tensor | None] = set()
        for k, merge in enumerate(self.merges):
            before = self.values[merge.outputs[0]]
            after = self.values.get(merge.inputs[1].op.inputs[0])
            enter = result.variables[merge] = merge.inputs[0].op
            if isinstance(before, _Counter):
                if after != _Counter(k, following=True):
                    raise NotARecurrence(f"{enter.name} is no counter")
                result.counters.append(enter)
            elif isinstance(before, _Flow):
                if not isinstance(after, _Flow) or after.variable != k or result.output:
                    raise NotARecurrence(f"{enter.name} is no flow of the one output")
                result.output = after.output
            else:
                new = self._new_state(before, after, masked)
                states.append(before)
                new_states.append(new)
                result.states.append(enter)
        output = self._output(result, masked) or (new_states[0] if new_states else None)
        if output is None or not states or len(masked) > 1:
            raise NotARecurrence("no state, or masks that differ")
        (result.lengths,) = masked or {None}
        result.bounds = self._bounds()
        self._finish(result, states, new_states, output)
        return result

    def _new_state(self, before: Node, after: Any, masked: set) -> Node:
        if after is before:
            return before
        lengths = None
        if isinstance(after, _Masked) and after.old is before:
            lengths, after = after.lengths, after.new
        if not isinstance(after, Node) or after.size != before.size:
            raise NotARecurrence(f"the new value of {before}")
        masked.add(lengths)
        return after

    def _output(self, result: Recurrence, masked: set) -> Node | None:
        if result.output is None:
            return None
        value, lengths = result.output.value, None
        if isinstance(value, _Masked) and isinstance(value.old, _Outside):
            result.zeros.append(value.old.tensor)
            lengths, value = value.lengths, value.new
        elif isinstance(value, _Masked) and isinstance(value.old, Factor):
            if value.old.op.type != "Enter":
                raise NotARecurrence(f"{value.old.op.name} as the output of rows that have ended")
            result.zeros.append(value.old.op.inputs[0])
            lengths, value = value.lengths, value.new
        if not isinstance(value, Node):
            raise NotARecurrence(f"the output {value}")
        masked.add(lengths)
        return value

    def _bounds(self) -> list[Tensor]:
        (test,) = [op for op in self.ops if op.type == "LoopCond"]
        condition = self.values.get(test.inputs[0])
        if not isinstance(condition, _Below):
            raise NotARecurrence("the condition")
        return [bound for _, bound in condition.bounds]

    def _finish(
        self, result: Recurrence, states: list[Node], new_states: list[Node], output: Node
    ) -> None:
        nodes = walk([output, *new_states])
        used = {n.value for n in nodes if n.op == "input"}
        result.inputs = [x for x in self.inputs if x.name in used]
        # An operation that is not drawn from would give other numbers in the next run.
        result.draws = self.draws
        if not result.inputs or not all(d.name in used for d in self.draws):
            raise NotARecurrence("no input")
        read = {n.value[0] if n.op == "product" else n.value for n in nodes}
        weights: dict[str, Weight] = {}
        for (factor, rank), name in self.names.items():
            if name in read:
                sizes = factor.shape if rank == 2 else factor.shape[-1:] or (1,)
                weights[name] = Weight(tuple(map(Size, sizes)))
                result.factors[name] = factor
        graph = Graph(
            name="while",
            inputs={x.name: Size(x.units) for x in [*result.inputs, *result.draws]},
            states={s.value: s.size for s in states},
            weights=weights,
            output=output,
            new_states=tuple(new_states),
            labels={},
            builder=self.builder,
            given=frozenset(d.name for d in result.draws),
        )
        result.graph = _graphs.setdefault(graph.key, graph)


def _fits(t: Tensor, node: Node) -> bool:
    return _is_float(t, 2) and node.size == Size(t.shape.as_list()[1])


def read_loop(ops: Sequence[Operation]) -> Recurrence:
    """A loop as a recurrence.

    Args:
        ops: The operations of the loop that a plan runs.

    Raises:
        NotARecurrence: It is none.
    """
    reader = _Reader(ops)
    reader.read()
    return reader.recurrence()


# ---------------------------------------------------------------- the operations

# Each takes the reader, the operation, and what its inputs stand for (None if that is not known),
# and returns what its outputs stand for, or None.


def _copy(reader: _Reader, op: Operation, value: Any) -> Any:
    return value


def _switch(reader: _Reader, op: Operation, value: Any, _: Any) -> Any:
    return None if value is None else (value, value)


def _constant(reader: _Reader, op: Operation) -> Any:
    value = op.attrs["value"]
    if value.ndim and value.dtype == np.float32:
        return Factor(op, tuple((0, n) for n in value.shape))
    return value


def _read_variable(reader: _Reader, op: Operation, handle: Any) -> Any:
    (t,) = op.outputs
    known = isinstance(handle, _Outside) and t.shape.is_fully_defined()
    if not known or t.dtype != DTYPES["float32"]:
        return None
    return Factor(op, tuple((0, n) for n in t.shape.as_list()))  # type: ignore[misc]


def _tensor_array(handle: Any) -> Tensor:
    if not isinstance(handle, _Outside) or handle.tensor.op.type != "TensorArrayV3":
        raise NotARecurrence("a TensorArray from inside of a loop")
    return handle.tensor


def _read_element(reader: _Reader, op: Operation, handle: Any, index: Any, flow: Any) -> Any:
    array, (t,) = _tensor_array(handle), op.outputs
    first = isinstance(index, _Counter) and not index.following
    if not first or not isinstance(flow, (_Outside, Factor)) or not _is_float(t, 2):
        return None
    if any(array is x.handle for x in reader.inputs):
        raise NotARecurrence(f"{array} is read twice")
    name, units = f"x{len(reader.inputs)}", t.shape.as_list()[1]
    reader.inputs.append(Input(name, array, flow.enter, units))
    return reader.builder.node("input", (), name, Size(units))


def _write_element(
    reader: _Reader, op: Operation, handle: Any, index: Any, value: Any, flow: Any
) -> Any:
    first = isinstance(index, _Counter) and not index.following
    if not first or not isinstance(flow, _Flow) or flow.output is not None or value is None:
        return None
    return _Flow(flow.variable, Output(_tensor_array(handle), value))


def _less(reader: _Reader, op: Operation, counter: Any, bound: Any) -> Any:
    if not isinstance(counter, _Counter) or counter.following or not isinstance(bound, _Outside):
        return None
    return _Below(((counter, bound.tensor),)) if bound.tensor.shape.ndims == 0 else None


def _and(reader: _Reader, op: Operation, a: Any, b: Any) -> Any:
    both = isinstance(a, _Below) and isinstance(b, _Below)
    return _Below(a.bounds + b.bounds) if both else None


def _greater_equal(reader: _Reader, op: Operation, counter: Any, lengths: Any) -> Any:
    if not isinstance(counter, _Counter) or counter.following or not isinstance(lengths, _Outside):
        return None
    return _Ended(lengths.tensor) if lengths.tensor.shape.ndims == 1 else None


def _select(reader: _Reader, op: Operation, ended: Any, old: Any, new: Any) -> Any:
    if not isinstance(ended, _Ended) or not isinstance(new, Node) or old is None:
        return None
    return _Masked(ended.lengths, old, new)


def _add(reader: _Reader, op: Operation, a: Any, b: Any) -> Any:
    if isinstance(a, _Counter):
        one = isinstance(b, np.ndarray) and b.ndim == 0 and b == 1
        return _Counter(a.variable, True) if one and not a.following else None
    return _pointwise("add")(reader, op, a, b)


def _pointwise(name: str) -> Callable:
    def rule(reader: _Reader, op: Operation, *values: Any) -> Any:
        if all(isinstance(v, np.ndarray) for v in values):
            return np.asarray(definition(op.type).compute(op, *values))  # type: ignore[misc]
        if not any(isinstance(v, Node) for v in values):
            return None
        nodes = [reader.node(v) for v in values]
        if any(n is None for n in nodes) or len({n.size for n in nodes} - {ONE}) > 1:  # type: ignore[union-attr]
            return None
        return reader.builder.pointwise(name, *nodes)  # type: ignore[arg-type]

    return rule


def _random(reader: _Reader, op: Operation, _: Any) -> Any:
    (t,), rows = op.outputs, op.inputs[0].op
    same = rows.type == "Shape" and isinstance(reader.values.get(rows.inputs[0]), Node)
    if not same or not _is_float(t, 2):
        return None
    name, units = f"r{len(reader.draws)}", t.shape.as_list()[1]
    reader.draws.append(Draw(name, op, units))  # type: ignore[arg-type]
    return reader.builder.node("input", (), name, Size(units))


def _bias_add(reader: _Reader, op: Operation, x: Any, bias: Any) -> Any:
    return _pointwise("add")(reader, op, x, bias)


def _square(reader: _Reader, op: Operation, x: Any) -> Any:
    return _pointwise("mul")(reader, op, x, x)


def _squared_difference(reader: _Reader, op: Operation, a: Any, b: Any) -> Any:
    return _square(reader, op, _pointwise("sub")(reader, op, a, b))


def _inverse_root(reader: _Reader, op: Operation, x: Any) -> Any:
    root = _pointwise("sqrt")(reader, op, x)
    return _pointwise("div")(reader, op, np.array(1, np.float32), root)


def _reduced(name: str) -> Callable:
    def rule(reader: _Reader, op: Operation, x: Any, axes: Any) -> Any:
        last = isinstance(axes, np.ndarray) and axes.reshape(-1).tolist() in ([1], [-1])
        if not isinstance(x, Node) or not last or not op.attrs["keep_dims"]:
            return None
        return reader.builder.node(name, (x,), None, ONE)

    return rule


def _mat_mul(reader: _Reader, op: Operation, x: Any, w: Any) -> Any:
    if not isinstance(x, Node) or not isinstance(w, Factor) or len(w.shape) != 2:
        return None
    if op.attrs["transpose_a"]:
        return None
    transposed = op.attrs["transpose_b"]
    # The product of joined values is the sum of products with parts of the matrix.
    total: Node | None = None
    start = 0
    for part in x.args if x.op == "concat" else (x,):
        units = part.size.at({})
        rows = w.cut(1 if transposed else 0, start, start + units)
        size = Size(rows.shape[0 if transposed else 1])
        name = reader.weight(rows, 2)
        product = reader.builder.node("product", (part,), (name, not transposed), size)
        total = product if total is None else reader.builder.pointwise("add", total, product)
        start += units
    return total


def _concat(reader: _Reader, op: Operation, *values: Any) -> Any:
    *parts, axis = values
    if not all(isinstance(p, Node) for p in parts) or not _is_last(axis):
        return None
    flat = [n for p in parts for n in (p.args if p.op == "concat" else (p,))]
    size = sum((n.size for n in flat), Size(0))
    return reader.builder.node("concat", flat, None, size)


def _is_last(axis: Any) -> bool:
    return isinstance(axis, np.ndarray) and axis.ndim == 0 and int(axis) in (1, -1)


def _parts(reader: _Reader, x: Any, axis: int, sizes: Sequence[int]) -> Any:
    ends = np.cumsum(sizes).tolist()
    return tuple(_part(reader, x, axis, end - n, end) for n, end in zip(sizes, ends))


def _part(reader: _Reader, x: Any, axis: int, start: int, stop: int) -> Any:
    if isinstance(x, Factor):
        return x.cut(axis, start, stop)
    return reader.builder.slice(x, Size(start), Size(stop))


def _split(reader: _Reader, op: Operation, axis: Any, x: Any) -> Any:
    count = len(op.outputs)
    whole = _sizes(x)
    if whole is None or not isinstance(axis, np.ndarray):
        return None
    place = int(axis) % len(whole)
    size = whole[place]
    if size is None or size % count:
        return None
    return _parts(reader, x, place, [size // count] * count)


def _split_sizes(reader: _Reader, op: Operation, x: Any, sizes: Any, axis: Any) -> Any:
    whole = _sizes(x)
    known = isinstance(axis, np.ndarray) and isinstance(sizes, np.ndarray)
    if whole is None or not known or (sizes < 1).any():
        return None
    place = int(axis) % len(whole)
    if whole[place] is None or sizes.sum() != whole[place]:
        return None
    return _parts(reader, x, place, sizes.tolist())


def _sizes(x: Any) -> tuple[int | None, ...] | None:
    """The shape of a value; the number of rows is None."""
    if isinstance(x, Factor):
        return x.shape
    return (None, x.size.at({})) if isinstance(x, Node) else None


def _slice(reader: _Reader, op: Operation, x: Any, begin: Any, size: Any) -> Any:
    whole = _sizes(x)
    starts, counts = constant_value(op.inputs[1]), constant_value(op.inputs[2])
    if whole is None or starts is None or counts is None:
        return None
    ends = [None if n == -1 else int(start + n) for start, n in zip(starts, counts)]
    return _cut(reader, x, whole, [int(start) for start in starts], ends)


def _cut(
    reader: _Reader, x: Any, whole: Sequence[int | None], starts: list, ends: list
) -> Any:
    """A part of a value, from `starts` to `ends`; None for all that is left."""
    if len(starts) != len(whole):
        return None
    for axis, (size, start, end) in enumerate(zip(whole, starts, ends)):
        if size is None:
            if start or end is not None:
                return None
            continue
        end = size if end is None else end
        if not 0 <= start < end <= size:
            return None
        if (start, end) != (0, size):
            x = _part(reader, x, axis, start, end)
    return x


def _strided_slice(
    reader: _Reader, op: Operation, x: Any, begin: Any, end: Any, strides: Any
) -> Any:
    whole = _sizes(x)
    bounds = [constant_value(t) for t in op.inputs[1:]]
    if whole is None or any(b is None for b in bounds):
        return None
    masks = ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask")
    starts, ends, steps = (b.tolist() for b in bounds)  # type: ignore[union-attr]
    if any(op.attrs[m] for m in masks) or any(s != 1 for s in steps):
        return None
    for axis in range(len(starts)):
        size = whole[axis] if axis < len(whole) else None
        if op.attrs["begin_mask"] >> axis & 1:
            starts[axis] = 0
        if op.attrs["end_mask"] >> axis & 1:
            ends[axis] = None
        elif size is not None and ends[axis] < 0:
            ends[axis] += size
        if size is not None and starts[axis] < 0:
            starts[axis] += size
    more = len(whole) - len(starts)
    return _cut(reader, x, whole, starts + [0] * more, ends + [None] * more)


_RULES: dict[str, Callable] = {
    "Identity": _copy,
    "NextIteration": _copy,
    "Exit": _copy,
    "LoopCond": _copy,
    "Switch": _switch,
    "Const": _constant,
    "ReadVariableOp": _read_variable,
    "TensorArrayReadV3": _read_element,
    "TensorArrayWriteV3": _write_element,
    "Less": _less,
    "LogicalAnd": _and,
    "GreaterEqual": _greater_equal,
    "Select": _select,
    "Add": _add,
    "BiasAdd": _bias_add,
    "Sub": _pointwise("sub"),
    "Mul": _pointwise("mul"),
    "RealDiv": _pointwise("div"),
    "Div": _pointwise("div"),
    "Neg": _pointwise("neg"),
    "Sigmoid": _pointwise("sigmoid"),
    "Tanh": _pointwise("tanh"),
    "Relu": _pointwise("relu"),
    "Exp": _pointwise("exp"),
    "Log": _pointwise("log"),
    "Sqrt": _pointwise("sqrt"),
    "Rsqrt": _inverse_root,
    "Softplus": _pointwise("softplus"),
    "Abs": _pointwise("abs"),
    "Floor": _pointwise("floor"),
    "RandomUniform": _random,
    "Maximum": _pointwise("maximum"),
    "Minimum": _pointwise("minimum"),
    "Square": _square,
    "SquaredDifference": _squared_difference,
    "Sum": _reduced("sum"),
    "Mean": _reduced("mean"),
    "MatMul": _mat_mul,
    "ConcatV2": _concat,
    "Split": _split,
    "SplitV": _split_sizes,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
}
