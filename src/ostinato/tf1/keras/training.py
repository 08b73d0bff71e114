"""Private: models of tf.keras: how they are trained, evaluated and used."""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EngineError, InputError
from ..core.dtypes import as_dtype
from ..core.graph import Tensor, name_scope
from ..ops import arrays, math
from . import backend, losses, metrics, optimizers
from .callbacks import CallbackList, History
from .data import arrays_for, batches, check_counts, class_weights, row_count, select
from .engine import as_list
from .network import Network

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
        self._functions, self._outputs_ready = {}, False
        if self.outputs:
            self._prepare()

    def _prepare(self) -> None:
        """Add the losses and the metrics to the graph."""
        if self._compiled is None:
            raise EngineError(
                "The model must be compiled before training or testing: write "
                "model.compile(optimizer, loss)"
            )
        if self._outputs_ready:
            return
        self._outputs_ready = True
        given, names = self._compiled, self.output_names
        self._losses_of = [losses.get(f) for f in _for_each(given["loss"], names, "loss")]
        if all(f is None for f in self._losses_of):
            raise InputError("compile was given no loss: write loss='mse'")
        weights = _for_each(given["loss_weights"], names, "loss_weights")
        self._targets: list[Any] = []
        self._row_weights: list[Any] = []
        parts: list[Tensor] = []
        total: Any = None
        with name_scope("loss"):
            for output, name, loss, weight in zip(self.outputs, names, self._losses_of, weights):
                self._targets.append(_target(output, name, loss))
                self._row_weights.append(_row_weights(output, name))
                if loss is None:
                    continue
                with name_scope(f"{name}_loss"):
                    part = losses.weighted_mean(
                        loss(self._targets[-1], output),
                        _with_mask(self._row_weights[-1], output),
                    )
                parts.append(part)
                part = (1.0 if weight is None else weight) * part
                total = part if total is None else total + part
            for extra in self.losses:
                total = total + extra
        self.total_loss = total
        self.metrics_names = ["loss"]
        self._values = [total]
        if len(names) > 1:
            self.metrics_names += [f"{n}_loss" for n, f in zip(names, self._losses_of) if f]
            self._values += parts
        # Each metric is a sum and the number of values in it.
        self._sums: list[tuple[Tensor, Tensor]] = []
        self._add_metrics("metrics", weighted=False)
        self._add_metrics("weighted_metrics", weighted=True)

    def _add_metrics(self, of: str, *, weighted: bool) -> None:
        assert self._compiled is not None, "compiled"
        given, names = self._compiled[of], self.output_names
        if given is None:
            return
        if isinstance(given, (list, tuple)) and not any(isinstance(m, list) for m in given):
            listed = [list(given)] * len(names)
        else:
            listed = [as_list(m) if m else [] for m in _for_each(given, names, of)]
        with name_scope("metrics"):
            for i, (name, wanted) in enumerate(zip(names, listed)):
                for metric in wanted:
                    short, function = metrics.metric_for(
                        metric, self.outputs[i], self._losses_of[i]
                    )
                    short = f"weighted_{short}" if weighted else short
                    called = f"{name}_{short}" if len(names) > 1 else short
                    with name_scope(short):
                        value = function(self._targets[i], self.outputs[i])
                        by_row = self._row_weights[i] if weighted else None
                        self._sums.append(_sum_of(value, _with_mask(by_row, self.outputs[i])))
                    self.metrics_names.append(called)

    def _function(self, kind: str) -> Any:
        """The function of a training step, a test step or a prediction."""
        if kind in self._functions:
            return self._functions[kind]
        phase = backend.phase_placeholder(self.inputs[0].graph)
        phases = [] if phase is None else [phase]
        flat_sums = [t for pair in getattr(self, "_sums", []) for t in pair]
        if kind == "predict":
            made = backend.function([*self.inputs, *phases], list(self.outputs), self.state_updates)
        else:
            inputs = [*self.inputs, *self._targets, *self._row_weights, *phases]
            updates = self.state_updates
            if kind == "train":
                with name_scope("training"), name_scope(type(self.optimizer).__name__):
                    updates = self.optimizer.get_updates(self.total_loss, self._trained())
                updates = updates + self.updates
            made = backend.function(inputs, [*self._values, *flat_sums], updates)
        self._functions[kind] = made
        return made

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

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        if self._map is None:
            return [f"input_{i + 1}" for i in range(len(self.inputs))]
        return super().input_names

    @property
    def output_names(self) -> list[str]:
        """The names of the layers of the outputs, made unique."""
        if self._map is None:
            return [f"output_{i + 1}" for i in range(len(self.outputs))]
        return super().output_names

    def _inputs_of(self, x: Any) -> list[np.ndarray]:
        self._build_from(x)
        shapes = [backend.int_shape(t) for t in self.inputs]
        return arrays_for(x, self.input_names, shapes, "input")

    def _data(self, x: Any, y: Any, sample_weight: Any, class_weight: Any = None) -> list[list]:
        """Arrays of inputs, of targets, and weights of rows."""
        inputs = self._inputs_of(x)
        self._prepare()
        if y is None:
            raise InputError("no targets were given: give y, an array for each output")
        shapes = [backend.int_shape(t) for t in self.outputs]
        plain = losses.sparse_categorical_crossentropy
        targets = []
        several = isinstance(y, (list, tuple, Mapping)) and len(self.outputs) > 1
        found = arrays_for(y, self.output_names, shapes, "target", sizes=False)
        for array, name, shape, loss in zip(found, self.output_names, shapes, self._losses_of):
            if loss is plain and shape is not None and array.ndim == len(shape) - 1 > 1:
                array = array[..., None]
            known = getattr(loss, "__module__", "") == losses.__name__ and loss is not plain
            if known and shape is not None:
                array = arrays_for(array, [name], [shape], "target")[0]
            targets.append(array)
        if sample_weight is None:
            sample_weight = class_weights(targets, class_weight)
        given = as_list(sample_weight) if several else [sample_weight]
        weights = [None if w is None else np.asarray(w, np.float32) for w in given]
        weights += [None] * (len(targets) - len(weights))
        row_count([*inputs, *targets, *[w for w in weights if w is not None]])
        return [inputs, targets, weights]

    def _fixed_rows(self) -> int | None:
        return backend.int_shape(self.inputs[0])[0] if self.stateful else None  # type: ignore[index]

    def _flat(self, inputs: list, targets: list, weights: list) -> list:
        """The arrays as the functions take them."""
        given = []
        for w, placeholder in zip(weights, self._row_weights):
            w = np.ones(len(targets[0]), np.float32) if w is None else w
            given.append(w.reshape(len(w), -1) if placeholder.shape.ndims == 2 else w)
        return [*inputs, *targets, *given]

    def _answers(self, results: Sequence[Any]) -> list[float]:
        """The loss and the metrics of results."""
        count = len(self._values)
        sums = results[count:]
        rest = [s / n if n else 0.0 for s, n in zip(sums[::2], sums[1::2])]
        return [float(v) for v in [*results[:count], *rest]]

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
        return _one(self._answers(self._run("train", self._flat(*data))))

    def test_on_batch(self, x: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """The loss of a batch, or a list of the loss and the metrics; see `train_on_batch`."""
        data = self._data(x, y, sample_weight)
        return _one(self._answers(self._run("test", self._flat(*data))))

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
            return self._evaluated(self._steps_of(validation, size))

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
            print(f"Train on {rows} samples")
        for epoch in epochs:
            begin = time.time()
            called.call("on_epoch_begin", epoch, {})
            means = _Means(self)
            for i, data in enumerate(steps()):
                count = len(data[0][0])
                called.call("on_batch_begin", i, {"batch": i, "size": count})
                means.add(self._run("train", self._flat(*data)), count)
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

    def _evaluated(self, steps: Iterable[list]) -> list[float]:
        means = _Means(self)
        for data in steps:
            means.add(self._run("test", self._flat(*data)), len(data[0][0]))
        return means.now()

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
        found = self._evaluated(self._steps_of(data, size))
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
        taken = _Taken(generator, steps_per_epoch, "steps_per_epoch", shuffle)
        first = taken.peek()
        self._build_from(first[0])
        self._prepare()

        def steps() -> Iterable[list]:
            for batch in taken.epoch():
                weights = batch[2] if len(batch) > 2 else None
                yield self._data(batch[0], batch[1], weights, class_weight)

        validated = None
        if isinstance(validation_data, (list, tuple)):
            data = self._validation(validation_data)

            def validated() -> list[float]:
                return self._evaluated(self._steps_of(data, 32))

        elif validation_data is not None:
            other = _Taken(validation_data, validation_steps, "validation_steps", False)

            def validated() -> list[float]:
                return self._evaluated(self._data(*b[:2], (*b, None)[2]) for b in other.epoch())

        params = {"epochs": epochs, "steps": taken.count, "verbose": verbose}
        epochs_of = range(initial_epoch, epochs)
        return self._epochs(steps, None, epochs_of, verbose, callbacks, validated, params)

    def evaluate_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None, **kwargs: Any
    ) -> Any:
        """The loss and the metrics for the batches of a generator; see `fit_generator`."""
        taken = _Taken(generator, steps, "steps", False)
        return _one(self._evaluated(self._data(*b[:2], (*b, None)[2]) for b in taken.epoch()))

    def predict_generator(
        self, generator: Any, steps: int | None = None, callbacks: Any = None, **kwargs: Any
    ) -> Any:
        """The outputs for the batches of a generator; see `fit_generator`."""
        taken = _Taken(generator, steps, "steps", False)
        found = []
        for batch in taken.epoch():
            x = batch[0] if isinstance(batch, tuple) else batch
            found.append(as_list(self.predict_on_batch(x)))
        return _one([np.concatenate(parts) for parts in zip(*found)])


