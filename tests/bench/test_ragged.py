"""Rows of unequal lengths: the same numbers as torch.nn's, and what is said of the times."""

import json

import pytest
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, ragged
from ostinato.bench.peers import Runner
from ostinato.bench.ragged import RAGGED_GRID, RaggedRow
from ostinato.bench.rows import Shape, Times
from ostinato.errors import EngineError, InputError

SHAPE = Shape(4, 10, 3, 5)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(measure, "SAMPLE", 1e-4)
    monkeypatch.setattr(ragged, "QUICK", (0.0, 2))


def times(seconds):
    return Times(seconds, seconds, seconds, 9, 1, seconds, "")


@pytest.mark.parametrize("shape", RAGGED_GRID)
def test_lengths_go_from_a_fifth_to_all_steps_and_are_always_the_same(shape):
    found = ragged.lengths(shape)
    assert found.shape == (shape.batch,) and (found == ragged.lengths(shape)).all()
    assert (
        found[0] == found.max() == shape.steps
        and shape.steps // 5 <= found.min() < shape.steps // 3
    )
    assert 0.5 < found.float().mean() / shape.steps < 0.7


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("mode", bench.MODES)
def test_torch_computes_what_we_do(layer, mode):
    work, valid = measure.make_workload(layer, mode, SHAPE, 1), ragged.lengths(SHAPE)
    ours, theirs = (
        runner.arrays(runner.call())
        for runner in (ragged.ours(work, valid), ragged.packed(work, valid))
    )
    assert ours.keys() == theirs.keys() and len(ours) == (6 if mode == "training" else 1)
    measure.compare("torch", theirs, ours)
    for row, length in enumerate(valid):
        assert (ours["outputs"][length:, row] == 0).all() and (
            ours["outputs"][:length, row] != 0
        ).all()


def test_each_row_is_timed_next_to_a_full_batch_and_torch():
    seen = []
    found = ragged.measure(
        threads=1,
        quick=True,
        layers=("GRU", "own"),
        shapes=[SHAPE],
        watcher=lambda row, coming: seen.append((row, coming)),
    )
    assert [(row.layer, row.mode, row.shape) for row in found.rows] == [
        ("GRU", mode, SHAPE) for mode in bench.MODES
    ]
    for row in found.rows:
        assert row.valid == ragged.lengths(SHAPE).sum() / 40
        assert (
            0 < row.ours.lower <= row.ours.median <= row.ours.upper
            and row.packed.samples == row.full.samples == 2
        )
    assert [row for row, _ in seen] == [None, *found.rows] and seen[1][
        1
    ] == "2 of 2: GRU training 4,10,3,5"
    assert [row["ratio"] for row in json.loads(json.dumps(found.dump()))["rows"]] == [
        row.ratio for row in found.rows
    ]


def test_other_numbers_are_refused(monkeypatch):
    def wrong(work, valid):
        right = ragged.ours(work, valid)
        return Runner(
            right.call, lambda result: {name: a + 1 for name, a in right.arrays(result).items()}
        )

    monkeypatch.setattr(ragged, "packed", wrong)
    with pytest.raises(
        EngineError,
        match="torch.nn with a PackedSequence, RNN inference 4,10,3,5: its outputs differ from "
        "ours by up to 1,",
    ):
        ragged.measure(threads=1, quick=True, layers=("RNN",), shapes=[SHAPE])


@pytest.mark.parametrize(
    "layer, ours, packed, cost, ratio",
    [
        ("RNN", 0.1, 0.45, "green", "red"),
        ("LSTM", 0.1, 0.45, "green", "green"),
        ("GRU", 0.12, 0.72, "red", "green"),
    ],
)
def test_the_table_says_what_falls_short(layer, ours, packed, cost, ratio):
    row = RaggedRow(layer, "training", SHAPE, 0.5, times(ours), times(0.2), times(packed))
    assert row.cost == pytest.approx(ours / (0.5 * 0.2)) and row.ratio == pytest.approx(
        packed / ours
    )
    table = ragged.Ragged([row], 1, measure.machine()).table()[0]
    cells = [list(column.cells)[0] for column in table.columns]
    assert f"[{cost}]{10 * ours:.2f}[/]" in cells and f"[{ratio}]{packed / ours:.2f}x[/]" in cells


def test_the_tables_fit_in_80_columns():
    rows = [
        RaggedRow(layer, mode, shape, 0.58, times(0.1234), times(0.3456), times(1.234))
        for layer in ("RNN", "LSTM", "GRU")
        for mode in bench.MODES
        for shape in RAGGED_GRID
    ]
    console = Console(width=80)
    with console.capture() as printed:
        parts = ragged.Ragged(
            rows, 2, measure.machine() | {"versions": {"torch": "1.2.3+cpu"}}
        ).table()
        for part in parts:
            console.print(part)
    text = printed.get()
    lines = [line.rstrip() for line in text.splitlines()]
    assert "…" not in text and all(part in lines for part in parts if isinstance(part, str))
    assert [
        "LSTM",
        "64,100,256,512",
        "58%",
        "123",
        "346",
        "0.62",
        "1.15",
        "1234",
        "10.0x",
        "3.00x",
    ] in [line.split() for line in lines]


def test_the_command_prints_tables_and_writes_everything(tmp_path, capsys):
    bench.command(
        threads=1, quick=True, only=["rnn", "inference"], ragged=True, json=tmp_path / "ragged.json"
    )
    printed = capsys.readouterr()
    assert (
        "inference with variable-length batches" in printed.out
        and "RNN  inference 32,100,64,128" in printed.err
    )
    written = json.loads((tmp_path / "ragged.json").read_text())
    assert [(row["layer"], Shape(*row["shape"])) for row in written["rows"]] == [
        ("RNN", shape) for shape in ragged.RAGGED_QUICK_GRID
    ]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"only": ["own"]},
            "--only own with --ragged: only RNN, LSTM and GRU are measured; give one of them",
        ),
        (
            {"compare": "old.json"},
            "--compare belongs to the comparison of speed, not to --ragged; leave it out",
        ),
        (
            {"memory": True},
            "--ragged and --memory: each is a separate measurement; give one of them",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message):
    with pytest.raises(InputError) as error:
        bench.command(ragged=True, **arguments)
    assert str(error.value).startswith(message)
