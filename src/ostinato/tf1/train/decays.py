"""Private: learning rates that change with the number of steps."""

import math as numbers_math
from collections.abc import Sequence
from typing import Any

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import name_scope
from ..core.tensors import Tensor, TensorLike
from ..flow.cases import case
from ..flow.control_flow import cond
from ..ops import math, random

__all__ = [
    "cosine_decay",
    "cosine_decay_restarts",
    "exponential_decay",
    "inverse_time_decay",
    "linear_cosine_decay",
    "natural_exp_decay",
    "noisy_linear_cosine_decay",
    "piecewise_constant",
    "polynomial_decay",
]


def _check_step(global_step: Any, call: str) -> None:
    if global_step is None:
        raise InputError(
            f"global_step is required for {call}: give tf.train.get_or_create_global_step()"
        )


def _periods(
    global_step: TensorLike, decay_steps: Any, decay_rate: Any, dtype: Any, staircase: bool
) -> tuple[Any, Tensor]:
    """The rate as a tensor, and the number of periods that the steps are."""
    steps = math.cast(decay_steps, dtype)
    rate = math.cast(decay_rate, dtype)
    periods = math.cast(global_step, dtype) / steps  # type: ignore[operator]
    return rate, math.floor(periods) if staircase else periods


def exponential_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    decay_rate: TensorLike,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate * decay_rate ** (global_step / decay_steps).

    Args:
        learning_rate: The rate at the start.
        global_step: The number of steps so far.
        decay_steps: The number of steps of a period.
        decay_rate: The factor of a period.
        staircase: Whether the rate changes only at the end of a period.
        name: The name of the operations.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "exponential_decay")
    with name_scope(name, "ExponentialDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        factor, periods = _periods(global_step, decay_steps, decay_rate, rate.dtype, staircase)
        return math.multiply(rate, math.pow(factor, periods), name=scope)


def natural_exp_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    decay_rate: TensorLike,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate * exp(-decay_rate * global_step / decay_steps); see `exponential_decay`."""
    _check_step(global_step, "natural_exp_decay")
    with name_scope(name, "NaturalExpDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        factor, periods = _periods(global_step, decay_steps, decay_rate, rate.dtype, staircase)
        exponent = math.exp(math.multiply(math.negative(factor), periods))
        return math.multiply(rate, exponent, name=scope)


def inverse_time_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    decay_rate: TensorLike,
    staircase: bool = False,
    name: str | None = None,
) -> Tensor:
    """learning_rate / (1 + decay_rate * global_step / decay_steps); see `exponential_decay`."""
    _check_step(global_step, "inverse_time_decay")
    with name_scope(name, "InverseTimeDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        factor, periods = _periods(global_step, decay_steps, decay_rate, rate.dtype, staircase)
        one = math.cast(constant(1), rate.dtype)
        return math.divide(rate, math.add(one, math.multiply(factor, periods)), name=scope)


def polynomial_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    end_learning_rate: TensorLike = 0.0001,
    power: TensorLike = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Tensor:
    """(learning_rate - end) * (1 - global_step / decay_steps) ** power + end.

    Args:
        learning_rate: The rate at the start.
        global_step: The number of steps so far.
        decay_steps: The number of steps until the end.
        end_learning_rate: The rate at the end.
        power: The exponent.
        cycle: Whether the end is moved on, by whole multiples of `decay_steps`, once it is reached;
            otherwise the rate stays.
        name: The name of the operations.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "polynomial_decay")
    with name_scope(name, "PolynomialDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        end = math.cast(end_learning_rate, rate.dtype)
        exponent = math.cast(power, rate.dtype)
        step: Any = math.cast(global_step, rate.dtype)
        steps = math.cast(decay_steps, rate.dtype)
        if cycle:
            # The first step is in the first cycle.
            cycles = cond(
                math.equal(step, 0),
                lambda: 1.0,
                lambda: math.ceil(step / decay_steps),
            )
            steps = math.multiply(steps, cycles)
        else:
            step = math.minimum(step, decay_steps)
        part = math.div(step, steps)
        fall = rate - end  # type: ignore[operator]
        left = math.pow(1 - part, exponent)  # type: ignore[operator]
        return math.add(math.multiply(fall, left), end, name=scope)


def piecewise_constant(
    x: TensorLike, boundaries: Sequence, values: Sequence, name: str | None = None
) -> Tensor:
    """A rate that changes at some steps.

    Args:
        x: The number of steps so far.
        boundaries: The last step of each value but the last one.
        values: The values, one more than boundaries.
        name: The name of the operations.

    Raises:
        InputError: The boundaries have another dtype than `x`, the values have several dtypes, or
            there are too many or too few of them.
    """
    if len(boundaries) != len(values) - 1:
        raise InputError(
            "The length of boundaries should be 1 less than the length of values: "
            f"{len(boundaries)} boundaries and {len(values)} values were given"
        )
    with name_scope(name, "PiecewiseConstant"):
        bounds = [convert_to_tensor(b) for b in boundaries]
        rates = [convert_to_tensor(v) for v in values]
        step: Any = convert_to_tensor(x)
        kind = step.dtype.base_dtype
        for i, bound in enumerate(bounds):
            if bound.dtype.base_dtype == DTYPES["int32"] and kind == DTYPES["int64"]:
                bounds[i] = math.cast(bound, kind)
            elif bound.dtype.base_dtype != kind:
                raise InputError(
                    f"Boundaries ({bound.dtype.base_dtype.name}) must have the same dtype as x "
                    f"({kind.name}): write them as {kind.name}"
                )
        if len({v.dtype.base_dtype.name for v in rates}) > 1:
            raise InputError(
                "Values must have elements all with the same dtype: "
                f"{', '.join(v.dtype.base_dtype.name for v in rates)} were given"
            )
        pairs: list = [
            (step <= bounds[0], lambda: rates[0]),
            (step > bounds[-1], lambda: rates[-1]),
        ]
        for low, high, rate in zip(bounds, bounds[1:], rates[1:-1]):
            between = (step > low) & (step <= high)
            pairs.append((between, lambda rate=rate: rate))
        return case(pairs, default=lambda: rates[0], exclusive=True)


def _half_cosine(factor: Any, part: Tensor) -> Tensor:
    return factor * (1.0 + math.cos(constant(numbers_math.pi) * part))  # type: ignore[operator]


def cosine_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """A rate that falls along half a cosine.

    Args:
        learning_rate: The rate at the start.
        global_step: The number of steps so far.
        decay_steps: The number of steps until the end.
        alpha: The rate at the end, as a part of the one at the start.
        name: The name of the operations.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "cosine_decay")
    with name_scope(name, "CosineDecay"):
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        steps: Any = math.cast(decay_steps, rate.dtype)
        step = math.minimum(math.cast(global_step, rate.dtype), steps)
        decayed = _half_cosine(0.5, step / steps)  # type: ignore[operator]
        return math.multiply(rate, (1 - alpha) * decayed + alpha)


def cosine_decay_restarts(
    learning_rate: TensorLike,
    global_step: TensorLike,
    first_decay_steps: TensorLike,
    t_mul: Any = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Tensor:
    """A rate that falls along half a cosine again and again.

    Args:
        learning_rate: The rate at the start.
        global_step: The number of steps so far.
        first_decay_steps: The number of steps of the first fall.
        t_mul: Each fall has this factor times the steps of the one before.
        m_mul: Each fall starts at this factor times the rate of the one before.
        alpha: The rate at the end of a fall, as a part of the one at the start.
        name: The name of the operations.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "cosine_decay_restarts")
    with name_scope(name, "SGDRDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="initial_learning_rate")
        steps: Any = math.cast(first_decay_steps, rate.dtype)
        end: Any = math.cast(alpha, rate.dtype)
        longer: Any = math.cast(t_mul, rate.dtype)
        lower: Any = math.cast(m_mul, rate.dtype)
        falls: Any = math.cast(global_step, rate.dtype) / steps  # type: ignore[operator]

        def equal_falls() -> tuple[Any, Any]:
            number = math.floor(falls)
            return number, falls - number

        def longer_falls() -> tuple[Any, Any]:
            number: Any = math.floor(
                math.log(1.0 - falls * (1.0 - longer)) / math.log(longer)  # type: ignore[operator]
            )
            before = (1.0 - longer**number) / (1.0 - longer)
            return number, (falls - before) / longer**number

        number, part = cond(math.equal(longer, 1.0), equal_falls, longer_falls)
        decayed = _half_cosine(0.5 * lower**number, part)
        return math.multiply(rate, (1 - end) * decayed + end, name=scope)


def linear_cosine_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """learning_rate * ((alpha + linear decay) * cosine + beta).

    Args:
        learning_rate: The rate at the start.
        global_step: The number of steps so far.
        decay_steps: The number of steps until the end.
        num_periods: The number of periods of the cosine.
        alpha, beta: See above.
        name: The name of the operations.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "linear_cosine_decay")
    with name_scope(name, "LinearCosineDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        steps: Any = math.cast(decay_steps, rate.dtype)
        periods, offset, lowest = (math.cast(v, rate.dtype) for v in (num_periods, alpha, beta))
        step = math.minimum(math.cast(global_step, rate.dtype), steps)
        linear = (steps - step) / steps
        cosine = _cosine_of(periods, step / steps)  # type: ignore[operator]
        return math.multiply(rate, (offset + linear) * cosine + lowest, name=scope)


def _cosine_of(periods: Any, part: Any) -> Tensor:
    return _half_cosine(0.5, 2.0 * periods * part)


def noisy_linear_cosine_decay(
    learning_rate: TensorLike,
    global_step: TensorLike,
    decay_steps: TensorLike,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Tensor:
    """`linear_cosine_decay` with noise on its linear part.

    Args:
        initial_variance: The variance of the noise at the start.
        variance_decay: The variance is divided by (1 + global_step) ** variance_decay.
        learning_rate, global_step, decay_steps, num_periods, alpha, beta, name: See
            `linear_cosine_decay`.

    Raises:
        InputError: `global_step` is missing.
    """
    _check_step(global_step, "noisy_linear_cosine_decay")
    with name_scope(name, "NoisyLinearCosineDecay") as scope:
        rate = convert_to_tensor(learning_rate, name="learning_rate")
        steps: Any = math.cast(decay_steps, rate.dtype)
        given = (initial_variance, variance_decay, num_periods, alpha, beta)
        variance, falling, periods, offset, lowest = (math.cast(v, rate.dtype) for v in given)
        step: Any = math.minimum(math.cast(global_step, rate.dtype), steps)
        linear = (steps - step) / steps
        stddev = math.sqrt(variance / math.pow(1.0 + step, falling))  # type: ignore[operator]
        noisy = linear + random.random_normal(linear.shape, stddev=stddev)
        cosine = _cosine_of(periods, step / steps)
        return math.multiply(rate, (offset + noisy) * cosine + lowest, name=scope)
