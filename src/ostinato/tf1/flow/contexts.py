"""Private: the branches and loops that operations are created in.

While a branch or loop is being built it is `graph.control_flow_context`, and every operation that
is created is added to it. An input from outside then passes a Switch (branch) or an Enter (loop)
first, which is created right after the operation itself. `op.context` is:

- of an operation in a branch, with the Switches of its inputs: the CondContext;
- of an operation in a loop: the WhileContext. The Enters and Exits of the loop belong to it too,
  although the inputs of its Enters and the consumers of its Exits are outside.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ...errors import InputError
from ..core.graph import get_default_graph
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays
from .flow_ops import (
    enter,
    is_enter,
    is_exit,
    is_loop_constant,
    is_switch,
    parts,
    switch_ref_or_tensor,
)

if TYPE_CHECKING:
    from .loop_gradients import LoopGradient

__all__ = [
    "CondContext",
    "ControlFlowContext",
    "WhileContext",
    "check_input",
    "inside",
    "is_loop_switch",
    "output_context",
    "while_context",
]


class ControlFlowContext:
    """A branch or a loop.

    Attributes:
        name: Its unique name.
        outer: The branch or loop that it is in, or None.
        pivot: In a branch, a tensor that is available where the branch is taken; in a loop, the
            condition.
        known: Tensors that operations in it may use as they are.
        external: The tensors that stand for tensors outside.
        is_loop: Whether it is a loop.
    """

    is_loop = False
    name: str
    pivot: Tensor | None
    grad_state: "LoopGradient | None" = None
    back_prop = False

    def __init__(self) -> None:
        self.graph = get_default_graph()
        self.outer: ControlFlowContext | None = self.graph.control_flow_context
        self.known: set[Tensor] = set()
        self.external: dict[Tensor, Tensor] = {}
        self._previous: list[ControlFlowContext | None] = []

    @property
    def outer_context(self) -> "ControlFlowContext | None":
        """The branch or loop that it is in, or None."""
        return self.outer

    def while_context(self) -> "WhileContext | None":
        """The innermost loop that it is, or is in."""
        return self.outer_loop()

    def outer_loop(self) -> "WhileContext | None":
        """The innermost loop that it is in."""
        return None if self.outer is None else self.outer.while_context()

    def enter(self) -> None:
        """Create operations in this context from now on."""
        self._previous.append(self.graph.control_flow_context)
        self.graph.control_flow_context = self

    def exit(self) -> None:
        """Undo the last `enter`."""
        self.graph.control_flow_context = self._previous.pop()

    @contextmanager
    def left(self) -> Iterator[None]:
        """Undo the last `enter` inside a `with`."""
        self.exit()
        try:
            yield
        finally:
            self.enter()

    def add_value(self, value: Tensor) -> Tensor:
        """The tensor that operations in this context use for a tensor."""
        raise NotImplementedError

    def add_op(self, op: Operation) -> None:
        """Make an operation part of this context; called after its creation."""
        for tensor in op.inputs:
            check_input(op, tensor.op)
        self.add_inside(op)

    def add_inside(self, op: Operation) -> None:
        """`add_op`, without the check of its inputs."""
        raise NotImplementedError

    def end_with(self, results: Iterable[Any]) -> None:
        """Make results of this context known to the outer one."""
        if self.outer is not None:
            for value in results:
                if isinstance(value, (Tensor, IndexedSlices)):
                    self.outer.known.add(parts(value)[0])

    def control_pivot(self) -> Tensor | None:
        """A tensor whose operation runs in each iteration or branch that runs."""
        return None

    def contains(self, op: Operation) -> bool:
        """Whether an operation is in this context or in one inside it."""
        context = op.context
        while context is not None and context is not self:
            context = context.outer
        return context is self

    def _drop_external_control(self, op: Operation) -> tuple[list[Operation], list[Operation]]:
        # The control inputs that are in the same loop, which are kept, and the others.
        loop = self.while_context()
        if loop is None:
            return list(op.control_inputs), []
        internal: list[Operation] = []
        external: list[Operation] = []
        for c in op.control_inputs:
            context = output_context(c)
            same = context is not None and context.while_context() is loop
            (internal if same else external).append(c)
        op.control_inputs = list(internal)
        return internal, external

    def _all(self) -> Iterator["ControlFlowContext"]:
        context: ControlFlowContext | None = self
        while context is not None:
            yield context
            context = context.outer

    def __str__(self) -> str:
        return self.name


@contextmanager
def inside(context: ControlFlowContext | None) -> Iterator[None]:
    """Create operations in a context inside a `with`; None: in the current one."""
    if context is not None:
        context.enter()
    try:
        yield
    finally:
        if context is not None:
            context.exit()


def output_context(op: Operation) -> ControlFlowContext | None:
    """The context that the outputs of an operation are in."""
    return op.context.outer if op.context is not None and is_exit(op) else op.context


def while_context(op: Operation) -> "WhileContext | None":
    """The innermost loop that an operation is in."""
    return None if op.context is None else op.context.while_context()


def is_loop_switch(op: Operation) -> bool:
    """Whether an operation is the Switch of a loop variable."""
    return (
        is_switch(op)
        and op.context is not None
        and op.context.is_loop
        and (op.inputs[1] is op.context.pivot)
    )


def check_input(op: Operation, input_op: Operation) -> None:
    """Check that an operation may use the outputs of another one.

    Raises:
        InputError: The other operation is in a loop that the first one is not in.
    """
    context, given = op.context, output_context(input_op)
    if given is None or given is context or is_enter(op) or is_switch(op):
        return
    loop = None if context is None else context.while_context()
    other = given.while_context()
    if other is None or _within(loop, other):
        return
    # A loop of gradients uses the values of its forward loop, and loops inside one another.
    allowed = []
    if loop is not None and loop.grad_state is not None:
        forward = loop.grad_state.forward_context
        allowed += [_within(forward, other), forward is other.outer]
    if loop is not None and other.grad_state is not None:
        forward = other.grad_state.forward_context
        allowed += [forward is loop]
        if forward.grad_state is not None:
            allowed += [forward.grad_state.forward_context is loop]
    if not any(allowed):
        raise InputError(
            f"Cannot use '{input_op.name}' as input to '{op.name}' because '{input_op.name}' is in "
            "a while loop: use what tf.while_loop returns"
        )


def _within(context: ControlFlowContext | None, outer: ControlFlowContext | None) -> bool:
    while context is not outer:
        if context is None:
            return False
        context = context.outer
    return True


class CondContext(ControlFlowContext):
    """A branch.

    Attributes:
        pred: The condition, ().
        branch: 1 for the branch that is taken where the condition is True, else 0.
    """

    pivot: Tensor

    def __init__(self, pred: Tensor, pivot: Tensor, branch: int):
        super().__init__()
        self.name = self.graph.unique_name("cond_text")
        self.pred, self.pivot, self.branch = pred, pivot, branch
        self.known |= {pred, pivot}
        self.external[pred] = pred
        pivot.op.context = self

    @property
    def grad_state(self) -> "LoopGradient | None":  # type: ignore[override]
        """The gradient that the loop around this branch belongs to."""
        loop = self.while_context()
        return None if loop is None else loop.grad_state

    def control_pivot(self) -> Tensor:
        return self.pivot

    def _from_outside(self, value: Tensor) -> Tensor:
        self.known.add(value)
        if self.outer is None:
            return value
        result = self.outer.add_value(value)
        self.known.add(result)
        self.external[result] = result
        return result

    def add_value(self, value: Tensor) -> Tensor:
        if value in self.known:
            return self.external.get(value, value)
        result = self._from_outside(value)
        with self.graph.control_dependencies(None):
            result = switch_ref_or_tensor(result, self.pred)[self.branch]
        result.op.context = self
        for context in self._all():
            context.known.add(result)
        self.external[value] = result
        return result

    def add_inside(self, op: Operation) -> None:
        if op.inputs:
            for i, tensor in enumerate(op.inputs):
                real = self.add_value(tensor)
                if real is not tensor:
                    op.update_input(i, real)
            self._drop_external_control(op)
        else:
            self._drop_external_control(op)
            if not any(self.contains(c) for c in op.control_inputs):
                op.add_control_input(self.pivot.op)
        for context in self._all():
            context.known.update(op.outputs)

    def result(self, value: Tensor) -> Tensor:
        """A tensor that the branch returns, which may be one from outside."""
        if value in self.known:
            return self.external.get(value, value)
        real = switch_ref_or_tensor(self._from_outside(value), self.pred)[self.branch]
        self.external[value] = real
        return real


class WhileContext(ControlFlowContext):
    """A loop, or the loop of gradients that belongs to one.

    Attributes:
        maximum_iterations: The largest number of iterations, (), or None.
        parallel_iterations, back_prop, swap_memory: As given to `while_loop`.
        pivot_for_pred, pivot_for_body: The tensors on which constants in the condition and in the
            body depend.
        loop_enters, loop_exits: The outputs of the Enters and Exits of the loop variables.
        grad_state: For a loop of gradients, the gradient that it belongs to.
    """

    is_loop = True

    def __init__(
        self,
        maximum_iterations: Tensor | None = None,
        parallel_iterations: int = 10,
        back_prop: bool = True,
        swap_memory: bool = False,
        name: str = "while_context",
        grad_state: "LoopGradient | None" = None,
    ):
        super().__init__()
        self.name = self.graph.unique_name(name)
        self.maximum_iterations = maximum_iterations
        self.parallel_iterations = parallel_iterations
        self.back_prop, self.swap_memory = back_prop, swap_memory
        self.pivot: Tensor | None = None
        self.pivot_for_pred: Tensor | None = None
        self.pivot_for_body: Tensor | None = None
        self.loop_enters: list = []
        self.loop_exits: list = []
        self.grad_state = grad_state

    def while_context(self) -> "WhileContext":
        return self

    def control_pivot(self) -> Tensor | None:
        return self.pivot_for_pred if self.pivot_for_body is None else self.pivot_for_body

    def enter_variable(
        self, value: Any, name: str | None = None, use_input_shape: bool = True
    ) -> Any:
        """A loop variable inside of the loop, in the first iteration."""
        return enter(
            value,
            self.name,
            is_constant=False,
            parallel_iterations=self.parallel_iterations,
            use_input_shape=use_input_shape,
            name=name,
        )

    def add_value(self, value: Tensor) -> Tensor:
        if value in self.known or value.op.context is self:
            return self.external.get(value, value)
        self.known.add(value)
        # A loop of gradients gets the values of its forward loop from stacks.
        loop = self._current_loop()
        if loop is not None and loop.grad_state is not None:
            forward = while_context(value.op)
            if is_exit(value.op) and forward is not None:
                forward = forward.outer_loop()
            if forward is loop.grad_state.forward_context:
                real = loop.grad_state.real_value(value)
                self.external[value] = real
                return real
        result = value if self.outer is None else self.outer.add_value(value)
        with self.graph.control_dependencies(None):
            entered = enter(
                result, self.name, is_constant=True, parallel_iterations=self.parallel_iterations
            )
        self.adopt([entered])
        self.known.add(entered)  # type: ignore[arg-type]
        self.external[value] = entered  # type: ignore[assignment]
        return entered  # type: ignore[return-value]

    def _current_loop(self) -> "WhileContext | None":
        current = self.graph.control_flow_context
        return None if current is None else current.while_context()

    def adopt(self, enters: Iterable[Any]) -> None:
        """Make Enters part of the loop, with the control inputs that are outside of it."""
        for tensor in (t for value in enters for t in parts(value)):
            op = tensor.op
            control = self.graph._control_inputs_for({op.inputs[0].op})
            op.context = self
            op.add_control_inputs(c for c in control if _within(self.outer, output_context(c)))
            for entry in self.graph._control_stack:
                entry.seen.add(op)

    def add_op(self, op: Operation) -> None:
        # The shape of a value of the forward loop is computed there, since it takes less memory
        # than the value.
        if op.type in ("Shape", "Size", "Rank"):
            loop = self._current_loop()
            if loop is not None and loop.grad_state is not None:
                forward = loop.grad_state.forward_context
                source = op.inputs[0].op
                if while_context(source) is forward:
                    op.context = source.context
                    source.context.add_inside(op)  # type: ignore[union-attr]
                    return
        super().add_op(op)

    def add_inside(self, op: Operation) -> None:
        if op.inputs:
            for i, tensor in enumerate(op.inputs):
                real = self.add_value(tensor)
                if real is not tensor:
                    op.update_input(i, real)
            _, external = self._drop_external_control(op)
            # An operation on constants alone would run in iterations that do not happen.
            if not op.control_inputs and all(is_loop_constant(t.op) for t in op.inputs):
                op.add_control_input(self.control_pivot().op)  # type: ignore[union-attr]
        else:
            internal, external = self._drop_external_control(op)
            if not internal:
                op.add_control_input(self.control_pivot().op)  # type: ignore[union-attr]
        self.known.update(op.outputs)
        if external:
            with self.graph.control_dependencies(None), inside(self):
                copies = [arrays.identity(c.outputs[0]).op for c in external if c.outputs]
            op.add_control_inputs(copies)

    def wait_in_outer(self, enters: Iterable[Any]) -> None:
        """Let Enters of values that are constant in an outer loop wait for its iteration."""
        pivots = (c.control_pivot() for c in self._all() if c is not self)
        pivot = next((p for p in pivots if p is not None), None)
        if pivot is not None:
            for tensor in enters:
                if is_loop_constant(tensor.op.inputs[0].op):
                    tensor.op.add_control_input(pivot.op)
