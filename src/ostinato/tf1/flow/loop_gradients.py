"""Private: gradients of branches and loops.

The gradient of a loop is a loop that runs as many iterations, from the last to the first. A value
of the forward loop that it needs is put on a stack in each forward iteration and taken from it in
each iteration backwards. The gradient of a loop invariant is summed over the iterations.
"""

from collections.abc import Iterable
from typing import Any

from ...errors import EngineError
from ..core.constant import constant, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import control_dependencies
from ..core.tensors import Operation, Tensor
from ..ops import arrays, math
from .contexts import (
    CondContext,
    WhileContext,
    inside,
    is_loop_switch,
    output_context,
    while_context,
)
from .flow_ops import (
    control_trigger,
    exit,
    is_constant,
    is_exit,
    is_switch,
    loop_cond,
    loop_constant,
    merge,
    next_iteration,
    parts,
    stack,
    stack_pop,
    stack_push,
    switch,
    switch_ref_or_tensor,
)

__all__ = [
    "LoopGradient",
    "LoopGradients",
    "loop_gradients_of",
    "zeros_like_outside_loop",
    "zeros_of_shape",
]


class LoopGradient:
    """The gradient of one loop.

    Attributes:
        forward_context, grad_context: The loop and the loop of its gradients.
        forward_index, grad_index: The counters of their iterations, for the next iteration.
        outer_grad_state: The gradient of the loop around it, or None.
        history: The values in the loop of gradients that stand for values of the forward loop.
        switch_map: The Merge for the gradient of each Switch of a loop variable.
        unused_exits, deferred_exits: Exits without a gradient, and those that wait until all
            exits of the loop are known.
        pending_exits_count: The number of exits that are not known.
        sources: For each Exit of the loop of gradients the forward Enter whose gradient it gives,
            and for each Enter of a gradient the forward Exit that it is the gradient of.
        stopped: Whether a gradient was stopped in the forward loop.
    """

    def __init__(self, forward_context: WhileContext, outer_grad_state: "LoopGradient | None"):
        self.history: dict[Tensor, Tensor] = {}
        self.sources: dict[Operation, Operation] = {}
        self.stopped = False
        self.switch_map: dict[Operation, Any] = {}
        self.unused_exits: list[Tensor] = []
        self.deferred_exits: list[Tensor] = []
        self.forward_loop_exits = list(forward_context.loop_exits)
        self.pending_exits_count = len(forward_context.loop_exits)
        self.outer_grad_state = outer_grad_state
        self.forward_context = forward_context
        self._forward_sync: Operation | None = None
        self._grad_sync: Operation | None = None
        outer = outer_grad_state
        outer_forward = outer.forward_context if outer else forward_context.outer
        with inside(outer_forward):
            count, self.forward_index = _add_forward_counter(forward_context, outer)
        if outer is None:
            with inside(outer_forward):
                self.grad_context = self._new_context()
                self.grad_index = _add_backward_counter(self.grad_context, count, None)
            return
        outer.forward_context.known.add(count)
        history_count = outer.add_forward_accumulator(count)
        with inside(outer.grad_context):
            self.grad_context = self._new_context()
            real_count = outer.add_backward_value(history_count, count)
            self.grad_index = _add_backward_counter(self.grad_context, real_count, outer)

    def _new_context(self) -> WhileContext:
        forward = self.forward_context
        return WhileContext(
            forward.maximum_iterations,
            forward.parallel_iterations,
            forward.back_prop,
            forward.swap_memory,
            name=forward.name,
            grad_state=self,
        )

    @property
    def forward_sync(self) -> Operation:
        """An operation that ends a forward iteration: pushes in branches come before it."""
        if self._forward_sync is None:
            with control_dependencies(None):
                self._forward_sync = control_trigger(name="f_sync")
            self._forward_sync.context = self.forward_context
            self.forward_index.op.add_control_input(self._forward_sync)
        return self._forward_sync

    @property
    def grad_sync(self) -> Operation:
        """An operation that ends an iteration backwards: values are taken from stacks before it."""
        if self._grad_sync is None:
            with control_dependencies(None):
                self._grad_sync = control_trigger(name="b_sync")
            self._grad_sync.context = self.grad_context
            self.grad_index.op.add_control_input(self._grad_sync)
        return self._grad_sync

    def add_forward_accumulator(self, value: Tensor, dead_branch: bool = False) -> Tensor:
        """Keep a value of each forward iteration.

        Args:
            value: The value.
            dead_branch: Whether it is available in the branch that its Switch does not take.

        Returns:
            The stack of the values.
        """
        forward = self.forward_context
        current = forward.graph.control_flow_context
        with control_dependencies(None):
            with inside(current):
                size = constant(-1, DTYPES["int32"])
                accumulator = stack(size, value.dtype.base_dtype, name="f_acc")
            entered = forward.add_value(accumulator)
            context = output_context(value.op)
            if context is forward:
                with inside(forward):
                    push = stack_push(entered, value, forward.swap_memory)
                self.forward_index.op.add_control_input(push.op)
            else:
                if not isinstance(context, CondContext):
                    raise EngineError(
                        f"the gradient of a loop needs {value}, which is in another loop: nest the "
                        "loops, or pass the tensor on as a loop variable"
                    )
                with inside(context.outer if dead_branch else context):
                    push = stack_push(entered, value, forward.swap_memory)
                push.op.context = context
                self.forward_sync.add_control_input(push.op)
            # the push belongs to the iteration of the counter
            push.op.add_control_input(self.forward_index.op.inputs[0].op)
        return accumulator

    def add_backward_value(
        self, history: Tensor, value: Tensor, dead_branch: bool = False
    ) -> Tensor:
        """The value of the forward iteration that the iteration backwards belongs to.

        Args:
            history: The stack.
            value: The value in the forward loop.
            dead_branch: As for `add_forward_accumulator`.
        """
        context = value.op.context
        while (
            context is not None
            and context is not history.op.context
            and not isinstance(context, CondContext)
        ):
            context = context.outer
        with control_dependencies(None), inside(self.grad_context):
            if isinstance(context, CondContext) and context is not history.op.context:
                pred = self._branch_condition(context)
                branch = 1 - context.branch if dead_branch else context.branch
                history = switch_ref_or_tensor(history, pred)[branch]
            pop = stack_pop(history, value.dtype.base_dtype)
            pop.set_shape(value.shape)
        if self.grad_context.parallel_iterations > 1:
            self.grad_sync.add_control_input(pop.op)
        return pop

    def _branch_condition(self, context: CondContext) -> Tensor:
        state: LoopGradient | None = self
        while state is not None:
            if context.pred in state.history:
                return state.history[context.pred]
            state = state.outer_grad_state
        return context.pred

    def real_value(self, value: Tensor) -> Tensor:
        """The tensor in the loop of gradients that stands for a tensor of the forward loop.

        The current context is the loop of gradients.
        """
        if value not in self.history:
            self.history[value] = self._find_value(value)
        return self.history[value]

    def _find_value(self, value: Tensor) -> Tensor:
        state = self
        while (entered := loop_constant(value)) is not None:
            value = entered.inputs[0]
            if state.outer_grad_state is None:
                # the same in every iteration of every loop
                return self.grad_context.add_value(value)
            state = state.outer_grad_state
        if is_constant(value):
            return constant(constant_value(value), dtype=value.dtype)
        with self.grad_context.left():
            history = state.add_forward_accumulator(value)
        real = state.add_backward_value(history, value)
        return real if state is self else self.grad_context.add_value(real)


