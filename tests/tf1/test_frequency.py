"""The LSTMs over windows of the input give TensorFlow 1.13.1's numbers, those of its seeds
included.
"""

import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from tf1_programs import X, agrees, steps

rnn = tf.contrib.rnn
WINDOWS = {"feature_size": 2, "frequency_skip": 1, "num_frequency_blocks": [3]}
APART = {"feature_size": 2, "frequency_skip": 2, "num_frequency_blocks": [2]}


def _grid(lengths=None, **options):
    return tf.nn.dynamic_rnn(
        rnn.BidirectionalGridLSTMCell(3, **options), X, lengths, dtype=tf.float32
    )


def _grid_call():
    cell = rnn.BidirectionalGridLSTMCell(3, **WINDOWS)
    return cell(tf.constant(X[:, 0]), cell.zero_state(3, tf.float32))


def _called(size, **options):
    return rnn.TimeFreqLSTMCell(3, **options)(tf.constant(X[:, 0]), tf.zeros([3, size]))


# Of TensorFlow 1.13.1, run on these very programs under the graph seed 777; see
# `tf1_programs.measure`.
PROGRAMS = {
    "from both ends": (lambda: _grid(**WINDOWS), (535, 14.582703, 584.4254)),
    "from both ends, lengths": (lambda: _grid([6, 0, 3], **WINDOWS), (568, 6.9145246, 93.68235)),
    "from both ends, a list of steps": (
        lambda: tf.nn.static_rnn(
            rnn.BidirectionalGridLSTMCell(3, **WINDOWS), steps(), dtype=tf.float32
        ),
        (812, 7.5622835, 154.1163),
    ),
    "from both ends, one step": (_grid_call, (372, 2.4840188, 24.4197)),
    "from both ends, shared": (
        lambda: _grid(
            use_peepholes=True, share_time_frequency_weights=True, cell_clip=0.05, **APART
        ),
        (616, 0.36092666, 0.04496783),
    ),
    "from both ends, peepholes": (
        lambda: _grid(use_peepholes=True, forget_bias=0.5, **APART),
        (768, 8.3638849, 167.8922),
    ),
    "from both ends, later": (
        lambda: _grid(backward_slice_offset=1, **WINDOWS),
        (546, 13.293249, 331.5283),
    ),
    "from both ends, earlier": (
        lambda: _grid(backward_slice_offset=-1, **WINDOWS),
        (546, 12.783907, 291.7228),
    ),
    "windows": (lambda: _called(18, feature_size=2), (108, 1.6145887, 11.93827)),
    "windows apart, peepholes": (
        lambda: _called(12, feature_size=2, frequency_skip=2, use_peepholes=True),
        (119, 1.5575216, 6.848964),
    ),
    "windows, clipped": (
        lambda: _called(12, feature_size=3, cell_clip=0.05),
        (85, 0.059996307, 0.03110895),
    ),
    "windows of one": (
        lambda: _called(24, feature_size=1, use_peepholes=True, cell_clip=0.05, forget_bias=0.5),
        (209, 0.11771766, 0.004269047),
    ),
    "one window": (
        lambda: tf.nn.dynamic_rnn(rnn.TimeFreqLSTMCell(3, feature_size=4), X, dtype=tf.float32),
        (144, 2.2946937, 49.16922),
    ),
    "windows over a list of steps": (
        lambda: tf.nn.static_rnn(
            rnn.TimeFreqLSTMCell(3, feature_size=2), steps(), initial_state=tf.zeros([3, 18])
        ),
        (294, 4.1365504, 103.3063),
    ),
}


@pytest.mark.parametrize("name", list(PROGRAMS))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(name):
    agrees(*PROGRAMS[name])


def test_states_of_both_ends_have_tensorflows_names():
    state = rnn.BidirectionalGridLSTMCell(3, **APART).state_size
    assert state._fields == tuple(
        f"{way}_state_f0{k}_b00_{part}" for way in ("fwd", "bwd") for k in (0, 1) for part in "cm"
    )


MISTAKES = {
    "windows that do not fit": (
        lambda: _grid(feature_size=2, frequency_skip=1, num_frequency_blocks=[2]),
        SizeError,
        r"BidirectionalGridLSTMCell\(feature_size=2.*has 3 window\(s\).*num_frequency_blocks=\[3\]",
    ),
    "coupled gates": (
        lambda: rnn.BidirectionalGridLSTMCell(3, couple_input_forget_gates=True, **WINDOWS),
        InputError,
        "couple_input_forget_gates=True.*not provided",
    ),
    "several windows over sequences": (
        lambda: tf.nn.dynamic_rnn(rnn.TimeFreqLSTMCell(3, feature_size=2), X, dtype=tf.float32),
        SizeError,
        r"has 3 window\(s\) in an input of size 4 .*feature_size=4, or call it for each step with "
        r"a state of size 18",
    ),
    "a state for one window": (
        lambda: _called(6, feature_size=2),
        SizeError,
        r"a state of \(3, 6\) where size 18",
    ),
    "no size of a window": (
        lambda: rnn.TimeFreqLSTMCell(3),
        SizeError,
        r"feature_size=None\).*1 or more",
    ),
    "sharded weights": (
        lambda: rnn.TimeFreqLSTMCell(3, num_unit_shards=2, feature_size=2),
        InputError,
        "sharded weights are not provided",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()
