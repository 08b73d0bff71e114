"""Optimizers, learning rates, averages and clipping compute TensorFlow's numbers, with its
operations.
"""

import json

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError, SizeError
from ostinato.tf1.core.errors import InvalidArgumentError
from places import SHARED

GOLDEN = SHARED / "golden" / "training"


def names(after=0):
    return " ".join(o.name for o in tf.get_default_graph().get_operations()[after:])


# The recordings of TensorFlow 1.13.1


def _recording(name):
    """The variables of a recorded program after it ran, and its arrays."""
    if not (GOLDEN / "index.json").exists():
        pytest.skip("the recordings of TensorFlow 1.13.1 are not in ../shared/golden/training")
    cases = json.loads((GOLDEN / "index.json").read_text())["cases"]
    case = next(c for c in cases if c["name"] == name)
    arrays = np.load(GOLDEN / case["file"])
    tf.set_random_seed(case["graph_seed"])
    space = {"tf": tf, "np": np, **case.get("params", {})}
    space |= {n: arrays[f"in/{n}"] for n in case.get("inputs", [])}
    exec(case["program"], space)
    if "graph_ops" in arrays.files:
        ops = tf.get_default_graph().get_operations()
        listing = "\n".join(f"{o._id} {o.type} {o.name}" for o in ops)
        assert listing == bytes(arrays["graph_ops"]).decode().strip()
    return space, arrays


@pytest.mark.parametrize("rule", ["adam", "momentum", "adagrad", "adadelta", "ftrl"])
def test_sparse_steps_are_tensorflows(rule):
    space, arrays = _recording(f"train_sparse_rows_{rule}")
    # TensorFlow's optimizer of graphs moves a factor of Adam's mean square.
    tolerance = 1e-7 if rule == "adam" else 0
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for k in range(1, 6):
            sess.run(space["train"], {space["ids"]: arrays[f"ids/{k}"]})
            for v in tf.global_variables():
                want = arrays[f"after/{k}/{v.op.name}"]
                np.testing.assert_allclose(v.eval(), want, rtol=0, atol=tolerance)


@pytest.mark.parametrize(
    "decay",
    [
        "natural_exp_decay",
        "inverse_time_decay",
        "polynomial_decay",
        "piecewise_constant",
        "cosine_decay_restarts",
        "linear_cosine_decay",
    ],
)
def test_learning_rates_are_tensorflows(decay):
    space, arrays = _recording(f"decay_{decay}")
    rates = [n for n in space if n.startswith("lr")]
    with tf.Session() as sess:
        for name in rates:
            want = arrays[f"value/{name}"]
            found = [sess.run(space[name], {space["g"]: t}) for t in range(len(want))]
            np.testing.assert_allclose(found, want, rtol=2e-6, atol=1e-8)


def test_clipping_is_tensorflows():
    space, arrays = _recording("clip_ops")
    wanted = {k.removeprefix("out/"): arrays[k] for k in arrays.files if k.startswith("out/")}
    with tf.Session() as sess:
        for path, want in wanted.items():
            value = space
            for part in path.split("."):
                value = (
                    value[part]
                    if isinstance(value, dict)
                    else value[int(part)]
                    if part.isdigit()
                    else getattr(value, part)
                )
            np.testing.assert_allclose(sess.run(value), want, rtol=1e-6)


# Rules, against their formulas in float64


def _steps(optimizer, *, rows, resource=False, count=3, dtype="float64", width=11):
    """A table, and all other variables by name, after some steps on fixed gradients."""
    tf.reset_default_graph()
    random = np.random.RandomState(0)
    table = tf.get_variable(
        "t", initializer=random.normal(size=(5, width)).astype(dtype), use_resource=resource
    )
    gradients = tf.placeholder(dtype, [None, width])
    indices = tf.placeholder(tf.int32, [None])
    given = tf.IndexedSlices(gradients, indices) if rows else gradients
    step = optimizer().apply_gradients([(given, table)])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(count):
            chosen = np.array([3, 1, 3, 0]) if rows else np.arange(5)
            values = random.normal(size=(len(chosen), width)).astype(dtype)
            sess.run(step, {gradients: values, indices: chosen})
        return {v.op.name: v.eval() for v in tf.global_variables()}


