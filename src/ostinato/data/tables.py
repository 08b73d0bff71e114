"""Private: tables from CSV, TSV, JSON and Parquet files, optionally compressed with gzip.

A table is read chunk by chunk into a temporary file, and its columns are read from there, so it
need not fit in memory.
"""

import contextlib
import io
import json
import tempfile
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from ..errors import InputError, near, shown
from . import text as text_reading
from .disk import ChunkedSequence, StoredArray, StoredRows
from .files import is_packed, parse_json, read_blocks
from .number_formats import MISSING
from .parquet import has_negative_page
from .separated import HeaderTest, names_columns, numbered, read_layout, read_lines
from .summary import ColumnUse, DataSummary
from .text import compose

if TYPE_CHECKING:
    import polars

TABLE_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl", ".ndjson", ".parquet")
# Rows of a Parquet file read at a time; other files are read in chunks of `text.CHUNK` bytes.
PARQUET_ROWS = 50_000


# ---------------------------------------------------------------- files


def check_not_empty(path: Path) -> None:
    """Raise an InputError if a file is empty or does not exist."""
    if not next(read_blocks(path, 1), b""):
        raise InputError(f"{str(path)!r} is empty (0 bytes); give a file with data")


def listed(names) -> str:
    """Up to twenty names, quoted and separated by commas, for a message."""
    names = list(names)
    return ", ".join(map(repr, names[:20])) + (
        f" and {len(names) - 20} more" if len(names) > 20 else ""
    )


def kind_of(path: Path) -> str:
    """The suffix of a file name in lower case, ignoring .gz."""
    path = Path(path)
    return Path(path.stem if is_packed(path) else path.name).suffix.lower()


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
        return self.names == numbered(len(self.names))

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

    def is_text(self, name: str) -> bool:
        """Whether a column is stored as text; numbers in a file of text are too."""
        import polars

        return self.schema[name] == polars.String

    def _numbers(self, chunk: int, names: list[str], steps_of: int | None = None) -> np.ndarray:
        """Columns of a chunk as (rows, columns) float64.

        Args:
            chunk: The number of the chunk.
            names: The columns.
            steps_of: Numbers per step, if the last steps of a row may be missing; they are NaN.
        """
        frame = self.frame(chunk, names)
        values = np.column_stack([as_numbers(frame[name]).to_numpy() for name in names])
        with np.errstate(over="ignore"):
            finite = np.isfinite(values.astype(np.float32))
        if finite.all():
            return values
        if steps_of is not None:
            finite |= _missing_end(frame, finite, steps_of)
        bad = np.argwhere(~finite)
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

    def sequences(self, names: list[str], shape: tuple[int, int]) -> tuple[ChunkedSequence, int]:
        """Each row as (T, F) float32. Numbers that are missing at the end of a row end its sequence
        early.

        Args:
            names: The columns in order.
            shape: T and F of a whole row.

        Returns:
            The sequences, and how many of them end early.

        Raises:
            InputError: As `numbers`, for a value that is not missing at the end; or a row has no
                numbers.
        """
        for name in names:
            self.column(name)

        def load(chunk: int) -> list[np.ndarray]:
            values = self._numbers(chunk, names, steps_of=shape[1]).astype(np.float32)
            rows = values.reshape(-1, *shape)
            ends = np.isfinite(rows).all(2).sum(1)
            return [row[:end] for row, end in zip(rows, ends)]

        rows = ChunkedSequence(self.starts, load)
        # a value that is not a number is reported now
        return rows, sum(len(row) < shape[0] for row in rows)


