"""Tables are read as they are written, and what is wrong in one is named with its line."""

import json
from pathlib import Path

import numpy as np
import polars
import pytest

from ostinato.errors import InputError
from ostinato.tables import read_labelled, read_pairs, read_series, read_table, read_unpacked

DATA = Path(__file__).parents[2] / "shared" / "data"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason="there is no ../shared/data beside this checkout")


# ---------------------------------------------------------------- tables


@pytest.mark.parametrize("name, content", [
    ("a.csv", "label,text\n1,좋다\n0,나쁘다\n"), ("a.csv.gz", "label,text\r\n1,좋다\r\n0,나쁘다\r\n"),
    ("a.csv", "label;text\n1;좋다\n0;나쁘다"),
    ("a.csv", "label\ttext\n1\t좋다\n0\t나쁘다\n"), ("a.tsv", "\ufefflabel\ttext\n1\t좋다\n\n0\t나쁘다\n\n"),
    ("a.txt.gz", "label\ttext\n1\t좋다\n0\t나쁘다\n"),
    ("a.csv", '"label","text"\n"1","좋다"\n0,나쁘다\n'),
    ("a.jsonl", '{"label": 1, "text": "좋다"}\n\n{"text": "나쁘다", "label": 0}\n'),
    ("a.ndjson.gz", '{"label": "1", "text": "좋다"}\n{"label": "0", "text": "나쁘다"}\n')])
def test_each_format_gives_the_same_table(write, name, content):
    table = read_table(write(name, content))
    assert table.names == ["label", "text"] and table.frame.rows() == [("1", "좋다"), ("0", "나쁘다")]


def test_parquet_is_read_packed_or_not(write, tmp_path):
    polars.DataFrame({"label": [1, 0], "text": ["e\u0301", None], "n": [0.5, 2]}).write_parquet(tmp_path / "a.parquet")
    for path in (tmp_path / "a.parquet", write("b.parquet.gz", (tmp_path / "a.parquet").read_bytes())):
        table = read_table(path)
        assert table.texts("label") == ["1", "0"] and table.texts("text") == ["é", ""]
        assert table.numbers(["n"]).tolist() == [[0.5], [2]]
        assert table.where(1).endswith("row 2")


def test_quotation_marks_hold_separators_and_lines(write):
    table = read_table(write("a.csv", 'label,text\n1,"a, ""b""\nc"\n0,d\n'))
    assert table.texts("text") == ['a, "b"\nc', "d"] and table.lines == [2, 4]


def test_quotation_marks_in_a_tsv_are_letters(write):
    assert read_table(write("a.tsv", 'label\ttext\n1\t"a\n0\tb "c"\n')).texts("text") == ['"a', 'b "c"']


def test_text_is_composed_and_odd_line_ends_are_no_lines(write):
    table = read_table(write("a.tsv", "label\ttext\n1\te\u0301\x1e\u2028x\x85\n"))
    assert table.texts("text") == ["é\x1e\u2028x\x85"]
    assert read_table(write("a.jsonl", '{"t": "e\\u0301"}')).texts("t") == ["é"]


def test_rows_know_their_lines_past_empty_ones(write):
    assert read_table(write("a.csv", "\na,b\n\nx,y\n\n\nx,y\n")).lines == [4, 7]


@pytest.mark.parametrize("content, names, rows", [
    ("0,1.5,x\n1,2,y\n", ["0", "1", "2"], 2), ("1\n2\n", ["0"], 2), ("Passengers\n112\n118\n", ["Passengers"], 2),
    ("text\nso good\n\n", ["text"], 1),
    ("so good\nso bad\n", ["0"], 2), ("one\n\nthree\n", ["0"], 3), (",a\n0,x\n", ["", "a"], 1), ("nan,x\n", ["0", "1"], 1)])
def test_a_header_is_a_line_without_numbers(write, content, names, rows):
    table = read_table(write("a.csv", content))
    assert table.names == names and table.frame.height == rows == len(table.lines)


