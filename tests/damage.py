"""Ways to damage a model directory, as a stranger or a broken disk would; each names what it does
and where.

A damage is something that no run writes: a value of another type or out of range, a field or a
tensor that is missing, a file that is cut short or is not a file. Another value of the right type
and range, such as another weight, is another model, and not a damage.
"""

import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load, save

# Written in place of a value of a JSON file.
MARK = "@@value@@"
# What no field may be, as JSON text.
VALUES = {
    "null": "null",
    "true": "true",
    "-1": "-1",
    "10**40": str(10**40),
    "5000 digits": "9" * 5000,
    "-1e400": "-1e400",
    "1e400": "1e400",
    "NaN": "NaN",
    "text": '"text"',
    "no text": '""',
    "a list": "[]",
    "an object": "{}",
    "a list of lists": "[[[[]]]]",
    "a surrogate": '"\\ud800"',
    "nested": "[" * 100_000 + "]" * 100_000,
    "open": "[" * 100_000,
    "nested objects": '{"a":' * 100_000 + "1" + "}" * 100_000,
    "a million characters": '"' + "x" * 1_000_000 + '"',
}


@dataclass(frozen=True)
class Damage:
    """One way to damage a directory.

    Attributes:
        name: The file, and what is done to it.
        do: Does it to the directory.
    """

    name: str
    do: Callable[[Path], None]


def of_file(name: str, what: str, change: Callable[[bytes], bytes]) -> Damage:
    """A damage to the content of a file."""

    def do(directory: Path):
        path = directory / name
        path.write_bytes(change(path.read_bytes()))

    return Damage(f"{name}: {what}", do)


