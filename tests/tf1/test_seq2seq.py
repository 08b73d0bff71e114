"""Decoders, attention, beam search and losses of sequences; and recorded programs with them give
TensorFlow 1.13.1's operations and numbers.
"""

import itertools

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import ArgumentTypeError, EngineError, InputError, SizeError
from ostinato.tf1.core.errors import InvalidArgumentError
from ostinato.tf1.seq2seq.gather_tree import gather_tree, gather_tree_from_array

seq2seq, legacy = tf.contrib.seq2seq, tf.contrib.legacy_seq2seq
_RNG = np.random.default_rng(0)
X = np.float32(_RNG.normal(size=(3, 4, 2)))
MEMORY = np.float32(_RNG.normal(size=(3, 5, 4)))
LENGTHS = np.array([4, 2, 3], np.int32)
IDS = _RNG.integers(0, 6, (3, 4)).astype(np.int32)


@pytest.fixture(autouse=True)
def _graph():
    tf.set_random_seed(1)


def _run(*tensors, feed=None):
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        return sess.run(tensors[0] if len(tensors) == 1 else list(tensors), feed)


# Decoders and helpers


def _embedding():
    return tf.get_variable("embedding", [6, 3], initializer=tf.random_uniform_initializer(-2, 2))


def _projection():
    return tf.layers.Dense(
        6, use_bias=False, name="out", kernel_initializer=tf.random_uniform_initializer(-2, 2)
    )


def _decoded(helper, cell=None, output_layer=None, rows=3, **options):
    cell = cell or tf.nn.rnn_cell.GRUCell(4)
    state = cell.zero_state(rows, tf.float32)
    decoder = seq2seq.BasicDecoder(cell, helper, state, output_layer=output_layer)
    return seq2seq.dynamic_decode(decoder, **options)


def test_training_decodes_as_dynamic_rnn_does():
    cell = tf.nn.rnn_cell.GRUCell(4)
    with tf.variable_scope("shared") as scope:
        wanted, state = tf.nn.dynamic_rnn(cell, X, LENGTHS, dtype=tf.float32, scope=scope)
    helper = seq2seq.TrainingHelper(X, LENGTHS)
    with tf.variable_scope(scope, reuse=True) as again:
        outputs, final, lengths = _decoded(helper, cell, impute_finished=True, scope=again)
    found = _run(outputs.rnn_output, wanted, final, state, lengths)
    np.testing.assert_allclose(found[0], found[1], atol=1e-6)
    np.testing.assert_allclose(found[2], found[3], atol=1e-6)
    assert found[4].tolist() == LENGTHS.tolist()


def test_a_search_with_one_beam_is_greedy():
    embedding, projection, cell = _embedding(), _projection(), tf.nn.rnn_cell.GRUCell(4)
    start, initial = tf.constant([1, 2, 4]), tf.constant(MEMORY[:, 0])
    helper = seq2seq.GreedyEmbeddingHelper(embedding, start, 5)
    greedy = seq2seq.BasicDecoder(cell, helper, initial, output_layer=projection)
    beam = seq2seq.BeamSearchDecoder(
        cell, embedding, start, 5, initial, beam_width=1, output_layer=projection
    )
    one, _, _ = seq2seq.dynamic_decode(greedy, maximum_iterations=6, scope="decoder")
    with tf.variable_scope("", reuse=True):
        other, _, _ = seq2seq.dynamic_decode(beam, maximum_iterations=6, scope="decoder")
    ids, paths = _run(one.sample_id, other.predicted_ids)
    assert ids.shape[1] == paths.shape[1]
    for path, row in zip(paths[..., 0], ids):
        count = list(row).index(5) + 1 if 5 in row else len(row)
        assert path[:count].tolist() == row[:count].tolist()


