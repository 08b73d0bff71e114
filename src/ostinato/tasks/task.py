"""Base class of all tasks: trains a model on examples, saves it, and predicts with it."""

import contextlib
import math
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from ..data.batching import Buckets, within_steps
from ..data.disk import select
from ..data.examples import Examples
from ..data.files import locked, make_directory, specs_of, write_json, write_tensors
from ..data.memory import columns_of, inputs_of, is_frame, targets_of, write_table
from ..data.records import to_json
from ..data.summary import DataSummary
from ..data.values import scaling
from ..data.vocabulary import Vocabulary
from ..errors import InputError
from ..options import Options, check_resumed_options
from ..training.problem import Problem
from .estimator import (
    Fitted,
    check_names,
    constructor,
    restore_state,
    state_of,
    tags_of,
    unfitted,
)
from .metadata import Metadata
from .options import DECODING_PANEL, TASKS, Listing
from .reading import read_examples
from .restore import load_weights, read_weights, untrained
from .saved import (
    CHECKPOINT,
    CONFIG,
    CONFIG_FORMAT,
    CONFIG_VERSION,
    EVENTS,
    HISTORY,
    REPORT,
    VOCABULARY,
    WEIGHTS,
    Compared,
    Config,
    InputColumns,
    Result,
    check_new,
    is_helper,
    read_saved,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from ..training.report import RunReport

__all__ = ["Task"]

# In the class of a task, `Options` is the attribute of that name.
AnyOptions = Options

# Maximum number of held-out rows used for validation during training.
WATCHED_ROWS = 2000


class RowProblem(Problem):
    """The training problem of a task whose examples are independent rows.

    Args:
        task: The task, with its model.
        learned, measured: Encoded training and validation rows (`Task.encode`).
        lengths: The lengths of the training rows.
    """

    def __init__(self, task: "Task", learned: Sequence, measured: Sequence, lengths: Sequence[int]):
        options = task.options
        self.task, self.model, self.goal, self.higher_is_better, self.unit = (
            task,
            task.model,
            task.goal,
            task.higher_is_better,
            "row",
        )
        self.learned, self.measured = (
            learned,
            select(measured, range(min(WATCHED_ROWS, len(measured)))),
        )
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

    def evaluator(self):
        return self.task.evaluator()


def batches(task: "Task", encoded: Sequence):
    """Encoded rows as batches, in order."""
    return map(task.collate, within_steps(encoded, task.length, batch=task.options.batch))


@dataclass(frozen=True)
class Inside:
    """A layer and one input, for `inspect`.

    Attributes:
        layer: The layer, an `ostinato.Recurrent`.
        x: The input of the layer, (1, T, units).
        tokens: The name of each step.
        output_of: Function from the layer's input (T, units) to the number to explain.
        explained: A description of that number.
    """

    layer: nn.Module
    x: torch.Tensor
    tokens: list[str]
    output_of: Callable[[torch.Tensor], torch.Tensor]
    explained: str


class Task:
    """Base class of tasks with `fit`, `evaluate`, `predict` and `save`; `load` restores a task.

    A subclass defines `name`, `Options`, `goal`, `higher_is_better`, and the methods `given_rows`,
    `prepare`, `build`, `encode`, `collate`, `loss`, `evaluator`, `compute_metrics` and `answers`.

    Args:
        options: The options of the task's `Options`, by name.

    Attributes:
        options: The options; after `fit`, those that were None have the values chosen from the
            data.
        metadata: The task's `Metadata`: labels, columns, scales.
        vocabulary: The vocabulary, if the task has one.
        model: The model, after `fit` or `load`.
        summary: What the reader understood of the training data; `prepare` may add to it.
        result: The result of the training.
    """

    name: str
    Options: type[Options]
    goal: str
    higher_is_better: bool
    # What `use` does, as a heading of the report.
    use_does = "predict, one line per input line"
    # A line of standard input, described for a user who types it.
    line_is = "a text"
    # the content of the report, after `fit`
    _content: "RunReport | None" = None
    # `predict` works without data and continues the training data; it has the argument `steps`.
    continues = False
    # Restores the vocabulary from the result of `vocabulary.to_json()`.
    vocabulary_from_json = staticmethod(Vocabulary.from_json)

    # Between the items of a list in a CSV file of predictions.
    list_separator = " "

    # Whether `fit` needs labels or targets.
    takes_labels = True
    metadata: Metadata | None = Fitted()
    vocabulary: Vocabulary | None = Fitted()
    model: nn.Module | None = Fitted()
    summary: DataSummary | None = Fitted()
    result: Result | None = Fitted()
    # The parameters as they were given, and the options once they are checked.
    _params: dict[str, object]
    _options: AnyOptions | None = None
    # The columns of inputs in memory.
    _features: InputColumns | None = None

    def __init_subclass__(cls, **settings):
        super().__init_subclass__(**settings)
        if "Options" in vars(cls):
            cls.__init__ = constructor(cls.Options)

    # ------------------------------------------------------------ interface of a task

    def read(self, data, *, labelled: bool = True) -> Examples:
        """Read examples from a file or from memory.

        Args:
            data: A path; rows in memory as described in the task's class; or examples, which are
                returned unchanged.
            labelled: Labels (or targets) are required.
        """
        if isinstance(data, Examples):
            return data
        if isinstance(data, (str, Path)):
            return read_examples(
                self.name, data, self.options, labelled=labelled, metadata=self.metadata
            )
        if self.continues:
            # a series is read with the names and the index of its frame
            return self.given_rows(data, labelled)
        if is_frame(data) and (labelled or not self._reads_rows):
            return self._read_frame(data, labelled)
        if labelled and self.takes_labels and isinstance(data, (tuple, list)) and len(data) == 2:
            rows: object = (inputs_of(data[0], self._columns), self.targets(data[1]))
        else:
            rows = inputs_of(data, self._columns)
        return self.given_rows(rows, labelled)

    def targets(self, y) -> object:
        """Labels or targets in memory as a sequence, for `given_rows`."""
        return targets_of(y)

    @property
    def _columns(self) -> list[str] | None:
        """The names of the columns of the frame that was given to `fit` as X."""
        return self._features.names if self._features else None

    @property
    def _reads_rows(self) -> bool:
        """Whether a frame to predict for has rows of numbers or one column of texts; otherwise it
        is a table with the columns of the training data.
        """
        return self.takes_labels and not getattr(self.metadata, "columns", None)

    def _read_frame(self, frame, labelled: bool) -> Examples:
        """Read a data frame as a table in a file is read."""
        with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
            examples = self.read(write_table(frame, Path(directory)), labelled=labelled)
        examples.source = "the given data frame"
        return examples

    def given_rows(self, data, labelled: bool) -> Examples:
        """Examples from rows in memory; `labelled`: labels are required."""
        raise NotImplementedError

    def prepare(self, learned: Examples, every: Examples) -> dict:
        """Set `metadata` and `vocabulary` from the data, and return values for options that are
        None.

        Args:
            learned: The training rows.
            every: The training and validation rows; labels are taken from all of them, vocabularies
                from the training rows only.
        """
        raise NotImplementedError

    def check(self) -> None:
        """Raise an InputError if options, metadata and vocabulary from a directory do not fit each
        other.
        """

    def build(self) -> nn.Module:
        """Create the model from `options`, `metadata` and `vocabulary`."""
        raise NotImplementedError

    def encode(self, examples: Examples) -> Sequence:
        """Each row as arrays of numbers."""
        raise NotImplementedError

    def length(self, row) -> int:
        """Number of steps of an encoded row, to batch rows of similar length."""
        return len(row[0])

    def collate(self, rows: list) -> tuple[torch.Tensor, ...]:
        """Encoded rows as a batch."""
        raise NotImplementedError

    def pretrain(self, out: Path, **run) -> float:
        """Pretrain the model before `loss` is used; returns the seconds it took.

        Args:
            out: The directory of the run.
            run: Keyword arguments of `ostinato.training.loop.fit`.
        """
        return 0.0

    def combine(self, learned: Examples, watched: Examples, *, seconds: float) -> list[Compared]:
        """Fit another model than the network, and choose the weight of each on held-out rows.

        Args:
            learned: The training rows.
            watched: The held-out rows.
            seconds: The seconds in which the network was trained.

        Returns:
            The models that were compared; empty for a task that has only its network.
        """
        return []

    def refit(self, every: Examples) -> None:
        """Fit the other model of `combine` to the held-out rows too; the weights stay."""

    def loss(self, batch: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, int]:
        """Summed loss of a batch, and the number to divide it by."""
        raise NotImplementedError

    def evaluator(self):
        """As `Problem.evaluator`; `add` returns the result of `loss`."""
        raise NotImplementedError

    def compute_metrics(self, examples: Examples) -> dict[str, float | None]:
        """The metrics of the task on labelled examples, the goal first."""
        raise NotImplementedError

    def answers(self, examples: Examples) -> list[dict]:
        """A prediction for each row as a JSON-serialisable dict; its first value is the text
        form.
        """
        raise NotImplementedError

    def values(self, answers: list[dict]) -> Sequence:
        """The result of `predict` from that of `predict_dicts`."""
        return [next(iter(answer.values())) for answer in answers]

    def line(self, text: str):
        """The data for `read` from a line of standard input."""
        return [text]

    def shown(self, answer: dict) -> str:
        """A prediction as a line of text."""
        return str(next(iter(answer.values())))

    def shown_at_terminal(self, answer: dict) -> str:
        """A prediction as a line of text for a person, with its probability."""
        return self.shown(answer)

    def inputs(self, examples: Examples) -> list[dict]:
        """The number of each row, and its input if that is a text, for the output of `predict`."""
        columns = examples.columns
        texts = columns.get("x", columns.get("prompt"))
        return [
            {"row": k + 1} | ({"input": texts[k]} if texts and isinstance(texts[k], str) else {})
            for k in range(len(examples))
        ]

    def epochs(self, rows: int) -> float:
        """Default number of epochs for this many rows."""
        return max(3, min(30, 300_000 / rows))

    def sample(self) -> str:
        """Sample output that the command line prints after training."""
        return ""

    def scaling(self) -> str:
        """Description of the input scaling for the command line; "" if the input is not numeric."""
        return scaling(getattr(self.metadata, "dtype", None))

    def report_parts(self, examples: Examples) -> dict:
        """Task-specific fields of `ostinato.training.report.RunReport`.

        Args:
            examples: The examples that the trained model was evaluated on.
        """
        return {}

    def inside(self, data) -> "Inside":
        """The layer that reads an input, and the input, for `inspect`.

        Args:
            data: The result of `line`.

        Raises:
            InputError: The task does not support inspection, or the input has no steps.
        """
        raise InputError(
            f"a model of `ostinato train {self.name}` does not support inspect; see `ostinato info`"
        )

    def skeleton(self) -> nn.Module:
        """The model on the meta device: names, dtypes and shapes of its parameters, without
        memory.
        """
        with torch.device("meta"):
            return self.build()

    @property
    def listing(self) -> Listing:
        """The entry of the task on the command line."""
        return TASKS[self.name]

    @property
    def size(self) -> int:
        """Number of trained parameters."""
        return sum(p.numel() for p in self.model.parameters() if p.requires_grad)

    # ------------------------------------------------------------ scikit-learn interface

    def get_params(self, deep: bool = True) -> dict:
        """The parameters as they were given, as in scikit-learn; `options` has those in use."""
        return dict(self._params)

    def set_params(self, **params) -> "Task":
        """Change parameters for the next `fit`, as in scikit-learn.

        The options of decoding, such as `beams`, apply to a trained model at once.
        """
        check_names(f"{type(self).__name__}.set_params", self.Options, params)
        self._params = self._params | params
        if self._options is not None:
            at_once = {
                f.name: params[f.name]
                for f in fields(self.Options)
                if f.metadata["panel"] == DECODING_PANEL and params.get(f.name) is not None
            }
            self._options = replace(self._options, **at_once)
        return self

    @property
    def options(self) -> AnyOptions:
        """The options; after `fit`, those that were None have the values chosen from the data.

        Raises:
            InputError: A parameter has a value that cannot be used.
        """
        return self.Options(**self._params) if self._options is None else self._options

    @options.setter
    def options(self, options: AnyOptions) -> None:
        self._options = options

    def __getattr__(self, name: str):
        params = vars(self).get("_params", {})
        if name in params:
            return params[name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __setattr__(self, name: str, value) -> None:
        if name in vars(self).get("_params", ()) and not hasattr(type(self), name):
            self._params = self._params | {name: value}
        else:
            super().__setattr__(name, value)

    def __sklearn_tags__(self):
        return tags_of(self)

    def __sklearn_is_fitted__(self) -> bool:
        return self.model is not None

    def __getstate__(self) -> dict:
        return state_of(self)

    def __setstate__(self, state: dict) -> None:
        restore_state(self, state)

    @property
    def n_features_in_(self) -> int:
        """The number of columns of the array or frame that was given to `fit`. Sequences of other
        lengths can be predicted too.
        """
        if self._features is None:
            raise AttributeError("n_features_in_: fit was not given an array or a data frame")
        return self._features.count

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the columns of the data frame that was given to `fit`."""
        if self._columns is None:
            raise AttributeError("feature_names_in_: fit was not given a data frame")
        return np.array(self._columns, object)

    def __repr__(self):
        given = {
            f.name: self._params[f.name]
            for f in fields(self.Options)
            if not _equal(self._params[f.name], f.default)
        }
        words = ", ".join(f"{name}={value!r}" for name, value in given.items())
        return f"{type(self).__name__}({words})"

    # ------------------------------------------------------------ training

    def fit(
        self,
        X,
        y=None,
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
        on_start=None,
    ) -> "Task":
        """Train a model.

        Args:
            X: A path, or inputs in memory as described in the task's class.
            y: The labels (or targets) of the inputs; None if X is a path, a series or a text, or a
                pair of inputs and labels.
            examples: The result of `read(X)`, if it has been read already.
            test: Data to evaluate the trained model on, a path or a pair; by default the held-out
                part of the data (option `held_out`), which is also used for early stopping and to
                select the best weights.
            out: A new or empty directory for the model; or, to resume, the directory of the run.
                Without it the run leaves no files.
            resume: Resume the run in `out`, if there is one.
            given: The names of the options set by the user; when resuming, these are compared with
                the run's.
            threads: Number of CPU threads; None for the number of the resumed run, or the number of
                cores.
            devices, nodes: Number of processes per machine, and of machines; see
                `ostinato.training.loop.fit`. More than one process requires `out`.
            checkpoint_seconds: Seconds between checkpoints.
            watcher: An `ostinato.training.loop.Watcher`.
            on_start: Called with the task when its options are final and training is about to
                start.

        Returns:
            The task itself.

        Raises:
            InputError: An argument or the data is invalid; nothing has been written then.
        """
        run = {
            "threads": threads,
            "devices": devices,
            "nodes": nodes,
            "checkpoint_seconds": checkpoint_seconds,
            "watcher": watcher,
            "on_start": on_start,
        }
        data = given_pair(X, y, self.takes_labels)
        # those of other data do not apply
        self._options = self.metadata = self.vocabulary = self.model = self._content = None
        self._features = features_of(X) if y is not None else None
        if out is None:
            if resume:
                raise InputError(
                    "fit(resume=True) without out=: give the directory of the run to resume"
                )
            if devices * nodes > 1:
                raise InputError(
                    f"fit(devices={devices}, nodes={nodes}) without out=: the processes share the "
                    "run's directory; give one"
                )
            with tempfile.TemporaryDirectory(prefix="ostinato-") as directory:
                return self._fit(
                    data, examples, test, Path(directory), False, given, keeps=False, **run
                )
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
        on_start,
        keeps=True,
    ):
        from ..training import loop as training
        from ..training.event_log import check_tensorboard

        # the first process has started the run and reports its progress
        helper = is_helper()
        resume, watcher, on_start = (
            resume or helper,
            None if helper else watcher,
            None if helper else on_start,
        )
        self.options = self.Options(**self._params)
        if self.options.log == "tensorboard":
            check_tensorboard()
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
                self.encode(measured)  # invalid test data is reported before training, not after it
            budget = training.Budget(self.options.steps, self.options.seconds)
            if budget.steps is None and budget.seconds is None:
                budget = training.Budget(math.ceil(self.options.epochs * problem.steps_per_epoch))
            make_directory(out)
            if not (out / CONFIG).exists():
                held.enter_context(locked(out))
                # another run may have started here since
                check_new(out, resume)
                self._write_words(out)
                write_json(out / CONFIG, to_json(config))
            if on_start:
                on_start(self)
            options = self.options
            run = {
                "checkpoint_seconds": checkpoint_seconds,
                "watcher": watcher,
                "device": options.device,
                "devices": devices,
                "nodes": nodes,
                "mixed": options.mixed_precision,
            }
            before = self.pretrain(out, **run)
            progress = training.fit(
                problem,
                budget=budget,
                learning_rate=options.learning_rate,
                weight_decay=options.weight_decay,
                clip=options.clip,
                patience=options.patience,
                checkpoint=out / CHECKPOINT,
                save_best=lambda: write_tensors(out / WEIGHTS, self.model.state_dict()),
                log=out / HISTORY,
                events=out / EVENTS if options.log == "tensorboard" else None,
                **run,
            )
            if helper:
                return self
            load_weights(self.model, out / WEIGHTS)
            self.model.eval()
            compared = self.combine(learned, watched, seconds=before + progress.seconds)
            if compared and test is not None:
                self.refit(every)
            self.result = Result(
                self.compute_metrics(measured),
                progress.step,
                round(before + progress.seconds, 2),
                len(learned),
                len(measured),
                progress.waited > 0 and not budget.is_used_up(progress.step, progress.part),
                progress.history,
                compared,
            )
            if keeps:
                self._report(out, config, measured)
                warning = self._worse_than(self._content.baselines)
                self.result = replace(self.result, warning=warning)
            if compared:
                if test is None:
                    # only now, because the metrics are those of rows that were not learned from
                    self.refit(every)
                write_tensors(out / WEIGHTS, self.model.state_dict())
            write_json(
                out / CONFIG, to_json(replace(config, parameters=self.size, result=self.result))
            )
        return self

    def _prepared(
        self, data, test, digest: str, learned: Examples, every: Examples, threads: int | None
    ) -> Config:
        """The configuration of a new run, after its options are chosen from the data."""
        self.summary = every.summary
        found = self.prepare(learned, every)
        if self.options.epochs or self.options.steps or self.options.seconds:
            found.pop("epochs", None)
        else:
            found.setdefault("epochs", self.epochs(len(learned)))
        chosen = sorted(name for name in found if getattr(self.options, name) is None)
        self.options = replace(self.options, **found)
        paths = {
            name: str(given) if isinstance(given, (str, Path)) else None
            for name, given in (("data", data), ("test", test))
        }
        return replace(
            self._config(), **paths, digest=digest, found=chosen, threads=threads or cores()
        )

    def _report(self, out: Path, config: Config, measured: Examples):
        from ..training.report import write_report
        from .run_report import run_report

        self._content = run_report(self, self.result, config, out, measured)
        write_report(out / REPORT, self._content)

    def _worse_than(self, baselines: Mapping[str, Mapping[str, float | None]]) -> str | None:
        """A warning if the first metric that the first baseline has too is worse than the
        baseline's.
        """
        name, baseline = next(iter(baselines.items()), ("", {}))
        metrics = self.result.metrics
        shared = [
            metric
            for metric, value in baseline.items()
            if value is not None and metrics.get(metric) is not None
        ]
        if not shared:
            return None
        metric = self.goal if self.goal in shared else shared[0]
        value, base = metrics[metric], baseline[metric]
        if value == base or (value > base) == self.higher_is_better:
            return None
        return (
            f"{metric.replace('_', ' ')} {value:.4g} is worse than {base:.4g}, that of the "
            f"baseline: {name}; train longer (--epochs) or on more data before you use the model"
        )

    def split(self, every: Examples) -> tuple[Examples, Examples]:
        """Split the examples into a training and a validation part."""
        return every.split(self.options.held_out, self.options.seed)

    def problem(self, learned: Examples, measured: Examples) -> Problem:
        """The training problem."""
        rows = self.encode(learned)
        return RowProblem(
            self,
            rows,
            self.encode(measured),
            np.fromiter(map(self.length, rows), np.int32, len(rows)),
        )

    def _resumed(self, out: Path, digest: str, given) -> Config:
        """The configuration of the run to resume, after checking that data and options are the
        same.
        """
        saved = read_saved(out)
        config = saved.config
        if config.task != self.name:
            raise InputError(
                f"--resume: the run in {str(out)!r} is a run of `ostinato train {config.task}`; "
                "give another --out"
            )
        check_resumed_options(self.options, saved.options, given, out)
        if config.digest != digest:
            raise InputError(
                f"--resume: the data differs from that of the run in {str(out)!r}; give that data, "
                "or start a new run with another --out"
            )
        task = untrained(saved, out)
        if not (task.options.epochs or task.options.steps or task.options.seconds):
            raise InputError(
                f"{str(out / CONFIG)!r} cannot be used: one of the options 'epochs', 'steps' and "
                "'seconds' must be set; restore the file, or train the model again"
            )
        # checked before memory is allocated for a model of these sizes
        if os.path.lexists(out / CHECKPOINT):
            from ..training.checkpoint import check_checkpoint

            wanted = specs_of(task.skeleton().state_dict())
            if check_checkpoint(out / CHECKPOINT, wanted).history:
                # the best weights so far
                read_weights(out / WEIGHTS, wanted)
        self.options, self.metadata, self.vocabulary = task.options, task.metadata, task.vocabulary
        self.summary = config.summary
        return config

    # ------------------------------------------------------------ use

    def evaluate(self, X, y=None) -> dict[str, float | None]:
        """Compute the metrics of the task on labelled data.

        Args:
            X, y: As for `fit`.

        Raises:
            InputError: The data is invalid, or the task has no model yet.
        """
        self._require_model()
        return self.compute_metrics(self.read(given_pair(X, y, self.takes_labels)))

    def plot(self, X=None, y=None) -> "Figure":
        """Draw the main picture of the task: the forecasts, or the confusion matrix, or the
        training curves.

        Args:
            X, y: Labelled data to evaluate, as for `fit`. Without it, the evaluation of `fit` is
                drawn if the run has a directory, and otherwise the training curves.

        Returns:
            A figure of matplotlib, which a notebook shows.

        Raises:
            InputError: The data is invalid, or the task has no model and no training curves.
        """
        self._require_model()
        from .run_report import plot

        return plot(self, None if X is None else self.read(given_pair(X, y, self.takes_labels)))

    def score(self, X, y=None) -> float:
        """The first metric of `evaluate`, negated if lower is better.

        Args:
            X, y: As for `fit`.
        """
        value = next(iter(self.evaluate(X, y).values()))
        return value if self.higher_is_better else -value

    def predict(self, X) -> Sequence:
        """Predict for each row.

        Args:
            X: A path, or inputs in memory, without labels.

        Returns:
            A prediction for each row. `predict_dicts` returns all details.
        """
        return self.values(self.predict_dicts(X))

    def predict_dicts(self, X) -> list[dict]:
        """Predict for each row, with all details.

        Args:
            X: As for `predict`.

        Returns:
            A dict for each row; `ostinato predict --json` prints it with the input.
        """
        self._require_model()
        return self.answers(self.read(X, labelled=False))

    def predict_frame(self, X=None, **options):
        """Predict for each row, with all details in a data frame.

        Args:
            X: As for `predict_dicts`.
            options: Other arguments of `predict_dicts`.

        Returns:
            A data frame of pandas if X is one, otherwise of polars. Each probability is a column.
        """
        from .predictions import frame_of, row_of

        answers = self.predict_dicts(X, **options)
        if not type(X).__module__.startswith("pandas"):
            return frame_of(answers)
        import pandas

        return pandas.DataFrame([row_of(answer) for answer in answers])

    def save(self, directory: Path) -> None:
        """Write the model to a new or empty directory; `load` reads it.

        Raises:
            InputError: The task has no model yet, or the directory cannot be used.
        """
        self._require_model()
        out = Path(directory)
        check_new(out, False)
        make_directory(out)
        self._write_words(out)
        write_tensors(out / WEIGHTS, self.model.state_dict())
        write_json(
            out / CONFIG, to_json(replace(self._config(), parameters=self.size, result=self.result))
        )

    def _config(self) -> Config:
        """The configuration of the task, without a run."""
        return Config(
            CONFIG_FORMAT,
            CONFIG_VERSION,
            self.name,
            options=self.options.to_json(),
            metadata=to_json(self.metadata),
            vocabulary_size=len(self.vocabulary or ()),
            found=sorted(
                name
                for name, value in self._params.items()
                if value is None and getattr(self.options, name) is not None
            ),
            summary=self.summary,
            columns=self._features,
        )

    def _write_words(self, out: Path):
        if self.vocabulary:
            write_json(out / VOCABULARY, self.vocabulary.to_json())

    def _require_model(self):
        if self.model is None:
            raise unfitted(
                f"{type(self).__name__}: the task has no model yet; call fit first, or "
                "ostinato.tasks.load(directory)"
            )


def given_pair(X, y, takes_labels: bool):
    """Inputs and labels as `Task.read` takes them: a pair, or X alone without labels."""
    if y is None and takes_labels and isinstance(X, np.ndarray):
        raise InputError(
            "the task requires y to be passed, but the target y is None; give labels or targets"
        )
    if y is not None and not takes_labels:
        raise InputError("y is given, and this task learns from X alone; leave y out")
    return X if y is None else (X, y)


def features_of(X) -> InputColumns | None:
    """The columns of an array (N, T) or a data frame; None for other inputs."""
    shape = getattr(X, "shape", ())
    if len(shape) != 2 or not shape[1]:
        return None
    return InputColumns(int(shape[1]), columns_of(X) if is_frame(X) else None)


def _equal(value, default) -> bool:
    """Whether a parameter has its default; parameters may be anything, as in scikit-learn."""
    return value is default or (type(value) is type(default) and value == default)


def cores() -> int:
    """Number of CPU cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
