"""Layers as C code: the compiled code computes what the layer computes."""

import copy
import random
import re
import shutil
import subprocess
from collections.abc import Mapping

import numpy as np
import pytest
import torch

import odd_cells
import ostinato
from ostinato.cells import CELLS
from ostinato.errors import EngineError, InputError, TensorError
from ostinato.exchange import c
from ostinato.exchange.c import compile as c_compile
from ostinato.exchange.c import support as c_support
from ostinato.exchange.c.layer import LayerFile, layer_file
from ostinato.exchange.c.support import WEIGHTS
from ostinato.language.graph import POINTWISE
from ostinato.language.tracing import Cell
from places import ROOT
from random_cells import SMALL, Body, made

pytestmark = pytest.mark.skipif(
    not any(map(shutil.which, c_compile.COMPILERS)), reason="a C compiler is not installed"
)

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
    check({n: layer_of(n, 1 + k, True, engine="reference") for k, n in enumerate(FEW[2:4])}, "gcc")


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
    check(layers, draw.choice(COMPILERS), weights=draw.choice(WEIGHTS))


@pytest.mark.parametrize("weights", ["float32", "int8"])
def test_odd_cells_equal_their_layers(weights):
    cells = {name: one for name, one in vars(odd_cells).items() if isinstance(one, Cell)}
    layers = {name: layer_of(one, engine="reference") for name, one in cells.items()}
    check(layers, "gcc", weights=weights)


def test_a_sum_may_be_multiplied_by_a_matrix(tmp_path):
    @ostinato.cell
    def summed(x, h, *, W=ostinato.weight("H", 1), U=ostinato.weight("H", 1)):
        return ostinato.tanh(W @ ostinato.sum(h) + U @ ostinato.mean(x))

    for weights in WEIGHTS:
        c.write(layer_of(summed), tmp_path / "layer", weights=weights)


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


def test_a_row_of_tiny_numbers_has_a_scale():
    for size in (0.0, 1e-45, 1e-38):
        whole, scale = c_support.quantised(np.full((2, 3), size, np.float32))
        assert (scale > 0).all() and abs(whole * scale[:, None] - size).max() <= 1e-38


def written(layer, folder, name="layer", **options) -> str:
    c.write(layer, folder / name, check=False, **options)
    return (folder / f"{name}.c").read_text()


def shell(line: str, folder) -> subprocess.CompletedProcess:
    return subprocess.run(line, shell=True, cwd=folder, capture_output=True, text=True)


def test_the_code_calls_few_functions_and_has_no_variables(tmp_path):
    command("gcc")
    for k, name in enumerate(["layer_norm_lstm", "phased_lstm", "slstm"]):
        written(layer_of(name, 1 + k % 2, k == 0), tmp_path, name, weights=WEIGHTS[k % 2])
        assert not shell(f"gcc {' '.join(STRICT)} -O2 -c {name}.c", tmp_path).stderr
        rows = [line.split() for line in shell(f"nm {name}.o", tmp_path).stdout.splitlines()]
        needed = {row[1] for row in rows if row[0] == "U"} - {"_GLOBAL_OFFSET_TABLE_"}
        assert needed <= SYMBOLS | {"__stack_chk_fail"}
        # T, t: functions; R, r: constants
        assert {row[1] for row in rows if row[0] != "U"} <= set("TtRr")


def test_the_header_is_for_c_plus_plus_too(tmp_path):
    command("g++")
    written(ostinato.LSTM(3, 5, bidirectional=True), tmp_path)
    (tmp_path / "user.cpp").write_text('#include "layer.h"\nlayer_state state;\n')
    assert not shell("g++ -Wall -Wextra -Werror -pedantic -c user.cpp", tmp_path).stderr


def test_the_self_test_finds_a_changed_weight(tmp_path):
    command("gcc")
    text = written(layer_of("gru"), tmp_path)
    build = "gcc -DLAYER_SELFTEST -DLAYER_SELFTEST_MAIN layer.c -o test -lm && ./test"
    done = shell(build, tmp_path)
    assert (done.returncode, done.stdout) == (0, "all results are right\n")
    number = re.search(r"layer_U_l0\[\d+\] = \{\s*([-\d.e]+)f", text)[1]
    (tmp_path / "layer.c").write_text(text.replace(f"{number}f", f"{float(number) + 0.5}f", 1))
    done = shell(build, tmp_path)
    assert done.returncode == 1 and re.search(r"output\[\d+\] is \S+ and should be", done.stdout)


@pytest.mark.parametrize(
    "layer",
    [
        ostinato.RNN(I, H, 2, bidirectional=True, batch_first=True),
        ostinato.RNN(I, H, nonlinearity="relu", bias=False),
        ostinato.LSTM(I, H, 2, proj_size=2),
        ostinato.GRU(I, H, 2, bias=False, bidirectional=True),
        ostinato.Recurrent("lstm", I, H, zoneout=0.1),
        ostinato.Recurrent("lstm", I, H, 2, dropout=0.5, recurrent_dropout=0.2),
        ostinato.Recurrent("gru", I, H, precision="bfloat16"),
        ostinato.Recurrent("lstm", 1, 1),
    ],
    ids=lambda layer: f"{type(layer).__name__}({layer.extra_repr()})",
)
def test_a_layer_of_any_options_is_compared_in_evaluation_mode(layer, tmp_path):
    c.write(layer, tmp_path / "layer", weights="int8")
    assert layer.training


