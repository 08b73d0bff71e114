"""Private: attention mechanisms: Bahdanau's and Luong's."""

from collections.abc import Callable
from math import sqrt
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import control_dependencies, name_scope
from ..core.tensors import Tensor, TensorLike
from ..flow import checks
from ..initializers import constant_initializer, ones_initializer, zeros_initializer
from ..layers.core import Dense
from ..ops import arrays, math, nn
from ..state import scopes
from .sizes import check_layer, size_at, zero_rows

__all__ = [
    "AttentionMechanism",
    "BahdanauAttention",
    "BaseAttention",
    "LuongAttention",
    "bahdanau_score",
    "luong_score",
]


class AttentionMechanism:
    """The weights of the memory for an `AttentionWrapper`. A program's own mechanism has
    these members, and is called with a query and the state before.
    """

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory."""
        raise NotImplementedError

    @property
    def state_size(self) -> Any:
        """The size of its state."""
        raise NotImplementedError


class BaseAttention(AttentionMechanism):
    """A mechanism with a memory.

    Args:
        query_layer, memory_layer: Layers for queries and for the memory, or None.
        memory: The memory, (B, T, ...).
        probability_fn: A function of the scores (B, T) and of the last state that returns the
            weights.
        memory_sequence_length: The number of steps of each row of the memory, (B,); None if all
            are valid.
        score_mask_value: The score of other steps; None for -inf.
        name: The name scope.
    """

    def __init__(
        self,
        query_layer: Any,
        memory_layer: Any,
        memory: Any,
        probability_fn: Callable,
        memory_sequence_length: TensorLike | None,
        score_mask_value: Any,
        name: str,
    ):
        check_layer(query_layer, "query_layer")
        check_layer(memory_layer, "memory_layer")
        self._query_layer, self._memory_layer = query_layer, memory_layer
        self.dtype = memory_layer.dtype
        if score_mask_value is None:
            score_mask_value = as_dtype(self.dtype).as_numpy_dtype(-np.inf)

        def probabilities(score: Tensor, state: Any) -> Tensor:
            masked = _masked_score(score, memory_sequence_length, score_mask_value)
            return probability_fn(masked, state)

        self._probability_fn = probabilities
        with name_scope(name, "BaseAttentionMechanismInit"):
            self._values = _masked_memory(memory, memory_sequence_length)
            self._keys = self._values if memory_layer is None else memory_layer(self._values)
            self._batch_size = size_at(self._keys, 0)
            self._alignments_size = size_at(self._keys, 1)

    @property
    def memory_layer(self) -> Any:
        """The layer for the memory."""
        return self._memory_layer

    @property
    def query_layer(self) -> Any:
        """The layer for queries, or None."""
        return self._query_layer

    @property
    def values(self) -> Tensor:
        """The memory, 0 past the end of each row."""
        return self._values

    @property
    def keys(self) -> Tensor:
        """The memory after its layer, (B, T, num_units)."""
        return self._keys

    @property
    def batch_size(self) -> Any:
        """The number of rows."""
        return self._batch_size

    @property
    def alignments_size(self) -> Any:
        """The number of steps of the memory."""
        return self._alignments_size

    @property
    def state_size(self) -> Any:
        """The size of the state, the last weights."""
        return self._alignments_size

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """The weights before the first step, (B, T)."""
        return zero_rows(self._alignments_size, batch_size, dtype)

    def initial_state(self, batch_size: Any, dtype: Any) -> Tensor:
        """The state before the first step."""
        return self.initial_alignments(batch_size, dtype)

    def __call__(self, query: Tensor, state: Any) -> tuple[Tensor, Any]:
        """The weights of a step.

        Args:
            query: (B, size of the query).
            state: The state before.

        Returns:
            The weights, (B, T), and the next state.
        """
        weights = self._probability_fn(self._score(query), state)
        return weights, weights

    def _score(self, query: Tensor) -> Tensor:
        """The scores of the steps of the memory, (B, T)."""
        raise NotImplementedError


def _masked_memory(memory: Any, lengths: TensorLike | None) -> Any:
    """A memory with 0 past the end of each row."""
    memory = nest.map_structure(lambda m: convert_to_tensor(m, name="memory"), memory)
    if lengths is not None:
        lengths = convert_to_tensor(lengths, name="memory_sequence_length")
    first = nest.flatten(memory)[0]
    for m in nest.flatten(memory):
        if not m.shape[2:].is_fully_defined():
            raise SizeError(
                f"Expected memory {m.name} to have fully defined inner dims, but saw shape: "
                f"{m.shape}: give it a known last size"
            )
    if lengths is None:
        for m in nest.flatten(memory):
            _ones_to_rank(m)  # unused, as in TensorFlow
        return memory
    mask = arrays.sequence_mask(lengths, maxlen=arrays.shape(first)[1], dtype=first.dtype)
    rows = size_at(lengths, 0)

    def masked(m: Tensor) -> Tensor:
        ones, message = _ones_to_rank(m), "memory_sequence_length and memory tensor batch sizes"
        equal = checks.assert_equal(rows, size_at(m, 0), message=f"{message} do not match.")
        with control_dependencies([equal]):
            sizes = arrays.concat((arrays.shape(mask), ones), 0)
            return m * arrays.reshape(mask, sizes)

    return nest.map_structure(masked, memory)


def _ones_to_rank(m: Tensor) -> Tensor:
    """One for each dimension after batch and time."""
    rank = arrays.rank(m) if m.shape.ndims is None else m.shape.ndims
    return arrays.ones(rank - 2, dtype="int32")


def _masked_score(score: Tensor, lengths: TensorLike | None, mask_value: Any) -> Tensor:
    if lengths is None:
        return score
    message = "All values in memory_sequence_length must greater than zero."
    with control_dependencies([checks.assert_positive(lengths, message=message)]):
        mask = arrays.sequence_mask(lengths, maxlen=arrays.shape(score)[1])
        return arrays.where(mask, score, mask_value * arrays.ones_like(score))


def bahdanau_score(query: Tensor, keys: Tensor, normalize: bool) -> Tensor:
    """The sum of v * tanh(keys + query) over the units.

    Args:
        query: (B, num_units).
        keys: (B, T, num_units).
        normalize: Whether v is normalised and scaled, and a bias added.

    Returns:
        (B, T).
    """
    dtype, units = query.dtype, size_at(keys, 2)
    query = arrays.expand_dims(query, 1)
    v = scopes.get_variable("attention_v", [units], dtype=dtype)
    if not normalize:
        return math.reduce_sum(v * math.tanh(keys + query), [2])
    g = scopes.get_variable(
        "attention_g",
        dtype=dtype,
        initializer=constant_initializer(sqrt(1.0 / units)),
        shape=(),
    )
    b = scopes.get_variable("attention_b", [units], dtype=dtype, initializer=zeros_initializer())
    normed = g * v * math.rsqrt(math.reduce_sum(math.square(v)))
    return math.reduce_sum(normed * math.tanh(keys + query + b), [2])


def luong_score(query: Tensor, keys: Tensor, scale: bool) -> Tensor:
    """The products of the query with the keys.

    Args:
        query: (B, num_units).
        keys: (B, T, num_units).
        scale: Whether the products are scaled by a variable.

    Returns:
        (B, T).

    Raises:
        SizeError: The query has another size than the keys.
    """
    depth, units = query.shape[-1].value, keys.shape[-1].value
    if depth != units:
        raise SizeError(
            f"Incompatible or unknown inner dimensions between query and keys. Query ({query}) has "
            f"units: {depth}. Keys ({keys}) have units: {units}. Perhaps you need to set num_units "
            f"to the keys' dimension ({units})?"
        )
    score = math.matmul(arrays.expand_dims(query, 1), keys, transpose_b=True)
    score = arrays.squeeze(score, [1])
    if scale:
        g = scopes.get_variable(
            "attention_g", dtype=query.dtype, initializer=ones_initializer, shape=()
        )
        score = g * score
    return score


def _of_score(probability_fn: Callable | None) -> Callable:
    """A function of the scores and of the state, from one of the scores only."""
    function = nn.softmax if probability_fn is None else probability_fn
    if not callable(function):
        raise ArgumentTypeError(
            f"probability_fn must be callable, saw type: {type(function).__name__}: give a "
            "function of the scores, such as tf.nn.softmax"
        )
    return lambda score, _: function(score)


class BahdanauAttention(BaseAttention):
    """The additive attention of Bahdanau and others, https://arxiv.org/abs/1409.0473.

    Args:
        num_units: The size of queries and keys.
        memory: The memory, often the outputs of an encoder, (B, T, I).
        memory_sequence_length: The number of steps of each row, (B,); None if all are valid.
        normalize: Whether weights are normalised, as in https://arxiv.org/abs/1602.07868.
        probability_fn: A function of the scores that returns the weights; None for tf.nn.softmax.
        score_mask_value: The score of steps past the end of a row; None for -inf.
        dtype: The dtype; None for tf.float32.
        name: The name scope.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: TensorLike | None = None,
        normalize: bool = False,
        probability_fn: Callable | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        name: str = "BahdanauAttention",
    ):
        probabilities, dtype = _of_score(probability_fn), dtype or "float32"
        super().__init__(
            query_layer=Dense(num_units, name="query_layer", use_bias=False, dtype=dtype),
            memory_layer=Dense(num_units, name="memory_layer", use_bias=False, dtype=dtype),
            memory=memory,
            probability_fn=probabilities,
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._normalize, self._name = num_units, normalize, name

    def _score(self, query: Tensor) -> Tensor:
        with scopes.variable_scope(None, "bahdanau_attention"):
            return bahdanau_score(self._query_layer(query), self._keys, self._normalize)


class LuongAttention(BaseAttention):
    """The multiplicative attention of Luong and others, https://arxiv.org/abs/1508.04025.

    Args:
        num_units: The size of keys, which is that of queries.
        scale: Whether scores are scaled by a variable.
        memory, memory_sequence_length, probability_fn, score_mask_value, dtype, name: See
            `BahdanauAttention`.
    """

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: TensorLike | None = None,
        scale: bool = False,
        probability_fn: Callable | None = None,
        score_mask_value: Any = None,
        dtype: Any = None,
        name: str = "LuongAttention",
    ):
        probabilities = _of_score(probability_fn)
        super().__init__(
            query_layer=None,
            memory_layer=Dense(
                num_units, name="memory_layer", use_bias=False, dtype=dtype or "float32"
            ),
            memory=memory,
            probability_fn=probabilities,
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._scale, self._name = num_units, scale, name

    def _score(self, query: Tensor) -> Tensor:
        with scopes.variable_scope(None, "luong_attention"):
            return luong_score(query, self._keys, self._scale)
