"""Private: options of each task and its entry on the command line; nothing here imports torch."""

from dataclasses import dataclass, fields

from ..errors import InputError
from ..options import (
    ATTENTIONS,
    BUDGET_PANEL,
    MODEL_PANEL,
    SPELLINGS,
    TOKEN_KINDS,
    TRAINING_PANEL,
    VOCABULARIES,
    Options,
    option,
)

WORDS_PANEL = "Words"
TEXT_PANEL = "Text"
COLUMNS_PANEL = "Columns"
PRETRAINING_PANEL = "Pretraining on unlabelled text"
SERIES_PANEL = "Time series"
DECODING_PANEL = "Decoding"
# Maximum number of steps in a forecast.
MAX_HORIZON = 10_000
# How missing dates and values of a series are filled.
FILLS = ("linear", "previous", "zero")
# Decimal marks by their names.
DECIMAL_MARKS = {"point": ".", "comma": ","}
# Default maximum of the lags that the regression of a forecaster reads.
LAGS = 24


def header_option():
    """The option of a task that reads a table."""
    return option(
        None,
        "Whether the first line of the file names the columns.",
        panel=COLUMNS_PANEL,
        default_text="found by content",
    )


@dataclass(frozen=True)
class SpellingOptions(Options):
    """Options of a task that also represents words by their characters."""

    embedding: int = option(100, "Embedding size of a word.", panel=WORDS_PANEL, low=1, high=16384)
    characters: str | None = option(
        None,
        "Characters of a word: grapheme, or jamo (letters of Korean syllables).",
        panel=WORDS_PANEL,
        choices=SPELLINGS,
        default_text="jamo if most characters are Hangul",
    )
    character_embedding: int = option(
        48, "Embedding size of a character.", panel=WORDS_PANEL, low=1, high=16384
    )
    character_hidden: int = option(
        64,
        "Hidden size of the character layer, per direction.",
        panel=WORDS_PANEL,
        low=1,
        high=16384,
    )


@dataclass(frozen=True)
class ClassifyOptions(SpellingOptions):
    """Options of a classifier."""

    hidden: int = option(128, "Hidden size: units per layer and direction.", low=1, high=16384)
    bidirectional: bool = option(True, "Use a bidirectional layer.")
    embedding: int = option(128, "Embedding size of a token.", panel=TEXT_PANEL, low=1, high=16384)
    tokens: str | None = option(
        None,
        "Kind of token: word, character or byte-pair.",
        panel=TEXT_PANEL,
        choices=TOKEN_KINDS,
        default_text="word; byte-pair from 20,000 rows",
    )
    spelling: bool = option(
        True,
        "Also represent each word by its characters (requires word tokens).",
        panel=WORDS_PANEL,
    )
    vocabulary_size: int = option(
        16000,
        "Maximum number of tokens in the vocabulary.",
        panel=TEXT_PANEL,
        low=8,
        high=1_000_000,
    )
    lowercase: bool | None = option(
        None,
        "Convert tokens to lower case; the characters of a word keep their case.",
        panel=TEXT_PANEL,
        default_text="on if words are also represented by their characters",
    )
    text: str | None = option(
        None, "Column with the text.", panel=COLUMNS_PANEL, default_text="found by name or content"
    )
    label: str | None = option(
        None,
        "Column with the label; with --multi-label also several columns of 0 and 1: A,B,C.",
        panel=COLUMNS_PANEL,
        default_text="found by name",
    )
    multi_label: bool | None = option(
        None,
        "Predict any number of labels for each row. In the data, they are separated by | or ;, or "
        "a list, or columns of 0 and 1.",
        panel=COLUMNS_PANEL,
        default_text="off",
    )
    header: bool | None = header_option()
    features: int | None = option(
        None,
        "Numbers per step, if a row is a whole sequence.",
        panel=COLUMNS_PANEL,
        low=1,
        high=10**6,
        default_text="1",
    )
    label_smoothing: float = option(
        0.1,
        "Label smoothing: probability shared by all labels.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
    )
    threshold: float = option(
        0.5,
        "Probability from which on a label is predicted (with --multi-label).",
        panel=DECODING_PANEL,
        low=0.001,
        high=0.999,
    )
    ensemble: int = option(
        1, "Number of models in the ensemble; their predictions are averaged.", low=1, high=64
    )
    linear: bool = option(
        True,
        "Also train a linear model, on n-grams (texts) or random convolutional kernels (numbers), "
        "and combine it with the network.",
    )
    standardise: bool | None = option(
        None,
        "Subtract the mean of each sequence of numbers and divide by its deviation.",
        panel=TRAINING_PANEL,
        default_text="on if a linear model gains by it",
    )
    class_weights: bool = option(
        False, "Weight the loss so that each label counts the same.", panel=TRAINING_PANEL
    )
    word_dropout: float | None = option(
        None,
        "Rate of tokens replaced by the unknown token in training.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
        default_text="0.05; 0.2 if words are also represented by their characters",
    )
    dropout: float = option(
        0.4,
        "Dropout rate on the input, between layers and before the output layer.",
        panel=MODEL_PANEL,
        low=0,
        high=0.99,
    )
    vectors: str | None = option(
        None,
        "File of pretrained word vectors: a word and its numbers per line. Sets --embedding.",
        panel=WORDS_PANEL,
        default_text="none",
    )
    unlabelled: str | None = option(
        None,
        "File of unlabelled texts; pretrains the model as a language model.",
        panel=PRETRAINING_PANEL,
        default_text="none",
    )
    unlabelled_text: str | None = option(
        None,
        "Column with the text in that file.",
        panel=PRETRAINING_PANEL,
        default_text="found by name or content",
    )
    unlabelled_epochs: float = option(
        3.0, "Number of pretraining epochs.", panel=PRETRAINING_PANEL, low=1e-6, high=1e9
    )
    unlabelled_dropout: float = option(
        0.2, "Dropout rate during pretraining.", panel=PRETRAINING_PANEL, low=0, high=0.99
    )

    def __post_init__(self):
        super().__post_init__()
        if self.unlabelled is not None and self.layers > 1 and self.bidirectional:
            raise InputError(
                f"--unlabelled with --layers {self.layers}: an upper bidirectional layer would "
                "already see the word it must predict; write --layers 1 or --no-bidirectional"
            )


