"""Tasks as C code: the compiled code gives the answers of the task."""

import copy
import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from ostinato.errors import EngineError, InputError
from ostinato.exchange import c
from ostinato.exchange.c import tasks as c_tasks
from ostinato.exchange.c.compile import run_c
from ostinato.exchange.c.tasks import compare_task, program, rounded_task, task_file
from ostinato.nn.torch_baseline import torch_baseline
from ostinato.tasks import Classifier, Forecaster, Generator, Tagger, random_kernels
from ostinato.tasks.classify_model import ClassifyEnsemble
from places import ROOT

STRICT = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
SANITIZED = [*STRICT, "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
COMPILERS = ["gcc", "clang"]
# All that the code may need of a C library.
SYMBOLS = set("exp expf tanhf pow log sqrt sin cos sincos memcpy memset memmove strlen".split())
SYLLABLES = ["ba", "ke", "Lo", "mi", "Ström", "Σοφος", "ΤΑΣ", "한글", "나라", "é", "J\u030c", "İst"]
SMALL = {"hidden": 6, "engine": "reference", "steps": 3}
WORDS = SMALL | {"embedding": 5, "character_hidden": 4, "character_embedding": 3}


def sequences(count: int, units: int, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
    """Waves of three frequencies, of different lengths."""
    generator_of_numbers = np.random.default_rng(seed)
    rows = []
    for k in range(count):
        steps = np.arange(generator_of_numbers.integers(4, 20))[:, None]
        wave = np.sin(steps * (0.3 + 0.3 * (k % 3)) + np.arange(units))
        rows.append((wave + 0.2 * generator_of_numbers.normal(size=wave.shape)).astype(np.float32))
    return rows, ["abc"[k % 3] for k in range(count)]


def sentences(count: int, seed: int = 0) -> tuple[list[list[str]], list[list[str]]]:
    """Sentences of made-up words, and tags of spans that begin with a capital letter."""
    chosen = random.Random(seed)
    rows = [
        [
            "".join(chosen.choice(SYLLABLES) for _ in range(chosen.randint(1, 3)))
            for _ in range(chosen.randint(1, 8))
        ]
        for _ in range(count)
    ]
    return rows, [["B-X" if word[0].isupper() else "O" for word in row] for row in rows]


def text(count: int, seed: int = 0) -> str:
    chosen = random.Random(seed)
    parts = ["ba", "ke ", "it's ", "한글 ", "12", "!\n", " "]
    return "".join(chosen.choice(parts) for _ in range(count))


def series(count: int) -> np.ndarray:
    noise = np.random.default_rng(0).normal(size=count)
    return np.sin(np.arange(count) * 2 * np.pi / 6) + 0.1 * noise + 0.02 * np.arange(count)


def numbers(**options) -> Classifier:
    options = SMALL | {"linear": False, "standardise": False} | options
    task = Classifier(**options).fit(*sequences(30, 2))
    if task.model.linear is not None:
        task.model.linear.weight.fill_(0.4)
    return task


def texts(**options) -> Classifier:
    rows, _ = sentences(40)
    rows = [" ".join(row) for row in rows]
    options = WORDS | {"tokens": "word", "linear": False} | options
    return Classifier(**options).fit(rows, ["ab"["ke" in row] for row in rows])


def tagger(**options) -> Tagger:
    return Tagger(**(WORDS | options)).fit(*sentences(40))


def generator(**options) -> Generator:
    options = SMALL | {"embedding": 5, "batch": 2, "sequence_length": 8} | options
    return Generator(**options).fit([text(600)])


def forecaster(data=None, **options) -> Forecaster:
    task = Forecaster(**(SMALL | {"horizon": 4} | options)).fit(
        series(120) if data is None else data
    )
    torch.manual_seed(0)
    with torch.no_grad():
        # as if each method were of use
        torch.nn.init.normal_(task.model.final.readout.weight, std=0.3)
        task.model.weights.fill_(1 / 8)
    return task


def dated(start: str, step: str, count: int = 120, **columns) -> dict:
    dates = np.datetime64(start) + np.arange(count) * np.timedelta64(1, step)
    return {"when": [str(date).replace("T", " ") for date in dates]} | columns


MODELS = {
    "numbers": numbers,
    "steps": lambda: numbers(bidirectional=False, cell="gru"),
    "texts": texts,
    "tagger": tagger,
    "characters": generator,
    "byte pairs": lambda: generator(vocabulary="byte-pair", vocabulary_size=270, cell="gru"),
    "series": forecaster,
    "dates": lambda: forecaster(
        dated("2021-03", "M", a=np.exp(series(120)), b=series(120) + 9), power=0, cell="gru"
    ),
}
MORE = {
    "ensemble": lambda: numbers(ensemble=2, bidirectional=False),
    "layers": lambda: numbers(layers=3, cell="layer_norm_lstm"),
    "standardised": lambda: numbers(standardise=True),
    "embeddings": lambda: texts(spelling=False, bidirectional=False, lowercase=False),
    "independent tags": lambda: tagger(transitions=False, characters="jamo", layers=2),
    "hours": lambda: forecaster(dated("2024-01-01T00", "h", a=series(120) + 5), power=0.5),
    "days": lambda: forecaster(
        dated("2024-01-01", "D", a=series(120)), difference=False, season=7, lags=0
    ),
}
BUILT: dict[str, object] = {}


def model(name: str):
    """A small trained task; each is trained once."""
    if name not in BUILT:
        BUILT[name] = (MODELS | MORE)[name]()
    return BUILT[name]


def compiler(name: str) -> list[str]:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return [path]


def check(task, weights: str, name: str) -> None:
    """Compile a task with all warnings and sanitizers, and compare it."""
    one = task_file(task, "model", weights)
    output = run_c(program(one), one.code.proof.given, compiler=compiler(name), flags=SANITIZED)
    compare_task(one, output)


@pytest.mark.parametrize("name", ["steps", "tagger", "characters", "series"])
def test_the_compiled_code_gives_the_answers_of_the_task(name):
    check(model(name), "float32", "gcc")


@pytest.mark.slow
@pytest.mark.parametrize("compiler_name", COMPILERS)
@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("name", MODELS | MORE)
def test_any_model_gives_the_answers_of_the_task_with_each_compiler(name, weights, compiler_name):
    check(model(name), weights, compiler_name)


@pytest.mark.parametrize("name", ["steps", "series"])
def test_int8_weights_are_those_of_a_rounded_task(name):
    check(model(name), "int8", "gcc")
    rounded = rounded_task(model(name))
    before, after = (task.model.state_dict() for task in (model(name), rounded))
    assert any(not torch.equal(before[key], after[key]) for key in before)


@pytest.mark.slow
def test_random_kernels_are_part_of_the_code(monkeypatch):
    monkeypatch.setattr(random_kernels, "FEATURES", 200)
    task = numbers(linear=True, steps=2)
    check(task, "float32", "gcc")
    check(task, "int8", "gcc")
    alone = task_file(task, "model", network_only=True)
    assert "kernel" not in alone.file.source


@pytest.mark.parametrize("name", ["steps", "tagger", "byte pairs", "dates"])
def test_the_self_test_passes_and_the_code_needs_neither_memory_nor_files(name, tmp_path):
    one = task_file(model(name), "model")
    files = {"model.h": one.file.header, "model.c": one.file.source}
    macros = ["-DMODEL_SELFTEST", "-DMODEL_SELFTEST_MAIN"]
    run_c(files, compiler=compiler("gcc"), flags=[*SANITIZED, *macros])
    for file, content in files.items():
        (tmp_path / file).write_text(content, encoding="utf-8")
    command = [*compiler("gcc"), *STRICT, "-O2", "-fno-pie", "-c", "model.c"]
    subprocess.run(command, cwd=tmp_path, check=True)
    listed = subprocess.run(["nm", "model.o"], cwd=tmp_path, capture_output=True, text=True)
    lines = [line.split() for line in listed.stdout.splitlines()]
    assert {line[-1] for line in lines if line[-2] == "U"} <= SYMBOLS
    # no variables: neither initialised (D, d) nor zero (B, b, C)
    assert not {line[-2] for line in lines} & set("DBbC")


# ---------------------------------------------------------------- without ostinato


def held_out(name: str, rows: int) -> tuple[str, dict, list]:
    """A task's name, inputs as JSON, and the task's answers."""
    task = model(name)
    if name in ("numbers", "steps"):
        x, _ = sequences(rows, 2, seed=1)
        wanted = task.predict(x).tolist()
        return "classify", {"rows": [one.tolist() for one in x], "labels": 3}, wanted
    if name == "texts":
        x = [" ".join(row) for row in sentences(rows, seed=1)[0]]
        return "classify", {"rows": x, "labels": 2}, task.predict(x).tolist()
    if name == "tagger":
        x, _ = sentences(rows, seed=1)
        return "tag", {"rows": x, "labels": len(task.metadata.tags)}, task.predict(x)
    if name == "characters":
        x = [text(3, seed=k) for k in range(rows)]
        wanted = [task.generate(prompt, length=12, beams=1) for prompt in x]
        return "generate", {"rows": x, "labels": len(task.vocabulary), "steps": 12}, wanted
    later = series(120 + rows)[120:]
    wanted = []
    for k in range(rows):
        answers = task.predict_dicts(later[:k] if k else None, 3)
        wanted.append([one[key] for one in answers for key in ("value", "low", "high")])
    return "forecast", {"rows": later.tolist(), "steps": 3}, wanted


def check_script(name: str, rows: int, folder: Path) -> None:
    """Write a task as C, and compare the answers of a script without ostinato."""
    c.write(model(name), folder / "model", check=False)
    library = folder / "model.so"
    command = [*compiler("gcc"), "-std=c99", "-O2", "-shared", "-fPIC", "model.c", "-o", library]
    subprocess.run([*command, "-lm"], cwd=folder, check=True)
    task, given, wanted = held_out(name, rows)
    (folder / "inputs.json").write_text(json.dumps(given), encoding="utf-8")
    script = [ROOT / "tests" / "c_models.py", task, library, folder / "inputs.json"]
    # -S: without installed packages
    done = subprocess.run([sys.executable, "-I", "-S", *script], capture_output=True, check=True)
    found = json.loads(done.stdout)
    if task == "forecast":
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)
    else:
        assert found == wanted


@pytest.mark.parametrize("name", ["numbers", "tagger", "characters", "series"])
def test_a_script_without_ostinato_gives_the_same_answers(name, tmp_path):
    check_script(name, 8, tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["numbers", "steps", "texts", "tagger", "characters", "series"])
def test_a_script_without_ostinato_gives_the_same_answers_on_100_rows(name, tmp_path):
    check_script(name, 100, tmp_path)


# ---------------------------------------------------------------- calls of the code


def run_calls(name: str, body: str) -> str:
    """The output of a program that calls the code of a model."""
    one = task_file(model(name), "model")
    main = f'#include "model.h"\n#include <stdio.h>\n#include <stdlib.h>\nint main(void)\n{{\n{body}\n}}\n'
    files = {"model.h": one.file.header, "model.c": one.file.source, "main.c": main}
    return run_c(files, compiler=compiler("gcc"), flags=SANITIZED).decode()


def test_one_step_at_a_time_gives_the_answer_of_the_whole_sequence():
    (row,), _ = sequences(1, 2, seed=3)
    x = ", ".join(f"{value!r}" for value in row.ravel().tolist())
    body = f"""
static const float x[] = {{{x}}};
static double scratch[MODEL_SCRATCH({len(row)}) / 8 + 1];
model_state state;
float whole[MODEL_LABELS], steps[MODEL_LABELS];
int k, first, second;
first = model_predict(x, {len(row)}, scratch, whole);
model_init(&state);
model_step(&state, x);
model_reset(&state);
for (k = 0; k < {len(row)}; k++)
    model_step(&state, x + k * MODEL_UNITS);
second = model_result(&state, steps);
for (k = 0; k < MODEL_LABELS; k++)
    if (whole[k] != steps[k])
        return 7;
printf("%s %s", model_labels[first], model_labels[second]);
return 0;"""
    label = model("steps").predict([row])[0]
    assert run_calls("steps", body) == f"{label} {label}"


def test_words_that_are_not_valid_are_refused():
    body = r"""
static double scratch[MODEL_SCRATCH(2, 4) / 8 + 1];
const char *good[] = {"ba", "\xEA\xB0\x80"}, *empty[] = {"ba", ""}, *longer[] = {"ba", "abcde"};
const char *cut[] = {"ba", "\xEA\xB0"}, *surrogate[] = {"ba", "\xED\xA0\x80"};
int tags[2];
printf("%d %d %d %d %d", model_predict(good, 2, 4, scratch, tags),
       model_predict(empty, 2, 4, scratch, tags), model_predict(longer, 2, 4, scratch, tags),
       model_predict(cut, 2, 4, scratch, tags), model_predict(surrogate, 2, 4, scratch, tags));
return 0;"""
    assert run_calls("tagger", body) == "0 -1 -1 -1 -1"


def test_unknown_characters_and_texts_that_are_too_long_are_refused():
    body = r"""
static double scratch[MODEL_SCRATCH(8) / 8 + 1];
int tokens[8];
printf("%ld %ld %ld %ld", model_encode("bake", 4, tokens, 8, scratch),
       model_encode("bake", 4, tokens, 3, scratch), model_encode("b\xC3\x9F", 3, tokens, 8, scratch),
       model_encode("b\xFF", 2, tokens, 8, scratch));
return 0;"""
    assert run_calls("characters", body) == "4 -1 -1 -1"


def test_a_random_number_chooses_the_token_at_its_place_in_the_distribution():
    task = model("characters")
    count = len(task.vocabulary)
    logits = np.random.default_rng(1).normal(size=count).astype(np.float32)
    shares = np.cumsum(torch.softmax(torch.from_numpy(logits).double() / 0.5, 0).numpy())
    drawn = [0.0, 0.1, 0.35, 0.7, 0.999999]
    wanted = [int(np.searchsorted(shares, number, side="right")) for number in drawn]
    table, places = (", ".join(map(repr, one)) for one in (logits.tolist(), drawn))
    body = f"""
static const float logits[] = {{{table}}};
static const double drawn[] = {{{places}}};
int k;
for (k = 0; k < {len(drawn)}; k++)
    printf("%d ", model_sample(logits, 0.5, drawn[k]));
printf("%d", model_sample(logits, 0.0, 0.5));
return 0;"""
    found = list(map(int, run_calls("characters", body).split()))
    assert found == [*wanted, int(logits.argmax())]


def test_a_forecast_needs_enough_values_in_the_range_of_the_transform():
    body = """
static model_state state;
static model_value forecasts[4];
static double scratch[MODEL_SCRATCH(2) / 8 + 1];
double good[] = {1.5, 9.5}, negative[] = {-1.0, 9.5}, odd[] = {1.5, 0.0};
int k, first;
odd[1] /= odd[1];
model_init(&state, 0);
first = model_predict(&state, 2, scratch, forecasts);
printf("%d %lld ", first, (long long)(forecasts[2].date / 86400000000));
printf("%d %d ", model_add(&state, negative), model_add(&state, odd));
model_clear(&state, 0);
for (k = 0; k < 5; k++)
    model_add(&state, good);
printf("%d %lld", model_predict(&state, 2, scratch, forecasts), (long long)(state.next / 86400000000));
return 0;"""
    days = (np.datetime64("2031-04-01") - np.datetime64("1970-01-01")).astype(int)
    june = (np.datetime64("1970-06-01") - np.datetime64("1970-01-01")).astype(int)
    assert run_calls("dates", body) == f"0 {days} -1 -1 -1 {june}"


# ---------------------------------------------------------------- errors


@pytest.mark.slow
def test_a_model_with_a_part_that_c_cannot_compute_names_the_option(tmp_path):
    task = texts(linear=True)
    task.model.linear.weight.fill_(0.5)
    with pytest.raises(InputError, match="n-grams.*network_only=True.*--network-only"):
        c.write(task, tmp_path / "model")
    assert not list(tmp_path.iterdir())
    check_alone = task_file(task, "model", network_only=True)
    output = run_c(program(check_alone), check_alone.code.proof.given)
    compare_task(check_alone, output)


def test_options_and_models_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(InputError, match="network_only=True.*is an option of classifiers"):
        c.write(model("tagger"), tmp_path / "model", network_only=True)
    task = copy.copy(model("texts"))
    task.options = replace(task.options, tokens="character")
    with pytest.raises(InputError, match="tokens 'character'.*--tokens word"):
        c.write(task, tmp_path / "model")
    task = copy.copy(model("texts"))
    task.model = ClassifyEnsemble([task.model, task.model])
    with pytest.raises(InputError, match="one network alone.*without --ensemble"):
        c.write(task, tmp_path / "model")
    task = copy.copy(model("texts"))
    task.options = replace(task.options, multi_label=True)
    with pytest.raises(InputError, match="several labels.*--multi-label"):
        c.write(task, tmp_path / "model")
    with pytest.raises(InputError, match="no model yet"):
        c.write(Classifier(), tmp_path / "model")
    task = copy.copy(model("steps"))
    task.model = copy.deepcopy(task.model)
    task.model.recurrent = torch_baseline(task.model.recurrent)
    with pytest.raises(InputError, match="--engine torch"):
        c.write(task, tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_not_finite_are_refused(tmp_path):
    task = generator()
    task.model.readout.weight.data[0, 0] = torch.inf
    with pytest.raises(InputError, match="'readout.weight'.*infinite"):
        c.write(task, tmp_path / "model")


def test_nothing_is_written_if_the_code_computes_something_else(tmp_path, monkeypatch):
    monkeypatch.setattr(c_tasks, "TOLERANCE", -1.0)
    with pytest.raises(EngineError, match="the probabilities of the C code differ"):
        c.write(model("steps"), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_the_report_of_an_export_states_sizes_and_rounding(tmp_path):
    task = model("steps")
    exact = c.write(task, tmp_path / "exact", check=False)
    rounded = c.write(task, tmp_path / "rounded", weights="int8", check=False)
    assert exact.rounding is None
    assert 0 < rounded.rounding < 0.1
    assert rounded.sizes.flash < exact.sizes.flash
    # the state of a GRU, and the largest number, the last one and the sum of each output
    assert exact.sizes.state == 4 * 6 + 16 * 6 + 8
    assert "written by ostinato" in exact.header.read_text(encoding="utf-8")
