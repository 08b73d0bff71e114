"""Private: variables as tensors, and the functions that change them."""

from collections.abc import Callable
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core.conversion import register_conversion
from ..core.dtypes import as_dtype
from ..core.tensors import Tensor, TensorLike
from . import ops
from .references import RefVariable
from .resources import ResourceVariable, is_resource_variable
from .variable_type import (
    SaveSliceInfo,
    Variable,
    VariableAggregation,
    VariableSynchronization,
    disable_resource_variables,
    enable_resource_variables,
)

__all__ = [
    "RefVariable",
    "ResourceVariable",
    "SaveSliceInfo",
    "Variable",
    "VariableAggregation",
    "VariableSynchronization",
    "assign",
    "assign_add",
    "assign_sub",
    "disable_resource_variables",
    "enable_resource_variables",
    "is_resource_variable",
    "scatter_add",
    "scatter_sub",
    "scatter_update",
]

Variable.kinds = (RefVariable, ResourceVariable)


def _value_of(
    variable: Variable, dtype: Any = None, name: str | None = None, *, as_ref: bool = False
) -> Tensor:
    if dtype is not None and as_dtype(dtype).base_dtype != variable.dtype.base_dtype:
        raise InputError(
            f"Incompatible type conversion requested to type {as_dtype(dtype).name!r} for variable "
            f"of type {variable.dtype.name!r}: write tf.cast({variable.op.name}, "
            f"tf.{as_dtype(dtype).base_dtype.name})"
        )
    return variable._ref() if as_ref else variable.value()


register_conversion(Variable, _value_of)


def _reference_of(ref: Any, call: str) -> Tensor:
    if isinstance(ref, RefVariable):
        return ref._ref()
    if isinstance(ref, Tensor) and ref.dtype.is_ref_dtype:
        return ref
    raise ArgumentTypeError(
        f"tf.{call} was given {ref!r}: give it a variable, such as tf.get_variable(...) returns"
    )


def assign(
    ref: Any,
    value: TensorLike,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Any:
    """A tensor that gives a variable a value when it is run.

    Args:
        ref: The variable.
        value: The value.
        validate_shape: Whether it must have the variable's shape; None for yes.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operation.
    """
    if is_resource_variable(ref):
        return ref.assign(value, name=name)
    return ops.assign_op(_reference_of(ref, "assign"), value, validate_shape, use_locking, name)


def assign_add(
    ref: Any, value: TensorLike, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """A tensor that adds to a variable when it is run; see `assign`."""
    if is_resource_variable(ref):
        return ref.assign_add(value)
    reference = _reference_of(ref, "assign_add")
    return ops.update_op("AssignAdd", reference, value, use_locking, name)


def assign_sub(
    ref: Any, value: TensorLike, use_locking: bool | None = None, name: str | None = None
) -> Any:
    """A tensor that subtracts from a variable when it is run; see `assign`."""
    if is_resource_variable(ref):
        return ref.assign_sub(value)
    reference = _reference_of(ref, "assign_sub")
    return ops.update_op("AssignSub", reference, value, use_locking, name)


def _scattered(kind: str, call: str) -> Callable:
    def scatter(
        ref: Any,
        indices: TensorLike,
        updates: TensorLike,
        use_locking: bool = False,
        name: str | None = None,
    ) -> Any:
        if is_resource_variable(ref):
            return ref._scatter(kind, indices, updates, name)
        reference = _reference_of(ref, call)
        return ops.scatter_op(kind, reference, indices, updates, use_locking, name).outputs[0]

    scatter.__name__ = scatter.__qualname__ = call
    return scatter


scatter_add = _scattered("ScatterAdd", "scatter_add")
scatter_add.__doc__ = "A tensor that adds to some rows of a variable when it is run."
scatter_sub = _scattered("ScatterSub", "scatter_sub")
scatter_sub.__doc__ = "A tensor that subtracts from some rows of a variable when it is run."
scatter_update = _scattered("ScatterUpdate", "scatter_update")
scatter_update.__doc__ = "A tensor that gives some rows of a variable new values when it is run."
