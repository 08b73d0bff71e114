"""Rows with any number of labels are read the same from every form, or refused with the fix."""

import json
from pathlib import Path

import numpy as np
import pandas
import polars
import pytest
from scipy.sparse import csr_array

from ostinato.data.label_sets import combination_among, has_sets, label_set, sets_in_memory
from ostinato.data.readers import read_labelled
from ostinato.errors import InputError

TEXTS = ["a cat sat", "dogs and cats", "nothing here", "one dog ran"]
SETS = [("cat",), ("cat", "dog"), (), ("dog",)]
MATRIX = np.array([[1, 0], [1, 1], [0, 0], [0, 1]])


def separated(mark):
    return "text,label\n" + "".join(f"{t},{mark.join(s)}\n" for t, s in zip(TEXTS, SETS))


def records():
    return [{"text": text, "labels": list(one)} for text, one in zip(TEXTS, SETS)]


COLUMNS = "text,cat,dog\n" + "".join(f"{t},{a},{b}\n" for t, (a, b) in zip(TEXTS, MATRIX))
FILES = {
    "bars.csv": (separated("|"), None),
    "semicolons.csv": (separated(" ; "), None),
    "ends.csv": (separated("|").replace("a cat sat,cat", "a cat sat,|cat| cat |"), None),
    "lists.jsonl": ("\n".join(map(json.dumps, records())), None),
    "lists.json": (json.dumps(records()), None),
    "lists.tsv": (
        "text\tlabel\n" + "".join(f"{t}\t{json.dumps(s)}\n" for t, s in zip(TEXTS, SETS)),
        None,
    ),
    "columns.csv": (COLUMNS, "cat,dog"),
    "booleans.csv": (COLUMNS.replace(",1", ",True").replace(",0", ",False"), "dog, cat"),
    "numbers.tsv": (COLUMNS.replace(",", "\t").replace("\t1", "\t1.0"), "cat,dog"),
}


def read(path: Path, label=None, **options):
    return read_labelled(path, label=label, several=True, required=True, **options)


@pytest.mark.parametrize("name", FILES)
def test_every_form_of_file_has_the_same_labels(tmp_path, name):
    content, label = FILES[name]
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = read(tmp_path / name, label)
    assert list(found.labels) == SETS and list(found.texts) == TEXTS
    assert found.summary.notes[-1] == "rows with several labels: 1, without labels: 1"
    (use,) = [use for use in found.summary.columns if use.role == "label"]
    assert use.detail == "2 labels: cat 2, dog 2"
    # as a trained model reads the file, with and without its labels
    again = read(tmp_path / name, label, trained=found.columns)
    assert list(again.labels) == SETS
    alone = read_labelled(tmp_path / name, label=label, several=True, like=found.columns)
    assert alone.labels is None and list(alone.texts) == TEXTS


def test_parquet_has_lists_or_columns(tmp_path):
    path = tmp_path / "a.parquet"
    polars.DataFrame({"text": TEXTS, "labels": [list(one) for one in SETS]}).write_parquet(path)
    assert list(read(path).labels) == SETS
    polars.DataFrame({"text": TEXTS, "cat": MATRIX[:, 0], "dog": MATRIX[:, 1]}).write_parquet(path)
    assert list(read(path, "cat,dog").labels) == SETS


def test_arrays_have_a_column_for_each_label(tmp_path):
    x = np.zeros((4, 3, 2))
    for y, names in ((MATRIX, ["cat", "dog"]), (MATRIX.astype(bool), ["cat", "dog"])):
        np.savez(tmp_path / "a.npz", x=x, y=y, names=names)
        assert list(read(tmp_path / "a.npz").labels) == SETS
    np.savez(tmp_path / "a.npz", x=x, y=MATRIX)
    assert list(read(tmp_path / "a.npz").labels)[1] == ("0", "1")
    with pytest.raises(InputError, match="--multi-label"):
        read_labelled(tmp_path / "a.npz")


def test_a_label_of_a_list_is_not_split_at_a_separator(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "x y", "label": ["a|b", 1, true]}\n' * 2)
    assert list(read(tmp_path / "a.jsonl").labels) == [("1", "a|b", "true")] * 2


def test_the_separator_of_the_training_data_is_used_again(tmp_path):
    (tmp_path / "a.csv").write_text("text,label\na b,x;y\nc d,x\n")
    trained = {"text": "text", "label": "label", "separator": "|"}
    assert list(read(tmp_path / "a.csv", trained=trained).labels) == [("x;y",), ("x",)]


