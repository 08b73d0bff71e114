"""Many to many, not aligned, from frames: the sentence that a clip says."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..data import compose
from ..errors import InputError
from ..examples import Examples, pair_of
from ..options import option
from ..problem import padded
from ..report import TOKENS
from ..seq2seq import FramesEncoder
from ..stored import Made
from .frames import clips_from, given_clips, normalised, scales
from .knowledge import ClipKnowledge
from .sentences import SentenceOptions, SentenceTask


@dataclass(frozen=True)
class TranscribeOptions(SentenceOptions):
    """What can be chosen for a transcriber."""

    hidden: int = option(128, "Units of each layer and direction.", low=1, high=16384)
    layers: int = option(2, "Layers.", low=1, high=64)
    batch: int = option(32, "Clips of a batch.", panel="Learning", low=1, high=65536)
    vocabulary_size: int = option(1000, "Pieces at most.", panel="Texts", low=8, high=1_000_000)
    label: str | None = option(None, "The array of sentences in an npz file, or of a word for each frame.", panel="Columns",
                               found="the first that is one of these")
    silence: str = option("sil sp", "Words of frames in which nothing is said.", panel="Columns")


class Transcriber(SentenceTask):
    """Learns to write the sentence that is said, or signed, in a clip.

    Data is an npz file of clips (see `ostinato.sequences.read_clips`) with a sentence for each (an array of text), or with a word for each frame, of
    which runs make the sentence; `FILE.npz:train` and `:test` are its parts. Or a pair in memory: clips (T, F), and a list of sentences. `predict`
    takes an npz file, a folder of pictures that are frames, or a video.

    Args:
        options: Those of `TranscribeOptions`, by name.

    Example:
        >>> from ostinato.tasks import Transcriber
        >>> clips, words = [[[0.0], [1.0], [1.0]], [[1.0], [0.0], [0.0]]] * 16, ["no yes", "yes no"] * 16
        >>> model = Transcriber(hidden=8, layers=1, embedding=8, pieces="word", epochs=40, learning_rate=0.02, dropout=0.0, patience=0)
        >>> model.fit((clips, words)).predict([[[1.0], [0.0], [0.0]]])[0]["text"]
        'yes no'
    """

    name, Options, Knowledge, goal, higher, unit = "transcribe", TranscribeOptions, ClipKnowledge, "word_error_rate", False, "clips"
    summary = "Many to many, not aligned, from frames: the sentence that a clip says."
    data = "npz with x (clips, frames, numbers) and sentences, or a word for each frame."

    def read(self, data, *, labelled=True):
        if isinstance(data, (str, Path)):
            clips = clips_from(data, label=self.options.label, labelled=labelled)
            if not labelled:
                targets = None
            elif clips.sentences is not None:
                targets = clips.sentences
            elif clips.labels is not None:
                silence = set(self.options.silence.split())
                targets = Made(len(clips.labels), lambda k: " ".join(
                    word for word, _ in itertools.groupby(clips.classes[number] for number in clips.labels[k]) if word not in silence))
            else:
                raise InputError(f"{str(data)!r} has no sentences; give an npz file with an array of text, a sentence for each clip, or of a word for each frame")
            return Examples({"x": clips.clips, "target": targets, "name": clips.names}, source=str(data), about=clips.columns)
        clips, sentences = pair_of(data, "clips, and a sentence for each") if labelled else (data, None)
        clips = given_clips(clips)
        if sentences is not None and len(sentences) != len(clips):
            raise InputError(f"{len(clips)} clips and {len(sentences)} sentences; give a sentence for each clip")
        return Examples({"x": clips, "target": sentences and [compose(str(text)) for text in sentences], "name": None}, source="the given clips")

    def line(self, text):
        return Path(text.strip())

    def epochs(self, rows):
        return max(20, min(80, 40_000 / rows))

    def prepare(self, learned, every):
        found = super().prepare(learned, every)
        self.knows = ClipKnowledge(every.about, **scales(every["x"], learned["x"], every.source))
        return found

    def encoder(self):
        options = self.options
        return FramesEncoder(self.knows.units, embedding=options.hidden, hidden=options.hidden, layers=options.layers, cell=options.cell,
                             dropout=options.dropout, engine=options.engine)

    def sources(self, examples):
        return normalised(examples["x"], self.knows, examples.source)

    def given(self, sources):
        return padded(sources)

    def shown_source(self, x: np.ndarray, name):
        return name or f"{len(x)} frames"

    def looked(self, examples, written, order):
        return {"attention": [_grouped(written[k].attention.numpy(), self.pieces.spelled(written[k].tokens)) for k in order[::-1][:3]]}


def _grouped(weights: np.ndarray, pieces: list[str]):
    """A map of so many frames at a time that they can be seen at once: their names, the pieces, and the weights (pieces, frames)."""
    each = -(-weights.shape[1] // TOKENS)
    starts = range(0, weights.shape[1], each)
    return [str(start + 1) for start in starts], pieces, np.add.reduceat(weights, starts, axis=1)