def _add_forward_counter(loop: WhileContext, outer: LoopGradient | None) -> tuple[Tensor, Tensor]:
    """Count the iterations of a forward loop: their number, and the counter."""
    zero = constant(0, name="f_count")
    if outer is not None:
        # The pushes of an inner loop come before those of its next execution.
        zero.op.add_control_input(outer.forward_index.op.inputs[0].op)
    with inside(loop):
        loop.known.add(zero)
        entered = loop.enter_variable(zero, name="f_count")
        loop.loop_enters.append(entered)
        merged, _ = merge([entered, entered])
        ended, running = switch(merged, loop.pivot)
        following = next_iteration(math.add(running, 1))
        merged.op.update_input(1, following)  # type: ignore[arg-type]
        total = exit(ended, name="f_count")
        loop.loop_exits.append(total)
        loop.end_with([total])
    return total, following  # type: ignore[return-value]


def _add_backward_counter(loop: WhileContext, count: Tensor, outer: LoopGradient | None) -> Tensor:
    """Let the loop of gradients run as many iterations as the forward loop; its counter."""
    one = constant(1, name="b_count")
    with inside(loop):
        loop.known.add(count)
        entered = loop.enter_variable(count, name="b_count")
        loop.loop_enters.append(entered)
        merged, _ = merge([entered, entered])
        loop.pivot_for_pred = merged
        loop.pivot = loop_cond(math.greater_equal(merged, one), name="b_count")
        ended, running = switch(merged, loop.pivot)
        loop.pivot_for_body = math.subtract(running, one)
        following = next_iteration(loop.pivot_for_body)
        merged.op.update_input(1, following)  # type: ignore[arg-type]
        total = exit(ended, name="b_count")
        loop.loop_exits.append(total)
        if outer is not None:
            # The pops of an inner loop come before those of its next execution.
            outer.grad_sync.add_control_input(total.op)
        loop.end_with([total])
    return following  # type: ignore[return-value]


