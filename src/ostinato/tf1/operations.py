"""Private: operations other than cells: constants, placeholders, arithmetic, reductions and
gradients.
"""

import math
import numbers
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ..errors import InputError, SizeError
from . import arithmetic
from .graph import (
    Computation,
    DType,
    DTypeLike,
    Operand,
    Operation,
    Tensor,
    TensorLike,
    TensorShape,
    as_dtype,
    get_default_graph,
)
from .session import InvalidArgumentError

__all__ = [
    "add",
    "argmax",
    "axes_of",
    "axis_of",
    "cast",
    "constant",
    "convert_to_tensor",
    "divide",
    "gradients",
    "identity",
    "matmul",
    "merge",
    "multiply",
    "negative",
    "placeholder",
    "reduce_mean",
    "reduce_sum",
    "relu",
    "shape_of",
    "sigmoid",
    "softmax",
    "square",
    "subtract",
    "tanh",
]


def merge(a: int | None, b: int | None, what: str) -> int | None:
    """Merge two sizes that must agree.

    Raises:
        SizeError: Both are known and differ.
    """
    if a is not None and b is not None and a != b:
        raise SizeError(f"{what}: {a} and {b} differ; make them the same size")
    return b if a is None else a


def shape_of(given: Any, of: str) -> TensorShape:
    """Validate a shape.

    Args:
        given: The sizes, or a single size; None for a size that is known only in a run.
        of: The name of the function, for errors.

    Raises:
        SizeError: A size is not a whole number, 0 or more.
    """
    sizes = list(given) if isinstance(given, (tuple, list, np.ndarray)) else [given]
    if any(
        n is not None and (isinstance(n, bool) or not isinstance(n, numbers.Integral) or n < 0)
        for n in sizes
    ):
        raise SizeError(
            f"{of} was given the shape {given!r}: give whole numbers from 0 on, such as [2, 3]"
        )
    return TensorShape(None if n is None else int(n) for n in sizes)


def _array(value, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{name} was given {value!r}, which is not an array of numbers ({error}): give a "
            f"number, or rows of numbers of one length; tf.stack makes one tensor of several"
        ) from None


def constant(
    value: TensorLike, dtype: DTypeLike | None = None, shape: Any = None, name: str | None = None
) -> Tensor:
    """A constant tensor.

    Args:
        value: A number, nested lists of numbers, or an array.
        dtype: The dtype; None for the value's (float32 for a Python float, int32 for an int that
            fits).
        shape: The shape. A shorter value is filled up with its last number.
        name: The name of the operation.

    Raises:
        InputError: The value is not an array, or does not fit the dtype.
        SizeError: The value has more numbers than the shape.
    """
    array = _array(value, name or "tf.constant")
    kind, wide = (
        array.dtype.kind,
        array.dtype.kind == "i" and bool((array != array.astype(np.int32)).any()),
    )
    if isinstance(value, (np.ndarray, np.generic)):
        dtype = as_dtype(array.dtype if dtype is None else dtype)
    else:
        dtype = as_dtype(
            ({"f": "float32", "i": "int64" if wide else "int32"}.get(kind, array.dtype))
            if dtype is None
            else dtype
        )
        fits = {"bool": kind == "b", "int32": kind in "bi" and not wide, "int64": kind in "bi"}.get(
            dtype.name, True
        )
        if array.size and not fits:
            raise InputError(
                f"{value!r} was given where {dtype.name} is expected: give numbers of that dtype, "
                f"or convert the other operand, tf.cast(x, tf.float32)"
            )
    array = array.astype(dtype.as_numpy_dtype)
    if shape is not None:
        shape = tuple(shape_of(shape, "tf.constant"))
        count = math.prod(shape)
        if array.size > count or count and not array.size:
            raise SizeError(
                f"tf.constant was given {array.size} numbers for the shape {shape}: give up to "
                f"{count}, or another shape"
            )
        array = np.pad(array.reshape(-1), (0, count - array.size), "edge").reshape(shape)
    held = torch.from_numpy(np.array(array))
    return get_default_graph().computed(name or "Const", dtype, array.shape, [], lambda: held)


