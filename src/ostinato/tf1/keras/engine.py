"""Private: layers of tf.keras, and the record of the calls that make up a model."""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import EngineError, InputError, SizeError
from ..core import nest
from ..core.dtypes import as_dtype
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.base_layer import BaseLayer
from ..layers.specs import InputSpec
from ..ops import arrays
from . import backend
from .lookup import config_of

__all__ = [
    "Input",
    "InputLayer",
    "InputSpec",
    "KerasHistory",
    "Layer",
    "LayerCall",
    "as_list",
    "copy_of",
    "nodes_of",
    "record_call",
    "shapes_of",
]


class KerasHistory(NamedTuple):
    """The origin of a tensor of a model: the layer, the number of its call, and of the output."""

    layer: Any
    node_index: int
    tensor_index: int


class LayerCall(NamedTuple):
    """A call of a layer.

    Attributes:
        layer: The layer.
        inputs, outputs: The structures of its inputs and outputs.
        arguments: The other arguments.
    """

    layer: Any
    inputs: Any
    outputs: Any
    arguments: Mapping[str, Any]


def as_list(value: Any) -> list:
    """A list of a value, or the values of a list or tuple."""
    return list(value) if isinstance(value, (list, tuple)) else [value]


def nodes_of(layer: Any) -> list[LayerCall]:
    """The recorded calls of a layer."""
    return layer.__dict__.setdefault("_inbound_nodes", [])


def record_call(layer: Any, inputs: Any, outputs: Any, args: Sequence, kwargs: Mapping) -> Any:
    """Record a call, so that a model can repeat it.

    Args:
        layer: The layer.
        inputs, outputs: The structures of its inputs and outputs.
        args, kwargs: The other arguments.

    Returns:
        The outputs; a copy of those that are inputs too.
    """
    given = nest.flatten(inputs)

    def own(x: Any) -> Any:
        return arrays.identity(x) if any(x is i for i in given) else x

    masks = [getattr(x, "_keras_mask", None) for x in nest.flatten(outputs)]
    outputs = nest.map_structure(own, outputs)
    names = list(inspect.signature(layer.call).parameters)[1:]
    arguments = {**dict(zip(names, args)), **kwargs}
    # The masks of the inputs are found again when the call is repeated.
    arguments.pop("mask", None)
    _add_node(layer, inputs, outputs, arguments)
    for x, mask in zip(nest.flatten(outputs), masks):
        if mask is not None:
            x._keras_mask = mask
    return outputs


def _add_node(layer: Any, inputs: Any, outputs: Any, arguments: Mapping) -> None:
    nodes = nodes_of(layer)
    nodes.append(LayerCall(layer, inputs, outputs, arguments))
    for i, x in enumerate(nest.flatten(outputs)):
        x._keras_history = KerasHistory(layer, len(nodes) - 1, i)


