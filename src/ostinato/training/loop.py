"""Training with PyTorch Lightning: the loop, the schedule, and going on after a kill.

A batch follows from the number of its step (`Problem.batch`), so nothing has to be remembered
besides what a checkpoint holds (`checkpoint_file.py`), and a run that was killed ends with the
numbers of one that was not.
"""

import contextlib
import csv
import io
import logging
import math
import os
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import lightning.pytorch as lightning
import torch
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch import Tensor

from ..data.files import read_header, write_whole
from ..errors import InputError
from .checkpoint import (
    Progress,
    check_progress,
    progress_from,
    restore_run,
    unfit,
    write_checkpoint,
)
from .problem import Problem

# How many times a run is measured on the held-out text.
MEASUREMENTS = 12
WARM_UP = 0.05
LAST_RATE = 0.02


@dataclass(frozen=True)
class Budget:
    """How long to train: so many steps, or so many seconds, those before a kill counted in."""

    steps: int | None = None
    seconds: float | None = None

    def used(self, step: int, seconds: float) -> float:
        """How much of it is used, from 0 to 1."""
        return min(1.0, seconds / self.seconds if self.steps is None else step / self.steps)

    def end_of(self, part: int) -> float:
        """Where one of the run's `MEASUREMENTS` parts ends: after so many steps, or seconds."""
        return (
            self.seconds * part / MEASUREMENTS
            if self.steps is None
            else math.ceil(self.steps * part / MEASUREMENTS)
        )

    def part_after(self, part: int, seconds: float) -> int:
        """Which part comes after one that ended now; a slow one can have used the time of those
        that follow.
        """
        return (
            part + 1
            if self.steps is not None
            else max(part + 1, int(MEASUREMENTS * seconds / self.seconds))
        )

    def is_used_up(self, step: int, part: int) -> bool:
        """Whether the run is at its end, after so many steps and parts."""
        return part >= MEASUREMENTS if self.steps is None else step >= self.steps


@dataclass(frozen=True)
class Moment:
    """What a watcher of a run is told after a step."""

    step: int
    used: float
    loss: float
    shown: str
    rate: float
    unit: str
    seconds_left: float


class Watcher:
    """Who wants to see a run go by; this one looks away."""

    def stepped(self, moment: Moment) -> None:
        """After every step."""

    def measured(self, entry: dict) -> None:
        """After each measurement: the new line of the history."""


def process() -> tuple[int, int]:
    """The number of this process among those that train together, and how many these are."""
    group = torch.distributed
    return (
        (group.get_rank(), group.get_world_size())
        if group.is_available() and group.is_initialized()
        else (0, 1)
    )


def learning_rate_at(used: float) -> float:
    """The part of the full learning rate to use when this much of the budget is used: warm-up, then
    half a cosine.

    Source: Loshchilov and Hutter, SGDR (2017), equation 5, without restarts; linear warm-up as in
        Goyal et al. (2017).
    """
    if used < WARM_UP:
        return max(used / WARM_UP, LAST_RATE)
    falling = (used - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * falling))


