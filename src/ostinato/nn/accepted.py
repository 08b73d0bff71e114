"""Private: calls of a layer whose arguments have been checked: the next call of the same kind skips
the checks, and the search for the executables.
"""

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from .. import engines
from ..engines.kernels.tuning import ACCEPTED
from ..engines.memory import OWN

if TYPE_CHECKING:
    from ..engines.bound import BoundExecutable
    from ..engines.cpu import CompiledLayer

# Runs a layer: takes its number, the tensors of each direction, and the rows' lengths; gives for
# each direction the output, laid out as its first input, and the final states, (1, B, units) each.
Runner = Callable[
    [int, Sequence[Sequence[Tensor]], Tensor | None], list[tuple[Tensor, Sequence[Tensor]]]
]


class Accepted:
    """A kind of call that has been checked.

    Args:
        layers: The executables of each layer.
        parts: For each layer and direction the tensors of its weights: a parameter by its name, or
            the tensor that stands for a weight without any.
        weights: The tensors that these are now.
        constant: The weights are used as they are, without gradients, so that executables may be
            bound to them.

    Attributes:
        layers, parts: As given.
        bound: The executables of each layer and direction, bound to their weights, from the second
            call on; None where they are not.
    """

    def __init__(
        self,
        layers: Sequence["CompiledLayer"],
        parts: Sequence[Sequence[str | Tensor]],
        weights: Sequence[Sequence[Tensor]],
        *,
        constant: bool,
    ):
        self.layers, self.parts = layers, parts
        executables = [e for layer in layers for e in layer.executables]
        self._shapes = [[w.shape for w in own] for own in weights]
        self._dtype = executables[0].dtype
        self._bindable = constant and all(e.small for e in executables)
        self._bindable &= not any(layer.side_by_side for layer in layers)
        self.bound: list[BoundExecutable] | None = None

    def runner(
        self,
        x: Tensor,
        states: Sequence[Sequence[Tensor]],
        weights: Sequence[Sequence[Tensor | None]],
    ) -> Runner | None:
        """The runner of the layers of a call; None where its arguments have to be checked.

        Args:
            x: The input; its shape, dtype and device are those of the kind.
            states: The initial states of each layer and direction, which have been checked.
            weights: The tensors of the weights of each.
        """
        bound = self.bound
        if bound is None:
            if not self._fits(x, states, weights):
                return None
            if not self._bindable:
                return lambda layer, parts, lengths: self.layers[layer](parts, lengths)
            executables = [e for layer in self.layers for e in layer.executables]
            bound = self.bound = [engines.bind(e, own) for e, own in zip(executables, weights)]
        elif not all([b.holds(own) for b, own in zip(bound, weights)]):
            return None
        return lambda layer, parts, lengths: [
            b(part, lengths) for b, part in zip(bound[layer * len(parts) :], parts)
        ]

    def _fits(self, x, states, weights) -> bool:
        """Whether the weights are of the same kind, and the same runs need a gradient."""
        if torch.is_autocast_enabled("cpu"):
            return False
        learning, dtype, k = torch.is_grad_enabled(), self._dtype, 0
        learned = x.requires_grad
        for layer in self.layers:
            needs = []
            for shapes, own, given in zip(
                self._shapes[k:], weights[k : k + len(layer.executables)], states[k:]
            ):
                for p, shape in zip(own, shapes):
                    if (
                        p is None
                        or type(p) not in OWN
                        or p.dtype is not dtype
                        or p.shape != shape
                        or not p.is_cpu
                    ):
                        return False
                needs.append(learned or any([t.requires_grad for t in (*given, *own)]))
            learned, k = any(needs), k + len(needs)
            for e, need in zip(layer.executables, needs):
                follows = learning and (learned if layer.side_by_side else need)
                if follows is not e.signature.backward:
                    return False
        return True


class AcceptedCalls:
    """The kinds of calls of a layer that have been checked; those used last are kept."""

    def __init__(self):
        self.kinds: OrderedDict[tuple, Accepted] = OrderedDict()

    def get(self, kind: tuple) -> Accepted | None:
        return self.kinds.get(kind)

    def add(self, kind: tuple, accepted: Accepted) -> None:
        self.kinds[kind] = accepted
        if len(self.kinds) > ACCEPTED:
            self.kinds.popitem(last=False)
