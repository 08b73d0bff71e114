"""Private: checkpoints of tf.train.Saver, format V2 ("tensor bundles").

PREFIX.index is a table (`table.py`) from names to BundleEntryProtos, with a BundleHeaderProto under
the empty name; PREFIX.data-00000-of-00002 and so on are the values, one after the other. A
partitioned variable has an entry that lists its slices, and one for each slice.

A string tensor is the lengths (varints), their masked CRC-32C, and the texts.
"""

import os
import struct
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, BinaryIO

import numpy as np

from ..core.dtypes import DTYPES, DType
from ..core.errors import InvalidArgumentError, NotFoundError
from .crc32c import crc32c, masked
from .messages import BundleEntryProto, BundleHeaderProto
from .protobuf import ENUMS, Malformed, read_varint, varint
from .slices import Slice, from_message, ordered_key, parse_spec, to_message, within
from .table import TableFile, damaged, open_regular, table_bytes

__all__ = ["Bundle", "SavedTensor", "data_path", "index_path", "replacing", "write_bundle"]

# The newest version of the format that is understood.
_VERSION = 1
_READ = 1 << 24  # bytes at a time, for values whose checksum is not needed as a whole
_BY_NUMBER = {d.as_datatype_enum: d for d in DTYPES.values() if d.is_numpy_compatible}


def index_path(prefix: str) -> str:
    """The index file of a checkpoint."""
    return f"{prefix}.index"


def data_path(prefix: str, shard: int = 0, shards: int = 1) -> str:
    """A file with values of a checkpoint."""
    return f"{prefix}.data-{shard:05d}-of-{shards:05d}"


@dataclass(slots=True)
class SavedTensor:
    """A tensor in a checkpoint.

    Attributes:
        number: TensorFlow's number of the dtype.
        shape: The shape.
        shard, offset, size: Where its bytes are.
        checksum: Their masked CRC-32C.
        slices: The slices it is stored in, or empty.
    """

    number: int
    shape: tuple[int, ...]
    shard: int = 0
    offset: int = 0
    size: int = 0
    checksum: int = 0
    slices: tuple[Slice, ...] = ()

    @property
    def count(self) -> int:
        """The number of elements."""
        count = 1
        for size in self.shape:
            count *= size
        return count

    @property
    def dtype(self) -> DType | None:
        """The dtype; None if it is not supported."""
        return _BY_NUMBER.get(self.number)


