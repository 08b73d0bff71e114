"""Many to many, aligned: a label for each frame of a clip."""

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..data.batching import mean_and_scale, padded
from ..data.disk import LazySequence, select
from ..data.examples import Examples, pair_of
from ..data.values import PIXELS_DTYPE, as_trained, dtype_of, label_numbers, label_of, sequence_of
from ..errors import InputError
from ..nn.lengths import within
from .layer import layer_of
from .metadata import ClipMetadata, FrameMetadata
from .options import FrameOptions
from .scores import Scores
from .tag import filled, rows_of, split_filled, stepwise_loss
from .task import Inside, Task

__all__ = ["FrameModel", "FrameTagger"]


class FrameModel(nn.Module):
    """Predicts a score for each label of each frame.

    Args:
        inputs: F numbers per frame.
        labels: C.
        options: Sizes and rates.
    """

    def __init__(self, inputs: int, labels: int, options: FrameOptions):
        super().__init__()
        self.recurrent, units = layer_of(options, inputs, bidirectional=options.bidirectional)
        self.dropout = nn.Dropout(options.dropout)
        self.readout = nn.Linear(units, labels)

    def forward(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Scores (N, C) of all frames of x (B, T, F), clip by clip."""
        output, _ = self.recurrent(x, lengths=lengths)
        return self.readout(self.dropout(output[within(lengths, output.shape[1])]))


class FrameTagger(Task):
    """Predicts a label for each frame of a clip.

    Data is an npz file with `x` (clips, frames, numbers) and an array with a label per frame (see
    `ostinato.data.annotated.read_clips`); "clips.npz:train" uses the clips listed in the array
    `train`. In memory it is a pair: a list of arrays (T, F), and a list of labels for each.
    `predict` also takes a folder of pictures (the frames of one clip) or a video. Numbers are
    scaled as in `Classifier`.

    Args:
        options: The options of `FrameOptions`, by name.

    Example:
        >>> from ostinato.tasks import FrameTagger
        >>> clips = [[[0.], [0.], [1.], [1.]], [[1.], [1.], [0.], [0.]]] * 8
        >>> labels = [["off", "off", "on", "on"], ["on", "on", "off", "off"]] * 8
        >>> model = FrameTagger(hidden=8, epochs=20, patience=0, learning_rate=0.02).fit((clips,
        ...     labels))
        >>> model.predict([[[1.], [0.], [0.]]])
        [['on', 'off', 'off']]
    """

    name, Options, goal, higher_is_better = "frames", FrameOptions, "accuracy", True
    line_is = "the path of an npz file, a folder of pictures or a video"

    def given_rows(self, data, labelled):
        clips, labels = (
            pair_of(data, "clips, and a list of labels for each") if labelled else (data, None)
        )
        clips, dtype = given_clips(clips)
        if labels is not None:
            labels = [
                [label_of(label, f"a label of clip {number}") for label in row]
                for number, row in enumerate(labels, 1)
            ]
            if len(labels) != len(clips):
                raise InputError(
                    f"{len(clips)} clips and {len(labels)} rows of labels; give a row of labels "
                    "for each clip"
                )
            for number, (clip, row) in enumerate(zip(clips, labels), 1):
                if len(clip) != len(row):
                    raise InputError(
                        f"clip {number} has {len(clip)} frames and {len(row)} labels; give a label "
                        "for each frame"
                    )
        return Examples(
            {"clips": clips, "labels": labels, "names": None}, source="the given clips", dtype=dtype
        )

    def line(self, text):
        return Path(text.strip())

    def shown(self, answer):
        return " ".join(
            f"{label}×{len(list(run))}" for label, run in itertools.groupby(answer["labels"])
        )

    def epochs(self, rows):
        return max(10, min(40, 20_000 / rows))

    def split(self, every):
        return split_filled(self, every, "clips")

    def prepare(self, learned, every):
        counts = Counter(label for row in every["labels"] for label in row)
        names = sorted(counts)
        if len(names) < 2:
            raise InputError(
                f"{every.source}: all frames have the label {names[0]!r}; two labels or more are "
                "needed"
            )
        self.metadata = FrameMetadata(
            labels=names,
            counts=[counts[name] for name in names],
            columns=every.about,
            # a baseline that does not look at the frames, also used by the report
            by_place=[place.most_common(1)[0][0] for place in _places(learned["labels"])],
            **scales(every, learned, "clips"),
        )
        return {}

    def build(self):
        return FrameModel(self.metadata.units, len(self.metadata.labels), self.options)

    def encode(self, examples):
        given = itertools.chain.from_iterable(examples["labels"] or ())
        numbers = label_numbers(self.metadata.labels, given, examples.source)
        clips = normalised(examples, "clips", self.metadata)

        def row_of(k: int):
            frames = clips[k]
            # -1: a label that did not occur in training, or is not known
            labels = (
                [-1] * len(frames)
                if examples["labels"] is None
                else [numbers.get(label, -1) for label in examples["labels"][k]]
            )
            return frames, np.array(labels, np.int64)

        return LazySequence(len(examples), row_of)

    def collate(self, rows):
        return *padded([clip for clip, _ in rows]), torch.from_numpy(
            np.concatenate([labels for _, labels in rows])
        )

    def scores(self, batch) -> torch.Tensor:
        """Scores (N, C) of the frames of a batch, clip by clip."""
        return self.model(*batch[:2])

    def loss(self, batch):
        return self.scores_and_loss(batch)[1]

    def scores_and_loss(self, batch) -> tuple[torch.Tensor, tuple[torch.Tensor, int]]:
        """The results of `scores` and `loss`, from one call of the model."""
        scores = self.scores(batch)
        return scores, stepwise_loss(scores, batch[-1], self.options.label_smoothing)

    def evaluator(self):
        return Scores(self)

    def compute_metrics(self, examples):
        return Scores.of(self, self.encode(examples)).result()

    def answers(self, examples):
        scores, lengths = (
            Scores.of(self, self.encode(examples)),
            [len(clip) for clip in examples["clips"]],
        )
        ends = np.cumsum([0, *lengths]).tolist()
        names = examples["names"] or [None] * len(examples)
        return [
            {"labels": row, "confidence": scores.sure[start:end].round(4).tolist()}
            | ({"clip": name} if name else {})
            for row, start, end, name in zip(self._labels(scores, lengths), ends, ends[1:], names)
        ]

    def _labels(self, scores: Scores, lengths: list[int]) -> LazySequence:
        return rows_of(scores.given, self.metadata.labels, lengths)

    def inside(self, data):
        examples = self.read(data, labelled=False)
        x, lengths, _ = self.collate(self.encode(examples)[:1])
        if not lengths[0]:
            raise InputError("an empty clip has no frames to inspect; give a longer clip")
        with torch.no_grad():
            scores = self.model(x, lengths)
        at = int(torch.softmax(scores, 1).amax(1).argmin())
        names, given = self.metadata.labels, scores.argmax(1).tolist()
        return Inside(
            self.model.recurrent,
            x,
            [names[k] for k in given],
            lambda x: self.model(x[None], lengths)[at, given[at]],
            f"score of {names[given[at]]} at frame {at + 1}, the one with the lowest confidence",
        )

    def report_parts(self, examples):
        places, scores = self.metadata.by_place, Scores.of(self, self.encode(examples))
        lengths, names = (
            [len(clip) for clip in examples["clips"]],
            examples["names"] or [None] * len(examples),
        )
        given = self._labels(scores, lengths)
        right = [
            sum(a == b for a, b in zip(row, wanted)) / max(1, len(row))
            for row, wanted in zip(given, examples["labels"])
        ]

        def row(k: int) -> dict:
            return {
                "clip": names[k] or str(k + 1),
                "accuracy": f"{right[k]:.0%}",
                "frames": lengths[k],
                "true labels": self.shown({"labels": examples["labels"][k]}),
                "predicted": self.shown({"labels": given[k]}),
            }

        order = sorted(range(len(right)), key=right.__getitem__)
        chosen = {
            "Lowest accuracy": order[:10],
            "Highest accuracy": order[::-1][:10],
            "Longest": sorted(range(len(lengths)), key=lambda k: -lengths[k])[:5],
        }
        by_place = sum(
            label == places[min(k, len(places) - 1)]
            for row in examples["labels"]
            for k, label in enumerate(row)
        )
        return {
            "baselines": {
                "the most frequent label at each position of a clip": {
                    "accuracy": by_place / max(1, sum(lengths))
                }
            },
            "labels": dict(zip(self.metadata.labels, self.metadata.counts)),
            "lengths": lengths,
            "length_unit": "frames",
            "confusion": (self.metadata.labels, scores.confusion),
            "examples": {name: [row(k) for k in found] for name, found in chosen.items()},
        } | scores.report_parts(lengths)


# ---------------------------------------------------------------- clips


def given_clips(clips) -> tuple[list[np.ndarray], str | None]:
    """Clips in memory as (T, F) float32 each, and the name of their dtype."""
    read = [sequence_of(clip, f"clip {number}", "frame") for number, clip in enumerate(clips, 1)]
    return [clip for clip, _ in read], dtype_of((dtype for _, dtype in read), "clip")


def scales(every: Examples, learned: Examples, column: str) -> dict:
    """Frame size, dtype, mean and scale of the training clips in a column."""
    clips = learned[column]
    units = next((clip.shape[1] for clip in clips if len(clip)), 0)
    _check_units(every[column], every.source, units, f"another has {units}")
    return {"units": units, "dtype": every.dtype} | mean_and_scale(select(clips, filled(clips)))


def normalised(examples: Examples, column: str, metadata: ClipMetadata) -> LazySequence:
    """The clips of a column, standardised with the means and scales of the training data."""
    _check_units(
        examples[column],
        examples.source,
        metadata.units,
        f"the model was trained on {metadata.units}",
    )
    mean, scale = (np.array(numbers, np.float32) for numbers in (metadata.mean, metadata.scale))
    # numbers from 0 to 1 have means from 0 to 1 and deviations of at most 0.5
    if examples.dtype == PIXELS_DTYPE and not (
        0 <= mean.min() and mean.max() <= 1 and scale.max() <= 0.501
    ):
        raise InputError(
            f"{examples.source}: pixels are read as 0 to 1, and the training frames have other "
            "values; train on uint8, or on frames of `ostinato.data.media.read_video`"
        )
    clips = as_trained(examples[column], examples.dtype, metadata.dtype, examples.source)

    def row_of(k: int) -> np.ndarray:
        clip = clips[k]
        # an empty clip in memory need not have the right frame size
        return ((clip if len(clip) else clip.reshape(0, len(mean))) - mean) / scale

    return LazySequence(len(clips), row_of)


def _check_units(clips: Sequence[np.ndarray], source: str, units: int, wanted: str) -> None:
    """Raise an error if a clip that is not empty has another frame size."""
    for number, clip in enumerate(clips, 1):
        if len(clip) and clip.shape[1] != units:
            raise InputError(
                f"{source}: clip {number} has {clip.shape[1]} numbers per frame, and {wanted}"
            )


def _places(rows: Iterable[list[str]]) -> list[Counter]:
    """Count the labels at each position of a clip."""
    places = []
    for row in rows:
        places += [Counter() for _ in range(len(row) - len(places))]
        for place, label in zip(places, row):
            place[label] += 1
    return places
