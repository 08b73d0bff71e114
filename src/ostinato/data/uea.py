"""Private: time series with labels in the formats of the UEA and UCR archives: .ts and .arff.

Source:
    timeseriesclassification.com; the .ts format as written by sktime and aeon, the ARFF format of
    Weka (waikato.github.io/weka-wiki/formats_and_processing/arff_stable).
"""

import csv
import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from ..errors import InputError
from .disk import LazySequence, StoredArray
from .examples import Labelled
from .separated import read_lines
from .summary import ColumnUse, DataSummary, labels_found
from .values import TEXT_DTYPE, label_text

# Maximum numbers per step.
DIMENSIONS = 10_000


class _SequenceRows:
    """Sequences (T, F) float32 in a temporary file, with their labels, as they are read.

    Args:
        path: The file, for messages.
    """

    def __init__(self, path: Path):
        self.path, self.units, self.ends = path, 0, array("q", [0])
        self.labels: list[str] = []
        self.short = 0
        self._stored: StoredArray | None = None

    def add(self, where: str, dimensions: list[np.ndarray], label: str | None) -> None:
        """Add a row.

        Args:
            where: The file and line, for messages.
            dimensions: Each dimension of the row, with NaN for a missing number.
            label: The label; None if the file has none.
        """
        sizes = {len(one) for one in dimensions}
        if len(sizes) != 1:
            raise InputError(
                f"{where} has dimensions of {sorted(sizes)} steps; give the dimensions of a row "
                "the same number of steps"
            )
        if self._stored is None:
            self.units = len(dimensions)
            self._stored = StoredArray(np.float32, (self.units,))
        if len(dimensions) != self.units:
            raise InputError(
                f"{where} has {len(dimensions)} dimensions, and the rows before it have "
                f"{self.units}; give each row the same dimensions"
            )
        with np.errstate(over="ignore"):
            steps = np.stack(dimensions, 1).astype(np.float32)
        missing = np.asarray(np.isnan(steps).all(axis=1))
        # numbers that are missing at the end only fill a row up
        length = len(steps) - int(np.logical_and.accumulate(missing[::-1]).sum())
        bad = np.argwhere(~np.isfinite(steps[:length]))
        if len(bad) or not length:
            place = f"step {bad[0][0] + 1}" if len(bad) else "every step"
            raise InputError(
                f"{where}: the value of {place} is missing or not finite; write a number, or "
                "remove the row"
            )
        if label is not None and not label.strip():
            raise InputError(f"{where} has no label; write it after the last value")
        self._stored.extend(steps[:length])
        self.ends.append(self.ends[-1] + length)
        self.short += length < len(steps)
        if label is not None:
            self.labels.append(label_text(label))

    def labelled(self, *, label: str, labelled: bool, notes: list[str]) -> Labelled:
        """The rows.

        Args:
            label: The name of the labels.
            labelled: Labels are wanted, if there are any.
            notes: Notes for the summary.
        """
        if self._stored is None:
            raise InputError(f"{str(self.path)!r} has no rows after @data; give a file with data")
        stored, ends = self._stored, np.frombuffer(self.ends, np.int64)
        sequences = LazySequence(len(ends) - 1, lambda k: stored[int(ends[k]) : int(ends[k + 1])])
        labels = self.labels if labelled and self.labels else None
        lengths = np.diff(ends)
        same = len({*lengths.tolist()}) == 1
        steps = f"{lengths.max():,}" if same else f"up to {lengths.max():,}"
        uses = [ColumnUse("numbers", [], f"{steps} steps of {self.units}")]
        if labels:
            uses.append(ColumnUse("label", [], labels_found(labels)))
        summary = DataSummary(len(sequences), columns=uses, notes=notes)
        summary = summary.with_early_ends(self.short)
        columns: dict[str, str | list[str]] = {"numbers": "values"}
        if self.labels:
            columns["label"] = label
        return Labelled(None, sequences, labels, columns, TEXT_DTYPE, summary)


def read_uea(path: Path, *, labelled: bool = True) -> Labelled:
    """Read time series with labels from a .ts or .arff file.

    Args:
        path: The file.
        labelled: Labels are wanted, if the file has any.

    Raises:
        InputError: The file is damaged, has time stamps, or has rows of different dimensions; the
            message names the line.
    """
    path = Path(path)
    notes: list[str] = []
    lines = (
        (number, line.strip())
        for number, line in enumerate(read_lines(path, notes=notes), 1)
        if line.strip() and line.lstrip()[0] not in "#%"
    )
    if path.suffix.lower() == ".ts":
        return _read_ts(path, lines, labelled=labelled, notes=notes)
    return _read_arff(path, lines, labelled=labelled, notes=notes)


