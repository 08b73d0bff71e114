"""Sums and means over units: exact where all numbers are equal, near the exact result elsewhere, on
both engines.
"""

import math

import pytest
import torch

from ostinato import Recurrent, cell, concat, engines, mean, split, state, tanh
from ostinato import sum as sum_units
from ostinato.cells import CELLS
from ostinato.compiler.gradient import derive
from ostinato.engines.reference import _Mean
from ostinato.language.graph import walk

UNITS = range(1, 71)
OFTEN = {1, 2, 3, 7, 16, 17, 33, 49, 70}
SIZES = [pytest.param(n, marks=[] if n in OFTEN else [pytest.mark.slow]) for n in UNITS]
DTYPES = [torch.float32, torch.float64]
# Numbers whose multiples have to be rounded, large and small ones, and 0.
NUMBERS = (0.0, 0.1, 1 / 3, -0.7, 1.9999999, 123.456, 1e-30, -3.3e30, 2 / 7, 1e-3, 65537.1, 5.0)


@cell
def centred(x, h=state("H"), c=state("2*H + 1")):
    """Differences from means: of a state, and of one that is cut and put together in another
    order.
    """
    a, b, d = split(c, ("H", "1", "H"))
    z = concat(b, d, a)
    return h - mean(h), z - mean(z)


@cell
def cut(x, h=state("2*H + 1")):
    """Differences of parts from the mean of the whole."""
    return concat(*(part - mean(h) for part in split(h, ("H", "1", "H"))))


@cell
def reduced(x, h=state("H")):
    """A mean and a sum."""
    return concat(mean(h), sum_units(h)), h


def run(graph, states, engine, units):
    x = torch.zeros(1, len(states[0]), 1, dtype=states[0].dtype)
    return engines.scan(graph, inputs=(x,), states=states, weights={}, engine=engine)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("units", SIZES)
def test_equal_numbers_do_not_differ_from_their_mean(units, dtype, engine, nan_memory):
    draw = torch.Generator().manual_seed(units)
    numbers = torch.cat(
        [torch.tensor(NUMBERS, dtype=dtype), torch.randn(20, generator=draw, dtype=dtype)]
    )
    h, c = (numbers[:, None].repeat(1, count).requires_grad_() for count in (units, 2 * units + 1))
    output, (_, new) = run(centred.graph, (h, c), engine, units)
    assert not output.any() and not new.any()
    # The gradient of each is its difference from the mean of all.
    for got in torch.autograd.grad(
        [output, new],
        [h, c],
        [numbers[None, :, None].expand_as(output), numbers[:, None].expand_as(new)],
    ):
        assert not got.any()


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("units", SIZES)
def test_parts_of_equal_numbers_do_not_differ_from_the_mean_of_all(units, dtype, engine):
    h = torch.tensor(NUMBERS, dtype=dtype)[:, None].repeat(1, 2 * units + 1)
    output, _ = run(cut.graph, (h,), engine, units)
    assert not output.any()


@pytest.mark.parametrize("units", SIZES)
def test_a_sum_is_rounded_about_once(units, engine):
    draw = torch.Generator().manual_seed(units)
    h = torch.randn(40, units, generator=draw) * torch.logspace(-3, 3, units)
    exact = torch.tensor([math.fsum(row) for row in h.double().tolist()], dtype=torch.float64)
    output, _ = run(reduced.graph, (h,), engine, units)
    # torch's own sum, by the reference engine, rounds more often.
    allowed = (
        (1 if engine == "cpu" else 8)
        * torch.finfo(torch.float32).eps
        * (exact.abs() if engine == "cpu" else h.double().abs().sum(1))
    )
    assert ((output[0, :, 1].double() - exact).abs() <= allowed).all()
    assert ((output[0, :, 0].double() - exact / units).abs() <= allowed / units).all()


