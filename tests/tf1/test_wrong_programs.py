"""A wrong program ends with one error, which names its line and says what to write."""

import re
import sys

import pytest

from ostinato.tf1 import __main__, core

HEAD = "import numpy as np\nimport tensorflow as tf\n"

# The program; the line marked with "# here" is the one that the error names.
WRONG = {
    "a placeholder without a value": (
        "x = tf.placeholder(tf.float32, [None, 3], name='x')\n"
        "y = x * 2.0\n"
        "print(tf.Session().run(y))  # here\n",
        "You must feed a value for placeholder tensor 'x'",
    ),
    "a value of another shape": (
        "x = tf.placeholder(tf.float32, [None, 3], name='x')\n"
        "tf.Session().run(x, {x: np.ones((2, 4))})  # here\n",
        r"Cannot feed value of shape \(2, 4\) for Tensor 'x:0'",
    ),
    "a value that is not a number": (
        "x = tf.placeholder(tf.int32, [], name='x')\ntf.Session().run(x, {x: 'one'})  # here\n",
        "'x:0' a value that is not an array of int32",
    ),
    "a key that is not a tensor": (
        "x = tf.placeholder(tf.float32, [])\ntf.Session().run(x, {'learning rate': 1.0})  # here\n",
        "'learning rate'",
    ),
    "a variable that was not initialized": (
        "w = tf.get_variable('w', [2])\ntf.Session().run(w * 2.0)  # here\n",
        r"uninitialized value w: run sess\.run\(tf\.global_variables_initializer\(\)\)",
    ),
    "a name with a mistake": (
        "tf.nn.dynamic_rn(None, None)  # here\n",
        r"tf\.nn\.dynamic_rn is not provided.*tf\.nn\.dynamic_rnn",
    ),
    "a name of TensorFlow 0": ("tf.mul(1.0, 2.0)  # here\n", r"write tf\.multiply"),
    "a part that is not provided": ("tf.estimator.Estimator(None)  # here\n", "training loop"),
    "two dtypes": (
        "y = tf.constant(1.0) + tf.constant(1)  # here\n",
        r"int32 where float32 is expected: write tf\.cast",
    ),
    "matrices that do not fit": (
        "tf.matmul(tf.ones([2, 3]), tf.ones([4, 2]))  # here\n",
        r"\(2, 3\) and \(4, 2\)",
    ),
    "a variable twice": (
        "tf.get_variable('w', [2])\ntf.get_variable('w', [2])  # here\n",
        "Variable w already exists",
    ),
    "a variable to be reused that is none": (
        "with tf.variable_scope('s', reuse=True):\n    tf.get_variable('w', [2])  # here\n",
        "Variable s/w does not exist",
    ),
    "a closed session": (
        "with tf.Session() as sess:\n    pass\nsess.run(tf.constant(1.0))  # here\n",
        "Attempted to use a closed Session",
    ),
    "a tensor of another graph": (
        "a = tf.constant(1.0)\ntf.reset_default_graph()\ntf.Session().run(a)  # here\n",
        "not in this session's graph",
    ),
    "an if on a tensor": (
        "x = tf.constant(1.0)\nif x > 0.0:  # here\n    pass\n",
        "cannot be used in `if`; run it first",
    ),
    "a loop over a tensor": (
        "for row in tf.ones([3, 2]):  # here\n    pass\n",
        r"use tf\.unstack",
    ),
    "a tensor as an array": (
        "np.mean(np.asarray(tf.ones([3])))  # here\n",
        "it is not an array; run it first",
    ),
    "the axis first, as in TensorFlow 0": (
        "tf.concat(1, [tf.ones([2, 1])])  # here\n",
        r"tf\.concat was given 1: give it a list",
    ),
    "logits without steps": (
        "tf.contrib.seq2seq.sequence_loss(tf.ones([2, 5]), tf.ones([2, 3], tf.int32),"
        " tf.ones([2, 3]))  # here\n",
        "Logits must be a .* tensor",
    ),
    "labels of another rank": (
        "tf.nn.sparse_softmax_cross_entropy_with_logits(labels=tf.ones([2, 5], tf.int32),"
        " logits=tf.ones([2, 5]))  # here\n",
        "Rank mismatch",
    ),
    "logits by position": (
        "tf.nn.softmax_cross_entropy_with_logits(tf.ones([2, 5]), tf.ones([2, 5]))  # here\n",
        "named arguments",
    ),
    "nothing to train": (
        "x = tf.placeholder(tf.float32, [])\ntf.train.AdamOptimizer().minimize(x * 2.0)  # here\n",
        "No variables to optimize",
    ),
    "a loss that depends on no variable": (
        "w = tf.get_variable('w', [2])\n"
        "tf.train.AdamOptimizer().minimize(tf.constant(1.0))  # here\n",
        "No gradients provided for any variable",
    ),
    "a checkpoint that does not exist": (
        "w = tf.get_variable('w', [2])\n"
        "saver = tf.train.Saver()\n"
        "saver.restore(tf.Session(), 'nothing/model.ckpt-5')  # here\n",
        r"nothing/model\.ckpt-5",
    ),
    "a Saver without variables": ("tf.train.Saver()  # here\n", "No variables to save"),
    "a tensor that does not exist": (
        "tf.get_default_graph().get_tensor_by_name('rnn/transpose:0')  # here\n",
        "does not exist in the graph",
    ),
    "nothing fetched": ("tf.Session().run(None)  # here\n", "sess.run was given None"),
    "a keep probability of 0": (
        "tf.nn.dropout(tf.ones([2]), keep_prob=0.0)  # here\n",
        "keep_prob",
    ),
    "an id past the end of the table": (
        "table = tf.constant(np.ones((4, 2)))\n"
        "tf.Session().run(tf.nn.embedding_lookup(table, [1, 4]))  # here\n",
        r"4 is not in \[0, 4\)",
    ),
    "one cell for all layers": (
        "cell = tf.nn.rnn_cell.BasicLSTMCell(5)\n"
        "stack = tf.nn.rnn_cell.MultiRNNCell([cell] * 3)\n"
        "tf.nn.dynamic_rnn(stack, tf.ones([1, 2, 3]), dtype=tf.float32)  # here\n",
        "weights for inputs of size 3 .* use another cell object",
    ),
    "no dtype and no state": (
        "tf.nn.dynamic_rnn(tf.nn.rnn_cell.GRUCell(2), tf.ones([1, 2, 3]))  # here\n",
        "give dtype=tf.float32",
    ),
    "a tensor instead of a list of steps": (
        "cell = tf.nn.rnn_cell.GRUCell(2)\n"
        "tf.nn.static_rnn(cell, tf.ones([3, 2, 4]), dtype=tf.float32)  # here\n",
        r"tf\.unstack|a list",
    ),
    "a shape that grows in a loop": (
        "tf.while_loop(lambda x: True, lambda x: tf.concat([x, x], 0), [tf.ones([1])])  # here\n",
        "shape_invariants|invariant",
    ),
    "an iterator that was not started": (
        "numbers = tf.data.Dataset.range(3).make_initializable_iterator().get_next()\n"
        "tf.Session().run(numbers)  # here\n",
        r"sess\.run\(iterator\.initializer\)",
    ),
    "MNIST without its files": (
        "from tensorflow.examples.tutorials.mnist import input_data\n"
        "input_data.read_data_sets('no such folder')  # here\n",
        "train-images-idx3-ubyte.gz.*not downloaded",
    ),
    "the order of tf.split before 1.0": (
        "tf.split(1, 3, tf.ones([2, 3]))  # here\n",
        r"write tf.split\(x, 3, 1\)",
    ),
    "a finalized graph": (
        "tf.get_default_graph().finalize()\ntf.constant(1.0)  # here\n",
        "Graph is finalized",
    ),
}


