"""The programs recorded with TensorFlow 1.13.1 give its values, and its graphs operation by operation."""

import json
import sys
from functools import reduce
from typing import Any

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError
from ostinato.tf1 import __main__ as runner
from places import SHARED

GOLDEN = SHARED / "golden/training"
pytestmark = [
    pytest.mark.skipif(
        not GOLDEN.is_dir(), reason=f"TensorFlow's recordings are not there: {GOLDEN}"
    ),
    # The programs use names that were deprecated, and NumPy warns of their infinite numbers.
    pytest.mark.filterwarnings("ignore"),
]

# The largest difference of values, relative to the largest number of the array if that is above 1.
TOLERANCE = {"float32": 1e-5, "float64": 1e-12, "float16": 1e-3}

# Programs whose recorded values depend on more than the program.
UNDECIDED = {
    "keras_Dropout_learning": "its mask comes from NumPy's global generator",
    "num_tf_summary_ops": "it fetches the bytes of a summary, whose fields may have another order",
    "train_ema_num_updates": "two updates of one step have no order",
}

# Programs of the course and of checkpoints have tests of their own.
ELSEWHERE = ("course", "checkpoint")


def _cases() -> list:
    if not GOLDEN.is_dir():
        return []
    cases = json.loads((GOLDEN / "index.json").read_text(encoding="utf-8"))["cases"]
    return [
        pytest.param(case, id=case["name"])
        for case in cases
        if "program" in case and case["kind"] not in ELSEWHERE
    ]


CASES = _cases()


class _Recorded:
    """The arrays of a recording."""

    def __init__(self, case: dict[str, Any]):
        self.arrays = np.load(GOLDEN / case["file"])

    def __contains__(self, key: str) -> bool:
        return key in self.arrays.files

    def __getitem__(self, key: str) -> np.ndarray:
        return self.arrays[key]

    def check(self, key: str, found: Any) -> None:
        """Fail if a value that was recorded differs."""
        if key in self:
            _check(key, found, self[key])


def _check(what: str, found: Any, wanted: np.ndarray) -> None:
    found = np.asarray(found)
    if found.dtype == object:
        texts = [v.decode() if isinstance(v, bytes) else str(v) for v in found.ravel()]
        found = np.array(texts).reshape(found.shape)
    assert found.shape == wanted.shape, what
    if wanted.dtype.kind not in "fc":
        assert np.array_equal(found, wanted), what
        return
    assert found.dtype == wanted.dtype, what
    finite = np.abs(wanted[np.isfinite(wanted)])
    largest = max(1.0, float(finite.max(initial=0)))
    tolerance = TOLERANCE[wanted.dtype.name] * largest
    np.testing.assert_allclose(
        found.astype(np.float64), wanted.astype(np.float64), 0, tolerance, err_msg=what
    )


def _fetched(space: dict[str, Any], path: str) -> Any:
    """The value of a fetch, such as "outputs.rnn_output" or "g.0.values"."""

    def part(value: Any, name: str) -> Any:
        if isinstance(value, dict):
            return value[name] if name in value else value[int(name)]
        if name.isdigit() and isinstance(value, (list, tuple)):
            return value[int(name)]
        return getattr(value, name)

    name, *parts = path.split(".")
    return reduce(part, parts, space[name])


def _build(case: dict[str, Any], recorded: _Recorded) -> dict[str, Any]:
    """Run a program in a fresh graph; its names and their values."""
    tf.reset_default_graph()
    tf.keras.backend.clear_session()
    tf.reset_default_graph()
    if case.get("graph_seed") is not None:
        tf.set_random_seed(case["graph_seed"])
    space = {"tf": tf, "np": np}
    space |= {name: recorded[f"in/{name}"] for name in case.get("inputs", [])}
    space |= case.get("params", {})
    for part in case["program"].split("#---\n"):
        exec(part, space)
    return space