def test_a_wide_search_finds_the_best_path_of_all():
    """With one beam for each path, the search is complete."""
    transitions = np.float32(_RNG.normal(size=(3, 3)))
    cell = tf.nn.rnn_cell.GRUCell(2)

    class Table(tf.layers.Layer):
        """The logits of an id depend on the id before alone."""

        def compute_output_shape(self, input_shape):
            return tf.TensorShape(input_shape)[:-1].concatenate(3)

        def call(self, inputs):
            return inputs

    class Lookup(tf.nn.rnn_cell.RNNCell):
        state_size, output_size = 2, 3

        def call(self, inputs, state):
            return inputs, state

    width = 9
    decoder = seq2seq.BeamSearchDecoder(
        Lookup(),
        transitions,
        tf.constant([0]),
        2,
        seq2seq.tile_batch(cell.zero_state(1, tf.float32), width),
        width,
        output_layer=Table(),
    )
    outputs, state, _ = seq2seq.dynamic_decode(decoder, maximum_iterations=3)
    paths, scores = _run(outputs.predicted_ids, state.log_probs)
    logs = transitions - np.log(np.exp(transitions).sum(1, keepdims=True))

    def log_prob(path):
        total, before = 0.0, 0
        for i in path:
            total, before = total + logs[before, i], i
            if i == 2:
                break
        return total

    best = max(itertools.product(range(3), repeat=3), key=log_prob)
    count = best.index(2) + 1 if 2 in best else 3
    assert tuple(paths[0, :count, 0]) == best[:count]
    np.testing.assert_allclose(scores[0, 0], log_prob(best), rtol=1e-5)


def test_a_helper_of_functions_and_time_major_outputs():
    helper = seq2seq.CustomHelper(
        lambda: (tf.fill([3], False), tf.zeros([3, 4])),
        lambda time, outputs, state: outputs[:, :2],
        lambda time, outputs, state, sample_ids: (tf.fill([3], time >= 1), outputs, state),
        sample_ids_shape=[2],
        sample_ids_dtype=tf.float32,
    )
    with pytest.raises(EngineError, match="before initialize was called"):
        _ = helper.batch_size
    helper.initialize()
    outputs, _, lengths = _decoded(helper, output_time_major=True)
    values, taken, lengths = _run(outputs.rnn_output, outputs.sample_id, lengths)
    assert values.shape == (2, 3, 4) and lengths.tolist() == [2, 2, 2]
    assert (taken == values[..., :2]).all()


def test_a_decoder_of_a_program_decides_itself():
    class Countdown(seq2seq.Decoder):
        batch_size = 2
        output_size = tf.TensorShape([])
        output_dtype = tf.int32

        def initialize(self, name=None):
            return tf.fill([2], False), tf.constant([0, 0]), tf.constant([2, 3])

        def step(self, time, inputs, state, name=None):
            return state, state - 1, inputs, state <= 1

    outputs, state, lengths = seq2seq.dynamic_decode(Countdown(), impute_finished=True)
    found = _run(outputs, state, lengths)
    assert [f.tolist() for f in found] == [[[2, 1, 0], [3, 2, 1]], [0, 0], [2, 3]]


def test_scheduled_outputs_join_auxiliary_inputs_and_a_layer():
    layer = tf.layers.Dense(2, name="next")
    helper = seq2seq.ScheduledOutputTrainingHelper(
        tf.constant(X),
        tf.constant(LENGTHS),
        1.0,
        next_input_layer=layer,
        auxiliary_inputs=tf.constant(X[..., :1]),
    )
    outputs, _, _ = _decoded(helper, output_layer=tf.layers.Dense(3))
    ids, values = _run(outputs.sample_id, outputs.rnn_output)
    assert (ids == 1).all() and values.shape == (3, 4, 3)
    assert layer.kernel.shape.as_list() == [3, 2]


def test_samples_follow_the_distribution():
    logits = tf.log(tf.constant([[0.7, 0.2, 0.1]] * 4000))
    helper = seq2seq.SampleEmbeddingHelper(np.eye(3, dtype=np.float32), tf.fill([4000], 0), 2)
    ids = _run(helper.sample(time=0, outputs=logits, state=None))
    np.testing.assert_allclose(np.bincount(ids) / 4000, [0.7, 0.2, 0.1], atol=0.03)


# Attention


def _attention(kind, **options):
    return getattr(seq2seq, f"{kind}Attention")(4, MEMORY, **options)


@pytest.mark.parametrize("kind", ["Bahdanau", "Luong", "BahdanauMonotonic", "LuongMonotonic"])
def test_no_weight_lies_past_the_end_of_the_memory(kind):
    attention = _attention(kind, memory_sequence_length=LENGTHS)
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), attention, alignment_history=True)
    outputs, state, _ = _decoded(seq2seq.TrainingHelper(X, LENGTHS), cell)
    values, weights = _run(outputs.rnn_output, state.alignment_history.stack())
    assert weights.shape == (4, 3, 5) and values.shape == (3, 4, 4)
    past = np.arange(5) >= LENGTHS[:, None]
    assert (weights[:, past] == 0).all() and (weights >= 0).all()
    if "Monotonic" not in kind:
        np.testing.assert_allclose(weights.sum(2), 1, rtol=1e-5)


