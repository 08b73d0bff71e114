"""Private: reading of text files as composed characters.

A character is a grapheme cluster (Unicode Annex 29) after NFC normalisation, so a Korean syllable,
an accented letter or a family emoji is one character, however the file spells it.
"""

import unicodedata
from collections.abc import Iterator
from pathlib import Path

import regex

from ..errors import InputError
from .encoding import decode_blocks
from .files import read_blocks

# Bytes of a file read at a time.
CHUNK = 1 << 20
# Code points that can be part of a longer grapheme cluster; in a text without them, each code point
# is one character.
_JOINING = regex.compile(
    r"[\r\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{GCB=T}"
    r"\p{GCB=Regional_Indicator}]"
)


# ---------------------------------------------------------------- text


def read_text(path: Path, *, notes: list[str] | None = None) -> str:
    """Read a text file or pipe, normalised to NFC, with "\\n" as line end.

    Args:
        path: The file: UTF-8, or what `encoding.decode_blocks` recognises.
        notes: As in `encoding.decode_blocks`.

    Raises:
        InputError: The file is missing, a directory, empty, or in another encoding; the message
            gives the position.
    """
    return "".join(read_chunks(path, once=True, notes=notes))


def read_chunks(
    path: Path,
    *,
    size: int | None = None,
    packed: bool = False,
    once: bool = False,
    notes: list[str] | None = None,
) -> Iterator[str]:
    """Read a text as `read_text` does, chunk by chunk.

    Args:
        path: The file.
        size: Bytes read at a time; `CHUNK` by default.
        packed: The file is compressed with gzip.
        once: As in `files.read_blocks`.
        notes: As in `encoding.decode_blocks`.

    Yields:
        Text that ends at a line end, or at a character if the chunk has no line end.
    """
    kept, empty, count = "", True, 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for block in read_blocks(path, size or CHUNK, packed=packed, once=once):
            count += len(block)
            yield block

    for text in decode_blocks(blocks(), path, packed=packed, notes=notes):
        text = kept + text
        # a line end or a complete character is not affected by the text after it
        end = text.rfind("\n") + 1 or len(text) - len((regex.findall(r"\X", text) or [""])[-1])
        text, kept = text[:end], text[end:]
        empty = empty and not text.strip()
        yield compose(text)
    if empty and not kept.strip():
        raise InputError(
            f"{str(path)!r} is empty: it has no text ({count} bytes{' unpacked' * packed}); give a "
            "file with text"
        )
    yield compose(kept)


def compose(text: str) -> str:
    """Normalise a text: NFC, "\\n" as line end."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def given_text(text: str, of: str = "") -> str:
    """Normalise a text from Python or the command line; `of` is the start of an error message.

    Raises:
        InputError: The value is not text or is not valid UTF-8.
    """
    if not isinstance(text, str):
        raise InputError(f'{of}{text!r} is not text; write a text, or "" for an empty one')
    if any("\ud800" <= letter <= "\udfff" for letter in text):
        raise InputError(
            f"{of}{text!r}: the text is not valid UTF-8; use a UTF-8 terminal, or leave it out"
        )
    return compose(text)


def characters(text: str) -> list[str]:
    """The characters (grapheme clusters) of a composed text.

    Example:
        >>> characters(compose("한글 e\\u0301"))
        ['한', '글', ' ', 'é']
    """
    return regex.findall(r"\X", text) if _JOINING.search(text) else list(text)
