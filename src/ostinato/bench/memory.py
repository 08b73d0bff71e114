"""The most memory that a step of training takes: ours, ours with checkpoints, and torch.nn's.

Each is measured in a process of its own, for what one leaves behind would serve the next. The
figures are those that Linux keeps of a
process: the memory that it has (VmRSS) and the most that it has had (VmHWM), which can be set back
    to the former.
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
from .measure import FULL, QUICK, alternate, make_work, torch_threads, tried
from .peers import Runner, Work, in_torch
from .rows import Shape, Times, drawn, held

SHAPE, QUICK_SHAPE = Shape(64, 1000, 256, 512), Shape(64, 100, 256, 512)
# Steps of the call that is made first: it compiles, starts threads, and takes what a library takes
# but once.
WARM = 2
OURS, CHECKPOINT, TORCH = "ostinato.LSTM", "ostinato.LSTM, checkpoint=True", "torch.nn.LSTM"
# What each may take at most, as a part of torch.nn.LSTM's.
MOST = {OURS: 1.0, CHECKPOINT: 1 / 3}

STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")
# What sets VmHWM back; see proc_pid_clear_refs(5) of Linux.
SET_BACK = "5"

MAKERS = {
    OURS: lambda work: _runner(work, ostinato),
    CHECKPOINT: lambda work: _runner(work, ostinato, checkpoint=True),
    TORCH: lambda work: _runner(work, nn),
}


@dataclass(frozen=True)
class Memory:
    """What was measured.

    Attributes:
        shape: Of the LSTM.
        peaks: By name, bytes of memory that training takes at most besides its inputs.
        times: By name, how long it takes.
        threads, machine: As of `rows.Run`.
    """

    shape: Shape
    peaks: dict[str, int]
    times: dict[str, Times]
    threads: int
    machine: dict

    def dump(self) -> dict:
        """As JSON has it."""
        return asdict(self)

    def table(self) -> list:
        """What to print with rich, one after another, at 80 columns or more."""
        of_torch = {name: peak / self.peaks[TORCH] for name, peak in self.peaks.items()}
        of_ours = {
            name: times.median / self.times[OURS].median for name, times in self.times.items()
        }
        shown = drawn(
            f"memory that training takes at most, LSTM {self.shape}",
            list(self.peaks),
            {
                "": lambda name: name,
                "MiB": lambda name: f"{self.peaks[name] / 2**20:.0f}",
                "of torch.nn's": lambda name: (
                    held(f"{of_torch[name]:.2f}", of_torch[name] <= MOST[name])
                    if name in MOST
                    else ""
                ),
                "at most": lambda name: f"{MOST[name]:.2f}" if name in MOST else "",
                "seconds": lambda name: f"{self.times[name].median:.3g}",
                "of ours": lambda name: f"{of_ours[name]:.2f}",
            },
            words=1,
        )
        return [
            shown,
            "",
            f"{self.machine['processor']}, {self.threads} thread{'s' * (self.threads > 1)}, "
            f"float32, "
            f"torch {self.machine['versions']['torch']}",
            "MiB: how far a process's memory rises at most once its inputs are made",
            "of ours: the time, as a multiple of ostinato.LSTM's",
        ]


def refuse() -> None:
    """An error where the peak cannot be read here.

    Raises:
        EngineError: The system has no such figures, or does not let them be set back.
    """
    mend = (
        "the peak of memory is read from Linux's /proc, where VmHWM can be set back; run "
        "--memory on a Linux that lets a process do so"
    )
    try:
        CLEAR.write_text(SET_BACK)
        _read("VmHWM")
    except (OSError, StopIteration) as error:
        raise EngineError(
            f"--memory: {CLEAR} or {STATUS} cannot be used here ({error or 'no VmHWM'}); {mend}"
        ) from None


def _read(name: str) -> int:
    """Bytes that this process's status says."""
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) << 10


def rise(call: Callable[[], object]) -> int:
    """Bytes by which this process's memory rises at most in a call."""
    gc.collect()
    # what was freed earlier, and is this process's still, would be used again without a rise, or go
    # back during the call
    release()
    if trim := getattr(ctypes.CDLL(None), "malloc_trim", None):
        trim(0)
    before = _read("VmRSS")
    CLEAR.write_text(SET_BACK)
    kept = call()
    peak = _read("VmHWM")
    del kept
    return peak - before


def _runner(work: Work, layers, **options) -> Runner:
    layer = work.like(layers, **options)
    return in_torch(work, layer, dict(layer.named_parameters()))


def choose_shape(quick: bool) -> Shape:
    """The shape that is measured."""
    return QUICK_SHAPE if quick else SHAPE


def measure(
    *,
    threads: int,
    name: str | None = None,
    quick: bool = False,
    shape: Shape | None = None,
    watcher: Callable[[None, str], None] = lambda row, coming: None,
) -> int | dict[str, Times]:
    """Measure in this process, as it is.

    Args:
        threads: CPU threads.
        name: One of MAKERS, whose peak is wanted in a process that has made nothing yet; None for
            the times of all.
        quick: A tenth of the steps.
        shape: Another shape.
        watcher: Called with None and what comes.

    Returns:
        Bytes; or times by name.
    """
    shape = shape or choose_shape(quick)
    with torch_threads(threads):
        if name is None:
            watcher(None, "times")
            work = make_work("LSTM", "training", shape, threads)
            runners = {name: make(work) for name, make in MAKERS.items()}
            takes = {name: tried(runner) for name, runner in runners.items()}
            return {
                name: Times(*taken, takes[name], "")
                for name, taken in alternate(runners, takes, *(QUICK if quick else FULL)).items()
            }
        watcher(None, f"memory of {name}")
        # A layer of its own: packed weights belong to what training takes.
        MAKERS[name](make_work("LSTM", "training", shape._replace(steps=WARM), threads)).call()
        return rise(MAKERS[name](make_work("LSTM", "training", shape, threads)).call)
