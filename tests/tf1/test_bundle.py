"""Checkpoints: TensorFlow's files are read to the bit and written byte for byte; damaged ones give
one clear error, without much memory.
"""

import os
import shutil
import struct
import time
import tracemalloc

import numpy as np
import pytest

from ostinato.errors import OstinatoError
from ostinato.tf1.core.errors import DataLossError, InvalidArgumentError, NotFoundError
from ostinato.tf1.files import checkpoint_state, slices
from ostinato.tf1.files.bundle import Bundle, data_path, index_path, write_bundle
from ostinato.tf1.files.bundle_v1 import BundleV1, write_bundle_v1
from ostinato.tf1.files.crc32c import crc32c, masked, unmasked
from ostinato.tf1.files.messages import BundleEntryProto, BundleHeaderProto
from ostinato.tf1.files.reader import CheckpointReader, list_variables, load_variable
from ostinato.tf1.files.table import TableFile, table_bytes
from places import SHARED

GOLDEN = SHARED / "golden"
recorded = pytest.mark.skipif(
    not GOLDEN.is_dir(), reason=f"TensorFlow's recordings are not there: {GOLDEN}"
)
PREFIXES = [str(p.with_suffix("")) for p in sorted(GOLDEN.rglob("*.index"))]


# ---------------------------------------------------------------- checksums


def _slow_crc(data, before=0):
    value = before ^ 0xFFFFFFFF
    for byte in data:
        value ^= byte
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
    return value ^ 0xFFFFFFFF


@pytest.mark.parametrize("size", [0, 1, 3, 511, 512, 513, 4095, 70001])
def test_checksums_of_every_length_are_those_of_the_bitwise_rule(size):
    data = np.random.default_rng(size).bytes(size)
    assert crc32c(data) == _slow_crc(data)
    assert crc32c(data, 7) == _slow_crc(data, 7)


def test_checksums_of_parts_join_to_that_of_the_whole():
    data = np.random.default_rng(1).bytes(9_000_001)
    assert crc32c(data[5_000_003:], crc32c(data[:5_000_003])) == crc32c(data)


def test_the_mask_is_undone():
    assert unmasked(masked(0x12345678)) == 0x12345678
    assert masked(0) == 0xA282EAD8


# ---------------------------------------------------------------- TensorFlow's files


def _tensors(bundle):
    """The tensors of a checkpoint in the order of their bytes, as `write_bundle` takes them."""
    found = []
    for name, saved in bundle.saved.items():
        if not saved.slices:
            found.append((saved.offset, name, "", bundle.get(name)))
        for part in saved.slices:
            spec = f"{' '.join(map(str, saved.shape))} {slices.to_text(part)}"
            offset = bundle._slices[slices.ordered_key(name, part)].offset
            found.append((offset, name, spec, bundle.get_slice(name, spec)))
    return [tensor[1:] for tensor in sorted(found, key=lambda t: t[:2])]


@recorded
@pytest.mark.parametrize("prefix", PREFIXES, ids=lambda p: p.removeprefix(str(GOLDEN)))
def test_a_checkpoint_of_tensorflow_is_written_again_byte_for_byte(prefix, tmp_path):
    copy = str(tmp_path / "copy")
    write_bundle(copy, _tensors(Bundle(prefix)))
    for path in (index_path, data_path):
        with open(path(prefix), "rb") as theirs, open(path(copy), "rb") as ours:
            assert theirs.read() == ours.read(), path(prefix)


@recorded
def test_a_checkpoint_in_format_v1_is_written_again_byte_for_byte(tmp_path):
    path = GOLDEN / "training/checkpoints/adam_v1/model.ckpt-10"
    read = BundleV1(str(path))
    write_bundle_v1(str(tmp_path / "copy"), [(n, "", read.get(n)) for n in read.saved])
    assert (tmp_path / "copy").read_bytes() == path.read_bytes()


RENAMED = {"a64": "renamed/a", "embedding_whole": "embedding"}


