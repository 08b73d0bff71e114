"""Private: losses that are collected in the graph (tf.losses)."""

from typing import Any

from ..errors import InputError
from .core.conversion import convert_to_tensor
from .core.graph import control_dependencies, get_default_graph, name_scope
from .core.graph_keys import GraphKeys
from .core.tensors import Tensor, TensorLike
from .flow.weights import assert_broadcastable, broadcast_weights, fit_ranks, without_last_if
from .ops import arrays, math, nn

__all__ = [
    "Reduction",
    "absolute_difference",
    "add_loss",
    "compute_weighted_loss",
    "cosine_distance",
    "get_losses",
    "get_regularization_loss",
    "get_regularization_losses",
    "get_total_loss",
    "hinge_loss",
    "huber_loss",
    "log_loss",
    "mean_pairwise_squared_error",
    "mean_squared_error",
    "sigmoid_cross_entropy",
    "softmax_cross_entropy",
    "sparse_softmax_cross_entropy",
]


class Reduction:
    """How the losses of a batch become one number.

    Attributes:
        NONE: They do not; the weighted losses themselves.
        SUM: Their weighted sum.
        MEAN: The weighted sum divided by the sum of the weights.
        SUM_OVER_BATCH_SIZE: The weighted sum divided by the number of losses.
        SUM_BY_NONZERO_WEIGHTS, SUM_OVER_NONZERO_WEIGHTS: The weighted sum divided by the number of
            weights that are not 0.
    """

    NONE = "none"
    SUM = "weighted_sum"
    MEAN = "weighted_mean"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """All of them."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        """Check a reduction.

        Raises:
            InputError: It is none of them.
        """
        if key not in cls.all():
            raise InputError(
                f"Invalid ReductionKey {key}: give tf.losses.Reduction.MEAN or another"
            )


_BY_NONZERO = Reduction.SUM_BY_NONZERO_WEIGHTS


# The collection


def add_loss(loss: Tensor, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Add a loss to the losses of the graph; to none if `loss_collection` is None."""
    if loss_collection:
        get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(scope: str | None = None, loss_collection: str = GraphKeys.LOSSES) -> list[Tensor]:
    """The losses of the graph whose names begin with `scope`."""
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Tensor]:
    """The losses of regularizers whose names begin with `scope`."""
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(
    scope: str | None = None, name: str = "total_regularization_loss"
) -> Tensor:
    """The sum of the losses of regularizers."""
    losses = get_regularization_losses(scope)
    return math.add_n(losses, name=name) if losses else convert_to_tensor(0.0)


def get_total_loss(add_regularization_losses: bool = True, name: str = "total_loss") -> Tensor:
    """The sum of all losses of the graph."""
    losses = get_losses()
    if add_regularization_losses:
        losses += get_regularization_losses()
    return math.add_n(losses, name=name)


def _safe_div(numerator: Tensor, denominator: Tensor, name: str = "value") -> Tensor:
    return math.div_no_nan(numerator, denominator, name=name)


def _safe_mean(losses: Tensor, count: Tensor) -> Tensor:
    return _safe_div(math.reduce_sum(losses), count)


def _num_elements(losses: Tensor) -> Tensor:
    with name_scope(None, "num_elements") as scope:
        return math.cast(arrays.size(losses, name=scope), losses.dtype)


def _num_present(losses: Tensor, weights: Tensor, per_batch: bool = False) -> Tensor:
    """The number of losses whose weight is not 0; of each row if `per_batch`."""
    with name_scope(None, "num_present") as scope:
        weights = math.to_float(weights)
        zeros = math.equal(weights, 0.0)
        present = arrays.where(zeros, arrays.zeros_like(weights), arrays.ones_like(weights))
        present = broadcast_weights(present, losses)
        if per_batch:
            axes = math.range(1, arrays.rank(present))
            return math.reduce_sum(present, axis=axes, keepdims=True, name=scope)
        return math.reduce_sum(present, name=scope)


