"""Private: one function for optimizer, learning rate, clipping and summaries
(tf.contrib.layers.optimize_loss).
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.graph import get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.tensors import IndexedSlices, Tensor, TensorLike
from ..flow.flow_ops import with_dependencies
from ..initializers import Constant
from ..ops import random
from ..state import scopes
from ..state.collections import get_global_step, trainable_variables
from ..train import clipping, optimizers
from ..train.optimizer import Optimizer

__all__ = ["OPTIMIZER_CLS_NAMES", "OPTIMIZER_SUMMARIES", "optimize_loss"]

OPTIMIZER_CLS_NAMES: dict[str, Callable] = {
    "Adagrad": optimizers.AdagradOptimizer,
    "Adam": optimizers.AdamOptimizer,
    "Ftrl": optimizers.FtrlOptimizer,
    "Momentum": lambda learning_rate: optimizers.MomentumOptimizer(learning_rate, momentum=0.9),
    "RMSProp": optimizers.RMSPropOptimizer,
    "SGD": optimizers.GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = [
    "learning_rate",
    "loss",
    "gradients",
    "gradient_norm",
    "global_gradient_norm",
]
_DEFAULT_SUMMARIES = ("loss", "learning_rate", "global_gradient_norm")

Gradients = list[tuple[Any, Any]]


def _learning_rate(given: Any) -> Any:
    if given is None or isinstance(given, Tensor) and given.shape.ndims == 0:
        return given
    if not isinstance(given, float):
        raise InputError(
            f"Learning rate should be 0d Tensor or float. Got {given!r} of type "
            f"{type(given).__name__}: write it as a float"
        )
    if given < 0.0:
        raise InputError(f"Invalid learning_rate {given}: give 0.01")
    return scopes.get_variable("learning_rate", [], trainable=False, initializer=Constant(given))


def _optimizer(given: Any, rate: Any) -> Optimizer:
    if isinstance(given, str):
        if rate is None:
            raise InputError(
                f"Learning rate is None, but should be specified if optimizer is string ({given})."
            )
        if given not in OPTIMIZER_CLS_NAMES:
            raise InputError(
                f"Optimizer name should be one of [{', '.join(OPTIMIZER_CLS_NAMES)}], you provided "
                f"{given}."
            )
        made: Any = OPTIMIZER_CLS_NAMES[given](learning_rate=rate)
    elif isinstance(given, type) and issubclass(given, Optimizer):
        made = given(learning_rate=rate)  # type: ignore[call-arg]
    elif callable(given) and not isinstance(given, Optimizer):
        made = given(rate) if rate is not None else given()
    else:
        made = given
    if not isinstance(made, Optimizer):
        raise InputError(
            f"Unrecognized optimizer: {given!r}; give a name, a class, an optimizer or a function "
            "of the learning rate"
        )
    return made


def _with_noise(gradients: Gradients, scale: float) -> Gradients:
    found: Gradients = []
    for gradient, variable in gradients:
        if gradient is not None:
            sparse = isinstance(gradient, IndexedSlices)
            shape = gradient.dense_shape if sparse else gradient.shape
            noise = random.truncated_normal(shape) * scale
            gradient = convert_to_tensor(gradient) + noise
        found.append((gradient, variable))
    return found


def _multiplied(gradients: Gradients, factors: Mapping) -> Gradients:
    found: Gradients = []
    for gradient, variable in gradients:
        factor = factors.get(variable, factors.get(variable.op.name))
        if gradient is not None and factor is not None:
            if isinstance(gradient, IndexedSlices):
                gradient = IndexedSlices(
                    gradient.values * factor, gradient.indices, gradient.dense_shape
                )
            else:
                gradient = gradient * factor
        found.append((gradient, variable))
    return found


def _clipped(gradients: Gradients, clip: Any) -> Gradients:
    if clip is None:
        return gradients
    if isinstance(clip, float):
        values, variables = zip(*gradients)
        return list(zip(clipping.clip_by_global_norm(values, clip)[0], variables))
    if callable(clip):
        return clip(gradients)
    raise InputError(f"Unknown type {type(clip).__name__} for clip_gradients: give a float")


class _Summaries:
    """The summaries that are wanted."""

    def __init__(self, wanted: Sequence[str]):
        for name in wanted:
            if name not in OPTIMIZER_SUMMARIES:
                raise InputError(
                    f"Summaries should be one of [{', '.join(OPTIMIZER_SUMMARIES)}], you provided "
                    f"{name}."
                )
        self.wanted = wanted

    def has(self, *names: str) -> bool:
        return any(name in self.wanted for name in names)

    def scalar(self, name: str, value: Any) -> None:
        from .. import summary  # its files are needed only here

        summary.scalar(name, value)

    def global_norm(self, name: str, gradients: Gradients) -> None:
        if self.has("global_gradient_norm", "gradient_norm"):
            norm = clipping.global_norm([g for g, _ in gradients])
            self.scalar(f"global_norm/{name}", norm)

    def of_each(self, gradients: Gradients) -> None:
        from .. import summary

        for gradient, variable in gradients:
            values = gradient.values if isinstance(gradient, IndexedSlices) else gradient
            if values is None:
                continue
            name = variable.name.replace(":", "_")
            if self.has("gradients"):
                summary.histogram(f"gradients/{name}", values)
            if self.has("gradient_norm"):
                self.scalar(f"gradient_norm/{name}", clipping.global_norm([values]))


def optimize_loss(
    loss: TensorLike,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: Mapping | None = None,
    clip_gradients: float | Callable | None = None,
    learning_rate_decay_fn: Callable | None = None,
    update_ops: Any = None,
    variables: Sequence | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Tensor:
    """The loss, whose computation takes a training step.

    Args:
        loss: The loss.
        global_step: The variable that counts steps; None for the graph's, if it has one.
        learning_rate: A float, a tensor, or None for the optimizer's.
        optimizer: A name such as "Adam", a class, an optimizer, or a function of the learning rate.
        gradient_noise_scale: The standard deviation of noise added to gradients.
        gradient_multipliers: Factors of gradients, by variable or by name.
        clip_gradients: The largest global norm, a float, or a function of pairs of gradient and
            variable.
        learning_rate_decay_fn: A function of learning rate and step.
        update_ops: Operations that run before; None for the update operations of the graph.
        variables: The variables to train; None for all trainable ones.
        name: The variable scope; None for `OptimizeLoss`.
        summaries: Names of `OPTIMIZER_SUMMARIES`; None for the most common ones.
        colocate_gradients_with_ops: Accepted for compatibility.
        increment_global_step: Whether each step counts.

    Raises:
        InputError: An argument is something else.
    """
    loss = convert_to_tensor(loss)
    if global_step is None:
        global_step = get_global_step()
    with scopes.variable_scope(name, "OptimizeLoss", [loss, global_step]):
        if update_ops is None:
            update_ops = get_default_graph().get_collection(GraphKeys.UPDATE_OPS)
        if update_ops:
            loss = with_dependencies(list(dict.fromkeys(update_ops)), loss)
        rate = _learning_rate(learning_rate)
        shown = _Summaries(_DEFAULT_SUMMARIES if summaries is None else summaries)
        if rate is not None and learning_rate_decay_fn is not None:
            if global_step is None:
                raise InputError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, global_step)
            if shown.has("learning_rate"):
                shown.scalar("learning_rate", rate)
        made = _optimizer(optimizer, rate)
        wanted = trainable_variables() if variables is None else list(variables)
        gradients = made.compute_gradients(
            loss, wanted, colocate_gradients_with_ops=colocate_gradients_with_ops
        )
        if gradient_noise_scale is not None:
            gradients = _with_noise(gradients, gradient_noise_scale)
        if gradient_multipliers is not None:
            gradients = _multiplied(gradients, gradient_multipliers)
        shown.global_norm("gradient_norm", gradients)
        gradients = _clipped(gradients, clip_gradients)
        if shown.has("loss"):
            shown.scalar("loss", loss)
        if shown.has("gradients", "gradient_norm"):
            shown.of_each(gradients)
        if clip_gradients is not None:
            shown.global_norm("clipped_gradient_norm", gradients)
        step = global_step if increment_global_step else None
        update = made.apply_gradients(gradients, global_step=step, name="train")
        trained: Any = with_dependencies([update], loss)
        return trained
