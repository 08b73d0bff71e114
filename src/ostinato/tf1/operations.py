"""What the lesson's programs compute with besides the cells: constants, placeholders, arithmetic, shapes, sums, gradients."""

import math
import numbers
from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..errors import InputError, SizeError
from . import arithmetic
from .graph import Computation, DType, Operation, Tensor, TensorShape, Value, as_dtype, get_default_graph, merge, shape_of
from .session import InvalidArgumentError

# From this size on TensorFlow fills an array as it runs instead of writing it into the graph, which takes two operations more.
_LARGE = 1000


def _array(value, name: str) -> np.ndarray:
    try:
        return np.asarray(value)
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} was given {value!r}, which is no array of numbers ({error}): give a number, or rows of numbers of one "
                         "length; tf.stack makes one tensor of several") from None


def constant(value, dtype=None, shape=None, name: str | None = None) -> Tensor:
    """A tensor of a given value.

    Args:
        value: A number, nested lists of numbers, or an array.
        dtype: Its kind of number; None for the value's (a Python float is float32, an int int32 where it fits).
        shape: Its shape; what the value leaves of it is filled with the value's last number.
        name: Its name.

    Raises:
        InputError: The value is no array, or a number in it is none of that kind.
        SizeError: The value has more numbers than the shape.
    """
    array = _array(value, name or "tf.constant")
    kind, wide = array.dtype.kind, array.dtype.kind == "i" and bool((array != array.astype(np.int32)).any())
    if isinstance(value, (np.ndarray, np.generic)):
        dtype = as_dtype(array.dtype if dtype is None else dtype)
    else:
        dtype = as_dtype(({"f": "float32", "i": "int64" if wide else "int32"}.get(kind, array.dtype)) if dtype is None else dtype)
        fits = {"bool": kind == "b", "int32": kind in "bi" and not wide, "int64": kind in "bi"}.get(dtype.name, True)
        if array.size and not fits:
            raise InputError(f"{value!r} was given where {dtype.name} is wanted: give numbers of that kind, or make what they are computed "
                             "with of theirs, tf.cast(x, tf.float32)")
    array = array.astype(dtype.as_numpy_dtype)
    if shape is not None:
        shape = tuple(shape_of(shape, "tf.constant"))
        count = math.prod(shape)
        if array.size > count or count and not array.size:
            raise SizeError(f"tf.constant was given {array.size} numbers for the shape {shape}: give up to {count}, or another shape")
        array = np.pad(array.reshape(-1), (0, count - array.size), "edge").reshape(shape)
    held = torch.from_numpy(np.array(array))
    return get_default_graph().computed(name or "Const", dtype, array.shape, [], lambda: held)


def convert_to_tensor(value, dtype=None, name: str | None = None) -> Tensor:
    """A tensor as it is, a variable's value, or a constant of anything else.

    Raises:
        InputError: It is a tensor of another dtype than the one asked for.
    """
    tensor = value.read if isinstance(value, Value) and not isinstance(value, Tensor) else value
    if not isinstance(tensor, Tensor):
        return constant(value, dtype=dtype, name=name)
    if dtype is not None and tensor.dtype is not as_dtype(dtype):
        raise InputError(f"{tensor} has dtype {tensor.dtype.name} where {as_dtype(dtype).name} is wanted: write tf.cast(x, {as_dtype(dtype)!r})")
    return tensor


def placeholder(dtype, shape=None, name: str | None = None) -> Tensor:
    """A tensor whose value is given when it is run.

    Args:
        dtype: Its kind of number.
        shape: Its sizes; None for one that is known only then.
        name: Its name.

    Raises:
        InputError: No shape was given.
    """
    if shape is None:
        raise InputError("tf.placeholder was given no shape: give the number of dimensions at least, [None, None, 4], or [] for one number")
    dtype, shape = as_dtype(dtype), shape_of(shape, "tf.placeholder")

    def missing():
        raise InvalidArgumentError(
            f"You must feed a value for placeholder tensor {tensor.op.name!r} with dtype {dtype.name} and shape {shape}: "
            f"sess.run(..., feed_dict={{x: value}})"
        )

    tensor = get_default_graph().computed(name or "Placeholder", dtype, shape, [], missing)
    return tensor


