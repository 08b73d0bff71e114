"""Branches, loops, TensorArrays and their gradients."""

import json
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError, SizeError

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "training"


def run(fetches, feed=None):
    with tf.Session() as sess:
        return sess.run(fetches, feed)


def names(after=0):
    return [f"{o.type} {o.name}" for o in tf.get_default_graph().get_operations()[after:]]


def power(w, x, count):
    """x times w, count times."""
    return tf.while_loop(lambda i, y: i < count, lambda i, y: (i + 1, y * w), [0, x])[1]


# Loops


def test_a_loop_runs_while_its_condition_holds():
    i, total = tf.while_loop(
        lambda i, s: tf.less(i, 10), lambda i, s: (i + 1, s + i), [tf.constant(0), tf.constant(0)]
    )
    assert run([i, total]) == [10, 45]


def test_a_loop_without_iterations_returns_its_first_values():
    assert run(power(tf.constant(3.0), tf.constant(2.0), 0)) == 2.0


def test_the_operations_of_a_loop_are_those_of_tensorflow():
    power(tf.constant(3.0), tf.constant(2.0), 3)
    assert names(2) == [
        "Const while/Const",
        "Enter while/Enter",
        "Enter while/Enter_1",
        "Merge while/Merge",
        "Merge while/Merge_1",
        "Const while/Less/y",
        "Less while/Less",
        "LoopCond while/LoopCond",
        "Switch while/Switch",
        "Switch while/Switch_1",
        "Identity while/Identity",
        "Identity while/Identity_1",
        "Const while/add/y",
        "Add while/add",
        "Mul while/mul",
        "Enter while/mul/Enter",
        "NextIteration while/NextIteration",
        "NextIteration while/NextIteration_1",
        "Exit while/Exit",
        "Exit while/Exit_1",
    ]


def test_a_structure_of_loop_variables_is_kept():
    Pair = namedtuple("Pair", "a b")
    start = Pair(tf.constant(1), {"y": tf.constant(2), "x": [tf.constant(3)]})
    (end,) = tf.while_loop(
        lambda p: p.a < 4, lambda p: [Pair(p.a + 1, {"y": p.b["y"] * 2, "x": p.b["x"]})], [start]
    )
    found = run(end.b)
    assert isinstance(end, Pair) and found == {"y": 16, "x": [3]}


def test_maximum_iterations_ends_a_loop():
    end = tf.while_loop(lambda x: True, lambda x: x + 1, [tf.constant(5)], maximum_iterations=3)
    assert run(end) == 8


def test_one_variable_is_not_returned_in_a_list_unless_wanted():
    def loop(**named):
        return tf.while_loop(lambda x: x < 3, lambda x: x + 1, [tf.constant(0)], **named)

    assert run(loop()) == 3
    assert run(loop(return_same_structure=True)) == [3]


def test_a_shape_may_change_with_shape_invariants():
    i, x = tf.while_loop(
        lambda i, x: i < 3,
        lambda i, x: (i + 1, tf.concat([x, [i]], 0)),
        [tf.constant(0), tf.zeros([1], tf.int32)],
        shape_invariants=[tf.TensorShape([]), tf.TensorShape([None])],
    )
    assert x.shape.as_list() == [None]
    assert run(x).tolist() == [0, 0, 1, 2]


def test_a_shape_that_changes_without_shape_invariants_is_an_error():
    with pytest.raises(SizeError, match="shape_invariants"):
        tf.while_loop(
            lambda i, x: i < 3,
            lambda i, x: (i + 1, tf.concat([x, [1.0]], 0)),
            [tf.constant(0), tf.zeros([1])],
        )


