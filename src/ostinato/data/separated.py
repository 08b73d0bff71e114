"""Private: the layout of a text file with rows: its separator, its header, and its fields.

Each decision is explained by a note, so that a user can see what was decided.
"""

import csv
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Literal

from ..errors import InputError
from . import text as text_reading
from .files import is_packed

# Maximum number of characters in a CSV field, so that an unclosed quotation mark is reported before
# a large file is in memory.
FIELD = 1 << 24
# Rows after the first by which a header is recognised, and lines by which a separator is.
SAMPLE = 50
# The start of a label in the format of fastText.
FASTTEXT = "__label__"
SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars", " ": "spaces"}
_NUMBER = re.compile(
    r"\s*([-+−]?[\d.,' \u00a0]*\d[.,]*(e[-+]?\d+)?\s*%?|[-+]?(nan|inf))\s*", re.IGNORECASE
)
# Usual column names. They also identify the header of a file with one column.
LABEL_COLUMNS = (
    "label",
    "labels",
    "class",
    "category",
    "y",
    "target",
    "sentiment",
    "intent",
    "topic",
    "rating",
    "stars",
    "라벨",
    "레이블",
    "분류",
    "감정",
    "감성",
    "카테고리",
    "의도",
    "주제",
    "정답",
    "평점",
    "별점",
)
TEXT_COLUMNS = (
    "text",
    "document",
    "sentence",
    "review",
    "content",
    "comment",
    "question",
    "message",
    "title",
    "문장",
    "텍스트",
    "본문",
    "내용",
    "리뷰",
    "댓글",
    "질문",
    "발화",
    "제목",
)
LANGUAGE_COLUMNS = (
    "source",
    "target",
    "src",
    "tgt",
    "english",
    "french",
    "korean",
    "german",
    "spanish",
    "japanese",
    "chinese",
    "원문",
    "번역문",
    "영어",
    "한국어",
    "영문",
    "한글",
)
# Decides from the fields of the first line and of the rows after it whether the first line is a
# header.
HeaderTest = Callable[[list[str], list[list[str]]], bool]


@dataclass(frozen=True)
class Layout:
    """The names of the columns and the rows of a file.

    Attributes:
        names: The names of the columns: "0", "1", ... without a header.
        rows: The line number and the fields of each row.
        header: Whether the first line names the columns; "none" if the format has no such line.
    """

    names: list[str]
    rows: Iterator[tuple[int, list[str]]]
    header: Literal["yes", "no", "none"]


def read_lines(path: Path, *, notes: list[str] | None = None) -> Iterator[str]:
    """The lines of a file (optionally gzip), without line ends; the last is empty if the file ends
    with a line end.

    Args:
        path: The file.
        notes: As in `encoding.decode_blocks`.

    Raises:
        InputError: As `text.read_text`.
    """
    kept = ""
    for text in text_reading.read_chunks(path, packed=is_packed(path), notes=notes):
        *whole, kept = (kept + text).split("\n")
        yield from whole
    yield kept


def read_layout(
    path: Path,
    kind: str,
    *,
    is_header: HeaderTest,
    header: bool | None = None,
    notes: list[str],
) -> Layout:
    """Find the separator and the header of a file.

    Args:
        path: The file.
        kind: Its suffix: ".csv" has quotation marks, ".tsv" has none, ".txt" may be either.
        is_header: Decides whether the first line is a header, if `header` is None.
        header: Whether the first line is a header; None to find out.
        notes: A list to which notes are added.

    Raises:
        InputError: A row is broken; the message names the line.
    """
    head = [line for line in islice(read_lines(path, notes=notes), 2 * SAMPLE) if line.strip()]
    if head and head[0].lstrip().startswith(FASTTEXT) and header is None:
        notes.append(f"{FASTTEXT} starts the label of each line (fastText format)")
        return Layout(["label", "text"], _fasttext_rows(path, notes), "none")
    separator, quoted = _separator_of(kind, head)
    if separator != {".csv": ","}.get(kind, "\t") and any(separator in line for line in head):
        notes.append(f"columns are separated by {SEPARATORS[separator]}")
    rows = _equal_rows(path, separator, quoted=quoted, notes=notes)
    first = next(rows)
    rest = list(islice(rows, SAMPLE))
    fields = [row for _, row in rest]
    if header if header is not None else is_header(first[1], fields):
        return Layout(_header_names(first[1], path), chain(rest, rows), "yes")
    return Layout(numbered(len(first[1])), chain([first, *rest], rows), "no")


