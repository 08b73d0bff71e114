"""TensorFlow 1's lesson prints every digit, and what its names do and refuse is what TensorFlow 1
did and what the docs say.
"""

import doctest
import functools
import importlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1.kernels import random
from ostinato.tf1.names import INSTEAD
from places import ROOT

LESSON = ROOT / "examples" / "tf1_lesson.py"

# What the program printed under TensorFlow 1.13.1; the third part was drawn by the device, whose
# seed was found afterwards.
DEVICE = 4124492660, 66
ONE_LETTER = """\
input (1, 1, 4)
Tensor("rnn/transpose_1:0", shape=(1, 1, 2), dtype=float32)
[[[0.04945214 0.04316235]]]
"""
ONE_WORD = """\
input (1, 5, 4)
Tensor("rnn/transpose_1:0", shape=(1, 5, 2), dtype=float32)
[[[ 0.04945214  0.04316235]
  [-0.00104636  0.06992362]
  [ 0.06311742 -0.06535073]
  [ 0.11887082 -0.16511463]
  [ 0.16751593 -0.26476774]]]
"""
THREE_WORDS = """\
input (3, 5, 4)
Tensor("rnn/transpose_1:0", shape=(3, 5, 2), dtype=float32)
[[[-0.04283834 -0.05121393]
  [-0.03094209  0.10285935]
  [ 0.11129723 -0.03200451]
  [ 0.22397222 -0.12367146]
  [ 0.21238048 -0.0769559 ]]

 [[ 0.01226371  0.13834858]
  [ 0.08454693  0.03562944]
  [ 0.21645911 -0.06988609]
  [ 0.29929954 -0.14282013]
  [ 0.35645092 -0.18373272]]

 [[ 0.13940895 -0.10760844]
  [ 0.24243172 -0.16845688]
  [ 0.16465393  0.04037705]
  [ 0.16442199  0.17125313]
  [ 0.30980796  0.02960309]]]
"""
# The second way, with cells of Keras.
SECOND_WAY = """\
keras input (1, 1, 4)
Tensor("rnn/strided_slice_15:0", shape=(1, 2), dtype=float32)
[[-0.09234575 -0.13368924]]
keras input (1, 5, 4)
Tensor("rnn/strided_slice_15:0", shape=(1, 2), dtype=float32)
[[ 0.20475072 -0.14560407]]
keras input (3, 5, 4)
Tensor("rnn/strided_slice_15:0", shape=(3, 2), dtype=float32)
[[ 0.20475072 -0.14560407]
 [ 0.14728513  0.06623635]
 [ 0.20527431 -0.03189613]]
Tensor("rnn/transpose_1:0", shape=(1, 1, 2), dtype=float32)
[[[-0.27546984  0.1294518 ]]]
Tensor("rnn/transpose_1:0", shape=(1, 1, 2), dtype=float32)
[[[-0.27687582 -0.04922581]]]
Tensor("rnn/transpose_1:0", shape=(1, 1, 2), dtype=float32)
[[[0.03490488 0.13248904]]]
Tensor("rnn/transpose_1:0", shape=(1, 1, 2), dtype=float32)
[[[-0.15718566  0.13696721]]]
"""


@pytest.fixture(autouse=True)
def _fresh():
    before = tf.device_seed()
    yield
    tf.set_device_seed(*before)


def lesson(printed):
    """The output of the lesson's program, run in this process."""
    tf.reset_default_graph()
    exec(compile(LESSON.read_text(encoding="utf-8"), LESSON.name, "exec"), {"__name__": "__main__"})
    return printed.readouterr().out


def test_the_environment_fixes_the_device():
    """The digits that follow are those of a call that fixes it."""
    environment = os.environ | {
        "OSTINATO_TF1_DEVICE_SEED": "{}:{}".format(*DEVICE),
        "PYTHONPATH": str(ROOT / "src"),
    }
    code = "import ostinato.tf1 as tf; print(tf.device_seed())"
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == f"{DEVICE}\n"


def test_the_program_prints_every_digit_where_a_call_fixes_the_device(capsys):
    tf.set_device_seed(DEVICE[0], position=DEVICE[1])
    assert lesson(capsys) == ONE_LETTER + ONE_WORD + THREE_WORDS + SECOND_WAY
    assert tf.device_seed() == (DEVICE[0], DEVICE[1] + 2)


def test_the_seeded_parts_are_the_same_and_the_unseeded_part_another_each_time(capsys):
    first, second = lesson(capsys), lesson(capsys)
    for printed in (first, second):
        assert printed.startswith(ONE_LETTER + ONE_WORD) and printed.endswith(SECOND_WAY)
    assert first != second


def test_the_program_is_tensorflows_but_for_its_import():
    imports = re.findall(r"^import .*|^from .*", LESSON.read_text(encoding="utf-8"), re.M)
    assert imports == ["import numpy as np", "import ostinato.tf1 as tf"]


def test_the_import_brings_torch_and_nothing_else_that_is_slow():
    heavy = ["lightning", "llvmlite", "matplotlib", "rich", "tokenizers", "typer"]
    code = f"import sys, ostinato.tf1; print([name for name in {heavy} if name in sys.modules])"
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("given", ["lesson", "-1", "12:x", "4294967296"])
def test_a_device_seed_of_the_environment_that_is_none_is_refused(given, monkeypatch):
    monkeypatch.setenv(random.ENVIRONMENT, given)
    with pytest.raises(InputError, match=re.escape(given.partition(":")[0])):
        random._from_environment()


