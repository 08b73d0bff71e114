"""Tables from files: CSV, TSV, JSON lines and Parquet, each also packed with gzip.

A table is read chunk by chunk into a temporary file, and its columns are read from there, so that
it need not fit in memory.
"""

import csv
import io
import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ..errors import InputError, near
from . import text as text_reading
from .disk import Chunked, StoredArray, StoredRows
from .files import read_blocks
from .parquet import has_negative_page
from .text import compose

if TYPE_CHECKING:
    import polars

KINDS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
# Rows of a Parquet file that are read at a time; of other files it is bytes, `text.CHUNK`.
ROWS = 50_000
# Characters of a field of a CSV file at most: a quotation mark that is not closed is told before
# all of a large file is in memory.
FIELD = 1 << 24
# Names by which columns are known, and a first line of one column that names it.
LABELS = (
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
)
TEXTS = (
    "text",
    "document",
    "sentence",
    "review",
    "content",
    "comment",
    "question",
    "message",
    "title",
)
LANGUAGES = (
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
)


# ---------------------------------------------------------------- files


def check_filled(path: Path) -> None:
    """An InputError where a file is empty, or is not there."""
    if not next(read_blocks(path, 1), b""):
        raise InputError(f"{str(path)!r} has nothing in it (0 bytes); give a file with data")


def _is_packed(path: Path) -> bool:
    return str(path).endswith(".gz")


def _chunks(path: Path) -> Iterator[str]:
    return text_reading.read_chunks(path, packed=_is_packed(path))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a file that may be packed with gzip, without their ends; an empty one for what
    follows the last end.

    Raises:
        InputError: As `data.read_text`.
    """
    kept = ""
    for text in _chunks(path):
        *whole, kept = (kept + text).split("\n")
        yield from whole
    yield kept


def listed(names) -> str:
    """Names as a message lists them: the first twenty."""
    names = list(names)
    return ", ".join(map(repr, names[:20])) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )


def _kind(path: Path) -> str:
    """The ending of a file's name that says what is in it: not .gz."""
    return Path(Path(path).name.removesuffix(".gz")).suffix.lower()


# ---------------------------------------------------------------- tables


