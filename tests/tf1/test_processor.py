"""The digits of tf1 do not depend on the processor: its arithmetic uses no function whose last digits
do, but for those that are listed, and a training run ends with the same bits whatever NumPy, BLAS,
torch and the engine may use of the processor.

Not listed are sums: NumPy adds numbers in an order that its source fixes, whatever the registers are.
Nor are functions of the module `math`: the C library has one version of each for all processors with
fused multiply-add, of both vendors.
"""

import ast
import functools
import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import ostinato.tf1 as tf

PACKAGE = Path(tf.__file__).parent

# Functions of NumPy with code of its own for some processors, or by BLAS and LAPACK, whose code is
# another one on each.
DEPENDENT = set(
    "exp exp2 expm1 log log2 log10 log1p sin cos tan arcsin arccos arctan arctan2 sinh cosh tanh "
    "arcsinh arccosh arctanh power float_power cbrt hypot logaddexp logaddexp2 dot vdot inner "
    "matmul einsum tensordot correlate convolve sinc i0 linalg fft".split()
)

OTHER_DTYPES = "of float64 and float16, which are NumPy's as docs/tf1.md says; float32 is exact"
FINITE = "only where it is infinite or not defined: finite numbers are the C library's"
EDGES = "only the signs, and numbers below the smallest normal one or that are not finite"
SCALAR = "NumPy computes it by the C library, number by number, on every processor"
PREPARED = "prepares data outside of the graph, as TensorFlow does with NumPy"
FULL = "full_matrices=True alone, which no initializer uses; its digits are LAPACK's"

ALLOWED = {
    "kernels/elementwise.py": {
        **dict.fromkeys("exp expm1 log log1p sin cos tanh power".split(), OTHER_DTYPES)
    },
    "kernels/libm.py": {"power": EDGES},
    "kernels/ctc.py": {"logaddexp": SCALAR},
    "kernels/products.py": {"@": OTHER_DTYPES},
    "kernels/rounded.py": {
        **dict.fromkeys("arccos arccosh arcsin arcsinh arctan arctan2 arctanh".split(), FINITE),
        **dict.fromkeys("tan cosh sinh".split(), FINITE),
        "scipy": "digamma, which SciPy computes without code for single processors",
    },
    "keras/preprocessing.py": {"log": PREPARED},
    "keras/sequences.py": {"linalg": PREPARED},
    "ops/linalg.py": {"linalg": FULL},
}


