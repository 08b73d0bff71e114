"""Private: tables from CSV, TSV, JSON lines and Parquet files, optionally compressed with gzip.

A table is read chunk by chunk into a temporary file, and its columns are read from there, so it
need not fit in memory.
"""

import csv
import io
import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError, near
from . import text as text_reading
from .disk import ChunkedSequence, StoredArray, StoredRows
from .files import read_blocks
from .parquet import has_negative_page
from .summary import ColumnUse, DataSummary
from .text import compose

if TYPE_CHECKING:
    import polars

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
# Rows of a Parquet file read at a time; other files are read in chunks of `text.CHUNK` bytes.
PARQUET_ROWS = 50_000
# Maximum number of characters in a CSV field, so that an unclosed quotation mark is reported before
# a large file is in memory.
FIELD = 1 << 24
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
)


# ---------------------------------------------------------------- files


def check_not_empty(path: Path) -> None:
    """Raise an InputError if a file is empty or does not exist."""
    if not next(read_blocks(path, 1), b""):
        raise InputError(f"{str(path)!r} is empty (0 bytes); give a file with data")


def _is_packed(path: Path) -> bool:
    return str(path).endswith(".gz")


def _chunks(path: Path) -> Iterator[str]:
    return text_reading.read_chunks(path, packed=_is_packed(path))


def read_lines(path: Path) -> Iterator[str]:
    """The lines of a file (optionally gzip), without line ends; the last is empty if the file ends
    with a line end.

    Raises:
        InputError: As `text.read_text`.
    """
    kept = ""
    for text in _chunks(path):
        *whole, kept = (kept + text).split("\n")
        yield from whole
    yield kept


def listed(names) -> str:
    """Up to twenty names, quoted and separated by commas, for a message."""
    names = list(names)
    return ", ".join(map(repr, names[:20])) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )


def _kind(path: Path) -> str:
    """The suffix of a file name, ignoring .gz."""
    return Path(Path(path).name.removesuffix(".gz")).suffix.lower()


# ---------------------------------------------------------------- tables