class Sizes:
    """The sizes that an operation is given, of which some may be known only when it runs.

    Args:
        given: Whole numbers and tensors of one; or one such, or a tensor of all.
        of: What they were given to.
        least: The smallest that one may be.

    Attributes:
        known: Each size, None where a tensor says it.
        tensors: Those tensors.

    Raises:
        SizeError: They are no such numbers.
    """

    def __init__(self, given, of: str, least: int = 0):
        several = isinstance(given, (tuple, list, np.ndarray))
        parts = [convert_to_tensor(p) if isinstance(p, Value) else p for p in (given if several else [given])]
        self.tensors = [p for p in parts if isinstance(p, Tensor)]
        # A tensor by itself may have all sizes in it.
        self.joined = not several and self.tensors and len(parts[0].shape) == 1
        wrong = any(t.dtype.is_floating or len(t.shape) != self.joined for t in self.tensors) or any(
            not isinstance(p, Tensor) and (isinstance(p, bool) or not isinstance(p, numbers.Integral) or p < least) for p in parts)
        if wrong or self.joined and parts[0].shape[0] is None:
            raise SizeError(f"{of} was given {given!r}: give whole numbers from {least} on, or tensors of one, such as tf.shape(x)[0]")
        self.known = [None] * parts[0].shape[0] if self.joined else [None if isinstance(p, Tensor) else int(p) for p in parts]

    def recipe(self, name: str) -> str:
        """The operations that join the sizes, in brackets; see `graph.py`."""
        numbers = " ".join(str(i) for i, n in enumerate(self.known) if n is not None)
        return "" if self.joined else f"({name}({numbers}))" if self.tensors else f"({name})"

    def at(self, *values: torch.Tensor) -> list[int]:
        """All sizes, from the values of the tensors."""
        if self.joined:
            return values[0].tolist()
        values = iter(values)
        return [int(next(values)) if n is None else n for n in self.known]


def _filled(value: float, default_name: str):
    def fill(shape, dtype="float32", name: str | None = None) -> Tensor:
        sizes, dtype, name = Sizes(shape, f"tf.{default_name}"), as_dtype(dtype), name or default_name
        if sizes.tensors:
            recipe = f"{name}{sizes.recipe('packed').removesuffix(')') or '('} Const)"
            return get_default_graph().computed(
                recipe, dtype, sizes.known, sizes.tensors, lambda *given: torch.full(sizes.at(*given), value, dtype=dtype.torch))
        held = torch.full(sizes.known, value, dtype=dtype.torch)
        within = "(shape_as_tensor Const)" if held.numel() >= _LARGE else ""
        return get_default_graph().computed(f"{name}{within}", dtype, sizes.known, [], lambda: held)

    fill.__name__ = fill.__qualname__ = default_name
    fill.__doc__ = f"""A tensor of {default_name}.

    Args:
        shape: Its sizes, of which some may be tensors of one number.
        dtype: Its kind of number.
        name: Its name.
    """
    return fill


zeros = _filled(0.0, "zeros")
ones = _filled(1.0, "ones")


def random_uniform(
    shape, minval: float = 0, maxval: float = 1, dtype="float32", seed: int | None = None, name: str | None = None
) -> Tensor:
    """Uniform random numbers, new ones in each run.

    Args:
        shape: The sizes, of which some may be tensors of one number.
        minval, maxval: The bounds.
        dtype: tf.float32 or tf.float64.
        seed: A seed of its own; None for the graph's.
        name: Its name.
    """
    dtype, sizes = as_dtype(dtype), Sizes(shape, "tf.random_uniform")
    if not dtype.is_floating:
        raise InputError(f"tf.random_uniform was given dtype {dtype.name}: give tf.float32 or tf.float64")
    graph = get_default_graph()
    low, high = (torch.tensor(v, dtype=dtype.torch) for v in (minval, maxval))
    shaped = sizes.recipe("shape").removeprefix("(").removesuffix(")")
    random = graph.random_uniform(f"{name or 'random_uniform'}({shaped} min max RandomUniform=random sub mul)=value", seed)

    def draw(run, *given):
        # Two roundings, as Mul and Add make them.
        return (run.uniform(random["random"], sizes.at(*given), dtype.torch) * (high - low) + low,)

    return Tensor(random["value"], dtype, sizes.known, Computation(sizes.tensors, draw))


