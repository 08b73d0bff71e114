"""Reading tables: from a person's file to texts with labels, pairs of sentences, sequences of numbers, and series.

A column that is not named is found by its name or by what is in it, and every result says in `columns` which were taken.
"""

import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from .data import compose, decode, read_text
from .errors import InputError, near
from .files import read_bytes

if TYPE_CHECKING:
    import polars

KINDS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".parquet")
LABELS = ("label", "labels", "class", "category", "y", "target", "sentiment", "intent", "topic", "rating", "stars")
TEXTS = ("text", "document", "sentence", "review", "content", "comment", "question", "message", "title")
SEQUENCES = ("seq", "sequence", "sequence_id", "seq_id")
IDS = ("id", "ids", "index", "idx", "uid", "")
STEPS = ("step", "timestep", "time_step", "t", "time", "frame")
LANGUAGES = ("source", "target", "src", "tgt", "english", "french", "korean", "german", "spanish", "japanese", "chinese")


# ---------------------------------------------------------------- files


def read_unpacked(path: Path) -> bytes:
    """What is in a file, unpacked where its name ends in .gz; one that is empty, or no whole gzip file, is an InputError."""
    content = read_bytes(path)
    if content and str(path).endswith(".gz"):
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise InputError(f"{str(path)!r} ({len(content)} bytes) is no whole gzip file ({error}); "
                             "get it again, or take .gz off its name if it is not packed") from error
    if not content:
        raise InputError(f"{str(path)!r} has nothing in it (0 bytes); give a file with data")
    return content


def read_unpacked_text(path: Path) -> str:
    """What `data.read_text` gives, of a file that may be packed with gzip."""
    packed = str(path).endswith(".gz")
    return decode(read_unpacked(path), path, packed=True) if packed else read_text(path)


def listed(names) -> str:
    """Names as a message lists them: the first twenty."""
    names = list(names)
    return ", ".join(map(repr, names[:20])) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


def _kind(path: Path) -> str:
    """The ending of a file's name that says what is in it: not .gz."""
    return Path(Path(path).name.removesuffix(".gz")).suffix.lower()


# ---------------------------------------------------------------- tables


@dataclass(frozen=True)
class Table:
    """A table as it was read.

    Attributes:
        path: Of the file.
        frame: A polars DataFrame; from all formats but Parquet, its columns are text.
        lines: The line in the file where each row starts, counted from 1; None where the format has no lines.
    """

    path: Path
    frame: "polars.DataFrame"
    lines: list[int] | None = None

    @property
    def names(self) -> list[str]:
        """Of the columns: "0", "1", ... where the file does not name them."""
        return self.frame.columns

    @property
    def headless(self) -> bool:
        """The file does not name its columns."""
        return self.names == _numbered(len(self.names))

    def where(self, row: int) -> str:
        """The file and the line of a row, as messages name it."""
        return f"{str(self.path)!r} line {self.lines[row]}" if self.lines else f"{str(self.path)!r} row {row + 1}"

    def column(self, name: str) -> "polars.Series":
        """A column; where there is none of that name, an InputError lists those there are."""
        if name not in self.names:
            raise InputError(f"{str(self.path)!r} has no column {name!r}{near(name, self.names)}; it has {listed(self.names)}")
        series = self.frame[name]
        if series.dtype.is_nested():
            raise InputError(f"{str(self.path)!r}: the column {name!r} holds {series.dtype}; it should hold text or numbers")
        return series

    def find(self, known: tuple[str, ...], *, without: tuple[str | None, ...] = ()) -> str | None:
        """The first of these names, in any case of letters, that a column has."""
        folded = {name.casefold(): name for name in reversed(self.names) if name not in without}
        return next((folded[name] for name in known if name in folded), None)

    def texts(self, name: str) -> list[str]:
        """A column as text; what is missing is ""."""
        import polars

        return self.column(name).cast(polars.String).fill_null("").to_list()

    def full_texts(self, name: str, what: str) -> list[str]:
        """A column as text, without the space around it; a row without any is an InputError that calls it `what`."""
        texts = [text.strip() for text in self.texts(name)]
        if not all(texts):
            raise InputError(f"{self.where(texts.index(''))}: there is no {what} in the column {name!r}; "
                             "write one, or take the row out")
        return texts

    def is_numeric(self, name: str) -> bool:
        """A column holds numbers: at least half of what is in it is one."""
        import polars

        series = self.column(name)
        if series.dtype != polars.String:
            return series.dtype.is_numeric()
        filled = series.filter(series.str.strip_chars() != "")
        return len(filled) > 0 and 2 * _as_numbers(filled).is_not_null().sum() >= len(filled)

    def numbers(self, names: list[str]) -> np.ndarray:
        """Columns as (rows, columns) float64; what is missing, no number, or not finite in float32 is an InputError."""
        values = np.column_stack([_as_numbers(self.column(name)).to_numpy() for name in names])
        with np.errstate(over="ignore"):
            bad = np.argwhere(~np.isfinite(values.astype(np.float32)))
        if len(bad):
            row, place = bad[0]
            value = self.frame[names[place]][int(row)]
            shown = "nothing" if value in (None, "") else repr(value)
            raise InputError(f"{self.where(int(row))}: there is {shown} in the column {names[place]!r}, "
                             "which should hold finite numbers; mend the value, or take the row out")
        return values


