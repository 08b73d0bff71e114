"""Private: the default session, and how something becomes the default inside a `with`."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...errors import InputError

__all__ = [
    "get_default_session",
    "on_top",
    "session_for",
    "sessions",
]

# The sessions of `with` that are open, the current one last.
sessions: list = []


@contextmanager
def on_top(stack: list, value: Any) -> Iterator:
    """Make a graph or a session the default inside a `with`."""
    stack.append(value)
    try:
        yield value
    finally:
        if value in stack:
            # the last one: a value may be on the stack more than once
            del stack[len(stack) - 1 - stack[::-1].index(value)]


def get_default_session() -> Any:
    """The default session, or None."""
    return sessions[-1] if sessions else None


def session_for(session: Any, call: str) -> Any:
    """The given session, or the default one.

    Raises:
        InputError: No session is given or open.
    """
    if session is None and not sessions:
        raise InputError(
            f"{call} needs a session: write it inside `with tf.Session():`, or pass session=sess"
        )
    return sessions[-1] if session is None else session
