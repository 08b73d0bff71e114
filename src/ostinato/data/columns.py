"""Private: which columns of a table are text, labels or row numbers, by name and content."""

import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice

from ..errors import InputError
from .separated import is_number
from .summary import labels_found
from .tables import Table, listed

# Rows by which a column is judged.
SAMPLE = 5_000
# Rows from which on a first column 0, 1, 2, ... of a table without a header counts the rows.
COUNTED_ROWS = 10
# Maximum number of different values of a column that is proposed as the label.
FEW = 100
ID_COLUMNS = ("id", "ids", "index", "idx", "uid", "no", "번호", "아이디", "순번", "")


@dataclass(frozen=True)
class Profile:
    """A description of the values of a column.

    Attributes:
        rows: The number of rows that were looked at.
        values: The values that are not empty.
    """

    rows: int
    values: list[str]

    @property
    def distinct(self) -> int:
        """Number of different values."""
        return len(set(self.values))

    @property
    def is_empty(self) -> bool:
        """Whether no row has a value."""
        return not self.values

    @property
    def is_prose(self) -> bool:
        """Whether the values are texts: mostly different, and of several words."""
        spaced = sum(" " in value.strip() for value in self.values)
        return 2 * self.distinct > len(self.values) and 2 * spaced > len(self.values)

    @property
    def is_label(self) -> bool:
        """Whether the values can be labels: few, each in several rows, and not fractions."""
        return (
            len(self.values) == self.rows
            and 2 <= self.distinct <= FEW
            and (2 * self.distinct <= self.rows or self.rows < 10)
            and not any(is_number(value) and not _is_whole(value) for value in self.values)
        )

    @property
    def counts_rows(self) -> bool:
        """Whether the values are whole numbers that increase by 1 from 0 or 1."""
        return (
            self.rows > 1
            and self.values[:1] in (["0"], ["1"])
            and self.values == [str(int(self.values[0]) + k) for k in range(self.rows)]
        )


def _is_whole(value: str) -> bool:
    try:
        return float(value) == int(float(value))
    except (ValueError, OverflowError):
        return False


def profile(table: Table, name: str) -> Profile:
    """The profile of a column, by its first `SAMPLE` rows."""
    values = [value.strip() for value in islice(table.texts(name), SAMPLE)]
    return Profile(len(values), [value for value in values if value])


def row_number_column(table: Table, *, without: Iterable[str | None] = ()) -> str | None:
    """The first column, if it only numbers the rows: a column without a name, or with a name of
    `ID_COLUMNS`, or of a table without a header that has at least `COUNTED_ROWS` rows. In a shorter
    table without a header, 0 and 1 may be labels.
    """
    name = table.names[0]
    counted = table.has_no_header and len(table) >= COUNTED_ROWS
    usual = name.casefold() in ID_COLUMNS or name.startswith("Unnamed:") or counted
    if name in without or not usual or len(table.names) < 2:
        return None
    return name if profile(table, name).counts_rows else None


def quoted(name: str) -> str:
    """A name as it is written on the command line; letters of any script need no quotes."""
    return name if re.fullmatch(r"[\w.,]+", name) else shlex.quote(name)


def no_label(table: Table, text: str | None, names: Sequence[str]) -> InputError:
    """The error for a table without a column that is named like a label; it lists the columns and
    proposes those with few values.

    Args:
        table: The table.
        text: The text column, if there is one.
        names: The columns that may be the label.
    """
    found = {name: profile(table, name) for name in names[:50] if name != text}
    likely = [name for name, one in found.items() if one.is_label]
    had = f"{str(table.path)!r} has the columns {listed(table.names)}, and none of them is named "
    had += "like a label"
    if not likely:
        return InputError(f"{had} or has few values; name the column of labels: --label NAME")
    if len(likely) == 1:
        return InputError(
            f"{had}; {likely[0]!r} has few values ({labels_found(found[likely[0]].values)}): if it "
            f"is the label, write --label {quoted(likely[0])}"
        )
    binary = [name for name in likely if {*found[name].values} <= {"0", "1"}]
    several = (
        f"; or, to predict several of them, --multi-label --label {quoted(','.join(binary))}"
        if len(binary) > 1
        else ""
    )
    return InputError(
        f"{had}; {listed(likely)} have few values: name the label, for example --label "
        f"{quoted(likely[0])}{several}"
    )
