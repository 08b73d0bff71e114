"""Private: connectionist temporal classification (tf.nn.ctc_loss and decoders)."""

from collections.abc import Callable
from typing import Any

import numpy as np

from ..errors import InputError, SizeError
from .core.constant import constant_value
from .core.conversion import apply
from .core.dtypes import DTYPES
from .core.registry import define, gradient, not_differentiable
from .core.shape import TensorShape
from .core.sparse import SparseTensor
from .core.tensors import Operation, Tensor, TensorLike
from .kernels import ctc as kernels
from .ops import arrays

__all__ = ["ctc_beam_search_decoder", "ctc_greedy_decoder", "ctc_loss", "edit_distance"]


def _batch(op: Operation) -> Any:
    lengths = op.inputs[-1].shape.with_rank(1)
    return op.inputs[0].shape.with_rank(3)[1].merge_with(lengths[0])


def _lengths(logits: np.ndarray, lengths: np.ndarray) -> list[int]:
    if lengths.size and lengths.max() > len(logits):
        raise ValueError(
            f"sequence_length {lengths.tolist()} is longer than the {len(logits)} steps"
        )
    return lengths.tolist()


def _loss(
    op: Operation,
    logits: np.ndarray,
    indices: np.ndarray,
    values: np.ndarray,
    lengths: np.ndarray,
) -> tuple:
    classes = logits.shape[2]
    if values.size and not (0 <= values.min() and values.max() < classes - 1):
        raise ValueError(
            f"labels {values.tolist()} must be from 0 to {classes - 2}: the last of the {classes} "
            "classes is the blank"
        )
    losses, gradients = np.zeros(logits.shape[1], logits.dtype), np.zeros_like(logits)
    for b, length in enumerate(_lengths(logits, lengths)):
        labels = values[indices[:, 0] == b].tolist()
        collapse = op.attrs["preprocess_collapse_repeated"]
        count = len([c for i, c in enumerate(labels) if not collapse or labels[i - 1 : i] != [c]])
        if length == 0:
            continue
        if count > length:
            if op.attrs["ignore_longer_outputs_than_inputs"]:
                continue
            raise ValueError(
                f"Not enough time for target transition sequence (required: {count}, available: "
                f"{length}): row {b}"
            )
        found = kernels.loss(
            logits[:length, b], labels, collapse=collapse, merge=op.attrs["ctc_merge_repeated"]
        )
        losses[b], gradients[:length, b] = found
    return losses, gradients


def _loss_outputs(op: Operation) -> list:
    logits = op.inputs[0]
    return [(logits.dtype.base_dtype, [_batch(op)]), (logits.dtype.base_dtype, logits.shape)]


