"""Private: ONNX files as a stranger may have written them: their sizes are checked before memory is
taken for them.

Source:
    github.com/onnx/onnx, onnx/onnx.proto and docs/ExternalData.md.
"""

import math
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.files import read_regular
from ...errors import InputError, shown
from ...tf1.files.protobuf import Malformed, read_fields

if TYPE_CHECKING:
    from onnx import ModelProto, TensorProto

__all__ = ["OnnxFile", "read_file"]

# The largest message of Protocol Buffers.
FILE_BYTES = (1 << 31) - 1
# Maximum parts of a file: each takes up to 200 bytes of memory.
PARTS = 1_000_000
# Memory that weights and what they are computed from may take in addition to GROWTH times the file.
SPARE_BYTES, GROWTH = 64 << 20, 12
_WIRE_BYTES = 2
# The messages of a file by the numbers of the fields that they are in: node 1 of a graph, and so
# on. Memory for all of them is taken when the file is parsed.
_MESSAGES: dict[str, dict[int, str]] = {
    "model": {7: "graph", 8: "pair", 14: "pair", 20: "training", 25: "function"},
    "graph": {
        1: "node",
        5: "tensor",
        11: "value",
        12: "value",
        13: "value",
        14: "annotation",
        15: "sparse",
        16: "pair",
    },
    "node": {5: "attribute", 9: "pair"},
    "attribute": {
        5: "tensor",
        6: "graph",
        10: "tensor",
        11: "graph",
        14: "type",
        15: "type",
        22: "sparse",
        23: "sparse",
    },
    "tensor": {13: "pair", 16: "pair"},
    "sparse": {1: "tensor", 2: "tensor"},
    "value": {2: "type", 4: "pair"},
    "type": {1: "array", 4: "map", 5: "map", 7: "array", 8: "array", 9: "map"},
    "map": {1: "type", 2: "type"},
    "array": {2: "shape"},
    "shape": {1: "dimension"},
    "dimension": {},
    "annotation": {2: "pair"},
    "function": {5: "pair", 7: "node", 9: "pair", 11: "attribute", 12: "value", 14: "pair"},
    "training": {1: "graph", 2: "graph", 3: "pair", 4: "pair"},
    "pair": {},
}
# The dtypes of tensors, their bytes, and the field that has their numbers if a tensor has no raw
# bytes; of float16 and bfloat16 each number of the field is one value's bits.
_DTYPES = {
    1: ("float32", 4, "float_data"),
    2: ("uint8", 1, "int32_data"),
    3: ("int8", 1, "int32_data"),
    6: ("int32", 4, "int32_data"),
    7: ("int64", 8, "int64_data"),
    9: ("bool", 1, "int32_data"),
    10: ("float16", 2, "int32_data"),
    11: ("float64", 8, "double_data"),
    16: ("bfloat16", 2, "int32_data"),
}
# Maximum dimensions of an array.
RANK = 8


@dataclass
class OnnxFile:
    """A model and the folder that its file is in.

    Attributes:
        path: The file.
        model: Its content.
        folder: Where its external data lies.
        left: Bytes of memory that its weights may still take.
    """

    path: Path
    model: "ModelProto"
    folder: Path
    left: int

    def fail(self, problem: str, remedy: str = "export the model again") -> InputError:
        """The error for a problem of the file."""
        return InputError(f"{str(self.path)!r}: {problem}; {remedy}")

    def take(self, size: int, what: str) -> None:
        """Count bytes of memory.

        Raises:
            InputError: The file has too few bytes for so much memory.
        """
        if size > self.left:
            raise self.fail(
                f"{what} would take {size:,} bytes, and {max(self.left, 0):,} are left for a file "
                "of this size",
                "the file is damaged, or made to take memory",
            )
        self.left -= size

    def array(self, tensor: "TensorProto", what: str) -> np.ndarray:
        """The numbers of a tensor; bfloat16 as float32.

        Args:
            tensor: The tensor.
            what: How an error names it.

        Raises:
            InputError: Its dtype is none of numbers, its shape does not fit its numbers, or its
                external data cannot be read.
        """
        if tensor.data_type not in _DTYPES:
            raise self.fail(
                f"{what} has the dtype number {tensor.data_type}, which weights do not have here",
                f"write it as {', '.join(name for name, *_ in _DTYPES.values())}",
            )
        dtype, width, field = _DTYPES[tensor.data_type]
        shape = tuple(tensor.dims) if len(tensor.dims) <= RANK else None
        if shape is None or min(shape, default=0) < 0:
            raise self.fail(
                f"{what} has the shape {shown([*tensor.dims][:20])}, which no array has"
            )
        size = math.prod(shape) * width
        if tensor.data_location == 1:
            content = self._external(tensor, size, what)
        elif tensor.HasField("raw_data"):
            content = tensor.raw_data
        else:
            numbers = getattr(tensor, field)
            if len(numbers) * width != size:
                raise self._wrong_size(what, shape, size, len(numbers) * width)
            self.take(2 * size, what)
            values = np.asarray(numbers, field.removesuffix("_data").replace("float", "float32"))
            if dtype in ("float16", "bfloat16"):
                return _of_bits(values.astype(np.uint16).tobytes(), dtype, shape)
            return values.astype(dtype).reshape(shape)
        if len(content) != size:
            raise self._wrong_size(what, shape, size, len(content))
        self.take(2 * size, what)
        return _of_bits(content, dtype, shape)

    def _wrong_size(self, what: str, shape: tuple[int, ...], size: int, found: int) -> InputError:
        return self.fail(f"{what} has the shape {shape}, {size:,} bytes, and {found:,} bytes")

    def _external(self, tensor: "TensorProto", size: int, what: str) -> bytes:
        """The bytes of a tensor that lie in another file of the folder.

        Raises:
            InputError: The file is outside the folder, or too short.
        """
        entries = {entry.key: entry.value for entry in tensor.external_data}
        place = entries.get("location", "")
        path = _inside(self.folder, place)
        if path is None:
            raise self.fail(
                f"the data of {what} should be in {shown(place)}, which is not a file in the "
                f"folder {str(self.folder)!r}",
                "put the data next to the model, and do not read files outside its folder",
            )
        try:
            offset, length = (
                int(entries.get(key) or other) for key, other in (("offset", 0), ("length", size))
            )
        except ValueError:
            raise self.fail(
                f"the place of the data of {what} in {place!r} is not a number"
            ) from None
        try:
            status = os.stat(path)
            if not stat.S_ISREG(status.st_mode):
                raise self.fail(f"{place!r}, with the data of {what}, is not a regular file")
            if length != size or not 0 <= offset <= status.st_size - size:
                raise self.fail(
                    f"the data of {what} should be the {size:,} bytes from byte {shown(offset)} of "
                    f"{place!r}, which has {status.st_size:,} bytes; {shown(length)} are stated"
                )
            self.take(size, what)
            with open(path, "rb") as file:
                file.seek(offset)
                return file.read(size)
        except OSError as error:
            raise self.fail(
                f"cannot read {place!r} with the data of {what}: {error.strerror}",
                "put that file next to the model",
            ) from error


