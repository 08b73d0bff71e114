"""Private: sorted tables of keys and values (LevelDB's format), which hold the index of a
checkpoint.

    block: entries, offsets of restarts (uint32 each), number of restarts (uint32)
    entry: bytes shared with the key before, further bytes of the key, bytes of the value (varints),
           the further bytes, the value
    file:  blocks, each with its compression (one byte) and its masked CRC-32C (uint32);
           an empty block; a block with the place of each block; 48 bytes with the places of these
           two and a magic number

Nothing is allocated for a size that the file states before the size is compared with the file.
"""

import os
import stat
import struct
from collections.abc import Iterable, Iterator
from typing import BinaryIO

from ..core.errors import DataLossError, NotFoundError
from .crc32c import crc32c, masked
from .protobuf import Malformed, read_varint, varint

__all__ = ["TableFile", "damaged", "open_regular", "table_bytes"]

_MAGIC = 0xDB4775248B80FB57
_FOOTER = 48
_TRAILER = 5
_BLOCK = 262144  # bytes after which a block ends
_RESTART = 16  # entries from one whole key to the next
_LONGEST_KEY = 65536
# All keys of a file together, so that damaged prefixes do not grow without limit.
_ALL_KEYS = 1 << 28


def damaged(path: str, problem: str) -> DataLossError:
    """The error for a file that cannot be right."""
    return DataLossError(
        f"{path} is damaged: {problem}; copy the checkpoint again from where it was saved, or "
        "restore an earlier one"
    )


def open_regular(path: str) -> tuple[BinaryIO, int]:
    """Open a file for reading. Returns it with its size.

    Raises:
        NotFoundError: The file does not exist, or is not a regular one.
    """
    try:
        found = os.stat(path)
        if not stat.S_ISREG(found.st_mode):
            raise NotFoundError(f"{path} is not a regular file: give the path of a checkpoint")
        return open(path, "rb"), found.st_size
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise NotFoundError(
            f"{path} cannot be read ({reason}): check the path and that every file of the "
            "checkpoint was copied"
        ) from None


class TableFile:
    """A table in a file, read block by block.

    Args:
        path: The file.

    Raises:
        NotFoundError: The file does not exist.
        DataLossError: It is not such a table.
    """

    def __init__(self, path: str):
        self.path = path
        self._file, self._size = open_regular(path)
        try:
            self._blocks = self._read_places()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _read_places(self) -> list[tuple[bytes, int, int]]:
        if self._size < _FOOTER:
            raise damaged(self.path, f"it has {self._size} bytes, fewer than its last {_FOOTER}")
        self._file.seek(self._size - _FOOTER)
        footer = self._file.read(_FOOTER)
        if len(footer) != _FOOTER or struct.unpack("<Q", footer[-8:])[0] != _MAGIC:
            raise damaged(self.path, "it does not end like the index of a checkpoint")
        try:
            numbers, at = [], 0
            for _ in range(4):
                number, at = read_varint(footer, at)
                numbers.append(number)
            if footer[at:-8].strip(b"\0"):
                raise Malformed("its last bytes are not those of an index")
            empty, empty_size, offset, size = numbers
            for _ in self._entries(empty, empty_size):
                raise Malformed("its second list is not empty")
            places = []
            for key, value in self._entries(offset, size):
                start, at = read_varint(value, 0)
                length, _ = read_varint(value, at)
                self._check_place(start, length)
                places.append((key, start, length))
        except Malformed as error:
            raise damaged(self.path, str(error)) from None
        if sum(length for *_, length in places) > self._size:
            raise damaged(self.path, "its blocks are longer than the file")
        return places

    def _check_place(self, offset: int, size: int) -> None:
        if offset + size + _TRAILER > self._size - _FOOTER:
            raise damaged(
                self.path,
                f"a block of {size} bytes at byte {offset} does not fit in its {self._size} bytes",
            )

    def _entries(self, offset: int, size: int) -> Iterator[tuple[bytes, bytes]]:
        self._check_place(offset, size)
        self._file.seek(offset)
        data = self._file.read(size + _TRAILER)
        if len(data) != size + _TRAILER:
            raise damaged(self.path, "it became shorter while it was read")
        (stored,) = struct.unpack("<I", data[-4:])
        if masked(crc32c(memoryview(data)[:-4])) != stored:
            raise damaged(self.path, f"the block at byte {offset} has another checksum")
        if data[size]:
            raise damaged(self.path, f"the block at byte {offset} is compressed")
        restarts = struct.unpack("<I", data[size - 4 : size])[0] if size >= 4 else size
        end = size - 4 - 4 * restarts
        if end < 0:
            raise damaged(self.path, f"the block at byte {offset} has {restarts} restarts")
        at, key, total = 0, b"", 0
        while at < end:
            shared, at = read_varint(data, at)
            further, at = read_varint(data, at)
            length, at = read_varint(data, at)
            total += shared + further
            if shared > len(key) or at + further + length > end:
                raise damaged(self.path, f"an entry of the block at byte {offset} does not fit")
            if shared + further > _LONGEST_KEY or total > _ALL_KEYS:
                raise damaged(self.path, f"a key has {shared + further} bytes")
            key = key[:shared] + data[at : at + further]
            at += further
            yield key, data[at : at + length]
            at += length

    def __iter__(self) -> Iterator[tuple[bytes, bytes]]:
        before, total = None, 0
        for last, offset, size in self._blocks:
            try:
                for key, value in self._entries(offset, size):
                    total += len(key)
                    if before is not None and key <= before or key > last or total > _ALL_KEYS:
                        raise damaged(self.path, f"its keys are not sorted at {_shown(key)}")
                    before = key
                    yield key, value
            except Malformed as error:
                raise damaged(self.path, str(error)) from None

    def get(self, wanted: bytes) -> bytes | None:
        """The value of a key, or None."""
        for last, offset, size in self._blocks:
            if wanted <= last:
                try:
                    found = dict(self._entries(offset, size))
                except Malformed as error:
                    raise damaged(self.path, str(error)) from None
                return found.get(wanted)
        return None