def test_the_device_is_the_standards_mersenne_twister():
    # The C++ standard, [rand.predef]: the 10000th number from the default seed.
    assert random.Device(5489, position=9999).draw() == 9981545732273789042


def test_philox_gives_its_authors_known_answers():
    # Random123 1.09, kat_vectors: philox4x32 10, a counter and a key of ones.
    words = random.philox(2**64 - 1, 2**64 - 1, start=2**64 - 1, count=4)
    assert [hex(w) for w in words] == ["0x408f276d", "0x41c83b0e", "0xa20bc7c6", "0x6d5451fd"]


def test_a_device_goes_on_from_where_it_is_said_to_be():
    tf.set_device_seed(7)
    drawn = [random.device.draw() for _ in range(700)]
    tf.set_device_seed(7, position=650)
    assert [random.device.draw() for _ in range(50)] == drawn[650:]


def test_unseeded_numbers_differ_by_session_and_come_again_with_the_device():
    x = tf.random_uniform([3])
    tf.set_device_seed(1)
    first, second = (x.eval(session=tf.Session()) for _ in range(2))
    assert not np.array_equal(first, second)
    tf.set_device_seed(1)
    assert np.array_equal(x.eval(session=tf.Session()), first)


@pytest.mark.parametrize(
    "graph_seed, op_seed, wanted",
    [
        (None, None, (0, 0)),
        (None, 5, (87654321, 5)),
        (777, None, (777, 86)),
        (777, 5, (777, 5)),
        (0, 0, (0, 2**31 - 1)),
        (2**31 - 1, 0, (0, 2**31 - 1)),
        (2**31 + 6, None, (7, 86)),
    ],
)
def test_seeds_come_from_the_graph_the_operation_and_its_number(graph_seed, op_seed, wanted):
    assert random.op_seeds(graph_seed, op_seed, 86) == wanted


def test_a_session_keeps_its_own_values_of_the_variables():
    v = tf.Variable(2.0)
    one, other = tf.Session(), tf.Session()
    for sess in one, other:
        sess.run(tf.global_variables_initializer())
    one.run(v.assign(v * 5.0))
    assert (one.run(v), other.run(v)) == (10.0, 2.0)


def test_a_run_answers_in_the_structure_that_it_was_asked_in():
    a, b = tf.constant([1.0, 2.0]), tf.constant(3)
    state = tf.nn.rnn_cell.LSTMStateTuple(a, b)
    with tf.Session() as sess:
        answer = sess.run(
            {"one": a, "both": [b, state], "nothing": tf.global_variables_initializer()}
        )
    assert list(answer) == ["one", "both", "nothing"] and answer["nothing"] is None
    assert answer["one"].dtype == np.float32 and answer["one"].tolist() == [1, 2]
    assert answer["both"][0] == 3 and answer["both"][0].dtype == np.int32
    assert type(answer["both"][1]) is type(state) and answer["both"][1].c.tolist() == [1, 2]


def test_inside_a_with_the_session_and_its_graph_are_the_default_ones():
    graph = tf.Graph()
    with tf.Session(graph=graph):
        doubled = tf.constant([1.0, 2.0]) * 2.0
        assert doubled.graph is graph and doubled.eval().tolist() == [2, 4]
    assert tf.get_default_graph() is not graph
    session = tf.InteractiveSession()
    assert tf.constant(3.0).eval() == 3
    session.close()


def test_a_placeholder_takes_batches_of_any_size():
    x = tf.placeholder(tf.float32, [None, 5, 4])
    outputs, state = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(3), x, dtype=tf.float32)
    assert str(outputs) == 'Tensor("rnn/transpose_1:0", shape=(?, 5, 3), dtype=float32)'
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for rows in 1, 4:
            out, last = sess.run([outputs, state], feed_dict={x: np.ones((rows, 5, 4))})
            assert out.shape == (rows, 5, 3) and np.array_equal(out[:, -1], last)


def test_names_are_tensorflows():
    cells = [tf.nn.rnn_cell.BasicLSTMCell(2), tf.nn.rnn_cell.LSTMCell(3, use_peepholes=True)]
    tf.nn.dynamic_rnn(
        tf.nn.rnn_cell.MultiRNNCell(cells), np.zeros((1, 2, 4), np.float32), dtype=tf.float32
    )
    inner = "rnn/multi_rnn_cell/cell_1/lstm_cell"
    assert [v.name for v in tf.global_variables()] == [
        "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel:0",
        "rnn/multi_rnn_cell/cell_0/basic_lstm_cell/bias:0",
        f"{inner}/kernel:0",
        f"{inner}/bias:0",
        f"{inner}/w_f_diag:0",
        f"{inner}/w_i_diag:0",
        f"{inner}/w_o_diag:0",
    ]
    assert repr(tf.global_variables()[0]) == (
        "<tf.Variable 'rnn/multi_rnn_cell/cell_0/basic_lstm_cell/kernel:0' shape=(6, 8) "
        "dtype=float32_ref>"
    )


