"""Private: linear-chain conditional random fields (tf.contrib.crf).

Shapes: B rows, T steps, C tags.
"""

from typing import Any

import numpy as np

from ..errors import SizeError
from .core.constant import constant, constant_value
from .core.conversion import convert_to_tensor
from .core.tensors import Tensor, TensorLike
from .flow.control_flow import cond
from .ops import arrays, math
from .rnn.cells import RNNCell
from .rnn.dynamic import dynamic_rnn
from .state import scopes

__all__ = [
    "CrfDecodeBackwardRnnCell",
    "CrfDecodeForwardRnnCell",
    "CrfForwardRnnCell",
    "crf_binary_score",
    "crf_decode",
    "crf_log_likelihood",
    "crf_log_norm",
    "crf_multitag_sequence_score",
    "crf_sequence_score",
    "crf_unary_score",
    "viterbi_decode",
]


def _known(size: Any) -> Any:
    return getattr(size, "value", size)


def _is_one_step(inputs: Tensor) -> Any:
    """Whether T is 1: known, or as a tensor."""
    steps = inputs.shape[1].value
    return math.equal(steps or arrays.shape(inputs)[1], 1)


def _choose(pred: Tensor, single: Any, multi: Any) -> Any:
    """The result of one of two functions; only one is built where the condition is known."""
    value = constant_value(pred)
    if value is None:
        return cond(pred, true_fn=single, false_fn=multi)
    return single() if value else multi()


def crf_sequence_score(
    inputs: TensorLike,
    tag_indices: TensorLike,
    sequence_lengths: TensorLike,
    transition_params: TensorLike,
) -> Tensor:
    """The unnormalised scores of sequences of tags, (B,).

    Args:
        inputs: The scores of the tags in each step, (B, T, C).
        tag_indices: The tags, (B, T).
        sequence_lengths: The number of steps of each row, (B,).
        transition_params: The scores of tags after tags, (C, C).
    """
    inputs, tags = convert_to_tensor(inputs), convert_to_tensor(tag_indices)

    def single() -> Tensor:
        rows = math.range(arrays.shape(inputs)[0], dtype=tags.dtype)
        places = arrays.concat([arrays.expand_dims(rows, -1), tags], axis=1)
        scores = arrays.gather_nd(arrays.squeeze(inputs, [1]), places)
        return _zero_if_empty(scores, sequence_lengths)

    def multi() -> Tensor:
        unary = crf_unary_score(tags, sequence_lengths, inputs)
        binary = crf_binary_score(tags, sequence_lengths, transition_params)
        return unary + binary

    return _choose(_is_one_step(inputs), single, multi)


def _zero_if_empty(scores: Tensor, lengths: TensorLike) -> Tensor:
    return arrays.where(math.less_equal(lengths, 0), arrays.zeros_like(scores), scores)


def crf_multitag_sequence_score(
    inputs: TensorLike,
    tag_bitmap: TensorLike,
    sequence_lengths: TensorLike,
    transition_params: TensorLike,
) -> Tensor:
    """The unnormalised scores of all sequences of permitted tags, (B,).

    Args:
        inputs, sequence_lengths, transition_params: See `crf_sequence_score`.
        tag_bitmap: Which tags are permitted in each step, (B, T, C), truth values.
    """
    inputs, allowed = convert_to_tensor(inputs), convert_to_tensor(tag_bitmap)

    def permitted() -> Tensor:
        never = arrays.fill(arrays.shape(inputs), -np.float32(np.inf))
        return arrays.where(allowed, inputs, never)

    def single() -> Tensor:
        return math.reduce_logsumexp(permitted(), axis=[1, 2], keepdims=False)

    def multi() -> Tensor:
        return crf_log_norm(permitted(), sequence_lengths, transition_params)

    return _choose(_is_one_step(inputs), single, multi)


def crf_log_norm(
    inputs: TensorLike, sequence_lengths: TensorLike, transition_params: TensorLike
) -> Tensor:
    """The logarithms of the sums over all sequences of tags, (B,); see `crf_sequence_score`."""
    inputs = convert_to_tensor(inputs)
    first = arrays.slice(inputs, [0, 0, 0], [-1, 1, -1])
    first = arrays.squeeze(first, [1])

    def single() -> Tensor:
        return _zero_if_empty(math.reduce_logsumexp(first, [1]), sequence_lengths)

    def multi() -> Tensor:
        rest = arrays.slice(inputs, [0, 1, 0], [-1, -1, -1])
        cell = CrfForwardRnnCell(transition_params)
        _, alphas = dynamic_rnn(
            cell=cell,
            inputs=rest,
            sequence_length=_one_less(sequence_lengths),
            initial_state=first,
            dtype="float32",
        )
        return _zero_if_empty(math.reduce_logsumexp(alphas, [1]), sequence_lengths)

    return _choose(_is_one_step(inputs), single, multi)