def read_table(path: Path, *, is_header: Callable[[list[str], list[str]], bool] | None = None) -> Table:
    """A table from CSV, TSV, TXT (tabs), JSON lines or Parquet, each also packed with gzip.

    A CSV file is separated by commas, semicolons or tabs, whichever its first line has most of. A TSV file is read literally: a
    quotation mark there is a letter.

    Args:
        path: Of the file.
        is_header: Whether the first line, given its fields and those of the second, names the columns. If not given, it does
            unless there is a number in it; in a table of one column, if it is a usual name or numbers follow.

    Raises:
        InputError: The file cannot be read, is of another kind, or has a broken row; the message names the line.
    """
    path, kind = Path(path), _kind(path)
    if kind not in KINDS:
        raise InputError(f"{str(path)!r} is of no kind that is read as a table; "
                         f"name it by its kind: {', '.join(KINDS)}, each also with .gz")
    if kind == ".parquet":
        table = _read_parquet(path)
    elif kind in (".jsonl", ".ndjson"):
        table = _read_json_lines(path)
    else:
        table = _read_separated(path, kind, is_header or _is_header)
    if not table.frame.height:
        raise InputError(f"{str(path)!r} has names of columns and no rows; give a file with data")
    return table


def _read_separated(path: Path, kind: str, is_header: Callable[[list[str], list[str]], bool]) -> Table:
    import polars

    text = read_unpacked_text(path).rstrip("\n")
    separator = max(",;\t", key=text.lstrip("\n").partition("\n")[0].count) if kind == ".csv" else "\t"
    if kind == ".csv" and '"' in text:
        lines, rows = _quoted_rows(text, separator, path)
        counts = [len(row) for row in rows]
    else:
        # An empty line is a row only where there is one column: an empty text.
        numbered = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line or separator not in text]
        lines, rows = [number for number, _ in numbered], [line for _, line in numbered]
        counts = [line.count(separator) + 1 for line in rows]
    broken = next((row for row, count in enumerate(counts) if count != counts[0]), None)
    if broken is not None:
        mend = f", or put quotation marks around a field with {separator!r} in it" if kind == ".csv" else ": separate it by tabs"
        raise InputError(f"{str(path)!r} line {lines[broken]} has {counts[broken]} fields, and line {lines[0]} has {counts[0]}; "
                         f"mend the line{mend}")
    # Rows that had quotation marks are split already; polars splits the others.
    split = isinstance(rows[0], list)
    first, second = [row if split else row.split(separator) for row in (rows[0], rows[min(1, len(rows) - 1)])]
    names = _numbered(counts[0])
    if is_header(first, second):
        names, rows, lines = _header_names(first, path), rows[1:], lines[1:]
    schema = dict.fromkeys(names, polars.String)
    if split or len(names) == 1 or not rows:
        frame = polars.DataFrame([row if split else [row] for row in rows], schema=schema, orient="row")
    else:
        frame = polars.read_csv("\n".join(rows).encode(), separator=separator, quote_char=None, has_header=False, schema=schema)
    return Table(path, frame.fill_null(""), lines)


