"""Private: the layers of tf.layers."""

from collections.abc import Callable
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..flow.control_flow import cond
from ..initializers import Zeros
from ..ops import arrays, math, nn
from .base import Layer
from .specs import InputSpec

__all__ = ["Dense", "Dropout", "Flatten", "dense", "dropout", "flatten"]

_ZEROS = Zeros()


def last_size(shape: Any, layer: str) -> int:
    """The size of the last dimension of an input.

    Raises:
        SizeError: It is not known.
    """
    sizes = TensorShape(shape).sizes
    if not sizes or sizes[-1] is None:
        raise SizeError(
            f"The last dimension of the inputs to `{layer}` should be defined. Found `None`: give "
            f"the input {shape} a known last size"
        )
    return sizes[-1]


def dense_output(inputs: Tensor, kernel: Any, bias: Any, dtype: Any, units: int) -> Tensor:
    """The product with a kernel, plus a bias unless that is None.

    Args:
        inputs: (..., I).
        kernel: (I, units).
        bias: (units,), or None.
        dtype: The dtype of the layer.
        units: The size of the output.
    """
    rank = inputs.shape.ndims
    if rank is not None and rank > 2:
        outputs = math.tensordot(inputs, kernel, [[rank - 1], [0]])
        outputs.set_shape([*inputs.shape.as_list()[:-1], units])
    else:
        given = {"a": math.cast(inputs, dtype), "b": kernel}
        attrs = {"transpose_a": False, "transpose_b": False}
        outputs = apply("MatMul", given, attrs=attrs, same=("a", "b")).outputs[0]
    return outputs if bias is None else nn.bias_add(outputs, bias)


