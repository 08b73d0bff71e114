"""Private: the constraints of tf.keras: functions that an optimizer applies to a variable."""

from typing import Any

from ..core.tensors import Tensor
from ..ops import math
from .lookup import config_of, find

__all__ = [
    "Constraint",
    "MaxNorm",
    "MinMaxNorm",
    "NonNeg",
    "UnitNorm",
    "deserialize",
    "get",
    "serialize",
]

# A small number that keeps divisions finite.
_EPSILON = 1e-7


def _norm(w: Any, axis: Any) -> Tensor:
    return math.sqrt(math.reduce_sum(math.square(w), axis=axis, keepdims=True))


class Constraint:
    """Base class: a function of the value of a variable that returns the value to use instead."""

    _arguments: tuple[str, ...] = ()

    def __call__(self, w: Any) -> Any:
        """The value to use."""
        return w

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same constraint."""
        return {name: getattr(self, name) for name in self._arguments}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> "Constraint":
        """The constraint of a `get_config()`."""
        return cls(**config)


class NonNeg(Constraint):
    """Negative values become 0."""

    def __call__(self, w: Any) -> Tensor:
        return w * math.cast(math.greater_equal(w, 0.0), "float32")


class UnitNorm(Constraint):
    """Values are divided by their length along an axis."""

    _arguments = ("axis",)

    def __init__(self, axis: Any = 0):
        self.axis = axis

    def __call__(self, w: Any) -> Tensor:
        return w / (_EPSILON + _norm(w, self.axis))


class MinMaxNorm(Constraint):
    """Lengths along an axis are brought into limits.

    Args:
        min_value, max_value: The limits.
        rate: How much of the way: 1 for all of it.
        axis: The axis.
    """

    _arguments = ("min_value", "max_value", "rate", "axis")

    def __init__(
        self, min_value: float = 0.0, max_value: float = 1.0, rate: float = 1.0, axis: Any = 0
    ):
        self.min_value, self.max_value, self.rate, self.axis = min_value, max_value, rate, axis

    def __call__(self, w: Any) -> Tensor:
        norms = _norm(w, self.axis)
        within = math.minimum(math.maximum(norms, self.min_value), self.max_value)
        return w * ((self.rate * within + (1 - self.rate) * norms) / (_EPSILON + norms))


class MaxNorm(Constraint):
    """Lengths along an axis are cut to `max_value`."""

    _arguments = ("max_value", "axis")

    def __init__(self, max_value: float = 2, axis: Any = 0):
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Tensor:
        norms = _norm(w, self.axis)
        within = math.minimum(math.maximum(norms, 0.0), float(self.max_value))
        return w * (within / (_EPSILON + norms))


max_norm = MaxNorm
min_max_norm = MinMaxNorm
non_neg = NonNeg
unit_norm = UnitNorm

_KNOWN = {
    name: value
    for name, value in globals().items()
    if isinstance(value, type) and issubclass(value, Constraint)
}


def get(identifier: Any) -> Any:
    """The constraint for itself, its name or its configuration."""
    return find("constraint", identifier, _KNOWN)


def serialize(constraint: Any) -> Any:
    """The configuration of a constraint, for `get`."""
    return config_of(constraint)


deserialize = get
