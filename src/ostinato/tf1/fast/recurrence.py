"""Private: a loop as one step of a cell: reads the operations of its body.

A loop is a recurrence if the engine can run it as it is: its variables are counters of its steps,
states (B, units), and a TensorArray that gets one output a step; it reads one element of other
TensorArrays a step, in order; and all other values follow by operations of the cell language from
these, from constants, and from tensors that are the same in all steps. With lengths, rows that have
ended keep their states and put out 0.

Everything else is refused, and then runs as an ordinary loop.
"""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ...language.graph import Graph, Node, Size, Weight, walk
from ..core.dtypes import DTYPES
from ..core.tensors import Operation, Tensor
from .body import (
    Below,
    Body,
    Counter,
    Factor,
    Flow,
    Input,
    Masked,
    NotARecurrence,
    Output,
    Outside,
    RandomDraw,
    is_float,
)
from .operations import RULES

__all__ = ["Recurrence", "read_loop"]


@dataclass
class Recurrence:
    """A loop as the engine runs it.

    Attributes:
        graph: One step.
        bounds: Tensors outside, or numbers; the smallest is the number of steps.
        counters: The Enters of the counters, which have to begin with 0.
        inputs: The TensorArrays that are read, in the order of the graph's inputs.
        draws: The random operations, the graph's inputs after `inputs`.
        states: The Enters of the states.
        factors: The weights of the graph by name.
        lengths: The number of steps of each row, outside; None for all.
        zeros: Tensors outside that have to be 0: the output of rows that have ended.
        output: The TensorArray that is written, or None.
        variables: For each Merge of the loop its Enter.
    """

    graph: Graph
    bounds: list[Tensor | int] = field(default_factory=list)
    counters: list[Operation] = field(default_factory=list)
    inputs: list[Input] = field(default_factory=list)
    draws: list[RandomDraw] = field(default_factory=list)
    states: list[Operation] = field(default_factory=list)
    factors: dict[str, Factor] = field(default_factory=dict)
    lengths: Tensor | None = None
    zeros: list[Tensor] = field(default_factory=list)
    output: Output | None = None
    variables: dict[Operation, Operation] = field(default_factory=dict)


# Equal graphs are one, so that they share what is compiled.
_graphs: weakref.WeakValueDictionary[str, Graph] = weakref.WeakValueDictionary()

# Operations whose results may stay unused: gradients add them to a loop.
_HARMLESS = {
    "Add", "BroadcastGradientArgs", "Const", "ControlTrigger", "Enter", "Exit", "Fill", "Identity",
    "LoopCond", "NextIteration", "NoOp", "Rank", "Shape", "ShapeN", "Size", "StackPushV2",
    "StridedSlice", "Switch", "ZerosLike",
}  # fmt: skip


_INTEGERS = (DTYPES["int32"], DTYPES["int64"])


