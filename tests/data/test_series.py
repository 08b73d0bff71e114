"""One or several time series from tables and from memory."""

import numpy as np
import pandas
import polars
import pytest

from ostinato.data.series import read_series, series_from
from ostinato.data.series_columns import SeriesOptions
from ostinato.data.series_tables import IN_MEMORY, series_table
from ostinato.errors import InputError
from places import SHARED

REAL = SHARED / "data" / "small" / "timeseries"


@pytest.fixture
def read(tmp_path):
    """Reads a series from the text of a file."""

    def read(text, name="a.csv", **options):
        (tmp_path / name).write_text(text, encoding="utf-8")
        return read_series(tmp_path / name, SeriesOptions(**options))

    return read


def in_memory(data, **options):
    table, named = series_table(data)
    return series_from(table, IN_MEMORY, SeriesOptions(named=named, **options))


def days(count, start="2023-01-02"):
    """Dates from a Monday."""
    return [str(day) for day in np.datetime64(start) + np.arange(count)]


def lines(head, *columns):
    """A table of columns, separated by commas."""
    return "\n".join([head, *(",".join(map(str, row)) for row in zip(*columns))]) + "\n"


@pytest.mark.parametrize(
    "content, names, times",
    [
        (
            '"Month","Passengers"\n"1949-01",112\n"1949-02",118\n',
            ["Passengers"],
            ["1949-01", "1949-02"],
        ),
        ("Passengers\n112\n118\n", ["Passengers"], None),
        ("112\n118\n", ["0"], None),
        ("step,a,b\n1,112,1\n2,118,0\n", ["a", "b"], ["1", "2"]),
        ("a,b\n112,1\n118,0\n", ["b"], ["112", "118"]),
        ("a,b\n118,1\n112.5,0\n", ["a", "b"], None),
        ("Date,place,Temp\nJan 1,here,112\nJan 2,here,118\n", ["Temp"], ["Jan 1", "Jan 2"]),
        ("y,날짜\n3,2024. 1. 5.\n4,2024. 1. 6.\n", ["y"], ["2024. 1. 5.", "2024. 1. 6."]),
    ],
)
def test_a_series_has_values_and_times(read, content, names, times):
    series = read(content)
    assert series.names == names and series.values.shape == (2, len(names))
    assert (series.times and list(series.times)) == times and series.series is None
    assert series.values.dtype == np.float64 and series.known is None


def test_columns_of_a_series_can_be_named(read):
    series = read("a,b,when\n1,5,x\n2,6,y\n", columns=["a"], time="when")
    assert series.values.tolist() == [[1], [2]] and list(series.times) == ["x", "y"]


@pytest.mark.parametrize(
    "content, options, message",
    [
        ("Month,n\n1949-01,1\n1949-02,\n", {}, "line 3: the value in the column 'n' is missing"),
        ("n\n1\nnan\n", {}, "line 3: the value in the column 'n' is 'nan'.*--fill linear"),
        ("n\n1\ninf\n", {}, "line 3: the value in the column 'n' is 'inf', not a finite number"),
        ("n,m\n1,2\n3,4\n", {"columns": ["k"]}, "has no column 'k'; it has 'n', 'm'"),
        ("n,m\n1,2\n", {"time": "k"}, "has no column 'k'"),
        ("n,m\n1,2\n", {"known": ["k"]}, "has no column 'k'"),
        ("n,m\n1,2\n", {"identity": ["k"]}, "has no column 'k'"),
        (
            "Month,n\n1949-01,a\n",
            {},
            r"the columns 'Month', 'n', none with numbers to forecast; name one: columns=.*'a'",
        ),
        (
            "ds,n\n2024-01-01,1\n,2\n2024-01-03,2\n",
            {},
            "line 3: it is empty in the time column 'ds'",
        ),
    ],
)
def test_a_series_with_gaps_is_refused(read, content, options, message):
    with pytest.raises(InputError, match=message):
        read(content, **options)


# ---------------------------------------------------------------- order, missing dates and values


def test_rows_are_put_in_the_order_of_time_and_a_note_says_so(read):
    dates, y = days(5), [1, 2, 3, 4, 6]
    for order, note in (
        ([4, 3, 2, 1, 0], "the newest row is first: the rows are reversed"),
        ([0, 1, 3, 2, 4], "the rows are sorted by time"),
        ([0, 1, 2, 3, 4], None),
    ):
        series = read(lines("date,y", [dates[k] for k in order], [y[k] for k in order]))
        assert list(series.times) == dates and series.values[:].ravel().tolist() == y
        assert series.summary.notes == ([note] if note else [])


