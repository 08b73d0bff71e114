"""Tables are read as they are written, and what is wrong in one is named with its line."""

import json
from datetime import timedelta

import polars
import pytest

from ostinato.data import text
from ostinato.data.tables import read_table
from ostinato.errors import InputError


def rows(table):
    """All of a table as text."""
    return [*zip(*map(table.texts, table.names))]


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", "label,text\n1,좋다\n0,나쁘다\n"),
        ("a.csv.gz", "label,text\r\n1,좋다\r\n0,나쁘다\r\n"),
        ("a.csv", "label;text\n1;좋다\n0;나쁘다"),
        ("a.csv", "label\ttext\n1\t좋다\n0\t나쁘다\n"),
        ("a.tsv", "\ufefflabel\ttext\n1\t좋다\n\n0\t나쁘다\n\n"),
        ("a.txt.gz", "label\ttext\n1\t좋다\n0\t나쁘다\n"),
        ("a.csv", '"label","text"\n"1","좋다"\n0,나쁘다\n'),
        ("a.csv", '"label";text\n"1";좋다\n0;"나쁘다"\n'),
        ("a.jsonl", '{"label": 1, "text": "좋다"}\n\n{"text": "나쁘다", "label": 0}\n'),
        ("a.ndjson.gz", '{"label": "1", "text": "좋다"}\n{"label": "0", "text": "나쁘다"}\n'),
    ],
)
def test_each_format_gives_the_same_table(write, name, content):
    table = read_table(write(name, content))
    assert table.names == ["label", "text"] and rows(table) == [("1", "좋다"), ("0", "나쁘다")]


def test_parquet_is_read_packed_or_not(write, tmp_path):
    polars.DataFrame({"label": [1, 0], "text": ["e\u0301", None], "n": [0.5, 2]}).write_parquet(
        tmp_path / "a.parquet"
    )
    for path in (
        tmp_path / "a.parquet",
        write("b.parquet.gz", (tmp_path / "a.parquet").read_bytes()),
    ):
        table = read_table(path)
        assert table.texts("label") == ["1", "0"] and table.texts("text") == ["é", ""]
        assert table.numbers(["n"]).tolist() == [[0.5], [2]]
        assert table.where(1).endswith("row 2")


@pytest.mark.parametrize(
    "name, content",
    [
        ("a.csv", "label,text\n" + "1,좋다 e\u0301\n\n0,\n" * 40),
        ("a.csv.gz", 'label,text\r\n"1","a, ""b""\r\nc"\r\n0,d\r\n' * 1 + '0,"e\n\nf"\n' * 40),
        ("a.tsv", "\ufeff" + "1\t좋다\n\n0\t\n" * 40),
        ("a.txt", "text\n" + "좋다\n\n\n" * 40 + "\n"),
        ("a.csv", '"text"\n' + "좋다\n\n" * 40),
        ("a.jsonl", '{"label": 1, "text": "좋다\\n"}\n\n{"text": null, "label": 0}\n' * 40),
    ],
)
def test_chunks_make_no_difference(write, monkeypatch, name, content):
    path = write(name, content)
    whole = read_table(path)
    monkeypatch.setattr(text, "CHUNK", 7)
    chunked = read_table(path)
    assert len(chunked.starts) > 10 and chunked.names == whole.names
    assert rows(chunked) == rows(whole) and chunked.lines == whole.lines and len(rows(whole)) >= 40


def test_chunks_of_parquet_make_no_difference(monkeypatch, tmp_path):
    polars.DataFrame(
        {"n": [k / 7 for k in range(90)], "text": [f"e\u0301 {k}" for k in range(90)]}
    ).write_parquet(tmp_path / "a[1].parquet", row_group_size=20)
    whole = read_table(tmp_path / "a[1].parquet")
    monkeypatch.setattr("ostinato.data.tables.PARQUET_ROWS", 7)
    chunked = read_table(tmp_path / "a[1].parquet")
    assert (
        rows(chunked) == rows(whole)
        and chunked.numbers(["n"]).tolist() == whole.numbers(["n"]).tolist()
        and len(chunked.starts) == 14
    )


@pytest.mark.parametrize("values", [[timedelta(hours=1)], [b"\xff"], [[1.0]]])
def test_a_column_that_is_neither_text_nor_numbers_is_refused(tmp_path, values):
    polars.DataFrame({"a": values}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"a\.parquet': the column 'a' has type .*; it should be text or numeric"
    ):
        list(read_table(tmp_path / "a.parquet").texts("a"))


def test_quotation_marks_hold_separators_and_lines(write):
    table = read_table(write("a.csv", 'label,text\n1,"a, ""b""\nc"\n0,d\n'))
    assert table.texts("text") == ['a, "b"\nc', "d"] and list(table.lines) == [2, 4]


