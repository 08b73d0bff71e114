"""Private: ONNX's own recurrent operators, and the cells that they compute.

Source:
    github.com/onnx/onnx, docs/Operators.md: RNN, GRU and LSTM.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from ...cells import elman, gru, gru_original, lstm, lstm_peephole
from ...language.graph import Graph
from ...language.operations import relu
from ...language.symbols import Vector
from ...language.tracing import Cell
from ..activations import UNITS
from ..cell_weights import reordered
from .cells import Activation, Bounded, onnx_lstm

__all__ = ["DEFAULTS", "GATES", "NATIVE", "Native", "NodeWeights", "native", "of_node"]

# The activation functions of one direction where a node has none.
DEFAULTS = {"RNN": ("Tanh",), "LSTM": ("Sigmoid", "Tanh", "Tanh"), "GRU": ("Sigmoid", "Tanh")}
# The number of gates in each operator's matrices.
GATES = {"RNN": 1, "LSTM": 4, "GRU": 3}


@dataclass(frozen=True)
class NodeWeights:
    """The constant inputs of a node, for all directions D.

    Attributes:
        w: W, (D, gates * H, I).
        r: R, (D, gates * H, H).
        b: B, (D, 2 * gates * H); None if it is absent.
        p: P, (D, 3 * H); None if it is absent.
        initial: The constant initial states, (D, H) each; None where they are 0, or where the file
            computes them or has them as inputs.
    """

    w: np.ndarray
    r: np.ndarray
    b: np.ndarray | None
    p: np.ndarray | None
    initial: list[np.ndarray | None] = field(default_factory=list)


@dataclass(frozen=True)
class Native:
    """An operator of ONNX that computes a cell.

    Attributes:
        cell: The cell.
        op: The name of the operator.
        gates: The place in the cell of each of the operator's gates, in the operator's order.
        recurrent: The weights of the cell that multiply the state, one above another.
        state_bias: The bias of the product with the state; None if there is none.
        peepholes: The peephole weights in the operator's order.
        activation: The activation of RNN.
        linear_before_reset: The form of GRU.
    """

    cell: Cell
    op: str
    gates: tuple[int, ...] = (0,)
    recurrent: tuple[str, ...] = ("U",)
    state_bias: str | None = None
    peepholes: tuple[str, ...] = ()
    activation: str | None = None
    linear_before_reset: int | None = None

    def attributes(self, directions: int) -> dict[str, Any]:
        """The attributes of the operator, besides the hidden size and the direction."""
        found: dict[str, Any] = {}
        if self.activation is not None:
            found["activations"] = [self.activation] * directions
        if self.linear_before_reset is not None:
            found["linear_before_reset"] = self.linear_before_reset
        return found

    def tensors(self, weights: Mapping[str, np.ndarray]) -> list[np.ndarray | None]:
        """The operator's W, R, B and P of one direction, without their first dimension; P is None
        for an operator without peepholes.

        Args:
            weights: The cell's weights by name.
        """
        bias = weights["b"]
        other = weights[self.state_bias] if self.state_bias else np.zeros_like(bias)
        return [
            reordered(weights["W"], self.gates),
            reordered(np.concatenate([weights[name] for name in self.recurrent]), self.gates),
            np.concatenate([reordered(one, self.gates) for one in (bias, other)]),
            np.concatenate([weights[name] for name in self.peepholes]) if self.peepholes else None,
        ]

    def weights(
        self, w: np.ndarray, r: np.ndarray, b: np.ndarray, p: np.ndarray | None
    ) -> dict[str, np.ndarray]:
        """The cell's weights by name: the inverse of `tensors`.

        Args:
            w: W of one direction, (gates * H, I).
            r: R, (gates * H, H).
            b: B, (2 * gates * H,).
            p: P, (3 * H,); None for an operator without peepholes.
        """
        inverse, units = np.argsort(self.gates), r.shape[-1]
        bias, other = (reordered(half, inverse) for half in np.split(b, 2))
        found = {"W": reordered(w, inverse)}
        rows = [self.cell.graph.weights[name].shape[0].at({"H": units}) for name in self.recurrent]
        parts = np.split(reordered(r, inverse), np.cumsum(rows)[:-1])
        found |= zip(self.recurrent, parts)
        if self.state_bias:
            found |= {"b": bias, self.state_bias: other}
        else:
            found["b"] = bias + other
        if p is not None:
            found |= zip(self.peepholes, np.split(p, len(self.peepholes)))
        return found


# The gates of LSTM are i, o, f, g in ONNX and i, f, g, o here; those of GRU z, r, n and r, z, n.
NATIVE = [
    Native(elman, "RNN", activation="Tanh"),
    Native(elman.with_constants(activation=relu), "RNN", activation="Relu"),
    Native(lstm, "LSTM", gates=(0, 3, 1, 2)),
    Native(lstm_peephole, "LSTM", gates=(0, 3, 1, 2), peepholes=("p_i", "p_o", "p_f")),
    Native(gru, "GRU", gates=(1, 0, 2), state_bias="d", linear_before_reset=1),
    Native(
        gru_original,
        "GRU",
        gates=(1, 0, 2),
        recurrent=("U_rz", "U_n"),
        linear_before_reset=0,
    ),
]


def native(graph: Graph) -> Native | None:
    """The operator that computes a step; None if there is none."""
    return next((one for one in NATIVE if one.cell.graph.key == graph.key), None)


def of_node(
    op: str,
    activations: tuple[Activation, ...],
    *,
    limit: float | None = None,
    coupled: bool = False,
    peepholes: bool = False,
    linear_before_reset: bool = False,
) -> Native:
    """The cell that a node computes, and where its weights are: a cell of the catalogue where one
    has the same equations, else one of `cells`.

    Args:
        op: The operator.
        activations: The activation functions of one direction.
        limit: Clip; None if there is none.
        coupled: Whether input_forget is 1.
        peepholes: Whether P is there.
        linear_before_reset: The form of GRU.
    """
    form = int(linear_before_reset) if op == "GRU" else None
    places = next(
        one
        for one in NATIVE
        if (one.op, bool(one.peepholes)) == (op, peepholes) and one.linear_before_reset == form
    )
    if op == "LSTM":
        # as in ONNX Runtime, clip is not for h, which sees the cell state itself
        f, g, h = activations
        bounded = (Bounded(f, limit), Bounded(g, limit), h)
        cell = onnx_lstm.with_constants(activations=bounded, coupled=coupled, peepholes=peepholes)
    else:
        cell = _with(places.cell, [Bounded(one, limit) for one in activations])
    named = _with_named(places.cell, activations)
    if named is not None and named.graph.key == cell.graph.key:
        cell = named
    return native(cell.graph) or replace(places, cell=cell)


def _with_named(cell: Cell, activations: tuple[Activation, ...]) -> Cell | None:
    """A cell of the catalogue with the activations of a node; None if one has no name.

    Args:
        cell: The cell with its default activations.
        activations: The activation functions of a node: of the gates first, of the rest last.
    """
    functions = [one for one in map(_named, activations) if one is not None]
    return _with(cell, functions) if len(functions) == len(activations) else None


def _with(cell: Cell, activations: Sequence[Callable[[Vector], Vector]]) -> Cell:
    """A cell with other activations: of the gates first, of the rest last."""
    constants = {"gate_activation": activations[0], "activation": activations[-1]}
    return cell.with_constants(**{n: one for n, one in constants.items() if n in cell.constants})


@functools.cache
def _named(activation: Activation) -> Callable[[Vector], Vector] | None:
    """The activation of `activations.UNITS` with the same operations; None if there is none."""
    key = elman.with_constants(activation=activation).graph.key
    return next(
        (one for one in UNITS.values() if elman.with_constants(activation=one).graph.key == key),
        None,
    )
