"""Private: the regularizers of tf.keras."""

from typing import Any

import numpy as np

from ..core.constant import constant
from ..core.tensors import Tensor
from ..ops import math
from .lookup import config_of, find

__all__ = ["L1L2", "Regularizer", "deserialize", "get", "l1", "l1_l2", "l2", "serialize"]


class Regularizer:
    """Base class: a function of a variable that returns a loss."""

    def __call__(self, x: Any) -> Any:
        """The loss of a variable."""
        return 0.0

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same regularizer."""
        return {}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Regularizer":
        """The regularizer of a `get_config()`."""
        return cls(**config)


class L1L2(Regularizer):
    """`l1` times the sum of absolute values, and `l2` times the sum of squares."""

    def __init__(self, l1: float = 0.0, l2: float = 0.0):
        self.l1, self.l2 = np.asarray(l1, np.float32), np.asarray(l2, np.float32)

    def __call__(self, x: Any) -> Tensor:
        if not self.l1 and not self.l2:
            return constant(0.0)
        loss: Any = 0.0
        if self.l1:
            loss += math.reduce_sum(self.l1 * math.abs(x))
        if self.l2:
            loss += math.reduce_sum(self.l2 * math.square(x))
        return loss

    def get_config(self) -> dict[str, Any]:
        return {"l1": float(self.l1), "l2": float(self.l2)}


def l1(l: float = 0.01) -> L1L2:  # noqa: E741
    """`l` times the sum of absolute values."""
    return L1L2(l1=l)


def l2(l: float = 0.01) -> L1L2:  # noqa: E741
    """`l` times the sum of squares."""
    return L1L2(l2=l)


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Both; see `L1L2`."""
    return L1L2(l1, l2)


_KNOWN = {"L1L2": L1L2, "l1": l1, "l2": l2, "l1_l2": l1_l2}


def get(identifier: Any) -> Any:
    """The regularizer for itself, its name or its configuration."""
    return find("regularizer", identifier, _KNOWN)


def serialize(regularizer: Any) -> Any:
    """The configuration of a regularizer, for `get`."""
    return config_of(regularizer)


deserialize = get