class Table:
    """A table in a temporary file.

    Args:
        path: The file that was read.
        frames: The rows in order, as polars DataFrames; all columns are text unless the format is
            Parquet.
        lines: The line number where each row starts, counted from 1; None if the format has no
            lines. Available once the frames have been read.
        header: Whether the first line names the columns; "none" if the format has no such line.

    Attributes:
        names: The names of the columns: "0", "1", ... if the file has no header.
        notes: What was decided in reading, for the summary.
    """

    def __init__(
        self,
        path: Path,
        frames: Iterable["polars.DataFrame"],
        lines: Sequence[int] | None = None,
        *,
        header: Literal["yes", "no", "none"] = "none",
    ):
        self.path, self.lines, self.starts, self.schema = path, lines, [0], {}
        self.header = header
        self.notes: list[str] = []
        self._frames = StoredRows(np.uint8)
        for frame in frames:
            content = io.BytesIO()
            frame.write_ipc(content)
            self._frames.extend([np.frombuffer(content.getbuffer(), np.uint8)])
            self.starts.append(self.starts[-1] + frame.height)
            self.schema = dict(frame.schema)
        # nested columns are neither text nor numbers
        self.names = [name for name, dtype in self.schema.items() if not dtype.is_nested()]

    def __len__(self):
        return self.starts[-1]

    def frame(self, chunk: int, names: list[str]) -> "polars.DataFrame":
        """Some columns of a chunk."""
        import polars

        return polars.read_ipc(io.BytesIO(self._frames[chunk].tobytes()), columns=names)

    def series(self, name: str) -> Iterator["polars.Series"]:
        """A column, chunk by chunk."""
        self.column(name)
        return (self.frame(chunk, [name])[name] for chunk in range(len(self._frames)))

    @property
    def has_no_header(self) -> bool:
        """Whether the file does not name its columns."""
        return self.header == "no"

    def summary(
        self,
        *uses: ColumnUse,
        left_out: Mapping[str, str] | None = None,
        rows: int | None = None,
        unit: str = "rows",
    ) -> DataSummary:
        """The summary of the table.

        Args:
            uses: The use of each column that is read.
            left_out: The reason for each column that is not; "not used" by default.
            rows, unit: The number and name of the examples; by default the rows of the table.
        """
        used = {name for use in uses for name in use.columns}
        reasons = {name: "not used" for name in self.schema if name not in used}
        return DataSummary(
            len(self) if rows is None else rows,
            unit,
            self.header,
            list(uses),
            reasons | dict(left_out or {}),
            list(self.notes),
        )

    def where(self, row: int) -> str:
        """The file and line of a row, for messages."""
        return (
            f"{str(self.path)!r} line {self.lines[row]}"
            if self.lines
            else f"{str(self.path)!r} row {row + 1}"
        )

    def column(self, name: str) -> ChunkedSequence:
        """A column as text; missing values are "".

        Raises:
            InputError: The column does not exist; the message lists the columns.
        """
        import polars

        if name not in self.schema:
            raise InputError(
                f"{str(self.path)!r} has no column {name!r}{near(name, self.names)}; it has "
                f"{listed(self.names)}"
            )
        unlike = InputError(
            f"{str(self.path)!r}: the column {name!r} has type {self.schema[name]}; it should be "
            "text or numeric"
        )
        if name not in self.names:
            raise unlike

        def load(chunk: int) -> list[str]:
            try:
                return self.frame(chunk, [name])[name].cast(polars.String).fill_null("").to_list()
            except polars.exceptions.PolarsError:
                raise unlike from None

        return ChunkedSequence(self.starts, load)

    def find(self, known: tuple[str, ...], *, without: tuple[str | None, ...] = ()) -> str | None:
        """The first of these names, ignoring case, that a column has."""
        folded = {name.casefold(): name for name in reversed(self.names) if name not in without}
        return next((folded[name] for name in known if name in folded), None)

    def texts(self, name: str) -> ChunkedSequence:
        """The same as `column`."""
        return self.column(name)

    def longest_text_column(self, names: Iterable[str]) -> str | None:
        """The column with the most text; None for no columns."""
        return max(names, key=lambda name: sum(map(len, self.texts(name))), default=None)

    def nonempty_texts(self, name: str, what: str) -> ChunkedSequence:
        """A column as stripped text.

        Raises:
            InputError: A row is empty; the message calls the value `what`.
        """
        column = self.column(name)
        texts = ChunkedSequence(
            self.starts, lambda chunk: [text.strip() for text in column.load(chunk)]
        )
        for row, text in enumerate(texts):
            if not text:
                raise InputError(
                    f"{self.where(row)}: the {what} in the column {name!r} is empty; write it, or "
                    "remove the row"
                )
        return texts

    def is_numeric(self, name: str) -> bool:
        """Whether at least half of the values of a column are numbers."""
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
        """Columns of a chunk as (rows, columns) float64."""
        frame = self.frame(chunk, names)
        values = np.column_stack([as_numbers(frame[name]).to_numpy() for name in names])
        with np.errstate(over="ignore"):
            bad = np.argwhere(~np.isfinite(values.astype(np.float32)))
        if len(bad):
            row, place = bad[0].tolist()
            value = frame[names[place]][row]
            shown = "missing" if value in (None, "") else repr(value)
            raise InputError(
                f"{self.where(self.starts[chunk] + row)}: the value in the column {names[place]!r} "
                f"is {shown}, not a finite number; fix the value, or remove the row"
            )
        return values

    def numbers(self, names: list[str]) -> StoredArray:
        """Columns as (rows, columns) float64.

        Raises:
            InputError: A value is missing, is not a number, or is not finite in float32.
        """
        for name in names:
            self.column(name)
        values = StoredArray(np.float64, (len(names),))
        for chunk in range(len(self._frames)):
            values.extend(self._numbers(chunk, names))
        return values

    def sequences(self, names: list[str], shape: tuple[int, int]) -> ChunkedSequence:
        """As `numbers`, with each row reshaped to (T, F) float32."""
        for name in names:
            self.column(name)
        rows = ChunkedSequence(
            self.starts,
            lambda chunk: list(self._numbers(chunk, names).astype(np.float32).reshape(-1, *shape)),
        )
        for _ in rows:
            pass  # a value that is not a number is reported now
        return rows


def read_table(
    path: Path, *, is_header: Callable[[list[str], list[str]], bool] | None = None
) -> Table:
    """Read a table from CSV, TSV, TXT (tabs), JSON lines or Parquet, optionally compressed with
    gzip.

    A CSV file is separated by commas, semicolons or tabs, whichever is most frequent in its first
    line. A TSV file has no quoting: a quotation mark is an ordinary character.

    Args:
        path: The file.
        is_header: Decides from the fields of the first and the second line whether the first line
            is a header. By default it is, unless it has a number; in a table with one column it is
            a header if it is a usual name or if numbers follow.

    Raises:
        InputError: The file cannot be read, has an unsupported type, or has a broken row; the
            message names the line.
    """
    path, kind = Path(path), _kind(path)
    if kind not in TABLE_SUFFIXES:
        check_not_empty(path)
        raise InputError(
            f"{str(path)!r} has an unsupported file type; supported types: "
            f"{', '.join(TABLE_SUFFIXES)}, optionally with .gz"
        )
    if kind == ".parquet":
        table = _read_parquet(path)
    elif kind in (".jsonl", ".ndjson"):
        table = _read_json_lines(path)
    else:
        table = _read_separated(path, kind, is_header or names_columns)
    if not len(table):
        raise InputError(f"{str(path)!r} has a header and no rows; give a file with data")
    return table


