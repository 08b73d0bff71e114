"""Private: random inputs on which the ONNX files of tasks are compared with the tasks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from .files import AnyTask

__all__ = ["padded_numbers", "padded_rows", "random_rows", "random_texts", "spelled_feeds"]

# Lengths of the random sequences.
LENGTHS = (9, 1, 6, 0, 12)


def random_rows(metadata: Any, random: np.random.Generator) -> list[np.ndarray]:
    """Random sequences like those of the training data."""
    rows = [random.normal(size=(length, metadata.units)) for length in LENGTHS]
    mean, scale = np.array(metadata.mean), np.array(metadata.scale)
    if metadata.dtype == "uint8":
        return [np.clip(255 * (mean + scale * row), 0, 255).astype(np.uint8) for row in rows]
    return [(mean + scale * row).astype(np.float32) for row in rows]


def random_texts(task: AnyTask, random: np.random.Generator) -> list[str]:
    """Random texts of known and unknown words."""
    known = [
        task.vocabulary.decode([number]).strip()
        for number in random.integers(4, max(5, len(task.vocabulary)), 60)
    ]
    words = [word for word in known if word] + ["Zyxwv", "x", "가나", "!", "a-b"]
    texts = [" ".join(random.choice(words, size)) for size in (7, 1, 12, 3)]
    return [*texts, ""]


def padded_rows(rows: Sequence) -> np.ndarray:
    """Rows of numbers as one int64 array, with 0 after the end of a row."""
    found = np.zeros((len(rows), max([1, *map(len, rows)])), np.int64)
    for row, numbers in zip(found, rows):
        row[: len(numbers)] = numbers
    return found


def padded_numbers(rows: Sequence[np.ndarray], units: int) -> np.ndarray:
    """Sequences (T, units) each as one float32 array, with 0 after the end of a row."""
    found = np.zeros((len(rows), max(1, *map(len, rows)), units), np.float32)
    for place, row in zip(found, rows):
        place[: len(row)] = row
    return found


def spelled_feeds(rows: list[list[bytes]]) -> dict[str, np.ndarray]:
    """The inputs for the characters of rows of words."""
    words = [[np.frombuffer(word, np.int32) for word in row] for row in rows]
    width = max([1, *(len(word) for row in words for word in row)])
    longest = max([1, *map(len, words)])
    characters = np.zeros((len(words), longest, width), np.int64)
    lengths = np.zeros((len(words), longest), np.int64)
    for k, row in enumerate(words):
        for place, word in enumerate(row):
            characters[k, place, : len(word)] = word
            lengths[k, place] = len(word)
    return {"characters": characters, "character_lengths": lengths}
