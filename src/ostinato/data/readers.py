"""What tasks read from tables: texts with labels and without, pairs of sentences, sequences of
numbers, and series.

A column that is not named is found by its name or by what is in it, and every result says in
`columns` which were taken.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import Made, StoredArray
from .examples import Labelled
from .tables import (
    LABELS,
    LANGUAGES,
    TEXTS,
    Table,
    as_numbers,
    listed,
    names_known,
    read_table,
)
from .values import TEXT

SEQUENCES = ("seq", "sequence", "sequence_id", "seq_id")
IDS = ("id", "ids", "index", "idx", "uid", "")
STEPS = ("step", "timestep", "time_step", "t", "time", "frame")


@dataclass(frozen=True)
class Pairs:
    """Sentences, and what they are in another language; `targets` is None where the file has one
    column.
    """

    sources: Sequence[str]
    targets: Sequence[str] | None
    columns: dict[str, str | list[str]]


@dataclass(frozen=True)
class Series:
    """One series: values (T, F) float64, the names of the F columns, and what the file says of when
    each step was, if it does.
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
    """Texts or sequences of numbers with their labels, for a model of many to one.

    A table with a column of text is of texts. One of numbers has a sequence in each row, step after
    step; or, with a column that numbers the sequences (`seq`, or an `id` that is there more than
    once), a step in each row. An npz file holds `x` and `y` as `arrays.split_array` reads them, and
    `names` may name the labels.

    Args:
        path: Of the file.
        text: The column of texts.
        label: The column (or array) of labels.
        columns: The columns of numbers, in order (or the one array).
        steps: T, of a table with a sequence in each row.
        features: F, of one; 1 if neither is given.
        like: Where the labels are not wanted, because a model is to answer: `columns` of the data
            that it learned from. The column of labels need not be there then, a table of one column
            is of texts whatever that is called, and as many numbers as it learned from are all of a
            row.

    Raises:
        InputError: The file cannot be read; a column is not there; a label is empty; a number is
            missing or not finite.
    """
    if Path(path).suffix == ".npz":
        from .npz import read_labelled_arrays

        return read_labelled_arrays(path, label=label, columns=columns, labelled=like is None)
    before = like.get("text") if like else None
    # one that had no name has none here either
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
            f"text={text!r} and columns={columns}: a table is read as texts or as numbers; give "
            f"one of the two"
        )
    label = label or table.find(LABELS, without=(text, *(columns or ())))
    order = table.find(SEQUENCES) or table.find(IDS, without=(text, label, *(columns or ())))
    free = [name for name in table.names if name not in (label, order)]
    words = [name for name in free if not table.is_numeric(name)]
    numeric = [name for name in free if name not in words]
    if text is None and columns is None and steps is None and features is None:
        # A column that is named so is of texts though all of them are numbers.
        text = table.find(TEXTS, without=(label, order))
        if text is None and words and len(numeric) < 2:
            text = table.wordiest(words)
    if text is not None:
        if label is None and table.headless and len(table.names) == 2:
            label = next(name for name in table.names if name != text)
        taken = {"text": text} | ({"label": label} if label else {})
        return Labelled(
            table.texts(text),
            None,
            table.full_texts(label, "label") if label and like is None else None,
            taken,
        )
    if label is None and len(words) == 1:
        label = words[0]
    elif label is None and columns is None and table.headless and not words:
        # A row is the label and T * F numbers, unless T * F is known and all of the row is just
        # that.
        whole = (steps or 1) * (features or 1)
        alone = like is not None and len(free) == len(like.get("numbers", ()))
        label = None if alone or (len(free) % whole == 0 and (len(free) - 1) % whole) else free[0]
    columns = columns or [name for name in numeric if name not in (label, table.find(STEPS))]
    if not columns:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none of them of texts or "
            f"numbers to learn from; "
            "name one: text=... or columns=[...]"
        )
    labels = table.full_texts(label, "label") if label and like is None else None
    taken = {"numbers": columns} | ({"label": label} if label else {})
    if order is not None and steps is None and features is None:
        if order.casefold() in SEQUENCES or _repeats(table.texts(order)):
            return _long_form(table, order, columns, labels, taken | {"sequence": order})
    return Labelled(
        None,
        table.sequences(columns, _wide_shape(table, len(columns), steps, features)),
        labels,
        taken,
        TEXT,
    )


