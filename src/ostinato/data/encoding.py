"""Private: the encoding of a text file: UTF-8, UTF-16 with or without a mark, and CP949.

CP949 contains EUC-KR. A file that is not UTF-8 is read as CP949 only if the result is plausible
Korean; any other encoding is an error that says how to convert the file.
"""

import codecs
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from ..errors import InputError

# Bytes from which the encoding is recognised.
HEAD = 1 << 12
# Bytes that are checked to be Korean before a file is read as CP949.
SAMPLE = 1 << 16
# Minimum number of syllables to recognise CP949 by their frequency.
SYLLABLES = 8
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# Frequent syllables of Korean text: more than half of any text, and one in twenty of all syllables
# in EUC-KR. Bytes of another encoding read as CP949 seldom give them.
_FREQUENT = frozenset(
    "이다는에의가고을하지를은로도한사기서어인리자그시대나해아있일정수보라과제스장부전으적들여주만게"
    "성구상선원것동면니관경문세없음좋화영감재말비유안공국오조생안네거요러습긍별신중무소치회간반행"
)


def decode_blocks(
    blocks: Iterable[bytes], path: Path, *, packed: bool = False, notes: list[str] | None = None
) -> Iterator[str]:
    """Decode the blocks of a text file, without byte order marks.

    Args:
        blocks: The content of the file.
        path: The file, for messages.
        packed: The file is compressed with gzip.
        notes: A list to which a note is added if the file is not plain UTF-8.

    Raises:
        InputError: The file is in another encoding, or is not text; the message gives the position
            and says how to convert the file.
    """
    notes = [] if notes is None else notes
    blocks = iter(blocks)
    head = _read_ahead(blocks, HEAD)
    encoding = _encoding_of(head)
    if not encoding.startswith("utf-8"):
        _add(notes, f"read as {encoding.upper()}, not UTF-8")
    decoder, before, lines, ascii_only = codecs.getincrementaldecoder(encoding)(), 0, 0, True
    joined = False
    for block in chain([head], blocks, [b""]):
        kept, _ = decoder.getstate()
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            rest = kept + block + _read_ahead(blocks, SAMPLE)
            if not (encoding == "utf-8" and ascii_only and _is_korean(rest)):
                place = before - len(kept) + error.start
                line = lines + error.object.count(b"\n", 0, error.start) + 1
                byte = error.object[error.start]
                raise _unlike(path, encoding, place, line, byte, packed) from error
            encoding, block = "cp949", rest
            decoder = codecs.getincrementaldecoder(encoding)()
            _add(notes, "read as CP949 (Korean), not UTF-8")
            text = decoder.decode(block)
        if "\0" in text:
            raise InputError(
                f"{str(path)!r} line {lines + text.count(chr(10), 0, text.index(chr(0))) + 1} has "
                "a NUL character: it is not a text file, or is in UTF-16; write it as UTF-8, for "
                f"example: {_conversion(path, packed, 'utf-16')}"
            )
        if "\ufeff" in text:
            if not joined and (lines or text.index("\ufeff")):
                joined = True
                line = lines + text.count("\n", 0, text.index("\ufeff")) + 1
                _add(notes, f"a byte order mark inside the file was removed (first in line {line})")
            text = text.replace("\ufeff", "")
        ascii_only = ascii_only and text.isascii()
        yield text
        before, lines = before + len(block), lines + text.count("\n")


def _add(notes: list[str], note: str) -> None:
    """Add a note, unless an earlier pass over the file has added it."""
    if note not in notes:
        notes.append(note)


def _read_ahead(blocks: Iterator[bytes], size: int) -> bytes:
    """At least `size` bytes of the next blocks, or all that are left."""
    read: list[bytes] = []
    while sum(map(len, read)) < size and (block := next(blocks, b"")):
        read.append(block)
    return b"".join(read)


def _encoding_of(head: bytes) -> str:
    """The encoding that the start of a file shows; "utf-8" if it shows none."""
    marked = next((name for mark, name in _MARKS if head.startswith(mark)), None)
    if marked:
        return marked
    # Text in UTF-16 has line ends, spaces or digits, and a NUL in each, at one parity. English is
    # half NULs; with fewer of them, bytes that are all ASCII are a text with a few NULs in it.
    if head.isascii() and 4 * head.count(0) < len(head):
        return "utf-8"
    for encoding, place in (("utf-16-le", 1), ("utf-16-be", 0)):
        even = head[: len(head) // 2 * 2]
        zeros, others = even[place::2].count(0), even[1 - place :: 2].count(0)
        # the low byte of a letter may be 0 too, such as that of U+AC00
        if zeros > max(len(even) // 40, 4 * others):
            decoded = even.decode(encoding, "replace")
            if "\ufffd" not in decoded[:-1] and not any(map(_is_control, decoded)):
                return encoding
    return "utf-8"


def _is_control(letter: str) -> bool:
    return letter < " " and letter not in "\t\n\r\f"


def _is_korean(content: bytes) -> bool:
    """Whether bytes are Korean text in CP949, by the frequency of their syllables."""
    try:
        text = codecs.getincrementaldecoder("cp949")().decode(content)
    except UnicodeDecodeError:
        return False
    letters = [letter for letter in text if letter > "\x7f" and letter.isalpha()]
    syllables = [letter for letter in letters if "가" <= letter <= "힣"]
    frequent = sum(letter in _FREQUENT for letter in syllables)
    return len(syllables) >= max(SYLLABLES, 0.9 * len(letters)) and frequent >= 0.25 * len(
        syllables
    )


def _conversion(path: Path, packed: bool, encoding: str) -> str:
    read = f"zcat {path} | " if packed else ""
    return f"{read}iconv -f {encoding} -t utf-8 {'' if packed else f'{path} '}> utf8.txt"


def _unlike(
    path: Path, encoding: str, place: int, line: int, byte: int, packed: bool
) -> InputError:
    if encoding.startswith("utf-8"):
        return InputError(
            f"{str(path)!r} is not UTF-8: byte {place} (line {line}) is 0x{byte:02x}; write it as "
            f"UTF-8, for example: {_conversion(path, packed, 'ENCODING')} (ENCODING is cp949 for "
            "Korean, cp932 for Japanese, gb18030 for Chinese, cp1252 for western Europe)"
        )
    return InputError(
        f"{str(path)!r} starts like {encoding.upper()} and is not: byte {place} (line {line}) is "
        f"0x{byte:02x}; save the file as UTF-8"
    )
