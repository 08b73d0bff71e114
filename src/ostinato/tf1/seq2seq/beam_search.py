"""Private: beam search: BeamSearchDecoder and what it consists of."""

from collections import namedtuple
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core import nest
from ..core.constant import constant_value
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import control_dependencies, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor, TensorLike
from ..flow import checks
from ..flow.control_flow import cond
from ..ops import arrays, math, nn
from ..ops.tensor_arrays import TensorArray
from ..rnn.checks import check_cell
from .attention_wrapper import AttentionWrapperState
from .beams import Beams
from .decoder import Decoder
from .gather_tree import gather_tree, gather_tree_from_array
from .helpers import checked_tokens, embedding_function
from .sizes import check_layer, output_size_of, size_at

__all__ = [
    "BeamSearchDecoder",
    "BeamSearchDecoderOutput",
    "BeamSearchDecoderState",
    "FinalBeamSearchDecoderOutput",
    "tile_batch",
]


class BeamSearchDecoderState(
    namedtuple(
        "BeamSearchDecoderState",
        ("cell_state", "log_probs", "finished", "lengths", "accumulated_attention_probs"),
    )
):
    """The state of a beam search.

    Attributes:
        cell_state: The states of the cell, (B, beam width, ...).
        log_probs: The log-probabilities of the beams, (B, beam width).
        finished: The finished beams, (B, beam width).
        lengths: The numbers of ids, (B, beam width), int64.
        accumulated_attention_probs: The sums of the attention weights, or ().
    """

    __slots__ = ()


class BeamSearchDecoderOutput(
    namedtuple("BeamSearchDecoderOutput", ("scores", "predicted_ids", "parent_ids"))
):
    """The outputs of a step: the scores, the ids and the beams that they continue, each
    (B, beam width).
    """

    __slots__ = ()


class FinalBeamSearchDecoderOutput(
    namedtuple("FinalBeamDecoderOutput", ("predicted_ids", "beam_search_decoder_output"))
):
    """The result of a beam search: the ids of whole paths (B, T, beam width), the best one first,
    and the outputs of the steps.
    """

    __slots__ = ()


def tile_batch(t: Any, multiplier: int, name: str | None = None) -> Any:
    """Tensors with each row repeated, as a beam search needs encoder states.

    Args:
        t: A tensor (B, ...), or a structure of them.
        multiplier: The number of copies of each row, the beam width.
        name: The name scope.

    Returns:
        (B * multiplier, ...).

    Raises:
        SizeError: A tensor has no dimension of rows.
    """
    with name_scope(name, "tile_batch"):
        return nest.map_structure(lambda x: _tiled(x, multiplier), t)


def _tiled(given: TensorLike, multiplier: int) -> Tensor:
    t = convert_to_tensor(given, name="t")
    sizes = arrays.shape(t)
    if not t.shape.ndims:
        raise SizeError(f"t must have statically known rank, not shape {t.shape}: give it rows")
    rows = t.shape[0].value
    copies = [1, multiplier] + [1] * (t.shape.ndims - 1)
    tiled = arrays.tile(arrays.expand_dims(t, 1), copies)
    joined = arrays.concat(([sizes[0] * multiplier], sizes[1:]), 0)
    result = arrays.reshape(tiled, joined)
    static = TensorShape([None if rows is None else rows * multiplier])
    result.set_shape(static.concatenate(t.shape[1:]))
    return result


def _attention_weights(state: Any, weight: Any) -> Tensor | None:
    """The attention weights in a state, for the coverage penalty; None without one.

    Args:
        state: The state of the cell.
        weight: The weight of the penalty.
    """
    if not isinstance(weight, Tensor) and weight == 0.0:
        return None
    states = state if isinstance(state, tuple) else ()
    if isinstance(state, AttentionWrapperState):
        states = (state,)
    found = [_mean(s.alignments) for s in states if isinstance(s, AttentionWrapperState)]
    if not found:
        raise InputError(
            "coverage_penalty_weight must be 0.0 if no cell is attentional: leave it out, or use "
            "an AttentionWrapper"
        )
    return found[0] if len(found) == 1 else _mean(tuple(found))


def _mean(weights: Any) -> Tensor:
    """The mean of the weights of several mechanisms."""
    if not isinstance(weights, tuple):
        return weights
    joined = arrays.concat([arrays.expand_dims(w, -1) for w in weights], -1)
    return math.reduce_mean(joined, -1)


