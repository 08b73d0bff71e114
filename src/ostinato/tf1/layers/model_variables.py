"""Private: variables that are listed as part of the model (tf.contrib.framework)."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ..core.graph import GraphKeys, Tensor, get_default_graph
from ..state import scopes
from ..state.partitions import PartitionedVariable

__all__ = [
    "collect",
    "collections_of",
    "list_variable",
    "model_getter",
    "model_variable",
    "variable",
]


def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Callable | None = None,
    custom_getter: Callable | None = None,
    use_resource: bool | None = None,
    **unused: Any,
) -> Any:
    """A variable in the current variable scope; see `tf.get_variable`.

    Args:
        collections: The collections that list it; None for the global variables.
        device, unused: Accepted for compatibility; ignored.
        custom_getter: The function that makes the variable; None for `tf.get_variable`.
    """
    keys = [GraphKeys.GLOBAL_VARIABLES] if collections is None else list(collections)
    getter: Callable = scopes.get_variable
    if custom_getter is not None:
        getter = functools.partial(custom_getter, reuse=scopes.get_variable_scope().reuse)
    return getter(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=list(dict.fromkeys(keys)),
        caching_device=caching_device,
        partitioner=partitioner,
        use_resource=use_resource,
    )


def model_variable(name: str, *args: Any, collections: Any = None, **named: Any) -> Any:
    """A variable that is listed as part of the model too; see `variable`."""
    keys = [*(collections or ()), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]
    return variable(name, *args, collections=keys, **named)


def model_getter(names: Mapping[str, str] | None = None) -> Callable:
    """A custom getter that makes model variables, some under another name.

    Args:
        names: The last parts of names, with other ones to use.
    """
    kept = (
        "shape",
        "dtype",
        "initializer",
        "regularizer",
        "trainable",
        "collections",
        "caching_device",
        "partitioner",
        "use_resource",
    )

    def make(getter: Callable, name: str, *args: Any, **named: Any) -> Any:
        first, slash, last = name.rpartition("/")
        named |= dict(zip(kept, args))
        given = {k: v for k, v in named.items() if k in kept}
        full = f"{first}{slash}{(names or {}).get(last, last)}"
        return model_variable(full, custom_getter=getter, **given)

    return make


def collections_of(given: Any, name: str) -> Any:
    """The collections of one kind of variable: those given, or those of its kind in a dict."""
    return given.get(name) if isinstance(given, Mapping) else given


def list_variable(value: Any, given: Any, name: str) -> None:
    """Add a variable to the collections of its kind."""
    graph = get_default_graph()
    for key in collections_of(given, name) or ():
        for part in list(value) if isinstance(value, PartitionedVariable) else [value]:
            if all(part is not v for v in graph.get_collection(key)):
                graph.add_to_collection(key, part)


def collect(collections: Any, outputs: Tensor) -> Tensor:
    """Add an output to collections."""
    if collections:
        get_default_graph().add_to_collections(collections, outputs)
    return outputs
