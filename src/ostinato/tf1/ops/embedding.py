"""Private: rows of embeddings, which may be split over several tensors."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.shape import Dimension
from ..core.sparse import SparseTensor
from ..core.tensors import Tensor, TensorLike
from . import arrays, math
from .partitions import dynamic_partition, parallel_dynamic_stitch
from .sparse_segments import sparse_segment_mean, sparse_segment_sqrt_n, sparse_segment_sum

__all__ = ["embedding_lookup", "embedding_lookup_sparse"]


def _rank(x: Any) -> tuple[Any, bool]:
    ndims = convert_to_tensor(x).shape.ndims
    return (ndims, True) if ndims else (arrays.rank(x), False)


def _clipped(rows: Tensor, ids: Tensor, max_norm: float | None) -> Tensor:
    """Each row cut to a length."""
    if max_norm is None:
        return rows
    from ..train.clipping import clip_by_norm  # optimizers need this package

    first, first_known = _rank(ids)
    end, end_known = _rank(rows)
    known = first_known and end_known
    axes = list(range(first, end)) if known else math.range(first, end)
    return clip_by_norm(rows, max_norm, axes=axes)


def _parts(params: Any) -> list:
    if params is None or (isinstance(params, (list, tuple)) and not params):
        raise InputError("Need at least one param: give tf.nn.embedding_lookup a variable")
    if hasattr(params, "as_tensor"):  # a partitioned variable
        return list(params)
    return list(params) if isinstance(params, list) else [params]


def _reads(params: list) -> list:
    # A resource variable is gathered from without reading all of it.
    if any(hasattr(p, "sparse_read") for p in params):
        return params
    if len(params) == 1:
        return [convert_to_tensor(params[0], name="params")]
    return [convert_to_tensor(p, name=f"params_{i}") for i, p in enumerate(params)]


def _total_rows(params: list, ids: Tensor) -> Tensor:
    known = [Dimension(p.shape[0]) for p in params]
    total = sum(known[1:], known[0])
    if total.value:
        return constant(total.value, ids.dtype)
    sizes = [
        arrays.shape(p)[0] if size.value is None else size.value for p, size in zip(params, known)
    ]
    return math.reduce_sum(math.cast(arrays.stack(sizes), ids.dtype))


def _assigned(params: list, ids: Tensor, strategy: str) -> tuple[Tensor, Tensor]:
    """The part and the row in that part of each id."""
    count = len(params)
    if strategy == "mod":
        return ids % count, ids // count
    if strategy != "div":
        raise InputError(f"Unrecognized partition strategy: {strategy}: give 'mod' or 'div'")
    total = _total_rows(params, ids)
    each = total // count
    larger = total % count
    # The first parts have one row more.
    parts = math.maximum(ids // (each + 1), (ids - larger) // each)
    rows = arrays.where(parts < larger, ids % (each + 1), (ids - larger) % each)
    return parts, rows


def embedding_lookup(
    params: Any,
    ids: TensorLike,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: float | None = None,
) -> Tensor:
    """Rows of an embedding.

    Args:
        params: The embedding, (V, ...), a partitioned variable, or a list of parts of it.
        ids: The numbers of the rows, of any shape.
        partition_strategy: Which rows are in which part: "mod" for every n-th one, "div" for
            consecutive ones.
        name: The name of the operation.
        validate_indices: Accepted for compatibility; ignored.
        max_norm: The length to which longer rows are cut; None for no limit.

    Returns:
        The rows, of the shape of `ids` and that of a row.

    Raises:
        InputError: `params` is empty, or the strategy is unknown.
    """
    parts = _parts(params)
    with name_scope(name, "embedding_lookup") as scope:
        parts = _reads(parts)
        ids = convert_to_tensor(ids, name="ids")
        if len(parts) == 1:
            rows = _clipped(arrays.gather(parts[0], ids, name=scope), ids, max_norm)
            return arrays.identity(rows)
        flat = arrays.reshape(ids, [-1])
        places = math.range(arrays.size(flat))
        assigned, rows = _assigned(parts, flat, partition_strategy)
        assigned = math.cast(assigned, "int32")
        wanted = dynamic_partition(rows, assigned, len(parts))
        places_by_part = dynamic_partition(places, assigned, len(parts))
        found = [arrays.gather(p, w) for p, w in zip(parts, wanted)]
        result = parallel_dynamic_stitch(places_by_part, found, name=scope)
        row = parts[0].shape[1:]
        for p in parts[1:]:
            row = row.merge_with(p.shape[1:])
        sizes = row if row.is_fully_defined() else arrays.shape(parts[0])[1:]
        result = arrays.reshape(result, arrays.concat([arrays.shape(ids), sizes], 0))
        result.set_shape(ids.shape.concatenate(row))
        return _clipped(result, ids, max_norm)


_COMBINERS = ("mean", "sqrtn", "sum")


def embedding_lookup_sparse(
    params: Any,
    sp_ids: SparseTensor,
    sp_weights: SparseTensor | None,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: float | None = None,
) -> Tensor:
    """For each row of ids, the sum or mean of rows of an embedding.

    Args:
        params: See `embedding_lookup`.
        sp_ids: The numbers of the rows, (N, M), sparse.
        sp_weights: Their weights, with the same indices; None for 1.
        partition_strategy: See `embedding_lookup`.
        name: The name of the operation.
        combiner: "sum", "mean" (the default) or "sqrtn": the weighted sum, divided by the sum of
            the weights, or by the root of the sum of their squares.
        max_norm: See `embedding_lookup`.

    Raises:
        InputError: The ids are not sparse, or the combiner is another one.
    """
    if not isinstance(sp_ids, SparseTensor) or not isinstance(sp_weights, SparseTensor | None):
        raise InputError("sp_ids must be SparseTensor, and sp_weights SparseTensor or None")
    combiner = combiner or "mean"
    if combiner not in _COMBINERS:
        raise InputError(f"combiner {combiner!r}: must be one of {', '.join(_COMBINERS)}")
    with name_scope(name, "embedding_lookup_sparse") as scope:
        segments = math.cast(sp_ids.indices[:, 0], "int32")
        if sp_weights is None:
            ids, places = arrays.unique(sp_ids.values)
            rows = embedding_lookup(params, ids, partition_strategy, max_norm=max_norm)
            reduce: Callable = {
                "sum": sparse_segment_sum,
                "mean": sparse_segment_mean,
                "sqrtn": sparse_segment_sqrt_n,
            }[combiner]
            return reduce(rows, places, segments, name=scope)
        rows = embedding_lookup(params, sp_ids.values, partition_strategy, max_norm=max_norm)
        weights = math.cast(sp_weights.values, rows.dtype)
        ones: Sequence[int] | Tensor = arrays.fill(arrays.expand_dims(arrays.rank(rows) - 1, 0), 1)
        shape = arrays.concat([arrays.shape(weights), ones], 0)
        weights = arrays.reshape(weights, shape)
        rows = rows * weights
        if combiner == "sum":
            return math.segment_sum(rows, segments, name=scope)
        total = math.segment_sum(rows, segments)
        if combiner == "mean":
            return math.div(total, math.segment_sum(weights, segments), name=scope)
        squares = math.segment_sum(math.pow(weights, 2), segments)
        return math.div(total, math.sqrt(squares), name=scope)