class BeamSearchDecoder(Decoder):
    """A decoder that keeps the best paths of each row.

    The states must have been repeated for each beam with `tile_batch`; so must the memory of an
    AttentionWrapper, whose `zero_state` takes batch_size * beam_width.

    Args:
        cell: The cell.
        embedding: The embedding matrix, or a function of ids.
        start_tokens: The first ids, (B,), int32.
        end_token: The id that ends a path, (), int32.
        initial_state: The first state of the cell, (B * beam_width, ...).
        beam_width: The number of paths of each row.
        output_layer: A layer of tf.layers for the cell's outputs, or None.
        length_penalty_weight: The weight of the penalty for short paths; 0.0 for none.
        coverage_penalty_weight: The weight of the penalty for a memory that is not attended to;
            0.0 for none.
        reorder_tensor_arrays: Whether TensorArrays in the final state are in the order of whole
            paths.

    Raises:
        InputError: An argument is of another kind.
        SizeError: A shape does not match.
    """

    def __init__(
        self,
        cell: Any,
        embedding: Any,
        start_tokens: TensorLike,
        end_token: TensorLike,
        initial_state: Any,
        beam_width: int,
        output_layer: Any = None,
        length_penalty_weight: Any = 0.0,
        coverage_penalty_weight: Any = 0.0,
        reorder_tensor_arrays: bool = True,
    ):
        check_cell(cell, "BeamSearchDecoder")
        check_layer(output_layer, "output_layer")
        self._cell, self._output_layer = cell, output_layer
        self._reorder_tensor_arrays = reorder_tensor_arrays
        self._embedding_fn = embedding_function(embedding)
        start, end = checked_tokens(start_tokens, end_token)
        self._beams = Beams(
            batch_size=arrays.size(start_tokens),
            width=beam_width,
            end_token=end,
            length_penalty_weight=length_penalty_weight,
            coverage_penalty_weight=coverage_penalty_weight,
        )
        self._initial_cell_state = nest.map_structure(
            self._beams.split, initial_state, self._cell.state_size
        )
        self._start_tokens = arrays.tile(arrays.expand_dims(start, 1), [1, beam_width])
        self._start_inputs = self._embedding_fn(self._start_tokens)
        # At first all beams are equal, so that only one of them goes on.
        self._finished = arrays.one_hot(
            arrays.zeros([self._beams.batch_size], dtype="int32"),
            depth=beam_width,
            on_value=False,
            off_value=True,
            dtype="bool",
        )

    @property
    def batch_size(self) -> Tensor:
        """The number of rows, ()."""
        return self._beams.batch_size

    @property
    def tracks_own_finished(self) -> bool:
        """True: beams change their places in each step."""
        return True

    @property
    def output_size(self) -> BeamSearchDecoderOutput:
        """The shapes of the outputs of a row."""
        return BeamSearchDecoderOutput(*[TensorShape([self._beams.width]) for _ in range(3)])

    @property
    def output_dtype(self) -> BeamSearchDecoderOutput:
        """The dtypes of the outputs."""
        dtype = nest.flatten(self._initial_cell_state)[0].dtype
        size = output_size_of(self._cell, self._output_layer)
        ids = as_dtype("int32")
        return BeamSearchDecoderOutput(nest.map_structure(lambda _: dtype, size), ids, ids)

    def initialize(self, name: str | None = None) -> tuple:
        """The finished beams, the first input and the first state."""
        rows = self._beams.batch_size
        dtype = nest.flatten(self._initial_cell_state)[0].dtype
        log_probs = arrays.one_hot(
            arrays.zeros([rows], dtype="int32"),
            depth=self._beams.width,
            on_value=convert_to_tensor(0.0, dtype=dtype),
            off_value=convert_to_tensor(-np.inf, dtype=dtype),
            dtype=dtype,
        )
        weights = _attention_weights(self._initial_cell_state, self._beams.coverage_penalty_weight)
        state = BeamSearchDecoderState(
            cell_state=self._initial_cell_state,
            log_probs=log_probs,
            finished=self._finished,
            lengths=arrays.zeros([rows, self._beams.width], dtype="int64"),
            accumulated_attention_probs=() if weights is None else weights,
        )
        return self._finished, self._start_inputs, state

    def finalize(
        self,
        outputs: BeamSearchDecoderOutput,
        final_state: BeamSearchDecoderState,
        sequence_lengths: Tensor,
    ) -> tuple:
        """The ids of whole paths, and the final state.

        Args:
            outputs: The outputs of all steps, (T, B, beam width).
            final_state: The state after the last step.
            sequence_lengths: Ignored: the lengths are in the state.
        """
        longest = math.to_int32(math.reduce_max(final_state.lengths, axis=1))
        ids = gather_tree(
            outputs.predicted_ids,
            outputs.parent_ids,
            max_sequence_lengths=longest,
            end_token=self._beams.end_token,
        )
        if self._reorder_tensor_arrays:
            cell_state = nest.map_structure(
                lambda t: self._in_order(t, outputs.parent_ids, final_state.lengths),
                final_state.cell_state,
            )
            final_state = final_state._replace(cell_state=cell_state)
        return FinalBeamSearchDecoderOutput(ids, outputs), final_state

    def _in_order(self, array: Any, parent_ids: Tensor, lengths: Tensor) -> Any:
        """The elements of a TensorArray in the order of whole paths, where they have that shape."""
        if not isinstance(array, TensorArray):
            return array
        shape = array._known_shape()
        rows, width = self._beams.static_rows, self._beams.width
        if not shape.ndims:
            return array
        first = shape[0].value
        second = shape[1].value if shape.ndims > 1 else None
        # As in TensorFlow, elements (B * beam width, n) of known sizes are not put in order.
        if rows is not None and first is not None:
            if first != rows * width or second is not None and (first, second) != (rows, width):
                return array
        t = array.stack()
        with control_dependencies([self._check_elements(t)]):
            return gather_tree_from_array(t, parent_ids, lengths)

    def _check_elements(self, t: Tensor) -> Operation:
        sizes, beams = arrays.shape(t), self._beams
        joined = math.equal(sizes[1], beams.batch_size * beams.width)
        if t.shape.ndims != 2:
            separate = math.logical_and(
                math.equal(sizes[1], beams.batch_size), math.equal(sizes[2], beams.width)
            )
            joined = math.logical_or(joined, separate)
        message = (
            "TensorArray reordering expects elements to be reshapable to [batch_size, beam_size, "
            f"-1] which is incompatible with the dynamic shape of {t.name} elements. Consider "
            "setting reorder_tensor_arrays to False to disable TensorArray reordering during the "
            "beam search."
        )
        return checks.Assert(joined, [message])

    def step(
        self, time: Tensor, inputs: Any, state: BeamSearchDecoderState, name: str | None = None
    ) -> tuple:
        """One step; see `Decoder.step`."""
        beams, sizes = self._beams, self._cell.state_size
        with name_scope(name, "BeamSearchDecoderStep"):
            cell_state = state.cell_state
            inputs = nest.map_structure(lambda x: beams.merge(x, x.shape[2:]), inputs)
            cell_state = nest.map_structure(beams.merge, cell_state, sizes)
            outputs, cell_state = self._cell(inputs, cell_state)
            outputs = nest.map_structure(lambda x: beams.split(x, x.shape[1:]), outputs)
            cell_state = nest.map_structure(beams.split, cell_state, sizes)
            if self._output_layer is not None:
                outputs = self._output_layer(outputs)
            output, next_state = _search(outputs, cell_state, state, beams)
            next_inputs = cond(
                math.reduce_all(next_state.finished),
                lambda: self._start_inputs,
                lambda: self._embedding_fn(output.predicted_ids),
            )
        return output, next_state, next_inputs, next_state.finished


