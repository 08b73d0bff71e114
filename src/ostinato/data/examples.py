"""Rows of a data set, as the readers give them and the tasks take them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..errors import InputError
from .disk import places_of, taken


class Examples:
    """Rows of a data set: columns of one length.

    Args:
        columns: By name; each a list, or a sequence that is in a file (`ostinato.data.disk`), or
            None where the data has no such column.
        source: Where they come from, for messages and the configuration.
        about: What the reader found, as column names.
        dtype: Of the numbers of the rows, as `ostinato.data.values` has it; None where they have
            none.

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
    ):
        self.columns, self.source, self.about, self.dtype = columns, source, about or {}, dtype

    def __len__(self):
        return len(next(column for column in self.columns.values() if column is not None))

    def __getitem__(self, name: str) -> Sequence | None:
        return self.columns[name]

    def take(self, rows: Sequence[int]) -> "Examples":
        """These rows."""
        # once for all columns
        rows = places_of(rows, len(self))
        return Examples(
            {
                name: column if column is None else taken(column, rows)
                for name, column in self.columns.items()
            },
            source=self.source,
            about=self.about,
            dtype=self.dtype,
        )

    def split(self, part: float, seed: int) -> tuple["Examples", "Examples"]:
        """The rows without a part of them, and that part, in the order they have."""
        count = len(self)
        held = max(1, round(count * part))
        if count < 2:
            raise InputError(
                f"{self.source}: {count} {'row' if count == 1 else 'rows'}; two are the fewest "
                f"that can be split for training and measuring: give more data"
            )
        # in place: with a row in each few bytes of a large file, copies of the order would be most
        # of what is in memory
        order = places_of(range(count), count)
        np.random.default_rng([seed, 7]).shuffle(order)
        for part in (order[held:], order[:held]):
            part.sort()
        return self.take(order[held:]), self.take(order[:held])

    def digest(self) -> str:
        """What tells these examples from others."""
        hashed = hashlib.sha256()
        for name, column in sorted(self.columns.items()):
            hashed.update(name.encode())
            for value in column or ():
                hashed.update(
                    value.tobytes() if isinstance(value, np.ndarray) else repr(value).encode()
                )
        return hashed.hexdigest()


def pair_of(data, what: str) -> tuple:
    """What goes in and what should come out, of data in memory; an InputError that says `what` they
    are, where it is no pair.
    """
    if not isinstance(data, (tuple, list)) or len(data) != 2:
        given = (
            f"{len(data)} things" if isinstance(data, (tuple, list)) else f"a {type(data).__name__}"
        )
        raise InputError(f"the data are {given}; give a pair: {what}")
    return tuple(data)


@dataclass(frozen=True)
class Labelled:
    """Texts or sequences of numbers, each with a label.

    Attributes:
        texts: One of each row; None where there are numbers.
        numbers: (T, F) float32 each; None where there are texts.
        labels: One of each; None where the file has none.
        columns: Which column or array was taken for what.
        dtype: Of the numbers, as `ostinato.data.values` has it; None where there are texts.
    """

    texts: Sequence[str] | None
    numbers: Sequence[np.ndarray] | None
    labels: Sequence[str] | None
    columns: dict[str, str | list[str]]
    dtype: str | None = None
