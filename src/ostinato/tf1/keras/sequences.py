"""Private: tf.keras.utils: classes as vectors, and data that are read batch by batch."""

from typing import Any

import numpy as np

from ...errors import InputError

__all__ = ["Sequence", "normalize", "to_categorical"]


def to_categorical(y: Any, num_classes: int | None = None, dtype: str = "float32") -> np.ndarray:
    """Vectors with a 1 at the number of the class and 0 elsewhere.

    Args:
        y: Numbers of classes, from 0.
        num_classes: The number of classes; None for the largest one plus 1.
        dtype: The dtype.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.keras.utils.to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    labels = np.array(y, dtype="int")
    shape = labels.shape
    # (B, 1) counts as (B,)
    if len(shape) > 1 and shape[-1] == 1:
        shape = shape[:-1]
    flat = labels.ravel()
    count = num_classes or int(flat.max()) + 1
    if flat.size and (flat.min() < -count or flat.max() >= count):
        raise InputError(
            f"to_categorical was given classes up to {flat.max()}: give num_classes="
            f"{int(flat.max()) + 1} or more"
        )
    found = np.zeros((flat.size, count), dtype)
    found[np.arange(flat.size), flat] = 1
    return found.reshape(*shape, count)


def normalize(x: Any, axis: int = -1, order: int = 2) -> np.ndarray:
    """An array divided by its length along an axis.

    Args:
        x: The array.
        axis: The axis.
        order: The norm, 2 for Euclid's.
    """
    length = np.atleast_1d(np.linalg.norm(x, order, axis))
    length[length == 0] = 1
    return np.asarray(x) / np.expand_dims(length, axis)


class Sequence:
    """Base class of data that are read batch by batch: a subclass has `__getitem__(index)`, a batch
    (inputs, targets), and `__len__`, the number of batches.
    """

    def __getitem__(self, index: int) -> Any:
        """A batch."""
        raise NotImplementedError

    def __len__(self) -> int:
        """The number of batches."""
        raise NotImplementedError

    def on_epoch_end(self) -> None:
        """Called at the end of every epoch."""

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))