@pytest.mark.parametrize(
    "content, label, message",
    [
        ("text,a,b\nx y,1,2\nz w,0,1\n", "a,b", "line 2: .*'b' is '2'.*1 for the rows"),
        ("text,a,b\nx y,1,\nz w,0,1\n", "a,b", "line 2: .*'b' is ''"),
        ("text,a,b\nx y,1,0\nz w,0,1\n", "a,c", "no column 'c'"),
        ("text\tlabel\nx y\t['a', 'b']\nz w\tc\n", None, "row 1.*not a list in JSON.*a|b"),
        ('text\tlabel\nx y\t[["a"]]\nz w\tc\n', None, "row 1.*a list of 1 in its list"),
        ("text\tlabel\nx y\t[null]\nz w\tc\n", None, "row 1.*None in its list"),
        ("text\tlabel\nx y\t" + "[" * 100_000 + "\nz w\tc\n", None, "row 1.*not a list in JSON"),
    ],
)
def test_what_is_not_a_set_of_labels_is_refused(tmp_path, content, label, message):
    name = "a.tsv" if "\t" in content else "a.csv"
    (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=message) as error:
        read(tmp_path / name, label)
    assert len(str(error.value)) < 500


def test_without_the_option_lists_and_columns_are_refused_with_a_proposal(tmp_path):
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, records())))
    with pytest.raises(InputError, match="'labels' is a list.*--multi-label"):
        read_labelled(tmp_path / "a.jsonl", required=True)
    (tmp_path / "a.csv").write_text(COLUMNS * 1)
    with pytest.raises(InputError, match="--label cat,dog.*--multi-label"):
        read_labelled(tmp_path / "a.csv", label="cat,dog", required=True)
    rows = "".join(f"you are number {k},{k % 2},{k % 3 % 2},0\n" for k in range(12))
    (tmp_path / "b.csv").write_text("comment,toxic,obscene,threat\n" + rows)
    with pytest.raises(InputError, match="--multi-label --label toxic,obscene$"):
        read_labelled(tmp_path / "b.csv", required=True)


@pytest.mark.parametrize(
    "labels, found",
    [
        (["a", "b", "a|b"], "a|b"),
        (["a;b", "b;c", "c;a"], "a;b"),
        (["가", "나", "가 | 나"], "가 | 나"),
        (["a", "b"], None),
        (["x|y", "z"], None),
        (["AT&T; Inc", "IBM", "A|B"], None),
        (["x|y", "z|w", "x", "u|v"], None),
        (["[x", "a", "a|b", "b"], "a|b"),
        (["[x", "[y|z", "a"], None),
    ],
)
def test_labels_that_consist_of_others(labels, found):
    assert combination_among(labels) == found


@pytest.mark.parametrize(
    "given",
    [
        [["cat"], ["dog", "cat", "cat"], [], {"dog"}],
        [("cat",), (" cat ", "dog"), (), frozenset(["dog"])],
        pandas.Series([["cat"], ["cat", "dog"], [], ["dog"]]),
        polars.Series([["cat"], ["cat", "dog"], [], ["dog"]]),
        pandas.DataFrame(MATRIX, columns=["cat", "dog"]),
        polars.DataFrame(MATRIX, schema=["cat", "dog"]),
    ],
)
def test_sets_in_memory(given):
    assert has_sets(given) and sets_in_memory(given)[0] == SETS


@pytest.mark.parametrize("form", [np.asarray, csr_array, lambda m: m.astype(bool), np.float32])
def test_a_matrix_in_memory(form):
    sets, kind, names = sets_in_memory(form(MATRIX))
    assert sets == [("0",), ("0", "1"), (), ("1",)] and (kind, names) == ("int", ["0", "1"])


@pytest.mark.parametrize(
    "given, message",
    [
        (np.array([[1, 2], [0, 1]]), "row 1 has values other than 0 and 1"),
        (np.array([[1, np.nan], [0, 1]]), "row 1 has values other than 0 and 1"),
        (np.array([["a", "b"], ["c", "d"]]), "row 1 has values other than 0 and 1"),
        ([["a"], "b"], "row 2 are 'b', not a list"),
        ([["a"], None], "row 2 are None, not a list"),
        ([["a"], ["", "b"]], "a label of row 2 is ''"),
        (pandas.DataFrame([[0, 1]], columns=["a", "a"]), "give each column its own name"),
    ],
)
def test_what_is_not_a_set_in_memory_is_refused(given, message):
    with pytest.raises(InputError, match=message):
        sets_in_memory(given)


def test_an_empty_text_has_no_labels():
    assert label_set("", "|", "row 1") == label_set("[]", None, "row 1") == ()
