"""Timings of the layers beside torch.nn, ONNX Runtime, JAX and Keras; docs/benchmark.md says how
they are taken.

The measuring is done in a process of its own, since which processors a library's threads get is
settled when it starts.
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
    OWN,
    OWN_GRID,
    PEERS,
    QUICK_GRID,
    Row,
    Run,
    Shape,
    Times,
    table,
)

__all__ = [
    "GRID",
    "LAYERS",
    "MODES",
    "OWN",
    "OWN_GRID",
    "PEERS",
    "QUICK_GRID",
    "Row",
    "Run",
    "Shape",
    "Times",
    "command",
    "table",
]

# What a person's environment may say and a fair measurement cannot have: threads bound to a
# processor, or another way to wait.
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
    """Measure, show each row as it comes, and print the tables.

    Args:
        threads: CPU threads of everyone; None for one a core.
        quick: A small part of the grid and fewer samples, in under half a minute.
        json: A file to write everything to, whole and at the end.
        only: Layers (RNN, LSTM, GRU, own: a user's own cells) and modes (inference, training) to
            keep; None for all.
        peers: Peers besides torch.nn (onnxruntime, jax, keras); None for those that are installed.
        save_ratios: A file to write the ratios to, for later runs to be held against.
        compare: Such a file, to hold this run against.
        roofline: Hold our times against the processor's limits instead, and draw that in this PNG
            file.
        ragged: Time rows of unequal lengths instead.
        memory: Measure the memory of training instead.
        regularisers: Time training with each regulariser instead.

    Returns:
        False where a row is worse than in `compare`.

    Raises:
        InputError: An argument that cannot be used.
        EngineError: A peer's numbers are not ours, or the measuring ended early.
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
                f"{option} {path}: {str(Path(path).parent)!r} is no directory that can be written; "
                f"give a file in one that can"
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
    """The module that measures what is wanted; what goes with another one alone (`others`: with the
    peers' times) is refused.
    """
    sections = [name for name, given in wanted.items() if given]
    if len(sections) > 1:
        raise InputError(
            f"{' and '.join(f'--{name}' for name in sections)}: each is a run of its own; give one "
            f"of them"
        )
    if not sections:
        return "measure"
    (section,) = sections
    if only and section == "regularisers" and {word.lower() for word in only} & {*MODES}:
        raise InputError("--only with --regularisers: they are for training; give RNN, LSTM or GRU")
    for option, value in others.items():
        if value:
            raise InputError(
                f"--{option} goes with the times beside all peers, not with --{section}; leave it "
                f"out"
            )
    if only and section == "memory":
        raise InputError("--only with --memory: it measures the training of one LSTM; leave it out")
    if only and {word.lower() for word in only} & {name.lower() for name in LAYERS} == {"own"}:
        raise InputError(f"--only own with --{section}: it has RNN, LSTM and GRU; keep one of them")
    return section


def _memory(settings: dict) -> Iterator[tuple[object, str | None]]:
    """As `_measured`: each peak in a process of its own, and the times in one more."""
    from .measure import machine
    from .memory import MAKERS, Memory, choose_shape, refuse

    refuse()
    found = {}
    for name in (*MAKERS, None):
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
    """What the measuring process finds: each row (or None) with what comes next, and at last the
    whole, with None.

    Args:
        settings: What the section's `measure` takes.
        section: The module of this package that measures.
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
            "the measuring ended before its last row; what is above says why"
        ) from None
    finally:
        process.kill()
        process.join()


def _measure(there, section: str, settings: dict):
    # Warnings of the libraries about each other would stand between the rows.
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
    """Have a process that starts here find only so many processors, and everyone's settings in its
    environment.
    """
    before, processors = (
        dict(os.environ),
        os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None,
    )
    for name in _DROPPED:
        os.environ.pop(name, None)
    # JAX computes in the calling thread rather than hand over to another, which costs a short call
    # much and a long one nothing.
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
    """The processors that this process may use, one of each core first; and the number of cores."""
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
            f"--threads {given}: write a whole number from 1 to {len(processors)}, the processors "
            f"that can be used here"
        )
    return cores if given is None else given


def _chosen(option: str, given, names) -> list[str]:
    known = {name.lower(): name for name in names}
    for word in given or ():
        if word.lower() not in known:
            raise InputError(f"--{option} {word}: write one of {', '.join(names)}")
    return [known[word.lower()] for word in given or ()]
