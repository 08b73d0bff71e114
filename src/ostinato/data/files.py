"""Files written whole and read with care: JSON for what is said, safetensors for numbers, and never
a pickle.

A model directory may come from a stranger. Its files are read only if they are regular files, up to
a limit, and tensors only after the file's header has been compared with the shapes that are wanted.
"""

import contextlib
import gzip
import json
import math
import os
import stat
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from ..errors import InputError

# How the name of a file that is still being written ends.
UNFINISHED = ".unfinished"
# The file in the directory of a run that is locked while the run trains.
LOCK = ".lock"
# Bytes and values of a JSON file at most. A value takes up to 120 bytes of memory, so that a file
# takes less than 700 MB.
JSON_BYTES, JSON_VALUES = 1 << 26, 2_500_000
# Bytes of the header of a safetensors file at most.
HEADER_BYTES = 1 << 24
# The dtypes that are read from safetensors files, and the bytes of a number.
SIZES = {
    "F64": 8,
    "F32": 4,
    "F16": 2,
    "BF16": 2,
    "I64": 8,
    "I32": 4,
    "I16": 2,
    "I8": 1,
    "U8": 1,
    "BOOL": 1,
}
_RESTORE = "restore the file, or train the model again"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, there is either the old one or the new one and never
    a part.

    Raises:
        InputError: The place cannot be written.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        # a link or a FIFO of that name is removed, not written through
        unfinished.unlink(missing_ok=True)
        with open(unfinished, "xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise InputError(
            f"cannot write {str(path)!r}: {error.strerror}; choose a place that can be written and "
            f"has room"
        ) from error


def write_json(path: Path, value) -> None:
    """Write a JSON file whole, as people read it: indented, and in the letters it is written in.

    Raises:
        InputError: The place cannot be written, or the file would be larger than `read_json` reads.
    """
    # a name of a file need not be UTF-8: what is not is written as JSON escapes it
    content = (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )
    _check_json_size(
        path, content, "write a smaller --vocabulary-size or --window, or train on less data"
    )
    write_whole(path, content)


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises:
        InputError: There is no such regular file, it is too large, or it holds no JSON object; the
            message says where it breaks.
    """
    with _open_regular(path) as file:
        _check_size(path, os.fstat(file.fileno()).st_size, JSON_BYTES)
        content = file.read(JSON_BYTES + 1)
    _check_json_size(path, content, _RESTORE)
    try:
        value = parse_json(content)
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not whole JSON: {error}; {_RESTORE}") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{str(path)!r} holds a {type(value).__name__}; it should hold a JSON object, {{...}}; "
            f"{_RESTORE}"
        )
    return value


def parse_json(content: bytes | str):
    """The value of a JSON text: numbers are finite, and no name is there twice in an object.

    Raises:
        ValueError: It is not JSON; the message is short, and says where it breaks.
    """
    try:
        return json.loads(content, object_pairs_hook=_object, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno}, column {error.colno}") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    except RecursionError as error:
        raise ValueError("lists or objects are nested too deeply") from error
    except ValueError as error:
        if "integer string conversion" in str(error):
            raise ValueError("a whole number has too many digits") from error
        raise


def _object(pairs: list[tuple[str, object]]) -> dict:
    value = dict(pairs)
    if len(value) < len(pairs):
        names: set[str] = set()
        twice = next(name for name, _ in pairs if name in names or names.add(name))
        raise ValueError(f"the name {twice[:40]!r} is there twice in an object")
    return value


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a number of JSON")


def _check_size(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(
            f"{str(path)!r} has {size:,} bytes; {limit:,} are the most that are read of such a "
            f"file: {_RESTORE}"
        )


def _check_json_size(path: Path, content: bytes, remedy: str) -> None:
    values = content.count(b",") + content.count(b"[") + content.count(b"{")
    if len(content) > JSON_BYTES or values > JSON_VALUES:
        raise InputError(
            f"{str(path)!r}: {len(content):,} bytes and {values:,} values are too many for a JSON "
            f"file; "
            f"{JSON_BYTES:,} bytes and {JSON_VALUES:,} values are the most: {remedy}"
        )


# ---------------------------------------------------------------- tensors


@dataclass(frozen=True)
class Spec:
    """The dtype of a tensor, as safetensors names it, and its shape."""

    dtype: str
    shape: tuple[int, ...]

    def __str__(self):
        return (
            f"{self.dtype} {self.shape}"
            if len(self.shape) < 9
            else f"{self.dtype} of {len(self.shape)} dimensions"
        )

    @property
    def size(self) -> int:
        """Bytes."""
        return SIZES[self.dtype] * math.prod(self.shape)


def specs_of(tensors: Mapping) -> dict[str, Spec]:
    """The dtypes and shapes of torch tensors, by name.

    Example:
        >>> import torch
        >>> specs_of({"x": torch.zeros(2, 3)})
        {'x': Spec(dtype='F32', shape=(2, 3))}
    """
    import torch

    names = {
        torch.float64: "F64",
        torch.float32: "F32",
        torch.float16: "F16",
        torch.bfloat16: "BF16",
        torch.int64: "I64",
        torch.int32: "I32",
        torch.int16: "I16",
        torch.int8: "I8",
        torch.uint8: "U8",
        torch.bool: "BOOL",
    }
    return {
        name: Spec(names[tensor.dtype], tuple(tensor.shape)) for name, tensor in tensors.items()
    }


def difference(specs: Mapping[str, Spec], wanted: Mapping[str, Spec]) -> str | None:
    """How the tensors of a file differ from those that are wanted, in words; None where they do
    not.

    Example:
        >>> difference({"w": Spec("F32", (2, 3))}, {"w": Spec("F32", (3, 2))})
        "'w' is F32 (2, 3) and should be F32 (3, 2)"
    """
    for name, spec in wanted.items():
        if name not in specs:
            return f"there is no {name!r}"
        if specs[name] != spec:
            return f"{name!r} is {specs[name]} and should be {spec}"
    unknown = next((name for name in specs if name not in wanted), None)
    return None if unknown is None else f"there is {unknown[:80]!r}, which should not be there"


def write_tensors(path: Path, tensors: Mapping, metadata: Mapping | None = None) -> None:
    """Write torch tensors as one safetensors file, whole; `metadata` is anything JSON can say."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(whole, {"json": json.dumps(metadata or {}, allow_nan=False)}))


