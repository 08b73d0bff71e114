"""The benchmark: turns are fair, other numbers are refused, and what is printed and written is whole."""

import json
import os
import threading
import time

import numpy as np
import pytest
import torch
from rich.console import Console

from ostinato import bench
from ostinato.bench import measure, peers
from ostinato.bench.peak import Peak
from ostinato.bench.peers import Runner
from ostinato.engines import native
from ostinato.errors import EngineError, InputError

SHAPE = (1, 3, 8, 8)


@pytest.fixture(autouse=True)
def _short(monkeypatch):
    monkeypatch.setattr(measure, "QUICK", (0.0, 2))
    monkeypatch.setattr(measure, "SAMPLE", 1e-4)
    monkeypatch.setattr("ostinato.bench.peak.SECONDS", 1e-3)


@pytest.fixture
def run():
    """A whole run of invented times."""

    def row(layer, mode, shape, names):
        times = bench.Times(0.123456, 0.1, 0.2, 9, 1, 1.2345, "")
        return bench.Row(layer, mode, shape, times, 1.2345, dict.fromkeys(names, times), 0.9)

    rows = [row(layer, mode, shape, ["torch", "jax"] + ["onnxruntime"] * (mode == "inference"))
            for layer in ("RNN", "LSTM", "GRU") for mode in bench.MODES for shape in bench.GRID]
    rows += [row("own", mode, shape, ["ostinato.LSTM"]) for mode in bench.MODES for shape in bench.OWN_GRID]
    return bench.Run(rows, 2, [0, 1], 2.5e11, {}, measure._machine() | {"versions": dict.fromkeys(bench.PEERS, "1.2.3")})


def _printed(run) -> str:
    console = Console(width=80)
    with console.capture() as printed:
        for part in bench.table(run):
            console.print(part)
    return printed.get()


# ---------------------------------------------------------------- measuring


@pytest.mark.parametrize("layer", ["RNN", "LSTM", "GRU"])
@pytest.mark.parametrize("training", [False, True], ids=["inference", "training"])
@pytest.mark.parametrize("peer, setting", [("torch", "batch_first=True"), ("onnxruntime", ""), ("jax", "")])
def test_a_peer_computes_what_torch_does(layer, training, peer, setting):
    for module in peers._NEEDS[peer]:
        pytest.importorskip(module)
    made = getattr(torch.nn, layer)(4, 5), torch.randn(3, 2, 4), torch.randn(3, 2, 5), training, 1
    runner, torchs = peers.MAKERS[peer][setting](*made), peers.MAKERS["torch"]["batch_first=False"](*made)
    if runner is None:
        assert training and peer == "onnxruntime"
        return
    given, wanted = runner.arrays(runner.call()), torchs.arrays(torchs.call())
    assert len(given) == len(wanted) == (5 if training else 1)
    measure._compare(peer, given, wanted)


@pytest.mark.parametrize("peer, modes", [("torch", 2), ("onnxruntime", 1), ("jax", 2)])
def test_a_peer_is_timed(peer, modes):
    for module in peers._NEEDS[peer]:
        pytest.importorskip(module)
    run = measure.measure(threads=1, quick=True, layers=("RNN", "GRU"), peers=[peer], shapes=[SHAPE])
    assert not run.missing and [(row.layer, row.mode, row.shape) for row in run.rows] == [
        (layer, mode, SHAPE) for layer in ("RNN", "GRU") for mode in bench.MODES]
    timed = [row for row in run.rows if peer in row.peers]
    assert len(timed) == 2 * modes
    for row in timed:
        theirs = row.peers[peer]
        assert row.ratios == {peer: theirs.median / row.ours.median}
        assert 0 < theirs.lower <= theirs.median <= theirs.upper and theirs.first > 0 and row.warm > 0


def test_the_users_own_cell_is_held_against_the_built_in_lstm():
    run = measure.measure(threads=1, quick=True, layers=("own",), peers=["torch"], shapes=[SHAPE])
    assert [list(row.peers) for row in run.rows] == [["ostinato.LSTM"]] * 2


