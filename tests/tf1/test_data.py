"""tf.data, queues and Supervisor give the elements that a program asks for."""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError

Dataset = tf.data.Dataset


def elements(dataset):
    """All elements of a dataset."""
    following, found = dataset.make_one_shot_iterator().get_next(), []
    with tf.Session() as sess:
        while True:
            try:
                found.append(sess.run(following))
            except tf.errors.OutOfRangeError:
                return found


def listed(dataset):
    return [np.asarray(e).tolist() for e in elements(dataset)]


def test_sources_give_their_elements():
    assert listed(Dataset.range(3)) == [0, 1, 2] and listed(Dataset.range(1, 7, 3)) == [1, 4]
    assert listed(Dataset.from_tensors([1, 2])) == [[1, 2]]
    pairs = Dataset.from_tensor_slices({"x": np.eye(2), "y": [3, 4]})
    assert [(e["x"].tolist(), e["y"]) for e in elements(pairs)] == [([1, 0], 3), ([0, 1], 4)]
    assert pairs.output_types == {"x": tf.float64, "y": tf.int32}
    assert pairs.output_shapes["x"].as_list() == [2]
    made = Dataset.from_generator(lambda: ((i, "가" * i) for i in range(2)), (tf.int64, tf.string))
    assert elements(made) == [(0, b""), (1, "가".encode())]
    assert listed(Dataset.zip((Dataset.range(2), Dataset.range(5, 9)))) == [[0, 5], [1, 6]]


def test_order_and_number_of_elements_change():
    numbers = Dataset.range(4)
    assert listed(numbers.repeat(2)) == [0, 1, 2, 3] * 2
    assert listed(numbers.repeat().take(6)) == [0, 1, 2, 3, 0, 1]
    assert listed(numbers.skip(2).concatenate(Dataset.range(1))) == [2, 3, 0]
    assert listed(numbers.shard(2, 1)) == [1, 3] and listed(numbers.take(-1)) == [0, 1, 2, 3]
    assert listed(numbers.take(0).repeat()) == []
    assert listed(numbers.prefetch(1).apply(lambda d: d.take(1))) == [0]


def test_elements_are_put_together():
    assert listed(Dataset.range(5).batch(2)) == [[0, 1], [2, 3], [4]]
    dropped = Dataset.range(5).batch(2, drop_remainder=True)
    assert listed(dropped) == [[0, 1], [2, 3]] and dropped.output_shapes.as_list() == [2]
    rows = Dataset.from_generator(lambda: iter([[1], [1, 2, 3], [1, 2]]), tf.int32, [None])
    assert listed(rows.padded_batch(2, [None])) == [[[1, 0, 0], [1, 2, 3]], [[1, 2]]]
    assert listed(rows.padded_batch(3, [4], -1))[0][0] == [1, -1, -1, -1]
    with pytest.raises(InputError, match="different shapes.*padded_batch"):
        elements(rows.batch(2))


def test_functions_are_run_on_each_element():
    pairs = Dataset.range(4).map(lambda x: (x * 2, tf.cast(x, tf.float32) / 2.0))
    assert [(int(a), float(b)) for a, b in elements(pairs)] == [(0, 0), (2, 0.5), (4, 1), (6, 1.5)]
    assert listed(pairs.map(lambda a, b: a).filter(lambda a: a > 2)) == [4, 6]
    factor = tf.constant(3, tf.int64)
    assert listed(Dataset.range(3).map(lambda x: x * factor)) == [0, 3, 6]
    changing = tf.placeholder_with_default(np.int64(1), [])
    with pytest.raises(InputError, match="value changes from run to run"):
        Dataset.range(3).map(lambda x: x + changing)


def test_a_shuffle_gives_each_element_once_in_another_order_each_time():
    tf.set_random_seed(1)
    once = Dataset.range(30).shuffle(10)
    shuffled = listed(once.repeat(2))
    first, second = shuffled[:30], shuffled[30:]
    assert sorted(first) == sorted(second) == list(range(30)) and first != second
    assert first != list(range(30)) and max(first[:1]) < 10
    fixed = listed(Dataset.range(30).shuffle(10, seed=3, reshuffle_each_iteration=False).repeat(2))
    assert fixed[:30] == fixed[30:]


