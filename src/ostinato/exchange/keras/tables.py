"""Private: Keras's recurrent layers as cells of the catalogue: gate orders, weights, activations.

Source:
    Keras 3.15, keras/src/layers/rnn: kernels are (input, gates * units), with the
    gates i, f, c, o of LSTM and z, r, h of GRU.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...errors import InputError
from ..cell_weights import reordered

__all__ = ["ACTIVATIONS", "CELLS", "CUDNN", "KerasCell", "activation", "keras_activation"]


@dataclass(frozen=True)
class KerasCell:
    """A recurrent layer of Keras and its cell.

    Attributes:
        layer: The class of the layer; that of its cell is the same with "Cell".
        cell: The name of the cell in the catalogue.
        gates: The place in the cell of each of Keras's gates, in Keras's order.
        reset_after: The form of GRU; None for other layers.
        activations: The constant of the cell for each activation of Keras.
    """

    layer: str
    cell: str
    gates: tuple[int, ...]
    reset_after: bool | None = None
    activations: tuple[tuple[str, str], ...] = (
        ("activation", "activation"),
        ("recurrent_activation", "gate_activation"),
    )

    @property
    def inverse(self) -> np.ndarray:
        """The place in Keras of each of the cell's gates."""
        return np.argsort(self.gates)

    @property
    def weights(self) -> tuple[str, ...]:
        """The names of the cell's weights."""
        matrices = ("W", "U_rz", "U_n") if self.reset_after is False else ("W", "U")
        return matrices + self.biases

    @property
    def biases(self) -> tuple[str, ...]:
        """The names of the cell's biases."""
        return ("b", "d") if self.reset_after else ("b",)

    def bias_shape(self, units: int) -> tuple[int, ...]:
        """The shape of Keras's bias."""
        columns = units * len(self.gates)
        return (2, columns) if self.reset_after else (columns,)

    def to_cell(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The cell's weights from Keras's.

        Args:
            weights: `kernel`, `recurrent_kernel`, and `bias` unless the layer has none.
        """
        found = {"W": reordered(weights["kernel"].T, self.inverse)}
        recurrent = reordered(weights["recurrent_kernel"].T, self.inverse)
        if self.reset_after is False:
            units = len(recurrent) // 3
            found |= {"U_rz": recurrent[: 2 * units], "U_n": recurrent[2 * units :]}
        else:
            found["U"] = recurrent
        if "bias" in weights:
            rows = np.atleast_2d(weights["bias"])
            found |= {name: reordered(row, self.inverse) for name, row in zip(self.biases, rows)}
        return found

    def from_cell(self, weights: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Keras's weights from the cell's: the inverse of `to_cell`."""
        recurrent = np.concatenate([weights[name] for name in self.weights if name[0] == "U"])
        found = {
            "kernel": reordered(weights["W"], self.gates).T,
            "recurrent_kernel": reordered(recurrent, self.gates).T,
        }
        if "b" in weights:
            rows = [reordered(weights[name], self.gates) for name in self.biases]
            found["bias"] = np.stack(rows) if self.reset_after else rows[0]
        return found


CELLS = [
    KerasCell("SimpleRNN", "elman", (0,), activations=(("activation", "activation"),)),
    KerasCell("LSTM", "lstm", (0, 1, 2, 3)),
    KerasCell("GRU", "gru", (1, 0, 2), reset_after=True),
    KerasCell("GRU", "gru_original", (1, 0, 2), reset_after=False),
]
# Layers of Keras 2 for cuDNN, and the number of their gates.
CUDNN = {"CuDNNLSTM": ("LSTM", 4), "CuDNNGRU": ("GRU", 3)}

# Keras's names of activations. Those of Keras 2 that differ come after.
ACTIVATIONS = {
    "linear": "linear",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "relu": "relu",
    "relu6": "relu6",
    "hard_sigmoid": "hard_sigmoid",
    "elu": "elu",
    "selu": "selu",
    "softplus": "softplus",
    "softsign": "softsign",
    "silu": "silu",
    "swish": "silu",
    "hard_silu": "hard_silu",
    "hard_swish": "hard_silu",
    "hard_tanh": "hard_tanh",
    "mish": "mish",
    "leaky_relu": "leaky_relu_02",
    "exponential": "exponential",
    "log_sigmoid": "log_sigmoid",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "gelu": "gelu",
}
KERAS_2 = {"hard_sigmoid": "hard_sigmoid_02"}


def activation(given: object, version: int) -> str:
    """The name here of an activation in a configuration of Keras.

    Args:
        given: A name; None for `linear`; or the description of one of Keras's own functions.
        version: Keras's version, 2 or 3.

    Raises:
        InputError: It is unknown, or a function of the program.
    """
    name = given
    if isinstance(given, dict):
        config = given.get("config")
        own = str(given.get("module") or "builtins").startswith(("keras", "builtins", "tf_keras"))
        plain = given.get("class_name") == "function" and own
        name = config if plain and isinstance(config, str) else None
    if given is None:
        return "linear"
    if not isinstance(name, str) or name not in ACTIVATIONS:
        shown = name if isinstance(name, str) else given
        raise InputError(
            f"the activation {str(shown)[:80]!r} is not supported; the activations are "
            f"{', '.join(ACTIVATIONS)}"
        )
    return KERAS_2.get(name, ACTIVATIONS[name]) if version < 3 else ACTIVATIONS[name]


def keras_activation(name: str) -> str:
    """The name in Keras 3 of an activation.

    Raises:
        InputError: Keras 3 does not have it.
    """
    for keras, ours in ACTIVATIONS.items():
        if ours == name:
            return keras
    raise InputError(f"Keras 3 does not have the activation {name!r}")
