"""Private: objects of tf.keras by their names and by their configurations."""

import inspect
from collections.abc import Mapping
from typing import Any

from ...errors import InputError

__all__ = ["config_of", "find"]


def find(kind: str, given: Any, known: Mapping[str, Any]) -> Any:
    """An object for itself, its name, or its configuration.

    Args:
        kind: The kind of object, for the error, such as "initializer".
        given: The object, a name, or {"class_name": name, "config": arguments}; None stays None.
        known: Classes and functions by name.

    Raises:
        InputError: The name is unknown.
    """
    if given is None or callable(given) and not isinstance(given, str):
        return given() if inspect.isclass(given) else given
    name, config = given, {}
    if isinstance(given, Mapping):
        name, config = given.get("class_name"), dict(given.get("config") or {})
    if name not in known:
        raise InputError(
            f"Unknown {kind}: {given!r}; give one of {', '.join(sorted(known))}, or a function"
        )
    found: Any = known[name]
    return found.from_config(config) if hasattr(found, "from_config") else found(**config)


def config_of(given: Any) -> Any:
    """The configuration of an object, for `find`."""
    if given is None or isinstance(given, (str, Mapping)):
        return given
    if not hasattr(given, "get_config"):
        return getattr(given, "__name__", type(given).__name__)
    return {"class_name": type(given).__name__, "config": given.get_config()}