def compute_weighted_loss(
    losses: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """Losses times weights, reduced to one number.

    Args:
        losses: (B, ...).
        weights: One number, or a tensor with the number of dimensions of `losses`, whose sizes are
            1 or those of `losses`.
        scope: The name scope.
        loss_collection: The collection that the loss joins, or None.
        reduction: See `Reduction`.

    Raises:
        InputError: The reduction is another one.
        SizeError: The weights do not fit the losses.
    """
    Reduction.validate(reduction)
    with name_scope(scope, "weighted_loss"):
        with control_dependencies((assert_broadcastable(weights, losses),)):
            losses = convert_to_tensor(losses)
            kind = losses.dtype
            losses = math.to_float(losses)
            weights = math.to_float(weights)
            loss = weighted = math.multiply(losses, weights)
            if reduction != Reduction.NONE:
                loss = math.reduce_sum(weighted)
                if reduction == Reduction.MEAN:
                    total = math.reduce_sum(arrays.ones_like(losses) * weights)
                    loss = _safe_mean(loss, total)
                elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
                    loss = _safe_mean(loss, _num_present(losses, weights))
                elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                    loss = _safe_mean(loss, _num_elements(losses))
            loss = math.cast(loss, kind)
            add_loss(loss, loss_collection)
            return loss


def _given(**arguments: Any) -> None:
    for name, value in arguments.items():
        if value is None:
            raise InputError(f"{name} must not be None.")


def _floats(predictions: TensorLike, labels: TensorLike) -> tuple[Tensor, Tensor]:
    predictions = math.to_float(predictions)
    labels = math.to_float(labels)
    predictions.shape.assert_is_compatible_with(labels.shape)
    return predictions, labels


# Losses


def absolute_difference(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """|prediction - label|; see `compute_weighted_loss`."""
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "absolute_difference") as scope:
        predictions, labels = _floats(predictions, labels)
        losses = math.abs(math.subtract(predictions, labels))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def cosine_distance(
    labels: TensorLike,
    predictions: TensorLike,
    axis: int | None = None,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
    dim: int | None = None,
) -> Tensor:
    """1 - the product of vectors of length 1 along an axis; see `compute_weighted_loss`."""
    axis = dim if axis is None else axis
    if axis is None:
        raise InputError("You must specify 'axis'.")
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "cosine_distance_loss") as scope:
        predictions, labels = _floats(predictions, labels)
        products = math.multiply(predictions, labels)
        losses = 1 - math.reduce_sum(products, axis=(axis,), keepdims=True)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def hinge_loss(
    labels: TensorLike,
    logits: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """max(1 - y * logit, 0), where y is -1 for the label 0; see `compute_weighted_loss`."""
    _given(labels=labels, logits=logits)
    with name_scope(scope, "hinge_loss") as scope:
        logits, labels = _floats(logits, labels)
        ones = arrays.ones_like(labels)
        signs = math.subtract(2 * labels, ones)
        losses = nn.relu(math.subtract(ones, math.multiply(signs, logits)))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def huber_loss(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike = 1.0,
    delta: float = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """Half the square of the error up to `delta`, linear above; see `compute_weighted_loss`."""
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "huber_loss") as scope:
        predictions, labels = _floats(predictions, labels)
        error = math.abs(math.subtract(predictions, labels))
        quadratic = math.minimum(error, delta)
        linear = math.subtract(error, quadratic)
        half = convert_to_tensor(0.5, quadratic.dtype)
        losses = math.add(
            math.multiply(half, math.multiply(quadratic, quadratic)), math.multiply(delta, linear)
        )
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def log_loss(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """The cross-entropy of probabilities; see `compute_weighted_loss`.

    Args:
        epsilon: A small number that is added before logarithms.
    """
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "log_loss") as scope:
        predictions, labels = _floats(predictions, labels)
        positive = math.multiply(labels, math.log(predictions + epsilon))
        losses = -positive - math.multiply((1 - labels), math.log(1 - predictions + epsilon))
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def mean_pairwise_squared_error(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Tensor:
    """The mean square of differences between the errors of a row; see `compute_weighted_loss`."""
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "mean_pairwise_squared_error") as scope:
        weights = math.to_float(weights)
        labels = math.to_float(labels)
        with control_dependencies((assert_broadcastable(weights, labels),)):
            predictions = math.to_float(predictions)
            predictions.shape.assert_is_compatible_with(labels.shape)
            errors = math.subtract(predictions, labels)
            axes = math.range(1, arrays.rank(errors))
            squares = math.reduce_sum(math.square(errors), axis=axes, keepdims=True)
            count = _num_present(errors, weights, per_batch=True)
            of_squares = 2.0 * _safe_div(squares, math.maximum(count - 1, 0))
            sums = math.reduce_sum(errors, axis=axes, keepdims=True)
            squared_sums = math.square(sums)
            pairs = math.maximum(math.multiply(count, count - 1), 0)
            of_sums = 2.0 * _safe_div(squared_sums, pairs)
            weighted = math.multiply(of_squares - of_sums, weights)
            loss = math.reduce_sum(weighted)
            total = math.reduce_sum(count)
            mean = arrays.where(total > 0, loss, arrays.zeros_like(loss), name="value")
            add_loss(mean, loss_collection)
            return mean


def mean_squared_error(
    labels: TensorLike,
    predictions: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """(prediction - label)^2; see `compute_weighted_loss`."""
    _given(labels=labels, predictions=predictions)
    with name_scope(scope, "mean_squared_error") as scope:
        predictions, labels = _floats(predictions, labels)
        losses = math.squared_difference(predictions, labels)
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def sigmoid_cross_entropy(
    multi_class_labels: TensorLike,
    logits: TensorLike,
    weights: TensorLike = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """`tf.nn.sigmoid_cross_entropy_with_logits`; see `compute_weighted_loss`.

    Args:
        label_smoothing: How far labels move towards 1/2, from 0 to 1.
    """
    _given(multi_class_labels=multi_class_labels, logits=logits)
    with name_scope(scope, "sigmoid_cross_entropy_loss") as scope:
        logits = convert_to_tensor(logits)
        labels = math.cast(multi_class_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = nn.sigmoid_cross_entropy_with_logits(labels=labels, logits=logits, name="xentropy")
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def softmax_cross_entropy(
    onehot_labels: TensorLike,
    logits: TensorLike,
    weights: TensorLike = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """`tf.nn.softmax_cross_entropy_with_logits`; see `compute_weighted_loss`.

    Args:
        label_smoothing: How far labels move towards equal probabilities, from 0 to 1.
    """
    _given(onehot_labels=onehot_labels, logits=logits)
    with name_scope(scope, "softmax_cross_entropy_loss") as scope:
        logits = convert_to_tensor(logits)
        labels = math.cast(onehot_labels, logits.dtype)
        logits.shape.assert_is_compatible_with(labels.shape)
        if label_smoothing > 0:
            classes = math.cast(arrays.shape(labels)[1], logits.dtype)
            share = label_smoothing / classes
            labels = labels * (1 - label_smoothing) + share
        labels = arrays.stop_gradient(labels, name="labels_stop_gradient")
        losses = nn.softmax_cross_entropy_with_logits_v2(
            labels=labels, logits=logits, name="xentropy"
        )
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)


def _fit_weights(weights: Tensor, labels: Tensor) -> Tensor:
    """Weights without a last dimension of size 1 that the labels do not have."""
    rank, wanted = weights.shape.ndims, labels.shape.ndims
    if rank is not None and wanted is not None:
        return arrays.squeeze(weights, [-1]) if rank == wanted + 1 else weights
    more = arrays.rank(weights) - arrays.rank(labels)
    return without_last_if(math.equal(1, more), weights)


def sparse_softmax_cross_entropy(
    labels: TensorLike,
    logits: TensorLike,
    weights: TensorLike = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = _BY_NONZERO,
) -> Tensor:
    """`tf.nn.sparse_softmax_cross_entropy_with_logits`; see `compute_weighted_loss`.

    Args:
        labels: The classes, of the shape of `logits` without its last dimension, or with 1 for it.
        logits: (..., C).
        weights: As for `compute_weighted_loss`, with the number of dimensions of the losses, or
            with one more, of size 1.
    """
    _given(labels=labels, logits=logits)
    with name_scope(scope, "sparse_softmax_cross_entropy_loss") as scope:
        labels, logits = fit_ranks(labels, logits, 1)
        weights = _fit_weights(convert_to_tensor(weights), labels)
        losses = nn.sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy"
        )
        return compute_weighted_loss(losses, weights, scope, loss_collection, reduction)
