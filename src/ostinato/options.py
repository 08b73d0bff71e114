"""The options of a task: declared once, with their range and help, for Python, the command line and
the configuration file.
"""

import difflib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, fields

from .cells import CELLS
from .errors import InputError, shown

MODEL, BUDGET, LEARNING, RUN = "The model", "How long (one of these)", "Learning", "The run"
ENGINES = ("cpu", "reference", "torch")
ATTENTIONS = ("luong", "bahdanau")
KINDS, VOCABULARIES, SPELLINGS = (
    ("word", "character", "byte-pair"),
    ("character", "byte-pair"),
    ("grapheme", "jamo"),
)
# A task gives a cell its sequence and nothing beside it.
ONE_INPUT = tuple(name for name, cell in CELLS.items() if len(cell.graph.inputs) == 1)


def option(
    default,
    help: str,
    *,
    panel: str = MODEL,
    low: float | None = None,
    high: float | None = None,
    among: Sequence[str] = (),
    found: str = "",
    hidden: bool = False,
):
    """A field of `Options`.

    Args:
        default: Its value where none is given.
        help: A sentence for the command line.
        panel: Under which heading the command line shows it.
        low, high: The range of a number.
        among: The words that it can be.
        found: What the default None stands for; without this, None is no value that can be given.
        hidden: It is not shown.
    """
    return field(
        default=default,
        metadata={
            "help": help,
            "panel": panel,
            "low": low,
            "high": high,
            "among": tuple(among),
            "found": found,
            "hidden": hidden,
        },
    )


def flag(name: str) -> str:
    """The command line's name for an option."""
    return "--" + name.replace("_", "-")


@dataclass(frozen=True)
class Options:
    """What every task has; a task's own options stand beside these, or have another default.

    Raises:
        InputError: A value that cannot be used.
    """

    cell: str = option(
        "lstm", "Cell: elman, lstm, lstm_peephole, gru, min_gru, ...", among=ONE_INPUT
    )
    hidden: int = option(128, "Units of each layer.", low=1, high=16384)
    layers: int = option(1, "Layers.", low=1, high=64)
    dropout: float = option(0.3, "Rate of dropout.", low=0, high=0.99)
    epochs: float | None = option(
        None, "Times to read the data.", panel=BUDGET, low=1e-6, high=1e9, found="from the data"
    )
    steps: int | None = option(None, "Steps.", panel=BUDGET, low=1, high=10**12, found="none")
    seconds: float | None = option(None, "Seconds.", panel=BUDGET, low=0.1, high=1e9, found="none")
    batch: int = option(64, "Rows of a batch.", panel=LEARNING, low=1, high=65536)
    learning_rate: float = option(
        3e-3, "The highest of the schedule.", panel=LEARNING, low=1e-9, high=10
    )
    weight_decay: float = option(0.01, "Of AdamW.", panel=LEARNING, low=0, high=10)
    clip: float = option(1.0, "Norm that gradients are cut to.", panel=LEARNING, low=1e-9, high=1e9)
    held_out: float = option(
        0.1, "Part of the data that is kept to measure on.", panel=LEARNING, low=0.001, high=0.9
    )
    patience: int = option(
        5,
        "Stop after so many of 12 measurements without a better one; 0: never.",
        panel=LEARNING,
        low=0,
        high=10**6,
    )
    seed: int = option(1, "The same seed gives the same model.", panel=RUN, low=0, high=2**63 - 1)
    device: str = option("cpu", "cpu or cuda.", panel=RUN, among=("cpu", "cuda"))
    mixed_precision: bool = option(
        False, "Products of bfloat16 numbers, with --device cuda.", panel=RUN
    )
    engine: str | None = option(
        None,
        "What runs the cell; torch is torch.nn's own layer.",
        panel=RUN,
        among=ENGINES,
        found="the fastest",
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
            raise InputError(f"{' and '.join(budgets)}: a run has one budget; keep one of them")
        if self.engine == "torch":
            from .nn.torch_baseline import TORCH_LAYERS

            if self.cell not in TORCH_LAYERS:
                raise InputError(
                    f"--engine torch with --cell {self.cell}: torch.nn has "
                    f"{', '.join(TORCH_LAYERS)}; leave --engine out"
                )
        if self.mixed_precision and self.device != "cuda":
            raise InputError(
                "--mixed-precision without --device cuda: it is for a GPU; leave it out"
            )
        if self.device == "cuda":
            import torch

            if not torch.cuda.is_available():
                raise InputError(
                    "--device cuda: torch finds no such device here; write --device cpu, and see "
                    "`ostinato doctor`"
                )

    def to_json(self) -> dict:
        """The options by name."""
        return asdict(self)


def _check(one, given):
    about = one.metadata
    if given is None and about["found"]:
        return
    # as it was written, and short however long it is
    text = given if isinstance(given, str) and len(given) <= 60 else shown(given)
    if about["among"]:
        if given not in about["among"]:
            near = difflib.get_close_matches(text, about["among"], 1)
            raise InputError(
                f"{flag(one.name)} {text}: "
                + (f"did you mean {near[0]}? " if near else "")
                + f"Write one of {', '.join(about['among'])}"
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
    """int, float, str or bool: what the value of an option is."""
    return next(of for of in getattr(one.type, "__args__", (one.type,)) if of is not type(None))


def chosen(options: Options, saved: Options, given: frozenset[str], out) -> None:
    """Hold the options that a person gave against those of the run that is to go on.

    Raises:
        InputError: One is another.
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
                + "; leave the option out, or start anew with another --out"
            )
