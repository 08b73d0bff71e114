"""Private: initial values of variables."""

import math as numbers_math
import numbers
from collections.abc import Callable, Mapping
from typing import Any

from ..errors import InputError, SizeError
from .core.constant import constant
from .core.dtypes import DTYPES, DTypeLike, as_dtype
from .core.shape import TensorShape
from .core.tensors import Tensor, TensorLike
from .ops import arrays, linalg, math, random

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "Identity",
    "Initializer",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "UniformUnitScaling",
    "VarianceScaling",
    "Zeros",
    "constant_initializer",
    "contrib_variance_scaling_initializer",
    "glorot_normal_initializer",
    "glorot_uniform_initializer",
    "he_normal",
    "he_uniform",
    "identity_initializer",
    "lecun_normal",
    "lecun_uniform",
    "ones_initializer",
    "orthogonal_initializer",
    "random_normal_initializer",
    "random_uniform_initializer",
    "truncated_normal_initializer",
    "uniform_unit_scaling_initializer",
    "variance_scaling_initializer",
    "xavier_initializer",
    "zeros_initializer",
]

_FLOAT = DTYPES["float32"]
# A standard normal distribution that is cut off at -2 and 2 has this standard deviation.
_TRUNCATED_STDDEV = 0.87962566103423978


class Initializer:
    """Base class: makes the initial value of a variable.

    Attributes:
        dtype: The dtype where the variable gives none.
    """

    _arguments: tuple[str, ...] = ()
    dtype = _FLOAT

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        """The initial value.

        Args:
            shape: The shape.
            dtype: The dtype; None for the initializer's.
            partition_info: For a part of a variable, `full_shape` is the shape of the whole.
        """
        raise NotImplementedError

    def _dtype(self, dtype: DTypeLike | None) -> Any:
        return self.dtype if dtype is None else as_dtype(dtype)

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same initializer."""
        config = {name: getattr(self, name) for name in self._arguments}
        return config | ({"dtype": self.dtype.name} if "dtype" in self.__dict__ else {})

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Initializer":
        """The initializer of a `get_config()`."""
        return cls(**config)


def _list(shape: Any) -> list[int]:
    return TensorShape(shape).as_list()  # type: ignore[return-value]


def _full(shape: Any, partition_info: Any) -> list[int]:
    return _list(shape if partition_info is None else partition_info.full_shape)


class Zeros(Initializer):
    """All zeros."""

    def __init__(self, dtype: DTypeLike = _FLOAT):
        self.dtype = as_dtype(dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        return arrays.zeros(shape, self._dtype(dtype))


class Ones(Initializer):
    """All ones."""

    def __init__(self, dtype: DTypeLike = _FLOAT):
        self.dtype = as_dtype(dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        return arrays.ones(shape, self._dtype(dtype))


class Constant(Initializer):
    """A number, or numbers row by row; the last one fills the rest.

    Args:
        value: The number, a list or an array.
        dtype: The dtype where the variable gives none.
        verify_shape: Whether the value must have the shape of the variable.
    """

    _arguments = ("value",)

    def __init__(
        self, value: TensorLike = 0, dtype: DTypeLike = _FLOAT, verify_shape: bool = False
    ):
        if isinstance(value, Tensor):
            raise InputError(
                f"Invalid type for initial value: {value} is a tensor; give a number, a list or an "
                f"array, or pass the tensor itself as initializer"
            )
        self.value, self.dtype, self.verify_shape = value, as_dtype(dtype), verify_shape

    def __call__(
        self,
        shape: Any,
        dtype: DTypeLike | None = None,
        partition_info: Any = None,
        verify_shape: bool | None = None,
    ) -> Tensor:
        verify = self.verify_shape if verify_shape is None else verify_shape
        return constant(self.value, self._dtype(dtype), _list(shape), verify_shape=verify)


class RandomUniform(Initializer):
    """Uniform random numbers; see `tf.random_uniform` for the arguments."""

    _arguments = ("minval", "maxval", "seed")

    def __init__(
        self,
        minval: TensorLike = 0,
        maxval: TensorLike | None = None,
        seed: int | None = None,
        dtype: DTypeLike = _FLOAT,
    ):
        self.minval, self.maxval, self.seed, self.dtype = minval, maxval, seed, as_dtype(dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        kind = self._dtype(dtype)
        return random.random_uniform(shape, self.minval, self.maxval, kind, self.seed)


class RandomNormal(Initializer):
    """Normal random numbers; see `tf.random_normal` for the arguments."""

    _arguments = ("mean", "stddev", "seed")

    def __init__(
        self,
        mean: TensorLike = 0.0,
        stddev: TensorLike = 1.0,
        seed: int | None = None,
        dtype: DTypeLike = _FLOAT,
    ):
        self.mean, self.stddev, self.seed = mean, stddev, seed
        self.dtype = _floating(type(self).__name__, dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        kind = self._dtype(dtype)
        return random.random_normal(shape, self.mean, self.stddev, kind, self.seed)


class TruncatedNormal(RandomNormal):
    """Truncated normal random numbers; see `tf.truncated_normal` for the arguments."""

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        kind = self._dtype(dtype)
        return random.truncated_normal(shape, self.mean, self.stddev, kind, self.seed)


def _floating(of: str, dtype: DTypeLike) -> Any:
    kind = as_dtype(dtype)
    if not kind.is_floating:
        raise InputError(f"{of}(dtype={kind.name}): Expected floating point type, give tf.float32")
    return kind


class UniformUnitScaling(Initializer):
    """Uniform random numbers that keep the scale of the input: limit sqrt(3 / inputs) * factor.

    Args:
        factor: A factor of the limit.
        seed: The seed of the operation; None for the graph's.
        dtype: The dtype where the variable gives none.
    """

    _arguments = ("factor", "seed")

    def __init__(self, factor: float = 1.0, seed: int | None = None, dtype: DTypeLike = _FLOAT):
        self.factor, self.seed = factor, seed
        self.dtype = _floating(type(self).__name__, dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        inputs = 1.0
        for size in _full(shape, partition_info)[:-1]:
            inputs *= float(size)
        limit = numbers_math.sqrt(3 / max(inputs, 1.0)) * self.factor
        return random.random_uniform(shape, -limit, limit, self._dtype(dtype), self.seed)


def _fans(shape: list[int]) -> tuple[float, float]:
    """The numbers of inputs and of outputs of one unit; a vector counts its length as both."""
    if len(shape) < 2:
        size = float(shape[0]) if shape else 1.0
        return size, size
    field = 1.0
    for size in shape[:-2]:
        field *= size
    return shape[-2] * field, shape[-1] * field


class VarianceScaling(Initializer):
    """Random numbers whose variance is `scale` / n, where n depends on the shape.

    Args:
        scale: Above 0.
        mode: The meaning of n: "fan_in" for the number of inputs, "fan_out" for that of outputs,
            "fan_avg" for their mean.
        distribution: "normal" or "truncated_normal", "untruncated_normal", or "uniform".
        seed: The seed of the operation; None for the graph's.
        dtype: The dtype where the variable gives none.

    Raises:
        InputError: An argument is none of these.
    """

    _arguments: tuple[str, ...] = ("scale", "mode", "distribution", "seed")

    def __init__(
        self,
        scale: float = 1.0,
        mode: str = "fan_in",
        distribution: str = "truncated_normal",
        seed: int | None = None,
        dtype: DTypeLike = _FLOAT,
    ):
        if scale <= 0.0:
            raise InputError(f"`scale` must be positive float, not {scale!r}: give 1.0")
        modes = ("fan_in", "fan_out", "fan_avg")
        if mode not in modes:
            raise InputError(f"Invalid `mode` argument: {mode!r}; give one of {', '.join(modes)}")
        kinds = ("normal", "uniform", "truncated_normal", "untruncated_normal")
        if distribution.lower() not in kinds:
            raise InputError(
                f"Invalid `distribution` argument: {distribution!r}; give one of {', '.join(kinds)}"
            )
        self.scale, self.mode, self.distribution = scale, mode, distribution.lower()
        self.seed, self.dtype = seed, _floating(type(self).__name__, dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        fan_in, fan_out = _fans(_full(shape, partition_info))
        sizes = {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2.0}
        variance = self.scale / max(1.0, sizes[self.mode])
        kind = self._dtype(dtype)
        if self.distribution == "uniform":
            limit = numbers_math.sqrt(3.0 * variance)
            return random.random_uniform(shape, -limit, limit, kind, self.seed)
        stddev = numbers_math.sqrt(variance)
        if self.distribution == "untruncated_normal":
            return random.random_normal(shape, 0.0, stddev, kind, self.seed)
        return random.truncated_normal(shape, 0.0, stddev / _TRUNCATED_STDDEV, kind, self.seed)


class GlorotUniform(VarianceScaling):
    """Uniform random numbers up to sqrt(6 / (inputs + outputs)), the default of variables.

    Source: Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
        Networks (2010).
    """

    _arguments = ("seed",)

    def __init__(self, seed: int | None = None, dtype: DTypeLike = _FLOAT):
        super().__init__(1.0, "fan_avg", "uniform", seed, dtype)


class GlorotNormal(VarianceScaling):
    """Truncated normal random numbers of variance 2 / (inputs + outputs); see `GlorotUniform`."""

    _arguments = ("seed",)

    def __init__(self, seed: int | None = None, dtype: DTypeLike = _FLOAT):
        super().__init__(1.0, "fan_avg", "truncated_normal", seed, dtype)


def lecun_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal random numbers of variance 1 / inputs."""
    return VarianceScaling(1.0, "fan_in", "truncated_normal", seed)


