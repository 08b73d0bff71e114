"""Private: variables that are listed as part of the model (tf.contrib.framework)."""

import functools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ..core.graph import get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.tensors import Tensor
from ..state import scopes
from ..state.partitions import PartitionedVariable

__all__ = [
    "analyze_vars",
    "collect",
    "collections_of",
    "get_trainable_variables",
    "get_variables",
    "get_variables_by_name",
    "get_variables_by_suffix",
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


def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    collections: Any = None,
    **named: Any,
) -> Any:
    """A variable that is listed as part of the model too; see `variable`."""
    keys = [*(collections or ()), GraphKeys.GLOBAL_VARIABLES, GraphKeys.MODEL_VARIABLES]
    return variable(name, shape, dtype, initializer, regularizer, trainable, keys, **named)


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


def get_variables(
    scope: Any = None, suffix: str | None = None, collection: str = GraphKeys.GLOBAL_VARIABLES
) -> list:
    """The variables of a collection.

    Args:
        scope: A variable scope, or a regular expression that the start of the names must match.
        suffix: The end of the names; None for any.
        collection: The name of the collection.
    """
    if isinstance(scope, scopes.VariableScope):
        scope = scope.name
    found = get_default_graph().get_collection(collection, scope)
    return [v for v in found if suffix is None or v.op.name.endswith(suffix)]


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list:
    """The variables that are trained; see `get_variables`."""
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list:
    """The variables whose names end so; see `get_variables`."""
    return get_variables(scope, suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list:
    """The variables whose names have this last part; see `get_variables`."""
    ends = f"/{given_name}"
    return [v for v in get_variables(scope) if f"/{v.op.name}".endswith(ends)]


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


def analyze_vars(variables: Iterable, print_info: bool = False) -> tuple[int, int]:
    """The number of elements and of bytes of variables.

    Args:
        variables: The variables.
        print_info: Whether to print them too, one a line.
    """
    lines, sizes, in_bytes = [], 0, 0
    for v in variables:
        shape = v.shape.as_list()
        size = v.shape.num_elements() or 0
        bytes_ = size * v.dtype.size
        kind = f"{v.dtype.name} {'x'.join(map(str, shape))}".strip()
        lines.append(f"{v.name} ({kind}) [{size}, bytes: {bytes_}]")
        sizes, in_bytes = sizes + size, in_bytes + bytes_
    if print_info:
        rule = "-" * 9
        print(rule, "Variables: name (type shape) [size]", rule, *lines, sep="\n")
        print(f"Total size of variables: {sizes}\nTotal bytes of variables: {in_bytes}")
    return sizes, in_bytes
