"""Fixtures of all tests: the table of tolerances, the engines, and fixed seeds."""

import gzip
import io
import sys
import weakref
from pathlib import Path

import pytest
import torch

from moved import moved
from ostinato import engines
from ostinato.engines import memory
from tolerances import TOLERANCES


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Mark as slow what `moved` has `make slow` run alone."""
    tests: dict[str, list[pytest.Item]] = {}
    for item in items:
        if not item.get_closest_marker("slow"):
            path = item.path.relative_to(Path(__file__).parent).as_posix()
            tests.setdefault(f"{path}::{item.originalname}", []).append(item)
    for test, own in tests.items():
        names = moved(test, [item.name for item in own])
        for item in own:
            if item.name in names:
                item.add_marker("slow")


def _assert_close(actual, wanted, dtype=None):
    assert actual.shape == wanted.shape
    if not wanted.numel():
        return
    actual, wanted = actual.detach().cpu(), wanted.detach().cpu()
    allowed = TOLERANCES[dtype or actual.dtype] * max(1.0, wanted.abs().max().item())
    off = (actual.double() - wanted.double()).abs().max().item()
    assert off <= allowed, f"off by {off:.3g}, allowed {allowed:.3g}"


@pytest.fixture(scope="session")
def close():
    """Assert that a tensor is as near the wanted one as its dtype (or the one given) allows; NaN is
    never near.
    """
    return _assert_close


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


@pytest.fixture
def threads():
    """Set the number of torch's threads; it is put back afterwards."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def nan_memory(monkeypatch):
    """Memory that nobody has written to is NaN, and none is used again."""
    fresh = memory._fresh

    def filled(size):
        block = fresh(size)
        block[0].fill(0xFF)  # a NaN of any width
        return block

    monkeypatch.setattr(memory, "_fresh", filled)
    monkeypatch.setattr(memory, "LONG", 1 << 40)  # tensors come from torch
    memory.release()
    monkeypatch.setattr(memory.ScratchMemory, "give", lambda self, block: None)
    torch.use_deterministic_algorithms(True)  # torch fills them
    yield
    torch.use_deterministic_algorithms(False)


@pytest.fixture(params=["reference", "cpu"])
def engine(request):
    """Each engine in turn; one that does not run here is skipped, with its reason."""
    reasons = {name: why for name, runs, why in engines.doctor() if not runs}
    if request.param not in {name for name, runs, _ in engines.doctor() if runs}:
        pytest.skip(reasons.get(request.param, f"the {request.param} engine is missing here"))
    return request.param


@pytest.fixture
def compile_for(monkeypatch):
    """Have kernels compiled for another target than this processor's; what has been compiled before
    is not used meanwhile.
    """
    from ostinato.engines import cpu, loops
    from ostinato.engines.kernels import jit

    def choose(target):
        monkeypatch.setattr(jit, "host", lambda: (target, "chosen by a test"))
        monkeypatch.setattr(loops, "_made", {})
        monkeypatch.setattr(cpu, "_executables", weakref.WeakKeyDictionary())

    return choose


@pytest.fixture
def ostinato(monkeypatch, capsys, tmp_path):
    """Run a command line in an empty directory: its exit code, what it printed, and its errors."""
    from ostinato.cli.main import main

    monkeypatch.chdir(tmp_path)

    def run(*words, given=""):
        monkeypatch.setattr(sys, "argv", ["ostinato", *map(str, words)])
        monkeypatch.setattr(
            sys,
            "stdin",
            io.TextIOWrapper(io.BytesIO(given if isinstance(given, bytes) else given.encode())),
        )
        with pytest.raises(SystemExit) as end:
            main()
        printed = capsys.readouterr()
        return end.value.code, printed.out, printed.err

    return run


class Broken(Exception):
    """A run is broken off."""


@pytest.fixture
def breaking():
    """A watcher that breaks a run off after a step, as a kill would;
    `pytest.raises(breaking.error)` catches it.
    """

    class Watcher:
        error = Broken

        def __call__(self, step):
            self.step = step
            return self

        def stepped(self, moment):
            if moment.step == self.step:
                raise Broken

        def measured(self, entry):
            pass

    return Watcher()


@pytest.fixture
def write(tmp_path):
    """Write a file of some text or bytes; give its path."""

    def write(name: str, content: str | bytes) -> Path:
        content = content.encode() if isinstance(content, str) else content
        path = tmp_path / name
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        return path

    return write
