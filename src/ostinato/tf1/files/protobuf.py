"""Private: Protocol Buffers: the wire format, and messages declared by a table of their fields.

A table has one line for each message, with its fields as `name=number:kind`. `*` after the number
marks a list, `%` a dict from strings to messages or strings, and `?` a field of the message's only
`oneof`, which exists only once it is set. A kind is a scalar, an enum of `ENUMS`, or a message.
"""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["ENUMS", "Field", "Malformed", "Message", "declare", "read_fields", "varint"]

_DEEPEST = 64  # messages in messages, as a guard against damaged files
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_WHOLE = {"int32", "int64", "uint32", "uint64", "bool"}
_FIXED = {"float": "<f4", "double": "<f8", "fixed32": "<u4"}
_TYPES = (
    "FLOAT DOUBLE INT32 UINT8 INT16 INT8 STRING COMPLEX64 INT64 BOOL QINT8 QUINT8 QINT32 BFLOAT16 "
    "QINT16 QUINT16 UINT16 COMPLEX128 HALF RESOURCE VARIANT UINT32 UINT64"
).split()
ENUMS: dict[str, dict[int, str]] = {
    "DataType": {
        0: "DT_INVALID",
        **{i: f"DT_{name}" for i, name in enumerate(_TYPES, 1)},
        **{i + 100: f"DT_{name}_REF" for i, name in enumerate(_TYPES, 1)},
    },
    "CheckpointFormatVersion": {0: "LEGACY", 1: "V1", 2: "V2"},
    "Endianness": {0: "LITTLE", 1: "BIG"},
    "SessionStatus": {0: "STATUS_UNSPECIFIED", 1: "START", 2: "STOP", 3: "CHECKPOINT"},
}


class Malformed(ValueError):
    """The bytes are not a message; for the reader of the file, which names it."""


def varint(value: int) -> bytes:
    """A whole number of up to 64 bits, seven bits a byte."""
    value &= 0xFFFFFFFFFFFFFFFF
    encoded = bytearray()
    while value > 127:
        encoded.append(value & 127 | 128)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def read_varint(data: Any, at: int) -> tuple[int, int]:
    """A whole number and the place after it.

    Raises:
        Malformed: The bytes end before, or the number has more than 64 bits.
    """
    value = shift = 0
    end = len(data)
    while at < end and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value & 0xFFFFFFFFFFFFFFFF, at
        shift += 7
    raise Malformed("a number does not end")


