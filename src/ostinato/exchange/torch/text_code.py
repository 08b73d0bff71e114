"""Private: the parts of a written torch file that turn texts into numbers, with the standard
library alone. Their source is copied to the file.
"""

import bisect
import itertools
import math
import re
import unicodedata
from collections import Counter

import torch
from torch import Tensor, nn

from ...data.text import compose

__all__ = ["Graphemes", "NGramScores", "TextTokens", "WordSpelling"]

# The special tokens that a vocabulary begins with.
PAD_TOKEN, UNKNOWN_TOKEN = 0, 1
# The classes of letters that mark the letter before them.
MARKS = {"Extend", "Linker", "ZWJ"}
# White space as in regular expressions of Unicode.
SPACES = set("\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000") | {
    chr(code) for code in range(0x2000, 0x200B)
}


def lower_letters(text: str) -> str:
    """A text in lower case, letter by letter."""
    return "".join(letter.lower() for letter in text)


# ---------------------------------------------------------------- characters


class Graphemes:
    """Splits texts into characters: extended grapheme clusters, Unicode Annex 29.

    Args:
        table: (first, last, class) of ranges of code points, in order.
    """

    def __init__(self, table: list[tuple[int, int, str]]):
        self.firsts = [first for first, _, _ in table]
        self.table = table

    def kind(self, letter: str) -> str:
        """The class of a letter; "" for most."""
        code = ord(letter)
        if 0xAC00 <= code <= 0xD7A3:
            return "LV" if (code - 0xAC00) % 28 == 0 else "LVT"
        place = bisect.bisect(self.firsts, code) - 1
        if place < 0 or code > self.table[place][1]:
            return ""
        return self.table[place][2]

    def split(self, text: str) -> list[str]:
        """The characters of a text."""
        if text.isascii() and "\r" not in text:
            return list(text)
        found: list[str] = []
        kinds: list[str] = []
        for letter in text:
            kind = self.kind(letter)
            if found and joins(kinds, kind):
                found[-1] += letter
                kinds.append(kind)
            else:
                found.append(letter)
                kinds = [kind]
        return found


def joins(kinds: list[str], kind: str) -> bool:
    """Whether a letter of a class continues a character of letters of these classes."""
    last = kinds[-1]
    if last == "CR" or kind in ("CR", "LF", "Control") or last in ("LF", "Control"):
        return last == "CR" and kind == "LF"
    if kind in ("Extend", "Linker", "ZWJ", "SpacingMark") or last == "Prepend":
        return True
    if last == "L" and kind in ("L", "V", "LV", "LVT"):
        return True
    if (last in ("LV", "V") and kind in ("V", "T")) or (last in ("LVT", "T") and kind == "T"):
        return True
    if kind == "Regional" and last == "Regional":
        return kinds.count("Regional") % 2 == 1
    if kind == "Pictographic" and last == "ZWJ":
        # a picture, marks, a joiner, and another picture
        rest = [one for one in kinds[:-1] if one not in ("Extend", "Linker")]
        return bool(rest) and rest[-1] == "Pictographic"
    if kind == "Consonant":
        # consonants of Indic scripts with a sign between them that links them
        return "Linker" in itertools.takewhile(MARKS.__contains__, reversed(kinds))
    return False


# ---------------------------------------------------------------- tokens


def is_word(letter: str) -> bool:
    """Whether a letter is part of a word: a letter, a mark, a digit or a connector."""
    kind = unicodedata.category(letter)
    code = ord(letter)
    circled = (
        0x24B6 <= code <= 0x24E9
        or 0x1F130 <= code <= 0x1F189
        and (code <= 0x1F149 or 0x1F150 <= code <= 0x1F169 or code >= 0x1F170)
    )
    return kind[0] in "LM" or kind in ("Nd", "Nl", "Pc") or circled or code in (0x200C, 0x200D)


def word_spans(text: str) -> list[str]:
    """The words of a text: runs of letters, marks and digits, and runs of other signs."""
    words: list[str] = []
    last = ""
    for letter in text:
        kind = "" if letter in SPACES else "word" if is_word(letter) else "sign"
        if kind and kind == last:
            words[-1] += letter
        elif kind:
            words.append(letter)
        last = kind
    return words


