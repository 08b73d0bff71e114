"""The cells of TensorFlow 1's tf.contrib.rnn and tf.contrib.grid_rnn; `ostinato.tf1` has them under
TensorFlow's names.

The defaults of constants are TensorFlow's. Some of its classes need no cell of their own:
LSTMBlockCell is `lstm` or `lstm_peephole`, GRUBlockCellV2 is `gru_original`, WeightNormLSTMCell and
GLSTMCell are `lstm` with weights that are computed before the loop, and HighwayWrapper and the
projection wrappers act on inputs and outputs only.
"""

import inspect
from collections.abc import Callable

from ..errors import SizeError
from ..language.operations import concat, relu, sigmoid, split, tanh
from ..language.symbols import Vector
from ..language.tracing import Cell, cell, input, state, weight
from .classic import _clipped, _normalised, _shifted

__all__ = [
    "cfn",
    "coupled_lstm",
    "coupled_lstm_projected",
    "grid1_lstm",
    "grid1_rnn",
    "grid2_lstm",
    "grid2_rnn",
    "grid3_lstm",
    "ind_rnn",
    "indy_gru",
    "indy_lstm",
    "intersection",
    "intersection_projected",
    "layer_norm_basic_lstm",
    "minimal_rnn",
    "nas",
    "sru",
    "ugrnn",
]


@cell
def layer_norm_basic_lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    gain=weight("4*H", init=1.0),
    b=weight("4*H", init=0.0),
    gain_c=weight("H", init=1.0),
    b_c=weight("H", init=0.0),
    forget_bias=1.0,
    epsilon=1e-12,
    activation=tanh,
):
    """LSTM with layer normalisation of each gate and of the cell state, which stays normalised.

    In the paper, as in `layer_norm_lstm`, each of the two products is normalised, and the cell
    state that the next step sees is not.

    Source: tf.contrib.rnn.LayerNormBasicLSTMCell; after Ba, Kiros and Hinton, Layer Normalization
        (2016).
    """
    gates, gains, shifts = split(W @ x + U @ h, 4), split(gain, 4), split(b, 4)
    i, f, g, o = (
        _normalised(z, epsilon) * by + shift for z, by, shift in zip(gates, gains, shifts)
    )
    c = sigmoid(_shifted(f, forget_bias)) * c + sigmoid(i) * activation(g)
    c = _normalised(c, epsilon) * gain_c + b_c
    h = sigmoid(o) * activation(c)
    return h, c


def _coupled(
    f: Vector,
    g: Vector,
    o: Vector,
    c: Vector,
    p_f: Vector,
    p_o: Vector,
    forget_bias: float,
    peepholes: bool,
    activation: Callable[[Vector], Vector],
) -> tuple[Vector, Vector]:
    """(h, c) of an LSTM whose input gate is 1 - f."""
    f = _shifted(f, forget_bias)
    if peepholes:
        f = f + p_f * c
    f = sigmoid(f)
    c = f * c + (1 - f) * activation(g)
    if peepholes:
        o = o + p_o * c
    return sigmoid(o) * activation(c), c


@cell
def coupled_lstm(
    x,
    h,
    c,
    *,
    W=weight("3*H", "I"),
    U=weight("3*H", "H"),
    b=weight("3*H"),
    p_f=weight("H"),
    p_o=weight("H"),
    forget_bias=1.0,
    peepholes=True,
    activation=tanh,
):
    """LSTM with coupled gates: the input gate is 1 minus the forget gate. Peepholes are optional.

    Source: Greff et al., LSTM: A Search Space Odyssey (2015), the variant CIFG;
        tf.contrib.rnn.CoupledInputForgetGateLSTMCell.
    """
    f, g, o = split(W @ x + U @ h + b, 3)
    h, c = _coupled(f, g, o, c, p_f, p_o, forget_bias, peepholes, activation)
    return h, c


@cell
def coupled_lstm_projected(
    x,
    h=state("P"),
    c=state("H"),
    *,
    W=weight("3*H", "I"),
    U=weight("3*H", "P"),
    b=weight("3*H"),
    p_f=weight("H"),
    p_o=weight("H"),
    R=weight("P", "H"),
    forget_bias=1.0,
    peepholes=True,
    projection_clip=None,
    activation=tanh,
):
    """Coupled LSTM with its output projected to P units.

    Source: as `coupled_lstm`; the projection is by Sak, Senior and Beaufays (2014).
    """
    f, g, o = split(W @ x + U @ h + b, 3)
    m, c = _coupled(f, g, o, c, p_f, p_o, forget_bias, peepholes, activation)
    h = _clipped(R @ m, projection_clip)
    return h, c


