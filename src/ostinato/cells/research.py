"""Research cells that are still in use, with the equations of their papers.

Methods that only change initialisation or training have no cell here: IRNN (Le, Jaitly and Hinton,
2015) is `elman` with `activation=relu` and U initialised to the identity, and an echo state network
(Jaeger, 2001) is `elman` with fixed weights. Both are on the page docs/cells.md.
"""

import math
from typing import TYPE_CHECKING

from ..language.initialisers import chrono
from ..language.operations import (
    concat,
    exp,
    floor,
    maximum,
    relu,
    sigmoid,
    softplus,
    split,
    sqrt,
    tanh,
    where,
)
from ..language.tracing import cell, input, state, weight

if TYPE_CHECKING:
    from torch import Tensor

__all__ = [
    "antisymmetric_rnn",
    "cornn",
    "fast_grnn",
    "fast_rnn",
    "janet",
    "lem",
    "li_gru",
    "lru",
    "mgu",
    "min_lstm",
    "mut1",
    "mut2",
    "mut3",
    "phased_lstm",
    "qrnn",
    "rg_lru",
    "slstm",
]


# torch is imported when weights are initialised, not with the cells: the command line checks the
# names of cells without it.


def _uniform(shape: tuple[int, ...], low: float, high: float) -> "Tensor":
    import torch

    return torch.empty(shape).uniform_(low, high)


def _normal(shape: tuple[int, ...]) -> "Tensor":
    import torch

    return torch.randn(shape)


@cell
def min_lstm(x, h, *, W=weight("3*H", "I"), b=weight("3*H")):
    """Minimal LSTM: the gates and the candidate see only the input, and the gates add up to 1.

    Source: Feng et al., Were RNNs All We Needed? (2024), section 3.2.
    """
    f, i, n = split(W @ x + b, 3)
    f, i = sigmoid(f), sigmoid(i)
    return f / (f + i) * h + i / (f + i) * n


@cell
def li_gru(
    x,
    h,
    *,
    W=weight("2*H", "I", init="glorot"),
    U_z=weight("H", "H", init="orthogonal"),
    U_n=weight("H", "H", init="orthogonal"),
    b=weight("2*H", init=0.0),
):
    """Light GRU: no reset gate, and ReLU in place of tanh. The paper's batch normalisation of W x
    is omitted.

    Source: Ravanelli, Brakel, Omologo and Bengio, Light Gated Recurrent Units for Speech
        Recognition (2018).
    """
    xz, xn = split(W @ x + b, 2)
    z = sigmoid(xz + U_z @ h)
    n = relu(xn + U_n @ h)
    return z * h + (1 - z) * n


@cell
def mgu(x, h, *, W=weight("2*H", "I"), U_f=weight("H", "H"), U_n=weight("H", "H"), b=weight("2*H")):
    """Minimal gated unit: a GRU with one gate that both resets and updates.

    Source: Zhou, Wu, Zhang and Zhou, Minimal Gated Unit for Recurrent Neural Networks (2016).
    """
    xf, xn = split(W @ x + b, 2)
    f = sigmoid(xf + U_f @ h)
    n = tanh(xn + U_n @ (f * h))
    return (1 - f) * h + f * n


@cell
def mut1(
    x,
    h,
    *,
    P=weight("H", "I"),
    W=weight("2*H", "H"),
    U_r=weight("H", "H"),
    U_n=weight("H", "H"),
    b=weight("3*H"),
):
    """The first of three GRU-like cells found by a search. P x stands for the paper's x, so that x
    may have any size.

    Source: Jozefowicz, Zaremba and Sutskever, An Empirical Exploration of Recurrent Network
        Architectures (2015), MUT1.
    """
    bz, br, bn = split(b, 3)
    v = P @ x
    xz, xr = split(W @ v, 2)
    z = sigmoid(xz + bz)
    r = sigmoid(xr + U_r @ h + br)
    n = tanh(U_n @ (r * h) + tanh(v) + bn)
    return n * z + h * (1 - z)


