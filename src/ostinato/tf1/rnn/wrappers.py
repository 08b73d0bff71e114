"""Private: wrappers of cells: devices, residual and highway connections, projections, embeddings
and attention.
"""

from collections.abc import Callable
from math import sqrt
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.graph import get_default_graph, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..initializers import constant_initializer, random_uniform_initializer
from ..layers.base import Layer
from ..ops import arrays, math, nn
from ..ops.convolution import conv2d
from ..state import scopes
from .cell import RNNCell
from .checks import activation_of, check_cell, is_known, number, refuse, whole
from .linear import Linear

__all__ = [
    "AttentionCellWrapper",
    "CellWrapper",
    "DeviceWrapper",
    "EmbeddingWrapper",
    "HighwayWrapper",
    "InputProjectionWrapper",
    "OutputProjectionWrapper",
    "ResidualWrapper",
]


class CellWrapper(RNNCell):
    """Base class of the wrappers.

    Args:
        cell: The cell.
    """

    # The largest number of input tensors of the wrapped cell, and of their dimensions.
    most_inputs, most_dims = 1, 2
    # The size of the output, where it is not the cell's.
    _own_output_size: int | None = None

    def __init__(self, cell: Any):
        check_cell(cell, type(self).__name__)
        if is_known(cell):
            dims = cell.input_dims
            if len(dims) > self.most_inputs or max(dims) > self.most_dims:
                raise InputError(
                    f"{type(self).__name__} was given {type(cell).__name__}, whose input is not a "
                    "vector: that is not provided by ostinato.tf1; use the cell without the wrapper"
                )
        super().__init__()
        # In TensorFlow 1.13 a layer that is an attribute of another one makes resource variables.
        self._cell = cell

    @property
    def state_size(self) -> Any:  # type: ignore[override]
        """The size of each state."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:  # type: ignore[override]
        """The size of the output."""
        own = self._own_output_size
        return self._cell.output_size if own is None else own

    @property
    def input_dims(self) -> Any:  # type: ignore[override]
        """The number of dimensions of each input of a step."""
        return getattr(self._cell, "input_dims", None)

    @property
    def of_indices(self) -> bool:
        """Whether the input consists of whole numbers."""
        return getattr(self._cell, "of_indices", False)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros; see `RNNCell.zero_state`."""
        with name_scope(f"{type(self).__name__}ZeroState"):
            return self._cell.zero_state(batch_size, dtype)

    @property
    def trainable_weights(self) -> list:
        """The variables of the wrapper and of the cell that are trained."""
        inner = self._cell.trainable_weights if isinstance(self._cell, Layer) else []
        return [*self._trainable_weights, *inner]

    @property
    def non_trainable_weights(self) -> list:
        """The variables of the wrapper and of the cell that are not trained."""
        inner = self._cell.non_trainable_weights if isinstance(self._cell, Layer) else []
        return [*self._non_trainable_weights, *inner]


class ResidualWrapper(CellWrapper):
    """A residual connection: the input of a cell is added to its output.

    Args:
        cell: The cell; its output has the size of its input.
        residual_fn: A function of the input and the output; None to add them.
    """

    most_dims = 5

    def __init__(self, cell: Any, residual_fn: Callable | None = None):
        super().__init__(cell)
        self._residual_fn = residual_fn

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        outputs, new_state = self._cell(inputs, state, scope=scope)
        return (self._residual_fn or _add)(inputs, outputs), new_state


def _sizes_text(x: TensorLike) -> Any:
    sizes = TensorShape(x.shape).as_list()[1:]
    return sizes[0] if len(sizes) == 1 else tuple(sizes)


def _add(inputs: Any, outputs: Any) -> Any:
    nest.assert_same_structure(inputs, outputs)
    for x, y in zip(nest.flatten(inputs), nest.flatten(outputs)):
        if not TensorShape(x.shape).is_compatible_with(y.shape):
            raise SizeError(
                f"ResidualWrapper: an input of size {_sizes_text(x)} cannot be added to an output "
                f"of size {_sizes_text(y)}; make them equal"
            )
    return nest.map_structure(lambda x, y: x + y, inputs, outputs)


