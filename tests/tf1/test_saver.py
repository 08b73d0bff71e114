"""tf.train.Saver, graphs in files, and what stands in them."""

import json
import os
import time

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, OstinatoError
from ostinato.tf1.files.messages import MetaGraphDef
from ostinato.tf1.files.meta_graph import read_graph_def
from places import SHARED

GOLDEN = SHARED / "golden"
CHECKPOINTS = GOLDEN / "training/checkpoints"
recorded = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"TensorFlow's recordings are not there: {GOLDEN}"
)
CASES = (
    {c["name"]: c for c in json.loads((GOLDEN / "training/index.json").read_text())["cases"]}
    if GOLDEN.is_dir()
    else {}
)


def _build(name):
    tf.set_random_seed(777)
    space = {"tf": tf, "np": np}
    exec(CASES[name]["program"], space)
    return space


def _same_file(ours, theirs):
    with open(ours, "rb") as a, open(theirs, "rb") as b:
        assert a.read() == b.read(), theirs


# ---------------------------------------------------------------- TensorFlow's recordings


@recorded
@pytest.mark.parametrize("name", ["adam_v2", "adam_v1"])
def test_training_is_saved_restored_and_imported_as_in_tensorflow(name, tmp_path, monkeypatch):
    """Ten steps, a checkpoint; then five steps straight on, restored, and in an imported graph."""
    monkeypatch.chdir(tmp_path)
    os.mkdir(name)
    recording = np.load(CHECKPOINTS / name / "io.npz")
    space = _build(name)
    assert tf.get_default_graph().last_id == CASES[name]["last_id_after_program"]
    feed = {space["X"]: recording["in/X"], space["Y"]: recording["in/Y"]}
    losses, saver = recording["losses_1_to_15"], space["saver"]

    def steps(sess, count):
        return [sess.run([space["loss"], space["train"]], feed)[0] for _ in range(count)]

    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert steps(sess, 10) == list(losses[:10])
        path = saver.save(sess, f"{name}/model.ckpt", global_step=space["global_step"])
        assert [path] == CASES[name]["saver_save_returned"] == saver.last_checkpoints
        assert steps(sess, 5) == list(losses[10:])
    for file in CASES[name]["files"]:
        if not file.endswith((".npz", ".meta")):
            _same_file(f"{name}/{file}", CHECKPOINTS / name / file)
    assert tf.train.latest_checkpoint(name) == CASES[name]["latest_checkpoint"]
    with tf.Session() as sess:
        saver.restore(sess, path)
        assert steps(sess, 5) == list(recording["losses_11_to_15_after_restore"])

    for directory in (name, str(CHECKPOINTS / name)):
        tf.reset_default_graph()
        imported = tf.train.import_meta_graph(f"{directory}/model.ckpt-10.meta")
        with tf.Session() as sess:
            imported.restore(sess, f"{directory}/model.ckpt-10")
            logits = sess.run("logits:0", {"X:0": recording["in/X"]})
            assert np.array_equal(logits, recording["restored/logits"])
            (train,) = tf.get_collection("train_op")
            named = {"X:0": recording["in/X"], "Y:0": recording["in/Y"]}
            found = [sess.run(["loss:0", train], named)[0] for _ in range(5)]
            assert found == list(losses[10:])


@recorded
def test_an_imported_graph_has_tensorflows_operations_and_collections():
    saver = tf.train.import_meta_graph(str(CHECKPOINTS / "adam_v2/model.ckpt-10.meta"))
    graph, wanted = tf.get_default_graph(), CASES["import_meta_graph"]
    assert graph.last_id == len(graph.get_operations()) == wanted["n_ops"]
    found = {key: [v.name for v in graph.get_collection(key)] for key in wanted["collections"]}
    assert found == wanted["collections"]
    assert saver.saver_def.save_tensor_name == "save/control_dependency:0"


@recorded
def test_nodes_of_our_meta_graph_are_tensorflows():
    _build("adam_v2")
    ours = {n.name: n for n in tf.train.export_meta_graph().graph_def.node}
    theirs = MetaGraphDef.FromString((CHECKPOINTS / "adam_v2/model.ckpt-10.meta").read_bytes())
    assert theirs.graph_def.versions.producer == 27
    different = []
    for node in theirs.graph_def.node:
        node.device = ""
        node.attr.pop("_class", None)
        if node.name != "init" and ours[node.name] != node:
            different.append(node.op)
    # its message is ours
    assert different == ["PreventGradient"]