def _numbers(texts: Sequence[str], where: str) -> np.ndarray:
    """Numbers as float64; "?" and "NaN" are missing."""
    numbers = np.empty(len(texts))
    for place, text in enumerate(texts):
        try:
            numbers[place] = np.nan if text.strip() == "?" else float(text)
        except ValueError:
            raise InputError(
                f"{where}: {text.strip()[:40]!r} is not a number; fix the value, or remove the row"
            ) from None
    return numbers


# ---------------------------------------------------------------- .ts


def _read_ts(
    path: Path, lines: Iterator[tuple[int, str]], *, labelled: bool, notes: list[str]
) -> Labelled:
    rows, has_labels, begun = _SequenceRows(path), True, False
    for number, line in lines:
        where = f"{str(path)!r} line {number}"
        if not begun:
            key, value = [*line.lower().split(None, 1), ""][:2]
            if not key.startswith("@"):
                raise InputError(f"{where} is data before @data; write @data before the first row")
            if key == "@timestamps" and value == "true":
                raise InputError(f"{where}: time stamps are not supported; write only the values")
            if key == "@targetlabel" and value == "true":
                raise InputError(
                    f"{where}: the labels are numbers to estimate (@targetLabel), and `classify` "
                    "needs classes (@classLabel)"
                )
            if key == "@classlabel":
                has_labels = value.split()[:1] != ["false"]
            begun = key == "@data"
            continue
        if "(" in line:
            raise InputError(f"{where}: time stamps are not supported; write only the values")
        *dimensions, label = line.split(":") if has_labels else [*line.split(":"), ""]
        if not dimensions:
            raise InputError(f"{where} has no label; write a colon and the label after the values")
        if len(dimensions) > DIMENSIONS:
            raise InputError(f"{where} has {len(dimensions)} dimensions; the limit is {DIMENSIONS}")
        values = [_numbers(one.split(","), where) for one in dimensions]
        rows.add(where, values, label if has_labels else None)
    return rows.labelled(label="class", labelled=labelled, notes=notes)


# ---------------------------------------------------------------- ARFF


def _read_arff(
    path: Path, lines: Iterator[tuple[int, str]], *, labelled: bool, notes: list[str]
) -> Labelled:
    """Rows of numbers with a class, or the multivariate form: the dimensions of a row are in one
    quoted field, separated by a backslash and n.
    """
    rows = _SequenceRows(path)
    # the name of each attribute, and whether it is a class
    attributes: list[tuple[str, bool]] = []
    relational = False
    for number, line in lines:
        key = line.split(None, 1)[0].lower()
        if key == "@data":
            break
        if key == "@attribute":
            name, kind = _attribute(
                line[len("@attribute") :].strip(), f"{str(path)!r} line {number}"
            )
            if kind.lower().startswith("relational"):
                relational = True
                attributes.append((name, False))
            elif not relational or kind.startswith("{"):
                attributes.append((name, kind.startswith("{")))
    classes = [place for place, (_, is_class) in enumerate(attributes) if is_class]
    if len(classes) > 1:
        names = ", ".join(repr(attributes[place][0]) for place in classes)
        raise InputError(
            f"{str(path)!r} has several nominal attributes ({names}); keep one, the label"
        )
    others = [place for place in range(len(attributes)) if place not in classes]
    if relational and len(others) > 1:
        names = ", ".join(repr(attributes[place][0]) for place in others)
        raise InputError(
            f"{str(path)!r} has a relational attribute next to others ({names}); keep it and the "
            "label"
        )
    for number, line in lines:
        where = f"{str(path)!r} line {number}"
        if line.startswith("{"):
            raise InputError(
                f"{where}: sparse rows are not supported; write every value of the row"
            )
        fields = next(csv.reader([line], quotechar="'" if "'" in line else '"'))
        if len(fields) != len(attributes):
            raise InputError(
                f"{where} has {len(fields)} values, and the file has {len(attributes)} "
                "attributes; fix the line"
            )
        label = fields[classes[0]].strip("'\" ") if classes else None
        kept = [fields[place] for place in others]
        if relational:
            values = [_numbers(one.split(","), where) for one in re.split(r"\\n|\n", kept[0])]
        else:
            values = [_numbers(kept, where)]
        rows.add(where, values, label)
    name = attributes[classes[0]][0] if classes else "class"
    return rows.labelled(label=name, labelled=labelled, notes=notes)


def _attribute(text: str, where: str) -> tuple[str, str]:
    """The name and the type of an attribute."""
    found = re.match(r"('[^']*'|\"[^\"]*\"|\S+)\s*(.*)", text)
    if not found or not found[2]:
        raise InputError(f"{where}: an attribute has a name and a type, and this line has {text!r}")
    return found[1].strip("'\""), found[2]
