"""Private: texts in C: UTF-8, NFC, lower case, words and characters, with tables of Unicode.

The tables are made from the modules that the tasks use, so that both treat each text alike:
unicodedata for normalisation, str.lower, regex for characters and tokenizers for words.
"""

import bisect
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np

from .parts import CodeListing
from .unicode_code import (
    CHARACTERS,
    CLASS_OF,
    COMPOSE,
    FINAL_SIGMA,
    FIND_POINT,
    FIND_TEXT,
    LOWER,
    NORMALISE,
    READ,
)

__all__ = [
    "SPACE",
    "WORD",
    "DIGIT",
    "PLAIN_CHARACTERS",
    "SIGN",
    "Classes",
    "add_characters",
    "add_composing",
    "add_final_sigma",
    "add_lookup",
    "add_lower",
    "add_reading",
    "byte_pair_classes",
    "character_classes",
    "class_at",
    "class_table",
    "word_classes",
]

# Classes of code points in a text: signs, letters and digits, spaces.
SIGN, WORD, SPACE, DIGIT = range(4)
# The code points that can have properties; the rest is unassigned or for private use.
ASSIGNED = (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xE1000))
HANGUL = range(0xAC00, 0xAC00 + 11172)
# Classes of the rules for characters, in the order of their numbers in C. Those of Hangul syllables
# follow from their numbers.
CHARACTER_CLASSES = (
    r"\p{GCB=CR}",
    r"\p{GCB=LF}",
    r"\p{GCB=Control}",
    r"[\p{GCB=Extend}--\p{InCB=Extend}--\p{InCB=Linker}]",
    r"[\p{GCB=Extend}&&\p{InCB=Extend}]",
    r"[\p{GCB=Extend}&&\p{InCB=Linker}]",
    r"\p{GCB=ZWJ}",
    r"\p{GCB=Regional_Indicator}",
    r"\p{GCB=Prepend}",
    r"\p{GCB=SpacingMark}",
    r"\p{GCB=L}",
    r"\p{GCB=V}",
    r"\p{GCB=T}",
    r"[\p{Extended_Pictographic}&&\p{GCB=Other}]",
    r"[\p{InCB=Consonant}&&\p{GCB=Other}]",
)

# Of these, the classes that never join each other: all others, line ends, control characters,
# pictures and consonants.
PLAIN_CHARACTERS = {0, 2, 3, 14, 15}

Classes = tuple[tuple[int, int], ...]


def code_points() -> Iterable[int]:
    """The code points of `ASSIGNED`."""
    return (point for part in ASSIGNED for point in part)


def runs(classes: Iterable[tuple[int, int]]) -> Classes:
    """The first code point and the class of each run of one class; class 0 between the parts.

    Example:
        >>> runs([(0, 1), (1, 1), (2, 0), (5, 3), (6, 3)])
        ((0, 1), (2, 0), (5, 3), (7, 0))
    """
    found: list[tuple[int, int]] = []
    last = -1
    for point, number in classes:
        if point != last + 1 and found and found[-1][1]:
            found.append((last + 1, 0))
        if not found or found[-1][1] != number:
            found.append((point, number))
        last = point
    if found and found[-1][1]:
        found.append((last + 1, 0))
    return tuple(found)


@lru_cache(maxsize=1)
def character_classes() -> Classes:
    """The classes of the rules for characters (grapheme clusters), by the module regex."""
    import regex

    numbers = dict.fromkeys((point for point in code_points() if point not in HANGUL), 0)
    text = "".join(map(chr, numbers))
    for number, pattern in enumerate(CHARACTER_CLASSES, 1):
        for found in regex.findall(f"(?V1){pattern}", text):
            numbers[ord(found)] = number
    return runs(sorted(numbers.items()))


@lru_cache(maxsize=1)
def word_classes() -> Classes:
    """Whether a code point is part of a word, a space or a sign, by the splitter of tokenizers."""
    from tokenizers import pre_tokenizers

    return _split_classes(pre_tokenizers.Whitespace(), {WORD: "a"})


@lru_cache(maxsize=1)
def byte_pair_classes() -> Classes:
    """Whether a code point is a letter, a digit, a space or a sign, by the splitter of byte pairs
    of tokenizers.
    """
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return _split_classes(splitter, {WORD: "a", DIGIT: "1", SIGN: "!"})


def _split_classes(splitter, examples: dict[int, str]) -> Classes:
    """The classes of code points by a splitter.

    Args:
        splitter: It separates code points of different classes.
        examples: A code point of some classes. A code point belongs to the first class with whose
            example it is one token; otherwise it is a space if it is in no token or in a class
            that has an example, and a sign if not.
    """
    found: list[tuple[int, int]] = []
    for part in ASSIGNED:
        kinds = dict.fromkeys(part, SPACE)
        for _, (start, end) in splitter.pre_tokenize_str("".join(map(chr, part))):
            # a token of byte pairs may begin with a space
            first = chr(part[end - 1])
            kind = next(
                (
                    kind
                    for kind, letter in examples.items()
                    if len(splitter.pre_tokenize_str(letter + first)) == 1
                ),
                SPACE if SIGN in examples else SIGN,
            )
            for place in range(start, end):
                if part[place] != 32:
                    kinds[part[place]] = kind
        found += kinds.items()
    return runs(found)


@lru_cache(maxsize=1)
def _decompositions() -> dict[int, list[int]]:
    """The canonical decompositions, in full, but of Hangul syllables."""
    found = {}
    for point in code_points():
        text = unicodedata.normalize("NFD", chr(point))
        if text != chr(point) and point not in HANGUL:
            found[point] = list(map(ord, text))
    return found


