"""The texts of a report in Korean."""

import ast
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


# What a reader adds to a summary: the argument of a call that has the text, by the call's name.
ADDED = {"with_note": 0, "append": 0, "_add": 1, "ColumnUse": 2}


def texts_of_summaries():
    """The texts that the readers write into a summary, with "{}" for values."""
    for path in sorted((ROOT / "src/ostinato/data").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            given = []
            if (
                isinstance(node, ast.Call)
                and (name := ast.unparse(node.func).split(".")[-1]) in ADDED
            ):
                # the list that a note is appended to
                if name != "append" or "notes" in ast.unparse(node.func):
                    given = node.args[ADDED[name] : ADDED[name] + 1]
            if isinstance(node, (ast.Assign, ast.NamedExpr)):
                target = node.targets[0] if isinstance(node, ast.Assign) else node.target
                named = ast.unparse(target)
                if named in ("note", "detail", "form") or named.startswith(
                    ("left_out[", "found.left")
                ):
                    given = [node.value]
                if named == "reasons":
                    given = [node.value]
            for value in given:
                yield from templates(value)


def templates(value):
    """The texts in an expression, with "{}" for their values."""
    if isinstance(value, ast.JoinedStr):
        yield "".join(
            part.value if isinstance(part, ast.Constant) else "{}" for part in value.values
        )
    elif isinstance(value, ast.Constant):
        if isinstance(value.value, str):
            yield value.value
    elif isinstance(value, ast.IfExp):
        yield from templates(value.body)
        yield from templates(value.orelse)
    elif isinstance(value, ast.Dict):
        for one in value.values:
            yield from templates(one)
    elif isinstance(value, ast.DictComp):
        yield from templates(value.value)


# Values that are words of a text.
VALUES = {
    "columns are separated by {}": "columns are separated by tabs",
    "{} missing {} are filled ({}), the first {}": "{} missing dates are filled ({}), the first {}",
    "{} starts the label of each line (fastText format)": "__label__ starts the label of each line "
    "(fastText format)",
    "{} {} early, where numbers are missing": "{} rows end early, where numbers are missing",
}
SUMMARIES = {text for text in texts_of_summaries() if re.search("[a-z]{3}", text)}


@pytest.mark.parametrize("text", sorted(SUMMARIES))
def test_every_text_of_a_summary_is_in_korean(text):
    shown = translator("ko")(VALUES.get(text, text).replace("{}", "7"))
    assert re.search("[가-힣]", shown), text


def test_the_texts_of_summaries_are_found():
    assert len(SUMMARIES) > 20


@pytest.mark.parametrize(
    "english, korean",
    [
        ("decimal commas, currency €", "소수점은 쉼표, 통화 €"),
        ("2024-01 to 2024-12, step 1 month", "2024-01 ~ 2024-12, 간격 한 달"),
        ("up to 9 steps of 2", "최대 9스텝 × 2"),
        ("rows with several labels: 2, without labels: 1", "레이블이 여럿인 행 2개, 없는 행 1개"),
        ("3 labels: a 2, b 1, c 1", "레이블 3개: a 2, b 1, c 1"),
        ("percent, of my own", "percent, of my own"),
    ],
)
def test_a_list_of_texts_is_translated_as_a_whole(english, korean):
    assert translator("ko")(english) == korean


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
