"""Private: data in memory: arrays, lists, and frames and columns of pandas and polars."""

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import InputError


def is_frame(data: Any) -> bool:
    """Whether the data is a data frame of pandas or polars."""
    return hasattr(data, "columns") and hasattr(data, "to_numpy")


def is_column(data: Any) -> bool:
    """Whether the data is a Series (or Index) of pandas or polars."""
    return hasattr(data, "to_list") and hasattr(data, "to_numpy") and not is_frame(data)


def columns_of(frame: Any) -> list[str] | None:
    """The names of the columns of a data frame; None if they are numbers, which name nothing."""
    names = [str(name) for name in frame.columns]
    return None if all(name.isdecimal() for name in names) else names


def inputs_of(data: Any, columns: Sequence[str] | None = None) -> Any:
    """Inputs in memory as a sequence of rows.

    Args:
        data: A list, an array, or a frame or column of pandas or polars. Each row of a frame of
            numbers is a sequence; a frame of one column of texts is a list of texts.
        columns: The names of the columns of a frame to take, in this order.

    Returns:
        A list, or an array whose rows are the inputs.

    Raises:
        InputError: A frame has several columns and not only numbers, or lacks a column; or the
            data is a sparse matrix.

    Example:
        >>> import polars
        >>> inputs_of(polars.DataFrame({"a": [1, 2], "b": [3, 4]})).tolist()
        [[1, 3], [2, 4]]
        >>> inputs_of(polars.Series(["good", "bad"]))
        ['good', 'bad']
    """
    if is_column(data):
        return data.to_list()
    if is_frame(data):
        return _rows_of(data, columns)
    if hasattr(data, "toarray") and hasattr(data, "nnz"):
        raise InputError(
            f"the data is a sparse matrix, {type(data).__name__}; give an array, x.toarray()"
        )
    data = _array_of(data)
    if isinstance(data, np.ndarray):
        if data.dtype.kind == "c":
            raise InputError(
                f"the data is an array of {data.dtype}. Complex data not supported: give real "
                "numbers, for example the real and the imaginary part as two features"
            )
        if data.ndim > 1 and len(data) and not data.size:
            raise InputError(
                f"the data is an array with 0 feature(s) (shape={data.shape}) while a minimum of 1 "
                "is required. Give sequences of at least one step"
            )
    return data


def _array_of(data: Any) -> Any:
    """An object that converts itself to an array, as an array. Tensors are left as they are,
    because they may be on another device.
    """
    array = hasattr(data, "__array__") and not isinstance(data, np.ndarray)
    return np.asarray(data) if array and not hasattr(data, "detach") else data


def _rows_of(frame: Any, columns: Sequence[str] | None) -> Any:
    names = [str(name) for name in frame.columns]
    if columns is not None:
        missing = [name for name in columns if name not in names]
        if missing:
            raise InputError(
                f"the data frame has no column {missing[0]!r}, which the model was trained on; it "
                f"has {', '.join(names)}"
            )
        frame = frame[[frame.columns[names.index(name)] for name in columns]]
    array = frame.to_numpy()
    if array.dtype.kind in "biuf":
        return array
    if len(names) == 1:
        return frame[frame.columns[0]].to_list()
    words = [
        name
        for name in frame.columns
        if any(isinstance(value, str) for value in frame[name].to_list())
    ]
    if words:
        raise InputError(
            f"the data frame has the columns {', '.join(names)}, and {str(words[0])!r} has text; "
            f"give one column of texts, such as x[{words[0]!r}], or columns of numbers only"
        )
    return array


def targets_of(data: Any) -> Any:
    """Labels or targets in memory as a sequence: those of a frame of one column, of a column of
    pandas or polars, or of an array.

    Raises:
        InputError: A frame or array has several columns.
    """
    if is_frame(data):
        if len(data.columns) != 1:
            raise several_labels(data)
        return data[data.columns[0]].to_list()
    return data.to_list() if is_column(data) else _array_of(data)


def several_labels(labels: Any, remedy: str = "") -> InputError:
    """The error of labels in memory with several, or none, for each row."""
    if is_frame(labels):
        what = f"a data frame with the columns {', '.join(map(str, labels.columns))}"
    elif shape := tuple(getattr(labels, "shape", ())):
        what = f"an array of shape {shape}"
    else:
        what = "lists of labels"
    return InputError(f"the labels are {what}; give one label for each row, (N,){remedy}")


def one_label_each(labels: Any) -> Any:
    """Labels as one label for each row; an array (N, 1) is flattened with a warning.

    Raises:
        InputError: The array has several columns.
    """
    shape: tuple[int, ...] = tuple(getattr(labels, "shape", ()))
    if len(shape) < 2:
        return labels
    if len(shape) > 2 or shape[1] != 1:
        raise several_labels(labels)
    from sklearn.exceptions import DataConversionWarning

    warnings.warn(
        "A column-vector y was passed when a 1d array was expected; give y.ravel()",
        DataConversionWarning,
        stacklevel=2,
    )
    return labels.reshape(-1)


def write_table(frame: Any, directory: Path) -> Path:
    """Write a data frame to a Parquet file, which the readers of tables read.

    A named index of pandas is a column too, and an index of dates is the column "time".
    """
    import polars

    found = {}
    index = getattr(frame, "index", None)
    if index is not None and not callable(index):
        dates = hasattr(index, "year")
        if dates or index.name is not None:
            name = "time" if index.name is None else str(index.name)
            found[name] = _values_of(index)
    found |= {str(name): _values_of(frame[name]) for name in frame.columns}
    path = directory / "frame.parquet"
    polars.DataFrame(
        {name: polars.Series(name, values, strict=False) for name, values in found.items()}
    ).write_parquet(path)
    return path


def _values_of(column: Any) -> list:
    """The values of a column; missing ones are None, and times are text."""
    return [
        None
        if value is None or value != value
        else str(value)
        if hasattr(value, "isoformat") or type(value).__name__ == "Period"
        else value
        for value in column.to_list()
    ]
