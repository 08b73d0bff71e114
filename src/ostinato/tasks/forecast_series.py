"""Private: the series that a forecaster reads, and the inputs of its networks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import torch

from ..data.clock import calendar_features, date_after
from ..data.dates import dates_of
from ..data.disk import LazySequence, StoredArray, chunked, concatenated
from ..data.examples import Examples
from ..errors import InputError
from .metadata import ForecastMetadata, SeriesRecord

__all__ = ["SeriesReader", "SeriesSteps", "SeriesSpan", "learned_values", "spans_of"]

# Steps of a series in memory at a time.
BLOCK_STEPS = 4096
# Maximum gap in steps between the training series and data that continues it.
GAP = 5


@dataclass(frozen=True)
class SeriesSpan:
    """The rows of one series among examples.

    Attributes:
        name: The name of the series; None for a single series without a name.
        start, stop: The rows with values.
        future: The end of the rows after these that have known columns but no values.
    """

    name: str | None
    start: int
    stop: int
    future: int


def spans_of(examples: Examples) -> list[SeriesSpan]:
    """The series among examples, in order."""
    names, count = examples.columns.get("series"), len(examples)
    values: Any = examples["values"]
    starts = [0]
    if names is not None:
        starts += [k for k in range(1, count) if names[k] != names[k - 1]]
    found = []
    for start, end in zip(starts, [*starts[1:], count]):
        stop = end
        while stop > start and np.isnan(np.array(values[stop - 1])).all():
            stop -= 1
        found.append(SeriesSpan(None if names is None else names[start], start, stop, end))
    return found


@dataclass(frozen=True)
class SeriesSteps:
    """One series as numbers, after the past that it follows.

    Attributes:
        record: Its scales, and the end of its training part.
        place: Its number among the training series.
        y: The transformed values, (T, F): an array or a stored array.
        dates: The dates, (T,), likewise; None without dates.
        known: The known columns, scaled, of all steps and of the future rows: (T + more, K).
        first: The number of the first step of the examples; the steps before it are the past.
    """

    record: SeriesRecord
    place: int
    y: Any
    dates: Any
    known: np.ndarray
    first: int

    def latest(self, count: int) -> "SeriesSteps":
        """The last steps of the series."""
        start = max(0, len(self.y) - count)
        return SeriesSteps(
            self.record,
            self.place,
            self.y[start:],
            None if self.dates is None else self.dates[start:],
            self.known[start:],
            max(0, self.first - start),
        )


class SeriesReader:
    """Turns examples into series and inputs.

    Args:
        metadata: The scales and sizes of the model.
    """

    def __init__(self, metadata: ForecastMetadata):
        self.metadata = metadata

    # ------------------------------------------------------------ series

    def series(self, examples: Examples, *, follow: bool = True) -> list[SeriesSteps]:
        """The series of examples, each after the past that it follows.

        Args:
            examples: The examples; with the entry "past" in `about`, examples that they follow;
                with the entry "follow" False, as below.
            follow: Put the past before a series.
        """
        follow = follow and examples.about.get("follow", True)
        past: Any = examples.about.get("past") if follow else None
        rows: Any = examples["values"]
        before = {span.name: span for span in spans_of(past)} if past is not None else {}
        found = []
        for span in spans_of(examples):
            place = self._place(span.name, examples.source)
            record = self.metadata.series[place]
            y = StoredArray(np.float64, (len(self.metadata.names),))
            for some in chunked(rows[span.start : span.stop]):
                y.extend(learned_values(np.array(some), self.metadata.power, examples.source))
            dates = None
            if self.metadata.clock is not None and examples["time"] is not None:
                dates = self._dates_of(examples, span)
            known = self._known(examples, span)
            if not follow:
                found.append(SeriesSteps(record, place, y, dates, known, 0))
                continue
            if span.name in before:
                start, stop = before[span.name].start, before[span.name].stop
                start = max(start, stop - self.metadata.kept)
                values, time = past["values"][start:stop], past["time"]
                time = None if time is None else time[start:stop]
                earlier = self._known(past, SeriesSpan(span.name, start, stop, stop))
            else:
                values, time = record.past.values, record.past.time
                earlier = self._scaled(record.past.known, len(values))
            found.append(
                self._joined(
                    SeriesSteps(record, place, y, dates, known, 0),
                    np.array(values),
                    time,
                    earlier,
                    examples.source,
                )
            )
        return found

    def _joined(self, one: SeriesSteps, values, time, known, source: str) -> SeriesSteps:
        """A series after its past: values (N, F), times and known columns (N, K)."""
        clock, dates = self.metadata.clock, one.dates
        before = learned_values(values, self.metadata.power, source)
        if clock:
            earlier = self.dates(time, "the training series")
            last = earlier[-1].item()
            if dates is None:
                dates = StoredArray(earlier.dtype)
                dates.extend([date_after(last, clock, k + 1) for k in range(len(one.y))])
            elif not last < dates[0].item() <= date_after(last, clock, GAP):
                return one
            dates = concatenated(earlier, dates)
        return SeriesSteps(
            one.record,
            one.place,
            concatenated(before, one.y),
            dates,
            np.concatenate([known, one.known]),
            len(before),
        )

    def _place(self, name: str | None, source: str) -> int:
        names = [one.name for one in self.metadata.series]
        if name is None and len(names) == 1:
            return 0
        if name not in names:
            shown = ", ".join(map(repr, names[:8])) + (", ..." if len(names) > 8 else "")
            what = "one series without a name" if name is None else f"a series {name!r}"
            raise InputError(
                f"{source} has {what}, and the model was trained on {shown}; give one of these"
            )
        return names.index(name)

    def _known(self, examples: Examples, span: SeriesSpan) -> np.ndarray:
        """The known columns of a span and its future rows, scaled: (N, K)."""
        rows = examples.columns.get("known")
        if self.metadata.known and rows is None:
            raise InputError(
                f"{examples.source} has no known columns, and the model was trained with "
                f"{', '.join(map(repr, self.metadata.known))}; give them for each step"
            )
        if rows is not None:
            rows = rows[span.start : span.future]
        return self._scaled(rows, span.future - span.start)

    def _scaled(self, rows: Sequence | None, count: int) -> np.ndarray:
        if not self.metadata.known or rows is None:
            return np.zeros((count, 0))
        mean, deviation = self.metadata.known_level
        return (np.array([*rows], float).reshape(count, -1) - mean) / np.array(deviation)

    def _dates_of(self, examples: Examples, span: SeriesSpan) -> StoredArray:
        """The dates of a span, (T,); those of a table were parsed when it was read."""
        rows: Any = examples.columns.get("date")
        if rows is None:
            times: Any = examples["time"]
            return self.dates(times[span.start : span.stop], examples.source)
        dates = StoredArray("datetime64[us]")
        for some in chunked(rows[span.start : span.stop]):
            dates.extend(some)
        return dates

    def dates(self, times: Iterable[str], source: str) -> StoredArray:
        """Parsed dates, (T,)."""
        assert self.metadata.clock is not None
        form = self.metadata.clock.format
        dates = StoredArray("datetime64[us]")
        for some in chunked(dates_of(times, form, source)):
            dates.extend(some)
        return dates

    def values(self, y) -> np.ndarray:
        """Values from transformed values."""
        y, power = np.asarray(y), self.metadata.power
        if power == 1:
            return y
        return np.maximum(y, 0) ** (1 / power) if power else np.exp(y)

    # ------------------------------------------------------------ inputs of the networks

    def inputs(self, y: torch.Tensor, features: torch.Tensor, record: SeriesRecord) -> torch.Tensor:
        """Inputs (B, T - reach, I and more).

        Args:
            y: Transformed values, (B, T, F).
            features: The calendar features and known columns of the step after each, (B, T, C + K).
            record: The scales of the series.
        """
        metadata, reach = self.metadata, self.metadata.reach
        now = y[:, reach:]
        change = (y[:, 1:] - y[:, :-1]) / y.new_tensor(record.step)
        changes = [
            change[:, reach - 1 - lag : change.shape[1] - lag]
            for lag in range(max(1, metadata.lags))
        ]
        parts = changes[:1]
        if not metadata.difference:
            mean, deviation = record.level
            parts.append((now - y.new_tensor(mean)) / y.new_tensor(deviation))
        if metadata.season > 1:
            # the value one season before the next step
            start = reach + 1 - metadata.season
            parts.append((y[:, start : start + now.shape[1]] - now) / y.new_tensor(record.gap))
        return torch.cat([*parts, features[:, reach:], *changes[1:]], 2).float()

    def features(
        self, one: SeriesSteps, start: int, stop: int, ahead: Sequence[datetime] = ()
    ) -> torch.Tensor:
        """The calendar features and known columns of the steps from start to stop, (T, C + K).

        Args:
            one: The series.
            start, stop: The steps; stop may lie after the end of the series.
            ahead: The dates after the end.
        """
        features = np.zeros((stop - start, 0))
        if one.dates is not None and self.metadata.calendar:
            dates = [*one.dates[start:stop].tolist(), *ahead]
            features = calendar_features(dates[: stop - start], list(self.metadata.calendar))
        # known columns that end earlier keep their last values
        places = np.minimum(np.arange(start, stop), len(one.known) - 1)
        return torch.from_numpy(np.concatenate([features, one.known[places]], 1))

    def pairs(self, one: SeriesSteps, units: int) -> tuple[StoredArray, StoredArray]:
        """Inputs (N, units), and the changes (N, F) that followed them."""
        reach, y = self.metadata.reach, one.y
        x = StoredArray(np.float32, (units,))
        change = StoredArray(np.float32, (len(self.metadata.names),))
        for start in range(0, len(y) - reach - 1, BLOCK_STEPS):
            stop = min(len(y), start + BLOCK_STEPS + reach + 1)
            some = torch.from_numpy(y[start:stop])
            features = self.features(one, start, stop)[None, 1:]
            x.extend(self.inputs(some[None, :-1], features, one.record)[0])
            change.extend(
                ((some[1:] - some[:-1]) / some.new_tensor(one.record.step))[reach:].float()
            )
        return x, change

    def windows(self, x: StoredArray, change: StoredArray, ends: Sequence[int]) -> LazySequence:
        """Windows that end before each of these steps: inputs (T, I and more), changes (T, F)."""
        reach, window = self.metadata.reach, self.metadata.window

        def window_of(k: int):
            inside = slice(ends[k] - window - reach, ends[k] - reach)
            return torch.from_numpy(x[inside]), torch.from_numpy(change[inside])

        return LazySequence(len(ends), window_of)


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
