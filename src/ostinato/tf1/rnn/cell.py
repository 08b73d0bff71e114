"""Private: the base class of the recurrent cells.

A cell is a layer that takes an input and a state, and returns an output and the next state. The
operations of a step are those of TensorFlow 1.13.1, in its order.
"""

import numbers
from collections.abc import Callable
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.constant import constant, constant_value
from ..core.conversion import convert_to_tensor
from ..core.dtypes import as_dtype
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..layers.base import Layer
from ..ops import arrays
from ..state import scopes
from .checks import check_rows, check_state, input_parts, is_known, pack_inputs, whole

__all__ = ["KnownCell", "LayerRNNCell", "RNNCell", "join_sizes", "static_sizes"]


def _sizes(size: Any) -> tuple[Tensor | None, TensorShape]:
    """Sizes as a tensor of one dimension, None if they are not known, and as a static shape."""
    if not isinstance(size, Tensor):
        shape = TensorShape(size)
        known = shape.is_fully_defined()
        return constant(shape.as_list(), dtype="int32") if known else None, shape
    value = constant_value(size)
    shape = TensorShape(None if value is None else value.reshape(-1).tolist())
    return arrays.expand_dims(size, 0) if size.shape.ndims == 0 else size, shape


def join_sizes(prefix: Any, suffix: Any) -> Tensor:
    """Two sizes, or lists of sizes, as one tensor.

    Args:
        prefix, suffix: A number, a shape or a tensor each.
    """
    first, second = _sizes(prefix)[0], _sizes(suffix)[0]
    if first is None or second is None:
        raise SizeError(f"the sizes {prefix} and {suffix} are not all known: use tf.shape(x)[0]")
    return arrays.concat([first, second], 0)


def static_sizes(prefix: Any, suffix: Any) -> TensorShape:
    """The static shape of `join_sizes`. TensorFlow makes the tensors for it too."""
    return _sizes(prefix)[1].concatenate(_sizes(suffix)[1])


