"""Private: executables bound to weights: short inferences, and streams.

A sequence of a few small steps takes a kernel microseconds; to look at the arguments, to give out
memory and to fill in a job list takes ten times as long. For weights that stay as they are that is
done once. Whether they have stayed so is found out by a job of the same list.
"""

import ctypes
import math
import threading
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from . import memory
from .arena import Region
from .executable import OUTPUT, SCRATCH, Executable, execute
from .kernels import copies
from .kernels.copies import Copy
from .kernels.job_list import JobList, Relocation, ReusableList, Word
from .torch_internals import traced
from .weight_cache import PackedWeights, WeightGuard


class _Weights:
    """The weights of an executable as its jobs read them.

    Args:
        executable: Whose they are.
        tensors: All tensors of a run; of the inputs and the states only the number counts.

    Attributes:
        numbers: The addresses of the packed matrices, the vectors and the scratch memory, by name.
    """

    def __init__(self, executable: Executable, tensors: Sequence[Tensor]):
        this, weights = executable.first, executable.weights(tensors)
        packs = executable.pack(tensors)
        # Of its own: it stays in use.
        numbers = this.arena.sizes[Region.SCRATCH]
        scratch = torch.zeros(numbers, dtype=executable.dtype, device="cpu")
        vectors = {place: weights[name].contiguous() for place, name in executable.passes.vectors}
        for place in this.sums:
            this.arena.array(place, {SCRATCH: scratch}).copy_(vectors.pop(place))
        self.numbers = {f"pack {k}": address for k, address in enumerate(packs.forward)}
        self.numbers |= {place: v.data_ptr() for place, v in vectors.items()}
        self.numbers[SCRATCH] = scratch.data_ptr()
        self._held: tuple[PackedWeights, Tensor, dict] = packs.held, scratch, vectors


class BoundExecutable:
    """Inference by a small executable, with weights that stay as they are.

    Args:
        executable: The executable, which is `small`.
        weights: The tensors of the weights, in order.

    Attributes:
        executable: The executable.
    """

    def __init__(self, executable: Executable, weights: Sequence[Tensor]):
        self.executable = executable
        self._weights = [*weights]
        self._lock = threading.Lock()
        self._names = [*executable.passes.inputs, OUTPUT, *executable.state_names]
        self._inputs = len(executable.passes.inputs)
        self._makers = [executable.makers[OUTPUT], *executable.make_final]
        self._bind()

    def _bind(self):
        """Bind the job list to the numbers that the weights have now."""
        executable, this = self.executable, self.executable.first
        threads = executable.signature.threads
        guard = WeightGuard(self._weights, threads, every_number=True)
        # Takes tensors, and tells whether they are the weights, in the same memory.
        self.holds = guard.holds
        self._bound = _Weights(executable, [*[None] * executable.first_weight, *self._weights])
        ((_, jobs),) = this.body
        jobs = [
            guard.reading(),
            copies.job(this.begin, waits=False),
            *jobs,
            guard.copying(this.end),
        ]
        self._list = ReusableList(JobList(jobs), self._bound.numbers, self._names)

    def __call__(
        self, tensors: Sequence[Tensor], lengths: Tensor | None
    ) -> tuple[Tensor, Sequence[Tensor]]:
        """The output, laid out as the first input, and the final states, (1, B, units) each.

        Args:
            tensors: The inputs and the initial states, of the shapes of the signature.
            lengths: Valid steps of each row, where rows may end early.
        """
        if not self._lock.acquire(blocking=False):
            # Another thread is inside: the job list of the executable is copied for a call.
            return self._unbound(tensors, lengths)
        try:
            executable, k = self.executable, self._inputs
            inputs = executable.in_order(tensors[:k])
            output, *final = [make() for make in self._makers]
            arrays = [*inputs, output, *final]
            if len(tensors) > k:
                arrays += [s.contiguous() for s in tensors[k:]]
            numbers, held = [t.data_ptr() for t in arrays], None
            if lengths is not None:
                moving, held = executable.when(executable.first.tasks, lengths)
                numbers += [moving[name] for name in self._list.names[len(numbers) :]]
            self._list.run(numbers)
            if changed := self._list.words[self._list.last]:
                # A weight has changed since its memory was read; nothing was copied out.
                self._bind()
                self._list.run(numbers)
                changed = self._list.words[self._list.last]
            del held
        finally:
            self._lock.release()
        if changed:
            # Another thread keeps changing the weights: those of one moment are packed for a call.
            return self._unbound(tensors, lengths)
        return output.as_strided(*executable.output_view), final

    def _unbound(self, tensors, lengths):
        (result,) = execute([self.executable], [[*tensors, *self._weights]], lengths)
        return result


