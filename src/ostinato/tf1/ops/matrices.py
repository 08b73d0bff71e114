"""Private: diagonals and bands of matrices."""

import numpy as np

from ...errors import SizeError
from ..core.conversion import apply
from ..core.registry import define
from ..core.shapes_of import base_dtype, index_dtypes, like_first, merge_shapes, merge_sizes
from ..core.tensors import Operation, Tensor, TensorLike

__all__ = [
    "diag",
    "diag_part",
    "matrix_band_part",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_set_diag",
]


def _diag_shape(op: Operation) -> list:
    (x,) = op.inputs
    return [(base_dtype(x), x.shape.concatenate(x.shape))]


def _diag(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.diag(x.reshape(-1)).reshape(x.shape * 2)


def _diag_part_shape(op: Operation) -> list:
    (x,) = op.inputs
    if x.shape.sizes is None:
        return [(base_dtype(x), None)]
    if len(x.shape) % 2:
        raise SizeError(f"tf.diag_part was given {x}: give an even number of dimensions")
    half = len(x.shape) // 2
    return [(base_dtype(x), merge_shapes([x.shape[:half], x.shape[half:]], f"tf.diag_part of {x}"))]


def _diag_part(op: Operation, x: np.ndarray) -> np.ndarray:
    shape = x.shape[: x.ndim // 2]
    count = int(np.prod(shape))
    return np.diagonal(x.reshape(count, count)).reshape(shape)


define("Diag", _diag_shape, _diag)
define("DiagPart", _diag_part_shape, _diag_part)


def diag(diagonal: TensorLike, name: str | None = None) -> Tensor:
    """A matrix with a given diagonal."""
    return apply("Diag", {"diagonal": diagonal}, name=name).outputs[0]


def diag_part(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The diagonal of a matrix."""
    return apply("DiagPart", {"input": input}, name=name).outputs[0]


# Batches of matrices: the last two dimensions are the matrix.


def _matrix_diag_shape(op: Operation) -> list:
    (x,) = op.inputs
    sizes = x.shape.sizes
    return [(base_dtype(x), None if sizes is None else [*sizes, sizes[-1]])]


def _matrix_diag(op: Operation, x: np.ndarray) -> np.ndarray:
    return x[..., None] * np.eye(x.shape[-1], dtype=x.dtype)


def _shorter(m: int | None, n: int | None) -> int | None:
    return None if m is None or n is None else min(m, n)


def _matrix_diag_part_shape(op: Operation) -> list:
    (x,) = op.inputs
    sizes = x.shape.sizes
    shape = None if sizes is None else [*sizes[:-2], _shorter(*sizes[-2:])]
    return [(base_dtype(x), shape)]


def _matrix_diag_part(op: Operation, x: np.ndarray) -> np.ndarray:
    return np.array(np.diagonal(x, axis1=-2, axis2=-1))


def _matrix_set_diag_shape(op: Operation) -> list:
    x, diagonal = op.inputs
    if x.shape.sizes is None or diagonal.shape.sizes is None:
        return like_first(op)
    what = f"tf.matrix_set_diag of {x} with {diagonal}"
    batch = merge_shapes([x.shape[:-2], diagonal.shape[:-1]], what)
    merge_sizes(_shorter(*x.shape.sizes[-2:]), diagonal.shape.sizes[-1], what)
    return [(base_dtype(x), batch.concatenate(x.shape[-2:]))]


def _matrix_set_diag(op: Operation, x: np.ndarray, diagonal: np.ndarray) -> np.ndarray:
    result = x.copy()
    places = np.arange(min(x.shape[-2:]))
    result[..., places, places] = diagonal
    return result


def _band(op: Operation, x: np.ndarray, lower: np.ndarray, upper: np.ndarray) -> np.ndarray:
    rows, columns = np.ogrid[: x.shape[-2], : x.shape[-1]]
    below, above = int(lower), int(upper)
    within = ((below < 0) | (rows - columns <= below)) & ((above < 0) | (columns - rows <= above))
    return np.where(within, x, np.zeros((), x.dtype))


define("MatrixDiag", _matrix_diag_shape, _matrix_diag)
define("MatrixDiagPart", _matrix_diag_part_shape, _matrix_diag_part)
define("MatrixSetDiag", _matrix_set_diag_shape, _matrix_set_diag)
define("MatrixBandPart", like_first, _band)


def matrix_diag(diagonal: TensorLike, name: str | None = None) -> Tensor:
    """Matrices with given diagonals, (..., N) to (..., N, N)."""
    return apply("MatrixDiag", {"diagonal": diagonal}, name=name).outputs[0]


def matrix_diag_part(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The diagonals of matrices."""
    return apply("MatrixDiagPart", {"input": input}, name=name).outputs[0]


def matrix_set_diag(input: TensorLike, diagonal: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """Matrices with other diagonals."""
    inputs = {"input": input, "diagonal": diagonal}
    return apply("MatrixSetDiag", inputs, name=name, same=tuple(inputs)).outputs[0]


def matrix_band_part(
    input: TensorLike,  # noqa: A002
    num_lower: TensorLike,
    num_upper: TensorLike,
    name: str | None = None,
) -> Tensor:
    """Matrices with zeros outside a band around the diagonal.

    Args:
        input: The matrices.
        num_lower, num_upper: The number of diagonals to keep below and above the main one; a
            negative number keeps all.
        name: The name of the operation.
    """
    inputs = {"input": input, "num_lower": num_lower, "num_upper": num_upper}
    dtypes = index_dtypes("int64", num_lower=num_lower, num_upper=num_upper)
    return apply("MatrixBandPart", inputs, name=name, dtypes=dtypes).outputs[0]
