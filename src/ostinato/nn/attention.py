"""Attention: which places of a memory a query asks for, and what it gets from them."""

import torch
from torch import Tensor, nn

from ..errors import ArgumentTypeError, SizeError
from . import overrides
from .arguments import is_tensor


class _Attention(nn.Module):
    """What both kinds have in common; a kind has `keys(memory)` and
    `_scores(query_BTQ, keys) -> (B, T, S)`.
    """

    def forward(
        self, query: Tensor, keys: Tensor, memory: Tensor, mask: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """What queries get from a memory.

        Args:
            query: (B, Q) for one step, or (B, T, Q) for all steps at once.
            keys: What `keys(memory)` gave.
            memory: (B, S, M).
            mask: (B, S) truth values, the places that there are; None for all. A row without any
                gets zeros.

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
                found := overrides.taken_over(
                    _Attention.forward, others, self, query, keys, memory, mask
                )
            )
            is not None
        ):
            return found
        given = (query, keys, memory) if mask is None else (query, keys, memory, mask)
        if not all(map(is_tensor, given)):
            names = ", ".join(type(t).__name__ for t in given)
            raise ArgumentTypeError(
                f"attention was given {names}; it wants tensors: query, keys(memory), memory and, "
                f"if any, mask"
            )
        if (
            query.shape[-1] != self.query_size
            or memory.shape[-1] != self.memory_size
            or query.shape[:1] != memory.shape[:1]
        ):
            raise SizeError(
                f"attention was given a query of {tuple(query.shape)} and a memory of "
                f"{tuple(memory.shape)}; "
                f"it wants (batch, {self.query_size}) or (batch, steps, {self.query_size}), "
                f"and (batch, places, {self.memory_size})"
            )
        if mask is not None and (mask.dtype != torch.bool or mask.shape != memory.shape[:2]):
            raise SizeError(
                f"attention was given a mask of {mask.dtype}, {tuple(mask.shape)}; it wants truth "
                f"values of "
                f"{tuple(memory.shape[:2])}, (batch, places): write torch.arange(places) < "
                f"lengths[:, None]"
            )
        query_BTQ = query[:, None] if query.dim() == 2 else query
        scores = self._scores(query_BTQ, keys)
        if mask is None:
            weights = scores.softmax(2)
        else:
            # the least number and not -inf, of which a row without any place would make NaN
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
        query_size: Q, units of a query.
        memory_size: M, units of a place.

    Source: Luong, Pham and Manning, Effective Approaches to Attention-based Neural Machine
        Translation (2015), equation 8,
    "general".

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
        """What is asked of a memory (B, S, M) and does not depend on the query, (B, S, Q): compute
        it once.
        """
        return self.key(memory)

    def _scores(self, query_BTQ, keys):
        return query_BTQ @ keys.transpose(1, 2)


class Bahdanau(_Attention):
    """Additive attention: the score of a place is v . tanh(W q + U m).

    Args:
        query_size: Q, units of a query.
        memory_size: M, units of a place.
        units: Of the sum.

    Source: Bahdanau, Cho and Bengio, Neural Machine Translation by Jointly Learning to Align and
        Translate (2015), appendix
    A.1.2.

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
        """What is asked of a memory (B, S, M) and does not depend on the query, (B, S, units):
        compute it once.
        """
        return self.key(memory)

    def _scores(self, query_BTQ, keys):
        return self.score(torch.tanh(self.query(query_BTQ)[:, :, None] + keys[:, None])).squeeze(3)
