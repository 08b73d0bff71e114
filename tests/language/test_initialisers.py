"""How weights start: each initialiser by its paper's numbers, seeds, what is refused; and the names
that torch.nn gives them.
"""

import math

import numpy as np
import pytest
import torch
from torch import nn

from ostinato.cells import CELLS
from ostinato.errors import InputError
from ostinato.language.initialisers import (
    INITIALISERS,
    MATRICES_ONLY,
    TORCH_NAMES,
    chrono,
    initialise,
    torch_names,
)

HIDDEN = 25
SHAPE = (4 * HIDDEN, 60)


def started(how, shape=SHAPE, dtype=torch.float64):
    """A weight that began as NaN and was started."""
    weight = torch.full(shape, torch.nan, dtype=dtype)
    initialise(weight, how, name="W", hidden_size=HIDDEN)
    return weight


def is_uniform(w, bound):
    """Whether numbers fill the interval within a bound evenly: the bound, the mean, the variance,
    and the share of each tenth.
    """
    shares = torch.histc(w, 10, -bound, bound) / w.numel()
    return (
        w.abs().max() <= bound
        and abs(w.mean()) < 0.05 * bound
        and abs(w.var() / (bound**2 / 3) - 1) < 0.05
        and (abs(shares - 0.1) < 0.02).all()
    )


def is_normal(w, std):
    """Whether numbers have the moments of a normal distribution, and its share beyond two standard
    deviations.
    """
    beyond = (w.abs() > 2 * std).double().mean()
    return (
        abs(w.mean()) < 0.05 * std
        and abs(w.std() / std - 1) < 0.05
        and abs(beyond - math.erfc(2 / math.sqrt(2))) < 0.01
    )


HOLDS = {
    # torch.nn: within 1 / sqrt(H), whatever the shape.
    "uniform": lambda w: is_uniform(w, 1 / 5),
    "normal": lambda w: is_normal(w, 1 / 5),
    "zeros": lambda w: (w == 0).all(),
    "ones": lambda w: (w == 1).all(),
    # Glorot and Bengio (2010), equation 16: within sqrt(6 / (rows + columns)).
    "glorot": lambda w: is_uniform(w, math.sqrt(6 / (100 + 60))),
    # He et al. (2015), equation 10: a variance of 2 / columns.
    "he": lambda w: is_normal(w, math.sqrt(2 / 60)),
    # Saxe et al. (2013): columns of length 1 at right angles.
    "orthogonal": lambda w: torch.allclose(w.T @ w, torch.eye(60, dtype=w.dtype)),
    # Le et al. (2015): the identity, once for each gate.
    "identity": lambda w: all(
        torch.equal(part, torch.eye(60, dtype=w.dtype)[: len(part)]) for part in w.split(60)
    ),
}


@pytest.mark.parametrize("how", HOLDS)
def test_an_initialiser_does_what_its_name_says(how):
    assert HOLDS[how](started(how))


def test_every_initialiser_is_tested():
    assert set(HOLDS) == set(INITIALISERS) and MATRICES_ONLY <= set(INITIALISERS)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("how", sorted(set(INITIALISERS) - {"orthogonal"}))
def test_an_initialiser_keeps_the_dtype_and_leaves_nothing_unset(how, dtype):
    weight = started(how, dtype=dtype)
    assert weight.dtype is dtype and weight.shape == SHAPE and weight.isfinite().all()


@pytest.mark.parametrize("how", sorted(set(INITIALISERS) - MATRICES_ONLY))
def test_a_vector_starts_as_a_matrix_does(how):
    assert HOLDS[how](started(how, (6000,)))


@pytest.mark.parametrize("how", INITIALISERS)
def test_the_same_seed_starts_the_same_weight(how):
    weights = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        weights.append(started(how))
    assert torch.equal(weights[0], weights[1])
    assert torch.equal(weights[0], weights[2]) == (how in {"zeros", "ones", "identity"})


def test_nothing_said_is_uniform():
    torch.manual_seed(3)
    said = started("uniform")
    torch.manual_seed(3)
    assert torch.equal(started(None), said)


@pytest.mark.parametrize("rows, columns", [(3, 3), (6, 3), (7, 3), (2, 3), (1, 1)])
def test_the_identity_is_repeated_down_the_rows_and_cut(rows, columns):
    weight = started("identity", (rows, columns))
    assert all(weight[r, c] == (r % columns == c) for r in range(rows) for c in range(columns))


@pytest.mark.parametrize("number", [0, 1, -2, 0.5, math.inf])
@pytest.mark.parametrize("shape", [(3,), (2, 3)], ids=str)
def test_a_number_fills_the_weight(number, shape):
    assert (started(number, shape) == number).all()


