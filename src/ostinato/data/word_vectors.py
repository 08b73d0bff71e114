"""Private: pretrained word vectors from text files, as word2vec, GloVe and fastText write them."""

from collections.abc import Collection
from itertools import islice
from pathlib import Path

import numpy as np

from ..errors import InputError
from .separated import read_lines
from .text import compose

__all__ = ["read_word_vectors", "vector_size"]

# Largest number of numbers of a word.
MAX_SIZE = 16384
# Largest number in float32.
LARGEST = float(np.finfo(np.float32).max)


def vector_size(path: Path) -> int:
    """The number of numbers of each word in a file of word vectors.

    Args:
        path: A word and its numbers per line, separated by spaces; the first line can have the
            number of words and the number of numbers instead. It can be compressed with gzip.

    Raises:
        InputError: The file cannot be read, or does not begin with word vectors.
    """
    first = [line.split() for line in islice(filter(str.strip, read_lines(path)), 2)]
    if len(first[0]) == 2 and all(word.isdecimal() for word in first[0]) and len(first) == 2:
        size = int(first[0][1])
    else:
        size = len(first[0]) - 1
        _numbers(path, 1, first[0][1:])
    if not 2 <= size <= MAX_SIZE:
        raise InputError(
            f"{str(path)!r} line 1 has {size} numbers after the word; give a file of word vectors "
            f"with 2 to {MAX_SIZE:,} numbers per line, separated by spaces"
        )
    return size


def read_word_vectors(
    path: Path, words: Collection[str], *, lowercase: bool = False
) -> dict[str, np.ndarray]:
    """The vectors of some words, (size,) float32 each; words that the file lacks are left out.

    Args:
        path: See `vector_size`.
        words: The words.
        lowercase: Also take the vector of a word that is equal in lower case; an equal word has
            precedence, then the first in the file.

    Raises:
        InputError: A line has another number of numbers, or a value that is not a finite number.
    """
    size = vector_size(path)
    exact: dict[str, np.ndarray] = {}
    similar: dict[str, np.ndarray] = {}
    first = True
    for number, line in enumerate(read_lines(path), 1):
        # a word can contain spaces
        word, *values = line.strip().rsplit(None, size) or [""]
        header, first = first and len(values) == 1 and word.isdecimal(), first and not word
        if not word or header:
            continue
        if len(values) != size:
            raise InputError(
                f"{str(path)!r} line {number} has {len(values)} numbers after the word, and others "
                f"have {size}; remove the line, or fix it"
            )
        word = compose(word)
        if word in words and word not in exact:
            exact[word] = _numbers(path, number, values)
        elif lowercase and (lower := compose(word.lower())) in words and lower not in similar:
            similar[lower] = _numbers(path, number, values)
    return similar | exact


def _numbers(path: Path, number: int, values: list[str]) -> np.ndarray:
    """The numbers of a line."""
    for value in values:
        try:
            finite = abs(float(value)) <= LARGEST
        except ValueError:
            finite = False
        if not finite:
            raise InputError(
                f"{str(path)!r} line {number}: {value!r} is not a finite number; write a word and "
                "its numbers, separated by spaces"
            )
    return np.array(values, np.float32)
