"""tf.contrib's cells and wrappers in `ostinato.tf1`: whole programs give TensorFlow 1.13.1's
numbers, a mistake gets an error.
"""

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError

rnn, grid_rnn = tf.contrib.rnn, tf.contrib.grid_rnn


PROGRAMS = {
    "residual ugrnn": lambda: rnn.ResidualWrapper(rnn.UGRNNCell(4)),
    "residual nas": lambda: rnn.ResidualWrapper(rnn.NASCell(4)),
    "residual nonorm": lambda: rnn.ResidualWrapper(rnn.LayerNormBasicLSTMCell(4, layer_norm=False)),
    "residual block": lambda: rnn.ResidualWrapper(rnn.LSTMBlockCell(4)),
    "residual sru": lambda: rnn.ResidualWrapper(rnn.SRUCell(4)),
    "residual indygru": lambda: rnn.ResidualWrapper(rnn.IndyGRUCell(4)),
    "residual cfn": lambda: rnn.ResidualWrapper(rnn.CFNCell(4)),
    "multi nas ugrnn": lambda: rnn.MultiRNNCell([rnn.NASCell(4), rnn.UGRNNCell(3)]),
    "multi lnorm sru minimal": lambda: rnn.MultiRNNCell(
        [rnn.LayerNormBasicLSTMCell(4), rnn.SRUCell(5), rnn.MinimalRNNCell(3)]
    ),
    "nas bias": lambda: rnn.NASCell(5, use_biases=True),
    "sru relu": lambda: rnn.SRUCell(5, activation=tf.nn.relu),
    "ugrnn sig": lambda: rnn.UGRNNCell(5, activation=tf.nn.sigmoid, forget_bias=-1.0),
    "coupled concat": lambda: rnn.CoupledInputForgetGateLSTMCell(
        5, use_peepholes=True, state_is_tuple=False, activation=tf.nn.relu
    ),
    "wn peep": lambda: rnn.WeightNormLSTMCell(5, use_peepholes=True, cell_clip=0.05),
    "wn nonorm": lambda: rnn.WeightNormLSTMCell(5, norm=False),
    "glstm 4": lambda: rnn.GLSTMCell(8, number_of_groups=4),
    "ln gain": lambda: rnn.LayerNormBasicLSTMCell(
        5, norm_gain=0.5, norm_shift=0.1, activation=tf.nn.relu
    ),
    "embedding gru": lambda: rnn.EmbeddingWrapper(rnn.GRUCell(4), 7, 3),
    "attention gru": lambda: rnn.AttentionCellWrapper(rnn.GRUCell(4), 3),
    "attention lstm": lambda: rnn.AttentionCellWrapper(
        rnn.BasicLSTMCell(4), 3, attn_size=5, attn_vec_size=6, input_size=7
    ),
    "highway uncoupled": lambda: rnn.HighwayWrapper(
        rnn.GRUCell(4), couple_carry_transform_gates=False
    ),
    "highway ugrnn": lambda: rnn.HighwayWrapper(rnn.UGRNNCell(4)),
    "device gru": lambda: rnn.DeviceWrapper(rnn.GRUCell(4), "/cpu:0"),
    "input proj relu": lambda: rnn.InputProjectionWrapper(rnn.GRUCell(4), 3, activation=tf.nn.relu),
    "output proj tanh": lambda: rnn.OutputProjectionWrapper(
        rnn.BasicLSTMCell(4), 3, activation=tf.nn.tanh
    ),
    "grid2 no tuple": lambda: grid_rnn.Grid2LSTMCell(4, output_is_tuple=False, forget_bias=0.5),
    "grid lstm clip": lambda: rnn.GridLSTMCell(
        3,
        use_peepholes=True,
        share_time_frequency_weights=True,
        cell_clip=0.05,
        feature_size=2,
        frequency_skip=2,
        num_frequency_blocks=[2],
    ),
    "indrnn relu": lambda: rnn.IndRNNCell(4, activation=tf.nn.relu),
    "minimal sigmoid": lambda: rnn.MinimalRNNCell(4, activation="sigmoid"),
    "grid2 gru": lambda: grid_rnn.Grid2GRUCell(4),
    "block gru": lambda: rnn.GRUBlockCell(4),
    "nas projected": lambda: rnn.NASCell(5, num_proj=3),
    "nas projected bias": lambda: rnn.NASCell(5, num_proj=3, use_biases=True),
    "residual nas projected": lambda: rnn.ResidualWrapper(rnn.NASCell(5, num_proj=4)),
    "grid1 peep": lambda: grid_rnn.Grid1LSTMCell(4, use_peepholes=True),
    "grid2 peep": lambda: grid_rnn.Grid2LSTMCell(4, use_peepholes=True),
    "grid3 peep": lambda: grid_rnn.Grid3LSTMCell(4, use_peepholes=True),
    "grid2 rnn tied": lambda: grid_rnn.Grid2BasicRNNCell(4, tied=True),
    "grid2 basic tied": lambda: grid_rnn.Grid2BasicLSTMCell(4, tied=True),
    "grid2 gru tied": lambda: grid_rnn.Grid2GRUCell(4, tied=True),
    "grid3 tied peep": lambda: grid_rnn.Grid3LSTMCell(4, tied=True, use_peepholes=True),
    "grid1 joined": lambda: grid_rnn.Grid1BasicLSTMCell(4, state_is_tuple=False),
    "grid2 joined no tuple": lambda: grid_rnn.Grid2BasicLSTMCell(
        4, state_is_tuple=False, output_is_tuple=False
    ),
    "grid2 all": lambda: grid_rnn.Grid2LSTMCell(
        4, tied=True, use_peepholes=True, state_is_tuple=False
    ),
    "grid3 joined": lambda: grid_rnn.Grid3LSTMCell(4, state_is_tuple=False),
    "block clip": lambda: rnn.LSTMBlockCell(4, cell_clip=0.05, use_peephole=True, forget_bias=0.0),
}