@pytest.mark.parametrize("units", [1, 3, 17, 40])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_what_is_not_finite_stays_so(units, dtype, engine):
    inf, nan, most = math.inf, math.nan, torch.finfo(dtype).max
    h = torch.ones(3 * units + 2, units, dtype=dtype)
    for k in range(units):
        h[3 * k : 3 * k + 3, k] = torch.tensor([inf, -inf, nan], dtype=dtype)
    h[-2], h[-1, 0], h[-1, -1] = most, inf, -inf
    output, _ = run(reduced.graph, (h,), engine, units)
    torch.testing.assert_close(output[0, :, 1], h.sum(1), equal_nan=True)
    torch.testing.assert_close(output[0, :, 0], h.sum(1) / units, equal_nan=True)


# ---------------------------------------------------------------- layer normalisation

NORMALISED = [name for name, made in CELLS.items() if any(n.op == "mean" for n in made.graph.nodes)]


def test_the_cells_that_normalise_are_known():
    assert {"layer_norm_lstm", "layer_norm_basic_lstm"} <= set(NORMALISED)


def trained(name, units, bias, engine, dtype):
    """Results and gradients of a layer of equal units: nothing but the normalisation leads from one
    unit to another.
    """
    layer = Recurrent(name, 3, units, engine=engine, dtype=dtype)
    with torch.no_grad():
        for parameter, weight in layer.named_parameters():
            if parameter[:-3] in ("W", "U"):
                weight.zero_()
            elif parameter.startswith("b"):
                weight.fill_(bias)
    x = torch.full((2, 4, 3), 0.7, dtype=dtype, requires_grad=True)
    output, ends = layer(x)
    total = output.sum() + sum(end.sum() for end in ends)
    leaves = {"x": x} | dict(layer.named_parameters())
    found = dict(zip(leaves, torch.autograd.grad(total, [*leaves.values()]), strict=True))
    return [output, *ends], found


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("bias", [0.0, 0.3], ids=["zeros", "equal numbers"])
@pytest.mark.parametrize(
    "units", [pytest.param(n, marks=[] if n in {1, 3, 17} else [pytest.mark.slow]) for n in UNITS]
)
@pytest.mark.parametrize("name", NORMALISED)
def test_what_is_equal_in_all_units_is_normalised_to_0_with_its_gradient(
    name, units, bias, dtype, close
):
    # Then every unit is as the one of a layer of one unit, where what is normalised is 0.
    results, gradients = trained(name, 1, bias, "reference", torch.float64)
    found_results, found = trained(name, units, bias, "cpu", dtype)
    for got, wanted in zip(found_results, results, strict=True):
        close(got, wanted.expand_as(got))
    for of, wanted in gradients.items():
        if of != "x":
            wanted = wanted.repeat_interleave(units, 0)
        if of == "U_l0":
            wanted = wanted.repeat_interleave(units, 1)
        close(found[of], wanted)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("units", [1, 3, 16, 17])
@pytest.mark.parametrize("name", NORMALISED)
def test_normalised_zeros_have_the_same_gradients_on_both_engines(name, units, dtype, close):
    found = [trained(name, units, 0.0, engine, dtype) for engine in ("reference", "cpu")]
    for wanted, got in zip(*(results for results, _ in found), strict=True):
        close(got, wanted)
    for of, wanted in found[0][1].items():
        close(found[1][1][of], wanted)


# ---------------------------------------------------------------- how


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_the_reference_engines_mean_has_every_derivative():
    x, d = torch.randn(2, 3, 5, dtype=torch.float64)
    leaf = x.clone().requires_grad_()
    wide = x.mean(-1, keepdim=True).expand_as(x)
    torch.testing.assert_close(_Mean.apply(x), wide)
    assert torch.autograd.gradcheck(_Mean.apply, leaf, check_batched_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: _Mean.apply(x).tanh(), leaf)
    torch.testing.assert_close(
        torch.func.jvp(_Mean.apply, (x,), (d,))[1], d.mean(-1, keepdim=True).expand_as(d)
    )
    torch.testing.assert_close(
        torch.func.vmap(_Mean.apply, in_dims=1)(x), x.mean(0, keepdim=True).expand_as(x).T
    )


def test_gradients_of_one_value_of_one_unit_are_one_sum():
    @cell
    def scaled(x, h=state("I"), b=state(1)):
        return x * b + tanh(h - b), h * b, b

    found = walk([derive(scaled.graph).states["b"]])
    assert [n.op for n in found].count("sum") == 1
