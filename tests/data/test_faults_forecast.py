"""Tables of time series as people have them: each is read as a person would read it, or refused
with the column or the line, and what to write.
"""

import re
from dataclasses import dataclass, field

import numpy as np
import polars
import pytest

from ostinato.data.dates import read_date, write_date
from ostinato.data.series import read_series, series_from
from ostinato.data.series_columns import SeriesOptions
from ostinato.data.series_tables import IN_MEMORY, series_table
from ostinato.errors import InputError
from places import SHARED

FAULTS = SHARED / "faults" / "forecast"
VALUES = [100.0, 108.1, 110.3, 104.2, 99.9, 101.5, 107.0, 112.25, 111.0, 105.5, 98.0, 103.0, 106.0]


def dates(count, form="%Y-%m-%d", start="2023-01-02", unit="D", step=1):
    """Dates from a Monday in this form."""
    first = np.datetime64(start, unit)
    days = (first + step * np.arange(count)).astype("datetime64[us]")
    return [write_date(day, form) for day in days.tolist()]


def table(head, *columns, mark=","):
    """A table with these columns."""
    rows = zip(*columns)
    return "\n".join([head, *(mark.join(map(str, row)) for row in rows)]) + "\n"


WORKING = [day.item() for day in np.busday_offset("2023-01-02", range(13)).astype("M8[us]")]
NO_YEAR = "in the time column 'd' may be the month and the year, .* or the month and the day; write"
BUSINESS = [day for day in dates(19) if np.is_busday(day)][:13]
DAYS = dates(13)


@dataclass
class Read:
    """The expected series; None for what is not checked."""

    names: list | None = field(default_factory=lambda: ["y"])
    values: list | None = field(default_factory=lambda: VALUES)
    times: list | None = None
    step: str | None = None
    series: list | None = None
    known: list | None = None
    said: str = ""

    def check(self, found):
        """Assert that this was read."""
        assert found.names == self.names
        assert found.values[:].ravel().tolist() == self.values
        assert self.times is None or list(found.times) == self.times
        assert self.step is None or str(found.clock) == self.step
        if found.clock is not None:
            # dates are parsed once, before rows are sorted and filled
            assert found.dates[:].tolist() == [
                read_date(text, found.clock.format) for text in found.times
            ]
        assert found.series == self.series
        assert (found.known and found.known[:].ravel().tolist()) == self.known
        assert self.said in "\n".join(map(": ".join, found.summary.lines()))


def case(text, right=None, *, error=None, name="a.csv", **options):
    return text, right, error, name, options


LONG = Read(
    values=[1.5, 2.5, 3.5, 10.5, 20.5, 30.5],
    times=2 * DAYS[:3],
    step="1 day",
    series=[*"AAABBB"],
    said="2 series",
)
COUNTED = [1100.0, 1108.12, 22110.35]
HOLIDAYS = [0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]

