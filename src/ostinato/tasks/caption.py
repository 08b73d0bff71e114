"""One to many: captions for pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from ..data.disk import LazySequence
from ..data.examples import Examples, pair_of
from ..data.media import square
from ..data.text import compose
from ..errors import InputError
from .options import CaptionOptions
from .sentences import SentenceTask
from .seq2seq import PictureEncoder

__all__ = ["Captioner"]

# Enlargement factor of pictures in the report.
ENLARGED = 4
# Number of pictures compared at a time.
COMPARED = 256


class Captioner(SentenceTask):
    """Writes captions for pictures, which are resized to 32 x 32.

    Data is a table of picture files and captions, an npz file (see
    `ostinato.data.annotated.read_pictures`), or a pair in memory: pictures (H, W, 3) uint8 and a
    list of captions. `predict` takes a picture, a folder of pictures, or data in a training format.

    Args:
        options: The options of `CaptionOptions`, by name.

    Example:
        >>> import numpy as np
        >>> from ostinato.tasks import Captioner
        >>> low, high = np.full((2, 32, 32, 3), 255, np.uint8)
        >>> low[20:28, 12:20] = high[4:12, 12:20] = [200, 0, 0]
        >>> model = Captioner(hidden=8, embedding=8, epochs=40, batch=8, learning_rate=0.02,
        ...     dropout=0.0, patience=0)
        >>> model = model.fit(([low, high] * 16, ["a red square below", "a red square above"] * 16))
        >>> model.predict([high])[0]
        'a red square above'
    """

    name, Options, goal, higher_is_better = "caption", CaptionOptions, "chrf", True
    line_is = "the path of a picture or a folder of pictures"

    def given_rows(self, data, labelled):
        pictures, captions = (
            pair_of(data, "pictures, and a caption for each") if labelled else (data, None)
        )
        pictures = [_picture(picture, number) for number, picture in enumerate(pictures, 1)]
        if captions is not None and len(captions) != len(pictures):
            raise InputError(
                f"{len(pictures)} pictures and {len(captions)} captions; give a caption for each "
                "picture"
            )
        return Examples(
            {
                "x": pictures,
                "target": captions and [compose(str(text)) for text in captions],
                "name": None,
            },
            source="the given pictures",
        )

    def line(self, text):
        return Path(text.strip())

    def epochs(self, rows):
        return max(10, min(60, 120_000 / rows))

    def encoder(self):
        return PictureEncoder(units=self.options.hidden, dropout=self.options.dropout)

    def sources(self, examples):
        return examples["x"]

    def encoder_inputs(self, sources):
        return (torch.from_numpy(np.stack(sources)),)

    def positions(self, source):
        return PictureEncoder.PLACES

    def shown_source(self, x, name):
        return name or "a picture"

    def problem(self, learned, measured):
        # the report evaluates the caption of the most similar of these pictures as a baseline
        self._learned = learned
        return super().problem(learned, measured)

    def report_parts(self, examples):
        places = _nearest(examples["x"], self._learned["x"])
        nearest = LazySequence(len(places), lambda k: self._learned["target"][places[k]])
        return super().report_parts(examples) | {
            "baselines": {
                "the caption of the most similar training picture": self.sentence_metrics(
                    nearest, examples["target"]
                )
            },
        }

    def attention_parts(self, examples, written, order):
        chosen = [*order[::-1][:2], *order[:1]]
        rows = []
        for k in chosen:
            picture, sentence = examples["x"][k], self.vocabulary.decode(written[k].tokens)
            said = "{} (target: {})", sentence, examples["target"][k]
            tiles = [(_enlarged(picture), said)]
            for token, weights in zip(
                self.vocabulary.spelled(written[k].tokens)[:16], written[k].attention.numpy()
            ):
                places = round(len(weights) ** 0.5)
                light = np.kron(
                    (weights / weights.max()).reshape(places, places),
                    np.ones((PictureEncoder.SIZE // places,) * 2),
                )
                tiles.append(
                    (_enlarged((picture * (0.2 + 0.8 * light[..., None])).astype(np.uint8)), token)
                )
            rows.append(tiles)
        return {"pictures": rows}


def _picture(given, number: int) -> np.ndarray:
    picture = np.asarray(given)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3 or not picture.size:
        raise InputError(
            f"picture {number} has dtype {picture.dtype} and shape {picture.shape}; give (H, W, 3) "
            "uint8: red, green and blue, 0 to 255"
        )
    return square(picture, PictureEncoder.SIZE)


def _enlarged(picture: np.ndarray) -> np.ndarray:
    return picture.repeat(ENLARGED, 0).repeat(ENLARGED, 1)


def _nearest(pictures: Sequence[np.ndarray], learned: Sequence[np.ndarray]) -> list[int]:
    """For each picture, the number of the training picture with the smallest pixel distance."""
    found = []
    for start in range(0, len(pictures), COMPARED):
        ours, best = _pixels(pictures[start : start + COMPARED]), None
        for first in range(0, len(learned), COMPARED):
            distance, place = torch.cdist(ours, _pixels(learned[first : first + COMPARED])).min(1)
            if best is None:
                best = distance, place
            else:
                nearer = distance < best[0]
                best = (
                    torch.where(nearer, distance, best[0]),
                    torch.where(nearer, first + place, best[1]),
                )
        found += best[1].tolist()
    return found


def _pixels(pictures: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.stack(pictures)).flatten(1).float()
