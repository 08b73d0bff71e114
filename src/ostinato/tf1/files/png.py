"""Private: images as PNG files."""

import struct
import zlib

import numpy as np

__all__ = ["png_bytes"]

_COLOURS = {1: 0, 2: 4, 3: 2, 4: 6}  # channels, and their number in the format


def _chunk(kind: bytes, data: bytes) -> bytes:
    checked = kind + data
    return struct.pack(">I", len(data)) + checked + struct.pack(">I", zlib.crc32(checked))


def png_bytes(image: np.ndarray) -> bytes:
    """An image as a PNG file.

    Args:
        image: uint8, (height, width, channels), with 1 to 4 channels.
    """
    height, width, channels = image.shape
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOURS[channels], 0, 0, 0)
    rows = np.zeros((height, 1 + width * channels), np.uint8)  # each row begins with its filter, 0
    rows[:, 1:] = image.reshape(height, -1)
    return b"".join(
        [
            b"\x89PNG\r\n\x1a\n",
            _chunk(b"IHDR", head),
            _chunk(b"IDAT", zlib.compress(rows.tobytes())),
            _chunk(b"IEND", b""),
        ]
    )
