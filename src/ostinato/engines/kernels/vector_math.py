"""Private: exp, log, tanh, sigmoid, softplus and sqrt as straight-line vector code, with a stated
error.

The exponential family rests on one reduction, x = k ln 2 + r with k whole and |r| <= ln(2) / 2, and
on one polynomial, z = expm1(r), so that exp(x) = 2^k (1 + z). Each function puts 2^k and z together
so that few roundings are left, and divides once at most. Chains are kept short (a polynomial takes
two terms at a time), for an out-of-order processor waits for them sooner than it runs out of units.

Nothing here branches or calls a library. NaN stays NaN, infinities and signed zeros are right, and
results below the smallest normal number lose digits gradually, as they should.
"""

import math
from dataclasses import dataclass

from llvmlite import ir

# The largest error in units in the last place of the exact result, by function and bits. For
# float32 it is checked on every number there is, for float64 on a sample.
MAX_ULP = {
    ("exp", 32): 1.1,
    ("log", 32): 1.0,
    ("tanh", 32): 2.0,
    ("sigmoid", 32): 2.0,
    ("softplus", 32): 2.0,
    ("sqrt", 32): 0.5,
    ("exp", 64): 1.1,
    ("log", 64): 1.0,
    ("tanh", 64): 2.0,
    ("sigmoid", 64): 2.0,
    ("softplus", 64): 2.0,
    ("sqrt", 64): 0.5,
}


@dataclass(frozen=True)
class Format:
    """A floating-point format, and the functions' constants in it.

    Attributes:
        bits: Of a number.
        mantissa: Bits stored of the mantissa.
        bias: Of the exponent.
        ln2: ln 2 as the nearest number and the rest. k times the first, taken from x in one fma,
            leaves no rounding: the difference is a multiple of the first's last place, and small.
        underflow: exp of this rounds to 0.
        overflow: exp of this is infinite.
        expm1: q in expm1(r) = r + r^2 q(r), lowest power first. Minimax by Remez' exchange on |r|
            <= ln(2) / 2, for the relative error of expm1: 2^-26.2 in float32, 2^-55.6 in float64.
        log: q in log((1 + s) / (1 - s)) = 2 s + s^3 q(s^2), lowest power first. Minimax likewise on
            0 <= s <= 3 - sqrt(8), for the error relative to 2 s: 2^-30.2 and 2^-59.5.
        root: The bits of sqrt(1/2), where the range of log's mantissas starts.
    """

    bits: int
    mantissa: int
    bias: int
    ln2: tuple[float, float]
    underflow: float
    overflow: float
    expm1: tuple[float, ...]
    log: tuple[float, ...]
    root: int

    @property
    def split(self) -> int:
        """The power of two that carries results over the format's ends: they are worked out so much
        nearer 1.
        """
        return (self.bias + 1) // 2


SINGLE = Format(
    bits=32,
    mantissa=23,
    bias=127,
    ln2=(0.693147182464599609375, -1.904654299957767e-09),
    underflow=-104.0,
    overflow=89.0,
    expm1=(0.49999997, 0.166665435, 0.0416672006, 0.00836654752, 0.00138825271),
    log=(0.666667759, 0.399774969, 0.298730761),
    root=0x3F3504F3,
)
DOUBLE = Format(
    bits=64,
    mantissa=52,
    bias=1023,
    ln2=(0.6931471805599453, 2.3190468138462996e-17),
    underflow=-746.0,
    overflow=710.0,
    expm1=(
        0.5000000000000006,
        0.16666666666666588,
        0.041666666666576466,
        0.008333333333389729,
        0.0013888888931667053,
        0.00019841269718717553,
        2.4801505142783002e-05,
        2.7557407680794117e-06,
        2.762609279399893e-07,
        2.5053777156302208e-08,
    ),
    log=(
        0.6666666666666735,
        0.39999999999411107,
        0.2857142874325916,
        0.22222198476369795,
        0.18183569719005624,
        0.15313903789445865,
        0.14797502275976926,
    ),
    root=0x3FE6A09E667F3BCD,
)


