"""Private: the weights of layers in HDF5 files of Keras, in its two layouts."""

from typing import TYPE_CHECKING, Protocol

import numpy as np

from ...errors import InputError
from .files import Hdf5, damaged
from .layers import Slot
from .models import PlacedLayer

if TYPE_CHECKING:
    import h5py

__all__ = ["KerasWeights", "find_weights"]

# The groups of layers in files that are ordered by objects.
OBJECT_GROUPS = ("layers", "_layer_checkpoint_dependencies")
LEAVES = ("kernel", "recurrent_kernel", "bias", "embeddings")


class KerasWeights(Protocol):
    """The weights of a file."""

    def check_layers(self, layers: list[PlacedLayer]) -> None:
        """Check that the file has no weights of other layers than those of the configuration.

        Raises:
            InputError: It has.
        """

    def fetch(self, placed: PlacedLayer, slots: list[Slot]) -> list[dict[str, np.ndarray]]:
        """The weights of a layer, for each of its slots.

        Raises:
            InputError: The file does not have them.
        """

    def check_rest(self) -> None:
        """Check that all weights of the layers were used.

        Raises:
            InputError: A layer has weights that its configuration does not have.
        """


def find_weights(file: Hdf5) -> KerasWeights:
    """The weights of a file.

    Raises:
        InputError: They are not where Keras writes them.
    """
    root = file.group(file.root, "model_weights") or file.root
    names = file.names(root, "layer_names")
    if names is not None:
        return NamedWeights(file, root, names)
    for name in OBJECT_GROUPS:
        group = file.group(file.root, name)
        if group is not None:
            return ObjectWeights(file, group)
    raise damaged(file.place, "it has no weights where Keras writes them")


class NamedWeights:
    """The weights of a file that is ordered by the names of layers (.h5).

    Args:
        file: The file.
        root: The group of the layers.
        names: The names of the layers.
    """

    def __init__(self, file: Hdf5, root: "h5py.Group", names: list[str]):
        self.file, self.root, self.names = file, root, names
        self._pending: dict[str, list[str]] = {}

    def _queue(self, group_name: str) -> "tuple[h5py.Group | None, list[str]]":
        """The group of a layer, and the names of its weights that were not used yet."""
        group = self.file.group(self.root, group_name)
        if group is not None and group_name not in self._pending:
            self._pending[group_name] = self.file.names(group, "weight_names") or []
        return group, self._pending.get(group_name, [])

    def check_layers(self, layers: list[PlacedLayer]) -> None:
        known = {placed.group for placed in layers}
        for name in self.names:
            if name not in known and self._queue(name)[1]:
                raise _foreign(self.file, name)
        self._pending = {name: names for name, names in self._pending.items() if name in known}

    def fetch(self, placed: PlacedLayer, slots: list[Slot]) -> list[dict[str, np.ndarray]]:
        layer = placed.layer
        group, queue = self._queue(placed.group)
        if group is None:
            raise layer.refuse("the file has no weights of it")
        found = []
        for slot in slots:
            own, queue[:] = queue[: len(slot.names)], queue[len(slot.names) :]
            if [_leaf(name) for name in own] != [*slot.names]:
                raise layer.refuse(
                    f"its weights are {', '.join(map(_leaf, own)) or 'none'}, and should be "
                    f"{', '.join(slot.names)}"
                )
            other = {"forward_layer": "backward_", "backward_layer": "forward_"}
            turned = other.get(slot.path.split("/")[0])
            if turned and any(part.startswith(turned) for part in own[0].split("/")[1:]):
                raise layer.refuse("the weights of its directions are in another order")
            found.append(
                {leaf: self.file.array(group, name) for leaf, name in zip(slot.names, own)}
            )
        return found

    def check_rest(self) -> None:
        for group, names in self._pending.items():
            # the state of a stateful layer and the seeds of dropout are not weights of the model
            rest = [name for name in names if _leaf(name) in LEAVES]
            if rest:
                raise InputError(
                    f"{self.file.place!r}: the layer {group[:80]!r} has the weight "
                    f"{rest[0][-80:]!r}, which its configuration does not have"
                )


def _leaf(name: str) -> str:
    """The last part of the name of a weight: "lstm/lstm_cell/kernel:0" is a kernel."""
    return name.rsplit("/", 1)[-1].split(":")[0]


def _foreign(file: Hdf5, name: str) -> InputError:
    return InputError(
        f"{file.place!r} has weights of a layer {name[:80]!r}, which the architecture does not "
        "have; give the architecture of the model that was saved"
    )


class ObjectWeights:
    """The weights of a file that is ordered by objects (.keras and .weights.h5).

    Args:
        file: The file.
        root: The group of the layers.
    """

    def __init__(self, file: Hdf5, root: "h5py.Group"):
        self.file, self.root = file, root

    def check_layers(self, layers: list[PlacedLayer]) -> None:
        known = {placed.path.split("/")[1] for placed in layers}
        known |= {"input_layer"} | {f"input_layer_{n}" for n in range(len(layers))}
        for name in self.root:
            if name not in known:
                raise _foreign(self.file, name)

    def fetch(self, placed: PlacedLayer, slots: list[Slot]) -> list[dict[str, np.ndarray]]:
        path = placed.path.split("/", 1)[1]
        group = self.file.group(self.root, path)
        if group is None:
            raise placed.layer.refuse(f"the file has no weights at {path[:200]!r}")
        found = []
        for slot in slots:
            arrays = self.file.numbered(group, f"{slot.path}/vars")
            if len(arrays) != len(slot.names):
                raise placed.layer.refuse(
                    f"it has {len(arrays)} weights at {f'{path}/{slot.path}'[:200]!r}, and should "
                    f"have {', '.join(slot.names)}"
                )
            found.append(dict(zip(slot.names, arrays)))
        return found

    def check_rest(self) -> None:
        """Nothing: `fetch` refuses an object with more weights."""