@pytest.mark.parametrize(
    ("loop", "words"),
    [
        (lambda: tf.while_loop(1, lambda x: x, [tf.constant(0)]), "cond must be callable"),
        (lambda: tf.while_loop(lambda x: x < 1, 1, [tf.constant(0)]), "body must be callable"),
        (lambda: tf.while_loop(lambda: True, lambda: [], []), "No loop variables"),
        (
            lambda: tf.while_loop(lambda x: x < 1, lambda x: (x, x), [tf.constant(0)]),
            "same nested structure",
        ),
        (
            lambda: tf.while_loop(lambda x: x < 1, lambda x: tf.constant(1.0), [tf.constant(0)]),
            "type",
        ),
        (
            lambda: tf.while_loop(
                lambda x: x < 1, lambda x: x, [tf.constant(0)], maximum_iterations=[1]
            ),
            "scalar",
        ),
    ],
)
def test_a_wrong_loop_is_an_error(loop, words):
    with pytest.raises(OstinatoError, match=words):
        loop()


def test_a_tensor_inside_of_a_loop_cannot_be_used_outside():
    inside = []

    def body(x):
        inside.append(x * 2)
        return x + 1

    tf.while_loop(lambda x: x < 3, body, [tf.constant(0)])
    with pytest.raises(InputError, match="is in a while loop"):
        inside[0] + 1


def test_loops_may_be_nested():
    def outer(i, total):
        _, inner = tf.while_loop(
            lambda j, t: j < i, lambda j, t: (j + 1, t + i * j), [tf.constant(0), total]
        )
        return i + 1, inner

    _, total = tf.while_loop(lambda i, t: i < 5, outer, [tf.constant(0), tf.constant(0)])
    assert run(total) == sum(i * j for i in range(5) for j in range(i))


def test_a_fed_value_decides_the_number_of_iterations():
    n = tf.placeholder(tf.int32, [])
    x = power(tf.constant(2.0), tf.constant(1.0), n)
    assert [run(x, {n: k}) for k in (0, 1, 5)] == [1.0, 2.0, 32.0]


# Branches


def test_only_the_branch_that_is_taken_runs():
    x, choice = tf.placeholder(tf.float32, []), tf.placeholder(tf.bool, [])
    calls = []

    def note(value):
        calls.append(float(value))
        return np.float32(value)

    result = tf.cond(
        choice,
        lambda: tf.py_func(note, [x + 1.0], tf.float32),
        lambda: tf.py_func(note, [x - 1.0], tf.float32),
    )
    assert run(result, {x: 3.0, choice: True}) == 4.0
    assert run(result, {x: 3.0, choice: False}) == 2.0
    assert calls == [4.0, 2.0]


def test_the_operations_of_a_branch_are_those_of_tensorflow():
    x = tf.placeholder(tf.float32, [])
    tf.cond(x > 0.0, lambda: x * 2.0, lambda: x)
    assert names(3) == [
        "Switch cond/Switch",
        "Identity cond/switch_t",
        "Identity cond/switch_f",
        "Identity cond/pred_id",
        "Const cond/mul/y",
        "Mul cond/mul",
        "Switch cond/mul/Switch",
        "Switch cond/Switch_1",
        "Merge cond/Merge",
    ]


def test_a_variable_may_be_the_condition_and_a_result():
    choice, v = tf.Variable(True), tf.Variable(1.0)
    result = tf.cond(choice, lambda: tf.assign(v, 5.0), lambda: v + 0.0)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(result) == 5.0 and sess.run(v) == 5.0
        sess.run([choice.assign(False), v.assign(2.0)])
        assert sess.run(result) == 2.0


