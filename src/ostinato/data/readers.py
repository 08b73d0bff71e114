"""Private: readers of tables: labelled and unlabelled texts, sentence pairs, sequences, time
series.

A column that is not named is found by its name or content. Every result lists the columns that were
used.
"""

import re
from array import array
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import LazySequence, StoredArray
from .examples import Labelled
from .summary import ColumnUse, labels_found
from .tables import (
    LABEL_COLUMNS,
    LANGUAGE_COLUMNS,
    TEXT_COLUMNS,
    Table,
    as_numbers,
    listed,
    names_known,
    read_table,
)
from .values import TEXT_DTYPE, scaling

SEQUENCE_COLUMNS = ("seq", "sequence", "sequence_id", "seq_id")
ID_COLUMNS = ("id", "ids", "index", "idx", "uid", "")
STEP_COLUMNS = ("step", "timestep", "time_step", "t", "time", "frame")


@dataclass(frozen=True)
class SentencePairs:
    """Source and target sentences; `targets` is None if the file has one column."""

    sources: Sequence[str]
    targets: Sequence[str] | None
    columns: dict[str, str | list[str]]


@dataclass(frozen=True)
class Series:
    """A time series.

    Attributes:
        values: (T, F) float64.
        names: The names of the F columns.
        times: The time of each step, as text; None if the file has none.
        columns: The columns that were used.
    """

    values: StoredArray
    names: list[str]
    times: Sequence[str] | None
    columns: dict[str, str | list[str]]


def read_labelled(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    columns: list[str] | None = None,
    steps: int | None = None,
    features: int | None = None,
    like: Mapping | None = None,
) -> Labelled:
    """Read texts or sequences of numbers with labels.

    A table with a text column is read as texts. A numeric table has a whole sequence in each row;
    or, with a column that numbers the sequences (`seq`, or an `id` that repeats), one step in each
    row. An npz file has `x` and `y` as described in `npz.split_array`, and optionally `names` of
    the labels.

    Args:
        path: The file.
        text: The text column.
        label: The column (or array) of labels.
        columns: The numeric columns in order (or a list with one array).
        steps: T, if a row is a whole sequence.
        features: F, if a row is a whole sequence; 1 by default.
        like: The `columns` of the training data, if labels are not required because a model
            predicts them. Then the label column may be missing, a table with one column is read as
            texts, and a row with as many numbers as in training is read as numbers only.

    Raises:
        InputError: The file cannot be read; a column does not exist; a label is empty; a number is
            missing or not finite.
    """
    if Path(path).suffix == ".npz":
        from .npz import read_labelled_arrays

        return read_labelled_arrays(path, label=label, columns=columns, labelled=like is None)
    before = like.get("text") if like else None
    # the training data had no header, so this file has none either
    named = None if before is None or before.isdecimal() else before
    table = read_table(
        path,
        is_header=names_known([text, label, *(columns or []), named], texts=before is not None),
    )
    if like is not None:
        label = label if label in table.names else None
        if before is not None and len(table.names) == 1:
            (text,) = table.names
    for name in [text, label, *(columns or [])]:
        if name is not None:
            table.column(name)
    if text is not None and columns is not None:
        raise InputError(
            f"text={text!r} and columns={columns}: a table is read either as texts or as numbers; "
            "give one of the two"
        )
    label = label or table.find(LABEL_COLUMNS, without=(text, *(columns or ())))
    order = table.find(SEQUENCE_COLUMNS) or table.find(
        ID_COLUMNS, without=(text, label, *(columns or ()))
    )
    free = [name for name in table.names if name not in (label, order)]
    words = [name for name in free if not table.is_numeric(name)]
    numeric = [name for name in free if name not in words]
    if text is None and columns is None and steps is None and features is None:
        # A column with the name of a text column is text, even if all values are numbers.
        text = table.find(TEXT_COLUMNS, without=(label, order))
        if text is None and words and len(numeric) < 2:
            text = table.longest_text_column(words)
    if text is not None:
        if label is None and table.has_no_header and len(table.names) == 2:
            label = next(name for name in table.names if name != text)
        taken = {"text": text} | ({"label": label} if label else {})
        labels = table.nonempty_texts(label, "label") if label and like is None else None
        summary = table.summary(ColumnUse("text", [text]), *_label_use(label, labels))
        return Labelled(table.texts(text), None, labels, taken, summary=summary)
    if label is None and len(words) == 1:
        label = words[0]
    elif label is None and columns is None and table.has_no_header and not words:
        # A row is a label and T * F numbers, unless all columns together are T * F.
        whole = (steps or 1) * (features or 1)
        alone = like is not None and len(free) == len(like.get("numbers", ()))
        label = None if alone or (len(free) % whole == 0 and (len(free) - 1) % whole) else free[0]
    columns = columns or [name for name in numeric if name not in (label, table.find(STEP_COLUMNS))]
    if not columns:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none with texts or numbers to "
            "learn from; name one: text=... or columns=[...]"
        )
    labels = table.nonempty_texts(label, "label") if label and like is None else None
    taken = {"numbers": columns} | ({"label": label} if label else {})
    if order is not None and steps is None and features is None:
        if order.casefold() in SEQUENCE_COLUMNS or _repeats(table.texts(order)):
            return _long_form(table, order, columns, labels, taken | {"sequence": order})
    shape = _wide_shape(table, len(columns), steps, features)
    used = ColumnUse("numbers", columns, f"{shape[0]:,} steps of {shape[1]}, {scaling(TEXT_DTYPE)}")
    return Labelled(
        None,
        table.sequences(columns, shape),
        labels,
        taken,
        TEXT_DTYPE,
        table.summary(used, *_label_use(label, labels)),
    )


