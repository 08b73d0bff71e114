"""Private: a language model as C: one token at a time, and texts as tokens."""

import json
import struct

import numpy as np
import torch

from ...data.text import compose
from ...data.vocabulary import BytePairVocabulary, CharacterVocabulary
from .parts import AnyTask, CodeListing, Proof, Scratch, TaskCode, filled, numbers_of, recurrent_of
from .unicode import (
    DIGIT,
    PLAIN_CHARACTERS,
    SIGN,
    SPACE,
    WORD,
    add_characters,
    add_lookup,
    add_reading,
    byte_pair_classes,
    character_classes,
    class_at,
    class_table,
)
from .words import EXPANSION, parts_of

__all__ = ["generator_code", "proof"]

# The code points besides "\n" at which str.splitlines splits composed text.
LINE_ENDS = (0x0B, 0x0C, 0x1C, 0x1D, 0x1E, 0x85, 0x2028, 0x2029)
# Tokens of the self-test, and of the texts of the proof.
TEST_TOKENS = 6
PROOF_TOKENS = (1, 2, 3, 5, 8, 13, 40)
# Parts of texts for byte pairs.
ODD_PARTS = (
    "a",
    " b",
    "  ",
    "'s",
    "'re ",
    "12",
    "!",
    "\n",
    "\u2028x",
    "한글",
    "é",
    "\u00a0",
    "👨‍👩‍👧",
)


def generator_code(task: AnyTask, listing: CodeListing) -> TaskCode:
    """A language model.

    Args:
        task: The task.
        listing: The source, to which the code is added.
    """
    model, tokens = task.model, len(task.vocabulary)
    layer = listing.layer(recurrent_of(model.recurrent), "layer")
    if task.vocabulary.kind == "character":
        _add_characters(task.vocabulary, listing)
    else:
        _add_byte_pairs(task.vocabulary, listing)
    row = listing.row("token_vectors", numbers_of(model.embedding.weight))
    readout = listing.linear(
        "readout", numbers_of(model.readout.weight), numbers_of(model.readout.bias)
    )
    listing.add(
        _STEP,
        P=layer.prefix,
        TOKENS=tokens,
        EMBEDDING=model.embedding.embedding_dim,
        OUTPUTS=layer.output_size,
        ROW=row.format(row="token", y="x"),
        READOUT=readout.format(x="y", y="logits"),
    )
    scratch = Scratch()
    scratch.add("points", "uint32_t", f"{EXPANSION} * ((size_t)(bytes) + 2)")
    listing.add(_ENCODE, SCRATCH=scratch.declared(), ROOM=f"{EXPANSION} * ((size_t)(bytes) + 2)")
    (start,) = task._numbers("")[:1].tolist()
    expected, selftest = _selftest(task)
    return TaskCode(
        listing,
        macros={
            "TOKENS": str(tokens),
            "START": str(start),
            "SCRATCH(bytes)": f"({scratch.size})",
        },
        types=layer.state,
        prototypes=listing.filled(_HEADER, P=layer.prefix),
        selftest=selftest,
        expected=expected,
        proof=proof(task),
        state=layer.sizes.state,
        stack=4 * (model.embedding.embedding_dim + layer.output_size),
        title=("Texts are UTF-8.",),
    )


def proof(task: AnyTask) -> Proof:
    """Texts, their tokens, and the logits after the last one."""
    random, vocabulary = np.random.default_rng(7), task.vocabulary
    texts = []
    for count in PROOF_TOKENS:
        tokens = random.integers(len(vocabulary), size=count).tolist()
        text = (
            "".join(vocabulary.tokens[k] for k in tokens)
            if vocabulary.kind == "character"
            else b"".join(vocabulary.token_bytes[k] for k in tokens).decode("utf-8", "ignore")
            + "".join(random.choice(ODD_PARTS, size=3))
        )
        texts.append(compose(text) or "\n")
    encoded = [vocabulary.encode(text) for text in texts]
    given, wanted = struct.pack("<I", len(texts)), dict[str, np.ndarray]()
    for number, (text, tokens) in enumerate(zip(texts, encoded), 1):
        content = text.encode("utf-8")
        given += struct.pack("<I", len(content)) + content
        wanted[f"tokens of text {number}"] = np.array([len(tokens), *tokens], float)
        wanted[f"logits of text {number}"] = _logits(task, tokens)
    return Proof(filled(_DRIVER), given, wanted)


