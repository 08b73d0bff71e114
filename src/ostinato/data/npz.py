"""Private: arrays of an npz file, read in blocks, and the sequences in them."""

import math
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import InputError, near
from .disk import LazySequence, StoredArray, blocks_of, rows_per_block
from .examples import Labelled
from .label_sets import matrix_sets
from .separated import LABEL_COLUMNS
from .summary import ColumnUse, DataSummary, labels_found
from .tables import check_not_empty, listed
from .text import compose
from .values import label_text, to_floats


def read_arrays(path: Path) -> dict[str, np.ndarray | StoredArray]:
    """Read the arrays of an npz file into temporary files; text is normalised to NFC.

    Raises:
        InputError: The file is not a complete npz file or contains pickled objects; the message
            names the array.
    """
    path = Path(path)
    check_not_empty(path)
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is truncated or not an npz file; write "
            "it again with numpy.savez_compressed"
        )
    arrays, name = {}, ""
    try:
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                name = member.removesuffix(".npy")
                with archive.open(member) as file:
                    begun = file.read(len(np.lib.format.MAGIC_PREFIX)) == np.lib.format.MAGIC_PREFIX
                if begun:
                    with archive.open(member) as file:
                        arrays[name] = _composed(_read_array(file))
    except (
        ValueError,
        KeyError,
        EOFError,
        OSError,
        RuntimeError,
        zipfile.BadZipFile,
        zlib.error,
    ) as error:
        if "pickle" in str(error):
            raise InputError(
                f"{str(path)!r}: the array {name!r} contains Python objects, which are never "
                f"loaded; save it as numbers or text, for example {name}=numpy.array({name}, "
                "dtype=str)"
            ) from error
        raise InputError(
            f"{str(path)!r} is damaged at the array {name!r} ({error}); write it again with "
            "numpy.savez_compressed"
        ) from error
    return arrays


def _read_array(file: IO[bytes]) -> np.ndarray | StoredArray:
    """Read an array in blocks. Empty arrays, scalars and other dtypes are read by NumPy.

    Source:
        numpy.lib.format.
    """
    header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }
    read = header.get(np.lib.format.read_magic(file))
    shape, by_columns, dtype = read(file) if read else ((), False, np.dtype(object))
    if not shape or dtype.kind not in "biufcU" or not dtype.itemsize:
        file.seek(0)
        return np.lib.format.read_array(file, allow_pickle=False)
    array = StoredArray(dtype, shape[-2::-1] if by_columns else shape[1:])
    rows, left = rows_per_block(dtype.itemsize * array.units), shape[-1 if by_columns else 0]
    while left and array.units:
        wanted = min(rows, left)
        content = file.read(wanted * array.units * dtype.itemsize)
        if len(content) < wanted * array.units * dtype.itemsize:
            raise ValueError(f"the file ends {left} rows early")
        array.extend(np.frombuffer(content, dtype).reshape(wanted, *array.row))
        left -= wanted
    if not array.size:
        return np.zeros(shape, dtype)
    return _by_rows(array) if by_columns else array


def _by_rows(array: StoredArray) -> StoredArray:
    """Transpose an array stored in Fortran order."""
    whole = array.numbers.mapped().reshape(array.shape).T
    turned = StoredArray(array.dtype, whole.shape[1:])
    rows = rows_per_block(array.dtype.itemsize * turned.units)
    for start in range(0, len(whole), rows):
        turned.extend(whole[start : start + rows])
    return turned


def _composed(array: np.ndarray | StoredArray) -> np.ndarray | StoredArray:
    if array.dtype.kind != "U":
        return array
    if isinstance(array, np.ndarray):
        return np.array([compose(text) for text in array.flat], dtype=str).reshape(array.shape)
    # composition can make a text longer
    longest = max(len(compose(text)) for block in array.blocks() for text in block.flat)
    composed = StoredArray(f"U{max(1, longest)}", array.row)
    for block in array.blocks():
        composed.extend(
            np.array([compose(text) for text in block.flat], composed.dtype).reshape(block.shape)
        )
    return composed


