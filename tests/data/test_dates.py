"""Dates as text in many forms, and how they continue."""

import numpy as np
import pytest

from ostinato.data.clock import (
    Clock,
    calendar_features,
    cycles_of,
    date_after,
    regular_clock,
    steps_between,
)
from ostinato.data.dates import (
    column_dates,
    date_of,
    dates_of,
    forms_of,
    read_date,
    styled,
    write_date,
)
from ostinato.errors import InputError


def clock_of(times):
    """Form and step of the dates of a series; None without a regular step."""
    found = column_dates(times)
    if found.bad is not None:
        return None
    return regular_clock([found.dates[found.forms[0]]], styled(found.forms[0], times))


@pytest.mark.parametrize(
    "times, following",
    [
        (["2024-11", "2024-12"], "2025-01"),
        (["2023-12-31", "2024-01-31"], "2024-02-29"),
        (["2024-02-27", "2024-02-28"], "2024-02-29"),
        (["2024-01-01 22:00", "2024-01-01 23:00"], "2024-01-02 00:00"),
        (["2019", "2020"], "2021"),
        (["2024년 3월", "2024년 6월"], "2024년 9월"),
        (["2024/01/01", "2024/01/08"], "2024/01/15"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:10Z"], "2024-01-01T00:00:20Z"),
        (["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01.0Z"], "2024-01-01T00:00:01.500000Z"),
        (["30.12.2023", "31.12.2023"], "01.01.2024"),
        (["8.1.2024", "9.1.2024"], "10.1.2024"),
        (["30/01/2024", "31/01/2024"], "01/02/2024"),
        (["2023 Q3", "2023 Q4"], "2024 Q1"),
        (["Q3-2023", "Q4-2023"], "Q1-2024"),
        (["3Q23", "4Q23"], "1Q24"),
        (["2020-W52", "2020-W53"], "2021-W01"),
        (["Nov-99", "Dec-99"], "Jan-00"),
        (["FEB 2024", "MAR 2024"], "APR 2024"),
        (["March 2024", "April 2024"], "May 2024"),
        (["9 Feb 2024", "19 Feb 2024"], "29 Feb 2024"),
        (["Dec 30, 2023", "Dec 31, 2023"], "Jan 01, 2024"),
        (["2024. 1. 5.", "2024. 1. 6."], "2024. 1. 7."),
        (["2024-01-05 오전 10:30", "2024-01-05 오전 11:30"], "2024-01-05 오후 12:30"),
        (["1/5/2024 10:00 PM", "1/15/2024 10:00 PM"], "1/25/2024 10:00 PM"),
        (["2024-01-05 22:00+09:00", "2024-01-05 23:00+09:00"], "2024-01-06 00:00+09:00"),
        (["2024-03-31T01:00:00+01:00", "2024-03-31T03:00:00+02:00"], "2024-03-31T02:00:00+00:00"),
        (["1704067200", "1704070800"], "1704074400"),
        (["1704067200000", "1704067200500"], "1704067201000"),
        (["20240130", "20240131"], "20240201"),
        (["202411", "202412"], "202501"),
        (["2023M11", "2023M12"], "2024M01"),
        (["2024年8月", "2024年9月"], "2024年10月"),
    ],
)
def test_dates_go_on(times, following):
    clock = clock_of(times)
    after = date_after(date_of(times[-1], clock.format, "here"), clock, 1)
    assert write_date(after, clock.format) == following


def test_a_gap_is_allowed_and_dates_without_a_usual_step_are_none():
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    assert clock_of(days[:20] + days[21:]).seconds == 86400
    assert not clock_of(days[:20] + days[21:]).business
    assert clock_of(["2024-01-01", "2024-01-02", "2024-01-05"]) is None
    assert clock_of(["one", "two"]) is None and clock_of(["2024-01-01"]) is None


BUSINESS = [str(day) for day in np.busday_offset("2024-01-01", range(20), roll="forward")]


def test_days_without_weekends_are_business_days_and_are_continued_so():
    clock = clock_of(BUSINESS)
    assert clock.business and str(clock) == "1 business day"
    friday = date_of("2024-01-26", clock.format, "here")
    following = [write_date(date_after(friday, clock, k), clock.format) for k in (1, 5, 6)]
    assert following == ["2024-01-29", "2024-02-02", "2024-02-05"]
    # a holiday is a missing business day
    dates = np.array([*BUSINESS[:7], *BUSINESS[8:]], "datetime64[us]")
    assert regular_clock([dates], clock.format) == clock
    assert steps_between(dates, clock).tolist() == [1] * 6 + [2] + [1] * 11


def test_missing_dates_are_counted_in_months_too():
    clock = clock_of(["2024-01-31", "2024-02-29", "2024-03-31", "2024-05-31"])
    dates = np.array(["2024-02-29", "2024-05-31"], "datetime64[us]")
    assert (clock.months, clock.day) == (1, 31) and steps_between(dates, clock).tolist() == [3]


@pytest.mark.parametrize(
    "times, step",
    [
        (["2024-01-01", "2024-01-08"], "1 week"),
        (["2024-01-01", "2024-01-03"], "2 days"),
        (["2024-01", "2024-04"], "1 quarter"),
        (["2024-01", "2024-03"], "2 months"),
        (["2024-01-01 00:00", "2024-01-01 00:15"], "15 minutes"),
    ],
)
def test_a_step_has_a_name(times, step):
    assert str(clock_of(times)) == step


@pytest.mark.parametrize(
    "text, forms",
    [
        ("03/04/2024", ["%m/%d/%Y", "%d/%m/%Y"]),
        ("13/04/2024", ["%d/%m/%Y"]),
        ("04/13/2024", ["%m/%d/%Y"]),
        ("03-04-24", ["%m-%d-%y", "%d-%m-%y"]),
        ("24.01.15", ["%d.%m.%y", "%y.%m.%d"]),
        ("03.04.2024", ["%d.%m.%Y"]),
        ("2024010512", ["%Y%m%d%H", "%s"]),
    ],
)
def test_a_date_with_several_readings_has_several_forms(text, forms):
    assert [form for form in forms_of(text) if not form.startswith("%y-")] == forms


@pytest.mark.parametrize(
    "text",
    [
        "Total",
        "합계",
        "",
        "Jan 1",
        "Jan 10",
        "15-Jan",
        "2024-02-30",
        "31.04.2024",
        "2024-13",
        "100.0",
    ]
    + [
        "2024.5",
        "-5",
        "12:30",
        "week 5",
        "H1 2024",
        "2024-01-01 25:00",
        "5 Q 2024",
        "100%",
        "1-2-3",
    ],
)
def test_other_text_is_not_a_date(text):
    assert forms_of(text) == []


def test_the_forms_of_a_column_are_those_of_most_rows():
    days = [f"{day:02d}/01/2024" for day in range(1, 13)]
    for texts, forms, bad in (
        (days, ["%m/%d/%Y", "%d/%m/%Y"], None),
        ([*days, "13/01/2024"], ["%d/%m/%Y"], None),
        ([*days, "13/01/2024", "합계"], ["%d/%m/%Y"], 13),
        (["a", "b", "2024-01-01"], [], 0),
        ([], [], 0),
    ):
        found = column_dates(texts)
        assert (found.forms, found.bad) == (forms, bad) and found.dates.keys() == {*forms}
        for form in forms:
            # the same dates as those of each text alone
            alone = [np.datetime64(read_date(text, form), "us") for text in texts]
            assert np.array_equal(found.dates[form], alone, equal_nan=True)


def test_one_form_is_tried_alone():
    days = [f"{day:02d}/01/2024" for day in range(1, 13)]
    assert column_dates(days, "%d/%m/%Y").forms == ["%d/%m/%Y"]
    assert column_dates(days, "%Y-%m-%d").forms == []


@pytest.mark.parametrize("form", ["", "%", "x", "%Y%Y", "%Q", "%Y-%m-%d%%", "%d", "%H:%M", "(%Y)+"])
def test_a_clock_in_another_form_is_refused(form):
    with pytest.raises(InputError, match="is not a form of dates"):
        Clock(form, months=1, day=1, seconds=0)


def test_dates_out_of_order_are_refused():
    with pytest.raises(
        InputError,
        match="here: the time of step 3, '2024-01', is not later than the one before it, '2024-02'",
    ):
        list(dates_of(["2024-01", "2024-02", "2024-01"], "%Y-%m", "here"))


def test_steps_have_places_in_cycles_that_the_series_holds_twice():
    day = Clock("%Y-%m-%d", months=0, day=0, seconds=86400)
    assert (
        cycles_of(day, 800) == ["year", "week"]
        and cycles_of(day, 100) == ["week"]
        and cycles_of(Clock("%Y-%m", months=1, day=1, seconds=0), 36) == ["year"]
    )
    assert cycles_of(Clock("%Y", months=12, day=1, seconds=0), 100) == [] and cycles_of(
        Clock("%Y-%m-%d %H:%M", months=0, day=0, seconds=3600), 400
    ) == ["week", "day"]
    dates = [date_of(f"2024-01-0{k} 12:00", "%Y-%m-%d %H:%M", "here") for k in (1, 8)]
    found = calendar_features(dates, ["week", "day"])
    assert (
        found.shape == (2, 4)
        and np.allclose(found[0], found[1])
        and np.allclose(found[0, 2:], [0, -1])
    )
