"""The directory of a model: its files, and what its config.json says. Nothing here needs torch."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from ..data.files import LOCK, UNFINISHED, listing, read_json
from ..data.records import Count, Range, read_record
from ..errors import InputError, near, shown
from ..options import TOKEN_KINDS, Options
from .metadata import METADATA, Metadata
from .options import TASKS

CONFIG_FORMAT, CONFIG_VERSION = "ostinato task", 1
CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT = (
    "config.json",
    "vocabulary.json",
    "model.safetensors",
    "checkpoint.safetensors",
)
HISTORY, REPORT = "history.csv", "report.html"
# A language model has this picture too.
CURVE = "learning_curve.png"
# CPU threads of a run at most.
THREADS = 1024
_RESTORE = "restore the file, or train the model again"


@dataclass(frozen=True)
class Result:
    """How a run ended; config.json keeps it under "result"."""

    metrics: dict[str, float | None]
    steps: Count
    seconds: Annotated[float, Range(0, 1e12)]
    rows: Count
    held_out_rows: Count
    stopped_early: bool
    history: list[dict[str, float | None]]


@dataclass(frozen=True)
class Config:
    """The contents of config.json.

    Attributes:
        format, version: `CONFIG_FORMAT` and `CONFIG_VERSION`.
        task: The task's name on the command line.
        options: The task's options, by name.
        metadata: The task's `Metadata`, by name.
        pieces: Tokens of the vocabulary; 0 where there is none.
        parameters: How many numbers the model learns.
        data, test: The files that it was trained and measured on; None for rows in memory.
        digest: Of the data.
        found: The options that were found from the data.
        threads: CPU threads of the run.
        result: How the run ended, where it has ended.
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
    result: Result | None = None


@dataclass(frozen=True)
class Saved:
    """The contents of a model's config.json, with the task's own types.

    Attributes:
        config: All of it.
        options: The task's options.
        metadata: What was found from the data and is needed to use the model.
    """

    config: Config
    options: Options
    metadata: Metadata


def read_config(path: Path) -> Config:
    """The contents of a config.json; its `options` and `metadata` are not read yet.

    Raises:
        InputError: It cannot be used; the message says why.
    """
    said = read_json(path)
    form, version, task = (said.get(name) for name in ("format", "version", "task"))
    if form != CONFIG_FORMAT or not isinstance(task, str) or task not in TASKS:
        raise InputError(
            f"{str(path)!r} says format {shown(form)} and task {shown(task)}; it should be "
            f"{CONFIG_FORMAT!r} and one of "
            f"{', '.join(TASKS)}: give the --out of `ostinato train`"
        )
    if type(version) is not int or version != CONFIG_VERSION:
        raise InputError(
            f"{str(path)!r} is of format version {shown(version)} and this ostinato reads version "
            f"{CONFIG_VERSION}; "
            "use the ostinato that wrote it, or train the model again"
        )
    return _record(Config, said, path)


def read_saved(directory: Path, **options) -> Saved:
    """The contents of the config.json in a directory, with these options in place of those that it
    has.

    Raises:
        InputError: It cannot be used; the message says why.
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


def read_options(options: type[Options], said: dict) -> Options:
    """A task's options, by name.

    Raises:
        InputError: There is no such option, or a value cannot be used.
    """
    for name in said:
        if name not in options.__dataclass_fields__:
            raise InputError(
                f"there is no option {name[:80]!r}{near(name[:80], options.__dataclass_fields__)}"
            )
    return options(**said)


def _record(record: type, said: dict, path: Path, field: str = ""):
    try:
        return read_record(record, said, field=field)
    except InputError as error:
        raise InputError(f"{str(path)!r} cannot be used: {error}; {_RESTORE}") from error


def read_kind(directory: Path) -> str:
    """The kind of the vocabulary in a directory, as it says itself.

    Raises:
        InputError: There is no vocabulary.
    """
    kind = read_json(directory / VOCABULARY).get("kind")
    if not isinstance(kind, str) or kind not in TOKEN_KINDS:
        raise InputError(
            f"{str(directory / VOCABULARY)!r} holds a vocabulary of kind {shown(kind)}; it should "
            f"be one of {', '.join(TOKEN_KINDS)}: {_RESTORE}"
        )
    return kind


def read_model(directory: Path, **options) -> Saved:
    """As `read_saved`, of a directory that has a trained model.

    Raises:
        InputError: There is no such directory, or no model in it yet.
    """
    if not os.path.isdir(directory):
        raise InputError(
            f"there is no model directory {str(directory)!r}; give the --out of `ostinato train`"
        )
    saved = read_saved(directory, **options)
    if not os.path.lexists(directory / WEIGHTS):
        raise InputError(
            f"the run in {str(directory)!r} has no model yet; go on with it: the same `ostinato "
            f"train {saved.config.task}`, and --resume"
        )
    return saved


def is_helper() -> bool:
    """Whether this process was started by another one to train with it; that one writes and
    prints.
    """
    return os.environ.get("LOCAL_RANK", "0") != "0" or os.environ.get("NODE_RANK", "0") != "0"


def check_new(out: Path, resume: bool) -> None:
    """An error unless a new run can go to a directory."""
    # os.path and not the Path's own: that raises for a name that is too long
    if os.path.exists(out) and not os.path.isdir(out):
        raise InputError(
            f"--out {out}: there is a file of that name; give a directory that is new or empty"
        )
    # a run killed before its first file was whole leaves no run, only these
    begun = (
        {f".{name}{UNFINISHED}" for name in (CONFIG, VOCABULARY)}
        | {LOCK}
        | ({VOCABULARY} if resume else set())
    )
    if os.path.isdir(out) and set(listing(out)) - begun:
        mend = (
            "give another --out, or add --resume to go on with the run in it"
            if os.path.exists(out / CONFIG)
            else "it holds no run; give another --out"
        )
        raise InputError(f"--out {out}: the directory is not empty; {mend}")
