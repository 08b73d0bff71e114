"""The encoding of a text file is recognised or refused, never guessed wrong in silence."""

import pytest

from ostinato.data.tables import read_table
from ostinato.data.text import CHUNK, read_chunks, read_text
from ostinato.errors import InputError

KOREAN = "라벨,문장\n긍정,정말 좋은 영화입니다 가각\n부정,다시는 보고 싶지 않아요\n"
CHINESE = "标签,句子\n好,这部电影非常好看我很喜欢\n坏,我再也不想看这样的电影了\n"
JAPANESE = "ラベル,文\n良い,とても面白い映画でした\n悪い,二度と見たくない映画です\n"
WESTERN = "label,text\nBon,Élégant à côté, ça déçoit\nSchlecht,Ärgerlich über Größe\n"


@pytest.mark.parametrize("lines", [1, 300])
@pytest.mark.parametrize(
    "encoding, note",
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("cp949", "CP949"),
        ("euc-kr", "CP949"),
        ("utf-16", "UTF-16"),
        ("utf-16-le", "UTF-16-LE"),
        ("utf-16-be", "UTF-16-BE"),
        ("utf-32", "UTF-32"),
    ],
)
def test_korean_is_read_in_each_encoding_with_a_note(write, encoding, note, lines):
    notes: list[str] = []
    text = KOREAN * lines
    assert read_text(write("a.txt", text.encode(encoding)), notes=notes) == text
    assert notes == (
        [f"read as {note}{' (Korean)' * (note == 'CP949')}, not UTF-8"] if note else []
    )


@pytest.mark.parametrize("encoding", ["utf-8", "cp949", "utf-16", "utf-16-le"])
def test_the_size_of_a_chunk_makes_no_difference(write, encoding):
    path = write("a.txt", ("abc 123\n" * 600 + KOREAN * 99).encode(encoding))
    assert "".join(read_chunks(path, size=7)) == read_text(path)


@pytest.mark.parametrize(
    "text, encoding",
    [
        (CHINESE, "gb18030"),
        (CHINESE, "big5hkscs"),
        (JAPANESE, "cp932"),
        (JAPANESE, "euc-jp"),
        (WESTERN, "cp1252"),
        ("Ärger Übung Ärger Übung Ödland Äpfel\n" * 9, "cp1252"),
        ("привет мир, это хороший фильм\n", "cp1251"),
        ("привет мир, это хороший фильм\n", "koi8-r"),
    ],
)
def test_another_encoding_is_refused_with_a_command_to_convert(write, text, encoding):
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        content = "這部電影非常好看我很喜歡\n".encode(encoding)
    with pytest.raises(InputError, match=r"is not UTF-8: byte \d+ \(line \d+\).*iconv -f"):
        read_text(write("a.txt", content))


def test_utf8_with_one_wrong_byte_is_not_taken_for_another_encoding(write):
    with pytest.raises(InputError, match=r"line 4\) is 0xff"):
        read_text(write("a.txt", KOREAN.encode() + b"\xff\xfe\n" + KOREAN.encode()))


@pytest.mark.parametrize("place", [0, 3, 5000])
def test_a_nul_in_a_text_is_refused_with_its_line(write, place):
    with pytest.raises(InputError, match=rf"line {place + 1} has a NUL.*iconv -f utf-16"):
        read_text(write("a.txt", b"a few words\n" * place + b"a few\0 words\n" * 1))


@pytest.mark.parametrize(
    "content, line",
    [
        ("pos\ta\n\ufeffpos\tb\n", 2),
        ("\ufeffpos\ta\r\n\ufeffpos\tb\r\n", 2),
        ("pos\ta\n" * 9000 + "\ufeffpos\tb\n", 9001),
    ],
)
def test_byte_order_marks_of_joined_files_are_removed_with_a_note(write, content, line):
    notes: list[str] = []
    path = write("a.tsv", content.encode())
    text = read_text(path, notes=notes)
    assert "\ufeff" not in text and text.endswith("pos\tb\n")
    assert notes == [f"a byte order mark inside the file was removed (first in line {line})"]
    # a note is given once, in whichever blocks the marks are
    "".join(read_chunks(path, size=7, notes=notes))
    assert len(notes) == 1


@pytest.mark.parametrize("name", ["a.csv", "a.txt", "a.jsonl", "a.json"])
def test_a_note_about_the_end_of_a_large_file_is_not_lost(write, name):
    long = "abc " * 250
    row, end = {
        "a.csv": (f"{long},x\n", "정말 좋은 영화,x\n"),
        "a.txt": (f"__label__x {long}\n", "__label__x 정말 좋은 영화\n"),
    }.get(name, (f'{{"text": "{long}"}}\n', '{"text": "정말 좋은 영화"}\n'))
    content = row * (CHUNK // len(row) + 1) + end * 3
    table = read_table(write(name, content.encode("cp949")))
    assert table.notes[-1] == "read as CP949 (Korean), not UTF-8"