OPTIMIZERS = {
    "gradient descent": lambda: tf.train.GradientDescentOptimizer(0.3),
    "momentum": lambda: tf.train.MomentumOptimizer(0.3, 0.8),
    "nesterov": lambda: tf.train.MomentumOptimizer(0.3, 0.8, use_nesterov=True),
    "adagrad": lambda: tf.train.AdagradOptimizer(0.3),
    "adadelta": lambda: tf.train.AdadeltaOptimizer(0.3),
    "rmsprop": lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.5),
    "centered rmsprop": lambda: tf.train.RMSPropOptimizer(0.1, momentum=0.5, centered=True),
    "adam": lambda: tf.train.AdamOptimizer(0.1),
    "ftrl": lambda: tf.train.FtrlOptimizer(0.3, l1_regularization_strength=0.01),
    "ftrl, another power": lambda: tf.train.FtrlOptimizer(0.3, learning_rate_power=-0.7),
    "ftrl with shrinkage": lambda: tf.train.FtrlOptimizer(
        0.3, l2_shrinkage_regularization_strength=0.1
    ),
}
PROXIMAL = {
    "proximal descent": lambda: tf.train.ProximalGradientDescentOptimizer(0.3, 0.1, 0.2),
    "proximal adagrad": lambda: tf.train.ProximalAdagradOptimizer(0.3, 0.1, 0.1, 0.2),
}


@pytest.mark.parametrize("rows", [False, True], ids=["dense", "rows"])
@pytest.mark.parametrize("name", [*OPTIMIZERS, *PROXIMAL])
def test_resource_variables_train_as_reference_variables_do(name, rows):
    optimizer = {**OPTIMIZERS, **PROXIMAL}[name]
    one = _steps(optimizer, rows=rows, dtype="float32")
    other = _steps(optimizer, rows=rows, dtype="float32", resource=True)
    assert one.keys() == other.keys()
    for v, array in one.items():
        np.testing.assert_allclose(array, other[v], rtol=0, atol=1e-6)


@pytest.mark.parametrize("rows", [False, True], ids=["dense", "rows"])
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_float32_is_near_float64(name, rows):
    narrow = _steps(OPTIMIZERS[name], rows=rows, dtype="float32")
    wide = _steps(OPTIMIZERS[name], rows=rows, dtype="float64")
    for v, array in narrow.items():
        assert array.dtype == np.float32
        np.testing.assert_allclose(array, wide[v], rtol=0, atol=1e-4)


def test_adam_is_its_formula():
    b1, b2, rate, epsilon = 0.9, 0.999, 0.1, 1e-8
    random = np.random.RandomState(0)
    p = random.normal(size=(5, 11))
    m = v = 0
    for t in range(1, 4):
        g = random.normal(size=(5, 11))
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        p = p - rate * np.sqrt(1 - b2**t) / (1 - b1**t) * m / (np.sqrt(v) + epsilon)
    found = _steps(OPTIMIZERS["adam"], rows=False)
    np.testing.assert_allclose(found["t"], p, rtol=0, atol=5e-6)  # its numbers are float32
    np.testing.assert_allclose(found["t/Adam_1"], v, rtol=1e-4)


def test_only_adam_moves_rows_that_were_not_looked_up():
    for name, optimizer in OPTIMIZERS.items():
        start = _steps(optimizer, rows=True, count=0)["t"]
        once = _steps(optimizer, rows=True, count=1)["t"]
        assert np.array_equal(once[[2, 4]], start[[2, 4]]), name
        assert not np.array_equal(once[[0, 1, 3]], start[[0, 1, 3]]), name


# Operations and names


def _loss():
    w = tf.get_variable("w", [2], initializer=tf.ones_initializer())
    b = tf.get_variable("b", [], initializer=tf.ones_initializer())
    return tf.reduce_sum(w * b), w, b


def test_slots_are_variables_with_tensorflows_names():
    loss, w, b = _loss()
    optimizer = tf.train.AdamOptimizer()
    step = optimizer.minimize(loss)
    assert [v.op.name for v in tf.global_variables()[2:]] == (
        "beta1_power beta2_power w/Adam w/Adam_1 b/Adam b/Adam_1".split()
    )
    assert optimizer.get_slot_names() == ["m", "v"]
    assert optimizer.get_slot(w, "v").op.name == "w/Adam_1"
    assert optimizer.get_slot(w, "momentum") is None
    assert [v.op.name for v in optimizer.variables()] == (
        "b/Adam b/Adam_1 beta1_power beta2_power w/Adam w/Adam_1".split()
    )
    assert (step.name, step.type, optimizer.get_name()) == ("Adam", "NoOp", "Adam")
    assert tf.get_collection(tf.GraphKeys.TRAIN_OP) == [step]


def test_a_variable_scope_names_slots_and_a_name_scope_does_not():
    loss, w, b = _loss()
    with tf.variable_scope("o"):
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
    with tf.name_scope("n"):
        tf.train.MomentumOptimizer(0.1, 0.9).minimize(loss)
        tf.train.AdamOptimizer().minimize(loss)
    slots = [v.op.name for v in tf.global_variables()[2:]]
    assert slots[:6] == (
        "o/w/Momentum o/b/Momentum w/Momentum b/Momentum n/beta1_power n/beta2_power".split()
    )


