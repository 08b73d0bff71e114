"""Private: models of tf.keras: how they are trained, evaluated and used."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EngineError, InputError
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..ops import arrays
from . import backend, optimizers
from .callbacks import CallbackList, History
from .data import GeneratedBatches, arrays_for, batches, check_counts, row_count, select
from .engine import as_list
from .network import Network
from .objective import Means, Objective

__all__ = ["Model"]


class Model(Network):
    """A model: layers that are trained together.

    Attributes:
        optimizer: The optimizer.
        metrics_names: The names of the loss and of the metrics.
        stop_training: Set by a callback to stop.

    Args:
        inputs: The inputs, tensors of `tf.keras.Input`.
        outputs: The outputs.
        name: The name; None for `model`, with a number.

    Example:
        >>> import numpy as np
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> x = tf.keras.Input(shape=(5, 1))
        >>> y = tf.keras.layers.Dense(1)(tf.keras.layers.LSTM(4)(x))
        >>> model = tf.keras.Model(inputs=x, outputs=y)
        >>> model.compile(optimizer="adam", loss="mse")
        >>> history = model.fit(np.ones([8, 5, 1]), np.ones([8, 1]), epochs=2, verbose=0)
        >>> len(history.history["loss"])
        2
    """

    def __init__(
        self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any
    ):
        super().__init__(inputs, outputs, kwargs.pop("input", None) or name)
        self.optimizer: Any = None
        self.stop_training = False
        self.history: Any = None
        self._compiled: dict[str, Any] | None = None
        self._objective: Objective | None = None
        self._functions: dict[str, Any] = {}

    # Compilation

    def compile(
        self,
        optimizer: Any,
        loss: Any = None,
        metrics: Any = None,
        loss_weights: Any = None,
        sample_weight_mode: Any = None,
        weighted_metrics: Any = None,
        target_tensors: Any = None,
        **kwargs: Any,
    ) -> None:
        """Choose how the model is trained.

        Args:
            optimizer: An optimizer, of tf.keras or of tf.train, or its name.
            loss: A loss or its name; for several outputs a list, or a dict by name.
            metrics: Metrics or their names; for several outputs a dict by name, or a list of lists.
            loss_weights: The weight of the loss of each output, a list or a dict by name.
            sample_weight_mode: Accepted for compatibility: weights of rows and of steps are both
                accepted.
            weighted_metrics: Metrics that use the weights of rows.
            target_tensors: Must be None.
        """
        if target_tensors is not None:
            raise InputError("compile(target_tensors=...) is not provided: give arrays to fit")
        self.optimizer = optimizers.get(optimizer)
        self._compiled = {
            "loss": loss,
            "metrics": metrics,
            "loss_weights": loss_weights,
            "weighted_metrics": weighted_metrics,
        }
        self._functions, self._objective = {}, None
        if self.outputs:
            self._prepare()

    def _prepare(self) -> Objective:
        """The losses and metrics, which are added to the graph at first."""
        if self._compiled is None:
            raise EngineError(
                "The model must be compiled before training or testing: write "
                "model.compile(optimizer, loss)"
            )
        if self._objective is None:
            self._objective = Objective(
                self.outputs, self.output_names, self.losses, **self._compiled
            )
            self.metrics_names = self._objective.names
            self.total_loss = self._objective.total
        return self._objective

    def _function(self, kind: str) -> Any:
        """The function of a training step, a test step or a prediction."""
        if kind in self._functions:
            return self._functions[kind]
        phase = backend.phase_placeholder(self.inputs[0].graph)
        inputs, outputs, updates = list(self.inputs), list(self.outputs), self.state_updates
        if kind != "predict":
            objective = self._prepare()
            inputs += [*objective.targets, *objective.row_weights]
            outputs = objective.fetches
        if kind == "train":
            with name_scope("training"), name_scope(type(self.optimizer).__name__):
                updates = self.optimizer.get_updates(self.total_loss, self._trained())
            updates = updates + self.updates
        inputs += [] if phase is None else [phase]
        self._functions[kind] = backend.function(inputs, outputs, updates)
        return self._functions[kind]

    def _trained(self) -> list:
        found = self.trainable_weights
        if not found:
            raise InputError("the model has no trainable variables: set trainable=True")
        return found

    def _run(self, kind: str, given: Sequence[Any]) -> list:
        function = self._function(kind)
        phase = backend.phase_placeholder(self.inputs[0].graph)
        return function([*given, *([] if phase is None else [kind == "train"])])

    # Data

    def _build_from(self, x: Any) -> None:
        """Give a model that was made without inputs those of its data."""
        if self.outputs:
            return
        placeholders = []
        for array in as_list(x) if isinstance(x, (list, tuple)) else [x]:
            array = np.asarray(array)
            shape = [None, *(array.shape[1:] or (1,))]
            kind = backend.floatx() if array.dtype.kind == "f" else array.dtype.name
            placeholders.append(arrays.placeholder(as_dtype(kind), shape=shape))
        outputs = self(placeholders[0] if len(placeholders) == 1 else placeholders)
        self.inputs, self.outputs = placeholders, as_list(outputs)

    def _inputs_of(self, x: Any) -> list[np.ndarray]:
        self._build_from(x)
        shapes = [backend.int_shape(t) for t in self.inputs]
        return arrays_for(x, self.input_names, shapes, "input")

    def _data(self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> list[list]:
        """Arrays of inputs, of targets, and weights of rows."""
        inputs = self._inputs_of(x)
        targets, weights = self._prepare().arrays(y, sample_weight, class_weight)
        row_count([*inputs, *targets])
        return [inputs, targets, weights]

    def _batch(self, batch: Sequence[Any], class_weight: Any = None) -> list[list]:
        """The arrays of a batch of a generator."""
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise InputError(
                f"the generator gave {type(batch).__name__}: it has to give (inputs, targets), or "
                "(inputs, targets, weights)"
            )
        return self._data(batch[0], batch[1], (*batch, None)[2], class_weight)

    def _fixed_rows(self) -> int | None:
        return backend.int_shape(self.inputs[0])[0] if self.stateful else None  # type: ignore[index]

    def _run_on(self, kind: str, data: list[list]) -> list:
        inputs, targets, weights = data
        return self._run(kind, [*inputs, *self._prepare().feeds(targets, weights)])

    def _means_of(self, kind: str, steps: Iterable[list]) -> list[float]:
        """The means of losses and metrics over batches."""
        means = Means(self._prepare())
        for data in steps:
            means.add(self._run_on(kind, data), len(data[0][0]))
        return means.now()

    # Batches

    def train_on_batch(
        self, x: Any, y: Any = None, sample_weight: Any = None, class_weight: Any = None
    ) -> Any:
        """One training step.

        Args:
            x, y: Inputs and targets.
            sample_weight: A weight for each row.
            class_weight: A weight for each class.

        Returns:
            The loss, or a list of the loss and the metrics.
        """
        data = self._data(x, y, sample_weight, class_weight)
        return _one(self._means_of("train", [data]))

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """The loss of a batch, or a list of the loss and the metrics; see `train_on_batch`."""
        return _one(self._means_of("test", [self._data(x, y, sample_weight)]))

    def predict_on_batch(self, x: Any) -> Any:
        """The outputs for a batch."""
        return _one(self._run("predict", self._inputs_of(x)))

    # Epochs

    def fit(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Sequence | None = None,
        validation_split: float = 0.0,
        validation_data: Any = None,
        shuffle: bool = True,
        class_weight: Mapping | None = None,
        sample_weight: Any = None,
        initial_epoch: int = 0,
        steps_per_epoch: int | None = None,
        validation_steps: int | None = None,
        **kwargs: Any,
    ) -> History:
        """Train the model.

        Args:
            x: The inputs: an array, a list or a dict of arrays.
            y: The targets.
            batch_size: The number of rows of a batch; None for 32.
            epochs: The number of the last epoch.
            verbose: 0 for no output, 1 or 2 for a line for each epoch.
            callbacks: Callbacks; see `tf.keras.callbacks`.
            validation_split: The share of the rows, the last ones, that is used for validation.
            validation_data: (inputs, targets) for validation, and weights of rows.
            shuffle: Whether the rows are shuffled in each epoch, by NumPy's global generator.
            class_weight, sample_weight: A weight for each class, or for each row.
            initial_epoch: The number of the first epoch.
            steps_per_epoch, validation_steps: Must be None: arrays have an end.

        Returns:
            The callback that has the losses and metrics in its `history`.
        """
        if steps_per_epoch is not None or validation_steps is not None:
            raise InputError(
                "fit(steps_per_epoch=...) is for tensors, which are not provided: give arrays, or "
                "use fit_generator"
            )
        data = self._data(x, y, sample_weight, class_weight)
        size = batch_size or 32
        validation = None
        if validation_data is not None:
            validation = self._validation(validation_data)
        elif validation_split:
            first = int(len(data[0][0]) * (1.0 - validation_split))
            validation = [select(part, slice(first, None)) for part in data]
            data = [select(part, slice(0, first)) for part in data]
        rows = len(data[0][0])
        check_counts(rows, size, self._fixed_rows())
        order = np.arange(rows)

        def steps() -> Iterable[list]:
            if shuffle == "batch":
                parts = list(batches(rows, size))
                np.random.shuffle(parts)  # type: ignore[arg-type]
            else:
                if shuffle:
                    np.random.shuffle(order)
                parts = list(batches(rows, size))
            for part in parts:
                chosen = order[part]
                yield [select(of, chosen) for of in data]

        def validated() -> list[float]:
            return self._means_of("test", self._steps_of(validation, size))

        params = {
            "batch_size": size,
            "epochs": epochs,
            "samples": rows,
            "steps": None,
            "verbose": verbose,
        }
        return self._epochs(
            steps,
            rows,
            range(initial_epoch, epochs),
            verbose,
            callbacks,
            None if validation is None else validated,
            params,
            "" if validation is None else f", validate on {len(validation[0][0])} samples",
        )

    def _validation(self, given: Any) -> list[list]:
        if not isinstance(given, (list, tuple)) or len(given) not in (2, 3):
            raise InputError(
                f"validation_data was given {type(given).__name__}: give (inputs, targets), or "
                "(inputs, targets, weights)"
            )
        return self._data(given[0], given[1], given[2] if len(given) == 3 else None)

    @staticmethod
    def _steps_of(data: Any, size: int) -> Iterable[list]:
        return ([select(of, part) for of in data] for part in batches(len(data[0][0]), size))

    def _epochs(
        self,
        steps: Any,
        rows: int | None,
        epochs: Iterable[int],
        verbose: int,
        callbacks: Sequence | None,
        validated: Any,
        params: dict[str, Any],
        validating: str = "",
    ) -> History:
        """The epochs of a training, with the callbacks."""
        history = History()
        names = self.metrics_names
        params["metrics"] = names + ([f"val_{n}" for n in names] if validated else [])
        params["do_validation"] = validated is not None
        called = CallbackList([*(callbacks or ()), history], self, params)
        self.stop_training, self.history = False, history
        called.call("on_train_begin", {})
        last = params["epochs"]
        if verbose and rows is not None:
            print(f"Train on {rows} samples{validating}")
        for epoch in epochs:
            begin = time.time()
            called.call("on_epoch_begin", epoch, {})
            means = Means(self._prepare())
            for i, data in enumerate(steps()):
                count = len(data[0][0])
                called.call("on_batch_begin", i, {"batch": i, "size": count})
                means.add(self._run_on("train", data), count)
                logs = dict(zip(names, means.now()))
                called.call("on_batch_end", i, {"batch": i, "size": count, **logs})
                if self.stop_training:
                    break
            logs = dict(zip(names, means.now()))
            if validated is not None:
                logs.update({f"val_{n}": v for n, v in zip(names, validated())})
            if verbose:
                _show(epoch, last, time.time() - begin, logs)
            called.call("on_epoch_end", epoch, logs)
            if self.stop_training:
                break
        called.call("on_train_end", {})
        return history

    def evaluate(
        self,
        x: Any = None,
        y: Any = None,
        batch_size: int | None = None,
        verbose: int = 1,
        sample_weight: Any = None,
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The loss, or a list of the loss and the metrics; see `fit`."""
        if steps is not None:
            raise InputError("evaluate(steps=...) is for tensors, which are not provided")
        data = self._data(x, y, sample_weight)
        size = batch_size or 32
        check_counts(len(data[0][0]), size, self._fixed_rows())
        found = self._means_of("test", self._steps_of(data, size))
        if verbose:
            _show_values(f"{len(data[0][0])} samples", dict(zip(self.metrics_names, found)))
        return _one(found)

    def predict(
        self,
        x: Any,
        batch_size: int | None = None,
        verbose: int = 0,
        steps: int | None = None,
        callbacks: Any = None,
        **kwargs: Any,
    ) -> Any:
        """The outputs, in batches.

        Args:
            x: The inputs.
            batch_size: The number of rows of a batch; None for 32.
            verbose, callbacks: Accepted for compatibility; ignored.
            steps: Must be None.
        """
        if steps is not None:
            raise InputError("predict(steps=...) is for tensors, which are not provided")
        inputs = self._inputs_of(x)
        rows, size = row_count(inputs), batch_size or 32
        check_counts(rows, size, self._fixed_rows())
        found = [self._run("predict", select(inputs, part)) for part in batches(rows, size)]
        return _one([np.concatenate(parts) for parts in zip(*found)])

    # Generators

    def fit_generator(
        self,
        generator: Any,
        steps_per_epoch: int | None = None,
        epochs: int = 1,
        verbose: int = 1,
        callbacks: Sequence | None = None,
        validation_data: Any = None,
        validation_steps: int | None = None,
        class_weight: Mapping | None = None,
        max_queue_size: int = 10,
        workers: int = 1,
        use_multiprocessing: bool = False,
        shuffle: bool = True,
        initial_epoch: int = 0,
    ) -> History:
        """Train the model with batches of a generator.

        Args:
            generator: A generator of (inputs, targets), with weights of rows if wanted, or a
                `tf.keras.utils.Sequence`.
            steps_per_epoch: The number of batches of an epoch; None for the length of a Sequence.
            validation_data: Arrays as for `fit`, a generator or a Sequence.
            validation_steps: The number of batches of the validation.
            epochs, verbose, callbacks, class_weight, shuffle, initial_epoch: See `fit`.
            max_queue_size, workers, use_multiprocessing: Accepted for compatibility; ignored.
        """
        taken = GeneratedBatches(generator, steps_per_epoch, "steps_per_epoch", shuffle)
        first = taken.peek()
        self._build_from(first[0])
        self._prepare()

        def steps() -> Iterable[list]:
            return (self._batch(batch, class_weight) for batch in taken.epoch())

        validated = None
        if isinstance(validation_data, (list, tuple)):
            data = self._validation(validation_data)

            def validated() -> list[float]:
                return self._means_of("test", self._steps_of(data, 32))

        elif validation_data is not None:
            other = GeneratedBatches(validation_data, validation_steps, "validation_steps", False)

            def validated() -> list[float]:
                return self._means_of("test", map(self._batch, other.epoch()))

        params = {"epochs": epochs, "steps": taken.count, "verbose": verbose}
        epochs_of = range(initial_epoch, epochs)
        return self._epochs(steps, None, epochs_of, verbose, callbacks, validated, params)

    def evaluate_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None, **kwargs: Any
    ) -> Any:
        """The loss and the metrics for the batches of a generator; see `fit_generator`."""
        taken = GeneratedBatches(generator, steps, "steps", False)
        return _one(self._means_of("test", map(self._batch, taken.epoch())))

    def predict_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None, **kwargs: Any
    ) -> Any:
        """The outputs for the batches of a generator; see `fit_generator`."""
        taken = GeneratedBatches(generator, steps, "steps", False)
        found = []
        for batch in taken.epoch():
            x = batch[0] if isinstance(batch, tuple) else batch
            found.append(as_list(self.predict_on_batch(x)))
        return _one([np.concatenate(parts) for parts in zip(*found)])


def _one(values: list) -> Any:
    return values[0] if len(values) == 1 else values


def _show_values(begin: str, values: Mapping[str, float]) -> None:
    print(" - ".join([begin, *[f"{name}: {value:.4f}" for name, value in values.items()]]))


def _show(epoch: int, last: int, seconds: float, values: Mapping[str, float]) -> None:
    _show_values(f"Epoch {epoch + 1}/{last} - {seconds:.0f}s", values)
