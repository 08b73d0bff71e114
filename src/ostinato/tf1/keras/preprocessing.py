"""Private: tf.keras.preprocessing: sequences of one length, and texts as numbers."""

import json
from collections import Counter, OrderedDict, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from ...errors import InputError

__all__ = [
    "Tokenizer",
    "pad_sequences",
    "text_to_word_sequence",
]

_FILTERS = '!"#$%&()*+,-./:;<=>?@[\\]^_`{|}~\t\n'


def pad_sequences(
    sequences: Sequence[Any],
    maxlen: int | None = None,
    dtype: Any = "int32",
    padding: str = "pre",
    truncating: str = "pre",
    value: Any = 0.0,
) -> np.ndarray:
    """Sequences of one length.

    Args:
        sequences: Lists of numbers, or of vectors.
        maxlen: The length; None for that of the longest one.
        dtype: The dtype.
        padding: Where shorter ones are filled: "pre" or "post".
        truncating: Where longer ones are cut: "pre" or "post".
        value: The number to fill with.

    Returns:
        (number of sequences, maxlen, ...).

    Raises:
        InputError: An argument is none of these, or the vectors have several sizes.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tf.keras.preprocessing.sequence.pad_sequences([[1, 2, 3], [4]])
        array([[1, 2, 3],
               [0, 0, 4]], dtype=int32)
    """
    if not hasattr(sequences, "__len__") or any(not hasattr(s, "__len__") for s in sequences):
        raise InputError(f"`sequences` must be a list of lists, not {sequences!r}")
    for name, given in (("padding", padding), ("truncating", truncating)):
        if given not in ("pre", "post"):
            raise InputError(f"pad_sequences({name}={given!r}): give 'pre' or 'post'")
    length = max((len(s) for s in sequences), default=0) if maxlen is None else maxlen
    rest = next((np.asarray(s).shape[1:] for s in sequences if len(s)), ())
    found = np.full((len(sequences), length, *rest), value, dtype)
    for row, given in zip(found, sequences):
        if not len(given):
            continue
        kept = np.asarray(given[-length:] if truncating == "pre" else given[:length], dtype)
        if length == 0:
            continue
        if kept.shape[1:] != rest:
            raise InputError(
                f"Shape of sample {kept.shape[1:]} of a sequence is different from expected shape "
                f"{rest}: give all vectors one size"
            )
        if padding == "post":
            row[: len(kept)] = kept
        else:
            row[len(row) - len(kept) :] = kept
    return found


def text_to_word_sequence(
    text: str, filters: str = _FILTERS, lower: bool = True, split: str = " "
) -> list[str]:
    """The words of a text.

    Args:
        text: The text.
        filters: Characters that separate words.
        lower: Whether to use lower case.
        split: The separator.
    """
    if lower:
        text = text.lower()
    return [w for w in text.translate({ord(c): split for c in filters}).split(split) if w]


