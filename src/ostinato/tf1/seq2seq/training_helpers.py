"""Private: the helpers of decoders for training: the next inputs come from given sequences."""

from typing import Any

from ...errors import SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.tensors import Tensor, TensorLike
from ..flow.control_flow import cond
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from .distributions import draw_bernoulli, draw_categorical
from .helpers import IdsHelper, embedding_function
from .sizes import batch_major, check_layer

__all__ = [
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
]


def _steps(x: Tensor) -> TensorArray:
    """The steps of sequences (T, B, ...)."""
    array = TensorArray(x.dtype, size=arrays.shape(x)[0], element_shape=x.shape[1:])
    return array.unstack(x)


def _scattered(like: Tensor, *parts: tuple[Tensor, Tensor]) -> Tensor:
    """Rows in their places of a tensor: the sum of tensors that are 0 elsewhere.

    Args:
        like: A tensor of the shape of the result.
        parts: The places (N, 1) and the rows (N, ...), each.
    """
    sizes = arrays.shape(like)
    first, second = (
        arrays.scatter_nd(indices=places, updates=rows, shape=sizes) for places, rows in parts
    )
    return first + second


class TrainingHelper(IdsHelper):
    """A helper for training: the inputs are given sequences. The ids are those of the largest
    outputs.

    Args:
        inputs: (B, T, ...), or (T, B, ...) with `time_major`.
        sequence_length: The number of steps of each row, (B,).
        time_major: Whether time is the first dimension of the inputs.
        name: The name scope.

    Raises:
        SizeError: The lengths are not one number for each row.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: TensorLike,
        time_major: bool = False,
        name: str | None = None,
    ):
        with name_scope(name, "TrainingHelper"):
            inputs = convert_to_tensor(inputs, name="inputs")
            self._inputs = inputs
            if not time_major:
                inputs = nest.map_structure(batch_major, inputs)
            self._input_tas = nest.map_structure(_steps, inputs)
            self._sequence_length = convert_to_tensor(sequence_length, name="sequence_length")
            if self._sequence_length.shape.ndims != 1:
                raise SizeError(
                    "Expected sequence_length to be a vector, but received shape: "
                    f"{self._sequence_length.shape}: give one number of steps for each row"
                )
            self._zero_inputs = nest.map_structure(lambda x: arrays.zeros_like(x[0, :]), inputs)
            self._batch_size = arrays.size(sequence_length)

    @property
    def inputs(self) -> Tensor:
        """The given sequences."""
        return self._inputs

    @property
    def sequence_length(self) -> Tensor:
        """The number of steps of each row."""
        return self._sequence_length

    def _read(self, finished: Tensor, time: Any) -> Any:
        """The inputs of a step; 0 where all rows are finished."""
        return cond(
            math.reduce_all(finished),
            lambda: self._zero_inputs,
            lambda: nest.map_structure(lambda array: array.read(time), self._input_tas),
        )

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows and the first input."""
        with name_scope(name, "TrainingHelperInitialize"):
            finished = math.equal(0, self._sequence_length)
            return finished, self._read(finished, 0)

    def sample(  # type: ignore[override]
        self, time: Tensor, outputs: Any, name: str | None = None, **unused_kwargs: Any
    ) -> Tensor:
        """The ids of the largest outputs."""
        with name_scope(name, "TrainingHelperSample"):
            return math.cast(math.argmax(outputs, axis=-1), "int32")

    def next_inputs(  # type: ignore[override]
        self, time: Tensor, outputs: Any, state: Any, name: str | None = None, **unused_kwargs: Any
    ) -> tuple:
        """The finished rows, the next input and the state."""
        with name_scope(name, "TrainingHelperNextInputs"):
            next_time = time + 1
            finished = next_time >= self._sequence_length
            return finished, self._read(finished, next_time), state


def _probability(given: TensorLike) -> Tensor:
    result = convert_to_tensor(given, name="sampling_probability")
    if result.shape.ndims not in (0, 1):
        raise SizeError(
            "sampling_probability must be either a scalar or a vector. saw shape: "
            f"{result.shape}: give one number"
        )
    return result