class Bundle:
    """A checkpoint in format V2.

    Args:
        prefix: The path without ".index".

    Attributes:
        saved: The tensors by name; of a partitioned variable, the whole one.

    Raises:
        NotFoundError: The checkpoint does not exist.
        DataLossError: The index is damaged.
    """

    def __init__(self, prefix: str):
        self.prefix, self.path = prefix, index_path(prefix)
        self._slices: dict[bytes, SavedTensor] = {}
        self.saved: dict[str, SavedTensor] = {}
        table = TableFile(self.path)
        try:
            self._read(table)
        except Malformed as error:
            raise damaged(self.path, str(error)) from None
        finally:
            table.close()

    def _read(self, table: TableFile) -> None:
        entries = iter(table)
        key, value = next(entries, (None, b""))
        if key != b"":
            raise damaged(self.path, "its header is missing")
        header = BundleHeaderProto.FromString(value)
        if header.endianness:
            raise damaged(self.path, "its numbers are big-endian, which is not supported")
        if header.version.min_consumer > _VERSION:
            raise damaged(self.path, f"it is of the newer version {header.version.min_consumer}")
        self.shards = header.num_shards
        if self.shards < 1:
            raise damaged(self.path, f"it states {self.shards} data files")
        for key, value in entries:
            saved = self._entry(key, value)
            if key[:1] == b"\0":
                self._slices[key] = saved
                continue
            try:
                self.saved[key.decode()] = saved
            except UnicodeDecodeError:
                raise Malformed(f"the name {key[:60]!r} is not a text") from None

    def _entry(self, key: bytes, value: bytes) -> SavedTensor:
        entry = BundleEntryProto.FromString(value)
        shape = tuple(d.size for d in entry.shape.dim)
        saved = SavedTensor(
            entry.dtype,
            shape,
            entry.shard_id,
            entry.offset,
            entry.size,
            entry.crc32c,
            tuple(from_message(s) for s in entry.slices),
        )
        name = repr(key[:60].decode(errors="replace"))
        if min((*shape, saved.offset, saved.size)) < 0 or len(shape) > 254:
            raise Malformed(f"{name} has the shape {shape} at byte {saved.offset}")
        if not 0 <= saved.shard < self.shards:
            raise Malformed(f"{name} is in data file {saved.shard} of {self.shards}")
        for part in saved.slices:
            within(part, shape)
        dtype = saved.dtype
        if saved.slices or dtype is None:
            return saved
        if dtype.as_numpy_dtype is np.object_:
            # a length of each text and their checksum
            if saved.size < saved.count + 4:
                raise Malformed(f"{name} has {saved.count} texts in {saved.size} bytes")
        elif saved.count * dtype.size != saved.size:
            raise Malformed(f"{name} of {dtype.name} and shape {shape} has {saved.size} bytes")
        return saved

    def __contains__(self, name: str) -> bool:
        return name in self.saved

    def _found(self, name: str) -> SavedTensor:
        if name not in self.saved:
            raise NotFoundError(
                f"Key {name} not found in checkpoint {self.prefix}: tf.train.list_variables lists "
                "what it holds"
            )
        saved = self.saved[name]
        if saved.dtype is None:
            kind = ENUMS["DataType"].get(saved.number, str(saved.number))
            raise InvalidArgumentError(
                f"{name} in the checkpoint {self.prefix} has the dtype {kind}, which is not "
                f"provided: read the others, or save it as one of {', '.join(DTYPES)}"
            )
        return saved

    def get(self, name: str) -> np.ndarray:
        """The value of a tensor, of a partitioned variable the whole one.

        Raises:
            NotFoundError: The checkpoint does not hold it, or a file of it is missing.
            DataLossError: Its bytes are damaged.
        """
        saved = self._found(name)
        return self._whole(name, saved) if saved.slices else self._value(name, saved)

    def get_slice(self, name: str, spec: str) -> np.ndarray:
        """A slice of a tensor.

        Args:
            name: The name.
            spec: The shape of the variable and the slice, such as "7 4 0,3:0,4"; "" for all of it.
        """
        if not spec:
            return self.get(name)
        saved = self._found(name)
        shape, part = parse_spec(spec)
        if tuple(shape) != saved.shape:
            raise InvalidArgumentError(
                f"{name} has the shape {list(saved.shape)} in the checkpoint {self.prefix} and "
                f"{shape} in the graph: build the graph with the sizes of the checkpoint"
            )
        if part in saved.slices:
            return self._value(name, self._stored(name, saved, part))
        return np.ascontiguousarray(self.get(name)[within(part, shape)])

    def _stored(self, name: str, saved: SavedTensor, part: Slice) -> SavedTensor:
        """The entry of a slice."""
        stored = self._slices.get(ordered_key(name, part))
        index = within(part, saved.shape)
        shape = tuple(s.stop - s.start for s in index)
        if stored is None or stored.shape != shape or stored.number != saved.number:
            raise damaged(self.path, f"the slice {part} of {name!r} is missing or another one")
        return stored

    def _file_size(self, shard: int) -> int:
        file, size = open_regular(data_path(self.prefix, shard, self.shards))
        file.close()
        return size

    def _whole(self, name: str, saved: SavedTensor) -> np.ndarray:
        parts = [
            (within(part, saved.shape), self._stored(name, saved, part)) for part in saved.slices
        ]
        # Before memory is allocated: together the slices are as large as the variable, and no
        # larger than the files.
        if sum(stored.count for _, stored in parts) != saved.count:
            raise damaged(self.path, f"the slices of {name!r} do not make up {saved.shape}")
        limit = sum(self._file_size(shard) for shard in {stored.shard for _, stored in parts})
        if sum(stored.size for _, stored in parts) > limit:
            raise damaged(self.path, f"the slices of {name!r} have more bytes than the files")
        values = [(index, self._value(name, stored)) for index, stored in parts]
        found = np.empty(saved.shape, saved.dtype.as_numpy_dtype)  # type: ignore[union-attr]
        filled = np.zeros(saved.shape, bool)
        for index, value in values:
            found[index] = value
            filled[index] = True
        if not filled.all():
            raise damaged(self.path, f"the slices of {name!r} overlap")
        return found

    def _value(self, name: str, saved: SavedTensor) -> np.ndarray:
        path = data_path(self.prefix, saved.shard, self.shards)
        file, size = open_regular(path)
        with file:
            if saved.offset + saved.size > size:
                raise damaged(
                    path,
                    f"{name!r} is at bytes {saved.offset} to {saved.offset + saved.size}, and the "
                    f"file has {size}",
                )
            file.seek(saved.offset)
            data = file.read(saved.size)
        if len(data) != saved.size:
            raise damaged(path, "it became shorter while it was read")
        dtype: DType = saved.dtype  # type: ignore[assignment]
        if dtype.as_numpy_dtype is np.object_:
            try:
                found, checksum = _read_texts(data, saved.count)
            except Malformed as error:
                raise damaged(path, f"{name!r}: {error}") from None
        else:
            checksum = crc32c(data)
            if dtype.is_bool and data.strip(b"\0\1"):
                raise damaged(path, f"{name!r} holds truth values other than 0 and 1")
            found = np.frombuffer(data, np.dtype(dtype.as_numpy_dtype).newbyteorder("<"))
        if masked(checksum) != saved.checksum:
            raise damaged(path, f"the value of {name!r} has another checksum")
        return found.reshape(saved.shape)


