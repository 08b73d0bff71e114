"""Private: a forecaster as C: the network, the other methods and the intervals."""

import struct
from datetime import datetime, timedelta

import numpy as np

from ...data.clock import Clock, date_after
from ...data.dates import write_date
from ...data.examples import Examples
from ...tasks.forecast import INTERVAL_LEVELS, error_growth
from ...tasks.forecast_candidates import AUTOREGRESSIONS, METHODS, SMOOTHING
from ...tasks.forecast_selection import HALF_LIFE, RECENT_STEPS, USUAL_STEPS, quantile_place
from ...tasks.forecast_series import SeriesSteps
from .forecast_code import (
    CALENDAR,
    DRIVER,
    HEADER,
    NETWORK,
    PREDICT,
    SELFTEST,
    STATE,
)
from .forecast_methods import METHOD_CODE
from .parts import AnyTask, CodeListing, Proof, Scratch, TaskCode, filled, numbers_of, recurrent_of

__all__ = ["forecaster_code", "proof"]

EPOCH = datetime(1970, 1, 1)
MICROSECOND = timedelta(microseconds=1)
# Steps that the proof adds to each series before its second forecast.
ADDED_STEPS = 5
# Series of the proof, at most, and steps of the self-test.
PROOF_SERIES, TEST_STEPS = 3, 4
# A sentence about the known columns of the steps ahead.
AHEAD = "\n   known_ahead[steps * NAME_KNOWN] has the known columns of these steps."


def forecaster_code(task: AnyTask, listing: CodeListing) -> TaskCode:
    """A forecaster.

    Args:
        task: The task.
        listing: The source, to which the code is added.
    """
    metadata, network = task.metadata, task.model.final
    layer = listing.layer(recurrent_of(network.recurrent), "layer")
    sizes = _sizes(task)
    columns = sizes["COLUMNS"]
    _add_tables(task, listing)
    # the network's scale of the error is not used
    readout = listing.linear(
        "readout",
        numbers_of(network.readout.weight)[:columns],
        numbers_of(network.readout.bias)[:columns],
    )
    listing.table("regression", numbers_of(network.regression))
    listing.products += columns * sizes["WIDTH"]
    scratch = _scratch(layer.prefix, sizes)
    learned, value = _transforms(metadata.power)
    values = {
        "P": layer.prefix,
        "OUTPUTS": layer.output_size,
        "READOUT": readout.format(x="y", y="median"),
        "SCRATCH": scratch.declared(),
        "HALF_LIFE": float(HALF_LIFE),
        "USUAL": float(USUAL_STEPS),
        "LEARNED": learned,
        "VALUE": value,
        **_parameters(task),
    }
    listing.add("".join(f"#define {name} {value}\n" for name, value in sizes.items()))
    if metadata.clock:
        listing.add(CALENDAR)
    for code in (STATE, NETWORK, METHOD_CODE, PREDICT):
        listing.add(code, **values)
    expected, selftest = _selftest(task)
    doubles = sizes["KEPT"] * columns + sizes["WINDOW"] * sizes["FEATURES"]
    return TaskCode(
        listing,
        macros={
            "COLUMNS": str(columns),
            "SERIES": str(sizes["SERIES"]),
            "KNOWN": str(sizes["KNOWN"]),
            "SCRATCH(steps)": f"({scratch.size})",
        },
        types=listing.filled(f"{layer.state}\n{_types(sizes)}"),
        prototypes=listing.filled(HEADER, **values),
        selftest=selftest,
        expected=expected,
        proof=proof(task),
        state=8 * doubles + 16 + 8 * sizes["DATES"],
        stack=4 * (sizes["WIDTH"] + layer.output_size + columns) + 8 * columns,
        title=_title(task),
    )


def _title(task: AnyTask) -> tuple[str, ...]:
    metadata = task.metadata
    lines = [f"columns: {', '.join(metadata.names)}"]
    if metadata.known:
        lines.append(f"known columns: {', '.join(metadata.known)}")
    names = [one.name for one in metadata.series if one.name is not None]
    if names:
        lines.append("series: " + ", ".join(f"{k} {name}" for k, name in enumerate(names)))
    if metadata.clock:
        lines.append(f"a step is {metadata.clock}")
    return tuple(lines)


