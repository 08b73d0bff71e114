"""The roofline: the model's bytes, the limits that are measured, and a picture whose labels can be
read.
"""

import json
from itertools import combinations

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, roofline
from ostinato.bench.roofline import Cache, Roofline
from ostinato.bench.rows import GRID, BenchmarkRun, Row, Shape, Times
from ostinato.engines.kernels import jit
from ostinato.errors import EngineError, InputError

CACHES = [
    Cache("L1", 32 << 10, 1, 4e11),
    Cache("L2", 1 << 20, 1, 2e11),
    Cache("L3", 32 << 20, 2, 1e11),
    Cache("memory", None, 2, 5e10),
]
PEAK = 2.5e11


def row(layer, mode, shape, seconds=1e-3):
    return Row(
        layer, mode, Shape(*shape), Times(seconds, seconds, seconds, 9, 1, seconds, ""), seconds, {}
    )


@pytest.fixture
def found():
    """A roofline of invented times: every row of the grid at some part of its limit."""
    rows = []
    for k, (layer, mode, shape) in enumerate(
        (layer, mode, shape)
        for layer in ("RNN", "LSTM", "GRU")
        for mode in bench.MODES
        for shape in GRID
    ):
        share = (0.001 if shape.steps == 1 else 0.5) + 0.01 * (k % 7)
        limit = roofline.point(row(layer, mode, shape), 2, PEAK, CACHES).limit
        rows.append(row(layer, mode, shape, row(layer, mode, shape).operations / limit / share))
    return Roofline(BenchmarkRun(rows, 2, [0, 1], PEAK, {}, measure.machine()), CACHES, True)


@pytest.fixture
def kernels():
    if jit.host()[0] is None:
        pytest.skip(jit.host()[1])


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(measure, "QUICK", (0.0, 2))
    monkeypatch.setattr("ostinato.bench.peak.SECONDS", 1e-3)


# ---------------------------------------------------------------- the model


def test_each_thread_reads_all_weights_at_every_step_where_it_has_rows_of_its_own():
    moved, weights, every = roofline.traffic(row("LSTM", "inference", (32, 100, 64, 128)), 2)
    step = 4 * 128 * (64 + 128)
    assert every and weights == 4 * step and moved == 4 * (2 * 100 * step + 100 * 32 * (64 + 128))


def test_with_fewer_rows_than_threads_each_reads_its_part_of_the_recurrent_weights():
    moved, weights, every = roofline.traffic(row("GRU", "inference", (1, 100, 64, 128)), 2)
    assert not every and weights == 4 * 3 * 128 * 128
    assert moved == 4 * (100 * 3 * 128 * 128 + 3 * 128 * 64 + 100 * (64 + 128))


def test_training_reads_the_weights_twice_and_activations_several_times():
    moved, weights, _ = roofline.traffic(row("RNN", "training", (8, 10, 16, 32)), 4)
    assert weights == 4 * 32 * 48 and moved == 4 * (
        2 * 4 * 10 * 32 * 48 + 8 * 10 * (3 * 48 + 4 * 32)
    )


def test_further_layers_read_what_both_directions_below_give():
    step = [32 * (16 + 32)] * 2 + [32 * (64 + 32)] * 2
    moved, weights, _ = roofline.traffic(row("RNN", "inference", (8, 10, 16, 32, 2, 2)), 1)
    assert weights == 4 * max(step) and moved == 4 * (10 * sum(step) + 8 * 10 * (2 * 48 + 2 * 96))


@pytest.mark.parametrize(
    "shape, level, binds",
    [
        ((1, 100, 32, 32), "L1", "peak"),
        ((1, 100, 256, 256), "L2", "L2"),
        ((1, 100, 1024, 1024), "L3", "L3"),
        ((1, 100, 2048, 2048), "memory", "memory"),
        ((32, 100, 64, 128), "L2", "peak"),
        ((64, 100, 256, 512), "L3", "peak"),
    ],
)
def test_the_limit_is_that_of_the_level_in_which_the_weights_lie_or_the_peak(shape, level, binds):
    point = roofline.point(row("LSTM", "inference", shape), 2, PEAK, CACHES)
    rate = next(c.rate for c in CACHES if c.name == level)
    assert (point.level, point.binds) == (level, binds)
    assert (
        point.limit
        == pytest.approx(min(PEAK, point.row.operations / point.bytes * rate))
        == pytest.approx(point.rate / point.share)
    )


