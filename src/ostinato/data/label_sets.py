"""Private: rows with any number of labels: in a text, as lists, or in columns of 0 and 1."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np

from ..errors import InputError, shown
from .disk import LazySequence, blocks_of
from .examples import Labelled
from .memory import is_column, is_frame
from .summary import DataSummary, labels_found
from .values import label_kind, label_of, label_text

if TYPE_CHECKING:
    from .tables import Table

# The labels of a row, sorted and each once.
LabelSet = tuple[str, ...]
# What separates the labels of a row in a text; the first that occurs is that of the column.
SEPARATORS = ("|", ";")
YES, NO = ("1", "true"), ("0", "false")


def separator_of(texts: Iterable[str]) -> str | None:
    """The separator of the labels in some texts; None if no text has several labels.

    Example:
        >>> separator_of(["sport", "sport|news"]), separator_of(["sport"])
        ('|', None)
    """
    found = {mark for text in texts for mark in SEPARATORS if mark in text}
    return next((mark for mark in SEPARATORS if mark in found), None)


def label_set(text: str, separator: str | None, what: str) -> LabelSet:
    """The labels in a text: a JSON list, or labels with separators between them.

    Args:
        text: The text; an empty one has no labels.
        separator: The result of `separator_of`.
        what: The name of the text in messages.

    Raises:
        InputError: The text looks like a list and is not one of JSON, or a list has another list.

    Example:
        >>> label_set("sport | news|", "|", "row 1"), label_set('["a|b"]', None, "row 2")
        (('news', 'sport'), ('a|b',))
    """
    given: list[Any] = text.split(separator) if separator else [text]
    if text.strip().startswith("["):
        try:
            given = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise InputError(
                f"{what} is {shown(text)}, which is not a list in JSON ({error}); write "
                '["a", "b"] or a|b'
            ) from error
        wrong = next((one for one in given if isinstance(one, (list, dict)) or one is None), 0)
        if wrong != 0:
            raise InputError(
                f"{what} has {shown(wrong)} in its list; write labels: text or numbers"
            )
    parts = (one if isinstance(one, str) else json.dumps(one) for one in given)
    return tuple(sorted({label_text(part) for part in parts} - {""}))


def combination_among(labels: Iterable[str]) -> str | None:
    """A label that seems to be several: most labels with a separator consist of others. None if
    there is none.

    Example:
        >>> combination_among(["a", "b", "a|b"]), combination_among(["x|y", "a"])
        ('a|b', None)
    """
    labels = list(labels)
    mark = separator_of(labels)
    if mark is None:
        return None
    # a label may begin like a list and be none
    parts = {label: label_set(label, mark, "") for label in labels if not label.startswith("[")}
    counts: dict[str, int] = {}
    for part in chain.from_iterable(parts.values()):
        counts[part] = counts.get(part, 0) + 1
    several = [label for label, part in parts.items() if len(part) > 1]
    combined = [label for label in several if all(counts[one] > 1 for one in parts[label])]
    return combined[0] if combined and 2 * len(combined) >= len(several) else None


# ---------------------------------------------------------------- files


def text_sets(
    texts: Sequence[str], separator: str | None, what: str
) -> tuple[LazySequence, dict[str, str | list[str]]]:
    """The labels of each text (see `label_set`), and the separator as the metadata describes it.

    Args:
        texts: The texts; all are checked now.
        separator: The separator in the training data, if it had one; None for that of the texts.
        what: The name of a text in messages, without its number.
    """
    separator = separator or separator_of(texts)
    sets: dict[str, LabelSet] = {}
    for number, text in enumerate(texts, 1):
        if text not in sets:
            sets[text] = label_set(text, separator, f"{what} {number}")
    found = LazySequence(len(texts), lambda k: sets[texts[k]])
    return found, {"separator": separator} if separator else {}


def column_sets(table: "Table", names: Sequence[str]) -> LazySequence:
    """The labels of each row of a table with a column of 0 and 1 for each label.

    Raises:
        InputError: A value is not 0 or 1.
    """
    columns = [table.column(name) for name in names]
    for name, column in zip(names, columns):
        for row, value in enumerate(column):
            if label_text(value) not in (*YES, *NO):
                raise InputError(
                    f"{table.where(row)}: the value in the column {name!r} is {value!r}; a column "
                    "of a label has 1 for the rows with this label, and 0 for the others"
                )
    return LazySequence(
        len(table),
        lambda k: tuple(
            sorted(name for name, column in zip(names, columns) if label_text(column[k]) in YES)
        ),
    )


def with_label_sets(found: Labelled, separator: str | None) -> Labelled:
    """Rows with one text of labels each as rows with any number of labels.

    Args:
        found: The rows; their labels may be sets already.
        separator: The separator in the training data, if it had one.
    """
    labels = found.labels
    if labels is None or not len(labels):
        return found
    columns = found.columns
    if isinstance(labels[0], str):
        labels, described = text_sets(labels, separator, "the label of row")
        columns = columns | described
    summary = found.summary and with_sets(found.summary, labels)
    return replace(found, labels=labels, columns=columns, summary=summary)


def with_sets(summary: DataSummary, sets: Sequence[LabelSet]) -> DataSummary:
    """The summary of data with these labels: their counts, and the rows with several and with no
    labels.
    """
    sizes, labels = [0, 0, 0], Counter[str]()
    for one in sets:
        sizes[min(len(one), 2)] += 1
        labels.update(one)
    detail = labels_found(labels)
    uses = [replace(use, detail=detail) if use.role == "label" else use for use in summary.columns]
    note = f"rows with several labels: {sizes[2]:,}, without labels: {sizes[0]:,}"
    return replace(summary, columns=uses).with_note(note)


# ---------------------------------------------------------------- memory


def has_sets(labels: Any) -> bool:
    """Whether labels in memory are sets: a matrix, a frame of several columns, or a list of lists.

    Example:
        >>> has_sets([["a"], ["a", "b"]]), has_sets(np.eye(3)), has_sets(["a", "b"])
        (True, True, False)
    """
    if hasattr(labels, "toarray") or is_frame(labels):
        return labels.shape[1] > 1
    shape = getattr(labels, "shape", None)
    if shape is not None and len(shape) != 1:
        return len(shape) == 2 and shape[1] > 1
    values = labels.to_list() if is_column(labels) else labels
    return any(isinstance(one, (list, tuple, set, frozenset)) for one in values)


def sets_in_memory(labels: Any) -> tuple[list[LabelSet], str, list[str] | None]:
    """The labels of each row in memory.

    Args:
        labels: A list of lists (or tuples, sets) of labels; or an indicator matrix (N, C) of 0 and
            1, also sparse or a data frame whose columns are the labels.

    Returns:
        The labels of each row, their kind (`values.label_kind`), and the labels of the columns of
        a matrix in order; None for a list.

    Raises:
        InputError: A value of a matrix is not 0 or 1, or a row is not a list.

    Example:
        >>> sets_in_memory([["b", "a"], []])
        ([('a', 'b'), ()], 'text', None)
        >>> sets_in_memory(np.array([[0, 1], [1, 1]]))
        ([('1',), ('0', '1')], 'int', ['0', '1'])
    """
    names = list(map(str, labels.columns)) if is_frame(labels) else None
    if names is not None:
        labels = labels.to_numpy()
    labels = labels.toarray() if hasattr(labels, "toarray") else labels
    matrix = np.asarray(labels) if hasattr(labels, "shape") and len(labels.shape) == 2 else None
    if matrix is None:
        values = labels.to_list() if is_column(labels) else list(labels)
        return _sets_of_lists(values), label_kind(chain.from_iterable(values)), None
    kind = "int" if names is None else "text"
    names = [str(k) for k in range(matrix.shape[1])] if names is None else names
    return list(matrix_sets(matrix, names, "the array of labels")), kind, names


def matrix_sets(matrix: Any, names: list[str], what: str) -> LazySequence:
    """The labels of each row of an indicator matrix.

    Args:
        matrix: (N, C) of 0 and 1, or of False and True.
        names: The labels of the columns.
        what: The name of the matrix in messages.

    Raises:
        InputError: There are not C names that differ, or a value is not 0 or 1.
    """
    if matrix.shape[1] != len({*names}) or len(names) != len({*names}):
        raise InputError(
            f"{what} has shape {matrix.shape} and {len(names)} names of labels; "
            f"{len({*names})} of them differ; give each column its own name"
        )
    before = 0
    for block in blocks_of(matrix):
        is_number = block.dtype.kind in "biuf"
        right = ((block == 0) | (block == 1)).all(1) if is_number else np.zeros(len(block), bool)
        if not right.all():
            raise InputError(
                f"{what} has shape {matrix.shape}, and row {before + int(right.argmin()) + 1} has "
                "values other than 0 and 1; give 1 for the labels of a row and 0 for the others, "
                "or a list of labels for each row"
            )
        before += len(block)
    return LazySequence(
        len(matrix), lambda k: tuple(sorted(names[place] for place in np.flatnonzero(matrix[k])))
    )


def _sets_of_lists(values: Sequence) -> list[LabelSet]:
    found = []
    for number, value in enumerate(values, 1):
        if isinstance(value, str) or not hasattr(value, "__iter__"):
            raise InputError(
                f"the labels of row {number} are {value!r}, not a list; give a list of labels for "
                "each row, which may be empty"
            )
        found.append(tuple(sorted({label_of(one, f"a label of row {number}") for one in value})))
    return found


def flat(sets: Iterable[LabelSet]) -> Iterator[str]:
    """All labels of all rows."""
    return chain.from_iterable(sets)
