"""Private: checkpoints of tf.train.Saver, format V1 (`write_version=tf.train.SaverDef.V1`): one
file, a table (`table.py`) from slices to their values. Its empty key has the names and shapes.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.dtypes import DTYPES, DType
from ..core.errors import InvalidArgumentError, NotFoundError
from .bundle import SavedTensor, replacing
from .messages import MESSAGES
from .protobuf import ENUMS, Malformed, read_fields, read_varint, varint
from .slices import Slice, from_message, ordered_key, parse_spec, to_message, whole, within
from .table import TableFile, damaged, table_bytes

__all__ = ["BundleV1", "write_bundle_v1"]

_SavedTensorSlices = MESSAGES["SavedTensorSlices"]
# The number of the field with the values, by dtype; numbers of more than a byte are varints.
_FIELDS = {
    "float32": 5, "float64": 6, "int32": 7, "int16": 7, "int8": 7, "uint8": 7, "uint16": 7,
    "string": 8, "complex64": 9, "int64": 10, "bool": 11, "complex128": 12, "float16": 13,
}  # fmt: skip


class BundleV1:
    """A checkpoint in format V1; see `Bundle` for its attributes and methods.

    Args:
        path: The file.
    """

    def __init__(self, path: str):
        self.prefix = self.path = path
        self.saved: dict[str, SavedTensor] = {}
        table = TableFile(path)
        try:
            self._read(table)
        except Malformed as error:
            raise damaged(path, str(error)) from None
        finally:
            table.close()

    def _read(self, table: TableFile) -> None:
        head = table.get(b"")
        if head is None:
            raise damaged(self.path, "its list of variables is missing")
        meta = _SavedTensorSlices.FromString(head).meta
        for tensor in meta.tensor:
            shape = tuple(d.size for d in tensor.shape.dim)
            if min((0, *shape)) < 0 or len(shape) > 254:
                raise Malformed(f"{tensor.name!r} has the shape {shape}")
            parts = tuple(from_message(s) for s in tensor.slice)
            for part in parts:
                within(part, shape)
            self.saved[tensor.name] = SavedTensor(tensor.type, shape, slices=parts)

    def __contains__(self, name: str) -> bool:
        return name in self.saved

    def get(self, name: str) -> np.ndarray:
        """The value of a tensor, of a partitioned variable the whole one."""
        if name not in self.saved:
            raise NotFoundError(
                f"Key {name} not found in checkpoint {self.path}: tf.train.list_variables lists "
                "what it holds"
            )
        saved = self.saved[name]
        if saved.dtype is None or saved.dtype.name not in _FIELDS:
            kind = ENUMS["DataType"].get(saved.number, str(saved.number))
            raise InvalidArgumentError(
                f"{name} in the checkpoint {self.path} has the dtype {kind}, which is not provided"
            )
        table = TableFile(self.path)
        try:
            values = [(within(p, saved.shape), self._part(table, name, p)) for p in saved.slices]
        except Malformed as error:
            raise damaged(self.path, f"{name!r}: {error}") from None
        finally:
            table.close()
        if sum(v.size for _, v in values) != saved.count:
            raise damaged(self.path, f"the slices of {name!r} do not make up {saved.shape}")
        found = np.empty(saved.shape, saved.dtype.as_numpy_dtype)
        for index, value in values:
            found[index] = value
        return found

    def get_slice(self, name: str, spec: str) -> np.ndarray:
        """A slice of a tensor; see `Bundle.get_slice`."""
        value = self.get(name)
        if not spec:
            return value
        shape, part = parse_spec(spec)
        if tuple(shape) != value.shape:
            raise InvalidArgumentError(
                f"{name} has the shape {list(value.shape)} in the checkpoint {self.path} and "
                f"{shape} in the graph: build the graph with the sizes of the checkpoint"
            )
        return np.ascontiguousarray(value[within(part, shape)])

    def _part(self, table: TableFile, name: str, part: Slice) -> np.ndarray:
        saved = self.saved[name]
        content = table.get(ordered_key(name, part))
        if content is None:
            raise Malformed("its value is missing")
        shape = tuple(s.stop - s.start for s in within(part, saved.shape))
        data: Any = content
        # SavedTensorSlices.data.data; the values are not decoded to Python numbers.
        for wanted in (2, 3):
            inner = [v for number, wire, v in read_fields(data) if number == wanted and wire == 2]
            if len(inner) != 1:
                raise Malformed("its value is missing")
            data = inner[0]
        values = _numbers(data, saved.dtype)  # type: ignore[arg-type]
        if values.size != int(np.prod(shape, dtype=object)):
            raise Malformed(f"it has {values.size} values for the shape {shape}")
        return values.reshape(shape)


def _numbers(data: Any, dtype: DType) -> np.ndarray:
    number = _FIELDS[dtype.name]
    parts = [(wire, v) for n, wire, v in read_fields(data) if n == number]
    if number == 8:
        found = np.empty(len(parts), object)
        for i, (wire, v) in enumerate(parts):
            if wire != 2:
                raise Malformed("it is not a list of texts")
            found[i] = bytes(v)
        return found
    if any(wire != 2 for wire, _ in parts):
        raise Malformed("its numbers are not packed")
    content = b"".join(v for _, v in parts)
    if number in (5, 6, 9, 12):
        if len(content) % dtype.size:
            raise Malformed(f"it has {len(content)} bytes")
        return np.frombuffer(content, np.dtype(dtype.as_numpy_dtype).newbyteorder("<"))
    values, at = [], 0
    while at < len(content):
        value, at = read_varint(content, at)
        values.append(value)
    whole_numbers = np.array(values, np.uint64).astype(np.int64)
    if number == 13:
        return whole_numbers.astype(np.uint16).view(np.float16)
    return whole_numbers.astype(dtype.as_numpy_dtype)


def _packed(value: np.ndarray, name: str) -> bytes:
    dtype = DTYPES["string"] if value.dtype == object else DTYPES.get(value.dtype.name)
    if dtype is None or dtype.name not in _FIELDS:
        raise InvalidArgumentError(
            f"{name} has the dtype {value.dtype}, which checkpoints in format V1 cannot hold: use "
            "tf.train.Saver() without write_version"
        )
    number = _FIELDS[dtype.name]
    key = varint(number << 3 | 2)
    flat = value.reshape(-1)
    if number == 8:
        texts = [t.encode() if isinstance(t, str) else bytes(t) for t in flat.tolist()]
        return b"".join(key + varint(len(t)) + t for t in texts)
    if number in (5, 6, 9, 12):
        data = flat.astype(flat.dtype.newbyteorder("<")).tobytes()
    else:
        whole_numbers = flat.view(np.uint16) if number == 13 else flat
        data = b"".join(varint(int(v)) for v in whole_numbers.tolist())
    return key + varint(len(data)) + data if data else b""


def write_bundle_v1(path: str, tensors: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Write a checkpoint in format V1; see `write_bundle`."""
    entries: dict[bytes, bytes] = {}
    head = _SavedTensorSlices()
    known: dict[str, Any] = {}
    for name, spec, given in tensors:
        value = np.asarray(given)
        shape, part = parse_spec(spec) if spec else (list(value.shape), whole(value.ndim))
        wanted = tuple(s.stop - s.start for s in within(part, shape))
        key = ordered_key(name, part)
        if not name or wanted != value.shape or key in entries:
            raise InvalidArgumentError(
                f"{name!r} has the shape {value.shape} and is saved as {spec!r}: give each "
                "variable a name of its own and slices of its shape"
            )
        data = _packed(value, name)
        number = 7 if value.dtype == object else DTYPES[value.dtype.name].as_datatype_enum
        if name not in known:
            known[name] = head.meta.tensor.add(name=name, type=number)
            known[name].shape.SetInParent()
            for size in shape:
                known[name].shape.dim.add(size=size)
        known[name].slice.append(to_message(part))
        content = _SavedTensorSlices()
        content.data.name = name
        content.data.slice = to_message(part)
        # The values as bytes: SavedSlice.data is its last field.
        inner = content.data.SerializeToString() + b"\x1a" + varint(len(data)) + data
        entries[key] = b"\x12" + varint(len(inner)) + inner
    head.meta.versions.producer = 1
    entries[b""] = head.SerializeToString()
    with replacing(path) as file:
        for part_of_file in table_bytes((k, entries[k]) for k in sorted(entries)):
            file.write(part_of_file)
