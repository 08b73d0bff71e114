"""Private: functions of a register of eight float32 numbers, as Eigen computes them.

Each function is written once. `m` is the arithmetic that it uses: `NUMPY` here for arrays, or the
one in `loops` for compiled code. Both have the operators of NumPy arrays, so that every rounding
is the same. A number with digits is a float32 or float64 constant as its operand is.

Source: Eigen of December 2018, GenericPacketMathFunctions.h, AVX/MathFunctions.h,
    MathFunctionsImpl.h and UnaryFunctors.h.
"""

import functools
from typing import Any, NamedTuple

import numpy as np

from . import libm
from .libm import polynomial

__all__ = ["FUNCTIONS", "NUMPY", "RegisterFunction", "NumPyArithmetic", "tables"]

_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
_INFINITY = float("inf")
_NAN = float("nan")
_SIGN = -(2**31)


class NumPyArithmetic:
    """The operations that arrays have no operators for."""

    def select(self, condition: Any, yes: Any, no: Any) -> Any:
        """`yes` where the condition is true, else `no`."""
        chosen = np.where(condition, yes, no)
        kind = next((v.dtype for v in (yes, no) if isinstance(v, np.ndarray)), np.float32)
        return chosen.astype(kind, copy=False)

    def floor(self, x: Any) -> Any:
        """The whole number at or below x."""
        return np.floor(x)

    def nearest(self, x: Any) -> Any:
        """The nearest whole number; halves go to the even one."""
        return np.rint(x)

    def root(self, x: Any) -> Any:
        """The exact square root, rounded once."""
        return np.sqrt(x)

    def bits(self, x: Any) -> Any:
        """The bits of float32 numbers, as int32."""
        return x.view(np.int32)

    def number(self, bits: Any) -> Any:
        """The float32 numbers with these bits."""
        return bits.astype(np.int32, copy=False).view(np.float32)

    def whole(self, x: Any) -> Any:
        """float32 or float64 to int32, cut towards 0."""
        return x.astype(np.int32)

    def real(self, n: Any) -> Any:
        """int32 to float32."""
        return n.astype(np.float32)

    def double(self, x: Any) -> Any:
        """float32 or int32 to float64."""
        return x.astype(np.float64)

    def single(self, x: Any) -> Any:
        """float64 to float32, rounded."""
        return x.astype(np.float32)

    def table(self, name: str, index: Any) -> Any:
        """The entries of a table; see `tables`."""
        return tables()[name][index]


NUMPY = NumPyArithmetic()


@functools.cache
def tables() -> dict[str, np.ndarray]:
    """The tables by name."""
    return {"roots": _inverse_roots(), **libm.TABLES}


def _inverse_roots() -> np.ndarray:
    """The 2048 results of Intel's instruction rsqrtps: for 1024 parts of [1, 2), then of [2, 4),
    the inverse square root at the middle of the part, rounded to 13 binary places.
    """
    middles = np.multiply.outer([1, 2], 1 + (np.arange(1024) + 0.5) / 1024)
    return (np.rint(2**13 / np.sqrt(middles)) / 2**13).astype(np.float32).reshape(-1)


# ---------------------------------------------------------------- Eigen's functions of a register


def _exp(m: Any, x: Any) -> Any:
    held = m.select(x > 88.3762626647950, 88.3762626647950, x)
    held = m.select(held < -88.3762626647949, -88.3762626647949, held)
    power = m.floor(held * 1.44269504088896341 + 0.5)
    rest = held - power * 0.693359375 - power * -2.12194440e-4
    y = polynomial(
        rest,
        (
            1.9875691500e-4,
            1.3981999507e-3,
            8.3334519073e-3,
            4.1665795894e-2,
            1.6666665459e-1,
            5.0000001201e-1,
        ),
    )
    y = y * (rest * rest) + rest + 1.0
    y = y * m.number(m.whole(power + 127.0) << 23)
    return m.select(x > y, x, y)


def _log(m: Any, x: Any) -> Any:
    bits = m.bits(m.select(x < _SMALLEST_NORMAL, _SMALLEST_NORMAL, x))
    power = m.real(bits >> 23) - 126.0
    t = m.number((bits & 0x007FFFFF) | 0x3F000000)
    small = t < 0.707106781186547524
    power = m.select(small, power - 1.0, power)
    t = m.select(small, (t - 1.0) + t, t - 1.0)
    square = t * t
    cube = square * t
    y = polynomial(t, (7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1))
    y = y * cube + polynomial(t, (-1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1))
    y = y * cube + polynomial(t, (2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1))
    y = y * cube + power * -2.12194440e-4
    y = ((t - square * 0.5) + y) + power * 0.693359375
    return m.select(x == 0.0, -_INFINITY, m.select(x >= 0.0, y, _NAN))


def _estimate(m: Any, x: Any) -> Any:
    """Intel's rsqrtps of normal positive numbers."""
    bits = m.bits(x)
    power = (bits >> 23) - 127
    root = m.table("roots", ((power & 1) << 10) | ((bits >> 13) & 1023))
    return m.number(m.bits(root) - ((power >> 1) << 23))


