"""Checkpoints of TensorFlow 1: cells are read as what they compute in the program that saved them,
and written with the same names.
"""

import numpy as np
import pytest
import torch

import ostinato
from ostinato import tf1 as tf
from ostinato.cells import CELLS
from ostinato.errors import InputError
from ostinato.exchange import tf1
from ostinato.exchange.layer_stack import DenseSpec, LayerStack, RecurrentSpec
from ostinato.exchange.tf1.cells import CELLS as TF1_CELLS
from ostinato.tf1.files.bundle import write_bundle
from ostinato.tf1.files.reader import list_variables, load_variable

B, T, I, H = 3, 5, 4, 3
LENGTHS = [5, 2, 4]
C = tf.nn.rnn_cell


def multi(*cells):
    return C.MultiRNNCell([*cells])


# The cells of a program, and the arguments of `read` for what a checkpoint does not say.
PROGRAMS = {
    "BasicRNNCell": (lambda: C.BasicRNNCell(H), {}),
    "BasicRNNCell relu": (lambda: C.BasicRNNCell(H, tf.nn.relu), {"activation": "relu"}),
    "GRUCell": (lambda: C.GRUCell(H), {}),
    "BasicLSTMCell": (lambda: C.BasicLSTMCell(H), {}),
    "BasicLSTMCell forget_bias": (lambda: C.BasicLSTMCell(H, 0.5), {"forget_bias": 0.5}),
    "LSTMCell": (lambda: C.LSTMCell(H), {}),
    "LSTMCell peepholes": (lambda: C.LSTMCell(H, use_peepholes=True), {}),
    "LSTMCell projection": (lambda: C.LSTMCell(H, num_proj=2), {}),
    "LSTMCell all": (lambda: C.LSTMCell(H, use_peepholes=True, num_proj=2, forget_bias=0.0), {"forget_bias": 0.0}),
    "LSTMBlockCell": (lambda: tf.contrib.rnn.LSTMBlockCell(H), {}),
    "LSTMBlockCell peepholes": (lambda: tf.contrib.rnn.LSTMBlockCell(H, use_peephole=True), {}),
    "GRUBlockCellV2": (lambda: tf.contrib.rnn.GRUBlockCellV2(H), {}),
    "MultiRNNCell": (lambda: multi(C.GRUCell(5), C.LSTMCell(H), C.BasicRNNCell(2)), {}),
    "named": (lambda: C.BasicLSTMCell(H, name="mine"), {"cell": "BasicLSTMCell"}),
}  # fmt: skip


def trained(build, folder, x):
    """Run a program with an optimizer's slots and averages, save it, and give its outputs."""
    with tf.Graph().as_default(), tf.Session() as session:
        placeholder = tf.placeholder(tf.float32, [B, T, I])
        outputs = build(placeholder)
        variables = tf.trainable_variables()
        average = tf.train.ExponentialMovingAverage(0.5)
        dense = tf.layers.dense(outputs, 2)
        step = tf.train.AdamOptimizer(0.1).minimize(tf.reduce_sum(dense**2))
        with tf.control_dependencies([step]):
            step = average.apply(variables)
        session.run(tf.global_variables_initializer())
        session.run(step, {placeholder: x})
        tf.train.Saver().save(session, str(folder / "model.ckpt"), global_step=7)
        return session.run(outputs, {placeholder: x})


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(size=(B, T, I)).astype(np.float32)


# `make slow` has the others
FEW = ("GRUCell", "BasicLSTMCell forget_bias", "LSTMCell all", "MultiRNNCell", "named")


@pytest.mark.parametrize(
    "name", [n if n in FEW else pytest.param(n, marks=pytest.mark.slow) for n in PROGRAMS]
)
def test_a_program_and_its_checkpoint_compute_the_same(name, tmp_path, x, close):
    make, given = PROGRAMS[name]

    def build(inputs):
        return tf.nn.dynamic_rnn(make(), inputs, sequence_length=LENGTHS, dtype=tf.float32)[0]

    wanted = trained(build, tmp_path, x)
    stack = tf1.read(tmp_path / "model.ckpt-7", **given)
    close(stack(torch.from_numpy(x), lengths=LENGTHS), torch.from_numpy(wanted))
    again = tmp_path / "again"
    files = tf1.write(stack, again, forget_bias=given.get("forget_bias", 1.0))
    assert [file.name for file in files] == ["again.data-00000-of-00001", "again.index"]
    written, saved = (
        dict(list_variables(str(again))),
        dict(list_variables(str(tmp_path / "model.ckpt-7"))),
    )
    if name != "named":
        assert {n: saved[n] for n in written} == written and len(written) > 1
        for one in written:
            assert np.array_equal(load_variable(str(again), one), load_variable(str(tmp_path / "model.ckpt-7"), one))  # fmt: skip
    averages = tf1.read(tmp_path, averages=True, **given)
    assert not torch.equal(averages(torch.from_numpy(x)), stack(torch.from_numpy(x)))