@torch.no_grad()
def _logits(task: AnyTask, tokens: np.ndarray) -> np.ndarray:
    """The logits after some tokens, float64."""
    logits, _ = task.model.eval()(torch.from_numpy(np.asarray(tokens)).long()[None])
    return logits[0, -1].double().cpu().numpy()


def _add_characters(vocabulary: CharacterVocabulary, listing: CodeListing) -> None:
    """Add `encode_points` and the texts of the tokens, for a vocabulary of characters."""
    known = set("".join(vocabulary.tokens))
    # a text with other code points has no tokens anyway
    add_reading(listing, known=parts_of(known))
    alone = all(
        len(token) == 1 and class_at(character_classes(), ord(token)) in PLAIN_CHARACTERS
        for token in vocabulary.tokens
    )
    if not alone:
        add_characters(listing)
    lookup = add_lookup(listing, "tokens", vocabulary.numbers)
    order = sorted(vocabulary.tokens, key=lambda token: token.encode("utf-8"))
    places = {token: place for place, token in enumerate(order)}
    listing.table("token_place", [places[token] for token in vocabulary.tokens], np.int32)
    end = "place + 1" if alone else "character_end(points, count, place)"
    listing.add(_ENCODE_CHARACTERS, LOOKUP=lookup, END=end)
    listing.add(_TOKEN, TOKENS=len(vocabulary), PLACE="token_place[token]")


def _add_byte_pairs(vocabulary: BytePairVocabulary, listing: CodeListing) -> None:
    """Add `encode_points` and the texts of the tokens, for a vocabulary of byte pairs."""
    add_reading(listing)
    texts = vocabulary.token_bytes
    listing.table("tokens_text", np.frombuffer(b"".join(texts), np.uint8))
    listing.table("tokens_start", np.cumsum([0, *map(len, texts)]), np.uint32)
    saved = json.loads(vocabulary.tokenizer.to_str())["model"]
    numbers = saved["vocab"]
    pairs = sorted(
        (numbers[first], numbers[second], rank, numbers[first + second])
        for rank, (first, second) in enumerate(saved["merges"])
    )
    for place, name in enumerate(("first", "second", "rank", "joined")):
        listing.table(f"merge_{name}", [pair[place] for pair in pairs], np.int32)
    single = {text[0]: number for number, text in enumerate(texts) if len(text) == 1}
    listing.table("byte_token", [single[byte] for byte in range(256)], np.int32)
    listing.add(_MERGE, MERGES=len(pairs))
    listing.add(
        _ENCODE_BYTE_PAIRS,
        CLASSES=class_table(listing, "text_classes", byte_pair_classes(), 2),
        SPACE=SPACE,
        LINE_ENDS=" || ".join(f"point == {point:#x}u" for point in LINE_ENDS),
    )
    assert {SIGN, WORD, SPACE, DIGIT} == set(range(4))
    listing.add(_TOKEN, TOKENS=len(vocabulary), PLACE="token")


def _selftest(task: AnyTask) -> tuple[dict[str, np.ndarray], str]:
    """The tables and the statements of the self-test: the logits after some tokens."""
    tokens = np.array([k * 7 % len(task.vocabulary) for k in range(TEST_TOKENS)])
    statements = filled(_SELFTEST, TOKENS=", ".join(map(str, tokens)), COUNT=TEST_TOKENS)
    return {"test_wanted": _logits(task, tokens)}, statements


