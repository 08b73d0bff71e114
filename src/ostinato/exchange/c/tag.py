"""Private: a tagger as C: words in, tags out."""

import struct

import numpy as np

from ...tasks.tag import TagModel
from .parts import (
    AnyTask,
    CodeListing,
    Proof,
    Scratch,
    TaskCode,
    filled,
    numbers_of,
    quoted,
    recurrent_of,
)
from .words import EXPANSION, add_spelled_words, add_words, some_words, vocabulary_of

__all__ = ["tagger_code", "proof"]

# Words that are rare or odd, and the numbers of words of the sentences of the proof.
ODD_WORDS = ("Xyzzy", "ΟΔΟΣ", "İ", "J\u030cx", "한글", "e\u0301", "<pad>", "...", "Ⅻ", "👨‍👩‍👧")
PROOF_WORDS = (0, 1, 2, 3, 5, 8, 13, 40)


def tagger_code(task: AnyTask, listing: CodeListing) -> TaskCode:
    """A tagger.

    Args:
        task: The task.
        listing: The source, to which the code is added.
    """
    model, metadata = task.model, task.metadata
    tags = len(metadata.tags)
    tokens = vocabulary_of(task.vocabulary.tokenizer, metadata.embedded)
    add_words(listing, tokens, lower=str.lower, composed=True)
    units, floats = add_spelled_words(
        listing, model, scheme=task.options.characters, letters=metadata.letters
    )
    layer = listing.layer(recurrent_of(model.recurrent), "words")
    readout = listing.linear(
        "readout", numbers_of(model.readout.weight), numbers_of(model.readout.bias)
    )
    listing.texts(f"{listing.name}_tags", [t.encode("utf-8") for t in metadata.tags], public=True)
    room = f"{EXPANSION} * ((size_t)(longest) + 2)"
    scratch = Scratch()
    if model.crf is not None:
        scratch.add("totals", "double", str(2 * tags))
    scratch.add("state", f"{layer.prefix}_state", "1")
    scratch.add("rows", "float", f"(words) * {units}")
    scratch.add("outputs", "float", f"(words) * {layer.output_size}")
    scratch.add("memory", "float", f"(words) * {layer.scratch_units} + 1")
    scratch.add("scores", "float", f"(words) * {tags}")
    scratch.add("letters", "float", f"{room} * {floats}")
    scratch.add("points", "uint32_t", f"3 * {room}")
    if model.crf is not None:
        scratch.add("pointers", "int32_t", f"(words) * {tags}")
    listing.add(
        _PREDICT,
        SCRATCH=scratch.declared(),
        ROOM=room,
        P=layer.prefix,
        UNITS=units,
        OUTPUTS=layer.output_size,
        TAGS=tags,
        READOUT=readout.format(x=f"outputs + k * {layer.output_size}", y=f"scores + k * {tags}"),
        BEST=_best(model, listing),
    )
    expected, selftest = _selftest(task)
    return TaskCode(
        listing,
        macros={"TAGS": str(tags), "SCRATCH(words, longest)": f"({scratch.size})"},
        types="\n".join(code.state for code in listing.layers),
        prototypes=listing.filled(_HEADER),
        selftest=selftest,
        expected=expected,
        proof=proof(task),
        stack=listing.layers[0].sizes.state,
        title=("Words are zero-terminated UTF-8 strings, split as in the training data.",),
    )


def proof(task: AnyTask) -> Proof:
    """Sentences of known, unknown and odd words, and the numbers of their tags."""
    random = np.random.default_rng(7)
    words = [*some_words(task), *ODD_WORDS]
    sentences = [
        [words[k] for k in random.integers(len(words), size=count)] for count in PROOF_WORDS
    ]
    given = struct.pack("<I", len(sentences))
    for sentence in sentences:
        given += struct.pack("<I", len(sentence))
        for word in sentence:
            encoded = word.encode("utf-8") + b"\0"
            given += struct.pack("<I", len(encoded)) + encoded
    numbers = [float(tag) for row in _tags(task, sentences) for tag in row]
    longest = max(len(word.encode("utf-8")) for word in words)
    return Proof(filled(_DRIVER, LONGEST=longest), given, {"tags": np.array(numbers)})


def _tags(task: AnyTask, sentences: list[list[str]]) -> list[list[int]]:
    """The numbers of the tags of some sentences."""
    places = {tag: number for number, tag in enumerate(task.metadata.tags)}
    return [[places[tag] for tag in tags] for tags in task.predict(sentences)]


def _best(model: TagModel, listing: CodeListing) -> str:
    """Add the choice of the tags from the scores, and return the call of it."""
    if model.crf is None:
        listing.add(_LARGEST, TAGS=model.readout.out_features)
        return "largest(scores, words, tags)"
    listing.table("transitions", numbers_of(model.crf._weights()).astype(np.float32))
    listing.add(_VITERBI, TAGS=model.crf.tags, STRIDE=model.crf.tags + 1)
    return "viterbi(scores, words, totals, pointers, tags)"


