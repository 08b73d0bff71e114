"""Every cell is its paper's equations: one step written out in NumPy from the paper, against the
layer on the reference engine.
"""

import numpy as np
import pytest
import torch

import papers
from ostinato import Recurrent, relu, sigmoid, tanh
from ostinato.cells.classic import CELLS
from ostinato.errors import CellError
from ostinato.language.operations import identity
from papers import ROWS, STEPS, H, I, P, logistic


def gates(count, w, x, h):
    """The stacked affine maps of the input and the state, cut into gates."""
    return np.split(x @ w["W"].T + h @ w["U"].T + w["b"], count, -1)


# Elman, Finding Structure in Time (1990).
def elman(w, x, h, activation=np.tanh):
    h = activation(x @ w["W"].T + h @ w["U"].T + w["b"])
    return h, (h,)


# Gers, Schmidhuber and Cummins, Learning to Forget (2000).
def lstm(
    w,
    x,
    h,
    c,
    forget_bias=0.0,
    cell_clip=np.inf,
    activation=np.tanh,
    gate_activation=logistic,
):
    i, f, g, o = gates(4, w, x, h)
    c = np.clip(
        gate_activation(f + forget_bias) * c + gate_activation(i) * activation(g),
        -cell_clip,
        cell_clip,
    )
    h = gate_activation(o) * activation(c)
    return h, (h, c)


# Gers, Schraudolph and Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks (2002):
# the input and the forget gate see the cell before the step, the output gate the cell after it.
def lstm_peephole(w, x, h, c, forget_bias=0.0, cell_clip=np.inf, activation=np.tanh):
    i, f, g, o = gates(4, w, x, h)
    new = np.clip(
        c * logistic(f + w["p_f"] * c + forget_bias) + activation(g) * logistic(i + w["p_i"] * c),
        -cell_clip,
        cell_clip,
    )
    h = activation(new) * logistic(o + w["p_o"] * new)
    return h, (h, new)


# Sak, Senior and Beaufays (2014), without the peepholes: m = o * tanh(c), r = W_rm m, and r goes
# round.
def lstm_projected(w, x, h, c):
    i, f, g, o = gates(4, w, x, h)
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    m = logistic(o) * np.tanh(c)
    return m @ w["R"].T, (m @ w["R"].T, c)


# The same with the peepholes, and the clips of tf.nn.rnn_cell.LSTMCell.
def lstm_full(
    w,
    x,
    h,
    c,
    forget_bias=0.0,
    peepholes=True,
    cell_clip=np.inf,
    projection_clip=np.inf,
    activation=np.tanh,
):
    seen = w if peepholes else {"p_i": 0.0, "p_f": 0.0, "p_o": 0.0}
    i, f, g, o = gates(4, w, x, h)
    new = logistic(f + seen["p_f"] * c + forget_bias) * c + logistic(
        i + seen["p_i"] * c
    ) * activation(g)
    new = np.clip(new, -cell_clip, cell_clip)
    m = logistic(o + seen["p_o"] * new) * activation(new)
    r = np.clip(m @ w["R"].T, -projection_clip, projection_clip)
    return r, (r, new)


# Cho et al. (2014), arXiv:1406.1078, in the variant of cuDNN: n = tanh(W_n x + b_n + r * (U_n h +
# d_n)), h' = (1 - z) * n + z * h.
def gru(w, x, h, activation=np.tanh, gate_activation=logistic):
    (Wr, Wz, Wn), (Ur, Uz, Un) = np.split(w["W"], 3), np.split(w["U"], 3)
    (br, bz, bn), (dr, dz, dn) = np.split(w["b"], 3), np.split(w["d"], 3)
    r = gate_activation(x @ Wr.T + br + h @ Ur.T + dr)
    z = gate_activation(x @ Wz.T + bz + h @ Uz.T + dz)
    n = activation(x @ Wn.T + bn + r * (h @ Un.T + dn))
    h = (1 - z) * n + z * h
    return h, (h,)


# Cho et al. (2014), arXiv:1406.1078v3, equations 5 to 8.
def gru_original(w, x, h, activation=np.tanh, gate_activation=logistic):
    (Wr, Wz, Wn), (Ur, Uz), (br, bz, bn) = (
        np.split(w["W"], 3),
        np.split(w["U_rz"], 2),
        np.split(w["b"], 3),
    )
    r = gate_activation(x @ Wr.T + h @ Ur.T + br)
    z = gate_activation(x @ Wz.T + h @ Uz.T + bz)
    candidate = activation(x @ Wn.T + (r * h) @ w["U_n"].T + bn)
    h = z * h + (1 - z) * candidate
    return h, (h,)


# Feng et al., Were RNNs All We Needed? (2024), section 3.1.
def min_gru(w, x, h):
    (Wz, Wh), (bz, bh) = np.split(w["W"], 2), np.split(w["b"], 2)
    z = logistic(x @ Wz.T + bz)
    h = (1 - z) * h + z * (x @ Wh.T + bh)
    return h, (h,)


# Ba, Kiros and Hinton, Layer Normalization (2016), equations 15 and 16 (the mean and variance over
# units) and 20 to 22.
def layer_norm_lstm(w, x, h, c, epsilon=1e-5):
    def LN(z, gain):
        return (z - z.mean(-1, keepdims=True)) / np.sqrt(z.var(-1, keepdims=True) + epsilon) * gain

    i, f, g, o = np.split(
        LN(h @ w["U"].T, w["gain_h"]) + LN(x @ w["W"].T, w["gain_x"]) + w["b"], 4, -1
    )
    c = logistic(f) * c + logistic(i) * np.tanh(g)
    h = logistic(o) * np.tanh(LN(c, w["gain_c"]) + w["b_c"])
    return h, (h, c)


