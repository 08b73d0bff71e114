"""The history of a run is written as event files that TensorBoard reads."""

import re

import pytest

from ostinato.errors import MissingExtra
from ostinato.tasks import Classifier
from ostinato.training import event_log
from ostinato.training.event_log import EventLog

LINES = [
    {"step": 5, "seconds": 1.0, "training_loss": 2.0, "held_out_loss": 2.5, "accuracy": 0.5},
    {"step": 10, "seconds": 2.0, "training_loss": 1.0, "held_out_loss": None, "accuracy": 0.75},
]
TEXTS = (["good film"] * 8 + ["나쁘다"] * 8, ["+"] * 8 + ["-"] * 8)


def scalars(directory) -> dict[str, list[tuple[int, float]]]:
    """The steps and values of each scalar, read by TensorBoard."""
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    found = reader.EventAccumulator(str(directory)).Reload()
    return {
        tag: [(event.step, event.value) for event in found.Scalars(tag)]
        for tag in found.Tags()["scalars"]
    }


def test_tensorboard_reads_every_value_once_after_a_restart_too(tmp_path):
    pytest.importorskip("tensorboard")
    wanted = {
        "training/loss": [(5, 2.0), (10, 1.0)],
        "validation/loss": [(5, 2.5)],
        "validation/accuracy": [(5, 0.5), (10, 0.75)],
    }
    log = EventLog(tmp_path, LINES[:1])
    log.add(LINES[1])
    log.close()
    assert scalars(tmp_path) == wanted
    # a resumed run, whose checkpoint may be behind its log
    log = EventLog(tmp_path, LINES[:1])
    log.add(LINES[1])
    log.close()
    assert scalars(tmp_path) == wanted


def test_a_run_logs_its_history(tmp_path):
    pytest.importorskip("tensorboard")
    model = Classifier(hidden=4, embedding=4, steps=12, spelling=False, log="tensorboard")
    model.fit(TEXTS, out=tmp_path / "model", threads=1)
    found = scalars(tmp_path / "model" / "tensorboard")
    history = [(line["step"], line["training_loss"]) for line in model.result.history]
    assert found["training/loss"] == [(step, pytest.approx(loss)) for step, loss in history]
    assert {"validation/loss", "validation/accuracy"} <= found.keys()


def test_without_tensorboard_the_error_names_the_extra_and_nothing_is_written(
    tmp_path, monkeypatch
):
    monkeypatch.setattr(event_log, "find_spec", lambda name: None)
    model = Classifier(hidden=4, steps=2, log="tensorboard")
    with pytest.raises(MissingExtra, match=re.escape("pip install '.[tensorboard]'")):
        model.fit(TEXTS, out=tmp_path / "model")
    assert not (tmp_path / "model").exists()