def _label_use(label: str | None, labels: Iterable[str] | None) -> list[ColumnUse]:
    """The use of the label column, if there is one, with the counts of its labels."""
    if label is None:
        return []
    return [ColumnUse("label", [label], labels_found(labels) if labels is not None else "")]


def read_texts(path: Path, *, text: str | None = None) -> tuple[Sequence[str], str]:
    """Read the texts of a table and the name of their column.

    Args:
        path: The file.
        text: The column; by default one with a usual name, or the one with the most text that is
            not named like a label.

    Raises:
        InputError: The file cannot be read; the column does not exist, or all columns are numeric.
    """
    table = read_table(path)
    text = text if text is not None else table.find(TEXT_COLUMNS)
    if text is None:
        label = table.find(LABEL_COLUMNS)
        text = table.longest_text_column(
            name for name in table.names if name != label and not table.is_numeric(name)
        )
    if text is None:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none with texts; name one"
        )
    return table.texts(text), text


def _wide_shape(
    table: Table, count: int, steps: int | None, features: int | None
) -> tuple[int, int]:
    """T and F of a row with `count` numbers."""
    given = ", ".join(
        f"{name}={size}"
        for name, size in (("steps", steps), ("features", features))
        if size is not None
    )
    features = features if features is not None else count // steps if steps else 1
    steps = steps if steps is not None else count // features if features > 0 else 0
    if min(steps, features) < 1 or steps * features != count:
        raise InputError(
            f"{given}: {str(table.path)!r} has {count} numbers per row, which should be steps * "
            "features; give sizes with this product, or name the numeric columns: columns=[...]"
        )
    return steps, features


def _repeats(texts: Sequence[str]) -> bool:
    """Whether a text occurs more than once, as far as 64-bit hashes tell."""
    return len(np.unique(np.fromiter(map(hash, texts), np.int64, len(texts)))) < len(texts)