@lru_cache(maxsize=1)
def _pairs() -> list[tuple[int, int, int]]:
    """The pairs of code points that NFC joins, and the result, but of Hangul syllables."""
    found = []
    for point in code_points():
        parts = unicodedata.decomposition(chr(point)).split()
        if len(parts) == 2 and "<" not in parts[0] and point not in HANGUL:
            first, second = (int(part, 16) for part in parts)
            if unicodedata.normalize("NFC", chr(first) + chr(second)) == chr(point):
                found.append((first, second, point))
    return sorted(found)


@lru_cache(maxsize=1)
def _marks() -> dict[int, int]:
    """The combining classes of code points that have one."""
    found = ((point, unicodedata.combining(chr(point))) for point in code_points())
    return {point: kind for point, kind in found if kind}


def class_table(listing: CodeListing, name: str, classes: Classes, bits: int) -> str:
    """Add a table of classes, and return the C arguments of `class_of`."""
    classes = classes or ((0, 0),)
    table = listing.table(name, [start << bits | kind for start, kind in classes], np.uint32)
    listing.add(CLASS_OF)
    return f"{table}, {len(classes)}, {bits}"


def class_at(classes: Classes, point: int) -> int:
    """The class of a code point."""
    place = bisect.bisect_right(classes, point, key=lambda run: run[0])
    return classes[place - 1][1] if place else 0


def add_reading(listing: CodeListing, known: set[str] | None = None) -> None:
    """Add `read_text`: UTF-8 to code points in NFC, with "\\n" as line end.

    Args:
        listing: The source, to which the code is added.
        known: If a text with any other code point in NFC is refused: the code points that the
            others are made of, which make the tables smaller.
    """
    decompositions, pairs, marks = _decompositions(), _pairs(), _marks()
    if known is not None:
        points = set(map(ord, known))
        decompositions = {
            k: parts for k, parts in decompositions.items() if points.issuperset(parts)
        }
        pairs = [pair for pair in pairs if points.issuperset(pair[:2])]
        marks = {point: kind for point, kind in marks.items() if point in points}
    listing.add(FIND_POINT)
    listing.table("decomposed_from", [*decompositions], np.uint32)
    ends = np.cumsum([0, *map(len, decompositions.values())])
    listing.table("decomposed_at", ends, np.uint16)
    parts = [part for parts in decompositions.values() for part in parts]
    listing.table("decomposed_to", parts, np.uint32)
    for place, name in enumerate(("first", "second", "joined")):
        listing.table(f"pair_{name}", [pair[place] for pair in pairs], np.uint32)
    table = class_table(listing, "mark_classes", runs(sorted(marks.items())), 8)
    listing.add(NORMALISE, DECOMPOSED=len(decompositions), PAIRS=len(pairs), MARKS=table)
    listing.add(READ)


def add_lower(listing: CodeListing, known: set[str], lower: Callable[[str], str]) -> None:
    """Add `lower_points`: the lower case of code points, without normalisation.

    Args:
        listing: The source, to which the code is added.
        known: The code points of the words that a text is compared with. A code point whose lower
            case has others is not changed: the word is unknown in both cases.
        lower: The lower case of a text.
    """
    # the code point of a line end stands between the others
    letters = "\n".join(map(chr, code_points()))
    pairs = zip(letters.split("\n"), lower(letters).split("\n"), strict=True)
    found = {
        ord(letter): [*map(ord, lowered)]
        for letter, lowered in pairs
        if letter != lowered and set(lowered) <= known
    }
    listing.table("lower_from", [*found], np.uint32)
    listing.table("lower_to", [one[0] for one in found.values()], np.uint32)
    listing.table("lower_more", [(one[1:] or [0])[0] for one in found.values()], np.uint32)
    listing.add(LOWER, LOWERED=len(found))


def add_composing(listing: CodeListing) -> None:
    """Add `compose_points`: code points in NFC, after `add_reading`."""
    listing.add(COMPOSE)


def add_final_sigma(listing: CodeListing) -> None:
    """Add `final_sigma`: whether a capital sigma ends a word, as str.lower sees it."""
    kinds = []
    for point in code_points():
        letter = chr(point)
        cased = (letter + "Σ").lower().endswith("ς")
        skipped = ("A" + letter + "Σ").lower().endswith("ς") and not (
            cased and not ("A" + letter + "!Σ").lower().endswith("!ς")
        )
        after = ("AΣ" + letter).lower()[1] == "σ"
        kinds.append((point, 1 if after and cased else 2 if skipped else 0))
    table = class_table(listing, "case_classes", runs(kinds), 2)
    listing.add(FINAL_SIGMA, CASES=table)


def add_characters(listing: CodeListing) -> None:
    """Add `character_end`: the end of the character (grapheme cluster) that begins at a place."""
    table = class_table(listing, "character_classes", character_classes(), 4)
    listing.add(CHARACTERS, CLASSES=table)


def add_lookup(listing: CodeListing, name: str, tokens: dict[str, int]) -> str:
    """Add a table of tokens, and return the C arguments of `find_text`.

    Args:
        listing: The code.
        name: The name of its tables.
        tokens: The tokens and their numbers.
    """
    encoded = sorted((token.encode("utf-8", "surrogatepass"), n) for token, n in tokens.items())
    text = listing.table(f"{name}_text", np.frombuffer(b"".join(t for t, _ in encoded), np.uint8))
    starts = listing.table(
        f"{name}_start", np.cumsum([0, *(len(t) for t, _ in encoded)]), np.uint32
    )
    numbers = listing.table(f"{name}_number", [n for _, n in encoded], np.int32)
    listing.add(FIND_TEXT)
    return f"{text}, {starts}, {numbers}, {len(encoded)}"
