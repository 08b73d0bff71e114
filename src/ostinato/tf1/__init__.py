"""TensorFlow 1's API for recurrent networks: old programs run and print the same digits.

    import ostinato.tf1 as tf

replaces `import tensorflow as tf`. Weights come from TensorFlow's random generator with its
numbering of operations, cells run Ostinato's equations in TensorFlow's float32 arithmetic, and
lengths, states and bidirectional layers follow TensorFlow's rules. If versions differ, TensorFlow
1.13.1 is the reference.

Example:
    >>> import numpy as np
    >>> import ostinato.tf1 as tf
    >>> tf.reset_default_graph()
    >>> tf.set_random_seed(777)
    >>> cell = tf.nn.rnn_cell.BasicLSTMCell(num_units=2)
    >>> outputs, state = tf.nn.dynamic_rnn(cell, np.array([[[1, 0, 0, 0]]], dtype=np.float32),
    ...     dtype=tf.float32)
    >>> outputs
    <tf.Tensor 'rnn/transpose_1:0' shape=(1, 1, 2) dtype=float32>
    >>> with tf.Session() as sess:
    ...     sess.run(tf.global_variables_initializer())
    ...     print(sess.run(outputs))
    [[[0.04945214 0.04316235]]]
"""

import difflib as _difflib
import logging as _logging
import types as _types
from contextlib import AbstractContextManager as _AbstractContextManager
from typing import Any as _Any

from . import cells as _cells
from . import contrib as _contrib
from . import contrib_lstm as _contrib_lstm
from . import convolution as _convolution
from . import dropout as _dropout
from . import frequency as _frequency
from . import fused as _fused
from . import grid as _grid
from . import operations as _operations
from . import phased as _phased
from . import raw as _raw
from . import rnn as _rnn
from . import session as _session
from . import static as _static
from . import wrappers as _wrappers
from .graph import (
    DTYPES,
    DType,
    NotProvided,
    Operation,
    Tensor,
    TensorShape,
    as_dtype,
    get_default_graph,
    reset_default_graph,
    set_random_seed,
)
from .graph import (
    TensorFlowGraph as Graph,
)
from .logic import (
    TensorArray,
    cond,
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    not_equal,
    reduce_all,
    reduce_any,
    where,
)
from .operations import (
    add,
    argmax,
    cast,
    constant,
    convert_to_tensor,
    divide,
    gradients,
    identity,
    matmul,
    multiply,
    negative,
    placeholder,
    reduce_mean,
    reduce_sum,
    sigmoid,
    square,
    subtract,
    tanh,
)
from .random import device_seed, set_device_seed
from .session import InteractiveSession, Session
from .shapes import (
    concat,
    expand_dims,
    ones,
    random_uniform,
    reshape,
    shape,
    squeeze,
    stack,
    tile,
    transpose,
    unstack,
    zeros,
)
from .variables import (
    AUTO_REUSE,
    Variable,
    constant_initializer,
    get_variable,
    get_variable_scope,
    global_variables,
    global_variables_initializer,
    glorot_uniform_initializer,
    ones_initializer,
    random_uniform_initializer,
    trainable_variables,
    variable_scope,
    variables_initializer,
    zeros_initializer,
)

__all__ = [
    "AUTO_REUSE",
    "DTYPES",
    "DType",
    "Graph",
    "InteractiveSession",
    "NotProvided",
    "Operation",
    "Session",
    "Tensor",
    "TensorArray",
    "TensorShape",
    "VERSION",
    "Variable",
    "add",
    "argmax",
    "as_dtype",
    "bool",
    "cast",
    "concat",
    "cond",
    "constant",
    "constant_initializer",
    "contrib",
    "convert_to_tensor",
    "device_seed",
    "divide",
    "equal",
    "errors",
    "expand_dims",
    "float32",
    "float64",
    "get_default_graph",
    "get_variable",
    "get_variable_scope",
    "global_variables",
    "global_variables_initializer",
    "glorot_uniform_initializer",
    "gradients",
    "greater",
    "greater_equal",
    "identity",
    "int32",
    "int64",
    "less",
    "less_equal",
    "logging",
    "logical_and",
    "logical_not",
    "logical_or",
    "matmul",
    "multiply",
    "name_scope",
    "negative",
    "nn",
    "not_equal",
    "ones",
    "ones_initializer",
    "placeholder",
    "random_uniform",
    "random_uniform_initializer",
    "reduce_all",
    "reduce_any",
    "reduce_mean",
    "reduce_sum",
    "reset_default_graph",
    "reshape",
    "set_device_seed",
    "set_random_seed",
    "shape",
    "sigmoid",
    "square",
    "squeeze",
    "stack",
    "subtract",
    "tanh",
    "tile",
    "trainable_variables",
    "transpose",
    "unstack",
    "variable_scope",
    "variables_initializer",
    "where",
    "zeros",
    "zeros_initializer",
]

