"""Private: random operations.

Their seeds come from the graph's seed and the number of operations so far. TensorFlow takes that
number at a fixed place of each function, which is why constants are created in the order here.
"""

from typing import Any

import numpy as np

from ...errors import InputError, SizeError
from ..core.constant import constant_value, constant_value_as_shape
from ..core.conversion import apply, convert_to_tensor
from ..core.dtypes import DTYPES, DType, DTypeLike, as_dtype
from ..core.graph import get_default_graph, name_scope
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Operation, Tensor, TensorLike
from ..kernels import counts, random
from . import arrays, math

__all__ = [
    "categorical",
    "multinomial",
    "op_seeds_now",
    "random_gamma",
    "random_normal",
    "random_poisson",
    "random_shuffle",
    "random_uniform",
    "stream_of",
    "truncated_normal",
]


def op_seeds_now(seed: int | None) -> dict[str, int]:
    """The attributes seed and seed2 of a random operation that is created next.

    Args:
        seed: The seed given to the operation, or None.
    """
    graph = get_default_graph()
    first, second = random.op_seeds(graph.seed, seed, graph.last_id)
    return {"seed": first, "seed2": second}


def stream_of(run: Any, op: Operation) -> Any:
    """The random numbers of an operation in a session, which go on from run to run."""
    streams = run.session.streams
    if op not in streams:
        streams[op] = random.RandomStream(op.attrs["seed"], op.attrs["seed2"])
    return streams[op]


def _sizes(value: np.ndarray) -> tuple[int, ...]:
    return tuple(int(n) for n in np.atleast_1d(value))


def _drawn_outputs(op: Operation) -> list:
    return [(op.attrs["dtype"], constant_value_as_shape(op.inputs[0]))]


def _kind(op: Operation) -> np.dtype:
    return np.dtype(op.outputs[0].dtype.as_numpy_dtype)


def _integers(run: Any, op: Operation, shape: np.ndarray, low: Any, high: Any) -> np.ndarray:
    if not low < high:
        raise SizeError(
            f"{op.name}: Need minval < maxval, got {low} >= {high}: give a larger maxval"
        )
    return stream_of(run, op).integers(_sizes(shape), int(low), int(high), _kind(op))


def _multinomial_outputs(op: Operation) -> list:
    rows = op.inputs[0].shape.with_rank(2)[0]
    count = constant_value(op.inputs[1])
    return [(op.attrs["output_dtype"], [rows, None if count is None else int(count)])]


def _multinomial(run: Any, op: Operation, logits: np.ndarray, count: Any) -> np.ndarray:
    return stream_of(run, op).multinomial(logits, int(count)).astype(_kind(op))


def _shuffle(run: Any, op: Operation, value: np.ndarray) -> np.ndarray:
    if value.ndim == 0 or len(value) < 2:
        return value
    return value[stream_of(run, op).shuffle(len(value))]


def _gamma_outputs(op: Operation) -> list:
    shape = constant_value_as_shape(op.inputs[0]).concatenate(op.inputs[1].shape)
    return [(op.inputs[1].dtype, shape)]


def _gamma(run: Any, op: Operation, shape: np.ndarray, alpha: np.ndarray) -> np.ndarray:
    return counts.gamma(stream_of(run, op), _sizes(shape), alpha)


def _poisson_outputs(op: Operation) -> list:
    shape = constant_value_as_shape(op.inputs[0]).concatenate(op.inputs[1].shape)
    return [(op.attrs["dtype"], shape)]


def _poisson(run: Any, op: Operation, shape: np.ndarray, rate: np.ndarray) -> np.ndarray:
    return counts.poisson(stream_of(run, op), _sizes(shape), rate, _kind(op))