@pytest.mark.parametrize("name, content, message", [
    ("a.csv", "", r"a\.csv' has no text in it \(0 bytes\)"), ("a.tsv", " \n\n", r"has no text in it \(3 bytes\)"),
    ("a.csv.gz", "", r"has nothing in it \(0 bytes\); give a file with data"),
    ("a.csv.gz", "\n", r"has no text in it \(1 bytes unpacked\)"),
    ("a.parquet", b"", r"has nothing in it \(0 bytes\)"),
    ("a.csv", "a,b\n", "has names of columns and no rows; give a file with data"),
    ("a.csv", "a,b\n1,2\n1,2,3\n", "line 3 has 3 fields, and line 1 has 2; mend the line, or put quotation marks around a field"),
    ("a.csv", 'a,b\n"1\n",2\n"1"\n', "line 4 has 1 fields, and line 1 has 2"),
    ("a.tsv", "a\tb\n\n1\n", "line 3 has 1 fields, and line 1 has 2; mend the line: separate it by tabs"),
    ("a.csv", 'a,b\n1,2\n"x,2\n3,4\n', "line 3: a quotation mark is not closed.*write one inside it twice"),
    ("a.csv", 'a,b\n"x"y,2\n', "line 2: a quotation mark .* in the midst of a quoted field"),
    ("a.csv", "a,b,a\n1,2,3\n", "has two columns 'a'; give each its own name in the first line"),
    ("a.csv", "a,b\nx,좋\n".encode("euc-kr"), r"is not UTF-8: byte 6 \(line 2\) is 0xc1; .*iconv -f ENCODING -t utf-8"),
    ("a.csv", "a,b\n".encode("utf-16"), "it starts as utf-16 does; .*iconv -f utf-16"),
    ("a.csv.gz", "a,b\nx,좋\n".encode("euc-kr"), r"is not UTF-8: byte 6 \(line 2\) is 0xc1; .*zcat .*a\.csv\.gz | iconv"),
    ("a.jsonl", '{"a": 1}\n{"a": \n', "line 2 is no JSON .*; write one object in each line"),
    ("a.jsonl", '{"a": "\\ud800"}\n', "line 1 is no JSON"), ("a.jsonl", "[1]\n", r"line 1 holds \[1\]; write one object"),
    ("a.jsonl", '{"a": 1}\n\n{"a": 1, "b": 2}\n', r"line 3 has 2 fields \('a', 'b'\), and line 1 has 1 \('a'\); give each"),
    ("a.jsonl", '{"a": [1]}\n', "line 1: 'a' holds a list; a field should hold text or a number"),
    ("a.parquet", b"PAR1 and no more", r"a\.parquet' \(16 bytes\) is cut short or no Parquet file"),
    ("a.xlsx", b"PK", r"a\.xlsx' is of no kind that is read as a table; name it by its kind: \.csv, \.tsv")])
def test_a_broken_file_is_refused(write, name, content, message):
    with pytest.raises(InputError, match=message):
        read_table(write(name, content))


