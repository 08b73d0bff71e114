"""The cells of tf.contrib are its source's equations, written out in NumPy, and both engines agree
on them.
"""

import numpy as np
import pytest
import torch

import papers
from ostinato import Recurrent, engines, relu, tanh
from ostinato.cells.contrib import CELLS, frequency_lstm
from ostinato.errors import SizeError
from ostinato.language.operations import identity
from papers import H, I, logistic


def rectified(z):
    return np.maximum(z, 0)


def joined(w, x, h):
    """The input and the state joined, times the kernel that holds what multiplies either, as
    tf.contrib's _Linear has it.
    """
    return np.concatenate([x, h], -1) @ np.concatenate([w["W"].T, w["U"].T])


# rnn_cell.py, LayerNormBasicLSTMCell.call: layers.layer_norm of each gate and of the new c; its
# variance_epsilon is 1e-12.
def layer_norm_basic_lstm(w, x, h, c, forget_bias=1.0, epsilon=1e-12, activation=np.tanh):
    def norm(z, gamma, beta):
        return (z - z.mean(-1, keepdims=True)) / np.sqrt(
            z.var(-1, keepdims=True) + epsilon
        ) * gamma + beta

    units = h.shape[-1]
    i, f, j, o = (
        norm(z, w["gain"][k * units : (k + 1) * units], w["b"][k * units : (k + 1) * units])
        for k, z in enumerate(np.split(joined(w, x, h), 4, -1))
    )
    c = norm(c * logistic(f + forget_bias) + logistic(i) * activation(j), w["gain_c"], w["b_c"])
    h = activation(c) * logistic(o)
    return h, (h, c)


# Greff et al. (2015), section 3: i = 1 - f; the peepholes of f see the old c, that of o the new
# one.
def coupled_lstm(w, x, h, c, forget_bias=1.0, peepholes=True, activation=np.tanh):
    f, j, o = np.split(joined(w, x, h) + w["b"], 3, -1)
    forget = logistic(f + forget_bias + (w["p_f"] * c if peepholes else 0))
    new = forget * c + (1 - forget) * activation(j)
    m = logistic(o + (w["p_o"] * new if peepholes else 0)) * activation(new)
    return m, (m, new)


def coupled_lstm_projected(w, x, h, c, projection_clip=np.inf, **constants):
    m, (_, c) = coupled_lstm(w, x, h, c, **constants)
    h = np.clip(m @ w["R"].T, -projection_clip, projection_clip)
    return h, (h, c)


# rnn_cell.py, NASCell.call, layer by layer.
def nas(w, x, h, c):
    xs, hs = np.split(x @ w["W"].T, 8, -1), np.split(h @ w["U"].T + w["b"], 8, -1)
    functions = [logistic, rectified, logistic, rectified, np.tanh, logistic, np.tanh, logistic]
    one = [f(xs[k] * hs[k] if k == 3 else xs[k] + hs[k]) for k, f in enumerate(functions)]
    two = [
        np.tanh(one[0] * one[1]),
        np.tanh(one[2] + one[3]),
        np.tanh(one[4] * one[5]),
        logistic(one[6] + one[7]),
    ]
    c = np.tanh(two[0] + c) * two[1]
    h = np.tanh(c * np.tanh(two[2] + two[3]))
    return h, (h, c)


# Collins, Sohl-Dickstein and Sussillo (2016), UGRNN: h' = g * h + (1 - g) * c.
def ugrnn(w, x, h, forget_bias=1.0, activation=np.tanh):
    g, c = np.split(joined(w, x, h) + w["b"], 2, -1)
    g = logistic(g + forget_bias)
    h = g * h + (1 - g) * activation(c)
    return h, (h,)


# The same paper, +RNN: h' = g_h * h + (1 - g_h) * tanh(...), y = g_y * x + (1 - g_y) * relu(...).
def intersection(w, x, h, forget_bias=1.0, activation=rectified):
    z, n, k = joined(w, x, h) + w["b"], h.shape[-1], x.shape[-1]
    gh, hin, gy, yin = z[:, :n], z[:, n : 2 * n], z[:, 2 * n : 2 * n + k], z[:, 2 * n + k :]
    gh, gy = logistic(gh + forget_bias), logistic(gy + forget_bias)
    return gy * x + (1 - gy) * activation(yin), (gh * h + (1 - gh) * np.tanh(hin),)


def intersection_projected(w, x, h, **constants):
    return intersection(w, x @ w["V"].T + w["a"], h, **constants)