def _search(
    logits: Tensor, cell_state: Any, state: BeamSearchDecoderState, beams: Beams
) -> tuple[BeamSearchDecoderOutput, BeamSearchDecoderState]:
    """The best continuations of the beams.

    Args:
        logits: The outputs of the cell, (B, beam width, C).
        cell_state: The states of the cell after the step.
        state: The state before the step.
        beams: The sizes and constants.
    """
    going_on = math.logical_not(state.finished)
    log_probs = _masked(nn.log_softmax(logits), beams.end_token, state.finished)
    log_probs = arrays.expand_dims(state.log_probs, 2) + log_probs

    # The end token does not count, nor does anything after it.
    classes = size_at(logits, -1)
    added = arrays.one_hot(
        indices=arrays.fill([beams.batch_size, beams.width], beams.end_token),
        depth=classes,
        on_value=np.int64(0),
        off_value=np.int64(1),
        dtype="int64",
    )
    added = added * arrays.expand_dims(math.to_int64(going_on), 2)
    lengths = added + arrays.expand_dims(state.lengths, 2)

    attended = _attention_weights(cell_state, beams.coverage_penalty_weight)
    if attended is not None:
        attended = attended * arrays.expand_dims(math.to_float(going_on), 2)
        attended = state.accumulated_attention_probs + attended
    scores = _scores(log_probs, lengths, state.finished, attended, beams)

    flat = arrays.reshape(scores, [beams.batch_size, -1])
    width = convert_to_tensor(beams.width, dtype="int32", name="beam_width")
    best, indices = nn.top_k(flat, k=width)
    for t in (best, indices):
        t.set_shape([beams.static_rows, beams.width])
    next_log_probs = beams.chosen(
        log_probs, indices, beams.width * classes, [-1], name="next_beam_probs"
    )
    ids = math.to_int32(math.mod(indices, classes, name="next_beam_word_ids"))
    parents = math.to_int32(indices / classes, name="next_beam_parent_ids")

    before = beams.chosen(state.finished, parents, beams.width, [-1])
    finished = math.logical_or(before, math.equal(ids, beams.end_token), name="next_beam_finished")
    going_on = math.to_int64(math.logical_not(before))
    next_lengths = beams.chosen(state.lengths, parents, beams.width, [-1]) + going_on
    next_attended: Any = ()
    if attended is not None:
        sizes = [beams.batch_size * beams.width, -1]
        next_attended = beams.chosen(
            attended, parents, beams.width, sizes, name="next_accumulated_attention_probs"
        )
    next_cell_state = nest.map_structure(lambda t: beams.chosen_state(t, parents), cell_state)
    next_state = BeamSearchDecoderState(
        cell_state=next_cell_state,
        log_probs=next_log_probs,
        lengths=next_lengths,
        finished=finished,
        accumulated_attention_probs=next_attended,
    )
    return BeamSearchDecoderOutput(best, ids, parents), next_state


