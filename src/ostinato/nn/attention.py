"""Attention over a memory: the score of each place for a query, and the weighted mean."""

import torch
from torch import Tensor, nn

from ..errors import ArgumentTypeError, SizeError
from . import overrides
from .arguments import is_tensor

__all__ = ["Bahdanau", "Luong"]


class _Attention(nn.Module):
    """Base class of both kinds of attention."""

    query_size: int
    memory_size: int

    def keys(self, memory: Tensor) -> Tensor:
        """The part of the scores that depends on a memory (B, S, M) only: compute it once."""
        raise NotImplementedError

    def _scores(self, query_BTQ: Tensor, keys: Tensor) -> Tensor:
        """The scores (B, T, S) of all places for each query."""
        raise NotImplementedError

    def forward(
        self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """The context of each query: the mean over the memory, weighted by the scores.

        Args:
            query: (B, Q) for one step, or (B, T, Q) for all steps at once.
            keys: The result of `keys(memory)`.
            memory: (B, S, M).
            mask: (B, S), True for the valid places; None if all are valid. A row without valid
                places gets zeros.

        Returns:
            Context (B, M) or (B, T, M), and weights (B, S) or (B, T, S), which add up to 1.

        Raises:
            SizeError: A shape that does not fit.
            ArgumentTypeError: An argument that is not a tensor.
        """
        others = overrides.overriding(query, keys, memory, mask)
        if (
            others
            and (
                result := overrides.taken_over(
                    _Attention.forward, others, self, query, keys, memory, mask
                )
            )
            is not None
        ):
            return result  # pyright: ignore[reportReturnType] (a node of a traced graph)
        given = (query, keys, memory) if mask is None else (query, keys, memory, mask)
        if not all(map(is_tensor, given)):
            names = ", ".join(type(t).__name__ for t in given)
            raise ArgumentTypeError(
                f"attention was given {names}; it needs tensors: query, keys(memory), memory and, "
                f"optionally, mask"
            )
        if (
            query.shape[-1] != self.query_size
            or memory.shape[-1] != self.memory_size
            or query.shape[:1] != memory.shape[:1]
        ):
            raise SizeError(
                f"attention was given a query of {tuple(query.shape)} and a memory of "
                f"{tuple(memory.shape)}; it needs (batch, {self.query_size}) or (batch, steps, "
                f"{self.query_size}), and (batch, places, {self.memory_size})"
            )
        if mask is not None and (mask.dtype != torch.bool or mask.shape != memory.shape[:2]):
            raise SizeError(
                f"attention was given a mask of {mask.dtype}, {tuple(mask.shape)}; it needs a "
                f"boolean mask of {tuple(memory.shape[:2])}, (batch, places): write "
                f"torch.arange(places) < lengths[:, None]"
            )
        query_BTQ = query[:, None] if query.dim() == 2 else query
        scores = self._scores(query_BTQ, keys)
        if mask is None:
            weights = scores.softmax(2)
        else:
            # The smallest number and not -inf, which would give NaN in rows without valid places.
            inside = mask[:, None]
            weights = scores.masked_fill(~inside, torch.finfo(scores.dtype).min).softmax(2) * inside
        context = weights @ memory
        return (context[:, 0], weights[:, 0]) if query.dim() == 2 else (context, weights)

    __prepare_scriptable__ = overrides.refuse_script

    def extra_repr(self) -> str:
        return f"{self.query_size}, {self.memory_size}"


class Luong(_Attention):
    """General attention: the score of a place is q . W m.

    Args:
        query_size: Q, the units of a query.
        memory_size: M, the units of a place.

    Source: Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
        Translation (2015), equation 8, "general".

    Example:
        >>> import torch
        >>> from ostinato.nn.attention import Luong
        >>> attention, memory = Luong(3, 4), torch.randn(2, 5, 4)
        >>> context, weights = attention(torch.randn(2, 7, 3), attention.keys(memory), memory)
        >>> context.shape, weights.shape
        (torch.Size([2, 7, 4]), torch.Size([2, 7, 5]))
    """

    def __init__(self, query_size: int, memory_size: int):
        super().__init__()
        self.query_size, self.memory_size = query_size, memory_size
        self.key = nn.Linear(memory_size, query_size, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """W m for a memory (B, S, M), which is (B, S, Q) and does not depend on the query: compute
        it once.
        """
        return self.key(memory)

    def _scores(self, query_BTQ: Tensor, keys: Tensor) -> Tensor:
        return query_BTQ @ keys.transpose(1, 2)


class Bahdanau(_Attention):
    """Additive attention: the score of a place is v . tanh(W q + U m).

    Args:
        query_size: Q, the units of a query.
        memory_size: M, the units of a place.
        units: The units of the sum.

    Source: Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
        Translate (2015), appendix A.1.2.

    Example:
        >>> import torch
        >>> from ostinato.nn.attention import Bahdanau
        >>> attention, memory = Bahdanau(3, 4, 6), torch.randn(2, 5, 4)
        >>> context, weights = attention(torch.randn(2, 3), attention.keys(memory), memory)
        >>> context.shape, weights.shape
        (torch.Size([2, 4]), torch.Size([2, 5]))
    """

    def __init__(self, query_size: int, memory_size: int, units: int):
        super().__init__()
        self.query_size, self.memory_size = query_size, memory_size
        self.query = nn.Linear(query_size, units)
        self.key = nn.Linear(memory_size, units, bias=False)
        self.score = nn.Linear(units, 1, bias=False)

    def keys(self, memory: Tensor) -> Tensor:
        """U m for a memory (B, S, M), which is (B, S, units) and does not depend on the query:
        compute it once.
        """
        return self.key(memory)

    def _scores(self, query_BTQ: Tensor, keys: Tensor) -> Tensor:
        return self.score(torch.tanh(self.query(query_BTQ)[:, :, None] + keys[:, None])).squeeze(3)
