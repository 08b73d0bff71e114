"""The options of each task and its entry in the command line: everything that is known of a task
before torch is imported.
"""

from dataclasses import dataclass

from ..errors import InputError
from ..options import (
    ATTENTIONS,
    BUDGET,
    KINDS,
    LEARNING,
    MODEL,
    SPELLINGS,
    VOCABULARIES,
    Options,
    option,
)

WORDS, TEXT, UNLABELLED, SERIES, WRITING = (
    "Words",
    "Texts",
    "Texts without labels",
    "The series",
    "Writing",
)
# Steps that can be forecast at most.
FARTHEST = 10_000
# Changes that the regression of a forecaster reads at most, where the option does not say.
LAGS = 24


@dataclass(frozen=True)
class SpellingOptions(Options):
    """Options of every task that also reads words by their characters."""

    embedding: int = option(100, "Units that stand for a word.", panel=WORDS, low=1, high=16384)
    characters: str | None = option(
        None,
        "grapheme, or jamo: the letters of Korean syllables.",
        panel=WORDS,
        among=SPELLINGS,
        found="jamo where most characters are Hangul",
    )
    character_embedding: int = option(
        48, "Units that stand for a character.", panel=WORDS, low=1, high=16384
    )
    character_hidden: int = option(
        64,
        "Units of each direction of the layer that reads a word's characters.",
        panel=WORDS,
        low=1,
        high=16384,
    )


@dataclass(frozen=True)
class ClassifyOptions(SpellingOptions):
    """Options of a classifier."""

    hidden: int = option(128, "Units of each layer and direction.", low=1, high=16384)
    bidirectional: bool = option(True, "Read in both directions.")
    embedding: int = option(
        128, "Units that stand for a word or character.", panel=TEXT, low=1, high=16384
    )
    pieces: str | None = option(
        None,
        "word, character or byte-pair.",
        panel=TEXT,
        among=KINDS,
        found="words; byte pairs from 20,000 rows",
    )
    spelling: bool = option(
        True, "Read each word by its characters too, where pieces are words.", panel=WORDS
    )
    vocabulary_size: int = option(16000, "Pieces at most.", panel=TEXT, low=8, high=1_000_000)
    lower: bool | None = option(
        None,
        "Take capital letters for small ones; by its characters a word is read as it is.",
        panel=TEXT,
        found="where words are read by their characters",
    )
    text: str | None = option(
        None, "The column of the text.", panel="Columns", found="by its name or its values"
    )
    label: str | None = option(
        None, "The column of the label.", panel="Columns", found="by its name"
    )
    features: int | None = option(
        None,
        "Numbers of a step, where a row is a whole sequence.",
        panel="Columns",
        low=1,
        high=10**6,
        found="1",
    )
    label_smoothing: float = option(
        0.1,
        "Part of the certainty that is spread over all labels in learning.",
        panel=LEARNING,
        low=0,
        high=0.9,
    )
    ensemble: int = option(
        1, "Models that are trained side by side, whose mean is the answer.", low=1, high=64
    )
    class_weights: bool = option(
        False, "Have each label count the same in learning, however rare.", panel=LEARNING
    )
    word_dropout: float | None = option(
        None,
        "Rate at which pieces are taken for unknown ones in training.",
        panel=LEARNING,
        low=0,
        high=0.9,
        found="0.05; 0.2 where words are read by their characters",
    )
    dropout: float = option(
        0.4,
        "Rate of dropout, on the input, between layers and before the readout.",
        panel=MODEL,
        low=0,
        high=0.99,
    )
    unlabelled: str | None = option(
        None,
        "A file of texts: before labels, the model learns to foretell their words.",
        panel=UNLABELLED,
        found="none",
    )
    unlabelled_text: str | None = option(
        None, "Its column of the text.", panel=UNLABELLED, found="by its name or its values"
    )
    unlabelled_epochs: float = option(
        3.0, "Times to read it.", panel=UNLABELLED, low=1e-6, high=1e9
    )
    unlabelled_dropout: float = option(
        0.2, "Rate of dropout meanwhile.", panel=UNLABELLED, low=0, high=0.99
    )

    def __post_init__(self):
        super().__post_init__()
        if self.unlabelled is not None and self.layers > 1 and self.bidirectional:
            raise InputError(
                f"--unlabelled with --layers {self.layers}: an upper layer is given in one "
                f"direction what the other should foretell; "
                "write --layers 1 or --no-bidirectional"
            )


