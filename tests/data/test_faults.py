"""Files that people have: each is read as a person would read it, or refused with the column or
line and the fix. The files of ../shared/faults, and three neighbours of each.
"""

import gzip
import unicodedata
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ostinato.data.media import open_picture, square, stored_frames
from ostinato.data.readers import read_labelled
from ostinato.data.separated import is_number
from ostinato.data.tables import read_table
from ostinato.data.values import (
    label_kind,
    label_numbers,
    label_of,
    label_text,
    labels_as_given,
)
from ostinato.errors import InputError
from ostinato.tasks import Classifier, Generator
from ostinato.tasks.options import CaptionOptions, ClassifyOptions, TagOptions, TranslateOptions
from ostinato.tasks.reading import read_examples
from ostinato.tasks.saved import Result, read_config
from places import SHARED

FAULTS = SHARED / "faults"
needs_faults = pytest.mark.skipif(
    not FAULTS.is_dir(), reason="../shared/faults is missing next to this checkout"
)


def classified(path, **options):
    """The result of reading as `train classify` does: the inputs, the labels, and the summary."""
    found = read_examples("classify", path, ClassifyOptions(**options))
    return [*found["x"]], [*found["label"]], found.summary


def uses(summary):
    """The columns of each role."""
    return {use.role: use.columns for use in summary.columns}


# ---------------------------------------------------------------- classify: headers and columns


@needs_faults
def test_numeric_header():
    x, labels, summary = classified(FAULTS / "classify" / "numeric_header.csv")
    assert (len(x), x[0].shape, {*labels}) == (40, (4, 1), {"a", "b"}) and summary.header == "yes"


@pytest.mark.parametrize(
    "content, count, columns",
    [
        ("label,0,1,2,3\n" + "a,0,0.8,0.7,0.4\nb,1,0.2,0.5,0.4\n" * 6, 12, ["0", "1", "2", "3"]),
        # pandas' index, with and without names of the other columns
        (
            ",label,0,1\n" + "".join(f"{k},{'ab'[k % 2]},0.{k},0.5\n" for k in range(12)),
            12,
            ["0", "1"],
        ),
        ("0,1,2,3\n" + "1,0.5,0.25,0.5\n2,0.5,0.75,0.5\n" * 6, 12, ["1", "2", "3"]),
        ("class,1,2,3\n" + "a,1,2,4\nb,3,2,1\n" * 6, 12, ["1", "2", "3"]),
        # years
        ("label;1998;1999;2000\n" + "a;1.5;2;4\nb;3;2;1\n" * 6, 12, ["1998", "1999", "2000"]),
        # a first row that is data
        ("1,0.5,0.25\n" + "2,0.5,0.75\n1,3,4\n" * 6, 13, ["1", "2"]),
        ("a,1,2,3\n" + "b,2,2,1\na,2,3,4\n" * 6, 13, ["1", "2", "3"]),
        ("1,2,3,4\n" + "2,3,4,5\n1,2,3,4\n" * 6, 13, ["1", "2", "3"]),
    ],
)
def test_a_header_of_numbers_is_not_a_row_and_a_row_is_not_a_header(write, content, count, columns):
    x, labels, summary = classified(write("a.csv", content))
    assert (len(x), len({*labels})) == (count, 2) and uses(summary)["numbers"] == columns


def test_the_user_says_whether_there_is_a_header(write):
    rows = "0,1,2,3,4,5,6\n" + "1,2,3,4,5,6,6\n0,7,8,9,1,2,3\n" * 5
    assert len(classified(write("a.csv", rows), header=False)[0]) == 11
    assert len(classified(write("a.csv", rows), header=True, label="0")[0]) == 10
    table = read_table(write("b.csv", "ham,see you\nspam,gain\n"), header=False)
    assert len(table) == 2 and table.header == "no"


@needs_faults
def test_rows_without_a_header():
    x, labels, summary = classified(FAULTS / "classify" / "sms_noheader.tsv")
    assert (len(x), {*labels}, summary.header) == (40, {"ham", "spam"}, "no")


