"""Private: metrics of the tasks, from predictions and targets.

Each function returns a dict in a fixed order. A metric without a value, such as the accuracy of no
rows, is None and never NaN; each function says when. `metric_names.py` lists the names.
"""

import math
import re
from collections.abc import Collection, Iterator, Sequence

import numpy as np
import torch

from ..data.disk import StoredArray, chunked
from ..data.spans import has_spans, spans
from ..errors import InputError

# Minimum number of words in a line for BLEU above 0, which counts runs of up to four.
BLEU_WORDS = 4
# Steps of a forecast in memory at a time.
STEPS_AT_ONCE = 1 << 16
# Scripts that BLEU splits into characters. Korean has spaces, but particles and endings make many
# forms of a word.
_BY_CHARACTER = re.compile(
    r"[\u1100-\u11ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]"
)


# ---------------------------------------------------------------- labels


def classification(scores, labels, *, probabilities: bool = False) -> dict[str, float | None]:
    """Accuracy, macro F1 and cross-entropy of predicted labels.

    Args:
        scores: (N, C) logits.
        labels: True labels (N,), 0 to C - 1.
        probabilities: `scores` are probabilities. A probability of 0 for the true label counts as
            the smallest positive number, about 708 nats.

    Returns:
        "accuracy"; "macro_f1", the mean F1 over the labels that occur among the true or predicted
        ones; "nats", the mean cross-entropy. All are None without rows.

    Raises:
        InputError: Shapes do not fit, a label is out of range, or a score is not finite.

    Example:
        >>> scores, labels = [[2.0, 0], [0, 2], [2, 0], [2, 0]], [0, 1, 1, 0]
        >>> {name: round(value, 3) for name, value in classification(scores, labels).items()}
        {'accuracy': 0.75, 'macro_f1': 0.733, 'nats': 0.627}
    """
    scores, labels = (
        torch.as_tensor(scores).detach().double().cpu(),
        torch.as_tensor(labels).detach().long().cpu(),
    )
    if not len(labels) and not len(scores):
        return classified(np.zeros((0, 0), np.int64), np.zeros(0))
    if scores.ndim != 2 or labels.shape != scores.shape[:1]:
        raise InputError(
            f"scores of shape {tuple(scores.shape)} with labels of shape {tuple(labels.shape)}: "
            "give (N, C) scores and (N,) labels"
        )
    check_scores(scores)
    logs = (
        scores.clamp(min=np.finfo(np.float64).tiny).log()
        if probabilities
        else torch.log_softmax(scores, 1)
    )
    counts = confusion(scores.argmax(1), labels, scores.shape[1])
    return classified(counts, logs[torch.arange(len(labels)), labels].numpy())


def check_scores(scores: torch.Tensor, *, before: int = 0) -> None:
    """Raise an InputError if scores (N, C) are not finite; `before` is the number of earlier
    rows.
    """
    bad = (~torch.isfinite(scores)).any(1).nonzero()
    if len(bad):
        raise InputError(
            f"the scores of row {before + int(bad[0]) + 1} are not finite (nan or infinity); train "
            "the model again with a smaller --learning-rate"
        )


def classified(counts: np.ndarray, logs: np.ndarray) -> dict[str, float | None]:
    """The result of `classification`, from a confusion matrix and log-probabilities.

    Args:
        counts: Confusion matrix (C, C).
        logs: Log-probability of the true label of each row, (N,) float64.
    """
    if not len(logs):
        return {"accuracy": None, "macro_f1": None, "nats": None}
    right, either = counts.diagonal(), counts.sum(0) + counts.sum(1)
    return {
        "accuracy": float(right.sum() / len(logs)),
        "macro_f1": float((2 * right[either > 0] / either[either > 0]).mean()),
        "nats": float(-torch.from_numpy(logs).mean()) + 0.0,
    }


