"""Properties of a series, found from its values; and how dates continue."""

import numpy as np
import pytest

from ostinato.data.time_series import (
    Clock,
    calendar_features,
    clock_of,
    cycles_of,
    date_after,
    date_of,
    has_trend,
    power_of,
    season_of,
    series_of,
)
from ostinato.errors import InputError


def column(values):
    return np.asarray(values, float)[:, None]


@pytest.mark.parametrize("season", [4, 7, 12, 24])
def test_a_season_is_found_in_noise_and_on_a_trend(season):
    steps, noise = np.arange(20 * season), np.random.default_rng(0).normal(size=20 * season)
    assert season_of(column(3 * np.sin(steps * 2 * np.pi / season) + noise)) == season
    assert (
        season_of(column(3 * np.sin(steps * 2 * np.pi / season) + 0.1 * noise + steps), True)
        == season
    )


@pytest.mark.parametrize(
    "values", [np.random.default_rng(0).normal(size=500), np.ones(50), np.arange(50.0), [1.0, 2.0]]
)
def test_what_has_no_season_has_the_season_1(values):
    assert season_of(column(values)) == 1


def test_a_trend_is_seen():
    random, steps = np.random.default_rng(0).normal(size=300), np.arange(300)
    assert has_trend(column(steps + random)) and not has_trend(column(random))


@pytest.mark.parametrize(
    "made, power",
    [
        (lambda random, steps: np.exp(0.01 * steps + 0.1 * random), 0),
        (lambda random, steps: (10 + 5 * np.sin(steps / 20) + random) ** 2, 0.5),
        (lambda random, steps: 100 + steps + random, 1),
        (lambda random, steps: random, 1),
        # no logarithms of 0; and few parts, or parts of one value each, say nothing
        (lambda random, steps: np.exp(0.01 * steps + 0.1 * random) * (steps > 40), 0.5),
        (lambda random, steps: np.exp(0.1 * steps + random)[:40], 1),
        (lambda random, steps: np.repeat(random[:25] ** 2, 12), 1),
    ],
)
def test_the_power_is_found_that_makes_changes_alike_at_all_levels(made, power):
    assert (
        power_of(column(made(np.random.default_rng(0).normal(size=300), np.arange(300)))) == power
    )


@pytest.mark.parametrize(
    "times, following",
    [
        (["2024-11", "2024-12"], "2025-01"),
        (["2023-12-31", "2024-01-31"], "2024-02-29"),
        (["2024-02-27", "2024-02-28"], "2024-02-29"),
        (["2024-01-01 22:00", "2024-01-01 23:00"], "2024-01-02 00:00"),
        (["2019", "2020"], "2021"),
        (["2024년 3월", "2024년 6월"], "2024년 09월"),
        (["2024/01/01", "2024/01/08"], "2024/01/15"),
        (["2024-01-01T00:00:00Z", "2024-01-01T00:00:10Z"], "2024-01-01T00:00:20Z"),
        (["2024-01-01T00:00:00.5Z", "2024-01-01T00:00:01.0Z"], "2024-01-01T00:00:01.500000Z"),
    ],
)
def test_dates_go_on(times, following):
    clock = clock_of(times, "here")
    assert (
        date_after(date_of(times[-1], clock.format, "here"), clock, 1).strftime(clock.format)
        == following
    )


def test_a_gap_is_allowed_and_dates_without_a_usual_step_are_none():
    days = [f"2024-01-{day:02d}" for day in range(1, 31)]
    assert clock_of(days[:20] + days[21:], "here").seconds == 86400
    assert clock_of(["2024-01-01", "2024-01-02", "2024-01-05"], "here") is None
    assert clock_of(["one", "two"], "here") is None and clock_of(["2024-01-01"], "here") is None


def test_dates_out_of_order_are_refused():
    with pytest.raises(
        InputError,
        match="here: the time of step 3, '2024-01', is not later than the one before it, '2024-02'",
    ):
        clock_of(["2024-01", "2024-02", "2024-01"], "here")


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


def test_a_series_in_memory_has_names_values_and_times():
    names, values, times = series_of(
        {
            "때": [np.datetime64("2024-01-01"), np.datetime64("2024-01-02")],
            "a": [1, 2],
            "b": [3, 4],
        },
        ["b"],
    )
    assert (
        names == ["b"] and values.tolist() == [[3], [4]] and times == ["2024-01-01", "2024-01-02"]
    )
    with pytest.raises(
        InputError,
        match=r"columns of these lengths: \{'a': 1, 'b': 2\}; give one or more numeric columns of "
        r"the same length",
    ):
        series_of({"a": [1], "b": [1, 2]})