CASES = {
    "several series": [
        case(table("unique_id,ds,y", "AAABBB", 2 * DAYS[:3], LONG.values), LONG),
        case(table("ds,unique_id,y", 2 * DAYS[:3], "AAABBB", LONG.values), LONG),
        case(
            table("날짜,지점,y", [d for d in DAYS[:3] for _ in "AB"], "ABABAB", LONG.values),
            Read(values=[1.5, 3.5, 20.5, 2.5, 10.5, 30.5], series=[*"AAABBB"], step="1 day"),
        ),
        case(
            table("sku,month,y", [7, 7, 7, 8, 8, 8], 2 * dates(3, "%Y-%m", unit="M"), LONG.values),
            Read(values=LONG.values, series=[*"777888"], step="1 month"),
        ),
        case(
            table("date,y", 2 * DAYS[:3], LONG.values),
            error="line 5: the time '2023-01-02' in the column 'date' occurs before, in line 2.*--id",
        ),
    ],
    "a first column that is not the time": [
        case(table("store,date,y", [7] * 13, DAYS, VALUES), Read(times=DAYS, step="1 day")),
        case(
            table("store,date,y", [7] * 13, DAYS, VALUES),
            Read(times=DAYS, said="'store': has one value, 7"),
        ),
        case(table("city,date,y", ["서울"] * 13, DAYS, VALUES), Read(times=DAYS, step="1 day")),
        case(table("store,y,date", [7] * 13, VALUES, DAYS), Read(times=DAYS, step="1 day")),
    ],
    "the time is not first": [
        case(table("y,ds", VALUES, DAYS), Read(times=DAYS, step="1 day")),
        case(
            table(",date,y", range(13), DAYS, VALUES),
            Read(times=DAYS, said="'': numbers the rows"),
        ),
        case(
            table("Unnamed: 0,date,y", range(13), DAYS, VALUES),
            Read(times=DAYS, said="'Unnamed: 0': numbers the rows"),
        ),
        case(table("y,년월", VALUES, dates(13, "%Y년 %-m월", unit="M")), Read(step="1 month")),
        case(table("y,year", VALUES, range(1990, 2003)), Read(step="1 year")),
    ],
    "business days": [
        case(table("date,y", BUSINESS, VALUES), Read(times=BUSINESS, step="1 business day")),
        case(
            table(
                "date,y",
                [
                    write_date(np.datetime64(d).astype("M8[us]").item(), "%d.%m.%Y")
                    for d in BUSINESS
                ],
                VALUES,
            ),
            Read(step="1 business day"),
        ),
        case(
            table("date,y", BUSINESS[:4] + BUSINESS[5:], VALUES[:4] + VALUES[5:]),
            error="line 6: the date 2023-01-06 is missing .the step is 1 business day; 1 date",
        ),
        case(
            table("date,y", BUSINESS[:4] + BUSINESS[5:], VALUES[:4] + VALUES[5:]),
            Read(values=VALUES[:4] + VALUES[3:4] + VALUES[5:], times=BUSINESS),
            fill="previous",
        ),
    ],
    "missing dates": [
        case(
            table("date,y", DAYS[:5] + DAYS[6:], VALUES[:5] + VALUES[6:]),
            error="line 7: the date 2023-01-07 is missing .*1 date is missing.*--fill linear",
        ),
        case(
            table("date,y", DAYS[:5] + DAYS[7:], VALUES[:5] + VALUES[7:]),
            Read(values=VALUES[:5] + [0, 0] + VALUES[7:], times=DAYS, said="2 missing dates"),
            fill="zero",
        ),
        case(
            table("m,y", [*dates(5, "%Y-%m", unit="M"), "2023-07", "2023-08"], VALUES[:7]),
            error="line 7: the date 2023-06 is missing .the step is 1 month",
        ),
        case(
            table(
                "h,y", [d for d in dates(9, "%Y-%m-%d %H:%M", unit="h") if "05:" not in d], VALUES
            ),
            error="line 7: the date 2023-01-02 05:00 is missing .the step is 1 hour",
        ),
    ],
    "day first": [
        case(
            table("Datum;y", dates(13, "%d.%m.%Y"), VALUES, mark=";"),
            Read(times=dates(13, "%d.%m.%Y"), step="1 day"),
        ),
        case(table("d,y", dates(13, "%d/%m/%Y"), VALUES), Read(step="1 day")),
        case(table("d,y", dates(13, "%m/%d/%Y"), VALUES), Read(step="1 day")),
        case(table("d,y", dates(13, "%d-%m-%y", start="2023-01-28"), VALUES), Read(step="1 day")),
        case(
            table("d,y", dates(13, "%d-%m-%y"), VALUES),
            error="'02-01-23' in the time column 'd' may be 2023-01-02 .* or 2002-01-23 .*--date",
        ),
        case(
            table("d,y", dates(13, "%m/%d/%Y", unit="M", start="2023-01"), VALUES),
            Read(step="1 month"),
        ),
        case(
            table("d,y", dates(9, "%d/%m/%Y", start="2023-02-02"), VALUES),
            Read(values=VALUES[:9], step="1 day"),
            date_format="%d/%m/%Y",
        ),
        case(
            table("d,y", ["01/01/2023", "02/01/2023", "03/01/2023"], VALUES),
            error="'02/01/2023' in the time column 'd' may be 2023-02-01 .* or 2023-01-02 .*--date-",
        ),
        case(
            table("d,y", ["13/01/2023", "14/01/2023", "01/15/2023", "16/01/2023"], VALUES),
            error="line 4: '01/15/2023' is not a date in the time column 'd'.*like '13/01/2023'",
        ),
    ],
    "names of months": [
        case(table("m,y", dates(13, "%Y %b", unit="M"), VALUES), Read(step="1 month")),
        case(table("m,y", dates(13, "%B %Y", unit="M"), VALUES), Read(step="1 month")),
        case(table("m,y", dates(13, "%d-%b-%Y"), VALUES), Read(step="1 day")),
        case(table("m,y", dates(13, "%^b %-d %Y"), VALUES), Read(step="1 day")),
    ],
    "months and short years": [
        case(table("m,y", dates(13, "%b-%y", unit="M"), VALUES), Read(step="1 month")),
        case(table("m,y", dates(13, "%b-%y", "1999-06", "M"), VALUES), Read(step="1 month")),
        case(table("m,y", dates(13, "%d-%b-%y"), VALUES), Read(step="1 day")),
        case(
            table("m,y", [*dates(12, "%b-%y", unit="M"), "합계"], VALUES), error="line 14: '합계'"
        ),
    ],
    "days of months without a year": [
        case(table("d,y", dates(13, "%b-%d", step=step), VALUES), error=NO_YEAR)
        for step in (1, 2, 7, -1)
    ]
    + [
        case(table("d,y", dates(13, "%b-%d", start), VALUES), error=NO_YEAR)
        # over the end of a month, of a year, and over a leap day
        for start in ("2023-01-25", "2023-12-25", "2024-02-20")
    ]
    + [
        case(table("d,y", dates(13, "%b/%d"), VALUES), error=NO_YEAR),
        case(table("d,y", [write_date(day, "%B-%d") for day in WORKING], VALUES), error=NO_YEAR),
        # one month of many years looks the same
        case(table("d,y", dates(13, "%b-%y", "2010-12", "M", 12), VALUES), error=NO_YEAR),
        case(
            table("d,y", dates(13, "%b-%y", "2010-12", "M", 12), VALUES),
            Read(step="1 year"),
            date_format="%b-%y",
        ),
        case(
            table("id,d,y", "AAABBB", 2 * dates(3, "%b-%d"), VALUES),
            error=NO_YEAR,
        ),
    ],
    "months and short years that are not days": [
        case(table("m,y", dates(13, "%b-%y", start, "M", step), VALUES), Read(step=text))
        for start in ("2001-01", "2011-07", "2022-12")
        for step, text in ((1, "1 month"), (3, "1 quarter"))
    ]
    + [case(table("m,y", dates(13, "%b-%y", "1995-12", "M", 12), VALUES), Read(step="1 year"))],
    "quarters and weeks": [
        case(table("q,y", dates(13, "%Y Q%q", unit="M", step=3), VALUES), Read(step="1 quarter")),
        case(table("q,y", dates(13, "%Y-Q%q", unit="M", step=3), VALUES), Read(step="1 quarter")),
        case(table("q,y", dates(13, "Q%q %Y", unit="M", step=3), VALUES), Read(step="1 quarter")),
        case(
            table("q,y", dates(13, "%Y년 %q분기", unit="M", step=3), VALUES), Read(step="1 quarter")
        ),
        case(table("w,y", dates(13, "%Y-W%V", step=7), VALUES), Read(step="1 week")),
    ],
    "Unix times": [
        case(
            table("timestamp,y", dates(13, "%s", unit="h"), VALUES),
            Read(step="1 hour", said="Unix seconds"),
        ),
        case(table("t,y", dates(13, "%L", unit="m", step=15), VALUES), Read(step="15 minutes")),
        case(table("y,unix_time,time", VALUES, [5] * 13, dates(13, "%s")), Read(step="1 day")),
        case(table("a,y", dates(13, "%N"), VALUES), Read(step="1 day", said="nanoseconds")),
    ],
    "rows that are not dates": [
        case(
            table("date,y", [*DAYS[:12], "Total"], VALUES),
            error="line 14: 'Total' is not a date in the time column 'date'.*remove the row",
        ),
        case(
            table("when,y", [*DAYS[:6], "2023-01-99", *DAYS[7:]], VALUES),
            error="line 8: '2023-01-99' is not a date in the time column 'when'",
            time="when",
        ),
        case(
            table("date,y", [*dates(119), "31.02.2023"], 10 * VALUES),
            error="line 121: '31.02.2023' is not a date",
        ),
        case(table("date,y", [*DAYS[:3], "", *DAYS[4:]], VALUES), error="line 5: it is empty"),
    ],
    "Korean dates and times of day": [
        case(table("날짜,y", dates(13, "%Y. %-m. %-d."), VALUES), Read(step="1 day")),
        case(
            table("일시,y", dates(13, "%Y-%m-%d %k %-I:%M", unit="h"), VALUES), Read(step="1 hour")
        ),
        case(table("날짜,y", dates(13, "%Y년 %-m월 %-d일"), VALUES), Read(step="1 day")),
        case(
            table("t,y", dates(13, "%Y-%m-%dT%H:%M:%S+09:00", unit="h"), VALUES),
            Read(step="1 hour"),
        ),
    ],
    "decimal commas": [
        case(
            table("d;y", DAYS, [str(y).replace(".", ",") for y in VALUES], mark=";"),
            Read(said="decimal commas"),
        ),
        case(
            table(
                "d\ty",
                DAYS,
                [f"{1000 + y:,.2f}".translate({44: 46, 46: 44}) for y in VALUES],
                mark="\t",
            ),
            Read(values=[1000 + y for y in VALUES], said="decimal commas, thousands separators"),
            name="a.tsv",
        ),
        case(
            table("d;y", DAYS, [f"{y:.3f}".replace(".", ",") for y in VALUES], mark=";"),
            error="the column 'y' has '100,000', which may be 100000 or 100.000; name .*--decimal",
        ),
        case(
            table("d;y", DAYS, [f"{y:.3f}".replace(".", ",") for y in VALUES], mark=";"),
            Read(said="decimal commas"),
            decimal=",",
        ),
        case(
            table("d;y", DAYS[:3], ["1,5", "1.5", "2,5"], mark=";"),
            error="the column 'y' has '1,5' and '1.5', with different decimal marks",
        ),
        # a group of thousands does not start with 0
        case(
            table("d;y", DAYS[:3], ["0.123", "0,456", "0.789"], mark=";"),
            error="the column 'y' has '0.123' and '0,456', with different decimal marks",
        ),
        case(
            table("d;y", DAYS[:3], ["1.100", "2.300", "1.250"], mark=";"),
            Read(values=[1100, 2300, 1250], said="decimal commas, thousands separators"),
            decimal=",",
        ),
        case(
            table("d;y", DAYS[:3], ["1.100", "2.300", "1.5"], mark=";"),
            Read(values=[1.1, 2.3, 1.5]),
            decimal=",",
        ),
    ],
    "thousands separators": [
        case(table("d,y", DAYS, [f'"{y:,.2f}"' for y in COUNTED]), Read(values=COUNTED)),
        case(table("d,y", DAYS, ['"1,100"', 950, '"22,110"']), Read(values=[1100, 950, 22110])),
        case(
            table("d;y", DAYS, ["1'100.5", "950", "22'110"], mark=";"),
            Read(values=[1100.5, 950, 22110]),
        ),
        case(
            table("d,y", DAYS, ['"1,100"', '"2,110"']), error="'y' has '1,100', which may be 1100"
        ),
        case(
            table("d,y", DAYS, ['"1,100"', "-", '"2,110,000"']),
            error="line 3: the value in the column 'y' is '-', not a finite number.*--fill",
        ),
    ],
    "percent and currencies": [
        case(table("d,y", DAYS, [f"{y}%" for y in VALUES]), Read(said="percent")),
        case(table("d,y", DAYS, [f"{y} %" for y in VALUES]), Read(said="percent")),
        case(table("d,y", DAYS, [f"₩{y}" for y in VALUES]), Read(said="currency ₩")),
        case(table("d,y", DAYS, [f'"(${y})"' for y in VALUES]), Read(values=[-y for y in VALUES])),
        case(
            table("d,y", DAYS[:3], ["5%", "0.05", "6%"]),
            error="line 3: the value in the column 'y' is '0.05', not a finite number",
        ),
    ],
    "investing.com": [
        case(
            table(
                "Date,y,Vol.",
                [f'"{d}"' for d in dates(3, "%b %d, %Y")[::-1]],
                ['"1,100.50"', '"1,090.00"', '"980.00"'],
                ["1.2K", "0.9M", "2B"],
            ),
            Read(
                names=["y", "Vol."],
                values=[980, 2e9, 1090, 0.9e6, 1100.5, 1.2e3],
                times=["Jan 02, 2023", "Jan 03, 2023", "Jan 04, 2023"],
                said="the newest row is first",
            ),
        ),
        case(
            table(
                "Date,y,Vol.",
                [f'"{d}"' for d in dates(3, "%b %d, %Y")],
                [1.5, 2, 3],
                ["1.2K", "-", "2B"],
            ),
            error="line 3: the value in the column 'Vol.' is '-'",
        ),
        case(
            table("Date,y,note", [f'"{d}"' for d in dates(3, "%b %d, %Y")], [1.5, 2, 3], "abc"),
            Read(values=[1.5, 2, 3], said="'note': text, such as 'a'"),
        ),
        case(
            table("Date,y", [f'"{d}"' for d in dates(3, "%b %d, %Y")], "abc"),
            error=r"none with numbers to forecast; name one.*'y': text, such as 'a'",
        ),
    ],
    "known columns": [
        case(
            table("date,y,holiday", DAYS, VALUES, HOLIDAYS),
            Read(known=HOLIDAYS, said="known: 'holiday'"),
            known=["holiday"],
        ),
        case(
            table("date,y,휴일", DAYS, VALUES, [0] * 13),
            Read(known=[0] * 13),
            known=["휴일"],
        ),
        case(
            table("date,y,holiday", DAYS, [*VALUES[:11], "", ""], HOLIDAYS),
            Read(
                values=VALUES[:11], known=HOLIDAYS[:11], times=DAYS[:11], said="2 rows at the end"
            ),
            known=["holiday"],
        ),
        case(
            table("date,y,holiday", DAYS, VALUES, HOLIDAYS),
            error="has no column 'holidays'.*it has 'date', 'y', 'holiday'",
            known=["holidays"],
        ),
        case(
            table("date,y,holiday", DAYS, VALUES, ["yes"] * 13),
            error="line 2: the value in the column 'holiday' is 'yes', not a finite number",
            known=["holiday"],
        ),
    ],
    "headers of pandas": [
        case(table(",0", range(1950, 1963), VALUES), Read(names=["0"], step="1 year")),
        case(table(",y", DAYS, VALUES), Read(times=DAYS, step="1 day")),
        case(table(",0", DAYS, VALUES), Read(names=["0"], times=DAYS, step="1 day")),
        case(
            "country,2019,2020,2021\n한국,1,2,4\n일본,5,6,9\n",
            Read(
                names=["value"],
                values=[1, 2, 4, 5, 6, 9],
                series=["한국"] * 3 + ["일본"] * 3,
                step="1 year",
                said="each row is a series with 3 steps, 2019 to 2021",
            ),
        ),
    ],
    "separators of .txt": [
        case(table("date y", DAYS, VALUES, mark=" "), Read(times=DAYS, step="1 day"), name="a.txt"),
        case(table("date,y", DAYS, VALUES), Read(times=DAYS, step="1 day"), name="a.txt"),
        case(table("date\ty", DAYS, VALUES, mark="\t"), Read(times=DAYS), name="a.txt"),
        case(table("date  y", DAYS, VALUES, mark="   "), Read(times=DAYS), name="a.txt"),
    ],
    "whole numbers as time": [
        case(table("a,y", range(0, 26, 2), VALUES), Read(said="not dates: steps are called +1")),
        case(table("t,y", range(13), VALUES), Read(said="not dates: steps are called +1")),
        case(table("y,step", VALUES, range(1, 14)), Read(said="not dates: steps are called +1")),
        case(table("y", VALUES), Read()),
    ],
}


