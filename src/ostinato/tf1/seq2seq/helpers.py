"""Private: the helpers of decoders: which ids are taken from outputs, and what the next inputs
are.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from ...errors import ArgumentTypeError, EngineError, SizeError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..flow.control_flow import cond
from ..ops import arrays, math, nn
from .distributions import draw_categorical

__all__ = [
    "CustomHelper",
    "GreedyEmbeddingHelper",
    "Helper",
    "IdsHelper",
    "InferenceHelper",
    "SampleEmbeddingHelper",
    "checked_tokens",
    "embedding_function",
]


def embedding_function(embedding: Any) -> Callable:
    """A function from ids to inputs, from such a function or from an embedding matrix."""
    if callable(embedding):
        return embedding
    return lambda ids: nn.embedding_lookup(embedding, ids)


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


class IdsHelper(Helper):
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


class GreedyEmbeddingHelper(IdsHelper):
    """A helper for inference: the next input is the embedding of the id of the largest output.

    Args:
        embedding: The embedding matrix, or a function of ids.
        start_tokens: The first ids, (B,), int32.
        end_token: The id that ends a row, (), int32.

    Raises:
        SizeError: The first ids are not one for each row, or the last one is not one number.
    """

    def __init__(self, embedding: Any, start_tokens: TensorLike, end_token: TensorLike):
        self._embedding_fn = embedding_function(embedding)
        self._start_tokens, self._end_token = checked_tokens(start_tokens, end_token)
        self._batch_size = arrays.size(start_tokens)
        self._start_inputs = self._embedding_fn(self._start_tokens)

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
            lambda: self._embedding_fn(sample_ids),
        )
        return finished, inputs, state


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
        """The samples that are taken from the outputs."""
        return self._sample_fn(outputs)

    def next_inputs(
        self, time: Tensor, outputs: Any, state: Any, sample_ids: Any, name: str | None = None
    ) -> tuple:
        """The finished rows, the next input and the state."""
        inputs = sample_ids if self._next_inputs_fn is None else self._next_inputs_fn(sample_ids)
        return self._end_fn(sample_ids), inputs, state
