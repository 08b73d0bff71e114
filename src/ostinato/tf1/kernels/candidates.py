"""Private: draws of classes for sampled losses.

Source: TensorFlow 1.13.1, range_sampler.cc, distribution_sampler.cc and simple_philox.h.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .libm import by_libm
from .random import RandomStream, philox, uniform

__all__ = ["LogUniform", "Sampled", "Unigrams", "Uniform", "sample"]

# Blocks of random words that an operation reserves for each class.
_BLOCKS = 512

# Blocks that are generated in one call, which is faster than a call for each.
_BLOCKS_AT_ONCE = 64


class _Words:
    """Random words one by one."""

    def __init__(self, stream: RandomStream):
        self._stream, self._block = stream, stream.block
        self._left: list[int] = []

    def word(self) -> int:
        """32 bits."""
        if not self._left:
            seeds = self._stream.seed, self._stream.seed2
            words = philox(*seeds, start=self._block, count=4 * _BLOCKS_AT_ONCE)
            self._left = words[::-1].tolist()
            self._block += _BLOCKS_AT_ONCE
        return self._left.pop()

    def double(self) -> float:
        """A float64 number in [0, 1)."""
        words = np.array([self.word(), self.word()], np.uint32)
        return float(uniform(words, np.dtype(np.float64))[0])

    def float(self) -> float:
        """A float32 number in [0, 1)."""
        return float(uniform(np.array([self.word()], np.uint32), np.dtype(np.float32))[0])

    def below(self, n: int, bits: int) -> int:
        """A whole number below n, from words of 32 or 64 bits."""
        rest = (2**bits - 1) % n + 1
        power = n & (n - 1) == 0
        while True:
            drawn = self.word() if bits == 32 else self.word() | self.word() << 32
            if power or drawn >= rest:
                return drawn % n


class Uniform:
    """Each class is as probable as another.

    Args:
        count: The number of classes.
    """

    def __init__(self, count: int):
        self.count = count

    def draw(self, words: _Words) -> int:
        """A class."""
        return words.below(self.count, 64)

    def probability(self, value: int) -> float:
        """The probability of a class."""
        return float(np.float32(1.0 / self.count))


class LogUniform:
    """Classes sorted by frequency: the probability of k is log((k + 2) / (k + 1)) / log(count + 1).

    Args:
        count: The number of classes.
    """

    def __init__(self, count: int):
        self.count, self.log_count = count, math.log1p(count)

    def draw(self, words: _Words) -> int:
        """A class."""
        return (int(math.exp(words.double() * self.log_count)) - 1) % self.count

    def probability(self, value: int) -> float:
        """The probability of a class."""
        return float(np.float32(math.log((value + 2.0) / (value + 1.0)) / self.log_count))


class Unigrams:
    """Classes with given weights, drawn by Walker's alias method.

    Args:
        weights: The weights.
    """

    def __init__(self, weights: Sequence[float]):
        self.count = len(weights)
        self.weights = [float(np.float32(w)) for w in weights]
        self.total = float(sum(self.weights))
        shares = [w * self.count / self.total for w in self.weights]
        self.other = list(range(self.count))
        low = [i for i, p in enumerate(shares) if p < 1.0]
        high = [i for i, p in enumerate(shares) if p >= 1.0]
        while low and high:
            small, large = low.pop(), high.pop()
            self.other[small] = large
            shares[large] -= 1.0 - shares[small]
            (low if shares[large] < 1.0 else high).append(large)
        for i in low + high:  # rounding leaves some over
            shares[i] = 1.0
        self.shares = [float(np.float32(p)) for p in shares]

    def draw(self, words: _Words) -> int:
        """A class."""
        place = words.below(self.count, 32)
        return place if words.float() < self.shares[place] else self.other[place]

    def probability(self, value: int) -> float:
        """The probability of a class."""
        if not 0 <= value < self.count:
            return 0.0
        return float(np.float32(self.weights[value] / self.total))


@dataclass
class Sampled:
    """Drawn classes.

    Attributes:
        classes: The classes, int64, (N,).
        expected: How often each of them is expected among the drawn ones, float32, (N,).
        expected_true: The same for the true classes, of their shape.
    """

    classes: np.ndarray
    expected: np.ndarray
    expected_true: np.ndarray


def _log1p(x: float) -> float:
    return math.log1p(x) if x > -1 else -math.inf


def sample(
    stream: RandomStream,
    distribution: Uniform | LogUniform | Unigrams,
    true_classes: np.ndarray,
    count: int,
    unique: bool,
) -> Sampled:
    """Draw classes.

    Args:
        stream: The random words.
        distribution: The distribution.
        true_classes: The classes whose expected count is wanted too.
        count: The number of classes.
        unique: Whether each class is drawn once at most.

    Raises:
        ValueError: There are not as many different classes.
    """
    if unique and count > distribution.count:
        raise ValueError(
            f"num_sampled={count} unique classes of range_max={distribution.count}: draw fewer"
        )
    words = _Words(stream)
    stream.block += _BLOCKS * count
    drawn: list[int] = []
    seen: set[int] = set()
    tries = 0
    while len(drawn) < count:
        tries += 1
        value = distribution.draw(words)
        if not unique or value not in seen:
            seen.add(value)
            drawn.append(value)

    def expected(values: np.ndarray) -> np.ndarray:
        each = [distribution.probability(v) for v in values.reshape(-1).tolist()]
        p = np.array(each, np.float32).reshape(values.shape)
        if tries == count:
            return p * np.float32(count)
        none = by_libm(_log1p, -p.astype(np.float64)) * tries  # the logarithm of its probability
        return (-by_libm(math.expm1, none)).astype(np.float32)

    classes = np.array(drawn, np.int64)
    return Sampled(classes, expected(classes), expected(true_classes))
