"""The pages of the cells are what the code makes, say the same in both languages, and their figures
are those of the layers.
"""

import contextlib
import io
import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

import catalogue
from catalogue import main
from catalogue.counts import FAMILIES, OTHER, parameters, work
from catalogue.measured import (
    FILE,
    MODES,
    Learned,
    Measured,
    Times,
    measure,
    read,
    write,
)
from catalogue.pages import PAGES, PICTURE, described, page
from catalogue.trained import TASKS
from catalogue.words import IN_KOREAN, RECIPES
from ostinato import Recurrent
from ostinato.cells import CELLS
from ostinato.errors import InputError
from places import ROOT

TIMES = Times(
    "a processor",
    2,
    "2026-11-25",
    (32, 100, 64, 128),
    {"lstm": {"inference": 4e-3, "training": 1e-2}, "gru": {"inference": 3e-3, "training": 1.5e-2}},
)
LEARNED = {
    "classify": Learned(TASKS["classify"][-1], 400, 98, {"lstm": 0.9184, "gru": None}),
    "generate": Learned(TASKS["generate"][-1], 180_068, 30_110, {"lstm": 1.8765, "gru": 1.75}),
}
SOME = Measured(TIMES, LEARNED)


def rows(text):
    return {
        row[0].partition("`")[2].partition("`")[0]: row
        for row in (
            [cell.strip() for cell in line.strip("|").split("|")]
            for line in text.splitlines()
            if line.startswith("| [")
        )
    }


# ---------------------------------------------------------------- the pages


@pytest.mark.parametrize("language", PAGES)
def test_the_page_in_docs_is_what_the_code_makes(language):
    wanted = page(language, read(ROOT / FILE))
    assert (ROOT / "docs" / PAGES[language]).read_text(encoding="utf-8") == wanted, (
        "python -m catalogue docs writes it"
    )


def test_the_picture_in_docs_shows_every_cell_that_has_a_result():
    words = {
        text.text
        for text in ElementTree.parse(ROOT / "docs" / PICTURE).iter(
            "{http://www.w3.org/2000/svg}text"
        )
    }
    values = [one.values for one in read(ROOT / FILE).learned.values()]
    assert {name for one in values for name, value in one.items() if value is not None} <= words
    for name in PAGES.values():
        assert re.search(
            rf"^!\[[^]]+\]\({PICTURE}\)$", (ROOT / "docs" / name).read_text(encoding="utf-8"), re.M
        )


@pytest.mark.parametrize("language", PAGES)
def test_a_page_has_every_cell_with_its_paper_and_its_equations(language):
    parts = {part.partition("`")[0]: part for part in page(language).split("\n### `")}
    for name, made in CELLS.items():
        assert described(made)[1] in parts[name] and described(made)[1]
        assert f"```text\n{made.equations()}\n```" in parts[name]
        assert f"```latex\n{made.equations('latex')}\n```" in parts[name]


def test_the_families_are_all_cells():
    assert [name for cells in FAMILIES.values() for name in cells] == list(CELLS)


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_is_described_in_korean_with_the_same_parts_and_names(name):
    ours, theirs = described(CELLS[name])[0], IN_KOREAN[name].split("\n\n")
    names = [
        [set(re.findall(r"`[^`]+`", paragraph)) for paragraph in paragraphs]
        for paragraphs in (ours, theirs)
    ]
    assert names[0] == names[1]
    assert all(re.search("[가-힣]", paragraph) for paragraph in theirs)


def test_no_cell_is_described_that_there_is_not():
    assert set(IN_KOREAN) == set(CELLS)


