"""The benchmark: turns are fair, other numbers are refused, and what is printed and written is
whole.
"""

import json
import math
import os
import threading
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, own, peers, ratios
from ostinato.bench.peak import Peak
from ostinato.bench.peers import Runner
from ostinato.bench.rows import BUILT_IN, LOOP
from ostinato.engines.kernels import jit
from ostinato.errors import EngineError, InputError

SHAPE = bench.Shape(1, 3, 8, 8)
STEP, STACKED = bench.Shape(2, 1, 4, 5), bench.Shape(2, 3, 4, 5, 2, 2)
SETTINGS = [(peer, setting) for peer, settings in peers.PEER_MAKERS.items() for setting in settings]


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(measure, "QUICK", (0.0, 2))
    monkeypatch.setattr(measure, "SAMPLE", 1e-4)
    monkeypatch.setattr("ostinato.bench.peak.SECONDS", 1e-3)
    monkeypatch.setenv("KERAS_BACKEND", "jax")


def _times(median: float = 0.123456, width: float = 0.1, samples: int = 9):
    return bench.Times(
        median, median * (1 - width / 2), median * (1 + width / 2), samples, 1, 1.2345, ""
    )


@pytest.fixture
def run():
    """A whole run of invented times."""

    def row(layer, mode, shape, names):
        times = _times(width=0.8)
        return bench.Row(layer, mode, shape, times, 1.2345, dict.fromkeys(names, times), 0.9)

    rows = [
        row(layer, mode, shape, ["torch", "jax", "keras"] + ["onnxruntime"] * (mode == "inference"))
        for layer in ("RNN", "LSTM", "GRU")
        for mode in bench.MODES
        for shape in bench.GRID
        if mode == "inference" or shape.steps > 1
    ]
    rows += [
        row(name, mode, shape, [BUILT_IN, LOOP])
        for name in bench.OWN_CELL_BARS
        for mode in bench.MODES
        for shape in bench.OWN_GRID
    ]
    return bench.BenchmarkRun(
        rows,
        2,
        [0, 1],
        2.5e11,
        {},
        measure.machine() | {"versions": dict.fromkeys(bench.PEERS, "1.2.3")},
    )


def _needed(peer: str):
    for module in peers._NEEDS[peer]:
        pytest.importorskip(module)


def _printed(run) -> str:
    console = Console(width=80)
    with console.capture() as printed:
        for part in bench.table(run):
            console.print(part)
    return printed.get()


# ---------------------------------------------------------------- measuring


# torch.compile's own imports warn about each other
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "layer, shape",
    [
        *((layer, shape) for layer in ("RNN", "LSTM", "GRU") for shape in (SHAPE, STEP)),
        ("GRU", STACKED),
    ],
    ids=str,
)
@pytest.mark.parametrize("peer, setting", SETTINGS)
def test_a_peer_computes_what_torch_does(layer, shape, peer, setting):
    _needed(peer)
    mode = "inference" if shape == STEP or peer == "onnxruntime" else "training"
    work = measure.make_workload(layer, mode, shape, threads=1)
    runner = peers.PEER_MAKERS[peer][setting](work)
    if runner is None:
        # a cell is for one step, which has no loop that the product could be in
        assert setting == "cell" and shape != STEP or "in the loop" in setting and shape == STEP
        return
    torchs = peers.PEER_MAKERS["torch"]["batch_first=False"](work)
    # the second call of a stream starts from the state that the first gave
    for _ in range(2):
        given, wanted = runner.arrays(runner.call()), torchs.arrays(torchs.call())
    weights = {f"gradients of {name}" for name, _ in work.layer.named_parameters()}
    names = {"hidden states", "cell states"} if layer == "LSTM" else {"hidden states"}
    if shape != STEP:
        names = (
            {"outputs", "gradients of the input", *weights} if mode == "training" else {"outputs"}
        )
    assert wanted.keys() == names
    # of an LSTM's or RNN's two biases the gradient is the same, and JAX and Keras have one
    assert names - given.keys() <= {name for name in weights if "bias_hh" in name}
    measure.compare(peer, given, wanted)


