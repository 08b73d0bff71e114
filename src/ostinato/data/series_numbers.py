"""Private: the columns of numbers of a table of time series, and the format of their numbers."""

from collections.abc import Iterator
from itertools import islice

import numpy as np

from ..errors import InputError
from .dates import forms_of
from .number_formats import MISSING, FormatEvidence, NumberFormat
from .series_columns import INDEX_NAMES, SeriesTable
from .tables import as_numbers, listed

# Values by which a column without plain numbers is recognised as text.
SAMPLED_VALUES = 200


def number_format(found: SeriesTable, name: str) -> NumberFormat | str | None:
    """The format of a column; the reason why it cannot be read; None for plain numbers."""
    if name not in found.formats:
        found.formats[name] = _format_of(found, name)
    return found.formats[name]


def _format_of(found: SeriesTable, name: str) -> NumberFormat | str | None:
    import polars

    if found.table.schema[name] != polars.String:
        return None
    decimal, evidence = found.options.decimal, FormatEvidence()
    plain = all(as_numbers(some).is_not_null().all() for some in _filled(found, name))
    if plain and decimal != ",":
        return None
    for some in _filled(found, name):
        if not evidence.count:
            few = FormatEvidence()
            few.add(islice(some, SAMPLED_VALUES))
            if not few.numbers and not plain:
                return f"text, such as {some[0]!r}"
        evidence.add(some)
    # 1.100 is plain, but not with a decimal comma
    if plain and (evidence.decimals or not evidence.pointed):
        return None
    if not evidence.is_numeric():
        return f"text, such as {_first_text(found, name)!r}"
    return evidence.format(decimal)


def _filled(found: SeriesTable, name: str):
    """The stripped values of a column of text that are not missing, in parts with a value."""
    for series in found.table.series(name):
        series = series.str.strip_chars()
        some = series.filter(~series.str.to_lowercase().is_in(list(MISSING)))
        if len(some):
            yield some


def _first_text(found: SeriesTable, name: str) -> str:
    """The first value of a column that is not a number."""
    return next(
        text
        for text in found.texts(name)
        if text.casefold() not in MISSING and not _is_number(text)
    )


def _is_number(text: str) -> bool:
    evidence = FormatEvidence()
    evidence.add([text])
    return evidence.numbers == 1


def columns_to_forecast(found: SeriesTable, taken: set[str]) -> list[str]:
    """The columns of numbers that have no other use. The reasons for the others are added to
    `left_out`.

    Raises:
        InputError: No column has numbers, or one can be read in two ways.
    """
    names = []
    for name in found.table.names:
        if name in taken:
            continue
        form = number_format(found, name)
        if isinstance(form, str):
            if not form.startswith("text"):
                raise InputError(
                    f"{found.source}: the column {name!r} {form}; name the decimal mark: --decimal "
                    'comma or --decimal point, or name the columns to forecast: --columns "..."'
                )
            if forms_of(form.partition("such as ")[2].strip("'")):
                form = "another column of dates"
            found.left_out[name] = form
            continue
        if name.strip().casefold() in INDEX_NAMES and _is_count(found.plain(name)):
            found.left_out[name] = "numbers the rows"
            continue
        if not found.options.trained and _is_empty(found, name):
            found.left_out[name] = "has no values"
            continue
        names.append(name)
    constant = [name for name in names if _is_constant(found, name)]
    if not found.options.trained and len(constant) < len(names):
        for name in constant:
            found.left_out[name] = f"has one value, {found.texts(name)[0]}"
            names.remove(name)
    if not names:
        reasons = "; ".join(f"{name!r}: {reason}" for name, reason in found.left_out.items())
        raise InputError(
            f"{found.source} has the columns {listed(found.table.names)}, none with numbers to "
            f"forecast; name one: columns=[...]" + (f" ({reasons})" if reasons else "")
        )
    return names


def _is_count(values: np.ndarray | None) -> bool:
    if values is None or not len(values):
        return False
    return bool(values[0] in (0, 1) and (np.diff(values) == 1).all())


def _is_empty(found: SeriesTable, name: str) -> bool:
    return all(text.casefold() in MISSING for text in found.texts(name))


def _is_constant(found: SeriesTable, name: str) -> bool:
    texts = iter(found.texts(name))
    first = next(texts, "")
    return all(text == first for text in texts)


def blocks_of(
    found: SeriesTable, names: list[str], formats: dict[str, NumberFormat | None]
) -> Iterator[np.ndarray]:
    """The values of columns in blocks of rows, (n, columns) float64; NaN for missing values.

    Raises:
        InputError: A value is not a number, or is not finite in float32.
    """
    start = 0
    for columns in zip(*(found.table.series(name) for name in names)):
        block = np.column_stack(
            [
                _converted(found, name, column, formats[name], start)
                for name, column in zip(names, columns)
            ]
        )
        yield block
        start += len(block)


def _converted(found: SeriesTable, name: str, column, form: NumberFormat | None, start: int):
    import polars

    is_text = column.dtype == polars.String
    if form is None:
        values = as_numbers(column).to_numpy()
        missing = column.is_null() if not is_text else _is_missing(column)
    else:
        numbers = [form.number(text or "") for text in column]
        values = np.array([np.inf if number is None else number for number in numbers])
        missing = _is_missing(column)
    with np.errstate(over="ignore"):
        bad = ~np.isfinite(values.astype(np.float32)) & ~missing.to_numpy().astype(bool)
    if not is_text:
        bad &= ~np.isnan(values)
    if bad.any():
        row = int(bad.argmax())
        raise InputError(
            f"{found.line(start + row)}: the value in the column {name!r} is {column[row]!r}, not "
            "a finite number; fix the value, or remove the row"
        )
    return np.where(np.isfinite(values), values, np.nan)


def _is_missing(column):
    return column.is_null() | column.str.strip_chars().str.to_lowercase().is_in(list(MISSING))