@dataclass(frozen=True)
class TagOptions(SpellingOptions):
    """Options of a tagger."""

    hidden: int = option(
        160, "Units of each layer and direction, over the words.", low=1, high=16384
    )
    least: int = option(
        2,
        "How often a word has to be there to have units of its own; others are known by their "
        "characters.",
        panel=WORDS,
        low=1,
        high=10**6,
    )
    column: str | None = option(
        None,
        "The column of the tags: upos, xpos, or its number, counted from 0.",
        panel="Columns",
        found="upos of CoNLL-U, else the second",
    )
    batch: int = option(32, "Sentences of a batch.", panel=LEARNING, low=1, high=65536)
    word_dropout: float = option(
        0.2,
        "Rate at which words are taken for unknown ones in training.",
        panel=LEARNING,
        low=0,
        high=0.9,
    )
    label_smoothing: float = option(
        0.05,
        "Part of the certainty that is spread over all tags in learning.",
        panel=LEARNING,
        low=0,
        high=0.9,
    )
    dropout: float = option(
        0.4,
        "Rate of dropout, on the input, between layers and before the readout.",
        panel=MODEL,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class FrameOptions(Options):
    """Options of a labeller of frames."""

    hidden: int = option(128, "Units of each layer and direction.", low=1, high=16384)
    layers: int = option(2, "Layers.", low=1, high=64)
    bidirectional: bool = option(True, "Read in both directions.")
    label: str | None = option(
        None,
        "The array of labels in an npz file.",
        panel="Columns",
        found="the first with one for each frame",
    )
    batch: int = option(16, "Clips of a batch.", panel=LEARNING, low=1, high=65536)
    label_smoothing: float = option(
        0.05,
        "Part of the certainty that is spread over all labels in learning.",
        panel=LEARNING,
        low=0,
        high=0.9,
    )
    dropout: float = option(
        0.4,
        "Rate of dropout, between layers and before the readout.",
        panel=MODEL,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class ForecastOptions(Options):
    """Options of a forecaster."""

    hidden: int = option(32, "Units of each layer.", low=1, high=16384)
    dropout: float = option(
        0.5, "Rate of dropout, between layers and before the readout.", low=0, high=0.99
    )
    horizon: int = option(
        12,
        "Steps that `predict` forecasts, and that the measures named horizon look ahead.",
        panel=SERIES,
        low=1,
        high=FARTHEST,
    )
    window: int | None = option(
        None,
        "Steps that are read for a forecast.",
        panel=SERIES,
        low=2,
        high=100_000,
        found="two seasons",
    )
    season: int | None = option(
        None,
        "Steps after which the series is like itself; 1: none.",
        panel=SERIES,
        low=1,
        high=100_000,
        found="by autocorrelation",
    )
    power: float | None = option(
        None,
        "Learn this power of the values; 0: their logarithms.",
        panel=SERIES,
        low=0,
        high=1,
        found="0, 0.5 or 1, by how the series varies with its level",
    )
    difference: bool | None = option(
        None,
        "Read the changes from step to step and not the level.",
        panel=SERIES,
        found="if the level moves away",
    )
    lags: int | None = option(
        None,
        "Last changes that the linear regression reads; 0: no regression.",
        panel=SERIES,
        low=0,
        high=10_000,
        found=f"{LAGS}, or what the series is long enough for",
    )
    columns: str | None = option(
        None,
        "What is forecast: names, with commas between.",
        panel=SERIES,
        found="all columns of numbers",
    )
    time: str | None = option(
        None, "The column that says when.", panel=SERIES, found="a first column of dates"
    )
    batch: int = option(32, "Windows of a batch.", panel=LEARNING, low=1, high=65536)
    learning_rate: float = option(
        2e-3, "The highest of the schedule.", panel=LEARNING, low=1e-9, high=10
    )
    held_out: float = option(
        0.15,
        "Part of the series, its end, that is kept to measure on.",
        panel=LEARNING,
        low=0.001,
        high=0.9,
    )

    def __post_init__(self):
        super().__post_init__()
        twice = next(
            (name for place, name in enumerate(self.names or ()) if name in self.names[:place]),
            None,
        )
        if twice is not None:
            raise InputError(
                f"--columns {self.columns}: {twice!r} is there twice; name each column once"
            )

    @property
    def names(self) -> list[str] | None:
        """The columns that are named."""
        return [name.strip() for name in self.columns.split(",")] if self.columns else None


@dataclass(frozen=True)
class SentenceOptions(Options):
    """Options of a model that writes sentences."""

    hidden: int = option(256, "Units of each layer and direction.", low=1, high=16384)
    attention: str = option("luong", "luong (general) or bahdanau (additive).", among=ATTENTIONS)
    embedding: int = option(128, "Units that stand for a piece.", panel=TEXT, low=1, high=16384)
    pieces: str = option("byte-pair", "word, character or byte-pair.", panel=TEXT, among=KINDS)
    vocabulary_size: int = option(8000, "Pieces at most.", panel=TEXT, low=8, high=1_000_000)
    beams: int = option(
        5,
        "Sentences that are followed at a time; 1 takes the likeliest piece at each step.",
        panel=WRITING,
        low=1,
        high=1000,
    )
    length: int | None = option(
        None,
        "Pieces of a sentence at most.",
        panel=WRITING,
        low=1,
        high=100_000,
        found="a little over the longest learned from",
    )
    length_norm: float = option(
        0.6, "How much long sentences are favoured.", panel=WRITING, low=0, high=10
    )
    label_smoothing: float = option(
        0.1,
        "Part of the certainty that is spread over all pieces in learning.",
        panel=LEARNING,
        low=0,
        high=0.9,
    )
    sampling: float = option(
        0.0,
        "Rate at which the model reads its own guesses in learning (scheduled sampling).",
        panel=LEARNING,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class TranslateOptions(SentenceOptions):
    """Options of a translator."""

    source: str | None = option(
        None, "The column of what is given.", panel="Columns", found="the first"
    )
    target: str | None = option(
        None, "The column of what is to be written.", panel="Columns", found="the second"
    )


@dataclass(frozen=True)
class TranscribeOptions(SentenceOptions):
    """Options of a transcriber."""

    hidden: int = option(128, "Units of each layer and direction.", low=1, high=16384)
    layers: int = option(2, "Layers.", low=1, high=64)
    batch: int = option(32, "Clips of a batch.", panel="Learning", low=1, high=65536)
    vocabulary_size: int = option(1000, "Pieces at most.", panel="Texts", low=8, high=1_000_000)
    label: str | None = option(
        None,
        "The array of sentences in an npz file, or of a word for each frame.",
        panel="Columns",
        found="the first that is one of these",
    )
    silence: str = option("sil sp", "Words of frames in which nothing is said.", panel="Columns")


@dataclass(frozen=True)
class GenerateOptions(Options):
    """Options of a language model."""

    hidden: int = option(256, "Units of each layer.", low=1, high=16384)
    embedding: int = option(64, "Units that stand for a character or a piece.", low=1, high=16384)
    dropout: float = option(
        0.0, "Rate of dropout, between layers and before the readout.", low=0, high=0.99
    )
    vocabulary: str = option("character", "character or byte-pair.", among=VOCABULARIES)
    vocabulary_size: int = option(
        1024, "Pieces, for byte-pair.", panel=MODEL, low=257, high=1_000_000
    )
    epochs: float | None = option(
        None, "Times to read the text.", panel=BUDGET, low=1e-6, high=1e9, found="10"
    )
    batch: int = option(32, "Rows that read side by side.", panel=LEARNING, low=1, high=65536)
    sequence_length: int = option(
        64, "Steps of time that a gradient goes back.", panel=LEARNING, low=1, high=65536
    )
    learning_rate: float = option(
        0.01, "The highest of the schedule.", panel=LEARNING, low=1e-9, high=10
    )
    held_out: float = option(
        0.1,
        "Part of the text, its end, that is kept to measure on.",
        panel=LEARNING,
        low=0.001,
        high=0.9,
    )


@dataclass(frozen=True)
class CaptionOptions(SentenceOptions):
    """Options of a captioner."""

    dropout: float = option(0.1, "Rate of dropout.", low=0, high=0.99)
    batch: int = option(32, "Pictures of a batch.", panel="Learning", low=1, high=65536)
    vocabulary_size: int = option(2000, "Pieces at most.", panel="Texts", low=8, high=1_000_000)
    caption: str | None = option(
        None,
        "The column (or array) of the captions.",
        panel="Columns",
        found="by its name or its values",
    )
    picture: str | None = option(
        None,
        "The column of pictures' files, or the array of pictures.",
        panel="Columns",
        found="by its name or its values",
    )
    folder: str | None = option(
        None, "Where the files are that a table names.", panel="Columns", found="beside the table"
    )


@dataclass(frozen=True)
class Listing:
    """A task as the command line lists it.

    Attributes:
        module: Of `ostinato.tasks`, where its class is.
        class_name: The name of its class.
        options: Its options.
        summary: What it does.
        data: What DATA is.
        unit: What its rows are called.
        use: The command that uses a model.
    """

    module: str
    class_name: str
    options: type[Options]
    summary: str
    data: str
    unit: str = "rows"
    use: str = "predict"


# Each task by its name on the command line.
TASKS = {
    "classify": Listing(
        "classify",
        "Classifier",
        ClassifyOptions,
        summary="Many to one: a label for a text, or for a sequence of numbers.",
        data="CSV, TSV, JSONL or Parquet (also .gz) with a label, or npz with x and y.",
    ),
    "tag": Listing(
        "tag",
        "Tagger",
        TagOptions,
        summary="Many to many, aligned: a tag for each word.",
        data="A word, a tab and its tag in a line, an empty line between sentences; or CoNLL-U "
        "(.conllu). Also .gz.",
    ),
    "frames": Listing(
        "frames",
        "FrameTagger",
        FrameOptions,
        summary="Many to many, aligned: a label for each frame of a clip.",
        data="npz with x (clips, frames, numbers) and labels (clips, frames); FILE.npz:train takes "
        "the clips that array train has.",
    ),
    "forecast": Listing(
        "forecast",
        "Forecaster",
        ForecastOptions,
        summary="One to one, fed back: the next values of a series, with intervals.",
        data="CSV, TSV, JSONL or Parquet (also .gz): columns of numbers, a step in each row.",
    ),
    "translate": Listing(
        "translate",
        "Translator",
        TranslateOptions,
        summary="Many to many, not aligned: a sentence for a sentence.",
        data="TSV, CSV, JSONL or Parquet (also .gz) with pairs of sentences.",
        unit="pairs",
    ),
    "transcribe": Listing(
        "transcribe",
        "Transcriber",
        TranscribeOptions,
        summary="Many to many, not aligned, from frames: the sentence that a clip says.",
        data="npz with x (clips, frames, numbers) and sentences, or a word for each frame.",
        unit="clips",
    ),
    "generate": Listing(
        "generate",
        "Generator",
        GenerateOptions,
        summary="One to one, fed back: text that goes on as the one it learned from.",
        data="UTF-8 text to learn from, in any language.",
        unit="characters",
        use="generate",
    ),
    "caption": Listing(
        "caption",
        "Captioner",
        CaptionOptions,
        summary="One to many: words for a picture.",
        data="A table of pictures' files and captions, or npz with pictures and captions.",
        unit="pictures",
    ),
}
