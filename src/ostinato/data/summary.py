"""Private: a summary of what a reader understood: rows, header, columns and their uses.

The summary is printed before training, saved in config.json, and shown by `ostinato info`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from .records import Count

# Labels and columns that a summary names; the rest is counted.
SHOWN_LABELS, SHOWN_COLUMNS = 8, 6


def _english(text: str, *values) -> str:
    """A text with the values for its "{}"."""
    return text.format(*values) if values else text


@dataclass(frozen=True)
class ColumnUse:
    """The use of some columns of the data.

    Attributes:
        role: The use: "text", "label", "time", "numbers", "series", ...
        columns: The names of the columns or arrays, in the order of their use.
        detail: What was found in them, such as "2 labels: ham 4,827, spam 747"; "" for nothing.

    Example:
        >>> ColumnUse("label", ["class"], "2 labels: ham 9, spam 1").text()
        "'class': 2 labels: ham 9, spam 1"
    """

    role: str
    columns: list[str]
    detail: str = ""

    def text(self, say: Callable[..., str] = _english) -> str:
        """The columns and the detail, for a person; `say` translates."""
        return ": ".join(filter(None, [listed_columns(self.columns, say), say(self.detail)]))


@dataclass(frozen=True)
class DataSummary:
    """A summary of what a reader understood of a data set.

    Attributes:
        rows: The number of rows; None if it is not known before training.
        unit: The name of a row: "rows", "sentences", "clips", "steps", ...
        header: Whether the first line names the columns; "none" for a format without such a line.
        columns: The use of each column that is read.
        left_out: The reason for each column or group of rows that is not read, by its name.
        notes: Everything else that was decided: encoding, separator, filled values, order of rows.

    Example:
        >>> found = DataSummary(10, header="yes", columns=[ColumnUse("text", ["message"])])
        >>> found = found.with_note("read as CP949, not UTF-8")
        >>> for name, text in found.lines(): print(f"{name:6} {text}")
        data   10 rows; the first line names the columns (if not: --no-header)
        text   'message'
        note   read as CP949, not UTF-8
    """

    rows: Count | None = None
    unit: str = "rows"
    header: Literal["yes", "no", "none"] = "none"
    columns: list[ColumnUse] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def with_note(self, *notes: str) -> "DataSummary":
        """The summary with more notes; a note that it has already is not repeated."""
        return replace(self, notes=list(dict.fromkeys([*self.notes, *notes])))

    def with_early_ends(self, count: int) -> "DataSummary":
        """The summary with a note about rows whose last numbers are missing, if there are any."""
        ended = "row ends" if count == 1 else "rows end"
        note = f"{count:,} {ended} early, where numbers are missing"
        return self.with_note(note) if count else self

    def lines(self, say: Callable[..., str] = _english) -> Iterator[tuple[str, str]]:
        """The name and the text of each line of the summary, for a person.

        Args:
            say: Translates a text, with the values for its "{}".
        """
        decided = {
            "yes": "the first line names the columns (if not: --no-header)",
            "no": "no header, columns are numbered from 0 (if not: --header)",
        }.get(self.header)
        counted = say(f"{{}} {self.unit}", f"{self.rows:,}") if self.rows is not None else ""
        if counted or decided:
            yield say("data"), "; ".join(filter(None, [counted, say(decided or "")]))
        for use in self.columns:
            yield say(use.role), use.text(say)
        reasons: dict[str, list[str]] = {}
        for name, reason in self.left_out.items():
            reasons.setdefault(reason, []).append(name)
        for reason, names in reasons.items():
            yield say("left out"), f"{listed_columns(names, say)}: {say(reason)}"
        for note in self.notes:
            yield say("note"), say(note)


def listed_columns(names: list[str], say: Callable[..., str] = _english) -> str:
    """The names of columns, quoted; of many columns only the first and the last.

    Args:
        names: The names.
        say: Translates a text, with the values for its "{}".

    Example:
        >>> listed_columns(["a", "b"]), listed_columns([str(k) for k in range(150)])
        ("'a', 'b'", "'0', '1', ..., '149' (150 columns)")
    """
    if len(names) <= SHOWN_COLUMNS:
        return ", ".join(map(repr, names))
    counted = say("{} columns", f"{len(names):,}")
    return f"{names[0]!r}, {names[1]!r}, ..., {names[-1]!r} ({counted})"


def labels_found(labels: Iterable[str] | Mapping[str, int], name: str = "label") -> str:
    """The labels with their counts, the most frequent first.

    Args:
        labels: The label of each row, or the count of each label.
        name: The word for a label.

    Example:
        >>> labels_found(["ham"] * 3 + ["spam"])
        '2 labels: ham 3, spam 1'
    """
    counts = Counter(labels)
    named = ", ".join(f"{label} {count:,}" for label, count in counts.most_common(SHOWN_LABELS))
    more = f" and {len(counts) - SHOWN_LABELS:,} more" if len(counts) > SHOWN_LABELS else ""
    return f"{len(counts):,} {name}{'s' * (len(counts) != 1)}: {named}{more}"