def read_table(
    path: Path,
    *,
    is_header: HeaderTest | None = None,
    header: bool | None = None,
    lists: bool = False,
    list_hint: str = "",
) -> Table:
    """Read a table from CSV, TSV, TXT, JSON, JSON lines or Parquet, optionally compressed with
    gzip.

    A CSV file is separated by commas, semicolons, tabs or vertical bars: the one that occurs
    equally often in each line, otherwise the most frequent in the first line. A TSV file has no
    quoting: a quotation mark is an ordinary character. A TXT file is separated by tabs; without
    tabs by spaces or commas, if nearly all columns hold numbers or dates; or it has a label in the
    format of fastText (`__label__`) in each line. JSON is a list of objects, or an object of lists.

    Args:
        path: The file.
        is_header: Decides whether the first line is a header; by default
            `separated.names_columns`.
        header: Whether the first line is a header; None to find out.
        lists: A field may be a list of texts and numbers, which is read as JSON text.
        list_hint: What the error about a list says in addition.

    Raises:
        InputError: The file cannot be read, has an unsupported type, or has a broken row; the
            message names the line.
    """
    path, kind = Path(path), kind_of(path)
    if kind not in TABLE_SUFFIXES:
        check_not_empty(path)
        raise InputError(
            f"{str(path)!r} has an unsupported file type; supported types: "
            f"{', '.join(TABLE_SUFFIXES)}, optionally with .gz"
        )
    field = partial(_json_text, lists=lists, list_hint=list_hint)
    if kind == ".parquet":
        table = _read_parquet(path, lists=lists)
    elif kind in (".jsonl", ".ndjson"):
        table = _read_json_lines(path, field)
    elif kind == ".json":
        table = _read_json(path, field)
    else:
        notes: list[str] = []
        layout = read_layout(
            path, kind, is_header=is_header or names_columns, header=header, notes=notes
        )
        table = _text_table(path, layout.names, layout.rows, header=layout.header, notes=notes)
    if not len(table):
        raise InputError(f"{str(path)!r} has a header and no rows; give a file with data")
    return table


def _text_table(
    path: Path,
    names: list[str],
    rows: Iterable[tuple[int, list[str]]],
    *,
    header: Literal["yes", "no", "none"] = "none",
    notes: list[str] | None = None,
    numbered_lines: bool = True,
) -> Table:
    """A table of text rows with their line numbers, or with their row numbers."""
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

    table = Table(path, frames(), lines if numbered_lines else None, header=header)
    table.notes += notes or []
    return table


def _missing_end(frame: "polars.DataFrame", finite: np.ndarray, steps_of: int) -> np.ndarray:
    """The numbers of each row that are missing in whole steps at its end, but not from its start.

    Args:
        frame: The rows.
        finite: (rows, columns) bool.
        steps_of: Numbers per step.
    """
    steps = ~finite.reshape(len(finite), -1, steps_of)
    # from the end on, as long as all numbers of a step are missing
    empty = np.asarray(steps.all(axis=2))
    ended = np.logical_and.accumulate(empty[:, ::-1], 1)[:, ::-1]
    ended[:, 0] = False
    found = np.repeat(ended, steps_of, 1)
    for row, place in np.argwhere(found).tolist():
        value = frame.item(row, place)
        found[row, place] = value is None or str(value).strip().casefold() in MISSING
    return found


def as_numbers(series: "polars.Series") -> "polars.Series":
    """A series as float64, with null for a value that is not a number."""
    import polars

    return (series.str.strip_chars() if series.dtype == polars.String else series).cast(
        polars.Float64, strict=False
    )


def _read_json_lines(path: Path, field: Callable[..., str]) -> Table:
    notes: list[str] = []
    return _json_table(path, lambda: _json_records(path, notes), "line", notes, field)


def _read_json(path: Path, field: Callable[..., str]) -> Table:
    """A list of objects, an object of lists, or JSON lines in a file named .json."""
    notes: list[str] = []
    lines = read_lines(path, notes=notes)
    head = list(islice(lines, 1000))
    filled = [line for line in head if line.strip()]
    if len(filled) > 1 and all(line.strip().startswith("{") for line in filled):
        with contextlib.suppress(ValueError):
            json.loads(filled[0])
            return _read_json_lines(path, field)
    try:
        content = parse_json("\n".join(chain(head, lines)))
    except ValueError as error:
        raise InputError(
            f"{str(path)!r} is not valid JSON: {error}; write a list of objects: "
            '[{"text": ...}, ...]'
        ) from error
    if isinstance(content, dict):
        content = _records_of_columns(path, content)
    wrong = (
        next((k for k, one in enumerate(content, 1) if not isinstance(one, dict) or not one), None)
        if isinstance(content, list) and content
        else 0
    )
    if wrong is not None:
        given = f"item {wrong} is {shown(content[wrong - 1])}" if wrong else shown(content)
        raise InputError(
            f"{str(path)!r}: {given}; write a list of objects, with the same fields in each: "
            '[{"text": ...}, ...]'
        )
    return _json_table(path, lambda: enumerate(content, 1), "item", notes, field)


