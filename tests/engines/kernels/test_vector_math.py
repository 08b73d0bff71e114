"""exp, log, tanh, sigmoid, softplus and sqrt are as near the exact result as `MAX_ULP` says,
everywhere.
"""

import ctypes
import functools
import math

import numpy as np
import pytest
import torch
from llvmlite import ir

from ostinato.engines.kernels import jit
from ostinato.engines.kernels.vector_math import MAX_ULP, emit

NAMES = ["exp", "log", "tanh", "sigmoid", "softplus", "sqrt"]
DTYPES = {32: np.float32, 64: np.float64}
INF, NAN = math.inf, math.nan

pytestmark = pytest.mark.skipif(jit.host()[0] is None, reason=jit.host()[1])


@functools.cache
def compiled(name, bits, vector_width):
    """A function of an array, whose length is a multiple of the vector width, made of such
    vectors.
    """
    word, pointer = ir.IntType(64), ir.PointerType()
    number = ir.FloatType() if bits == 32 else ir.DoubleType()
    module = ir.Module(name)
    run = ir.Function(module, ir.FunctionType(ir.VoidType(), [pointer, word, word]), "run")
    b = ir.IRBuilder(run.append_basic_block())
    given = [b.load(b.gep(run.args[0], [word(k)], source_etype=word), typ=word) for k in range(3)]
    source, result = (b.inttoptr(address, pointer) for address in given[:2])
    entry, body, end = b.block, b.append_basic_block("body"), b.append_basic_block("end")
    b.branch(body)
    b.position_at_end(body)
    k = b.phi(word)
    k.add_incoming(word(0), entry)
    x = b.load(
        b.gep(source, [k], source_etype=number),
        typ=ir.VectorType(number, vector_width),
        align=bits // 8,
    )
    b.store(emit(b, name, x), b.gep(result, [k], source_etype=number), align=bits // 8)
    after = b.add(k, word(vector_width))
    k.add_incoming(after, body)
    b.cbranch(b.icmp_signed("<", after, given[2]), body, end)
    b.position_at_end(end)
    b.ret_void()
    function = jit.Function(str(module))

    def apply(x):
        x = np.ascontiguousarray(x, DTYPES[bits])
        result = np.full_like(x, NAN)
        words = (ctypes.c_int64 * 3)(x.ctypes.data, result.ctypes.data, x.size)
        function(ctypes.addressof(words), 1)
        return result

    return apply


def values(name, bits, xs, vector_width=8):
    """The function of each number of a list."""
    padded = np.zeros(-(-len(xs) // vector_width) * vector_width)
    padded[: len(xs)] = xs
    return compiled(name, bits, vector_width)(padded)[: len(xs)]


def exact_single(name, x):
    """The function of float32 numbers, in float64."""
    x = torch.from_numpy(x).double()
    match name:
        case "sigmoid":
            small = torch.exp(-x.abs())
            return torch.where(x < 0, small, 1.0).div_(small.add_(1))
        case "softplus":
            return torch.log1p(torch.exp(-x.abs())).add_(x.clamp(min=0))
        case _:
            return getattr(torch, name)(x)


def exact_double(name, x):
    """The function of float64 numbers, in numpy's longer format."""
    x = x.astype(np.longdouble)
    match name:
        case "sigmoid":
            small = np.exp(-abs(x))
            return np.where(x < 0, small, 1) / (1 + small)
        case "softplus":
            return np.log1p(np.exp(-abs(x))) + np.maximum(x, 0)
        case _:
            return getattr(np, name)(x)


def worst_single(name, x, y):
    """The largest error in units in the last place of the exact result; infinite where one of the
    two alone is NaN.

    Infinity counts as 2^128, the number that would be next.
    """
    y, exact = (
        torch.from_numpy(y).double().clamp_(-(2.0**128), 2.0**128),
        exact_single(name, x).clamp_(-(2.0**128), 2.0**128),
    )
    below = (
        exact.abs()
        .clamp_(2.0**-126, 2.0**127)
        .view(torch.int64)
        .bitwise_right_shift_(52)
        .bitwise_left_shift_(52)
    )
    error = (y - exact).abs_().div_(below.view(torch.float64)).mul_(2.0**23)
    error[torch.isnan(y) & torch.isnan(exact)] = 0
    return error.nan_to_num_(nan=INF).max().item()


def worst_double(name, x, y):
    with np.errstate(all="ignore"):
        limit = np.longdouble(2) ** 1024
        y, exact = (
            np.clip(y.astype(np.longdouble), -limit, limit),
            np.clip(exact_double(name, x), -limit, limit),
        )
    exponent = np.frexp(np.clip(abs(exact), np.longdouble(2) ** -1022, np.longdouble(2) ** 1023))[1]
    error = np.ldexp(abs(y - exact), 53 - exponent)
    error[np.isnan(y) & np.isnan(exact)] = 0
    return float(np.nan_to_num(error, nan=INF).max())


# Where the code or its result changes: bounds, the ends of the format, halves of ln 2, the
# mantissas' first.
THRESHOLDS = {
    32: [
        0.0,
        2**-149,
        2**-126,
        1e-30,
        2**-24,
        2**-12,
        0.171573,
        0.414214,
        0.707107,
        1.0,
        1.414214,
        2.0,
        9.01,
        10.0,
        16.6,
        17.3,
        20.0,
        40.0,
        87.3365,
        88.0,
        88.7228,
        89.0,
        103.28,
        103.97,
        104.0,
        2.0**127,
    ],
    64: [
        0.0,
        2**-1074,
        2**-1022,
        1e-300,
        2**-53,
        2**-27,
        0.171573,
        math.sqrt(2) - 1,
        0.5**0.5,
        1.0,
        2**0.5,
        2.0,
        19.06,
        20.0,
        36.7,
        37.4,
        40.0,
        708.396,
        709.09,
        709.782712893384,
        710.0,
        744.44,
        745.1332191019411,
        746.0,
        2.0**1023,
    ],
}


def neighbours(bits, count):
    """The numbers around each threshold and around the half multiples of ln 2, of both signs."""
    whole = {32: np.int32, 64: np.int64}[bits]
    halves = [k * math.log(2) / 4 for k in range(1, 4 * (152 if bits == 32 else 1078))]
    centres = np.array(THRESHOLDS[bits] + halves, DTYPES[bits])
    near = (centres.view(whole)[:, None] + np.arange(-count, count, dtype=whole)).clip(0)
    near = near.view(DTYPES[bits]).ravel()
    return np.concatenate([near, -near])


@pytest.mark.parametrize("name", NAMES)
def test_float32_is_within_its_bound_on_a_sample(name):
    # An odd stride passes through every exponent with ever other mantissas.
    x = np.arange(0, 1 << 32, 4093, dtype=np.int64)
    x = np.concatenate(
        [x[: x.size // 16 * 16].astype(np.uint32).view(np.float32), neighbours(32, 64)]
    )
    x = np.concatenate([x, np.random.default_rng(0).uniform(-20, 20, 1 << 18).astype(np.float32)])
    assert worst_single(name, x, compiled(name, 32, 8)(x)) <= MAX_ULP[name, 32]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_float32_is_within_its_bound_everywhere(name):
    chunk = 1 << 22
    worst = 0.0
    for start in range(0, 1 << 32, chunk):
        x = np.arange(start, start + chunk, dtype=np.int64).astype(np.uint32).view(np.float32)
        worst = max(worst, worst_single(name, x, compiled(name, 32, 8)(x)))
    print(f"{name}: {worst:.4f} ulp")
    assert worst <= MAX_ULP[name, 32]


@pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 63, reason="numpy's longdouble is not wider than float64 here"
)
@pytest.mark.parametrize("name", NAMES)
def test_float64_is_within_its_bound_on_a_sample(name):
    rng = np.random.default_rng(0)
    x = np.concatenate(
        [
            rng.integers(0, 1 << 64, 1 << 15, dtype=np.uint64).view(np.float64),
            neighbours(64, 4),
            rng.uniform(-40, 40, 1 << 15),
            rng.uniform(-1, 1, 1 << 15),
            rng.uniform(-750, 750, 1 << 14),
        ]
    )
    x = x[: x.size // 8 * 8]
    assert worst_double(name, x, compiled(name, 64, 8)(x)) <= MAX_ULP[name, 64]


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize(
    "name, x, wanted",
    [
        ("exp", [0.0, -0.0, INF, -INF, 1000.0, -1000.0], [1.0, 1.0, INF, 0.0, INF, 0.0]),
        ("log", [1.0, 0.0, -0.0, INF, -1.0, -INF], [0.0, -INF, -INF, INF, NAN, NAN]),
        ("tanh", [0.0, -0.0, INF, -INF, 25.0, -25.0], [0.0, -0.0, 1.0, -1.0, 1.0, -1.0]),
        ("sigmoid", [0.0, -0.0, INF, -INF, 1000.0, -1000.0], [0.5, 0.5, 1.0, 0.0, 1.0, 0.0]),
        ("softplus", [INF, -INF, 1000.0, -1000.0], [INF, 0.0, 1000.0, 0.0]),
        ("sqrt", [0.0, -0.0, INF, 4.0, -1.0, -INF], [0.0, -0.0, INF, 2.0, NAN, NAN]),
    ],
)
def test_special_values_are_exact(name, x, wanted, bits):
    y = values(name, bits, x)
    np.testing.assert_array_equal(y, wanted)
    known = ~np.isnan(wanted)
    np.testing.assert_array_equal(np.signbit(y)[known], np.signbit(wanted)[known])


@pytest.mark.parametrize("bits", [32, 64])
@pytest.mark.parametrize("name", NAMES)
def test_nan_stays_nan(name, bits):
    whole, mantissa = {32: (np.uint32, 23), 64: (np.uint64, 52)}[bits]
    top = ((1 << bits - 1) - 1) >> mantissa << mantissa
    payloads = [top | p for p in (1, 77, 1 << mantissa - 1, (1 << mantissa) - 1)]
    x = np.array(payloads + [p | 1 << bits - 1 for p in payloads], whole).view(DTYPES[bits])
    assert np.isnan(x).all() and np.isnan(compiled(name, bits, 8)(x)).all()


@pytest.mark.parametrize("bits", [32, 64])
def test_exp_and_sigmoid_lose_digits_gradually(bits):
    tiny = float(np.finfo(DTYPES[bits]).smallest_subnormal)
    for name in "exp", "sigmoid":
        for n in 1, 2, 3, 1000:
            assert values(name, bits, [math.log(tiny) + math.log(n)])[0] == n * tiny


@pytest.mark.parametrize("bits", [32, 64])
def test_tanh_is_odd_and_tiny_numbers_keep_their_value(bits):
    x = np.geomspace(float(np.finfo(DTYPES[bits]).smallest_subnormal), 30, 4096).astype(
        DTYPES[bits]
    )
    y = compiled("tanh", bits, 8)(x)
    np.testing.assert_array_equal(compiled("tanh", bits, 8)(-x), -y)
    tiny = x < np.finfo(DTYPES[bits]).eps / 4
    np.testing.assert_array_equal(y[tiny], x[tiny])
    assert y.max() == 1


@pytest.mark.parametrize("bits, vector_width", [(32, 4), (32, 16), (64, 2), (64, 4)])
@pytest.mark.parametrize("name", NAMES)
def test_any_vector_width_gives_the_same_digits(name, bits, vector_width):
    x = np.concatenate([np.linspace(-110, 110, 4096), np.linspace(-2, 2, 4096)]).astype(
        DTYPES[bits]
    )
    np.testing.assert_array_equal(compiled(name, bits, vector_width)(x), compiled(name, bits, 8)(x))


def test_other_functions_are_refused():
    with pytest.raises(KeyError, match="erf"):
        compiled("erf", 32, 8)