class _LoopReader(Body):
    """Reads the operations of a loop."""

    # ------------------------------------------------------------ leaves

    def read(self) -> None:
        """Find out what each tensor stands for.

        Raises:
            NotARecurrence: An operation is of a kind that cannot be run, or must not be left out.
        """
        for op in self.ops:
            if op.type == "Enter" and op.attrs["is_constant"]:
                self._enter(op)
        for k, merge in enumerate(self.merges):
            self._variable(k, merge)
        for op in self.ops:
            if op.type in ("Enter", "Merge"):
                continue
            rule = RULES.get(op.type)
            given = [self.values.get(t) for t in op.inputs]
            result = None if rule is None else rule(self, op, *given)
            if result is None:
                if op.type not in _HARMLESS:
                    raise NotARecurrence(f"{op.name} ({op.type})")
                continue
            results = result if isinstance(result, tuple) else (result,)
            for t, value in zip(op.outputs, results):
                if isinstance(value, Node) and not _fits(t, value):
                    raise NotARecurrence(f"{op.name} has shape {t.shape}")
                self.values[t] = value

    def _enter(self, op: Operation) -> None:
        (t,) = op.outputs
        if t.dtype == DTYPES["float32"] and t.shape.is_fully_defined():
            self.values[t] = Factor(op, tuple((0, n) for n in t.shape.as_list()))  # type: ignore[misc]
        else:
            self.values[t] = Outside(op)

    def _variable(self, k: int, merge: Operation) -> None:
        t = merge.outputs[0]
        first = merge.inputs[0]
        if first.op.type != "Enter":
            raise NotARecurrence(f"{merge.name} begins with {first.op.type}")
        if t.dtype in _INTEGERS and first.shape.ndims == 0:
            self.values[t] = Counter(k)
        elif is_float(first, 2):
            size = Size(first.shape.as_list()[1])
            self.values[t] = self.builder.node("state", (), f"s{k}", size)
        elif is_float(first, 0):
            self.values[t] = Flow(k)
        else:
            raise NotARecurrence(f"the loop variable {first.name}, {first.dtype} {first.shape}")

    # ------------------------------------------------------------ the whole loop

    def recurrence(self) -> Recurrence:
        """The loop, once its operations are read."""
        states: list[Node] = []
        new_states: list[Node] = []
        result = Recurrence(graph=None)  # type: ignore[arg-type]
        masked: set[Tensor | None] = set()
        for k, merge in enumerate(self.merges):
            before = self.values[merge.outputs[0]]
            after = self.values.get(merge.inputs[1].op.inputs[0])
            enter = result.variables[merge] = merge.inputs[0].op
            if isinstance(before, Counter):
                if after != Counter(k, following=True):
                    raise NotARecurrence(f"{enter.name} is not a counter")
                result.counters.append(enter)
            elif isinstance(before, Flow):
                if not isinstance(after, Flow) or after.variable != k or result.output:
                    raise NotARecurrence(f"{enter.name} is not the flow of the one output")
                result.output = after.output
            else:
                new = self._new_state(before, after, masked)
                states.append(before)
                new_states.append(new)
                result.states.append(enter)
        output = self._output(result, masked) or (new_states[0] if new_states else None)
        if output is None or not states or len(masked) > 1:
            raise NotARecurrence("no state, or masks that differ")
        (result.lengths,) = masked or {None}
        result.bounds = self._bounds()
        self._finish(result, states, new_states, output)
        return result

    def _new_state(self, before: Node, after: Any, masked: set) -> Node:
        if after is before:
            return before
        lengths = None
        if isinstance(after, Masked) and after.old is before:
            lengths, after = after.lengths, after.new
        if not isinstance(after, Node) or after.size != before.size:
            raise NotARecurrence(f"the new value of {before}")
        masked.add(lengths)
        return after

    def _output(self, result: Recurrence, masked: set) -> Node | None:
        if result.output is None:
            return None
        value, lengths = result.output.value, None
        if isinstance(value, Masked) and isinstance(value.old, Outside):
            result.zeros.append(value.old.tensor)
            lengths, value = value.lengths, value.new
        elif isinstance(value, Masked) and isinstance(value.old, Factor):
            if value.old.op.type != "Enter":
                raise NotARecurrence(f"{value.old.op.name} as the output of rows that have ended")
            result.zeros.append(value.old.op.inputs[0])
            lengths, value = value.lengths, value.new
        if not isinstance(value, Node):
            raise NotARecurrence(f"the output {value}")
        masked.add(lengths)
        return value

    def _bounds(self) -> list[Tensor | int]:
        (test,) = [op for op in self.ops if op.type == "LoopCond"]
        condition = self.values.get(test.inputs[0])
        if not isinstance(condition, Below):
            raise NotARecurrence("the condition")
        return list(condition.bounds)

    def _finish(
        self, result: Recurrence, states: list[Node], new_states: list[Node], output: Node
    ) -> None:
        nodes = walk([output, *new_states])
        used = {n.value for n in nodes if n.op == "input"}
        result.inputs = [x for x in self.inputs if x.name in used]
        # An operation that is not drawn from would give other numbers in the next run.
        result.draws = self.draws
        if not result.inputs or not all(d.name in used for d in self.draws):
            raise NotARecurrence("no input")
        read = {n.value[0] if n.op == "product" else n.value for n in nodes}
        weights: dict[str, Weight] = {}
        for (factor, rank), name in self.names.items():
            if name in read:
                sizes = factor.shape if rank == 2 else factor.shape[-1:] or (1,)
                weights[name] = Weight(tuple(map(Size, sizes)))
                result.factors[name] = factor
        graph = Graph(
            name="while",
            inputs={x.name: Size(x.units) for x in result.inputs}
            | {d.name: Size(d.units) for d in result.draws},
            states={s.value: s.size for s in states},
            weights=weights,
            output=output,
            new_states=tuple(new_states),
            labels={},
            builder=self.builder,
            given=frozenset(d.name for d in result.draws),
        )
        result.graph = _graphs.setdefault(graph.key, graph)


def _fits(t: Tensor, node: Node) -> bool:
    return is_float(t, 2) and node.size == Size(t.shape.as_list()[1])


def read_loop(ops: Sequence[Operation]) -> Recurrence:
    """A loop as a recurrence.

    Args:
        ops: The operations of the loop that a plan runs.

    Raises:
        NotARecurrence: It is none.
    """
    reader = _LoopReader(ops)
    reader.read()
    return reader.recurrence()
