"""Training with everything prepared: for sequences of one shape, a call is memory, addresses, and a jump.

What `call.Call` looks up in each call, for any cell and any rows, takes as long as the kernels do for a short sequence. Here it is looked
up once.
"""

import ctypes
from collections.abc import Sequence

import torch
from torch import Tensor

from . import batched, memory
from .call import Call
from .loops import Packed
from .passes import Pass, Wanted
from .ready import SMALL, of_output
from .team import Listed, together


class Prepared:
    """Training over whole sequences of one shape, from states of 0.

    Args:
        call: The shape; see `can_be`.
        parameters: All tensors that the weights are, or are sums of. Later ones are to be these, or others like them.
        batch_first: The first input and the output are (B, T, units); further inputs are (T, B, units) either way.
    """

    def __init__(self, call: Call, parameters: Sequence[Tensor], batch_first: bool):
        self.call, this = call, call.passes.train
        self._this, self._shapes = this, [p.shape for p in parameters]
        # One row lies in memory as it should, whatever the order of its two first sizes.
        self._turned = batch_first and call.rows > 1
        self._output = of_output(call, this, batch_first)
        self._batch_first = batch_first
        given = *call.passes.inputs, *(place for place, _ in call.passes.vectors)
        self._listed = Listed(this.stages[0].work, {}, ["block", "kept", this.own, *given, *_packs(this.users)])
        self._scratch = _Scratch(this, call.dtype)
        self._states = [(*self._place(place), *(end * call.rows * units * call.dtype.itemsize for end in call.ends(place, this)),
                         call.rows * units * call.dtype.itemsize, (1, call.rows, units)) for place, _, units in call.states]
        self._wanted: dict[tuple[bool, ...], _Backward | None] = {}

    @staticmethod
    def can_be(call: Call) -> bool:
        """Whether there is no work that torch does, whatever gradient is asked for, and no state is given."""
        if call.ragged or any(call.given):
            return False
        this = call.passes.train
        return this.own is not None and not this.output.nodes and not _by_torch(this.stages)

    def _place(self, place: str) -> tuple[int, int]:
        """Which array a state is in, and at what byte it begins."""
        for k, block in enumerate((self._this.block, self._this.kept)):
            if place in block.places:
                return k, block.places[place] * self.call.dtype.itemsize
        return 2, 0

    def fit(self, x: Tensor, parameters: Sequence[Tensor]) -> bool:
        """Whether a call with these may be made so, the shape, dtype and device of x being known."""
        dtype, learned = self.call.dtype, x.requires_grad
        if len(parameters) != len(self._shapes) or torch.is_autocast_enabled("cpu"):
            return False
        for p, shape in zip(parameters, self._shapes):
            if p is None or p.dtype is not dtype or p.shape != shape or not p.is_cpu:
                return False
            learned = learned or p.requires_grad
        return learned

    def __call__(self, tensors: Sequence[Tensor]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output, laid out as the first input, and the final states (1, B, units) each; of the inputs and the parameters."""
        output, *final = _Train.apply(self, *tensors)
        return output, tuple(final)

    def forward(self, tensors: Sequence[Tensor]) -> tuple[Tensor, list[Tensor], list[Tensor], Packed]:
        """The output, the final states, what backward reads besides the parameters, and the packed weights."""
        call, this, x = self.call, self._this, tensors[0]
        inputs = call.in_order((x.transpose(0, 1) if self._turned else x, *tensors[1 : len(call.constant)]))
        weights = call.split(tensors)[2]
        packed, vectors = call.packed(weights), [weights[name].contiguous() for _, name in call.passes.vectors]
        own, kept = memory.empty(this.shapes[this.own], call.dtype), memory.empty((this.kept.size,), call.dtype)
        block = self._scratch.take()
        arrays = [block.data_ptr(), kept.data_ptr(), own.data_ptr()]
        for k, start, begins, _, size, _ in self._states:
            ctypes.memset(arrays[k] + start + begins, 0, size)
        self._listed.once([*arrays, *[t.data_ptr() for t in (*inputs, *vectors)], *_addresses(packed, this.users, weights)])
        final = []
        for k, start, _, ends, size, shape in self._states:
            final.append(torch.empty(shape, dtype=call.dtype, device="cpu"))
            ctypes.memmove(final[-1].data_ptr(), arrays[k] + start + ends, size)
        self._scratch.give(block)
        return own.as_strided(*self._output), final, [*inputs, kept, own], packed

    def backward(self, kept: Sequence[Tensor], parameters: Sequence[Tensor], packed: Packed | None, d_output: Tensor | None,
                 d_states: Sequence[Tensor | None], needs: tuple[bool, ...]) -> list[Tensor | None]:
        """The gradients of the inputs and the parameters, None where they are not asked for."""
        call, weights = self.call, _Weights(self.call, (*kept[:-2], *parameters))
        if d_output is not None:
            d_output = memory.contiguous(d_output.transpose(0, 1) if self._turned else d_output)
        if needs not in self._wanted:
            wanted = call.passes.wanted(needs)
            self._wanted[needs] = _Backward(call, needs) if _Backward.can_be(wanted) else None
        if backward := self._wanted[needs]:
            d_x, *others = backward(kept, weights, packed, d_output, d_states)
        else:
            kept, d_output = [self._in_time(kept[0]), *kept[1:]], None if d_output is None else self._in_time(d_output)
            (d_x, *others), = together([call.backward(weights.all(), kept, None, d_output, d_states, needs)])
        return [self._turn(d_x), *others]

    def derived(self, tensors: Sequence[Tensor], d_output: Tensor | None, d_states: Sequence[Tensor | None], needs: tuple[bool, ...]):
        """What `backward` gives, as something that has derivatives itself."""
        x, *others = tensors
        d_x, *others = self.call.derived((self._turn(x), *others), None, self._turn(d_output),
                                         [None if d is None else d[0] for d in d_states], needs)
        return [self._turn(d_x), *others]

    def _turn(self, x: Tensor | None) -> Tensor | None:
        """A tensor laid out as the input with time first, or the other way round."""
        return x.transpose(0, 1) if x is not None and self._batch_first else x

    def _in_time(self, x: Tensor) -> Tensor:
        """A tensor whose numbers lie in order of time, as (T, B, units)."""
        return x.view(self.call.steps, self.call.rows, -1)


class _Weights(dict):
    """The weights by name, which are worked out if one is asked for."""

    def __init__(self, call: Call, tensors: Sequence[Tensor]):
        super().__init__()
        self._call, self._tensors = call, tensors

    def all(self) -> "_Weights":
        self.update(self._call.split(self._tensors)[2])
        return self

    def __missing__(self, name: str) -> Tensor:
        return self.all()[name]


class _Backward:
    """Backward to the tensors that need a gradient."""

    def __init__(self, call: Call, needs: tuple[bool, ...]):
        self._call, this, wanted = call, call.passes.backward, call.passes.wanted(needs)
        self._users = [*this.users, *(p.rows for p in wanted.products.values())]
        # Each array that is given back, with its shape and what makes its memory: of the loop, of products after it, and of weights.
        made = {place: (name, this.shapes[place], memory.empty) for name, place in wanted.made.items()}
        made |= {place: (place.removeprefix("d "), (call.steps, call.rows, p.rows.width), memory.empty) for place, p in wanted.products.items()}
        made |= {f"gradient of {name}": (name, shape, _lasting) for name, shape in wanted.shapes.items()}
        self._made = [*made.values()]
        self._units = {place.removeprefix("d "): p.node.size.at(call.sizes) for place, p in wanted.products.items()}
        self._states = [this.block.places[place] * call.dtype.itemsize for _, place, _ in call.states]
        self._names = [name if need else None for name, need in zip(call.passes.names, needs)]
        self._tokens = call.tokens(None)
        # Most vectors have no part in it.
        work = wanted.stages[0].work
        read = {name for _, name, _ in work.moves}
        self._vectors = [(place, name) for place, name in call.passes.vectors if place in read]
        arrays = ["block", "kept", call.passes.train.own, "gradient output", *call.passes.inputs, *(place for place, _ in self._vectors)]
        self._listed = Listed(work, {}, [*arrays, "all", "count", *made, *_packs(self._users)])
        self._scratch = _Scratch(this, call.dtype)

    @staticmethod
    def can_be(wanted: Wanted) -> bool:
        """Whether torch has nothing to do."""
        return not (_by_torch(wanted.stages) or wanted.script.nodes or wanted.others or wanted.paired or wanted.after)

    def __call__(self, kept, weights, packed: Packed | None, d_output: Tensor | None, d_states) -> list[Tensor | None]:
        call = self._call
        *inputs, kept, own = kept
        vectors = [weights[name].contiguous() for _, name in self._vectors]
        if d_output is None:
            d_output = torch.zeros((call.steps, call.rows, call.graph.output.size.at(call.sizes)), dtype=call.dtype, device="cpu")
        made = [empty(shape, call.dtype) for _, shape, empty in self._made]
        block = self._scratch.take()
        at = block.data_ptr()
        for start, d in zip(self._states, d_states):
            if d is not None:
                d = d.contiguous()
                size = d.numel() * d.itemsize
                for turn in (0, 1):
                    ctypes.memmove(at + start + turn * size, d.data_ptr(), size)
        packs = _addresses(packed or call.packed(weights), self._users, weights)
        self._listed.once([at, kept.data_ptr(), own.data_ptr(), d_output.data_ptr(), *[t.data_ptr() for t in (*inputs, *vectors)],
                           self._tokens.address, self._tokens.count, *[m.data_ptr() for m in made], *packs])
        found = {name: m for (name, *_), m in zip(self._made, made)}
        for name, units in self._units.items():
            if found[name].shape[-1] != units:
                found[name] = found[name][..., :units]
        self._scratch.give(block)
        return [found[name] if name else None for name in self._names]


class _Scratch:
    """Blocks of memory for a pass: a small one is kept for the next call, of which there may be several at once."""

    def __init__(self, this: Pass, dtype: torch.dtype):
        self._size, self._dtype, self._clear, self._idle = this.block.size, dtype, this.clear * dtype.itemsize, []

    def take(self) -> Tensor:
        """A block that is 0 where it should be."""
        try:
            block = self._idle.pop()
        except IndexError:
            block = memory.empty((self._size,), self._dtype)
        ctypes.memset(block.data_ptr(), 0, self._clear)
        return block

    def give(self, block: Tensor):
        if self._size * block.itemsize < SMALL:
            self._idle.append(block)


class _Train(torch.autograd.Function):
    """Such a call for autograd."""

    @staticmethod
    def forward(ctx, prepared: Prepared, *tensors):
        output, final, kept, ctx.packed = prepared.forward(tensors)
        ctx.prepared = prepared
        ctx.set_materialize_grads(False)
        # Reasons as in `cpu._Scan`.
        output = output.data
        ctx.save_for_backward(*tensors, *kept, output)
        return output, *final

    @staticmethod
    def backward(ctx, d_output, *d_states):
        prepared, needs, saved = ctx.prepared, ctx.needs_input_grad[1:], ctx.saved_tensors
        tensors, kept = saved[: len(needs)], saved[len(needs) : -1]
        packed, ctx.packed = ctx.packed, None
        if torch.is_grad_enabled() or batched((d_output, *d_states)):
            return None, *prepared.derived(tensors, d_output, d_states, needs)
        return None, *prepared.backward(kept, tensors[len(kept) - 2 :], packed, d_output, d_states, needs)


def _lasting(shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Memory of what may stay, as a weight's gradient does: such is not lent."""
    return torch.empty(shape, dtype=dtype, device="cpu")


def _by_torch(stages) -> bool:
    return len(stages) > 1 or bool(stages[0].arguments)


def _packs(users) -> list[str]:
    """The names of the packed matrices' bases."""
    return [f"pack {k}" for k in range(sum(len(user.packs) for user in users))]


def _addresses(packed: Packed, users, weights) -> list[int]:
    return [address for user in users for address in packed.addresses(user, weights)]