# ---------------------------------------------------------------- separators


def _separator_of(kind: str, head: list[str]) -> tuple[str, bool]:
    """The separator, and whether fields may be in quotation marks."""
    if kind == ".csv":
        counts = {mark: [_outside(line).count(mark) for line in head] for mark in ";,\t|"}
        # one that occurs equally often in each line; decimal commas do so too, after semicolons
        for mark, numbers in counts.items():
            if numbers and numbers[0] and len({*numbers}) == 1:
                return mark, True
        best = max(",;\t|", key=lambda mark: counts[mark][:1])
        return (" ", False) if not counts[best][:1] > [0] and _splits(head, " ") else (best, True)
    if not head or "\t" in head[0]:
        return "\t", False
    for mark in ",; ":
        if _splits(head, mark):
            return mark, mark != " "
    return "\t", False


def _outside(line: str) -> str:
    """A line without what is inside quotation marks."""
    return "".join(line.split('"')[::2])


def _splits(head: list[str], mark: str) -> bool:
    """Whether a separator divides lines into columns and not a text into words: each line gives
    the same number of fields, and all columns, or all but one, hold numbers or dates.
    """
    split = [_outside(line).split(None if mark == " " else mark) for line in head]
    if len({len(fields) for fields in split}) != 1 or len(split[0]) < 2:
        return False
    if mark != " " and {*map(_folded, split[0])} & {*TEXT_COLUMNS, *LABEL_COLUMNS}:
        return True
    columns = [*zip(*(split[1:] or split))]
    counted = sum(all(map(_is_count, column)) for column in columns)
    return counted >= max(1, len(columns) - 1)


def _is_count(field: str) -> bool:
    """Whether a field is a number, or is a date by its first and last characters."""
    field = field.strip()
    dated = re.fullmatch(r"\d+[-/.:]\S*\d[Zz]?", field) is not None
    return is_number(field) or dated


def is_number(field: str) -> bool:
    """Whether a field is written like a number.

    Example:
        >>> [is_number(field) for field in ("1.5", "1,100.00", "5 %", "nan", "", "a1")]
        [True, True, True, True, False, False]
    """
    return _NUMBER.fullmatch(field) is not None


# ---------------------------------------------------------------- rows


def _equal_rows(
    path: Path, separator: str, *, quoted: bool, notes: list[str]
) -> Iterator[tuple[int, list[str]]]:
    """The rows, which must have as many fields as the first."""
    # An empty line is a row (an empty text) only in a file with one column, and not at its end.
    first, empty = None, []
    for line, fields in (_quoted_rows if quoted else _literal_rows)(path, separator, notes):
        if not fields:
            empty.append(line)
            continue
        first = first or (line, len(fields))
        if len(fields) != first[1]:
            remedy = (
                f", or put quotation marks around a field with {separator!r} in it"
                if quoted
                else f": separate it by {SEPARATORS[separator]}"
            )
            raise InputError(
                f"{str(path)!r} line {line} has {len(fields)} fields, and line {first[0]} has "
                f"{first[1]}; fix the line{remedy}"
            )
        if len(fields) == 1:
            yield from ((blank, [""]) for blank in empty)
        empty.clear()
        yield line, fields


def _literal_rows(path: Path, separator: str, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line; an empty line has no fields."""
    for number, line in enumerate(read_lines(path, notes=notes), 1):
        if separator == " ":
            yield number, line.split()
        else:
            yield number, line.split(separator) if line else []


def _quoted_rows(path: Path, separator: str, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The first line number and the fields of each row; an empty line has no fields."""
    csv.field_size_limit(max(FIELD, csv.field_size_limit()))
    reader = csv.reader(
        (line + "\n" for line in read_lines(path, notes=notes)), delimiter=separator, strict=True
    )
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{str(path)!r} line {start}: a quotation mark is not closed, or is inside a "
            f"quoted field "
            f'({error}); quote the whole field, and write a quotation mark inside it twice: ""'
        ) from error


