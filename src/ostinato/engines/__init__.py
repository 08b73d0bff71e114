"""What runs a cell over a sequence: the reference engine everywhere, the CPU engine where it can."""

import contextlib
import functools
from collections.abc import Mapping

import torch
from torch import Tensor

from ..errors import EngineError
from ..graph import Graph
from . import reference

ENGINES = ("cpu", "reference")

_NOTHING = contextlib.nullcontext()
_peek = torch._C._functorch.peek_interpreter_stack


def scan(
    graph: Graph,
    *,
    inputs: tuple[Tensor, ...],
    states: tuple[Tensor | None, ...],
    weights: Mapping[str, Tensor | tuple[Tensor, ...]],
    lengths: Tensor | None = None,
    reverse: bool = False,
    engine: str | None = None,
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Run a cell over a sequence with the fastest engine that can, or with the one that is named.

    Args:
        graph, inputs, states, weights, lengths, reverse: As for `reference.scan`.
        engine: "cpu", "reference", or None to choose.

    Returns:
        The outputs (T, B, size of the output) and the final states, each (B, its size).

    Raises:
        EngineError: The engine named is unknown or cannot run this.
    """
    if engine not in (None, *ENGINES):
        raise EngineError(f"engine={engine!r}: the engines are {', '.join(ENGINES)}")
    if engine != "reference":
        try:
            return _cpu().scan(graph, inputs=inputs, states=states, weights=weights, lengths=lengths, reverse=reverse)
        except EngineError:
            if engine == "cpu":
                raise
    return reference.scan(graph, inputs=inputs, states=states, weights=weights, lengths=lengths, reverse=reverse)


def both(graph: Graph, *, inputs, states, weights, lengths: Tensor | None = None, engine: str | None = None) -> list:
    """Run a cell in both directions, side by side.

    Args:
        graph, inputs, lengths, engine: As for `scan`.
        states, weights: As for `scan`, a pair: forward, and reverse.

    Returns:
        What `scan` returns, of each direction.

    Raises:
        EngineError: As for `scan`.
    """
    runs = [{"inputs": inputs, "states": s, "weights": w, "reverse": reverse} for s, w, reverse in zip(states, weights, (False, True))]
    if engine in (None, "cpu"):
        try:
            return _cpu().scans(graph, runs, lengths)
        except EngineError:
            if engine == "cpu":
                raise
    return [scan(graph, **run, lengths=lengths, engine=engine or "reference") for run in runs]


def make_ready(graph: Graph, inputs: tuple[Tensor, ...], weights: Mapping[str, Tensor | tuple[Tensor, ...]]):
    """Short inference by the CPU engine, made ready (`ready.Ready`); None where that is not worth it, or cannot be."""
    return _cpu().make_ready(graph, inputs, weights)


def make_steps(graph: Graph, x: Tensor, states, weights, parameters):
    """Single steps by the CPU engine, made ready (`ready.Steps`); None where it cannot, or it is not worth it. Arguments as for
    `cpu.make_steps`."""
    return _cpu().make_steps(graph, x, states, weights, parameters)


def traced() -> bool:
    """Whether calls are being traced or transformed rather than just run."""
    return _peek() is not None or torch.compiler.is_compiling()


@functools.cache
def _cpu():
    """The CPU engine, imported when it is first needed, for LLVM takes a while."""
    from . import cpu

    return cpu


def autocast_is_on(device: str) -> bool:
    """Whether autocast is on for a kind of device; there are some that have none."""
    return (device == "cpu" or torch.amp.is_autocast_available(device)) and torch.is_autocast_enabled(device)


def full_precision(device: str):
    """Where autocast is on for a kind of device, leave it: a recurrence runs in the dtype of its weights."""
    return torch.autocast(device, enabled=False) if autocast_is_on(device) else _NOTHING


def doctor() -> list[tuple[str, bool, str]]:
    """Each engine's name, whether it runs here, and why."""
    from . import native

    target, why = native.host()
    threads = "threads from torch's OpenMP pool" if native.openmp() else "threads of its own"
    return [
        ("cpu", target is not None, f"{why}; {threads}; float32 and float64" if target else why),
        ("reference", True, "torch ops: any device, any dtype, any order of derivative; runs what the cpu engine does not"),
    ]
