"""Layers as C code: the compiled code computes what the layer computes."""

import copy
import random
import shutil
from collections.abc import Mapping

import numpy as np
import pytest
import torch

import odd_cells
import ostinato
from ostinato.cells import CELLS
from ostinato.exchange import c, c_compile, c_support
from ostinato.exchange.c_layer import LayerFile, layer_file
from ostinato.language.graph import POINTWISE
from ostinato.language.tracing import Cell
from random_cells import SMALL, Body, made

I, H, T = 3, 5, 6
STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZED = [*STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILERS = ["gcc", "clang"]
# All that the code may need of a C library.
SYMBOLS = set("expf tanhf logf log1pf sqrtf floorf memcpy memset".split())
# Two products, two phases, means, two inputs, an output that is not a state, and functions.
FEW = ["lstm", "gru_original", "layer_norm_lstm", "phased_lstm", "lru", "antisymmetric_rnn"]


def layer_of(
    cell: str | Cell, layers: int = 1, bidirectional: bool = False, **others
) -> ostinato.Recurrent:
    cell = CELLS[cell] if isinstance(cell, str) else cell
    sizes = dict.fromkeys((cell.graph.letters | cell.graph.output.size.letters) - {"I", "H"}, 4)
    torch.manual_seed(0)
    arguments = {"bidirectional": bidirectional, "sizes": sizes} | others
    return ostinato.Recurrent(cell, I, H, layers, **arguments).eval()


def command(name: str) -> list[str]:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return [path]


def program(files: Mapping[str, LayerFile]) -> dict[str, str]:
    """The sources of a program that reads a sequence for each layer, runs it as a whole and step by
    step, and writes the outputs; its exit code is the number of wrong results of all self-tests.
    """
    sources, calls = {}, []
    for name, one in files.items():
        code, upper = one.code, name.upper()
        widths = list(code.inputs.values())
        rows = ", ".join(f"x{k} + t * {n}" for k, n in enumerate(widths))
        sources |= {f"{name}.h": one.file.header, f"{name}.inc": one.file.source}
        step = f"{name}_step(&state, {rows}, y + t * {code.output_size});"
        calls.append(
            f"static int run_{name}(void)\n{{\nsize_t t;\n{name}_state state;\n"
            + "".join(f"float x{k}[{T * n}];\n" for k, n in enumerate(widths))
            + f"float y[{T * code.output_size}], scratch[{upper}_SCRATCH({T})];\n"
            + "".join(f"get(x{k}, {T * n});\n" for k, n in enumerate(widths))
            + f"{name}_init(&state);\n{name}_run(&state, "
            + ", ".join(f"x{k}" for k in range(len(widths)))
            + f", {T}, y, scratch);\nput(y, {T * code.output_size});\n{name}_reset(&state);\n"
            + f"for (t = 0; t < {T}; t++) {{ {step if code.has_step else ''} }}\n"
            + f"put(y, {T * code.output_size});\nreturn {name}_selftest();\n}}\n"
        )
    sources["all.c"] = (
        "".join(f"#define {name.upper()}_SELFTEST\n" for name in files)
        + "".join(f'#include "{name}.inc"\n' for name in files)
        + "#include <stdio.h>\n#include <stdlib.h>\n"
        "static void get(float *p, size_t n) { if (fread(p, 4, n, stdin) != n) exit(99); }\n"
        "static void put(float *p, size_t n) { if (fwrite(p, 4, n, stdout) != n) exit(99); }\n"
        + "".join(calls)
        + "int main(void)\n{\nint wrong = 0;\n"
        + "".join(f"wrong += run_{name}();\n" for name in files)
        + "return wrong > 0;\n}\n"
    )
    return sources


def exact(layer: ostinato.Recurrent, x: tuple[torch.Tensor, ...]) -> torch.Tensor:
    layer = copy.deepcopy(layer).double()
    layer.engine = "reference"
    x = tuple(one.double() for one in x)
    with torch.no_grad():
        return layer(x if len(x) > 1 else x[0])[0][0]


def stepped(layer: ostinato.Recurrent, x: tuple[torch.Tensor, ...]) -> torch.Tensor:
    """The outputs (T, units) of a layer, by its stream if it has one."""
    with torch.no_grad():
        if layer.bidirectional:
            return layer(x if len(x) > 1 else x[0])[0][0]
        stream = layer.stream()
        rows = [tuple(one[:, t] for one in x) for t in range(T)]
        return torch.cat([stream.step(row if len(row) > 1 else row[0]) for row in rows])


def check(layers: Mapping[str, ostinato.Recurrent], compiler: str, *, weights="float32"):
    """Compile layers in one program, and compare them with themselves on any engine."""
    tool = command(compiler)
    files = {name: layer_file(layer, name, weights) for name, layer in layers.items()}
    given, sent = {}, b""
    for name, layer in layers.items():
        letters = layer._letters(0)
        given[name] = tuple(
            torch.randn(1, T, size.at(letters)) for size in layer.graph.inputs.values()
        )
        sent += b"".join(x.numpy().tobytes() for x in given[name])
    found = np.frombuffer(
        c_compile.run_c(program(files), sent, compiler=tool, flags=SANITIZED), np.float32
    )
    for name, one in files.items():
        layer, x = one.computed, given[name]
        layer.engine = layers[name].engine
        wanted, right = stepped(layer, x).numpy(), exact(layer, x).numpy()
        finite = np.isfinite(wanted) & np.isfinite(right)
        assert finite[0].any(), name
        largest, rounding = abs(right[finite]).max(), abs(wanted - right)[finite].max()
        limit = max(1e-6 * max(1.0, largest), 4 * rounding)
        for _ in range(2):  # as a whole, and step by step
            y, found = found[: wanted.size].reshape(wanted.shape), found[wanted.size :]
            error = abs(y - wanted)[finite].max()
            assert error <= limit, (name, error, limit)
    assert not found.size


@pytest.mark.parametrize("compiler", COMPILERS)
def test_code_equals_the_stream_of_its_layer(compiler):
    check({name: layer_of(name) for name in FEW[:2]}, compiler)


def test_stacks_of_both_directions_equal_their_layers():
    check({n: layer_of(n, 1 + k, True, engine="reference") for k, n in enumerate(FEW[2:5])}, "gcc")


@pytest.mark.slow
@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_every_cell_equals_its_stream(layers, compiler, weights):
    for both in (False, True):
        check({n: layer_of(n, layers, both) for n in CELLS}, compiler, weights=weights)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_random_cells_equal_their_layers(seed):
    draw, layers = random.Random(seed), {}
    while len(layers) < 30:
        body = Body(draw)
        cell = made(body.source)
        letters = (cell.graph.letters | cell.graph.output.size.letters) - {"I", "H"}
        further = {size for size in list(cell.graph.inputs.values())[1:]}
        stack = 1 if any("I" in size.letters for size in further) else draw.choice((1, 2))
        torch.manual_seed(seed)
        layers[f"drawn{len(layers)}"] = ostinato.Recurrent(
            cell,
            draw.choice(SMALL),
            draw.choice(SMALL),
            stack,
            bidirectional=draw.random() < 0.3,
            sizes={letter: draw.choice(SMALL) for letter in letters},
        ).eval()
    check(layers, draw.choice(COMPILERS), weights=draw.choice(c_support.WEIGHTS))


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_odd_cells_equal_their_layers(weights):
    cells = {name: one for name, one in vars(odd_cells).items() if isinstance(one, Cell)}
    layers = {name: layer_of(one, engine="reference") for name, one in cells.items()}
    check(layers, "gcc", weights=weights)


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", ["lstm", "antisymmetric_rnn"])
def test_the_files_are_compared_before_they_are_written(name, weights, tmp_path):
    report = c.write(layer_of(name, 2, True), tmp_path / "layer.c", weights=weights)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["layer.c", "layer.h"]
    assert (report.rounding is None) == (weights == "float32")


@pytest.mark.parametrize("op", sorted(POINTWISE))
def test_every_operation_has_an_expression(op):
    assert op in c_support.EXPRESSIONS


def test_int8_numbers_are_within_half_a_step_of_the_weights():
    weight = np.random.default_rng(0).normal(size=(7, 33)).astype(np.float32)
    weight[3] = 0
    whole, scale = c_support.quantised(weight)
    assert (abs(whole * scale[:, None] - weight) <= 0.501 * scale[:, None]).all()
