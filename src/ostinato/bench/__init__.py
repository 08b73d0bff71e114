"""Speed and memory of the layers, compared with torch.nn, ONNX Runtime, JAX and Keras;
docs/benchmark.md describes the method.

Measurements run in a process of their own, because libraries choose their processors and threads
when they start.
"""

import contextlib
import importlib
import multiprocessing
import os
import warnings
from collections.abc import Iterator
from pathlib import Path

from ..data.files import write_json
from ..errors import EngineError, InputError, OstinatoError
from . import ratios
from .rows import (
    GRID,
    LAYERS,
    MODES,
    OWN_CELL_BARS,
    OWN_GRID,
    PEERS,
    QUICK_GRID,
    BenchmarkRun,
    Row,
    Shape,
    Times,
    table,
)

__all__ = [
    "GRID",
    "LAYERS",
    "MODES",
    "OWN_CELL_BARS",
    "OWN_GRID",
    "PEERS",
    "QUICK_GRID",
    "Row",
    "BenchmarkRun",
    "Shape",
    "Times",
    "command",
    "table",
]

# Environment variables that would make the comparison unfair: thread affinity, or another way of
# waiting.
_DROPPED = (
    "GOMP_CPU_AFFINITY",
    "GOMP_SPINCOUNT",
    "KMP_AFFINITY",
    "KMP_BLOCKTIME",
    "OMP_PLACES",
    "OMP_PROC_BIND",
    "OMP_WAIT_POLICY",
    "XLA_FLAGS",
)
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC", "PJRT_NPROC")


def command(
    threads: int | None = None,
    quick: bool = False,
    json: Path | None = None,
    only: list[str] | None = None,
    peers: list[str] | None = None,
    save_ratios: Path | None = None,
    compare: Path | None = None,
    roofline: Path | None = None,
    ragged: bool = False,
    memory: bool = False,
    regularisers: bool = False,
) -> bool:
    """Measure, print each row when it is ready, and print the tables.

    Args:
        threads: CPU threads of each library; None for one per core.
        quick: Measure a few sizes with fewer samples, in under half a minute.
        json: A file to write all results to at the end, atomically.
        only: Layers (RNN, LSTM, GRU, own: user-defined cells) and modes (inference, training) to
            measure; None for all.
        peers: Libraries besides torch.nn (onnxruntime, jax, keras); None for those that are
            installed.
        save_ratios: A file to write the speed ratios to, for `compare` of later runs.
        compare: A file of `save_ratios` to compare this run with.
        roofline: Compare times with the limits of the processor instead, and draw them in this PNG
            file.
        ragged: Measure variable-length batches instead.
        memory: Measure the memory of training instead.
        regularisers: Measure training with each regulariser instead.

    Returns:
        False if a row is slower than in `compare`.

    Raises:
        InputError: An argument is invalid.
        EngineError: A library computes other numbers, or the measurement ended early.
    """
    from rich.console import Console

    section = _section(
        {
            "roofline": roofline is not None,
            "ragged": ragged,
            "memory": memory,
            "regularisers": regularisers,
        },
        only,
        {"peers": peers, "save-ratios": save_ratios, "compare": compare},
    )
    chosen = _chosen("only", only, (*LAYERS, *MODES))
    wanted = _chosen("peers", peers, tuple(PEERS))
    settings = {"threads": _threads(threads), "quick": quick}
    if section != "memory":
        settings |= {
            "layers": [name for name in LAYERS if name in chosen] or LAYERS,
            "modes": [name for name in MODES if name in chosen] or MODES,
        }
    if section == "measure":
        settings["peers"] = [
            name for name in PEERS if name == "torch" or peers is None or name in wanted
        ]
    if roofline is not None and Path(roofline).suffix.lower() != ".png":
        raise InputError(
            f"--roofline {roofline}: the picture is a PNG file; give a name that ends with .png"
        )
    for option, path in {
        "--json": json,
        "--save-ratios": save_ratios,
        "--roofline": roofline,
    }.items():
        if path is not None and not os.access(Path(path).parent, os.W_OK):
            raise InputError(
                f"{option} {path}: {str(Path(path).parent)!r} is not a writable directory; give a "
                "file in a writable directory"
            )
    before = None if compare is None else ratios.read(compare)
    console = Console(stderr=True, highlight=False)
    with console.status("starting") as status:
        for found, coming in (
            _memory(settings) if section == "memory" else _measured(settings, section)
        ):
            if coming is not None:
                status.update(coming)
                if found:
                    console.print(found.line(), soft_wrap=True)
    if json is not None:
        write_json(json, found.dump())
    if save_ratios is not None:
        write_json(save_ratios, ratios.saved(found))
    lines, worse = ([], False) if before is None else ratios.compared(found, before, compare)
    console = Console(highlight=False)
    for part in (*(table(found) if section == "measure" else found.table()), *lines):
        console.print(part, soft_wrap=isinstance(part, str))
    if roofline is not None:
        from .roofline import draw

        draw(found, roofline)
        console.print(f"picture: {roofline}", soft_wrap=True)
    return not worse