@cell
def nas(x, h, c, *, W=weight("8*H", "I"), U=weight("8*H", "H"), b=weight("8*H")):
    """The NAS cell, which neural architecture search found for language modelling.

    Source: Zoph and Le, Neural Architecture Search with Reinforcement Learning (2016), appendix A;
        tf.contrib.rnn.NASCell.
    """
    x_0, x_1, x_2, x_3, x_4, x_5, x_6, x_7 = split(W @ x, 8)
    h_0, h_1, h_2, h_3, h_4, h_5, h_6, h_7 = split(U @ h + b, 8)
    p = tanh(sigmoid(x_0 + h_0) * relu(x_1 + h_1))
    q = tanh(sigmoid(x_2 + h_2) + relu(x_3 * h_3))
    r = tanh(tanh(x_4 + h_4) * sigmoid(x_5 + h_5))
    s = sigmoid(tanh(x_6 + h_6) + sigmoid(x_7 + h_7))
    c = tanh(p + c) * q
    h = tanh(c * tanh(r + s))
    return h, c


@cell
def ugrnn(
    x,
    h,
    *,
    W=weight("2*H", "I"),
    U=weight("2*H", "H"),
    b=weight("2*H"),
    forget_bias=1.0,
    activation=tanh,
):
    """Update gate network: one gate decides how much of the state is kept.

    Source: Collins, Sohl-Dickstein and Sussillo, Capacity and Trainability in Recurrent Neural
        Networks (2016); tf.contrib.rnn.UGRNNCell.
    """
    z, n = split(W @ x + U @ h + b, 2)
    z = sigmoid(_shifted(z, forget_bias))
    return z * h + (1 - z) * activation(n)


def _intersection(
    x: Vector,
    h: Vector,
    z_h: Vector,
    n: Vector,
    z_y: Vector,
    y: Vector,
    forget_bias: float,
    activation: Callable[[Vector], Vector],
) -> tuple[Vector, Vector]:
    """(y, h) from the gates `z_y` and `z_h` and the candidates `y` and `n`."""
    z_h, z_y = sigmoid(_shifted(z_h, forget_bias)), sigmoid(_shifted(z_y, forget_bias))
    return z_y * x + (1 - z_y) * activation(y), z_h * h + (1 - z_h) * tanh(n)


@cell
def intersection(
    x,
    h,
    *,
    W=weight("2*H + 2*I", "I"),
    U=weight("2*H + 2*I", "H"),
    b=weight("2*H + 2*I"),
    forget_bias=1.0,
    activation=relu,
):
    """Intersection network (+RNN): a gate in depth in addition to the gate in time, so the output
    is as large as the input.

    Source: Collins, Sohl-Dickstein and Sussillo, Capacity and Trainability in Recurrent Neural
        Networks (2016); tf.contrib.rnn.IntersectionRNNCell, where both sizes are the same.
    """
    z_h, n, z_y, y = split(W @ x + U @ h + b, ("H", "H", "I", "I"))
    y, h = _intersection(x, h, z_h, n, z_y, y, forget_bias, activation)
    return y, h