def _read_separated(
    path: Path, kind: str, is_header: Callable[[list[str], list[str]], bool]
) -> Table:
    head = next((line for line in read_lines(path) if line), "")
    # separators inside quotation marks do not count
    outside = "".join(head.split('"')[::2])
    separator = max(",;\t", key=outside.count) if kind == ".csv" else "\t"

    def rows() -> Iterator[tuple[int, list[str]]]:
        # An empty line is a row (an empty text) only in a file with one column, and not at its end.
        first, empty = None, []
        for line, fields in (
            _quoted_rows(path, separator) if kind == ".csv" else _literal_rows(path, separator)
        ):
            if not fields:
                empty.append(line)
                continue
            first = first or (line, len(fields))
            if len(fields) != first[1]:
                remedy = (
                    f", or put quotation marks around a field with {separator!r} in it"
                    if kind == ".csv"
                    else ": separate it by tabs"
                )
                raise InputError(
                    f"{str(path)!r} line {line} has {len(fields)} fields, and line {first[0]} has "
                    f"{first[1]}; fix the line{remedy}"
                )
            if len(fields) == 1:
                yield from ((blank, [""]) for blank in empty)
            empty.clear()
            yield line, fields

    every = rows()
    first = next(every)
    second = next(every, first)
    begun = [first] if second is first else [first, second]
    if is_header(first[1], second[1]):
        names = _header_names(first[1], path)
        return _text_table(path, names, chain(begun[1:], every), header="yes")
    return _text_table(path, _numbered(len(first[1])), chain(begun, every), header="no")


def _literal_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The number and the fields of each line; an empty line has no fields."""
    return (
        (number, line.split(separator) if line else [])
        for number, line in enumerate(read_lines(path), 1)
    )


def _quoted_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """The first line number and the fields of each row; an empty line has no fields."""
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
            f"{str(path)!r} line {start}: a quotation mark is not closed, or is inside a "
            f"quoted field "
            f'({error}); quote the whole field, and write a quotation mark inside it twice: ""'
        ) from error


def _text_table(
    path: Path,
    names: list[str],
    rows: Iterable[tuple[int, list[str]]],
    *,
    header: Literal["yes", "no", "none"] = "none",
) -> Table:
    """A table of text rows with their line numbers."""
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

    return Table(path, frames(), lines, header=header)


def names_columns(first: list[str], second: list[str]) -> bool:
    """Whether the first line is a header, judged with the second line; see `read_table`."""
    import polars

    numbers = (
        as_numbers(polars.Series([*first, *second[:1]], dtype=polars.String))
        .is_not_null()
        .to_list()
    )
    known = len(first) > 1 or first[0].strip().casefold() in {
        *TEXT_COLUMNS,
        *LABEL_COLUMNS,
        *LANGUAGE_COLUMNS,
    }
    return not any(numbers[: len(first)]) and (known or any(numbers))


def names_known(
    known: Iterable[str | None], *, texts: bool = False
) -> Callable[[list[str], list[str]], bool]:
    """As `names_columns`, if some columns are known by name, or by number in a file without a
    header.

    Args:
        known: The names; None entries are ignored.
        texts: The columns hold text, so a number in the second line says nothing about the first.
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
            f"{str(path)!r} has two columns {twice!r}; give each column its own name in the first "
            "line"
        )
    return names


def _numbered(count: int) -> list[str]:
    return [str(place) for place in range(count)]


def as_numbers(series: "polars.Series") -> "polars.Series":
    """A series as float64, with null for a value that is not a number."""
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
                    f"{len(names)} ({listed(names)}); give all lines the same fields"
                )
            yield number, [_json_text(record[name], name, where) for name in names]

    return _text_table(path, list(map(compose, names)), rows())


def _json_records(path: Path) -> Iterator[tuple[int, dict]]:
    """The line number and the object of each line that is not blank."""
    for number, line in enumerate(read_lines(path), 1):
        if not line.strip():
            continue
        where = f"{str(path)!r} line {number}"
        try:
            record = json.loads(line)
            # An unpaired surrogate such as \ud800 is not valid text.
            json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{where} is not valid JSON ({error}); write one object in each line: "
                '{"text": ...}'
            ) from error
        if not isinstance(record, dict) or not record:
            raise InputError(
                f'{where} is {line[:40]}; write one object in each line: {{"text": ...}}'
            )
        yield number, record


def _json_text(value, name: str, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise InputError(
            f"{where}: {name!r} is a {type(value).__name__}; a field should be text or a number"
        )
    return compose(value) if isinstance(value, str) else "" if value is None else json.dumps(value)


def _read_parquet(path: Path) -> Table:
    import polars

    check_not_empty(path)
    try:
        if not _is_packed(path):
            return Table(path, _parquet_frames(path))
        with tempfile.NamedTemporaryFile(prefix="ostinato-") as unpacked:
            for block in read_blocks(path, text_reading.CHUNK, packed=True):
                unpacked.write(block)
            unpacked.flush()
            return Table(path, _parquet_frames(Path(unpacked.name)))
    # polars raises a panic for some damage; a panic is not an Exception.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is truncated or not a Parquet file "
            f"({error}); download it again"
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
    for start in range(0, max(1, height), PARQUET_ROWS):
        frame = whole.slice(start, PARQUET_ROWS).collect()
        # date formats have no nanoseconds
        yield frame.with_columns(
            text.str.normalize("NFC").str.replace_all("\r\n?", "\n"), time.dt.cast_time_unit("us")
        )
