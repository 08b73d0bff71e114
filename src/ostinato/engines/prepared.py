"""Training with everything prepared: for sequences of one shape, a call is memory, addresses, and a
jump.

What `call.Call` looks up in each call, for any cell and any rows, takes as long as the kernels do
for a short sequence. Here it is looked up once.
"""

import ctypes
import weakref
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from . import batched, memory
from .call import Call
from .kernels import weight_gradient
from .kernels.job_list import Bases, Job, Listed, Work, together
from .loops import Packed
from .passes import BITS, Block, Pass, Wanted
from .ready import Ends, of_output, where

# The places of two vectors that are added up, as tokens.
_TWO = np.arange(2, dtype=np.int64)


class Prepared:
    """Training over sequences of one shape, from states of 0 or from given ones.

    Args:
        call: The shape; see `can_be`.
        parameters: All tensors that the weights are, or are sums of. Later ones are to be these, or
            others like them.
        batch_first: The first input and the output are (B, T, units); further inputs are (T, B,
            units) either way.
    """

    def __init__(self, call: Call, parameters: Sequence[Tensor], batch_first: bool):
        self.call, this = call, call.passes.train
        self._this, self._shapes = this, [p.shape for p in parameters]
        # One row lies in memory as it should, whatever the order of its two first sizes.
        self._turned = batch_first and call.rows > 1
        self._output = of_output(call, this, batch_first)
        self._batch_first = batch_first
        self._inputs, self._given = len(call.constant), sum(call.given)
        self._own, self._kept = (
            memory.maker(this.shapes[this.own], call.dtype),
            memory.maker((this.kept.size,), call.dtype),
        )
        self._list(call)
        self._states = []
        for place, _, units in call.states:
            (k, start), row = where(place, this), call.rows * units
            begins, ends = (
                (start + end * row) * call.dtype.itemsize for end in call.ends(place, this)
            )
            self._states.append(
                (
                    k,
                    begins,
                    ends,
                    row * call.dtype.itemsize,
                    memory.maker((1, call.rows, units), call.dtype),
                )
            )
        self._ends = Ends(call, this) if call.ragged else None
        self._wanted: dict[tuple[bool, ...], _Backward | None] = {}
        self._packed: dict[tuple[bool, ...], tuple[weakref.ref[Packed], list[int], list[int]]] = {}

    def _list(self, call: Call):
        """List the jobs: what two vectors add up to is worked out first."""
        this, bases = self._this, Bases()
        self._vectors = [(name, *call.parts[name]) for _, name in call.passes.vectors]
        units = {
            place: call.graph.weights[name].shape[0].at(call.sizes)
            for place, name in call.passes.vectors
            if call.parts[name][1] == 2
        }
        sums, jobs, names = Block.of(units), [], ["block", "kept", this.own, *call.passes.inputs]
        numbers = {name: bases[name] for name in (*names, *call.moving, *_packs(this.users))}
        for place, _ in call.passes.vectors:
            numbers[place] = bases[place]
            names.append(place)
            if place in units:
                numbers[place] = (
                    bases["block"] + (this.block.size + sums.places[place]) * call.dtype.itemsize
                )
                vectors = bases[place], bases[f"from {place} to the other"]
                jobs.append(
                    weight_gradient.total(
                        BITS[call.dtype],
                        numbers[place],
                        units[place],
                        vectors,
                        (_TWO.ctypes.data, 2),
                        1,
                    )
                )
                names.append(f"from {place} to the other")
        placed: list[Job] = this.stages[0].work.jobs(numbers)
        placed[0] = replace(placed[0], waits=bool(jobs))
        self._listed = Listed(
            Work([*jobs, *placed], bases), {}, [*names, *call.moving, *_packs(this.users)]
        )
        self._scratch = _Scratch(this, call.dtype, sums.size)

    @staticmethod
    def can_be(call: Call) -> bool:
        """Whether there is no work that torch does, whatever gradient is asked for."""
        this = call.passes.train
        if call.ragged and not this.cleared:
            return False
        return this.own is not None and not this.output.nodes and not _by_torch(this.stages)

    def fit(self, x: Tensor, states: Sequence[Tensor], parameters: Sequence[Tensor]) -> bool:
        """Whether a call with these may be made so, the shape, dtype and device of x and of the
        states being known.
        """
        dtype, learned = self.call.dtype, x.requires_grad or any([s.requires_grad for s in states])
        if len(parameters) != len(self._shapes) or torch.is_autocast_enabled("cpu"):
            return False
        for p, shape in zip(parameters, self._shapes):
            if (
                p is None
                or type(p) not in memory.OWN
                or p.dtype is not dtype
                or p.shape != shape
                or not p.is_cpu
            ):
                return False
            learned = learned or p.requires_grad
        return learned

    def __call__(
        self, tensors: Sequence[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output, laid out as the first input, and the final states (1, B, units) each; of the
        inputs, the initial states (B, units) each and the parameters, and the rows' lengths if they
        have any."""
        output, *final = _Train.apply(self, lengths, *tensors)
        return output, tuple(final)

    def forward(self, tensors: Sequence[Tensor], lengths: Tensor | None, needs: tuple[bool, ...]):
        """The output, the final states, what backward reads besides the parameters, and the packed
        weights.
        """
        call, this, x = self.call, self._this, tensors[0]
        inputs = call.in_order(
            (x.transpose(0, 1) if self._turned else x, *tensors[1 : self._inputs])
        )
        packs = self._packs(tensors, needs)
        vectors, held = [], []
        for name, k, count in self._vectors:
            first = (tensors[k] if count == 2 else call.weight(tensors, name)).contiguous()
            vectors.append(first.data_ptr())
            held.append(first)
            if count == 2:
                other = tensors[k + 1].contiguous()
                if (other.data_ptr() - vectors[-1]) % call.dtype.itemsize:
                    other = other.clone()
                held.append(other)
                vectors.append((other.data_ptr() - vectors[-1]) // call.dtype.itemsize)
        own, kept = self._own(), self._kept()
        block = self._scratch.take()
        arrays = [block[1], kept.data_ptr(), own.data_ptr()]
        when, tokens, moving = call.when(this, lengths)
        if self._given:
            for s, (k, begins, _, size, _), (place, *_) in zip(
                tensors[self._inputs :], self._states, call.states
            ):
                s = (s if place in this.streamed else when.ordered(s)).contiguous()
                ctypes.memmove(arrays[k] + begins, s.data_ptr(), size)
        else:
            for k, begins, _, size, _ in self._states:
                ctypes.memset(arrays[k] + begins, 0, size)
        if self._ends and self._ends.reverse:
            self._ends.begin(
                (block[0], kept.numpy(), own.numpy()),
                when,
                tensors[self._inputs : self._inputs + self._given],
            )
        self._listed.once(
            [*arrays, *[t.data_ptr() for t in inputs], *vectors, *moving, *packs.of_forward]
        )
        if self._ends:
            final = self._ends((block[0], kept.numpy(), own.numpy()), when)
        else:
            final = []
            for k, _, ends, size, make in self._states:
                final.append(make())
                ctypes.memmove(final[-1].data_ptr(), arrays[k] + ends, size)
        self._scratch.give(block)
        return own.as_strided(*self._output), final, [*inputs, kept, own], packs

    def _packs(self, tensors: Sequence[Tensor], needs: tuple[bool, ...]) -> "_Packed":
        """The weights packed for both directions at once, anew where one has changed."""
        call = self.call
        weights = {name: call.weight(tensors, name) for name in call.matrices}
        packed = call.packed(weights)
        known = self._packed.get(needs)
        if known is None or known[0]() is not packed:
            backward, first = (
                self._backward(needs),
                sum(len(user.packs) for user in self._this.users),
            )
            both = call.loops.together([*self._this.users, *(backward.users if backward else ())])
            addresses = packed.addresses(both, weights)
            # Shapes that do not come again are not to hold what they once read.
            known = self._packed[needs] = weakref.ref(packed), addresses[:first], addresses[first:]
        return _Packed(packed, *known[1:])

    def _backward(self, needs: tuple[bool, ...]) -> "_Backward | None":
        if needs not in self._wanted:
            wanted = self.call.passes.wanted(needs)
            self._wanted[needs] = (
                _Backward(self.call, needs) if _Backward.can_be(self.call, wanted) else None
            )
        return self._wanted[needs]

    def backward(
        self,
        tensors: Sequence[Tensor],
        kept: Sequence[Tensor],
        lengths: Tensor | None,
        packs: "_Packed | None",
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
        needs: tuple[bool, ...],
    ) -> list[Tensor | None]:
        """The gradients of the inputs and the parameters, None where they are not asked for."""
        call = self.call
        if d_output is not None:
            d_output = memory.contiguous(d_output.transpose(0, 1) if self._turned else d_output)
        backward = self._backward(needs)
        if backward and not (call.ragged and not call.tokens(lengths).count):
            d_x, *others = backward(
                tensors, kept, packs or self._packs(tensors, needs), lengths, d_output, d_states
            )
        else:
            kept, d_output = (
                [self._in_time(kept[0]), *kept[1:]],
                None if d_output is None else self._in_time(d_output),
            )
            d_states = [None if d is None else d[0] for d in d_states]
            ((d_x, *others),) = together(
                [call.backward(call.split(tensors)[2], kept, lengths, d_output, d_states, needs)]
            )
        return [self._turn(d_x), *others]

    def derived(
        self,
        tensors: Sequence[Tensor],
        lengths: Tensor | None,
        d_output: Tensor | None,
        d_states: Sequence[Tensor | None],
        needs: tuple[bool, ...],
    ):
        """What `backward` gives, as something that has derivatives itself."""
        x, *others = tensors
        d_x, *others = self.call.derived(
            (self._turn(x), *others),
            lengths,
            self._turn(d_output),
            [None if d is None else d[0] for d in d_states],
            needs,
        )
        return [self._turn(d_x), *others]

    def _turn(self, x: Tensor | None) -> Tensor | None:
        """A tensor laid out as the input with time first, or the other way round."""
        return x.transpose(0, 1) if x is not None and self._batch_first else x

    def _in_time(self, x: Tensor) -> Tensor:
        """A tensor whose numbers lie in order of time, as (T, B, units)."""
        return x.view(self.call.steps, self.call.rows, -1)


class _Packed(NamedTuple):
    """Packed weights, for as long as this is held, and where the matrices of each direction lie."""

    held: Packed
    of_forward: list[int]
    of_backward: list[int]


class _Backward:
    """Backward to the tensors that need a gradient.

    Attributes:
        users: Those who want packed matrices.
    """

    def __init__(self, call: Call, needs: tuple[bool, ...]):
        self._call, this, wanted = call, call.passes.backward, call.passes.wanted(needs)
        self._this, self.users = this, [*this.users, *(p.rows for p in wanted.products.values())]
        # Each array that is given back, and what makes its memory: of the loop, of products after
        # it, and of weights.
        made = {
            place: (name, memory.maker(this.shapes[place], call.dtype))
            for name, place in wanted.made.items()
        }
        made |= {
            place: (
                place.removeprefix("d "),
                memory.maker((call.steps, call.rows, p.rows.width), call.dtype),
            )
            for place, p in wanted.products.items()
        }
        made |= {
            f"gradient of {name}": (name, memory.maker(shape, call.dtype, lasting=True))
            for name, shape in wanted.shapes.items()
        }
        self._made = [*made.values()]
        self._units = {
            place.removeprefix("d "): p.node.size.at(call.sizes)
            for place, p in wanted.products.items()
        }
        self._states = [
            this.block.places[place] * call.dtype.itemsize for _, place, _ in call.states
        ]
        self._given = [
            (
                name,
                this.block.places[place] * call.dtype.itemsize,
                memory.maker(this.shapes[place][1:], call.dtype, lasting=True),
            )
            for name, place in wanted.states.items()
        ]
        self._names = [name if need else None for name, need in zip(call.passes.names, needs)]
        # Most vectors have no part in it.
        work = wanted.stages[0].work
        read = {name for _, name, _ in work.moves}
        self._vectors = [(place, name) for place, name in call.passes.vectors if place in read]
        arrays = [
            "block",
            "kept",
            call.passes.train.own,
            "gradient output",
            *call.passes.inputs,
            *(place for place, _ in self._vectors),
        ]
        self._listed = Listed(
            work, {}, [*arrays, "all", "count", *call.moving, *made, *_packs(self.users)]
        )
        self._scratch, self._tokens = _Scratch(this, call.dtype), call.tokens(None)

    @staticmethod
    def can_be(call: Call, wanted: Wanted) -> bool:
        """Whether torch has nothing to do."""
        if call.ragged and wanted.products:
            return False
        return not (
            _by_torch(wanted.stages)
            or wanted.script.nodes
            or wanted.others
            or wanted.paired
            or wanted.after
        )

    def __call__(
        self,
        tensors,
        kept,
        packs: _Packed,
        lengths: Tensor | None,
        d_output: Tensor | None,
        d_states,
    ) -> list[Tensor | None]:
        call = self._call
        *inputs, kept, own = kept
        vectors = [call.weight(tensors, name).contiguous() for _, name in self._vectors]
        if d_output is None:
            d_output = torch.zeros(
                (call.steps, call.rows, call.graph.output.size.at(call.sizes)),
                dtype=call.dtype,
                device="cpu",
            )
        made = [make() for _, make in self._made]
        when, tokens, moving = call.when(self._this, lengths)
        tokens, block = tokens or self._tokens, self._scratch.take()
        at = block[1]
        for start, d in zip(self._states, d_states):
            if d is not None:
                d = when.ordered(d[0]).contiguous()
                size = d.numel() * d.itemsize
                for turn in (0, 1):
                    ctypes.memmove(at + start + turn * size, d.data_ptr(), size)
        self._listed.once(
            [
                at,
                kept.data_ptr(),
                own.data_ptr(),
                d_output.data_ptr(),
                *[t.data_ptr() for t in (*inputs, *vectors)],
                tokens.address,
                tokens.count,
                *moving,
                *[m.data_ptr() for m in made],
                *packs.of_backward,
            ]
        )
        found = {name: m for (name, _), m in zip(self._made, made)}
        for name, units in self._units.items():
            if found[name].shape[-1] != units:
                found[name] = found[name][..., :units]
        for name, start, make in self._given:
            d = make()
            ctypes.memmove(d.data_ptr(), at + start, d.numel() * d.itemsize)
            found[name] = when.scattered(d)
        self._scratch.give(block)
        return [found[name] if name else None for name in self._names]


class _Scratch:
    """Memory for a pass, with some numbers more: a small block is kept for the next call, of which
    there may be several at once.
    """

    def __init__(self, this: Pass, dtype: torch.dtype, more: int = 0):
        self._clear, self._size, self._idle = (
            this.clear * dtype.itemsize,
            (this.block.size + more) * dtype.itemsize,
            [],
        )
        self.give = self._idle.append if self._size < memory.LONG else memory.give

    def take(self) -> tuple[np.ndarray, int]:
        """A block that is 0 where it should be, and its address."""
        try:
            block = self._idle.pop()
        except IndexError:
            block = memory.take(self._size)
        ctypes.memset(block[1], 0, self._clear)
        return block


class _Train(torch.autograd.Function):
    """Such a call for autograd."""

    @staticmethod
    def forward(ctx, prepared: Prepared, lengths: Tensor | None, *tensors):
        output, final, kept, ctx.packed = prepared.forward(
            tensors, lengths, ctx.needs_input_grad[2:]
        )
        ctx.prepared, ctx.lengths = prepared, lengths
        ctx.set_materialize_grads(False)
        # Reasons as in `cpu._Scan`.
        output = output.data
        ctx.save_for_backward(*tensors, *kept, output)
        return output, *final

    @staticmethod
    def backward(ctx, d_output, *d_states):
        prepared, lengths, needs, saved = (
            ctx.prepared,
            ctx.lengths,
            ctx.needs_input_grad[2:],
            ctx.saved_tensors,
        )
        tensors, kept = saved[: len(needs)], saved[len(needs) : -1]
        packed, ctx.packed = ctx.packed, None
        if torch.is_grad_enabled() or batched((d_output, *d_states)):
            return None, None, *prepared.derived(tensors, lengths, d_output, d_states, needs)
        return (
            None,
            None,
            *prepared.backward(tensors, kept, lengths, packed, d_output, d_states, needs),
        )


def _by_torch(stages) -> bool:
    return len(stages) > 1 or bool(stages[0].arguments)


def _packs(users) -> list[str]:
    """The names of the packed matrices' bases."""
    return [f"pack {k}" for k in range(sum(len(user.packs) for user in users))]
