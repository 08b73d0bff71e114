"""The data that tasks read from tables: columns are found, and what is wrong in one is named with
its line.
"""

import numpy as np
import polars
import pytest

from ostinato.data.readers import (
    read_labelled,
    read_pairs,
    read_texts,
)
from ostinato.errors import InputError
from places import SHARED

DATA = SHARED / "data"
needs_data = pytest.mark.skipif(
    not DATA.is_dir(), reason="../shared/data is missing next to this checkout"
)


# ---------------------------------------------------------------- texts and numbers with labels


@pytest.mark.parametrize(
    "name, content, taken",
    [
        (
            "a.tsv",
            "id\tdocument\tlabel\n7\t좋다\tp\n8\t2.3\tn\n",
            {"text": "document", "label": "label"},
        ),
        (
            "a.tsv",
            "label\tfine\ttext\np\tabcdefgh\t좋다\nn\ti\t2.3\n",
            {"text": "text", "label": "label"},
        ),
        ("a.csv", "Sentiment,Review\np,좋다\nn,2.3\n", {"text": "Review", "label": "Sentiment"}),
        (
            "a.csv",
            "Class,other,Content\np,a,좋다\nn,b,2.3\n",
            {"text": "Content", "label": "Class"},
        ),
    ],
)
def test_columns_of_text_and_label_are_found(write, name, content, taken):
    data = read_labelled(write(name, content))
    assert (data.texts, data.labels, data.numbers, data.columns) == (
        ["좋다", "2.3"],
        ["p", "n"],
        None,
        taken,
    )


def test_of_columns_of_words_the_longest_is_the_text(write):
    data = read_labelled(write("a.csv", "Class,short,long,number\np,a,좋다 정말,1\nn,b,나쁘다,2\n"))
    assert data.texts == ["좋다 정말", "나쁘다"] and data.columns == {
        "text": "long",
        "label": "Class",
    }


def test_columns_can_be_named(write):
    data = read_labelled(
        write("a.tsv", "label\tfine\ttext\np\tx\t좋다\nn\ty\t2.3\n"), text="text", label="fine"
    )
    assert data.labels == ["x", "y"] and data.columns == {"text": "text", "label": "fine"}


def test_named_columns_say_whether_the_first_line_names_them(write):
    unnamed = read_labelled(write("a.tsv", "so good\tpos\nso bad\tneg\n"), text="0", label="1")
    assert (unnamed.texts, unnamed.labels) == (["so good", "so bad"], ["pos", "neg"])
    year = read_labelled(write("a.tsv", "text\t2019\ngood\t1\nbad\t2\n"), text="text", label="2019")
    assert (year.texts, year.labels) == (["good", "bad"], ["1", "2"])


def test_columns_that_hold_lists_are_left_out_and_bytes_that_are_not_text_refused(tmp_path):
    path = tmp_path / "a.parquet"
    polars.DataFrame(
        {"words": [["a"], ["b"]], "body": ["aa", "b"], "label": ["x", "y"], "raw": [b"\xff", b""]}
    ).write_parquet(path)
    assert read_labelled(path, text="body").labels == ["x", "y"]
    with pytest.raises(
        InputError, match="the column 'words' has type List.String.; it should be text or numeric"
    ):
        read_labelled(path, text="words")
    with pytest.raises(
        InputError, match="the column 'raw' has type Binary; it should be text or numeric"
    ):
        read_labelled(path, text="raw").texts[0]


def test_two_columns_without_names_are_label_and_text(write):
    data = read_labelled(write("a.tsv", "1\t좋다\n0\t나쁘다\n"))
    assert (data.texts, data.labels, data.columns) == (
        ["좋다", "나쁘다"],
        ["1", "0"],
        {"text": "1", "label": "0"},
    )


def test_texts_to_predict_need_no_label_and_can_be_empty(write):
    data = read_labelled(write("a.txt", "좋다\n\n나쁘다\n"))
    assert data.texts == ["좋다", "", "나쁘다"] and data.labels is None
    assert read_labelled(write("a.tsv", "text\tlabel\n\ta\nx\tb\n")).texts == ["", "x"]


def test_texts_that_are_all_numbers_are_texts_where_the_column_says_so(write):
    data = read_labelled(write("a.csv", "label,text\n1,10\n0,20\n"))
    assert data.texts == ["10", "20"] and data.labels == ["1", "0"]