def test_attention_is_the_mean_of_the_memory():
    query = np.float32(_RNG.normal(size=(3, 4)))
    attention = _attention("Luong")
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(4),
        attention,
        cell_input_fn=lambda inputs, _: inputs,
        output_attention=False,
    )
    state = cell.zero_state(3, tf.float32)
    output, after = cell(tf.constant(query), state)
    found = _run(output, after.alignments, after.attention, attention.keys)
    scores = (found[3] * found[0][:, None]).sum(2)
    weights = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    np.testing.assert_allclose(found[1], weights, rtol=1e-4)
    np.testing.assert_allclose(found[2], (weights[..., None] * MEMORY).sum(1), atol=1e-5)
    assert cell.output_size == 4


def test_modes_of_monotonic_attention_agree():
    hard, soft = np.float32(_RNG.integers(0, 2, (4, 6))), np.float32(_RNG.uniform(size=(4, 6)))
    first = [0, 2, 3, 5]
    before = np.eye(6, dtype=np.float32)[first]
    attend = seq2seq.monotonic_attention
    found = _run(attend(hard, before, "hard"), attend(hard, before, "recursive"))
    for row, (start, chosen) in enumerate(zip(first, hard)):
        wanted = np.zeros(6)
        wanted[start + np.flatnonzero(chosen[start:])[:1]] = 1
        assert all((weights[row] == wanted).all() for weights in found)
    recursive, parallel = _run(attend(soft, before, "recursive"), attend(soft, before, "parallel"))
    np.testing.assert_allclose(recursive, parallel, atol=1e-5)


def test_several_mechanisms_and_layers():
    mechanisms = [_attention("Luong"), _attention("Bahdanau")]
    layers = [tf.layers.Dense(2), tf.layers.Dense(3)]
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(4),
        mechanisms,
        attention_layer=layers,
        initial_cell_state=tf.constant(MEMORY[:, 0]),
        alignment_history=True,
    )
    state = cell.zero_state(3, tf.float32)
    output, after = cell(tf.constant(X[:, 0]), state)
    first, output = _run(state.cell_state, output)
    assert (first == MEMORY[:, 0]).all() and output.shape == (3, 5)
    assert [len(s) for s in (after.alignments, after.alignment_history)] == [2, 2]


def test_another_state_must_have_the_shapes():
    rows = tf.placeholder(tf.int32, [])
    memory = tf.placeholder(tf.float32, [None, None, 4])
    cell = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), seq2seq.LuongAttention(4, memory))
    state = cell.zero_state(rows, tf.float32)
    other = tf.placeholder(tf.float32, [None, 4])
    cloned = state.clone(cell_state=other).cell_state
    feed = {rows: 3, memory: MEMORY, other: MEMORY[:, 0]}
    assert (_run(cloned, feed=feed) == MEMORY[:, 0]).all()
    with pytest.raises(InvalidArgumentError, match="Wrong shape for"):
        _run(cloned, feed=feed | {other: MEMORY[:2, 0]})
    static = seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), _attention("Luong"))
    with pytest.raises(SizeError, match=r"expected \[3, 4\], got \[2, 4\]"):
        static.zero_state(3, tf.float32).clone(cell_state=tf.constant(MEMORY[:2, 0]))