@recorded
@pytest.mark.parametrize("name", ["adam_v2", "adam_v1", "partitioned", "kinds"])
def test_values_are_those_that_tensorflow_saved(name):
    directory = GOLDEN / "training/checkpoints" / name
    prefix = checkpoint_state.latest_checkpoint(directory) or str(directory / "model.ckpt-7")
    reader = CheckpointReader(prefix)
    compared = 0
    with np.load(directory / "io.npz", allow_pickle=True) as wanted:
        for key in wanted:
            if not key.startswith("saved/") and key != "embedding_whole":
                continue
            saved = key.removeprefix("saved/").removeprefix("10/")
            if not reader.has_tensor(RENAMED.get(saved, saved)):
                continue
            value = reader.get_tensor(RENAMED.get(saved, saved))
            if wanted[key].dtype.kind == "U":
                assert [t.decode() for t in value] == wanted[key].tolist()
            else:
                assert value.dtype == wanted[key].dtype and value.shape == wanted[key].shape
                assert value.tobytes() == wanted[key].tobytes()
            compared += 1
    assert compared >= 9
    shapes = reader.get_variable_to_shape_map()
    assert sorted(shapes.items()) == list_variables(prefix)
    assert set(reader.get_variable_to_dtype_map()) == set(shapes)
    for variable in shapes:
        assert variable in reader.debug_string().decode()
        assert list(np.shape(load_variable(prefix, f"{variable}:0"))) == shapes[variable]


@recorded
def test_a_part_of_a_partitioned_variable_is_read_without_the_others():
    bundle = Bundle(str(GOLDEN / "training/checkpoints/partitioned/part"))
    whole = bundle.get("embedding")
    assert np.array_equal(bundle.get_slice("embedding", "7 4 3,2:0,4"), whole[3:5])
    assert np.array_equal(bundle.get_slice("embedding", "7 4 1,4:2,1"), whole[1:5, 2:3])
    assert np.array_equal(bundle.get_slice("embedding", "7 4 -:2,1"), whole[:, 2:3])
    with pytest.raises(InvalidArgumentError, match=r"\[7, 4\].*\[8, 4\]"):
        bundle.get_slice("embedding", "8 4 0,8:0,4")


# ---------------------------------------------------------------- our own files


VALUES = {
    "float32": np.float32([[1, -2], [3, 4]]), "float64": np.float64(0.1), "float16": np.float16([2]),
    "int8": np.int8([-3, 4]), "int16": np.int16([-300]), "int32": np.int32(-(2**31)),
    "int64": np.int64([2**63 - 1, -(2**63)]), "uint8": np.uint8([200]), "uint16": np.uint16([60000]),
    "bool": np.array([[True], [False]]), "complex64": np.complex64([1 - 2j]),
    "complex128": np.complex128(3j), "empty": np.zeros((0, 3), np.float32),
    "text": np.array([b"", b"a\xff\0", b"x" * 300], object), "no_text": np.empty((2, 0), object),
}  # fmt: skip


@pytest.mark.parametrize(
    "write, read", [(write_bundle, Bundle), (write_bundle_v1, BundleV1)], ids=["V2", "V1"]
)
def test_every_dtype_and_shape_comes_back(write, read, tmp_path):
    path = str(tmp_path / "all")
    write(path, [(n, "", v) for n, v in sorted(VALUES.items())])
    found = read(path)
    assert list(found.saved) == sorted(VALUES)
    for name, value in VALUES.items():
        got = found.get(name)
        assert got.dtype == value.dtype and got.shape == value.shape, name
        assert got.tolist() == value.tolist()


def test_names_in_several_blocks_come_back(tmp_path):
    path = str(tmp_path / "many")
    wanted = {f"v{i}{'long' * 900}/{i % 7}": np.float32(i) for i in range(300)}
    write_bundle(path, [(n, "", v) for n, v in wanted.items()])
    table = TableFile(index_path(path))
    assert len(table._blocks) > 2
    table.close()
    found = Bundle(path)
    assert list(found.saved) == sorted(wanted)
    for name, value in wanted.items():
        assert found.get(name) == value


