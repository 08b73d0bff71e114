"""Private: attributes of operations as AttrValues, and arrays as TensorProtos."""

from typing import Any

import numpy as np

from ...errors import InputError
from ..core.dtypes import DTYPES, DType
from ..core.shape import TensorShape, as_shape
from .messages import AttrValue, TensorProto, TensorShapeProto
from .protobuf import ENUMS

__all__ = [
    "attr_value",
    "decode_attr",
    "make_ndarray",
    "make_tensor_proto",
    "shape_from_message",
    "shape_to_message",
]

_BY_NUMBER = {d.as_datatype_enum: d for d in DTYPES.values()} | {
    d.ref.as_datatype_enum: d.ref for d in DTYPES.values()
}
# The field of a TensorProto with the values of a dtype.
_VALUES = {
    "float32": "float_val", "float64": "double_val", "int32": "int_val", "int16": "int_val",
    "int8": "int_val", "uint8": "int_val", "uint16": "int_val", "string": "string_val",
    "int64": "int64_val", "bool": "bool_val", "uint32": "uint32_val", "uint64": "uint64_val",
    "float16": "half_val", "complex64": "scomplex_val", "complex128": "dcomplex_val",
}  # fmt: skip


def shape_to_message(shape: Any, message: Any = None) -> TensorShapeProto:  # type: ignore[valid-type]
    """A static shape as a message."""
    message = TensorShapeProto() if message is None else message
    message.SetInParent()
    sizes = as_shape(shape).sizes
    if sizes is None:
        message.unknown_rank = True
    else:
        for size in sizes:
            message.dim.add(size=-1 if size is None else size)
    return message


def shape_from_message(message: Any) -> TensorShape:
    """The static shape of a message."""
    if message.unknown_rank:
        return TensorShape(None)
    return TensorShape([None if d.size < 0 else d.size for d in message.dim])


def make_tensor_proto(values: Any, dtype: Any = None, shape: Any = None) -> Any:
    """An array as a TensorProto.

    Args:
        values: The array, or a value that `tf.constant` takes.
        dtype: The dtype; None for the value's.
        shape: The shape; None for the value's.
    """
    from ..core.constant import as_array  # constants are operations

    array = np.asarray(as_array(values, dtype))
    if shape is not None:
        one = array.size == 1
        array = np.broadcast_to(array.reshape(-1), shape) if one else array.reshape(shape)
    kind = DTYPES["string"] if array.dtype == object else DTYPES[array.dtype.name]
    message = TensorProto(dtype=kind.as_datatype_enum)
    shape_to_message(array.shape, message.tensor_shape)
    flat = array.reshape(-1)
    if array.dtype == object:
        message.string_val.extend(bytes(t) for t in flat.tolist())
    elif array.size > 1 and not (kind.is_floating and _is_filled(flat)):
        message.tensor_content = flat.astype(array.dtype.newbyteorder("<")).tobytes()
    elif array.size:
        flat = flat[:1]  # one value fills the tensor
        if kind.is_complex:
            flat = np.stack([flat.real, flat.imag], 1).reshape(-1)
        elif kind.name == "float16":
            flat = flat.view(np.uint16)
        getattr(message, _VALUES[kind.name]).extend(flat.tolist())
    return message


def _is_filled(flat: np.ndarray) -> bool:
    """Whether all numbers are one, to the bit: initial values are, and are stored as one."""
    return flat.tobytes() == flat[:1].tobytes() * flat.size