@pytest.mark.parametrize(
    "text, right, error, name, options",
    [
        pytest.param(*one, id=f"{title}-{k}")
        for title, some in CASES.items()
        for k, one in enumerate(some)
    ],
)
def test_a_table_is_read_as_a_person_reads_it_or_refused(
    tmp_path, text, right, error, name, options
):
    (tmp_path / name).write_text(text, encoding="utf-8")
    if error is None:
        right.check(read_series(tmp_path / name, SeriesOptions(**options)))
    else:
        with pytest.raises(InputError, match=error):
            read_series(tmp_path / name, SeriesOptions(**options))


@pytest.mark.parametrize("title", ["several series", "day first", "percent and currencies"])
def test_a_frame_in_memory_is_read_like_a_file(tmp_path, title):
    for text, right, error, name, options in CASES[title]:
        (tmp_path / name).write_text(text, encoding="utf-8")
        mark = ";" if ";" in text else ","
        frame = polars.read_csv(tmp_path / name, separator=mark, infer_schema=False)
        rows, named = series_table(frame)
        if error is None:
            right.check(series_from(rows, IN_MEMORY, SeriesOptions(named=named, **options)))
        else:
            # rows in memory have no lines
            message = re.sub(r"line \d+", r"row \\d+", re.sub(r"^line \d+: ", "", error))
            with pytest.raises(InputError, match=message):
                series_from(rows, IN_MEMORY, SeriesOptions(named=named, **options))


