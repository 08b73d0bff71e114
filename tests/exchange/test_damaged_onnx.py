"""ONNX files that are damaged, or made to do harm: one error each, in bounded memory."""

import json
import os
import random
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import InputError
from ostinato.exchange import onnx as exchange
from ostinato.exchange.onnx import reader as onnx_reader
from ostinato.tf1.files.protobuf import varint

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

I, H = 3, 4
FLOAT = 1


def model_of(op: str = "GRU", gates: int = 3):
    """A file with one node and its weights."""
    draw = np.random.default_rng(0)
    shapes = {"W": (1, gates * H, I), "R": (1, gates * H, H), "B": (1, 2 * gates * H)}
    arrays = {name: draw.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    make = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op, ["X", *shapes], ["Y"], hidden_size=H)],
        "g",
        [make("X", FLOAT, ["time", "batch", I])],
        [make("Y", FLOAT, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in arrays.items()],
    )
    return onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])


def tensor(model, name):
    return next(one for one in model.graph.initializer if one.name == name)


def before(model, *nodes, place=1):
    """Put nodes before the recurrent one; the last gives its input of that place."""
    last = model.graph.node[-1]
    model.graph.node.extend([*nodes, last])
    del model.graph.node[-2 - len(nodes)]
    model.graph.node[-1].input[place] = nodes[-1].output[0]


def constant(model, name, values):
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.array(values), name))


# ---------------------------------------------------------------- the damages

DAMAGES: dict[str, tuple[Callable, str]] = {}


def damage(match: str):
    """Register a function that changes a model, with what the error says."""

    def register(change):
        DAMAGES[change.__name__] = (change, match)
        return change

    return register


@damage(r"W' has the shape \(1, 1000000000000, 3\), .* bytes, and 144 bytes")
def terabytes_in_a_shape(model):
    tensor(model, "W").dims[1] = 10**12


@damage("W' has the shape 'a list of 3'|which no array has")
def a_shape_below_zero(model):
    tensor(model, "W").dims[1] = -12


@damage("which no array has")
def a_thousand_dimensions(model):
    tensor(model, "W").dims.extend([1] * 1000)


@damage("W' has the shape .* bytes, and")
def a_shape_that_overflows(model):
    tensor(model, "W").dims[:] = [2**31, 2**31, 2**31]


@damage(r"R of node .* is \(1, 12, 2, 2\)|hidden_size=4, and its R the shape")
def a_rank_that_is_wrong(model):
    tensor(model, "R").dims[:] = [1, 12, 2, 2]


@damage("W of node 'GRU_0' .* is int64; weights are")
def whole_numbers_as_weights(model):
    tensor(model, "W").CopyFrom(onnx.numpy_helper.from_array(np.ones((1, 3 * H, I), np.int64), "W"))


@damage("has the dtype number 8, which weights do not have")
def text_as_weights(model):
    tensor(model, "W").CopyFrom(
        onnx.helper.make_tensor("W", onnx.TensorProto.STRING, [1], [b"cos\nsystem\n"])
    )


@damage("has the dtype number 99")
def a_dtype_that_does_not_exist(model):
    tensor(model, "W").data_type = 99


@damage("R of node .* is float64, and W is float32")
def two_dtypes(model):
    tensor(model, "R").CopyFrom(
        onnx.numpy_helper.from_array(np.ones((1, 3 * H, H), np.float64), "R")
    )


@damage("B of node .* values that are not finite")
def weights_of_nan(model):
    tensor(model, "B").CopyFrom(
        onnx.numpy_helper.from_array(np.full((1, 6 * H), np.nan, np.float32), "B")
    )


@damage("reads 'R', which no input, initialiser or earlier node is")
def a_missing_initialiser(model):
    model.graph.initializer.remove(tensor(model, "R"))


@damage("hidden_size=1000000000000, and its R the shape")
def an_absurd_hidden_size(model):
    model.graph.node[0].attribute[0].i = 10**12


@damage("hidden_size=-4, and its R the shape")
def a_hidden_size_below_zero(model):
    model.graph.node[0].attribute[0].i = -4


@damage("reads 'b', which no input, initialiser or earlier node is.*or the graph has a cycle")
def a_cycle(model):
    make = onnx.helper.make_node
    before(model, make("Add", ["b", "W"], ["a"]), make("Add", ["a", "W"], ["b"]))


@damage("reads 'Y', which no input, initialiser or earlier node is")
def a_node_that_reads_its_own_output(model):
    model.graph.node[0].input[0] = "Y"


@damage("the value 'W' is defined twice")
def a_value_defined_twice(model):
    make = onnx.helper.make_node
    model.graph.node.insert(0, make("Identity", ["X"], ["W"]))


