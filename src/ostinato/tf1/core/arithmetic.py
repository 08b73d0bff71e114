"""Private: the arithmetic of the plans that sessions compile."""

from ...errors import InputError

__all__ = ["arithmetic", "set_arithmetic"]

_KINDS = ("tensorflow", "fast")
_current = "tensorflow"


def set_arithmetic(kind: str) -> None:
    """Choose how sessions compute in float32.

    Args:
        kind: "tensorflow", the default, for the digits of TensorFlow 1.13.1; or "fast" for results
            that differ from them by float32 rounding: recurrent networks run as one call of
            Ostinato's CPU engine, and matrix products and functions are those of torch.

    What a session fetches for the first time after the call is computed that way, and so is what
    it fetches again.

    Raises:
        InputError: The kind is another value.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.set_arithmetic("fast")
        >>> tf.set_arithmetic("tensorflow")
    """
    global _current
    if kind not in _KINDS:
        raise InputError(
            f"tf.set_arithmetic was given {kind!r}: give 'tensorflow' for TensorFlow's digits, or "
            "'fast'"
        )
    _current = kind


def arithmetic() -> str:
    """The arithmetic that is chosen now."""
    return _current