def test_a_file_that_is_missing_or_cut_short_is_refused(write, tmp_path):
    with pytest.raises(InputError, match=r"there is no file .*b\.csv"):
        read_table(tmp_path / "b.csv")
    with pytest.raises(InputError, match="is a directory"):
        (tmp_path / "c.csv").mkdir()
        read_table(tmp_path / "c.csv")
    path = write("a.csv.gz", "a,b\n1,2\n" * 99)
    packed = path.read_bytes()
    for broken in (packed[:len(packed) // 2], b"a,b\n1,2\n", packed[:-5] + b"\0\0\0\0\0"):
        path.write_bytes(broken)
        with pytest.raises(InputError, match=rf"a\.csv\.gz' \({len(broken)} bytes\) is no whole gzip file"):
            read_unpacked(path)
    polars.DataFrame({"a": [1, 2, 3] * 99}).write_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(InputError, match="is cut short or no Parquet file"):
        read_table(write("b.parquet", whole[:len(whole) // 2]))


def test_a_parquet_file_that_polars_panics_at_is_refused(write, monkeypatch):
    def panic(_):
        raise polars.exceptions.PanicException("assertion failed")
    monkeypatch.setattr(polars, "read_parquet", panic)
    with pytest.raises(InputError, match=r"is cut short or no Parquet file \(assertion failed\); get it again"):
        read_table(write("a.parquet", b"PAR1"))


def test_an_unknown_column_is_named_with_those_there_are(write, tmp_path):
    table = read_table(write("a.csv", "label,text\nx,y\n"))
    with pytest.raises(InputError, match="has no column 'txt': did you mean 'text'.*; it has 'label', 'text'"):
        table.column("txt")
    wide = read_table(write("b.csv", ",".join(map(str, range(30))) + "\n"))
    with pytest.raises(InputError, match="'19' and 10 more"):
        wide.column("x")
    polars.DataFrame({"a": [[1], [2]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(InputError, match=r"the column 'a' holds List\(Int64\); it should hold text or numbers"):
        read_table(tmp_path / "a.parquet").column("a")


# ---------------------------------------------------------------- texts and numbers with labels


@pytest.mark.parametrize("name, content, taken", [
    ("a.tsv", "id\tdocument\tlabel\n7\t좋다\tp\n8\t2.3\tn\n", {"text": "document", "label": "label"}),
    ("a.tsv", "label\tfine\ttext\np\tabcdefgh\t좋다\nn\ti\t2.3\n", {"text": "text", "label": "label"}),
    ("a.csv", "Sentiment,Review\np,좋다\nn,2.3\n", {"text": "Review", "label": "Sentiment"}),
    ("a.csv", "Class,other,Content\np,a,좋다\nn,b,2.3\n", {"text": "Content", "label": "Class"})])
def test_columns_of_text_and_label_are_found(write, name, content, taken):
    data = read_labelled(write(name, content))
    assert (data.texts, data.labels, data.numbers, data.columns) == (["좋다", "2.3"], ["p", "n"], None, taken)


def test_of_columns_of_words_the_longest_is_the_text(write):
    data = read_labelled(write("a.csv", "Class,short,long,number\np,a,좋다 정말,1\nn,b,나쁘다,2\n"))
    assert data.texts == ["좋다 정말", "나쁘다"] and data.columns == {"text": "long", "label": "Class"}


def test_columns_can_be_named(write):
    data = read_labelled(write("a.tsv", "label\tfine\ttext\np\tx\t좋다\nn\ty\t2.3\n"), text="text", label="fine")
    assert data.labels == ["x", "y"] and data.columns == {"text": "text", "label": "fine"}


def test_two_columns_without_names_are_label_and_text(write):
    data = read_labelled(write("a.tsv", "1\t좋다\n0\t나쁘다\n"))
    assert (data.texts, data.labels, data.columns) == (["좋다", "나쁘다"], ["1", "0"], {"text": "1", "label": "0"})


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
    assert data.labels == ["1", "0"] and data.texts is None and data.numbers[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert data.numbers[0].dtype == np.float32 and data.columns == {"numbers": list("123456"), "label": "0"}
    assert read_labelled(path).numbers[1].shape == (6, 1) and read_labelled(path, steps=2).numbers[1].shape == (2, 3)


def test_a_row_without_a_label_is_told_by_its_size(write):
    data = read_labelled(write("a.csv", "1,2,3,4\n"), features=2)
    assert data.labels is None and data.numbers[0].tolist() == [[1, 2], [3, 4]]


def test_the_one_column_of_words_beside_numbers_is_the_label(write):
    data = read_labelled(write("a.csv", "a,b,species\n1,2,iris\n3,4,rose\n"))
    assert data.labels == ["iris", "rose"] and data.columns == {"numbers": ["a", "b"], "label": "species"}


def test_a_row_can_be_a_step(write):
    data = read_labelled(write("a.csv", "seq,t,dx,dy,label\nb,0,1,2,p\na,0,5,6,n\nb,1,3,4,p\n"))
    assert [rows.tolist() for rows in data.numbers] == [[[1, 2], [3, 4]], [[5, 6]]] and data.labels == ["p", "n"]
    assert data.columns == {"numbers": ["dx", "dy"], "label": "label", "sequence": "seq"}
    repeated = read_labelled(write("a.csv", "id,x\n1,5\n1,6\n2,7\n"))
    assert [len(rows) for rows in repeated.numbers] == [2, 1] and repeated.labels is None
    assert [len(rows) for rows in read_labelled(write("a.csv", "id,x\n1,5\n2,6\n")).numbers] == [1, 1]


def test_arrays_are_sequences_and_bytes_become_parts_of_one(tmp_path):
    x, y = np.full((2, 28, 28), 255, np.uint8), np.array([1, 0], np.uint8)
    np.savez(tmp_path / "a.npz", x=x, y=y, names=np.array(["no", "yes"]))
    data = read_labelled(tmp_path / "a.npz")
    assert data.numbers[0].shape == (28, 28) and data.numbers[0].max() == 1 and data.labels == ["yes", "no"]
    assert data.columns == {"numbers": "x", "label": "y"}


@pytest.mark.parametrize("content, given, message", [
    ("label,text\np,x\n,y\n", {}, "line 3: there is no label in the column 'label'; write one, or take the row out"),
    ("label,text\np,x\n", {"label": "lable"}, "has no column 'lable': did you mean 'label'"),
    ("label,text\np,x\n", {"text": "body"}, "has no column 'body'; it has 'label', 'text'"),
    ("label,text\np,x\n", {"text": "text", "columns": ["label"]}, "text='text' and columns=.*give one of the two"),
    ("1,1,2\n0,1,nan\n", {}, "line 2: there is 'nan' in the column '2', which should hold finite numbers; mend the value"),
    ("1,1,2\n0,inf,2\n", {}, "line 2: there is 'inf' in the column '1'"),
    ("1,1,2\n0,1,\n", {}, "line 2: there is nothing in the column '2'"),
    ("label,a,b\n1,1,2\n0,1,2\n0,x,2\n", {}, "line 4: there is 'x' in the column 'a'"), ("1,1,1e300\n", {}, "there is '1e300'"),
    ("1,1,2,3,4\n", {"features": 3}, "features=3: .* has 4 numbers in a row, which should be steps . features; give sizes"),
    ("1,1,2,3,4,5\n", {"steps": 2, "features": 2}, "steps=2, features=2: .* has 5 numbers"),
    ("1,1,2,3\n", {"steps": 0}, "steps=0"),
    ("1,1,2,3\n", {"features": -1}, "features=-1"),
    ("seq,x,label\n1,5,p\n2,5,n\n1,6,n\n", {}, "line 4: the label of sequence '1' is 'n' here and 'p' before; give all rows"),
    ("id,label\n1,2\n3,4\n", {}, "has the columns 'id', 'label', none of them of texts or numbers .*; name one: text=")])
def test_what_cannot_be_learned_from_is_refused(write, content, given, message):
    with pytest.raises(InputError, match=message):
        read_labelled(write("a.csv", content), **given)


# ---------------------------------------------------------------- pairs and series


@pytest.mark.parametrize("content, taken", [
    ("en\tko\tattribution\nHi\t안녕\tx\nBye\t잘 가\ty\n", {"source": "en", "target": "ko"}),
    ("source\ttarget\nHi\t안녕\nBye\t잘 가\n", {"source": "source", "target": "target"}),
    ("Hi\t안녕\nBye\t잘 가\n", {"source": "0", "target": "1"})])
def test_pairs_have_a_header_or_not(write, content, taken):
    pairs = read_pairs(write("a.tsv", content))
    assert (pairs.sources, pairs.targets, pairs.columns) == (["Hi", "Bye"], ["안녕", "잘 가"], taken)


def test_pairs_can_be_turned_round(write):
    path = write("a.csv", 'note,English words,Korean\n1,"Hi, you",안녕\n')
    pairs = read_pairs(path, source="Korean", target="English words")
    assert (pairs.sources, pairs.targets) == (["안녕"], ["Hi, you"])
    assert read_pairs(path, source="English words").columns == {"source": "English words", "target": "note"}
    swapped = read_pairs(write("a.tsv", "Hi\t안녕\n"), source="1")
    assert (swapped.sources, swapped.targets) == (["안녕"], ["Hi"])


def test_sentences_alone_can_be_translated(write):
    pairs = read_pairs(write("a.txt", "Hi there.\nBye.\n"))
    assert pairs.sources == ["Hi there.", "Bye."] and pairs.targets is None


@pytest.mark.parametrize("content, given, message", [
    ("en\tko\nHi\t안녕\nBye\t \n", {}, "line 3: there is no target sentence in the column 'ko'"),
    ("\t안녕\n", {}, "line 1: there is no source sentence"),
    ("en\tko\nHi\t안녕\n", {"target": "kr"}, "has no column 'kr'"),
    ("en\tko\nHi\t안녕\n", {"source": "en", "target": "en"}, "are one column; name two of")])
def test_pairs_that_are_none_are_refused(write, content, given, message):
    with pytest.raises(InputError, match=message):
        read_pairs(write("a.tsv", content), **given)


@pytest.mark.parametrize("content, names, times", [
    ('"Month","Passengers"\n"1949-01",112\n"1949-02",118\n', ["Passengers"], ["1949-01", "1949-02"]),
    ("Passengers\n112\n118\n", ["Passengers"], None),
    ("112\n118\n", ["0"], None), ("step,a,b\n1,112,1\n2,118,0\n", ["a", "b"], ["1", "2"]),
    ("a,b\n112,1\n118,0\n", ["b"], ["112", "118"]),
    ("a,b\n118,1\n112,0\n", ["a", "b"], None),
    ("Date,place,Temp\nJan 1,here,112\nJan 2,here,118\n", ["Temp"], ["Jan 1", "Jan 2"])])
def test_a_series_has_values_and_times(write, content, names, times):
    path = write("a.csv", content)
    series = read_series(path)
    assert series.names == names and series.times == times and series.values.shape == (2, len(names))
    assert series.values.dtype == np.float64
    assert series.columns == {"values": names} | ({"time": read_table(path).names[0]} if times else {})


def test_columns_of_a_series_can_be_named(write):
    series = read_series(write("a.csv", "a,b,when\n1,5,x\n2,6,y\n"), columns=["a"], time="when")
    assert series.values.tolist() == [[1], [2]] and series.times == ["x", "y"]


@pytest.mark.parametrize("content, given, message", [
    ("Month,n\n1949-01,1\n1949-02,\n", {}, "line 3: there is nothing in the column 'n'"),
    ("n\n1\nnan\n", {}, "line 3: there is 'nan'"),
    ("n,m\n1,2\n3,4\n", {"columns": ["k"]}, "has no column 'k'; it has 'n', 'm'"),
    ("n,m\n1,2\n", {"time": "k"}, "has no column 'k'"),
    ("Month,n\n1949-01,a\n", {}, r"has the columns 'Month', 'n', none of them of numbers to forecast; name one: columns=")])
def test_a_series_with_gaps_is_refused(write, content, given, message):
    with pytest.raises(InputError, match=message):
        read_series(write("a.csv", content), **given)


# ---------------------------------------------------------------- real files


@needs_data
@pytest.mark.parametrize("name, count, labels, columns", [
    ("full/nsmc/train.tsv.gz", 150_000, 2, {"text": "document", "label": "label"}),
    ("full/nsmc/test.tsv.gz", 50_000, 2, {"text": "document", "label": "label"}),
    ("small/nsmc/train.tsv", 2000, 2, {"text": "text", "label": "label"}),
    ("small/trec/train.tsv", 2500, 6, {"text": "text", "label": "label"}),
    ("small/trec/test.tsv", 500, 6, {"text": "text", "label": "label"})])
def test_real_texts(name, count, labels, columns):
    data = read_labelled(DATA / name)
    assert len(data.texts) == len(data.labels) == count and len(set(data.labels)) == labels and data.columns == columns


@needs_data
def test_real_numbers():
    gestures = read_labelled(DATA / "small/hand_gesture/train.csv", features=2)
    assert len(gestures.numbers) == 400 and {rows.shape for rows in gestures.numbers} == {(16, 2)}
    assert set(gestures.labels) == set("0123")
    strokes = read_labelled(DATA / "small/kanji_strokes/train.csv")
    assert sum(map(len, strokes.numbers)) == 12_029 and strokes.numbers[0].shape[1] == 3 and strokes.labels is None
    for part, count in (("train", 60_000), ("test", 10_000)):
        images = read_labelled(DATA / f"full/mnist/mnist_{part}.npz")
        assert len(images.numbers) == len(images.labels) == count
        assert images.numbers[0].shape == (28, 28) and images.numbers[0].max() <= 1


@needs_data
def test_real_pairs_and_series():
    assert len(read_pairs(DATA / "full/tatoeba_en_fr/train.tsv.gz").targets) == 139_987
    assert read_pairs(DATA / "small/tatoeba_en_ko/train.tsv").columns == {"source": "en", "target": "ko"}
    for path, count in (("airline-passengers", 115), ("monthly-sunspots", 2256), ("daily-min-temperatures", 2920)):
        series = read_series(DATA / f"small/timeseries/{path}.train.csv")
        assert series.values.shape == (count, 1) and len(series.times) == count


def test_json_numbers_keep_all_their_digits(write):
    path = write("a.jsonl", json.dumps({"n": 0.1 + 0.2, "ok": True, "none": None}))
    assert read_table(path).frame.rows() == [(repr(0.1 + 0.2), "true", "")]
