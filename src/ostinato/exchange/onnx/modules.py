"""Private: modules of torch and of the tasks as nodes of an ONNX graph."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from ...nn.attention import Bahdanau, Luong
from ...nn.recurrent import Recurrent
from ...nn.torch_baseline import TorchBaseline
from ...nn.torch_modules import from_module
from .layers import LayerNodes, add_layer
from .nodes import Nodes

if TYPE_CHECKING:
    from ...tasks.spelling import SpelledWords

__all__ = [
    "FLOAT",
    "DOUBLE",
    "array",
    "attention",
    "attention_keys",
    "cast",
    "embedding",
    "gate_mask",
    "inside",
    "linear",
    "part",
    "recurrent",
    "scaled",
    "softmax",
    "spelled_words",
    "squeeze",
    "sum_over",
    "unsqueeze",
]

# The numbers by which ONNX names dtypes.
FLOAT, DOUBLE = 1, 11


def array(values: Tensor) -> np.ndarray:
    """The values of a parameter or buffer."""
    return values.detach().cpu().numpy()


# ---------------------------------------------------------------- shapes


def cast(out: Nodes, value: str, dtype: int) -> str:
    """A value in another dtype."""
    return out.add("Cast", value, to=dtype)


def unsqueeze(out: Nodes, value: str, *axes: int) -> str:
    """A value with further dimensions of size 1."""
    return out.add("Unsqueeze", value, out.constants.whole(*axes))


def squeeze(out: Nodes, value: str, *axes: int) -> str:
    """A value without dimensions of size 1."""
    return out.add("Squeeze", value, out.constants.whole(*axes))


def part(out: Nodes, value: str, start: int, stop: int | None, axis: int) -> str:
    """A value from start to stop along an axis; None for its end."""
    ends = (start, np.iinfo(np.int64).max if stop is None else stop, axis)
    return out.add("Slice", value, *(out.constants.whole(end) for end in ends))


def sum_over(out: Nodes, value: str, axis: int, *, keep: bool = False) -> str:
    """The sum of a value along an axis."""
    return out.add("ReduceSum", value, out.constants.whole(axis), keepdims=int(keep))


def inside(out: Nodes, lengths: str, x: str) -> str:
    """Whether each step of x (B, T, ...) is inside its row, (B, T) bool."""
    zero, one = (out.constants.add(np.array(number, np.int64), "number") for number in (0, 1))
    steps = out.add("Gather", out.add("Shape", x, start=1, end=2), zero, axis=0, name="steps")
    time = out.add("Range", zero, steps, one, name="time")
    return out.add("Less", time, unsqueeze(out, lengths, 1), name="inside")


def gate_mask(out: Nodes, mask: str, value: str, otherwise: float) -> str:
    """A float32 value where a mask is true, and a number elsewhere."""
    return out.add("Where", mask, value, out.constants.number(otherwise))


def scaled(out: Nodes, x: str, metadata: Any) -> str:
    """Numbers as the model reads them: bytes divided by 255, then standardised."""
    from ...data.values import BYTES_DTYPE

    if metadata.dtype == BYTES_DTYPE:
        x = out.add("Div", x, out.constants.number(255.0))
    mean, scale = (
        out.constants.add(np.array(numbers, np.float32), "scale")
        for numbers in (metadata.mean, metadata.scale)
    )
    return out.add("Div", out.add("Sub", x, mean), scale, name="scaled")


def softmax(out: Nodes, scores: str) -> str:
    """The probabilities, float64, of float32 scores (..., C)."""
    return out.add("Softmax", cast(out, scores, DOUBLE), axis=-1, name="probabilities")


# ---------------------------------------------------------------- modules


def linear(out: Nodes, module: nn.Linear, x: str) -> str:
    """A linear layer."""
    product = out.add("MatMul", x, out.constants.add(array(module.weight).T, "weight"))
    if module.bias is None:
        return product
    return out.add("Add", product, out.constants.add(array(module.bias), "bias"))


def embedding(out: Nodes, module: nn.Embedding, numbers: str) -> str:
    """The rows of an embedding for numbers (...): (..., E)."""
    return out.add("Gather", out.constants.add(array(module.weight), "embedding"), numbers, axis=0)


def recurrent(
    out: Nodes,
    layer: nn.Module,
    x: str,
    *,
    lengths: str | None = None,
    states: Mapping[str, str] | None = None,
) -> LayerNodes:
    """The recurrent layer of a task, over x (B, T, I)."""
    return add_layer(out, checked(layer), [x], lengths=lengths, states=states)


def checked(layer: nn.Module) -> Recurrent:
    """The recurrent layer of a task; one of torch.nn (`--engine torch`) as Ostinato's."""
    if isinstance(layer, TorchBaseline):
        return from_module(layer.layer)
    assert isinstance(layer, Recurrent)
    return layer


def spelled_words(
    out: Nodes, module: "SpelledWords", words: str, characters: str, character_lengths: str
) -> str:
    """Word representations (B, T, units).

    Args:
        out: The graph.
        module: The module.
        words: The numbers of the words, (B, T).
        characters: The numbers of their characters, (B, T, S).
        character_lengths: The number of characters of each word, (B, T).
    """
    flat = out.add("Reshape", characters, _shape(out, characters, 2, 3, lead=(-1,)))
    lengths = out.add("Reshape", character_lengths, out.constants.whole(-1))
    read = recurrent(out, module.spelling, embedding(out, module.letters, flat), lengths=lengths)
    # the first state of both directions, (2, B * T, H) to (B, T, 2 * H)
    state = next(iter(read.finals.values()))
    state = out.add("Transpose", state, perm=[1, 0, 2])
    units = module.units - module.words.embedding_dim
    state = out.add("Reshape", state, _shape(out, words, 0, 2, end=(units,)))
    return out.add("Concat", embedding(out, module.words, words), state, axis=2)


def _shape(
    out: Nodes, value: str, start: int, stop: int, lead: Sequence[int] = (), end: Sequence[int] = ()
) -> str:
    """A shape: given sizes, some sizes of a value, and given sizes."""
    parts = [out.constants.whole(*lead)] if lead else []
    parts.append(out.add("Shape", value, start=start, end=stop))
    parts += [out.constants.whole(*end)] if end else []
    return out.add("Concat", *parts, axis=0, name="shape")


def attention_keys(out: Nodes, module: Luong | Bahdanau, memory: str) -> str:
    """The keys of a memory (B, S, M)."""
    return linear(out, module.key, memory)


def attention(
    out: Nodes, module: Luong | Bahdanau, query: str, keys: str, memory: str, mask: str | None
) -> tuple[str, str]:
    """The context (B, T, M) and the weights (B, T, S) of queries (B, T, Q)."""
    if isinstance(module, Luong):
        scores = out.add("MatMul", query, out.add("Transpose", keys, perm=[0, 2, 1]))
    else:
        asked = unsqueeze(out, linear(out, module.query, query), 2)
        both = out.add("Tanh", out.add("Add", asked, unsqueeze(out, keys, 1)))
        scores = squeeze(out, linear(out, module.score, both), 3)
    if mask is None:
        weights = out.add("Softmax", scores, axis=-1)
    else:
        valid = unsqueeze(out, mask, 1)
        scores = gate_mask(out, valid, scores, float(torch.finfo(torch.float32).min))
        weights = gate_mask(out, valid, out.add("Softmax", scores, axis=-1), 0.0)
    return out.add("MatMul", weights, memory), weights
