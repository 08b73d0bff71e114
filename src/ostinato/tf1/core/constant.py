"""Private: constants, and values and shapes that are known before a run."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from ...errors import InputError, OstinatoError, SizeError
from .dtypes import DTYPES, as_dtype
from .graph import get_default_graph
from .registry import define, definition, not_differentiable
from .shape import TensorShape
from .tensors import Operand, Tensor

__all__ = ["as_array", "constant", "constant_value", "constant_value_as_shape", "packs"]

# The largest constant that is computed before a run, in elements.
_LARGEST = 65536


define(
    "Const",
    lambda op: [(op.attrs["dtype"], op.attrs["value"].shape)],
    lambda op: op.attrs["value"],
)
not_differentiable("Const")


def packs(value: Any) -> bool:
    """Whether a value is a list with tensors in it, at any depth."""
    if isinstance(value, (list, tuple)):
        return any(packs(v) for v in value)
    return isinstance(value, Operand)


def _plain(value: Any) -> Any:
    # Dimensions and shapes in lists become numbers.
    if isinstance(value, TensorShape):
        if not value.is_fully_defined():
            raise InputError(f"the shape {value} is not fully known: use tf.shape(x)")
        return value.as_list()
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return int(value) if type(value).__name__ == "Dimension" else value


def as_array(value: Any, dtype: Any = None) -> np.ndarray:
    """A value as the array that TensorFlow makes of it: Python floats are float32, Python whole
    numbers int32, or int64 if they do not fit.

    Raises:
        InputError: The value is not an array, or not of the dtype.
    """
    value = _plain(value)
    wanted = None if dtype is None else as_dtype(dtype).base_dtype
    try:
        array = np.asarray(value)
    except ValueError:
        raise InputError(f"{value!r} is not an array: give rows of numbers of one length") from None
    if array.dtype.kind in "SU" or array.dtype == object:
        flat = [v.encode() if isinstance(v, str) else v for v in array.ravel().tolist()]
        if any(v is None for v in flat):
            raise InputError("None values not supported: give numbers")
        if not all(isinstance(v, bytes) for v in flat):
            raise InputError(f"{value!r} is not an array of numbers or of strings")
        found = np.empty(len(flat), object)
        found[:] = flat
        array = found.reshape(array.shape)
        if wanted not in (None, DTYPES["string"]):
            raise InputError(
                f"{value!r} is a string where {wanted.name} is expected: give numbers"  # type: ignore[union-attr]
            )
        return array
    is_array = isinstance(value, (np.ndarray, np.generic))
    if wanted is None:
        return array if is_array else _narrowed(array)
    if wanted.as_numpy_dtype is np.object_:
        raise InputError(f"{value!r} is a number where {wanted.name} is expected")
    converted = array.astype(wanted.as_numpy_dtype)
    # NumPy's arrays are converted as they are, and Python's numbers only without a loss.
    to_bool = (array.dtype.kind == "b") != wanted.is_bool
    to_whole = array.dtype.kind == "f" and wanted.is_integer
    too_large = array.dtype.kind in "iu" and wanted.is_integer and np.any(converted != array)
    if array.size and (to_bool or not is_array and (to_whole or too_large)):
        raise InputError(
            f"{value!r} was given where {wanted.name} is expected: give numbers of that dtype, or "
            f"write tf.cast(x, ...)"
        )
    return converted


def _narrowed(array: np.ndarray) -> np.ndarray:
    """Python's numbers as float32, and as int32 where they fit."""
    if array.size == 0 or array.dtype == np.float64:
        return array.astype(np.float32)
    if array.dtype == np.int64 and np.array_equal(array.astype(np.int32), array):
        return array.astype(np.int32)
    return array


def constant(
    value: Any,
    dtype: Any = None,
    shape: Any = None,
    name: str = "Const",
    verify_shape: bool = False,
) -> Tensor:
    """A constant.

    Args:
        value: A number, a string, an array, or nested lists of one depth.
        dtype: The dtype; None for the value's (float32 for Python floats, int32 for Python whole
            numbers).
        shape: The shape; the last value is repeated to fill it.
        name: The name of the operation.
        verify_shape: Whether the value must have the shape already.

    Raises:
        InputError: The value is not an array, or not of the dtype.
        SizeError: It has more elements than the shape.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> tf.constant(-1.0, shape=[2, 3])
        <tf.Tensor 'Const:0' shape=(2, 3) dtype=float32>
    """
    array = as_array(value, dtype)
    if shape is not None:
        sizes = TensorShape(shape).as_list()
        if None in sizes:
            raise SizeError(f"tf.constant was given the shape {shape}: give every size")
        count = int(np.prod(sizes, dtype=np.int64))  # type: ignore[arg-type]
        if verify_shape and list(array.shape) != sizes:
            raise SizeError(f"tf.constant was given the shape {array.shape}, not {tuple(sizes)}")
        if array.size > count or not array.size:
            raise SizeError(
                f"tf.constant was given {array.size} numbers for the shape {tuple(sizes)}: give up "
                f"to {count}, or another shape"
            )
        flat = array.reshape(-1)
        filled = np.concatenate([flat, np.repeat(flat[-1:], count - flat.size)])
        array = filled.reshape(sizes)  # type: ignore[arg-type]
    array = np.array(array)
    array.setflags(write=False)
    attrs = {"dtype": as_dtype(dtype if array.dtype == object else array.dtype), "value": array}
    if array.dtype == object:
        attrs["dtype"] = DTYPES["string"]
    return get_default_graph().create_op("Const", [], name, attrs).outputs[0]


