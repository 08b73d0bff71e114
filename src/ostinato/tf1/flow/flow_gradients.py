"""Private: the gradients of the operations of branches and loops."""

from collections.abc import Iterable
from typing import Any

from ...errors import EngineError
from ..core.constant import constant
from ..core.dtypes import DTYPES
from ..core.graph import get_default_graph
from ..core.registry import gradient
from ..core.shape import TensorShape
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays, math
from .contexts import CondContext, WhileContext, inside, output_context
from .control_flow import add_back_edge
from .flow_ops import exit, merge, next_iteration, parts, switch, switch_ref_or_tensor
from .loop_gradients import zeros_of_shape

__all__: list[str] = []


# Sums over the iterations


def _accumulate(loop: WhileContext, op: Operation, grad: Tensor) -> Tensor:
    """The sum of a gradient over the iterations.

    Args:
        loop: The loop of gradients, which is the current context.
        op: The Enter of the loop invariant.
        grad: Its gradient in one iteration.
    """
    with loop.left():
        if grad.shape.is_fully_defined():
            with inside(loop.outer):
                zeros = constant(0, grad.dtype, shape=grad.shape.as_list(), name="b_acc")
        elif isinstance(loop.outer, WhileContext) and loop.outer.grad_state is not None:
            state = loop.grad_state
            assert state is not None and state.outer_grad_state is not None
            zeros = zeros_of_shape(
                state.outer_grad_state, state.forward_context, op.inputs[0], grad.dtype
            )
        else:
            with inside(loop.outer):
                shape = arrays.shape_internal(op.inputs[0], optimize=False)
                zeros = arrays.zeros(shape, grad.dtype)
    loop.known.add(zeros)
    entered = loop.enter_variable(zeros, name="b_acc")
    loop.loop_enters.append(entered)
    merged, _ = merge([entered, entered], name="b_acc")
    ended, running = switch(merged, loop.pivot)
    following = next_iteration(math.add(running, grad))
    merged.op.update_input(1, following)  # type: ignore[arg-type]
    result = exit(ended, name="b_acc")
    loop.loop_exits.append(result)
    loop.end_with([result])
    loop.grad_state.sources[result.op] = op  # type: ignore[union-attr]
    return result  # type: ignore[return-value]


def _accumulate_slices(loop: WhileContext, op: Operation, grad: IndexedSlices) -> IndexedSlices:
    """The rows of all iterations, one after another; see `_accumulate`."""
    values, indices, dense_shape = grad.values, grad.indices, grad.dense_shape
    with loop.left(), inside(loop.outer):
        if values.shape.is_fully_defined():
            sizes = [1, *values.shape.as_list()[1:]]
            first = constant(0, values.dtype, shape=sizes, name="b_acc")
        else:
            rest = _shape_of_invariant(op.inputs[0])[1:]
            first = arrays.zeros(arrays.concat([[1], rest], 0), dtype=values.dtype)
        start = [constant([0], indices.dtype), first]
        if dense_shape is not None:
            if dense_shape.shape.is_fully_defined():
                sizes = dense_shape.shape.as_list()
                start.append(constant(0, dense_shape.dtype, shape=sizes))
            else:
                shape = arrays.shape_internal(
                    op.inputs[0], optimize=False, out_type=dense_shape.dtype
                )
                start.append(arrays.zeros_like(shape, optimize=False))
    loop.known.update(start)
    # The number of rows grows, so that the shape of the first rows does not hold.
    entered = [loop.enter_variable(t, name="b_acc", use_input_shape=False) for t in start]
    entered[0].set_shape([None])
    if first.shape.sizes is not None:
        entered[1].set_shape([None, *first.shape.sizes[1:]])
    loop.loop_enters.extend(entered)
    merges = [merge([t, t], name="b_acc")[0] for t in entered]
    switches = [switch(m, loop.pivot) for m in merges]
    following = [
        arrays.concat([running, new], 0)
        for (_, running), new in zip(switches[:2], (indices, values))
    ]
    if dense_shape is not None:
        following.append(math.maximum(dense_shape, switches[2][1]))
    for merged, value in zip(merges, [next_iteration(v) for v in following]):
        merged.op.update_input(1, value)
    exits = [exit(ended, name="b_acc") for ended, _ in switches]
    loop.loop_exits.extend(exits)
    loop.end_with(exits)
    return IndexedSlices(exits[1], exits[0], exits[2] if exits[2:] else None)  # type: ignore[arg-type]


