"""Every cell as its equations, each with its paper. The derivatives, time loops and kernels all follow from these lines."""

from .language import Cell, cell, clip, mean, sigmoid, split, sqrt, state, tanh, weight

__all__ = ["CELLS", "elman", "gru", "gru_original", "layer_norm_lstm", "lstm", "lstm_full", "lstm_peephole", "lstm_projected", "min_gru"]


def _shifted(x, bias):
    return x + bias if bias else x


def _normalised(x, epsilon):
    centred = x - mean(x)
    return centred / sqrt(mean(centred * centred) + epsilon)


@cell
def elman(x, h, *, W=weight("H", "I"), U=weight("H", "H"), b=weight("H"), activation=tanh):
    """The simple recurrent network. Source: Elman, Finding Structure in Time (1990)."""
    return activation(W @ x + U @ h + b)


@cell
def lstm(x, h, c, *, W=weight("4*H", "I"), U=weight("4*H", "H"), b=weight("4*H"), forget_bias=0.0, activation=tanh):
    """Long short-term memory with a forget gate.

    Source: Hochreiter and Schmidhuber (1997); Gers, Schmidhuber and Cummins, Learning to Forget (2000).
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c = sigmoid(_shifted(f, forget_bias)) * c + sigmoid(i) * activation(g)
    h = sigmoid(o) * activation(c)
    return h, c


@cell
def lstm_peephole(x, h, c, *, W=weight("4*H", "I"), U=weight("4*H", "H"), b=weight("4*H"),
                  p_i=weight("H"), p_f=weight("H"), p_o=weight("H"), forget_bias=0.0):
    """LSTM whose gates see the cell state. Source: Gers, Schraudolph and Schmidhuber (2002)."""
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c_prev = c
    c = sigmoid(_shifted(f, forget_bias) + p_f * c_prev) * c_prev + sigmoid(i + p_i * c_prev) * tanh(g)
    h = sigmoid(o + p_o * c) * tanh(c)
    return h, c


@cell
def lstm_projected(x, h=state("P"), c=state("H"), *, W=weight("4*H", "I"), U=weight("4*H", "P"), b=weight("4*H"), R=weight("P", "H")):
    """LSTM whose output is projected to P units. Source: Sak, Senior and Beaufays (2014)."""
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = R @ (sigmoid(o) * tanh(c))
    return h, c


@cell
def lstm_full(x, h=state("P"), c=state("H"), *, W=weight("4*H", "I"), U=weight("4*H", "P"), b=weight("4*H"),
              p_i=weight("H"), p_f=weight("H"), p_o=weight("H"), R=weight("P", "H"), forget_bias=0.0, peepholes=True,
              projection=True, cell_clip=None, projection_clip=None, activation=tanh):
    """LSTM with everything that TensorFlow 1's LSTMCell has: peepholes, clips and a projection, each of which can be off.

    Without a projection give P the value of H. Source: Sak, Senior and Beaufays (2014); tf.nn.rnn_cell.LSTMCell.
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    f = _shifted(f, forget_bias)
    if peepholes:
        i = i + p_i * c
        f = f + p_f * c
    c = sigmoid(f) * c + sigmoid(i) * activation(g)
    if cell_clip is not None:
        c = clip(c, -cell_clip, cell_clip)
    if peepholes:
        o = o + p_o * c
    h = sigmoid(o) * activation(c)
    if projection:
        h = R @ h
        if projection_clip is not None:
            h = clip(h, -projection_clip, projection_clip)
    return h, c


@cell
def gru(x, h, *, W=weight("3*H", "I"), U=weight("3*H", "H"), b=weight("3*H"), d=weight("3*H")):
    """Gated recurrent unit with the reset gate after the product (cuDNN's and torch.nn's). Source: Cho et al. (2014), v1."""
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz, hn = split(U @ h + d, 3)
    r = sigmoid(xr + hr)
    z = sigmoid(xz + hz)
    n = tanh(xn + r * hn)
    return (1 - z) * n + z * h


@cell
def gru_original(x, h, *, W=weight("3*H", "I"), U_rz=weight("2*H", "H"), U_n=weight("H", "H"), b=weight("3*H"), activation=tanh):
    """Gated recurrent unit with the reset gate before the product. Source: Cho et al. (2014), v3, equations 5 to 8."""
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz = split(U_rz @ h, 2)
    r = sigmoid(xr + hr)
    z = sigmoid(xz + hz)
    n = activation(xn + U_n @ (r * h))
    return (1 - z) * n + z * h


@cell
def min_gru(x, h, *, W=weight("2*H", "I"), b=weight("2*H")):
    """Minimal GRU: gate and candidate see the input alone. Source: Feng et al., Were RNNs All We Needed? (2024)."""
    z, n = split(W @ x + b, 2)
    z = sigmoid(z)
    return (1 - z) * h + z * n


@cell
def layer_norm_lstm(x, h, c, *, W=weight("4*H", "I"), U=weight("4*H", "H"), b=weight("4*H"), gain=weight("4*H", init=1.0),
                    gain_c=weight("H", init=1.0), b_c=weight("H", init=0.0), epsilon=1e-5):
    """LSTM with each gate and the cell state normalised over its units. Source: Ba, Kiros and Hinton (2016), section 3."""
    gates = zip(split(W @ x + U @ h, 4), split(gain, 4), split(b, 4))
    i, f, g, o = (_normalised(z, epsilon) * scale + shift for z, scale, shift in gates)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    h = sigmoid(o) * tanh(_normalised(c, epsilon) * gain_c + b_c)
    return h, c


CELLS: dict[str, Cell] = {name: value for name, value in globals().items() if isinstance(value, Cell)}