define(
    "RandomUniform",
    _drawn_outputs,
    lambda run, op, shape: stream_of(run, op).uniform(_sizes(shape), _kind(op)),
    stateful=True,
)
define(
    "RandomStandardNormal",
    _drawn_outputs,
    lambda run, op, shape: stream_of(run, op).normal(_sizes(shape), _kind(op)),
    stateful=True,
)
define(
    "TruncatedNormal",
    _drawn_outputs,
    lambda run, op, shape: stream_of(run, op).truncated_normal(_sizes(shape), _kind(op)),
    stateful=True,
)
define(
    "RandomUniformInt",
    lambda op: [(op.inputs[1].dtype.base_dtype, constant_value_as_shape(op.inputs[0]))],
    _integers,
    stateful=True,
)
define("Multinomial", _multinomial_outputs, _multinomial, stateful=True)
define(
    "RandomShuffle",
    lambda op: [(op.inputs[0].dtype.base_dtype, op.inputs[0].shape)],
    _shuffle,
    stateful=True,
)
define("RandomGamma", _gamma_outputs, _gamma, stateful=True)
define("RandomPoissonV2", _poisson_outputs, _poisson, stateful=True)
not_differentiable(
    "RandomUniform",
    "RandomStandardNormal",
    "TruncatedNormal",
    "RandomUniformInt",
    "Multinomial",
    "RandomPoissonV2",
)


def _shape_tensor(shape: Any) -> Tensor:
    if isinstance(shape, (tuple, list)) and not shape or isinstance(shape, TensorShape):
        return convert_to_tensor(as_shape(shape).as_list(), "int32", "shape")
    return convert_to_tensor(shape, name="shape")


def _floating(function: str, dtype: DTypeLike) -> DType:
    kind = as_dtype(dtype).base_dtype
    if not kind.is_floating:
        raise InputError(f"tf.{function}(dtype={kind.name}): give tf.float32 or tf.float64")
    return kind


def _scaled(
    op_type: str, shape: Any, mean: Any, stddev: Any, dtype: DTypeLike, seed: Any, name: Any
) -> Tensor:
    """Numbers with mean 0 and standard deviation 1, times `stddev`, plus `mean`."""
    default = "truncated_normal" if op_type == "TruncatedNormal" else "random_normal"
    kind = _floating(default, dtype)
    with name_scope(name, default) as scope:
        sizes = _shape_tensor(shape)
        center = convert_to_tensor(mean, kind, "mean")
        scale = convert_to_tensor(stddev, kind, "stddev")
        attrs = {"dtype": kind, **op_seeds_now(seed)}
        drawn = apply(op_type, {"shape": sizes}, attrs=attrs).outputs[0]
        return math.add(drawn * scale, center, name=scope)