def _broadcast(a: TensorShape, b: TensorShape, what: str) -> TensorShape:
    short, long = sorted((a, b), key=len)
    padded = (1,) * (len(long) - len(short)) + tuple(short)
    return TensorShape(y if x == 1 else x if y == 1 else merge(x, y, what) for x, y in zip(padded, long))


def _binary(name: str, x, y, function: Callable, dtype: DType | None = None, fractions: bool = False) -> Tensor:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        if isinstance(x, Value):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, dtype=x.dtype, name="y")
        else:
            y = convert_to_tensor(y, name="y")
            x = convert_to_tensor(x, dtype=y.dtype, name="x")
        if fractions and not x.dtype.is_floating:
            x, y = cast(x, "float64"), cast(y, "float64")
        op = Operation(graph, scope[:-1])
    return op.computed(dtype or x.dtype, _broadcast(x.shape, y.shape, op.name), [x, y], function)


def _unary(name: str, x, function: Callable, argument: str = "x") -> Tensor:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        x = convert_to_tensor(x, name=argument)
        op = Operation(graph, scope[:-1])
    return op.computed(x.dtype, x.shape, [x], function)


def add(x, y, name: str | None = None) -> Tensor:
    """x + y, element by element."""
    return _binary(name or "Add", x, y, torch.add)


def subtract(x, y, name: str | None = None) -> Tensor:
    """x - y, element by element."""
    return _binary(name or "Sub", x, y, torch.sub)


def multiply(x, y, name: str | None = None) -> Tensor:
    """x * y, element by element."""
    return _binary(name or "Mul", x, y, torch.mul)


def divide(x, y, name: str | None = None) -> Tensor:
    """x / y, element by element; of whole numbers in float64."""
    return _binary(name or "truediv", x, y, torch.div, fractions=True)


def negative(x, name: str | None = None) -> Tensor:
    """-x."""
    return _unary(name or "Neg", x, torch.neg)


def square(x, name: str | None = None) -> Tensor:
    """x * x."""
    return _unary(name or "Square", x, torch.square)


def tanh(x, name: str | None = None) -> Tensor:
    """The hyperbolic tangent, in TensorFlow 1's arithmetic."""
    return _unary(name or "Tanh", x, arithmetic.tanh)


def sigmoid(x, name: str | None = None) -> Tensor:
    """1 / (1 + exp(-x)), in TensorFlow 1's arithmetic."""
    return _unary(name or "Sigmoid", x, arithmetic.sigmoid)


def relu(features, name: str | None = None) -> Tensor:
    """x where it is above 0, else 0."""
    return _unary(name or "Relu", features, torch.relu, "features")


def softmax(logits, axis: int | None = None, name: str | None = None) -> Tensor:
    """exp(x) over its sum.

    Args:
        logits: The numbers.
        axis: Along which dimension; None for the last one. For another one TensorFlow puts in operations that are not counted here.
        name: Its name.
    """
    logits = convert_to_tensor(logits)
    rank = len(logits.shape)
    axis = _axis(-1 if axis is None else axis, rank, "tf.nn.softmax")
    if axis != rank - 1:
        graph = get_default_graph()
        graph.uncounted = graph.uncounted or "tf.nn.softmax(axis=...)"
    return _unary(name or "Softmax", logits, lambda x: torch.softmax(x, axis), "logits")


def identity(input, name: str | None = None) -> Tensor:  # noqa: A002
    """The same value under another name."""
    return _unary(name or "Identity", input, lambda x: x.view_as(x), "input")