def test_slots_of_parts_are_parts():
    table = tf.get_variable("t", [4, 2], partitioner=tf.fixed_size_partitioner(2))
    loss = tf.reduce_sum(tf.nn.embedding_lookup(table, [0, 3], partition_strategy="div"))
    optimizer = tf.train.MomentumOptimizer(0.1, 0.9)
    optimizer.minimize(loss)
    slot = optimizer.get_slot(list(table)[1], "momentum")
    assert slot.op.name == "t/part_1/Momentum"
    assert slot._save_slice_info.full_name == "t/Momentum"
    assert slot._save_slice_info.spec == "4 2 2,2:0,2"


def test_the_global_step_counts():
    for resource in (False, True):
        tf.reset_default_graph()
        loss, *_ = _loss()
        step = tf.Variable(0, trainable=False, use_resource=resource)
        train = tf.train.GradientDescentOptimizer(0.1).minimize(loss, global_step=step)
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            assert sess.run([train, train]) == [None, None]
            sess.run(train)
            assert sess.run(step) == 2


def test_a_variable_without_a_gradient_stays():
    loss, w, b = _loss()
    unused = tf.get_variable("unused", [1])
    optimizer = tf.train.AdamOptimizer()
    pairs = optimizer.compute_gradients(loss)
    assert [v for g, v in pairs if g is None] == [unused]
    optimizer.apply_gradients(pairs)
    assert optimizer.get_slot(unused, "m") is None


