"""Text to characters to numbers to batches, and back."""

import json
import unicodedata

import numpy as np
import pytest

from ostinato.data.batching import EvaluationText, ParallelStreams
from ostinato.data.disk import StoredNumbers
from ostinato.data.text import characters, compose, read_chunks, read_text
from ostinato.data.vocabulary import (
    BytePairVocabulary,
    CharacterVocabulary,
    make_vocabulary,
    sample_texts,
    vocabulary_from_json,
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


@pytest.mark.parametrize(
    "content, message",
    [
        (b"", r"is empty: it has no text \(0 bytes\)"),
        (b" \n\t\n", r"is empty: it has no text \(4 bytes\)"),
        (
            b"one\ntwo\nthr\xe9e\n",
            r"byte 11 \(line 3\) is 0xe9; write it as UTF-8, for example: iconv",
        ),
    ],
)
def test_a_file_that_is_not_text_is_refused(tmp_path, content, message):
    with pytest.raises(InputError, match=message):
        read_text(write(tmp_path, content))


def test_a_missing_file_and_a_directory_are_refused_by_name(tmp_path):
    with pytest.raises(InputError, match=".*nowhere.txt' does not exist; check the path"):
        read_text(tmp_path / "nowhere.txt")
    with pytest.raises(InputError, match="is a directory; give the path of a file"):
        read_text(tmp_path)


@pytest.mark.parametrize(
    "text, wanted",
    [
        ("abc", ["a", "b", "c"]),
        ("한글", ["한", "글"]),
        ("e\u0323\u0301x", ["ẹ\u0301", "x"]),
        (f"a{FAMILY}b", ["a", FAMILY, "b"]),
        ("🇰🇷🇰🇷", ["🇰🇷", "🇰🇷"]),
        ("\u1100\u1161\u11a8", ["각"]),
        ("นี่", ["นี่"]),
    ],
)
def test_a_character_is_what_a_reader_calls_one(text, wanted):
    assert characters(compose(text)) == wanted


def test_the_short_way_for_plain_text_splits_as_the_long_one_does():
    import regex

    every = "".join(map(chr, range(0x20, 0xD7A4))) + KOREAN
    assert characters(every) == regex.findall(r"\X", every)
    assert all(characters(letter + "a") == regex.findall(r"\X", letter + "a") for letter in every)


def test_character_numbers_turn_back_into_the_text():
    text = compose(KOREAN + FAMILY)
    vocabulary = CharacterVocabulary.of([text])
    numbers = vocabulary.encode(text)
    assert numbers.dtype == np.int32 and len(vocabulary) == len(set(characters(text)))
    decoder = vocabulary.decoder()
    assert [c for number in numbers for c in decoder.feed(int(number))] == characters(text)


def test_a_character_that_was_never_seen_is_refused_by_name():
    with pytest.raises(
        InputError,
        match="'Q', '가': not in the vocabulary.*--vocabulary byte-pair",
    ):
        CharacterVocabulary.of(["abc"]).encode("aQ가Qb")
    with pytest.raises(InputError, match="and 3 more: not in the vocabulary"):
        CharacterVocabulary.of(["abc"]).encode("defghijk")


def test_byte_pairs_spell_anything_and_come_back_one_character_at_a_time():
    vocabulary = BytePairVocabulary.of([KOREAN * 20], 280)
    assert len(vocabulary) == 280
    text = compose(f"세계 {FAMILY} zebra\n é ")
    decoder = vocabulary.decoder()
    got = [c for number in vocabulary.encode(text) for c in decoder.feed(int(number))]
    # the last character is kept until it is sure that nothing joins it
    assert got == characters(text)[:-1]


def test_byte_pairs_are_learned_from_the_training_part_alone():
    ours = make_vocabulary(
        "byte-pair",
        270,
        learned_from=[KOREAN * 20],
        every=[KOREAN * 20, "entirely other letters " * 50],
    )
    assert ours.token_bytes == BytePairVocabulary.of([KOREAN * 20], 270).token_bytes


def test_of_much_text_tokens_are_learned_from_a_part_that_is_always_the_same(monkeypatch):
    texts = [f"{k:04d}" for k in range(1000)]
    assert [*sample_texts(texts)] == texts
    monkeypatch.setattr("ostinato.data.vocabulary.LEARNED_CHARACTERS", 1000)
    found = [*sample_texts(texts)]
    assert found == [*sample_texts(texts)] == sorted(found) and 200 < len(found) < 300


def test_more_byte_pairs_than_a_text_has_are_refused():
    with pytest.raises(
        InputError,
        match=r"--vocabulary-size 5000: this text only gives \d+ tokens.*write --vocabulary-size "
        r"\d+ or "
        r"less",
    ):
        BytePairVocabulary.of([KOREAN * 3], 5000)


@pytest.mark.parametrize("kind", ["character", "byte-pair"])
def test_a_vocabulary_goes_through_json(kind, tmp_path):
    vocabulary = make_vocabulary(kind, 270, learned_from=[KOREAN * 9], every=[KOREAN * 9])
    again = vocabulary_from_json(json.loads(json.dumps(vocabulary.to_json())), path=tmp_path)
    assert again.encode(KOREAN).tolist() == vocabulary.encode(KOREAN).tolist()


@pytest.mark.parametrize(
    "value",
    [
        {},
        {"kind": "word"},
        {"kind": "character"},
        {"kind": "character", "tokens": ["a", "a"]},
        {"kind": "character", "tokens": [1]},
        {"kind": "character", "tokens": []},
        {"kind": "byte-pair", "tokenizer": {}},
        {"kind": "byte-pair", "tokenizer": "x"},
    ],
)
def test_another_value_than_a_vocabulary_is_refused(value):
    with pytest.raises(InputError, match="'v.json' is not a vocabulary"):
        vocabulary_from_json(value, path="v.json")


def test_each_lane_goes_on_where_it_stopped_and_all_text_is_read():
    streams = ParallelStreams(np.arange(100, dtype=np.int32), batch=4, length=5)
    batches = [streams.at(step) for step in range(10)]
    assert all((y == (x + 1) % 100).all() for x, y in batches)
    assert all(
        (after[0][:, 0] == before[1][:, -1]).all() for before, after in zip(batches, batches[1:])
    )
    assert streams.steps_per_epoch == 5
    assert sorted(np.concatenate([x.ravel() for x, _ in batches[:5]])) == list(range(100))


@pytest.mark.parametrize("count", [2, 3, 63, 1000, 5001])
def test_held_out_text_is_predicted_once_each(count):
    held_out = EvaluationText(
        np.arange(count, dtype=np.int32), min_length=100, max_streams=7, length=64
    )
    seen = [
        (int(x), int(y))
        for xs, ys in held_out
        for x, y in zip(xs.ravel(), ys.ravel())
        if y != EvaluationText.NOTHING
    ]
    assert sorted(seen) == [(n, n + 1) for n in range(count - 1)] and held_out.count == count - 1


# ---------------------------------------------------------------- in chunks


@pytest.mark.parametrize("size", [1, 2, 7, 64])
@pytest.mark.parametrize(
    "text",
    [
        KOREAN * 3,
        unicodedata.normalize("NFD", KOREAN).replace("\n", " ") * 3,
        f"{FAMILY}e\u0301\u0302" * 9,
        "🇰🇷🇫🇷" * 9,
        "\ufeffa\r\nb\rc\r\n\r\n" * 3,
        "\n\n \n x",
    ],
)
def test_a_text_is_the_same_in_chunks_and_no_character_is_cut(tmp_path, text, size):
    path = write(tmp_path, text.encode())
    chunks = [*read_chunks(path, size=size)]
    assert "".join(chunks) == read_text(path) == compose(text.replace("\ufeff", ""))
    assert [c for chunk in chunks for c in characters(chunk)] == characters(read_text(path))


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_a_byte_that_is_not_utf8_is_named_by_its_place_in_any_chunk(tmp_path, size):
    path = write(tmp_path, "가나다\n라마\n".encode() + b"\xea\xb0")
    with pytest.raises(
        InputError,
        match=r"is not UTF-8: byte 17 \(line 3\) is 0xea; write it as UTF-8, for example: iconv -f "
        r"ENCODING",
    ):
        [*read_chunks(path, size=size)]
    with pytest.raises(InputError, match=r"is empty: it has no text \(5 bytes\)"):
        [*read_chunks(write(tmp_path, b" \n \n "), size=size)]


def test_numbers_in_a_file_are_read_as_those_in_memory():
    numbers = np.random.default_rng(0).integers(0, 200, 5001).astype(np.uint8)
    stored = StoredNumbers(np.uint8)
    stored.extend(numbers)
    for count, batch, length in ((5001, 4, 63), (5001, 1, 6000), (2, 1, 9)):
        places = np.arange(batch) * (count // batch)
        for step in (0, 1, 39, 1000):
            read = numbers[:count][
                (places[:, None] + step * length + np.arange(length + 1)) % count
            ]
            for source in (numbers[:count], *([stored] if count == 5001 else [])):
                x, y = ParallelStreams(source, batch=batch, length=length).at(step)
                assert (
                    x.dtype == y.dtype == np.int64
                    and (x == read[:, :-1]).all()
                    and (y == read[:, 1:]).all()
                )
    for ours, other in zip(
        EvaluationText(numbers, min_length=100, max_streams=7, length=64),
        EvaluationText(stored, min_length=100, max_streams=7, length=64),
        strict=True,
    ):
        assert all((one == two).all() for one, two in zip(ours, other))