def _shown(key: bytes) -> str:
    return repr(key[:60].decode(errors="replace"))


class _Block:
    """A block that is written."""

    def __init__(self, restart: int):
        self.restart = restart
        self.clear()

    def clear(self) -> None:
        self.data = bytearray()
        self.restarts, self.count, self.key = [0], 0, b""

    def add(self, key: bytes, value: bytes) -> None:
        shared = 0
        if self.count == self.restart:
            self.restarts.append(len(self.data))
            self.count = 0
        else:
            longest = min(len(key), len(self.key))
            while shared < longest and key[shared] == self.key[shared]:
                shared += 1
        self.data += varint(shared) + varint(len(key) - shared) + varint(len(value))
        self.data += key[shared:] + value
        self.key, self.count = key, self.count + 1

    def size(self) -> int:
        return len(self.data) + 4 * len(self.restarts) + 4

    def finish(self) -> bytes:
        ends = [*self.restarts, len(self.restarts)]
        return bytes(self.data) + struct.pack(f"<{len(ends)}I", *ends)


def _between(key: bytes, after: bytes) -> bytes:
    """A short key, not before `key` and before `after`."""
    shared = len(os.path.commonprefix([key, after]))
    if shared < min(len(key), len(after)):
        byte = key[shared]
        if byte < 255 and byte + 1 < after[shared]:
            return key[:shared] + bytes([byte + 1])
    return key


def _behind(key: bytes) -> bytes:
    """A short key, not before `key`."""
    for i, byte in enumerate(key):
        if byte != 255:
            return key[:i] + bytes([byte + 1])
    return key


def table_bytes(entries: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """The parts of the file of a table, whose keys are sorted."""
    offset = 0
    index, block = _Block(1), _Block(_RESTART)
    waiting: tuple[bytes, bytes] | None = None  # the last block's last key, and its place

    def written(content: bytes) -> tuple[bytes, bytes]:
        nonlocal offset
        place = varint(offset) + varint(len(content))
        content += b"\0"  # not compressed
        content += struct.pack("<I", masked(crc32c(content)))
        offset += len(content)
        return content, place

    last = b""
    for key, value in entries:
        if waiting is not None:
            index.add(_between(waiting[0], key), waiting[1])
            waiting = None
        block.add(key, value)
        last = key
        if block.size() >= _BLOCK:
            content, place = written(block.finish())
            yield content
            waiting = (last, place)
            block.clear()
    if block.data:
        content, place = written(block.finish())
        yield content
        waiting = (last, place)
    content, empty = written(_Block(_RESTART).finish())
    yield content
    if waiting is not None:
        index.add(_behind(waiting[0]), waiting[1])
    content, place = written(index.finish())
    yield content
    yield (empty + place).ljust(_FOOTER - 8, b"\0") + struct.pack("<Q", _MAGIC)
