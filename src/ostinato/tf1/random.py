"""Private: TensorFlow 1's random numbers: Philox for the values, a Mersenne twister for unseeded
operations, and the rule for the seeds of operations.

Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011); Matsumoto and Nishimura's
    64-bit mt19937; TensorFlow 1.13.1, philox_random.h, random_distributions.h, random.cc and
    random_seed.py.
"""

import numbers
import os
import secrets
from typing import Any

import numpy as np

from ..errors import InputError

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

# Philox4x32's two multipliers, and the increments of its two key words per round (Salmon et al.).
_MULTIPLIERS = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL = np.uint32(0x9E3779B9), np.uint32(0xBB67AE85)
_ROUNDS = 10
_LOW = np.uint64(0xFFFFFFFF)

# An operation reserves this number of blocks for each value that it draws
# (GuardedPhiloxRandom::ReserveRandomOutputs(n, 256)).
_BLOCKS_A_VALUE = 256

# Fixes the seed of the device without a change to the program: "seed" or "seed:position".
ENVIRONMENT = "OSTINATO_TF1_DEVICE_SEED"

# The graph's seed if only the operation has one
# (random_seed.DEFAULT_GRAPH_SEED).
_DEFAULT_GRAPH_SEED = 87654321
_MODULUS = 2**31 - 1


