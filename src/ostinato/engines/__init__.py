"""The engines that run a cell over a sequence: the reference engine everywhere, and the CPU engine
where it can.
"""

import contextlib
import functools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ..errors import EngineError
from ..language.graph import Graph
from . import precision as precisions
from . import reference
from .signature import Run, Weights
from .torch_internals import traced, unwrapped

if TYPE_CHECKING:
    from . import bound, cpu, executable

__all__ = [
    "ENGINES",
    "autocast_is_on",
    "bind",
    "can_draw",
    "compile_step",
    "doctor",
    "draw",
    "full_precision",
    "run_all",
    "scan",
    "traced",
    "unwrapped",
]

ENGINES = ("cpu", "reference")

_NOTHING = contextlib.nullcontext()


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
        precision: "bfloat16" to have the factors of products rounded to that; "float32" or None
            not to.

    Returns:
        The outputs (T, B, size of the output) and the final states, each (B, its size).

    Raises:
        EngineError: The engine named is unknown or cannot run this.
        InputError: A precision for tensors that are not float32.
    """
    run = Run.of(graph, inputs=inputs, states=states, weights=weights, reverse=reverse)
    with full_precision("cpu"):
        results, _ = run_all(graph, [run], lengths=lengths, engine=engine, precision=precision)
    ((output, final),) = results
    return output, tuple([s.view(s.shape[1:]) for s in final])


def run_all(
    graph: Graph,
    runs: Sequence[Run],
    *,
    lengths: Tensor | None = None,
    engine: str | None = None,
    precision: str | None = None,
    batch_first: bool = False,
) -> tuple[list[tuple[Tensor, Sequence[Tensor]]], "cpu.CompiledLayer | None"]:
    """Run a cell over several sequences of one shape, as the two directions of a layer.

    Args:
        graph, lengths, engine, precision: As for `scan`.
        runs: The runs.
        batch_first: The first input and the output are (B, T, units); further inputs are
            (T, B, units) either way.

    Returns:
        For each run the output and the final states, (1, B, units) each; and the executables, if
        the CPU engine ran them: they take further tensors of the same shapes, dtypes and needs.

    Raises:
        EngineError, InputError: As for `scan`.
    """
    if engine not in (None, *ENGINES):
        raise EngineError(f"engine={engine!r}: the engines are {', '.join(ENGINES)}")
    narrow = precisions.is_narrow(precision, runs[0].tensors[0].dtype)
    if engine != "reference":
        try:
            compiled, parts = _cpu().compile_runs(
                graph, runs, ragged=lengths is not None, narrow=narrow, batch_first=batch_first
            )
        except EngineError:
            if engine == "cpu":
                raise
        else:
            if compiled is not None:
                if lengths is not None:
                    lengths = lengths.to("cpu", torch.int64)
                return compiled(parts, lengths), compiled
    maths = precisions.MATHS if narrow else None
    results: list[tuple[Tensor, Sequence[Tensor]]] = []
    for run in runs:
        arguments = run.arguments(graph)
        if batch_first:
            x, *others = arguments["inputs"]
            arguments["inputs"] = (x.transpose(0, 1), *others)
        output, final = reference.scan(graph, **arguments, lengths=lengths, maths=maths)
        output = output.transpose(0, 1) if batch_first else output
        results.append((output, [s[None] for s in final]))
    return results, None


def compile_step(
    graph: Graph,
    x: Tensor,
    states: Sequence[Sequence[Tensor]],
    weights: Sequence[Weights],
    parameters: Sequence[Tensor],
    precision: str | None,
) -> "bound.StackStep | None":
    """Single steps by the CPU engine; None where it cannot run them as one job list. Arguments as
    for `cpu.compile_step`.
    """
    narrow = precision == "bfloat16"
    return _cpu().compile_step(graph, x, states, weights, parameters, narrow)


def bind(executable: "executable.Executable", weights: Sequence[Tensor]) -> "bound.BoundExecutable":
    """An executable bound to the tensors of its weights."""
    return _bound().BoundExecutable(executable, weights)


def can_draw(dtype: torch.dtype) -> bool:
    """Whether `draw` has masks of this dtype."""
    return _masks().can_draw(dtype)


def draw(masks: tuple[tuple, ...], dtype: torch.dtype, seed: int) -> list[Tensor]:
    """Dropout masks in the CPU's memory; arguments as for `dropout_masks.draw`."""
    return _masks().draw(masks, dtype, seed)


@functools.cache
def _cpu():
    """The CPU engine, imported when it is first needed, for LLVM takes a while."""
    from . import cpu

    return cpu


@functools.cache
def _bound():
    """Executables bound to weights, imported when they are first needed too."""
    from . import bound

    return bound


@functools.cache
def _masks():
    """Dropout masks, imported when they are first needed too."""
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