def set_counts(predicted: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """How often each label is predicted rightly, wrongly and not at all, and of how many rows all
    labels are right.

    Args:
        predicted: (N, C) of 0 and 1, the predicted labels of each row.
        wanted: (N, C), the true labels.

    Returns:
        (C + 1, 3) int64: right predictions, wrong ones and missed labels; in the last row the
        number of rows that are right, that of all rows, and 0.

    Example:
        >>> set_counts(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]])).tolist()
        [[1, 1, 0], [1, 0, 0], [1, 2, 0]]
    """
    predicted, wanted = (np.asarray(one).astype(bool) for one in (predicted, wanted))
    if predicted.shape != wanted.shape or predicted.ndim != 2:
        raise InputError(
            f"predicted labels of shape {predicted.shape} for true labels of shape {wanted.shape}: "
            "give (N, C) and (N, C)"
        )
    each = predicted & wanted, predicted & ~wanted, wanted & ~predicted
    rows = [int((predicted == wanted).all(1).sum()), len(wanted), 0]
    return np.concatenate([np.stack([one.sum(0) for one in each], 1), [rows]]).astype(np.int64)


def label_sets(counts: np.ndarray, unseen: int = 0) -> dict[str, float | None]:
    """Metrics of rows with any number of labels.

    Args:
        counts: The sum of results of `set_counts`.
        unseen: True labels that no model can predict; each counts as missed.

    Returns:
        "micro_f1", the F1 of all labels of all rows; "macro_f1", the mean F1 over the labels that
        occur among the true or predicted ones; "exact_match", the share of rows whose labels are
        all right. A metric without a value is None.

    Example:
        >>> counts = set_counts(np.array([[1, 0], [1, 1]]), np.array([[1, 0], [0, 1]]))
        >>> {name: round(value, 3) for name, value in label_sets(counts).items()}
        {'micro_f1': 0.8, 'macro_f1': 0.833, 'exact_match': 0.5}
    """
    each, (exact, rows, _) = counts[:-1], counts[-1].tolist()
    right, wrong, missed = each.sum(0).tolist()
    total, totals = 2 * right + wrong + missed + unseen, each @ (2, 1, 1)
    used = totals > 0
    return {
        "micro_f1": 2 * right / total if total else None,
        "macro_f1": float((2 * each[used, 0] / totals[used]).mean()) if used.any() else None,
        "exact_match": exact / rows if rows else None,
    }


def confusion(predicted, labels, count: int) -> np.ndarray:
    """Confusion matrix.

    Args:
        predicted: Predicted labels (N,).
        labels: True labels (N,).
        count: C.

    Returns:
        (C, C) int64: rows are true labels, columns are predicted labels.

    Raises:
        InputError: A label is out of range.

    Example:
        >>> confusion([0, 1, 0], [0, 1, 1], 2).tolist()
        [[1, 0], [1, 1]]
    """
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    predicted, labels = (torch.as_tensor(one).detach().long().cpu() for one in (predicted, labels))
    if predicted.shape != labels.shape or labels.ndim != 1:
        raise InputError(
            f"{tuple(predicted.shape)} predicted labels for {tuple(labels.shape)} true ones: give "
            "(N,) and (N,)"
        )
    for one in (predicted, labels):
        outside = one[(one < 0) | (one >= count)]
        if len(outside):
            raise InputError(
                f"label {int(outside[0])} with {count} labels: labels are 0 to {count - 1}; leave "
                "out rows with other labels"
            )
    if not len(labels):
        return np.zeros((count, count), np.int64)
    if count == 1:  # torchmetrics wants two
        return np.array([[len(labels)]])
    return multiclass_confusion_matrix(
        predicted, labels, num_classes=count, validate_args=False
    ).numpy()


# ---------------------------------------------------------------- tags


def tagging(
    predicted: Sequence[Sequence[str]],
    wanted: Sequence[Sequence[str]],
    *,
    words: Sequence[Sequence[str]] | None = None,
    known: Collection[str] | None = None,
    spanned: bool | None = None,
) -> dict[str, float | None]:
    """Accuracy and span F1 of tagged sentences.

    Args:
        predicted: A tag for each word of each sentence.
        wanted: The true tags.
        words: The words.
        known: The words of the training data.
        spanned: Whether tags mark spans; None to look at the true tags (`has_spans`).

    Returns:
        "accuracy" over words; "span_f1" if the tags mark spans: F1 of whole spans of the right
        type, by the rules of CoNLL's conlleval; "unseen_accuracy" if `words` and `known` are given:
        accuracy over words that are not in the training data. The accuracy of no words and the
        span F1 of no spans are None.

    Raises:
        InputError: The numbers of sentences or tags differ.

    Example:
        >>> tagging([["B-LOC", "I-LOC", "O", "O"]], [["B-LOC", "I-LOC", "O", "B-PER"]])
        {'accuracy': 0.75, 'span_f1': 0.6666666666666666}
    """
    columns = {"predicted tags": predicted, "true tags": wanted} | (
        {"words": words} if words is not None else {}
    )
    for name, column in columns.items():
        if len(column) != len(wanted):
            raise InputError(
                f"{name} of {len(column)} sentences for the true tags of {len(wanted)}: give the "
                "same number"
            )
    # pairs of total and correct: all words, and words not seen in training; then the numbers of
    # spans in either and in both
    every, unseen, either, both = [0, 0], [0, 0], 0, 0
    spanned = has_spans(wanted) if spanned is None else spanned
    for number, rows in enumerate(zip(*columns.values()), 1):
        given, right, *others = rows
        for name, row in zip(columns, rows):
            if len(row) != len(right):
                raise InputError(
                    f"sentence {number} has {len(row)} {name} for {len(right)} true tags: give one "
                    "for each word"
                )
        same = [p == w for p, w in zip(given, right)]
        every = [every[0] + len(same), every[1] + sum(same)]
        if spanned:
            marked = set(spans(given)), set(spans(right))
            either, both = either + sum(map(len, marked)), both + len(marked[0] & marked[1])
        if others and known is not None:
            same = [one for word, one in zip(others[0], same) if word not in known]
            unseen = [unseen[0] + len(same), unseen[1] + sum(same)]
    found = {"accuracy": _share(every)}
    if spanned:
        found["span_f1"] = 2 * both / either if either else None
    if words is not None and known is not None:
        found["unseen_accuracy"] = _share(unseen)
    return found


# ---------------------------------------------------------------- text


def language(nats: float, tokens: int, characters: int) -> dict[str, float | None]:
    """Bits per character and perplexity of a language model.

    Args:
        nats: Summed cross-entropy of the tokens.
        tokens: Number of tokens.
        characters: Number of characters of the tokens.

    Returns:
        "bits_per_character", "nats_per_character", and "perplexity" per token. All are None without
        tokens, the first two also without characters; perplexity is None if it overflows (above 709
        nats per token).

    Raises:
        InputError: The sum is not finite.

    Example:
        >>> language(math.log(2) * 8, 4, 8)
        {'bits_per_character': 1.0, 'nats_per_character': 0.6931471805599453, 'perplexity': 4.0}
    """
    if not math.isfinite(nats):
        raise InputError(
            f"the nats sum to {nats}; train the model again with a smaller --learning-rate"
        )
    per_character = nats / characters if tokens and characters else None
    # the largest float64 is exp(709.78)
    return {
        "bits_per_character": None if per_character is None else per_character / math.log(2),
        "nats_per_character": per_character,
        "perplexity": math.exp(nats / tokens) if tokens and nats / tokens < 709 else None,
    }


def translation(
    predicted: Sequence[str], wanted: Sequence[str], *, tokenize: str | None = None
) -> dict[str, float | None]:
    """BLEU, chrF, exact match and word error rate of lines of text.

    Args:
        predicted: The predicted lines.
        wanted: The reference lines.
        tokenize: Tokenisation of sacrebleu for BLEU; None for `bleu_tokens` of the references.

    Returns:
        "bleu" and "chrf", 0 to 100, by sacrebleu; "exact_match", the fraction of lines equal to the
        reference except for surrounding white space; "word_error_rate", the word edit distance
        divided by the number of reference words. All are None without lines. BLEU is None if no
        reference has four words, as it counts runs of four (no prediction could score above 0).
        chrF and word error rate are None if all references are empty.

    Raises:
        InputError: The numbers of lines differ.

    Example:
        >>> translation(["the cat sat on a mat"], ["the cat sat on the mat"])["word_error_rate"]
        0.16666666666666666
    """
    from sacrebleu.metrics import BLEU, CHRF
    from torchmetrics.functional.text import word_error_rate

    if len(predicted) != len(wanted):
        raise InputError(
            f"{len(predicted)} predicted lines for {len(wanted)} references: give the same number"
        )
    if not len(wanted):
        return {"bleu": None, "chrf": None, "exact_match": None, "word_error_rate": None}
    # force suppresses a warning about lines with spaces before full stops
    bleu, chrf = BLEU(tokenize=tokenize or bleu_tokens(wanted), force=True), CHRF()
    counts, counted, words, edits, exact = {bleu: [], chrf: []}, False, 0, 0, 0
    for some in chunked(zip(predicted, wanted)):
        given, right = map(list, zip(*some))
        counted = counted or any(len(bleu.tokenizer(line).split()) >= BLEU_WORDS for line in right)
        here = sum(len(line.split()) for line in right)
        words += here
        # as float64, because torchmetrics counts in float32
        edits += (
            round(float(word_error_rate(given, right)) * here)
            if here
            else sum(len(line.split()) for line in given)
        )
        exact += sum(p.strip() == w.strip() for p, w in some)
        # the sums of corpus_score, for lines that need not fit in memory
        for metric in counts:
            found = metric._extract_corpus_statistics(given, [right])
            counts[metric] = np.sum(
                [*found, *([counts[metric]] if counts[metric] else [])], axis=0
            ).tolist()
    return {
        # rounding can give slightly more than 100
        "bleu": min(bleu._compute_score_from_stats(counts[bleu]).score, 100.0) if counted else None,
        "chrf": chrf._compute_score_from_stats(counts[chrf]).score if words else None,
        "exact_match": exact / len(wanted),
        "word_error_rate": edits / words if words else None,
    }


def bleu_tokens(wanted: Sequence[str]) -> str:
    """Tokenisation for BLEU: "char" if most letters are Korean, Chinese or Japanese, otherwise
    "13a" as in the tables of WMT.

    sacrebleu's "ko-mecab" would require MeCab and its dictionary; "char" requires nothing. Its
    values are higher than word-based ones: only compare values with the same tokenisation.

    Example:
        >>> bleu_tokens(["나는 밥을 먹었다."]), bleu_tokens(["I ate."])
        ('char', '13a')
    """
    letters = sum(
        2 * len(_BY_CHARACTER.findall(line)) - sum(map(str.isalpha, line)) for line in wanted
    )
    return "char" if letters > 0 else "13a"


# ---------------------------------------------------------------- numbers


def forecasting(
    predicted, wanted, past, *, season: int = 1, low=None, high=None
) -> dict[str, float | None]:
    """Errors of a forecast, and the coverage of its intervals.

    Args:
        predicted: The forecast, (T,), or (T, F) for several series; with more dimensions in front:
            (N, T, F) for N forecasts.
        wanted: The actual values, of the same shape.
        past: The training series, (P,) or (P, F).
        season: Season length in steps; the naive forecast is the value one season before.
        low, high: The ends of an interval, of the shape of the forecast.

    Returns:
        "mae"; "rmse"; "mase", the mean over series of MAE divided by the MAE of the naive forecast
        on the past; and with an interval "coverage", the fraction of values inside, and "width",
        its mean width. Values have the units of the series except mase and coverage. All are None
        without values. mase is None if the past has at most `season` values or the error of the
        naive forecast is 0; with several series, such series are left out of mase.

    Raises:
        InputError: Shapes do not fit, a value is not finite, or only one end of an interval is
            given.

    Source:
        Hyndman and Koehler, International Journal of Forecasting 22 (2006), section 3; season as in
        their later work.

    Example:
        >>> forecasting([5, 6], [5, 8], past=[1, 2, 3, 4])
        {'mae': 1.0, 'rmse': 1.4142135623730951, 'mase': 1.0}
    """
    if (low is None) != (high is None):
        raise InputError("one end of an interval: give both low and high, or neither")
    given = {"predicted": predicted, "wanted": wanted} | (
        {"low": low, "high": high} if low is not None else {}
    )
    given = {
        name: one if isinstance(one, StoredArray) else np.asarray(one, np.float64)
        for name, one in given.items()
    }
    wanted, past = given["wanted"], np.asarray(past, np.float64)
    for name, one in given.items():
        if one.shape != wanted.shape:
            raise InputError(
                f"{name} of shape {one.shape} for wanted of shape {wanted.shape}: give the same "
                "shape"
            )
    for name, one in (given | {"past": past}).items():
        if not all(np.isfinite(block).all() for block in _steps(one)):
            raise InputError(
                f"{name} has nan or infinity: fill gaps first, or train the model again with a "
                "smaller --learning-rate"
            )
    if past.ndim not in (1, 2) or (past.ndim == 2 and wanted.shape[-1:] != past.shape[1:]):
        raise InputError(
            f"past of shape {past.shape} for wanted of shape {wanted.shape}: give (P,), or (P, F) "
            "where wanted ends in F"
        )
    if season < 1:
        raise InputError(f"season={season}: write a positive integer")
    intervals = {} if low is None else {"coverage": None, "width": None}
    if not wanted.size:
        return {"mae": None, "rmse": None, "mase": None} | intervals
    series = past[:, None] if past.ndim == 1 else past
    naive = (
        np.abs(series[season:] - series[:-season]).mean(0)
        if len(past) > season
        else np.zeros(series.shape[1])
    )
    absolute = squared = inside = width = 0.0
    own = np.zeros(series.shape[1])
    for block in zip(*map(_steps, given.values())):
        error = np.abs(block[0] - block[1])
        absolute, squared, own = (
            absolute + error.sum(),
            squared + (error**2).sum(),
            own + error.reshape(-1, series.shape[1]).sum(0),
        )
        if intervals:
            inside, width = (
                inside + ((block[2] <= block[1]) & (block[1] <= block[3])).sum(),
                width + (block[3] - block[2]).sum(),
            )
    if intervals:
        intervals = {"coverage": float(inside / wanted.size), "width": float(width / wanted.size)}
    own = own / (wanted.size // series.shape[1])
    return {
        "mae": float(absolute / wanted.size),
        "rmse": float(np.sqrt(squared / wanted.size)),
        "mase": float((own[naive > 0] / naive[naive > 0]).mean()) if (naive > 0).any() else None,
    } | intervals


def _steps(values: np.ndarray | StoredArray) -> Iterator[np.ndarray]:
    """Blocks of values along their first dimension."""
    return (
        iter([values])
        if not values.ndim
        else (
            values[start : start + STEPS_AT_ONCE]
            for start in range(0, max(1, len(values)), STEPS_AT_ONCE)
        )
    )


def _share(counted: Sequence[int]) -> float | None:
    """The fraction of a count; None if the count is 0."""
    count, right = counted
    return right / count if count else None
