"""Variables, variable scopes and collections of variables are TensorFlow's."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError, SizeError
from ostinato.tf1.core.errors import FailedPreconditionError, InvalidArgumentError
from ostinato.tf1.state.resources import ResourceVariable

KINDS = {"reference": False, "resource": True}


@pytest.fixture(params=KINDS)
def resource(request):
    return KINDS[request.param]


def initialized(*fetches, feed=None):
    """The values of fetches after all variables got their initial values."""
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = [sess.run(f, feed) for f in fetches]
    return values if len(values) > 1 else values[0]


def names():
    return " ".join(o.name for o in tf.get_default_graph().get_operations())


# Variables


def test_a_reference_variable_has_tensorflows_operations():
    tf.Variable(3.0)
    tf.get_variable("w", [2], initializer=tf.zeros_initializer())
    assert names() == (
        "Variable/initial_value Variable Variable/Assign Variable/read "
        "w/Initializer/zeros w w/Assign w/read"
    )


def test_a_resource_variable_has_tensorflows_operations():
    tf.get_variable("w", [2], initializer=tf.zeros_initializer(), use_resource=True)
    assert names() == (
        "w/Initializer/zeros w w/IsInitialized/VarIsInitializedOp w/Assign w/Read/ReadVariableOp"
    )


def test_variables_are_shown_as_in_tensorflow():
    v = tf.get_variable("a/v", [2, 3])
    r = tf.get_variable("r", [2, 3], use_resource=True)
    assert str(v) == repr(v) == "<tf.Variable 'a/v:0' shape=(2, 3) dtype=float32_ref>"
    assert str(r) == "<tf.Variable 'r:0' shape=(2, 3) dtype=float32>"
    assert (v.name, v.op.name, v.op.type) == ("a/v:0", "a/v", "VariableV2")
    assert isinstance(v, tf.Variable) and isinstance(r, tf.Variable)
    assert v.graph is tf.get_default_graph() and v.get_shape().as_list() == [2, 3]


def test_use_resource_decides_the_class():
    assert isinstance(tf.Variable(1.0, use_resource=True), ResourceVariable)
    with tf.variable_scope("s", use_resource=True):
        assert isinstance(tf.Variable(1.0), ResourceVariable)
        assert not isinstance(tf.Variable(1.0, use_resource=False), ResourceVariable)


def test_assignments_change_the_variable(resource):
    v = tf.Variable([1.0, 2.0], use_resource=resource)
    changes = [v.assign([5.0, 6.0]), v.assign_add([1.0, 1.0]), v.assign_sub([2.0, 0.0])]
    with tf.Session() as sess:
        sess.run(v.initializer)
        for change, want in zip(changes, ([5, 6], [6, 7], [4, 7])):
            assert sess.run(change).tolist() == want
            assert v.eval().tolist() == want
        v.load([8.0, 9.0])
        assert sess.run(v.read_value()).tolist() == [8, 9]


def test_the_functions_of_tf_change_variables(resource):
    v = tf.Variable([1, 2], name="v", use_resource=resource)
    calls = [
        (tf.assign(v, [3, 4]), [3, 4]),
        (tf.assign_add(v, [1, 1]), [4, 5]),
        (tf.assign_sub(v, [0, 5]), [4, 0]),
        (tf.scatter_add(v, [0, 0], [1, 2]), [7, 0]),
        (tf.scatter_sub(v, [1], [4]), [7, -4]),
        (tf.scatter_update(v, [1], [9]), [7, 9]),
    ]
    with tf.Session() as sess:
        sess.run(v.initializer)
        for tensor, want in calls:
            assert sess.run(tensor).tolist() == want


def test_an_operation_without_its_value_is_returned_on_request(resource):
    v = tf.Variable(1.0, use_resource=resource)
    change = v.assign_add(1.0, read_value=False)
    with tf.Session() as sess:
        sess.run(v.initializer)
        assert sess.run(change) is None
        assert v.eval() == 2


def test_a_reference_that_was_read_shows_a_later_change():
    v = tf.Variable(1.0)
    with tf.control_dependencies([tf.assign_add(v, 1.0)]):
        late = tf.identity(v.value())
    assert initialized(late) == 2


def test_a_resource_that_was_read_keeps_its_value():
    v = tf.Variable(1.0, use_resource=True)
    before = v.value()
    with tf.control_dependencies([v.assign_add(1.0, read_value=False)]):
        late, early = v.read_value(), tf.identity(before)
    assert initialized([late, early]) == [2, 1]


def test_sessions_have_values_of_their_own():
    v = tf.Variable([0.0])
    change = v.assign_add([1.0])
    one, other = tf.Session(), tf.Session()
    for sess in (one, other):
        sess.run(v.initializer)
    one.run(change)
    assert (one.run(v)[0], other.run(v)[0]) == (1, 0)


def test_a_fetched_value_is_a_copy(resource):
    v = tf.Variable([0.0], use_resource=resource)
    with tf.Session() as sess:
        sess.run(v.initializer)
        fetched = sess.run(v)
        sess.run(v.assign_add([1.0]))
        assert fetched.tolist() == [0]


def test_an_initial_value_may_depend_on_another_variable():
    w = tf.Variable(tf.random_uniform([3]))
    twice = tf.Variable(w * 2.0)
    thrice = tf.Variable(w.initialized_value() * 3.0)
    a, b, c = initialized([w, twice, thrice])
    np.testing.assert_array_equal(b, a * 2)
    np.testing.assert_array_equal(c, a * np.float32(3))


def test_an_initial_value_may_be_a_function():
    v = tf.Variable(lambda: tf.ones([2]), name="v")
    assert names() == "v/Initializer/ones v v/Assign v/read"
    assert initialized(v).tolist() == [1, 1]


def test_a_variable_is_created_outside_of_a_loop():
    def body(i):
        v = tf.get_variable("v", [], dtype=tf.int32, initializer=tf.ones_initializer())
        return i + v

    total = tf.while_loop(lambda i: i < 3, body, [0])
    assert initialized(total) == 3


@pytest.mark.parametrize("read", [lambda v: v, lambda v: v + 1, lambda v: v.assign_add([1.0])])
def test_a_variable_without_a_value_cannot_be_read(read, resource):
    fetch = read(tf.Variable([0.0], name="v", use_resource=resource))
    with (
        tf.Session() as sess,
        pytest.raises(
            FailedPreconditionError, match="uninitialized value v: .*global_variables_initializer"
        ),
    ):
        sess.run(fetch)


def test_uninitialized_variables_are_reported(resource):
    v = tf.Variable(1, name="v", use_resource=resource)
    w = tf.Variable(2, name="w", use_resource=resource)
    report, known = tf.report_uninitialized_variables(), tf.is_variable_initialized(w)
    with tf.Session() as sess:
        assert sess.run(report).tolist() == [b"v", b"w"]
        sess.run(v.initializer)
        assert sess.run(report).tolist() == [b"w"]
        assert not sess.run(known)
        sess.run(w.initializer)
        assert sess.run(known) and sess.run(report).size == 0
        sess.run(tf.assert_variables_initialized())


def test_strings_are_variables_too():
    v = tf.Variable(["a", "longer"])
    before, after = initialized(v, v.assign(["b", "c"]))
    assert (before.tolist(), after.tolist()) == ([b"a", b"longer"], [b"b", b"c"])


def test_a_variable_may_change_its_shape_where_it_is_not_validated():
    v = tf.Variable([1.0], validate_shape=False)
    assert v.shape.ndims is None
    change = tf.assign(v, [1.0, 2.0], validate_shape=False)
    assert initialized(change).tolist() == [1, 2]


def test_rows_of_a_resource_variable_have_a_gradient_of_rows():
    v = tf.get_variable("v", [4, 2], use_resource=True)
    rows = tf.gather(v, [2, 0, 2])
    (grad,) = tf.gradients(rows * [[1.0], [2.0], [3.0]], v)
    assert isinstance(grad, tf.IndexedSlices)
    value = initialized(grad)
    assert value.indices.tolist() == [2, 0, 2]
    assert value.values.tolist() == [[1, 1], [2, 2], [3, 3]]
    assert value.dense_shape.tolist() == [4, 2]


# Scopes


def test_scopes_name_variables_and_share_them():
    with tf.variable_scope("a") as scope:
        with tf.variable_scope("b"):
            v = tf.get_variable("v", [1])
    with tf.variable_scope(scope, reuse=True):
        with tf.variable_scope("b"):
            assert tf.get_variable("v", [1]) is v
    assert v.op.name == "a/b/v"
    assert scope.original_name_scope == "a/" and tf.get_variable_scope().name == ""


def test_reuse_is_inherited_and_auto_reuse_creates():
    with tf.variable_scope("a", reuse=tf.AUTO_REUSE):
        one = tf.get_variable("v", [1])
        with tf.variable_scope("b"):
            assert tf.get_variable_scope().reuse is tf.AUTO_REUSE
        assert tf.get_variable("v", [1]) is one
    with tf.variable_scope("a"):
        tf.get_variable_scope().reuse_variables()
        assert tf.get_variable("v") is one
    assert not tf.get_variable_scope().reuse


def test_a_default_name_gets_a_number():
    found = []
    for _ in range(2):
        with tf.variable_scope(None, "d"):
            found.append(tf.get_variable("w", [1]).op.name)
    assert found == ["d/w", "d_1/w"]


def test_a_scope_opened_again_names_operations_with_a_number():
    with tf.variable_scope("s") as scope:
        tf.constant(0, name="c")
    with tf.variable_scope(scope):
        tf.constant(0, name="c")
    with tf.variable_scope(scope, auxiliary_name_scope=False):
        tf.constant(0, name="c")
    assert names() == "s/c s_1/c c"


def test_defaults_of_a_scope_reach_its_variables():
    with tf.variable_scope("s", initializer=tf.ones_initializer(), dtype=tf.float64):
        with tf.variable_scope("t"):
            v = tf.get_variable("v", [2])
    assert v.dtype.base_dtype == tf.float64
    assert initialized(v).tolist() == [1, 1]


def test_initializers_may_be_classes_values_and_functions():
    by_class = tf.get_variable("c", [2], initializer=tf.ones_initializer)
    by_value = tf.get_variable("v", initializer=[3, 4])
    by_tensor = tf.get_variable("t", initializer=tf.fill([2], 5.0))
    by_function = tf.get_variable("f", [2], initializer=lambda shape, dtype: tf.ones(shape, dtype))
    without_shape = tf.get_variable("w", initializer=lambda: tf.zeros([2]))
    whole = tf.get_variable("i", [1], dtype=tf.int32)
    assert by_value.dtype.base_dtype == tf.int32
    values = initialized([by_class, by_value, by_tensor, by_function, without_shape, whole])
    assert [v.tolist() for v in values] == [[1, 1], [3, 4], [5, 5], [1, 1], [0, 0], [0]]


def test_regularizers_add_losses():
    with tf.variable_scope("s", regularizer=lambda v: tf.reduce_sum(v) * 2.0):
        tf.get_variable("v", [3], initializer=tf.ones_initializer())
        tf.get_variable("w", [3], regularizer=tf.no_regularizer)
    (loss,) = tf.get_collection(tf.GraphKeys.REGULARIZATION_LOSSES)
    assert loss.op.name == "s/v/Regularizer/mul"
    assert initialized(loss) == 6


def test_a_custom_getter_may_change_names_and_nests():
    def suffix(getter, name, *args, **kwargs):
        return getter(f"{name}_x", *args, **kwargs)

    with tf.variable_scope("a", custom_getter=suffix):
        with tf.variable_scope("b", custom_getter=suffix):
            assert tf.get_variable("v", [1]).op.name == "a/b/v_x_x"


def test_partitioned_variables_have_parts_and_are_joined():
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        v = tf.get_variable("v", [7, 2], partitioner=tf.fixed_size_partitioner(3))
        assert tf.get_variable("v", [7, 2], partitioner=tf.fixed_size_partitioner(3)) is v
    assert [p.op.name for p in v] == ["s/v/part_0", "s/v/part_1", "s/v/part_2"]
    assert [p.shape.as_list() for p in v] == [[3, 2], [2, 2], [2, 2]]
    assert [p._save_slice_info.spec for p in v] == ["7 2 0,3:0,2", "7 2 3,2:0,2", "7 2 5,2:0,2"]
    whole, *parts = initialized([tf.convert_to_tensor(v), *v])
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_a_partitioned_initializer_sees_the_whole_shape():
    v = tf.get_variable("v", [100, 2], partitioner=tf.fixed_size_partitioner(50))
    limit = np.sqrt(6 / 102)
    values = initialized(tf.convert_to_tensor(v))
    assert 0.9 * limit < np.abs(values).max() <= limit


# Collections


def test_collections_list_variables_by_scope():
    with tf.variable_scope("a"):
        v = tf.get_variable("v", [1])
    w = tf.get_variable("w", [1], trainable=False)
    local = tf.get_local_variable("l", [1])
    own = tf.get_variable("o", [1], collections=["mine"], trainable=False)
    assert tf.global_variables() == tf.all_variables() == [v, w]
    assert tf.trainable_variables() == tf.global_variables("a") == [v]
    assert (tf.local_variables(), tf.get_collection("mine")) == ([local], [own])
    assert tf.global_variables_initializer().name == "init"
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        assert sess.run(local).shape == (1,)


def test_the_global_step_is_one_variable():
    assert tf.train.get_global_step() is None
    step = tf.train.get_or_create_global_step()
    assert tf.train.get_or_create_global_step() is step
    assert str(step) == "<tf.Variable 'global_step:0' shape=() dtype=int64_ref>"
    with tf.Session() as sess:
        sess.run(step.initializer)
        assert tf.train.global_step(sess, step) == 0
    with pytest.raises(InputError, match="already exists.*get_or_create_global_step"):
        tf.train.create_global_step()


def test_a_variable_of_that_name_is_the_global_step():
    step = tf.Variable(0, name="global_step", trainable=False)
    assert tf.train.get_global_step().op is step.op


# Errors


def _shared(**named):
    tf.get_variable("v", [2])
    with tf.variable_scope(tf.get_variable_scope(), reuse=True):
        tf.get_variable("v", **named)


def _twice():
    tf.get_variable("v", [2])
    tf.get_variable("v", [2])


def _missing():
    with tf.variable_scope("s", reuse=True):
        tf.get_variable("v", [2])


def _in_scope(*args, **named):
    with tf.variable_scope(*args, **named):
        pass


def _row_outside():
    v = tf.get_variable("v", [2])
    initialized(tf.scatter_add(v, [2], [1.0]))


WRONG = {
    "a name twice": (_twice, r"Variable v already exists, disallowed.*tf.AUTO_REUSE"),
    "a variable to share that is missing": (_missing, "s/v does not exist.*reuse=tf.AUTO_REUSE"),
    "another shape": (lambda: _shared(shape=[3]), r"shape \(3,\) and found shape \(2,\)"),
    "another dtype": (
        lambda: _shared(shape=[2], dtype=tf.int32),
        r"dtype int32 and found dtype float32_ref: write dtype=tf\.float32",
    ),
    "no shape": (lambda: tf.get_variable("v"), "no shape.*fully known shape"),
    "an unknown size": (lambda: tf.get_variable("v", [None]), r"shape \(\?,\).*fully known"),
    "a shape and a value": (
        lambda: tf.get_variable("v", [1], initializer=[1.0]),
        "do not specify shape.*leave shape out",
    ),
    "a value of another dtype": (
        lambda: tf.get_variable("v", initializer=[1.0], dtype=tf.int32),
        "'float32' and explicit dtype 'int32' don't match",
    ),
    "the name of an initializer": (
        lambda: tf.get_variable("v", [1], initializer="zeros"),
        "initializer 'zeros': give one of tf",
    ),
    "no initial value": (lambda: tf.Variable(), "initial_value must be specified"),
    "an initial value of unknown shape": (
        lambda: tf.Variable(tf.placeholder(tf.float32, [None])),
        "must have a shape specified.*validate_shape=False",
    ),
    "assign to a tensor": (lambda: tf.assign(tf.constant(1), 2), "give it a variable"),
    "assign of another shape": (
        lambda: tf.assign(tf.Variable([1.0]), [1.0, 2.0]),
        r"Assign of shape \(2,\) to Variable, which has shape \(1,\)",
    ),
    "load of another shape": (
        lambda: tf.Variable([1.0]).load([1.0, 2.0], tf.Session()),
        r"load was given shape \(2,\); the variable has \(1,\)",
    ),
    "a scope without a name": (lambda: _in_scope(None), "default_name"),
    "a scope that is a number": (lambda: _in_scope(3), "must be a string or VariableScope"),
    "another reuse": (lambda: _in_scope("s", reuse="yes"), "reuse=True or reuse=tf.AUTO_REUSE"),
    "a row that does not exist": (_row_outside, r"index 2 is not in \[0, 2\)"),
    "a variable as a truth value": (lambda: bool(tf.Variable(1.0)), "sess.run"),
    "a variable in a loop": (lambda: list(tf.Variable([1.0])), "tf.unstack"),
    "slices that are none": (
        lambda: tf.Variable([1.0]).scatter_sub([1.0]),
        "sparse_delta is not IndexedSlices.*tf.scatter_sub",
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_uses_say_what_to_write(case):
    call, message = WRONG[case]
    with pytest.raises((OstinatoError, TypeError), match=message):
        call()


KINDS_OF_ERRORS = {
    "a name twice": (_twice, ValueError),
    "a scope without a name": (lambda: _in_scope(None), TypeError),
    "a row that does not exist": (_row_outside, InvalidArgumentError),
    "assign of another shape": (lambda: tf.assign(tf.Variable([1.0]), [1.0, 2.0]), SizeError),
}


@pytest.mark.parametrize("case", KINDS_OF_ERRORS)
def test_errors_are_tensorflows_kinds(case):
    call, kind = KINDS_OF_ERRORS[case]
    with pytest.raises(kind):
        call()
