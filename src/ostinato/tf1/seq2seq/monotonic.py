"""Private: monotonic attention, which moves along the memory in one direction
(https://arxiv.org/abs/1704.00784), and the functions that it consists of.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.tensors import Tensor, TensorLike
from ..flow.functional import scan
from ..layers.core import Dense
from ..ops import arrays, math
from ..ops.random import random_normal
from ..state import scopes
from ..train.clipping import clip_by_value
from .attention import BaseAttention, bahdanau_score, luong_score
from .sizes import size_at

__all__ = [
    "BahdanauMonotonicAttention",
    "LuongMonotonicAttention",
    "hardmax",
    "monotonic_attention",
    "safe_cumprod",
]


def hardmax(logits: TensorLike, name: str | None = None) -> Tensor:
    """One-hot vectors with 1 at the largest value of the last dimension.

    Args:
        logits: (..., N).
        name: The name scope.
    """
    with name_scope(name, "Hardmax"):
        logits = convert_to_tensor(logits, name="logits")
        depth = size_at(logits, -1)
        return arrays.one_hot(math.argmax(logits, -1), depth, dtype=logits.dtype)


def safe_cumprod(x: TensorLike, *args: Any, **kwargs: Any) -> Tensor:
    """The cumulative products of values from 0 to 1, computed as a sum of logarithms, so that
    products do not underflow.

    Args:
        x: The values; they are clipped to the smallest normal number and 1.
        *args, **kwargs: See `tf.cumsum`.
    """
    with name_scope(None, "SafeCumprod"):
        x = convert_to_tensor(x, name="x")
        smallest = np.finfo(x.dtype.as_numpy_dtype).tiny
        logs = math.log(clip_by_value(x, smallest, 1))
        return math.exp(math.cumsum(logs, *args, **kwargs))


def monotonic_attention(
    p_choose_i: TensorLike, previous_attention: TensorLike, mode: str
) -> Tensor:
    """The weights of monotonic attention.

    Args:
        p_choose_i: The probability that each step of the memory is chosen, (B, T).
        previous_attention: The last weights, (B, T).
        mode: "recursive", "parallel" (faster, less exact), or "hard" for probabilities of 0 and 1.

    Raises:
        InputError: The mode is another one.
    """
    p = convert_to_tensor(p_choose_i, name="p_choose_i")
    previous = convert_to_tensor(previous_attention, name="previous_attention")
    if mode == "recursive":
        rows = size_at(p, 0)
        skipped = arrays.concat([arrays.ones((rows, 1)), 1 - p[:, :-1]], 1)
        chosen = scan(
            lambda x, step: arrays.reshape(step[0] * x + step[1], (rows,)),
            [arrays.transpose(skipped), arrays.transpose(previous)],
            arrays.zeros((rows,)),
        )
        return p * arrays.transpose(chosen)
    if mode == "parallel":
        skipped = safe_cumprod(1 - p, axis=1, exclusive=True)
        reached = p * skipped
        return reached * math.cumsum(previous / clip_by_value(skipped, 1e-10, 1.0), axis=1)
    if mode == "hard":
        allowed = p * math.cumsum(previous, axis=1)
        return allowed * math.cumprod(1 - allowed, axis=1, exclusive=True)
    raise InputError(f"mode must be 'recursive', 'parallel', or 'hard', not {mode!r}")


def _probabilities(
    score: Tensor, previous: Tensor, noise: float, mode: str, seed: int | None
) -> Tensor:
    """The weights, from scores with noise."""
    if noise > 0:
        drawn = random_normal(arrays.shape(score), dtype=score.dtype, seed=seed)
        score = score + noise * drawn
    p = math.cast(score > 0, score.dtype) if mode == "hard" else math.sigmoid(score)
    return monotonic_attention(p, previous, mode)


class _MonotonicAttention(BaseAttention):
    """A monotonic mechanism; see the mechanisms for the arguments."""

    _scope = ""

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: TensorLike | None,
        sigmoid: dict[str, Any],
        score_mask_value: Any,
        score_bias_init: float,
        dtype: Any,
        name: str,
        *,
        has_query_layer: bool,
    ):
        def layer(of: str) -> Dense:
            return Dense(num_units, name=of, use_bias=False, dtype=dtype or "float32")

        super().__init__(
            query_layer=layer("query_layer") if has_query_layer else None,
            memory_layer=layer("memory_layer"),
            memory=memory,
            probability_fn=partial(_probabilities, **sigmoid),
            memory_sequence_length=memory_sequence_length,
            score_mask_value=score_mask_value,
            name=name,
        )
        self._num_units, self._name = num_units, name
        self._score_bias_init = score_bias_init

    def initial_alignments(self, batch_size: Any, dtype: Any) -> Tensor:
        """The weights before the first step: 1 for the first step of the memory, (B, T)."""
        first = arrays.zeros((batch_size,), dtype="int32")
        return arrays.one_hot(first, self._alignments_size, dtype=dtype)

    def _score(self, query: Tensor) -> Tensor:
        with scopes.variable_scope(None, self._scope):
            if self._query_layer is not None:
                query = self._query_layer(query)
            score = self._plain_score(query)
            bias = scopes.get_variable(
                "attention_score_bias", dtype=query.dtype, initializer=self._score_bias_init
            )
            return score + bias

    _plain_score: Callable


class BahdanauMonotonicAttention(_MonotonicAttention):
    """Monotonic attention with Bahdanau's scores.

    Args:
        sigmoid_noise: The standard deviation of normal noise added to the scores, for training.
        sigmoid_noise_seed: The seed of the noise; None for the graph's.
        score_bias_init: The initial value of a bias added to the scores.
        mode: How the weights are computed; see `monotonic_attention`.
        num_units, memory, memory_sequence_length, normalize, score_mask_value, dtype, name: See
            `BahdanauAttention`.
    """

    _scope = "bahdanau_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: TensorLike | None = None,
        normalize: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "BahdanauMonotonicAttention",
    ):
        self._normalize = normalize
        super().__init__(
            num_units,
            memory,
            memory_sequence_length,
            {"noise": sigmoid_noise, "mode": mode, "seed": sigmoid_noise_seed},
            score_mask_value,
            score_bias_init,
            dtype,
            name,
            has_query_layer=True,
        )

    def _plain_score(self, query: Tensor) -> Tensor:
        return bahdanau_score(query, self._keys, self._normalize)


class LuongMonotonicAttention(_MonotonicAttention):
    """Monotonic attention with Luong's scores.

    Args:
        num_units, memory, memory_sequence_length, scale, score_mask_value, dtype, name: See
            `LuongAttention`.
        sigmoid_noise, sigmoid_noise_seed, score_bias_init, mode: See `BahdanauMonotonicAttention`.
    """

    _scope = "luong_monotonic_attention"

    def __init__(
        self,
        num_units: int,
        memory: Any,
        memory_sequence_length: TensorLike | None = None,
        scale: bool = False,
        score_mask_value: Any = None,
        sigmoid_noise: float = 0.0,
        sigmoid_noise_seed: int | None = None,
        score_bias_init: float = 0.0,
        mode: str = "parallel",
        dtype: Any = None,
        name: str = "LuongMonotonicAttention",
    ):
        self._scale = scale
        super().__init__(
            num_units,
            memory,
            memory_sequence_length,
            {"noise": sigmoid_noise, "mode": mode, "seed": sigmoid_noise_seed},
            score_mask_value,
            score_bias_init,
            dtype,
            name,
            has_query_layer=False,
        )

    def _plain_score(self, query: Tensor) -> Tensor:
        return luong_score(query, self._keys, self._scale)