def _sparse(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    places = [(b, i) for b, labels in enumerate(rows) for i in range(len(labels))]
    indices = np.array(places, np.int64).reshape(-1, 2)
    values = np.array([c for labels in rows for c in labels], np.int64)
    shape = np.array([len(rows), max(map(len, rows), default=0)], np.int64)
    return indices, values, shape


def _greedy(op: Operation, logits: np.ndarray, lengths: np.ndarray) -> tuple:
    found = [
        kernels.greedy(logits[:length, b], op.attrs["merge_repeated"])
        for b, length in enumerate(_lengths(logits, lengths))
    ]
    scores = np.array([[score] for _, score in found], logits.dtype).reshape(-1, 1)
    return (*_sparse([labels for labels, _ in found]), scores)


def _beams(op: Operation, logits: np.ndarray, lengths: np.ndarray) -> tuple:
    paths = op.attrs["top_paths"]
    found = [
        kernels.beam_search(
            logits[:length, b], op.attrs["beam_width"], paths, op.attrs["merge_repeated"]
        )
        for b, length in enumerate(_lengths(logits, lengths))
    ]
    if any(len(row) < paths for row in found):
        raise ValueError(f"fewer than top_paths={paths} sequences were found: lower top_paths")
    sparse = [_sparse([row[k][0] for row in found]) for k in range(paths)]
    scores = np.array([[score for _, score in row] for row in found], logits.dtype)
    return (*(part for parts in zip(*sparse) for part in parts), scores.reshape(-1, paths))


def _decoder_outputs(paths: Callable) -> Callable:
    def outputs(op: Operation) -> list:
        long, count = DTYPES["int64"], paths(op)
        kinds = [TensorShape([None, 2]), TensorShape([None]), TensorShape([2])]
        parts = [(long, kind) for kind in kinds for _ in range(count)]
        return [*parts, (op.inputs[0].dtype.base_dtype, [_batch(op), count])]

    return outputs


define("CTCLoss", _loss_outputs, _loss)
define("CTCGreedyDecoder", _decoder_outputs(lambda op: 1), _greedy)
define("CTCBeamSearchDecoder", _decoder_outputs(lambda op: op.attrs["top_paths"]), _beams)
not_differentiable("CTCGreedyDecoder", "CTCBeamSearchDecoder")


def ctc_loss(
    labels: SparseTensor,
    inputs: TensorLike,
    sequence_length: TensorLike,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
) -> Tensor:
    """The loss of connectionist temporal classification.

    Args:
        labels: The classes of each row, sparse, int32, from 0 to C - 2.
        inputs: Unnormalised log-probabilities, (T, B, C); the last class is the blank.
        sequence_length: The number of steps of each row, (B,), int32.
        preprocess_collapse_repeated: Whether equal neighbours among the labels count as one.
        ctc_merge_repeated: Whether equal neighbours on a path count as one.
        ignore_longer_outputs_than_inputs: Whether rows with more labels than steps have the loss 0;
            otherwise they are an error.
        time_major: Whether the inputs are (T, B, C); otherwise (B, T, C).

    Returns:
        The losses, (B,).

    Raises:
        InputError: The labels are not sparse.

    Source: Graves et al., Connectionist Temporal Classification (2006).
    """
    if not isinstance(labels, SparseTensor):
        raise InputError(
            f"Expected labels (first argument) to be a SparseTensor, not {labels!r}: use "
            "tf.SparseTensor, or tf.sparse_placeholder(tf.int32)"
        )
    if not time_major:
        inputs = arrays.transpose(inputs, [1, 0, 2])
    given = {
        "inputs": inputs,
        "labels_indices": labels.indices,
        "labels_values": labels.values,
        "sequence_length": sequence_length,
    }
    attrs = {
        "preprocess_collapse_repeated": preprocess_collapse_repeated,
        "ctc_merge_repeated": ctc_merge_repeated,
        "ignore_longer_outputs_than_inputs": ignore_longer_outputs_than_inputs,
    }
    kinds = {"labels_values": "int32", "sequence_length": "int32"}
    return apply("CTCLoss", given, attrs=attrs, dtypes=kinds).outputs[0]


@gradient("CTCLoss")
def _loss_gradient(op: Operation, grad: Tensor, _: Any) -> list:
    message = "The second derivative of ctc_loss cannot be taken"
    derivative = arrays.prevent_gradient(op.outputs[1], message=message)
    return [arrays.expand_dims(grad, -1) * derivative, None, None, None]


def ctc_greedy_decoder(
    inputs: TensorLike, sequence_length: TensorLike, merge_repeated: bool = True
) -> tuple[list[SparseTensor], Tensor]:
    """The labels of the most probable class of each step.

    Args:
        inputs, sequence_length: See `ctc_loss`.
        merge_repeated: Whether equal neighbours count as one.

    Returns:
        A list with the labels, sparse, (B, longest), and minus the sums of the logits, (B, 1).
    """
    given = {"inputs": inputs, "sequence_length": sequence_length}
    attrs = {"merge_repeated": merge_repeated}
    kinds = {"sequence_length": "int32"}
    op = apply("CTCGreedyDecoder", given, attrs=attrs, dtypes=kinds)
    return [SparseTensor(*op.outputs[:3])], op.outputs[3]


def ctc_beam_search_decoder(
    inputs: TensorLike,
    sequence_length: TensorLike,
    beam_width: int = 100,
    top_paths: int = 1,
    merge_repeated: bool = True,
) -> tuple[list[SparseTensor], Tensor]:
    """The most probable sequences of labels.

    Args:
        inputs, sequence_length: See `ctc_loss`.
        beam_width: The number of sequences kept after each step.
        top_paths: The number of sequences returned.
        merge_repeated: Whether equal neighbours in a result count as one.

    Returns:
        The labels of each result, sparse, (B, longest), and the log-probabilities, (B, top_paths).

    Raises:
        SizeError: `top_paths` is larger than `beam_width`.
    """
    if not 0 < top_paths <= beam_width:
        raise SizeError(f"top_paths={top_paths} must be from 1 to beam_width={beam_width}")
    given = {"inputs": inputs, "sequence_length": sequence_length}
    attrs = {"beam_width": beam_width, "top_paths": top_paths, "merge_repeated": merge_repeated}
    kinds = {"sequence_length": "int32"}
    op = apply("CTCBeamSearchDecoder", given, attrs=attrs, dtypes=kinds)
    parts = [op.outputs[k * top_paths : (k + 1) * top_paths] for k in range(3)]
    return [SparseTensor(*triple) for triple in zip(*parts)], op.outputs[-1]


# Edit distance


def _outer_sizes(first: Any, second: Any) -> list[int]:
    return [max(int(a), int(b)) for a, b in zip(first[:-1], second[:-1])]


def _distance_outputs(op: Operation) -> list:
    shapes = [constant_value(op.inputs[i]) for i in (2, 5)]
    known = all(s is not None for s in shapes)
    return [(DTYPES["float32"], TensorShape(_outer_sizes(*shapes) if known else None))]


def _sequences(indices: np.ndarray, values: np.ndarray) -> dict[tuple, list]:
    found: dict[tuple, list] = {}
    for place, value in zip(indices.tolist(), values.tolist()):
        found.setdefault(tuple(place[:-1]), []).append(value)
    return found


def _distances(op: Operation, *given: np.ndarray) -> np.ndarray:
    hypotheses, truths = _sequences(*given[0:2]), _sequences(*given[3:5])
    result = np.zeros(_outer_sizes(given[2], given[5]), np.float32)
    for place in {**hypotheses, **truths}:
        truth = truths.get(place, [])
        distance = float(kernels.edit_distance(hypotheses.get(place, []), truth))
        if op.attrs["normalize"]:
            distance = distance / len(truth) if truth else np.inf
        result[place] = distance
    return result


define("EditDistance", _distance_outputs, _distances)
not_differentiable("EditDistance")


def edit_distance(
    hypothesis: SparseTensor,
    truth: SparseTensor,
    normalize: bool = True,
    name: str = "edit_distance",
) -> Tensor:
    """The Levenshtein distances between sequences.

    Args:
        hypothesis: The sequences along the last dimension, sparse.
        truth: The right sequences, sparse, of the same dtype.
        normalize: Whether to divide by the length of the right sequence.
        name: The name of the operation.

    Raises:
        InputError: They are not sparse.
    """
    for argument, value in (("hypothesis", hypothesis), ("truth", truth)):
        if not isinstance(value, SparseTensor):
            raise InputError(f"{argument} must be a SparseTensor, not {value!r}")
    given = {
        "hypothesis_indices": hypothesis.indices,
        "hypothesis_values": hypothesis.values,
        "hypothesis_shape": hypothesis.dense_shape,
        "truth_indices": truth.indices,
        "truth_values": truth.values,
        "truth_shape": truth.dense_shape,
    }
    attrs = {"normalize": normalize}
    return apply("EditDistance", given, name=name, attrs=attrs).outputs[0]
