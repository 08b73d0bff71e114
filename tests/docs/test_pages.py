"""The README and the guides say what is so: their examples run and print what is shown, their links
lead somewhere, languages agree.
"""

import contextlib
import functools
import io
import json
import linecache
import math
import re
import shlex
from pathlib import Path

import pytest
import torch
from typer.main import get_command

import ostinato.errors
import ostinato.language.tracing
from ostinato import tanh, tf1
from ostinato.cells import CELLS, classic
from ostinato.cli.main import app
from ostinato.errors import InputError
from ostinato.language.graph import POINTWISE
from ostinato.language.initialisers import INITIALISERS
from ostinato.tasks import Generator, generate, task
from ostinato.tasks.options import TASKS as LISTINGS
from places import ROOT

READMES = ("README.md", "README.ko.md")
INDEX = ("docs/README.md", "docs/README.ko.md")
LANGUAGE = ("docs/language.md", "docs/language.ko.md")
LAYERS = ("docs/layers.md", "docs/layers.ko.md")
GENERATE = ("docs/generate.md", "docs/generate.ko.md")
# test_tf1.py runs this page's examples and looks for its names
TF1 = ("docs/tf1.md", "docs/tf1.ko.md")
TF1_NAMES = ("docs/tf1-names.md", "docs/tf1-names.ko.md")
BENCHMARK = ("docs/benchmark.md", "docs/benchmark.ko.md")
TASKS = ("docs/tasks.md", "docs/tasks.ko.md")
FORECAST = ("docs/forecast.md", "docs/forecast.ko.md")
CONTRIB = ("docs/contrib.md", "docs/contrib.ko.md")
TORCH = ("docs/torch.md", "docs/torch.ko.md")
EXCHANGE = "docs/exchange.md", "docs/exchange.ko.md"
MICROCONTROLLERS = ("docs/microcontrollers.md", "docs/microcontrollers.ko.md")
AUDIO = ("docs/audio_plugins.md", "docs/audio_plugins.ko.md")
CELL_PAGES = ("docs/cells.md", "docs/cells.ko.md")
PAIRS = [
    READMES,
    INDEX,
    LANGUAGE,
    LAYERS,
    GENERATE,
    TASKS,
    FORECAST,
    TF1,
    TF1_NAMES,
    CONTRIB,
    CELL_PAGES,
    BENCHMARK,
    TORCH,
    EXCHANGE,
    MICROCONTROLLERS,
    AUDIO,
]
PAGES = [page for pair in PAIRS for page in pair]


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[tuple[str, str]]:
    """The fenced blocks of a page: what they are in, and their text."""
    return re.findall(r"^```(\w*)\n(.*?)^```$", read(name), re.M | re.S)


def prose(name: str) -> str:
    return re.sub(r"^```.*?^```$", "", read(name), flags=re.M | re.S)


def rows(name: str) -> list[list[str]]:
    """The cells of every line of every table."""
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in prose(name).splitlines()
        if line.startswith("|")
    ]


def uncommented(code: str) -> list[str]:
    return [re.sub(r"\s*#.*", "", line) for line in code.splitlines()]


def run(code: str, shared: dict) -> str:
    """The text that an example prints, as a part of a file cells.py whose text errors can show."""
    linecache.cache["cells.py"] = len(code), None, code.splitlines(keepends=True), "cells.py"
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "cells.py", "exec"), shared)
    return printed.getvalue()


# ---------------------------------------------------------------- every page


def test_every_page_is_looked_at_here():
    there = [
        path.relative_to(ROOT).as_posix()
        for path in (*ROOT.glob("README*.md"), *ROOT.glob("docs/*.md"))
    ]
    assert sorted(there) == sorted(PAGES)


# The text blocks of each page with examples.
SHOWN = {READMES: 1, LANGUAGE: 11, LAYERS: 4}


