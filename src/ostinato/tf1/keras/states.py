"""Private: the initial states and the constants of recurrent layers of tf.keras."""

from typing import Any

from ...errors import InputError
from ..core import nest
from ..layers.base_layer import BaseLayer
from ..layers.specs import InputSpec
from . import backend
from .engine import as_list

__all__ = ["call_with_states", "standard_arguments"]


def standard_arguments(
    inputs: Any, initial_state: Any, constants: Any, constant_count: int | None
) -> tuple[Any, list | None, list | None]:
    """The input, the initial states and the constants, which may be given in one list."""
    if isinstance(inputs, list):
        if constant_count:
            constants, inputs = inputs[-constant_count:], inputs[:-constant_count]
        if len(inputs) > 1:
            initial_state = inputs[1:]
        inputs = inputs[0]

    def listed(given: Any) -> list | None:
        return None if given is None else as_list(given)

    return inputs, listed(initial_state), listed(constants)


def call_with_states(
    layer: Any, inputs: Any, states: list | None, constants: list | None, **kwargs: Any
) -> Any:
    """Call a layer whose states and constants are inputs of a model, or plain tensors.

    Raises:
        InputError: Only some of them are inputs of a model.
    """
    given = nest.flatten([states or [], constants or []])
    in_model = [backend.is_keras_tensor(x) for x in given]
    if any(in_model) != all(in_model):
        raise InputError(
            "The initial state or constants of an RNN layer cannot be specified with a mix of "
            "Keras tensors and non-Keras tensors: make all of them with tf.keras.layers"
        )
    if not all(in_model):
        extra = {"initial_state": states, "constants": constants}
        kwargs.update({name: value for name, value in extra.items() if value is not None})
        return BaseLayer.__call__(layer, inputs, **kwargs)
    specs = [InputSpec(shape=backend.int_shape(x)) for x in given]
    own = layer.input_spec
    layer.input_spec = [None] * len(nest.flatten(inputs)) + specs
    try:
        return BaseLayer.__call__(layer, [inputs, *given], **kwargs)
    finally:
        layer.input_spec = own