def _uses(path: Path) -> Iterator[str]:
    """The names of the functions that a module uses of those that depend on the processor."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id in ("np", "numpy") and node.attr in DEPENDENT:
                yield node.attr
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if node.func.attr == "dot":
                yield "dot"
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            yield "@"
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            module = node.module if isinstance(node, ast.ImportFrom) else None
            for name in [module] if module else [a.name for a in node.names]:
                root = str(name).partition(".")[0]
                if not getattr(node, "level", 0) and root in ("torch", "scipy", "sklearn"):
                    yield root


def test_no_function_is_used_whose_digits_depend_on_the_processor():
    found: dict[str, set[str]] = {}
    for path in PACKAGE.rglob("*.py"):
        place = path.relative_to(PACKAGE).as_posix()
        if not place.startswith("fast/") and (uses := set(_uses(path))):
            found[place] = uses
    assert found == {place: set(names) for place, names in ALLOWED.items()}


@pytest.mark.parametrize(
    "line, name",
    [
        ("np.exp(x)", "exp"),
        ("y = numpy.linalg.norm(x)", "linalg"),
        ("found = list(map(np.log1p, x))", "log1p"),
        ("a @ b", "@"),
        ("a.dot(b)", "dot"),
        ("import torch.nn.functional as F", "torch"),
        ("from scipy.special import erf", "scipy"),
    ],
)
def test_the_search_finds_each_kind_of_use(line, name, tmp_path):
    (tmp_path / "m.py").write_text(f"def f():\n    {line}\n")
    assert set(_uses(tmp_path / "m.py")) == {name}


# ---------------------------------------------------------------- one training run


def _model() -> dict:
    """A graph with the usual parts of recurrent programs."""
    x = tf.placeholder(tf.int32, [5, 7])
    table = tf.get_variable("table", [11, 9], initializer=tf.truncated_normal_initializer())
    cells = [
        tf.nn.rnn_cell.DropoutWrapper(tf.nn.rnn_cell.LSTMCell(13, use_peepholes=True), 0.9, seed=3),
        tf.nn.rnn_cell.GRUCell(10, kernel_initializer=tf.orthogonal_initializer()),
        tf.contrib.rnn.LayerNormBasicLSTMCell(9),
    ]
    cell = tf.nn.rnn_cell.MultiRNNCell(cells)
    lengths = tf.constant([7, 3, 7, 5, 6])
    embedded = tf.nn.embedding_lookup(table, x)
    outputs, _ = tf.nn.dynamic_rnn(cell, embedded, lengths, dtype=tf.float32)
    attention = tf.nn.softmax(tf.reduce_sum(tf.square(outputs), 2))[:, :, None]
    summed = tf.reduce_sum(outputs * attention, 1)
    logits = tf.layers.dense(tf.nn.elu(summed), 11)
    # The order of sums over more than a register and a block is part of it.
    wide = tf.layers.dense(tf.random_normal([6, 1300], seed=5), 17, activation=tf.nn.softplus)
    labels = tf.SparseTensor([[0, 0], [0, 1], [2, 0], [4, 0]], [1, 2, 3, 1], [5, 2])
    sequences = tf.layers.dense(outputs, 6)
    losses = [
        tf.losses.sparse_softmax_cross_entropy(x[:, 0], logits),
        tf.reduce_mean(tf.log(wide + 1.0)) + tf.reduce_mean(tf.sin(wide) * tf.pow(wide, 1.5)),
        tf.reduce_mean(tf.nn.ctc_loss(labels, sequences, lengths, time_major=False)) * 0.1,
        tf.reduce_mean(tf.erf(summed) + tf.lgamma(tf.abs(summed) + 1.0) + tf.atan(summed)) * 0.1,
        tf.reduce_mean(tf.square(tf.layers.conv1d(outputs, 6, 3, padding="same"))),
        tf.nn.l2_loss(table) * 1e-3,
    ]
    loss = tf.add_n(losses)
    optimizer = tf.train.AdamOptimizer(0.01)
    grads, xs = zip(*optimizer.compute_gradients(loss))
    grads, norm = tf.clip_by_global_norm(grads, 1.0)
    draws = [tf.multinomial(logits, 3, seed=2), tf.random_gamma([4], 0.7, seed=4)]
    return {
        "x": x,
        "fetches": [optimizer.apply_gradients(zip(grads, xs)), loss, norm, *losses, *draws],
    }


@functools.cache
def digest(steps: int = 4) -> str:
    """A hash of everything that a short training run gives, and of the weights after it."""
    found = hashlib.sha256()
    with tf.Graph().as_default(), tf.Session() as sess:
        tf.set_random_seed(777)
        model = _model()
        sess.run(tf.global_variables_initializer())
        rows = np.random.RandomState(1).randint(0, 11, (5, 7))
        for _ in range(steps):
            for value in sess.run(model["fetches"], {model["x"]: rows})[1:]:
                assert np.all(np.isfinite(value))
                found.update(np.ascontiguousarray(value).tobytes())
        for value in sess.run(tf.global_variables()):
            found.update(value.tobytes())
    return found.hexdigest()


def _numpy_features() -> str:
    """All that NumPy can switch off of this processor."""
    from numpy._core import _multiarray_umath as umath

    return " ".join(f for f in umath.__cpu_dispatch__ if umath.__cpu_features__.get(f))


OLD = {"OPENBLAS_CORETYPE": "Prescott", "ATEN_CPU_CAPABILITY": "default", "MKL_CBWR": "COMPATIBLE"}
PROCESSORS = {
    "an old one": ({"NPY_DISABLE_CPU_FEATURES": "all", "OSTINATO_VECTOR_WIDTH": "4"} | OLD, False),
    "a wide one": ({"OPENBLAS_CORETYPE": "Haswell", "OSTINATO_VECTOR_WIDTH": "16"}, False),
    "NumPy without features": ({"NPY_DISABLE_CPU_FEATURES": "all"}, True),
    "another BLAS": ({"OPENBLAS_CORETYPE": "Zen"}, True),
    "eight numbers": ({"OSTINATO_VECTOR_WIDTH": "8", "MKL_ENABLE_INSTRUCTIONS": "SSE4_2"}, True),
    "torch without features": (OLD, True),
    "many threads": ({"OMP_NUM_THREADS": "3", "OPENBLAS_NUM_THREADS": "2"}, True),
}


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(n, marks=pytest.mark.slow if slow else ())
        for n, (_, slow) in PROCESSORS.items()
    ],
)
def test_training_ends_with_the_same_bits_on_another_processor(name):
    environment = dict(PROCESSORS[name][0])
    if "NPY_DISABLE_CPU_FEATURES" in environment:
        environment["NPY_DISABLE_CPU_FEATURES"] = _numpy_features()
    run = subprocess.run(
        [sys.executable, __file__],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.split() == [digest()], run.stderr


if __name__ == "__main__":
    print(digest())