class DeviceWrapper(CellWrapper):
    """A cell with a device, which is accepted for compatibility and ignored.

    Args:
        cell: The cell.
        device: The device in TensorFlow.
    """

    most_inputs, most_dims = 2, 5

    def __init__(self, cell: Any, device: object):
        super().__init__(cell)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros; see `RNNCell.zero_state`."""
        with name_scope("DeviceWrapperZeroState"), get_default_graph().device(self._device):
            return self._cell.zero_state(batch_size, dtype)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        with get_default_graph().device(self._device):
            return self._cell(inputs, state, scope=scope)


class HighwayWrapper(CellWrapper):
    """A highway connection: a gate mixes the input of a cell with its output.

    Source: Srivastava, Greff and Schmidhuber, Highway Networks (2015).

    Args:
        cell: The cell; its output has the size of its input.
        couple_carry_transform_gates: Whether the gate of the output is 1 minus the gate of the
            input; False for two gates.
        carry_bias_init: The initial bias of the input's gate; the other gate starts with its
            negative.
    """

    def __init__(
        self, cell: Any, couple_carry_transform_gates: bool = True, carry_bias_init: float = 1.0
    ):
        super().__init__(cell)
        self._couple_carry_transform_gates = couple_carry_transform_gates
        self._carry_bias_init = number(self, "carry_bias_init", carry_bias_init)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        inputs = nest.map_structure(convert_to_tensor, inputs)
        outputs, new_state = self._cell(inputs, state, scope=scope)
        nest.assert_same_structure(inputs, outputs)
        return nest.map_structure(self._highway, inputs, outputs), new_state

    def _highway(self, x: Tensor, y: Tensor) -> Tensor:
        if not x.shape.is_compatible_with(y.shape):
            raise SizeError(
                f"HighwayWrapper: an input of size {_sizes_text(x)} cannot be mixed with an output "
                f"of size {_sizes_text(y)}; make them equal"
            )
        carry = self._gate("carry", x, self._carry_bias_init)
        if self._couple_carry_transform_gates:
            transform = 1 - carry
        else:
            transform = self._gate("transform", x, -self._carry_bias_init)
        return x * carry + y * transform

    def _gate(self, name: str, x: Tensor, bias: float) -> Tensor:
        size = x.shape[1].value
        weight = scopes.get_variable(f"{name}_w", [size, size])
        biases = scopes.get_variable(f"{name}_b", [size], initializer=constant_initializer(bias))
        return math.sigmoid(nn.xw_plus_b(x, weight, biases))


class InputProjectionWrapper(CellWrapper):
    """A cell with a projection of its input.

    Args:
        cell: The cell.
        num_proj: The size of the projected input.
        activation: A function; None for no activation.
        input_size: Accepted for compatibility; ignored.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Callable | None = None,
        input_size: Any = None,
        reuse: bool | None = None,
    ):
        refuse("InputProjectionWrapper", reuse=reuse)
        super().__init__(cell)
        self._num_proj = whole(self, "num_proj", num_proj)
        self._activation = activation_of(self, activation, None, names=False)
        self._linear: Linear | None = None

    def call(self, inputs: Tensor, state: Any) -> tuple[Any, Any]:
        """One step."""
        if self._linear is None:
            self._linear = Linear(inputs, self._num_proj, True)
        projected = self._linear(inputs)
        if self._activation is not None:
            projected = self._activation(projected)
        return self._cell(projected, state)