def _section(wanted: dict[str, bool], only, others: dict) -> str:
    """The module of the requested measurement.

    Raises:
        InputError: Options that belong to another module are given (`others`: those of the
            comparison of speed).
    """
    sections = [name for name, given in wanted.items() if given]
    if len(sections) > 1:
        raise InputError(
            f"{' and '.join(f'--{name}' for name in sections)}: each is a separate measurement; "
            "give one of them"
        )
    if not sections:
        return "measure"
    (section,) = sections
    if only and section == "regularisers" and {word.lower() for word in only} & {*MODES}:
        raise InputError(
            "--only with --regularisers: regularisers only act in training; give RNN, LSTM or GRU"
        )
    for option, value in others.items():
        if value:
            raise InputError(
                f"--{option} belongs to the comparison of speed, not to --{section}; leave it out"
            )
    if only and section == "memory":
        raise InputError(
            "--only with --memory: only the training of one LSTM is measured; leave --only out"
        )
    if only and {word.lower() for word in only} & {name.lower() for name in LAYERS} == {"own"}:
        raise InputError(
            f"--only own with --{section}: only RNN, LSTM and GRU are measured; give one of them"
        )
    return section


def _memory(settings: dict) -> Iterator[tuple[object, str | None]]:
    """As `_measured`, with a process for each peak and one for the times."""
    from .measure import machine
    from .memory import MEMORY_MAKERS, Memory, choose_shape, refuse

    refuse()
    found = {}
    for name in (*MEMORY_MAKERS, None):
        for result, coming in _measured(settings | {"name": name}, "memory"):
            found[name] = result
            if coming is not None:
                yield None, coming
    times = found.pop(None)
    yield (
        Memory(choose_shape(settings["quick"]), found, times, settings["threads"], machine()),
        None,
    )


def _measured(settings: dict, section: str = "measure") -> Iterator[tuple[object, str | None]]:
    """The results of the measuring process: each row (or None) with the name of the next, and
    finally the whole result with None.

    Args:
        settings: The arguments of the module's `measure`.
        section: The module of this package.
    """
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(there, section, settings), daemon=True)
    with _surroundings(settings["threads"]):
        process.start()
    there.close()
    coming = ""
    try:
        while coming is not None:
            found, coming = here.recv()
            if isinstance(found, OstinatoError):
                raise found
            yield found, coming
    except EOFError:
        raise EngineError(
            "the measurement ended before its last row; see the output above"
        ) from None
    finally:
        process.kill()
        process.join()


def _measure(there, section: str, settings: dict):
    # Warnings of the libraries would appear between the rows.
    warnings.simplefilter("ignore")
    measure = importlib.import_module(f".{section}", __package__).measure
    try:
        there.send((measure(**settings, watcher=lambda *found: there.send(found)), None))
    except OstinatoError as error:
        there.send((error, ""))
    except (KeyboardInterrupt, BrokenPipeError):
        pass


@contextlib.contextmanager
def _surroundings(threads: int):
    """Set the affinity and the environment for a process that starts here, so that all libraries
    use the same processors.
    """
    before, processors = (
        dict(os.environ),
        os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None,
    )
    for name in _DROPPED:
        os.environ.pop(name, None)
    # JAX computes in the calling thread; handing over to another thread would slow down short
    # calls.
    os.environ.update(
        dict.fromkeys(_THREADS, str(threads)),
        JAX_PLATFORMS="cpu",
        JAX_CPU_ENABLE_ASYNC_DISPATCH="false",
        KERAS_BACKEND="jax",
        TORCHINDUCTOR_COMPILE_THREADS="1",
    )
    try:
        if processors:
            os.sched_setaffinity(0, _processors()[0][:threads])
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)
        if processors:
            os.sched_setaffinity(0, processors)


def _processors() -> tuple[list[int], int]:
    """The processors of this process, one of each core first, and the number of cores."""
    if not hasattr(os, "sched_getaffinity"):
        return list(range(os.cpu_count() or 1)), os.cpu_count() or 1
    cores: dict[str, list[int]] = {}
    for number in sorted(os.sched_getaffinity(0)):
        siblings = Path(f"/sys/devices/system/cpu/cpu{number}/topology/thread_siblings_list")
        cores.setdefault(siblings.read_text() if siblings.exists() else str(number), []).append(
            number
        )
    return [core[0] for core in cores.values()] + [
        number for core in cores.values() for number in core[1:]
    ], len(cores)


def _threads(given) -> int:
    processors, cores = _processors()
    if given is not None and (not isinstance(given, int) or not 1 <= given <= len(processors)):
        raise InputError(
            f"--threads {given}: write a whole number from 1 to {len(processors)}, the number of "
            "available processors"
        )
    return cores if given is None else given


def _chosen(option: str, given, names) -> list[str]:
    known = {name.lower(): name for name in names}
    for word in given or ():
        if word.lower() not in known:
            raise InputError(f"--{option} {word}: write one of {', '.join(names)}")
    return [known[word.lower()] for word in given or ()]
