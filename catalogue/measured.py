"""What was measured of the cells: how long they take, and what they learn; both in one JSON
file.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch

from ostinato.cells import CELLS
from ostinato.data.files import read_json, write_json
from ostinato.errors import InputError
from ostinato.nn.recurrent import Recurrent

from .counts import OTHER, SHAPE, work

FORMAT = 2
FILE = Path("benchmarks/cells.json")
MODES = ("inference", "training")


@dataclass(frozen=True)
class Times:
    """What was timed, on one machine in one run.

    Attributes:
        processor: Its name.
        threads: CPU threads.
        date: The day.
        shape: B, T, I, H.
        seconds: The median of a call, by cell and mode.
    """

    processor: str
    threads: int
    date: str
    shape: tuple[int, int, int, int]
    seconds: dict[str, dict[str, float]] = field(default_factory=dict)

    def shown(self, name: str, mode: str) -> list[str]:
        """Milliseconds, and the time for each multiply-add as a multiple of the LSTM's; dashes
        where there are none.
        """
        if name not in self.seconds:
            return ["-", "-"]
        each = [self.seconds[n][mode] / work(CELLS[n].graph, self.shape) for n in (name, "lstm")]
        return [f"{1e3 * self.seconds[name][mode]:#.3g}", f"{each[0] / each[1]:.2f}x"]

    def beside_lstm(self, name: str) -> float:
        """The time of a call in training, as a multiple of the LSTM's."""
        return self.seconds[name]["training"] / self.seconds["lstm"]["training"]


@dataclass(frozen=True)
class Learned:
    """What a task came to with each cell.

    Attributes:
        options: The task's, the same for every cell.
        rows: What it learned from: rows, or characters; a part of them was held out to choose the
            weights by.
        test_rows: What it was tested on.
        values: The measure by cell; None where the loss became no number.
    """

    options: dict[str, int | float]
    rows: int
    test_rows: int
    values: dict[str, float | None] = field(default_factory=dict)


@dataclass(frozen=True)
class Measured:
    """All that was measured.

    Attributes:
        times: None where nothing was timed.
        learned: By the task.
    """

    times: Times | None = None
    learned: dict[str, Learned] = field(default_factory=dict)


def read(path: Path) -> Measured:
    """What `measure` and `train` wrote; nothing where there is no such file.

    Raises:
        InputError: It is no file of measurements.
    """
    if not path.exists():
        return Measured()
    found = read_json(path)
    try:
        if found["format"] != FORMAT:
            raise ValueError(f"format {found['format']!r}, and this version reads {FORMAT}")
        times = None if found["times"] is None else _times(found["times"])
        return Measured(times, {task: _learned(one) for task, one in found["learned"].items()})
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{str(path)!r} is no file of cells' measurements ({type(error).__name__}: {error}); "
            f"restore it, or "
            "write another one with: python -m catalogue measure"
        ) from error


def _times(found: Mapping) -> Times:
    seconds = {
        name: {mode: float(taken[mode]) for mode in MODES}
        for name, taken in found["seconds"].items()
    }
    shape = tuple(map(int, found["shape"]))
    if "lstm" not in seconds or len(shape) != len(SHAPE):
        raise ValueError("no times of the LSTM, or no shape of four sizes")
    return Times(str(found["processor"]), int(found["threads"]), str(found["date"]), shape, seconds)


def _learned(found: Mapping) -> Learned:
    values = {
        name: None if value is None else float(value) for name, value in found["values"].items()
    }
    return Learned(dict(found["options"]), int(found["rows"]), int(found["test_rows"]), values)


def write(path: Path, measured: Measured) -> None:
    """Write what was measured, whole."""
    write_json(path, {"format": FORMAT} | asdict(measured))


# ---------------------------------------------------------------- times


def measure(
    path: Path,
    *,
    names: Sequence[str] = tuple(CELLS),
    shape: Sequence[int] = SHAPE,
    threads: int | None = None,
    budget: float = 60.0,
    fewest: int = 5,
    say: Callable[[str], None] = print,
) -> Times:
    """Time cells by turns, in this process, and write what came of it.

    Args:
        path: The JSON file to write; what it says of learning stays.
        names: The cells; "lstm", beside which the others are shown, is among them in any case.
        shape: B, T, I, H.
        threads: CPU threads; None for torch's number.
        budget: Seconds for each mode after which no further round begins.
        fewest: Rounds there are in any case.
        say: Is told what comes next.
    """
    from ostinato.bench.measure import alternate, machine, torch_threads, tried

    known = read(path)
    names = list(dict.fromkeys(["lstm", *names]))
    threads = threads or torch.get_num_threads()
    seconds: dict[str, dict[str, float]] = {name: {} for name in names}
    with torch_threads(threads), torch.random.fork_rng(devices=()):
        for mode in MODES:
            say(f"{mode}: {len(names)} cells")
            torch.manual_seed(0)
            runners = {name: _runner(name, mode, shape) for name in names}
            takes = {name: tried(runner) for name, runner in runners.items()}
            for name, (median, *_) in alternate(runners, takes, budget, fewest).items():
                seconds[name][mode] = float(f"{median:.4g}")
    times = Times(machine()["processor"], threads, time.strftime("%Y-%m-%d"), tuple(shape), seconds)
    write(path, replace(known, times=times))
    return times


def _runner(name: str, mode: str, shape: Sequence[int]):
    """What is timed: a cell's layer without gradients, or with those of the input and of all
    weights.
    """
    from ostinato.bench.peers import Runner

    rows, steps, inputs, hidden = shape
    graph = CELLS[name].graph
    letters = {letter: OTHER for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}}
    layer = Recurrent(name, inputs, hidden, sizes=letters, batch_first=False)
    given = [
        torch.randn(steps, rows, size.at(letters | {"I": inputs, "H": hidden}))
        for size in graph.inputs.values()
    ]
    x = given[0] if len(given) == 1 else tuple(given)

    def inference():
        with torch.inference_mode():
            return layer(x)

    gradient = torch.randn(steps, rows, layer.output_size)
    wanted = [given[0].requires_grad_(mode == "training"), *layer.parameters()]

    def train():
        return torch.autograd.grad(layer(x)[0], wanted, gradient, allow_unused=True)

    return Runner(train if mode == "training" else inference)
