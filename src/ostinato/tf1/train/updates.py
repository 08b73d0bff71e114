"""Private: the operations of optimizers: what one step changes in a variable and its slots.

Each rule is a function of arrays that returns the new arrays. `Apply...` operations take the
gradient of every element; `SparseApply...` operations take those of some rows, and change only
these rows. The float32 arithmetic is TensorFlow's, in its order.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, SizeError
from ..core.conversion import apply
from ..core.dtypes import DTYPES
from ..core.errors import InvalidArgumentError
from ..core.registry import define, not_differentiable
from ..core.tensors import Operation, Tensor
from ..kernels import elementwise as kernels
from ..state.ops import Reference, rows_in
from ..state.variables import Variable

__all__ = ["Rule", "RULES", "apply_dense", "apply_sparse"]


class Rule:
    """How an optimizer updates.

    Attributes:
        type: The end of the names of its operations, such as "Adam".
        slots: The names of the variables that it changes, the trained one first.
        arguments: The names of the other inputs in order, "grad" among them; for rows, "indices"
            follows "grad".
        sparse_arguments: The same for the operation on rows; None for `arguments`.
        dense: Takes the operation and arrays of all inputs by name, and returns the new arrays of
            `slots`.
        sparse: The same for rows; None for an operation on dense gradients only.
    """

    def __init__(
        self,
        type: str,  # noqa: A002
        slots: str,
        arguments: str,
        dense: Callable[..., tuple],
        sparse: Callable[..., tuple] | None = None,
        sparse_arguments: str | None = None,
    ):
        self.type, self.slots = type, slots.split()
        self.arguments = arguments.split()
        self.sparse_arguments = (sparse_arguments or arguments).split()
        self.dense, self.sparse = dense, sparse


def _one(x: np.ndarray) -> Any:
    return x.dtype.type(1)


def _two(x: np.ndarray) -> Any:
    return x.dtype.type(2)


def _by_rows(function: Callable, exact: Callable) -> Callable:
    """A function whose registers begin with each row, as the operations on rows have it."""

    def compute(x: np.ndarray) -> np.ndarray:
        if x.dtype != np.float32:
            return exact(x)
        flat = x.reshape(len(x), -1)
        whole = flat.shape[1] // 8 * 8
        found = np.empty_like(flat)
        found[:, :whole] = function(np.ascontiguousarray(flat[:, :whole]))
        found[:, whole:] = exact(flat[:, whole:])
        return found.reshape(x.shape)

    return compute


def _exact_rsqrt(x: np.ndarray) -> np.ndarray:
    return _one(x) / np.sqrt(x)


_sqrt_rows = _by_rows(kernels.sqrt, np.sqrt)
_rsqrt_rows = _by_rows(kernels.rsqrt, _exact_rsqrt)


# The rules. `v` is the variable, `g` its gradient.


def _gradient_descent(op: Operation, var: Any, alpha: Any, delta: Any) -> tuple:
    return (var - delta * alpha,)


def _momentum(op: Operation, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> tuple:
    accum = accum * momentum + grad
    if op.attrs["use_nesterov"]:
        return var - (grad * lr + accum * momentum * lr), accum
    return var - accum * lr, accum


def _momentum_rows(op: Operation, var: Any, accum: Any, lr: Any, grad: Any, momentum: Any) -> tuple:
    accum = accum * momentum + grad
    if op.attrs["use_nesterov"]:
        return var - (lr * grad + lr * momentum * accum), accum
    return var - lr * accum, accum


def _adam(
    op: Operation,
    var: Any,
    m: Any,
    v: Any,
    beta1_power: Any,
    beta2_power: Any,
    lr: Any,
    beta1: Any,
    beta2: Any,
    epsilon: Any,
    grad: Any,
) -> tuple:
    one = _one(var)
    alpha = lr * np.sqrt(one - beta2_power) / (one - beta1_power)
    m = m + (grad - m) * (one - beta1)
    v = v + (grad * grad - v) * (one - beta2)
    step = grad * (one - beta1) + beta1 * m if op.attrs["use_nesterov"] else m
    return var - (step * alpha) / (kernels.sqrt(v) + epsilon), m, v


def _adagrad(op: Operation, var: Any, accum: Any, lr: Any, grad: Any) -> tuple:
    if op.attrs["update_slots"]:
        accum = accum + grad * grad
    return var - grad * lr * kernels.rsqrt(accum), accum


def _adagrad_rows(op: Operation, var: Any, accum: Any, lr: Any, grad: Any) -> tuple:
    if op.attrs["update_slots"]:
        accum = accum + grad * grad
    return var - lr * grad * _rsqrt_rows(accum), accum


def _adadelta(
    op: Operation,
    var: Any,
    accum: Any,
    accum_update: Any,
    lr: Any,
    rho: Any,
    epsilon: Any,
    grad: Any,
    sqrt: Callable = kernels.sqrt,
    rsqrt: Callable = kernels.rsqrt,
) -> tuple:
    rest = _one(var) - rho
    accum = accum * rho + grad * grad * rest
    update = sqrt(accum_update + epsilon) * rsqrt(accum + epsilon) * grad
    return var - update * lr, accum, accum_update * rho + update * update * rest


def _adadelta_rows(op: Operation, **given: Any) -> tuple:
    return _adadelta(op, **given, sqrt=_sqrt_rows, rsqrt=_rsqrt_rows)


def _rms_prop(
    op: Operation,
    var: Any,
    ms: Any,
    mom: Any,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
) -> tuple:
    ms = ms + (grad * grad - ms) * (_one(var) - rho)
    mom = mom * momentum + (grad * lr) / kernels.sqrt(ms + epsilon)
    return var - mom, ms, mom


def _rms_prop_rows(
    op: Operation,
    var: Any,
    ms: Any,
    mom: Any,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
) -> tuple:
    ms = ms * rho + grad * grad * (_one(var) - rho)
    mom = mom * momentum + _rsqrt_rows(ms + epsilon) * lr * grad
    return var - mom, ms, mom


def _centered_rms_prop(
    op: Operation,
    var: Any,
    mg: Any,
    ms: Any,
    mom: Any,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
) -> tuple:
    rest = _one(var) - rho
    ms = ms + (grad * grad - ms) * rest
    mg = mg + (grad - mg) * rest
    mom = mom * momentum + (grad * lr) / kernels.sqrt((ms - mg * mg) + epsilon)
    return var - mom, mg, ms, mom


def _centered_rms_prop_rows(
    op: Operation,
    var: Any,
    mg: Any,
    ms: Any,
    mom: Any,
    lr: Any,
    rho: Any,
    momentum: Any,
    epsilon: Any,
    grad: Any,
) -> tuple:
    rest = _one(var) - rho
    ms = ms * rho + grad * grad * rest
    mg = mg * rho + grad * rest
    mom = mom * momentum + _rsqrt_rows((ms + epsilon) - mg * mg) * lr * grad
    return var - mom, mg, ms, mom


def _power(x: Any, lr_power: Any, sqrt: Callable) -> Any:
    return sqrt(x) if lr_power == -0.5 else kernels.power(x, -lr_power)


def _ftrl(
    op: Operation,
    var: Any,
    accum: Any,
    linear: Any,
    grad: Any,
    lr: Any,
    l1: Any,
    l2: Any,
    lr_power: Any,
    l2_shrinkage: Any = None,
) -> tuple:
    slope = grad if l2_shrinkage is None else grad + _two(var) * l2_shrinkage * var
    new_accum = accum + grad * grad
    old, new = (_power(a, lr_power, kernels.sqrt) for a in (accum, new_accum))
    linear = linear + (slope - (new - old) / lr * var)
    above = l1 * np.sign(linear) - linear
    below = _power(new_accum, lr_power, np.sqrt) / lr + _two(var) * l2
    return np.where(np.abs(linear) > l1, above / below, var.dtype.type(0)), new_accum, linear


def _ftrl_rows(
    op: Operation,
    var: Any,
    accum: Any,
    linear: Any,
    grad: Any,
    lr: Any,
    l1: Any,
    l2: Any,
    lr_power: Any,
    l2_shrinkage: Any = None,
) -> tuple:
    slope = grad if l2_shrinkage is None else grad + _two(var) * l2_shrinkage * var
    new_accum = accum + grad * grad
    old, new = (_power(a, lr_power, _sqrt_rows) for a in (accum, new_accum))
    linear = linear + (slope - (new - old) / lr * var)
    above = np.maximum(np.minimum(linear, l1), -l1) - linear
    return above / (new / lr + _two(var) * l2), new_accum, linear


def _shrunk(var: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """The values after a step, moved towards 0 by the regularization."""
    shrinkage = _one(var) + l2 * rate
    if l1 > 0:
        return np.sign(var) * np.maximum(np.abs(var) - rate * l1, var.dtype.type(0)) / shrinkage
    return var / shrinkage


def _proximal_descent(op: Operation, var: Any, alpha: Any, l1: Any, l2: Any, **grads: Any) -> tuple:
    (grad,) = grads.values()  # the operation on all elements calls it delta
    return (_shrunk(var - grad * alpha, alpha, l1, l2),)


def _proximal_adagrad(
    op: Operation, var: Any, accum: Any, lr: Any, l1: Any, l2: Any, grad: Any
) -> tuple:
    accum = accum + grad * grad
    var = var - grad * (lr * kernels.rsqrt(accum))
    # TensorFlow computes the rate a second time, without registers.
    return _shrunk(var, lr * _exact_rsqrt(accum), l1, l2), accum


def _proximal_adagrad_rows(
    op: Operation, var: Any, accum: Any, lr: Any, l1: Any, l2: Any, grad: Any
) -> tuple:
    accum = accum + grad * grad
    var = var - grad * (lr * _rsqrt_rows(accum))
    return _shrunk(var, lr * _exact_rsqrt(accum), l1, l2), accum


RULES = {
    rule.type: rule
    for rule in (
        Rule("GradientDescent", "var", "alpha delta", _gradient_descent),
        Rule("Momentum", "var accum", "lr grad momentum", _momentum, _momentum_rows),
        Rule("Adam", "var m v", "beta1_power beta2_power lr beta1 beta2 epsilon grad", _adam),
        Rule("Adagrad", "var accum", "lr grad", _adagrad, _adagrad_rows),
        Rule(
            "Adadelta", "var accum accum_update", "lr rho epsilon grad", _adadelta, _adadelta_rows
        ),
        Rule("RMSProp", "var ms mom", "lr rho momentum epsilon grad", _rms_prop, _rms_prop_rows),
        Rule(
            "CenteredRMSProp",
            "var mg ms mom",
            "lr rho momentum epsilon grad",
            _centered_rms_prop,
            _centered_rms_prop_rows,
        ),
        Rule("Ftrl", "var accum linear", "grad lr l1 l2 lr_power", _ftrl, _ftrl_rows),
        Rule(
            "FtrlV2", "var accum linear", "grad lr l1 l2 l2_shrinkage lr_power", _ftrl, _ftrl_rows
        ),
        Rule(
            "ProximalGradientDescent",
            "var",
            "alpha l1 l2 delta",
            _proximal_descent,
            _proximal_descent,
            "alpha l1 l2 grad",
        ),
        Rule(
            "ProximalAdagrad",
            "var accum",
            "lr l1 l2 grad",
            _proximal_adagrad,
            _proximal_adagrad_rows,
        ),
    )
}


def _names(rule: Rule, sparse: bool) -> list[str]:
    if not sparse:
        return [*rule.slots, *rule.arguments]
    names = []
    for name in (*rule.slots, *rule.sparse_arguments):
        names += [name, "indices"] if name == "grad" else [name]
    return names


def _check(op: Operation, references: list[Reference], given: dict[str, Any]) -> list[np.ndarray]:
    """The arrays of the variable and its slots."""
    arrays = [r.read() for r in references]
    grad = given["grad"] if "grad" in given else given["delta"]
    wanted = arrays[0].shape
    if "indices" in given:
        wanted = (*np.shape(given["indices"]), *arrays[0].shape[1:])
    if np.shape(grad) != wanted or any(a.shape != arrays[0].shape for a in arrays):
        raise InvalidArgumentError(
            None,
            op,
            f"{op.name}: var and grad do not have the same shape: {arrays[0].shape} and "
            f"{np.shape(grad)}; give a gradient of shape {wanted}",
        )
    return arrays


def _computation(rule: Rule, sparse: bool) -> Callable:
    names, count = _names(rule, sparse), len(rule.slots)

    def compute(run: Any, op: Operation, *inputs: Any) -> Any:
        references: list[Reference] = list(inputs[:count])
        given = dict(zip(names[count:], inputs[count:]))
        arrays = _check(op, references, given)
        if sparse:
            rows = rows_in(arrays[0], given.pop("indices"), op)
            slots = [a[rows] for a in arrays]
            changed = rule.sparse(op, **dict(zip(rule.slots, slots)), **given)  # type: ignore[misc]
            for i, values in enumerate(changed):
                # A resource variable's array may be in use as a value of this run.
                array = arrays[i].copy() if references[i].resource else arrays[i]
                array[rows] = values
                references[i].write(array)
        else:
            changed = rule.dense(op, **dict(zip(rule.slots, arrays)), **given)
            for reference, values in zip(references, changed):
                reference.write(values)
        return () if not op.outputs else references[0]

    return compute


def _updated(names: list[str], op: Operation) -> list:
    var, shape = op.inputs[0], op.inputs[0].shape
    if "indices" not in names:
        grad = op.inputs[names.index("grad" if "grad" in names else "delta")]
        if not shape.is_compatible_with(grad.shape):
            raise SizeError(
                f"{op.name}: the variable {var.op.name} has shape {shape} and its gradient "
                f"{grad.shape}: give a gradient of the variable's shape"
            )
    return [(var.dtype, shape)]


for _rule in RULES.values():
    for _sparse in (False, True):
        if _sparse and _rule.sparse is None:
            continue
        _type = f"{'Sparse' if _sparse else ''}Apply{_rule.type}"
        _compute = _computation(_rule, _sparse)
        _outputs = partial(_updated, _names(_rule, _sparse))
        define(_type, _outputs, _compute, stateful=True, takes_references=True)
        define(f"Resource{_type}", lambda op: [], _compute, stateful=True)
        not_differentiable(_type, f"Resource{_type}")


def _apply(
    rule: Rule,
    sparse: bool,
    variables: list[Variable],
    given: dict[str, Any],
    attrs: dict[str, Any],
) -> Operation:
    names = _names(rule, sparse)
    references = {n: v._ref() for n, v in zip(rule.slots, variables)}
    resource = references["var"].dtype == DTYPES["resource"]
    kind = f"{'Resource' if resource else ''}{'Sparse' if sparse else ''}Apply{rule.type}"
    inputs = references | {n: given[n] for n in names[len(rule.slots) :]}
    dtype = variables[0].dtype.base_dtype
    for name, tensor in inputs.items():
        if name not in (*rule.slots, "indices") and tensor.dtype.base_dtype != dtype:
            raise ArgumentTypeError(
                f"Input {name!r} of {kind!r} Op has type {tensor.dtype.base_dtype.name} that does "
                f"not match type {dtype.name} of argument 'var': give tensors of {dtype.name}"
            )
    return apply(kind, inputs, attrs={"use_locking": False, **attrs})


def apply_dense(
    kind: str, variables: list[Variable], given: dict[str, Tensor], **attrs: Any
) -> Operation:
    """Update a variable.

    Args:
        kind: The name of a rule.
        variables: The variable and its slots, as in `Rule.slots`.
        given: The other inputs by name.
        **attrs: Attributes of the operation.
    """
    return _apply(RULES[kind], False, variables, given, attrs)


def apply_sparse(
    kind: str, variables: list[Variable], given: dict[str, Tensor], **attrs: Any
) -> Operation:
    """Update some rows of a variable; see `apply_dense`."""
    return _apply(RULES[kind], True, variables, given, attrs)
