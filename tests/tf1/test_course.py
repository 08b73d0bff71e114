"""The course's programs build TensorFlow 1.13.1's graphs and print its losses digit for digit; so does
the lesson's second way.
"""

import importlib.util
import json
import re
from pathlib import Path

import numpy as np
import pytest

import ostinato.tf1 as tf
from places import SHARED

GOLDEN = SHARED / "golden/training"
PROGRAMS = Path(__file__).parent / "programs"
recorded = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"TensorFlow's recordings are not there: {GOLDEN}"
)

# For each program: its recording, the inputs, the steps that are compared.
COURSE = {
    "course_hello": ("course_lab_12_1", ["x_one_hot", "y_data"], 50),
    "course_letters": ("course_lab_12_2", ["x_data", "y_data"], 50),
    "course_long_letters": ("course_lab_12_4", ["dataX", "dataY"], 30),
    "course_stock": ("course_lab_12_5", ["trainX", "trainY", "testX", "testY"], 30),
}


def _program(name):
    spec = importlib.util.spec_from_file_location(name, PROGRAMS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _recording(name):
    """The description, the arrays and the inputs of a program of the course."""
    recording, inputs, _steps = COURSE[name]
    cases = json.loads((GOLDEN / "index.json").read_text())["cases"]
    arrays = np.load(GOLDEN / f"{recording}.npz")
    case = next(c for c in cases if c["name"] == recording)
    return case, arrays, [arrays[f"in/{n}"] for n in inputs]


def _lessons():
    """The recorded programs of the lesson's second way: cells and layers of Keras."""
    if not GOLDEN.is_dir():
        return []
    cases = json.loads((GOLDEN / "index.json").read_text())["cases"]
    return [c for c in cases if re.match("keras_(RNN|dynamic_rnn)_", c["name"]) and "printed" in c]


def _losses(arrays):
    return next(arrays[n] for n in ("steps/loss", "steps/mean_loss") if n in arrays.files)


def _printed(text):
    return re.findall(r"loss: (\S+)", text)


@recorded
@pytest.mark.parametrize("name", COURSE)
def test_a_program_of_the_course_prints_the_recorded_losses(name, capsys):
    case, arrays, inputs = _recording(name)
    steps = COURSE[name][2]
    _program(name).main(*inputs, steps=steps)
    printed = _printed(capsys.readouterr().out)
    assert printed == [str(loss) for loss in _losses(arrays)[:steps]]
    assert printed[:10] == case["first_losses_printed"][:10]


@recorded
@pytest.mark.parametrize("name", COURSE)
def test_the_graph_and_the_weights_of_a_program_of_the_course_are_tensorflows(name):
    """The weights and slots are compared after each step that was recorded, up to the tenth."""
    case, arrays, (x, y, *_rest) = _recording(name)
    program = _program(name)
    tf.set_random_seed(777)
    net = program.build(len(x)) if name == "course_long_letters" else program.build()
    listing = "\n".join(
        f"{o._id} {o.type} {o.name}" for o in tf.get_default_graph().get_operations()
    )
    assert listing == bytes(arrays["graph_ops"]).decode().strip()
    variables = tf.global_variables()
    made = [(v.op.name, v.shape.as_list(), v.dtype.base_dtype.name) for v in variables]
    assert made == [(v["name"], v["shape"], v["dtype"]) for v in case["variables"]]

    def compare(when):
        for variable, value in zip(variables, sess.run(variables), strict=True):
            np.testing.assert_array_equal(value, arrays[f"{when}/{variable.op.name}"])

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        compare("initial")
        for step in range(1, 11):
            sess.run(net["train"], {net["X"]: x, net["Y"]: y})
            if step in case["variables_after"]:
                compare(f"after/{step}")


@recorded
@pytest.mark.slow
@pytest.mark.parametrize("name", ["course_long_letters", "course_stock"])
def test_all_steps_of_the_long_programs_are_tensorflows(name, capsys):
    case, arrays, inputs = _recording(name)
    _program(name).main(*inputs)
    printed = capsys.readouterr().out
    assert _printed(printed) == [str(loss) for loss in _losses(arrays)]
    if name == "course_stock":
        assert printed.endswith(f"RMSE: {case['rmse_printed']}\n")


@recorded
def test_the_sentence_of_the_second_program_is_the_recorded_one():
    _case, _arrays, inputs = _recording("course_letters")
    for made, wanted in zip(_program("course_letters").data(), inputs, strict=True):
        np.testing.assert_array_equal(made, wanted)


def test_the_softmax_of_the_course_learns_as_plain_numpy_does(capsys):
    """TensorFlow was not recorded here; the same steps in float64 give the same losses."""
    program = _program("course_softmax")
    x, y = program.data()
    program.main(x, y)
    printed = [float(loss) for loss in _printed(capsys.readouterr().out)]

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        names = ("softmax_w", "softmax_b")
        variables = {v.op.name: v for v in tf.trainable_variables()}
        w, b = (sess.run(variables[n]).astype(np.float64) for n in names)
    rows, labels = np.eye(program.SIZE)[x[0]], np.eye(program.SIZE)[y[0]]
    mean, square = np.zeros(w.size + b.size), np.zeros(w.size + b.size)
    wanted = []
    for step in range(1, 51):
        scores = np.exp(rows @ w + b)
        scores /= scores.sum(1, keepdims=True)
        wanted.append(-np.mean(np.log((scores * labels).sum(1))))
        d = (scores - labels) / len(rows)
        gradient = np.concatenate([(rows.T @ d).ravel(), d.sum(0)])
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = 0.1 * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
        update = rate * mean / (np.sqrt(square) + 1e-8)
        w, b = w - update[: w.size].reshape(w.shape), b - update[w.size :]
    np.testing.assert_allclose(printed, wanted, atol=1e-5)
    assert printed[-1] < 0.3 * printed[0]


def _part(value, path):
    """The part of nested results at a recorded path such as "outputs.0"."""
    for index in path.split(".")[1:]:
        value = value[int(index)]
    return value


@recorded
@pytest.mark.parametrize("case", _lessons(), ids=lambda case: case["name"])
def test_the_second_way_of_the_lesson_prints_the_recorded_digits(case):
    arrays = np.load(GOLDEN / case["file"])
    tf.set_random_seed(case["graph_seed"])
    space = {"tf": tf, "np": np, **{n: arrays[f"in/{n}"] for n in case["inputs"]}}
    exec(case["program"], space)
    feed = {space[name]: arrays[f"in/{value}"] for name, value in case["feed"].items()}
    tensors = {path: _part(space[path.split(".")[0]], path) for path in case["printed"]}
    assert {path: str(tensor) for path, tensor in tensors.items()} == case["tensors"]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = sess.run(tensors, feed)
    assert {path: str(value) for path, value in values.items()} == case["printed"]
