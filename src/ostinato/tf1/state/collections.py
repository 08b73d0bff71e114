"""Private: the collections of variables, their initializers, and the global step."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core.constant import constant
from ..core.dtypes import DTYPES
from ..core.errors import UnknownName
from ..core.graph import Graph, get_default_graph, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import Operation, Tensor
from ..flow.flow_ops import group, no_op
from ..initializers import Zeros
from ..ops import arrays, math
from . import ops
from .scopes import get_variable
from .variables import Variable

__all__ = [
    "all_variables",
    "assert_global_step",
    "assert_variables_initialized",
    "create_global_step",
    "get_global_step",
    "get_or_create_global_step",
    "global_step",
    "global_variables",
    "global_variables_initializer",
    "initialize_all_variables",
    "initialize_local_variables",
    "initialize_variables",
    "is_variable_initialized",
    "local_variables",
    "local_variables_initializer",
    "model_variables",
    "moving_average_variables",
    "report_uninitialized_variables",
    "tables_initializer",
    "trainable_variables",
    "variables_initializer",
]


def _listing(key: str, called: str, what: str) -> Callable[..., list]:
    def variables(scope: str | None = None) -> list:
        return get_default_graph().get_collection(key, scope)

    variables.__name__ = variables.__qualname__ = called
    variables.__doc__ = f"""{what} of the default graph, in order.

    Args:
        scope: A regular expression that the start of the names must match; None for all.
    """
    return variables


global_variables = _listing(GraphKeys.GLOBAL_VARIABLES, "global_variables", "The variables")
local_variables = _listing(
    GraphKeys.LOCAL_VARIABLES, "local_variables", "The variables that are not saved"
)
trainable_variables = _listing(
    GraphKeys.TRAINABLE_VARIABLES, "trainable_variables", "The trainable variables"
)
model_variables = _listing(
    GraphKeys.MODEL_VARIABLES, "model_variables", "The variables of layers of tf.contrib"
)
moving_average_variables = _listing(
    GraphKeys.MOVING_AVERAGE_VARIABLES,
    "moving_average_variables",
    "The variables that have a moving average",
)


def all_variables() -> list:
    """`tf.global_variables()` under its older name."""
    return global_variables()


def variables_initializer(var_list: Sequence[Variable], name: str = "init") -> Operation:
    """The operation that gives variables their initial values.

    Args:
        var_list: The variables.
        name: The name of the operation.
    """
    if not var_list:
        return no_op(name=name)
    return group(*[v.initializer for v in var_list], name=name)


def global_variables_initializer() -> Operation:
    """The operation that gives every global variable its initial value."""
    return variables_initializer(global_variables())


def local_variables_initializer() -> Operation:
    """The operation that gives every local variable its initial value."""
    return variables_initializer(local_variables())


def tables_initializer(name: str = "init_all_tables") -> Operation:
    """The operation that initializes the lookup tables. There are none, so it does nothing.

    Args:
        name: The name of the operation.
    """
    return group(*get_default_graph().get_collection(GraphKeys.TABLE_INITIALIZERS), name=name)


def initialize_variables(var_list: Sequence[Variable], name: str = "init") -> Operation:
    """`tf.variables_initializer` under its older name."""
    return variables_initializer(var_list, name)


def initialize_all_variables() -> Operation:
    """`tf.global_variables_initializer` under its older name."""
    return global_variables_initializer()


def initialize_local_variables() -> Operation:
    """`tf.local_variables_initializer` under its older name."""
    return local_variables_initializer()


def is_variable_initialized(variable: Any, name: str | None = None) -> Tensor:
    """Whether a variable has a value, as a tensor."""
    if isinstance(variable, Variable):
        return variable.is_initialized(name)
    return ops.is_initialized_op(variable, name)


def report_uninitialized_variables(
    var_list: Sequence[Variable] | None = None, name: str = "report_uninitialized_variables"
) -> Tensor:
    """The names of the variables that have no value yet, as a tensor of strings.

    Args:
        var_list: The variables; None for the global and local ones.
        name: The name of the operations.
    """
    variables = [*global_variables(), *local_variables()] if var_list is None else var_list
    with name_scope(name):
        if not variables:
            return constant([], dtype=DTYPES["string"])
        found = [is_variable_initialized(v) for v in variables]
        missing = math.logical_not(arrays.stack(found))
        return arrays.boolean_mask(constant([v.op.name for v in variables]), missing)


def assert_variables_initialized(var_list: Sequence[Variable] | None = None) -> Tensor | None:
    """A tensor that fails in a run where a variable has no value.

    Args:
        var_list: The variables; None for the global and local ones.
    """
    variables = var_list or [*global_variables(), *local_variables()]
    ranks = [arrays.rank_internal(v, optimize=False) for v in variables]
    if len(ranks) < 2:
        return ranks[0] if ranks else None
    return arrays.stack(ranks)


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """The value of the global step in a session."""
    return int(sess.run(global_step_tensor))


def get_global_step(graph: Graph | None = None) -> Any:
    """The global step of a graph, or None.

    Args:
        graph: The graph; None for the default one.

    Raises:
        InputError: It is not a whole number.
    """
    graph = graph or get_default_graph()
    found = graph.get_collection(GraphKeys.GLOBAL_STEP)
    if len(found) > 1:
        return None
    if found:
        step = found[0]
    else:
        try:
            step = graph.get_tensor_by_name("global_step:0")
        except UnknownName:
            return None
    assert_global_step(step)
    return step


def assert_global_step(global_step_tensor: Any) -> None:
    """Raise an InputError where a global step is not one whole number."""
    step = global_step_tensor
    if not isinstance(step, (Variable, Tensor)):
        raise ArgumentTypeError(
            f'Existing "global_step" must be a Variable or Tensor, not {step!r}: create it with '
            "tf.train.get_or_create_global_step()"
        )
    if not step.dtype.base_dtype.is_integer:
        raise ArgumentTypeError(
            f'Existing "global_step" does not have integer type: {step.dtype.name}; write '
            "tf.Variable(0, name='global_step', trainable=False)"
        )
    if step.shape.ndims not in (0, None):
        raise ArgumentTypeError(
            f'Existing "global_step" is not scalar: {step.shape}; write '
            "tf.Variable(0, name='global_step', trainable=False)"
        )


def create_global_step(graph: Graph | None = None) -> Any:
    """A new global step, a variable `global_step`.

    Args:
        graph: The graph; None for the default one.

    Raises:
        InputError: There is one already.
    """
    graph = graph or get_default_graph()
    if get_global_step(graph) is not None:
        raise InputError('"global_step" already exists: use tf.train.get_or_create_global_step()')
    with graph.as_default(), graph.name_scope(None):
        return get_variable(
            GraphKeys.GLOBAL_STEP,
            shape=[],
            dtype=DTYPES["int64"],
            initializer=Zeros(),
            trainable=False,
            collections=[GraphKeys.GLOBAL_VARIABLES, GraphKeys.GLOBAL_STEP],
        )


def get_or_create_global_step(graph: Graph | None = None) -> Any:
    """The global step of a graph, a new one if there is none; see `create_global_step`."""
    graph = graph or get_default_graph()
    step = get_global_step(graph)
    return create_global_step(graph) if step is None else step
