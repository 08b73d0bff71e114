"""Many to many, not aligned, from frames: the sentence that a clip says."""

from pathlib import Path

import numpy as np

from ..data.batching import padded
from ..data.examples import Examples, pair_of
from ..data.text import compose
from ..errors import InputError
from ..training.report import MAX_TOKENS
from .frames import given_clips, normalised, scales
from .metadata import ClipMetadata
from .options import TranscribeOptions
from .sentences import SentenceTask
from .seq2seq import FramesEncoder


class Transcriber(SentenceTask):
    """Learns to write the sentence that is said, or signed, in a clip.

    Data is an npz file of clips (see `ostinato.data.annotated.read_clips`) with a sentence for each
    (an array of text), or with a word for each frame, of which runs make the sentence;
    `FILE.npz:train` and `:test` are its parts. Or a pair in memory: clips (T, F), and a list of
    sentences. `predict` takes an npz file, a folder of pictures that are frames, or a video.
    Numbers of uint8 are divided by 255, others are used as they are, as those of `Classifier`.

    Args:
        options: Those of `TranscribeOptions`, by name.

    Example:
        >>> from ostinato.tasks import Transcriber
        >>> clips, words = [[[0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]]] * 16, ["no yes",
        ...     "yes no"] * 16
        >>> model = Transcriber(hidden=8, layers=1, embedding=8, tokens="word", epochs=40,
        ...     learning_rate=0.02, dropout=0.0, patience=0)
        >>> model.fit((clips, words)).predict([[[1.0], [0.0], [0.0]]])[0]["text"]
        'yes no'
    """

    name, Options, goal, higher_is_better = (
        "transcribe",
        TranscribeOptions,
        "word_error_rate",
        False,
    )
    line_is = "the path of an npz file, a folder of pictures or a video"

    def given_rows(self, data, labelled):
        clips, sentences = (
            pair_of(data, "clips, and a sentence for each") if labelled else (data, None)
        )
        clips, dtype = given_clips(clips)
        if sentences is not None and len(sentences) != len(clips):
            raise InputError(
                f"{len(clips)} clips and {len(sentences)} sentences; give a sentence for each clip"
            )
        return Examples(
            {
                "x": clips,
                "target": sentences and [compose(str(text)) for text in sentences],
                "name": None,
            },
            source="the given clips",
            dtype=dtype,
        )

    def line(self, text):
        return Path(text.strip())

    def epochs(self, rows):
        return max(20, min(80, 40_000 / rows))

    def prepare(self, learned, every):
        found = super().prepare(learned, every)
        self.metadata = ClipMetadata(every.about, **scales(every, learned, "x"))
        return found

    def encoder(self):
        options = self.options
        return FramesEncoder(
            self.metadata.units,
            embedding=options.hidden,
            hidden=options.hidden,
            layers=options.layers,
            cell=options.cell,
            dropout=options.dropout,
            engine=options.engine,
        )

    def sources(self, examples):
        return normalised(examples, "x", self.metadata)

    def encoder_inputs(self, sources):
        return padded(sources)

    def shown_source(self, x: np.ndarray, name):
        return name or f"{len(x)} frames"

    def attention_parts(self, examples, written, order):
        # of an empty clip or an empty sentence there is nothing to draw
        chosen = [k for k in order[::-1] if written[k].attention.numel()][:3]
        return {
            "attention": [
                _grouped(written[k].attention.numpy(), self.vocabulary.spelled(written[k].tokens))
                for k in chosen
            ]
        }


def _grouped(weights: np.ndarray, pieces: list[str]):
    """A map of so many frames at a time that they can be seen at once: their names, the pieces, and
    the weights (pieces, frames).
    """
    each = -(-weights.shape[1] // MAX_TOKENS)
    starts = range(0, weights.shape[1], each)
    return [str(start + 1) for start in starts], pieces, np.add.reduceat(weights, starts, axis=1)
