"""What all tasks share: from examples to a trained model in a directory, and from the directory to
answers.
"""

import contextlib
import math
import os
import shlex
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..data.batching import Buckets
from ..data.disk import taken
from ..data.examples import Examples
from ..data.files import locked, make_directory, specs_of, write_json, write_tensors
from ..data.records import to_json
from ..data.values import scaling
from ..data.vocabulary import Pieces
from ..errors import InputError
from ..options import Options, chosen, flag
from ..training.problem import Problem
from .knowledge import Knowledge
from .options import TASKS, Listing
from .reading import read_examples
from .restore import load_weights, read_weights, untrained
from .saved import (
    CHECKPOINT,
    CONFIG,
    FORMAT,
    HISTORY,
    REPORT,
    VERSION,
    VOCABULARY,
    WEIGHTS,
    Config,
    Result,
    check_new,
    is_helper,
    read_saved,
)

# While a run goes on it is measured on so many held-out rows at most, to spend its time on
# training.
WATCHED = 2000


class Rows(Problem):
    """The problem of a task whose examples are independent rows.

    Args:
        task: The task, with its model.
        learned, measured: Encoded rows (`Task.encode`), one array or tuple of arrays each.
        lengths: Of the rows that are learned from.
    """

    def __init__(self, task: "Task", learned: Sequence, measured: Sequence, lengths: Sequence[int]):
        options = task.options
        self.task, self.model, self.goal, self.higher, self.unit = (
            task,
            task.model,
            task.goal,
            task.higher,
            "row",
        )
        self.learned, self.measured = learned, taken(measured, range(min(WATCHED, len(measured))))
        self.buckets = Buckets(lengths, batch=min(options.batch, len(learned)), seed=options.seed)
        self.steps_per_epoch = self.buckets.steps_per_epoch
        self.rate = len(learned) / self.steps_per_epoch

    def batch(self, step, process=0, processes=1):
        return self.task.collate(
            [self.learned[k] for k in self.buckets.rows(step, process, processes)]
        )

    def loss(self, batch, carried):
        return *self.task.loss(batch), ()

    def held_out(self):
        return batches(self.task, self.measured)

    def measuring(self):
        return self.task.measuring()


def batches(task: "Task", encoded: Sequence):
    """Encoded rows as batches, in order."""
    size = task.options.batch
    return (task.collate(encoded[start : start + size]) for start in range(0, len(encoded), size))


@dataclass(frozen=True)
class Inside:
    """The way of one input through a layer.

    Attributes:
        layer: The layer, an `ostinato.Recurrent`.
        x: Its input, (1, T, units).
        tokens: What each step is, to be read.
        output_of: From the layer's input (T, units) to the number that is explained.
        explained: What that number is.
    """

    layer: nn.Module
    x: torch.Tensor
    tokens: list[str]
    output_of: Callable[[torch.Tensor], torch.Tensor]
    explained: str