def _quoted_rows(text: str, separator: str, path: Path) -> tuple[list[int], list[list[str]]]:
    """The line where each row starts, and its fields."""
    reader = csv.reader(io.StringIO(text), delimiter=separator, strict=True)
    lines, rows, start = [], [], 1
    try:
        for row in reader:
            if row:
                lines.append(start)
                rows.append(row)
            start = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{str(path)!r} line {start}: a quotation mark is not closed, or is in the midst of a quoted field "
                         f'({error}); put them around the whole field, and write one inside it twice: ""') from error
    return lines, rows


def _is_header(first: list[str], second: list[str]) -> bool:
    import polars

    numbers = _as_numbers(polars.Series([*first, *second[:1]], dtype=polars.String)).is_not_null().to_list()
    known = len(first) > 1 or first[0].strip().casefold() in {*TEXTS, *LABELS, *LANGUAGES}
    return not any(numbers[:len(first)]) and (known or any(numbers))


def _header_names(fields: list[str], path: Path) -> list[str]:
    names = [field.strip() for field in fields]
    twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
    if twice is not None:
        raise InputError(f"{str(path)!r} has two columns {twice!r}; give each its own name in the first line")
    return names


def _numbered(count: int) -> list[str]:
    return [str(place) for place in range(count)]


def _as_numbers(series: "polars.Series") -> "polars.Series":
    """As float64; null where there is no number."""
    import polars

    return (series.str.strip_chars() if series.dtype == polars.String else series).cast(polars.Float64, strict=False)


def _read_json_lines(path: Path) -> Table:
    import polars

    lines, rows, names = [], [], None
    for number, line in enumerate(read_unpacked_text(path).split("\n"), 1):
        if not line.strip():
            continue
        where = f"{str(path)!r} line {number}"
        try:
            record = json.loads(line)
            # Half of a pair of surrogates, written as \ud800, is no text.
            json.dumps(record, ensure_ascii=False).encode()
        except (ValueError, RecursionError) as error:
            raise InputError(f'{where} is no JSON ({error}); write one object in each line: {{"text": ...}}') from error
        if not isinstance(record, dict) or not record:
            raise InputError(f'{where} holds {line[:40]}; write one object in each line: {{"text": ...}}')
        names = names or list(record)
        if set(record) != set(names):
            raise InputError(f"{where} has {len(record)} fields ({listed(record)}), and line {lines[0]} has {len(names)} "
                             f"({listed(names)}); give each line the same fields")
        lines.append(number)
        rows.append([_json_text(record[name], name, where) for name in names])
    return Table(path, polars.DataFrame(rows, schema=dict.fromkeys(map(compose, names), polars.String), orient="row"), lines)


def _json_text(value, name: str, where: str) -> str:
    if isinstance(value, (dict, list)):
        raise InputError(f"{where}: {name!r} holds a {type(value).__name__}; a field should hold text or a number")
    return compose(value) if isinstance(value, str) else "" if value is None else json.dumps(value)


def _read_parquet(path: Path) -> Table:
    import polars

    content = read_unpacked(path)
    try:
        frame = polars.read_parquet(io.BytesIO(content))
    # A panic is what polars raises for some damage inside; it is no Exception.
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise InputError(f"{str(path)!r} ({len(content)} bytes) is cut short or no Parquet file ({error}); "
                         "get it again") from error
    text = polars.col(polars.String)
    return Table(path, frame.with_columns(text.str.normalize("NFC").str.replace_all("\r\n?", "\n")))


# ---------------------------------------------------------------- what tasks read


