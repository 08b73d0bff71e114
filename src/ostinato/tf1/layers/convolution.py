"""Private: convolution layers and pooling of tf.layers."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..initializers import Zeros
from ..ops import arrays, convolution, nn, pooling
from .base import Layer
from .core import dtype_of, last_size
from .specs import InputSpec

__all__ = [
    "Conv1D",
    "Conv2D",
    "average_pooling2d",
    "conv1d",
    "conv2d",
    "max_pooling1d",
    "max_pooling2d",
]

_ZEROS = Zeros()


def _numbers(value: Any, count: int, name: str) -> tuple[int, ...]:
    found = (value,) * count if isinstance(value, int) else tuple(value)
    if len(found) != count or not all(isinstance(n, int) and n > 0 for n in found):
        raise InputError(f"The `{name}` argument must be {count} whole numbers, not {value!r}")
    return found


class _Conv(Layer):
    """A convolution with variables `kernel` and `bias`; see `conv2d` for the arguments."""

    rank = 0

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
        activation: Callable | None = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = _ZEROS,
        kernel_regularizer: Callable | None = None,
        bias_regularizer: Callable | None = None,
        activity_regularizer: Callable | None = None,
        kernel_constraint: Callable | None = None,
        bias_constraint: Callable | None = None,
        trainable: bool = True,
        name: Any = None,
        **kwargs: Any,
    ):
        super().__init__(
            trainable=trainable, name=name, activity_regularizer=activity_regularizer, **kwargs
        )
        self.filters = filters
        self.kernel_size = _numbers(kernel_size, self.rank, "kernel_size")
        self.strides = _numbers(strides, self.rank, "strides")
        self.dilation_rate = _numbers(dilation_rate, self.rank, "dilation_rate")
        self.padding = padding.upper()
        if self.padding not in ("SAME", "VALID") or data_format != "channels_last":
            raise InputError(
                f"{type(self).__name__}(padding={padding!r}, data_format={data_format!r}): give "
                "'same' or 'valid', and 'channels_last'"
            )
        if set(self.dilation_rate) != {1}:
            raise InputError(
                f"{type(self).__name__}(dilation_rate={dilation_rate!r}) is not provided: leave it "
                "out"
            )
        self.activation, self.use_bias = activation, use_bias
        self._kernel = (kernel_initializer, kernel_regularizer, kernel_constraint)
        self._bias = (bias_initializer, bias_regularizer, bias_constraint)
        self.kernel: Any = None
        self.bias: Any = None
        self.input_spec = InputSpec(ndim=self.rank + 2)

    def _weight(self, name: str, shape: Sequence[int], options: tuple) -> Any:
        initializer, regularizer, constraint = options
        return self.add_weight(
            name,
            shape=shape,
            initializer=initializer,
            regularizer=regularizer,
            constraint=constraint,
            dtype=self.dtype,
        )

    def build(self, input_shape: Any) -> None:
        channels = last_size(input_shape, type(self).__name__)
        self.kernel = self._weight(
            "kernel", (*self.kernel_size, channels, self.filters), self._kernel
        )
        if self.use_bias:
            self.bias = self._weight("bias", (self.filters,), self._bias)
        self.input_spec = InputSpec(ndim=self.rank + 2, axes={-1: channels})
        # TensorFlow's Convolution object makes this constant; a 1 has no other use.
        convert_to_tensor(list(self.dilation_rate), "int32", "dilation_rate")
        self.built = True

    def _convolve(self, inputs: Tensor) -> Tensor:
        raise NotImplementedError

    def call(self, inputs: TensorLike) -> Tensor:
        outputs = self._convolve(convert_to_tensor(inputs))
        if self.use_bias:
            outputs = nn.bias_add(outputs, self.bias)
        return outputs if self.activation is None else self.activation(outputs)


class Conv1D(_Conv):
    """A convolution over sequences, (B, T, C), with variables `kernel` and `bias`; see `conv2d`."""

    rank = 1

    def _convolve(self, inputs: Tensor) -> Tensor:
        return convolution.conv1d(inputs, self.kernel, self.strides[0], self.padding)


class Conv2D(_Conv):
    """A convolution over images, (B, height, width, C), with variables `kernel` and `bias`; see
    `conv2d`.
    """

    rank = 2

    def _convolve(self, inputs: Tensor) -> Tensor:
        strides = [1, *self.strides, 1]
        return convolution.conv2d(inputs, self.kernel, strides, self.padding)


def _apply(kind: type, inputs: TensorLike, name: str | None, reuse: Any, **named: Any) -> Tensor:
    layer = kind(name=name, dtype=dtype_of(inputs, "conv"), _scope=name, _reuse=reuse, **named)
    return layer.apply(inputs)


def conv1d(
    inputs: TensorLike,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
    activation: Callable | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = _ZEROS,
    kernel_regularizer: Callable | None = None,
    bias_regularizer: Callable | None = None,
    activity_regularizer: Callable | None = None,
    kernel_constraint: Callable | None = None,
    bias_constraint: Callable | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: bool | None = None,
) -> Tensor:
    """A convolution over sequences with its own variables; see `conv2d`.

    Args:
        inputs: (B, T, C).
        reuse: Whether existing variables of the name are used.
    """
    named = dict(locals())
    return _apply(Conv1D, **named)


def conv2d(
    inputs: TensorLike,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
    activation: Callable | None = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = _ZEROS,
    kernel_regularizer: Callable | None = None,
    bias_regularizer: Callable | None = None,
    activity_regularizer: Callable | None = None,
    kernel_constraint: Callable | None = None,
    bias_constraint: Callable | None = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: bool | None = None,
) -> Tensor:
    """A convolution over images with its own variables.

    Args:
        inputs: (B, height, width, C).
        filters: The number of channels of the result.
        kernel_size: The size of the kernel.
        strides: The step in each dimension.
        padding: "valid", or "same" for zeros around the input.
        data_format: Must be "channels_last".
        dilation_rate: Must be 1.
        activation: A function of the output; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer, bias_initializer: See `tf.get_variable`.
        kernel_regularizer, bias_regularizer: Functions of a variable whose result is a loss.
        activity_regularizer: A function of the output whose result is a loss.
        kernel_constraint, bias_constraint: Functions of the value that return the value to use.
        trainable: Whether the variables are trained.
        name: The name of the layer.
        reuse: Whether existing variables of the name are used.
    """
    named = dict(locals())
    return _apply(Conv2D, **named)


class _Pooling(Layer):
    """The largest value or the mean of windows."""

    def __init__(self, function: Callable, pool_size: Any, strides: Any, padding: str, name: Any):
        super().__init__(name=name)
        self.function, self.padding = function, padding.upper()
        self.pool_size, self.strides = pool_size, strides

    def call(self, inputs: TensorLike) -> Tensor:
        inputs = convert_to_tensor(inputs)
        flat = TensorShape(inputs.shape).ndims == 3
        count = 1 if flat else 2
        size = [1, *_numbers(self.pool_size, count, "pool_size"), 1]
        step = [1, *_numbers(self.strides, count, "strides"), 1]
        if not flat:
            return self.function(inputs, size, step, self.padding)
        outputs = arrays.expand_dims(inputs, 2)
        size, step = [*size[:2], 1, 1], [*step[:2], 1, 1]
        return arrays.squeeze(self.function(outputs, size, step, self.padding), 2)


class MaxPooling1D(_Pooling):
    """The largest value of windows of sequences; see `max_pooling1d`."""


class MaxPooling2D(_Pooling):
    """The largest value of windows of images; see `max_pooling2d`."""


class AveragePooling2D(_Pooling):
    """The mean of windows of images; see `average_pooling2d`."""


def _pooled(
    kind: type, function: Callable, rank: int, inputs: Any, given: tuple, name: str | None
) -> Tensor:
    pool_size, strides, padding, data_format = given
    if data_format != "channels_last":
        raise InputError(f"data_format={data_format!r} is not provided: give 'channels_last'")
    layer = kind(function, pool_size, strides, padding, name)
    layer.input_spec = InputSpec(ndim=rank + 2)
    return layer.apply(inputs)


def max_pooling1d(
    inputs: TensorLike,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest value of each window of sequences.

    Args:
        inputs: (B, T, C).
        pool_size: The size of a window.
        strides: The step from window to window.
        padding: "valid", or "same" for windows over the edges.
        data_format: Must be "channels_last".
        name: The name of the layer.
    """
    given = (pool_size, strides, padding, data_format)
    return _pooled(MaxPooling1D, pooling.max_pool, 1, inputs, given, name)


def max_pooling2d(
    inputs: TensorLike,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The largest value of each window of images, (B, height, width, C); see `max_pooling1d`."""
    given = (pool_size, strides, padding, data_format)
    return _pooled(MaxPooling2D, pooling.max_pool, 2, inputs, given, name)


def average_pooling2d(
    inputs: TensorLike,
    pool_size: Any,
    strides: Any,
    padding: str = "valid",
    data_format: str = "channels_last",
    name: str | None = None,
) -> Tensor:
    """The mean of each window of images, (B, height, width, C); see `max_pooling1d`."""
    given = (pool_size, strides, padding, data_format)
    return _pooled(AveragePooling2D, pooling.avg_pool, 2, inputs, given, name)