def test_time_zones_of_parquet_are_read(tmp_path):
    hours = polars.datetime_range(
        polars.datetime(2024, 1, 1), polars.datetime(2024, 1, 1, 12), "1h", eager=True
    )
    for zone, step in (("Asia/Seoul", "+09:00"), ("Europe/Berlin", "+01:00"), ("UTC", "+00:00")):
        frame = polars.DataFrame({"t": hours.dt.replace_time_zone(zone), "y": VALUES})
        frame.write_parquet(tmp_path / "a.parquet")
        found = read_series(tmp_path / "a.parquet")
        assert str(found.clock) == "1 hour" and found.clock.format.endswith(step)


def test_hours_of_a_zone_with_summer_time_are_read_in_utc(tmp_path):
    hours = polars.datetime_range(
        polars.datetime(2024, 3, 30, 23, time_zone="UTC"),
        polars.datetime(2024, 3, 31, 11, time_zone="UTC"),
        "1h",
        eager=True,
    ).dt.convert_time_zone("Europe/Berlin")
    polars.DataFrame({"t": hours, "y": VALUES}).write_parquet(tmp_path / "a.parquet")
    found = read_series(tmp_path / "a.parquet")
    assert str(found.clock) == "1 hour" and found.values[:].ravel().tolist() == VALUES