def cast(x, dtype, name: str | None = None) -> Tensor:
    """The same value as another kind of number."""
    x, dtype = convert_to_tensor(x, name="x"), as_dtype(dtype)
    if x.dtype is dtype:
        return x
    op = get_default_graph().record(name or "Cast").last
    return op.computed(dtype, x.shape, [x], lambda v: v.to(dtype.torch))


def matmul(a, b, transpose_a: bool = False, transpose_b: bool = False, name: str | None = None) -> Tensor:
    """The product of two matrices.

    Args:
        a, b: The matrices.
        transpose_a, transpose_b: Whether they are transposed first.
        name: Its name.
    """
    graph = get_default_graph()
    with graph.name_scope(name or "MatMul") as scope:
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, dtype=a.dtype, name="b")
        op = Operation(graph, scope[:-1])
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise SizeError(f"tf.matmul was given shapes {a.shape} and {b.shape}: give it two matrices; tf.reshape makes one of more dimensions")
    rows, inner = reversed(a.shape) if transpose_a else a.shape
    below, columns = reversed(b.shape) if transpose_b else b.shape
    merge(inner, below, f"tf.matmul of {a.shape} and {b.shape}")

    def product(m, n):
        m, n = m.T if transpose_a else m, n.T if transpose_b else n
        merge(m.shape[1], len(n), f"{op.name} of {tuple(m.shape)} and {tuple(n.shape)} in this run")
        return arithmetic.accumulate(None, m, n)

    return op.computed(a.dtype, (rows, columns), [a, b], product)


def reshape(tensor, shape: Sequence[int], name: str | None = None) -> Tensor:
    """The same numbers in another shape.

    Args:
        tensor: The numbers.
        shape: Whole numbers or tensors of one; one may be -1, for what is left.

    Raises:
        SizeError: The shape has not as many numbers.
    """
    tensor = convert_to_tensor(tensor, name="tensor")
    sizes, name = Sizes(shape, "tf.reshape", least=-1), name or "Reshape"
    static, free = [None if n == -1 else n for n in sizes.known], sizes.known.count(-1)
    if tensor.shape.is_fully_defined():
        count, known = math.prod(tensor.shape), math.prod(n for n in static if n is not None)
        if free == 1 and static.count(None) == 1:
            static[sizes.known.index(-1)] = count // max(1, known)
            known = math.prod(static)
        if None not in static and count != known or free > 1:
            raise SizeError(f"tf.reshape was given {count} numbers, {tensor.shape}, for the shape {shape!r}: give one of as many")

    return get_default_graph().computed(
        f"{name}{sizes.recipe('shape')}", tensor.dtype, static, [tensor, *sizes.tensors], lambda v, *given: v.reshape(sizes.at(*given)))