class LoopGradients:
    """The gradients of all loops between the tensors of one call of `gradients`."""

    def __init__(self) -> None:
        self._by_loop: dict[WhileContext, LoopGradient] = {}

    def state_of(self, op: Operation, before: bool) -> LoopGradient | None:
        """The gradient of the loop that an operation is in.

        Args:
            op: The operation.
            before: Whether the gradients of its outputs are wanted, which for an Exit are outside.
        """
        loop = while_context(op)
        if before and is_exit(op) and loop is not None:
            loop = loop.outer_loop()
        return None if loop is None else self._by_loop.get(loop)

    def context_of(self, op: Operation, before: bool) -> WhileContext | None:
        """The loop of gradients that the gradient of an operation is created in, or None."""
        state = self.state_of(op, before)
        return None if state is None else state.grad_context

    def add(self, op: Operation, between: list[Operation], between_set: set[Operation]) -> None:
        """Add the gradient of the loop of an Exit, all of whose exits become part of the way."""
        loop = while_context(op)
        if loop is None or loop in self._by_loop:
            return
        outer = self._outer_state(loop)
        state = self._by_loop[loop] = LoopGradient(loop, outer)
        for end in (t.op for e in state.forward_loop_exits for t in parts(e)):
            if end not in between_set:
                between_set.add(end)
                between.append(end)

    def _outer_state(self, loop: WhileContext) -> LoopGradient | None:
        outer = loop.outer_loop()
        return None if outer is None else self._by_loop.get(outer)

    def stop(self, ops: Iterable[Operation]) -> None:
        """Record that gradients stop at some operations."""
        for op in ops:
            state = self.state_of(op, before=False)
            if state is not None:
                state.stopped = True

    def unused_exits(self, pending: dict[Operation, int], to_ops: set[Operation]) -> list[Tensor]:
        """The exits of loops none of whose exits has a gradient from another operation."""
        unused: list[Tensor] = []
        for state in self._by_loop.values():
            for end in state.forward_loop_exits:
                if pending.get(end.op, 0) == 0:
                    state.pending_exits_count -= 1
                    if end.op not in to_ops:
                        state.unused_exits.append(end)
                    if state.pending_exits_count == 0:
                        unused += state.unused_exits
            for entered in state.forward_context.loop_enters:
                if pending.get(entered.op, 0) == 0:
                    pending[entered.op] = 1
        return unused

    def zeros_for_exit(self, end: Tensor) -> Tensor:
        """The gradient of an exit that nothing depends on."""
        forward = end.op.context
        assert isinstance(forward, WhileContext)
        outer = self._outer_state(forward)
        known = end.shape.is_fully_defined()
        if outer is None:
            if known:
                return arrays.zeros(end.shape.as_list(), end.dtype)
            return arrays.zeros_like(end, optimize=False)
        if known:
            with inside(outer.grad_context):
                return arrays.zeros(end.shape.as_list(), end.dtype)
        return zeros_of_shape(outer, forward, end, end.dtype)

    def zeros_like(self, op: Operation, index: int) -> Tensor | None:
        """The gradient of an output that nothing depends on; created in the loop of gradients."""
        if is_loop_switch(op):
            return None
        state = self.state_of(op, before=False)
        if state is None:
            return zeros_like_outside_loop(op, index)
        dead_branch = is_switch(op)
        context = op.context
        value = convert_to_tensor(op.outputs[index], name="tensor")
        if value.shape.is_fully_defined():
            zeros = constant(0, shape=value.shape.as_list(), dtype=value.dtype)
            if isinstance(context, CondContext) and dead_branch:
                pred = state.history[context.pred]
                zeros = switch_ref_or_tensor(zeros, pred)[1 - context.branch]
            return zeros
        if isinstance(context, CondContext) and dead_branch:
            with inside(context.outer):
                value = switch_ref_or_tensor(op.inputs[0], context.pred)[1 - context.branch]
                shape = arrays.shape_internal(value, optimize=False)
            value.op.context = shape.op.context = context
        else:
            with inside(context):
                shape = arrays.shape_internal(value, optimize=False)
        with state.grad_context.left():
            history = state.add_forward_accumulator(shape, dead_branch)
        real_shape = state.add_backward_value(history, shape, dead_branch)
        return arrays.zeros(real_shape, value.dtype)

    def finish(self) -> None:
        """Give zeros to loop variables whose values do not depend on the iteration before."""
        for state in self._by_loop.values():
            for merged in state.switch_map.values():
                first, second = merged.op.inputs
                if first is not second:
                    continue
                if first.shape.is_fully_defined():
                    with inside(state.grad_context):
                        zeros = constant(0, dtype=first.dtype, shape=first.shape.as_list())
                        following = next_iteration(zeros)
                else:
                    with inside(state.grad_context.outer):
                        shape = arrays.shape_internal(first.op.inputs[0], optimize=False)
                        zeros = arrays.zeros(shape)
                    with inside(state.grad_context):
                        following = next_iteration(zeros)
                merged.op.update_input(1, following)  # type: ignore[arg-type]