def _refined(m: Any, x: Any) -> Any:
    """One step of Newton's method from rsqrtps."""
    y = _estimate(m, x)
    return y * (1.5 - (x * 0.5) * (y * y))


def _sqrt(m: Any, x: Any) -> Any:
    y = x * _refined(m, m.select(x < _SMALLEST_NORMAL, _SMALLEST_NORMAL, x))
    y = m.select(x < _SMALLEST_NORMAL, m.select(x >= 0.0, 0.0, _NAN), y)
    return m.select(x < _INFINITY, y, _NAN)


def _rsqrt(m: Any, x: Any) -> Any:
    y = _refined(m, m.select(x < _SMALLEST_NORMAL, _SMALLEST_NORMAL, x))
    y = m.select(x < _SMALLEST_NORMAL, m.select(x >= 0.0, _INFINITY, _NAN), y)
    return m.select(x < _INFINITY, y, _NAN)


def _tanh(m: Any, x: Any) -> Any:
    held = m.select(x > 9.0, 9.0, x)
    held = m.select(held < -9.0, -9.0, held)
    square = held * held
    above = polynomial(
        square,
        (
            -2.76076847742355e-16,
            2.00018790482477e-13,
            -8.60467152213735e-11,
            5.12229709037114e-08,
            1.48572235717979e-05,
            6.37261928875436e-04,
            4.89352455891786e-03,
        ),
    )
    below = polynomial(
        square,
        (1.19825839466702e-06, 1.18534705686654e-04, 2.26843463243900e-03, 4.89352518554385e-03),
    )
    return held * above / below


def _sigmoid(m: Any, x: Any) -> Any:
    held = m.select(x > 18.0, 18.0, x)
    held = m.select(held < -18.0, -18.0, held)
    square = held * held
    above = polynomial(
        square,
        (
            4.37031012579801e-11,
            1.15627324459942e-07,
            6.08574864600143e-05,
            8.51377133304701e-03,
            2.48287947061529e-01,
        ),
    )
    below = polynomial(
        square,
        (
            6.10247389755681e-13,
            5.76102136993427e-09,
            6.29106785017040e-06,
            1.70198817374094e-03,
            1.16817656904453e-01,
            9.93151921023180e-01,
        ),
    )
    y = held * above / below + 0.5
    y = m.select(y > 1.0, 1.0, y)
    return m.select(y < 0.0, 0.0, y)


def _octant(m: Any, x: Any) -> tuple[Any, Any]:
    """The even octant nearest to a positive number, and the rest of the number."""
    octant = (m.whole(x * 1.27323954473516) + 1) & ~1
    y = m.real(octant)
    rest = y * -0.78515625 + x
    rest = y * -2.4187564849853515625e-4 + rest
    return octant, y * -3.77489497744594108e-8 + rest


def _sin_or_cos(m: Any, rest: Any, is_sine: Any) -> Any:
    """The sine or the cosine of a number from -pi/4 to pi/4."""
    square = rest * rest
    cosine = polynomial(
        square, (2.443315711809948e-005, -1.388731625493765e-003, 4.166664568298827e-002)
    )
    cosine = cosine * square * square - square * 0.5 + 1.0
    sine = polynomial(square, (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1))
    sine = sine * square * rest + rest
    return m.select(is_sine, sine, cosine)


def _sin(m: Any, x: Any) -> Any:
    octant, rest = _octant(m, m.select(x < 0.0, x * -1.0, x))
    y = _sin_or_cos(m, rest, (octant & 2) == 0)
    return m.number(m.bits(y) ^ ((m.bits(x) ^ (octant << 29)) & _SIGN))


def _cos(m: Any, x: Any) -> Any:
    octant, rest = _octant(m, m.select(x < 0.0, x * -1.0, x))
    y = _sin_or_cos(m, rest, (octant & 2) == 2)
    return m.number(m.bits(y) ^ (((octant + 3) << 29) & _SIGN))


class RegisterFunction(NamedTuple):
    """A function of arrays.

    Attributes:
        register: For whole registers of eight numbers.
        rest: For the last size % 8 numbers.
    """

    register: Any
    rest: Any


FUNCTIONS = {
    "cos": RegisterFunction(_cos, libm.cosf),
    "exp": RegisterFunction(_exp, libm.expf),
    "expf": RegisterFunction(libm.expf, libm.expf),
    "expm1": RegisterFunction(libm.expm1f, libm.expm1f),
    "log": RegisterFunction(_log, libm.logf),
    "log1p": RegisterFunction(libm.log1pf, libm.log1pf),
    "logf": RegisterFunction(libm.logf, libm.logf),
    "rsqrt": RegisterFunction(_rsqrt, lambda m, x: 1.0 / m.root(x)),
    "sigmoid": RegisterFunction(_sigmoid, lambda m, x: 1.0 / (libm.expf(m, x * -1.0) + 1.0)),
    "sin": RegisterFunction(_sin, libm.sinf),
    "sqrt": RegisterFunction(_sqrt, lambda m, x: m.root(x)),
    "tanh": RegisterFunction(_tanh, _tanh),
}
