"""Private: functions over the rows of tensors (tf.map_fn, tf.scan, tf.foldl, tf.foldr)."""

from collections.abc import Callable
from typing import Any

from ..core import nest
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import get_default_graph
from ..core.shape import Dimension, TensorShape
from ..core.tensors import Tensor
from ..ops import arrays
from ..ops.tensor_arrays import TensorArray
from .control_flow import while_loop

__all__ = ["foldl", "foldr", "map_fn", "scan"]


def _rows(elems: Any) -> tuple[list[Tensor], Any]:
    """The tensors of a structure, and their number of rows."""
    flat = [convert_to_tensor(e, name="elem") for e in nest.flatten(elems)]
    known = flat[0].shape.with_rank_at_least(1)[0].value
    return flat, known or arrays.shape(flat[0])[0]


def _unstacked(flat: list[Tensor], n: Any, element_shapes: bool = False) -> list[TensorArray]:
    found = [
        TensorArray(
            dtype=e.dtype,
            size=n,
            dynamic_size=False,
            infer_shape=True,
            element_shape=e.shape[1:] if element_shapes else None,
        )
        for e in flat
    ]
    return [array.unstack(e) for array, e in zip(found, flat)]


def _stacked(tensor_arrays: list[TensorArray], flat: list[Tensor]) -> list[Tensor]:
    results = [array.stack() for array in tensor_arrays]
    count = Dimension(None)
    for e in flat:
        count = count.merge_with(e.shape[0])
    for r in results:
        if r.shape.ndims is not None:
            r.set_shape(TensorShape([count]).concatenate(r.shape[1:]))
    return results


def map_fn(
    fn: Callable,
    elems: Any,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    name: str | None = None,
) -> Any:
    """The results of a function for each row of a tensor, stacked.

    Args:
        fn: Takes a row, or a structure of rows, and returns a tensor or a structure of tensors.
        elems: A tensor or a structure of tensors with the same number of rows.
        dtype: The dtypes of the results, if they are not those of `elems`.
        parallel_iterations, back_prop, swap_memory, infer_shape, name: As in TensorFlow 1.13.1.
    """
    with get_default_graph().name_scope(name or "map"):
        flat, n = _rows(elems)
        dtype = dtype or nest.pack_sequence_as(elems, [e.dtype for e in flat])
        inputs = _unstacked(flat, n)
        start = constant(0)
        outputs = [
            TensorArray(dtype=d, size=n, dynamic_size=False, infer_shape=infer_shape)
            for d in nest.flatten(dtype)
        ]

        def compute(i: Tensor, written: list) -> tuple:
            result = fn(nest.pack_sequence_as(elems, [array.read(i) for array in inputs]))
            nest.assert_same_structure(dtype, result)
            values = nest.flatten(result)
            written = [array.write(i, v) for array, v in zip(written, values)]
            return i + 1, written

        _, written = while_loop(
            lambda i, _: i < n,
            compute,
            (start, outputs),
            parallel_iterations=parallel_iterations or 10,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )
        return nest.pack_sequence_as(dtype, _stacked(written, flat))


def _fold(
    default_name: str,
    backwards: bool,
    fn: Callable,
    elems: Any,
    initializer: Any,
    loop: dict[str, Any],
    name: str | None,
) -> Any:
    with get_default_graph().name_scope(name or default_name):
        flat, n = _rows(elems)
        inputs = _unstacked(flat, n)

        def row(i: Any) -> Any:
            return nest.pack_sequence_as(elems, [array.read(i) for array in inputs])

        if backwards:
            i = n if initializer is not None else n - 1
            a = initializer if initializer is not None else row(i)

            def compute(i: Tensor, a: Any) -> list:
                i -= 1
                return [i, fn(a, row(i))]

            condition: Callable = lambda i, a: i > 0  # noqa: E731
        else:
            if initializer is None:
                a, i = row(0), constant(1)
            else:
                a, i = initializer, constant(0)

            def compute(i: Tensor, a: Any) -> list:
                a = fn(a, row(i))
                return [i + 1, a]

            condition = lambda i, a: i < n  # noqa: E731
        return while_loop(condition, compute, [i, a], maximum_iterations=n, **loop)[1]


def foldl(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of a tensor from the first to the last.

    Args:
        fn: Takes the result so far and a row, and returns the next result.
        elems: A tensor, or a structure of tensors with the same number of rows.
        initializer: The first result; None for the first row.
        parallel_iterations, back_prop, swap_memory, name: As in TensorFlow 1.13.1.
    """
    loop = dict(
        parallel_iterations=parallel_iterations, back_prop=back_prop, swap_memory=swap_memory
    )
    return _fold("foldl", False, fn, elems, initializer, loop, name)


def foldr(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    name: str | None = None,
) -> Any:
    """Combine the rows of a tensor from the last to the first; see `foldl`."""
    loop = dict(
        parallel_iterations=parallel_iterations, back_prop=back_prop, swap_memory=swap_memory
    )
    return _fold("foldr", True, fn, elems, initializer, loop, name)


def scan(
    fn: Callable,
    elems: Any,
    initializer: Any = None,
    parallel_iterations: int = 10,
    back_prop: bool = True,
    swap_memory: bool = False,
    infer_shape: bool = True,
    reverse: bool = False,
    name: str | None = None,
) -> Any:
    """All results of combining the rows of a tensor from the first to the last, stacked.

    Args:
        fn: Takes the result so far and a row, and returns the next result.
        elems: A tensor, or a structure of tensors with the same number of rows.
        initializer: The first result; None for the first row.
        reverse: Whether to go from the last row to the first.
        parallel_iterations, back_prop, swap_memory, infer_shape, name: As in TensorFlow 1.13.1.
    """
    with get_default_graph().name_scope(name or "scan"):
        flat, n = _rows(elems)
        inputs = _unstacked(flat, n, element_shapes=True)
        structure = elems if initializer is None else initializer
        if initializer is None:
            a = [array.read(n - 1 if reverse else 0) for array in inputs]
            i = constant(1)
        else:
            a = [convert_to_tensor(v) for v in nest.flatten(initializer)]
            i = constant(0)
        outputs = [
            TensorArray(
                dtype=v.dtype,
                size=n,
                element_shape=v.shape if infer_shape else None,
                dynamic_size=False,
                infer_shape=infer_shape,
            )
            for v in a
        ]
        if initializer is None:
            first = n - 1 if reverse else 0
            outputs = [array.write(first, v) for array, v in zip(outputs, a)]

        def compute(i: Tensor, a: list, written: list) -> tuple:
            row = nest.pack_sequence_as(elems, [array.read(i) for array in inputs])
            result = fn(nest.pack_sequence_as(structure, a), row)
            nest.assert_same_structure(structure, result)
            values = nest.flatten(result)
            written = [array.write(i, v) for array, v in zip(written, values)]
            return (i - 1 if reverse else i + 1), values, written

        if reverse:
            i = n - 1 - i
        _, _, written = while_loop(
            (lambda i, a, written: i >= 0) if reverse else (lambda i, a, written: i < n),
            compute,
            (i, a, outputs),
            parallel_iterations=parallel_iterations,
            back_prop=back_prop,
            swap_memory=swap_memory,
            maximum_iterations=n,
        )
        return nest.pack_sequence_as(structure, _stacked(written, flat))
