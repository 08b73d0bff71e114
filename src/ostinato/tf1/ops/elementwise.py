"""Private: functions of one tensor, element by element."""

from collections.abc import Callable

import numpy as np

from ...errors import InputError
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTypeLike, as_dtype
from ..core.errors import InvalidArgumentError
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.sparse import SparseTensor
from ..core.tensors import IndexedSlices, Operand, Operation, Tensor, TensorLike
from ..kernels import elementwise as kernels
from ..kernels import rounded
from .inference import like_first

__all__ = [
    "abs",
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atanh",
    "cast",
    "ceil",
    "check_numerics",
    "conj",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "inv",
    "is_finite",
    "is_inf",
    "is_nan",
    "lgamma",
    "log",
    "log1p",
    "neg",
    "negative",
    "reciprocal",
    "rint",
    "round",
    "rsqrt",
    "sigmoid",
    "sign",
    "sin",
    "sinh",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "to_double",
    "to_float",
    "to_int32",
    "to_int64",
]


def _function(
    name: str,
    type: str,  # noqa: A002
    kernel: Callable,
    doc: str,
    kinds: str = "fc",
    dtype: str | None = None,
) -> Callable:
    define(type, like_first(kinds, dtype), lambda op, x: kernel(x))

    def function(x: TensorLike, name: str | None = None) -> Tensor:
        return apply(type, {"x": x}, name=name).outputs[0]

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"{doc}, element by element."
    return function


negative = _function("negative", "Neg", np.negative, "-x", "iufc")
neg = negative
sign = _function("sign", "Sign", np.sign, "The sign of x: -1, 0 or 1", "iufc")
square = _function("square", "Square", np.square, "x * x", "iufc")
sqrt = _function("sqrt", "Sqrt", kernels.sqrt, "The square root")
rsqrt = _function("rsqrt", "Rsqrt", kernels.rsqrt, "1 / sqrt(x)")
reciprocal = _function("reciprocal", "Reciprocal", np.reciprocal, "1 / x", "iufc")
inv = _function("inv", "Inv", np.reciprocal, "1 / x", "iufc")
exp = _function("exp", "Exp", kernels.exp, "The exponential")
expm1 = _function("expm1", "Expm1", kernels.expm1, "exp(x) - 1")
log = _function("log", "Log", kernels.log, "The natural logarithm")
log1p = _function("log1p", "Log1p", kernels.log1p, "log(1 + x)")
tanh = _function("tanh", "Tanh", kernels.tanh, "The hyperbolic tangent")
sigmoid = _function("sigmoid", "Sigmoid", kernels.sigmoid, "1 / (1 + exp(-x))")
sin = _function("sin", "Sin", kernels.sin, "The sine")
cos = _function("cos", "Cos", kernels.cos, "The cosine")
tan = _function("tan", "Tan", rounded.tan, "The tangent")
asin = _function("asin", "Asin", rounded.asin, "The arcsine")
acos = _function("acos", "Acos", rounded.acos, "The arccosine")
atan = _function("atan", "Atan", rounded.atan, "The arctangent")
sinh = _function("sinh", "Sinh", rounded.sinh, "The hyperbolic sine")
cosh = _function("cosh", "Cosh", rounded.cosh, "The hyperbolic cosine")
asinh = _function("asinh", "Asinh", rounded.asinh, "The inverse hyperbolic sine")
acosh = _function("acosh", "Acosh", rounded.acosh, "The inverse hyperbolic cosine")
atanh = _function("atanh", "Atanh", rounded.atanh, "The inverse hyperbolic tangent")
erf = _function("erf", "Erf", rounded.erf, "The error function", "f")
erfc = _function("erfc", "Erfc", rounded.erfc, "1 - erf(x)", "f")
lgamma = _function("lgamma", "Lgamma", rounded.lgamma, "The logarithm of |gamma(x)|", "f")
digamma = _function("digamma", "Digamma", rounded.digamma, "The derivative of lgamma", "f")
floor = _function("floor", "Floor", np.floor, "The largest whole number up to x", "f")
ceil = _function("ceil", "Ceil", np.ceil, "The smallest whole number from x on", "f")
rint = _function("rint", "Rint", np.rint, "The nearest whole number, of two the even one", "f")
is_nan = _function("is_nan", "IsNan", np.isnan, "Whether x is not a number", "f", "bool")
is_inf = _function("is_inf", "IsInf", np.isinf, "Whether x is infinite", "f", "bool")
is_finite = _function("is_finite", "IsFinite", np.isfinite, "Whether x is finite", "f", "bool")
abs = _function("abs", "Abs", np.abs, "The absolute value", "iuf")  # noqa: A001
_round = _function("_round", "Round", np.rint, "The nearest whole number, of two the even one")


