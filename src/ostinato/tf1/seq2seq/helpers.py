"""Private: the helpers of decoders: which ids are taken from outputs, and what the next inputs
are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...errors import ArgumentTypeError, EngineError, SizeError
from ..core import nest
from ..core.control_flow import cond
from ..core.dtypes import as_dtype
from ..core.graph import Tensor, TensorLike, convert_to_tensor, name_scope
from ..core.shape import TensorShape
from ..ops import arrays, math, nn
from ..ops.tensor_arrays import TensorArray
from ..rnn.dynamic import transpose_batch_time
from .distributions import draw_bernoulli, draw_categorical
from .sizes import check_layer

__all__ = [
    "CustomHelper",
    "GreedyEmbeddingHelper",
    "Helper",
    "InferenceHelper",
    "SampleEmbeddingHelper",
    "ScheduledEmbeddingTrainingHelper",
    "ScheduledOutputTrainingHelper",
    "TrainingHelper",
    "batch_major",
    "embedding_function",
]


def batch_major(x: Tensor) -> Tensor:
    """A tensor with its first two dimensions swapped; unchanged if it has fewer."""
    ndims = x.shape.ndims
    return x if ndims is not None and ndims < 2 else transpose_batch_time(x)


def embedding_function(embedding: Any) -> Callable:
    """A function from ids to inputs, from such a function or from an embedding matrix."""
    if callable(embedding):
        return embedding
    return lambda ids: nn.embedding_lookup(embedding, ids)


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


class Helper(ABC):
    """How a `BasicDecoder` gets its inputs. A program's own helper defines all members, or is a
    `CustomHelper`.
    """

    @property
    @abstractmethod
    def batch_size(self) -> Any:
        """The number of rows, ()."""

    @property
    @abstractmethod
    def sample_ids_shape(self) -> TensorShape:
        """The shape of the ids of a row."""

    @property
    @abstractmethod
    def sample_ids_dtype(self) -> Any:
        """The dtype of the ids."""

    @abstractmethod
    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows (B,) and the first input."""

    @abstractmethod
    def sample(self, time: Tensor, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The ids that are taken from the outputs of a step."""

    @abstractmethod
    def next_inputs(
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple:
        """The finished rows (B,), the next input and the next state."""


class _IdsHelper(Helper):
    """A helper whose ids are whole numbers, one for each row."""

    _batch_size: Any = None

    @property
    def batch_size(self) -> Any:
        """The number of rows, ()."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of the ids of a row."""
        return TensorShape([])

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of the ids."""
        return as_dtype("int32")


class CustomHelper(Helper):
    """A helper made of functions.

    Args:
        initialize_fn: Returns the finished rows (B,) and the first input.
        sample_fn: Takes time, outputs and state, and returns the ids.
        next_inputs_fn: Takes time, outputs, state and sample_ids, and returns the finished rows,
            the next input and the next state.
        sample_ids_shape: The shape of the ids of a row; None for ().
        sample_ids_dtype: The dtype of the ids; None for tf.int32.
    """

    def __init__(
        self,
        initialize_fn: Callable,
        sample_fn: Callable,
        next_inputs_fn: Callable,
        sample_ids_shape: Any = None,
        sample_ids_dtype: Any = None,
    ):
        self._initialize_fn, self._sample_fn = initialize_fn, sample_fn
        self._next_inputs_fn = next_inputs_fn
        self._batch_size: Any = None
        self._sample_ids_shape = TensorShape(sample_ids_shape or [])
        self._sample_ids_dtype = as_dtype(sample_ids_dtype or "int32")

    @property
    def batch_size(self) -> Any:
        """The number of rows, ().

        Raises:
            EngineError: `initialize` was not called yet.
        """
        if self._batch_size is None:
            raise EngineError(
                "batch_size accessed before initialize was called: call helper.initialize() first"
            )
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of the ids of a row."""
        return self._sample_ids_shape

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of the ids."""
        return self._sample_ids_dtype

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows and the first input."""
        with name_scope(name, f"{type(self).__name__}Initialize"):
            finished, inputs = self._initialize_fn()
            if self._batch_size is None:
                self._batch_size = arrays.size(finished)
        return finished, inputs

    def sample(self, time: Tensor, outputs: Any, state: Any, name: str | None = None) -> Any:
        """The ids that are taken."""
        with name_scope(name, f"{type(self).__name__}Sample"):
            return self._sample_fn(time=time, outputs=outputs, state=state)

    def next_inputs(
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the next state."""
        with name_scope(name, f"{type(self).__name__}NextInputs"):
            return self._next_inputs_fn(
                time=time, outputs=outputs, state=state, sample_ids=sample_ids
            )


class TrainingHelper(_IdsHelper):
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
            self._input_arrays = nest.map_structure(_steps, inputs)
            self._sequence_length = convert_to_tensor(sequence_length, name="sequence_length")
            if self._sequence_length.shape.ndims != 1:
                raise SizeError(
                    "Expected sequence_length to be a vector, but received shape: "
                    f"{self._sequence_length.shape}: give one number of steps for each row"
                )
            self._zero_inputs = nest.map_structure(lambda x: arrays.zeros_like(x[0, :]), inputs)
            self._batch_size = arrays.size(self._sequence_length)

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
            lambda: nest.map_structure(lambda array: array.read(time), self._input_arrays),
        )

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows and the first input."""
        with name_scope(name, "TrainingHelperInitialize"):
            finished = math.equal(0, self._sequence_length)
            return finished, self._read(finished, 0)

    def sample(
        self, time: Tensor, outputs: Any, name: str | None = None, **unused_kwargs: Any
    ) -> Tensor:
        """The ids of the largest outputs."""
        with name_scope(name, "TrainingHelperSample"):
            return math.cast(math.argmax(outputs, axis=-1), "int32")

    def next_inputs(
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
            self._embed = embedding_function(embedding)
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
                return _scattered(given, (sampled, self._embed(ids)), (others, rows))

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
            self._auxiliary_arrays = None
            if auxiliary_inputs is not None:
                inputs = convert_to_tensor(inputs, name="inputs")
                more = convert_to_tensor(auxiliary_inputs, name="auxiliary_inputs")
                inputs = arrays.concat((inputs, more), -1)
                self._auxiliary_arrays = _steps(more if time_major else batch_major(more))
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
                if self._auxiliary_arrays is None:
                    return x
                more = self._auxiliary_arrays.read(time + 1)
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


class GreedyEmbeddingHelper(_IdsHelper):
    """A helper for inference: the next input is the embedding of the id of the largest output.

    Args:
        embedding: The embedding matrix, or a function of ids.
        start_tokens: The first ids, (B,), int32.
        end_token: The id that ends a row, (), int32.

    Raises:
        SizeError: The first ids are not one for each row, or the last one is not one number.
    """

    def __init__(self, embedding: Any, start_tokens: TensorLike, end_token: TensorLike):
        self._embed = embedding_function(embedding)
        self._start_tokens, self._end_token = checked_tokens(start_tokens, end_token)
        self._batch_size = arrays.size(self._start_tokens)
        self._start_inputs = self._embed(self._start_tokens)

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows and the first input."""
        return arrays.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Tensor, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The ids of the largest outputs.

        Raises:
            ArgumentTypeError: The outputs are not one tensor.
        """
        return math.argmax(_one_tensor(outputs), axis=-1, output_type="int32")

    def next_inputs(
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Tensor, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the state."""
        finished = math.equal(sample_ids, self._end_token)
        inputs = cond(
            math.reduce_all(finished),
            lambda: self._start_inputs,
            lambda: self._embed(sample_ids),
        )
        return finished, inputs, state


def checked_tokens(start_tokens: TensorLike, end_token: TensorLike) -> tuple[Tensor, Tensor]:
    """The first ids (B,) and the last one () as tensors.

    Raises:
        SizeError: They have other shapes.
    """
    start = convert_to_tensor(start_tokens, dtype="int32", name="start_tokens")
    end = convert_to_tensor(end_token, dtype="int32", name="end_token")
    if start.shape.ndims != 1:
        raise SizeError(
            f"start_tokens must be a vector, not of shape {start.shape}: give one id for each row, "
            "such as tf.fill([batch_size], 1)"
        )
    if end.shape.ndims != 0:
        raise SizeError(f"end_token must be a scalar, not of shape {end.shape}: give one id")
    return start, end


def _one_tensor(outputs: Any) -> Tensor:
    if not isinstance(outputs, Tensor):
        raise ArgumentTypeError(
            f"Expected outputs to be a single Tensor, got: {type(outputs).__name__}: give "
            "BasicDecoder a cell with one output"
        )
    return outputs


class SampleEmbeddingHelper(GreedyEmbeddingHelper):
    """A helper for inference: the next input is the embedding of an id drawn from the outputs.

    Args:
        embedding, start_tokens, end_token: See `GreedyEmbeddingHelper`.
        softmax_temperature: A number that outputs are divided by, (); None for 1.
        seed: The seed of the draws; None for the graph's.
    """

    def __init__(
        self,
        embedding: Any,
        start_tokens: TensorLike,
        end_token: TensorLike,
        softmax_temperature: TensorLike | None = None,
        seed: int | None = None,
    ):
        super().__init__(embedding, start_tokens, end_token)
        self._softmax_temperature, self._seed = softmax_temperature, seed

    def sample(self, time: Tensor, outputs: Any, state: Any, name: str | None = None) -> Tensor:
        """The ids that are drawn.

        Raises:
            ArgumentTypeError: The outputs are not one tensor.
        """
        logits = _one_tensor(outputs)
        if self._softmax_temperature is not None:
            logits = logits / self._softmax_temperature
        return draw_categorical(logits, seed=self._seed)


class InferenceHelper(Helper):
    """A helper for inference made of functions: the next input is computed from the last output.

    Args:
        sample_fn: Takes the outputs and returns what is taken of them.
        sample_shape, sample_dtype: The shape of it in a row, and its dtype.
        start_inputs: The first input, (B, ...).
        end_fn: Takes what was taken and returns the finished rows, (B,).
        next_inputs_fn: Takes what was taken and returns the next input; None for itself.
    """

    def __init__(
        self,
        sample_fn: Callable,
        sample_shape: Any,
        sample_dtype: Any,
        start_inputs: TensorLike,
        end_fn: Callable,
        next_inputs_fn: Callable | None = None,
    ):
        self._sample_fn, self._end_fn, self._next_inputs_fn = sample_fn, end_fn, next_inputs_fn
        self._sample_shape = TensorShape(sample_shape)
        self._sample_dtype = as_dtype(sample_dtype)
        self._batch_size = arrays.shape(start_inputs)[0]
        self._start_inputs = convert_to_tensor(start_inputs, name="start_inputs")

    @property
    def batch_size(self) -> Any:
        """The number of rows, ()."""
        return self._batch_size

    @property
    def sample_ids_shape(self) -> TensorShape:
        """The shape of what is taken of the outputs of a row."""
        return self._sample_shape

    @property
    def sample_ids_dtype(self) -> Any:
        """The dtype of what is taken of the outputs."""
        return self._sample_dtype

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows and the first input."""
        return arrays.tile([False], [self._batch_size]), self._start_inputs

    def sample(self, time: Tensor, outputs: Any, state: Any, name: str | None = None) -> Any:
        """What is taken of the outputs."""
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the state."""
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state
