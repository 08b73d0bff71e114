"""Every research cell is its paper's equations: a step written out in NumPy from the paper, against
the reference engine.
"""

import math

import numpy as np
import pytest
import torch

import papers
from ostinato import Recurrent, cell, floor, state, weight
from ostinato.cells.research import CELLS
from ostinato.errors import CellError, InputError
from ostinato.language.initialisers import chrono
from papers import ROWS, STEPS, H, I, logistic


def affine(w, x, matrix="W", bias="b"):
    """A weight's product with rows, and its bias."""
    return x @ w[matrix].T + w[bias]


# Feng et al. (2024), section 3.2: f' = f / (f + i), i' = i / (f + i).
def min_lstm(w, x, h):
    (Wf, Wi, Wh), (bf, bi, bh) = np.split(w["W"], 3), np.split(w["b"], 3)
    f, i = logistic(x @ Wf.T + bf), logistic(x @ Wi.T + bi)
    h = (f * h + i * (x @ Wh.T + bh)) / (f + i)
    return h, (h,)


# Ravanelli et al. (2018), without batch norm: z = sigmoid(W_z x + U_z h), h~ = ReLU(W_h x + U_h h),
# h' = z h + (1 - z) h~
def li_gru(w, x, h):
    (Wz, Wh), (bz, bh) = np.split(w["W"], 2), np.split(w["b"], 2)
    z = logistic(x @ Wz.T + h @ w["U_z"].T + bz)
    candidate = np.maximum(0, x @ Wh.T + h @ w["U_n"].T + bh)
    h = z * h + (1 - z) * candidate
    return h, (h,)


# Zhou et al. (2016).
def mgu(w, x, h):
    (Wf, Wh), (bf, bh) = np.split(w["W"], 2), np.split(w["b"], 2)
    f = logistic(np.concatenate([h, x], 1) @ np.concatenate([w["U_f"], Wf], 1).T + bf)
    candidate = np.tanh(np.concatenate([f * h, x], 1) @ np.concatenate([w["U_n"], Wh], 1).T + bh)
    h = (1 - f) * h + f * candidate
    return h, (h,)


# Jozefowicz et al. (2015), the three boxes.
def mut1(w, x, h):
    x, (Wxz, Wxr), (bz, br, bh) = x @ w["P"].T, np.split(w["W"], 2), np.split(w["b"], 3)
    z = logistic(x @ Wxz.T + bz)
    r = logistic(x @ Wxr.T + h @ w["U_r"].T + br)
    h = np.tanh((r * h) @ w["U_n"].T + np.tanh(x) + bh) * z + h * (1 - z)
    return h, (h,)


def mut2(w, x, h):
    x, (Wxz, Wxh), (Whz, Whr), (bz, br, bh) = (
        x @ w["P"].T,
        np.split(w["W"], 2),
        np.split(w["U_zr"], 2),
        np.split(w["b"], 3),
    )
    z = logistic(x @ Wxz.T + h @ Whz.T + bz)
    r = logistic(x + h @ Whr.T + br)
    h = np.tanh((r * h) @ w["U_n"].T + x @ Wxh.T + bh) * z + h * (1 - z)
    return h, (h,)


def mut3(w, x, h):
    (Wxz, Wxr, Wxh), (bz, br, bh) = np.split(w["W"], 3), np.split(w["b"], 3)
    z = logistic(x @ Wxz.T + np.tanh(h) @ w["U_z"].T + bz)
    r = logistic(x @ Wxr.T + h @ w["U_r"].T + br)
    h = np.tanh((r * h) @ w["U_n"].T + x @ Wxh.T + bh) * z + h * (1 - z)
    return h, (h,)


# Kusupati et al. (2018), section 3; both numbers are held within 0 and 1 by a sigmoid.
def fast_rnn(w, x, h):
    candidate = np.tanh(affine(w, x) + h @ w["U"].T)
    h = logistic(w["alpha"]) * candidate + logistic(w["beta"]) * h
    return h, (h,)