def test_what_torch_cannot_compile_is_left_out_with_the_reason(monkeypatch):
    def compile(module):
        def call(*given):
            raise RuntimeError("the compiler is missing\nat all")

        return call

    monkeypatch.setattr(torch, "compile", compile)
    run = measure.measure(
        threads=1,
        quick=True,
        layers=("GRU",),
        modes=("inference",),
        peers=["torch"],
        shapes=[SHAPE, STEP],
    )
    assert run.missing == {"torch.compile": "RuntimeError: the compiler is missing"}
    assert [list(row.peers) for row in run.rows] == [["torch"]] * 2
    assert "torch.compile is left out: RuntimeError: the compiler is missing" in _printed(run)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(
    "peer, modes", [("torch", 2), ("onnxruntime", 1), ("jax", 2), ("keras", 2)]
)
def test_a_peer_is_timed(peer, modes):
    _needed(peer)
    run = measure.measure(threads=1, quick=True, layers=("GRU",), peers=[peer], shapes=[SHAPE])
    assert not run.missing and [(row.layer, row.mode, row.shape) for row in run.rows] == [
        ("GRU", mode, SHAPE) for mode in bench.MODES
    ]
    timed = [row for row in run.rows if peer in row.peers]
    assert [row.mode for row in timed] == list(bench.MODES)[:modes]
    for row in timed:
        theirs = row.peers[peer]
        assert (
            row.ratios == {peer: theirs.median / row.ours.median} and row.best == row.ratios[peer]
        )
        assert (
            0 < theirs.lower <= theirs.median <= theirs.upper and theirs.first > 0 and row.warm > 0
        )


def test_one_step_is_inference_from_a_state_that_is_given():
    run = measure.measure(threads=1, quick=True, layers=("LSTM",), peers=[], shapes=[(1, 1, 8, 8)])
    assert [(row.mode, row.shape) for row in run.rows] == [("inference", (1, 1, 8, 8, 1, 1))]
    work = measure.make_workload("LSTM", "inference", bench.Shape(1, 1, 8, 8), threads=1)
    ours = peers.ours(work)
    found = ours.arrays(ours.call())
    _, (h, c) = work.layer(work.x, work.state)
    measure.compare(
        "torch",
        {"hidden states": h[0].detach().numpy(), "cell states": c[0].detach().numpy()},
        found,
    )


@pytest.mark.parametrize("name", bench.OWN_CELL_BARS)
@pytest.mark.parametrize("mode", bench.MODES)
def test_an_own_cell_is_held_against_the_built_in_lstm_and_a_loop(name, mode):
    # `_row` compares the loop's numbers, all gradients among them, with the cell's
    row = measure._row(name, mode, bench.Shape(2, 5, 4, 6), [], 1, {}, 0.0, 2)
    assert list(row.peers) == [BUILT_IN, LOOP]
    work = measure.make_workload(name, mode, bench.Shape(2, 5, 4, 6), threads=1)
    make, others = own.contenders(name)
    looped = others[LOOP][""](work)
    found = looped.arrays(looped.call())
    assert make(work).arrays and not others[BUILT_IN][""](work).arrays
    assert len(found) == (
        2 + len(own.OWN_CELLS[name].cell.graph.weights) if mode == "training" else 1
    )


def test_own_is_all_own_cells():
    wanted = measure._wanted(("GRU", "own"), ("training",), [STEP, SHAPE], [SHAPE])
    assert wanted == [
        ("GRU", "training", SHAPE),
        *((name, "training", SHAPE) for name in bench.OWN_CELL_BARS),
    ]
    assert bench.OWN_CELL_BARS.keys() == own.OWN_CELLS.keys()


@pytest.mark.parametrize(
    "shape, operations",
    [
        (SHAPE, 3 * 2 * (1 * 3) * (4 * 8) * (8 + 8)),
        # two directions of the first layer, whose outputs are the second's input
        (bench.Shape(5, 3, 7, 8, 2, 2), 3 * 2 * (5 * 3) * (4 * 8) * 2 * ((7 + 8) + (16 + 8))),
    ],
)
def test_the_share_of_the_peak_follows_from_the_multiply_adds(shape, operations):
    run = measure.measure(
        threads=1, quick=True, layers=("LSTM",), modes=("training",), peers=[], shapes=[shape]
    )
    row = run.rows[0]
    weights = sum(
        p.numel()
        for p in measure.make_workload("LSTM", "training", shape, 1).layer.parameters()
        if p.ndim == 2
    )
    assert row.operations == operations == 3 * 2 * shape.batch * shape.steps * weights
    if run.peak is None:
        pytest.skip(jit.host()[1])
    assert row.share == pytest.approx(row.operations / row.ours.median / run.peak)


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    measure.measure(
        threads=before + 1,
        quick=True,
        layers=("RNN",),
        modes=("inference",),
        peers=[],
        shapes=[SHAPE],
    )
    assert torch.get_num_threads() == before


