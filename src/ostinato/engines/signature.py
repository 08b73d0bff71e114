"""Private: the arguments of one run of a cell, and the signature that runs of one executable
share.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypedDict

import torch
from torch import Tensor

from ..language.graph import Graph

Weights = Mapping[str, Tensor | tuple[Tensor, ...]]


class Arguments(TypedDict):
    """The arguments of one run by name, as `reference.scan` takes them."""

    inputs: tuple[Tensor, ...]
    states: tuple[Tensor | None, ...]
    weights: Weights
    reverse: bool


@dataclass(frozen=True)
class Run:
    """The arguments of one run of a cell over sequences.

    Attributes:
        tensors: The inputs, the initial states that are given, and the tensors that the weights
            are sums of, in the order of the graph.
        counts: For each state 1 or 0: whether it is given. For each weight the number of its
            tensors.
        reverse: Go from each row's last valid step to its first.
    """

    tensors: Sequence[Tensor]
    counts: tuple[int, ...]
    reverse: bool = False

    @classmethod
    def of(
        cls,
        graph: Graph,
        *,
        inputs: Sequence[Tensor],
        states: Sequence[Tensor | None],
        weights: Weights,
        reverse: bool = False,
    ) -> "Run":
        """The run of these arguments: a state may be None, a weight a sum."""
        tensors = [*inputs, *(s for s in states if s is not None)]
        counts = [int(s is not None) for s in states]
        for name in graph.weights:
            parts = (w,) if isinstance(w := weights[name], Tensor) else w
            tensors += parts
            counts.append(len(parts))
        return cls(tensors, tuple(counts), reverse)

    def arguments(self, graph: Graph) -> Arguments:
        """The arguments by name: inputs, states, weights and reverse."""
        each = iter(self.tensors)
        inputs = tuple(next(each) for _ in graph.inputs)
        states = tuple(next(each) if count else None for _, count in zip(graph.states, self.counts))
        weights: dict[str, Tensor | tuple[Tensor, ...]] = {}
        for name, count in zip(graph.weights, self.counts[len(graph.states) :]):
            parts = tuple(next(each) for _ in range(count))
            weights[name] = parts[0] if count == 1 else parts
        return {"inputs": inputs, "states": states, "weights": weights, "reverse": self.reverse}


@dataclass(frozen=True)
class Signature:
    """The calls that an executable of a graph is compiled for.

    Attributes:
        shapes: Of the tensors of a run, from which the sizes, B and T follow.
        counts: As of `Run`: which states are given, and the tensors of each weight.
        dtype: Of all tensors.
        batch_first: The first input and the output are (B, T, units); further inputs are
            (T, B, units) either way.
        ragged: Rows may end early.
        reverse: Go from each row's last valid step to its first.
        narrow: The factors of products are rounded to bfloat16.
        threads: How many may run.
        backward: A backward pass follows.
    """

    shapes: tuple[torch.Size, ...]
    counts: tuple[int, ...]
    dtype: torch.dtype
    batch_first: bool
    ragged: bool
    reverse: bool
    narrow: bool
    threads: int
    backward: bool

    @property
    def rows(self) -> int:
        """B."""
        return self.shapes[0][0 if self.batch_first else 1]

    @property
    def steps(self) -> int:
        """T."""
        return self.shapes[0][1 if self.batch_first else 0]