def emit(builder: ir.IRBuilder, name: str, x):
    """Emit a function of a vector.

    Args:
        builder: Stands where the code is wanted.
        name: exp, log, tanh, sigmoid, softplus or sqrt.
        x: A vector of float32 or float64, of any width.

    Returns:
        The vector of results.

    Raises:
        KeyError: The function is unknown.
    """
    functions = {
        "exp": _exp,
        "log": _log,
        "tanh": _tanh,
        "sigmoid": _sigmoid,
        "softplus": _softplus,
        "sqrt": lambda v, x: v.intrinsic("sqrt", x),
    }
    return functions[name](_Vectors(builder, x.type), x)


class _Vectors:
    """Arithmetic on vectors of one type; a Python number stands for a vector of it."""

    def __init__(self, builder, kind):
        self.b, self.kind = builder, kind
        self.format = SINGLE if isinstance(kind.element, ir.FloatType) else DOUBLE
        self.whole = ir.VectorType(ir.IntType(self.format.bits), kind.count)

    def of(self, x):
        return ir.Constant(self.kind, [x] * self.kind.count) if isinstance(x, float) else x

    def intrinsic(self, name, *args):
        full = f"llvm.{name}.v{self.kind.count}f{self.format.bits}"
        known = self.b.module.globals.get(full)
        return self.b.call(
            known
            or ir.Function(
                self.b.module, ir.FunctionType(self.kind, [self.kind] * len(args)), full
            ),
            args,
        )

    def fma(self, x, y, z):
        return self.intrinsic("fma", self.of(x), self.of(y), self.of(z))

    def add(self, x, y):
        return self.b.fadd(self.of(x), self.of(y))

    def sub(self, x, y):
        return self.b.fsub(self.of(x), self.of(y))

    def mul(self, x, y):
        return self.b.fmul(self.of(x), self.of(y))

    def div(self, x, y):
        return self.b.fdiv(self.of(x), self.of(y))

    def compare(self, x, relation, y):
        return self.b.fcmp_ordered(relation, self.of(x), self.of(y))

    def where(self, condition, x, y):
        return self.b.select(condition, self.of(x), self.of(y))

    # Both give the second where it is NaN, which is what one instruction of x86 does.
    def larger(self, bound: float, x):
        return self.where(self.compare(bound, ">", x), bound, x)

    def smaller(self, bound: float, x):
        return self.where(self.compare(bound, "<", x), bound, x)

    def bits(self, x):
        return self.b.bitcast(x, self.whole)

    def number(self, bits):
        return self.b.bitcast(bits, self.kind)

    def integer(self, n: int):
        return ir.Constant(self.whole, [n] * self.kind.count)

    @property
    def sign(self):
        return self.integer(1 << self.format.bits - 1)

    def polynomial(self, x, coefficients, square=None):
        """Lowest power first: pairs of terms in x, joined by x^2."""
        square = self.mul(x, x) if square is None else square
        pairs = [coefficients[k : k + 2] for k in range(0, len(coefficients), 2)]
        terms = [self.fma(x, pair[1], pair[0]) if len(pair) == 2 else pair[0] for pair in pairs]
        total = terms.pop()
        for term in reversed(terms):
            total = self.fma(square, total, term)
        return total


def _reduced(
    v: _Vectors, x, *, shift: int = 0, negate: bool = False, half: bool = False, exact: bool = True
):
    """2^(k + shift) and z = expm1(r), where k ln 2 + r is x, or -x.

    With `half`, x stands for twice itself and z is given halved, which saves the doubling. Without
    `exact`, the rest of ln 2 is left out.
    """
    f, scale = v.format, 2.0 if half else 1.0
    # Adding 1.5 * 2^mantissa rounds to a whole number and leaves it in the lowest bits; with the
    # bias added too, they need only be shifted to become an exponent.
    magic = 1.5 * 2.0**f.mantissa + f.bias + shift
    t = v.fma(x, (-scale if negate else scale) / math.log(2), magic)
    k = v.sub(t, magic)
    r = v.fma(k, -f.ln2[0] / scale, v.b.fneg(x) if negate else x)
    if exact:
        r = v.fma(k, -f.ln2[1] / scale, r)
    square = v.mul(r, r)
    q = v.polynomial(r, [c * scale ** (power + 1) for power, c in enumerate(f.expm1)], square)
    return v.b.shl(v.bits(t), v.integer(f.mantissa)), v.fma(square, q, r)


