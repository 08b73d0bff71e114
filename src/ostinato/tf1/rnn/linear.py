"""Private: matrix products with variables of their own, in cells that are not layers."""

from collections.abc import Sequence
from typing import Any

from ...errors import SizeError
from ..core.constant import constant
from ..core.tensors import Tensor
from ..initializers import constant_initializer
from ..ops import arrays, math, nn
from ..state import scopes

__all__ = ["Linear", "linear"]


def _inputs(args: Any) -> tuple[list[Tensor], int]:
    """The inputs as a list, and the sum of their sizes."""
    given = list(args) if isinstance(args, (list, tuple)) else [args]
    if not given:
        raise SizeError("a matrix product was given no inputs: give it one or more, (batch, size)")
    for x in given:
        if x.shape.ndims != 2 or x.shape[1].value is None:
            raise SizeError(
                f"a matrix product was given an input of shape {x.shape}: give it two dimensions, "
                "(batch, size), the size known"
            )
    return given, sum(x.shape[1].value for x in given)


def _bias(size: int, dtype: Any, initializer: Any, outer: Any) -> Any:
    with scopes.variable_scope(outer) as inner:
        inner.set_partitioner(None)
        if initializer is None:
            initializer = constant_initializer(0.0, dtype=dtype)
        return scopes.get_variable("bias", [size], dtype=dtype, initializer=initializer)


class Linear:
    """A matrix product of inputs, joined to one, with variables that are made at once.

    Args:
        args: A tensor (B, size), or a list of them.
        output_size: The size of the result.
        build_bias: Whether there is a bias.
        bias_initializer, kernel_initializer: The initializers; None for 0, and for the scope's.
    """

    def __init__(
        self,
        args: Any,
        output_size: int,
        build_bias: bool,
        bias_initializer: Any = None,
        kernel_initializer: Any = None,
    ):
        given, size = _inputs(args)
        dtype = given[0].dtype.base_dtype
        with scopes.variable_scope(scopes.get_variable_scope()) as outer:
            self._weights = scopes.get_variable(
                "kernel", [size, output_size], dtype=dtype, initializer=kernel_initializer
            )
            self._biases = None
            if build_bias:
                self._biases = _bias(output_size, dtype, bias_initializer, outer)

    def __call__(self, args: Tensor | Sequence[Tensor]) -> Tensor:
        """The product.

        Args:
            args: A tensor (B, size), or a list of them.
        """
        given = list(args) if isinstance(args, (list, tuple)) else [args]
        if len(given) == 1:
            result = math.matmul(given[0], self._weights)
        else:
            one = constant(1, dtype="int32")
            result = math.matmul(arrays.concat(given, one), self._weights)
        return result if self._biases is None else nn.bias_add(result, self._biases)


def linear(
    args: Any,
    output_size: int,
    bias: bool,
    bias_initializer: Any = None,
    kernel_initializer: Any = None,
) -> Tensor:
    """A matrix product of inputs, joined to one, with variables of the current scope.

    Args:
        args: A tensor (B, size), or a list of them.
        output_size: The size of the result.
        bias: Whether there is a bias.
        bias_initializer, kernel_initializer: The initializers; None for 0, and for the scope's.
    """
    given, size = _inputs(args)
    dtype = given[0].dtype.base_dtype
    with scopes.variable_scope(scopes.get_variable_scope()) as outer:
        weights = scopes.get_variable(
            "kernel", [size, output_size], dtype=dtype, initializer=kernel_initializer
        )
        joined = given[0] if len(given) == 1 else arrays.concat(given, 1)
        result = math.matmul(joined, weights)
        if not bias:
            return result
        return nn.bias_add(result, _bias(output_size, dtype, bias_initializer, outer))


# Programs call it by this name of TensorFlow.
_linear = linear
