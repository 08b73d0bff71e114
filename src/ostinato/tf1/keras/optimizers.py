"""Private: the optimizers of tf.keras, which are made of plain operations: their arithmetic differs
from that of tf.train.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError
from ..core.graph import control_dependencies, name_scope
from ..core.tensors import Tensor
from ..flow import slices  # noqa: F401  # gradients of embeddings become tensors
from ..ops import math
from ..state.variables import assign, assign_add
from ..train.clipping import clip_by_norm, clip_by_value
from ..train.optimizer import Optimizer as TrainOptimizer
from . import arithmetic, backend

__all__ = [
    "Adadelta",
    "Adagrad",
    "Adam",
    "Adamax",
    "Optimizer",
    "RMSprop",
    "SGD",
    "TFOptimizer",
    "deserialize",
    "get",
    "serialize",
]


class Optimizer:
    """Base class of optimizers.

    Attributes:
        weights: The variables of the optimizer.

    Args:
        **kwargs: `clipnorm`, the largest norm of each gradient; `clipvalue`, the largest value.
    """

    # The hyperparameters that are variables.
    _numbers: tuple[str, ...] = ()
    _options: tuple[str, ...] = ()
    initial_decay = 0.0
    lr: Any
    decay: Any

    def __init__(self, **kwargs: Any):
        for name in kwargs:
            if name not in ("clipnorm", "clipvalue"):
                raise ArgumentTypeError(
                    f"Unexpected keyword argument passed to optimizer: {name}; leave it out"
                )
        self.clipnorm, self.clipvalue = kwargs.get("clipnorm"), kwargs.get("clipvalue")
        self.weights: list = []
        self.updates: list = []

    def _make_variables(self, **numbers: float) -> None:
        with name_scope(type(self).__name__):
            self.iterations = backend.variable(0, dtype="int64", name="iterations")
            for name, value in numbers.items():
                setattr(self, name, backend.variable(value, name=name))

    def get_gradients(self, loss: Tensor, params: Sequence) -> list:
        """The gradients of a loss, clipped.

        Args:
            loss: The loss.
            params: Variables.

        Raises:
            InputError: The loss does not depend on a variable.
        """
        grads = arithmetic.gradients(loss, params)
        missing = [p.name for p, g in zip(params, grads) if g is None]
        if missing:
            raise InputError(
                f"An operation has `None` for gradient: the loss does not depend on "
                f"{', '.join(missing)}, or through an operation without a gradient, such as argmax "
                "or round; remove it, or set trainable=False"
            )
        if self.clipnorm:
            grads = [clip_by_norm(g, self.clipnorm) for g in grads]
        if self.clipvalue:
            grads = [clip_by_value(g, -self.clipvalue, self.clipvalue) for g in grads]
        return grads

    def get_updates(self, loss: Tensor, params: Sequence) -> list:
        """The operations of a training step.

        Args:
            loss: The loss.
            params: The variables to train.
        """
        grads = self.get_gradients(loss, params)
        self.updates = []
        self._begin()
        slots = self._make_slots(params)
        self.weights = [self.iterations, *[v for of in slots for v in of]]
        for p, g, *of in zip(params, grads, *slots):
            new, changes = self._step(p, g, *of)
            self.updates += [assign(slot, value) for slot, value in changes]
            if getattr(p, "constraint", None) is not None:
                new = p.constraint(new)
            self.updates.append(assign(p, new))
        return self.updates

    def _begin(self) -> None:
        """Count the step, and compute the learning rate."""
        self.updates.append(assign_add(self.iterations, 1))
        self._rate = self._decayed()

    def _decayed(self) -> Any:
        if not self.initial_decay:
            return self.lr
        steps = math.cast(self.iterations, backend.dtype(self.decay))
        return self.lr * (1.0 / (1.0 + self.decay * steps))

    def _make_slots(self, params: Sequence) -> list[list]:
        """Variables of the optimizer, for each kind one for each variable."""
        return []

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list[tuple[Any, Any]]]:
        """The new value of a variable, and those of its slots."""
        raise NotImplementedError

    def get_weights(self) -> list[np.ndarray]:
        """The values of the variables of the optimizer."""
        return backend.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence) -> None:
        """Give the variables of the optimizer values.

        Raises:
            InputError: The number of values differs.
        """
        if len(weights) != len(self.weights):
            raise InputError(
                f"the optimizer has {len(self.weights)} variables and was given {len(weights)} "
                "values: give one for each"
            )
        backend.batch_set_value(zip(self.weights, weights))

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same optimizer."""
        numbers = {name: float(backend.get_value(getattr(self, name))) for name in self._numbers}
        options = {name: getattr(self, name) for name in self._options}
        clip = {name: getattr(self, name) for name in ("clipnorm", "clipvalue")}
        return numbers | options | {name: v for name, v in clip.items() if v is not None}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Optimizer":
        """The optimizer of a `get_config()`."""
        return cls(**config)