class Tokenizer:
    """Numbers of words, in the order of how often they occur.

    Attributes:
        word_index: The number of each word, from 1.
        word_counts: How often each word occurred.

    Args:
        num_words: The number of words, the most frequent ones, and the number 0; None for all.
        filters: Characters that separate words.
        lower: Whether to use lower case.
        split: The separator of words.
        char_level: Whether every character is a word.
        oov_token: A word for those that are unknown; None to leave them out.

    Example:
        >>> import ostinato.tf1 as tf
        >>> tokenizer = tf.keras.preprocessing.text.Tokenizer()
        >>> tokenizer.fit_on_texts(["to be or not to be"])
        >>> tokenizer.texts_to_sequences(["not to be"])
        [[4, 1, 2]]
    """

    def __init__(
        self,
        num_words: int | None = None,
        filters: str = _FILTERS,
        lower: bool = True,
        split: str = " ",
        char_level: bool = False,
        oov_token: str | None = None,
        document_count: int = 0,
    ):
        self.num_words, self.filters, self.lower = num_words, filters, lower
        self.split, self.char_level, self.oov_token = split, char_level, oov_token
        self.document_count = document_count
        self.word_counts: OrderedDict[str, int] = OrderedDict()
        self.word_docs: dict[str, int] = defaultdict(int)
        self.word_index: dict[str, int] = {}
        self.index_word: dict[int, str] = {}
        self.index_docs: dict[int, int] = defaultdict(int)

    def _words(self, text: Any) -> Sequence[str]:
        if not isinstance(text, str):
            return [w.lower() for w in text] if self.lower else list(text)
        if self.char_level:
            return text.lower() if self.lower else text
        return text_to_word_sequence(text, self.filters, self.lower, self.split)

    def fit_on_texts(self, texts: Iterable[Any]) -> None:
        """Count the words of texts.

        Args:
            texts: Texts, or lists of words.
        """
        for text in texts:
            self.document_count += 1
            words = self._words(text)
            for w in words:
                self.word_counts[w] = self.word_counts.get(w, 0) + 1
            for w in set(words):
                self.word_docs[w] += 1
        # Words that occur as often stay in the order of their first occurrence.
        ordered = sorted(self.word_counts, key=lambda w: -self.word_counts[w])
        first = [] if self.oov_token is None else [self.oov_token]
        self.word_index = {w: i + 1 for i, w in enumerate(first + ordered)}
        self.index_word = {i: w for w, i in self.word_index.items()}
        self.index_docs = defaultdict(
            int, {self.word_index[w]: n for w, n in self.word_docs.items()}
        )

    def texts_to_sequences(self, texts: Iterable[Any]) -> list[list[int]]:
        """The numbers of the words of texts."""
        return list(self.texts_to_sequences_generator(texts))

    def texts_to_sequences_generator(self, texts: Iterable[Any]) -> Iterator[list[int]]:
        """The numbers of the words of texts, text by text."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token else None
        for text in texts:
            found = []
            for w in self._words(text):
                i = self.word_index.get(w)
                if i is None or self.num_words and i >= self.num_words:
                    i = unknown
                if i is not None:
                    found.append(i)
            yield found

    def sequences_to_texts(self, sequences: Iterable[Sequence[int]]) -> list[str]:
        """The words of numbers, with spaces between them."""
        unknown = self.word_index.get(self.oov_token) if self.oov_token else None
        texts = []
        for sequence in sequences:
            words = []
            for i in sequence:
                if i not in self.index_word or self.num_words and i >= self.num_words:
                    i = unknown  # type: ignore[assignment]
                if i is not None:
                    words.append(self.index_word[i])
            texts.append(" ".join(words))
        return texts

    def texts_to_matrix(self, texts: Iterable[Any], mode: str = "binary") -> np.ndarray:
        """A row for each text, with a number for each word; see `sequences_to_matrix`."""
        return self.sequences_to_matrix(self.texts_to_sequences(texts), mode)

    def sequences_to_matrix(
        self, sequences: Sequence[Sequence[int]], mode: str = "binary"
    ) -> np.ndarray:
        """A row for each sequence, with a number for each word.

        Args:
            sequences: Numbers of words.
            mode: "binary" for 1 where a word occurs, "count" for how often, "freq" for the share,
                "tfidf" for the count in relation to that in all texts.
        """
        if mode not in ("binary", "count", "freq", "tfidf"):
            raise InputError(
                f"Unknown vectorization mode: {mode!r}; give 'binary', 'count', 'freq' or 'tfidf'"
            )
        width = self.num_words or len(self.word_index) + 1
        found = np.zeros((len(sequences), width))
        for row, sequence in zip(found, sequences):
            for i, n in Counter(i for i in sequence if i < width).items():
                if mode == "count":
                    row[i] = n
                elif mode == "freq":
                    row[i] = n / len(sequence)
                elif mode == "binary":
                    row[i] = 1
                else:
                    texts = self.index_docs.get(i, 0)
                    idf = np.log(1 + self.document_count / (1 + texts))
                    row[i] = (1 + np.log(n)) * idf
        return found

    def get_config(self) -> dict[str, Any]:
        """The arguments and the counts, as text."""
        return {
            "num_words": self.num_words,
            "filters": self.filters,
            "lower": self.lower,
            "split": self.split,
            "char_level": self.char_level,
            "oov_token": self.oov_token,
            "document_count": self.document_count,
            "word_counts": json.dumps(self.word_counts),
            "word_docs": json.dumps(self.word_docs),
            "index_docs": json.dumps(self.index_docs),
            "index_word": json.dumps(self.index_word),
            "word_index": json.dumps(self.word_index),
        }

    def to_json(self, **kwargs: Any) -> str:
        """The arguments and the counts, as JSON."""
        config = {"class_name": type(self).__name__, "config": self.get_config()}
        return json.dumps(config, **kwargs)