class _Means:
    """The means of the losses and metrics of batches."""

    def __init__(self, model: Model):
        self.count = len(model._values)
        self.rows = 0
        self.totals: Any = 0.0
        self.sums: Any = 0.0

    def add(self, results: Sequence[Any], rows: int) -> None:
        """Add the results of a batch."""
        self.rows += rows
        self.totals = self.totals + rows * np.array(results[: self.count], np.float64)
        self.sums = self.sums + np.array(results[self.count :], np.float64)

    def now(self) -> list[float]:
        """The means so far."""
        if not self.rows:
            raise InputError("no batch was given: give one row at least")
        losses_now = [float(v) for v in self.totals / self.rows]
        return losses_now + [
            float(s / n) if n else 0.0 for s, n in zip(self.sums[::2], self.sums[1::2])
        ]


class _Taken:
    """The batches of a generator or a Sequence, epoch by epoch."""

    def __init__(self, generator: Any, count: int | None, argument: str, shuffle: bool):
        self.is_sequence = hasattr(generator, "__getitem__") and hasattr(generator, "__len__")
        if count is None and not self.is_sequence:
            raise InputError(
                f"`{argument}=None` is only valid for a generator based on the "
                f"`tf.keras.utils.Sequence` class: give {argument}"
            )
        self.generator, self.shuffle = generator, shuffle
        self.count = len(generator) if count is None else count
        self._ahead: list = []
        self._batches = None if self.is_sequence else iter(generator)

    def peek(self) -> Any:
        """The first batch, which is not taken."""
        if self.is_sequence:
            return self.generator[0]
        self._ahead = self._ahead or [next(self._batches)]  # type: ignore[arg-type]
        return self._ahead[0]

    def epoch(self) -> Iterable[Any]:
        """The batches of an epoch."""
        if self.is_sequence:
            order = list(range(len(self.generator)))
            if self.shuffle:
                np.random.shuffle(order)
            for i in order[: self.count]:
                yield self.generator[i]
            if hasattr(self.generator, "on_epoch_end"):
                self.generator.on_epoch_end()
            return
        for _ in range(self.count):
            try:
                yield self._ahead.pop() if self._ahead else next(self._batches)  # type: ignore[arg-type]
            except StopIteration:
                raise InputError(
                    f"the generator ended: it has to give {self.count} batches for each epoch; "
                    "write `while True:` in it"
                ) from None


