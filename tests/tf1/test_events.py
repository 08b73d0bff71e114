"""Summaries and event files."""

import json
import struct
import zlib

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError
from ostinato.tf1.files.crc32c import crc32c, masked
from ostinato.tf1.files.events import read_records, record, summary_iterator
from ostinato.tf1.files.graph_def import as_graph_def
from ostinato.tf1.files.messages import GraphDef
from places import SHARED

TRAINING = SHARED / "golden/training"


@pytest.mark.skipif(not TRAINING.is_dir(), reason=f"no recordings: {TRAINING}")
def test_summaries_have_tensorflows_names_and_bytes():
    cases = json.loads((TRAINING / "index.json").read_text())["cases"]
    case = next(c for c in cases if c["name"] == "num_tf_summary_ops")
    tf.set_random_seed(777)
    space = {"tf": tf}
    # up to the Saver
    exec("\n".join(case["program"].split("#---\n")[:5]), space)
    recording = np.load(TRAINING / case["file"])
    wanted = bytes(recording["graph_ops"]).decode().split("\n")[:32]
    graph = tf.get_default_graph()
    assert [f"{o._id} {o.type} {o.name}" for o in graph.get_operations()] == wanted
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        assert sess.run(space["s"]) == recording["out/s"].item()
        merged = tf.Summary.FromString(sess.run(space["m"]))
        assert [v.tag for v in merged.value] == ["loss", "h"]


def _run(tensor):
    with tf.Session() as sess:
        return tf.Summary.FromString(sess.run(tensor))


def test_histograms_count_every_number_in_tensorflows_buckets():
    values = np.float32([-1.5, 0.0, 0.0, 1e-13, 0.1, 0.1, 3e19, 2.0])
    (value,) = _run(tf.summary.histogram("h", values)).value
    histogram, doubles = value.histo, values.astype(np.float64)
    assert (histogram.num, histogram.min, histogram.max) == (8.0, -1.5, doubles.max())
    assert histogram.sum == np.cumsum(doubles)[-1]
    assert histogram.sum_squares == np.cumsum(doubles * doubles)[-1]
    ends, counts = np.array(histogram.bucket_limit), np.array(histogram.bucket)
    assert len(ends) == len(counts) and (np.diff(ends) > 0).all() and counts.sum() == 8
    for end, count, before in zip(ends, counts, [-np.inf, *ends]):
        assert ((doubles >= before) & (doubles < end)).sum() == count
    assert not (counts[1:] + counts[:-1] == 0).any()
    assert ends[-1] == np.finfo(np.float64).max
    assert 1e-12 in ends


def test_numbers_that_are_not_finite_are_refused_in_histograms():
    h = tf.summary.histogram("h", [float("nan")])
    with tf.Session() as sess, pytest.raises(ValueError, match="Nan in summary histogram for: h"):
        sess.run(h)


def test_tags_have_the_scope_the_family_and_only_allowed_characters():
    with tf.name_scope("train"):
        a, b = tf.summary.scalar("loss", 1.0), tf.summary.scalar("loss", 2.0)
    c, d = tf.summary.scalar("a b:0", 3.0), tf.summary.scalar("x", 4.0, family="fam")
    tags = [v.tag for v in _run(tf.summary.merge_all()).value]
    assert tags == ["train/loss", "train/loss_1", "a_b_0", "fam/fam/x"]
    assert [t.op.name for t in (a, b, c, d)] == ["train/loss", "train/loss_1", "a_b_0", "fam/x"]
    assert tf.summary.merge_all("no such collection") is None
    with tf.Session() as sess, pytest.raises(ValueError, match="Duplicate tag"):
        sess.run(tf.summary.merge([a, a]))


