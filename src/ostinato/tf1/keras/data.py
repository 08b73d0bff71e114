"""Private: the arrays that models of tf.keras are trained with."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.tensors import Operand
from .engine import as_list

__all__ = [
    "GeneratedBatches",
    "arrays_for",
    "batches",
    "check_counts",
    "class_weights",
    "row_count",
    "select",
]


def arrays_for(
    given: Any, names: Sequence[str], shapes: Sequence[Any], what: str, *, sizes: bool = True
) -> list[np.ndarray]:
    """An array for each input or output of a model.

    Args:
        given: An array, a list of them, or a dict by name.
        names, shapes: The names and the static shapes of the inputs or outputs.
        what: "input" or "target", for errors.
        sizes: Whether sizes after the batch must match.

    Raises:
        InputError: The number of arrays differs, or a name is missing.
        SizeError: A shape differs.
    """
    if isinstance(given, Mapping):
        missing = [n for n in names if n not in given]
        if missing:
            raise InputError(f"No data provided for {missing[0]!r}: give {', '.join(names)}")
        found = [given[n] for n in names]
    elif len(names) == 1:
        single = isinstance(given, (list, tuple)) and len(given) == 1 and hasattr(given[0], "shape")
        found = [given[0] if single else given]
    else:
        found = list(given) if isinstance(given, (list, tuple)) else [given]
    if len(found) != len(names):
        raise InputError(
            f"the model has {len(names)} {what}s and was given {len(found)} arrays: give a list of "
            f"one for each of {', '.join(names)}"
        )
    arrays = []
    for value, name, shape in zip(found, names, shapes):
        if isinstance(value, Operand) or hasattr(value, "make_one_shot_iterator"):
            raise InputError(
                f"the {what} {name} is {value!r}: give a NumPy array, or train with sess.run"
            )
        array = np.asarray(value)
        if array.dtype == object:
            raise InputError(
                f"the {what} {name} is not an array: its rows have several lengths; pad them with "
                "tf.keras.preprocessing.sequence.pad_sequences"
            )
        rank = None if shape is None else len(shape)
        if array.ndim == 1 and rank != 1:
            array = array[:, None]
        arrays.append(array)
        if not sizes or shape is None:
            continue
        fits = array.ndim == rank and all(
            n is None or n == m for n, m in zip(shape[1:], array.shape[1:])
        )
        if not fits:
            raise SizeError(
                f"Error when checking {what}: expected {name} to have shape {tuple(shape)} but got "
                f"array with shape {array.shape}: give it that shape"
            )
    return arrays


def row_count(arrays: Sequence[np.ndarray]) -> int:
    """The number of rows, which all arrays have.

    Raises:
        SizeError: They differ.
    """
    counts = {len(a) for a in arrays}
    if len(counts) != 1:
        raise SizeError(
            f"All input and target arrays should have the same number of samples: they have "
            f"{sorted(counts)}"
        )
    return counts.pop()


def check_counts(rows: int, batch_size: int, fixed: int | None) -> None:
    """Reject a batch size that a stateful model cannot use.

    Args:
        rows: The number of rows.
        batch_size: The batch size.
        fixed: The batch size of the model, or None.
    """
    if fixed and (batch_size != fixed or rows % fixed):
        raise SizeError(
            f"the model has batch size {fixed}; it was given {rows} rows and batch_size="
            f"{batch_size}: give batch_size={fixed} and a multiple of {fixed} rows"
        )


def class_weights(targets: Sequence[np.ndarray], weights: Mapping | None) -> Any:
    """The weight of each row from that of its class, or None."""
    if not weights:
        return None
    y = targets[0]
    classes = y.argmax(-1) if y.ndim > 1 and y.shape[-1] > 1 else y.reshape(len(y))
    missing = sorted(set(classes.tolist()) - set(weights))
    if missing:
        raise InputError(f"`class_weight` must contain all classes: {missing[0]} is missing")
    return np.array([weights[c] for c in classes.tolist()], np.float32)


def batches(rows: int, size: int) -> Iterator[slice]:
    """The rows of each batch."""
    return (slice(i, min(i + size, rows)) for i in range(0, rows, size))


def select(arrays: Sequence[Any], rows: Any) -> list:
    """Some rows of each array."""
    return [None if a is None else a[rows] for a in as_list(arrays)]


class GeneratedBatches:
    """The batches of a generator or a Sequence, epoch by epoch.

    Args:
        generator: The generator or Sequence.
        count: The number of batches of an epoch; None for the length of a Sequence.
        argument: The name of the argument that gives the number, for errors.
        shuffle: Whether a Sequence is shuffled.
    """

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