__version__ = VERSION = "1.13.1"

float32, float64, int32, int64, bool = DTYPES.values()  # noqa: A001


def name_scope(name: str | None) -> _AbstractContextManager[str]:
    """Add a prefix to the names of operations inside a `with`.

    Args:
        name: The prefix; a number is added if it is in use.
    """
    return get_default_graph().name_scope(name)


_TRAIN = (
    "train with torch.optim on ostinato.LSTM and its kin, which are torch modules, or assign "
    "what tf.gradients gives"
)
_CONTRIB_PAGE = "docs/contrib.md says what stands for each name of tf.contrib"
_NORMAL = "draw with NumPy, tf.Variable(np.float32(np.random.randn(2, 3)))"

# What to write in place of frequent names that are not provided.
_INSTEAD = {
    "tf.ConfigProto": "leave config out, tf.Session()",
    "tf.assign": "write variable.assign(value)",
    "tf.contrib.layers": _TRAIN,
    "tf.contrib.legacy_seq2seq": "ostinato.tasks.seq2seq has encoders and decoders",
    "tf.contrib.seq2seq": _CONTRIB_PAGE,
    "tf.data": "feed NumPy arrays, sess.run(..., feed_dict={x: array})",
    "tf.initialize_all_variables": "write tf.global_variables_initializer()",
    "tf.layers": _TRAIN,
    "tf.losses": _TRAIN,
    "tf.mul": "write tf.multiply",
    "tf.nn.bidirectional_rnn": "write tf.nn.static_bidirectional_rnn",
    "tf.nn.dropout": "tf.nn.rnn_cell.DropoutWrapper drops what goes into a cell and comes out",
    "tf.nn.embedding_lookup": "feed the vectors, table[ids] in NumPy, or use "
    "tf.contrib.rnn.EmbeddingWrapper",
    "tf.nn.rnn": "write tf.nn.static_rnn",
    "tf.pack": "write tf.stack",
    "tf.random.normal": _NORMAL,
    "tf.random.uniform": "write tf.random_uniform",
    "tf.random_normal": _NORMAL,
    "tf.random_normal_initializer": _NORMAL,
    "tf.split": "write tf.unstack, or slices",
    "tf.sub": "write tf.subtract",
    "tf.train": _TRAIN,
    "tf.truncated_normal": _NORMAL,
    "tf.truncated_normal_initializer": _NORMAL,
    "tf.unpack": "write tf.unstack",
}


def _provided(within: str, names: dict):
    """The full names of everything public in a namespace and in its inner namespaces."""
    for name, value in names.items():
        if not name.startswith("_") and not isinstance(value, _types.ModuleType):
            yield f"{within}.{name}"
            if isinstance(value, _Names):
                yield from _provided(f"{within}.{name}", vars(value))


def _nearest(missing: str) -> str | None:
    """The provided name closest to a missing one: the same name in another namespace, or else a
    similar name, with this namespace first.
    """
    within, _, name = missing.rpartition(".")
    # Shorter names come first, then names in this namespace.
    provided = sorted(
        _provided("tf", globals()),
        key=lambda full: (full.count("."), not full.startswith(f"{within}.")),
    )
    anywhere = {full.rpartition(".")[2]: full for full in reversed(provided)}
    if name in anywhere:
        return anywhere[name]
    here = {full.rpartition(".")[2]: full for full in provided if full.rpartition(".")[0] == within}
    for known in (here, anywhere):
        known = {leaf.lower(): full for leaf, full in known.items()}
        if near := _difflib.get_close_matches(name.lower(), known, 1, cutoff=0.82):
            return known[near[0]]
    return None