@pytest.mark.parametrize(
    "content, header, rows",
    [
        ("ham\tsee you\n" + "spam\tget it now\nham\tare you in\n" * 3, "no", 7),
        ("see you\tham\n" + "get it now\tspam\nare you in\tham\n" * 3, "no", 7),
        ("긍정\t정말 좋아요\n" + "부정\t나빠요 정말\n긍정\t좋은 영화\n" * 3, "no", 7),
        ("label\ttext\n" + "spam\tget it now\nham\tare you in\n" * 3, "yes", 6),
        # a text may repeat the name of its column
        ("label\ttext\n" + "spam\ttext\nham\tare you in\n" * 3, "yes", 6),
    ],
)
def test_a_first_line_whose_label_occurs_again_is_a_row(write, content, header, rows):
    x, labels, summary = classified(write("a.tsv", content))
    assert (summary.header, len(x), len({*labels})) == (header, rows, 2)
    (line,) = [text for name, text in summary.lines() if name == "data"]
    assert "header" in line


@needs_faults
def test_several_label_columns():
    with pytest.raises(InputError, match="'toxic', 'obscene' have few values.*--label toxic"):
        classified(FAULTS / "classify" / "multilabel.csv")
    x, labels, _ = classified(FAULTS / "classify" / "multilabel.csv", label="obscene")
    assert x[1] == "you 1" and {*labels} == {"0", "1"}


@pytest.mark.parametrize(
    "content, message",
    [
        (
            "id,comment,toxic,obscene,threat\n"
            + "".join(f"{k},you are {k},{k % 2},{k % 3 % 2},0\n" for k in range(12)),
            "'toxic', 'obscene' have few values: name the label, for example --label toxic",
        ),
        (
            "문장,판정\n" + "".join(f"정말 좋은 {k},{'가나'[k % 2]}\n" for k in range(12)),
            r"has the columns '문장', '판정'.*'판정' has few values \(2 labels: 가 6, 나 6\).*"
            "--label 판정",
        ),
        (
            "a;b;c;kind\n" + "".join(f"{k}.5;{k}.25;7.{k};{k % 3}\n" for k in range(12)),
            "'kind' has few values .*--label kind",
        ),
        (
            "file,a,b\n" + "".join(f"{k}.wav,{k}.5,{k}.25\n" for k in range(12)),
            "none of them is named like a label or has few values",
        ),
    ],
)
def test_an_ambiguous_label_is_an_error_that_proposes_a_column(write, content, message):
    with pytest.raises(InputError, match=message):
        classified(write("a.csv", content))


@needs_faults
def test_question_and_answer():
    _, _, summary = classified(FAULTS / "classify" / "qa.csv")
    assert uses(summary) == {"text": ["A"], "label": ["label"]}
    assert "--text Q" in summary.left_out["Q"]
    assert classified(FAULTS / "classify" / "qa.csv", text="Q")[0][0] == "오늘 문의 0"


@pytest.mark.parametrize(
    "header, text, left_out",
    [
        ("title,body of text,label", "title", {"body of text"}),
        ("premise,hypothesis,label", "hypothesis", {"premise"}),
        ("no,질문,label", "질문", {"no"}),
    ],
)
def test_the_summary_says_which_text_was_taken(write, header, text, left_out):
    rows = "".join(f"{k} a word,{k} one more word,{k % 2}\n" for k in range(8))
    if header.startswith("no"):
        rows = "".join(f"{k},{k} one more word,{k % 2}\n" for k in range(8))
    summary = classified(write("a.csv", f"{header}\n{rows}"))[2]
    assert uses(summary)["text"] == [text] and {*summary.left_out} == left_out


@needs_faults
def test_korean_column_names():
    x, labels, summary = classified(FAULTS / "classify" / "labelname_ko.csv")
    assert uses(summary) == {"text": ["문장"], "label": ["감정"]} and {*labels} == {"긍정", "부정"}


@pytest.mark.parametrize("names", ["내용,라벨", "댓글,분류", "리뷰,평점"])
@pytest.mark.parametrize("form", ["NFC", "NFD"])
def test_korean_names_of_columns_are_known(write, names, form):
    content = unicodedata.normalize(form, f"{names}\n" + "정말 좋다,1\n아주 나쁘다,0\n" * 3)
    found = uses(classified(write("a.csv", content))[2])
    assert found == dict(zip(("text", "label"), ([name] for name in names.split(","))))


