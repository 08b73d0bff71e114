"""Private: layers as the configuration and the weights of a Keras 3 model."""

import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from ...errors import InputError
from ...nn.recurrent import Recurrent
from ..cell_weights import cell_arrays, with_forget_bias
from ..layer_specs import ActivationSpec, DenseSpec, EmbeddingSpec, MaskingSpec, RecurrentSpec
from ..layer_stack import LayerStack, RecurrentPart
from .layers import object_paths
from .tables import CELLS, KerasCell, keras_activation

if TYPE_CHECKING:
    import h5py

__all__ = ["ExportedLayer", "exported", "model_config", "weights_file"]


@dataclass(frozen=True)
class ExportedLayer:
    """A layer of Keras.

    Attributes:
        kind: Its class.
        config: Its arguments.
        weights: Its weights in Keras's order, by the path of the object that has them.
    """

    kind: str
    config: dict[str, Any]
    weights: dict[str, list[np.ndarray]] = field(default_factory=dict)


def exported(stack: LayerStack) -> list[ExportedLayer]:
    """The layers of a stack as layers of Keras, in order.

    Raises:
        InputError: Keras does not have such a layer; the message says which, and why.
    """
    found: list[ExportedLayer] = []
    masked = False
    taken: set[str] = set()

    def unique(name: str) -> str:
        plain = "".join(c if c.isalnum() or c in "_-" else "_" for c in name) or "layer"
        number, result = 1, plain
        while result in taken:
            result, number = f"{plain}_{number}", number + 1
        taken.add(result)
        return result

    for name, part in stack.named_parts():
        spec = part.spec
        if isinstance(part, RecurrentPart):
            found += _recurrent(name, part, unique, masked)
            masked = masked and part.spec.sequence
            continue
        config: dict[str, Any] = {"name": unique(name)}
        weights = [p.detach().cpu().numpy() for p in part.parameters()]
        match spec:
            case EmbeddingSpec():
                if spec.mask_value not in (None, 0):
                    raise _refused(name, f"it masks the id {spec.mask_value}; Keras masks id 0")
                masked = spec.mask_value == 0
                config |= {"input_dim": spec.entries, "output_dim": spec.units}
                config["mask_zero"] = masked
                found.append(ExportedLayer("Embedding", config, {"": weights}))
            case MaskingSpec():
                if masked:
                    raise _refused(name, "a layer before it has a mask, which Keras would forget")
                masked = True
                found.append(ExportedLayer("Masking", config | {"mask_value": spec.value}))
            case DenseSpec():
                config |= {
                    "units": spec.output_size,
                    "activation": keras_activation(spec.activation),
                    "use_bias": spec.bias,
                }
                weights[0] = weights[0].T
                found.append(ExportedLayer("Dense", config, {"": weights}))
            case ActivationSpec():
                config["activation"] = keras_activation(spec.activation)
                found.append(ExportedLayer("Activation", config))
    return found


def _refused(name: str, why: str) -> InputError:
    return InputError(f"the layer {name[:80]!r} cannot be written for Keras: {why}")


def _recurrent(name: str, part: RecurrentPart, unique: Any, masked: bool) -> list[ExportedLayer]:
    """A recurrent part as layers of Keras, one for each of its layers."""
    spec, layer = part.spec, part.layer
    kind = next((cell for cell in CELLS if cell.cell == spec.cell), None)
    if kind is None:
        raise _refused(
            name, f"Keras does not have the cell {spec.cell!r}; it has "
            f"{', '.join(cell.cell for cell in CELLS)}"
        )  # fmt: skip
    _check(name, spec, layer, masked)
    bias = spec.constants.get("forget_bias", 0.0) != 0 or layer.names["b"] != ()
    found = []
    for number in range(spec.num_layers):
        last = number == spec.num_layers - 1
        sequence = spec.sequence or not last
        config: dict[str, Any] = {
            "name": unique(name if spec.num_layers == 1 else f"{name}_{number}"),
            "units": spec.hidden_size,
            "use_bias": bias,
            "return_sequences": sequence,
            "go_backwards": spec.reverse and not number,
            "zero_output_for_mask": masked and sequence and spec.masked == "zero",
        }
        for keras, ours in kind.activations:
            default = "tanh" if keras == "activation" else "sigmoid"
            config[keras] = keras_activation(str(spec.constants.get(ours, default)))
        if kind.reset_after is not None:
            config["reset_after"] = kind.reset_after
        weights = [
            _keras_weights(kind, spec, layer, number, k, bias)
            for k in range(1 + spec.bidirectional)
        ]
        if not spec.bidirectional:
            found.append(ExportedLayer(kind.layer, config, {"cell": weights[0]}))
            continue
        inner = config | {"name": f"forward_{config['name']}"}
        wrapped = {"module": "keras.layers", "class_name": kind.layer, "config": inner}
        backward = wrapped | {
            "config": inner | {"name": f"backward_{config['name']}", "go_backwards": True}
        }
        both = {
            "name": config["name"],
            "layer": wrapped | {"registered_name": None},
            "backward_layer": backward | {"registered_name": None},
            "merge_mode": spec.merge if last else "concat",
        }
        places = {"forward_layer/cell": weights[0], "backward_layer/cell": weights[1]}
        found.append(ExportedLayer("Bidirectional", both, places))
    return found


