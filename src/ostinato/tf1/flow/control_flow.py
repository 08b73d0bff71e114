"""Private: branches and loops in a graph: tf.cond and tf.while_loop.

The operations of branches and loops are in `flow_ops.py`, the branches and loops that operations
are created in in `contexts.py`, and the gradients of loops in `loop_gradients.py`.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core import nest
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import control_dependencies, name_scope
from ..core.graph_keys import GraphKeys
from ..core.shape import TensorShape
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays, math, tensor_arrays
from .contexts import CondContext, ControlFlowContext, WhileContext, inside
from .flow_ops import (
    exit,
    identity_of,
    loop_cond,
    merge,
    next_iteration,
    switch,
    switch_ref_or_tensor,
    with_dependencies,
)
from .slices import as_indexed_slices, convert_to_tensor_or_slices

__all__ = ["add_back_edge", "cond", "while_loop"]


# Structures with TensorArrays in them: a loop or branch passes on their flows


def _flow_of(value: Any) -> Any:
    return value.flow if isinstance(value, tensor_arrays.TensorArray) else value


def _with_flows(originals: Sequence, values: Sequence) -> list:
    """Values, those that stand for TensorArrays as TensorArrays."""
    return [
        tensor_arrays.with_flow(array, value)
        if isinstance(array, tensor_arrays.TensorArray)
        else value
        for array, value in zip(originals, values)
    ]


# Branches


def cond(
    pred: Any,
    true_fn: Callable | None = None,
    false_fn: Callable | None = None,
    strict: bool = False,
    name: str | None = None,
    fn1: Callable | None = None,
    fn2: Callable | None = None,
) -> Any:
    """The result of one of two functions, by a truth value that is known in a run.

    Operations that the functions create run only in the branch that is taken; operations from
    outside run in any case.

    Args:
        pred: The truth value, a bool tensor of shape ().
        true_fn, false_fn: Functions without arguments, which return tensors in one structure.
        strict: Whether a list of one result stays a list.
        name: The name of the operation.
        fn1, fn2: Former names of `true_fn` and `false_fn`.

    Raises:
        InputError: The results of the functions differ in structure or dtype.
    """
    for given, former, names in (
        (true_fn, fn1, "true_fn and fn1"),
        (false_fn, fn2, "false_fn and fn2"),
    ):
        if given is not None and former is not None:
            raise ArgumentTypeError(f"cond(): {names} may not be set simultaneously: give one")
        if not callable(given or former):
            raise ArgumentTypeError(
                f"cond() was given {given or former!r} for {names.split()[0]}: give a function "
                "without arguments, such as lambda: x"
            )
    if isinstance(pred, bool):
        raise ArgumentTypeError(
            "pred must not be a Python bool: use `if`, or give a tensor such as tf.constant(True)"
        )
    with name_scope(name, "cond"):
        false_pivot, true_pivot = switch(pred, pred)
        true_pivot = arrays.identity(true_pivot, name="switch_t")
        false_pivot = arrays.identity(false_pivot, name="switch_f")
        pred = arrays.identity(pred, name="pred_id")
        true_context = CondContext(pred, true_pivot, branch=1)
        true_original, if_true = _branch(true_context, true_fn or fn1, "true_fn")  # type: ignore[arg-type]
        false_context = CondContext(pred, false_pivot, branch=0)
        false_original, if_false = _branch(false_context, false_fn or fn2, "false_fn")  # type: ignore[arg-type]
        if not strict:
            true_original, false_original = _unpack(true_original), _unpack(false_original)
        try:
            nest.assert_same_structure(true_original, false_original)
        except InputError as error:
            raise type(error)(
                f"Incompatible return values of true_fn and false_fn: {error}"
            ) from None
        pairs = list(zip(nest.flatten(if_false), nest.flatten(if_true)))
        if not pairs:
            raise InputError("true_fn and false_fn must return at least one result: give a tensor")
        for one, other in pairs:
            _check_branches(one, other)
        merges = [merge(pair)[0] for pair in pairs]
        merges = _with_flows(nest.flatten(true_original), merges)
        if true_context.outer is None:
            for context in (true_context, false_context):
                true_context.graph.add_to_collection(GraphKeys.COND_CONTEXT, context)
        result = nest.pack_sequence_as(true_original, merges)
        return result if strict else _unpack(result)


def _unpack(result: Any) -> Any:
    return result[0] if isinstance(result, (list, tuple)) and len(result) == 1 else result


def _check_branches(one: Any, other: Any) -> None:
    kinds = isinstance(one, Tensor), isinstance(other, Tensor)
    if kinds[0] != kinds[1] or one.dtype.base_dtype != other.dtype.base_dtype:
        raise InputError(
            f"Outputs of true_fn and false_fn must have the same type: {other.dtype.name}, "
            f"{one.dtype.name}: convert one of them with tf.cast"
        )


def _branch(context: CondContext, function: Callable, argument: str) -> Any:
    """The result of the function of a branch: as it returned it, and its tensors in the branch."""
    with inside(context):
        original = function()
        if original is None:
            raise InputError(f"{argument} must have a return value: return a tensor")
        result = nest.map_structure(lambda v: _branch_value(context, v), original)
        if not isinstance(result, (list, tuple)):
            result = [result]
        context.end_with(nest.flatten(result))
    return original, result


def _branch_value(context: CondContext, value: Any) -> Any:
    if isinstance(value, Operation):
        return with_dependencies([value], context.pivot)
    if isinstance(value, IndexedSlices):
        shape = value.dense_shape
        return IndexedSlices(
            context.result(value.values),
            context.result(value.indices),
            None if shape is None else context.result(shape),
        )
    return context.result(convert_to_tensor(_flow_of(value)))


# Loops


def while_loop(
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    shape_invariants: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
    maximum_iterations: Any = None,
    return_same_structure: bool = False,
) -> Any:
    """Repeat a function while a condition holds.

    Args:
        cond: Takes the loop variables and returns a truth value, ().
        body: Takes the loop variables and returns their next values, in the same structure.
        loop_vars: The first values: tensors, TensorArrays and structures of them.
        shape_invariants: Shapes that the variables have in every iteration, where a shape changes.
        parallel_iterations: Accepted for compatibility.
        back_prop: Whether the loop has gradients.
        swap_memory: Accepted for compatibility.
        name: The name of the operation.
        maximum_iterations: The largest number of iterations, ().
        return_same_structure: Whether a list of one variable stays a list.

    Returns:
        The last values of the loop variables.

    Raises:
        InputError: The next values are of another structure, dtype or shape than the first ones.
    """
    with name_scope(name, "while"):
        if not loop_vars:
            raise InputError("No loop variables provided: give a list of tensors")
        for function, argument in ((cond, "cond"), (body, "body")):
            if not callable(function):
                raise ArgumentTypeError(
                    f"{argument} must be callable, not {function!r}: give a function of the loop "
                    "variables"
                )
        if not isinstance(parallel_iterations, int) or parallel_iterations < 1:
            raise ArgumentTypeError(
                "parallel_iterations must be a positive integer, such as 10, not "
                f"{parallel_iterations!r}"
            )
        if maximum_iterations is not None:
            limit = convert_to_tensor(maximum_iterations, name="maximum_iterations")
            maximum_iterations = limit
            if limit.shape.ndims != 0:
                raise InputError(
                    f"maximum_iterations must be a scalar, saw shape: {limit.shape}: give a number"
                )
            counter = constant(0, dtype=limit.dtype, name="iteration_counter")
            cond, body, loop_vars = _counted(cond, body, loop_vars, counter, limit)
        if shape_invariants is not None:
            if maximum_iterations is not None:
                shape_invariants = (TensorShape([]), shape_invariants)
            nest.assert_same_structure(loop_vars, shape_invariants)
        context = WhileContext(maximum_iterations, parallel_iterations, back_prop, swap_memory)
        if context.outer is None:
            context.graph.add_to_collection(GraphKeys.WHILE_CONTEXT, context)
        originals = nest.flatten(loop_vars)
        values = [convert_to_tensor_or_slices(_flow_of(v)) for v in originals]
        with inside(context):
            result, exits = _build_loop(context, cond, body, loop_vars, values, shape_invariants)
        ends = _with_flows(nest.flatten(result), exits)
        packed = nest.pack_sequence_as(result, ends)
        if maximum_iterations is not None:
            return packed[1]
        return packed[0] if len(exits) == 1 and not return_same_structure else packed


def _counted(cond: Callable, body: Callable, loop_vars: Any, counter: Tensor, limit: Tensor) -> Any:
    """A condition, body and variables of a loop that counts its iterations."""
    single = len(loop_vars) == 1

    def call(function: Callable, variables: Any) -> Any:
        return function(variables) if single else function(*variables)

    return (
        lambda i, variables: math.logical_and(i < limit, call(cond, variables)),
        lambda i, variables: (i + 1, call(body, variables)),
        (counter, loop_vars[0] if single else loop_vars),
    )


def _build_loop(
    context: WhileContext,
    cond: Callable,
    body: Callable,
    loop_vars: Any,
    values: list,
    shape_invariants: Any,
) -> Any:
    originals = nest.flatten(loop_vars)
    context.known = {t for v in values for t in _tensors(v)}
    if context.outer is not None:
        values = [_in_outer(context.outer, v) for v in values]
    with control_dependencies(None):
        enters = [
            context.enter_variable(v, use_input_shape=shape_invariants is None) for v in values
        ]
    context.wait_in_outer(t for v in enters for t in _tensors(v))
    if shape_invariants is not None:
        for value, entered, shape in zip(values, enters, nest.flatten(shape_invariants)):
            _set_shape(value, entered, shape)
    context.adopt(enters)
    context.known = {t for v in enters for t in _tensors(v)}
    context.loop_enters = enters
    merges = [merge([v, v])[0] for v in enters]
    context.pivot_for_pred = _tensors(merges[0])[0]

    variables = nest.pack_sequence_as(loop_vars, _with_flows(originals, merges))
    context.pivot = loop_cond(convert_to_tensor(cond(*variables)), name="LoopCond")
    switches = [switch_ref_or_tensor(m, context.pivot) for m in merges]

    current = [identity_of(s[1]) for s in switches]
    context.pivot_for_body = _tensors(current[0])[0]
    variables = nest.pack_sequence_as(loop_vars, _with_flows(originals, current))
    result = body(*variables)
    if not nest.is_sequence(result):
        result = [result]
    # The outermost sequences may differ: often a list, and the tuple that the body returns.
    nest.assert_same_structure(list(variables), list(result))
    following = [convert_to_tensor_or_slices(_flow_of(v)) for v in nest.flatten(result)]
    for merged, value in zip(merges, following):
        add_back_edge(merged, value)
    exits = [exit(s[0]) for s in switches]
    context.loop_exits = exits
    context.end_with(exits)
    return result, exits


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    return [t for t in (value.values, value.indices, value.dense_shape) if t is not None]


def _in_outer(outer: ControlFlowContext, value: Any) -> Any:
    if isinstance(value, Tensor):
        return outer.add_value(value)
    raise InputError(
        f"a loop inside of a loop or branch has the loop variable {value}: convert it with "
        "tf.convert_to_tensor first"
    )


def _fits(shape: TensorShape, invariant: TensorShape) -> bool:
    if invariant.sizes is None:
        return True
    if shape.sizes is None or len(shape.sizes) != len(invariant.sizes):
        return False
    return all(b is None or a == b for a, b in zip(shape.sizes, invariant.sizes))


def _set_shape(value: Any, entered: Any, shape: Any) -> None:
    if not isinstance(shape, TensorShape):
        raise ArgumentTypeError(
            f"shape_invariants has {shape!r}: give tf.TensorShape in the structure of loop_vars"
        )
    first, inner = _tensors(value)[0], _tensors(entered)
    if not _fits(first.shape, shape):
        raise SizeError(
            f"The shape invariant specified for {first.name} is not compatible with the initial "
            f"shape of the loop variable. It enters the loop with shape {first.shape}, but the "
            f"specified shape invariant is {shape}"
        )
    inner[0].set_shape(shape)
    if inner[1:]:
        inner[1].set_shape(shape[:1])
    if inner[2:]:
        inner[2].set_shape([shape.ndims])


def add_back_edge(merged: Any, value: Any, *, enforce_shape_invariant: bool = True) -> None:
    """Make a value that of a loop variable in the next iteration.

    Args:
        merged: The loop variable, the output of a Merge.
        value: Its next value.
        enforce_shape_invariant: Whether its shape must be that of the loop variable.

    Raises:
        SizeError: The shape differs.
        InputError: The dtype differs.
    """
    if isinstance(merged, IndexedSlices):
        value = as_indexed_slices(value, optimize=False)
    else:
        value = convert_to_tensor(value)
    value = next_iteration(value)
    for before, after in zip(_tensors(merged), _tensors(value)):
        entered = before.op.inputs[0].op.inputs[0]
        if enforce_shape_invariant and not _fits(after.shape, before.shape):
            raise SizeError(
                f"Input tensor '{entered.name}' enters the loop with shape {entered.shape}, but "
                f"has shape {after.shape} after one iteration. To allow the shape to vary across "
                "iterations, use the `shape_invariants` argument of tf.while_loop to specify a "
                "less-specific shape"
            )
        if before.dtype.base_dtype != after.dtype.base_dtype:
            raise InputError(
                f"Input tensor '{entered.name}' enters the loop with type {entered.dtype.name}, "
                f"but has type {after.dtype.name} after one iteration: use tf.cast"
            )
        before.op.update_input(1, after)
