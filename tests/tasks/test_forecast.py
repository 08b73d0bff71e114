"""Many to one, fed back: the next values of a series, with intervals; what a series is like is in
test_series.py.
"""

import json
from datetime import date, timedelta

import numpy as np
import polars
import pytest

from ostinato.errors import InputError
from ostinato.tasks import Forecaster, load
from ostinato.tasks.forecast import _recent_sizes
from ostinato.tasks.forecast_selection import rolling_origins, select
from places import SHARED
from runs import without_time

REAL = SHARED / "data" / "small" / "timeseries"
SMALL = {"hidden": 8, "steps": 120, "learning_rate": 0.02, "patience": 0, "batch": 8, "horizon": 4}
LENGTH = 160


def waves(count=LENGTH, start=0, noise=0.05):
    steps = np.arange(start, start + count)
    return (
        10
        + 3 * np.sin(steps * 2 * np.pi / 12)
        + noise * np.random.default_rng(1).normal(size=start + count)[start:]
    )


def months(count=LENGTH, start=0):
    return [f"{2000 + k // 12}-{k % 12 + 1:02d}" for k in range(start, start + count)]


def table(path, values, times=None, name="판매"):
    rows = [
        f"{value}" if times is None else f"{times[k]},{value}" for k, value in enumerate(values)
    ]
    path.write_text(
        "\n".join([name if times is None else f"달,{name}", *rows]) + "\n", encoding="utf-8"
    )
    return path


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A file of months, the directory of a model of it, and the task."""
    directory = tmp_path_factory.mktemp("forecast")
    file = table(directory / "data.csv", waves(), months())
    return (
        file,
        directory / "model",
        Forecaster(**SMALL).fit(file, out=directory / "model", threads=1),
    )


# ---------------------------------------------------------------- what it learns


def test_the_report_draws_the_one_step_forecasts_of_the_metrics(tmp_path, monkeypatch):
    calls, plain = [], Forecaster._one_ahead

    def counted(self, examples):
        calls.append(examples)
        return plain(self, examples)

    monkeypatch.setattr(Forecaster, "_one_ahead", counted)
    file = table(tmp_path / "a.csv", waves(80), months(80))
    task = Forecaster(**SMALL | {"steps": 2}).fit(file, out=tmp_path / "m", threads=1)
    assert len(calls) == 1
    # other examples are forecast again, also after the same ones were measured
    for _ in range(2):
        examples = task.read(table(tmp_path / "b.csv", waves(9, 80), months(9, 80)))
        calls.clear()
        first = task.report_parts(examples)["forecasts"][1].predicted
        task.compute_metrics(examples)
        again = task.report_parts(examples)["forecasts"][1].predicted
        assert len(calls) == 2 and np.array_equal(first, again)


def test_the_dates_of_a_file_are_parsed_when_it_is_read(tmp_path, monkeypatch):
    from ostinato.tasks import forecast_series

    sources, plain = [], forecast_series.dates_of

    def counted(times, form, source):
        sources.append(source)
        return plain(times, form, source)

    monkeypatch.setattr(forecast_series, "dates_of", counted)
    file = table(tmp_path / "a.csv", waves(80), months(80))
    task = Forecaster(**SMALL | {"steps": 2}).fit(file, threads=1)
    later = table(tmp_path / "b.csv", waves(9, 80), months(9, 80))
    assert task.evaluate(later)["mase"] > 0 and len(task.predict(later)) == 4
    # only the end of the training series, which a model stores as text
    assert {*sources} <= {"the training series"}


def test_waves_are_continued_from_a_file(trained, tmp_path):
    task = trained[2]
    assert (
        task.options.season,
        task.options.power,
        task.options.difference,
        task.options.lags,
    ) == (12, 1, False, 17)
    found = task.evaluate(table(tmp_path / "test.csv", waves(40, LENGTH), months(40, LENGTH)))
    assert (
        found["mase"] < 0.3
        and found["horizon_mase"] < 0.4
        and found["naive_mase"] > 0.8
        and 0.5 < found["coverage_80"] <= 1
    )
    assert (
        found["relative_mae"]
        == pytest.approx(found["mae"] / found["naive_mae"])
        == pytest.approx(found["mase"] / found["naive_mase"])
    )


def test_dates_go_on_and_every_value_is_in_its_intervals(trained):
    answers = trained[2].predict_dicts(trained[0])
    assert [answer["time"] for answer in answers] == months(4, LENGTH) and answers[0][
        "column"
    ] == "판매"
    for answer in answers:
        assert (
            answer["low_95"]
            <= answer["low"]
            <= answer["value"]
            <= answer["high"]
            <= answer["high_95"]
        )
    assert [answer["value"] for answer in answers] == pytest.approx(
        waves(4, LENGTH, noise=0), abs=0.8
    )


def test_the_steps_asked_for_are_forecast_and_without_data_the_training_series_goes_on(trained):
    task = trained[2]
    assert len(
        task.predict_dicts(trained[0], steps=30)
    ) == 30 and task.predict_dicts() == task.predict_dicts(trained[0])
    assert task.predict_dicts(steps=np.int64(9)) == task.predict_dicts(steps=9)
    assert task.predict_dicts(steps=9)[:4] != [] and [
        a["value"] for a in task.predict_dicts(steps=9)[:4]
    ] == [a["value"] for a in task.predict_dicts()]


def test_data_that_follows_on_is_read_with_its_past_and_other_data_with_its_own(trained):
    task = trained[2]
    need = task.metadata.need
    later = task.predict_dicts({"달": months(2, LENGTH), "판매": waves(2, LENGTH)})
    assert [a["time"] for a in later] == months(4, LENGTH + 2)
    assert later == task.predict_dicts({"달": months(LENGTH + 2), "판매": waves(LENGTH + 2)})
    # of a series of other years only what has a window before it is measured
    apart = {"달": months(need + 5, 600), "판매": waves(need + 5, 600)}
    assert len(task._one_ahead(task.read(apart))[0]["wanted"]) == 5
    assert (
        len(
            task._one_ahead(task.read({"달": months(5, LENGTH), "판매": waves(5, LENGTH)}))[0][
                "wanted"
            ]
        )
        == 5
    )


def test_without_data_a_short_series_without_dates_is_read_once():
    model = Forecaster(**(SMALL | {"steps": 2, "engine": "reference"})).fit(waves(90))
    (one,) = model._readable(model._training_end())
    np.testing.assert_array_equal(one.y[:, 0], waves(90))
    # with the same values once more, the series is twice as long
    (other,) = model._readable(model.read(waves(90), labelled=False))
    assert len(other.y) == 180


def test_several_columns_are_forecast_together():
    both = np.stack([waves(), 100 - 2 * waves()], 1)
    task = Forecaster(**SMALL).fit(both, threads=1)
    answers = task.predict_dicts(both, steps=2)
    assert [(a["time"], a["column"]) for a in answers] == [
        ("+1", "0"),
        ("+1", "1"),
        ("+2", "0"),
        ("+2", "1"),
    ]
    assert answers[1]["value"] == pytest.approx(100 - 2 * answers[0]["value"], abs=3)
    assert (
        task.shown(answers[1]).split("\t")[:2] == ["+1", "1"]
        and len(task.shown(answers[1]).split("\t")) == 5
    )


def test_columns_are_chosen_by_their_names(tmp_path):
    file = tmp_path / "data.csv"
    file.write_text(
        "a,b,note\n" + "".join(f"{value},{-value},x\n" for value in waves()),
        encoding="utf-8",
    )
    task = Forecaster(**SMALL | {"steps": 2}, columns="b").fit(file, threads=1)
    assert task.metadata.names == ["b"] and task.predict_dicts(file)[0]["value"] < 0


def test_what_grows_by_a_part_of_itself_is_learned_as_logarithms_of_changes():
    grown = np.exp(0.02 * np.arange(LENGTH)) * waves()
    task = Forecaster(**SMALL).fit(grown, threads=1)
    assert (
        task.options.power == 0
        and task.options.difference
        and all(a["low_95"] > 0 for a in task.predict_dicts(grown))
    )
    assert Forecaster(**SMALL | {"steps": 1}, power=1.0).fit(grown, threads=1).options.power == 1


def test_counts_are_learned_as_roots_and_never_forecast_below_0():
    counts = (
        np.random.default_rng(0)
        .poisson(6 + 6 * np.sin(np.arange(400) * 2 * np.pi / 50))
        .astype(float)
    )
    task = Forecaster(**SMALL | {"steps": 20}).fit(counts, threads=1)
    answers = task.predict_dicts(counts, steps=50)
    assert (
        task.options.power == 0.5
        and min(a["low_95"] for a in answers) == 0
        and max(a["value"] for a in answers) > 6
    )


def test_intervals_hold_what_they_say_on_what_was_not_learned():
    random = np.random.default_rng(0)
    walk = np.cumsum(random.laplace(size=5000))
    task = Forecaster(**SMALL | {"steps": 12, "batch": 32}, held_out=0.5, difference=True).fit(
        walk[:3000], threads=1
    )
    found = task.evaluate(walk[3000:])
    assert found["coverage_80"] == pytest.approx(0.8, abs=0.04) and found[
        "coverage_95"
    ] == pytest.approx(0.95, abs=0.02)
    assert found["horizon_coverage_80"] == pytest.approx(0.8, abs=0.15) and found[
        "mase"
    ] == pytest.approx(found["naive_mase"], rel=0.1)


@pytest.mark.parametrize("steps", [1, 5, 9])
def test_the_size_of_the_recent_errors_does_not_depend_on_the_other_origins(steps):
    y = np.random.default_rng(0).normal(size=400).cumsum()
    fitted, rolled = rolling_origins(y[:200], 4, 30, 5)
    chosen = select(rolled)
    origins = np.array([1, 2, 30, 31, 120, 290, 300, 399, 400])
    sizes = _recent_sizes(fitted, chosen, y, origins, steps)
    assert sizes.shape == (len(origins), steps) and (sizes[0] == 1).all()
    for origin, size in zip(origins, sizes):
        one = np.array([origin])
        assert _recent_sizes(fitted, chosen, y, one, steps)[0] == pytest.approx(size, rel=1e-12)
        # later values have no say, further steps have the size of the last compared one
        known = _recent_sizes(fitted, chosen, y[:origin], one, 9)[0]
        assert known[:steps] == pytest.approx(size, rel=1e-12) and (known[4:] == known[4]).all()


def test_few_held_out_steps_are_enough_for_intervals():
    for held_out in (0.03, 0.01):
        task = Forecaster(**SMALL | {"steps": 2}, held_out=held_out).fit(waves(), threads=1)
        assert task.result.held_out_rows == round(LENGTH * held_out)
        chosen = task.model.selection((0, 0))
        assert (np.diff(chosen.scale) >= 0).all() and (np.diff(chosen.errors) >= 0).all()
        assert chosen.weights.sum(0) == pytest.approx(1.0)
        assert (task.result.metrics["horizon_mase"] is None) == (held_out == 0.01)


def test_untrained_layers_leave_the_forecast_to_the_regression_or_the_last_value():
    def ahead(task, values):
        one = task._readable(task.read(values))[0]
        return task._walk(task.model.final, one, np.array([len(one.y)]), 3)[0, :, 0]

    values = waves()
    task = Forecaster(**SMALL | {"steps": 1, "learning_rate": 1e-9, "lags": 0, "power": 1.0}).fit(
        values, threads=1
    )
    assert ahead(task, values) == pytest.approx(values[-1], rel=1e-5)
    values = [0.0, 0.0]
    for noise in np.random.default_rng(0).normal(size=1200):
        values.append(0.9 * values[-1] - 0.5 * values[-2] + noise)
    chosen = {"lags": 2, "season": 1, "power": 1.0, "difference": False}
    task = Forecaster(**SMALL | {"steps": 1, "learning_rate": 1e-9} | chosen).fit(values, threads=1)
    # the next change is half the last one and -0.6 of the value, which is given by its deviation
    record = task.metadata.series[0]
    own = task.model.final.regression[0, :-1].tolist() * np.array(
        [1, record.step[0] / record.level[1][0], 1]
    )
    assert own.tolist() == pytest.approx([0.5, -0.6, 0.0], abs=0.1)


@pytest.mark.parametrize("scale, level", [(1e30, 0), (1e-9, 0), (1e-30, 0), (1, 1e9)])
def test_another_unit_and_another_level_give_the_same_forecast(scale, level):
    values, short = waves(), SMALL | {"steps": 20, "power": 1.0}
    task, other = (
        Forecaster(**short).fit(values, threads=1),
        Forecaster(**short).fit(scale * values + level, threads=1),
    )
    assert other.options == task.options and task.options.season == 12
    for name in ("value", "low", "high_95"):
        assert [(a[name] - level) / scale for a in other.predict_dicts()] == pytest.approx(
            [a[name] for a in task.predict_dicts()], rel=1e-4
        )


@pytest.mark.parametrize("lags", [0, 3, 11, 24])
def test_the_layers_read_how_far_off_the_value_a_season_before_the_next_is_however_many_lags_there_are(
    lags,
):
    y = np.random.default_rng(0).normal(size=(LENGTH, 1)).cumsum(0)
    task = Forecaster(
        **SMALL | {"steps": 1}, season=12, lags=lags, window=12, power=1.0, difference=True
    ).fit(y, threads=1)
    learned = y[: task.result.rows]
    # the first input is the last change, the second this
    one = task.reader.series(task.read(learned), follow=False)[0]
    found = np.asarray(task.reader.pairs(one, task._units)[0])[:, 1]
    wanted = (y[:-11] - y[11:])[: len(learned) - 12]
    assert found == pytest.approx(
        (wanted / (learned[:-11] - learned[11:]).std())[-len(found) :, 0], rel=1e-5, abs=1e-6
    )


@pytest.mark.parametrize(
    "options",
    [
        {"cell": "elman"},
        {"cell": "gru", "layers": 2},
        {"cell": "lstm_projected"},
        {"engine": "torch"},
        {"engine": "torch", "cell": "gru"},
    ],
)
def test_any_layer_can_be_taken(options):
    task = Forecaster(**SMALL | {"steps": 2} | options).fit(waves(), threads=1)
    assert len(task.predict_dicts()) == 4


def test_days_have_places_in_the_week_and_hours_in_the_day(tmp_path):
    days = [str(date(2023, 1, 1) + timedelta(days=k)) for k in range(120)]
    values = [
        float(date.fromisoformat(day).weekday() >= 5) + 0.01 * k % 0.03
        for k, day in enumerate(days)
    ]
    task = Forecaster(**SMALL | {"hidden": 16, "steps": 250}).fit(
        {"day": days, "visits": values}, threads=1
    )
    assert (
        task.metadata.calendar == ["week"]
        and task.options.season == 7
        and task.predict_dicts()[0]["time"] == "2023-05-01"
    )
    assert task.result.metrics["mase"] < 0.3


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
def test_moments_are_read_from_parquet_and_numpy(tmp_path, unit):
    hours = np.datetime64("2024-01-01T00:30") + np.arange(LENGTH).astype("timedelta64[h]")
    polars.DataFrame({"at": hours.astype(f"datetime64[{unit}]"), "x": waves()}).write_parquet(
        tmp_path / "a.parquet"
    )
    task = Forecaster(**SMALL | {"steps": 2}).fit(tmp_path / "a.parquet", threads=1)
    assert task.predict_dicts()[0]["time"] == "2024-01-07 16:30:00"
    task = Forecaster(**SMALL | {"steps": 2}).fit(
        {"at": hours.astype(f"datetime64[{unit}]"), "x": waves()}, threads=1
    )
    assert task.metadata.clock.seconds == 3600 and task.predict_dicts()[0]["time"].startswith(
        "2024-01-07T16:30:00"
    )


@pytest.mark.parametrize(
    "times",
    [[f"{2000 + k + k * k // 8}" for k in range(LENGTH)], [f"week {k}" for k in range(LENGTH)]],
)
def test_without_regular_dates_steps_have_numbers(times):
    task = Forecaster(**SMALL | {"steps": 2}).fit({"when": times, "x": waves()}, threads=1)
    assert (
        task.metadata.clock is None
        and task.metadata.calendar == []
        and [a["time"] for a in task.predict_dicts()] == ["+1", "+2", "+3", "+4"]
    )


# ---------------------------------------------------------------- directories


def test_a_directory_gives_the_same_answers(trained, tmp_path):
    file, out, task = trained
    assert load(out).predict_dicts(file) == task.predict_dicts(file) and load(out).evaluate(
        file
    ) == task.evaluate(file)
    task.save(tmp_path / "again")
    assert load(tmp_path / "again").predict_dicts(file) == task.predict_dicts(file)
    assert "80 % interval" in (out / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("step", [1, 9, 10, 119])
def test_a_run_broken_off_ends_as_one_that_was_not(trained, breaking, tmp_path, step):
    file, _, whole = trained
    with pytest.raises(breaking.error):
        Forecaster(**SMALL).fit(
            file, out=tmp_path / "m", threads=1, checkpoint_seconds=0.0, watcher=breaking(step)
        )
    again = Forecaster(**SMALL).fit(file, out=tmp_path / "m", resume=True, threads=1)
    assert (
        without_time(again.result) == without_time(whole.result)
        and again.predict_dicts() == whole.predict_dicts()
    )


def test_a_series_read_in_small_parts_gives_the_same_model(trained, monkeypatch):
    file, _, whole = trained
    for name, size in (
        ("tasks.forecast.BLOCK_STEPS", 7),
        ("tasks.forecast_series.BLOCK_STEPS", 7),
        ("data.disk.ROWS_AT_ONCE", 3),
        ("data.disk.BLOCK_BYTES", 50),
        ("data.text.CHUNK", 50),
    ):
        monkeypatch.setattr(f"ostinato.{name}", size)
    parts = Forecaster(**SMALL).fit(file, threads=1)
    assert (
        without_time(parts.result) == without_time(whole.result)
        and parts.metadata == whole.metadata
        and parts.predict_dicts(file) == whole.predict_dicts(file)
    )


def test_what_a_long_series_is_like_is_found_from_its_end(monkeypatch):
    values = np.concatenate([100 * np.random.default_rng(0).normal(size=2000), waves(400)])
    monkeypatch.setattr("ostinato.tasks.forecast.STATISTICS_VALUES", 300)
    task = Forecaster(**SMALL | {"steps": 1}).fit(values, threads=1)
    learned = values[:2040][-300:]
    record = task.metadata.series[0]
    assert record.step == [np.abs(np.diff(learned)).mean()] and record.level[0] == [learned.mean()]
    assert (task.result.rows, task.result.held_out_rows) == (2040, 360)


@pytest.mark.parametrize(
    "count, held_out, limits",
    [
        (160, 0.15, {}),
        # a held-out part longer than what the methods are fitted to and compared on
        (160, 0.5, {"FITTED_VALUES": 60, "COMPARED_ORIGINS": 40}),
        # a network whose first forecast comes after the start of the held-out part
        (60, 0.6, {}),
    ],
)
def test_the_network_and_the_other_methods_are_compared_on_the_same_held_out_values(
    monkeypatch, count, held_out, limits
):
    values = np.random.default_rng(0).normal(size=count).cumsum()
    start, walks, compared = count - round(held_out * count), [], []
    walk = Forecaster._walk

    def walk_and_tell(self, network, one, origins, steps):
        if steps > 1:
            walks.append(one.y[:][origins, 0])
        return walk(self, network, one, origins, steps)

    def select_and_tell(rolled, network, origins, most):
        held = rolled.wanted[len(rolled.wanted) - rolled.held_out :, 0]
        compared.append((held, held[origins]))
        return select(rolled, network, origins, most)

    with monkeypatch.context() as patch:
        for name, limit in limits.items():
            patch.setattr(f"ostinato.tasks.forecast.{name}", limit)
        patch.setattr("ostinato.tasks.forecast.select", select_and_tell)
        patch.setattr(Forecaster, "_walk", walk_and_tell)
        Forecaster(hidden=4, steps=2, season=8, power=1, horizon=3, held_out=held_out).fit(
            values, threads=1
        )
    assert compared
    for (held, wanted), known in zip(compared, walks):
        assert held.tolist() == values[start : start + len(held)].tolist()
        assert wanted.tolist() == known.tolist()


def test_the_end_of_a_series_is_held_out(trained):
    task = trained[2]
    learned, watched = task.split(task.read(trained[0]))
    assert (
        [*learned["time"], *watched["time"]] == months()
        and len(watched) == 24
        and task.result.held_out_rows == 24
    )


def test_the_command_line_trains_evaluates_and_answers(trained, ostinato, tmp_path):
    file = trained[0]
    words = ["--hidden", "8", "--steps", "24", "--horizon", "3", "--power", "1", "--threads", "1"]
    code, out, err = ostinato("train", "forecast", file, "--out", "m", *words)
    assert code == 0 and "evaluated on 24 rows:\nmase " in out, out + err
    code, out, _ = ostinato("predict", "m", file)
    lines = [line.split("\t") for line in out.splitlines()]
    assert (
        code == 0
        and [line[0] for line in lines] == months(3, LENGTH)
        and all(len(line) == 4 for line in lines)
    )
    code, out, _ = ostinato("evaluate", "m", file, "--json")
    assert code == 0 and json.loads(out)["mase"] == load("m").evaluate(file)["mase"]
    code, out, _ = ostinato("predict", "m", given="10, 11.5, 12.6\n")
    assert code == 0 and len(out.splitlines()) == 3 and out.startswith("2013-08\t")
    code, _, err = ostinato("predict", "m", given="10, eleven\n")
    assert (
        code == 2
        and "line 1 of standard input: '10, eleven' is not a row of numbers"
        in " ".join(err.split())
    )
    assert ostinato("inspect", "m", "10, 11.5, 12.6", "--out", "p.png")[0] == 0


# ---------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    "times", [[*months(3, LENGTH), *months(LENGTH - 3, LENGTH + 2)], [*months(2, 5), *months(2, 6)]]
)
def test_dates_that_occur_twice_are_refused_after_training_too(trained, times):
    for use in (trained[2].predict_dicts, trained[2].evaluate):
        with pytest.raises(
            InputError, match="the time '.*' in the column '달' occurs before, in row .*; keep one"
        ):
            use({"달": times, "판매": waves(len(times))})


def test_dates_end_with_the_year_9999():
    years = {"year": [str(1900 + k) for k in range(LENGTH)], "value": waves()}
    task = Forecaster(**SMALL | {"steps": 2}).fit(years, threads=1)
    with pytest.raises(
        InputError,
        match=f"{9999 - 1899 - LENGTH + 1} steps after {1899 + LENGTH} is after the year 9999",
    ):
        task.predict_dicts(steps=10_000)


@pytest.mark.parametrize(
    "data, options, message",
    [
        (
            np.full(100, 5.0),
            {},
            r"the column '0' is 5 at all 85 training steps; there is nothing to forecast",
        ),
        (
            np.arange(20.0),
            {},
            r"the given series: 20 steps, 3 of them held out; training needs at least 24",
        ),
        (
            waves(100),
            {"window": 90},
            r"85 training steps are fewer than a window: --window 90, --season 12 and --lags "
            r"10 require 102",
        ),
        (
            waves(100),
            {"season": 60},
            r"--season 60: the 85 training steps do not contain two seasons",
        ),
        (
            waves(100) - 10,
            {"power": 0.0},
            r"the given series: a value is -?\d\S*, and the model uses logarithms, which require "
            r"values above 0; .*--power 1",
        ),
        (
            waves(100) - 10,
            {"power": 0.5},
            r"the given series: a value is -\S*, and the model uses powers of 0.5, which require "
            r"values of 0 or more; .*--power 1",
        ),
        (
            [1.0, float("nan")] * 50,
            {},
            r"step 2 of the given series: the value in the column '0' is missing, not a finite",
        ),
        (["a", "b"], {}, r"the given series is not numeric \("),
        (
            np.zeros((3, 3, 3)),
            {},
            r"the given series has the shape \(3, 3, 3\); give \(T,\), or \(T, F\)",
        ),
        (
            {"x": waves(50)},
            {"columns": "y"},
            r"the given series has no column 'y'; it has 'x'",
        ),
        (
            {"x": waves(50), "y": waves(50)},
            {"columns": "x, y,x"},
            r"--columns x, y,x: 'x' is given twice; name each column once",
        ),
        (
            waves(50),
            {"columns": "x"},
            r"columns='x', time=None: the given series is an array, whose columns have no names; "
            r"give a dict of columns",
        ),
        (
            waves(50),
            {"time": "when"},
            r"columns=None, time='when': the given series is an array",
        ),
        (
            {"when": [f"{9000 + k}" for k in range(50)], "x": waves(50)},
            {"horizon": 960},
            r"the date 960 steps after 9049 is after the year 9999; forecast fewer steps",
        ),
        (
            {"when": [*months(25), *months(25)], "x": waves(50)},
            {},
            r"the time '2000-01' in the column 'when' occurs before, in row 1; keep one row for",
        ),
    ],
)
def test_a_series_that_nothing_can_be_learned_from_is_refused(data, options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        Forecaster(**SMALL | options).fit(data, out=tmp_path / "m")
    assert not (tmp_path / "m").exists()


@pytest.mark.parametrize(
    "text, options, message",
    [
        (
            "x\n" + "1\n2\n" * 30 + "three\n",
            {},
            r"data.csv' line 62: the value in the column 'x' is 'three', not a finite number",
        ),
        (
            "x,y\n" + "1,2\n2,\n" * 30,
            {},
            r"data.csv' line 3: the value in the column 'y' is missing, not a finite number",
        ),
        (
            "x,y\n" + "1,2\n2,3\n" * 30,
            {"columns": "x, z"},
            r"data.csv' has no column 'z'.*; it has 'x', 'y'",
        ),
        (
            "x,y\n" + "1,2\n2,3\n" * 30,
            {"time": "when"},
            r"data.csv' has no column 'when'.*; it has 'x', 'y'",
        ),
        ("x,y\n" + "a,b\n" * 60, {}, r"none with numbers to forecast"),
        (
            "x,note\n" + "1,a\n" * 60,
            {"columns": "note"},
            r"data.csv' line 2: the value in the column 'note' is 'a'",
        ),
    ],
)
def test_a_file_with_a_column_that_cannot_be_read_is_refused(tmp_path, text, options, message):
    (tmp_path / "data.csv").write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        Forecaster(**SMALL | options).fit(tmp_path / "data.csv")


def test_data_that_a_model_cannot_go_on_from_is_refused(trained):
    task = trained[2]
    for use in (task.predict_dicts, task.evaluate):
        with pytest.raises(
            InputError, match=r"do not continue the training series, which ended at 2013-04"
        ):
            use({"달": months(5, 600), "판매": waves(5)})
    with pytest.raises(
        InputError, match=r"'May 2013' is not in the training date format; write it as '2024-12'"
    ):
        task.predict_dicts({"달": ["May 2013"], "판매": [1.0]})
    with pytest.raises(
        InputError, match="the given series has 2 columns, and the model was trained on 1: 판매"
    ):
        task.predict_dicts(np.ones((9, 2)))
    for steps in (0, -1, True, 2.5, "3", 10_001):
        with pytest.raises(
            InputError, match=f"steps {steps!r}: write a whole number from 1 to 10000"
        ):
            task.predict_dicts(steps=steps)
    with pytest.raises(
        InputError, match="0 numbers do not divide into steps of 1; write complete steps"
    ):
        task.line("")
    with pytest.raises(InputError, match="Forecaster: the task has no model yet"):
        Forecaster().predict_dicts(waves())


def test_a_model_whose_layers_read_other_numbers_is_refused(tmp_path):
    Forecaster(hidden=4, steps=2, season=12).fit(waves(), out=tmp_path / "model", threads=1)
    config = json.loads((tmp_path / "model" / "config.json").read_text(encoding="utf-8"))
    config["metadata"]["series"][0]["gap"] = [0.0]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config), encoding="utf-8")
    with pytest.raises(
        InputError,
        match=r"config.json' cannot be used: 'metadata.series\[0\].gap\[0\]' is 0.0; it should be a number "
        r"from .*train the model again",
    ):
        load(tmp_path / "model")


# ---------------------------------------------------------------- real data


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is missing")
def test_daily_temperatures_are_forecast_better_than_by_the_last_value():
    task = Forecaster(steps=75, fill="previous").fit(
        REAL / "daily-min-temperatures.train.csv", threads=1
    )
    found = task.evaluate(REAL / "daily-min-temperatures.test.csv")
    assert (
        found["mase"] < 0.83 < found["naive_mase"]
        and 0.75 < found["coverage_80"] < 0.88
        and 0.92 < found["coverage_95"] < 0.995
    )


@pytest.mark.skipif(not REAL.exists(), reason=f"{REAL} is missing")
def test_sunspots_cannot_be_told_even_from_the_months_on_both_sides():
    past, test = (
        np.loadtxt(REAL / f"monthly-sunspots.{part}.csv", delimiter=",", skiprows=1, usecols=1)
        for part in ("train", "test")
    )
    both, scale = np.concatenate([past, test]), np.abs(np.diff(past)).mean()

    def neighbours(months):
        """The months measured, and as many before and after each."""
        at = np.arange(len(past), len(both) - months)
        return both[at], np.stack([both[at + k] for k in range(-months, months + 1) if k], 1)

    wanted, months = neighbours(1)
    assert np.abs(wanted - months.mean(1)).mean() / scale == pytest.approx(
        1.04, abs=0.005
    )  # as docs/forecast.md says
    wanted, months = neighbours(3)
    months = np.pad(months, ((0, 0), (0, 1)), constant_values=1.0)
    fitted = months @ np.linalg.lstsq(months, wanted, rcond=None)[0]
    assert np.abs(wanted - fitted).mean() / scale == pytest.approx(1.02, abs=0.005)


# ---------------------------------------------------------------- several series, known columns


def test_several_series_are_forecast_by_one_model_each_in_its_own_unit(tmp_path):
    rows, lengths = ["unique_id,ds,y"], {"가게": 120, "b": 90}
    for size, (name, count) in zip((1.0, 1000.0), lengths.items()):
        values = size * waves(count)
        rows += [f"{name},{date},{value}" for date, value in zip(months(count), values)]
    file = tmp_path / "stores.csv"
    file.write_text("\n".join(rows) + "\n", encoding="utf-8")
    task = Forecaster(**SMALL | {"steps": 30}).fit(file, out=tmp_path / "m", threads=1)
    answers = task.predict_dicts()
    assert [answer["series"] for answer in answers] == ["가게"] * 4 + ["b"] * 4
    assert [answer["time"] for answer in answers] == months(4, 120) + months(4, 90)
    for place, (name, count) in enumerate(lengths.items()):
        wanted = 1000.0**place * waves(4, count, noise=0)
        mine = [answer["value"] for answer in answers if answer["series"] == name]
        assert mine == pytest.approx(wanted, rel=0.1)
    assert task.evaluate(file)["mase"] < 0.5
    assert load(tmp_path / "m").predict_dicts(file) == answers


def test_a_known_column_is_read_in_the_steps_to_come(tmp_path):
    random = np.random.default_rng(0)
    holiday = (random.random(200) < 0.2).astype(int)
    sold = 10 + 20 * holiday + random.normal(size=200)
    days = [str(date(2023, 1, 1) + timedelta(days=k)) for k in range(204)]
    rows = [f"{days[k]},{sold[k]:.3f},{holiday[k]}" for k in range(200)]
    file, more = tmp_path / "data.csv", tmp_path / "more.csv"
    file.write_text("\n".join(["day,sold,holiday", *rows]) + "\n", encoding="utf-8")
    ahead = [f"{days[200 + k]},,{one}" for k, one in enumerate((0, 1, 0, 1))]
    more.write_text("\n".join(["day,sold,holiday", *rows, *ahead]) + "\n", encoding="utf-8")
    task = Forecaster(**SMALL | {"steps": 60}, known="holiday").fit(file, threads=1)
    assert task.metadata.names == ["sold"] and task.metadata.known == ["holiday"]
    assert task.predict(more) == pytest.approx([10, 30, 10, 30], abs=6)
    with pytest.raises(InputError, match="0 rows after the last value have 'holiday', and a forec"):
        task.predict(file)