@cell
def mut2(
    x,
    h,
    *,
    P=weight("H", "I"),
    W=weight("2*H", "H"),
    U_zr=weight("2*H", "H"),
    U_n=weight("H", "H"),
    b=weight("3*H"),
):
    """The second of three GRU-like cells found by a search. P x stands for the paper's x, so that x
    may have any size.

    Source: Jozefowicz, Zaremba and Sutskever, An Empirical Exploration of Recurrent Network
        Architectures (2015), MUT2.
    """
    bz, br, bn = split(b, 3)
    v = P @ x
    xz, xn = split(W @ v, 2)
    hz, hr = split(U_zr @ h, 2)
    z = sigmoid(xz + hz + bz)
    r = sigmoid(v + hr + br)
    n = tanh(U_n @ (r * h) + xn + bn)
    return n * z + h * (1 - z)


@cell
def mut3(
    x,
    h,
    *,
    W=weight("3*H", "I"),
    U_z=weight("H", "H"),
    U_r=weight("H", "H"),
    U_n=weight("H", "H"),
    b=weight("3*H"),
):
    """The third of three GRU-like cells found by a search.

    Source: Jozefowicz, Zaremba and Sutskever, An Empirical Exploration of Recurrent Network
        Architectures (2015), MUT3.
    """
    xz, xr, xn = split(W @ x + b, 3)
    z = sigmoid(xz + U_z @ tanh(h))
    r = sigmoid(xr + U_r @ h)
    n = tanh(U_n @ (r * h) + xn)
    return n * z + h * (1 - z)


@cell
def fast_rnn(
    x,
    h,
    *,
    W=weight("H", "I"),
    U=weight("H", "H"),
    b=weight("H"),
    alpha=weight(1, init=-3.0),
    beta=weight(1, init=3.0),
):
    """A simple network with a residual connection that has two learned scalar weights, initialised
    as in the authors' code (EdgeML).

    Source: Kusupati et al., FastGRNN: A Fast, Accurate, Stable and Tiny Kilobyte Sized Gated
        Recurrent Neural Network (2018).
    """
    return sigmoid(alpha) * tanh(W @ x + U @ h + b) + sigmoid(beta) * h


