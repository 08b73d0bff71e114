"""static_rnn and layers of two directions give TensorFlow 1.13.1's numbers and have its operations,
with lengths and without.
"""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from tf1_programs import TIMES, X, agrees, steps

rnn = tf.contrib.rnn
LENGTHS = [2, 0, 1]


CELLS = {
    "rnn": lambda: rnn.BasicRNNCell(5),
    "lstm": lambda: rnn.BasicLSTMCell(5),
    "gru": lambda: rnn.GRUCell(5),
    "lstm full": lambda: rnn.LSTMCell(5, use_peepholes=True, num_proj=3, cell_clip=0.5),
    "ugrnn": lambda: rnn.UGRNNCell(5),
    "nas": lambda: rnn.NASCell(5),
    "nas projected": lambda: rnn.NASCell(5, num_proj=3),
    "sru": lambda: rnn.SRUCell(5),
    "block": lambda: rnn.LSTMBlockCell(5),
    "ln": lambda: rnn.LayerNormBasicLSTMCell(5),
    "coupled": lambda: rnn.CoupledInputForgetGateLSTMCell(5, use_peepholes=True),
    "glstm": lambda: rnn.GLSTMCell(8, number_of_groups=2),
    "intersection": lambda: rnn.IntersectionRNNCell(5, num_in_proj=5),
    "indy gru": lambda: rnn.IndyGRUCell(5),
    "indy lstm": lambda: rnn.IndyLSTMCell(5),
    "grid lstm": lambda: rnn.GridLSTMCell(
        3, feature_size=2, frequency_skip=1, num_frequency_blocks=[3]
    ),
    "block gru": lambda: rnn.GRUBlockCellV2(4),
    "multi": lambda: rnn.MultiRNNCell([rnn.BasicLSTMCell(5), rnn.GRUCell(3)]),
    "multi nas": lambda: rnn.MultiRNNCell([rnn.NASCell(5), rnn.UGRNNCell(3)]),
    "residual": lambda: rnn.ResidualWrapper(rnn.GRUCell(4)),
    "dropout": lambda: rnn.DropoutWrapper(
        rnn.GRUCell(4), output_keep_prob=0.5, input_keep_prob=0.7
    ),
    "highway": lambda: rnn.HighwayWrapper(rnn.GRUCell(4)),
    "input projection": lambda: rnn.InputProjectionWrapper(rnn.GRUCell(4), 3),
    "output projection": lambda: rnn.OutputProjectionWrapper(rnn.GRUCell(4), 3),
}

# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
WITH_LENGTHS = {
    "rnn": (155, 6.47785, 234.6203),
    "lstm": (226, 0.816239, 7.633657),
    "gru": (217, 0.6919446, 9.501283),
    "lstm full": (311, 0.64323884, 4.869971),
    "ugrnn": (188, 1.1131061, 5.464328),
    "nas": (295, 0.042186748, 0.0588879),
    "nas projected": (311, 0.044197351, 0.05664154),
    "sru": (212, 1.9807935, 27.30765),
    "block": (178, 0.816239, 7.633657),
    "ln": (496, 13.520589, 200.843),
    "coupled": (267, 0.49543402, 1.278111),
    "glstm": (347, 1.5359305, 9.394802),
    "intersection": (286, 4.6588564, 124.4144),
    "indy gru": (249, 0.94173545, 11.2412),
    "indy lstm": (245, 0.93399405, 10.01016),
    "grid lstm": (671, 1.9873717, 13.09663),
    "block gru": (163, 1.3369235, 3.935497),
    "multi": (355, 1.6822104, 8.111069),
    "multi nas": (395, 0.048423167, 0.02659221),
    "residual": (234, 18.196154, 59.03675),
    "dropout": (318, 0.91887379, 3.19672),
    "highway": (275, 9.2459145, 14.53038),
    "input projection": (251, 0.74632406, 6.975005),
    "output projection": (257, 1.082082, 18.56703),
}


@pytest.mark.parametrize("name", list(CELLS))
def test_a_cell_over_steps_with_lengths_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(
        lambda: tf.nn.static_rnn(CELLS[name](), steps(), sequence_length=LENGTHS, dtype=tf.float32),
        WITH_LENGTHS[name],
    )


def _both(name, count=1):
    return ([CELLS[name]() for _ in range(count)] for _ in "fb")