def _missing(within: str, name: str) -> NotProvided:
    full = f"{within}.{name}"
    near = None if full in _INSTEAD else _nearest(full)
    page = (
        _CONTRIB_PAGE if within.startswith("tf.contrib") else "docs/tf1.md lists the names that are"
    )
    instead = _INSTEAD.get(full) or (f"the nearest name is {near}" if near else page)
    return NotProvided(f"{full} is not provided by ostinato.tf1: {instead}.")


class _Names:
    """A namespace; the error for a missing name says what to write instead."""

    def __init__(self, within: str, **names: _Any):
        self.__dict__.update(names)
        self._within = within

    def __getattr__(self, name: str) -> _Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise _missing(self._within, name)

    def __repr__(self) -> str:
        return f"<{self._within}>"


def __getattr__(name: str) -> _Any:
    if name.startswith("__"):
        raise AttributeError(name)
    raise _missing("tf", name)


_CELLS = {
    name: getattr(module, name)
    for module, names in (
        (
            _cells,
            ("BasicLSTMCell", "BasicRNNCell", "GRUCell", "LSTMCell", "LSTMStateTuple", "RNNCell"),
        ),
        (_wrappers, ("DeviceWrapper", "MultiRNNCell", "ResidualWrapper")),
        (_dropout, ("DropoutWrapper",)),
    )
    for name in names
}

nn = _Names(
    "tf.nn",
    rnn_cell=_Names("tf.nn.rnn_cell", **_CELLS),
    dynamic_rnn=_rnn.dynamic_rnn,
    bidirectional_dynamic_rnn=_rnn.bidirectional_dynamic_rnn,
    raw_rnn=_raw.raw_rnn,
    static_rnn=_static.static_rnn,
    static_bidirectional_rnn=_static.static_bidirectional_rnn,
    static_state_saving_rnn=_static.static_state_saving_rnn,
    tanh=_operations.tanh,
    sigmoid=_operations.sigmoid,
    relu=_operations.relu,
    softmax=_operations.softmax,
)


def _cells_of(*modules) -> dict:
    """The public classes of modules, by name."""
    found = {
        n: v
        for module in modules
        for n, v in vars(module).items()
        if getattr(v, "__module__", "") == module.__name__
    }
    return {n: v for n, v in found.items() if isinstance(v, type) and not n.startswith("_")}


_CONTRIB = (_contrib, _contrib_lstm, _convolution, _frequency, _fused, _phased, _wrappers)

_LOOPS = {
    f.__name__: f
    for f in (
        _rnn.best_effort_input_batch_size,
        _rnn.transpose_batch_time,
        _static.static_rnn,
        _static.static_bidirectional_rnn,
        _static.static_state_saving_rnn,
        _static.stack_bidirectional_rnn,
        _static.stack_bidirectional_dynamic_rnn,
    )
}

contrib = _Names(
    "tf.contrib",
    rnn=_Names("tf.contrib.rnn", **_LOOPS, **(_CELLS | _cells_of(*_CONTRIB))),
    grid_rnn=_Names("tf.contrib.grid_rnn", **_cells_of(_grid)),
)

errors = _Names(
    "tf.errors",
    FailedPreconditionError=_session.FailedPreconditionError,
    InvalidArgumentError=_session.InvalidArgumentError,
)

_logger = _logging.getLogger("ostinato.tf1")
logging = _Names(
    "tf.logging",
    **{level: getattr(_logging, level) for level in ("DEBUG", "INFO", "WARN", "ERROR", "FATAL")},
    set_verbosity=_logger.setLevel,
    get_verbosity=_logger.getEffectiveLevel,
    debug=_logger.debug,
    info=_logger.info,
    warn=_logger.warning,
    warning=_logger.warning,
    error=_logger.error,
    fatal=_logger.critical,
)
