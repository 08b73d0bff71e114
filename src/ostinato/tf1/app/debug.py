"""Private: names of TensorFlow's debugger (tf.python.debug), which programs import."""

from typing import Any

import numpy as np

from ..core.errors import NotProvided

__all__ = ["LocalCLIDebugWrapperSession", "has_inf_or_nan"]


def LocalCLIDebugWrapperSession(*args: Any, **named: Any) -> Any:  # noqa: N802
    """TensorFlow's interactive debugger, which is not provided.

    Raises:
        NotProvided: Always.
    """
    raise NotProvided(
        "tf.python.debug.LocalCLIDebugWrapperSession is not provided by ostinato.tf1: use "
        "tf.Print, or fetch the tensors with sess.run"
    )


def has_inf_or_nan(datum: Any, tensor: Any) -> bool:
    """Whether a value has an element that is infinite or not a number.

    Args:
        datum: Accepted for compatibility; ignored.
        tensor: The value.
    """
    array = np.asarray(tensor)
    return array.dtype.kind in "fc" and not bool(np.isfinite(array).all())
