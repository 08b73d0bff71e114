"""Private: the functions of tf.keras.backend on tensors."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..core.constant import constant
from ..core.dtypes import as_dtype
from ..core.tensors import Tensor, TensorLike
from ..flow.control_flow import cond
from ..flow.gradients import gradients as _gradients
from ..ops import arrays, math, nn
from ..train.clipping import clip_by_value
from .backend import as_constant, epsilon, floatx, int_shape, learning_phase, ndim

__all__ = [
    "abs",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "bias_add",
    "binary_crossentropy",
    "cast",
    "categorical_crossentropy",
    "clip",
    "concatenate",
    "constant",
    "cumsum",
    "dot",
    "dropout",
    "elu",
    "equal",
    "exp",
    "expand_dims",
    "flatten",
    "gather",
    "gradients",
    "greater",
    "greater_equal",
    "hard_sigmoid",
    "in_test_phase",
    "in_train_phase",
    "l2_normalize",
    "less",
    "less_equal",
    "log",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "not_equal",
    "one_hot",
    "ones_like",
    "permute_dimensions",
    "pow",
    "prod",
    "relu",
    "repeat",
    "reshape",
    "reverse",
    "round",
    "sigmoid",
    "sign",
    "softmax",
    "softplus",
    "softsign",
    "sparse_categorical_crossentropy",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "sum",
    "switch",
    "tanh",
    "tile",
    "transpose",
    "var",
    "zeros_like",
]

_python_all, _python_any = all, any

# Functions that Keras takes from TensorFlow as they are.
abs = math.abs  # noqa: A001
equal = math.equal
exp = math.exp
gather = arrays.gather
greater = math.greater
greater_equal = math.greater_equal
less = math.less
less_equal = math.less_equal
log = math.log
maximum = math.maximum
minimum = math.minimum
not_equal = math.not_equal
pow = math.pow  # noqa: A001
reshape = arrays.reshape
round = math.round  # noqa: A001
sigmoid = math.sigmoid
sign = math.sign
softplus = nn.softplus
softsign = nn.softsign
square = math.square
stack = arrays.stack
tanh = math.tanh
tile = arrays.tile
transpose = arrays.transpose
zeros_like = arrays.zeros_like
ones_like = arrays.ones_like


def cast(x: TensorLike, dtype: Any) -> Tensor:
    """A tensor in another dtype."""
    return math.cast(x, dtype)


def dot(x: Any, y: Any) -> Tensor:
    """The product of matrices; the last dimension of x with the last but one of y.

    Args:
        x: (..., I).
        y: (I, N), or (..., I, N).
    """
    rank, other = ndim(x), ndim(y)
    if rank is None or other is None or (rank <= 2 and other <= 2):
        return math.matmul(x, y)
    shape, y_shape = _sizes(x), _sizes(y)
    order = [other - 2, *[i for i in range(other) if i != other - 2]]
    flat_x = arrays.reshape(x, [-1, shape[-1]])
    flat_y = arrays.reshape(arrays.transpose(y, perm=order), [y_shape[-2], -1])
    return arrays.reshape(math.matmul(flat_x, flat_y), [*shape[:-1], *y_shape[:-2], y_shape[-1]])


def _sizes(x: Tensor) -> list:
    known = int_shape(x)
    parts = arrays.unstack(arrays.shape(x))
    return [p if n is None else n for n, p in zip(known or (), parts)]


def bias_add(x: Tensor, bias: Any, data_format: str | None = None) -> Tensor:
    """A bias added to the last dimension.

    Args:
        x: (..., N).
        bias: (N,).
        data_format: Accepted for compatibility.
    """
    rank = ndim(x) or 2
    if rank > 2:
        return x + arrays.reshape(bias, [1] * (rank - 1) + [int_shape(bias)[0]])  # type: ignore[index]
    return nn.bias_add(x, bias)


def clip(x: Tensor, min_value: Any, max_value: Any) -> Tensor:
    """Values within two bounds; None for no bound."""
    if None not in (min_value, max_value) and max_value < min_value:
        max_value = min_value
    high = np.inf if max_value is None else max_value
    low = -np.inf if min_value is None else min_value
    kind = x.dtype.base_dtype
    low, high = as_constant(low, kind), as_constant(high, kind)
    return clip_by_value(x, low, high)


def sqrt(x: Tensor) -> Tensor:
    """The square root; 0 for values below 0."""
    kind = x.dtype.base_dtype
    zero, largest = as_constant(0.0, kind), as_constant(np.inf, kind)
    return math.sqrt(clip_by_value(x, zero, largest))


# Reductions


def _reduction(function: Callable, called: str, doc: str, *, numbers: bool = False) -> Callable:
    def reduce(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:
        if numbers and x.dtype.base_dtype.is_bool:
            x = math.cast(x, floatx())
        return function(x, axis, keepdims)

    reduce.__name__ = reduce.__qualname__ = called
    reduce.__doc__ = f"{doc} along axes, or of all elements."
    return reduce


sum = _reduction(math.reduce_sum, "sum", "The sum")  # noqa: A001
prod = _reduction(math.reduce_prod, "prod", "The product")
mean = _reduction(math.reduce_mean, "mean", "The mean", numbers=True)
max = _reduction(math.reduce_max, "max", "The largest value")  # noqa: A001
min = _reduction(math.reduce_min, "min", "The smallest value")  # noqa: A001
var = _reduction(math.reduce_variance, "var", "The variance", numbers=True)
std = _reduction(math.reduce_std, "std", "The standard deviation", numbers=True)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """Whether an element along the axes is true."""
    return math.reduce_any(math.cast(x, "bool"), axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Tensor:  # noqa: A001
    """Whether all elements along the axes are true."""
    return math.reduce_all(math.cast(x, "bool"), axis, keepdims)


def argmax(x: Any, axis: int = -1) -> Tensor:
    """The index of the largest value along an axis."""
    return math.argmax(x, axis)


def argmin(x: Any, axis: int = -1) -> Tensor:
    """The index of the smallest value along an axis."""
    return math.argmin(x, axis)


def cumsum(x: Any, axis: int = 0) -> Tensor:
    """The sums up to each element along an axis."""
    return math.cumsum(x, axis=axis)


# Shapes


def concatenate(tensors: Any, axis: int = -1) -> Tensor:
    """Tensors joined along an axis."""
    if axis < 0:
        rank = ndim(tensors[0])
        axis = axis % rank if rank else 0
    return arrays.concat(list(tensors), axis)


def reverse(x: Any, axes: Any) -> Tensor:
    """A tensor with the order along some axes reversed."""
    return arrays.reverse(x, [axes] if isinstance(axes, int) else axes)


def expand_dims(x: Any, axis: int = -1) -> Tensor:
    """A tensor with one dimension of size 1 more."""
    return arrays.expand_dims(x, axis)


def squeeze(x: Any, axis: int) -> Tensor:
    """A tensor without a dimension of size 1."""
    return arrays.squeeze(x, [axis])


def permute_dimensions(x: Any, pattern: Any) -> Tensor:
    """A tensor with its dimensions in another order."""
    return arrays.transpose(x, perm=pattern)


def flatten(x: Any) -> Tensor:
    """A tensor as a vector."""
    return arrays.reshape(x, [-1])


def repeat(x: Tensor, n: int) -> Tensor:
    """A matrix (B, N) n times, (B, n, N)."""
    return arrays.tile(arrays.expand_dims(x, 1), arrays.stack([1, n, 1]))


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: str = "int32") -> Tensor:
    """Numbers from `start` up to `stop`, which is excluded."""
    if stop is None:
        start, stop = 0, start
    found = math.range(start, limit=stop, delta=step)
    return found if dtype == "int32" else math.cast(found, dtype)


def one_hot(indices: Any, num_classes: int) -> Tensor:
    """Vectors with a 1 at the index and 0 elsewhere."""
    return arrays.one_hot(indices, depth=num_classes, axis=-1)


# Neural networks


def hard_sigmoid(x: Tensor) -> Tensor:
    """0.2 x + 0.5, cut to 0 and 1."""
    x = x * 0.2 if not isinstance(x, Tensor) else 0.2 * x
    x = x + 0.5
    zero, one = as_constant(0.0, x.dtype.base_dtype), as_constant(1.0, x.dtype.base_dtype)
    return clip_by_value(x, zero, one)


def relu(
    x: Any, alpha: Any = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """The larger of x and 0.

    Args:
        x: A tensor.
        alpha: The slope below the threshold.
        max_value: The largest result, or None.
        threshold: The x from which on the result is x.
    """
    if alpha != 0.0 and max_value is None and threshold == 0.0:
        return nn.leaky_relu(x, alpha=alpha)
    negative = None
    if alpha != 0.0:
        negative = nn.relu(threshold - x if threshold != 0.0 else -x)
    limited = max_value is not None
    if threshold != 0.0:
        x = x * math.cast(math.greater(x, threshold), floatx())
    elif max_value == 6:
        x, limited = nn.relu6(x), False
    else:
        x = nn.relu(x)
    if limited:
        kind = x.dtype.base_dtype
        x = clip_by_value(x, as_constant(0.0, kind), as_constant(max_value, kind))
    if negative is not None:
        x = x - as_constant(alpha, x.dtype.base_dtype) * negative
    return x


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """exp(x) - 1 times `alpha` below 0, x above."""
    found = nn.elu(x)
    return found if alpha == 1 else arrays.where(x > 0, found, alpha * found)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Positive numbers in proportion to exp(x), whose sum along an axis is 1."""
    return nn.softmax(x, axis=axis)


