"""One to one, fed back: the next values of a series, with intervals; each forecast is read as if it
had come to be, for the one after it.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime

import numpy as np
import torch

from ..data.disk import Made, StoredArray, behind, parts
from ..data.examples import Examples
from ..data.time_series import (
    clock_of,
    cycles_of,
    date_of,
    dates_of,
    divisor,
    later,
    moves_away,
    power_of,
    season_of,
    series_of,
    waves,
)
from ..errors import InputError
from ..training import metrics
from .forecast_model import KEPT, ForecastModel
from .knowledge import ForecastKnowledge, Past
from .options import FARTHEST, LAGS, ForecastOptions
from .task import Inside, Rows, Task, batches

# Fewer steps than this have nothing to be learned from.
FEWEST = 24
# A window is two seasons, within these; where no season is found it is the least.
SHORT, LONG = 24, 192
# The regression has at least so many steps for each number that it reads, where the option does not
# say.
FOR_EACH = 8
# Steps of training where no budget is given.
STEPS = 300
# The levels of the intervals, of which the first is the one in a line of text.
LEVELS = (0.8, 0.95)
# Paths drawn for the intervals of several steps, and places from which these are measured at most.
PATHS, ORIGINS = 200, 48
# So many numbers at the end of a series at most are what its power, scales, season and trend are
# found from.
FOUND = 1 << 20
# Steps of a series that are in memory at a time, and steps of the past that the report shows.
BLOCK, SHOWN = 4096, 60
# Data that starts so many steps after the training series at most follows on: series have gaps.
GAP = 5


class Forecaster(Task):
    """Learns to continue a series of one or several columns.

    Data is a CSV, TSV, JSONL or Parquet file with a step in each row (see
    `ostinato.data.readers.read_series`); or in memory an array, (T,) or (T, F); or a dict of
    columns, of which one may have dates as text.

    A step's input is the value, its last change, how far off the value a season before the next one
    is, and the date of the next one; what is learned, at every step of a window, is how far the
    next change is off that of a linear regression on these and the changes before. Forecasts of
    several steps are fed back as they are. Their intervals are of `PATHS` paths, drawn with errors
    of the size that the held-out part had, each fed back.

    Args:
        options: Those of `ForecastOptions`, by name.

    Example:
        >>> import numpy as np
        >>> from ostinato.tasks import Forecaster
        >>> waves = 10 + np.sin(np.arange(200) * 2 * np.pi / 8)
        >>> model = Forecaster(hidden=8, steps=60).fit(waves)
        >>> [step["time"] for step in model.predict(waves, steps=3)]
        ['+1', '+2', '+3']
    """

    name, Options, goal, higher = "forecast", ForecastOptions, "mase", False
    use_does, continues = "continue the series", True

    # ------------------------------------------------------------ reading

    def given_rows(self, data, labelled):
        options, wanted = self.options, self.knows.names if self.knows else self.options.names
        names, values, times = series_of(data, wanted, options.time)
        if not isinstance(data, dict):
            if self.knows is None and (options.columns or options.time):
                raise InputError(
                    f"columns={options.columns!r}, time={options.time!r}: the given series is an "
                    f"array, whose columns have no "
                    "names; give a dict of columns"
                )
            if wanted and len(names) != len(wanted):
                raise InputError(
                    f"the given series has {len(names)} columns, and the model learned from "
                    f"{len(wanted)}: {', '.join(wanted)}"
                )
            names = wanted or names
        return Examples(
            {"values": list(values), "time": times},
            source="the given series",
            about={"names": names},
        )

    @property
    def line_is(self):
        columns = len(self.knows.names)
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
                f"{text!r} is no row of numbers; write them with commas or spaces between"
            ) from None
        columns = len(self.knows.names)
        if not numbers or len(numbers) % columns:
            raise InputError(
                f"{len(numbers)} numbers are no steps of {columns}; write whole steps one after "
                f"another"
            )
        return np.array(numbers).reshape(-1, columns)

    # ------------------------------------------------------------ what is found from the data

    def split(self, every):
        """The series without its end, and its end."""
        count = len(every)
        held = max(1, round(count * self.options.held_out))
        if count - held < FEWEST:
            raise InputError(
                f"{every.source}: {count} steps, {held} of them held out; {FEWEST} are the fewest "
                f"to learn from: give a longer series"
            )
        learned = every.take(range(count - held))
        watched = every.take(range(count - held, count))
        watched.about = every.about | {"past": Past(learned["values"], learned["time"])}
        return learned, watched

    def prepare(self, learned, every):
        options, names, count = self.options, every.about["names"], len(learned)
        _check_changing(learned, names, every.source)
        latest = max(FOUND // len(names), 4 * (options.season or 1), FEWEST)
        values = np.array(learned["values"][-latest:])
        power = power_of(values) if options.power is None else options.power
        y = learned_values(values, power, every.source)
        difference = moves_away(y) if options.difference is None else options.difference
        season = options.season or season_of(y, difference)
        if season > count // 2:
            raise InputError(
                f"--season {season}: the {count} steps that are learned from hold no two of them; "
                f"write a smaller one"
            )
        lags = min(LAGS, count // (FOR_EACH * len(names))) if options.lags is None else options.lags
        reach = max(1, season - 1, lags)
        window = options.window or max(4, min(max(SHORT, 2 * season), LONG, count // 3))
        if count < window + reach + 1:
            raise InputError(
                f"{every.source}: {count} steps to learn from are fewer than a window: --window "
                f"{window}, --season {season} and "
                f"--lags {lags} want {window + reach + 1}; write smaller ones, or give a longer "
                f"series"
            )
        # the end of the whole series, which is the past of what follows on it
        start = max(0, len(every) - window - reach)
        clock = clock_of(every["time"], every.source) if every["time"] else None
        if clock:
            # that there are dates so far ahead is to be known before training
            later(date_of(every["time"][-1], clock.format, every.source), clock, options.horizon)
        self.knows = ForecastKnowledge(
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
        return STEPS / -(-self.knows.windows // min(self.options.batch, self.knows.windows))

    def check(self):
        for name in ("power", "difference", "season", "window", "lags"):
            if getattr(self.options, name) != getattr(self.knows, name):
                raise InputError(f"the option {name!r} is not what the model knows")

    def build(self):
        columns = len(self.knows.names)
        inputs = columns * (1 + (not self.knows.difference) + (self.knows.season > 1)) + 2 * len(
            self.knows.calendar
        )
        return ForecastModel(inputs, columns * max(0, self.knows.lags - 1), columns, self.options)

    # ------------------------------------------------------------ from values to inputs

    def _values(self, y) -> np.ndarray:
        y, power = np.asarray(y), self.knows.power
        if power == 1:
            return y
        return np.maximum(y, 0) ** (1 / power) if power else np.exp(y)

    def _dates(self, times: Iterable[str], source: str) -> StoredArray:
        dates = StoredArray("datetime64[us]")
        for some in parts(dates_of(times, self.knows.clock.format, source)):
            dates.extend(some)
        return dates

    def _joined(self, examples: Examples):
        """A series with the past that it follows on.

        Returns:
            What is learned of the values (T, F), their dates or None, and the number of the first
            step that is of the examples.
        """
        past, clock, need = (
            examples.about.get("past") or self.knows.past,
            self.knows.clock,
            self.knows.window + self.knows.reach,
        )
        y, dates = self._stored(examples)
        before, earlier = (
            learned_values(np.array(past.values[-need:]), self.knows.power, examples.source),
            None,
        )
        if clock:
            earlier = self._dates(past.time[-need:], "the training series")
            last = earlier[-1].item()
            if dates is None:
                dates = StoredArray(earlier.dtype)
                dates.extend([later(last, clock, k + 1) for k in range(len(y))])
            if not last < dates[0].item() <= later(last, clock, GAP):
                return y, dates, 0
            dates = behind(earlier, dates)
        return behind(before, y), dates, len(before)

    def _stored(self, examples: Examples) -> tuple[StoredArray, StoredArray | None]:
        """What is learned of the values of a series (T, F), and its dates or None."""
        y = StoredArray(np.float64, np.shape(examples["values"][0]))
        for some in parts(examples["values"]):
            y.extend(learned_values(np.array(some), self.knows.power, examples.source))
        if self.knows.clock is None or examples["time"] is None:
            return y, None
        return y, self._dates(examples["time"], examples.source)

    def _inputs(self, y, cycles):
        """(B, T - reach, I and further) From what is learned of the values, (B, T, F), and the
        calendar of the step after each, (B, T, C).
        """
        knows, reach = self.knows, self.knows.reach
        now = y[:, reach:]
        change = (y[:, 1:] - y[:, :-1]) / y.new_tensor(knows.step)
        changes = [
            change[:, reach - 1 - lag : change.shape[1] - lag] for lag in range(max(1, knows.lags))
        ]
        parts = changes[:1]
        if not knows.difference:
            mean, spread = knows.level
            parts.append((now - y.new_tensor(mean)) / y.new_tensor(spread))
        if knows.season > 1:
            # of the step after each: the value a season before it
            start = reach + 1 - knows.season
            parts.append((y[:, start : start + now.shape[1]] - now) / y.new_tensor(knows.gap))
        return torch.cat([*parts, cycles[:, reach:], *changes[1:]], 2).float()

    def _cycles(self, dates: Sequence[datetime] | None, count: int) -> torch.Tensor:
        """(T, C) The calendar of each of so many steps."""
        return torch.from_numpy(
            waves(dates, self.knows.calendar) if dates else np.zeros((count, 0))
        )

    def _between(self, dates: StoredArray | None, start: int, stop: int) -> torch.Tensor:
        """The calendar from a step to another."""
        return self._cycles(dates[start:stop].tolist() if dates else None, stop - start)

    def _pairs(self, y: StoredArray, dates: StoredArray | None) -> tuple[StoredArray, StoredArray]:
        """Inputs (N, I and further), and the changes (N, F) that followed on them."""
        reach, (columns, numbers) = self.knows.reach, self.model.regression.shape
        x, change = (StoredArray(np.float32, (units,)) for units in (numbers - 1, columns))
        for start in range(0, len(y) - reach - 1, BLOCK):
            stop = min(len(y), start + BLOCK + reach + 1)
            some = torch.from_numpy(y[start:stop])
            x.extend(self._inputs(some[None, :-1], self._between(dates, start, stop)[None, 1:])[0])
            change.extend(
                ((some[1:] - some[:-1]) / some.new_tensor(self.knows.step))[reach:].float()
            )
        return x, change

    def _rows(
        self, y: StoredArray, x: StoredArray, change: StoredArray, ends: Sequence[int]
    ) -> Made:
        """Windows that end before each of these steps: inputs (T, I and further), changes (T, F)
        and the last value (F,).
        """
        reach, window = self.knows.reach, self.knows.window

        def row_of(k: int):
            inside = slice(ends[k] - window - reach, ends[k] - reach)
            return (
                torch.from_numpy(x[inside]),
                torch.from_numpy(change[inside]),
                torch.from_numpy(y[ends[k] - 1]),
            )

        return Made(len(ends), row_of)

    def problem(self, learned, measured):
        y, dates = self._stored(learned)
        x, change = self._pairs(y, dates)
        if self.knows.lags:
            self.model.regress(
                (
                    torch.from_numpy(x[start : start + BLOCK]),
                    torch.from_numpy(change[start : start + BLOCK]),
                )
                for start in range(0, len(x), BLOCK)
            )
        # the last window first, so that the newest steps are in
        ends = range(
            len(y) - 1, self.knows.window + self.knows.reach - 1, -_stride(self.knows.window)
        )
        rows = self._rows(y, x, change, ends)
        return Rows(self, rows, self.encode(measured), [self.knows.window] * len(rows))

    def _measurable(self, examples):
        """As `_joined`, with the first step that has a whole window before it."""
        y, dates, first = self._joined(examples)
        need = self.knows.window + self.knows.reach
        if len(y) <= need:
            raise InputError(
                f"{examples.source}: its {len(y)} steps do not follow on the training series, "
                f"which ended at {self._ended()}, and are "
                f"fewer than a window of their own and one step to measure, {need + 1}: give a "
                f"longer series, or the one that follows on"
            )
        return y, dates, max(first, need)

    def _ended(self) -> str:
        return self.knows.past.time[-1]

    def encode(self, examples):
        y, dates, first = self._measurable(examples)
        return self._rows(y, *self._pairs(y, dates), range(first, len(y)))

    def collate(self, rows):
        return tuple(torch.stack(parts) for parts in zip(*rows))

    def loss(self, batch):
        x, change, _ = batch
        median, scale, _ = self.model(x)
        # The Laplace distribution, whose best median has the least absolute error. Weighing by the
        # scale keeps steps that are foretold well from taking all of the gradient. Source: Seitzer
        # et al. 2022, "On the pitfalls of heteroscedastic uncertainty estimation", equation 5, beta
        # 0.5.
        return (
            ((change - median).abs() / scale + scale.log()) * scale.detach().sqrt()
        ).sum(), change.numel()

    def measuring(self):
        return _Errors(self)

    # ------------------------------------------------------------ measures

    def _one_ahead(self, examples) -> dict[str, StoredArray]:
        """Forecasts of each step from the window before it: predicted, wanted, naive, and low and
        high of each level.
        """
        self.model.eval()
        found = _Errors(self)
        with torch.no_grad():
            for batch in batches(self, self.encode(examples)):
                found.add(batch)
        return found.forecasts()

    @property
    def _scale(self) -> np.ndarray:
        """A series whose naive forecast errs by what that of the training series did: the scale of
        MASE.
        """
        return np.array([np.zeros(len(self.knows.naive)), self.knows.naive])

    def measures(self, examples):
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
        """The measures of `horizon` steps ahead, from up to `ORIGINS` places; None where the series
        is shorter.
        """
        y, dates, first = self._measurable(examples)
        steps, need = self.options.horizon, self.knows.window + self.knows.reach
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
        """(B * paths, steps, F) What is learned of the values to come, each step fed back; with
        `random`, errors are drawn and added.

        Args:
            y: (B, window + reach, F).
            cycles: (B, window + reach + steps, C), the calendar of these and the steps to come.
        """
        model, need, reach, step = (
            self.model,
            y.shape[1],
            self.knows.reach,
            y.new_tensor(self.knows.step),
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
                place = torch.randint(KEPT, change.shape, generator=random)
                sign = 2.0 * torch.randint(2, change.shape, generator=random) - 1
                change = change + scale[:, 0] * sign * model.errors.double().gather(0, place)
            whole[:, reach + 1 + k] = whole[:, reach + k] + step * change
        return whole[:, reach + 1 :]

    def _ahead(self, y, cycles, steps: int):
        """Forecasts (B, steps, F), and for each level the lows and the highs, as values."""
        self.model.eval()
        point = self._values(self._walk(y, cycles, steps))
        random = torch.Generator().manual_seed(self.options.seed)
        drawn = self._values(self._walk(y, cycles, steps, PATHS, random)).reshape(
            len(y), PATHS, steps, -1
        )
        low, high = (
            np.quantile(drawn, [0.5 + side * level / 2 for level in LEVELS], 1) for side in (-1, 1)
        )
        return point, np.minimum(low, point), np.maximum(high, point)

    def predict(self, data=None, steps: int | None = None) -> list[dict]:
        """The values that come after a series.

        Args:
            data: What `read` takes; None: the series that it was trained on, from its end. Steps
                that it lacks before its start are those at the end of the training series, where it
                follows on that.
            steps: How many, up to `FARTHEST`; None: the option `horizon`.

        Returns:
            For each step, and in it each column: "time" (its date, or the number of the step),
            "column", "value", "low" and "high" (80 %), "low_95" and "high_95".
        """
        self._trained()
        steps = self.options.horizon if steps is None else steps
        if (
            not isinstance(steps, (int, np.integer))
            or isinstance(steps, bool)
            or not 1 <= steps <= FARTHEST
        ):
            raise InputError(f"steps {steps!r}: write a whole number from 1 to {FARTHEST}")
        if data is None:
            past = self.knows.past
            data = Examples(
                {"values": [np.array(row) for row in past.values], "time": past.time},
                source="the training series",
            )
        else:
            data = self.read(data, labelled=False)
        return self._answers(data, steps)

    def answers(self, examples):
        return self._answers(examples, self.options.horizon)

    def _answers(self, examples, steps):
        y, dates = self._window(examples)
        clock, names = self.knows.clock, self.knows.names
        ahead = [later(dates[-1], clock, k + 1) for k in range(steps)] if clock else None
        cycles = self._cycles(dates + ahead if clock else None, len(y) + steps)
        point, low, high = self._ahead(torch.from_numpy(y)[None], cycles[None], steps)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InputError(
                f"a forecast of {steps} steps leaves the range of numbers; forecast fewer, or "
                f"train with --power 1"
            )
        when = (
            [date.strftime(clock.format) for date in ahead]
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
        need = self.knows.window + self.knows.reach
        if len(y) < need:
            raise InputError(
                f"{examples.source}: {len(y)} steps are fewer than the {need} that the model reads "
                f"(a window of "
                f"{self.knows.window} and {self.knows.reach} before it), and do not follow on the "
                f"training series, which ended "
                f"at {self._ended()}; give a longer series"
            )
        return y[-need:], dates[-need:].tolist() if dates else None

    def shown(self, answer):
        numbers = [f"{answer[name]:.6g}" for name in ("value", "low", "high")]
        return "\t".join(
            [answer["time"], *([answer["column"]] if len(self.knows.names) > 1 else []), *numbers]
        )

    def inside(self, data):
        y, dates = self._window(self.read(data, labelled=False))
        dates = [*dates, later(dates[-1], self.knows.clock, 1)] if dates else None
        x = self._inputs(torch.from_numpy(y)[None], self._cycles(dates, len(y) + 1)[None, 1:])[
            ..., : self.model.inputs
        ]
        tokens = [
            " ".join(f"{value:.4g}" for value in row) for row in self._values(y[self.knows.reach :])
        ]
        name = self.knows.names[0]
        told = (
            f"what the layers add to the regression's forecast of the next change of {name}"
            if self.knows.lags
            else f"forecast of the next change of {name}"
        )
        return Inside(
            self.model.recurrent, x, tokens, lambda x: self.model.beside(x[None])[0][0, -1, 0], told
        )

    def report_parts(self, examples):
        from ..training.report import Forecast

        one, found = self._one_ahead(examples), self.result.measures
        past = np.array((examples.about.get("past") or self.knows.past).values[-SHOWN:])
        (low, high), count = one["intervals"][0], len(one["wanted"])
        shown = slice(max(0, count - 150), count)
        latest = one["wanted"][max(0, shown.start - SHOWN) :]
        before = np.concatenate([past, latest])[: len(past) + len(latest) - (count - shown.start)][
            -50:
        ]
        predicted, wanted, low, high = (
            numbers[shown] for numbers in (one["predicted"], one["wanted"], low, high)
        )
        forecasts = [
            Forecast(
                f"{name}, one step ahead",
                before[:, f],
                predicted[:, f],
                wanted[:, f],
                low[:, f],
                high[:, f],
                "80 % interval",
            )
            for f, name in enumerate(self.knows.names)
        ]
        answers = self._answers(examples, self.options.horizon)
        for name in self.knows.names:
            mine = [answer for answer in answers if answer["column"] == name]
            column = self.knows.names.index(name)
            forecasts.append(
                Forecast(
                    f"{name}, the next {len(mine)} steps",
                    np.concatenate([past, latest])[-SHOWN:, column],
                    [a["value"] for a in mine],
                    None,
                    [a["low"] for a in mine],
                    [a["high"] for a in mine],
                    "80 % interval",
                )
            )
        naive = {
            "mase": found["naive_mase"],
            "mae": found["naive_mae"],
            "horizon_mase": found["horizon_naive_mase"],
        }
        return {"forecasts": forecasts, "baseline": naive, "baseline_name": "the last value again"}


def learned_values(values: np.ndarray, power: float, source: str) -> np.ndarray:
    """What is learned of values: a power of them, or their logarithms."""
    if power == 1:
        return values
    bad = values[values < 0 if power else values <= 0]
    if bad.size:
        what = (
            f"powers of {power:g}, which want values of 0 or more"
            if power
            else "logarithms, which want values above 0"
        )
        raise InputError(
            f"{source}: there is {bad[0]:g}, and the model learns {what}; train with --power 1"
        )
    return values**power if power else np.log(values)


def _stride(window: int) -> int:
    return max(1, window // 16)


class _Errors:
    """Gathers one-step forecasts over batches; while training goes on, intervals are fitted to
    their errors.
    """

    def __init__(self, task: Forecaster):
        # medians, scales, changes and last values, (N, F) each
        self.task, self.found = (
            task,
            [StoredArray(np.float64, (len(task.knows.names),)) for _ in range(4)],
        )

    def add(self, batch):
        x, change, last = batch
        median, scale, _ = self.task.model(x)
        for found, part in zip(self.found, (median[:, -1], scale[:, -1], change[:, -1], last)):
            found.extend(part.detach().cpu().double().numpy())

    def forecasts(self) -> dict[str, StoredArray]:
        task = self.task
        step, widths = (
            np.array(task.knows.step),
            [task.model.width(level).cpu().numpy() for level in LEVELS],
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
        # kept with the weights that had these errors
        model.calibrate(((change - median).abs() / scale).to(model.errors))
        one = self.forecasts()
        return {
            "mase": metrics.forecasting(one["predicted"], one["wanted"], self.task._scale)["mase"]
        }


def _check_changing(learned: Examples, names: list[str], source: str) -> None:
    """An error where a column is the same at all steps."""
    first, changing = np.array(learned["values"][0]), np.zeros(len(names), bool)
    for some in parts(learned["values"]):
        changing |= (np.array(some) != first).any(0)
    for name, value, changes in zip(names, first, changing):
        if not changes:
            raise InputError(
                f"{source}: the column {name!r} is {value:g} at all {len(learned)} steps that are "
                f"learned from; "
                "there is nothing to forecast: leave it out with --columns"
            )