@pytest.mark.parametrize(
    "name, least", [(name, least) for pair, least in SHOWN.items() for name in pair]
)
def test_every_python_example_prints_what_the_page_shows(name, least):
    found, shared, shown = blocks(name), {"__name__": "page"}, 0
    for (language, code), (next_language, wanted) in zip(found, [*found[1:], ("", "")]):
        if language == "python":
            assert run(code, shared) == (wanted if next_language == "text" else "")
            shown += next_language == "text"
    assert shown == len([language for language, _ in found if language == "text"]) >= least


@pytest.mark.parametrize("english, korean", PAIRS)
def test_both_languages_have_the_same_parts_and_code(english, korean):
    ours, theirs = blocks(english), blocks(korean)
    assert [(language, uncommented(code)) for language, code in ours] == [
        (language, uncommented(code)) for language, code in theirs
    ]
    outlines = [
        re.findall(r"^(#+ |[-*] |\|(?=.*\|$))", prose(name), re.M) for name in (english, korean)
    ]
    assert outlines[0] == outlines[1] and len(outlines[0]) > 10
    # a table's first column is code or words; where it is code alone it is the same in both
    code = [
        [row[0] for row in rows(name) if re.fullmatch(r"(`[^`]*`(, )?)+", row[0])]
        for name in (english, korean)
    ]
    assert code[0] == code[1]


def spans(name: str) -> list[tuple[int, set[str]]]:
    """For each section of a page, its place and the code in its running text, lists and tables."""
    parts = re.split(r"^#+ ", prose(name), flags=re.M)
    return [(place, set(re.findall(r"`[^`\n]+`", part))) for place, part in enumerate(parts)]


@pytest.mark.parametrize("english, korean", PAIRS)
def test_both_languages_have_the_same_code_in_their_text(english, korean):
    assert spans(english) == spans(korean)


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("name", PAGES)
def test_every_local_link_leads_to_a_file(name):
    found = re.findall(r"(?:\]\(|src=\"|srcset=\")([^)\" ]+)", prose(name))
    links = [link.partition("#") for link in found if "://" not in link]
    assert links
    for path, _, anchor in links:
        page = (ROOT / name).parent / path if path else ROOT / name
        assert page.is_file(), path
        assert not anchor or anchor in headings(page), f"{path}#{anchor}"


@pytest.mark.parametrize("name", PAGES)
def test_a_page_leads_to_pages_of_its_own_language(name):
    links = re.findall(r"\]\(([^)#]+\.md)\)", prose(name))
    korean = [link for link in links if link.endswith(".ko.md")]
    # one link goes to the other language; these pages have one language
    one = ("CHANGELOG.md", "CONTRIBUTING.md", "ARCHITECTURE.md")
    others = [link for link in links if link not in korean and link.split("/")[-1] not in one]
    assert len(others if name.endswith(".ko.md") else korean) == 1


@pytest.mark.parametrize("name", PAGES)
def test_every_command_shown_is_one_with_such_options(name):
    shown = [line for _, code in blocks(name) for line in uncommented(code)]
    shown += re.findall(r"`(ostinato [^`\n]+)`", prose(name))
    commands = [line for line in shown if line.startswith("ostinato ")]
    assert commands or name not in (*READMES, *GENERATE, *BENCHMARK)
    for command in commands:
        found, words = get_command(app), shlex.split(command)[1:]
        while words and words[0] in getattr(found, "commands", ()):
            found = found.commands[words.pop(0)]
        known = {"--help", *(option for parameter in found.params for option in parameter.opts)}
        assert [word for word in words if word.startswith("--") and word not in known] == []


@pytest.mark.parametrize("name", [*READMES, *GENERATE, *CELL_PAGES])
def test_every_cell_is_named(name):
    cells = CELLS if name in CELL_PAGES else classic.CELLS
    assert [cell for cell in cells if f"`{cell}`" not in read(name)] == []
    assert name in CELL_PAGES or re.search(r"\(((docs/)?cells(\.ko)?\.md)\)", read(name)), (
        "the page of all cells is named"
    )