def _masked(log_probs: Tensor, end_token: Tensor, finished: Tensor) -> Tensor:
    """Log-probabilities (B, beam width, C), all on the end token for finished beams."""
    classes, dtype = arrays.shape(log_probs)[2], log_probs.dtype
    row = arrays.one_hot(
        end_token,
        classes,
        dtype=dtype,
        on_value=convert_to_tensor(0.0, dtype=dtype),
        off_value=dtype.min,
    )
    row = arrays.reshape(row, [1, 1, -1])
    rows = arrays.tile(row, arrays.concat([arrays.shape(finished), [1]], 0))
    mask = arrays.tile(arrays.expand_dims(finished, 2), [1, 1, classes])
    return arrays.where(mask, rows, log_probs)


def _scores(
    log_probs: Tensor, lengths: Tensor, finished: Tensor, attended: Tensor | None, beams: Beams
) -> Tensor:
    """Log-probabilities (B, beam width, C) with the penalties of length and coverage."""
    penalty = math.cast(
        _length_penalty(lengths, beams.length_penalty_weight), dtype=log_probs.dtype
    )
    scores = log_probs / penalty
    weight = convert_to_tensor(beams.coverage_penalty_weight, name="coverage_penalty_weight")
    if weight.shape.ndims != 0:
        raise SizeError(
            f"coverage_penalty_weight should be a scalar, but saw shape: {weight.shape}: give one "
            "number"
        )
    if constant_value(weight) == 0.0:
        return scores
    assert attended is not None, "there with a weight"
    # Steps past the end of a memory have the weight 0, and count as attended to.
    unused = math.equal(attended, 0.0)
    attended = arrays.where(unused, arrays.ones_like(attended), attended)
    coverage = math.reduce_sum(math.log(math.minimum(attended, 1.0)), 2)
    coverage = coverage * math.to_float(finished) * weight
    return scores + arrays.expand_dims(coverage, 2)


def _length_penalty(lengths: Tensor, weight: Any) -> Any:
    """The number that log-probabilities are divided by, ((5 + length) / 6) ** weight."""
    factor = convert_to_tensor(weight, name="penalty_factor")
    factor.set_shape(())
    static = constant_value(factor)
    if static is not None and static == 0:
        return 1.0
    return math.div((5.0 + math.to_float(lengths)) ** factor, (5.0 + 1.0) ** factor)  # type: ignore[operator]