def test_the_share_of_the_peak_follows_from_the_multiply_adds():
    run = measure.measure(threads=1, quick=True, layers=("LSTM",), modes=("training",), peers=[], shapes=[SHAPE])
    row = run.rows[0]
    assert row.operations == 3 * 2 * (1 * 3) * (4 * 8) * (8 + 8)
    if run.peak is None:
        pytest.skip(native.host()[1])
    assert row.share == pytest.approx(row.operations / row.ours.median / run.peak)


def test_torch_keeps_its_threads():
    before = torch.get_num_threads()
    measure.measure(threads=before + 1, quick=True, layers=("RNN",), modes=("inference",), peers=[], shapes=[SHAPE])
    assert torch.get_num_threads() == before


def test_the_peak_is_what_all_threads_reach():
    if native.host()[0] is None:
        pytest.skip(native.host()[1])
    peak = Peak(2)
    peak()
    best = peak.best
    assert 1e9 < best < 1e13
    peak()
    assert peak.best >= best
    # Every chain ends at 1, in every lane of both threads.
    lanes, sums = native.host()[0].lanes, 24 if native.host()[0].registers >= 32 else 12
    found = np.frombuffer(peak._words, np.float32)[16:].reshape(2, 16)[:, :lanes]
    assert (found == sums).all()


def test_there_is_no_peak_without_kernels(monkeypatch, run):
    monkeypatch.setattr(native, "host", lambda: (None, "no vectors"))
    peak = Peak(1)
    peak()
    assert peak.best is None
    assert "peak: none" in _printed(bench.Run(run.rows, 1, None, None, {}, run.machine))


@pytest.mark.parametrize("wrong", [1.0, float("nan")])
def test_a_peer_with_other_numbers_is_refused(monkeypatch, wrong):
    def other(*made):
        right = peers.ours(*made)
        return Runner(right.call, lambda result: [a + wrong for a in right.arrays(result)])

    monkeypatch.setitem(peers.MAKERS, "torch", {"": other})
    with pytest.raises(EngineError, match=r"torch.nn, GRU inference \(1, 3, 8, 8\): its outputs are up to .* do not compute the same"):
        measure.measure(threads=1, quick=True, layers=("GRU",), modes=("inference",), peers=["torch"], shapes=[SHAPE])


def test_of_a_peers_settings_the_fastest_is_timed(monkeypatch):
    def slow(*made):
        right = peers.ours(*made)
        return Runner(lambda: (time.sleep(0.02), right.call())[1], right.arrays)

    monkeypatch.setitem(peers.MAKERS, "torch", {"slow": slow, "fast": peers.ours})
    run = measure.measure(threads=1, quick=True, layers=("RNN",), modes=("inference",), peers=["torch"], shapes=[SHAPE])
    assert run.rows[0].peers["torch"].setting == "fast"


def test_a_peer_that_is_not_there_is_said_to_be_missing(monkeypatch, run):
    monkeypatch.setitem(peers._NEEDS, "jax", ("no_such_library",))
    found = measure.measure(threads=1, quick=True, layers=("RNN",), modes=("inference",), peers=["jax"], shapes=[SHAPE])
    assert found.missing == {"jax": "no_such_library is not installed (pip install '.[bench]')"}
    assert found.rows[0].peers == {}
    assert "JAX is left out: no_such_library is not installed" in _printed(found)


# ---------------------------------------------------------------- taking turns


def test_everyone_has_one_sample_a_round_and_who_begins_changes(monkeypatch):
    monkeypatch.setattr(measure, "_settle", lambda: None)
    monkeypatch.setattr(measure, "LONG", 0.0)
    turns = []

    def runner(name):
        return Runner(lambda: (turns.append(name), time.sleep(2e-4)), lambda result: [])

    found = measure.alternate({name: runner(name) for name in "abc"}, budget=0.0, fewest=4)
    assert "".join(turns[-12:]) == "abc" "bca" "cab" "abc"
    assert all(rounds == 4 and calls == 1 and lower <= median <= upper for median, lower, upper, rounds, calls in found.values())


def test_short_calls_are_repeated_until_a_sample_is_long_enough(monkeypatch):
    monkeypatch.setattr(measure, "_settle", lambda: None)
    monkeypatch.setattr(measure, "SAMPLE", 5e-3)
    median, *_, calls = measure.alternate({"": Runner(lambda: time.sleep(1e-4), lambda result: [])}, budget=0.0, fewest=3)[""]
    assert calls > 1 and 1e-4 < median < 5e-3


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