class Table:
    """A table as it was read, in a temporary file.

    Args:
        path: Of the file that it was read from.
        frames: Its rows in order, as polars DataFrames; from all formats but Parquet, their columns
            are text.
        lines: The line in the file where each row starts, counted from 1; None where the format has
            no lines. They are there when the frames have been read.

    Attributes:
        names: Of the columns: "0", "1", ... where the file does not name them.
    """

    def __init__(
        self, path: Path, frames: Iterable["polars.DataFrame"], lines: Sequence[int] | None = None
    ):
        self.path, self.lines, self.starts, self.schema = path, lines, [0], {}
        self._frames = StoredRows(np.uint8)
        for frame in frames:
            content = io.BytesIO()
            frame.write_ipc(content)
            self._frames.extend([np.frombuffer(content.getbuffer(), np.uint8)])
            self.starts.append(self.starts[-1] + frame.height)
            self.schema = dict(frame.schema)
        # what has parts of its own is neither text nor a number
        self.names = [name for name, dtype in self.schema.items() if not dtype.is_nested()]

    def __len__(self):
        return self.starts[-1]

    def frame(self, chunk: int, names: list[str]) -> "polars.DataFrame":
        """Some columns of the rows of a chunk."""
        import polars

        return polars.read_ipc(io.BytesIO(self._frames[chunk].tobytes()), columns=names)

    def series(self, name: str) -> Iterator["polars.Series"]:
        """A column, chunk by chunk."""
        self.column(name)
        return (self.frame(chunk, [name])[name] for chunk in range(len(self._frames)))

    @property
    def headless(self) -> bool:
        """The file does not name its columns."""
        return self.names == _numbered(len(self.names))

    def where(self, row: int) -> str:
        """The file and the line of a row, as messages name it."""
        return (
            f"{str(self.path)!r} line {self.lines[row]}"
            if self.lines
            else f"{str(self.path)!r} row {row + 1}"
        )

    def column(self, name: str) -> Chunked:
        """A column as text; what is missing is "". Where there is none of that name, an InputError
        lists those there are.
        """
        import polars

        if name not in self.schema:
            raise InputError(
                f"{str(self.path)!r} has no column {name!r}{near(name, self.names)}; it has "
                f"{listed(self.names)}"
            )
        unlike = InputError(
            f"{str(self.path)!r}: the column {name!r} holds {self.schema[name]}; it should hold "
            f"text or numbers"
        )
        if name not in self.names:
            raise unlike

        def load(chunk: int) -> list[str]:
            try:
                return self.frame(chunk, [name])[name].cast(polars.String).fill_null("").to_list()
            except polars.exceptions.PolarsError:
                raise unlike from None

        return Chunked(self.starts, load)

    def find(self, known: tuple[str, ...], *, without: tuple[str | None, ...] = ()) -> str | None:
        """The first of these names, in any case of letters, that a column has."""
        folded = {name.casefold(): name for name in reversed(self.names) if name not in without}
        return next((folded[name] for name in known if name in folded), None)

    def texts(self, name: str) -> Chunked:
        """What `column` gives."""
        return self.column(name)

    def wordiest(self, names: Iterable[str]) -> str | None:
        """The column of these with most text; None of none."""
        return max(names, key=lambda name: sum(map(len, self.texts(name))), default=None)

    def full_texts(self, name: str, what: str) -> Chunked:
        """A column as text, without the space around it; a row without any is an InputError that
        calls it `what`.
        """
        column = self.column(name)
        texts = Chunked(self.starts, lambda chunk: [text.strip() for text in column.load(chunk)])
        for row, text in enumerate(texts):
            if not text:
                raise InputError(
                    f"{self.where(row)}: there is no {what} in the column {name!r}; write one, or "
                    f"take the row out"
                )
        return texts

    def is_numeric(self, name: str) -> bool:
        """A column holds numbers: at least half of what is in it is one."""
        import polars

        self.column(name)
        if self.schema[name] != polars.String:
            return self.schema[name].is_numeric()
        filled = numbers = 0
        for series in self.series(name):
            series = series.filter(series.str.strip_chars() != "")
            filled, numbers = (
                filled + len(series),
                numbers + int(as_numbers(series).is_not_null().sum()),
            )
        return filled > 0 and 2 * numbers >= filled

    def _numbers(self, chunk: int, names: list[str]) -> np.ndarray:
        """(rows of the chunk, columns) float64."""
        frame = self.frame(chunk, names)
        values = np.column_stack([as_numbers(frame[name]).to_numpy() for name in names])
        with np.errstate(over="ignore"):
            bad = np.argwhere(~np.isfinite(values.astype(np.float32)))
        if len(bad):
            row, place = bad[0].tolist()
            value = frame[names[place]][row]
            shown = "nothing" if value in (None, "") else repr(value)
            raise InputError(
                f"{self.where(self.starts[chunk] + row)}: there is {shown} in the column "
                f"{names[place]!r}, "
                "which should hold finite numbers; mend the value, or take the row out"
            )
        return values

    def numbers(self, names: list[str]) -> StoredArray:
        """Columns as (rows, columns) float64; what is missing, no number, or not finite in float32
        is an InputError.
        """
        for name in names:
            self.column(name)
        values = StoredArray(np.float64, (len(names),))
        for chunk in range(len(self._frames)):
            values.extend(self._numbers(chunk, names))
        return values

    def sequences(self, names: list[str], shape: tuple[int, int]) -> Chunked:
        """As `numbers`, but each row of its own: (T, F) float32."""
        for name in names:
            self.column(name)
        rows = Chunked(
            self.starts,
            lambda chunk: list(self._numbers(chunk, names).astype(np.float32).reshape(-1, *shape)),
        )
        for _ in rows:
            pass  # what is no number is to be told now
        return rows