def byte_letters() -> dict[int, str]:
    """The letter by which byte-level tokens write each byte."""
    printed = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [byte for byte in range(256) if byte not in printed]
    letters = {byte: chr(byte) for byte in printed}
    return letters | {byte: chr(256 + place) for place, byte in enumerate(others)}


def byte_words(text: str) -> list[str]:
    """The parts of a text that byte pairs are merged in: words with the space before them."""
    words: list[str] = []
    place = 0

    def kind(letter: str) -> str:
        first = unicodedata.category(letter)[0]
        return " " if letter in SPACES else first if first in "LN" else "sign"

    while place < len(text):
        ending = next((e for e in ENDINGS if text.startswith(e, place)), None)
        start = place
        if ending:
            place += len(ending)
        else:
            if text[place] == " " and place + 1 < len(text) and kind(text[place + 1]) != " ":
                place += 1
            first = kind(text[place])
            while place < len(text) and kind(text[place]) == first:
                place += 1
            # the last space before a word belongs to the word
            if first == " " and place < len(text) and place - start > 1:
                place -= 1
        words.append(text[start:place])
    return words


# Endings of English words that are parts of their own.
ENDINGS = ("'s", "'t", "'re", "'ve", "'m", "'ll", "'d")


class TextTokens:
    """Turns texts into the numbers of their tokens.

    Args:
        kind: "word", "character" or "byte-pair".
        tokens: The tokens in the order of their numbers.
        merges: The pairs of tokens that are merged, in order.
        lowercase: Texts are converted to lower case.
        graphemes: Splits texts into characters.
    """

    def __init__(
        self,
        kind: str,
        tokens: list[str],
        merges: list[tuple[str, str]],
        lowercase: bool,
        graphemes: Graphemes,
    ):
        self.kind, self.tokens, self.lowercase, self.graphemes = kind, tokens, lowercase, graphemes
        self.numbers = {token: number for number, token in enumerate(tokens)}
        self.ranks = {(first, second): rank for rank, (first, second) in enumerate(merges)}
        self.letters = byte_letters()

    def encode(self, text: str) -> list[int]:
        """The numbers of the tokens of a text."""
        text = lower_letters(compose(text)) if self.lowercase else compose(text)
        if self.kind == "byte-pair":
            return [n for word in byte_words(text) for n in self.byte_pairs(word)]
        parts = word_spans(text) if self.kind == "word" else self.graphemes.split(text)
        return [self.numbers.get(part, UNKNOWN_TOKEN) for part in parts]

    def byte_pairs(self, word: str) -> list[int]:
        """The numbers of the tokens of a word: its bytes, merged pair by pair."""
        parts = [self.letters[byte] for byte in word.encode()]
        while len(parts) > 1:
            pairs = list(itertools.pairwise(parts))
            best = min(pairs, key=lambda pair: self.ranks.get(pair, math.inf))
            if best not in self.ranks:
                break
            merged, place = [], 0
            while place < len(parts):
                if place + 1 < len(parts) and (parts[place], parts[place + 1]) == best:
                    merged.append(parts[place] + parts[place + 1])
                    place += 2
                else:
                    merged.append(parts[place])
                    place += 1
            parts = merged
        return [self.numbers[part] for part in parts]

    def decode(self, numbers: list[int], special: int = 4) -> str:
        """The text of tokens, without special ones."""
        words = [self.tokens[n] for n in numbers if n >= special]
        if self.kind != "byte-pair":
            return ("" if self.kind == "character" else " ").join(words)
        byte_of = {letter: byte for byte, letter in self.letters.items()}
        return bytes(byte_of[x] for word in words for x in word).decode("utf-8", "replace")


