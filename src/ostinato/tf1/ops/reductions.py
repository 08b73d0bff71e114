"""Private: sums, means, extremes and others over dimensions."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import constant, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DType, DTypeLike, as_dtype
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape, unknown_shape
from ..core.shapes_of import axis_of, index_dtypes
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import sums
from . import (
    arithmetic,
    choices,
    comparisons,
    elementwise,
    filling,
    matrices,
    ranges,
    reshaping,
    shapes,
)
from .inference import checked

__all__ = [
    "arg_max",
    "arg_min",
    "argmax",
    "argmin",
    "count_nonzero",
    "norm",
    "reduce_all",
    "reduce_any",
    "reduce_logsumexp",
    "reduce_max",
    "reduce_mean",
    "reduce_min",
    "reduce_prod",
    "reduce_std",
    "reduce_sum",
    "reduce_variance",
    "trace",
]


def _axes(given: np.ndarray, rank: int, called: str) -> tuple[int, ...]:
    return tuple(sorted({axis_of(i, rank, called) for i in given.reshape(-1)}))


def _without(shape: TensorShape, axes: tuple[int, ...], keepdims: bool) -> TensorShape:
    kept = shape.as_list()
    return TensorShape(
        [1 if i in axes else n for i, n in enumerate(kept) if keepdims or i not in axes]
    )


def _reduction(
    function: str,
    type: str,  # noqa: A002
    kernel: Callable,
    doc: str,
    kinds: str = "iufc",
) -> Callable:
    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        dtype = checked(op, kinds, f"tf.{function}")
        shape, axes = op.inputs[0].shape, constant_value(op.inputs[1])
        keepdims = op.attrs["keep_dims"]
        if shape.ndims is None or axes is None:
            return [(dtype, unknown_shape(shape.ndims if keepdims else None))]
        return [(dtype, _without(shape, _axes(axes, shape.ndims, f"tf.{function}"), keepdims))]

    def compute(op: Operation, x: np.ndarray, axes: np.ndarray) -> np.ndarray:
        over = _axes(axes, x.ndim, op.name) if axes.size else ()
        return kernel(x, over, op.attrs["keep_dims"]) if over else x

    define(type, outputs, compute)

    def reduce(
        input_tensor: TensorLike,
        axis: Any = None,
        keepdims: bool | None = None,
        name: str | None = None,
        reduction_indices: Any = None,
        keep_dims: bool | None = None,
    ) -> Tensor:
        called = f"tf.{function}"
        axis = _one_of("axis", axis, "reduction_indices", reduction_indices, called)
        keepdims = bool(_one_of("keepdims", keepdims, "keep_dims", keep_dims, called))
        over = _all_axes(input_tensor) if axis is None else axis
        result = apply(
            type,
            {"input": input_tensor, "reduction_indices": over},
            name=name,
            attrs={"keep_dims": keepdims},
            dtypes=index_dtypes(reduction_indices=over),
        ).outputs[0]
        if axis is None and not keepdims and not result.shape.is_fully_defined():
            result.set_shape([])
        return result

    reduce.__name__ = reduce.__qualname__ = function
    reduce.__doc__ = f"""{doc} over some dimensions.

    Args:
        input_tensor: The tensor.
        axis: The dimension or dimensions; None for all.
        keepdims: Whether to keep the reduced dimensions, with size 1.
        name: The name of the operation.
        reduction_indices, keep_dims: Older names of `axis` and `keepdims`.
    """
    return reduce


def _one_of(name: str, value: Any, old: str, old_value: Any, called: str) -> Any:
    """The value of an argument that has an older name too."""
    if old_value is None:
        return value
    if value is not None:
        raise InputError(f"{called}: Cannot specify both '{name}' and '{old}': give {name}")
    return old_value


def _all_axes(x: TensorLike) -> Tensor:
    if isinstance(x, Tensor) and x.shape.ndims is not None:
        return constant(np.arange(x.shape.ndims), dtype="int32")
    return ranges.range(0, shapes.rank(x))


def _extreme(function: Callable, largest: bool) -> Callable:
    def compute(x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
        if x.size:
            return function(x, axis=axes, keepdims=keepdims)
        limits = np.finfo(x.dtype) if x.dtype.kind == "f" else np.iinfo(x.dtype)
        worst = x.dtype.type(limits.min if largest else limits.max)
        return function(x, axis=axes, keepdims=keepdims, initial=worst)

    return compute


def _prod(x: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    return np.prod(x, axis=axes, keepdims=keepdims, dtype=x.dtype)


reduce_sum = _reduction("reduce_sum", "Sum", sums.sum, "The sum")
reduce_mean = _reduction("reduce_mean", "Mean", sums.mean, "The mean")
reduce_prod = _reduction("reduce_prod", "Prod", _prod, "The product")
reduce_max = _reduction("reduce_max", "Max", _extreme(np.max, True), "The largest number", "iuf")
reduce_min = _reduction("reduce_min", "Min", _extreme(np.min, False), "The smallest number", "iuf")
reduce_all = _reduction(
    "reduce_all",
    "All",
    lambda x, axes, keepdims: np.all(x, axis=axes, keepdims=keepdims),
    "Whether all are true",
    "b",
)
reduce_any = _reduction(
    "reduce_any",
    "Any",
    lambda x, axes, keepdims: np.any(x, axis=axes, keepdims=keepdims),
    "Whether any is true",
    "b",
)
not_differentiable("All", "Any")


def count_nonzero(
    input_tensor: TensorLike,
    axis: Any = None,
    keepdims: bool | None = None,
    dtype: DTypeLike = "int64",
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The number of elements that are not 0, over some dimensions; see `reduce_sum`."""
    axis = _one_of("axis", axis, "reduction_indices", reduction_indices, "tf.count_nonzero")
    keepdims = _one_of("keepdims", keepdims, "keep_dims", keep_dims, "tf.count_nonzero")
    with name_scope(name, "count_nonzero"):
        x = convert_to_tensor(input_tensor, name="input")
        zero = filling.zeros([], dtype=x.dtype.base_dtype)
        counted = elementwise.cast(comparisons.not_equal(x, zero), "int64")
        return elementwise.cast(reduce_sum(counted, axis=axis, keepdims=keepdims), dtype)