def _check_graph(case: dict[str, Any]) -> None:
    """The variables, the seeds of the random operations and the number of operations."""
    operations = {o.name: o for o in tf.get_default_graph().get_operations()}
    found = [(v.op.name, v.shape.as_list(), v.dtype.base_dtype.name) for v in tf.global_variables()]
    variables = [v for v in case.get("variables", []) if not v.get("local")]
    assert found == [(v["name"], v["shape"], v["dtype"]) for v in variables]
    for wanted in case.get("random_ops", []):
        if wanted["seed2"] is not None:
            op = operations[wanted["name"]]
            seeds = (op.get_attr("seed"), op.get_attr("seed2"))
            assert seeds == (wanted["seed"], wanted["seed2"]), wanted["name"]
    if case.get("ids_contiguous") and case.get("n_ops"):
        assert len(operations) == case["n_ops"]


def _check_values(case: dict[str, Any], recorded: _Recorded, space: dict[str, Any]) -> None:
    """Compare the values of a session with the recorded ones."""
    feed = {
        space[name]: recorded[f"in/{value}"] if f"in/{value}" in recorded else eval(value)
        for name, value in (case.get("feed") or {}).items()
    }
    variables = tf.global_variables()
    with tf.Session() as sess:
        sess.run([tf.global_variables_initializer(), tf.local_variables_initializer()])
        for v, value in zip(variables, sess.run(variables)):
            recorded.check(f"initial/{v.op.name}", value)
        for v in variables:
            if v.op.name in case.get("set_vars", []):
                v.load(recorded[f"set/{v.op.name}"], sess)
        _check_runs(case, recorded, space, feed, sess)
        for step in range(1, case.get("steps", 0) + 1):
            _check_step(case, recorded, space, feed, sess, step)
            if step in case.get("variables_after", []):
                for v, value in zip(variables, sess.run(variables)):
                    recorded.check(f"after/{step}/{v.op.name}", value)


def _check_runs(case, recorded, space, feed, sess):
    """The fetches, once or several times in one session."""
    names = [
        name
        for name in case.get("fetch", [])
        if any(f"{start}{name}" in recorded for start in ("out/", "runs/", "runs/0/"))
    ]
    tensors = [_fetched(space, name) for name in names]
    if not tensors:
        return
    for k in range(case.get("runs") or 1):
        for name, value in zip(names, sess.run(tensors, feed)):
            if not case.get("runs"):
                recorded.check(f"out/{name}", value)
                continue
            if f"runs/{name}" in recorded:
                _check(f"runs/{name}[{k}]", value, recorded[f"runs/{name}"][k])
            recorded.check(f"runs/{k}/{name}", value)


def _check_step(case, recorded, space, feed, sess, step):
    """The values of one training step, before its update."""
    watched = case.get("per_step", [])
    tensors = [_fetched(space, name) for name in watched]
    for name, value in zip(watched, sess.run([*tensors, space["train"]], feed)):
        _check(f"steps/{name}[{step - 1}]", value, recorded[f"steps/{name}"][step - 1])


@pytest.fixture(autouse=True)
def _tensorflow(monkeypatch):
    """Some programs import modules of `tensorflow`."""
    known = set(sys.modules)
    monkeypatch.setitem(sys.modules, "tensorflow", tf)
    monkeypatch.setattr(sys, "meta_path", [runner._TensorFlowFinder(), *sys.meta_path])
    yield
    for name in set(sys.modules) - known:
        if name.startswith("tensorflow."):
            del sys.modules[name]


@pytest.mark.parametrize("case", [c for c in CASES if not c.values[0].get("error")])
def test_a_recorded_program_has_tensorflows_operations_and_values(case):
    recorded = _Recorded(case)
    space = _build(case, recorded)
    if "graph_ops" in recorded:
        operations = tf.get_default_graph().get_operations()
        listing = "\n".join(f"{o._id} {o.type} {o.name}" for o in operations)
        assert listing == bytes(recorded["graph_ops"]).decode().strip()
    if case["name"] not in UNDECIDED:
        _check_graph(case)
        _check_values(case, recorded, space)


@pytest.mark.parametrize("case", [c for c in CASES if c.values[0].get("error")])
def test_a_recorded_program_that_tensorflow_refuses_is_refused(case):
    recorded = _Recorded(case)
    with pytest.raises((OstinatoError, TypeError, AttributeError)) as caught:
        space = _build(case, recorded)
        with tf.Session() as sess:
            sess.run([_fetched(space, name) for name in case["fetch"]])
    if case["kind"] == "seq2seq":  # with TensorFlow's words
        assert isinstance(caught.value, InputError)
        assert case["error"].split(": ", 1)[1][:40] in str(caught.value)
