"""An LSTM one sample at a time: the C export next to hand-written C++, ONNX Runtime and a stream.

    python benchmarks/c_layer.py [--rounds 15] [--samples 20000]

The hand-written C++ is one class with the sizes as template arguments, `std::array` and plain
loops, as real-time audio code is written without a linear algebra library. All programs have the
same weights and get the same samples, and their outputs are compared first. They take turns on one
thread; the table has the median of the processor time of each, and that of the ratios in a round.

A second table has flash and memory of small models: from the tables of weights, and from `size` of
the object compiled with -Os, for this processor and, where clang is found, for a Cortex-M4.
"""

import argparse
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

import ostinato
from ostinato.exchange import c, onnx

INPUTS = 1
UNITS = (16, 40)
FLAGS = ("-O2", "-O3 -march=native")
MODELS = (("fast_grnn", 16), ("gru", 32), ("lstm", 32))
MODEL_INPUTS = 8

# Reads the number of samples, writes the seconds of a run and the last output.
MAIN = r"""
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}
int main(int count, char **words)
{
    const long samples = count > 1 ? atol(words[1]) : 1;
    long k;
    unsigned random = 1;
    float x[1], y[UNITS];
    double start;
    SETUP
    start = seconds();
    for (k = 0; k < samples; k++) {
        random = random * 1664525u + 1013904223u;
        x[0] = (float)(random >> 8) / 8388608.0f - 1.0f;
        STEP
    }
    printf("%.9g", seconds() - start);
    for (k = 0; k < UNITS; k++)
        printf(" %.9g", (double)y[k]);
    return 0;
}
"""

PLAIN_CPP = r"""
#include <array>
#include <cmath>
template <int I, int H> class Lstm {
public:
    std::array<std::array<float, I>, H> Wi, Wf, Wg, Wo;
    std::array<std::array<float, H>, H> Ui, Uf, Ug, Uo;
    std::array<float, H> bi, bf, bg, bo, h, c;

    void reset() { h.fill(0.0f); c.fill(0.0f); }

    void step(const float *x, float *y)
    {
        gate(i, Wi, Ui, bi, x);
        gate(f, Wf, Uf, bf, x);
        gate(g, Wg, Ug, bg, x);
        gate(o, Wo, Uo, bo, x);
        for (int k = 0; k < H; ++k)
            c[k] = sigmoid(f[k]) * c[k] + sigmoid(i[k]) * std::tanh(g[k]);
        for (int k = 0; k < H; ++k)
            y[k] = h[k] = sigmoid(o[k]) * std::tanh(c[k]);
    }

private:
    std::array<float, H> i, f, g, o;
    static float sigmoid(float v) { return 1.0f / (1.0f + std::exp(-v)); }
    void gate(std::array<float, H> &out, const std::array<std::array<float, I>, H> &W,
              const std::array<std::array<float, H>, H> &U, const std::array<float, H> &b,
              const float *x)
    {
        for (int j = 0; j < H; ++j) {
            out[j] = b[j];
            for (int k = 0; k < I; ++k)
                out[j] += W[j][k] * x[k];
            for (int k = 0; k < H; ++k)
                out[j] += U[j][k] * h[k];
        }
    }
};
"""


def samples(count: int) -> np.ndarray:
    """The samples of `MAIN`."""
    random, out = 1, np.empty(count, np.float32)
    for k in range(count):
        random = (random * 1664525 + 1013904223) % (1 << 32)
        out[k] = np.float32(random >> 8) / np.float32(8388608) - np.float32(1)
    return out


def build(folder: Path, name: str, compiler: str, flags: str, files: dict[str, str]) -> Path:
    """Compile a program."""
    for file, text in files.items():
        (folder / file).write_text(text)
    sources = [file for file in files if not file.endswith(".h")]
    command = [compiler, *flags.split(), *sources, "-o", name, "-lm"]
    subprocess.run(command, cwd=folder, check=True)
    return folder / name


def own_program(layer: ostinato.Recurrent, folder: Path, flags: str) -> Path:
    """The C export with a loop over samples."""
    report = c.write(layer, folder / "layer")
    main = MAIN.replace("SETUP", "static layer_state state; layer_init(&state);")
    main = main.replace("STEP", "layer_step(&state, x, y);")
    main = '#include "layer.h"\n' + main.replace("UNITS", str(layer.hidden_size))
    files = {"layer.h": report.header.read_text(), "layer.c": report.source.read_text()}
    files["main.c"] = "#define _POSIX_C_SOURCE 199309L\n" + main
    return build(folder, "own", "cc", f"-std=c99 {flags}", files)


def plain_program(layer: ostinato.Recurrent, folder: Path, flags: str) -> Path:
    """Hand-written C++ with the same weights."""
    setup = [f"static Lstm<{INPUTS}, {layer.hidden_size}> net; net.reset();"]
    tables = []
    weights = layer.cell_weights(0)
    for name, kind in (("W", "W"), ("U", "U"), ("b", "b")):
        weight = weights[name]
        parts = (weight if torch.is_tensor(weight) else sum(weight)).detach().chunk(4)
        for gate, part in zip("ifgo", parts):
            numbers = ", ".join(f"{n!r}f" for n in part.reshape(-1).tolist())
            tables.append(f"static const float {kind}{gate}[] = {{{numbers}}};")
            setup.append(
                f"for (int k = 0; k < {part.numel()}; ++k) "
                + (
                    f"net.{kind}{gate}[k] = {kind}{gate}[k];"
                    if part.dim() == 1
                    else f"net.{kind}{gate}[k / {part.shape[1]}][k % {part.shape[1]}] = "
                    f"{kind}{gate}[k];"
                )
            )
    main = MAIN.replace("SETUP", "\n".join(setup)).replace("STEP", "net.step(x, y);")
    text = PLAIN_CPP + "\n".join(tables) + main.replace("UNITS", str(layer.hidden_size))
    return build(folder, "plain", "c++", f"-std=c++17 {flags}", {"plain.cpp": text})


