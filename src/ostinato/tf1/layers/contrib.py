"""Private: the layers of tf.contrib.layers."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from ...errors import ArgumentTypeError, InputError, SizeError
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import Tensor, TensorLike
from ..initializers import (
    Ones,
    Zeros,
    contrib_variance_scaling_initializer,
    xavier_initializer,
)
from ..ops import arrays, math, nn
from ..state import scopes
from . import core
from .arg_scopes import add_arg_scope
from .model_variables import (
    collect,
    collections_of,
    list_variable,
    model_getter,
    model_variable,
)
from .regularizers import (
    apply_regularization,
    l1_l2_regularizer,
    l1_regularizer,
    l2_regularizer,
    sum_regularizer,
)

__all__ = [
    "apply_regularization",
    "dropout",
    "embed_sequence",
    "embedding_lookup_unique",
    "flatten",
    "fully_connected",
    "l1_l2_regularizer",
    "l1_regularizer",
    "l2_regularizer",
    "layer_norm",
    "legacy_fully_connected",
    "linear",
    "one_hot_encoding",
    "relu",
    "relu6",
    "sum_regularizer",
    "variance_scaling_initializer",
    "xavier_initializer",
    "xavier_initializer_conv2d",
]

variance_scaling_initializer = contrib_variance_scaling_initializer
xavier_initializer_conv2d = xavier_initializer

_XAVIER, _ZEROS = xavier_initializer(), Zeros()


# Layers


@add_arg_scope
def fully_connected(
    inputs: TensorLike,
    num_outputs: int,
    activation_fn: Callable | None = nn.relu,
    normalizer_fn: Callable | None = None,
    normalizer_params: Mapping | None = None,
    weights_initializer: Any = _XAVIER,
    weights_regularizer: Callable | None = None,
    biases_initializer: Any = _ZEROS,
    biases_regularizer: Callable | None = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Tensor:
    """A dense layer with variables `weights` and `biases`.

    Args:
        inputs: (..., I).
        num_outputs: The size of the output H.
        activation_fn: A function of the output; None for none.
        normalizer_fn: A function that normalizes, instead of a bias; None for a bias.
        normalizer_params: Its arguments.
        weights_initializer, biases_initializer: See `tf.get_variable`; None for no bias.
        weights_regularizer, biases_regularizer: Functions of a variable whose result is a loss.
        reuse: Whether existing variables are used.
        variables_collections: Collections of the variables, or a dict of them for each name.
        outputs_collections: Collections of the output.
        trainable: Whether the variables are trained.
        scope: The variable scope; None for `fully_connected`.

    Returns:
        (..., H).

    Raises:
        ArgumentTypeError: The size of the output is not a whole number.
    """
    if isinstance(num_outputs, bool) or not isinstance(num_outputs, int):
        raise ArgumentTypeError(
            f"num_outputs type should be int, got {num_outputs!r}: give the size of the output"
        )
    getter = model_getter({"bias": "biases", "kernel": "weights"})
    with scopes.variable_scope(
        scope, "fully_connected", [inputs], reuse=reuse, custom_getter=getter
    ) as sc:
        inputs = convert_to_tensor(inputs)
        layer = core.Dense(
            num_outputs,
            activation=None,
            use_bias=not normalizer_fn and bool(biases_initializer),
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=sc.name,
            dtype=inputs.dtype.base_dtype,
            _scope=sc,
            _reuse=reuse,
        )
        outputs = layer.apply(inputs)
        list_variable(layer.kernel, variables_collections, "weights")
        if layer.bias is not None:
            list_variable(layer.bias, variables_collections, "biases")
        if normalizer_fn is not None:
            outputs = normalizer_fn(outputs, **(normalizer_params or {}))
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect(outputs_collections, outputs)


linear = functools.partial(fully_connected, activation_fn=None)
relu = functools.partial(fully_connected, activation_fn=nn.relu)
relu6 = functools.partial(fully_connected, activation_fn=nn.relu6)
for _function in (linear, relu, relu6):
    _function.__doc__ = fully_connected.__doc__


@add_arg_scope
def legacy_fully_connected(
    x: TensorLike,
    num_output_units: int,
    activation_fn: Callable | None = None,
    weight_init: Any = _XAVIER,
    bias_init: Any = _ZEROS,
    name: str | None = None,
    weight_collections: Any = (GraphKeys.WEIGHTS,),
    bias_collections: Any = (GraphKeys.BIASES,),
    output_collections: Any = (GraphKeys.ACTIVATIONS,),
    trainable: bool = True,
    weight_regularizer: Callable | None = None,
    bias_regularizer: Callable | None = None,
) -> Tensor:
    """A dense layer of older programs; see `fully_connected`.

    Args:
        x: (..., I).
        num_output_units: The size of the output H.
        activation_fn: A function of the output; None for none.
        weight_init, bias_init: See `tf.get_variable`; None for no bias.
        name: The variable scope; None for `fully_connected`.
        weight_collections, bias_collections, output_collections: Collections.
        trainable: Whether the variables are trained.
        weight_regularizer, bias_regularizer: Functions of a variable whose result is a loss.
    """
    with scopes.variable_scope(name, "fully_connected", [x]):
        x = convert_to_tensor(x)
        size = x.shape.with_rank_at_least(2)[-1].value
        if size is None:
            raise SizeError(f"last dimension of x must be known but is None: {x}")
        kind = x.dtype.base_dtype
        weight_keys = {*(weight_collections or ()), GraphKeys.GLOBAL_VARIABLES}
        w = scopes.get_variable(
            "weights",
            [size, num_output_units],
            kind,
            weight_init,
            collections=sorted(weight_keys),
            regularizer=weight_regularizer,
            trainable=trainable,
        )
        rank = x.shape.ndims
        flat = x if rank == 2 else arrays.reshape(x, arrays.stack([-1, size]))
        y = math.matmul(flat, w)
        if bias_init is not None:
            bias_keys = {*(bias_collections or ()), GraphKeys.GLOBAL_VARIABLES}
            b = scopes.get_variable(
                "bias",
                [num_output_units],
                kind,
                bias_init,
                collections=sorted(bias_keys),
                regularizer=bias_regularizer,
                trainable=trainable,
            )
            y = nn.bias_add(y, b)
        if rank != 2:
            outer = arrays.unstack(arrays.shape(x))[:-1]
            y = arrays.reshape(y, arrays.stack([*outer, num_output_units]))
            y.set_shape(x.shape[:-1].concatenate([num_output_units]))
        outputs = y if activation_fn is None else activation_fn(y)
        return collect(output_collections, outputs)


@add_arg_scope
def dropout(
    inputs: TensorLike,
    keep_prob: TensorLike = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Tensor:
    """Dropout in training, nothing otherwise.

    Args:
        inputs: A tensor of floats.
        keep_prob: The probability to keep an element.
        noise_shape: The shape of the mask; None for that of the input.
        is_training: Whether to drop elements: a truth value or a tensor.
        outputs_collections: Collections of the output.
        scope: The variable scope; None for `Dropout`.
        seed: The seed of the random operation; None for the graph's.
    """
    with scopes.variable_scope(scope, "Dropout", [inputs], custom_getter=model_getter()) as sc:
        inputs = convert_to_tensor(inputs)
        layer = core.Dropout(
            1 - keep_prob, noise_shape=noise_shape, seed=seed, name=sc.name, _scope=sc
        )
        return collect(outputs_collections, layer.apply(inputs, training=is_training))


@add_arg_scope
def flatten(inputs: TensorLike, outputs_collections: Any = None, scope: Any = None) -> Tensor:
    """All but the first dimension as one.

    Args:
        inputs: (B, ...).
        outputs_collections: Collections of the output.
        scope: The name scope; None for `Flatten`.
    """
    with name_scope(scope, "Flatten"):
        inputs = convert_to_tensor(inputs)
        return collect(outputs_collections, core.flatten(inputs))


@add_arg_scope
def one_hot_encoding(
    labels: TensorLike,
    num_classes: int,
    on_value: float = 1.0,
    off_value: float = 0.0,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Tensor:
    """One-hot vectors; see `tf.one_hot`.

    Args:
        labels: The classes, whole numbers.
        num_classes: The number of classes.
        on_value, off_value: The value of the class, and that of all others.
        outputs_collections: Collections of the output.
        scope: The name scope; None for `OneHotEncoding`.
    """
    with name_scope(scope, "OneHotEncoding"):
        labels = convert_to_tensor(labels)
        if labels.dtype.base_dtype.name == "int32":
            labels = math.to_int64(labels)
        outputs = arrays.one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return collect(outputs_collections, outputs)


@add_arg_scope
def layer_norm(
    inputs: TensorLike,
    center: bool = True,
    scale: bool = True,
    activation_fn: Callable | None = None,
    reuse: bool | None = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    begin_norm_axis: int = 1,
    begin_params_axis: int = -1,
    scope: Any = None,
) -> Tensor:
    """Layer normalization with variables `beta` and `gamma`.

    Args:
        inputs: (B, ...).
        center, scale: Whether to add `beta`, and to multiply by `gamma`.
        activation_fn: A function of the output; None for none.
        reuse: Whether existing variables are used.
        variables_collections: Collections of the variables, or a dict of them for each name.
        outputs_collections: Collections of the output.
        trainable: Whether the variables are trained.
        begin_norm_axis: The first of the axes over which mean and variance are taken.
        begin_params_axis: The first of the axes that the variables have.
        scope: The variable scope; None for `LayerNorm`.

    Raises:
        SizeError: The shape of the input is not known as far as needed.

    Source: Ba et al., Layer Normalization (2016), arXiv:1607.06450.
    """
    with scopes.variable_scope(scope, "LayerNorm", [inputs], reuse=reuse):
        inputs = convert_to_tensor(inputs)
        shape, rank = inputs.shape, inputs.shape.ndims
        if rank is None:
            raise SizeError(f"Inputs {inputs.name} has undefined rank: set its shape")
        if begin_norm_axis < 0:
            begin_norm_axis += rank
        if begin_params_axis >= rank or begin_norm_axis >= rank:
            raise SizeError(
                f"begin_params_axis ({begin_params_axis}) and begin_norm_axis ({begin_norm_axis}) "
                f"must be < rank(inputs) ({rank})"
            )
        params_shape = shape[begin_params_axis:]
        if not params_shape.is_fully_defined():
            raise SizeError(
                f"Inputs {inputs.name}: shape(inputs)[{begin_params_axis}:] is not fully defined: "
                f"{shape}"
            )
        kind = inputs.dtype.base_dtype
        made: dict[str, Any] = {}
        for name, wanted, first in (("beta", center, Zeros()), ("gamma", scale, Ones())):
            made[name] = wanted and model_variable(
                name,
                shape=params_shape,
                dtype=kind,
                initializer=first,
                collections=collections_of(variables_collections, name),
                trainable=trainable,
            )
        mean, variance = nn.moments(inputs, list(range(begin_norm_axis, rank)), keep_dims=True)
        outputs = nn.batch_normalization(
            inputs,
            mean,
            variance,
            offset=made["beta"] if center else None,
            scale=made["gamma"] if scale else None,
            variance_epsilon=1e-12 if kind.name != "float16" else 1e-3,
        )
        outputs.set_shape(shape)
        if activation_fn is not None:
            outputs = activation_fn(outputs)
        return collect(outputs_collections, outputs)


# Embeddings


def embed_sequence(
    ids: TensorLike,
    vocab_size: int | None = None,
    embed_dim: int | None = None,
    unique: bool = False,
    initializer: Any = None,
    regularizer: Callable | None = None,
    trainable: bool = True,
    scope: Any = None,
    reuse: bool | None = None,
) -> Tensor:
    """Rows of an embedding, the variable `embeddings`.

    Args:
        ids: The numbers of the rows, (B, T).
        vocab_size: The number of rows.
        embed_dim: The size of a row.
        unique: Whether each row is looked up once.
        initializer, regularizer, trainable: See `tf.get_variable`.
        scope: The variable scope; None for `EmbedSequence`.
        reuse: Whether an existing variable is used; it gives the sizes.

    Returns:
        (B, T, embed_dim).

    Raises:
        InputError: A size is missing.
    """
    if not (reuse or (vocab_size and embed_dim)):
        raise InputError(
            f"Must specify vocab size and embedding dimension when not reusing. Got vocab_size="
            f"{vocab_size} and embed_dim={embed_dim}"
        )
    with scopes.variable_scope(scope, "EmbedSequence", [ids], reuse=reuse):
        known = vocab_size is not None and embed_dim is not None
        embeddings = model_variable(
            "embeddings",
            shape=[vocab_size, embed_dim] if known else None,
            initializer=initializer,
            regularizer=regularizer,
            trainable=trainable,
        )
        if unique:
            return embedding_lookup_unique(embeddings, ids)
        return nn.embedding_lookup(embeddings, ids)


def embedding_lookup_unique(
    params: Any, ids: TensorLike, partition_strategy: str = "mod", name: str | None = None
) -> Tensor:
    """`tf.nn.embedding_lookup` that looks each row up once."""
    with name_scope(name, "EmbeddingLookupUnique"):
        ids = convert_to_tensor(ids)
        shape = arrays.shape(ids)
        flat = arrays.reshape(ids, math.reduce_prod(shape, keepdims=True))
        different, places = arrays.unique(flat)
        rows = nn.embedding_lookup(params, different, partition_strategy)
        found = arrays.gather(rows, places)
        outputs = arrays.reshape(found, arrays.concat([shape, arrays.shape(rows)[1:]], 0))
        outputs.set_shape(ids.shape.concatenate(rows.shape[1:]))
        return outputs
