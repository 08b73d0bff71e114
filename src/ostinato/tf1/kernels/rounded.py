"""Private: functions that are computed in float64 by the C library and rounded. C's float32
functions, which TensorFlow calls, give the same numbers but for a few arguments in a million.
"""

import math
from collections.abc import Callable

import numpy as np

from .libm import by_libm

__all__ = [
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "lgamma",
    "sinh",
    "tan",
]


def _rounded(function: Callable) -> Callable:
    """A function of real numbers; other dtypes are NumPy's."""

    def compute(*given: np.ndarray) -> np.ndarray:
        dtype = given[0].dtype
        wide = [v.astype(np.float64) if dtype.kind == "f" else v for v in given]
        return function(*wide).astype(dtype, copy=False)

    return compute


def _by_libm(numpy: Callable, function: Callable[..., float]) -> Callable:
    """A function by the C library. Numbers for which it is infinite or not defined, where Python
    raises an error, are NumPy's, whose last digits depend on the processor.
    """

    def compute(*given: np.ndarray) -> np.ndarray:
        given = np.broadcast_arrays(*map(np.asarray, given))
        with np.errstate(all="ignore"):
            found = np.array(numpy(*given))
        if found.dtype == np.float64:
            finite = np.isfinite(found)
            found[finite] = by_libm(function, *(v[finite] for v in given))
        return found

    return _rounded(compute)


def _lgamma(x: float) -> float:
    try:
        return math.lgamma(x)
    except (ValueError, OverflowError):  # a whole number below 1, or a very large one
        return math.inf


def _each(function: Callable[[float], float]) -> Callable:
    return _rounded(lambda x: by_libm(function, x))


def _digamma(x: np.ndarray) -> np.ndarray:
    from scipy.special import digamma

    return digamma(x)


acos, acosh = _by_libm(np.arccos, math.acos), _by_libm(np.arccosh, math.acosh)
asin, asinh = _by_libm(np.arcsin, math.asin), _by_libm(np.arcsinh, math.asinh)
atan, atanh = _by_libm(np.arctan, math.atan), _by_libm(np.arctanh, math.atanh)
atan2, tan = _by_libm(np.arctan2, math.atan2), _by_libm(np.tan, math.tan)
cosh, sinh = _by_libm(np.cosh, math.cosh), _by_libm(np.sinh, math.sinh)
erf, erfc, lgamma = _each(math.erf), _each(math.erfc), _each(_lgamma)
digamma = _rounded(_digamma)
