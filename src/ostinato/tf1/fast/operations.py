"""Private: the operations of a loop's body that the engine has."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...language.graph import ONE, Builder, Node, Size
from ..core.constant import constant_value
from ..core.dtypes import DTYPES
from ..core.registry import definition
from ..core.tensors import Operation, Tensor
from .body import (
    Below,
    Body,
    Counter,
    Ended,
    Factor,
    Flow,
    Input,
    Masked,
    NotARecurrence,
    Output,
    Outside,
    RandomDraw,
    is_float,
)

__all__ = ["RULES"]

# Each takes the body, the operation, and what its inputs stand for (None if that is not known),
# and returns what its outputs stand for, or None.


def _copy(body: Body, op: Operation, value: Any) -> Any:
    return value


def _switch(body: Body, op: Operation, value: Any, _: Any) -> Any:
    return None if value is None else (value, value)


def _constant(body: Body, op: Operation) -> Any:
    value = op.attrs["value"]
    if value.ndim and value.dtype == np.float32:
        return Factor(op, tuple((0, n) for n in value.shape))
    return value


def _read_variable(body: Body, op: Operation, handle: Any) -> Any:
    (t,) = op.outputs
    known = isinstance(handle, Outside) and t.shape.is_fully_defined()
    if not known or t.dtype != DTYPES["float32"]:
        return None
    return Factor(op, tuple((0, n) for n in t.shape.as_list()))  # type: ignore[misc]


def _tensor_array(handle: Any) -> Tensor:
    if not isinstance(handle, Outside) or handle.tensor.op.type != "TensorArrayV3":
        raise NotARecurrence("a TensorArray from inside of a loop")
    return handle.tensor


def _read_element(body: Body, op: Operation, handle: Any, index: Any, flow: Any) -> Any:
    array, (t,) = _tensor_array(handle), op.outputs
    first = isinstance(index, Counter) and not index.following
    if not first or not isinstance(flow, (Outside, Factor)) or not is_float(t, 2):
        return None
    if any(array is x.handle for x in body.inputs):
        raise NotARecurrence(f"{array} is read twice")
    name, units = f"x{len(body.inputs)}", t.shape.as_list()[1]
    body.inputs.append(Input(name, array, flow.enter, units))  # type: ignore[arg-type]
    return body.builder.node("input", (), name, Size(units))


def _write_element(
    body: Body, op: Operation, handle: Any, index: Any, value: Any, flow: Any
) -> Any:
    first = isinstance(index, Counter) and not index.following
    if not first or not isinstance(flow, Flow) or flow.output is not None or value is None:
        return None
    return Flow(flow.variable, Output(_tensor_array(handle), value))


def _less(body: Body, op: Operation, counter: Any, bound: Any) -> Any:
    if not isinstance(counter, Counter) or counter.following:
        return None
    if isinstance(bound, np.ndarray) and bound.ndim == 0:
        return Below((int(bound),))
    known = isinstance(bound, Outside) and bound.tensor.shape.ndims == 0
    return Below((bound.tensor,)) if known else None


def _and(body: Body, op: Operation, a: Any, b: Any) -> Any:
    both = isinstance(a, Below) and isinstance(b, Below)
    return Below(a.bounds + b.bounds) if both else None


def _greater_equal(body: Body, op: Operation, counter: Any, lengths: Any) -> Any:
    if not isinstance(counter, Counter) or counter.following or not isinstance(lengths, Outside):
        return None
    return Ended(lengths.tensor) if lengths.tensor.shape.ndims == 1 else None


def _select(body: Body, op: Operation, ended: Any, old: Any, new: Any) -> Any:
    if not isinstance(ended, Ended) or not isinstance(new, Node) or old is None:
        return None
    return Masked(ended.lengths, old, new)


def _elementwise(build: Callable) -> Callable:
    """The rule of an operation that `build` makes of nodes; constants give a constant."""

    def rule(body: Body, op: Operation, *values: Any) -> Any:
        if all(isinstance(v, np.ndarray) and v.dtype == np.float32 for v in values):
            with np.errstate(all="ignore"):
                return np.asarray(definition(op.type).compute(op, *values))  # type: ignore[misc]
        if not any(isinstance(v, Node) for v in values):
            return None
        nodes = [body.node(v) for v in values]
        if any(n is None for n in nodes) or len({n.size for n in nodes} - {ONE}) > 1:  # type: ignore[union-attr]
            return None
        return build(body.builder, *nodes)

    return rule


def _pointwise(name: str) -> Callable:
    return _elementwise(lambda builder, *nodes: builder.pointwise(name, *nodes))


def _squared_difference(builder: Builder, a: Node, b: Node) -> Node:
    difference = builder.pointwise("sub", a, b)
    return builder.pointwise("mul", difference, difference)


def _inverse_root(builder: Builder, x: Node) -> Node:
    return builder.pointwise("div", builder.number(1.0), builder.pointwise("sqrt", x))


_add_nodes = _pointwise("add")


def _add(body: Body, op: Operation, a: Any, b: Any) -> Any:
    if isinstance(a, Counter):
        one = isinstance(b, np.ndarray) and b.ndim == 0 and b == 1
        return Counter(a.variable, True) if one and not a.following else None
    return _add_nodes(body, op, a, b)


def _random(body: Body, op: Operation, shape: Any) -> Any:
    (t,), source = op.outputs, op.inputs[0].op
    of_rows = source.type == "Shape" and isinstance(body.values.get(source.inputs[0]), Node)
    if not is_float(t, 2) or not (of_rows or isinstance(shape, np.ndarray)):
        return None
    name, units = f"r{len(body.draws)}", t.shape.as_list()[1]
    body.draws.append(RandomDraw(name, op, None if of_rows else int(shape[0]), units))  # type: ignore[arg-type]
    return body.builder.node("input", (), name, Size(units))


def _reduced(name: str) -> Callable:
    def rule(body: Body, op: Operation, x: Any, axes: Any) -> Any:
        last = isinstance(axes, np.ndarray) and axes.reshape(-1).tolist() in ([1], [-1])
        if not isinstance(x, Node) or not last or not op.attrs["keep_dims"]:
            return None
        return body.builder.node(name, (x,), None, ONE)

    return rule


def _mat_mul(body: Body, op: Operation, x: Any, w: Any) -> Any:
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
        name = body.weight(rows, 2)
        product = body.builder.node("product", (part,), (name, not transposed), size)
        total = product if total is None else body.builder.pointwise("add", total, product)
        start += units
    return total


def _concat(body: Body, op: Operation, *values: Any) -> Any:
    *parts, axis = values
    if not all(isinstance(p, Node) for p in parts) or not _is_last(axis):
        return None
    flat = [n for p in parts for n in (p.args if p.op == "concat" else (p,))]
    size = sum((n.size for n in flat), Size(0))
    return body.builder.node("concat", flat, None, size)


def _is_last(axis: Any) -> bool:
    return isinstance(axis, np.ndarray) and axis.ndim == 0 and int(axis) in (1, -1)


def _parts(body: Body, x: Any, axis: int, sizes: Sequence[int]) -> Any:
    ends = np.cumsum(sizes).tolist()
    return tuple(_part(body, x, axis, end - n, end) for n, end in zip(sizes, ends))


def _part(body: Body, x: Any, axis: int, start: int, stop: int) -> Any:
    if isinstance(x, Factor):
        return x.cut(axis, start, stop)
    return body.builder.slice(x, Size(start), Size(stop))


def _split(body: Body, op: Operation, axis: Any, x: Any) -> Any:
    count = len(op.outputs)
    whole = _sizes(x)
    if whole is None or not isinstance(axis, np.ndarray):
        return None
    place = int(axis) % len(whole)
    size = whole[place]
    if size is None or size % count:
        return None
    return _parts(body, x, place, [size // count] * count)


def _split_sizes(body: Body, op: Operation, x: Any, sizes: Any, axis: Any) -> Any:
    whole = _sizes(x)
    known = isinstance(axis, np.ndarray) and isinstance(sizes, np.ndarray)
    if whole is None or not known or (sizes < 1).any():
        return None
    place = int(axis) % len(whole)
    if whole[place] is None or sizes.sum() != whole[place]:
        return None
    return _parts(body, x, place, sizes.tolist())


def _sizes(x: Any) -> tuple[int | None, ...] | None:
    """The shape of a value; the number of rows is None."""
    if isinstance(x, Factor):
        return x.shape
    return (None, x.size.at({})) if isinstance(x, Node) else None


def _slice(body: Body, op: Operation, x: Any, begin: Any, size: Any) -> Any:
    whole = _sizes(x)
    starts, counts = constant_value(op.inputs[1]), constant_value(op.inputs[2])
    if whole is None or starts is None or counts is None:
        return None
    ends = [None if n == -1 else int(start + n) for start, n in zip(starts, counts)]
    return _cut(body, x, whole, [int(start) for start in starts], ends)


def _cut(body: Body, x: Any, whole: Sequence[int | None], starts: list, ends: list) -> Any:
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
            x = _part(body, x, axis, start, end)
    return x


def _strided_slice(body: Body, op: Operation, x: Any, begin: Any, end: Any, strides: Any) -> Any:
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
    return _cut(body, x, whole, starts + [0] * more, ends + [None] * more)


RULES: dict[str, Callable] = {
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
    "BiasAdd": _add_nodes,
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
    "Rsqrt": _elementwise(_inverse_root),
    "Softplus": _pointwise("softplus"),
    "Abs": _pointwise("abs"),
    "Floor": _pointwise("floor"),
    "RandomUniform": _random,
    "Maximum": _pointwise("maximum"),
    "Minimum": _pointwise("minimum"),
    "Square": _elementwise(lambda builder, x: builder.pointwise("mul", x, x)),
    "SquaredDifference": _elementwise(_squared_difference),
    "Sum": _reduced("sum"),
    "Mean": _reduced("mean"),
    "MatMul": _mat_mul,
    "ConcatV2": _concat,
    "Split": _split,
    "SplitV": _split_sizes,
    "Slice": _slice,
    "StridedSlice": _strided_slice,
}