def test_lines_of_files_are_elements(tmp_path):
    (tmp_path / "a.txt").write_text("하나\r\n둘\n", encoding="utf-8")
    (tmp_path / "b.txt").write_text("셋", encoding="utf-8")
    lines = tf.data.TextLineDataset([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    assert [e.decode() for e in elements(lines)] == ["하나", "둘", "셋"]


def test_an_iterator_starts_on_the_data_that_are_fed():
    x = tf.placeholder(tf.float32, [None, 2])
    iterator = Dataset.from_tensor_slices(x).batch(2).make_initializable_iterator()
    following = iterator.get_next()
    with tf.Session() as sess:
        with pytest.raises(tf.errors.FailedPreconditionError, match="iterator.initializer"):
            sess.run(following)
        for value in (np.zeros((3, 2)), np.ones((1, 2))):
            sess.run(iterator.initializer, {x: value})
            assert sess.run(following).tolist() == value[:2].tolist()


def test_one_iterator_takes_several_datasets():
    train, valid = Dataset.range(3), Dataset.range(10, 12)
    iterator = tf.data.Iterator.from_structure(train.output_types, train.output_shapes)
    following = iterator.get_next()
    with tf.Session() as sess:
        for dataset, wanted in ((train, [0, 1, 2]), (valid, [10, 11])):
            sess.run(iterator.make_initializer(dataset))
            assert [sess.run(following) for _ in wanted] == wanted
            with pytest.raises(tf.errors.OutOfRangeError, match="no further elements"):
                sess.run(following)
    with pytest.raises(InputError, match="give a dataset with the iterator's dtypes"):
        iterator.make_initializer(Dataset.from_tensors(1.0))


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda: Dataset.range(3).batch(0), "batch_size is 0"),
        (lambda: Dataset.from_tensor_slices((np.ones(2), np.ones(3))), "same number of rows"),
        (lambda: Dataset.range(tf.placeholder(tf.int64, [])), "give a number or a constant"),
        (lambda: Dataset.range(2).make_one_shot_iterator().initializer, "have an initializer"),
    ],
)
def test_wrong_datasets_say_what_is_wrong(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_a_queue_gives_numbers_in_each_epoch():
    number = tf.train.range_input_producer(3, shuffle=False).dequeue()
    with tf.Session() as sess:
        coord = tf.train.Coordinator()
        threads = tf.train.start_queue_runners(sess, coord)
        assert [int(sess.run(number)) for _ in range(5)] == [0, 1, 2, 0, 1]
        coord.request_stop()
        coord.join(threads)
        assert coord.should_stop()


def test_a_queue_of_some_epochs_ends():
    tf.set_random_seed(1)
    number = tf.train.range_input_producer(4, num_epochs=2, shuffle=True).dequeue()
    pair = tf.train.batch([number, tf.square(number)], 2)
    with tf.Session() as sess:
        sess.run(tf.local_variables_initializer())
        found = [sess.run(pair) for _ in range(4)]
        assert all((b == a * a).all() for a, b in found)
        numbers = np.concatenate([a for a, _ in found]).tolist()
        assert sorted(numbers[:4]) == sorted(numbers[4:]) == [0, 1, 2, 3]
        with pytest.raises(tf.errors.OutOfRangeError, match="no further elements"):
            sess.run(pair)


def test_a_queue_of_an_imported_graph_is_filled():
    tf.reset_default_graph()
    number = tf.train.range_input_producer(3, shuffle=False).dequeue(name="number")
    message = tf.train.export_meta_graph()
    runners = message.collection_def["queue_runners"].bytes_list.value
    tf.reset_default_graph()
    tf.train.import_meta_graph(message)
    (runner,) = tf.get_collection(tf.GraphKeys.QUEUE_RUNNERS)
    assert runner.name == "input_producer/input_producer/input_producer"
    assert [runner.to_proto().SerializeToString()] == list(runners)
    with tf.Session() as sess:
        assert [sess.run(number.name) for _ in range(4)] == [0, 1, 2, 0]


def test_an_empty_queue_that_nothing_fills_is_an_error():
    from ostinato.tf1.train.queues import FIFOQueue

    queue = FIFOQueue(3, [tf.int32], [[]])
    with tf.Session() as sess:
        sess.run(queue.enqueue(7))
        assert sess.run(queue.size()) == 1 and sess.run(queue.dequeue()) == 7
        with pytest.raises(tf.errors.FailedPreconditionError, match="is empty"):
            sess.run(queue.dequeue())


def test_a_supervisor_restores_the_newest_checkpoint(tmp_path):
    def steps(count):
        tf.reset_default_graph()
        step = tf.train.get_or_create_global_step()
        increase = tf.assign_add(step, 1)
        supervisor = tf.train.Supervisor(logdir=str(tmp_path))
        with supervisor.managed_session() as sess:
            for _ in range(count):
                if supervisor.should_stop():
                    break
                value = sess.run(increase)
            supervisor.saver.save(sess, supervisor.save_path, global_step=step)
        return int(value)

    assert steps(3) == 3 and steps(2) == 5
    assert (tmp_path / "checkpoint").exists()


def test_functions_of_rows():
    x = tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    with tf.Session() as sess:
        assert sess.run(tf.map_fn(lambda r: r * 2.0, x)).tolist() == [[2, 4], [6, 8], [10, 12]]
        sums = tf.map_fn(lambda p: p[0] + p[1], (x, x), dtype=tf.float32)
        assert sess.run(sums).tolist() == [[2, 4], [6, 8], [10, 12]]
        assert sess.run(tf.foldl(tf.add, x)).tolist() == [9, 12]
        assert sess.run(tf.foldr(lambda a, r: a - r, x, initializer=tf.zeros([2]))).tolist() == [
            -9,
            -12,
        ]
        running = tf.scan(lambda a, r: a + r, x)
        assert sess.run(running).tolist() == [[1, 2], [4, 6], [9, 12]]
        backwards = tf.scan(lambda a, r: a + r, x, initializer=tf.ones([2]), reverse=True)
        assert sess.run(backwards).tolist() == [[10, 13], [9, 11], [6, 7]]
        (slope,) = tf.gradients(running[-1], x)
        assert sess.run(slope).tolist() == np.ones((3, 2)).tolist()
