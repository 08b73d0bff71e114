"""Private: calls of a layer whose arguments have been checked: the next call of the same kind skips
the checks, and the search for the executables.
"""

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from itertools import accumulate
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from .. import engines
from ..engines.kernels.tuning import ACCEPTED
from ..engines.memory import OWN

if TYPE_CHECKING:
    from ..engines.bound import BoundExecutable
    from ..engines.cpu import CompiledLayer


# What tells whether a weight is of the same kind as before.
_ABOUT = attrgetter("dtype", "shape", "is_cpu", "requires_grad")


class Accepted:
    """A kind of call that has been checked.

    Args:
        layers: The executables of each layer.
        parts: For each layer and direction the tensors of its weights: a parameter by its name, or
            the tensor that stands for a weight without any.
        parameters: The layer's own parameters by name.
        from_zero: The initial states are 0.
        regularised: There are masks, or weights that are dropped.

    Attributes:
        layers, regularised: As given.
        states: The initial states of each layer and direction where they are 0, () each; else None.
        parts: As given, one after another.
        bound: The executables of each layer and direction, bound to their weights, from the second
            call on; None where they are not.
    """

    def __init__(
        self,
        layers: Sequence["CompiledLayer"],
        parts: Sequence[Sequence[str | Tensor]],
        parameters: Mapping[str, Tensor],
        *,
        from_zero: bool,
        regularised: bool,
    ):
        self.layers, self.regularised = layers, regularised
        self.states: list[tuple[Tensor, ...]] | None = [()] * len(parts) if from_zero else None
        self.parts = [part for own in parts for part in own]
        self._shapes = [w.shape for w in self.weights(parameters)]
        ends = accumulate(map(len, parts))
        self._slices = [slice(end - len(own), end) for end, own in zip(ends, parts)]
        self._executables = [e for layer in layers for e in layer.executables]
        self._directions = len(layers[0].executables)
        self._dtype = self._executables[0].dtype
        # With gradients, which tensors need one is asked at every call; dropped weights are others.
        self._bindable = not (torch.is_grad_enabled() or regularised)
        self._bindable &= all(e.small for e in self._executables)
        self._bindable &= not any(layer.side_by_side for layer in layers)
        self.bound: list[BoundExecutable] | None = None
        # What `_fits` was asked about last and said yes to.
        self._fitting: object = None

    def weights(self, parameters: Mapping[str, Tensor]) -> list[Any]:
        """The tensors of `parts` now; the name itself in place of a parameter that is gone."""
        return [*map(parameters.get, self.parts, self.parts)]

    def fits(self, x: Tensor, states: Sequence[Sequence[Tensor]], weights: Sequence[Any]) -> bool:
        """Whether a call is of this kind; False where its arguments have to be checked again.

        Args:
            x: The input; its shape, dtype and device are those of the kind.
            states: The initial states of each layer and direction, which have been checked.
            weights: Those that `weights` gives.
        """
        if self.bound is None:
            if not self._fits(x, states, weights):
                return False
            if self._bindable:
                self.bound = [
                    engines.bind(e, weights[own]) for e, own in zip(self._executables, self._slices)
                ]
            return True
        for bound, own in zip(self.bound, self._slices):
            if not bound.holds(weights[own]):
                return False
        return True

    def _fits(self, x, states, weights) -> bool:
        """Whether the weights are of the same kind, and the same runs need a gradient."""
        if torch.is_autocast_enabled("cpu") or not OWN.issuperset(map(type, weights)):
            return False
        starts = [s.requires_grad for given in states for s in given]
        now = [*map(_ABOUT, weights)], x.requires_grad, starts
        if now != self._fitting:
            if not self._can_run(x, states, weights):
                return False
            self._fitting = now
        return True

    def _can_run(self, x, states, weights) -> bool:
        """Whether the executables are those for the weights, and for what needs a gradient."""
        dtype, learning, k = self._dtype, torch.is_grad_enabled(), 0
        learned = learning and x.requires_grad
        for layer in self.layers:
            needs = []
            for given, own in zip(states[k:], self._slices[k : k + self._directions]):
                need = learned or learning and any([s.requires_grad for s in given])
                for p, shape in zip(weights[own], self._shapes[own]):
                    if p.dtype is not dtype or p.shape != shape or not p.is_cpu:
                        return False
                    need = need or learning and p.requires_grad
                needs.append(need)
            k += self._directions
            together = any(needs)
            for e, need in zip(layer.executables, needs):
                if e.signature.backward is not (together if layer.side_by_side else need):
                    return False
            learned = together
        return True

    def run(
        self,
        states: Sequence[Sequence[Tensor]],
        weights: Sequence[Tensor],
        lengths: Tensor | None,
        layer: int,
        x: Tensor,
        masks: Sequence[Sequence[Tensor]] = ((), ()),
    ) -> Sequence[tuple[Tensor, Sequence[Tensor]]]:
        """Run a layer, of a call that fits.

        Args:
            states, weights: As for `fits`.
            lengths: The rows' lengths.
            layer: The number of the layer.
            x: Its input, laid out as that of the call.
            masks: Further inputs of each direction, where executables are not bound.

        Returns:
            For each direction the output, laid out as x, and the final states, (1, B, units) each.
        """
        if self._directions == 1 and self.bound:
            return (self.bound[layer]((x, *states[layer]), lengths),)
        runs = range(layer * self._directions, (layer + 1) * self._directions)
        if self.bound:
            return [self.bound[k]((x, *states[k]), lengths) for k in runs]
        return self.layers[layer](
            [(x, *m, *states[k], *weights[self._slices[k]]) for k, m in zip(runs, masks)], lengths
        )


class AcceptedCalls:
    """The kinds of calls of a layer that have been checked; those used last are kept."""

    def __init__(self):
        self.kinds: OrderedDict[tuple, Accepted] = OrderedDict()

    def add(self, kind: tuple, accepted: Accepted) -> None:
        self.kinds[kind] = accepted
        if len(self.kinds) > ACCEPTED:
            self.kinds.popitem(last=False)
