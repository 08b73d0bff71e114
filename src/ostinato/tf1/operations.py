"""What the lesson's programs compute with besides the cells: constants, placeholders, arithmetic, shapes, sums, gradients."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from ..errors import InputError, SizeError
from . import arithmetic
from .graph import Computation, DType, Operation, Tensor, TensorShape, Value, as_dtype, get_default_graph, merge
from .session import InvalidArgumentError

# From this size on TensorFlow fills an array as it runs instead of writing it into the graph, which takes two operations more.
_LARGE = 1000


def constant(value, dtype=None, shape=None, name: str = "Const") -> Tensor:
    """A tensor of a given value.

    Args:
        value: A number, nested lists of numbers, or an array.
        dtype: Its kind of number; None for the value's (a Python float is float32, an int int32).
        shape: Its shape, filled with the value if that is one number.
        name: Its name.
    """
    array = np.asarray(value)
    if dtype is None and not isinstance(value, (np.ndarray, np.generic)):
        array = array.astype({"float64": np.float32, "int64": np.int32}.get(array.dtype.name, array.dtype))
    dtype = as_dtype(array.dtype if dtype is None else dtype)
    array = array.astype(dtype.as_numpy_dtype)
    if shape is not None:
        array = np.full(shape, array) if array.size == 1 else array.reshape(shape)
    held = torch.from_numpy(np.array(array))
    return get_default_graph().computed(name, dtype, array.shape, [], lambda: held)


def convert_to_tensor(value, dtype=None, name: str = "Const") -> Tensor:
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


def placeholder(dtype, shape=None, name: str = "Placeholder") -> Tensor:
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
    dtype, shape = as_dtype(dtype), TensorShape(shape)

    def missing():
        raise InvalidArgumentError(
            f"You must feed a value for placeholder tensor {tensor.op.name!r} with dtype {dtype.name} and shape {shape}: "
            f"sess.run(..., feed_dict={{x: value}})"
        )

    tensor = get_default_graph().computed(name, dtype, shape, [], missing)
    return tensor


def _filled(value: float, default_name: str):
    def fill(shape, dtype="float32", name: str | None = None) -> Tensor:
        shape, dtype = tuple(int(n) for n in np.atleast_1d(shape)), as_dtype(dtype)
        held = torch.full(shape, value, dtype=dtype.torch)
        within = "(shape_as_tensor Const)" if held.numel() >= _LARGE else ""
        return get_default_graph().computed(f"{name or default_name}{within}", dtype, shape, [], lambda: held)

    fill.__name__ = fill.__qualname__ = default_name
    fill.__doc__ = f"A tensor of {default_name}.\n\n    Args:\n        shape: Its sizes.\n        dtype: Its kind of number.\n        name: Its name."
    return fill


zeros = _filled(0.0, "zeros")
ones = _filled(1.0, "ones")


def random_uniform(shape, minval: float = 0, maxval: float = 1, dtype="float32", seed: int | None = None, name: str = "random_uniform") -> Tensor:
    """Uniform random numbers, new ones in each run.

    Args:
        shape: The sizes.
        minval, maxval: The bounds.
        dtype: tf.float32 or tf.float64.
        seed: A seed of its own; None for the graph's.
        name: Its name.
    """
    dtype, shape = as_dtype(dtype), tuple(int(n) for n in np.atleast_1d(shape))
    if not dtype.is_floating:
        raise InputError(f"tf.random_uniform was given dtype {dtype.name}: give tf.float32 or tf.float64")
    graph = get_default_graph()
    low, high = (torch.tensor(v, dtype=dtype.torch) for v in (minval, maxval))
    random = graph.random_uniform(f"{name}(shape min max RandomUniform=random sub mul)=value", seed)

    def draw(run):
        # Two roundings, as Mul and Add make them.
        return (run.uniform(random["random"], shape, dtype.torch) * (high - low) + low,)

    return Tensor(random["value"], dtype, shape, Computation([], draw))


def _broadcast(a: TensorShape, b: TensorShape, what: str) -> TensorShape:
    short, long = sorted((a, b), key=len)
    padded = (1,) * (len(long) - len(short)) + tuple(short)
    return TensorShape(y if x == 1 else x if y == 1 else merge(x, y, what) for x, y in zip(padded, long))


def _binary(name: str, x, y, function: Callable, dtype: DType | None = None) -> Tensor:
    graph = get_default_graph()
    with graph.name_scope(name) as scope:
        if isinstance(x, Value):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, dtype=x.dtype, name="y")
        else:
            y = convert_to_tensor(y, name="y")
            x = convert_to_tensor(x, dtype=y.dtype, name="x")
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
    """x / y, element by element."""
    return _binary(name or "truediv", x, y, torch.div)


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


def softmax(logits, name: str | None = None) -> Tensor:
    """exp(x) over its sum, along the last dimension."""
    return _unary(name or "Softmax", logits, lambda x: torch.softmax(x, -1), "logits")


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


def matmul(a, b, name: str | None = None) -> Tensor:
    """The product of two matrices."""
    graph = get_default_graph()
    with graph.name_scope(name or "MatMul") as scope:
        a = convert_to_tensor(a, name="a")
        b = convert_to_tensor(b, dtype=a.dtype, name="b")
        op = Operation(graph, scope[:-1])
    if len(a.shape) != 2 or len(b.shape) != 2:
        raise SizeError(f"tf.matmul was given shapes {a.shape} and {b.shape}: give it two matrices; tf.reshape makes one of more dimensions")
    merge(a.shape[1], b.shape[0], f"tf.matmul of {a.shape} and {b.shape}")
    return op.computed(a.dtype, (a.shape[0], b.shape[1]), [a, b], lambda m, n: arithmetic.accumulate(None, m, n))


def reshape(tensor, shape: Sequence[int], name: str | None = None) -> Tensor:
    """The same numbers in another shape.

    Args:
        tensor: The numbers.
        shape: Whole numbers; one may be -1.
    """
    tensor = convert_to_tensor(tensor, name="tensor")
    sizes = [int(n) for n in np.atleast_1d(shape)]
    static = [None if n == -1 else n for n in sizes]
    if -1 in sizes and tensor.shape.is_fully_defined():
        static[sizes.index(-1)] = int(np.prod(tensor.shape)) // max(1, int(np.prod([n for n in sizes if n != -1])))
    return get_default_graph().computed(f"{name or 'Reshape'}(shape)", tensor.dtype, static, [tensor], lambda v: v.reshape(sizes))


def transpose(a, perm: Sequence[int] | None = None, name: str | None = None) -> Tensor:
    """The dimensions in another order; without one, back to front."""
    a = convert_to_tensor(a, name="a")
    perm = [int(p) for p in (reversed(range(len(a.shape))) if perm is None else perm)]
    shape = [a.shape[p] for p in perm]
    return get_default_graph().computed(f"{name or 'transpose'}(perm)", a.dtype, shape, [a], lambda v: v.permute(perm))


def _axes(axis, rank: int) -> list[int]:
    return sorted(int(i) % rank for i in (range(rank) if axis is None else np.atleast_1d(axis)))


def _reduction(default_name: str, function: Callable):
    def reduce(input_tensor, axis=None, keepdims: bool = False, name: str | None = None) -> Tensor:
        if not isinstance(input_tensor, Value):
            raise InputError(f"tf.{reduce.__name__} was given {type(input_tensor).__name__}: give it a tensor, tf.constant(...) or tf.stack(...)")
        x = convert_to_tensor(input_tensor)
        axes = _axes(axis, len(x.shape))
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


reduce_sum = _reduction("Sum", torch.sum)
reduce_mean = _reduction("Mean", torch.mean)


def concat(values: Sequence, axis: int, name: str | None = None) -> Tensor:
    """Tensors joined end to end along a dimension."""
    tensors = [convert_to_tensor(v) for v in values]
    rank = len(tensors[0].shape)
    shape = list(tensors[0].shape)
    for t in tensors[1:]:
        shape = [merge(m, n, "tf.concat") if i != axis % rank else None for i, (m, n) in enumerate(zip(shape, t.shape))]
    along = [t.shape[axis] for t in tensors]
    shape[axis] = None if None in along else sum(along)
    return get_default_graph().computed(f"{name or 'concat'}(axis)", tensors[0].dtype, shape, tensors, lambda *v: torch.cat(v, axis))


def stack(values: Sequence, axis: int = 0, name: str | None = None) -> Tensor:
    """Tensors of one shape, along a new dimension."""
    tensors = [convert_to_tensor(v) for v in values]
    shape = list(tensors[0].shape)
    shape.insert(axis % (len(shape) + 1), len(tensors))
    return get_default_graph().computed(name or "stack", tensors[0].dtype, shape, tensors, lambda *v: torch.stack(v, axis))


def unstack(value, axis: int = 0, name: str | None = None) -> list[Tensor]:
    """The parts of a tensor along a dimension, whose size must be known."""
    value = convert_to_tensor(value, name="value")
    count = value.shape[axis]
    if count is None:
        raise SizeError(f"tf.unstack of {value} along {axis}: that size is not known; give the placeholder a number there")
    shape = list(value.shape)
    del shape[axis]
    op = get_default_graph().record(name or "unstack").last
    computation = Computation([value], lambda run, v: v.unbind(axis))
    return [Tensor(op, value.dtype, shape, computation, i) for i in range(count)]


def expand_dims(input, axis: int, name: str | None = None) -> Tensor:  # noqa: A002
    """The same numbers with a dimension of 1 put in."""
    x = convert_to_tensor(input, name="input")
    shape = list(x.shape)
    shape.insert(axis % (len(shape) + 1), 1)
    return get_default_graph().computed(f"{name or 'ExpandDims'}(dim)", x.dtype, shape, [x], lambda v: v.unsqueeze(axis))


def squeeze(input, axis=None, name: str | None = None) -> Tensor:  # noqa: A002
    """The same numbers with dimensions of 1 taken out."""
    x = convert_to_tensor(input, name="input")
    axes = [i for i, n in enumerate(x.shape) if n == 1] if axis is None else _axes(axis, len(x.shape))
    shape = [n for i, n in enumerate(x.shape) if i not in axes]
    return get_default_graph().computed(name or "Squeeze", x.dtype, shape, [x], lambda v: v.squeeze(axes))


def shape(input, name: str | None = None) -> Tensor:  # noqa: A002
    """The sizes of a tensor, as int32."""
    x = convert_to_tensor(input, name="input")
    return get_default_graph().computed(
        name or "Shape", as_dtype("int32"), (len(x.shape),), [x], lambda v: torch.tensor(v.shape, dtype=torch.int32)
    )


def argmax(input, axis: int = 0, name: str | None = None) -> Tensor:  # noqa: A002
    """Where the largest number along a dimension is."""
    x = convert_to_tensor(input, name="input")
    sizes = [n for i, n in enumerate(x.shape) if i != axis % len(x.shape)]
    return get_default_graph().computed(f"{name or 'ArgMax'}(dimension)", as_dtype("int64"), sizes, [x], lambda v: v.argmax(axis))


def _getitem(x, index) -> Tensor:
    x = convert_to_tensor(x)
    parts = index if isinstance(index, tuple) else (index,)
    if not all(p is None or p is Ellipsis or isinstance(p, (int, slice)) for p in parts):
        raise InputError(f"{x} was indexed with {index!r}: use whole numbers, slices, ... and None")
    # Unknown sizes are found by asking for the shape with two different ones.
    small, large = (np.broadcast_to(np.int8(0), [n or stand for n in x.shape])[index].shape for stand in (1009, 2003))
    sizes = [m if m == n else None for m, n in zip(small, large)]
    return get_default_graph().computed("strided_slice(stack stack_1 stack_2)", x.dtype, sizes, [x], lambda v: v[index])


_OPERATORS = {
    "__add__": lambda x, y: _binary("add", x, y, torch.add),
    "__radd__": lambda y, x: _binary("add", x, y, torch.add),
    "__sub__": lambda x, y: _binary("sub", x, y, torch.sub),
    "__rsub__": lambda y, x: _binary("sub", x, y, torch.sub),
    "__mul__": lambda x, y: _binary("mul", x, y, torch.mul),
    "__rmul__": lambda y, x: _binary("mul", x, y, torch.mul),
    "__truediv__": lambda x, y: _binary("truediv", x, y, torch.div),
    "__rtruediv__": lambda y, x: _binary("truediv", x, y, torch.div),
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
