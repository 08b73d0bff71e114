"""Private: PhasedLSTMCell of tf.contrib.rnn, whose input is a pair of the time of a step and its
input.
"""

from collections.abc import Mapping
from typing import Any

import torch

from .. import language
from ..cells import phased_lstm
from ..errors import InputError
from ..language.tracing import cell, state, weight
from . import arithmetic
from .cells import LSTMLayer, PlainLayer
from .contrib_lstm import LINEAR, SPLIT, scope
from .graph import Computation, Tensor, TensorLike, get_default_graph
from .steps import number
from .variables import constant_initializer

__all__ = [
    "PhasedLSTMCell",
]


class _Whole:
    """A matrix in place of a vector of the equations: multiplying by it is a matrix product."""

    def __init__(self, matrix: torch.Tensor):
        self.matrix = matrix

    def __mul__(self, value: TensorLike) -> Any:
        return self.matrix @ value


@cell
def _phased(
    x,
    over=language.input("H"),
    h=state(),
    c=state(),
    *,
    W=weight("4*H", "I"),
    U=weight("4*H", "H"),
    b=weight("4*H"),
    P_i=weight("H", "H"),
    P_f=weight("H", "H"),
    P_o=weight("H", "H"),
    period=weight("H"),
    r_on=weight("H"),
    leak=0.001,
    peepholes=False,
):
    """`ostinato.cells.phased_lstm` with full matrices for peepholes, and `r_on` for each unit.

    `over` is the elapsed part of the period of each unit.
    """
    whole = {"p_i": _Whole(P_i), "p_f": _Whole(P_f), "p_o": _Whole(P_o)}
    p = whole if peepholes else dict.fromkeys(whole, 0.0)
    return phased_lstm.function(
        x, over, h, c, W=W, U=U, b=b, **p, tau=period, s=0.0, r_on=r_on, alpha=leak
    )


def _exponential(low: float, high: float):
    """The initializer of the periods: exp of a uniform number between the logarithms of two
    bounds.
    """

    def begin(shape, dtype, partition_info=None) -> Tensor:
        graph = get_default_graph()
        marks = graph.random_uniform(
            "Log(x) Log(x) random_uniform(shape RandomUniform=random sub mul) Exp=value", None
        )
        low_log, high_log = (torch.tensor(v, dtype=dtype.torch).log() for v in (low, high))

        def draw(run):
            return (
                torch.exp(
                    run.uniform(marks["random"], tuple(shape), dtype.torch) * (high_log - low_log)
                    + low_log
                ),
            )

        return Tensor(marks["value"], dtype, shape, Computation([], draw))

    return begin


def _below(period):
    """The initializer of the phases: uniform from 0 to each unit's period. `period` returns the
    variable of the periods.
    """

    def begin(shape, dtype, partition_info=None) -> Tensor:
        marks = get_default_graph().random_uniform(
            "random_uniform(shape min RandomUniform=random sub mul)=value", None
        )

        def draw(run, high):
            return (run.uniform(marks["random"], tuple(shape), dtype.torch) * high,)

        return Tensor(marks["value"], dtype, shape, Computation([period().initial_value], draw))

    return begin