def _ones():
    return [tf.ones([3, 5]), tf.ones([3, 5])]


PROGRAMS = {
    "both rnn": (
        lambda: tf.nn.static_bidirectional_rnn(
            CELLS["rnn"](), CELLS["rnn"](), steps(), dtype=tf.float32
        ),
        (83, 39.821503, 853.3992),
    ),
    "both multi": (
        lambda: tf.nn.static_bidirectional_rnn(
            CELLS["multi"](), CELLS["multi"](), steps(), dtype=tf.float32
        ),
        (363, 2.558917, 21.08323),
    ),
    "both lstm, lengths": (
        lambda: tf.nn.static_bidirectional_rnn(
            CELLS["lstm"](), CELLS["lstm"](), steps(), sequence_length=LENGTHS, dtype=tf.float32
        ),
        (463, 1.7063048, 15.34691),
    ),
    "stack nas": (
        lambda: rnn.stack_bidirectional_rnn(*_both("nas", 2), steps(), dtype=tf.float32),
        (627, 0.23200127, 0.5185238),
    ),
    "stack multi": (
        lambda: rnn.stack_bidirectional_rnn(*_both("multi", 2), steps(), dtype=tf.float32),
        (723, 2.4284012, 19.22206),
    ),
    "stack lstm gru, lengths": (
        lambda: rnn.stack_bidirectional_rnn(
            *([CELLS["lstm"](), CELLS["gru"]()] for _ in "fb"),
            steps(),
            sequence_length=LENGTHS,
            dtype=tf.float32,
        ),
        (905, 1.4025731, 10.12787),
    ),
    "stack gru, states": (
        lambda: rnn.stack_bidirectional_rnn(*_both("gru", 2), steps(), _ones(), _ones()),
        (359, 55.844803, 2818.409),
    ),
    "stack dynamic rnn": (
        lambda: rnn.stack_bidirectional_dynamic_rnn(*_both("rnn", 2), X, dtype=tf.float32),
        (486, 77.349998, 3017.602),
    ),
    "stack dynamic multi, lengths": (
        lambda: rnn.stack_bidirectional_dynamic_rnn(
            *_both("multi", 2), tf.constant(X), sequence_length=[6, 0, 3], dtype=tf.float32
        ),
        (949, 1.8786488, 28.83308),
    ),
    "stack dynamic gru, time major": (
        lambda: rnn.stack_bidirectional_dynamic_rnn(
            *_both("gru"), tf.constant(X.transpose(1, 0, 2)), dtype=tf.float32, time_major=True
        ),
        (271, 12.273726, 289.1834),
    ),
    "lengths as int64": (
        lambda: tf.nn.static_rnn(
            CELLS["gru"](),
            steps(),
            sequence_length=tf.constant(np.array(LENGTHS)),
            dtype=tf.float32,
        ),
        (218, 1.4517701, 4.774008),
    ),
    "lengths and a state": (
        lambda: tf.nn.static_rnn(CELLS["gru"](), steps(), tf.ones([3, 5]), sequence_length=LENGTHS),
        (210, 18.276901, 100.9467),
    ),
    "two inputs and lengths": (
        lambda: tf.nn.static_rnn(
            rnn.PhasedLSTMCell(5, period_init_max=10.0, ratio_on=0.4),
            steps(TIMES, X),
            sequence_length=LENGTHS,
            dtype=tf.float32,
        ),
        (409, 0.36342436, 12.50358),
    ),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(*PROGRAMS[name])


class Saver:
    """Keeps states in variables, which begin with 1."""

    def __init__(self, **sizes):
        self.kept = {
            name: tf.Variable(tf.ones([3, size]), trainable=False, name=name)
            for name, size in sizes.items()
        }

    def state(self, name):
        # TensorFlow's gradients would see what is assigned later, in memory that a variable shares
        # with what is read of it.
        return self.kept[name] * 1.0

    def save_state(self, name, value):
        return self.kept[name].assign(value)


SAVED = {
    "one state": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Saver(h=5), "h"),
        (97, 14.148861, 255.4918),
    ),
    "two states": (
        lambda: rnn.static_state_saving_rnn(CELLS["lstm"](), steps(), Saver(c=5, h=5), ("c", "h")),
        (88, 8.5299368, 329.1275),
    ),
    "lengths": (
        lambda: rnn.static_state_saving_rnn(
            CELLS["lstm"](), steps(), Saver(c=5, h=5), ("c", "h"), LENGTHS
        ),
        (227, 18.237415, 123.6904),
    ),
    "two layers": (
        lambda: rnn.static_state_saving_rnn(
            CELLS["multi"](), steps(), Saver(c=5, h=5, g=3), (("c", "h"), "g")
        ),
        (181, 26.088232, 555.0392),
    ),
    "a grid": (
        lambda: rnn.static_state_saving_rnn(
            tf.contrib.grid_rnn.Grid1BasicRNNCell(4), steps(), Saver(h=4), ("h",)
        ),
        (66, 19.749828, 501.4167),
    ),
}


