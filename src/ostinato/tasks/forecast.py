"""Many to one, fed back: autoregressive forecasts of a time series, with prediction intervals."""

import time
import weakref
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from ..data.batching import Buckets
from ..data.clock import cycles_of, date_after
from ..data.dates import date_of, write_date
from ..data.disk import Concatenation, StoredArray, concatenated
from ..data.examples import Examples
from ..data.series import series_from
from ..data.series_tables import IN_MEMORY, series_table
from ..data.time_series import has_trend
from ..errors import InputError
from ..training import metrics
from .forecast_candidates import METHODS, FittedMethods, fit_candidates, max_lag
from .forecast_model import ForecastModel, ForecastNetwork
from .forecast_selection import (
    FITTED_VALUES,
    NETWORK_WEIGHT,
    RECENT_STEPS,
    MethodWeights,
    RollingOrigins,
    combined,
    described,
    known_errors,
    quantile_place,
    recent_size,
    rolling_origins,
    select,
)
from .forecast_series import BLOCK_STEPS, SeriesReader, SeriesSteps, learned_values, spans_of
from .forecast_settings import (
    check_changing,
    common_power,
    common_season,
    end_of,
    known_level,
    series_record,
)
from .metadata import ForecastMetadata, SeriesRecord
from .options import LAGS, MAX_HORIZON, ForecastOptions
from .reading import series_examples, series_options
from .saved import Compared
from .task import Inside, RowProblem, Task, batches

__all__ = ["Forecaster"]

# Minimum number of training steps of a series.
MIN_STEPS = 24
# Name of the baseline that repeats the last season.
SEASONAL = "naive forecast (value one season before)"
# Limits of the default window of two seasons; without a season the minimum is used.
MIN_WINDOW, MAX_WINDOW = 24, 192
# Minimum number of steps per input of the regression, by default.
STEPS_PER_INPUT = 8
# Default number of training steps; each trains both networks.
DEFAULT_STEPS = 150
# Levels of the prediction intervals; the first one is printed in a line of text.
INTERVAL_LEVELS = (0.8, 0.95)
# Maximum number of origins of the forecasts of several steps, in the metrics and in the comparison.
ORIGINS = 48
# Maximum number of steps ahead at which the methods are compared.
MAX_COMPARED = 48
# Maximum number of held-out steps, from their start, that the methods are compared on.
COMPARED_ORIGINS = 2000
# Maximum number of values, from the end of a series, used to find its power, scales, season and
# trend.
STATISTICS_VALUES = 1 << 20
# Past steps and evaluated steps shown in the report.
PAST_SHOWN, STEPS_SHOWN = 60, 150


@dataclass(frozen=True)
class _Methods:
    """A network, and the other methods and the selection of each series and column."""

    network: ForecastNetwork
    fitted: dict[tuple[int, int], FittedMethods]
    selection: dict[tuple[int, int], MethodWeights]


