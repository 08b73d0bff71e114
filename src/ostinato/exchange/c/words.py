"""Private: words of texts in C: their numbers in a vocabulary, their characters, and what a network
reads of them.
"""

import unicodedata
from collections.abc import Callable

from ...data.vocabulary import SPECIAL, UNKNOWN
from ...tasks.spelling import SpelledWords
from .parts import AnyTask, CodeListing, numbers_of, recurrent_of
from .unicode import (
    add_characters,
    add_composing,
    add_final_sigma,
    add_lookup,
    add_lower,
    add_reading,
)

__all__ = [
    "EXPANSION",
    "add_spelled_words",
    "add_words",
    "parts_of",
    "some_words",
    "vocabulary_of",
]

# Code points of a word for each of its bytes, at most: those of its full decomposition.
EXPANSION = 2
# The lower case of the capital sigma, at the end of a word and elsewhere.
SIGMAS = {"ς", "σ"}


def vocabulary_of(tokenizer, count: int) -> dict[str, int]:
    """The tokens of a vocabulary with a number below `count`, without the special ones."""
    found = tokenizer.get_vocab().items()
    return {token: n for token, n in found if len(SPECIAL) <= n < count}


def some_words(task: AnyTask) -> list[str]:
    """Words of the vocabulary, some of them in upper case."""
    found = sorted(vocabulary_of(task.vocabulary.tokenizer, len(task.vocabulary)))
    found = found[:: max(1, len(found) // 50)]
    return [*found, *(word.upper() for word in found[:10])]


def add_words(
    listing: CodeListing,
    tokens: dict[str, int],
    *,
    lower: Callable[[str], str] | None,
    composed: bool,
) -> None:
    """Add `word_number`: the number of a word, given as code points in NFC.

    Args:
        listing: The source, to which the code is added.
        tokens: The words of the vocabulary and their numbers.
        lower: The lower case of a text; None to leave words as they are.
        composed: Words in lower case are those of Python: with another sigma at the end of a word,
            and normalised again.
    """
    add_reading(listing)
    lookup = add_lookup(listing, "words", tokens)
    lines = ["(void)spare, (void)room;"]
    if lower:
        known = set("".join(tokens))
        add_lower(listing, parts_of(known) if composed else known, lower)
        lines = [
            "long lowered = lower_points(points, count, spare, room);",
            "if (lowered < 0)",
            "    return -1;",
        ]
        if composed and known & SIGMAS:
            add_final_sigma(listing)
            listing.add(_SIGMA)
            lines += ["lower_sigma(points, count, spare);"]
        lines += ["points = spare, count = lowered;"]
        if composed:
            add_composing(listing)
            lines += [
                "count = compose_points(points, count, spare + room, room);",
                "if (count < 0)",
                "    return -1;",
                "points = spare + room;",
            ]
    listing.function(
        "long word_number(const uint32_t *points, long count, uint32_t *spare, long room)",
        [
            *lines,
            f"long number = find_text({lookup}, points, count);",
            f"return number < 0 ? {UNKNOWN} : number;",
        ],
    )


def parts_of(letters: set[str]) -> set[str]:
    """The code points from which NFC can make some letters, and the letters."""
    found = set(letters)
    for letter in letters:
        parts = unicodedata.normalize("NFD", letter)
        found |= set(parts)
        for end in range(1, len(parts)):
            found |= set(unicodedata.normalize("NFC", parts[:end]))
    return found


def add_spelled_words(
    listing: CodeListing, words: SpelledWords, *, scheme: str, letters: list[str]
) -> tuple[int, str]:
    """Add `read_word`: the representation of a word, after `add_words`.

    Args:
        listing: The source, to which the code is added.
        words: The module.
        scheme: How a word is split into characters.
        letters: The known characters in the order of their numbers.

    Returns:
        The size of a representation, and the number of floats of scratch memory for each code
        point of a word.
    """
    spelling = recurrent_of(words.spelling)
    layer = listing.layer(spelling, "spelling")
    first = next(iter(spelling.graph.states))
    (units,) = layer.inputs.values()
    hidden = words.units - words.words.weight.shape[1]
    if scheme == "jamo":
        split, end = _DECOMPOSED, "k + 1"
    else:
        add_characters(listing)
        split, end = "", "character_end(points, count, k)"
    numbers = {letter: n for n, letter in enumerate(letters, len(SPECIAL))}
    listing.add(
        _READ_WORD,
        P=layer.prefix,
        SPLIT=split,
        END=end,
        LOOKUP=add_lookup(listing, "letters", numbers),
        UNKNOWN=UNKNOWN,
        LETTER=listing.row("letter_vectors", numbers_of(words.letters.weight))
        .format(row="(int)(number < 0 ? 1 : number)", y="inputs + letters * UNITS")
        .replace("UNITS", str(units)),
        WORD=listing.row("word_vectors", numbers_of(words.words.weight)).format(
            row="(int)word", y="row"
        ),
        EMBEDDING=words.words.weight.shape[1],
        HALF=hidden // 2,
        UNITS=units,
        OUTPUTS=layer.output_size,
        STATE=_member(layer.state, first),
    )
    return words.units, str(units + layer.output_size + layer.scratch_units)


def _member(state: str, name: str) -> str:
    """The name of the member of a layer's state with the first state of the first layer."""
    from .support import identifier

    member = f"{identifier(name)}_l0"
    assert f"float {member}[" in state
    return member


_SIGMA = """
/* Write the lower case of capital sigmas: those at the end of a word have their own. */
static void lower_sigma(const uint32_t *points, long count, uint32_t *lowered)
{
    long k, place = 0;
    for (k = 0; k < count; k++, place++) {
        int at = lower_place(points[k]);
        if (points[k] == 0x3A3u)
            lowered[place] = final_sigma(points, count, k) ? 0x3C2u : 0x3C3u;
        else if (at >= 0 && lower_more[at])
            place++;
    }
}
"""
_DECOMPOSED = """
    long end = 0;
    for (k = 0; k < count; k++)
        end = add_decomposed(spare, end, room, points[k]);
    if (end < 0)
        return -1;
    sort_marks(spare, end);
    points = spare, count = end;
"""
_READ_WORD = """
/* The representation of a word; -1 if there is not enough room. */
static int read_word(const uint32_t *points, long count, uint32_t *spare, long room, float *memory,
                     float *row)
{
    ${P}_state state;
    float *inputs = memory, *outputs = memory + room * $UNITS;
    long k, letters = 0, word = word_number(points, count, spare, room);
    if (word < 0)
        return -1;
    $WORD
$SPLIT
    for (k = 0; k < count && letters < room; letters++) {
        long stop = $END;
        long number = find_text($LOOKUP, points + k, stop - k);
        $LETTER
        k = stop;
    }
    ${P}_reset(&state);
    ${P}_run(&state, inputs, (size_t)letters, outputs, outputs + room * $OUTPUTS);
    memcpy(row + $EMBEDDING, state.$STATE, $HALF * sizeof(float));
    memcpy(row + $EMBEDDING + $HALF, state.${STATE}_reverse, $HALF * sizeof(float));
    return 0;
}
"""
