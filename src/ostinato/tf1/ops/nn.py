"""Private: the functions of tf.nn."""

from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import sums
from . import arrays, math
from .activations import crelu, elu, leaky_relu, relu, relu6, selu, softplus, softsign
from .embedding import embedding_lookup, embedding_lookup_sparse
from .normalization import (
    batch_norm_with_global_normalization,
    batch_normalization,
    fused_batch_norm,
    l2_normalize,
    moments,
)
from .random import random_uniform
from .softmax import (
    log_softmax,
    sigmoid_cross_entropy_with_logits,
    softmax,
    softmax_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits_v2,
    sparse_softmax_cross_entropy_with_logits,
    weighted_cross_entropy_with_logits,
)

__all__ = [
    "TopK",
    "batch_norm_with_global_normalization",
    "batch_normalization",
    "bias_add",
    "crelu",
    "dropout",
    "elu",
    "embedding_lookup",
    "embedding_lookup_sparse",
    "fused_batch_norm",
    "in_top_k",
    "l2_loss",
    "l2_normalize",
    "leaky_relu",
    "log_softmax",
    "moments",
    "relu",
    "relu6",
    "relu_layer",
    "selu",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "softplus",
    "softsign",
    "sparse_softmax_cross_entropy_with_logits",
    "top_k",
    "weighted_cross_entropy_with_logits",
    "xw_plus_b",
]


# Biases


def _channel_axis(op: Operation) -> int:
    return 1 if op.attrs["data_format"] == "NCHW" else -1


def _bias_outputs(op: Operation) -> list:
    value, bias = op.inputs
    shape, size = value.shape.with_rank_at_least(2), bias.shape.with_rank(1)[0]
    if shape.sizes is None:
        return [(value.dtype.base_dtype, shape)]
    sizes: list[Any] = list(shape.sizes)
    axis = _channel_axis(op)
    if None not in (sizes[axis], size.value) and sizes[axis] != size.value:
        raise SizeError(
            f"{op.name}: the bias has {size} values and the input {value.shape}: give the bias "
            f"{sizes[axis]} values"
        )
    sizes[axis] = size if sizes[axis] is None else sizes[axis]
    return [(value.dtype.base_dtype, sizes)]


def _bias_add(op: Operation, value: np.ndarray, bias: np.ndarray) -> np.ndarray:
    if _channel_axis(op) == 1:
        bias = bias.reshape(-1, *[1] * (value.ndim - 2))
    return value + bias


def _bias_gradient(op: Operation, grad: np.ndarray) -> np.ndarray:
    if _channel_axis(op) == 1:
        grad = np.moveaxis(grad, 1, -1)
    return sums.bias_add_grad(grad)


define("BiasAdd", _bias_outputs, _bias_add)
define(
    "BiasAddGrad",
    lambda op: [(op.inputs[0].dtype.base_dtype, [op.inputs[0].shape[_channel_axis(op)]])],
    _bias_gradient,
)
define(
    "L2Loss",
    lambda op: [(op.inputs[0].dtype.base_dtype, [])],
    lambda op, x: sums.l2_loss(x),
)


