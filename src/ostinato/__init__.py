"""Ostinato: recurrent networks written as their equations, run as fused kernels."""

from .language import (
    cell, clip, concat, exp, floor, hard_sigmoid, input, log, maximum, mean, minimum, relu, sigmoid, softplus, split, sqrt, state,
    tanh, weight, where,
)
from .language import sum_units as sum  # noqa: A004
from .layers import GRU, LSTM, RNN
from .recurrent import Recurrent

__version__ = "0.1.0"
