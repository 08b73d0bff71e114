"""Timings of the layers beside torch.nn, ONNX Runtime and JAX; docs/benchmark.md says how they are taken.

The measuring is done in a process of its own, since which processors a library's threads get is settled when it starts.
"""

import contextlib
import multiprocessing
import os
from collections.abc import Iterator
from pathlib import Path

from ..errors import EngineError, InputError, OstinatoError
from ..files import write_json
from .rows import GRID, LAYERS, MODES, OWN_GRID, PEERS, QUICK_GRID, Row, Run, Times, table

__all__ = ["GRID", "LAYERS", "MODES", "OWN_GRID", "PEERS", "QUICK_GRID", "Row", "Run", "Times", "command", "table"]

# What a person's environment may say and a fair measurement cannot have: threads bound to a processor, or another way to wait.
_DROPPED = ("GOMP_CPU_AFFINITY", "GOMP_SPINCOUNT", "KMP_AFFINITY", "KMP_BLOCKTIME", "OMP_PLACES", "OMP_PROC_BIND", "OMP_WAIT_POLICY",
            "XLA_FLAGS")
_THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NPROC", "PJRT_NPROC")


def command(threads: int | None = None, quick: bool = False, json: Path | None = None, only: list[str] | None = None,
            peers: list[str] | None = None) -> None:
    """Measure, show each row as it comes, and print the tables.

    Args:
        threads: CPU threads of everyone; None for one a core.
        quick: A small part of the grid and fewer samples, in under half a minute.
        json: A file to write everything to, whole and at the end.
        only: Layers (RNN, LSTM, GRU, own: the user's own cell) and modes (inference, training) to keep; None for all.
        peers: Peers besides torch.nn (onnxruntime, jax); None for those that are installed.

    Raises:
        InputError: An argument that cannot be used.
        EngineError: A peer's numbers are not ours, or the measuring ended early.
    """
    from rich.console import Console

    chosen = _chosen("only", only, (*LAYERS, *MODES))
    wanted = _chosen("peers", peers, tuple(PEERS))
    settings = {"threads": _threads(threads), "quick": quick, "layers": [name for name in LAYERS if name in chosen] or LAYERS,
                "modes": [name for name in MODES if name in chosen] or MODES,
                "peers": [name for name in PEERS if name == "torch" or peers is None or name in wanted]}
    if json is not None and not os.access(Path(json).parent, os.W_OK):
        raise InputError(f"--json {json}: {str(Path(json).parent)!r} is no directory that can be written; give a file in one that can")
    console = Console(stderr=True, highlight=False)
    with console.status("starting") as status:
        for found, coming in _measured(settings):
            status.update(coming)
            if isinstance(found, Row):
                console.print(found.line(), soft_wrap=True)
    if json is not None:
        write_json(json, found.dump())
    console = Console(highlight=False)
    for part in table(found):
        console.print(part)


def _measured(settings: dict) -> Iterator[tuple[Row | Run | None, str]]:
    """What the measuring process finds, row by row and the run at last, and what comes next."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=_measure, args=(there, settings), daemon=True)
    with _surroundings(settings["threads"]):
        process.start()
    there.close()
    found = None
    try:
        while not isinstance(found, Run):
            found, coming = here.recv()
            if isinstance(found, OstinatoError):
                raise found
            yield found, coming
    except EOFError:
        raise EngineError("the measuring ended before its last row; what is above says why") from None
    finally:
        process.kill()
        process.join()


def _measure(there, settings: dict):
    from .measure import measure

    try:
        there.send((measure(**settings, watcher=lambda *found: there.send(found)), "done"))
    except OstinatoError as error:
        there.send((error, ""))
    except (KeyboardInterrupt, BrokenPipeError):
        pass


@contextlib.contextmanager
def _surroundings(threads: int):
    """Have a process that starts here find only so many processors, and everyone's settings in its environment."""
    before, processors = dict(os.environ), os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else None
    for name in _DROPPED:
        os.environ.pop(name, None)
    # JAX computes in the calling thread rather than hand over to another, which costs a short call much and a long one nothing.
    os.environ.update(dict.fromkeys(_THREADS, str(threads)), JAX_PLATFORMS="cpu", JAX_CPU_ENABLE_ASYNC_DISPATCH="false")
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
        cores.setdefault(siblings.read_text() if siblings.exists() else str(number), []).append(number)
    return [core[0] for core in cores.values()] + [number for core in cores.values() for number in core[1:]], len(cores)


def _threads(given) -> int:
    processors, cores = _processors()
    if given is not None and (not isinstance(given, int) or not 1 <= given <= len(processors)):
        raise InputError(f"--threads {given}: write a whole number from 1 to {len(processors)}, the processors that can be used here")
    return cores if given is None else given


def _chosen(option: str, given, names) -> list[str]:
    known = {name.lower(): name for name in names}
    for word in given or ():
        if word.lower() not in known:
            raise InputError(f"--{option} {word}: write one of {', '.join(names)}")
    return [known[word.lower()] for word in given or ()]
