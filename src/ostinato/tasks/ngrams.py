"""Private: the linear model of texts: a support vector machine on word and character n-grams."""

import warnings
from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import Tensor

from .linear_model import LinearModel, best_sharpness

# Features of each kind of n-gram, at least and at most.
FEATURES = (1 << 12, 1 << 20)
# Maximum number of weights of all labels together.
WEIGHTS = 1 << 22
# Characters of the texts that the model is fitted to, at most; they take about 0.5 GB.
CHARACTERS = 1 << 24
# Inverse strengths of the penalty that are compared on part of the rows.
STRENGTHS = (0.25, 1.0, 4.0)
# One of this many rows is left out for that.
LEFT_OUT = 5
# Factors of the scores that are compared on the same rows.
SHARPNESS = np.geomspace(0.5, 50, 47)
# The score of a label without rows.
NEVER = -3.0
# Texts whose n-grams are counted at a time.
TEXTS_AT_ONCE = 4096
# Words and single signs.
TOKEN = r"(?u)\w+|[^\w\s]"


def feature_count(texts: Iterable[str], labels: int, *, independent: bool = False) -> int:
    """The number of features of each kind: a power of two that grows with the number of characters,
    within `FEATURES` and `WEIGHTS`.

    Example:
        >>> feature_count(["good", "bad"], 2), feature_count(["a" * 10**7], 40)
        (4096, 32768)
    """
    low, high = FEATURES
    wanted = 4 * sum(map(len, texts))
    allowed = WEIGHTS // (2 * (labels if independent else _outputs(labels)))
    count = low
    while count < min(wanted, high) and 2 * count <= allowed:
        count *= 2
    return count


def _outputs(labels: int) -> int:
    """The number of decision functions: one for two labels, otherwise one for each."""
    return 1 if labels == 2 else labels