def test_the_measuring_process_gets_so_many_processors_and_this_one_keeps_its_own(monkeypatch):
    monkeypatch.setenv("OMP_PROC_BIND", "true")
    before = dict(os.environ)
    with bench._surroundings(1):
        assert os.environ["OMP_NUM_THREADS"] == os.environ["NPROC"] == "1" and "OMP_PROC_BIND" not in os.environ
        if hasattr(os, "sched_getaffinity"):
            assert len(os.sched_getaffinity(0)) == 1
    assert dict(os.environ) == before
    if hasattr(os, "sched_getaffinity"):
        assert sorted(bench._processors()[0]) == sorted(os.sched_getaffinity(0))


# ---------------------------------------------------------------- what is shown and written


def test_the_tables_fit_in_80_columns(run):
    text = _printed(run)
    assert all(len(line) <= 80 for line in text.splitlines()) and "…" not in text
    assert "torch.nn ONNX RT" in text and text.count("1.00x") == 3 * 21 + 3 + 2 * 21 + 2
    lines = [line.split() for line in text.splitlines()]
    assert ["LSTM", "64,100,256,512", "123~", "1.00x", "1.00x", "1.00x", "90%", "1234", "1234"] in lines
    assert ["training", "64,100,256,512", "123~", "123", "1.00", "90%", "1234", "1234"] in lines
    for line in ("peak: 250 GFLOP/s", "~ unsteady", "beside torch.nn 1.2.3, ONNX Runtime 1.2.3, JAX 1.2.3"):
        assert line in text


@pytest.mark.parametrize("seconds, text", [(2.5, "2500"), (0.1234, "123"), (0.01234, "12.3"), (0.001234, "1.23"), (0.0001234, "0.123"),
                                           (0.00001234, "0.0123"), (0.000001234, "0.0012")])
def test_milliseconds_have_the_digits_that_count(seconds, text):
    assert bench.rows.milliseconds(seconds) == text


def test_the_command_prints_tables_and_writes_everything(tmp_path, capsys):
    bench.command(threads=1, quick=True, only=["rnn", "inference"], peers=[], json=tmp_path / "bench.json")
    printed = capsys.readouterr()
    assert "inference: how many times as fast as each peer" in printed.out and "geometric mean" in printed.out
    assert "RNN  inference 32,100,64,128" in printed.err
    assert os.listdir(tmp_path) == ["bench.json"]
    written = json.loads((tmp_path / "bench.json").read_text())
    assert written["format"] == 1 and written["threads"] == 1 and {"ostinato", "torch"} <= written["machine"]["versions"].keys()
    assert len(written["processors"] or [0]) == 1
    assert [(row["layer"], tuple(row["shape"])) for row in written["rows"]] == [("RNN", shape) for shape in bench.QUICK_GRID]
    for row in written["rows"]:
        assert row["ratios"]["torch"] == pytest.approx(row["peers"]["torch"]["median"] / row["ours"]["median"])
        assert row["ours"].keys() == {"median", "lower", "upper", "samples", "calls", "first", "setting"}


def test_a_measuring_process_that_dies_is_an_error(capfd):
    with pytest.raises(EngineError, match="the measuring ended before its last row"):
        list(bench._measured({"threads": 1, "nonsense": True}))
    assert "nonsense" in capfd.readouterr().err


@pytest.mark.parametrize("arguments, message", [
    ({"threads": 0}, "--threads 0: write a whole number from 1 to"),
    ({"threads": 10**6}, "--threads 1000000: write a whole number from 1 to"),
    ({"only": ["lstn"]}, "--only lstn: write one of RNN, LSTM, GRU, own, inference, training"),
    ({"peers": ["keras"]}, "--peers keras: write one of torch, onnxruntime, jax"),
    ({"json": "no/such/place.json"}, "--json no/such/place.json: 'no/such' is no directory that can be written"),
])
def test_wrong_arguments_are_refused_before_anything_is_measured(arguments, message):
    with pytest.raises(InputError) as error:
        bench.command(**arguments)
    assert str(error.value).startswith(message)