def philox(seed: int, seed2: int, *, start: int, count: int) -> np.ndarray:
    """Random 32-bit words.

    Args:
        seed, seed2: Two whole numbers, taken modulo 2**64: the key, and the upper half of the
            counter.
        start: The first block; a block is four words.
        count: The number of words.

    Returns:
        The words, uint32, (count,).
    """
    blocks = np.arange(-(-count // 4), dtype=np.uint64) + np.uint64(start)
    seed, seed2 = seed % 2**64, seed2 % 2**64
    c = [
        blocks & _LOW,
        blocks >> np.uint64(32),
        *(np.full_like(blocks, w) for w in (seed2 & 0xFFFFFFFF, seed2 >> 32)),
    ]
    key = np.array([seed & 0xFFFFFFFF, seed >> 32], np.uint32)
    for _ in range(_ROUNDS):
        a, b = _MULTIPLIERS[0] * c[0], _MULTIPLIERS[1] * c[2]
        c = [
            (b >> np.uint64(32)) ^ c[1] ^ key[0],
            b & _LOW,
            (a >> np.uint64(32)) ^ c[3] ^ key[1],
            a & _LOW,
        ]
        key += _WEYL
    return np.stack(c, 1).astype(np.uint32).reshape(-1)[:count]


def uniform(words: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers in [0, 1) from random words: one word for a float32, two for a float64.

    Args:
        words: uint32, (n,) for float32 and (2n,) for float64.
        dtype: float32 or float64.
    """
    if dtype == np.float32:
        return ((words & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32) - np.float32(
            1
        )
    high, low = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    return (np.uint64(1023 << 52) | (high & np.uint64(0xFFFFF)) << np.uint64(32) | low).view(
        np.float64
    ) - 1.0


class UniformStream:
    """The stream of numbers that one RandomUniform operation draws in a session.

    Args:
        seed, seed2: The seeds of the operation; (0, 0) takes two 64-bit numbers from the device.
    """

    def __init__(self, seed: int, seed2: int):
        if seed == seed2 == 0:
            seed, seed2 = device.draw(), device.draw()
        self.seed, self.seed2, self.block = seed, seed2, 0

    def draw(self, shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
        """The next numbers in [0, 1), row by row.

        Args:
            shape: The shape.
            dtype: float32 or float64.
        """
        count = int(np.prod(shape, dtype=np.int64))
        words = philox(
            self.seed, self.seed2, start=self.block, count=count * np.dtype(dtype).itemsize // 4
        )
        self.block += count * _BLOCKS_A_VALUE
        return uniform(words, np.dtype(dtype)).reshape(shape)


class Device:
    """The generator of seeds for unseeded operations: std::mt19937_64, seeded with one 32-bit
    number.

    Attributes:
        seed: The 32-bit seed.
        position: The number of 64-bit numbers drawn so far.

    Args:
        seed: From 0 to 2**32 - 1; None for a seed from the system, as in TensorFlow.
        position: The number of draws to skip.
    """

    _SIZE, _SHIFT, _MATRIX, _UPPER = 312, 156, 0xB5026F5AA96619E9, 0xFFFFFFFF80000000
    _MASK = 2**64 - 1

    def __init__(self, seed: int | None = None, position: int = 0):
        seed = secrets.randbits(32) if seed is None else seed
        if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
            raise InputError(
                f"device seed {seed!r}: give a whole number of 32 bits, from 0 to 4294967295"
            )
        if not isinstance(position, numbers.Integral) or position < 0:
            raise InputError(
                f"device seed {seed} at position {position!r}: give the number of draws so far, "
                f"0 or more"
            )
        self.seed, self.position = int(seed), 0
        self._state = [self.seed]
        for i in range(1, self._SIZE):
            last = self._state[-1]
            self._state.append((6364136223846793005 * (last ^ last >> 62) + i) & self._MASK)
        for _ in range(position):
            self.draw()

    def draw(self) -> int:
        """The next 64-bit number."""
        i = self.position % self._SIZE
        if i == 0:
            self._twist()
        x = self._state[i]
        self.position += 1
        x ^= (x >> 29) & 0x5555555555555555
        x ^= (x << 17) & 0x71D67FFFEDA60000
        x ^= (x << 37) & 0xFFF7EEE000000000
        return x ^ x >> 43

    def _twist(self):
        s = self._state
        for i in range(self._SIZE):
            y = (s[i] & self._UPPER) | (s[(i + 1) % self._SIZE] & ~self._UPPER & self._MASK)
            s[i] = s[(i + self._SHIFT) % self._SIZE] ^ y >> 1 ^ (self._MATRIX if y & 1 else 0)


def _from_environment() -> Device:
    given = os.environ.get(ENVIRONMENT, "")
    seed, _, position = given.partition(":")
    if given and not (seed.isdecimal() and (position or "0").isdecimal()):
        raise InputError(
            f"{ENVIRONMENT}={given!r}: give a seed, or a seed and a position, as in "
            f"{ENVIRONMENT}=4124492660:66"
        )
    return Device(int(seed), int(position or 0)) if given else Device()


device = _from_environment()


def set_device_seed(seed: int | None, position: int = 0) -> None:
    """Fix the seed of unseeded operations. This function is specific to Ostinato; TensorFlow 1
    takes the seed from the system.

    The environment variable OSTINATO_TF1_DEVICE_SEED, "seed" or "seed:position", does the same
    without a change to the program.

    Args:
        seed: From 0 to 2**32 - 1, or None for a seed from the system.
        position: The number of 64-bit draws to skip. An unseeded operation takes two draws when it
            first runs in a session.

    Raises:
        InputError: The seed has more than 32 bits, or the position is negative.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.set_device_seed(12345, position=2)
        >>> tf.device_seed()
        (12345, 2)
    """
    global device
    device = Device(seed, position)


def device_seed() -> tuple[int, int]:
    """The current seed and position of the device. Passing them to `set_device_seed` repeats the
    following unseeded draws.
    """
    return device.seed, device.position


def op_seeds(graph_seed: int | None, op_seed: int | None, last_id: int) -> tuple[int, int]:
    """The two seeds of a random operation.

    Args:
        graph_seed: The seed set by `tf.set_random_seed`, or None.
        op_seed: The seed of the operation itself, or None.
        last_id: The number of operations in the graph before this one.

    Returns:
        seed and seed2; (0, 0) if neither was given, which means different numbers each time.

    Raises:
        InputError: The seed of the operation is not a whole number.
    """
    if op_seed is not None and not isinstance(op_seed, numbers.Integral):
        raise InputError(
            f"a random operation was given the seed {op_seed!r}: give a whole number, or None for "
            f"the graph's"
        )
    if graph_seed is None and op_seed is None:
        return 0, 0
    if graph_seed is None:
        graph_seed = _DEFAULT_GRAPH_SEED
    seeds = graph_seed % _MODULUS, (last_id if op_seed is None else op_seed) % _MODULUS
    return (0, _MODULUS) if seeds == (0, 0) else seeds


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
    if name.startswith("__"):
        raise AttributeError(name)
    from . import _missing

    raise _missing("tf.random", name)
