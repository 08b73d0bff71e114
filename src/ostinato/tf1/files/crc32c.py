"""Private: the checksum CRC-32C, over whole arrays with NumPy, and its masked form in TensorFlow's
files.

A checksum is linear in the bits of the bytes. A block is therefore cut into rows, the rows advance
together, one word of 32 bits a step, and neighbouring rows are joined: the checksum of the first
one, moved past the bytes of the second one, XOR the second one's. Zeros in front change nothing, so
every block is filled up to the same size.
"""

from functools import cache
from typing import Any

import numpy as np

__all__ = ["crc32c", "masked", "unmasked"]

_POLYNOMIAL = 0x82F63B78
_MASK_DELTA = 0xA282EAD8
_ROWS = 4096
_WORDS = 256  # of a row


def _byte_table() -> list[int]:
    table = []
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


_TABLE = _byte_table()


@cache
def _word_tables() -> tuple[np.ndarray, np.ndarray]:
    """The checksum that a word leaves, by its lower and by its upper half."""
    bits = np.array([1 << i for i in range(32)], np.uint32)
    table = np.array(_TABLE, np.uint32)
    for _ in range(4):
        bits = table[bits & 0xFF] ^ (bits >> np.uint32(8))
    return _half_tables(bits)


def _half_tables(bits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A linear function of 32 bits as two tables, from its values at the single bits."""
    tables = []
    for half in (bits[:16], bits[16:]):
        table = np.zeros(1, np.uint32)
        for value in half:
            table = np.concatenate([table, table ^ value])
        tables.append(table)
    return tables[0], tables[1]


def _through(tables: tuple[np.ndarray, np.ndarray], values: np.ndarray) -> np.ndarray:
    return tables[0][values & 0xFFFF] ^ tables[1][values >> np.uint32(16)]


@cache
def _past(words: int) -> tuple[np.ndarray, np.ndarray]:
    """The tables that move a checksum past a number of words, a power of two."""
    if words == 1:
        return _word_tables()
    half = _past(words // 2)
    bits = np.array([1 << i for i in range(32)], np.uint32)
    return _half_tables(_through(half, _through(half, bits)))


def _block(words: np.ndarray) -> int:
    """The checksum of at most _ROWS * _WORDS words, from zero."""
    rows = 1
    while rows * rows < words.size // 4 and rows < _ROWS:
        rows *= 2
    width = 1
    while rows * width < words.size:
        width *= 2
    block = np.zeros(rows * width, np.uint32)
    block[block.size - words.size :] = words
    columns = np.ascontiguousarray(block.reshape(rows, width).T)
    low, high = _word_tables()
    found = np.zeros(rows, np.uint32)
    for column in columns:
        found = found ^ column
        found = low[found & 0xFFFF] ^ high[found >> 16]
    while found.size > 1:
        found = _through(_past(width), found[0::2]) ^ found[1::2]
        width *= 2
    return int(found[0])


def _moved(value: int, words: int) -> int:
    """A checksum, moved past a number of words."""
    power = 1
    while words:
        if words & 1:
            low, high = _past(power)
            value = int(low[value & 0xFFFF] ^ high[value >> 16])
        words >>= 1
        power *= 2
    return value


def crc32c(data: Any, before: int = 0) -> int:
    """The CRC-32C of bytes.

    Args:
        data: Bytes, or an object with a buffer of bytes.
        before: The checksum of the bytes in front of them.

    Example:
        >>> hex(crc32c(b"123456789")), crc32c(b"6789", crc32c(b"12345")) == crc32c(b"123456789")
        ('0xe3069283', True)
    """
    view = memoryview(data).cast("B")
    value = before ^ 0xFFFFFFFF
    whole = view.nbytes // 4 if view.nbytes >= 512 else 0
    step = _ROWS * _WORDS
    for start in range(0, whole, step):
        words = np.frombuffer(view, "<u4", min(step, whole - start), start * 4)
        value = _moved(value, words.size) ^ _block(words)
    for byte in view[whole * 4 :].tobytes():
        value = _TABLE[(value ^ byte) & 0xFF] ^ value >> 8
    return value ^ 0xFFFFFFFF


def masked(value: int) -> int:
    """A checksum as TensorFlow's files store it."""
    return ((value >> 15 | value << 17) + _MASK_DELTA) & 0xFFFFFFFF


def unmasked(value: int) -> int:
    """The checksum that TensorFlow's files store as `value`."""
    rotated = (value - _MASK_DELTA) & 0xFFFFFFFF
    return (rotated >> 17 | rotated << 15) & 0xFFFFFFFF