def test_learned_states_are_in_the_code(tmp_path):
    layer = layer_of("lstm", 2, learned_state=True)
    with torch.no_grad():
        for name, parameter in layer.named_parameters():
            if name.startswith("initial_h"):
                parameter.normal_()
    assert "layer_initial_h_l1" in written(layer, tmp_path)
    c.write(layer, tmp_path / "layer")


@pytest.mark.parametrize("weights", WEIGHTS)
def test_weights_that_are_computed_or_sums_are_in_the_code(weights, tmp_path):
    layer = layer_of("lstm", 2)
    torch.nn.utils.parametrizations.weight_norm(layer, "U_l0")
    before = layer(torch.ones(1, 2, I))[0]
    c.write(layer, tmp_path / "normalized", weights=weights)
    assert torch.equal(layer(torch.ones(1, 2, I))[0], before)
    summed = layer_of("lstm", names={"U": ("first", "second"), "b": ()})
    c.write(summed, tmp_path / "summed", weights=weights)


def test_names_of_a_cell_may_be_words_of_c(tmp_path):
    @ostinato.cell
    def odd(
        int,  # noqa: A002
        y=ostinato.input(2),
        state=ostinato.state(),
        *,
        double=ostinato.weight("H", "I"),
        β=ostinato.weight("H"),
        steps=ostinato.weight("H", 2),
    ):
        float = double @ int + β  # noqa: A001
        j = ostinato.tanh(float) * float
        expf = ostinato.sigmoid(j + steps @ y) + j
        return expf * state + j

    c.write(layer_of(odd, 2), tmp_path / "odd")


def test_nothing_is_written_where_the_results_differ(tmp_path, monkeypatch):
    monkeypatch.setitem(c_support.EXPRESSIONS, "tanh", "expf({})")
    with pytest.raises(EngineError, match="differs from the model's .* nothing has been written"):
        c.write(layer_of("lstm"), tmp_path / "layer")
    monkeypatch.setitem(c_support.EXPRESSIONS, "tanh", "({} +)")
    with pytest.raises(EngineError, match="cannot compile the C code: .* nothing has been written"):
        c.write(layer_of("lstm"), tmp_path / "layer")
    assert not list(tmp_path.iterdir())


def test_a_missing_compiler_is_one_error(tmp_path, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    monkeypatch.setattr(c_compile.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(EngineError, match="install one .* check=False"):
        c.write(ostinato.GRU(I, H), tmp_path / "layer")
    assert not list(tmp_path.iterdir())
    c.write(ostinato.GRU(I, H), tmp_path / "layer", check=False)
    monkeypatch.setenv("CC", "absent-compiler -O2")
    with pytest.raises(EngineError, match="CC is 'absent-compiler -O2'"):
        c.write(ostinato.GRU(I, H), tmp_path / "layer")


def test_bad_arguments_are_refused(tmp_path):
    layer = ostinato.GRU(I, H)
    for name in ("1gru", "gru-2", "int", "", "x" * 61, "é"):
        with pytest.raises(InputError, match="cannot begin the names of C functions"):
            c.write(layer, tmp_path / "layer", name=name)
    with pytest.raises(InputError, match="is a directory; give the name of the files"):
        c.write(layer, tmp_path)
    with pytest.raises(InputError, match="weights='int4' .* write one of 'float32', 'int8'"):
        c.write(layer, tmp_path / "layer", weights="int4")
    with pytest.raises(InputError, match="was given a GRU; give a layer"):
        c.write(torch.nn.GRU(I, H), tmp_path / "layer")
    with pytest.raises(TensorError, match="torch.float64; C is written in float32"):
        c.write(ostinato.GRU(I, H).double(), tmp_path / "layer")
    with pytest.raises(InputError, match="cannot write .*No such file"):
        c.write(layer, tmp_path / "nowhere" / "layer", check=False)
    with torch.no_grad():
        layer.weight_hh_l0[2, 1] = float("nan")
    with pytest.raises(InputError, match="'weight_hh_l0' has a number that is infinite or not"):
        c.write(layer, tmp_path / "layer")
    assert not list(tmp_path.iterdir())


def test_either_both_files_are_written_or_none(tmp_path):
    (tmp_path / "layer.c").mkdir()
    with pytest.raises(InputError, match="cannot write .*layer.c"):
        c.write(ostinato.GRU(I, H), tmp_path / "layer", check=False)
    assert [path.name for path in tmp_path.iterdir()] == ["layer.c"]


def code_of(page: str, language: str) -> str:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.search(rf"```{language}\n(.*?)```", text, re.S)[1]


def test_the_sensor_loop_of_the_page_compiles(tmp_path, monkeypatch, capsys):
    command("gcc")
    monkeypatch.chdir(tmp_path)
    exec(code_of("microcontrollers.md", "python"), {})
    assert capsys.readouterr().out == code_of("microcontrollers.md", "text")
    declared = "int read_sensor(float *x);\nvoid use(const float *y);\n"
    (tmp_path / "loop.c").write_text(declared + code_of("microcontrollers.md", "c"))
    assert not shell(f"gcc {' '.join(STRICT)} -c loop.c", tmp_path).stderr
    done = shell(code_of("microcontrollers.md", "sh"), tmp_path)
    assert done.stdout == "all results are right\n", done.stderr


def test_the_process_callback_of_the_page_compiles(tmp_path):
    command("g++")
    written(ostinato.LSTM(1, 16, proj_size=1), tmp_path, "amp")
    (tmp_path / "amp.cpp").write_text(code_of("audio_plugins.md", "cpp"))
    assert not shell("g++ -std=c++17 -Wall -Wextra -Werror -c amp.cpp", tmp_path).stderr
