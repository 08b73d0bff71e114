"""Private: random numbers of gamma and Poisson distributions, which take as many random words as
they need.

Source: Marsaglia and Tsang, A Simple Method for Generating Gamma Variables (2000); Hörmann, The
    Transformed Rejection Method for Generating Poisson Random Variables (1993); TensorFlow 1.13.1,
    random_op.cc and random_poisson_op.cc.
"""

import math
from collections.abc import Callable, Sequence

import numpy as np

from .random import RandomStream, normal64, philox, uniform

__all__ = ["gamma", "poisson"]

# Each number has this many blocks of its own.
_BLOCKS = 256


class _Draws:
    """Numbers of two distributions from one run of blocks. Each block gives two numbers; the
    second one is taken first.
    """

    def __init__(self, seed: int, seed2: int, block: int):
        self._seeds, self._block = (seed, seed2), block
        self._uniform: list[float] = []
        self._normal: list[float] = []

    def uniform(self) -> float:
        """A number in [0, 1)."""
        if not self._uniform:
            words = philox(*self._seeds, start=self._block, count=4)
            self._uniform = uniform(words, np.dtype(np.float64)).tolist()
            self._block += 1
        return self._uniform.pop()

    def normal(self) -> float:
        """A standard normal number."""
        if not self._normal:
            self._normal = normal64(*self._seeds, 2, self._block).tolist()
            self._block += 1
        return self._normal.pop()


def _gamma(draws: _Draws, alpha: float) -> float:
    if alpha == 1.0:
        return -math.log1p(-draws.uniform())
    small = alpha < 1
    d = alpha + (2.0 / 3 if small else -1.0 / 3)
    c = 1.0 / 3 / math.sqrt(d)
    while True:
        x = draws.normal()
        v = 1 + c * x
        if v <= 0:
            continue
        v = v * v * v
        u = draws.uniform()
        if u < 1 - 0.0331 * (x * x) * (x * x) or (
            _log(u) < 0.5 * x * x + d * (1 - v + math.log(v))
        ):
            return d * v * (draws.uniform() ** (1 / alpha) if small else 1.0)


def _log(u: float) -> float:
    return math.log(u) if u > 0 else -math.inf


def _poisson(draws: _Draws, rate: float) -> float:
    if not math.isfinite(rate) or rate < 0:
        return math.nan
    if rate < 10:
        limit, product, k = math.exp(-rate), 1.0, 0.0
        while True:
            product *= draws.uniform()
            if product <= limit:
                return k
            k += 1
    b = 0.931 + 2.53 * math.sqrt(rate)
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    while True:
        u = draws.uniform() - 0.5
        v = draws.uniform()
        shifted = 0.5 - abs(u)
        k = math.floor((2 * a / shifted + b) * u + rate + 0.43)
        if shifted >= 0.07 and v <= 0.9277 - 3.6224 / (b - 2):
            return k
        if k < 0 or (shifted < 0.013 and v > shifted):
            continue
        bound = -rate + k * math.log(rate) - math.lgamma(k + 1)
        if _log(v * inverse_alpha / (a / (shifted * shifted) + b)) <= bound:
            return k


def _draw(
    stream: RandomStream, shape: Sequence[int], parameters: np.ndarray, one: Callable
) -> np.ndarray:
    flat = np.asarray(parameters, np.float64).reshape(-1)
    count = math.prod(shape)
    found = np.empty((count, flat.size))
    start = stream.block
    stream.block += found.size * _BLOCKS
    for i, parameter in enumerate(flat.tolist()):
        for j in range(count):
            place = start + (i * count + j) * _BLOCKS
            found[j, i] = one(_Draws(stream.seed, stream.seed2, place), parameter)
    return found.reshape(*shape, *np.shape(parameters))


def gamma(stream: RandomStream, shape: Sequence[int], alpha: np.ndarray) -> np.ndarray:
    """Numbers of gamma distributions with scale 1.

    Args:
        stream: The random words.
        shape: The shape of the draws from each distribution.
        alpha: The shape parameters.

    Returns:
        (*shape, *alpha.shape), of the dtype of `alpha`.
    """
    return _draw(stream, shape, alpha, _gamma).astype(alpha.dtype)


def poisson(
    stream: RandomStream, shape: Sequence[int], rate: np.ndarray, dtype: np.dtype
) -> np.ndarray:
    """Numbers of Poisson distributions; see `gamma`.

    Args:
        stream, shape: See `gamma`.
        rate: The means.
        dtype: The dtype of the result.
    """
    return _draw(stream, shape, rate, _poisson).astype(dtype)
