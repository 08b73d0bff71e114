"""Private: default arguments of functions inside a `with` (tf.contrib.framework.arg_scope)."""

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core.graph import get_default_graph

__all__ = ["add_arg_scope", "arg_scope", "has_arg_scope"]

Scope = dict[Callable, dict[str, Any]]


def _stack() -> list[Scope]:
    return get_default_graph().kept.setdefault("arg_scopes", [{}])


def _function(given: Any) -> Callable:
    return getattr(given, "_scoped", None) or given


def has_arg_scope(func: Callable) -> bool:
    """Whether a function takes its defaults from `arg_scope`."""
    return hasattr(func, "_scoped")


def add_arg_scope(func: Callable) -> Callable:
    """Decorate a function so that it takes its defaults from `arg_scope`."""

    @functools.wraps(func)
    def scoped(*args: Any, **kwargs: Any) -> Any:
        defaults = _stack()[-1].get(func, {})
        return func(*args, **{**defaults, **kwargs})

    scoped._scoped = func  # type: ignore[attr-defined]
    return scoped


@contextmanager
def arg_scope(list_ops_or_scope: Sequence | Mapping, **kwargs: Any) -> Iterator[Scope]:
    """Set default arguments of functions inside a `with`.

    Args:
        list_ops_or_scope: The functions, or the scope of another `with`.
        **kwargs: The arguments.

    Raises:
        InputError: A function takes no defaults, or arguments were given with a scope.
        ArgumentTypeError: The first argument is something else.
    """
    stack = _stack()
    if isinstance(list_ops_or_scope, Mapping):
        if kwargs:
            raise InputError(
                "When attempting to re-use a scope by suppling a dictionary, kwargs must be empty."
            )
        scope = dict(list_ops_or_scope)
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = dict(stack[-1])
        for func in list_ops_or_scope:
            if not has_arg_scope(func):
                raise InputError(
                    f"{getattr(func, '__name__', func)!r} is not decorated with @add_arg_scope: "
                    "arg_scope takes the functions of tf.contrib.layers"
                )
            key = _function(func)
            scope[key] = {**scope.get(key, {}), **kwargs}
    else:
        raise ArgumentTypeError(
            f"list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict), not "
            f"{list_ops_or_scope!r}"
        )
    stack.append(scope)
    try:
        yield scope
    finally:
        stack.pop()