def make_ndarray(tensor: Any) -> np.ndarray:
    """The array of a TensorProto; a value that fills it is not copied.

    Raises:
        InputError: The message is not an array, or of a dtype that is not supported.
    """
    dtype = _BY_NUMBER.get(tensor.dtype)
    name = ENUMS["DataType"].get(tensor.dtype, str(tensor.dtype))
    if dtype is None or dtype.name not in _VALUES:
        raise InputError(f"a tensor of the graph has the dtype {name}, which is not provided")
    shape = [d.size for d in tensor.tensor_shape.dim]
    count = 1
    for size in shape:
        count *= size
    if min((0, *shape)) < 0:
        raise InputError(f"a tensor of the graph has the shape {shape}: it is damaged")
    numpy_type = np.dtype(dtype.as_numpy_dtype)
    is_text = numpy_type.kind == "O"
    if tensor.tensor_content:
        content = tensor.tensor_content
        if is_text or len(content) != count * numpy_type.itemsize:
            raise InputError(
                f"a tensor of the graph has {len(content)} bytes for {name} of shape {shape}: the "
                "file is damaged"
            )
        flat = np.frombuffer(content, numpy_type.newbyteorder("<"))
        return flat.astype(numpy_type).reshape(shape)
    values = getattr(tensor, _VALUES[dtype.name])
    if is_text:
        found = np.empty(len(values), object)
        found[:] = values
    elif dtype.is_complex:
        pairs = np.array(values, numpy_type.type(0).real.dtype)
        found = pairs[0::2] + 1j * pairs[1::2]
        found = found.astype(numpy_type)
    elif dtype.name == "float16":
        found = np.array(values, np.uint16).view(np.float16)
    else:
        found = np.array(values, numpy_type)
    if found.size == count:
        return found.reshape(shape)
    if found.size > count:
        raise InputError(f"a tensor of the graph has {found.size} values for the shape {shape}")
    if found.size <= 1:
        # One value fills the tensor, 0 or "" if there is none.
        filler = found[0] if found.size else b"" if is_text else numpy_type.type(0)
        one = np.empty((), numpy_type)
        one[()] = filler
        return np.broadcast_to(one, shape)
    filled = np.concatenate([found, np.broadcast_to(found[-1], count - found.size)])
    return filled.reshape(shape)


def _kind_of(value: Any) -> str:
    if isinstance(value, (bool, np.bool_)):
        return "bool"
    if isinstance(value, (int, np.integer)):
        return "int"
    if isinstance(value, (float, np.floating)):
        return "float"
    if isinstance(value, (str, bytes)):
        return "string"
    if isinstance(value, DType):
        return "type"
    if isinstance(value, TensorShape):
        return "shape"
    if isinstance(value, np.ndarray):
        return "tensor"
    if isinstance(value, (list, tuple)):
        return f"{_kind_of(value[0])}s" if value else "ints"
    raise InputError(f"{value!r} ({type(value).__name__}) cannot be stored in a GraphDef")


_FIELDS = {"string": "s", "int": "i", "float": "f", "bool": "b", "type": "type"}


def attr_value(value: Any, kind: str | None = None) -> Any:
    """An attribute as an AttrValue.

    Args:
        value: Its value.
        kind: "int", "ints" and so on; None for the value's own.

    Raises:
        InputError: GraphDefs cannot hold such a value.
    """
    kind = kind or _kind_of(value)
    message = AttrValue()
    if kind.endswith("s"):
        one, values = kind[:-1], message.list
        values.SetInParent()
        for v in value:
            if one == "shape":
                shape_to_message(v, values.shape.add())
            elif one == "tensor":
                values.tensor.append(make_tensor_proto(v))
            else:
                getattr(values, _FIELDS[one]).append(_plain(one, v))
        message.list = values
    elif kind == "shape":
        message.shape = shape_to_message(value)
    elif kind == "tensor":
        message.tensor = make_tensor_proto(value)
    else:
        setattr(message, _FIELDS[kind], _plain(kind, value))
    return message


def _plain(kind: str, value: Any) -> Any:
    if kind == "type":
        return value.as_datatype_enum
    if kind == "string":
        return value.encode() if isinstance(value, str) else value
    return {"int": int, "float": float, "bool": bool}[kind](value)


def _text(value: bytes) -> str | bytes:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _dtype(number: int) -> DType:
    if number not in _BY_NUMBER:
        name = ENUMS["DataType"].get(number, str(number))
        raise InputError(f"the graph has the dtype {name}, which is not provided")
    return _BY_NUMBER[number]


def decode_attr(message: Any) -> Any:
    """The value of an AttrValue; None if it has none.

    Raises:
        InputError: It is a value that is not supported.
    """
    kind = message.WhichOneof("value")
    if kind is None:
        return None
    value = getattr(message, kind)
    if kind == "list":
        for field, values in value.ListFields():
            return [_decode_one(field.name, v) for v in values]
        return []
    return _decode_one(kind, value)


def _decode_one(kind: str, value: Any) -> Any:
    if kind == "s":
        return _text(value)
    if kind == "type":
        return _dtype(value)
    if kind == "shape":
        return shape_from_message(value)
    if kind == "tensor":
        return make_ndarray(value)
    if kind in ("func", "placeholder"):
        raise InputError("the graph calls functions (Defun), which are not provided")
    return value
