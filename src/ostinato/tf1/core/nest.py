"""Private: nested structures of tensors: lists, tuples, named tuples and dicts, as in tf.nest."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError

__all__ = ["assert_same_structure", "flatten", "is_sequence", "map_structure", "pack_sequence_as"]


def is_sequence(o: Any) -> bool:
    """Whether a value is a structure: a list, a tuple or a dict."""
    return isinstance(o, (Sequence, Mapping)) and not isinstance(o, (str, bytes))


def _children(structure: Any) -> Iterator:
    # The values of a dict are in the order of its sorted keys.
    if isinstance(structure, Mapping):
        return (structure[k] for k in sorted(structure))
    return iter(structure)


def flatten(structure: Any) -> list:
    """The leaves of a structure, in order."""
    if not is_sequence(structure):
        return [structure]
    return [leaf for child in _children(structure) for leaf in flatten(child)]


def _like(structure: Any, children: list) -> Any:
    kind: Any = type(structure)
    if isinstance(structure, Mapping):
        by_key = dict(zip(sorted(structure), children))
        return kind((k, by_key[k]) for k in structure)
    return kind(*children) if hasattr(structure, "_fields") else kind(children)


def pack_sequence_as(structure: Any, flat_sequence: Sequence) -> Any:
    """Leaves in a structure like another one.

    Args:
        structure: The other structure.
        flat_sequence: The leaves, in order.

    Raises:
        InputError: The numbers of leaves differ.
    """
    count = len(flatten(structure))
    if count != len(flat_sequence):
        raise InputError(
            f"Could not pack sequence. Structure had {count} elements, but flat_sequence had "
            f"{len(flat_sequence)} elements: give {count}"
        )
    leaves = iter(flat_sequence)

    def build(node: Any) -> Any:
        if not is_sequence(node):
            return next(leaves)
        return _like(node, [build(child) for child in _children(node)])

    return build(structure)


def map_structure(func: Callable, *structure: Any, check_types: bool = True) -> Any:
    """Apply a function to the leaves of structures.

    Args:
        func: Takes one leaf of each structure.
        structure: The structures, which are nested in the same way.
        check_types: Whether the types of the sequences must be equal too.
    """
    for other in structure[1:]:
        assert_same_structure(structure[0], other, check_types)
    results = [func(*leaves) for leaves in zip(*map(flatten, structure))]
    return pack_sequence_as(structure[0], results)


def assert_same_structure(nest1: Any, nest2: Any, check_types: bool = True) -> None:
    """Check that two structures are nested in the same way.

    Raises:
        InputError: They are not; an ArgumentTypeError where the types of the sequences differ.
    """
    problem = _difference(nest1, nest2, check_types)
    if problem:
        raise (ArgumentTypeError if problem == "types" else InputError)(
            f"The two structures don't have the same nested structure (their {problem} differ): "
            f"{_outline(nest1)} and {_outline(nest2)}; give both the same structure"
        )


def _outline(structure: Any) -> str:
    if not is_sequence(structure):
        return "."
    if isinstance(structure, Mapping):
        return "{" + ", ".join(f"{k!r}: {_outline(structure[k])}" for k in sorted(structure)) + "}"
    inner = ", ".join(map(_outline, structure))
    return f"[{inner}]" if isinstance(structure, list) else f"({inner})"


def _difference(first: Any, second: Any, check_types: bool) -> str:
    if is_sequence(first) != is_sequence(second):
        return "depths"
    if not is_sequence(first):
        return ""
    if check_types and not _same_type(first, second):
        return "types"
    if len(first) != len(second):
        return "numbers of elements"
    if isinstance(first, Mapping) and set(first) != set(second):
        return "keys"
    problems = (_difference(a, b, check_types) for a, b in zip(_children(first), _children(second)))
    return next(filter(None, problems), "")


def _same_type(first: Any, second: Any) -> bool:
    a, b = type(first), type(second)
    if hasattr(first, "_fields") and hasattr(second, "_fields"):
        return a.__name__ == b.__name__ and first._fields == second._fields
    both_dicts = isinstance(first, Mapping) and isinstance(second, Mapping)
    return a is b or both_dicts or (isinstance(first, list) and isinstance(second, list))