def transpose(a, perm: Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """The dimensions in another order; without one, back to front."""
    a = convert_to_tensor(a, name="a")
    rank = len(a.shape)
    perm = list(reversed(range(rank)) if perm is None else perm)
    if sorted(perm) != list(range(rank)):
        raise SizeError(f"tf.transpose of {a} was given perm={perm!r}: give each number from 0 to {rank - 1} once")
    shape = [a.shape[p] for p in perm]
    return get_default_graph().computed(f"{name or 'transpose'}(perm)", a.dtype, shape, [a], lambda v: v.permute(perm))


def _axis(given, rank: int, of: str) -> int:
    """A dimension, counted from the first one."""
    if isinstance(given, bool) or not isinstance(given, numbers.Integral) or not -rank <= given < rank:
        raise SizeError(f"{of} was given the axis {given!r} of {rank} dimension(s): give a whole number from {-rank} to {rank - 1}")
    return int(given) % rank


def _axes(axis, rank: int, of: str) -> list[int]:
    given = range(rank) if axis is None else axis if isinstance(axis, (tuple, list, np.ndarray)) else [axis]
    return sorted(_axis(i, rank, of) for i in given)


def _reduction(default_name: str, function: Callable, of_truth: bool = False):
    def reduce(input_tensor, axis=None, keepdims: bool = False, name: str | None = None) -> Tensor:
        called = f"tf.{reduce.__name__}"
        if not isinstance(input_tensor, Value):
            raise InputError(f"{called} was given {type(input_tensor).__name__}: give it a tensor, tf.constant(...) or tf.stack(...)")
        x = convert_to_tensor(input_tensor)
        if (x.dtype.name == "bool") != of_truth:
            wanted = "bool: compare first, x > 0" if of_truth else "numbers: write tf.cast(x, tf.float32)"
            raise InputError(f"{called} was given {x}: give it {wanted}")
        axes = _axes(axis, len(x.shape), called)
        shape = [1 if i in axes else n for i, n in enumerate(x.shape) if keepdims or i not in axes]
        recipe = f"Const {name or default_name}" if axis is None else f"{name or default_name}(reduction_indices)"
        return get_default_graph().computed(recipe, x.dtype, shape, [x], lambda v: function(v, axes, keepdims) if axes else v)

    reduce.__name__ = reduce.__qualname__ = f"reduce_{default_name.lower()}"
    reduce.__doc__ = f"""The {default_name.lower()} over some dimensions.

    Args:
        input_tensor: The numbers.
        axis: One dimension or several; None for all.
        keepdims: Whether they stay, as 1.
        name: Its name.
    """
    return reduce


def _sum(v: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    return v.sum(axes, keepdims, dtype=v.dtype)


def _mean(v: torch.Tensor, axes: list[int], keepdims: bool) -> torch.Tensor:
    if v.is_floating_point():
        return v.mean(axes, keepdims)
    # TensorFlow's mean of whole numbers is one, towards 0.
    count = math.prod(v.shape[i] for i in axes)
    return torch.div(_sum(v, axes, keepdims), count, rounding_mode="trunc")


reduce_sum = _reduction("Sum", _sum)
reduce_mean = _reduction("Mean", _mean)


def _together(values, of: str) -> list[Tensor]:
    """Several tensors of one kind and one number of dimensions."""
    if not isinstance(values, (tuple, list)) or not len(values):
        raise InputError(f"{of} was given {values!r}: give it a list of tensors")
    kind = next((v.dtype for v in values if isinstance(v, Value)), None)
    tensors = [convert_to_tensor(v, dtype=kind) for v in values]
    first = tensors[0]
    for t in tensors:
        if t.dtype is not first.dtype or len(t.shape) != len(first.shape):
            raise SizeError(f"{of} was given {first} and {t}: give it tensors of one dtype and as many dimensions")
    return tensors


def concat(values: Sequence, axis: int, name: str | None = None) -> Tensor:
    """Tensors joined end to end along a dimension."""
    tensors = _together(values, "tf.concat")
    shapes = [t.shape for t in tensors]
    axis = _axis(axis, len(shapes[0]), "tf.concat")
    shape = list(shapes[0])
    for other in shapes[1:]:
        shape = [merge(m, n, f"tf.concat along {axis} of {shapes}") if i != axis else None for i, (m, n) in enumerate(zip(shape, other))]
    along = [given[axis] for given in shapes]
    shape[axis] = None if None in along else sum(along)
    return get_default_graph().computed(f"{name or 'concat'}(axis)", tensors[0].dtype, shape, tensors, lambda *v: torch.cat(v, axis))


def stack(values: Sequence, axis: int = 0, name: str | None = None) -> Tensor:
    """Tensors of one shape, along a new dimension."""
    if axis == 0 and isinstance(values, (tuple, list)) and values and not any(isinstance(v, Value) for v in values):
        return constant(values, name=name or "stack")
    tensors = _together(values, "tf.stack")
    shape = list(tensors[0].shape)
    for t in tensors[1:]:
        shape = [merge(m, n, f"tf.stack of {[t.shape for t in tensors]}") for m, n in zip(shape, t.shape)]
    axis = _axis(axis, len(shape) + 1, "tf.stack")
    shape.insert(axis, len(tensors))
    return get_default_graph().computed(name or "stack", tensors[0].dtype, shape, tensors, lambda *v: torch.stack(v, axis))


def unstack(value, num: int | None = None, axis: int = 0, name: str | None = None) -> list[Tensor]:
    """The parts of a tensor along a dimension.

    Args:
        value: The tensor.
        num: How many they are; None for what the tensor's shape says, which must then be known there.
        axis: The dimension.
        name: Its name.

    Raises:
        SizeError: It is not known how many they are, or there are not so many.
    """
    value = convert_to_tensor(value, name="value")
    axis = _axis(axis, len(value.shape), "tf.unstack")
    count = merge(value.shape[axis], num, f"tf.unstack of {value} along {axis} in {num} parts")
    if count is None:
        raise SizeError(f"tf.unstack of {value} along {axis}: that size is not known; give num, or the placeholder a number there")
    shape = list(value.shape)
    del shape[axis]
    op = get_default_graph().record(name or "unstack").last

    def parts(run, v):
        if v.shape[axis] != count:
            raise InvalidArgumentError(f"{op.name}: {tuple(v.shape)} was given where {count} parts along {axis} are wanted: feed as many")
        return v.unbind(axis)

    computation = Computation([value], parts)
    return [Tensor(op, value.dtype, shape, computation, i) for i in range(count)]


def expand_dims(input, axis: int, name: str | None = None) -> Tensor:  # noqa: A002
    """The same numbers with a dimension of 1 put in."""
    x = convert_to_tensor(input, name="input")
    shape = list(x.shape)
    axis = _axis(axis, len(shape) + 1, "tf.expand_dims")
    shape.insert(axis, 1)
    return get_default_graph().computed(f"{name or 'ExpandDims'}(dim)", x.dtype, shape, [x], lambda v: v.unsqueeze(axis))


def squeeze(input, axis=None, name: str | None = None) -> Tensor:  # noqa: A002
    """The same numbers with dimensions of 1 taken out."""
    x = convert_to_tensor(input, name="input")
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else _axes(axis, len(x.shape), "tf.squeeze")
    if any(x.shape[i] not in (None, 1) for i in axes):
        raise SizeError(f"tf.squeeze({x}, axis={axis!r}): a dimension there is not 1; give those that are")
    shape = [n for i, n in enumerate(x.shape) if i not in axes]

    def squeezed(v):
        if any(v.shape[i] != 1 for i in axes):
            raise InvalidArgumentError(f"tf.squeeze(axis={axes}) was given {tuple(v.shape)} in this run: feed what is 1 there")
        return v.squeeze(axes)

    return get_default_graph().computed(name or "Squeeze", x.dtype, shape, [x], squeezed)


def shape(input, name: str | None = None) -> Tensor:  # noqa: A002
    """The sizes of a tensor, as int32."""
    x = convert_to_tensor(input, name="input")
    return get_default_graph().computed(
        name or "Shape", as_dtype("int32"), (len(x.shape),), [x], lambda v: torch.tensor(v.shape, dtype=torch.int32)
    )


def argmax(input, axis: int | None = None, name: str | None = None) -> Tensor:  # noqa: A002
    """Where the largest number along a dimension is, the first one if none is said."""
    x = convert_to_tensor(input, name="input")
    axis = _axis(axis or 0, len(x.shape), "tf.argmax")
    sizes = [n for i, n in enumerate(x.shape) if i != axis]
    return get_default_graph().computed(f"{name or 'ArgMax'}(dimension)", as_dtype("int64"), sizes, [x], lambda v: v.argmax(axis))


def _getitem(x, index) -> Tensor:
    x = convert_to_tensor(x)
    parts = index if isinstance(index, tuple) else (index,)

    def whole(part):
        return isinstance(part, numbers.Integral) and not isinstance(part, bool)

    for p in parts:
        bounds = (p.start, p.stop, p.step) if isinstance(p, slice) else () if p is Ellipsis else (p,)
        if any(b is not None and not whole(b) for b in bounds):
            raise InputError(f"{x} was indexed with {index!r}: use whole numbers, slices of them, ... and None")
    parts = tuple(int(p) if whole(p) else p for p in parts)
    # Unknown sizes are found by asking for the shape with two different ones.
    try:
        small, large = (np.broadcast_to(np.int8(0), [n or stand for n in x.shape])[parts].shape for stand in (1009, 2003))
    except (IndexError, ValueError) as error:
        raise SizeError(f"{x} was indexed with {index!r} ({error}): use numbers that are within its shape") from None
    sizes = [m if m == n else None for m, n in zip(small, large)]
    return get_default_graph().computed("strided_slice(stack stack_1 stack_2)", x.dtype, sizes, [x], lambda v: _cut(v, parts))


def _cut(v: torch.Tensor, parts: tuple) -> torch.Tensor:
    """v[parts], with slices that go backwards, which torch has not."""
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


_OPERATORS = {
    "__add__": lambda x, y: _binary("add", x, y, torch.add),
    "__radd__": lambda y, x: _binary("add", x, y, torch.add),
    "__sub__": lambda x, y: _binary("sub", x, y, torch.sub),
    "__rsub__": lambda y, x: _binary("sub", x, y, torch.sub),
    "__mul__": lambda x, y: _binary("mul", x, y, torch.mul),
    "__rmul__": lambda y, x: _binary("mul", x, y, torch.mul),
    "__truediv__": lambda x, y: _binary("truediv", x, y, torch.div, fractions=True),
    "__rtruediv__": lambda y, x: _binary("truediv", x, y, torch.div, fractions=True),
    "__matmul__": lambda x, y: matmul(x, y, name="matmul"),
    "__neg__": negative,
    "__getitem__": _getitem,
}
for _name, _function in _OPERATORS.items():
    setattr(Value, _name, _function)


def gradients(ys, xs, grad_ys=None, name: str = "gradients") -> list[Tensor | None]:
    """The derivative of the sum of all ys by each x.

    TensorFlow puts many operations into the graph for this, which are not counted here: a random operation made afterwards
    needs a seed of its own.

    Args:
        ys: A tensor or several.
        xs: A tensor or variable, or several.
        grad_ys: What the derivative of each y is taken to be; None for ones.
        name: The name scope of the results.

    Returns:
        One tensor for each x, of its shape; None where no y depends on it.
    """
    several = lambda v: list(v) if isinstance(v, (list, tuple)) else [v]  # noqa: E731
    ys, xs = ([convert_to_tensor(v) for v in several(vs)] for vs in (ys, xs))
    for x in xs:
        if not x.dtype.is_floating:
            raise InputError(f"tf.gradients by {x}: there is no derivative by whole numbers; give a float tensor")
    given = [None if g is None else convert_to_tensor(g) for g in several(grad_ys)] if grad_ys is not None else [None] * len(ys)
    if len(given) != len(ys):
        raise SizeError(f"tf.gradients was given {len(ys)} ys and {len(given)} grad_ys: give as many")
    reached = [x in ys or _depends(ys, x) for x in xs]
    graph = get_default_graph()
    graph.uncounted = "tf.gradients"
    wanted = [x for x, r in zip(xs, reached) if r]

    def differentiate(run, *_):
        pairs = [(run[y], torch.ones_like(run[y]) if g is None else run[g]) for y, g in zip(ys, given) if run[y].requires_grad]
        targets = [run[x] for x in wanted]
        if not pairs:
            return tuple(torch.zeros_like(x) for x in targets)
        found = torch.autograd.grad(
            [y for y, _ in pairs], targets, [g for _, g in pairs], retain_graph=True, create_graph=run.of_gradients, allow_unused=True
        )
        return tuple(torch.zeros_like(x) if d is None else d for d, x in zip(found, targets))

    computation = Computation([*ys, *wanted, *(g for g in given if g is not None)], differentiate, sources=wanted)
    results, slot = [], 0
    with graph.name_scope(name):
        for x, r in zip(xs, reached):
            results.append(Tensor(graph.record("Gradient").last, x.dtype, x.shape, computation, slot) if r else None)
            slot += r
    return results


def _depends(ys: list[Tensor], x: Tensor) -> bool:
    seen, stack = set(), [y.computation for y in ys]
    while stack:
        computation = stack.pop()
        if computation not in seen:
            seen.add(computation)
            if x in computation.inputs:
                return True
            stack += [t.computation for t in computation.inputs]
    return False
