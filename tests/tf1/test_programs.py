"""Programs in the manner of the public ones train, save, and continue in another process."""

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import ostinato.tf1 as tf
from places import ROOT

PROGRAMS = Path(__file__).parent / "programs"


def _main(name):
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.main


def _elsewhere(name, *arguments):
    """The losses that a program prints in a process of its own."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    command = [sys.executable, PROGRAMS / f"{name}.py", *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return re.findall(r"^loss (\S+)$", done.stdout, re.M)


def _variables(directory):
    """The bytes of the variables of the last checkpoint, by name."""
    reader = tf.train.NewCheckpointReader(tf.train.latest_checkpoint(directory))
    return {n: reader.get_tensor(n).tobytes() for n in reader.get_variable_to_shape_map()}


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("characters", []),
        ("penn_treebank", ["static"]),
        ("penn_treebank", ["dynamic"]),
        ("digits", []),
        ("activities", []),
        ("tagger", []),
        ("translate", []),
    ],
)
def test_a_program_continues_from_its_checkpoint_to_the_same_numbers(name, options, tmp_path):
    """24 steps in one go; the last 12 again from the first checkpoint, in another process."""
    straight, again = str(tmp_path / "straight"), str(tmp_path / "again")
    os.mkdir(straight)
    losses = _main(name)(straight, 24, *options)
    assert np.isfinite(losses).all() and np.mean(losses[-6:]) < np.mean(losses[:6])

    shutil.copytree(straight, again, ignore=shutil.ignore_patterns("*-24.*", "checkpoint"))
    first, _last = tf.train.get_checkpoint_state(straight).all_model_checkpoint_paths
    tf.train.update_checkpoint_state(again, first.replace(straight, again))
    assert _elsewhere(name, again, "12", *options) == [str(loss) for loss in losses[12:]]
    assert _variables(again) == _variables(straight)


def test_a_program_that_draws_numbers_continues_alike_in_any_process(tmp_path):
    """A session draws from the start, so sessions that read the same checkpoint are compared."""
    main, here, there = _main("chatbot"), str(tmp_path / "here"), str(tmp_path / "there")
    os.mkdir(here)
    losses = main(here, 12)
    shutil.copytree(here, there)
    losses += main(here, 12)
    assert np.isfinite(losses).all() and np.mean(losses[-6:]) < np.mean(losses[:6])
    assert _elsewhere("chatbot", there, "12") == [str(loss) for loss in losses[12:]]
    assert _variables(there) == _variables(here)