def read_header(path: Path) -> tuple[dict[str, Spec], dict]:
    """The dtypes and shapes of the tensors of a file that `write_tensors` wrote, and its metadata.

    Raises:
        InputError: There is no such regular file, or it is cut short or damaged.
    """
    with _open_regular(path) as file:
        return _header(file, path)


def read_tensors(
    path: Path, check: Callable[[dict[str, Spec]], None] = lambda specs: None
) -> tuple[dict, dict]:
    """The tensors and the metadata that `write_tensors` wrote.

    Args:
        path: Of the file.
        check: Called with the dtypes and shapes before any tensor is read; it raises an error where
            they are not wanted.

    Raises:
        InputError: There is no such regular file, it is cut short or damaged, or a number in it is
            not finite.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    with _open_regular(path) as file:
        specs, metadata = _header(file, path)
        check(specs)
        file.seek(0)
        content = file.read()
    try:
        tensors = load(content)
    except (SafetensorError, ValueError) as error:
        raise _damaged(path, len(content), error) from error
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise InputError(f"{str(path)!r}: {name!r} has values that are not finite; {_RESTORE}")
    return tensors, metadata


def _damaged(path: Path, size: int, why) -> InputError:
    return InputError(f"{str(path)!r} ({size} bytes) is cut short or damaged ({why}); {_RESTORE}")


def _header(file: IO[bytes], path: Path) -> tuple[dict[str, Spec], dict]:
    """The header of a safetensors file, of which every number is checked against the file's size.

    Source: github.com/huggingface/safetensors, "Format": 8 bytes with the length of the header, the
        header as JSON, the tensors
    one behind another.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, HEADER_BYTES):
        raise _damaged(path, size, f"its header of {length} bytes does not fit in it")
    content = file.read(length)
    try:
        if content.count(b",") + content.count(b"[") + content.count(b"{") > JSON_VALUES:
            raise ValueError("its header has too many values")
        header = parse_json(content)
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        said = header.pop("__metadata__", {})
        metadata = (
            parse_json(said.get("json", "{}"))
            if isinstance(said, dict) and isinstance(said.get("json", "{}"), str)
            else None
        )
        if not isinstance(metadata, dict):
            raise ValueError("its metadata is not an object")
        specs, end = {}, 0
        for name, one in sorted(header.items(), key=lambda item: _offsets(*item)):
            start, stop = _offsets(name, one)
            specs[name] = spec = Spec(one["dtype"], tuple(one["shape"]))
            if start != end or stop - start != spec.size:
                raise ValueError(f"the bytes of {name[:80]!r} are not where they should be")
            end = stop
        if end != size - 8 - length:
            raise ValueError(f"its tensors have {end} bytes")
    except ValueError as error:
        raise _damaged(path, size, error) from error
    return specs, metadata