def _fasttext_rows(path: Path, notes: list[str]) -> Iterator[tuple[int, list[str]]]:
    """The label and the text of each line in the format of fastText.

    Source:
        fasttext.cc/docs/en/supervised-tutorial.html
    """
    for number, line in enumerate(read_lines(path, notes=notes), 1):
        if not line.strip():
            continue
        label, text = [*line.split(None, 1), ""][:2]
        where = f"{str(path)!r} line {number}"
        if not label.startswith(FASTTEXT) or label == FASTTEXT:
            raise InputError(
                f"{where} does not start with {FASTTEXT} and a label; write one, or remove the line"
            )
        if text.lstrip().startswith(FASTTEXT):
            raise InputError(
                f"{where} has several labels; keep one, or write a table with the labels of a row "
                "in one column, a|b, and train with --multi-label"
            )
        yield number, [label.removeprefix(FASTTEXT), text.strip()]


# ---------------------------------------------------------------- headers


def names_columns(first: list[str], rest: list[list[str]]) -> bool:
    """Whether the first line is a header.

    A line without numbers is a header, unless one of its fields occurs again in its column. A line
    with numbers is a header if they count the columns, as pandas writes them (`label,0,1,2`), or
    if they are consecutive years. In a file with one column a header is a usual name, or is
    followed by numbers.

    Args:
        first: The fields of the first line.
        rest: The fields of the rows after it, up to `SAMPLE`.

    Example:
        >>> names_columns(["label", "0", "1"], [["a", "0.5", "2.5"]])
        True
        >>> names_columns(["ham", "see you"], [["spam", "win now"], ["ham", "are you in"]])
        False
    """
    words = [field for field in first if not is_number(field)]
    known = any(_is_usual(field) for field in first)
    if not known and any(
        field == row[place] and field.strip() and not is_number(field)
        for place, field in enumerate(first)
        for row in rest
        if len(row) == len(first)
    ):
        return False
    if len(words) == len(first):
        return len(first) > 1 or known or bool(rest and is_number(rest[0][0]))
    counted = [field for field in first if is_number(field)]
    if not _is_consecutive(counted) or not rest:
        return False
    second = [row for row in rest[:1] if len(row) == len(first)]
    if any(_is_consecutive([field for field in row if is_number(field)]) for row in second):
        return len(counted) == 1 and bool(words) and all(map(_is_named, words))
    if words:
        return all(map(_is_named, words)) or len(counted) > 2
    start, years = int(counted[0]), all(1800 <= int(field) <= 2200 for field in counted)
    decimals = any("." in field for row in rest for field in row)
    return (start == 0 and len(counted) > 2 and decimals) or (
        len(counted) > (2 if years else 5) and (years or start in (0, 1))
    )


def _folded(field: str) -> str:
    return field.strip().casefold()


def _is_usual(field: str) -> bool:
    return _folded(field) in {*TEXT_COLUMNS, *LABEL_COLUMNS, *LANGUAGE_COLUMNS}


def _is_named(field: str) -> bool:
    """Whether a field is a usual name, or the empty name of pandas' index."""
    return not field.strip() or _is_usual(field) or field.strip().startswith("Unnamed:")


def _is_consecutive(fields: list[str]) -> bool:
    """Whether fields are whole numbers that increase by 1."""
    if not fields or not all(re.fullmatch(r"\s*\d{1,9}\s*", field) for field in fields):
        return False
    numbers = [int(field) for field in fields]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def names_known(known: set[str | None], *, texts: bool = False) -> HeaderTest:
    """As `names_columns`, if some columns are known by name, or by number in a file without a
    header.

    Args:
        known: The names; None is ignored.
        texts: The columns hold text, so a number in the second line says nothing about the first.
    """
    names = known - {None}

    def is_header(first: list[str], rest: list[list[str]]) -> bool:
        if not names.isdisjoint(field.strip() for field in first):
            # a numbered column of a file without a header is not a name in the first line
            return not names <= {*numbered(len(first))} or names_columns(first, rest)
        if names and names <= {*numbered(len(first))}:
            return False
        return names_columns(first, [first] if texts and len(first) == 1 else rest)

    return is_header


def _header_names(fields: list[str], path: Path) -> list[str]:
    names = [field.strip() for field in fields]
    for place, name in enumerate(names):
        if name in names[:place]:
            if not name:
                names[place] = f"Unnamed: {place}"
                continue
            raise InputError(
                f"{str(path)!r} has two columns {name!r}; give each column its own name in the "
                "first line"
            )
    return names


def numbered(count: int) -> list[str]:
    """The names of the columns of a file without a header.

    Example:
        >>> numbered(3)
        ['0', '1', '2']
    """
    return [str(place) for place in range(count)]