def reduce_logsumexp(
    input_tensor: TensorLike,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """log(sum(exp(x))) over some dimensions, without overflow; see `reduce_sum`."""
    axis = _one_of("axis", axis, "reduction_indices", reduction_indices, "tf.reduce_logsumexp")
    keepdims = bool(_one_of("keepdims", keepdims, "keep_dims", keep_dims, "tf.reduce_logsumexp"))
    x = convert_to_tensor(input_tensor)
    with name_scope(name, "ReduceLogSumExp"):
        largest = reduce_max(x, axis=axis, keepdims=True)
        finite = elementwise.is_finite(largest)
        shift = shapes.stop_gradient(choices.where(finite, largest, filling.zeros_like(largest)))
        total = reduce_sum(elementwise.exp(arithmetic.subtract(x, shift)), axis, keepdims=keepdims)
        result = elementwise.log(total)
        if not keepdims:
            shift = reshaping.reshape(shift, shapes.shape(result))
        result = arithmetic.add(result, shift)
        if axis is None and not keepdims and not result.shape.is_fully_defined():
            result.set_shape([])
        return result


def reduce_variance(
    input_tensor: TensorLike, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The variance over some dimensions; see `reduce_sum`."""
    with name_scope(name or "reduce_variance"):
        means = reduce_mean(input_tensor, axis=axis, keepdims=True)
        squares = elementwise.square(input_tensor - means)
        return reduce_mean(squares, axis=axis, keepdims=keepdims)


def reduce_std(
    input_tensor: TensorLike, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """The standard deviation over some dimensions; see `reduce_sum`."""
    with name_scope(name or "reduce_std"):
        return elementwise.sqrt(reduce_variance(input_tensor, axis=axis, keepdims=keepdims))


def trace(x: TensorLike, name: str | None = None) -> Tensor:
    """The sum of the diagonal of each matrix (..., M, N)."""
    with name_scope(name, "Trace") as scope:
        x = convert_to_tensor(x, name="x")
        return reduce_sum(matrices.matrix_diag_part(x), [-1], name=scope)


def norm(
    tensor: TensorLike,
    ord: Any = "euclidean",  # noqa: A002
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """The norm of vectors or matrices.

    Args:
        tensor: The tensor.
        ord: "euclidean" (for matrices "fro" too), 1, 2, infinity, or for vectors another positive
            number.
        axis: The dimension of the vectors; two for matrices; None for one vector of all numbers.
        keepdims: Whether to keep the reduced dimensions, with size 1.
        name: The name of the operations' scope.
        keep_dims: Older name of `keepdims`.

    Raises:
        InputError: The norm is not provided.
    """
    keepdims = _one_of("keepdims", keepdims, "keep_dims", keep_dims, "tf.norm")
    of_matrices = isinstance(axis, (tuple, list)) and len(axis) == 2
    named = ("euclidean", "fro") if of_matrices else ("euclidean",)
    if (
        isinstance(ord, str)
        and ord not in named
        or not isinstance(ord, str)
        and (ord <= 0 or of_matrices and ord not in (1, np.inf))
    ):
        raise InputError(
            f"tf.norm(ord={ord!r}) is not provided for {'matrices' if of_matrices else 'vectors'}: "
            "use 'euclidean', 1, np.inf, or for vectors another positive number"
        )
    over = None if axis is None else tuple(axis) if of_matrices else (axis,)
    first, last = (None, None) if over is None else (over[0], over[-1])
    with name_scope(name, "norm"):
        x = convert_to_tensor(tensor)
        if isinstance(ord, str) or ord == 2:
            result = elementwise.sqrt(reduce_sum(x * x, over, keepdims=True))
        else:
            result = elementwise.abs(x)
            if ord == 1:
                result = reduce_sum(result, first, keepdims=True)
                if of_matrices:
                    result = reduce_max(result, last, keepdims=True)
            elif ord == np.inf:
                if of_matrices:
                    result = reduce_sum(result, last, keepdims=True)
                result = reduce_max(result, first, keepdims=True)
            else:
                total = reduce_sum(arithmetic.pow(result, ord), over, keepdims=True)
                result = arithmetic.pow(total, 1.0 / ord)
        return result if keepdims else reshaping.squeeze(result, over)


# Indices of extremes


def _index_of(function: str, type: str, kernel: Callable, which: str) -> Callable:  # noqa: A002
    def outputs(op: Operation) -> list[tuple[DType, Any]]:
        checked(op, "iuf", f"tf.{function}")
        shape, axis = op.inputs[0].shape, constant_value(op.inputs[1])
        kind = op.attrs["output_type"]
        if shape.ndims is None:
            return [(kind, TensorShape(None))]
        if axis is None:
            return [(kind, unknown_shape(max(shape.ndims - 1, 0)))]
        over = axis_of(axis.reshape(()), shape.ndims, f"tf.{function}")
        return [(kind, _without(shape, (over,), False))]

    def compute(op: Operation, x: np.ndarray, axis: np.ndarray) -> np.ndarray:
        found = kernel(x, axis=axis_of(axis, x.ndim, op.name))
        return np.asarray(found, op.attrs["output_type"].as_numpy_dtype)

    define(type, outputs, compute)
    not_differentiable(type)

    def index(
        input: TensorLike,  # noqa: A002
        axis: Any = None,
        name: str | None = None,
        dimension: Any = None,
        output_type: DTypeLike = "int64",
    ) -> Tensor:
        over = _one_of("axis", axis, "dimension", dimension, f"tf.{function}")
        over = 0 if over is None else over
        return apply(
            type,
            {"input": input, "dimension": over},
            name=name,
            attrs={"output_type": as_dtype(output_type)},
            dtypes=index_dtypes(dimension=over),
        ).outputs[0]

    index.__name__ = index.__qualname__ = function
    index.__doc__ = f"""The index of the {which} number along a dimension; of equal ones, the first.

    Args:
        input: The tensor.
        axis: The dimension; None for the first one.
        name: The name of the operation.
        dimension: Older name of `axis`.
        output_type: The dtype, int32 or int64.
    """
    return index


argmax = _index_of("argmax", "ArgMax", np.argmax, "largest")
argmin = _index_of("argmin", "ArgMin", np.argmin, "smallest")


def arg_max(
    input: TensorLike,  # noqa: A002
    dimension: TensorLike,
    output_type: DTypeLike = "int64",
    name: str | None = None,
) -> Tensor:
    """Older name of `argmax`."""
    return argmax(input, dimension, name, output_type=output_type)


def arg_min(
    input: TensorLike,  # noqa: A002
    dimension: TensorLike,
    output_type: DTypeLike = "int64",
    name: str | None = None,
) -> Tensor:
    """Older name of `argmin`."""
    return argmin(input, dimension, name, output_type=output_type)
