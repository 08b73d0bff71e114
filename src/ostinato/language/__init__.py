"""Cells as equations: declarations, operations, and the tracing of a function to a graph."""

from .operations import (
    clip,
    concat,
    exp,
    floor,
    hard_sigmoid,
    identity,
    log,
    maximum,
    mean,
    minimum,
    relu,
    sigmoid,
    softplus,
    split,
    sqrt,
    sum_units,
    tanh,
    where,
)
from .tracing import Cell, cell, input, state, weight

__all__ = [
    "Cell", "cell", "clip", "concat", "exp", "floor", "hard_sigmoid", "identity", "input", "log", "maximum", "mean", "minimum", "relu", "sigmoid",
    "softplus", "split", "sqrt", "state", "sum_units", "tanh", "weight", "where",
]