def _shape_of_invariant(tensor: Tensor) -> Any:
    if tensor.dtype != DTYPES["resource"]:
        return arrays.shape_internal(tensor, optimize=False)
    while tensor.op.inputs:
        tensor = tensor.op.inputs[0]
    return TensorShape(tensor.op.attrs["shape"])


# Gradients of the operations


def _current_loop() -> Any:
    return get_default_graph().control_flow_context


@gradient("Switch", "RefSwitch")
def _switch_gradient(op: Operation, *grads: Any) -> list:
    context, loop = op.context, _current_loop()
    if isinstance(context, WhileContext):
        # The walk comes twice: from the exit, and, once the body is done, from its Identity.
        state = loop.grad_state
        merged = state.switch_map.get(op)
        if merged is not None:
            if grads[1] is not None:
                add_back_edge(merged, grads[1], enforce_shape_invariant=False)
            return [None, None]
        if grads[0] is None:
            return [None, None]
        merged, _ = merge([grads[0], grads[0]], name="b_switch")
        state.switch_map[op] = merged
        return [merged, None]
    if isinstance(context, CondContext):
        if grads[1 - context.branch] is None:
            if op.inputs[0].dtype == DTYPES["resource"]:
                taken = grads[context.branch]
                return [merge([taken, taken], name="cond_resource_grad")[0], None]
            return [None, None]
        return [merge(grads, name="cond_grad")[0], None]
    if_false = switch(grads[0], op.inputs[1])[0]
    if_true = switch(grads[1], op.inputs[1])[1]
    return [merge([if_false, if_true])[0], None]


@gradient("Merge", "RefMerge")
def _merge_gradient(op: Operation, grad: Any, _: Any) -> Iterable:
    context, loop = output_context(op.inputs[0].op), _current_loop()
    if isinstance(context, WhileContext):
        return switch_ref_or_tensor(grad, loop.pivot)
    if isinstance(context, CondContext):
        pred = context.pred
        state = loop and loop.grad_state
        if state is not None:
            if pred not in state.history:
                with state.grad_context.left():
                    history = state.add_forward_accumulator(pred)
                state.history[pred] = state.add_backward_value(history, pred)
            pred = state.history[pred]
        return switch_ref_or_tensor(grad, pred, name="cond_grad")
    chosen = [math.equal(op.outputs[1], i) for i in range(len(op.inputs))]
    return [switch_ref_or_tensor(grad, c)[1] for c in chosen]


@gradient("Exit", "RefExit")
def _exit_gradient(op: Operation, grad: Any) -> list:
    loop = _current_loop()
    if not loop.back_prop:
        return [None]
    assert op.context is not None
    if op.context.grad_state is not None:
        raise EngineError(
            "Second-order gradient for while loops not supported: use static_rnn, or unroll the "
            "loop in Python"
        )
    loop.known.update(parts(grad))
    with inside(loop):
        result = loop.enter_variable(grad, name="b_exit")
        loop.loop_enters.append(result)
    if isinstance(result, Tensor):
        loop.grad_state.sources[result.op] = op
    return [result]


@gradient("NextIteration", "RefNextIteration", "RefIdentity")
def _copy_gradient(op: Operation, grad: Any) -> list:
    return [grad]


@gradient("Enter", "RefEnter")
def _enter_gradient(op: Operation, grad: Any) -> list:
    loop = _current_loop()
    if not loop.back_prop or loop.grad_state is None:
        return [grad]
    if op.attrs["is_constant"]:
        add = _accumulate if isinstance(grad, Tensor) else _accumulate_slices
        return [add(loop, op, grad)]  # type: ignore[operator]
    result = exit(grad)
    loop.loop_exits.append(result)
    loop.end_with([result])
    if isinstance(result, Tensor):
        loop.grad_state.sources[result.op] = op
    return [result]


@gradient("LoopCond")
def _loop_cond_gradient(op: Operation, grad: Any) -> list:
    return [None]
