"""Private: the layers of tf.keras without recurrence."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.base_layer import accepts
from ..layers.core import dense_output, flattened, in_training, last_size
from ..layers.specs import InputSpec
from ..ops import arrays, math, nn
from ..ops.random import random_normal
from . import activations, arithmetic, backend, constraints, initializers, regularizers
from .engine import Layer

__all__ = [
    "Activation",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GaussianNoise",
    "GlobalAveragePooling1D",
    "GlobalMaxPooling1D",
    "Lambda",
    "LeakyReLU",
    "Masking",
    "Permute",
    "RepeatVector",
    "Reshape",
    "SpatialDropout1D",
]


class Dense(Layer):
    """A dense layer: activation(inputs @ kernel + bias).

    Args:
        units: The size of the output.
        activation: A function of the output, or its name; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer, bias_initializer: Functions of a shape, or names.
        kernel_regularizer, bias_regularizer: Functions of a variable whose result is a loss.
        activity_regularizer: A function of the output whose result is a loss.
        kernel_constraint, bias_constraint: Functions of the value that return the value to use.
        **kwargs: `name`, `dtype`, `trainable`, `input_shape`.
    """

    def __init__(
        self,
        units: int,
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
        if "input_shape" not in kwargs and "input_dim" in kwargs:
            kwargs["input_shape"] = (kwargs.pop("input_dim"),)
        super().__init__(
            activity_regularizer=regularizers.get(activity_regularizer),
            **kwargs,
        )
        self.units, self.use_bias = int(units), use_bias
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.supports_masking = True
        self.input_spec = InputSpec(min_ndim=2)
        self.kernel: Any = None
        self.bias: Any = None

    def build(self, input_shape: Any) -> None:
        size = last_size(input_shape, "Dense")
        self.input_spec = InputSpec(min_ndim=2, axes={-1: size})
        self.kernel = self.add_weight(
            "kernel",
            shape=[size, self.units],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=[self.units],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def call(self, inputs: Any) -> Tensor:
        inputs = convert_to_tensor(inputs)
        dtype = self._dtype or backend.floatx()
        outputs = dense_output(inputs, self.kernel, self.bias, dtype, self.units)
        return self.activation(outputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)[:-1].concatenate([self.units])


class Embedding(Layer):
    """Vectors of tokens.

    Args:
        input_dim: The number of tokens.
        output_dim: The size of the vectors.
        embeddings_initializer: A function of a shape, or its name.
        embeddings_regularizer: A function of the variable whose result is a loss.
        activity_regularizer: A function of the output whose result is a loss.
        embeddings_constraint: A function of the value that returns the value to use.
        mask_zero: Whether steps with token 0 are masked.
        input_length: The number of steps, for `input_shape`.
        **kwargs: `name`, `dtype`, `trainable`, `weights`.
    """

    def __init__(
        self,
        input_dim: int,
        output_dim: int,
        embeddings_initializer: Any = "uniform",
        embeddings_regularizer: Any = None,
        activity_regularizer: Any = None,
        embeddings_constraint: Any = None,
        mask_zero: bool = False,
        input_length: Any = None,
        **kwargs: Any,
    ):
        if "input_shape" not in kwargs and "batch_input_shape" not in kwargs:
            steps = (None,) if not input_length else tuple(np.atleast_1d(input_length).tolist())
            kwargs["input_shape"] = steps
        super().__init__(
            dtype=kwargs.pop("dtype", backend.floatx()),
            activity_regularizer=regularizers.get(activity_regularizer),
            **kwargs,
        )
        self.input_dim, self.output_dim = int(input_dim), int(output_dim)
        self.embeddings_initializer = initializers.get(embeddings_initializer)
        self.embeddings_regularizer = regularizers.get(embeddings_regularizer)
        self.embeddings_constraint = constraints.get(embeddings_constraint)
        self.mask_zero = self.supports_masking = mask_zero
        self.embeddings: Any = None

    def build(self, input_shape: Any) -> None:
        self.embeddings = self.add_weight(
            "embeddings",
            shape=(self.input_dim, self.output_dim),
            initializer=self.embeddings_initializer,
            regularizer=self.embeddings_regularizer,
            constraint=self.embeddings_constraint,
        )
        self.built = True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return math.not_equal(inputs, 0) if self.mask_zero else None

    def call(self, inputs: Any) -> Tensor:
        inputs = convert_to_tensor(inputs)
        if inputs.dtype.base_dtype.name not in ("int32", "int64"):
            inputs = math.cast(inputs, "int32")
        return nn.embedding_lookup(self.embeddings, inputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape).concatenate([self.output_dim])


class Masking(Layer):
    """Masks the steps whose elements all have a value.

    Args:
        mask_value: The value.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, mask_value: float = 0.0, **kwargs: Any):
        super().__init__(**kwargs)
        self.mask_value, self.supports_masking = mask_value, True

    def compute_mask(self, inputs: Any, mask: Any = None) -> Tensor:
        return arithmetic.any(math.not_equal(inputs, self.mask_value), axis=-1)

    def call(self, inputs: Any) -> Tensor:
        counts = arithmetic.any(math.not_equal(inputs, self.mask_value), axis=-1, keepdims=True)
        return inputs * math.cast(counts, inputs.dtype)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)