def _selftest(task: AnyTask) -> tuple[dict[str, np.ndarray], str]:
    """The tables and the statements of the self-test, on one sentence."""
    words = [*some_words(task)[:6], ODD_WORDS[0]]
    statements = filled(
        _SELFTEST,
        WORDS=", ".join(quoted(word.encode("utf-8")) for word in words),
        COUNT=len(words),
        LONGEST=max(len(word.encode("utf-8")) for word in words),
    )
    return {"test_wanted": np.array(_tags(task, [words])[0], float)}, statements


_HEADER = """
/* The tags in UTF-8. */
extern const char *const NAME_tags[NAME_TAGS];

/* The number of the tag of each word, in tags[words]. Returns 0, or -1 if a word is empty, longer
   than the `longest` bytes that the scratch memory is for, or not valid UTF-8, or if a score is not
   finite. */
int NAME_predict(const char *const *sentence, size_t words, size_t longest, void *scratch,
                 int *tags);
"""
_LARGEST = """
/* The tag with the largest score of each word; -1 if a score is not finite. */
static int largest(const float *scores, size_t words, int *tags)
{
    size_t t;
    int k;
    for (t = 0; t < words; t++, scores += $TAGS) {
        tags[t] = 0;
        for (k = 0; k < $TAGS; k++) {
            if (!isfinite(scores[k]))
                return -1;
            if (scores[k] > scores[tags[t]])
                tags[t] = k;
        }
    }
    return 0;
}
"""
_VITERBI = """
/* The sequence of tags with the largest score (Viterbi); -1 if a score is not finite. */
static int viterbi(const float *scores, size_t words, double *totals, int32_t *pointers, int *tags)
{
    double *total = totals, *next = totals + $TAGS, *other;
    size_t t;
    int j, k, best = 0;
    for (t = 0; t < words * $TAGS; t++)
        if (!isfinite(scores[t]))
            return -1;
    if (!words)
        return 0;
    for (k = 0; k < $TAGS; k++)
        total[k] = (double)scores[k] + transitions[$TAGS * $STRIDE + k];
    for (t = 1; t < words; t++) {
        for (k = 0; k < $TAGS; k++) {
            int from = 0;
            double most = total[0] + transitions[k];
            for (j = 1; j < $TAGS; j++) {
                double sum = total[j] + transitions[j * $STRIDE + k];
                if (sum > most) {
                    most = sum;
                    from = j;
                }
            }
            next[k] = most + scores[t * $TAGS + (size_t)k];
            pointers[t * $TAGS + (size_t)k] = from;
        }
        other = total;
        total = next;
        next = other;
    }
    for (k = 1; k < $TAGS; k++)
        if (total[k] + transitions[k * $STRIDE + $TAGS] >
            total[best] + transitions[best * $STRIDE + $TAGS])
            best = k;
    for (t = words; t-- > 0;) {
        tags[t] = best;
        if (t)
            best = pointers[t * $TAGS + (size_t)best];
    }
    return 0;
}
"""
_PREDICT = """
int NAME_predict(const char *const *sentence, size_t words, size_t longest, void *scratch,
                 int *tags)
{
    unsigned char *at = scratch;
    const long room = (long)($ROOM);
    size_t k;
$SCRATCH
    (void)at;
    for (k = 0; k < words; k++) {
        size_t bytes = strlen(sentence[k]);
        long count = bytes > longest ? -1 : read_text(sentence[k], bytes, points, room);
        if (count < 1 || read_word(points, count, points + room, room, letters, rows + k * $UNITS))
            return -1;
    }
    ${P}_reset(state);
    ${P}_run(state, rows, words, outputs, memory);
    for (k = 0; k < words; k++)
        $READOUT
    return $BEST;
}
"""
_SELFTEST = """
static const char *const words[] = {$WORDS};
static double scratch[NAME_SCRATCH($COUNT, $LONGEST) / sizeof(double) + 1];
int tags[$COUNT], k;
float found[$COUNT];
int wrong = NAME_predict(words, $COUNT, $LONGEST, scratch, tags) < 0;
for (k = 0; k < $COUNT; k++)
    found[k] = (float)tags[k];
wrong += NAME_compare("tags", found, NAME_test_wanted, $COUNT, 0.5f);
return wrong;
"""
_DRIVER = """
int main(void)
{
    uint32_t sentences = get_count(), k;
    while (sentences-- > 0) {
        uint32_t words = get_count();
        const char **sentence = malloc((words + 1) * sizeof *sentence);
        int *tags = malloc((words + 1) * sizeof *tags);
        void *scratch = malloc(NAME_SCRATCH(words, $LONGEST));
        if (!sentence || !tags || !scratch)
            return 4;
        for (k = 0; k < words; k++)
            sentence[k] = get(get_count());
        if (NAME_predict(sentence, words, $LONGEST, scratch, tags) < 0)
            return 5;
        for (k = 0; k < words; k++) {
            put(tags[k]);
            free((void *)sentence[k]);
        }
        free(sentence);
        free(tags);
        free(scratch);
    }
    return 0;
}
"""
