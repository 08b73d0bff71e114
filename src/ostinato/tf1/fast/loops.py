"""Private: the loops of a plan that Ostinato's CPU engine runs, and what their gradients take.

A loop that is a recurrence becomes one call of the engine, and each loop of its gradients one call
of torch's autograd. Both need facts of the run, such as that counters begin with 0; without them
the run takes the ordinary loops.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from ... import engines
from ..core.executor import SessionRun, ended, loop_of
from ..core.registry import definition
from ..core.tensors import Operation, Tensor
from ..state.ops import Reference
from .body import Factor, NotARecurrence, RandomDraw
from .gradient import GradientArray, GradientLoop, read_gradient_loop
from .kernels import as_array, as_tensor, kernel
from .recurrence import Recurrence, read_loop

__all__ = ["FastArithmetic"]

_FLOW = np.float32(0.0)


class FastArithmetic:
    """How a plan computes.

    Args:
        plan: The plan.
    """

    def __init__(self, plan: Any):
        self.plan = plan
        self._gradients: dict[Any, tuple[_RecurrenceStep, GradientLoop]] = {}

    def kernel(self, type: str) -> Callable | None:  # noqa: A002
        """The function that computes an operation; see `Definition.compute`."""
        return kernel(type)

    def loop(self, loop: Any, ordinary: Any) -> Any:
        """The step that runs a loop: a call of the engine if the loop is a recurrence.

        Args:
            loop: The loop; that of its gradients comes later.
            ordinary: The step that runs it operation by operation.
        """
        if loop in self._gradients:
            return _GradientStep(self.plan, *self._gradients[loop], ordinary)
        if loop.grad_state is not None:
            return ordinary
        try:
            recurrence = read_loop(self._checked_ops(loop))
            gradients = {
                g: read_gradient_loop(g, self._checked_ops(g), recurrence)
                for g in self.plan.loops
                if g.grad_state is not None and g.grad_state.forward_context is loop
            }
            self._check_stacks({loop, *gradients})
        except NotARecurrence:
            return ordinary
        forward = _RecurrenceStep(self.plan, loop, recurrence, list(gradients.values()), ordinary)
        self._gradients |= {g: (forward, found) for g, found in gradients.items()}
        return forward

    def _checked_ops(self, loop: Any) -> list[Operation]:
        """The operations of a loop, which is in no other loop or branch and has none in it."""
        plan, ops = self.plan, self.plan.loop_ops(loop)
        if loop.outer is not None or any(_is_in(other.outer, loop) for other in plan.loops):
            raise NotARecurrence("loops in loops or branches")
        if any(op in plan.may_be_dead for op in ops):
            raise NotARecurrence("branches in the loop")
        given = [op for op in plan.targets if op.type != "Exit"] + [t.op for t in plan.feeds]
        if any(loop_of(op) is loop for op in given):
            raise NotARecurrence("a value of the loop is fetched or fed")
        return ops

    def _check_stacks(self, loops: set) -> None:
        """Make sure that no other loop needs the values of iterations."""
        pushed = {
            op.inputs[0].op.inputs[0]
            for loop in loops
            for op in self.plan.loop_ops(loop)
            if op.type == "StackPushV2"
        }
        for op in self.plan.ops:
            if any(t in pushed for t in op.inputs) and loop_of(op) not in loops:
                raise NotARecurrence(f"{op.name} uses values of the loop")


def _is_in(loop: Any, outer: Any) -> bool:
    while loop is not None:
        if loop is outer:
            return True
        loop = loop.outer
    return False


class _Call:
    """One call of the engine, for its gradients.

    Attributes:
        leaves: The inputs and factors by name, and the states by their Enters.
        output: The output (T, B, units).
        finals: The final states.
        steps: The number of steps.
    """

    __slots__ = ("finals", "leaves", "output", "steps", "uses")

    def __init__(self, leaves: dict, output: torch.Tensor, finals: Sequence, steps: int, uses: int):
        self.leaves, self.output, self.finals, self.steps = leaves, output, finals, steps
        self.uses = uses


class _RecurrenceStep:
    """A step that runs a recurrence."""

    def __init__(
        self,
        plan: Any,
        loop: Any,
        recurrence: Recurrence,
        gradients: Sequence[GradientLoop],
        ordinary: Any,
    ):
        self.recurrence, self.ordinary = recurrence, ordinary
        self.gradients = len(gradients)
        # Where the call is kept for its gradients; None if the ordinary loop was run.
        self.call = plan.new_slot()
        r, slot = recurrence, plan.slot
        self.bounds = [slot(t) for t in r.bounds if isinstance(t, Tensor)]
        self.most = min((n for n in r.bounds if isinstance(n, int)), default=None)
        self.counters = [slot(enter.inputs[0]) for enter in r.counters]
        self.arrays = [slot(x.handle) for x in r.inputs]
        self.states = [slot(enter.inputs[0]) for enter in r.states]
        self.factors = {
            name: _value_of(plan, f, tuple(size.at({}) for size in r.graph.weights[name].shape))
            for name, f in r.factors.items()
        }
        self.zeros = [slot(t) for t in r.zeros]
        self.lengths = None if r.lengths is None else slot(r.lengths)
        self.output = None if r.output is None else slot(r.output.handle)
        self.exits = [
            (r.variables[ended(op).op], plan.slots[op])
            for op in plan.loop_ops(loop)
            if op.type == "Exit"
        ]
        # What needs a gradient.
        self.needed: set[Any] = set()
        for g in gradients:
            self.needed |= set(g.inputs)
            wanted = set(g.exits.values())
            self.needed |= {enter for enter in r.states if enter in wanted}
            self.needed |= {name for name, f in r.factors.items() if f.enter in wanted}

    def run(self, run: SessionRun) -> None:
        values = run.values
        values[self.call] = None
        steps = self._steps(values)
        given = self._given(run, steps) if steps else None
        if given is None:
            self.ordinary.run(run)
            return
        inputs, states, weights, lengths = given
        r = self.recurrence
        leaves = dict(zip([x.name for x in r.inputs], inputs)) | dict(zip(r.states, states))
        leaves |= weights
        for key in self.needed:
            leaves[key].requires_grad_()
        with torch.set_grad_enabled(bool(self.needed)):
            output, finals = engines.scan(
                r.graph,
                inputs=tuple(inputs),
                states=tuple(states),
                weights=weights,
                lengths=lengths,
            )
        self._finish(values, output, finals, steps)
        values[self.call] = _Call(leaves, output, finals, steps, self.gradients)

    def _steps(self, values: list) -> int:
        """The number of steps; 0 if the ordinary loop is to be run."""
        if any(values[slot] != 0 for slot in self.counters):
            return 0
        bounds = [int(values[slot]) for slot in self.bounds]
        if self.most is not None:
            bounds.append(self.most)
        return max(0, min(bounds))

    def _given(self, run: SessionRun, steps: int) -> tuple | None:
        """The inputs, the states, the weights and the lengths; None if they do not fit."""
        r, values = self.recurrence, run.values
        rows = [values[slot].rows() for slot in self.arrays]
        if any(x is None or x.ndim != 3 for x in rows):
            return None
        length, batch = rows[0].shape[:2]
        fits = all(x.shape == (length, batch, i.units) for x, i in zip(rows, r.inputs))
        states = [np.asarray(values[slot]) for slot in self.states]
        sizes = [size.at({}) for size in r.graph.states.values()]
        fits &= all(s.shape == (batch, n) for s, n in zip(states, sizes))
        fits &= not any(np.any(values[slot]) for slot in self.zeros)
        fits &= all(d.rows in (None, batch) for d in r.draws)
        if not fits or not batch or steps > length or not self._has_room(values, length, batch):
            return None
        lengths = None
        if self.lengths is not None:
            if values[self.lengths].shape != (batch,):
                return None
            lengths = torch.from_numpy(np.clip(values[self.lengths], 0, steps).astype(np.int64))
        elif steps < length:
            lengths = torch.full((batch,), steps)
        weights = {name: read(values) for name, read in self.factors.items()}
        rows += [_draw(run, d, (length, batch), steps) for d in r.draws]
        return [as_tensor(x) for x in rows], [as_tensor(s) for s in states], weights, lengths

    def _has_room(self, values: list, length: int, batch: int) -> bool:
        if self.output is None:
            return True
        array = values[self.output]
        shape = (batch, self.recurrence.graph.output.size.at({}))
        fits = array.element_shape.is_compatible_with(shape)
        return array.untouched and len(array.values) == length and fits

    def _finish(self, values: list, output: torch.Tensor, finals: Sequence, steps: int) -> None:
        """Give the TensorArrays and the Exits of the loop their values."""
        for slot in self.arrays:
            array = values[slot]
            if steps < len(array.values) or array.read_block() is None:
                for i in range(steps):
                    array.read(i)
        if self.output is not None:
            values[self.output].write_block(as_array(output))
        ends = dict(zip(self.recurrence.states, map(as_array, finals)))
        for enter, slot in self.exits:
            if enter in ends:
                values[slot] = ends[enter]
            elif enter.outputs[0].dtype.is_integer:
                values[slot] = enter.outputs[0].dtype.as_numpy_dtype(steps)
            else:
                values[slot] = _FLOW


def _draw(run: SessionRun, draw: RandomDraw, leading: tuple[int, int], steps: int) -> np.ndarray:
    """The random numbers of all steps, as the operation draws them step by step."""
    compute, shape = definition(draw.op.type).compute, np.array([leading[1], draw.units], np.int32)
    rows = np.zeros((*leading, draw.units), np.float32)
    for row in rows[:steps]:
        row[:] = compute(run, draw.op, shape)  # type: ignore[misc]
    return rows


def _value_of(plan: Any, factor: Factor, shape: tuple) -> Callable[[list], torch.Tensor]:
    """A function that reads a factor in a run, in the shape of its weight."""
    part = tuple(slice(start, stop) for start, stop in factor.view)
    if factor.op.type == "Const":
        array = factor.op.attrs["value"][part].reshape(shape)
        return lambda values: as_tensor(array)
    slot = plan.slot(factor.enter.inputs[0])

    def read(values: list) -> torch.Tensor:
        value = values[slot]
        value = value.read() if isinstance(value, Reference) else np.asarray(value)
        return as_tensor(value[part].reshape(shape))

    return read


class _GradientStep:
    """A step that computes the gradients of a recurrence."""

    def __init__(self, plan: Any, forward: _RecurrenceStep, gradient: GradientLoop, ordinary: Any):
        self.forward, self.gradient, self.ordinary = forward, gradient, ordinary
        self.slot = plan.slot
        r = forward.recurrence
        self.d_states = [
            plan.slot(gradient.states[enter]) if enter in gradient.states else None
            for enter in r.states
        ]
        wanted = set(gradient.exits.values())
        self.wanted: list[Any] = [
            *gradient.inputs,
            *(enter for enter in r.states if enter in wanted),
            *(name for name, f in r.factors.items() if f.enter in wanted),
        ]
        self.exits = [(plan.slots[end], enter) for end, enter in gradient.exits.items()]

    def run(self, run: SessionRun) -> None:
        values = run.values
        call = values[self.forward.call]
        if call is None:
            self.ordinary.run(run)
            return
        call.uses -= 1
        found = self._gradients(run, call)
        for name, array in self.gradient.inputs.items():
            _write(self._array(run, array), found[name][: call.steps])
        for slot, enter in self.exits:
            if enter in found:
                values[slot] = found[enter]
            else:
                factors = self.forward.recurrence.factors
                parts = [(f, found[name]) for name, f in factors.items() if f.enter is enter]
                values[slot] = _joined(parts) if parts else _FLOW

    def _array(self, run: SessionRun, array: GradientArray) -> Any:
        source = array.op.attrs["source"]
        return run.values[self.slot(array.handle)].gradient(array.op, source)

    def _gradients(self, run: SessionRun, call: _Call) -> dict[Any, np.ndarray]:
        """The gradient of everything that is wanted."""
        pairs = []
        if self.gradient.output is not None:
            d_output = _read(self._array(run, self.gradient.output), call.output)
            if d_output is not None:
                pairs.append((call.output, d_output))
        for final, slot in zip(call.finals, self.d_states):
            if slot is not None:
                pairs.append((final, as_tensor(run.values[slot])))
        leaves = [call.leaves[key] for key in self.wanted]
        if not leaves or not pairs:
            return {key: np.zeros(leaf.shape, np.float32) for key, leaf in zip(self.wanted, leaves)}
        found = torch.autograd.grad(
            [y for y, _ in pairs],
            leaves,
            [d for _, d in pairs],
            retain_graph=call.uses > 0,
            allow_unused=True,
        )
        return {
            key: np.zeros(leaf.shape, np.float32) if d is None else as_array(d)
            for key, leaf, d in zip(self.wanted, leaves, found)
        }


def _read(array: Any, like: torch.Tensor) -> torch.Tensor | None:
    """Read the gradients of the output; None if all are 0."""
    if array.untouched:
        return None
    block = array.read_block()
    if block is None:
        block = np.stack([array.read(i) for i in range(len(like))])
    return as_tensor(block)


def _write(array: Any, rows: np.ndarray) -> None:
    if not array.write_block(rows):
        for i, row in enumerate(rows):
            array.write(i, row)


def _joined(parts: Sequence[tuple[Factor, np.ndarray]]) -> np.ndarray:
    """The gradient of a tensor from those of its parts."""
    first, d_first = parts[0]
    whole: Any = tuple(first.op.outputs[0].shape.as_list())
    if len(parts) == 1 and first.shape == whole:
        return d_first.reshape(whole)
    total = np.zeros(whole, np.float32)
    for f, d in parts:
        total[tuple(slice(start, stop) for start, stop in f.view)] += d.reshape(f.shape)
    return total