@pytest.mark.parametrize(
    "name, here", [*zip(CONTRIB, (("supported", "partly"), ("지원", "일부 지원")))]
)
def test_what_the_page_on_contrib_calls_supported_is_there(name, here):
    """The counts are those of TensorFlow 1.13.1 in each module; the names of tf.nn.rnn_cell, which
    tf.contrib.rnn repeats, count once.
    """
    counts = {
        "tf.nn.rnn_cell": 10,
        "tf.contrib.rnn": 40,
        "tf.contrib.grid_rnn": 9,
        "tf.contrib.seq2seq": 29,
    }
    for part in read(name).split("\n## ")[1:]:
        module, found = (
            part[1 : part.index("`", 1)],
            re.findall(
                r"^\| `(\w+)` \| (?:`(\w+)`)? ?\| (.*) \|$",
                part,
                re.M,
            ),
        )
        assert len(found) == counts.pop(module)
        assert {cell for _, cell, _ in found} <= {*CELLS, ""}
        ours = functools.reduce(
            lambda at, word: getattr(at, word, None), module.split(".")[1:], tf1
        )
        assert [
            word for word, _, what in found if what.startswith(here) != hasattr(ours, word)
        ] == []
    assert not counts


# ---------------------------------------------------------------- torch.nn


@pytest.mark.parametrize("name", TORCH)
def test_the_page_on_torch_nn_says_what_differs(name):
    (_, code), (_, wanted) = blocks(name)
    assert run(code, {"__name__": "page"}) == wanted
    for made in (ostinato.RNN(2, 3), ostinato.LSTM(2, 3), ostinato.GRU(2, 3)):
        assert isinstance(made, ostinato.Recurrent) and not isinstance(made, torch.nn.RNNBase)
    table = {row[0].strip("`"): row[1] for row in rows(name) if row[0].endswith("Error`")}
    for error, bases in table.items():
        kinds = {kind.__name__ for kind in getattr(ostinato.errors, error).__mro__}
        assert set(re.findall(r"`(\w+)`", bases)) <= kinds
    assert len(table) == 5


# ---------------------------------------------------------------- the language


@pytest.mark.parametrize("name", LANGUAGE)
def test_every_operation_is_in_a_table(name):
    operators = {
        "add": "`+`",
        "sub": "`-`",
        "mul": "`*`",
        "div": "`/`",
        "neg": "`-z`",
        "less": "`a < b`",
    }
    forms = [
        *operators.values(),
        "`W @ x`",
        "`W.T @ z`",
        "`z ** 2`",
        "`z ** 3`",
        "`z ** 0.5`",
        "`z ** -1`",
        "`a > b`",
        "`ostinato.sum(",
    ]
    exported = {
        n
        for n, value in vars(ostinato).items()
        if callable(value) and value is vars(ostinato.language).get(n)
    } - {"cell", "weight", "state", "input"}
    functions = [*(POINTWISE.keys() - operators.keys()), *exported]
    tables = "\n".join(row[0] for row in rows(name))
    assert [
        form for form in (*forms, *(f"`{f}(" for f in functions)) if form not in tables
    ] == [] and len(exported) > 12


@pytest.mark.parametrize("name", LANGUAGE)
def test_the_plan_is_printed_as_the_page_says(name):
    call = re.search(r"`print\((lstm\.plan\(.*?\))\)`", read(name))[1]
    assert str(eval(call, dict(CELLS)))


@pytest.mark.parametrize("name", LANGUAGE)
def test_every_declaration_and_initialiser_is_in_a_table(name):
    tables = "\n".join(row[0] for row in rows(name))
    assert [
        form for form in ("weight(", "ostinato.state(", "ostinato.input(") if form not in tables
    ] == []
    assert [init for init in INITIALISERS if f'`"{init}"`' not in tables] == []


