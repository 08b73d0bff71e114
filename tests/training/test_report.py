"""The page says what it was given, needs nothing but itself, and has room for much."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.training.charts import Forecast
from ostinato.training.figures import learning_curve
from ostinato.training.report import RunReport, write_report

HISTORY = [
    {
        "step": 10 * k,
        "seconds": 1.0,
        "training_loss": 3 - 0.1 * k,
        "held_out_loss": 3.1 - 0.1 * k,
        "accuracy": 0.02 * k,
    }
    for k in range(1, 21)
]
EVERY = dict(
    task="classify",
    when="today",
    metrics={"accuracy": 0.9, "nats": 0.4, "perplexity": None},
    baselines={"baseline": {"accuracy": 0.5, "nats": 0.3}},
    commands=[("Answer", "ostinato predict DIR")],
    python="load('DIR')",
    options=[("hidden", 128, "given"), ("dropout", 0.4, "default")],
    data={"rows_held_out": 15000},
    lengths=[3, 5, 5, 9],
    labels={"good": 3, "bad": 1},
    history=HISTORY,
    best_step=150,
    confusion=(["good", "bad"], [[30, 2], [1, 7]]),
    attention=[(["나", " "], ["I"], [[0.7, 0.3]])],
    forecasts=[
        Forecast("rain", [1.0, 2, 3], [3.0, 4], [3.5, 3.5], [("80 % interval", [2.0, 3], [4.0, 5])])
    ],
    examples={"Wrong": [{"text": "글", "sure": 0.75}]},
    pictures=[[(np.zeros((8, 8, 3), np.uint8), "black")]],
)
HEADINGS = {
    "metrics": "Metrics",
    "commands": "Usage",
    "history": "Training curves",
    "confusion": "Confusion matrix",
    "forecasts": "Forecasts",
    "examples": "Examples",
    "attention": "Attention maps",
    "pictures": "Pictures",
    "data": "Dataset",
    "options": "Options",
}


class Elements(HTMLParser):
    """Counts elements; every one that is opened is closed."""

    def __init__(self, page):
        super().__init__()
        self.open, self.names, self.text = [], [], []
        self.feed(page)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag not in ("meta", "link", "img"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.text.append(data)


@pytest.fixture
def page(tmp_path):
    """Writes a report and reads it."""

    def write(**parts):
        write_report(tmp_path / "report.html", RunReport(**{"title": "A report"} | parts))
        return (tmp_path / "report.html").read_text(encoding="utf-8")

    return write


def test_every_part_is_on_the_page(page):
    text = "".join(Elements(page(**EVERY)).text)
    assert re.findall(r"better|worse|none|15,000|predict DIR|80 % interval", text) == [
        "better",
        "worse",
        "none",
        "better",
        "80 % interval",
        "80 % interval",
        "80 % interval",
        "predict DIR",
        "15,000",
    ]
    assert all(f"\n{heading}\n" in text for heading in HEADINGS.values())


@pytest.mark.parametrize("part", HEADINGS)
def test_a_part_alone_leaves_the_others_out(page, part):
    text = Elements(page(**{part: EVERY[part]})).text
    assert [heading for heading in HEADINGS.values() if heading in text] == [HEADINGS[part]]


def test_a_report_of_nothing_is_its_title(page):
    found = Elements(page())
    assert (
        not {"section", "svg", "table", "dl", "img"} & set(found.names)
        and found.text.count("A report") == 2
    )


def test_the_page_needs_nothing_else(page):
    text = page(**EVERY)
    assert "default-src 'none'" in text and not re.search(r"https?://|<script|@import|url\(", text)
    assert set(re.findall(r'(?:src|href)="([^"]{5})', text)) == {"data:"}


def test_whatever_is_given_is_text(page):
    bad = "<script>alert('&\"')</script>"
    text = page(
        title=bad,
        task=bad,
        when=bad,
        python=bad,
        metrics={bad: 1.0},
        baselines={bad: {bad: 1.0}},
        commands=[(bad, bad)],
        options=[(bad, bad, "given"), (bad, bad, "default")],
        data={bad: bad},
        lengths=[1],
        length_unit=bad,
        labels={bad: 1},
        history=[{"step": 1, bad: 1.0}],
        confusion=([bad], [[1]]),
        attention=[([bad], [bad], [[1.0]])],
        forecasts=[Forecast(bad, [1.0], [2.0], intervals=[(bad, [1.0], [2.0])])],
        examples={bad: [{bad: bad}]},
        pictures=[[(np.zeros((2, 2), np.uint8), bad)]],
    )
    assert (
        "<script" not in text and "script" not in Elements(text).names and "&lt;script&gt;" in text
    )


def test_pictures_stand_in_rows_with_captions_in_the_language_of_the_report(page):
    black = np.zeros((2, 2), np.uint8)
    rows = [[(black, ("{} (target: {})", "loss", "개")), (black, "loss")], [(black, "고양이")]]
    text = page(pictures=rows, language="ko")
    assert text.count('<div class="pictures">') == 2 and text.count("<img") == 3
    assert "loss (정답: 개)" in text and "<bdi>loss</bdi>" in text
    assert "loss (target: 개)" in page(pictures=rows)


def test_korean_is_marked_as_such_and_kept(page):
    text = page(
        title="영화평",
        examples={
            "Wrong": [{"text": "재미있다"}, {"text": "fine"}, {"text": "すき"}, {"text": "喜欢"}]
        },
    )
    assert (
        '<bdi lang="ko">영화평</bdi>' in text
        and '<bdi lang="ko">재미있다</bdi>' in text
        and "<bdi>fine</bdi>" in text
    )
    assert '<bdi lang="ja">すき</bdi>' in text and '<bdi lang="zh">喜欢</bdi>' in text


def test_much_of_everything_stays_below_a_megabyte(page):
    random, names = np.random.default_rng(0), [f"label {k}" for k in range(500)]
    text = page(
        history=[
            {"step": k, **{f"training_{n}": random.random() for n in range(8)}} for k in range(5000)
        ],
        lengths=random.integers(0, 10**6, 10**5),
        labels={name: 3 for name in names},
        confusion=(names, random.integers(0, 9, (500, 500))),
        data={"tokens": "가" * 10**5},
        attention=[(["word"] * 300, ["word"] * 200, random.random((200, 300)))] * 50,
        options=[("name", "x" * 10**5, "given")] * 20,
        forecasts=[Forecast("a", random.random(10**5), random.random(3000))] * 3,
        examples={"Wrong": [{"text": "긴 글 " * 5000}] * 1000},
        pictures=[[(random.integers(0, 256, (400, 300, 3), dtype=np.uint8), "noise")] * 3] * 100,
    )
    assert len(text.encode()) < 1_000_000
    for said in (
        "30 of 1,000 rows.",
        "of 300 pictures.",
        "and 470 more labels with 1,410 rows",
        "among 500 labels",
        "Only the beginning is shown.",
        "The first 6 of 50 maps.",
    ):
        assert said in text


def test_many_labels_are_told_by_their_worst_pairs(page):
    names, counts = [f"L{k}" for k in range(21)], np.diag(np.full(21, 50))
    assert "All predictions are correct" in page(confusion=(names, counts))
    counts[3, 4] = 50
    cells = re.findall(r'<td data-name="[^"]*">(.*?)</td>', page(confusion=(names, counts)))
    assert cells == ["<bdi>L3</bdi>", "<bdi>L4</bdi>", "50", "50 %"]


@pytest.mark.parametrize(
    "values", [[None, None], [1.0, float("nan")], [5.0, 5.0], [0.0, 1e-12], [-1e12, 1e12], [3, 3]]
)
def test_any_history_is_drawn_or_left_out(page, values):
    text = page(history=[{"step": k, "seconds": 0.0, "x": value} for k, value in enumerate(values)])
    known = any(value is not None for value in values)
    assert ("<svg" in text) == known and not re.search(r'(?:d|x|y|cx|cy)="[^"]*(?:nan|inf)', text)


def test_a_gap_in_the_history_is_a_gap_in_its_line(page):
    text = page(history=[{"step": k, "x": None if k == 2 else 1.0 * k} for k in range(5)])
    (line,) = re.findall(r'class="line held" d="(.*?)"', text)
    assert line.count("M") == 2 and line.count("L") == 2


@pytest.mark.parametrize(
    "parts, said",
    [
        (
            dict(confusion=(["a", "b"], [[1]])),
            r"confusion of 2 labels with counts of shape \(1, 1\)",
        ),
        (
            dict(attention=[(["a"], ["b", "c"], [[1.0]])]),
            r"attention of 2 targets on 1 sources with weights of shape \(1, 1\)",
        ),
        (
            dict(pictures=[[(np.zeros((2, 2)), "")]]),
            r"a picture is float64 of shape \(2, 2\): give uint8",
        ),
        (dict(pictures=[[("x.png", "")]]), "a picture is str: give uint8"),
        (
            dict(
                forecasts=[Forecast("rain", [1.0], [1.0, 2], intervals=[("80 %", [1.0], [1, 2])])]
            ),
            "forecast 'rain' has 1 values of 80 % low for 2 predicted",
        ),
        (dict(forecasts=[Forecast("rain", [1.0], [])]), "forecast 'rain' has no values"),
        (
            dict(forecasts=[Forecast("rain", [1.0], [float("nan")])]),
            "forecast 'rain' has values that are not numbers",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(page, parts, said):
    with pytest.raises(InputError, match=said):
        page(**parts)


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InputError, match="cannot write .*nowhere"):
        write_report(tmp_path / "nowhere" / "report.html", RunReport("A report"))


def test_a_learning_curve_is_a_picture(tmp_path):
    history = [
        {"step": k, "seconds": 1.0, "training_bits": 3.0 - k, "held_out_bits": 3.5 - k}
        for k in range(3)
    ]
    learning_curve(history, tmp_path / "curve.png", title="lstm")
    assert (tmp_path / "curve.png").read_bytes().startswith(b"\x89PNG")
