"""Use the ONNX file of a classify, tag, frames, generate or forecast model with onnxruntime and
NumPy alone: without ostinato and without torch.

    python run_onnx.py model.onnx rows.json

rows.json has a list of inputs: texts, sentences (lists of words), prompts, or sequences of numbers
(T, F). Of a forecast model each input is an object with the inputs of the file. The answers are
printed as a JSON list: labels, rows of tags, texts, or forecasts.
"""

import itertools
import json
import re
import sys
import unicodedata
from collections import Counter

import numpy as np
import onnxruntime

try:
    import regex  # only for characters of several code points, such as most flags
except ImportError:
    regex = None

# The first tokens are padding, unknown, start and end.
UNKNOWN, SPECIAL = 1, 4


def main(path: str, rows: list) -> list:
    """The answers of a file for some inputs."""
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = 1  # more for large batches
    session = onnxruntime.InferenceSession(path, settings, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    model = {name: parse(text) for name, text in metadata.items()}
    answer = {
        "classify": classify,
        "tag": tag,
        "frames": frames,
        "generate": generate,
        "forecast": forecast,
    }[model["task"]]
    return answer(session, model, rows)


def parse(text: str):
    """A value of the metadata: JSON, or a name."""
    try:
        return json.loads(text)
    except ValueError:
        return text


# ---------------------------------------------------------------- tasks


def classify(session, model: dict, rows: list) -> list[str]:
    """The label of each text or sequence of numbers."""
    if "units" in model:
        feeds = numbers(model, rows)
    else:
        texts = [compose(text) for text in rows]
        words = [split(model, text) for text in texts]
        feeds = tokens(model, words)
        names = {one.name for one in session.get_inputs()}
        if "characters" in names:
            feeds |= characters(model, words)
        if "ngrams" in names:
            counts = [ngrams(text, model["ngram_features"]) for text in texts]
            feeds["ngrams"] = padded([[*one] for one in counts])
            feeds["ngram_counts"] = padded([[*one.values()] for one in counts])
    (label,) = session.run(["label"], feeds)
    return [model["labels"][k] for k in label]


def tag(session, model: dict, rows: list) -> list[list[str]]:
    """The tag of each word of each sentence."""
    words = [[compose(word) for word in row] for row in rows]
    lowered = [[compose(word.lower()) for word in row] for row in words]
    feeds = tokens(model, lowered) | characters(model, words)
    (tags,) = session.run(["tags"], feeds)
    return [[model["labels"][k] for k in found[: len(row)]] for found, row in zip(tags, rows)]


def frames(session, model: dict, rows: list) -> list[list[str]]:
    """The label of each frame of each clip."""
    (labels,) = session.run(["labels"], numbers(model, rows))
    return [[model["labels"][k] for k in found[: len(row)]] for found, row in zip(labels, rows)]


def generate(session, model: dict, rows: list, length: int = 20) -> list[str]:
    """The most probable continuation of each prompt, one token after another."""
    if model["token_kind"] != "character":
        raise SystemExit("encode the prompts with the package tokenizers, from tokens and merges")
    number = {token: k for k, token in enumerate(model["tokens"])}
    found = []
    for prompt in rows:
        states = {
            one.name: np.zeros([1 if size == "batch" else size for size in one.shape], np.float32)
            for one in session.get_inputs()
            if one.name.startswith("initial_")
        }
        given = np.array([[number[letter] for letter in compose(prompt)]])
        written = ""
        for _ in range(length):
            logits, *ends = session.run(None, {"tokens": given, **states})
            states = dict(zip(states, ends))
            given = logits[:, -1:].argmax(2)
            written += model["tokens"][given[0, 0]]
        found.append(written)
    return found


def forecast(session, model: dict, rows: list) -> list[list[float]]:
    """The next value of each column of each series."""
    found = []
    for row in rows:
        feeds = {name: np.array(row[name], np.float64)[None] for name in row if name != "series"}
        if "series" in row:
            feeds["series"] = np.array([model["series"].index(row["series"])])
        # as many steps as the model reads
        feeds["values"] = feeds["values"][:, -model["most_steps"] :]
        found.append(session.run(["forecast"], feeds)[0][0].tolist())
    return found


# ---------------------------------------------------------------- inputs


def padded(rows: list) -> np.ndarray:
    """Rows of whole numbers as one array, with 0 after the end of a row."""
    found = np.zeros((len(rows), max([1, *map(len, rows)])), np.int64)
    for place, row in zip(found, rows):
        place[: len(row)] = row
    return found


def numbers(model: dict, rows: list) -> dict[str, np.ndarray]:
    """Sequences of numbers and their lengths."""
    x = np.zeros((len(rows), max([1, *map(len, rows)]), model["units"]), np.float32)
    for place, row in zip(x, rows):
        place[: len(row)] = np.reshape(row, (len(row), -1))
    return {"x": x, "lengths": np.array([*map(len, rows)])}


def compose(text: str) -> str:
    """A text in Unicode's normal form C, with line feeds as line ends."""
    return unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))