def _check(name: str, spec: RecurrentSpec, layer: Recurrent, masked: bool) -> None:
    """Refuse what Keras's layers do not have."""
    if spec.constants.get("cell_clip") is not None:
        raise _refused(name, "Keras's LSTM does not clip the cell state")
    if spec.learned_state:
        raise _refused(name, "its initial state is learned; Keras starts at 0")
    if "zoneout" in spec.regularisers:
        raise _refused(name, "Keras does not have zoneout, which changes the results in inference")
    if spec.precision == "bfloat16":
        raise _refused(name, "it rounds products to bfloat16: set layer.precision = None first")
    if masked and spec.bidirectional and spec.sequence and spec.masked == "hold":
        raise _refused(name, "both directions of Keras return 0 at masked steps; use masked='zero'")
    if masked and spec.reverse and spec.num_layers > 1:
        raise _refused(
            name, "several layers go backwards over a mask, which Keras does not reverse"
        )


def _keras_weights(
    kind: KerasCell, spec: RecurrentSpec, layer: Recurrent, number: int, direction: int, bias: bool
) -> list[np.ndarray]:
    """Keras's weights of a layer and direction, in Keras's order."""
    own = cell_arrays(layer, number, direction)
    if not bias:
        own = {name: array for name, array in own.items() if name not in kind.biases}
    elif shift := spec.constants.get("forget_bias", 0.0):
        own = with_forget_bias(own, spec.hidden_size, float(shift))
    return [*kind.from_cell(own).values()]


# ---------------------------------------------------------------- files


def model_config(stack: LayerStack, layers: list[ExportedLayer]) -> dict[str, Any]:
    """The configuration of a Sequential model of Keras 3."""
    dtype = str(stack.dtype).removeprefix("torch.")
    policy = {
        "module": "keras",
        "class_name": "DTypePolicy",
        "config": {"name": dtype},
        "registered_name": None,
    }
    ids = stack.takes_ids
    shape = [None, None] if ids else [None, None, stack.input_size]
    first = {"batch_shape": shape, "dtype": "int32" if ids else dtype, "name": "input_layer"}

    def described(kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "module": "keras.layers",
            "class_name": kind,
            "config": config,
            "registered_name": None,
        }

    def typed(config: dict[str, Any]) -> dict[str, Any]:
        inner = {
            name: value | {"config": typed(value["config"])}
            for name, value in config.items()
            if name in ("layer", "backward_layer")
        }
        return config | {"dtype": policy} | inner

    return {
        "module": "keras",
        "class_name": "Sequential",
        "config": {
            "name": "sequential",
            "trainable": True,
            "dtype": policy,
            "layers": [
                described("InputLayer", first),
                *(described(layer.kind, typed(layer.config)) for layer in layers),
            ],
            "build_input_shape": shape,
        },
        "registered_name": None,
        "build_config": {"input_shape": shape},
    }


def weights_file(layers: list[ExportedLayer]) -> bytes:
    """The content of a .weights.h5 file of Keras 3."""
    import h5py

    content = io.BytesIO()
    with h5py.File(content, "w") as file:
        _vars(file, "", "sequential")
        for layer, path in zip(layers, object_paths([one.kind for one in layers], "layers")):
            name = layer.config["name"]
            for place, arrays in _places(layer):
                own = _vars(file, f"{path}/{place}".rstrip("/"), name)
                for number, array in enumerate(arrays):
                    own.create_dataset(str(number), data=np.ascontiguousarray(array))
    return content.getvalue()


def _places(layer: ExportedLayer) -> Iterator[tuple[str, list[np.ndarray]]]:
    """The objects of a layer, those without weights too, and their weights."""
    known = {"": layer.weights.get("", [])}
    for place, arrays in layer.weights.items():
        parts = place.split("/")
        for end in range(1, len(parts)):
            known.setdefault("/".join(parts[:end]), [])
        known[place] = arrays
    yield from known.items()


def _vars(file: "h5py.File", path: str, name: str) -> "h5py.Group":
    group = file.require_group(f"{path}/vars")
    group.attrs["name"] = name
    return group
