"""Every cell that a task can take is trained with the same budget, a run goes on where it was
ended, and divergence is told.
"""

import pytest
import torch

from catalogue import trained
from catalogue.measured import Learned, Measured, read
from catalogue.measured import write as write_measured
from catalogue.trained import train
from ostinato.cells import CELLS
from ostinato.errors import InputError
from ostinato.options import ONE_INPUT
from ostinato.tasks.classify import ClassifyModel, ClassifyOptions
from ostinato.tasks.generate import NextNumber

SMALL = {
    "classify": (
        "learn.csv",
        "test.csv",
        "accuracy",
        {"features": 2, "hidden": 4, "steps": 2, "seed": 1, "patience": 0},
    ),
    "generate": (
        "learn.txt",
        "test.txt",
        "nats_per_character",
        {"hidden": 4, "batch": 2, "sequence_length": 8, "steps": 2, "seed": 1, "patience": 0},
    ),
}


@pytest.fixture
def small(monkeypatch, write):
    """Little data, few steps and three cells; gives the directory."""
    monkeypatch.setattr(trained, "TASKS", SMALL)
    monkeypatch.setattr(trained, "ONE_INPUT", ("lstm", "gru", "lru"))
    write("learn.csv", "".join(f"{k % 2},{k % 2},0.5,{k % 3},0.25\n" for k in range(20)))
    write("test.csv", "0,0,0.5,1,0.25\n1,1,0.5,0,0.25\n")
    write("test.txt", "abcd" * 10)
    return write("learn.txt", "abcd" * 40).parent


def test_every_cell_that_takes_one_input_is_trained_in_both_tasks(small, tmp_path):
    said = []
    train(tmp_path / "cells.json", small, say=said.append)
    found = read(tmp_path / "cells.json").learned
    assert [(task, list(one.values)) for task, one in found.items()] == [
        (task, ["lstm", "gru", "lru"]) for task in SMALL
    ]
    assert [one.options for one in found.values()] == [row[-1] for row in SMALL.values()]
    assert [(one.rows, one.test_rows) for one in found.values()] == [(20, 2), (160, 40)]
    assert (
        found["classify"].values["gru"] in (0.0, 0.5, 1.0)
        and 0 < found["generate"].values["gru"] < 3
    )
    assert len(said) == 6 and said[0].startswith(
        f"lstm classify {found['classify'].values['lstm']}, "
    )


def test_a_run_goes_on_where_it_was_ended(small, tmp_path, monkeypatch):
    path, asked = tmp_path / "cells.json", []

    def result(task, name, data):
        asked.append((task, name))
        if len(asked) == 4:
            raise KeyboardInterrupt
        return float(len(asked))

    monkeypatch.setattr(trained, "_result", result)
    with pytest.raises(KeyboardInterrupt):
        train(path, small, say=asked.count)
    assert [one.values for one in read(path).learned.values()] == [
        {"lstm": 1, "gru": 3},
        {"lstm": 2},
    ]
    train(path, small, say=asked.count)
    assert asked[4:] == [("generate", "gru"), ("classify", "lru"), ("generate", "lru")]
    train(path, small, only="gru", say=asked.count)
    assert asked[7:] == [("classify", "gru"), ("generate", "gru")]


def test_results_of_another_budget_are_left_and_times_stay(small, tmp_path, monkeypatch):
    path = tmp_path / "cells.json"
    write_measured(
        path,
        Measured(
            None,
            {
                "classify": Learned(SMALL["classify"][-1] | {"steps": 3}, 20, 2, {"lstm": 0.5}),
                "generate": Learned(SMALL["generate"][-1], 160, 40, {"lstm": 1.5}),
            },
        ),
    )
    monkeypatch.setattr(trained, "_result", lambda task, name, data: 0.25)
    train(path, small, only="gru", say=str)
    assert [one.values for one in read(path).learned.values()] == [
        {"gru": 0.25},
        {"lstm": 1.5, "gru": 0.25},
    ]


def test_a_cell_whose_loss_becomes_no_number_has_diverged(small, tmp_path, monkeypatch):
    def loss(self, batch, carried):
        found, count, state = usual(self, batch, carried)
        return found * float("nan"), count, state

    usual = NextNumber.loss
    monkeypatch.setattr(NextNumber, "loss", loss)
    train(tmp_path / "cells.json", small, only="gru", say=str)
    found = read(tmp_path / "cells.json").learned
    assert found["generate"].values == {"gru": None} and found["classify"].values["gru"] is not None


@pytest.mark.parametrize(
    "name, fix",
    [("grus", "did you mean gru"), ("nothing", "Write one of lstm, gru"), ("phased_lstm", "")],
)
def test_a_cell_that_no_task_takes_is_refused(name, fix, small, tmp_path):
    with pytest.raises(InputError, match=f"--only {name}: .*{fix}"):
        train(tmp_path / "cells.json", small, only=name)


def test_data_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="the file .*hand_gesture/train.csv' does not exist"):
        train(tmp_path / "cells.json", tmp_path)
    assert not (tmp_path / "cells.json").exists()


def test_the_tasks_take_nearly_all_cells():
    assert {*CELLS} - {*ONE_INPUT} == {"phased_lstm"}


@pytest.mark.parametrize("name", ONE_INPUT)
def test_a_classifier_of_two_directions_is_made_with_every_cell_of_one_input(name):
    model = ClassifyModel(2, 3, ClassifyOptions(cell=name, hidden=4), text=False)
    assert model(torch.ones(2, 3, 2), torch.tensor([3, 1])).shape == (2, 3)
