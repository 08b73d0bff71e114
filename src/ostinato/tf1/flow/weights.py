"""Private: labels, predictions and weights of shapes that fit: a last dimension of size 1 more or
less, and weights that are one number, or have sizes that are 1 or those of the values.
"""

from typing import Any

from ...errors import SizeError
from ..core.constant import constant_value
from ..core.conversion import convert_to_tensor
from ..core.graph import control_dependencies, name_scope
from ..core.tensors import Operation, Tensor, TensorLike
from ..ops import arrays, math
from ..ops.sets import set_difference
from . import checks
from .control_flow import cond
from .flow_ops import no_op

__all__ = ["assert_broadcastable", "broadcast_weights", "fit_ranks", "without_last_if"]


def without_last_if(condition: Tensor, x: Tensor) -> Tensor:
    """A tensor without its last dimension, which has the size 1, where a run finds that it has one
    dimension too many.
    """
    if x.shape.ndims == 0 or x.shape.ndims and not x.shape[-1].is_compatible_with(1):
        return x
    return cond(condition, lambda: arrays.squeeze(x, [-1]), lambda: x)


def fit_ranks(
    labels: TensorLike, predictions: TensorLike, difference: int = 0
) -> tuple[Tensor, Tensor]:
    """Labels and predictions with the right numbers of dimensions.

    Args:
        labels: The labels.
        predictions: The predictions.
        difference: How many more dimensions predictions have than labels: 0, or 1 if labels are
            classes and predictions have a value for each class.

    Returns:
        Both; the one that has one dimension too many is without its last one, of size 1.

    Raises:
        SizeError: The last dimension is known to have another size.
    """
    with name_scope(None, "remove_squeezable_dimensions"):
        predictions, labels = convert_to_tensor(predictions), convert_to_tensor(labels)
        rank, of_labels = predictions.shape.ndims, labels.shape.ndims
        if rank is not None and of_labels is not None:
            if rank == of_labels + difference + 1:
                predictions = arrays.squeeze(predictions, [-1])
            elif rank == of_labels + difference - 1:
                labels = arrays.squeeze(labels, [-1])
            return labels, predictions
        found = arrays.rank(predictions) - arrays.rank(labels)
        predictions = without_last_if(math.equal(difference + 1, found), predictions)
        return without_last_if(math.equal(difference - 1, found), labels), predictions


def _described(value: Any, part: str) -> tuple[Tensor, Tensor, Tensor]:
    with name_scope(None, part) as scope:
        tensor = convert_to_tensor(value, name=scope)
        shape = arrays.shape(tensor, name="shape")
        return tensor, shape, arrays.rank(tensor, name="rank")


def assert_broadcastable(weights: TensorLike, values: TensorLike) -> Operation:
    """An operation that fails where weights do not fit values: they are one number, or have the
    number of dimensions of the values, and each size is 1 or that of the values.

    Raises:
        SizeError: It is known that they do not fit.
    """
    with name_scope(None, "assert_broadcastable") as scope:
        weights, weights_shape, weights_rank = _described(weights, "weights")
        values, values_shape, values_rank = _described(values, "values")
        ranks = constant_value(weights_rank), constant_value(values_rank)
        if ranks[0] is not None and ranks[1] is not None:
            if ranks[0] == 0:
                return no_op(name="static_scalar_check_success")
            _check_sizes(weights, values)
            if weights.shape.is_fully_defined() and values.shape.is_fully_defined():
                return no_op(name="static_dims_check_success")
        return _assert_in_run(
            (weights, weights_shape, weights_rank), (values, values_shape, values_rank), scope
        )


def _assert_in_run(of_weights: tuple, of_values: tuple, scope: str) -> Operation:
    """The check of shapes that only a run knows."""
    weights, weights_shape, weights_rank = of_weights
    values, values_shape, values_rank = of_values
    is_scalar = math.equal(0, weights_rank, name="is_scalar")
    data = (
        "weights can not be broadcast to values.",
        "weights.shape=",
        weights.name,
        weights_shape,
        "values.shape=",
        values.name,
        values_shape,
        "is_scalar=",
        is_scalar,
    )

    def has_valid_sizes() -> Tensor:
        with name_scope(None, "has_invalid_dims") as inner:
            sizes = arrays.expand_dims(values_shape, -1)
            allowed = arrays.concat((sizes, arrays.ones_like(sizes)), axis=1)
            wrong = set_difference(arrays.expand_dims(weights_shape, -1), allowed)
            count = arrays.size(wrong.values, name="num_invalid_dims")
            return math.equal(0, count, name=inner)

    def has_valid_shape() -> Tensor:
        with name_scope(None, "has_valid_nonscalar_shape") as inner:
            same_rank = math.equal(values_rank, weights_rank, name="is_same_rank")
            return cond(same_rank, has_valid_sizes, lambda: same_rank, name=inner)

    valid = cond(is_scalar, lambda: is_scalar, has_valid_shape, name="is_valid_shape")
    return checks.Assert(valid, data, name=scope)


def _check_sizes(weights: Tensor, values: Tensor) -> None:
    a, b = weights.shape.as_list(), values.shape.as_list()
    if len(a) != len(b) or any(m not in (1, None, n) and n is not None for m, n in zip(a, b)):
        raise SizeError(
            f"weights can not be broadcast to values: weights.shape={weights.shape}, "
            f"values.shape={values.shape}; give weights the shape of the values, or 1 for a size"
        )


def broadcast_weights(weights: Tensor, values: Tensor) -> Tensor:
    """Weights with the shape of the values; see `assert_broadcastable`."""
    with name_scope(None, "broadcast_weights") as scope:
        known = weights.shape.is_fully_defined() and values.shape.is_fully_defined()
        if known and weights.shape.is_compatible_with(values.shape):
            return weights
        with control_dependencies((assert_broadcastable(weights, values),)):
            return math.multiply(weights, arrays.ones_like(values), name=scope)
