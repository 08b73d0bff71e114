"""Private: the functions of tf.keras.backend on settings, sessions and variables.

Functions of tensors are in `arithmetic.py`, the loop of recurrent layers is in `loop.py`.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import InputError
from ..core.conversion import convert_to_tensor
from ..core.defaults import get_default_session
from ..core.dtypes import as_dtype
from ..core.errors import FailedPreconditionError
from ..core.graph import (
    Graph,
    control_dependencies,
    get_default_graph,
    init_scope,
    name_scope,
    reset_default_graph,
)
from ..core.session import Session
from ..core.tensors import Operation, Tensor
from ..flow.flow_ops import group
from ..ops import arrays
from ..state.collections import (
    global_variables,
    is_variable_initialized,
    variables_initializer,
)
from ..state.variables import Variable, assign

__all__ = [
    "batch_get_value",
    "batch_set_value",
    "clear_session",
    "dtype",
    "epsilon",
    "floatx",
    "function",
    "get_session",
    "get_uid",
    "get_value",
    "image_data_format",
    "int_shape",
    "is_keras_tensor",
    "learning_phase",
    "name_scope",
    "ndim",
    "ones",
    "placeholder",
    "reset_uids",
    "set_epsilon",
    "set_floatx",
    "set_image_data_format",
    "set_learning_phase",
    "set_session",
    "set_value",
    "shape",
    "variable",
    "zeros",
]


class _Settings:
    floatx = "float32"
    epsilon = 1e-7
    image_data_format = "channels_last"
    session: Session | None = None


# The key of a graph's learning phase: a placeholder, or 0 or 1.
_PHASE = "keras_learning_phase"


def floatx() -> str:
    """The name of the default dtype of variables."""
    return _Settings.floatx


def set_floatx(value: str) -> None:
    """Set the default dtype of variables: "float16", "float32" or "float64"."""
    if value not in ("float16", "float32", "float64"):
        raise InputError(f"Unknown floatx type: {value!r}; give 'float32' or 'float64'")
    _Settings.floatx = value


def epsilon() -> float:
    """The small number that keeps divisions finite, 1e-7."""
    return _Settings.epsilon


def set_epsilon(value: float) -> None:
    """Set the small number that keeps divisions finite."""
    _Settings.epsilon = value


def image_data_format() -> str:
    """Where channels are: "channels_last" or "channels_first"."""
    return _Settings.image_data_format


def set_image_data_format(data_format: str) -> None:
    """Set where channels are."""
    if data_format not in ("channels_last", "channels_first"):
        raise InputError(f"Unknown data_format: {data_format!r}; give 'channels_last'")
    _Settings.image_data_format = data_format


def get_uid(prefix: str = "") -> int:
    """The next number for a prefix of the graph, from 1."""
    counts = get_default_graph().kept.setdefault("keras_uids", {})
    counts[prefix] = counts.get(prefix, 0) + 1
    return counts[prefix]


def reset_uids() -> None:
    """Start again with the names of layers."""
    for key in ("keras_uids", "layer_names"):
        get_default_graph().kept.pop(key, None)


# Sessions


def clear_session() -> None:
    """Start a new default graph and a new session."""
    reset_default_graph()
    _Settings.session = None
    learning_phase()


def get_session() -> Session:
    """The default session, or else Keras's own, with every variable initialized."""
    session = get_default_session()
    if session is None:
        session = _Settings.session
        if session is None or session.closed or session.graph is not get_default_graph():
            session = _Settings.session = Session()
    with session.graph.as_default():
        _initialize_variables(session)
    return session


def set_session(session: Session) -> None:
    """Use a session outside of `with tf.Session():`."""
    _Settings.session = session


def _initialize_variables(session: Session) -> None:
    """Initialize the variables of the graph that have no value in a session."""
    found = [v for v in global_variables() if v.op.name not in session.variables]
    # As in Keras, each variable is asked once, which adds operations to the graph.
    new = [v for v in global_variables() if not getattr(v, "_keras_initialized", False)]
    for v in new:
        is_variable_initialized(v)
        v._keras_initialized = True
    if found:
        session.run(variables_initializer(found))


def learning_phase() -> Any:
    """Whether layers are trained: a tensor, which is False unless fed, or 0 or 1 if that was set
    by `set_learning_phase`.
    """
    kept = get_default_graph().kept
    if _PHASE not in kept:
        with init_scope(), get_default_graph().name_scope(None):
            kept[_PHASE] = arrays.placeholder_with_default(False, shape=(), name=_PHASE)
    return kept[_PHASE]


def set_learning_phase(value: int) -> None:
    """Fix the learning phase of the graph.

    Args:
        value: 1 for training, 0 for inference.
    """
    if value not in (0, 1):
        raise InputError(f"Expected learning phase to be 0 or 1, not {value!r}")
    get_default_graph().kept[_PHASE] = value


def phase_placeholder(graph: Graph) -> Tensor | None:
    """The learning phase of a graph that can be fed, or None."""
    phase = graph.kept.get(_PHASE)
    return phase if isinstance(phase, Tensor) else None


# Variables and their values


