"""Private: computes what a session fetches: a plan of the operations to run, in order, and the
loops among them.

TensorFlow runs a graph by data flow. Here a loop is run as a whole: the operations of one
iteration are sorted once, and repeated while the condition holds. Every output of an operation has
a slot in one list of values; an iteration overwrites the slots of the loop. An output in a branch
that was not taken has the value DEAD.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import OstinatoError
from .errors import InvalidArgumentError
from .registry import definition
from .tensors import Operation, Tensor

__all__ = ["DEAD", "SessionPlan", "SessionRun", "ended", "loop_of"]


class _Dead:
    def __repr__(self) -> str:
        return "DEAD"


DEAD = _Dead()

# Whether each value is checked against the dtype of its tensor; the tests set it.
check_dtypes = False


def loop_of(op: Operation) -> Any:
    """The innermost loop (a WhileContext) that an operation runs in, or None."""
    context = op.context
    while context is not None and not context.is_loop:
        context = context.outer
    return context


def _outer_loop(loop: Any) -> Any:
    context = loop.outer
    while context is not None and not context.is_loop:
        context = context.outer
    return context


def _is_loop_merge(op: Operation) -> bool:
    return op.type in ("Merge", "RefMerge") and op.inputs[1].op.type == "NextIteration"


def ended(op: Operation) -> Tensor:
    """The loop variable that an Exit takes: the data of its Switch, from which gradients that wait
    for one another are copied first.
    """
    source = op.inputs[0].op
    while source.type == "Identity":
        source = source.inputs[0].op
    return source.inputs[0]


class SessionRun:
    """One call of `Session.run`.

    Attributes:
        session: The session, with its variables and random streams.
        values: The value of each slot.
    """

    __slots__ = ("session", "values")

    def __init__(self, session: Any, values: list):
        self.session, self.values = session, values


class _Step:
    """An operation of a plan, with the slots of its inputs and outputs."""

    __slots__ = ("compute", "control", "inputs", "op", "outputs", "reads", "slot", "stateful")

    def __init__(self, plan: "SessionPlan", op: Operation):
        kind = definition(op.type)
        self.op, self.stateful = op, kind.stateful
        self.compute = plan.fast.kernel(op.type) if plan.fast else kind.compute
        self.inputs = [plan.slot(t) for t in op.inputs]
        # The inputs that are variables, whose values the operation takes.
        self.reads = [
            i
            for i, t in enumerate(op.inputs)
            if t.dtype.is_ref_dtype and not kind.takes_references and t not in plan.feed_slots
        ]
        self.outputs = len(op.outputs)
        self.slot = plan.slots[op]
        # The slots that show whether a control input is dead.
        self.control = [plan.slots[c] for c in op.control_inputs if c in plan.may_be_dead]

    def value(self, run: SessionRun, i: int) -> Any:
        """The value of an input; of a variable its value, unless the operation takes variables."""
        value = run.values[self.inputs[i]]
        return value.read() if i in self.reads else value

    def run(self, run: SessionRun) -> None:
        values = run.values
        given = [values[i] for i in self.inputs]
        op = self.op
        for i in self.reads:
            given[i] = given[i].read()
        try:
            if self.stateful:
                result = self.compute(run, op, *given)  # type: ignore[misc]
            else:
                result = self.compute(op, *given)  # type: ignore[misc]
        except (OstinatoError, NotImplementedError, KeyboardInterrupt, MemoryError):
            raise
        except Exception as error:
            sizes = ", ".join(
                f"{t.name} {np.shape(v) if isinstance(v, (np.ndarray, np.generic)) else ''}"
                for t, v in zip(op.inputs, given)
            )
            raise InvalidArgumentError(
                None,
                op,
                f"the operation {op.name!r} ({op.type}) on {sizes or 'no inputs'} fails in this "
                f"run ({error}): feed values with matching shapes",
            ) from error
        if isinstance(result, tuple):
            values[self.slot : self.slot + len(result)] = result
        else:
            values[self.slot] = result
        if check_dtypes:
            _check(op, result if isinstance(result, tuple) else (result,))


def _check(op: Operation, results: Sequence) -> None:
    assert len(results) == len(op.outputs) or not op.outputs, (op.type, len(results))
    for t, v in zip(op.outputs, results):
        kind = t.dtype.as_numpy_dtype
        if kind is not np.object_ and not t.dtype.is_ref_dtype:
            assert isinstance(v, (np.ndarray, np.generic)), (op.type, op.name, type(v))
            assert v.dtype == kind, (op.type, op.name, v.dtype, t.dtype)
            assert t.shape.is_compatible_with(v.shape), (op.type, op.name, v.shape, t.shape)


class _Checked:
    """A step that is skipped where an input is dead; for Switch and Merge of branches too."""

    __slots__ = ("step",)

    def __init__(self, step: _Step):
        self.step = step

    def run(self, run: SessionRun) -> None:
        step, values = self.step, run.values
        op, slot = step.op, step.slot
        if any(values[c] is DEAD for c in step.control):
            values[slot : slot + max(step.outputs, 1)] = [DEAD] * max(step.outputs, 1)
        elif op.type in ("Merge", "RefMerge"):
            alive = [i for i, s in enumerate(step.inputs) if values[s] is not DEAD]
            if alive:
                values[slot] = step.value(run, alive[0])
                values[slot + 1] = np.int32(alive[0])
            else:
                values[slot] = values[slot + 1] = DEAD
        elif any(values[i] is DEAD for i in step.inputs):
            values[slot : slot + max(step.outputs, 1)] = [DEAD] * max(step.outputs, 1)
        elif op.type in ("Switch", "RefSwitch"):
            data, taken = step.value(run, 0), step.value(run, 1)
            values[slot + bool(taken)] = data
            values[slot + (not taken)] = DEAD
        else:
            if not step.outputs:
                values[slot] = None
            step.run(run)


class _PlanLoop:
    """A loop of a plan."""

    __slots__ = ("body", "condition", "enters", "exits", "merges", "nexts", "test")

    def __init__(self, plan: "SessionPlan", loop: Any, ops: list[Operation]):
        slot, slots = plan.slot, plan.slots
        merges = [op for op in ops if _is_loop_merge(op)]
        nexts = [op.inputs[1].op for op in merges]
        tests = [op for op in ops if op.type == "LoopCond"]
        exits = [op for op in ops if op.type in ("Exit", "RefExit")]
        self.enters = [
            (slot(op.inputs[0]), slots[op]) for op in ops if op.type in ("Enter", "RefEnter")
        ]
        self.merges = [(slot(m.inputs[0]), slots[n], slots[m]) for m, n in zip(merges, nexts)]
        self.nexts = [(slot(n.inputs[0]), slots[n]) for n in nexts]
        # An Exit takes the data of its Switch when the loop ends.
        self.exits = [(slot(ended(op)), slots[op]) for op in exits]
        (test,) = tests
        self.test = slot(test.inputs[0])
        sources = set(merges) | {op for op in ops if op.type in ("Enter", "RefEnter")}
        apart = sources | set(nexts) | set(exits)
        wanted: list[Operation] = [test.inputs[0].op]
        condition = plan.sort(loop, wanted, apart)
        ends = [c for n in nexts for c in (n.inputs[0].op, *n.control_inputs)]
        body = plan.sort(loop, ends, apart | set(condition) | {test})
        self.condition = plan.compile(condition)
        self.body = plan.compile(body)

    def run(self, run: SessionRun) -> None:
        values = run.values
        for outside, inside in self.enters:
            values[inside] = values[outside]
        if any(values[inside] is DEAD for _, inside in self.enters):
            for _, slot in self.exits:
                values[slot] = DEAD
            return
        for enter, _, merge in self.merges:
            values[merge] = values[enter]
        while True:
            for step in self.condition:
                step.run(run)
            if not values[self.test]:
                break
            for step in self.body:
                step.run(run)
            for source, slot in self.nexts:
                values[slot] = values[source]
            for _, slot, merge in self.merges:
                values[merge] = values[slot]
        for source, slot in self.exits:
            values[slot] = values[source]


class _CopyStep:
    """An Identity, or the Switch of a loop variable in an iteration that runs."""

    __slots__ = ("slot", "source")

    def __init__(self, source: int, slot: int):
        self.source, self.slot = source, slot

    def run(self, run: SessionRun) -> None:
        run.values[self.slot] = run.values[self.source]


class SessionPlan:
    """The operations to run for some fetches, in order.

    Args:
        fetches: The tensors and operations that are fetched.
        feeds: The tensors whose values are given.
        arithmetic: See `set_arithmetic`.
    """

    def __init__(
        self,
        fetches: Sequence[Tensor | Operation],
        feeds: Iterable[Tensor],
        arithmetic: str = "tensorflow",
    ):
        self.feeds = list(dict.fromkeys(feeds))
        fed = set(self.feeds)
        targets = [f if isinstance(f, Operation) else f.op for f in fetches if f not in fed]
        self._fed, self.targets = fed, targets
        self.fast = _fast(self) if arithmetic == "fast" else None
        self.ops = self._reach(targets)
        self.may_be_dead = self._may_be_dead()
        self.slots: dict[Operation, int] = {}
        size = 0
        for op in self.ops:
            self.slots[op] = size
            size += max(len(op.outputs), 1)
        self.feed_slots = {t: size + i for i, t in enumerate(self.feeds)}
        self._levels: dict[Any, list[Operation]] = {}
        for op in self.ops:
            self._levels.setdefault(loop_of(op), []).append(op)
        # The values of slots before a run: those of constants.
        self.initial: list[Any] = [None] * (size + len(self.feeds))
        self.steps = self.compile(self.sort(None, targets, set()))
        self.fetches = [
            self.feed_slots[f] if f in fed else self.slot(f) if isinstance(f, Tensor) else None  # type: ignore[index]
            for f in fetches
        ]

    def slot(self, tensor: Tensor) -> int:
        """The slot of a tensor's value."""
        if tensor in self._fed:
            return self.feed_slots[tensor]
        return self.slots[tensor.op] + tensor.value_index

    def before(self, op: Operation) -> list[Operation]:
        """The operations that run before an operation."""
        return [t.op for t in op.inputs if t not in self._fed] + op.control_inputs

    def _reach(self, targets: list[Operation]) -> dict[Operation, None]:
        reached: dict[Operation, None] = {}
        stack = list(reversed(targets))
        while stack:
            op = stack.pop()
            if op not in reached:
                reached[op] = None
                stack += reversed(self.before(op))
                if op.type in ("Exit", "RefExit"):
                    # the condition, which the Exit's Switch has as its input
                    stack += self.before(op.inputs[0].op)
        return reached

    def _may_be_dead(self) -> set[Operation]:
        """The operations after the Switch of a branch."""
        after: dict[Operation, list[Operation]] = {}
        for op in self.ops:
            for b in self.before(op):
                after.setdefault(b, []).append(op)
        stack = [
            op
            for op in self.ops
            if op.type in ("Switch", "RefSwitch") and op.inputs[1].op.type != "LoopCond"
        ]
        found: set[Operation] = set()
        while stack:
            op = stack.pop()
            if op in found:
                continue
            found.add(op)
            stack += after.get(op, ())
        return found

    def _unit(self, op: Operation, loop: Any) -> Any:
        """The unit of an operation in the order of a loop: the operation, the inner loop that it
        is in, or None for an operation outside.
        """
        at = loop_of(op)
        if at is loop:
            return op
        while at is not None:
            outer = _outer_loop(at)
            if outer is loop:
                return at
            at = outer
        return None

    def _inside(self, loop: Any) -> list[Operation]:
        return [
            op
            for level, ops in self._levels.items()
            if level is not None and _is_within(level, loop)
            for op in ops
        ]

    def sort(self, loop: Any, wanted: Iterable[Operation], apart: set) -> list:
        """The operations of a loop (None: of no loop) and the loops in it, so that each runs after
        what it needs.

        Args:
            loop: The loop.
            wanted: What is needed.
            apart: What is not to be listed.
        """
        order: list = []
        seen: set = set(apart)
        units = [self._unit(op, loop) for op in wanted]
        stack = [(u, False) for u in reversed(units)]
        while stack:
            unit, ready = stack.pop()
            if unit is None:
                continue
            if ready:
                order.append(unit)
                continue
            if unit in seen:
                continue
            seen.add(unit)
            stack.append((unit, True))
            if isinstance(unit, Operation):
                needed = self.before(unit)
            else:
                needed = [b for op in self._inside(unit) for b in self.before(op)]
            below = dict.fromkeys(self._unit(b, loop) for b in needed)
            stack += [(u, False) for u in reversed(below) if u is not unit and u not in seen]
        return order if loop is not None else self._changes_last(self._reads_first(order))

    def _reads_first(self, order: list) -> list:
        """Reads of variables that nothing has to precede are the first, as in TensorFlow, where
        operations without inputs start at once.
        """
        first = [
            u
            for u in order
            if isinstance(u, Operation)
            and not u.control_inputs
            and (
                u.type in ("VariableV2", "Variable", "VarHandleOp")
                or (u.type in ("Identity", "ReadVariableOp"))
                and u.inputs[0] not in self._fed
                and u.inputs[0].op.type in ("VariableV2", "Variable", "VarHandleOp")
                and not u.inputs[0].op.control_inputs
            )
        ]
        early = set(first)
        return first + [u for u in order if u not in early]

    def _changes_last(self, order: list) -> list:
        """Changes of variables, and what runs after them, come after all else: a change shows in
        the values that were read before, and in TensorFlow other operations, which can run at
        once, are done with them by then.
        """
        late: set = set()
        for unit in order:
            ops = [unit] if isinstance(unit, Operation) else self._inside(unit)
            after = any(self._unit(b, None) in late for op in ops for b in self.before(op))
            if after or any(_changes_variable(op) for op in ops):
                late.add(unit)
        return [u for u in order if u not in late] + [u for u in order if u in late]

    def compile(self, order: list) -> list:
        """The steps of sorted operations and loops."""
        steps: list = []
        for unit in order:
            if not isinstance(unit, Operation):
                steps.append(self._loop(unit))
            elif unit.type in ("Switch", "RefSwitch") and unit.inputs[1].op.type == "LoopCond":
                steps.append(_CopyStep(self.slot(unit.inputs[0]), self.slots[unit] + 1))
            elif unit.type == "LoopCond":
                continue
            elif unit in self.may_be_dead:
                steps.append(_Checked(_Step(self, unit)))
            elif unit.type == "Const":
                self.initial[self.slots[unit]] = unit.attrs["value"]
            elif unit.type in ("NoOp", "ControlTrigger"):
                continue
            elif unit.type == "Identity" and not unit.inputs[0].dtype.is_ref_dtype:
                steps.append(_CopyStep(self.slot(unit.inputs[0]), self.slots[unit]))
            else:
                steps.append(_Step(self, unit))
        return steps

    def _loop(self, loop: Any) -> Any:
        step = _PlanLoop(self, loop, self.loop_ops(loop))
        return self.fast.loop(loop, step) if self.fast else step

    def loop_ops(self, loop: Any) -> list[Operation]:
        """The operations of a loop that are not in a loop in it."""
        return self._levels.get(loop, [])

    @property
    def loops(self) -> list:
        """All loops."""
        return [loop for loop in self._levels if loop is not None]

    def new_slot(self) -> int:
        """A slot for another value."""
        self.initial.append(None)
        return len(self.initial) - 1

    def run(self, session: Any, feeds: Mapping[Tensor, Any]) -> list:
        """Compute the fetches; None for an operation."""
        run = SessionRun(session, list(self.initial))
        for t, slot in self.feed_slots.items():
            run.values[slot] = feeds[t]
        with np.errstate(all="ignore"):
            for step in self.steps:
                step.run(run)
        return [None if slot is None else run.values[slot] for slot in self.fetches]


def _fast(plan: SessionPlan) -> Any:
    from ..fast import FastArithmetic  # imported here, because it needs this module and torch

    return FastArithmetic(plan)


def _changes_variable(op: Operation) -> bool:
    kind = definition(op.type)
    if not kind.stateful or not op.inputs:
        return False
    if kind.takes_references:
        return bool(op.outputs) and op.outputs[0].dtype.is_ref_dtype
    return not op.outputs and op.inputs[0].dtype.name == "resource"


def _is_within(loop: Any, outer: Any) -> bool:
    while loop is not None:
        if loop is outer:
            return True
        loop = _outer_loop(loop)
    return False