_HEADER = """
typedef struct {
    ${P}_state layer;
} NAME_state;

/* NAME_init once, NAME_reset before each text, and NAME_step for each token: it reads the token and
   writes the logits of the next one, logits[NAME_TOKENS]. */
void NAME_init(NAME_state *state);
void NAME_reset(NAME_state *state);
void NAME_step(NAME_state *state, int token, float *logits);

/* The next token: the most probable one for a temperature of 0, else one drawn from the softmax of
   logits / temperature by a random number from 0 to 1 (below 1). -1 if a logit is not finite. */
int NAME_sample(const float *logits, double temperature, double random);

/* The tokens of a UTF-8 text, at most `room` of them; a text in NFC has at most one for each byte.
   Returns their number; -1 if the text is not valid UTF-8, has a character that is not in the
   vocabulary, or has more tokens. */
long NAME_encode(const char *text, size_t bytes, int *tokens, size_t room, void *scratch);

/* The bytes of a token in UTF-8, not zero-terminated; a token of byte pairs can end within a
   character. */
const char *NAME_token(int token, size_t *bytes);
"""
_STEP = """
void NAME_init(NAME_state *state)
{
    NAME_reset(state);
}

void NAME_reset(NAME_state *state)
{
    (void)${P}_run;
    ${P}_reset(&state->layer);
}

void NAME_step(NAME_state *state, int token, float *logits)
{
    float x[$EMBEDDING], y[$OUTPUTS];
    $ROW
    ${P}_step(&state->layer, x, y);
    $READOUT
}

int NAME_sample(const float *logits, double temperature, double random)
{
    double sum = 0.0;
    int k, best = 0;
    for (k = 0; k < $TOKENS; k++) {
        if (!isfinite(logits[k]))
            return -1;
        if (logits[k] > logits[best])
            best = k;
    }
    if (!(temperature > 0.0))
        return best;
    for (k = 0; k < $TOKENS; k++)
        sum += exp(((double)logits[k] - logits[best]) / temperature);
    random *= sum;
    for (k = 0; k < $TOKENS - 1; k++) {
        random -= exp(((double)logits[k] - logits[best]) / temperature);
        if (random < 0.0)
            return k;
    }
    return $TOKENS - 1;
}
"""
_TOKEN = """
const char *NAME_token(int token, size_t *bytes)
{
    long place = token >= 0 && token < $TOKENS ? $PLACE : 0;
    *bytes = tokens_start[place + 1] - tokens_start[place];
    return (const char *)tokens_text + tokens_start[place];
}
"""
_ENCODE = """
long NAME_encode(const char *text, size_t bytes, int *tokens, size_t room, void *scratch)
{
    unsigned char *at = scratch;
    long count;
$SCRATCH
    (void)at;
    count = read_text(text, bytes, points, (long)($ROOM));
    return count < 0 ? -1 : encode_points(points, count, tokens, (long)room);
}
"""
_ENCODE_CHARACTERS = """
/* The tokens of code points; their number, or -1 for an unknown character. */
static long encode_points(const uint32_t *points, long count, int *tokens, long room)
{
    long place, tokens_count = 0, end;
    for (place = 0; place < count; place = end) {
        long number;
        end = $END;
        number = find_text($LOOKUP, points + place, end - place);
        if (number < 0 || tokens_count == room)
            return -1;
        tokens[tokens_count++] = (int)number;
    }
    return tokens_count;
}
"""
_MERGE = """
/* The place of a pair of tokens in the table of pairs; -1 if it is not there. */
static long find_pair(int first, int second)
{
    long low = 0, high = $MERGES;
    while (low < high) {
        long middle = (low + high) / 2;
        if (merge_first[middle] < first ||
            (merge_first[middle] == first && merge_second[middle] < second))
            low = middle + 1;
        else
            high = middle;
    }
    return low < $MERGES && merge_first[low] == first && merge_second[low] == second ? low : -1;
}

/* Join pairs of tokens, those of the lowest rank first; the new count. */
static long merge_tokens(int *tokens, long count)
{
    for (;;) {
        long k, at = -1, best = -1;
        for (k = 0; k + 1 < count; k++) {
            long pair = find_pair(tokens[k], tokens[k + 1]);
            if (pair >= 0 && (best < 0 || merge_rank[pair] < merge_rank[best])) {
                best = pair;
                at = k;
            }
        }
        if (best < 0)
            return count;
        tokens[at] = merge_joined[best];
        for (k = at + 1; k + 1 < count; k++)
            tokens[k] = tokens[k + 1];
        count--;
    }
}
"""
_ENCODE_BYTE_PAIRS = """
static int text_class(uint32_t point)
{
    return class_of($CLASSES, point);
}

static int ends_line(uint32_t point)
{
    return point == 0x0Au || $LINE_ENDS;
}

/* The number of letters of an English contraction such as 's or 're; 0 if there is none. */
static int contraction(const uint32_t *points, long left)
{
    uint32_t first = left > 1 ? points[1] : 0, second = left > 2 ? points[2] : 0;
    if (points[0] != 0x27u)
        return 0;
    if (first == 's' || first == 't' || first == 'm' || first == 'd')
        return 2;
    return (first == 'r' && second == 'e') || (first == 'v' && second == 'e') ||
                   (first == 'l' && second == 'l')
               ? 3
               : 0;
}

/* The end of the word, number, signs or spaces that begin at a place of a line. */
static long part_end(const uint32_t *points, long place, long end)
{
    long start = place, stop;
    int kind = contraction(points + place, end - place);
    if (kind)
        return place + kind;
    if (points[place] == 0x20u && place + 1 < end && text_class(points[place + 1]) != $SPACE)
        start++;
    kind = text_class(points[start]);
    for (stop = start + 1; stop < end && text_class(points[stop]) == kind; stop++)
        continue;
    /* the last of several spaces belongs to the word after them */
    return kind == $SPACE && stop < end && stop - start > 1 ? stop - 1 : stop;
}

/* The tokens of code points; their number, or -1 if there is not enough room. */
static long encode_points(const uint32_t *points, long count, int *tokens, long room)
{
    long place = 0, end = 0, found = 0;
    while (place < count) {
        long k, stop, from = found;
        if (place == end)
            while (end < count && !ends_line(points[end++]))
                continue;
        stop = part_end(points, place, end);
        for (k = place; k < stop; k++) {
            uint32_t point = points[k];
            int bytes = point < 0x80u ? 1 : point < 0x800u ? 2 : point < 0x10000u ? 3 : 4, j;
            if (found + bytes > room)
                return -1;
            for (j = bytes - 1; j > 0; j--, point >>= 6)
                tokens[found + j] = byte_token[0x80u | (point & 0x3Fu)];
            tokens[found] =
                byte_token[bytes == 1 ? point : ((0xF00u >> bytes) & 0xFFu) | point];
            found += bytes;
        }
        found = from + merge_tokens(tokens + from, found - from);
        place = stop;
    }
    return found;
}
"""
_SELFTEST = """
static const int tokens[] = {$TOKENS};
static NAME_state state;
static float found[NAME_TOKENS];
int k;
NAME_init(&state);
for (k = 0; k < $COUNT; k++)
    NAME_step(&state, tokens[k], found);
return NAME_compare("logits", found, NAME_test_wanted, NAME_TOKENS, 1e-3f);
"""
_DRIVER = """
int main(void)
{
    static NAME_state state;
    static float logits[NAME_TOKENS];
    uint32_t texts = get_count();
    NAME_init(&state);
    while (texts-- > 0) {
        uint32_t bytes = get_count();
        char *text = get(bytes);
        int *tokens = malloc((bytes + 1) * sizeof *tokens);
        void *scratch = malloc(NAME_SCRATCH(bytes));
        long count, k;
        if (!tokens || !scratch)
            return 4;
        count = NAME_encode(text, bytes, tokens, bytes, scratch);
        put((double)count);
        for (k = 0; k < count; k++)
            put(tokens[k]);
        NAME_reset(&state);
        for (k = 0; k < count; k++)
            NAME_step(&state, tokens[k], logits);
        for (k = 0; k < NAME_TOKENS; k++)
            put(logits[k]);
        free(text);
        free(tokens);
        free(scratch);
    }
    return 0;
}
"""
