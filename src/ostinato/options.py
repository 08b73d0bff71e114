"""Options of a task, declared once for Python, the command line and config.json."""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

from .cells import CELLS
from .errors import InputError, shown

__all__ = [
    "ATTENTIONS",
    "BUDGET_PANEL",
    "ENGINE_CHOICES",
    "MODEL_PANEL",
    "ONE_INPUT",
    "Options",
    "RUN_PANEL",
    "TRAINING_PANEL",
    "check_resumed_options",
    "flag",
    "kind",
    "option",
]

# The headings under which the help lists options.
MODEL_PANEL = "Model"
BUDGET_PANEL = "Training length (choose one)"
TRAINING_PANEL = "Training"
RUN_PANEL = "Run"
ENGINE_CHOICES = ("cpu", "reference", "torch")
ATTENTIONS = ("luong", "bahdanau")
# How a run is logged: history.csv alone, or event files too.
LOGS = ("csv", "tensorboard")
# The languages of a report.
LANGUAGES = ("en", "ko")
TOKEN_KINDS, VOCABULARIES, SPELLINGS = (
    ("word", "character", "byte-pair"),
    ("character", "byte-pair"),
    ("grapheme", "jamo"),
)
# A task feeds a cell its sequence and no second input.
ONE_INPUT = tuple(name for name, cell in CELLS.items() if len(cell.graph.inputs) == 1)


def option(
    default,
    help: str,
    *,
    panel: str = MODEL_PANEL,
    low: float | None = None,
    high: float | None = None,
    choices: Sequence[str] = (),
    default_text: str = "",
    hidden: bool = False,
):
    """A field of `Options`.

    Args:
        default: The default value.
        help: The help text of the command line, one sentence.
        panel: The heading under which the help lists the option.
        low, high: The range of a number.
        choices: The words that are allowed.
        default_text: The meaning of the default None; without it None is not an allowed value.
        hidden: Leave the option out of the help.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "panel": panel,
            "low": low,
            "high": high,
            "choices": tuple(choices),
            "default_text": default_text,
            "hidden": hidden,
        },
    )


def flag(name: str) -> str:
    """The command line's name for an option."""
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Options:
    """Options of every task; a task adds its own or changes a default.

    Raises:
        InputError: A value that cannot be used.
    """

    cell: str = option(
        "lstm", "Recurrent cell: elman, lstm, lstm_peephole, gru, min_gru, ...", choices=ONE_INPUT
    )
    hidden: int = option(128, "Hidden size: units in each layer.", low=1, high=16384)
    layers: int = option(1, "Number of recurrent layers.", low=1, high=64)
    dropout: float = option(0.3, "Dropout rate.", low=0, high=0.99)
    epochs: float | None = option(
        None,
        "Number of epochs.",
        panel=BUDGET_PANEL,
        low=1e-6,
        high=1e9,
        default_text="from the number of rows",
    )
    steps: int | None = option(
        None,
        "Number of training steps (batches).",
        panel=BUDGET_PANEL,
        low=1,
        high=10**12,
        default_text="none",
    )
    seconds: float | None = option(
        None,
        "Training time in seconds.",
        panel=BUDGET_PANEL,
        low=0.1,
        high=1e9,
        default_text="none",
    )
    batch: int = option(64, "Batch size: rows in a batch.", panel=TRAINING_PANEL, low=1, high=65536)
    learning_rate: float = option(
        3e-3, "Peak learning rate of the schedule.", panel=TRAINING_PANEL, low=1e-9, high=10
    )
    weight_decay: float = option(
        0.01, "Weight decay of AdamW.", panel=TRAINING_PANEL, low=0, high=10
    )
    clip: float = option(
        1.0, "Maximum gradient norm (gradient clipping).", panel=TRAINING_PANEL, low=1e-9, high=1e9
    )
    held_out: float = option(
        0.1,
        "Fraction of the data held out for validation.",
        panel=TRAINING_PANEL,
        low=0.001,
        high=0.9,
    )
    patience: int = option(
        5,
        "Early stopping: stop after this many of the 12 validation runs without improvement, "
        "counted once the training loss has fallen; 0: off.",
        panel=TRAINING_PANEL,
        low=0,
        high=10**6,
    )
    seed: int = option(
        1,
        "Random seed; the same seed gives the same model.",
        panel=RUN_PANEL,
        low=0,
        high=2**63 - 1,
    )
    device: str = option(
        "cpu", "Device to train on: cpu or cuda.", panel=RUN_PANEL, choices=("cpu", "cuda")
    )
    mixed_precision: bool = option(
        False, "Multiply matrices in bfloat16 (requires --device cuda).", panel=RUN_PANEL
    )
    log: str = option(
        "csv",
        "Log of the run: csv, or tensorboard for event files too.",
        panel=RUN_PANEL,
        choices=LOGS,
    )
    language: str = option(
        "en", "Language of the report: en or ko.", panel=RUN_PANEL, choices=LANGUAGES
    )
    engine: str | None = option(
        None,
        "Engine that runs the cell; torch uses the layer of torch.nn.",
        panel=RUN_PANEL,
        choices=ENGINE_CHOICES,
        default_text="the fastest",
        hidden=True,
    )

    def __post_init__(self):
        for one in fields(self):
            _check(one, getattr(self, one.name))
        budgets = [
            f"{flag(name)} {getattr(self, name):g}"
            for name in ("epochs", "steps", "seconds")
            if getattr(self, name) is not None
        ]
        if len(budgets) > 1:
            raise InputError(
                f"{' and '.join(budgets)}: a run has only one length; keep one of them"
            )
        if self.engine == "torch":
            from .nn.torch_baseline import TORCH_LAYERS

            if self.cell not in TORCH_LAYERS:
                raise InputError(
                    f"--engine torch with --cell {self.cell}: torch.nn only has "
                    f"{', '.join(TORCH_LAYERS)}; leave --engine out"
                )
        if self.mixed_precision and self.device != "cuda":
            raise InputError(
                "--mixed-precision without --device cuda: it requires a GPU; leave it out"
            )
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise InputError(
                    "--device cuda: torch does not find a GPU on this machine; write --device cpu, "
                    "and see `ostinato doctor`"
                )

    def to_json(self) -> dict:
        """The options by name."""
        return asdict(self)