def read_table(
    path: Path, *, is_header: Callable[[list[str], list[str]], bool] | None = None
) -> Table:
    """A table from CSV, TSV, TXT (tabs), JSON lines or Parquet, each also packed with gzip.

    A CSV file is separated by commas, semicolons or tabs, whichever its first line has most of. A
    TSV file is read literally: a quotation mark there is a letter.

    Args:
        path: Of the file.
        is_header: Whether the first line, given its fields and those of the second, names the
            columns. If not given, it does unless there is a number in it; in a table of one column,
            if it is a usual name or numbers follow.

    Raises:
        InputError: The file cannot be read, is of another kind, or has a broken row; the message
            names the line.
    """
    path, kind = Path(path), _kind(path)
    if kind not in KINDS:
        check_filled(path)
        raise InputError(
            f"{str(path)!r} is of no kind that is read as a table; "
            f"name it by its kind: {', '.join(KINDS)}, each also with .gz"
        )
    if kind == ".parquet":
        table = _read_parquet(path)
    elif kind in (".jsonl", ".ndjson"):
        table = _read_json_lines(path)
    else:
        table = _read_separated(path, kind, is_header or names_columns)
    if not len(table):
        raise InputError(f"{str(path)!r} has names of columns and no rows; give a file with data")
    return table


def _read_separated(
    path: Path, kind: str, is_header: Callable[[list[str], list[str]], bool]
) -> Table:
    head = next((line for line in read_lines(path) if line), "")
    # what stands between quotation marks separates nothing
    outside = "".join(head.split('"')[::2])
    separator = max(",;\t", key=outside.count) if kind == ".csv" else "\t"

    def rows() -> Iterator[tuple[int, list[str]]]:
        # An empty line is a row only where there is one column, an empty text, and only before
        # others that are not.
        first, empty = None, []
        for line, fields in (
            _quoted_rows(path, separator) if kind == ".csv" else _literal_rows(path, separator)
        ):
            if not fields:
                empty.append(line)
                continue
            first = first or (line, len(fields))
            if len(fields) != first[1]:
                mend = (
                    f", or put quotation marks around a field with {separator!r} in it"
                    if kind == ".csv"
                    else ": separate it by tabs"
                )
                raise InputError(
                    f"{str(path)!r} line {line} has {len(fields)} fields, and line {first[0]} has "
                    f"{first[1]}; "
                    f"mend the line{mend}"
                )
            if len(fields) == 1:
                yield from ((blank, [""]) for blank in empty)
            empty.clear()
            yield line, fields

    every = rows()
    first = next(every)
    second = next(every, first)
    names = _numbered(len(first[1]))
    begun = [first] if second is first else [first, second]
    if is_header(first[1], second[1]):
        names, begun = _header_names(first[1], path), begun[1:]
    return _text_table(path, names, chain(begun, every))


def _literal_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number of each line, and its fields; an empty line has none."""
    return (
        (number, line.split(separator) if line else [])
        for number, line in enumerate(read_lines(path), 1)
    )


def _quoted_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line where each row starts, and its fields; an empty line has none."""
    csv.field_size_limit(max(FIELD, csv.field_size_limit()))
    reader = csv.reader(
        (line + "\n" for line in read_lines(path)), delimiter=separator, strict=True
    )
    start = 1
    try:
        for row in reader:
            yield start, row
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(
            f"{str(path)!r} line {start}: a quotation mark is not closed, or is in the midst of a "
            f"quoted field "
            f'({error}); put them around the whole field, and write one inside it twice: ""'
        ) from error


def _text_table(path: Path, names: list[str], rows: Iterable[tuple[int, list[str]]]) -> Table:
    """A table of rows of text, each with the number of its line."""
    import polars

    lines, schema = StoredArray(np.uint32), dict.fromkeys(names, polars.String)

    def frames() -> Iterator["polars.DataFrame"]:
        begun, starts, size = [], array("I"), 0
        for line, fields in rows:
            starts.append(line)
            begun.append(fields)
            size += sum(map(len, fields)) + len(fields)
            if size >= text_reading.CHUNK:
                lines.extend(starts)
                yield polars.DataFrame(dict(zip(names, zip(*begun))), schema=schema)
                begun, starts, size = [], array("I"), 0
        lines.extend(starts)
        yield polars.DataFrame(dict(zip(names, zip(*begun))) if begun else None, schema=schema)

    return Table(path, frames(), lines)