@cell
def intersection_projected(
    x,
    h,
    *,
    V=weight("H", "I"),
    a=weight("H"),
    W=weight("4*H", "H"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    forget_bias=1.0,
    activation=relu,
):
    """Intersection network for the lowest layer: the gate in depth passes on the input, projected
    to H units.

    Source: as `intersection`; tf.contrib.rnn.IntersectionRNNCell(num_in_proj=...).
    """
    x = V @ x + a
    z_h, n, z_y, y = split(W @ x + U @ h + b, 4)
    y, h = _intersection(x, h, z_h, n, z_y, y, forget_bias, activation)
    return y, h


@cell
def sru(x, c, *, W=weight("4*H", "I"), b=weight("2*H"), activation=tanh):
    """Simple recurrent unit: the gates see only the input, and the output mixes the state with a
    product of the input.

    Source: Lei and Zhang, Training RNNs as Fast as CNNs (2017), arXiv:1709.02755v1;
        tf.contrib.rnn.SRUCell.
    """
    n, f, r, skip = split(W @ x, 4)
    b_f, b_r = split(b, 2)
    f, r = sigmoid(f + b_f), sigmoid(r + b_r)
    c = f * c + (1 - f) * n
    h = r * activation(c) + (1 - r) * skip
    return h, c


@cell
def ind_rnn(x, h, *, W=weight("H", "I"), u=weight("H"), b=weight("H"), activation=tanh):
    """Independently recurrent network: each unit sees the input and its own state.

    Source: Li et al., Independently Recurrent Neural Network (2018), whose activation is relu;
        tf.contrib.rnn.IndRNNCell.
    """
    return activation(W @ x + u * h + b)


@cell
def indy_gru(x, h, *, W=weight("3*H", "I"), u=weight("3*H"), b=weight("3*H"), activation=tanh):
    """Independent GRU: each unit sees the input and its own state. Source: as `ind_rnn`;
    tf.contrib.rnn.IndyGRUCell.
    """
    r, z, n = split(W @ x + b, 3)
    u_r, u_z, u_n = split(u, 3)
    r = sigmoid(r + u_r * h)
    z = sigmoid(z + u_z * h)
    n = activation(n + u_n * (r * h))
    return (1 - z) * n + z * h


@cell
def indy_lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    u=weight("4*H"),
    b=weight("4*H"),
    forget_bias=1.0,
    activation=tanh,
):
    """Independent LSTM: each unit sees the input and its own states.

    Source: Gonnet and Deselaers, IndyLSTMs: Independently Recurrent LSTMs (2019);
        tf.contrib.rnn.IndyLSTMCell.
    """
    i, f, g, o = split(W @ x + b, 4)
    u_i, u_f, u_g, u_o = split(u, 4)
    c = sigmoid(_shifted(f + u_f * h, forget_bias)) * c + sigmoid(i + u_i * h) * activation(
        g + u_g * h
    )
    h = sigmoid(o + u_o * h) * activation(c)
    return h, c


@cell
def minimal_rnn(
    x,
    h,
    *,
    V=weight("H", "I"),
    W=weight("H", "H"),
    U=weight("H", "H"),
    b=weight("H"),
    activation=tanh,
):
    """Minimal network: the candidate depends only on the input, and one gate mixes it with the
    state.

    Source: Chen, MinimalRNN: Toward More Interpretable and Trainable Recurrent Neural Networks
        (2017); tf.contrib.rnn.MinimalRNNCell.
    """
    n = activation(V @ x)
    z = sigmoid(W @ n + U @ h + b)
    return z * h + (1 - z) * n


@cell
def cfn(x, h, *, W=weight("3*H", "I"), U=weight("2*H", "H"), b=weight("2*H"), activation=tanh):
    """Chaos-free network: without input the state goes to 0. The input's share is 1 - i, as in
    TensorFlow; in the paper it is i.

    Source: Laurent and von Brecht, A Recurrent Neural Network without Chaos (2016);
        tf.contrib.rnn.CFNCell.
    """
    f, i, n = split(W @ x, 3)
    h_f, h_i = split(U @ h + b, 2)
    return sigmoid(f + h_f) * activation(h) + (1 - sigmoid(i + h_i)) * activation(n)


def _lstm(
    i: Vector,
    f: Vector,
    g: Vector,
    o: Vector,
    c: Vector,
    p: Vector,
    forget_bias: float,
    peepholes: bool,
) -> tuple[Vector, Vector]:
    """(h, c) of an LSTM with optional peepholes `p` of the gates i, f and o."""
    f = _shifted(f, forget_bias)
    if not peepholes:
        c = sigmoid(f) * c + sigmoid(i) * tanh(g)
        return sigmoid(o) * tanh(c), c
    p_i, p_f, p_o = split(p, 3)
    i, f = i + p_i * c, f + p_f * c
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    o = o + p_o * c
    return sigmoid(o) * tanh(c), c


# In a grid, the state of dimension 0 is computed from the input at each step; its previous value is
# not used. The peepholes `p` stack the gates i, f and o.


@cell
def grid1_rnn(x, h_0, *, V=weight("H", "I"), U_0=weight("H", "H"), b_0=weight("H")):
    """Grid with one dimension, depth: no state passes from step to step.

    Source: Kalchbrenner, Danihelka and Graves, Grid Long Short-Term Memory (2015);
        tf.contrib.grid_rnn.Grid1BasicRNNCell.
    """
    h_0 = V @ x
    return tanh(U_0 @ h_0 + b_0)