def _one_less(lengths: TensorLike) -> Tensor:
    lengths = convert_to_tensor(lengths)
    return math.maximum(constant(0, dtype=lengths.dtype), lengths - 1)


def crf_log_likelihood(
    inputs: TensorLike,
    tag_indices: TensorLike,
    sequence_lengths: TensorLike,
    transition_params: TensorLike | None = None,
) -> tuple[Tensor, Any]:
    """The log-likelihoods of sequences of tags.

    Args:
        inputs, tag_indices, sequence_lengths: See `crf_sequence_score`.
        transition_params: The scores of tags after tags, (C, C); None for a variable `transitions`.

    Returns:
        The log-likelihoods, (B,), and the scores of tags after tags.

    Raises:
        SizeError: The number of tags is not known.
    """
    inputs = convert_to_tensor(inputs)
    tags = inputs.shape.with_rank(3)[2].value
    if tags is None:
        raise SizeError(f"crf_log_likelihood was given {inputs}: give it a known last size")
    if transition_params is None:
        transition_params = scopes.get_variable("transitions", [tags, tags])
    scores = crf_sequence_score(inputs, tag_indices, sequence_lengths, transition_params)
    norm = crf_log_norm(inputs, sequence_lengths, transition_params)
    return scores - norm, transition_params


def crf_unary_score(
    tag_indices: TensorLike, sequence_lengths: TensorLike, inputs: TensorLike
) -> Tensor:
    """The sums of the scores of the tags in each step, (B,); see `crf_sequence_score`."""
    tags, inputs = convert_to_tensor(tag_indices), convert_to_tensor(inputs)
    rows, steps, classes = (arrays.shape(inputs)[i] for i in range(3))
    flat = arrays.reshape(inputs, [-1])
    offsets = arrays.expand_dims(math.range(rows) * steps * classes, 1)
    offsets = offsets + arrays.expand_dims(math.range(steps) * classes, 0)
    if tags.dtype.base_dtype.name == "int64":
        offsets = math.to_int64(offsets)
    places = arrays.reshape(offsets + tags, [-1])
    scores = arrays.reshape(arrays.gather(flat, places), [rows, steps])
    masks = _masks(sequence_lengths, tags)
    return math.reduce_sum(scores * masks, 1)


def _masks(lengths: TensorLike, tags: Tensor) -> Tensor:
    return arrays.sequence_mask(lengths, maxlen=arrays.shape(tags)[1], dtype="float32")


def crf_binary_score(
    tag_indices: TensorLike, sequence_lengths: TensorLike, transition_params: TensorLike
) -> Tensor:
    """The sums of the scores of tags after tags, (B,); see `crf_sequence_score`."""
    tags = convert_to_tensor(tag_indices)
    classes = transition_params.shape[0]
    count = arrays.shape(tags)[1] - 1
    before = arrays.slice(tags, [0, 0], [-1, count])
    after = arrays.slice(tags, [0, 1], [-1, count])
    places = before * _known(classes) + after
    flat = arrays.reshape(transition_params, [-1])
    scores = arrays.gather(flat, places)
    masks = arrays.slice(_masks(sequence_lengths, tags), [0, 1], [-1, -1])
    return math.reduce_sum(scores * masks, 1)


class _CrfCell(RNNCell):
    """A cell over the steps of a random field."""

    def __init__(self, tags: Any):
        # As in TensorFlow these cells do not become layers, which would take a name.
        self._num_tags = _known(tags)

    @property
    def state_size(self) -> int:
        """The number of tags."""
        return self._num_tags

    @property
    def output_size(self) -> int:
        """The number of tags."""
        return self._num_tags