def bias_add(
    value: TensorLike, bias: TensorLike, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """Add a bias to the last dimension.

    Args:
        value: (..., C).
        bias: (C,).
        data_format: "NHWC", the default, or "NCHW", where C is the second dimension of `value`.
        name: The name of the operation.
    """
    if data_format not in (None, "NHWC", "NCHW"):
        raise InputError(f"bias_add(data_format={data_format!r}): give 'NHWC' or 'NCHW'")
    with name_scope(name, "BiasAdd") as scope:
        value = convert_to_tensor(value, name="input")
        bias = convert_to_tensor(bias, value.dtype, "bias")
        attrs = {"data_format": data_format or "NHWC"}
        inputs = {"value": value, "bias": bias}
        return apply("BiasAdd", inputs, name=scope, attrs=attrs).outputs[0]


def xw_plus_b(
    x: TensorLike, weights: TensorLike, biases: TensorLike, name: str | None = None
) -> Tensor:
    """matmul(x, weights) + biases.

    Args:
        x: (B, I).
        weights: (I, H).
        biases: (H,).
        name: The name of the operation.
    """
    with name_scope(name, "xw_plus_b") as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return bias_add(math.matmul(x, weights), biases, name=scope)


def relu_layer(
    x: TensorLike, weights: TensorLike, biases: TensorLike, name: str | None = None
) -> Tensor:
    """relu(matmul(x, weights) + biases); see `xw_plus_b`."""
    with name_scope(name, "relu_layer") as scope:
        x = convert_to_tensor(x, name="x")
        weights = convert_to_tensor(weights, name="weights")
        biases = convert_to_tensor(biases, name="biases")
        return relu(bias_add(math.matmul(x, weights), biases), name=scope)


def l2_loss(t: TensorLike, name: str | None = None) -> Tensor:
    """Half the sum of squares."""
    return apply("L2Loss", {"t": t}, name=name).outputs[0]


# Dropout


def _rate(keep_prob: Any, rate: Any) -> Any:
    if keep_prob is None and rate is None:
        raise InputError("You must provide a rate to dropout: tf.nn.dropout(x, rate=0.5)")
    if keep_prob is not None and rate is not None:
        raise InputError("Cannot specify both 'rate' and 'keep_prob': give rate = 1 - keep_prob")
    if rate is not None:
        return rate
    try:
        return 1.0 - keep_prob
    except TypeError:
        raise InputError(
            f"keep_prob must be a floating point number or Tensor, not {keep_prob!r}"
        ) from None


def _noise_shape(x: Tensor, noise_shape: Any) -> Any:
    if noise_shape is None:
        return arrays.shape(x)
    if isinstance(noise_shape, Tensor):
        return noise_shape
    if not isinstance(noise_shape, TensorShape) and any(isinstance(n, Tensor) for n in noise_shape):
        return noise_shape
    given = as_shape(noise_shape)
    if x.shape.sizes is not None and given.ndims == x.shape.ndims:
        return TensorShape(
            [n if m is None else m for m, n in zip(given.as_list(), x.shape.as_list())]
        )
    return noise_shape


def dropout(
    x: TensorLike,
    keep_prob: TensorLike | None = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: TensorLike | None = None,
) -> Tensor:
    """Set random elements to 0 and divide the others by the probability to keep them.

    Args:
        x: A tensor of floats.
        keep_prob: The probability to keep an element, above 0 and up to 1.
        noise_shape: The shape of the mask, which is broadcast to `x`; None for the shape of `x`.
        seed: The seed of the random operation; None for the graph's.
        name: The name of the scope of the operations.
        rate: The probability to drop an element: 1 - `keep_prob`. One of the two is given.

    Raises:
        InputError: The tensor has no floats, or the probability is not one.
    """
    rate = _rate(keep_prob, rate)
    with name_scope(name, "dropout"):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_floating:
            raise InputError(
                f"x has to be a floating point tensor since it's going to be scaled. Got {x}: "
                f"write tf.cast(x, tf.float32)"
            )
        if isinstance(rate, (int, float, np.number)):
            if not 0 <= rate < 1:
                raise InputError(
                    f"rate must be a scalar tensor or a float in the range [0, 1), got {rate:g}: "
                    "keep_prob is from above 0 up to 1"
                )
            if rate == 0:
                return x
        rate = convert_to_tensor(rate, x.dtype, "rate")
        rate.shape.assert_is_compatible_with([])
        if (known := constant_value(rate)) is not None and known == 0:
            return x
        shape = _noise_shape(x, noise_shape)
        keep = 1 - rate
        # 1 where a uniform number is from 1 - keep on
        mask = math.floor(keep + random_uniform(shape, seed=seed, dtype=x.dtype))
        result = x / keep * mask
        result.set_shape(x.shape)
        return result


# The largest values


class TopK(NamedTuple):
    """The results of `top_k`."""

    values: Tensor
    indices: Tensor


def _top_k_outputs(op: Operation) -> list:
    x = op.inputs[0]
    k = constant_value(op.inputs[1])
    count = None if k is None else int(k)
    last = x.shape.with_rank_at_least(1)
    if last.sizes is None:
        shape = TensorShape(None)
    else:
        if None not in (count, last.sizes[-1]) and last.sizes[-1] < count:  # type: ignore[operator]
            raise SizeError(
                f"input must have last dimension >= k = {count} but is {last.sizes[-1]}"
            )
        shape = TensorShape([*last.sizes[:-1], count])
    return [(x.dtype.base_dtype, shape), (DTYPES["int32"], shape)]


def _top_k(op: Operation, x: np.ndarray, k: Any) -> tuple:
    # of equal values the first one first
    if x.dtype.kind in "iub":
        x_order = -x.astype(np.int64)
    else:
        x_order = -x
    indices = np.argsort(x_order, axis=-1, kind="stable")[..., : int(k)].astype(np.int32)
    return np.take_along_axis(x, indices, -1), indices


def _in_top_k(op: Operation, predictions: np.ndarray, targets: np.ndarray, k: Any) -> np.ndarray:
    classes = predictions.shape[1]
    inside = (targets >= 0) & (targets < classes)
    chosen = predictions[np.arange(len(targets)), np.where(inside, targets, 0)]
    better = (predictions > chosen[:, None]).sum(1)
    return inside & np.isfinite(predictions).all(1) & np.isfinite(chosen) & (better < k)


define("TopKV2", _top_k_outputs, _top_k)
define("InTopKV2", lambda op: [(DTYPES["bool"], op.inputs[1].shape)], _in_top_k)
not_differentiable("InTopKV2")


def top_k(
    input: TensorLike,  # noqa: A002
    k: TensorLike = 1,
    sorted: bool = True,  # noqa: A002
    name: str | None = None,
) -> TopK:
    """The largest values of the last dimension, and their indices.

    Args:
        input: (..., N).
        k: The number of values.
        sorted: Accepted for compatibility: values are in descending order.
        name: The name of the operation.
    """
    op = apply("TopKV2", {"input": input, "k": k}, name=name, dtypes={"k": "int32"})
    return TopK(*op.outputs)


def in_top_k(
    predictions: TensorLike, targets: TensorLike, k: TensorLike, name: str | None = None
) -> Tensor:
    """Whether the targets are among the classes of the k largest predictions.

    Args:
        predictions: (B, C).
        targets: The classes, (B,).
        k: The number of classes.
        name: The name of the scope of the operation.
    """
    with name_scope(name, "in_top_k"):
        inputs = {"predictions": predictions, "targets": targets, "k": k}
        return apply("InTopKV2", inputs, same=("targets", "k")).outputs[0]