def _records_of_columns(path: Path, content: dict) -> list:
    """The records of an object of columns: {"text": [...], "label": [...]}; the columns may also be
    objects with a value for each row number, as pandas writes them.
    """
    # in the order of the first, because each may have another
    rows = next((column for column in content.values() if isinstance(column, dict)), {})
    columns = {
        name: [column[row] for row in rows]
        if isinstance(column, dict) and column.keys() == rows.keys()
        else column
        for name, column in content.items()
    }
    lists = [name for name, column in columns.items() if isinstance(column, list)]
    if lists and len(lists) == len(columns):
        sizes = {name: len(column) for name, column in columns.items()}
        if len({*sizes.values()}) > 1:
            raise InputError(
                f"{str(path)!r} has columns of different lengths: {sizes}; give each column a "
                "value for each row"
            )
        return [dict(zip(columns, row)) for row in zip(*columns.values())]
    # one list of records, with other fields next to it: {"version": ..., "data": [...]}
    records = [
        name
        for name, column in content.items()
        if isinstance(column, list) and column and isinstance(column[0], dict)
    ]
    if len(records) != 1:
        raise InputError(
            f"{str(path)!r} is an object with the fields {listed(content)}; write a list of "
            'objects: [{"text": ...}, ...]'
        )
    return content[records[0]]


def _json_table(
    path: Path,
    records: Callable[[], Iterable[tuple[int, dict]]],
    place: str,
    notes: list[str],
    field: Callable[..., str],
) -> Table:
    """The table of numbered records, which must have the same fields; `field` makes a text of a
    value.
    """
    first, record = next(iter(records()), (0, {}))
    names = list(record)

    def rows() -> Iterator[tuple[int, list[str]]]:
        for number, record in records():
            where = f"{str(path)!r} {place} {number}"
            if set(record) != set(names):
                raise InputError(
                    f"{where} has {len(record)} fields ({listed(record)}), and {place} {first} has "
                    f"{len(names)} ({listed(names)}); give all {place}s the same fields"
                )
            yield number, [field(record[name], name, where) for name in names]

    return _text_table(
        path, list(map(compose, names)), rows(), notes=notes, numbered_lines=place == "line"
    )


def _json_records(path: Path, notes: list[str]) -> Iterator[tuple[int, dict]]:
    """The line number and the object of each line that is not blank."""
    for number, line in enumerate(read_lines(path, notes=notes), 1):
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


def _json_text(value, name: str, where: str, *, lists: bool, list_hint: str) -> str:
    is_list = isinstance(value, list)
    if is_list and lists:
        return compose(json.dumps(value, ensure_ascii=False))
    if isinstance(value, (dict, list)):
        raise InputError(
            f"{where}: {name!r} is a {type(value).__name__}; a field should be text or a number"
            f"{list_hint if is_list else ''}"
        )
    return compose(value) if isinstance(value, str) else "" if value is None else json.dumps(value)


def _read_parquet(path: Path, *, lists: bool) -> Table:
    import polars

    check_not_empty(path)
    try:
        if not is_packed(path):
            return Table(path, _parquet_frames(path, lists=lists))
        with tempfile.NamedTemporaryFile(prefix="ostinato-") as unpacked:
            for block in read_blocks(path, text_reading.CHUNK, packed=True):
                unpacked.write(block)
            unpacked.flush()
            return Table(path, _parquet_frames(Path(unpacked.name), lists=lists))
    # polars raises a panic for some damage; a panic is not an Exception.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is truncated or not a Parquet file "
            f"({error}); download it again"
        ) from error


def _lists_as_text(series: "polars.Series") -> "polars.Series":
    """A column of lists as JSON text."""
    import polars

    texts = [
        None if value is None else json.dumps(value, ensure_ascii=False, default=str)
        for value in series.to_list()
    ]
    return polars.Series(series.name, texts, polars.String)


def _parquet_frames(path: Path, *, lists: bool) -> Iterator["polars.DataFrame"]:
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
        if lists:
            frame = frame.with_columns(
                _lists_as_text(frame[name])
                for name, dtype in frame.schema.items()
                if isinstance(dtype, (polars.List, polars.Array))
            )
        # date formats have no nanoseconds
        yield frame.with_columns(
            text.str.normalize("NFC").str.replace_all("\r\n?", "\n"), time.dt.cast_time_unit("us")
        )
