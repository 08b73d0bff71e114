"""Private: layers of tf.keras that wrap another layer."""

from typing import Any

from ...errors import InputError
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.base_layer import BaseLayer, accepts
from ..ops import arrays
from . import arithmetic
from .engine import Layer, as_list, copy_of
from .loop import rnn
from .recurrent import RNN
from .states import call_with_states, standard_arguments

__all__ = ["Bidirectional", "TimeDistributed", "Wrapper"]


class Wrapper(Layer):
    """Base class of layers that wrap another layer.

    Attributes:
        layer: The other layer.

    Args:
        layer: The other layer.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, layer: Any, **kwargs: Any):
        if not isinstance(layer, BaseLayer):
            raise InputError(
                f"{type(self).__name__} was given {layer!r}: give it a layer, such as "
                "tf.keras.layers.Dense(2)"
            )
        super().__init__(**kwargs)
        self.layer = layer

    def _wrapped(self) -> list:
        return [self.layer]

    @property
    def trainable_weights(self) -> list:
        """The variables of the layer that are trained."""
        if not self.trainable:
            return []
        return [w for layer in self._wrapped() for w in layer.trainable_weights]

    @property
    def non_trainable_weights(self) -> list:
        """The variables of the layer that are not trained."""
        of = "non_trainable_weights" if self.trainable else "weights"
        return [w for layer in self._wrapped() for w in getattr(layer, of)]

    @property
    def losses(self) -> list:
        """The losses of the layer."""
        return [x for layer in self._wrapped() for x in layer.losses] + super().losses

    @property
    def updates(self) -> list:
        """The updates of the layer."""
        return [u for layer in self._wrapped() for u in layer.updates]


class TimeDistributed(Wrapper):
    """A layer on each step of a sequence (B, T, ...).

    Args:
        layer: The layer.
        **kwargs: `name`, `input_shape`.
    """

    def __init__(self, layer: Any, **kwargs: Any):
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        sizes = TensorShape(input_shape).as_list()
        if len(sizes) < 3:
            raise InputError(
                f"TimeDistributed was given {TensorShape(input_shape)}: give it three dimensions "
                "or more, (batch, time, size)"
            )
        if not self.layer.built:
            self.layer.build(TensorShape([sizes[0], *sizes[2:]]))
            self.layer.built = True
        self.built = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Tensor:
        """Compute the output.

        Args:
            inputs: (B, T, ...).
            training: Whether elements are dropped; None for the learning phase.
            mask: Passed on to a layer that takes one.
        """
        kwargs = {"training": training} if accepts(self.layer.call, "training") else {}
        rows, steps, *rest = inputs.shape.as_list()
        if rows:

            def step(x: Any, _: Any) -> tuple[Any, list]:
                return self.layer.call(x, **kwargs), []

            _, outputs, _ = rnn(step, inputs, [], input_length=steps, mask=None)
        else:
            count = steps or arrays.shape(inputs)[1]
            flat = arrays.reshape(inputs, _sizes(inputs, (-1,), 2))
            if accepts(self.layer.call, "mask") and mask is not None:
                kwargs["mask"] = arrays.reshape(mask, _sizes(mask, (-1,), 2))
            outputs = self.layer.call(flat, **kwargs)
            outputs = arrays.reshape(outputs, _sizes(outputs, (-1, count), 1))
        return outputs

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        rows, steps, *rest = TensorShape(input_shape).as_list()
        of_layer: Any = self.layer
        inner = TensorShape(of_layer.compute_output_shape(TensorShape([rows, *rest])))
        return TensorShape([rows, steps, *inner.as_list()[1:]])


def _sizes(x: Tensor, leading: tuple, start: int) -> list:
    """The sizes of a tensor from a dimension on, after others."""
    known = x.shape.as_list()[start:]
    if None not in known:
        return [*leading, *known]
    sizes = arrays.shape(x)
    return [*leading, *[sizes[start + i] if n is None else n for i, n in enumerate(known)]]


class Bidirectional(Wrapper):
    """A recurrent layer forwards, and a copy of it backwards.

    Attributes:
        forward_layer, backward_layer: The layers.

    Args:
        layer: The recurrent layer.
        merge_mode: How outputs are joined: "concat", "sum", "mul", "ave", or None for a list.
        weights: The first values of the variables, or None.
        **kwargs: `name`, `input_shape`.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.reset_default_graph()
        >>> x = tf.placeholder(tf.float32, [None, 5, 4])
        >>> tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(2))(x)
        <tf.Tensor 'bidirectional/concat:0' shape=(?, 4) dtype=float32>
    """

    def __init__(
        self, layer: Any, merge_mode: str | None = "concat", weights: Any = None, **kwargs: Any
    ):
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise InputError(
                f"Invalid merge mode: {merge_mode!r}; give 'sum', 'mul', 'ave', 'concat' or None"
            )
        if not isinstance(layer, RNN):
            raise InputError(
                f"Bidirectional was given {layer!r}: give it a recurrent layer, such as "
                "tf.keras.layers.LSTM(2)"
            )
        if layer.__dict__.get("_batch_input_shape") and "batch_input_shape" not in kwargs:
            kwargs["batch_input_shape"] = layer._batch_input_shape
        super().__init__(layer, **kwargs)
        self.forward_layer: RNN = layer
        self.backward_layer = copy_of(layer, go_backwards=not layer.go_backwards)
        self.forward_layer._name = f"forward_{layer.name}"
        self.backward_layer._name = f"backward_{self.backward_layer.name}"
        self.merge_mode, self.supports_masking = merge_mode, True
        self.return_sequences, self.return_state = layer.return_sequences, layer.return_state
        self.stateful = layer.stateful
        self.input_spec = layer.input_spec
        self._num_constants: int | None = None
        if weights:
            half = len(weights) // 2
            self.forward_layer._initial_weights = weights[:half]
            self.backward_layer._initial_weights = weights[half:]

    def _wrapped(self) -> list:
        return [self.forward_layer, self.backward_layer]

    def build(self, input_shape: Any) -> None:
        for layer in self._wrapped():
            with name_scope(layer.name):
                layer.build(input_shape)
                layer.set_first_weights()
        self.built = True

    def __call__(
        self, inputs: Any, initial_state: Any = None, constants: Any = None, **kwargs: Any
    ) -> Any:
        """Create the variables, at the first call, and compute the output.

        Args:
            inputs: (B, T, I), or a list with the states too.
            initial_state: The states of the forward layer, then those of the backward layer.
            constants: Tensors that the cells get in each step.
            **kwargs: `mask` and `training`; see `call`.
        """
        inputs, states, extra = standard_arguments(
            inputs, initial_state, constants, self._num_constants
        )
        if states is None and extra is None:
            return super().__call__(inputs, **kwargs)
        if states is not None and len(states) % 2:
            raise InputError(
                f"Bidirectional was given {len(states)} initial states: give those of the forward "
                "layer and as many of the backward layer"
            )
        if extra is not None:
            self._num_constants = len(extra)
            for layer in self._wrapped():
                layer._num_constants = len(extra)
        return call_with_states(self, inputs, states, extra, **kwargs)

    def call(
        self,
        inputs: Any,
        training: Any = None,
        mask: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """Compute the output.

        Args:
            inputs: (B, T, I).
            training: Whether elements are dropped; None for the learning phase.
            mask: Whether a step counts, (B, T).
            initial_state, constants: See `__call__`.

        Returns:
            The joined outputs; with `return_state` a list of them and the states of both layers.
        """
        if isinstance(inputs, list):
            inputs, initial_state, constants = standard_arguments(
                inputs, initial_state, constants, self._num_constants
            )
        if isinstance(mask, list):
            mask = mask[0]
        half = len(initial_state or ()) // 2
        halves = [None, None]
        if initial_state is not None:
            halves = [initial_state[:half], initial_state[half:]]
        found = []
        for layer, states in zip(self._wrapped(), halves):
            given = {"training": training, "mask": mask, "initial_state": states}
            given["constants"] = constants
            taken = {n: v for n, v in given.items() if accepts(layer.call, n)}
            found.append(as_list(layer.call(inputs, **taken)))
        states = found[0][1:] + found[1][1:]
        forward, backward = found[0][0], found[1][0]
        if self.return_sequences:
            backward = arithmetic.reverse(backward, 1)
        output = self._merged(forward, backward)
        if not self.return_state:
            return output
        return [*output, *states] if self.merge_mode is None else [output, *states]

    def _merged(self, forward: Any, backward: Any) -> Any:
        if self.merge_mode == "concat":
            return arithmetic.concatenate([forward, backward])
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2
        if self.merge_mode == "mul":
            return forward * backward
        return [forward, backward]

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        if isinstance(mask, list):
            mask = mask[0]
        kept = mask if self.return_sequences else None
        outputs = [kept, kept] if self.merge_mode is None else kept
        if not self.return_state:
            return outputs
        empty = [None for _ in self.forward_layer.states]
        return [*as_list(outputs), *empty, *empty]

    def compute_output_shape(self, input_shape: Any) -> Any:
        shapes = as_list(self.forward_layer.compute_output_shape(input_shape))
        output, states = shapes[0], shapes[1:]
        if self.merge_mode == "concat":
            sizes: list[Any] = TensorShape(output).as_list()
            output = TensorShape([*sizes[:-1], sizes[-1] * 2])
        outputs = [output, output] if self.merge_mode is None else [output]
        if not self.return_state:
            return outputs if len(outputs) > 1 else outputs[0]
        return [*outputs, *states, *states]

    def reset_states(self) -> None:
        """Set the states of stateful layers to zeros."""
        for layer in self._wrapped():
            layer.reset_states()