def test_both_directions_are_one_layer(tmp_path, x, close):
    def build(inputs):
        pair = [C.LSTMCell(H) for _ in range(2)]
        outputs, _ = tf.nn.bidirectional_dynamic_rnn(
            *pair, inputs, sequence_length=LENGTHS, dtype=tf.float32
        )
        return tf.concat(outputs, 2)

    wanted = trained(build, tmp_path, x)
    stack = tf1.read(tmp_path)
    assert stack.names == ("bidirectional_rnn/{fw,bw}/lstm_cell",)
    close(stack(torch.from_numpy(x), lengths=LENGTHS), torch.from_numpy(wanted))
    tf1.write(stack, tmp_path / "again")
    assert [n for n, _ in list_variables(str(tmp_path / "again"))] == [
        f"bidirectional_rnn/{way}/lstm_cell/{part}" for way in ("bw", "fw") for part in ("bias", "kernel")
    ]  # fmt: skip
    forward = tf1.read(tmp_path, scope="bidirectional_rnn/fw")
    close(forward(torch.from_numpy(x), lengths=LENGTHS), torch.from_numpy(wanted[..., :H]))


def test_stacks_of_both_directions_are_layers_in_a_row(tmp_path, x, close):
    def build(inputs):
        return tf.contrib.rnn.stack_bidirectional_dynamic_rnn(
            [C.GRUCell(H), C.GRUCell(2)], [C.GRUCell(H), C.GRUCell(2)], inputs,
            sequence_length=LENGTHS, dtype=tf.float32,
        )[0]  # fmt: skip

    wanted = trained(build, tmp_path, x)
    stack = tf1.read(tmp_path)
    assert len(stack.parts) == 2
    close(stack(torch.from_numpy(x), lengths=LENGTHS), torch.from_numpy(wanted))


def test_a_checkpoint_with_several_models_lists_their_scopes(tmp_path, x, close):
    def build(inputs):
        first, _ = tf.nn.dynamic_rnn(C.GRUCell(H), inputs, dtype=tf.float32, scope="encoder")
        with tf.variable_scope("decoder"):
            second, _ = tf.nn.dynamic_rnn(
                multi(C.GRUCell(H), C.GRUCell(H)), first, dtype=tf.float32
            )
        return second

    wanted = trained(build, tmp_path, x)
    with pytest.raises(
        InputError, match="'decoder/rnn/multi_rnn_cell', 'encoder/gru_cell'.*scope="
    ):
        tf1.read(tmp_path)
    encoder, decoder = (tf1.read(tmp_path, scope=s) for s in ("encoder", "decoder/rnn"))
    close(decoder(encoder(torch.from_numpy(x))), torch.from_numpy(wanted))
    with pytest.raises(InputError, match="no recurrent cells of TensorFlow 1 below scope='rnn'"):
        tf1.read(tmp_path, scope="rnn")


def test_both_directions_of_several_cells_are_read_one_by_one(tmp_path, x, close):
    def build(inputs):
        pair = [multi(C.GRUCell(H), C.GRUCell(2)) for _ in range(2)]
        outputs, _ = tf.nn.bidirectional_dynamic_rnn(*pair, inputs, dtype=tf.float32)
        return tf.concat(outputs, 2)

    wanted = trained(build, tmp_path, x)
    with pytest.raises(InputError, match="has several models"):
        tf1.read(tmp_path)
    stack = tf1.read(tmp_path, scope="bidirectional_rnn/fw")
    close(stack(torch.from_numpy(x)), torch.from_numpy(wanted[..., :2]))


def test_old_names_and_other_layouts_of_a_gru_are_read(tmp_path, close):
    rng = np.random.default_rng(1)
    layer = ostinato.Recurrent("gru_original", I, H)
    tf1.write(layer, tmp_path / "new")
    names = {n: load_variable(str(tmp_path / "new"), n) for n, _ in list_variables(str(tmp_path / "new"))}  # fmt: skip
    old = {"kernel": "weights", "bias": "biases"}
    block = {"gates/kernel": "w_ru", "gates/bias": "b_ru", "candidate/kernel": "w_c", "candidate/bias": "b_c"}  # fmt: skip
    renamed = {
        "old": {n.rsplit("/", 1)[0] + "/" + old[n.rsplit("/", 1)[1]]: v for n, v in names.items()},
        "block": {f"rnn/gru_cell/{block[n.split('gru_cell/')[1]]}": v for n, v in names.items()},
    }
    x = torch.from_numpy(rng.normal(size=(B, T, I)).astype(np.float32))
    for kind, variables in renamed.items():
        write_bundle(str(tmp_path / kind), [(n, "", v) for n, v in variables.items()])
        close(tf1.read(tmp_path / kind)(x), layer(x)[0])


