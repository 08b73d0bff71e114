"""The peak of memory: what a call takes at most is seen, and who takes more is said to."""

import json

import numpy as np
import pytest
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, memory
from ostinato.bench.memory import OURS, TORCH, WITH_CHECKPOINT, Memory
from ostinato.bench.rows import Shape, Times
from ostinato.errors import EngineError, InputError

MIB = 1 << 20
SHAPE = Shape(16, 300, 32, 64)


@pytest.fixture
def proc():
    try:
        memory.refuse()
    except EngineError as error:
        pytest.skip(str(error))


def found(ours=900, checkpoint=300, torch=1000):
    times = [Times(seconds, seconds, seconds, 3, 1, seconds, "") for seconds in (2.0, 2.7, 3.0)]
    return Memory(
        memory.SHAPE,
        {OURS: ours * MIB, WITH_CHECKPOINT: checkpoint * MIB, TORCH: torch * MIB},
        dict(zip((OURS, WITH_CHECKPOINT, TORCH), times)),
        2,
        measure.machine() | {"versions": {"torch": "1.2.3"}},
    )


def test_the_rise_is_what_a_call_has_at_most_though_it_gives_it_back(proc):
    def call():
        for size in (8, 64, 16):
            np.full(size * MIB, 1, np.uint8)

    before = np.full(100 * MIB, 1, np.uint8)
    np.full(200 * MIB, 1, np.uint8)
    # The system counts to within a few pages a processor.
    assert 63 * MIB <= memory.rise(call) < 72 * MIB
    assert before.all()


def test_training_takes_what_it_keeps_and_less_with_checkpoints(proc):
    peaks = {}
    for name in (OURS, WITH_CHECKPOINT):
        *_, (peaks[name], coming) = bench._measured(
            {"threads": 1, "name": name, "shape": SHAPE}, "memory"
        )
        assert coming is None
    one = 4 * SHAPE.batch * SHAPE.steps
    # the output and the input's gradient; and without checkpoints the gates and their gradients
    assert one * (32 + 64) < peaks[WITH_CHECKPOINT] < one * (32 + 64 + 2 * 4 * 64) < peaks[OURS]


def test_all_are_timed_alternately(monkeypatch):
    monkeypatch.setattr(memory, "QUICK", (0.0, 2))
    times = memory.measure(threads=1, quick=True, shape=Shape(2, 9, 3, 4))
    assert times.keys() == {OURS, WITH_CHECKPOINT, TORCH} and all(
        0 < t.lower <= t.median and t.samples == 2 for t in times.values()
    )


@pytest.mark.parametrize(
    "peaks, colours",
    [
        ({}, ("green", "green")),
        ({"ours": 1100}, ("red", "green")),
        ({"checkpoint": 350}, ("green", "red")),
    ],
)
def test_the_table_says_what_falls_short(peaks, colours):
    made = found(**peaks)
    shares = next(
        list(column.cells) for column in made.table()[0].columns if column.header == "of torch.nn"
    )
    assert shares == [
        f"[{colour}]{made.peaks[name] / made.peaks[TORCH]:.2f}[/]"
        for colour, name in zip(colours, (OURS, WITH_CHECKPOINT))
    ] + [""]


def test_the_table_fits_in_80_columns():
    console = Console(width=80)
    with console.capture() as printed:
        for part in found().table():
            console.print(part)
    text = printed.get()
    lines = [line.split() for line in text.splitlines()]
    assert "…" not in text and all(
        part.split() in lines for part in found().table() if isinstance(part, str)
    )
    assert ["ostinato.LSTM,", "checkpoint=True", "300", "0.30", "0.33", "2.7", "1.35"] in lines
    assert ["torch.nn.LSTM", "1000", "3", "1.50"] in lines


@pytest.mark.parametrize(
    "file, content", [("CLEAR", None), ("STATUS", None), ("STATUS", "VmRSS: 5 kB\n")]
)
def test_where_the_peak_cannot_be_read_the_command_says_so(file, content, monkeypatch, tmp_path):
    monkeypatch.setattr(memory, "CLEAR", tmp_path / "clear_refs")
    monkeypatch.setattr(
        memory, file, tmp_path / "none" / "file" if content is None else tmp_path / "status"
    )
    (tmp_path / "status").write_text(content or "")
    with pytest.raises(
        EngineError,
        match="cannot be used here .*read from /proc of Linux.*; run --memory on a Linux",
    ):
        bench.command(memory=True)


def test_the_command_prints_the_table_and_writes_everything(proc, monkeypatch, tmp_path, capsys):
    asked = []

    def measured(settings, section):
        asked.append((section, settings["name"]))
        yield None, "something"
        yield found().times if settings["name"] is None else found().peaks[settings["name"]], None

    monkeypatch.setattr(bench, "_measured", measured)
    bench.command(threads=1, memory=True, json=tmp_path / "memory.json")
    assert asked == [("memory", name) for name in (OURS, WITH_CHECKPOINT, TORCH, None)]
    assert "peak memory of training, LSTM 64,1000,256,512" in capsys.readouterr().out
    assert json.loads((tmp_path / "memory.json").read_text())["peaks"] == found().peaks


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"only": ["lstm"]},
            "--only with --memory: only the training of one LSTM is measured; leave --only out",
        ),
        (
            {"save_ratios": "new.json"},
            "--save-ratios belongs to the comparison of speed, not to --memory; leave it out",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message):
    with pytest.raises(InputError) as error:
        bench.command(memory=True, **arguments)
    assert str(error.value).startswith(message)