# ---------------------------------------------------------------- classify: formats


@needs_faults
def test_numbers_separated_by_spaces():
    x, labels, summary = classified(FAULTS / "classify" / "space_numbers.txt")
    assert len(x) == 40 and {*labels} == {"1", "2"} and len({row.shape for row in x}) == 1
    assert "columns are separated by spaces" in summary.notes


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.txt", "  1.0e+00  7.5e-01 -8\n  2.0e+00  6.5e-01 9.5\n" * 6),
        ("a.txt", "1,0.75,-8\n2,0.65,9.5\n" * 6),
        ("a.txt", "1\t0.75\t-8\n2\t0.65\t9.5\n" * 6),
        ("a.csv", "1 0.75 -8\n2 0.65 9.5\n" * 6),
        ("a.csv", "1;0.75;-8\n2;0.65;9.5\n" * 6),
        ("A.TXT", "label x y\n" + "1 0.75 -8\n2 0.65 9.5\n" * 6),
    ],
)
def test_numbers_are_found_with_each_separator(write, name, content):
    x, labels, _ = classified(write(name, content))
    assert [row.ravel().tolist() for row in x[:2]] == [
        pytest.approx([0.75, -8]),
        pytest.approx([0.65, 9.5]),
    ]
    assert labels == ["1", "2"] * 6


@pytest.mark.parametrize(
    "content",
    ["it was good\nit was bad\n", "so good, so far\nso bad, so sad\n", "good day 1\ngood day 2\n"],
)
def test_words_of_a_text_are_not_columns(write, content):
    table = read_table(write("a.txt", content * 4))
    assert len(table.names) == 1 and table.texts("0")[0] == content.split("\n")[0]


@needs_faults
def test_missing_inside_a_row():
    with pytest.raises(InputError, match=r"line 4: the value in the column '5' is 'NaN'"):
        classified(FAULTS / "classify" / "ucr_missing.tsv")


@pytest.mark.parametrize("missing", ["NaN", "nan", "", "?", "NA"])
def test_missing_at_the_end_of_a_row_ends_the_sequence(write, missing):
    rows = f"1\t2.5\t3\t4\n2\t1\t2\t{missing}\n1\t3\t{missing}\t{missing}\n2\t5\t6\t7\n" * 3
    x, _, summary = classified(write("a.tsv", rows))
    assert [len(row) for row in x] == [3, 2, 1, 3] * 3
    assert summary.notes == ["6 rows end early, where numbers are missing"]


@pytest.mark.parametrize("row", ["1\t\t3\t4", "1\t3\t\t4", "1\t\t\t", "1\t3\tx\t", "1\t3\tinf\t4"])
def test_a_number_that_is_missing_elsewhere_is_refused_with_its_line(write, row):
    rows = "1\t2.5\t3\t4\n2\t1\t2\t3\n" * 3
    with pytest.raises(InputError, match="line 7: the value in the column"):
        classified(write("a.tsv", rows + row + "\n"))