class ScheduledEmbeddingTrainingHelper(TrainingHelper):
    """A helper for training with scheduled sampling: in some steps of some rows, the input is the
    embedding of an id drawn from the outputs. The ids are -1 where none was drawn.

    Args:
        inputs, sequence_length, time_major, name: See `TrainingHelper`.
        embedding: The embedding matrix, or a function of ids.
        sampling_probability: The probability that an id is drawn, ().
        seed: The seed of the draws of ids; None for the graph's.
        scheduling_seed: The seed of the draws that decide; None for the graph's.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: TensorLike,
        embedding: Any,
        sampling_probability: TensorLike,
        time_major: bool = False,
        seed: int | None = None,
        scheduling_seed: int | None = None,
        name: str | None = None,
    ):
        with name_scope(name, "ScheduledEmbeddingSamplingWrapper"):
            self._embedding_fn = embedding_function(embedding)
            self._sampling_probability = _probability(sampling_probability)
            self._seed, self._scheduling_seed = seed, scheduling_seed
            super().__init__(inputs, sequence_length, time_major=time_major, name=name)

    def sample(  # type: ignore[override]
        self, time: Tensor, outputs: Any, state: Any, name: str | None = None
    ) -> Tensor:
        """The ids that are drawn, -1 elsewhere."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperSample"):
            drawn = draw_bernoulli(
                self._sampling_probability, self.batch_size, "bool", seed=self._scheduling_seed
            )
            ids = draw_categorical(outputs, seed=self._seed)
            return arrays.where(drawn, ids, arrays.fill([self.batch_size], -1))

    def next_inputs(  # type: ignore[override]
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Tensor, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the state."""
        with name_scope(name, "ScheduledEmbeddingTrainingHelperNextInputs"):
            finished, given, state = super().next_inputs(time, outputs, state, name=name)

            def mixed() -> Tensor:
                sampled = math.cast(arrays.where(sample_ids > -1), "int32")
                others = math.cast(arrays.where(sample_ids <= -1), "int32")
                ids = arrays.gather_nd(sample_ids, sampled)
                rows = arrays.gather_nd(given, others)
                return _scattered(given, (sampled, self._embedding_fn(ids)), (others, rows))

            return finished, cond(math.reduce_all(finished), lambda: given, mixed), state


class ScheduledOutputTrainingHelper(TrainingHelper):
    """A helper for training with scheduled sampling: in some steps of some rows, the input is the
    last output. The ids are 1 in these rows and 0 in others.

    Args:
        inputs, sequence_length, time_major, name: See `TrainingHelper`.
        sampling_probability: The probability that the output is used, ().
        seed: The seed of the draws that decide; None for the graph's.
        next_input_layer: A layer of tf.layers that makes inputs of outputs, or None.
        auxiliary_inputs: More inputs, in the dimensions of `inputs`, that join the inputs and the
            outputs.
    """

    def __init__(
        self,
        inputs: Any,
        sequence_length: TensorLike,
        sampling_probability: TensorLike,
        time_major: bool = False,
        seed: int | None = None,
        next_input_layer: Any = None,
        auxiliary_inputs: Any = None,
        name: str | None = None,
    ):
        with name_scope(name, "ScheduledOutputTrainingHelper"):
            self._sampling_probability = _probability(sampling_probability)
            self._auxiliary_input_tas = None
            if auxiliary_inputs is not None:
                inputs = convert_to_tensor(inputs, name="inputs")
                more = convert_to_tensor(auxiliary_inputs, name="auxiliary_inputs")
                inputs = arrays.concat((inputs, more), -1)
                self._auxiliary_input_tas = _steps(more if time_major else batch_major(more))
            check_layer(next_input_layer, "next_input_layer")
            self._seed, self._next_input_layer = seed, next_input_layer
            super().__init__(inputs, sequence_length, time_major=time_major, name=name)

    def sample(  # type: ignore[override]
        self, time: Tensor, outputs: Any, state: Any, name: str | None = None
    ) -> Tensor:
        """1 in rows whose output is used."""
        with name_scope(name, "ScheduledOutputTrainingHelperSample"):
            return draw_bernoulli(
                self._sampling_probability, self.batch_size, "int32", seed=self._seed
            )

    def next_inputs(  # type: ignore[override]
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Tensor, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the state."""
        with name_scope(name, "ScheduledOutputTrainingHelperNextInputs"):
            finished, given, state = super().next_inputs(time, outputs, state, name=name)
            chosen = math.cast(sample_ids, "bool")

            def joined(x: Tensor, places: Tensor | None = None) -> Tensor:
                if self._auxiliary_input_tas is None:
                    return x
                more = self._auxiliary_input_tas.read(time + 1)
                if places is not None:
                    more = arrays.gather_nd(more, places)
                return arrays.concat((x, more), -1)

            def mixed() -> Tensor:
                if self._next_input_layer is None:
                    return arrays.where(chosen, joined(outputs), given)
                sampled = math.cast(arrays.where(chosen), "int32")
                others = math.cast(arrays.where(math.logical_not(chosen)), "int32")
                used = arrays.gather_nd(outputs, sampled)
                rows = arrays.gather_nd(given, others)
                new = joined(self._next_input_layer(used), sampled)
                return _scattered(given, (sampled, new), (others, rows))

            all_finished = math.reduce_all(finished)
            none_chosen = math.logical_not(math.reduce_any(chosen))
            keep = math.logical_or(all_finished, none_chosen)
            return finished, cond(keep, lambda: given, mixed), state
