"""python -m ostinato.tf1 runs programs whose imports name TensorFlow."""

import subprocess
import sys

import pytest

from ostinato.tf1 import __main__

PROGRAM = """
import sys
import tensorflow as tf
from tensorflow.contrib import rnn
from tensorflow.contrib.seq2seq.python.ops import attention_wrapper
from tensorflow.python import debug as tf_debug
from tensorflow.python.ops import array_ops, rnn_cell
import tensorflow.contrib.layers as layers
from part import NAME

assert tf.float32.name == NAME and rnn.BasicLSTMCell is tf.nn.rnn_cell.BasicLSTMCell
print(sys.argv[1:], tf.__version__)
"""


def _run(folder, *arguments):
    command = [sys.executable, "-m", "ostinato.tf1", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def test_a_program_and_a_module_run_unchanged(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "part.py").write_text("NAME = 'float32'\n")
    package = tmp_path / "package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "program.py").write_text(PROGRAM.replace("from part", "from .part"))
    (package / "part.py").write_text("NAME = 'float32'\n")
    for run in ([str(tmp_path / "program.py")], ["-m", "package.program"]):
        ran = _run(tmp_path, *run, "--size=3")
        assert (ran.returncode, ran.stdout) == (0, "['--size=3'] 1.13.1\n"), ran.stderr


@pytest.fixture
def own_imports(monkeypatch):
    """The lists of the interpreter that a program changes, and its modules, are put back."""
    for name in ("meta_path", "argv", "path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    monkeypatch.setitem(sys.modules, "tensorflow", None)


@pytest.mark.usefixtures("own_imports")
@pytest.mark.parametrize(
    "line, word",
    [
        ("from tensorflow.contrib import cudnn_rnn", "cudnn_rnn"),
        ("import tensorflow.contrib.cudnn_rnn", "LSTMBlockFusedCell"),
    ],
)
def test_a_missing_module_says_what_to_write(line, word, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"{line}\n")
    with pytest.raises(ImportError, match=word):
        __main__.main([str(program)])


def test_a_path_that_is_not_a_file_is_an_error(capsys):
    assert __main__.main(["none.py"]) == 2
    assert "'none.py' is not a file" in capsys.readouterr().err
