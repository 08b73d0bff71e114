"""TensorFlow 1's tanh, sigmoid and sums stay near the exact values, and their derivatives are those
of what they stand for.
"""

import numpy as np
import pytest
import torch

import ostinato.tf1 as tf
from ostinato.tf1 import arithmetic

EXACT = {"tanh": torch.tanh, "sigmoid": torch.sigmoid}
# A float32 has 24 bits: this is one unit in the last place just below 1.
UNIT = 2.0**-24


@pytest.mark.parametrize("name, units", [("tanh", 7), ("sigmoid", 4)])
def test_float32_misses_the_exact_value_by_what_the_rational_function_misses_it(name, units):
    # Over every float32 from 2**-10 to 32 of either sign it is 6.9 units for tanh and 3.7 for
    # sigmoid.
    x = torch.cat(
        [
            torch.linspace(-30, 30, 600001),
            torch.logspace(-30, 1, 3001),
            -torch.logspace(-30, 1, 3001),
        ]
    )
    off = (getattr(arithmetic, name)(x).double() - EXACT[name](x.double())).abs()
    assert off.max() <= units * UNIT


@pytest.mark.parametrize("name, ends", [("tanh", (-1, 1)), ("sigmoid", (0, 1))])
@pytest.mark.parametrize("count", [1, 8, 9])
def test_infinities_give_the_ends_and_nan_stays(name, ends, count):
    # Eight numbers fill a register, and what is left over goes another way.
    function = getattr(arithmetic, name)
    for x, wanted in zip((-torch.inf, torch.inf), ends):
        y = function(torch.full((count,), x))
        assert (y - wanted).abs().max() <= 2 * UNIT and y.min() >= ends[0] and y.max() <= ends[1]
    assert function(torch.full((count,), torch.nan)).isnan().all()


@pytest.mark.parametrize("name", list(EXACT))
def test_float64_is_torchs(name):
    x = torch.linspace(-30, 30, 1001, dtype=torch.float64)
    torch.testing.assert_close(getattr(arithmetic, name)(x), EXACT[name](x), rtol=1e-15, atol=1e-15)


@pytest.mark.parametrize("name", list(EXACT))
def test_derivatives_are_the_functions_own(name):
    x = torch.linspace(-4, 4, 9, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(getattr(arithmetic, name), x)
    assert torch.autograd.gradgradcheck(getattr(arithmetic, name), x)


def test_a_sum_goes_term_by_term_from_where_it_started():
    # 1e8 + 1 is 1e8 in float32: the order decides what is left.
    kernel = torch.ones(3, 1)
    x = torch.tensor([[1.0, 1e8, -1e8]])
    assert arithmetic.accumulate(None, x, kernel).item() == 0
    assert arithmetic.accumulate(None, x.flip(1), kernel).item() == 1
    assert (
        arithmetic.accumulate(torch.tensor([[-1e8]]), torch.tensor([[1e8, 1.0]]), kernel[:2]).item()
        == 1
    )


@pytest.mark.parametrize("terms", [1, 7, 256, 257])
def test_sums_of_any_length_and_their_gradients_are_the_products(terms, close):
    numbers = torch.Generator().manual_seed(0)
    start, x, kernel = (
        torch.randn(shape, generator=numbers, requires_grad=True)
        for shape in ((3, 5), (3, terms), (terms, 5))
    )
    results = []
    for value in (arithmetic.accumulate(start, x, kernel), start + x @ kernel):
        results.append([value, *torch.autograd.grad((value * value).sum(), (start, x, kernel))])
    for ours, wanted in zip(*results, strict=True):
        close(ours, wanted)


def test_a_gradient_of_a_gradient_is_the_second_derivative():
    tf.reset_default_graph()
    x = tf.constant(np.linspace(-2, 2, 5))
    (once,) = tf.gradients(tf.tanh(x), x)
    (twice,) = tf.gradients(once, x)
    with tf.Session() as sess:
        x, once, twice = sess.run([x, once, twice])
    y = np.tanh(x)
    np.testing.assert_allclose(once, 1 - y * y, rtol=1e-14)
    np.testing.assert_allclose(twice, -2 * y * (1 - y * y), rtol=1e-14, atol=1e-15)
