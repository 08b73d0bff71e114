"""Private: checks of values in a run (tf.Assert, tf.assert_equal ...), tf.Print and tf.py_func."""

import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.constant import as_array, constant_value
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DType, as_dtype
from ..core.errors import InvalidArgumentError
from ..core.graph import get_default_graph
from ..core.registry import define, gradient, not_differentiable
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from ..ops import arrays, math
from .control_flow import cond
from .flow_ops import no_op

__all__ = [
    "Assert",
    "Print",
    "as_string",
    "assert_equal",
    "assert_greater",
    "assert_greater_equal",
    "assert_integer",
    "assert_less",
    "assert_less_equal",
    "assert_negative",
    "assert_non_negative",
    "assert_positive",
    "assert_rank",
    "assert_rank_at_least",
    "assert_type",
    "py_func",
    "string_join",
]

# Names and arguments are TensorFlow's.
# ruff: noqa: N802

_SHOWN = 3  # elements of a tensor in a message


def _text(value: Any, count: int) -> str:
    array = np.asarray(value)
    if array.dtype == object:
        shown = [v.decode(errors="replace") if isinstance(v, bytes) else str(v) for v in array.flat]
        return shown[0] if array.ndim == 0 else f"[{' '.join(shown[:count])}]"
    if array.ndim == 0:
        return str(array[()])
    flat = [str(v) for v in array.ravel()[:count]]
    return f"[{' '.join(flat)}{'...' if array.size > count else ''}]"


def _assert(op: Operation, condition: Any, *data: Any) -> tuple:
    if not np.all(condition):
        shown = op.attrs["summarize"] or _SHOWN
        values = " ".join(f"[{_text(v, shown)}]" for v in data)
        raise InvalidArgumentError(None, op, f"assertion failed: {values} (in {op.name})")
    return ()


define("Assert", lambda op: [], lambda run, op, *values: _assert(op, *values), stateful=True)
not_differentiable("Assert")


def Assert(
    condition: Any, data: Sequence[Any], summarize: int | None = None, name: str | None = None
) -> Operation:
    """An operation that fails in a run where a condition is false.

    Args:
        condition: A bool tensor.
        data: Tensors to show in the error.
        summarize: The number of elements of each that are shown.
        name: The name scope.
    """
    with get_default_graph().name_scope(name or "Assert"):
        tensors = [convert_to_tensor(v) for v in data]
        condition = convert_to_tensor(condition, name="Condition")

        def check() -> Operation:
            attrs = {"summarize": summarize}
            inputs = {"condition": condition, "data*": list(data)}
            return apply("Assert", inputs, name="Assert", attrs=attrs)

        if all(t.dtype.base_dtype.name in ("string", "int32") for t in tensors):
            return check()
        return cond(condition, no_op, check, name="AssertGuard").op


def _check_now(holds: Any, data: Sequence[Any]) -> None:
    if not np.all(holds):
        shown = [str(d.name if isinstance(d, Tensor) else d) for d in data]
        raise InvalidArgumentError(f"assertion failed before the run: {' '.join(shown).strip()}")