def test_a_state_is_fed_as_it_was_fetched():
    cell = tf.nn.rnn_cell.MultiRNNCell([tf.nn.rnn_cell.BasicLSTMCell(3), tf.nn.rnn_cell.GRUCell(2)])
    x, first = tf.placeholder(tf.float32, [None, None, 4]), cell.zero_state(2, tf.float32)
    outputs, last = tf.nn.dynamic_rnn(cell, x, initial_state=first)
    whole = np.random.RandomState(0).randn(2, 6, 4)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        state, parts = sess.run(first), []
        for part in np.split(whole, 3, 1):
            out, state = sess.run([outputs, last], {x: part, first: state})
            parts.append(out)
        np.testing.assert_array_equal(np.concatenate(parts, 1), sess.run(outputs, {x: whole}))


def test_shapes_may_be_known_in_a_run_alone():
    x = tf.placeholder(tf.float32, [None, 4])
    rows = tf.shape(x)[0]
    made = [
        tf.reshape(x, [rows, 2, -1]),
        tf.reshape(x, tf.stack([rows, 4])),
        tf.zeros([rows, 3]),
        tf.ones(tf.shape(x)),
        tf.tile(x, [rows, 1]),
        tf.random_uniform([rows, 2]),
    ]
    assert [t.shape.as_list() for t in made] == [
        [None, 2, None],
        [None, 4],
        [None, 3],
        [None, 4],
        [None, 4],
        [None, 2],
    ]
    given = np.arange(12, dtype=np.float32).reshape(3, 4)
    results = tf.Session().run(made, {x: given})
    for result, wanted in zip(
        results,
        [given.reshape(3, 2, 2), given, np.zeros((3, 3)), np.ones((3, 4)), np.tile(given, [3, 1])],
    ):
        np.testing.assert_array_equal(result, wanted)
    assert results[-1].shape == (3, 2) and len(np.unique(results[-1])) == 6


def test_operations_that_join_sizes_are_counted_as_tensorflow_makes_them():
    x = tf.placeholder(tf.float32, [None, 4])
    rows = tf.shape(x)[0]
    start = len(tf.get_default_graph().get_operations())
    tf.reshape(x, [rows, 4])
    tf.zeros([rows, 3])
    names = [op.name for op in tf.get_default_graph().get_operations()[start:]]
    assert names == [
        "Reshape/shape/1",
        "Reshape/shape",
        "Reshape",
        "zeros/mul/y",
        "zeros/mul",
        "zeros/Less/y",
        "zeros/Less",
        "zeros/packed/1",
        "zeros/packed",
        "zeros/Const",
        "zeros",
    ]


def test_values_are_numpys():
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    t, whole = tf.constant(x), tf.constant([[1, 2], [4, 4]])
    pairs = [
        (t[:, ::-1], x[:, ::-1]),
        (t[::-1, None, 2:0:-1], x[::-1, None, 2:0:-1]),
        (t[..., -1::-2], x[..., -1::-2]),
        (t[:, np.int64(1)], x[:, 1]),
        (tf.matmul(t, t, transpose_b=True), x @ x.T),
        (tf.matmul(t, t, transpose_a=True), x.T @ x),
        (tf.nn.softmax(t, axis=0), np.exp(x) / np.exp(x).sum(0)),
        (tf.unstack(t, 3, 1)[2], x[:, 2]),
        (whole / 2, np.array([[0.5, 1], [2, 2]])),
        (tf.reduce_sum(whole), np.int32(11)),
        (tf.reduce_mean(whole, 0), np.int32([2, 3])),
        (tf.constant(3 * 10**9), np.int64(3 * 10**9)),
        (tf.constant([1, 2, 3], shape=[2, 3]), np.int32([[1, 2, 3], [3, 3, 3]])),
        (tf.stack([[1, 2], [3, 4]]), np.int32([[1, 2], [3, 4]])),
    ]
    for (tensor, wanted), value in zip(pairs, tf.Session().run([tensor for tensor, _ in pairs])):
        np.testing.assert_allclose(value, wanted, rtol=1e-6)
        assert value.dtype == wanted.dtype == tensor.dtype.as_numpy_dtype and value.shape == tuple(
            tensor.shape
        ), tensor


def test_a_cell_of_ones_own_runs_over_a_list_of_steps():
    tf.set_random_seed(0)
    x = np.random.RandomState(0).randn(2, 3, 4).astype(np.float32)
    outputs, state = tf.nn.static_rnn(
        _own()(2), tf.unstack(tf.constant(x), axis=1), dtype=tf.float32
    )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        last, state, w = sess.run([outputs[-1], state, *tf.trainable_variables()])
    h = np.zeros((2, 2))
    for t in range(3):
        h = np.tanh(x[:, t] @ w + h)
    np.testing.assert_allclose(last, h, rtol=1e-5)
    np.testing.assert_array_equal(last, state)


def test_a_variable_begun_with_a_value_has_its_kind_of_number():
    step, table = (
        tf.get_variable("step", initializer=0),
        tf.get_variable("table", initializer=np.zeros((2, 3))),
    )
    count = tf.get_variable("count", [], tf.int32)
    assert [v.dtype.base_dtype for v in (step, table, count)] == [
        tf.int32,
        tf.float64,
        tf.int32,
    ] and table.shape == (2, 3)
    with tf.variable_scope("a") as scope:
        w = tf.get_variable("w", 2)
        scope.reuse_variables()
        assert tf.get_variable("w", 2) is w
    assert tf.trainable_variables(".*w") == [w] and tf.global_variables("c|s") == [step, count]