def test_an_operation_that_does_nothing_is_where_the_page_says():
    assert "`ostinato.language.operations.identity`" in read(LANGUAGE[0])
    assert ostinato.language.operations.identity(tanh) is tanh


# ---------------------------------------------------------------- writing text

KOREAN = {
    "required": "필수",
    "none": "없음",
    "off": "꺼짐",
    "all cores": "모든 코어",
    "random": "무작위",
}


def default(parameter) -> str:
    """An option's default as the pages write it."""
    if parameter.required:
        return "required"
    if isinstance(parameter.show_default, str):
        return parameter.show_default
    if parameter.is_flag:
        return "off"
    return (
        f"{parameter.default:g}"
        if isinstance(parameter.default, (int, float))
        else parameter.default or "none"
    )


@pytest.mark.parametrize("name", GENERATE)
@pytest.mark.parametrize("command", ["ostinato train generate", "ostinato generate"])
def test_every_option_is_in_its_table_with_its_default(name, command):
    found = get_command(app)
    for word in command.split()[1:]:
        found = found.commands[word]
    options = [
        p
        for p in found.params
        if p.param_type_name == "option" and not p.hidden and p.name != "help"
    ]
    wanted = [[f"`{p.opts[0]}`", default(p)] for p in options]
    if name.endswith(".ko.md"):
        wanted = [[option, KOREAN.get(value, value)] for option, value in wanted]
    part = next(
        part for part in read(name).split("\n## ") if f"`{command}`" in part.partition("\n")[0]
    )
    table = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in part.splitlines()
        if line.startswith("| `--")
    ]
    assert [row[:2] for row in table] == wanted
    assert all(len(row) == 3 and row[2] for row in table)


@pytest.mark.parametrize("name", GENERATE)
def test_every_file_of_a_model_directory_is_named(name):
    files = [
        task.CONFIG,
        task.VOCABULARY,
        task.WEIGHTS,
        task.CHECKPOINT,
        task.HISTORY,
        task.REPORT,
        generate.CURVE,
    ]
    assert [row[0] for row in rows(name) if row[0].strip("`") in files] == [
        f"`{file}`" for file in files
    ]


@pytest.mark.parametrize("name", GENERATE)
def test_a_model_is_trained_and_writes_as_the_page_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("novel.txt").write_text(
        "It was a phrase that repeats, and it was a phrase that repeats.\n" * 60, encoding="utf-8"
    )
    large, small = "hidden=512, epochs=20", "hidden=8, steps=12"
    train, write = (code for language, code in blocks(name) if language == "python")
    assert large in train
    shared = {"__name__": "page"}
    assert run(train.replace(large, small), shared) == ""
    assert len(run(write, shared)) == 100 and len(shared["text"]) == 300


@pytest.mark.parametrize(
    "name, words",
    [
        *zip(
            GENERATE,
            (
                r"at least ([\d,]+) characters",
                r"적어도 ([\d,]+)글자",
            ),
        )
    ],
)
def test_the_least_text_is_what_the_page_says(name, words, tmp_path):
    least = int(re.search(words, read(name))[1].replace(",", ""))
    (tmp_path / "short.txt").write_text("a" * (least - 1), encoding="utf-8")
    with pytest.raises(InputError, match=f"take {least} at least"):
        Generator().fit(tmp_path / "short.txt")


# ---------------------------------------------------------------- recorded figures

PEERS = ("torch", "onnxruntime", "jax", "keras")
NAMED = {"torch": "torch.nn", "onnxruntime": "ONNX Runtime", "jax": "JAX", "keras": "Keras"}
ENGLISH = {"추론": "inference", "학습": "training"}


def recorded() -> dict[tuple[str, str, str], dict[str, float]]:
    """The ratios of benchmarks/ratios.json, by layer, mode and shape."""
    rows = json.loads(read("benchmarks/ratios.json"))["rows"]
    keys = [re.fullmatch(r"(.+) (inference|training) (.+)", row).groups() for row in rows]
    return {
        key: {peer: ratio for peer, (ratio, _) in row.items()}
        for key, row in zip(keys, rows.values())
    }


