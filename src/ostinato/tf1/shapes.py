"""Private: operations on shapes: filled and random tensors, reshaping, joining, slicing."""

import math
import numbers
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ..errors import InputError, SizeError
from .graph import Computation, DTypeLike, Operand, Tensor, TensorLike, as_dtype, get_default_graph
from .operations import axes_of, axis_of, constant, convert_to_tensor, merge
from .session import InvalidArgumentError

__all__ = [
    "Sizes",
    "concat",
    "expand_dims",
    "ones",
    "random_uniform",
    "reshape",
    "shape",
    "squeeze",
    "stack",
    "tile",
    "transpose",
    "unstack",
    "zeros",
]

# From this size on, TensorFlow fills an array in the run instead of storing it in the graph, with
# two more operations.
_LARGE = 1000


class Sizes:
    """Sizes given to an operation; some may be known only in a run.

    Args:
        given: Whole numbers and scalar tensors, or a single one, or one tensor with all sizes.
        of: The name of the function, for errors.
        least: The smallest valid size.

    Attributes:
        known: Each size; None for a size that comes from a tensor.
        tensors: The tensors among the sizes.

    Raises:
        SizeError: The sizes are invalid.
    """

    def __init__(self, given: Any, of: str, least: int = 0):
        several = isinstance(given, (tuple, list, np.ndarray))
        parts = [
            convert_to_tensor(p) if isinstance(p, Operand) else p
            for p in (given if several else [given])
        ]
        self.tensors = [p for p in parts if isinstance(p, Tensor)]
        # A single tensor may contain all sizes.
        self.joined = not several and bool(self.tensors) and len(parts[0].shape) == 1
        wrong = any(
            t.dtype.is_floating or len(t.shape) != self.joined for t in self.tensors
        ) or any(
            not isinstance(p, Tensor)
            and (isinstance(p, bool) or not isinstance(p, numbers.Integral) or p < least)
            for p in parts
        )
        if wrong or self.joined and parts[0].shape[0] is None:
            raise SizeError(
                f"{of} was given {given!r}: give whole numbers from {least} on, or scalar "
                f"tensors, such as tf.shape(x)[0]"
            )
        self.known = (
            [None] * parts[0].shape[0]
            if self.joined
            else [None if isinstance(p, Tensor) else int(p) for p in parts]
        )

    def recipe(self, name: str) -> str:
        """The recipe of the operations that join the sizes, in brackets; see `graph.py`."""
        numbers = " ".join(str(i) for i, n in enumerate(self.known) if n is not None)
        return "" if self.joined else f"({name}({numbers}))" if self.tensors else f"({name})"

    def at(self, *values: torch.Tensor) -> list[int]:
        """All sizes, given the values of the tensors."""
        if self.joined:
            return values[0].tolist()
        rest = iter(values)
        return [int(next(rest)) if n is None else n for n in self.known]


def _filled(value: float, default_name: str):
    def fill(shape: Any, dtype: DTypeLike = "float32", name: str | None = None) -> Tensor:
        sizes, kind = Sizes(shape, f"tf.{default_name}"), as_dtype(dtype)
        name = name or default_name
        if sizes.tensors:
            recipe = f"{name}{sizes.recipe('packed').removesuffix(')') or '('} Const)"
            return get_default_graph().computed(
                recipe,
                kind,
                sizes.known,
                sizes.tensors,
                lambda *given: torch.full(sizes.at(*given), value, dtype=kind.torch),
            )
        held = torch.full(sizes.at(), value, dtype=kind.torch)
        within = "(shape_as_tensor Const)" if held.numel() >= _LARGE else ""
        return get_default_graph().computed(f"{name}{within}", kind, sizes.known, [], lambda: held)

    fill.__name__ = fill.__qualname__ = default_name
    fill.__doc__ = f"""A tensor of {default_name}.

    Args:
        shape: The sizes; some may be scalar tensors.
        dtype: The dtype.
        name: The name of the operation.
    """
    return fill


