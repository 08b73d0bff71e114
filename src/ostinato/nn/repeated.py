"""Calls of a layer that come again: what they have in common is looked up once, and the next one is
ready.
"""

from collections.abc import Collection
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from .. import engines
from .lengths import read_lengths
from .regularisation import Regularisation

# Kinds of calls that a layer has ready.
READY = 16
# Multiply-adds from which what a call takes besides its kernels matters less than that two
# directions run at once, each with weights of its own; and where one direction has too few rows for
# all threads.
MUCH, MUCH_OF_ONE_THREAD = 250_000_000, 4_000_000


class Part(NamedTuple):
    """What one layer, in one direction, has ready for a kind of call.

    Attributes:
        made: What `engines.make_ready` or `engines.make_prepared` has made; None where it is not
            worth it.
        parts: The tensors that the layer's weights are, or are sums of: parameters by name, and
            what stands for a weight without any.
    """

    made: object
    parts: list[str | Tensor]


class Repeated:
    """The part of `Recurrent` that has calls ready."""

    def _at_once(self, x: Tensor, state, lengths):
        """What `forward` returns for a kind of call that is ready; None where none is, or it does
        not fit.
        """
        learning = torch.is_grad_enabled()
        kind = self._kind(x.shape, x.dtype, state is None, lengths is None, learning)
        parts = self._ready.get(kind)
        if parts is None or not x.is_cpu or engines.traced():
            return None
        states, weights = [()] * len(parts), [self._tensors(part.parts) for part in parts]
        if lengths is not None:
            lengths = read_lengths(
                lengths, *(x.shape[1::-1] if self.batch_first else x.shape[:2]), "cpu"
            )
        if state is not None:
            states = [
                *zip(*self.initial_state(x.shape[0 if self.batch_first else 1], state, like=x))
            ]
        if learning and not (
            self._plain()
            and all([part.made.fit(x, *given) for part, *given in zip(parts, states, weights)])
        ):
            return None
        outputs, ends = [], []
        for part, begin, mine in zip(parts, states, weights):
            if ends and not outputs and self.training and self.dropout:
                x = self._in_time(F.dropout(self._in_time(x), self.dropout))
            if learning:
                masks, mine = self._learned(x, mine)
                found = part.made((x, *masks, *begin, *mine), lengths)
            elif (found := part.made((x,), begin, mine, lengths)) is None:
                if not part.made.current:
                    self._ready.pop(kind, None)
                return None
            output, end = found
            ends.append(end)
            if not self.bidirectional:
                x = output
            elif not outputs:
                outputs.append(self._in_time(output))
            else:
                x = self._in_time(torch.cat((outputs.pop(), self._in_time(output)), -1))
        return x, self.returned_state(
            ends[0] if len(ends) == 1 else tuple(map(torch.cat, zip(*ends)))
        )

    def _in_time(self, x: Tensor) -> Tensor:
        """What is laid out as the input, with time first, or the other way round."""
        return x.transpose(0, 1) if self.batch_first else x

    @property
    def _chance(self) -> Regularisation | None:
        """What is left to chance in a call as the layer is now."""
        return self._regularisation if self.training else None

    def _learned(
        self, x: Tensor, weights: Collection[Tensor]
    ) -> tuple[Collection[Tensor], Collection[Tensor]]:
        """What a prepared call is given besides its input and states: masks, and all tensors that
        the weights are, or are sums of.
        """
        chance = self._chance
        if not chance:
            return (), weights
        # In the order in which `_run` draws.
        masks = chance.masks(self._in_time(x), self._first_letters)
        if chance.weight_drop:
            dropped = chance.weights(self.cell_weights(0)).values()
            weights = [part for w in dropped for part in ((w,) if isinstance(w, Tensor) else w)]
        return masks, weights

    def _make_ready(
        self, x: Tensor, inputs: tuple[Tensor, ...], states, given: bool, lengths: Tensor | None
    ):
        """Have such a call's next one ready, if it comes for the second time and all there is to it
        is layers of one input.

        Args:
            x: The input as it was given.
            inputs: The inputs, (T, B, units) each.
            states: The initial states, (layers, B, units) each, or None for 0.
            given: Whether these were given.
            lengths: The rows' valid steps, if they were given.
        """
        learning, chance = torch.is_grad_enabled(), self._chance
        kind = self._kind(x.shape, inputs[0].dtype, not given, lengths is None, learning)
        # What is not worth it is remembered too, as None.
        if (
            kind in self._ready
            or len(inputs) > 1
            or not ((given or self._starts_at_zero) and x.is_cpu)
        ):
            return
        if self.engine == "reference" or not self._plain() or engines.traced():
            return
        # A call that finds out too late that weights have changed would have drawn numbers at
        # random.
        if len(self._runs) > 1 and (chance or self.training and self.dropout and not learning):
            return
        if self.bidirectional and self._side_by_side(*inputs[0].shape[:2]):
            return
        if kind not in self._seen:
            if len(self._seen) >= READY:
                self._seen.clear()
            self._seen.add(kind)
            return
        parts: list[Part] | None = []
        for k, (layer, direction) in enumerate(self._runs):
            if direction == 0 and layer:
                inputs = (inputs[0].new_empty(*inputs[0].shape[:2], self._letters(layer)["I"]),)
            parts.append(
                self._part(
                    k,
                    inputs,
                    tuple([s if s is None else s[k] for s in states]),
                    lengths,
                    learning,
                    chance,
                )
            )
            if parts[-1].made is None:
                parts = None
                break
        if len(self._ready) >= READY:
            self._ready.clear()
        self._ready[kind] = parts

    def _part(
        self,
        k: int,
        inputs: tuple[Tensor, ...],
        states,
        lengths: Tensor | None,
        learning: bool,
        chance: Regularisation | None,
    ) -> Part:
        """Of the k-th run, as `_runs` has them."""
        run, made = self._runs[k], None
        graph, weights, reverse = self.graph, self.cell_weights(*run), run[1] == 1
        parts = [part for weight, names in self._parts[run] for part in names or [weights[weight]]]
        if learning and not self.checkpoint:
            if chance:
                graph, weights, inputs = (
                    chance.in_training,
                    chance.like(weights),
                    (*inputs, *chance.examples(inputs[0], self._first_letters)),
                )
            tensors = self._tensors(parts)
            made = engines.make_prepared(
                graph,
                inputs,
                states,
                weights,
                lengths,
                reverse,
                tensors,
                self.precision,
                self.batch_first,
            )
        elif not learning and not chance:
            made = engines.make_ready(
                graph, inputs, states, weights, lengths, reverse, self.precision, self.batch_first
            )
        return Part(made, parts)

    def _tensors(self, parts: list[str | Tensor]) -> list[Tensor | None]:
        """What a part's weights consist of now; None for what is no parameter any more."""
        parameters = self._parameters
        return [parameters.get(part) if type(part) is str else part for part in parts]

    def _side_by_side(self, steps: int, rows: int) -> bool:
        """Whether both directions had better run at once; what is ready runs one after the other,
        each on all threads.
        """
        multiply_adds = (
            steps * rows * sum(p.numel() for p in self._parameters.values()) // len(self._runs)
        )
        return multiply_adds > (MUCH if rows >= torch.get_num_threads() else MUCH_OF_ONE_THREAD)

    def _kind(self, *of_call) -> tuple:
        """What calls have in common that one `Ready` is for, or one `Prepared`: the shape, the
        dtype, whether there are no states, no lengths, and whether it learns."""
        return (
            *of_call,
            self.training,
            torch.get_num_threads(),
            self.precision,
            self.engine,
            self.checkpoint,
            self.batch_first,
        )

    def _plain(self) -> bool:
        """Whether all weights are this module's own parameters, and in order."""
        return self._own == [*self._parameters]
