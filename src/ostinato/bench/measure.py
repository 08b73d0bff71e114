"""Private: measurement of times: all libraries alternately, in one process, on the same
processors.
"""

import contextlib
import gc
import os
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import torch
from torch import nn

from ..engines.memory import no_collecting
from ..errors import EngineError
from .own import contenders
from .peak import Peak
from .peers import PEER_MAKERS, PeerUnavailable, Runner, Workload, missing, ours
from .rows import (
    GRID,
    LAYERS,
    MODES,
    OWN_CELL_BARS,
    OWN_GRID,
    PEERS,
    QUICK_GRID,
    QUICK_OWN_GRID,
    BenchmarkRun,
    Row,
    Shape,
    Times,
)

# Seconds of a sample; a sample has at least one call.
SAMPLE = 5e-3
# Before a sample, calls run untimed for this many seconds, unless one takes longer than LONG_CALL:
# a system may keep threads on one processor for about 15 ms after they wake, which makes threads
# with a barrier at every step many times slower.
WARMING, LONG_CALL = 30e-3, 0.3
# A setting is tried with this many calls after its first, or until this many seconds have passed.
TRIES, TRYING = 3, 0.5
# For each row, the seconds after which no further round starts, and the minimum number of rounds;
# and the maximum number of rounds.
FULL, QUICK, MAX_ROUNDS = (2.0, 5), (0.1, 3), 60
# Maximum time to wait for idle threads, and the time that they must be idle: systems update the
# time of a thread every 10 ms or more often.
SPINNING, WINDOW = 2.0, 12e-3
# Allowed differences, relative to the largest value (or 1); gradients are long sums.
ALLOWED, ALLOWED_GRADIENTS = 1e-4, 1e-3


def measure(
    *,
    threads: int,
    quick: bool = False,
    layers: Sequence[str] = LAYERS,
    modes: Sequence[str] = MODES,
    peers: Sequence[str] = tuple(PEERS),
    shapes: Sequence | None = None,
    watcher: Callable[[Row | None, str], None] = lambda row, coming: None,
) -> BenchmarkRun:
    """Measure in this process; `bench.command` starts a suitable process.

    Args:
        threads: CPU threads of each library; JAX uses all processors of the process, or NPROC at
            its start.
        quick: Few samples of a small part of the grid.
        layers, modes: The rows to measure.
        peers: Names of PEERS; those that are not installed are listed in the run's `missing`.
        shapes: (B, T, I, H) or (B, T, I, H, L, D) each, instead of the grids.
        watcher: Called with the last row (None at first) and the name of the next.

    Raises:
        EngineError: A library computes other numbers.
    """
    absent = missing(peers)
    present = [name for name in peers if name not in absent]
    grids = (
        (shapes, shapes) if shapes else (QUICK_GRID, QUICK_OWN_GRID) if quick else (GRID, OWN_GRID)
    )
    wanted = _wanted(layers, modes, *grids)
    rows = []
    with torch_threads(threads):
        peak = Peak(threads)
        for k, (layer, mode, shape) in enumerate(wanted):
            watcher(rows[-1] if rows else None, f"{k + 1} of {len(wanted)}: {layer} {mode} {shape}")
            peak()
            rows.append(
                _row(layer, mode, shape, present, threads, absent, *(QUICK if quick else FULL))
            )
        watcher(rows[-1] if rows else None, "done")
    if peak.best:
        rows = [replace(row, share=row.operations / row.ours.median / peak.best) for row in rows]
    return BenchmarkRun(rows, threads, processors(), peak.best, absent, machine())


@contextlib.contextmanager
def torch_threads(threads: int):
    """Set the number of threads of torch, and thereby of Ostinato."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processors() -> list[int] | None:
    """The processors of this process; None if the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _wanted(
    layers: Sequence[str], modes: Sequence[str], grid: Sequence, own_grid: Sequence
) -> list[tuple[str, str, Shape]]:
    named = [
        (name, mode, Shape(*shape))
        for layer in layers
        for name in (OWN_CELL_BARS if layer == "own" else [layer])
        for mode in modes
        for shape in (own_grid if layer == "own" else grid)
    ]
    return [
        (name, mode, shape) for name, mode, shape in named if mode == "inference" or shape.steps > 1
    ]


def make_workload(layer: str, mode: str, shape: Shape, threads: int) -> Workload:
    """A layer with weights and inputs, the same at each call."""
    random = torch.Generator().manual_seed(0)
    module = getattr(nn, "LSTM" if layer in OWN_CELL_BARS else layer)(
        shape.inputs, shape.hidden, shape.layers, bidirectional=shape.directions == 2
    )
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(-(shape.hidden**-0.5), shape.hidden**-0.5, generator=random)
    x = torch.randn(shape.steps, shape.batch, shape.inputs, generator=random)
    g = torch.randn(shape.steps, shape.batch, shape.directions * shape.hidden, generator=random)
    streamed = (
        shape.steps == 1 and shape.single and mode == "inference" and layer not in OWN_CELL_BARS
    )
    state = tuple(
        torch.rand(1, shape.batch, shape.hidden, generator=random)
        for _ in range(1 + (layer == "LSTM"))
    )
    return Workload(module, x, g, state if streamed else None, mode == "training", threads)


