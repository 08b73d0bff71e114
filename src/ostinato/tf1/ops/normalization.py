"""Private: means, variances and normalization."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import apply, convert_to_tensor
from ..core.graph import name_scope
from ..core.registry import define
from ..core.tensors import Operation, Tensor, TensorLike
from . import arrays, math

__all__ = [
    "batch_norm_with_global_normalization",
    "batch_normalization",
    "fused_batch_norm",
    "l2_normalize",
    "moments",
]


def moments(
    x: TensorLike,
    axes: Sequence[int],
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool = False,
    *,
    keepdims: bool | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean and the variance over axes.

    Args:
        x: The tensor.
        axes: The axes.
        shift: Accepted for compatibility; ignored.
        name: The name of the scope of the operations.
        keep_dims, keepdims: Whether the axes stay, with size 1.
    """
    keep = bool(keep_dims) if keepdims is None else keepdims
    with name_scope(name, "moments"):
        x = convert_to_tensor(x, name="x")
        half = x.dtype.base_dtype.name == "float16"
        y = math.cast(x, "float32") if half else x
        mean = math.reduce_mean(y, axes, keepdims=True, name="mean")
        squares = math.squared_difference(y, arrays.stop_gradient(mean))
        variance = math.reduce_mean(squares, axes, keepdims=True, name="variance")
        if not keep:
            mean, variance = arrays.squeeze(mean, axes), arrays.squeeze(variance, axes)
        if half:
            return math.cast(mean, "float16"), math.cast(variance, "float16")
        return mean, variance


def batch_normalization(
    x: TensorLike,
    mean: TensorLike,
    variance: TensorLike,
    offset: TensorLike | None,
    scale: TensorLike | None,
    variance_epsilon: float,
    name: str | None = None,
) -> Tensor:
    """(x - mean) / sqrt(variance + epsilon) * scale + offset.

    Args:
        x: The tensor.
        mean, variance: Of shapes that broadcast to that of `x`.
        offset, scale: The offset and the scale of the result, or None.
        variance_epsilon: A small number.
        name: The name of the scope of the operations.
    """
    with name_scope(name, "batchnorm"):
        factor = math.rsqrt(variance + variance_epsilon)
        if scale is not None:
            factor = factor * scale
        scaled = x * factor
        return scaled + (offset - mean * factor if offset is not None else -mean * factor)


def batch_norm_with_global_normalization(
    t: TensorLike,
    m: TensorLike,
    v: TensorLike,
    beta: TensorLike,
    gamma: TensorLike,
    variance_epsilon: float,
    scale_after_normalization: bool,
    name: str | None = None,
) -> Tensor:
    """`batch_normalization` with its arguments in another order; without `gamma` unless
    `scale_after_normalization`.
    """
    scale = gamma if scale_after_normalization else None
    return batch_normalization(t, m, v, beta, scale, variance_epsilon, name)


def l2_normalize(
    x: TensorLike,
    axis: Any = None,
    epsilon: float = 1e-12,
    name: str | None = None,
    dim: Any = None,
) -> Tensor:
    """x divided by its length along axes.

    Args:
        x: The tensor.
        axis: The axes; None for all.
        epsilon: The smallest square of the length.
        name: The name of the operation.
        dim: An old name of `axis`.
    """
    with name_scope(name, "l2_normalize") as scope:
        x = convert_to_tensor(x, name="x")
        total = math.reduce_sum(math.square(x), dim if axis is None else axis, keepdims=True)
        return math.multiply(x, math.rsqrt(math.maximum(total, epsilon)), name=scope)


# Fused batch normalization of images, (B, height, width, C)


class FusedBatchNorm(NamedTuple):
    """The results of `fused_batch_norm`: the normalized images, and the mean and the variance of
    each channel.
    """

    y: Tensor
    batch_mean: Tensor
    batch_var: Tensor


def _rows(op: Operation, x: np.ndarray) -> np.ndarray:
    if op.attrs["data_format"] == "NCHW":
        x = np.moveaxis(x, 1, -1)
    return x.reshape(-1, x.shape[-1])


