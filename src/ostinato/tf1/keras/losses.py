"""Private: the losses of tf.keras: functions of targets and predictions, with a loss for each row
or step.
"""

from collections.abc import Callable, Mapping
from typing import Any

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.tensors import Tensor, TensorLike
from ..ops import arrays, math, nn
from . import arithmetic
from .backend import epsilon

__all__ = [
    "MAE",
    "MAPE",
    "MSE",
    "MSLE",
    "binary_crossentropy",
    "categorical_crossentropy",
    "categorical_hinge",
    "cosine_proximity",
    "deserialize",
    "get",
    "hinge",
    "kld",
    "kullback_leibler_divergence",
    "logcosh",
    "mae",
    "mape",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
    "mse",
    "msle",
    "poisson",
    "serialize",
    "sparse_categorical_crossentropy",
    "squared_hinge",
    "weighted",
    "weighted_mean",
]


def _like(y_true: TensorLike, y_pred: Any) -> Any:
    """The targets in the dtype of the predictions."""
    y_true = convert_to_tensor(y_true)
    return y_true if y_true.dtype == y_pred.dtype else math.cast(y_true, y_pred.dtype)


def mean_squared_error(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of (y_pred - y_true)²."""
    return arithmetic.mean(math.square(y_pred - _like(y_true, y_pred)), axis=-1)


def mean_absolute_error(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of |y_pred - y_true|."""
    return arithmetic.mean(math.abs(y_pred - _like(y_true, y_pred)), axis=-1)


def mean_absolute_percentage_error(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of 100 |y_true - y_pred| / |y_true|."""
    y_true = _like(y_true, y_pred)
    size = math.maximum(math.abs(y_true), epsilon())
    return 100.0 * arithmetic.mean(math.abs((y_true - y_pred) / size), axis=-1)


def mean_squared_logarithmic_error(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of (log(y_pred + 1) - log(y_true + 1))²."""
    first = math.log(math.maximum(y_pred, epsilon()) + 1.0)
    second = math.log(math.maximum(_like(y_true, y_pred), epsilon()) + 1.0)
    return arithmetic.mean(math.square(first - second), axis=-1)


def hinge(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of max(1 - y_true y_pred, 0), for targets -1 and 1."""
    product = _like(y_true, y_pred) * y_pred
    return arithmetic.mean(math.maximum(1.0 - product, 0.0), axis=-1)


def squared_hinge(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of max(1 - y_true y_pred, 0)², for targets -1 and 1."""
    product = _like(y_true, y_pred) * y_pred
    return arithmetic.mean(math.square(math.maximum(1.0 - product, 0.0)), axis=-1)


def categorical_hinge(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The largest prediction of another class, minus that of the class, plus 1; 0 at least."""
    y_true = _like(y_true, y_pred)
    right = math.reduce_sum(y_true * y_pred, axis=-1)
    wrong = math.reduce_max((1.0 - y_true) * y_pred, axis=-1)
    return math.maximum(0.0, wrong - right + 1.0)


def logcosh(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of log(cosh(y_pred - y_true))."""
    x = y_pred - _like(y_true, y_pred)
    return arithmetic.mean(x + nn.softplus(-2.0 * x) - math.log(2.0), axis=-1)


def categorical_crossentropy(
    y_true: TensorLike, y_pred: Tensor, from_logits: bool = False
) -> Tensor:
    """The cross entropy of classes; the targets are probabilities, (..., C)."""
    target = _like(y_true, y_pred)
    return arithmetic.categorical_crossentropy(target, y_pred, from_logits=from_logits)


def sparse_categorical_crossentropy(
    y_true: TensorLike, y_pred: Tensor, from_logits: bool = False
) -> Tensor:
    """The cross entropy of classes; the targets are their numbers, (...) or (..., 1)."""
    return arithmetic.sparse_categorical_crossentropy(y_true, y_pred, from_logits=from_logits)


def binary_crossentropy(y_true: TensorLike, y_pred: Tensor, from_logits: bool = False) -> Tensor:
    """The mean cross entropy of truth values; the targets are 0 and 1."""
    loss = arithmetic.binary_crossentropy(_like(y_true, y_pred), y_pred, from_logits=from_logits)
    return arithmetic.mean(loss, axis=-1)


def kullback_leibler_divergence(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The sum of y_true log(y_true / y_pred)."""
    y_true = arithmetic.clip(_like(y_true, y_pred), epsilon(), 1)
    y_pred = arithmetic.clip(y_pred, epsilon(), 1)
    return math.reduce_sum(y_true * math.log(y_true / y_pred), axis=-1)


def poisson(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """The mean of y_pred - y_true log(y_pred)."""
    y_true = _like(y_true, y_pred)
    return arithmetic.mean(y_pred - y_true * math.log(y_pred + epsilon()), axis=-1)


def cosine_proximity(y_true: TensorLike, y_pred: Tensor) -> Tensor:
    """Minus the cosine of the angle between both."""
    y_true = nn.l2_normalize(_like(y_true, y_pred), axis=-1)
    return -math.reduce_sum(y_true * nn.l2_normalize(y_pred, axis=-1), axis=-1)


# Keras's short names
mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error
mape = MAPE = mean_absolute_percentage_error
msle = MSLE = mean_squared_logarithmic_error
kld = kullback_leibler_divergence

_KNOWN: dict[str, Callable] = {
    f.__name__: f
    for f in (
        binary_crossentropy,
        categorical_crossentropy,
        categorical_hinge,
        cosine_proximity,
        hinge,
        kullback_leibler_divergence,
        logcosh,
        mean_absolute_error,
        mean_absolute_percentage_error,
        mean_squared_error,
        mean_squared_logarithmic_error,
        poisson,
        sparse_categorical_crossentropy,
        squared_hinge,
    )
} | {"mse": mse, "mae": mae, "mape": mape, "msle": msle, "kld": kld}
_KNOWN |= {name.upper(): f for name, f in _KNOWN.items() if len(name) <= 4}


def get(identifier: Any) -> Any:
    """The loss for itself or its name; None stays None.

    Raises:
        InputError: The name is unknown.
    """
    if identifier is None or callable(identifier):
        return identifier
    if isinstance(identifier, Mapping):
        identifier = identifier.get("class_name")
    if identifier not in _KNOWN:
        raise InputError(
            f"Unknown loss function: {identifier!r}; give one of {', '.join(sorted(_KNOWN))}, or "
            "a function of targets and predictions"
        )
    return _KNOWN[identifier]


def serialize(loss: Callable) -> str:
    """The name of a loss, for `get`."""
    return loss.__name__


deserialize = get


def weighted_mean(loss: Tensor, weights: Any) -> Tensor:
    """The mean of a loss, with weights.

    Args:
        loss: (B, ...).
        weights: (B,), or of more dimensions; None for 1.

    Returns:
        The sum of loss times weight, divided by the number of elements.
    """
    total = math.reduce_sum(weighted(loss, weights))
    count = math.cast(arrays.size(loss), loss.dtype)
    return math.div_no_nan(total, count)


def weighted(values: Tensor, weights: Any) -> Tensor:
    """Values times weights, which may have fewer dimensions."""
    if weights is None:
        return values
    weights = math.cast(weights, values.dtype)
    for _ in range((values.shape.ndims or 0) - (weights.shape.ndims or 0)):
        weights = arrays.expand_dims(weights, -1)
    return values * weights
