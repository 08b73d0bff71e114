"""The loop, its budget, its checkpoints, and going on after a kill."""

import csv

import numpy as np
import pytest
import torch
from torch import nn

from ostinato import LSTM
from ostinato.data.batching import EvaluationText, ParallelStreams
from ostinato.data.files import read_tensors, write_tensors
from ostinato.errors import InputError
from ostinato.tasks.generate import LanguageModelLoss, NextNumber, measure
from ostinato.training import loop
from ostinato.training.checkpoint import read_checkpoint
from ostinato.training.loop import MEASUREMENTS, Budget, Watcher, fit, learning_rate_at
from runs import untimed

V = 5


class Tiny(nn.Module):
    """A next-number model of one small layer, with dropout so that random numbers matter."""

    def __init__(self, layer=nn.LSTM):
        super().__init__()
        self.embedding, self.layer, self.dropout, self.readout = (
            nn.Embedding(V, 4),
            layer(4, 7, batch_first=True),
            nn.Dropout(0.2),
            nn.Linear(7, V),
        )

    def forward(self, numbers, state=None):
        output, state = self.layer(self.embedding(numbers), state)
        return self.readout(self.dropout(output)), state


class Stop(Exception):
    """A run is broken off."""


class Notes(Watcher):
    """Writes down what it is told, and breaks off after a step."""

    def __init__(self, stop_after=None):
        self.moments, self.entries, self.stop_after = [], [], stop_after

    def stepped(self, moment):
        self.moments.append(moment)
        if moment.step == self.stop_after:
            raise Stop

    def measured(self, entry):
        self.entries.append(entry)