zeros = _filled(0.0, "zeros")
ones = _filled(1.0, "ones")


def random_uniform(
    shape: Any,
    minval: float = 0,
    maxval: float | None = None,
    dtype: DTypeLike = "float32",
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Uniform random numbers, different in each run.

    Args:
        shape: The sizes; some may be scalar tensors.
        minval, maxval: The bounds; None for an upper bound of 1.
        dtype: tf.float32 or tf.float64.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.
    """
    dtype, sizes = as_dtype(dtype), Sizes(shape, "tf.random_uniform")
    if not dtype.is_floating:
        raise InputError(
            f"tf.random_uniform was given dtype {dtype.name}: give tf.float32 or tf.float64"
        )
    bounds = minval, 1.0 if maxval is None else maxval
    if not all(isinstance(v, numbers.Real) for v in bounds):
        raise InputError(
            f"tf.random_uniform was given minval={minval!r} and maxval={maxval!r}: give two numbers"
        )
    graph = get_default_graph()
    low, high = (torch.tensor(v, dtype=dtype.torch) for v in bounds)
    shaped = sizes.recipe("shape").removeprefix("(").removesuffix(")")
    random = graph.random_uniform(
        f"{name or 'random_uniform'}({shaped} min max RandomUniform=random sub mul)=value", seed
    )

    def draw(run, *given):
        # Rounded twice, as by Mul and Add.
        return (run.uniform(random["random"], sizes.at(*given), dtype.torch) * (high - low) + low,)

    return Tensor(random["value"], dtype, sizes.known, Computation(sizes.tensors, draw))


def reshape(tensor: TensorLike, shape: Sequence[int], name: str | None = None) -> Tensor:
    """Change the shape of a tensor.

    Args:
        tensor: The tensor.
        shape: Whole numbers or scalar tensors; one may be -1, for the remaining size.

    Raises:
        SizeError: The shape has another number of elements.
    """
    tensor = convert_to_tensor(tensor, name="tensor")
    sizes, name = Sizes(shape, "tf.reshape", least=-1), name or "Reshape"
    static, free = [None if n == -1 else n for n in sizes.known], sizes.known.count(-1)
    if tensor.shape.is_fully_defined():
        count, known = math.prod(tensor.shape), math.prod(n for n in static if n is not None)
        if free == 1 and static.count(None) == 1:
            static[sizes.known.index(-1)] = count // max(1, known)
            known = math.prod(n for n in static if n is not None)
        if None not in static and count != known or free > 1:
            raise SizeError(
                f"tf.reshape was given {count} numbers, {tensor.shape}, for the shape {shape!r}: "
                f"give a shape of the same size"
            )

    return get_default_graph().computed(
        f"{name}{sizes.recipe('shape')}",
        tensor.dtype,
        static,
        [tensor, *sizes.tensors],
        lambda v, *given: v.reshape(sizes.at(*given)),
    )


def transpose(a: TensorLike, perm: Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """Permute the dimensions; None reverses them."""
    a = convert_to_tensor(a, name="a")
    rank = len(a.shape)
    perm = list(reversed(range(rank)) if perm is None else perm)
    if sorted(perm) != list(range(rank)):
        raise SizeError(
            f"tf.transpose of {a} was given perm={perm!r}: give each number from 0 to {rank - 1} "
            f"once"
        )
    shape = [a.shape[p] for p in perm]
    return get_default_graph().computed(
        f"{name or 'transpose'}(perm)", a.dtype, shape, [a], lambda v: v.permute(perm)
    )


def tile(input: TensorLike, multiples: Sequence[int], name: str | None = None) -> Tensor:  # noqa: A002
    """Repeat a tensor along each dimension."""
    x, times = convert_to_tensor(input, name="input"), Sizes(multiples, "tf.tile")
    if len(times.known) != len(x.shape):
        raise SizeError(
            f"tf.tile of {x} was given multiples={multiples!r}: give a number for each dimension"
        )
    shape = [None if None in (n, m) else n * m for n, m in zip(x.shape, times.known)]
    return get_default_graph().computed(
        f"{name or 'Tile'}{times.recipe('multiples')}",
        x.dtype,
        shape,
        [x, *times.tensors],
        lambda v, *given: v.repeat(times.at(*given)),
    )


def _together(values, of: str) -> list[Tensor]:
    """Convert several values to tensors of one dtype and one number of dimensions."""
    if not isinstance(values, (tuple, list)) or not len(values):
        raise InputError(f"{of} was given {values!r}: give it a list of tensors")
    kind = next((v.dtype for v in values if isinstance(v, Operand)), None)
    tensors = [convert_to_tensor(v, dtype=kind) for v in values]
    first = tensors[0]
    for t in tensors:
        if t.dtype is not first.dtype or len(t.shape) != len(first.shape):
            raise SizeError(
                f"{of} was given {first} and {t}: give it tensors of one dtype and number of "
                f"dimensions"
            )
    return tensors


def concat(values: Sequence, axis: int, name: str | None = None) -> Tensor:
    """Concatenate tensors along a dimension."""
    tensors = _together(values, "tf.concat")
    shapes = [t.shape for t in tensors]
    axis = axis_of(axis, len(shapes[0]), "tf.concat")
    shape = list(shapes[0])
    for other in shapes[1:]:
        shape = [
            merge(m, n, f"tf.concat along {axis} of {shapes}") if i != axis else None
            for i, (m, n) in enumerate(zip(shape, other))
        ]
    along = [given[axis] for given in shapes]
    shape[axis] = None if None in along else sum(along)
    return get_default_graph().computed(
        f"{name or 'concat'}(axis)", tensors[0].dtype, shape, tensors, lambda *v: torch.cat(v, axis)
    )


def stack(values: Sequence, axis: int = 0, name: str | None = None) -> Tensor:
    """Stack tensors of one shape along a new dimension."""
    if (
        axis == 0
        and isinstance(values, (tuple, list))
        and values
        and not any(isinstance(v, Operand) for v in values)
    ):
        return constant(values, name=name or "stack")
    tensors = _together(values, "tf.stack")
    shape = list(tensors[0].shape)
    for t in tensors[1:]:
        shape = [
            merge(m, n, f"tf.stack of {[t.shape for t in tensors]}") for m, n in zip(shape, t.shape)
        ]
    axis = axis_of(axis, len(shape) + 1, "tf.stack")
    shape.insert(axis, len(tensors))
    return get_default_graph().computed(
        name or "stack", tensors[0].dtype, shape, tensors, lambda *v: torch.stack(v, axis)
    )


def unstack(
    value: TensorLike, num: int | None = None, axis: int = 0, name: str | None = None
) -> list[Tensor]:
    """Unstack a tensor along a dimension.

    Args:
        value: The tensor.
        num: The number of parts; None to take it from the static shape, which must then be known.
        axis: The dimension.
        name: The name of the operation.

    Raises:
        SizeError: The number of parts is unknown or wrong.
    """
    value = convert_to_tensor(value, name="value")
    axis = axis_of(axis, len(value.shape), "tf.unstack")
    count = merge(value.shape[axis], num, f"tf.unstack of {value} along {axis} in {num} parts")
    if count is None:
        raise SizeError(
            f"tf.unstack of {value} along {axis}: that size is not known; give num, or a "
            f"placeholder with a fixed size"
        )
    shape = list(value.shape)
    del shape[axis]
    op = get_default_graph().record(name or "unstack").last

    def parts(run, v):
        if v.shape[axis] != count:
            raise InvalidArgumentError(
                f"{op.name}: {tuple(v.shape)} was given where {count} parts along {axis} are "
                f"expected: feed that number"
            )
        return v.unbind(axis)

    computation = Computation([value], parts)
    return [Tensor(op, value.dtype, shape, computation, i) for i in range(count)]


def expand_dims(input: TensorLike, axis: int, name: str | None = None) -> Tensor:  # noqa: A002
    """Insert a dimension of size 1."""
    x = convert_to_tensor(input, name="input")
    shape = list(x.shape)
    axis = axis_of(axis, len(shape) + 1, "tf.expand_dims")
    shape.insert(axis, 1)
    return get_default_graph().computed(
        f"{name or 'ExpandDims'}(dim)", x.dtype, shape, [x], lambda v: v.unsqueeze(axis)
    )


def squeeze(
    input: TensorLike, axis: int | Sequence[int] | None = None, name: str | None = None
) -> Tensor:  # noqa: A002
    """Remove dimensions of size 1."""
    x = convert_to_tensor(input, name="input")
    axes = (
        [i for i, n in enumerate(x.shape) if n == 1]
        if axis is None
        else axes_of(axis, len(x.shape), "tf.squeeze")
    )
    if any(x.shape[i] not in (None, 1) for i in axes):
        raise SizeError(
            f"tf.squeeze({x}, axis={axis!r}): a dimension there is not 1; give dimensions of size 1"
        )
    shape = [n for i, n in enumerate(x.shape) if i not in axes]

    def squeezed(v):
        if any(v.shape[i] != 1 for i in axes):
            raise InvalidArgumentError(
                f"tf.squeeze(axis={axes}) was given {tuple(v.shape)} in this run: feed size 1 there"
            )
        return v.squeeze(axes)

    return get_default_graph().computed(name or "Squeeze", x.dtype, shape, [x], squeezed)


def shape(input: TensorLike, name: str | None = None) -> Tensor:  # noqa: A002
    """The shape of a tensor, as int32."""
    x = convert_to_tensor(input, name="input")
    return get_default_graph().computed(
        name or "Shape",
        as_dtype("int32"),
        (len(x.shape),),
        [x],
        lambda v: torch.tensor(v.shape, dtype=torch.int32),
    )


def _getitem(x, index) -> Tensor:
    x = convert_to_tensor(x)
    parts = index if isinstance(index, tuple) else (index,)

    def whole(part):
        return isinstance(part, numbers.Integral) and not isinstance(part, bool)

    for p in parts:
        bounds = (
            (p.start, p.stop, p.step) if isinstance(p, slice) else () if p is Ellipsis else (p,)
        )
        if any(b is not None and not whole(b) for b in bounds):
            raise InputError(
                f"{x} was indexed with {index!r}: use whole numbers, slices of them, ... and None"
            )
    parts = tuple(int(p) if whole(p) else p for p in parts)
    # Unknown sizes are found by indexing with two different sizes and comparing the results.
    try:
        small, large = (
            np.broadcast_to(np.int8(0), [n or stand for n in x.shape])[parts].shape
            for stand in (1009, 2003)
        )
    except (IndexError, ValueError) as error:
        raise SizeError(
            f"{x} was indexed with {index!r} ({error}): use numbers that are within its shape"
        ) from None
    sizes = [m if m == n else None for m, n in zip(small, large)]
    return get_default_graph().computed(
        "strided_slice(stack stack_1 stack_2)", x.dtype, sizes, [x], lambda v: _cut(v, parts)
    )


def _cut(v: torch.Tensor, parts: tuple) -> torch.Tensor:
    """v[parts], with negative steps, which torch does not support."""
    taken = sum(p is not None and p is not Ellipsis for p in parts)
    axis, forwards = 0, []
    for p in parts:
        if isinstance(p, slice) and (p.step or 1) < 0:
            last = v.shape[axis] - 1
            start, stop, step = p.indices(last + 1)
            v, p = v.flip(axis), slice(last - start, last - stop, -step)
        forwards.append(p)
        axis += v.dim() - taken if p is Ellipsis else p is not None
    return v[tuple(forwards)]


setattr(Operand, "__getitem__", _getitem)  # noqa: B010 (a type checker sees the declaration)
