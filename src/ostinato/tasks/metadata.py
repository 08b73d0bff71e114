"""Private: metadata that each task derives from its training data and needs to use its model;
config.json stores it under "metadata". Nothing here imports torch.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from ..data.clock import Clock
from ..data.records import (
    Columns,
    Count,
    Distinct,
    Length,
    Positive,
    Range,
    check_sizes,
)
from ..errors import InputError

# Fewest past steps of a series that are stored, if it has as many.
KEPT_STEPS = 256
Letters = Annotated[list[Annotated[str, Length(1)]], Distinct()]
Labels = Annotated[list[str], Length(2), Distinct()]
# Deviations to divide by.
Scales = list[Annotated[float, Range(1e-300, 1e300)]]


@dataclass(frozen=True)
class Metadata:
    """Metadata of a task that needs only its vocabulary."""


@dataclass(frozen=True)
class SentenceMetadata(Metadata):
    """Metadata of a task that writes sentences.

    Attributes:
        columns: The columns or arrays that were used.
    """

    columns: Columns


@dataclass(frozen=True)
class ClipMetadata(Metadata):
    """Metadata of a task that reads clips.

    Attributes:
        columns: The arrays that were used.
        units: F, numbers per frame.
        mean, scale: Mean and scale of the training frames, (F,).
        dtype: The original dtype of the frames.
    """

    columns: Columns
    units: Positive
    mean: list[float]
    scale: Scales
    dtype: str | None = None

    def __post_init__(self):
        check_sizes(self.units, mean=self.mean, scale=self.scale)


@dataclass(frozen=True, kw_only=True)
class FrameMetadata(ClipMetadata):
    """Metadata of a frame tagger.

    Attributes:
        labels: The labels in the order of their numbers.
        counts: The number of frames of each label.
        by_place: The most frequent label at each position of a clip.
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
    """The unlabelled texts that a classifier was pretrained on: their number, columns and
    digest.
    """

    texts: Count
    columns: Columns
    digest: str


@dataclass(frozen=True)
class KernelSizes:
    """Sizes of random convolutional kernels.

    Attributes:
        dilations: The dilations.
        thresholds: The number of thresholds of each kernel.
    """

    dilations: Annotated[list[Annotated[int, Range(1, 10**9)]], Length(1, 32), Distinct()]
    thresholds: Annotated[int, Range(1, 10_000)]