def test_a_function_of_the_shape_gives_the_weight():
    asked = []

    def counting(shape):
        asked.append(shape)
        return torch.arange(math.prod(shape)).reshape(shape)

    assert torch.equal(
        started(counting, (2, 3)), torch.arange(6, dtype=torch.float64).reshape(2, 3)
    ) and asked == [(2, 3)]
    assert torch.equal(
        started(lambda shape: [1.0, 2.0], (2,)), torch.tensor([1.0, 2.0], dtype=torch.float64)
    ), "a list will do"


def test_a_parameter_is_filled_in_place_and_stays_a_leaf():
    parameter = nn.Parameter(torch.full((2, 3), torch.nan))
    initialise(parameter, "glorot", name="W", hidden_size=1)
    assert (
        parameter.is_leaf
        and parameter.requires_grad
        and parameter.grad_fn is None
        and parameter.isfinite().all()
    )


@pytest.mark.parametrize(
    "how, shape, match",
    [
        (
            "glorott",
            (2, 3),
            "^weight 'W' has init='glorott': did you mean 'glorot'\\?; the initialisers are "
            "uniform, normal, zeros, ones, glorot, he, orthogonal, identity$",
        ),
        ("Kaiming", (2, 3), "^weight 'W' has init='Kaiming'; the initialisers are uniform, normal"),
        *[
            (
                how,
                (3,),
                f"^weight 'W' has init='{how}' and is a vector of 3: {how} needs two dimensions; "
                f"write a number, 'uniform' or 'normal'$",
            )
            for how in sorted(MATRICES_ONLY)
        ],
        (
            lambda shape: torch.zeros(3, 2),
            (2, 3),
            r"^the init of weight 'W' returned the shape \(3, 2\); it should be \(2, 3\)$",
        ),
        (
            lambda shape: torch.zeros(6),
            (2, 3),
            r"^the init of weight 'W' returned the shape \(6,\); it should be \(2, 3\)$",
        ),
        (
            lambda shape: 0.5,
            (2, 3),
            r"^the init of weight 'W' returned the shape \(\); it should be \(2, 3\)$",
        ),
        (
            True,
            (2, 3),
            "^weight 'W' has init=True: write a number, a function of the shape, or one of "
            "uniform, normal",
        ),
        (
            [1],
            (2, 3),
            r"^weight 'W' has init=\[1\]: write a number, a function of the shape, or one of "
            r"uniform, normal",
        ),
        (
            torch.zeros(1),
            (2, 3),
            r"^weight 'W' has init=tensor\(\[0.\]\): write a number, a function of the shape, or "
            r"one of",
        ),
    ],
)
def test_a_start_that_cannot_be_is_refused_with_those_that_can(how, shape, match):
    with pytest.raises(InputError, match=match):
        started(how, shape)


# ---------------------------------------------------------------- torch.nn's names

TORCH_LAYERS = {
    "elman": lambda bias: nn.RNN(2, 3, bias=bias),
    "lstm": lambda bias: nn.LSTM(2, 3, bias=bias),
    "gru": lambda bias: nn.GRU(2, 3, bias=bias),
    "lstm_projected": lambda bias: nn.LSTM(2, 3, proj_size=2, bias=bias),
}


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("name", TORCH_NAMES)
def test_names_are_those_that_torch_registers_in_its_order_and_shapes(name, bias):
    graph = CELLS[name].graph
    ours = [
        (f"{part}_l0", tuple(s.at({"I": 2, "H": 3, "P": 2}) for s in graph.weights[weight].shape))
        for weight, parts in torch_names(graph, bias=bias).items()
        for part in parts
    ]
    theirs = [(key, tuple(p.shape)) for key, p in TORCH_LAYERS[name](bias).named_parameters()]
    assert ours == theirs


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_every_weight_of_a_cell_that_torch_has_is_named(name):
    assert list(torch_names(CELLS[name].graph, bias=True)) == list(CELLS[name].graph.weights)


@pytest.mark.parametrize(
    "number", [0.5, np.float32(0.5), np.float64(0.5)], ids=lambda n: type(n).__name__
)
def test_a_number_may_be_numpys(number):
    assert (started(number) == 0.5).all()


@pytest.mark.parametrize("gates", [(), (2,), "if"])
def test_chrono_says_what_its_gates_may_be(gates):
    with pytest.raises(InputError, match="write 1, -1 or 0 for each gate"):
        chrono(784, gates)


def test_chrono_takes_numpys_whole_numbers():
    assert chrono(np.int64(784))((4,)).shape == (4,)