PAPERS = {
    f.__name__: f
    for f in (
        elman,
        lstm,
        lstm_peephole,
        lstm_projected,
        lstm_full,
        gru,
        gru_original,
        min_gru,
        layer_norm_lstm,
    )
}


def agrees(made, close, **more):
    return papers.agrees(made, PAPERS[made.name], close, **more)


def test_every_cell_has_its_paper_here():
    assert set(PAPERS) == set(CELLS)
    assert all("Source: " in made.function.__doc__ for made in CELLS.values())


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_computes_its_papers_equations(name, close):
    agrees(CELLS[name], close)


# The same constants for the cell and for the paper's equations.
SAME = [
    ("lstm", {"forget_bias": 1.0}),
    ("lstm", {"forget_bias": -2.5}),
    ("lstm", {"cell_clip": 0.5}),
    ("lstm", {"forget_bias": 1.0, "cell_clip": 0.2}),
    ("lstm_peephole", {"forget_bias": 1.0}),
    ("lstm_peephole", {"cell_clip": 0.5}),
    ("lstm_full", {"forget_bias": 1.0}),
    ("lstm_full", {"cell_clip": 0.5}),
    ("lstm_full", {"projection_clip": 0.3}),
    ("lstm_full", {"peepholes": False}),
    (
        "lstm_full",
        {"peepholes": False, "forget_bias": 1.0, "cell_clip": 0.5, "projection_clip": 0.3},
    ),
    ("layer_norm_lstm", {"epsilon": 0.1}),
    ("layer_norm_lstm", {"epsilon": 1e-3}),
]


@pytest.mark.parametrize("name, constants", SAME, ids=str)
def test_a_constant_has_the_effect_it_says(name, constants, close):
    agrees(CELLS[name].with_constants(**constants), close, **constants)


ACTIVATIONS = {
    "relu": (relu, lambda z: np.maximum(z, 0)),
    "sigmoid": (sigmoid, logistic),
    "identity": (identity, lambda z: z),
    "tanh": (tanh, np.tanh),
    "a person's own": (lambda z: z / (1 + abs(z)), lambda z: z / (1 + np.abs(z))),
}


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "name", [name for name, made in CELLS.items() if "activation" in made.constants]
)
def test_an_activation_stands_in_every_place_of_the_tanh(name, activation, close):
    ours, numpys = ACTIVATIONS[activation]
    agrees(CELLS[name].with_constants(activation=ours), close, scale=0.3, activation=numpys)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize(
    "name", [name for name, made in CELLS.items() if "gate_activation" in made.constants]
)
def test_a_gate_activation_stands_in_every_place_of_the_sigmoid(name, activation, close):
    ours, numpys = ACTIVATIONS[activation]
    agrees(
        CELLS[name].with_constants(gate_activation=ours), close, scale=0.3, gate_activation=numpys
    )


def test_every_constant_of_every_cell_is_tested():
    tested = {(name, constant) for name, constants in SAME for constant in constants}
    tested |= {
        (name, constant)
        for name, made in CELLS.items()
        for constant in ("activation", "gate_activation")
        if constant in made.constants
    }
    assert tested == {
        (name, constant) for name, made in CELLS.items() for constant in made.constants
    }


@pytest.mark.parametrize("name", ["lstm", "lstm_peephole", "lstm_full"])
def test_a_cell_clip_is_reached_and_holds(name, close):
    _, (_, c) = agrees(CELLS[name].with_constants(cell_clip=0.25), close, cell_clip=0.25)
    assert c.abs().max() == 0.25 and (c.abs() < 0.25).any()


def test_a_projection_clip_holds_the_output_and_leaves_the_cell_state(close):
    output, (h, c) = agrees(
        CELLS["lstm_full"].with_constants(projection_clip=0.25), close, projection_clip=0.25
    )
    assert output.abs().max() == h.abs().max() == 0.25 and c.abs().max() > 0.25


def test_a_forget_bias_is_as_much_added_to_the_forget_gates_bias(close):
    plain = Recurrent("lstm", I, H, engine="reference", dtype=torch.float64)
    biased = Recurrent(
        CELLS["lstm"].with_constants(forget_bias=1.5), I, H, engine="reference", dtype=torch.float64
    )
    biased.load_state_dict(plain.state_dict())
    with torch.no_grad():
        plain.b_l0[H : 2 * H] += 1.5
    x = torch.randn(ROWS, STEPS, I, dtype=torch.float64)
    close(biased(x)[0], plain(x)[0])


def test_the_full_lstm_without_peepholes_has_no_peephole_weights():
    layer = Recurrent(CELLS["lstm_full"].with_constants(peepholes=False), I, H, sizes={"P": P})
    assert [name for name, _ in layer.named_parameters()] == ["W_l0", "U_l0", "b_l0", "R_l0"]


def test_the_full_lstm_with_nothing_switched_on_is_the_projected_one():
    assert (
        CELLS["lstm_full"].with_constants(peepholes=False).graph.key
        == CELLS["lstm_projected"].graph.key
    )


@pytest.mark.parametrize(
    "name, constants",
    [
        ("elman", "activation"),
        ("min_gru", "none"),
        ("lstm", "forget_bias, cell_clip, activation, gate_activation"),
    ],
)
def test_a_constant_that_a_cell_has_not_is_refused_with_those_it_has(name, constants):
    with pytest.raises(
        CellError, match=f"cell '{name}' has no constant 'temperature'.*\n  It has {constants};"
    ):
        CELLS[name].with_constants(temperature=1.0)