def _one(values: list) -> Any:
    return values[0] if len(values) == 1 else values


def _for_each(given: Any, names: Sequence[str], what: str) -> list:
    """A value for each output, from one, a list, or a dict by name."""
    if isinstance(given, Mapping):
        unknown = sorted(set(given) - set(names))
        if unknown:
            raise InputError(
                f"Unknown entry in {what} dictionary: {unknown[0]!r}; the outputs are "
                f"{', '.join(names)}"
            )
        return [given.get(n) for n in names]
    if isinstance(given, (list, tuple)):
        if len(given) != len(names):
            raise InputError(
                f"the model has {len(names)} outputs, but {what} has {len(given)} entries: give "
                "one for each"
            )
        return list(given)
    return [given] * len(names)


def _target(output: Tensor, name: str, loss: Any) -> Tensor:
    rank = output.shape.ndims
    return arrays.placeholder(
        as_dtype(backend.dtype(output)), shape=[None] * (rank or 1), name=f"{name}_target"
    )


def _row_weights(output: Tensor, name: str) -> Tensor:
    # (B,), or (B, T) for the outputs of steps.
    shape = [None, None] if (output.shape.ndims or 0) > 2 else [None]
    return arrays.placeholder(
        as_dtype(backend.floatx()), shape=shape, name=f"{name}_sample_weights"
    )


def _with_mask(weights: Any, output: Tensor) -> Any:
    """Weights of rows together with the mask of an output."""
    mask = getattr(output, "_keras_mask", None)
    if mask is None:
        return weights
    return losses.weighted(math.cast(mask, output.dtype), weights)


def _sum_of(value: Tensor, weights: Any) -> tuple[Tensor, Tensor]:
    """The sum of a metric, and the number of its values, with weights."""
    value = math.cast(value, backend.floatx())
    ones = arrays.ones_like(value)
    return (
        math.reduce_sum(losses.weighted(value, weights)),
        math.reduce_sum(losses.weighted(ones, weights)),
    )


def _show_values(begin: str, values: Mapping[str, float]) -> None:
    print(" - ".join([begin, *[f"{name}: {value:.4f}" for name, value in values.items()]]))


def _show(epoch: int, last: int, seconds: float, values: Mapping[str, float]) -> None:
    _show_values(f"Epoch {epoch + 1}/{last} - {seconds:.0f}s", values)