def test_a_row_can_be_a_sequence(write):
    path = write("a.csv", "1,1,2,3,4,5,6\n0,1,2,3,4,5,7\n")
    data = read_labelled(path, features=2)
    assert (
        data.labels == ["1", "0"]
        and data.texts is None
        and data.numbers[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    )
    assert data.numbers[0].dtype == np.float32 and data.columns == {
        "numbers": list("123456"),
        "label": "0",
    }
    assert read_labelled(path).numbers[1].shape == (6, 1) and read_labelled(path, steps=2).numbers[
        1
    ].shape == (2, 3)


def test_a_row_without_a_label_is_told_by_its_size(write):
    data = read_labelled(write("a.csv", "1,2,3,4\n"), features=2)
    assert data.labels is None and data.numbers[0].tolist() == [[1, 2], [3, 4]]


def test_the_one_column_of_words_next_to_numbers_is_the_label(write):
    data = read_labelled(write("a.csv", "a,b,species\n1,2,iris\n3,4,rose\n"))
    assert data.labels == ["iris", "rose"] and data.columns == {
        "numbers": ["a", "b"],
        "label": "species",
    }


def test_a_row_can_be_a_step(write):
    data = read_labelled(write("a.csv", "seq,t,dx,dy,label\nb,0,1,2,p\na,0,5,6,n\nb,1,3,4,p\n"))
    assert [rows.tolist() for rows in data.numbers] == [
        [[1, 2], [3, 4]],
        [[5, 6]],
    ] and data.labels == ["p", "n"]
    assert data.columns == {"numbers": ["dx", "dy"], "label": "label", "sequence": "seq"}
    repeated = read_labelled(write("a.csv", "id,x\n1,5\n1,6\n2,7\n"))
    assert [len(rows) for rows in repeated.numbers] == [2, 1] and repeated.labels is None
    assert [len(rows) for rows in read_labelled(write("a.csv", "id,x\n1,5\n2,6\n")).numbers] == [
        1,
        1,
    ]


def test_arrays_are_sequences_and_bytes_become_parts_of_one(tmp_path):
    x, y = np.full((2, 28, 28), 255, np.uint8), np.array([1, 0], np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array(["no", "yes"]))
    data = read_labelled(tmp_path / "a.npz")
    assert (
        data.numbers[0].shape == (28, 28)
        and data.numbers[0].max() == 1
        and data.labels == ["yes", "no"]
    )
    assert data.columns == {"numbers": "x", "label": "y"}


@pytest.mark.parametrize(
    "content, given, message",
    [
        (
            "label,text\np,x\n,y\n",
            {},
            "line 3: the label in the column 'label' is empty; write it, or remove the row",
        ),
        ("label,text\np,x\n", {"label": "lable"}, "has no column 'lable': did you mean 'label'"),
        ("label,text\np,x\n", {"text": "body"}, "has no column 'body'; it has 'label', 'text'"),
        (
            "label,text\np,x\n",
            {"text": "text", "columns": ["label"]},
            "text='text' and columns=.*give one of the two",
        ),
        (
            "1,1,2,3\n0,1,nan,3\n",
            {},
            "line 2: the value in the column '2' is 'nan', not a finite number; fix the value",
        ),
        ("1,1,2\n0,inf,2\n", {}, "line 2: the value in the column '1' is 'inf'"),
        ("1,1,2,3\n0,1,,3\n", {}, "line 2: the value in the column '2' is missing"),
        ("label,a,b\n1,1,2\n0,1,2\n0,x,2\n", {}, "line 4: the value in the column 'a' is 'x'"),
        ("1,1,1e300\n", {}, "the value in the column '2' is '1e300'"),
        (
            "1,1,2,3,4\n",
            {"features": 3},
            "features=3: .* has 4 numbers per row, which should be steps . features; give sizes",
        ),
        ("1,1,2,3,4,5\n", {"steps": 2, "features": 2}, "steps=2, features=2: .* has 5 numbers"),
        ("1,1,2,3\n", {"steps": 0}, "steps=0"),
        ("1,1,2,3\n", {"features": -1}, "features=-1"),
        (
            "seq,x,label\n1,5,p\n2,5,n\n1,6,n\n",
            {},
            "line 4: the label of sequence '1' is 'n' here and 'p' before; give all rows",
        ),
        (
            "id,label\n1,2\n3,4\n",
            {},
            "has the columns 'id', 'label', none with texts or numbers .*; name one: text=",
        ),
    ],
)
def test_what_cannot_be_learned_from_is_refused(write, content, given, message):
    with pytest.raises(InputError, match=message):
        read_labelled(write("a.csv", content), **given)


# ---------------------------------------------------------------- pairs


@pytest.mark.parametrize(
    "content, taken",
    [
        ("en\tko\tattribution\nHi\t안녕\tx\nBye\t잘 가\ty\n", {"source": "en", "target": "ko"}),
        ("source\ttarget\nHi\t안녕\nBye\t잘 가\n", {"source": "source", "target": "target"}),
        ("Hi\t안녕\nBye\t잘 가\n", {"source": "0", "target": "1"}),
    ],
)
def test_pairs_have_a_header_or_not(write, content, taken):
    pairs = read_pairs(write("a.tsv", content))
    assert (pairs.sources, pairs.targets, pairs.columns) == (
        ["Hi", "Bye"],
        ["안녕", "잘 가"],
        taken,
    )


@pytest.mark.parametrize(
    "name, content, column, texts",
    [
        ("a.txt", "it is so\n\nand so\n", "0", ["it is so", "", "and so"]),
        ("a.tsv", "label\tnote\ttext\n\ta longer one\tb\n", "text", ["b"]),
        ("a.tsv", "label\tnote\tbody\n\tx\tlonger\n", "body", ["longer"]),
        ("a.tsv.gz", "source\ttarget\na\tlonger\n", "source", ["a"]),
        ("a.jsonl", '{"n": 1, "body": "a"}\n{"n": 2, "body": "b"}\n', "body", ["a", "b"]),
    ],
)
def test_texts_are_found_whatever_else_is_in_a_table(write, name, content, column, texts):
    found = read_texts(write(name, content))
    assert (list(found[0]), found[1]) == (texts, column)


def test_texts_can_be_named_and_are_refused_where_there_are_none(write):
    path = write("a.csv", "a,b\n1,2\n3,4\n")
    assert list(read_texts(path, text="b")[0]) == ["2", "4"]
    with pytest.raises(
        InputError, match="'.*a.csv' has the columns 'a', 'b', none with texts; name one"
    ):
        read_texts(path)
    with pytest.raises(InputError, match="has no column 'c'.*it has 'a', 'b'"):
        read_texts(path, text="c")


def test_pairs_can_be_turned_round(write):
    path = write("a.csv", 'note,English words,Korean\n1,"Hi, you",안녕\n')
    pairs = read_pairs(path, source="Korean", target="English words")
    assert (pairs.sources, pairs.targets) == (["안녕"], ["Hi, you"])
    assert read_pairs(path, source="English words").columns == {
        "source": "English words",
        "target": "note",
    }
    swapped = read_pairs(write("a.tsv", "Hi\t안녕\n"), source="1")
    assert (swapped.sources, swapped.targets) == (["안녕"], ["Hi"])


def test_sentences_alone_can_be_translated(write):
    pairs = read_pairs(write("a.txt", "Hi there.\nBye.\n"))
    assert pairs.sources == ["Hi there.", "Bye."] and pairs.targets is None


def test_sentences_to_translate_need_no_targets_and_no_names(write):
    for content in ("one\n2\n", "en\none\n2\n", "en\tko\none\t\n2\t\n"):
        pairs = read_pairs(write("a.tsv", content), source="en", target="ko", answered=False)
        assert pairs.sources == ["one", "2"] and pairs.targets is None
    assert read_pairs(write("a.txt", "one\n2\n")).sources == ["one", "2"]


@pytest.mark.parametrize(
    "content, given, message",
    [
        (
            "en\tko\nHi\t안녕\nBye\t \n",
            {},
            "line 3: the target sentence in the column 'ko' is empty",
        ),
        ("\t안녕\n", {}, "line 1: the source sentence in the column '0' is empty"),
        ("en\tko\nHi\t안녕\n", {"target": "kr"}, "has no column 'kr'"),
        (
            "en\tko\nHi\t안녕\n",
            {"source": "en", "target": "en"},
            "are the same column; name two of",
        ),
    ],
)
def test_pairs_that_are_none_are_refused(write, content, given, message):
    with pytest.raises(InputError, match=message):
        read_pairs(write("a.tsv", content), **given)


# ---------------------------------------------------------------- real files


@needs_data
@pytest.mark.parametrize(
    "name, count, labels, columns",
    [
        ("full/nsmc/train.tsv.gz", 150_000, 2, {"text": "document", "label": "label"}),
        ("full/nsmc/test.tsv.gz", 50_000, 2, {"text": "document", "label": "label"}),
        ("small/nsmc/train.tsv", 2000, 2, {"text": "text", "label": "label"}),
        ("small/trec/train.tsv", 2500, 6, {"text": "text", "label": "label"}),
        ("small/trec/test.tsv", 500, 6, {"text": "text", "label": "label"}),
    ],
)
def test_real_texts(name, count, labels, columns):
    data = read_labelled(DATA / name)
    assert (
        len(data.texts) == len(data.labels) == count
        and len(set(data.labels)) == labels
        and data.columns == columns
    )


@needs_data
def test_real_numbers():
    gestures = read_labelled(DATA / "small/hand_gesture/train.csv", features=2)
    assert len(gestures.numbers) == 400 and {rows.shape for rows in gestures.numbers} == {(16, 2)}
    assert set(gestures.labels) == set("0123")
    strokes = read_labelled(DATA / "small/kanji_strokes/train.csv")
    assert (
        sum(map(len, strokes.numbers)) == 12_029
        and strokes.numbers[0].shape[1] == 3
        and strokes.labels is None
    )
    for part, count in (("train", 60_000), ("test", 10_000)):
        images = read_labelled(DATA / f"full/mnist/mnist_{part}.npz")
        assert len(images.numbers) == len(images.labels) == count
        assert images.numbers[0].shape == (28, 28) and images.numbers[0].max() <= 1


@needs_data
def test_real_pairs():
    assert len(read_pairs(DATA / "full/tatoeba_en_fr/train.tsv.gz").targets) == 139_987
    assert read_pairs(DATA / "small/tatoeba_en_ko/train.tsv").columns == {
        "source": "en",
        "target": "ko",
    }