def test_the_peak_is_what_all_threads_reach():
    if jit.host()[0] is None:
        pytest.skip(jit.host()[1])
    peak, found = Peak(2), []
    # more than once, as the calls may have had to wait
    for _ in range(5):
        peak()
        found.append(peak.best)
    assert found == sorted(found) and 1e9 < found[-1] < 1e13
    # Every chain ends at 1, in every lane of both threads.
    vector_width, sums = jit.host()[0].vector_width, 24 if jit.host()[0].registers >= 32 else 12
    found = np.frombuffer(peak._words, np.float32)[16:].reshape(2, 16)[:, :vector_width]
    assert (found == sums).all()


def test_the_peak_needs_kernels(monkeypatch, run):
    monkeypatch.setattr(jit, "host", lambda: (None, "no vectors"))
    peak = Peak(1)
    peak()
    assert peak.best is None
    assert "peak: none" in _printed(bench.BenchmarkRun(run.rows, 1, None, None, {}, run.machine))


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_a_peer_with_other_numbers_is_refused(monkeypatch, wrong):
    def other(work):
        right = peers.ours(work)
        return Runner(
            right.call, lambda result: {name: a + wrong for name, a in right.arrays(result).items()}
        )

    monkeypatch.setitem(peers.PEER_MAKERS, "torch", {"": other})
    with pytest.raises(
        EngineError,
        match=r"torch.nn, GRU inference 1,3,8,8: its outputs differ from ours by up to .* do not "
        r"compute the same",
    ):
        measure.measure(
            threads=1,
            quick=True,
            layers=("GRU",),
            modes=("inference",),
            peers=["torch"],
            shapes=[SHAPE],
        )


def test_of_a_peers_settings_the_fastest_is_timed(monkeypatch):
    def slow(work):
        right = peers.ours(work)
        return Runner(lambda: (time.sleep(0.02), right.call())[1], right.arrays)

    monkeypatch.setitem(peers.PEER_MAKERS, "torch", {"slow": slow, "fast": peers.ours})
    run = measure.measure(
        threads=1,
        quick=True,
        layers=("RNN",),
        modes=("inference",),
        peers=["torch"],
        shapes=[SHAPE],
    )
    assert run.rows[0].peers["torch"].setting == "fast"


def test_a_peer_that_is_not_there_is_said_to_be_missing(monkeypatch, run):
    monkeypatch.setitem(peers._NEEDS, "jax", ("no_such_library",))
    found = measure.measure(
        threads=1, quick=True, layers=("RNN",), modes=("inference",), peers=["jax"], shapes=[SHAPE]
    )
    assert found.missing == {"jax": "no_such_library is not installed (pip install '.[bench]')"}
    assert found.rows[0].peers == {}
    assert "JAX is left out: no_such_library is not installed" in _printed(found)


def test_keras_on_another_backend_is_left_out(monkeypatch):
    _needed("keras")
    monkeypatch.setattr("keras.backend.backend", lambda: "torch")
    assert peers.missing(["keras"]) == {
        "keras": "it was imported with the backend torch; set KERAS_BACKEND=jax before Python "
        "starts"
    }


# ---------------------------------------------------------------- taking turns


def test_everyone_has_one_sample_a_round_and_who_begins_changes(monkeypatch):
    monkeypatch.setattr(measure, "_settle", lambda: None)
    monkeypatch.setattr(measure, "LONG_CALL", 0.0)
    turns = []

    def runner(name):
        return Runner(lambda: (turns.append(name), time.sleep(2e-4)))

    found = measure.alternate(
        {name: runner(name) for name in "abc"}, dict.fromkeys("abc", 2e-4), budget=0.0, fewest=4
    )
    assert "".join(turns[-12:]) == "abcbcacababc"
    assert all(
        rounds == 4 and calls == 1 and lower <= median <= upper
        for median, lower, upper, rounds, calls in found.values()
    )


def test_short_calls_are_repeated_until_a_sample_is_long_enough(monkeypatch):
    monkeypatch.setattr(measure, "_settle", lambda: None)
    monkeypatch.setattr(measure, "SAMPLE", 5e-3)
    median, *_, calls = measure.alternate(
        {"": Runner(lambda: time.sleep(1e-4))}, {"": 1e-4}, budget=0.0, fewest=3
    )[""]
    assert calls > 1 and 1e-4 < median < 5e-3