WRITTEN = {
    "lstm": lambda: ostinato.LSTM(I, H, 2),
    "both": lambda: ostinato.LSTM(I, H, bidirectional=True),
    "both, stacked": lambda: ostinato.GRU(I, H, 2, bidirectional=True),
    "gru": lambda: ostinato.GRU(I, H),
    "relu": lambda: ostinato.RNN(I, H, nonlinearity="relu", bias=False),
    "projected": lambda: ostinato.LSTM(I, H, proj_size=2),
    "peepholes": lambda: ostinato.Recurrent("lstm_peephole", I, H),
    "full": lambda: ostinato.Recurrent("lstm_full", I, H, sizes={"P": 2}),
    "float64": lambda: ostinato.LSTM(I, H, dtype=torch.float64),
}


@pytest.mark.parametrize("name", WRITTEN)
@pytest.mark.parametrize("forget_bias", [pytest.param(1.0, marks=pytest.mark.slow), 0.0])
def test_any_layer_of_these_cells_is_written_and_read(name, forget_bias, tmp_path, close):
    stack = LayerStack({"a": WRITTEN[name]()})
    tf1.write(stack, tmp_path / "model.ckpt", forget_bias=forget_bias)
    given = {"activation": "relu"} if name == "relu" else {}
    found = tf1.read(tmp_path / "model.ckpt.index", forget_bias=forget_bias, **given)
    x = torch.randn(B, T, I, dtype=stack.dtype)
    close(found(x, lengths=LENGTHS), stack(x, lengths=LENGTHS))
    assert {p.name.split(".")[-1] for p in tmp_path.iterdir()} == {"index", "data-00000-of-00001"}


def test_names_of_scopes_can_be_given(tmp_path):
    tf1.write(ostinato.GRU(I, H), tmp_path / "a", names={"gru": "enc/cudnn_compatible_gru_cell"})
    assert tf1.read(tmp_path / "a").names == ("enc/cudnn_compatible_gru_cell",)
    for names, message in (
        ({"b": "x"}, "names has 'b', and the layers are 'gru'"),
        ({"gru": "x/{fw,bw}/y"}, "has 1 direction"),
    ):
        with pytest.raises(InputError, match=message):
            tf1.write(ostinato.GRU(I, H), tmp_path / "b", names=names)


@pytest.mark.parametrize("cell", TF1_CELLS, ids=lambda cell: f"{cell.name} {cell.cell}")
def test_the_tables_of_variables_are_inverse_to_each_other(cell):
    rng = np.random.default_rng(2)
    graph = CELLS[cell.cell].with_constants(**cell.constants).graph
    letters = {"I": I, "H": H, "P": 2}
    weights = {
        name: rng.normal(size=[size.at(letters) for size in weight.shape])
        for name, weight in graph.weights.items()
    }
    if cell.cell == "gru":
        weights["d"][: 2 * H] = 0
    variables = cell.from_cell(weights)
    assert [*variables] == [*cell.variables]
    shapes = {name: array.shape for name, array in variables.items()}
    sizes = cell.sizes(shapes, "scope")
    assert sizes == (I, H, 2 if "P" in graph.letters else H)
    back = cell.to_cell(variables, I)
    assert back.keys() == weights.keys()
    assert all(np.array_equal(back[name], weights[name]) for name in weights)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (ostinato.Recurrent("min_gru", I, H), "'min_gru', which is not a cell of TensorFlow 1"),
        (ostinato.Recurrent("lstm", I, H, learned_state=True), "a learned initial state"),
        (ostinato.GRU(I, H, zoneout=0.1), "has zoneout"),
        (LayerStack({"d": DenseSpec(3, 4)}), "'d' is not recurrent"),
        (LayerStack({"a": RecurrentSpec("gru", I, H, sequence=False)}), "other than that of every"),
        (
            LayerStack({"a": RecurrentSpec("lstm", I, H, constants={"cell_clip": 9.0})}),
            "clipped states",
        ),
        (torch.nn.LSTM(I, H), "was given a LSTM"),
    ],
)
def test_what_a_checkpoint_cannot_hold_is_refused_and_nothing_is_written(model, message, tmp_path):
    with pytest.raises(InputError, match=message):
        tf1.write(model, tmp_path / "model.ckpt")
    assert not list(tmp_path.iterdir())


def test_arguments_that_cannot_be_used_are_one_error(tmp_path):
    for given, message in (
        ({"activation": "tan"}, "is not an activation of cells"),
        ({"cell": "LSTM"}, "cell='LSTM' is unknown"),
        ({"forget_bias": float("nan")}, "write a number"),
        ({}, "has no checkpoint"),
    ):
        with pytest.raises(InputError, match=message):
            tf1.read(tmp_path, **given)
    with pytest.raises(InputError, match="cannot be read"):
        tf1.read(tmp_path / "none")
    with pytest.raises(InputError, match="cannot write"):
        tf1.write(ostinato.GRU(I, H), tmp_path / "none" / "model.ckpt")