def constant_value(tensor: Any) -> np.ndarray | None:
    """The value of a tensor that is the same in every run, if it is known before one; or None.

    Only small arrays are computed. A tensor that may be fed is not constant.
    """
    if not isinstance(tensor, Tensor):
        return np.asarray(tensor)
    kept = tensor.op.graph.kept.setdefault("constants", {})
    # A list of what is waited for, not recursion: an unrolled network is thousands of operations
    # deep.
    pending = [tensor]
    while pending:
        t = pending[-1]
        sources = [] if t in kept else _sources(t)
        if sources is None or any(s in kept and kept[s] is None for s in sources):
            kept[t] = None
        if t in kept or sources is None:
            pending.pop()
            continue
        missing = next((s for s in sources if s not in kept), None)
        if missing is None:
            kept[t] = _evaluate(t, [kept[s] for s in sources])
        else:
            pending.append(missing)
    return kept[tensor]


def _sources(tensor: Tensor) -> list[Tensor] | None:
    """The tensors whose values a constant is computed from; None if it is not a constant."""
    op = tensor.op
    if op.type in ("Const", "Shape", "ShapeN", "Rank", "Size"):
        return []
    kind = definition(op.type)
    if kind.stateful or kind.compute is None or not op.inputs:
        return None
    return None if (tensor.shape.num_elements() or 0) > _LARGEST else op.inputs


def _evaluate(tensor: Tensor, values: list[np.ndarray]) -> np.ndarray | None:
    op = tensor.op
    if op.type == "Const":
        return op.attrs["value"]
    if op.type in ("Shape", "ShapeN", "Rank", "Size"):
        sizes = op.inputs[tensor.value_index].shape
        kind = tensor.dtype.as_numpy_dtype
        if op.type == "Rank":
            return None if sizes.ndims is None else np.array(sizes.ndims, kind)
        if not sizes.is_fully_defined():
            return None
        known = sizes.as_list()
        return np.array(known if op.type != "Size" else int(np.prod(known)), kind)  # type: ignore[arg-type]
    try:
        with np.errstate(all="ignore"):
            result = definition(op.type).compute(op, *values)  # type: ignore[misc]
    except OstinatoError:
        return None  # the run reports it
    return np.asarray(result[tensor.value_index] if isinstance(result, tuple) else result)


def constant_value_as_shape(tensor: Any) -> TensorShape:
    """The shape that a tensor of sizes stands for, with None for sizes that are not known; -1
    stands for an unknown size too.
    """
    if not isinstance(tensor, Tensor):
        return _sizes(np.asarray(_plain(tensor)).reshape(-1))
    value = constant_value(tensor)
    if value is not None:
        return _sizes(value.reshape(-1))
    op = tensor.op
    if op.type == "Shape":
        return op.inputs[0].shape
    if op.type == "ShapeN":
        return op.inputs[tensor.value_index].shape
    if op.type == "Cast":
        return constant_value_as_shape(op.inputs[0])
    if op.type == "Pack":
        return _sizes([_scalar(t) for t in op.inputs])
    if op.type == "ConcatV2":
        parts = [constant_value_as_shape(t) for t in op.inputs[:-1]]
        whole = TensorShape([])
        for part in parts:
            whole = whole.concatenate(part)
        return whole
    if op.type == "StridedSlice":
        begin, end, strides = (constant_value(t) for t in op.inputs[1:])
        before = constant_value_as_shape(op.inputs[0])
        plain = not any(op.attrs[m] for m in ("ellipsis_mask", "new_axis_mask", "shrink_axis_mask"))
        if (
            before.sizes is not None
            and plain
            and begin is not None
            and end is not None
            and strides is not None
            and begin.size == 1
        ):
            start = None if op.attrs["begin_mask"] else int(begin[0])
            stop = None if op.attrs["end_mask"] else int(end[0])
            return before[start : stop : int(strides[0])]
    count = tensor.shape.sizes
    return TensorShape(None if not count or count[0] is None else [None] * count[0])


def _sizes(values: Iterable) -> TensorShape:
    return TensorShape([None if v is None or v < 0 else int(v) for v in values])


def _scalar(tensor: Tensor) -> int | None:
    """The value of a number that stands for a size, or None."""
    value = constant_value(tensor)
    if value is not None:
        return int(value)
    op = tensor.op
    if op.type == "StridedSlice" and op.attrs["shrink_axis_mask"] == 1:
        begin = constant_value(op.inputs[1])
        before = constant_value_as_shape(op.inputs[0])
        if begin is not None and begin.size == 1 and before.sizes is not None:
            return before.sizes[int(begin[0])]
    return None