def names_columns(first: list[str], second: list[str]) -> bool:
    """Whether the first line, with the second one after it, names the columns; see `read_table`."""
    import polars

    numbers = (
        as_numbers(polars.Series([*first, *second[:1]], dtype=polars.String))
        .is_not_null()
        .to_list()
    )
    known = len(first) > 1 or first[0].strip().casefold() in {*TEXTS, *LABELS, *LANGUAGES}
    return not any(numbers[: len(first)]) and (known or any(numbers))


def names_known(
    known: Iterable[str | None], *, texts: bool = False
) -> Callable[[list[str], list[str]], bool]:
    """As `names_columns`, where some columns are known by their names, or by their numbers where
    the file names none.

    Args:
        known: The names; None is none.
        texts: The columns hold texts: that there is a number in the second line tells nothing of
            the first.
    """
    known = {*known} - {None}

    def is_header(first: list[str], second: list[str]) -> bool:
        if known and known <= {*_numbered(len(first))}:
            return False
        return not known.isdisjoint(field.strip() for field in first) or names_columns(
            first, first if texts else second
        )

    return is_header


def _header_names(fields: list[str], path: Path) -> list[str]:
    names = [field.strip() for field in fields]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(
            f"{str(path)!r} has two columns {twice!r}; give each its own name in the first line"
        )
    return names


def _numbered(count: int) -> list[str]:
    return [str(place) for place in range(count)]


def as_numbers(series: "polars.Series") -> "polars.Series":
    """As float64; null where there is no number."""
    import polars

    return (series.str.strip_chars() if series.dtype == polars.String else series).cast(
        polars.Float64, strict=False
    )


def _read_json_lines(path: Path) -> Table:
    first, record = next(_json_records(path), (0, {}))
    names = list(record)

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, record in _json_records(path):
            where = f"{str(path)!r} line {number}"
            if set(record) != set(names):
                raise InputError(
                    f"{where} has {len(record)} fields ({listed(record)}), and line {first} has "
                    f"{len(names)} "
                    f"({listed(names)}); give each line the same fields"
                )
            yield number, [_json_text(record[name], name, where) for name in names]

    return _text_table(path, list(map(compose, names)), rows())


def _json_records(path: Path) -> Iterator[tuple[int, dict]]:
    """The number of each line that holds an object, and the object."""
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        where = f"{str(path)!r} line {number}"
        try:
            record = json.loads(line)
            # Half of a pair of surrogates, written as \ud800, is no text.
            json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InputError(
                f'{where} is no JSON ({error}); write one object in each line: {{"text": ...}}'
            ) from error
        if not isinstance(record, dict) or not record:
            raise InputError(
                f'{where} holds {line[:40]}; write one object in each line: {{"text": ...}}'
            )
        yield number, record


def _json_text(value, name: str, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise InputError(
            f"{where}: {name!r} holds a {type(value).__name__}; a field should hold text or a "
            f"number"
        )
    return compose(value) if isinstance(value, str) else "" if value is None else json.dumps(value)


def _read_parquet(path: Path) -> Table:
    import polars

    check_filled(path)
    try:
        if not _is_packed(path):
            return Table(path, _parquet_frames(path))
        with tempfile.NamedTemporaryFile(prefix="ostinato-") as unpacked:
            for block in read_blocks(path, text_reading.CHUNK, packed=True):
                unpacked.write(block)
            unpacked.flush()
            return Table(path, _parquet_frames(Path(unpacked.name)))
    # A panic is what polars raises for some damage inside; it is no Exception.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut short or no Parquet file "
            f"({error}); "
            "get it again"
        ) from error


def _parquet_frames(path: Path) -> Iterator["polars.DataFrame"]:
    import polars

    if has_negative_page(path):
        raise polars.exceptions.ComputeError("a page of fewer than 0 values")
    whole, text, time = (
        polars.scan_parquet(path, glob=False),
        polars.col(polars.String),
        polars.col(polars.Datetime("ns")),
    )
    height = whole.select(polars.len()).collect().item()
    for start in range(0, max(1, height), ROWS):
        frame = whole.slice(start, ROWS).collect()
        # dates as they are written know no billionths of a second
        yield frame.with_columns(
            text.str.normalize("NFC").str.replace_all("\r\n?", "\n"), time.dt.cast_time_unit("us")
        )