def lecun_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform random numbers up to sqrt(3 / inputs)."""
    return VarianceScaling(1.0, "fan_in", "uniform", seed)


def he_normal(seed: int | None = None) -> VarianceScaling:
    """Truncated normal random numbers of variance 2 / inputs.

    Source: He et al., Delving Deep into Rectifiers (2015), arXiv:1502.01852.
    """
    return VarianceScaling(2.0, "fan_in", "truncated_normal", seed)


def he_uniform(seed: int | None = None) -> VarianceScaling:
    """Uniform random numbers up to sqrt(6 / inputs); see `he_normal`."""
    return VarianceScaling(2.0, "fan_in", "uniform", seed)


class Orthogonal(Initializer):
    """A random matrix with orthogonal rows or columns. More than two dimensions are one matrix of
    all but the last one, and the last one.

    Args:
        gain: A factor.
        seed: The seed of the operation; None for the graph's.
        dtype: The dtype where the variable gives none.
    """

    _arguments = ("gain", "seed")

    def __init__(self, gain: float = 1.0, seed: int | None = None, dtype: DTypeLike = _FLOAT):
        self.gain, self.seed = gain, seed
        self.dtype = _floating(type(self).__name__, dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        sizes = _list(shape)
        if len(sizes) < 2:
            raise SizeError(
                f"The tensor to initialize must be at least two-dimensional, not {sizes}: use "
                "another initializer for vectors"
            )
        rows, columns = numbers_math.prod(sizes[:-1]), sizes[-1]
        flat = (max(rows, columns), min(rows, columns))
        drawn = random.random_normal(flat, dtype=self._dtype(dtype), seed=self.seed)
        q, r = linalg.qr(drawn)
        # The signs make the matrix uniformly distributed.
        q = q * math.sign(arrays.diag_part(r))
        if rows < columns:
            q = arrays.matrix_transpose(q)
        return self.gain * arrays.reshape(q, sizes)


class Identity(Initializer):
    """An identity matrix.

    Args:
        gain: A factor.
        dtype: The dtype where the variable gives none.
    """

    _arguments = ("gain",)

    def __init__(self, gain: float = 1.0, dtype: DTypeLike = _FLOAT):
        self.gain, self.dtype = gain, _floating(type(self).__name__, dtype)

    def __call__(
        self, shape: Any, dtype: DTypeLike | None = None, partition_info: Any = None
    ) -> Tensor:
        full = _full(shape, partition_info)
        if len(full) != 2:
            raise SizeError(
                f"Identity matrix initializer can only be used for 2D matrices, not {full}"
            )
        rows, columns = full
        matrix = linalg.eye(rows, columns, dtype=self._dtype(dtype))
        if partition_info is not None:
            matrix = arrays.slice(matrix, partition_info.var_offset, _list(shape))
        return self.gain * matrix


def xavier_initializer(
    uniform: bool = True, seed: int | None = None, dtype: DTypeLike = _FLOAT
) -> Callable:
    """Glorot's initializer of tf.contrib.layers; see `contrib_variance_scaling_initializer`."""
    return contrib_variance_scaling_initializer(1.0, "FAN_AVG", uniform, seed, dtype)


