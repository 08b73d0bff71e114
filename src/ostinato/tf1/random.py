"""Private: the random numbers of `kernels.random`, under the name that sessions use, and the bound
of the default initializer.
"""

from typing import Any

import numpy as np

from .kernels import random as _random
from .kernels.random import (
    ENVIRONMENT,
    Device,
    Stream,
    device_seed,
    op_seeds,
    philox,
    set_device_seed,
    uniform,
)

__all__ = [
    "Device",
    "ENVIRONMENT",
    "UniformStream",
    "device_seed",
    "glorot_limit",
    "op_seeds",
    "philox",
    "set_device_seed",
    "uniform",
]


class UniformStream(Stream):
    """The stream of numbers that one RandomUniform operation draws in a session."""

    draw = Stream.uniform


def glorot_limit(shape: tuple[int, ...]) -> float:
    """The bound of glorot_uniform, TensorFlow 1's default initializer.

    Args:
        shape: The variable's shape; a vector counts its length as both fans.

    Source: Glorot and Bengio, Understanding the Difficulty of Training Deep Feedforward Neural
        Networks (2010), equation 16.
    """
    if len(shape) < 2:
        fan_in = fan_out = shape[0] if shape else 1
    else:
        field = int(np.prod(shape[:-2], dtype=np.int64))
        fan_in, fan_out = shape[-2] * field, shape[-1] * field
    return float(np.sqrt(3.0 / max(1.0, (fan_in + fan_out) / 2)))


def __getattr__(name: str) -> Any:
    # TensorFlow 1.13 has a namespace of this name
    if name in ("device", "_from_environment"):
        return getattr(_random, name)
    if name.startswith("__"):
        raise AttributeError(name)
    from . import _missing

    raise _missing("tf.random", name)
