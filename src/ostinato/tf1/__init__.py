"""TensorFlow 1's API for recurrent networks: old programs train again, with the same digits.

    import ostinato.tf1 as tf

replaces `import tensorflow as tf`; `python -m ostinato.tf1 program.py` runs a program without a
change. The graph has TensorFlow 1.13.1's operations, in its order and with its names; random
numbers, float32 arithmetic, optimizers and checkpoints are TensorFlow's too.

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

import sys as _sys
from types import ModuleType as _ModuleType
from typing import Any as _Any

from .core.dtypes import DTYPES as _DTYPES
from .core.errors import NotProvided
from .namespaces import TABLE as _TABLE
from .namespaces import Namespace as _Namespace
from .namespaces import missing as _missing
from .namespaces import namespace
from .namespaces import resolve as _resolve

__version__ = VERSION = "1.13.1"

globals().update(_DTYPES)

__all__ = ["NotProvided", "VERSION", "namespace", *_DTYPES, *_TABLE["tf"]]


class _TensorFlow(_ModuleType):
    """This module. `tf.train` is TensorFlow's namespace, although a package of this name holds the
    code; the import of that package must not replace it.
    """

    def __setattr__(self, name: str, value: _Any) -> None:
        inner = isinstance(value, _ModuleType) and not isinstance(value, _Namespace)
        if not (inner and f"tf.{name}" in _Namespace.known):
            super().__setattr__(name, value)


_sys.modules[__name__].__class__ = _TensorFlow


def __getattr__(name: str) -> _Any:
    if name in _TABLE["tf"]:
        found = _resolve("tf", name)
    elif f"tf.{name}" in _Namespace.known:
        found = namespace(name)
    elif name.startswith("__"):
        raise AttributeError(name)
    else:
        raise _missing("tf", name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *_TABLE["tf"], *namespace("").inner})