def _check(one, given):
    about = one.metadata
    if given is None and about["default_text"]:
        return
    # as the user wrote it, shortened if it is long
    text = given if isinstance(given, str) and len(given) <= 60 else shown(given)
    if about["choices"]:
        if given not in about["choices"]:
            near = difflib.get_close_matches(text, about["choices"], 1)
            raise InputError(
                f"{flag(one.name)} {text}: "
                + (f"did you mean {near[0]}? " if near else "")
                + f"Write one of {', '.join(about['choices'])}"
            )
    elif about["low"] is not None:
        whole = kind(one) is int
        low, high, form = about["low"], about["high"], "d" if whole else "g"
        right = isinstance(given, int) if whole else isinstance(given, (int, float))
        if not right or isinstance(given, bool) or not low <= given <= high:
            raise InputError(
                f"{flag(one.name)} {text}: write a {'whole ' if whole else ''}number from "
                f"{low:{form}} to {high:{form}}"
                + (f", such as {one.default}" if one.default is not None else "")
            )
    elif not isinstance(given, kind(one)):
        raise InputError(
            f"{flag(one.name)} {shown(given)}: write "
            f"{'text' if kind(one) is str else 'True or False'}"
        )


def kind(one) -> type:
    """The type of an option's value: int, float, str or bool."""
    return next(of for of in getattr(one.type, "__args__", (one.type,)) if of is not type(None))


def check_resumed_options(options: Options, saved: Options, given: frozenset[str], out) -> None:
    """Compare the options given on the command line with those of the run to resume.

    Raises:
        InputError: An option has another value in the saved run.
    """
    for name in (f.name for f in fields(options) if f.name in given):
        was = getattr(saved, name)
        if getattr(options, name) != was:
            raise InputError(
                f"{flag(name)} {getattr(options, name)} with --resume: the run in {str(out)!r} "
                + (
                    f"has {flag(name)} {was}"
                    if was is not None
                    else f"was started without {flag(name)}"
                )
                + "; leave the option out, or start a new run with another --out"
            )