@pytest.mark.parametrize(
    "fill, expected", [("linear", [1, 2, 3, 4, 5]), ("previous", [1, 2, 2, 2, 5]), ("zero", None)]
)
def test_missing_dates_are_filled_or_refused(read, fill, expected):
    dates = days(8)
    text = lines("date,y", [*dates[:2], *dates[4:]], [1, 2, 5, 5, 5, 5])
    with pytest.raises(
        InputError,
        match=f"line 4: the date {dates[2]} is missing .the step is 1 day; 2 dates are missing.; "
        "add the rows, or fill them: --fill linear",
    ):
        read(text)
    series = read(text, fill=fill)
    assert list(series.times) == dates
    assert series.values[:].ravel()[:5].tolist() == (expected or [1, 2, 0, 0, 5])
    assert series.summary.notes == [f"2 missing dates are filled ({fill}), the first {dates[2]}"]


def test_missing_values_are_filled(read):
    dates = days(6)
    text = lines("date,y,z", dates, [1, "", "NA", 7, 8, 9], range(6))
    series = read(text, fill="linear")
    assert series.values[:].tolist() == [[1, 0], [3, 1], [5, 2], [7, 3], [8, 4], [9, 5]]
    assert series.summary.notes == [f"2 missing values are filled (linear), the first {dates[1]}"]
    with pytest.raises(InputError, match="line 2: the first value of a series is missing"):
        read(lines("date,y", dates, ["", 1, 2, 3, 4, 5]), fill="previous")


def test_holidays_are_missing_business_days(read):
    dates = [day for day in days(26) if np.is_busday(day)]
    text = lines("date,y", [*dates[:7], *dates[8:]], [*range(7), *range(8, len(dates))])
    with pytest.raises(
        InputError, match=f"the date {dates[7]} is missing .*1 business day; 1 date"
    ):
        read(text)
    series = read(text, fill="linear")
    assert series.clock.business and list(series.times) == dates
    assert series.values[:].ravel().tolist() == list(range(len(dates)))


def test_a_gap_longer_than_the_series_is_not_filled(read):
    dates = [*days(5), "2063-01-02"]
    with pytest.raises(InputError, match="dates are missing between 6 rows.*too many to fill"):
        read(lines("date,y", dates, range(6)), fill="linear")


def test_dates_without_a_regular_step_are_said_to_be_so(read):
    series = read("date,y\n2024-01-01,1\n2024-01-02,5\n2024-01-05,2\n2024-01-11,3\n")
    assert series.clock is None
    assert series.summary.notes == ["the dates have no regular step: steps are called +1, +2, ..."]


# ---------------------------------------------------------------- several series


def test_rows_of_several_series_stand_together_in_order(read):
    dates = days(4)
    text = "unique_id,ds,y\n" + "".join(
        f"{name},{date},{10 * k + place}\n"
        for k, date in enumerate(dates)
        for place, name in enumerate("나가")
    )
    series = read(text)
    assert series.series == [*"나나나나가가가가"] and list(series.times) == 2 * dates
    assert series.values[:].ravel().tolist() == [0, 10, 20, 30, 1, 11, 21, 31]
    assert series.identity == ["unique_id"] and str(series.clock) == "1 day"
    assert [use.role for use in series.summary.columns] == ["time", "series", "forecast"]


@pytest.mark.parametrize(
    "times, ends",
    [
        (
            [f"{day}.{month}.2024" for month in (2, 3) for day in range(1, 30)],
            "1.2.2024, 29.3.2024",
        ),
        ([f"{step}" for step in range(2, 13)], "2, 12"),
    ],
)
def test_the_summary_has_the_first_and_the_last_time_of_all_series(read, times, ends):
    first, last = ends.split(", ")
    rows = [f"{name},{time},{k * k}" for name in "AB" for k, time in enumerate(times)]
    # the second series begins earlier than the first, and ends later
    rows = rows[1 : len(times) - 1] + rows[len(times) :]
    detail = read("\n".join(["shop,t,y", *rows]) + "\n").summary.columns[0].detail
    assert detail.startswith(f"{first} to {last}")