def read_fields(data: Any) -> Iterator[tuple[int, int, Any]]:
    """The fields of a message: number, wire type, and an int or a part of the bytes.

    Raises:
        Malformed: The bytes are not a message.
    """
    view = memoryview(data)
    at, end = 0, len(view)
    while at < end:
        key, at = read_varint(view, at)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            value, at = read_varint(view, at)
            yield number, wire, value
            continue
        if wire == _BYTES:
            size, at = read_varint(view, at)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise Malformed(f"a field has the wire type {wire}")
        if number == 0 or size > end - at:
            raise Malformed(f"a field of {size} bytes has {end - at} left")
        yield number, wire, view[at : at + size]
        at += size


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a message; see the head of this module."""

    name: str
    number: int
    kind: str
    repeated: bool
    mapped: bool
    chosen: bool
    message: "type[Message] | None" = None

    def default(self) -> Any:
        """The value of a field that is not set."""
        if self.kind == "string":
            return ""
        if self.kind == "bytes":
            return b""
        return False if self.kind == "bool" else 0.0 if self.kind in ("float", "double") else 0


class _MessageMap(dict):
    """A dict of messages, which are created when they are read, as in Protocol Buffers."""

    def __init__(self, message: "type[Message]"):
        super().__init__()
        self._message = message

    def __missing__(self, key: str) -> "Message":
        value = self[key] = self._message()
        return value


class _List(list):
    """A list of messages."""

    def __init__(self, message: "type[Message]"):
        super().__init__()
        self._message = message

    def add(self, **fields: Any) -> "Message":
        """Append a new message and return it."""
        self.append(self._message(**fields))
        return self[-1]


class Message:
    """A message, with the methods that Protocol Buffers give it.

    Args:
        fields: Values of its fields.
    """

    FIELDS: Mapping[str, Field] = {}
    _by_number: Mapping[int, Field] = {}

    def __init__(self, **fields: Any):
        object.__setattr__(self, "_values", {})
        object.__setattr__(self, "_set", True)
        for name, value in fields.items():
            if value is None:
                continue
            held = getattr(self, name) if self._field(name).repeated else None
            if self._field(name).mapped:
                getattr(self, name).update(value)
            elif held is None:
                setattr(self, name, value)
            else:
                held.extend(value)

    def _field(self, name: str) -> Field:
        if name not in self.FIELDS:
            raise AttributeError(
                f"{type(self).__name__} has no field {name!r}: it has {', '.join(self.FIELDS)}"
            )
        return self.FIELDS[name]

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        field = self._field(name)
        values = self._values
        if name not in values:
            if field.mapped:
                values[name] = {} if field.message is None else _MessageMap(field.message)
            elif field.repeated:
                values[name] = [] if field.message is None else _List(field.message)
            elif field.message is not None:
                child = field.message()
                object.__setattr__(child, "_set", False)  # reading it does not set it
                values[name] = child
            else:
                return field.default()
        return values[name]

    def __setattr__(self, name: str, value: Any) -> None:
        field = self._field(name)
        if field.repeated or field.mapped:
            raise AttributeError(
                f"{type(self).__name__}.{name} cannot be assigned: use .extend(...) or .add()"
            )
        if field.chosen:
            for other in self.FIELDS.values():
                if other.chosen:
                    self._values.pop(other.name, None)
        if field.message is not None:
            value = value._copied()
        elif field.kind == "bytes" and isinstance(value, str):
            value = value.encode()
        elif field.kind == "string" and isinstance(value, bytes):
            value = value.decode()
        elif field.kind in _WHOLE - {"bool"}:
            value = int(value)
        elif field.kind == "bool":
            value = bool(value)
        elif field.kind in ("float", "double"):
            value = float(value)
        self._values[name] = value
        object.__setattr__(self, "_set", True)

    def _has(self, field: Field) -> bool:
        if field.name not in self._values:
            return False
        value = self._values[field.name]
        if isinstance(value, Message):
            return value._set or any(value._has(f) for f in value.FIELDS.values())
        if field.chosen:
            return True
        return value not in ("", b"", 0) if not isinstance(value, (list, dict)) else bool(value)

    def HasField(self, name: str) -> bool:  # noqa: N802
        """Whether a field is set."""
        return self._has(self._field(name))

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802
        """The field of the oneof that is set."""
        found = [f.name for f in self.FIELDS.values() if f.chosen and self._has(f)]
        return found[0] if found else None

    def ListFields(self) -> list[tuple[Field, Any]]:  # noqa: N802
        """The fields that are set, by number."""
        return [(f, self._values[f.name]) for f in self._by_number.values() if self._has(f)]

    def ClearField(self, name: str) -> None:  # noqa: N802
        """Unset a field."""
        self._values.pop(self._field(name).name, None)

    def Clear(self) -> None:  # noqa: N802
        """Unset all fields."""
        self._values.clear()

    def SetInParent(self) -> None:  # noqa: N802
        """Set the message, with no fields, in the one that holds it."""
        object.__setattr__(self, "_set", True)

    def CopyFrom(self, other: "Message") -> None:  # noqa: N802
        """Become a copy of another message."""
        data = other.SerializeToString()
        self.Clear()
        self.MergeFromString(data)

    def MergeFrom(self, other: "Message") -> None:  # noqa: N802
        """Add the fields of another message."""
        self.MergeFromString(other.SerializeToString())

    def SerializeToString(self) -> bytes:  # noqa: N802
        """The message as bytes, its fields in order of their numbers."""
        return b"".join(_encode(field, value) for field, value in self.ListFields())

    def ByteSize(self) -> int:  # noqa: N802
        """The number of bytes of the message."""
        return len(self.SerializeToString())

    def ParseFromString(self, data: bytes) -> int:  # noqa: N802
        """Become the message of the bytes.

        Raises:
            Malformed: They are not such a message.
        """
        self.Clear()
        return self.MergeFromString(data)

    def MergeFromString(self, data: bytes) -> int:  # noqa: N802
        """Add the fields of the message of the bytes."""
        self._merge(memoryview(data), 0)
        return len(data)

    @classmethod
    def FromString(cls, data: bytes) -> Any:  # noqa: N802
        """The message of the bytes."""
        message = cls()
        message.MergeFromString(data)
        return message

    def _merge(self, data: memoryview, depth: int) -> None:
        object.__setattr__(self, "_set", True)
        if depth > _DEEPEST:
            raise Malformed(f"messages are nested more than {_DEEPEST} deep")
        for number, wire, value in read_fields(data):
            field = self._by_number.get(number)
            if field is None:
                continue
            if field.mapped:
                self._merge_pair(field, value, depth)
            elif field.message is not None:
                if wire != _BYTES:
                    raise Malformed(f"{field.name} is not a message")
                if field.repeated:
                    child = getattr(self, field.name).add()
                else:
                    if field.chosen and field.name not in self._values:
                        setattr(self, field.name, field.message())
                    child = getattr(self, field.name)
                child._merge(value, depth + 1)
            elif field.repeated:
                getattr(self, field.name).extend(_decode(field, wire, value))
            else:
                decoded = _decode(field, wire, value)
                if len(decoded) != 1:
                    raise Malformed(f"{field.name} has {len(decoded)} values")
                setattr(self, field.name, decoded[0])

    def _merge_pair(self, field: Field, data: Any, depth: int) -> None:
        if isinstance(data, int):
            raise Malformed(f"{field.name} is not a dict")
        key, found = "", "" if field.message is None else field.message()
        for number, wire, value in read_fields(data):
            if wire != _BYTES:
                raise Malformed(f"{field.name} is not a dict from strings")
            if number == 1:
                key = _text(value)
            elif number == 2 and isinstance(found, Message):
                found._merge(value, depth + 1)
            elif number == 2:
                found = _text(value)
        getattr(self, field.name)[key] = found

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, type(self)):
            return NotImplemented
        return self.SerializeToString() == other.SerializeToString()

    __hash__ = None  # type: ignore[assignment]

    def __str__(self) -> str:
        from .text_format import to_text  # it needs this module

        return to_text(self)

    __repr__ = __str__

    def _copied(self) -> "Message":
        copy = type(self)()
        for name, value in self._values.items():
            if isinstance(value, Message):
                copy._values[name] = value._copied()
                object.__setattr__(copy._values[name], "_set", value._set)
            elif isinstance(value, list):
                kept = getattr(copy, name)
                kept.extend(v._copied() if isinstance(v, Message) else v for v in value)
            elif isinstance(value, dict):
                kept = getattr(copy, name)
                for key, v in value.items():
                    kept[key] = v._copied() if isinstance(v, Message) else v
            else:
                copy._values[name] = value
        return copy

    def __deepcopy__(self, memory: Any) -> "Message":
        return self._copied()

    def __reduce__(self) -> Any:
        raise TypeError("a message cannot be pickled: keep message.SerializeToString()")


def _text(value: Any) -> str:
    try:
        return bytes(value).decode()
    except UnicodeDecodeError as error:
        raise Malformed(f"a text is not UTF-8 ({error})") from None


def _tag(number: int, wire: int) -> bytes:
    return varint(number << 3 | wire)


def _sized(number: int, data: bytes) -> bytes:
    return _tag(number, _BYTES) + varint(len(data)) + data


def _pair_value(value: Any) -> bytes:
    return value.encode() if isinstance(value, str) else value.SerializeToString()


def _encode(field: Field, value: Any) -> bytes:
    number, kind = field.number, field.kind
    if field.mapped:
        return b"".join(
            _sized(number, _sized(1, k.encode()) + _sized(2, _pair_value(value[k])))
            for k in sorted(value)
        )
    if field.message is not None:
        found = value if field.repeated else [value]
        return b"".join(_sized(number, m.SerializeToString()) for m in found)
    if kind in ("string", "bytes"):
        found = value if field.repeated else [value]
        return b"".join(
            _sized(number, v.encode() if isinstance(v, str) else bytes(v)) for v in found
        )
    if field.repeated:
        if kind in _FIXED:
            return _sized(number, np.asarray(value, _FIXED[kind]).tobytes())
        return _sized(number, b"".join(varint(int(v)) for v in value))
    if kind in _FIXED:
        wire = _FIXED64 if kind == "double" else _FIXED32
        return _tag(number, wire) + np.asarray(value, _FIXED[kind]).tobytes()
    return _tag(number, _VARINT) + varint(int(value))


def _signed(kind: str, value: int) -> Any:
    if kind == "bool":
        return bool(value)
    if kind.startswith("u") or kind == "fixed32":
        return value
    return value - (1 << 64) if value >> 63 else value


def _decode(field: Field, wire: int, value: Any) -> list:
    """The values of one occurrence of a field: several if they are packed."""
    kind = field.kind
    if kind in ("string", "bytes"):
        if wire != _BYTES:
            raise Malformed(f"{field.name} is not a text")
        return [_text(value) if kind == "string" else bytes(value)]
    if kind in _FIXED:
        width = 8 if kind == "double" else 4
        if wire == _VARINT or len(value) % width:
            raise Malformed(f"{field.name} is not a list of numbers")
        return [v for (v,) in struct.iter_unpack(f"<{'d' if width == 8 else _letter(kind)}", value)]
    if wire == _VARINT:
        return [_signed(kind, value)]
    if wire != _BYTES or not field.repeated:
        raise Malformed(f"{field.name} is not a number")
    found, at = [], 0
    while at < len(value):
        one, at = read_varint(value, at)
        found.append(_signed(kind, one))
    return found


def _letter(kind: str) -> str:
    return "f" if kind == "float" else "I"


def declare(table: str) -> dict[str, type[Message]]:
    """The classes of the messages of a table; see the head of this module. A message with a
    period in its name is an attribute of the other one too.
    """
    lines = [line.partition(": ") for line in table.strip().splitlines()]
    found: dict[str, type[Message]] = {
        name: type(name.rpartition(".")[2], (Message,), {"__doc__": f"The message {name}."})
        for name, _, _ in lines
    }
    for name, _, text in lines:
        fields = []
        for item in text.split():
            left, _, kind = item.partition(":")
            field, _, number = left.partition("=")
            message = found.get(kind)
            if message is None and kind not in _WHOLE | set(_FIXED) | {"string", "bytes"}:
                assert kind in ENUMS, kind
            fields.append(
                Field(
                    field,
                    int(number.rstrip("*%?")),
                    kind,
                    repeated="*" in number,
                    mapped="%" in number,
                    chosen="?" in number,
                    message=message,
                )
            )
        cls: Any = found[name]
        cls.FIELDS = {f.name: f for f in fields}
        cls._by_number = {f.number: f for f in sorted(fields, key=lambda f: f.number)}
        outer, _, inner = name.rpartition(".")
        if outer:
            setattr(found[outer], inner, cls)
    return found