@pytest.mark.parametrize("name", list(SAVED))
def test_a_run_from_a_kept_state_gives_tensorflows_numbers(name):
    agrees(*SAVED[name])


def test_a_sequence_in_segments_gives_the_same_as_a_whole_one_if_the_state_is_saved():
    x = tf.placeholder(tf.float32, [3, 3, 4])
    cell, saver = rnn.BasicLSTMCell(5), Saver(c=5, h=5)
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        segments, _ = tf.nn.static_state_saving_rnn(cell, tf.unstack(x, axis=1), saver, ("c", "h"))
        whole, last = tf.nn.static_rnn(
            cell, steps(count=6), rnn.LSTMStateTuple(tf.ones([3, 5]), tf.ones([3, 5]))
        )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        # The outputs before the last one are run without keeping anything.
        before = sess.run(segments[:-1], {x: X[:, :3]})
        found = [sess.run(segments, {x: X[:, start : start + 3]}) for start in (0, 3)]
        whole, last, kept = sess.run([whole, last, [saver.kept["c"], saver.kept["h"]]])
    assert np.array_equal(np.stack(found[0] + found[1]), np.stack(whole)) and np.array_equal(
        before, found[0][:-1]
    )
    assert np.array_equal(kept[0], last.c) and np.array_equal(kept[1], last.h)


def test_layers_of_two_directions_have_tensorflows_names():
    rnn.stack_bidirectional_rnn(*_both("gru", 2), steps(), dtype=tf.float32)
    names = [v.name.removeprefix("stack_bidirectional_rnn/") for v in tf.global_variables()]
    kernels = [f"cell_{i}/{way}/gru_cell/gates/kernel:0" for i in range(2) for way in ("fw", "bw")]
    assert names[::4] == kernels and len(names) == 16


def test_a_batch_of_unknown_size_has_lengths_too():
    xs = [tf.placeholder(tf.float32, [None, 4]) for _ in range(3)]
    lengths = tf.placeholder(tf.int32, [None], name="n")
    outputs, state = tf.nn.static_rnn(CELLS["gru"](), xs, sequence_length=lengths, dtype=tf.float32)
    assert outputs[0].shape.as_list() == [None, 5]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        given = {x: X[:, t] for t, x in enumerate(xs)}
        values, last = sess.run([outputs, state], given | {"n:0": LENGTHS})
    assert [(v != 0).any(1).tolist() for v in values] == [
        [True, False, True],
        [True, False, False],
        [False] * 3,
    ]
    assert np.array_equal(last, np.where(np.array(LENGTHS)[:, None] == 2, values[1], values[0]))


def test_time_and_rows_change_places_and_rows_are_counted_where_that_can_be():
    x = tf.placeholder(tf.float32, [None, 6, 4])
    turned = rnn.transpose_batch_time(x)
    assert (
        turned.shape.as_list() == [6, None, 4]
        and rnn.best_effort_input_batch_size([turned, tf.constant(X)]) == 6
    )
    rows = rnn.best_effort_input_batch_size([turned])
    values, count = tf.Session().run([turned, rows], {x: X})
    assert np.array_equal(values, X.transpose(1, 0, 2)) and count == 3


class Empty(Saver):
    """Has kept nothing."""

    def state(self, name):
        pass


class Forgetful(Saver):
    """Keeps nothing."""

    def save_state(self, name, value):
        pass