@dataclass(frozen=True)
class TagOptions(SpellingOptions):
    """Options of a tagger."""

    hidden: int = option(
        160, "Hidden size: units per layer and direction (word layers).", low=1, high=16384
    )
    min_count: int = option(
        2,
        "Minimum count of a word to get an embedding of its own; other words are represented by "
        "their characters only.",
        panel=WORDS_PANEL,
        low=1,
        high=10**6,
    )
    column: str | None = option(
        None,
        "Column with the tags: upos, xpos, or its number, counted from 0.",
        panel=COLUMNS_PANEL,
        default_text="upos in CoNLL-U, otherwise the second",
    )
    transitions: bool | None = option(
        None,
        "Learn scores of tags after tags (a conditional random field, CRF).",
        panel=MODEL_PANEL,
        default_text="on if tags mark spans (B-, I-, O)",
    )
    batch: int = option(
        32, "Batch size: sentences in a batch.", panel=TRAINING_PANEL, low=1, high=65536
    )
    word_dropout: float = option(
        0.2,
        "Rate of words replaced by the unknown word in training.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
    )
    label_smoothing: float = option(
        0.05,
        "Label smoothing: probability shared by all tags (without --transitions).",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
    )
    dropout: float = option(
        0.4,
        "Dropout rate on the input, between layers and before the output layer.",
        panel=MODEL_PANEL,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class FrameOptions(Options):
    """Options of a frame tagger."""

    hidden: int = option(128, "Hidden size: units per layer and direction.", low=1, high=16384)
    layers: int = option(2, "Number of recurrent layers.", low=1, high=64)
    bidirectional: bool = option(True, "Use a bidirectional layer.")
    label: str | None = option(
        None,
        "Array with the labels in an npz file.",
        panel=COLUMNS_PANEL,
        default_text="the first with a label for each frame",
    )
    batch: int = option(
        16, "Batch size: clips in a batch.", panel=TRAINING_PANEL, low=1, high=65536
    )
    label_smoothing: float = option(
        0.05,
        "Label smoothing: probability shared by all labels.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
    )
    dropout: float = option(
        0.4,
        "Dropout rate between layers and before the output layer.",
        panel=MODEL_PANEL,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class ForecastOptions(Options):
    """Options of a forecaster."""

    hidden: int = option(32, "Hidden size: units in each layer.", low=1, high=16384)
    dropout: float = option(
        0.5, "Dropout rate between layers and before the output layer.", low=0, high=0.99
    )
    horizon: int = option(
        12,
        "Forecast horizon: steps ahead in `predict` and in the horizon metrics.",
        panel=SERIES_PANEL,
        low=1,
        high=MAX_HORIZON,
    )
    window: int | None = option(
        None,
        "Input window: steps read for a forecast.",
        panel=SERIES_PANEL,
        low=2,
        high=100_000,
        default_text="two seasons",
    )
    season: int | None = option(
        None,
        "Season length in steps; 1: no season.",
        panel=SERIES_PANEL,
        low=1,
        high=100_000,
        default_text="found by autocorrelation",
    )
    power: float | None = option(
        None,
        "Power transform of the values; 0: logarithm.",
        panel=SERIES_PANEL,
        low=0,
        high=1,
        default_text="0, 0.5 or 1, chosen from the data",
    )
    difference: bool | None = option(
        None,
        "Use only the changes from step to step as input, not the level.",
        panel=SERIES_PANEL,
        default_text="on if the series has a trend",
    )
    lags: int | None = option(
        None,
        "Lags of the linear regression; 0: no regression.",
        panel=SERIES_PANEL,
        low=0,
        high=10_000,
        default_text=f"{LAGS}, or fewer for a short series",
    )
    columns: str | None = option(
        None,
        "Columns to forecast, separated by commas.",
        panel=SERIES_PANEL,
        default_text="all numeric columns",
    )
    time: str | None = option(
        None,
        "Column with the time of each step.",
        panel=SERIES_PANEL,
        default_text="the first column of dates",
    )
    id: str | None = option(
        None,
        "Columns that tell several series apart, separated by commas.",
        panel=SERIES_PANEL,
        default_text="found, if times occur several times",
    )
    known: str | None = option(
        None,
        "Columns that are known in advance, such as holidays, separated by commas.",
        panel=SERIES_PANEL,
        default_text="none",
    )
    fill: str | None = option(
        None,
        "Fill missing dates and values: linear, previous or zero.",
        panel=SERIES_PANEL,
        choices=FILLS,
        default_text="missing dates and values are errors",
    )
    header: bool | None = header_option()
    date_format: str | None = option(
        None,
        "Form of the dates, such as %d/%m/%Y.",
        panel=SERIES_PANEL,
        default_text="found by content",
    )
    decimal: str | None = option(
        None,
        "Decimal mark: point or comma.",
        panel=SERIES_PANEL,
        choices=tuple(DECIMAL_MARKS),
        default_text="found by content",
    )
    batch: int = option(
        32, "Batch size: windows in a batch.", panel=TRAINING_PANEL, low=1, high=65536
    )
    learning_rate: float = option(
        2e-3, "Peak learning rate of the schedule.", panel=TRAINING_PANEL, low=1e-9, high=10
    )
    held_out: float = option(
        0.15,
        "Fraction of the series, at its end, held out for validation.",
        panel=TRAINING_PANEL,
        low=0.001,
        high=0.9,
    )

    def __post_init__(self):
        super().__post_init__()
        for option_name in ("columns", "id", "known"):
            given = getattr(self, option_name)
            names = _listed_names(given) or []
            twice = next((name for place, name in enumerate(names) if name in names[:place]), None)
            if twice is not None:
                raise InputError(
                    f"--{option_name} {given}: {twice!r} is given twice; name each column once"
                )
        both = {*(self.names or ())} & {*self.known_names}
        if both:
            raise InputError(
                f"--columns {self.columns} --known {self.known}: {min(both)!r} is in both; a "
                "column is either forecast or known in advance"
            )
        if self.date_format is None:
            return
        from ..data.dates import is_form

        if not is_form(self.date_format):
            raise InputError(
                f"--date-format {self.date_format}: it is not a form of dates; write one such as "
                "%d/%m/%Y or %Y-%m-%d %H:%M"
            )

    @property
    def names(self) -> list[str] | None:
        """The names in `columns`."""
        return _listed_names(self.columns)

    @property
    def known_names(self) -> list[str]:
        """The names in `known`."""
        return _listed_names(self.known) or []

    @property
    def id_names(self) -> list[str] | None:
        """The names in `id`."""
        return _listed_names(self.id)


def _listed_names(text: str | None) -> list[str] | None:
    """The names in a text, separated by commas."""
    return [name.strip() for name in text.split(",")] if text else None


@dataclass(frozen=True)
class SentenceOptions(Options):
    """Options of a task that writes sentences."""

    hidden: int = option(256, "Hidden size: units per layer and direction.", low=1, high=16384)
    attention: str = option(
        "luong", "Attention: luong (general) or bahdanau (additive).", choices=ATTENTIONS
    )
    embedding: int = option(128, "Embedding size of a token.", panel=TEXT_PANEL, low=1, high=16384)
    tokens: str = option(
        "byte-pair",
        "Kind of token: word, character or byte-pair.",
        panel=TEXT_PANEL,
        choices=TOKEN_KINDS,
    )
    vocabulary_size: int = option(
        8000, "Maximum number of tokens in the vocabulary.", panel=TEXT_PANEL, low=8, high=1_000_000
    )
    beams: int = option(
        5,
        "Beam size of the beam search; 1: greedy decoding.",
        panel=DECODING_PANEL,
        low=1,
        high=1000,
    )
    length: int | None = option(
        None,
        "Maximum number of tokens in a sentence.",
        panel=DECODING_PANEL,
        low=1,
        high=100_000,
        default_text="slightly above the longest training sentence",
    )
    length_norm: float = option(
        0.6,
        "Length normalisation; larger values favour long sentences.",
        panel=DECODING_PANEL,
        low=0,
        high=10,
    )
    label_smoothing: float = option(
        0.1,
        "Label smoothing: probability shared by all tokens.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.9,
    )
    scheduled_sampling: float = option(
        0.0,
        "Scheduled sampling: rate of decoder inputs that are the model's own predictions.",
        panel=TRAINING_PANEL,
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class TranslateOptions(SentenceOptions):
    """Options of a translator."""

    source: str | None = option(
        None, "Column with the source sentence.", panel=COLUMNS_PANEL, default_text="the first"
    )
    target: str | None = option(
        None, "Column with the target sentence.", panel=COLUMNS_PANEL, default_text="the second"
    )
    header: bool | None = header_option()


@dataclass(frozen=True)
class TranscribeOptions(SentenceOptions):
    """Options of a transcriber."""

    hidden: int = option(128, "Hidden size: units per layer and direction.", low=1, high=16384)
    layers: int = option(2, "Number of recurrent layers.", low=1, high=64)
    batch: int = option(
        32, "Batch size: clips in a batch.", panel=TRAINING_PANEL, low=1, high=65536
    )
    vocabulary_size: int = option(
        1000, "Maximum number of tokens in the vocabulary.", panel=TEXT_PANEL, low=8, high=1_000_000
    )
    label: str | None = option(
        None,
        "Array in an npz file with a sentence per clip, or a word per frame.",
        panel=COLUMNS_PANEL,
        default_text="the first of that form",
    )
    silence: str = option(
        "sil sp", "Words that mark silent frames, separated by spaces.", panel=COLUMNS_PANEL
    )


@dataclass(frozen=True)
class GenerateOptions(Options):
    """Options of a language model."""

    hidden: int = option(256, "Hidden size: units in each layer.", low=1, high=16384)
    embedding: int = option(64, "Embedding size of a token.", low=1, high=16384)
    dropout: float = option(
        0.0, "Dropout rate between layers and before the output layer.", low=0, high=0.99
    )
    vocabulary: str = option(
        "character", "Kind of token: character or byte-pair.", choices=VOCABULARIES
    )
    vocabulary_size: int = option(
        1024,
        "Number of tokens in the vocabulary (byte-pair only).",
        panel=MODEL_PANEL,
        low=257,
        high=1_000_000,
    )
    epochs: float | None = option(
        None, "Number of epochs.", panel=BUDGET_PANEL, low=1e-6, high=1e9, default_text="10"
    )
    batch: int = option(
        32, "Batch size: parallel text streams.", panel=TRAINING_PANEL, low=1, high=65536
    )
    sequence_length: int = option(
        64,
        "Sequence length of truncated backpropagation, in tokens.",
        panel=TRAINING_PANEL,
        low=1,
        high=65536,
    )
    learning_rate: float = option(
        0.01, "Peak learning rate of the schedule.", panel=TRAINING_PANEL, low=1e-9, high=10
    )
    held_out: float = option(
        0.1,
        "Fraction of the text, at its end, held out for validation.",
        panel=TRAINING_PANEL,
        low=0.001,
        high=0.9,
    )


@dataclass(frozen=True)
class CaptionOptions(SentenceOptions):
    """Options of a captioner."""

    dropout: float = option(0.1, "Dropout rate.", low=0, high=0.99)
    batch: int = option(
        32, "Batch size: pictures in a batch.", panel=TRAINING_PANEL, low=1, high=65536
    )
    vocabulary_size: int = option(
        2000, "Maximum number of tokens in the vocabulary.", panel=TEXT_PANEL, low=8, high=1_000_000
    )
    caption: str | None = option(
        None,
        "Column (or array) with the captions.",
        panel=COLUMNS_PANEL,
        default_text="found by name or content",
    )
    picture: str | None = option(
        None,
        "Column with the picture files, or the array of pictures.",
        panel=COLUMNS_PANEL,
        default_text="found by name or content",
    )
    folder: str | None = option(
        None,
        "Directory of the picture files.",
        panel=COLUMNS_PANEL,
        default_text="the directory of the table",
    )
    header: bool | None = header_option()


def options_in_use(options: Options, metadata: object) -> dict[str, object]:
    """The options that apply to the data of a model and have a value, by name.

    Args:
        options: The options of a run.
        metadata: The task's `Metadata`, derived from the data.
    """
    skipped: set[str] = set()
    if isinstance(options, ClassifyOptions):
        numbers = getattr(metadata, "units", None) is not None
        panels = {TEXT_PANEL} if numbers else set()
        if getattr(metadata, "letters", None) is None:
            panels.add(WORDS_PANEL)
        if options.unlabelled is None:
            panels.add(PRETRAINING_PANEL)
        skipped = {f.name for f in fields(options) if f.metadata["panel"] in panels}
        skipped |= {"word_dropout"} if numbers else {"features", "standardise"}
        skipped |= set() if options.multi_label else {"threshold", "multi_label"}
        # words have vectors with or without their characters
        skipped -= {"vectors"}
    if isinstance(options, GenerateOptions) and options.vocabulary == "character":
        skipped = {"vocabulary_size"}
    return {
        name: value
        for name, value in options.to_json().items()
        if value is not None and name not in skipped
    }


@dataclass(frozen=True)
class Listing:
    """A task as the command line lists it.

    Attributes:
        module: The module of `ostinato.tasks` that defines the class.
        class_name: The name of the class.
        options: The options of the task.
        summary: One sentence on the task.
        data: The help text of the argument DATA.
        unit: The plural noun for the rows of the data.
        use: The command that uses a trained model.
    """

    module: str
    class_name: str
    options: type[Options]
    summary: str
    data: str
    unit: str = "rows"
    use: str = "predict"


# The tasks by their names on the command line.
TASKS = {
    "classify": Listing(
        "classify",
        "Classifier",
        ClassifyOptions,
        summary="Many to one: predict a label for a text or a sequence of numbers.",
        data="CSV, TSV, JSONL or Parquet file (also .gz) with a label column, or npz with x and y.",
    ),
    "tag": Listing(
        "tag",
        "Tagger",
        TagOptions,
        summary="Many to many, aligned: predict a tag for each word.",
        data="Text file with a word, a tab and a tag per line and an empty line between sentences, "
        "or CoNLL-U (.conllu); also .gz.",
    ),
    "frames": Listing(
        "frames",
        "FrameTagger",
        FrameOptions,
        summary="Many to many, aligned: predict a label for each frame of a clip.",
        data="npz file with x (clips, frames, numbers) and labels (clips, frames); FILE.npz:train "
        "uses the clips listed in the array train.",
    ),
    "forecast": Listing(
        "forecast",
        "Forecaster",
        ForecastOptions,
        summary="Many to one, fed back: forecast a time series with prediction intervals.",
        data="CSV, TSV, JSONL or Parquet file (also .gz) with a step per row and numeric columns.",
    ),
    "translate": Listing(
        "translate",
        "Translator",
        TranslateOptions,
        summary="Many to many, not aligned: translate a sentence into another.",
        data="TSV, CSV, JSONL or Parquet file (also .gz) with pairs of sentences.",
        unit="pairs",
    ),
    "transcribe": Listing(
        "transcribe",
        "Transcriber",
        TranscribeOptions,
        summary="Many to many, not aligned: transcribe the frames of a clip into a sentence.",
        data="npz file with x (clips, frames, numbers) and a sentence per clip, or a word per "
        "frame.",
        unit="clips",
    ),
    "generate": Listing(
        "generate",
        "Generator",
        GenerateOptions,
        summary="Many to one, fed back: generate text in the style of a text file.",
        data="UTF-8 text file, in any language.",
        unit="characters",
        use="generate",
    ),
    "caption": Listing(
        "caption",
        "Captioner",
        CaptionOptions,
        summary="One to many: write a caption for a picture.",
        data="Table of picture files and captions, or npz file with pictures and captions.",
        unit="pictures",
    ),
}
