"""One to one, fed back: the next values of a series, with intervals; each forecast is read as if it had come to be, for the one after it."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from .. import measures
from ..errors import InputError
from ..examples import Examples
from ..options import LEARNING, Options, option
from ..series import clock_of, cycles_of, date_of, later, moves_away, power_of, season_of, series_of, waves
from ..tables import read_series
from .forecast_model import KEPT, ForecastModel
from .task import Inside, Rows, Task, batches

SERIES = "The series"
# Fewer steps than this have nothing to be learned from.
FEWEST = 24
# A window is two seasons, within these; where no season is found it is the least.
SHORT, LONG = 24, 192
# Changes that the regression reads at most; and at least so many steps for each number that it reads.
LAGS, FOR_EACH = 24, 8
# Steps of training where no budget is given.
STEPS = 300
# The levels of the intervals, of which the first is the one in a line of text.
LEVELS = (0.8, 0.95)
# Paths drawn for the intervals of several steps, and places from which these are measured at most.
PATHS, ORIGINS = 200, 48
# Data that starts so many steps after the training series at most follows on: series have gaps.
GAP = 5


@dataclass(frozen=True)
class ForecastOptions(Options):
    """What can be chosen for a forecaster."""

    hidden: int = option(32, "Units of each layer.", low=1, high=16384)
    dropout: float = option(0.5, "Rate of dropout, between layers and before the readout.", low=0, high=0.99)
    horizon: int = option(12, "Steps that `predict` forecasts, and that the measures named horizon look ahead.", panel=SERIES, low=1, high=10_000)
    window: int | None = option(None, "Steps that are read for a forecast.", panel=SERIES, low=2, high=100_000, found="two seasons")
    season: int | None = option(None, "Steps after which the series is like itself; 1: none.", panel=SERIES, low=1, high=100_000,
                                found="by autocorrelation")
    power: float | None = option(None, "Learn this power of the values; 0: their logarithms.", panel=SERIES, low=0, high=1,
                                 found="0, 0.5 or 1, by how the series varies with its level")
    difference: bool | None = option(None, "Read the changes from step to step and not the level.", panel=SERIES, found="if the level moves away")
    lags: int | None = option(None, "Last changes that the linear regression reads; 0: no regression.", panel=SERIES, low=0, high=10_000,
                              found=f"{LAGS}, or what the series is long enough for")
    columns: str | None = option(None, "What is forecast: names, with commas between.", panel=SERIES, found="all columns of numbers")
    time: str | None = option(None, "The column that says when.", panel=SERIES, found="a first column of dates")
    batch: int = option(32, "Windows of a batch.", panel=LEARNING, low=1, high=65536)
    learning_rate: float = option(2e-3, "The highest of the schedule.", panel=LEARNING, low=1e-9, high=10)
    held_out: float = option(0.15, "Part of the series, its end, that is kept to measure on.", panel=LEARNING, low=0.001, high=0.9)


class Forecaster(Task):
    """Learns to continue a series of one or several columns.

    Data is a CSV, TSV, JSONL or Parquet file with a step in each row (see `ostinato.tables.read_series`); or in memory an array, (T,) or
    (T, F); or a dict of columns, of which one may have dates as text.

    A step's input is the value, its last change, how far off the value a season before the next one is, and the date of the next one; what
    is learned, at every step of a window, is how far the next change is off that of a linear regression on these and the changes
    before. Forecasts of several steps are fed back as they are. Their intervals
    are of `PATHS` paths, drawn with errors of the size that the held-out part had, each fed back.

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
    summary = "One to one, fed back: the next values of a series, with intervals."
    data = "CSV, TSV, JSONL or Parquet (also .gz): columns of numbers, a step in each row."

    # ------------------------------------------------------------ reading

    def read(self, data, *, labelled=True):
        wanted = self.knows.get("names") or ([name.strip() for name in self.options.columns.split(",")] if self.options.columns else None)
        if isinstance(data, (str, Path)):
            found = read_series(Path(data), columns=wanted, time=self.options.time)
            names, values, times, source = found.names, found.values, found.times, str(data)
        else:
            (names, values, times), source = series_of(data, wanted, self.options.time), "the given series"
            if "names" in self.knows and not isinstance(data, dict):
                if len(names) != len(wanted):
                    raise InputError(f"the given series has {len(names)} columns, and the model learned from {len(wanted)}: {', '.join(wanted)}")
                names = wanted
        return Examples({"values": list(values), "time": times}, source=source, about={"names": names})

    def line(self, text):
        try:
            numbers = [float(word) for word in text.replace(",", " ").split()]
        except ValueError:
            raise InputError(f"{text!r} is no row of numbers; write them with commas or spaces between") from None
        columns = len(self.knows["names"])
        if not numbers or len(numbers) % columns:
            raise InputError(f"{len(numbers)} numbers are no steps of {columns}; write whole steps one after another")
        return np.array(numbers).reshape(-1, columns)

    # ------------------------------------------------------------ what is found from the data

    def split(self, every):
        """The series without its end, and its end."""
        count = len(every)
        held = max(1, round(count * self.options.held_out))
        if count - held < FEWEST:
            raise InputError(f"{every.source}: {count} steps, {held} of them held out; {FEWEST} are the fewest to learn from: give a longer series")
        learned = every.take(range(count - held))
        watched = every.take(range(count - held, count))
        watched.about = every.about | {"past": {"values": learned["values"], "time": learned["time"]}}
        return learned, watched

    def prepare(self, learned, every):
        options, values, names = self.options, np.array(learned["values"]), every.about["names"]
        for name, column in zip(names, values.T):
            if np.ptp(column) == 0:
                raise InputError(f"{every.source}: the column {name!r} is {column[0]:g} at all {len(column)} steps that are learned from; "
                                 "there is nothing to forecast: leave it out with --columns")
        power = power_of(values) if options.power is None else options.power
        self.knows = {"power": power}
        y = self._learned_values(values, every.source)
        difference = moves_away(y) if options.difference is None else options.difference
        season = options.season or season_of(y, difference)
        if season > len(y) // 2:
            raise InputError(f"--season {season}: the {len(y)} steps that are learned from hold no two of them; write a smaller one")
        lags = min(LAGS, len(y) // (FOR_EACH * len(names))) if options.lags is None else options.lags
        reach = max(1, season - 1, lags)
        window = options.window or max(4, min(max(SHORT, 2 * season), LONG, len(y) // 3))
        if len(y) < window + reach + 1:
            raise InputError(f"{every.source}: {len(y)} steps to learn from are fewer than a window: --window {window}, --season {season} and "
                             f"--lags {lags} want {window + reach + 1}; write smaller ones, or give a longer series")
        # the end of the whole series, which is the past of what follows on it
        start = max(0, len(every) - window - reach)
        clock = clock_of(every["time"], every.source) if every["time"] else None
        self.knows |= {
            "names": names, "difference": difference, "season": season, "lags": lags, "reach": reach, "window": window, "clock": clock,
            "calendar": cycles_of(clock, len(y)) if clock else [],
            "step": np.maximum(np.abs(np.diff(y, axis=0)).mean(0), 1e-12).tolist(), "level": [y.mean(0).tolist(), _spread(y)],
            "naive": np.abs(np.diff(np.array(every["values"]), axis=0)).mean(0).tolist(),
            "gap": [0.0, _spread(y[season:] - y[season - 1:-1])] if season > 1 else None,
            "past": {"values": np.array(every["values"][start:]).tolist(), "time": every["time"][start:] if clock else None}}
        self.knows["windows"] = len(range(0, len(y) - window - reach, self._stride()))
        found = {"power": power, "difference": difference, "season": season, "window": window, "lags": lags}
        return {name: value for name, value in found.items() if getattr(options, name) is None}

    def _stride(self) -> int:
        return max(1, self.knows["window"] // 16)

    def epochs(self, rows):
        return STEPS / -(-self.knows["windows"] // min(self.options.batch, self.knows["windows"]))

    def build(self):
        columns = len(self.knows["names"])
        inputs = columns * (1 + (not self.knows["difference"]) + (self.knows["season"] > 1)) + 2 * len(self.knows["calendar"])
        return ForecastModel(inputs, columns * max(0, self.knows["lags"] - 1), columns, self.options)

    # ------------------------------------------------------------ from values to inputs

    def _learned_values(self, values: np.ndarray, source: str) -> np.ndarray:
        """What is learned of values: a power of them, or their logarithms."""
        power = self.knows["power"]
        if power == 1:
            return values
        bad = values[values < 0 if power else values <= 0]
        if bad.size:
            what = f"powers of {power:g}, which want values of 0 or more" if power else "logarithms, which want values above 0"
            raise InputError(f"{source}: there is {bad[0]:g}, and the model learns {what}; train with --power 1")
        return values**power if power else np.log(values)

    def _values(self, y) -> np.ndarray:
        y, power = np.asarray(y), self.knows["power"]
        if power == 1:
            return y
        return np.maximum(y, 0)**(1 / power) if power else np.exp(y)

    def _dates(self, times, source):
        if self.knows["clock"] is None or times is None:
            return None
        return [date_of(text, self.knows["clock"]["format"], source) for text in times]

    def _joined(self, examples: Examples):
        """A series with the past that it follows on.

        Returns:
            What is learned of the values (T, F), their dates or None, and the number of the first step that is of the examples.
        """
        past, clock = examples.about.get("past") or self.knows["past"], self.knows["clock"]
        y = self._learned_values(np.array(examples["values"]), examples.source)
        before, dates = self._learned_values(np.array(past["values"]), examples.source), None
        if clock:
            earlier = self._dates(past["time"], "the training series")
            dates = self._dates(examples["time"], examples.source) or [later(earlier[-1], clock, k + 1) for k in range(len(y))]
            if not earlier[-1] < dates[0] <= later(earlier[-1], clock, GAP):
                return y, dates, 0
            dates = earlier + dates
        return np.concatenate([before, y]), dates, len(before)

    def _inputs(self, y, cycles):
        """(B, T - reach, I and further) From what is learned of the values, (B, T, F), and the calendar of the step after each, (B, T, C)."""
        knows, reach = self.knows, self.knows["reach"]
        now = y[:, reach:]
        change = (y[:, 1:] - y[:, :-1]) / y.new_tensor(knows["step"])
        changes = [change[:, reach - 1 - lag:change.shape[1] - lag] for lag in range(max(1, knows["lags"]))]
        parts = changes[:1]
        if not knows["difference"]:
            mean, spread = knows["level"]
            parts.append((now - y.new_tensor(mean)) / y.new_tensor(spread))
        if knows["season"] > 1:
            parts.append((y[:, :now.shape[1]] - now) / y.new_tensor(knows["gap"][1]))
        return torch.cat([*parts, cycles[:, reach:], *changes[1:]], 2).float()

    def _cycles(self, dates, count: int) -> torch.Tensor:
        """(T, C) The calendar of each of so many steps."""
        return torch.from_numpy(waves(dates, self.knows["calendar"]) if dates else np.zeros((count, 0)))

    def _pairs(self, y, dates):
        """Inputs (T - reach - 1, I and further), and the changes (T - reach - 1, F) that followed on them."""
        y = torch.from_numpy(y)
        x = self._inputs(y[None, :-1], self._cycles(dates, len(y))[None, 1:])[0]
        return x, ((y[1:] - y[:-1]) / y.new_tensor(self.knows["step"]))[self.knows["reach"]:].float()

    def _rows(self, y, dates, ends: Sequence[int]) -> list:
        """Windows that end before each of these steps: inputs (T, I), changes (T, F) and the last value (F,)."""
        reach, window = self.knows["reach"], self.knows["window"]
        x, change = self._pairs(y, dates)
        y = torch.from_numpy(y)
        return [(x[end - window - reach:end - reach], change[end - window - reach:end - reach], y[end - 1]) for end in ends]

    def problem(self, learned, measured):
        y, dates = self._learned_values(np.array(learned["values"]), learned.source), self._dates(learned["time"], learned.source)
        if self.knows["lags"]:
            self.model.regress(*self._pairs(y, dates))
        # the last window first, so that the newest steps are in
        ends = range(len(y) - 1, self.knows["window"] + self.knows["reach"] - 1, -self._stride())
        rows = self._rows(y, dates, ends)
        return Rows(self, rows, self.encode(measured), [self.knows["window"]] * len(rows))

    def _measurable(self, examples):
        """As `_joined`, with the first step that has a whole window before it."""
        y, dates, first = self._joined(examples)
        need = self.knows["window"] + self.knows["reach"]
        if len(y) <= need:
            raise InputError(f"{examples.source}: its {len(y)} steps do not follow on the training series, which ended at {self._ended()}, and are "
                             f"fewer than a window of their own and one step to measure, {need + 1}: give a longer series, or the one that follows on")
        return y, dates, max(first, need)

    def _ended(self) -> str:
        return self.knows["past"]["time"][-1]

    def encode(self, examples):
        y, dates, first = self._measurable(examples)
        return self._rows(y, dates, range(first, len(y)))

    def collate(self, rows):
        return tuple(torch.stack(parts) for parts in zip(*rows))

    def loss(self, batch):
        x, change, _ = batch
        median, scale, _ = self.model(x)
        # The Laplace distribution, whose best median has the least absolute error. Weighing by the scale keeps steps that are
        # foretold well from taking all of the gradient. Source: Seitzer et al. 2022, "On the pitfalls of heteroscedastic
        # uncertainty estimation", equation 5, beta 0.5.
        return (((change - median).abs() / scale + scale.log()) * scale.detach().sqrt()).sum(), change.numel()

    def measuring(self):
        return _Errors(self)

    # ------------------------------------------------------------ measures

    def _one_ahead(self, examples) -> dict[str, np.ndarray]:
        """Forecasts of each step from the window before it: predicted, wanted, naive, and low and high of each level."""
        self.model.eval()
        found = _Errors(self)
        with torch.no_grad():
            for batch in batches(self, self.encode(examples)):
                found.add(batch)
        return found.forecasts()

    @property
    def _scale(self) -> np.ndarray:
        """A series whose naive forecast errs by what that of the training series did: the scale of MASE."""
        return np.array([np.zeros(len(self.knows["naive"])), self.knows["naive"]])

    def measures(self, examples):
        one, scale = self._one_ahead(examples), self._scale
        found = [measures.forecasting(one["predicted"], one["wanted"], scale, low=low, high=high) for low, high in one["intervals"]]
        naive = measures.forecasting(one["naive"], one["wanted"], scale)
        measured = {"mase": found[0]["mase"], "mae": found[0]["mae"], "rmse": found[0]["rmse"], "coverage_80": found[0]["coverage"],
                    "coverage_95": found[1]["coverage"], "width_80": found[0]["width"], "naive_mase": naive["mase"], "naive_mae": naive["mae"]}
        return measured | self._horizon(examples)

    def _horizon(self, examples):
        """The measures of `horizon` steps ahead, from up to `ORIGINS` places; None where the series is shorter."""
        y, dates, first = self._measurable(examples)
        steps, need = self.options.horizon, self.knows["window"] + self.knows["reach"]
        names = ("horizon_mase", "horizon_coverage_80", "horizon_naive_mase")
        if len(y) - steps < first:
            return dict.fromkeys(names)
        origins = np.unique(np.linspace(first, len(y) - steps, ORIGINS).round().astype(int))
        cycles, whole = self._cycles(dates, len(y)), torch.from_numpy(y)
        point, low, high = self._ahead(torch.stack([whole[k - need:k] for k in origins]),
                                       torch.stack([cycles[k - need:k + steps] for k in origins]), steps)
        wanted = self._values(np.stack([y[k:k + steps] for k in origins]))
        last = self._values(np.stack([np.repeat(y[k - 1:k], steps, 0) for k in origins]))
        found = measures.forecasting(point, wanted, self._scale, low=low[0], high=high[0])
        return dict(zip(names, (found["mase"], found["coverage"], measures.forecasting(last, wanted, self._scale)["mase"])))

    # ------------------------------------------------------------ several steps

    @torch.no_grad()
    def _walk(self, y, cycles, steps: int, paths: int = 1, random=None) -> torch.Tensor:
        """(B * paths, steps, F) What is learned of the values to come, each step fed back; with `random`, errors are drawn and added.

        Args:
            y: (B, window + reach, F).
            cycles: (B, window + reach + steps, C), the calendar of these and the steps to come.
        """
        model, need, reach, step = self.model, y.shape[1], self.knows["reach"], y.new_tensor(self.knows["step"])
        median, scale, state = model(self._inputs(y, cycles[:, 1:need + 1]))
        median, scale, cycles = (part.repeat_interleave(paths, 0) for part in (median[:, -1:], scale[:, -1:], cycles))
        state = tuple(part.repeat_interleave(paths, 1) for part in state)
        whole = torch.cat([y[:, -reach - 1:].repeat_interleave(paths, 0), y.new_zeros(len(y) * paths, steps, y.shape[2])], 1)
        for k in range(steps):
            if k:
                median, scale, state = model(self._inputs(whole[:, k:k + reach + 1], cycles[:, need + k - reach:need + k + 1]), state)
            change = median[:, 0]
            if random is not None:
                place = torch.randint(KEPT, change.shape, generator=random)
                sign = 2.0 * torch.randint(2, change.shape, generator=random) - 1
                change = change + scale[:, 0] * sign * model.errors.double().gather(0, place)
            whole[:, reach + 1 + k] = whole[:, reach + k] + step * change
        return whole[:, reach + 1:]

    def _ahead(self, y, cycles, steps: int):
        """Forecasts (B, steps, F), and for each level the lows and the highs, as values."""
        self.model.eval()
        point = self._values(self._walk(y, cycles, steps))
        random = torch.Generator().manual_seed(self.options.seed)
        drawn = self._values(self._walk(y, cycles, steps, PATHS, random)).reshape(len(y), PATHS, steps, -1)
        low, high = (np.quantile(drawn, [0.5 + side * level / 2 for level in LEVELS], 1) for side in (-1, 1))
        return point, np.minimum(low, point), np.maximum(high, point)

    def predict(self, data=None, steps: int | None = None) -> list[dict]:
        """The values that come after a series.

        Args:
            data: What `read` takes; None: the series that was learned from. Steps that it lacks before its start are those at the end of
                the training series, where it follows on that.
            steps: How many; None: the option `horizon`.

        Returns:
            For each step, and in it each column: "time" (its date, or the number of the step), "column", "value", "low" and "high"
            (80 %), "low_95" and "high_95".
        """
        self._trained()
        steps = self.options.horizon if steps is None else steps
        if not isinstance(steps, int) or isinstance(steps, bool) or steps < 1:
            raise InputError(f"predict(steps={steps!r}): write a whole number above 0")
        if data is None:
            past = self.knows["past"]
            data = Examples({"values": [np.array(row) for row in past["values"]], "time": past["time"]}, source="the training series")
        else:
            data = self.read(data, labelled=False)
        return self._answers(data, steps)

    def answers(self, examples):
        return self._answers(examples, self.options.horizon)

    def _answers(self, examples, steps):
        y, dates = self._window(examples)
        clock, names = self.knows["clock"], self.knows["names"]
        ahead = [later(dates[-1], clock, k + 1) for k in range(steps)] if clock else None
        cycles = self._cycles(dates + ahead if clock else None, len(y) + steps)
        point, low, high = self._ahead(torch.from_numpy(y)[None], cycles[None], steps)
        if not (np.isfinite(low).all() and np.isfinite(high).all()):
            raise InputError(f"a forecast of {steps} steps leaves the range of numbers; forecast fewer, or train with --power 1")
        when = [date.strftime(clock["format"]) for date in ahead] if clock else [f"+{k + 1}" for k in range(steps)]
        return [{"time": when[k], "column": name, "value": float(point[0, k, f]), "low": float(low[0, 0, k, f]), "high": float(high[0, 0, k, f]),
                 "low_95": float(low[1, 0, k, f]), "high_95": float(high[1, 0, k, f])} for k in range(steps) for f, name in enumerate(names)]

    def _window(self, examples):
        """The last values that a forecast reads, and their dates or None."""
        y, dates, _ = self._joined(examples)
        need = self.knows["window"] + self.knows["reach"]
        if len(y) < need:
            raise InputError(f"{examples.source}: {len(y)} steps are fewer than the {need} that the model reads (a window of "
                             f"{self.knows['window']} and {self.knows['reach']} before it), and do not follow on the training series, which ended "
                             f"at {self._ended()}; give a longer series")
        return y[-need:], dates[-need:] if dates else None

    def shown(self, answer):
        numbers = [f"{answer[name]:.6g}" for name in ("value", "low", "high")]
        return "\t".join([answer["time"], *([answer["column"]] if len(self.knows["names"]) > 1 else []), *numbers])

    def inside(self, data):
        y, dates = self._window(self.read(data, labelled=False))
        dates = [*dates, later(dates[-1], self.knows["clock"], 1)] if dates else None
        x = self._inputs(torch.from_numpy(y)[None], self._cycles(dates, len(y) + 1)[None, 1:])[..., :self.model.inputs]
        tokens = [" ".join(f"{value:.4g}" for value in row) for row in self._values(y[self.knows["reach"]:])]
        name = self.knows["names"][0]
        told = f"what the layers add to the regression's forecast of the next change of {name}" if self.knows["lags"] else \
            f"forecast of the next change of {name}"
        return Inside(self.model.recurrent, x, tokens, lambda x: self.model.beside(x[None])[0][0, -1, 0], told)

    def report_parts(self, examples):
        from ..report import Forecast

        one, found = self._one_ahead(examples), self.measures(examples)
        past = np.array((examples.about.get("past") or self.knows["past"])["values"])
        (low, high), count = one["intervals"][0], len(one["wanted"])
        shown = slice(max(0, count - 150), count)
        before = np.concatenate([past, one["wanted"]])[:len(past) + shown.start][-50:]
        forecasts = [Forecast(f"{name}, one step ahead", before[:, f], one["predicted"][shown, f], one["wanted"][shown, f], low[shown, f], high[shown, f],
                              "80 % interval") for f, name in enumerate(self.knows["names"])]
        answers = self._answers(examples, self.options.horizon)
        for name in self.knows["names"]:
            mine = [answer for answer in answers if answer["column"] == name]
            column = self.knows["names"].index(name)
            forecasts.append(Forecast(f"{name}, the next {len(mine)} steps", np.concatenate([past, one["wanted"]])[-60:, column],
                                      [a["value"] for a in mine], None, [a["low"] for a in mine], [a["high"] for a in mine], "80 % interval"))
        return {"forecasts": forecasts, "baseline": {"mase": found["naive_mase"], "mae": found["naive_mae"], "horizon_mase": found["horizon_naive_mase"]},
                "baseline_name": "the last value again"}


class _Errors:
    """Gathers one-step forecasts over batches; while training goes on, intervals are fitted to their errors."""

    def __init__(self, task: Forecaster):
        self.task, self.parts = task, []

    def add(self, batch):
        x, change, last = batch
        median, scale, _ = self.task.model(x)
        self.parts.append(tuple(part.cpu().double() for part in (median[:, -1], scale[:, -1], change[:, -1], last)))

    def forecasts(self):
        median, scale, change, last = (torch.cat(parts) for parts in zip(*self.parts))
        task = self.task
        step = last.new_tensor(task.knows["step"])
        widths = [scale * task.model.width(level).cpu() for level in LEVELS]
        return {"predicted": task._values(last + step * median), "wanted": task._values(last + step * change), "naive": task._values(last),
                "intervals": [tuple(task._values(last + step * (median + sign * width)) for sign in (-1, 1)) for width in widths]}

    def result(self):
        median, scale, change, _ = (torch.cat(parts) for parts in zip(*self.parts))
        model = self.task.model
        # kept with the weights that had these errors
        model.calibrate(((change - median).abs() / scale).to(model.errors))
        one = self.forecasts()
        return {"mase": measures.forecasting(one["predicted"], one["wanted"], self.task._scale)["mase"]}


def _spread(y: np.ndarray) -> list[float]:
    return np.maximum(y.std(0), 1e-12).tolist()
