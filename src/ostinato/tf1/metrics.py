"""Private: metrics that add up over batches in local variables (tf.metrics)."""

from collections.abc import Callable
from typing import Any

from ..errors import SizeError
from .core.conversion import convert_to_tensor
from .core.graph import control_dependencies, get_default_graph
from .core.graph_keys import GraphKeys
from .core.tensors import Tensor, TensorLike
from .flow.control_flow import cond
from .flow.weights import broadcast_weights, fit_ranks
from .ops import arrays, math
from .state.scopes import variable_scope
from .state.variables import Variable, assign_add

__all__ = [
    "accuracy",
    "false_negatives",
    "false_positives",
    "mean",
    "mean_absolute_error",
    "mean_squared_error",
    "precision",
    "recall",
    "root_mean_squared_error",
    "true_negatives",
    "true_positives",
]


def _metric_variable(name: str) -> Variable:
    """A sum, which `tf.local_variables_initializer()` sets to 0."""
    return Variable(
        lambda: arrays.zeros([]),
        trainable=False,
        collections=[GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES],
        name=name,
    )


def _add_to(collections: Any, value: Any) -> None:
    if collections:
        get_default_graph().add_to_collections(collections, value)


def _fitted(
    predictions: TensorLike, labels: TensorLike | None, weights: TensorLike | None
) -> tuple[Tensor, Any, Tensor | None]:
    """Predictions, labels and weights with the same number of dimensions."""
    predictions = convert_to_tensor(predictions)
    if labels is not None:
        labels, predictions = fit_ranks(labels, predictions)
        if not predictions.shape.is_compatible_with(labels.shape):
            raise SizeError(
                f"predictions have the shape {predictions.shape} and labels {labels.shape}: give "
                "one prediction for each label"
            )
    if weights is None:
        return predictions, labels, None
    return predictions, labels, _fit_weights(convert_to_tensor(weights), predictions)


def _fit_weights(weights: Tensor, values: Tensor) -> Tensor:
    """Weights with the number of dimensions of the values, if they have one more or one less."""
    rank, wanted = weights.shape.ndims, values.shape.ndims
    if rank == 0:
        return weights
    if rank is not None and wanted is not None:
        if rank == wanted + 1:
            return arrays.squeeze(weights, [-1])
        return arrays.expand_dims(weights, [-1]) if wanted == rank + 1 else weights
    rank_now = arrays.rank(weights)
    more = rank_now - arrays.rank(values)

    def with_last() -> Tensor:
        return cond(
            math.equal(more, -1), lambda: arrays.expand_dims(weights, [-1]), lambda: weights
        )

    def without_last() -> Tensor:
        one = rank is None or weights.shape[-1].is_compatible_with(1)
        return arrays.squeeze(weights, [-1]) if one else weights

    return cond(
        math.equal(rank_now, 0),
        lambda: weights,
        lambda: cond(math.equal(more, 1), without_last, with_last),
    )


