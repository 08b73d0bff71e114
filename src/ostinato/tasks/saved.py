"""The directory of a model: its files, and what its config.json says. Nothing here needs torch."""

import os
from dataclasses import dataclass
from pathlib import Path

from ..errors import InputError, OstinatoError
from ..files import UNFINISHED, listing, read_json
from ..options import KINDS, Options
from .options import TASKS

FORMAT, VERSION = "ostinato task", 1
CONFIG, VOCABULARY, WEIGHTS, CHECKPOINT = "config.json", "vocabulary.json", "model.safetensors", "checkpoint.safetensors"
HISTORY, REPORT = "history.csv", "report.html"
# A language model has this picture too.
CURVE = "learning_curve.png"


@dataclass(frozen=True)
class Result:
    """How a run ended; config.json keeps it under "result"."""

    measures: dict[str, float | None]
    steps: int
    seconds: float
    rows: int
    held_out_rows: int
    stopped_early: bool
    history: list[dict]


@dataclass(frozen=True)
class Saved:
    """What the config.json of a model says.

    Attributes:
        config: All of it.
        task: The task's name on the command line.
        options: The task's options.
        knows: What was found from the data and is needed to use the model.
        result: How training ended, where it has ended.
        parameters: How many the model learns; None where an older version did not save it.
        pieces: The size of the vocabulary; 0 where there is none.
    """

    config: dict
    task: str
    options: Options
    knows: dict
    result: Result | None
    parameters: int | None
    pieces: int


def read_saved(directory: Path, **options) -> Saved:
    """What the config.json in a directory says, with these options in place of those that it has.

    Raises:
        InputError: It cannot be used; the message says why.
    """
    path = directory / CONFIG
    config = read_json(path)
    if config.get("format") != FORMAT or config.get("task") not in TASKS:
        raise InputError(f"{str(path)!r} says format {config.get('format')!r} and task {config.get('task')!r}; it should be {FORMAT!r} and one of "
                         f"{', '.join(TASKS)}: give the --out of `ostinato train`")
    if config.get("version") != VERSION:
        raise InputError(f"{str(path)!r} is of format version {config.get('version')!r} and this ostinato reads version {VERSION}; "
                         "use the ostinato that wrote it, or train the model again")
    try:
        chosen, knows = TASKS[config["task"]].options(**config["options"] | options), config["knows"]
    except (KeyError, TypeError, OstinatoError) as error:
        raise InputError(f"{str(path)!r} has options that cannot be used ({error}); restore the file, or train the model again") from error
    try:
        result = Result(**config["result"]) if "result" in config else None
    except TypeError as error:
        raise InputError(f"{str(path)!r} has a result that cannot be read ({error}); restore the file, or train the model again") from error
    return Saved(config, config["task"], chosen, knows, result, _count(config, "parameters", path), _count(config, "pieces", path) or 0)


def _count(config: dict, name: str, path: Path) -> int | None:
    count = config.get(name)
    if count is not None and (not isinstance(count, int) or isinstance(count, bool) or count < 0):
        raise InputError(f"{str(path)!r} has {name!r}: {str(count)[:40]!r}; it should be a whole number; restore the file, or train the model again")
    return count


def read_kind(directory: Path) -> str:
    """The kind of the vocabulary in a directory, as it says itself.

    Raises:
        InputError: There is no vocabulary.
    """
    kind = read_json(directory / VOCABULARY).get("kind")
    if kind not in KINDS:
        raise InputError(f"{str(directory / VOCABULARY)!r} holds a vocabulary of kind {str(kind)[:40]!r}; it should be one of {', '.join(KINDS)}: "
                         "restore the file, or train the model again")
    return kind


def read_model(directory: Path, **options) -> Saved:
    """As `read_saved`, of a directory that has a trained model.

    Raises:
        InputError: There is no such directory, or no model in it yet.
    """
    if not os.path.isdir(directory):
        raise InputError(f"there is no model directory {str(directory)!r}; give the --out of `ostinato train`")
    saved = read_saved(directory, **options)
    if not os.path.exists(directory / WEIGHTS):
        raise InputError(f"the run in {str(directory)!r} has no model yet; go on with it: the same `ostinato train {saved.task}`, and --resume")
    return saved


def is_helper() -> bool:
    """Whether this process was started by another one to train with it; that one writes and prints."""
    return os.environ.get("LOCAL_RANK", "0") != "0" or os.environ.get("NODE_RANK", "0") != "0"


def check_new(out: Path, resume: bool) -> None:
    """An error unless a new run can go to a directory."""
    # os.path and not the Path's own: that raises for a name that is too long
    if os.path.exists(out) and not os.path.isdir(out):
        raise InputError(f"--out {out}: there is a file of that name; give a directory that is new or empty")
    # a run killed before its first file was whole leaves no run, only these
    begun = {f".{name}{UNFINISHED}" for name in (CONFIG, VOCABULARY)} | ({VOCABULARY} if resume else set())
    if os.path.isdir(out) and set(listing(out)) - begun:
        mend = "give another --out, or add --resume to go on with the run in it" if os.path.exists(out / CONFIG) else "it holds no run; give another --out"
        raise InputError(f"--out {out}: the directory is not empty; {mend}")