@damage("would take .* bytes, and .* are left for a file of this size")
def a_weight_that_expands_to_terabytes(model):
    constant(model, "shape", [1, 10**6, 10**6])
    constant(model, "one", np.float32(1))
    before(model, onnx.helper.make_node("Expand", ["one", "shape"], ["wide"]))


@damage("would take .* bytes, and .* are left for a file of this size")
def a_weight_filled_with_terabytes(model):
    constant(model, "shape", [10**6, 10**6])
    before(model, onnx.helper.make_node("ConstantOfShape", ["shape"], ["wide"]))


@damage("would take .* bytes, and .* are left for a file of this size")
def a_weight_doubled_sixty_times(model):
    names = ["W", *(f"w{k}" for k in range(60))]
    before(
        model,
        *(onnx.helper.make_node("Concat", [a, a], [b], axis=0) for a, b in zip(names, names[1:])),
    )


@damage("would take .* bytes, and .* are left for a file of this size")
def a_weight_gathered_a_billion_times(model):
    # rows of rows of rows
    constant(model, "zeros", np.zeros((100, 100), np.int64))
    names = ["W", *(f"w{k}" for k in range(4))]
    before(
        model,
        *(
            onnx.helper.make_node("Gather", [a, "zeros"], [b], axis=0)
            for a, b in zip(names, names[1:])
        ),
    )


@damage(r"node '' \(Reshape\) cannot be computed")
def a_reshape_that_does_not_fit(model):
    constant(model, "shape", [7, 7])
    before(model, onnx.helper.make_node("Reshape", ["W", "shape"], ["other"]))


@damage("its weights are computed by more than 2,000 nodes")
def five_thousand_nodes_in_a_row(model):
    names = ["B", *(f"b{k}" for k in range(5_000))]
    before(
        model,
        *(onnx.helper.make_node("Identity", [a], [b]) for a, b in zip(names, names[1:])),
    )


@damage("in the body of If")
def nested_bodies(model):
    graph = model.graph
    for k in range(15):
        outer = onnx.GraphProto()
        outer.name = f"outer{k}"
        outer.output.append(onnx.helper.make_tensor_value_info("Y", FLOAT, None))
        node = onnx.helper.make_node("If", ["flag"], ["Y"])
        node.attribute.append(onnx.helper.make_attribute("then_branch", graph))
        outer.node.append(node)
        graph = outer
    model.graph.CopyFrom(graph)


@damage(r"recurrent nodes; the limit is 500")
def ten_thousand_recurrent_nodes(model):
    node = model.graph.node[0]
    for k in range(10_000):
        other = onnx.NodeProto()
        other.CopyFrom(node)
        other.output[0] = f"y{k}"
        model.graph.node.append(other)


def one_weight_in_many_nodes(model):
    big = np.zeros((1, 3 * 100, 500), np.float32)
    tensor(model, "W").CopyFrom(onnx.numpy_helper.from_array(big, "W"))
    tensor(model, "R").CopyFrom(
        onnx.numpy_helper.from_array(np.zeros((1, 3 * 100, 100), np.float32), "R")
    )
    tensor(model, "B").CopyFrom(
        onnx.numpy_helper.from_array(np.zeros((1, 6 * 100), np.float32), "B")
    )
    model.graph.node[0].attribute[0].i = 100
    node = model.graph.node[0]
    for k in range(100):
        other = onnx.NodeProto()
        other.CopyFrom(node)
        other.output[0] = f"y{k}"
        model.graph.node.append(other)


@damage("has an attribute 'hidden_size' of kind 3")
def an_attribute_of_another_kind(model):
    model.graph.node[0].attribute[0].CopyFrom(onnx.helper.make_attribute("hidden_size", "4"))


def external(location, offset=None, length=None):
    """A change that makes W external data at a place."""

    def change(model):
        one = tensor(model, "W")
        one.ClearField("raw_data")
        one.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": offset, "length": length}.items():
            if value is not None:
                one.external_data.add(key=key, value=str(value))

    return change