def test_images_are_png_files_and_texts_have_their_plugin():
    pixels = np.arange(2 * 3 * 4 * 3).reshape(2, 3, 4, 3).astype(np.uint8)
    first, second = _run(tf.summary.image("p", pixels)).value
    assert [first.tag, second.tag] == ["p/image/0", "p/image/1"]
    image = second.image
    assert (image.height, image.width, image.colorspace) == (3, 4, 3)
    data = image.encoded_image_string
    size = struct.unpack(">I", data[33:37])[0]
    rows = np.frombuffer(zlib.decompress(data[41 : 41 + size]), np.uint8).reshape(3, 13)
    assert np.array_equal(rows[:, 1:].reshape(3, 4, 3), pixels[1]) and not rows[:, 0].any()
    (value,) = _run(tf.summary.image("f", np.float32([[[[0.0], [0.5]]]]), 1)).value
    assert value.tag == "f/image"
    (value,) = _run(tf.summary.text("t", tf.constant(["hello"]))).value
    assert value.metadata.plugin_data.plugin_name == "text"
    assert value.tensor.string_val == [b"hello"]
    with pytest.raises(InputError, match="to have dtype string"):
        tf.summary.text("n", tf.constant([1.0]))


def test_a_writer_writes_events_that_are_read_back(tmp_path):
    loss = tf.summary.scalar("loss", tf.placeholder(tf.float32, [], name="x"))
    with tf.Session() as sess:
        with tf.summary.FileWriter(str(tmp_path / "log"), sess.graph) as writer:
            for step in range(30):
                writer.add_summary(sess.run(loss, {"x:0": step / 2}), step)
            summary = tf.Summary(value=[tf.Summary.Value(tag="own", simple_value=0.25)])
            writer.add_summary(summary, np.int64(7))
        wanted = as_graph_def(sess.graph, add_shapes=True)
    (path,) = (tmp_path / "log").iterdir()
    assert path.name.startswith("events.out.tfevents.1") and path.name.count(".") >= 4
    events = list(summary_iterator(str(path)))
    assert events[0].file_version == "brain.Event:2" and events[0].wall_time > 1e9
    assert GraphDef.FromString(events[1].graph_def) == wanted
    assert [e.step for e in events[2:]] == [*range(30), 7]
    assert [e.summary.value[0].simple_value for e in events[2:32]] == [s / 2 for s in range(30)]
    assert events[32].summary.value[0].tag == "own"


def test_descriptions_are_written_once_and_a_closed_writer_can_be_opened_again(tmp_path):
    text = tf.summary.text("t", tf.constant("x"))
    writer = tf.summary.FileWriter(str(tmp_path))
    with tf.Session() as sess:
        for step in range(2):
            writer.add_summary(sess.run(text), step)
    writer.close()
    writer.add_summary(tf.Summary(), 5)
    writer.reopen()
    writer.add_summary(tf.Summary(), 6)
    writer.flush()
    events = [e for p in sorted(tmp_path.iterdir()) for e in summary_iterator(p)]
    writer.close()
    values = [v for e in events for v in e.summary.value]
    assert [v.HasField("metadata") for v in values] == [True, False]
    assert [e.step for e in events if e.HasField("summary")] == [0, 1, 6]
    assert writer.get_logdir() == str(tmp_path)
    with pytest.raises(InputError, match="add_summary was given int"):
        writer.add_summary(3)


def test_records_have_masked_checksums():
    data = record(b"abc")
    assert data[:8] == struct.pack("<Q", 3) and data[12:15] == b"abc"
    assert struct.unpack("<I", data[8:12])[0] == masked(crc32c(data[:8]))
    assert struct.unpack("<I", data[15:])[0] == masked(crc32c(b"abc"))


@pytest.mark.parametrize("damage", ["cut", "length", "content", "huge"])
def test_damaged_event_files_give_one_clear_error(damage, tmp_path):
    path = tmp_path / "events"
    data = bytearray(record(b"first") + record(b"second"))
    if damage == "cut":
        data = data[:-3]
    elif damage == "length":
        data[21] ^= 1
    elif damage == "content":
        data[35] ^= 1
    else:
        head = struct.pack("<Q", 1 << 60)
        data[21:33] = head + struct.pack("<I", masked(crc32c(head)))
    path.write_bytes(bytes(data))
    records = read_records(path)
    assert next(records) == b"first"
    with pytest.raises(tf.errors.DataLossError, match="the record at byte 21"):
        next(records)