@recorded
def test_partitioned_variables_are_saved_as_slices_and_restored_without_a_partitioner(tmp_path):
    recording = np.load(CHECKPOINTS / "partitioned/io.npz")
    space = _build("partitioned")
    listing = [f"{o._id} {o.type} {o.name}" for o in tf.get_default_graph().get_operations()]
    assert "\n".join(listing) == bytes(recording["graph_ops"]).decode().strip()
    with tf.Session() as sess:
        for v in tf.global_variables():
            v.load(recording[f"saved/{v.op.name}"], sess)
        path = space["saver"].save(sess, str(tmp_path / "part"))
    for end in (".index", ".data-00000-of-00001"):
        _same_file(path + end, CHECKPOINTS / f"partitioned/part{end}")
    tf.reset_default_graph()
    whole = tf.get_variable("embedding", [7, 4])
    with tf.Session() as sess:
        tf.train.Saver().restore(sess, path)
        assert np.array_equal(sess.run(whole), recording["embedding_whole"])


@recorded
def test_every_kind_of_variable_is_saved_as_in_tensorflow(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    recording = np.load(CHECKPOINTS / "kinds/io.npz")
    space = _build("kinds")
    os.mkdir("kinds")
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        space["h"].load(recording["saved/scope/res"])
        options = {"latest_filename": "latest_name", "write_meta_graph": False}
        path = space["saver"].save(sess, "kinds/model.ckpt", global_step=7, **options)
    for file in CASES["kinds"]["files"]:
        if file != "io.npz":
            _same_file(f"kinds/{file}", CHECKPOINTS / "kinds" / file)
    assert sorted(os.listdir("kinds")) == sorted(set(CASES["kinds"]["files"]) - {"io.npz"})
    with tf.Session() as sess:
        space["saver"].restore(sess, path)
        assert np.array_equal(sess.run(space["a"]), recording["saved/a64"])
        assert np.array_equal(sess.run(space["h"]), recording["saved/scope/res"])
        assert sess.run(space["e"]).tolist() == [b"x", b"longer text"]


@recorded
@pytest.mark.parametrize("name", ["tf1_basic_lstm", "tf1_multi_gru"])
def test_graphs_of_tensorflow_1_15_are_imported_and_compute_its_outputs(name):
    directory = GOLDEN / "checkpoints" / name
    saver = tf.train.import_meta_graph(str(directory / "model.ckpt-42.meta"))
    placeholders = tf.get_default_graph().placeholders
    with tf.Session() as sess, np.load(directory / "io.npz") as recording:
        saver.restore(sess, str(directory / "model.ckpt-42"))
        assert sess.run("global_step:0") == 42
        feed = {p: recording[p.op.name] for p in placeholders if p.op.name in recording}
        outputs = sess.run("rnn/transpose_1:0", feed)
        wanted = next(recording[k] for k in recording if recording[k].shape == outputs.shape)
        assert np.abs(outputs - wanted).max() < 1e-6


# ---------------------------------------------------------------- errors


@recorded
def test_errors_have_tensorflows_words(tmp_path):
    wanted = CASES["saver_errors"]["errors"]
    with pytest.raises(ValueError, match="No variables to save"):
        tf.train.Saver()
    v = tf.get_variable("fc/bias", [2])
    other = tf.get_variable("fc/kernel", [2])
    saver = tf.train.Saver()
    with tf.Session() as sess:
        with pytest.raises(ValueError, match="Can't load save_path when it is None."):
            saver.restore(sess, None)
        with pytest.raises(ValueError) as caught:
            saver.restore(sess, "adam_v2/nothing")
        assert str(caught.value).startswith(wanted["no_file"].removeprefix("ValueError: "))
        with pytest.raises(tf.errors.FailedPreconditionError, match="uninitialized value fc/bias"):
            saver.save(sess, str(tmp_path / "m"))
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver([other]).save(sess, str(tmp_path / "m"))
        with pytest.raises(tf.errors.NotFoundError) as caught:
            saver.restore(sess, path)
        text = wanted["missing_variable"].removeprefix("NotFoundError: ")
        assert str(caught.value).startswith(text)
    assert tf.train.get_checkpoint_state(str(tmp_path / "no")) is None
    assert tf.train.latest_checkpoint(str(tmp_path / "no")) is None
    assert v.op.name == "fc/bias"


WRONG = {
    "a shape": lambda: tf.get_variable("v", [3]),
    "a dtype": lambda: tf.get_variable("v", [2], tf.float64),
}


@pytest.mark.parametrize("what", WRONG)
def test_another_shape_or_dtype_is_refused(what, tmp_path):
    tf.get_variable("v", [2])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "m"), write_meta_graph=False)
    tf.reset_default_graph()
    WRONG[what]()
    with tf.Session() as sess, pytest.raises(tf.errors.InvalidArgumentError, match="mismatch"):
        tf.train.Saver().restore(sess, path)


