"""Files written whole and read with care: JSON for what is said, safetensors for numbers, and never a pickle."""

import contextlib
import gzip
import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path

from .errors import InputError

# How the name of a file that is still being written ends.
UNFINISHED = ".unfinished"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that, whatever happens, there is either the old one or the new one and never a part.

    Raises:
        InputError: The place cannot be written.
    """
    path = Path(path)
    unfinished = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        with open(unfinished, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise InputError(f"cannot write {str(path)!r}: {error.strerror}; choose a place that can be written and has room") from error


def write_json(path: Path, value) -> None:
    """Write a JSON file whole, as people read it: indented, and in the letters it is written in."""
    # a name of a file need not be UTF-8: what is not is written as JSON escapes it
    write_whole(path, (json.dumps(value, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode("utf-8", "backslashreplace"))


def read_json(path: Path) -> dict:
    """The object in a JSON file.

    Raises:
        InputError: There is no such file, or it holds no JSON object; the message says where it breaks.
    """
    try:
        value = json.loads(read_bytes(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{str(path)!r} is not whole JSON: {error.msg} at line {error.lineno}, column {error.colno}; "
                         "restore the file, or train the model again") from error
    except (UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"{str(path)!r} is not JSON text ({error}); restore the file, or train the model again") from error
    if not isinstance(value, dict):
        raise InputError(f"{str(path)!r} holds a {type(value).__name__}; it should hold a JSON object, {{...}}; "
                         "restore the file, or train the model again")
    return value


def write_tensors(path: Path, tensors: Mapping, metadata: Mapping | None = None) -> None:
    """Write torch tensors as one safetensors file, whole; `metadata` is anything JSON can say."""
    from safetensors.torch import save

    whole = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    write_whole(path, save(whole, {"json": json.dumps(metadata or {}, allow_nan=False)}))


def read_tensors(path: Path) -> tuple[dict, dict]:
    """The tensors and the metadata that `write_tensors` wrote.

    Raises:
        InputError: There is no such file, or it is cut short or damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    content = read_bytes(path)
    try:
        tensors = load(content)
        header = json.loads(content[8:8 + int.from_bytes(content[:8], "little")])
        metadata = json.loads(header.get("__metadata__", {}).get("json", "{}"))
    except (SafetensorError, ValueError) as error:
        raise InputError(f"{str(path)!r} ({len(content)} bytes) is cut short or damaged ({error}); "
                         "restore the file, or train the model again") from error
    return tensors, metadata


def read_bytes(path: Path) -> bytes:
    """What is in a file.

    Raises:
        InputError: There is no such file, or it cannot be read.
    """
    return b"".join(read_blocks(path, -1))


def read_blocks(path: Path, size: int, *, packed: bool = False, once: bool = False) -> Iterator[bytes]:
    """What is in a file, in blocks.

    Args:
        path: Of the file.
        size: Bytes of a block, the last one aside; -1 for one block.
        packed: Unpack it: it is a gzip file.
        once: The caller reads it a single time, from its start to its end, so that it may be a pipe.

    Raises:
        InputError: There is no such file, or it cannot be read, or it is no whole gzip file and should be.
    """
    check_kind(path, once=once)
    try:
        with gzip.open(path) if packed else open(path, "rb") as file:
            while block := file.read(size):
                yield block
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{str(path)!r} ({os.path.getsize(path)} bytes) is no whole gzip file ({error}); "
                         "get it again, or take .gz off its name if it is not packed") from error
    except IsADirectoryError as error:
        raise InputError(f"{str(path)!r} is a directory; give the path of a file in it") from error
    except FileNotFoundError as error:
        raise InputError(f"there is no file {str(path)!r}; check the path (it is looked for from {os.getcwd()!r})") from error
    except OSError as error:
        raise InputError(f"cannot read {str(path)!r}: {error.strerror}; check the path and its permissions") from error
    except ValueError as error:
        raise InputError(f"{str(path)!r} is no path: {error}") from error


def is_pipe(path: Path) -> bool:
    """Whether a path leads to a pipe: a named one, or the output of another command."""
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def check_kind(path: Path, *, once: bool = False) -> None:
    """Check, without opening it, that a path does not lead to a device, a socket, or a pipe that would be read more than once.

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
            raise InputError(f"{str(path)!r} is a pipe, which can be read only once, and this data is read more often; "
                             "save it to a file, and give the path of that")
    elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{str(path)!r} is a {'socket' if stat.S_ISSOCK(mode) else 'device'}; give the path of a file")


def listing(directory: Path) -> list[str]:
    """The names in the directory of a run."""
    try:
        return os.listdir(directory)
    except OSError as error:
        raise InputError(f"--out {directory}: cannot read this directory ({error.strerror}); give a place that can be read and written") from error


def make_directory(out: Path) -> None:
    """Make the directory of a run."""
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--out {out}: cannot make this directory ({error.strerror}); give a place that can be written") from error