# ---------------------------------------------------------------- what is measured


def test_the_caches_are_those_that_the_system_tells(tmp_path):
    for k, (level, kind, size, shared) in enumerate(
        [
            (1, "Data", "48K", "3,7"),
            (1, "Instruction", "32K", "3,7"),
            (2, "Unified", "2048K", "3,7"),
            (3, "Unified", "36M", "0-7"),
        ]
    ):
        directory = tmp_path / "cpu3" / "cache" / f"index{k}"
        directory.mkdir(parents=True)
        for name, text in {
            "level": level,
            "type": kind,
            "size": size,
            "shared_cpu_list": shared,
        }.items():
            (directory / name).write_text(f"{text}\n")
    caches, detected = roofline.read_caches([3, 5, 7], 2, tmp_path)
    assert detected and caches == [
        Cache("L1", 48 << 10, 1),
        Cache("L2", 2 << 20, 1),
        Cache("L3", 36 << 20, 2),
        Cache("memory", None, 2),
    ]
    # three threads: processor 7 shares 3's caches
    assert [c.sharing for c in roofline.read_caches([3, 5, 7], 3, tmp_path)[0]] == [2, 2, 3, 3]


@pytest.mark.parametrize("processors", [None, [0]])
def test_usual_sizes_stand_in_where_the_system_does_not_tell(processors, tmp_path):
    caches, detected = roofline.read_caches(processors, 4, tmp_path)
    assert not detected and [(c.name, c.sharing) for c in caches] == [
        ("L1", 1),
        ("L2", 1),
        ("L3", 4),
        ("memory", 4),
    ]


def test_every_thread_reads_all_of_its_part(kernels):
    vector_width = jit.host()[0].vector_width
    reading = roofline.Reading(2, 20_000)
    part = 20_000 // (roofline.SUMS * vector_width * 4) * roofline.SUMS * vector_width
    reading._words[0] = 3
    reading()
    # All numbers are 1, so that each thread's sum says how many it has read.
    found = np.frombuffer(reading._words, np.float32)[16:].reshape(2, 16)[:, :vector_width]
    assert (found == 3 * part / vector_width).all()


def test_a_cache_is_read_as_fast_as_caches_are(kernels):
    reading = roofline.Reading(1, 16 << 10)
    reading()
    best = reading.best
    assert 1e9 < best < 1e13
    reading()
    assert reading.best >= best


def test_rows_are_held_against_what_was_measured_next_to_them(kernels):
    found = roofline.measure(threads=1, quick=True, layers=("GRU", "own"), shapes=[(2, 5, 8, 8)])
    assert [(p.row.layer, p.row.mode) for p in found.points] == [
        ("GRU", "inference"),
        ("GRU", "training"),
    ]
    assert (
        all(c.rate > 1e8 for c in found.caches) and [c.name for c in found.caches][-1] == "memory"
    )
    for p in found.points:
        assert p.share == pytest.approx(
            p.row.operations
            / p.row.ours.median
            / min(found.run.peak, p.intensity * found.caches[0].rate)
        )
    written = json.loads(json.dumps(found.dump()))
    assert [p["share"] for p in written["points"]] == [p.share for p in found.points] and written[
        "peak"
    ] == found.run.peak


def test_a_roofline_needs_kernels(monkeypatch):
    monkeypatch.setattr(jit, "host", lambda: (None, "no vectors"))
    with pytest.raises(EngineError, match="none runs here: no vectors; see: ostinato doctor"):
        roofline.measure(threads=1)


# ---------------------------------------------------------------- what is shown


