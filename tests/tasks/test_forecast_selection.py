"""The comparison of forecasts on rolling origins, their weights, and the intervals."""

import numpy as np
import pytest

from ostinato.tasks.forecast_candidates import METHODS
from ostinato.tasks.forecast_selection import (
    NETWORK_WEIGHT,
    QUANTILES,
    RollingOrigins,
    combined,
    described,
    few_errors,
    independent_errors,
    recent_size,
    rolling_origins,
    select,
    towards_naive,
    weights_of,
)


def walk(count, seed=0):
    return np.random.default_rng(seed).normal(size=count).cumsum()


def wave(count, seed=0):
    """A wave with noise, which the naive forecasts miss."""
    return 10 * np.sin(np.arange(count)) + np.random.default_rng(seed).normal(size=count)


def test_each_part_is_forecast_by_methods_that_have_not_seen_it():
    y = walk(200)
    changed = y.copy()
    changed[170:] += 100
    before, after = (rolling_origins(one, 1, 30, 4)[1] for one in (y, changed))
    assert before.predicted.shape == (len(METHODS) - 1, 150, 4)
    # origins up to 170 know only what has not changed
    assert np.array_equal(before.predicted[:, :121], after.predicted[:, :121], equal_nan=True)
    assert before.wanted[0].tolist() == y[50:54].tolist()
    assert np.isnan(before.wanted[-1, 1:]).all() and before.wanted[-1, 0] == y[-1]


def test_the_smaller_the_error_the_larger_the_weight():
    size = np.random.default_rng(0).uniform(1, 1.5, size=(6, 5))
    weights = weights_of(size)
    assert weights.sum(0) == pytest.approx(1)
    for step in range(5):
        order = np.argsort(size[:, step])
        assert (np.diff(weights[order, step]) <= 0).all()


def test_a_method_that_does_not_exist_gets_no_weight_and_no_say():
    predicted = np.array([[[1.0, 1.0]], [[np.nan, 3.0]]])
    assert combined(predicted, np.full((2, 2), 0.5)).tolist() == [[1.0, 2.0]]
    nothing = combined(np.full((2, 1, 2), np.nan), np.full((2, 2), 0.5))
    assert np.isnan(nothing).all()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count, season", [(30, 1), (60, 4), (200, 12), (800, 1)])
def test_on_the_rolling_origins_the_combination_is_not_worse_than_the_naive_forecasts(
    count, season, seed
):
    y = walk(count, seed)
    rolled = rolling_origins(y, season, max(1, round(0.15 * count)), 6)[1]
    chosen = select(rolled)
    none = np.full((1, *rolled.wanted.shape), np.nan)
    predicted = combined(np.concatenate([rolled.predicted, none]), chosen.weights)
    errors = [np.nanmean(np.abs(one - rolled.wanted)) for one in (predicted, *rolled.predicted[:2])]
    # the errors are averaged over neighbouring steps to choose, so there may be a small difference
    assert errors[0] <= 1.02 * min(errors[1:])
    assert (np.diff(chosen.scale) >= 0).all() and chosen.errors.shape == (QUANTILES,)


@pytest.mark.parametrize("seed", range(3))
def test_a_network_that_is_best_gets_at_most_half_of_the_weight_and_one_that_is_worst_none(seed):
    y = wave(300, seed)
    rolled = rolling_origins(y, 1, 45, 3)[1]
    origins = np.arange(0, 42, 3)
    wanted = rolled.wanted[-45:][origins]
    best, worst = (select(rolled, wanted + shift, origins).weights for shift in (1e-3, 50.0))
    # a little of the weight moves to the naive forecast
    assert best[-1] == pytest.approx(NETWORK_WEIGHT, rel=0.05) and (worst[-1] == 0).all()
    assert (best[-1] <= NETWORK_WEIGHT).all()
    # the others share the rest as without a network
    assert best[:-1] == pytest.approx((1 - NETWORK_WEIGHT) * select(rolled).weights[:-1], abs=0.03)
    assert best.sum(0) == pytest.approx(1)