def test_a_long_call_is_tried_once_and_a_short_one_a_few_times(monkeypatch):
    calls = []
    runner = Runner(lambda: (calls.append(0), time.sleep(1e-3)))
    monkeypatch.setattr(measure, "WARMING", 2e-3)
    assert measure.tried(runner) >= 1e-3 and len(calls) == measure.TRIES
    monkeypatch.setattr(measure, "TRYING", 1e-3)
    assert measure.tried(runner) >= 1e-3 and len(calls) == measure.TRIES + 1


def test_a_turn_waits_for_the_threads_that_still_spin():
    end = time.perf_counter() + 0.15

    def spin():
        while time.perf_counter() < end:
            pass

    thread = threading.Thread(target=spin)
    thread.start()
    measure._settle()
    assert time.perf_counter() >= end
    thread.join()


def test_the_measuring_process_gets_the_processors_asked_for_and_this_one_keeps_its_own(
    monkeypatch,
):
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    before = dict(os.environ)
    with bench._surroundings(1):
        assert (
            os.environ["OMP_NUM_THREADS"] == os.environ["NPROC"] == "1"
            and "OMP_PROC_BIND" not in os.environ
        )
        if hasattr(os, "sched_getaffinity"):
            assert len(os.sched_getaffinity(0)) == 1
    assert dict(os.environ) == before
    if hasattr(os, "sched_getaffinity"):
        assert sorted(bench._processors()[0]) == sorted(os.sched_getaffinity(0))


# ---------------------------------------------------------------- what is shown and written


def test_the_tables_fit_in_80_columns(run):
    text = _printed(run)
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    assert "best torch.nn  ONNX   JAX Keras" in text and text.count("1.00x") == 5 * 31 + 4 * 28 + 12
    lines = [line.split() for line in text.splitlines()]
    assert ["LSTM", "64,100,256,512", "123~", *["1.00x"] * 5, "90%", "1234", "1234"] in lines
    assert ["GRU", "32,100,128,256*", "123~", *["1.00x"] * 4, "90%", "1234", "1234"] in lines
    assert [
        "original",
        "GRU",
        "training",
        "32,100,64,128",
        "123~",
        "1.00",
        "1.00x!",
        "90%",
        "1234",
        "1234",
    ] in lines
    for line in (
        "peak: 250 GFLOP/s",
        "* two layers, both directions",
        "~ unsteady",
        "T = 1 is a step of a stream",
        "1.1, 1.3, 1.6 of the LSTM's time at most",
        "at least 10 times as fast as the loop",
        "compared with torch.nn 1.2.3, ONNX Runtime 1.2.3, JAX 1.2.3, Keras 1.2.3",
    ):
        assert line in text


def test_an_own_cell_that_misses_what_is_wanted_is_marked(run):
    rows = [
        bench.Row(
            "original GRU",
            "training",
            SHAPE,
            _times(1.0),
            1.0,
            {BUILT_IN: _times(lstm), LOOP: _times(loop)},
        )
        for lstm, loop in ((1 / 1.31, 10.0), (1 / 1.29, 9.9))
    ]
    lines = [line.split() for line in _printed(replace(run, rows=rows)).splitlines()]
    for wanted in (["1.31!", "10.0x"], ["1.29", "9.90x!"]):
        assert [
            "original",
            "GRU",
            "training",
            "1,3,8,8",
            "1000",
            *wanted,
            "-",
            "1234",
            "1000",
        ] in lines


def test_the_best_peer_of_each_row_counts(run):
    times = {"torch": _times(3.0), "jax": _times(2.0)}, {"torch": _times(1.5), "keras": _times(8.0)}
    rows = [bench.Row("RNN", "inference", SHAPE, _times(1.0), 1.0, of_row) for of_row in times]
    lines = [line.split() for line in _printed(replace(run, rows=rows)).splitlines()]
    assert ["RNN", "1,3,8,8", "1000", "2.00x", "3.00x", "2.00x", "-", "1234", "1000"] in lines
    assert ["RNN", "1,3,8,8", "1000", "1.50x", "1.50x", "8.00x", "-", "1234", "1000"] in lines
    assert ["geometric", "mean", *(f"{value:.2f}x" for value in (3**0.5, 4.5**0.5, 2, 8))] in lines


