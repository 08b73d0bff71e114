"""Private: the callbacks of tf.keras, which models call while they are trained."""

import os
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..app import logging
from . import backend

__all__ = [
    "BaseLogger",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TerminateOnNaN",
]

Logs = Mapping[str, Any] | None


class Callback:
    """Base class: a subclass overrides the methods that it needs.

    Attributes:
        model: The model.
        params: The number of epochs, samples and so on.
        validation_data: The arrays of the validation, or None.
    """

    def __init__(self) -> None:
        self.model: Any = None
        self.params: dict[str, Any] = {}
        self.validation_data: Any = None

    def set_params(self, params: dict[str, Any]) -> None:
        """Set the number of epochs, samples and so on."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Set the model."""
        self.model = model

    def on_train_begin(self, logs: Logs = None) -> None:
        """Called before the training."""

    def on_train_end(self, logs: Logs = None) -> None:
        """Called after the training."""

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Called before an epoch."""

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Called after an epoch, with its metrics."""

    def on_batch_begin(self, batch: int, logs: Logs = None) -> None:
        """Called before a batch."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Called after a batch, with its metrics."""


class CallbackList:
    """Several callbacks as one.

    Args:
        callbacks: The callbacks.
        model: The model.
        params: The number of epochs, samples and so on.
    """

    def __init__(self, callbacks: Sequence[Callback], model: Any, params: dict[str, Any]):
        self.callbacks = list(callbacks)
        for callback in self.callbacks:
            callback.set_params(params)
            callback.set_model(model)

    def call(self, method: str, *args: Any) -> None:
        """Call a method of each callback."""
        for callback in self.callbacks:
            getattr(callback, method)(*args)


class History(Callback):
    """Keeps the metrics of every epoch.

    Attributes:
        epoch: The numbers of the epochs.
        history: For each metric a list of its values.
    """

    def on_train_begin(self, logs: Logs = None) -> None:
        self.epoch: list[int] = []
        self.history: dict[str, list] = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)


class BaseLogger(Callback):
    """Accepted for compatibility: metrics are means over the epoch anyway."""

    def __init__(self, stateful_metrics: Any = None):
        super().__init__()


class TerminateOnNaN(Callback):
    """Stops the training when the loss is not finite."""

    def on_batch_end(self, batch: int, logs: Logs = None) -> None:
        loss = (logs or {}).get("loss")
        if loss is not None and not np.isfinite(loss):
            print(f"Batch {batch}: Invalid loss, terminating training")
            self.model.stop_training = True


class _Monitor(Callback):
    """A callback that depends on whether a metric has become better."""

    def __init__(self, monitor: str, mode: str, min_delta: float = 0.0):
        super().__init__()
        if mode not in ("auto", "min", "max"):
            logging.warning("mode %s is unknown, fallback to auto mode.", mode)
            mode = "auto"
        if mode == "auto":
            mode = "max" if "acc" in monitor or monitor.startswith("fmeasure") else "min"
        self.monitor, self._larger, self.min_delta = monitor, mode == "max", abs(min_delta)
        self._start()

    def _start(self) -> None:
        self.best = -np.inf if self._larger else np.inf

    def _is_better(self, value: float) -> bool:
        if self._larger:
            return value - self.min_delta > self.best
        return value + self.min_delta < self.best

    def _value(self, logs: Logs) -> float | None:
        value = (logs or {}).get(self.monitor)
        if value is None:
            logging.warning(
                "%s conditioned on metric `%s` which is not available. Available metrics are: %s",
                type(self).__name__,
                self.monitor,
                ",".join(logs or ()),
            )
        return value


