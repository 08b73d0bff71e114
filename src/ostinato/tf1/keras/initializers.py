"""Private: the initializers of tf.keras. Some have other defaults than those of tf."""

from typing import Any

from ..core.dtypes import DTYPES, DTypeLike
from ..core.tensors import TensorLike
from ..initializers import (
    Constant,
    GlorotNormal,
    GlorotUniform,
    Identity,
    Initializer,
    Ones,
    Orthogonal,
    VarianceScaling,
    Zeros,
    he_normal,
    he_uniform,
    lecun_normal,
    lecun_uniform,
)
from ..initializers import RandomNormal as _RandomNormal
from ..initializers import RandomUniform as _RandomUniform
from ..initializers import TruncatedNormal as _TruncatedNormal
from .lookup import config_of, find

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
    "VarianceScaling",
    "Zeros",
    "constant",
    "deserialize",
    "get",
    "glorot_normal",
    "glorot_uniform",
    "he_normal",
    "he_uniform",
    "identity",
    "lecun_normal",
    "lecun_uniform",
    "normal",
    "one",
    "ones",
    "orthogonal",
    "random_normal",
    "random_uniform",
    "serialize",
    "truncated_normal",
    "uniform",
    "zero",
    "zeros",
]


class RandomNormal(_RandomNormal):
    """Normal random numbers; see `tf.random_normal` for the arguments."""

    def __init__(
        self,
        mean: TensorLike = 0.0,
        stddev: TensorLike = 0.05,
        seed: int | None = None,
        dtype: DTypeLike = DTYPES["float32"],
    ):
        super().__init__(mean, stddev, seed, dtype)


class TruncatedNormal(_TruncatedNormal):
    """Truncated normal random numbers; see `tf.truncated_normal` for the arguments."""

    def __init__(
        self,
        mean: TensorLike = 0.0,
        stddev: TensorLike = 0.05,
        seed: int | None = None,
        dtype: DTypeLike = DTYPES["float32"],
    ):
        super().__init__(mean, stddev, seed, dtype)


class RandomUniform(_RandomUniform):
    """Uniform random numbers; see `tf.random_uniform` for the arguments."""

    def __init__(
        self,
        minval: TensorLike = -0.05,
        maxval: TensorLike = 0.05,
        seed: int | None = None,
        dtype: DTypeLike = DTYPES["float32"],
    ):
        super().__init__(minval, maxval, seed, dtype)


# Keras's names
zero = zeros = Zeros
one = ones = Ones
constant = Constant
glorot_normal = GlorotNormal
glorot_uniform = GlorotUniform
identity = Identity
orthogonal = Orthogonal
normal = random_normal = RandomNormal
uniform = random_uniform = RandomUniform
truncated_normal = TruncatedNormal

_KNOWN = {
    name: value
    for name, value in globals().items()
    if name in ("he_normal", "he_uniform", "lecun_normal", "lecun_uniform")
    or isinstance(value, type)
    and issubclass(value, Initializer)
    and not name.startswith("_")
}


def get(identifier: Any) -> Any:
    """The initializer for itself, its name or its configuration."""
    return find("initializer", identifier, _KNOWN)


def serialize(initializer: Any) -> Any:
    """The configuration of an initializer, for `get`."""
    return config_of(initializer)


deserialize = get