def convert_to_tensor(
    value: TensorLike, dtype: DTypeLike | None = None, name: str | None = None
) -> Tensor:
    """Convert a value to a tensor: a tensor itself, the value of a variable, or a constant.

    Raises:
        InputError: It is a tensor of another dtype.
    """
    is_variable = isinstance(value, Operand) and not isinstance(value, Tensor)
    tensor: Any = value
    if is_variable:
        tensor = tensor.read
    if not isinstance(tensor, Tensor):
        return constant(value, dtype=dtype, name=name)
    if dtype is not None and tensor.dtype is not as_dtype(dtype):
        raise InputError(
            f"{tensor} has dtype {tensor.dtype.name} where {as_dtype(dtype).name} is expected: "
            f"write tf.cast(x, {as_dtype(dtype)!r})"
        )
    return tensor


def placeholder(dtype: DTypeLike, shape: Any = None, name: str | None = None) -> Tensor:
    """A tensor whose value is fed in each run.

    Args:
        dtype: The dtype.
        shape: The sizes; None for a size that is known only in a run.
        name: The name of the operation.

    Raises:
        InputError: No shape was given.
    """
    if shape is None:
        raise InputError(
            "tf.placeholder was given no shape: give at least the number of dimensions, [None, "
            "None, 4], or [] for one number"
        )
    dtype, shape = as_dtype(dtype), shape_of(shape, "tf.placeholder")

    def missing():
        raise InvalidArgumentError(
            f"You must feed a value for placeholder tensor {tensor.op.name!r} with dtype "
            f"{dtype.name} and shape {shape}: sess.run(..., feed_dict={{x: value}})"
        )

    tensor = get_default_graph().computed(name or "Placeholder", dtype, shape, [], missing)
    return tensor


def _broadcast(a: TensorShape, b: TensorShape, what: str) -> TensorShape:
    short, long = sorted((a, b), key=len)
    padded = (1,) * (len(long) - len(short)) + tuple(short)
    return TensorShape(
        y if x == 1 else x if y == 1 else merge(x, y, what) for x, y in zip(padded, long)
    )


def _binary(
    name: str, x, y, function: Callable, dtype: DType | None = None, fractions: bool = False
) -> Tensor:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        if isinstance(x, Operand):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, dtype=x.dtype, name="y")
        else:
            y = convert_to_tensor(y, name="y")
            x = convert_to_tensor(x, dtype=y.dtype, name="x")
        if fractions and not x.dtype.is_floating:
            x, y = cast(x, "float64"), cast(y, "float64")
        op = Operation(graph, scope[:-1])
    return op.computed(dtype or x.dtype, _broadcast(x.shape, y.shape, op.name), [x, y], function)


def _unary(name: str, x, function: Callable, argument: str = "x") -> Tensor:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        x = convert_to_tensor(x, name=argument)
        op = Operation(graph, scope[:-1])
    return op.computed(x.dtype, x.shape, [x], function)