def test_a_history_is_in_the_order_of_whole_paths():
    """Where the batch size is not known; TensorFlow leaves it as it is otherwise."""
    width, rows = 2, tf.placeholder(tf.int32, [])
    memory = seq2seq.tile_batch(tf.placeholder_with_default(MEMORY, [None, 5, 4]), width)
    cell = seq2seq.AttentionWrapper(
        tf.nn.rnn_cell.GRUCell(4), seq2seq.LuongAttention(4, memory), alignment_history=True
    )
    options = {"output_layer": _projection(), "coverage_penalty_weight": 0.5}
    found = []
    for reorder in (False, True):
        decoder = seq2seq.BeamSearchDecoder(
            cell,
            tf.one_hot(tf.range(6), 3),
            tf.fill([rows], 1),
            5,
            cell.zero_state(rows * width, tf.float32),
            width,
            reorder_tensor_arrays=reorder,
            **options,
        )
        with tf.variable_scope("", reuse=reorder):
            outputs, state, _ = seq2seq.dynamic_decode(
                decoder, maximum_iterations=4, output_time_major=True, scope="decoder"
            )
        history = state.cell_state.alignment_history
        found.append([history if reorder else history.stack(), outputs, state.lengths])
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        plain, ordered = sess.run(found, {rows: 3})
    steps, parents = plain[0].reshape(-1, 3, width, 5), plain[1].beam_search_decoder_output[2]
    assert (parents != np.arange(width)).any(), "some paths change their place"
    wanted = steps.copy()
    for row, beam in itertools.product(range(3), range(width)):
        end = plain[2][row].max()
        at = beam
        for time in range(end - 1, -1, -1):
            if time < plain[2][row, beam]:
                wanted[time, row, beam] = steps[time, row, at]
            at = parents[time, row, at]
    np.testing.assert_allclose(ordered[0].reshape(wanted.shape), wanted, atol=1e-6)


def test_paths_follow_their_parents_up_to_the_end():
    ids = np.array([[[1, 2]], [[3, 9]], [[4, 5]]])
    parents = np.array([[[0, 0]], [[1, 0]], [[1, 1]]])
    found = _run(gather_tree(ids, parents, [3], 9))
    assert found[:, 0].T.tolist() == [[1, 9, 9], [1, 9, 9]]
    assert _run(gather_tree(ids, parents, [2], 7))[:, 0].T.tolist() == [[2, 3, 7], [1, 9, 7]]
    with pytest.raises(InvalidArgumentError, match="invalid parent ids"):
        _run(gather_tree(ids, parents + 1, [3], 9))
    values = tf.constant(np.arange(12.0).reshape(3, 1, 2, 2))
    order = gather_tree_from_array(values, tf.constant(parents, tf.int32), tf.constant([[3, 3]]))
    assert _run(order)[..., 0].tolist() == [[[0, 0]], [[6, 6]], [[8, 10]]]


# Lists of steps


def _symbols(count=3):
    return [tf.constant(IDS[:, t]) for t in range(count)]


MODELS = {
    "embedding_rnn_seq2seq": lambda feed: legacy.embedding_rnn_seq2seq(
        _symbols(), _symbols(), tf.nn.rnn_cell.BasicLSTMCell(4), 6, 6, 3, feed_previous=feed
    ),
    "embedding_tied_rnn_seq2seq": lambda feed: legacy.embedding_tied_rnn_seq2seq(
        _symbols(), _symbols(), tf.nn.rnn_cell.BasicLSTMCell(4), 6, 3, feed_previous=feed
    ),
    "embedding_attention_seq2seq": lambda feed: legacy.embedding_attention_seq2seq(
        _symbols(),
        _symbols(),
        tf.nn.rnn_cell.BasicLSTMCell(4),
        6,
        6,
        3,
        feed_previous=feed,
        initial_state_attention=True,
    ),
    "one2many_rnn_seq2seq": lambda feed: (lambda outputs, states: (outputs["a"], states["b"]))(
        *legacy.one2many_rnn_seq2seq(
            _symbols(),
            {"a": _symbols(), "b": _symbols(2)},
            tf.nn.rnn_cell.GRUCell(4),
            {"a": tf.nn.rnn_cell.GRUCell(4), "b": tf.nn.rnn_cell.GRUCell(4)},
            6,
            {"a": 6, "b": 7},
            3,
            feed_previous=feed,
        )
    ),
}


@pytest.mark.parametrize("name", MODELS)
def test_previous_outputs_are_fed_by_a_truth_value_of_the_run(name):
    def weights(sess):
        for i, v in enumerate(tf.trainable_variables()):
            rng = np.random.default_rng(i)
            v.load(rng.normal(size=v.shape.as_list()).astype(np.float32), sess)

    found = {}
    for feed in (False, True):
        tf.reset_default_graph()
        result = MODELS[name](feed)
        with tf.Session() as sess:
            weights(sess)
            found[feed] = sess.run(result)
    tf.reset_default_graph()
    choice = tf.placeholder(tf.bool, [])
    result = MODELS[name](choice)
    with tf.Session() as sess:
        weights(sess)
        for feed, (outputs, state) in found.items():
            again, last = sess.run(result, {choice: feed})
            np.testing.assert_allclose(again, outputs, atol=1e-6)
            np.testing.assert_allclose(last, state, atol=1e-6)
    np.testing.assert_array_equal(found[False][0][0], found[True][0][0])
    assert not np.array_equal(found[False][0][2], found[True][0][2])


