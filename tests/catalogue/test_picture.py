"""The picture of the cells has a named point for each, and the names can be read."""

from itertools import combinations
from xml.etree import ElementTree

import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg

from catalogue.counts import FAMILIES
from catalogue.measured import Learned, Measured, Times
from catalogue.picture import draw, picture
from ostinato.cells import CELLS


@pytest.fixture
def measured():
    """Random numbers for every cell, many of them near each other, and one that diverged."""
    drawn, other = torch.randn(2, len(CELLS)).tolist()
    seconds = {
        name: {"inference": 1.0, "training": 2**number} for name, number in zip(CELLS, drawn)
    }
    values = {name: round(0.9 + 0.03 * number, 2) for name, number in zip(CELLS, other)}
    times = Times("a processor", 2, "2026-11-25", (32, 100, 64, 128), seconds)
    return Measured(
        times,
        {
            "classify": Learned({}, 1, 1, values | {"nas": None}),
            "generate": Learned({}, 1, 1, values),
        },
    )


def test_every_cell_with_a_result_has_a_point_and_a_name_that_covers_nothing(measured):
    figure = picture(measured)
    FigureCanvasAgg(figure).draw()
    assert [axes.get_title() for axes in figure.axes] == [
        "classify",
        "generate",
    ] and figure.get_facecolor()[:3] == (1, 1, 1)
    for axes, left_out in zip(figure.axes, ({"nas"}, set())):
        points = {
            (float(x), float(y))
            for line in axes.get_lines()
            if line.get_label() in FAMILIES
            for x, y in line.get_xydata()
        }
        texts = {text.get_text(): text.get_window_extent() for text in axes.texts}
        assert texts.keys() == CELLS.keys() - left_out and len(points) == len(texts)
        assert [(a, b) for (a, x), (b, y) in combinations(texts.items(), 2) if x.overlaps(y)] == []
        places = axes.transData.transform(list(points))
        assert [
            name for name, box in texts.items() if any(box.contains(*place) for place in places)
        ] == []
        inside = axes.get_window_extent()
        assert all(
            inside.containsx(x) and inside.containsy(y)
            for box in texts.values()
            for x, y in box.corners()
        )


def test_few_results_are_drawn_too(measured):
    few = Measured(
        measured.times, {"classify": Learned({}, 1, 1, {"lru": 0.5}), "generate": Learned({}, 1, 1)}
    )
    assert [[text.get_text() for text in axes.texts] for axes in picture(few).axes] == [["lru"], []]


def test_the_better_result_is_higher_up(measured):
    classify, generate = picture(measured).axes
    assert not classify.yaxis_inverted() and generate.yaxis_inverted()
    assert generate.get_ylabel() == "nats per character, lower is better"


def test_the_file_is_whole_has_text_as_text_and_is_the_same_again(measured, tmp_path):
    for name in ("a.svg", "b.svg"):
        draw(measured, tmp_path / name)
    words = {
        text.text
        for text in ElementTree.parse(tmp_path / "a.svg").iter("{http://www.w3.org/2000/svg}text")
    }
    assert {"lstm", "gru", "1x", "classify", "accuracy"} <= words
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
