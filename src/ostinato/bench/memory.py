"""Private: peak memory of a training step: Ostinato, Ostinato with checkpointing, and torch.nn.

Each is measured in a process of its own, because memory that one leaves behind would serve the
next. The values are those of Linux: the memory of a process (VmRSS) and its peak (VmHWM), which can
be reset.
"""

import ctypes
import gc
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from torch import nn

import ostinato

from ..engines.memory import release
from ..errors import EngineError
from .measure import FULL, QUICK, alternate, make_workload, torch_threads, tried
from .peers import Runner, Workload, in_torch
from .rows import Shape, Times, coloured, make_table

SHAPE, QUICK_SHAPE = Shape(64, 1000, 256, 512), Shape(64, 100, 256, 512)
# Steps of the first call, which compiles, starts threads, and allocates what a library needs only
# once.
WARM = 2
OURS, WITH_CHECKPOINT, TORCH = "ostinato.LSTM", "ostinato.LSTM, checkpoint=True", "torch.nn.LSTM"
# Maximum memory of each, relative to torch.nn.LSTM.
MEMORY_BARS = {OURS: 1.0, WITH_CHECKPOINT: 1 / 3}

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# The value that resets VmHWM; see proc_pid_clear_refs(5) of Linux.
SET_BACK = "5"

MEMORY_MAKERS = {
    OURS: lambda work: _runner(work, ostinato),
    WITH_CHECKPOINT: lambda work: _runner(work, ostinato, checkpoint=True),
    TORCH: lambda work: _runner(work, nn),
}


@dataclass(frozen=True)
class Memory:
    """The result of the measurement.

    Attributes:
        shape: The shape of the LSTM.
        peaks: Peak memory of training in bytes, by name, without its inputs.
        times: Times by name.
        threads, machine: As in `rows.BenchmarkRun`.
    """

    shape: Shape
    peaks: dict[str, int]
    times: dict[str, Times]
    threads: int
    machine: dict

    def dump(self) -> dict:
        """The result as JSON."""
        return asdict(self)

    def table(self) -> list:
        """Renderables for rich, for 80 columns or more."""
        of_torch = {name: peak / self.peaks[TORCH] for name, peak in self.peaks.items()}
        of_ours = {
            name: times.median / self.times[OURS].median for name, times in self.times.items()
        }
        shown = make_table(
            f"peak memory of training, LSTM {self.shape}",
            list(self.peaks),
            {
                "": lambda name: name,
                "MiB": lambda name: f"{self.peaks[name] / 2**20:.0f}",
                "of torch.nn": lambda name: (
                    coloured(f"{of_torch[name]:.2f}", of_torch[name] <= MEMORY_BARS[name])
                    if name in MEMORY_BARS
                    else ""
                ),
                "at most": lambda name: f"{MEMORY_BARS[name]:.2f}" if name in MEMORY_BARS else "",
                "seconds": lambda name: f"{self.times[name].median:.3g}",
                "of ours": lambda name: f"{of_ours[name]:.2f}",
            },
            words=1,
        )
        return [
            shown,
            "",
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)}, "
            f"float32, torch {self.machine['versions']['torch']}",
            "MiB: peak memory of the process, without its inputs",
            "of ours: time relative to ostinato.LSTM",
        ]


def refuse() -> None:
    """Raise an error if the peak cannot be read on this system.

    Raises:
        EngineError: The system has no such values, or does not let them be reset.
    """
    remedy = (
        "peak memory is read from /proc of Linux, where VmHWM can be reset; run --memory on a "
        "Linux system that allows this"
    )
    try:
        CLEAR.write_text(SET_BACK)
        _read("VmHWM")
    except (OSError, StopIteration) as error:
        raise EngineError(
            f"--memory: {CLEAR} or {STATUS} cannot be used here ({error or 'no VmHWM'}); {remedy}"
        ) from None


def _read(name: str) -> int:
    """A value of this process's status, in bytes."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def rise(call: Callable[[], object]) -> int:
    """The rise of this process's peak memory during a call, in bytes."""
    gc.collect()
    # memory that was freed but still belongs to the process would be used without a rise, or be
    # returned during the call
    release()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    before = _read("VmRSS")
    CLEAR.write_text(SET_BACK)
    kept = call()
    peak = _read("VmHWM")
    del kept
    return peak - before


def _runner(work: Workload, layers, **options) -> Runner:
    layer = work.like(layers, **options)
    return in_torch(work, layer, dict(layer.named_parameters()))


def choose_shape(quick: bool) -> Shape:
    """The shape to measure."""
    return QUICK_SHAPE if quick else SHAPE


def measure(
    *,
    threads: int,
    name: str | None = None,
    quick: bool = False,
    shape: Shape | None = None,
    watcher: Callable[[None, str], None] = lambda row, coming: None,
) -> int | dict[str, Times]:
    """Measure in this process.

    Args:
        threads: CPU threads.
        name: One of MEMORY_MAKERS, to measure its peak in a new process; None to measure the times
            of all.
        quick: A tenth of the steps.
        shape: Another shape.
        watcher: Called with None and the name of the next measurement.

    Returns:
        Bytes; or times by name.
    """
    shape = shape or choose_shape(quick)
    with torch_threads(threads):
        if name is None:
            watcher(None, "times")
            work = make_workload("LSTM", "training", shape, threads)
            runners = {name: make(work) for name, make in MEMORY_MAKERS.items()}
            takes = {name: tried(runner) for name, runner in runners.items()}
            return {
                name: Times(*taken, takes[name], "")
                for name, taken in alternate(runners, takes, *(QUICK if quick else FULL)).items()
            }
        watcher(None, f"memory of {name}")
        # A new layer, because packed weights are part of the memory of training.
        MEMORY_MAKERS[name](
            make_workload("LSTM", "training", shape._replace(steps=WARM), threads)
        ).call()
        return rise(MEMORY_MAKERS[name](make_workload("LSTM", "training", shape, threads)).call)