class _Same(Layer):
    """A layer whose output has the shape and the mask of its input."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)


class Dropout(_Same):
    """Dropout in training, nothing otherwise.

    Args:
        rate: The probability to drop an element.
        noise_shape: The shape of the mask; None for that of the input.
        seed: The seed of the random operation; None for the graph's.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(
        self, rate: float, noise_shape: Any = None, seed: int | None = None, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self.rate, self.noise_shape, self.seed = rate, noise_shape, seed

    def _noise_shape(self, inputs: Tensor) -> Any:
        if self.noise_shape is None:
            return None
        sizes = arrays.shape(inputs)
        return [sizes[i] if n is None else n for i, n in enumerate(self.noise_shape)]

    def call(self, inputs: Any, training: Any = None) -> Tensor:
        def dropped() -> Tensor:
            shape = self._noise_shape(inputs)
            return nn.dropout(inputs, noise_shape=shape, seed=self.seed, rate=self.rate)

        if training is None:
            training = backend.learning_phase()
        return in_training(training, dropped, lambda: arrays.identity(inputs))


class SpatialDropout1D(Dropout):
    """Dropout of whole channels of a sequence (B, T, N).

    Args:
        rate: The probability to drop a channel.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, rate: float, **kwargs: Any):
        super().__init__(rate, **kwargs)
        self.input_spec = InputSpec(ndim=3)

    def _noise_shape(self, inputs: Tensor) -> Any:
        sizes = arrays.shape(inputs)
        return (sizes[0], 1, sizes[2])


class GaussianNoise(_Same):
    """Normal noise added in training.

    Args:
        stddev: The standard deviation.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, stddev: float, **kwargs: Any):
        super().__init__(**kwargs)
        self.stddev = stddev

    def call(self, inputs: Any, training: Any = None) -> Any:
        def noisy() -> Tensor:
            # As in Keras, NumPy's global generator gives the seed.
            seed = int(np.random.randint(10_000_000))
            shape = arrays.shape(inputs)
            return inputs + random_normal(shape, 0.0, self.stddev, inputs.dtype, seed)

        return arithmetic.in_train_phase(noisy, inputs, training=training)


class Activation(_Same):
    """An activation function.

    Args:
        activation: A function or its name.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, activation: Any, **kwargs: Any):
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def call(self, inputs: Any) -> Any:
        return self.activation(inputs)


class LeakyReLU(_Same):
    """`alpha` times x below 0, x above.

    Args:
        alpha: The slope below 0.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, alpha: float = 0.3, **kwargs: Any):
        super().__init__(**kwargs)
        self.alpha = float(alpha)

    def call(self, inputs: Any) -> Tensor:
        return arithmetic.relu(inputs, alpha=self.alpha)