@cell
def grid2_rnn(
    x,
    h_0,
    h_1,
    *,
    V=weight("H", "I"),
    U_0=weight("H", "2*H"),
    U_1=weight("H", "2*H"),
    b_0=weight("H"),
    b_1=weight("H"),
):
    """Grid of simple networks with two dimensions, time (1) and then depth (0).

    Source: as `grid1_rnn`; tf.contrib.grid_rnn.Grid2BasicRNNCell.
    """
    h_0 = V @ x
    h_1 = tanh(U_1 @ concat(h_0, h_1) + b_1)
    h_0 = tanh(U_0 @ concat(h_0, h_1) + b_0)
    return h_0, h_1


@cell
def grid1_lstm(
    x,
    h_0,
    c_0,
    *,
    V_h=weight("H", "I"),
    V_c=weight("H", "I"),
    U_0=weight("4*H", "H"),
    b_0=weight("4*H"),
    p_0=weight("3*H"),
    forget_bias=1.0,
    peepholes=False,
):
    """Grid LSTM with one dimension, depth: no state passes from step to step. Peepholes are
    optional.

    Source: as `grid1_rnn`; tf.contrib.grid_rnn.Grid1LSTMCell and Grid1BasicLSTMCell.
    """
    i, f, g, o = split(U_0 @ (V_h @ x) + b_0, 4)
    h_0, c_0 = _lstm(i, f, g, o, V_c @ x, p_0, forget_bias, peepholes)
    return h_0, c_0


@cell
def grid2_lstm(
    x,
    h_0,
    c_0,
    h_1,
    c_1,
    *,
    V_h=weight("H", "I"),
    V_c=weight("H", "I"),
    U_0=weight("4*H", "2*H"),
    U_1=weight("4*H", "2*H"),
    b_0=weight("4*H"),
    b_1=weight("4*H"),
    p_0=weight("3*H"),
    p_1=weight("3*H"),
    forget_bias=1.0,
    peepholes=False,
):
    """Grid LSTM with two dimensions, time (1) and then depth (0). Peepholes are optional.

    Source: as `grid1_rnn`; tf.contrib.grid_rnn.Grid2LSTMCell and Grid2BasicLSTMCell.
    """
    h_0 = V_h @ x
    i, f, g, o = split(U_1 @ concat(h_0, h_1) + b_1, 4)
    h_1, c_1 = _lstm(i, f, g, o, c_1, p_1, forget_bias, peepholes)
    i, f, g, o = split(U_0 @ concat(h_0, h_1) + b_0, 4)
    h_0, c_0 = _lstm(i, f, g, o, V_c @ x, p_0, forget_bias, peepholes)
    return h_0, c_0, h_1, c_1


@cell
def grid3_lstm(
    x,
    h_0,
    c_0,
    h_1,
    c_1,
    h_2,
    c_2,
    *,
    V_h=weight("H", "I"),
    V_c=weight("H", "I"),
    U_0=weight("4*H", "3*H"),
    U_1=weight("4*H", "3*H"),
    U_2=weight("4*H", "3*H"),
    b_0=weight("4*H"),
    b_1=weight("4*H"),
    b_2=weight("4*H"),
    p_0=weight("3*H"),
    p_1=weight("3*H"),
    p_2=weight("3*H"),
    forget_bias=1.0,
    peepholes=False,
):
    """Grid LSTM with three dimensions: two in parallel (1 and 2), and then depth (0). Peepholes are
    optional.

    Source: as `grid1_rnn`; tf.contrib.grid_rnn.Grid3LSTMCell.
    """
    h_0 = V_h @ x
    seen = concat(h_0, h_1, h_2)
    i, f, g, o = split(U_1 @ seen + b_1, 4)
    h_1, c_1 = _lstm(i, f, g, o, c_1, p_1, forget_bias, peepholes)
    i, f, g, o = split(U_2 @ seen + b_2, 4)
    h_2, c_2 = _lstm(i, f, g, o, c_2, p_2, forget_bias, peepholes)
    i, f, g, o = split(U_0 @ concat(h_0, h_1, h_2) + b_0, 4)
    h_0, c_0 = _lstm(i, f, g, o, V_c @ x, p_0, forget_bias, peepholes)
    return h_0, c_0, h_1, c_1, h_2, c_2