def texts_of(array: np.ndarray | StoredArray) -> LazySequence:
    """The items of an array (N,) as text."""
    return LazySequence(len(array), lambda k: str(array[k]))


def find_array(
    arrays: dict[str, np.ndarray], path: Path, given: str | None, known: tuple[str, ...]
) -> str | None:
    """The array named by the user, otherwise the first known name that exists, otherwise None.

    Raises:
        InputError: The named array does not exist.
    """
    if given is not None and given not in arrays:
        raise InputError(
            f"{str(path)!r} has no array {given!r}{near(given, arrays) or ';'} it has "
            f"{listed(arrays)}"
        )
    return given if given is not None else next((name for name in known if name in arrays), None)


def split_array(
    arrays: dict[str, np.ndarray | StoredArray], path: Path, name: str
) -> tuple[LazySequence, np.ndarray]:
    """Split an array into sequences.

    Args:
        arrays: The arrays of the file. `name` is (N, T) or (N, T, ...); the axes after T are
            flattened to F. With an array `lengths` (N,), a sequence is the first steps of a row; if
            the lengths sum to the length of `name`, the sequences are concatenated in it: (sum,
            ...).
        path: The file, for messages.
        name: The name of the array.

    Returns:
        Sequences (T, F) float32, converted by `values.to_floats` when they are accessed, and their
        lengths (N,).

    Raises:
        InputError: The shapes do not fit, or a number is not finite.
    """
    x = arrays[name]
    if x.dtype.kind not in "biuf":
        raise InputError(f"{str(path)!r}: {name!r} has dtype {x.dtype}; it should be numeric")
    _check_finite(x, path, name)
    shape = f"{str(path)!r}: {name!r} has shape {x.shape}"
    lengths = np.asarray(arrays["lengths"]) if "lengths" in arrays else None
    if lengths is not None:
        if (
            lengths.ndim != 1
            or lengths.dtype.kind not in "iu"
            or (lengths.size and lengths.min() < 0)
        ):
            raise InputError(
                f"{str(path)!r}: 'lengths' has dtype {lengths.dtype} and shape {lengths.shape}; it "
                "should be integers (N,), 0 or more"
            )
        if x.ndim in (1, 2) and len(x) == lengths.sum():
            ends, units = np.cumsum(lengths), math.prod(x.shape[1:])
            return LazySequence(
                len(lengths),
                lambda k: to_floats(x[int(ends[k] - lengths[k]) : int(ends[k])]).reshape(-1, units),
            ), lengths
        if x.ndim < 2 or len(x) != len(lengths) or (len(x) and lengths.max() > x.shape[1]):
            raise InputError(
                f"{shape}, and the {len(lengths)} 'lengths' sum to {lengths.sum()}; it should be "
                "(N, longest, F), or concatenated, (sum of lengths, F)"
            )
    if x.ndim < 2 or not x.size:
        raise InputError(f"{shape}; it should be (N, T) or (N, T, F): N sequences of T steps")
    lengths, units = (
        np.full(len(x), x.shape[1]) if lengths is None else lengths,
        math.prod(x.shape[2:]),
    )
    return LazySequence(len(x), lambda k: to_floats(x[k]).reshape(-1, units)[: lengths[k]]), lengths


def _check_finite(x: np.ndarray | StoredArray, path: Path, name: str) -> None:
    before = 0
    for block in blocks_of(x):
        block = to_floats(block)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            place = ", ".join(str(k + before * (axis == 0)) for axis, k in enumerate(bad[0]))
            raise InputError(
                f"{str(path)!r}: {name}[{place}] is {block[tuple(bad[0])]}; remove such rows, or "
                "replace the value by a number"
            )
        before += len(block) if block.ndim else 1


