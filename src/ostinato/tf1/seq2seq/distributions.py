"""Private: draws of helpers: from Bernoulli and from categorical distributions.

The operations are those of TensorFlow's distribution classes, which compute more than the draws.
"""

from typing import Any

import numpy as np

from ..core.constant import constant, constant_value
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..ops import arrays, math, nn
from ..ops.random import multinomial, random_uniform

__all__ = ["draw_bernoulli", "draw_categorical"]


def _sample_sizes(sample_shape: Any) -> tuple[Tensor, Any]:
    """The shape of a sample as a tensor of one dimension, and the number of its draws."""
    sizes = convert_to_tensor(sample_shape, dtype="int32", name="sample_shape")
    known = constant_value(sizes)
    count = math.reduce_prod(sizes) if known is None else np.prod(known, dtype=np.int32)
    if sizes.shape.ndims == 0:
        if known is None:
            sizes = arrays.reshape(sizes, [1])
        else:
            sizes = convert_to_tensor(np.array([known], np.int32), name="sample_shape")
    return sizes, count


def _batch_shape(scope: str, shape: TensorShape, sizes: Any) -> Tensor:
    """The shape of a batch of distributions, `sizes()` where it is known only in a run."""
    with name_scope(scope), name_scope("batch_shape_tensor"):
        if shape.is_fully_defined():
            return convert_to_tensor(shape.as_list(), dtype="int32", name="batch_shape")
        return sizes()


def _shaped(draws: Tensor, sizes: Tensor, batch: TensorShape) -> Tensor:
    """Draws (N, ...) in the shape of the sample."""
    rest = arrays.shape(draws)[1:]
    result = arrays.reshape(draws, arrays.concat([sizes, rest], 0))
    known = constant_value(sizes)
    first = TensorShape(None) if known is None else TensorShape(known.tolist())
    if known is None and sizes.shape.is_fully_defined():
        first = TensorShape([None] * int(sizes.shape[0]))
    result.set_shape(first.concatenate(batch))
    return result


def draw_bernoulli(probs: Tensor, count: Any, dtype: Any, seed: int | None = None) -> Tensor:
    """Truth values.

    Args:
        probs: The probability of True or 1, a float tensor.
        count: The number of draws for each probability, ().
        dtype: The dtype of the draws.
        seed: The seed of the random operation; None for the graph's.

    Returns:
        The draws, (count, ...).
    """
    with name_scope("Bernoulli") as scope:
        with name_scope("logits"):
            logits = math.log(probs) - math.log1p(-1.0 * probs)
    with name_scope(scope), name_scope("sample"):
        sizes, n = _sample_sizes(count)
        batch = _batch_shape(scope, logits.shape, lambda: arrays.shape(logits))
        uniform = random_uniform(arrays.concat([[n], batch], 0), seed=seed, dtype=probs.dtype)
        draws = math.cast(math.less(uniform, probs), dtype)
        return _shaped(draws, sizes, logits.shape)


def draw_categorical(logits: Tensor, seed: int | None = None) -> Tensor:
    """One class for each distribution.

    Args:
        logits: Unnormalised log-probabilities, (..., C).
        seed: The seed of the random operation; None for the graph's.

    Returns:
        The classes, (...), int32.
    """
    with name_scope("Categorical") as scope:
        logits = convert_to_tensor(logits, name="logits")
        nn.softmax(logits, name="probs")
        batch = logits.shape[:-1]
        rank = convert_to_tensor(len(logits.shape) - 1, dtype="int32", name="batch_rank")
        sizes = arrays.shape(logits, name="logits_shape")
        if logits.shape[-1].value is not None:
            classes = convert_to_tensor(logits.shape[-1].value, dtype="int32", name="event_size")
        else:
            with name_scope("event_size"):
                classes = sizes[rank]
        if batch.is_fully_defined():
            first = constant(batch.as_list(), dtype="int32", name="batch_shape")
        else:
            with name_scope("batch_shape"):
                first = sizes[:-1]
    with name_scope(scope), name_scope("sample"):
        shape, n = _sample_sizes(())
        flat = logits if len(logits.shape) == 2 else arrays.reshape(logits, [-1, classes])
        draws = arrays.transpose(multinomial(flat, n, seed=seed, output_dtype="int32"))
        rows = _batch_shape(scope, batch, lambda: arrays.identity(first))
        draws = arrays.reshape(draws, arrays.concat([[n], rows], 0))
        return _shaped(draws, shape, batch)
