"""Graphs: names that do not exist, finalized graphs, and changes that sessions see."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import EngineError, InputError
from ostinato.tf1.core.errors import UnknownName

ASKED = {
    "get_operation_by_name": lambda graph, sess, name: graph.get_operation_by_name(name),
    "get_tensor_by_name": lambda graph, sess, name: graph.get_tensor_by_name(f"{name}:0"),
    "as_graph_element": lambda graph, sess, name: graph.as_graph_element(name),
    "the name of a tensor": lambda graph, sess, name: graph.as_graph_element(f"{name}:0"),
    "a fetch": lambda graph, sess, name: sess.run(f"{name}:0"),
    "a fetch of an operation": lambda graph, sess, name: sess.run(name),
    "fetches": lambda graph, sess, name: sess.run({"a": "x:0", "b": [f"{name}:0"]}),
}


@pytest.mark.parametrize("asked", ASKED)
@pytest.mark.parametrize("name", ["rnn/transpose", "X", "x_1", "한글"])
def test_a_name_that_does_not_exist_is_one_error(asked, name):
    tf.constant(1.0, name="x")
    with tf.Session() as sess, pytest.raises(UnknownName) as caught:
        ASKED[asked](tf.get_default_graph(), sess, name)
    assert isinstance(caught.value, KeyError) and isinstance(caught.value, InputError)
    message = str(caught.value)
    assert message.startswith("The name ") and message.count(repr(name)) >= 1
    assert f"The operation, {name!r}, does not exist in the graph: give one of" in message


def test_an_output_that_does_not_exist_says_how_many_there_are():
    tf.split(tf.ones([4]), 2, name="halves")
    assert tf.get_default_graph().get_tensor_by_name("halves:1").shape == [2]
    for ask in (tf.get_default_graph().get_tensor_by_name, tf.Session().run):
        with pytest.raises(UnknownName, match="'halves', has 2 output"):
            ask("halves:2")


@pytest.mark.parametrize("name", ["x", "x:", "x:-1", "x:a", "x:0:0", "x:²", 5, None])
def test_a_name_of_another_form_is_refused(name):
    x = tf.constant(1.0, name="x")
    graph = tf.get_default_graph()
    assert graph.get_operation_by_name("x") is x.op
    with pytest.raises(InputError, match="looks like the name of an Operation") as caught:
        graph.get_tensor_by_name(name)
    assert not isinstance(caught.value, KeyError)
    with pytest.raises(InputError, match="not the name of an Operation"):
        graph.get_operation_by_name("x:0")


def test_a_finalized_graph_has_no_new_operations_or_collections():
    x = tf.placeholder(tf.float32, [], name="x")
    v = tf.get_variable("v", [], initializer=tf.ones_initializer())
    y, init = x + v, tf.global_variables_initializer()
    graph = tf.get_default_graph()
    graph.finalize()
    count = len(graph.get_operations())
    changes = [
        ("the operation 'more' .Const. was added", lambda: tf.constant(1.0, name="more")),
        ("the operation '.+' .Const. was added", lambda: x + 1.0),
        ("the operation '.+' .Const. was added", lambda: tf.get_variable("w", [2])),
        ("'losses'", lambda: tf.losses.add_loss(y)),
        ("'names'", lambda: tf.add_to_collections(["names"], y)),
    ]
    for words, change in changes:
        with pytest.raises(EngineError, match=f"Graph is finalized and cannot be mod.*{words}"):
            change()
    assert len(graph.get_operations()) == count
    with tf.Session() as sess:
        sess.run(init)
        assert sess.run(y, {x: 2.0}) == 3.0
        assert sess.run("v:0") == 1.0


@pytest.mark.parametrize("several", [True, False])
def test_a_control_input_that_is_added_after_a_run_is_seen(several):
    v = tf.get_variable("v", [], initializer=tf.zeros_initializer())
    add = tf.assign_add(v, 1.0)
    y = tf.constant(2.0) * 3.0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(y) == 6.0 and sess.run(v) == 0.0
        (y.op.add_control_inputs([add.op, add.op]) if several else y.op.add_control_input(add.op))
        assert [sess.run(y) for _ in range(2)] == [6.0, 6.0]
        assert sess.run(v) == 2.0


def test_an_input_that_is_replaced_after_a_run_is_seen():
    a, b = tf.constant(np.float32(1.0)), tf.constant(np.float32(2.0))
    y = tf.negative(a)
    with tf.Session() as sess:
        assert sess.run(y) == -1.0
        y.op.update_input(0, b)
        assert sess.run(y) == -2.0
