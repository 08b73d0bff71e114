"""Private: tags that mark spans of words, such as "B-LOC", "I-LOC" and "O"."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

__all__ = ["SCHEMES", "has_spans", "may_follow", "scheme_of", "spans"]

# How spans are marked, the strictest first. "BIOES": the first word of a span has "B-", the last
# "E-" (or "L-"), those between "I-", and a span of one word "S-" (or "U-"). "IOB2": the first word
# has "B-", the others "I-". "IOB1": all have "I-"; "B-" only begins a span right after another of
# its type. "free": tags that break these rules.
SCHEMES = ("BIOES", "IOB2", "IOB1", "free")
OUTSIDE = "O"
_SPAN = re.compile(r"O|[BIESLU]-.+", re.DOTALL)


def has_spans(tags: Iterable[Sequence[str]]) -> bool:
    """Whether tags mark spans of words: "O", or "B-", "I-", "E-", "S-" (or "L-", "U-") and a type,
    and not all are "O".

    Example:
        >>> has_spans([["B-LOC", "I-LOC", "O"]]), has_spans([["NOUN", "VERB"]])
        (True, False)
    """
    kinds = {tag for row in tags for tag in row}
    return kinds - {OUTSIDE} != set() and all(_SPAN.fullmatch(tag) for tag in kinds)


def spans(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """The spans that the tags of a sentence mark: first word, word after the last, type.

    As in conlleval, an "I-" without a span of its type before it starts one, so IOB1 and
    inconsistent tags are supported. "S-" and "U-" are spans of one word; "E-" and "L-" end a span.

    Source: conlleval, CoNLL-2000 shared task (Tjong Kim Sang and Buchholz 2000).

    Example:
        >>> spans(["B-PER", "I-PER", "O", "B-LOC", "B-LOC", "I-ORG"])
        [(0, 2, 'PER'), (3, 4, 'LOC'), (4, 5, 'LOC'), (5, 6, 'ORG')]
    """
    found: list[tuple[int, int, str]] = []
    start, kind, before = 0, None, OUTSIDE
    for place, tag in enumerate([*tags, OUTSIDE]):
        mark, _, of = tag.partition("-")
        inside = (
            kind is not None and mark in ("I", "E", "L") and before in ("B", "I") and of == kind
        )
        if not inside:
            if kind is not None:
                found.append((start, place, kind))
            start, kind = place, of or None
        before = mark
    return found


def scheme_of(tags: Iterable[Sequence[str]]) -> str | None:
    """The scheme of `SCHEMES` that all sentences keep to; None if tags do not mark spans.

    Example:
        >>> scheme_of([["B-LOC", "I-LOC", "O"]]), scheme_of([["O", "I-LOC"]]), scheme_of([["NOUN"]])
        ('IOB2', 'IOB1', None)
    """
    pairs = {pair for row in tags for pair in pairwise([OUTSIDE, *row, OUTSIDE])}
    if not has_spans(pairs):
        return None
    marked = any(tag[:2] in ("E-", "S-", "L-", "U-") for pair in pairs for tag in pair)
    return next(
        scheme
        for scheme in SCHEMES
        if scheme == "free"
        or (marked == (scheme == "BIOES") and all(may_follow(*pair, scheme) for pair in pairs))
    )


def may_follow(before: str, tag: str, scheme: str) -> bool:
    """Whether a tag may follow another in a scheme; the edge of a sentence counts as "O".

    Example:
        >>> may_follow("B-LOC", "I-LOC", "IOB2"), may_follow("O", "I-LOC", "IOB2")
        (True, False)
    """
    last, _, left = before.partition("-")
    mark, _, right = tag.partition("-")
    begun = last in ("B", "I")
    continues = mark in ("I", "E", "L")
    same = begun and left == right
    if scheme == "IOB2":
        return same or not continues
    if scheme == "BIOES":
        return (same and continues) or not (begun or continues)
    if scheme == "IOB1":
        return same or mark != "B"
    return True
