"""Private: user-defined cells: each as an Ostinato layer and as a Python loop over torch
operations.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

import ostinato

from ..language.operations import mean, sigmoid, split, sqrt, tanh
from ..language.tracing import Cell, cell, weight
from .peers import Runner, Workload, in_torch, ours
from .rows import BUILT_IN, LOOP


@cell
def peephole_lstm(
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
):
    """LSTM with peephole connections to the gates."""
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c_next = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
    return sigmoid(o + p_o * c_next) * tanh(c_next), c_next


def _peephole_lstm(x, W, U, b, p_i, p_f, p_o):
    h = c = x.new_zeros(x.shape[1], U.shape[1])
    outputs, U = [], U.t()
    for z in F.linear(x, W, b).unbind():
        i, f, g, o = torch.addmm(z, h, U).chunk(4, 1)
        c_next = torch.sigmoid(f + p_f * c) * c + torch.sigmoid(i + p_i * c) * torch.tanh(g)
        h, c = torch.sigmoid(o + p_o * c_next) * torch.tanh(c_next), c_next
        outputs.append(h)
    return torch.stack(outputs)


@cell
def original_gru(
    x, h, *, W=weight("3*H", "I"), U=weight("2*H", "H"), V=weight("H", "H"), b=weight("3*H")
):
    """GRU with the reset gate before the matrix product: two dependent products per step."""
    xr, xz, xn = split(W @ x + b, 3)
    hr, hz = split(U @ h, 2)
    z = sigmoid(xz + hz)
    n = tanh(xn + V @ (sigmoid(xr + hr) * h))
    return (1 - z) * n + z * h


def _original_gru(x, W, U, V, b):
    hidden = U.shape[1]
    h = x.new_zeros(x.shape[1], hidden)
    outputs, U, V = [], U.t(), V.t()
    rz, n = F.linear(x, W, b).split([2 * hidden, hidden], 2)
    for rz_t, n_t in zip(rz.unbind(), n.unbind()):
        r, z = torch.sigmoid(torch.addmm(rz_t, h, U)).chunk(2, 1)
        h = torch.lerp(torch.tanh(torch.addmm(n_t, r * h, V)), h, z)
        outputs.append(h)
    return torch.stack(outputs)


def _normalised(z):
    centred = z - mean(z)
    return centred / sqrt(mean(centred * centred) + 1e-5)


@cell
def layer_norm_lstm(
    x,
    h,
    c,
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    gain_x=weight("4*H", init=0.1),
    gain_h=weight("4*H", init=0.1),
    gain_c=weight("H", init=0.1),
    b_c=weight("H"),
):
    """LSTM with layer normalisation of both products and of the cell state in the output.

    With gains of 1 it is chaotic: rounding errors grow from step to step, and float32 soon differs
    from float64 in any implementation. The gains start at 0.1 as in Cooijmans et al., Recurrent
    Batch Normalization (2016), section 4.
    """
    i, f, g, o = split(_normalised(W @ x) * gain_x + _normalised(U @ h) * gain_h + b, 4)
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(_normalised(c) * gain_c + b_c), c


def _layer_norm_lstm(x, W, U, b, gain_x, gain_h, gain_c, b_c):
    h = c = x.new_zeros(x.shape[1], U.shape[1])
    outputs, U = [], U.t()
    for z in F.layer_norm(F.linear(x, W), W.shape[:1], gain_x, b).unbind():
        i, f, g, o = (z + F.layer_norm(h @ U, W.shape[:1], gain_h)).chunk(4, 1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        h = torch.sigmoid(o) * torch.tanh(F.layer_norm(c, c.shape[1:], gain_c, b_c))
        outputs.append(h)
    return torch.stack(outputs)


@dataclass(frozen=True)
class OwnCell:
    """A cell and the equivalent torch function: input (T, B, I) and weights to output (T, B, H)."""

    cell: Cell
    loop: Callable[..., Tensor]

    def _layer(self, work: Workload) -> ostinato.Recurrent:
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            return ostinato.Recurrent(
                self.cell, work.layer.input_size, work.layer.hidden_size, batch_first=False
            )

    def ours(self, work: Workload) -> Runner:
        """The cell as an Ostinato layer."""
        layer = self._layer(work)
        return in_torch(work, layer, dict(layer.named_parameters()))

    def looped(self, work: Workload) -> Runner:
        """An efficient Python loop: the input product for all steps in advance, one matrix for all
        gates, fused operations.
        """
        weights = dict(self._layer(work).named_parameters())
        given = {name.removesuffix("_l0"): w for name, w in weights.items()}
        return in_torch(work, lambda x: (self.loop(x, **given),), weights)


def _built_in(work: Workload) -> Runner:
    return Runner(ours(work).call)


OWN_CELLS = {
    "peephole LSTM": OwnCell(peephole_lstm, _peephole_lstm),
    "original GRU": OwnCell(original_gru, _original_gru),
    "layer-norm LSTM": OwnCell(layer_norm_lstm, _layer_norm_lstm),
}


def contenders(
    name: str,
) -> tuple[Callable[[Workload], Runner], dict[str, dict[str, Callable[[Workload], Runner]]]]:
    """The maker of one of OWN_CELLS, and the makers to compare with, as in `peers.PEER_MAKERS`."""
    own = OWN_CELLS[name]
    return own.ours, {BUILT_IN: {"": _built_in}, LOOP: {"": own.looped}}
