"""Private: what a model of tf.keras is trained for: its losses and its metrics."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..core.tensors import Tensor
from ..ops import arrays, math
from . import backend, losses
from .data import arrays_for, class_weights, row_count
from .engine import as_list
from .metrics import metric_for

__all__ = ["Means", "Objective"]


class Objective:
    """The losses and the metrics of a model in the graph.

    Attributes:
        total: The loss: the sum of those of the outputs, and of the layers.
        names: The names of the loss and of the metrics.
        values: The tensors of the losses.
        sums: For each metric the sum of its values, and their number.
        targets, row_weights: The placeholders of targets and of the weights of rows.

    Args:
        outputs, names: The outputs of the model and their names.
        of_layers: The losses of the layers.
        loss: A loss for all outputs, a list, or a dict by name.
        loss_weights: The weights of the losses, likewise, or None.
        metrics, weighted_metrics: Metrics for all outputs, a list of lists, or a dict by name, or
            None.

    Raises:
        InputError: The loss is missing, or the entries do not match the outputs.
    """

    def __init__(
        self,
        outputs: Sequence[Tensor],
        names: Sequence[str],
        of_layers: Sequence[Tensor],
        *,
        loss: Any,
        loss_weights: Any,
        metrics: Any,
        weighted_metrics: Any,
    ):
        self.outputs, self.output_names = list(outputs), list(names)
        self.losses = [losses.get(f) for f in self._for_each(loss, "loss")]
        if all(f is None for f in self.losses):
            raise InputError("compile was given no loss: write loss='mse'")
        self.targets: list[Tensor] = []
        self.row_weights: list[Tensor] = []
        parts = self._add_losses(self._for_each(loss_weights, "loss_weights"), of_layers)
        self.names, self.values = ["loss"], [self.total]
        if len(self.outputs) > 1:
            self.names += [f"{n}_loss" for n, f in zip(self.output_names, self.losses) if f]
            self.values += parts
        self.sums: list[tuple[Tensor, Tensor]] = []
        self._add_metrics(metrics, "metrics", weighted=False)
        self._add_metrics(weighted_metrics, "weighted_metrics", weighted=True)

    def _for_each(self, given: Any, what: str) -> list:
        """A value for each output, from one, a list, or a dict by name."""
        names = self.output_names
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
                    f"the model has {len(names)} outputs, but {what} has {len(given)} entries: "
                    "give one for each"
                )
            return list(given)
        return [given] * len(names)

    def _add_losses(self, weights: Sequence, of_layers: Sequence[Tensor]) -> list[Tensor]:
        parts, total = [], None
        with name_scope("loss"):
            for output, name, loss, weight in zip(
                self.outputs, self.output_names, self.losses, weights
            ):
                kind, rank = as_dtype(backend.dtype(output)), output.shape.ndims or 1
                self.targets.append(
                    arrays.placeholder(kind, shape=[None] * rank, name=f"{name}_target")
                )
                # (B,), or (B, T) for the outputs of steps.
                shape = [None] * min(max(rank - 1, 1), 2)
                self.row_weights.append(
                    arrays.placeholder(
                        as_dtype(backend.floatx()), shape=shape, name=f"{name}_sample_weights"
                    )
                )
                if loss is None:
                    continue
                with name_scope(f"{name}_loss"):
                    part = losses.weighted_mean(
                        loss(self.targets[-1], output), _with_mask(self.row_weights[-1], output)
                    )
                parts.append(part)
                part = (1.0 if weight is None else weight) * part
                total = part if total is None else total + part
            for extra in of_layers:
                total = total + extra
        self.total: Any = total
        return parts

    def _add_metrics(self, given: Any, what: str, *, weighted: bool) -> None:
        if given is None:
            return
        several = isinstance(given, Mapping) or any(isinstance(m, list) for m in as_list(given))
        by_output = self._for_each(given, what) if several else [given] * len(self.outputs)
        with name_scope("metrics"):
            for i, wanted in enumerate(by_output):
                for metric in as_list(wanted) if wanted else []:
                    self._add_metric(i, metric, weighted)

    def _add_metric(self, i: int, metric: Any, weighted: bool) -> None:
        output = self.outputs[i]
        short, function = metric_for(metric, output, self.losses[i])
        short = f"weighted_{short}" if weighted else short
        with name_scope(short):
            value = math.cast(function(self.targets[i], output), backend.floatx())
            weights = _with_mask(self.row_weights[i] if weighted else None, output)
            self.sums.append(
                (
                    math.reduce_sum(losses.weighted(value, weights)),
                    math.reduce_sum(losses.weighted(arrays.ones_like(value), weights)),
                )
            )
        several = len(self.outputs) > 1
        self.names.append(f"{self.output_names[i]}_{short}" if several else short)

    @property
    def fetches(self) -> list[Tensor]:
        """The tensors of the losses, and of the metrics."""
        return [*self.values, *[t for pair in self.sums for t in pair]]

    # Arrays

    def arrays(self, y: Any, sample_weight: Any, class_weight: Any) -> tuple[list, list]:
        """The arrays of targets, and of the weights of rows.

        Args:
            y: The targets, as they were given.
            sample_weight: A weight for each row, or for each step; None for 1.
            class_weight: A weight for each class, or None.
        """
        if y is None:
            raise InputError("no targets were given: give y, an array for each output")
        shapes = [backend.int_shape(t) for t in self.outputs]
        plain = losses.sparse_categorical_crossentropy
        targets = []
        found = arrays_for(y, self.output_names, shapes, "target", sizes=False)
        for array, name, shape, loss in zip(found, self.output_names, shapes, self.losses):
            if loss is plain and shape is not None and array.ndim == len(shape) - 1 > 1:
                array = array[..., None]
            known = getattr(loss, "__module__", "") == losses.__name__ and loss is not plain
            if known and shape is not None:
                array = arrays_for(array, [name], [shape], "target")[0]
            targets.append(array)
        if sample_weight is None:
            sample_weight = class_weights(targets, class_weight)
        several = len(self.outputs) > 1 and isinstance(sample_weight, (list, tuple))
        given = list(sample_weight) if several else [sample_weight]
        weights = [None if w is None else np.asarray(w, np.float32) for w in given]
        weights += [None] * (len(targets) - len(weights))
        row_count([*targets, *[w for w in weights if w is not None]])
        return targets, weights

    def feeds(self, targets: Sequence[np.ndarray], weights: Sequence[Any]) -> list[np.ndarray]:
        """The arrays of the placeholders: targets, and weights of rows."""
        given = []
        for w, placeholder in zip(weights, self.row_weights):
            w = np.ones(len(targets[0]), np.float32) if w is None else w
            given.append(w.reshape(len(w), -1) if placeholder.shape.ndims == 2 else w)
        return [*targets, *given]


class Means:
    """The means of losses and metrics over batches.

    Args:
        objective: The losses and metrics.
    """

    def __init__(self, objective: Objective):
        self._count = len(objective.values)
        self._rows = 0
        self._totals: Any = 0.0
        self._sums: Any = np.zeros(2 * len(objective.sums))

    def add(self, results: Sequence[Any], rows: int) -> None:
        """Add the values of `Objective.fetches` for a batch."""
        self._rows += rows
        self._totals = self._totals + rows * np.array(results[: self._count], np.float64)
        self._sums = self._sums + np.array(results[self._count :], np.float64)

    def now(self) -> list[float]:
        """The means so far."""
        if not self._rows:
            raise InputError("no batch was given: give one row at least")
        metrics = [s / n if n else 0.0 for s, n in zip(self._sums[::2], self._sums[1::2])]
        return [float(v) for v in [*self._totals / self._rows, *metrics]]


def _with_mask(weights: Any, output: Tensor) -> Any:
    """Weights of rows together with the mask of an output."""
    mask = getattr(output, "_keras_mask", None)
    if mask is None:
        return weights
    return losses.weighted(math.cast(mask, output.dtype), weights)