@pytest.mark.parametrize(
    "ratio, text",
    [
        (0.994, "0.99x"),
        (9.99, "9.99x"),
        (9.996, "10.0x"),
        (32.11, "32.1x"),
        (99.96, "100x"),
        (585, "585x"),
    ],
)
def test_ratios_take_five_letters(ratio, text):
    assert bench.rows.times_as_fast(ratio) == text


@pytest.mark.parametrize(
    "seconds, text",
    [
        (2.5, "2500"),
        (0.1234, "123"),
        (0.01234, "12.3"),
        (0.001234, "1.23"),
        (0.0001234, "0.123"),
        (0.00001234, "0.0123"),
        (0.000001234, "0.0012"),
    ],
)
def test_milliseconds_have_the_digits_that_count(seconds, text):
    assert bench.rows.milliseconds(seconds) == text


def test_the_command_prints_tables_and_writes_everything(tmp_path, capsys):
    assert bench.command(
        threads=1, quick=True, only=["rnn", "inference"], peers=[], json=tmp_path / "bench.json"
    )
    printed = capsys.readouterr()
    assert (
        "inference: speed-up over the best library, and over each" in printed.out
        and "geometric mean" in printed.out
    )
    assert "RNN  inference 32,100,64,128" in printed.err
    assert os.listdir(tmp_path) == ["bench.json"]
    written = json.loads((tmp_path / "bench.json").read_text())
    assert (
        written["format"] == 2
        and written["threads"] == 1
        and {"ostinato", "torch"} <= written["machine"]["versions"].keys()
    )
    assert len(written["processors"] or [0]) == 1
    assert [(row["layer"], tuple(row["shape"])) for row in written["rows"]] == [
        ("RNN", shape) for shape in bench.QUICK_GRID
    ]
    for row in written["rows"]:
        assert row["ratios"]["torch"] == pytest.approx(
            row["peers"]["torch"]["median"] / row["ours"]["median"]
        )
        assert row["ours"].keys() == {
            "median",
            "lower",
            "upper",
            "samples",
            "calls",
            "first",
            "setting",
        }


def test_a_measuring_process_that_dies_is_an_error(capfd):
    with pytest.raises(EngineError, match="the measurement ended before its last row"):
        list(bench._measured({"threads": 1, "nonsense": True}))
    assert "nonsense" in capfd.readouterr().err


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"threads": 0}, "--threads 0: write a whole number from 1 to"),
        ({"threads": 10**6}, "--threads 1000000: write a whole number from 1 to"),
        ({"only": ["lstn"]}, "--only lstn: write one of RNN, LSTM, GRU, own, inference, training"),
        ({"peers": ["cudnn"]}, "--peers cudnn: write one of torch, onnxruntime, jax, keras"),
        (
            {"json": "no/such/place.json"},
            "--json no/such/place.json: 'no/such' is not a writable directory",
        ),
        (
            {"save_ratios": "no/such/place.json"},
            "--save-ratios no/such/place.json: 'no/such' is not a writable directory",
        ),
        ({"compare": "no/such/place.json"}, "the file 'no/such/place.json' does not exist"),
    ],
)
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message):
    with pytest.raises(InputError) as error:
        bench.command(**arguments)
    assert str(error.value).startswith(message)


# ---------------- holding a run against an earlier one


def _held(run, before, file="ratios.json"):
    """The comparison of a run with an earlier one, as a file holds it."""
    file.write_text(json.dumps(ratios.saved(before)))
    return ratios.compared(run, ratios.read(file), "ratios.json")


def _row(ours: float, width: float = 0.0, **peers: float):
    return bench.Row(
        "GRU",
        "training",
        SHAPE,
        _times(ours, width),
        1.0,
        {name: _times(median, width) for name, median in peers.items()},
    )


def test_the_file_has_ratios_and_no_times(run, tmp_path):
    file = tmp_path / "ratios.json"
    saved = ratios.saved(
        replace(run, rows=[replace(row, ours=_times(0.1, 0.2)) for row in run.rows])
    )
    assert saved.keys() == {"format", "processor", "threads", "versions", "rows"} and len(
        saved["rows"]
    ) == len(run.rows)
    assert saved["rows"]["LSTM training 32,100,128,256 L=2 D=2"]["keras"] == [
        1.2346,
        round(0.929 / 3 * math.hypot(0.2, 0.8), 4),
    ]
    file.write_text(json.dumps(saved))
    assert ratios.read(file)["rows"]["RNN inference 1,1,16,16"]["jax"].ratio == 1.2346