def test_a_scope_that_is_opened_again_reuses_as_it_did():
    with tf.variable_scope("a") as a:
        pass
    with tf.variable_scope("b", reuse=True):
        with tf.variable_scope(a):
            assert tf.get_variable("w", [1]).name == "a/w:0"
        with tf.variable_scope("c", reuse=tf.AUTO_REUSE):
            assert tf.get_variable("w", [1]).name == "b/c/w:0"
    assert [tf.placeholder(tf.float32, [], None).name, tf.constant(1.0, name=None).name] == [
        "Placeholder:0",
        "Const:0",
    ]


def test_an_interactive_session_makes_its_graph_the_default_one():
    graph = tf.Graph()
    sess = tf.InteractiveSession(graph=graph)
    x = tf.constant(1.0)
    assert x.graph is graph and x.eval() == 1
    sess.close()
    assert tf.get_default_graph() is not graph and tf.constant(1.0).name == "Const:0"
    with pytest.raises(InputError, match="needs a session"):
        x.eval()


def test_float_is_of_32_bits():
    assert [tf.placeholder(kind, [2]).dtype for kind in ("float", float, "double")] == [
        tf.float32,
        tf.float32,
        tf.float64,
    ]


def test_static_rnn_gives_what_dynamic_rnn_gives():
    x = np.random.default_rng(0).normal(size=(2, 3, 4)).astype(np.float32)
    cell = tf.nn.rnn_cell.LSTMCell(5, num_proj=2)
    with tf.variable_scope("rnn", reuse=tf.AUTO_REUSE) as scope:
        steps, last = tf.nn.static_rnn(
            cell, tf.unstack(tf.constant(x), axis=1), dtype=tf.float32, scope=scope
        )
        outputs, state = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32, scope=scope)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        steps, last, outputs, state = sess.run([steps, last, outputs, state])
    assert np.array_equal(np.stack(steps, 1), outputs)
    assert np.array_equal(last.c, state.c) and np.array_equal(last.h, state.h)


def test_dropout_keeps_what_it_says_scaled_and_draws_new_masks_in_each_run():
    x = np.zeros((4, 50, 1), np.float32)
    cell = tf.nn.rnn_cell.BasicRNNCell(8)
    dropped = tf.nn.rnn_cell.DropoutWrapper(cell, output_keep_prob=0.25)
    initial = tf.ones([4, 8])
    tf.set_random_seed(1)
    plain, _ = tf.nn.dynamic_rnn(cell, x, initial_state=initial)
    with tf.variable_scope("dropped", initializer=tf.ones_initializer()):
        outputs, _ = tf.nn.dynamic_rnn(dropped, x, initial_state=initial)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for v in tf.global_variables()[2:]:
            v.load(tf.global_variables()[0].eval())
        whole, first, second = sess.run(plain), sess.run(outputs), sess.run(outputs)
    kept = first != 0
    assert 0.15 < kept.mean() < 0.35
    np.testing.assert_allclose(first[kept], whole[kept] * 4, rtol=1e-6)
    assert not np.array_equal(first, second)


def _x(*shape):
    return np.zeros(shape or (1, 2, 4), np.float32)


def _cell(units=2):
    return tf.nn.rnn_cell.BasicLSTMCell(units)


def _twice():
    for _ in range(2):
        tf.nn.dynamic_rnn(_cell(), _x(), dtype=tf.float32)


def _other_graph():
    a = tf.constant(1.0)
    tf.reset_default_graph()
    tf.Session().run(a)


def _other_input():
    cell = _cell()
    cell(tf.constant(_x(1, 4)), cell.zero_state(1, tf.float32))
    cell(tf.constant(_x(1, 3)), cell.zero_state(1, tf.float32))


def _random_after_gradients():
    tf.set_random_seed(1)
    w = tf.get_variable("w", [2])
    tf.gradients(w * w, w)
    tf.get_variable("v", [2])


def _fed_with_another_shape():
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    tf.Session().run(x, {x: _x(2, 4)})


def _dropout(**options):
    return tf.nn.rnn_cell.DropoutWrapper(_cell(), **options)