def add(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x + y, element by element."""
    return _binary(name or "Add", x, y, torch.add)


def subtract(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x - y, element by element."""
    return _binary(name or "Sub", x, y, torch.sub)


def multiply(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x * y, element by element."""
    return _binary(name or "Mul", x, y, torch.mul)


def divide(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y, element by element; in float64 for integers."""
    return _binary(name or "truediv", x, y, torch.div, fractions=True)


def negative(x: TensorLike, name: str | None = None) -> Tensor:
    """-x."""
    return _unary(name or "Neg", x, torch.neg)


def square(x: TensorLike, name: str | None = None) -> Tensor:
    """x * x."""
    return _unary(name or "Square", x, torch.square)


def tanh(x: TensorLike, name: str | None = None) -> Tensor:
    """The hyperbolic tangent, in TensorFlow 1's arithmetic."""
    return _unary(name or "Tanh", x, arithmetic.tanh)


def sigmoid(x: TensorLike, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), in TensorFlow 1's arithmetic."""
    return _unary(name or "Sigmoid", x, arithmetic.sigmoid)


def relu(features: TensorLike, name: str | None = None) -> Tensor:
    """max(x, 0), element by element."""
    return _unary(name or "Relu", features, torch.relu, "features")


def softmax(logits: TensorLike, axis: int | None = None, name: str | None = None) -> Tensor:
    """Softmax: exp(x) divided by its sum.

    Args:
        logits: The logits.
        axis: The dimension; None for the last one. For another one, the number of TensorFlow's
            operations is unknown here.
        name: The name of the operation.
    """
    logits = convert_to_tensor(logits)
    rank = len(logits.shape)
    axis = axis_of(-1 if axis is None else axis, rank, "tf.nn.softmax")
    if axis != rank - 1:
        graph = get_default_graph()
        graph.uncounted = graph.uncounted or "tf.nn.softmax(axis=...)"
    return _unary(name or "Softmax", logits, lambda x: torch.softmax(x, axis), "logits")


def identity(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value under another name."""
    return _unary(name or "Identity", input, lambda x: x.view_as(x), "input")


def cast(x: TensorLike, dtype: DTypeLike, name: str | None = None) -> Tensor:
    """The value converted to another dtype."""
    x, dtype = convert_to_tensor(x, name="x"), as_dtype(dtype)
    if x.dtype is dtype:
        return x
    op = get_default_graph().record(name or "Cast").last
    return op.computed(dtype, x.shape, [x], lambda v: v.to(dtype.torch))


def matmul(
    a: TensorLike,
    b: TensorLike,
    transpose_a: bool = False,
    transpose_b: bool = False,
    name: str | None = None,
) -> Tensor:
    """The product of two matrices.

    Args:
        a, b: The matrices.
        transpose_a, transpose_b: Whether to transpose them first.
        name: The name of the operation.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "MatMul") as scope:
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, dtype=a.dtype, name="b")
        op = Operation(graph, scope[:-1])
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise SizeError(
            f"tf.matmul was given shapes {a.shape} and {b.shape}: give it two matrices; use "
            f"tf.reshape for more dimensions"
        )
    rows, inner = reversed(a.shape) if transpose_a else a.shape
    below, columns = reversed(b.shape) if transpose_b else b.shape
    merge(inner, below, f"tf.matmul of {a.shape} and {b.shape}")

    def product(m, n):
        m, n = m.T if transpose_a else m, n.T if transpose_b else n
        merge(m.shape[1], len(n), f"{op.name} of {tuple(m.shape)} and {tuple(n.shape)} in this run")
        return arithmetic.accumulate(None, m, n)

    return op.computed(a.dtype, (rows, columns), [a, b], product)


def axis_of(given: Any, rank: int, of: str) -> int:
    """The index of a dimension, counted from the first one.

    Args:
        given: The index; a negative one counts from the end.
        rank: The number of dimensions.
        of: The name of the function, for errors.

    Raises:
        SizeError: The dimension does not exist.
    """
    if (
        isinstance(given, bool)
        or not isinstance(given, numbers.Integral)
        or not -rank <= int(given) < rank
    ):
        raise SizeError(
            f"{of} was given the axis {given!r} of {rank} dimension(s): give a whole number from "
            f"{-rank} to {rank - 1}"
        )
    return int(given) % rank


def axes_of(axis: int | Sequence[int] | None, rank: int, of: str) -> list[int]:
    """Dimensions in order: one, several, or all for None; see `axis_of`."""
    given = (
        range(rank)
        if axis is None
        else axis
        if isinstance(axis, (tuple, list, np.ndarray))
        else [axis]
    )
    return sorted(axis_of(i, rank, of) for i in given)


def _reduction(default_name: str, function: Callable, of_truth: bool = False):
    def reduce(input_tensor, axis=None, keepdims: bool = False, name: str | None = None) -> Tensor:
        called = f"tf.{reduce.__name__}"
        if not isinstance(input_tensor, Operand):
            raise InputError(
                f"{called} was given {type(input_tensor).__name__}: give it a tensor, "
                f"tf.constant(...) or tf.stack(...)"
            )
        x = convert_to_tensor(input_tensor)
        if (x.dtype.name == "bool") != of_truth:
            wanted = (
                "bool: compare first, x > 0"
                if of_truth
                else "numbers: write tf.cast(x, tf.float32)"
            )
            raise InputError(f"{called} was given {x}: give it {wanted}")
        axes = axes_of(axis, len(x.shape), called)
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        recipe = (
            f"Const {name or default_name}"
            if axis is None
            else f"{name or default_name}(reduction_indices)"
        )
        return get_default_graph().computed(
            recipe, x.dtype, shape, [x], lambda v: function(v, axes, keepdims) if axes else v
        )

    reduce.__name__ = reduce.__qualname__ = f"reduce_{default_name.lower()}"
    reduce.__doc__ = f"""The {default_name.lower()} over some dimensions.

    Args:
        input_tensor: The tensor.
        axis: The dimension or dimensions; None for all.
        keepdims: Whether to keep the reduced dimensions, with size 1.
        name: The name of the operation.
    """
    return reduce


def _sum(v: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    return v.sum(axes, keepdims, dtype=v.dtype)


def _mean(v: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    if v.is_floating_point():
        return v.mean(axes, keepdims)
    # TensorFlow's mean of integers is an integer, rounded towards 0.
    count = math.prod(v.shape[i] for i in axes)
    return torch.div(_sum(v, axes, keepdims), count, rounding_mode="trunc")


reduce_sum = _reduction("Sum", _sum)
reduce_mean = _reduction("Mean", _mean)


def argmax(input: TensorLike, axis: int | None = None, name: str | None = None) -> Tensor:  # noqa: A002
    """The index of the largest value along a dimension, by default the first one."""
    x = convert_to_tensor(input, name="input")
    axis = axis_of(axis or 0, len(x.shape), "tf.argmax")
    sizes = [n for i, n in enumerate(x.shape) if i != axis]
    return get_default_graph().computed(
        f"{name or 'ArgMax'}(dimension)", as_dtype("int64"), sizes, [x], lambda v: v.argmax(axis)
    )


_OPERATORS = {
    "__add__": lambda x, y: _binary("add", x, y, torch.add),
    "__radd__": lambda y, x: _binary("add", x, y, torch.add),
    "__sub__": lambda x, y: _binary("sub", x, y, torch.sub),
    "__rsub__": lambda y, x: _binary("sub", x, y, torch.sub),
    "__mul__": lambda x, y: _binary("mul", x, y, torch.mul),
    "__rmul__": lambda y, x: _binary("mul", x, y, torch.mul),
    "__truediv__": lambda x, y: _binary("truediv", x, y, torch.div, fractions=True),
    "__rtruediv__": lambda y, x: _binary("truediv", x, y, torch.div, fractions=True),
    "__matmul__": lambda x, y: matmul(x, y, name="matmul"),
    "__neg__": negative,
}
for _name, _function in _OPERATORS.items():
    setattr(Operand, _name, _function)


def gradients(
    ys: TensorLike, xs: TensorLike, grad_ys: TensorLike = None, name: str = "gradients"
) -> list[Tensor | None]:
    """The gradient of the sum of all ys with respect to each x.

    The number of TensorFlow's operations for this is unknown here: later random operations need
    their own seeds.

    Args:
        ys: A tensor or several.
        xs: A tensor or variable, or several.
        grad_ys: The gradient of each y; None for ones.
        name: The name scope of the results.

    Returns:
        A tensor for each x, of the same shape; None if no y depends on it.
    """
    several = lambda v: list(v) if isinstance(v, (list, tuple)) else [v]  # noqa: E731
    ys, xs = ([convert_to_tensor(v) for v in several(vs)] for vs in (ys, xs))
    for x in xs:
        if not x.dtype.is_floating:
            raise InputError(
                f"tf.gradients by {x}: integers have no derivative; give a float tensor"
            )
    given = (
        [None if g is None else convert_to_tensor(g) for g in several(grad_ys)]
        if grad_ys is not None
        else [None] * len(ys)
    )
    if len(given) != len(ys):
        raise SizeError(
            f"tf.gradients was given {len(ys)} ys and {len(given)} grad_ys: give the same number"
        )
    reached = [x in ys or _depends(ys, x) for x in xs]
    graph = get_default_graph()
    graph.uncounted = "tf.gradients"
    wanted = [x for x, r in zip(xs, reached) if r]

    def differentiate(run, *_):
        pairs = [
            (run[y], torch.ones_like(run[y]) if g is None else run[g])
            for y, g in zip(ys, given)
            if run[y].requires_grad
        ]
        targets = [run[x] for x in wanted]
        if not pairs:
            return tuple(torch.zeros_like(x) for x in targets)
        found = torch.autograd.grad(
            [y for y, _ in pairs],
            targets,
            [g for _, g in pairs],
            retain_graph=True,
            create_graph=run.of_gradients,
            allow_unused=True,
        )
        return tuple(torch.zeros_like(x) if d is None else d for d, x in zip(found, targets))

    computation = Computation(
        [*ys, *wanted, *(g for g in given if g is not None)], differentiate, sources=wanted
    )
    results, slot = [], 0
    with graph.name_scope(name):
        for x, r in zip(xs, reached):
            results.append(
                Tensor(graph.record("Gradient").last, x.dtype, x.shape, computation, slot)
                if r
                else None
            )
            slot += r
    return results


def _depends(ys: list[Tensor], x: Tensor) -> bool:
    seen, stack = set(), [y.computation for y in ys]
    while stack:
        computation = stack.pop()
        if computation not in seen:
            seen.add(computation)
            if x in computation.inputs:
                return True
            stack += [t.computation for t in computation.inputs]
    return False
