"""Private: numbers as people write them in tables: decimal commas, thousands separators, percent,
currency signs, and K, M or B for thousands, millions and billions.

A column has one format. A column whose numbers can be read in two ways is refused.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np

# What stands for a missing number, in lower case.
MISSING = frozenset(["", "-", "--", "na", "n/a", "#n/a", "nan", "null", "none", "?"])
_SCALES = {"": 1.0, "K": 1e3, "M": 1e6, "B": 1e9, "T": 1e12}
_SPACES = " \u00a0\u202f\u2009"
_NUMBER = re.compile(
    rf"(?P<sign>[-+−]?)(?P<currency>[$€£¥₩]?)[{_SPACES}]?(?P<inner>[-−]?)"
    rf"(?P<digits>\d[\d.,'’{_SPACES}]*?|\.\d+)(?P<power>[eE][-+]?\d+)?"
    rf"[{_SPACES}]?(?P<scale>[KMBTkmb]?)[{_SPACES}]?(?P<unit>%|[$€£¥₩]|원|)"
)
_GROUPED = {mark: re.compile(rf"[1-9]\d{{0,2}}(?:{re.escape(mark)}\d{{3}})+") for mark in ".,"}
_SPACED = re.compile(rf"\d{{1,3}}(?:[{_SPACES}'’]\d{{3}})+(?:[.,]\d+)?")


@dataclass(frozen=True)
class NumberFormat:
    """How the numbers of a column are written.

    Attributes:
        decimal: The decimal mark, "." or ",".
        unit: "%", a currency sign, or "".
        grouped: Thousands are separated.
        scaled: Numbers may end in K, M or B.

    Example:
        >>> NumberFormat(decimal=",").number("1.100,5"), NumberFormat(scaled=True).number("1.2K")
        (1100.5, 1200.0)
    """

    decimal: str = "."
    unit: str = ""
    grouped: bool = False
    scaled: bool = False

    def number(self, text: str) -> float | None:
        """The number in a text: NaN if it is missing, None if it is not written in this format."""
        text = text.strip()
        if text.casefold() in MISSING:
            return np.nan
        parts = _parts(text)
        if parts is None:
            return None
        group = "," if self.decimal == "." else "."
        digits = re.sub(rf"[{_SPACES}'’]", "", parts["digits"])
        whole, _, fraction = digits.partition(self.decimal)
        if group in fraction or self.decimal in fraction:
            return None
        if group in whole and not _GROUPED[group].fullmatch(whole):
            return None
        unit = parts["currency"] or parts["unit"]
        # a number without its unit is another number, except for 0
        if unit != self.unit and (unit or whole.strip("0") or fraction.strip("0")):
            return None
        value = float(f"{whole.replace(group, '') or '0'}.{fraction or '0'}{parts['power'] or ''}")
        negative = "-" in (sign := parts["sign"] + parts["inner"]) or "−" in sign
        return (-value if negative else value) * _SCALES[parts["scale"].upper()]

    def __str__(self):
        """The format in words, for the summary; "" for plain numbers."""
        return ", ".join(
            filter(
                None,
                [
                    "decimal commas" if self.decimal == "," else "",
                    "thousands separators" if self.grouped else "",
                    {"%": "percent", "": ""}.get(self.unit, f"currency {self.unit}"),
                    "K, M and B for thousands, millions and billions" if self.scaled else "",
                ],
            )
        )


def _parts(text: str) -> dict[str, str] | None:
    """The parts of a number; None for other text."""
    if text.startswith("(") and text.endswith(")"):
        inner = _parts(text[1:-1].strip())
        return inner and {**inner, "sign": "-"}
    found = _NUMBER.fullmatch(text)
    if found is None or (found["currency"] and found["unit"]):
        return None
    digits = found["digits"]
    if re.search(rf"[{_SPACES}'’]", digits) and not _SPACED.fullmatch(digits):
        return None
    return found.groupdict()


@dataclass
class FormatEvidence:
    """Evidence of the format of a column of numbers.

    Attributes:
        count: Number of values that are not missing.
        numbers: Number of values that are numbers in some format.
        decimals: The decimal marks that values show, each with a value.
        either: A value such as 1,100, which may be 1100 or 1.1, or "".
        pointed: There are values such as 1.100, which are 1100 if the decimal mark is ",".
        small, large: Number of whole numbers without a separator that have up to three digits, and
            more.
        grouped, scaled: As in `NumberFormat`.
        units: The number of values with each unit, "" for none.
    """

    count: int = 0
    numbers: int = 0
    decimals: dict[str, str] = field(default_factory=dict)
    either: str = ""
    pointed: bool = False
    small: int = 0
    large: int = 0
    grouped: bool = False
    scaled: bool = False
    units: dict[str, int] = field(default_factory=dict)

    def add(self, texts: Iterable[str]) -> None:
        """Add values."""
        for text in texts:
            text = text.strip()
            if text.casefold() in MISSING:
                continue
            self.count += 1
            parts = _parts(text)
            if parts is not None and self._add_digits(parts["digits"], text):
                self.numbers += 1
                unit = parts["currency"] or parts["unit"]
                self.units[unit] = self.units.get(unit, 0) + 1
                self.scaled |= bool(parts["scale"])

    def _add_digits(self, digits: str, text: str) -> bool:
        spaced = re.sub(rf"[{_SPACES}'’]", "", digits)
        self.grouped |= spaced != digits
        digits, marks = spaced, [mark for mark in spaced if mark in ".,"]
        if not marks:
            self.small, self.large = (
                self.small + (len(digits) <= 3),
                self.large + (len(digits) > 3),
            )
            return True
        last, other = marks[-1], "." if marks[-1] == "," else ","
        whole, _, fraction = digits.rpartition(last)
        if len(set(marks)) == 2:
            if marks.count(last) > 1 or not _GROUPED[other].fullmatch(whole):
                return False
            self.decimals.setdefault(last, text)
            self.grouped = True
        elif len(marks) > 1:
            if not _GROUPED[last].fullmatch(digits):
                return False
            self.decimals.setdefault(other, text)
            self.grouped = True
        elif last == ",":
            if _GROUPED[","].fullmatch(digits):
                self.either = self.either or text
            elif fraction:
                self.decimals.setdefault(",", text)
            else:
                return False
        elif _GROUPED["."].fullmatch(digits):
            self.pointed = True
        else:
            self.decimals.setdefault(".", text)
        return True

    def is_numeric(self) -> bool:
        """Whether at least half of the values are numbers."""
        return self.count > 0 and 2 * self.numbers >= self.count

    def format(self, decimal: str | None = None) -> NumberFormat | str:
        """The format of the column, or the reason why it has none.

        Args:
            decimal: The decimal mark, if it is known from elsewhere.
        """
        if decimal is None and len(self.decimals) == 2:
            first, second = self.decimals.values()
            return f"has {first!r} and {second!r}, with different decimal marks"
        if decimal is None:
            decimal = next(iter(self.decimals), None)
        if decimal is None and self.either:
            # with decimals that are always three, 950 would be 950,000
            if not self.small or self.large:
                return (
                    f"has {self.either!r}, which may be "
                    f"{self.either.replace(',', '')} or {self.either.replace(',', '.')}"
                )
            decimal = "."
        decimal = decimal or "."
        unit = max(self.units, key=lambda one: (self.units[one], one), default="")
        grouped = self.grouped or (bool(self.either) if decimal == "." else self.pointed)
        return NumberFormat(decimal, unit, grouped, self.scaled)