WRONG = {
    "a name that TensorFlow 1 has and this has not": (
        lambda: tf.estimator,
        AttributeError,
        r"tf\.estimator is not provided",
    ),
    "a name with a letter wrong": (
        lambda: tf.nn.dynamic_rn,
        AttributeError,
        r"the nearest name is tf\.nn\.dynamic_rnn\.$",
    ),
    "a name that TensorFlow 1 has, and what to write": (
        lambda: tf.contrib.keras,
        AttributeError,
        r"tf\.contrib\.keras is not provided.*: write tf\.keras",
    ),
    "a name of TensorFlow 0": (lambda: tf.mul, AttributeError, r"write tf\.multiply\.$"),
    "a cell of contrib": (
        lambda: tf.contrib.rnn.NTMCell,
        AttributeError,
        r"tf\.contrib\.rnn\.NTMCell is not provided",
    ),
    "no units": (
        lambda: tf.nn.rnn_cell.GRUCell(0),
        SizeError,
        r"GRUCell\(num_units=0\).*1 or more",
    ),
    "units that are not a number": (
        lambda: tf.nn.rnn_cell.GRUCell("2"),
        SizeError,
        r"num_units='2'.*whole number",
    ),
    "sharded weights": (
        lambda: tf.nn.rnn_cell.LSTMCell(2, num_unit_shards=2),
        InputError,
        "sharded weights are not provided",
    ),
    "a projection to less than nothing": (
        lambda: tf.nn.rnn_cell.LSTMCell(2, num_proj=-1),
        SizeError,
        r"num_proj=-1\).*leave it out",
    ),
    "a state for nobody knows how many": (
        lambda: _cell().zero_state(None, tf.float32),
        InputError,
        r"zero_state\(None.*tf\.shape\(x\)\[0\]",
    ),
    "no cells": (
        lambda: tf.nn.rnn_cell.MultiRNNCell([]),
        InputError,
        r"was given \[\]: give it a list of cells",
    ),
    "a layer that is not a cell": (
        lambda: tf.nn.rnn_cell.MultiRNNCell([3]),
        InputError,
        r"MultiRNNCell was given 3 \(int\)",
    ),
    "states joined over states in tuples": (
        lambda: tf.nn.rnn_cell.MultiRNNCell([_cell()], state_is_tuple=False),
        InputError,
        "create that cell with state_is_tuple=False too",
    ),
    "a wrapper around no cell": (
        lambda: tf.nn.rnn_cell.ResidualWrapper(None),
        InputError,
        "ResidualWrapper was given None",
    ),
    "a residual of another size": (
        lambda: tf.nn.dynamic_rnn(tf.nn.rnn_cell.ResidualWrapper(_cell(3)), _x(), dtype=tf.float32),
        SizeError,
        "input of size 4 .* size 3",
    ),
    "dropout of everything": (
        lambda: _dropout(input_keep_prob=0),
        InputError,
        r"input_keep_prob=0\): give a number above 0",
    ),
    "no cell": (
        lambda: tf.nn.dynamic_rnn("lstm", _x(), dtype=tf.float32),
        InputError,
        "dynamic_rnn was given 'lstm'",
    ),
    "a matrix as a sequence": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(2, 4), dtype=tf.float32),
        SizeError,
        r"\(2, 4\).*three dimensions",
    ),
    "neither a state nor a dtype": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x()),
        InputError,
        r"give dtype=tf\.float32",
    ),
    "another dtype than the input's": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(), dtype=tf.float64),
        InputError,
        r"float32.*tf\.float64",
    ),
    "lengths for other rows": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(), [1, 2], dtype=tf.float32),
        SizeError,
        "1 and 2 differ",
    ),
    "lengths that are not whole numbers": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(), [1.5], dtype=tf.float32),
        InputError,
        "one whole number for each row",
    ),
    "an input of unknown size": (
        lambda: tf.nn.dynamic_rnn(
            _cell(), tf.placeholder(tf.float32, [1, 2, None]), dtype=tf.float32
        ),
        SizeError,
        "last size must be known",
    ),
    "a state of another size": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(), initial_state=_cell(3).zero_state(1, tf.float32)),
        SizeError,
        r"\(1, 3\) .*size 2",
    ),
    "a state with a part missing": (
        lambda: tf.nn.dynamic_rnn(_cell(), _x(), initial_state=tf.zeros([1, 2])),
        SizeError,
        r"state of 1 part.*zero_state",
    ),
    "the same variables twice": (
        _twice,
        InputError,
        r"already exists, disallowed.*tf\.reset_default_graph\(\)",
    ),
    "a cell for an input of another size": (
        _other_input,
        SizeError,
        "inputs of size 4 and was given size 3",
    ),
    "one array for static_rnn": (
        lambda: tf.nn.static_rnn(_cell(), _x(), dtype=tf.float32),
        InputError,
        r"tf\.unstack",
    ),
    "a session that is closed": (
        lambda: _closed(),
        RuntimeError,
        r"closed Session.*tf\.Session\(\)",
    ),
    "a value before a session": (
        lambda: tf.constant(1.0).eval(),
        InputError,
        r"Const:0\.eval\(\) needs a session",
    ),
    "a tensor of another graph": (_other_graph, InputError, "not in this session's graph"),
    "a tensor that does not exist": (
        lambda: tf.Session().run("rnn/transpose:0"),
        InputError,
        "'rnn/transpose', does not exist in the graph",
    ),
    "a run of nothing": (
        lambda: tf.Session().run(3),
        tf.errors.InvalidArgumentError,
        r"was given 3 \(int\)",
    ),
    "variables without values": (
        lambda: tf.Session().run(tf.Variable(1.0)),
        tf.errors.FailedPreconditionError,
        "uninitialized value Variable.*global_variables_initializer",
    ),
    "a placeholder without a value": (
        lambda: tf.Session().run(tf.placeholder(tf.float32, [2], name="x") * 2.0),
        tf.errors.InvalidArgumentError,
        "'x'.*feed_dict",
    ),
    "a value of another shape": (_fed_with_another_shape, SizeError, r"\(2, 4\).*'x:0'.*\(\?, 3\)"),
    "a key that is not a tensor": (
        lambda: tf.Session().run(tf.constant(1.0), {3: 1}),
        tf.errors.InvalidArgumentError,
        "the key 3",
    ),
    "dtypes mixed": (
        lambda: tf.constant(1.0) + tf.constant(1),
        InputError,
        r"int32 where float32 is expected: write tf\.cast",
    ),
    "a dtype that is not there": (
        lambda: tf.constant(1.0, dtype="float128"),
        InputError,
        r"'float128' is not provided: use one of tf\.float32",
    ),
    "matrices that do not fit": (
        lambda: tf.matmul(tf.ones([2, 3]), tf.ones([4, 2])),
        SizeError,
        r"\(2, 3\) and \(4, 2\): 3 and 4 differ",
    ),
    "a fraction where whole numbers are": (
        lambda: tf.constant([1, 2]) * 0.5,
        InputError,
        r"0\.5 was given where int32.*tf\.cast",
    ),
    "a fraction for a whole number": (
        lambda: tf.constant(1.5, dtype=tf.int32),
        InputError,
        r"1\.5 was given where int32",
    ),
    "a number too large for its kind": (
        lambda: tf.constant(2**31, dtype=tf.int32),
        InputError,
        "2147483648 was given where int32",
    ),
    "rows of two lengths": (
        lambda: tf.constant([[1.0], [1.0, 2.0]]),
        InputError,
        "rows of numbers of one length",
    ),
    "more numbers than a shape has": (
        lambda: tf.constant([1, 2, 3], shape=[2]),
        SizeError,
        r"3 numbers for the shape \(2,\)",
    ),
    "a shape of fractions": (
        lambda: tf.zeros([1.5]),
        SizeError,
        r"tf\.zeros was given \[1\.5\]: give whole numbers",
    ),
    "a placeholder of less than nothing": (
        lambda: tf.placeholder(tf.float32, [-1]),
        SizeError,
        r"the shape \[-1\]: give whole numbers",
    ),
    "an axis that is not there": (
        lambda: tf.reduce_sum(tf.ones([2, 3]), axis=5),
        SizeError,
        "axis 5 of 2 dimension.*from -2 to 1",
    ),
    "an axis before the first": (
        lambda: tf.concat([tf.ones([2]), tf.ones([2])], -2),
        SizeError,
        r"tf\.concat.*axis -2 of 1 dim",
    ),
    "an axis to cut along": (
        lambda: tf.unstack(tf.ones([2]), axis=1),
        SizeError,
        r"tf\.unstack.*axis 1 of 1 dim",
    ),
    "an axis to look along": (
        lambda: tf.argmax(tf.ones([2]), 1),
        SizeError,
        r"tf\.argmax.*axis 1 of 1 dim",
    ),
    "another number of parts": (
        lambda: tf.unstack(tf.ones([2]), 3),
        SizeError,
        "2 and 3 differ",
    ),
    "parts nobody knows how many": (
        lambda: tf.unstack(tf.placeholder(tf.float32, [None])),
        SizeError,
        "not known; give num",
    ),
    "numbers that fill no such shape": (
        lambda: tf.reshape(tf.ones([2, 3]), [4, -1]),
        SizeError,
        r"6 numbers.*\[4, -1\]",
    ),
    "numbers that fill no such shape in a run": (
        lambda: _reshaped([4, -1]),
        tf.errors.InvalidArgumentError,
        r"\(2, 3\).*fails.*\[4, -1\]",
    ),
    "dimensions that are not 1 taken out": (
        lambda: tf.squeeze(tf.ones([2, 3]), 1),
        SizeError,
        "a dimension there is not 1",
    ),
    "dimensions twice": (
        lambda: tf.transpose(tf.ones([2, 3]), [0, 0]),
        SizeError,
        r"perm=\[0, 0\].*from 0 to 1 once",
    ),
    "kinds of number joined": (
        lambda: tf.concat([tf.ones([2]), tf.constant([1])], 0),
        InputError,
        r"tf\.cast",
    ),
    "shapes of two kinds stacked": (
        lambda: tf.stack([tf.ones([2]), tf.ones([3])]),
        SizeError,
        "2 and 3 differ",
    ),
    "the axis first, as in TensorFlow 0": (
        lambda: tf.concat(0, [tf.ones([2])]),
        InputError,
        r"tf\.concat was given 0: give it a list",
    ),
    "a mean of truth values": (
        lambda: tf.reduce_mean(tf.ones([2]) > 0.0),
        InputError,
        r"tf\.reduce_mean.*tf\.cast\(x, tf\.float32\)",
    ),
    "shapes that differ in a run": (
        lambda: _added(),
        tf.errors.InvalidArgumentError,
        r"x:0 \(3,\), y:0 \(2,\) fails in this run",
    ),
    "matrices that do not fit in a run": (
        lambda: _multiplied(),
        SizeError,
        r"\(2, 3\) and \(4, 2\) in this run: 3 and 4 differ",
    ),
    "a state of other rows in a run": (
        lambda: _other_rows(),
        tf.errors.InvalidArgumentError,
        r"\(3, 2\).*fails in this run",
    ),
    "an index that is past the end": (
        lambda: tf.ones([2, 3])[2],
        SizeError,
        "indexed with 2.*within its shape",
    ),
    "an index past the end in a run": (
        lambda: _indexed(),
        tf.errors.InvalidArgumentError,
        "out of bounds.*with matching shapes",
    ),
    "a shape and a value": (
        lambda: tf.get_variable("w", [4], initializer=0.0),
        SizeError,
        r"leave shape out.*constant_initializer",
    ),
    "a variable nobody knows how large": (
        lambda: tf.get_variable("w", [None, 3]),
        InputError,
        r"the shape \(\?, 3\)",
    ),
    "a variable again with another dtype": (
        lambda: _again(dtype=tf.float64),
        InputError,
        "specified dtype float64 and found dtype float32",
    ),
    "a variable again with another shape": (
        lambda: _again(shape=3),
        SizeError,
        r"specified shape \(3,\) and found shape \(2,\)",
    ),
    "a variable begun with another dtype": (
        lambda: tf.Variable(tf.zeros([2]), dtype=tf.float64),
        InputError,
        r"tf\.cast",
    ),
    "a value of another shape assigned": (
        lambda: tf.Variable(tf.zeros([2])).assign([1.0, 2.0, 3.0]),
        SizeError,
        r"\(3,\).*\(2,\)",
    ),
    "a value of another shape assigned in a run": (
        lambda: _assigned(),
        tf.errors.InvalidArgumentError,
        r"\(2,\).*\(3,\)",
    ),
    "a graph where the machine is named": (
        lambda: tf.Session(tf.Graph()),
        InputError,
        r"tf\.Session\(graph=graph\)",
    ),
    "rows of two lengths fed": (
        lambda: _fed([[1, 2, 3], [1, 2]]),
        tf.errors.InvalidArgumentError,
        "'x:0'.*rows of one length",
    ),
    "words fed": (
        lambda: _fed("abc"),
        tf.errors.InvalidArgumentError,
        "'x:0'.*not an array of float32",
    ),
    "a state fed one value": (
        lambda: _fed_state(),
        tf.errors.InvalidArgumentError,
        "for the state LSTMStateTuple.*as sess.run returns it",
    ),
    "a cell of another dtype than its input": (
        lambda: tf.nn.dynamic_rnn(
            tf.nn.rnn_cell.GRUCell(2, dtype=tf.float64), _x(), dtype=tf.float32
        ),
        InputError,
        r"GRUCell\(dtype=tf\.float64\) was given an input of float32",
    ),
    "whole numbers for a cell": (
        lambda: tf.nn.dynamic_rnn(
            tf.nn.rnn_cell.BasicRNNCell(2), np.ones((1, 2, 4), np.int64), dtype=tf.int64
        ),
        InputError,
        r"BasicRNNCell was given an input of int64.*tf\.cast",
    ),
    "a state of less than no rows": (
        lambda: _cell().zero_state(-1, tf.float32),
        InputError,
        r"zero_state\(-1, \.\.\.\): give a number",
    ),
    "an if on a tensor": (lambda: bool(tf.constant(1.0)), TypeError, r"it cannot be used in `if`"),
    "a loop over a tensor": (lambda: list(tf.constant([1.0])), TypeError, r"tf\.unstack"),
    "a graph reset inside a with": (lambda: _reset_inside(), InputError, r"outside the `with`"),
    "a variable without a shape": (
        lambda: tf.get_variable("w"),
        InputError,
        r"get_variable\('w'\) was given no shape",
    ),
    "a variable to be reused that is none": (
        lambda: _reuse(),
        InputError,
        r"s/w does not exist.*tf\.AUTO_REUSE",
    ),
    "a graph seed that is not a number": (
        lambda: tf.set_random_seed("777"),
        InputError,
        r"set_random_seed\('777'\)",
    ),
    "a device seed that is too large": (
        lambda: tf.set_device_seed(2**32),
        InputError,
        "4294967296.*from 0 to 4294967295",
    ),
    "a device seed that is not a number": (
        lambda: tf.set_device_seed("7"),
        InputError,
        "'7'.*from 0 to 4294967295",
    ),
    "a device before its beginning": (
        lambda: tf.set_device_seed(1, position=-1),
        InputError,
        "position -1.*0 or more",
    ),
}


