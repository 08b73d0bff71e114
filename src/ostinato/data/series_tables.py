"""Private: tables of time series in other forms: a series in each row, and data in memory."""

from pathlib import Path

import numpy as np

from ..errors import InputError
from .dates import column_dates, forms_of
from .number_formats import MISSING
from .series_columns import is_ordered, without_midnight
from .tables import Table
from .text import compose

# The name of data in memory in messages.
IN_MEMORY = "the given series"
# The columns of a table whose header has dates, once it has a step in each row.
_WIDE_TIME, _WIDE_VALUE = "time", "value"


def wide_dates(table: Table) -> list[str]:
    """The columns of a table that are named by dates, if a row is a whole series: at least three
    in order, after columns of text.

    Example:
        >>> import polars
        >>> from pathlib import Path
        >>> from ostinato.data.tables import Table
        >>> frame = polars.DataFrame({"country": ["A"], "2019": [1], "2020": [2], "2021": [4]})
        >>> wide_dates(Table(Path("a"), [frame]))
        ['2019', '2020', '2021']
    """
    if table.has_no_header:
        return []
    dated = [name for name in table.names if forms_of(name)]
    if len(dated) < 3 or dated[0] == table.names[0]:
        return []
    found = column_dates(dated)
    values = found.dates[found.forms[0]].astype(np.int64) if found.bad is None else np.empty(0)
    return dated if is_ordered(values) and table.names[-1] == dated[-1] else []


def by_step(table: Table, dated: list[str], identity: list[str] | None) -> Table:
    """A table with a step in each row, from one with a series in each row."""
    import polars

    others = [name for name in table.names if name not in dated]
    texts = {name: [text.strip() for text in table.column(name)] for name in others}
    named = identity or next(
        ([other] for other in others if len({*texts[other]}) == len(table)), others
    )
    labels = [" / ".join(parts) for parts in zip(*(texts[other] for other in named))]
    series, times, values, lines = [], [], [], []
    columns = [table.column(name) for name in dated]
    for row, (label, cells) in enumerate(zip(labels, zip(*columns))):
        filled = [k for k, cell in enumerate(cells) if cell.strip().casefold() not in MISSING]
        # a series may start later, or end earlier, than others
        for place in range(filled[0], filled[-1] + 1) if filled else ():
            series.append(label)
            times.append(dated[place])
            values.append(cells[place])
            lines.append(table.lines[row] if table.lines else row + 1)
    name = named[0] if len(named) == 1 else "series"
    frame = polars.DataFrame(
        {name: series, _WIDE_TIME: times, _WIDE_VALUE: values},
        schema=dict.fromkeys((name, _WIDE_TIME, _WIDE_VALUE), polars.String),
    )
    return Table(table.path, [frame], lines if table.lines else None, header=table.header)


def series_table(data, names: list[str] | None = None) -> tuple[Table, bool]:
    """A table of a series in memory, and whether its columns have names.

    Args:
        data: (T,) or (T, F) numbers; a dict of columns; or a pandas or polars data frame or series.
            The index of a pandas object is a column if it has dates.
        names: The names of the columns of an array.

    Raises:
        InputError: Columns have different lengths, or the array has another shape or numbers of
            columns.

    Example:
        >>> table, named = series_table({"when": ["2024-01", "2024-02"], "sold": [3, 4]})
        >>> table.names, len(table), named
        (['when', 'sold'], 2, True)
    """
    import polars

    columns = _columns_in_memory(data)
    if columns is not None:
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) != 1 or not max(lengths.values()):
            raise InputError(
                f"{IN_MEMORY} has columns of these lengths: {lengths}; give one or more numeric "
                "columns of the same length"
            )
        frame = polars.DataFrame({name: _column(column) for name, column in columns.items()})
        return Table(Path(IN_MEMORY), [frame]), True
    try:
        values = np.asarray(data)
        if values.dtype.kind == "c":
            raise ValueError("it has complex numbers")
        values = values.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{IN_MEMORY} is not numeric ({error}); give an array, or a dict of columns"
        ) from error
    if values.ndim not in (1, 2) or not values.size:
        raise InputError(
            f"{IN_MEMORY} has the shape {values.shape}; give (T,), or (T, F) for F columns"
        )
    values = values.reshape(len(values), -1)
    if names and len(names) != values.shape[1]:
        raise InputError(
            f"{IN_MEMORY} has {values.shape[1]} columns, and the model was trained on "
            f"{len(names)}: {', '.join(names)}"
        )
    names = names or [str(place) for place in range(values.shape[1])]
    frame = polars.DataFrame(dict(zip(names, values.T)))
    return Table(Path(IN_MEMORY), [frame]), False


def _columns_in_memory(data) -> dict | None:
    """The columns of a dict or of a data frame, by name; None for an array."""
    if isinstance(data, dict):
        return {compose(str(name)): column for name, column in data.items()}
    library = type(data).__module__.partition(".")[0]
    if library == "polars":
        frame = data.to_frame() if hasattr(data, "to_frame") else data
        return {compose(name or "value"): frame[name] for name in frame.columns}
    if library != "pandas":
        return None
    frame = data.to_frame(name=data.name or "value") if hasattr(data, "to_frame") else data
    if not frame.columns.is_unique:
        raise InputError(
            f"{IN_MEMORY} has the columns {', '.join(map(repr, frame.columns))}; give each column "
            "its own name"
        )
    columns = {compose(str(name)): frame[name].array for name in frame.columns}
    # an index that only numbers the rows is left out
    levels = [frame.index.get_level_values(level) for level in range(frame.index.nlevels)]
    indexed = {}
    for place, level in enumerate(levels):
        if len(levels) > 1 or level.dtype.kind not in "iu":
            name = compose(str(level.name)) if level.name is not None else f"index {place}"
            indexed[name] = level.array
    return {**indexed, **columns}


def _column(values):
    """A column as a polars series of numbers, dates or text."""
    import polars

    if isinstance(values, polars.Series):
        dtype = values.dtype
        if dtype == polars.Datetime:
            return values.dt.cast_time_unit("us")
        return values.cast(polars.Float64) if dtype == polars.Boolean else values
    values = list(values)
    kinds = {type(value) for value in values if value is not None}
    if all(issubclass(kind, (int, np.integer)) for kind in kinds) and None not in values:
        return polars.Series(np.array(values, np.int64))
    if all(issubclass(kind, (int, float, np.number, np.bool_)) for kind in kinds):
        return polars.Series(np.array([np.nan if v is None else v for v in values], np.float64))
    texts = [_text_in_memory(value) for value in values]
    return polars.Series(without_midnight(texts), dtype=polars.String)


def _text_in_memory(value) -> str | None:
    """A value as it would stand in a file."""
    if isinstance(value, np.datetime64) and value.dtype == "datetime64[ns]":
        value = value.astype("datetime64[us]")
    text = compose(str(value)).strip()
    return None if value is None or text in ("NaT", "nan", "<NA>") else text