def test_the_tables_fit_in_80_columns(found):
    console = Console(width=80)
    with console.capture() as printed:
        for part in found.table():
            console.print(part)
    text = printed.get()
    lines = [line.rstrip() for line in text.splitlines()]
    assert "…" not in text and all(part in lines for part in found.table() if isinstance(part, str))
    p = next(
        p for p in found.points if (p.row.layer, str(p.row.shape)) == ("LSTM", "1,100,1024,1024")
    )
    shown = next(line.split() for line in lines if line.startswith("LSTM  1,100,1024,1024"))
    assert (
        shown[3:] == [f"{p.rate / 1e9:.3g}", "0.99", "L3", "L3", "99", f"{100 * p.share:.0f}%"]
        and 50 <= 100 * p.share <= 57
    )
    assert (
        "peak: 250 GFLOP/s; read rates of all threads together, in GB/s:" in lines
        and "L1 400, L2 200, L3 100, memory 50" in lines
    )
    assert "caches, in KiB: L1 32, L2 1024, L3 32768" in lines


@pytest.mark.parametrize("modes", [("inference", "training"), ("training",)])
def test_the_picture_has_every_row_and_its_labels_cover_neither_each_other_nor_points(found, modes):
    found = Roofline(
        BenchmarkRun(
            [r for r in found.run.rows if r.mode in modes], 2, None, PEAK, {}, found.run.machine
        ),
        found.caches,
        True,
    )
    figure = roofline.picture(found)
    FigureCanvasAgg(figure).draw()
    assert len(figure.axes) == len(modes) and figure.get_facecolor()[:3] == (1, 1, 1)
    drawn = 0
    for axes, mode in zip(figure.axes, modes):
        points = [p for p in found.points if p.row.mode == mode]
        marked = [line for line in axes.get_lines() if line.get_marker() in "os^"]
        drawn += sum(len(line.get_xdata()) for line in marked)
        texts = {text.get_text(): text.get_window_extent() for text in axes.texts}
        assert texts.keys() == {str(p.row.shape) for p in points} | {
            "peak 250 GFLOP/s",
            "L1 400 GB/s",
            "L2 200 GB/s",
            "L3 100 GB/s",
            "memory 50 GB/s",
        }
        assert [(a, b) for (a, x), (b, y) in combinations(texts.items(), 2) if x.overlaps(y)] == []
        places = axes.transData.transform([(p.intensity, p.rate / 1e9) for p in points])
        assert [
            name for name, box in texts.items() if any(box.contains(*place) for place in places)
        ] == []
        inside = axes.get_window_extent()
        assert all(
            inside.x0 <= box.x0
            and box.x1 <= inside.x1
            and inside.y0 <= box.y0
            and box.y1 <= inside.y1
            for box in texts.values()
        )
    assert drawn == len(found.run.rows)


def test_the_command_prints_tables_and_draws(kernels, tmp_path, capsys):
    bench.command(
        threads=1,
        quick=True,
        only=["rnn", "inference"],
        roofline=tmp_path / "roof.png",
        json=tmp_path / "roof.json",
    )
    printed = capsys.readouterr().out
    assert (
        "inference: binding limit, and the fraction of it that is reached" in printed
        and f"picture: {tmp_path / 'roof.png'}\n" in printed
    )
    assert (tmp_path / "roof.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert [p["layer"] for p in json.loads((tmp_path / "roof.json").read_text())["points"]] == [
        "RNN"
    ] * len(bench.QUICK_GRID)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (
            {"roofline": "roof.pdf"},
            "--roofline roof.pdf: the picture is a PNG file; give a name that ends with .png",
        ),
        (
            {"roofline": "no/such/roof.png"},
            "--roofline no/such/roof.png: 'no/such' is not a writable directory",
        ),
        (
            {"roofline": "roof.png", "ragged": True},
            "--roofline and --ragged: each is a separate measurement; give one of them",
        ),
        (
            {"roofline": "roof.png", "peers": ["jax"]},
            "--peers belongs to the comparison of speed, not to --roofline; leave it out",
        ),
        (
            {"roofline": "roof.png", "only": ["own"]},
            "--only own with --roofline: only RNN, LSTM and GRU are measured; give one of them",
        ),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message):
    with pytest.raises(InputError) as error:
        bench.command(**arguments)
    assert str(error.value).startswith(message)