def contrib_variance_scaling_initializer(
    factor: float = 2.0,
    mode: str = "FAN_IN",
    uniform: bool = False,
    seed: int | None = None,
    dtype: DTypeLike = _FLOAT,
) -> Callable:
    """The variance scaling of tf.contrib.layers: `factor` / n is the variance, where n depends on
    the shape. The normal distribution is scaled by 1.3 as its ends are cut off.

    Args:
        factor: Above 0.
        mode: The meaning of n: "FAN_IN" for the number of inputs, "FAN_OUT" for that of outputs,
            "FAN_AVG" for their mean.
        uniform: Whether the distribution is uniform, not truncated normal.
        seed: The seed of the operation; None for the graph's.
        dtype: The dtype where the variable gives none.
    """
    if mode not in ("FAN_IN", "FAN_OUT", "FAN_AVG") or not isinstance(factor, numbers.Real):
        raise InputError(
            f"variance_scaling_initializer(factor={factor!r}, mode={mode!r}): give a number, and "
            "'FAN_IN', 'FAN_OUT' or 'FAN_AVG'"
        )
    default = _floating("variance_scaling_initializer", dtype)

    def initializer(
        shape: Any, dtype: DTypeLike | None = default, partition_info: Any = None
    ) -> Tensor:
        kind = _floating("variance_scaling_initializer", dtype or default)
        fan_in, fan_out = _fans(_list(shape))
        n = {"FAN_IN": fan_in, "FAN_OUT": fan_out, "FAN_AVG": (fan_in + fan_out) / 2.0}[mode]
        if uniform:
            limit = numbers_math.sqrt(3.0 * factor / n)
            return random.random_uniform(shape, -limit, limit, kind, seed)
        stddev = numbers_math.sqrt(1.3 * factor / n)
        return random.truncated_normal(shape, 0.0, stddev, kind, seed)

    return initializer


# TensorFlow's names of the classes
constant_initializer = Constant
glorot_normal_initializer = GlorotNormal
glorot_uniform_initializer = GlorotUniform
identity_initializer = Identity
ones_initializer = Ones
orthogonal_initializer = Orthogonal
random_normal_initializer = RandomNormal
random_uniform_initializer = RandomUniform
truncated_normal_initializer = TruncatedNormal
uniform_unit_scaling_initializer = UniformUnitScaling
variance_scaling_initializer = VarianceScaling
zeros_initializer = Zeros