def printed(machine: str) -> dict[tuple[str, str, str], dict[str, float]]:
    """The ratios of a recorded output of the benchmark, likewise; two digits after the point."""
    found, mode = {}, ""
    for line in read(f"benchmarks/{machine}.txt").splitlines():
        mode = next((one for one in ENGLISH.values() if line.startswith(f"{one}:")), mode)
        words = line.split()
        if words and words[0] in ("RNN", "LSTM", "GRU"):
            _, *ratios = [float(word[:-1]) for word in words if re.fullmatch(r"[\d.]+x", word)]
            peers = PEERS if mode == "inference" else [PEERS[0], *PEERS[2:]]
            found[words[0], mode, words[1]] = dict(zip(peers, ratios, strict=True))
    return found


def geometric_mean(found: dict, layer: str, mode: str, batches: str, peer: str | None) -> float:
    chosen = [
        ratios[peer] if peer else min(ratios.values())
        for (name, kind, shape), ratios in found.items()
        if (name, kind) == (layer, mode)
        and (batches == "all" or (shape.split(",")[0] == "1") == (batches == "one"))
    ]
    return math.exp(sum(map(math.log, chosen)) / len(chosen))


@pytest.mark.parametrize("name", [*READMES, *BENCHMARK])
def test_the_means_of_each_layer_are_those_of_the_recorded_runs(name):
    batches = {"all": "all", "전체": "all", "8 rows or more": "many", "8행 이상": "many"}
    batches |= {"1 row": "one", "1행": "one"}
    checked = 0
    for row in rows(name):
        if len(row) not in (6, 7) or row[-5] not in batches:
            continue
        *machine, mode, which, compared = row[:-3]
        found = printed("avx2") if machine == ["AVX2"] else recorded()
        peer = "torch" if compared == "`torch.nn`" else None
        for layer, value in zip(("RNN", "LSTM", "GRU"), row[-3:]):
            mean = geometric_mean(found, layer, ENGLISH.get(mode, mode), batches[which], peer)
            assert abs(mean - float(value)) < 0.0101, row
        checked += 1
    assert checked == (5 if name in READMES else 13)


@pytest.mark.parametrize("name", BENCHMARK)
def test_every_row_that_is_below_one_is_in_the_table_of_losses(name):
    """The page's table of the shapes at which others are faster, against both recorded runs."""
    wanted = {}
    for machine, found in (("AVX-512", recorded()), ("AVX2", printed("avx2"))):
        for (layer, mode, shape), ratios in found.items():
            slower = {
                NAMED[peer]: 1 / ratio
                for peer, ratio in ratios.items()
                if peer in NAMED and ratio < 1
            }
            if slower:
                wanted[machine, layer, mode, shape.split(" ")[0].rstrip("*")] = slower
    shown = {}
    for machine, what, shape, faster in (row for row in rows(name) if len(row) == 4):
        if machine in ("AVX-512", "AVX2"):
            layer, mode = what.split(", ")
            key = machine, layer, ENGLISH.get(mode, mode), re.search(r"\(([\d,]+)\)", shape)[1]
            shown[key] = {
                peer: float(ratio)
                for peer, ratio in re.findall(r"([A-Za-z. ]+) ([\d.]+)[x배]", faster)
            }
    assert shown.keys() == wanted.keys()
    for key, slower in wanted.items():
        assert (
            shown[key].keys() == slower.keys() or {p.strip() for p in shown[key]} == slower.keys()
        )
        for peer, ratio in shown[key].items():
            assert abs(slower[peer.strip()] - ratio) < 0.0101, key


