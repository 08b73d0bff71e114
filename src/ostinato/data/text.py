"""Private: reading of text files as composed characters.

A character is a grapheme cluster (Unicode Annex 29) after NFC normalisation, so a Korean syllable,
an accented letter or a family emoji is one character, however the file spells it.
"""

import codecs
import unicodedata
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

import regex

from ..errors import InputError
from .files import read_blocks

# Bytes of a file read at a time.
CHUNK = 1 << 20
# Code points that can be part of a longer grapheme cluster; in a text without them, each code point
# is one character.
_JOINING = regex.compile(
    r"[\r\p{GCB=Extend}\p{GCB=ZWJ}\p{GCB=SpacingMark}\p{GCB=Prepend}\p{GCB=L}\p{GCB=V}\p{GCB=T}"
    r"\p{GCB=Regional_Indicator}]"
)
_MARKS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}


# ---------------------------------------------------------------- text


def read_text(path: Path) -> str:
    """Read a UTF-8 file or pipe, normalised to NFC, with "\\n" as line end.

    Raises:
        InputError: The file is missing, a directory, empty, or not UTF-8; the message gives the
            position.
    """
    return "".join(read_chunks(path, once=True))


def read_chunks(
    path: Path, *, size: int | None = None, packed: bool = False, once: bool = False
) -> Iterator[str]:
    """Read a text as `read_text` does, chunk by chunk.

    Args:
        path: The file.
        size: Bytes read at a time; `CHUNK` by default.
        packed: The file is compressed with gzip.
        once: As in `files.read_blocks`.

    Yields:
        Text that ends at a line end, or at a character if the chunk has no line end.
    """
    kept, empty, count = "", True, 0

    def blocks() -> Iterator[bytes]:
        nonlocal count
        for block in read_blocks(path, size or CHUNK, packed=packed, once=once):
            count += len(block)
            yield block

    for text in _decoded(blocks(), path, packed):
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


def _decoded(blocks: Iterable[bytes], path: Path, packed: bool) -> Iterator[str]:
    """Decode blocks of UTF-8, without a byte order mark."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    before, lines, head, started = 0, 0, None, False
    for block in chain(blocks, [b""]):
        head = head or block[:3]
        kept, _ = decoder.getstate()
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            encoding = next((name for mark, name in _MARKS.items() if head.startswith(mark)), None)
            line = lines + error.object.count(b"\n", 0, error.start) + 1
            raise InputError(
                f"{str(path)!r} is not UTF-8: byte {before - len(kept) + error.start} (line "
                f"{line}) is 0x{error.object[error.start]:02x}"
                + (f", and it starts like {encoding}" if encoding else "")
                + "; write it as UTF-8, for example: "
                + (f"zcat {path} | " if packed else "")
                + f"iconv -f {encoding or 'ENCODING'} -t utf-8 {'' if packed else f'{path} '}> "
                "utf8.txt"
            ) from error
        yield text if started else text.removeprefix("\ufeff")
        started = started or text != ""
        before, lines = before + len(block), lines + block.count(b"\n")


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
