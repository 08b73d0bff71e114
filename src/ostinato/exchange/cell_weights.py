"""Private: the weights of a layer as arrays, and their gates in the orders of other tools."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ..engines.reference import summed
from ..nn.recurrent import Recurrent

__all__ = ["cell_arrays", "reordered", "with_forget_bias"]


def cell_arrays(layer: Recurrent, number: int, direction: int) -> dict[str, np.ndarray]:
    """The cell's weights of one layer and direction by name; a sum is rounded as the layer rounds
    it.
    """
    with torch.no_grad():
        weights = layer.cell_weights(number, direction)
        return {name: summed(weight).detach().cpu().numpy() for name, weight in weights.items()}


def with_forget_bias(
    arrays: Mapping[str, np.ndarray], units: int, shift: float
) -> dict[str, np.ndarray]:
    """The weights of an LSTM with a number added to the bias of the forget gate."""
    bias = arrays["b"].copy()
    bias[units : 2 * units] += shift
    return {**arrays, "b": bias}


def reordered(rows: np.ndarray, order: Sequence[int] | np.ndarray) -> np.ndarray:
    """The rows of gates in another order.

    Args:
        rows: The rows of all gates, one gate after another.
        order: The place in `rows` of each gate of the result.

    Example:
        >>> reordered(np.array([0, 1, 20, 21, 30, 31]), (1, 2, 0)).tolist()
        [20, 21, 30, 31, 0, 1]
    """
    parts = np.split(rows, len(order))
    return np.concatenate([parts[place] for place in order])
