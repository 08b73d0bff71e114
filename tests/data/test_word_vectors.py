"""Files of pretrained word vectors."""

import gzip

import numpy as np
import pytest

from ostinato.data.word_vectors import read_word_vectors, vector_size
from ostinato.errors import InputError

WORDS = {"good": [0.5, 1, -2], "영화": [1, 2, 3], "Paris": [3, 2, 1], "new york": [0, 0, 1e-3]}


def written(path, words=WORDS, header=""):
    lines = [f"{word} {' '.join(map(str, numbers))}" for word, numbers in words.items()]
    text = header + "\n".join(lines) + "\n"
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


@pytest.mark.parametrize("name", ["v.txt", "v.vec.gz"])
@pytest.mark.parametrize("header", ["", "4 3\n", "400000 3\n"])
def test_the_vectors_of_wanted_words_are_read(tmp_path, name, header):
    path = written(tmp_path / name, header=header)
    assert vector_size(path) == 3
    found = read_word_vectors(path, {"good", "영화", "paris", "new york", "other"})
    assert {word: vector.tolist() for word, vector in found.items()} == {
        word: np.float32(WORDS[word]).tolist() for word in ("good", "영화", "new york")
    }
    assert read_word_vectors(path, {"paris"}, lowercase=True)["paris"].tolist() == [3, 2, 1]


@pytest.mark.parametrize("text", ["a\t1\t2\n", "a  1 2 \n", " a 1  2\n"])
def test_numbers_may_be_separated_by_any_spaces(tmp_path, text):
    (tmp_path / "v").write_text(text)
    assert read_word_vectors(tmp_path / "v", {"a"})["a"].tolist() == [1, 2]


def test_an_equal_word_has_precedence_over_one_in_capitals(tmp_path):
    words = {"GOOD": [1, 1], "Good": [2, 2], "good": [3, 3], "BAD": [4, 4], "Bad": [5, 5]}
    found = read_word_vectors(written(tmp_path / "v", words), {"good", "bad"}, lowercase=True)
    assert found["good"].tolist() == [3, 3] and found["bad"].tolist() == [4, 4]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "is empty"),
        ("\n\n", "is empty"),
        ("good\n", "line 1 has 0 numbers after the word; give a file of word vectors"),
        ("2 99999\na 1 2\n", "line 1 has 99999 numbers"),
        ("a 1 two\n", "line 1: 'two' is not a finite number"),
        ("a 1 2\nb 1 1e39\n", "line 2: '1e39' is not a finite number"),
        ("\na 1 2\n\nb 1 nan\n", "line 4: 'nan' is not a finite number"),
        ("a 1 2 3\nb 1 2\n", "line 2 has 2 numbers after the word, and others have 3"),
        ("2 3\na 1 2\n", "line 2 has 2 numbers after the word, and others have 3"),
    ],
)
def test_a_file_that_does_not_fit_is_one_error(tmp_path, text, message):
    (tmp_path / "v").write_text(text)
    with pytest.raises(InputError, match=message):
        read_word_vectors(tmp_path / "v", {"a", "b", "good"})