def _comparison(name: str, sign: str, compare: Callable, static: Callable) -> Callable:
    def check(
        x: Any,
        y: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with get_default_graph().name_scope(name or check.__name__):
            x = convert_to_tensor(x, name="x")
            y = convert_to_tensor(y, dtype=x.dtype.base_dtype, name="y")
            if data is None:
                data = [
                    message or "",
                    f"Condition x {sign} y did not hold element-wise:",
                    f"x ({x.name}) = ",
                    x,
                    f"y ({y.name}) = ",
                    y,
                ]
            condition = math.reduce_all(compare(x, y))
            a, b = constant_value(x), constant_value(y)
            if a is not None and b is not None:
                _check_now(static(a, b), data)
            return Assert(condition, data, summarize=summarize)

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"""An operation that fails in a run unless x {sign} y for each element.

    Args:
        x, y: Tensors that can be broadcast.
        data: Tensors to show in the error; None for x and y.
        summarize: The number of elements of each that are shown.
        message: A text for the error.
        name: The name scope.

    Raises:
        InvalidArgumentError: Both are known before the run, and it does not hold.
    """
    return check


assert_equal = _comparison("assert_equal", "==", math.equal, np.equal)
assert_less = _comparison("assert_less", "<", math.less, np.less)
assert_less_equal = _comparison("assert_less_equal", "<=", math.less_equal, np.less_equal)
assert_greater = _comparison("assert_greater", ">", math.greater, np.greater)
assert_greater_equal = _comparison(
    "assert_greater_equal", ">=", math.greater_equal, np.greater_equal
)


def _with_zero(name: str, sign: str, compare: Callable) -> Callable:
    def check(
        x: Any,
        data: Sequence[Any] | None = None,
        summarize: int | None = None,
        message: str | None = None,
        name: str | None = None,
    ) -> Operation:
        with get_default_graph().name_scope(name or check.__name__):
            x = convert_to_tensor(x, name="x")
            if data is None:
                text = f"Condition x {sign} 0 did not hold element-wise:"
                data = [message or "", text, f"x ({x.name}) = ", x]
            zero = convert_to_tensor(0, dtype=x.dtype.base_dtype)
            return compare(zero, x, data, summarize)

    check.__name__ = check.__qualname__ = name
    check.__doc__ = f"""An operation that fails in a run unless x {sign} 0 for each element.

    Args:
        x, data, summarize, message, name: See `assert_equal`.
    """
    return check


assert_positive = _with_zero(
    "assert_positive", ">", lambda zero, x, data, n: assert_less(zero, x, data=data, summarize=n)
)
assert_non_negative = _with_zero(
    "assert_non_negative",
    ">=",
    lambda zero, x, data, n: assert_less_equal(zero, x, data=data, summarize=n),
)
assert_negative = _with_zero(
    "assert_negative", "<", lambda zero, x, data, n: assert_less(x, zero, data=data, summarize=n)
)


def _checked_rank(
    x: Any, rank: Any, shown: tuple, name: str | None, default: str, holds: Callable
) -> Operation:
    data, summarize, message = shown
    with get_default_graph().name_scope(name or default):
        x, rank = convert_to_tensor(x, name="x"), convert_to_tensor(rank, name="rank")
        wanted, found = constant_value(rank), x.shape.ndims
        if wanted is None or found is None:
            if data is None:
                data = [f"{message or ''}{x.name} has another rank: ", rank]
            return Assert(holds(arrays.rank(x), rank), data, summarize=summarize)
        if not holds(found, int(wanted)):
            raise InputError(
                f"{message or ''}{x.name} has rank {found} where {int(wanted)} is expected "
                f"({default}): the shape is {x.shape}"
            )
        return no_op(name="static_checks_determined_all_ok")


def assert_rank(
    x: Any,
    rank: Any,
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Check that a tensor has a number of dimensions.

    Args:
        x: The tensor.
        rank: The number of dimensions.
        data, summarize, message, name: See `assert_equal`.

    Raises:
        InputError: It has another number.
    """

    def holds(a: Any, b: Any) -> Any:
        return math.equal(a, b) if _any(a, b) else a == b

    return _checked_rank(x, rank, (data, summarize, message), name, "assert_rank", holds)


def assert_rank_at_least(
    x: Any,
    rank: Any,
    data: Sequence[Any] | None = None,
    summarize: int | None = None,
    message: str | None = None,
    name: str | None = None,
) -> Operation:
    """Check that a tensor has a number of dimensions, or more; see `assert_rank`.

    Raises:
        InputError: It has fewer.
    """
    shown = (data, summarize, message)
    return _checked_rank(x, rank, shown, name, "assert_rank_at_least", lambda a, b: a >= b)


def _any(*values: Any) -> bool:
    return any(isinstance(v, Tensor) for v in values)


def assert_integer(x: Any, message: str | None = None, name: str | None = None) -> Operation:
    """Check that a tensor has a dtype of whole numbers.

    Raises:
        InputError: It has another dtype.
    """
    with get_default_graph().name_scope(name or "assert_integer"):
        x = convert_to_tensor(x, name="x")
        if not x.dtype.is_integer:
            raise InputError(
                f'{message or ""}Expected "x" to be integer type. Found: {x.dtype} ({x.name})'
            )
        return no_op("statically_determined_was_integer")


def assert_type(
    tensor: Any, tf_type: Any, message: str | None = None, name: str | None = None
) -> Operation:
    """Check that a tensor has a dtype.

    Raises:
        InputError: It has another dtype.
    """
    with get_default_graph().name_scope(name or "assert_type"):
        tensor = convert_to_tensor(tensor, name="tensor")
        if tensor.dtype.base_dtype != as_dtype(tf_type):
            raise InputError(f"{message or ''}{tensor.name} must be of type {tf_type!r}")
        return no_op("statically_determined_correct_type")


def _print(run: Any, op: Operation, value: Any, *data: Any) -> Any:
    kept = run.session.resources
    count = kept[op] = kept.get(op, 0) + 1
    if op.attrs["first_n"] < 0 or count <= op.attrs["first_n"]:
        shown = op.attrs["summarize"] or _SHOWN
        parts = "".join(f"[{_text(v, shown).strip('[]')}]" for v in data)
        print(f"{op.attrs['message']}{parts}", file=sys.stderr)
    return value


define(
    "Print", lambda op: [(op.inputs[0].dtype.base_dtype, op.inputs[0].shape)], _print, stateful=True
)


@gradient("Print")
def _print_gradient(op: Operation, grad: Any) -> list:
    return [grad, *[None] * (len(op.inputs) - 1)]


def Print(
    input_: Any,
    data: Sequence[Any],
    message: str | None = None,
    first_n: int | None = None,
    summarize: int | None = None,
    name: str | None = None,
) -> Tensor:
    """The same value; a run prints tensors to the standard error.

    Args:
        input_: The value.
        data: The tensors.
        message: A text before them.
        first_n: The number of runs that print; None for all.
        summarize: The number of elements of each tensor that are printed.
        name: The name of the operation.
    """
    attrs = {
        "message": message or "",
        "first_n": -1 if first_n is None else first_n,
        "summarize": summarize,
    }
    inputs = {"input": input_, "data*": list(data)}
    return apply("Print", inputs, name=name, attrs=attrs).outputs[0]


def _call(op: Operation, *values: Any) -> tuple:
    result = op.attrs["function"](*values)
    results = result if isinstance(result, (list, tuple)) else [result]
    if not op.outputs:
        return ()
    if len(results) != len(op.outputs):
        raise InvalidArgumentError(
            None,
            op,
            f"{op.name}: the function returned {len(results)} value(s), Tout has "
            f"{len(op.outputs)}: return one for each dtype of Tout",
        )
    return tuple(as_array(v, t.dtype) for v, t in zip(results, op.outputs))


def _call_outputs(op: Operation) -> list[tuple[DType, TensorShape]]:
    return [(t, TensorShape(None)) for t in op.attrs["Tout"]]


define("PyFunc", _call_outputs, lambda run, op, *values: _call(op, *values), stateful=True)
define("PyFuncStateless", _call_outputs, _call)
not_differentiable("PyFunc", "PyFuncStateless")


def py_func(
    func: Callable, inp: Sequence[Any], Tout: Any, stateful: bool = True, name: str | None = None
) -> Any:
    """The result of a Python function of NumPy arrays.

    Args:
        func: Takes the values of `inp` and returns an array, or several.
        inp: Tensors.
        Tout: The dtype of the result, or a list of dtypes.
        stateful: Whether the function may return another value each time.
        name: The name of the operation.
    """
    several = isinstance(Tout, (list, tuple))
    kinds = [as_dtype(t) for t in (Tout if several else [Tout])]
    attrs = {"function": func, "Tout": kinds}
    kind = "PyFunc" if stateful else "PyFuncStateless"
    op = apply(kind, {"input*": list(inp)}, name=name, attrs=attrs)
    return list(op.outputs) if several else op.outputs[0] if op.outputs else op


def _as_string(op: Operation, value: Any) -> np.ndarray:
    array = np.asarray(value)
    places = op.attrs["precision"]
    found = np.empty(array.shape, object)
    for i, v in np.ndenumerate(array):
        if array.dtype.kind == "b":
            text = "true" if v else "false"
        elif array.dtype.kind == "f":
            text = f"{v:.{6 if places < 0 else places}f}"
        else:
            text = str(v)
        found[i] = text.encode()
    return found


define("AsString", lambda op: [(DTYPES["string"], op.inputs[0].shape)], _as_string)
not_differentiable("AsString")


def as_string(input: Any, precision: int = -1, name: str | None = None) -> Tensor:  # noqa: A002
    """Numbers as texts.

    Args:
        input: The numbers.
        precision: The number of decimal places; -1 for 6.
        name: The name of the operation.
    """
    attrs = {"precision": precision}
    return apply("AsString", {"input": input}, name=name, attrs=attrs).outputs[0]


def _join(op: Operation, *values: Any) -> np.ndarray:
    separator = op.attrs["separator"].encode()
    arrays = np.broadcast_arrays(*[np.asarray(v, object) for v in values])
    found = np.empty(arrays[0].shape, object)
    for i in np.ndindex(found.shape):
        found[i] = separator.join(a[i] for a in arrays)
    return found


def _join_outputs(op: Operation) -> list[tuple[DType, TensorShape]]:
    shapes = [t.shape for t in op.inputs if t.shape.ndims != 0]
    return [(DTYPES["string"], shapes[0] if shapes else TensorShape([]))]


define("StringJoin", _join_outputs, _join)
not_differentiable("StringJoin")


def string_join(inputs: Sequence[Any], separator: str = "", name: str | None = None) -> Tensor:
    """Texts joined, element by element.

    Args:
        inputs: Tensors of texts.
        separator: The text between them.
        name: The name of the operation.
    """
    attrs = {"separator": separator}
    return apply("StringJoin", {"inputs*": list(inputs)}, name=name, attrs=attrs).outputs[0]
