"""Private: summaries for TensorBoard (tf.summary)."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from ..errors import ArgumentTypeError, InputError
from .app import logging
from .core.conversion import apply, convert_to_tensor
from .core.dtypes import DTYPES
from .core.errors import InvalidArgumentError
from .core.graph import get_default_graph, name_scope
from .core.graph_keys import GraphKeys
from .core.registry import define, not_differentiable
from .core.tensors import Operation, Tensor, TensorLike
from .files.attributes import make_tensor_proto
from .files.messages import HistogramProto, Summary, SummaryMetadata
from .files.png import png_bytes

__all__ = [
    "histogram",
    "image",
    "merge",
    "merge_all",
    "scalar",
    "tensor_summary",
    "text",
]

_NOT_IN_TAGS = re.compile(r"[^-/\w.]")


# Computations


def _string(op: Operation) -> list:
    return [(DTYPES["string"], [])]


def _scalars(op: Operation, tags: Any, values: Any) -> bytes:
    names, numbers = np.asarray(tags, object).reshape(-1), np.asarray(values).reshape(-1)
    if names.size != numbers.size or np.shape(tags) != np.shape(values):
        raise InvalidArgumentError(
            None,
            op,
            f"{op.name} has the shape {np.shape(values)}: give tf.summary.scalar one number, such "
            "as tf.reduce_mean(x)",
        )
    message = Summary()
    for tag, number in zip(names, numbers):
        message.value.add(tag=tag.decode(), simple_value=float(number))
    return message.SerializeToString()


@cache
def _limits() -> np.ndarray:
    """The upper ends of the buckets of a histogram, which grow by a tenth."""
    ends = []
    end = 1e-12
    while end < 1e20:
        ends.append(end)
        end *= 1.1
    ends.append(float(np.finfo(np.float64).max))
    return np.array([-e for e in reversed(ends)] + [0.0] + ends)


def _buckets(values: np.ndarray) -> Iterator[tuple[float, float]]:
    """The buckets of a histogram, each with its upper end and count; runs of empty ones are one."""
    limits = _limits()
    places = np.searchsorted(limits, values, side="right")
    counts = np.bincount(places, minlength=limits.size).astype(float)
    i = 0
    while i < limits.size:
        last = i
        if not counts[i]:
            while last + 1 < limits.size and not counts[last + 1]:
                last += 1
        yield float(limits[last]), float(counts[i])
        i = last + 1


def _histogram(op: Operation, tag: Any, values: Any) -> bytes:
    numbers = np.asarray(values).reshape(-1).astype(np.float64)
    if not np.isfinite(numbers).all():
        what = "Nan" if np.isnan(numbers).any() else "Infinity"
        raise InvalidArgumentError(
            None,
            op,
            f"{what} in summary histogram for: {op.name}; look for the operation that "
            "computes it with tf.check_numerics",
        )
    greatest = float(np.finfo(np.float64).max)
    message = HistogramProto(
        min=float(numbers.min()) if numbers.size else greatest,
        max=float(numbers.max()) if numbers.size else -greatest,
        num=numbers.size,
        # one after another, as TensorFlow adds them
        sum=float(np.cumsum(numbers)[-1]) if numbers.size else 0.0,
        sum_squares=float(np.cumsum(numbers * numbers)[-1]) if numbers.size else 0.0,
    )
    for end, count in _buckets(numbers):
        message.bucket_limit.append(end)
        message.bucket.append(count)
    summary = Summary()
    summary.value.add(tag=_decoded(tag), histo=message)
    return summary.SerializeToString()


def _decoded(value: Any) -> str:
    value = value.item() if isinstance(value, np.ndarray) else value
    return value.decode() if isinstance(value, bytes) else value


def _merged(op: Operation, *parts: Any) -> bytes:
    message = Summary()
    seen: set[str] = set()
    for part in parts:
        for data in np.asarray(part, object).reshape(-1):
            for value in Summary.FromString(data).value:
                if value.tag in seen:
                    raise InvalidArgumentError(
                        None,
                        op,
                        f"Duplicate tag {value.tag} found in summary inputs: give each summary a "
                        "name of its own",
                    )
                seen.add(value.tag)
                message.value.append(value)
    return message.SerializeToString()


def _as_bytes(image: np.ndarray) -> np.ndarray:
    """An image as uint8: from 0 to the largest number, or around 127 if some are negative."""
    if image.dtype == np.uint8:
        return image
    finite = np.isfinite(image)
    numbers = np.where(finite, image, 0)
    low, high = float(numbers.min(initial=0.0)), float(numbers.max(initial=0.0))
    if low < 0:
        largest = max(abs(low), abs(high))
        scale, offset = (0.0 if largest < 1e-6 else 127.0 / largest), 128.0
    else:
        scale, offset = (0.0 if high < 1e-6 else 255.0 / high), 0.0
    return np.where(finite, numbers * scale + offset, 255).astype(np.uint8)


def _images(op: Operation, tag: Any, images: Any) -> bytes:
    if images.ndim != 4 or images.shape[3] not in (1, 3, 4):
        raise InvalidArgumentError(
            None,
            op,
            f"Tensor must be 4-D with last dim 1, 3, or 4, not {list(images.shape)}: give "
            "tf.summary.image [batch, height, width, channels]",
        )
    message = Summary()
    count = min(op.attrs["max_images"], len(images))
    for i, picture in enumerate(images[:count]):
        name = f"{_decoded(tag)}/image"
        value = message.value.add(tag=name if op.attrs["max_images"] == 1 else f"{name}/{i}")
        value.image = Summary.Image(  # type: ignore[attr-defined]
            height=picture.shape[0],
            width=picture.shape[1],
            colorspace=picture.shape[2],
            encoded_image_string=png_bytes(_as_bytes(picture)),
        )
    return message.SerializeToString()


def _tensors(op: Operation, tag: Any, tensor: Any, metadata: Any) -> bytes:
    message = Summary()
    value = message.value.add(tag=_decoded(tag), tensor=make_tensor_proto(tensor))
    data = metadata.item() if isinstance(metadata, np.ndarray) else metadata
    value.metadata = SummaryMetadata.FromString(data)
    return message.SerializeToString()


for _type, _compute in (
    ("ScalarSummary", _scalars),
    ("HistogramSummary", _histogram),
    ("MergeSummary", _merged),
    ("ImageSummary", _images),
    ("TensorSummaryV2", _tensors),
):
    define(_type, _string, _compute)
    not_differentiable(_type)


# The functions that create the operations


def _clean(name: str | None) -> str | None:
    if name is None:
        return None
    cleaned = _NOT_IN_TAGS.sub("_", name).lstrip("/")
    if cleaned != name:
        logging.info("Summary name %s is illegal; using %s instead.", name, cleaned)
    return cleaned


@contextmanager
def _scope(name: str, family: str | None) -> Iterator[tuple[str, str]]:
    """The tag and the name scope of a summary."""
    if not isinstance(name, str):
        raise ArgumentTypeError(f"the name of a summary is {name!r}: give a string, such as 'loss'")
    name, family = _clean(name), _clean(family)  # type: ignore[assignment]
    with name_scope(name if family is None else f"{family}/{name}") as scope:
        tag = scope.rstrip("/")
        yield tag if family is None else f"{family}/{tag}", scope


def _collected(result: Tensor, collections: Sequence[str] | None, default: Sequence[str]) -> Tensor:
    get_default_graph().add_to_collections(
        list(default) if collections is None else list(collections), result
    )
    return result


def scalar(
    name: str,
    tensor: TensorLike,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """A summary of a number.

    Args:
        name: The name of the curve.
        tensor: The number, ().
        collections: The collections that list it; None for the one that `merge_all` merges.
        family: A prefix of the name.
    """
    with _scope(name, family) as (tag, scope):
        result = apply("ScalarSummary", {"tags": tag, "values": tensor}, name=scope).outputs[0]
        return _collected(result, collections, [GraphKeys.SUMMARIES])


def histogram(
    name: str,
    values: TensorLike,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """A summary of how numbers are distributed; see `scalar`."""
    with _scope(name, family) as (tag, scope):
        result = apply("HistogramSummary", {"tag": tag, "values": values}, name=scope).outputs[0]
        return _collected(result, collections, [GraphKeys.SUMMARIES])


def image(
    name: str,
    tensor: TensorLike,
    max_outputs: int = 3,
    collections: Sequence[str] | None = None,
    family: str | None = None,
) -> Tensor:
    """A summary of images.

    Args:
        name: The name.
        tensor: uint8 or floats, (batch, height, width, channels) with 1, 3 or 4 channels.
        max_outputs: The largest number of images.
        collections: The collections that list it; None for the one that `merge_all` merges.
        family: A prefix of the name.
    """
    with _scope(name, family) as (tag, scope):
        result = apply(
            "ImageSummary",
            {"tag": tag, "tensor": tensor},
            name=scope,
            attrs={"max_images": max_outputs, "bad_color": np.array([255, 0, 0, 255], np.uint8)},
        ).outputs[0]
        return _collected(result, collections, [GraphKeys.SUMMARIES])


def tensor_summary(
    name: str,
    tensor: TensorLike,
    summary_description: str | None = None,
    collections: Sequence[str] | None = None,
    summary_metadata: Any = None,
    family: str | None = None,
    display_name: str | None = None,
) -> Tensor:
    """A summary of a tensor.

    Args:
        name: The name.
        tensor: The tensor.
        summary_description: A description.
        collections: The collections that list it; None for the one that `merge_all` merges.
        summary_metadata: A SummaryMetadata, which names the plugin that shows it.
        family: A prefix of the name.
        display_name: The name to show.
    """
    if summary_metadata is None:
        summary_metadata = SummaryMetadata(
            summary_description=summary_description, display_name=display_name
        )
    with _scope(name, family) as (tag, scope):
        given = {
            "tag": tag,
            "tensor": tensor,
            "serialized_summary_metadata": summary_metadata.SerializeToString(),
        }
        result = apply("TensorSummaryV2", given, name=scope).outputs[0]
        return _collected(result, collections, [GraphKeys.SUMMARIES])


def text(name: str, tensor: TensorLike, collections: Sequence[str] | None = None) -> Tensor:
    """A summary of texts; see `tensor_summary`.

    Raises:
        InputError: The tensor is not of strings.
    """
    tensor = convert_to_tensor(tensor)
    if tensor.dtype.base_dtype != DTYPES["string"]:
        raise InputError(
            f"Expected tensor {tensor.name} to have dtype string, got {tensor.dtype.name}: write "
            "tf.as_string(x)"
        )
    metadata = SummaryMetadata()
    metadata.plugin_data.plugin_name = "text"
    metadata.plugin_data = metadata.plugin_data
    return tensor_summary(name, tensor, collections=collections, summary_metadata=metadata)


def merge(
    inputs: Sequence[Tensor], collections: Sequence[str] | None = None, name: str | None = None
) -> Tensor:
    """Several summaries as one.

    Args:
        inputs: The summaries.
        collections: The collections that list it; None for none.
        name: The name of the operation.
    """
    name = _clean(name)
    with name_scope(name, "Merge"):
        result = apply("MergeSummary", {"inputs*": list(inputs)}, name=name).outputs[0]
        return _collected(result, collections, [])


def merge_all(
    key: str = GraphKeys.SUMMARIES, scope: str | None = None, name: str | None = None
) -> Tensor | None:
    """All summaries of the default graph as one; None if there are none.

    Args:
        key: The collection that lists them.
        scope: A regular expression that the start of the names must match; None for all.
        name: The name of the operation.
    """
    found = get_default_graph().get_collection(key, scope)
    return merge(found, name=name) if found else None
