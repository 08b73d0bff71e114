"""Texts to numbers and back, for tasks that read whole texts."""

import pytest

from ostinato.data.vocabulary import (
    END,
    PAD,
    SPECIAL,
    START,
    TOKEN_KINDS,
    UNKNOWN,
    Vocabulary,
)
from ostinato.errors import InputError

TEXTS = [
    "되풀이되는 가락을 오스티나토라고 한다.",
    "An ostinato is a phrase that repeats, again and again.",
    "e\u0301clair 👩‍👩‍👧 <end>",
] * 3


@pytest.mark.parametrize("kind", TOKEN_KINDS)
def test_marks_come_first_and_a_vocabulary_goes_through_json(kind, tmp_path):
    vocabulary = Vocabulary.of(TEXTS, kind, size=400)
    assert [vocabulary.tokenizer.id_to_token(n) for n in (PAD, UNKNOWN, START, END)] == [*SPECIAL]
    again = Vocabulary.from_json(vocabulary.to_json(), path=tmp_path)
    for one, other in zip(vocabulary.encode(TEXTS), again.encode(TEXTS)):
        assert one.tolist() == other.tolist() and min(one) > END


@pytest.mark.parametrize("kind", ["character", "byte-pair"])
def test_a_text_comes_back_as_it_was_composed(kind):
    vocabulary = Vocabulary.of(TEXTS, kind, size=400)
    for text, numbers in zip(TEXTS, vocabulary.encode(TEXTS)):
        assert vocabulary.decode([START, *numbers, END]) == text.replace("e\u0301", "é")


def test_characters_are_what_a_reader_calls_so():
    vocabulary = Vocabulary.of(TEXTS, "character", size=400)
    assert vocabulary.spelled(vocabulary.encode(["é👩‍👩‍👧한"])[0]) == ["é", "👩‍👩‍👧", "한"]


def test_words_are_runs_of_letters_or_of_other_signs_and_the_rest_is_unknown():
    vocabulary = Vocabulary.of(["Is it? 그렇다, it is."], "word", size=100, lowercase=True)
    assert vocabulary.spelled(vocabulary.encode(["IS it new? 그렇다"])[0]) == [
        "is",
        "it",
        "<unknown>",
        "?",
        "그렇다",
    ]
    assert vocabulary.decode(vocabulary.encode(["is it?"])[0]) == "is it ?"


def test_rare_tokens_are_left_out():
    assert len(Vocabulary.of(["a a b"], "word", size=100, min_count=2)) == len(SPECIAL) + 1


def test_byte_pairs_know_every_text():
    vocabulary = Vocabulary.of(TEXTS, "byte-pair", size=300)
    assert vocabulary.decode(vocabulary.encode(["日本語 ß"])[0]) == "日本語 ß"


@pytest.mark.parametrize(
    "kind, size, message",
    [
        ("letters", 100, r"--tokens letters: write one of word, character, byte-pair"),
        (
            "byte-pair",
            100,
            r"--vocabulary-size 100: byte pairs start from the 256 bytes and 4 special tokens; "
            r"write 260 or more",
        ),
    ],
)
def test_what_cannot_be_made_is_refused(kind, size, message):
    with pytest.raises(InputError, match=message):
        Vocabulary.of(TEXTS, kind, size=size)


@pytest.mark.parametrize("value", [{}, {"kind": "word", "tokenizer": {"version": 3}}])
def test_a_damaged_vocabulary_is_refused(value, tmp_path):
    with pytest.raises(InputError, match="is not a vocabulary"):
        Vocabulary.from_json(value, path=tmp_path / "vocabulary.json")


def test_a_vocabulary_of_another_kind_is_refused(tmp_path):
    value = Vocabulary.of(TEXTS, "word", size=50).to_json() | {"kind": "letters"}
    with pytest.raises(
        InputError,
        match="is not a vocabulary .'kind' is 'letters'; it should be one of 'word', 'character', "
        "'byte-pair'",
    ):
        Vocabulary.from_json(value, path=tmp_path / "vocabulary.json")
