"""Private: the errors of a run (tf.errors), and that of a name that is not provided."""

from typing import Any

from ...errors import EngineError, InputError, OstinatoError

__all__ = [
    "AbortedError",
    "AlreadyExistsError",
    "CancelledError",
    "DataLossError",
    "DeadlineExceededError",
    "FailedPreconditionError",
    "InternalError",
    "InvalidArgumentError",
    "NotFoundError",
    "NotProvided",
    "OpError",
    "OutOfRangeError",
    "PermissionDeniedError",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnimplementedError",
    "UnknownError",
    "UnknownName",
]


class NotProvided(OstinatoError, AttributeError):
    """A name of TensorFlow that ostinato.tf1 does not provide."""


class UnknownName(InputError, KeyError):
    """A graph has no operation or tensor of a name. It is a KeyError too, as in TensorFlow."""

    __str__ = Exception.__str__  # a KeyError shows its message in quotes


class OpError(OstinatoError):
    """An operation failed in a run.

    Attributes:
        message: What happened and how to fix it.
        op: The operation, or None.

    Args:
        node_def: Accepted for compatibility.
        op: The operation, or None.
        message: What happened and how to fix it.
    """

    error_code = 2

    def __init__(self, node_def: Any = None, op: Any = None, message: str | None = None):
        # Within this package the message is the only argument.
        if message is None:
            message = str(node_def)
        super().__init__(message)
        self.message, self.op, self.node_def = message, op, None


class CancelledError(OpError):
    """The run was cancelled."""

    error_code = 1


class UnknownError(OpError):
    """Another error."""


class InvalidArgumentError(OpError, InputError):
    """A value of a run is missing or does not fit."""

    error_code = 3


class DeadlineExceededError(OpError):
    """The time was not enough."""

    error_code = 4


class NotFoundError(OpError):
    """A file or a saved variable does not exist."""

    error_code = 5


class AlreadyExistsError(OpError):
    """A file exists already."""

    error_code = 6


class PermissionDeniedError(OpError):
    """A file may not be read or written."""

    error_code = 7


class ResourceExhaustedError(OpError):
    """Memory or disk space was not enough."""

    error_code = 8


class FailedPreconditionError(OpError, EngineError):
    """A variable was read before it was initialized."""

    error_code = 9


class AbortedError(OpError):
    """The run was stopped."""

    error_code = 10


class OutOfRangeError(OpError):
    """An iterator has no further elements."""

    error_code = 11


class UnimplementedError(OpError):
    """The operation is not provided."""

    error_code = 12


class InternalError(OpError):
    """A defect of this package."""

    error_code = 13


class UnavailableError(OpError):
    """A service cannot be reached."""

    error_code = 14


class DataLossError(OpError):
    """A file is damaged."""

    error_code = 15