def _sizes(task: AnyTask) -> dict[str, int]:
    """The sizes of the model, by the names of their macros in C."""
    metadata, network, clock = task.metadata, task.model.final, task.metadata.clock
    sizes = {
        "COLUMNS": len(metadata.names),
        "SERIES": len(metadata.series),
        "KNOWN": len(metadata.known),
        "DATES": int(clock is not None),
        "CYCLES": len(metadata.calendar),
        "FEATURES": 2 * len(metadata.calendar) + len(metadata.known),
        "LEVELS": int(not metadata.difference),
        "KEPT": metadata.kept,
        "WINDOW": metadata.window,
        "SEASON": metadata.season,
        "LAGS": metadata.lags,
        "ORDER": metadata.autoregression,
        "COMPARED": metadata.compared,
        "WIDTH": network.regression.shape[1] - 1,
        "SMOOTHING": SMOOTHING,
        "METHODS": len(METHODS),
        "RECENT": RECENT_STEPS,
    }
    if clock is None:
        return sizes
    cycles = [("year", "week", "day").index(name) for name in metadata.calendar]
    return sizes | {
        "CYCLE_NUMBERS": ", ".join(map(str, cycles)),
        "STEP_MONTHS": clock.months,
        "STEP_DAY": clock.day,
        "STEP_BUSINESS": int(clock.business),
        "STEP_MICROSECONDS": f"INT64_C({timedelta(seconds=clock.seconds) // MICROSECOND})",
    }


def _types(sizes: dict[str, int]) -> str:
    """The types of the state and of a forecast."""
    date = ["int64_t next; /* the date of the next step */"] if sizes["DATES"] else []
    features = sizes["WINDOW"] * sizes["FEATURES"]
    members = ["int series;", "long count;", *date]
    members.append(f"double values[{sizes['KEPT'] * sizes['COLUMNS']}];")
    members += [f"double features[{features}];"] if features else []
    results = ["int64_t date; /* microseconds since 1970-01-01 */"] if sizes["DATES"] else []
    results += ["double value;", "double low, high; /* 80 % interval */"]
    results += ["double low_95, high_95; /* 95 % interval */"]
    return _struct("NAME_state", members) + _struct("NAME_value", results)


def _struct(name: str, members: list[str]) -> str:
    lines = "\n".join(f"    {member}" for member in members)
    return f"typedef struct {{\n{lines}\n}} {name};\n\n"


def _parameters(task: AnyTask) -> dict[str, str]:
    """The parameters of functions, which depend on dates and known columns."""
    known, dates = bool(task.metadata.known), task.metadata.clock is not None
    return {
        "OF_KNOWN": ", and its known columns, known[NAME_KNOWN]" * known,
        "OF_AHEAD": AHEAD * known,
        "OF_DATE": ": the date of the first one, in microseconds since 1970-01-01" * dates,
        "KNOWN_PARAMETER": ", const double *known" if known else "",
        "AHEAD_PARAMETER": ", const double *known_ahead" if known else "",
        "DATE_PARAMETER": ", int64_t date" if dates else "",
        "NOW": "state->next" if dates else "0",
        "DATE": "date" if dates else "0",
        "KNOWN": "known" if known else "NULL",
        "AHEAD": "known_ahead + k * KNOWN" if known else "NULL",
    }