# Of TensorFlow 1.13.1, run on this very program: the number of operations, the sum of the squares
# of all outputs and states, and that of its gradients by all variables. The variables are those
# that it draws under the graph seed 777, so that all their seeds are in these numbers.
RECORDED = {
    ("plain", "residual ugrnn"): (131, 93.699173, 624.2855),
    ("plain", "residual nas"): (174, 83.271774, 24.93523),
    ("plain", "residual nonorm"): (153, 88.02478, 687.0935),
    ("plain", "residual block"): (135, 91.175766, 401.0728),
    ("plain", "residual sru"): (141, 100.98297, 3444.045),
    ("plain", "residual indygru"): (186, 88.074776, 754.1034),
    ("plain", "residual cfn"): (151, 83.429543, 550.9277),
    ("plain", "multi nas ugrnn"): (219, 0.097267225, 1.626296),
    ("plain", "multi lnorm sru minimal"): (357, 13.795238, 506.8452),
    ("plain", "nas bias"): (179, 0.65508348, 3.640161),
    ("plain", "sru relu"): (136, 12.040936, 367.908),
    ("plain", "ugrnn sig"): (130, 23.050407, 191.1646),
    ("plain", "coupled concat"): (167, 1.7782018, 75.09414),
    ("plain", "wn peep"): (235, 0.068329416, 0.0542652),
    ("plain", "wn nonorm"): (146, 3.0041974, 63.59525),
    ("plain", "glstm 4"): (247, 5.4076009, 80.9283),
    ("plain", "ln gain"): (260, 9.8416491, 537.3763),
    ("plain", "embedding gru"): (173, 8.535347, 338.679),
    ("plain", "attention gru"): (296, 1.9280185, 455.5013),
    ("plain", "attention lstm"): (289, 1.4279811, 93.09088),
    ("plain", "highway uncoupled"): (198, 46.516754, 143.3921),
    ("plain", "highway ugrnn"): (154, 44.236351, 135.8089),
    ("plain", "device gru"): (157, 4.2691164, 88.27669),
    ("plain", "input proj relu"): (176, 5.46877, 189.929),
    ("plain", "output proj tanh"): (169, 4.202724, 143.0115),
    ("plain", "grid2 no tuple"): (241, 12.10611, 285.4993),
    ("plain", "grid lstm clip"): (354, 0.11423025, 0.2517368),
    ("plain", "indrnn relu"): (130, 43.958961, 4438.668),
    ("plain", "minimal sigmoid"): (129, 9.7380543, 31.32802),
    ("plain", "block clip"): (162, 0.07619594, 1.474709),
    ("plain", "grid2 gru"): (233, 4.506896, 192.4409),
    ("plain", "block gru"): (131, 2.3872256, 23.99064),
    ("plain", "nas projected"): (185, 0.34180963, 0.7318528),
    ("plain", "residual nas projected"): (186, 83.701431, 36.10482),
    ("plain", "grid1 peep"): (213, 13.6029, 273.9645),
    ("plain", "grid2 peep"): (317, 16.988758, 355.1918),
    ("plain", "grid3 peep"): (418, 25.396074, 1034.107),
    ("plain", "grid2 rnn tied"): (157, 33.1996, 2110.144),
    ("plain", "grid2 basic tied"): (223, 17.863085, 431.7065),
    ("plain", "grid2 gru tied"): (201, 9.5632038, 844.4047),
    ("plain", "grid3 tied peep"): (320, 25.93001, 1863.571),
    ("plain", "grid1 joined"): (168, 7.0056467, 148.7903),
    ("plain", "grid2 joined no tuple"): (213, 14.204875, 251.2691),
    ("plain", "grid2 all"): (240, 21.566784, 480.0116),
    ("plain", "grid3 joined"): (251, 15.647097, 287.5693),
    ("ragged", "grid2 gru"): (256, 2.3698199, 40.46261),
    ("static", "grid2 gru"): (223, 8.1074333, 127.3834),
    ("static", "block gru"): (42, 2.3597722, 20.59506),
    ("ragged", "residual ugrnn"): (153, 44.867348, 170.3814),
    ("ragged", "attention lstm"): (314, 2.1626005, 85.53261),
    ("ragged", "embedding gru"): (195, 4.131053, 111.016),
    ("ragged", "highway uncoupled"): (220, 28.373829, 131.3714),
    ("ragged", "output proj tanh"): (192, 1.1773151, 21.83883),
    ("static", "residual block"): (46, 50.481247, 104.8902),
    ("static", "residual cfn"): (101, 46.296577, 100.7844),
    ("static", "residual indygru"): (137, 63.176487, 259.7711),
    ("static", "device gru"): (104, 3.0113149, 24.17475),
    ("static", "attention gru"): (305, 3.6232011, 431.4232),
    ("static", "multi nas ugrnn"): (226, 0.15810575, 0.3051452),
    ("call", "residual block"): (38, 17.077515, 41.31321),
    ("call", "residual cfn"): (59, 16.70611, 58.4878),
    ("call", "residual sru"): (50, 22.044947, 397.6131),
    ("call", "attention lstm"): (172, 1.3999804, 10.81221),
    ("ragged", "nas projected bias"): (214, 0.15390146, 0.6588519),
    ("ragged", "grid2 all"): (262, 12.620555, 357.1181),
    ("static", "nas projected"): (169, 0.10897426, 0.2198265),
    ("static", "grid2 all"): (288, 22.329552, 1252.029),
    ("static", "grid2 gru tied"): (195, 10.9489, 344.3871),
    ("call", "grid2 peep"): (198, 10.869863, 331.8189),
}


