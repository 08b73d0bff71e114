"""Private: the directory of a model: its files and the contents of config.json. Nothing here
imports torch.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..data.files import LOCK, UNFINISHED, listing, read_json
from ..data.records import Count, Positive, Range, read_record
from ..data.summary import DataSummary
from ..errors import InputError, near, shown
from ..options import TOKEN_KINDS, Options
from .metadata import METADATA, Metadata
from .options import TASKS

CONFIG_FORMAT, CONFIG_VERSION = "ostinato task", 1
# The format of the config.json of a directory of layers, of `ostinato import`.
LAYERS_FORMAT = "ostinato layers"
CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT = (
    "config.json",
    "vocabulary.json",
    "model.safetensors",
    "checkpoint.safetensors",
)
HISTORY, REPORT, EVENTS = "history.csv", "report.html", "tensorboard"
# Language models also write this picture.
CURVE = "learning_curve.png"
# Maximum number of CPU threads.
THREADS = 1024
_RESTORE = "restore the file, or train the model again"


@dataclass(frozen=True)
class Compared:
    """A model that was compared on the held-out rows.

    Attributes:
        name: Its name.
        metric: The name of the metric by which models are compared.
        value: Its value.
        seconds: The time to train and use it.
        weight: Its weight in the mean of several models; None for a baseline.
    """

    name: str
    metric: str
    value: float | None
    seconds: Annotated[float, Range(0, 1e12)]
    weight: Annotated[float, Range(0, 1)] | None = None


@dataclass(frozen=True)
class Result:
    """The result of a run; config.json stores it under "result".

    Attributes:
        metrics: The metrics of the trained model.
        steps, seconds: The length of the run.
        rows, held_out_rows: Number of rows for training and for evaluation.
        stopped_early: Whether it stopped before the end of its budget.
        history: The metrics of each validation run.
        compared: The models that were compared on held-out rows.
        warning: That the model is worse than the baseline of its task; None if it is not.
    """

    metrics: dict[str, float | None]
    steps: Count
    seconds: Annotated[float, Range(0, 1e12)]
    rows: Count
    held_out_rows: Count
    stopped_early: bool
    history: list[dict[str, float | None]]
    compared: tuple[Compared, ...] | list[Compared] = ()
    warning: str | None = None


@dataclass(frozen=True)
class InputColumns:
    """The columns of the array or the data frame that was given to `fit`.

    Attributes:
        count: Their number.
        names: The names of the columns of a frame; None for an array.
    """

    count: Positive
    names: list[str] | None = None

    def __post_init__(self):
        if self.names is not None and len(self.names) != self.count:
            raise InputError(f"'count' is {self.count} and 'names' has {len(self.names)} names")


@dataclass(frozen=True)
class Config:
    """The contents of config.json.

    Attributes:
        format, version: `CONFIG_FORMAT` and `CONFIG_VERSION`.
        task: The command-line name of the task.
        options: The options of the task, by name.
        metadata: The `Metadata` of the task, by name.
        vocabulary_size: Number of tokens in the vocabulary; 0 without a vocabulary.
        parameters: Number of trained parameters.
        data, test: The training and test files; None for rows in memory.
        digest: The digest of the training data.
        found: The names of the options that were chosen from the data.
        threads: Number of CPU threads of the run.
        summary: What the reader understood of the training data; None for rows in memory.
        result: The result of the run, once it has ended.
        columns: The columns of the inputs in memory; None for other inputs.
    """

    format: str
    version: int
    task: str
    options: dict[str, object]
    metadata: dict[str, object]
    vocabulary_size: Annotated[int, Range(0, 10**9)]
    parameters: Count | None = None
    data: str | None = None
    test: str | None = None
    digest: str | None = None
    found: tuple[str, ...] | list[str] = ()
    threads: Annotated[int, Range(1, THREADS)] | None = None
    summary: DataSummary | None = None
    result: Result | None = None
    columns: InputColumns | None = None


@dataclass(frozen=True)
class Saved:
    """The contents of a model's config.json, with the types of the task.

    Attributes:
        config: The configuration.
        options: The options of the task.
        metadata: The metadata of the task.
    """

    config: Config
    options: Options
    metadata: Metadata


def is_layers(directory: Path) -> bool:
    """Whether a directory has the config.json of layers, and not of a task.

    Raises:
        InputError: It has a config.json that cannot be read.
    """
    path = Path(directory) / CONFIG
    return os.path.isfile(path) and read_json(path).get("format") == LAYERS_FORMAT


def read_config(path: Path) -> Config:
    """Read a config.json, without its `options` and `metadata`.

    Raises:
        InputError: The file is invalid; the message says why.
    """
    content = read_json(path)
    form, version, task = (content.get(name) for name in ("format", "version", "task"))
    if form != CONFIG_FORMAT or not isinstance(task, str) or task not in TASKS:
        raise InputError(
            f"{str(path)!r} has format {shown(form)} and task {shown(task)}; it should be "
            f"{CONFIG_FORMAT!r} and one of {', '.join(TASKS)}: give the --out of `ostinato train`"
        )
    if type(version) is not int or version != CONFIG_VERSION:
        raise InputError(
            f"{str(path)!r} has format version {shown(version)} and this version of ostinato reads "
            f"{CONFIG_VERSION}; use the version that wrote it, or train the model again"
        )
    return _record(Config, content, path)


def read_saved(directory: Path, **options) -> Saved:
    """Read the config.json in a directory; keyword arguments override its options.

    Raises:
        InputError: The file is invalid; the message says why.
    """
    path = directory / CONFIG
    config = read_config(path)
    try:
        chosen = read_options(TASKS[config.task].options, config.options | options)
    except InputError as error:
        raise InputError(
            f"{str(path)!r} has options that cannot be used ({error}); {_RESTORE}"
        ) from error
    metadata = _record(METADATA[config.task], config.metadata, path, field="metadata")
    return Saved(config, chosen, metadata)


def read_options(options: type[Options], content: dict) -> Options:
    """The options of a task from a dict.

    Raises:
        InputError: An option does not exist, or a value is invalid.
    """
    for name in content:
        if name not in options.__dataclass_fields__:
            raise InputError(
                f"unknown option {name[:80]!r}{near(name[:80], options.__dataclass_fields__)}"
            )
    return options(**content)


def _record(record: type, content: dict, path: Path, field: str = ""):
    try:
        return read_record(record, content, field=field)
    except InputError as error:
        raise InputError(f"{str(path)!r} cannot be used: {error}; {_RESTORE}") from error


def read_kind(directory: Path) -> str:
    """The kind of the vocabulary in a directory.

    Raises:
        InputError: The vocabulary is missing or invalid.
    """
    kind = read_json(directory / VOCABULARY).get("kind")
    if not isinstance(kind, str) or kind not in TOKEN_KINDS:
        raise InputError(
            f"{str(directory / VOCABULARY)!r} contains a vocabulary of kind {shown(kind)}; it "
            f"should be one of {', '.join(TOKEN_KINDS)}: {_RESTORE}"
        )
    return kind


def read_model(directory: Path, **options) -> Saved:
    """As `read_saved`, for a directory with a trained model.

    Raises:
        InputError: The directory does not exist, or has no model yet.
    """
    if not os.path.isdir(directory):
        raise InputError(
            f"the model directory {str(directory)!r} does not exist; give the --out of `ostinato "
            "train`"
        )
    saved = read_saved(directory, **options)
    if not os.path.lexists(directory / WEIGHTS):
        raise InputError(
            f"the run in {str(directory)!r} has no model yet; resume it: the same `ostinato train "
            f"{saved.config.task}` command with --resume"
        )
    return saved


def is_helper() -> bool:
    """Whether this is a worker process of a distributed run; the first process writes and
    prints.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0" or os.environ.get("NODE_RANK", "0") != "0"


def check_new(out: Path, resume: bool) -> None:
    """Raise an error unless a new run can use a directory."""
    # os.path and not Path methods, which raise for a name that is too long
    if os.path.exists(out) and not os.path.isdir(out):
        raise InputError(f"--out {out}: a file of that name exists; give a new or empty directory")
    # files that an interrupted start can leave without a run
    begun = (
        {f".{name}{UNFINISHED}" for name in (CONFIG, VOCABULARY)}
        | {LOCK}
        | ({VOCABULARY} if resume else set())
    )
    if os.path.isdir(out) and set(listing(out)) - begun:
        remedy = (
            "give another --out, or add --resume to continue the run in it"
            if os.path.exists(out / CONFIG)
            else "it does not contain a run; give another --out"
        )
        raise InputError(f"--out {out}: the directory is not empty; {remedy}")