@pytest.mark.parametrize("quoted", ['"a"', "a"])
def test_a_csv_is_read_once_and_alike_with_quotation_marks_and_without(write, monkeypatch, quoted):
    opened, read = [], text.read_chunks
    monkeypatch.setattr(
        text, "read_chunks", lambda *given, **others: opened.append(given) or read(*given, **others)
    )
    table = read_table(write("a.csv", f"text\n{quoted}\n\nb\n\n"))
    assert table.texts("text") == ["a", "", "b"] and table.lines.tolist() == [2, 3, 4]
    # its first line is looked at before
    assert len(opened) == 2


def test_a_field_can_be_long(write):
    assert (
        read_table(write("a.csv", 'label,text\n1,"' + "so, " * 50_000 + '"\n')).texts("text")[0]
        == "so, " * 50_000
    )


def test_what_stands_between_quotation_marks_separates_nothing(write):
    table = read_table(write("a.csv", '"text; of; some","label"\na,b\n'))
    assert table.names == ["text; of; some", "label"] and rows(table) == [("a", "b")]


def test_quotation_marks_in_a_tsv_are_letters(write):
    assert read_table(write("a.tsv", 'label\ttext\n1\t"a\n0\tb "c"\n')).texts("text") == [
        '"a',
        'b "c"',
    ]


def test_text_is_composed_and_odd_line_ends_are_not_lines(write):
    table = read_table(write("a.tsv", "label\ttext\n1\te\u0301\x1e\u2028x\x85\n"))
    assert table.texts("text") == ["é\x1e\u2028x\x85"]
    assert read_table(write("a.jsonl", '{"t": "e\\u0301"}')).texts("t") == ["é"]


def test_rows_know_their_lines_past_empty_ones(write):
    assert read_table(write("a.csv", "\na,b\n\nx,y\n\n\nx,y\n")).lines.tolist() == [4, 7]


@pytest.mark.parametrize(
    "content, names, count",
    [
        ("0,1.5,x\n1,2,y\n", ["0", "1", "2"], 2),
        ("1\n2\n", ["0"], 2),
        ("Passengers\n112\n118\n", ["Passengers"], 2),
        ("text\nso good\n\n", ["text"], 1),
        ("so good\nso bad\n", ["0"], 2),
        ("one\n\nthree\n", ["0"], 3),
        (",a\n0,x\n", ["", "a"], 1),
        ("nan,x\n", ["0", "1"], 1),
    ],
)
def test_a_header_is_a_line_without_numbers(write, content, names, count):
    table = read_table(write("a.csv", content))
    assert table.names == names and len(table) == count == len(table.lines)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", "", r"a\.csv' is empty: it has no text \(0 bytes\)"),
        ("a.tsv", " \n\n", r"is empty: it has no text \(3 bytes\)"),
        ("a.csv.gz", "", r"is empty: it has no text \(0 bytes unpacked\); give a file with text"),
        ("a.csv.gz", "\n", r"is empty: it has no text \(1 bytes unpacked\)"),
        ("a.parquet", b"", r"is empty \(0 bytes\)"),
        ("a.csv", "a,b\n", "has a header and no rows; give a file with data"),
        (
            "a.csv",
            "a,b\n1,2\n1,2,3\n",
            "line 3 has 3 fields, and line 1 has 2; fix the line, or put quotation marks around a "
            "field",
        ),
        ("a.csv", 'a,b\n"1\n",2\n"1"\n', "line 4 has 1 fields, and line 1 has 2"),
        (
            "a.tsv",
            "a\tb\n\n1\n",
            "line 3 has 1 fields, and line 1 has 2; fix the line: separate it by tabs",
        ),
        (
            "a.csv",
            'a,b\n1,2\n"x,2\n3,4\n',
            "line 3: a quotation mark is not closed.*write a quotation mark inside it twice",
        ),
        ("a.csv", 'a,b\n"x"y,2\n', "line 2: a quotation mark .* inside a quoted field"),
        (
            "a.csv",
            "a,b,a\n1,2,3\n",
            "has two columns 'a'; give each column its own name in the first line",
        ),
        (
            "a.csv",
            "a,b\nx,좋\n".encode("euc-kr"),
            r"is not UTF-8: byte 6 \(line 2\) is 0xc1; .*iconv -f ENCODING -t utf-8",
        ),
        ("a.csv", b"a,b\nx\0,y\n", "line 2 has a NUL character.*iconv -f utf-16"),
        (
            "a.csv.gz",
            "a,b\nx,좋\n".encode("euc-kr"),
            r"is not UTF-8: byte 6 \(line 2\) is 0xc1; .*zcat .*a\.csv\.gz | iconv",
        ),
        (
            "a.jsonl",
            '{"a": 1}\n{"a": \n',
            "line 2 is not valid JSON .*; write one object in each line",
        ),
        ("a.jsonl", '{"a": "\\ud800"}\n', "line 1 is not valid JSON"),
        ("a.jsonl", "[1]\n", r"line 1 is \[1\]; write one object"),
        (
            "a.jsonl",
            '{"a": 1}\n\n{"a": 1, "b": 2}\n',
            r"line 3 has 2 fields \('a', 'b'\), and line 1 has 1 \('a'\); give all lines",
        ),
        (
            "a.jsonl",
            '{"a": [1]}\n',
            "line 1: 'a' is a list; a field should be text or a number",
        ),
        (
            "a.parquet",
            b"PAR1 and no more",
            r"a\.parquet' \(16 bytes\) is truncated or not a Parquet file",
        ),
        (
            "a.xlsx",
            b"PK",
            r"a\.xlsx' has an unsupported file type; supported types: \.csv, \.tsv",
        ),
    ],
)
def test_a_broken_file_is_refused(write, name, content, message):
    with pytest.raises(InputError, match=message):
        read_table(write(name, content))


