"""Words by their spelling: what stands for a word, beside what a layer makes of its characters; for
tasks that read words.
"""

import unicodedata
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import lru_cache

import numpy as np
import regex
import torch
from torch import nn
from torch.nn import functional as F

from ..data.batching import padded
from ..data.text import characters
from ..data.vocabulary import PAD, SPECIAL, UNKNOWN
from ..nn.embedding import embeddings
from ..options import SPELLINGS
from .layer import layer_of
from .options import SpellingOptions

# Words whose numbers are in memory at a time.
REMEMBERED = 1 << 16
# How a word is taken apart for the layer that reads its characters: as a reader counts them, or
# Korean syllables in letters.
CHARACTERS: dict[str, Callable[[str], list[str]]] = dict(
    zip(SPELLINGS, (characters, lambda word: list(unicodedata.normalize("NFD", word))), strict=True)
)


class Spelling:
    """How words are spelled, as numbers.

    Args:
        apart: One of `CHARACTERS`.
        letters: Those that are known, in the order of their numbers, which begin behind the special
            ones.

    Example:
        >>> spelling = Spelling("jamo", ["ᄀ", "ᅡ"])
        >>> np.frombuffer(spelling.spell("가나"), np.int32).tolist()
        [4, 5, 1, 5]
    """

    def __init__(self, apart: str, letters: list[str]):
        self.apart, self.letters = apart, letters
        # a word is there often, and is spelled once as long as it is among the latest
        self.spell = lru_cache(maxsize=REMEMBERED)(self._spell)
        self.numbers = {letter: number for number, letter in enumerate(letters, len(SPECIAL))}

    @classmethod
    def of(cls, words: Counter, apart: str | None, *, least: int) -> "Spelling":
        """That of some words and how often each is there.

        Args:
            words: These.
            apart: One of `CHARACTERS`; None for jamo where most characters are Hangul.
            least: In how many of the words a letter has to be.
        """
        apart = apart or ("jamo" if _is_hangul(words) else "grapheme")
        letters = Counter(letter for word in words for letter in CHARACTERS[apart](word))
        return cls(apart, sorted(letter for letter, count in letters.items() if count >= least))

    def _spell(self, word: str) -> bytes:
        """The numbers of a word's letters, int32, as bytes: equal words are found in a batch at
        once.
        """
        return np.array(
            [self.numbers.get(letter, UNKNOWN) for letter in CHARACTERS[self.apart](word)], np.int32
        ).tobytes()


def _is_hangul(words: Counter) -> bool:
    """Whether most characters are Hangul."""
    hangul = sum(len(regex.findall(r"\p{Hangul}", word)) * count for word, count in words.items())
    return 2 * hangul > sum(len(word) * count for word, count in words.items())


def spelled_batch(rows: list[list[bytes]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The spellings of rows of words, as `SpelledWords` takes them: places, spelled,
    spelled_lengths.
    """
    # an empty word stands past a row's end
    distinct = {b"": 0}
    places = [
        np.array([distinct.setdefault(word, len(distinct)) for word in row], np.int32)
        for row in rows
    ]
    return padded(places, 0)[0], *padded([np.frombuffer(word, np.int32) for word in distinct], PAD)


class SpelledWords(nn.Module):
    """Words to what stands for each, and what a layer of two directions makes of its characters,
    side by side.

    Args:
        words: Words that have units of their own, with the special ones.
        letters: Characters, with the special ones.
        options: Sizes and rates.

    Attributes:
        units: Of a word.
    """

    def __init__(self, words: int, letters: int, options: SpellingOptions):
        super().__init__()
        self.words, self.letters = embeddings(
            (words, options.embedding),
            (letters, options.character_embedding),
            std=0.1,
            padding_idx=PAD,
        )
        self.dropout = nn.Dropout(options.dropout)
        spelling = replace(options, hidden=options.character_hidden, layers=1)
        self.spelling, units = layer_of(spelling, options.character_embedding, bidirectional=True)
        self.units = options.embedding + units

    def embedded(self, words, places, spelled, spelled_lengths) -> torch.Tensor:
        """What layers over the words are given: (B, T, units).

        Args:
            words: (B, T), numbers of words.
            places: (B, T), which row of `spelled` each word is.
            spelled: (D, S), numbers of the characters of each word that is there, read once however
                often it is there.
            spelled_lengths: (D,).
        """
        _, state = self.spelling(self.letters(spelled), lengths=spelled_lengths)
        read = state[0].transpose(0, 1).flatten(1)
        return self.dropout(torch.cat([self.words(words), F.embedding(places, read)], 2))