@dataclass(frozen=True)
class Labelled:
    """Texts or sequences of numbers, each with a label.

    Attributes:
        texts: One of each row; None where there are numbers.
        numbers: (T, F) float32 each; None where there are texts.
        labels: One of each; None where the file has none.
        columns: Which column or array was taken for what.
    """

    texts: list[str] | None
    numbers: list[np.ndarray] | None
    labels: list[str] | None
    columns: dict[str, str | list[str]]


@dataclass(frozen=True)
class Pairs:
    """Sentences, and what they are in another language; `targets` is None where the file has one column."""

    sources: list[str]
    targets: list[str] | None
    columns: dict[str, str | list[str]]


@dataclass(frozen=True)
class Series:
    """One series: values (T, F) float64, the names of the F columns, and what the file says of when each step was, if it does."""

    values: np.ndarray
    names: list[str]
    times: list[str] | None
    columns: dict[str, str | list[str]]


def read_labelled(path: Path, *, text: str | None = None, label: str | None = None, columns: list[str] | None = None,
                  steps: int | None = None, features: int | None = None) -> Labelled:
    """Texts or sequences of numbers with their labels, for a model of many to one.

    A table with a column of text is of texts. One of numbers has a sequence in each row, step after step; or, with a column
    that numbers the sequences (`seq`, or an `id` that is there more than once), a step in each row. An npz file holds `x`
    and `y` as `sequences.split_array` reads them; its bytes (uint8) become 0 to 1, and `names` may name the labels.

    Args:
        path: Of the file.
        text: The column of texts.
        label: The column (or array) of labels.
        columns: The columns of numbers, in order (or the one array).
        steps: T, of a table with a sequence in each row.
        features: F, of one; 1 if neither is given.

    Raises:
        InputError: The file cannot be read; a column is not there; a label is empty; a number is missing or not finite.
    """
    if Path(path).suffix == ".npz":
        from .sequences import read_labelled_arrays

        return read_labelled_arrays(path, label=label, columns=columns)
    table = read_table(path)
    for name in [text, label, *(columns or [])]:
        if name is not None:
            table.column(name)
    if text is not None and columns is not None:
        raise InputError(f"text={text!r} and columns={columns}: a table is read as texts or as numbers; give one of the two")
    label = label or table.find(LABELS, without=(text, *(columns or ())))
    order = table.find(SEQUENCES) or table.find(IDS, without=(text, label, *(columns or ())))
    free = [name for name in table.names if name not in (label, order)]
    words = [name for name in free if not table.is_numeric(name)]
    numeric = [name for name in free if name not in words]
    if text is None and columns is None and steps is None and features is None:
        # A column that is named so is of texts though all of them are numbers.
        text = table.find(TEXTS, without=(label, order))
        if text is None and words and len(numeric) < 2:
            text = max(words, key=lambda name: sum(map(len, table.texts(name))))
    if text is not None:
        if label is None and table.headless and len(table.names) == 2:
            label = next(name for name in table.names if name != text)
        taken = {"text": text} | ({"label": label} if label else {})
        return Labelled(table.texts(text), None, table.full_texts(label, "label") if label else None, taken)
    if label is None and len(words) == 1:
        label = words[0]
    elif label is None and columns is None and table.headless and not words:
        # A row is the label and T * F numbers, unless T * F is known and all of the row is just that.
        whole = (steps or 1) * (features or 1)
        label = None if len(free) % whole == 0 and (len(free) - 1) % whole else free[0]
    columns = columns or [name for name in numeric if name not in (label, table.find(STEPS))]
    if not columns:
        raise InputError(f"{str(path)!r} has the columns {listed(table.names)}, none of them of texts or numbers to learn from; "
                         "name one: text=... or columns=[...]")
    labels = table.full_texts(label, "label") if label else None
    taken = {"numbers": columns} | ({"label": label} if label else {})
    values = table.numbers(columns).astype(np.float32)
    if order is not None and steps is None and features is None:
        ids = table.texts(order)
        if order.casefold() in SEQUENCES or len(set(ids)) < len(ids):
            return _long_form(table, ids, values, labels, taken | {"sequence": order})
    return Labelled(None, _wide_form(table, values, steps, features), labels, taken)


