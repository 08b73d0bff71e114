"""The summary of what was understood of a data set."""

import json

import pytest

from ostinato.data.readers import read_labelled
from ostinato.data.records import read_record, to_json
from ostinato.data.summary import ColumnUse, DataSummary, labels_found, listed_columns
from ostinato.errors import InputError


def test_a_summary_of_any_script_survives_json():
    summary = DataSummary(
        3,
        header="yes",
        columns=[
            ColumnUse("text", ["문장"]),
            ColumnUse("label", ["라벨"], "2 labels: 긍정 2, 부정 1"),
        ],
        left_out={"번호": "numbers the rows"},
        notes=["read as CP949"],
    )
    assert read_record(DataSummary, json.loads(json.dumps(to_json(summary)))) == summary


@pytest.mark.parametrize(
    "content, why",
    [
        ({"rows": -1}, "rows"),
        ({"header": "maybe"}, "header"),
        ({"columns": [{"role": "text"}]}, "columns"),
        ({"notes": [1]}, "notes"),
        ({"other": 1}, "other"),
    ],
)
def test_a_damaged_summary_is_refused_with_its_field(content, why):
    with pytest.raises(InputError, match=why):
        read_record(DataSummary, content)


def test_columns_left_out_for_one_reason_share_a_line():
    summary = DataSummary(1, left_out={"a": "not used", "b": "empty", "c": "not used"})
    assert [*summary.lines()] == [
        ("data", "1 rows"),
        ("left out", "'a', 'c': not used"),
        ("left out", "'b': empty"),
    ]


def test_a_note_is_given_once():
    assert DataSummary().with_note("a").with_note("a", "b").notes == ["a", "b"]


def test_many_labels_and_columns_are_counted_and_not_all_named():
    assert labels_found(map(str, range(20))).endswith(" and 12 more")
    assert len(listed_columns([f"column {k}" for k in range(1000)])) < 60


def test_the_summary_of_a_table_has_each_column_once(write):
    rows = "".join(f"{k},{k % 2},좋다 {k},{'ab'[k % 2]}\n" for k in range(6))
    summary = read_labelled(write("a.csv", "id,other,text,label\n" + rows)).summary
    assert (summary.rows, summary.header) == (6, "yes")
    assert [(use.role, use.columns) for use in summary.columns] == [
        ("text", ["text"]),
        ("label", ["label"]),
    ]
    assert summary.columns[1].detail == "2 labels: a 3, b 3"
    assert summary.left_out.keys() == {"id", "other"}
