"""Private: representation of words by their characters, in addition to their embedding."""

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

# Number of words whose characters are cached.
REMEMBERED = 1 << 16
# How a word is split into characters: grapheme clusters, or the letters of Korean syllables.
CHARACTERS: dict[str, Callable[[str], list[str]]] = dict(
    zip(SPELLINGS, (characters, lambda word: list(unicodedata.normalize("NFD", word))), strict=True)
)


class Spelling:
    """Encodes the characters of words as numbers.

    Args:
        scheme: One of `CHARACTERS`.
        letters: The known characters in the order of their numbers, which start after the special
            tokens.

    Example:
        >>> spelling = Spelling("jamo", ["ᄀ", "ᅡ"])
        >>> np.frombuffer(spelling.spell("가나"), np.int32).tolist()
        [4, 5, 1, 5]
    """

    def __init__(self, scheme: str, letters: list[str]):
        self.scheme, self.letters = scheme, letters
        # words repeat, so the latest ones are cached
        self.spell = lru_cache(maxsize=REMEMBERED)(self._spell)
        self.numbers = {letter: number for number, letter in enumerate(letters, len(SPECIAL))}

    @classmethod
    def of(cls, words: Counter, scheme: str | None, *, min_count: int) -> "Spelling":
        """Learn the characters of some words.

        Args:
            words: The words and their counts.
            scheme: One of `CHARACTERS`; None for jamo if most characters are Hangul.
            min_count: Minimum number of words with a character.
        """
        scheme = scheme or ("jamo" if _is_hangul(words) else "grapheme")
        letters = Counter(letter for word in words for letter in CHARACTERS[scheme](word))
        return cls(
            scheme, sorted(letter for letter, count in letters.items() if count >= min_count)
        )

    def _spell(self, word: str) -> bytes:
        """The numbers of a word's characters, int32, as bytes, so that equal words in a batch are
        found quickly.
        """
        return np.array(
            [self.numbers.get(letter, UNKNOWN) for letter in CHARACTERS[self.scheme](word)],
            np.int32,
        ).tobytes()


def _is_hangul(words: Counter) -> bool:
    """Whether most characters are Hangul."""
    hangul = sum(len(regex.findall(r"\p{Hangul}", word)) * count for word, count in words.items())
    return 2 * hangul > sum(len(word) * count for word, count in words.items())


def spelled_batch(rows: list[list[bytes]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The characters of rows of words as `SpelledWords` takes them: places, spelled,
    spelled_lengths.
    """
    # padding is an empty word
    distinct = {b"": 0}
    places = [
        np.array([distinct.setdefault(word, len(distinct)) for word in row], np.int32)
        for row in rows
    ]
    return padded(places, 0)[0], *padded([np.frombuffer(word, np.int32) for word in distinct], PAD)


class SpelledWords(nn.Module):
    """Word representations: the embedding of a word and the output of a bidirectional layer over
    its characters, concatenated.

    Args:
        words: Number of words with an embedding of their own, including special tokens.
        letters: Number of characters, including special tokens.
        options: Sizes and rates.

    Attributes:
        units: Size of a word representation.
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
        """Word representations: (B, T, units).

        Args:
            words: Word numbers (B, T).
            places: The row of `spelled` of each word, (B, T).
            spelled: Character numbers (D, S) of the D distinct words; each is read once.
            spelled_lengths: (D,).
        """
        _, state = self.spelling(self.letters(spelled), lengths=spelled_lengths)
        read = state[0].transpose(0, 1).flatten(1)
        return self.dropout(torch.cat([self.words(words), F.embedding(places, read)], 2))