@needs_faults
@pytest.mark.parametrize("name", ["fasttext.txt", "json.json"])
def test_fasttext_and_json(name):
    x, labels, _ = classified(FAULTS / "classify" / name)
    assert (len(x), {*labels}) == (40, {"0", "1"}) and x[0].startswith("good")


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.txt", "__label__좋음 정말 좋다\n__label__나쁨 아주 나쁘다\n\n"),
        ("a.csv", "__label__좋음 정말 좋다\n__label__나쁨 아주 나쁘다"),
        ("a.txt", "__label__좋음\t정말 좋다\n__label__나쁨 \t아주 나쁘다\n"),
        ("a.txt.gz", "__label__좋음   정말 좋다\r\n__label__나쁨 아주 나쁘다\r\n"),
        ("a.json", '[{"text": "정말 좋다", "label": "좋음"},{"label":"나쁨","text":"아주 나쁘다"}]'),
        ("a.json", '{"text": ["정말 좋다", "아주 나쁘다"], "label": ["좋음", "나쁨"]}'),
        (
            "a.json",
            '{"text": {"0": "정말 좋다", "1": "아주 나쁘다"}, "label": {"0": "좋음", "1": "나쁨"}}',
        ),
        # columns with their rows in different orders
        (
            "a.json",
            '{"text": {"0": "정말 좋다", "1": "아주 나쁘다"}, "label": {"1": "나쁨", "0": "좋음"}}',
        ),
        ("a.JSON", '{"text": "정말 좋다", "label": "좋음"}\n{"label":"나쁨","text":"아주 나쁘다"}'),
        ("a.json", '{"data": [{"text": "정말 좋다", "label": "좋음"},'
         '{"label":"나쁨","text":"아주 나쁘다"}], "version": 1}'),
    ],
)  # fmt: skip
def test_labels_of_fasttext_and_arrays_of_json_are_read(write, name, content):
    x, labels, _ = classified(write(name, content))
    assert (x, labels) == (["정말 좋다", "아주 나쁘다"], ["좋음", "나쁨"])


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.txt", "__label__a x\nb y\n", "line 2 does not start with __label__"),
        ("a.txt", "__label__a x\n__label__a __label__b y\n", "line 2 has several labels"),
        ("a.json", '[{"text": "a", "label": 1}, 2]', "item 2 is 2; write a list of objects"),
        ("a.json", '[{"text": "a"}, {"label": 1}]', "item 2 has 1 fields"),
        ("a.json", '{"text": ["a"], "label": [1, 2]}', "columns of different lengths"),
        (
            "a.json",
            '{"text": {"0": "a", "1": "b"}, "label": {"0": 1, "2": 2}}',
            "is an object with the fields 'text', 'label'",
        ),
        ("a.json", '{"text": {"0": "a"}, "version": 1}', "is an object with the fields 'text'"),
        ("a.json", '{"text": "a"}', "is an object with the fields 'text'"),
        ("a.json", '[{"text": "a"', "not valid JSON"),
        ("a.json", "[]", "write a list of objects"),
    ],
)
def test_what_is_wrong_in_such_a_file_is_named(write, name, content, message):
    with pytest.raises(InputError, match=message):
        classified(write(name, content))


TS = (
    "#comment\n@problemName x\n@timeStamps false\n@classLabel true a b\n@data\n"
    "1,2,3:4,5,6:a\n7,8,NaN:9,1,NaN:b\n"
)
ARFF = (
    "% comment\n@RELATION x\n@ATTRIBUTE t0 NUMERIC\n@attribute 't 1' real\n"
    "@attribute class {a,b}\n\n@DATA\n1,4,a\n7,?,'b'\n"
)
MULTIVARIATE = (
    "@relation x\n@attribute bag relational\n@attribute t0 numeric\n@attribute t1 numeric\n"
    "@end bag\n@attribute kind {a,b}\n@data\n'1,2\\n4,5',a\n'7,8\\n9,1',b\n"
)


