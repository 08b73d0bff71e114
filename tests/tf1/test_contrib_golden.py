"""TensorFlow's own numbers for the cells of tf.contrib: every recorded case comes out of
`ostinato.tf1`, seeds and all.

The recordings are next to the repository, in ../shared/golden/contrib; where they are absent these
tests are skipped, and say so.
"""

import json

import numpy as np
import pytest

import ostinato.tf1 as tf
import recordings as golden
from recordings import TOLERANCES

FOLDER = golden.GOLDEN / "contrib"
pytestmark = pytest.mark.skipif(
    not FOLDER.is_dir(), reason=f"TensorFlow's recordings are not there: {FOLDER}"
)

CASES = (
    {case["name"]: case for case in json.loads((FOLDER / "index.json").read_text())}
    if FOLDER.is_dir()
    else {}
)

# Recorded in float32 alone: TensorFlow's cells in one operation, and what makes its variables in
# float32 whatever the input is.
SINGLE = (
    "contrib_lstm_block",
    "contrib_lstm_block_peep",
    "contrib_gru_block_v2",
    "contrib_highway_gru",
)


def make(kind, options):
    """A cell of its name; a wrapper's options have those of its cell."""
    options = dict(options)
    if isinstance(options.get("cell"), dict):
        inner = dict(options.pop("cell"))
        return getattr(tf.contrib.rnn, kind)(make(inner.pop("cell"), inner), **options)
    return getattr(
        tf.contrib.grid_rnn
        if kind.startswith("Grid") and kind != "GridLSTMCell"
        else tf.contrib.rnn,
        kind,
    )(**options)


@pytest.mark.parametrize(
    "name, precision", [(n, p) for n in CASES for p in TOLERANCES if p == "f32" or n not in SINGLE]
)
def test_outputs_states_and_gradients_are_tensorflows(name, precision):
    golden.agrees(*golden.run(CASES[name], precision, make, FOLDER), precision)


# How many operations TensorFlow 1.13.1 has in its graph after dynamic_rnn of a case with zeros for
# its state, and the second seed of each of its random operations under the graph seed 777.
OPERATIONS = {
    "contrib_layer_norm_basic_lstm": (260, [88]),
    "contrib_layer_norm_basic_lstm_nonorm": (152, [88, 100]),
    "contrib_coupled_input_forget": (147, [86]),
    "contrib_coupled_input_forget_peep_proj": (189, [86, 109, 119, 147]),
    "contrib_nas": (173, [86, 96]),
    "contrib_ugrnn": (130, [76]),
    "contrib_intersection": (170, [74, 94]),
    "contrib_intersection_square": (152, [76]),
    "contrib_sru": (136, [74]),
    "contrib_ind_rnn": (130, [74, 84]),
    "contrib_indy_gru": (173, [74, 84, 98, 108]),
    "contrib_indy_lstm": (159, [86, 96]),
    "contrib_glstm": (201, [94, 117]),
    "contrib_glstm_proj": (213, [94, 117, 175]),
    "contrib_grid_lstm": (
        519,
        [143, 157, 171, 181, 191, 201, 211, 221, 231, 241, 251, 261, 271, 281],
    ),
    "contrib_grid_lstm_shared": (284, [143]),
    "contrib_lstm_block": (130, [86]),
    "contrib_lstm_block_peep": (162, [86, 100, 110, 120]),
    "contrib_gru_block_v2": (131, [74, 88]),
    "contrib_highway_gru": (181, [74, 92, 133]),
    "contrib_input_projection": (175, [74, 92, 110]),
    "contrib_output_projection": (175, [74, 92, 133]),
    "contrib_weight_norm_lstm": (192, [86, 100, 122]),
    "contrib_minimal_rnn": (129, [74]),
    "contrib_cfn": (144, [74, 84]),
    "contrib_grid1basicrnncell": (135, [77, 90]),
    "contrib_grid2basicrnncell": (173, [89, 103, 126]),
    "contrib_grid1basiclstmcell": (174, [89, 101, 114]),
    "contrib_grid2basiclstmcell": (239, [113, 125, 139, 175]),
    "contrib_grid1lstmcell": (174, [89, 101, 114]),
    "contrib_grid2lstmcell": (239, [113, 125, 139, 175]),
    "contrib_grid3lstmcell": (301, [137, 149, 163, 197, 233]),
    "contrib_ugrnn_seqlen": (152, [95]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_operations_are_numbered_and_seeded_as_in_tensorflow(name):
    tf.set_random_seed(777)
    case = CASES[name]
    tf.nn.dynamic_rnn(
        make(case["cell"], case["hyperparameters"]),
        np.zeros((case["B"], case["T"], case["D"]), np.float32),
        sequence_length=case["sequence_length"],
        dtype=tf.float32,
    )
    operations = tf.get_default_graph().get_operations()
    assert (len(operations), [op.seeds[1] for op in operations if op.seeds]) == OPERATIONS[name]
