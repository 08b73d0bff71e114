"""What runs a cell over a sequence: the reference engine everywhere, the CPU engine where it
can.
"""

import contextlib
import functools
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.autograd import forward_ad

from ..errors import EngineError
from ..language.graph import Graph
from . import memory, reference
from . import precision as precisions

ENGINES = ("cpu", "reference")

_NOTHING = contextlib.nullcontext()
_peek, _tracing, _modes = (
    torch._C._functorch.peek_interpreter_stack,
    torch._C._is_tracing,
    torch._C._len_torch_dispatch_stack,
)
_compiling, _is_batched = torch.compiler.is_compiling, torch._C._functorch.is_legacy_batchedtensor


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor | None, ...],
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None = None,
    reverse: bool = False,
    engine: str | None = None,
    precision: str | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence with the fastest engine that can, or with the one that is named.

    Args:
        graph, inputs, states, weights, lengths, reverse: As for `reference.scan`.
        engine: "cpu", "reference", or None to choose.
        precision: "bfloat16" to have the factors of products rounded to that; "float32" or None not
            to.

    Returns:
        The outputs (T, B, size of the output) and the final states, each (B, its size).

    Raises:
        EngineError: The engine named is unknown or cannot run this.
        InputError: A precision for tensors that are not float32.
    """
    run = {"inputs": inputs, "states": states, "weights": weights, "reverse": reverse}
    return side_by_side(graph, [run], lengths=lengths, engine=engine, precision=precision)[0]


def side_by_side(
    graph: Graph,
    runs: list[dict],
    *,
    lengths: Tensor | None = None,
    engine: str | None = None,
    precision: str | None = None,
) -> list[tuple[Tensor, tuple[Tensor, ...]]]:
    """Run a cell over several sequences of one shape at the same time, as the two directions of a
    layer.

    Args:
        graph, lengths, engine, precision: As for `scan`.
        runs: `inputs`, `states`, `weights` and `reverse` of each, as for `scan`.

    Returns:
        What `scan` returns, of each.

    Raises:
        EngineError, InputError: As for `scan`.
    """
    if engine not in (None, *ENGINES):
        raise EngineError(f"engine={engine!r}: the engines are {', '.join(ENGINES)}")
    narrow = precisions.is_narrow(precision, runs[0]["inputs"][0].dtype)
    if engine != "reference":
        try:
            return _cpu().scans(graph, runs, lengths, narrow)
        except EngineError:
            if engine == "cpu":
                raise
    maths = precisions.MATHS if narrow else None
    return [reference.scan(graph, **run, lengths=lengths, maths=maths) for run in runs]


def make_ready(
    graph: Graph,
    inputs: tuple[Tensor, ...],
    states,
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None,
    reverse: bool,
    precision: str | None,
    batch_first: bool,
):
    """Short inference by the CPU engine, made ready (`ready.Ready`); None where that is not worth
    it, or cannot be.
    """
    return _cpu().make_ready(
        graph, inputs, states, weights, lengths, reverse, precision == "bfloat16", batch_first
    )


def make_prepared(
    graph: Graph,
    inputs: tuple[Tensor, ...],
    states,
    weights,
    lengths: Tensor | None,
    reverse: bool,
    parameters,
    precision: str | None,
    batch_first: bool,
):
    """Training by the CPU engine, prepared (`prepared.Prepared`); None where it cannot be.
    Arguments as for `cpu.make_prepared`.
    """
    return _cpu().make_prepared(
        graph,
        inputs,
        states,
        weights,
        lengths,
        reverse,
        parameters,
        precision == "bfloat16",
        batch_first,
    )


def make_steps(graph: Graph, x: Tensor, states, weights, parameters, precision: str | None):
    """Single steps by the CPU engine, made ready (`ready.Steps`); None where it cannot, or it is
    not worth it. Arguments as for `cpu.make_steps`."""
    return _cpu().make_steps(graph, x, states, weights, parameters, precision == "bfloat16")


def can_draw(dtype: torch.dtype) -> bool:
    """Whether `draw` has masks of this dtype."""
    return _chance().can_draw(dtype)


def draw(masks: tuple[tuple, ...], dtype: torch.dtype, seed: int) -> list[Tensor]:
    """Masks in the CPU's memory, of each what `chance.Mask` has; arguments as for `chance.draw`."""
    return _chance().draw(masks, dtype, seed)


def traced() -> bool:
    """Whether calls are being traced or transformed rather than just run."""
    return (
        _peek() is not None
        or _tracing()
        or _modes() > 0
        or forward_ad._current_level >= 0
        or _compiling()
    )


def batched(gradients) -> bool:
    """Whether some of these stand for many gradients at once, as with `is_grads_batched`, or are
    not numbers in memory.
    """
    return any(
        d is not None and (_is_batched(d) or type(d) is not Tensor and not memory.is_dense(d))
        for d in gradients
    )


@functools.cache
def _cpu():
    """The CPU engine, imported when it is first needed, for LLVM takes a while."""
    from . import cpu

    return cpu


@functools.cache
def _chance():
    """What draws masks, imported when it is first needed too."""
    from . import dropout_masks

    return dropout_masks


def autocast_is_on(device: str) -> bool:
    """Whether autocast is on for a kind of device; there are some that have none."""
    return (
        device == "cpu" or torch.amp.is_autocast_available(device)
    ) and torch.is_autocast_enabled(device)


def full_precision(device: str):
    """Where autocast is on for a kind of device, leave it: a recurrence runs in the dtype of its
    weights.
    """
    return torch.autocast(device, enabled=False) if autocast_is_on(device) else _NOTHING


def doctor() -> list[tuple[str, bool, str]]:
    """Each engine's name, whether it runs here, and why."""
    from .kernels import jit

    target, why = jit.host()
    threads = "threads from torch's OpenMP pool" if jit.openmp() else "threads of its own"
    if target:
        why += f"; {threads}; float32 and float64; precision='bfloat16': {jit.bfloat16_products()}"
    return [
        ("cpu", target is not None, why),
        (
            "reference",
            True,
            "torch ops: any device, any dtype, any order of derivative; runs what the cpu engine "
            "does not",
        ),
    ]