class Training(lightning.LightningModule):
    """A problem under training.

    Args:
        problem: What is learned.
        budget: How long.
        learning_rate: The highest rate of AdamW.
        weight_decay: Of AdamW.
        progress: Where the run stands.
        fused: Take AdamW's fused steps, which Lightning does not cut gradients for in mixed
            precision.
    """

    def __init__(
        self,
        problem: Problem,
        budget: Budget,
        *,
        learning_rate: float,
        weight_decay: float,
        progress: Progress,
        fused: bool = True,
    ):
        super().__init__()
        self.model, self.problem, self.budget, self.progress = (
            problem.model,
            problem,
            budget,
            progress,
        )
        self.learning_rate, self.weight_decay, self.fused = learning_rate, weight_decay, fused
        self.carried, self.restored = None, None
        self.started, self.ends_part = None, False

    @property
    def seconds(self) -> float:
        """Seconds of training, those before a kill counted in."""
        return self.progress.seconds + (
            time.perf_counter() - self.started if self.started is not None else 0.0
        )

    @property
    def learned(self) -> list[Tensor]:
        """The parameters that are learned, in the order of the optimizer's numbers."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def configure_optimizers(self):
        """AdamW, in its state from before the kill where there is one. Source: Loshchilov and
        Hutter (2019).
        """
        optimizer = torch.optim.AdamW(
            self.learned,
            lr=self.learning_rate,
            betas=(0.9, 0.99),
            weight_decay=self.weight_decay,
            fused=self.fused,
        )
        if self.restored:
            optimizer.load_state_dict(optimizer.state_dict() | {"state": self.restored})
        return optimizer

    def on_train_start(self):
        self.started = time.perf_counter()

    def on_train_batch_start(self, batch, batch_index):
        rate = self.learning_rate * learning_rate_at(
            self.budget.used(self.progress.step, self.seconds)
        )
        for group in self.optimizers(use_pl_optimizer=False).param_groups:
            group["lr"] = rate

    def training_step(self, batch, batch_index):
        loss, count, carried = self.problem.loss(batch, self.carried)
        self.carried = tuple(state.detach() for state in carried)
        return loss / self.mean(count)

    def mean(self, count):
        """A count, or its mean over processes: gradients are averaged over these, whose counts need
        not be equal.
        """
        if self.trainer.world_size == 1:
            return count
        counts = self.all_gather(torch.as_tensor(count, dtype=torch.float64, device=self.device))
        return counts.mean()

    def count_step(self, loss: float) -> None:
        """Note that a step is done.

        Raises:
            InputError: Its loss is no number any more.
        """
        if not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} at step {self.progress.step + 1} with --learning-rate "
                f"{self.learning_rate:g}; "
                "write a smaller one, or a smaller --clip"
            )
        self.progress.step += 1
        self.progress.part_steps += 1
        self.progress.part_loss += loss

    def on_validation_start(self):
        self.measuring = self.problem.measuring()

    def validation_step(self, batch, batch_index):
        self.measuring.add(batch)

    def on_validation_epoch_end(self):
        progress = self.progress
        progress.part = self.budget.part_after(progress.part, self.seconds)
        trained = self.problem.trained(progress.part_loss / progress.part_steps)
        progress.part_loss, progress.part_steps = 0.0, 0
        found = self.measuring.result()
        progress.history.append(
            {"step": progress.step, "seconds": round(self.seconds, 2), **trained, **found}
        )
        # in float64: rounding would make two unequal measurements look equal to EarlyStopping
        self.log(
            self.problem.goal,
            torch.tensor(
                _ranked(found[self.problem.goal], self.problem.higher), dtype=torch.float64
            ),
        )


class _Keeper(Callback):
    """Tells the watcher, keeps the best weights, writes checkpoints, and ends the run when its
    budget is used.
    """

    def __init__(
        self,
        path: Path,
        every: float,
        watcher: Watcher,
        keep_best: Callable[[], None],
        patience: EarlyStopping | None,
        log: Path | None,
    ):
        self.path, self.every, self.watcher, self.keep_best, self.patience, self.log_file = (
            path,
            every,
            watcher,
            keep_best,
            patience,
            log,
        )
        self.loss = self.saved = self.first = self.measuring_since = None
        self.measuring = 0.0

    def on_train_start(self, trainer, training):
        self.saved, self.first = training.seconds, (training.seconds, training.progress.step)

    def on_train_batch_end(self, trainer, training, outputs, batch, batch_index):
        loss = outputs["loss"].item()
        training.count_step(loss)
        progress, seconds = training.progress, training.seconds
        self.loss = loss if self.loss is None else 0.95 * self.loss + 0.05 * loss
        steps, spent = progress.step - self.first[1], max(seconds - self.first[0], 1e-9)
        budget, problem = training.budget, training.problem
        left = (
            budget.seconds - seconds
            if budget.steps is None
            else (budget.steps - progress.step) * spent / steps
        )
        rate = steps * problem.rate / max(spent - self.measuring, 1e-9)
        self.watcher.stepped(
            Moment(
                progress.step,
                budget.used(progress.step, seconds),
                self.loss,
                problem.shown(self.loss),
                rate,
                problem.unit,
                max(left, 0.0),
            )
        )
        # at the end of a part the measurement comes first: a run that goes on from here would not
        # know that it is due
        if seconds - self.saved >= self.every and not training.ends_part:
            self.write(training)

    def on_validation_start(self, trainer, training):
        self.measuring_since = training.seconds

    def on_validation_end(self, trainer, training):
        self.measuring += training.seconds - self.measuring_since
        progress = training.progress
        found, higher = progress.history[-1][training.problem.goal], training.problem.higher
        value = _ranked(found, higher)
        # Of equals the later one has learned more: few held-out rows give many equals.
        if progress.best is None or (value >= progress.best if higher else value <= progress.best):
            progress.best = found
            if trainer.is_global_zero:
                self.keep_best()
        if self.patience:
            progress.waited = self.patience.wait_count
        if training.budget.is_used_up(progress.step, progress.part) or trainer.should_stop:
            trainer.should_stop = progress.finished = True
        self.write(training)
        if self.log_file and trainer.is_global_zero:
            write_history(self.log_file, progress.history)
        self.watcher.measured(progress.history[-1])

    def write(self, training):
        """Write the checkpoint."""
        self.saved = training.seconds
        if training.trainer.is_global_zero:
            write_checkpoint(self.path, training, self.saved)


def _ranked(found: float | None, higher: bool) -> float:
    """A measurement to compare by; one without a value is the worst."""
    return found if found is not None else -math.inf if higher else math.inf


def write_history(path: Path, history: list[dict]) -> None:
    """Write what a run was at each measurement as a CSV file, whole; a value that there was none of
    is empty.
    """
    text = io.StringIO()
    rows = csv.DictWriter(
        text, list(dict.fromkeys(name for line in history for name in line)), lineterminator="\n"
    )
    rows.writeheader()
    rows.writerows(history)
    write_whole(path, text.getvalue().encode())


def fit(
    problem: Problem,
    *,
    budget: Budget,
    learning_rate: float,
    clip: float,
    patience: int,
    checkpoint: Path,
    keep_best: Callable[[], None],
    weight_decay: float = 0.01,
    checkpoint_seconds: float = 10.0,
    watcher: Watcher | None = None,
    device: str = "cpu",
    devices: int = 1,
    nodes: int = 1,
    mixed: bool = False,
    log: Path | None = None,
) -> Progress:
    """Train a model, from its checkpoint where there is one.

    Args:
        problem: What is learned; its model ends with the weights of the last step.
        budget: How long.
        learning_rate: The highest rate of the schedule.
        clip: The norm that gradients are cut to.
        patience: Stop after so many measurements without a better one; 0 for never.
        checkpoint: Where the checkpoint is, or will be.
        keep_best: Called when the model is better than ever on what is held out.
        weight_decay: Of AdamW.
        checkpoint_seconds: Seconds between checkpoints; one more follows each measurement.
        watcher: Who is told how it goes.
        device: "cpu" or "cuda".
        devices: Processes on each machine, one a GPU on "cuda"; Lightning starts this program again
            for each. All take a part of each batch, and their gradients are those of the whole
            batch.
        nodes: Machines; each is told its number and the first one's address as Lightning wants it
            (NODE_RANK, MASTER_ADDR, MASTER_PORT).
        mixed: Products of bfloat16 numbers under torch's autocast; parameters and sums stay
            float32.
        log: A CSV file for the history, written after each measurement.

    Returns:
        What the run has done.

    Raises:
        InputError: A checkpoint that cannot be used, or a loss that is no number any more.
    """
    if devices * nodes > 1 and budget.steps is None:
        raise InputError(
            f"{budget.seconds:g} seconds with {devices * nodes} processes: their clocks would end "
            f"them at different steps; "
            "write --epochs or --steps"
        )
    checkpoint = Path(checkpoint)
    resumed = os.path.lexists(checkpoint)
    progress = progress_from(checkpoint, read_header(checkpoint)[1]) if resumed else Progress()
    if resumed:
        try:
            check_progress(progress, problem, budget, patience)
        except InputError as error:
            raise unfit(checkpoint, error) from error
    if progress.finished:
        return progress
    training = Training(
        problem,
        budget,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        progress=progress,
        fused=not mixed,
    )
    if resumed:
        restore_run(training, checkpoint, torch.device(device), devices * nodes)
    stopping = (
        EarlyStopping(
            problem.goal,
            mode="max" if problem.higher else "min",
            patience=patience,
            check_on_train_epoch_end=False,
            check_finite=False,
        )
        if patience
        else None
    )
    if stopping and progress.best is not None:
        stopping.wait_count, stopping.best_score = (
            progress.waited,
            torch.tensor(progress.best, dtype=torch.float64),
        )
    keeper = _Keeper(checkpoint, checkpoint_seconds, watcher or Watcher(), keep_best, stopping, log)
    with _quiet():
        trainer = lightning.Trainer(
            accelerator="gpu" if device == "cuda" else "cpu",
            devices=devices,
            num_nodes=nodes,
            strategy="ddp" if devices * nodes > 1 else "auto",
            precision="bf16-mixed" if mixed else "32-true",
            max_epochs=-1,
            gradient_clip_val=clip,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            callbacks=[stopping, keeper] if stopping else [keeper],
        )
        try:
            trainer.fit(training, _Batches(training), _HeldOut(problem))
        except SystemExit as stop:
            # Lightning turns Ctrl-C into an exit
            raise (
                stop.__context__
                if isinstance(stop.__context__, KeyboardInterrupt)
                else KeyboardInterrupt
            ) from stop
    progress.seconds = keeper.saved
    return progress


class _Batches:
    """The batches up to the next measurement: what Lightning takes for an epoch."""

    def __init__(self, training: Training):
        self.training = training

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        training, progress = self.training, self.training.progress
        # counted here: Lightning asks for one batch more than it has trained on, to know the last
        step, end = progress.step, training.budget.end_of(progress.part + 1)
        training.ends_part = False
        while not training.ends_part:
            batch = training.problem.batch(step, *process())
            step += 1
            training.ends_part = (
                training.seconds if training.budget.steps is None else step
            ) >= end
            yield batch


class _HeldOut:
    """What is held out, anew for each measurement."""

    def __init__(self, problem: Problem):
        self.problem = problem

    def __iter__(self):
        return iter(self.problem.held_out())


@contextlib.contextmanager
def _quiet():
    """Without Lightning's notes on hardware and its tips, none of which a person at the terminal
    can act on.
    """
    loggers = [
        logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "lightning")
    ]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\..*")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels):
                logger.setLevel(level)
