"""Private: networks of layers: the calls between some inputs and outputs, in order."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import EngineError, InputError
from ..core import nest
from ..core.tensors import Tensor
from ..layers.base_layer import BaseLayer, accepts
from . import weight_files
from .engine import InputLayer, Layer, LayerCall, as_list, nodes_of, shapes_of

__all__ = ["Network", "unique"]


def unique(values: Sequence) -> list:
    """The values, each one once."""
    found: dict[int, Any] = {}
    for v in values:
        found.setdefault(id(v), v)
    return list(found.values())


def _node_of(tensor: Any) -> LayerCall:
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        raise InputError(
            f"Output tensors to a Model must be the output of a layer: {tensor} is not; begin with "
            "tf.keras.Input, and wrap other operations in tf.keras.layers.Lambda"
        )
    return nodes_of(history.layer)[history.node_index]


class _CallGraph:
    """The calls between inputs and outputs, and the layers in the order of Keras: by their distance
    from the outputs, the farthest first.
    """

    def __init__(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]):
        self.order: list[LayerCall] = []
        self._seen: dict[int, int] = {}
        for x in outputs:
            self._visit(x)
        depths: dict[int, int] = {}
        layer_depths: dict[int, int] = {}
        layers: dict[int, Any] = {}
        for node in reversed(self.order):
            key = id(node.layer)
            depth = max(depths.setdefault(id(node), 0), layer_depths.get(key, 0))
            layers[key], layer_depths[key], depths[id(node)] = node.layer, depth, depth
            for x in nest.flatten(node.inputs):
                before = id(_node_of(x))
                depths[before] = max(depth + 1, depths.get(before, 0))
        for x in inputs:
            layer = _node_of(x).layer
            if id(layer) not in layers:
                layers[id(layer)], layer_depths[id(layer)] = layer, 0
                self._seen.setdefault(id(layer), -1)
                self.order.insert(0, _node_of(x))
        self.layers = sorted(
            layers.values(), key=lambda l: (-layer_depths[id(l)], self._seen[id(l)])
        )

    def _visit(self, output: Tensor) -> None:
        # A list of what is waited for, not recursion: networks may be deep.
        done = {id(n) for n in self.order}
        pending = [(_node_of(output), False)]
        while pending:
            node, leaving = pending.pop()
            if leaving:
                if id(node) not in done:
                    done.add(id(node))
                    self.order.append(node)
                continue
            if id(node) in done:
                continue
            self._seen.setdefault(id(node.layer), len(self._seen))
            pending.append((node, True))
            pending += [(_node_of(x), False) for x in reversed(nest.flatten(node.inputs))]


class Network(Layer):
    """A layer that is made of layers.

    Attributes:
        inputs, outputs: Its inputs and outputs, as lists.
        layers: The layers.
        stateful: Whether a layer keeps its states between batches.
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None):
        self._tracked: list[Any] = []
        super().__init__(name=name)
        self._map: _CallGraph | None = None
        self._saver: Any = None
        self.inputs: list[Tensor] = []
        self.outputs: list[Tensor] = []
        self._several_outputs = isinstance(outputs, (list, tuple))
        if inputs is not None:
            self._set_ends(inputs, outputs)

    def _set_ends(self, inputs: Any, outputs: Any) -> None:
        """Make it the network between inputs and outputs."""
        self.inputs, self.outputs = as_list(inputs), as_list(outputs)
        for x in self.inputs:
            if not isinstance(_node_of(x).layer, InputLayer):
                raise InputError(
                    f"Model inputs must come from `tf.keras.Input`: {x} is an output of "
                    f"{_node_of(x).layer.name}; write tf.keras.Input(shape=...)"
                )
        self._map = _CallGraph(self.inputs, self.outputs)
        known = {id(x) for x in self.inputs}
        for node in self._map.order:
            if isinstance(node.layer, InputLayer) and id(node.outputs) not in known:
                raise InputError(
                    f"Graph disconnected: cannot obtain value for tensor {node.outputs} at layer "
                    f"{node.layer.name!r}: add it to the inputs of the model"
                )
        names = [layer.name for layer in self._map.layers]
        twice = {n for n in names if names.count(n) > 1}
        if twice:
            raise InputError(
                f"The name {sorted(twice)[0]!r} is used {names.count(sorted(twice)[0])} times in "
                "the model. All layer names should be unique: give other names"
            )
        self.built = True

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and name not in ("inputs", "outputs"):
            for layer in as_list(value):
                if isinstance(layer, BaseLayer) and all(layer is not k for k in self._tracked):
                    self._tracked.append(layer)
        super().__setattr__(name, value)

    # Layers

    @property
    def layers(self) -> list:
        """The layers, from the inputs to the outputs."""
        return list(self._map.layers if self._map else self._tracked)

    def get_layer(self, name: str | None = None, index: int | None = None) -> Any:
        """A layer.

        Args:
            name: Its name.
            index: Its number, in place of a name.
        """
        if index is not None:
            if index >= len(self.layers):
                raise InputError(f"the model has {len(self.layers)} layers: no layer {index}")
            return self.layers[index]
        found = next((layer for layer in self.layers if layer.name == name), None)
        if found is None:
            names = ", ".join(layer.name for layer in self.layers)
            raise InputError(f"No such layer: {name!r}; the model has {names}")
        return found

    @property
    def stateful(self) -> bool:
        """Whether a layer keeps its states between batches."""
        return any(getattr(layer, "stateful", False) for layer in self.layers)

    @stateful.setter
    def stateful(self, value: bool) -> None:
        if value:
            raise InputError("a model is stateful if its layers are: write stateful=True there")

    def reset_states(self) -> None:
        """Set the states of stateful layers to zeros."""
        for layer in self.layers:
            if getattr(layer, "stateful", False) and hasattr(layer, "reset_states"):
                layer.reset_states()

    def _of_layers(self, name: str) -> list:
        return unique([x for layer in self.layers for x in getattr(layer, name)])

    @property
    def trainable_weights(self) -> list:
        """The variables that are trained."""
        return self._of_layers("trainable_weights") if self.trainable else []

    @property
    def non_trainable_weights(self) -> list:
        """The variables that are not trained."""
        return self._of_layers("non_trainable_weights" if self.trainable else "weights")

    @property
    def weights(self) -> list:
        """All variables, layer by layer."""
        return self._of_layers("weights")

    variables = weights

    @property
    def losses(self) -> list:
        """The losses of the layers."""
        return self._of_layers("losses") + super().losses

    @property
    def updates(self) -> list:
        """The updates of the layers."""
        return self._of_layers("updates") + super().updates

    @property
    def state_updates(self) -> list:
        """The updates of stateful layers."""
        stateful = [layer for layer in self.layers if getattr(layer, "stateful", False)]
        return unique([u for layer in stateful for u in layer.updates])

    @property
    def input(self) -> Any:
        """The input, or the list of inputs."""
        return self.inputs[0] if len(self.inputs) == 1 else self.inputs

    @property
    def output(self) -> Any:
        """The output, or the list of outputs."""
        return self.outputs[0] if len(self.outputs) == 1 else self.outputs

    @property
    def input_names(self) -> list[str]:
        """The names of the inputs."""
        if self._map is None:
            return [f"input_{i + 1}" for i in range(len(self.inputs))]
        return [_node_of(x).layer.name for x in self.inputs]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers of the outputs, made unique."""
        if self._map is None:
            return [f"output_{i + 1}" for i in range(len(self.outputs))]
        found: list[str] = []
        for x in self.outputs:
            name = _node_of(x).layer.name
            used = sum(n == name or n.startswith(f"{name}_") for n in found)
            found.append(f"{name}_{used}" if name in found else name)
        return found

    # Calls

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The outputs for other inputs.

        Args:
            inputs: A tensor for each input.
            training: Whether elements are dropped; None for the learning phase.
            mask: The masks of the inputs.
        """
        if self._map is None:
            raise EngineError(
                f"{type(self).__name__} has no inputs and outputs: write a `call` method, or give "
                "inputs and outputs"
            )
        values = dict(zip(map(id, self.inputs), as_list(inputs)))
        for x, m in zip(as_list(inputs), as_list(mask)):
            if m is not None:
                x._keras_mask = m
        for node in self._map.order:
            if isinstance(node.layer, InputLayer):
                continue
            given = nest.map_structure(lambda x: values[id(x)], node.inputs)
            arguments = dict(node.arguments)
            if accepts(node.layer.call, "training"):
                arguments.setdefault("training", training)
            if arguments.get("initial_state") is not None:
                arguments["initial_state"] = nest.map_structure(
                    lambda x: values.get(id(x), x), arguments["initial_state"]
                )
            outputs = node.layer(given, **arguments)
            for old, new in zip(nest.flatten(node.outputs), nest.flatten(outputs)):
                values[id(old)] = new
        found = [values[id(x)] for x in self.outputs]
        return found if len(found) > 1 or self._several_outputs else found[0]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        masks = [getattr(x, "_keras_mask", None) for x in self.outputs]
        return masks if len(masks) > 1 else (masks or [None])[0]

    # Files and text

    def get_config(self) -> dict[str, Any]:
        """Not provided for models of inputs and outputs.

        Raises:
            EngineError: Always.
        """
        raise EngineError(
            "the configuration of a Model is not provided: keep the program that makes the model, "
            "and save its weights with model.save_weights(path)"
        )

    def save_weights(self, filepath: Any, overwrite: bool = True, save_format: Any = None) -> None:
        """Save the variables as a TensorFlow checkpoint.

        Args:
            filepath: The path, without .h5.
            overwrite: Whether to replace existing files.
            save_format: None or "tf".

        Raises:
            InputError: Another format is wanted.
        """
        weight_files.save(self, filepath, overwrite, save_format)

    def load_weights(self, filepath: Any, by_name: bool = False) -> None:
        """Read the variables from a TensorFlow checkpoint, of `save_weights` or of tf.train.Saver.

        Args:
            filepath: The path.
            by_name: Must be False.

        Raises:
            InputError: The file is HDF5, or a variable is missing.
        """
        weight_files.load(self, filepath, by_name)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """Not provided.

        Raises:
            EngineError: Always.
        """
        raise EngineError(
            "model.save is not provided: ostinato.tf1 does not write HDF5; keep the program that "
            "makes the model, and write model.save_weights(path) and model.load_weights(path)"
        )

    def summary(
        self,
        line_length: int | None = None,
        positions: Sequence[float] | None = None,
        print_fn: Callable | None = None,
    ) -> None:
        """Print the layers with their shapes and numbers of variables.

        Args:
            line_length: The length of lines; None for 65, or 98 if layers have several inputs.
            positions: The ends of the columns, as shares of a line.
            print_fn: A function for each line; None for `print`.
        """
        show = print_fn or print
        calls = self._map.order if self._map else []
        sequential = len(self.inputs) < 2 and len(self.outputs) < 2
        sequential &= all(len(nest.flatten(node.inputs)) < 2 for node in calls)
        width = line_length or (65 if sequential else 98)
        ends = positions or ([0.45, 0.85, 1.0] if sequential else [0.33, 0.55, 0.67, 1.0])
        columns = [int(width * e) if e <= 1 else int(e) for e in ends]

        def row(fields: Sequence[Any]) -> None:
            line = ""
            for field, end in zip(fields, columns):
                line = f"{line} {field}" if line else str(field)
                line = line[:end].ljust(end)
            show(line)

        show("_" * width)
        heads = ["Layer (type)", "Output Shape", "Param #", "Connected to"]
        row(heads[: len(columns)])
        show("=" * width)
        layers = self._summarized()
        for i, layer in enumerate(layers):
            row([*_described(layer), ", ".join(_sources(layer))][: len(columns)])
            show(("=" if i == len(layers) - 1 else "_") * width)
        trained, other = (
            sum(v.shape.num_elements() or 0 for v in of)
            for of in (self.trainable_weights, self.non_trainable_weights)
        )
        show(f"Total params: {trained + other:,}")
        show(f"Trainable params: {trained:,}")
        show(f"Non-trainable params: {other:,}")
        show("_" * width)

    def _summarized(self) -> list:
        if not self.built and not self.weights:
            raise InputError(
                "This model has not yet been built. Build the model first by calling it or fit(), "
                "or give the first layer an input_shape"
            )
        return self.layers


def _described(layer: Any) -> list:
    calls = nodes_of(layer)
    shape = str(shapes_of(calls[0].outputs)) if len(calls) == 1 else "multiple"
    count = layer.count_params() if layer.built else 0
    return [f"{layer.name} ({type(layer).__name__})", shape, count]


def _sources(layer: Any) -> list[str]:
    found = []
    for node in nodes_of(layer):
        for x in nest.flatten(node.inputs):
            history = x._keras_history
            found.append(f"{history.layer.name}[{history.node_index}][{history.tensor_index}]")
    return found