class EarlyStopping(_Monitor):
    """Stops the training when a metric no longer becomes better.

    Args:
        monitor: The metric, such as "val_loss".
        min_delta: The smallest change that counts.
        patience: The number of epochs without a change after which to stop.
        verbose: 1 to print a message.
        mode: "min", "max", or "auto" for "max" of accuracies only.
        baseline: A value that the metric has to reach, or None.
        restore_best_weights: Whether the model gets the weights of its best epoch.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
    ):
        super().__init__(monitor, mode, min_delta)
        self.patience, self.verbose, self.baseline = patience, verbose, baseline
        self.restore_best_weights, self.best_weights = restore_best_weights, None

    def on_train_begin(self, logs: Logs = None) -> None:
        self.wait = self.stopped_epoch = 0
        self._start()
        if self.baseline is not None:
            self.best = self.baseline

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        value = self._value(logs)
        if value is None:
            return
        if self._is_better(value):
            self.best, self.wait = value, 0
            if self.restore_best_weights:
                self.best_weights = self.model.get_weights()
            return
        self.wait += 1
        if self.wait >= self.patience:
            self.stopped_epoch, self.model.stop_training = epoch, True
            if self.restore_best_weights and self.best_weights is not None:
                if self.verbose > 0:
                    print("Restoring model weights from the end of the best epoch")
                self.model.set_weights(self.best_weights)

    def on_train_end(self, logs: Logs = None) -> None:
        if self.stopped_epoch > 0 and self.verbose > 0:
            print(f"Epoch {self.stopped_epoch + 1:05d}: early stopping")


class ModelCheckpoint(_Monitor):
    """Saves the weights of the model after epochs, as a TensorFlow checkpoint.

    Args:
        filepath: The path, in which "{epoch}" and names of metrics are replaced.
        monitor: The metric, for `save_best_only`.
        verbose: 1 to print a message.
        save_best_only: Whether to save only when the metric is better than before.
        save_weights_only: Must be True.
        mode: See `EarlyStopping`.
        period: Every how many epochs to save.

    Raises:
        InputError: `save_weights_only` is False.
    """

    def __init__(
        self,
        filepath: str,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        period: int = 1,
    ):
        super().__init__(monitor, mode)
        if not save_weights_only:
            raise InputError(
                "ModelCheckpoint(save_weights_only=False) is not provided: ostinato.tf1 saves the "
                "weights as a TensorFlow checkpoint, not the whole model as HDF5; write "
                "save_weights_only=True and a path without .h5"
            )
        self.filepath, self.verbose, self.save_best_only = filepath, verbose, save_best_only
        self.save_weights_only, self.period = save_weights_only, period
        self.epochs_since_last_save = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        self.epochs_since_last_save += 1
        if self.epochs_since_last_save < self.period:
            return
        self.epochs_since_last_save = 0
        path = os.fspath(self.filepath).format(epoch=epoch + 1, **(logs or {}))
        reason = ""
        if self.save_best_only:
            value = self._value(logs)
            if value is None:
                return
            if not self._is_better(value):
                if self.verbose > 0:
                    kept = f"{self.monitor} did not improve from {self.best:.5f}"
                    print(f"\nEpoch {epoch + 1:05d}: {kept}")
                return
            reason = f"{self.monitor} improved from {self.best:.5f} to {value:.5f}, "
            self.best = value
        if self.verbose > 0:
            print(f"\nEpoch {epoch + 1:05d}: {reason}saving model to {path}")
        self.model.save_weights(path, overwrite=True)


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
        schedule: Takes the number of the epoch, from 0, and the learning rate if it has two
            arguments; returns the learning rate.
        verbose: 1 to print a message.
    """

    def __init__(self, schedule: Callable, verbose: int = 0):
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        rate = _learning_rate(self.model)
        try:
            new = self.schedule(epoch, float(backend.get_value(rate)))
        except TypeError:  # one argument
            new = self.schedule(epoch)
        if not isinstance(new, (float, np.floating)):
            raise InputError(
                f'The output of the "schedule" function should be float, not {new!r}: write 0.001'
            )
        backend.set_value(rate, new)
        if self.verbose > 0:
            print(
                f"\nEpoch {epoch + 1:05d}: LearningRateScheduler reducing learning rate to {new}."
            )

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        _add_learning_rate(self.model, logs)


