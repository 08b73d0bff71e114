"""Private: losses over samples of the classes, and the operations that draw them (tf.nn)."""

import csv
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from ..errors import InputError
from .core.conversion import apply, convert_to_tensor
from .core.dtypes import DTYPES
from .core.graph import name_scope
from .core.registry import define, not_differentiable
from .core.shape import TensorShape
from .core.tensors import Operation, Tensor, TensorLike
from .kernels import candidates
from .ops import arrays, math, nn
from .ops.random import op_seeds_now, stream_of
from .ops.sparse import sparse_to_dense
from .state.partitions import PartitionedVariable

__all__ = [
    "all_candidate_sampler",
    "compute_accidental_hits",
    "fixed_unigram_candidate_sampler",
    "log_uniform_candidate_sampler",
    "nce_loss",
    "sampled_softmax_loss",
    "uniform_candidate_sampler",
]


class Candidates(NamedTuple):
    """The results of the samplers."""

    sampled_candidates: Tensor
    true_expected_count: Tensor
    sampled_expected_count: Tensor


def _outputs(op: Operation) -> list:
    true = op.inputs[0].shape.with_rank(2)
    count = op.attrs["num_sampled"]
    expected = [true[0], op.attrs["num_true"]]
    float32 = DTYPES["float32"]
    return [(DTYPES["int64"], [count]), (float32, expected), (float32, [count])]


def _sampler(distribution: Callable) -> Callable:
    def compute(run: Any, op: Operation, true_classes: np.ndarray) -> tuple:
        attrs = op.attrs
        found = candidates.sample(
            stream_of(run, op),
            distribution(op),
            true_classes,
            attrs["num_sampled"],
            attrs["unique"],
        )
        return found.classes, found.expected_true, found.expected

    return compute


def _all(op: Operation, true_classes: np.ndarray) -> tuple:
    count = op.attrs["num_sampled"]
    ones = np.ones(count, np.float32)
    return np.arange(count), np.ones(true_classes.shape, np.float32), ones


_TYPES = {
    "LogUniformCandidateSampler": lambda op: candidates.LogUniform(op.attrs["range_max"]),
    "UniformCandidateSampler": lambda op: candidates.Uniform(op.attrs["range_max"]),
    "FixedUnigramCandidateSampler": lambda op: candidates.Unigrams(op.attrs["weights"]),
}
for _type, _distribution in _TYPES.items():
    define(_type, _outputs, _sampler(_distribution), stateful=True)
define("AllCandidateSampler", _outputs, _all)
not_differentiable(*_TYPES, "AllCandidateSampler")


def _draw(
    op_type: str, true_classes: TensorLike, seed: int | None, name: str | None, **attrs: Any
) -> Candidates:
    attrs |= op_seeds_now(seed)
    kinds = {"true_classes": "int64"}
    given = {"true_classes": true_classes}
    return Candidates(*apply(op_type, given, name=name, attrs=attrs, dtypes=kinds).outputs)


