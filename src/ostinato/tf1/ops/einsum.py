"""Private: sums of products that an equation describes (tf.einsum)."""

import functools
import operator
import re
from typing import Any

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.tensors import Tensor, TensorLike
from . import arithmetic, products, reductions, reshaping, shapes

__all__ = ["einsum"]

_EQUATION = re.compile(r"^([a-zA-Z,]+)(->[a-zA-Z]*)?$")


def einsum(equation: str, *inputs: TensorLike, name: str | None = None) -> Tensor:
    """A sum of products of tensors.

    Args:
        equation: The letters of each tensor's dimensions and, after "->", those of the result,
            such as "ij,jk->ik". Letters that the result does not have are summed over.
        inputs: The tensors.
        name: The name of the operations' scope.

    Raises:
        InputError: The equation is not supported, or does not fit the tensors.
    """
    match = _EQUATION.match(equation.replace(" ", ""))
    if not match:
        raise InputError(
            f"tf.einsum was given the equation {equation!r}: Indices have incorrect format; write "
            "letters, commas and ->, such as 'ij,jk->ik'"
        )
    with name_scope(name, "einsum"):
        labels = match.group(1).split(",")
        letters = "".join(labels)
        if len(labels) != len(inputs):
            raise InputError(
                f"tf.einsum({equation!r}) needs {len(labels)} tensors and was given {len(inputs)}"
            )
        if match.group(2):
            wanted = match.group(2)[2:]
        else:
            wanted = "".join(sorted(a for a in set(letters) if letters.count(a) == 1))
        if (
            len(labels) == 1
            and not match.group(2)
            and len(letters) == 2 == letters.count(letters[0])
        ):
            return reductions.trace(inputs[0])
        _check(equation, labels, wanted)
        tensors = [convert_to_tensor(x) for x in inputs]
        for x, axes in zip(tensors, labels):
            if x.shape.ndims != len(axes):
                raise InputError(
                    f"tf.einsum({equation!r}): {x} does not have the {len(axes)} dimension(s) "
                    f"{axes!r}"
                )
        result, left = tensors[0], labels[0]
        for x, axes in zip(tensors[1:], labels[1:]):
            summed = set(left) & set(axes) - set(wanted)
            result, left = _pair((result, left), (x, axes), summed)
        over = [i for i, a in enumerate(left) if a not in wanted]
        if over:
            result = reductions.reduce_sum(result, axis=over)
            left = "".join(a for a in left if a in wanted)
        if sorted(left) != sorted(wanted):
            raise InputError(f"tf.einsum: Invalid equation: {equation!r}")
        return reshaping.transpose(result, perm=[left.index(a) for a in wanted])


def _check(equation: str, labels: list[str], wanted: str) -> None:
    for axes in labels:
        if len(set(axes)) != len(axes):
            raise InputError(
                f"tf.einsum({equation!r}): Subscript not supported: an axis appears more than "
                f"once: {axes}"
            )
    for a in set("".join(labels)) - set(wanted):
        if sum(a in axes for axes in labels) > 2:
            raise InputError(
                f"tf.einsum({equation!r}) sums over {a!r} in more than two tensors: multiply two "
                "tensors at a time"
            )


def _pair(
    first: tuple[Tensor, str], second: tuple[Tensor, str], summed: set[str]
) -> tuple[Tensor, str]:
    """The sum of products of two tensors.

    Args:
        first, second: The tensors, each with the letters of its dimensions.
        summed: The letters that are summed over.

    Returns:
        The result and the letters of its dimensions.
    """
    (x, of_x), (y, of_y) = first, second
    shared = (set(of_x) & set(of_y)) - summed
    # The shared dimensions are the first ones; those summed over are the last of x and, after
    # the shared ones, the first of y.
    of_x = "".join(sorted(of_x, key=lambda a: (-1 if a in shared else int(a in summed), a)))
    of_y = "".join(sorted(of_y, key=lambda a: (-1 if a in shared else int(a not in summed), a)))
    x = reshaping.transpose(x, perm=[first[1].index(a) for a in of_x])
    y = reshaping.transpose(y, perm=[second[1].index(a) for a in of_y])
    same, count = len(shared), len(summed)
    only_x, only_y = len(of_x) - same - count, len(of_y) - same - count
    letters = of_x[: same + only_x] + of_y[same + count :]
    if not summed:
        for _ in range(only_y):
            x = reshaping.expand_dims(x, -1)
        for _ in range(only_x):
            y = reshaping.expand_dims(y, same)
        return arithmetic.multiply(x, y), letters
    sizes_x, middle = _sizes(x), same + only_x
    outer_x, inner = _product(sizes_x[same:middle]), _product(sizes_x[middle:])
    x = _reshaped(x, [*sizes_x[:same], outer_x, inner])
    sizes_y = _sizes(y)
    outer_y = _product(sizes_y[same + count :])
    y = _reshaped(y, [*sizes_y[:same], inner, outer_y])
    product = products.matmul(x, y)
    return _reshaped(product, sizes_x[:middle] + sizes_y[same + count :]), letters


def _sizes(x: Tensor) -> list:
    """The sizes as numbers where they are known, else as tensors."""
    sizes: list[Any] = x.shape.as_list()
    if None in sizes:
        shape = shapes.shape(x)
        sizes = [shape[i] if n is None else n for i, n in enumerate(sizes)]
    return sizes


def _product(sizes: list) -> Any:
    return functools.reduce(operator.mul, sizes, 1)


def _reshaped(x: Tensor, sizes: list) -> Tensor:
    now = x.shape.as_list()
    if len(now) == len(sizes) and all(
        not isinstance(n, Tensor) and m == n for m, n in zip(now, sizes)
    ):
        return x
    return reshaping.reshape(x, sizes)