def test_a_run_is_not_worse_than_itself(run, tmp_path):
    run = replace(
        run,
        rows=[
            replace(row, ours=_times(), peers=dict.fromkeys(row.peers, _times()))
            for row in run.rows
        ],
    )
    assert _held(run, run, tmp_path / "f") == (
        [f"{len(run.rows)} rows compared with ratios.json: 0 slower"],
        False,
    )


@pytest.mark.parametrize(
    "now, worse",
    [
        (_row(1.0, torch=2.0, jax=3.0), False),
        # slower than before compared with everyone
        (_row(1.2, torch=2.0, jax=3.0), True),
        # a busy hour: everyone is slower
        (_row(3.0, torch=6.0, jax=9.0), False),
        # one peer got faster
        (_row(1.0, torch=1.0, jax=3.0), False),
        # within a tenth, and within what the samples' quartiles allow
        (_row(1.1, torch=2.0, jax=3.0), False),
        (_row(1.2, width=0.2, torch=2.0, jax=3.0), False),
        (_row(2.0, width=0.2, torch=2.0, jax=3.0), True),
        # only those that are in both runs count
        (_row(1.2, torch=2.0, keras=3.0), True),
        (_row(1.2, keras=3.0), False),
    ],
)
def test_a_row_is_worse_if_we_fell_behind_everyone_by_more_than_the_noise(
    run, tmp_path, now, worse
):
    before = replace(run, rows=[_row(1.0, torch=2.0, jax=3.0)])
    lines, failed = _held(replace(run, rows=[now]), before, tmp_path / "f")
    assert (
        failed == worse
        and any(line.startswith("slower: GRU training 1,3,8,8 compared with") for line in lines)
        == worse
    )


def test_a_worse_row_says_by_how_much(run, tmp_path):
    before, now = (replace(run, rows=[_row(ours, torch=2.0)]) for ours in (1.0, 2.0))
    assert _held(now, before, tmp_path / "f")[0][0] == (
        "slower: GRU training 1,3,8,8 compared with torch.nn: 2.00x before, 1.00x now (-50%; -10% "
        "is allowed)"
    )


def test_rows_in_which_little_can_be_seen_are_counted(run, tmp_path):
    before, now = (replace(run, rows=[_row(1.0, width, torch=2.0)]) for width in (0.0, 0.5))
    assert (
        _held(now, before, tmp_path / "f")[0][-1]
        == "1 of them vary so much that a decrease of more than 30% may go unnoticed"
    )


def test_another_machine_is_said_to_be_another(run, tmp_path):
    other = replace(
        run,
        threads=1,
        machine=run.machine | {"processor": "Abacus", "versions": {"torch": "1.2.4"}},
    )
    text = "\n".join(_held(replace(run, rows=run.rows[:-1]), other, tmp_path / "f")[0])
    assert (
        "another processor: Abacus in ratios.json, " in text
        and "another number of threads: 1 in ratios.json, 2 now" in text
    )
    assert "jax none then, 1.2.3 now" in text and "torch 1.2.4 then, 1.2.3 now" in text
    assert (
        f"{len(run.rows) - 1} rows compared" in text
        and "1 of the file's rows are not in this run" in text
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"format": 9}', '{"format": 1, "rows": {"a": {"b": 1}}}']
)
def test_another_file_than_ratios_is_refused(tmp_path, content):
    (tmp_path / "f").write_text(content)
    with pytest.raises(
        InputError,
        match=r"this is not a file of ratios .*; write one with: ostinato bench --save-ratios FILE",
    ):
        ratios.read(tmp_path / "f")


def test_the_command_writes_ratios_and_says_whether_a_run_holds(run, tmp_path, capsys, monkeypatch):
    found = [replace(run, rows=[_row(1.0, torch=2.0)])]
    monkeypatch.setattr(bench, "_measured", lambda *given: iter([(found[0], None)]))
    file = tmp_path / "ratios.json"
    assert bench.command(save_ratios=file) and bench.command(compare=file)
    assert f"1 rows compared with {file}: 0 slower" in capsys.readouterr().out
    found[0] = replace(run, rows=[_row(1.5, torch=2.0)])
    assert not bench.command(compare=file)
    assert f"1 rows compared with {file}: 1 slower" in capsys.readouterr().out
