"""Private: float32 functions of the C library, glibc 2.34's, to the last digit.

They compute in float64 and round once, or follow the older code of Sun. `m` is the arithmetic that
a function uses; see `registers`.

Source: glibc 2.34, sysdeps/ieee754/flt-32: e_expf.c, e_logf.c, e_powf.c, s_sincosf.c, s_log1pf.c
    and s_expm1f.c.
"""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np

__all__ = [
    "TABLES",
    "by_libm",
    "cosf",
    "expf",
    "expm1f",
    "log1pf",
    "logf",
    "polynomial",
    "powf",
    "sincosf",
    "sinf",
]

_HEX = float.fromhex
_SMALLEST_NORMAL = float(np.finfo(np.float32).tiny)
_INFINITY = float("inf")
_NAN = float("nan")

# Inverses of numbers in the sixteen parts of logf's and powf's interval.
_INVERSES = [
    _HEX(x)
    for x in (
        "0x1.661ec79f8f3bep+0",
        "0x1.571ed4aaf883dp+0",
        "0x1.49539f0f010bp+0",
        "0x1.3c995b0b80385p+0",
        "0x1.30d190c8864a5p+0",
        "0x1.25e227b0b8eap+0",
        "0x1.1bb4a4a1a343fp+0",
        "0x1.12358f08ae5bap+0",
        "0x1.0953f419900a7p+0",
        "0x1p+0",
        "0x1.e608cfd9a47acp-1",
        "0x1.ca4b31f026aap-1",
        "0x1.b2036576afce6p-1",
        "0x1.9c2d163a1aa2dp-1",
        "0x1.886e6037841edp-1",
        "0x1.767dcf5534862p-1",
    )
]


def _tables() -> dict[str, np.ndarray]:
    # In decimal numbers, each rounded once: the last digits of NumPy's power and of the C library's
    # logarithms depend on the processor.
    with decimal.localcontext(prec=50):
        two = Decimal(2).ln()
        logarithms = [-Decimal(x).ln() for x in _INVERSES]
        return {
            "exponentials": np.array([float((two * k / 32).exp()) for k in range(32)]),
            "inverses": np.array(_INVERSES),
            "logarithms": np.array([float(x) for x in logarithms]),
            "binary logarithms": np.array([float(x / two) for x in logarithms]),
        }


TABLES = _tables()
_LN2 = _HEX("0x1.62e42fefa39efp-1")
# exp and exp2 on a small interval, the highest power first, less the 1 at the end.
_EXP2 = _HEX("0x1.c6af84b912394p-5"), _HEX("0x1.ebfce50fac4f3p-3"), _HEX("0x1.62e42ff0c52d6p-1")
_LOG2 = (
    _HEX("0x1.27616c9496e0bp-2"),
    _HEX("-0x1.71969a075c67ap-2"),
    _HEX("0x1.ec70a6ca7baddp-2"),
    _HEX("-0x1.7154748bef6c8p-1"),
    _HEX("0x1.71547652ab82bp0"),
)


def by_libm(function: Callable[..., float], *x: np.ndarray) -> np.ndarray:
    """A function of float64 numbers by the C library, one number at a time: the last digits of
    NumPy's own depend on the processor.

    Args:
        function: A function of the module `math`, which must be defined for all of the numbers.
        x: The arguments, float64, all of one shape.
    """
    numbers = (v.reshape(-1).tolist() for v in x)
    return np.fromiter(map(function, *numbers), np.float64, x[0].size).reshape(x[0].shape)


def polynomial(x: Any, coefficients: tuple[float, ...]) -> Any:
    """A polynomial by Horner's rule, the highest power first."""
    total = x * coefficients[0] + coefficients[1]
    for c in coefficients[2:]:
        total = total * x + c
    return total


def expf(m: Any, x: Any) -> Any:
    """glibc's expf, which differs from the rounded exponential in 6 of 10,000 numbers."""
    # Beyond these bounds the result is infinite or 0.
    held = m.select(x > 100.0, 100.0, x)
    held = m.select(held < -110.0, -110.0, held)
    held = m.select(x == x, held, 0.0)
    scaled = m.double(held) * (_HEX("0x1.71547652b82fep+0") * 32)
    nearest = m.nearest(scaled)
    r = scaled - nearest
    k = m.whole(nearest)
    high = r * (_EXP2[0] / 2**15) + _EXP2[1] / 2**10
    y = high * (r * r) + (r * (_EXP2[2] / 2**5) + 1.0)
    # 2**k in two factors, each of them a normal float32.
    power = k >> 5
    half = power >> 1
    y = y * m.table("exponentials", k & 31)
    y = y * m.double(m.number((half + 127) << 23))
    y = m.single(y * m.double(m.number((power - half + 127) << 23)))
    return m.select(x == x, y, x)