def uniform_candidate_sampler(
    true_classes: TensorLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draw classes that are all as probable.

    Args:
        true_classes: The classes of the examples, (B, num_true), int64.
        num_true: The number of classes of an example.
        num_sampled: The number of classes to draw.
        unique: Whether each class is drawn once at most.
        range_max: The number of classes.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.

    Returns:
        The classes, (num_sampled,), and how often the true classes, (B, num_true), and the drawn
        ones, (num_sampled,), are expected among them.
    """
    attrs = dict(num_true=num_true, num_sampled=num_sampled, unique=unique, range_max=range_max)
    return _draw("UniformCandidateSampler", true_classes, seed, name, **attrs)


def log_uniform_candidate_sampler(
    true_classes: TensorLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draw classes by Zipf's law: they are sorted by frequency, the first one is the most frequent;
    see `uniform_candidate_sampler`.
    """
    attrs = dict(num_true=num_true, num_sampled=num_sampled, unique=unique, range_max=range_max)
    return _draw("LogUniformCandidateSampler", true_classes, seed, name, **attrs)


def all_candidate_sampler(
    true_classes: TensorLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Return all classes; see `uniform_candidate_sampler`."""
    attrs = dict(num_true=num_true, num_sampled=num_sampled, unique=unique)
    return _draw("AllCandidateSampler", true_classes, seed, name, **attrs)


def fixed_unigram_candidate_sampler(
    true_classes: TensorLike,
    num_true: int,
    num_sampled: int,
    unique: bool,
    range_max: int,
    vocab_file: str = "",
    distortion: float = 1.0,
    num_reserved_ids: int = 0,
    num_shards: int = 1,
    shard: int = 0,
    unigrams: Sequence[float] = (),
    seed: int | None = None,
    name: str | None = None,
) -> Candidates:
    """Draw classes with given weights; see `uniform_candidate_sampler`.

    Args:
        vocab_file: A CSV file with the weight of each class in its last column.
        distortion: The power to which weights are raised.
        num_reserved_ids: The number of classes before those with weights, which are never drawn.
        num_shards, shard: Must be 1 and 0.
        unigrams: The weights, instead of a file.

    Raises:
        InputError: Not one of file and weights is given, or their number is not `range_max`.
    """
    if bool(vocab_file) == bool(len(unigrams)):
        raise InputError("Must provide exactly one of vocab_file and unigrams.")
    if (num_shards, shard) != (1, 0):
        raise InputError(f"num_shards={num_shards}, shard={shard}: only 1 and 0 are provided")
    if vocab_file:
        with open(vocab_file, newline="") as file:
            unigrams = [float(row[-1]) for row in csv.reader(file) if row]
    weights = [0.0] * num_reserved_ids + [float(w) ** distortion for w in unigrams]
    if len(weights) != range_max:
        raise InputError(f"range_max is {range_max}, but there are {len(weights)} classes")
    attrs = dict(num_true=num_true, num_sampled=num_sampled, unique=unique, range_max=range_max)
    return _draw("FixedUnigramCandidateSampler", true_classes, seed, name, weights=weights, **attrs)


class AccidentalHits(NamedTuple):
    """The results of `compute_accidental_hits`."""

    indices: Tensor
    ids: Tensor
    weights: Tensor


def _hits(op: Operation, true_classes: np.ndarray, sampled: np.ndarray) -> tuple:
    places = {value: i for i, value in enumerate(sampled.tolist())}
    found = [
        (row, places[value])
        for row, values in enumerate(true_classes.tolist())
        for value in values
        if value in places
    ]
    rows = np.array([row for row, _ in found], np.int32)
    ids = np.array([place for _, place in found], np.int64)
    return rows, ids, np.full(len(found), -np.finfo(np.float32).max, np.float32)


def _hits_outputs(op: Operation) -> list:
    shape = TensorShape([None])
    return [(DTYPES[kind], shape) for kind in ("int32", "int64", "float32")]


define("ComputeAccidentalHits", _hits_outputs, _hits)
not_differentiable("ComputeAccidentalHits")


def compute_accidental_hits(
    true_classes: TensorLike,
    sampled_candidates: TensorLike,
    num_true: int,
    seed: int | None = None,
    name: str | None = None,
) -> AccidentalHits:
    """Where drawn classes are among the true ones.

    Args:
        true_classes: The classes of the examples, (B, num_true), int64.
        sampled_candidates: The drawn classes, (N,), int64.
        num_true: The number of classes of an example.
        seed: Accepted for compatibility.
        name: The name of the operation.

    Returns:
        For each hit the number of the example, the place among the drawn classes, and the smallest
        float32 number.
    """
    attrs = {"num_true": num_true, **op_seeds_now(seed)}
    given = {"true_classes": true_classes, "sampled_candidates": sampled_candidates}
    kinds = dict.fromkeys(given, "int64")
    op = apply("ComputeAccidentalHits", given, name=name, attrs=attrs, dtypes=kinds)
    return AccidentalHits(*op.outputs)


def _sum_rows(x: Tensor) -> Tensor:
    # As a product, whose gradient is faster.
    ones = arrays.ones(arrays.stack([arrays.shape(x)[1], 1]), x.dtype)
    return arrays.reshape(math.matmul(x, ones), [-1])


def _without_hits(
    logits: Tensor, labels: Tensor, sampled: Tensor, num_true: int, num_sampled: int
) -> Tensor:
    """Logits that are minus infinity where a drawn class is a true one."""
    hits = compute_accidental_hits(labels, sampled, num_true=num_true)
    rows = arrays.reshape(hits.indices, [-1, 1])
    columns = arrays.reshape(math.cast(hits.ids, "int32"), [-1, 1])
    places = arrays.concat([rows, columns], 1, "sparse_indices")
    count = arrays.shape(labels)[:1]
    shape = arrays.concat([count, arrays.expand_dims(num_sampled, 0)], 0)
    weights = math.cast(hits.weights, logits.dtype)
    return logits + sparse_to_dense(
        places, shape, weights, default_value=0.0, validate_indices=False
    )


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: TensorLike,
    inputs: TensorLike,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    name: str | None,
    seed: int | None = None,
) -> tuple[Tensor, Tensor]:
    """The logits of the true and of the drawn classes, (B, num_true + num_sampled), and their
    probabilities as labels.
    """
    if isinstance(weights, PartitionedVariable):
        weights = list(weights)
    parts = weights if isinstance(weights, list) else [weights]
    with name_scope(name, "compute_sampled_logits"):
        labels = convert_to_tensor(labels, name="labels")
        labels = math.cast(labels, "int64")
        flat = arrays.reshape(labels, [-1])
        if sampled_values is None:
            sampled_values = log_uniform_candidate_sampler(
                true_classes=labels,
                num_true=num_true,
                num_sampled=num_sampled,
                unique=True,
                range_max=num_classes,
                seed=seed,
            )
        sampled, true_expected, sampled_expected = map(arrays.stop_gradient, sampled_values)
        sampled = math.cast(sampled, "int64")
        ids = arrays.concat([flat, sampled], 0)

        rows = nn.embedding_lookup(parts, ids, partition_strategy=partition_strategy)
        size = arrays.stack([arrays.shape(flat)[0], -1])
        true_w = arrays.slice(rows, [0, 0], size)
        begin = arrays.stack([arrays.shape(flat)[0], 0])
        sampled_w = arrays.slice(rows, begin, [-1, -1])
        sampled_logits = math.matmul(inputs, sampled_w, transpose_b=True)

        bias = nn.embedding_lookup(biases, ids, partition_strategy=partition_strategy)
        true_b = arrays.slice(bias, [0], arrays.shape(flat))
        sampled_b = arrays.slice(bias, arrays.shape(flat), [-1])

        dim = arrays.shape(true_w)[1:2]
        shape = arrays.concat([[-1, num_true], dim], 0)
        products = math.multiply(arrays.expand_dims(inputs, 1), arrays.reshape(true_w, shape))
        products = arrays.reshape(products, arrays.concat([[-1], dim], 0))
        true_logits = arrays.reshape(_sum_rows(products), [-1, num_true])
        true_b = arrays.reshape(true_b, [-1, num_true])
        true_logits = true_logits + true_b
        sampled_logits = sampled_logits + sampled_b

        if remove_accidental_hits:
            sampled_logits = _without_hits(sampled_logits, labels, sampled, num_true, num_sampled)
        true_logits = true_logits - math.log(true_expected)
        sampled_logits = sampled_logits - math.log(sampled_expected)
        logits = arrays.concat([true_logits, sampled_logits], 1)
        share = arrays.ones_like(true_logits) / num_true
        return logits, arrays.concat([share, arrays.zeros_like(sampled_logits)], 1)


def nce_loss(
    weights: Any,
    biases: Any,
    labels: TensorLike,
    inputs: TensorLike,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str = "nce_loss",
) -> Tensor:
    """The loss of noise-contrastive estimation.

    Args:
        weights: The rows of the classes, (num_classes, I), or a list of parts of them.
        biases: (num_classes,).
        labels: The true classes, (B, num_true), whole numbers.
        inputs: (B, I).
        num_sampled: The number of classes to draw.
        num_classes: The number of classes.
        num_true: The number of classes of an example.
        sampled_values: The results of a sampler; None for `log_uniform_candidate_sampler`.
        remove_accidental_hits: Whether drawn classes that are true ones are left out.
        partition_strategy: See `tf.nn.embedding_lookup`.
        name: The name of the scope of the operations.

    Returns:
        The losses, (B,).

    Source: Gutmann and Hyvärinen, Noise-Contrastive Estimation (2010).
    """
    logits, targets = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
        name,
    )
    losses = nn.sigmoid_cross_entropy_with_logits(
        labels=targets, logits=logits, name="sampled_losses"
    )
    return _sum_rows(losses)


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: TensorLike,
    inputs: TensorLike,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """The cross-entropy of a softmax over the true and some drawn classes; see `nce_loss`.

    Args:
        seed: The seed of the sampler; None for the graph's.

    Source: Jean et al., On Using Very Large Target Vocabulary (2015), arXiv:1412.2007.
    """
    logits, targets = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
        name,
        seed,
    )
    targets = arrays.stop_gradient(targets, name="labels_stop_gradient")
    return nn.softmax_cross_entropy_with_logits_v2(labels=targets, logits=logits)