def _read_texts(data: bytes, count: int) -> tuple[np.ndarray, int]:
    """The texts of a tensor, and the checksum over their lengths, its own and the texts."""
    lengths, at = [], 0
    for _ in range(count):
        length, at = read_varint(data, at)
        lengths.append(length)
    checksum = crc32c(_lengths(lengths))
    if at + 4 + sum(lengths) != len(data):
        raise Malformed(f"{count} texts do not fill {len(data)} bytes")
    if struct.pack("<I", masked(checksum)) != data[at : at + 4]:
        raise Malformed("the lengths of the texts have another checksum")
    checksum = crc32c(data[at:], checksum)
    at += 4
    found = np.empty(count, object)
    for i, length in enumerate(lengths):
        found[i] = data[at : at + length]
        at += length
    return found, checksum


def _lengths(lengths: Iterable[int]) -> bytes:
    return b"".join(struct.pack("<I" if n < 1 << 32 else "<Q", n) for n in lengths)


def _parts(value: np.ndarray) -> tuple[Iterator[Any], int]:
    """A value as the parts of a file, and its checksum."""
    if value.dtype != object:
        plain = np.ascontiguousarray(value, value.dtype.newbyteorder("<")).reshape(-1)
        data = plain.view(np.uint8)
        return iter([data.data] if data.size else []), crc32c(data) if data.size else 0
    texts = [t.encode() if isinstance(t, str) else bytes(t) for t in value.reshape(-1).tolist()]
    lengths = [len(t) for t in texts]
    checksum = crc32c(_lengths(lengths))
    head = b"".join(varint(n) for n in lengths)
    stored = struct.pack("<I", masked(checksum))
    checksum = crc32c(stored, checksum)
    for text in texts:
        checksum = crc32c(text, checksum)
    return iter([head, stored, *texts]), checksum