def run(program: Path, count: int) -> tuple[float, np.ndarray]:
    """The seconds of a run, and its last output."""
    words = subprocess.run([program, str(count)], capture_output=True, check=True).stdout.split()
    return float(words[0]), np.array(words[1:], np.float32)


def session_run(layer: ostinato.Recurrent, folder: Path) -> Callable[[int], tuple]:
    """ONNX Runtime, one sample at a time with the states fed back."""
    import onnxruntime

    onnx.write(layer, folder / "layer.onnx", lengths=False)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = settings.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(
        str(folder / "layer.onnx"), settings, providers=["CPUExecutionProvider"]
    )

    def of(count: int) -> tuple[float, np.ndarray]:
        x = samples(count).reshape(-1, 1, 1, 1)
        h = s = np.zeros((1, 1, layer.hidden_size), np.float32)
        start = time.process_time()
        for one in x:
            y, h, s = session.run(None, {"x": one, "initial_h": h, "initial_c": s})
        return time.process_time() - start, y.reshape(-1)

    return of


def stream_run(layer: ostinato.Recurrent) -> Callable[[int], tuple]:
    """The layer's own stream."""

    def of(count: int) -> tuple[float, np.ndarray]:
        x = torch.from_numpy(samples(count)).reshape(-1, 1, 1)
        stream, out = layer.stream(), torch.empty(1, layer.hidden_size)
        start = time.process_time()
        for one in x:
            stream.step(one, out=out)
        return time.process_time() - start, out.reshape(-1).numpy()

    return of


def timings(rounds: int, count: int) -> None:
    """Print the table of times."""
    print("| units | flags | program | ns a sample | ratio to the C export |")
    print("|---|---|---|---|---|")
    for units in UNITS:
        torch.manual_seed(0)
        layer = ostinato.Recurrent("lstm", INPUTS, units).eval()
        for flags in FLAGS:
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                own, plain = own_program(layer, folder, flags), plain_program(layer, folder, flags)
                programs: dict[str, tuple[int, Callable[[int], tuple]]] = {
                    "C export": (count, lambda n, own=own: run(own, n)),
                    "hand-written C++": (count, lambda n, plain=plain: run(plain, n)),
                }
                if flags == FLAGS[-1]:
                    programs["stream"] = (count // 20, stream_run(layer))
                    programs["ONNX Runtime"] = (count // 20, session_run(layer, folder))
                wanted = programs["C export"][1](100)[1]
                for title, (_, program) in programs.items():
                    error = float(abs(program(100)[1] - wanted).max())
                    assert error < 1e-5, (title, error)
                times: dict[str, list[float]] = {title: [] for title in programs}
                for _ in range(rounds):
                    for title, (own_count, program) in programs.items():
                        times[title].append(program(own_count)[0] / own_count * 1e9)
            for title, found in times.items():
                ratio = statistics.median(a / b for a, b in zip(found, times["C export"]))
                median = statistics.median(found)
                shown = flags if "C" in title else ""
                print(f"| {units} | {shown} | {title} | {median:,.0f} | {ratio:.2f} |")


# Declarations of the functions that the code calls: a Cortex-M4 has another C library.
LIBRARY = {
    "math.h": "float expf(float); float tanhf(float); float logf(float); float log1pf(float);\n"
    "float sqrtf(float); float floorf(float); float fabsf(float);\n",
    "string.h": "#include <stddef.h>\nvoid *memcpy(void *, const void *, size_t);\n"
    "void *memset(void *, int, size_t);\n",
}


def object_size(folder: Path, command: list[str]) -> int:
    """Bytes of code and constants of layer.c."""
    subprocess.run([*command, "-c", "layer.c", "-o", "layer.o"], cwd=folder, check=True)
    printed = subprocess.run(
        ["size", "-A", "layer.o"], cwd=folder, capture_output=True, text=True, check=True
    ).stdout
    rows = [line.split() for line in printed.splitlines() if line.startswith((".text", ".rodata"))]
    return sum(int(row[1]) for row in rows)


def memory() -> None:
    """Print the table of flash and memory."""
    print("| model | weights | tables | state | stack | multiplications | -Os here | Cortex-M4 |")
    print("|---|---|---|---|---|---|---|---|")
    for cell, units in MODELS:
        torch.manual_seed(0)
        layer = ostinato.Recurrent(cell, MODEL_INPUTS, units).eval()
        for weights in ("float32", "int8"):
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name)
                sizes = c.write(layer, folder / "layer", weights=weights).sizes
                here = object_size(folder, ["cc", "-std=c99", "-Os"])
                there = ""
                if shutil.which("clang"):
                    (folder / "library").mkdir()
                    for file, text in LIBRARY.items():
                        (folder / "library" / file).write_text(text)
                    options = "--target=thumbv7em-none-eabihf -mcpu=cortex-m4 -std=c99 -Os"
                    command = ["clang", *options.split(), "-ffreestanding", "-Ilibrary"]
                    there = f"{object_size(folder, command):,}"
            print(
                f"| {cell}({units}) | {weights} | {sizes.flash:,} | {sizes.state:,} | "
                f"{sizes.stack:,} | {sizes.multiplications:,} | {here:,} | {there} |"
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--samples", type=int, default=20_000)
    given = parser.parse_args()
    torch.set_num_threads(1)
    timings(given.rounds, given.samples)
    print()
    memory()


if __name__ == "__main__":
    main()
