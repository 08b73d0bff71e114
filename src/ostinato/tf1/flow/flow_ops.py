"""Private: the operations that branches and loops consist of, and those that order operations.

The executor runs Switch, Merge, Enter, Exit, NextIteration and LoopCond itself, so that they have
no kernel here. Each function takes IndexedSlices too, whose parts it passes on one by one.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core import nest
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import control_dependencies, name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays
from .slices import as_indexed_slices_list, convert_to_tensor_or_slices

__all__ = [
    "control_trigger",
    "enter",
    "exit",
    "group",
    "identity_of",
    "is_constant",
    "is_enter",
    "is_exit",
    "is_loop_constant",
    "is_switch",
    "loop_cond",
    "loop_constant",
    "merge",
    "next_iteration",
    "no_op",
    "parts",
    "stack",
    "stack_pop",
    "stack_push",
    "switch",
    "switch_ref_or_tensor",
    "tuple_of",
    "with_dependencies",
]

Value = Tensor | IndexedSlices


# Definitions


def _as_input(op: Operation) -> list:
    return [(op.inputs[0].dtype.base_dtype, op.inputs[0].shape)]


def _as_reference(op: Operation) -> list:
    return [(op.inputs[0].dtype, op.inputs[0].shape)]


def _enter_outputs(op: Operation) -> list:
    t = op.inputs[0]
    dtype = t.dtype if op.type == "RefEnter" else t.dtype.base_dtype
    # The shape of a loop variable may change; `enter` sets what is known of it.
    return [(dtype, t.shape if op.attrs["is_constant"] else TensorShape(None))]


def _merge_outputs(op: Operation) -> list:
    first = op.inputs[0]
    dtype = first.dtype if op.type == "RefMerge" else first.dtype.base_dtype
    sizes = first.shape.sizes
    for t in op.inputs[1:]:
        others = t.shape.sizes
        if sizes is None or others is None or len(sizes) != len(others):
            sizes = None
        else:
            sizes = tuple(a if a == b else None for a, b in zip(sizes, others))
    return [(dtype, sizes), (DTYPES["int32"], [])]


def _two(outputs: Callable) -> Callable:
    return lambda op: outputs(op) * 2


for _prefix, _outputs in (("", _as_input), ("Ref", _as_reference)):
    _refs = bool(_prefix)
    define(f"{_prefix}Switch", _two(_outputs), takes_references=_refs)
    define(f"{_prefix}Merge", _merge_outputs, takes_references=_refs)
    define(f"{_prefix}Enter", _enter_outputs, takes_references=_refs)
    define(f"{_prefix}Exit", _outputs, takes_references=_refs)
    define(f"{_prefix}NextIteration", _outputs, takes_references=_refs)
define("LoopCond", lambda op: [(DTYPES["bool"], [])])
define("NoOp", lambda op: [], lambda op: ())
define("ControlTrigger", lambda op: [], lambda op: ())
define("RefIdentity", _as_reference, lambda op, value: value, takes_references=True)


def _push(run: Any, op: Operation, values: list, value: Any) -> Any:
    values.append(value)
    return value


# A stack keeps the values of a forward loop for its gradient. Its handle is the list of them.
define("StackV2", lambda op: [(DTYPES["resource"], [2])], lambda run, op, size: [], stateful=True)
define("StackPushV2", lambda op: [(op.inputs[1].dtype, op.inputs[1].shape)], _push, stateful=True)
define(
    "StackPopV2",
    lambda op: [(op.attrs["elem_type"], None)],
    lambda run, op, values: values.pop(),
    stateful=True,
)
not_differentiable("StackV2", "StackPushV2", "StackPopV2", "NoOp", "ControlTrigger")


# Questions


def is_switch(op: Operation) -> bool:
    """Whether an operation is a Switch."""
    return op.type in ("Switch", "RefSwitch")


def is_enter(op: Operation) -> bool:
    """Whether an operation is an Enter."""
    return op.type in ("Enter", "RefEnter")


def is_exit(op: Operation) -> bool:
    """Whether an operation is an Exit."""
    return op.type in ("Exit", "RefExit")


def is_loop_constant(op: Operation) -> bool:
    """Whether an operation is the Enter of a value that is the same in every iteration."""
    return is_enter(op) and op.attrs["is_constant"]


def is_constant(value: Tensor | Operation) -> bool:
    """Whether a tensor is that of a Const operation."""
    return value.op.type == "Const"


def loop_constant(tensor: Tensor) -> Operation | None:
    """The Enter that a tensor inside a loop comes from if it is the same in every iteration."""
    op = tensor.op
    while op.type in ("Switch", "RefSwitch", "Identity", "RefIdentity"):
        op = op.inputs[0].op
    return op if is_loop_constant(op) else None


def parts(value: Value) -> list[Tensor]:
    """The tensors that a tensor or IndexedSlices consist of."""
    if isinstance(value, Tensor):
        return [value]
    shape = [] if value.dense_shape is None else [value.dense_shape]
    return [value.values, value.indices, *shape]


def _map_parts(value: IndexedSlices, first: Callable, rest: Callable) -> IndexedSlices:
    # `rest` takes the name of the part too.
    values = first(value.values)
    indices = rest(value.indices, "indices")
    shape = value.dense_shape
    return IndexedSlices(values, indices, None if shape is None else rest(shape, "dense_shape"))


# Branches and loops


def identity_of(data: Any, name: str | None = None) -> Value:
    """A copy of a value; of a variable, a reference."""
    data = convert_to_tensor_or_slices(data, as_ref=True)
    if isinstance(data, IndexedSlices):
        return _map_parts(
            data, lambda t: identity_of(t, name), lambda t, part: arrays.identity(t, name=part)
        )
    if data.dtype.is_ref_dtype:
        return apply("RefIdentity", {"input": data}, name=name).outputs[0]
    return arrays.identity(data, name=name)


def next_iteration(data: Any, name: str | None = None) -> Value:
    """A value for the next iteration of a loop."""
    data = convert_to_tensor_or_slices(data, as_ref=True)
    if isinstance(data, IndexedSlices):
        return _map_parts(data, lambda t: next_iteration(t, name), next_iteration)
    kind = "RefNextIteration" if data.dtype.is_ref_dtype else "NextIteration"
    return apply(kind, {"data": data}, name=name).outputs[0]


def enter(
    data: Any,
    frame_name: str,
    is_constant: bool = False,
    parallel_iterations: int = 10,
    use_input_shape: bool = True,
    name: str | None = None,
) -> Value:
    """A value inside of a loop.

    Args:
        data: The value.
        frame_name: The name of the loop.
        is_constant: Whether it is the same in every iteration; else it is that of the first one.
        parallel_iterations: Recorded in the graph.
        use_input_shape: Whether each iteration has the shape of the value.
        name: The name of the operation.
    """

    def one(tensor: Tensor, name: str | None) -> Tensor:
        kind = "RefEnter" if tensor.dtype.is_ref_dtype else "Enter"
        attrs = {
            "frame_name": frame_name,
            "is_constant": is_constant,
            "parallel_iterations": parallel_iterations,
        }
        result = apply(kind, {"data": tensor}, name=name, attrs=attrs).outputs[0]
        if use_input_shape:
            result.set_shape(tensor.shape)
        return result

    data = convert_to_tensor_or_slices(data, as_ref=True)
    if isinstance(data, IndexedSlices):
        return _map_parts(data, lambda t: one(t, name), one)
    return one(data, name)


def exit(data: Any, name: str | None = None) -> Value:  # noqa: A001
    """The value that a loop ends with, outside of it."""
    data = convert_to_tensor_or_slices(data, as_ref=True)
    if isinstance(data, IndexedSlices):
        return _map_parts(
            data,
            lambda t: exit(t, name),
            lambda t, part: exit(t, "indices" if part == "indices" else name),
        )
    kind = "RefExit" if data.dtype.is_ref_dtype else "Exit"
    return apply(kind, {"data": data}, name=name).outputs[0]


def switch(data: Any, pred: Any, dtype: Any = None, name: str | None = None) -> tuple[Any, Any]:
    """Pass a value on to one of two outputs.

    Args:
        data: The value.
        pred: A truth value, ().
        dtype: The dtype of the value.
        name: The name of the operation.

    Returns:
        The value for operations that run where `pred` is False, and where it is True.
    """
    with name_scope(name, "Switch") as scope:
        data = convert_to_tensor_or_slices(data, dtype, "data", as_ref=True)
        pred = convert_to_tensor(pred, name="pred")

        def one(tensor: Tensor, name: str) -> list[Tensor]:
            return apply("Switch", {"data": tensor, "pred": pred}, name=name).outputs

        if isinstance(data, Tensor):
            return tuple(one(data, scope))  # type: ignore[return-value]
        pairs = [one(t, n) for t, n in zip(parts(data), (scope, "indices", "dense_shape"))]
        return IndexedSlices(*(p[0] for p in pairs)), IndexedSlices(*(p[1] for p in pairs))


def switch_ref_or_tensor(data: Any, pred: Tensor, name: str = "Switch") -> tuple[Any, Any]:
    """`switch`, which passes on a reference where the value is one."""
    data = convert_to_tensor_or_slices(data, name="data")
    if isinstance(data, Tensor) and data.dtype.is_ref_dtype:
        return tuple(apply("RefSwitch", {"data": data, "pred": pred}, name=name).outputs)  # type: ignore[return-value]
    return switch(data, pred, name=name)


def merge(inputs: Sequence, name: str | None = None) -> tuple[Any, Tensor]:
    """The value of the branch that was taken.

    Args:
        inputs: The value of each branch.
        name: The name of the operation.

    Returns:
        The value, and the number of the branch, ().
    """
    if any(v is None for v in inputs):
        raise InputError(
            f"At least one of the merge inputs is None: {list(inputs)}: give a value for each "
            "branch"
        )
    with name_scope(name, "Merge") as scope:
        values = [convert_to_tensor_or_slices(v, as_ref=True) for v in inputs]
        if all(isinstance(v, Tensor) for v in values):
            kind = "RefMerge" if all(v.dtype.is_ref_dtype for v in values) else "Merge"
            return tuple(apply(kind, {"inputs*": values}, name=scope).outputs)  # type: ignore[return-value]
        slices = as_indexed_slices_list(values, optimize=False)
        merged, _ = merge([v.values for v in slices], name=scope)
        indices, chosen = merge([v.indices for v in slices], name="indices")
        shapes = [v.dense_shape for v in slices]
        if all(s is None for s in shapes):
            return IndexedSlices(merged, indices), chosen
        if any(s is None for s in shapes):
            raise InputError(
                "Either all merged IndexedSlices must have a dense_shape, or none must have a "
                "dense_shape"
            )
        return IndexedSlices(merged, indices, merge(shapes, name="dense_shape")[0]), chosen


def loop_cond(pred: Tensor, name: str | None = None) -> Tensor:
    """The condition of a loop."""
    return apply("LoopCond", {"input": pred}, name=name).outputs[0]


def control_trigger(name: str | None = None) -> Operation:
    """An operation that does nothing, after others."""
    return apply("ControlTrigger", name=name)


def stack(max_size: Any, elem_type: Any, name: str | None = None) -> Tensor:
    """A stack of values."""
    attrs = {"elem_type": elem_type, "stack_name": ""}
    return apply("StackV2", {"max_size": max_size}, name=name, attrs=attrs).outputs[0]


def stack_push(handle: Tensor, elem: Tensor, swap_memory: bool = False) -> Tensor:
    """Put a value on a stack; the value itself."""
    attrs = {"swap_memory": swap_memory}
    return apply("StackPushV2", {"handle": handle, "elem": elem}, attrs=attrs).outputs[0]


def stack_pop(handle: Tensor, elem_type: Any) -> Tensor:
    """Take the last value from a stack."""
    return apply("StackPopV2", {"handle": handle}, attrs={"elem_type": elem_type}).outputs[0]


# Order


def no_op(name: str | None = None) -> Operation:
    """An operation that does nothing.

    Args:
        name: The name of the operation.
    """
    return apply("NoOp", name=name)


def with_dependencies(dependencies: Sequence, output_tensor: Any, name: str | None = None) -> Value:
    """A value that is computed after some operations.

    Args:
        dependencies: The operations or tensors.
        output_tensor: The value.
        name: The name of the operation.
    """
    with (
        name_scope(name, "control_dependency") as scope,
        control_dependencies(dependencies),
    ):
        value = convert_to_tensor_or_slices(output_tensor)
        if isinstance(value, Tensor):
            return identity_of(value, name=scope)
        copy = identity_of(value.values, name=scope)
        return IndexedSlices(copy, value.indices, value.dense_shape)  # type: ignore[arg-type]


def group(*inputs: Any, name: str | None = None) -> Operation:
    """An operation that runs after some operations.

    Args:
        inputs: The operations or tensors, or structures of them.
        name: The name of the operation.
    """
    with name_scope(name, "group_deps") as scope:
        flat = nest.flatten(inputs)
        for given in flat:
            if not hasattr(given, "op"):
                raise ArgumentTypeError(
                    f"tf.group was given {given!r} ({type(given).__name__}): give tensors or "
                    "operations"
                )
        with control_dependencies(flat):
            return no_op(name=scope)


def tuple_of(tensors: Sequence, name: str | None = None, control_inputs: Any = None) -> list:
    """Values that are available once all of them are computed (tf.tuple).

    Args:
        tensors: The values; None stays None.
        name: The name of the operation.
        control_inputs: Further operations to wait for.

    Raises:
        InputError: All values are None.
    """
    with name_scope(name, "tuple"):
        kept = (Operation, Tensor, IndexedSlices, type(None))
        values = [t if isinstance(t, kept) else convert_to_tensor(t) for t in tensors]
        gating = {t.op for t in values if t is not None}
        for given in control_inputs or ():
            if not isinstance(given, (Tensor, Operation)):
                raise ArgumentTypeError(
                    f"Control input must be Operation or Tensor: {given!r}: give one of them"
                )
            gating.add(given.op)
        if not gating:
            raise InputError(f"Must have at least one Tensor: {values}: give a tensor")
        gate = group(*sorted(gating, key=lambda op: op._id))
        results: list = []
        for value in values:
            if isinstance(value, Operation):
                with control_dependencies([gate]):
                    results.append(group(value))
            else:
                results.append(None if value is None else with_dependencies([gate], value))
        return results
