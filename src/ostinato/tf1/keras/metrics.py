"""Private: the metrics of tf.keras: functions of targets and predictions, with a value for each row
or step.
"""

from collections.abc import Callable
from typing import Any

from ...errors import InputError
from ..core.tensors import Tensor
from ..ops import arrays, math, nn
from . import arithmetic, losses
from .backend import floatx
from .losses import (
    binary_crossentropy,
    categorical_crossentropy,
    mae,
    mean_absolute_error,
    mean_squared_error,
    mse,
    sparse_categorical_crossentropy,
)

__all__ = [
    "binary_accuracy",
    "binary_crossentropy",
    "categorical_accuracy",
    "categorical_crossentropy",
    "deserialize",
    "get",
    "mae",
    "mean_absolute_error",
    "mean_squared_error",
    "metric_for",
    "mse",
    "serialize",
    "sparse_categorical_accuracy",
    "sparse_categorical_crossentropy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def binary_accuracy(y_true: Any, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """The share of predictions on the right side of a threshold; the targets are 0 and 1."""
    above = math.cast(y_pred > math.cast(threshold, y_pred.dtype), y_pred.dtype)
    return arithmetic.mean(math.equal(math.cast(y_true, y_pred.dtype), above), axis=-1)


def categorical_accuracy(y_true: Any, y_pred: Tensor) -> Tensor:
    """1 where the class of the largest prediction is that of the largest target."""
    right = math.equal(math.argmax(y_true, axis=-1), math.argmax(y_pred, axis=-1))
    return math.cast(right, floatx())


def sparse_categorical_accuracy(y_true: Any, y_pred: Tensor) -> Tensor:
    """1 where the class of the largest prediction is the target, the number of a class."""
    if y_true.shape.ndims == y_pred.shape.ndims:
        y_true = arrays.squeeze(y_true, [-1])
    found = math.argmax(y_pred, axis=-1)
    if found.dtype != y_true.dtype:
        found = math.cast(found, y_true.dtype)
    return math.cast(math.equal(y_true, found), floatx())


def top_k_categorical_accuracy(y_true: Any, y_pred: Tensor, k: int = 5) -> Tensor:
    """The share of rows whose class is among the k largest predictions."""
    return arithmetic.mean(nn.in_top_k(y_pred, math.argmax(y_true, axis=-1), k), axis=-1)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Tensor, k: int = 5) -> Tensor:
    """The share of rows whose class is among the k largest predictions; the targets are the numbers
    of the classes.
    """
    labels = math.cast(arithmetic.flatten(y_true), "int32")
    return arithmetic.mean(nn.in_top_k(y_pred, labels, k), axis=-1)


_KNOWN: dict[str, Callable] = {
    f.__name__: f
    for f in (
        binary_accuracy,
        categorical_accuracy,
        sparse_categorical_accuracy,
        sparse_top_k_categorical_accuracy,
        top_k_categorical_accuracy,
    )
}


def get(identifier: Any) -> Callable:
    """The metric for itself or its name.

    Raises:
        InputError: The name is unknown.
    """
    if callable(identifier):
        return identifier
    if identifier in _KNOWN:
        return _KNOWN[identifier]
    try:
        return losses.get(identifier)
    except InputError:
        raise InputError(
            f"Unknown metric: {identifier!r}; give 'accuracy', one of {', '.join(_KNOWN)}, a loss, "
            "or a function of targets and predictions"
        ) from None


def serialize(metric: Callable) -> str:
    """The name of a metric, for `get`."""
    return metric.__name__


deserialize = get

_SHORT = {"accuracy": "acc", "acc": "acc", "crossentropy": "ce", "ce": "ce"}
_OF_KIND = {
    "acc": (binary_accuracy, sparse_categorical_accuracy, categorical_accuracy),
    "ce": (
        binary_crossentropy,
        sparse_categorical_crossentropy,
        categorical_crossentropy,
    ),
}


def metric_for(metric: Any, output: Tensor, loss: Callable) -> tuple[str, Callable]:
    """The name and the function of a metric of a model.

    Args:
        metric: A function or a name; "accuracy" depends on the loss.
        output: The output of the model.
        loss: Its loss.
    """
    short = _SHORT.get(metric) if isinstance(metric, str) else None
    if short is None:
        function = get(metric)
        return getattr(function, "__name__", type(function).__name__), function
    binary, sparse, categorical = _OF_KIND[short]
    if output.shape.as_list()[-1] == 1 or loss is losses.binary_crossentropy:
        return short, binary
    return short, sparse if loss is losses.sparse_categorical_crossentropy else categorical