def read_texts(path: Path, *, text: str | None = None) -> tuple[Sequence[str], str]:
    """The texts of a table, whatever else is in it, and their column.

    Args:
        path: Of the file.
        text: The column; if not given, one of a usual name, or the one with most text that has not
            the name of a label.

    Raises:
        InputError: The file cannot be read; the column is not there, or there are numbers alone.
    """
    table = read_table(path)
    text = text if text is not None else table.find(TEXTS)
    if text is None:
        label = table.find(LABELS)
        text = table.wordiest(
            name for name in table.names if name != label and not table.is_numeric(name)
        )
    if text is None:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none of them of texts; name one"
        )
    return table.texts(text), text


def _wide_shape(
    table: Table, count: int, steps: int | None, features: int | None
) -> tuple[int, int]:
    """T and F of rows of so many numbers."""
    given = ", ".join(
        f"{name}={size}"
        for name, size in (("steps", steps), ("features", features))
        if size is not None
    )
    features = features if features is not None else count // steps if steps else 1
    steps = steps if steps is not None else count // features if features > 0 else 0
    if min(steps, features) < 1 or steps * features != count:
        raise InputError(
            f"{given}: {str(table.path)!r} has {count} numbers in a row, which should be steps * "
            f"features; "
            "give sizes whose product that is, or name the columns of numbers: columns=[...]"
        )
    return steps, features


def _repeats(texts: Sequence[str]) -> bool:
    """Whether one is there more than once, as far as hashes of 64 bits tell."""
    return len(np.unique(np.fromiter(map(hash, texts), np.int64, len(texts)))) < len(texts)


def _long_form(
    table: Table, order: str, columns: list[str], labels: Sequence[str] | None, taken: dict
) -> Labelled:
    values = table.numbers(columns)
    # the number of each sequence, of each row the sequence it is in, and the first row in a
    # sequence whose label is another
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
            f"{firsts[place]!r} before; give all rows of a sequence one label"
        )
    rows = np.argsort(np.frombuffer(places, np.uint32), kind="stable").astype(np.uint32)
    ends = np.cumsum([0, *np.bincount(np.frombuffer(places, np.uint32))])
    sequences = Made(
        len(numbers),
        lambda k: np.stack(values.take(rows[ends[k] : ends[k + 1]])[:]).astype(np.float32),
    )
    return Labelled(None, sequences, firsts if labels else None, taken, TEXT)


def read_pairs(
    path: Path, *, source: str | None = None, target: str | None = None, answered: bool = True
) -> Pairs:
    """Sentences in two languages: the first two columns, unless others are named.

    The first line names the columns where it has names of languages ("en", "english") or `source`
    and `target`. A table of one column is of sentences to be translated.

    Args:
        path: Of the file.
        source, target: The columns.
        answered: Whether targets are wanted. Where not, the column of these need not be there, and
            the one of a table of one column is the source.

    Raises:
        InputError: The file cannot be read; a column is not there; a sentence is empty.
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
            f"source={source!r} and target={target!r} are one column; name two of "
            f"{listed(table.names)}"
        )
    targets = (
        table.full_texts(target, "target sentence") if target is not None and answered else None
    )
    taken = {"source": source} | ({"target": target} if target is not None else {})
    return Pairs(table.full_texts(source, "source sentence"), targets, taken)


def _names_language(name: str) -> bool:
    return (
        name.casefold() in LANGUAGES
        or re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z]+)?", name) is not None
    )


def read_series(path: Path, *, columns: list[str] | None = None, time: str | None = None) -> Series:
    """A series, a step in each row.

    Args:
        path: Of the table.
        columns: What is forecast; all columns of numbers, if not given.
        time: The column that says when; if not given, the first one where it holds dates or numbers
            that only grow.

    Raises:
        InputError: The file cannot be read; a column is not there; a number is missing or not
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
            f"{str(path)!r} has the columns {listed(table.names)}, none of them of numbers to "
            f"forecast; "
            "name one: columns=[...]"
        )
    times = table.full_texts(time, "time") if time is not None else None
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
