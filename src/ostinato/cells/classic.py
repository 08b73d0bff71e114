"""The standard cells: the Elman network, the LSTM and the GRU, with their variants."""

from ..language.operations import clip, mean, sigmoid, split, sqrt, tanh
from ..language.symbols import Vector
from ..language.tracing import cell, state, weight

__all__ = [
    "elman",
    "gru",
    "gru_original",
    "layer_norm_lstm",
    "lstm",
    "lstm_full",
    "lstm_peephole",
    "lstm_projected",
    "min_gru",
]


def _shifted(x: Vector, bias: float) -> Vector:
    """x plus a constant; x itself if the constant is 0, so that the graph has no idle addition."""
    return x + bias if bias else x


def _clipped(x: Vector, limit: float | None) -> Vector:
    """x clipped to a distance of `limit` from 0; None for no limit."""
    return x if limit is None else clip(x, -limit, limit)


def _normalised(x: Vector, epsilon: float) -> Vector:
    """x with mean 0 and variance 1 over its units."""
    centred = x - mean(x)
    return centred / sqrt(mean(centred * centred) + epsilon)


@cell
def elman(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H"), activation=tanh):
    """The simple recurrent network. Source: Elman, Finding Structure in Time (1990), whose
    activation is the sigmoid.
    """
    return activation(W @ x + U @ h + b)


@cell
def lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    forget_bias=0.0,
    cell_clip=None,
    activation=tanh,
    gate_activation=sigmoid,
):
    """Long short-term memory with a forget gate. `cell_clip` clips the cell state to that distance
    from 0.

    Source: Hochreiter and Schmidhuber (1997); Gers, Schmidhuber and Cummins, Learning to Forget
        (2000).
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    gate = gate_activation
    c = _clipped(gate(_shifted(f, forget_bias)) * c + gate(i) * activation(g), cell_clip)
    h = gate(o) * activation(c)
    return h, c


@cell
def lstm_peephole(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    p_i=weight("H"),
    p_f=weight("H"),
    p_o=weight("H"),
    forget_bias=0.0,
    cell_clip=None,
    activation=tanh,
):
    """LSTM with peepholes: the gates see the cell state.

    Source: Gers, Schraudolph and Schmidhuber, Learning Precise Timing with LSTM Recurrent Networks
        (2002).
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c_prev = c
    c = sigmoid(_shifted(f, forget_bias) + p_f * c_prev) * c_prev + sigmoid(
        i + p_i * c_prev
    ) * activation(g)
    c = _clipped(c, cell_clip)
    h = sigmoid(o + p_o * c) * activation(c)
    return h, c


@cell
def lstm_projected(
    x,
    h=state("P"),
    c=state("H"),
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "P"),
    b=weight("4*H"),
    R=weight("P", "H"),
):
    """LSTM with its output projected to P units and without peepholes, as in
    torch.nn.LSTM(proj_size=P).

    Source: Sak, Senior and Beaufays, Long Short-Term Memory Based Recurrent Neural Network
        Architectures (2014).
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = R @ (sigmoid(o) * tanh(c))
    return h, c


@cell
def lstm_full(
    x,
    h=state("P"),
    c=state("H"),
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "P"),
    b=weight("4*H"),
    p_i=weight("H"),
    p_f=weight("H"),
    p_o=weight("H"),
    R=weight("P", "H"),
    forget_bias=0.0,
    peepholes=True,
    cell_clip=None,
    projection_clip=None,
    activation=tanh,
):
    """LSTM with all options of TensorFlow 1's LSTMCell: optional peepholes, clipping and a
    projection.

    For an LSTM without a projection use `lstm_peephole` or `lstm`.

    Source: Sak, Senior and Beaufays (2014); tf.nn.rnn_cell.LSTMCell.
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    f = _shifted(f, forget_bias)
    if peepholes:
        i = i + p_i * c
        f = f + p_f * c
    c = _clipped(sigmoid(f) * c + sigmoid(i) * activation(g), cell_clip)
    if peepholes:
        o = o + p_o * c
    h = _clipped(R @ (sigmoid(o) * activation(c)), projection_clip)
    return h, c


@cell
def gru(
    x,
    h,
    *,
    W=weight("3*H", "I"),
    U=weight("3*H", "H"),
    b=weight("3*H"),
    d=weight("3*H"),
    activation=tanh,
    gate_activation=sigmoid,
):
    """Gated recurrent unit with the reset gate after the product, as in cuDNN and torch.nn.

    Source: Cho et al., Learning Phrase Representations (2014), arXiv:1406.1078v1.
    """
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz, hn = split(U @ h + d, 3)
    r = gate_activation(xr + hr)
    z = gate_activation(xz + hz)
    n = activation(xn + r * hn)
    return (1 - z) * n + z * h


@cell
def gru_original(
    x,
    h,
    *,
    W=weight("3*H", "I"),
    U_rz=weight("2*H", "H"),
    U_n=weight("H", "H"),
    b=weight("3*H"),
    activation=tanh,
    gate_activation=sigmoid,
):
    """Gated recurrent unit with the reset gate before the product.

    Source: Cho et al., Learning Phrase Representations (2014), arXiv:1406.1078v3, equations 5 to 8.
    """
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz = split(U_rz @ h, 2)
    r = gate_activation(xr + hr)
    z = gate_activation(xz + hz)
    n = activation(xn + U_n @ (r * h))
    return (1 - z) * n + z * h


@cell
def min_gru(x, h, *, W=weight("2*H", "I"), b=weight("2*H")):
    """Minimal GRU: the gate and the candidate see only the input. Source: Feng et al., Were RNNs
    All We Needed? (2024).
    """
    z, n = split(W @ x + b, 2)
    z = sigmoid(z)
    return (1 - z) * h + z * n


@cell
def layer_norm_lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H", init=0.0),
    gain_x=weight("4*H", init=1.0),
    gain_h=weight("4*H", init=1.0),
    gain_c=weight("H", init=1.0),
    b_c=weight("H", init=0.0),
    epsilon=1e-5,
):
    """LSTM with layer normalisation of both products, and of the cell state in the output.

    The gates have one bias here. The paper has three, one for each normalisation and one for the
    gates, which only ever occur as their sum.

    Source: Ba, Kiros and Hinton, Layer Normalization (2016), equations 20 to 22 of the supplement.
    """
    i, f, g, o = split(
        _normalised(W @ x, epsilon) * gain_x + _normalised(U @ h, epsilon) * gain_h + b, 4
    )
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(_normalised(c, epsilon) * gain_c + b_c)
    return h, c


CELLS = {name: globals()[name] for name in __all__}
