"""Private: the operations on variables.

The value of a variable's tensor in a run is a `Reference`, which the executor reads for every
operation that does not change the variable. As in TensorFlow 1, an operation on a reference
variable changes its array in place, so that a value that was read earlier in the run shows the
change too. An operation on a resource variable puts a new array in the old one's place.
"""

from typing import Any

import numpy as np

from ...errors import SizeError
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.errors import FailedPreconditionError, InvalidArgumentError, OutOfRangeError
from ..core.registry import define, gradient, not_differentiable
from ..core.shape import TensorShape, as_shape
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..ops import arrays

__all__ = [
    "Reference",
    "assign_op",
    "assign_resource",
    "count_up_to_op",
    "gather_resource",
    "handle_op",
    "is_initialized_op",
    "read_resource",
    "rows_in",
    "scatter_op",
    "update_op",
    "variable_of",
    "variable_op",
]


class Reference:
    """A variable in a session.

    Attributes:
        name: The name of the variable's operation.
        values: The arrays of the session's variables, by name.
        resource: Whether it is a resource variable.
    """

    __slots__ = ("name", "resource", "values")

    def __init__(self, name: str, values: dict[str, np.ndarray], resource: bool):
        self.name, self.values, self.resource = name, values, resource

    @property
    def initialized(self) -> bool:
        """Whether the variable has a value."""
        return self.name in self.values

    def read(self) -> np.ndarray:
        """The array of the variable.

        Raises:
            FailedPreconditionError: The variable has no value yet.
        """
        array = self.values.get(self.name)
        if array is None:
            raise FailedPreconditionError(
                f"Attempting to use uninitialized value {self.name}: run "
                "sess.run(tf.global_variables_initializer()) first"
            )
        return array

    def write(self, value: Any, dtype: Any = None) -> None:
        """Give the variable a value.

        Args:
            value: The value.
            dtype: Its NumPy dtype; None for the dtype of the variable's array.
        """
        old = self.values.get(self.name)
        kind = old.dtype if dtype is None and old is not None else dtype
        if self.resource or old is None or old.shape != np.shape(value):
            self.values[self.name] = np.array(value, kind)
        else:
            old[...] = value

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.array(self.read(), dtype)


def variable_of(tensor: Tensor) -> Operation:
    """The operation of the variable that a reference or a handle comes from."""
    op = tensor.op
    while op.inputs and op.type not in ("VariableV2", "VarHandleOp"):
        op = op.inputs[0].op
    return op


def _handle_shape(tensor: Tensor) -> TensorShape:
    return as_shape(variable_of(tensor).attrs.get("shape"))


def rows_in(array: np.ndarray, indices: np.ndarray, op: Operation) -> np.ndarray:
    """The indices of rows of an array.

    Raises:
        InvalidArgumentError: An index is not that of a row.
    """
    indices = np.asarray(indices)
    if indices.size:
        outside = indices.ravel()[(indices.ravel() < 0) | (indices.ravel() >= len(array))]
        if outside.size:
            raise InvalidArgumentError(
                None,
                op,
                f"{op.name}: index {outside[0]} is not in [0, {len(array)}): give the number of a "
                "row of the variable",
            )
    return indices


# Reference variables


def _same_shapes(op: Operation) -> list:
    ref, value = op.inputs
    if not op.attrs.get("validate_shape", True):
        return [(ref.dtype, value.shape)]
    if not ref.shape.is_compatible_with(value.shape):
        raise SizeError(
            f"{op.type} of shape {value.shape} to {variable_of(ref).name}, which has shape "
            f"{ref.shape}: give it that shape"
        )
    return [(ref.dtype, ref.shape.merge_with(value.shape))]


def _as_reference(op: Operation) -> list:
    return [(op.inputs[0].dtype, op.inputs[0].shape)]


def _check_shape(op: Operation, wanted: Any, value: Any) -> None:
    if not as_shape(wanted).is_compatible_with(np.shape(value)):
        raise InvalidArgumentError(
            None,
            op,
            f"{op.type} requires shapes of both tensors to match. lhs shape= {as_shape(wanted)} "
            f"rhs shape= {TensorShape(np.shape(value))}: give {op.inputs[0].op.name} a value of "
            "its own shape",
        )


def _assign(run: Any, op: Operation, ref: Reference, value: Any) -> Reference:
    if op.attrs["validate_shape"]:
        _check_shape(op, op.inputs[0].shape, value)
    ref.write(value, op.inputs[0].dtype.as_numpy_dtype)
    return ref