class Dense(Layer):
    """A dense layer: activation(inputs @ kernel + bias).

    Args:
        units: The size of the output.
        activation: A function of the output; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer, bias_initializer: See `tf.get_variable`.
        kernel_regularizer, bias_regularizer: Functions of a variable whose result is a loss.
        activity_regularizer: A function of the output whose result is a loss.
        kernel_constraint, bias_constraint: Functions of the value that return the value to use.
        trainable: Whether the variables are trained.
        name: The name of the layer.

    Raises:
        ArgumentTypeError: The number of units is not a whole number.
    """

    def __init__(
        self,
        units: int,
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
        try:
            self.units = int(units)
        except (TypeError, ValueError):
            raise ArgumentTypeError(
                f"Dense(units={units!r}): give a whole number, the size of the output"
            ) from None
        self.activation, self.use_bias = activation, bool(use_bias)
        self.kernel_initializer, self.bias_initializer = kernel_initializer, bias_initializer
        self.kernel_regularizer, self.bias_regularizer = kernel_regularizer, bias_regularizer
        self.kernel_constraint, self.bias_constraint = kernel_constraint, bias_constraint
        self.kernel: Any = None
        self.bias: Any = None
        self.input_spec = InputSpec(min_ndim=2)

    def build(self, input_shape: Any) -> None:
        kind = as_dtype(self.dtype or "float32")
        if not kind.is_floating:
            raise ArgumentTypeError(
                f"Unable to build `Dense` layer with non-floating point dtype {kind.name}: write "
                "tf.cast(x, tf.float32)"
            )
        size = last_size(input_shape, "Dense")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel",
            shape=[size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            dtype=kind,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=[self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                dtype=kind,
            )
        self.built = True

    def call(self, inputs: TensorLike) -> Tensor:
        inputs = convert_to_tensor(inputs)
        outputs = dense_output(inputs, self.kernel, self.bias, self.dtype, self.units)
        return outputs if self.activation is None else self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """The shape of the output for a shape of the input."""
        sizes = TensorShape(input_shape).with_rank_at_least(2)
        last_size(sizes, "Dense")
        return sizes[:-1].concatenate([self.units])


def dense(
    inputs: TensorLike,
    units: int,
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
    """A dense layer with its own variables; see `Dense`.

    Args:
        inputs: (..., I).
        reuse: Whether existing variables of the name are used.

    Returns:
        (..., units).
    """
    layer = Dense(
        units,
        activation=activation,
        use_bias=use_bias,
        kernel_initializer=kernel_initializer,
        bias_initializer=bias_initializer,
        kernel_regularizer=kernel_regularizer,
        bias_regularizer=bias_regularizer,
        activity_regularizer=activity_regularizer,
        kernel_constraint=kernel_constraint,
        bias_constraint=bias_constraint,
        trainable=trainable,
        name=name,
        dtype=dtype_of(inputs, "dense"),
        _scope=name,
        _reuse=reuse,
    )
    return layer.apply(inputs)


def dtype_of(inputs: Any, function: str) -> Any:
    """The dtype of an input.

    Raises:
        InputError: It has none.
    """
    if not hasattr(inputs, "dtype"):
        raise InputError(
            f"tf.layers.{function} was given {inputs!r}: give a tensor, tf.constant(x)"
        )
    return as_dtype(inputs.dtype).base_dtype


class Dropout(Layer):
    """Dropout in training, nothing otherwise.

    Args:
        rate: The probability to drop an element.
        noise_shape: The shape of the mask; None for that of the input.
        seed: The seed of the random operation; None for the graph's.
        name: The name of the layer.
    """

    def __init__(
        self,
        rate: TensorLike = 0.5,
        noise_shape: Any = None,
        seed: int | None = None,
        name: Any = None,
        **kwargs: Any,
    ):
        super().__init__(name=name, **kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed
        self.supports_masking = True

    def _noise_shape(self, inputs: Tensor) -> Any:
        if self.noise_shape is None or isinstance(self.noise_shape, Tensor):
            return self.noise_shape
        sizes = arrays.shape(inputs)
        return [sizes[i] if n is None else n for i, n in enumerate(self.noise_shape)]

    def call(self, inputs: TensorLike, training: Any = False) -> Tensor:
        def dropped() -> Tensor:
            return nn.dropout(
                inputs, noise_shape=self._noise_shape(inputs), seed=self.seed, rate=self.rate
            )

        return in_training(training, dropped, lambda: arrays.identity(inputs))


def in_training(training: Any, if_so: Callable, otherwise: Callable) -> Any:
    """One of two results.

    Args:
        training: Whether it is training: a truth value, 0 or 1, or a tensor.
        if_so, otherwise: Functions that return the result.
    """
    known: Any = training
    if isinstance(training, Tensor):
        value = constant_value(training)
        known = None if value is None else bool(value)
    if known is None:
        return cond(training, if_so, otherwise)
    return if_so() if known else otherwise()


def dropout(
    inputs: TensorLike,
    rate: TensorLike = 0.5,
    noise_shape: Any = None,
    seed: int | None = None,
    training: Any = False,
    name: str | None = None,
) -> Tensor:
    """Dropout in training, nothing otherwise; see `Dropout`.

    Args:
        inputs: A tensor of floats.
        training: Whether to drop elements: a truth value or a tensor.
    """
    layer = Dropout(rate, noise_shape=noise_shape, seed=seed, name=name)
    return layer.apply(inputs, training=training)


def flattened(inputs: Tensor) -> Tensor:
    """All but the first dimension as one."""
    sizes = inputs.shape.sizes
    outputs = arrays.reshape(inputs, (arrays.shape(inputs)[0], -1))
    rest = None
    if sizes is not None and None not in sizes[1:]:
        rest = TensorShape(sizes[1:]).num_elements()
    outputs.set_shape([None if sizes is None else sizes[0], rest])
    return outputs


class Flatten(Layer):
    """All but the first dimension as one."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(min_ndim=2)

    def call(self, inputs: TensorLike) -> Tensor:
        return flattened(convert_to_tensor(inputs))


def flatten(inputs: TensorLike, name: str | None = None) -> Tensor:
    """All but the first dimension as one."""
    return Flatten(name=name).apply(inputs)