def test_a_network_that_alone_reads_further_columns_may_get_all_the_weight():
    y = wave(300)
    rolled = rolling_origins(y, 1, 45, 3)[1]
    origins = np.arange(45)
    wanted = np.nan_to_num(rolled.wanted[-45:], nan=0.0)
    chosen = select(rolled, wanted + 1e-3, origins, most=1.0)
    assert (chosen.weights[-1] > 0.98).all()
    # nothing but the network is combined, so that recent errors of the others say nothing
    assert np.isfinite(chosen.scale).all() and (chosen.usual > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_of_two_equal_errors_that_of_the_network_counts_as_larger(seed):
    rng = np.random.default_rng(seed)
    wanted = rng.normal(size=(90, 4))
    predicted = np.stack([wanted + 10, wanted - 10, *[wanted + rng.normal(size=(90, 4))] * 5])
    origins = np.arange(0, 30, 2)
    weights = select(
        RollingOrigins(predicted, wanted, 30), predicted[2, -30:][origins], origins
    ).weights
    assert (weights[-1] > 0).all() and (weights[-1] < 0.6 * weights[2]).all()


def gains(share, count=200, noise=1.0, seed=0, horizon=3):
    """Forecasts of a combination and of two naive methods, whose errors are larger by `share` on
    average, and the values.
    """
    rng = np.random.default_rng(seed)
    wanted = np.zeros((count, horizon))
    good = 8 + np.abs(rng.normal(size=(count, horizon)))
    noise = noise * rng.normal(size=(count, horizon))
    better = good + share + noise - noise.mean(0)
    others = np.full((len(METHODS) - 3, count, horizon), np.nan)
    predicted = np.concatenate([[better + 1], [better], [good], others])
    return predicted, wanted, np.tile(np.eye(len(METHODS))[:, 2:3], horizon)


@pytest.mark.parametrize("seed", range(4))
def test_the_less_certain_a_gain_the_closer_the_weights_are_to_the_better_naive_forecast(seed):
    kept = []
    for share in (2.0, 0.08, 0.04):
        predicted, wanted, weights = gains(share, seed=seed)
        found = towards_naive(weights, predicted, wanted)
        assert found.sum(0) == pytest.approx(1) and (found >= 0).all()
        # what is not kept is that of the better of the two naive forecasts
        assert found[1] + found[2] == pytest.approx(1)
        kept.append(found[2])
    assert (kept[0] == 1).all() and kept[1].mean() > kept[2].mean()
    for count in (20, 60):
        predicted, wanted, weights = gains(0.1, count, seed=seed, horizon=1)
        gain = np.abs(predicted[1]) - np.abs(predicted[2])
        errors = gain.mean() / (gain.std() / np.sqrt(count))
        real = np.clip(errors / 2, 0, 1)
        assert towards_naive(weights, predicted, wanted)[2] == pytest.approx(real)


def test_gains_far_ahead_overlap_and_are_less_certain():
    # the same gains at each step
    predicted, wanted, weights = (np.repeat(one, 6, -1) for one in gains(0.05, 100, horizon=1))
    kept = towards_naive(weights, predicted, wanted)[2]
    assert 0 < kept[0] < 1 and kept == pytest.approx(kept[0] / np.sqrt(np.arange(1, 7)))


@pytest.mark.parametrize("share", [-3.0, -0.5, 0.0])
def test_a_combination_without_a_gain_gives_way_to_the_naive_forecast(share):
    predicted, wanted, weights = gains(share, noise=0.0)
    predicted[2] += 2 * (share == 0)
    found = towards_naive(weights, predicted, wanted)
    worse = np.abs(predicted[2]).mean() >= np.abs(predicted[1]).mean()
    assert worse == ((found[1] == 1).all() and (found[2] == 0).all())


def test_steps_with_too_few_origins_are_as_certain_as_the_step_before():
    predicted, wanted, weights = gains(0.3, count=4, horizon=8)
    kept = towards_naive(weights, predicted, wanted)[2]
    # four origins hold two independent ones up to two steps ahead, and one up to four
    assert (kept[3:] == kept[2]).all() and kept[2] > 0


def test_a_walk_is_forecast_by_its_last_value_and_a_wave_is_not():
    naive = []
    for seed in range(12):
        rolled = rolling_origins(walk(160, seed), 1, 24, 6)[1]
        naive.append(select(rolled).weights[0].mean())
    assert np.mean(naive) > 0.6
    assert select(rolling_origins(wave(160), 1, 24, 6)[1]).weights[0].max() < 0.03


def test_intervals_from_few_errors_are_wider_as_those_of_student():
    # a table of Student's t: degrees of freedom 1, 2, 10 and 100, and the normal distribution
    for level, quantiles, normal in (
        (0.8, [3.078, 1.886, 1.372, 1.290], 1.2816),
        (0.95, [12.706, 4.303, 2.228, 1.984], 1.9600),
    ):
        found = few_errors(level, np.array([1.0, 2.0, 10.0, 100.0]))
        assert found == pytest.approx(np.array(quantiles) / normal, rel=1e-3)


def test_the_fewer_errors_the_wider_the_intervals_and_the_widest_levels_most():
    few, many = (select(rolling_origins(walk(count), 1, count // 7, 6)[1]) for count in (56, 2000))
    for chosen in (few, many):
        assert (np.diff(chosen.scale) >= 0).all() and (np.diff(chosen.errors) >= 0).all()
    level = [round(level * QUANTILES - 0.5) for level in (0.8, 0.95)]
    ratio = [chosen.errors[level[1]] / chosen.errors[level[0]] for chosen in (few, many)]
    assert ratio[0] > ratio[1] > 1


def test_errors_for_the_intervals_come_from_weights_of_the_other_parts():
    # each method is right in one part and wrong by a step in all others
    wanted = np.zeros((50, 1))
    predicted = np.ones((len(METHODS) - 1, 50, 1)) * 10
    for part in range(5):
        predicted[2 + part, 10 * part : 10 * part + 10] = 0
    chosen = select(RollingOrigins(predicted, wanted, 10))
    # the weights of all parts give errors of 8 everywhere, those of the other parts of 10
    inside = chosen.scale[0] * chosen.errors[round(0.8 * QUANTILES - 0.5)]
    assert inside >= 10


def test_recent_errors_count_more_and_only_those_before_a_step():
    errors = np.abs(np.random.default_rng(0).normal(size=(200, 1)))
    usual = errors.mean(0)
    size = recent_size(errors, usual)
    assert size[0] == 1 and size.shape == (201, 1)
    changed = errors.copy()
    changed[100:] *= 5
    later = recent_size(changed, usual)
    assert (later[:101] == size[:101]).all() and (later[101:] > size[101:]).all()
    assert later[150:].mean() / size[150:].mean() > 3
    # missing errors have no say
    assert (recent_size(np.full((5, 3), np.nan), usual.repeat(3)) == 1).all()


@pytest.mark.parametrize("count", [1, 3, 100])
def test_an_error_counts_from_the_step_on_at_which_its_value_is_known(count):
    errors = np.ones((count, 6))
    before = recent_size(errors, np.ones(6))
    for origin in {0, count // 2, count - 1}:
        changed = errors.copy()
        changed[origin, 4] = 9
        later = recent_size(changed, np.ones(6)) > before
        assert not later[: origin + 5].any() and not later[:, [0, 1, 2, 3, 5]].any()
        assert later[origin + 5 : origin + 37, 4].all()


def test_errors_one_step_ahead_widen_the_intervals_of_all_steps_and_those_far_ahead_their_own():
    usual = np.ones(4)
    new, drift = np.ones((60, 4)), np.ones((60, 4))
    new[-2:, 0] = 9
    drift[-20:, 3] = 9
    sizes = recent_size(new, usual)[-1]
    assert sizes[0] > 1.5 and (sizes == sizes[0]).all()
    sizes = recent_size(drift, usual)[-1]
    assert sizes[3] > 1.5 and (sizes[:3] == 1).all()


@pytest.mark.parametrize("horizon", [1, 2, 5, 12])
def test_overlapping_errors_count_as_fewer_independent_ones(horizon):
    # sums of `horizon` shocks: the variance of their mean square
    rng, count = np.random.default_rng(0), 400
    shocks = rng.normal(size=(1000, count + horizon - 1))
    errors = np.lib.stride_tricks.sliding_window_view(shocks, horizon, 1).sum(2) / horizon**0.5
    found = 2 / (errors**2).mean(1).var()
    assert found == pytest.approx(independent_errors(np.full(horizon, count))[-1], rel=0.15)


@pytest.mark.parametrize("count", [100, 300])
@pytest.mark.parametrize("ahead", [1, 6])
def test_after_a_change_of_the_noise_the_intervals_adapt(count, ahead):
    inside = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = np.where(np.arange(count + 80) < count, 1.0, 4.0)
        y = (size * rng.normal(size=count + 80)).cumsum()
        fitted, rolled = rolling_origins(y[:count], 1, round(0.15 * count), ahead)
        chosen = select(rolled)
        half = chosen.scale * chosen.errors[round(0.8 * QUANTILES - 0.5)]
        last = np.arange(1, len(y) - ahead + 1)
        error = np.abs(y[last[:, None] + np.arange(ahead)] - y[last - 1, None])
        origins = np.arange(count + 20, len(y) - ahead)
        inside.append(error[origins - 1] <= half * recent_size(error, chosen.usual)[origins - 1])
    assert 0.65 <= np.mean(inside) <= 0.95 and np.mean(inside, (0, 1))[-1] >= 0.65


@pytest.mark.parametrize("count", [120, 300])
def test_intervals_hold_where_calm_and_noisy_times_alternate(count):
    inside = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        size = np.where(np.arange(count + 100) // 25 % 2, 3.0, 0.5)
        y = (size * rng.normal(size=count + 100)).cumsum()
        chosen = select(rolling_origins(y[:count], 1, round(0.15 * count), 4)[1])
        half = chosen.scale * chosen.errors[round(0.8 * QUANTILES - 0.5)]
        last = np.arange(1, len(y) - 3)
        error = np.abs(y[last[:, None] + np.arange(4)] - y[last - 1, None])
        held = (error <= half * recent_size(error, chosen.usual)[:-1])[count - 1 :]
        inside.append([held[size[count:-3] == one].mean() for one in (0.5, 3.0)])
    calm, noisy = np.mean(inside, 0)
    assert 0.72 <= (calm + noisy) / 2 <= 0.93 and min(calm, noisy) >= 0.65


@pytest.mark.parametrize("count, seeds", [(60, 30), (120, 30), (600, 12)])
def test_intervals_hold_as_many_of_the_next_values_as_they_say(count, seeds):
    inside, horizon = [], 5
    for seed in range(seeds):
        y = walk(count + horizon, seed)
        rolled = rolling_origins(y[:count], 1, round(0.15 * count), horizon)[1]
        chosen = select(rolled)
        half = chosen.scale * chosen.errors[round(0.8 * QUANTILES - 0.5)]
        inside.append(np.abs(y[count:] - y[count - 1]) <= half)
    assert 0.68 <= np.mean(inside) <= 0.92


def test_one_origin_is_enough():
    wanted = np.array([[1.0, np.nan]])
    predicted = np.zeros((len(METHODS) - 1, 1, 2))
    chosen = select(RollingOrigins(predicted, wanted, 1))
    assert chosen.weights.sum(0) == pytest.approx(1) and np.isfinite(chosen.scale).all()


def test_the_methods_are_named_by_their_weights():
    weights = np.zeros(len(METHODS))
    weights[0] = 1
    assert described(weights) == "last value"
    weights[[0, -1]] = 0.25, 0.75
    assert described(weights) == "network 0.75, last value 0.25"
