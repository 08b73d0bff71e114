"""Rows of a data set, and how they are split."""

from collections import Counter

import pytest

from ostinato.data.disk import ChunkedSequence
from ostinato.data.examples import Examples


@pytest.mark.parametrize("counts", [(40, 10), (25, 25, 25), (90, 9, 1), (3, 3)])
@pytest.mark.parametrize("part", [0.1, 0.3, 0.5])
def test_a_stratified_split_has_the_shares_of_the_labels(counts, part):
    labels = [name for name, count in zip("abc", counts) for _ in range(count)]
    rows = Examples({"label": labels[::-1], "row": [*range(len(labels))]}, source="here")
    learned, held = rows.split(part, 1, by="label")
    assert len(held) == max(1, round(len(labels) * part))
    assert sorted([*learned["row"], *held["row"]]) == rows["row"]
    assert [*held["row"]] == sorted(held["row"]) and [*learned["row"]] == sorted(learned["row"])
    found = Counter(held["label"])
    for name, count in zip("abc", counts):
        assert abs(found[name] - count * len(held) / len(labels)) < 1
    assert [*rows.split(part, 1, by="label")[1]["row"]] == [*held["row"]]


def test_the_labels_of_a_column_on_disk_are_read_in_order():
    loaded = []

    def load(chunk):
        loaded.append(chunk)
        return ["a", "b"] * 25

    rows = Examples({"label": ChunkedSequence([0, 50, 100, 150], load)}, source="here")
    rows.split(0.1, 1, by="label")
    assert loaded == [0, 1, 2]


def test_another_seed_holds_out_other_rows():
    rows = Examples({"label": ["a", "b"] * 50, "row": [*range(100)]}, source="here")
    assert [*rows.split(0.1, 1, by="label")[1]["row"]] != [
        *rows.split(0.1, 2, by="label")[1]["row"]
    ]