# The same.
def fast_grnn(w, x, h):
    z = logistic(x @ w["W"].T + h @ w["U"].T + w["b_z"])
    candidate = np.tanh(x @ w["W"].T + h @ w["U"].T + w["b_n"])
    h = (logistic(w["zeta"]) * (1 - z) + logistic(w["nu"])) * candidate + z * h
    return h, (h,)


# Bradbury et al. (2017): z, f and o are convolutions over x_{t-1} and x_t; c' = f c + (1 - f) z, h
# = o c'.
def qrnn(w, x, c, p):
    (Wz, Wf, Wo), (bz, bf, bo), (pz, pf, po) = (
        np.split(w["W"], 3),
        np.split(w["b"], 3),
        np.split(p, 3, -1),
    )
    z, f, o = (
        np.tanh(pz + x @ Wz.T + bz),
        logistic(pf + x @ Wf.T + bf),
        logistic(po + x @ Wo.T + bo),
    )
    c = f * c + (1 - f) * z
    return o * c, (c, x @ w["V"].T)


# De et al. (2024), equations 1 to 4, with a = sigmoid(decay) and c = 8.
def rg_lru(w, x, h):
    (Wr, Wi, Wx), (br, bi, bx) = np.split(w["W"], 3), np.split(w["b"], 3)
    r, i = logistic(x @ Wr.T + br), logistic(x @ Wi.T + bi)
    a = logistic(w["decay"]) ** (8 * r)
    h = a * h + np.sqrt(1 - a**2) * (i * (x @ Wx.T + bx))
    return h, (h,)


# Orvieto et al. (2023), in complex numbers: x' = L x + g (B u), y = Re(C x') + D u, with L =
# exp(-exp(nu) + i angle).
def lru(w, x, re, im):
    (B_re, B_im), (C_re, C_im) = np.split(w["B"], 2), np.split(w["C"], 2, 1)
    L = np.exp(-np.exp(w["nu"]) + 2j * np.arctan(np.exp(w["theta"])))
    state = L * (re + 1j * im) + np.sqrt(1 - np.abs(L) ** 2) * (x @ (B_re + 1j * B_im).T)
    return (state @ (C_re + 1j * C_im).T).real + x @ w["D"].T, (state.real, state.imag)


# Beck et al. (2024), section 2.2, with the stabiliser and the sigmoid as the forget gate.
def slstm(w, x, h, c, n, m):
    i, f, z, o = np.split(affine(w, x) + h @ w["U"].T, 4, -1)
    log_f = np.log(logistic(f))
    m_new = np.maximum(log_f + m, i)
    i, f = np.exp(i - m_new), np.exp(log_f + m - m_new)
    c, n = f * c + i * np.tanh(z), f * n + i
    h = logistic(o) * c / n
    return h, (h, c, n, m_new)


# Van der Westhuizen and Lasenby (2018), with beta as in the experiments.
def janet(w, x, h, beta=1.0):
    (Wf, Wc), (Uf, Uc) = np.split(w["W"], 2), np.split(w["U"], 2)
    s = h @ Uf.T + x @ Wf.T + w["b_f"]
    h = logistic(s) * h + (1 - logistic(s - beta)) * np.tanh(h @ Uc.T + x @ Wc.T + w["b_n"])
    return h, (h,)


# Rusch and Mishra (2021), equation 3, with explicit damping.
def cornn(w, x, y, z, dt=0.042, gamma=2.7, epsilon=4.7):
    z = (
        z
        + dt * np.tanh(y @ w["U"].T + z @ w["V"].T + affine(w, x))
        - dt * gamma * y
        - dt * epsilon * z
    )
    y = y + dt * z
    return y, (y, z)


# Rusch et al. (2022), equation 3.
def lem(w, x, y, z, dt=1.0):
    (V1, V2, Vz, Vy), (W1, W2, Wz), (b1, b2, bz, by) = (
        np.split(w["W"], 4),
        np.split(w["U"], 3),
        np.split(w["b"], 4),
    )
    step = dt * logistic(y @ W1.T + x @ V1.T + b1)
    slow = dt * logistic(y @ W2.T + x @ V2.T + b2)
    z = (1 - step) * z + step * np.tanh(y @ Wz.T + x @ Vz.T + bz)
    y = (1 - slow) * y + slow * np.tanh(z @ w["V"].T + x @ Vy.T + by)
    return y, (y, z)


