"""Schemes of tags that mark spans."""

import itertools

import pytest

from ostinato.data.spans import SCHEMES, may_follow, scheme_of, spans


@pytest.mark.parametrize(
    "scheme, rows",
    [
        ("IOB2", ["O B-A I-A O", "B-A B-A I-A B-B", "B-A"]),
        ("IOB2", ["O B-A B-B"]),
        ("IOB1", ["O I-A I-A O", "I-A B-A I-A", "I-B I-A"]),
        ("BIOES", ["O B-A I-A E-A O", "S-A S-B B-B E-B"]),
        ("BIOES", ["O B-A L-A U-B"]),
        ("free", ["O I-A B-B"]),
        ("free", ["S-A I-A"]),
        ("free", ["B-A I-A S-B"]),
        (None, ["NOUN VERB"]),
        (None, ["O O"]),
        (None, []),
    ],
)
def test_a_scheme_is_the_strictest_that_all_sentences_keep_to(scheme, rows):
    assert scheme_of([row.split() for row in rows]) == scheme


@pytest.mark.parametrize("scheme", SCHEMES[:3])
def test_a_sequence_that_a_scheme_allows_is_how_its_spans_are_written(scheme):
    # all sequences of four tags, written again from their spans
    marks = "BIES" if scheme == "BIOES" else "BI"
    tags = ["O", *(f"{mark}-{kind}" for mark in marks for kind in "XY")]
    for row in itertools.product(tags, repeat=3):
        allowed = all(may_follow(*pair, scheme) for pair in itertools.pairwise(["O", *row, "O"]))
        assert allowed == (list(row) == written(spans(row), 3, scheme)), row


def written(found, count, scheme):
    row, ends = ["O"] * count, {}
    for start, end, kind in found:
        for place in range(start, end):
            first, last = place == start, place == end - 1
            mark = "B" if first else "I"
            if scheme == "BIOES":
                mark = "S" if first and last else "B" if first else "E" if last else "I"
            if scheme == "IOB1":
                mark = "B" if first and ends.get(start) == kind else "I"
            row[place] = f"{mark}-{kind}"
        ends[end] = kind
    return row