@cell
def fast_grnn(
    x,
    h,
    *,
    W=weight("H", "I"),
    U=weight("H", "H"),
    b_z=weight("H", init=1.0),
    b_n=weight("H", init=1.0),
    zeta=weight(1, init=1.0),
    nu=weight(1, init=-4.0),
):
    """A gated network whose gate and candidate share their matrices; biases and scalars are
    initialised as in the authors' code (EdgeML).

    The matrices are full: the paper's low rank, sparsity and quantisation are omitted.

    Source: Kusupati et al., FastGRNN: A Fast, Accurate, Stable and Tiny Kilobyte Sized Gated
        Recurrent Neural Network (2018).
    """
    shared = W @ x + U @ h
    z = sigmoid(shared + b_z)
    n = tanh(shared + b_n)
    return (sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h


@cell
def qrnn(x, c, p=state("3*H"), *, W=weight("3*H", "I"), V=weight("3*H", "I"), b=weight("3*H")):
    """Quasi-recurrent network: a convolution over two steps, and fo-pooling. The state `p` is the
    product with the previous input.

    Source: Bradbury, Merity, Xiong and Socher, Quasi-Recurrent Neural Networks (2017), section 2,
        with fo-pooling.
    """
    z, f, o = split(W @ x + p + b, 3)
    f = sigmoid(f)
    c = f * c + (1 - f) * tanh(z)
    h = sigmoid(o) * c
    return h, c, V @ x


def _slow(shape: tuple[int, ...]) -> "Tensor":
    """Initialise `decay` so that sigmoid(decay) ** 8 is uniform in 0.9 .. 0.999."""
    return (_uniform(shape, 0.9, 0.999) ** (1 / 8)).logit()


@cell
def rg_lru(x, h, *, W=weight("3*H", "I"), b=weight("3*H", init=0.0), decay=weight("H", init=_slow)):
    """Real-gated linear recurrent unit. `n` is the x of the paper's equations, the result of the
    linear layer before the unit.

    The gates see the cell's x, before that layer.

    Source: De et al., Griffin: Mixing Gated Linear Recurrences with Local Attention (2024),
        equations 1 to 4, with c = 8.
    """
    r, i, n = split(W @ x + b, 3)
    a = exp(-8 * softplus(-decay) * sigmoid(r))
    return a * h + sqrt(1 - a * a) * (sigmoid(i) * n)


def _ring(shape: tuple[int, ...]) -> "Tensor":
    """Initialise `nu` so that exp(-exp(nu)) is the radius of a uniform point in the ring between
    the circles of radius 0.9 and 0.999.
    """
    return (-0.5 * _uniform(shape, 0.9**2, 0.999**2).log()).log()


def _angle(shape: tuple[int, ...]) -> "Tensor":
    """Initialise `theta` so that the angle is uniform in 0 .. pi."""
    return (_uniform(shape, 0.0, math.pi) / 2).tan().log()


@cell
def lru(
    x,
    re,
    im,
    *,
    B=weight("2*H", "I", init=lambda shape: _normal(shape) / math.sqrt(2 * shape[1])),
    C=weight("H", "2*H", init=lambda shape: _normal(shape) / math.sqrt(shape[0])),
    D=weight("H", "I"),
    nu=weight("H", init=_ring),
    theta=weight("H", init=_angle),
):
    """Linear recurrent unit: a complex diagonal recurrence, written as two real states. Each unit
    has its own decay and rotation.

    The language has no sine, so exp(theta) is the tangent of half the paper's angle. It covers the
    angles from 0 to pi; the others are their conjugates, which give the same real output. The input
    gain follows from the decay, as in the paper at initialisation, because B can learn any other
    gain. The cell computes the output of a layer, with D x; the paper's nonlinear blocks between
    layers are not part of it.

    Source: Orvieto et al., Resurrecting Recurrent Neural Networks for Long Sequences (2023),
        sections 3.3 and 3.4.
    """
    size = exp(-exp(nu))
    u = exp(theta)
    a, b = size * (1 - u * u) / (1 + u * u), size * 2 * u / (1 + u * u)
    p, q = split(B @ x, 2)
    gain = sqrt(1 - size * size)
    re, im = a * re - b * im + gain * p, b * re + a * im + gain * q
    y = C @ concat(re, -im) + D @ x
    return y, re, im


@cell
def slstm(x, h, c, n, m, *, W=weight("4*H", "I"), U=weight("4*H", "H"), b=weight("4*H")):
    """LSTM with an exponential input gate, the sLSTM of xLSTM. The normaliser `n` sums the gate,
    and the stabiliser `m` is the logarithm of the scale of `c` and `n`.

    The forget gate is a sigmoid, and the cell has one head.

    Source: Beck et al., xLSTM: Extended Long Short-Term Memory (2024), section 2.2.
    """
    i, f, g, o = split(W @ x + U @ h + b, 4)
    kept = m - softplus(-f)
    m = maximum(kept, i)
    f, i = exp(kept - m), exp(i - m)
    c = f * c + i * tanh(g)
    n = f * n + i
    h = sigmoid(o) * (c / n)
    return h, c, n, m


@cell
def janet(
    x,
    h,
    *,
    W=weight("2*H", "I"),
    U=weight("2*H", "H"),
    b_f=weight("H", init=chrono(784)),
    b_n=weight("H", init=0.0),
    beta=1.0,
):
    """LSTM with a forget gate only, initialised for sequences of 784 steps. `beta` makes the input
    larger than the part that is forgotten.

    Source: van der Westhuizen and Lasenby, The Unreasonable Effectiveness of the Forget Gate
        (2018).
    """
    s, n = split(W @ x + U @ h, 2)
    s = s + b_f
    return sigmoid(s) * h + (1 - sigmoid(s - beta)) * tanh(n + b_n)


@cell
def cornn(
    x,
    y,
    z,
    *,
    W=weight("H", "I"),
    U=weight("H", "H"),
    V=weight("H", "H"),
    b=weight("H"),
    dt=0.042,
    gamma=2.7,
    epsilon=4.7,
):
    """Coupled oscillators with position `y` and velocity `z`. The constants are the paper's for
    sMNIST.

    The damping is explicit, as in the authors' code.

    Source: Rusch and Mishra, Coupled Oscillatory Recurrent Neural Network (2021), equation 3.
    """
    z = z + dt * (tanh(W @ x + U @ y + V @ z + b) - gamma * y - epsilon * z)
    y = y + dt * z
    return y, z


@cell
def lem(
    x,
    y,
    z,
    *,
    W=weight("4*H", "I"),
    U=weight("3*H", "H"),
    V=weight("H", "H"),
    b=weight("4*H"),
    dt=1.0,
):
    """Long expressive memory: two states, each with its own time step of at most `dt` in every
    unit.

    Source: Rusch, Mishra, Erichson and Mahoney, Long Expressive Memory for Sequence Modeling
        (2022), equation 3.
    """
    x1, x2, xz, xy = split(W @ x + b, 4)
    y1, y2, yz = split(U @ y, 3)
    dt_z = dt * sigmoid(x1 + y1)
    dt_y = dt * sigmoid(x2 + y2)
    z = (1 - dt_z) * z + dt_z * tanh(xz + yz)
    y = (1 - dt_y) * y + dt_y * tanh(xy + V @ z)
    return y, z


@cell
def antisymmetric_rnn(
    x,
    h,
    *,
    W=weight("H", "I"),
    U=weight("H", "H", init="normal"),
    b=weight("H", init=0.0),
    epsilon=0.01,
    gamma=0.01,
):
    """A step of size `epsilon` along a differential equation whose solutions neither grow nor
    decay, apart from the damping `gamma`. It has no gates.

    Source: Chang, Chen, Haber and Chi, AntisymmetricRNN: A Dynamical System View on Recurrent
        Neural Networks (2019).
    """
    return h + epsilon * tanh(W @ x + U @ h - U.T @ h - gamma * h + b)


@cell
def phased_lstm(
    x,
    t=input(1),
    h=state(),
    c=state(),
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    p_i=weight("H"),
    p_f=weight("H"),
    p_o=weight("H"),
    tau=weight("H", init=lambda shape: _uniform(shape, 0.0, 3.0).exp()),
    s=weight("H", init=lambda shape: _uniform(shape, 0.0, math.exp(3.0))),
    r_on=0.05,
    alpha=0.001,
):
    """LSTM with peepholes and a time gate: each unit is open for the fraction `r_on` of its period
    `tau`, which starts at the time `s`.

    `t` is the time of the step. A closed unit leaks by `alpha`, which the paper sets to 0 after
    training.

    Source: Neil, Pfeiffer and Liu, Phased LSTM: Accelerating Recurrent Network Training for Long or
        Event-based Sequences (2016), section 2; tau and s are initialised as there, but s is drawn
        for the longest period and not for its own.
    """
    cycles = (t - s) / tau
    phi = cycles - floor(cycles)
    k = where(phi < r_on / 2, 2 * phi / r_on, where(phi < r_on, 2 - 2 * phi / r_on, alpha * phi))
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c_open = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
    h_open = sigmoid(o + p_o * c_open) * tanh(c_open)
    return k * h_open + (1 - k) * h, k * c_open + (1 - k) * c


CELLS = {name: globals()[name] for name in __all__}