# Lei and Zhang (2017), arXiv:1709.02755v1, equations 3 to 7, with TensorFlow's fourth product in
# place of the input itself.
def sru(w, x, c, activation=np.tanh):
    (Wn, Wf, Wr, Ws), (bf, br) = np.split(w["W"], 4), np.split(w["b"], 2)
    f, r = logistic(x @ Wf.T + bf), logistic(x @ Wr.T + br)
    c = f * c + (1 - f) * (x @ Wn.T)
    return r * activation(c) + (1 - r) * (x @ Ws.T), (c,)


# Li et al. (2018), equation 4.
def ind_rnn(w, x, h, activation=np.tanh):
    h = activation(x @ w["W"].T + w["u"] * h + w["b"])
    return h, (h,)


# rnn_cell.py, IndyGRUCell: Cho's GRU (v3) with diagonal matrices for the state.
def indy_gru(w, x, h, activation=np.tanh):
    (Wr, Wz, Wn), (ur, uz, un), (br, bz, bn) = (np.split(w[name], 3) for name in ("W", "u", "b"))
    r, z = logistic(x @ Wr.T + ur * h + br), logistic(x @ Wz.T + uz * h + bz)
    h = z * h + (1 - z) * activation(x @ Wn.T + un * r * h + bn)
    return h, (h,)


# Gonnet and Deselaers (2019), equations 1 to 5.
def indy_lstm(w, x, h, c, forget_bias=1.0, activation=np.tanh):
    i, f, j, o = np.split(x @ w["W"].T + w["u"] * np.tile(h, 4) + w["b"], 4, -1)
    c = logistic(f + forget_bias) * c + logistic(i) * activation(j)
    h = logistic(o) * activation(c)
    return h, (h, c)


# Chen (2017), equations 1 and 2: z = phi(x), u = sigmoid(U_h h + U_z z + b), h' = u * h + (1 - u) *
# z.
def minimal_rnn(w, x, h, activation=np.tanh):
    z = activation(x @ w["V"].T)
    u = logistic(h @ w["U"].T + z @ w["W"].T + w["b"])
    h = u * h + (1 - u) * z
    return h, (h,)


# Laurent and von Brecht (2016), equations 1 to 3, with 1 - eta for eta.
def cfn(w, x, h, activation=np.tanh):
    (Vtheta, Veta, W), (Utheta, Ueta), (btheta, beta) = (
        np.split(w["W"], 3),
        np.split(w["U"], 2),
        np.split(w["b"], 2),
    )
    theta, eta = (
        logistic(h @ Utheta.T + x @ Vtheta.T + btheta),
        logistic(h @ Ueta.T + x @ Veta.T + beta),
    )
    h = theta * activation(h) + (1 - eta) * activation(x @ W.T)
    return h, (h,)


# grid_rnn_cell.py, GridRNNCell.__call__: the input's projections stand for the state of dimension
# 0; dimensions above 0 see one another as they were, and dimension 0, the priority dimension, sees
# them as they have become.
def grid(w, x, states, step):
    below = [(x @ w["V_h"].T, x @ w["V_c"].T) if "V_c" in w else (x @ w["V"].T,), *states[1:]]

    def new(d, seen):
        return step(
            d, np.concatenate([m[0] for m in seen], -1) @ w[f"U_{d}"].T + w[f"b_{d}"], *below[d][1:]
        )

    above = [new(d, below) for d in range(1, len(states))]
    first = new(0, [below[0], *above])
    return first[0], tuple(value for state in (first, *above) for value in state)


def grid_rnn(w, x, *states):
    return grid(w, x, [(h,) for h in states], lambda d, z: (np.tanh(z),))


def grid_lstm(w, x, *states, forget_bias=1.0, peepholes=False):
    def step(d, z, c):
        i, f, j, o = np.split(z, 4, -1)
        w_i, w_f, w_o = np.split(w[f"p_{d}"], 3) if peepholes else (0, 0, 0)
        c = logistic(f + forget_bias + w_f * c) * c + logistic(i + w_i * c) * np.tanh(j)
        return logistic(o + w_o * c) * np.tanh(c), c

    return grid(w, x, list(zip(states[::2], states[1::2])), step)


PAPERS = {
    f.__name__: f
    for f in (
        layer_norm_basic_lstm,
        coupled_lstm,
        coupled_lstm_projected,
        nas,
        ugrnn,
        intersection,
        intersection_projected,
        sru,
        ind_rnn,
        indy_gru,
        indy_lstm,
        minimal_rnn,
        cfn,
    )
}
PAPERS |= {
    name: grid_rnn if name.endswith("rnn") else grid_lstm
    for name in CELLS
    if name.startswith("grid")
}