def _row(
    layer: str,
    mode: str,
    shape: Shape,
    peers: Sequence[str],
    threads: int,
    absent: dict,
    budget: float,
    fewest: int,
) -> Row:
    work = make_workload(layer, mode, shape, threads)
    mine, others = (
        contenders(layer)
        if layer in OWN_CELL_BARS
        else (ours, {name: PEER_MAKERS[name] for name in peers})
    )
    runners = {"": mine(work)}
    first, result = timed(runners[""].call)
    truth = runners[""].arrays(result)
    warm, result = timed(mine(work).call)
    takes, known = {"": tried(runners[""])}, {"": (first, "")}
    for name, settings in others.items():
        for setting, make in settings.items():
            if (other := make(work)) is None:
                continue
            _settle()
            try:
                first, result = timed(other.call)
            except PeerUnavailable as left:
                absent[left.what] = str(left)
                continue
            if other.arrays:
                compare(
                    f"{PEERS.get(name, name)}, {layer} {mode} {shape}", other.arrays(result), truth
                )
            took = tried(other)
            if name not in takes or took < takes[name]:
                runners[name], takes[name], known[name] = other, took, (first, setting)
    del result
    times = {
        name: Times(*found, *known[name])
        for name, found in alternate(runners, takes, budget, fewest).items()
    }
    return Row(layer, mode, shape, times.pop(""), warm, times)


def tried(runner: Runner) -> float:
    """Seconds of a call after the first ones, in which libraries still prepare."""
    taken = []
    while (len(taken) < TRIES or sum(taken) < WARMING) and sum(taken) < TRYING:
        taken.append(timed(runner.call)[0])
    return min(taken)


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """The seconds of a call, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def compare(peer: str, given: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Refuse a library whose arrays differ from ours.

    Raises:
        EngineError: The difference is too large.
    """
    for name, a in given.items():
        b = wanted[name]
        off = np.abs(a - b).max() if a.shape == b.shape else np.inf
        allowed = (ALLOWED_GRADIENTS if name.startswith("gradients") else ALLOWED) * max(
            1.0, np.abs(b).max()
        )
        # not "off > allowed", which is false for NaN
        if not off <= allowed:
            raise EngineError(
                f"{peer}: its {name} differ from ours by up to {off:.2g}, and {allowed:.2g} is "
                "allowed: the two do not compute the same and cannot be compared; leave this peer "
                "out with --peers, or report it"
            )


def alternate(
    runners: Mapping[str, Runner], takes: Mapping[str, float], budget: float, fewest: int
) -> dict[str, tuple[float, float, float, int, int]]:
    """Time runners alternately; arguments as for `interleave`.

    Returns:
        By name: median and quartiles of the seconds per call, the number of samples, and the calls
        per sample.
    """
    return summaries(*interleave(runners, takes, budget, fewest))


def summaries(
    samples: Mapping[str, list[float]], calls: Mapping[str, int]
) -> dict[str, tuple[float, float, float, int, int]]:
    """The result of `alternate`, from the result of `interleave`."""
    found = {}
    for name, taken in samples.items():
        lower, median, upper = statistics.quantiles(taken, n=4, method="inclusive")
        found[name] = (median, lower, upper, len(taken), calls[name])
    return found


def interleave(
    runners: Mapping[str, Runner], takes: Mapping[str, float], budget: float, fewest: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Time runners alternately, one sample each per round; the first runner changes from round to
    round.

    Args:
        runners: The runners by name.
        takes: Estimated seconds per call of each.
        budget: Seconds after which no further round starts.
        fewest: Minimum number of rounds.

    Returns:
        By name: the seconds per call in each round, and the calls per sample.
    """
    calls, takes = dict.fromkeys(runners, 1), dict(takes)
    for name, runner in runners.items():
        _settle()
        while takes[name] < SAMPLE:
            calls[name] = max(2 * calls[name], int(calls[name] * SAMPLE / takes[name] / 2))
            takes[name] = _sample(runner.call, calls[name])
    samples: dict[str, list[float]] = {name: [] for name in runners}
    names, rounds = list(runners), 0
    gc.collect()
    with no_collecting():
        end = time.perf_counter() + budget
        while rounds < fewest or rounds < MAX_ROUNDS and time.perf_counter() < end:
            turn = rounds % len(names)
            for name in names[turn:] + names[:turn]:
                _settle()
                if takes[name] < LONG_CALL:
                    _warm(runners[name].call)
                samples[name].append(_sample(runners[name].call, calls[name]) / calls[name])
            rounds += 1
    return samples, calls


def _settle() -> None:
    """Wait until the threads of this process are idle.

    After a call, the threads of a pool keep spinning on the processors that the next call needs:
    those of torch's OpenMP for about 10 ms, those of ONNX Runtime for 50 ms on one machine and 1.4
    s on another.
    """
    end = time.perf_counter() + SPINNING
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(WINDOW)
        if time.process_time() - used < WINDOW / 10:
            break


def _warm(call: Callable[[], object]) -> None:
    """Call for a while."""
    end = time.perf_counter() + WARMING
    while time.perf_counter() < end:
        call()


def _sample(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def machine() -> dict:
    """The processor, the system, and the versions of all libraries."""
    versions = {}
    for name in ("ostinato", "torch", "onnxruntime", "jax", "jaxlib", "keras", "numpy", "llvmlite"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    lines = (
        Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        if Path("/proc/cpuinfo").exists()
        else []
    )
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor() or platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "versions": versions,
        "torch_vectors": torch.backends.cpu.get_cpu_capability(),
        "torch_onednn": torch.backends.mkldnn.is_available(),
    }