def mean(
    values: TensorLike,
    weights: TensorLike | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean of all values of all batches so far, and the operation that adds a batch to it.

    Args:
        values: The values of a batch.
        weights: Weights that fit them; None for 1.
        metrics_collections: Collections that the mean is added to, or None.
        updates_collections: Collections that the update is added to, or None.
        name: The name of the variable scope.
    """
    with variable_scope(name, "mean", (values, weights)):
        values = math.to_float(values)
        total, count = _metric_variable("total"), _metric_variable("count")
        if weights is None:
            number = math.to_float(arrays.size(values))
        else:
            values, _, weights = _fitted(values, None, weights)
            weights = broadcast_weights(math.to_float(weights), values)
            values = math.multiply(values, weights)
            number = math.reduce_sum(weights)
        new_total = assign_add(total, math.reduce_sum(values))
        with control_dependencies([values]):
            new_count = assign_add(count, number)
        value = math.div_no_nan(total, math.maximum(count, 0), name="value")
        _add_to(metrics_collections, value)
        update = math.div_no_nan(new_total, math.maximum(new_count, 0), name="update_op")
        _add_to(updates_collections, update)
        return value, update


def accuracy(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The share of predictions that equal their labels, and its update; see `mean`."""
    predictions, labels, weights = _fitted(predictions, labels, weights)
    if labels.dtype != predictions.dtype:
        predictions = math.cast(predictions, labels.dtype)
    correct = math.to_float(math.equal(predictions, labels))
    return mean(correct, weights, metrics_collections, updates_collections, name or "accuracy")


def mean_absolute_error(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean absolute error, and its update; see `mean`."""
    predictions, labels, weights = _fitted(predictions, labels, weights)
    errors = math.abs(predictions - labels)
    name = name or "mean_absolute_error"
    return mean(errors, weights, metrics_collections, updates_collections, name)


def mean_squared_error(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The mean squared error, and its update; see `mean`."""
    predictions, labels, weights = _fitted(predictions, labels, weights)
    errors = math.square(labels - predictions)
    name = name or "mean_squared_error"
    return mean(errors, weights, metrics_collections, updates_collections, name)


def root_mean_squared_error(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike | None = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Tensor, Tensor]:
    """The square root of the mean squared error, and its update; see `mean`."""
    predictions, labels, weights = _fitted(predictions, labels, weights)
    value, update = mean_squared_error(
        labels, predictions, weights, None, None, name or "root_mean_squared_error"
    )
    value = math.sqrt(value)
    _add_to(metrics_collections, value)
    update = math.sqrt(update)
    _add_to(updates_collections, update)
    return value, update


def _counter(name: str, label: bool, prediction: bool) -> Callable:
    """A function that counts the cases of one label and one prediction."""

    def count(
        labels: TensorLike,
        predictions: TensorLike,
        weights: TensorLike | None = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Tensor]:
        with variable_scope(name, default, (predictions, labels, weights)):
            predictions, labels, weights = _fitted(
                math.cast(predictions, bool), math.cast(labels, bool), weights
            )
            found = math.logical_and(math.equal(labels, label), math.equal(predictions, prediction))
            total = _metric_variable("count")
            values = math.to_float(found)
            if weights is not None:
                if weights.shape.ndims not in (0, None, values.shape.ndims or weights.shape.ndims):
                    raise SizeError(
                        f"weights have the shape {weights.shape} and predictions {values.shape}: "
                        "give one weight, or one for each prediction"
                    )
                values = math.multiply(values, math.to_float(weights))
            _add_to(metrics_collections, total)
            update = assign_add(total, math.reduce_sum(values))
            _add_to(updates_collections, update)
            return total, update

    default = name
    count.__name__ = count.__qualname__ = name
    count.__doc__ = (
        f"The number of labels {label} with the prediction {prediction}, and its update; "
        "see `mean`."
    )
    return count


true_positives = _counter("true_positives", True, True)
false_negatives = _counter("false_negatives", True, False)
false_positives = _counter("false_positives", False, True)
true_negatives = _counter("true_negatives", False, False)


def _share(found: Any, others: Any, name: str) -> Tensor:
    return arrays.where(math.greater(found + others, 0), math.div(found, found + others), 0, name)


def _rate(name: str, others: Callable, of: str) -> Callable:
    """A function that gives the true positives as a share of them and of other cases."""

    def rate(
        labels: TensorLike,
        predictions: TensorLike,
        weights: TensorLike | None = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        with variable_scope(name, default, (predictions, labels, weights)):
            predictions, labels, weights = _fitted(
                math.cast(predictions, bool), math.cast(labels, bool), weights
            )
            found, found_update = true_positives(labels, predictions, weights)
            missed, missed_update = others(labels, predictions, weights)
            value = _share(found, missed, "value")
            _add_to(metrics_collections, value)
            update = _share(found_update, missed_update, "update_op")
            _add_to(updates_collections, update)
            return value, update

    default = name
    rate.__name__ = rate.__qualname__ = name
    rate.__doc__ = f"The share of {of} that are true positives, and its update; see `mean`."
    return rate


precision = _rate("precision", false_positives, "the predictions True")
recall = _rate("recall", false_negatives, "the labels True")