def _long_form(
    table: Table, order: str, columns: list[str], labels: Sequence[str] | None, taken: dict
) -> Labelled:
    values = table.numbers(columns)
    # the number of each sequence; the sequence of each row; the label of each sequence, and the
    # first row with another label
    numbers, places, firsts, others = {}, array("I"), [], {}
    for row, (name, label) in enumerate(zip(table.texts(order), labels or repeat(None))):
        place = numbers.setdefault(name, len(numbers))
        places.append(place)
        if place == len(firsts):
            firsts.append(label)
        elif label != firsts[place]:
            others.setdefault(place, (row, name, label))
    if others:
        place = min(others)
        row, name, label = others[place]
        raise InputError(
            f"{table.where(row)}: the label of sequence {name!r} is {label!r} here and "
            f"{firsts[place]!r} before; give all rows of a sequence the same label"
        )
    rows = np.argsort(np.frombuffer(places, np.uint32), kind="stable").astype(np.uint32)
    ends = np.cumsum([0, *np.bincount(np.frombuffer(places, np.uint32))])
    sequences = LazySequence(
        len(numbers),
        lambda k: np.stack(values.take(rows[ends[k] : ends[k + 1]])[:]).astype(np.float32),
    )
    summary = table.summary(
        ColumnUse("sequence", [order], f"{len(numbers):,} sequences"),
        ColumnUse("numbers", columns, f"a step in each row, {scaling(TEXT_DTYPE)}"),
        *([ColumnUse("label", [taken["label"]], labels_found(firsts))] if labels else []),
        rows=len(numbers),
        unit="sequences",
    )
    return Labelled(None, sequences, firsts if labels else None, taken, TEXT_DTYPE, summary)


def read_pairs(
    path: Path, *, source: str | None = None, target: str | None = None, answered: bool = True
) -> SentencePairs:
    """Read sentence pairs: by default from the first two columns.

    The first line is a header if it has names of languages ("en", "english") or `source` and
    `target`. A table with one column has only sources.

    Args:
        path: The file.
        source, target: The columns.
        answered: Targets are required. Otherwise the target column may be missing, and the only
            column of a table is the source.

    Raises:
        InputError: The file cannot be read; a column does not exist; a sentence is empty.
    """
    named = {source, target} - {None}

    def is_header(first: list[str], second: list[str]) -> bool:
        if len(first) == 1 or named:
            return names_known(named, texts=True)(first, second)
        return all(map(_names_language, first[:2]))

    table = read_table(path, is_header=is_header)
    if not answered:
        target = target if target in table.names else None
        source = source if len(table.names) > 1 else None
    source = source if source is not None else next(name for name in table.names if name != target)
    target = (
        target
        if target is not None
        else next((name for name in table.names if name != source), None)
    )
    for name in (source, target):
        if name is not None:
            table.column(name)
    if source == target:
        raise InputError(
            f"source={source!r} and target={target!r} are the same column; name two of "
            f"{listed(table.names)}"
        )
    targets = (
        table.nonempty_texts(target, "target sentence") if target is not None and answered else None
    )
    taken = {"source": source} | ({"target": target} if target is not None else {})
    return SentencePairs(table.nonempty_texts(source, "source sentence"), targets, taken)


def _names_language(name: str) -> bool:
    return (
        name.casefold() in LANGUAGE_COLUMNS
        or re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z]+)?", name) is not None
    )


def read_series(path: Path, *, columns: list[str] | None = None, time: str | None = None) -> Series:
    """Read a time series with a step in each row.

    Args:
        path: The table.
        columns: The columns to forecast; by default all numeric columns.
        time: The column with the time; by default the first column if it holds dates or increasing
            numbers.

    Raises:
        InputError: The file cannot be read; a column does not exist; a number is missing or not
            finite.
    """
    table = read_table(path)
    first = table.names[0]
    if (
        time is None
        and first not in (columns or [])
        and len(table.names) > 1
        and _is_time(table, first)
    ):
        time = first
    names = (
        list(columns)
        if columns
        else [name for name in table.names if name != time and table.is_numeric(name)]
    )
    if not names:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none with numbers to forecast; "
            "name one: columns=[...]"
        )
    times = table.nonempty_texts(time, "time") if time is not None else None
    return Series(
        table.numbers(names),
        names,
        times,
        {"values": names} | ({"time": time} if time is not None else {}),
    )


def _is_time(table: Table, name: str) -> bool:
    if not table.is_numeric(name):
        return all(re.search(r"\d", text) for text in table.texts(name))
    last, count = -np.inf, 0
    for series in table.series(name):
        values = np.concatenate([[last], as_numbers(series).to_numpy()])
        if not (values[1:] > values[:-1]).all():
            return False
        last, count = values[-1], count + len(series)
    return count > 1