@dataclass(frozen=True)
class ClassifyMetadata(Metadata):
    """Metadata of a classifier.

    Attributes:
        labels: The labels in the order of their numbers.
        counts: The number of rows of each label.
        columns: The columns or arrays that were used.
        units: F, numbers per step; None for text.
        mean, scale: Mean and scale of the training steps, (F,); None for text.
        dtype: The original dtype of the numbers; None for text.
        letters: The characters that represent words, in the order of their numbers; None if words
            are not represented by characters.
        unlabelled: The unlabelled texts, if there were any.
        label_kind: The kind of the labels given to `fit`: text, int, float or bool.
        kernels: Sizes of the random kernels, if there is a linear model of them.
        ngrams: The number of features of each kind of n-gram, if there is a linear model of them.
        rows: The number of rows of the data, if a row may have several labels; None if each has
            one.
        indicators: The labels given to `fit` were an indicator matrix, whose columns are the labels
            in this order.
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
    label_kind: Literal["text", "int", "float", "bool"] = "text"
    kernels: KernelSizes | None = None
    ngrams: Annotated[int, Range(1, 1 << 20)] | None = None
    rows: Positive | None = None
    indicators: bool = False

    def __post_init__(self):
        check_sizes(len(self.labels), counts=self.counts)
        if self.rows is None and self.indicators:
            raise InputError("'indicators' belongs to a model of several labels; 'rows' is missing")
        if self.rows is not None and max(self.counts) > self.rows:
            raise InputError(
                f"'counts' has {max(self.counts)} rows of a label, and there are {self.rows} 'rows'"
            )
        if self.units is not None:
            check_sizes(self.units, mean=self.mean or [], scale=self.scale or [])
        others = (self.kernels,) if self.units is None else (self.letters, self.ngrams)
        if (self.units is None) != (self.mean is None and self.scale is None) or any(
            other is not None for other in others
        ):
            raise InputError(
                "'units', 'mean', 'scale' and 'kernels' belong to a model of numbers, 'letters' "
                "and 'ngrams' to a model of texts; it has some of each"
            )


@dataclass(frozen=True)
class TagMetadata(Metadata):
    """Metadata of a tagger.

    Attributes:
        tags: The tags in the order of their numbers.
        counts: The number of words of each tag.
        columns: The columns that were used.
        embedded: Number of words with an embedding of their own, including special tokens.
        letters: The characters that represent words, in the order of their numbers.
        scheme: How the tags mark spans (`ostinato.data.spans.SCHEMES`); None if they do not.
    """

    tags: Labels
    counts: list[Positive]
    columns: Columns
    embedded: Positive
    letters: Letters
    scheme: Literal["BIOES", "IOB2", "IOB1", "free"] | None = None

    def __post_init__(self):
        check_sizes(len(self.tags), counts=self.counts)


@dataclass(frozen=True)
class Past:
    """The end of a training series.

    Attributes:
        values: The values, (N, F).
        time: Their times, if the series has dates.
        known: The known columns, (N, K), if there are any.
    """

    values: Annotated[list[list[float]], Length(1)]
    time: list[str] | None
    known: list[list[float]] | None = None


@dataclass(frozen=True)
class SeriesRecord:
    """The scales of a series of F columns, and its end.

    Attributes:
        name: Its name, if there are several series.
        step: Mean absolute change from step to step, (F,).
        level: Mean and deviation of the values, (F,) each.
        naive: The error of the naive forecast, (F,).
        gap: The deviation of differences one season apart, (F,), if there is a season.
        past: The steps that the next forecast starts from.
    """

    name: str | None
    step: Scales
    level: Annotated[list[list[float]], Length(2, 2)]
    naive: list[Annotated[float, Range(0, 1e300)]]
    gap: Scales | None
    past: Past

    def __post_init__(self):
        if not all(scale > 0 for scale in self.level[1]):
            raise InputError("'level' has a deviation that is not above 0")
        if self.past.time is not None:
            check_sizes(len(self.past.values), **{"past.time": self.past.time})


@dataclass(frozen=True)
class ForecastMetadata(Metadata):
    """Metadata of a forecaster of F columns.

    Attributes:
        power: The power transform of the values; 0 for the logarithm.
        names: The names of the columns.
        difference, season, lags, window: As the options of these names.
        reach: Number of steps before a window that its inputs are computed from.
        autoregression: Number of lags of the autoregressions.
        compared: Number of steps ahead that the methods are compared at.
        clock: Format and step of the dates, if the series has dates.
        calendar: The calendar cycles that are inputs.
        series: The scales and the end of each series.
        known: The names of the known columns.
        known_level: Mean and deviation of the known columns, (K,) each.
        windows: The number of training windows.
    """

    power: Annotated[float, Range(0, 1)]
    names: Annotated[list[str], Length(1), Distinct()]
    difference: bool
    season: Annotated[int, Range(1, 100_000)]
    lags: Annotated[int, Range(0, 10_000)]
    reach: Positive
    window: Annotated[int, Range(2, 100_000)]
    autoregression: Annotated[int, Range(0, 1000)]
    compared: Annotated[int, Range(1, 1000)]
    clock: Clock | None
    calendar: Annotated[list[Literal["year", "week", "day"]], Distinct()]
    series: Annotated[list[SeriesRecord], Length(1)]
    known: Annotated[list[str], Distinct()] = field(default_factory=list)
    known_level: Annotated[list[list[float]], Length(2, 2)] = field(
        default_factory=lambda: [[], []]
    )
    windows: Count = 0

    @property
    def need(self) -> int:
        """Number of past steps that a forecast reads."""
        return max(self.window + self.reach, self.autoregression + self.season + 1)

    @property
    def kept(self) -> int:
        """Number of past steps that are stored, and read if there are as many."""
        return max(self.need, KEPT_STEPS, 4 * self.season)

    def __post_init__(self):
        columns, known = len(self.names), len(self.known)
        check_sizes(known, **{f"known_level[{k}]": one for k, one in enumerate(self.known_level)})
        if not all(scale > 0 for scale in self.known_level[1]):
            raise InputError("'known_level' has a deviation that is not above 0")
        if self.reach != max(1, self.season - 1, self.lags):
            raise InputError(
                f"'reach' is {self.reach}; with this 'season' and 'lags' it should be "
                f"{max(1, self.season - 1, self.lags)}"
            )
        if self.clock is None and self.calendar:
            raise InputError("'calendar' belongs to a series with dates, and 'clock' is missing")
        if len({one.name for one in self.series}) != len(self.series):
            raise InputError("'series' has two series of the same name")
        for k, one in enumerate(self.series):
            past = one.past
            check_sizes(
                columns,
                **{
                    f"series[{k}].step": one.step,
                    f"series[{k}].naive": one.naive,
                    **{f"series[{k}].level[{j}]": level for j, level in enumerate(one.level)},
                },
                **({f"series[{k}].gap": one.gap or []} if self.season > 1 else {}),
                **{f"series[{k}].past.values[{j}]": row for j, row in enumerate(past.values)},
            )
            if len(past.values) < self.window + self.reach:
                raise InputError(
                    f"'series[{k}].past.values' has {len(past.values)} steps; it should have at "
                    f"least {self.window + self.reach}, 'window' and 'reach'"
                )
            if (self.clock is None) != (past.time is None):
                raise InputError(
                    f"'clock' and 'series[{k}].past.time' belong to a series with dates; one of "
                    "them is missing"
                )
            if bool(known) != (past.known is not None):
                raise InputError(
                    f"'known' and 'series[{k}].past.known' belong together; one of them is missing"
                )
            check_sizes(
                known,
                **{f"series[{k}].past.known[{j}]": row for j, row in enumerate(past.known or [])},
            )
            if past.known is not None:
                check_sizes(len(past.values), **{f"series[{k}].past.known": past.known})


# The metadata class of each task, by its name on the command line.
METADATA: dict[str, type[Metadata]] = {
    "classify": ClassifyMetadata,
    "tag": TagMetadata,
    "frames": FrameMetadata,
    "forecast": ForecastMetadata,
    "translate": SentenceMetadata,
    "transcribe": ClipMetadata,
    "generate": Metadata,
    "caption": SentenceMetadata,
}
