"""Taking the times: everyone by turns, in one process, on the same processors."""

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
from .peers import MAKERS, LeftOut, Runner, Work, missing, ours
from .rows import (
    GRID,
    LAYERS,
    MODES,
    OWN,
    OWN_GRID,
    PEERS,
    QUICK_GRID,
    QUICK_OWN_GRID,
    Row,
    Run,
    Shape,
    Times,
)

# A sample is so many calls that it takes this long, or one call.
SAMPLE = 5e-3
# Before a sample, calls are made untimed for so long (seconds), unless one takes longer than LONG:
# a system may keep threads that wake on one processor, for 15 ms as measured, and those that meet
# at every step are then many times as slow.
WARMING, LONG = 30e-3, 0.3
# A setting is tried by so many calls after its first, or fewer when so many seconds are over.
TRIES, TRYING = 3, 0.5
# For each row, the seconds after which no further round begins and the fewest rounds; and the most
# rounds.
FULL, QUICK, MOST = (2.0, 5), (0.1, 3), 60
# The longest wait for threads to be quiet, and how long they have to be: systems count a thread's
# time every 10 ms or more often.
SPINNING, WINDOW = 2.0, 12e-3
# How far numbers may be apart, as a part of the largest (or of 1); gradients are long sums.
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
) -> Run:
    """Measure in this process, as it is: `bench.command` starts one that is fit for it.

    Args:
        threads: CPU threads of everyone; JAX has as many as this process has processors, or as
            NPROC said when it started.
        quick: Few samples of a small part of the grid.
        layers, modes: Rows to take.
        peers: Names of PEERS; those that are not installed are left out, and told in the run's
            `missing`.
        shapes: (B, T, I, H) or (B, T, I, H, L, D) each, in place of the grids.
        watcher: Called with the row just taken (None at first) and what comes next.

    Raises:
        EngineError: A peer's numbers are not ours.
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
    return Run(rows, threads, processors(), peak.best, absent, machine())


@contextlib.contextmanager
def torch_threads(threads: int):
    """Have torch, and ours with it, take so many threads."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def processors() -> list[int] | None:
    """The processors that this process may use; None where the system does not say."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def _wanted(
    layers: Sequence[str], modes: Sequence[str], grid: Sequence, own_grid: Sequence
) -> list[tuple[str, str, Shape]]:
    named = [
        (name, mode, Shape(*shape))
        for layer in layers
        for name in (OWN if layer == "own" else [layer])
        for mode in modes
        for shape in (own_grid if layer == "own" else grid)
    ]
    return [
        (name, mode, shape) for name, mode, shape in named if mode == "inference" or shape.steps > 1
    ]


def make_work(layer: str, mode: str, shape: Shape, threads: int) -> Work:
    """The layer, its weights and its inputs, the same at each call."""
    random = torch.Generator().manual_seed(0)
    module = getattr(nn, "LSTM" if layer in OWN else layer)(
        shape.inputs, shape.hidden, shape.layers, bidirectional=shape.directions == 2
    )
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(-(shape.hidden**-0.5), shape.hidden**-0.5, generator=random)
    x = torch.randn(shape.steps, shape.batch, shape.inputs, generator=random)
    g = torch.randn(shape.steps, shape.batch, shape.directions * shape.hidden, generator=random)
    streamed = shape.steps == 1 and shape.single and mode == "inference" and layer not in OWN
    state = tuple(
        torch.rand(1, shape.batch, shape.hidden, generator=random)
        for _ in range(1 + (layer == "LSTM"))
    )
    return Work(module, x, g, state if streamed else None, mode == "training", threads)


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
    work = make_work(layer, mode, shape, threads)
    mine, others = (
        contenders(layer) if layer in OWN else (ours, {name: MAKERS[name] for name in peers})
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
            except LeftOut as left:
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
    """Seconds of a call after the first, in which libraries still prepare."""
    taken = []
    while (len(taken) < TRIES or sum(taken) < WARMING) and sum(taken) < TRYING:
        taken.append(timed(runner.call)[0])
    return min(taken)


def timed(call: Callable[[], object]) -> tuple[float, object]:
    """The seconds that a call takes, and its result."""
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def compare(peer: str, given: dict[str, np.ndarray], wanted: dict[str, np.ndarray]) -> None:
    """Refuse a peer whose arrays are not those wanted.

    Raises:
        EngineError: They are too far apart.
    """
    for name, a in given.items():
        b = wanted[name]
        off = np.abs(a - b).max() if a.shape == b.shape else np.inf
        allowed = (ALLOWED_GRADIENTS if name.startswith("gradients") else ALLOWED) * max(
            1.0, np.abs(b).max()
        )
        # not "off > allowed", which NaN would pass
        if not off <= allowed:
            raise EngineError(
                f"{peer}: its {name} are up to {off:.2g} from ours and may be {allowed:.2g}, so "
                f"the two do not compute the "
                "same and cannot be compared; leave this peer out with --peers, or report it"
            )


def alternate(
    runners: Mapping[str, Runner], takes: Mapping[str, float], budget: float, fewest: int
) -> dict[str, tuple[float, float, float, int, int]]:
    """Time these by turns; arguments as for `by_turns`.

    Returns:
        By name: the median and the quartiles of a call's seconds, the number of samples, and the
        calls in each.
    """
    return summaries(*by_turns(runners, takes, budget, fewest))


def summaries(
    samples: Mapping[str, list[float]], calls: Mapping[str, int]
) -> dict[str, tuple[float, float, float, int, int]]:
    """What `alternate` returns, of what `by_turns` returns."""
    found = {}
    for name, taken in samples.items():
        lower, median, upper = statistics.quantiles(taken, n=4, method="inclusive")
        found[name] = (median, lower, upper, len(taken), calls[name])
    return found


def by_turns(
    runners: Mapping[str, Runner], takes: Mapping[str, float], budget: float, fewest: int
) -> tuple[dict[str, list[float]], dict[str, int]]:
    """Time these by turns, one sample each, round by round; who begins a round changes.

    Args:
        runners: What to time, by name.
        takes: About how many seconds a call of each takes.
        budget: Seconds after which no further round begins.
        fewest: Rounds there are in any case.

    Returns:
        By name: a call's seconds in each round, and the calls in a sample.
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
        while rounds < fewest or rounds < MOST and time.perf_counter() < end:
            turn = rounds % len(names)
            for name in names[turn:] + names[:turn]:
                _settle()
                if takes[name] < LONG:
                    _warm(runners[name].call)
                samples[name].append(_sample(runners[name].call, calls[name]) / calls[name])
            rounds += 1
    return samples, calls


def _settle() -> None:
    """Wait until this process's threads are quiet, for a pool's threads spin on after a call, on
    the processors that the next one needs: torch's OpenMP for some 10 ms, ONNX Runtime's for 50 ms
    on one machine and 1.4 s on another."""
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
    """The processor, the system, and the version of everything."""
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
