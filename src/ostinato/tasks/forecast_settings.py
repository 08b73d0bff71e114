"""Private: settings of a forecaster that are found from its series: season, power, scales."""

from typing import Any

import numpy as np

from ..data.clock import Clock
from ..data.disk import chunked
from ..data.examples import Examples
from ..data.time_series import clock_season, divisor, has_season, power_of, season_of
from ..errors import InputError
from .forecast_series import SeriesSpan
from .metadata import ForecastMetadata, Past, SeriesRecord

__all__ = [
    "check_changing",
    "common_power",
    "common_season",
    "end_of",
    "known_level",
    "series_record",
]


def _column(examples: Examples, name: str) -> Any:
    """A column of examples that is there."""
    return examples[name]


def end_of(learned: Examples, span: SeriesSpan, latest: int) -> np.ndarray:
    """The last values of a series, (T, F)."""
    return np.array(_column(learned, "values")[max(span.start, span.stop - latest) : span.stop])


def common_power(ends: list[np.ndarray]) -> float:
    """The power of most series; 1 if one of them has a value that another power cannot have."""
    powers = [power_of(values) for values in ends]
    power = max(sorted(set(powers)), key=powers.count)
    allowed = all((values > 0).all() if power == 0 else (values >= 0).all() for values in ends)
    return power if allowed else 1.0


def common_season(ys: list[np.ndarray], clock: Clock | None, difference: bool, count: int) -> int:
    """The season of the dates' step if most series have it; else by autocorrelation."""
    season = clock_season(clock) if clock else 1
    if 1 < season <= count // 2 and np.mean([has_season(y, season) for y in ys]) >= 0.5:
        return season
    found = [season_of(y, difference) for y in ys]
    return min(max(sorted(set(found)), key=found.count), max(1, count // 2))


def series_record(
    span: SeriesSpan, y: np.ndarray, every: Examples, latest: int, metadata: ForecastMetadata
) -> SeriesRecord:
    """The scales of a series from the transformed values y of its training part."""
    values = end_of(every, span, latest)
    # the end of the whole series, from which forecasts continue
    season, start = metadata.season, max(span.start, span.stop - metadata.kept)
    return SeriesRecord(
        span.name,
        step=divisor(np.abs(np.diff(y, axis=0)).mean(0), y),
        level=[y.mean(0).tolist(), divisor(y.std(0), y)],
        naive=np.abs(np.diff(values, axis=0)).mean(0).tolist(),
        gap=divisor((y[: 1 - season] - y[season - 1 :]).std(0), y) if season > 1 else None,
        past=Past(
            np.array(_column(every, "values")[start : span.stop]).tolist(),
            list(_column(every, "time")[start : span.stop]) if metadata.clock else None,
            np.array(_column(every, "known")[start : span.stop], float).tolist()
            if metadata.known
            else None,
        ),
    )


def known_level(learned: Examples, spans: list[SeriesSpan], columns: int, latest: int) -> list:
    """Mean and deviation of the known columns."""
    if not columns:
        return [[], []]
    rows = np.concatenate(
        [
            np.array(
                _column(learned, "known")[max(span.start, span.stop - latest) : span.stop], float
            )
            for span in spans
        ]
    )
    return [rows.mean(0).tolist(), divisor(rows.std(0), rows)]


def check_changing(learned: Examples, span: SeriesSpan, names: list[str], source: str) -> None:
    """Raise an error if a column of a series is constant."""
    first, changing = np.array(_column(learned, "values")[span.start]), np.zeros(len(names), bool)
    for some in chunked(_column(learned, "values")[span.start : span.stop]):
        changing |= (np.array(some) != first).any(0)
    for name, value, changes in zip(names, first, changing):
        if not changes:
            what = "" if span.name is None else f" of the series {span.name!r}"
            raise InputError(
                f"{source}: the column {name!r}{what} is {value:g} at all {span.stop - span.start} "
                "training steps; there is nothing to forecast: leave the column out with --columns"
            )