class WordSpelling:
    """Turns words into the numbers of their characters.

    Args:
        scheme: "grapheme", or "jamo" for the letters of Korean syllables.
        letters: The characters in the order of their numbers, which start after the special ones.
        graphemes: Splits texts into characters.
    """

    def __init__(self, scheme: str, letters: list[str], graphemes: Graphemes):
        self.scheme, self.graphemes = scheme, graphemes
        self.numbers = {letter: number for number, letter in enumerate(letters, 4)}

    def spell(self, word: str) -> tuple[int, ...]:
        """The numbers of the characters of a word."""
        jamo = self.scheme == "jamo"
        letters = unicodedata.normalize("NFD", word) if jamo else self.graphemes.split(word)
        return tuple(self.numbers.get(letter, UNKNOWN_TOKEN) for letter in letters)

    def batch(self, rows: list[list[str]]) -> tuple[Tensor, Tensor, Tensor]:
        """The place of each word among the distinct ones, (B, T), the characters of these, (D, S),
        and their number, (D,).
        """
        distinct: dict[tuple[int, ...], int] = {(): 0}
        places = [[distinct.setdefault(self.spell(w), len(distinct)) for w in row] for row in rows]
        return (number_rows(places)[0], *number_rows([list(word) for word in distinct]))


def number_rows(rows: list[list[int]]) -> tuple[Tensor, Tensor]:
    """Rows of whole numbers, padded with 0 to one length, (B, T), and their lengths, (B,)."""
    longest = max([1, *map(len, rows)])
    padded = [row + [PAD_TOKEN] * (longest - len(row)) for row in rows]
    return torch.tensor(padded).reshape(len(rows), longest), torch.tensor(list(map(len, rows)))


# ---------------------------------------------------------------- n-grams


def murmur_hash(data: bytes) -> int:
    """MurmurHash3 of 32 bits with the seed 0, as a signed number.

    Source:
        github.com/aappleby/smhasher, MurmurHash3_x86_32.
    """
    value, mask = 0, 0xFFFFFFFF
    whole = len(data) // 4 * 4
    for start in range(0, len(data), 4):
        block = int.from_bytes(data[start : start + 4], "little") * 0xCC9E2D51 & mask
        value ^= ((block << 15 | block >> 17) & mask) * 0x1B873593 & mask
        if start < whole:
            value = ((value << 13 | value >> 19) & mask) * 5 + 0xE6546B64 & mask
    value ^= len(data)
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        value = (value ^ value >> shift) * factor & mask
    return value - (1 << 32) if value >> 31 else value


class NGramScores(nn.Module):
    """A linear model of the words and pairs of words of a text, and of the runs of two to five
    characters in its words, weighted by tf-idf. N-grams are numbered by a hash, as in
    scikit-learn's HashingVectorizer.

    Args:
        features: The number of features of each kind.
        outputs: The number of scores; 1 for two labels.
    """

    rarity: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, features: int, outputs: int):
        super().__init__()
        self.features = features
        self.register_buffer("weight", torch.empty(()))
        self.register_buffer("rarity", torch.empty(2 * features))
        self.register_buffer("coefficients", torch.empty(outputs, 2 * features))
        self.register_buffer("intercepts", torch.empty(outputs))

    def forward(self, texts: list[str]) -> Tensor:
        """Log-probabilities (N, C) of texts, float64."""
        scores = torch.stack([self.scores(text) for text in texts])
        if scores.shape[1] == 1:
            scores = torch.cat([torch.zeros_like(scores), scores], 1)
        return scores.log_softmax(1)

    def scores(self, text: str) -> Tensor:
        """The scores of a text, float64."""
        text = text.lower()
        words = re.findall(r"(?u)\w+|[^\w\s]", text)
        pairs = [f"{first} {second}" for first, second in itertools.pairwise(words)]
        runs = [run for word in text.split() for run in self.runs(f" {word} ")]
        total = self.intercepts.double()
        for kind, grams in enumerate((words + pairs, runs)):
            counts = Counter(map(self.number, grams))
            if not counts:
                continue
            places = torch.tensor(list(counts)) + kind * self.features
            repeats = torch.tensor(list(counts.values()), dtype=torch.float64)
            values = (1 + repeats.log()) * self.rarity[places].double()
            total = total + self.coefficients[:, places].double() @ (values / values.norm())
        return total

    @staticmethod
    def runs(word: str) -> list[str]:
        """The runs of two to five characters of a word with a space before and after it."""
        found = []
        for size in range(2, 6):
            found += [word[k : k + size] for k in range(max(1, len(word) - size + 1))]
            if size >= len(word):
                break
        return found

    def number(self, gram: str) -> int:
        """The number of an n-gram."""
        value = murmur_hash(gram.encode())
        return 2**31 % self.features if value == -(2**31) else abs(value) % self.features
