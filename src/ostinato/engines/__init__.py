"""What runs a cell over a sequence: the reference engine everywhere, the CPU engine where it can."""

import functools
from collections.abc import Mapping

from torch import Tensor

from ..errors import EngineError
from ..graph import Graph
from . import reference

ENGINES = ("cpu", "reference")


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


@functools.cache
def _cpu():
    """The CPU engine, imported when it is first needed, for LLVM takes a while."""
    from . import cpu

    return cpu


def doctor() -> list[tuple[str, bool, str]]:
    """Each engine's name, whether it runs here, and why."""
    from . import native

    target, why = native.host()
    threads = "threads from torch's OpenMP pool" if native.openmp() else "threads of its own"
    return [
        ("cpu", target is not None, f"{why}; {threads}; float32 and float64" if target else why),
        ("reference", True, "torch ops: any device, any dtype, any order of derivative; runs what the cpu engine does not"),
    ]