# What is read of each file of ../shared/faults: the columns, the step, and the number of series.
FILES = {
    "business_days.csv": (["y"], "1 business day", 1),
    "ddmmyyyy.csv": (["Wert"], "1 day", 1),
    "decimal_comma.csv": (["Wert"], "1 day", 1),
    "future_exog.csv": (["y"], "1 day", 1),
    "id_first.csv": (["sales"], "1 day", 1),
    "investing.csv": (["Price"], "1 day", 1),
    "long_ids.csv": (["y"], "1 day", 2),
    "missing_rows.csv": (["y"], "1 day", 1),
    "mon_yy.csv": (["y"], "1 month", 1),
    "month_name.csv": (["y"], "1 month", 1),
    "pct.csv": (["y"], "1 day", 1),
    "quarter.csv": (["y"], "1 quarter", 1),
    "sep_space.txt": (["y"], "1 day", 1),
    "series_to_csv.csv": (["0"], "1 year", 1),
    "thousands.csv": (["Price"], "1 day", 1),
    "time_not_first.csv": (["y"], "1 day", 1),
    "unix.csv": (["y"], "1 hour", 1),
}


@pytest.mark.skipif(not FAULTS.exists(), reason=f"{FAULTS} is missing")
@pytest.mark.parametrize("name", FILES)
def test_the_collected_faults_are_read(name):
    names, step, series = FILES[name]
    if name == "missing_rows.csv":
        with pytest.raises(InputError, match="line 12: the date 2023-01-11 is missing"):
            read_series(FAULTS / name)
    known = ["holiday"] if name == "future_exog.csv" else []
    fill = "linear" if name == "missing_rows.csv" else None
    found = read_series(FAULTS / name, SeriesOptions(known=known, fill=fill))
    assert (found.names, str(found.clock)) == (names, step)
    assert len({*(found.series or [""])}) == series
    first = 1100.0 if name in ("thousands.csv", "investing.csv") else 100.0
    first = 120.0 if name == "future_exog.csv" else first
    last = {"business_days.csv": 133.3, "long_ids.csv": 6101.9}.get(name, first % 1000 + 22)
    last = {"thousands.csv": 1122.04, "investing.csv": 1122.04, "future_exog.csv": 122.0}.get(
        name, last
    )
    assert found.values[0].tolist() == [first] and found.values[-1].tolist() == [last]


@pytest.mark.skipif(not FAULTS.exists(), reason=f"{FAULTS} is missing")
def test_no_collected_fault_is_left_out():
    assert {path.name for path in FAULTS.iterdir()} == {*FILES}
