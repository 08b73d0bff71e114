"""Private: dates as text in many forms.

A form is text with directives, for example "%Y-%m-%d" or "%Y Q%q":

    %Y %y       year of four or two digits          %H %I       hour of 24 or of 12
    %m %b       month as a number or as Jan         %M %S %f    minute, second, fraction
    %d          day of the month                    %p %P %k    AM, am, 오전
    %q          quarter                             %z          offset from UTC, such as +09:00
    %V %u       ISO week, and day of the week       %s %L %U %N seconds, milliseconds,
                                                                microseconds, nanoseconds since 1970

"%-m" has no leading zero, "%B" is January, and "%^b" is JAN. A zone that all dates share is
ordinary text of the form. Dates with "%z" are converted to UTC.
"""

import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import numpy as np

from ..errors import InputError

MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
# Digits of each numeric directive.
_DIGITS = {
    "Y": r"\d{4}",
    "y": r"\d{2}",
    "q": "[1-4]",
    "u": "[1-7]",
    "M": r"\d{2}",
    "S": r"\d{2}",
    "f": r"\d{1,9}",
    **dict.fromkeys("mdHIV", r"\d{1,2}"),
    **dict.fromkeys("sLUN", r"\d+"),
}
_WORDS = {
    "b": "[A-Za-z]{3,9}",
    "p": "AM|PM",
    "P": r"[ap]\.?m\.?",
    "k": "오전|오후",
    "z": r"[+-]\d{2}(?::?\d{2})?",
}
# Ticks in a second of the times since 1970.
_EPOCH = {"s": 1, "L": 10**3, "U": 10**6, "N": 10**9}
_DIRECTIVE = re.compile(r"(%[-^]?[A-Za-z])")
_TIME_OF_DAY = re.compile(
    r"(?P<gap>T| |, ?)(?:(?P<before>AM|PM|am|pm|오전|오후)(?P<space> ?))?"
    r"(?P<H>\d{1,2}):\d{2}(?P<S>:\d{2}(?P<f>\.\d{1,9})?)?"
    r"(?:(?P<room> ?)(?P<after>AM|PM|[ap]\.?m\.?))?"
    r"(?P<zone> ?(?:Z|UTC|GMT|KST|JST|(?P<offset>[+-]\d{2}(?::?\d{2})?)))?$"
)
_PARTS = re.compile(r"\d+|[^\W\d_]+|[\W_]+")
# Words of a form that are not months, and what may stand between its parts.
_LITERAL_WORDS = {"Q", "q", "W", "M", "년", "월", "일", "분기", "年", "月", "日"}
_LITERAL = re.compile(r"[-/.,:' ]+")
# Directives by the parts of a date: Y for four digits, n for one or two, b for a month, or the
# number of digits.
_ORDERS: dict[str, tuple[str, ...]] = {
    "Y": ("Y",),
    "Yn": ("Ym",),
    "nY": ("mY",),
    "Ynn": ("Ymd",),
    "nnY": ("mdY", "dmY"),
    "nnn": ("mdy", "dmy", "ymd"),
    "Yb": ("Yb",),
    "bY": ("bY",),
    "bn": ("by",),
    "nbY": ("dbY",),
    "bnY": ("bdY",),
    "Ybn": ("Ybd",),
    "nbn": ("dby",),
    "bnn": ("bdy",),
}
_COMPACT = {
    6: ("%Y%m",),
    8: ("%Y%m%d",),
    9: ("%s",),
    10: ("%Y%m%d%H", "%s"),
    12: ("%Y%m%d%H%M",),
    13: ("%L",),
    14: ("%Y%m%d%H%M%S",),
    16: ("%U",),
    19: ("%N",),
}
# The years of dates without a separator; other numbers of this length are not dates.
_COMPACT_YEARS = range(1800, 2200)


# ---------------------------------------------------------------- forms


