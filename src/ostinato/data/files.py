"""Private: atomic writing and careful reading of files: JSON and safetensors, never pickle.

A model directory may come from a stranger. Its files are read only if they are regular files and
not too large. Tensors are read only after the shapes in the header have been checked.
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

# Suffix of a file that is still being written.
UNFINISHED = ".unfinished"
# The lock file in the directory of a training run.
LOCK = ".lock"
# Maximum bytes and values of a JSON file. A value takes up to 120 bytes of memory, so a file takes
# less than 700 MB.
JSON_BYTES, JSON_VALUES = 1 << 26, 2_500_000
# Maximum bytes of the header of a safetensors file.
HEADER_BYTES = 1 << 24
# Supported safetensors dtypes, and bytes per number.
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
    """Write a file atomically: afterwards there is either the old or the new file, never a part.

    Raises:
        InputError: The file cannot be written.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        # an existing link or FIFO of that name is removed, not written through
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
            f"cannot write {str(path)!r}: {error.strerror}; choose a writable place with free space"
        ) from error


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write all files, or none: those that are new are removed if one cannot be written.

    Raises:
        InputError: A file cannot be written.
    """
    new: list[Path] = []
    try:
        for path, content in contents.items():
            is_new = not os.path.lexists(path)
            write_whole(path, content)
            new += [path] if is_new else []
    except InputError:
        for path in new:
            path.unlink(missing_ok=True)
        raise


def write_json(path: Path, value) -> None:
    """Write a JSON file atomically, indented and without escaped letters.

    Raises:
        InputError: The file cannot be written, or is larger than `read_json` accepts.
    """
    # file names need not be valid UTF-8; other bytes are written as JSON escapes
    content = (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode(
        "utf-8", "backslashreplace"
    )
    _check_json_size(
        path, content, "write a smaller --vocabulary-size or --window, or train on less data"
    )
    write_whole(path, content)


def read_json(path: Path) -> dict:
    """Read the object in a JSON file.

    Raises:
        InputError: The file does not exist, is not a regular file, is too large, or does not
            contain a JSON object; the message gives the position of the error.
    """
    with _open_regular(path) as file:
        _check_size(path, os.fstat(file.fileno()).st_size, JSON_BYTES)
        content = file.read(JSON_BYTES + 1)
    _check_json_size(path, content, _RESTORE)
    try:
        value = parse_json(content)
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not valid JSON: {error}; {_RESTORE}") from error
    if not isinstance(value, dict):
        raise InputError(
            f"{str(path)!r} contains a {type(value).__name__}; it should contain a JSON object, "
            f"{{...}}; {_RESTORE}"
        )
    return value


def parse_json(content: bytes | str):
    """Parse JSON with finite numbers and without duplicate names in an object.

    Raises:
        ValueError: The text is not JSON; the message is short and gives the position.
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
        raise ValueError(f"the name {twice[:40]!r} occurs twice in an object")
    return value


def _refuse_constant(name: str):
    raise ValueError(f"{name} is not a JSON number")