def test_wrong_uses_of_a_saver_say_what_to_write(tmp_path):
    v, w = tf.get_variable("v", [2]), tf.get_variable("w", [2])
    for call, wanted in {
        lambda: tf.train.Saver("v"): "should be passed in a dict or a list",
        lambda: tf.train.Saver([v, v]): "two variables have the same name: v",
        lambda: tf.train.Saver({"a": v, "b": v}): "restored with two names",
        lambda: tf.train.Saver([v.read_value()]): "not a Variable",
        lambda: tf.train.Saver(sharded=True): "sharded=True",
        lambda: tf.train.Saver([w], defer_build=True): "build cannot be deferred",
        lambda: tf.train.Saver(write_version=3): "write_version=3",
    }.items():
        with pytest.raises(InputError, match=wanted):
            call()
    saver = tf.train.Saver(defer_build=True)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(InputError, match="should be called before save"):
            saver.save(sess, str(tmp_path / "m"))
        saver.build()
        for path, options, wanted in (
            ("m", {"latest_filename": "a/b"}, "must not contain path components"),
            ("checkpoint", {}, "collides with 'save_path'"),
            ("no/such/directory/m", {}, "Parent directory of .* doesn't exist"),
        ):
            with pytest.raises(InputError, match=wanted):
                saver.save(sess, str(tmp_path / path), **options)
        with pytest.raises(InputError, match="must be a Session"):
            saver.save(None, str(tmp_path / "m"))


# ---------------------------------------------------------------- which checkpoints are kept


def _saver_in(tmp_path, **options):
    tf.get_variable("v", [2])
    saver = tf.train.Saver(**options)
    sess = tf.Session()
    sess.run(tf.global_variables_initializer())
    return saver, sess, str(tmp_path / "m")


def _kept(tmp_path):
    return sorted(int(p.stem.split("-")[1]) for p in tmp_path.glob("*.index"))


def test_the_last_checkpoints_are_kept(tmp_path):
    saver, sess, path = _saver_in(tmp_path, max_to_keep=2)
    for step in range(4):
        saver.save(sess, path, global_step=step)
    assert _kept(tmp_path) == [2, 3]
    assert saver.last_checkpoints == [f"{path}-2", f"{path}-3"]
    assert len(list(tmp_path.iterdir())) == 7
    state = tf.train.get_checkpoint_state(str(tmp_path))
    assert list(state.all_model_checkpoint_paths) == saver.last_checkpoints
    again = tf.train.Saver(max_to_keep=2)
    again.recover_last_checkpoints([f"{path}-1", *state.all_model_checkpoint_paths])
    again.save(sess, path, global_step=4)
    assert _kept(tmp_path) == [3, 4]


def test_all_checkpoints_are_kept_for_max_to_keep_none_and_every_n_hours(tmp_path):
    saver, sess, path = _saver_in(tmp_path, max_to_keep=None)
    for step in range(7):
        saver.save(sess, path, global_step=step, write_meta_graph=False)
    assert _kept(tmp_path) == list(range(7)) and saver.last_checkpoints == []
    often = tf.train.Saver(max_to_keep=1, keep_checkpoint_every_n_hours=1e-9)
    for step in range(7, 10):
        time.sleep(0.01)
        often.save(sess, path, global_step=step, write_meta_graph=False)
    assert 7 in _kept(tmp_path)


def test_names_of_files_follow_the_options(tmp_path):
    saver, sess, path = _saver_in(tmp_path, pad_step_number=True, save_relative_paths=True)
    step = tf.constant(12)
    assert saver.save(sess, path, global_step=step, meta_graph_suffix="graph") == f"{path}-00000012"
    assert (tmp_path / "m-00000012.graph").exists()
    assert '"m-00000012"' in (tmp_path / "checkpoint").read_text()
    assert tf.train.latest_checkpoint(str(tmp_path)) == f"{path}-00000012"
    assert tf.train.checkpoint_exists(path) is False
    tf.train.remove_checkpoint(f"{path}-00000012", meta_graph_suffix="graph")
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint"]


def test_a_saver_of_no_variables_does_nothing_if_that_is_allowed(tmp_path):
    tf.constant(1.0)
    saver = tf.train.Saver(allow_empty=True)
    with tf.Session() as sess:
        assert saver.save(sess, str(tmp_path / "m")) is None
        saver.restore(sess, "nothing")


# ---------------------------------------------------------------- graphs


def _loop():
    start = tf.placeholder(tf.float32, [2], name="start")
    v = tf.get_variable("v", [2], initializer=tf.constant_initializer(0.5))
    end = tf.while_loop(
        lambda i, x: i < 4,
        lambda i, x: (i + 1, tf.cond(i < 2, lambda: x * v, lambda: x + v)),
        [0, start],
    )[1]
    end = tf.cond(end[0] > 1.0, lambda: end - 1.0, lambda: end + v, name="choice")
    tf.identity(end, name="end")
    return start, v


