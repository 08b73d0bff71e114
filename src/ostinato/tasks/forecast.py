"""Many to one, fed back: autoregressive forecasts of a time series, with prediction intervals."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np
import torch

from ..data.clock import calendar_features, cycles_of, date_after
from ..data.dates import date_of, dates_of, write_date
from ..data.disk import LazySequence, StoredArray, chunked, concatenated
from ..data.examples import Examples
from ..data.series import series_from
from ..data.series_tables import IN_MEMORY, series_table
from ..data.time_series import divisor, has_trend, power_of, season_of
from ..errors import InputError
from ..training import metrics
from .forecast_model import QUANTILES, ForecastModel
from .metadata import ForecastMetadata, Past
from .options import LAGS, MAX_HORIZON, ForecastOptions
from .reading import series_examples, series_options
from .task import Inside, RowProblem, Task, batches

__all__ = ["Forecaster"]

# Minimum number of training steps of a series.
MIN_STEPS = 24
# Limits of the default window of two seasons; without a season the minimum is used.
MIN_WINDOW, MAX_WINDOW = 24, 192
# Minimum number of steps per input of the regression, by default.
STEPS_PER_INPUT = 8
# Default number of training steps.
DEFAULT_STEPS = 300
# Levels of the prediction intervals; the first one is printed in a line of text.
INTERVAL_LEVELS = (0.8, 0.95)
# Number of sampled paths, and maximum number of positions for the horizon metrics.
PATHS, ORIGINS = 200, 48
# Maximum number of values, from the end of a series, used to find its power, scales, season and
# trend.
STATISTICS_VALUES = 1 << 20
# Steps of a series in memory at a time; past steps and evaluated steps shown in the report.
BLOCK_STEPS, PAST_SHOWN, STEPS_SHOWN = 4096, 60, 150
# Maximum gap in steps between the training series and data that continues it.
GAP = 5


class Forecaster(Task):
    """Forecasts the next values of a time series with one or several columns.

    Data is a CSV, TSV, JSONL or Parquet file with a step in each row (see
    `ostinato.data.series.read_series`), an array in memory, (T,) or (T, F), or a dict of columns;
    a column of the dict may have dates as text.

    The input of a step is the value, its last change, the difference from the value one season
    before the next step, and the date of the next step. A linear regression on these inputs and on
    earlier changes predicts the next change; the network learns its residual at every step of a
    window. Forecasts of several steps are fed back as inputs. Their intervals are quantiles of
    `PATHS` sampled paths, with errors of the size of those on the held-out data.

    Args:
        options: The options of `ForecastOptions`, by name.

    Example:
        >>> import numpy as np
        >>> from ostinato.tasks import Forecaster
        >>> waves = 10 + np.sin(np.arange(200) * 2 * np.pi / 8)
        >>> model = Forecaster(hidden=8, steps=60).fit(waves)
        >>> model.predict(steps=3).shape
        (3,)
        >>> [step["time"] for step in model.predict_dicts(waves, steps=3)]
        ['+1', '+2', '+3']
    """

    name, Options, goal, higher_is_better = "forecast", ForecastOptions, "mase", False
    use_does, continues, takes_labels = "continue the series", True, False

    # ------------------------------------------------------------ reading

    def given_rows(self, data, labelled):
        options = self.options
        wanted = self.metadata.names if self.metadata else None
        table, named = series_table(data, wanted)
        if not named and self.metadata is None and (options.columns or options.time):
            raise InputError(
                f"columns={options.columns!r}, time={options.time!r}: the given series is an "
                "array, whose columns have no names; give a dict of columns"
            )
        wanted = replace(series_options(options, self.metadata, labelled), named=named)
        return series_examples(series_from(table, IN_MEMORY, wanted), IN_MEMORY)

    @property
    def line_is(self):
        columns = len(self.metadata.names)
        return (
            "the values of a series"
            + (f", {columns} for each step," if columns > 1 else "")
            + " to continue,"
        )

    def line(self, text):
        try:
            numbers = [float(word) for word in text.replace(",", " ").split()]
        except ValueError:
            raise InputError(
                f"{text!r} is not a row of numbers; separate numbers by commas or spaces"
            ) from None
        columns = len(self.metadata.names)
        if not numbers or len(numbers) % columns:
            raise InputError(
                f"{len(numbers)} numbers do not divide into steps of {columns}; write complete "
                "steps"
            )
        return np.array(numbers).reshape(-1, columns)

    # ------------------------------------------------------------ settings chosen from the data

    def split(self, every):
        """The series without its end, and its end."""
        count = len(every)
        held = max(1, round(count * self.options.held_out))
        if count - held < MIN_STEPS:
            raise InputError(
                f"{every.source}: {count} steps, {held} of them held out; training needs at least "
                f"{MIN_STEPS}: give a longer series"
            )
        learned = every.take(range(count - held))
        watched = every.take(range(count - held, count))
        watched.about = every.about | {"past": Past(learned["values"], learned["time"])}
        return learned, watched

    def prepare(self, learned, every):
        options, names, count = self.options, every.about["names"], len(learned)
        _check_changing(learned, names, every.source)
        latest = max(STATISTICS_VALUES // len(names), 4 * (options.season or 1), MIN_STEPS)
        values = np.array(learned["values"][-latest:])
        power = power_of(values) if options.power is None else options.power
        y = learned_values(values, power, every.source)
        difference = has_trend(y) if options.difference is None else options.difference
        season = options.season or season_of(y, difference)
        if season > count // 2:
            raise InputError(
                f"--season {season}: the {count} training steps do not contain two seasons; write "
                "a smaller season"
            )
        lags = (
            min(LAGS, count // (STEPS_PER_INPUT * len(names)))
            if options.lags is None
            else options.lags
        )
        reach = max(1, season - 1, lags)
        window = options.window or max(4, min(max(MIN_WINDOW, 2 * season), MAX_WINDOW, count // 3))
        if count < window + reach + 1:
            raise InputError(
                f"{every.source}: {count} training steps are fewer than a window: --window "
                f"{window}, --season {season} and --lags {lags} require {window + reach + 1}; "
                "write smaller values, or give a longer series"
            )
        # the end of the whole series, from which forecasts continue
        start = max(0, len(every) - window - reach)
        clock = every.about["clock"]
        if clock:
            # the dates of the horizon must exist; checked before training
            date_after(
                date_of(every["time"][-1], clock.format, every.source), clock, options.horizon
            )
        self.metadata = ForecastMetadata(
            power,
            names,
            difference=difference,
            season=season,
            lags=lags,
            reach=reach,
            window=window,
            clock=clock,
            calendar=cycles_of(clock, count) if clock else [],
            step=divisor(np.abs(np.diff(y, axis=0)).mean(0), y),
            level=[y.mean(0).tolist(), divisor(y.std(0), y)],
            naive=np.abs(np.diff(np.array(every["values"][-latest:]), axis=0)).mean(0).tolist(),
            gap=divisor((y[: 1 - season] - y[season - 1 :]).std(0), y) if season > 1 else None,
            past=Past(
                np.array(every["values"][start:]).tolist(),
                list(every["time"][start:]) if clock else None,
            ),
            windows=len(range(0, count - window - reach, _stride(window))),
        )
        found = {
            "power": power,
            "difference": difference,
            "season": season,
            "window": window,
            "lags": lags,
        }
        return {name: value for name, value in found.items() if getattr(options, name) is None}

    def epochs(self, rows):
        return DEFAULT_STEPS / -(
            -self.metadata.windows // min(self.options.batch, self.metadata.windows)
        )

    def check(self):
        for name in ("power", "difference", "season", "window", "lags"):
            if getattr(self.options, name) != getattr(self.metadata, name):
                raise InputError(f"the option {name!r} does not match the metadata")

    def build(self):
        columns = len(self.metadata.names)
        inputs = columns * (
            1 + (not self.metadata.difference) + (self.metadata.season > 1)
        ) + 2 * len(self.metadata.calendar)
        return ForecastModel(
            inputs, columns * max(0, self.metadata.lags - 1), columns, self.options
        )

    # ------------------------------------------------------------ from values to inputs

    def _values(self, y) -> np.ndarray:
        y, power = np.asarray(y), self.metadata.power
        if power == 1:
            return y
        return np.maximum(y, 0) ** (1 / power) if power else np.exp(y)

    def _dates(self, times: Iterable[str], source: str) -> StoredArray:
        dates = StoredArray("datetime64[us]")
        for some in chunked(dates_of(times, self.metadata.clock.format, source)):
            dates.extend(some)
        return dates

    def _joined(self, examples: Examples):
        """Join a series with the past that it follows.

        Returns:
            The transformed values (T, F), their dates or None, and the number of the first step of
            the examples.
        """
        past, clock, need = (
            examples.about.get("past") or self.metadata.past,
            self.metadata.clock,
            self.metadata.window + self.metadata.reach,
        )
        y, dates = self._stored(examples)
        before, earlier = (
            learned_values(np.array(past.values[-need:]), self.metadata.power, examples.source),
            None,
        )
        if clock:
            earlier = self._dates(past.time[-need:], "the training series")
            last = earlier[-1].item()
            if dates is None:
                dates = StoredArray(earlier.dtype)
                dates.extend([date_after(last, clock, k + 1) for k in range(len(y))])
            if not last < dates[0].item() <= date_after(last, clock, GAP):
                return y, dates, 0
            dates = concatenated(earlier, dates)
        return concatenated(before, y), dates, len(before)

    def _stored(self, examples: Examples) -> tuple[StoredArray, StoredArray | None]:
        """The transformed values of a series (T, F), and its dates or None."""
        y = StoredArray(np.float64, np.shape(examples["values"][0]))
        for some in chunked(examples["values"]):
            y.extend(learned_values(np.array(some), self.metadata.power, examples.source))
        if self.metadata.clock is None or examples["time"] is None:
            return y, None
        return y, self._dates(examples["time"], examples.source)

    def _inputs(self, y, cycles):
        """Inputs (B, T - reach, I and more) from transformed values (B, T, F) and the calendar
        features of the step after each (B, T, C).
        """
        metadata, reach = self.metadata, self.metadata.reach
        now = y[:, reach:]
        change = (y[:, 1:] - y[:, :-1]) / y.new_tensor(metadata.step)
        changes = [
            change[:, reach - 1 - lag : change.shape[1] - lag]
            for lag in range(max(1, metadata.lags))
        ]
        parts = changes[:1]
        if not metadata.difference:
            mean, deviation = metadata.level
            parts.append((now - y.new_tensor(mean)) / y.new_tensor(deviation))
        if metadata.season > 1:
            # the value one season before the next step
            start = reach + 1 - metadata.season
            parts.append((y[:, start : start + now.shape[1]] - now) / y.new_tensor(metadata.gap))
        return torch.cat([*parts, cycles[:, reach:], *changes[1:]], 2).float()

    def _cycles(self, dates: Sequence[datetime] | None, count: int) -> torch.Tensor:
        """The calendar features of `count` steps: (T, C)."""
        return torch.from_numpy(
            calendar_features(dates, self.metadata.calendar) if dates else np.zeros((count, 0))
        )

    def _between(self, dates: StoredArray | None, start: int, stop: int) -> torch.Tensor:
        """The calendar features of the steps from start to stop."""
        return self._cycles(dates[start:stop].tolist() if dates else None, stop - start)

    def _pairs(self, y: StoredArray, dates: StoredArray | None) -> tuple[StoredArray, StoredArray]:
        """Inputs (N, I and more), and the changes (N, F) that followed them."""
        reach, (columns, numbers) = self.metadata.reach, self.model.regression.shape
        x, change = (StoredArray(np.float32, (units,)) for units in (numbers - 1, columns))
        for start in range(0, len(y) - reach - 1, BLOCK_STEPS):
            stop = min(len(y), start + BLOCK_STEPS + reach + 1)
            some = torch.from_numpy(y[start:stop])
            x.extend(self._inputs(some[None, :-1], self._between(dates, start, stop)[None, 1:])[0])
            change.extend(
                ((some[1:] - some[:-1]) / some.new_tensor(self.metadata.step))[reach:].float()
            )
        return x, change

    def _rows(
        self, y: StoredArray, x: StoredArray, change: StoredArray, ends: Sequence[int]
    ) -> LazySequence:
        """Windows that end before each of these steps: inputs (T, I and more), changes (T, F)
        and the last value (F,).
        """
        reach, window = self.metadata.reach, self.metadata.window

        def row_of(k: int):
            inside = slice(ends[k] - window - reach, ends[k] - reach)
            return (
                torch.from_numpy(x[inside]),
                torch.from_numpy(change[inside]),
                torch.from_numpy(y[ends[k] - 1]),
            )

        return LazySequence(len(ends), row_of)

    def problem(self, learned, measured):
        y, dates = self._stored(learned)
        x, change = self._pairs(y, dates)
        if self.metadata.lags:
            self.model.regress(
                (
                    torch.from_numpy(x[start : start + BLOCK_STEPS]),
                    torch.from_numpy(change[start : start + BLOCK_STEPS]),
                )
                for start in range(0, len(x), BLOCK_STEPS)
            )
        # from the last window backwards, so that the newest steps are included
        ends = range(
            len(y) - 1,
            self.metadata.window + self.metadata.reach - 1,
            -_stride(self.metadata.window),
        )
        rows = self._rows(y, x, change, ends)
        return RowProblem(self, rows, self.encode(measured), [self.metadata.window] * len(rows))

    def _measurable(self, examples):
        """As `_joined`, with the number of the first step that has a whole window before it."""
        y, dates, first = self._joined(examples)
        need = self.metadata.window + self.metadata.reach
        if len(y) <= need:
            raise InputError(
                f"{examples.source}: its {len(y)} steps do not continue the training series, which "
                f"ended at {self._ended()}, and are fewer than a window and one step to evaluate, "
                f"{need + 1}: give a longer series, or one that continues the training series"
            )
        return y, dates, max(first, need)

    def _ended(self) -> str:
        return self.metadata.past.time[-1]

    def encode(self, examples):
        y, dates, first = self._measurable(examples)
        return self._rows(y, *self._pairs(y, dates), range(first, len(y)))

    def collate(self, rows):
        return tuple(torch.stack(parts) for parts in zip(*rows))

    def loss(self, batch):
        x, change, _ = batch
        median, scale, _ = self.model(x)
        # Negative log-likelihood of a Laplace distribution, whose median minimises the absolute
        # error. The weight by the scale keeps well-predicted steps from dominating the gradient.
        # Source: Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation",
        # equation 5, beta 0.5.
        return (
            ((change - median).abs() / scale + scale.log()) * scale.detach().sqrt()
        ).sum(), change.numel()

    def evaluator(self):
        return _Errors(self)

    # ------------------------------------------------------------ metrics

    def _one_ahead(self, examples) -> dict[str, StoredArray]:
        """One-step forecasts of every step: predicted, wanted and naive values, and the
        intervals of each level.
        """
        self.model.eval()
        found = _Errors(self)
        with torch.no_grad():
            for batch in batches(self, self.encode(examples)):
                found.add(batch)
        return found.forecasts()

    @property
    def _scale(self) -> np.ndarray:
        """A series whose naive forecast has the same error as that of the training series: the
        scale of MASE.
        """
        return np.array([np.zeros(len(self.metadata.naive)), self.metadata.naive])

    def compute_metrics(self, examples):
        one, scale = self._one_ahead(examples), self._scale
        found = [
            metrics.forecasting(one["predicted"], one["wanted"], scale, low=low, high=high)
            for low, high in one["intervals"]
        ]
        naive = metrics.forecasting(one["naive"], one["wanted"], scale)
        measured = {
            "mase": found[0]["mase"],
            "mae": found[0]["mae"],
            "rmse": found[0]["rmse"],
            "coverage_80": found[0]["coverage"],
            "coverage_95": found[1]["coverage"],
            "width_80": found[0]["width"],
            "naive_mase": naive["mase"],
            "naive_mae": naive["mae"],
            "relative_mae": found[0]["mae"] / naive["mae"] if naive["mae"] else None,
        }
        return measured | self._horizon(examples)

    def _horizon(self, examples):
        """Metrics of forecasts `horizon` steps ahead, from up to `ORIGINS` positions; None for a
        short series.
        """
        y, dates, first = self._measurable(examples)
        steps, need = self.options.horizon, self.metadata.window + self.metadata.reach
        names = ("horizon_mase", "horizon_coverage_80", "horizon_naive_mase")
        if len(y) - steps < first:
            return dict.fromkeys(names)
        origins = np.unique(np.linspace(first, len(y) - steps, ORIGINS).round().astype(int))
        point, low, high = self._ahead(
            torch.from_numpy(np.stack([y[k - need : k] for k in origins.tolist()])),
            torch.stack([self._between(dates, k - need, k + steps) for k in origins.tolist()]),
            steps,
        )
        wanted = self._values(np.stack([y[k : k + steps] for k in origins.tolist()]))
        last = self._values(np.stack([np.repeat(y[k - 1 : k], steps, 0) for k in origins.tolist()]))
        found = metrics.forecasting(point, wanted, self._scale, low=low[0], high=high[0])
        return dict(
            zip(
                names,
                (
                    found["mase"],
                    found["coverage"],
                    metrics.forecasting(last, wanted, self._scale)["mase"],
                ),
            )
        )

    # ------------------------------------------------------------ several steps

    @torch.no_grad()
    def _walk(self, y, cycles, steps: int, paths: int = 1, random=None) -> torch.Tensor:
        """Transformed values of the next steps, each fed back: (B * paths, steps, F).

        Args:
            y: Transformed values (B, window + reach, F).
            cycles: The calendar features of these steps and of the steps to come, (B, window +
                reach + steps, C).
            steps: Number of steps to forecast.
            paths: Number of sampled paths per row.
            random: A generator to sample errors; None for the point forecast.
        """
        model, need, reach, step = (
            self.model,
            y.shape[1],
            self.metadata.reach,
            y.new_tensor(self.metadata.step),
        )
        median, scale, state = model(self._inputs(y, cycles[:, 1 : need + 1]))
        median, scale, cycles = (
            part.repeat_interleave(paths, 0) for part in (median[:, -1:], scale[:, -1:], cycles)
        )
        state = tuple(part.repeat_interleave(paths, 1) for part in state)
        whole = torch.cat(
            [
                y[:, -reach - 1 :].repeat_interleave(paths, 0),
                y.new_zeros(len(y) * paths, steps, y.shape[2]),
            ],
            1,
        )
        for k in range(steps):
            if k:
                median, scale, state = model(
                    self._inputs(
                        whole[:, k : k + reach + 1], cycles[:, need + k - reach : need + k + 1]
                    ),
                    state,
                )
            change = median[:, 0]
            if random is not None:
                place = torch.randint(QUANTILES, change.shape, generator=random)
                sign = 2.0 * torch.randint(2, change.shape, generator=random) - 1
                change = change + scale[:, 0] * sign * model.errors.double().gather(0, place)
            whole[:, reach + 1 + k] = whole[:, reach + k] + step * change
        return whole[:, reach + 1 :]

    def _ahead(self, y, cycles, steps: int):
        """Forecasts (B, steps, F), and the lower and upper ends of each interval, as values."""
        self.model.eval()
        point = self._values(self._walk(y, cycles, steps))
        random = torch.Generator().manual_seed(self.options.seed)
        drawn = self._values(self._walk(y, cycles, steps, PATHS, random)).reshape(
            len(y), PATHS, steps, -1
        )
        low, high = (
            np.quantile(drawn, [0.5 + side * level / 2 for level in INTERVAL_LEVELS], 1)
            for side in (-1, 1)
        )
        return point, np.minimum(low, point), np.maximum(high, point)

    def values(self, answers):
        columns = len(self.metadata.names)
        values = np.array([answer["value"] for answer in answers])
        return values.reshape(-1, columns) if columns > 1 else values

    def predict(self, X=None, steps: int | None = None) -> np.ndarray:
        """Forecast the values after a series.

        Args:
            X, steps: As for `predict_dicts`.

        Returns:
            The values: (steps,), or (steps, F) for several columns. `predict_dicts` returns their
            times and intervals too.
        """
        return self.values(self.predict_dicts(X, steps))

    def predict_dicts(self, X=None, steps: int | None = None) -> list[dict]:
        """Forecast the values after a series, with their times and intervals.

        Args:
            X: As for `read`; None for the training series, continued from its end. If the series
                is shorter than a window and follows the training series, the missing steps are
                taken from its end.
            steps: Number of steps, up to `MAX_HORIZON`; None for the option `horizon`.

        Returns:
            A dict for each step and column: "time" (the date, or the number of the step), "column",
            "value", "low" and "high" (80 % interval), "low_95" and "high_95".
        """
        self._require_model()
        steps = self.options.horizon if steps is None else steps
        if (
            not isinstance(steps, (int, np.integer))
            or isinstance(steps, bool)
            or not 1 <= steps <= MAX_HORIZON
        ):
            raise InputError(f"steps {steps!r}: write a whole number from 1 to {MAX_HORIZON}")
        if X is None:
            past = self.metadata.past
            data = Examples(
                {"values": [np.array(row) for row in past.values], "time": past.time},
                source="the training series",
            )
        else:
            data = self.read(X, labelled=False)
        return self._answers(data, steps)

    def answers(self, examples):
        return self._answers(examples, self.options.horizon)

    def _answers(self, examples, steps):
        y, dates = self._window(examples)
        clock, names = self.metadata.clock, self.metadata.names
        ahead = [date_after(dates[-1], clock, k + 1) for k in range(steps)] if clock else None
        cycles = self._cycles(dates + ahead if clock else None, len(y) + steps)
        point, low, high = self._ahead(torch.from_numpy(y)[None], cycles[None], steps)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InputError(
                f"a forecast of {steps} steps overflows; forecast fewer steps, or train with "
                "--power 1"
            )
        when = (
            [write_date(date, clock.format) for date in ahead]
            if clock
            else [f"+{k + 1}" for k in range(steps)]
        )
        return [
            {
                "time": when[k],
                "column": name,
                "value": float(point[0, k, f]),
                "low": float(low[0, 0, k, f]),
                "high": float(high[0, 0, k, f]),
                "low_95": float(low[1, 0, k, f]),
                "high_95": float(high[1, 0, k, f]),
            }
            for k in range(steps)
            for f, name in enumerate(names)
        ]

    def _window(self, examples):
        """The last values that a forecast reads, and their dates or None."""
        y, dates, _ = self._joined(examples)
        need = self.metadata.window + self.metadata.reach
        if len(y) < need:
            raise InputError(
                f"{examples.source}: {len(y)} steps are fewer than the {need} that the model reads "
                f"(a window of {self.metadata.window} and {self.metadata.reach} before it), and do "
                f"not continue the training series, which ended at {self._ended()}; give a longer "
                "series"
            )
        return y[-need:], dates[-need:].tolist() if dates else None

    def shown(self, answer):
        numbers = [f"{answer[name]:.6g}" for name in ("value", "low", "high")]
        return "\t".join(
            [
                answer["time"],
                *([answer["column"]] if len(self.metadata.names) > 1 else []),
                *numbers,
            ]
        )

    def inside(self, data):
        y, dates = self._window(self.read(data, labelled=False))
        dates = [*dates, date_after(dates[-1], self.metadata.clock, 1)] if dates else None
        x = self._inputs(torch.from_numpy(y)[None], self._cycles(dates, len(y) + 1)[None, 1:])[
            ..., : self.model.inputs
        ]
        tokens = [
            " ".join(f"{value:.4g}" for value in row)
            for row in self._values(y[self.metadata.reach :])
        ]
        name = self.metadata.names[0]
        explained = (
            f"correction of the regression's forecast of the next change of {name}"
            if self.metadata.lags
            else f"forecast of the next change of {name}"
        )
        return Inside(
            self.model.recurrent,
            x,
            tokens,
            lambda x: self.model.residual(x[None])[0][0, -1, 0],
            explained,
        )

    def report_parts(self, examples):
        from ..training.charts import Forecast

        one, found = self._one_ahead(examples), self.result.metrics
        past = examples.about.get("past") or self.metadata.past
        count = len(one["wanted"])
        known = min(count, STEPS_SHOWN + PAST_SHOWN)
        # the past is shown if it comes right before
        before = min(PAST_SHOWN, len(past.values)) if known == count else 0
        values = one["wanted"][count - known :]
        if before:
            values = np.concatenate([np.array(past.values[-before:]), values])
        answers, clock = self._answers(examples, self.options.horizon), self.metadata.clock
        times = ahead = None
        if clock and examples["time"]:
            dates = [*past.time[len(past.time) - before :], *examples["time"][-known:]]
            times = self._dates(dates, examples.source)[:]
            ahead = self._dates([answer["time"] for answer in answers], examples.source)[:]
            if before and times[before - 1] >= times[before]:  # another series than the training's
                values, times = values[before:], times[before:]
        steps = min(STEPS_SHOWN, count)
        forecasts = []
        for f, name in enumerate(self.metadata.names):
            mine = [answer for answer in answers if answer["column"] == name]
            forecasts.append(
                Forecast(
                    f"{name}, the next {len(mine)} steps",
                    values[-PAST_SHOWN:, f],
                    [a["value"] for a in mine],
                    intervals=[
                        (f"{level} % interval", [a[low] for a in mine], [a[high] for a in mine])
                        for level, low, high in ((80, "low", "high"), (95, "low_95", "high_95"))
                    ],
                    times=None
                    if times is None
                    else np.concatenate(
                        [times[-PAST_SHOWN:], ahead[f :: len(self.metadata.names)]]
                    ),
                )
            )
            forecasts.append(
                Forecast(
                    f"{name}, one step ahead",
                    values[:-steps, f],
                    one["predicted"][-steps:][:, f],
                    one["wanted"][-steps:][:, f],
                    [
                        (f"{100 * level:.0f} % interval", low[-steps:][:, f], high[-steps:][:, f])
                        for level, (low, high) in zip(INTERVAL_LEVELS, one["intervals"])
                    ],
                    times,
                )
            )
        naive = {
            "mase": found["naive_mase"],
            "mae": found["naive_mae"],
            "horizon_mase": found["horizon_naive_mase"],
        }
        return {
            "forecasts": forecasts,
            "baseline": naive,
            "baseline_name": "naive forecast (last value)",
        }


def learned_values(values: np.ndarray, power: float, source: str) -> np.ndarray:
    """Apply the power transform to values: a power, or the logarithm."""
    if power == 1:
        return values
    bad = values[values < 0 if power else values <= 0]
    if bad.size:
        what = (
            f"powers of {power:g}, which require values of 0 or more"
            if power
            else "logarithms, which require values above 0"
        )
        raise InputError(
            f"{source}: a value is {bad[0]:g}, and the model uses {what}; train with --power 1"
        )
    return values**power if power else np.log(values)


def _stride(window: int) -> int:
    return max(1, window // 16)


class _Errors:
    """Collects one-step forecasts over batches; in training it also fits the intervals to their
    errors.
    """

    def __init__(self, task: Forecaster):
        # medians, scales, changes and last values, (N, F) each
        self.task, self.found = (
            task,
            [StoredArray(np.float64, (len(task.metadata.names),)) for _ in range(4)],
        )

    def add(self, batch):
        x, change, last = batch
        median, scale, _ = self.task.model(x)
        for found, part in zip(self.found, (median[:, -1], scale[:, -1], change[:, -1], last)):
            found.extend(part.detach().cpu().double().numpy())

    def forecasts(self) -> dict[str, StoredArray]:
        task = self.task
        step, widths = (
            np.array(task.metadata.step),
            [task.model.width(level).cpu().numpy() for level in INTERVAL_LEVELS],
        )
        found = {
            name: StoredArray(np.float64, step.shape) for name in ("predicted", "wanted", "naive")
        }
        intervals = [tuple(StoredArray(np.float64, step.shape) for _ in range(2)) for _ in widths]
        for median, scale, change, last in zip(*(one.blocks() for one in self.found)):
            for name, ahead in (
                ("predicted", step * median),
                ("wanted", step * change),
                ("naive", 0.0),
            ):
                found[name].extend(task._values(last + ahead))
            for width, interval in zip(widths, intervals):
                for sign, end in zip((-1, 1), interval):
                    end.extend(task._values(last + step * (median + sign * (scale * width))))
        return found | {"intervals": intervals}

    def result(self):
        median, scale, change, _ = (torch.from_numpy(one[:]) for one in self.found)
        model = self.task.model
        # saved with the weights that had these errors
        model.calibrate(((change - median).abs() / scale).to(model.errors))
        one = self.forecasts()
        return {
            "mase": metrics.forecasting(one["predicted"], one["wanted"], self.task._scale)["mase"]
        }


def _check_changing(learned: Examples, names: list[str], source: str) -> None:
    """Raise an error if a column is constant."""
    first, changing = np.array(learned["values"][0]), np.zeros(len(names), bool)
    for some in chunked(learned["values"]):
        changing |= (np.array(some) != first).any(0)
    for name, value, changes in zip(names, first, changing):
        if not changes:
            raise InputError(
                f"{source}: the column {name!r} is {value:g} at all {len(learned)} training steps; "
                "there is nothing to forecast: leave the column out with --columns"
            )