def _check_size(path: Path, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(
            f"{str(path)!r} has {size:,} bytes; the limit for such a file is {limit:,}: {_RESTORE}"
        )


def json_values(content: bytes) -> int:
    """At least as many as the values in a JSON text, without reading it."""
    return content.count(b",") + content.count(b"[") + content.count(b"{")


def _check_json_size(path: Path, content: bytes, remedy: str) -> None:
    values = json_values(content)
    if len(content) > JSON_BYTES or values > JSON_VALUES:
        raise InputError(
            f"{str(path)!r}: {len(content):,} bytes and {values:,} values are too many for a JSON "
            f"file; the limits are {JSON_BYTES:,} bytes and {JSON_VALUES:,} values: {remedy}"
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
        """Size in bytes."""
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
    """The first difference between the tensors of a file and the expected ones; None if there is
    none.

    Example:
        >>> difference({"w": Spec("F32", (2, 3))}, {"w": Spec("F32", (3, 2))})
        "'w' is F32 (2, 3) and should be F32 (3, 2)"
    """
    for name, spec in wanted.items():
        if name not in specs:
            return f"{name!r} is missing"
        if specs[name] != spec:
            return f"{name!r} is {specs[name]} and should be {spec}"
    unknown = next((name for name in specs if name not in wanted), None)
    return None if unknown is None else f"{unknown[:80]!r} is unexpected"


def write_tensors(path: Path, tensors: Mapping, metadata: Mapping | None = None) -> None:
    """Write torch tensors to a safetensors file atomically; `metadata` must be serialisable as
    JSON.
    """
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(whole, {"json": json.dumps(metadata or {}, allow_nan=False)}))


def read_header(path: Path) -> tuple[dict[str, Spec], dict]:
    """Read the dtypes and shapes of the tensors in a file of `write_tensors`, and its metadata.

    Raises:
        InputError: The file does not exist, is not a regular file, or is truncated or damaged.
    """
    with _open_regular(path) as file:
        return _header(file, path)


def read_tensors(
    path: Path, check: Callable[[dict[str, Spec]], None] = lambda specs: None
) -> tuple[dict, dict]:
    """Read the tensors and metadata that `write_tensors` wrote.

    Args:
        path: The file.
        check: Called with the dtypes and shapes before any tensor is read; raises an error to stop.

    Raises:
        InputError: The file does not exist, is not a regular file, is truncated or damaged, or has
            a number that is not finite.
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
    return InputError(f"{str(path)!r} ({size} bytes) is truncated or damaged ({why}); {_RESTORE}")


def _header(file: IO[bytes], path: Path) -> tuple[dict[str, Spec], dict]:
    """Read the header of a safetensors file and check every number against the size of the file.

    Source:
        github.com/huggingface/safetensors, "Format": 8 bytes with the length of the header, the
        header as JSON, the concatenated tensors.
    """
    size = os.fstat(file.fileno()).st_size
    length = int.from_bytes(file.read(8), "little")
    if not 2 <= length <= min(size - 8, HEADER_BYTES):
        raise _damaged(path, size, f"its header of {length} bytes is longer than the file")
    content = file.read(length)
    try:
        if json_values(content) > JSON_VALUES:
            raise ValueError("its header has too many values")
        header = parse_json(content)
        if not isinstance(header, dict):
            raise ValueError("its header is not an object")
        extra = header.pop("__metadata__", {})
        metadata = (
            parse_json(extra.get("json", "{}"))
            if isinstance(extra, dict) and isinstance(extra.get("json", "{}"), str)
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
    """Start and end of the bytes of a tensor, from its entry in the header."""

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
        raise ValueError(f"its header does not describe {name[:80]!r}")
    return tuple(one["data_offsets"])


# ---------------------------------------------------------------- reading


def _open_regular(path: Path) -> IO[bytes]:
    """Open a regular file for reading. A FIFO or a device is refused, because reading could block
    or never end.

    Raises:
        InputError: The file does not exist, cannot be read, or is not a regular file.
    """
    try:
        # a FIFO without a writer opens at once, and is then refused
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
            f"the file {str(path)!r} does not exist; check the path (it is relative to "
            f"{os.getcwd()!r})"
        )
    if isinstance(error, OSError):
        return InputError(
            f"cannot read {str(path)!r}: {error.strerror}; check the path and its permissions"
        )
    return InputError(f"{str(path)!r} is not a valid path: {error}")


def read_regular(path: Path, limit: int) -> bytes:
    """Read a whole regular file of a limited size.

    Args:
        path: The file.
        limit: Maximum bytes.

    Raises:
        InputError: The file does not exist, cannot be read, is not a regular file, or is too large.
    """
    with _open_regular(path) as file:
        _check_size(path, os.fstat(file.fileno()).st_size, limit)
        return file.read(limit + 1)[:limit]


def read_bytes(path: Path) -> bytes:
    """Read a whole file.

    Raises:
        InputError: The file does not exist or cannot be read.
    """
    return b"".join(read_blocks(path, -1))


def read_blocks(
    path: Path, size: int, *, packed: bool = False, once: bool = False
) -> Iterator[bytes]:
    """Read a file in blocks.

    Args:
        path: The file.
        size: Bytes per block; -1 for one block.
        packed: The file is compressed with gzip.
        once: The caller reads the file only once, from start to end, so it may be a pipe.

    Raises:
        InputError: The file does not exist, cannot be read, or should be a gzip file and is not.
    """
    check_kind(path, once=once)
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            while block := file.read(size):
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(
            f"{str(path)!r} ({os.path.getsize(path)} bytes) is not a complete gzip file ({error}); "
            "download it again, or remove .gz from its name if it is not compressed"
        ) from error
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error


def is_packed(path: Path) -> bool:
    """Whether a file is compressed with gzip, by its name."""
    return Path(path).suffix.lower() == ".gz"


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe: a named pipe, or the output of another command."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_kind(path: Path, *, once: bool = False) -> None:
    """Check, without opening it, that a path is not a device or a socket, nor a pipe if it is read
    twice.

    Args:
        path: The path. A path that does not exist is reported where it is opened.
        once: As in `read_blocks`.

    Raises:
        InputError: The path is one of these.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if stat.S_ISFIFO(mode):
        if not once:
            raise InputError(
                f"{str(path)!r} is a pipe, which can be read only once, and this data is read more "
                "than once; save it to a file, and give the path of that file"
            )
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(
            f"{str(path)!r} is a {'socket' if stat.S_ISSOCK(mode) else 'device'}; give the path of "
            "a file"
        )


def listing(directory: Path) -> list[str]:
    """The names in the directory of a run."""
    try:
        return os.listdir(directory)
    except OSError as error:
        raise InputError(
            f"--out {directory}: cannot read this directory ({error.strerror}); give a directory "
            "that can be read and written"
        ) from error


def make_directory(out: Path) -> None:
    """Create the directory of a run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"--out {out}: cannot create this directory ({error.strerror}); give a writable place"
        ) from error


@contextlib.contextmanager
def locked(directory: Path) -> Iterator[None]:
    """Lock the directory of a run for this process. The system releases the lock when the process
    ends.

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
            "give another --out"
        ) from None
    except OSError as error:
        raise InputError(
            f"--out {directory}: cannot lock this directory ({error.strerror}); give a writable "
            "directory"
        ) from error
    try:
        yield
    finally:
        # removed while locked: a process that has opened the file meanwhile sees that it was
        # removed, and opens a new one
        with contextlib.suppress(OSError):
            (directory / LOCK).unlink()
        lock.release()