def logf(m: Any, x: Any) -> Any:
    """glibc's logf."""
    subnormal = x < _SMALLEST_NORMAL
    bits = m.bits(m.select(subnormal, x * 8388608.0, x))
    shifted = bits - 0x3F330000
    part = (shifted >> 19) & 15
    power = shifted >> 23
    r = m.double(m.number(bits - (power << 23))) * m.table("inverses", part) - 1.0
    k = m.double(m.select(subnormal, m.real(power) - 23.0, m.real(power)))
    start = m.table("logarithms", part) + k * _LN2
    square = r * r
    y = r * _HEX("0x1.5575b0be00b6ap-2") + _HEX("-0x1.ffffef20a4123p-2")
    y = m.single((square * _HEX("-0x1.00ea348b88334p-2") + y) * square + (start + r))
    y = m.select(x == 0.0, -_INFINITY, m.select(x > 0.0, y, _NAN))
    return m.select(x < _INFINITY, y, m.select(x == _INFINITY, _INFINITY, _NAN))


def sincosf(m: Any, x: Any) -> tuple[Any, Any]:
    """glibc's sinf and cosf below 120; above, their digits may differ in the last place."""
    wide = m.double(x)
    quarters = (m.whole(wide * _HEX("0x1.45F306DC9C883p+23")) + 0x800000) >> 24
    near = (wide < math.pi / 4) & (wide > -math.pi / 4)
    quarters = m.select(near, quarters & 0, quarters)
    y = wide - m.double(quarters) * _HEX("0x1.921FB54442D18p0")
    quarter = quarters & 3
    # sine: the sign of the argument; cosine: the sign of the result.
    y = m.select((quarter == 1) | (quarter == 2), y * -1.0, y)
    s = m.select((quarter & 2) == 2, y * 0.0 - 1.0, y * 0.0 + 1.0)
    square = y * y
    cube = y * square
    fourth = square * square
    sine = (y + cube * _HEX("-0x1.555545995a603p-3")) + (cube * square) * (
        square * _HEX("-0x1.994eb3774cf24p-13") + _HEX("0x1.1107605230bc4p-7")
    )
    cosine = (
        (s + square * (s * _HEX("-0x1.ffffffd0c621cp-2")))
        + fourth * (s * _HEX("0x1.55553e1068f19p-5"))
    ) + (fourth * square) * (
        s * _HEX("-0x1.6c087e89a359dp-10") + square * (s * _HEX("0x1.99343027bf8c3p-16"))
    )
    odd = (quarter & 1) == 1
    return (
        m.single(m.select(odd, cosine, sine)),
        m.single(m.select(odd, sine, cosine)),
    )


def sinf(m: Any, x: Any) -> Any:
    """glibc's sinf, below 120."""
    tiny = (x < 2.0**-12) & (x > -(2.0**-12))
    return m.select(tiny, x, sincosf(m, x)[0])


def cosf(m: Any, x: Any) -> Any:
    """glibc's cosf, below 120."""
    return sincosf(m, x)[1]


# ln 2 in two parts (glibc's s_log1pf.c and s_expm1f.c).
_LN2_HIGH, _LN2_LOW = 6.9313812256e-01, 9.0580006145e-06


def log1pf(m: Any, x: Any) -> Any:
    """glibc's log1pf."""
    bits = m.bits(x)
    near = (x < 0.0) & (bits < 0xBE95F620 - 2**32) | (x >= 0.0) & (bits < 0x3ED413D7)
    huge = bits >= 0x5A000000
    u = m.select(huge, x, x + 1.0)
    power = (m.bits(u) >> 23) - 127
    correction = m.select(power > 0, 1.0 - (u - x), x - (u - 1.0)) / u
    correction = m.select(huge, 0.0, correction)
    mantissa = m.bits(u) & 0x007FFFFF
    low = mantissa < 0x3504F7
    power = m.select(low, power, power + 1)
    reduced = m.number(mantissa | m.select(low, bits * 0 + 0x3F800000, bits * 0 + 0x3F000000))
    f = m.select(near, x, reduced - 1.0)
    k = m.select(near, 0.0, m.real(power))
    correction = m.select(near, 0.0, correction)
    half = f * 0.5 * f
    s = f / (f + 2.0)
    z = s * s
    series = z * polynomial(
        z,
        (
            1.4798198640e-01,
            1.5313838422e-01,
            1.8183572590e-01,
            2.2222198546e-01,
            2.8571429849e-01,
            4.0000000596e-01,
            6.6666668653e-01,
        ),
    )
    sum_low = k * _LN2_LOW + correction
    product = s * (half + series)
    far = k * _LN2_HIGH - ((half - (product + sum_low)) - f)
    # A power of two, or next to one.
    cut = half * (1.0 - f * 0.66666666666666666)
    exact = m.select(low, mantissa, (0x00800000 - mantissa) >> 2) == 0
    edge = m.select(f == 0.0, k * _LN2_HIGH + sum_low, k * _LN2_HIGH - ((cut - sum_low) - f))
    y = m.select(near, f - (half - product), m.select(exact, edge, far))
    magnitude = bits & 0x7FFFFFFF
    y = m.select(magnitude < 0x31000000, x - x * x * 0.5, y)
    y = m.select(magnitude < 0x24800000, x, y)
    y = m.select(x > -1.0, y, m.select(x == -1.0, -_INFINITY, _NAN))
    return m.select(x < _INFINITY, y, m.select(x == _INFINITY, _INFINITY, _NAN))


