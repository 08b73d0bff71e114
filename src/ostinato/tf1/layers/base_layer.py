"""Private: the base class of all layers, that of tf.keras.

A layer of tf.keras names its variables by the name scope in which it is called; see `base.py` for
those of tf.layers.
"""

import inspect
import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from ...errors import ArgumentTypeError, InputError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTypeLike, as_dtype
from ..core.graph import get_default_graph, name_scope
from ..core.shape import TensorShape
from ..core.tensors import Operand, Tensor
from ..ops import arrays, math
from ..state.partitions import PartitionedVariable
from ..state.variables import Variable, VariableAggregation, VariableSynchronization
from .specs import check_inputs

__all__ = ["BaseLayer", "accepts", "snake_case", "unique_layer_name"]

# Arguments of layers that start a model.
_OF_INPUT_LAYERS = ("input_shape", "batch_input_shape", "batch_size", "weights")


def snake_case(name: str) -> str:
    """The name of a class in lower case, with "_" between its words."""
    words = re.sub("(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    words = re.sub("([a-z])([A-Z])", r"\1_\2", words).lower()
    # A scope may not begin with "_".
    return f"private{words}" if words.startswith("_") else words


def unique_layer_name(name: str, zero_based: bool = False) -> str:
    """A name that no layer of the graph has yet: the name itself or with a number.

    Args:
        name: The name.
        zero_based: Whether the first layer has the name without a number.
    """
    counts = get_default_graph().kept.setdefault("layer_names", {})
    number = counts.get(name, 0)
    counts[name] = number + 1
    if not zero_based:
        return f"{name}_{number + 1}"
    return f"{name}_{number}" if number else name


def _as_list(value: Any) -> list:
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _tensors(inputs: Any) -> Any:
    """The inputs, with arrays and numbers as tensors."""
    plain = (np.ndarray, float, int)
    if not any(isinstance(x, plain) for x in nest.flatten(inputs)):
        return inputs
    return nest.map_structure(lambda x: convert_to_tensor(x) if isinstance(x, plain) else x, inputs)


class BaseLayer:
    """A layer (tf.keras.layers.Layer). A subclass creates its variables with `add_weight` in
    `build(input_shape)`, and computes its output in `call(inputs)`.

    Attributes:
        name: The name.
        trainable: Whether its variables are trained.
        built: Whether it has its variables.
        input_spec: What it expects of its inputs, or None.
        supports_masking: Whether it passes the mask of its input on.

    Args:
        trainable: See above.
        name: The name; None for that of the class, with a number.
        dtype: The dtype of its variables; None for that of the first input.
        **kwargs: `activity_regularizer`, a function of the output whose result is a loss;
            `input_shape`, `batch_input_shape`, `batch_size`, for the first layer of a model;
            `weights`, the first values of its variables.

    Raises:
        ArgumentTypeError: Another argument was given.
    """

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        **kwargs: Any,
    ):
        self._activity_regularizer = kwargs.pop("activity_regularizer", None)
        for argument in kwargs:
            if argument not in _OF_INPUT_LAYERS:
                raise ArgumentTypeError(
                    f"Keyword argument not understood: {argument}={kwargs[argument]!r} of "
                    f"{type(self).__name__}; leave it out"
                )
        self.trainable, self.built, self.stateful = trainable, False, False
        self.input_spec: Any = None
        self.supports_masking = False
        self._dtype = None if dtype is None else as_dtype(dtype).base_dtype.name
        self._trainable_weights: list[Any] = []
        self._non_trainable_weights: list[Any] = []
        self._losses: list[Tensor] = []
        self._loss_functions: list[Callable] = []
        self._updates: list[Any] = []
        self._initial_weights = kwargs.get("weights")
        self._set_input_shape(kwargs)
        self._set_name(name)

    def __setattr__(self, name: str, value: Any) -> None:
        # As in TensorFlow 1.13, a layer of tf.layers that is an attribute of another layer makes
        # resource variables.
        if isinstance(value, BaseLayer) and hasattr(value, "_use_resource_variables"):
            value._use_resource_variables = True
        super().__setattr__(name, value)

    def _set_input_shape(self, given: dict[str, Any]) -> None:
        if given.get("batch_input_shape") is not None:
            self._batch_input_shape = tuple(given["batch_input_shape"])
        elif given.get("input_shape") is not None:
            self._batch_input_shape = (given.get("batch_size"), *given["input_shape"])
        if hasattr(self, "_batch_input_shape") and self._dtype is None:
            self._dtype = self._usual_dtype()

    def _set_name(self, name: str | None) -> None:
        self._name = name or unique_layer_name(snake_case(type(self).__name__), zero_based=True)

    @property
    def name(self) -> str:
        """The name."""
        return self._name

    @property
    def dtype(self) -> str | None:
        """The name of the dtype of its variables."""
        return self._dtype

    @property
    def activity_regularizer(self) -> Callable | None:
        """A function of the output whose result is a loss, or None."""
        return self._activity_regularizer

    def build(self, input_shape: Any) -> None:
        """Create the variables.

        Args:
            input_shape: The shape of the input, or the structure of them.
        """
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Compute the output."""
        return inputs

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """The mask of the output: that of the input, if the layer supports masks.

        Raises:
            InputError: The input has a mask and the layer does not support one.
        """
        if not self.supports_masking:
            if any(m is not None for m in nest.flatten(mask)):
                raise InputError(
                    f"Layer {self.name} does not support masking, but was passed an input_mask: "
                    f"{mask}"
                )
            return None
        return mask

    # Variables

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: DTypeLike | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        partitioner: Callable | None = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        **kwargs: Any,
    ) -> Any:
        """Create a variable.

        Args:
            name: The name in the scope of the layer.
            shape: The shape.
            dtype: The dtype; None for the layer's.
            initializer: A function of a shape, or its name in tf.keras; None for glorot_uniform, or
                zeros for whole numbers.
            regularizer: A function of the variable whose result is a loss, or None.
            trainable: Whether it is trained; None for yes.
            constraint: A function that an optimizer applies to the value after each step.
            partitioner, use_resource, synchronization, aggregation: See `tf.get_variable`.
        """
        from ..keras import constraints, initializers, regularizers  # they belong to tf.keras

        kind = as_dtype(dtype or self._dtype or self._usual_dtype())
        trainable = True if trainable is None else trainable
        initializer = initializers.get(initializer)
        if initializer is None:
            if not (kind.is_floating or kind.is_integer or kind.is_bool):
                raise InputError(
                    f"An initializer for variable {name} of {kind.name} is required: give one"
                )
            initializer = initializers.get("glorot_uniform" if kind.is_floating else "zeros")
        variable = self._make_variable(
            name=name,
            shape=TensorShape(() if shape is None else shape).as_list(),
            dtype=kind,
            initializer=initializer,
            trainable=trainable and self.trainable,
            constraint=constraints.get(constraint),
            partitioner=partitioner,
            use_resource=use_resource,
            **kwargs,
        )
        regularizer = regularizers.get(regularizer)
        if regularizer is not None and self._is_new(variable):
            self._regularize(name, variable, regularizer)
        weights = self._trainable_weights if trainable else self._non_trainable_weights
        if all(variable is not w for w in weights):
            weights.append(variable)
        return variable

    def _usual_dtype(self) -> str:
        return "float32"

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """`add_weight`."""
        return self.add_weight(*args, **kwargs)

    def _make_variable(
        self,
        name: str,
        shape: list,
        dtype: Any,
        initializer: Any,
        trainable: bool,
        constraint: Callable | None,
        partitioner: Callable | None,
        use_resource: bool | None,
        getter: Callable | None = None,
        collections: Sequence | None = None,
    ) -> Any:
        if getter is not None:
            return getter(
                name=name,
                shape=shape,
                dtype=dtype,
                initializer=initializer,
                trainable=trainable,
                constraint=constraint,
                partitioner=partitioner,
                use_resource=use_resource,
                collections=collections,
            )
        if isinstance(initializer, type):
            initializer = initializer(dtype=dtype)
        first = (
            initializer if not callable(initializer) else lambda: initializer(shape, dtype=dtype)
        )
        return Variable(
            first,
            name=name,
            trainable=trainable,
            dtype=dtype if callable(initializer) else None,
            collections=collections,
            constraint=constraint,
            use_resource=True if use_resource is None else use_resource,
        )

    def _is_new(self, variable: Any) -> bool:
        return True

    def _regularize(self, name: str, variable: Any, regularizer: Callable) -> None:
        def loss_of(part: Any) -> Callable:
            def loss() -> Any:
                with name_scope(f"{name}/Regularizer"):
                    return regularizer(part)

            return loss

        parts = list(variable) if isinstance(variable, PartitionedVariable) else [variable]
        for part in parts:
            self.add_loss(loss_of(part))

    @property
    def trainable_weights(self) -> list:
        """The variables that are trained."""
        return list(self._trainable_weights) if self.trainable else []

    @property
    def non_trainable_weights(self) -> list:
        """The variables that are not trained."""
        if self.trainable:
            return list(self._non_trainable_weights)
        return self._trainable_weights + self._non_trainable_weights

    @property
    def weights(self) -> list:
        """All variables."""
        return self.trainable_weights + self.non_trainable_weights

    variables = weights

    @property
    def trainable_variables(self) -> list:
        """The variables that are trained."""
        return self.trainable_weights

    @property
    def non_trainable_variables(self) -> list:
        """The variables that are not trained."""
        return self.non_trainable_weights

    def count_params(self) -> int:
        """The number of elements of the variables.

        Raises:
            InputError: The layer has no variables yet.
        """
        if not self.built:
            raise InputError(
                f"You tried to call `count_params` on {self.name}, but the layer isn't built: call "
                "it on an input first"
            )
        return sum(int(np.prod(w.shape.as_list())) for w in self.weights)

    # Losses and updates

    @property
    def losses(self) -> list:
        """The losses of regularizers and of `add_loss`."""
        found = [loss() for loss in self._loss_functions]
        return self._losses + [loss for loss in found if loss is not None]

    @property
    def updates(self) -> list:
        """The operations of `add_update`."""
        return list(self._updates) if self.trainable or self.stateful else []

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add losses.

        Args:
            losses: Tensors, or functions that return one.
            inputs: Accepted for compatibility; ignored.
        """
        for loss in _as_list(losses):
            if callable(loss) and not isinstance(loss, Operand):
                self._loss_functions.append(loss)
            elif loss is not None:
                self._losses.append(convert_to_tensor(loss))

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Add operations that run with each training step.

        Args:
            updates: The operations.
            inputs: Accepted for compatibility; ignored.
        """
        self._updates += [u for u in _as_list(updates) if u is not None]

    def _regularize_activity(self, outputs: Any) -> None:
        if self._activity_regularizer is None:
            return
        with name_scope("ActivityRegularizer"):
            for output in nest.flatten(outputs):
                loss = self._activity_regularizer(output)
                rows = math.cast(arrays.shape(output)[0], loss.dtype)
                self.add_loss(loss / rows)

    # Calls

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Create the variables, at the first call, and compute the output.

        Args:
            inputs: The input, or a structure of inputs.
            *args, **kwargs: See `call`.
        """
        inputs = self._converted(inputs)
        masks = nest.map_structure(_mask_of, inputs)
        has_mask = any(m is not None for m in nest.flatten(masks))
        if has_mask and kwargs.get("mask") is None and accepts(self.call, "mask"):
            kwargs["mask"] = masks
        with self._call_scope():
            if not self.built:
                self._build_for(inputs)
            check_inputs(self.input_spec, inputs, self.name)
            outputs = self.call(inputs, *args, **kwargs)
            if outputs is None:
                raise InputError(
                    f"A layer's `call` method should return a Tensor or a list of Tensors, not "
                    f"None (layer: {self.name}): add a return"
                )
            self._regularize_activity(outputs)
            self._set_masks(inputs, outputs, masks)
        return self._called(inputs, outputs, args, kwargs)

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Call the layer."""
        return self(inputs, *args, **kwargs)

    def _call_scope(self) -> AbstractContextManager:
        return name_scope(self._name_scope())

    def _name_scope(self) -> str:
        return self.name

    def _build_for(self, inputs: Any) -> None:
        check_inputs(self.input_spec, inputs, self.name)
        flat = nest.flatten(inputs)
        if self._dtype is None and flat and hasattr(getattr(flat[0], "dtype", None), "base_dtype"):
            self._dtype = flat[0].dtype.base_dtype.name
        if all(hasattr(x, "shape") for x in flat):
            self.build(nest.map_structure(lambda x: x.shape, inputs))
        else:
            self.build(None)
        self.built = True

    def _set_masks(self, inputs: Any, outputs: Any, masks: Any) -> None:
        flat = nest.flatten(outputs)
        if all(_mask_of(x) is not None for x in flat):
            return
        own = type(self).compute_mask is not BaseLayer.compute_mask
        if not (self.supports_masking or own):
            return
        found = self.compute_mask(inputs, masks)
        if found is None:
            return
        for output, mask in zip(flat, nest.flatten(found)):
            output._keras_mask = mask

    def _converted(self, inputs: Any) -> Any:
        return _tensors(inputs)

    def _called(self, inputs: Any, outputs: Any, args: tuple, kwargs: dict) -> Any:
        """Record the call for a model of tf.keras, if the inputs belong to one."""
        flat = nest.flatten(inputs)
        if not flat or not all(hasattr(x, "_keras_history") for x in flat):
            return outputs
        from ..keras.engine import record_call  # models are made of layers

        return record_call(self, inputs, outputs, args, kwargs)


def _mask_of(x: Any) -> Any:
    return getattr(x, "_keras_mask", None)


def accepts(function: Callable, argument: str) -> bool:
    """Whether a function has a parameter of a name."""
    return argument in inspect.signature(function).parameters