@pytest.mark.parametrize(
    "name, content, first, second",
    [
        ("a.ts", TS, [[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 1]]),
        ("A.TS", TS.replace("\n", "\r\n"), [[1, 4], [2, 5], [3, 6]], [[7, 9], [8, 1]]),
        ("a.arff", ARFF, [[1], [4]], [[7]]),
        ("a.arff", MULTIVARIATE, [[1, 4], [2, 5]], [[7, 9], [8, 1]]),
    ],
)
def test_the_formats_of_the_time_series_archives_are_read(write, name, content, first, second):
    x, labels, summary = classified(write(name, content))
    assert [row.tolist() for row in x] == [first, second] and labels == ["a", "b"]
    assert summary.rows == 2


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.ts", TS.replace("8,NaN", "x,NaN"), "line 7: 'x' is not a number"),
        ("a.ts", TS.replace("7,8", "NaN,8"), "line 7: the value of step 1 is missing"),
        ("a.ts", TS.replace(":9,1,NaN", ""), "line 7 has 1 dimensions, and the rows before"),
        ("a.ts", TS.replace("4,5,6", "4,5"), r"line 6 has dimensions of \[2, 3\] steps"),
        ("a.ts", TS.replace("Stamps false", "Stamps true"), "line 3: time stamps are not supp"),
        ("a.ts", TS.replace("@data\n", ""), "line 5 is data before @data"),
        ("a.ts", TS.replace(":b\n", ":\n"), "line 7 has no label"),
        (
            "a.ts",
            TS.replace("@classLabel true a b", "@targetLabel\ttrue"),
            "line 4: the labels are numbers",
        ),
        ("a.ts", TS.split("1,2")[0], "has no rows after @data"),
        ("a.arff", ARFF.replace("7,?", "7"), "line 9 has 2 values, and the file has 3 attributes"),
        ("a.arff", ARFF.replace("7,?", "?,7"), "line 9: the value of step 1 is missing"),
        ("a.arff", ARFF.replace("1,4,a", "{0 1}"), "line 8: sparse rows are not supported"),
        (
            "a.arff",
            MULTIVARIATE.replace("@attribute bag", "@attribute age real\n@attribute bag"),
            r"a relational attribute next to others \('age', 'bag'\)",
        ),
    ],
)
def test_what_is_wrong_in_a_time_series_file_is_named(write, name, content, message):
    with pytest.raises(InputError, match=message):
        classified(write(name, content))


# ---------------------------------------------------------------- classify: encodings and labels


@pytest.mark.parametrize(
    "encoding, note", [("cp949", "CP949"), ("utf-16", "UTF-16"), ("utf-16-le", "UTF-16-LE")]
)
@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_a_note_names_the_encoding(write, name, encoding, note):
    rows = [("정말 좋은 영화였어요", "긍정"), ("다시는 보고 싶지 않아요", "부정")] * 3
    mark = "\t" if name == "a.tsv" else ","
    content = f"text{mark}label\n" + "".join(f"{text}{mark}{label}\n" for text, label in rows)
    if name == "a.jsonl":
        content = "".join(f'{{"text": "{text}", "label": "{label}"}}\n' for text, label in rows)
    x, labels, summary = classified(write(name, content.encode(encoding)))
    assert [*zip(x, labels)] == rows
    assert any(text.startswith(f"read as {note}") for text in summary.notes)


@pytest.mark.parametrize("joined", ["pos", "긍정", "a b"])
def test_files_joined_with_their_byte_order_marks_have_the_same_labels(write, joined):
    part = f"\ufeff{joined}\tgood one\nneg\tbad one\n"
    _, labels, summary = classified(write("a.tsv", part * 3), header=False)
    assert labels == [joined, "neg"] * 3
    assert summary.notes == ["a byte order mark inside the file was removed (first in line 3)"]


@pytest.mark.parametrize(
    "spelled, label",
    [
        (["1", "1.0", "1.00", "1.0e+00", " 1 "], "1"),
        (["true", "True", "TRUE", " true"], "true"),
        (["e\u0301", "é", " é "], "é"),
        (["1.10", "1.10 "], "1.10"),
    ],
)
def test_a_label_has_one_form_in_a_file_in_memory_and_in_an_array(write, tmp_path, spelled, label):
    content = "text,label\n" + "".join(f"good {k},{one}\n" for k, one in enumerate(spelled))
    np.savez(tmp_path / "a.npz", x=np.zeros((len(spelled), 3)), y=np.array(spelled))
    assert {*classified(write("a.csv", content))[1]} == {label}
    assert {*read_labelled(tmp_path / "a.npz").labels} == {label}
    assert {label_of(one, "the label") for one in spelled} == {label}


def test_booleans_of_an_array_number_the_names_of_the_labels(tmp_path):
    y, names = np.array([True, False, True]), np.array(["dark", "light"])
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4)), y=y, names=names)
    assert [*read_labelled(tmp_path / "a.npz").labels] == ["light", "dark", "light"]
    np.savez(tmp_path / "a.npz", x=np.zeros((3, 4)), y=y)
    assert [*read_labelled(tmp_path / "a.npz").labels] == ["true", "false", "true"]


