"""Private: the CPU engine: the executables that have been compiled, and which of them runs what."""

import contextlib
import math
import weakref
from collections import OrderedDict
from collections.abc import Sequence

import torch
from torch import Tensor

from ..errors import EngineError
from ..language.graph import Graph
from . import memory
from .bound import StackStep
from .executable import Executable, execute
from .kernels import jit
from .kernels.tuning import EXECUTABLES, MUCH, MUCH_OF_ONE_THREAD
from .loops import loops
from .passes import BITS
from .signature import Run, Signature, Weights
from .torch_internals import traced

# The executables of each graph by their signatures, those used last at the end, for as long as
# somebody uses the graph.
_executables: weakref.WeakKeyDictionary[Graph, OrderedDict[Signature, Executable]] = (
    weakref.WeakKeyDictionary()
)


def _refusal(graph: Graph, tensors: Sequence[Tensor]) -> str | None:
    """Why this engine cannot run these tensors; None where it can."""
    target, why = jit.host()
    if target is None:
        return why
    dtype = tensors[0].dtype
    if dtype not in BITS:
        return f"a tensor is {dtype}: the cpu engine has float32 and float64"
    for t in tensors:
        if t.dtype is not dtype and not (graph.bits and t.dtype is torch.uint8):
            return "the tensors are of several dtypes"
        if not t.is_cpu:
            return f"a tensor is on {t.device}: the cpu engine works on the CPU's own memory"
        if not memory.is_dense(t):
            return (
                f"a tensor ({type(t).__name__}, {t.layout}) does not have its numbers in memory of "
                "its own"
            )
    if traced():
        return "the call is being traced or transformed"
    return None


def _bytes(graph: Graph, run: Run) -> Run:
    """The run with inputs of bytes where kernels read bytes."""
    if not graph.bits:
        return run
    inputs = [
        x.to(torch.uint8) if name in graph.bits else x for name, x in zip(graph.inputs, run.tensors)
    ]
    return Run([*inputs, *run.tensors[len(inputs) :]], run.counts, run.reverse)


def find(graph: Graph, run: Run, signature: Signature) -> Executable:
    """The executable of a signature, compiled if it is not yet."""
    own = _executables.get(graph)
    if own is None:
        own = _executables.setdefault(graph, OrderedDict())
    found = own.get(signature)
    if found is None:
        given = run.arguments(graph)
        x, *others = given["inputs"]
        sizes = graph.bind(
            (x.transpose(0, 1) if signature.batch_first else x, *others),
            given["states"],
            {name: w if isinstance(w, Tensor) else w[0] for name, w in given["weights"].items()},
        )
        rows, steps, threads = signature.rows, signature.steps, signature.threads
        found = Executable(loops(graph, sizes, rows=rows, steps=steps, threads=threads), signature)
        own[signature] = found
        if len(own) > EXECUTABLES:
            own.popitem(last=False)
    else:
        with contextlib.suppress(KeyError):  # another thread may just have dropped it
            own.move_to_end(signature)
    return found


class CompiledLayer:
    """The executables of runs that belong together, as the two directions of a layer.

    Args:
        executables: That of each run.
        side_by_side: They run at the same time, each on its share of the threads.
    """

    def __init__(self, executables: Sequence[Executable], *, side_by_side: bool):
        self.executables, self.side_by_side = tuple(executables), side_by_side

    def __call__(
        self, parts: Sequence[Sequence[Tensor]], lengths: Tensor | None
    ) -> list[tuple[Tensor, Sequence[Tensor]]]:
        """The result of `execute` for the tensors of each run."""
        if self.side_by_side or len(parts) == 1:
            return execute(self.executables, parts, lengths)
        return [
            execute([executable], [part], lengths)[0]
            for executable, part in zip(self.executables, parts)
        ]


def compile_runs(
    graph: Graph, runs: Sequence[Run], *, ragged: bool, narrow: bool, batch_first: bool
) -> tuple[CompiledLayer | None, list[Sequence[Tensor]]]:
    """The executables of runs of one shape, and the tensors that they take; None where the
    batch has no step or no row, so that nothing is run.

    Args:
        graph: The cell.
        runs: The runs; the first input is (B, T, units) with `batch_first`, and all others are
            (T, B, units).
        ragged: Rows may end early.
        narrow: Round the factors of products to bfloat16, as `precision.MATHS` does.
        batch_first: See `runs`.

    Raises:
        EngineError: This engine cannot run it; the message says why.
    """
    runs = [_bytes(graph, run) for run in runs]
    for run in runs:
        if why := _refusal(graph, run.tensors):
            raise EngineError(
                f"engine='cpu' cannot run this: {why}; leave engine out to have the reference "
                f"engine run it"
            )
    if 0 in runs[0].tensors[0].shape[:2]:
        return None, []
    threads = torch.get_num_threads()
    rows = runs[0].tensors[0].shape[0 if batch_first else 1]
    side_by_side = 1 < len(runs) <= threads and _is_much(graph, runs[0], rows, threads)
    learning = torch.is_grad_enabled()
    needs = [learning and any([t.requires_grad for t in run.tensors]) for run in runs]
    executables = [
        find(
            graph,
            run,
            Signature(
                shapes=tuple([t.shape for t in run.tensors]),
                counts=run.counts,
                dtype=run.tensors[0].dtype,
                batch_first=batch_first,
                ragged=ragged,
                reverse=run.reverse,
                narrow=narrow,
                threads=threads // len(runs) if side_by_side else threads,
                backward=any(needs) if side_by_side else need,
            ),
        )
        for run, need in zip(runs, needs)
    ]
    return CompiledLayer(executables, side_by_side=side_by_side), [run.tensors for run in runs]


def _is_much(graph: Graph, run: Run, rows: int, threads: int) -> bool:
    """Whether runs take so long that they had better run at the same time."""
    weights = run.tensors[len(run.tensors) - sum(run.counts[len(graph.states) :]) :]
    tokens = math.prod(run.tensors[0].shape[:2])
    multiply_adds = tokens * sum([w.numel() for w in weights])
    return multiply_adds > (MUCH if rows >= threads else MUCH_OF_ONE_THREAD)


def compile_step(
    graph: Graph,
    x: Tensor,
    states: Sequence[Sequence[Tensor]],
    weights: Sequence[Weights],
    parameters: Sequence[Tensor],
    narrow: bool,
) -> StackStep | None:
    """Single steps of stacked layers; None where this engine cannot run them as one job list.

    Args:
        graph: The cell, of one input.
        x: An input, (B, units).
        states: The states of each layer, from which the first step goes on.
        weights: Those of each layer.
        parameters: All tensors that there are in `weights`.
        narrow: As for `compile_runs`.
    """
    layers = []
    for own, given in zip(states, weights):
        run = Run.of(graph, inputs=(x[None],), states=own, weights=given)
        try:
            with torch.no_grad():
                compiled, parts = compile_runs(
                    graph, [run], ragged=False, narrow=narrow, batch_first=False
                )
        except EngineError:
            return None
        if compiled is None:
            return None
        (executable,), (tensors,) = compiled.executables, parts
        if not executable.small:
            return None
        layers.append((executable, tensors))
        x = x.new_empty(x.shape[0], graph.output.size.at(executable.sizes))
    step = StackStep(layers, parameters)
    step.begin(states)
    return step
