"""Private: tf.keras.models."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import EngineError, InputError
from ..core.dtypes import as_dtype
from ..core.tensors import Tensor
from ..layers.base_layer import BaseLayer
from ..ops import arrays
from .engine import Input, InputLayer, as_list, nodes_of
from .network import Network
from .training import Model

__all__ = ["Model", "Sequential", "load_model"]


class Sequential(Model):
    """A model of layers on top of one another.

    Args:
        layers: The layers; None to add them with `add`.
        name: The name; None for `sequential`, with a number.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> model = tf.keras.Sequential()
        >>> model.add(tf.keras.layers.LSTM(4, input_shape=(5, 1)))
        >>> model.add(tf.keras.layers.Dense(1))
        >>> model.output_shape
        (None, 1)
    """

    def __init__(self, layers: Sequence | None = None, name: str | None = None):
        super().__init__(name=name)
        self._stack: list[Any] = []
        for layer in layers or ():
            self.add(layer)

    @property
    def layers(self) -> list:
        """The layers, without that of the input."""
        return [layer for layer in self._stack if not isinstance(layer, InputLayer)]

    def add(self, layer: Any) -> None:
        """Add a layer.

        Raises:
            InputError: It is not a layer, or has several outputs.
        """
        if hasattr(layer, "_keras_history") and isinstance(layer, Tensor):
            layer = layer._keras_history.layer  # type: ignore[attr-defined]
        if not isinstance(layer, BaseLayer):
            raise InputError(
                f"The added layer must be an instance of class Layer. Found: {layer!r}; give a "
                "layer such as tf.keras.layers.Dense(2)"
            )
        self._functions, self._objective = {}, None
        if not self._stack:
            self._begin(layer)
        elif self.outputs:
            self._stack.append(layer)
            self._end_with(layer(self.outputs[0]))
        else:
            self._stack.append(layer)

    def _begin(self, layer: Any) -> None:
        """The first layer, which may tell the shape of the input."""
        self._stack = [layer]
        if isinstance(layer, InputLayer):
            self._start, outputs = layer.output, layer.output
        elif isinstance(layer, Network) and layer.inputs:
            self._start = Input(batch_shape=layer.inputs[0].shape.as_list())
            self._stack.insert(0, self._start._keras_history.layer)
            outputs = layer(self._start)
        elif getattr(layer, "_batch_input_shape", None) is not None:
            self._start = Input(
                batch_shape=layer._batch_input_shape,
                dtype=layer.dtype,
                name=f"{layer.name}_input",
            )
            self._stack.insert(0, self._start._keras_history.layer)
            outputs = layer(self._start)
        else:
            return
        self._end_with(outputs)

    def _end_with(self, outputs: Any) -> None:
        if len(as_list(outputs)) != 1:
            raise InputError(
                "All layers in a Sequential model should have a single output tensor: leave out "
                "return_state, or use tf.keras.Model"
            )
        self._set_ends(self._start, outputs)

    def pop(self) -> None:
        """Remove the last layer.

        Raises:
            InputError: The model has none.
        """
        if not self._stack:
            raise InputError("the model has none: add layers first")
        layer = self._stack.pop()
        self._functions, self._objective = {}, None
        if self.outputs:
            nodes = nodes_of(layer)
            last = nodes.pop()
            self.inputs, self.outputs, self._map = [], [], None
            self.built = False
            if self.layers:
                self._end_with(last.inputs)
            else:
                self._stack = []

    def build(self, input_shape: Any = None) -> None:
        """Create the variables for a shape of the input, (batch, ...)."""
        if self.outputs or input_shape is None:
            self.built = True
            return
        shape = list(getattr(input_shape, "sizes", None) or input_shape)
        dtype = getattr(self.layers[0], "dtype", None) or "float32"
        self._build_from_tensor(arrays.placeholder(as_dtype(dtype), shape=shape))

    def _build_from_tensor(self, x: Tensor) -> None:
        self._start = Input(tensor=x)
        self._stack.insert(0, self._start._keras_history.layer)
        outputs = self._start
        for layer in self.layers:
            outputs = layer(outputs)
        self._end_with(outputs)

    def _build_from(self, x: Any) -> None:
        if self.outputs:
            return
        if not self.layers:
            raise InputError("the model has no layers: add some")
        array = np.asarray(x[0] if isinstance(x, (list, tuple)) and hasattr(x[0], "shape") else x)
        kind = array.dtype.name if array.dtype.kind in "iu" else "float32"
        shape = [None, *(array.shape[1:] or (1,))]
        self._build_from_tensor(arrays.placeholder(as_dtype(kind), shape=shape))

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """The output for another input; see `Network.call`."""
        if self._map is None:
            self._build_from_tensor(inputs)
            return self.outputs[0]
        return super().call(inputs, training, mask)

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The class of each row: that of the largest output, or whether a single output is above
        0.5.
        """
        found = self.predict(x, batch_size=batch_size, verbose=verbose)
        return found.argmax(-1) if found.shape[-1] > 1 else (found > 0.5).astype("int32")

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: int = 0) -> Any:
        """The outputs; see `predict`."""
        return self.predict(x, batch_size, verbose)

    def get_config(self) -> dict[str, Any]:
        """The classes and the arguments of the layers."""
        layers = [
            {"class_name": type(layer).__name__, "config": layer.get_config()}
            for layer in self.layers
        ]
        return {"name": self.name, "layers": layers}

    @classmethod
    def from_config(cls, config: Mapping[str, Any], custom_objects: Any = None) -> "Sequential":
        """The model of a `get_config()`.

        Args:
            config: The configuration.
            custom_objects: Other classes by name.
        """
        from ..namespaces import namespace  # the classes by their names in TensorFlow

        known = namespace("keras.layers")
        model = cls(name=config["name"])
        for layer in config["layers"]:
            name = layer["class_name"]
            kind = (custom_objects or {}).get(name) or getattr(known, name)
            model.add(kind.from_config(layer["config"]))
        return model


def load_model(filepath: Any, custom_objects: Any = None, compile: bool = True) -> Any:  # noqa: A002
    """Not provided.

    Raises:
        EngineError: Always.
    """
    raise EngineError(
        "tf.keras.models.load_model is not provided: ostinato.tf1 does not read HDF5; make the "
        "model with its program, and write model.load_weights(path) for a TensorFlow checkpoint"
    )