@pytest.mark.parametrize("label", [0.5, np.nan, np.inf, 1e19, -1e300])
def test_floats_of_an_array_that_are_not_whole_numbers_are_not_labels(tmp_path, label):
    np.savez(tmp_path / "a.npz", x=np.zeros((2, 4)), y=np.array([1.0, label]))
    with pytest.raises(InputError, match="'y' has dtype float64 .*it should be .2,. integers"):
        read_labelled(tmp_path / "a.npz")


@pytest.mark.parametrize("label", [2**53 + 1, -(2**63), 2**63 - 1, 0])
def test_whole_numbers_keep_all_their_digits_as_labels(label):
    given = np.array([label, 1])
    texts = [label_of(one, "the label") for one in given]
    assert labels_as_given(texts, label_kind(given)).tolist() == given.tolist()


@pytest.mark.parametrize("field", ["1" * 100_000 + "x", "1 " * 50_000 + "x", "1,2." * 9_999 + "?"])
def test_a_long_field_is_told_from_a_number_at_once(field):
    assert not is_number(field) and is_number(field[:-1].rstrip())


# ---------------------------------------------------------------- tag


def tagged(path, **options):
    """The result of reading as `train tag` does: sentences of words and tags, and the summary."""
    found = read_examples("tag", path, TagOptions(**options))
    return [*map(list, found["words"])], [*map(list, found["tags"])], found.summary


@needs_faults
def test_conll_separated_by_spaces():
    path = FAULTS / "tag" / "conll2003_space.txt"
    with pytest.raises(InputError, match="has 4 columns .*--column 3 for 'I-ORG'"):
        tagged(path)
    words, tags, summary = tagged(path, column="3")
    assert words[0][:2] == ["Acme", "buys"] and tags[0][:2] == ["I-ORG", "O"]
    assert not any("-DOCSTART-" in word for row in words for word in row)
    assert summary.notes == [
        "lines with -DOCSTART- are left out",
        "columns are separated by spaces",
    ]


@pytest.mark.parametrize(
    "name, content, options",
    [
        ("a.txt", "개는 N\n짖다 V\n\n개는 N\n짖다 V\n", {}),
        ("a.txt", "-DOCSTART- O\n\n개는  N\n짖다  V\n\n-DOCSTART- O\n\n개는 N\n짖다 V\n", {}),
        ("A.TSV", "word\ttag\n개는\tN\n짖다\tV\n\n개는\tN\n짖다\tV\n", {}),
        ("a.tsv", "토큰\t품사\n개는\tN\n짖다\tV\n\n개는\tN\n짖다\tV\n", {}),
        ("a.tsv", "token\tpos\tner\n개는\tX\tN\n짖다\tX\tV\n\n개는\tY\tN\n짖다\tY\tV\n", {"column": "ner"}),
        ("a.txt.GZ", "개는\tN\r\n짖다\tV\r\n\r\n개는\tN\r\n짖다\tV\r\n", {}),
        ("A.CONLLU", "".join(
            f"{k % 2 + 1}\t{word}\t_\t{tag}\t_\t_\t_\t_\t_\t_\n" + "\n" * (k == 1)
            for k, (word, tag) in enumerate([("개는", "N"), ("짖다", "V")] * 2)), {}),
    ],
)  # fmt: skip
def test_words_and_tags_are_read_in_each_form(tmp_path, name, content, options):
    packed = gzip.compress(content.encode()) if name.endswith("GZ") else content.encode()
    (tmp_path / name).write_bytes(packed)
    words, tags, summary = tagged(tmp_path / name, **options)
    assert words == [["개는", "짖다"]] * 2 and tags == [["N", "V"]] * 2
    assert summary.rows == 2 and summary.columns[1].detail == "2 tags: N 2, V 2"