def variable(
    value: Any, dtype: Any = None, name: str | None = None, constraint: Callable | None = None
) -> Any:
    """A new variable.

    Args:
        value: The initial value.
        dtype: The dtype; None for `floatx()`.
        name: The name.
        constraint: A function of the value that returns the value to use instead.
    """
    return Variable(
        value,
        dtype=as_dtype(dtype or floatx()),
        name=name,
        constraint=constraint,
        use_resource=True,
    )


def _filled(make: Callable, shape: Any, dtype: Any, name: str | None) -> Any:
    with init_scope():
        kind = as_dtype(dtype or floatx())
        value = make(shape=shape, dtype=kind, name=name)
        if value.shape.is_fully_defined():
            return variable(value, dtype=kind, name=name)
        return value


def zeros(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A new variable of zeros."""
    return _filled(arrays.zeros, shape, dtype, name)


def ones(shape: Any, dtype: Any = None, name: str | None = None) -> Any:
    """A new variable of ones."""
    return _filled(arrays.ones, shape, dtype, name)


def placeholder(
    shape: Any = None,
    ndim: int | None = None,
    dtype: Any = None,
    sparse: bool = False,
    name: str | None = None,
) -> Tensor:
    """A tensor that is fed.

    Args:
        shape: The shape, with None for sizes that are not known.
        ndim: The number of dimensions, in place of a shape.
        dtype: The dtype; None for `floatx()`.
        sparse: Must be False.
        name: The name.
    """
    if sparse:
        raise InputError("placeholder(sparse=True) is not provided: write tf.sparse_placeholder")
    if not shape and ndim:
        shape = [None] * ndim
    return arrays.placeholder(as_dtype(dtype or floatx()), shape=shape, name=name)


def dtype(x: Any) -> str:
    """The name of the dtype of a tensor or variable."""
    return x.dtype.base_dtype.name


def ndim(x: Any) -> int | None:
    """The number of dimensions of a tensor or variable."""
    return x.shape.ndims


def int_shape(x: Any) -> tuple | None:
    """The static shape, with None for sizes that are not known."""
    sizes = getattr(x.shape, "sizes", x.shape)
    return None if sizes is None else tuple(sizes)


def shape(x: Any) -> Tensor:
    """The shape as a tensor."""
    return arrays.shape(x)


def is_keras_tensor(x: Any) -> bool:
    """Whether a tensor is the result of `Input` or of a layer."""
    return hasattr(x, "_keras_history")


def get_value(x: Any) -> Any:
    """The value of a variable in the session."""
    return x.eval(session=get_session())


def batch_get_value(tensors: Sequence) -> list:
    """The values of variables in the session."""
    return get_session().run(list(tensors)) if tensors else []


def set_value(x: Any, value: Any) -> None:
    """Give a variable a value in the session."""
    batch_set_value([(x, value)])


def batch_set_value(tuples: Iterable[tuple[Any, Any]]) -> None:
    """Give variables values in the session.

    Args:
        tuples: Variables, each with its value.
    """
    feeds: dict[Any, np.ndarray] = {}
    changes = []
    for x, value in tuples:
        array = np.asarray(value, x.dtype.base_dtype.as_numpy_dtype)
        if not hasattr(x, "_assign_op"):
            x._assign_placeholder = arrays.placeholder(x.dtype.base_dtype, shape=array.shape)
            x._assign_op = x.assign(x._assign_placeholder)
        changes.append(x._assign_op)
        feeds[x._assign_placeholder] = array
    if changes:
        get_session().run(changes, feeds)


class GraphFunction:
    """A function of arrays that runs a part of the graph.

    Args:
        inputs: Placeholders, or other tensors.
        outputs: Tensors, a list or one.
        updates: Operations to run as well, or pairs of a variable and its new value.
    """

    def __init__(self, inputs: Sequence, outputs: Any, updates: Sequence | None = None):
        self.inputs, self.outputs = list(inputs), outputs
        flat = list(outputs) if isinstance(outputs, (list, tuple)) else [outputs]
        with control_dependencies([o for o in flat[:1] if isinstance(o, Tensor)]):
            changes = [assign(*u) if isinstance(u, tuple) else u for u in updates or ()]
            self.updates_op: Operation | None = group(*changes) if changes else None

    def __call__(self, inputs: Any) -> Any:
        """The values of the outputs.

        Args:
            inputs: A value for each input; a value for a learning phase may be 0 or 1.
        """
        values = list(inputs) if isinstance(inputs, (list, tuple)) else [inputs]
        if len(values) < len(self.inputs):
            raise InputError(
                f"the function has {len(self.inputs)} inputs and was given {len(values)} values: "
                "give one for each, in a list"
            )
        feeds = {t: v for t, v in zip(self.inputs, values) if isinstance(t, Tensor)}
        updates = [] if self.updates_op is None else [self.updates_op]
        try:
            return get_session().run([self.outputs, *updates], feeds)[0]
        except FailedPreconditionError as error:
            raise FailedPreconditionError(
                f"{error}; or leave the initialization to tf.keras.backend.get_session()"
            ) from None


def function(
    inputs: Sequence, outputs: Any, updates: Sequence | None = None, **kwargs: Any
) -> GraphFunction:
    """A function of arrays that runs a part of the graph; see `GraphFunction`."""
    return GraphFunction(inputs, outputs, updates)


def as_constant(x: Any, dtype: Any) -> Tensor:
    """A number as a tensor of a dtype."""
    return convert_to_tensor(x, dtype=dtype)