class Layer(BaseLayer):
    """A layer of tf.keras. A subclass creates its variables with `add_weight` in
    `build(input_shape)`, and computes its output in `call(inputs)`.

    Attributes:
        input, output: The input and the output of its only call in a model.
        input_shape, output_shape: Their static shapes.
    """

    _given: tuple[tuple, dict[str, Any]]

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        layer = super().__new__(cls)
        layer.__dict__["_given"] = (args, kwargs)
        return layer

    def _usual_dtype(self) -> str:
        return backend.floatx()

    def _converted(self, inputs: Any) -> Any:
        # As in TensorFlow, an array becomes a tensor only where it is used, and a layer that checks
        # its input needs a tensor.
        flat = nest.flatten(inputs)
        if any(s is not None for s in nest.flatten(self.input_spec)) and not all(
            hasattr(x, "get_shape") for x in flat
        ):
            raise InputError(
                f"Layer {self.name} was given {type(flat[0]).__name__!r}: give it a "
                "tensor, such as tf.constant(x)"
            )
        return inputs

    def _build_for(self, inputs: Any) -> None:
        super()._build_for(inputs)
        self.set_first_weights()

    def set_first_weights(self) -> None:
        """Give the variables the values of the argument `weights`, if there are any."""
        if self._initial_weights is not None:
            self.set_weights(self._initial_weights)
            self._initial_weights = None

    # Models

    def _only(self, name: str, of: str) -> Any:
        nodes = nodes_of(self)
        if len(nodes) != 1:
            found = "has never been called" if not nodes else "has multiple inbound nodes"
            raise InputError(
                f"Layer {self.name} {found}, hence the notion of {name!r} is ill-defined: call it "
                "once, on a tensor of tf.keras.Input"
            )
        return getattr(nodes[0], of)

    @property
    def input(self) -> Any:
        """The input of its only call."""
        return self._only("layer input", "inputs")

    @property
    def output(self) -> Any:
        """The output of its only call."""
        return self._only("layer output", "outputs")

    @property
    def input_shape(self) -> Any:
        """The shape of the input of its only call."""
        return shapes_of(self.input)

    @property
    def output_shape(self) -> Any:
        """The shape of the output of its only call."""
        return shapes_of(self.output)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """The shape of the output for a shape of the input."""
        raise EngineError(
            f"{type(self).__name__}.compute_output_shape is not defined: call the layer and read "
            "the shape of its output"
        )

    # Values of variables

    def get_weights(self) -> list[np.ndarray]:
        """The values of the variables, in the order of `weights`."""
        return backend.batch_get_value(self.weights)

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Give the variables values.

        Args:
            weights: An array for each of `weights`.

        Raises:
            InputError: The number of arrays differs.
            SizeError: A shape differs.
        """
        variables = self.weights
        if len(variables) != len(weights):
            raise InputError(
                f"You called `set_weights(weights)` on layer {self.name!r} with a weight list of "
                f"length {len(weights)}, but the layer was expecting {len(variables)} weights: "
                f"{', '.join(v.name for v in variables)}"
            )
        for v, value in zip(variables, weights):
            if backend.int_shape(v) != np.shape(value):
                raise SizeError(
                    f"Layer weight shape {backend.int_shape(v)} of {v.name} not compatible with "
                    f"provided weight shape {np.shape(value)}: give it that shape"
                )
        backend.batch_set_value(zip(variables, weights))

    # Configurations

    def _arguments(self) -> dict[str, Any]:
        """The arguments that it was created with, by name."""
        args, kwargs = self._given
        signature = inspect.signature(type(self).__init__)
        bound = signature.bind(self, *args, **kwargs).arguments
        found: dict[str, Any] = {}
        for name, value in list(bound.items())[1:]:
            if signature.parameters[name].kind is inspect.Parameter.VAR_KEYWORD:
                found.update(value)
            else:
                found[name] = value
        return {**found, "name": self.name}

    def get_config(self) -> dict[str, Any]:
        """The arguments that make the same layer, with its name."""
        return {name: _plain(value) for name, value in self._arguments().items()}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "Layer":
        """The layer of a `get_config()`."""
        return cls(**config)


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if callable(value) or hasattr(value, "get_config"):
        return config_of(value)
    return value


def shapes_of(structure: Any) -> Any:
    """The static shape of a tensor, or the list of those of several."""
    found = [backend.int_shape(x) for x in nest.flatten(structure)]
    return found[0] if len(found) == 1 else found


def copy_of(layer: Any, **changes: Any) -> Any:
    """A layer with the same arguments and variables of its own.

    Args:
        layer: The layer.
        **changes: Arguments that differ.
    """

    def own(value: Any) -> Any:
        if isinstance(value, (list, tuple)):
            return [own(v) for v in value]
        return copy_of(value) if isinstance(value, Layer) else value

    arguments = {name: own(value) for name, value in layer._arguments().items()}
    return type(layer)(**{**arguments, **changes})


class InputLayer(Layer):
    """The place of an input of a model.

    Args:
        input_shape: The shape without the batch.
        batch_size: The number of rows; None for any.
        dtype: The dtype; None for `floatx()`.
        input_tensor: A tensor to use, in place of a placeholder.
        sparse: Must be False.
        name: The name.
        **kwargs: `batch_input_shape`, the whole shape.
    """

    def __init__(
        self,
        input_shape: Any = None,
        batch_size: int | None = None,
        dtype: Any = None,
        input_tensor: Tensor | None = None,
        sparse: bool = False,
        name: str | None = None,
        **kwargs: Any,
    ):
        whole = kwargs.pop("batch_input_shape", None)
        if sparse:
            raise InputError("Input(sparse=True) is not provided: give a dense input")
        if whole is None and input_shape is not None:
            sizes = TensorShape(input_shape if np.ndim(input_shape) else (input_shape,)).as_list()
            whole = (batch_size, *sizes)
        if dtype is None:
            dtype = backend.floatx() if input_tensor is None else backend.dtype(input_tensor)
        name = name or f"input_{backend.get_uid('input')}"
        super().__init__(name=name, dtype=dtype, **kwargs)
        self.built, self.sparse = True, False
        self.supports_masking = True
        if input_tensor is None:
            if whole is None:
                raise InputError("Input() was given no shape: give shape=(steps, size)")
            kind = as_dtype(self._dtype)
            input_tensor = arrays.placeholder(kind, shape=list(whole), name=self.name)
        self._batch_input_shape = tuple(input_tensor.shape.as_list())
        _add_node(self, [], input_tensor, {})


def Input(  # noqa: N802
    shape: Any = None,
    batch_size: int | None = None,
    name: str | None = None,
    dtype: Any = None,
    sparse: bool = False,
    tensor: Tensor | None = None,
    **kwargs: Any,
) -> Tensor:
    """The input of a model: a placeholder.

    Args:
        shape: The shape without the batch, such as (steps, size).
        batch_size: The number of rows; None for any.
        name: The name.
        dtype: The dtype; None for `floatx()`.
        sparse: Must be False.
        tensor: A tensor to use, in place of a placeholder.
        **kwargs: `batch_shape`, the whole shape.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> tf.keras.Input(shape=(5, 4))
        <tf.Tensor 'input_1:0' shape=(?, 5, 4) dtype=float32>
    """
    whole = kwargs.pop("batch_shape", None)
    if shape is not None and whole is not None:
        raise InputError("Only provide the shape OR batch_shape argument to Input, not both")
    layer = InputLayer(
        shape,
        batch_size,
        dtype,
        tensor,
        sparse,
        name,
        **({} if whole is None else {"batch_input_shape": whole}),
        **kwargs,
    )
    return layer.output