def test_several_data_files_are_read(tmp_path):
    path, values = str(tmp_path / "two"), [np.float32([1, 2]), np.float32([3])]
    header = BundleHeaderProto(num_shards=2)
    header.version.producer = 1
    entries = [(b"", header.SerializeToString())]
    for i, value in enumerate(values):
        with open(data_path(path, i, 2), "wb") as file:
            file.write(b"??" + value.tobytes())
        entries.append((b"v%d" % i, _entry(value.shape, value.tobytes(), shard_id=i, offset=2)))
    with open(index_path(path), "wb") as file:
        file.writelines(table_bytes(entries))
    found = Bundle(path)
    assert [found.get("v0").tolist(), found.get("v1").tolist()] == [[1, 2], [3]]
    os.unlink(data_path(path, 1, 2))
    assert found.get("v0").tolist() == [1, 2]
    with pytest.raises(NotFoundError, match="data-00001-of-00002"):
        found.get("v1")


def test_a_failed_write_leaves_the_old_checkpoint_and_no_other_file(tmp_path):
    path = str(tmp_path / "v")
    write_bundle(path, [("v", "", np.float32([1]))])
    with pytest.raises(InvalidArgumentError, match="'v' twice"):
        write_bundle(path, [("v", "", np.float32([2])), ("v", "", np.float32([3]))])
    assert Bundle(path).get("v").tolist() == [1]
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(NotFoundError, match="cannot be written"):
        write_bundle(str(tmp_path / "no" / "such" / "v"), [("v", "", np.float32([2]))])


def test_names_that_are_not_in_the_checkpoint_are_named(tmp_path):
    path = str(tmp_path / "v")
    write_bundle(path, [("v", "", np.float32([1]))])
    with pytest.raises(NotFoundError, match="Key w not found in checkpoint"):
        CheckpointReader(path).get_tensor("w")
    with pytest.raises(NotFoundError, match="Failed to find any matching files"):
        CheckpointReader(str(tmp_path / "w"))


def test_a_hundred_megabytes_are_read_in_seconds(tmp_path):
    path = str(tmp_path / "large")
    write_bundle(path, [("v", "", np.zeros(25_000_000, np.float32))])
    start = time.process_time()
    assert Bundle(path).get("v").size == 25_000_000
    assert time.process_time() - start < 15


# ---------------------------------------------------------------- damaged files


def _entry(shape, data, **changes):
    entry = BundleEntryProto(dtype=1)
    entry.shape.SetInParent()
    for size in shape:
        entry.shape.dim.add(size=size)
    entry.size, entry.crc32c = len(data), masked(crc32c(data))
    for name, value in changes.items():
        setattr(entry, name, value)
    return entry.SerializeToString()


def _index(key=b"v", header=None, **changes):
    """An index with valid checksums, whose only entry is wrong."""
    if header is None:
        header = BundleHeaderProto(num_shards=1)
        header.version.producer = 1
        header = header.SerializeToString()
    shape = changes.pop("shape", (2,))
    entries = [(b"", header), (key, _entry(shape, b"\0" * 8, **changes))]
    return b"".join(table_bytes(entries))


def _block(content):
    whole = content + b"\0"
    return whole + struct.pack("<I", masked(crc32c(whole)))


def _raw(content, footer):
    """An index of one block, with a footer that states (place, size) of the list of blocks."""
    block = _block(content)
    return block + footer.ljust(40, b"\0") + struct.pack("<Q", 0xDB4775248B80FB57)


def _flip(place, bit=1):
    def change(data):
        at = place % len(data)
        return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]

    return change


def _slices(*parts, shape=(4,)):
    entry = BundleEntryProto.FromString(_entry(shape, b""))
    for part in parts:
        entry.slices.append(slices.to_message(part))
    return entry.SerializeToString()


def _sliced(whole, *parts):
    header = BundleHeaderProto(num_shards=1).SerializeToString()
    below = {
        slices.ordered_key("v", part): _entry((part[0][1],), b"\0" * 8)
        for part in parts
        if part is not None
    }
    entries = {b"": header, b"v": whole, **below}
    return b"".join(table_bytes(sorted(entries.items())))