def _closed():
    with tf.Session() as sess:
        sess.close()
    sess.run(tf.constant(1.0))


def _reset_inside():
    with tf.Graph().as_default():
        tf.reset_default_graph()


def _reuse():
    with tf.variable_scope("s", reuse=True):
        tf.get_variable("w", [2])


def _own():
    class Own(tf.nn.rnn_cell.RNNCell):
        def __init__(self, units, **given):
            super().__init__(**given)
            self.state_size = self.output_size = units

        def __call__(self, inputs, state, scope=None):
            with tf.variable_scope(scope or "own", reuse=tf.AUTO_REUSE):
                h = tf.tanh(tf.matmul(inputs, tf.get_variable("w", [4, self.output_size])) + state)
            return h, h

    return Own


def _again(**asked):
    tf.get_variable("w", 2)
    tf.get_variable_scope().reuse_variables()
    tf.get_variable("w", **asked)


def _assigned():
    x = tf.placeholder(tf.float32, [None])
    tf.Session().run(tf.Variable(tf.zeros([2])).assign(x), {x: [1, 2, 3]})


def _reshaped(shape):
    x = tf.placeholder(tf.float32, [None, 3])
    tf.Session().run(tf.reshape(x, shape), {x: np.ones((2, 3))})


def _indexed():
    x = tf.placeholder(tf.float32, [None])
    tf.Session().run(x[2], {x: [1, 2]})