# Chang et al. (2019): h' = h + e tanh((W - W^T - g I) h + V x + b).
def antisymmetric_rnn(w, x, h, epsilon=0.01, gamma=0.01):
    M = w["U"] - w["U"].T - gamma * np.eye(len(w["U"]))
    h = h + epsilon * np.tanh(h @ M.T + affine(w, x))
    return h, (h,)


# Neil et al. (2016), section 2: the cell's proposed state has a tilde, and what comes of it is
# gated by k.
def phased_lstm(w, x, h, c, r_on=0.05, alpha=0.001):
    x, t = x[:, :I], x[:, I:]
    i, f, g, o = np.split(affine(w, x) + h @ w["U"].T, 4, -1)
    phi = np.mod(t - w["s"], w["tau"]) / w["tau"]
    k = np.select([phi < r_on / 2, phi < r_on], [2 * phi / r_on, 2 - 2 * phi / r_on], alpha * phi)
    c_tilde = logistic(f + w["p_f"] * c) * c + logistic(i + w["p_i"] * c) * np.tanh(g)
    h_tilde = logistic(o + w["p_o"] * c_tilde) * np.tanh(c_tilde)
    h, c = k * h_tilde + (1 - k) * h, k * c_tilde + (1 - k) * c
    return h, (h, c)


PAPERS = {
    f.__name__: f
    for f in (
        min_lstm,
        li_gru,
        mgu,
        mut1,
        mut2,
        mut3,
        fast_rnn,
        fast_grnn,
        qrnn,
        rg_lru,
        lru,
        slstm,
        janet,
        cornn,
        lem,
        antisymmetric_rnn,
        phased_lstm,
    )
}
ONE_INPUT = [name for name in CELLS if name != "phased_lstm"]


def agrees(made, close, **more):
    return papers.agrees(made, PAPERS[made.name], close, **more)


def test_every_cell_has_its_paper_here():
    assert set(PAPERS) == set(CELLS)
    assert all("Source: " in made.function.__doc__ for made in CELLS.values())


@pytest.mark.parametrize("name", ONE_INPUT)
def test_a_cell_computes_its_papers_equations(name, close):
    agrees(CELLS[name], close)


SAME = [
    ("janet", {"beta": 0.0}),
    ("cornn", {"dt": 0.5}),
    ("cornn", {"gamma": 0.3, "epsilon": 1.5}),
    ("lem", {"dt": 0.25}),
    ("antisymmetric_rnn", {"epsilon": 1.0, "gamma": 0.5}),
]


@pytest.mark.parametrize("name, constants", SAME, ids=str)
def test_a_constant_has_the_effect_it_says(name, constants, close):
    agrees(CELLS[name].with_constants(**constants), close, **constants)


# ---------------------------------------------------------------- time


@pytest.mark.parametrize(
    "constants", [{}, {"r_on": 0.5}, {"r_on": 0.9, "alpha": 0.1}, {"alpha": 0.0}], ids=str
)
def test_a_phased_lstm_computes_its_papers_equations(constants, close):
    layer = Recurrent(
        CELLS["phased_lstm"].with_constants(**constants),
        I,
        H,
        engine="reference",
        dtype=torch.float64,
    )
    x, t = (
        torch.randn(ROWS, STEPS, I, dtype=torch.float64),
        100 * torch.randn(ROWS, STEPS, 1, dtype=torch.float64),
    )
    h, c = torch.randn(2, 1, ROWS, H, dtype=torch.float64)
    output, ends = layer((x, t), (h, c))
    w, states = (
        {name: value.detach().numpy() for name, value in layer.cell_weights(0).items()},
        (h[0].numpy(), c[0].numpy()),
    )
    for step in range(STEPS):
        wanted, states = phased_lstm(
            w, torch.cat([x, t], -1)[:, step].numpy(), *states, **constants
        )
        close(output[:, step], torch.from_numpy(wanted))
    for end, wanted in zip(ends, states, strict=True):
        close(end[0], torch.from_numpy(wanted))