def test_loops_and_branches_work_in_an_imported_graph_and_have_gradients(tmp_path):
    _loop()
    graph = tf.get_default_graph()
    wanted_grad = tf.gradients(graph.get_tensor_by_name("end:0"), graph.get_tensor_by_name("v:0"))
    feed = {"start:0": np.float32([3, 4])}
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        wanted = sess.run(["end:0", *wanted_grad], feed)
    tf.reset_default_graph()
    _loop()
    path = str(tmp_path / "loop.meta")
    tf.train.export_meta_graph(path)
    for scope in (None, "inside"):
        tf.reset_default_graph()
        saver = tf.train.import_meta_graph(path, import_scope=scope)
        begin = f"{scope}/" if scope else ""
        end = tf.get_default_graph().get_tensor_by_name(f"{begin}end:0")
        (v,) = tf.global_variables()
        assert v.op.name == f"{begin}v" and saver is not None
        grad = tf.gradients(end, v._ref())
        with tf.Session() as sess:
            sess.run(tf.global_variables_initializer())
            found = sess.run([end, *grad], {f"{begin}start:0": feed["start:0"]})
        assert all(np.array_equal(a, b) for a, b in zip(found, wanted))


def test_a_frozen_graph_is_imported_with_other_inputs(tmp_path):
    x = tf.placeholder(tf.float32, [None, 3, 2], name="x")
    cell = tf.nn.rnn_cell.GRUCell(4)
    outputs, _ = tf.nn.dynamic_rnn(cell, x, dtype=tf.float32)
    tf.identity(outputs, name="y")
    value = np.random.default_rng(0).normal(size=(2, 3, 2)).astype(np.float32)
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        wanted = sess.run("y:0", {x: value})
        graph_def = tf.get_default_graph().as_graph_def()
        frozen = tf.graph_util.convert_variables_to_constants(sess, graph_def, ["y"])
    assert not any(n.op == "VariableV2" for n in frozen.node)
    path = tf.train.write_graph(frozen, str(tmp_path / "graphs"), "frozen.pbtxt")
    binary = tf.train.write_graph(frozen, str(tmp_path), "frozen.pb", as_text=False)
    for file in (path, binary):
        tf.reset_default_graph()
        mine = tf.constant(value)
        found = tf.import_graph_def(
            read_graph_def(file), input_map={"x:0": mine}, return_elements=["y:0", "y"], name="net"
        )
        assert found[1].name == "net/y"
        with tf.Session() as sess:
            assert np.array_equal(sess.run(found[0]), wanted)


def test_missing_operations_are_listed_in_one_error():
    graph_def = tf.GraphDef()
    for name, kind in (("a", "Roll"), ("b", "FFT"), ("c", "NoOp"), ("d", "FFT")):
        graph_def.node.add(name=name, op=kind)
    with pytest.raises(ValueError, match="2 types that ostinato.tf1 does not provide: FFT, Roll"):
        tf.import_graph_def(graph_def)
    assert tf.get_default_graph().get_operations() == []


def test_damaged_graphs_give_one_error(tmp_path):
    tf.get_variable("v", [2])
    path = tmp_path / "graph.meta"
    tf.train.export_meta_graph(str(path), saver_def=tf.train.Saver().saver_def)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for i in range(60):
        damaged = bytearray(whole)
        if i < 20:
            damaged = damaged[: len(whole) * i // 20]
        else:
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        path.write_bytes(bytes(damaged))
        tf.reset_default_graph()
        try:
            tf.train.import_meta_graph(str(path))
        except OstinatoError as error:
            assert len(str(error)) > 30
        # a changed name or number is another graph
    with pytest.raises(tf.errors.NotFoundError, match="does not exist"):
        tf.train.import_meta_graph(str(tmp_path / "no.meta"))


def test_variables_start_with_the_values_of_a_checkpoint(tmp_path):
    tf.get_variable("old/a", [4, 2], initializer=tf.constant_initializer(2.0))
    tf.get_variable("old/b", [2], initializer=tf.constant_initializer(3.0))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        path = tf.train.Saver().save(sess, str(tmp_path / "m"))
    tf.reset_default_graph()
    with tf.variable_scope("new"):
        a = tf.get_variable("a", [4, 2], partitioner=tf.fixed_size_partitioner(2))
        b = tf.get_variable("b", [2], use_resource=True)
    tf.train.init_from_checkpoint(str(tmp_path), {"old/": "new/"})
    c = tf.get_variable("c", [2])
    tf.train.init_from_checkpoint(path, {"old/b": c})
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run([*a]) == [pytest.approx(np.full((2, 2), 2.0))] * 2
        assert sess.run([b, c])[0].tolist() == sess.run(c).tolist() == [3.0, 3.0]
    with pytest.raises(InputError, match="old/z is not found"):
        tf.train.init_from_checkpoint(path, {"old/z": c})
    with pytest.raises(ValueError, match="doesn't match with shape"):
        tf.train.init_from_checkpoint(path, {"old/a": c})
