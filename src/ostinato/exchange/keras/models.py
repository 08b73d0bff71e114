"""Private: the chain of layers in the configuration of a Keras model, Sequential or Functional."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ...errors import InputError, shown
from .layers import KerasLayer, object_paths

__all__ = ["PlacedLayer", "chain"]

MOST_LAYERS, DEEPEST = 1000, 8
# Operations that compute a mask in the configuration of a Functional model.
MASK_OPERATIONS = ("NotEqual", "Any")


@dataclass(frozen=True)
class PlacedLayer:
    """A layer and the places of its weights.

    Attributes:
        layer: The layer.
        group: The layer of the outermost model that it is in, by which older files are ordered.
        path: Its path in files that are ordered by objects.
    """

    layer: KerasLayer
    group: str
    path: str


@dataclass(frozen=True)
class Inbound:
    """The input of a layer in a Functional model.

    Attributes:
        source, output: The layer that it comes from, and the number of its output.
        mask: The operation that its mask comes from; None if none is given.
        constant: A number among its arguments.
    """

    source: str
    output: int = 0
    mask: str | None = None
    constant: object = None


def chain(
    model: object, path: str = "", group: str | None = None, depth: int = 0
) -> list[PlacedLayer]:
    """The layers of a model in the order in which they run.

    Args:
        model: The configuration of the model, parsed.
        path: Its path in files that are ordered by objects.
        group: As in `PlacedLayer`; None for the outermost model.
        depth: Number of models around it.

    Raises:
        InputError: The layers are not one chain; the message says which layer, and why.
    """
    top = KerasLayer.read(model, "the model")
    given = top.config.get("layers")
    if not isinstance(given, list) or not 1 <= len(given) <= MOST_LAYERS or depth > DEEPEST:
        raise InputError(
            f"the model {top.name[:80]!r} has layers={shown(given)}; it should have a list of 1 to "
            f"{MOST_LAYERS:,} layers, at most {DEEPEST} models deep"
        )
    layers = [KerasLayer.read(one, f"layers[{place}]") for place, one in enumerate(given)]
    paths = object_paths([layer.kind for layer in layers], f"{path}/layers".removeprefix("/"))
    places = dict(zip((layer.name for layer in layers), paths))
    if len(places) != len(layers):
        raise InputError(f"the model {top.name[:80]!r} has two layers of one name")
    if top.kind in ("Functional", "Model"):
        layers = _functional(top, given, layers)
    elif top.kind != "Sequential":
        raise InputError(
            f"the model {top.name[:80]!r} is of the class {top.kind}; Sequential and Functional "
            "models are supported"
        )
    found: list[PlacedLayer] = []
    for layer in layers:
        own_path, own_group = places[layer.name], layer.name if group is None else group
        if layer.kind in ("Sequential", "Functional", "Model"):
            nested = {"class_name": layer.kind, "config": layer.config}
            found += chain(nested, own_path, own_group, depth + 1)
        else:
            found.append(PlacedLayer(layer, own_group, own_path))
    if len(found) > MOST_LAYERS:
        raise InputError(f"the model has more than {MOST_LAYERS:,} layers")
    return found


def _functional(
    top: KerasLayer, given: list[Mapping[str, Any]], layers: list[KerasLayer]
) -> list[KerasLayer]:
    """The layers of a Functional model from its input to its output."""
    by_name = {layer.name: layer for layer in layers}
    nodes = {layer.name: one.get("inbound_nodes") or [] for layer, one in zip(layers, given)}
    ends = list(_histories(top.config.get("output_layers")))
    starts = list(_histories(top.config.get("input_layers")))
    if len(ends) != 1 or len(starts) != 1:
        raise InputError(
            f"the model {top.name[:80]!r} has {len(starts)} inputs and {len(ends)} outputs; models "
            "with one of each are supported"
        )
    name, _, place = ends[0]
    found: list[KerasLayer] = []
    taken: dict[str, Inbound] = {}
    while True:
        layer = by_name.get(name)
        if layer is None or name in {one.name for one in found}:
            raise InputError(f"the layers of the model {top.name[:80]!r} are not one chain")
        if place:
            raise layer.refuse("an output of it other than the first is used")
        found.append(layer)
        if layer.kind == "InputLayer":
            break
        taken[name] = inbound = _inbound(layer, nodes[name])
        name, place = inbound.source, inbound.output
    found.reverse()
    _check_masks(found, taken, by_name, nodes)
    used = {layer.name for layer in found}
    for layer in layers:
        if layer.name not in used and layer.kind not in MASK_OPERATIONS:
            raise layer.refuse("it is not between the input and the output of the model")
    return found


def _inbound(layer: KerasLayer, nodes: object) -> Inbound:
    """The input of a layer, from its entry inbound_nodes."""
    if not isinstance(nodes, list) or len(nodes) != 1:
        raise layer.refuse("it is used several times, or not at all")
    node = nodes[0]
    if isinstance(node, dict):  # Keras 3
        args, kwargs = node.get("args"), node.get("kwargs") or {}
    else:  # [[name, node, output, kwargs]], or without the outer list
        entries = node if isinstance(node, list) and node and isinstance(node[0], list) else [node]
        args = [entry[:3] if isinstance(entry, list) else None for entry in entries]
        kwargs = next((e[3] for e in entries if isinstance(e, list) and len(e) > 3 and e[3]), {})
    if not isinstance(args, list) or not isinstance(kwargs, dict):
        raise layer.refuse("its inputs cannot be read")
    sources = list(_histories(args))
    if len(sources) != 1:
        raise layer.refuse(f"it has {len(sources)} inputs; layers with one input are supported")
    mask = None
    for name, value in kwargs.items():
        tensors = list(_histories(value))
        if name == "mask" and len(tensors) == 1:
            mask = tensors[0][0]
        elif tensors or name in ("initial_state", "constants") and value is not None:
            raise layer.refuse(f"its call has {name[:80]}, which is not supported")
        elif name == "training" and value is True:
            raise layer.refuse("its call has training=True")
        elif name == "mask" and value is not None:
            raise layer.refuse("its call has a constant mask")
    constant = next((a for a in args if type(a) in (int, float)), None)
    source, _, output = sources[0]
    return Inbound(source, output, mask, constant)


def _histories(given: object, depth: int = 0) -> Iterator[tuple[str, int, int]]:
    """The tensors in a value: the layer, the number of its call, the number of its output."""
    if depth > 10:
        raise InputError("the inputs of a layer are nested too deeply")
    if isinstance(given, dict):
        config = given.get("config")
        if given.get("class_name") == "__keras_tensor__" and isinstance(config, dict):
            yield from _histories(config.get("keras_history"), depth + 1)
        else:
            for one in given.values():
                yield from _histories(one, depth + 1)
    elif isinstance(given, list):
        match given:
            case [str() as name, int() as call, int() as output]:
                yield name, call, output
            case _:
                for one in given:
                    yield from _histories(one, depth + 1)


def _check_masks(
    found: list[KerasLayer],
    taken: Mapping[str, Inbound],
    by_name: Mapping[str, KerasLayer],
    nodes: Mapping[str, object],
) -> None:
    """Check that the mask of each layer is that of the embedding or masking layer before it."""
    expected: tuple[str, object] | None = None
    for layer in found[1:]:
        mask = taken[layer.name].mask
        if mask is not None:
            operation = by_name.get(mask)
            if operation is not None and operation.kind == "Any":
                operation = by_name.get(_inbound(operation, nodes[operation.name]).source)
            if operation is None or operation.kind != "NotEqual" or expected is None:
                raise layer.refuse("its mask does not come from an Embedding or Masking layer")
            compared = _inbound(operation, nodes[operation.name])
            if (compared.source, compared.constant) != expected:
                raise layer.refuse("its mask is not that of the layers before it")
        source = taken[layer.name].source
        if layer.kind == "Embedding" and layer.config.get("mask_zero"):
            expected = source, 0
        elif layer.kind == "Masking":
            expected = source, layer.config.get("mask_value", 0.0)