def _flat(value):
    return (
        [t for part in value for t in _flat(part)] if isinstance(value, (tuple, list)) else [value]
    )


@pytest.mark.parametrize("mode, name", list(RECORDED))
def test_a_program_gives_tensorflows_numbers_from_its_seed_on(mode, name):
    numbers = np.random.RandomState(3)
    x = numbers.randn(3, 6, 4).astype(np.float32)
    if name.startswith("embedding"):
        x = numbers.randint(0, 7, (3, 6, 1)).astype(np.int32)
    tf.set_random_seed(777)
    cell = PROGRAMS[name]()
    if mode == "static":
        results = tf.nn.static_rnn(cell, [tf.constant(x[:, t]) for t in range(3)], dtype=tf.float32)
    elif mode == "call":
        results = cell(tf.constant(x[:, 0]), cell.zero_state(3, tf.float32))
    else:
        results = tf.nn.dynamic_rnn(
            cell, x, sequence_length=[6, 0, 3] if mode == "ragged" else None, dtype=tf.float32
        )
    count = len(tf.get_default_graph().get_operations())
    first, *rest = [tf.reduce_sum(tf.square(t)) for t in _flat(results)]
    total = first
    for term in rest:
        total = total + term
    gradients = tf.gradients(total, tf.trainable_variables())
    # That of an embedding has only the rows that were looked up.
    gradients = [tf.convert_to_tensor(g) for g in gradients if g is not None]
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        total, gradients = sess.run([total, gradients])
    wanted = RECORDED[mode, name]
    assert count == wanted[0]
    assert [total, sum((g.astype(np.float64) ** 2).sum() for g in gradients)] == pytest.approx(
        wanted[1:], rel=1e-4
    )