def _zeros(params: Sequence) -> list:
    return [backend.zeros(backend.int_shape(p), dtype=backend.dtype(p)) for p in params]


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    Args:
        lr: The learning rate.
        momentum: How much of the last change is kept.
        decay: The learning rate is divided by 1 + decay * steps.
        nesterov: Whether the gradient is applied after the momentum.
        **kwargs: `clipnorm`, `clipvalue`.
    """

    _numbers, _options = ("lr", "momentum", "decay"), ("nesterov",)
    momentum: Any

    def __init__(
        self,
        lr: float = 0.01,
        momentum: float = 0.0,
        decay: float = 0.0,
        nesterov: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._make_variables(lr=lr, momentum=momentum, decay=decay)
        self.initial_decay, self.nesterov = decay, nesterov

    def _make_slots(self, params: Sequence) -> list[list]:
        return [_zeros(params)]

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        (moment,) = slots
        velocity = self.momentum * moment - self._rate * g
        if self.nesterov:
            new = p + self.momentum * velocity - self._rate * g
        else:
            new = p + velocity
        return new, [(moment, velocity)]


class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square.

    Args:
        lr: The learning rate.
        rho: The decay of the mean.
        epsilon: Keeps the division finite; None for `tf.keras.backend.epsilon()`.
        decay: See `SGD`.
        **kwargs: `clipnorm`, `clipvalue`.
    """

    _numbers, _options = ("lr", "rho", "decay"), ("epsilon",)
    rho: Any

    def __init__(
        self,
        lr: float = 0.001,
        rho: float = 0.9,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._make_variables(lr=lr, rho=rho, decay=decay)
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.initial_decay = decay

    def _make_slots(self, params: Sequence) -> list[list]:
        return [_zeros(params)]

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        (mean,) = slots
        new_mean = self.rho * mean + (1.0 - self.rho) * math.square(g)
        new = p - self._rate * g / (arithmetic.sqrt(new_mean) + self.epsilon)
        return new, [(mean, new_mean)]


class Adagrad(Optimizer):
    """Gradients divided by the root of the sum of their squares.

    Args:
        lr: The learning rate.
        epsilon, decay, **kwargs: See `RMSprop`.

    Source: Duchi et al., Adaptive Subgradient Methods (2011).
    """

    _numbers, _options = ("lr", "decay"), ("epsilon",)

    def __init__(
        self, lr: float = 0.01, epsilon: float | None = None, decay: float = 0.0, **kwargs: Any
    ):
        super().__init__(**kwargs)
        self._make_variables(lr=lr, decay=decay)
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.initial_decay = decay

    def _make_slots(self, params: Sequence) -> list[list]:
        return [_zeros(params)]

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        (total,) = slots
        new_total = total + math.square(g)
        new = p - self._rate * g / (arithmetic.sqrt(new_total) + self.epsilon)
        return new, [(total, new_total)]


class Adadelta(Optimizer):
    """Gradients scaled by the ratio of the mean squares of changes and gradients.

    Args:
        lr: The learning rate.
        rho: The decay of the means.
        epsilon, decay, **kwargs: See `RMSprop`.

    Source: Zeiler, ADADELTA (2012), arXiv:1212.5701.
    """

    _numbers, _options = ("lr", "decay"), ("rho", "epsilon")

    def __init__(
        self,
        lr: float = 1.0,
        rho: float = 0.95,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._make_variables(lr=lr, decay=decay)
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.rho, self.initial_decay = rho, decay

    def _make_slots(self, params: Sequence) -> list[list]:
        return [_zeros(params), _zeros(params)]

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        mean, change_mean = slots
        new_mean = self.rho * mean + (1.0 - self.rho) * math.square(g)
        size = arithmetic.sqrt(change_mean + self.epsilon)
        change = g * size / arithmetic.sqrt(new_mean + self.epsilon)
        new_change_mean = self.rho * change_mean + (1 - self.rho) * math.square(change)
        new = p - self._rate * change
        return new, [(mean, new_mean), (change_mean, new_change_mean)]


class Adam(Optimizer):
    """Adaptive moment estimation.

    Args:
        lr: The learning rate.
        beta_1, beta_2: The decays of the means of gradients and of their squares.
        epsilon: Keeps the division finite; None for `tf.keras.backend.epsilon()`.
        decay: See `SGD`.
        amsgrad: Whether the largest mean of squares so far is used.
        **kwargs: `clipnorm`, `clipvalue`.

    Source: Kingma and Ba, Adam (2014), arXiv:1412.6980.
    """

    _numbers = ("lr", "beta_1", "beta_2", "decay")
    _options: tuple[str, ...] = ("epsilon", "amsgrad")
    beta_1: Any
    beta_2: Any

    def __init__(
        self,
        lr: float = 0.001,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        amsgrad: bool = False,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self._make_variables(lr=lr, beta_1=beta_1, beta_2=beta_2, decay=decay)
        self.epsilon = backend.epsilon() if epsilon is None else epsilon
        self.initial_decay, self.amsgrad = decay, amsgrad

    def _begin(self) -> None:
        rate = self._decayed()
        with control_dependencies([assign_add(self.iterations, 1)]):
            t = math.cast(self.iterations, backend.floatx())
        self._rate = rate * self._correction(t)

    def _correction(self, t: Tensor) -> Tensor:
        root = arithmetic.sqrt(1.0 - math.pow(self.beta_2, t))
        return root / (1.0 - math.pow(self.beta_1, t))

    def _make_slots(self, params: Sequence) -> list[list]:
        return [_zeros(params), _zeros(params), *([_zeros(params)] if self.amsgrad else [])]

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        mean, variance, *largest = slots
        new_mean = (self.beta_1 * mean) + (1.0 - self.beta_1) * g
        new_variance = (self.beta_2 * variance) + (1.0 - self.beta_2) * math.square(g)
        changes = [(mean, new_mean), (variance, new_variance)]
        size = new_variance
        if largest:
            size = math.maximum(largest[0], new_variance)
            changes.append((largest[0], size))
        new = p - self._rate * new_mean / (arithmetic.sqrt(size) + self.epsilon)
        return new, changes


class Adamax(Adam):
    """`Adam` with the largest gradient in place of the mean square.

    Args:
        lr, beta_1, beta_2, epsilon, decay, **kwargs: See `Adam`.
    """

    _options = ("epsilon",)

    def __init__(
        self,
        lr: float = 0.002,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float | None = None,
        decay: float = 0.0,
        **kwargs: Any,
    ):
        super().__init__(lr, beta_1, beta_2, epsilon, decay, **kwargs)

    def _begin(self) -> None:
        rate = self._decayed()
        with control_dependencies([assign_add(self.iterations, 1)]):
            t = math.cast(self.iterations, backend.floatx())
        self._rate = rate / (1.0 - math.pow(self.beta_1, t))

    def _step(self, p: Any, g: Any, *slots: Any) -> tuple[Any, list]:
        mean, largest = slots
        new_mean = (self.beta_1 * mean) + (1.0 - self.beta_1) * g
        new_largest = math.maximum(self.beta_2 * largest, math.abs(g))
        new = p - self._rate * new_mean / (new_largest + self.epsilon)
        return new, [(mean, new_mean), (largest, new_largest)]


class TFOptimizer(Optimizer):
    """An optimizer of tf.train in a model of tf.keras.

    Args:
        optimizer: The optimizer of tf.train.
    """

    def __init__(self, optimizer: TrainOptimizer):
        super().__init__()
        self.optimizer = optimizer
        self._make_variables()

    def get_updates(self, loss: Tensor, params: Sequence) -> list:
        grads = self.optimizer.compute_gradients(loss, var_list=list(params))
        self.updates = [self.optimizer.apply_gradients(grads, global_step=self.iterations)]
        return self.updates


_KNOWN = {kind.__name__.lower(): kind for kind in (SGD, RMSprop, Adagrad, Adadelta, Adam, Adamax)}


def get(identifier: Any) -> Optimizer:
    """The optimizer for itself, its name or its configuration; one of tf.train is wrapped.

    Raises:
        InputError: The name is unknown.
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, TrainOptimizer):
        return TFOptimizer(identifier)
    name, config = identifier, dict[str, Any]()
    if isinstance(identifier, Mapping):
        name, config = identifier.get("class_name"), dict(identifier.get("config") or {})
    if not isinstance(name, str) or name.lower() not in _KNOWN:
        raise InputError(
            f"Could not interpret optimizer identifier: {identifier!r}; give one of "
            f"{', '.join(_KNOWN)}, or an optimizer such as tf.keras.optimizers.Adam(0.01)"
        )
    return _KNOWN[name.lower()](**config)


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """The configuration of an optimizer, for `get`."""
    return {"class_name": type(optimizer).__name__, "config": optimizer.get_config()}


deserialize = get