def _add_learning_rate(model: Any, logs: Logs) -> None:
    """Add the learning rate of an epoch to its metrics, as `lr`."""
    if isinstance(logs, MutableMapping):
        logs["lr"] = backend.get_value(_learning_rate(model))


def _learning_rate(model: Any) -> Any:
    rate = getattr(model.optimizer, "lr", None)
    if rate is None:
        raise InputError(
            'Optimizer must have a "lr" attribute: compile the model with an optimizer of '
            "tf.keras.optimizers"
        )
    return rate


class ReduceLROnPlateau(_Monitor):
    """Reduces the learning rate when a metric no longer becomes better.

    Args:
        monitor, verbose, mode, min_delta: See `EarlyStopping`.
        factor: The factor, below 1.
        patience: The number of epochs without a change after which to reduce it.
        cooldown: The number of epochs to wait after that.
        min_lr: The smallest learning rate.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        **kwargs: Any,
    ):
        super().__init__(monitor, mode, kwargs.get("epsilon", min_delta))
        if factor >= 1.0:
            raise InputError(f"ReduceLROnPlateau(factor={factor}): give a factor below 1")
        self.factor, self.patience, self.verbose = factor, patience, verbose
        self.cooldown, self.min_lr = cooldown, min_lr

    def on_train_begin(self, logs: Logs = None) -> None:
        self._start()
        self.wait = self.cooldown_counter = 0

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        _add_learning_rate(self.model, logs)
        value = self._value(logs)
        if value is None:
            return
        if self.cooldown_counter > 0:
            self.cooldown_counter, self.wait = self.cooldown_counter - 1, 0
        if self._is_better(value):
            self.best, self.wait = value, 0
            return
        if self.cooldown_counter > 0:
            return
        self.wait += 1
        rate = _learning_rate(self.model)
        old = float(backend.get_value(rate))
        if self.wait >= self.patience and old > self.min_lr:
            new = max(old * self.factor, self.min_lr)
            backend.set_value(rate, new)
            self.cooldown_counter, self.wait = self.cooldown, 0
            if self.verbose > 0:
                print(
                    f"\nEpoch {epoch + 1:05d}: ReduceLROnPlateau reducing learning rate to {new}."
                )


class CSVLogger(Callback):
    """Writes the metrics of every epoch to a CSV file.

    Args:
        filename: The path.
        separator: The separator of values.
        append: Whether to add to an existing file.
    """

    def __init__(self, filename: str, separator: str = ",", append: bool = False):
        super().__init__()
        self.filename, self.separator, self.append = filename, separator, append
        self._names: list[str] = []

    def on_train_begin(self, logs: Logs = None) -> None:
        self._names = []
        self._header = not (self.append and os.path.exists(self.filename))
        if self._header:
            open(self.filename, "w").close()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        found = dict(logs or {})
        self._names = self._names or sorted(found)
        lines = [[str(epoch), *[str(found.get(n, "NA")) for n in self._names]]]
        if self._header:
            lines.insert(0, ["epoch", *self._names])
            self._header = False
        with open(self.filename, "a") as file:
            file.writelines(self.separator.join(line) + "\n" for line in lines)


class LambdaCallback(Callback):
    """A callback of functions.

    Args:
        on_epoch_begin, on_epoch_end: Take the number of the epoch and the metrics.
        on_batch_begin, on_batch_end: Take the number of the batch and the metrics.
        on_train_begin, on_train_end: Take the metrics.
        **kwargs: Other attributes.
    """

    def __init__(
        self,
        on_epoch_begin: Callable | None = None,
        on_epoch_end: Callable | None = None,
        on_batch_begin: Callable | None = None,
        on_batch_end: Callable | None = None,
        on_train_begin: Callable | None = None,
        on_train_end: Callable | None = None,
        **kwargs: Any,
    ):
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
        }
        self.__dict__.update(kwargs)
        self.__dict__.update({name: f for name, f in given.items() if f is not None})