@pytest.mark.parametrize(
    "head, rows, identity, names",
    [
        # a column of whole numbers, recognised by its name
        ("store,date,sales", [("1",), ("2",)], ["store"], ["sales"]),
        # a column of text with any name
        ("wer,date,sales", [("A",), ("B",)], ["wer"], ["sales"]),
        # a code and a name of the same series
        ("code,wer,date,sales", [("A", "Anna"), ("B", "Bert")], ["code"], ["sales"]),
        # two columns together
        ("store,item,date,y", [("1", "x"), ("1", "y"), ("2", "x"), ("2", "y")], None, ["y"]),
    ],
)
def test_the_column_that_tells_series_apart_is_found(read, head, rows, identity, names):
    text = lines(head, *zip(*((*row, date, 3.5) for row in rows for date in days(5))))
    text = text.replace("3.5\n", "4.5\n", 1)
    series = read(text)
    assert series.identity == (identity or ["store", "item"]) and series.names == names
    assert len(series.series) == 5 * len(rows) and len({*series.series}) == len(rows)


@pytest.mark.parametrize("head", ["unique_id,ds,y", "store,step,y", "wer,t,y"])
def test_whole_numbers_count_the_steps_of_each_series(read, head):
    names = "12" if head.startswith("store") else "AB"
    rows = [(name, step, step * step % 7) for name in names for step in range(1, 9)]
    series = read(lines(head, *zip(*rows)))
    assert series.names == ["y"] and series.series == [row[0] for row in rows]
    assert series.clock is None and list(series.times) == [str(row[1]) for row in rows]


@pytest.mark.parametrize("head, name", [("store,date,y", "7"), ("wer,date,y", "나")])
def test_a_file_with_one_of_the_learned_series_keeps_its_name(read, head, name):
    text = lines(head, [name] * 4, days(4), [1.5, 2, 3, 5])
    learned = {"trained": True, "columns": ["y"]}
    assert read(text, **learned, series=["7", "나"]).series == [name] * 4
    assert read(text, **learned).series is None


def test_series_end_and_miss_dates_on_their_own(read):
    dates = days(6)
    text = "id,date,y\n" + "".join(f"a,{date},1.5\n" for date in dates[:3])
    text += "".join(f"b,{date},{k}\n" for k, date in enumerate(dates) if k != 2)
    with pytest.raises(InputError, match=f"the date {dates[2]} of the series 'b' is missing"):
        read(text)
    series = read(text, fill="linear")
    assert series.series == [*"aaabbbbbb"]
    assert series.values[:].ravel().tolist() == [1.5, 1.5, 1.5, 0, 1, 2, 3, 4, 5]


def test_repeated_times_without_series_are_refused(read):
    dates = days(4)
    text = lines("date,y", [*dates, *dates], [1.5, 2, 3, 4, 5, 6, 7, 8])
    with pytest.raises(
        InputError,
        match=f"line 6: the time '{dates[0]}' in the column 'date' occurs before, in line 2; keep "
        "one row for each time, or name the column .*--id COLUMN",
    ):
        read(text)
    text = lines("a,b,date,y", [*"1122"] * 1, [*"xyxy"], [dates[0]] * 4, [1.5, 2, 3, 4])
    assert read(text, identity=["a", "b"]).series == ["1 / x", "1 / y", "2 / x", "2 / y"]


def test_a_row_may_be_a_whole_series():
    series = in_memory(
        {"country": ["Korea", "Japan"], "code": ["KR", "JP"], "2019": [1, None]}
        | {"2020": [2, 6], "2021": [3, 7], "2022": [4, 8]}
    )
    assert series.series == ["Korea"] * 4 + ["Japan"] * 3 and series.names == ["value"]
    assert list(series.times) == ["2019", "2020", "2021", "2022", "2020", "2021", "2022"]
    assert series.values[:].ravel().tolist() == [1, 2, 3, 4, 6, 7, 8]


