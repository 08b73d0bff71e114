"""The cost of regularisers: which are timed, and how the times are shown."""

import json

import pytest
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, regularisers
from ostinato.bench.regularisers import Regularised, RegularisedRow
from ostinato.bench.rows import Shape, Times
from ostinato.errors import InputError

SHAPE = Shape(4, 10, 3, 5)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE", 1e-4)
    monkeypatch.setattr(measure, "WARMING", 1e-4)
    monkeypatch.setattr(regularisers, "QUICK", (0.0, 2))


def times(seconds):
    return Times(seconds, seconds, seconds, 9, 1, seconds, "")


def test_each_regulariser_is_timed_next_to_the_layer_without():
    seen = []
    found = regularisers.measure(
        threads=1,
        quick=True,
        layers=("RNN", "LSTM", "own"),
        shapes=[SHAPE],
        watcher=lambda row, coming: seen.append(row),
    )
    names = ["zoneout", "recurrent_dropout", "variational", "weight_drop"]
    assert [(row.layer, row.regulariser) for row in found.rows] == [
        *(("RNN", n) for n in names if n != "recurrent_dropout"),
        *(("LSTM", n) for n in names),
    ]
    assert [row for row in seen if row] == found.rows
    assert all(0 < row.cost and row.ours.samples == row.plain.samples == 6 for row in found.rows)
    assert [row["cost"] for row in json.loads(json.dumps(found.dump()))["rows"]] == [
        row.cost for row in found.rows
    ]


def test_what_is_timed_is_training_with_its_random_masks():
    work = measure.make_workload("LSTM", "training", SHAPE, 1)
    run = regularisers.ours(work, zoneout=0.5)
    first, again = (run.arrays(run.call()) for _ in range(2))
    assert (
        first.keys() >= {"outputs", "gradients of weight_hh_l0"}
        and (first["outputs"] != again["outputs"]).any()
    )


def test_the_table_says_where_the_bar_is_missed():
    rows = [
        RegularisedRow("LSTM", SHAPE, "zoneout", times(1.5e-3), times(1e-3), cost)
        for cost in (1.05, 1.2)
    ]
    console = Console(width=80, record=True)
    for part in Regularised(rows, 2, measure.machine()).table():
        console.print(part)
    text = console.export_text(styles=True)
    assert (
        "zoneout=0.1" in text
        and "\x1b[32m1.05" in text
        and "\x1b[31m1.20" in text
        and "4,10,3,5" in text
    )


def test_the_command_line_has_it(tmp_path):
    bench.command(
        threads=1, quick=True, only=["rnn"], regularisers=True, json=tmp_path / "found.json"
    )
    rows = json.loads((tmp_path / "found.json").read_text())["rows"]
    assert {row["regulariser"] for row in rows} == {"zoneout", "variational", "weight_drop"} and {
        row["layer"] for row in rows
    } == {"RNN"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"only": ["inference"]},
            "--only with --regularisers: regularisers only act in training; give RNN, LSTM or GRU",
        ),
        (
            {"memory": True},
            "--memory and --regularisers: each is a separate measurement; give one of them",
        ),
    ],
)
def test_what_it_cannot_do_is_refused(arguments, message):
    with pytest.raises(InputError, match=message):
        bench.command(regularisers=True, **arguments)


def test_the_cost_is_the_median_over_rounds(monkeypatch):
    taken = {
        "": [1.0, 2.0, 4.0],
        "zoneout": [1.1, 2.4, 4.2],
        "recurrent_dropout": [2.0, 2.0, 2.0],
        "variational": [1.0, 2.0, 4.0],
        "weight_drop": [3.0, 6.0, 12.0],
    }
    monkeypatch.setattr(regularisers, "interleave", lambda *_: (taken, dict.fromkeys(taken, 1)))
    found = regularisers.measure(threads=1, quick=True, layers=["LSTM"], shapes=[SHAPE])
    assert [row.cost for row in found.rows] == pytest.approx([1.1, 1.0, 1.0, 3.0])
