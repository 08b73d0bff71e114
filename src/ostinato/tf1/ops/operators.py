"""Private: the operators of Python on tensors and variables, such as `x + y`."""

from collections.abc import Callable
from typing import Any

from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.tensors import IndexedSlices, Operand, Tensor
from . import arithmetic, comparisons, elementwise, products

__all__: list[str] = []


def _left(name: str, function: Callable) -> Callable:
    def operator(x: Any, y: Any) -> Tensor:
        # A variable is read before the scope is opened.
        x = convert_to_tensor(x)
        with name_scope(None, name) as scope:
            if not isinstance(y, Tensor):
                y = convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
            return function(x, y, name=scope)

    operator.__doc__ = function.__doc__
    return operator


def _right(name: str, function: Callable) -> Callable:
    def operator(y: Any, x: Any) -> Tensor:
        y = convert_to_tensor(y)
        with name_scope(None, name) as scope:
            x = convert_to_tensor(x, dtype=y.dtype.base_dtype, name="x")
            return function(x, y, name=scope)

    operator.__doc__ = function.__doc__
    return operator


def _direct(function: Callable) -> Callable:
    def operator(x: Any, *others: Any) -> Tensor:
        return function(convert_to_tensor(x), *others)

    operator.__doc__ = function.__doc__
    return operator


def _negate(x: Any) -> Any:
    """-x, element by element."""
    if isinstance(x, IndexedSlices):
        return IndexedSlices(-x.values, x.indices, x.dense_shape)
    return elementwise.negative(convert_to_tensor(x))


_BINARY: dict[str, Callable] = {
    "add": arithmetic.add,
    "sub": arithmetic.subtract,
    "mul": arithmetic.multiply,
    "truediv": arithmetic.truediv,
    "floordiv": arithmetic.floordiv,
    "mod": arithmetic.floormod,
    "pow": arithmetic.pow,
    "and": comparisons.logical_and,
    "or": comparisons.logical_or,
    "xor": comparisons.logical_xor,
    "matmul": products.matmul,
}
for _name, _function in _BINARY.items():
    setattr(Operand, f"__{_name}__", _left(_name, _function))
    setattr(Operand, f"__r{_name}__", _right(_name, _function))
for _name, _function in {
    "abs": elementwise.abs,
    "invert": comparisons.logical_not,
    "lt": comparisons.less,
    "le": comparisons.less_equal,
    "gt": comparisons.greater,
    "ge": comparisons.greater_equal,
}.items():
    setattr(Operand, f"__{_name}__", _direct(_function))
Operand.__neg__ = _negate  # type: ignore[attr-defined]
