"""Private: several branches: tf.case."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from ...errors import ArgumentTypeError
from ..core.constant import constant
from ..core.dtypes import DTYPES
from ..core.graph import control_dependencies, name_scope
from ..core.tensors import Tensor
from ..ops import arrays, math
from .checks import Assert
from .control_flow import cond

__all__ = ["case"]


def case(
    pred_fn_pairs: Any,
    default: Callable | None = None,
    exclusive: bool = False,
    strict: bool = False,
    name: str = "case",
) -> Any:
    """The result of the first function whose condition holds.

    Args:
        pred_fn_pairs: Pairs of a bool tensor () and a function without arguments, or a dict.
        default: The function for the case that no condition holds; None: one of them must hold.
        exclusive: Whether to check in a run that at most one condition holds.
        strict: Whether a list of one result stays a list.
        name: The name of the operation.
    """
    if isinstance(pred_fn_pairs, Mapping):
        ordered = type(pred_fn_pairs) is not dict
        pairs = list(pred_fn_pairs.items())
        pred_fn_pairs = pairs if ordered else sorted(pairs, key=lambda pair: pair[0].name)
    for pair in pred_fn_pairs:
        fits = isinstance(pair, (list, tuple)) and len(pair) == 2
        if not fits or not isinstance(pair[0], Tensor) or pair[0].dtype != DTYPES["bool"]:
            raise ArgumentTypeError(
                f"tf.case was given {pair!r}: give pairs (pred, function), where pred is a bool "
                "tensor"
            )
        if not callable(pair[1]):
            raise ArgumentTypeError(
                f"fn for pred {pair[0].name} must be callable, not {pair[1]!r}: give a function"
            )
    predicates, actions = [list(part) for part in zip(*pred_fn_pairs)]
    with name_scope(name, "case"):
        checked = list(predicates)
        if default is None:
            default = _last_action(list(predicates), actions[-1])
            predicates, actions = predicates[:-1], actions[:-1]
            checked = list(predicates)
        function = default
        for predicate, action in zip(reversed(predicates), reversed(actions)):
            function = partial(cond, predicate, true_fn=action, false_fn=function, strict=strict)
        if not exclusive:
            return function()
        with control_dependencies([_assert_at_most(checked, 1, "Input error: exclusive=True")]):
            return function()


def _assert_at_most(predicates: list, count: int, message: str) -> Any:
    stacked = arrays.stack(predicates, name="preds_c")
    number = math.reduce_sum(math.cast(stacked, DTYPES["int32"]), name="num_true_conds")
    condition = math.less_equal(number, constant(count, name="n_true_conds"))
    names = ", ".join(p.name for p in predicates)
    text = f"{message}: more than {count} conditions ({names}) evaluated as True:"
    return Assert(condition, data=[text, stacked], summarize=len(predicates))


def _last_action(predicates: list, action: Callable) -> Callable:
    """The last function, with a check that its condition is the one that holds."""

    def checked() -> Any:
        others = (
            f"Implementation error: selected default action #{len(predicates) - 1} was called, but "
            "some of other predicates are True: "
        )
        none = "Input error: None of conditions evaluated as True:"
        data = [none, arrays.stack(predicates, name="preds_c")]
        with control_dependencies(
            [_assert_at_most(predicates[:-1], 0, others), Assert(predicates[-1], data=data)]
        ):
            return action()

    return checked
