"""Private: compiling C code and running it, to prove it before it is written."""

import importlib.util
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ...errors import EngineError
from ..results import ResultComparison

# The compilers that are tried, in this order.
COMPILERS = ("cc", "gcc", "clang")
FLAGS = ("-std=c99", "-O1")
# Seconds that a compiler, or a compiled program, may take.
SECONDS = 600
# The comparison of C code with its model.
COMPARISON = ResultComparison("the C code", 1e-6)


def find_compiler() -> list[str]:
    """The command of a C compiler: that of the variable CC, cc, gcc, clang, or the package ziglang.

    Raises:
        EngineError: A C compiler is not found.
    """
    if named := os.environ.get("CC"):
        command = shlex.split(named)
        if command and shutil.which(command[0]):
            return command
        raise EngineError(
            f"the environment variable CC is {named!r}, which is not a command; set it to a C "
            "compiler, or unset it"
        )
    for name in COMPILERS:
        if path := shutil.which(name):
            return [path]
    if importlib.util.find_spec("ziglang"):
        return [sys.executable, "-m", "ziglang", "cc"]
    raise EngineError(
        "no C compiler was found, and C code is compiled and compared before it is written; "
        "install one (gcc, clang, or `pip install ziglang`), or write without the comparison: "
        "check=False (--no-check)"
    )


def run_c(
    sources: Mapping[str, str],
    given: bytes = b"",
    *,
    compiler: Sequence[str] | None = None,
    flags: Sequence[str] = FLAGS,
) -> bytes:
    """Compile a C program and run it.

    Args:
        sources: The content of each file, by name; those that end with .c are compiled.
        given: Its standard input.
        compiler: The command of the compiler; None to find one.
        flags: The options of the compiler.

    Returns:
        Its standard output.

    Raises:
        EngineError: It cannot be compiled, or it fails.
    """
    compiler = find_compiler() if compiler is None else compiler
    with tempfile.TemporaryDirectory() as folder:
        for name, text in sources.items():
            (Path(folder) / name).write_text(text, encoding="utf-8")
        files = [name for name in sources if name.endswith(".c")]
        _call([*compiler, *flags, *files, "-o", "program", "-lm"], folder, b"", "compile")
        return _call([str(Path(folder) / "program")], folder, given, "run")


def _call(command: Sequence[str], folder: str, given: bytes, verb: str) -> bytes:
    """Run a command, and return its output."""
    try:
        done = subprocess.run(
            command, cwd=folder, input=given, capture_output=True, timeout=SECONDS
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EngineError(f"cannot {verb} the C code: {error}; nothing has been written") from error
    if done.returncode:
        message = done.stderr.decode(errors="replace").strip()[:2000]
        raise EngineError(
            f"cannot {verb} the C code: {shlex.join(command)} ended with {done.returncode}; "
            f"nothing has been written\n{message}"
        )
    return done.stdout


def check_close(
    name: str, found: np.ndarray, layer: np.ndarray, exact: np.ndarray | None = None
) -> None:
    """Compare a result of C with that of the layer or the task.

    Args:
        name: The name of the result.
        found: The result of C.
        layer: The result of the layer, in float32.
        exact: The result of the layer in float64, if there is one.

    Raises:
        EngineError: It is farther from the exact result than 1e-6, relative to the largest number,
            and than four times the rounding error of the layer. Results that the layer itself
            overflows in are not compared; if it does in all, that is an error too.
    """
    exact = layer if exact is None else exact
    if found.shape == exact.shape:
        finite = np.isfinite(layer) & np.isfinite(exact)
        if layer.size and not finite.any():
            raise EngineError(
                f"{name!r} of the model itself is infinite or not a number for random inputs, so "
                "that the C code cannot be compared; nothing has been written"
            )
        found, layer, exact = found[finite], layer[finite], exact[finite]
    COMPARISON.check(repr(name), found, layer, exact)
