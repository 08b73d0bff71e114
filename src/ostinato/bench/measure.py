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
from .peak import Peak
from .peers import MAKERS, Runner, missing, ours, own
from .rows import BUILT_IN, GRID, LAYERS, MODES, OWN_GRID, PEERS, QUICK_GRID, QUICK_OWN_GRID, Row, Run, Times

# A sample is so many calls that it takes this long, or one call.
SAMPLE = 2e-3
# A call that takes longer than this is not made once more, untimed, before its sample.
LONG = 20e-3
# For each row, the seconds after which no further round begins and the fewest rounds; and the most rounds.
FULL, QUICK, MOST = (2.0, 5), (0.1, 3), 60
# The longest wait for threads to be quiet, and how long they have to be: systems count a thread's time every 10 ms or more often.
SPINNING, WINDOW = 2.0, 12e-3
# How far numbers may be apart, as a part of the largest (or of 1): outputs, and gradients, which are long sums.
ALLOWED = {"outputs": 1e-4, "gradients of the input": 1e-3, "gradients of weight_ih": 1e-3, "gradients of weight_hh": 1e-3,
           "gradients of bias_ih": 1e-3}


def measure(*, threads: int, quick: bool = False, layers: Sequence[str] = LAYERS, modes: Sequence[str] = MODES,
            peers: Sequence[str] = tuple(PEERS), shapes: Sequence | None = None,
            watcher: Callable[[Row | None, str], None] = lambda row, coming: None) -> Run:
    """Measure in this process, as it is: `bench.command` starts one that is fit for it.

    Args:
        threads: CPU threads of everyone; JAX has as many as this process has processors, or as NPROC said when it started.
        quick: Few samples of a small part of the grid.
        layers, modes: Rows to take.
        peers: Names of PEERS; those that are not installed are left out, and told in the run's `missing`.
        shapes: (B, T, I, H) each, in place of the grids.
        watcher: Called with the row just taken (None at first) and what comes next.

    Raises:
        EngineError: A peer's numbers are not ours.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        absent = missing(peers)
        present = [name for name in peers if name not in absent]
        peak = Peak(threads)
        grids = {"": QUICK_GRID, "own": QUICK_OWN_GRID} if quick else {"": GRID, "own": OWN_GRID}
        wanted = [(layer, mode, shape) for layer in layers for mode in modes
                  for shape in shapes or grids["own" if layer == "own" else ""]]
        rows = []
        for k, (layer, mode, shape) in enumerate(wanted):
            watcher(rows[-1] if rows else None, f"{k + 1} of {len(wanted)}: {layer} {mode} {','.join(map(str, shape))}")
            peak()
            rows.append(_row(layer, mode, tuple(shape), present, threads, *(QUICK if quick else FULL)))
        watcher(rows[-1], "done")
    finally:
        torch.set_num_threads(before)
    if peak.best:
        rows = [replace(row, share=row.operations / row.ours.median / peak.best) for row in rows]
    processors = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return Run(rows, threads, processors, peak.best, absent, _machine())


def _row(layer: str, mode: str, shape: tuple, peers: Sequence[str], threads: int, budget: float, fewest: int) -> Row:
    batch, steps, inputs, hidden = shape
    random = torch.Generator().manual_seed(0)
    module = getattr(nn, "LSTM" if layer == "own" else layer)(inputs, hidden)
    with torch.no_grad():
        for p in module.parameters():
            p.uniform_(-(hidden**-0.5), hidden**-0.5, generator=random)
    x, g = torch.randn(steps, batch, inputs, generator=random), torch.randn(steps, batch, hidden, generator=random)
    made = (module, x, g, mode == "training", threads)

    mine = own if layer == "own" else ours
    runners, known = {"": mine(*made)}, {}
    first, result = _timed(runners[""].call)
    known[""] = (first, "")
    truth = runners[""].arrays(result)
    warm, result = _timed(mine(*made).call)
    for name, settings in {BUILT_IN: {"": ours}}.items() if layer == "own" else {name: MAKERS[name] for name in peers}.items():
        tried = []
        for setting, make in settings.items():
            if (other := make(*made)) is not None:
                _settle()
                first, result = _timed(other.call)
                _compare(f"{PEERS.get(name, name)}, {layer} {mode} {shape}", other.arrays(result), truth)
                trial = min(_timed(other.call)[0] for _ in range(3)) if len(settings) > 1 else 0.0
                tried.append((trial, first, setting, other))
        if tried:
            _, *known[name], runners[name] = min(tried, key=lambda found: found[0])
    del result
    times = {name: Times(*found, *known[name]) for name, found in alternate(runners, budget, fewest).items()}
    return Row(layer, mode, shape, times.pop(""), warm, times)


def _timed(call: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = call()
    return time.perf_counter() - start, result


def _compare(peer: str, given: list[np.ndarray], wanted: list[np.ndarray]) -> None:
    for (name, allowed), a, b in zip(ALLOWED.items(), given, wanted):
        off = np.abs(a - b).max() if a.shape == b.shape else np.inf
        allowed *= max(1.0, np.abs(b).max())
        # not "off > allowed", which NaN would pass
        if not off <= allowed:
            raise EngineError(f"{peer}: its {name} are up to {off:.2g} from ours and may be {allowed:.2g}, so the two do not compute the "
                              "same and cannot be compared; leave this peer out with --peers, or report it")


def alternate(runners: Mapping[str, Runner], budget: float, fewest: int) -> dict[str, tuple[float, float, float, int, int]]:
    """Time these by turns, one sample each, round by round; who begins a round changes.

    Args:
        runners: What to time, by name.
        budget: Seconds after which no further round begins.
        fewest: Rounds there are in any case.

    Returns:
        By name: the median and the quartiles of a call's seconds, the number of samples, and the calls in each.
    """
    calls, takes = dict.fromkeys(runners, 1), {}
    for name, runner in runners.items():
        _settle()
        # The second call counts: libraries still prepare in their first ones.
        takes[name] = [_timed(runner.call)[0] for _ in range(2)][1]
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
                    runners[name].call()
                samples[name].append(_sample(runners[name].call, calls[name]) / calls[name])
            rounds += 1
    found = {}
    for name, taken in samples.items():
        lower, median, upper = statistics.quantiles(taken, n=4, method="inclusive")
        found[name] = (median, lower, upper, rounds, calls[name])
    return found


def _settle() -> None:
    """Wait until this process's threads are quiet, for a pool's threads spin on after a call, on the processors that the next one needs:
    torch's OpenMP for some 10 ms, ONNX Runtime's for 50 ms on one machine and 1.4 s on another."""
    end = time.perf_counter() + SPINNING
    while time.perf_counter() < end:
        used = time.process_time()
        time.sleep(WINDOW)
        if time.process_time() - used < WINDOW / 10:
            break


def _sample(call: Callable[[], object], calls: int) -> float:
    start = time.perf_counter()
    for _ in range(calls):
        call()
    return time.perf_counter() - start


def _machine() -> dict:
    versions = {}
    for name in ("ostinato", "torch", "onnxruntime", "jax", "jaxlib", "numpy", "llvmlite"):
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return {"processor": models[0] if models else platform.processor() or platform.machine(), "system": platform.platform(),
            "python": platform.python_version(), "versions": versions, "torch_vectors": torch.backends.cpu.get_cpu_capability(),
            "torch_onednn": torch.backends.mkldnn.is_available()}