def _exp(v, x):
    """2^k (1 + z) is made 2^split nearer 1 than it is, then put right by one multiplication, which
    overflows or loses digits as it must."""
    f = v.format
    x = v.smaller(f.overflow, v.larger(f.underflow, x))
    bits, z = _reduced(v, x, shift=f.bias)
    grow, shrink = (v.integer(f.bias + n << f.mantissa) for n in (f.split, -f.split))
    last = v.b.select(v.b.icmp_signed("<", v.bits(x), v.integer(0)), shrink, grow)
    power = v.number(v.b.sub(bits, last))
    return v.mul(v.fma(power, z, power), v.number(last))


def _sigmoid(v, x):
    """1 / (1 + exp(-x)), as c / (c + c exp(-x)): with c = 2^-split the last never overflows. 2^k is
    added last, for that leaves the smallest error where the sum is about 1 + 2^mantissa, too."""
    f = v.format
    x = v.smaller(40.0, v.larger(f.underflow, x))
    bits, z = _reduced(v, x, shift=-f.split, negate=True)
    power, c = v.number(bits), 2.0**-f.split
    return v.div(c, v.add(power, v.fma(power, z, c)))


def _tanh(v, x):
    """-expm1(-2 |x|) / (2 + expm1(-2 |x|)), both halved. Above and below, expm1 is 2^k z + (2^k -
    1), which is exact where x is small (k = 0) and loses little elsewhere; with -|x| the divisor
    stays just below 1 or well above 1/2, where roundings are smallest. In float32 the rest of ln 2
    matters where k is large, and there expm1 is -1."""
    f, b = v.format, v.b
    a = v.larger(-20.0, v.number(b.or_(v.bits(x), v.sign)))
    bits, z = _reduced(v, a, half=True, exact=f.bits == 64)
    power = v.number(bits)
    above = v.fma(b.fneg(power), z, v.fma(power, -0.5, 0.5))
    below = v.fma(power, z, v.fma(power, 0.5, 0.5))
    return v.number(b.or_(v.bits(v.div(above, below)), b.and_(v.bits(x), v.sign)))


def _log1p(v, x, k):
    """log(1 + x) + k ln 2 for 1 + x in sqrt(1/2) .. sqrt(2): with s = x / (2 + x), so that 1 + x =
    (1 + s) / (1 - s), log(1 + x) = 2 s + s^3 q = x - x^2 / 2 + s (x^2 / 2 + s^2 q), whose first
    term is exact.

    Source: the arrangement is that of fdlibm's e_log.c (Sun Microsystems, 1993).
    """
    s = v.div(x, v.add(x, 2.0))
    half, square = v.mul(v.mul(x, 0.5), x), v.mul(s, s)
    rest = v.fma(s, v.fma(square, v.polynomial(square, v.format.log), half), v.b.fneg(half))
    return v.fma(k, v.format.ln2[0], v.add(x, v.fma(k, v.format.ln2[1], rest)))


def _log(v, x):
    """The exponent is counted from sqrt(1/2), so that what is left of the mantissa is about 1."""
    f, b = v.format, v.b
    up = f.mantissa + 2
    tiny = v.compare(x, "<", 2.0 ** (1 - f.bias))
    scaled = b.sub(v.bits(v.mul(x, 2.0**up)), v.integer(up << f.mantissa))
    bits = b.select(tiny, scaled, v.bits(x))
    exponent = b.ashr(b.sub(bits, v.integer(f.root)), v.integer(f.mantissa))
    mantissa = v.number(b.sub(bits, b.shl(exponent, v.integer(f.mantissa))))
    y = _log1p(v, v.sub(mantissa, 1.0), b.sitofp(exponent, v.kind))
    y = v.where(v.compare(x, "<", math.inf), y, x)
    return v.where(v.compare(x, ">", 0.0), y, v.where(v.compare(x, "==", 0.0), -math.inf, math.nan))


def _softplus(v, x):
    """max(x, 0) + log1p(t) with t = exp(-|x|), where 1 + t is halved if it is above sqrt(2)."""
    f, b = v.format, v.b
    a = v.larger(f.underflow, v.number(b.or_(v.bits(x), v.sign)))
    bits, z = _reduced(v, a, shift=f.split)
    power = v.number(bits)
    t = v.mul(v.fma(power, z, power), 2.0**-f.split)
    large = v.compare(t, ">", math.sqrt(2) - 1)
    y = _log1p(v, v.where(large, v.fma(t, 0.5, -0.5), t), v.where(large, 1.0, 0.0))
    return v.add(v.larger(0.0, x), y)