def read_labelled_arrays(
    path: Path,
    *,
    label: str | None = None,
    columns: list[str] | None = None,
    labelled: bool = True,
    several: bool = False,
) -> Labelled:
    """Read sequences with labels from an npz file, as `readers.read_labelled` does.

    Args:
        path: The file.
        label: The array of labels.
        columns: A list with the name of the array of numbers.
        labelled: Labels are required.
        several: The labels may be an array (N, C) of 0 and 1, with a column for each of C labels,
            whose names are in the array `names`.
    """
    arrays = read_arrays(path)
    x = find_array(arrays, path, columns[0] if columns else None, ("x", "X", "data"))
    y = find_array(arrays, path, label, LABEL_COLUMNS) if labelled else None
    if x is None:
        raise InputError(
            f"{str(path)!r} has no array 'x'; it has {listed(arrays)}; name the array of numbers: "
            "columns=[...]"
        )
    numbers, _ = split_array(arrays, path, x)
    dtype = arrays[x].dtype.name
    if y is None:
        return Labelled(None, numbers, None, {"numbers": x}, dtype, _summary(arrays, numbers, x))
    labels, names = arrays[y], arrays.get("names")
    if labels.dtype.kind == "f" and all(
        (np.abs(block) < 2.0**63).all() and (block == np.floor(block)).all()
        for block in blocks_of(labels)
    ):
        # whole numbers that were stored as floats
        labels = np.asarray(labels[:]).astype(np.int64)
    if several and labels.ndim == 2 and len(labels) == len(numbers):
        named = np.asarray(names) if names is not None else np.arange(labels.shape[1])
        sets = matrix_sets(labels, list(map(str, named.tolist())), f"{str(path)!r}: {y!r}")
        summary = _summary(arrays, numbers, x, ColumnUse("label", [y]))
        return Labelled(None, numbers, sets, {"numbers": x, "label": y}, dtype, summary)
    if labels.shape != (len(numbers),) or labels.dtype.kind not in "biuU":
        raise InputError(
            f"{str(path)!r}: {y!r} has dtype {labels.dtype} and shape {labels.shape}; it should be "
            f"({len(numbers)},) integers or text, one for each sequence in {x!r}"
            + ("; columns of 0 and 1 are read with --multi-label" if labels.ndim == 2 else "")
        )
    if names is not None and labels.dtype.kind == "b":
        labels = np.asarray(labels[:]).astype(np.int64)
    if names is not None and labels.dtype.kind in "iu":
        least, most = least_and_most(labels)
        if least < 0 or most >= len(names):
            raise InputError(
                f"{str(path)!r}: {y!r} ranges from {least} to {most}, and there are {len(names)} "
                "'names'; number them from 0"
            )
        names = np.asarray(names)
        texts = LazySequence(len(labels), lambda k: label_text(str(names[labels[k]])))
    else:
        texts = LazySequence(len(labels), lambda k: label_text(str(labels[k])))
    empty = next((k for k, text in enumerate(texts) if not text), None)
    if empty is not None:
        raise InputError(
            f"{str(path)!r}: {y}[{empty}] is an empty label; write a label, or remove the row"
        )
    summary = _summary(arrays, numbers, x, ColumnUse("label", [y], labels_found(texts)))
    return Labelled(None, numbers, texts, {"numbers": x, "label": y}, dtype, summary)


def _summary(arrays: Mapping, numbers: Sequence, x: str, *uses: ColumnUse) -> DataSummary:
    """The summary of sequences in the array `x`, and of arrays with other uses."""
    scaled = "divided by 255" if arrays[x].dtype == np.uint8 else "not scaled"
    used = {x, "lengths", "names", *(name for use in uses for name in use.columns)}
    return DataSummary(
        len(numbers),
        columns=[ColumnUse("numbers", [x], f"{arrays[x].dtype.name}, {scaled}"), *uses],
        left_out={name: "not used" for name in arrays if name not in used},
    )


def least_and_most(array: np.ndarray | StoredArray) -> tuple[int, int]:
    """The smallest and the largest number of an array."""
    each = [(int(block.min()), int(block.max())) for block in blocks_of(array) if block.size]
    return min((least for least, _ in each), default=0), max((most for _, most in each), default=-1)
