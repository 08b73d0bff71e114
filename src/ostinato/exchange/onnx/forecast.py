"""Private: one step of a forecast as an ONNX graph: the network, the other methods, their weighted
mean and its intervals. Numbers are float64, those in the recurrent layers float32.
"""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from .files import AnyTask, OnnxTaskFile, Run, compare
from .modules import (
    DOUBLE,
    FLOAT,
    array,
    cast,
    linear,
    part,
    recurrent,
    squeeze,
    sum_over,
    unsqueeze,
)
from .nodes import Nodes, value_info

if TYPE_CHECKING:
    from ...tasks.forecast_series import SeriesSteps

__all__ = ["check", "files"]


def files(task: AnyTask, *, network_only: bool) -> list[OnnxTaskFile]:
    """The file of a forecaster."""
    metadata, columns = task.metadata, len(task.metadata.names)
    file = OnnxTaskFile(metadata=_metadata(task, network_only))
    ports = file.ports
    ports.add_input("values", np.float64, ["batch", "time", columns])
    if metadata.calendar:
        ports.add_input("calendar", np.float64, ["batch", "time", 2 * len(metadata.calendar)])
    if metadata.known:
        ports.add_input("known", np.float64, ["batch", "time", len(metadata.known)])
    if len(metadata.series) > 1:
        ports.add_input("series", np.int64, ["batch"])
    outputs = ["forecast"] if network_only else ["forecast", "low", "high"]
    ports.reserve(*outputs)
    graph = _ForecastNodes(file.out, task)
    network = graph.network(task.model.final)
    if network_only:
        found = [graph.values(network)]
    else:
        found = graph.combined(network)
    for name, value in zip(outputs, found):
        shape: list[int | str | None] = ["batch", columns]
        if name != "forecast":
            shape.insert(1, 2)
        ports.add_output(name, value, np.float64, shape)
    return [file]


def _metadata(task: AnyTask, network_only: bool) -> dict[str, Any]:
    from ...tasks.forecast import INTERVAL_LEVELS

    metadata = task.metadata
    found = {
        "columns": metadata.names,
        "series": [one.name for one in metadata.series],
        "calendar": metadata.calendar,
        "known": metadata.known,
        "season": metadata.season,
        "least_steps": metadata.need,
        "most_steps": metadata.kept,
        "levels": [*INTERVAL_LEVELS],
    }
    return found | ({"network_only": True} if network_only else {})


