"""Private: the parts of a report that are those of a classifier."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..training import metrics
from .scores import SetScores

# Rows in a table of examples.
EXAMPLES = 10
# Characters of a text, and numbers of a sequence, in such a table.
CHARACTERS, NUMBERS = 200, 8


def report_parts(task: Any, examples: Any) -> dict:
    """As `Task.report_parts`.

    Args:
        task: The trained classifier, an `ostinato.tasks.Classifier`.
        examples: The labelled rows that it was evaluated on, an `ostinato.data.examples.Examples`.
    """
    encoded = task.encode(examples)
    scores = task.all_scores(examples, encoded)
    lengths = np.fromiter(map(task.length, encoded), np.int32, len(encoded))
    compared = [
        {"model": one.name, one.metric: one.value, "seconds": one.seconds, "weight": one.weight}
        for one in (task.result.compared if task.result else ())
    ]
    parts_of = _sets if isinstance(scores, SetScores) else _one_label
    return {
        "details": {"Models compared on held-out rows": compared},
        "labels": dict(zip(task.metadata.labels, task.metadata.counts)),
        "lengths": lengths.tolist(),
        "length_unit": "tokens" if task.is_text else "steps",
        **parts_of(task, examples, scores, lengths),
        **scores.report_parts(),
    }


def _one_label(task: Any, examples: Any, scores, lengths: np.ndarray) -> dict:
    """The parts of a classifier whose rows have one label each."""
    names = task.metadata.labels
    sure, given, labels = scores.sure[:], scores.given[:], scores.labels[:]
    least, most = _rarest_and_most_frequent(task)
    order = np.argsort(-sure, kind="stable")
    right = (given == labels)[order]
    chosen = {
        "Most confident errors": order[~right],
        "Least confident correct predictions": order[right][::-1],
        "Longest": order[np.argsort(-lengths[order], kind="stable")],
        f"Rarest label: {names[least]}": order[(labels == least)[order]],
    }

    def row(k: int) -> dict:
        return {
            "true label": examples["label"][k],
            "predicted": names[given[k]],
            "probability": f"{sure[k]:.2f}",
        }

    return {
        "baselines": {f"always {names[most]}": {"accuracy": float((labels == most).mean())}},
        "confusion": (names, scores.confusion),
        "examples": _tables(chosen, row, examples, lengths),
    }


def _sets(task: Any, examples: Any, scores: SetScores, lengths: np.ndarray) -> dict:
    """The parts of a classifier whose rows have any number of labels."""
    names = task.metadata.labels
    probabilities, wanted = scores.probabilities[:], scores.wanted[:][:, :-1].astype(bool)
    given, right = scores.given, scores.right
    least, most = _rarest_and_most_frequent(task)
    always = np.zeros_like(given)
    always[:, most] = True
    baseline = metrics.label_sets(metrics.set_counts(always, wanted), scores.unseen)
    # how far the worst decision of a row is on the wrong side
    wrong = np.where(given != wanted, np.abs(probabilities - task.options.threshold), 0).max(1)
    doubt = np.abs(probabilities - task.options.threshold).min(1)
    order, unsure = np.argsort(-wrong, kind="stable"), np.argsort(doubt, kind="stable")
    chosen = {
        "Most confident errors": order[~right[order]],
        "Least confident correct predictions": unsure[right[unsure]],
        "Longest": np.argsort(-lengths, kind="stable"),
        f"Rarest label: {names[least]}": np.flatnonzero(wanted[:, least]),
    }

    def row(k: int) -> dict:
        return {
            "true labels": task.list_separator.join(examples["label"][k]),
            "predicted labels": task.list_separator.join(
                name for name, yes in zip(names, given[k]) if yes
            ),
        }

    return {
        "baselines": {f"always {names[most]}": baseline},
        "examples": _tables(chosen, row, examples, lengths),
    }


def _rarest_and_most_frequent(task: Any) -> tuple[int, int]:
    """The numbers of two labels."""
    counts = task.metadata.counts
    return int(np.argmin(counts)), int(np.argmax(counts))


def _tables(chosen: dict[str, np.ndarray], row, examples: Any, lengths: np.ndarray) -> dict:
    """The first rows of each kind, by its heading."""
    return {
        name: [
            row(int(k)) | {"input": _shown_input(examples["x"][int(k)]), "length": int(lengths[k])}
            for k in rows[:EXAMPLES]
        ]
        for name, rows in chosen.items()
        if len(rows)
    }


def _shown_input(x: str | np.ndarray) -> str:
    if isinstance(x, str):
        return x if len(x) <= CHARACTERS else x[: CHARACTERS - 1] + "…"
    numbers: Sequence[str] = [f"{value:.3g}" for value in x.reshape(-1)[:NUMBERS]]
    more = ["…"] * (x.size > len(numbers))
    return f"{', '.join([*numbers, *more])} ({x.shape[0]} × {x.shape[1]})"
