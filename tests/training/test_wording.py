"""The texts of a report in Korean."""

import re

import pytest

from ostinato.training.report import RunReport, write_report
from ostinato.training.wording import KOREAN, translator
from places import ROOT

TEMPLATE = (ROOT / "src/ostinato/training/report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("english", KOREAN)
def test_a_text_has_the_same_values_in_both_languages(english):
    values = [f"v{k}" for k in range(english.count("{}"))]
    korean = translator("ko")(english, *values)
    assert sorted(re.findall(r"v\d", korean)) == values and "{" not in korean
    # filled in before it is translated, as tasks do
    filled = english.format(*values)
    assert translator("ko")(filled) == korean
    assert translator("en")(english, *values) == filled


def test_every_text_of_the_template_is_in_the_table():
    used = re.findall(r'say\("([^"]+)"', TEMPLATE)
    assert len(used) > 25 and {*used} <= KOREAN.keys()


def test_no_text_of_the_template_is_left_in_english():
    body = TEMPLATE[TEMPLATE.index("<body>") :]
    texts = re.sub(r"<[^>]*>", "", re.sub(r"(?s){%.*?%}|{{.*?}}", "", body))
    assert not re.search("[A-Za-z]{2,}", texts)


def test_labels_and_texts_of_the_user_are_not_translated(tmp_path):
    page = tmp_path / "report.html"
    write_report(
        page,
        RunReport(
            "A report of 3 rows",
            labels={"accuracy": 1},
            examples={"Longest": [{"input": "accuracy"}]},
            confusion=(["accuracy", "loss"], [[1, 0], [0, 1]]),
            language="ko",
        ),
    )
    text = page.read_text(encoding="utf-8")
    assert "정확도" not in text and "손실" not in text and text.count("<bdi>accuracy</bdi>") >= 4
    assert "<bdi>A report of 3 rows</bdi>" in text
    assert "가장 긴 입력" in text and "혼동 행렬" in text