def expm1f(m: Any, x: Any) -> Any:
    """glibc's expm1f."""
    size = m.select(x < 0.0, x * -1.0, x)
    sign = m.select(x < 0.0, x * 0.0 - 1.0, x * 0.0 + 1.0)
    k = m.whole(x * 1.4426950216e00 + sign * 0.5)
    one = m.bits(size) < 0x3F851592
    k = m.select(one, m.whole(sign), k)
    small = m.bits(size) < 0x3EB17219
    k = m.select(small, k & 0, k)
    t = m.real(k)
    high, low = x - t * _LN2_HIGH, t * _LN2_LOW
    r = high - low
    c = (high - r) - low
    r, c = m.select(small, x, r), m.select(small, 0.0, c)
    half = r * 0.5
    square = r * half
    series = square * polynomial(
        square,
        (
            -2.0109921195e-07,
            4.0082177293e-06,
            -7.9365076090e-05,
            1.5873016091e-03,
            -3.3333335072e-02,
        ),
    )
    series = series + 1.0
    t = 3.0 - series * half
    e = square * ((series - t) / (6.0 - r * t))
    near = r - (r * e - square)
    e = (r * (e - c) - c) - square
    minus_one = (r - e) * 0.5 - 0.5
    plus_one = m.select(r < -0.25, (e - (r + 0.5)) * -2.0, (r - e) * 2.0 + 1.0)
    step = m.number((127 - k) << 23)
    below = m.select(k < 23, (1.0 - step) - (e - r), (r - (e + step)) + 1.0)
    outer = (k < -1) | (k > 56)
    y = m.select(outer, 1.0 - (e - r), below)
    y = m.number(m.bits(y) + (k << 23))
    y = m.select(outer, y - 1.0, y)
    y = m.select(k == 1, plus_one, m.select(k == -1, minus_one, y))
    y = m.select(k == 0, near, y)
    y = m.select(m.bits(size) < 0x33000000, x, y)
    y = m.select(x < -18.714973449707031, -1.0, y)
    y = m.select(x > 88.721679688, _INFINITY, y)
    return m.select(x == x, y, x)


def powf(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """glibc's powf.

    Args:
        x, y: float32, shapes that broadcast.
    """
    x, y = np.broadcast_arrays(x, y)
    with np.errstate(all="ignore"):
        rounded = np.power(x.astype(np.float64), y.astype(np.float64)).astype(np.float32)
        size = np.abs(x)
        usual = np.isfinite(size) & (size >= _SMALLEST_NORMAL) & np.isfinite(y)
        bits = np.where(usual, size, np.float32(1)).view(np.int32)
        shifted = bits - 0x3F330000
        part, power = (shifted >> 19) & 15, shifted >> 23
        z = (bits - (power << 23)).view(np.float32).astype(np.float64)
        r = z * TABLES["inverses"][part] - 1.0
        square = r * r
        high, middle = _LOG2[0] * r + _LOG2[1], _LOG2[2] * r + _LOG2[3]
        low = _LOG2[4] * r + (TABLES["binary logarithms"][part] + power)
        logarithm = high * (square * square) + (middle * square + low)
        scaled = np.clip(y.astype(np.float64) * logarithm, -300, 300)
        k = np.rint(scaled * 32).astype(np.int64)
        r = scaled - k / 32
        found = (_EXP2[0] * r + _EXP2[1]) * (r * r) + (_EXP2[2] * r + 1.0)
        found = found * np.ldexp(TABLES["exponentials"][k & 31], k >> 5)
        usual &= ~np.isnan(rounded)
        return np.where(usual, np.copysign(found.astype(np.float32), rounded), rounded)
