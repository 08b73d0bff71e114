"""torch.nn's layers and their `state_dict`s: the results are the same in both directions."""

import itertools
import json
import resource
import struct

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

import ostinato
from ostinato.errors import InputError
from ostinato.exchange.torch import from_module, read
from tolerances import TOLERANCES

# torch's own remark about its projections
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")

B, T, I, H = 3, 5, 2, 4
KINDS = ["RNN", "LSTM", "GRU"]
OPTIONS = [
    dict(zip(("num_layers", "bidirectional", "bias", "batch_first"), values))
    for values in itertools.product((1, 2), (False, True), (True, False), (False, True))
]


def check_equal(one, other, dtype=torch.float32):
    """Compare the results of two layers with torch.nn's interface."""
    x = torch.randn(B, T, I, dtype=dtype) if one.batch_first else torch.randn(T, B, I, dtype=dtype)
    results = [layer.eval()(x) for layer in (one, other)]
    for a, b in zip(*([y, *(s if isinstance(s, tuple) else [s])] for y, s in results)):
        torch.testing.assert_close(a, b, atol=TOLERANCES[dtype], rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_state_dicts_go_both_ways(kind, tmp_path):
    check_both_ways(kind, tmp_path, OPTIONS[:: len(OPTIONS) // 2 - 1])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_state_dicts_go_both_ways_in_all_combinations(kind, tmp_path):
    check_both_ways(kind, tmp_path, OPTIONS)


def check_both_ways(kind, tmp_path, chosen):
    for number, options in enumerate(chosen):
        for more in ({}, {"nonlinearity": "relu"} if kind == "RNN" else {"proj_size": 2}):
            if kind == "GRU" and more:
                continue
            theirs = getattr(nn, kind)(I, H, **options, **more)
            ours = getattr(ostinato, kind)(I, H, **options, **more)
            ours.load_state_dict(theirs.state_dict())
            check_equal(theirs, ours)
            again = getattr(nn, kind)(I, H, **options, **more)
            again.load_state_dict(getattr(ostinato, kind)(I, H, **options, **more).state_dict())
            check_equal(again, from_module(again))
            module = ours.to_torch()
            assert module.state_dict().keys() == theirs.state_dict().keys()
            check_equal(module, ours)
            path = tmp_path / f"{number}.safetensors"
            save_file(again.state_dict(), path)
            given = {"nonlinearity": "relu"} if "nonlinearity" in more else {}
            layer = read(path, batch_first=options["batch_first"], **given)
            assert repr(layer) == repr(from_module(again))
            check_equal(again, layer)


@pytest.mark.parametrize("kind", ["RNNCell", "LSTMCell", "GRUCell"])
@pytest.mark.parametrize("bias", [True, False])
def test_a_cell_of_torch_becomes_a_layer(kind, bias, tmp_path):
    cell = getattr(nn, kind)(I, H, bias=bias, dtype=torch.float64)
    save_file(cell.state_dict(), tmp_path / "cell.safetensors")
    for layer in (from_module(cell), read(tmp_path / "cell.safetensors")):
        x, state = torch.randn(T, B, I, dtype=torch.float64), None
        for step, wanted in zip(x, layer(x)[0]):
            state = cell(step, state)
            h = state[0] if kind == "LSTMCell" else state
            torch.testing.assert_close(h, wanted, atol=1e-10, rtol=0)


@pytest.mark.parametrize("nonlinearity", ["tanh", "relu"])
def test_what_a_module_has_besides_its_weights_is_kept(nonlinearity):
    module = nn.RNN(
        I, H, 2, nonlinearity, batch_first=True, dropout=0.3, dtype=torch.float64
    ).eval()
    layer = from_module(module, engine="reference")
    assert (layer.nonlinearity, layer.dropout, layer.engine) == (nonlinearity, 0.3, "reference")
    assert not layer.training and layer.weight_ih_l0.dtype is torch.float64
    again = layer.to_torch()
    assert repr(again) == repr(module) and not again.training
    check_equal(module, again, torch.float64)


def test_parametrized_weights_are_computed_and_have_the_same_names():
    theirs, ours = nn.LSTM(I, H), ostinato.LSTM(I, H)
    for layer in (theirs, ours):
        nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    ours.load_state_dict(theirs.state_dict())
    with torch.no_grad():
        for layer in (theirs, ours):
            layer.parametrizations.weight_hh_l0.original0.mul_(2)
    check_equal(theirs, ours)
    check_equal(theirs, from_module(theirs))
    check_equal(ours, ours.to_torch())


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru"])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_any_layer_of_a_cell_of_torch_can_be_converted(cell, bidirectional):
    layer = ostinato.Recurrent(cell, I, H, 2, bidirectional=bidirectional, variational=0.2).eval()
    x = torch.randn(B, T, I)
    torch.testing.assert_close(layer.to_torch()(x)[0], layer(x)[0], atol=1e-5, rtol=0)
    projected = ostinato.Recurrent("lstm_projected", I, H, sizes={"P": 2})
    torch.testing.assert_close(projected.to_torch()(x)[0], projected(x)[0], atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "layer",
    [
        ostinato.Recurrent("min_gru", I, H),
        ostinato.Recurrent("lstm", I, H, zoneout=0.1),
        ostinato.Recurrent("gru", I, H, learned_state=True),
    ],
    ids=str,
)
def test_other_layers_name_the_function_that_writes_them(layer):
    with pytest.raises(InputError, match=r"torch.nn has no .*ostinato.exchange.torch.write\(layer"):
        layer.to_torch()


def test_other_modules_are_refused():
    with pytest.raises(InputError, match="was given a Linear; give one of torch.nn.RNN, torch.nn"):
        from_module(nn.Linear(2, 3))

    class Other(nn.LSTM):
        def forward(self, x):
            return 2 * super().forward(x)

    with pytest.raises(InputError, match="a Other with a forward of its own"):
        from_module(Other(2, 3))


# ---------------------------------------------------------------- files


def test_a_layer_inside_a_larger_file_is_found(tmp_path):
    model = nn.ModuleDict(
        {"encoder": nn.LSTM(I, H), "decoder": nn.GRU(I, H), "out": nn.Linear(2, 2)}
    )
    path = tmp_path / "model.safetensors"
    save_file(model.state_dict(), path)
    check_equal(model["decoder"], read(path, prefix="decoder."))
    with pytest.raises(
        InputError, match="2 recurrent layers; choose one with prefix=, one of 'dec"
    ):
        read(path)
    del model["encoder"]
    save_file(model.state_dict(), path)
    check_equal(model["decoder"], read(path))
    with pytest.raises(InputError, match="below 'out.' .* 'weight_ih_l0' is missing"):
        read(path, prefix="out.")


@pytest.mark.parametrize("name", ["model.pt", "model.pth", "pytorch_model.bin"])
def test_pickles_are_refused_with_the_lines_that_convert_them(name, tmp_path, monkeypatch):
    torch.save(nn.LSTM(I, H).state_dict(), tmp_path / name)
    with pytest.raises(InputError, match="can run any code") as caught:
        read(tmp_path / name)
    lines = [line.strip() for line in str(caught.value).splitlines()[1:]]
    monkeypatch.chdir(tmp_path)
    exec("\n".join(lines), {"torch": torch})  # noqa: S102 - the lines are our own
    assert repr(read((tmp_path / name).with_suffix(".safetensors"))) == "LSTM(2, 4)"


def file_of(header: dict | bytes, content: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + content


def entry(shape, start=0, stop=None, dtype="F32"):
    size = 4
    for n in shape:
        size *= n
    return {"dtype": dtype, "shape": shape, "data_offsets": [start, size if stop is None else stop]}


def of_tensors(**shapes) -> bytes:
    header, end = {}, 0
    for name, shape in shapes.items():
        header[name] = one = entry(shape, end)
        one["data_offsets"][1] = end = one["data_offsets"][1] + end
    return file_of(header, bytes(end))


GOOD = of_tensors(weight_ih_l0=[8, 2], weight_hh_l0=[8, 2])
NAN = GOOD[:-4] + struct.pack("<f", float("nan"))
DAMAGED = {
    "empty": (b"", "truncated or damaged"),
    "truncated header": (GOOD[:20], "truncated or damaged"),
    "truncated tensors": (GOOD[:-3], "truncated or damaged"),
    "header of a terabyte": (file_of(b"{}", length=1 << 40), "header of 1099511627776 bytes"),
    "header of 2^63 bytes": (file_of(b"{}", length=(1 << 64) - 1), "truncated or damaged"),
    "tensor of a terabyte": (
        file_of({"weight_ih_l0": entry([1 << 20, 1 << 18])}, b"1234"),
        "truncated or damaged",
    ),
    "size that overflows": (
        file_of({"weight_ih_l0": entry([1 << 62, 1 << 62], 0, 4)}, b"1234"),
        "are not where they should be",
    ),
    "overlapping offsets": (
        file_of({"weight_ih_l0": entry([1]), "weight_hh_l0": entry([1])}, b"1234"),
        "are not where they should be",
    ),
    "negative size": (file_of({"weight_ih_l0": entry([-1, -1], 0, 4)}, b"1234"), "not describe"),
    "unknown dtype": (
        file_of({"weight_ih_l0": entry([1], dtype="X32")}, b"1234"),
        "not describe 'weight_ih_l0'",
    ),
    "whole numbers": (
        file_of({"weight_ih_l0": entry([1, 1], dtype="I32")}, b"1234"),
        "is I32, and all weights should have one float dtype",
    ),
    "header that is a list": (file_of(b"[]"), "header is not an object"),
    "name that occurs twice": (
        file_of(b'{"a": {}, "a": {}}'),
        "occurs twice",
    ),
    "nested header": (file_of(b'{"a":' * 50_000 + b"1" + b"}" * 50_000), "nested too deeply"),
    "not a number": (NAN, "'weight_hh_l0' has values that are not finite"),
    "wrong rank": (of_tensors(weight_ih_l0=[8, 2, 1], weight_hh_l0=[8, 2]), "shape \\(8, 2, 1\\)"),
    "no units": (of_tensors(weight_ih_l0=[0, 2], weight_hh_l0=[0, 0]), "has the shape \\(0, 2\\)"),
    "gates of no layer": (of_tensors(weight_ih_l0=[10, 2], weight_hh_l0=[10, 5]), "10 rows for 5"),
    "missing weight": (of_tensors(weight_ih_l0=[8, 2]), "'weight_hh_l0' is missing"),
    "missing bias": (
        of_tensors(weight_ih_l0=[8, 2], weight_hh_l0=[8, 2], bias_ih_l0=[8]),
        "'bias_hh_l0' is missing, and \\(8,\\) is expected",
    ),
    "millionth layer": (
        of_tensors(weight_ih_l0=[8, 2], weight_hh_l0=[8, 2], weight_ih_l999999=[8, 2]),
        "3 tensors for 1000000 layers",
    ),
    "unequal layers": (
        of_tensors(
            weight_ih_l0=[8, 2], weight_hh_l0=[8, 2], weight_ih_l1=[8, 3], weight_hh_l1=[8, 2]
        ),
        "'weight_ih_l1' has the shape \\(8, 3\\), and \\(8, 2\\) is expected",
    ),
    "another tensor": (
        of_tensors(weight_ih_l0=[8, 2], weight_hh_l0=[8, 2], other=[1]),
        "'other' is not a weight of it",
    ),
    "another model": (of_tensors(**{"fc.weight": [2, 2]}), "it has fc.weight, and 'weight_ih_l0'"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_refused_with_one_error(name, tmp_path):
    content, why = DAMAGED[name]
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=why):
        read(path)
    # in KiB
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000


def test_a_path_that_is_not_a_file_is_refused(tmp_path):
    for path, why in ((tmp_path, "is not a regular file"), (tmp_path / "none", "does not exist")):
        with pytest.raises(InputError, match=why):
            read(path)