def forms_of(text: str) -> list[str]:
    """The forms that a date may be written in; empty if the text is not a date.

    Numbers of the month, day and hour count as padded; `styled` finds out about all dates of a
    column.

    Example:
        >>> forms_of("03/04/2024"), forms_of("2024 Q1"), forms_of("soon")
        (['%m/%d/%Y', '%d/%m/%Y'], ['%Y Q%q'], [])
    """
    text = text.strip()
    if "%" in text or len(text) > 60:
        return []
    clock_time = _TIME_OF_DAY.search(text)
    day = text[: clock_time.start()] if clock_time else text
    endings = _time_forms(clock_time) if clock_time else [""]
    return [
        form + ending
        for form in _date_forms(day, compact=clock_time is None)
        for ending in endings
        if read_date(text, form + ending) is not None
    ]


def _time_forms(found: re.Match) -> list[str]:
    before, after = found["before"] or "", found["after"] or ""
    half = {"오": "k", "A": "p", "P": "p", "a": "P", "p": "P", "": ""}[(before or after)[:1]]
    form = found["gap"]
    form += f"%{half}{found['space']}" if before else ""
    form += ("%I" if half else "%H") + ":%M"
    form += ":%S" if found["S"] else ""
    form += ".%f" if found["f"] else ""
    form += f"{found['room']}%{half}" if after and not before else ""
    zone = found["zone"] or ""
    return [
        form + zone,
        *([form + zone[: -len(found["offset"])] + "%z"] if found["offset"] else []),
    ]


def _date_forms(text: str, *, compact: bool) -> Iterator[str]:
    parts = _PARTS.findall(text)
    kinds = [_kind(part) for part in parts]
    if None in kinds:
        return
    key = "".join(kind or "" for kind in kinds)
    if len(parts) == 1 and len(text) in _COMPACT:
        for form in _COMPACT[len(text)] if compact else ["%Y%m%d"]:
            when = read_date(text, form)
            if when is not None and when.year in _COMPACT_YEARS:
                yield form
        return
    if {"Q", "q", "분기"} & {*parts}:
        orders = {"Yn": ("Yq",), "nY": ("qY",), "nn": ("qy", "yq")}.get(key, ())
    elif "W" in parts:
        orders = {"Yn": ("YV",), "Ynn": ("YVu",)}.get(key, ())
    else:
        orders = _ORDERS.get(key, ())
    pointed = any(part.strip() == "." for part in parts[:-1])
    # 5,2024 is a number with a decimal comma
    if "b" not in kinds and any("," in part for part in parts):
        return
    for order in orders:
        # with points the day is first: 31.12.2024
        if pointed and order in ("mdY", "mdy"):
            continue
        # 2024.5 and "Jan 15" are a number and a day
        if (order in ("Ym", "mY") and re.fullmatch(r"\d\.\d{4}|\d{4}\.\d", text)) or (
            order == "by" and any(" " in part for part in parts)
        ):
            continue
        letters = iter(order)
        yield "".join(f"%{next(letters)}" if kind else part for part, kind in zip(parts, kinds))


def _kind(part: str) -> str | None:
    """The key of a part in `_ORDERS`, "" for a literal, None for what no date has."""
    if part.isdecimal():
        return {4: "Y", 2: "n", 1: "n"}.get(len(part), str(len(part)))
    if _month_of(part):
        return "b"
    return "" if part in _LITERAL_WORDS or _LITERAL.fullmatch(part) else None


def _month_of(word: str) -> int | None:
    """The number of an English month, also if it is abbreviated to three letters, or Sept."""
    word = word.casefold()
    return next(
        (
            number
            for number, name in enumerate(MONTHS, 1)
            if word in (name.casefold(), name[:3].casefold()) or (number == 9 and word == "sept")
        ),
        None,
    )


@functools.lru_cache(maxsize=256)
def _pattern(form: str) -> re.Pattern:
    parts, pattern = _DIRECTIVE.split(form), []
    for place, part in enumerate(parts):
        if place % 2 == 0:
            pattern.append(re.escape(part))
            continue
        letter = _letter(part)
        digits = _DIGITS.get(letter, _WORDS.get(letter))
        around = [
            parts[other]
            for other, between in ((place - 2, place - 1), (place + 2, place + 1))
            if 0 < other < len(parts) and not parts[between]
        ]
        if digits == r"\d{1,2}" and any(_letter(other) in _DIGITS for other in around):
            digits = r"\d{2}"
        pattern.append(f"(?P<{letter}>{digits})")
    return re.compile("".join(pattern), re.ASCII if "%k" not in form else 0)