def _offsets(name: str, one) -> tuple[int, int]:
    """Where the bytes of a tensor start and end, from what the header says of the tensor."""

    def whole(values) -> bool:
        return isinstance(values, list) and all(
            type(value) is int and 0 <= value < 2**63 for value in values
        )

    right = (
        isinstance(one, dict)
        and set(one) == {"dtype", "shape", "data_offsets"}
        and one["dtype"] in [*SIZES]
        and whole(one["shape"])
        and len(one["shape"]) <= 64
        and whole(one["data_offsets"])
        and len(one["data_offsets"]) == 2
    )
    if not right:
        raise ValueError(f"its header does not say what {name[:80]!r} is")
    return tuple(one["data_offsets"])


# ---------------------------------------------------------------- reading


def _open_regular(path: Path) -> IO[bytes]:
    """A regular file, open for reading; a FIFO, which would be waited for, or a device, which may
    never end, is not opened.

    Raises:
        InputError: There is no such file, it cannot be read, or it is not a regular file.
    """
    try:
        # a FIFO that has no writer is opened at once, and then refused
        number = os.open(
            path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        )
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if stat.S_ISREG(os.fstat(number).st_mode):
        return open(number, "rb")
    os.close(number)
    raise InputError(f"{str(path)!r} is not a regular file; {_RESTORE}")


def _unreadable(path: Path, error: OSError | ValueError) -> InputError:
    if isinstance(error, IsADirectoryError):
        return InputError(f"{str(path)!r} is a directory; give the path of a file in it")
    if isinstance(error, FileNotFoundError):
        return InputError(
            f"there is no file {str(path)!r}; check the path (it is looked for from "
            f"{os.getcwd()!r})"
        )
    if isinstance(error, OSError):
        return InputError(
            f"cannot read {str(path)!r}: {error.strerror}; check the path and its permissions"
        )
    return InputError(f"{str(path)!r} is no path: {error}")


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    return b"".join(read_blocks(path, -1))


def read_blocks(
    path: Path, size: int, *, packed: bool = False, once: bool = False
) -> Iterator[bytes]:
    """What is in a file, in blocks.

    Args:
        path: Of the file.
        size: Bytes of a block, the last one aside; -1 for one block.
        packed: Unpack it: it is a gzip file.
        once: The caller reads it a single time, from its start to its end, so that it may be a
            pipe.

    Raises:
        InputError: There is no such file, or it cannot be read, or it is no whole gzip file and
            should be.
    """
    check_kind(path, once=once)
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            while block := file.read(size):
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{str(path)!r} ({os.path.getsize(path)} bytes) is no whole gzip file ({error}); "
            "get it again, or take .gz off its name if it is not packed"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def is_pipe(path: Path) -> bool:
    """Whether a path leads to a pipe: a named one, or the output of another command."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_kind(path: Path, *, once: bool = False) -> None:
    """Check, without opening it, that a path does not lead to a device, a socket, or a pipe that
    would be read more than once.

    Args:
        path: The path. Where nothing can be found there, whoever opens it says so.
        once: As for `read_blocks`.

    Raises:
        InputError: It leads to one of these.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if stat.S_ISFIFO(mode):
        if not once:
            raise InputError(
                f"{str(path)!r} is a pipe, which can be read only once, and this data is read more "
                f"often; "
                "save it to a file, and give the path of that"
            )
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            f"{str(path)!r} is a {'socket' if stat.S_ISSOCK(mode) else 'device'}; give the path of "
            f"a file"
        )


def listing(directory: Path) -> list[str]:
    """The names in the directory of a run."""
    try:
        return os.listdir(directory)
    except OSError as error:
        raise InputError(
            f"--out {directory}: cannot read this directory ({error.strerror}); give a place that "
            f"can be read and written"
        ) from error


def make_directory(out: Path) -> None:
    """Make the directory of a run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot make this directory ({error.strerror}); give a place that can be "
            f"written"
        ) from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """The directory of a run, locked for this process. The system frees the lock when the process
    ends, however it ends.

    Raises:
        InputError: Another process holds the lock, or the directory cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(directory / LOCK)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise InputError(
            f"--out {directory}: another run is training in this directory; wait until it ends, or "
            f"give another --out"
        ) from None
    except OSError as error:
        raise InputError(
            f"--out {directory}: cannot lock this directory ({error.strerror}); give a place that "
            f"can be written"
        ) from error
    try:
        yield
    finally:
        # while it is locked: whoever has opened the file meanwhile finds that it is gone, and opens
        # the next one
        with contextlib.suppress(OSError):
            (directory / LOCK).unlink()
        lock.release()