def test_a_constraint_is_applied_after_each_step():
    w = tf.get_variable(
        "w", [2], initializer=tf.ones_initializer(), constraint=lambda v: tf.maximum(v, 0.5)
    )
    train = tf.train.GradientDescentOptimizer(1.0).minimize(tf.reduce_sum(w * [0.25, 2.0]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run(w).tolist() == [0.75, 0.5]


def test_numbers_may_be_tensors_variables_and_functions():
    loss, w, b = _loss()
    rate = tf.Variable(0.5, trainable=False)
    train = tf.train.MomentumOptimizer(lambda: rate, momentum=tf.constant(0.0)).minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run(w).tolist() == [0.5, 0.5]
        rate.load(0.0, sess)
        sess.run(train)
        assert sess.run(w).tolist() == [0.5, 0.5]


def test_gates_decide_what_gradients_wait_for():
    loss, *_ = _loss()
    optimizer = tf.train.GradientDescentOptimizer(0.1)
    for gate, wanted in ((optimizer.GATE_NONE, ""), (optimizer.GATE_GRAPH, "tuple/group_deps")):
        before = len(tf.get_default_graph().get_operations())
        optimizer.compute_gradients(loss, gate_gradients=gate)
        assert wanted in names(before)


def test_a_new_kind_of_optimizer_can_be_defined():
    class Sign(tf.train.Optimizer):
        def __init__(self):
            super().__init__(False, "Sign")

        def _apply_dense(self, grad, var):
            return tf.assign_sub(var, tf.sign(grad)).op

    loss, w, _ = _loss()
    train = Sign().minimize(loss)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        sess.run(train)
        assert sess.run(w).tolist() == [0, 0]


@pytest.mark.parametrize("resource", [False, True], ids=["reference", "resource"])
def test_a_step_reads_before_it_changes(resource):
    """Both gradients of a product need the other factor as it was before the step."""
    with tf.variable_scope("s", use_resource=resource):
        a = tf.get_variable("a", [], initializer=tf.constant_initializer(3.0))
        b = tf.get_variable("b", [], initializer=tf.constant_initializer(5.0))
    gradients = tf.gradients(a * b, [a, b])
    train = tf.train.GradientDescentOptimizer(1.0).apply_gradients(zip(gradients, [a, b]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([train, a * 2.0]) == [None, 6]
        assert sess.run([a, b]) == [-2, 2]


# Averages


def test_averages_follow_a_step():
    v = tf.Variable([1.0, 2.0], name="v")
    ema = tf.train.ExponentialMovingAverage(0.75)
    step = tf.assign_add(v, [4.0, 8.0])
    with tf.control_dependencies([step]):
        update = ema.apply([v])
    average = ema.average(v)
    assert average.op.name == ema.average_name(v) == "v/ExponentialMovingAverage"
    assert tf.moving_average_variables() == [v]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(average).tolist() == [1, 2]
        sess.run(update)
        assert sess.run(average).tolist() == [2, 4]
    assert ema.variables_to_restore() == {"v/ExponentialMovingAverage": v}


def test_averages_of_tensors_start_at_zero():
    x = tf.placeholder(tf.float32, [2])
    plain = tf.train.ExponentialMovingAverage(0.5)
    debiased = tf.train.ExponentialMovingAverage(0.5, zero_debias=True, name="debiased")
    updates = tf.group(plain.apply([x]), debiased.apply([x]))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        for _ in range(2):
            sess.run(updates, {x: [4.0, 8.0]})
        found = sess.run([plain.average(x), debiased.average(x)])
    np.testing.assert_allclose(found, [[3, 6], [4, 8]], rtol=1e-6)


# Errors


def _apply(pairs, **named):
    tf.train.GradientDescentOptimizer(0.1).apply_gradients(pairs, **named)


def _gradient_of_another_shape():
    _apply([(tf.ones([3]), tf.get_variable("v", [2]))])


def _float64_proximal():
    v = tf.get_variable("v", [2], dtype=tf.float64)
    tf.train.ProximalGradientDescentOptimizer(0.1).minimize(tf.reduce_sum(v))


def _infinite_norm():
    clipped, _ = tf.clip_by_global_norm([tf.constant([1.0, np.inf])], 1.0)
    tf.Session().run(clipped)


def _descend(loss, **named):
    return tf.train.GradientDescentOptimizer(0.1).minimize(loss, **named)


WRONG = {
    "no variables": (lambda: _descend(tf.constant(1.0)), "No variables to optimize"),
    "a loss without variables": (
        lambda: [tf.get_variable("v", [2]), _descend(tf.constant(1.0))],
        "No gradients provided for any variable",
    ),
    "a loss of whole numbers": (
        lambda: _descend(tf.constant(1), var_list=[tf.get_variable("v", [2])]),
        "Invalid type int32.*tf.cast",
    ),
    "no pairs": (lambda: _apply([]), "No variables provided"),
    "only Nones": (lambda: _apply([(None, tf.get_variable("v", [2]))]), "No gradients provided"),
    "a tensor to train": (lambda: _apply([(tf.ones([2]), tf.ones([2]))]), "must be a tf.Variable"),
    "a gradient of another shape": (_gradient_of_another_shape, r"shape \(2,\).*gradient \(3,\)"),
    "float64 where TensorFlow has none": (_float64_proximal, "'alpha'.*float32.*match.*float64"),
    "a step that is a number": (
        lambda: _descend(tf.reduce_sum(tf.get_variable("v", [2])), global_step=3),
        "global_step is 3.*get_or_create_global_step",
    ),
    "an unknown gate": (
        lambda: _descend(tf.reduce_sum(tf.get_variable("v", [2])), gate_gradients=7),
        "GATE_OP.*7",
    ),
    "no name": (lambda: tf.train.AdamOptimizer(name=""), "Must specify the optimizer name"),
    "a negative accumulator": (lambda: tf.train.AdagradOptimizer(0.1, -1.0), "must be positive"),
    "a positive power": (lambda: tf.train.FtrlOptimizer(0.1, 0.5), "less than or equal to zero"),
    "a decay without steps": (
        lambda: tf.train.exponential_decay(0.1, None, 10, 0.9),
        "global_step is required for exponential_decay",
    ),
    "too few values": (
        lambda: tf.train.piecewise_constant(tf.constant(1), [1, 2], [0.1]),
        "2 boundaries and 1 values",
    ),
    "boundaries of another dtype": (
        lambda: tf.train.piecewise_constant(tf.constant(1), [1.5], [0.1, 0.2]),
        "same dtype as x",
    ),
    "an average of whole numbers": (
        lambda: tf.train.ExponentialMovingAverage(0.9).apply([tf.Variable(1)]),
        "must be half, float, or double",
    ),
    "one tensor to clip together": (
        lambda: tf.clip_by_global_norm(tf.ones([2]), 1.0),
        "should be a sequence",
    ),
    "an infinite norm": (_infinite_norm, "Found Inf or NaN global norm"),
}


@pytest.mark.parametrize("case", WRONG)
def test_wrong_uses_say_what_to_write(case):
    call, message = WRONG[case]
    with pytest.raises((OstinatoError, TypeError), match=message):
        call()


KINDS_OF_ERRORS = {
    "no variables": (lambda: _descend(tf.constant(1.0)), InputError),
    "a gradient of another shape": (_gradient_of_another_shape, SizeError),
    "an infinite norm": (_infinite_norm, InvalidArgumentError),
    "float64 where TensorFlow has none": (_float64_proximal, TypeError),
}


@pytest.mark.parametrize("case", KINDS_OF_ERRORS)
def test_errors_are_tensorflows_kinds(case):
    call, kind = KINDS_OF_ERRORS[case]
    with pytest.raises(kind):
        call()