def _damages():
    """For each damage its name, the file, and the function of its bytes, or of its path."""
    for cut in (0, 1, 20, 47, 48, 60, 100, 150, 200):
        yield f"index: its first {cut} bytes", "index", lambda d, n=cut: d[:n]
    yield "index: without its last byte", "index", lambda d: d[:-1]
    yield "index: a byte at its end", "index", lambda d: d + b"\0"
    yield "index: zeros", "index", lambda d: bytes(len(d))
    yield "index: another file", "index", lambda d: b"PK\3\4" + bytes(200)
    for place in (0, 3, 4, 10, 25, 40, 60, 80, -1, -8, -40, -48, -49, -53, -60, -66):
        yield f"index: a bit of byte {place}", "index", _flip(place)
    for cut in (0, 1, 7, 15, 39):
        yield f"data: its first {cut} bytes", "data", lambda d, n=cut: d[:n]
    for place in (0, 5, 11, 12, 16, 17, 20, 27):
        yield f"data: a bit of byte {place}", "data", _flip(place, 64)
    made = {
        "an offset behind the end": _index(offset=1 << 61),
        "a negative offset": _index(offset=-1),
        "a huge size": _index(size=1 << 61),
        "a negative size": _index(size=-8),
        "a huge shape": _index(shape=(1 << 40, 1 << 20)),
        "a shape and size of a terabyte": _index(shape=(1 << 38,), size=1 << 40),
        "a negative shape": _index(shape=(-2,)),
        "a shape that overflows": _index(shape=(1 << 62, 4), size=0),
        "a billion texts": _index(dtype=7, shape=(1 << 30,), size=12),
        "a dtype that does not exist": _index(dtype=77),
        "a data file that does not exist": _index(shard_id=3),
        "a billion data files": _index(header=BundleHeaderProto(num_shards=10**9).SerializeToString()),
        "no data files": _index(header=b""),
        "big-endian numbers": _index(header=b"\x08\1\x10\1"),
        "a newer version": _index(header=b"\x08\1\x1a\2\x10\x63"),
        "a header of rubbish": _index(header=b"\xff\xff\xff"),
        "a name that is not a text": _index(key=b"\xff\xfe"),
        "a slice that is missing": _sliced(_slices(((0, 2),), ((2, 2),)), ((0, 2),)),
        "slices that overlap": _sliced(
            _slices(((0, 2),), ((1, 2),)), ((0, 2),), ((1, 2),)
        ),
        "a slice outside of the variable": _sliced(_slices(((3, 2),))),
        "a slice of another rank": _sliced(_slices(((0, 2), (0, 2)))),
        "slices of a terabyte": _sliced(_slices(((0, 2),), shape=(1 << 38,)), ((0, 2),)),
        "slices that share their bytes": _sliced(
            _slices(*(((2 * i, 2),) for i in range(9)), shape=(18,)),
            *(((2 * i, 2),) for i in range(9)),
        ),
        "a list of blocks behind the end": _raw(b"\0" * 8, b"\0\0" + b"\xff" * 8 + b"\1\5"),
        "a huge list of blocks": _raw(b"\0" * 8, b"\0\0\0" + b"\xff" * 8 + b"\1"),
        "a billion restarts": _raw(b"\xff\xff\xff\x3f", b"\0\0\0\4"),
        "a key that continues nothing": _raw(b"\5\1\1ab" + b"\0" * 8, b"\0\0\0\x0d"),
        "a key of a gigabyte": _raw(b"\0\xff\xff\xff\xff\3\1ab" + b"\0" * 8, b"\0\0\0\x11"),
        "a number without an end": _raw(b"\xff" * 12 + b"\0" * 8, b"\0\0\0\x14"),
    }  # fmt: skip
    for name, data in made.items():
        yield f"index: {name}", "index", lambda _, d=data: d

    def replaced(make):
        def change(path):
            path.unlink()
            make(path)

        return change

    for file in ("index", "data"):
        yield f"{file}: missing", file, replaced(lambda p: None)
        yield f"{file}: a directory", file, replaced(lambda p: p.mkdir())
        yield f"{file}: a FIFO", file, replaced(os.mkfifo)
        yield f"{file}: a link to /dev/zero", file, replaced(lambda p: p.symlink_to("/dev/zero"))
        yield f"{file}: a terabyte of nothing", file, replaced(_terabyte)


def _terabyte(path):
    with open(path, "wb") as file:
        file.truncate(1 << 40)


DAMAGES = {name: (file, change) for name, file, change in _damages()}