def test_a_unit_of_a_phased_lstm_that_is_shut_keeps_its_state():
    layer = Recurrent(CELLS["phased_lstm"].with_constants(alpha=0.0), I, H)
    with torch.no_grad():
        layer.tau_l0.fill_(10.0)
        layer.s_l0.fill_(0.0)
    t = torch.tensor([0.25, 1.0, 4.0, 9.9, 10.25])[None, :, None]
    output, _ = layer((torch.randn(1, 5, I), t))
    assert (
        output[0, 0].all()
        and (output[0, 1:4] == output[0, 0]).all()
        and (output[0, 4] != output[0, 0]).all()
    )


def test_floor_is_a_step_with_no_gradient_on_every_engine(engine):
    @cell
    def fraction(x, h=state("I"), *, w=weight("I", init=1.0)):
        return h + w * (x - floor(x))

    layer = Recurrent(fraction, 4, 4, engine=engine)
    x = torch.tensor([[[-1.5, -1.0, 0.0, 2.75]]], requires_grad=True)
    output, _ = layer(x)
    assert output[0, 0].tolist() == [0.5, 0.0, 0.0, 0.75]
    output.sum().backward()
    assert (x.grad == 1.0).all()


def test_floor_of_a_number_is_refused():
    with pytest.raises(CellError, match=r"floor\(1.5\) has only numbers"):
        floor(1.5)


# ---------------------------------------------------------------- how they start


def started(name, hidden=400):
    return {
        weight: value.detach()
        for weight, value in Recurrent(name, 40, hidden).cell_weights(0).items()
    }


def test_rg_lru_starts_with_decays_that_are_uniform_where_its_paper_has_them():
    a = torch.sigmoid(started("rg_lru")["decay"].double()) ** 8
    assert 0.9 < a.min() < 0.91 and 0.99 < a.max() < 0.999 and abs(a.mean() - 0.9495) < 0.01


def test_lru_starts_uniform_on_its_ring_of_the_upper_half_plane():
    w = started("lru", 2000)
    size, angle = (
        torch.exp(-torch.exp(w["nu"].double())),
        2 * torch.atan(torch.exp(w["theta"].double())),
    )
    assert 0.899 < size.min() < 0.902 and 0.998 < size.max() < 0.9991
    # the area within a radius grows with its square
    assert abs((size**2).mean() - (0.9**2 + 0.999**2) / 2) < 0.01
    assert (
        0 < angle.min() < 0.01
        and math.pi - 0.01 < angle.max() < math.pi
        and abs(angle.mean() - math.pi / 2) < 0.1
    )
    assert abs(w["B"].std() - 80**-0.5) < 0.002 and abs(w["C"].std() - 2000**-0.5) < 0.0005


def test_the_normalised_input_of_an_lru_keeps_its_size_over_time():
    layer = Recurrent("lru", 40, 400)
    x = torch.randn(8, 3000, 40)
    _, (re, im) = layer(x)
    # each entry of B x is complex of variance 1
    assert abs((re**2 + im**2).mean() - 1) < 0.2


def test_phased_lstm_starts_with_periods_of_1_to_20():
    w = started("phased_lstm")
    assert (
        1 <= w["tau"].min() < 1.1
        and 18 < w["tau"].max() < 20.1
        and abs(w["tau"].log().mean() - 1.5) < 0.1
    )
    assert 0 <= w["s"].min() and w["s"].max() < 20.1


def test_the_numbers_of_fast_cells_start_as_in_the_authors_code():
    assert {n: started("fast_rnn")[n].item() for n in ("alpha", "beta")} == {
        "alpha": -3.0,
        "beta": 3.0,
    }
    w = started("fast_grnn")
    assert (
        (w["zeta"].item(), w["nu"].item()) == (1.0, -4.0)
        and (w["b_z"] == 1).all()
        and (w["b_n"] == 1).all()
    )


