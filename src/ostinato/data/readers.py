"""Private: readers of tables: labelled and unlabelled texts, sentence pairs, sequences.

A column that is not named is found by its name or content. Every result lists the columns that were
used.
"""

import re
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path

import numpy as np

from ..errors import InputError
from .columns import ID_COLUMNS, Profile, no_label, profile, quoted, row_number_column
from .disk import LazySequence
from .examples import Labelled
from .label_sets import LabelSet, column_sets, text_sets, with_label_sets
from .separated import LABEL_COLUMNS, LANGUAGE_COLUMNS, TEXT_COLUMNS, names_known
from .summary import ColumnUse, DataSummary, labels_found
from .tables import Table, listed, read_table
from .values import TEXT_DTYPE, label_texts

SEQUENCE_COLUMNS = ("seq", "sequence", "sequence_id", "seq_id")
STEP_COLUMNS = ("step", "timestep", "time_step", "t", "time", "frame")


@dataclass(frozen=True)
class SentencePairs:
    """Source and target sentences; `targets` is None if the file has one column."""

    sources: Sequence[str]
    targets: Sequence[str] | None
    columns: dict[str, str | list[str]]
    summary: DataSummary


def read_labelled(
    path: Path,
    *,
    text: str | None = None,
    label: str | None = None,
    columns: list[str] | None = None,
    steps: int | None = None,
    features: int | None = None,
    header: bool | None = None,
    like: Mapping | None = None,
    trained: Mapping | None = None,
    required: bool = False,
    several: bool = False,
) -> Labelled:
    """Read texts or sequences of numbers with labels.

    A table with a text column is read as texts. A numeric table has a whole sequence in each row;
    or, with a column that numbers the sequences (`seq`, or an `id` that repeats), one step in each
    row. Numbers that are missing at the end of a row end its sequence early. An npz file has `x`
    and `y` as described in `npz.split_array`, and optionally `names` of the labels. Files named .ts
    and .arff are read as described in `data.uea`.

    Args:
        path: The file.
        text: The text column.
        label: The column (or array) of labels; with `several`, also columns of 0 and 1, separated
            by commas.
        columns: The numeric columns in order (or a list with one array).
        steps: T, if a row is a whole sequence.
        features: F, if a row is a whole sequence; 1 by default.
        header: Whether the first line of a table names its columns; None to find out.
        like: The `columns` of the training data, if labels are not required because a model
            predicts them. Then the label column may be missing, a table with one column is read as
            texts, and a row with as many numbers as in training is read as numbers only.
        trained: The `columns` of the training data, for labelled data.
        required: Labels are required.
        several: Rows have any number of labels, tuples in the result: separated by one of
            `label_sets.SEPARATORS`, in a list, or with a column of 0 and 1 for each label.

    Raises:
        InputError: The file cannot be read; a column does not exist; the label column is
            missing or ambiguous; a label is empty; a number is missing inside a row, or is not
            finite.
    """
    known = trained if like is None else like
    separator = (known or {}).get("separator")
    kind = Path(path).suffix.lower()
    if kind == ".npz":
        from .npz import read_labelled_arrays

        found = read_labelled_arrays(
            path, label=label, columns=columns, labelled=like is None, several=several
        )
    elif kind in (".ts", ".arff"):
        from .uea import read_uea

        found = read_uea(path, labelled=like is None)
    else:
        found = _read_rows(
            path,
            text=text,
            label=label,
            columns=columns,
            steps=steps,
            features=features,
            header=header,
            like=like,
            known=known,
            reading=LabelReading(several, separator, required, like is None),
        )
    return with_label_sets(found, separator) if several else found