def test_a_variable_may_change_in_a_loop():
    v = tf.Variable(1.0)

    def body(i):
        with tf.control_dependencies([v.assign_add(2.0)]):
            return i + 1

    end = tf.while_loop(lambda i: i < 3, body, [tf.constant(0)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(end) == 3 and sess.run(v) == 7.0


def test_branches_return_structures():
    x, choice = tf.constant([1.0, 2.0]), tf.placeholder(tf.bool, [])
    result = tf.cond(choice, lambda: (x, [x * 2]), lambda: (x * 3, [x]))
    assert run(result[1][0], {choice: True}).tolist() == [2.0, 4.0]
    assert run(result[0], {choice: False}).tolist() == [3.0, 6.0]


def test_branches_may_be_nested():
    x = tf.placeholder(tf.float32, [])
    result = tf.cond(
        x > 0, lambda: tf.cond(x > 1, lambda: x * 10, lambda: x * 100), lambda: x * 1000
    )
    assert [run(result, {x: v}) for v in (2.0, 0.5, -1.0)] == [20.0, 50.0, -1000.0]


def test_a_branch_may_be_in_a_loop_and_a_loop_in_a_branch():
    def body(i, x):
        x = tf.cond(
            tf.equal(i % 2, 0), lambda: power(tf.constant(2.0), x, i), lambda: x + tf.to_float(i)
        )
        return i + 1, x

    _, x = tf.while_loop(lambda i, x: i < 6, body, [tf.constant(0), tf.constant(1.0)])
    want = 1.0
    for i in range(6):
        want = want * 2.0**i if i % 2 == 0 else want + i
    assert run(x) == want


@pytest.mark.parametrize(
    ("branches", "words"),
    [
        ((lambda: tf.constant(1), lambda: tf.constant(1.0)), "same type"),
        ((lambda: (tf.constant(1),) * 2, lambda: tf.constant(1)), "Incompatible return"),
        ((lambda: None, lambda: tf.constant(1)), "return value"),
        ((1, lambda: tf.constant(1)), "function"),
    ],
)
def test_wrong_branches_are_an_error(branches, words):
    with pytest.raises(OstinatoError, match=words):
        tf.cond(tf.placeholder(tf.bool, []), *branches)


def test_a_python_truth_value_is_not_a_condition():
    with pytest.raises(OstinatoError, match="Python bool"):
        tf.cond(True, lambda: tf.constant(1), lambda: tf.constant(2))


def test_case_takes_the_first_condition_that_holds():
    x = tf.placeholder(tf.float32, [])
    pairs = [(x > 2, lambda: x * 2), (x > 1, lambda: x * 3)]
    result = tf.case(pairs, default=lambda: x)
    assert [run(result, {x: v}) for v in (3.0, 2.0, 0.0)] == [6.0, 6.0, 0.0]


def test_case_without_a_default_checks_its_conditions():
    x = tf.placeholder(tf.float32, [])
    result = tf.case([(x > 2, lambda: x * 2), (x < 1, lambda: x * 3)])
    assert run(result, {x: 3.0}) == 6.0 and run(result, {x: 0.5}) == 1.5
    with pytest.raises(OstinatoError, match="None of conditions"):
        run(result, {x: 1.5})


# Order


def test_group_and_tuple_wait_for_all():
    v, w = tf.Variable(1.0), tf.Variable(2.0)
    update = tf.group(v.assign(5.0), w.assign(6.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(update) is None and sess.run([v, w]) == [5.0, 6.0]
    a, none, b = tf.tuple([tf.constant(1), None, tf.constant(2)])
    assert none is None and run([a, b]) == [1, 2]


def test_group_refuses_numbers():
    with pytest.raises(InputError, match="tf.group was given 1"):
        tf.group(1)


# TensorArrays


def test_a_tensor_array_is_stacked_gathered_and_joined():
    array = tf.TensorArray(tf.float32, size=3, clear_after_read=False)
    array = array.unstack([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    assert array.read(0).shape.as_list() == [2]
    fetched = run(
        [array.stack(), array.gather([2, 0]), array.concat(), array.read(1), array.size()]
    )
    assert fetched[0].tolist() == [[1, 2], [3, 4], [5, 6]]
    assert fetched[1].tolist() == [[5, 6], [1, 2]]
    assert fetched[2].tolist() == [1, 2, 3, 4, 5, 6]
    assert fetched[3].tolist() == [3, 4] and fetched[4] == 3


def test_split_makes_elements_of_several_lengths():
    array = tf.TensorArray(tf.float32, size=2, infer_shape=False, clear_after_read=False)
    array = array.split([1.0, 2.0, 3.0], lengths=[1, 2])
    assert [v.tolist() for v in run([array.read(0), array.read(1)])] == [[1], [2, 3]]
    assert run(array.concat()).tolist() == [1, 2, 3]


def test_an_element_that_is_not_written_is_zeros_of_the_shape_of_the_others():
    """dynamic_rnn's outputs after the longest length, where the batch size is not known."""
    rows = tf.placeholder(tf.float32, [None, 2])
    array = tf.TensorArray(tf.float32, size=3, element_shape=[None, 2]).write(1, rows)
    stacked = array.stack()
    (gradient,) = tf.gradients(stacked, rows)
    value, slope = tf.Session().run([stacked, gradient], {rows: np.full([4, 2], 5)})
    assert value[:, 0].tolist() == [[0, 0], [5, 5], [0, 0]] and value.shape == (3, 4, 2)
    assert slope.tolist() == np.ones([4, 2]).tolist()


def test_a_dynamic_tensor_array_grows():
    def body(i, array):
        return i + 1, array.write(i, i * i)

    array = tf.TensorArray(tf.int32, size=0, dynamic_size=True)
    _, array = tf.while_loop(lambda i, a: i < 4, body, [tf.constant(0), array])
    assert run([array.stack()])[0].tolist() == [0, 1, 4, 9]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (lambda a: a.write(2, 1.0).flow, "not resizeable"),
        (lambda a: a.write(0, 1.0).write(0, 1.0).flow, "already been written"),
        (lambda a: a.read(0), "not written"),
        (lambda a: a.write(0, [1.0]).write(1, [1.0, 2.0]).flow, "Inconsistent shapes"),
        (lambda a: a.write(0, 1).flow, "dtype"),
    ],
)
def test_a_wrong_use_of_a_tensor_array_is_an_error(wrong, words):
    with pytest.raises(OstinatoError, match=words):
        run(wrong(tf.TensorArray(tf.float32, size=2)))


def test_an_element_is_read_once_unless_kept():
    array = tf.TensorArray(tf.float32, size=1).write(0, 1.0)
    first = array.read(0)
    with tf.control_dependencies([first]):
        second = array.read(0)
    with pytest.raises(OstinatoError, match="clear_after_read"):
        run(second)


# Gradients


def test_gradients_without_loops():
    x, y = tf.constant(3.0), tf.constant(4.0)
    assert run(tf.gradients(x * x * y, [x, y])) == [24.0, 9.0]
    assert run(tf.gradients([x * y, x], x, grad_ys=[tf.constant(2.0), None])) == [9.0]
    assert tf.gradients(x, y) == [None]
    assert run(tf.gradients(x, y, unconnected_gradients="zero")) == [0.0]
    assert run(tf.gradients(x + 2 * x, x, stop_gradients=[x])) == [3.0]


def test_gradients_have_scopes_of_their_own():
    x = tf.constant(3.0)
    assert tf.gradients(x * x, x)[0].name == "gradients/AddN:0"
    assert tf.gradients(x * x, x)[0].name == "gradients_1/AddN:0"


def test_gated_gradients_wait_for_one_another():
    x, y = tf.constant(3.0), tf.constant(4.0)
    found = tf.gradients(x * y, [x, y], gate_gradients=True)
    assert found[0].name == "gradients/mul_grad/tuple/control_dependency:0"
    assert run(found) == [4.0, 3.0]


def test_gradients_of_looked_up_rows_are_rows():
    table = tf.constant(np.arange(8.0).reshape(4, 2))
    rows = tf.gather(table, [1, 1]) + tf.gather(table, [3, 0])
    (grad,) = tf.gradients(rows, table)
    assert isinstance(grad, tf.IndexedSlices)
    assert run(tf.convert_to_tensor(grad)).tolist() == [[1, 1], [2, 2], [0, 0], [1, 1]]


@pytest.mark.parametrize("method", [0, 1, 2])
def test_gradients_are_added_by_each_method(method):
    x = tf.constant([1.0, 2.0])
    y = x * x + 3 * x + tf.exp(x)
    (grad,) = tf.gradients(y, x, aggregation_method=method)
    np.testing.assert_allclose(run(grad), [5 + np.e, 7 + np.e**2], rtol=1e-6)


def test_gradients_of_a_loop():
    w, x = tf.constant(3.0), tf.constant(2.0)
    n = tf.placeholder(tf.int32, [])
    found = tf.gradients(power(w, x, n), [w, x])
    for count in (0, 1, 4):
        want = [2.0 * count * 3.0 ** (count - 1) if count else 0.0, 3.0**count]
        assert run(found, {n: count}) == want


def test_gradients_of_a_loop_may_wait_for_one_another():
    w, x = tf.constant(3.0), tf.constant(2.0)
    found = tf.gradients(power(w, x * x, 2), [w, x], gate_gradients=True)
    assert run(found) == [24.0, 36.0]


def test_gradients_of_nested_loops():
    w, x = tf.constant(2.0, tf.float64), tf.constant(1.5, tf.float64)

    def outer(i, y):
        return i + 1, power(w, y, i + 1) + x

    _, y = tf.while_loop(lambda i, y: i < 3, outer, [tf.constant(0), x])

    def plain(w, x):
        y = x
        for i in range(3):
            y = y * w ** (i + 1) + x
        return y

    _check(y, [w, x], plain, [2.0, 1.5])


def _check(y, xs, plain, at, step=1e-6):
    """Compare gradients with finite differences."""
    found = run([y, *tf.gradients(y, xs)])
    np.testing.assert_allclose(found[0], plain(*at))
    for i, grad in enumerate(found[1:]):
        up = [v + step * (i == j) for j, v in enumerate(at)]
        down = [v - step * (i == j) for j, v in enumerate(at)]
        np.testing.assert_allclose(grad, (plain(*up) - plain(*down)) / (2 * step), rtol=1e-6)


def test_gradients_of_a_branch():
    x, choice = tf.constant(3.0), tf.placeholder(tf.bool, [])
    (grad,) = tf.gradients(tf.cond(choice, lambda: x * x, lambda: x * 5), x)
    assert run(grad, {choice: True}) == 6.0 and run(grad, {choice: False}) == 5.0


def test_gradients_of_a_branch_in_a_loop():
    w, x = tf.constant(2.0, tf.float64), tf.constant(1.5, tf.float64)

    def body(i, y):
        y = tf.cond(tf.equal(i % 2, 0), lambda: y * w * y, lambda: tf.sin(y) + x)
        return i + 1, y

    _, y = tf.while_loop(lambda i, y: i < 4, body, [tf.constant(0), x])

    def plain(w, x):
        y = x
        for i in range(4):
            y = y * w * y if i % 2 == 0 else np.sin(y) + x
        return y

    _check(y, [w, x], plain, [2.0, 1.5])


def test_gradients_of_a_loop_in_a_branch():
    w, x, choice = tf.constant(3.0), tf.constant(2.0), tf.placeholder(tf.bool, [])
    found = tf.gradients(tf.cond(choice, lambda: power(w, x, 3), lambda: w * x), [w, x])
    assert run(found, {choice: True}) == [54.0, 27.0]
    assert run(found, {choice: False}) == [2.0, 3.0]


def test_gradients_through_a_tensor_array():
    x = tf.constant([1.0, 2.0, 3.0], tf.float64)
    w = tf.constant(2.0, tf.float64)
    source = tf.TensorArray(tf.float64, size=3).unstack(x)
    target = tf.TensorArray(tf.float64, size=3)

    def body(i, total, target):
        total = total * w + source.read(i)
        return i + 1, total, target.write(i, total * total)

    _, total, target = tf.while_loop(
        lambda i, s, a: i < 3, body, [tf.constant(0), tf.constant(0.0, tf.float64), target]
    )
    y = tf.reduce_sum(target.stack()) + total

    def plain(w, a, b, c):
        totals = [a, a * w + b, (a * w + b) * w + c]
        return sum(t * t for t in totals) + totals[-1]

    found = run([y, *tf.gradients(y, [w, x])])
    at, step = [2.0, 1.0, 2.0, 3.0], 1e-6
    want = []
    for i in range(4):
        up = [v + step * (i == j) for j, v in enumerate(at)]
        down = [v - step * (i == j) for j, v in enumerate(at)]
        want.append((plain(*up) - plain(*down)) / (2 * step))
    np.testing.assert_allclose(found[0], plain(*at))
    np.testing.assert_allclose([found[1], *found[2]], want, rtol=1e-6)


def test_gradients_of_joined_and_split_elements():
    x = tf.constant([1.0, 2.0, 3.0])
    array = tf.TensorArray(tf.float32, size=2, infer_shape=False).split(x * x, [1, 2])
    (grad,) = tf.gradients(array.concat() * [1.0, 10.0, 100.0], x)
    assert run(grad).tolist() == [2.0, 40.0, 600.0]


def test_rows_looked_up_in_a_loop_are_collected():
    table = tf.constant(np.arange(6.0).reshape(3, 2))

    def body(i, y):
        return i + 1, y + tf.reduce_sum(tf.gather(table, [i, 0]))

    _, y = tf.while_loop(lambda i, y: i < 3, body, [tf.constant(0), tf.constant(0.0, tf.float64)])
    (grad,) = tf.gradients(y, table)
    assert isinstance(grad, tf.IndexedSlices)
    assert run(tf.convert_to_tensor(grad)).tolist() == [[4, 4], [1, 1], [1, 1]]


def test_a_second_gradient_of_a_loop_is_an_error():
    w, x = tf.constant(3.0), tf.constant(2.0)
    (grad,) = tf.gradients(power(w, x, 2), x)
    with pytest.raises(OstinatoError, match="Second-order"):
        tf.gradients(grad, w)


def test_gradients_inside_of_a_loop_stop_at_its_variables():
    x = tf.constant(2.0)

    def body(i, y):
        return i + 1, tf.gradients(y * y, x)[0] or y

    with pytest.raises(OstinatoError, match="initial value"):
        tf.while_loop(lambda i, y: i < 2, body, [tf.constant(0), x])


@pytest.mark.parametrize(
    "named", [{"unconnected_gradients": "some"}, {"aggregation_method": 7}, {"grad_ys": [1.0, 2.0]}]
)
def test_wrong_arguments_of_gradients_are_an_error(named):
    x = tf.constant(1.0)
    with pytest.raises(OstinatoError):
        tf.gradients(x * x, x, **named)


@pytest.mark.parametrize("name", ["train_lr_variable", "crf_train"])
def test_the_gradients_of_a_dynamic_rnn_are_the_operations_of_tensorflow(name):
    if not GOLDEN.exists():
        pytest.skip("the recordings of TensorFlow are not here")
    cases = json.loads((GOLDEN / "index.json").read_text())["cases"]
    case = next(c for c in cases if c["name"] == name)
    with np.load(GOLDEN / case["file"]) as recorded:
        want = bytes(recorded["graph_ops"]).decode().split("\n")
        space = {"tf": tf, "np": np} | {n: recorded["in/" + n] for n in case.get("inputs", ())}
    tf.set_random_seed(777)
    exec(case["program"].replace("#---\n", ""), space | case.get("params", {}))
    found = tf.get_default_graph().get_operations()
    assert [f"{o._id} {o.type} {o.name}" for o in found] == [w for w in want if w]