def _added():
    x, y = (
        tf.placeholder(tf.float32, [None], name="x"),
        tf.placeholder(tf.float32, [None], name="y"),
    )
    tf.Session().run(x + y, {x: [1, 2, 3], y: [1, 2]})


def _multiplied():
    x = tf.placeholder(tf.float32, [None, None])
    tf.Session().run(tf.matmul(x, tf.ones([4, 2])), {x: np.ones((2, 3))})


def _other_rows():
    x, first = tf.placeholder(tf.float32, [None, 2, 4]), tf.placeholder(tf.float32, [None, 2])
    outputs, _ = tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(2), x, initial_state=first)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(outputs, {x: np.ones((2, 2, 4)), first: np.ones((3, 2))})


def _fed(value):
    x = tf.placeholder(tf.float32, [None, 3], name="x")
    tf.Session().run(x, {x: value})


def _fed_state():
    state = _cell().zero_state(1, tf.float32)
    tf.Session().run(state, {state: 0})


@pytest.mark.parametrize("wrong", list(WRONG))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(wrong):
    call, error, message = WRONG[wrong]
    with pytest.raises(error, match=message):
        call()


UNKNOWN = (
    "it is not among the names that recurrent programs use; docs/tf1-names.md lists those that are "
    "provided."
)
# Names that are missing, from the letters to the namespace, and the end of the error.
MISSING = {
    "tf.nn.dynamic_rn": "the nearest name is tf.nn.dynamic_rnn.",
    "tf.Sesion": "the nearest name is tf.Session.",
    "tf.nn.Dynamic_RNN": "the nearest name is tf.nn.dynamic_rnn.",
    "tf.nn.rnn_cell.GRUCel": "the nearest name is tf.nn.rnn_cell.GRUCell.",
    "tf.nn.concat": "the nearest name is tf.concat.",
    "tf.softmax": "the nearest name is tf.nn.softmax.",
    "tf.nn.LSTMCell": "the nearest name is tf.nn.rnn_cell.LSTMCell.",
    "tf.contrib.LSTMCell": "the nearest name is tf.contrib.rnn.LSTMCell.",
    "tf.rnn_cell": "the nearest name is tf.nn.rnn_cell.",
    "tf.math.set_random_seed": "the nearest name is tf.set_random_seed.",
    "tf.mul": "write tf.multiply.",
    "tf.estimator": "write the training loop with sess.run.",
    "tf.contrib.keras": "write tf.keras.",
    "tf.contrib.rnn.NTMCell": UNKNOWN,
    "tf.contrib.xxx": UNKNOWN,
    "tf.xxx": UNKNOWN,
    "tf.nn.xxx": UNKNOWN,
    "tf.errors.xxx": UNKNOWN,
    "tf.logging.xxx": UNKNOWN,
    "tf.difflib": UNKNOWN,
}


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_name_is_one_sentence_with_what_to_write_instead(name):
    *path, last = name.split(".")[1:]
    within = functools.reduce(getattr, path, tf)
    assert not hasattr(within, last) and getattr(within, last, None) is None
    with pytest.raises(AttributeError) as error:
        getattr(within, last)
    text = str(error.value)
    assert text.startswith(f"{name} is not provided by ostinato.tf1: ") and text.endswith(
        MISSING[name]
    )
    assert len(text) < 200 and "\n" not in text and ". " not in text and text.count(f"{name} ") == 1


