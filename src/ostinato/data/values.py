"""The rule for the numbers of sequences, wherever they come from: bytes are divided by 255, other
numbers are used as they are.

A model stores the dtype that it was trained on. Values to predict for are converted to the units of
the training data where that is unambiguous, and are an error where it is not.
"""

from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import InputError
from .disk import Made
from .text import compose

# In place of a dtype: numbers that were written as text, and the grey pixels of picture and video
# files, which are 0 to 1.
TEXT, PIXELS = "text", "pixels"
BYTES = "uint8"


def to_floats(array: np.ndarray) -> np.ndarray:
    """Numbers as float32; those of uint8 are divided by 255.

    Example:
        >>> to_floats(np.uint8([0, 51, 255])).tolist(), to_floats(np.int16([0, 51, 255])).tolist()
        ([0.0, 0.20000000298023224, 1.0], [0.0, 51.0, 255.0])
    """
    if array.dtype == np.uint8:
        return array / np.float32(255)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def sequence_of(given, what: str, step: str) -> tuple[np.ndarray, np.dtype | None]:
    """A sequence in memory.

    Args:
        given: (T,) or (T, ...) numbers: an array, a tensor, or lists.
        what: What messages call it.
        step: What messages call each of its steps.

    Returns:
        (T, F) float32, as `to_floats` gives them, and the dtype that was given; None for a sequence
        without numbers.

    Raises:
        InputError: It does not hold finite numbers, or its steps are not all of one size.
    """
    try:
        # what numpy does not read: a tensor on another device, with a gradient, or of bfloat16
        if hasattr(given, "detach"):
            given = given.detach().cpu()
            given = given.float() if str(given.dtype) == "torch.bfloat16" else given
        sequence = np.asarray(given)
        dtype = sequence.dtype
        if dtype.kind == "O":
            sequence, dtype = sequence.astype(np.float32), np.dtype(np.float64)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{what} is no array of numbers ({error}); give {step}s of equally many numbers, (T, F)"
        ) from error
    if sequence.ndim == 0:
        raise InputError(f"{what} is {given!r}; give {step}s of numbers, (T, F)")
    if not sequence.size:
        return np.zeros((0, sequence.shape[1] if sequence.ndim > 1 else 0), np.float32), None
    if dtype.kind not in "biuf":
        raise InputError(
            f"{what} is no array of numbers (its dtype is {dtype}); give {step}s of equally many "
            f"numbers, (T, F)"
        )
    sequence = to_floats(sequence)
    bad = np.argwhere(~np.isfinite(sequence))
    if len(bad):
        raise InputError(
            f"{what} has nan or infinity in {step} {bad[0][0] + 1}; fill it with a number"
        )
    return sequence.reshape(len(sequence), -1), dtype


def dtype_of(dtypes: Iterable[np.dtype | None], what: str) -> str | None:
    """The name of the dtype of several sequences; None where none of them has numbers.

    Raises:
        InputError: Some are uint8, which are divided by 255, and others are not.
    """
    found = None
    for number, dtype in enumerate(dtypes, 1):
        if found is None or dtype is None:
            found = found or dtype
        elif (dtype == np.uint8) != (found == np.uint8):
            raise InputError(
                f"{what} {number} is {dtype.name}, and the {what}s before it are {found.name}; "
                f"uint8 is divided by 255 "
                f"and other numbers are not: give all {what}s with one dtype"
            )
        else:
            found = np.result_type(found, dtype)
    return found and found.name


def as_trained(
    rows: Sequence[np.ndarray], dtype: str | None, trained: str | None, source: str
) -> Sequence[np.ndarray]:
    """Sequences in the units that a model was trained on.

    Args:
        rows: (T, F) float32 each, as `to_floats` gives them.
        dtype: The dtype that was given, `TEXT` or `PIXELS`; None where there are no numbers.
        trained: The same of the training data; None where the model does not say.
        source: What messages call the data.

    Raises:
        InputError: It is ambiguous which units the numbers have.
    """
    if dtype is None or dtype == PIXELS or (dtype == BYTES) == (trained == BYTES):
        return rows
    if dtype == BYTES:
        was = (
            f"{trained} numbers, which are used as they are"
            if trained
            else "data whose dtype it does not say, by an earlier ostinato"
        )
        mend = (
            f"give the numbers that it was trained on, for example "
            f"x.astype({'float' if trained == TEXT else repr(trained)})"
            if trained
            else "train it again"
        )
        raise InputError(
            f"{source}: the numbers are uint8, which is divided by 255, and the model was trained "
            f"on {was}; {mend}"
        )
    if dtype != TEXT and np.dtype(dtype).kind not in "iu":
        raise InputError(
            f"{source}: the numbers are {dtype}, and the model was trained on uint8 (0 to 255, "
            f"divided by 255); give uint8, for "
            "example x.astype('uint8'), or (255 * x).round().astype('uint8') if x is 0 to 1"
        )

    def divided(k: int) -> np.ndarray:
        row = rows[k]
        bad = row[(row < 0) | (row > 255) | (row != np.floor(row))]
        if len(bad):
            raise InputError(
                f"{source}: sequence {k + 1} has {bad[0]:g}, and the model was trained on uint8; "
                f"give whole numbers from 0 to 255"
            )
        return row / np.float32(255)

    return Made(len(rows), divided)


def label_of(given, what: str) -> str:
    """A label in memory as a file would have it: text without the space around it.

    Raises:
        InputError: It is empty; the message calls it `what`.
    """
    text = compose(str(given.item() if hasattr(given, "item") else given)).strip()
    if given is None or text in ("", "nan"):
        raise InputError(f"{what} is {given!r}, an empty label; write one, or take the row out")
    return text


def scaling(dtype: str | None) -> str:
    """How the numbers of the training data are scaled, for a line of the command line; "" where
    there are none.
    """
    return (
        ""
        if dtype is None
        else f"numbers {dtype}, " + ("divided by 255" if dtype == BYTES else "as they are")
    )