def test_janet_starts_with_chrono_biases():
    w = started("janet")
    steps = torch.exp(w["b_f"].double())
    assert 1 < steps.min() < 10 and 770 < steps.max() < 783.01 and abs(steps.mean() - 392) < 40
    assert (w["b_n"] == 0).all()


def test_each_recurrent_matrix_of_li_gru_starts_orthogonal(close):
    w = started("li_gru", 50)
    for name in ("U_z", "U_n"):
        close(w[name] @ w[name].T, torch.eye(50))


def test_chrono_opposes_the_gates_that_let_in():
    b = chrono(100, (-1, 1, 0, 0))((20,))
    assert (
        (b[:5] == -b[5:10]).all()
        and (b[5:10] > 0).all()
        and (b[10:] == 0).all()
        and len(b[5:10].unique()) == 5
    )


@pytest.mark.parametrize("longest", [2, -1, 3.5, "9"])
def test_chrono_of_no_time_is_refused(longest):
    with pytest.raises(
        InputError,
        match=f"chrono\\(longest={longest!r}\\): write a whole number of steps, 3 or more",
    ):
        chrono(longest)


@pytest.mark.parametrize("shape", [(10,), (8, 3)])
def test_chrono_rejects_a_shape_that_is_not_a_bias_of_its_gates(shape):
    with pytest.raises(
        InputError,
        match=r"chrono\(\) with 4 gate\(s\) was given .* shape \(.*write one number in gates=",
    ):
        chrono(9, (-1, 1, 0, 0))(shape)


# ---------------------------------------------------------------- what a cell is for


def test_slstm_is_the_lstm_with_an_exponential_gate_without_its_stabiliser(close):
    layer = Recurrent("slstm", I, H, dtype=torch.float64)
    x = torch.randn(ROWS, 20, I, dtype=torch.float64)
    output, _ = layer(x)
    w = {name: value.detach().numpy() for name, value in layer.cell_weights(0).items()}
    h = c = n = np.zeros((ROWS, H))
    for t in range(20):
        i, f, z, o = np.split(affine(w, x[:, t].numpy()) + h @ w["U"].T, 4, -1)
        c, n = logistic(f) * c + np.exp(i) * np.tanh(z), logistic(f) * n + np.exp(i)
        h = logistic(o) * c / n
        close(output[:, t], torch.from_numpy(h))


def test_slstm_stays_finite_where_its_gate_overflows(engine):
    layer = Recurrent("slstm", I, H, engine=engine)
    with torch.no_grad():
        layer.b_l0[:H] = 200.0
    x = torch.randn(2, 12, I, requires_grad=True)
    output, _ = layer(x)
    output.sum().backward()
    assert output.isfinite().all() and output.abs().max() <= 1 and x.grad.isfinite().all()


def test_qrnn_sees_the_step_before_and_zeros_before_the_first(close):
    layer = Recurrent("qrnn", I, H, dtype=torch.float64)
    x = torch.randn(1, 2, I, dtype=torch.float64)
    _, (c, p) = layer(x[:, :1])
    close(p[0], x[:, 0] @ layer.V_l0.T)
    padded, kernel = (
        torch.nn.functional.pad(x.mT, (1, 0)),
        torch.stack([layer.V_l0, layer.W_l0], -1),
    )
    z, f, _ = torch.nn.functional.conv1d(padded, kernel, layer.b_l0)[..., 0].chunk(3, 1)
    close(c[0], (1 - torch.sigmoid(f)) * torch.tanh(z))


def test_the_antisymmetric_rnn_neither_grows_nor_fades_without_damping():
    layer = Recurrent(
        CELLS["antisymmetric_rnn"].with_constants(gamma=0.0), I, 64, dtype=torch.float64
    )
    h = 0.01 * torch.randn(1, 1, 64, dtype=torch.float64)
    _, (end,) = layer(torch.zeros(1, 500, I, dtype=torch.float64), (h,))
    assert 0.9 < end.norm() / h.norm() < 1.1
