"""Forecasts of one column without a network, each on a series that it should continue exactly."""

import numpy as np
import pytest

from ostinato.tasks.forecast_candidates import METHODS, fit_candidates, max_lag

STEPS = np.arange(200)
SEASON = np.tile([0.0, 3.0, 1.0, -2.0, 5.0, 1.0, -4.0, 0.0, 2.0, 2.0, -3.0, 1.0], 20)[:200]


def ahead(y, season, known, steps):
    """The forecasts of each method by its name, (steps,), from the first `known` values."""
    found = fit_candidates(y[:known], season).forecasts(y, np.array([known]), steps)
    return dict(zip(METHODS, found[:, 0]))


def test_the_naive_forecasts_repeat_the_last_value_and_the_last_season():
    y = np.random.default_rng(0).normal(size=120)
    found = ahead(y, 12, 100, 30)
    assert (found["last value"] == y[99]).all()
    assert found["seasonal naive"].tolist() == [y[88 + k % 12] for k in range(30)]


@pytest.mark.parametrize("season", [1, 4, 12, 50])
@pytest.mark.parametrize("known", [24, 60, 150])
def test_every_method_continues_a_constant_or_says_that_it_cannot(season, known):
    y = np.full(200, 7.0)
    y[:8] += [0.1, -0.1] * 4
    for name, forecast in ahead(y, season, known, 20).items():
        short = "seasonal differences" in name and known < 3 * season + 8
        seasonal = name == "seasonal naive" and known < season
        if short or (season == 1 and "seasonal diff" in name) or seasonal:
            assert np.isnan(forecast).any()
        else:
            assert forecast == pytest.approx(7.0, abs=0.2)


def test_a_line_with_a_season_is_continued_by_smoothing_and_by_seasonal_differences():
    y = 10 + 0.5 * STEPS + SEASON
    found = ahead(y, 12, 160, 24)
    for name in (METHODS[2], *METHODS[5:7]):
        assert found[name] == pytest.approx(y[160:184], abs=0.05), name


def test_an_autoregression_finds_the_lags_of_a_series():
    y = [0.0, 0.0]
    for noise in np.random.default_rng(0).normal(size=3000):
        y.append(1.0 + 0.9 * y[-1] - 0.5 * y[-2] + noise)
    found = fit_candidates(np.array(y), 1).autoregressions[0]
    assert found[:2].tolist() == pytest.approx([0.9, -0.5], abs=0.06)
    assert found[-1] == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize("size, level", [(1e-20, 0.0), (1e20, 0.0), (1.0, 1e6)])
def test_forecasts_follow_the_unit_and_the_level(size, level):
    random = np.random.default_rng(1)
    y = SEASON + random.normal(size=200).cumsum()
    here, there = (ahead(one, 12, 150, 12) for one in (y, size * y + level))
    for name in METHODS[:-1]:
        assert (there[name] - level) / size == pytest.approx(here[name], abs=1e-3), name


def test_a_growing_series_gives_forecasts_that_stay_finite():
    for y in (1.2 ** np.arange(100.0), np.arange(100.0) ** 3):
        found = fit_candidates(y, 4).forecasts(y, np.array([100]), 2000)
        assert np.isfinite(found).all()
        assert np.abs(found).max() < 1e5 * np.abs(y).max()


def test_forecasts_do_not_depend_on_how_many_origins_are_asked_at_once(monkeypatch):
    y = SEASON + np.random.default_rng(2).normal(size=200)
    fitted, origins = fit_candidates(y[:100], 12), np.arange(100, 190)
    whole = fitted.forecasts(y, origins, 6)
    monkeypatch.setattr("ostinato.tasks.forecast_candidates.ORIGINS_AT_ONCE", 7)
    assert fitted.forecasts(y, origins, 6) == pytest.approx(whole, rel=1e-9, abs=1e-9)
    for origin in (100, 140, 189):
        alone = fitted.forecasts(y, np.array([origin]), 6)[:, 0]
        assert alone == pytest.approx(whole[:, origin - 100], rel=1e-9, abs=1e-9)


def test_the_lags_fit_into_the_series():
    for count in range(2, 60):
        for season in (1, 4, 12, 52):
            assert 0 <= max_lag(count, season) <= count // 3