def _wide_form(table: Table, values: np.ndarray, steps: int | None, features: int | None) -> list[np.ndarray]:
    count = values.shape[1]
    given = ", ".join(f"{name}={size}" for name, size in (("steps", steps), ("features", features)) if size is not None)
    features = features if features is not None else count // steps if steps else 1
    steps = steps if steps is not None else count // features if features > 0 else 0
    if min(steps, features) < 1 or steps * features != count:
        raise InputError(f"{given}: {str(table.path)!r} has {count} numbers in a row, which should be steps * features; "
                         "give sizes whose product that is, or name the columns of numbers: columns=[...]")
    return list(values.reshape(len(values), steps, features))


def _long_form(table: Table, ids: list[str], values: np.ndarray, labels: list[str] | None, taken: dict) -> Labelled:
    rows = {}
    for row, name in enumerate(ids):
        rows.setdefault(name, []).append(row)
    for name, own in rows.items() if labels else ():
        other = next((row for row in own if labels[row] != labels[own[0]]), None)
        if other is not None:
            raise InputError(f"{table.where(other)}: the label of sequence {name!r} is {labels[other]!r} here and "
                             f"{labels[own[0]]!r} before; give all rows of a sequence one label")
    labels = [labels[own[0]] for own in rows.values()] if labels else None
    return Labelled(None, [values[own] for own in rows.values()], labels, taken)


def read_pairs(path: Path, *, source: str | None = None, target: str | None = None) -> Pairs:
    """Sentences in two languages: the first two columns, unless others are named.

    The first line names the columns where it has names of languages ("en", "english") or `source` and `target`. A table
    of one column is of sentences to be translated.

    Raises:
        InputError: The file cannot be read; a column is not there; a sentence is empty.
    """
    named = {source, target} - {None}

    def is_header(first: list[str], second: list[str]) -> bool:
        if len(first) == 1:
            return _is_header(first, second)
        return named <= set(first) if named else all(map(_names_language, first[:2]))

    table = read_table(path, is_header=is_header)
    source = source if source is not None else next(name for name in table.names if name != target)
    target = target if target is not None else next((name for name in table.names if name != source), None)
    for name in (source, target):
        if name is not None:
            table.column(name)
    if source == target:
        raise InputError(f"source={source!r} and target={target!r} are one column; name two of {listed(table.names)}")
    targets = table.full_texts(target, "target sentence") if target is not None else None
    taken = {"source": source} | ({"target": target} if target is not None else {})
    return Pairs(table.full_texts(source, "source sentence"), targets, taken)


def _names_language(name: str) -> bool:
    return name.casefold() in LANGUAGES or re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z]+)?", name) is not None


def read_series(path: Path, *, columns: list[str] | None = None, time: str | None = None) -> Series:
    """A series, a step in each row.

    Args:
        path: Of the table.
        columns: What is forecast; all columns of numbers, if not given.
        time: The column that says when; if not given, the first one where it holds dates or numbers that only grow.

    Raises:
        InputError: The file cannot be read; a column is not there; a number is missing or not finite.
    """
    table = read_table(path)
    first = table.names[0]
    if time is None and first not in (columns or []) and len(table.names) > 1 and _is_time(table, first):
        time = first
    names = list(columns) if columns else [name for name in table.names if name != time and table.is_numeric(name)]
    if not names:
        raise InputError(f"{str(path)!r} has the columns {listed(table.names)}, none of them of numbers to forecast; "
                         "name one: columns=[...]")
    times = table.full_texts(time, "time") if time is not None else None
    return Series(table.numbers(names), names, times, {"values": names} | ({"time": time} if time is not None else {}))


def _is_time(table: Table, name: str) -> bool:
    if not table.is_numeric(name):
        return all(re.search(r"\d", text) for text in table.texts(name))
    values = _as_numbers(table.column(name)).to_numpy()
    return len(values) > 1 and bool((values[1:] > values[:-1]).all())