def test_losses_of_lists_and_of_tensors_agree():
    logits = np.float32(_RNG.normal(size=(3, 4, 6)))
    weights = np.float32(np.arange(4) < LENGTHS[:, None])
    lists = [[tf.constant(a[:, t]) for t in range(4)] for a in (logits, IDS, weights)]
    tensors = [tf.constant(a) for a in (logits, IDS, weights)]
    by_row = legacy.sequence_loss_by_example(*lists)
    whole = legacy.sequence_loss(*lists)
    summed = legacy.sequence_loss(
        *lists, average_across_timesteps=False, average_across_batch=False
    )
    loss = seq2seq.sequence_loss(*tensors)
    rows = seq2seq.sequence_loss(*tensors, average_across_batch=False)
    found = _run(by_row, whole, summed, loss, rows)
    np.testing.assert_allclose(found[0], found[4], rtol=1e-5)
    np.testing.assert_allclose(found[1], found[0].mean(), rtol=1e-5)
    np.testing.assert_allclose(found[2], found[3] * weights.sum(), rtol=1e-5)


# Wrong uses


def _greedy(**changed):
    given = {"embedding": np.eye(3), "start_tokens": [1, 2], "end_token": 0} | changed
    return seq2seq.GreedyEmbeddingHelper(**given)


def _beam(**changed):
    cell = tf.nn.rnn_cell.GRUCell(4)
    given = {
        "cell": cell,
        "embedding": np.eye(3),
        "start_tokens": [1, 2],
        "end_token": 0,
        "initial_state": tf.zeros([4, 4]),
        "beam_width": 2,
    }
    return seq2seq.BeamSearchDecoder(**given | changed)


def _wrapper(*given, **options):
    return seq2seq.AttentionWrapper(tf.nn.rnn_cell.GRUCell(4), *given, **options)