class _ForecastNodes:
    """The nodes of a forecast.

    Args:
        out: The graph.
        task: The task.
    """

    def __init__(self, out: Nodes, task: AnyTask):
        self.out, self.task, self.metadata = out, task, task.metadata
        self.y = self._transformed("values")

    # ------------------------------------------------------------ numbers

    def double(self, value: Any, name: str = "number") -> str:
        """A float64 constant."""
        return self.out.constants.add(np.array(value, np.float64), name)

    def of_series(self, values: Any, name: str) -> str:
        """The values (S, ...) of each row's series: (B, ...), or (1, ...) with a single series."""
        table = self.double(values, name)
        if len(self.metadata.series) == 1:
            return table
        return self.out.add("Gather", table, "series", axis=0)

    def add(self, op: str, *values: str) -> str:
        """A node without attributes."""
        return self.out.add(op, *values)

    def between(self, value: str, start: int, stop: int | None) -> str:
        """The steps from start to stop of a value (B, T, ...)."""
        return part(self.out, value, start, stop, 1)

    def exists(self, value: str) -> str:
        """Whether each number is finite."""
        return self.add("Not", self.add("IsNaN", self.add("Sub", value, value)))

    def _transformed(self, values: str) -> str:
        power = self.metadata.power
        if power == 1:
            return values
        return self.add("Pow", values, self.double(power)) if power else self.add("Log", values)

    def values(self, y: str) -> str:
        """Values from transformed values."""
        power = self.metadata.power
        if power == 1:
            return y
        if not power:
            return self.add("Exp", y)
        return self.add("Pow", self.add("Max", y, self.double(0.0)), self.double(1 / power))

    # ------------------------------------------------------------ the network

    def inputs(self) -> str:
        """The inputs of the network for its last steps, (B, window, I and more) float32."""
        metadata = self.metadata
        reach, window = metadata.reach, metadata.window
        y = self.between(self.y, -(window + reach), None)
        step = self.of_series([[one.step] for one in metadata.series], "step")
        change = self.add("Sub", self.between(y, 1, None), self.between(y, 0, -1))
        change = self.add("Div", change, step)
        now = self.between(y, reach, None)
        changes = [
            self.between(change, reach - 1 - lag, reach - 1 - lag + window)
            for lag in range(max(1, metadata.lags))
        ]
        parts = changes[:1]
        if not metadata.difference:
            mean, deviation = (
                self.of_series([[one.level[k]] for one in metadata.series], "level")
                for k in range(2)
            )
            parts.append(self.add("Div", self.add("Sub", now, mean), deviation))
        if metadata.season > 1:
            # the value one season before the next step
            start = reach + 1 - metadata.season
            before = self.between(y, start, start + window)
            gap = self.of_series([[one.gap] for one in metadata.series], "gap")
            parts.append(self.add("Div", self.add("Sub", before, now), gap))
        if metadata.calendar:
            parts.append(self.between("calendar", -window, None))
        if metadata.known:
            mean, deviation = (self.double(one, "known_level") for one in metadata.known_level)
            known = self.between("known", -window, None)
            parts.append(self.add("Div", self.add("Sub", known, mean), deviation))
        every = [*parts, *changes[1:]]
        joined = self.out.add("Concat", *every, axis=2) if len(every) > 1 else every[0]
        return cast(self.out, joined, FLOAT)

    def network(self, network: Any) -> str:
        """The forecast of the network, transformed, (B, F)."""
        out, columns = self.out, len(self.metadata.names)
        x = self.inputs()
        output = recurrent(out, network.recurrent, part(out, x, 0, network.inputs, 2)).output
        readout = linear(out, network.readout, self.between(output, -1, None))
        median = cast(out, part(out, readout, 0, columns, 2), DOUBLE)
        weights, bias = network.regression[:, :-1], network.regression[:, -1]
        regression = out.add(
            "MatMul",
            self.between(x, -1, None),
            out.constants.add(np.ascontiguousarray(array(weights).T), "regression"),
        )
        regression = out.add("Add", regression, out.constants.add(array(bias), "regression"))
        median = self.add("Add", median, cast(out, regression, DOUBLE))
        step = self.of_series([[one.step] for one in self.metadata.series], "step")
        change = self.add("Mul", median, step)
        return squeeze(out, self.add("Add", self.between(self.y, -1, None), change), 1)

    # ------------------------------------------------------------ all methods

    def combined(self, network: str) -> list[str]:
        """The forecast (B, F), and the lower and upper ends of its intervals, (B, 2, F) each."""
        from ...tasks.forecast import INTERVAL_LEVELS
        from ...tasks.forecast_selection import quantile_place

        out, model = self.out, self.task.model
        methods = self.methods()
        # (S, F, M) of one step ahead to (S, M, 1, F)
        weights = model.weights[..., 0].transpose(1, 2)[:, :, None]
        # the forecast after the last step
        last = [unsqueeze(out, self.between(one, -1, None), 1) for one in methods]
        every = out.add("Concat", *last, unsqueeze(out, network, 1, 2), axis=1)
        mean = self._weighted(every, self.of_series(array(weights), "weights"))
        # those before it, and their errors
        before = [unsqueeze(out, self.between(one, 0, -1), 1) for one in methods]
        others = out.add("Concat", *before, axis=1)
        others = self._weighted(others, self.of_series(array(weights[:, :-1]), "weights"))
        size = self._recent_size(others)
        quantiles = [quantile_place(level) for level in INTERVAL_LEVELS]
        widths = model.errors[..., quantiles] * model.scale[..., :1]
        half = self.add("Mul", self.of_series(array(widths.transpose(1, 2)), "widths"), size)
        ends = [self.values(self.add(op, mean, half)) for op in ("Sub", "Add")]
        return [squeeze(out, self.values(mean), 1), *ends]

    def _weighted(self, predicted: str, weights: str) -> str:
        """The weighted mean (B, O, F) of the forecasts (B, M, O, F) that exist; nan where none
        does.
        """
        zero, exist = self.double(0.0), self.exists(predicted)
        share = self.add("Where", exist, weights, zero)
        total = sum_over(self.out, share, 1)
        # zero by zero is nan
        predicted = self.add("Where", exist, predicted, zero)
        return self.add("Div", sum_over(self.out, self.add("Mul", share, predicted), 1), total)

    def _recent_size(self, predicted: str) -> str:
        """The size of the errors of the latest steps, as a multiple of their usual size, (B, 1, F).

        Args:
            predicted: The forecasts of the latest steps, (B, `RECENT_STEPS`, F).
        """
        from ...tasks.forecast_selection import HALF_LIFE, RECENT_STEPS, USUAL_STEPS

        latest = self._latest(self.y, RECENT_STEPS)
        errors = self.add("Abs", self.add("Sub", predicted, latest))
        zero, exist = self.double(0.0), self.exists(errors)
        # the first step has nothing before it
        exist = self.add("And", exist, self._after_first(RECENT_STEPS))
        decay = 0.5 ** (np.arange(RECENT_STEPS)[::-1] / HALF_LIFE)
        share = self.add("Where", exist, self.double(decay[None, :, None], "decay"), zero)
        sums = self.add("Mul", share, self.add("Where", exist, errors, zero))
        usual = self.of_series(array(self.task.model.usual[..., :1].transpose(1, 2)), "usual")
        sums = self.add("Div", sum_over(self.out, sums, 1, keep=True), usual)
        steps = self.double(float(USUAL_STEPS))
        count = sum_over(self.out, share, 1, keep=True)
        return self.add("Div", self.add("Add", sums, steps), self.add("Add", count, steps))

    def _latest(self, value: str, count: int) -> str:
        """The last steps of a value (B, T, F), (B, count, F); nan before its start."""
        shape = self.out.constants.whole(1, count, 1)
        nan = self.out.add("Expand", self.double(np.nan), shape)
        zeros = self.add("Mul", self.between(value, 0, 1), self.double(0.0))
        padded = self.out.add("Concat", self.add("Add", zeros, nan), value, axis=1)
        return self.between(padded, -count, None)

    def _after_first(self, count: int) -> str:
        """Whether each of the last steps has a step before it, (1, count, 1)."""
        steps = self.out.add("Shape", self.y, start=1, end=2)
        place = self.add("Add", steps, self.out.constants.whole(*range(-count, 0)))
        return unsqueeze(self.out, self.add("Greater", place, self.out.constants.whole(0)), 0, 2)

    def methods(self) -> list[str]:
        """Forecasts one step ahead of all methods but the network, from the last `RECENT_STEPS`
        steps and the end: (B, `RECENT_STEPS` + 1, F) each.
        """
        from ...tasks.forecast_candidates import AUTOREGRESSIONS
        from ...tasks.forecast_selection import RECENT_STEPS

        model, season = self.task.model, self.metadata.season
        lags = model.autoregressions.shape[-1] - 1
        # the values before the first of these origins
        past = lags + season + 1
        tail, origins = self._latest(self.y, past + RECENT_STEPS), RECENT_STEPS + 1
        found = [
            self.between(tail, past - 1, past - 1 + origins),
            self.between(tail, past - season, past - season + origins),
            self._smoothed(origins),
        ]
        for k, (change, seasonal) in enumerate(AUTOREGRESSIONS):
            found.append(
                self._autoregression(
                    tail,
                    model.autoregressions[:, :, k],
                    past,
                    origins,
                    change=change,
                    season=season if seasonal else 0,
                )
            )
        return found

    def _autoregression(
        self,
        tail: str,
        weights: Tensor,
        past: int,
        origins: int,
        *,
        change: bool,
        season: int,
    ) -> str:
        """The forecasts of an autoregression (B, origins, F) from values (B, past + origins - 1,
        F).

        Args:
            tail: The values.
            weights: The weights of the lags and the constant, (S, F, lags + 1).
            past: The number of values before the first origin.
            origins: The number of origins.
            change: It predicts changes.
            season: It predicts differences of this many steps; 0 for none.
        """
        out, z = self.out, tail
        if season:
            z = self.add("Sub", self.between(z, season, None), self.between(z, 0, -season))
        if change:
            z = self.add("Sub", self.between(z, 1, None), self.between(z, 0, -1))
        start, lags = past - season - change, weights.shape[-1] - 1
        # (S, F, lags + 1) to (S, 1, lags, F) and (S, 1, F)
        constant = self.of_series(array(weights[:, None, :, -1]), "constant")
        if lags:
            places = start + np.arange(origins)[:, None] - 1 - np.arange(lags)
            known = out.add("Gather", z, out.constants.add(places, "lags"), axis=1)
            turned = array(weights[:, :, :-1].transpose(1, 2)[:, None])
            used = self.of_series(turned, "autoregression")
            product = self.add("Mul", known, used)
            # a lag without weight need not exist
            product = self.add(
                "Where", self.add("Equal", used, self.double(0.0)), self.double(0.0), product
            )
            ahead = self.add("Add", sum_over(out, product, 2), constant)
        else:
            zeros = self.add("Mul", self.between(tail, -origins, None), self.double(0.0))
            ahead = self.add("Add", zeros, constant)
        if change:
            last = self.between(tail, past - 1, past - 1 + origins)
            if season:
                earlier = past - 1 - season
                last = self.add("Sub", last, self.between(tail, earlier, earlier + origins))
            ahead = self.add("Add", ahead, last)
        if season:
            before = self.between(tail, past - season, past - season + origins)
            ahead = self.add("Add", ahead, before)
        return ahead

    # ------------------------------------------------------------ exponential smoothing

    def _smoothed(self, origins: int) -> str:
        """The forecasts of exponential smoothing from the last origins, (B, origins, F)."""
        parameters = [
            self.of_series(array(one), "smoothing") for one in self.task.model.smoothing.unbind(-1)
        ]
        level, slope, shape = self._start(parameters[1], parameters[4])
        predicted = self._smoothing_loop(parameters, [level, slope, shape])
        return self._latest(predicted, origins)

    def _start(self, trend: str, has_season: str) -> tuple[str, str, str]:
        """Before the first value: level and slope (B, F), and season (B, season, F)."""
        out, season, zero = self.out, self.metadata.season, self.double(0.0)
        first = squeeze(out, self.between(self.y, 0, 1), 1)
        none = self.add("Mul", first, zero)
        if season == 1:
            return first, none, unsqueeze(out, none, 1)
        # up to three seasons
        steps = out.add("Shape", self.y, start=1, end=2)
        count = self.add("Div", steps, out.constants.whole(season))
        count = self.add("Min", count, out.constants.whole(3))
        stop = self.add("Mul", count, out.constants.whole(season))
        whole = out.constants.whole
        some = out.add("Slice", self.y, whole(0), stop, whole(1))
        size = whole(len(self.metadata.names))
        shape = out.add("Concat", whole(0), count, whole(season), size, axis=0)
        some = out.add("Reshape", some, shape)
        level = out.add("ReduceMean", some, whole(2), keepdims=0)
        change = self.add(
            "Sub",
            squeeze(out, self.between(level, -1, None), 1),
            squeeze(out, self.between(level, 0, 1), 1),
        )
        seasons = cast(out, self.add("Max", self.add("Sub", count, whole(1)), whole(1)), DOUBLE)
        slope = self.add("Div", change, self.add("Mul", seasons, self.double(float(season))))
        place = self.double((np.arange(season) - (season - 1) / 2)[None, None, :, None], "place")
        line = self.add("Mul", unsqueeze(out, slope, 1, 2), place)
        rest = self.add("Sub", self.add("Sub", some, unsqueeze(out, level, 2)), line)
        rest = out.add("ReduceMean", rest, whole(1), keepdims=0)
        rest = self.add("Sub", rest, out.add("ReduceMean", rest, whole(1), keepdims=1))
        drop = self.add("Mul", slope, self.double((season + 1) / 2))
        start = self.add("Sub", squeeze(out, self.between(level, 0, 1), 1), drop)
        seasonal = self.add("Greater", has_season, zero)
        trended = self.add("And", seasonal, self.add("Greater", trend, zero))
        return (
            self.add("Where", seasonal, start, first),
            self.add("Where", trended, slope, none),
            self.add("Where", unsqueeze(out, seasonal, 1), rest, unsqueeze(out, none, 1)),
        )

    def _smoothing_loop(self, parameters: list[str], start: list[str]) -> str:
        """The forecast of each step and of the one after the last, (B, T + 1, F)."""
        from onnx import helper

        gain, trend, damping, seasonal, _ = parameters
        out, constants, columns = self.out, self.out.constants, len(self.metadata.names)
        drift = self.add("Mul", gain, trend)
        inner, kind = Nodes(constants), np.dtype(np.float64)
        level, slope, shape, value = (constants.unique(n) for n in ("level", "slope", "shape", "y"))
        wide = ["batch", self.metadata.season, columns]
        arguments = [
            value_info(name, kind, wide if name == shape else ["batch", columns])
            for name in (level, slope, shape, value)
        ]

        def next_step(nodes: Nodes, level: str, slope: str, shape: str) -> tuple[str, str, str]:
            """The level, the slope and the forecast of the next step."""
            damped = nodes.add("Mul", damping, slope)
            base = nodes.add("Add", level, damped)
            now = squeeze(nodes, part(nodes, shape, 0, 1, 1), 1)
            return base, damped, nodes.add("Add", base, now)

        base, damped, predicted = next_step(inner, level, slope, shape)
        error = inner.add("Sub", value, predicted)
        first = part(inner, shape, 0, 1, 1)
        moved = unsqueeze(inner, inner.add("Mul", seasonal, error), 1)
        turned = inner.add(
            "Concat", part(inner, shape, 1, None, 1), inner.add("Add", first, moved), axis=1
        )
        results = [
            inner.add("Add", base, inner.add("Mul", gain, error)),
            inner.add("Add", damped, inner.add("Mul", drift, error)),
            turned,
            inner.add("Identity", predicted),
        ]
        ends = [
            value_info(name, kind, wide if name == turned else ["batch", columns])
            for name in results
        ]
        body = helper.make_graph(inner.nodes, "smoothing_step", arguments, ends)
        *states, every = out.add_many(
            "Scan",
            [*start, self.y],
            ["level", "slope", "shape", "smoothed"],
            body=body,
            num_scan_inputs=1,
            scan_input_axes=[1],
            scan_output_axes=[1],
        )
        last = next_step(out, *states)[2]
        return out.add("Concat", every, unsqueeze(out, last, 1), axis=1)