@pytest.mark.parametrize(
    "content, options, message",
    [
        ("개는\n짖다\n", {"column": "3"}, "has one column, the words; write the tag"),
        ("a N x\nb V y\n", {"column": "9"}, "has 3 columns; give a number of 1 to 2"),
        ("a N\nb V\n" * 9 + "c\n", {}, "line 19 has 1 columns, and line 1 has 2.*by spaces"),
        ("a\tN\nb V\n", {}, "line 2 has 1 columns, and line 1 has 2; separate columns by tabs"),
    ],
)
def test_what_is_wrong_in_a_file_of_tags_is_named(write, content, options, message):
    with pytest.raises(InputError, match=message):
        tagged(write("a.txt", content), **options)


def test_sentences_to_tag_are_not_columns(write):
    known = SimpleNamespace(columns={"word": "0", "separator": "spaces", "width": "4"})
    for content, wanted in (
        ("the dog barks\n", [["the", "dog", "barks"]]),
        ("a NN I-NP O\n\nb NN I-NP O\n", [["a"], ["b"]]),
    ):
        found = read_examples(
            "tag", write("a.txt", content), TagOptions(column="3"), labelled=False, metadata=known
        )
        assert [*map(list, found["words"])] == wanted


@pytest.mark.parametrize(
    "labels", [["true", "false"], ["True", "False"], ["1.0", "0.0"], ["1", "0"]]
)
@pytest.mark.parametrize("known", [["0", "1"], ["false", "true"], ["0.0", "1.0"]])
def test_1_and_true_are_the_same_label_in_two_files(labels, known):
    given = [label_text(label) for label in labels]
    numbers = label_numbers(known, given, "the data")
    assert [numbers[label] for label in given] == [1, 0]


@pytest.mark.parametrize("labels", [["yes", "no"], ["2"], ["+"] * 9])
def test_a_file_without_any_label_of_the_training_data_is_refused(labels):
    with pytest.raises(InputError, match="a.csv: no label of this data occurred in training; it"):
        label_numbers(["0", "1"], labels, "a.csv")
    assert label_numbers(["0", "1"], [*labels, "1"], "a.csv")["1"] == 1
    assert label_numbers(["0", "1"], None, "a.csv").keys() >= {"0", "1"}


# ---------------------------------------------------------------- pictures, clips, and use


def picture(path, mode, colour):
    Image.new(mode, (8, 8), colour).save(path)
    return path


@pytest.mark.parametrize(
    "mode, colour, grey",
    [
        ("RGBA", (0, 0, 0, 0), 255),
        ("RGBA", (255, 0, 0, 0), 255),
        ("RGBA", (0, 0, 0, 255), 0),
        ("RGBA", (0, 0, 0, 51), 204),
        ("LA", (0, 0), 255),
        ("RGB", (0, 0, 0), 0),
        ("L", 7, 7),
    ],
)
def test_transparent_pixels_are_white_for_frames_and_for_captions(tmp_path, mode, colour, grey):
    picture(tmp_path / "1.png", mode, colour)
    assert {*stored_frames(tmp_path)[0].tolist()} == {grey}
    assert {*open_picture(tmp_path / "1.png", lambda opened: square(opened, 8)).flat} == {grey}


@pytest.mark.parametrize("name", ["2.heic", "2.HEIF", "2.jxl", "2.svg"])
def test_a_picture_of_a_clip_that_is_not_read_is_refused_by_name(tmp_path, name):
    picture(tmp_path / "1.png", "L", 7)
    (tmp_path / name).write_bytes(b"...")
    with pytest.raises(InputError, match=rf"{name}' is a picture of a type that is not read"):
        stored_frames(tmp_path)


def test_other_files_of_a_folder_are_not_frames(tmp_path):
    for name in ("1.png", "2.JFIF", "10.jpeg"):
        Image.new("L", (8, 8), 7).save(tmp_path / name, format="png" if name == "1.png" else "jpeg")
    for name in ("labels.txt", "Thumbs.db", ".DS_Store"):
        (tmp_path / name).write_bytes(b"...")
    assert len(stored_frames(tmp_path)) == 3


def test_an_avif_picture_is_read_or_refused_by_name(tmp_path):
    (tmp_path / "1.avif").write_bytes(b"not a picture")
    with pytest.raises(InputError, match=r"1\.avif' .* is damaged or not a picture"):
        stored_frames(tmp_path)