@pytest.mark.parametrize(
    "head, columns, first, step",
    [
        (
            "year,month,y",
            [[2000 + k // 12 for k in range(24)], [k % 12 + 1 for k in range(24)]],
            "2000-01",
            "1 month",
        ),
        (
            "y0,연도,분기,y",
            [range(24), [2000 + k // 4 for k in range(24)], [k % 4 + 1 for k in range(24)]],
            "2000-Q1",
            "1 quarter",
        ),
        ("day,month,year,y", [range(1, 25), [3] * 24, [2024] * 24], "2024-03-01", "1 day"),
        ("date,hour,y", [["2024-03-01"] * 24, range(24)], "2024-03-01 00:00", "1 hour"),
        (
            "Date,Time,y",
            [["01.03.2024"] * 24, [f"{k}:30:00" for k in range(24)]],
            "01.03.2024 0:30:00",
            "1 hour",
        ),
    ],
)
def test_the_parts_of_a_date_are_joined(read, head, columns, first, step):
    values = [k * 1.5 % 7 for k in range(24)]
    series = read(lines(head, *columns, values), columns=["y"])
    assert series.times[0] == first and str(series.clock) == step and series.series is None
    assert series.values[:].ravel().tolist() == values


# ---------------------------------------------------------------- known columns


def test_known_columns_stand_apart_and_go_beyond_the_last_value(read):
    dates = days(5)
    text = lines("date,y,holiday", dates, [1, 2, 3, "", ""], [0, 1, 0, 0, 1])
    series = read(text, known=["holiday"])
    assert series.names == ["y"] and series.values[:].ravel().tolist() == [1, 2, 3]
    assert series.known[:].ravel().tolist() == [0, 1, 0]
    assert series.summary.notes == ["2 rows at the end without values are left out"]
    series = read(text, known=["holiday"], future=True)
    assert series.known[:].ravel().tolist() == [0, 1, 0, 0, 1] and list(series.times) == dates
    assert np.isnan(series.values[:].ravel()).tolist() == [False] * 3 + [True] * 2
    assert series.dates[:].astype("M8[D]").astype(str).tolist() == dates
    # a gap inside is not a future row
    with pytest.raises(InputError, match="line 3: the value in the column 'y' is missing"):
        read(lines("date,y,holiday", dates, [1, "", 3, "", ""], [0, 1, 0, 0, 1]), known=["holiday"])


@pytest.mark.parametrize("fill, expected", [("linear", 1), ("previous", 1), ("zero", 0)])
def test_known_values_that_are_missing_in_future_rows_are_filled_and_the_rows_stay_future(
    read, fill, expected
):
    dates = days(6)
    text = lines(
        "date,y,holiday,price", dates, [1, 2, 3, "", "", ""], [0, 1, 1, "", 0, ""], [5] * 6
    )
    series = read(text, known=["holiday", "price"], fill=fill, future=True)
    assert series.values[:3].ravel().tolist() == [1, 2, 3] and np.isnan(series.values[3:]).all()
    filled = [0, 1, 1, expected, 0, 0]
    assert series.known[:].tolist() == [[holiday, 5] for holiday in filled]
    # in training they are left out, with or without --fill
    for options in ({}, {"fill": fill}):
        series = read(text, known=["holiday", "price"], **options)
        assert series.values[:].ravel().tolist() == [1, 2, 3]
    # without --fill, the error names the known column and not the values
    with pytest.raises(InputError, match="line 5: the value in the column 'holiday' is missing"):
        read(text, known=["holiday", "price"], future=True)


@pytest.mark.parametrize("known", [["holiday"], ["holiday", "price"]])
def test_rows_at_the_end_without_any_value_are_missing_values(read, known):
    text = lines("date,y,holiday,price", days(4), [1, 2, "", ""], [0, 1, "", ""], [5, 5, "", ""])
    series = read(text, known=known, columns=["y"], fill="previous", future=True)
    assert series.values[:].ravel().tolist() == [1, 2, 2, 2]


@pytest.mark.parametrize(
    "text, options",
    [
        (lines("date,y", days(60), range(60)), {}),
        (lines("date,y", days(60)[::-1], range(60)), {}),
        (lines("date,y", days(40) + days(60)[45:], range(55)), {"fill": "linear"}),
        (lines("date,y", days(60), range(60)), {"date_format": "%Y-%m-%d"}),
    ],
)
def test_each_date_is_parsed_once(read, monkeypatch, text, options):
    from ostinato.data import dates as module

    parsed, plain = [], module.read_date

    def counted(one, form):
        parsed.append(one)
        return plain(one, form)

    monkeypatch.setattr(module, "read_date", counted)
    series = read(text, **options)
    # and those that were looked at to find the form
    assert len(parsed) <= len(series.values) + 2 * module.SAMPLED


# ---------------------------------------------------------------- in memory


def frames():
    columns = {"when": days(4), "a": [1, 2, 3, 5], "지점": [*"xxxx"]}
    stamps = pandas.to_datetime(columns["when"])
    series = pandas.Series([1, 2, 3, 5], index=stamps, name="a")
    return [
        columns,
        pandas.DataFrame(columns),
        pandas.DataFrame(columns | {"when": stamps}),
        pandas.DataFrame(columns).set_index("when"),
        polars.DataFrame(columns),
        polars.DataFrame(columns).with_columns(polars.col("when").str.to_date()),
        polars.DataFrame(columns).with_columns(polars.col("when").str.to_datetime()),
        columns | {"when": [np.datetime64(day) for day in columns["when"]]},
        columns | {"when": list(stamps.to_pydatetime())},
        series,
        series.to_period("D"),
    ]


@pytest.mark.parametrize("data", frames(), ids=lambda data: type(data).__module__)
def test_frames_and_dicts_are_read_like_files(data):
    series = in_memory(data)
    assert series.names == ["a"] and series.values[:].ravel().tolist() == [1, 2, 3, 5]
    assert list(series.times) == days(4) and str(series.clock) == "1 day"


def test_integer_times_are_times_in_a_file_and_in_memory(read):
    steps, y = list(range(0, 48, 2)), [float(k % 5) for k in range(24)]
    for series in (read(lines("a,b", steps, y)), in_memory({"a": steps, "b": y})):
        assert series.names == ["b"] and list(series.times) == list(map(str, steps))
        assert "not dates: steps are called +1" in dict(series.summary.lines())["time"]


@pytest.mark.parametrize(
    "data, message",
    [
        (
            {"a": [1], "b": [1, 2]},
            r"columns of these lengths: \{'a': 1, 'b': 2\}; give one or more numeric columns of "
            r"the same length",
        ),
        ({"a": []}, r"columns of these lengths: \{'a': 0\}"),
        ({}, r"columns of these lengths: \{\}"),
        (np.array([1j, 2]), "is not numeric .it has complex numbers"),
        (pandas.DataFrame([[1, 2], [3, 5]], columns=["a", "a"]), "give each column its own name"),
        ({"a": [1, None, 2]}, "step 2 of the given series: the value in the column 'a' is missing"),
        ({"a": [1, np.inf, 2]}, "step 2 of the given series: the value in the column 'a' is inf"),
        ({"ds": ["2024-01-01", "x", "2024-01-03"], "a": [1, 2, 3]}, "step 2 .*'x' is not a date"),
        ({"ds": ["01/02/2024", "02/02/2024"], "a": [1, 2]}, "may be 2024-01-02 .* or 2024-02-01"),
    ],
)
def test_series_in_memory_are_checked_like_files(data, message):
    with pytest.raises(InputError, match=message):
        in_memory(data)


def test_kinds_of_columns_of_frames_are_read():
    stamps = pandas.date_range("2024-01-01", periods=4)
    frame = pandas.DataFrame(
        {
            "ds": [*stamps, *stamps],
            "k": pandas.Categorical([*"aaaabbbb"]),
            "y": pandas.array([1, 2, 4, 8, 3, 5, 7, 1], dtype="Int64"),
            "on": [True, False] * 4,
            "nothing": [None] * 8,
        }
    )
    series = in_memory(frame)
    assert series.names == ["y", "on"] and series.series == [*"aaaabbbb"]
    assert series.values[0].tolist() == [1, 1] and series.summary.left_out == {
        "nothing": "has no values"
    }
    zoned = pandas.DataFrame({"y": [1.0, 3, 2]}, index=stamps[:3].tz_localize("Asia/Seoul"))
    assert in_memory(zoned).clock.format == "%Y-%m-%d %H:%M:%S+09:00"
    indexed = frame[["ds", "k", "y"]].set_index(["k", "ds"])
    assert in_memory(indexed).series == [*"aaaabbbb"]
    assert in_memory(polars.Series("v", [1.5, 2, 4])).names == ["v"]


def test_an_array_has_no_time():
    series = in_memory(np.arange(12.0).reshape(6, 2) ** 2)
    assert series.names == ["0", "1"] and series.times is None and series.values.shape == (6, 2)


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is missing")
@pytest.mark.parametrize(
    "name, count, step",
    [
        ("airline-passengers", 115, "1 month"),
        ("monthly-sunspots", 2256, "1 month"),
        ("daily-min-temperatures", 2920, "1 day"),
    ],
)
def test_real_series(name, count, step):
    fill = "previous" if name == "daily-min-temperatures" else None
    series = read_series(REAL / f"{name}.train.csv", SeriesOptions(fill=fill))
    assert series.values.shape == (len(series.times), 1) and len(series.values) >= count
    assert str(series.clock) == step
