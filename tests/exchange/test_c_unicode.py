"""Texts in C: the same code points, characters, words and lower case as in Python."""

import random
import struct
import unicodedata
from itertools import groupby

import numpy as np
import pytest
import regex
from tokenizers import pre_tokenizers

from ostinato.data.text import compose
from ostinato.exchange.c import unicode as c_unicode
from ostinato.exchange.c.compile import run_c
from ostinato.exchange.c.parts import CodeListing
from ostinato.exchange.c.words import add_words

FLAGS = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-O1"]
# Code points that normalisation, case or the rules of characters treat in a special way.
ODD = [
    *range(0x1100, 0x1120),
    *range(0x1160, 0x1180),
    *range(0x11A8, 0x11C0),
    *range(0xAC00, 0xAC40),
    *range(0x1F1E6, 0x1F1EC),
    *map(
        ord, "\r\n\t Σσςİẛẞ\u0323\u0301\u0345\u200d\u200c\ufe0f👧🏻क्षि\u093c\u0600_'1½Ⅻ\u00a0\u2028"
    ),
]
WORDS = ["straße", "σοφος", "σοφοσ", "i̇x", "ǰ", "한글", "é", "ab", "<pad>"]


def texts(count: int) -> list[str]:
    """Random texts."""
    chosen = random.Random(0)
    pools = [ODD, range(0x20, 0x7F), range(0xA0, 0x3000), range(0x3000, 0x20000)]
    found = []
    for _ in range(count):
        points = [chosen.choice(chosen.choice(pools)) for _ in range(chosen.randint(0, 12))]
        found.append("".join(chr(p) for p in points if not 0xD800 <= p < 0xE000))
    return found


def words(count: int) -> list[str]:
    """Words of the vocabulary in other cases, and others."""
    chosen = random.Random(1)
    known = [*WORDS, *map(str.upper, WORDS), "J\u030c", "İX", "E\u0301", "ΣΟΦΟΣ1", "Σ", "xΣ'"]
    return [chosen.choice(known) for _ in range(count)]


def outputs(listing: CodeListing, body: str, given: list[str]) -> list[list[int]]:
    """The numbers that C code writes for each text.

    Args:
        listing: The functions.
        body: Statements that call `put` with numbers, for `count` code points `points`.
        given: The texts.
    """
    driver = f"""#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
{chr(10).join(listing.support.tables)}
{listing.functions}
static void put(long number)
{{
    int32_t written = (int32_t)number;
    fwrite(&written, 4, 1, stdout);
}}
int main(void)
{{
    static char text[4096];
    static uint32_t points[4096], spare[8192];
    uint32_t bytes;
    (void)spare;
    while (fread(&bytes, 4, 1, stdin) == 1 && fread(text, 1, bytes, stdin) == bytes) {{
        long count = read_text(text, bytes, points, 4096);
{body}
        put(-2);
    }}
    return 0;
}}
"""
    encoded = [text.encode() for text in given]
    sent = b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    numbers = np.frombuffer(run_c({"main.c": driver}, sent, flags=FLAGS), np.int32).tolist()
    rows: list[list[int]] = [[]]
    for number in numbers:
        if number == -2:
            rows.append([])
        else:
            rows[-1].append(number)
    assert len(rows) == len(given) + 1
    return rows[:-1]


@pytest.mark.parametrize("count", [3000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_texts_are_composed_and_split_into_characters_and_words(count):
    listing, given = CodeListing("m"), texts(count)
    c_unicode.add_reading(listing)
    c_unicode.add_characters(listing)
    classes = c_unicode.class_table(listing, "classes", c_unicode.word_classes(), 2)
    found = outputs(
        listing,
        f"""        long k, end;
        for (k = 0; k < count; k++)
            put(points[k]);
        put(-1);
        for (k = 0; k < count; k = end)
            put(end = character_end(points, count, k));
        put(-1);
        for (k = 0; k < count; k++)
            put(class_of({classes}, points[k]));""",
        given,
    )
    splitter = pre_tokenizers.Whitespace()
    for text, numbers in zip(given, found):
        composed = compose(text)
        ends = np.cumsum([len(one) for one in regex.findall(r"\X", composed)]).tolist()
        head = [*map(ord, composed), -1, *ends, -1]
        assert numbers[: len(head)] == head, ascii(text)
        spans, start = [], 0
        for kind, run in groupby(numbers[len(head) :]):
            end = start + len(list(run))
            spans += [(start, end)] if kind != c_unicode.SPACE else []
            start = end
        assert spans == [span for _, span in splitter.pre_tokenize_str(composed)], ascii(text)


def test_words_in_lower_case_have_the_numbers_of_the_vocabulary():
    tokens = {unicodedata.normalize("NFC", word): n for n, word in enumerate(WORDS, 4)}
    listing, given = CodeListing("m"), words(200)
    add_words(listing, tokens, lower=str.lower, composed=True)
    body = "        put(word_number(points, count, spare, 2048));"
    wanted = [[tokens.get(compose(compose(word).lower()), 1)] for word in given]
    assert outputs(listing, body, given) == wanted


def test_text_that_is_not_utf_8_is_refused():
    listing = CodeListing("m")
    c_unicode.add_reading(listing, known=set("ab"))
    bad = [
        b"\xff",
        b"a\x80",
        b"\xc3",
        b"\xc0\xaf",
        b"\xe0\x80\x80",
        b"\xed\xa0\x80",
        b"\xf4\x90\x80\x80",
    ]
    body = "        put(count);"

    # surrogateescape stands for the bytes
    class Bytes(str):
        def encode(self, *_):
            return bytes(ord(letter) for letter in self)

    given = [Bytes(text.decode("latin-1")) for text in [*bad, b"ab"]]
    assert outputs(listing, body, given) == [[-1]] * len(bad) + [[2]]


def test_runs_have_the_default_class_between_the_parts():
    assert c_unicode.runs([(0, 1), (1, 1), (2, 0), (5, 3), (6, 3)]) == (
        (0, 1),
        (2, 0),
        (5, 3),
        (7, 0),
    )
    classes = c_unicode.runs([(0, 1), (5, 3)])
    assert [c_unicode.class_at(classes, point) for point in range(7)] == [1, 0, 0, 0, 0, 3, 0]
