"""Options: their ranges, words and errors, which Python and the command line share."""

import math
from dataclasses import fields

import pytest
import torch

from ostinato.errors import InputError
from ostinato.options import Options, check_resumed_options, flag, kind


@pytest.mark.parametrize(
    "options, message",
    [
        ({"cell": "lstn"}, r"--cell lstn: did you mean lstm\? Write one of .*elman, "),
        ({"cell": "xxx"}, r"--cell xxx: Write one of .*elman, "),
        ({"hidden": 0}, r"--hidden 0: write a whole number from 1 to 16384, such as 128"),
        ({"hidden": True}, r"--hidden True: write a whole number"),
        ({"batch": 2.5}, r"--batch 2.5: write a whole number"),
        (
            {"learning_rate": math.nan},
            r"--learning-rate nan: write a number from 1e-09 to 10, such as 0.003",
        ),
        ({"dropout": 1.0}, r"--dropout 1.0: write a number from 0 to 0.99"),
        ({"seconds": 0}, r"--seconds 0: write a number from 0.1 to 1e\+09$"),
        (
            {"seconds": 5, "epochs": 2},
            r"--epochs 2 and --seconds 5: a run has only one length; keep one of them",
        ),
        (
            {"engine": "torch", "cell": "min_gru"},
            r"--engine torch with --cell min_gru: torch.nn only has elman, lstm, gru",
        ),
        ({"seed": None}, r"--seed None: write a whole number from 0"),
    ],
)
def test_an_option_that_cannot_be_used_is_refused(options, message):
    with pytest.raises(InputError, match=message):
        Options(**options)


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(
        InputError,
        match="--device cuda: torch does not find a GPU on this machine; write --device cpu",
    ):
        Options(device="cuda")
    with pytest.raises(
        InputError, match="--mixed-precision without --device cuda: it requires a GPU; leave it out"
    ):
        Options(mixed_precision=True)


def test_every_option_has_a_range_or_words_and_a_help_sentence():
    for one in fields(Options):
        about = one.metadata
        assert about["help"].endswith((".", "...")) and (
            about["choices"] or about["low"] is not None or kind(one) in (bool, str)
        )
        assert one.default is not None or about["default_text"]


def test_a_run_that_goes_on_keeps_its_options():
    check_resumed_options(
        Options(hidden=7, layers=2), Options(layers=2), frozenset({"layers"}), "run"
    )
    with pytest.raises(
        InputError,
        match=r"--hidden 7 with --resume: the run in 'run' has --hidden 128; leave the option out, "
        r"or start a new run",
    ):
        check_resumed_options(Options(hidden=7), Options(), frozenset({"hidden"}), "run")
    with pytest.raises(
        InputError, match=r"--steps 7 with --resume: the run in 'run' was started without --steps"
    ):
        check_resumed_options(Options(steps=7), Options(), frozenset({"steps"}), "run")


def test_a_flag_is_spelled_as_on_the_command_line():
    assert flag("learning_rate") == "--learning-rate"


def test_a_cell_that_wants_a_second_input_is_none_of_a_task():
    with pytest.raises(InputError, match="--cell phased_lstm: .*Write one of elman, "):
        Options(cell="phased_lstm")
