"""Private: TensorFlow 1.13.1's names: where each is defined, and what to write for others.

`names.py` is the table. A module is imported when the first of its names is used.
"""

import difflib
import importlib
from types import ModuleType
from typing import Any

from .core.errors import NotProvided
from .names import ALIASES, INSTEAD, NAMES

__all__ = ["Namespace", "TABLE", "missing", "namespace", "resolve"]


def _read(text: str) -> dict[str, tuple[str, str]]:
    """A part of the table: names, each with its module and its name there."""
    found, module = {}, ""
    for word in text.split():
        if word.endswith(":"):
            module = word[:-1]
        else:
            name, _, attribute = word.partition("=")
            found[name] = (module, attribute or name)
    return found


# For each namespace its names, each with a module of this package and its name there.
TABLE = {within: _read(text) for within, text in NAMES.items()}


def resolve(within: str, name: str) -> Any:
    """The object of a name in the table."""
    module, attribute = TABLE[within][name]
    importlib.import_module(".ops", __package__)  # the operators of tensors, such as x * 2
    found: Any = importlib.import_module(f".{module}", __package__)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found


class Namespace(ModuleType):
    """A namespace of TensorFlow, such as tf.nn.

    Attributes:
        inner: The names of the namespaces in it.
    """

    # Every namespace, and those above it.
    known = {
        ".".join(parts[:n])
        for within in [*NAMES, *ALIASES]
        for parts in [within.split(".")]
        for n in range(1, len(parts) + 1)
    }

    def __init__(self, within: str):
        super().__init__(within)
        self.__dict__["_within"] = within
        self.__dict__["__path__"] = []
        self.__dict__["inner"] = sorted(
            n.rpartition(".")[2] for n in self.known if n.rpartition(".")[0] == within
        )

    def __getattr__(self, name: str) -> Any:
        within = self._within
        table = TABLE.get(ALIASES.get(within, within), {})
        if name in table:
            found = resolve(ALIASES.get(within, within), name)
        elif f"{within}.{name}" in self.known:
            found = namespace(f"{within}.{name}".removeprefix("tf."))
        elif f"{ALIASES.get(within, within)}.{name}" in self.known:
            found = namespace(f"{ALIASES[within]}.{name}".removeprefix("tf").lstrip("."))
        elif name.startswith("__"):
            raise AttributeError(name)
        else:
            raise missing(within, name)
        self.__dict__[name] = found
        return found

    def __dir__(self) -> list[str]:
        return sorted({*TABLE.get(ALIASES.get(self._within, self._within), {}), *self.inner})

    @property
    def __all__(self) -> list[str]:
        return self.__dir__()

    def __repr__(self) -> str:
        return f"<{self._within}>"


_namespaces: dict[str, Any] = {}


def namespace(name: str) -> Any:
    """The namespace of a name without "tf.", such as "contrib.rnn"; "" for ostinato.tf1 itself.

    Raises:
        NotProvided: The namespace is not provided.
    """
    within = f"tf.{name}" if name else "tf"
    if within not in Namespace.known:
        raise missing(*within.rsplit(".", 1))
    if within not in _namespaces:
        _namespaces[within] = Namespace(within)
    return _namespaces[within]


def _nearest(full: str) -> str | None:
    """The provided name closest to a missing one: the same name in another namespace, or else a
    similar name, with the same namespace first.
    """
    within, _, name = full.rpartition(".")
    spaces = (space for space in NAMES if space != "tf")
    names = (f"{space}.{leaf}" for space, table in TABLE.items() for leaf in table)
    provided = sorted(
        dict.fromkeys((*spaces, *names)),
        # Shorter names come first, then names in this namespace, then the order of the table.
        key=lambda f: (f.count("."), not f.startswith(f"{within}.")),
    )
    anywhere = {f.rpartition(".")[2]: f for f in reversed(provided)}
    if name in anywhere:
        return anywhere[name]
    here = {f.rpartition(".")[2]: f for f in provided if f.rpartition(".")[0] == within}
    for known in (here, anywhere):
        lower = {leaf.lower(): f for leaf, f in known.items()}
        if near := difflib.get_close_matches(name.lower(), lower, 1, cutoff=0.82):
            return lower[near[0]]
    return None


_UNKNOWN = (
    "it is not among the names that recurrent programs use; docs/tf1-names.md lists those that are "
    "provided"
)


def missing(within: str, name: str) -> NotProvided:
    """The error for a name that is not provided."""
    full = f"{within}.{name}"
    instead = next(
        (text for start, text in INSTEAD.items() if f"{full}.".startswith(f"{start}.")), ""
    )
    if not instead:
        near = _nearest(full)
        instead = f"the nearest name is {near}" if near else _UNKNOWN
    return NotProvided(f"{full} is not provided by ostinato.tf1: {instead}.")
