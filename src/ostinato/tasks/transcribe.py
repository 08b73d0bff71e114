"""Many to many, not aligned: transcribes the frames of a clip into a sentence."""

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

__all__ = ["Transcriber"]


class Transcriber(SentenceTask):
    """Writes the sentence that is spoken or signed in a clip.

    Data is an npz file of clips (see `ostinato.data.annotated.read_clips`) with a sentence per clip
    (an array of text), or with a word per frame, whose runs form the sentence; `FILE.npz:train` and
    `:test` are its parts. In memory it is a pair: clips (T, F) and a list of sentences. `predict`
    takes an npz file, a folder of pictures (the frames of one clip), or a video. Numbers are scaled
    as in `Classifier`.

    Args:
        options: The options of `TranscribeOptions`, by name.

    Example:
        >>> from ostinato.tasks import Transcriber
        >>> clips = [[[0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]]] * 16
        >>> words = ["no yes", "yes no"] * 16
        >>> model = Transcriber(
        ...     hidden=8, layers=1, embedding=8, tokens="word", epochs=40,
        ...     learning_rate=0.02, dropout=0.0, patience=0,
        ... )
        >>> model.fit((clips, words)).predict([[[1.0], [0.0], [0.0]]])[0]
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
        # an empty clip or an empty sentence has no attention to draw
        chosen = [k for k in order[::-1] if written[k].attention.numel()][:3]
        return {
            "attention": [
                _grouped(written[k].attention.numpy(), self.vocabulary.spelled(written[k].tokens))
                for k in chosen
            ]
        }


def _grouped(weights: np.ndarray, tokens: list[str]):
    """An attention map with at most `MAX_TOKENS` columns of several frames each: their names, the
    tokens, and the weights (tokens, columns).
    """
    each = -(-weights.shape[1] // MAX_TOKENS)
    starts = range(0, weights.shape[1], each)
    return [str(start + 1) for start in starts], tokens, np.add.reduceat(weights, starts, axis=1)