def _run(cell, size=4, x=None):
    return tf.nn.dynamic_rnn(
        cell, np.zeros((2, 3, size), np.float32) if x is None else x, dtype=tf.float32
    )


MISTAKES = {
    "normalisation of a coupled LSTM": (
        lambda: rnn.CoupledInputForgetGateLSTMCell(4, layer_norm=True),
        InputError,
        r"Gate.*\(layer_norm=True\) is not provided.*leave layer_norm out",
    ),
    "sharded weights": (
        lambda: rnn.CoupledInputForgetGateLSTMCell(4, num_unit_shards=2),
        InputError,
        "num_unit_shards.*not provided",
    ),
    "a projection to nothing": (
        lambda: rnn.NASCell(4, num_proj=0),
        SizeError,
        r"NASCell\(num_proj=0\): give a whole number, 1 or",
    ),
    "a projection of another cell to nothing": (
        lambda: rnn.CoupledInputForgetGateLSTMCell(4, num_proj=-1),
        SizeError,
        r"LSTMCell\(num_proj=-1\).*leave it out",
    ),
    "no units": (lambda: rnn.UGRNNCell(0), SizeError, r"UGRNNCell\(num_units=0\).*1 or more"),
    "an activation by another name": (
        lambda: rnn.MinimalRNNCell(4, activation="selu"),
        InputError,
        r"activation='selu'.*tf\.nn\.tanh",
    ),
    "an input of another size without a projection": (
        lambda: _run(rnn.IntersectionRNNCell(5)),
        SizeError,
        r"num_units=5\) was given an input of size 4: make it num_in_proj=5",
    ),
    "groups that do not divide the units": (
        lambda: rnn.GLSTMCell(5, number_of_groups=2),
        SizeError,
        "num_units is 5, which is not a multiple of it",
    ),
    "groups that do not divide the input": (
        lambda: _run(rnn.GLSTMCell(6, number_of_groups=3)),
        SizeError,
        "the size of the input is 4, which is not a multiple of it",
    ),
    "an activation of groups": (
        lambda: rnn.GLSTMCell(4, activation=tf.nn.relu),
        InputError,
        r"GLSTMCell\(activation=.*is not provided",
    ),
    "a projection under weight normalisation": (
        lambda: rnn.WeightNormLSTMCell(4, num_proj=2),
        InputError,
        r"num_proj=2\) is not provided",
    ),
    "a dimension of a grid that does not recur": (
        lambda: grid_rnn.Grid2LSTMCell(4, non_recurrent_fn=tf.nn.relu),
        InputError,
        r"Grid2LSTMCell\(non_recurrent_fn=.*is not provided.*leave non_recurrent_fn out",
    ),
    "a grid's states in one that are but one": (
        lambda: grid_rnn.Grid2GRUCell(4, state_is_tuple=False),
        InputError,
        r"Grid2GRUCell\(state_is_tuple=False\).*because TensorFlow fails: leave state_is_tuple out",
    ),
    "a grid's state in parts where it is one": (
        lambda: tf.nn.dynamic_rnn(
            grid_rnn.Grid1LSTMCell(4, state_is_tuple=False),
            np.zeros((2, 3, 4), np.float32),
            initial_state=(tf.zeros([2, 4]), tf.zeros([2, 4])),
        ),
        SizeError,
        r"state of 2 part\(s\): give it the structure of cell\.zero_state",
    ),
    "no number of windows": (
        lambda: rnn.GridLSTMCell(4, feature_size=2, frequency_skip=1),
        InputError,
        "num_frequency_blocks=None.*a list of one number",
    ),
    "no size of a window": (
        lambda: rnn.GridLSTMCell(4, num_frequency_blocks=[2]),
        InputError,
        "feature_size=None, frequency_skip=None.*give both",
    ),
    "windows that do not fit": (
        lambda: _run(
            rnn.GridLSTMCell(4, feature_size=2, frequency_skip=1, num_frequency_blocks=[2])
        ),
        SizeError,
        r"has 3 window\(s\) in an input of size 4: give num_frequency_blocks=\[3\]",
    ),
    "a time-frequency grid's states in one": (
        lambda: rnn.GridLSTMCell(
            4, feature_size=2, frequency_skip=1, num_frequency_blocks=[3], state_is_tuple=False
        ),
        InputError,
        "leave state_is_tuple",
    ),
    "a highway to another size": (
        lambda: _run(rnn.HighwayWrapper(rnn.GRUCell(3))),
        SizeError,
        "size 4 cannot be mixed with an output of size 3",
    ),
    "a wrapper's activation by name": (
        lambda: rnn.InputProjectionWrapper(rnn.GRUCell(3), 2, activation="relu"),
        InputError,
        r"activation='relu'\).*or None for no activation",
    ),
    "no cell to wrap": (
        lambda: rnn.OutputProjectionWrapper(3, 2),
        InputError,
        "OutputProjectionWrapper was given 3",
    ),
    "no classes": (
        lambda: rnn.EmbeddingWrapper(rnn.GRUCell(3), 0, 2),
        SizeError,
        "embedding_classes=0.*1 or more",
    ),
    "several numbers a step": (
        lambda: _run(rnn.EmbeddingWrapper(rnn.GRUCell(3), 5, 2), x=np.zeros((2, 3, 4), np.int32)),
        SizeError,
        "input of size 4: give it one whole number",
    ),
    "nothing to look back at": (
        lambda: rnn.AttentionCellWrapper(rnn.GRUCell(3), 0),
        SizeError,
        "attn_length=0.*1 or more",
    ),
    "attention's states in one": (
        lambda: rnn.AttentionCellWrapper(rnn.GRUCell(3), 2, state_is_tuple=False),
        InputError,
        "leave it out",
    ),
    "a cell for a list of cells": (
        lambda: rnn.MultiRNNCell(rnn.GRUCell(3)),
        InputError,
        "was given <.*GRUCell.*give it a list of",
    ),
    "words for a number": (
        lambda: rnn.UGRNNCell(4, forget_bias="1"),
        InputError,
        r"UGRNNCell\(forget_bias='1'\): give a number",
    ),
    "a bound below 0": (
        lambda: rnn.LSTMCell(4, cell_clip=-1.0),
        InputError,
        r"LSTMCell\(cell_clip=-1\.0\): give a number, 0 or more",
    ),
    "words for a bound": (
        lambda: rnn.CoupledInputForgetGateLSTMCell(4, num_proj=2, proj_clip="1"),
        InputError,
        r"\(proj_clip='1'\): give a number",
    ),
    "no groups": (
        lambda: rnn.GLSTMCell(4, number_of_groups=0),
        SizeError,
        r"GLSTMCell\(number_of_groups=0\).*1 or more",
    ),
    "words for a gain": (
        lambda: rnn.LayerNormBasicLSTMCell(4, norm_gain="1"),
        InputError,
        r"\(norm_gain='1'\): give a number",
    ),
    "words for a gate's bias": (
        lambda: rnn.HighwayWrapper(rnn.GRUCell(4), carry_bias_init="1"),
        InputError,
        r"\(carry_bias_init='1'\): give a number",
    ),
    "a list for an activation": (
        lambda: rnn.UGRNNCell(4, activation=[1]),
        InputError,
        r"activation=\[1\]\): give tf\.nn\.tanh",
    ),
    "a number for a name": (
        lambda: rnn.GRUCell(4, name=5),
        InputError,
        r"GRUCell\(name=5\): give a string",
    ),
    "words for an initialiser": (
        lambda: _run(rnn.GRUCell(4, kernel_initializer="glorot")),
        InputError,
        "Unknown initializer: 'glorot'; give one of",
    ),
    "attention of less than nothing": (
        lambda: rnn.AttentionCellWrapper(rnn.GRUCell(3), 2, attn_vec_size=-1),
        SizeError,
        r"attn_vec_size=-1\).*1 or more",
    ),
    "no dtype": (
        lambda: tf.nn.dynamic_rnn(rnn.GRUCell(4), np.zeros((2, 3, 4), np.float32), dtype=[5]),
        InputError,
        r"dtype \[5\] is not provided: use one of tf\.float32",
    ),
    "a state of another dtype": (
        lambda: rnn.GRUCell(4)(tf.zeros([2, 3]), tf.zeros([2, 4], dtype=tf.float64)),
        InputError,
        "dtype float64 where float32 is expected: write tf.cast",
    ),
    "half an output": (
        lambda: rnn.OutputProjectionWrapper(rnn.GRUCell(3), 0.5),
        SizeError,
        r"output_size=0\.5\).*1 or more",
    ),
    "an input of nothing": (
        lambda: rnn.InputProjectionWrapper(rnn.GRUCell(3), 0),
        SizeError,
        r"num_proj=0\).*1 or more",
    ),
    "two sizes of a GRU": (
        lambda: rnn.GRUBlockCell(4, 5),
        InputError,
        r"GRUBlockCell\(num_units=4, cell_size=5\)",
    ),
    "no size of a GRU": (
        lambda: rnn.GRUBlockCellV2(),
        InputError,
        r"GRUBlockCellV2\(num_units=None.*give num_units",
    ),
    **{
        f"{kind} again": (
            lambda make=make: make(reuse=True),
            InputError,
            rf"{kind}\(reuse=True\) is not provided",
        )
        for kind, make in {
            "InputProjectionWrapper": lambda **given: rnn.InputProjectionWrapper(
                rnn.GRUCell(3), 3, **given
            ),
            "OutputProjectionWrapper": lambda **given: rnn.OutputProjectionWrapper(
                rnn.GRUCell(3), 3, **given
            ),
            "EmbeddingWrapper": lambda **given: rnn.EmbeddingWrapper(rnn.GRUCell(3), 5, 2, **given),
            "AttentionCellWrapper": lambda **given: rnn.AttentionCellWrapper(
                rnn.GRUCell(3), 2, **given
            ),
        }.items()
    },
    **{
        f"{kind.__name__} of another dtype": (
            lambda kind=kind: _run(kind(4, dtype=tf.float64)),
            InputError,
            rf"{kind.__name__}\(dtype=tf\.float64\) was given an input of float32",
        )
        for kind in (
            rnn.BasicRNNCell,
            rnn.BasicLSTMCell,
            rnn.LSTMCell,
            rnn.IndRNNCell,
            rnn.IndyGRUCell,
            rnn.IndyLSTMCell,
            rnn.MinimalRNNCell,
            rnn.CFNCell,
            rnn.LSTMBlockCell,
        )
    },
    "half a window": (
        lambda: rnn.GridLSTMCell(4, feature_size=2.5, frequency_skip=1, num_frequency_blocks=[3]),
        SizeError,
        r"GridLSTMCell\(feature_size=2\.5\): give a whole number",
    ),
    "whole numbers for another cell": (
        lambda: _run(rnn.GRUCell(3), x=np.zeros((2, 3, 1), np.int32)),
        InputError,
        "inputs of int32.*np.float32",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()


def test_a_number_without_a_vector_is_an_error_as_it_runs():
    outputs, _ = _run(rnn.EmbeddingWrapper(rnn.GRUCell(3), 5, 2), x=np.full((2, 3, 1), 5, np.int32))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        with pytest.raises(
            tf.errors.InvalidArgumentError,
            match=r"embedding_lookup.*indices\[0\] = 5 is not in \[0, 5\)",
        ):
            sess.run(outputs)


def test_a_grids_output_is_a_tuple_of_one_as_in_tensorflow():
    outputs, state = _run(grid_rnn.Grid2LSTMCell(4))
    assert isinstance(outputs, tuple) and [t.shape.as_list() for t in outputs] == [[2, 3, 4]]
    assert [[t.shape.as_list() for t in part] for part in state] == [
        [[2, 4], [2, 4]]
    ] * 2 and state[0]._fields == ("c", "h")


def test_tied_dimensions_have_one_set_of_weights():
    _run(grid_rnn.Grid3LSTMCell(4, tied=True, use_peepholes=True))
    names = [v.name.removeprefix("rnn/Grid3LSTMCell/") for v in tf.global_variables()]
    within = [
        f"recurrent/lstm_cell/{name}:0"
        for name in ("kernel", "bias", "w_f_diag", "w_i_diag", "w_o_diag")
    ]
    assert names == ["project_m_0:0", "project_c_0:0", *within]


def test_a_grids_states_in_one_are_those_of_its_dimensions_side_by_side():
    whole, parts = (grid_rnn.Grid2LSTMCell(4, state_is_tuple=joined) for joined in (False, True))
    x, state = (
        tf.constant(np.random.RandomState(0).randn(2, 3).astype(np.float32)),
        np.random.RandomState(1).randn(2, 16),
    )
    state = tf.constant(state.astype(np.float32))
    (c_0, h_0, c_1, h_1) = (state[:, 4 * i : 4 * i + 4] for i in range(4))
    with tf.variable_scope("s", reuse=tf.AUTO_REUSE):
        one = whole(x, state)
        several = parts(x, (rnn.LSTMStateTuple(c_0, h_0), rnn.LSTMStateTuple(c_1, h_1)))
    with tf.Session() as sess:
        sess.run(tf.global_variables_initializer())
        (output,), joined, (wanted,), states = sess.run([one[0], one[1], several[0], several[1]])
    assert whole.state_size == 16 and np.array_equal(output, wanted)
    assert np.array_equal(joined, np.concatenate([part for state in states for part in state], 1))


def test_weights_for_one_size_of_input_are_not_those_for_another():
    cell = rnn.NASCell(4)
    _run(cell, 3)
    with pytest.raises(
        SizeError, match="nas_cell has weights for inputs of size 3 and was given size 5"
    ):
        with tf.variable_scope("again"):
            _run(cell, 5)


def test_a_cell_has_its_variables():
    cell = rnn.IndyLSTMCell(4)
    assert cell.trainable_variables == []
    _run(cell)
    assert [v.name for v in cell.variables] == [
        f"rnn/indy_lstm_cell/{name}:0" for name in ("kernel_w", "kernel_u", "bias")
    ]