class OutputProjectionWrapper(CellWrapper):
    """A cell with a projection of its output; its state is not projected.

    Args:
        cell: The cell.
        output_size: The size of the output.
        activation: A function; None for no activation.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    def __init__(
        self,
        cell: Any,
        output_size: int,
        activation: Callable | None = None,
        reuse: bool | None = None,
    ):
        refuse("OutputProjectionWrapper", reuse=reuse)
        super().__init__(cell)
        self._own_output_size = whole(self, "output_size", output_size)
        self._activation = activation_of(self, activation, None, names=False)
        self._linear: Linear | None = None

    def call(self, inputs: Any, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        output, new_state = self._cell(inputs, state)
        if self._linear is None:
            self._linear = Linear(output, self.output_size, True)
        projected = self._linear(output)
        if self._activation is not None:
            projected = self._activation(projected)
        return projected, new_state


class EmbeddingWrapper(CellWrapper):
    """A cell with an embedding: its input consists of whole numbers, (B, 1) or (B,).

    Args:
        cell: The cell.
        embedding_classes: The number of classes; inputs are below it.
        embedding_size: The embedding size.
        initializer: The initializer of the vectors; None for the scope's, or else uniform within
            sqrt(3).
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    of_indices = True  # type: ignore[assignment]

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: bool | None = None,
    ):
        refuse("EmbeddingWrapper", reuse=reuse)
        super().__init__(cell)
        self._embedding_classes = whole(self, "embedding_classes", embedding_classes)
        self._embedding_size = whole(self, "embedding_size", embedding_size)
        self._initializer = initializer

    def _checked(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        inputs = convert_to_tensor(inputs)
        sizes = inputs.shape.sizes
        if sizes is not None and len(sizes) == 1:
            return inputs, state
        if sizes is not None and sizes[-1] != 1:
            raise SizeError(
                f"EmbeddingWrapper was given an input of size {sizes[-1]}: give it one whole "
                "number per step, (batch, time, 1)"
            )
        return super()._checked(inputs, state)

    def call(self, inputs: Tensor, state: Any) -> tuple[Any, Any]:
        """One step."""
        bound = sqrt(3)  # uniform numbers with variance 1
        initializer = (
            self._initializer
            or scopes.get_variable_scope().initializer
            or random_uniform_initializer(-bound, bound)
        )
        embedding = scopes.get_variable(
            "embedding",
            [self._embedding_classes, self._embedding_size],
            initializer=initializer,
            dtype=nest.flatten(state)[0].dtype.base_dtype,
        )
        embedded = nn.embedding_lookup(embedding, arrays.reshape(inputs, [-1]))
        return self._cell(embedded, state)


class AttentionCellWrapper(CellWrapper):
    """A cell with attention over its last outputs, weighted by its new state.

    Source: Cheng, Dong and Lapata, Long Short-Term Memory-Networks for Machine Reading (2016).

    Args:
        cell: The cell.
        attn_length: The number of past outputs.
        attn_size: The size of the output; None for the cell's.
        attn_vec_size: The size of the attention vectors; None for `attn_size`.
        input_size: The size of the cell's input; None for the size of the input.
        state_is_tuple: True; False is not supported.
        reuse: Not supported; use tf.variable_scope(..., reuse=True) around the call.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: bool | None = None,
    ):
        refuse("AttentionCellWrapper", reuse=reuse)
        super().__init__(cell)
        if not state_is_tuple:
            raise InputError(
                "AttentionCellWrapper(state_is_tuple=False) is not provided by ostinato.tf1: leave "
                "it out"
            )
        self._attn_length = whole(self, "attn_length", attn_length)
        self._own_output_size = whole(self, "attn_size", attn_size or cell.output_size)
        self._attn_vec_size = whole(self, "attn_vec_size", attn_vec_size or self.output_size)
        self._input_size = None if input_size is None else whole(self, "input_size", input_size)
        self._linears: dict[str, Linear] = {}

    @property
    def state_size(self) -> Any:  # type: ignore[override]
        """The size of each state: the cell's, the attention, and the past outputs."""
        size = self.output_size
        return self._cell.state_size, size, size * self._attn_length

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros; see `RNNCell.zero_state`."""
        return RNNCell.zero_state(self, batch_size, dtype)

    def _linear(self, name: str, args: Any, size: int) -> Tensor:
        if name not in self._linears:
            self._linears[name] = Linear(args, size, True)
        return self._linears[name](args)

    def call(self, inputs: Tensor, state: Any) -> tuple[Tensor, Any]:
        """One step."""
        length, size = self._attn_length, self.output_size
        state, attended, past = state
        past = arrays.reshape(past, [-1, length, size])
        inputs = self._linear(
            "input", [inputs, attended], self._input_size or inputs.shape[1].value
        )
        cell_output, new_state = self._cell(inputs, state)
        query = arrays.concat(nest.flatten(new_state), 1)
        attended, past = self._attention(query, past)
        with scopes.variable_scope("attn_output_projection"):
            output = self._linear("output", [cell_output, attended], size)
        past = arrays.concat([past, arrays.expand_dims(output, 1)], 1)
        past = arrays.reshape(past, [-1, length * size])
        return output, (new_state, attended, past)

    def _attention(self, query: Tensor, past: Tensor) -> tuple[Tensor, Tensor]:
        length, size, compared = self._attn_length, self.output_size, self._attn_vec_size
        with scopes.variable_scope("attention"):
            kernel = scopes.get_variable("attn_w", [1, 1, size, compared])
            vector = scopes.get_variable("attn_v", [compared])
            hidden = arrays.reshape(past, [-1, length, 1, size])
            features = conv2d(hidden, kernel, [1, 1, 1, 1], "SAME")
            y = self._linear("query", query, compared)
            y = arrays.reshape(y, [-1, 1, 1, compared])
            scores = math.reduce_sum(vector * math.tanh(features + y), [2, 3])
            weights = arrays.reshape(nn.softmax(scores), [-1, length, 1, 1])
            attended = math.reduce_sum(weights * hidden, [1, 2])
            attended = arrays.reshape(attended, [-1, size])
            return attended, arrays.slice(past, [0, 1, 0], [-1, -1, -1])