def loop_gradients_of(
    between: list[Operation], between_set: set[Operation]
) -> LoopGradients | None:
    """The gradients of the loops on the way from xs to ys, or None without loops.

    Args:
        between: The operations on the way; the exits of the loops are added.
        between_set: The same.
    """
    found: LoopGradients | None = None
    for op in between:  # grows meanwhile
        if is_exit(op):
            found = found or LoopGradients()
            found.add(op, between, between_set)
    return found


def zeros_of_shape(outer: LoopGradient, forward: WhileContext, value: Tensor, dtype: Any) -> Tensor:
    """Zeros in an outer loop of gradients, of the shape that a value had in the forward loop."""
    with inside(forward.outer):
        shape = arrays.shape_internal(value, optimize=False)
    history = outer.add_forward_accumulator(shape)
    with inside(outer.grad_context):
        real_shape = outer.add_backward_value(history, shape)
        return arrays.zeros(real_shape, dtype)


def zeros_like_outside_loop(op: Operation, index: int) -> Tensor:
    """The gradient of an output outside of loops that nothing depends on."""
    value = op.outputs[index]
    resource = value.dtype == DTYPES["resource"]
    if not is_switch(op) or not isinstance(op.context, CondContext):
        if resource and not is_switch(op):
            return arrays.zeros(_variable_shape(value))
        return arrays.zeros_like(value, optimize=False)
    context = op.context
    taken = switch(op.inputs[0], context.pred)[1 - context.branch]
    # Operations on the zeros run only where the Switch takes that branch.
    pivot = arrays.identity(taken)
    if resource:
        with control_dependencies([pivot]):
            return arrays.zeros(_variable_shape(taken))
    shape = arrays.shape_internal(taken, optimize=False)
    with control_dependencies([pivot]):
        return arrays.zeros(shape, dtype=value.dtype)


def _variable_shape(handle: Tensor) -> Tensor:
    return apply("VariableShape", {"input": handle}).outputs[0]
