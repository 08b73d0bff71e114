"""Arrays of an npz file: numbers and text that are read part by part, and sequences in them."""

import math
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from ..errors import InputError, near
from .disk import Made, StoredArray, rows_of_block
from .examples import Labelled
from .tables import LABELS, check_filled, listed
from .text import compose
from .values import to_floats


def read_arrays(path: Path) -> dict[str, np.ndarray | StoredArray]:
    """The arrays of an npz file, in temporary files; text is composed.

    Raises:
        InputError: It is no whole npz file, or it holds pickled objects; the message names the
            array.
    """
    path = Path(path)
    check_filled(path)
    if not zipfile.is_zipfile(path):
        raise InputError(
            f"{str(path)!r} ({path.stat().st_size} bytes) is cut short or no npz file; "
            "write it again with numpy.savez_compressed"
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
                f"{str(path)!r}: the array {name!r} holds Python objects, which are never loaded; "
                f"save it as numbers or text, for example {name}=numpy.array({name}, dtype=str)"
            ) from error
        raise InputError(
            f"{str(path)!r} is damaged at the array {name!r} ({error}); "
            "write it again with numpy.savez_compressed"
        ) from error
    return arrays


def _read_array(file: IO[bytes]) -> np.ndarray | StoredArray:
    """An array as numpy writes it. One that has no rows, no size or no numbers and no text is read
    as numpy does.

    Source: numpy.lib.format.
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
    rows, left = rows_of_block(dtype.itemsize * array.units), shape[-1 if by_columns else 0]
    while left and array.units:
        wanted = min(rows, left)
        content = file.read(wanted * array.units * dtype.itemsize)
        if len(content) < wanted * array.units * dtype.itemsize:
            raise ValueError(f"{left} rows are left to read, and the file ends")
        array.extend(np.frombuffer(content, dtype).reshape(wanted, *array.row))
        left -= wanted
    if not array.size:
        return np.zeros(shape, dtype)
    return _by_rows(array) if by_columns else array


def _by_rows(array: StoredArray) -> StoredArray:
    """An array whose axes are the other way round."""
    whole = array.numbers.mapped().reshape(array.shape).T
    turned = StoredArray(array.dtype, whole.shape[1:])
    rows = rows_of_block(array.dtype.itemsize * turned.units)
    for start in range(0, len(whole), rows):
        turned.extend(whole[start : start + rows])
    return turned


def _composed(array: np.ndarray | StoredArray) -> np.ndarray | StoredArray:
    if array.dtype.kind != "U":
        return array
    if isinstance(array, np.ndarray):
        return np.array([compose(text) for text in array.flat], dtype=str).reshape(array.shape)
    # composed text can be longer
    longest = max(len(compose(text)) for block in array.blocks() for text in block.flat)
    composed = StoredArray(f"U{max(1, longest)}", array.row)
    for block in array.blocks():
        composed.extend(
            np.array([compose(text) for text in block.flat], composed.dtype).reshape(block.shape)
        )
    return composed


def blocks_of(array: np.ndarray | StoredArray) -> Iterator[np.ndarray]:
    """An array in parts along its first axis that are in memory one at a time."""
    return array.blocks() if isinstance(array, StoredArray) else iter([array])


def texts_of(array: np.ndarray | StoredArray) -> Made:
    """What is in an array (N,), as text."""
    return Made(len(array), lambda k: str(array[k]))


def find_array(
    arrays: dict[str, np.ndarray], path: Path, given: str | None, known: tuple[str, ...]
) -> str | None:
    """The name of an array: the one given, else the first of those known that is there, else None.

    Raises:
        InputError: There is none of the name given.
    """
    if given is not None and given not in arrays:
        raise InputError(
            f"{str(path)!r} has no array {given!r}{near(given, arrays) or ';'} it has "
            f"{listed(arrays)}"
        )
    return given if given is not None else next((name for name in known if name in arrays), None)


def split_array(
    arrays: dict[str, np.ndarray | StoredArray], path: Path, name: str
) -> tuple[Made, np.ndarray]:
    """Sequences from one array.

    Args:
        arrays: With `name`: (N, T) or (N, T, ...), what is past T flattened to F. With an array
            `lengths` (N,) the sequences are the first steps of each row, or, where they sum to the
            length of `name`, lie behind one another in it: (sum, ...).
        path: For messages.
        name: Of the array.

    Returns:
        (T, F) float32 each, as `values.to_floats` gives them, read when they are asked for, and
        their lengths (N,).

    Raises:
        InputError: The shapes do not fit, or there is a number that is not finite.
    """
    x = arrays[name]
    if x.dtype.kind not in "biuf":
        raise InputError(f"{str(path)!r}: {name!r} is of {x.dtype}; it should hold numbers")
    _check_finite(x, path, name)
    shape = f"{str(path)!r}: {name!r} is of shape {x.shape}"
    lengths = np.asarray(arrays["lengths"]) if "lengths" in arrays else None
    if lengths is not None:
        if (
            lengths.ndim != 1
            or lengths.dtype.kind not in "iu"
            or (lengths.size and lengths.min() < 0)
        ):
            raise InputError(
                f"{str(path)!r}: 'lengths' is of {lengths.dtype}, shape {lengths.shape}; "
                "it should be whole numbers (N,), 0 or more"
            )
        if x.ndim in (1, 2) and len(x) == lengths.sum():
            ends, units = np.cumsum(lengths), math.prod(x.shape[1:])
            return Made(
                len(lengths),
                lambda k: to_floats(x[int(ends[k] - lengths[k]) : int(ends[k])]).reshape(-1, units),
            ), lengths
        if x.ndim < 2 or len(x) != len(lengths) or (len(x) and lengths.max() > x.shape[1]):
            raise InputError(
                f"{shape}, and the {len(lengths)} 'lengths' sum to "
                f"{lengths.sum()}; it should be (N, longest, F), or one behind another, (sum of "
                f"lengths, F)"
            )
    if x.ndim < 2 or not x.size:
        raise InputError(f"{shape}; it should be (N, T) or (N, T, F): N sequences of T steps")
    lengths, units = (
        np.full(len(x), x.shape[1]) if lengths is None else lengths,
        math.prod(x.shape[2:]),
    )
    return Made(len(x), lambda k: to_floats(x[k]).reshape(-1, units)[: lengths[k]]), lengths


def _check_finite(x: np.ndarray | StoredArray, path: Path, name: str) -> None:
    before = 0
    for block in blocks_of(x):
        block = to_floats(block)
        bad = np.argwhere(~np.isfinite(block))
        if len(bad):
            place = ", ".join(str(k + before * (axis == 0)) for axis, k in enumerate(bad[0]))
            raise InputError(
                f"{str(path)!r}: {name}[{place}] is {block[tuple(bad[0])]}; leave such rows out, "
                f"or fill them with a number"
            )
        before += len(block) if block.ndim else 1


def read_labelled_arrays(
    path: Path, *, label: str | None = None, columns: list[str] | None = None, labelled: bool = True
) -> Labelled:
    """Sequences with labels from an npz file: what `tables.read_labelled` gives for one; `labelled`
    is whether the labels are wanted.
    """
    arrays = read_arrays(path)
    x = find_array(arrays, path, columns[0] if columns else None, ("x", "X", "data"))
    y = find_array(arrays, path, label, LABELS) if labelled else None
    if x is None:
        raise InputError(
            f"{str(path)!r} has no array 'x'; it has {listed(arrays)}; name the array of numbers: "
            f"columns=[...]"
        )
    numbers, _ = split_array(arrays, path, x)
    dtype = arrays[x].dtype.name
    if y is None:
        return Labelled(None, numbers, None, {"numbers": x}, dtype)
    labels, names = arrays[y], arrays.get("names")
    if labels.shape != (len(numbers),) or labels.dtype.kind not in "iuU":
        raise InputError(
            f"{str(path)!r}: {y!r} is of {labels.dtype}, shape {labels.shape}; "
            f"it should be ({len(numbers)},) whole numbers or text, one for each sequence in {x!r}"
        )
    if names is not None and labels.dtype.kind in "iu":
        least, most = least_and_most(labels)
        if least < 0 or most >= len(names):
            raise InputError(
                f"{str(path)!r}: {y!r} goes from {least} to {most}, and there are {len(names)} "
                "'names'; it should number them from 0"
            )
        names = np.asarray(names)
        texts = Made(len(labels), lambda k: str(names[labels[k]]).strip())
    else:
        texts = Made(len(labels), lambda k: str(labels[k]).strip())
    empty = next((k for k, text in enumerate(texts) if not text), None)
    if empty is not None:
        raise InputError(
            f"{str(path)!r}: {y}[{empty}] is an empty label; write one, or take the row out"
        )
    return Labelled(None, numbers, texts, {"numbers": x, "label": y}, dtype)


def least_and_most(array: np.ndarray | StoredArray) -> tuple[int, int]:
    """The least and the greatest number."""
    each = [(int(block.min()), int(block.max())) for block in blocks_of(array) if block.size]
    return min((least for least, _ in each), default=0), max((most for _, most in each), default=-1)