def _update(function: Any) -> Any:
    def compute(run: Any, op: Operation, ref: Reference, value: Any) -> Any:
        array = ref.read()
        _check_shape(op, array.shape, value)
        if ref.resource:
            ref.write(function(array, value))
            return ()
        function(array, value, out=array)
        return ref

    return compute


def _scatter(function: Any) -> Any:
    def compute(run: Any, op: Operation, ref: Reference, indices: Any, updates: Any) -> Any:
        array = ref.read()
        rows = rows_in(array, indices, op)
        if ref.resource:
            array = array.copy()
        if function is None:
            array[rows] = updates
        else:
            # Repeated rows are added one after another.
            function.at(array, rows, updates)
        if ref.resource:
            ref.write(array)
            return ()
        return ref

    return compute


def _count_up_to(run: Any, op: Operation, ref: Reference) -> np.ndarray:
    count = ref.read().copy()
    if count >= op.attrs["limit"]:
        raise OutOfRangeError(None, op, f"Reached limit of {op.attrs['limit']}")
    ref.write(count + 1)
    return count


def _initialized(run: Any, op: Operation, ref: Reference) -> np.bool_:
    return np.bool_(ref.initialized)


define(
    "VariableV2",
    lambda op: [(op.attrs["dtype"].ref, op.attrs["shape"])],
    lambda run, op: Reference(op.name, run.session.variables, resource=False),
    stateful=True,
)
define("Assign", _same_shapes, _assign, stateful=True, takes_references=True)
define(
    "IsVariableInitialized",
    lambda op: [(DTYPES["bool"], [])],
    _initialized,
    stateful=True,
    takes_references=True,
)
define(
    "CountUpTo",
    lambda op: [(op.inputs[0].dtype.base_dtype, [])],
    _count_up_to,
    stateful=True,
    takes_references=True,
)
_UPDATES: dict[str, Any] = {"Add": np.add, "Sub": np.subtract, "Update": None}
for _name, _function in _UPDATES.items():
    define(
        f"Scatter{_name}", _as_reference, _scatter(_function), stateful=True, takes_references=True
    )
    define(f"ResourceScatter{_name}", lambda op: [], _scatter(_function), stateful=True)
    not_differentiable(f"Scatter{_name}", f"ResourceScatter{_name}")
    if _function is not None:
        define(
            f"Assign{_name}", _same_shapes, _update(_function), stateful=True, takes_references=True
        )
        define(f"Assign{_name}VariableOp", lambda op: [], _update(_function), stateful=True)
        not_differentiable(f"Assign{_name}", f"Assign{_name}VariableOp")
not_differentiable("VariableV2", "Assign", "CountUpTo", "IsVariableInitialized")


# Resource variables


def _assign_resource(run: Any, op: Operation, handle: Reference, value: Any) -> tuple:
    handle.write(value, op.inputs[1].dtype.as_numpy_dtype)
    return ()


def _gathered_outputs(op: Operation) -> list:
    rows = _handle_shape(op.inputs[0])
    below = rows[1:] if rows.sizes is not None else rows
    return [(op.attrs["dtype"], op.inputs[1].shape.concatenate(below))]


def _gathered(run: Any, op: Operation, handle: Reference, indices: Any) -> np.ndarray:
    array = handle.read()
    return array[rows_in(array, indices, op)]


define(
    "VarHandleOp",
    lambda op: [(DTYPES["resource"], [])],
    lambda run, op: Reference(op.name, run.session.variables, resource=True),
    stateful=True,
)
define("VarIsInitializedOp", lambda op: [(DTYPES["bool"], [])], _initialized, stateful=True)
define(
    "ReadVariableOp",
    lambda op: [(op.attrs["dtype"], _handle_shape(op.inputs[0]))],
    lambda run, op, handle: handle.read(),
    stateful=True,
)
define("AssignVariableOp", lambda op: [], _assign_resource, stateful=True)
define("ResourceGather", _gathered_outputs, _gathered, stateful=True)
define(
    "VariableShape",
    lambda op: [(DTYPES["int32"], [_handle_shape(op.inputs[0]).ndims])],
    lambda run, op, handle: np.array(handle.read().shape, np.int32),
    stateful=True,
)
not_differentiable("VarHandleOp", "VarIsInitializedOp", "AssignVariableOp", "VariableShape")


@gradient("ReadVariableOp")
def _read_gradient(op: Operation, grad: Any) -> list:
    return [grad]