def _read_rows(
    path: Path,
    *,
    text: str | None,
    label: str | None,
    columns: list[str] | None,
    steps: int | None,
    features: int | None,
    header: bool | None,
    like: Mapping | None,
    known: Mapping | None,
    reading: "LabelReading",
) -> Labelled:
    """The rows of a table, as `read_labelled`.

    Args:
        known: The `columns` of the training data, for labelled data too.
        reading: How labels are read.
    """
    several = reading.several
    before = known.get("text") if known else None
    # the training data had no header, so this file has none either
    named = None if before is None or before.isdecimal() else before
    listed_labels = [name.strip() for name in (label or "").split(",") if name.strip()]
    table = read_table(
        path,
        is_header=names_known(
            {text, label, *listed_labels, *(columns or []), named}, texts=before is not None
        ),
        header=header if like is None else None,
        lists=several,
        list_hint="" if several else "; a list of labels is read with --multi-label",
    )
    if text is None and columns is None and before in table.names:
        text = before
    labels_of = [label] if label in table.names or len(listed_labels) < 2 else listed_labels
    labels_of = [name for name in labels_of if name is not None]
    if known is not None and label is None:
        names = _names(known.get("label")) or [known.get("label")]
        if all(name in table.names for name in names):
            # a numbered column exists in any table without a header
            same = before is not None or len(table.names) == len(names) + len(
                _names(known.get("numbers"))
            )
            labels_of = names if same else []
    if like is not None:
        labels_of = [name for name in labels_of if name in table.names]
        if before is not None and len(table.names) == 1:
            (text,) = table.names
    if len(labels_of) > 1 and not several:
        raise InputError(
            f"--label {label}: {str(path)!r} has the columns {listed(table.names)}; name one, or "
            "write --multi-label to predict each of these columns of 0 and 1"
        )
    for name in [text, *labels_of, *(columns or [])]:
        if name is not None:
            table.column(name)
    if text is not None and columns is not None:
        raise InputError(
            f"text={text!r} and columns={columns}: a table is read either as texts or as numbers; "
            "give one of the two"
        )
    if not labels_of:
        named = table.find(LABEL_COLUMNS, without=(text, *(columns or ())))
        labels_of = [named] if named is not None else []
    taken = (text, *labels_of, *(columns or ()))
    counter = row_number_column(table, without=taken)
    order = table.find(SEQUENCE_COLUMNS) or table.find(ID_COLUMNS, without=(*taken, counter))
    free = [name for name in table.names if name not in (*labels_of, order, counter)]
    words = [name for name in free if not table.is_numeric(name)]
    numeric = [name for name in free if name not in words]
    if text is None and columns is None and steps is None and features is None:
        text = _text_column(table, words, numeric, without=(*labels_of, order))
    left_out = {counter: "numbers the rows"} if counter else {}
    if text is not None:
        return _texts(table, text, labels_of, left_out, reading)
    if len(numeric) > 1:
        # columns without a value, such as the last steps of sequences that all end early
        words = [name for name in words if not profile(table, name).is_empty]
        numeric = [name for name in free if name not in words]
    if not labels_of and columns is None:
        # a row has as many numbers as in training, so it has no label
        alone = like is not None and len(free) == len(_names(like.get("numbers")))
        if not alone:
            found = _label_of_numbers(table, words, free, (steps or 1) * (features or 1), like)
            labels_of = [] if found is None else [found]
        if not labels_of and reading.required:
            raise no_label(table, None, free)
    left = (*labels_of, table.find(STEP_COLUMNS))
    columns = columns or [name for name in numeric if name not in left]
    if not columns:
        raise InputError(
            f"{str(path)!r} has the columns {listed(table.names)}, none with texts or numbers to "
            "learn from; name one: text=... or columns=[...]"
        )
    labels, label_use = reading.labels(table, labels_of)
    used: dict[str, str | list[str]] = {"numbers": columns} | label_use
    if order is not None and steps is None and features is None:
        if order.casefold() in SEQUENCE_COLUMNS or _repeats(table.texts(order)):
            return _long_form(table, order, columns, labels, used | {"sequence": order})
    if order is not None:
        left_out[order] = "names the rows"
    shape = _wide_shape(table, len(columns), steps, features)
    use = ColumnUse("numbers", columns, f"{shape[0]:,} steps of {shape[1]}")
    summary = table.summary(use, *_label_use(labels_of, labels), left_out=left_out)
    sequences, cut = table.sequences(columns, shape)
    summary = summary.with_early_ends(cut)
    return Labelled(None, sequences, labels, used, TEXT_DTYPE, summary)


@dataclass(frozen=True)
class LabelReading:
    """How the labels of a table are read.

    Attributes:
        several: Rows have any number of labels.
        separator: The separator of labels in the training data, if there was one.
        required: Labels are required.
        wanted: Labels are read if there are any.
    """

    several: bool
    separator: str | None
    required: bool
    wanted: bool

    def labels(self, table: Table, names: list[str]) -> tuple[Sequence | None, dict]:
        """The label, or the labels, of each row, and how the metadata describes their columns.

        Args:
            table: The table.
            names: The label column, or several columns of 0 and 1; empty for no labels.
        """
        if not names:
            return None, {}
        use: dict[str, str | list[str]] = {"label": names if len(names) > 1 else names[0]}
        if not self.wanted:
            return None, use
        if not self.several:
            return label_texts(table.nonempty_texts(names[0], "label")), use
        if len(names) > 1:
            return column_sets(table, names), use
        sets, described = text_sets(table.texts(names[0]), self.separator, f"{names[0]!r} of row")
        return sets, use | described


def _names(columns: str | list[str] | None) -> list[str]:
    """The columns of numbers of a table; empty for an array of another file."""
    return columns if isinstance(columns, list) else []


def _text_column(
    table: Table, words: list[str], numeric: list[str], *, without: tuple[str | None, ...]
) -> str | None:
    """The text column of a table; None for a table of numbers."""
    # A column with the name of a text column is text, even if all values are numbers.
    named = table.find(TEXT_COLUMNS, without=without)
    if named is not None or not words:
        return named
    likely = words if len(numeric) < 2 else [n for n in words if profile(table, n).is_prose]
    return table.longest_text_column(likely)


