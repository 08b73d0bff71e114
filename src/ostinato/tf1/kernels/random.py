"""Private: TensorFlow 1's random numbers: Philox for the values, a Mersenne twister for unseeded
operations, and the rule for the seeds of operations.

Source: Salmon et al., Parallel Random Numbers: As Easy as 1, 2, 3 (2011); Matsumoto and Nishimura's
    64-bit mt19937; TensorFlow 1.13.1, philox_random.h, random_distributions.h, random.cc,
    random_op.cc, multinomial_op.cc, random_shuffle_op.cc and random_seed.py.
"""

import math
import numbers
import os
import secrets
from collections.abc import Callable, Sequence

import numpy as np

from ...errors import InputError
from .elementwise import logf
from .libm import by_libm, sincosf
from .registers import NUMPY

__all__ = [
    "ENVIRONMENT",
    "Device",
    "RandomStream",
    "device_seed",
    "integers",
    "multinomial",
    "normal",
    "normal64",
    "op_seeds",
    "philox",
    "set_device_seed",
    "shuffle",
    "truncated_normal",
    "truncated_normal64",
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
    return _words(seed, seed2, blocks).reshape(-1)[:count]


def _words(seed: int, seed2: int, blocks: np.ndarray) -> np.ndarray:
    """The four words of each block.

    Args:
        seed, seed2: As for `philox`.
        blocks: The numbers of the blocks, uint64, any shape.

    Returns:
        uint32, (*shape, 4).
    """
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
    return np.stack(c, -1).astype(np.uint32)


def uniform(words: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Numbers in [0, 1) from random words: two words for a float64, one for a shorter number.

    Args:
        words: uint32, (2n,) for float64, else (n,).
        dtype: float16, float32 or float64.
    """
    if dtype == np.float16:
        bits = (words & np.uint32(0x3FF)) | np.uint32(15 << 10)
        return bits.astype(np.uint16).view(np.float16) - np.float16(1)
    if dtype == np.float32:
        return ((words & np.uint32(0x7FFFFF)) | np.uint32(127 << 23)).view(np.float32) - np.float32(
            1
        )
    high, low = words[0::2].astype(np.uint64), words[1::2].astype(np.uint64)
    return (np.uint64(1023 << 52) | (high & np.uint64(0xFFFFF)) << np.uint64(32) | low).view(
        np.float64
    ) - 1.0


# ---------------------------------------------------------------- distributions


def _pairs(words: np.ndarray) -> np.ndarray:
    """Standard normal float32 numbers, two of each two words (..., 2 n)."""
    u = uniform(words, np.dtype(np.float32))
    first, second = np.maximum(u[..., 0::2], np.float32(1e-7)), u[..., 1::2]
    angle = (2 * math.pi * second.astype(np.float64)).astype(np.float32)
    radius = np.sqrt(np.float32(-2) * logf(first))
    sine, cosine = sincosf(NUMPY, angle)
    return np.stack([sine * radius, cosine * radius], -1).reshape(words.shape)


def _pairs64(words: np.ndarray) -> np.ndarray:
    """Standard normal float64 numbers, two of each four words (..., 4 n)."""
    flat = words.reshape(-1)
    u = uniform(flat, np.dtype(np.float64))
    angle = 2 * math.pi * u[1::2]
    radius = np.sqrt(-2 * by_libm(math.log, np.maximum(u[0::2], 1e-7)))
    found = np.stack([by_libm(math.sin, angle) * radius, by_libm(math.cos, angle) * radius], -1)
    return found.reshape(*words.shape[:-1], -1)


def normal(seed: int, seed2: int, count: int, start: int = 0) -> np.ndarray:
    """Standard normal numbers.

    Args:
        seed, seed2: The seeds of the operation.
        count: The number of numbers.
        start: The first block of random words.

    Returns:
        float32, (count,).
    """
    return _pairs(philox(seed, seed2, start=start, count=-(-count // 4) * 4))[:count]


def normal64(seed: int, seed2: int, count: int, start: int = 0) -> np.ndarray:
    """The same as float64."""
    return _pairs64(philox(seed, seed2, start=start, count=-(-count // 2) * 4))[:count]


def truncated_normal(seed: int, seed2: int, count: int, start: int = 0) -> np.ndarray:
    """Standard normal numbers within two standard deviations; the arguments are those of `normal`.

    Each four numbers have 256 blocks of their own, from which numbers are drawn until four are
    near enough.
    """
    return _truncated(seed, seed2, count, start, 4, _pairs)


def truncated_normal64(seed: int, seed2: int, count: int, start: int = 0) -> np.ndarray:
    """The same as float64: each two numbers have 128 blocks."""
    return _truncated(seed, seed2, count, start, 2, _pairs64)


def _truncated(
    seed: int, seed2: int, count: int, start: int, size: int, pairs: Callable
) -> np.ndarray:
    """Groups of `size` numbers."""
    groups = -(-count // size)
    first = np.uint64(start) + np.arange(groups, dtype=np.uint64) * np.uint64(64 * size)
    found = np.empty((groups, size), np.float32 if size == 4 else np.float64)
    todo, blocks = np.arange(groups), 2
    while len(todo):
        numbers_of = first[todo, None] + np.arange(blocks, dtype=np.uint64)
        drawn = pairs(_words(seed, seed2, numbers_of).reshape(len(todo), -1))
        near = np.abs(drawn) < 2
        place = np.cumsum(near, 1)
        full = place[:, -1] >= size
        chosen = near & (place <= size) & full[:, None]
        found[todo[full]] = drawn[chosen].reshape(-1, size)
        todo, blocks = todo[~full], blocks * 4
    return found.reshape(-1)[:count]


def integers(
    seed: int, seed2: int, count: int, low: int, high: int, dtype: np.dtype, start: int = 0
) -> np.ndarray:
    """Whole numbers from `low` to `high` - 1.

    Args:
        seed, seed2, count, start: As for `normal`.
        low, high: The bounds.
        dtype: int32 or int64.

    Returns:
        (count,).
    """
    dtype = np.dtype(dtype)
    words = philox(seed, seed2, start=start, count=count * dtype.itemsize // 4).astype(np.uint64)
    if dtype == np.int64:
        words = words[0::2] | words[1::2] << np.uint64(32)
    drawn = words % np.uint64(int(high) - int(low))
    return (drawn + np.uint64(int(low) % 2**64)).astype(np.int64).astype(dtype)


def multinomial(
    seed: int, seed2: int, logits: np.ndarray, count: int, start: int = 0
) -> np.ndarray:
    """Classes drawn from unnormalised log probabilities.

    Args:
        seed, seed2, start: As for `normal`.
        logits: (B, C).
        count: The number of draws from each row.

    Returns:
        int64, (B, count).
    """
    rows = np.asarray(logits).astype(np.float64)
    words = philox(seed, seed2, start=start, count=len(rows) * count * 2)
    numbers_of = uniform(words, np.dtype(np.float64)).reshape(len(rows), count)
    drawn = np.empty((len(rows), count), np.int64)
    for i, row in enumerate(rows):
        finite = np.isfinite(row)
        powers = np.zeros_like(row)
        powers[finite] = by_libm(math.exp, row[finite] - np.max(row[finite], initial=-np.inf))
        sums = np.cumsum(powers)
        drawn[i] = np.searchsorted(sums, numbers_of[i] * sums[-1], side="right")
    return drawn


def shuffle(seed: int, seed2: int, count: int, start: int = 0) -> np.ndarray:
    """A random order of the numbers below `count`; the arguments are those of `normal`."""
    words = philox(seed, seed2, start=start, count=count).astype(np.int64)
    steps = (words % np.arange(count, 0, -1)).tolist()
    order = list(range(count))
    for i, step in enumerate(steps[:-1]):
        order[i], order[i + step] = order[i + step], order[i]
    return np.array(order, np.int64)


class RandomStream:
    """The stream of numbers that one random operation draws in a session.

    Args:
        seed, seed2: The seeds of the operation; (0, 0) takes two 64-bit numbers from the device.

    Attributes:
        block: The next block of random words.
    """

    def __init__(self, seed: int, seed2: int):
        if seed == seed2 == 0:
            seed, seed2 = device.draw(), device.draw()
        self.seed, self.seed2, self.block = seed, seed2, 0

    def _reserve(self, blocks: int) -> int:
        """The first of some blocks that nothing else will use."""
        start, self.block = self.block, self.block + blocks
        return start

    def uniform(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Numbers in [0, 1).

        Args:
            shape: The shape, which is filled row by row.
            dtype: float16, float32 or float64.
        """
        count, dtype = math.prod(shape), np.dtype(dtype)
        start = self._reserve(count * _BLOCKS_A_VALUE)
        words = philox(
            self.seed, self.seed2, start=start, count=count * (2 if dtype == np.float64 else 1)
        )
        return uniform(words, dtype).reshape(shape)

    def normal(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Standard normal numbers; the arguments are those of `uniform`."""
        wide = np.dtype(dtype) == np.float64
        return self._draw(normal64 if wide else normal, shape).astype(dtype, copy=False)

    def truncated_normal(self, shape: Sequence[int], dtype: np.dtype) -> np.ndarray:
        """Standard normal numbers within two standard deviations; the arguments are those of
        `uniform`.
        """
        wide = np.dtype(dtype) == np.float64
        draw = truncated_normal64 if wide else truncated_normal
        return self._draw(draw, shape).astype(dtype, copy=False)

    def _draw(self, draw: Callable, shape: Sequence[int]) -> np.ndarray:
        count = math.prod(shape)
        start = self._reserve(count * _BLOCKS_A_VALUE)
        return draw(self.seed, self.seed2, count, start).reshape(shape)

    def integers(self, shape: Sequence[int], low: int, high: int, dtype: np.dtype) -> np.ndarray:
        """Whole numbers from `low` to `high` - 1.

        Args:
            shape: The shape, which is filled row by row.
            low, high: The bounds.
            dtype: int32 or int64.
        """
        count = math.prod(shape)
        start = self._reserve(count * _BLOCKS_A_VALUE)
        return integers(self.seed, self.seed2, count, low, high, dtype, start).reshape(shape)

    def multinomial(self, logits: np.ndarray, count: int) -> np.ndarray:
        """Classes, int64, (B, count).

        Args:
            logits: Unnormalised log probabilities, (B, C).
            count: The number of draws from each row.
        """
        start = self._reserve(len(logits) * -(-count // 4) * 4 * 2 * _BLOCKS_A_VALUE)
        return multinomial(self.seed, self.seed2, logits, count, start)

    def shuffle(self, count: int) -> np.ndarray:
        """A random order of the numbers below `count`, int64, (count,)."""
        if count < 2:
            return np.arange(count)
        return shuffle(self.seed, self.seed2, count, self._reserve(-(-count // 4)))


# ---------------------------------------------------------------- seeds


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
        self.seed: int = int(seed)
        self.position: int = 0
        self._state: list[int] = [self.seed]
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