# ---------------------------------------------------------------- the proof


@torch.no_grad()
def check(task: AnyTask, run: Run, *, network_only: bool) -> None:
    """Compare the file with the task on changed ends of the training series."""
    random, metadata = np.random.default_rng(0), task.metadata
    methods, reader = task._methods(), task.reader
    for one in task._readable(task._training_end()):
        y = np.array(one.y[:])
        y = y + 0.3 * np.array(one.record.step) * random.normal(size=y.shape)
        y = np.abs(y) if 0 < metadata.power < 1 else y
        one = replace(one, y=y, dates=None if one.dates is None else one.dates[:])
        for count in {len(y), min(len(y), max(metadata.need, len(y) - 3))}:
            some = one.latest(count)
            end = np.array([count])
            network = task._walk(methods.network, some, end, 1)
            feeds = _feeds(task, some)
            found = run("", feeds)
            if network_only:
                wanted = {"forecast": reader.values(network[:, 0])}
            else:
                point, low, high = task._forecasts(methods, some, end, 1, network)
                wanted = {
                    "forecast": point[:, 0],
                    "low": low[:, :, 0].swapaxes(0, 1),
                    "high": high[:, :, 0].swapaxes(0, 1),
                }
            for name, value in wanted.items():
                compare(name, found[name], value)


def _feeds(task: AnyTask, one: "SeriesSteps") -> dict[str, np.ndarray]:
    """The inputs of the file for a series."""
    metadata, count = task.metadata, len(one.y)
    feeds: dict[str, np.ndarray] = {"values": task.reader.values(np.array(one.y))[None]}
    features = task.reader.features(one, 1, count + 1, task._ahead_of(one, 1)).numpy()[None]
    waves = 2 * len(metadata.calendar)
    if metadata.calendar:
        feeds["calendar"] = features[..., :waves]
    if metadata.known:
        mean, deviation = (np.array(each) for each in metadata.known_level)
        feeds["known"] = mean + deviation * features[..., waves:]
    if len(metadata.series) > 1:
        feeds["series"] = np.array([one.place], np.int64)
    return feeds