@pytest.mark.parametrize("name", BENCHMARK)
def test_the_figures_of_custom_cells_are_the_recorded_ones(name):
    found, cells = recorded(), ("peephole LSTM", "original GRU", "layer-norm LSTM")
    shown = [row for row in rows(name) if len(row) == 5 and row[4].endswith("x")]
    assert len(shown) == 12
    for place, (_, mode, shape, relative, speedup) in enumerate(shown):
        ratios = found[cells[place // 4], ENGLISH.get(mode, mode), shape.strip("()")]
        assert abs(1 / ratios["ostinato.LSTM"] - float(relative)) < 0.0101
        assert abs(ratios["torch loop"] / float(speedup[:-1]) - 1) < 0.01


@pytest.mark.parametrize("narrow", ["", ".narrow"])
def test_the_pictures_of_the_readme_show_the_recorded_figures(narrow):
    """Text is drawn as outlines, and each has its words in a comment."""
    hero, benchmark = (
        set(re.findall(r"<!-- (.*?) -->", read(f"docs/pictures/{one}{narrow}.svg")))
        for one in ("hero", "benchmark")
    )
    found = recorded()
    for (_, mode, shape), ratios in found.items():
        if "torch loop" in ratios and mode == "training":
            rows = "1 row" if shape == "1,100,32,32" else "32 rows"
            assert f"{ratios['torch loop']:.1f}x   {rows}" in hero
    for layer in ("RNN", "LSTM", "GRU"):
        for mode in ENGLISH.values():
            assert f"{layer}, {mode}" in benchmark
            for peer in PEERS if mode == "inference" else (PEERS[0], *PEERS[2:]):
                mean = geometric_mean(found, layer, mode, "all", peer)
                assert f"{mean:.2f}x" in benchmark


@pytest.mark.parametrize("name", READMES)
def test_the_readme_is_short_and_counts_the_cells(name):
    assert len(read(name).splitlines()) <= 120
    assert re.search(rf"\b{len(CELLS)} ?(cells|가지)", read(name))


def test_the_command_line_and_the_page_have_the_same_form_for_each_task():
    shown = {
        row[1]: row[0] for row in rows(TASKS[0]) if row[1] and row[0].startswith(("One", "Many"))
    }
    forms = {re.search(r"`(\w+)`", task)[1]: form for task, form in shown.items()}
    assert forms == {task: listing.summary.split(":")[0] for task, listing in LISTINGS.items()}


@pytest.mark.parametrize("name", TASKS)
def test_the_page_of_the_tasks_has_their_defaults(name):
    shown = {row[0].strip("`"): row[2:] for row in rows(name) if len(row) == 4 and row[2].isdigit()}
    wanted = {task: listing.options() for task, listing in LISTINGS.items()}
    assert shown == {task: [str(one.hidden), str(one.layers)] for task, one in wanted.items()}


# ---------------------------------------------------------------- Korean

# Words of the Korean pages that nobody searches for, and what to write instead.
VARIANTS = {
    "십시오": "-세요",
    "낱말": "단어, 토큰",
    "꼬리표": "태그",
    "알아맞": "예측",
    "정칙화": "규제",
    "최적화기": "옵티마이저",
    "쓰레기 수집": "가비지 컬렉터",
    "견주": "비교",
    "걸음": "스텝",
    "오스티나토": "Ostinato",
    "텐서플로": "TensorFlow",
    "파이토치": "PyTorch",
    "수업": "강의",
    "많아야": "최대",
    "다섯 가지 꼴": "다섯 가지 형태",
}
LESSONS = [path.relative_to(ROOT).as_posix() for path in ROOT.glob("docs/lessons/ko/*.ipynb")]


@pytest.mark.parametrize(
    "name", [*(korean for _, korean in PAIRS), "docs/lessons/README.ko.md", *sorted(LESSONS)]
)
def test_a_korean_page_uses_the_terms_of_the_field(name):
    found = [
        (number, word, instead)
        for number, line in enumerate(read(name).splitlines(), 1)
        for word, instead in VARIANTS.items()
        if word in line
    ]
    assert found == []