def agrees(made, close, **more):
    return papers.agrees(made, PAPERS[made.name], close, **more)


def test_every_cell_has_its_source_here():
    assert set(PAPERS) == set(CELLS)
    assert all("Source: " in made.function.__doc__ for made in CELLS.values())


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_computes_its_sources_equations(name, close):
    agrees(CELLS[name], close)


# The same constants for the cell and for the source's equations.
SAME = [
    (name, {"forget_bias": bias})
    for name, made in CELLS.items()
    if "forget_bias" in made.constants
    for bias in (0.0, -2.5)
]
SAME += [
    ("layer_norm_basic_lstm", {"epsilon": 0.1}),
    ("coupled_lstm", {"peepholes": False}),
    ("coupled_lstm_projected", {"peepholes": False}),
    ("coupled_lstm_projected", {"projection_clip": 0.3}),
]
SAME += [(f"grid{count}_lstm", {"peepholes": True}) for count in (1, 2, 3)]
ACTIVATIONS = {
    "relu": (relu, rectified),
    "identity": (identity, lambda z: z),
    "tanh": (tanh, np.tanh),
}
ACTIVE = [name for name, made in CELLS.items() if "activation" in made.constants]


@pytest.mark.parametrize("name, constants", SAME, ids=str)
def test_a_constant_has_the_effect_it_says(name, constants, close):
    agrees(CELLS[name].with_constants(**constants), close, **constants)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("name", ACTIVE)
def test_an_activation_stands_in_every_place_of_the_sources(name, activation, close):
    ours, numpys = ACTIVATIONS[activation]
    agrees(CELLS[name].with_constants(activation=ours), close, scale=0.3, activation=numpys)


def test_every_constant_of_every_cell_is_tested():
    tested = {(name, constant) for name, constants in SAME for constant in constants} | {
        (name, "activation") for name in ACTIVE
    }
    assert tested == {
        (name, constant) for name, made in CELLS.items() for constant in made.constants
    }


def test_a_projection_clip_holds_the_output_and_leaves_the_cell_state(close):
    output, (h, c) = agrees(
        CELLS["coupled_lstm_projected"].with_constants(projection_clip=0.25),
        close,
        projection_clip=0.25,
    )
    assert output.abs().max() == h.abs().max() == 0.25 and c.abs().max() > 0.25


@pytest.mark.parametrize("name", ["coupled_lstm", "coupled_lstm_projected"])
def test_without_peepholes_the_peephole_weights_are_left_out(name):
    assert {"p_f", "p_o"} & set(CELLS[name].with_constants(peepholes=False).graph.weights) == set()


@pytest.mark.parametrize("name", ["grid1_rnn", "grid1_lstm"])
def test_in_a_grid_of_depth_alone_a_step_does_not_see_the_one_before(name, close):
    layer = Recurrent(name, I, H)
    x = torch.randn(2, 5, I)
    close(layer(x)[0][:, 3:], layer(x[:, 3:])[0])


def test_weight_normalisation_is_a_parametrisation_of_the_layers_weights(close):
    layer = Recurrent("lstm", I, H, dtype=torch.float64, engine="reference")
    torch.nn.utils.parametrizations.weight_norm(layer, "W_l0")
    gain, direction = (p.detach() for p in layer.parametrizations["W_l0"].parameters())
    gain.mul_(1.5)
    close(layer.cell_weights(0)["W"], direction / direction.norm(dim=1, keepdim=True) * gain)