class CrfForwardRnnCell(_CrfCell):
    """Sums over the sequences up to each step; see `crf_log_norm`.

    Args:
        transition_params: The scores of tags after tags, (C, C).
    """

    def __init__(self, transition_params: TensorLike):
        self._transition_params = arrays.expand_dims(transition_params, 0)
        super().__init__(transition_params.shape[0])

    def __call__(self, inputs: Tensor, state: Tensor, scope: Any = None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            inputs: The scores of the tags, (B, C).
            state: The logarithms of the sums so far, (B, C).
            scope: Accepted for compatibility; ignored.
        """
        scores = arrays.expand_dims(state, 2) + self._transition_params
        alphas = inputs + math.reduce_logsumexp(scores, [1])
        return alphas, alphas


class CrfDecodeForwardRnnCell(_CrfCell):
    """The best scores up to each step, and the tags before; see `crf_decode`.

    Args:
        transition_params: The scores of tags after tags, (C, C).
    """

    def __init__(self, transition_params: TensorLike):
        self._transition_params = arrays.expand_dims(transition_params, 0)
        super().__init__(transition_params.shape[0])

    def __call__(self, inputs: Tensor, state: Tensor, scope: Any = None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            inputs: The scores of the tags, (B, C).
            state: The best scores so far, (B, C).
            scope: Accepted for compatibility; ignored.
        """
        scores = arrays.expand_dims(state, 2) + self._transition_params
        best = inputs + math.reduce_max(scores, [1])
        return math.cast(math.argmax(scores, 1), "int32"), best


class CrfDecodeBackwardRnnCell(_CrfCell):
    """The best tags from the last step to the first; see `crf_decode`.

    Args:
        num_tags: The number of tags.
    """

    def __init__(self, num_tags: int):
        super().__init__(num_tags)

    @property
    def state_size(self) -> int:
        """1: the tag."""
        return 1

    @property
    def output_size(self) -> int:
        """1: the tag."""
        return 1

    def __call__(self, inputs: Tensor, state: Tensor, scope: Any = None) -> tuple[Tensor, Tensor]:
        """One step.

        Args:
            inputs: The best tag before each tag, (B, C).
            state: The tag of the next step, (B, 1).
            scope: Accepted for compatibility; ignored.
        """
        state = arrays.squeeze(state, axis=[1])
        rows = math.range(arrays.shape(inputs)[0])
        places = arrays.stack([rows, state], axis=1)
        tags = arrays.expand_dims(arrays.gather_nd(inputs, places), axis=-1)
        return tags, tags


def viterbi_decode(score: np.ndarray, transition_params: np.ndarray) -> tuple[list, np.floating]:
    """The best sequence of tags of one row, of arrays.

    Args:
        score: The scores of the tags in each step, (T, C).
        transition_params: The scores of tags after tags, (C, C).

    Returns:
        The tags and their score.
    """
    best = np.zeros_like(score)
    before = np.zeros_like(score, dtype=np.int32)
    best[0] = score[0]
    for t in range(1, score.shape[0]):
        scores = np.expand_dims(best[t - 1], 1) + transition_params
        best[t] = score[t] + np.max(scores, 0)
        before[t] = np.argmax(scores, 0)
    tags = [np.argmax(best[-1])]
    for row in reversed(before[1:]):
        tags.append(row[tags[-1]])
    return tags[::-1], np.max(best[-1])


def crf_decode(
    potentials: TensorLike, transition_params: TensorLike, sequence_length: TensorLike
) -> tuple[Tensor, Tensor]:
    """The best sequences of tags.

    Args:
        potentials: The scores of the tags in each step, (B, T, C).
        transition_params: The scores of tags after tags, (C, C).
        sequence_length: The number of steps of each row, (B,).

    Returns:
        The tags, (B, T), int32, and their scores, (B,).
    """
    potentials = convert_to_tensor(potentials)

    def single() -> tuple[Tensor, Tensor]:
        scores = arrays.squeeze(potentials, [1])
        tags = arrays.expand_dims(math.argmax(scores, axis=1), 1)
        return math.cast(tags, "int32"), math.reduce_max(scores, axis=1)

    def multi() -> tuple[Tensor, Tensor]:
        classes = potentials.shape[2].value
        forward = CrfDecodeForwardRnnCell(transition_params)
        first = arrays.slice(potentials, [0, 0, 0], [-1, 1, -1])
        first = arrays.squeeze(first, axis=[1])
        rest = arrays.slice(potentials, [0, 1, 0], [-1, -1, -1])
        lengths = _one_less(sequence_length)
        before, last = dynamic_rnn(
            forward,
            inputs=rest,
            sequence_length=lengths,
            initial_state=first,
            time_major=False,
            dtype="int32",
        )
        before = arrays.reverse_sequence(before, lengths, seq_axis=1)
        backward = CrfDecodeBackwardRnnCell(classes)
        first = math.cast(math.argmax(last, axis=1), "int32")
        first = arrays.expand_dims(first, axis=-1)
        tags, _ = dynamic_rnn(
            backward,
            inputs=before,
            sequence_length=lengths,
            initial_state=first,
            time_major=False,
            dtype="int32",
        )
        tags = arrays.squeeze(tags, axis=[2])
        tags = arrays.concat([first, tags], axis=1)
        tags = arrays.reverse_sequence(tags, sequence_length, seq_axis=1)
        return tags, math.reduce_max(last, axis=1)

    return _choose(_is_one_step(potentials), single, multi)