OUTSIDE = "is not a file in the folder"
DAMAGES |= {
    "data_in_a_folder_above": (external("../../etc/passwd"), OUTSIDE),
    "data_at_an_absolute_path": (external("/etc/passwd"), OUTSIDE),
    "data_behind_a_link": (external("link"), OUTSIDE),
    "data_behind_a_link_to_itself": (external("circle"), OUTSIDE),
    "data_without_a_place": (external(""), OUTSIDE),
    "data_with_a_zero_byte": (external("a\0b"), OUTSIDE),
    "data_in_the_folder_itself": (external("."), OUTSIDE),
    "data_that_is_missing": (external("nothing.bin"), "cannot read 'nothing.bin'"),
    "data_in_a_fifo": (external("fifo"), "is not a regular file"),
    "data_in_a_directory": (external("inner"), "is not a regular file"),
    "data_that_is_short": (
        external("short.bin"),
        "should be the 144 bytes from byte 0 of .* has 8",
    ),
    "data_from_below_zero": (external("long.bin", -8), "from byte -8"),
    "data_from_far_behind": (external("long.bin", 10**30), "from byte"),
    "data_longer_than_its_shape": (external("long.bin", 0, 2**40), "bytes; .* are stated"),
    "data_at_no_number": (external("long.bin", "x"), "is not a number"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_is_refused(name, tmp_path):
    change, match = DAMAGES[name]
    model = model_of()
    change(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "inner").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "short.bin").write_bytes(bytes(8))
    (tmp_path / "long.bin").write_bytes(bytes(10_000))
    with pytest.raises(InputError, match=match) as caught:
        exchange.read(tmp_path / "model.onnx")
    assert len(str(caught.value)) < 1000 and "model.onnx" in str(caught.value)


CONTENTS = {
    "empty": b"",
    "a pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n.",
    "a zip": b"PK\x03\x04" + bytes(100),
    "text": b"import os\n" * 50,
    "zeros": bytes(1000),
    "HDF5": b"\x89HDF\r\n\x1a\n" + bytes(200),
    "a length of two gigabytes": b"\x3a\xff\xff\xff\xff\x07" + bytes(20),
    "groups": b"\x0b" * 100_000,
    "nested messages": b"",
}


def nested(depth: int) -> bytes:
    """A graph in an attribute of a node in a graph, and so on."""
    content = b""
    for _ in range(depth):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # graph of an attribute, of a node, of a graph
            content = tag + varint(len(content)) + content
    return b"\x3a" + varint(len(content)) + content + b"\x42\x02\x10\x12"


@pytest.mark.parametrize("name", CONTENTS)
def test_what_is_not_an_onnx_file_is_refused(name, tmp_path):
    path = tmp_path / "model.onnx"
    path.write_bytes(nested(3000) if name == "nested messages" else CONTENTS[name])
    with pytest.raises(InputError, match="truncated, damaged or not an ONNX file"):
        exchange.read(path)


def test_a_file_cut_anywhere_is_refused_or_complete(tmp_path):
    content = model_of().SerializeToString()
    path = tmp_path / "model.onnx"
    draw = random.Random(0)
    for cut in sorted({*range(0, 40), *draw.sample(range(len(content)), 60), len(content) - 1}):
        path.write_bytes(content[:cut])
        with pytest.raises(InputError):
            exchange.read(path)


def test_a_file_with_changed_bytes_is_read_or_refused(tmp_path):
    content = model_of().SerializeToString()
    path = tmp_path / "model.onnx"
    draw = random.Random(1)
    places = [*range(0, 60), *draw.sample(range(len(content)), 60)]
    for place in places:
        path.write_bytes(content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :])
        try:
            exchange.read(path)
        except InputError as error:
            assert len(str(error)) < 1000


def test_one_weight_in_many_nodes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_reader, "SPARE_BYTES", 1 << 18)
    model = model_of()
    one_weight_in_many_nodes(model)
    (tmp_path / "model.onnx").write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="would take .* bytes, and .* are left for a file of"):
        exchange.read(tmp_path / "model.onnx")


def test_many_empty_nodes_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_reader, "PARTS", 10_000)
    empty = b"\x0a\x00" * 20_000
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x3a" + varint(len(empty)) + empty + b"\x42\x02\x10\x12")
    with pytest.raises(InputError, match="has more than 10,000 parts"):
        exchange.read(path)


@pytest.mark.parametrize("kind", ["fifo", "directory", "missing", "link to itself", "device"])
def test_what_is_not_a_file_is_refused(kind, tmp_path):
    path = tmp_path / "model.onnx"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "link to itself":
            path.symlink_to(path.name)
        case "device":
            path.symlink_to("/dev/zero")
    with pytest.raises(InputError, match="model.onnx"):
        exchange.read(path)


def test_a_file_above_the_limit_of_the_format_is_refused(tmp_path):
    with open(tmp_path / "model.onnx", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(
        InputError, match=f"the limit for such a file is {onnx_reader.FILE_BYTES:,}"
    ):
        exchange.read(tmp_path / "model.onnx")


WORKER = """
import json, resource, sys
import onnxruntime, onnx.reference
from ostinato.errors import InputError
from ostinato.exchange import onnx
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for path in json.loads(sys.stdin.read()):
    try:
        onnx.read(path)
        print("read", path)
    except InputError:
        pass
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_hostile_files_take_little_memory(tmp_path):
    paths = []
    for name, (change, _) in DAMAGES.items():
        model = model_of()
        change(model)
        paths.append(str(tmp_path / f"{name}.onnx"))
        Path(paths[-1]).write_bytes(model.SerializeToString())
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(WORKER)],
        input=json.dumps(paths),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    grown = int(done.stdout)
    # kilobytes: the largest of these files has 16 MB, and weights may take 12 times that
    assert grown < 600_000