class RNNCell(Layer):
    """Base class of the cells. A program's own cell sets `state_size` and `output_size`, and
    defines `call(inputs, state)`, or `__call__(inputs, state, scope=None)`.

    Attributes:
        state_size: The size of each state, in the structure of the state: numbers or shapes.
        output_size: The size of the output, a number or a shape, or a structure of them.
        input_dims: The number of dimensions of each input of a step, for a cell of this package;
            None if its inputs are not checked.

    Args:
        trainable: Whether its variables are trained.
        name: The scope of its variables; None for the name of the class in snake case.
        dtype: The dtype of its variables; None for that of the first input.
    """

    state_size: Any = None
    output_size: Any = None
    input_dims: tuple[int, ...] | None = None

    def __init__(
        self, trainable: bool = True, name: str | None = None, dtype: Any = None, **kwargs: Any
    ):
        if name is not None and not isinstance(name, str):
            raise InputError(
                f"{type(self).__name__}(name={name!r}): give a string, the scope of its variables"
            )
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)

    def __call__(self, inputs: Any, state: Any, scope: Any = None) -> tuple[Any, Any]:
        """Add one step to the graph.

        Args:
            inputs: (B, size of the input).
            state: The previous state, with the structure of `state_size`.
            scope: The variable scope; None for the current one.

        Returns:
            The output (B, output_size) and the new state.
        """
        inputs, state = self._checked(inputs, state)
        if scope is not None:
            with scopes.variable_scope(scope, custom_getter=self._collect) as entered:
                return super().__call__(inputs, state, scope=entered)
        # TensorFlow opens the current scope again, so that the names of operations contain its
        # name twice, and it opens that scope in later calls too.
        outer = getattr(self, "_outer_scope", None)
        if outer is None:
            opened = scopes.variable_scope(scopes.get_variable_scope(), custom_getter=self._collect)
        else:
            opened = scopes.variable_scope(outer)
        with opened as entered:
            self._outer_scope = entered
            return super().__call__(inputs, state)

    def _collect(self, getter: Callable, *args: Any, **kwargs: Any) -> Any:
        """Get a variable, and count it among those of the cell."""
        variable = getter(*args, **kwargs)
        kept = self._trainable_weights if variable.trainable else self._non_trainable_weights
        if not any(v is variable for v in kept):
            kept.append(variable)
        return variable

    def _checked(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        """The input and the state as tensors, which match the cell."""
        if not is_known(self):
            return inputs, state
        of = type(self).__name__
        parts = input_parts(self, inputs, ["batch"], of)
        check_state(self, state)
        x = parts[-1]
        self._check_dtype(x)
        joined = None if getattr(self, "of_indices", False) else x.dtype.base_dtype
        states = [convert_to_tensor(s, dtype=joined) for s in nest.flatten(state)]
        rows = None
        for t in (*parts, *states):
            if t.shape.sizes:
                rows = check_rows(
                    rows, t.shape.sizes[0], f"{of}: rows of the input {x.shape} and the state"
                )
        return pack_inputs(self, inputs, parts), nest.pack_sequence_as(state, states)

    def _check_dtype(self, x: Tensor) -> None:
        """Reject an input of a dtype that the cell cannot take."""

    def build(self, input_shape: Any) -> None:
        """Nothing: variables are made in `call`."""

    def get_initial_state(
        self, inputs: TensorLike = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """A state of zeros, for inputs or for a batch size and a dtype.

        Args:
            inputs: (B, ...), or None.
            batch_size, dtype: See `zero_state`; not needed with inputs.
        """
        if inputs is not None:
            inputs = convert_to_tensor(inputs, name="inputs")
            batch_size = inputs.shape[0].value or arrays.shape(inputs)[0]
            dtype = inputs.dtype
        if batch_size is None or dtype is None:
            raise InputError(
                f"{type(self).__name__}.get_initial_state: give inputs, or a batch size and a dtype"
            )
        return self.zero_state(batch_size, dtype)

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """A state of zeros.

        Args:
            batch_size: The batch size: a whole number, or a scalar tensor.
            dtype: tf.float32 or tf.float64.
        """
        whole_number = isinstance(getattr(batch_size, "value", batch_size), numbers.Integral)
        if not isinstance(batch_size, Tensor) and not (whole_number and int(batch_size) >= 0):
            raise InputError(
                f"{type(self).__name__}.zero_state({batch_size!r}, ...): give a number of rows, or "
                "a tensor such as tf.shape(x)[0]"
            )
        kind = as_dtype(dtype)

        def zeros(size: Any) -> Tensor:
            state = arrays.zeros(join_sizes(batch_size, size), dtype=kind)
            state.set_shape(static_sizes(batch_size, size))
            return state

        with name_scope(f"{type(self).__name__}ZeroState"):
            return nest.map_structure(zeros, self.state_size)


class KnownCell(RNNCell):
    """A cell of this package, whose inputs and states are checked."""

    input_dims: tuple[int, ...] | None = (2,)
    _given_dtype: Any = None
    _depth: Any = None

    def __init__(
        self,
        num_units: int,
        reuse: bool | None = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ):
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = whole(self, "num_units", num_units)
        self._given_dtype = None if dtype is None else as_dtype(dtype)
        self.state_size = self.output_size = self._num_units

    def _checked(self, inputs: Any, state: Any) -> tuple[Any, Any]:
        inputs, state = super()._checked(inputs, state)
        depth = nest.flatten(inputs)[-1].shape.as_list()[1:]
        if self._depth not in (None, depth):
            raise SizeError(
                f"{self._base_name} has weights for inputs of size {self._depth[-1]} and was given "
                f"size {depth[-1]}: use another cell object for it"
            )
        self._depth = depth
        return inputs, state

    def _check_dtype(self, x: Tensor) -> None:
        of, given = type(self).__name__, self._given_dtype
        if not x.dtype.is_floating:
            raise InputError(
                f"{of} was given an input of {x.dtype.name}: give it floats, tf.cast(x, tf.float32)"
            )
        if given not in (None, x.dtype.base_dtype):
            raise InputError(
                f"{of}(dtype={given!r}) was given an input of {x.dtype.base_dtype.name}: make both "
                "the same, or leave dtype out"
            )


class LayerRNNCell(KnownCell):
    """A cell that makes its variables in `build`, as a layer does."""

    def __call__(
        self, inputs: Any, state: Any, scope: Any = None, *args: Any, **kwargs: Any
    ) -> tuple[Any, Any]:
        inputs, state = self._checked(inputs, state)
        return Layer.__call__(self, inputs, state, *args, scope=scope, **kwargs)