def _texts(
    table: Table,
    text: str,
    labels_of: list[str],
    left_out: dict[str, str],
    reading: LabelReading,
) -> Labelled:
    """The texts of a table, with their labels."""
    if not labels_of and table.has_no_header and len(table.names) == 2:
        labels_of = [name for name in table.names if name != text]
    if not labels_of and reading.required:
        raise no_label(table, text, [name for name in table.names if name not in left_out])
    labels, label_use = reading.labels(table, labels_of)
    for name in table.names:
        if name not in (text, *labels_of) and name not in left_out and table.is_text(name):
            if profile(table, name).is_prose:
                left_out[name] = f"another text (to read it instead: --text {quoted(name)})"
    summary = table.summary(
        ColumnUse("text", [text]), *_label_use(labels_of, labels), left_out=left_out
    )
    used: dict[str, str | list[str]] = {"text": text} | label_use
    return Labelled(table.texts(text), None, labels, used, summary=summary)


def _label_of_numbers(
    table: Table,
    words: list[str],
    free: list[str],
    whole: int,
    like: Mapping | None,
) -> str | None:
    """The label column of a table of numbers in which none is named like a label; None if no
    column is one beyond doubt.

    Args:
        table: The table.
        words: The columns that are not numeric.
        free: The columns that may be read.
        whole: T * F, as far as the user gave them; 1 otherwise.
        like: As in `read_labelled`.
    """
    # A row is a label and T * F numbers, unless all columns together are T * F.
    alone = len(free) % whole == 0 and (len(free) - 1) % whole
    if like is not None:
        # it is not read, so its values do not matter
        if len(words) == 1:
            return words[0]
        if not table.has_no_header or words or alone:
            return None
        # the training data was not a table: the first number is a label if it looks like one
        trained_on_table = bool(_names(like.get("numbers")))
        return free[0] if trained_on_table or _are_classes(profile(table, free[0])) else None
    if len(words) == 1 and profile(table, words[0]).is_label:
        return words[0]
    if not words and table.has_no_header and not alone:
        first, last = (profile(table, free[place]) for place in (0, -1))
        if _are_classes(first) and not (_are_classes(last) and last.distinct < first.distinct):
            return free[0]
    return None


def _are_classes(one: Profile) -> bool:
    """Whether numbers can be the classes of a table without a header."""
    return not one.is_empty and (one.is_label or one.rows < 2 * one.distinct <= 2 * one.rows < 20)


def _label_use(names: list[str], labels: Sequence[str] | Sequence[LabelSet] | None):
    """The use of the label columns, if there are any, with the counts of their labels."""
    if not names:
        return []
    # the labels of sets are counted later
    single = labels is not None and (not len(labels) or isinstance(labels[0], str))
    return [ColumnUse("label", names, labels_found(labels) if single else "")]


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
        ColumnUse("numbers", columns, "a step in each row"),
        *(_label_use(_names(taken["label"]) or [taken["label"]], firsts) if labels else []),
        rows=len(numbers),
        unit="sequences",
    )
    return Labelled(None, sequences, firsts if labels else None, taken, TEXT_DTYPE, summary)


def read_pairs(
    path: Path,
    *,
    source: str | None = None,
    target: str | None = None,
    header: bool | None = None,
    answered: bool = True,
) -> SentencePairs:
    """Read sentence pairs: by default from the first two columns.

    The first line is a header if it has names of languages ("en", "english") or `source` and
    `target`. A table with one column has only sources.

    Args:
        path: The file.
        source, target: The columns.
        header: Whether the first line names the columns; None to find out.
        answered: Targets are required. Otherwise the target column may be missing, and the only
            column of a table is the source.

    Raises:
        InputError: The file cannot be read; a column does not exist; a sentence is empty.
    """
    named = {source, target} - {None}

    def is_header(first: list[str], rest: list[list[str]]) -> bool:
        if len(first) == 1 or named:
            return names_known(named, texts=True)(first, rest)
        return all(map(_names_language, first[:2]))

    table = read_table(path, is_header=is_header, header=header if answered else None)
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
    # an empty line is answered, as on standard input
    sources = table.nonempty_texts(source, "source sentence") if answered else table.texts(source)
    taken = {"source": source} | ({"target": target} if target is not None else {})
    summary = table.summary(*(ColumnUse(role, [name]) for role, name in taken.items()))
    return SentencePairs(sources, targets, taken, replace(summary, unit="pairs"))


def _names_language(name: str) -> bool:
    return (
        name.casefold() in LANGUAGE_COLUMNS
        or re.fullmatch(r"[a-z]{2,3}([-_][A-Za-z]+)?", name) is not None
    )