def split(model: dict, text: str) -> list[str]:
    """The words of a text: runs of letters, marks and digits, and runs of other signs."""
    if model["token_kind"] != "word":
        raise SystemExit("encode the texts with the package tokenizers, from tokens and merges")
    text = text.lower() if model.get("lowercase") else text
    runs = itertools.groupby(text, kind_of)
    return ["".join(run) for kind, run in runs if kind != "space"]


def kind_of(letter: str) -> str:
    """Whether a letter belongs to a word, to a space or to other signs."""
    category = unicodedata.category(letter)
    if category[0] in "LM" or category in ("Nd", "Nl", "Pc") or letter in "\u200c\u200d":
        return "word"
    return "space" if letter.isspace() else "sign"


def tokens(model: dict, rows: list[list[str]]) -> dict[str, np.ndarray]:
    """The numbers of words, and the number of words of each row."""
    known = {token: k for k, token in enumerate(model["tokens"]) if k >= SPECIAL}
    ids = [[known.get(word, UNKNOWN) for word in row] for row in rows]
    return {"tokens": padded(ids), "lengths": np.array([*map(len, rows)])}


def characters(model: dict, rows: list[list[str]]) -> dict[str, np.ndarray]:
    """The numbers of the characters of words (B, T, S), and how many each word has."""
    known = {letter: k for k, letter in enumerate(model["characters"], SPECIAL)}
    words = [[letters_of(word, model["character_kind"]) for word in row] for row in rows]
    longest = max([1, *(len(row) for row in words)])
    most = max([1, *(len(word) for row in words for word in row)])
    found = np.zeros((len(rows), longest, most), np.int64)
    lengths = np.zeros((len(rows), longest), np.int64)
    for k, row in enumerate(words):
        for place, word in enumerate(row):
            found[k, place, : len(word)] = [known.get(letter, UNKNOWN) for letter in word]
            lengths[k, place] = len(word)
    return {"characters": found, "character_lengths": lengths}


def letters_of(word: str, kind: str) -> list[str]:
    """The characters of a word, or the letters of its Korean syllables."""
    if kind == "jamo":
        return [*unicodedata.normalize("NFD", word)]
    return regex.findall(r"\X", word) if regex else [*word]


# ---------------------------------------------------------------- n-grams


def ngrams(text: str, features: int) -> Counter:
    """How often each n-gram occurs, by its number: words and pairs of words first, then runs of two
    to five characters in words with a space around them.
    """
    text = text.lower()
    words = re.findall(r"\w+|[^\w\s]", text)
    pairs = [" ".join(pair) for pair in zip(words, words[1:])]
    found = Counter(place(one, features) for one in words + pairs)
    for word in text.split():
        word = f" {word} "
        for size in range(2, 6):
            runs = [word[k : k + size] for k in range(max(1, len(word) - size + 1))]
            found.update(features + place(run, features) for run in runs)
            if len(runs) == 1:
                break
    return found


def place(ngram: str, features: int) -> int:
    """The number of an n-gram: its MurmurHash3 (32 bits, seed 0) as a signed number, without its
    sign, modulo the number of features, which is a power of two.
    """
    key, mask = ngram.encode(), 0xFFFFFFFF
    value, whole = 0, len(key) // 4 * 4

    def mixed(block: int) -> int:
        block = block * 0xCC9E2D51 & mask
        return (block << 15 | block >> 17) * 0x1B873593 & mask

    for k in range(0, whole, 4):
        value ^= mixed(int.from_bytes(key[k : k + 4], "little"))
        value = ((value << 13 | value >> 19) & mask) * 5 + 0xE6546B64 & mask
    if key[whole:]:
        value ^= mixed(int.from_bytes(key[whole:], "little"))
    value ^= len(key)
    value = (value ^ value >> 16) * 0x85EBCA6B & mask
    value = (value ^ value >> 13) * 0xC2B2AE35 & mask
    value ^= value >> 16
    return min(value, (1 << 32) - value) % features


if __name__ == "__main__":
    with open(sys.argv[2], encoding="utf-8") as file:
        print(json.dumps(main(sys.argv[1], json.load(file)), ensure_ascii=False))
