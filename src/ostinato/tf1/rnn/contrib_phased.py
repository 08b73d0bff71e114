"""Private: PhasedLSTMCell of tf.contrib.rnn, whose input is a pair of the time of a step and its
input.
"""

from typing import Any

from ...errors import InputError
from ..core.tensors import Tensor
from ..initializers import constant_initializer, random_uniform_initializer
from ..ops import arrays, math, random
from ..state import scopes
from .cell import KnownCell
from .cells import LSTMStateTuple
from .checks import number
from .linear import Linear

__all__ = [
    "PhasedLSTMCell",
]


def _exponential(low: float, high: float) -> Any:
    """The initializer of the periods: exp of a uniform number between the logarithms of two
    bounds.
    """

    def begin(shape: Any, dtype: Any = None, partition_info: Any = None) -> Tensor:
        bounds = math.log(low), math.log(high)
        return math.exp(random.random_uniform(shape, *bounds, dtype=dtype))

    return begin


class PhasedLSTMCell(KnownCell):
    """The LSTM with a time gate, with full matrices for its peepholes.

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
        >>> outputs.shape.as_list()
        [2, 5, 4]
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
        reuse: bool | None = None,
    ):
        periods = (
            number(self, "period_init_min", period_init_min),
            number(self, "period_init_max", period_init_max),
        )
        if not 0 < period_init_min <= period_init_max:
            raise InputError(
                f"PhasedLSTMCell(period_init_min={period_init_min!r}, "
                f"period_init_max={period_init_max!r}): give two numbers above 0, the smaller one "
                "first"
            )
        super().__init__(num_units, reuse)
        self._periods = periods
        self._use_peepholes, self._trainable_ratio_on = use_peepholes, trainable_ratio_on
        self._leak = number(self, "leak", leak)
        self._ratio_on = number(self, "ratio_on", ratio_on)
        self.state_size = LSTMStateTuple(num_units, num_units)
        self._linears: dict[str, Linear] = {}

    def _linear(self, name: str, args: list[Tensor], size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(args, size, True)
        return self._linears[name](args)

    def call(self, inputs: Any, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        units = self._num_units
        c_prev, h_prev = state
        time, x = inputs
        if time.shape[-1].value not in (None, 1):
            raise InputError(
                f"PhasedLSTMCell was given times of size {time.shape[-1]}: give one number for "
                "each step, (batch, time, 1)"
            )
        joined = [x, h_prev]
        with scopes.variable_scope("mask_gates"):
            args = [*joined, c_prev] if self._use_peepholes else joined
            gates = math.sigmoid(self._linear("mask_gates", args, 2 * units))
            input_gate, forget_gate = arrays.split(axis=1, num_or_size_splits=2, value=gates)
        with scopes.variable_scope("new_input"):
            new_input = math.tanh(self._linear("new_input", joined, units))
        new_c = c_prev * forget_gate + input_gate * new_input
        with scopes.variable_scope("output_gate"):
            args = [*joined, new_c] if self._use_peepholes else joined
            output_gate = math.sigmoid(self._linear("output_gate", args, units))
        new_h = math.tanh(new_c) * output_gate
        k = self._time_gate(time)
        new_c = k * new_c + (1 - k) * c_prev
        new_h = k * new_h + (1 - k) * h_prev
        return new_h, LSTMStateTuple(new_c, new_h)

    def _time_gate(self, time: Tensor) -> Tensor:
        """How open each unit is, from 0 to 1."""
        units = self._num_units
        period = scopes.get_variable("period", [units], initializer=_exponential(*self._periods))
        phase = scopes.get_variable(
            "phase", [units], initializer=random_uniform_initializer(0.0, period.initial_value)
        )
        ratio_on = scopes.get_variable(
            "ratio_on",
            [units],
            initializer=constant_initializer(self._ratio_on),
            trainable=self._trainable_ratio_on,
        )
        elapsed = _cycle_ratio(time, phase, period)
        k_up = 2 * elapsed / ratio_on
        k_down = 2 - k_up
        k_closed = self._leak * elapsed
        k = arrays.where(elapsed < ratio_on, k_down, k_closed)
        return arrays.where(elapsed < 0.5 * ratio_on, k_up, k)


def _cycle_ratio(time: Tensor, phase: Any, period: Any) -> Tensor:
    """The elapsed part of the period, computed in the dtype of the time."""
    phase = math.cast(phase, dtype=time.dtype)
    period = math.cast(period, dtype=time.dtype)
    shifted = time - phase
    # The gradient passes as if the time since the start of the period were the time itself.
    since = arrays.stop_gradient(math.mod(shifted, period) - shifted) + shifted
    return math.cast(since / period, dtype="float32")
