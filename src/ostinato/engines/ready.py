"""Inferences with everything made ready: for one shape, and weights that stay as they are, a call
is a few addresses and a jump.

A sequence of a few small steps takes a kernel microseconds; to look at what is given, to give out
memory and to list the jobs takes ten times as long, and after a kernel that has gone through the
caches another ten. Here all that is done once.
"""

import ctypes
import math
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from . import memory, traced
from .call import Call
from .kernels import fingerprint, jit
from .kernels.builder import I64, PTR, Code, Target
from .kernels.fingerprint import Span
from .kernels.job_list import Bases, Job, Listed, Work
from .passes import Forward
from .schedule import Schedule

# Bytes of memory that is kept for the next call; more had better be given back.
SMALL = 1 << 20
# Bytes of a weight up to which a single step reads all of them, to see whether they have changed.
SHORT = 4096
# Words of the job that finishes, before those of its copies.
FINISH = 4


def of_output(
    call: Call, this: Forward, batch_first: bool
) -> tuple[tuple[int, ...], tuple[int, ...], int]:
    """What the output is of its array: its shape, (T, B, units) or with `batch_first` (B, T,
    units), the numbers from one to the next in each direction, and the number where it begins."""
    part, (_, rows, width) = this.output.reads[0][2], this.shapes[this.own]
    shape, apart = (call.steps, rows, width), (rows * width, width, 1)
    if batch_first:
        shape, apart = (rows, call.steps, width), (width, rows * width, 1)
    return shape, apart, (part.start or 0 if part else 0) * rows * width


def where(place: str, this: Forward) -> tuple[int, int]:
    """Which memory an array of a pass is in, 0 the block's, 1 what is kept, 2 the output's; and the
    number where it begins there.
    """
    for k, block in enumerate((this.block, this.kept)):
        if place in block.places:
            return k, block.places[place]
    return 2, 0


class Ends:
    """Finds the final states of rows that end early, and writes the initial ones where these begin
    at their ends.

    Args:
        call: Whose they are.
        this: Its pass.
    """

    def __init__(self, call: Call, this: Forward):
        self.reverse, self._kind, self._states = call.reverse, memory.KINDS[call.dtype], []
        for place, *_ in call.states:
            (k, start), shape = where(place, this), this.shapes[place]
            self._states.append(
                (k, slice(start, start + math.prod(shape)), shape, place in this.streamed)
            )

    def __call__(self, arrays: Sequence[np.ndarray | None], when: Schedule) -> list[Tensor]:
        """The states after each row's last step, (1, B, units) each.

        Args:
            arrays: The memory of the pass's block, that of what it keeps, and the output's array.
            when: Who ran what.
        """
        return [
            torch.from_numpy(array[:1].copy())
            if self.reverse and streamed
            else when.ended(array, streamed=streamed)[None]
            for array, streamed in self._arrays(arrays)
        ]

    def begin(self, arrays: Sequence[np.ndarray | None], when: Schedule, states: Sequence[Tensor]):
        """Write the initial states (B, units) of rows that are gone through from their ends;
        without any, 0.
        """
        for k, (array, streamed) in enumerate(self._arrays(arrays)):
            if streamed:
                when.begin(array, states[k] if states else None)

    def _arrays(self, arrays: Sequence[np.ndarray | None]) -> Iterator[tuple[np.ndarray, bool]]:
        """Of each state its array, and whether it has all steps."""
        for k, part, shape, streamed in self._states:
            yield arrays[k].reshape(-1).view(self._kind)[part].reshape(shape), streamed


class _Made:
    """The arrays of an inference, but for the inputs' and the output's.

    Attributes:
        this: The pass.
        given: Its memory.
        shape: The output's array's shape.
        output: What `of_output` says of it.
        states: For each state whether it is in the output's array; where it begins and ends, in
            bytes from there or else as addresses; its bytes and its units.
    """

    def __init__(self, call: Call, tensors: Sequence[Tensor], batch_first: bool = False):
        weights = call.split(tensors)[2]
        self.this = call.passes.infer
        self.given = call.begin(self.this, (), weights, self.this.users, None)
        self.shape = self.this.shapes[self.this.own]
        self.output = of_output(call, self.this, batch_first)
        self.states = []
        for place, _, units in call.states:
            begins, ends = call.ends(place, self.this)
            size, mine = call.rows * units * call.dtype.itemsize, place == self.this.own
            at = 0 if mine else self.given.at(place)
            self.states.append((mine, at + begins * size, at + ends * size, size, units))
        self._clear = self.given.numbers["block"], 0, self.this.clear * call.dtype.itemsize

    def clear(self):
        """Have threads count anew who has come."""
        if self.this.threads > 1:
            ctypes.memset(*self._clear)