class Task:
    """A task: `fit`, `evaluate`, `predict`, `save`; `load` gives one back.

    A task has, besides these: `name`, `Options`, `goal` and `higher`; `given_rows`, `prepare`,
    `build`, `encode`, `collate`, `loss`, `measuring`, `measures` and `answers`, which say what they
    are below.

    Args:
        options: Those of the task's `Options`, by name.

    Attributes:
        options: The task's options; after `fit` those that were found from the data have their
            values.
        knows: What was found from the data and is needed to use the model, the task's `Knowledge`:
            labels, columns, scales.
        pieces: The vocabulary, where there is one.
        model: The model, after `fit` or `load`.
        result: How training ended.
    """

    name: str
    Options: type[Options]
    goal: str
    higher: bool
    # What using a model does, for the report.
    use_does = "answer, a line in, a line out"
    # What a line of standard input is, for a person who types it.
    line_is = "a text"
    # A model can predict without data, and then continues what it was trained on; `predict` has
    # `steps`.
    continues = False
    # From what `pieces.to_json()` gave, back to the vocabulary.
    vocabulary_from_json = staticmethod(Pieces.from_json)

    def __init__(self, **options):
        known = {f.name for f in fields(self.Options)}
        for name in options:
            if name not in known:
                raise InputError(
                    f"{type(self).__name__}({name}=...): there is no such option; there are "
                    f"{', '.join(sorted(known))}"
                )
        self.options = self.Options(**options)
        # the names of the options that were found from the data, which are found anew from other
        # data
        self._found: list[str] = []
        self.knows: Knowledge | None = None
        self.pieces: Pieces | None = None
        self.model: nn.Module | None = None
        self.result: Result | None = None

    # ------------------------------------------------------------ what a task says of itself

    def read(self, data, *, labelled: bool = True) -> Examples:
        """Examples from a person's file, or from what is in memory.

        Args:
            data: A path; rows in memory, as the task's class says; or examples, which stay as they
                are.
            labelled: The answers are wanted too.
        """
        if isinstance(data, Examples):
            return data
        if isinstance(data, (str, Path)):
            return read_examples(self.name, data, self.options, labelled=labelled, knows=self.knows)
        return self.given_rows(data, labelled)

    def given_rows(self, data, labelled: bool) -> Examples:
        """Examples from rows in memory; `labelled` is whether the answers are wanted too."""
        raise NotImplementedError

    def prepare(self, learned: Examples, every: Examples) -> dict:
        """Find from the data what the model needs: fills `knows` and `pieces`, and returns values
        for options that are None.

        Args:
            learned: The rows that are learned from.
            every: These and the held-out ones; labels come from all, vocabularies from those
                learned.
        """
        raise NotImplementedError

    def check(self) -> None:
        """An InputError where options, what it knows and its vocabulary, which come from a
        directory, do not go together.
        """

    def build(self) -> nn.Module:
        """The model, from `options`, `knows` and `pieces`."""
        raise NotImplementedError

    def encode(self, examples: Examples) -> Sequence:
        """Each row as arrays of numbers."""
        raise NotImplementedError

    def length(self, row) -> int:
        """Steps of an encoded row, to batch it with rows like it."""
        return len(row[0])

    def collate(self, rows: list) -> tuple[torch.Tensor, ...]:
        """Encoded rows as a batch."""
        raise NotImplementedError

    def before(self, out: Path, **run) -> float:
        """What the model learns before `loss`, with files in `out` and these of
        `ostinato.training.loop.fit`; gives the seconds it took.
        """
        return 0.0

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, int]:
        """Summed loss of a batch, and what to divide it by."""
        raise NotImplementedError

    def measuring(self):
        """As `Problem.measuring`."""
        raise NotImplementedError

    def measures(self, examples: Examples) -> dict[str, float | None]:
        """The task's measures on labelled examples, the goal first."""
        raise NotImplementedError

    def answers(self, examples: Examples) -> list[dict]:
        """An answer for each row, as JSON can say it; its first value is what stands in a line of
        text.
        """
        raise NotImplementedError

    def line(self, text: str):
        """What `read` takes, from a line of standard input."""
        return [text]

    def shown(self, answer: dict) -> str:
        """An answer as a line of text."""
        return str(next(iter(answer.values())))

    def epochs(self, rows: int) -> float:
        """How many times to read so many rows where no budget is given."""
        return max(3, min(30, 300_000 / rows))

    def sample(self) -> str:
        """What the command line shows of a model at the end of its training."""
        return ""

    def scaling(self) -> str:
        """How the numbers of the input are scaled, for a line of the command line; "" where the
        input is not numbers.
        """
        return scaling(getattr(self.knows, "dtype", None))

    def report_parts(self, examples: Examples) -> dict:
        """What the task's report has besides what all have: fields of
        `ostinato.training.report.Report`.

        Args:
            examples: Those that the trained model was measured on.
        """
        return {}

    def inside(self, data) -> "Inside":
        """What goes on inside the layer that reads an input, for `inspect`.

        Args:
            data: What `line` gives for one line.

        Raises:
            InputError: The task has no such view, or the input has no steps.
        """
        raise InputError(
            f"a model of `ostinato train {self.name}` has no layer that can be looked into yet; "
            f"see `ostinato info`"
        )

    def skeleton(self) -> nn.Module:
        """The model without memory for its parameters: their names, dtypes and shapes."""
        with torch.device("meta"):
            return self.build()

    @property
    def listing(self) -> Listing:
        """How the command line lists the task."""
        return TASKS[self.name]

    @property
    def size(self) -> int:
        """Parameters of the model that are learned."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    # ------------------------------------------------------------ scikit-learn's habits

    def get_params(self, deep: bool = True) -> dict:
        """The options by name."""
        return asdict(self.options)

    def set_params(self, **options) -> "Task":
        """Change options."""
        self.options = type(self)(
            **self.get_params() | dict.fromkeys(self._found) | options
        ).options
        self._found = []
        return self

    def __repr__(self):
        given = {
            f.name: getattr(self.options, f.name)
            for f in fields(self.options)
            if getattr(self.options, f.name) != f.default
        }
        words = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"{type(self).__name__}({words})"

    # ------------------------------------------------------------ training

    def fit(
        self,
        data,
        *,
        examples: Examples | None = None,
        test=None,
        out: Path | None = None,
        resume: bool = False,
        given: frozenset[str] = frozenset(),
        threads: int | None = None,
        devices: int = 1,
        nodes: int = 1,
        checkpoint_seconds: float = 10.0,
        watcher=None,
        told=None,
    ) -> "Task":
        """Train.

        Args:
            data: What `read` takes: a path, or rows in memory.
            examples: What `read` gives for `data`, where that has been read already.
            test: Data to measure the trained model on; without it that is the held-out part of
                `data` (option `held_out`), by which training is stopped and the best weights are
                chosen in any case.
            out: A directory for the model that is new or empty; or, to resume, the one of the run.
                Without one the run leaves no files.
            resume: Go on with the run in `out`, where there is one.
            given: The names of the options that the person chose; to resume, these are compared
                with the run's.
            threads: CPU threads; None for as many as the run had before, or as there are cores.
            devices, nodes: Processes on each machine, and machines; see
                `ostinato.training.loop.fit`. With these `out` is needed.
            checkpoint_seconds: Seconds between checkpoints.
            watcher: An `ostinato.training.loop.Watcher`.
            told: Called with the task once everything is found from the data and training is about
                to begin.

        Returns:
            The task itself.

        Raises:
            InputError: Anything given that cannot be used; then nothing has been written.
        """
        run = {
            "threads": threads,
            "devices": devices,
            "nodes": nodes,
            "checkpoint_seconds": checkpoint_seconds,
            "watcher": watcher,
            "told": told,
        }
        if out is None:
            if resume:
                raise InputError(
                    "fit(resume=True) without out=: there is no run to go on with; give its "
                    "directory"
                )
            if devices * nodes > 1:
                raise InputError(
                    f"fit(devices={devices}, nodes={nodes}) without out=: the processes share the "
                    f"run's directory; give one"
                )
            with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
                return self._fit(data, examples, test, Path(directory), False, given, **run)
        return self._fit(data, examples, test, Path(out), resume, given, **run)

    def _fit(
        self,
        data,
        examples,
        test,
        out,
        resume,
        given,
        *,
        threads,
        devices,
        nodes,
        checkpoint_seconds,
        watcher,
        told,
    ):
        from ..training import loop as training

        # the first process has begun the run, and watches over it
        helper = is_helper()
        resume, watcher, told = (
            resume or helper,
            None if helper else watcher,
            None if helper else told,
        )
        self.knows = None  # what is known of other data says nothing of these
        every = self.read(data if examples is None else examples)
        digest = every.digest()
        with contextlib.ExitStack() as held:
            config = None
            if resume and os.path.exists(out / CONFIG):
                if not helper:
                    held.enter_context(locked(out))
                config = self._resumed(out, digest, given)
            else:
                check_new(out, resume)
            learned, watched = self.split(every)
            if config is None:
                config = self._prepared(data, test, digest, learned, every, threads)
            torch.set_num_threads(threads or config.threads or cores())
            torch.manual_seed(self.options.seed)
            self.model = self.build()
            problem = self.problem(learned, watched)
            measured = watched if test is None else self.read(test)
            if test is not None:
                self.encode(
                    measured
                )  # what cannot be used is to be told before training, not after it
            budget = training.Budget(self.options.steps, self.options.seconds)
            if budget.steps is None and budget.seconds is None:
                budget = training.Budget(math.ceil(self.options.epochs * problem.steps_per_epoch))
            make_directory(out)
            if not (out / CONFIG).exists():
                held.enter_context(locked(out))
                # another run may have been here since
                check_new(out, resume)
                self._write_words(out)
                write_json(out / CONFIG, to_json(config))
            if told:
                told(self)
            options = self.options
            run = {
                "checkpoint_seconds": checkpoint_seconds,
                "watcher": watcher,
                "device": options.device,
                "devices": devices,
                "nodes": nodes,
                "mixed": options.mixed_precision,
            }
            before = self.before(out, **run)
            progress = training.fit(
                problem,
                budget=budget,
                learning_rate=options.learning_rate,
                weight_decay=options.weight_decay,
                clip=options.clip,
                patience=options.patience,
                checkpoint=out / CHECKPOINT,
                keep_best=lambda: write_tensors(out / WEIGHTS, self.model.state_dict()),
                log=out / HISTORY,
                **run,
            )
            if helper:
                return self
            load_weights(self.model, out / WEIGHTS)
            self.model.eval()
            self.result = Result(
                self.measures(measured),
                progress.step,
                round(before + progress.seconds, 2),
                len(learned),
                len(measured),
                progress.waited > 0 and not budget.is_used_up(progress.step, progress.part),
                progress.history,
            )
            write_json(
                out / CONFIG, to_json(replace(config, parameters=self.size, result=self.result))
            )
            self._report(out, config, measured)
        return self

    def _prepared(
        self, data, test, digest: str, learned: Examples, every: Examples, threads: int | None
    ) -> Config:
        """The configuration of a new run, once everything is found from its data."""
        self.model, self.options = None, replace(self.options, **dict.fromkeys(self._found))
        found = self.prepare(learned, every)
        if not (self.options.epochs or self.options.steps or self.options.seconds):
            found["epochs"] = self.epochs(len(learned))
        self._found = sorted(name for name in found if getattr(self.options, name) is None)
        self.options = replace(self.options, **found)
        paths = {
            name: str(given) if isinstance(given, (str, Path)) else None
            for name, given in (("data", data), ("test", test))
        }
        return replace(
            self._said(), **paths, digest=digest, found=self._found, threads=threads or cores()
        )

    def _report(self, out: Path, config: Config, measured: Examples):
        from ..training.report import Report, write_report

        standard, result, found = type(self).Options(), self.result, config.found
        best = max if self.higher else min
        # of equals the later one was kept
        history = [line for line in reversed(result.history) if line.get(self.goal) is not None]
        where = shlex.quote(str(out))
        parts = {
            "title": f"{self.name}: {Path(config.data).name if config.data else 'rows in memory'}",
            "task": self.listing.summary,
            "when": time.strftime("%Y-%m-%d %H:%M"),
            "measures": result.measures,
            "commands": [
                (self.use_does, f"ostinato {self.listing.use} {where}"),
                ("measure on other data", f"ostinato evaluate {where} DATA"),
                (
                    "do the run again",
                    f"ostinato train --config {shlex.quote(str(out / CONFIG))} --out OTHER",
                ),
            ],
            "python": f"from ostinato.tasks import load\n\nmodel = "
            f"load({str(out)!r})\nmodel.predict(...)",
            "options": [
                (
                    flag(f.name),
                    getattr(self.options, f.name),
                    "found"
                    if f.name in found
                    else "default"
                    if getattr(self.options, f.name) == getattr(standard, f.name)
                    else "given",
                )
                for f in fields(self.options)
            ],
            "data": {
                f"{self.listing.unit} learned from": result.rows,
                f"{self.listing.unit} measured on": result.held_out_rows,
                "steps": result.steps,
                "seconds": result.seconds,
            }
            | ({"pieces": f"{len(self.pieces):,} ({self.pieces.kind})"} if self.pieces else {})
            | {"parameters": self.size},
            "history": result.history,
            "kept": best(history, key=lambda line: line[self.goal])["step"] if history else None,
        }
        write_report(out / REPORT, Report(**parts | self.report_parts(measured)))

    def split(self, every: Examples) -> tuple[Examples, Examples]:
        """What is learned from, and what is held out."""
        return every.split(self.options.held_out, self.options.seed)

    def problem(self, learned: Examples, measured: Examples) -> Problem:
        """What training is given."""
        rows = self.encode(learned)
        return Rows(
            self,
            rows,
            self.encode(measured),
            np.fromiter(map(self.length, rows), np.int32, len(rows)),
        )

    def _resumed(self, out: Path, digest: str, given) -> Config:
        """The configuration of the run in a directory, if what is given is the same."""
        saved = read_saved(out)
        config = saved.config
        if config.task != self.name:
            raise InputError(
                f"--resume: the run in {str(out)!r} is one of `ostinato train {config.task}`; give "
                f"another --out"
            )
        chosen(self.options, saved.options, given, out)
        if config.digest != digest:
            raise InputError(
                f"--resume: the data is not that of the run in {str(out)!r}; give that data, or "
                f"start anew with another --out"
            )
        task = untrained(saved, out)
        if not (task.options.epochs or task.options.steps or task.options.seconds):
            raise InputError(
                f"{str(out / CONFIG)!r} cannot be used: none of the options 'epochs', 'steps' and "
                f"'seconds' says how long the run is; "
                "restore the file, or train the model again"
            )
        # before memory is taken for a model of these sizes
        if os.path.lexists(out / CHECKPOINT):
            from ..training.checkpoint import check_checkpoint

            wanted = specs_of(task.skeleton().state_dict())
            if check_checkpoint(out / CHECKPOINT, wanted).history:
                # the best weights so far
                read_weights(out / WEIGHTS, wanted)
        self.options, self.knows, self.pieces = task.options, task.knows, task.pieces
        return config

    # ------------------------------------------------------------ use

    def evaluate(self, data) -> dict[str, float | None]:
        """The task's measures on labelled data.

        Args:
            data: What `read` takes.

        Raises:
            InputError: The data cannot be used, or the task has no model yet.
        """
        self._trained()
        return self.measures(self.read(data))

    def predict(self, data) -> list[dict]:
        """An answer for each row.

        Args:
            data: What `read` takes, without the answers.
        """
        self._trained()
        return self.answers(self.read(data, labelled=False))

    def save(self, directory: Path) -> None:
        """Write the model to a directory that is new or empty; `load` reads it.

        Raises:
            InputError: The task has no model yet, or the place cannot be used.
        """
        self._trained()
        out = Path(directory)
        check_new(out, False)
        make_directory(out)
        self._write_words(out)
        write_tensors(out / WEIGHTS, self.model.state_dict())
        write_json(
            out / CONFIG, to_json(replace(self._said(), parameters=self.size, result=self.result))
        )

    def _said(self) -> Config:
        """What a configuration says of any model of the task."""
        return Config(
            FORMAT,
            VERSION,
            self.name,
            options=self.options.to_json(),
            knows=to_json(self.knows),
            pieces=len(self.pieces or ()),
        )

    def _write_words(self, out: Path):
        if self.pieces:
            write_json(out / VOCABULARY, self.pieces.to_json())

    def _trained(self):
        if self.model is None:
            raise InputError(
                f"{type(self).__name__}: there is no model yet; call fit first, or "
                f"ostinato.tasks.load(directory)"
            )


def cores() -> int:
    """How many CPU cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