def run(
    directory,
    *,
    budget=Budget(steps=30),
    watcher=None,
    numbers=None,
    held_out=None,
    layer=nn.LSTM,
    **changed,
):
    """Train `Tiny` on a pattern that it can learn; the model and what the run did."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model, numbers = (
        Tiny(layer),
        np.tile(np.array([0, 1, 2, 3, 4, 3, 2, 1], np.int32), 40) if numbers is None else numbers,
    )
    options = {
        "learning_rate": 0.02,
        "clip": 1.0,
        "patience": 0,
        "checkpoint": directory / "c.safetensors",
        "save_best": lambda: write_tensors(directory / "best.safetensors", model.state_dict()),
        "checkpoint_seconds": 0.0,
    }
    problem = NextNumber(
        model,
        ParallelStreams(numbers, batch=3, length=6),
        EvaluationText(numbers[:90] if held_out is None else held_out),
        (1.0, 1.0),
    )
    return model, fit(problem, budget=budget, watcher=watcher, **options | changed)


def weights(model):
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def test_a_pattern_is_learned_and_the_watcher_sees_it(tmp_path):
    notes = Notes()
    model, progress = run(tmp_path, budget=Budget(steps=200), watcher=notes)
    assert progress.finished and progress.step == 200 and len(progress.history) == MEASUREMENTS
    assert progress.history[-1]["held_out_bits"] < 0.7 < 1.5 < progress.history[0]["held_out_bits"]
    assert notes.entries == progress.history and [m.step for m in notes.moments] == list(
        range(1, 201)
    )
    assert notes.moments[-1].used == 1.0 and notes.moments[-1].seconds_left == 0.0
    assert all(
        m.rate > 0
        and m.unit == "char"
        and m.shown == f"loss {m.loss:.3f}  {m.loss / np.log(2):.2f} bits"
        for m in notes.moments
    )


def test_a_measurement_is_the_mean_over_the_whole_held_out_text(tmp_path):
    numbers = np.tile(np.array([0, 1, 2, 3, 4, 3, 2, 1], np.int32), 40)
    model, progress = run(tmp_path)
    assert measure(model, EvaluationText(numbers[:90])) / np.log(2) == pytest.approx(
        progress.history[-1]["held_out_bits"], rel=1e-6
    )
    x = torch.from_numpy(numbers[:90].astype(np.int64))
    logits, _ = model.eval()(x[None, :-1])
    assert measure(model, EvaluationText(numbers[:90], length=7)) == pytest.approx(
        nn.functional.cross_entropy(logits[0], x[1:]).item(), rel=1e-5
    )


@pytest.mark.parametrize("stop_after", [1, 2, 3, 13, 29, 30])
def test_a_run_broken_off_ends_as_one_that_was_not(tmp_path, stop_after):
    (tmp_path / "whole").mkdir(), (tmp_path / "broken").mkdir()
    model, whole = run(tmp_path / "whole")
    with pytest.raises(Stop):
        run(tmp_path / "broken", watcher=Notes(stop_after))
    again, progress = run(tmp_path / "broken")
    assert torch.equal(weights(model), weights(again))
    assert untimed(progress.history) == untimed(whole.history)


def test_a_finished_run_is_not_done_again(tmp_path):
    _, first = run(tmp_path)
    notes = Notes()
    _, second = run(tmp_path, watcher=notes)
    assert second == first or untimed(second.history) == untimed(first.history)
    assert notes.moments == []


def test_seconds_before_a_stop_count_in_the_budget(tmp_path, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(loop.time, "perf_counter", lambda: clock.seconds)
    with pytest.raises(Stop):
        run(tmp_path, budget=Budget(seconds=1.0), watcher=SlowNotes(20, clock))
    spent, _ = read_checkpoint(tmp_path / "c.safetensors")
    assert 0.4 < spent.seconds <= 0.5
    clock.seconds = 100.0
    notes = SlowNotes(None, clock)
    _, progress = run(tmp_path, budget=Budget(seconds=1.0), watcher=notes)
    assert 1.0 <= progress.seconds < 1.1 and progress.finished
    assert 20 <= len(notes.moments) <= 25


class Clock:
    """A clock that advances when it is told to."""

    seconds = 0.0


class SlowNotes(Notes):
    """Each step takes 25 ms of the clock."""

    def __init__(self, stop_after, clock):
        super().__init__(stop_after)
        self.clock = clock

    def stepped(self, moment):
        self.clock.seconds += 0.025
        super().stepped(moment)


def test_the_history_is_a_csv_file_that_a_run_gone_on_with_keeps_whole(tmp_path):
    log = tmp_path / "history.csv"
    with pytest.raises(Stop):
        run(tmp_path, watcher=Notes(20), log=log)
    assert len(log.read_text().splitlines()) > 3
    _, progress = run(tmp_path, log=log)
    with open(log, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [{name: float(value) for name, value in row.items()} for row in rows] == progress.history


def test_products_of_bfloat16_learn_as_well(tmp_path):
    ends = {}
    for mixed in (False, True):
        (tmp_path / str(mixed)).mkdir()
        # torch.nn.LSTM has no bfloat16 on processors with AVX2 alone
        _, progress = run(tmp_path / str(mixed), mixed=mixed, layer=LSTM)
        ends[mixed] = progress.best
    assert ends[True] == pytest.approx(ends[False], rel=0.05) and ends[True] != ends[False]


def test_a_measurement_without_a_value_is_the_worst(tmp_path, monkeypatch):
    found = iter([None, 2.0, None, 1.0, *[3.0] * 20])
    monkeypatch.setattr(LanguageModelLoss, "result", lambda self: {"held_out_bits": next(found)})
    kept = []
    _, progress = run(tmp_path, patience=MEASUREMENTS, save_best=lambda: kept.append(True))
    assert progress.best == 1.0 and len(kept) == 3


def test_it_stops_early_where_nothing_gets_better(tmp_path):
    noise, other = np.random.default_rng(0).integers(0, V, (2, 320)).astype(np.int32)
    _, progress = run(
        tmp_path,
        budget=Budget(steps=600),
        numbers=noise,
        held_out=other,
        patience=2,
        learning_rate=0.05,
        checkpoint_seconds=9.0,
    )
    assert progress.finished and progress.step < 600 and progress.waited == 2
    bits = [entry["held_out_bits"] for entry in progress.history]
    assert min(bits) == progress.best == min(bits[:-2])


def test_patience_starts_when_the_training_loss_has_fallen(tmp_path, monkeypatch):
    """The metric never improves; the loss is flat for six parts of the run and then falls."""
    monkeypatch.setattr(LanguageModelLoss, "result", lambda self: {"held_out_bits": 1.0})
    losses = iter([2.0, 1.97, 2.01, 1.99, 1.98, 2.02, 1.5, *[1.2] * 20])
    monkeypatch.setattr(
        NextNumber, "trained", lambda self, loss: {"bits": next(losses) if loss else 0.0}
    )
    _, progress = run(tmp_path, patience=2)
    assert progress.finished and progress.part == 8 and progress.waited == 2


def test_the_best_weights_are_kept(tmp_path):
    noise, other = np.random.default_rng(0).integers(0, V, (2, 320)).astype(np.int32)
    model, progress = run(
        tmp_path,
        budget=Budget(steps=300),
        numbers=noise,
        held_out=other,
        learning_rate=0.05,
        checkpoint_seconds=9.0,
    )
    assert progress.history[-1]["held_out_bits"] > progress.best
    model.load_state_dict(read_tensors(tmp_path / "best.safetensors")[0])
    assert measure(model, EvaluationText(other)) / np.log(2) == pytest.approx(
        progress.best, rel=1e-6
    )


def test_gradients_are_cut_to_the_norm(tmp_path):
    plain, _ = run(tmp_path, budget=Budget(steps=1), learning_rate=1e-3)
    (tmp_path / "c.safetensors").unlink()
    torch.manual_seed(0)
    start = weights(Tiny())
    # AdamW divides by the gradient's size, so only a gradient near its epsilon shows the cut
    cut, _ = run(tmp_path, budget=Budget(steps=1), learning_rate=1e-3, clip=1e-9)
    assert (weights(cut) - start).abs().max() < 0.2 * (weights(plain) - start).abs().max()


def test_a_loss_that_is_not_a_number_ends_the_run_with_the_fix(tmp_path):
    with pytest.raises(
        InputError,
        match=r"the loss became (nan|inf) at step \d+ with --learning-rate 1e\+30; write a smaller "
        r"one",
    ):
        run(tmp_path, learning_rate=1e30)


def test_learning_rate_warms_up_then_falls():
    rates = [learning_rate_at(used) for used in np.linspace(0, 1, 101)]
    assert rates[0] > 0 and max(rates) == rates[5] == pytest.approx(1.0)
    assert (
        rates[:6] == sorted(rates[:6])
        and rates[5:] == sorted(rates[5:], reverse=True)
        and 0 < rates[-1] < 0.05
    )


@pytest.mark.parametrize("steps", [1, 5, 12, 13, 1000])
def test_parts_of_a_budget_of_steps_end_at_its_last_step(steps):
    ends = [Budget(steps=steps).end_of(part) for part in range(MEASUREMENTS + 1)]
    assert ends == sorted(ends) and ends[-1] == steps


def test_a_slow_part_uses_the_time_of_those_after_it():
    assert Budget(seconds=12.0).part_after(2, 3.1) == 3
    assert Budget(seconds=12.0).part_after(2, 7.5) == 7
    assert Budget(seconds=12.0).is_used_up(10, Budget(seconds=12.0).part_after(2, 12.0))


def test_a_checkpoint_of_another_version_or_run_is_refused(tmp_path):
    run(tmp_path)
    path = tmp_path / "c.safetensors"
    tensors, said = read_tensors(path)
    said["progress"]["finished"] = False
    write_tensors(path, tensors, said | {"version": 99})
    with pytest.raises(
        InputError, match="is a checkpoint of version 99; this version of ostinato reads version 1"
    ):
        run(tmp_path)
    write_tensors(path, tensors, {"version": 1, "progress": {"place": 3}})
    with pytest.raises(InputError, match="has no valid progress"):
        run(tmp_path)
    write_tensors(
        path, {name: value for name, value in tensors.items() if "readout" not in name}, said
    )
    with pytest.raises(InputError, match="does not fit the run"):
        run(tmp_path)
    path.write_bytes(path.read_bytes()[:-7])
    with pytest.raises(
        InputError, match=r"'.*c.safetensors' \(\d+ bytes\) is truncated or damaged"
    ):
        run(tmp_path)
