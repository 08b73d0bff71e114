"""Private: slices of variables in checkpoints: their text, such as "7 4 0,3:0,4", and the keys
under which files store them.

A slice has a (start, length) for each axis; the length is -1 for the whole axis.
"""

from collections.abc import Sequence

from ..core.errors import InvalidArgumentError
from .messages import TensorSliceProto
from .protobuf import Malformed

__all__ = [
    "Slice",
    "from_message",
    "ordered_key",
    "parse_spec",
    "to_message",
    "to_text",
    "whole",
    "within",
]

Slice = tuple[tuple[int, int], ...]


def whole(rank: int) -> Slice:
    """The slice that is a whole tensor."""
    return ((0, -1),) * rank


def within(part: Slice, shape: Sequence[int]) -> tuple[slice, ...]:
    """A slice as an index into an array of the whole shape.

    Raises:
        Malformed: It is not a slice of that shape.
    """
    if len(part) != len(shape):
        raise Malformed(f"a slice has {len(part)} axes and its variable {len(shape)}")
    found = []
    for (start, length), size in zip(part, shape):
        stop = size if length < 0 else start + length
        if not 0 <= start <= stop <= size or length < 0 and start:
            raise Malformed(f"the slice {to_text(part)} is not in a variable of shape {shape}")
        found.append(slice(start, stop))
    return tuple(found)


def to_text(part: Slice) -> str:
    """A slice as text: "0,3:-" for rows 0 to 2 and every column."""
    return ":".join("-" if length < 0 else f"{start},{length}" for start, length in part)


def parse_spec(spec: str) -> tuple[list[int], Slice]:
    """The shape of the variable and the slice of a text such as "7 4 0,3:0,4".

    Raises:
        InvalidArgumentError: It is not such a text.
    """
    *sizes, text = spec.split(" ")
    try:
        shape = [int(s) for s in sizes]
        part = []
        for one in text.split(":"):
            start, length = (0, -1) if one == "-" else (int(v) for v in one.split(","))
            part.append((start, length))
        within(tuple(part), shape)
    except (ValueError, Malformed):
        raise InvalidArgumentError(
            f"{spec!r} does not describe a slice of a variable: give its shape and the start and "
            "length for each axis, such as '7 4 0,3:0,4'"
        ) from None
    return shape, tuple(part)


def from_message(message: TensorSliceProto) -> Slice:  # type: ignore[valid-type]
    """The slice of a message."""
    return tuple(
        (e.start, e.length if e.HasField("length") else -1)
        for e in message.extent  # type: ignore[attr-defined]
    )


def to_message(part: Slice) -> TensorSliceProto:  # type: ignore[valid-type]
    """A slice as a message."""
    message = TensorSliceProto()
    for start, length in part:
        extent = message.extent.add()
        if length >= 0:
            extent.start, extent.length = start, length
    return message


def _unsigned(value: int) -> bytes:
    # The number of bytes, then the bytes, so that numbers sort as texts.
    data = value.to_bytes((value.bit_length() + 7) // 8, "big")
    return bytes([len(data)]) + data


def _signed(value: int) -> bytes:
    # As few bytes as it fits in. As many leading bits are inverted, so that longer ones sort last.
    size = 1
    while not -(1 << 7 * size - 1) <= value < 1 << 7 * size - 1:
        size += 1
    header = ((1 << size) - 1) << 7 * size
    return (value & (1 << 8 * size) - 1 ^ header).to_bytes(size, "big")


def ordered_key(name: str, part: Slice) -> bytes:
    """The key of a slice of a variable in a table."""
    text = name.encode().replace(b"\0", b"\0\xff")
    key = _unsigned(0) + text + b"\0\1" + _unsigned(len(part))
    for start, length in part:
        key += _signed(start) + _signed(length)
    return key
