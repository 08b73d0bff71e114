"""Private: arithmetic of two tensors, element by element, and sums of several tensors."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType, DTypeLike, as_dtype
from ..core.errors import InvalidArgumentError
from ..core.graph import name_scope
from ..core.registry import define
from ..core.shape import TensorShape, as_shape
from ..core.tensors import IndexedSlices, Operation, Tensor, TensorLike
from ..kernels import elementwise as kernels
from ..kernels import rounded
from . import elementwise, shapes
from .inference import of_two

__all__ = [
    "accumulate_n",
    "add",
    "add_n",
    "atan2",
    "div",
    "div_no_nan",
    "divide",
    "floor_div",
    "floordiv",
    "floormod",
    "maximum",
    "minimum",
    "mod",
    "multiply",
    "pow",
    "realdiv",
    "saturate_cast",
    "scalar_mul",
    "squared_difference",
    "subtract",
    "truediv",
    "truncatediv",
    "truncatemod",
    "xdivy",
    "xlogy",
]


# Kernels


def _known(op: Operation) -> np.ndarray | None:
    """The second input if TensorFlow's optimizer of graphs knows it before a run, while the first
    one depends on the run.
    """
    x, y = op.inputs
    return constant_value(y) if constant_value(x) is None else None


def _real_div(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # The optimizer (Grappler) makes x / constant a product with 1 / constant, which may differ in
    # the last bit.
    if x.dtype.kind == "f" and _known(op) is not None:
        return x * np.reciprocal(y)
    return x / y


def _checked_divisor(op: Operation, y: np.ndarray) -> None:
    if y.dtype.kind in "iu" and not np.all(y):
        raise InvalidArgumentError(
            None, op, f"{op.name}: Integer division by zero: {op.inputs[1].name} has a 0"
        )


def _floor_div(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    _checked_divisor(op, y)
    return np.floor(x / y) if x.dtype.kind == "f" else np.floor_divide(x, y)


def _floor_mod(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    _checked_divisor(op, y)
    return np.mod(x, y)


def _truncate_div(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    _checked_divisor(op, y)
    quotient = np.floor_divide(x, y)
    return quotient + ((quotient < 0) & (quotient * y != x)).astype(x.dtype)


def _truncate_mod(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    _checked_divisor(op, y)
    return np.fmod(x, y)


def _div(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return _truncate_div(op, x, y) if x.dtype.kind in "iu" else _real_div(op, x, y)


def _div_no_nan(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(y == 0, x.dtype.type(0), x / np.where(y == 0, y.dtype.type(1), y))


def _squared_difference(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    difference = x - y
    return difference * difference


def _pow(op: Operation, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    # The optimizer makes powers of a constant 1/2 and -1/2 square roots.
    if x.dtype == np.float32:
        exponent = _known(op)
        if exponent is not None and exponent.ndim == 0 and abs(exponent) == 0.5:
            return kernels.sqrt(x) if exponent > 0 else kernels.rsqrt(x)
    return kernels.power(x, y)


def _zero_times(function: Callable) -> Callable:
    def compute(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.where(x == 0, x.dtype.type(0), function(x, y))

    return compute


# Functions


def _function(
    name: str,
    type: str,  # noqa: A002
    kernel: Callable,
    doc: str,
    kinds: str = "iufc",
    with_op: bool = False,
) -> Callable:
    compute = kernel if with_op else lambda op, x, y: kernel(x, y)
    define(type, of_two(kinds), compute)

    def function(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
        return apply(type, {"x": x, "y": y}, name=name, same=("x", "y")).outputs[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element."
    return function


add = _function("add", "Add", np.add, "x + y", "iufcO")
subtract = _function("subtract", "Sub", np.subtract, "x - y")
multiply = _function("multiply", "Mul", np.multiply, "x * y")
maximum = _function("maximum", "Maximum", np.maximum, "The larger of x and y", "iuf")
minimum = _function("minimum", "Minimum", np.minimum, "The smaller of x and y", "iuf")
realdiv = _function("realdiv", "RealDiv", _real_div, "x / y", with_op=True)
floor_div = _function(
    "floor_div", "FloorDiv", _floor_div, "x / y rounded down", "iuf", with_op=True
)
floormod = _function(
    "floormod", "FloorMod", _floor_mod, "x - floor(x / y) * y", "iuf", with_op=True
)
mod = floormod
truncatediv = _function(
    "truncatediv", "TruncateDiv", _truncate_div, "x / y rounded to 0", "iu", with_op=True
)
truncatemod = _function(
    "truncatemod", "TruncateMod", _truncate_mod, "x - truncate(x / y) * y", "iuf", with_op=True
)
squared_difference = _function(
    "squared_difference", "SquaredDifference", _squared_difference, "(x - y) ** 2"
)
atan2 = _function("atan2", "Atan2", rounded.atan2, "The angle of the point (y, x)", "f")
xlogy = _function(
    "xlogy", "Xlogy", _zero_times(lambda x, y: x * kernels.log(y)), "x log(y), 0 where x is 0", "f"
)
xdivy = _function("xdivy", "Xdivy", _zero_times(np.divide), "x / y, 0 where x is 0", "f")
_pow_function = _function("pow", "Pow", _pow, "x to the power of y", with_op=True)
_div_no_nan_function = _function("div_no_nan", "DivNoNan", _div_no_nan, "x / y or 0", "f")
define("Div", of_two("iufc"), _div)

# The dtype that true division converts whole numbers to.
_FRACTIONS = dict.fromkeys(("int8", "uint8", "int16", "uint16"), "float32") | dict.fromkeys(
    ("int32", "int64"), "float64"
)


def pow(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:  # noqa: A001
    """x to the power of y, element by element."""
    with name_scope(name, "Pow") as scope:
        return _pow_function(x, y, name=scope)


def truediv(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y, element by element; whole numbers become floats, 32-bit and longer ones float64."""
    with name_scope(name, "truediv") as scope:
        x, y = _alike(x, y, "tf.truediv")
        kind = _FRACTIONS.get(x.dtype.base_dtype.name)
        if kind is not None:
            x, y = elementwise.cast(x, kind), elementwise.cast(y, kind)
        return realdiv(x, y, name=scope)


