"""Private: rows of a data set, as the readers return them and the tasks use them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .disk import indices_of, select
from .summary import DataSummary

# Splits of fewer rows are stratified; in larger ones the shares of the labels are nearly equal.
STRATIFIED_ROWS = 1000


class Examples:
    """Rows of a data set: columns of equal length.

    Args:
        columns: The columns by name: a list, a stored sequence (`ostinato.data.disk`), or None if
            the data has no such column.
        source: The origin of the data, for messages and the configuration.
        about: The column names that the reader found.
        dtype: The dtype of the numbers, as in `ostinato.data.values`; None without numbers.
        summary: What the reader understood of the data; None for rows in memory.
        label_kind: The kind of labels in memory, `ostinato.data.values.label_kind`.

    Example:
        >>> rows = Examples({"text": ["a", "b"], "label": ["x", "y"]}, source="here")
        >>> len(rows), rows.take([1]).columns["text"]
        (2, ['b'])
    """

    def __init__(
        self,
        columns: dict[str, Sequence | None],
        *,
        source: str,
        about: dict | None = None,
        dtype: str | None = None,
        summary: DataSummary | None = None,
        label_kind: str | None = None,
    ):
        self.columns, self.source, self.about, self.dtype = columns, source, about or {}, dtype
        self.summary, self.label_kind = summary, label_kind

    def __len__(self):
        return len(next(column for column in self.columns.values() if column is not None))

    def __getitem__(self, name: str) -> Sequence | None:
        return self.columns[name]

    def take(self, rows: Sequence[int]) -> "Examples":
        """The rows at the given positions."""
        # computed once for all columns
        rows = indices_of(rows, len(self))
        return Examples(
            {
                name: column if column is None else select(column, rows)
                for name, column in self.columns.items()
            },
            source=self.source,
            about=self.about,
            dtype=self.dtype,
            summary=self.summary,
            label_kind=self.label_kind,
        )

    def split(
        self, part: float, seed: int, *, by: str | None = None
    ) -> tuple["Examples", "Examples"]:
        """Split off a random fraction of the rows; both parts keep the order of the rows.

        Args:
            part: The fraction.
            seed: Seed of the order.
            by: A column of labels; if fewer than `STRATIFIED_ROWS` rows are split off, each label
                has the same share in both parts, up to one row.

        Example:
            >>> rows = Examples({"label": ["x"] * 20 + ["y"] * 10}, source="here")
            >>> rows.split(0.2, 0, by="label")[1]["label"]
            ['x', 'x', 'x', 'x', 'y', 'y']
        """
        count = len(self)
        held = max(1, round(count * part))
        if count < 2:
            raise InputError(
                f"{self.source}: {count} {'sample' if count == 1 else 'samples'}; at least two are "
                "needed for training and validation: give more data"
            )
        # shuffled in place: for a large file with short rows, copies of the order would take most
        # of the memory
        order = indices_of(range(count), count)
        np.random.default_rng([seed, 7]).shuffle(order)
        if by is not None and held < STRATIFIED_ROWS:
            # read in order, because rows of a column on disk are read together
            kinds, numbers = {}, {}
            column = [kinds.setdefault(label, len(kinds)) for label in self[by]]
            labels = [numbers.setdefault(column[k], len(numbers)) for k in order]
            order = order[np.argsort(labels, kind="stable")]
            # rows at even distances have each label as often as its share
            taken = ((np.arange(held) + 0.5) * count / held).astype(int)
            order = np.concatenate([order[taken], np.delete(order, taken)])
        for part in (order[held:], order[:held]):
            part.sort()
        return self.take(order[held:]), self.take(order[:held])

    def digest(self) -> str:
        """A SHA-256 digest that identifies these examples."""
        hashed = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            hashed.update(name.encode())
            for value in column or ():
                hashed.update(
                    value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
                )
        return hashed.hexdigest()


def pair_of(data, what: str) -> tuple:
    """Inputs and targets of data in memory.

    Raises:
        InputError: The data is not a pair; the message says `what` to give.
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        given = (
            f"a sequence of {len(data)} items"
            if isinstance(data, (tuple, list))
            else f"a {type(data).__name__}"
        )
        raise InputError(f"the data is {given}; give a pair: {what}")
    return tuple(data)


@dataclass(frozen=True)
class Labelled:
    """Texts or sequences of numbers, each with a label.

    Attributes:
        texts: The text of each row; None if the rows are numbers.
        numbers: (T, F) float32 each; None if the rows are texts.
        labels: The label of each row; None if the file has no labels.
        columns: The columns or arrays that were used.
        dtype: The dtype of the numbers, as in `ostinato.data.values`; None for texts.
        summary: What was understood of the file.
    """

    texts: Sequence[str] | None
    numbers: Sequence[np.ndarray] | None
    labels: Sequence[str] | None
    columns: dict[str, str | list[str]]
    dtype: str | None = None
    summary: DataSummary | None = None
