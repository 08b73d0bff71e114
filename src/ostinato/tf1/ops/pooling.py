"""Private: the largest value and the mean of windows of images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.graph import name_scope
from ..core.registry import define
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = ["avg_pool", "max_pool"]


def _after(size: int | None, window: int, step: int, padding: str) -> int | None:
    if size is None:
        return None
    return -(-size // step) if padding == "SAME" else max(-(-(size - window + 1) // step), 0)


def _outputs(op: Operation) -> list:
    x = op.inputs[0]
    sizes = x.shape.with_rank(4).sizes or (None,) * 4
    attrs = op.attrs
    found = [
        _after(n, window, step, attrs["padding"])
        for n, window, step in zip(sizes, attrs["ksize"], attrs["strides"])
    ]
    return [(x.dtype.base_dtype, found)]


def _bounds(op: Operation, shape: Sequence[int]) -> list[tuple[int, int]]:
    """The numbers of values that are added before and after each axis."""
    bounds = []
    for n, window, step in zip(shape, op.attrs["ksize"], op.attrs["strides"]):
        count = _after(n, window, step, op.attrs["padding"])
        missing = max((count - 1) * step + window - n, 0)  # type: ignore[operator]
        bounds.append((missing // 2, missing - missing // 2))
    return bounds


def _places(op: Operation, shape: Sequence[int]) -> Iterator[tuple[slice, ...]]:
    """For each place in a window, the values at that place of all windows."""
    attrs = op.attrs
    counts = [
        _after(n, window, step, attrs["padding"])
        for n, window, step in zip(shape, attrs["ksize"], attrs["strides"])
    ]
    for offsets in np.ndindex(*attrs["ksize"]):
        yield tuple(
            slice(o, o + (count - 1) * step + 1, step)  # type: ignore[operator]
            for o, count, step in zip(offsets, counts, attrs["strides"])
        )


def _padded(op: Operation, x: np.ndarray, value: Any) -> np.ndarray:
    return np.pad(x, _bounds(op, x.shape), constant_values=value)


def _unpadded(op: Operation, padded: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    inside = [slice(a, a + n) for (a, _), n in zip(_bounds(op, shape), shape)]
    return np.ascontiguousarray(padded[tuple(inside)])


def _max(op: Operation, x: np.ndarray) -> np.ndarray:
    padded = _padded(op, x, -np.inf)
    return np.max([padded[place] for place in _places(op, x.shape)], axis=0)


def _max_grad(op: Operation, x: np.ndarray, y: np.ndarray, grad: np.ndarray) -> np.ndarray:
    padded = _padded(op, x, -np.inf)
    result = np.zeros_like(padded)
    left = np.ones(grad.shape, bool)
    for place in _places(op, x.shape):
        # the first of equal values gets all
        chosen = left & (padded[place] == y)
        result[place] += np.where(chosen, grad, grad.dtype.type(0))
        left &= ~chosen
    return _unpadded(op, result, x.shape)


def _counts(op: Operation, shape: Sequence[int], kind: Any) -> np.ndarray:
    inside = _padded(op, np.ones(shape, kind), 0)
    return np.sum([inside[place] for place in _places(op, shape)], axis=0)


def _mean(op: Operation, x: np.ndarray) -> np.ndarray:
    padded = _padded(op, x, 0)
    total = np.sum([padded[place] for place in _places(op, x.shape)], axis=0)
    return total / _counts(op, x.shape, x.dtype)


def _mean_grad(op: Operation, shape: np.ndarray, grad: np.ndarray) -> np.ndarray:
    sizes = [int(n) for n in shape]
    share = grad / _counts(op, sizes, grad.dtype)
    result = _padded(op, np.zeros(sizes, grad.dtype), 0)
    for place in _places(op, sizes):
        result[place] += share
    return _unpadded(op, result, sizes)


define("MaxPool", _outputs, _max)
define("AvgPool", _outputs, _mean)
define(
    "MaxPoolGrad",
    lambda op: [(op.inputs[0].dtype.base_dtype, op.inputs[0].shape)],
    _max_grad,
)
define(
    "AvgPoolGrad",
    lambda op: [(op.inputs[1].dtype.base_dtype, constant_value_as_shape(op.inputs[0]))],
    _mean_grad,
)


def _pool(
    op_type: str,
    value: TensorLike,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str,
    name: str | None,
) -> Tensor:
    if padding not in ("SAME", "VALID") or data_format not in ("NHWC", "NCHW"):
        raise InputError(
            f"{op_type}(padding={padding!r}, data_format={data_format!r}): give 'SAME' or 'VALID', "
            "and 'NHWC' or 'NCHW'"
        )
    if len(ksize) != 4 or len(strides) != 4:
        raise InputError(f"{op_type}(ksize={ksize}, strides={strides}): give four numbers each")
    with name_scope(name, op_type) as scope:
        value = convert_to_tensor(value, name="input" if op_type == "MaxPool" else "value")
        attrs = {
            "ksize": list(ksize),
            "strides": list(strides),
            "padding": padding,
            "data_format": data_format,
        }
        return apply(op_type, {"input": value}, name=scope, attrs=attrs).outputs[0]


def max_pool(
    value: TensorLike,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """The largest value of each window.

    Args:
        value: Images, (B, height, width, C).
        ksize: The size of a window in each dimension, such as [1, 2, 2, 1].
        strides: The step from window to window in each dimension.
        padding: "SAME" for windows over the edges, or "VALID".
        data_format: "NHWC", or "NCHW" for (B, C, height, width).
        name: The name of the operation.
    """
    return _pool("MaxPool", value, ksize, strides, padding, data_format, name)


def avg_pool(
    value: TensorLike,
    ksize: Sequence[int],
    strides: Sequence[int],
    padding: str,
    data_format: str = "NHWC",
    name: str | None = None,
) -> Tensor:
    """The mean of each window; see `max_pool`."""
    return _pool("AvgPool", value, ksize, strides, padding, data_format, name)