def _images(op: Operation, rows: np.ndarray, like: np.ndarray) -> np.ndarray:
    if op.attrs["data_format"] == "NCHW":
        moved = np.moveaxis(like, 1, -1)
        return np.ascontiguousarray(np.moveaxis(rows.reshape(moved.shape), -1, 1))
    return rows.reshape(like.shape)


def _fused_outputs(op: Operation) -> list:
    x, scale = op.inputs[:2]
    channels = op.inputs[1].shape
    dtype = scale.dtype.base_dtype
    return [(x.dtype.base_dtype, x.shape)] + [(dtype, channels)] * 4


def _fused(
    op: Operation,
    x: np.ndarray,
    scale: np.ndarray,
    offset: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> tuple:
    rows = _rows(op, x)
    batch_mean, batch_variance = mean, variance
    saved = variance
    if op.attrs["is_training"]:
        kind = rows.dtype.type
        count = len(rows)
        batch_mean = mean = rows.sum(0) * (kind(1) / kind(count))
        saved = variance = np.square(rows - mean).sum(0) * (kind(1) / kind(count))
        # the variance of the population
        batch_variance = variance * (kind(count) / kind(max(count - 1, 1)))
    epsilon = rows.dtype.type(op.attrs["epsilon"])
    factor = scale * (rows.dtype.type(1) / np.sqrt(variance + epsilon))
    y = (rows - mean) * factor + offset
    return _images(op, y, x), batch_mean, batch_variance, mean, saved


def _fused_grad_outputs(op: Operation) -> list:
    _, x, scale = op.inputs[:3]
    kind = scale.dtype.base_dtype
    return [(x.dtype.base_dtype, x.shape), (kind, scale.shape), (kind, scale.shape)] + [
        (kind, [0])
    ] * 2


def _fused_grad(
    op: Operation,
    grad: np.ndarray,
    x: np.ndarray,
    scale: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
) -> tuple:
    rows, dy = _rows(op, x), _rows(op, grad)
    kind = rows.dtype.type
    factor = kind(1) / np.sqrt(variance + kind(op.attrs["epsilon"]))
    normalized = (rows - mean) * factor
    d_offset = dy.sum(0)
    d_scale = (dy * normalized).sum(0)
    if op.attrs["is_training"]:
        centered = dy - d_offset / kind(len(rows)) - normalized * (d_scale / kind(len(rows)))
    else:
        centered = dy
    unused = np.zeros(0, scale.dtype)
    return _images(op, centered * (scale * factor), x), d_scale, d_offset, unused, unused


define("FusedBatchNorm", _fused_outputs, _fused)
define("FusedBatchNormGrad", _fused_grad_outputs, _fused_grad)


def fused_batch_norm(
    x: TensorLike,
    scale: TensorLike,
    offset: TensorLike,
    mean: TensorLike | None = None,
    variance: TensorLike | None = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
) -> FusedBatchNorm:
    """Batch normalization of images.

    Args:
        x: The images, (B, height, width, C).
        scale, offset: The scale and the offset of each channel, (C,).
        mean, variance: Of each channel, (C,), where it is not for training.
        epsilon: A small number that is added to the variance.
        data_format: "NHWC", or "NCHW" for (B, C, height, width).
        is_training: Whether to use the mean and the variance of `x` itself.
        name: The name of the operation.

    Raises:
        InputError: `mean` and `variance` are missing, or given for training.
    """
    if is_training == (mean is not None or variance is not None):
        raise InputError(
            f"fused_batch_norm(is_training={is_training}): give 'mean' and 'variance' where it is "
            "not for training, and leave them out otherwise"
        )
    x = convert_to_tensor(x, name="input")
    scale = convert_to_tensor(scale, name="scale")
    offset = convert_to_tensor(offset, name="offset")
    mean = constant([]) if mean is None else mean
    variance = constant([]) if variance is None else variance
    attrs = {
        # the smallest epsilon of cuDNN
        "epsilon": max(epsilon, 1.001e-5),
        "data_format": data_format,
        "is_training": is_training,
    }
    inputs = {"x": x, "scale": scale, "offset": offset, "mean": mean, "variance": variance}
    op = apply("FusedBatchNorm", inputs, name=name, attrs=attrs)
    return FusedBatchNorm(*op.outputs[:3])