@pytest.fixture
def own_defaults():
    """A default graph and no session, as a new process has them, and what was there afterwards: a
    program that ends in the middle leaves its own open. Modules keep these lists, so that their
    contents are replaced, not the lists.
    """
    stacks = core.graph.graphs, core.defaults.sessions
    before = [list(stack) for stack in stacks]
    core.graph.graphs[:], core.defaults.sessions[:] = [core.graph.Graph()], []
    yield
    for stack, contents in zip(stacks, before):
        stack[:] = contents


@pytest.mark.usefixtures("own_defaults")
@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_program_ends_with_an_error_at_its_line(wrong, tmp_path, monkeypatch, capsys):
    text, message = WRONG[wrong]
    program = tmp_path / "program.py"
    program.write_text(HEAD + text)
    monkeypatch.chdir(tmp_path)
    for name in ("meta_path", "argv", "path"):
        monkeypatch.setattr(sys, name, list(getattr(sys, name)))
    for name in [n for n in sys.modules if n.partition(".")[0] == "tensorflow"]:
        monkeypatch.delitem(sys.modules, name)
    assert __main__.main([str(program)]) == 2
    shown = capsys.readouterr().err
    line = next(i for i, t in enumerate((HEAD + text).splitlines(), 1) if "# here" in t)
    assert shown.startswith(f"error: program.py, line {line}: "), shown
    assert re.search(message, shown, re.S), shown
    assert "Traceback" not in shown and shown.count("\n") == 1


def test_there_are_thirty_wrong_programs():
    assert len(WRONG) >= 30