def div(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y, element by element; rounded down for whole numbers."""
    with name_scope(name, "div") as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y", dtype=x.dtype.base_dtype)
        function = realdiv if x.dtype.kind in "fc" else floor_div
        return function(x, y, name=scope)


def _alike(x: TensorLike, y: TensorLike, called: str) -> tuple[Tensor, Tensor]:
    x, y = convert_to_tensor(x, name="x"), convert_to_tensor(y, name="y")
    if x.dtype.base_dtype != y.dtype.base_dtype:
        raise InputError(
            f"{called}: x and y must have the same dtype, got {x.dtype.base_dtype.name} and "
            f"{y.dtype.base_dtype.name}: write tf.cast(y, tf.{x.dtype.base_dtype.name})"
        )
    return x, y


def div_no_nan(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y, element by element, and 0 where y is 0."""
    with name_scope(name, "div_no_nan") as scope:
        x = convert_to_tensor(x, name="x")
        y = convert_to_tensor(y, name="y", dtype=x.dtype.base_dtype)
        return _div_no_nan_function(x, y, name=scope)


def floordiv(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y rounded down, element by element."""
    with name_scope(name, "floordiv") as scope:
        return floor_div(x, y, name=scope)


def divide(x: TensorLike, y: TensorLike, name: str | None = None) -> Tensor:
    """x / y, element by element, as Python divides; see `truediv`."""
    return x / y if name is None else truediv(x, y, name)


def scalar_mul(scalar: TensorLike, x: Any, name: str | None = None) -> Any:
    """A number times a tensor or IndexedSlices.

    Raises:
        SizeError: The number has dimensions.
    """
    scalar = convert_to_tensor(scalar, dtype=x.dtype.base_dtype, name="scalar")
    if scalar.shape.ndims != 0:
        raise SizeError(f"Only scalar multiply works, got shape {scalar.shape}: give one number")
    if isinstance(x, IndexedSlices):
        return IndexedSlices(multiply(scalar, x.values, name), x.indices, x.dense_shape)
    return multiply(scalar, x, name)


# Sums of several tensors


def _merged(op: Operation) -> list[tuple[DType, TensorShape]]:
    shape = as_shape(op.attrs.get("shape"))
    for t in op.inputs:
        shape = shape.merge_with(t.shape)
    return [(op.inputs[0].dtype.base_dtype, shape)]


def _add_n(op: Operation, *inputs: np.ndarray) -> np.ndarray:
    total = inputs[0]
    for x in inputs[1:]:
        if np.shape(x) != np.shape(total):
            raise InvalidArgumentError(
                None,
                op,
                f"Inputs to operation {op.name} of type {op.type} must have the same size and "
                f"shape. {op.inputs[0].name} has {np.shape(total)} and another has {np.shape(x)}",
            )
        total = total + x
    return total


define("AddN", _merged, _add_n)
define("AccumulateNV2", _merged, _add_n)


def _several(inputs: Any, called: str) -> list:
    if not isinstance(inputs, (list, tuple)) or not inputs:
        raise InputError(
            f"{called} was given {inputs!r}: inputs must be a list of at least one Tensor with "
            "the same dtype and shape"
        )
    return [x if isinstance(x, IndexedSlices) else convert_to_tensor(x) for x in inputs]


def add_n(inputs: Sequence, name: str | None = None) -> Tensor:
    """The sum of tensors of one shape.

    Args:
        inputs: The tensors.
        name: The name of the operation.

    Raises:
        InputError: It is not a list of tensors.
    """
    found = _several(inputs, "tf.add_n")
    if len(found) == 1:
        only = convert_to_tensor(found[0])
        return shapes.identity(only, name=name) if name else only
    return apply("AddN", {"inputs*": found}, name=name, same=("inputs*",)).outputs[0]


def accumulate_n(
    inputs: Sequence,
    shape: Any = None,
    tensor_dtype: DTypeLike | None = None,
    name: str | None = None,
) -> Tensor:
    """The sum of tensors of one shape.

    Args:
        inputs: The tensors.
        shape: Their shape; None if it is known from them.
        tensor_dtype: Their dtype, to check it.
        name: The name of the operation.

    Raises:
        InputError: It is not a list of tensors of one dtype.
    """
    found = _several(inputs, "tf.accumulate_n")
    kind = found[0].dtype.base_dtype
    wanted = kind if tensor_dtype is None else as_dtype(tensor_dtype)
    if any(not isinstance(x, Tensor) or x.dtype.base_dtype != wanted for x in found):
        raise ArgumentTypeError(
            f"tf.accumulate_n was given {found} for dtype {wanted.name}: give tensors of one dtype"
        )
    if len(found) == 1:
        return found[0] if name is None else shapes.identity(found[0], name=name)
    whole = as_shape(shape)
    for x in found:
        whole = whole.merge_with(x.shape)
    attrs = {"shape": whole}
    return apply("AccumulateNV2", {"inputs*": found}, name=name, attrs=attrs).outputs[0]


def saturate_cast(value: TensorLike, dtype: DTypeLike, name: str | None = None) -> Tensor:
    """The value converted to another dtype, where too small and too large numbers become the
    smallest and the largest one.
    """
    wanted = as_dtype(dtype).base_dtype
    with name_scope(name, "saturate_cast") as scope:
        value = convert_to_tensor(value, name="value")
        kind = value.dtype
        if kind.min < wanted.min:
            value = maximum(value, convert_to_tensor(wanted.min, kind, name="min"))
        if kind.max > wanted.max:
            value = minimum(value, convert_to_tensor(wanted.max, kind, name="max"))
        return elementwise.cast(value, wanted, name=scope)
