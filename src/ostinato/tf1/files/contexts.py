"""Private: the loops and branches of imported graphs, and the messages that describe them.

A loop is found in the graph itself: it begins at Enters with its name and ends at its Exits. The
loops of gradients, which no message describes, are found too.
"""

from collections.abc import Iterable
from typing import Any

from ..core.graph import Graph
from ..core.tensors import Operation, Tensor
from ..flow.contexts import CondContext, ControlFlowContext, WhileContext
from .messages import CondContextDef, WhileContextDef

__all__ = ["context_to_message", "restore_contexts", "restore_loops"]


# Importing


def restore_loops(ops: Iterable[Operation]) -> None:
    """Find the loops among operations, which are sorted so that inputs come first."""
    loops: dict[tuple[Any, str], WhileContext] = {}
    made = list(ops)
    for op in made:
        found: Any = None
        for before in [t.op for t in op.inputs] + op.control_inputs:
            at = _outside(before)
            if _depth(at) > _depth(found):
                found = at
        if op.type in ("Enter", "RefEnter"):
            key = (found, op.attrs["frame_name"])
            if key not in loops:
                loops[key] = _new_loop(op.graph, key[1], found, op.attrs)
            found = loops[key]
        op.context = found
    for op in made:
        loop = op.context
        if isinstance(loop, WhileContext):
            _fill_loop(loop, op)


def _outside(op: Operation) -> Any:
    context = op.context
    if context is not None and op.type in ("Exit", "RefExit"):
        return context.outer
    return context


def _depth(context: Any) -> int:
    depth = 0
    while context is not None:
        depth += 1
        context = context.outer
    return depth


def _new_loop(graph: Graph, name: str, outer: Any, attrs: Any) -> WhileContext:
    # Not by its constructor, which would take a new name.
    loop = WhileContext.__new__(WhileContext)
    ControlFlowContext.__init__(loop)
    loop.graph, loop.name, loop.outer = graph, name, outer
    loop.maximum_iterations = None
    loop.parallel_iterations = attrs["parallel_iterations"]
    loop.back_prop, loop.swap_memory = True, False
    loop.pivot = loop.pivot_for_pred = loop.pivot_for_body = None
    loop.loop_enters, loop.loop_exits = [], []
    loop.grad_state = None
    return loop


def _fill_loop(loop: WhileContext, op: Operation) -> None:
    if op.type == "LoopCond":
        loop.pivot = op.outputs[0]
    elif op.type in ("Enter", "RefEnter"):
        if op.attrs["is_constant"]:
            loop.external[op.inputs[0]] = op.outputs[0]
            loop.known.add(op.inputs[0])
        else:
            loop.loop_enters.append(op.outputs[0])
    elif op.type in ("Exit", "RefExit"):
        loop.loop_exits.append(op.outputs[0])
        if loop.outer is not None:
            loop.outer.known.add(op.outputs[0])
    loop.known.update(op.outputs)


def restore_contexts(graph: Graph, messages: Iterable[Any], scope: str) -> list[Any]:
    """The loops and branches of messages, among operations that were imported.

    Args:
        graph: The graph.
        messages: WhileContextDefs and CondContextDefs.
        scope: The prefix of the names, with "/", or "".
    """
    loops: dict[str, WhileContext] = {}
    for op in graph.operations:
        context = op.context
        if isinstance(context, WhileContext):
            loops.setdefault(context.name, context)
    restorer = _Restorer(graph, scope, loops)
    return [c for m in messages if (c := restorer.restore(m, None)) is not None]