def _scratch(prefix: str, sizes: dict[str, int]) -> Scratch:
    scratch = Scratch()
    kept, columns = sizes["KEPT"], sizes["COLUMNS"]
    scratch.add("path", "double", f"((steps) + {kept}) * {columns}")
    scratch.add("y", "double", f"(steps) + {kept}")
    scratch.add("z", "double", f"(steps) + {sizes['ORDER'] + 1}")
    scratch.add("shape", "double", str(sizes["SEASON"]))
    scratch.add("ahead", "double", "steps")
    scratch.add("sum", "double", "steps")
    scratch.add("share", "double", "steps")
    scratch.add("recent", "double", "steps")
    scratch.add("known_share", "double", "steps")
    scratch.add("features", "double", f"((steps) + {sizes['WINDOW']}) * {sizes['FEATURES']} + 1")
    scratch.add("layer", f"{prefix}_state", "1")
    return scratch


# ---------------------------------------------------------------- tables


def _places(task: AnyTask) -> list[tuple[int, int]]:
    """Each series and column."""
    return list(np.ndindex(len(task.metadata.series), len(task.metadata.names)))


def _add_tables(task: AnyTask, listing: CodeListing) -> None:
    metadata, places = task.metadata, _places(task)
    fitted = [task.model.fitted(place, metadata.season) for place in places]
    chosen = [task.model.selection(place) for place in places]
    quantiles = [quantile_place(level) for level in INTERVAL_LEVELS]
    tables = {
        "smoothing": [one.smoothing for one in fitted],
        "autoregressions": [one.autoregressions for one in fitted],
        "method_weights": [one.weights for one in chosen],
        "error_scale": [one.scale for one in chosen],
        "error_growth": [error_growth(one) for one in chosen],
        "interval_errors": [one.errors[quantiles] for one in chosen],
        "usual_error": [one.usual for one in chosen],
        "usual_change": [one.step for one in metadata.series],
        "level_mean": [one.level[0] for one in metadata.series],
        "level_scale": [one.level[1] for one in metadata.series],
    }
    if metadata.season > 1:
        tables["season_scale"] = [one.gap for one in metadata.series]
    if metadata.difference:
        del tables["level_mean"], tables["level_scale"]
    if metadata.known:
        tables["known_mean"], tables["known_scale"] = metadata.known_level
    for name, numbers in tables.items():
        listing.table(name, np.array(numbers, np.float64))
    # the ends of the training series, from which a forecast continues
    starts = task._readable(task._training_end())
    listing.table("start_count", [len(one.y) for one in starts], np.int32)
    listing.table("start_place", np.cumsum([0, *(one.y[:].size for one in starts)])[:-1], np.int32)
    listing.table("start_values", np.concatenate([one.y[:].ravel() for one in starts]))
    listing.table("least_count", [task._least(one) for one in starts], np.int32)
    seasonal = [int(one) for _, one in AUTOREGRESSIONS]
    listing.table("autoregression_seasonal", seasonal, np.int32)
    listing.table("autoregression_change", [int(one) for one, _ in AUTOREGRESSIONS], np.int32)
    if metadata.calendar or metadata.known:
        rows = [
            task.reader.features(one, len(one.y) - metadata.window, len(one.y)) for one in starts
        ]
        listing.table("start_features", np.concatenate([numbers_of(row).ravel() for row in rows]))
    if metadata.clock:
        listing.table("start_date", [_after(one, metadata.clock) for one in starts], np.int64)


def _after(one: SeriesSteps, clock: Clock) -> int:
    """The date after a series, in microseconds since 1970."""
    return (date_after(one.dates[-1].item(), clock, 1) - EPOCH) // MICROSECOND


# ---------------------------------------------------------------- the proof


def _transforms(power: float) -> tuple[str, str]:
    """C code of the power transform, and of its inverse."""
    if power == 1:
        return "", "y"
    if power:
        check = "if (value < 0.0)\n            return -1;\n        "
        return f"{check}value = pow(value, {power!r});", f"pow(y < 0.0 ? 0.0 : y, {1 / power!r})"
    return "if (value <= 0.0)\n            return -1;\n        value = log(value);", "exp(y)"


