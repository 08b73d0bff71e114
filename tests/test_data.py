"""Text to characters to numbers to batches, and back."""

import json
import unicodedata

import numpy as np
import pytest

from ostinato.data import (
    BytePairVocabulary, CharacterVocabulary, HeldOut, Lanes, characters, compose, make_vocabulary, read_text, vocabulary_from_json,
)
from ostinato.errors import InputError

KOREAN = "안녕하세요, 세계! 되풀이되는 가락을 오스티나토라고 한다.\n"
FAMILY = "👨‍👩‍👧"


def write(tmp_path, content: bytes):
    path = tmp_path / "text.txt"
    path.write_bytes(content)
    return path


def test_text_is_composed_whatever_way_the_file_spells_it(tmp_path):
    decomposed = unicodedata.normalize("NFD", KOREAN)
    assert len(decomposed) > len(KOREAN)
    assert read_text(write(tmp_path, decomposed.encode())) == KOREAN


def test_line_ends_and_a_byte_order_mark_are_taken_away(tmp_path):
    assert read_text(write(tmp_path, b"\xef\xbb\xbfone\r\ntwo\rthree\n")) == "one\ntwo\nthree\n"


@pytest.mark.parametrize("content, message", [
    (b"", r"has no text in it \(0 bytes\)"),
    (b" \n\t\n", r"has no text in it \(4 bytes\)"),
    (b"one\ntwo\nthr\xe9e\n", r"byte 11 \(line 3\) is 0xe9; write it as UTF-8, for example: iconv"),
    ("가락".encode("utf-16"), r"byte 0 \(line 1\) is 0xff, and it starts as utf-16 does; .*iconv -f utf-16"),
])
def test_a_file_that_is_no_text_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_text(write(tmp_path, content))


def test_a_missing_file_and_a_directory_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match="there is no file '.*nowhere.txt'; check the path"):
        read_text(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="is a directory; give the path of a file"):
        read_text(tmp_path)


@pytest.mark.parametrize("text, wanted", [
    ("abc", ["a", "b", "c"]),
    ("한글", ["한", "글"]),
    ("e\u0323\u0301x", ["ẹ\u0301", "x"]),
    (f"a{FAMILY}b", ["a", FAMILY, "b"]),
    ("🇰🇷🇰🇷", ["🇰🇷", "🇰🇷"]),
    ("\u1100\u1161\u11a8", ["각"]),
    ("นี่", ["นี่"]),
])
def test_a_character_is_what_a_reader_calls_one(text, wanted):
    assert characters(compose(text)) == wanted


def test_the_short_way_for_plain_text_splits_as_the_long_one_does():
    import regex

    every = "".join(map(chr, range(0x20, 0xD7A4))) + KOREAN
    assert characters(every) == regex.findall(r"\X", every)
    assert all(characters(letter + "a") == regex.findall(r"\X", letter + "a") for letter in every)


def test_character_numbers_turn_back_into_the_text():
    text = compose(KOREAN + FAMILY)
    vocabulary = CharacterVocabulary.of(text)
    numbers = vocabulary.encode(text)
    assert numbers.dtype == np.int32 and len(vocabulary) == len(set(characters(text)))
    decoder = vocabulary.decoder()
    assert [c for number in numbers for c in decoder.feed(int(number))] == characters(text)


def test_a_character_that_was_never_seen_is_refused_by_name():
    with pytest.raises(InputError, match="'Q', '가': not in the text that the model was trained on.*--vocabulary byte-pair"):
        CharacterVocabulary.of("abc").encode("aQ가Qb")
    with pytest.raises(InputError, match="and 3 more: not in the text"):
        CharacterVocabulary.of("abc").encode("defghijk")


def test_byte_pairs_spell_anything_and_come_back_one_character_at_a_time():
    vocabulary = BytePairVocabulary.of(KOREAN * 20, 280)
    assert len(vocabulary) == 280
    text = compose(f"세계 {FAMILY} zebra\n é ")
    decoder = vocabulary.decoder()
    got = [c for number in vocabulary.encode(text) for c in decoder.feed(int(number))]
    # the last character is kept until it is sure that nothing joins it
    assert got == characters(text)[:-1]


def test_byte_pairs_are_learned_from_the_training_part_alone():
    ours = make_vocabulary("byte-pair", 270, learned_from=KOREAN * 20, held_out="entirely other letters " * 50)
    assert ours.pieces == BytePairVocabulary.of(KOREAN * 20, 270).pieces


def test_more_byte_pairs_than_a_text_has_are_refused():
    with pytest.raises(InputError, match=r"--vocabulary-size 5000: this text gives \d+ pieces.*write --vocabulary-size \d+ or less"):
        BytePairVocabulary.of(KOREAN * 3, 5000)


@pytest.mark.parametrize("kind", ["character", "byte-pair"])
def test_a_vocabulary_goes_through_json(kind, tmp_path):
    vocabulary = make_vocabulary(kind, 270, learned_from=KOREAN * 9, held_out="")
    again = vocabulary_from_json(json.loads(json.dumps(vocabulary.to_json())), path=tmp_path)
    assert again.encode(KOREAN).tolist() == vocabulary.encode(KOREAN).tolist()


@pytest.mark.parametrize("value", [
    {}, {"kind": "word"}, {"kind": "character"}, {"kind": "character", "tokens": ["a", "a"]}, {"kind": "character", "tokens": [1]},
    {"kind": "character", "tokens": []}, {"kind": "byte-pair", "tokenizer": {}}, {"kind": "byte-pair", "tokenizer": "x"},
])
def test_what_is_no_vocabulary_is_refused(value):
    with pytest.raises(InputError, match="'v.json' holds no vocabulary"):
        vocabulary_from_json(value, path="v.json")


def test_each_lane_goes_on_where_it_stopped_and_all_text_is_read():
    lanes = Lanes(np.arange(100, dtype=np.int32), batch=4, length=5)
    batches = [lanes.at(step) for step in range(10)]
    assert all((y == (x + 1) % 100).all() for x, y in batches)
    assert all((after[0][:, 0] == before[1][:, -1]).all() for before, after in zip(batches, batches[1:]))
    assert lanes.steps_per_epoch == 5
    assert sorted(np.concatenate([x.ravel() for x, _ in batches[:5]])) == list(range(100))


@pytest.mark.parametrize("count", [2, 3, 63, 1000, 5001])
def test_held_out_text_is_predicted_once_each(count):
    held_out = HeldOut(np.arange(count, dtype=np.int32), lane=100, lanes=7, length=64)
    seen = [(int(x), int(y)) for xs, ys in held_out for x, y in zip(xs.ravel(), ys.ravel()) if y != HeldOut.NOTHING]
    assert sorted(seen) == [(n, n + 1) for n in range(count - 1)] and held_out.count == count - 1
