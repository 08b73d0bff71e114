"""Private: scaling of numbers in sequences: uint8 is divided by 255, other dtypes are used
unchanged.

A model stores the dtype of its training data. Values to predict for are converted to the units of
the training data if that is unambiguous; otherwise an error is raised.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np

from ..errors import InputError
from .disk import LazySequence
from .text import compose

# Used like a dtype: numbers written as text, and the grey pixels of picture and video files, 0 to
# 1.
TEXT_DTYPE, PIXELS_DTYPE = "text", "pixels"
BYTES_DTYPE = "uint8"
# A number with a fraction of zeros, or with an exponent.
_WHOLE = re.compile(r"[-+]?\d+(\.0*|\.?\d*[eE][-+]?\d{1,2})")


def to_floats(array: np.ndarray) -> np.ndarray:
    """Convert numbers to float32; uint8 is divided by 255.

    Example:
        >>> to_floats(np.uint8([0, 51, 255])).tolist(), to_floats(np.int16([0, 51, 255])).tolist()
        ([0.0, 0.20000000298023224, 1.0], [0.0, 51.0, 255.0])
    """
    if array.dtype == np.uint8:
        return array / np.float32(255)
    with np.errstate(over="ignore"):
        return array.astype(np.float32, copy=False)


def sequence_of(given, what: str, step: str) -> tuple[np.ndarray, np.dtype | None]:
    """Convert a sequence in memory.

    Args:
        given: (T,) or (T, ...) numbers: an array, a tensor, or lists.
        what: The name of the sequence in messages.
        step: The name of a step in messages.

    Returns:
        (T, F) float32 as `to_floats` converts them, and the original dtype; None for an empty
        sequence.

    Raises:
        InputError: The sequence has a number that is not finite, or steps of different sizes.
    """
    try:
        # NumPy cannot convert a tensor on another device, with a gradient, or of bfloat16
        if hasattr(given, "detach"):
            given = given.detach().cpu()
            given = given.float() if str(given.dtype) == "torch.bfloat16" else given
        sequence = np.asarray(given)
        dtype = sequence.dtype
        if dtype.kind == "O":
            sequence, dtype = sequence.astype(np.float32), np.dtype(np.float64)
    except (ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{what} is not an array of numbers ({error}); give {step}s with the same number of "
            "values, (T, F)"
        ) from error
    if sequence.ndim == 0:
        raise InputError(f"{what} is {given!r}; give {step}s of numbers, (T, F)")
    if not sequence.size:
        return np.zeros((0, sequence.shape[1] if sequence.ndim > 1 else 0), np.float32), None
    if dtype.kind not in "biuf":
        raise InputError(
            f"{what} is not an array of numbers (its dtype is {dtype}); give {step}s with the same "
            "number of values, (T, F)"
        )
    sequence = to_floats(sequence)
    bad = np.argwhere(~np.isfinite(sequence))
    if len(bad):
        raise InputError(
            f"{what} has nan or infinity in {step} {bad[0][0] + 1}; replace it by a number"
        )
    return sequence.reshape(len(sequence), -1), dtype


def dtype_of(dtypes: Iterable[np.dtype | None], what: str) -> str | None:
    """The common dtype of several sequences; None if all are empty.

    Raises:
        InputError: Some are uint8, which is divided by 255, and others are not.
    """
    found = None
    for number, dtype in enumerate(dtypes, 1):
        if found is None or dtype is None:
            found = found or dtype
        elif (dtype == np.uint8) != (found == np.uint8):
            raise InputError(
                f"{what} {number} is {dtype.name}, and the {what}s before it are {found.name}; "
                f"uint8 is divided by 255 and other dtypes are not: give all {what}s with one dtype"
            )
        else:
            found = np.result_type(found, dtype)
    return found and found.name


def as_trained(
    rows: Sequence[np.ndarray], dtype: str | None, trained: str | None, source: str
) -> Sequence[np.ndarray]:
    """Sequences in the units of the training data.

    Args:
        rows: (T, F) float32 each, converted by `to_floats`.
        dtype: The original dtype, `TEXT_DTYPE` or `PIXELS_DTYPE`; None without numbers.
        trained: The same of the training data; None if the model does not store it.
        source: The name of the data in messages.

    Raises:
        InputError: The units of the numbers are ambiguous.
    """
    if dtype is None or dtype == PIXELS_DTYPE or (dtype == BYTES_DTYPE) == (trained == BYTES_DTYPE):
        return rows
    if dtype == BYTES_DTYPE:
        was = (
            f"{trained} numbers, which are not scaled"
            if trained
            else "data of unknown dtype, by an earlier version of ostinato"
        )
        remedy = (
            "give numbers in the units of the training data, for example "
            f"x.astype({'float' if trained == TEXT_DTYPE else repr(trained)})"
            if trained
            else "train it again"
        )
        raise InputError(
            f"{source}: the numbers are uint8, which is divided by 255, and the model was trained "
            f"on {was}; {remedy}"
        )
    if dtype != TEXT_DTYPE and np.dtype(dtype).kind not in "iu":
        raise InputError(
            f"{source}: the numbers are {dtype}, and the model was trained on uint8 (0 to 255, "
            "divided by 255); give uint8, for example x.astype('uint8'), or (255 * "
            "x).round().astype('uint8') if x is 0 to 1"
        )

    def divided(k: int) -> np.ndarray:
        row = rows[k]
        bad = row[(row < 0) | (row > 255) | (row != np.floor(row))]
        if len(bad):
            raise InputError(
                f"{source}: sequence {k + 1} has {bad[0]:g}, and the model was trained on uint8; "
                "give whole numbers from 0 to 255"
            )
        return row / np.float32(255)

    return LazySequence(len(rows), divided)


def label_text(text: str) -> str:
    """A label in one form: NFC without spaces around it, a whole number without a fraction, and
    true and false in lower case.

    Example:
        >>> [label_text(text) for text in (" ham ", "1.0", "2.0000e+00", "True", "1.5", "1.10")]
        ['ham', '1', '2', 'true', '1.5', '1.10']
    """
    text = compose(text).strip()
    if _WHOLE.fullmatch(text) and abs(number := float(text)) < 1e15 and number.is_integer():
        return str(int(number))
    return text.lower() if text in ("True", "False", "TRUE", "FALSE") else text


def label_texts(labels: Sequence[str]) -> LazySequence:
    """Labels in the form of `label_text`."""
    return LazySequence(len(labels), lambda k: label_text(labels[k]))


def label_numbers(
    known: Sequence[str], labels: Iterable[str] | None, source: str
) -> dict[str, int]:
    """The number of each label of a model, for labels of other data; a label that is missing did
    not occur in training. Data with `true` and `false` fits a model with `1` and `0`, and the
    reverse.

    Args:
        known: The labels of the model in the order of their numbers.
        labels: The labels of the data; None without labels.
        source: The name of the data, for the error.

    Raises:
        InputError: None of the labels occurred in training.

    Example:
        >>> label_numbers(["0", "1"], ["true", "2"], "the data")["true"]
        1
    """
    numbers = {label: k for k, label in enumerate(known)}
    # a model of an earlier version has the labels as they were written in its data
    numbers |= {
        label_text(label): k for label, k in numbers.items() if label_text(label) not in numbers
    }
    for one, other in (("true", "1"), ("false", "0"), ("1", "true"), ("0", "false")):
        if other in numbers:
            numbers.setdefault(one, numbers[other])
    unseen: dict[str, None] = {}
    for label in labels or ():
        if label in numbers:
            return numbers
        if len(unseen) < 5:
            unseen[label] = None
    if unseen:
        raise InputError(
            f"{source}: no label of this data occurred in training; it has {_few(unseen)}, and the "
            f"model has {_few(known)}: give data with the same labels, or train with --label to "
            "name their column"
        )
    return numbers


def _few(labels: Iterable[str]) -> str:
    names = list(labels)
    return ", ".join(map(repr, names[:5])) + (", ..." if len(names) > 5 else "")


def label_of(given, what: str) -> str:
    """A label in memory as stripped text, as it would stand in a file.

    Raises:
        InputError: The label is empty; the message calls it `what`.
    """
    text = label_text(str(given.item() if hasattr(given, "item") else given))
    if given is None or text in ("", "nan"):
        raise InputError(f"{what} is {given!r}, an empty label; write a label, or remove the row")
    return text


def label_kind(labels: Iterable) -> str:
    """The kind of labels in memory: "bool", "int", "float", or "text" for any others.

    Raises:
        InputError: The labels are measurements: floats that are not whole numbers.

    Example:
        >>> label_kind([0, 1]), label_kind(np.array([True, False])), label_kind([0, "1"])
        ('int', 'bool', 'text')
    """
    arrays = [np.asarray(label) for label in labels]
    kinds = {array.dtype.kind for array in arrays}
    if kinds == {"f"}:
        for array in arrays:
            if np.isfinite(array) and array != np.floor(array):
                raise InputError(
                    f"Unknown label type: the label {array:g} is a continuous number, and a "
                    "classifier predicts labels; give names or whole numbers"
                )
    return {"b": "bool", "i": "int", "u": "int", "iu": "int", "f": "float"}.get(
        "".join(sorted(kinds)), "text"
    )


def labels_as_given(labels: Sequence[str], kind: str) -> np.ndarray:
    """Labels as text, converted back to what they were in memory.

    Args:
        labels: The results of `label_of`.
        kind: The result of `label_kind`.

    Example:
        >>> labels_as_given(["10", "2"], "int"), labels_as_given(["True", "False"], "bool")
        (array([10,  2]), array([ True, False]))
    """
    if kind == "bool":
        return np.array([label.lower() in ("true", "1") for label in labels], bool)
    if kind == "int":
        return np.array([int(label) for label in labels], np.int64)
    return np.array(labels, np.float64 if kind == "float" else np.str_)


def scaling(dtype: str | None) -> str:
    """Description of the scaling of the training data for the command line; "" without numbers."""
    return (
        ""
        if dtype is None
        else f"numbers {dtype}, " + ("divided by 255" if dtype == BYTES_DTYPE else "not scaled")
    )