def random_normal(
    shape: TensorLike,
    mean: TensorLike = 0.0,
    stddev: TensorLike = 1.0,
    dtype: DTypeLike = DTYPES["float32"],
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Random numbers of a normal distribution.

    Args:
        shape: The shape.
        mean, stddev: The mean and the standard deviation.
        dtype: A floating-point dtype.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.
    """
    return _scaled("RandomStandardNormal", shape, mean, stddev, dtype, seed, name)


def truncated_normal(
    shape: TensorLike,
    mean: TensorLike = 0.0,
    stddev: TensorLike = 1.0,
    dtype: DTypeLike = DTYPES["float32"],
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Random numbers of a normal distribution without those more than two standard deviations from
    the mean; see `random_normal`.
    """
    return _scaled("TruncatedNormal", shape, mean, stddev, dtype, seed, name)


def random_uniform(
    shape: TensorLike,
    minval: TensorLike = 0,
    maxval: TensorLike | None = None,
    dtype: DTypeLike = DTYPES["float32"],
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Random numbers from `minval` up to `maxval`, which is excluded.

    Args:
        shape: The shape.
        minval, maxval: The limits; None for 1, which whole numbers do not accept.
        dtype: A floating-point dtype, tf.int32 or tf.int64.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.

    Raises:
        InputError: The dtype is another one, or `maxval` is missing.
    """
    kind = as_dtype(dtype).base_dtype
    if kind.name not in ("float16", "float32", "float64", "int32", "int64"):
        raise InputError(
            f"Invalid dtype {kind.name}: tf.random_uniform has tf.float32, tf.int32 ..."
        )
    if maxval is None and kind.is_integer:
        raise InputError(f"Must specify maxval for integer dtype {kind.name}: give maxval=10")
    with name_scope(name, "random_uniform") as scope:
        sizes = _shape_tensor(shape)
        low = convert_to_tensor(minval, kind, "min")
        high = convert_to_tensor(1 if maxval is None else maxval, kind, "max")
        seeds = op_seeds_now(seed)
        if kind.is_integer:
            inputs = {"shape": sizes, "minval": low, "maxval": high}
            return apply("RandomUniformInt", inputs, name=scope, attrs=seeds).outputs[0]
        attrs = {"dtype": kind, **seeds}
        drawn = apply("RandomUniform", {"shape": sizes}, attrs=attrs).outputs[0]
        return math.add(drawn * (high - low), low, name=scope)


def random_shuffle(value: TensorLike, seed: int | None = None, name: str | None = None) -> Tensor:
    """The rows of a tensor in random order."""
    seeds = op_seeds_now(seed)
    return apply("RandomShuffle", {"value": value}, name=name, attrs=seeds).outputs[0]


def _sampled(logits: TensorLike, count: TensorLike, dtype: Any, seed: int | None) -> Tensor:
    tensor = convert_to_tensor(logits, name="logits")
    attrs = {"output_dtype": as_dtype(dtype or "int64"), **op_seeds_now(seed)}
    inputs = {"logits": tensor, "num_samples": count}
    return apply("Multinomial", inputs, attrs=attrs, dtypes={"num_samples": "int32"}).outputs[0]


def multinomial(
    logits: TensorLike,
    num_samples: TensorLike,
    seed: int | None = None,
    name: str | None = None,
    output_dtype: DTypeLike | None = None,
) -> Tensor:
    """Classes drawn from distributions.

    Args:
        logits: Unnormalised log-probabilities, (B, C).
        num_samples: The number of draws N for each row.
        seed: The seed of the operation; None for the graph's.
        name: The name of the operation.
        output_dtype: tf.int32 or tf.int64, the default.

    Returns:
        The classes, (B, N).
    """
    with name_scope(name, "multinomial"):
        return _sampled(logits, num_samples, output_dtype, seed)


def categorical(
    logits: TensorLike,
    num_samples: TensorLike,
    dtype: DTypeLike | None = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Classes drawn from distributions; see `multinomial`."""
    with name_scope(name, "categorical"):
        return _sampled(logits, num_samples, dtype, seed)


def random_gamma(
    shape: TensorLike,
    alpha: TensorLike,
    beta: TensorLike | None = None,
    dtype: DTypeLike = DTYPES["float32"],
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Random numbers of gamma distributions.

    Args:
        shape: The shape of the draws from each distribution.
        alpha, beta: The shape and the inverse scale of the distributions; None for 1.
        dtype: A floating-point dtype.
        seed: The seed of the operation; None for the graph's.
        name: The name of the scope of the operations.
    """
    kind = _floating("random_gamma", dtype)
    with name_scope(name, "random_gamma"):
        sizes = convert_to_tensor(shape, "int32", "shape")
        form = convert_to_tensor(alpha, kind, "alpha")
        rate = convert_to_tensor(1 if beta is None else beta, kind, "beta")
        form = form + arrays.zeros_like(rate)
        seeds = op_seeds_now(seed)
        drawn = apply("RandomGamma", {"shape": sizes, "alpha": form}, attrs=seeds).outputs[0]
        return math.maximum(np.finfo(kind.as_numpy_dtype).tiny, drawn / rate)


def random_poisson(
    lam: TensorLike,
    shape: TensorLike,
    dtype: DTypeLike = DTYPES["float32"],
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Random numbers of Poisson distributions.

    Args:
        lam: The means of the distributions.
        shape: The shape of the draws from each distribution.
        dtype: The dtype of the numbers.
        seed: The seed of the operation; None for the graph's.
        name: The name of the scope of the operations.
    """
    with name_scope(name, "random_poisson"):
        sizes = convert_to_tensor(shape, "int32", "shape")
        attrs = {"dtype": as_dtype(dtype), **op_seeds_now(seed)}
        wanted = {} if hasattr(lam, "dtype") else {"rate": "float64"}
        inputs = {"shape": sizes, "rate": lam}
        return apply("RandomPoissonV2", inputs, attrs=attrs, dtypes=wanted).outputs[0]