@pytest.mark.parametrize("on_disk", ["NFC", "NFD"])
@pytest.mark.parametrize("in_table", ["NFC", "NFD"])
def test_a_picture_is_found_whatever_way_its_name_is_spelled(tmp_path, on_disk, in_table):
    picture(tmp_path / unicodedata.normalize(on_disk, "고양이 é.png"), "L", 7)
    table = tmp_path / "a.csv"
    table.write_text(unicodedata.normalize(in_table, "file,caption\n고양이 é.png,고양이\n"))
    found = read_examples("caption", table, CaptionOptions())
    assert found["name"] == ["고양이 é.png"] and found["target"] == ["고양이"]


def test_a_missing_picture_is_refused_with_its_line(write):
    with pytest.raises(InputError, match=r"line 2: the picture '.*b\.png' does not exist"):
        read_examples("caption", write("a.csv", "file,caption\nb.png,x\n"), CaptionOptions())


@pytest.mark.parametrize("content", ["1 2\n\n3\n", "1 2\r\n\r\n3\r\n", " 1 2\n \n3"])
def test_an_empty_line_to_translate_is_a_row(write, content):
    found = read_examples("translate", write("a.txt", content), TranslateOptions(), labelled=False)
    assert [text.strip() for text in found["x"]] == ["1 2", "", "3"]


def test_an_empty_sentence_of_training_is_refused_with_its_line(write):
    with pytest.raises(InputError, match="line 2: the source sentence in the column '0' is empty"):
        read_examples("translate", write("a.tsv", "1\tone\n\ttwo\n"), TranslateOptions())


@pytest.mark.parametrize(
    "task, metrics, baseline, is_worse",
    [
        (Classifier(), {"accuracy": 0.4, "nats": 1.0}, {"accuracy": 0.5}, True),
        (Classifier(), {"accuracy": 0.5, "nats": 1.0}, {"accuracy": 0.5}, False),
        (Classifier(), {"accuracy": 0.6}, {"accuracy": 0.5}, False),
        (Classifier(), {"accuracy": None}, {"accuracy": 0.5}, False),
        (Generator(), {"bits_per_character": 167.0}, {"bits_per_character": 6.0}, True),
        (Generator(), {"bits_per_character": 2.0}, {"bits_per_character": 6.0}, False),
        (Generator(), {"bits_per_character": 2.0}, {}, False),
    ],
)
def test_a_model_worse_than_its_baseline_has_a_warning(task, metrics, baseline, is_worse):
    task.result = Result(metrics, 1, 1.0, 1, 1, False, [])
    warning = task._worse_than({"a guess": baseline})
    assert (warning is not None) == is_worse
    if is_worse:
        assert "is worse than" in warning and "a guess" in warning and "--epochs" in warning


def test_the_warning_is_printed_saved_and_shown_by_info(ostinato, write, tmp_path):
    # The end, which is held out, is not like the rest: 6 bits or more with each of three seeds.
    text = write("a.txt", "cdab" + "ab" * 2500 + "cd" * 300)
    options = ("--steps", 30, "--hidden", 8, "--learning-rate", 1, "--patience", 0)
    code, out, err = ostinato("train", "generate", text, "--out", "m", *options)
    assert code == 0 and "warning: bits per character" in out, out + err
    warning = read_config(tmp_path / "m" / "config.json").result.warning
    assert f"warning: {warning}" in out and f"warning: {warning}" in ostinato("info", "m")[1]


def test_a_bad_prompt_of_a_file_is_named_with_its_line(write):
    task = Generator(hidden=8, steps=2).fit(["abc abc " * 900])
    with pytest.raises(InputError, match=r"p\.txt line 2: .*'z'"):
        task.predict(write("p.txt", "abc\nabz\n"))


def test_a_table_of_pictures_may_have_no_header(tmp_path):
    picture(tmp_path / "a.png", "L", 7)
    (tmp_path / "a.csv").write_text("a.png,a cat\na.png,the cat\n")
    found = read_examples("caption", tmp_path / "a.csv", CaptionOptions(header=False))
    assert found["target"] == ["a cat", "the cat"] and found.summary.header == "no"