def test_there_are_many_damages():
    assert len(DAMAGES) >= 60


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    directory = tmp_path_factory.mktemp("whole")
    values = [
        ("a", "", np.float32([1, 2, 3])),
        ("text", "", np.array([b"abc", b"defg"], object)),
        ("v", "", np.float32([4, 5])),
        ("z", "4 0,2", np.float32([6, 7])),
        ("z", "4 2,2", np.float32([8, 9])),
    ]
    write_bundle(str(directory / "m"), values)
    return directory


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_file_gives_one_clear_error(name, whole, tmp_path):
    file, change = DAMAGES[name]
    shutil.copytree(whole, tmp_path, dirs_exist_ok=True)
    prefix = str(tmp_path / "m")
    path = tmp_path / ("m.index" if file == "index" else "m.data-00000-of-00001")
    try:
        data = change(path.read_bytes())
    except (TypeError, AttributeError):
        change(path)
    else:
        path.write_bytes(data)
    tracemalloc.start()
    try:
        with pytest.raises(OstinatoError) as caught:
            reader = CheckpointReader(prefix)
            for variable in reader.get_variable_to_shape_map():
                reader.get_tensor(variable)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    message = str(caught.value)
    assert str(tmp_path / "m") in message, message
    assert "\n" not in message and 40 < len(message) < 600
    assert isinstance(caught.value, (DataLossError, NotFoundError, InvalidArgumentError))
    assert peak < 8 << 20


@pytest.mark.parametrize("place", range(0, 400, 9))
def test_a_flipped_bit_in_format_v1_gives_one_clear_error(place, tmp_path):
    path = tmp_path / "v1"
    write_bundle_v1(str(path), [(n, "", v) for n, v in sorted(VALUES.items())])
    data = path.read_bytes()
    at = place * len(data) // 400
    path.write_bytes(data[:at] + bytes([data[at] ^ 16]) + data[at + 1 :])
    with pytest.raises((DataLossError, NotFoundError), match=str(path)):
        read = BundleV1(str(path))
        for name in read.saved:
            read.get(name)


# ---------------------------------------------------------------- the file `checkpoint`


def test_the_state_file_names_checkpoints_next_to_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    os.mkdir("run")
    checkpoint_state.update_checkpoint_state(
        "run", "run/m-2", ["run/m-1", "run/m-2"], None, [1.5, 2.25], 0.5
    )
    assert (tmp_path / "run/checkpoint").read_text() == (
        'model_checkpoint_path: "m-2"\nall_model_checkpoint_paths: "m-1"\n'
        'all_model_checkpoint_paths: "m-2"\nall_model_checkpoint_timestamps: 1.5\n'
        "all_model_checkpoint_timestamps: 2.25\nlast_preserved_timestamp: 0.5\n"
    )
    state = checkpoint_state.get_checkpoint_state("run")
    assert state.model_checkpoint_path == "run/m-2"
    assert state.all_model_checkpoint_paths == ["run/m-1", "run/m-2"]
    assert state.all_model_checkpoint_timestamps == [1.5, 2.25]
    assert checkpoint_state.latest_checkpoint("run") is None
    write_bundle("run/m-2", [("v", "", np.float32([1]))])
    assert checkpoint_state.latest_checkpoint("run") == "run/m-2"
    assert checkpoint_state.latest_checkpoint("run", "other") is None
    assert len(checkpoint_state.get_checkpoint_mtimes(["run/m-1", "run/m-2"])) == 1


@pytest.mark.parametrize(
    "text", ["model_checkpoint_path", "[1, 2]", '"', "a: 1", "model_checkpoint_path: {", "\xff\xfe"]
)
def test_a_state_file_that_is_none_is_ignored(text, tmp_path, caplog):
    (tmp_path / "checkpoint").write_text(text, encoding="latin-1")
    assert checkpoint_state.get_checkpoint_state(tmp_path) is None
    assert "Checkpoint ignored" in caplog.text


def test_removing_a_checkpoint_leaves_others(tmp_path):
    for name in ("m-1", "m-10"):
        write_bundle(str(tmp_path / name), [("v", "", np.float32([1]))])
    (tmp_path / "m-1.meta").write_bytes(b"")
    checkpoint_state.remove_checkpoint(str(tmp_path / "m-1"))
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "m-10.data-00000-of-00001",
        "m-10.index",
    ]
