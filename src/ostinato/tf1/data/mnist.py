"""Private: the MNIST files of handwritten digits (tf.examples.tutorials.mnist.input_data)."""

import gzip
import struct
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError

__all__ = ["DataSet", "Datasets", "read_data_sets"]

_IMAGES, _LABELS = 2051, 2049  # the numbers at the start of the files
_FILES = (
    "train-images-idx3-ubyte.gz",
    "train-labels-idx1-ubyte.gz",
    "t10k-images-idx3-ubyte.gz",
    "t10k-labels-idx1-ubyte.gz",
)


class Datasets(NamedTuple):
    """The three parts of a data set."""

    train: "DataSet"
    validation: "DataSet"
    test: "DataSet"


class DataSet:
    """Images with labels, in batches.

    Attributes:
        images: (N, 784) float32 from 0 to 1, or (N, 28, 28, 1) without `reshape`.
        labels: (N,) uint8, or (N, 10) float64 with `one_hot`.
        num_examples: N.
        epochs_completed: The number of passes over the images.
    """

    def __init__(self, images: np.ndarray, labels: np.ndarray, seed: int | None = None):
        self.images, self.labels = images, labels
        self.num_examples, self.epochs_completed = len(images), 0
        self._index = 0
        # TensorFlow shuffles with NumPy's global generator, which it seeds here.
        np.random.seed(np.random.SeedSequence().generate_state(1)[0] if seed is None else seed)

    def next_batch(
        self, batch_size: int, fake_data: bool = False, shuffle: bool = True
    ) -> tuple[np.ndarray, np.ndarray]:
        """The next images and labels; after the last ones, those in a new order."""
        start = self._index
        if self.epochs_completed == 0 and start == 0 and shuffle:
            self._shuffle()
        if start + batch_size <= self.num_examples:
            self._index += batch_size
            return self.images[start : self._index], self.labels[start : self._index]
        self.epochs_completed += 1
        images, labels = self.images[start:], self.labels[start:]
        if shuffle:
            self._shuffle()
        self._index = batch_size - len(images)
        return (
            np.concatenate([images, self.images[: self._index]]),
            np.concatenate([labels, self.labels[: self._index]]),
        )

    def _shuffle(self) -> None:
        order = np.arange(self.num_examples)
        np.random.shuffle(order)
        self.images, self.labels = self.images[order], self.labels[order]


def _read(folder: Path, name: str, magic: int, dimensions: int) -> np.ndarray:
    path = folder / name
    if not path.exists():
        path = path.with_suffix("")
    if not path.exists():
        raise InputError(
            f"read_data_sets({str(folder)!r}): {name} is missing, and files are not downloaded; "
            f"put {', '.join(_FILES)} there (https://yann.lecun.com/exdb/mnist/)"
        )
    with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
        head = file.read(4 * (1 + dimensions))
        if len(head) < 4 * (1 + dimensions):
            raise InputError(f"{path} is not an MNIST file: it ends in its header")
        found, *sizes = struct.unpack(f">{1 + dimensions}I", head)
        count = int(np.prod(sizes, dtype=np.int64))
        if found != magic or count > 2**32:
            raise InputError(f"{path} is not an MNIST file: it begins with {found}, not {magic}")
        data = file.read(count)
    if len(data) < count:
        raise InputError(f"{path} is damaged: it has {len(data)} of {count} bytes")
    return np.frombuffer(data, np.uint8).reshape(sizes)


def read_data_sets(
    train_dir: str,
    fake_data: bool = False,
    one_hot: bool = False,
    dtype: Any = "float32",
    reshape: bool = True,
    validation_size: int = 5000,
    seed: int | None = None,
    source_url: str = "https://storage.googleapis.com/cvdf-datasets/mnist/",
) -> Datasets:
    """The MNIST files in a directory. They are not downloaded.

    Args:
        train_dir: The directory.
        fake_data, source_url: Accepted for compatibility; ignored.
        one_hot: Whether labels are rows of 10 numbers.
        dtype: float32 for numbers from 0 to 1, uint8 for the files' own.
        reshape: Whether an image is a row of 784 numbers.
        validation_size: The number of training images for validation.
        seed: The seed of the order; None for a different order each time.

    Raises:
        InputError: A file does not exist, or is not an MNIST file.
    """
    folder = Path(train_dir)
    parts = []
    for images_name, labels_name in (_FILES[:2], _FILES[2:]):
        images = _read(folder, images_name, _IMAGES, 3)
        labels = _read(folder, labels_name, _LABELS, 1)
        images = images.reshape(len(images), -1) if reshape else images[..., None]
        if getattr(dtype, "name", dtype) != "uint8":
            images = images.astype(np.float32) * np.float32(1.0 / 255.0)
        parts.append((images, np.eye(10)[labels] if one_hot else labels))
    (images, labels), test = parts
    if not 0 <= validation_size <= len(images):
        raise InputError(
            f"validation_size={validation_size}: give a number from 0 to {len(images)}"
        )
    n = validation_size
    return Datasets(
        DataSet(images[n:], labels[n:], seed),
        DataSet(images[:n], labels[:n], seed),
        DataSet(*test, seed),
    )
