"""Private: the layers of a Keras model, from its configuration and its weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...errors import InputError, shown
from ...nn.recurrent import suffix
from ..activations import UNITS
from ..layer_specs import (
    MERGES,
    ActivationSpec,
    DenseSpec,
    EmbeddingSpec,
    MaskingSpec,
    RecurrentSpec,
    Spec,
)
from .tables import CELLS, CUDNN, KerasCell, activation

__all__ = ["KerasLayer", "ModelReader", "Slot", "object_paths", "snake_case"]

# Layers that do nothing in inference, and pass a mask on.
IDLE = (
    "InputLayer Dropout SpatialDropout1D GaussianDropout GaussianNoise AlphaDropout "
    "ActivityRegularization"
).split()
MOST_CELLS = 256


@dataclass(frozen=True)
class KerasLayer:
    """A layer of a configuration.

    Attributes:
        kind: Its class.
        name: Its name.
        config: Its arguments.
    """

    kind: str
    name: str
    config: Mapping[str, Any]

    @classmethod
    def read(cls, given: object, place: str) -> "KerasLayer":
        """A layer from parsed JSON.

        Raises:
            InputError: It does not describe a layer.
        """
        config = given.get("config") if isinstance(given, dict) else None
        kind = given.get("class_name") if isinstance(given, dict) else None
        if not isinstance(kind, str) or not isinstance(config, dict):
            raise InputError(f"{place} is {shown(given)}; it should be the description of a layer")
        name = config.get("name", kind)
        if not isinstance(name, str):
            raise InputError(f"{place} has the name {shown(name)}; it should be a text")
        return cls(kind[:100], name, config)

    def refuse(self, why: str) -> InputError:
        """The error for a layer that cannot be read."""
        return InputError(f"the layer {self.name[:80]!r} ({self.kind}) cannot be read: {why}")

    def truth(self, name: str, default: bool) -> bool:
        """An argument that is true or false."""
        value = self.config.get(name, default)
        if not isinstance(value, bool):
            raise self.refuse(f"{name} is {shown(value)}; it should be true or false")
        return value

    def whole(self, name: str) -> int:
        """An argument that is a whole number above 0."""
        value = self.config.get(name)
        if type(value) is not int or not 1 <= value <= 1 << 24:
            raise self.refuse(f"{name} is {shown(value)}; it should be from 1 to {1 << 24:,}")
        return value

    def activation(self, name: str, default: str, version: int) -> str:
        """An argument that is an activation."""
        try:
            return activation(self.config.get(name, default), version)
        except InputError as error:
            raise self.refuse(str(error)) from error


@dataclass(frozen=True)
class Slot:
    """Where the weights of a part of a layer are.

    Attributes:
        path: Its path below the layer in files that are ordered by objects.
        names: The names of the weights, in Keras's order.
    """

    path: str
    names: tuple[str, ...]


# The weights of a layer, for its slots in order.
Fetch = Callable[[list[Slot]], list[dict[str, np.ndarray]]]


@dataclass
class ModelReader:
    """Collects the parts of a stack from layers in order.

    Attributes:
        version: The version of Keras that wrote the file: 1, 2 or 3.
        parts: The descriptions of the parts.
        weights: The weights of each part, by the name of the parameter.
        notes: What has to be said about the model.
        masked: Whether a mask is on the way.
    """

    version: int
    parts: dict[str, Spec] = field(default_factory=dict)
    weights: dict[str, dict[str, np.ndarray]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    masked: bool = False

    def add(self, layer: KerasLayer, fetch: Fetch) -> None:
        """Add a layer.

        Args:
            layer: The layer.
            fetch: Reads its weights.

        Raises:
            InputError: The layer cannot be read; the message has its name and the reason.
        """
        kind = layer.kind
        if kind in IDLE:
            return
        self._check_common(layer)
        if kind in ("Dense", "TimeDistributed"):
            self._dense(layer, fetch)
        elif kind == "Embedding":
            self._embedding(layer, fetch)
        elif kind == "Masking":
            self._masking(layer)
        elif kind in ("Activation", "Softmax", "ReLU", "ELU"):
            self._activation(layer)
        elif kind == "Bidirectional":
            self._bidirectional(layer, fetch)
        elif kind in CUDNN:
            self._cudnn(layer, fetch)
        elif kind == "RNN":
            self._rnn(layer, fetch)
        elif any(kind == cell.layer for cell in CELLS):
            cell = self._cell(layer)
            (weights,) = fetch([Slot("cell", _names(layer))])
            self._recurrent(layer, layer.name, layer, cell, [weights])
        else:
            raise layer.refuse(
                "layers of this class are not supported; those that are: SimpleRNN, LSTM, GRU, "
                "RNN, Bidirectional, Embedding, Masking, Dense, TimeDistributed(Dense), Activation"
            )

    # ------------------------------------------------------------ parts

    def _check_common(self, layer: KerasLayer) -> None:
        policy = layer.config.get("dtype", "float32")
        if isinstance(policy, dict):
            policy = (
                policy["config"].get("name") if isinstance(policy.get("config"), dict) else None
            )
        if isinstance(policy, str) and "16" in policy:
            self.notes.append(f"{layer.name}: Keras computes in {policy}, this layer in float32")
        if layer.config.get("quantization_config") or (
            isinstance(policy, str) and policy.startswith(("int", "float8"))
        ):
            raise layer.refuse("its weights are quantized")
        if layer.config.get("lora_rank"):
            raise layer.refuse("it has LoRA weights; merge them first: layer.lora_enabled = False")

    def _put(self, name: str, spec: Spec, weights: dict[str, np.ndarray], layer: KerasLayer):
        if name in self.parts:
            raise layer.refuse("two layers have this name")
        self.parts[name], self.weights[name] = spec, weights

    def _dense(self, layer: KerasLayer, fetch: Fetch) -> None:
        inner, path = layer, ""
        if layer.kind == "TimeDistributed":
            inner, path = KerasLayer.read(layer.config.get("layer"), "its layer"), "layer"
            if inner.kind != "Dense":
                raise layer.refuse(f"it has a {inner.kind}; only a Dense layer is supported in it")
            self._check_common(inner)
        bias = inner.truth("use_bias", True)
        units = inner.whole("units")
        (weights,) = fetch([Slot(path, ("kernel", "bias") if bias else ("kernel",))])
        _check_shapes(layer, weights, {"kernel": (None, units), "bias": (units,)})
        spec = DenseSpec(
            weights["kernel"].shape[0],
            units,
            bias=bias,
            activation=inner.activation("activation", "linear", self.version),
        )
        arrays = {"weight": weights["kernel"].T}
        self._put(layer.name, spec, arrays | ({"bias": weights["bias"]} if bias else {}), layer)

    def _embedding(self, layer: KerasLayer, fetch: Fetch) -> None:
        if self.parts:
            raise layer.refuse("it is not the first layer")
        entries, units = layer.whole("input_dim"), layer.whole("output_dim")
        (weights,) = fetch([Slot("", ("embeddings",))])
        _check_shapes(layer, weights, {"embeddings": (entries, units)})
        masks = layer.truth("mask_zero", False)
        self.masked = masks
        spec = EmbeddingSpec(entries, units, mask_value=0 if masks else None)
        self._put(layer.name, spec, {"weight": weights["embeddings"]}, layer)

    def _masking(self, layer: KerasLayer) -> None:
        value = layer.config.get("mask_value", 0.0)
        if type(value) not in (int, float) or abs(value) > 1e30:
            raise layer.refuse(f"mask_value is {shown(value)}; it should be a number")
        if self.masked:
            raise layer.refuse("a layer before it has a mask already")
        self.masked = True
        self._put(layer.name, MaskingSpec(float(value)), {}, layer)

    def _activation(self, layer: KerasLayer) -> None:
        config = layer.config
        plain = {
            "Softmax": config.get("axis", -1) == -1,
            "ReLU": config.get("max_value") is None
            and not config.get("negative_slope")
            and not config.get("threshold"),
            "ELU": config.get("alpha", 1.0) == 1,
            "Activation": True,
        }
        if not plain[layer.kind]:
            raise layer.refuse("only its default arguments are supported")
        name = layer.kind.lower()
        if layer.kind == "Activation":
            name = layer.activation("activation", "linear", self.version)
        self._put(layer.name, ActivationSpec(name), {}, layer)

    def _bidirectional(self, layer: KerasLayer, fetch: Fetch) -> None:
        forward = KerasLayer.read(layer.config.get("layer"), "its layer")
        merge = layer.config.get("merge_mode", "concat")
        if merge not in MERGES:
            raise layer.refuse(f"merge_mode is {shown(merge)}; the two outputs have to be merged")
        self._check_common(forward)
        cell, constants, own = self._wrapped(layer, forward)
        if forward.truth("go_backwards", False):
            raise layer.refuse("its forward layer goes backwards")
        if layer.config.get("backward_layer") is not None:
            backward = KerasLayer.read(layer.config["backward_layer"], "its backward layer")
            other = self._wrapped(layer, backward)
            same = (
                other[:2] == (cell, constants)
                and other[2].whole("units") == own.whole("units")
                and other[2].truth("use_bias", True) == own.truth("use_bias", True)
                and backward.truth("return_sequences", False)
                == forward.truth("return_sequences", False)
                and backward.truth("go_backwards", False)
            )
            if not same:
                raise layer.refuse("its backward layer is not like the forward layer")
        names = _names(own)
        weights = fetch([Slot("forward_layer/cell", names), Slot("backward_layer/cell", names)])
        self._recurrent(
            forward, layer.name, own, (cell, constants), weights, merge=merge, refused=layer
        )

    def _wrapped(
        self, layer: KerasLayer, inner: KerasLayer
    ) -> tuple[KerasCell, dict[str, str], KerasLayer]:
        """The cell of the layer in a Bidirectional, and the layer that has its arguments."""
        own = inner
        if inner.kind == "RNN":
            own = KerasLayer.read(inner.config.get("cell"), "its cell")
        elif inner.kind.endswith("Cell"):
            raise layer.refuse(f"it has a {inner.kind}, which is not a layer")
        try:
            return *self._cell(own), own
        except InputError as error:
            raise layer.refuse(f"of the layer in it: {error}") from error

    def _rnn(self, layer: KerasLayer, fetch: Fetch) -> None:
        top = KerasLayer.read(layer.config.get("cell"), f"the cell of {layer.name!r}")
        stacked = top.kind == "StackedRNNCells"
        given = top.config.get("cells") if stacked else [layer.config["cell"]]
        if not isinstance(given, list) or not 1 <= len(given) <= MOST_CELLS:
            raise layer.refuse(f"its cells are {shown(given)}; they should be a list of cells")
        cells = [KerasLayer.read(one, f"a cell of {layer.name!r}") for one in given]
        found = []
        for one in cells:
            if not one.kind.endswith("Cell"):
                raise layer.refuse(f"cells of the class {one.kind} are not supported")
            try:
                found.append(self._cell(one))
            except InputError as error:
                raise layer.refuse(f"of a cell in it: {error}") from error
        paths = object_paths([one.kind for one in cells], "cell/cells") if stacked else ["cell"]
        weights = fetch([Slot(path, _names(one)) for path, one in zip(paths, cells)])
        if len(cells) > 1 and self.masked and layer.truth("go_backwards", False):
            raise layer.refuse("it goes backwards over several cells with a mask")
        for place, (one, cell, arrays) in enumerate(zip(cells, found, weights)):
            last = place == len(cells) - 1
            name = layer.name if len(cells) == 1 else f"{layer.name}/{place}"
            self._recurrent(
                layer, name, one, cell, [arrays], inner=not last, first=not place, refused=layer
            )

    def _cell(self, layer: KerasLayer) -> tuple[KerasCell, dict[str, str]]:
        """The cell of a layer, and its constants that are not the defaults."""
        kind = layer.kind.removesuffix("Cell")
        reset_after = layer.truth("reset_after", False) if kind == "GRU" else None
        cell = next((c for c in CELLS if (c.layer, c.reset_after) == (kind, reset_after)), None)
        if cell is None:
            raise layer.refuse("layers of this class are not supported here")
        defaults = {"activation": "tanh", "recurrent_activation": "sigmoid"}
        constants = {}
        for keras, ours in cell.activations:
            if keras not in layer.config:
                raise layer.refuse(f"its configuration has no {keras}")
            name = layer.activation(keras, defaults[keras], self.version)
            if name not in UNITS:
                raise layer.refuse(f"{keras} is {name}, which cells do not have")
            if name != defaults[keras]:
                constants[ours] = name
        return cell, constants

    def _recurrent(
        self,
        layer: KerasLayer,
        name: str,
        own: KerasLayer,
        cell: tuple[KerasCell, dict[str, str]],
        weights: list[dict[str, np.ndarray]],
        *,
        merge: str = "concat",
        inner: bool = False,
        first: bool = True,
        refused: KerasLayer | None = None,
    ) -> None:
        """Add a recurrent part.

        Args:
            layer: The layer with the arguments of the loop.
            name: The name of the part.
            own: The layer with the arguments of the cell.
            cell: The cell and its constants.
            weights: Keras's weights of each direction.
            merge: How two directions are put together.
            inner: Another cell of the same layer follows.
            first: No other cell of the same layer is before it.
            refused: The layer that errors name.
        """
        kind, constants = cell
        refused = refused or layer
        units, bias = own.whole("units"), own.truth("use_bias", True)
        columns = units * len(kind.gates)
        shapes = {
            "kernel": (None, columns),
            "recurrent_kernel": (units, columns),
            "bias": kind.bias_shape(units),
        }
        for arrays in weights:
            _check_shapes(refused, arrays, shapes)
        if layer.truth("time_major", False):
            raise refused.refuse("time_major is true; its input has the time first")
        for ignored, why in (
            ("stateful", "stateful: every call starts at a state of 0 here"),
            ("return_state", "return_state: the final states are not part of the output here"),
        ):
            if layer.truth(ignored, False) and first:
                self.notes.append(f"{layer.name}: {why}")
        sequence = layer.truth("return_sequences", False) or inner
        zero = layer.truth("zero_output_for_mask", False)
        both = len(weights) == 2
        if zero and self.masked and not sequence and not both:
            raise refused.refuse("zero_output_for_mask with the last output alone")
        # Keras sets zero_output_for_mask of both directions to return_sequences
        masked = "zero" if (sequence if both else zero and not inner) else "hold"
        spec = RecurrentSpec(
            kind.cell,
            weights[0]["kernel"].shape[0],
            units,
            bidirectional=both,
            constants=dict(constants),
            names={} if bias else {name: [] for name in kind.biases},
            merge=merge,  # type: ignore[arg-type]
            reverse=layer.truth("go_backwards", False) and not both and first,
            sequence=sequence,
            masked=masked,  # type: ignore[arg-type]
        )
        arrays = {
            weight + suffix(0, direction): array
            for direction, given in enumerate(weights)
            for weight, array in kind.to_cell(given).items()
        }
        self._put(name, spec, arrays, refused)
        self.masked = self.masked and sequence

    def _cudnn(self, layer: KerasLayer, fetch: Fetch) -> None:
        """A layer for cuDNN, whose matrices are transposed gate by gate, with two biases."""
        plain, gates = CUDNN[layer.kind]
        if self.masked:
            raise layer.refuse("layers for cuDNN do not support a mask")
        units = layer.whole("units")
        (weights,) = fetch([Slot("", ("kernel", "recurrent_kernel", "bias"))])
        columns = gates * units
        _check_shapes(
            layer,
            weights,
            {
                "kernel": (None, columns),
                "recurrent_kernel": (units, columns),
                "bias": (2 * columns,),
            },
        )
        rows = weights["bias"].reshape(2, columns)
        converted = {
            "kernel": np.hstack(
                [k.reshape(k.shape[::-1]).T for k in np.hsplit(weights["kernel"], gates)]
            ),
            "recurrent_kernel": np.hstack(
                [k.T for k in np.hsplit(weights["recurrent_kernel"], gates)]
            ),
            "bias": rows if plain == "GRU" else rows.sum(0),
        }
        config = dict(layer.config) | {"activation": "tanh", "recurrent_activation": "sigmoid"}
        own = KerasLayer(plain, layer.name, config | {"reset_after": True, "use_bias": True})
        self._recurrent(own, layer.name, own, self._cell(own), [converted], refused=layer)


def _names(layer: KerasLayer) -> tuple[str, ...]:
    """The names of a recurrent layer's weights, in Keras's order."""
    names = ("kernel", "recurrent_kernel")
    return (*names, "bias") if layer.truth("use_bias", True) else names


def object_paths(kinds: list[str], above: str) -> list[str]:
    """The paths of objects in a file that is ordered by objects: their classes, numbered."""
    counts: dict[str, int] = {}
    found = []
    for kind in kinds:
        name = snake_case(kind)
        number = counts.get(name, 0)
        counts[name] = number + 1
        found.append(f"{above}/{name}_{number}" if number else f"{above}/{name}")
    return found


def snake_case(name: str) -> str:
    """The name of a class as Keras writes it in paths.

    Example:
        >>> [snake_case(name) for name in ("SimpleRNN", "TimeDistributed", "CuDNNLSTM")]
        ['simple_rnn', 'time_distributed', 'cu_dnnlstm']
    """
    found = ""
    for place, letter in enumerate(name):
        before, after = name[place - 1 : place], name[place + 1 : place + 2]
        word = before.islower() or (before.isupper() and after.islower())
        found += ("_" if place and letter.isupper() and word else "") + letter.lower()
    return found


def _check_shapes(
    layer: KerasLayer,
    weights: Mapping[str, np.ndarray],
    wanted: Mapping[str, tuple[int | None, ...]],
) -> None:
    for name, array in weights.items():
        shape = wanted[name]
        if len(array.shape) != len(shape) or any(
            want not in (None, size) for size, want in zip(array.shape, shape)
        ):
            sizes = ", ".join("any" if size is None else str(size) for size in shape)
            raise layer.refuse(f"its weight {name} is {array.shape}, and should be ({sizes})")
        if 0 in array.shape:
            raise layer.refuse(f"its weight {name} is {array.shape}, and has no numbers")