def test_a_file_that_is_missing_or_cut_short_is_refused(write, tmp_path):
    with pytest.raises(InputError, match=r"b\.csv' does not exist"):
        read_table(tmp_path / "b.csv")
    with pytest.raises(InputError, match="'a text in place of a file' does not exist"):
        read_table("a text in place of a file")
    with pytest.raises(InputError, match="is a directory"):
        (tmp_path / "c.csv").mkdir()
        read_table(tmp_path / "c.csv")
    path = write("a.csv.gz", "a,b\n1,2\n" * 99)
    packed = path.read_bytes()
    for broken in (packed[: len(packed) // 2], b"a,b\n1,2\n", packed[:-5] + b"\0\0\0\0\0"):
        path.write_bytes(broken)
        with pytest.raises(
            InputError, match=rf"a\.csv\.gz' \({len(broken)} bytes\) is not a complete gzip file"
        ):
            read_table(path)
    polars.DataFrame({"a": [1, 2, 3] * 99}).write_parquet(tmp_path / "a.parquet")
    whole = (tmp_path / "a.parquet").read_bytes()
    with pytest.raises(InputError, match="is truncated or not a Parquet file"):
        read_table(write("b.parquet", whole[: len(whole) // 2]))


def test_a_page_of_fewer_than_no_values_is_refused_before_polars_reads_it(write, tmp_path):
    # the bytes of a page's header that say how many values it holds: a struct, its first field a
    # number, 60 in zigzag
    polars.DataFrame({"a": [k / 7 for k in range(60)], "text": ["좋다"] * 60}).write_parquet(
        tmp_path / "a.parquet"
    )
    whole = (tmp_path / "a.parquet").read_bytes()
    assert whole.count(b"\x2c\x15\x78") >= 2 and len(read_table(tmp_path / "a.parquet")) == 60
    for name in ("b.parquet", "b.parquet.gz"):
        with pytest.raises(
            InputError,
            match=r"b\.parquet.* is truncated or not a Parquet file \(a page of fewer than 0 "
            r"values\); download it again",
        ):
            read_table(write(name, whole.replace(b"\x2c\x15\x78", b"\x2c\x15\x79")))


def test_a_parquet_file_that_polars_panics_at_is_refused(write, monkeypatch):
    def panic(*_, **__):
        raise polars.exceptions.PanicException("assertion failed")

    monkeypatch.setattr(polars, "scan_parquet", panic)
    with pytest.raises(
        InputError,
        match=r"is truncated or not a Parquet file \(assertion failed\); download it again",
    ):
        read_table(write("a.parquet", b"PAR1"))


def test_an_unknown_column_is_named_with_those_there_are(write, tmp_path):
    table = read_table(write("a.csv", "label,text\nx,y\n"))
    with pytest.raises(
        InputError, match="has no column 'txt': did you mean 'text'.*; it has 'label', 'text'"
    ):
        table.column("txt")
    wide = read_table(write("b.csv", ",".join(map(str, range(30))) + "\n"))
    with pytest.raises(InputError, match="'19' and 10 more"):
        wide.column("x")
    polars.DataFrame({"a": [[1], [2]]}).write_parquet(tmp_path / "a.parquet")
    with pytest.raises(
        InputError, match=r"the column 'a' has type List\(Int64\); it should be text or numeric"
    ):
        read_table(tmp_path / "a.parquet").column("a")


def test_json_numbers_keep_all_their_digits(write):
    path = write("a.jsonl", json.dumps({"n": 0.1 + 0.2, "ok": True, "none": None}))
    assert rows(read_table(path)) == [(repr(0.1 + 0.2), "true", "")]
