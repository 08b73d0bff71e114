"""Private: softmax and cross-entropies."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.graph import control_dependencies, name_scope
from ..core.registry import define
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import sums
from . import activations, arrays, math
from .inference import like_first

__all__ = [
    "log_softmax",
    "sigmoid_cross_entropy_with_logits",
    "softmax",
    "softmax_cross_entropy_with_logits",
    "softmax_cross_entropy_with_logits_v2",
    "sparse_softmax_cross_entropy_with_logits",
    "weighted_cross_entropy_with_logits",
]


def _cross_entropy_outputs(op: Operation) -> list:
    logits = op.inputs[0]
    shape = logits.shape.with_rank(2)
    if op.type == "SoftmaxCrossEntropyWithLogits":
        shape = _merged(shape, op.inputs[1].shape, op)
    rows = shape[0].merge_with(op.inputs[1].shape.with_rank_at_least(1)[0])
    dtype = logits.dtype.base_dtype
    return [(dtype, [rows]), (dtype, [rows, shape[1]])]


def _merged(a: Any, b: Any, op: Operation) -> Any:
    if not a.is_compatible_with(b):
        raise SizeError(
            f"{op.name}: logits and labels must be broadcastable: logits_size={a} labels_size={b}; "
            f"give labels of the shape of the logits"
        )
    return a.merge_with(b)


def _sparse(op: Operation, logits: np.ndarray, labels: np.ndarray) -> tuple:
    if labels.size and not (0 <= labels.min() and labels.max() < logits.shape[1]):
        raise ValueError(
            f"Received a label value of {labels.min() if labels.min() < 0 else labels.max()} which "
            f"is outside the valid range of [0, {logits.shape[1]})"
        )
    return sums.sparse_softmax_cross_entropy(logits, labels)


def _of_rows(kernel: Callable) -> Callable:
    def compute(op: Operation, x: np.ndarray) -> np.ndarray:
        return kernel(x.reshape(-1, x.shape[-1])).reshape(x.shape) if x.size else x

    return compute


define("Softmax", like_first("f"), _of_rows(sums.softmax))
define("LogSoftmax", like_first("f"), _of_rows(sums.log_softmax))
define(
    "SoftmaxCrossEntropyWithLogits",
    _cross_entropy_outputs,
    lambda op, logits, labels: sums.softmax_cross_entropy(logits, labels),
)
define("SparseSoftmaxCrossEntropyWithLogits", _cross_entropy_outputs, _sparse)


def _swapped(x: Tensor, first: Any, last: Tensor, name: str | None = None) -> Tensor:
    order = [math.range(first), [last], math.range(first + 1, last), [first]]
    return arrays.transpose(x, arrays.concat(order, 0), name=name)


def _over_axis(op_type: str, logits: TensorLike, axis: Any, name: str | None) -> Tensor:
    logits = convert_to_tensor(logits)

    def compute(x: Tensor, name: str | None = None) -> Tensor:
        return apply(op_type, {"logits": x}, name=name).outputs[0]

    shape = logits.shape
    if axis == -1 or (shape.ndims is not None and axis == shape.ndims - 1):
        return compute(logits, name)
    place = constant_value(axis) if isinstance(axis, Tensor) else axis
    if shape.ndims is None or place is None or not -shape.ndims <= place < shape.ndims:
        raise SizeError(
            f"tf.nn.softmax(axis={axis!r}) of {logits}: give a number from {-(shape.ndims or 0)} "
            f"to {(shape.ndims or 0) - 1}, of a tensor with a known number of dimensions"
        )
    arrays.rank(logits)  # TensorFlow counts the dimensions twice
    rank = arrays.rank(logits)
    place = int(place) % shape.ndims
    moved = _swapped(logits, place, math.subtract(rank, 1))
    result = _swapped(compute(moved), place, math.subtract(rank, 1), name)
    result.set_shape(shape)
    return result


def softmax(
    logits: TensorLike, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """Exponentials divided by their sum along an axis.

    Args:
        logits: Unnormalised log-probabilities.
        axis: The axis; None for the last one.
        name: The name of the operation.
        dim: An old name of `axis`.
    """
    return _over_axis("Softmax", logits, _axis(axis, dim), name)


def log_softmax(
    logits: TensorLike, axis: int | None = None, name: str | None = None, dim: int | None = None
) -> Tensor:
    """The logarithm of `softmax`."""
    return _over_axis("LogSoftmax", logits, _axis(axis, dim), name)


def _axis(axis: Any, dim: Any) -> Any:
    if axis is not None and dim is not None:
        raise InputError("Cannot specify both 'axis' and 'dim': give axis")
    given = dim if axis is None else axis
    return -1 if given is None else given


def _flattened(logits: Tensor) -> Tensor:
    """All but the last dimension as one."""
    rank = arrays.rank(logits)
    last = arrays.slice(arrays.shape(logits), [math.subtract(rank, 1)], [1])
    result = arrays.reshape(logits, arrays.concat([[-1], last], 0))
    rows = logits.shape[:-1].num_elements()
    if rows is not None:
        result.set_shape([rows, logits.shape[-1]])
    return result


def _moved_to_end(x: Tensor, axis: int, rank: Tensor) -> Tensor:
    order = [math.range(axis), math.range(axis + 1, rank), [axis]]
    return arrays.transpose(x, arrays.concat(order, 0))


def softmax_cross_entropy_with_logits_v2(
    labels: TensorLike,
    logits: TensorLike,
    axis: int | None = None,
    name: str | None = None,
    dim: int | None = None,
) -> Tensor:
    """Cross-entropy of probabilities and the softmax of logits, with gradients to both.

    Args:
        labels: Probabilities of the classes, of the shape of `logits`.
        logits: Unnormalised log-probabilities.
        axis: The axis of the classes; None for the last one.
        name: The name of the operation.
        dim: An old name of `axis`.

    Returns:
        The losses, of the shape without the axis.
    """
    axis = _axis(axis, dim)
    with name_scope(name, "softmax_cross_entropy_with_logits") as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        half = logits.dtype.base_dtype.name == "float16"
        precise = math.cast(logits, "float32") if half else logits
        labels = math.cast(labels, precise.dtype)
        rank = arrays.rank(precise)
        if axis != -1:
            precise = _moved_to_end(precise, axis, rank)
            labels = _moved_to_end(labels, axis, rank)
        shape = arrays.shape(precise)
        rows = {"features": _flattened(precise), "labels": _flattened(labels)}
        cost = apply("SoftmaxCrossEntropyWithLogits", rows, name=scope).outputs[0]
        cost = arrays.reshape(cost, arrays.slice(shape, [0], [math.subtract(rank, 1)]))
        if logits.shape.sizes is not None:
            sizes = logits.shape.as_list()
            del sizes[axis]
            cost.set_shape(sizes)
        return math.cast(cost, "float16") if half else cost


def _named_only(function: str, sentinel: Any, labels: Any, logits: Any) -> None:
    if sentinel is not None:
        raise InputError(
            f"Only call `{function}` with named arguments (labels=..., logits=..., ...)"
        )
    if labels is None or logits is None:
        raise InputError(f"Both labels and logits must be provided to {function}.")


def softmax_cross_entropy_with_logits(
    _sentinel: None = None,
    labels: TensorLike | None = None,
    logits: TensorLike | None = None,
    dim: int = -1,
    name: str | None = None,
) -> Tensor:
    """Cross-entropy of probabilities and the softmax of logits. No gradient goes to the labels.

    Args:
        _sentinel: Not to be given: use the names of the other arguments.
        labels: Probabilities of the classes, of the shape of `logits`.
        logits: Unnormalised log-probabilities.
        dim: The axis of the classes.
        name: The name of the operation.
    """
    _named_only("softmax_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "softmax_cross_entropy_with_logits_sg") as scope:
        labels = arrays.stop_gradient(labels, name="labels_stop_gradient")
    return softmax_cross_entropy_with_logits_v2(labels, logits, axis=dim, name=scope)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: None = None,
    labels: TensorLike | None = None,
    logits: TensorLike | None = None,
    name: str | None = None,
) -> Tensor:
    """Cross-entropy of the softmax of logits and one class each.

    Args:
        _sentinel: Not to be given: use the names of the other arguments.
        labels: The classes, (...), whole numbers.
        logits: Unnormalised log-probabilities, (..., C).
        name: The name of the operation.

    Returns:
        The losses, of the shape of the labels.

    Raises:
        InputError: An argument is missing.
        SizeError: The shapes do not fit.
    """
    function = "sparse_softmax_cross_entropy_with_logits"
    _named_only(function, _sentinel, labels, logits)
    with name_scope(name, "SparseSoftmaxCrossEntropyWithLogits"):
        labels = convert_to_tensor(labels)
        logits = convert_to_tensor(logits)
        if not labels.dtype.is_integer:
            raise InputError(f"{function} was given labels {labels}: give whole numbers")
        half = logits.dtype.base_dtype.name == "float16"
        precise = math.cast(logits, "float32") if half else logits
        shape, known = arrays.shape(labels), labels.shape
        expected = logits.shape[:-1] if logits.shape.ndims != 0 else None
        if expected is None or not known.is_compatible_with(expected):
            raise SizeError(
                f"Rank mismatch: {function} was given labels of shape {known} and logits of shape "
                f"{logits.shape}: labels have the shape of the logits without the last dimension"
            )
        if logits.shape.ndims == 2:
            cost = _sparse_cost(precise, labels, name)
            return math.cast(cost, "float16") if half else cost
        checks = []
        if not (known.is_fully_defined() and expected.is_fully_defined()):
            from ..flow.checks import assert_equal  # branches need this package

            checks.append(assert_equal(arrays.shape(labels), arrays.shape(logits)[:-1]))
        with control_dependencies(checks):
            classes = arrays.shape(logits)[arrays.rank(logits) - 1]
            precise = arrays.reshape(precise, [-1, classes])
            labels = arrays.reshape(labels, [-1])
            cost = arrays.reshape(_sparse_cost(precise, labels, name), shape)
            cost.set_shape(known)
            return math.cast(cost, "float16") if half else cost


def _sparse_cost(logits: Tensor, labels: Tensor, name: str | None) -> Tensor:
    inputs = {"features": logits, "labels": labels}
    return apply("SparseSoftmaxCrossEntropyWithLogits", inputs, name=name).outputs[0]


def _same_shape(of: str, logits: Tensor, targets: Tensor) -> None:
    if not logits.shape.is_compatible_with(targets.shape):
        raise SizeError(
            f"logits and labels must have the same shape ({logits.shape} vs {targets.shape}) in "
            f"{of}"
        )


def sigmoid_cross_entropy_with_logits(
    _sentinel: None = None,
    labels: TensorLike | None = None,
    logits: TensorLike | None = None,
    name: str | None = None,
) -> Tensor:
    """Cross-entropy of probabilities and the sigmoid of logits, element by element.

    Args:
        _sentinel: Not to be given: use the names of the other arguments.
        labels: Probabilities, of the shape and dtype of `logits`.
        logits: Log-odds.
        name: The name of the operation.
    """
    _named_only("sigmoid_cross_entropy_with_logits", _sentinel, labels, logits)
    with name_scope(name, "logistic_loss") as scope:
        logits = convert_to_tensor(logits, name="logits")
        labels = convert_to_tensor(labels, name="labels")
        _same_shape("sigmoid_cross_entropy_with_logits", logits, labels)
        # max(x, 0) - x * z + log(1 + exp(-|x|)), with a gradient at 0
        zeros = arrays.zeros_like(logits, dtype=logits.dtype)
        positive = logits >= zeros
        above = arrays.where(positive, logits, zeros)
        negated = arrays.where(positive, -logits, logits)
        rest = above - logits * labels
        return math.add(rest, math.log1p(math.exp(negated)), name=scope)


def weighted_cross_entropy_with_logits(
    targets: TensorLike, logits: TensorLike, pos_weight: TensorLike, name: str | None = None
) -> Tensor:
    """`sigmoid_cross_entropy_with_logits` where positive targets have another weight.

    Args:
        targets: Probabilities, of the shape and dtype of `logits`.
        logits: Log-odds.
        pos_weight: The weight of the positive part.
        name: The name of the operation.
    """
    with name_scope(name, "logistic_loss") as scope:
        logits = convert_to_tensor(logits, name="logits")
        targets = convert_to_tensor(targets, name="targets")
        _same_shape("weighted_cross_entropy_with_logits", logits, targets)
        weight = 1 + (pos_weight - 1) * targets
        negative = (1 - targets) * logits
        log = math.log1p(math.exp(-math.abs(logits)))
        return math.add(negative, weight * (log + activations.relu(-logits)), name=scope)