# rnn_cell.py, GridLSTMCell._compute: for each window the F-LSTM, whose states go on to the next
# window, and the T-LSTM, whose states go on to the next step; all gates of both see both cell
# states, and what is below the first window is 0.
def windows(w, x, *states, size, skip, shared, forget_bias, cell_clip):
    def see(gate, end, c_f, c_t):
        return w.get(f"p_{gate}f_{end}", 0) * c_f + w.get(f"p_{gate}t_{end}", 0) * c_t

    outputs, new, m_f = [], [], np.zeros_like(states[0])
    c_f = m_f
    for k, (m_t, c_t) in enumerate(zip(states[::2], states[1::2])):
        c, o, previous = {}, {}, {"f": c_f, "t": c_t}
        for end in "ft":
            of = "f" if shared else end
            seen = np.concatenate([x[:, k * skip : k * skip + size], m_t, m_f], -1)
            i, f, j, o[end] = np.split(
                seen @ np.concatenate([w[f"{name}_{of}"] for name in "WUV"], -1).T + w[f"b_{of}"],
                4,
                -1,
            )
            keep, write = (
                logistic(f + forget_bias + see("f", of, c_f, c_t)),
                logistic(i + see("i", of, c_f, c_t)),
            )
            c[end] = np.clip(keep * previous[end] + write * np.tanh(j), -cell_clip, cell_clip)
        m_f, m_t = (
            logistic(o[end] + see("o", "f" if shared else end, c["f"], c["t"])) * np.tanh(c[end])
            for end in "ft"
        )
        c_f = c["f"]
        outputs += [m_t, m_f]
        new += [m_t, c["t"]]
    return np.concatenate(outputs, -1), tuple(new)


@pytest.mark.parametrize("size, skip", [(1, 1), (2, 1)])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("peepholes", [False, True])
@pytest.mark.parametrize("forget_bias, cell_clip", [(1.0, None), (-0.5, 0.4)])
def test_an_lstm_over_windows_computes_its_sources_equations(
    size, skip, shared, peepholes, forget_bias, cell_clip, close
):
    constants = {"shared": shared, "forget_bias": forget_bias}
    made = frequency_lstm(
        I,
        feature_size=size,
        frequency_skip=skip,
        peepholes=peepholes,
        cell_clip=cell_clip,
        **constants,
    )
    papers.agrees(
        made, windows, close, size=size, skip=skip, cell_clip=cell_clip or np.inf, **constants
    )


@pytest.mark.parametrize("size, skip", [(0, 1), (1, 0), (2, -1), (5, 1), (4, 2)])
def test_fewer_than_two_windows_are_refused(size, skip):
    with pytest.raises(
        SizeError,
        match=rf"feature_size={size}, frequency_skip={skip}\) has \d window\(s\): give sizes "
        rf"above 0",
    ):
        frequency_lstm(5, feature_size=size, frequency_skip=skip)


def evaluated(graph, units, engine):
    """The output, the new states and every gradient at I = H = `units`, of ragged rows."""
    torch.manual_seed(0)
    sizes = dict.fromkeys(graph.letters | graph.output.size.letters, units)

    def draw(*shape, scale=1.0):
        return (torch.randn(shape) * scale).requires_grad_()

    inputs = [draw(6, 3, size.at(sizes)) for size in graph.inputs.values()]
    states = [draw(3, size.at(sizes)) for size in graph.states.values()]
    weights = {
        name: draw(
            *(size.at(sizes) for size in w.shape), scale=0.5 if len(w.shape) == 1 else units**-0.5
        )
        for name, w in graph.weights.items()
    }
    lengths = torch.tensor([6, 0, 4])
    output, ends = engines.scan(
        graph,
        inputs=tuple(inputs),
        states=tuple(states),
        weights=weights,
        lengths=lengths,
        engine=engine,
    )
    total = (output * torch.randn(output.shape)).sum() + sum(
        (end * torch.randn(end.shape)).sum() for end in ends
    )
    return [
        output,
        *ends,
        *torch.autograd.grad(total, [*inputs, *states, *weights.values()], materialize_grads=True),
    ]


RUNS = {name: runs for name, runs, _ in engines.doctor()}
needs_cpu = pytest.mark.skipif(not RUNS["cpu"], reason="the cpu engine does not run here")


@needs_cpu
@pytest.mark.parametrize("units", [1, 7, 33])
@pytest.mark.parametrize("name", CELLS)
def test_the_compiled_engine_agrees_with_the_reference(name, units, close):
    # One unit has no variance; a larger epsilon leaves everything else to be tested, as in
    # test_engine_shapes.py.
    made = (
        CELLS[name].with_constants(epsilon=1.0)
        if "epsilon" in CELLS[name].constants
        else CELLS[name]
    )
    for ours, wanted in zip(
        evaluated(made.graph, units, "cpu"), evaluated(made.graph, units, "reference"), strict=True
    ):
        close(ours, wanted)


@needs_cpu
def test_the_compiled_engine_runs_an_lstm_over_windows(close):
    graph = frequency_lstm(5, feature_size=3, peepholes=True).graph
    for ours, wanted in zip(
        evaluated(graph, 7, "cpu"), evaluated(graph, 7, "reference"), strict=True
    ):
        close(ours, wanted)
