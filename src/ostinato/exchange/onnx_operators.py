"""Private: ONNX's own recurrent operators, and the cells that they compute.

Source:
    github.com/onnx/onnx, docs/Operators.md: RNN, GRU and LSTM.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..cells import elman, gru, gru_original, lstm, lstm_peephole
from ..language.graph import Graph
from ..language.operations import relu
from ..language.tracing import Cell

__all__ = ["NATIVE", "Native", "native"]


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

        def ordered(array: np.ndarray) -> np.ndarray:
            parts = np.split(array, len(self.gates))
            return np.concatenate([parts[place] for place in self.gates])

        bias = weights["b"]
        other = weights[self.state_bias] if self.state_bias else np.zeros_like(bias)
        return [
            ordered(weights["W"]),
            ordered(np.concatenate([weights[name] for name in self.recurrent])),
            np.concatenate([ordered(bias), ordered(other)]),
            np.concatenate([weights[name] for name in self.peepholes]) if self.peepholes else None,
        ]


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