def _selftest(task: AnyTask) -> tuple[dict[str, np.ndarray], str]:
    """The tables and the statements of the self-test: a forecast from the end of a series."""
    steps = min(TEST_STEPS, task.options.horizon)
    run = _ForecastRun(task, 0, 0, steps)
    wanted = run.results()[:, 0]
    known = ", ".join(repr(float(number)) for number in run.ahead.ravel())
    statements = filled(
        SELFTEST,
        STEPS=steps,
        KNOWN=f"static const double known[] = {{{known}}};" if known else "",
        ARGUMENT=", known" if known else "",
        TOLERANCE=f"{1e-4 * max(1.0, float(np.abs(wanted).max())):.9g}f",
    )
    return {"test_wanted": wanted}, statements


def proof(task: AnyTask) -> Proof:
    """Forecasts from the end of each series, and after further steps."""
    compared = task.metadata.compared
    runs = [
        _ForecastRun(task, place, added, steps)
        for place in range(min(PROOF_SERIES, len(task.metadata.series)))
        for added, steps in ((0, task.options.horizon), (ADDED_STEPS, 2 * compared + 1))
    ]
    known = bool(task.metadata.known)
    driver = filled(
        DRIVER,
        ADDED=", known" if known else "",
        ARGUMENT=", ahead" if known else "",
    )
    given = struct.pack("<I", len(runs)) + b"".join(run.given() for run in runs)
    columns = len(task.metadata.names)
    wanted, units = dict[str, np.ndarray](), dict[str, np.ndarray]()
    for number, run in enumerate(runs, 1):
        name, results = f"forecasts of run {number}", run.results()
        wanted[name] = results
        # columns may have different units
        largest = np.abs(results.reshape(run.steps, columns, -1)).max((0, 2))
        units[name] = np.repeat(np.tile(largest, run.steps), results.shape[1])
    return Proof(driver, given, wanted, units)


class _ForecastRun:
    """A forecast of the proof, after some steps that are added to a series.

    Args:
        task: The task.
        place: The number of the series.
        added: The number of steps that are added.
        steps: The number of steps to forecast.
    """

    def __init__(self, task: AnyTask, place: int, added: int, steps: int):
        self.task, self.place, self.steps = task, place, steps
        past = task.metadata.series[place].past
        # steps of the past once more are like those of the series
        self.values = np.array(past.values, float)[:added]
        known = np.array(past.known or np.zeros((1, 0)), float)
        whole = np.resize(known, (added + steps, known.shape[1]))
        self.known, self.ahead = whole[:added], whole[added:]

    def given(self) -> bytes:
        """The inputs of the C program."""
        rows = np.concatenate([self.values, self.known], 1)
        head = struct.pack("<III", self.place, len(rows), self.steps)
        return head + rows.astype(np.float64).tobytes() + self.ahead.tobytes()

    def results(self) -> np.ndarray:
        """The results of the task: value, low, high, low_95 and high_95 of each step and column."""
        names = ("value", "low", "high", "low_95", "high_95")
        answers = self.task._answers(self._examples(), self.steps)
        name = self.task.metadata.series[self.place].name
        mine = [one for one in answers if one.get("series") == name]
        return np.array([[one[key] for key in names] for one in mine])

    def _examples(self) -> Examples:
        """The rows that the task reads: those of the past, and the added ones."""
        task, clock = self.task, self.task.metadata.clock
        record, known = task.metadata.series[self.place], bool(task.metadata.known)
        columns = len(task.metadata.names)
        values = [*np.array(record.past.values), *self.values]
        rows = [*(record.past.known or []), *self.known.tolist()] if known else None
        times = None
        if clock:
            last = task.reader.dates(record.past.time[-1:], "")[0].item()
            ahead = [date_after(last, clock, k + 1) for k in range(len(self.values) + self.steps)]
            times = [*record.past.time, *(write_date(date, clock.format) for date in ahead)]
            times = times[: len(values) + self.steps * known]
        if known:
            values += [np.full(columns, np.nan)] * self.steps
            rows = [*(rows or ()), *self.ahead.tolist()]
        return Examples(
            {
                "values": values,
                "time": times,
                "series": None if record.name is None else [record.name] * len(values),
                "known": rows,
            },
            source="the series",
            about={"follow": False},
        )