def _letter(directive: str) -> str:
    return "b" if directive[-1] == "B" else directive[-1]


def read_date(text: str, form: str) -> datetime | None:
    """A date in this form; None if the text is not one.

    Example:
        >>> read_date("5 Mar 2024", "%d %b %Y"), read_date("2024-13-01", "%Y-%m-%d")
        (datetime.datetime(2024, 3, 5, 0, 0), None)
    """
    found = _pattern(form).fullmatch(text.strip())
    if found is None:
        return None
    part = found.groupdict()
    try:
        for letter, ticks in _EPOCH.items():
            if letter in part:
                count = int(part[letter])
                return datetime(1970, 1, 1) + timedelta(microseconds=count * 10**6 // ticks)
        year = int(part["Y"]) if "Y" in part else int(part["y"])
        if "y" in part:
            year += 1900 if year >= 69 else 2000
        if "V" in part:
            return datetime.combine(
                datetime.fromisocalendar(year, int(part["V"]), int(part.get("u", 1))),
                datetime.min.time(),
            )
        month = 3 * int(part["q"]) - 2 if "q" in part else int(part.get("m", 1))
        if "b" in part:
            month = _month_of(part["b"]) or 0
        hour = int(part.get("H", 0))
        if "I" in part:
            half = (part.get("p") or part.get("P") or part.get("k") or "")[:2].casefold()
            late = half[0] == "p" or half == "오후"
            hour = int(part["I"])
            if not 1 <= hour <= 12:
                return None
            hour = hour % 12 + 12 * late
        when = datetime(
            year,
            month,
            int(part.get("d", 1)),
            hour,
            int(part.get("M", 0)),
            int(part.get("S", 0)),
            int(part.get("f", "0")[:6].ljust(6, "0")),
        )
        if "z" in part:
            offset = datetime.strptime(part["z"].ljust(5, "0"), "%z").tzinfo
            when = when.replace(tzinfo=offset).astimezone(UTC).replace(tzinfo=None)
        return when
    except (ValueError, OverflowError):
        return None


def write_date(when: datetime, form: str) -> str:
    """A date as text in this form.

    Example:
        >>> write_date(datetime(2024, 4, 5), "%-d %B %Y"), write_date(datetime(2024, 4, 5), "%YQ%q")
        ('5 April 2024', '2024Q2')
    """
    iso = when.isocalendar() if "%V" in form or "%-V" in form else None
    return _DIRECTIVE.sub(lambda found: _written_part(when, found[1], iso), form)


def _written_part(when: datetime, directive: str, iso) -> str:
    letter = directive[-1]
    if letter in _EPOCH:
        return str(
            (when - datetime(1970, 1, 1)) // timedelta(microseconds=1) * _EPOCH[letter] // 10**6
        )
    if letter in "bB":
        name = MONTHS[when.month - 1][: None if letter == "B" else 3]
        return name.upper() if "^" in directive else name
    if letter in "pPk":
        late = when.hour >= 12
        return {"p": ("AM", "PM"), "P": ("am", "pm"), "k": ("오전", "오후")}[letter][late]
    if letter == "z":
        return "+00:00"
    number, width = {
        "Y": (iso.year if iso else when.year, 4),
        "y": (when.year % 100, 2),
        "m": (when.month, 2),
        "d": (when.day, 2),
        "q": ((when.month + 2) // 3, 1),
        "V": (iso.week if iso else 0, 2),
        "u": (when.isoweekday(), 1),
        "H": (when.hour, 2),
        "I": ((when.hour - 1) % 12 + 1, 2),
        "M": (when.minute, 2),
        "S": (when.second, 2),
        "f": (when.microsecond, 6),
    }[letter]
    return f"{number:0{1 if '-' in directive else width}d}"


def is_form(form: str) -> bool:
    """Whether text is a form that `forms_of` can find."""
    try:
        text = write_date(datetime(2024, 11, 25, 13, 45, 59, 123456), form)
    except KeyError:
        return False
    return _scanned(form) in forms_of(text)


def _scanned(form: str) -> str:
    """A form as `forms_of` gives it: padded, with abbreviated months."""
    return form.replace("%-", "%").replace("%^", "%").replace("%B", "%b")


def styled(form: str, texts: Iterable[str]) -> str:
    """A form with leading zeros and names of months as in these dates.

    Example:
        >>> styled("%d %b %Y", ["5 MARCH 2024", "12 MARCH 2024"])
        '%-d %^B %Y'
    """
    found = [match.groupdict() for text in texts if (match := _pattern(form).fullmatch(text))]
    for letter in "mdHIV":
        if any(len(part.get(letter) or "00") == 1 for part in found):
            form = form.replace(f"%{letter}", f"%-{letter}")
    words = [part["b"] for part in found if "b" in part]
    if words:
        month = "B" if any(len(word) > 4 for word in words) else "b"
        upper = "^" if all(map(str.isupper, words)) else ""
        form = form.replace("%b", f"%{upper}{month}")
    return form


# ---------------------------------------------------------------- columns of dates

# Values of a column that are looked at to find its forms, and to find its style.
SAMPLED, STYLED = 9, 2000


@dataclass(frozen=True)
class ColumnDates:
    """A column of dates, or of other text.

    Attributes:
        forms: The forms that most rows are written in; empty if those are not more than half of the
            rows.
        bad: The first row, counted from 0, that is not in the first form; None without such a row.
        dates: The dates in each of the forms, (N,) datetime64[us]; NaT for a row in another form.
    """

    forms: list[str] = field(default_factory=list)
    bad: int | None = 0
    dates: dict[str, np.ndarray] = field(default_factory=dict)


def column_dates(texts: Sequence[str], form: str | None = None) -> ColumnDates:
    """The forms and the dates of a column.

    Args:
        texts: The column.
        form: The only form that is tried; None for all.

    Example:
        >>> found = column_dates(["1/2/2024", "13/2/2024", "Total"])
        >>> found.forms, found.bad, found.dates["%d/%m/%Y"].astype("M8[D]").tolist()[:1]
        (['%d/%m/%Y'], 2, [datetime.date(2024, 2, 1)])
    """
    count = len(texts)
    sample = [texts[place] for place in np.linspace(0, count - 1, min(count, SAMPLED)).astype(int)]
    tried = [form] if form else dict.fromkeys(one for text in sample for one in forms_of(text))
    dates = {one: np.empty(count, "datetime64[us]") for one in tried}
    for row, text in enumerate(texts):
        for one, column in dates.items():
            column[row] = read_date(text, one)
    failed = {one: np.isnat(column) for one, column in dates.items()}
    least = min((int(rows.sum()) for rows in failed.values()), default=count)
    if 2 * least >= count:
        return ColumnDates()
    forms = [one for one, rows in failed.items() if rows.sum() == least]
    bad = int(failed[forms[0]].argmax()) if least else None
    return ColumnDates(forms, bad, {one: dates[one] for one in forms})


def date_of(text: str, form: str, source: str) -> datetime:
    """Parse a date in one form."""
    when = read_date(text, form)
    if when is None:
        raise InputError(
            f"{source}: {text!r} is not in the training date format; write it as "
            f"{write_date(datetime(2024, 12, 31), form)!r}"
        )
    return when


def dates_of(times: Iterable[str], form: str, source: str) -> Iterator[datetime]:
    """Parse the dates of a series and check that they increase.

    Raises:
        InputError: A date is not in the form, or not later than the one before.
    """
    before = earlier = None
    for number, text in enumerate(times, 1):
        when = date_of(text, form, source)
        if before is not None and when <= before:
            raise InputError(
                f"{source}: the time of step {number}, {text!r}, is not later than the one before "
                f"it, {earlier!r}; sort the rows by time, with one row per time"
            )
        yield when
        before, earlier = when, text