class NGrams(LinearModel):
    """A linear support vector machine on the words and pairs of words of a text, and on the runs of
    two to five characters in its words, weighted by tf-idf.

    N-grams are hashed, so the size of the model does not grow with the vocabulary. Scores become
    probabilities by a factor that is fitted on a fifth of the rows.

    Args:
        labels: C.
        features: F, the number of features of each kind; see `feature_count`.
        independent: A row may have several labels: one machine for each, "yes" or "no".

    Source:
        Joachims, Text Categorization with Support Vector Machines (1998). tf-idf: Salton and
        Buckley, Term-weighting Approaches in Automatic Text Retrieval (1988). Hashing: Weinberger
        et al., Feature Hashing for Large Scale Multitask Learning (2009), without signs. The
        factor: Guo et al., On Calibration of Modern Neural Networks (2017), temperature scaling;
        with the targets of Platt, Probabilistic Outputs for Support Vector Machines (1999).

    Example:
        >>> texts, labels = ["good film", "bad film", "good cast", "bad cast"] * 5, [1, 0] * 10
        >>> model = NGrams(2, 4096)
        >>> nats = model.fit(texts, np.array(labels), seed=1)
        >>> model(["a good one", "a bad one"]).argmax(1).tolist()
        [1, 0]
    """

    name = "linear model of n-grams"
    # chosen on left-out parts of the training rows of six sets of texts, 566 to 5,000 rows each
    preferred = True
    rarity: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, labels: int, features: int, *, independent: bool = False):
        super().__init__()
        self.labels, self.features, self.independent = labels, features, independent
        outputs = labels if independent else _outputs(labels)
        self.register_buffer("rarity", torch.zeros(2 * features))
        self.register_buffer("coefficients", torch.zeros(outputs, 2 * features))
        self.register_buffer("intercepts", torch.zeros(outputs))

    def fit(self, rows: Sequence[str], labels: np.ndarray, *, seed: int) -> float:
        chosen = _within_limit(rows, seed)
        texts, labels = [rows[int(k)] for k in chosen], labels[chosen]
        counts = self._counts(texts)
        # rarity: idf, from the rows that contain a feature
        seen = np.bincount(counts.indices, minlength=2 * self.features)
        self.rarity.copy_(torch.from_numpy(np.log((1 + len(texts)) / (1 + seen)) + 1))
        x = self._weighted(counts)
        strength, sharpness, nats = self._chosen_on_left_out_rows(x, labels, seed)
        coefficients, intercepts = self._fitted(x, labels, strength, seed)
        self.coefficients.copy_(torch.from_numpy(sharpness * coefficients))
        self.intercepts.copy_(torch.from_numpy(sharpness * intercepts))
        return nats

    def forward(self, rows: Sequence[str]) -> Tensor:
        weights = self.coefficients.cpu().double().numpy()
        intercepts = self.intercepts.cpu().double().numpy()
        scores = [np.zeros((0, len(intercepts)))]
        for start in range(0, len(rows), TEXTS_AT_ONCE):
            x = self._weighted(self._counts(rows[start : start + TEXTS_AT_ONCE]))
            scores.append(x @ weights.T + intercepts)
        found = np.concatenate(scores)
        if self.independent:
            return torch.from_numpy(found)
        return torch.from_numpy(_of_each_label(found)).log_softmax(1)

    def _counts(self, texts: Sequence[str]):
        """How often each feature occurs in each text, a sparse matrix (N, 2 F)."""
        from scipy.sparse import hstack, vstack
        from sklearn.feature_extraction.text import HashingVectorizer

        options = {"n_features": self.features, "alternate_sign": False, "norm": None}
        words = HashingVectorizer(ngram_range=(1, 2), token_pattern=TOKEN, **options)
        characters = HashingVectorizer(analyzer="char_wb", ngram_range=(2, 5), **options)
        parts = [
            hstack([kind.transform(some) for kind in (words, characters)], format="csr")
            for some in (
                texts[start : start + TEXTS_AT_ONCE]
                for start in range(0, len(texts), TEXTS_AT_ONCE)
            )
        ]
        return vstack(parts, format="csr")

    def _weighted(self, counts):
        """Counts as tf-idf, a sparse matrix (N, 2 F); each kind of n-gram has a length of 1."""
        from scipy.sparse import hstack
        from sklearn.preprocessing import normalize

        counts.data = (1 + np.log(counts.data)) * self.rarity.cpu().double().numpy()[counts.indices]
        kinds = counts[:, : self.features], counts[:, self.features :]
        return hstack([normalize(kind) for kind in kinds], format="csr")

    def _chosen_on_left_out_rows(self, x, labels: np.ndarray, seed: int):
        """The strength and the sharpness with the smallest cross-entropy on the rows that are left
        out, and that cross-entropy.
        """
        left_out = np.random.default_rng(seed).permutation(x.shape[0]) % LEFT_OUT == 0
        if left_out.all() or not left_out.any():
            return STRENGTHS[1], 1.0, float("inf")
        kept, right, best = x[~left_out], labels[left_out], []
        for strength in STRENGTHS:
            coefficients, intercepts = self._fitted(kept, labels[~left_out], strength, seed)
            scores = x[left_out] @ coefficients.T + intercepts
            scores = scores if self.independent else _of_each_label(scores)
            doubt = 1 / (len(right) + 2)
            nats, sharpness = best_sharpness(scores, right, SHARPNESS, doubt=doubt)
            best.append((nats, strength, float(sharpness)))
        nats, strength, sharpness = min(best)
        return strength, sharpness, nats

    def _fitted(self, x, labels: np.ndarray, strength: float, seed: int):
        """Coefficients (outputs, 2 F) and intercepts (outputs,) of a support vector machine."""
        outputs = len(self.intercepts)
        if self.independent:
            each = [_separating(x, yes, strength, seed) for yes in labels.T]
            return np.concatenate([one for one, _ in each]), np.concatenate([b for _, b in each])
        if outputs == 1:
            return _separating(x, labels, strength, seed)
        present = np.unique(labels)
        coefficients, intercepts = np.zeros((outputs, x.shape[1])), np.full(outputs, NEVER)
        intercepts[present] = -NEVER
        if len(present) > 1:
            found, offsets = _machine(x, labels, strength, seed)
            if len(present) == 2:
                found = np.concatenate([-found, found])
                offsets = np.concatenate([-offsets, offsets])
            coefficients[present], intercepts[present] = found, offsets
        return coefficients, intercepts


def _separating(x, labels: np.ndarray, strength: float, seed: int):
    """Coefficients (1, 2 F) and intercept (1,) that separate the rows of 1 from those of 0."""
    if len({*labels.tolist()}) > 1:
        return _machine(x, labels, strength, seed)
    return np.zeros((1, x.shape[1])), np.array([NEVER if labels[0] == 0 else -NEVER])


def _machine(x, labels: np.ndarray, strength: float, seed: int):
    """Coefficients and intercepts of a linear support vector machine of two labels or more."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.svm import LinearSVC

    with warnings.catch_warnings():
        # a fit that ends at its last iteration is nearly as good
        warnings.simplefilter("ignore", ConvergenceWarning)
        model = LinearSVC(C=strength, dual=True, random_state=seed).fit(x, labels)
    return model.coef_, model.intercept_


def _of_each_label(scores: np.ndarray) -> np.ndarray:
    """Scores (N, C) of scores (N, C), or (N, 1) for two labels."""
    if scores.shape[1] == 1:
        return np.concatenate([np.zeros_like(scores), scores], 1)
    return scores


def _within_limit(rows: Sequence[str], seed: int) -> np.ndarray:
    """The numbers of random rows with at most `CHARACTERS` characters, in order."""
    order = np.random.default_rng(seed).permutation(len(rows))
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    kept = np.cumsum(lengths[order]) <= CHARACTERS
    kept[:1] = True
    return np.sort(order[kept])