def of_any_file(name: str, content: bytes) -> Iterator[Damage]:
    """Damages to a file, whatever is in it."""
    size = len(content)
    for cut in sorted({0, 1, 7, 8, 9, size // 4, size // 2, size - size // 4, size - 2}):
        yield of_file(name, f"its first {cut} of {size} bytes", lambda whole, cut=cut: whole[:cut])
    for tail in (b"\0", b"x", b"{}", b"\xff" * 1000):
        yield of_file(name, f"{tail[:4]} at its end", lambda whole, tail=tail: whole + tail)
    yield of_file(
        name,
        "a pickle",
        lambda whole: b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00cos\nsystem\n.",
    )
    yield of_file(name, "zeros", lambda whole: bytes(size))
    yield of_file(name, "without its first byte", lambda whole: whole[1:])
    for place in (0, 5, 9, 20):
        yield of_file(
            name,
            f"0xff at byte {place}",
            lambda whole, place=place: whole[:place] + b"\xff" + whole[place + 1 :],
        )

    def replaced(what: str, make: Callable[[Path], None]) -> Damage:
        def do(directory: Path):
            (directory / name).unlink()
            make(directory / name)

        return Damage(f"{name}: {what}", do)

    yield replaced("missing", lambda path: None)
    yield replaced("a FIFO", os.mkfifo)
    yield replaced("a directory", Path.mkdir)
    yield replaced("a link to /dev/zero", lambda path: path.symlink_to("/dev/zero"))
    yield replaced("a link to /dev/random", lambda path: path.symlink_to("/dev/random"))
    yield replaced("a link to nothing", lambda path: path.symlink_to("nothing"))
    yield replaced("a link to itself", lambda path: path.symlink_to(path.name))
    yield replaced("a link to the directory", lambda path: path.symlink_to("."))
    yield replaced("a terabyte of nothing", lambda path: _sparse(path, 1 << 40))
    yield Damage(
        f"{name}: a gigabyte behind it", lambda directory: os.truncate(directory / name, 1 << 30)
    )


def _sparse(path: Path, size: int):
    with open(path, "wb") as file:
        file.truncate(size)


# ---------------------------------------------------------------- JSON


def of_json(name: str, document: dict) -> Iterator[Damage]:
    """Damages to each field of a JSON file, and to it as a whole."""
    for place, value in _places(document):
        where = ".".join(map(str, place))
        yield of_file(
            name, f"{where} removed", lambda whole, place=place: _changed(whole, place, None)
        )
        for what, text in VALUES.items():
            if not _is_other_model(place, value, what):
                yield of_file(
                    name,
                    f"{where} is {what}",
                    lambda whole, place=place, text=text: _changed(whole, place, text),
                )
    yield of_file(
        name, "a field that is not known", lambda whole: _changed(whole, ("colour",), '"red"')
    )
    yield of_file(name, "not UTF-8", lambda whole: whole.replace(b'"', b'"\xff', 1))
    yield of_file(name, "UTF-16", lambda whole: whole.decode().encode("utf-16"))
    yield of_file(name, "ten million lists", lambda whole: b"[" + b"[]," * 10_000_000 + b"[]]")
    yield of_file(
        name, "three million objects", lambda whole: b'{"a":[' + b'{"":0},' * 1_200_000 + b"0]}"
    )
    yield of_file(name, "a list of it", lambda whole: b"[" + whole + b"]")
    yield of_file(
        name, "its fields twice", lambda whole: whole.rstrip()[:-1] + b"," + whole.lstrip()[1:]
    )


def _places(value, before: tuple = ()) -> Iterator[tuple[tuple, object]]:
    """The fields of a JSON document, and of lists and of the tokens of a vocabulary the first and
    the last item.
    """
    items = (
        list(value.items())
        if isinstance(value, dict)
        else list(enumerate(value))
        if isinstance(value, list)
        else []
    )
    if isinstance(value, list) or before[-1:] == ("vocab",):
        items = items[:1] + items[1:][-1:]
    for name, item in items:
        yield (*before, name), item
        yield from _places(item, (*before, name))


def _is_other_model(place: tuple, value, what: str) -> bool:
    """Whether a value makes another model of a field, and not a damaged one: text for text, or a
    number for a measured number.
    """
    if isinstance(value, str):
        return what in ("text", "no text", "a surrogate", "a million characters")
    if isinstance(value, bool):
        return what == "true"
    if isinstance(value, float) or (isinstance(value, int) and place[-2:-1] == ("horizon",)):
        return what in ("-1", "10**40") and place[0] in ("metadata", "progress")
    # rows of a list that may be empty
    return (
        isinstance(value, (list, dict))
        and what == {list: "a list", dict: "an object"}[type(value)]
        and not value
    )


def _changed(whole: bytes, place: tuple, text: str | None) -> bytes:
    document = json.loads(whole)
    inside = document
    for name in place[:-1]:
        inside = inside[name]
    if text is None:
        del inside[place[-1]]
    else:
        inside[place[-1]] = MARK
    return json.dumps(document, ensure_ascii=False).replace(json.dumps(MARK), text or "").encode()


# ---------------------------------------------------------------- tensors


def of_tensors(name: str, content: bytes) -> Iterator[Damage]:
    """Damages to the header of a safetensors file, and to its tensors."""
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])

    def of_header(what: str, change: Callable[[dict], object]) -> Damage:
        def changed(whole: bytes) -> bytes:
            said = json.loads(json.dumps(header))
            said = change(said) or said
            text = said if isinstance(said, bytes) else json.dumps(said).encode()
            return len(text).to_bytes(8, "little") + text + whole[8 + length :]

        return of_file(name, what, changed)

    for number in (
        0,
        1,
        length - 1,
        length + 1,
        length + 8,
        len(content),
        1 << 31,
        1 << 32,
        (1 << 63) - 1,
        (1 << 64) - 1,
    ):
        yield of_file(
            name,
            f"a header of {number} bytes",
            lambda whole, number=number: number.to_bytes(8, "little") + whole[8:],
        )
    names = [one for one in header if one != "__metadata__"]
    for one in (names[0], names[-1]):
        start, stop = header[one]["data_offsets"]
        for what, offsets in {
            "overlapping": [max(0, start - 4), stop],
            "backwards": [stop, start],
            "negative": [-4, stop],
            "far": [start, 1 << 60],
            "huge": [start, 10**40],
            "one": [start],
            "text": "0,4",
            "floats": [float(start), float(stop)],
            "shorter": [start, stop - 4],
        }.items():
            yield of_header(
                f"{one} has offsets that are {what}",
                lambda said, one=one, offsets=offsets: said[one].update(data_offsets=offsets),
            )
        for what, shape in {
            "negative": [-1, 4],
            "huge": [1 << 62, 1 << 62],
            "a number": 3,
            "text": ["3"],
            "nested": [[3]],
            "empty": [0, 1 << 62],
            "other": [1, 7],
            "more digits": [10**40],
            "5000 dimensions": [1] * 5000,
        }.items():
            yield of_header(
                f"{one} has a shape that is {what}",
                lambda said, one=one, shape=shape: said[one].update(shape=shape),
            )
        for dtype in ("F64", "I64", "F8_E4M3", "none", "", 7, None, ["F32"]):
            yield of_header(
                f"{one} has the dtype {dtype!r}",
                lambda said, one=one, dtype=dtype: said[one].update(dtype=dtype),
            )
        yield of_header(f"{one} has no dtype", lambda said, one=one: _drop(said[one], "dtype"))
        yield of_header(f"{one} is a list", lambda said, one=one: said.update({one: [1]}))
        yield of_header(
            f"{one} has another name", lambda said, one=one: said.update({one + "x": said.pop(one)})
        )
        yield of_header(f"{one} is not in the header", lambda said, one=one: _drop(said, one))
        yield of_header(
            f"{one} is there twice",
            lambda said, one=one: (
                json.dumps(said).encode()[:-1] + b"," + json.dumps({one: said[one]}).encode()[1:]
            ),
        )
    yield of_header("a nested header", lambda said: VALUES["nested"].encode())
    yield of_header("a header of nested objects", lambda said: VALUES["nested objects"].encode())
    yield of_header("a header of a list", lambda said: b"[]")
    yield of_header("a header of 20 MB", lambda said: json.dumps(said).encode() + b" " * 20_000_000)
    yield of_header(
        "300,000 empty tensors",
        lambda said: said.update(
            {
                f"empty{k}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}
                for k in range(300_000)
            }
        ),
    )
    yield of_header("metadata that is text", lambda said: said.update(__metadata__="text"))
    yield of_header("metadata of numbers", lambda said: said.update(__metadata__={"json": 5}))
    yield of_header(
        "metadata that is not JSON", lambda said: said.update(__metadata__={"json": "{"})
    )
    yield of_header(
        "nested metadata", lambda said: said.update(__metadata__={"json": VALUES["nested"]})
    )

    def of_values(what: str, change: Callable[[dict], object]) -> Damage:
        def changed(whole: bytes) -> bytes:
            tensors = load(whole)
            change(tensors)
            return save(
                {key: tensor.contiguous() for key, tensor in tensors.items()},
                header.get("__metadata__"),
            )

        return of_file(name, what, changed)

    floats = [
        one
        for one in names
        if header[one]["dtype"] == "F32"
        and header[one]["data_offsets"][0] < header[one]["data_offsets"][1]
    ]
    for one in {floats[0]: 0, floats[len(floats) // 2]: 0, floats[-1]: 0}:
        for what, change in {
            "of NaN": lambda t: t * torch.nan,
            "of infinity": lambda t: t + torch.inf,
            "with one NaN": lambda t: torch.cat(
                [t.reshape(-1)[:-1], t.new_tensor([torch.nan])]
            ).reshape(t.shape),
            "one longer": lambda t: torch.cat([t.reshape(-1), t.new_zeros(1)]),
            "one shorter": lambda t: t.reshape(-1)[1:],
            "with another dimension": lambda t: t[None],
            "of four numbers": lambda t: torch.zeros(4, 1),
            "of a million numbers": lambda t: torch.zeros(1000, 1000),
            "of none": lambda t: t.reshape(-1)[:0],
            "float64": lambda t: t.double(),
            "float16": lambda t: t.half(),
            "int32": lambda t: t.int(),
            "bool": lambda t: t.bool(),
        }.items():
            yield of_values(
                f"{one} is {what}",
                lambda tensors, one=one, change=change: tensors.update({one: change(tensors[one])}),
            )
        yield of_values(f"{one} is missing", lambda tensors, one=one: _drop(tensors, one))
    yield of_values("there is one tensor more", lambda tensors: tensors.update(more=torch.zeros(3)))
    yield of_values("all tensors are missing", lambda tensors: tensors.clear())


def _drop(items: dict, begin: str) -> None:
    """Take away the items whose name begins so."""
    for name in [name for name in items if name.startswith(begin)]:
        del items[name]


def of_checkpoint(name: str, content: bytes) -> Iterator[Damage]:
    """Damages to what a checkpoint holds besides the model: the optimizer's state, random numbers,
    carried states, and counters.
    """
    length = int.from_bytes(content[:8], "little")
    metadata = json.loads(content[8 : 8 + length])["__metadata__"]["json"]

    def of_values(what: str, change: Callable[[dict], object]) -> Damage:
        def changed(whole: bytes) -> bytes:
            tensors = load(whole)
            change(tensors)
            return save(
                {key: tensor.contiguous() for key, tensor in tensors.items()}, {"json": metadata}
            )

        return of_file(name, what, changed)

    names = list(load(content))
    kinds = {
        kind: [one for one in names if one.startswith(kind)]
        for kind in ("optimizer/", "random/", "carried/", "model/")
    }
    for kind, some in kinds.items():
        yield of_values(f"without {kind}", lambda tensors, kind=kind: _drop(tensors, kind))
        yield of_values(
            f"with {kind}7777/step",
            lambda tensors, kind=kind: tensors.update({f"{kind}7777/step": torch.zeros(())}),
        )
        for one in some[:1] + some[1:][-1:]:
            yield of_values(f"without {one}", lambda tensors, one=one: _drop(tensors, one))
    for what in ("step", "exp_avg", "exp_avg_sq"):
        one = next(one for one in kinds["optimizer/"] if one.endswith(f"/{what}"))
        for how, change in {
            "of one number": lambda t: t.new_zeros(1),
            "of 10,000 numbers": lambda t: t.new_zeros(10_000),
            "a scalar of float64": lambda t: t.new_zeros((), dtype=torch.float64),
            "turned over": lambda t: t[None].transpose(0, -1),
            "NaN": lambda t: t * torch.nan,
            "bytes": lambda t: t.to(torch.uint8),
        }.items():
            yield of_values(
                f"{one} is {how}",
                lambda tensors, one=one, change=change: tensors.update({one: change(tensors[one])}),
            )
    step, square = (
        next(one for one in kinds["optimizer/"] if one.endswith(end))
        for end in ("/step", "/exp_avg_sq")
    )
    yield of_values(f"{step} is -1", lambda tensors: tensors.update({step: torch.tensor(-1.0)}))
    yield of_values(f"{step} is 1e30", lambda tensors: tensors.update({step: torch.tensor(1e30)}))
    yield of_values(
        f"{square} is below 0", lambda tensors: tensors.update({square: tensors[square] - 1})
    )
    yield of_values(
        "all states of the optimizer are of one number",
        lambda tensors: tensors.update(
            {one: torch.zeros(1) for one in kinds["optimizer/"] if not one.endswith("/step")}
        ),
    )
    for how, value in {
        "zeros": torch.zeros(5056, dtype=torch.uint8),
        "ones": torch.full((5056,), 255, dtype=torch.uint8),
        "short": torch.zeros(9, dtype=torch.uint8),
        "of float32": torch.zeros(5056),
        "empty": torch.zeros(0, dtype=torch.uint8),
    }.items():
        yield of_values(
            f"random/cpu is {how}",
            lambda tensors, value=value: tensors.update({"random/cpu": value}),
        )
    for one in kinds["carried/"]:
        for how, change in {
            "of other rows": lambda t: t[:, :1],
            "of other units": lambda t: t[..., :1],
            "flat": lambda t: t.reshape(-1),
            "float64": lambda t: t.double(),
            "NaN": lambda t: t * torch.nan,
        }.items():
            yield of_values(
                f"{one} is {how}",
                lambda tensors, one=one, change=change: tensors.update({one: change(tensors[one])}),
            )

    def of_metadata(damage: Damage) -> Damage:
        """A damage to the JSON text in the header."""

        def do(directory: Path):
            path = directory / name
            tensors, inner = load(path.read_bytes()), directory / "inner.json"
            inner.write_text(metadata, encoding="utf-8")
            damage.do(directory)
            text = inner.read_bytes().decode("utf-8", "replace")
            inner.unlink()
            path.write_bytes(save(tensors, {"json": text}))

        return Damage(f"{name}: metadata {damage.name.removeprefix('inner.json: ')}", do)

    yield from (
        of_metadata(damage)
        for damage in of_json("inner.json", json.loads(metadata))
        if "million" not in damage.name
    )


def of_directory() -> Iterator[Damage]:
    """Other things that can be in a directory."""
    yield Damage(
        "a file that is not known", lambda directory: (directory / "notes.txt").write_text("mine")
    )
    for name in (
        ".config.json.unfinished",
        ".checkpoint.safetensors.unfinished",
        ".model.safetensors.unfinished",
        ".lock",
    ):
        yield Damage(f"{name} is a FIFO", lambda directory, name=name: os.mkfifo(directory / name))
        yield Damage(
            f"{name} is a directory", lambda directory, name=name: (directory / name).mkdir()
        )
        yield Damage(
            f"{name} is a link to another file",
            lambda directory, name=name: (directory / name).symlink_to("../victim"),
        )
    for name in ("history.csv", "report.html"):
        yield Damage(
            f"{name} is a FIFO",
            lambda directory, name=name: (
                (directory / name).unlink(missing_ok=True),
                os.mkfifo(directory / name),
            ),
        )


def damages(directory: Path) -> dict[str, list[Damage]]:
    """The ways to damage a directory, by the file and the part of it that they are of, in a fixed
    order.
    """
    found = {"directory": [*of_directory()]}
    for path in sorted(directory.iterdir()):
        content = path.read_bytes()
        if path.suffix not in (".json", ".safetensors"):
            continue
        found[path.name] = [*of_any_file(path.name, content)]
        if path.suffix == ".json":
            found[f"{path.name} fields"] = [*of_json(path.name, json.loads(content))]
        else:
            found[f"{path.name} tensors"] = [*of_tensors(path.name, content)]
            if path.name in ("checkpoint.safetensors", "pretraining.safetensors"):
                every = [*of_checkpoint(path.name, content)]
                found[f"{path.name} states"] = [
                    one for one in every if ": metadata " not in one.name
                ]
                found[f"{path.name} metadata"] = [one for one in every if ": metadata " in one.name]
    return found
