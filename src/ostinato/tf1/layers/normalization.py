"""Private: batch normalization (tf.layers, tf.contrib.layers)."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core.constant import constant, constant_value
from ..core.conversion import convert_to_tensor
from ..core.graph import control_dependencies, get_default_graph
from ..core.graph_keys import GraphKeys
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..flow.flow_ops import no_op
from ..initializers import Ones, Zeros
from ..ops import arrays, math, nn
from ..state import scopes
from ..train.averages import assign_moving_average
from . import core
from .arg_scopes import add_arg_scope
from .base import Layer
from .model_variables import (
    collect,
    collections_of,
    list_variable,
    model_getter,
    model_variable,
)
from .specs import InputSpec

__all__ = ["BatchNormalization", "batch_norm", "batch_normalization"]

_ZEROS, _ONES = Zeros(), Ones()


def _known(training: Any) -> bool | None:
    """The mode as a truth value, or None if only a run knows it."""
    if not isinstance(training, Tensor):
        return bool(training)
    value = constant_value(training)
    return None if value is None else bool(value)


class BatchNormalization(Layer):
    """Batch normalization with variables `gamma`, `beta`, `moving_mean` and `moving_variance`.

    The updates of the moving averages join the update operations of the graph.

    Args:
        axis: The axis of the channels.
        momentum: The part of a moving average that stays.
        epsilon: A small number that is added to the variance.
        center, scale: Whether to add `beta`, and to multiply by `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            See `tf.get_variable`.
        beta_regularizer, gamma_regularizer: Functions of a variable whose result is a loss.
        beta_constraint, gamma_constraint: Functions of the value that return the value to use.
        trainable: Whether the variables are trained.
        fused: Whether images are normalized by one operation; None for yes.
        name: The name of the layer.

    Source: Ioffe and Szegedy, Batch Normalization (2015), arXiv:1502.03167.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = _ZEROS,
        gamma_initializer: Any = _ONES,
        moving_mean_initializer: Any = _ZEROS,
        moving_variance_initializer: Any = _ONES,
        beta_regularizer: Callable | None = None,
        gamma_regularizer: Callable | None = None,
        beta_constraint: Callable | None = None,
        gamma_constraint: Callable | None = None,
        trainable: bool = True,
        fused: bool | None = None,
        name: Any = None,
        **kwargs: Any,
    ):
        super().__init__(trainable=trainable, name=name, **kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale, self.fused = center, scale, fused
        self._first = {
            "gamma": gamma_initializer,
            "beta": beta_initializer,
            "moving_mean": moving_mean_initializer,
            "moving_variance": moving_variance_initializer,
        }
        self._regularizers = {"gamma": gamma_regularizer, "beta": beta_regularizer}
        self._constraints = {"gamma": gamma_constraint, "beta": beta_constraint}
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        shape = TensorShape(input_shape)
        if shape.ndims is None:
            raise SizeError(f"Input has undefined rank: {shape}; set its shape")
        axis = self.axis[0] if isinstance(self.axis, (list, tuple)) else self.axis
        axis = axis + shape.ndims if axis < 0 else axis
        size = shape[axis].value
        if size is None:
            raise SizeError(f"Input has undefined `axis` dimension. Input shape: {shape}")
        self.axis = axis
        self.fused = self.fused is not False and shape.ndims == 4 and axis in (1, 3)
        self.input_spec = InputSpec(ndim=shape.ndims, axes={axis: size})
        wanted = {"gamma": self.scale, "beta": self.center}
        kind = "float32" if self.dtype == "float16" else self.dtype
        for name, first in self._first.items():
            if wanted.get(name, True):
                variable = self.add_weight(
                    name,
                    shape=(size,),
                    dtype=kind,
                    initializer=first,
                    regularizer=self._regularizers.get(name),
                    constraint=self._constraints.get(name),
                    trainable=name in wanted,
                )
                setattr(self, name, variable)
        self.built = True

    def _fused_call(self, inputs: Tensor, training: Any) -> Tensor:
        size = self.moving_mean.shape
        gamma = self.gamma if self.scale else constant(1.0, shape=size)
        beta = self.beta if self.center else constant(0.0, shape=size)
        named: dict[str, Any] = {
            "epsilon": self.epsilon,
            "data_format": "NCHW" if self.axis == 1 else "NHWC",
        }
        outputs = core.in_training(
            training,
            lambda: nn.fused_batch_norm(inputs, gamma, beta, **named),
            lambda: nn.fused_batch_norm(
                inputs,
                gamma,
                beta,
                mean=self.moving_mean,
                variance=self.moving_variance,
                is_training=False,
                **named,
            ),
        )
        if _known(training) is not False:
            self._update_in(training, outputs[1], outputs[2])
        return outputs[0]

    def _update(self, training: Any, average: Any, value: Tensor) -> None:
        def update() -> Tensor:
            return assign_moving_average(average, value, self.momentum, zero_debias=False)

        self.add_update(core.in_training(training, update, lambda: convert_to_tensor(average)))

    def _update_in(self, training: Any, mean: Tensor, variance: Tensor) -> None:
        self._update(training, self.moving_mean, mean)
        self._update(training, self.moving_variance, variance)

    def call(self, inputs: TensorLike, training: Any = False) -> Tensor:
        inputs = convert_to_tensor(inputs)
        if self.fused:
            return self._fused_call(inputs, training)
        rank = len(inputs.shape)
        axes = [i for i in range(rank) if i != self.axis]

        def broadcast(v: Any) -> Any:
            if v is None or axes == list(range(rank - 1)):
                return v
            sizes = [1] * rank
            sizes[self.axis] = inputs.shape[self.axis].value  # type: ignore[call-overload]
            return arrays.reshape(v, sizes)

        scale, offset = broadcast(self.gamma), broadcast(self.beta)
        mean, variance = self.moving_mean, self.moving_variance
        if _known(training) is not False:
            of_batch = nn.moments(inputs, axes)
            mean = core.in_training(training, lambda: of_batch[0], lambda: self.moving_mean)
            variance = core.in_training(training, lambda: of_batch[1], lambda: self.moving_variance)
            self._update_in(training, mean, variance)
        mean, variance = math.cast(mean, inputs.dtype), math.cast(variance, inputs.dtype)
        if offset is not None:
            offset = math.cast(offset, inputs.dtype)
        outputs = nn.batch_normalization(
            inputs, broadcast(mean), broadcast(variance), offset, scale, self.epsilon
        )
        outputs.set_shape(inputs.shape)
        return outputs


def batch_normalization(
    inputs: TensorLike,
    axis: int = -1,
    momentum: float = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = _ZEROS,
    gamma_initializer: Any = _ONES,
    moving_mean_initializer: Any = _ZEROS,
    moving_variance_initializer: Any = _ONES,
    beta_regularizer: Callable | None = None,
    gamma_regularizer: Callable | None = None,
    beta_constraint: Callable | None = None,
    gamma_constraint: Callable | None = None,
    training: Any = False,
    trainable: bool = True,
    name: str | None = None,
    reuse: bool | None = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_momentum: float = 0.99,
    fused: bool | None = None,
    virtual_batch_size: int | None = None,
    adjustment: Any = None,
) -> Tensor:
    """Batch normalization with its own variables; see `BatchNormalization`.

    Args:
        inputs: The tensor.
        training: Whether to use the mean and the variance of the batch: a truth value or a tensor.
        reuse: Whether existing variables of the name are used.
        renorm, renorm_clipping, renorm_momentum, virtual_batch_size, adjustment: Not provided.

    Raises:
        InputError: One of those was given.
    """
    if renorm or virtual_batch_size is not None or adjustment is not None:
        raise InputError(
            "batch_normalization(renorm, virtual_batch_size, adjustment) are not provided: leave "
            "them out"
        )
    layer = BatchNormalization(
        axis,
        momentum,
        epsilon,
        center,
        scale,
        beta_initializer=beta_initializer,
        gamma_initializer=gamma_initializer,
        moving_mean_initializer=moving_mean_initializer,
        moving_variance_initializer=moving_variance_initializer,
        beta_regularizer=beta_regularizer,
        gamma_regularizer=gamma_regularizer,
        beta_constraint=beta_constraint,
        gamma_constraint=gamma_constraint,
        trainable=trainable,
        fused=fused,
        name=name,
        _scope=name,
        _reuse=reuse,
    )
    return layer.apply(inputs, training=training)


def _fused_batch_norm(
    inputs: Tensor,
    named: Mapping[str, Any],
    decay: float,
    is_training: Any,
    updates_collections: Any,
    zero_debias: bool,
) -> Tensor:
    """`batch_norm` of a matrix or of images by one operation, in the scope of its variables."""
    original = inputs
    rank = inputs.shape.ndims
    first = named["data_format"] == "NCHW"
    if rank == 2:
        size = inputs.shape[-1].value
        if size is None:
            raise SizeError(f"`C` dimension must be known but is None: {inputs}")
        inputs = arrays.reshape(inputs, [-1, size, 1, 1] if first else [-1, 1, 1, size])
    shape = inputs.shape
    params_shape = shape[1:2] if first else shape[-1:]
    if not params_shape.is_fully_defined():
        raise SizeError(f"Inputs {inputs.name} has undefined `C` dimension {params_shape}.")
    beta, gamma = (_parameter(name, params_shape, named) for name in ("beta", "gamma"))
    mean, variance = _averages(params_shape, named)
    options = {"epsilon": named["epsilon"], "data_format": named["data_format"]}
    outputs, batch_mean, batch_variance = core.in_training(
        is_training,
        lambda: nn.fused_batch_norm(inputs, gamma, beta, **options),
        lambda: nn.fused_batch_norm(
            inputs, gamma, beta, mean=mean, variance=variance, is_training=False, **options
        ),
    )

    def updates() -> tuple[Tensor, Tensor]:
        return (
            assign_moving_average(mean, batch_mean, decay, zero_debias=zero_debias),
            assign_moving_average(variance, batch_variance, decay, zero_debias=False),
        )

    def updated() -> Tensor:
        with control_dependencies(updates()):
            return arrays.identity(outputs)

    if _known(is_training) is not False:
        if updates_collections is None:
            plain = outputs
            outputs = core.in_training(is_training, updated, lambda: plain)
        else:
            for update in core.in_training(is_training, updates, lambda: (mean, variance)):
                get_default_graph().add_to_collections(updates_collections, update)
    outputs.set_shape(shape)
    return arrays.reshape(outputs, arrays.shape(original)) if rank == 2 else outputs


def _parameter(name: str, shape: TensorShape, named: Mapping[str, Any]) -> Any:
    if not named["center" if name == "beta" else "scale"]:
        return constant(0.0 if name == "beta" else 1.0, dtype="float32", shape=shape)
    first = {"beta": _ZEROS, "gamma": _ONES}[name]
    return model_variable(
        name,
        shape=shape,
        dtype="float32",
        initializer=named["param_initializers"].get(name, first),
        regularizer=named["param_regularizers"].get(name),
        collections=collections_of(named["variables_collections"], name),
        trainable=named["trainable"],
    )


def _averages(shape: TensorShape, named: Mapping[str, Any]) -> list:
    with scopes.variable_scope(scopes.get_variable_scope()) as inner:
        inner.set_partitioner(None)
        return [
            model_variable(
                name,
                shape=shape,
                dtype="float32",
                initializer=named["param_initializers"].get(name, first),
                trainable=False,
                collections=collections_of(named["variables_collections"], name),
            )
            for name, first in (("moving_mean", _ZEROS), ("moving_variance", _ONES))
        ]


@add_arg_scope
def batch_norm(
    inputs: TensorLike,
    decay: float = 0.999,
    center: bool = True,
    scale: bool = False,
    epsilon: float = 0.001,
    activation_fn: Callable | None = None,
    param_initializers: Mapping | None = None,
    param_regularizers: Mapping | None = None,
    updates_collections: Any = GraphKeys.UPDATE_OPS,
    is_training: Any = True,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    batch_weights: Any = None,
    fused: bool | None = None,
    data_format: str = "NHWC",
    zero_debias_moving_mean: bool = False,
    scope: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_decay: float = 0.99,
    adjustment: Any = None,
) -> Tensor:
    """Batch normalization with variables `beta`, `gamma`, `moving_mean` and `moving_variance`.

    Args:
        inputs: (B, ..., C).
        decay: The part of a moving average that stays.
        center, scale: Whether to add `beta`, and to multiply by `gamma`.
        epsilon: A small number that is added to the variance.
        activation_fn: A function of the output; None for none.
        param_initializers, param_regularizers: Initializers and regularizers by name of variable.
        updates_collections: The collections that the updates of the moving averages join; None to
            run them with the output.
        is_training: Whether to use the mean and the variance of the batch: a truth value or a
            tensor.
        reuse: Whether existing variables are used.
        variables_collections: Collections of the variables, or a dict of them for each name.
        outputs_collections: Collections of the output.
        trainable: Whether the variables are trained.
        fused: Whether matrices and images are normalized by one operation; None for yes.
        data_format: "NHWC", or "NCHW" where the channels are the second dimension.
        zero_debias_moving_mean: Whether the moving mean is corrected for starting at 0.
        scope: The variable scope; None for `BatchNorm`.
        batch_weights, renorm, renorm_clipping, renorm_decay, adjustment: Not provided.

    Raises:
        InputError: One of those was given, or the format is another one.
    """
    if renorm or batch_weights is not None or adjustment is not None:
        raise InputError(
            "batch_norm(batch_weights, renorm, adjustment) are not provided: leave them out"
        )
    if data_format not in ("NHWC", "NCHW"):
        raise InputError(f"batch_norm(data_format={data_format!r}): give 'NHWC' or 'NCHW'")
    inputs = convert_to_tensor(inputs)
    rank = inputs.shape.ndims
    named = {
        "center": center,
        "scale": scale,
        "epsilon": epsilon,
        "data_format": data_format,
        "param_initializers": param_initializers or {},
        "param_regularizers": param_regularizers or {},
        "variables_collections": variables_collections,
        "trainable": trainable,
    }
    plain_updates = updates_collections == GraphKeys.UPDATE_OPS
    by_one = zero_debias_moving_mean or rank == 2 or not plain_updates
    if fused is not False and rank in (2, 4) and by_one:
        with scopes.variable_scope(scope, "BatchNorm", [inputs], reuse=reuse):
            outputs = _fused_batch_norm(
                inputs, named, decay, is_training, updates_collections, zero_debias_moving_mean
            )
            outputs = outputs if activation_fn is None else activation_fn(outputs)
            return collect(outputs_collections, outputs)
    getter = model_getter()
    with scopes.variable_scope(
        scope, "BatchNorm", [inputs], reuse=reuse, custom_getter=getter
    ) as sc:
        layer = _layer(named, decay, fused, sc, reuse)
        outputs = layer.apply(inputs, training=is_training)
        _list_updates(layer.updates, updates_collections)
        for name in ("beta", "gamma", "moving_mean", "moving_variance"):
            made = getattr(layer, name)
            if made is not None:
                list_variable(made, variables_collections, name)
        if updates_collections is None:
            with control_dependencies(layer.updates or [no_op()]):
                outputs = arrays.identity(outputs)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect(outputs_collections, outputs)


def _layer(
    named: Mapping[str, Any], decay: float, fused: bool | None, scope: Any, reuse: Any
) -> BatchNormalization:
    first, penalties = named["param_initializers"], named["param_regularizers"]
    return BatchNormalization(
        axis=1 if named["data_format"] == "NCHW" else -1,
        momentum=decay,
        epsilon=named["epsilon"],
        center=named["center"],
        scale=named["scale"],
        beta_initializer=first.get("beta", _ZEROS),
        gamma_initializer=first.get("gamma", _ONES),
        moving_mean_initializer=first.get("moving_mean", _ZEROS),
        moving_variance_initializer=first.get("moving_variance", _ONES),
        beta_regularizer=penalties.get("beta"),
        gamma_regularizer=penalties.get("gamma"),
        trainable=named["trainable"],
        fused=fused,
        name=scope.name,
        _scope=scope,
        _reuse=reuse,
    )


def _list_updates(updates: Sequence, collections: Any) -> None:
    # A layer of tf.layers has listed them in the update operations already.
    if collections is not None and collections != GraphKeys.UPDATE_OPS:
        for update in updates:
            get_default_graph().add_to_collections(collections, update)
