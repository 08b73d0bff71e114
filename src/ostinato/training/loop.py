"""Private: training with PyTorch Lightning: the loop, the learning rate schedule, and resuming.

A batch depends only on the number of its step (`Problem.batch`), so a checkpoint needs no state of
the data, and a resumed run ends with the same numbers as an uninterrupted one.
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
from .event_log import EventLog
from .problem import Problem

# Number of validation runs during training.
MEASUREMENTS = 12
# Patience starts once the training loss has fallen by this share.
FALL = 0.05
WARM_UP = 0.05
LAST_RATE = 0.02


@dataclass(frozen=True)
class Budget:
    """The length of a run: a number of steps or of seconds, including those before an
    interruption.
    """

    steps: int | None = None
    seconds: float | None = None

    def used(self, step: int, seconds: float) -> float:
        """The used fraction of the budget, from 0 to 1."""
        return min(1.0, seconds / self.seconds if self.steps is None else step / self.steps)

    def end_of(self, part: int) -> float:
        """The end of one of the `MEASUREMENTS` parts of the run, in steps or seconds."""
        return (
            self.seconds * part / MEASUREMENTS
            if self.steps is None
            else math.ceil(self.steps * part / MEASUREMENTS)
        )

    def part_after(self, part: int, seconds: float) -> int:
        """The part that follows one that ends now; a slow part can use up the time of the next
        ones.
        """
        return (
            part + 1
            if self.steps is not None
            else max(part + 1, int(MEASUREMENTS * seconds / self.seconds))
        )

    def is_used_up(self, step: int, part: int) -> bool:
        """Whether the run ends after this many steps and parts."""
        return part >= MEASUREMENTS if self.steps is None else step >= self.steps


@dataclass(frozen=True)
class StepStatus:
    """The status of a run after a step, passed to its watcher."""

    step: int
    used: float
    loss: float
    shown: str
    rate: float
    unit: str
    seconds_left: float


class Watcher:
    """Receives the progress of a run; this base class ignores it."""

    def stepped(self, moment: StepStatus) -> None:
        """Called after every step."""

    def measured(self, entry: dict) -> None:
        """Called after each validation run with the new line of the history."""


def process() -> tuple[int, int]:
    """The rank of this process, and the number of processes that train together."""
    group = torch.distributed
    return (
        (group.get_rank(), group.get_world_size())
        if group.is_available() and group.is_initialized()
        else (0, 1)
    )


def learning_rate_at(used: float) -> float:
    """Factor of the learning rate at this fraction of the budget: linear warm-up, then half a
    cosine.

    Source:
        Loshchilov and Hutter, SGDR (2017), equation 5, without restarts; linear warm-up as in Goyal
        et al. (2017).
    """
    if used < WARM_UP:
        return max(used / WARM_UP, LAST_RATE)
    falling = (used - WARM_UP) / (1 - WARM_UP)
    return LAST_RATE + (1 - LAST_RATE) * 0.5 * (1 + math.cos(math.pi * falling))


class Training(lightning.LightningModule):
    """The Lightning module that trains a problem.

    Args:
        problem: The problem.
        budget: The length of the run.
        learning_rate: Peak learning rate of AdamW.
        weight_decay: Weight decay of AdamW.
        progress: The progress so far.
        fused: Use the fused kernels of AdamW; in mixed precision Lightning does not clip gradients
            for them.
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
        """Training time in seconds, including the time before an interruption."""
        return self.progress.seconds + (
            time.perf_counter() - self.started if self.started is not None else 0.0
        )

    @property
    def learned(self) -> list[Tensor]:
        """The trained parameters in the order of the optimizer."""
        return [p for p in self.model.parameters() if p.requires_grad]

    def configure_optimizers(self):
        """AdamW, with the restored state of a resumed run.

        Source:
            Loshchilov and Hutter (2019).
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
        """A count, or its mean over processes: gradients are averaged over processes whose counts
        differ.
        """
        if self.trainer.world_size == 1:
            return count
        counts = self.all_gather(torch.as_tensor(count, dtype=torch.float64, device=self.device))
        return counts.mean()

    def count_step(self, loss: float) -> None:
        """Count a finished step.

        Raises:
            InputError: The loss is not finite.
        """
        if not math.isfinite(loss):
            raise InputError(
                f"the loss became {loss} at step {self.progress.step + 1} with --learning-rate "
                f"{self.learning_rate:g}; write a smaller one, or a smaller --clip"
            )
        self.progress.step += 1
        self.progress.part_steps += 1
        self.progress.part_loss += loss

    def on_validation_start(self):
        self.evaluator, self.held_out_loss = self.problem.evaluator(), [0.0, 0.0]

    def validation_step(self, batch, batch_index):
        if found := self.evaluator.add(batch):
            for place, number in enumerate(found):
                self.held_out_loss[place] += float(number)

    def on_validation_epoch_end(self):
        progress = self.progress
        progress.part = self.budget.part_after(progress.part, self.seconds)
        trained = self.problem.trained(progress.part_loss / progress.part_steps)
        progress.part_loss, progress.part_steps = 0.0, 0
        found, (loss, count) = self.evaluator.result(), self.held_out_loss
        # the goal of a pretraining is the last of a line
        held_out = {"held_out_loss": loss / count if math.isfinite(loss) else None} if count else {}
        progress.history.append(
            {"step": progress.step, "seconds": round(self.seconds, 2), **trained, **held_out}
            | found
        )
        # float64, because rounding would make unequal values equal for EarlyStopping
        self.log(
            self.problem.goal,
            torch.tensor(
                _ranked(found[self.problem.goal], self.problem.higher_is_better),
                dtype=torch.float64,
            ),
        )


class _Patience(EarlyStopping):
    """Early stopping whose patience starts once the training loss has fallen.

    Until then the model predicts little more than shares of labels, and its metric cannot improve.
    """

    def on_validation_end(self, trainer, training):
        history = training.progress.history
        (name, *_) = training.problem.trained(0.0)
        first, least = history[0][name], min(line[name] for line in history)
        if first - least > FALL * abs(first):
            super().on_validation_end(trainer, training)
            return
        found = trainer.callback_metrics[self.monitor]
        if self.monitor_op(found, self.best_score):
            self.best_score = found


class _RunCallback(Callback):
    """Notifies the watcher, saves the best weights, writes checkpoints, and ends the run at its
    budget.
    """

    def __init__(
        self,
        path: Path,
        every: float,
        watcher: Watcher,
        save_best: Callable[[], None],
        patience: EarlyStopping | None,
        log: Path | None,
        events: Path | None,
    ):
        self.path, self.every, self.watcher, self.save_best, self.patience = (
            path,
            every,
            watcher,
            save_best,
            patience,
        )
        self.log_file, self.event_directory = log, events
        self.event_log: EventLog | None = None
        self.loss = self.saved = self.first = self.validation_started = None
        self.validation_seconds = 0.0

    def on_train_start(self, trainer, training):
        self.saved, self.first = training.seconds, (training.seconds, training.progress.step)
        if self.event_directory and trainer.is_global_zero:
            self.event_log = EventLog(self.event_directory, training.progress.history)

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
        rate = steps * problem.rate / max(spent - self.validation_seconds, 1e-9)
        self.watcher.stepped(
            StepStatus(
                progress.step,
                budget.used(progress.step, seconds),
                self.loss,
                problem.shown(self.loss),
                rate,
                problem.unit,
                max(left, 0.0),
            )
        )
        # at the end of a part, validation comes first: a run resumed from here would not know that
        # it is due
        if seconds - self.saved >= self.every and not training.ends_part:
            self.write(training)

    def on_validation_start(self, trainer, training):
        self.validation_started = training.seconds

    def on_validation_end(self, trainer, training):
        self.validation_seconds += training.seconds - self.validation_started
        progress = training.progress
        found, higher_is_better = (
            progress.history[-1][training.problem.goal],
            training.problem.higher_is_better,
        )
        value = _ranked(found, higher_is_better)
        # On a tie the later weights are kept: with few held-out rows, ties are frequent.
        if progress.best is None or (
            value >= progress.best if higher_is_better else value <= progress.best
        ):
            progress.best = found
            if trainer.is_global_zero:
                self.save_best()
        if self.patience:
            progress.waited = self.patience.wait_count
        if training.budget.is_used_up(progress.step, progress.part) or trainer.should_stop:
            trainer.should_stop = progress.finished = True
        self.write(training)
        if self.log_file and trainer.is_global_zero:
            write_history(self.log_file, progress.history)
        if self.event_log:
            self.event_log.add(progress.history[-1])
        self.watcher.measured(progress.history[-1])

    def write(self, training):
        """Write the checkpoint."""
        self.saved = training.seconds
        if training.trainer.is_global_zero:
            write_checkpoint(self.path, training, self.saved)


def _ranked(found: float | None, higher_is_better: bool) -> float:
    """A value to compare by; a missing value is the worst."""
    return found if found is not None else -math.inf if higher_is_better else math.inf


def write_history(path: Path, history: list[dict]) -> None:
    """Write the history of a run as a CSV file, atomically; missing values are empty."""
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
    save_best: Callable[[], None],
    weight_decay: float = 0.01,
    checkpoint_seconds: float = 10.0,
    watcher: Watcher | None = None,
    device: str = "cpu",
    devices: int = 1,
    nodes: int = 1,
    mixed: bool = False,
    log: Path | None = None,
    events: Path | None = None,
) -> Progress:
    """Train a model, resuming from its checkpoint if there is one.

    Args:
        problem: The problem; its model ends with the weights of the last step.
        budget: The length of the run.
        learning_rate: Peak learning rate of the schedule.
        clip: Maximum gradient norm.
        patience: Early stopping: stop after this many validation runs without improvement, counted
            from when the training loss has first fallen; 0 for never.
        checkpoint: The path of the checkpoint.
        save_best: Called when the validation metric has improved.
        weight_decay: Weight decay of AdamW.
        checkpoint_seconds: Seconds between checkpoints; another one is written after each
            validation run.
        watcher: Receives the progress.
        device: "cpu" or "cuda".
        devices: Processes on each machine, one per GPU on "cuda"; Lightning starts this program
            again for each. Each process computes a share of every batch, and the gradients are
            those of the whole batch.
        nodes: Number of machines; each gets its number and the address of the first as Lightning
            expects them (NODE_RANK, MASTER_ADDR, MASTER_PORT).
        mixed: Multiply matrices in bfloat16 under torch's autocast; parameters and sums stay
            float32.
        log: A CSV file for the history, written after each validation run.
        events: A directory for the history as event files of TensorBoard.

    Returns:
        The progress of the run.

    Raises:
        InputError: The checkpoint is invalid, or the loss is not finite.
    """
    if devices * nodes > 1 and budget.steps is None:
        raise InputError(
            f"{budget.seconds:g} seconds with {devices * nodes} processes: they would stop at "
            "different steps; write --epochs or --steps"
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
        _Patience(
            problem.goal,
            mode="max" if problem.higher_is_better else "min",
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
    keeper = _RunCallback(
        checkpoint, checkpoint_seconds, watcher or Watcher(), save_best, stopping, log, events
    )
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
            trainer.fit(training, _Batches(training), _HeldOutBatches(problem))
        except SystemExit as stop:
            # Lightning turns Ctrl-C into an exit
            raise (
                stop.__context__
                if isinstance(stop.__context__, KeyboardInterrupt)
                else KeyboardInterrupt
            ) from stop
        finally:
            if keeper.event_log:
                keeper.event_log.close()
    progress.seconds = keeper.saved
    return progress


class _Batches:
    """The batches up to the next validation run; an epoch for Lightning."""

    def __init__(self, training: Training):
        self.training = training

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        training, progress = self.training, self.training.progress
        # counted here, because Lightning requests one batch in advance to detect the last one
        step, end = progress.step, training.budget.end_of(progress.part + 1)
        training.ends_part = False
        while not training.ends_part:
            batch = training.problem.batch(step, *process())
            step += 1
            training.ends_part = (
                training.seconds if training.budget.steps is None else step
            ) >= end
            yield batch


class _HeldOutBatches:
    """The validation batches; iterated from the start for each validation run."""

    def __init__(self, problem: Problem):
        self.problem = problem

    def __iter__(self):
        return iter(self.problem.held_out())


@contextlib.contextmanager
def _quiet():
    """Suppress Lightning's notes on hardware and its tips, which the user cannot act on."""
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