def _of_bits(content: bytes, dtype: str, shape: tuple[int, ...]) -> np.ndarray:
    """An array of raw little-endian bytes; bfloat16 as float32."""
    if dtype == "bfloat16":
        upper = np.frombuffer(content, "<u2").astype(np.uint32) << 16
        return upper.view(np.float32).reshape(shape)
    kind = np.dtype(dtype).newbyteorder("<")
    return np.frombuffer(content, kind).astype(dtype).reshape(shape)


def read_file(path: Path) -> OnnxFile:
    """Read a model.

    Raises:
        InputError: The file cannot be read, or is not an ONNX file.
        ModuleNotFoundError: onnx is not installed.
    """
    import onnx
    from google.protobuf.message import DecodeError

    path = Path(path)
    content = read_regular(path, FILE_BYTES)
    not_onnx = InputError(
        f"{str(path)!r} ({len(content):,} bytes) is truncated, damaged or not an ONNX file; export "
        "the model again, or give the path of an .onnx file"
    )
    try:
        many = any(number > PARTS for number, _ in enumerate(_parts(content)))
    except Malformed as error:
        raise not_onnx from error
    if many:
        raise InputError(
            f"{str(path)!r} has more than {PARTS:,} parts (nodes, attributes, names); simplify the "
            "model before it is read"
        )
    try:
        model = onnx.ModelProto.FromString(content)
    except DecodeError as error:
        raise not_onnx from error
    if not model.HasField("graph") or not model.opset_import:
        raise not_onnx
    folder = path.resolve().parent
    external = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    outside = sum(_bytes_inside(folder, place) for place in external)
    left = SPARE_BYTES + GROWTH * (len(content) + min(outside, FILE_BYTES))
    return OnnxFile(path, model, folder, left)


def _inside(folder: Path, place: str) -> Path | None:
    """The file of external data; None if it is not in the folder.

    Args:
        folder: The folder of the model, without links.
        place: The path as the model has it.
    """
    if not place or "\0" in place or os.path.isabs(place):
        return None
    try:
        path = (folder / place).resolve()
    except (OSError, RuntimeError):  # a link to itself
        return None
    return path if folder in path.parents else None


def _bytes_inside(folder: Path, place: str) -> int:
    """Bytes of a file of external data; 0 if it cannot be read."""
    path = _inside(folder, place)
    try:
        status = os.stat(path) if path else None
    except OSError:
        return 0
    return status.st_size if status and stat.S_ISREG(status.st_mode) else 0


def _parts(content: bytes) -> Iterator[int]:
    """The numbers of the fields of a file and of the messages in it, each field once.

    Raises:
        Malformed: The bytes are not a message.
    """
    left: list[tuple[str, Any]] = [("model", content)]
    while left:
        message, inside = left.pop()
        known = _MESSAGES[message]
        for number, wire, value in read_fields(inside):
            yield number
            if wire == _WIRE_BYTES and number in known:
                left.append((known[number], value))
