"""Private: a classifier of texts as C: its networks, with the words of a text."""

import struct

import numpy as np

from ...errors import InputError
from .classify import Networks, label_probabilities
from .parts import AnyTask, CodeListing, Proof, Scratch, TaskCode, filled, numbers_of, quoted
from .unicode import SPACE, class_table, word_classes
from .words import EXPANSION, add_spelled_words, add_words, some_words, vocabulary_of

__all__ = ["text_classifier_code", "text_proof"]

# Rare and odd parts of a text, and the numbers of words of the texts of the proof.
ODD_PARTS = ("Xyzzy", "!", "ÉΣ", "...", "İ", "한글", "e\u0301", "\r\n", "\u00a0", "a_b", "👨‍👩‍👧")
PROOF_WORDS = (0, 1, 2, 3, 5, 8, 13, 40)


def text_classifier_code(task: AnyTask, listing: CodeListing) -> TaskCode:
    """A classifier of texts.

    Args:
        task: The task.
        listing: The source, to which the code is added.

    Raises:
        InputError: It has a linear model of n-grams, or its tokens are not words.
    """
    linear = task.model.linear
    if linear is not None and float(linear.weight):
        raise InputError(
            f"the model is a mean of its network and a {linear.name}, which C cannot compute; "
            "write network_only=True (--network-only) for the network alone, or train with "
            "linear=False (--no-linear)"
        )
    if task.options.tokens != "word":
        raise InputError(
            f"the model has tokens {task.options.tokens!r}; classifiers of words alone are written "
            "as C: train with tokens='word' (--tokens word)"
        )
    if len(task.members) > 1:
        raise InputError(
            f"the model is an ensemble of {len(task.members)} networks; classifiers of texts with "
            "one network alone are written as C: train without --ensemble"
        )
    network, labels = Networks(task, listing), len(task.metadata.labels)
    normalizer = task.vocabulary.tokenizer.normalizer
    add_words(
        listing,
        vocabulary_of(task.vocabulary.tokenizer, len(task.vocabulary)),
        lower=normalizer.normalize_str if task.vocabulary.lowercase else None,
        composed=False,
    )
    floats = "0"
    (member,) = task.members
    if member.words is not None:
        _, floats = add_spelled_words(
            listing, member.words, scheme=task.options.characters, letters=task.metadata.letters
        )
    else:
        row = listing.row("word_vectors", numbers_of(member.embedding.weight))
        listing.add(_READ_WORD, ROW=row.format(row="(int)number", y="row"))
    room = f"{EXPANSION} * ((size_t)(bytes) + 2)"
    scratch = Scratch()
    scratch.add("rows", "float", f"(bytes) * {network.inputs}")
    network.add_scratch(scratch, "bytes")
    scratch.add("letters", "float", f"{room} * {floats} + 1")
    scratch.add("points", "uint32_t", f"3 * {room}")
    listing.add(
        _PREDICT,
        SCRATCH=scratch.declared(),
        ROOM=room,
        CLASSES=class_table(listing, "word_classes", word_classes(), 2),
        SPACE=SPACE,
        INPUTS=network.inputs,
        LABELS=labels,
        BODY=network.call("rows"),
    )
    expected, selftest = _selftest(task)
    states = [layer.state for layer in listing.layers if layer not in network.layers]
    return TaskCode(
        listing,
        macros={"LABELS": str(labels), "SCRATCH(bytes)": f"({scratch.size})"},
        types="\n".join([*states, network.types]),
        prototypes=listing.filled(_HEADER),
        selftest=selftest,
        expected=expected,
        proof=text_proof(task),
        stack=network.stack + sum(layer.sizes.state for layer in listing.layers[1:]),
        title=("Texts are UTF-8.",),
    )


def text_proof(task: AnyTask) -> Proof:
    """Texts of known, unknown and odd words, and the probabilities of the labels."""
    random = np.random.default_rng(7)
    words = [*some_words(task), *ODD_PARTS]
    texts = [
        random.choice([" ", ""]).join(words[k] for k in random.integers(len(words), size=count))
        for count in PROOF_WORDS
    ]
    given = struct.pack("<I", len(texts))
    for text in texts:
        encoded = text.encode("utf-8")
        given += struct.pack("<I", len(encoded)) + encoded
    return Proof(filled(_DRIVER), given, {"probabilities": label_probabilities(task, texts)})


def _selftest(task: AnyTask) -> tuple[dict[str, np.ndarray], str]:
    """The tables and the statements of the self-test, on one text."""
    text = " ".join([*some_words(task)[:6], *ODD_PARTS[:3]]).encode("utf-8")
    (wanted,) = label_probabilities(task, [text.decode("utf-8")])
    return {"test_wanted": wanted}, filled(_SELFTEST, TEXT=quoted(text), BYTES=len(text))


_READ_WORD = """
/* The embedding of a word; -1 if there is not enough room. */
static int read_word(const uint32_t *points, long count, uint32_t *spare, long room, float *memory,
                     float *row)
{
    long number = word_number(points, count, spare, room);
    (void)memory;
    if (number < 0)
        return -1;
    $ROW
    return 0;
}
"""
_HEADER = """
/* The labels in UTF-8. */
extern const char *const NAME_labels[NAME_LABELS];

/* The number of the most probable label of a UTF-8 text of some bytes, and the probability of each
   label in probabilities[NAME_LABELS], which may be NULL; -1 if the text is not valid UTF-8. */
int NAME_predict(const char *text, size_t bytes, void *scratch, float *probabilities);
"""
_PREDICT = """
int NAME_predict(const char *text, size_t bytes, void *scratch, float *probabilities)
{
    unsigned char *at = scratch;
    const long room = (long)($ROOM);
    double total[$LABELS];
    size_t t, steps = 0;
    long start, end, count;
$SCRATCH
    (void)at, (void)t;
    count = read_text(text, bytes, points, room);
    if (count < 0)
        return -1;
    for (start = 0; start < count; start = end) {
        int kind = class_of($CLASSES, points[start]);
        for (end = start + 1; end < count; end++)
            if (class_of($CLASSES, points[end]) != kind)
                break;
        if (kind == $SPACE)
            continue;
        if (read_word(points + start, end - start, points + room, room, letters,
                      rows + steps * $INPUTS))
            return -1;
        steps++;
    }
$BODY
    return most_probable(total, $LABELS, probabilities);
}
"""
_SELFTEST = """
static const char text[] = $TEXT;
static double scratch[NAME_SCRATCH($BYTES) / sizeof(double) + 1];
float found[NAME_LABELS];
int wrong = NAME_predict(text, $BYTES, scratch, found) < 0;
wrong += NAME_compare("probabilities", found, NAME_test_wanted, NAME_LABELS, 1e-4f);
return wrong;
"""
_DRIVER = """
int main(void)
{
    uint32_t texts = get_count(), k;
    while (texts-- > 0) {
        uint32_t bytes = get_count();
        char *text = get(bytes);
        float probabilities[NAME_LABELS];
        void *scratch = malloc(NAME_SCRATCH(bytes));
        if (!scratch || NAME_predict(text, bytes, scratch, probabilities) < 0)
            return 4;
        for (k = 0; k < NAME_LABELS; k++)
            put(probabilities[k]);
        free(scratch);
        free(text);
    }
    return 0;
}
"""
