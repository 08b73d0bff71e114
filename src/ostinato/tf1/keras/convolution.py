"""Private: convolution and pooling of sequences (tf.keras)."""

from typing import Any

from ...errors import InputError
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.core import last_size
from ..layers.specs import InputSpec
from ..ops import arrays, convolution, nn, pooling
from . import activations, constraints, initializers, regularizers
from .engine import Layer, as_list

__all__ = ["AveragePooling1D", "Conv1D", "MaxPool1D", "MaxPooling1D"]


def _one(value: Any, name: str) -> int:
    found = as_list(value)
    if len(found) != 1 or not isinstance(found[0], int) or found[0] < 1:
        raise InputError(f"{name}={value!r}: give one whole number, 1 or more")
    return found[0]


class Conv1D(Layer):
    """A convolution over sequences (B, T, C).

    Args:
        filters: The number of channels of the result.
        kernel_size: The number of steps of the kernel.
        strides: The step of the kernel.
        padding: "valid", "same" for zeros around the input, or "causal" for zeros before it.
        data_format: Must be "channels_last".
        dilation_rate: Must be 1.
        activation: A function of the output, or its name; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer, bias_initializer: Functions of a shape, or names.
        kernel_regularizer, bias_regularizer: Functions of a variable whose result is a loss.
        activity_regularizer: A function of the output whose result is a loss.
        kernel_constraint, bias_constraint: Functions of the value that return the value to use.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(activity_regularizer=regularizers.get(activity_regularizer), **kwargs)
        if padding.lower() not in ("valid", "same", "causal") or data_format != "channels_last":
            raise InputError(
                f"Conv1D(padding={padding!r}, data_format={data_format!r}): give 'valid', 'same' "
                "or 'causal', and 'channels_last'"
            )
        if _one(dilation_rate, "dilation_rate") != 1:
            raise InputError("Conv1D(dilation_rate=...) is not provided: leave it out")
        self.filters, self.use_bias, self.padding = filters, use_bias, padding.lower()
        self.kernel_size, self.strides = _one(kernel_size, "kernel_size"), _one(strides, "strides")
        self.activation = activations.get(activation)
        self._kernel = (
            initializers.get(kernel_initializer),
            regularizers.get(kernel_regularizer),
            constraints.get(kernel_constraint),
        )
        self._bias = (
            initializers.get(bias_initializer),
            regularizers.get(bias_regularizer),
            constraints.get(bias_constraint),
        )
        self.input_spec = InputSpec(ndim=3)
        self.kernel: Any = None
        self.bias: Any = None

    def _weight(self, name: str, shape: tuple, options: tuple) -> Any:
        initializer, regularizer, constraint = options
        return self.add_weight(
            name,
            shape=shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
        )

    def build(self, input_shape: Any) -> None:
        size = last_size(input_shape, "Conv1D")
        self.input_spec = InputSpec(ndim=3, axes={-1: size})
        self.kernel = self._weight("kernel", (self.kernel_size, size, self.filters), self._kernel)
        if self.use_bias:
            self.bias = self._weight("bias", (self.filters,), self._bias)
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        padding = self.padding
        if padding == "causal":
            inputs = arrays.pad(inputs, [[0, 0], [self.kernel_size - 1, 0], [0, 0]])
            padding = "valid"
        output = convolution.conv1d(inputs, self.kernel, self.strides, padding.upper())
        if self.use_bias:
            output = nn.bias_add(output, self.bias)
        return self.activation(output)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        rows, steps, _ = TensorShape(input_shape).as_list()
        if steps is not None:
            steps -= self.kernel_size - 1 if self.padding == "valid" else 0
            steps = -(-steps // self.strides)
        return TensorShape([rows, steps, self.filters])


class _Pooling1D(Layer):
    """Windows of sequences (B, T, C).

    Args:
        pool_size: The number of steps of a window.
        strides: The step from window to window; None for `pool_size`.
        padding: "valid", or "same" for windows over the edges.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(
        self, pool_size: Any = 2, strides: Any = None, padding: str = "valid", **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.pool_size = _one(pool_size, "pool_size")
        self.strides = self.pool_size if strides is None else _one(strides, "strides")
        self.padding, self.input_spec = padding, InputSpec(ndim=3)

    def call(self, inputs: Any) -> Tensor:
        size, step = [1, self.pool_size, 1, 1], [1, self.strides, 1, 1]
        found = self._pool(arrays.expand_dims(inputs, 2), size, step)
        return arrays.squeeze(found, [2])

    def _pool(self, inputs: Tensor, size: list, step: list) -> Tensor:
        return pooling.max_pool(inputs, size, step, self.padding.upper())

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        rows, steps, channels = TensorShape(input_shape).as_list()
        if steps is not None:
            steps -= self.pool_size - 1 if self.padding == "valid" else 0
            steps = -(-steps // self.strides)
        return TensorShape([rows, steps, channels])


class MaxPooling1D(_Pooling1D):
    """The largest value of windows of sequences (B, T, C).

    Args:
        pool_size: The number of steps of a window.
        strides: The step from window to window; None for `pool_size`.
        padding: "valid", or "same" for windows over the edges.
        **kwargs: `name`, `input_shape`.
    """


class AveragePooling1D(_Pooling1D):
    """The mean of windows of sequences (B, T, C); see `MaxPooling1D`."""

    def _pool(self, inputs: Tensor, size: list, step: list) -> Tensor:
        return pooling.avg_pool(inputs, size, step, self.padding.upper())


MaxPool1D = MaxPooling1D