@pytest.mark.parametrize("measured", [Measured(), SOME], ids=["not measured", "measured"])
def test_both_languages_have_the_same_outline_and_code(measured):
    found = []
    for language in PAGES:
        text = page(language, measured)
        prose = re.sub(r"^```.*?^```$", "", text, flags=re.M | re.S)
        found.append(
            (
                re.findall(r"^(#+ |- |\||!)", prose, re.M),
                re.findall(r"^```(\w+)\n(.*?)^```$", text, re.M | re.S),
                [
                    [*row[:3], *(re.sub("[^-0-9.]", "", value) for value in row[4:])]
                    for row in rows(text).values()
                ],
                [
                    sorted(re.findall(r"\d[\d.,]*\d|\d", line))
                    for line in prose.splitlines()
                    if line.startswith("- ")
                ],
            )
        )
    assert found[0] == found[1]


def test_a_yes_in_the_table_is_for_cells_that_are_linear_in_their_state():
    marked = {name for name, row in rows(page("en")).items() if row[3] == "yes"}
    assert marked == {name for name, made in CELLS.items() if made.graph.is_linear}


def test_recipes_run_and_print_what_is_shown():
    shared = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        for code in RECIPES:
            exec(code, shared)
    assert page("en").endswith(f"```python\n{RECIPES[-1]}```\n\n```text\n{printed.getvalue()}```\n")
    assert (shared["irnn"].U_l0 == torch.eye(100)).all() and (shared["layer"].b_l0[32:] == 0).all()
    assert not any(p.requires_grad for p in shared["reservoir"].parameters())


# ---------------------------------------------------------------- figures


@pytest.mark.parametrize("name", CELLS)
def test_parameters_and_multiply_adds_are_those_of_a_layer(name):
    graph, sizes = CELLS[name].graph, {"I": 6, "H": 4}
    letters = dict.fromkeys((graph.letters | graph.output.size.letters) - {"I", "H"}, OTHER)
    layer = Recurrent(name, 6, 4, sizes=letters)
    counted = sum(p.numel() for p in layer.parameters())
    assert eval(parameters(graph), {"__builtins__": {}}, sizes | letters) * 4 == pytest.approx(
        counted
    )
    # a matrix is multiplied once, but for those that are used twice
    again = layer.U_l0.numel() if name == "antisymmetric_rnn" else 0
    assert (
        work(graph, (1, 1, 6, 4))
        == sum(p.numel() for p in layer.parameters() if p.dim() == 2) + again
    )


def test_the_time_of_a_multiply_add_is_shown_as_a_multiple_of_the_lstms():
    assert (work(CELLS["lstm"].graph), work(CELLS["gru"].graph)) == (4 * 128 * 192, 3 * 128 * 192)
    table = rows(page("en", SOME))
    assert table["lstm"][4:8] == ["4.00", "1.00x", "10.0", "1.00x"]
    assert table["gru"][4:8] == ["3.00", "1.00x", "15.0", "2.00x"]
    assert table["elman"][4:8] == ["-"] * 4
    assert "Measured on 2026-11-25: a processor, threads: 2." in page("en", SOME)


def test_a_result_is_shown_or_why_there_is_none():
    table = rows(page("en", SOME))
    assert [
        table[name][8:] for name in ("lstm", "gru", "elman", "phased_lstm", "intersection")
    ] == [
        ["0.918", "1.877"],
        ["diverged", "1.750"],
        ["-", "-"],
        ["two inputs", "two inputs"],
        ["-", "-"],
    ]
    assert rows(page("ko", SOME))["gru"][8:] == ["발산", "1.750"]
    assert rows(page("en"))["lstm"][8:] == ["-", "-"]


def test_the_budget_is_said_where_there_are_results():
    assert all(
        f"after {one.options['steps']} training steps" in page("en", SOME)
        for one in LEARNED.values()
    )
    assert "of one seed and one short budget for all cells" in page("en", SOME)
    assert "run `python -m catalogue train DATA`" in page("en") and "one seed" not in page("en")