MISTAKES = {
    "one dimension to turn": (
        lambda: rnn.transpose_batch_time([1.0, 2.0]),
        SizeError,
        r"shape \(2,\): give it two dimensions",
    ),
    "lengths that are not whole numbers": (
        lambda: tf.nn.static_rnn(
            CELLS["gru"](), steps(), sequence_length=[1.5, 1, 1], dtype=tf.float32
        ),
        InputError,
        "sequence_length was given.*one whole number for each row",
    ),
    "lengths for other rows": (
        lambda: tf.nn.static_rnn(CELLS["gru"](), steps(), sequence_length=[1], dtype=tf.float32),
        SizeError,
        "3 and 1 differ",
    ),
    "neither a state nor a dtype": (
        lambda: tf.nn.static_rnn(CELLS["gru"](), steps()),
        InputError,
        r"give dtype=tf\.float32",
    ),
    "steps of another rank": (
        lambda: tf.nn.static_rnn(CELLS["gru"](), [X], dtype=tf.float32),
        SizeError,
        r"\(3, 6, 4\): give them two dimensions, \(batch, size\)",
    ),
    "one array in both directions": (
        lambda: tf.nn.static_bidirectional_rnn(CELLS["gru"](), CELLS["gru"](), X, dtype=tf.float32),
        InputError,
        r"tf\.unstack",
    ),
    "one cell for a stack": (
        lambda: rnn.stack_bidirectional_rnn(
            CELLS["gru"](), [CELLS["gru"]()], steps(), dtype=tf.float32
        ),
        InputError,
        "cells_fw=.*give it a list of cells",
    ),
    "more cells forwards": (
        lambda: rnn.stack_bidirectional_dynamic_rnn(
            [CELLS["gru"]()] * 2, [CELLS["gru"]()], X, dtype=tf.float32
        ),
        SizeError,
        "2 cells forwards and 1 backwards",
    ),
    "nothing that keeps states": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), {}, "h"),
        InputError,
        r"was given \{\}, which has no state\(\): give it an object with",
    ),
    "a class that keeps states": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Saver, "h"),
        InputError,
        r"give it an object with state\(name\)",
    ),
    "a state that was never kept": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Empty(), "h"),
        InputError,
        r"state\('h'\) returned None: return a tensor",
    ),
    "one name for two states": (
        lambda: rnn.static_state_saving_rnn(CELLS["lstm"](), steps(), Saver(h=5), "h"),
        InputError,
        r"state_name='h'\).*LSTMStateTuple\(c=5, h=5\); give a tuple with a name for each",
    ),
    "names for one state": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Saver(h=5), ("h",)),
        InputError,
        r"state_name=\('h',\)\).*5; give one name",
    ),
    "a kept state of another size": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Saver(h=4), "h"),
        SizeError,
        r"GRUCell was given a state of \(3, 4\) where size 5 is expected",
    ),
    "a state that is not kept": (
        lambda: rnn.static_state_saving_rnn(CELLS["gru"](), steps(), Forgetful(h=5), "h"),
        InputError,
        r"save_state returned None: return a tensor that saves the state, such as "
        r"variable\.assign",
    ),
    "one state for two layers": (
        lambda: rnn.stack_bidirectional_rnn(
            *_both("gru", 2), steps(), [tf.ones([3, 5])], dtype=tf.float32
        ),
        InputError,
        "initial_states_fw=.*a list of 2, a state for each layer",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()


UNUSUAL = {
    "a grid": lambda: tf.contrib.grid_rnn.Grid2LSTMCell(4),
    "attention": lambda: rnn.AttentionCellWrapper(rnn.GRUCell(4), 3),
    "windows from both ends": lambda: rnn.BidirectionalGridLSTMCell(
        3, feature_size=2, frequency_skip=1, num_frequency_blocks=[3]
    ),
    "states in one": lambda: rnn.MultiRNNCell(
        [rnn.BasicLSTMCell(5, state_is_tuple=False)], state_is_tuple=False
    ),
}


@pytest.mark.parametrize("name", list(UNUSUAL))
def test_unusual_cells_run_with_lengths(name):
    tf.set_random_seed(1)
    outputs, _ = tf.nn.static_rnn(
        UNUSUAL[name](), steps(), sequence_length=LENGTHS, dtype=tf.float32
    )
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        values = np.stack(
            [np.concatenate(v, -1) if isinstance(v, tuple) else v for v in sess.run(outputs)]
        )
    assert [values[:, i].any(1).tolist() for i in range(3)] == [
        [True, True, False],
        [False] * 3,
        [True, False, False],
    ]