WRONG = {
    "decoder": (lambda: seq2seq.dynamic_decode(3), ArgumentTypeError, "BasicDecoder"),
    "cell": (lambda: seq2seq.BasicDecoder(4, _greedy(), None), InputError, "give it a cell"),
    "helper": (
        lambda: seq2seq.BasicDecoder(tf.nn.rnn_cell.GRUCell(4), None, None),
        ArgumentTypeError,
        "TrainingHelper",
    ),
    "output layer": (
        lambda: _decoded(_greedy(), output_layer=lambda x: x),
        ArgumentTypeError,
        "give tf.layers.Dense",
    ),
    "maximum": (
        lambda: _decoded(_greedy(), rows=2, maximum_iterations=[3]),
        SizeError,
        "must be a scalar",
    ),
    "lengths": (lambda: seq2seq.TrainingHelper(X, 4), SizeError, "for each row"),
    "first ids": (lambda: _greedy(start_tokens=1), SizeError, "must be a vector"),
    "last id": (lambda: _greedy(end_token=[1]), SizeError, "must be a scalar"),
    "several outputs": (
        lambda: _greedy().sample(0, (X, X), None),
        ArgumentTypeError,
        "single Tensor",
    ),
    "probability": (
        lambda: seq2seq.ScheduledOutputTrainingHelper(X, LENGTHS, [[0.5]]),
        SizeError,
        "scalar or a vector",
    ),
    "arrays of a loss": (
        lambda: seq2seq.sequence_loss(tf.zeros([3, 4, 6]), IDS, tf.ones([3, 4])),
        ArgumentTypeError,
        r"tf.constant\(targets\)",
    ),
    "dimensions of a loss": (
        lambda: seq2seq.sequence_loss(*[tf.zeros([3, 4])] * 3),
        SizeError,
        "reshape it",
    ),
    "memory": (
        lambda: seq2seq.LuongAttention(4, tf.placeholder(tf.float32)),
        SizeError,
        "known last size",
    ),
    "weights": (
        lambda: _attention("Luong", probability_fn=0.5),
        ArgumentTypeError,
        "tf.nn.softmax",
    ),
    "units": (
        lambda: _wrapper(seq2seq.LuongAttention(3, MEMORY))(
            tf.constant(X[:, 0]),
            _wrapper(seq2seq.LuongAttention(3, MEMORY)).zero_state(3, tf.float32),
        ),
        SizeError,
        "set num_units",
    ),
    "mechanism": (lambda: _wrapper(len), ArgumentTypeError, "LuongAttention"),
    "layer sizes": (
        lambda: _wrapper(_attention("Luong"), [2, 3]),
        InputError,
        "2 vs 1: give 1",
    ),
    "layer and size": (
        lambda: _wrapper(_attention("Luong"), 2, attention_layer=tf.layers.Dense(2)),
        InputError,
        "leave one out",
    ),
    "state": (
        lambda: _wrapper(_attention("Luong"))(tf.constant(X[:, 0]), tf.zeros([3, 4])),
        ArgumentTypeError,
        "cell.zero_state",
    ),
    "rows of a state": (
        lambda: _wrapper(_attention("Luong")).zero_state(4, tf.float32),
        InvalidArgumentError,
        "tile_batch",
    ),
    "mode": (
        lambda: seq2seq.monotonic_attention([[1.0]], [[1.0]], "soft"),
        InputError,
        "'recursive', 'parallel', or 'hard'",
    ),
    "a state that was not repeated": (
        lambda: _beam(initial_state=tf.zeros([2, 4])),
        SizeError,
        "reshape",
    ),
    "a state of another size": (
        lambda: _beam(initial_state=tf.zeros([4, 5])),
        SizeError,
        "between beam width and batch size",
    ),
    "coverage without attention": (
        lambda: _beam(coverage_penalty_weight=0.1).initialize(),
        InputError,
        "AttentionWrapper",
    ),
    "no rows": (lambda: seq2seq.tile_batch(1.0, 2), SizeError, "give it rows"),
    "no inputs": (
        lambda: legacy.attention_decoder([], None, tf.constant(MEMORY), None),
        InputError,
        "at least 1 input",
    ),
    "projection": (
        lambda: legacy.embedding_rnn_decoder(
            _symbols(), None, None, 6, 3, output_projection=(np.zeros((4, 5)), np.zeros(6))
        ),
        SizeError,
        "biases",
    ),
    "steps": (
        lambda: legacy.sequence_loss(_symbols(), _symbols(), _symbols(2)),
        InputError,
        "must be the same",
    ),
    "bucket": (
        lambda: legacy.model_with_buckets(
            _symbols(), _symbols(), _symbols(), _symbols(), [(4, 2)], None
        ),
        InputError,
        "give 4 steps",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_uses_say_what_to_give(name):
    call, error, message = WRONG[name]
    with pytest.raises(error, match=message):
        call()


def test_models_of_several_buckets_share_one_cell():
    cell = tf.nn.rnn_cell.DropoutWrapper(
        tf.nn.rnn_cell.GRUCell(4), output_keep_prob=tf.placeholder_with_default(1.0, [])
    )

    def model(encoder_inputs, decoder_inputs):
        return legacy.embedding_rnn_seq2seq(encoder_inputs, decoder_inputs, cell, 6, 6, 3)

    steps, weights = _symbols(), [tf.ones([3])] * 3
    legacy.model_with_buckets(steps, steps, steps, weights, [(1, 1), (3, 3)], model)
    kernels = [v.name for v in tf.trainable_variables() if "gates/kernel" in v.name]
    assert kernels == [
        "embedding_rnn_seq2seq/rnn/embedding_wrapper/gru_cell/gates/kernel:0",
        "embedding_rnn_seq2seq/embedding_rnn_decoder/rnn_decoder/output_projection_wrapper/"
        "gru_cell/gates/kernel:0",
    ]


def test_a_cell_that_was_used_before_is_not_copied():
    cell = tf.nn.rnn_cell.GRUCell(4)
    tf.nn.dynamic_rnn(cell, tf.ones([3, 2, 3]), dtype=tf.float32)
    steps = _symbols()
    with pytest.raises(InputError, match="create a new cell"):
        legacy.embedding_rnn_seq2seq(steps, steps, cell, 6, 6, 3)