def test_what_is_measured_is_written_and_read_back(tmp_path):
    said, path = [], tmp_path / "cells.json"
    write(path, Measured(None, LEARNED))
    names = ["min_gru", "phased_lstm", "lstm_full"]
    taken = measure(
        path, names=names, shape=(2, 3, 5, 6), threads=1, budget=0.0, fewest=2, say=said.append
    )
    assert read(path) == Measured(taken, LEARNED)
    assert (
        taken.threads == 1
        and taken.shape == (2, 3, 5, 6)
        and said == ["inference: 4 cells", "training: 4 cells"]
    )
    assert set(taken.seconds) == {"lstm", "min_gru", "phased_lstm", "lstm_full"}
    assert all(0 < taken.seconds[name][mode] < 1 for name in taken.seconds for mode in MODES)
    assert rows(page("ko", Measured(taken)))["lstm"][5] == "1.00x"


# ---------------------------------------------------------------- commands


def test_the_pages_are_written_into_a_directory(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("docs").mkdir()
    assert main(["docs"]) == 0
    names = ["tf1-names.md", "tf1-names.ko.md"]
    assert capsys.readouterr().out.splitlines() == [
        f"docs/{name}" for name in ["cells.md", "cells.ko.md", *names]
    ]
    assert Path("docs/cells.md").read_text(encoding="utf-8") == page("en")
    assert Path("docs/cells.ko.md").read_text(encoding="utf-8") == page("ko")
    Path("benchmarks").mkdir()
    write(FILE, SOME)
    assert main(["docs", "."]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "cells.md",
        "cells.ko.md",
        "cells.svg",
        *names,
    ]
    assert Path("cells.md").read_text(encoding="utf-8") == page("en", SOME)
    ElementTree.parse("cells.svg")


def test_cells_are_measured_and_trained_into_a_file(monkeypatch):
    asked = []
    monkeypatch.setattr(catalogue, "measure", asked.append)
    monkeypatch.setattr(catalogue, "train", lambda *given, **others: asked.append((*given, others)))
    assert main(["measure"]) == main(["measure", "other.json"]) == 0
    assert main(["train", "data"]) == main(["train", "data", "--only", "gru"]) == 0
    assert asked == [
        FILE,
        Path("other.json"),
        (FILE, Path("data"), {}),
        (FILE, Path("data"), {"only": "gru"}),
    ]


@pytest.mark.parametrize(
    "words", [[], ["pages"], ["docs", "a", "b"], ["train"], ["train", "a", "--only"]], ids=str
)
def test_other_words_are_refused(words, capsys):
    assert main(words) == 2
    assert re.match(
        r"error: python -m catalogue.*: write docs \[DIRECTORY\] to make",
        capsys.readouterr().err,
    )


def test_a_directory_that_is_not_there_is_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["docs", "nowhere"]) == 2
    assert "nowhere" in capsys.readouterr().err


@pytest.mark.parametrize(
    "content, why",
    [
        ({}, "KeyError: 'format'"),
        ({"format": 1}, "format 1, and this version reads 2"),
        (
            {"times": vars(TIMES) | {"seconds": {"gru": {"inference": 1, "training": 1}}}},
            "no times of the LSTM",
        ),
        ({"times": vars(TIMES) | {"seconds": {"lstm": {"inference": 1}}}}, "KeyError: 'training'"),
        ({"times": vars(TIMES) | {"shape": [1, 2]}}, "no shape of four sizes"),
        ({"times": vars(TIMES) | {"seconds": 3}}, "AttributeError"),
        ({"times": None}, "KeyError: 'learned'"),
        (
            {
                "times": None,
                "learned": {"classify": vars(LEARNED["classify"]) | {"values": {"lstm": "good"}}},
            },
            "ValueError",
        ),
    ],
)
def test_a_file_of_something_else_is_refused(content, why, tmp_path):
    (tmp_path / "cells.json").write_text(
        json.dumps({"format": 2} | content if content else {}), encoding="utf-8"
    )
    with pytest.raises(
        InputError,
        match=f"cells.json' is not a file of cells' measurements .*{why}.*write a new one with: ",
    ):
        read(tmp_path / "cells.json")
