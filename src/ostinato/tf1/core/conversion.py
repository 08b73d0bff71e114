"""Private: values as tensors, and operations on values."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InputError
from .constant import constant, packs
from .dtypes import DType, as_dtype
from .graph import get_default_graph
from .tensors import Operand, Operation, Tensor, TensorLike

__all__ = [
    "apply",
    "convert_to_tensor",
    "register_conversion",
]

# Converters of other types to tensors, by type; `convert_to_tensor` tries them in order.
_CONVERTERS: list[tuple[type, Callable]] = []


def register_conversion(kind: type, function: Callable) -> None:
    """Convert values of a type by function(value, dtype, name) in `convert_to_tensor`."""
    _CONVERTERS.append((kind, function))


def convert_to_tensor(
    value: TensorLike,
    dtype: Any = None,
    name: str | None = None,
    preferred_dtype: Any = None,
    *,
    as_ref: bool = False,
) -> Tensor:
    """Convert a value to a tensor: a tensor itself, the value of a variable, or a constant.

    Args:
        value: The value.
        dtype: The dtype it must have; None for its own.
        name: The name of the constant.
        preferred_dtype: The dtype to try first where `dtype` is None.
        as_ref: For a variable, the variable itself and not its value.

    Raises:
        InputError: It is a tensor of another dtype.
    """
    wanted = None if dtype is None else as_dtype(dtype)
    if isinstance(value, Tensor):
        if wanted is not None and wanted.base_dtype != value.dtype.base_dtype:
            raise InputError(
                f"{value} has dtype {value.dtype.name} where {wanted.name} is expected: "
                f"write tf.cast(x, tf.{wanted.base_dtype.name})"
            )
        return value
    for kind, function in _CONVERTERS:
        if isinstance(value, kind):
            named = {"as_ref": True} if as_ref else {}
            return function(value, dtype=wanted, name=name, **named)
    if wanted is None and preferred_dtype is not None:
        try:
            return constant(value, dtype=preferred_dtype, name=name or "Const")
        except (InputError, TypeError, ValueError):
            pass
    if packs(value):
        from ..ops.joining import pack_list  # operations need this module

        return pack_list(value, wanted, name)
    return constant(value, dtype=wanted, name=name or "Const")


def apply(
    type: str,  # noqa: A002
    inputs: Mapping[str, Any] | None = None,
    *,
    name: str | None = None,
    attrs: Mapping[str, Any] | None = None,
    dtypes: Mapping[str, Any] | None = None,
    same: Sequence[str] = (),
) -> Operation:
    """Add an operation, as TensorFlow's generated functions do: convert the inputs in a name scope
    of the operation, each under the name of its argument.

    Args:
        type: The type of the operation.
        inputs: Values by argument; a list of values is converted element by element, under the
            names argument_0, argument_1 and so on.
        name: The name of the operation; None for its type.
        attrs: Its attributes.
        dtypes: The dtypes that some arguments must have, by argument.
        same: Arguments that must have one dtype: that of the first one that is a tensor, or, if
            none is, of the first one.

    Returns:
        The operation; see its `outputs`.
    """
    graph = get_default_graph()
    dtypes = dict(dtypes or {})
    found: list[Tensor] = []
    with graph.name_scope(name or type) as scope:
        shared: DType | None = None
        for argument, value in (inputs or {}).items():
            wanted = dtypes.get(argument)
            in_same = argument in same
            if in_same and shared is not None:
                wanted = shared
            preferred = None
            if isinstance(value, (list, tuple)) and argument.endswith("*"):
                stem = argument[:-1]
                if in_same and shared is None:
                    shared = next(
                        (v.dtype.base_dtype for v in value if isinstance(v, Operand)), None
                    )
                    wanted = wanted or shared
                for i, v in enumerate(value):
                    t = convert_to_tensor(v, wanted, f"{stem}_{i}")
                    if in_same and shared is None:
                        shared = wanted = t.dtype.base_dtype
                    found.append(t)
                continue
            if in_same and shared is None and wanted is None and not isinstance(value, Operand):
                others = (v for a, v in (inputs or {}).items() if a in same)
                preferred = next(
                    (v.dtype.base_dtype for v in others if isinstance(v, Operand)), None
                )
            t = convert_to_tensor(value, wanted if wanted is not None else preferred, argument)
            if in_same and shared is None:
                shared = t.dtype.base_dtype
            found.append(t)
        return graph.create_op(type, found, scope, attrs)
