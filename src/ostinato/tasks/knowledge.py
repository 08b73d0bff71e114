"""The knowledge that each task gains from its data and needs to use its model; config.json keeps it
under "knows". Nothing here needs torch.
"""

from dataclasses import dataclass
from typing import Annotated, Literal

from ..data.records import (
    Columns,
    Count,
    Distinct,
    Length,
    Positive,
    Range,
    check_sizes,
)
from ..data.time_series import Clock
from ..errors import InputError

Letters = Annotated[list[Annotated[str, Length(1)]], Distinct()]
Labels = Annotated[list[str], Length(2), Distinct()]
# Deviations, by which numbers are divided.
Scales = list[Annotated[float, Range(1e-300, 1e300)]]


@dataclass(frozen=True)
class Knowledge:
    """Of a task that needs nothing but its vocabulary."""


@dataclass(frozen=True)
class SentenceKnowledge(Knowledge):
    """Of a task that writes sentences.

    Attributes:
        columns: Which column or array was taken for what.
    """

    columns: Columns


@dataclass(frozen=True)
class ClipKnowledge(Knowledge):
    """Of a task that reads clips.

    Attributes:
        columns: Which array was taken for what.
        units: F, numbers of a frame.
        mean, scale: (F,), of the frames that were learned from.
        dtype: Of the numbers as they were given.
    """

    columns: Columns
    units: Positive
    mean: list[float]
    scale: Scales
    dtype: str | None = None

    def __post_init__(self):
        check_sizes(self.units, mean=self.mean, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class FrameKnowledge(ClipKnowledge):
    """Of a labeller of frames.

    Attributes:
        labels: All that there are, in the order of their numbers.
        counts: Of each label how many frames have it.
        by_place: The most frequent label at each place of a clip.
    """

    labels: Labels
    counts: list[Positive]
    by_place: Annotated[list[str], Length(1)]

    def __post_init__(self):
        super().__post_init__()
        check_sizes(len(self.labels), counts=self.counts)
        if not set(self.by_place) <= set(self.labels):
            raise InputError("'by_place' has a label that is not one of 'labels'")


@dataclass(frozen=True)
class Unlabelled:
    """The texts without labels that a classifier learned from: how many, their columns and their
    digest.
    """

    texts: Count
    columns: Columns
    digest: str


@dataclass(frozen=True)
class ClassifyKnowledge(Knowledge):
    """Of a classifier.

    Attributes:
        labels: All that there are, in the order of their numbers.
        counts: Of each label how many rows have it.
        columns: Which column or array was taken for what.
        units: F, numbers of a step; None where the input is text.
        mean, scale: (F,), of the steps that were learned from; None where the input is text.
        dtype: Of the numbers as they were given; None where the input is text.
        letters: Those that words are read by, in the order of their numbers; None where they are
            not.
        unlabelled: The texts without labels, where there were any.
    """

    labels: Labels
    counts: list[Positive]
    columns: Columns
    units: Positive | None
    mean: list[float] | None = None
    scale: Scales | None = None
    dtype: str | None = None
    letters: Letters | None = None
    unlabelled: Unlabelled | None = None

    def __post_init__(self):
        check_sizes(len(self.labels), counts=self.counts)
        if self.units is not None:
            check_sizes(self.units, mean=self.mean or [], scale=self.scale or [])
        if (self.units is None) != (self.mean is None and self.scale is None) or (
            self.units is not None and self.letters is not None
        ):
            raise InputError(
                "'units', 'mean' and 'scale' are of a model of numbers, 'letters' of a model of "
                "texts; it has some of both"
            )


@dataclass(frozen=True)
class TagKnowledge(Knowledge):
    """Of a tagger.

    Attributes:
        tags: All that there are, in the order of their numbers.
        counts: Of each tag how many words have it.
        columns: Which column was taken for what.
        embedded: How many words have units of their own, with the special ones.
        letters: Those that words are read by, in the order of their numbers.
    """

    tags: Labels
    counts: list[Positive]
    columns: Columns
    embedded: Positive
    letters: Letters

    def __post_init__(self):
        check_sizes(len(self.tags), counts=self.counts)


@dataclass(frozen=True)
class Past:
    """The end of the training series: its values (N, F), and their times where they have dates."""

    values: Annotated[list[list[float]], Length(1)]
    time: list[str] | None


@dataclass(frozen=True)
class ForecastKnowledge(Knowledge):
    """Of a forecaster, of F columns.

    Attributes:
        power: Which power of the values is learned; 0 stands for their logarithms.
        names: Of the columns.
        difference, season, lags, window: As the options of these names.
        reach: Steps before a window that its inputs are made from.
        clock: How dates go on, where the series has dates.
        calendar: The cycles whose places are inputs.
        step: (F,), the usual change from step to step.
        level: The mean and the deviation of the values, (F,) each.
        naive: (F,), the error of the naive forecast.
        gap: (F,), the usual distance of values that are a season apart, where there is a season.
        past: What the next values are forecast from.
        windows: How many windows were learned from.
    """

    power: Annotated[float, Range(0, 1)]
    names: Annotated[list[str], Length(1), Distinct()]
    difference: bool
    season: Annotated[int, Range(1, 100_000)]
    lags: Annotated[int, Range(0, 10_000)]
    reach: Positive
    window: Annotated[int, Range(2, 100_000)]
    clock: Clock | None
    calendar: Annotated[list[Literal["year", "week", "day"]], Distinct()]
    step: Scales
    level: Annotated[list[list[float]], Length(2, 2)]
    naive: list[Annotated[float, Range(0, 1e300)]]
    gap: Scales | None
    past: Past
    windows: Count = 0

    def __post_init__(self):
        columns = len(self.names)
        check_sizes(
            columns,
            step=self.step,
            naive=self.naive,
            **{f"level[{k}]": one for k, one in enumerate(self.level)},
            **({"gap": self.gap or []} if self.season > 1 else {}),
            **{f"past.values[{k}]": row for k, row in enumerate(self.past.values)},
        )
        if not all(scale > 0 for scale in self.level[1]):
            raise InputError("'level' has a deviation that is not above 0")
        if len(self.past.values) != self.window + self.reach:
            raise InputError(
                f"'past.values' has {len(self.past.values)} steps; it should have "
                f"{self.window + self.reach}, 'window' and 'reach'"
            )
        if self.reach != max(1, self.season - 1, self.lags):
            raise InputError(
                f"'reach' is {self.reach}; with this 'season' and 'lags' it should be "
                f"{max(1, self.season - 1, self.lags)}"
            )
        if (self.clock is None) != (self.past.time is None) or (
            self.clock is None and self.calendar
        ):
            raise InputError(
                "'clock', 'calendar' and 'past.time' are of a series with dates; it has some of "
                "them and not the others"
            )
        if self.past.time is not None:
            check_sizes(len(self.past.values), **{"past.time": self.past.time})


# Of each task, by its name on the command line.
KNOWLEDGE: dict[str, type[Knowledge]] = {
    "classify": ClassifyKnowledge,
    "tag": TagKnowledge,
    "frames": FrameKnowledge,
    "forecast": ForecastKnowledge,
    "translate": SentenceKnowledge,
    "transcribe": ClipKnowledge,
    "generate": Knowledge,
    "caption": SentenceKnowledge,
}
