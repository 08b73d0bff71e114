"""Private: connectionist temporal classification: loss and decoders, on NumPy arrays.

Source: Graves, Supervised Sequence Labelling with Recurrent Neural Networks (2012), chapter 7.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from .libm import by_libm

__all__ = ["beam_search", "edit_distance", "greedy", "loss"]

_NONE = -np.inf


def _with_blanks(labels: list[int], blank: int, collapse: bool) -> list[int]:
    if collapse:
        labels = [c for i, c in enumerate(labels) if i == 0 or c != labels[i - 1]]
    found = [blank]
    for c in labels:
        found += [c, blank]
    return found


def loss(
    logits: np.ndarray, labels: list[int], *, collapse: bool, merge: bool
) -> tuple[float, np.ndarray]:
    """The loss of one sequence, and its gradient.

    Args:
        logits: Unnormalised log-probabilities of the classes, (T, C); the last one is the blank.
        labels: The classes.
        collapse: Whether equal neighbours among the labels count as one.
        merge: Whether equal neighbours on a path count as one.
    """
    blank = logits.shape[1] - 1
    path = np.array(_with_blanks(labels, blank, collapse))
    x = logits.astype(np.float64)
    x = x - x.max(1, keepdims=True)
    log_y = x - by_libm(math.log, by_libm(math.exp, x).sum(1, keepdims=True))
    emitted = log_y[:, path]
    steps, places = emitted.shape
    stays = np.full(places, True) if merge else path == blank
    # A path may go over a blank between two labels, unless they are equal and would be merged.
    skips = np.full(places, False)
    skips[2:] = (path[2:] != blank) & ~(merge & (path[2:] == path[:-2]))

    forward = np.full((steps, places), _NONE)
    forward[0, :2] = emitted[0, :2]
    for t in range(1, steps):
        before = forward[t - 1]
        total = np.where(stays, before, _NONE)
        total[1:] = np.logaddexp(total[1:], before[:-1])
        total[2:] = np.logaddexp(total[2:], np.where(skips[2:], before[:-2], _NONE))
        forward[t] = total + emitted[t]
    backward = np.full((steps, places), _NONE)
    backward[-1, -2:] = 0.0
    for t in range(steps - 2, -1, -1):
        after = backward[t + 1] + emitted[t + 1]
        total = np.where(stays, after, _NONE)
        total[:-1] = np.logaddexp(total[:-1], after[1:])
        total[:-2] = np.logaddexp(total[:-2], np.where(skips[2:], after[2:], _NONE))
        backward[t] = total
    both = forward + backward
    log_p = np.logaddexp.reduce(both[0])
    gradient = by_libm(math.exp, log_y)
    if log_p > _NONE:
        share = by_libm(math.exp, both - log_p)
        for place, c in enumerate(path):
            gradient[:, c] -= share[:, place]
    return -log_p, gradient


def greedy(logits: np.ndarray, merge: bool) -> tuple[list[int], np.floating]:
    """The labels of the most probable class of each step, and minus the sum of their logits.

    Args:
        logits: See `loss`.
        merge: Whether equal neighbours count as one.
    """
    best = logits.argmax(1)
    blank = logits.shape[1] - 1
    labels, previous = [], -1
    for c in best.tolist():
        if c != blank and not (merge and c == previous):
            labels.append(c)
        previous = c
    total = logits.dtype.type(0)
    for row in logits:
        total = total - row.max()
    return labels, total


@dataclass(eq=False)
class _Beam:
    """A sequence of labels with its log-probabilities: those of paths that end in a blank, of paths
    that end in its last label, and of both; before and after the current step.
    """

    label: int
    parent: "_Beam | None"
    children: dict[int, "_Beam"] = field(default_factory=dict)
    blank: float = _NONE
    ended: float = _NONE
    total: float = _NONE
    old_blank: float = _NONE
    old_total: float = _NONE

    def labels(self, merge: bool) -> list[int]:
        found: list[int] = []
        previous, at = -1, self
        while at.parent is not None:
            if not merge or at.label != previous:
                found.append(at.label)
            previous, at = at.label, at.parent
        return found[::-1]

    def clear(self) -> None:
        self.blank = self.ended = self.total = _NONE


def _sorted(beams: list[_Beam]) -> list[_Beam]:
    return sorted(beams, key=lambda b: -b.total)


def beam_search(
    logits: np.ndarray, width: int, paths: int, merge: bool
) -> list[tuple[list[int], float]]:
    """The most probable sequences of labels, with their log-probabilities.

    Args:
        logits: See `loss`.
        width: The number of sequences kept after each step.
        paths: The number of sequences returned.
        merge: Whether equal neighbours in a sequence count as one.
    """
    root = _Beam(-1, None, blank=0.0, total=0.0)
    leaves = [root]
    blank = logits.shape[1] - 1
    for row in logits.astype(np.float64):
        row = row - row.max()
        row = row - math.log(by_libm(math.exp, row).sum())
        branches = _sorted(leaves)
        for b in branches:
            b.old_blank, b.old_total = b.blank, b.total
        for b in branches:
            if b.parent is not None:
                if b.parent.total > _NONE:
                    same = b.label == b.parent.label
                    before = b.parent.old_blank if same else b.parent.old_total
                    b.ended = np.logaddexp(b.ended, before)
                b.ended += row[b.label]
            b.blank = b.old_total + row[blank]
            b.total = np.logaddexp(b.blank, b.ended)
        leaves = _sorted(branches)
        for b in branches:
            if not _fits(b.old_total, leaves, width):
                continue
            for label in range(blank):
                child = b.children.setdefault(label, _Beam(label, b))
                if child.total > _NONE:
                    continue
                child.blank = _NONE
                before = b.old_blank if label == b.label else b.old_total
                child.ended = child.total = before + row[label]
                if not _fits(child.total, leaves, width):
                    child.clear()
                    child.old_blank = child.old_total = _NONE
                    continue
                if len(leaves) == width:
                    leaves.pop().clear()
                leaves = _sorted([*leaves, child])
    return [(b.labels(merge), b.total) for b in _sorted(leaves)[:paths]]


def _fits(total: float, leaves: list[_Beam], width: int) -> bool:
    return total > _NONE and (len(leaves) < width or total > leaves[-1].total)


def edit_distance(first: list, second: list) -> int:
    """The number of insertions, deletions and replacements that turn a sequence into another."""
    row = list(range(len(second) + 1))
    for i, a in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]
