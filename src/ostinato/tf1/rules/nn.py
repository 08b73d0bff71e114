"""Private: the gradients of the operations of networks."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.constant import constant_value
from ..core.conversion import apply
from ..core.graph import control_dependencies
from ..core.registry import define, gradient
from ..core.tensors import Operation, Tensor
from ..kernels import elementwise as kernels
from ..ops import arrays, math, nn
from ..ops.inference import like_first
from ..ops.sparse import sparse_to_dense

__all__: list[str] = []


# Activation functions


# Klambauer et al., Self-Normalizing Neural Networks (2017), equation 14.
_SELU_SCALE = 1.0507009873554804934193349852946
_SELU_SCALE_ALPHA = 1.7580993408473768599402175208123


def _selu_grad(grad: np.ndarray, y: np.ndarray) -> np.ndarray:
    scale, scale_alpha = y.dtype.type(_SELU_SCALE), y.dtype.type(_SELU_SCALE_ALPHA)
    return np.where(y < 0, grad * (y + scale_alpha), grad * scale)


def _softplus_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return grad / (kernels.exp(-x) + x.dtype.type(1))


def _softsign_grad(grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return grad / np.square(x.dtype.type(1) + np.abs(x))


def _gradient_function(op_type: str, kernel: Callable, second: str, kinds: str = "f") -> Callable:
    """Define the operation that computes a gradient from that of the result and, as `second` says,
    the input (features) or the result (outputs).
    """
    define(op_type, like_first(kinds), lambda op, grad, x: kernel(grad, x))

    def function(gradients: Tensor, x: Tensor) -> Tensor:
        inputs = {"gradients": gradients, second: x}
        return apply(op_type, inputs, same=tuple(inputs)).outputs[0]

    return function


_relu_grad = _gradient_function("ReluGrad", lambda g, x: g * (x > 0), "features", "iuf")
_relu6_grad = _gradient_function(
    "Relu6Grad", lambda g, x: g * ((x > 0) & (x < 6)), "features", "iuf"
)
_elu_grad = _gradient_function(
    "EluGrad", lambda g, y: np.where(y < 0, (y + y.dtype.type(1)) * g, g), "outputs"
)
_selu_grads = _gradient_function("SeluGrad", _selu_grad, "outputs")
_softplus_grads = _gradient_function("SoftplusGrad", _softplus_grad, "features")
_softsign_grads = _gradient_function("SoftsignGrad", _softsign_grad, "features")


def _leaky_grad(op: Operation, grad: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.where(x > 0, grad, grad * grad.dtype.type(op.attrs["alpha"]))


define("LeakyReluGrad", like_first("f"), _leaky_grad)


@gradient("Relu")
def _relu_gradient(op: Operation, grad: Tensor) -> list:
    return [_relu_grad(grad, op.outputs[0])]


@gradient("Relu6")
def _relu6_gradient(op: Operation, grad: Tensor) -> list:
    return [_relu6_grad(grad, op.outputs[0])]


@gradient("Elu")
def _elu_gradient(op: Operation, grad: Tensor) -> list:
    return [_elu_grad(grad, op.outputs[0])]


@gradient("Selu")
def _selu_gradient(op: Operation, grad: Tensor) -> list:
    return [_selu_grads(grad, op.outputs[0])]


@gradient("Softplus")
def _softplus_gradient(op: Operation, grad: Tensor) -> list:
    return [_softplus_grads(grad, op.inputs[0])]


@gradient("Softsign")
def _softsign_gradient(op: Operation, grad: Tensor) -> list:
    return [_softsign_grads(grad, op.inputs[0])]


def _leaky_relu_grad(op: Operation, gradients: Tensor, features: Tensor) -> Tensor:
    inputs = {"gradients": gradients, "features": features}
    return apply("LeakyReluGrad", inputs, attrs={"alpha": op.attrs["alpha"]}).outputs[0]


@gradient("LeakyRelu")
def _leaky_relu_gradient(op: Operation, grad: Tensor) -> list:
    return [_leaky_relu_grad(op, grad, op.inputs[0])]


@gradient("LeakyReluGrad")
def _leaky_relu_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_leaky_relu_grad(op, grad, x), arrays.zeros_like(x)]


@gradient("ReluGrad")
def _relu_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_relu_grad(grad, x), arrays.zeros(arrays.shape(x), x.dtype)]


@gradient("Relu6Grad")
def _relu6_grad_gradient(op: Operation, grad: Tensor) -> list:
    x = op.inputs[1]
    return [_relu6_grad(grad, x), arrays.zeros(arrays.shape(x), x.dtype)]


@gradient("EluGrad")
def _elu_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, y = op.inputs
    second = arrays.where(y < 0, grad * first, arrays.zeros(arrays.shape(y), y.dtype))
    return [_elu_grad(grad, y), second]


@gradient("SeluGrad")
def _selu_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, y = op.inputs
    second = arrays.where(y < 0.0, grad * first, arrays.zeros(arrays.shape(y), y.dtype))
    return [_selu_grads(grad, y), second]


@gradient("SoftplusGrad")
def _softplus_grad_gradient(op: Operation, grad: Tensor) -> list:
    first, x = op.inputs
    with control_dependencies([grad]):
        below = _softplus_grads(grad, x)
        return [below, grad * first / (math.exp(-x) + 2.0 + math.exp(x))]


# Softmax and cross-entropies


@gradient("Softmax")
def _softmax_gradient(op: Operation, grad: Tensor) -> list:
    result = op.outputs[0]
    total = math.reduce_sum(grad * result, -1, keepdims=True)
    return [(grad - total) * result]


@gradient("LogSoftmax")
def _log_softmax_gradient(op: Operation, grad: Tensor) -> list:
    probabilities = math.exp(op.outputs[0])
    return [grad - math.reduce_sum(grad, -1, keepdims=True) * probabilities]


def _rows_times(vector: Tensor, matrix: Tensor) -> Tensor:
    return arrays.expand_dims(vector, -1) * matrix


def _is_zero(grad: Tensor) -> bool:
    if grad.op.type in ("ZerosLike", "Zeros"):
        return True
    value = constant_value(grad)
    return value is not None and not value.any()


@gradient("SoftmaxCrossEntropyWithLogits")
def _cross_entropy_gradient(op: Operation, grad: Tensor, grad_grad: Tensor | None) -> list:
    logits = op.inputs[0]
    to_logits = _rows_times(grad, op.outputs[1])
    if grad_grad is not None and not _is_zero(grad_grad):
        # the second derivative
        probabilities = nn.softmax(logits)
        row, column = arrays.expand_dims(grad_grad, 1), arrays.expand_dims(probabilities, 2)
        product = arrays.squeeze(math.matmul(row, column), axis=1)
        to_logits += (grad_grad - product) * probabilities
    return [to_logits, _rows_times(grad, -nn.log_softmax(logits))]


@gradient("SparseSoftmaxCrossEntropyWithLogits")
def _sparse_cross_entropy_gradient(op: Operation, grad: Tensor, _: Any) -> list:
    message = "The second derivative of sparse_softmax_cross_entropy_with_logits cannot be taken"
    derivative = arrays.prevent_gradient(op.outputs[1], message=message)
    return [_rows_times(grad, derivative), None]


# Biases and the largest elements


@gradient("BiasAdd")
def _bias_add_gradient(op: Operation, grad: Tensor) -> list:
    attrs = {"data_format": op.attrs["data_format"]}
    return [grad, apply("BiasAddGrad", {"out_backprop": grad}, attrs=attrs).outputs[0]]


@gradient("BiasAddGrad")
def _bias_add_grad_gradient(op: Operation, grad: Tensor) -> list:
    shape, bias = arrays.shape(op.inputs[0]), arrays.shape(grad)
    if op.attrs["data_format"] == "NCHW":
        parts = [arrays.ones_like(shape[:-3]), bias, arrays.ones_like(shape[-2:])]
        times = arrays.concat([shape[:-3], [1], shape[-2:]], 0)
    else:
        parts = [arrays.ones_like(shape[:-1]), bias]
        times = arrays.concat([shape[:-1], [1]], 0)
    return [arrays.tile(arrays.reshape(grad, arrays.concat(parts, 0)), times)]


@gradient("L2Loss")
def _l2_loss_gradient(op: Operation, grad: Tensor) -> list:
    return [op.inputs[0] * grad]


@gradient("TopKV2")
def _top_k_gradient(op: Operation, grad: Tensor, _: Any) -> list:
    shape = arrays.shape(op.inputs[0])
    index_shape = arrays.shape(op.outputs[1])
    count = arrays.gather(math.cast(index_shape, "int64"), arrays.size(index_shape) - 1)
    rows = arrays.reshape(op.outputs[1], arrays.stack([-1, count]))
    last = arrays.gather(math.cast(shape, "int64"), arrays.size(shape) - 1)
    outer = math.cast(arrays.shape(rows)[0], "int64")
    starts = math.range(0, outer * last, last)
    places = rows + math.cast(arrays.expand_dims(starts, -1), "int32")
    flat = sparse_to_dense(
        arrays.reshape(places, [-1]),
        arrays.reshape(math.reduce_prod(shape), [1]),
        arrays.reshape(grad, [-1]),
        validate_indices=False,
    )
    return [arrays.reshape(flat, shape), arrays.zeros([], dtype="int32")]


# Normalization


@gradient("FusedBatchNorm")
def _fused_gradient(op: Operation, *grads: Tensor) -> list:
    training = op.attrs["is_training"]
    used = op.outputs[3:5] if training else op.inputs[3:5]
    inputs = dict(
        zip(
            ("y_backprop", "x", "scale", "reserve_space_1", "reserve_space_2"),
            (grads[0], op.inputs[0], op.inputs[1], *used),
        )
    )
    d_x, d_scale, d_offset = apply("FusedBatchNormGrad", inputs, attrs=op.attrs).outputs[:3]
    return [d_x, d_scale, d_offset, None, None]


# Pooling


@gradient("MaxPool")
def _max_pool_gradient(op: Operation, grad: Tensor) -> list:
    inputs = {"orig_input": op.inputs[0], "orig_output": op.outputs[0], "grad": grad}
    return [apply("MaxPoolGrad", inputs, attrs=op.attrs).outputs[0]]


@gradient("AvgPool")
def _avg_pool_gradient(op: Operation, grad: Tensor) -> list:
    inputs = {"orig_input_shape": arrays.shape(op.inputs[0]), "grad": grad}
    return [apply("AvgPoolGrad", inputs, attrs=op.attrs).outputs[0]]


# Convolution


@gradient("Conv2D")
def _conv2d_gradient(op: Operation, grad: Tensor) -> list:
    return _gradients(op, grad, "Conv2DBackpropInput", "Conv2DBackpropFilter")


@gradient("Conv3D")
def _conv3d_gradient(op: Operation, grad: Tensor) -> list:
    return _gradients(op, grad, "Conv3DBackpropInputV2", "Conv3DBackpropFilterV2")


def _gradients(op: Operation, grad: Tensor, of_input: str, of_kernel: str) -> list:
    x, kernel = op.inputs
    input_sizes, filter_sizes = arrays.shape_n([x, kernel])
    given = {"input_sizes": input_sizes, "filter": kernel, "out_backprop": grad}
    dx = apply(of_input, given, attrs=op.attrs).outputs[0]
    given = {"input": x, "filter_sizes": filter_sizes, "out_backprop": grad}
    return [dx, apply(of_kernel, given, attrs=op.attrs).outputs[0]]