def l2_normalize(x: Any, axis: Any = None) -> Tensor:
    """A tensor divided by its length along an axis."""
    return nn.l2_normalize(x, axis=axis)


def dropout(x: Any, level: float, noise_shape: Any = None, seed: int | None = None) -> Tensor:
    """A tensor with random elements set to 0 and the others scaled.

    Args:
        x: A tensor.
        level: The probability to drop an element.
        noise_shape: The shape of the mask; None for that of x.
        seed: The seed; None for a number of NumPy's global generator, as in Keras.
    """
    if seed is None:
        seed = int(np.random.randint(10_000_000))
    return nn.dropout(x * 1.0, rate=level, noise_shape=noise_shape, seed=seed)


def gradients(loss: Any, variables: Any) -> list:
    """The gradients of a loss."""
    return _gradients(loss, variables)


# Phases


def switch(condition: Any, then_expression: Any, else_expression: Any) -> Any:
    """One of two tensors.

    Args:
        condition: A truth value for both, or for each element.
        then_expression, else_expression: Tensors, or functions that return one.
    """

    def of(expression: Any) -> Any:
        return expression() if callable(expression) else expression

    if not condition.dtype.base_dtype.is_bool:
        condition = math.cast(condition, "bool")
    if not ndim(condition):
        return cond(condition, lambda: of(then_expression), lambda: of(else_expression))
    chosen, other = of(then_expression), of(else_expression)
    missing = (ndim(chosen) or 0) - (ndim(condition) or 0)
    if missing > 0:
        for _ in range(missing):
            condition = arrays.expand_dims(condition, -1)
        wide = arrays.ones_like(chosen, dtype=as_dtype("bool"))
        condition = math.logical_and(condition, wide)
    return arrays.where(condition, chosen, other)