class PhasedLSTMCell(PlainLayer, LSTMLayer):
    """The LSTM with a time gate: `ostinato.cells.phased_lstm`, with full matrices for its
    peepholes.

    Its input is a tuple of the times (batch, 1) and the inputs (batch, size); in dynamic_rnn both
    have a dimension for the steps. The gradient of the period is TensorFlow's: it treats the time
    since the start of the period as constant.

    Args:
        num_units: The size of each state.
        use_peepholes: Whether the gates see the cell state.
        leak: The leak of closed units, relative to the elapsed fraction of the period.
        ratio_on: The fraction of the period in which a unit is open.
        trainable_ratio_on: Whether `ratio_on` is trained.
        period_init_min, period_init_max: The bounds of the initial periods, which are log-uniform.
        reuse: Whether to use variables that exist already.

    Source: Neil, Pfeiffer and Liu, Phased LSTM (2016), arXiv:1610.09513v1.

    Example:
        >>> import numpy as np
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> times, x = np.zeros((2, 5, 1), np.float32), np.zeros((2, 5, 3), np.float32)
        >>> outputs, state = tf.nn.dynamic_rnn(tf.contrib.rnn.PhasedLSTMCell(4), (times, x),
        ...     dtype=tf.float32)
        >>> outputs.shape
        TensorShape((2, 5, 4))
    """

    input_dims = (2, 2)

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        leak: float = 0.001,
        ratio_on: float = 0.1,
        trainable_ratio_on: bool = True,
        period_init_min: float = 1.0,
        period_init_max: float = 1000.0,
        reuse: bool | str | None = None,
    ):
        self.periods = (
            number(self, "period_init_min", period_init_min),
            number(self, "period_init_max", period_init_max),
        )
        if not 0 < period_init_min <= period_init_max:
            raise InputError(
                f"PhasedLSTMCell(period_init_min={period_init_min!r}, "
                f"period_init_max={period_init_max!r}): give two numbers above 0, the smaller one "
                "first"
            )
        super().__init__(num_units, None, reuse, "phased_lstm_cell")
        self._states(num_units, True)
        self.equations = _phased.with_constants(
            leak=number(self, "leak", leak), peepholes=use_peepholes
        )
        self.peepholes, self.ratio_on, self.trained = (
            use_peepholes,
            number(self, "ratio_on", ratio_on),
            trainable_ratio_on,
        )

        def linear(name, activation):
            return scope(name, f"${name}/kernel ${name}/bias Const concat {LINEAR} {activation}")

        self.recipe = (
            f"{linear('mask_gates', f'Sigmoid {SPLIT}')} {linear('new_input', 'Tanh')} mul "
            f"mul{{taken}} add "
            f"{linear('output_gate', 'Sigmoid')} Tanh mul $period $phase $ratio_on sub{{use}} "
            f"FloorMod{{use}} sub "
            "StopGradient add truediv mul(x) truediv{use} sub(x) mul(x) Less Select mul(x) Less "
            "Select mul sub(x) mul "
            "add=c mul sub(x) mul add=h"
        )

    def declare(self, input_size: Any) -> dict[str, tuple]:
        units, (times, size) = self.num_units, input_size
        if times != 1:
            raise InputError(
                f"PhasedLSTMCell was given times of size {times}: give one number for each step, "
                f"(batch, time, 1)"
            )
        rows, zero = size + units, constant_initializer(0.0)
        peeped = rows + units if self.peepholes else rows
        declared = {}
        for name, n, columns in (
            ("mask_gates", peeped, 2 * units),
            ("new_input", rows, units),
            ("output_gate", peeped, units),
        ):
            declared |= {f"{name}/kernel": ([n, columns], None), f"{name}/bias": ([columns], zero)}
        return declared | {
            "period": ([units], _exponential(*self.periods)),
            "phase": ([units], _below(lambda: self.variable_map["period"])),
            "ratio_on": ([units], constant_initializer(self.ratio_on), self.trained),
        }

    # Each cell has its own variables.
    def weights(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        input_size: Any,
        gates: torch.Tensor,
        b: TensorLike,
        new: torch.Tensor,
        b_n: torch.Tensor,
        output: torch.Tensor,
        b_o: torch.Tensor,
        period: torch.Tensor,
        phase: torch.Tensor,
        r_on: torch.Tensor,
    ) -> dict[str, torch.Tensor]:
        """The weights of the equations, and the period and phase for `over`."""
        size, end, units = input_size[1], input_size[1] + self.num_units, self.num_units
        kernels = gates, new, output
        weights = {
            "W": torch.cat([k[:size] for k in kernels], 1).T,
            "U": torch.cat([k[size:end] for k in kernels], 1).T,
            "b": torch.cat([b, b_n, b_o]),
            "r_on": r_on,
            "period": period,
            "phase": phase,
        }
        peepholes = {
            "P_i": gates[end:, :units].T,
            "P_f": gates[end:, units:].T,
            "P_o": output[end:].T,
        }
        return weights | (peepholes if self.peepholes else {})

    def scan(
        self,
        x: torch.Tensor,
        states: list[torch.Tensor],
        weights: Mapping[str, torch.Tensor],
        lengths: torch.Tensor | None,
    ) -> tuple[torch.Tensor, list[torch.Tensor]]:
        time, x = x
        weights = dict(weights)
        period, phase = weights["period"].to(time.dtype), weights.pop("phase").to(time.dtype)
        shifted = time - phase
        over = (torch.remainder(shifted, period) - shifted).detach() + shifted
        return arithmetic.scan(
            self.equations.graph, (x, over.to(x.dtype)), states, weights, lengths
        )