def frequency_lstm(
    input_size: int,
    *,
    feature_size: int,
    frequency_skip: int = 1,
    peepholes: bool = False,
    shared: bool = False,
    forget_bias: float = 1.0,
    cell_clip: float | None = None,
) -> Cell:
    """Create a cell with two LSTMs over windows of the input. In each window, one LSTM runs over
    the steps; in each step, the other LSTM runs over the windows.

    The number of states follows from the sizes: h_0, c_0, h_1, c_1, ... of H units, two for each
    window. The output contains, for each window, the outputs of the LSTM in time and of the LSTM in
    frequency. The names of the weights of the LSTM in frequency end in `_f`.

    Args:
        input_size: Units of the input.
        feature_size: Units of a window.
        frequency_skip: The distance from one window to the next.
        peepholes: Whether all gates see both cell states.
        shared: Whether both LSTMs use the same weights, `_f`.
        forget_bias: A constant added to both forget gates.
        cell_clip: The bound to which both cell states are clipped; None for no clipping.

    Returns:
        The cell.

    Raises:
        SizeError: Fewer than two windows fit into the input.

    Source: Sainath and Li, Modeling Time-Frequency Patterns with LSTM vs. Convolutional
        Architectures (2016); tf.contrib.rnn.GridLSTMCell.

    Example:
        >>> from ostinato.cells.contrib import frequency_lstm
        >>> frequency_lstm(5, feature_size=3, frequency_skip=2)
        <cell frequency_lstm(x, h_0, c_0, h_1, c_1)>
    """
    windows = (input_size - feature_size) // frequency_skip + 1 if frequency_skip > 0 else 0
    if feature_size < 1 or windows < 2:
        raise SizeError(
            f"frequency_lstm({input_size}, feature_size={feature_size}, "
            f"frequency_skip={frequency_skip}) has {max(windows, 0)} window(s): give sizes above "
            "0, with which two windows or more fit into the input"
        )
    ends, weights = ("f",) if shared else ("f", "t"), {}
    for end in ends:
        weights |= {f"W_{end}": weight("4*H", feature_size), f"b_{end}": weight("4*H")}
        weights |= {f"{name}_{end}": weight("4*H", "H") for name in "UV"}
        weights |= (
            {f"p_{gate}{of}_{end}": weight("H") for gate in "ifo" for of in "ft"}
            if peepholes
            else {}
        )

    def frequency_lstm(x, *states, **given):
        units = split(x, [1] * input_size)
        outputs, new, h_f, c_f = [], [], None, None
        for k in range(windows):
            h, c_t = states[2 * k : 2 * k + 2]
            window = units[k * frequency_skip : k * frequency_skip + feature_size]
            window = concat(*window) if feature_size > 1 else window[0]
            before, after, gates = {"f": c_f, "t": c_t}, {}, {}

            def peeped(z, gate, end, cells):
                # The first window has nothing below it.
                for of, c in cells.items():
                    if peepholes and c is not None:
                        z = z + given[f"p_{gate}{of}_{end}"] * c
                return sigmoid(z)

            for end in "ft":
                of = end if end in ends else "f"
                z = given[f"W_{of}"] @ window + given[f"U_{of}"] @ h + given[f"b_{of}"]
                i, f, g, o = split(z if h_f is None else z + given[f"V_{of}"] @ h_f, 4)
                c = peeped(i, "i", of, before) * tanh(g)
                if before[end] is not None:
                    c = peeped(_shifted(f, forget_bias), "f", of, before) * before[end] + c
                after[end], gates[end] = _clipped(c, cell_clip), (o, of)
            h_f, h = (
                peeped(o, "o", of, after) * tanh(after[end]) for end, (o, of) in gates.items()
            )
            c_f, c_t = after.values()
            outputs += [h, h_f]
            new += [h, c_t]
        return concat(*outputs), *new

    named = {"x": input(input_size)} | {
        f"{name}_{k}": state() for k in range(windows) for name in "hc"
    }
    kinds = inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY
    declared = [
        (name, kind, value)
        for kind, values in zip(kinds, (named, weights))
        for name, value in values.items()
    ]
    parameters = [inspect.Parameter(name, kind, default=value) for name, kind, value in declared]
    frequency_lstm.__signature__ = inspect.Signature(parameters)
    return Cell(frequency_lstm)


CELLS = {name: globals()[name] for name in __all__}