def _dtype_number(name: str, value: np.ndarray) -> int:
    if value.dtype == object:
        return DTYPES["string"].as_datatype_enum
    found = DTYPES.get(value.dtype.name)
    if found is None:
        raise InvalidArgumentError(
            f"{name} has the dtype {value.dtype}, which checkpoints cannot hold: cast it to one of "
            f"{', '.join(DTYPES)}"
        )
    return found.as_datatype_enum


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """A file that takes the place of `path` once it is complete.

    Raises:
        NotFoundError: The directory does not exist or cannot be written to.
    """
    temporary = f"{path}.tempstate{uuid.uuid4().int % 10**18}"
    try:
        with open(temporary, "xb") as file:
            yield file
        os.replace(temporary, path)
    except OSError as error:
        raise NotFoundError(
            f"{path} cannot be written ({error.strerror or error}): check that the directory "
            "exists, and its permissions and free space"
        ) from None
    finally:
        if os.path.lexists(temporary):
            os.unlink(temporary)


def write_bundle(prefix: str, tensors: Sequence[tuple[str, str, np.ndarray]]) -> None:
    """Write a checkpoint in format V2, as TensorFlow writes it.

    Args:
        prefix: The path without ".index".
        tensors: For each tensor its name, its slice ("" for a whole one; see `Bundle.get_slice`)
            and its value.

    Raises:
        InvalidArgumentError: A name is empty or occurs twice, or a slice does not fit.
        NotFoundError: The directory cannot be written to.
    """
    entries: dict[bytes, Any] = {}
    directory = os.path.dirname(prefix)
    if directory and not os.path.isdir(directory):
        try:
            os.mkdir(directory)
        except OSError:
            pass  # the error of the file names the path
    with replacing(data_path(prefix)) as file:
        for name, spec, value in tensors:
            value = np.asarray(value)
            key = _add_slice(entries, name, spec, value) if spec else name.encode()
            if not name or key in entries:
                raise InvalidArgumentError(
                    f"a checkpoint would hold the name {name!r} twice, or an empty one: give each "
                    "variable a name of its own"
                )
            parts, checksum = _parts(value)
            entry = _entry_of(_dtype_number(name, value), value.shape)
            entry.offset = file.tell()
            for part in parts:
                file.write(part)
            entry.size, entry.crc32c = file.tell() - entry.offset, masked(checksum)
            entries[key] = entry
    header = BundleHeaderProto(num_shards=1)
    header.version.producer = _VERSION
    entries[b""] = header
    with replacing(index_path(prefix)) as file:
        for part in table_bytes((k, entries[k].SerializeToString()) for k in sorted(entries)):
            file.write(part)


def _entry_of(number: int, shape: Sequence[int]) -> Any:
    entry = BundleEntryProto(dtype=number)
    entry.shape.SetInParent()
    for size in shape:
        entry.shape.dim.add(size=size)
    return entry


def _add_slice(entries: dict, name: str, spec: str, value: np.ndarray) -> bytes:
    """Add a slice to the entry of the whole variable; returns the key of the slice."""
    shape, part = parse_spec(spec)
    wanted = tuple(s.stop - s.start for s in within(part, shape))
    if wanted != value.shape:
        raise InvalidArgumentError(
            f"{name} has the shape {value.shape} and is saved as the slice {spec!r}: give it "
            f"{wanted}"
        )
    if wanted == tuple(shape):
        return name.encode()
    number = _dtype_number(name, value)
    full = entries.setdefault(name.encode(), _entry_of(number, shape))
    sizes = [d.size for d in full.shape.dim]
    if sizes != shape or full.dtype != number or not full.slices and full.size:
        raise InvalidArgumentError(
            f"{name} is saved as slices of the shapes {sizes} and {shape}, or of several dtypes: "
            "give all slices of a variable one shape and dtype"
        )
    full.slices.append(to_message(part))
    return ordered_key(name, part)