class _Weights:
    """Weights as they were when something was made ready, and the jobs that tell whether they are
    so still.

    Args:
        weights: All tensors that the weights are, or are sums of.
        threads: How many may read them.
        every_number: Read every number of each. Else a weight of more than `SHORT` bytes whose
            changes torch counts is told by that count and by samples of its numbers.
    """

    def __init__(self, weights: Sequence[Tensor], threads: int, *, every_number: bool):
        self._spans, self._counted = [], []
        self._seen = [(w, w.data_ptr()) for w in weights]
        # The same memory may be read in another order after `p.data = p.data.T`. A single step asks
        # only where that leaves the shape as it is.
        asked = [
            w
            for w in weights
            if every_number or len(set(w.shape)) < w.dim() or not w.is_contiguous()
        ]
        self._contiguous = [w for w in asked if w.is_contiguous()]
        self._strided = [(w, w.stride()) for w in asked if not w.is_contiguous()]
        for w in weights:
            whole = fingerprint.span(w)
            if every_number or 4 * whole.numbers <= SHORT or w.is_inference():
                self._spans.append(whole)
            else:
                self._spans += _samples(whole)
                self._counted.append((w, w._version))
        self._asked = bool(self._contiguous or self._strided or self._counted)
        # What the weights' fingerprint was, subtracted from 0, and behind it the parts that threads
        # find in a call: their sum is to be 0.
        self._threads = fingerprint.threads_for(self._spans, threads)
        self._sum = (ctypes.c_int64 * (1 + self._threads))(
            -fingerprint.fingerprint(self._spans, threads)
        )

    def hold(self, weights: Collection[Tensor]) -> bool:
        """Whether these are the weights, all of them, as far as their numbers are not to be looked
        at.
        """
        if len(weights) != len(self._seen):
            return False
        for w, (known, at) in zip(weights, self._seen):
            if w is not known or w.data_ptr() != at:
                return False
        return not self._asked or self._laid_out_as_before()

    def _laid_out_as_before(self) -> bool:
        for w in self._contiguous:
            if not w.is_contiguous():
                return False
        for w, strides in self._strided:
            if w.stride() != strides:
                return False
        for w, then in self._counted:
            if w._version != then:
                return False
        return True

    def reading(self) -> Job:
        """The job that reads the weights' memory."""
        return fingerprint.job(self._spans, ctypes.addressof(self._sum) + 8, self._threads)

    def copying(self, copies: Sequence[int]) -> Job:
        """The job that copies, three words each (to, from, bytes), where what `reading` has read is
        as it was.
        """
        return _copying(copies, ctypes.addressof(self._sum), len(self._sum))


def _samples(whole: Span) -> list[Span]:
    """Where a sixteenth of `SHORT` bytes each is looked at, from the beginning to the end."""
    each = SHORT // 16 // 4
    apart = (whole.numbers - each) // 15
    return [Span(whole.address + 4 * apart * k, each) for k in range(16)]