def test_every_name_that_an_error_tells_to_write_is_there():
    for said in [*MISSING.values(), *INSTEAD.values()]:
        for name in re.findall(r"tf(?:\.\w+)+", said):
            if name != "tf.contrib":
                functools.reduce(getattr, name.split(".")[1:], tf)


def test_a_missing_name_is_an_import_error_where_it_is_imported():
    with pytest.raises(ImportError, match="cannot import name 'xxx' from 'ostinato.tf1'"):
        from ostinato.tf1 import xxx  # noqa: F401


def test_names_that_start_with_two_underscores_are_pythons_own():
    for within in (tf, tf.nn, tf.random):
        assert not hasattr(within, "__wrapped__")


PAGES = ("docs/tf1.md", "docs/tf1.ko.md")


def _blocks(page):
    return re.findall(
        r"^```(\w*)\n(.*?)^```$", (ROOT / page).read_text(encoding="utf-8"), re.M | re.S
    )


@pytest.mark.parametrize("name", ["", ".kernels.random", ".core.session", ".core.constant"])
def test_examples_in_docstrings_run(name):
    failed, tried = doctest.testmod(importlib.import_module(f"ostinato.tf1{name}"))
    assert tried and not failed


def test_every_example_of_the_page_prints_what_it_shows(capsys):
    blocks, shared = _blocks(PAGES[0]), {"__name__": "page"}
    examples = [
        (code, wanted)
        for (language, code), (_, wanted) in zip(blocks, blocks[1:])
        if language == "python"
    ]
    assert len(examples) == len([language for language, _ in blocks if language == "text"])
    for code, wanted in examples:
        exec(compile(code, PAGES[0], "exec"), shared)
        assert capsys.readouterr().out == wanted


def test_both_languages_show_the_same_and_have_the_same_parts():
    assert _blocks(PAGES[0]) == _blocks(PAGES[1])
    outlines = [
        re.findall(r"^(#+ |- |\|)", (ROOT / page).read_text(encoding="utf-8"), re.M)
        for page in PAGES
    ]
    assert outlines[0] == outlines[1]
