"""Private: columns of a table of time series: the time, and the names of the series."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from ..errors import InputError
from .clock import Clock
from .dates import ColumnDates, column_dates, read_date
from .disk import ChunkedSequence
from .number_formats import NumberFormat
from .tables import Table, as_numbers, listed

# Usual names of columns, in lower case.
TIME_NAMES = {
    *("ds", "date", "datetime", "timestamp", "time", "when", "period", "day", "week", "month"),
    *("quarter", "year", "dt", "t", "step", "timestep", "time_step", "frame"),
    *("날짜", "일자", "일시", "시간", "시각", "시점", "기간", "년월", "연월", "월", "분기"),
    *("연도", "년도", "년", "기준일"),
}
ID_NAMES = {
    *("unique_id", "series_id", "series", "item_id", "id", "item", "sku", "product", "store"),
    *("shop", "ticker", "symbol", "country", "region", "city", "state", "station", "sensor"),
    *("지점", "매장", "점포", "품목", "상품", "종목", "종목코드", "지역", "국가", "도시"),
}
INDEX_NAMES = {"", "index", "unnamed: 0", "level_0", "id", "no", "no.", "번호", "순번"}
# Names of columns with a part of a date.
DATE_PARTS = {
    "year": {"year", "yr", "연도", "년도", "년"},
    "quarter": {"quarter", "qtr", "분기"},
    "month": {"month", "mon", "월"},
    "day": {"day", "일"},
    "hour": {"hour", "hr", "시", "시간"},
}
_TIME_OF_DAY = re.compile(r"\d{1,2}:\d{2}(:\d{2}(\.\d+)?)?( ?[AaPp][Mm])?")
# Rows of a series on average, so that a column of whole numbers may tell series apart.
ROWS_PER_SERIES = 4
# Maximum number of columns that are named together to tell series apart.
JOINED = 3


@dataclass(frozen=True)
class SeriesOptions:
    """How a table of series is read; None for what is found from the content.

    Attributes:
        columns: The columns to forecast.
        time: The column with the time.
        identity: The columns that tell several series apart.
        known: Columns that are known in advance.
        fill: How missing dates and values are filled, "linear", "previous" or "zero"; None to
            refuse them.
        date_format: The form of the dates, such as %d/%m/%Y.
        decimal: The decimal mark, "." or ",".
        header: Whether the first line of a file names the columns.
        clock: The step of the dates that a model was trained on.
        trained: The table is read for a trained model.
        series: The names of the series that it was trained on; empty for one series.
        named: The columns have names. Otherwise all of them are forecast.
        future: Keep rows at the end that have only known columns, with values NaN.
    """

    columns: list[str] | None = None
    time: str | None = None
    identity: list[str] | None = None
    known: list[str] = field(default_factory=list)
    fill: str | None = None
    date_format: str | None = None
    decimal: str | None = None
    header: bool | None = None
    clock: Clock | None = None
    trained: bool = False
    series: list[str] = field(default_factory=list)
    named: bool = True
    future: bool = False


@dataclass
class SeriesTable:
    """A table of series, and what is found in it.

    Attributes:
        table: The table.
        source: Its name in messages.
        options: What is known of it.
        left_out: The reason for each column that is not read.
        notes: What was decided, for the summary.
        formats: The result of `series_numbers.number_format` for each column that was asked for.
    """

    table: Table
    source: str
    options: SeriesOptions
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    formats: dict[str, NumberFormat | str | None] = field(default_factory=dict)

    @property
    def in_memory(self) -> bool:
        return self.table.path.suffix == ""

    def line(self, row: int) -> str:
        """The place of a row, for messages."""
        return f"step {row + 1} of {self.source}" if self.in_memory else self.table.where(row)

    def texts(self, name: str) -> Sequence[str]:
        """A column as stripped text; dates without a time of day that is 0 in all rows."""
        column = self.table.column(name)
        if self.table.schema[name].is_temporal():
            return [text or "" for text in without_midnight(list(column))]
        return ChunkedSequence(
            self.table.starts, lambda chunk: [text.strip() for text in column.load(chunk)]
        )

    def is_text(self, name: str) -> bool:
        """Whether the values of a column are text and not plain numbers."""
        return not self.table.schema[name].is_numeric() and not self.table.is_numeric(name)

    def plain(self, name: str) -> np.ndarray | None:
        """A column of plain numbers as float64; None if a value is not one."""
        blocks = [as_numbers(series).to_numpy() for series in self.table.series(name)]
        values = np.concatenate(blocks) if blocks else np.empty(0)
        return values if np.isfinite(values).all() else None


def without_midnight(texts: list[str | None]) -> list[str | None]:
    """Dates without fractions of a second, and without a time of day, that are 0 in all of them.

    Example:
        >>> without_midnight(["2024-01-01 00:00:00.000000", "2024-01-02 00:00:00.000000"])
        ['2024-01-01', '2024-01-02']
    """
    for ending in (".000000", ".000", " 00:00:00", "T00:00:00"):
        if all(text.endswith(ending) for text in texts if text):
            texts = [text and text.removesuffix(ending) for text in texts]
    return texts


@dataclass(frozen=True)
class TimeColumn:
    """The time of each row.

    Attributes:
        name: The column.
        texts: The time of each row as text.
        read: The dates of the rows, without forms if the times are not dates.
        numbers: The times, if they are numbers and not dates.
        joined: Other columns that the times are joined from, such as the month after the year.
    """

    name: str
    texts: Sequence[str]
    read: ColumnDates = field(default_factory=ColumnDates)
    numbers: np.ndarray | None = None
    joined: list[str] = field(default_factory=list)

    @property
    def columns(self) -> list[str]:
        """The columns of the time."""
        return [self.name, *self.joined]


# ---------------------------------------------------------------- time


def time_column(found: SeriesTable, taken: list[str]) -> TimeColumn | None:
    """The column with the time: the first column of dates; otherwise numbers in a column that is
    named like a time, or whole numbers at equal distances in the first column.

    Args:
        found: The table.
        taken: Columns with another use.
    """
    table, options = found.table, found.options
    if options.time is not None:
        return _named_time(found, options.time)
    if not options.named:
        return None
    free = [name for name in table.names if name not in taken]
    for name in free:
        if found.is_text(name):
            texts = found.texts(name)
            read = _dates(found, texts)
            if read.forms:
                return _with_time_of_day(found, TimeColumn(name, texts, read), free)
    joined = _joined_time(found, free)
    if joined is not None:
        return joined
    named = [name for name in free if name.strip().casefold() in TIME_NAMES]
    several = len(table.names) > 1
    first = [name for name in table.names[:1] if name in free and several]
    for name in dict.fromkeys([*named, *first]):
        if found.is_text(name):
            continue
        values = found.plain(name)
        if values is None:
            continue
        read = _dates(found, found.texts(name))
        if read.forms and read.bad is None and (name in named or is_ordered(values)):
            return TimeColumn(name, found.texts(name), read)
        if read.forms and read.forms[0] != "%Y" and name in named:
            return TimeColumn(name, found.texts(name), read)
        if _is_even(values) or (
            name in named and (is_ordered(values) or _is_ordered_in_series(found, values, free))
        ):
            return TimeColumn(name, found.texts(name), numbers=values)
    for name in first:
        # labels such as "week 1"
        texts = found.texts(name)
        if found.is_text(name) and all(any(map(str.isdigit, text)) for text in texts):
            return TimeColumn(name, texts)
    return None


def _joined_time(found: SeriesTable, free: list[str]) -> TimeColumn | None:
    """The time joined from columns of the year, and of the quarter, or of the month and the day."""
    parts = {
        part: name
        for name in free
        for part, names in DATE_PARTS.items()
        if name.strip().casefold() in names and not found.is_text(name)
    }
    last = "quarter" if "quarter" in parts else "month"
    if not {"year", last} <= parts.keys():
        return None
    names = [parts["year"], parts[last]]
    join = "{}-Q{}" if last == "quarter" else "{}-{:0>2}"
    if last == "month" and "day" in parts:
        names.append(parts["day"])
        join += "-{:0>2}"
    texts = [join.format(*row) for row in zip(*map(found.texts, names))]
    read = column_dates(texts)
    return TimeColumn(names[0], texts, read, joined=names[1:]) if read.forms else None


def _with_time_of_day(found: SeriesTable, time: TimeColumn, free: list[str]) -> TimeColumn:
    """The time joined with a column of the time of day, if dates occur several times."""
    if len({*time.texts}) == len(time.texts) or ":" in time.texts[0]:
        return time
    for name in free:
        texts = found.texts(name)
        if found.is_text(name):
            of_day = all(_TIME_OF_DAY.fullmatch(text) for text in texts)
        else:
            hours = name.strip().casefold() in DATE_PARTS["hour"]
            of_day = hours and all(re.fullmatch(r"[01]?\d|2[0-3]", text) for text in texts)
            texts = [f"{text:0>2}:00" for text in texts] if of_day else texts
        if of_day:
            joined = [f"{day} {text}" for day, text in zip(time.texts, texts)]
            read = _dates(found, joined)
            return TimeColumn(time.name, joined, read, joined=[name]) if read.forms else time
    return time


def _named_time(found: SeriesTable, name: str) -> TimeColumn:
    texts = found.texts(name)
    empty = next((row for row, text in enumerate(texts) if not text), None)
    if empty is not None:
        raise InputError(
            f"{found.line(empty)}: the time in the column {name!r} is empty; write it, or remove "
            "the row"
        )
    read = _dates(found, texts)
    if read.forms:
        return TimeColumn(name, texts, read)
    values = found.plain(name)
    return TimeColumn(name, texts, numbers=values if values is not None else None)


def _dates(found: SeriesTable, texts: Sequence[str]) -> ColumnDates:
    """As `column_dates`, in the form of the options if there is one."""
    form = found.options.date_format or (found.options.clock and found.options.clock.format)
    if not form:
        return column_dates(texts)
    read = column_dates(texts, form)
    if not read.forms and column_dates(texts).forms:
        # dates in another form than that of the options
        bad = next(row for row, text in enumerate(texts) if read_date(text, form) is None)
        return ColumnDates([form], bad)
    return read


def is_ordered(values: np.ndarray) -> bool:
    """Whether at least two numbers increase, or decrease, from row to row."""
    steps = np.diff(values)
    return len(steps) > 0 and bool((steps > 0).all() or (steps < 0).all())


def _is_even(values: np.ndarray) -> bool:
    """Whether whole numbers are at equal distances."""
    steps = np.diff(values)
    return is_ordered(values) and bool((steps == steps[0]).all() and (values % 1 == 0).all())


def _is_ordered_in_series(found: SeriesTable, values: np.ndarray, free: list[str]) -> bool:
    """Whether numbers increase from row to row of each series, named by the options or by a column
    of text or with a usual name.
    """
    names = found.options.identity or [
        name for name in free if found.is_text(name) or name.strip().casefold() in ID_NAMES
    ]
    for name in names:
        codes = codes_of(found.texts(name))
        order = np.argsort(codes, kind="stable")
        same = np.diff(codes[order]) == 0
        if same.any() and (np.diff(values[order])[same] > 0).all():
            return True
    return False


# ---------------------------------------------------------------- several series


def identity_columns(
    found: SeriesTable, time: TimeColumn | None, taken: list[str | None]
) -> list[str]:
    """The columns that tell several series apart; empty for one series.

    Args:
        found: The table.
        time: Its time.
        taken: Columns with another use.

    Raises:
        InputError: Dates occur several times, and several columns, or none, tell the rows apart.
    """
    if found.options.identity is not None or time is None:
        return found.options.identity or []
    names = [
        name
        for name in found.table.names
        if name not in (*taken, *time.columns) and name.strip().casefold() not in TIME_NAMES
    ]
    learned = {*found.options.series}
    for name in names if learned else ():
        if learned.issuperset(found.texts(name)):
            return [name]
    times = codes_of(time.texts)
    count = len(times)
    usual = [name for name in names if name.strip().casefold() in ID_NAMES]
    if int(times.max(initial=-1)) + 1 == count:
        return []
    words = [name for name in names if found.is_text(name)]
    codes = {
        name: code
        for name in dict.fromkeys([*usual, *words, *names])
        if (code := _identity_codes(found, name, count, trusted=name in [*usual, *words]))
        is not None
    }
    alone = [name for name, code in codes.items() if _is_distinct([code, times])]
    preferred = [name for name in alone if name in usual] or [
        name for name in alone if name in words
    ]
    if preferred or len(alone) == 1:
        chosen = (preferred or alone)[0]
        for name in preferred[1:]:
            if not _is_same(codes[chosen], codes[name]) and chosen not in usual:
                raise InputError(
                    f"{found.source}: the same times occur in several rows, and the columns "
                    f"{listed(preferred)} may tell the series apart; name one: --id {chosen}"
                )
        return [chosen]
    joint = [name for name in codes if name in usual or name in words][:JOINED]
    if len(joint) > 1 and _is_distinct([*(codes[name] for name in joint), times]):
        return joint
    first, second = _repeated(times)
    raise InputError(
        f"{found.line(second)}: the time {time.texts[second]!r} in the column {time.name!r} "
        f"occurs before, in {_place(found, first)}; keep one row for each time, or name the "
        f"column that tells several series apart: --id COLUMN (columns: {listed(names)})"
    )


def _place(found: SeriesTable, row: int) -> str:
    lines = found.table.lines
    return f"line {lines[row]}" if lines else f"row {row + 1}"


def codes_of(texts: Sequence[str]) -> np.ndarray:
    """A number for each distinct text, in the order of their first rows."""
    numbers: dict[str, int] = {}
    return np.fromiter((numbers.setdefault(text, len(numbers)) for text in texts), np.int64)


def _identity_codes(
    found: SeriesTable, name: str, count: int, *, trusted: bool
) -> np.ndarray | None:
    """The codes of a column that may tell series apart."""
    if not trusted:
        values = found.plain(name)
        if values is None or (values % 1 != 0).any():
            return None
    codes = codes_of(found.texts(name))
    kinds = int(codes.max(initial=-1)) + 1
    return codes if trusted or kinds * ROWS_PER_SERIES <= count else None


def _is_distinct(codes: list[np.ndarray]) -> bool:
    """Whether no two rows have the same codes."""
    return len(np.unique(np.stack(codes), axis=1).T) == len(codes[0])


def _is_same(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two columns divide the rows into the same series."""
    both = np.unique(np.stack([first, second]), axis=1).shape[1]
    return both == len(np.unique(first)) == len(np.unique(second))


def _repeated(codes: np.ndarray) -> tuple[int, int]:
    """The first two rows with the same code, the second of them as early as possible."""
    seen: dict[int, int] = {}
    for row, code in enumerate(codes.tolist()):
        if code in seen:
            return seen[code], row
        seen[code] = row
    raise AssertionError("all codes are different")