class Forecaster(Task):
    """Forecasts the next values of a time series with one or several columns.

    Data is a CSV, TSV, JSONL or Parquet file with a step in each row (see
    `ostinato.data.series.read_series`), an array in memory, (T,) or (T, F), or a dict of columns;
    a column of the dict may have dates as text.

    The last value, the value a season before, exponential smoothing, autoregressions and a network
    forecast the end of the series from rolling origins. Their weighted mean is the forecast: the
    smaller the error of a method, the larger its weight. All methods are then fitted to the whole
    series. Intervals have the size of the errors from the rolling origins.

    The network reads the value, its last change, the difference from the value one season before
    the next step, and the date of the next step. A linear regression on these inputs and on earlier
    changes predicts the next change; recurrent layers learn its residual at every step of a window.
    Forecasts of several steps are fed back as inputs.

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
    # One-step forecasts of the metrics, until the report of the same examples draws them.
    _measured: "weakref.WeakKeyDictionary[Examples, list[dict]] | None" = None

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
        """The series without their ends, and the ends."""
        rows, ends = [], []
        for span in spans_of(every):
            count = span.stop - span.start
            held = max(1, round(count * self.options.held_out))
            if count - held < MIN_STEPS:
                what = "" if span.name is None else f" of the series {span.name!r}"
                raise InputError(
                    f"{every.source}: {count} steps{what}, {held} of them held out; training needs "
                    f"at least {MIN_STEPS}: give a longer series"
                )
            rows.append(range(span.start, span.stop - held))
            ends.append(range(span.stop - held, span.stop))
        learned, watched = (
            every.take(one[0] if len(one) == 1 else np.concatenate(one)) for one in (rows, ends)
        )
        watched.about = every.about | {"past": learned}
        return learned, watched

    def prepare(self, learned, every):
        options, names = self.options, every.about["names"]
        spans, whole = spans_of(learned), spans_of(every)
        count = min(span.stop - span.start for span in spans)
        latest = max(STATISTICS_VALUES // len(names), 4 * (options.season or 1), MIN_STEPS)
        ends = [end_of(learned, span, latest) for span in spans]
        for span in spans:
            check_changing(learned, span, names, every.source)
        power = common_power(ends) if options.power is None else options.power
        ys = [learned_values(values, power, every.source) for values in ends]
        difference = any(map(has_trend, ys)) if options.difference is None else options.difference
        clock = every.about["clock"]
        season = options.season or common_season(ys, clock, difference, count)
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
        if clock:
            # the dates of the horizon must exist; checked before training
            for span in whole:
                last = date_of(every["time"][span.stop - 1], clock.format, every.source)
                date_after(last, clock, options.horizon)
        known = every.about.get("known") or []
        longest = max(min(span.stop - span.start, FITTED_VALUES) for span in whole)
        autoregression = max_lag(longest, season)
        metadata = ForecastMetadata(
            power,
            names,
            difference=difference,
            season=season,
            lags=lags,
            reach=reach,
            window=window,
            autoregression=autoregression,
            compared=min(options.horizon, MAX_COMPARED),
            clock=clock,
            calendar=cycles_of(clock, count) if clock else [],
            series=[],
            known=known,
            known_level=known_level(learned, spans, len(known), latest),
            windows=sum(
                len(range(0, span.stop - span.start - window - reach, _stride(window)))
                for span in spans
            ),
        )
        self.metadata = replace(
            metadata,
            series=[series_record(span, y, every, latest, metadata) for span, y in zip(whole, ys)],
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
        if min(self.options.horizon, MAX_COMPARED) != self.metadata.compared:
            raise InputError("the option 'horizon' does not match the metadata")

    def build(self):
        metadata, columns = self.metadata, len(self.metadata.names)
        inputs = (
            columns * (1 + (not metadata.difference) + (metadata.season > 1))
            + 2 * len(metadata.calendar)
            + len(metadata.known)
        )
        return ForecastModel(
            inputs,
            columns * max(0, metadata.lags - 1),
            columns,
            series=len(metadata.series),
            lags=metadata.autoregression,
            horizon=metadata.compared,
            options=self.options,
        )

    # ------------------------------------------------------------ training

    @property
    def reader(self) -> SeriesReader:
        """Turns examples into series and inputs."""
        return SeriesReader(self.metadata)

    @property
    def _units(self) -> int:
        """Numbers per step that the networks read."""
        return self.model.network.regression.shape[1] - 1

    def problem(self, learned, measured):
        reader = self.reader
        self._watched = self._measurable(measured)
        begun = reader.series(measured.about["past"], follow=False)
        ends = reader.series(measured, follow=False)
        whole = [_after(one, end) for one, end in zip(begun, ends)]
        parts = []
        for network, series in ((self.model.network, begun), (self.model.final, whole)):
            windows, pairs = [], []
            for one in series:
                x, change = reader.pairs(one, self._units)
                pairs.append((x, change))
                # from the last window backwards, so that the newest steps are included
                last = range(
                    len(one.y) - 1,
                    self.metadata.window + self.metadata.reach - 1,
                    -_stride(self.metadata.window),
                )
                windows.append(reader.windows(x, change, last))
            if self.metadata.lags:
                network.regress(_batches_of(pairs))
            parts.append(Concatenation(*windows))
        self._compare(whole, [len(one.y) for one in begun])
        return _ForecastProblem(self, *parts, self._windows_of(self._watched))

    def _compare(self, whole: list[SeriesSteps], starts: list[int]) -> None:
        """Forecast from rolling origins by all methods but the network, and fit them to the whole
        series.

        Args:
            whole: The series.
            starts: The number of the first held-out step of each.
        """
        season, compared, start = self.metadata.season, self.metadata.compared, time.perf_counter()
        self._held: dict[tuple[int, int], tuple[FittedMethods, RollingOrigins]] = {}
        self._held_steps: dict[int, int] = {}
        for one, first in zip(whole, starts):
            self._held_steps[one.place] = len(one.y) - first
            held = min(len(one.y) - first, COMPARED_ORIGINS)
            # a long held-out part leaves enough values before it to fit to
            past = max(FITTED_VALUES - held, FITTED_VALUES // 2)
            y = one.y[max(0, first - past) : first + held]
            latest = one.y[max(0, len(one.y) - FITTED_VALUES) :]
            for f in range(y.shape[1]):
                place = one.place, f
                self._held[place] = rolling_origins(y[:, f], season, held, compared)
                self.model.keep(
                    place, fit_candidates(latest[:, f], season, self.metadata.autoregression)
                )
        self._seconds = time.perf_counter() - start

    def encode(self, examples):
        """One window for each step of the examples: inputs and changes."""
        return self._windows_of(self._measurable(examples))

    def _windows_of(self, series: list[SeriesSteps]) -> Sequence:
        """As `encode`, from `_measurable`."""
        found = []
        for one in series:
            x, change = self.reader.pairs(one, self._units)
            found.append(self.reader.windows(x, change, range(one.first, len(one.y))))
        return Concatenation(*found)

    def collate(self, rows):
        return tuple(torch.stack(parts) for parts in zip(*rows))

    def loss(self, batch):
        total, count = 0.0, 0
        networks = (self.model.network, self.model.final)
        for network, x, change in zip(networks, batch[::2], batch[1::2]):
            median, scale, _ = network(x)
            total, count = total + _laplace_loss(median, scale, change), count + change.numel()
        return total, count

    def evaluator(self):
        return _HeldOutErrors(self)

    def _select(self) -> None:
        """Choose the weights of the methods, with the forecasts of the network as it is."""
        # only the network reads known columns and the other columns
        alone = self.metadata.known or len(self.metadata.names) > 1
        most = 1.0 if alone else NETWORK_WEIGHT
        for one in self._watched:
            start, stop = self._compared_steps(one)
            origins = _even_origins(one.first, stop - 1)
            steps = self.metadata.compared
            network = self._walk(self.model.network, one, origins, steps)
            for f in range(network.shape[2]):
                held = self._held[one.place, f][1]
                self.model.choose(
                    (one.place, f), select(held, network[:, :, f], origins - start, most)
                )

    def _compared_steps(self, one: SeriesSteps) -> tuple[int, int]:
        """The numbers of the first held-out step of a series, and after the last compared one."""
        held = self._held_steps[one.place]
        start = len(one.y) - held
        return start, start + min(held, COMPARED_ORIGINS)

    def combine(self, learned, watched, seconds):
        """The MASE of each method one step ahead in the held-out part, with its weight."""
        errors, weights = [], []
        for one in self._watched:
            origins = np.arange(one.first, self._compared_steps(one)[1])
            network = self._walk(self.model.network, one, origins, 1)[:, 0]
            wanted = self.reader.values(one.y[:][origins])
            for f, scale in enumerate(one.record.naive):
                others = self._held[one.place, f][1].predicted[:, -len(origins) :, 0]
                predicted = self.reader.values(np.concatenate([others, network[None, :, f]]))
                if scale:
                    errors.append(np.abs(predicted - wanted[:, f]).mean(1) / scale)
                weights.append(self.model.selection((one.place, f)).weights[:, 0])
        with np.errstate(invalid="ignore"):
            error = np.mean(errors, 0) if errors else np.full(len(METHODS), np.nan)
        weight = np.mean(weights, 0)
        return [
            Compared(
                name,
                "mase",
                float(error[k]),
                round(seconds, 2) if name == METHODS[-1] else round(self._seconds, 2),
                min(1.0, float(weight[k])),
            )
            for k, name in enumerate(METHODS)
            if np.isfinite(error[k])
        ]

    # ------------------------------------------------------------ forecasts from an origin

    def _methods(self, examples: Examples | None = None) -> _Methods:
        """The methods to forecast with: on the held-out part, those that have not learned it."""
        places = np.ndindex(len(self.metadata.series), len(self.metadata.names))
        places, model = list(places), self.model
        held = examples is not None and examples.about.get("past") is not None
        return _Methods(
            model.network if held else model.final,
            {
                place: self._held[place][0] if held else model.fitted(place, self.metadata.season)
                for place in places
            },
            {place: model.selection(place) for place in places},
        )

    def _measurable(self, examples) -> list[SeriesSteps]:
        """The series, each with the number of its first step that has enough steps before it."""
        found = []
        for one in self.reader.series(examples):
            first = max(one.first, self.metadata.window + self.metadata.reach)
            if one.first < self._least(one):
                first = max(one.first, self.metadata.need)
            if len(one.y) <= first:
                raise InputError(
                    f"{examples.source}: its {len(one.y) - one.first} steps{_of(one)} do not "
                    f"continue the training series, which ended at {_ended(one)}, and are fewer "
                    f"than the {first} that the model reads and one step to evaluate: give a "
                    "longer series, or one that continues the training series"
                )
            found.append(SeriesSteps(one.record, one.place, one.y, one.dates, one.known, first))
        return found

    def _least(self, one: SeriesSteps) -> int:
        """Number of past steps of a series: `need`, or all steps of a short series."""
        return min(self.metadata.need, len(one.record.past.values))

    @torch.no_grad()
    def _walk(
        self, network: ForecastNetwork, one: SeriesSteps, origins: np.ndarray, steps: int
    ) -> np.ndarray:
        """Transformed values of the next steps by a network, each fed back: (O, steps, F).

        Args:
            network: The network.
            one: The series.
            origins: The number of known steps of each forecast, (O,).
            steps: Number of steps to forecast.
        """
        network.eval()
        reader, reach = self.reader, self.metadata.reach
        need, count = self.metadata.window + reach, len(one.y)
        y = torch.from_numpy(np.stack([one.y[k - need : k] for k in origins.tolist()]))
        ahead = self._ahead_of(one, max(0, int(origins.max()) + steps - count))
        features = torch.stack(
            [reader.features(one, k - need, k + steps, ahead) for k in origins.tolist()]
        )
        median, _, state = network(reader.inputs(y, features[:, 1 : need + 1], one.record))
        whole = torch.cat([y[:, -reach - 1 :], y.new_zeros(len(y), steps, y.shape[2])], 1)
        step, median = y.new_tensor(one.record.step), median[:, -1:]
        for k in range(steps):
            if k:
                x = reader.inputs(
                    whole[:, k : k + reach + 1],
                    features[:, need + k - reach : need + k + 1],
                    one.record,
                )
                median, _, state = network(x, state)
            whole[:, reach + 1 + k] = whole[:, reach + k] + step * median[:, 0]
        return whole[:, reach + 1 :].numpy()

    def _ahead_of(self, one: SeriesSteps, steps: int) -> list:
        """The dates of the steps after a series; [] without dates."""
        if one.dates is None:
            return []
        last = one.dates[-1].item()
        return [date_after(last, self.metadata.clock, k + 1) for k in range(steps)]

    def _forecasts(
        self,
        methods: _Methods,
        one: SeriesSteps,
        origins: np.ndarray,
        steps: int,
        network: np.ndarray | None = None,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Forecasts as values from some origins.

        Args:
            methods: The methods to forecast with.
            one: The series.
            origins: The number of known steps of each forecast, (O,).
            steps: Number of steps ahead.
            network: The forecasts of the network, (O, steps, F), if they are known.

        Returns:
            The forecasts (O, steps, F), and the lower and upper ends of the intervals, (levels, O,
            steps, F) each.
        """
        if network is None:
            network = self._walk(methods.network, one, origins, steps)
        y, values = one.y[:], self.reader.values
        point, low, high = [], [], []
        for f in range(y.shape[1]):
            fitted, chosen = (part[one.place, f] for part in (methods.fitted, methods.selection))
            others = fitted.forecasts(y[:, f], origins, steps)
            weights, scale = _continued_selection(chosen, steps)
            mean = combined(np.concatenate([others, network[None, :, :, f]]), weights)
            scale = scale * _recent_sizes(fitted, chosen, y[:, f], origins, steps)
            half = [scale * chosen.errors[quantile_place(level)] for level in INTERVAL_LEVELS]
            point.append(mean)
            low.append([mean - one for one in half])
            high.append([mean + one for one in half])
        low, high = (np.moveaxis(np.array(ends), 0, -1) for ends in (low, high))
        return values(np.stack(point, -1)), values(low), values(high)

    # ------------------------------------------------------------ metrics

    def _one_ahead(self, examples) -> list[dict]:
        """One-step forecasts of every step of each series: predicted, wanted, last and seasonal
        values (T, F), and the intervals of each level.
        """
        methods, series = self._methods(examples), self._measurable(examples)
        methods.network.eval()
        changes = StoredArray(np.float64, (len(self.metadata.names),))
        with torch.no_grad():
            for x, _ in batches(self, self._windows_of(series)):
                changes.extend(methods.network(x)[0][:, -1].numpy())
        found, start = [], 0
        for one in series:
            origins = np.arange(one.first, len(one.y))
            change, start = changes[start : start + len(origins)], start + len(origins)
            y = one.y[:]
            network = y[origins - 1] + np.array(one.record.step) * change
            point, low, high = self._forecasts(methods, one, origins, 1, network[:, None])
            last, seasonal = self._naive(y, origins, 1)
            found.append(
                {
                    "series": one,
                    "predicted": point[:, 0],
                    "wanted": self.reader.values(y[origins]),
                    "naive": last[:, 0],
                    "seasonal_naive": seasonal[:, 0],
                    "intervals": list(zip(low[:, :, 0], high[:, :, 0])),
                }
            )
        return found

    def _naive(self, y: np.ndarray, origins: np.ndarray, steps: int) -> tuple:
        """The last value, and the value a season before, for steps after each origin: (O, steps, F)
        each.
        """
        ahead = np.arange(steps)[None]
        last = y[np.repeat(origins[:, None] - 1, steps, 1)]
        season = self.metadata.season
        seasonal = y[origins[:, None] - season + ahead % season]
        return self.reader.values(last), self.reader.values(seasonal)

    def compute_metrics(self, examples):
        found, ahead = [], self._one_ahead(examples)
        self._measured = weakref.WeakKeyDictionary({examples: ahead})
        for one in ahead:
            scale = _scale(one["series"].record)
            error, wide = (
                metrics.forecasting(one["predicted"], one["wanted"], scale, low=low, high=high)
                for low, high in one["intervals"]
            )
            last, seasonal = (
                metrics.forecasting(one[name], one["wanted"], scale)
                for name in ("naive", "seasonal_naive")
            )
            measured = {
                "mase": error["mase"],
                "mae": error["mae"],
                "mse": error["rmse"] ** 2,
                "coverage_80": error["coverage"],
                "coverage_95": wide["coverage"],
                "width_80": error["width"],
                "naive_mase": last["mase"],
                "naive_mae": last["mae"],
            }
            if self.metadata.season > 1:
                measured["seasonal_naive_mase"] = seasonal["mase"]
            found.append((len(one["wanted"]), measured))
        one = _mean_of(found)
        one = one | {"relative_mae": one["mae"] / one["naive_mae"] if one["naive_mae"] else None}
        ordered = {"mase": one.pop("mase"), "mae": one.pop("mae"), "rmse": one.pop("mse") ** 0.5}
        return ordered | one | self._horizon(examples)

    def _horizon(self, examples):
        """Metrics of forecasts `horizon` steps ahead, over all steps and at some steps, from up to
        `ORIGINS` positions; None for a short series.
        """
        steps, methods, found = self.options.horizon, self._methods(examples), []
        shown = self._steps_shown()
        methods_of = ["", "naive_"] + ["seasonal_naive_"] * (self.metadata.season > 1)
        names = [f"horizon_{name}mase" for name in methods_of] + ["horizon_coverage_80"]
        names += [f"step_{step}_{name}mase" for step in shown for name in methods_of]
        for one in self._measurable(examples):
            if len(one.y) - steps < one.first:
                continue
            origins = _even_origins(one.first, len(one.y) - steps)
            y, scale = one.y[:], _scale(one.record)
            point, low, high = self._forecasts(methods, one, origins, steps)
            wanted = self.reader.values(y[origins[:, None] + np.arange(steps)])
            measured = {}
            for name, forecast in zip(methods_of, (point, *self._naive(y, origins, steps))):
                ends = {"low": low[0], "high": high[0]} if not name else {}
                all_steps = metrics.forecasting(forecast, wanted, scale, **ends)
                measured[f"horizon_{name}mase"] = all_steps["mase"]
                if not name:
                    measured["horizon_coverage_80"] = all_steps["coverage"]
                for step in shown:
                    at = metrics.forecasting(forecast[:, step - 1], wanted[:, step - 1], scale)
                    measured[f"step_{step}_{name}mase"] = at["mase"]
            found.append((len(origins), measured))
        mean = _mean_of(found) if found else {}
        return {name: mean.get(name) for name in names}

    def sample(self):
        lines = [f"methods for 1 and {self.metadata.compared} steps ahead, by their errors before:"]
        for s, f in np.ndindex(min(3, len(self.metadata.series)), len(self.metadata.names)):
            weights = self.model.selection((s, f)).weights
            name = ", ".join(filter(None, [self.metadata.series[s].name, self.metadata.names[f]]))
            texts = dict.fromkeys([described(weights[:, 0]), described(weights[:, -1])])
            lines.append(f"  {name}: " + "; ".join(texts))
        return "\n".join(lines)

    # ------------------------------------------------------------ predictions

    def values(self, answers):
        columns = len(self.metadata.names)
        values = np.array([answer["value"] for answer in answers])
        return values.reshape(-1, columns) if columns > 1 else values

    def predict(self, X=None, steps: int | None = None) -> np.ndarray:
        """Forecast the values after a series.

        Args:
            X, steps: As for `predict_dicts`.

        Returns:
            The values: (steps,), or (steps, F) for several columns; for several series those of
            each series, one after the other. `predict_dicts` returns their times and intervals too.
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
            A dict for each step and column: "series" (its name, if there are several), "time" (the
            date, or the number of the step), "column", "value", "low" and "high" (80 % interval),
            "low_95" and "high_95".
        """
        self._require_model()
        steps = self.options.horizon if steps is None else steps
        if (
            not isinstance(steps, (int, np.integer))
            or isinstance(steps, bool)
            or not 1 <= steps <= MAX_HORIZON
        ):
            raise InputError(f"steps {steps!r}: write a whole number from 1 to {MAX_HORIZON}")
        data = self._training_end() if X is None else self.read(X, labelled=False)
        return self._answers(data, int(steps))

    def _training_end(self) -> Examples:
        """The ends of the training series."""
        series, known = self.metadata.series, bool(self.metadata.known)
        several = len(series) > 1 or series[0].name is not None
        return Examples(
            {
                "values": [np.array(row) for one in series for row in one.past.values],
                "time": [time for one in series for time in one.past.time]
                if self.metadata.clock
                else None,
                "series": [one.name for one in series for _ in one.past.values]
                if several
                else None,
                "known": [row for one in series for row in one.past.known] if known else None,
            },
            source="the training series",
            about={"follow": False},
        )

    def answers(self, examples):
        return self._answers(examples, self.options.horizon)

    def _answers(self, examples, steps):
        methods = self._methods()
        return [
            answer
            for one in self._readable(examples)
            for answer in self._answers_of(methods, one, steps, examples.source)
        ]

    def _answers_of(self, methods: _Methods, one: SeriesSteps, steps: int, source: str):
        """The answers for one series."""
        count, clock, names = len(one.y), self.metadata.clock, self.metadata.names
        if self.metadata.known and len(one.known) < count + steps:
            raise InputError(
                f"{source}: {len(one.known) - count} rows{_of(one)} after the last value have "
                f"{', '.join(map(repr, self.metadata.known))}, and a forecast of {steps} steps "
                "needs as many; add rows with these columns and without values"
            )
        with np.errstate(over="ignore", invalid="ignore"):
            point, low, high = self._forecasts(methods, one, np.array([count]), steps)
        if not all(np.isfinite(numbers).all() for numbers in (point, low, high)):
            raise InputError(
                f"a forecast of {steps} steps overflows; forecast fewer steps, or train with "
                "--power 1"
            )
        when = (
            [write_date(date, clock.format) for date in self._ahead_of(one, steps)]
            if clock
            else [f"+{k + 1}" for k in range(steps)]
        )
        return [
            ({"series": one.record.name} if one.record.name is not None else {})
            | {
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

    def _readable(self, examples) -> list[SeriesSteps]:
        """The series, each with as many steps as a forecast reads."""
        found = self.reader.series(examples)
        for one in found:
            need = self._least(one)
            if len(one.y) < need:
                raise InputError(
                    f"{examples.source}: {len(one.y)} steps{_of(one)} are fewer than the {need} "
                    f"that the model reads, and do not continue the training series, which ended "
                    f"at {_ended(one)}; give a longer series"
                )
        # as many as are stored, so that a file gives what its stored end gives
        return [one.latest(self.metadata.kept) for one in found]

    def shown(self, answer):
        numbers = [f"{answer[name]:.6g}" for name in ("value", "low", "high")]
        return "\t".join(
            [
                *([answer["series"]] if "series" in answer else []),
                answer["time"],
                *([answer["column"]] if len(self.metadata.names) > 1 else []),
                *numbers,
            ]
        )

    def inside(self, data):
        one, reader = self._readable(self.read(data, labelled=False))[0], self.reader
        count, need = len(one.y), self.metadata.window + self.metadata.reach
        y = one.y[count - need :]
        features = reader.features(one, count - need, count + 1, self._ahead_of(one, 1))
        network = self.model.final
        x = reader.inputs(torch.from_numpy(y)[None], features[None, 1:], one.record)
        tokens = [
            " ".join(f"{value:.4g}" for value in row)
            for row in reader.values(y[self.metadata.reach :])
        ]
        name = self.metadata.names[0]
        explained = (
            f"correction of the regression's forecast of the next change of {name}"
            if self.metadata.lags
            else f"forecast of the next change of {name}"
        )
        return Inside(
            network.recurrent,
            x[..., : network.inputs],
            tokens,
            lambda x: network.residual(x[None])[0][0, -1, 0],
            explained,
        )

    def report_parts(self, examples):
        from ..training.charts import Forecast

        found, forecasts = self.result.metrics, []
        answers = self._answers(examples, self.options.horizon)
        kept, self._measured = self._measured or {}, None
        for one in kept.get(examples) or self._one_ahead(examples):
            series, steps = one["series"], min(STEPS_SHOWN, len(one["wanted"]))
            start = max(0, len(series.y) - steps - PAST_SHOWN)
            values, times, ahead = self.reader.values(series.y[start:]), None, None
            if series.dates is not None:
                times = np.asarray(series.dates[start:])
                ahead = np.array(self._ahead_of(series, self.options.horizon), times.dtype)
            name_of = series.record.name
            for f, name in enumerate(self.metadata.names):
                title = name if name_of is None else f"{name_of}, {name}"
                mine = [
                    answer
                    for answer in answers
                    if answer["column"] == name and answer.get("series") == name_of
                ]
                forecasts += [
                    Forecast(
                        f"{title}, the next {len(mine)} steps",
                        values[-PAST_SHOWN:, f],
                        [a["value"] for a in mine],
                        intervals=[
                            (f"{level} % interval", [a[low] for a in mine], [a[high] for a in mine])
                            for level, low, high in ((80, "low", "high"), (95, "low_95", "high_95"))
                        ],
                        times=None
                        if times is None
                        else np.concatenate([times[-PAST_SHOWN:], ahead]),
                    ),
                    Forecast(
                        f"{title}, one step ahead",
                        values[:-steps, f],
                        one["predicted"][-steps:, f],
                        one["wanted"][-steps:, f],
                        [
                            (f"{100 * level:.0f} % interval", low[-steps:, f], high[-steps:, f])
                            for level, (low, high) in zip(INTERVAL_LEVELS, one["intervals"])
                        ],
                        times,
                    ),
                ]
        # the baselines are shown next to the model, in a card or in the table
        cards = {k: v for k, v in found.items() if "naive" not in k and not k.startswith("step_")}
        seasonal = {
            name: found.get(f"{start}seasonal_naive_mase")
            for name, start in (("mase", ""), ("horizon_mase", "horizon_"))
        }
        return {
            "metrics": cards,
            "forecasts": forecasts,
            "baselines": {
                "naive forecast (last value)": {
                    "mase": found["naive_mase"],
                    "mae": found["naive_mae"],
                    "horizon_mase": found["horizon_naive_mase"],
                },
                SEASONAL: seasonal,
            },
            "details": {"MASE by number of steps ahead": self._errors_by_step(found)},
        }

    def _errors_by_step(self, found: dict) -> list[dict]:
        """The rows of the table of errors at some steps ahead; none without any."""
        titles = {"": "forecast", "naive_": "naive forecast (last value)"}
        if self.metadata.season > 1:
            titles["seasonal_naive_"] = SEASONAL
        return [
            {"step ahead": step}
            | {title: found[f"step_{step}_{name}mase"] for name, title in titles.items()}
            for step in self._steps_shown()
            if found.get(f"step_{step}_mase") is not None
        ]

    def _steps_shown(self) -> list[int]:
        """The numbers of steps ahead whose errors are measured."""
        steps = self.options.horizon
        return sorted({1, -(-steps // 4), -(-steps // 2), steps})


class _ForecastProblem(RowProblem):
    """Trains both networks in the same steps.

    Args:
        task: The task, with its model.
        learned, whole: Windows of the series without their ends, and of the whole series.
        measured: Windows of the ends.
    """

    def __init__(self, task: Forecaster, learned: Sequence, whole: Sequence, measured: Sequence):
        window = task.metadata.window
        super().__init__(task, learned, measured, [window] * len(learned))
        self.whole = whole
        self.whole_buckets = Buckets(
            [window] * len(whole), batch=self.buckets.batch, seed=task.options.seed
        )

    def batch(self, step, process=0, processes=1):
        rows = self.whole_buckets.rows(step, process, processes)
        whole = self.task.collate([self.whole[k] for k in rows])
        return *super().batch(step, process, processes), *whole


def _laplace_loss(median: torch.Tensor, scale: torch.Tensor, change: torch.Tensor) -> torch.Tensor:
    """The summed negative log-likelihood of a Laplace distribution, whose median minimises the
    absolute error, weighted by the scale so that well-predicted steps do not dominate the gradient.

    Source:
        Seitzer et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation", equation
        5, beta 0.5.
    """
    error = (change - median).abs() / scale + scale.log()
    return (error * scale.detach().sqrt()).sum()


class _HeldOutErrors:
    """Collects one-step forecasts of the network that has not learned the held-out part; then
    chooses the weights of all methods.
    """

    def __init__(self, task: Forecaster):
        self.task = task
        self.found = [StoredArray(np.float64, (len(task.metadata.names),)) for _ in range(2)]

    def add(self, batch):
        # a held-out batch is for the first network only
        x, change = batch
        median, scale, _ = self.task.model.network(x)
        for found, part in zip(self.found, (median, change)):
            found.extend(part[:, -1].detach().cpu().double().numpy())
        return _laplace_loss(median, scale, change), change.numel()

    def result(self):
        task = self.task
        task._select()
        predicted, change = (one[:] for one in self.found)
        errors, start = [], 0
        for one in task._watched:
            count = min(len(one.y) - one.first, len(predicted) - start)
            inside = slice(start, start + count)
            start += count
            y = one.y[one.first - 1 : one.first - 1 + count]
            step, values = np.array(one.record.step), task.reader.values
            ahead, wanted = (values(y + step * part[inside]) for part in (predicted, change))
            if count:
                mase = metrics.forecasting(ahead, wanted, _scale(one.record))["mase"]
                errors.append((count, {"mase": mase}))
        return _mean_of(errors)


def _continued_selection(chosen: MethodWeights, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """The weights (M, steps) and the scale (steps,), also for steps beyond those compared."""
    compared = len(chosen.scale)
    places = np.minimum(np.arange(steps), compared - 1)
    further = np.maximum(1.0, (np.arange(steps) + 1) / compared) ** error_growth(chosen)
    return chosen.weights[:, places], chosen.scale[places] * further


def error_growth(chosen: MethodWeights) -> float:
    """The power of the number of steps with which errors grow beyond the compared steps."""
    compared = len(chosen.scale)
    # errors of a random walk grow with the square root of the steps; those of a series that
    # returns to its mean do not
    half = chosen.scale[max(0, compared // 2 - 1)]
    return 0.5 if compared < 4 else float(np.clip(np.log2(chosen.scale[-1] / half), 0.0, 0.5))


def _recent_sizes(
    fitted: FittedMethods, chosen: MethodWeights, y: np.ndarray, origins: np.ndarray, steps: int
) -> np.ndarray:
    """The size of the errors known at each origin as a multiple of their usual size, (O, steps)."""
    compared = min(steps, len(chosen.scale))
    # the origins of the errors: runs that end before one of the origins
    starts = np.maximum(1, origins - RECENT_STEPS - compared)
    count = int(origins.max()) + 1
    opened = np.bincount(starts, minlength=count) - np.bincount(origins, minlength=count)
    places = np.flatnonzero(opened.cumsum())
    sizes = np.ones((len(origins), compared))
    if len(places):
        padded = np.concatenate([y, np.full(compared, np.nan)])
        wanted = padded[places[:, None] + np.arange(compared)]
        predicted = fitted.forecasts(y, places, compared)
        errors = known_errors(predicted, wanted, chosen.weights)
        for run in np.split(np.arange(len(places)), np.flatnonzero(np.diff(places) > 1) + 1):
            first, last = places[run[[0, -1]]]
            inside = (first < origins) & (origins <= last + 1)
            size = recent_size(errors[run], chosen.usual[:compared])
            sizes[inside] = size[origins[inside] - first]
    return sizes[:, np.minimum(np.arange(steps), compared - 1)]


def _after(one: SeriesSteps, end: SeriesSteps) -> SeriesSteps:
    """A series and the end that follows it."""
    return SeriesSteps(
        one.record,
        one.place,
        concatenated(one.y, end.y),
        None if one.dates is None else concatenated(one.dates, end.dates),
        np.concatenate([one.known, end.known]),
        0,
    )


def _batches_of(pairs: list[tuple[StoredArray, StoredArray]]):
    """Blocks of inputs and changes as tensors."""
    for x, change in pairs:
        for start in range(0, len(x), BLOCK_STEPS):
            inside = slice(start, start + BLOCK_STEPS)
            yield torch.from_numpy(x[inside]), torch.from_numpy(change[inside])


def _even_origins(first: int, last: int) -> np.ndarray:
    """Up to `ORIGINS` origins from the first to the last, evenly."""
    return np.unique(np.linspace(first, last, ORIGINS).round().astype(int))


def _mean_of(found: list[tuple[int, dict]]) -> dict:
    """The mean of each metric over series, weighted by their counts; None without a value."""
    mean = {}
    for name in found[0][1]:
        known = [(count, one[name]) for count, one in found if one[name] is not None]
        total = sum(count for count, _ in known)
        mean[name] = sum(count * value for count, value in known) / total if total else None
    return mean


def _scale(record: SeriesRecord) -> np.ndarray:
    """A series whose naive forecast has the same error as that of the training series: the scale
    of MASE.
    """
    return np.array([np.zeros(len(record.naive)), record.naive])


def _of(one: SeriesSteps) -> str:
    return "" if one.record.name is None else f" of the series {one.record.name!r}"


def _ended(one: SeriesSteps) -> str:
    return one.record.past.time[-1] if one.record.past.time else "an unknown time"


def _stride(window: int) -> int:
    return max(1, window // 16)