def round(x: TensorLike, name: str | None = None) -> Tensor:  # noqa: A001
    """The nearest whole number, of two the even one, element by element."""
    x = convert_to_tensor(x, name="x")
    return x if x.dtype.is_integer else _round(x, name)


def conj(x: TensorLike, name: str | None = None) -> Tensor:
    """The value itself: complex numbers are not provided.

    Raises:
        InputError: It is not a number.
    """
    if not isinstance(x, Tensor):
        with name_scope(name, "Conj"):
            x = convert_to_tensor(x, name="x")
    if x.dtype.kind not in "iuf":
        raise InputError(f"tf.conj was given {x}: give it a tensor of numbers, not complex ones")
    return x


# Dtypes


def _cast(op: Operation, x: np.ndarray) -> np.ndarray:
    return x.astype(op.attrs["DstT"].as_numpy_dtype)


define("Cast", lambda op: [(op.attrs["DstT"], op.inputs[0].shape)], _cast)


def cast(x: TensorLike, dtype: DTypeLike, name: str | None = None) -> Tensor:
    """The value converted to another dtype.

    Args:
        x: The value. For IndexedSlices and a SparseTensor, their values are converted.
        dtype: The dtype. Fractions are cut off for whole numbers.
        name: The name of the operation.
    """
    wanted = as_dtype(dtype).base_dtype
    if isinstance(x, Operand) and not isinstance(x, IndexedSlices) and x.dtype == wanted:
        return x  # type: ignore[return-value]  # a resource variable stays one
    with name_scope(name, "Cast") as scope:
        if isinstance(x, IndexedSlices):
            return IndexedSlices(  # type: ignore[return-value]
                cast(x.values, wanted, name=scope), x.indices, x.dense_shape
            )
        if isinstance(x, SparseTensor):
            return SparseTensor(  # type: ignore[return-value]
                x.indices, cast(x.values, wanted, name=scope), x.dense_shape
            )
        x = convert_to_tensor(x, name="x")
        if x.dtype.base_dtype == wanted:
            return x
        return apply("Cast", {"x": x}, name=scope, attrs={"DstT": wanted}).outputs[0]


def to_float(x: TensorLike, name: str | None = "ToFloat") -> Tensor:
    """The value in float32."""
    return cast(x, "float32", name)


def to_double(x: TensorLike, name: str | None = "ToDouble") -> Tensor:
    """The value in float64."""
    return cast(x, "float64", name)


def to_int32(x: TensorLike, name: str | None = "ToInt32") -> Tensor:
    """The value in int32."""
    return cast(x, "int32", name)


def to_int64(x: TensorLike, name: str | None = "ToInt64") -> Tensor:
    """The value in int64."""
    return cast(x, "int64", name)


# Checks


def _check_numerics(op: Operation, tensor: np.ndarray) -> np.ndarray:
    found = [word for word, bad in (("Inf", np.isinf), ("NaN", np.isnan)) if bad(tensor).any()]
    if found:
        raise InvalidArgumentError(
            None,
            op,
            f"{op.attrs['message']} : Tensor had {' and '.join(found)} values: {op.name} of "
            f"{op.inputs[0].name}",
        )
    return tensor


define("CheckNumerics", like_first("f"), _check_numerics)


def check_numerics(tensor: TensorLike, message: str, name: str | None = None) -> Tensor:
    """The tensor itself; a run fails where a number is infinite or not a number.

    Args:
        tensor: The tensor.
        message: The beginning of the error's message.
        name: The name of the operation.
    """
    attrs = {"message": message}
    return apply("CheckNumerics", {"tensor": tensor}, name=name, attrs=attrs).outputs[0]


not_differentiable("IsNan", "IsInf", "IsFinite")
