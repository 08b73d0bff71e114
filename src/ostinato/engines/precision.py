"""Private: products of bfloat16 numbers, added up in float32: what `precision="bfloat16"` means, by
torch operations.

The factors of every product with a matrix are rounded, in the gradients too, and all else stays
float32: sums, pointwise work, states, parameters. A product of two bfloat16 numbers is exact in
float32.
"""

from collections.abc import Callable

import torch
from torch import Tensor

from ..errors import EngineError, InputError

PRECISIONS = ("float32", "bfloat16")


def is_narrow(precision: str | None, dtype: torch.dtype) -> bool:
    """Whether products are of bfloat16 numbers.

    Raises:
        EngineError: The precision is unknown.
        InputError: The numbers to be rounded are not float32.
    """
    if precision not in (None, *PRECISIONS):
        raise EngineError(
            f"precision={precision!r}: the precisions are {', '.join(PRECISIONS)}; None is float32 "
            f"for a float32 layer"
        )
    if precision is None:
        return False
    if dtype is not torch.float32:
        raise InputError(
            f"precision={precision!r} with a layer of {dtype}: it is for float32 layers; write "
            f"layer.float(), or leave precision out"
        )
    return precision == "bfloat16"


def rounded(x: Tensor) -> Tensor:
    """The nearest bfloat16 numbers, in the dtype given."""
    return x.to(torch.bfloat16).to(x.dtype)


class _RoundedProduct(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x, matrix):
        return rounded(x) @ rounded(matrix)

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx, d):
        x, matrix = ctx.saved_tensors
        d_x = _RoundedProduct.apply(d, matrix.T) if ctx.needs_input_grad[0] else None
        d_matrix = (
            _RoundedProduct.apply(x.flatten(0, -2).T, d.flatten(0, -2))
            if ctx.needs_input_grad[1]
            else None
        )
        return d_x, d_matrix


def product(x: Tensor, matrix: Tensor) -> Tensor:
    """x @ matrix with the factors rounded, as are those of its gradients."""
    return (
        _RoundedProduct.apply(x, matrix)
        if x.dim() > 1
        else _RoundedProduct.apply(x[None], matrix)[0]
    )


# To put in place of the reference engine's.
MATHS: dict[str, Callable] = {"product": product}
