"""Properties of a series, found from its values."""

import numpy as np
import pytest

from ostinato.data.time_series import has_trend, power_of, season_of


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