class StackStep:
    """A step of layers one above another, with states that stay in memory.

    Args:
        layers: Of each layer, from below, an executable of one step, which is `small`, and the
            tensors of a run.
        parameters: All tensors that the weights are sums of.

    Attributes:
        executables: Those of the layers.
    """

    def __init__(
        self,
        layers: Sequence[tuple[Executable, Sequence[Tensor]]],
        parameters: Sequence[Tensor],
    ):
        self.executables = [executable for executable, _ in layers]
        # Before the weights are packed: a change meanwhile is seen by the first step.
        threads = self.executables[0].signature.threads
        self._guard = WeightGuard(parameters, threads, every_number=False)
        jobs, moves = [self._guard.reading()], []
        self._states: list[list[_State]] = []
        self._held: list[object] = []
        below: Word = Relocation("x")
        for executable, tensors in layers:
            this, weights = executable.first, _Weights(executable, tensors)
            own = executable.makers[OUTPUT]().zero_()
            numbers = weights.numbers | {OUTPUT: own.data_ptr(), executable.passes.inputs[0]: below}
            ((_, body),) = this.body
            if this.threads > 1:
                # The threads count themselves in the scratch memory.
                body = [copies.job(this.begin[:1], waits=False), *body]
            first, *others = [job.placed(numbers) for job in body]
            jobs += replace(first, waits=first.waits or len(jobs) > 1), *others
            below = own.data_ptr() + executable.output_view[2] * own.itemsize
            self._states.append([])
            shapes = [(executable.rows, units) for units in executable.passes.units.values()]
            for begin, end, shape in zip(this.begin[1:], this.end, shapes):
                to, source = (numbers[at.name] + at.offset for at in (begin.to, end.source))
                self._states[-1].append(_State(to, begin.bytes, shape))
                moves.append(Copy(to=to, source=source, bytes=begin.bytes))
            self._held.append((weights, own))
        row = math.prod(executable.output_view[0]) * executable.dtype.itemsize
        # The output may be a state before the step, which the states after it are copied over.
        moves.insert(0, Copy(to=Relocation("out"), source=below, bytes=row))
        self._list = ReusableList(JobList([*jobs, self._guard.copying(moves)]), {})
        # The output is copied once. The input is read by no job, or by several: a product of its
        # own, and the loop.
        self._x, ((self._out, _),) = self._list.places.get("x", []), self._list.places["out"]
        self._dtype, self._input = executable.dtype, layers[0][1][0].shape[1:]
        self._output = torch.Size(executable.output_view[0][1:])
        self._make = memory.maker(self._output, self._dtype)
        self._lock = threading.Lock()

    def __call__(
        self, x: Tensor, out: Tensor | None, parameters: Collection[Tensor]
    ) -> Tensor | None:
        """The output of a step, (B, units); None where the step has to be run another way, because
        x is of another kind, or the weights have changed.

        Args:
            x: The input, (B, units).
            out: Where to write the output; None for a new tensor.
            parameters: The tensors that the weights are sums of now.
        """
        if (
            type(x) is not Tensor
            or x.shape != self._input
            or x.dtype is not self._dtype
            or not x.is_cpu
            or traced()
        ):
            return None
        if not self._guard.holds(parameters):
            return None
        if out is None:
            out = self._make()
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
            words = self._list.words
            address = x.data_ptr()
            for place, offset in self._x:
                words[place] = address + offset
            words[self._out] = out.data_ptr()
            self._list.start()
            return None if words[self._list.last] else out

    @property
    def states(self) -> list[tuple[Tensor, ...]]:
        """The states of each layer, (B, units) each."""
        found = []
        for states in self._states:
            found.append(
                tuple(torch.empty(s.shape, dtype=self._dtype, device="cpu") for s in states)
            )
            for own, s in zip(states, found[-1]):
                ctypes.memmove(s.data_ptr(), own.address, own.bytes)
        return found

    def begin(self, states: Iterable[Iterable[Tensor]]) -> None:
        """Set the states of each layer, (B, units) each."""
        for given, own in zip(states, self._states):
            for s, state in zip(given, own):
                s = s.contiguous()
                ctypes.memmove(state.address, s.data_ptr(), state.bytes)


class _State(NamedTuple):
    """The memory of a state of a layer."""

    address: int
    bytes: int
    shape: tuple[int, int]