@gradient("ResourceGather")
def _gather_gradient(op: Operation, grad: Tensor) -> list:
    handle, indices = op.inputs
    known = _handle_shape(handle)
    if known.is_fully_defined():
        shape = convert_to_tensor(np.array(known.as_list(), np.int32))
    else:
        shape = apply("VariableShape", {"input": handle}).outputs[0]
    count = arrays.expand_dims(arrays.size(indices), 0)
    values = arrays.reshape(grad, arrays.concat([count, shape[1:]], 0))  # type: ignore[index]
    return [IndexedSlices(values, arrays.reshape(indices, count), shape), None]


# The functions that create the operations


def variable_op(shape: Any, dtype: Any, name: str) -> Tensor:
    """A reference variable; returns its reference."""
    attrs = {"shape": as_shape(shape), "dtype": dtype, "container": "", "shared_name": ""}
    return apply("VariableV2", name=name, attrs=attrs).outputs[0]


def handle_op(shape: Any, dtype: Any, name: str, shared_name: str) -> Tensor:
    """A resource variable; returns its handle."""
    attrs = {"shape": as_shape(shape), "dtype": dtype, "container": "", "shared_name": shared_name}
    return apply("VarHandleOp", name=name, attrs=attrs).outputs[0]


def assign_op(
    ref: Tensor,
    value: Any,
    validate_shape: bool | None = None,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Tensor:
    """Give a reference variable a value; returns its reference."""
    attrs = {
        "validate_shape": True if validate_shape is None else validate_shape,
        "use_locking": True if use_locking is None else use_locking,
    }
    same = ("ref", "value")
    return apply("Assign", {"ref": ref, "value": value}, name=name, attrs=attrs, same=same).outputs[
        0
    ]


def update_op(
    kind: str, ref: Tensor, value: Any, use_locking: bool | None = None, name: str | None = None
) -> Tensor:
    """Add to a reference variable (AssignAdd), or subtract from it (AssignSub)."""
    attrs = {"use_locking": bool(use_locking)}
    return apply(
        kind, {"ref": ref, "value": value}, name=name, attrs=attrs, same=("ref", "value")
    ).outputs[0]


def count_up_to_op(ref: Tensor, limit: int, name: str | None = None) -> Tensor:
    """The value of a reference variable, which then grows by 1; OutOfRangeError at the limit."""
    return apply("CountUpTo", {"ref": ref}, name=name, attrs={"limit": limit}).outputs[0]


def scatter_op(
    kind: str,
    ref: Tensor,
    indices: Any,
    updates: Any,
    use_locking: bool | None = None,
    name: str | None = None,
) -> Operation:
    """Change some rows of a variable.

    Args:
        kind: "ScatterAdd", "ScatterSub", "ScatterUpdate", or with "Resource" before it.
        ref: The reference or the handle of the variable.
        indices: The numbers of the rows.
        updates: What is added to the rows, subtracted from them, or put in their place.
        use_locking: Accepted for compatibility.
        name: The name of the operation.
    """
    if kind.startswith("Resource"):
        given = {"resource": ref, "indices": indices, "updates": updates}
        return apply(kind, given, name=name)
    given = {"ref": ref, "indices": indices, "updates": updates}
    attrs = {"use_locking": bool(use_locking)}
    return apply(kind, given, name=name, attrs=attrs, same=("ref", "updates"))


def is_initialized_op(ref: Tensor, name: str | None = None) -> Tensor:
    """Whether a variable has a value, for its reference or its handle."""
    if ref.dtype == DTYPES["resource"]:
        return apply("VarIsInitializedOp", {"resource": ref}, name=name).outputs[0]
    return apply("IsVariableInitialized", {"ref": ref}, name=name).outputs[0]


def read_resource(handle: Tensor, dtype: Any, name: str | None = None) -> Tensor:
    """The value of a resource variable."""
    return apply("ReadVariableOp", {"resource": handle}, name=name, attrs={"dtype": dtype}).outputs[
        0
    ]


def assign_resource(
    handle: Tensor, value: Any, name: str | None = None, kind: str = "AssignVariableOp"
) -> Operation:
    """Give a resource variable a value; add it or subtract it with the `kind` AssignAddVariableOp
    or AssignSubVariableOp.
    """
    return apply(kind, {"resource": handle, "value": value}, name=name)


def gather_resource(handle: Tensor, indices: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Rows of a resource variable."""
    attrs = {"dtype": dtype, "validate_indices": True}
    return apply(
        "ResourceGather", {"resource": handle, "indices": indices}, name=name, attrs=attrs
    ).outputs[0]