class _Restorer:
    def __init__(self, graph: Graph, scope: str, loops: dict[str, WhileContext]):
        self.graph, self.scope, self.loops = graph, scope, loops

    def tensor(self, name: str) -> Tensor | None:
        """The tensor of a name, or None if the graph was cut."""
        op = self.graph._by_name.get(f"{self.scope}{name.partition(':')[0]}")
        index = int(name.rpartition(":")[2]) if ":" in name else 0
        return op.outputs[index] if op is not None and index < len(op.outputs) else None

    def restore(self, message: Any, outer: ControlFlowContext | None) -> Any:
        is_loop = isinstance(message, WhileContextDef)
        context = self.loop(message) if is_loop else self.branch(message, outer)
        if context is None:
            return None
        if outer is not None:
            context.outer = outer
        values = message.values_def
        outside = set(values.external_values)
        for key, inner in values.external_values.items():
            known, real = self.tensor(key), self.tensor(inner)
            if known is not None and real is not None:
                context.known.add(known)
                context.external[known] = real
        for name in values.values:
            tensor = self.tensor(name)
            if tensor is None:
                continue
            context.known.add(tensor)
            loop = context.while_context()
            of = tensor.op.context
            if not is_loop and name not in outside and (of and of.while_context()) is loop:
                tensor.op.context = context
        for nested in message.nested_contexts:
            kind = nested.WhichOneof("ctxt")
            if kind is not None:
                self.restore(getattr(nested, kind), context)
        return context

    def loop(self, message: Any) -> WhileContext | None:
        name = message.context_name
        loop = self.loops.get(f"{self.scope}{name}") or self.loops.get(name)
        if loop is None:
            return None
        loop.back_prop, loop.swap_memory = message.back_prop, message.swap_memory
        loop.pivot = self.tensor(message.pivot_name)
        loop.pivot_for_pred = self.tensor(message.pivot_for_pred_name)
        loop.pivot_for_body = self.tensor(message.pivot_for_body_name)
        if message.maximum_iterations_name:
            loop.maximum_iterations = self.tensor(message.maximum_iterations_name)
        for attribute, names in (
            ("loop_enters", message.loop_enter_names),
            ("loop_exits", message.loop_exit_names),
        ):
            tensors = [self.tensor(n) for n in names]
            if tensors and None not in tensors:
                setattr(loop, attribute, tensors)
        return loop

    def branch(self, message: Any, outer: ControlFlowContext | None) -> CondContext | None:
        pred, pivot = self.tensor(message.pred_name), self.tensor(message.pivot_name)
        if pred is None or pivot is None:
            return None
        context = CondContext.__new__(CondContext)
        ControlFlowContext.__init__(context)
        context.graph, context.outer = self.graph, outer or pivot.op.context
        context.name = f"{self.scope}{message.context_name}"
        context.pred, context.pivot, context.branch = pred, pivot, message.branch
        context.known |= {pred, pivot}
        context.external[pred] = pred
        pivot.op.context = context
        return context


# Writing


def context_to_message(context: ControlFlowContext) -> Any:
    """A loop or branch as a WhileContextDef or CondContextDef."""
    if isinstance(context, WhileContext):
        message = WhileContextDef(
            context_name=context.name,
            parallel_iterations=context.parallel_iterations,
            back_prop=context.back_prop,
            swap_memory=context.swap_memory,
            loop_exit_names=[_name(t) for t in context.loop_exits],
            loop_enter_names=[_name(t) for t in context.loop_enters],
        )
        for field, tensor in (
            ("pivot_name", context.pivot),
            ("pivot_for_pred_name", context.pivot_for_pred),
            ("pivot_for_body_name", context.pivot_for_body),
            ("maximum_iterations_name", context.maximum_iterations),
        ):
            if isinstance(tensor, Tensor):
                setattr(message, field, tensor.name)
    else:
        assert isinstance(context, CondContext)
        message = CondContextDef(
            context_name=context.name,
            pred_name=context.pred.name,
            pivot_name=context.pivot.name,
            branch=context.branch,
        )
    values = message.values_def
    values.values.extend(sorted(t.name for t in context.known))
    for outside, inside in context.external.items():
        values.external_values[outside.name] = inside.name
    for inner in _inside(context):
        nested = message.nested_contexts.add()
        field = "while_ctxt" if inner.is_loop else "cond_ctxt"
        setattr(nested, field, context_to_message(inner))
    return message


def _name(value: Any) -> str:
    return getattr(value, "values", value).name


def _inside(context: ControlFlowContext) -> list[ControlFlowContext]:
    """The loops and branches right inside one."""
    found: dict[ControlFlowContext, None] = {}
    for op in context.graph.operations:
        at = op.context
        while at is not None:
            if at.outer is context:
                found[at] = None
            at = at.outer
    return list(found)