def in_train_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """One tensor in training, and another one otherwise.

    Args:
        x, alt: The tensors, or functions that return them.
        training: Whether it is training: a truth value or a tensor; None for the learning phase.
    """
    if training is None:
        training = learning_phase()
    if not isinstance(training, Tensor):
        chosen = x if training else alt
        return chosen() if callable(chosen) else chosen
    return switch(training, x, alt)


def in_test_phase(x: Any, alt: Any, training: Any = None) -> Any:
    """One tensor in inference, and another one in training; see `in_train_phase`."""
    return in_train_phase(alt, x, training)


# Losses


def _logits(output: Any, activation: str) -> Any:
    """The input of the activation function that an output comes from, or None."""
    op = getattr(output, "op", None)
    return op.inputs[0] if op is not None and op.type == activation else None


def _inside(output: Any) -> Tensor:
    """Probabilities, kept off 0 and 1."""
    low = as_constant(epsilon(), output.dtype.base_dtype)
    return clip_by_value(output, low, 1.0 - low)


def categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """The cross entropy of classes.

    Args:
        target: The probability of each class, (..., C).
        output: The predicted probabilities, (..., C).
        from_logits: Whether `output` are logits instead.
        axis: The axis of the classes.
    """
    logits = output if from_logits else _logits(output, "Softmax")
    if logits is None:
        output = output / math.reduce_sum(output, axis, True)
        return -math.reduce_sum(target * math.log(_inside(output)), axis)
    return nn.softmax_cross_entropy_with_logits_v2(labels=target, logits=logits)


def sparse_categorical_crossentropy(
    target: Any, output: Any, from_logits: bool = False, axis: int = -1
) -> Tensor:
    """The cross entropy of classes.

    Args:
        target: The number of the class.
        output: The predicted probabilities, (..., C).
        from_logits: Whether `output` are logits instead.
        axis: Must be the last axis.
    """
    logits = output if from_logits else _logits(output, "Softmax")
    if logits is None:
        logits = math.log(_inside(output))
    labels = math.cast(flatten(target), "int64")
    rows = arrays.reshape(logits, [-1, int(logits.shape[-1])])
    loss = nn.sparse_softmax_cross_entropy_with_logits(labels=labels, logits=rows)
    if len(logits.shape) >= 3:
        return arrays.reshape(loss, arrays.shape(logits)[:-1])
    return loss


def binary_crossentropy(target: Any, output: Any, from_logits: bool = False) -> Tensor:
    """The cross entropy of truth values, element by element.

    Args:
        target: 0 or 1, (...).
        output: The predicted probability of 1.
        from_logits: Whether `output` are logits instead.
    """
    logits = output if from_logits else _logits(output, "Sigmoid")
    if logits is None:
        output = _inside(output)
        logits = math.log(output / (1.0 - output))
    return nn.sigmoid_cross_entropy_with_logits(labels=target, logits=logits)