class Flatten(Layer):
    """All but the first dimension as one.

    Args:
        data_format: "channels_last", or "channels_first" for inputs whose channels come first.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any):
        super().__init__(**kwargs)
        self.data_format = data_format or backend.image_data_format()
        self.input_spec = InputSpec(min_ndim=1)

    def call(self, inputs: Any) -> Tensor:
        rank = inputs.shape.ndims
        if self.data_format == "channels_first" and rank is not None and rank > 1:
            inputs = arrays.transpose(inputs, perm=[0, *range(2, rank), 1])
        return flattened(inputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        shape = TensorShape(input_shape)
        return TensorShape([shape[0], shape[1:].num_elements()])


class Reshape(Layer):
    """Another shape for each row.

    Args:
        target_shape: The shape without the batch; -1 for one size that is left over.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, target_shape: Sequence[int], **kwargs: Any):
        super().__init__(**kwargs)
        self.target_shape = tuple(target_shape)

    def call(self, inputs: Any) -> Tensor:
        return arrays.reshape(inputs, (arrays.shape(inputs)[0], *self.target_shape))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        shape = TensorShape(input_shape)
        sizes: list = [None if n == -1 else n for n in self.target_shape]
        count = shape[1:].num_elements()
        if count is not None and None in sizes:
            known = int(np.prod([n for n in sizes if n is not None], dtype=np.int64))
            sizes[sizes.index(None)] = count // known if known else None
        return TensorShape([shape[0], *sizes])


class Permute(Layer):
    """The dimensions of each row in another order.

    Args:
        dims: The order; 1 is the first dimension after the batch.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any):
        if sorted(dims) != list(range(1, len(dims) + 1)):
            raise InputError(
                f"Invalid permutation `dims` for Permute Layer: {dims}; give each of 1 to "
                f"{len(dims)} once"
            )
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        self.input_spec = InputSpec(ndim=len(self.dims) + 1)

    def call(self, inputs: Any) -> Tensor:
        return arrays.transpose(inputs, perm=(0, *self.dims))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        return TensorShape([sizes[0], *[sizes[d] for d in self.dims]])


class RepeatVector(Layer):
    """A vector n times, (B, n, N).

    Args:
        n: How often.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, n: int, **kwargs: Any):
        super().__init__(**kwargs)
        self.n = n
        self.input_spec = InputSpec(ndim=2)

    def call(self, inputs: Any) -> Tensor:
        return arithmetic.repeat(inputs, self.n)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        return TensorShape([sizes[0], self.n, sizes[1]])


class Lambda(Layer):
    """A function as a layer.

    Args:
        function: Takes the input, and `mask` if it has such an argument.
        output_shape: Accepted for compatibility: the output has a shape.
        mask: The mask of the output, or a function of the input and its mask; None for no mask.
        arguments: Other arguments of the function.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(
        self,
        function: Callable,
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.function, self.arguments, self.mask = function, arguments or {}, mask
        self.supports_masking = mask is not None

    def call(self, inputs: Any, mask: Any = None) -> Any:
        given = dict(self.arguments)
        if accepts(self.function, "mask"):
            given["mask"] = mask
        return self.function(inputs, **given)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        return self.mask(inputs, mask) if callable(self.mask) else self.mask


class GlobalMaxPooling1D(Layer):
    """The largest value of each channel of a sequence (B, T, N)."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.input_spec = InputSpec(ndim=3)

    def call(self, inputs: Any) -> Tensor:
        return math.reduce_max(inputs, 1)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        sizes = TensorShape(input_shape).as_list()
        return TensorShape([sizes[0], sizes[2]])


class GlobalAveragePooling1D(GlobalMaxPooling1D):
    """The mean of each channel of a sequence (B, T, N), over the steps that count."""

    def __init__(self, **kwargs: Any):
        super().__init__(**kwargs)
        self.supports_masking = True

    def call(self, inputs: Any, mask: Any = None) -> Tensor:
        if mask is None:
            return math.reduce_mean(inputs, 1)
        counts = math.cast(mask, inputs.dtype)
        shape = inputs.shape.as_list()
        counts = arrays.reshape(counts, [-1, shape[1] or arrays.shape(inputs)[1], 1])
        return math.reduce_sum(inputs * counts, 1) / math.reduce_sum(counts, 1)

    def compute_mask(self, inputs: Any, mask: Any = None) -> None:
        return None
