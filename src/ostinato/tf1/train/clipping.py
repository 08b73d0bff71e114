"""Private: limits on values and on the norms of gradients."""

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentTypeError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import name_scope
from ..core.tensors import IndexedSlices, Tensor, TensorLike
from ..flow.flow_ops import with_dependencies
from ..ops import arrays, math, nn

__all__ = [
    "clip_by_average_norm",
    "clip_by_global_norm",
    "clip_by_norm",
    "clip_by_value",
    "global_norm",
    "verify_tensor_all_finite",
]


def _values(t: TensorLike | IndexedSlices, name: str = "t") -> Tensor:
    return convert_to_tensor(t.values if isinstance(t, IndexedSlices) else t, name=name)


def _like(t: TensorLike | IndexedSlices, values: Tensor) -> Any:
    if isinstance(t, IndexedSlices):
        return IndexedSlices(values, t.indices, t.dense_shape)
    return values


def clip_by_value(
    t: TensorLike | IndexedSlices,
    clip_value_min: TensorLike,
    clip_value_max: TensorLike,
    name: str | None = None,
) -> Any:
    """Values within two bounds.

    Args:
        t: A tensor, or IndexedSlices.
        clip_value_min, clip_value_max: The bounds, of its shape or of one that is broadcast to it.
        name: The name of the operations.

    Raises:
        SizeError: A bound has more dimensions than the values.
    """
    with name_scope(name, "clip_by_value") as scope:
        values = _values(t)
        below = math.minimum(values, clip_value_max)
        values.shape.merge_with(below.shape)
        clipped = math.maximum(below, clip_value_min, name=scope)
        values.shape.merge_with(clipped.shape)
    return _like(t, clipped)


def clip_by_norm(
    t: TensorLike | IndexedSlices,
    clip_norm: TensorLike,
    axes: Any = None,
    name: str | None = None,
) -> Any:
    """Values scaled so that their norm is a given one at most.

    Args:
        t: A tensor, or IndexedSlices.
        clip_norm: The largest norm.
        axes: The dimensions that a norm is taken over; None for all.
        name: The name of the operations.
    """
    with name_scope(name, "clip_by_norm") as scope:
        values: Any = _values(t)
        squares = math.reduce_sum(values * values, axes, keepdims=True)
        positive = squares > 0  # type: ignore[operator]
        # The square root has no gradient at 0.
        safe = arrays.where(positive, squares, arrays.ones_like(squares))
        norm = arrays.where(positive, math.sqrt(safe), squares)
        scaled = values * clip_norm
        values.shape.merge_with(scaled.shape)
        clipped = arrays.identity(scaled / math.maximum(norm, clip_norm), name=scope)
    return _like(t, clipped)


def clip_by_average_norm(t: TensorLike, clip_norm: TensorLike, name: str | None = None) -> Tensor:
    """Values scaled so that their norm divided by their number is a given one at most.

    Args:
        t: A tensor.
        clip_norm: The largest average norm.
        name: The name of the operations.
    """
    with name_scope(name, "clip_by_average_norm") as scope:
        values: Any = convert_to_tensor(t, name="t")
        count = math.cast(arrays.size(values), DTYPES["float32"])
        inverse = math.rsqrt(math.reduce_sum(values * values, math.range(arrays.rank(values))))
        scaled = values * clip_norm
        limit = math.minimum(inverse * count, constant(1.0) / clip_norm)  # type: ignore[operator]
        return arrays.identity(scaled * limit, name=scope)


def _listed(t_list: Any, call: str) -> list:
    if not isinstance(t_list, Sequence) or isinstance(t_list, str):
        raise ArgumentTypeError(
            f"t_list should be a sequence: {call} was given {t_list!r}; give a list of tensors"
        )
    return list(t_list)


def global_norm(t_list: Sequence, name: str | None = None) -> Tensor:
    """The norm of several tensors together.

    Args:
        t_list: Tensors, IndexedSlices and Nones, which are left out.
        name: The name of the operations.
    """
    tensors = _listed(t_list, "tf.global_norm")
    with name_scope(name, "global_norm"):
        values = [_values(t, f"t_{i}") for i, t in enumerate(tensors) if t is not None]
        halves = math.reduce_sum(arrays.stack([nn.l2_loss(v) for v in values]))
        return math.sqrt(halves * constant(2.0, dtype=halves.dtype), name="global_norm")  # type: ignore[operator]


def clip_by_global_norm(
    t_list: Sequence, clip_norm: TensorLike, use_norm: Tensor | None = None, name: str | None = None
) -> tuple[list, Tensor]:
    """Several tensors scaled so that their norm together is a given one at most.

    Args:
        t_list: Tensors, IndexedSlices and Nones, which stay None.
        clip_norm: The largest norm.
        use_norm: Their norm, if it is known; None to compute it.
        name: The name of the operations.

    Returns:
        The scaled tensors and their norm before. A run where the norm is infinite or not a number
        fails with an InvalidArgumentError.
    """
    tensors = _listed(t_list, "tf.clip_by_global_norm")
    norm = global_norm(tensors, name) if use_norm is None else use_norm
    norm = verify_tensor_all_finite(norm, "Found Inf or NaN global norm.")
    with name_scope(name, "clip_by_global_norm") as scope:
        one = 1.0 / norm  # type: ignore[operator]
        limit = constant(1.0, dtype=norm.dtype) / clip_norm  # type: ignore[operator]
        scale = clip_norm * math.minimum(one, limit)  # type: ignore[operator]
        clipped: list = []
        values = [None if t is None else _values(t, f"t_{i}") for i, t in enumerate(tensors)]
        for i, (t, v) in enumerate(zip(tensors, values)):
            scaled = None
            if v is not None:
                scaled = _like(t, arrays.identity(v * scale, name=f"{scope}_{i}"))
            clipped.append(scaled)
    return clipped, norm


def verify_tensor_all_finite(t: TensorLike, msg: str, name: str | None = None) -> Tensor:
    """A tensor, whose run fails where a value is infinite or not a number.

    Args:
        t: The tensor.
        msg: The message of the error.
        name: The name of the operations.
    """
    with name_scope(name, "VerifyFinite"):
        tensor = convert_to_tensor(t, name="t")
        check = math.check_numerics(tensor, message=msg)
        return with_dependencies([check], tensor)  # type: ignore[return-value]