def _copying(copies: Sequence[int], numbers: int = 0, count: int = 0) -> Job:
    """The job that copies if the `count` numbers at the address `numbers` add up to 0."""
    return Job(jit.made(_Finish), [0, numbers, count, len(copies) // 3, *copies], 1, waits=True)


class Ready:
    """Inference over sequences of one shape, from states of 0 or from given ones.

    Args:
        call: The shape; see `can_be`.
        tensors: The inputs, the states and the weights, as `Call.split` takes them. Of the inputs
            and the states only the shape counts.
        batch_first: Calls have an input of (B, T, units), and the output is to be so too.

    Attributes:
        current: False once the weights have been found changed.
    """

    def __init__(self, call: Call, tensors: Sequence[Tensor], batch_first: bool):
        self._made, bases = _Made(call, tensors, batch_first), Bases()
        self._lock, self.current = threading.Lock(), True
        # One row lies in memory as it should, whatever the order of its two first sizes.
        self._turned = batch_first and call.rows > 1
        made, inputs, own = self._made, call.passes.inputs, self._made.this.own
        self._weights = _Weights(
            tensors[len(inputs) + sum(call.given) :], call.threads, every_number=True
        )
        self._call, self._own = call, memory.maker(made.shape, call.dtype)
        self._states = [
            memory.maker((1, call.rows, units), call.dtype) for *_, units in made.states
        ]
        self._ends = Ends(call, made.this) if call.ragged else None
        # Where rows end early their final states are looked for afterwards.
        ends = [] if call.ragged else [f"end {k}" for k in range(len(made.states))]
        begun = [f"begin {k}" for k in range(len(made.states))] if any(call.given) else []
        self._zeros = bytes(max((size for *_, size, _ in made.states), default=0))
        zeros = ctypes.cast(self._zeros, ctypes.c_void_p).value
        states = [(mine * bases[own], *places) for mine, *places in made.states]
        placed = made.this.stages[0].work.jobs(
            made.given.numbers | {name: bases[name] for name in (*inputs, own, *call.moving)}
        )
        copied = [
            word
            for end, (at, _, last, size, _) in zip(ends, states)
            for word in (bases[end], at + last, size)
        ]
        self._streamed = [place in made.this.streamed for place, *_ in call.states]
        sources = [bases[begin] for begin in begun] or [zeros] * len(states)
        begin = _copying(
            [
                word
                for source, (at, begins, _, size, _) in zip(sources, states)
                for word in (at + begins, source, size)
            ]
        )
        placed[0] = replace(placed[0], waits=True)
        jobs = [
            self._weights.reading(),
            replace(begin, waits=False),
            *placed,
            self._weights.copying(copied),
        ]
        self._listed = Listed(Work(jobs, bases), {}, [*inputs, own, *call.moving, *ends, *begun])
        self._changed = len(self._listed.words) - FINISH - len(copied)

    @staticmethod
    def can_be(call: Call) -> bool:
        """Whether a call has no work that torch does, and needs little memory besides its
        output's.
        """
        this = call.passes.infer
        plain = len(this.stages) == 1 and not (
            this.output.nodes or this.stages[0].arguments or this.own is None
        )
        return (
            plain and this.cleared >= call.ragged and this.block.size * call.dtype.itemsize < SMALL
        )

    def __call__(
        self,
        inputs: Iterable[Tensor],
        states: Sequence[Tensor],
        weights: Collection[Tensor],
        lengths: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, ...]] | None:
        """The output and the final states, (1, B, units) each; None while another thread is at it,
        or if the weights have changed.

        Args:
            inputs: Of the shape and dtype.
            states: The initial ones, (B, units) each, where the call has any.
            weights: What they are now.
            lengths: The rows' valid steps, where the call is of such.
        """
        if not self._weights.hold(weights):
            self.current = False
            return None
        made, listed = self._made, self._listed
        inputs = [memory.contiguous(x.transpose(0, 1) if self._turned else x) for x in inputs]
        own, final = self._own(), [] if self._ends else [make() for make in self._states]
        # The tokens are held until they have been read.
        when, tokens, moving = self._call.when(made.this, lengths)
        states = [
            (s if streamed else when.ordered(s)).contiguous()
            for s, streamed in zip(states, self._streamed)
        ]
        if not self._lock.acquire(blocking=False):
            return None
        try:
            made.clear()
            if self._ends and self._ends.reverse:
                self._ends.begin((made.given.memory.numpy(), None, own.numpy()), when, states)
            listed.run(
                [
                    *[t.data_ptr() for t in (*inputs, own)],
                    *moving,
                    *[t.data_ptr() for t in (*final, *states)],
                ]
            )
            if listed.words[self._changed]:
                self.current = False
                return None
            if self._ends:
                final = self._ends((made.given.memory.numpy(), None, own.numpy()), when)
        finally:
            self._lock.release()
        return own.as_strided(*made.output), tuple(final)


class Steps:
    """Layers one above another, one step at a time, with states that stay.

    Args:
        layers: Of each layer, from below, a call of one step, and the tensors that `Call.split`
            takes.
        parameters: All tensors that the weights are, or are sums of.
    """

    def __init__(
        self, layers: Sequence[tuple[Call, Sequence[Tensor]]], parameters: Sequence[Tensor]
    ):
        bases, jobs, copies, self._states, self._held = Bases(), [], [], [], []
        below = bases["x"]
        for call, tensors in layers:
            made = _Made(call, tensors)
            own = torch.zeros(made.shape, dtype=call.dtype, device="cpu")
            made.given.add(made.this.own, own)
            placed = made.this.stages[0].work.jobs(
                made.given.numbers | {call.passes.inputs[0]: below}
            )
            jobs += [
                replace(job, waits=job.waits or k == 0 and bool(jobs))
                for k, job in enumerate(placed)
            ]
            row = own[0].numel() * own.element_size()
            below = own.data_ptr() + made.output[2] * own.element_size()
            states = [
                (mine * own.data_ptr() + begins, mine * own.data_ptr() + ends, size, units)
                for mine, begins, ends, size, units in made.states
            ]
            copies += [
                number for begins, ends, size, _ in states for number in (begins, ends, size)
            ]
            self._states.append(
                [(begins, size, (call.rows, units)) for begins, _, size, units in states]
            )
            self._held.append((made, own))
        # The output may be a state before the step, which the states after it are copied over.
        copies = [bases["out"], below, row, *copies]
        self._weights = _Weights(parameters, call.threads, every_number=False)
        work = Work([self._weights.reading(), *jobs, self._weights.copying(copies)], bases)
        self._listed = Listed(work, {}, ["x", "out"])
        self._words, self._start = (
            self._listed.words,
            self._listed.short if work.threads == 1 else self._start_several,
        )
        self._changed = len(self._words) - FINISH - len(copies)
        # The output is copied once. The input is read by no job, or by several: a product of its
        # own, and the loop.
        self._x = [(place, more) for place, which, more in self._listed.moves if which == 0]
        (self._out,) = (place for place, which, _ in self._listed.moves if which == 1)
        self._dtype, self._input = call.dtype, layers[0][1][0].shape[1:]
        self._output = torch.Size((call.rows, row // call.rows // call.dtype.itemsize))
        self._lock = threading.Lock()

    def __call__(
        self, x: Tensor, out: Tensor | None, parameters: Collection[Tensor]
    ) -> Tensor | None:
        """The output of a step, (B, units); None where it has to be run anew, because x is of
        another kind, or the weights have changed.

        Args:
            x: The input.
            out: Where to write the output; None for a new tensor.
            parameters: What they are now.
        """
        if (
            type(x) is not Tensor
            or x.shape != self._input
            or x.dtype is not self._dtype
            or not x.is_cpu
            or traced()
        ):
            return None
        if not self._weights.hold(parameters):
            return None
        if out is None:
            out = torch.empty(self._output, dtype=self._dtype, device="cpu")
        elif (
            type(out) is not Tensor
            or out.shape != self._output
            or out.dtype is not self._dtype
            or not out.is_cpu
            or not out.is_contiguous()
        ):
            return None
        x = memory.contiguous(x)
        with self._lock:
            words = self._words
            address = x.data_ptr()
            for place, more in self._x:
                words[place] = address + more
            words[self._out] = out.data_ptr()
            self._start()
            return None if words[self._changed] else out

    def _start_several(self):
        for made, _ in self._held:
            made.clear()
        self._listed.clear()
        self._listed.start()

    @property
    def states(self) -> list[tuple[Tensor, ...]]:
        """Each layer's states, (B, units) each."""
        found = []
        for states in self._states:
            found.append(
                tuple(torch.empty(shape, dtype=self._dtype, device="cpu") for *_, shape in states)
            )
            for (begins, size, _), s in zip(states, found[-1]):
                ctypes.memmove(s.data_ptr(), begins, size)
        return found

    def begin(self, states: Iterable[Iterable[Tensor]]):
        """Set each layer's states, (B, units) each."""
        for given, mine in zip(states, self._states):
            for s, (begins, size, _) in zip(given, mine):
                s = s.contiguous()
                ctypes.memmove(begins, s.data_ptr(), size)


class _Finish(Code):
    """What comes before and after the loops: where the weights are as they were, numbers are copied
    to where they are wanted next; else that they are not is noted, and nothing is copied."""

    def __init__(self, target: Target):
        super().__init__(32, target)
        self.enter(("changed", "numbers", "count", "copied"))
        b, i64 = self.b, self.i64
        copy = self.intrinsic("memcpy", PTR, [PTR, PTR, I64])
        differ = [i64(0)]
        with self.loop(0, self.given["count"], carried=differ) as k:
            differ[0] = b.add(differ[0], self.word(b.inttoptr(self.given["numbers"], PTR), k))
        b.store(differ[0], self.words)
        many = b.select(b.icmp_signed("==", differ[0], i64(0)), self.given["copied"], i64(0))
        with self.loop(0, many) as k:
            first = b.add(i64(FINISH), b.mul(k, i64(3)))
            to, what = (
                b.inttoptr(self.word(self.words, b.add(first, i64(j))), PTR) for j in (0, 1)
            )
            b.call(copy, [to, what, self.word(self.words, b.add(first, i64(2)))])
        b.ret_void()
        self.text = str(self.module)
