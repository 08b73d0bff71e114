"""Private: HDF5 files and .keras archives, read with checks before memory is taken.

Only hard links are followed, by names that the file or its configuration states. A weight is read
if its bytes lie in the file itself, uncompressed, as Keras writes them.
"""

import contextlib
import io
import math
import os
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...data.files import (
    JSON_BYTES,
    JSON_VALUES,
    check_kind,
    json_values,
    parse_json,
    read_bytes,
)
from ...errors import InputError, missing_extra, shown
from . import rehearsal

if TYPE_CHECKING:
    import h5py

__all__ = ["Hdf5", "archive_members", "json_file", "json_object", "opened"]

# Largest file, and how many times its compressed size a member of an archive may have.
LARGEST, RATIO = 1 << 34, 50
# Members of this size are read whatever their ratio is.
SMALL = 1 << 24
# Names in an attribute, bytes of a text, and components of a path.
NAMES, TEXT, DEPTH = 20_000, 1 << 26, 64
_FIX = "save the model again with Keras"
# Seconds of the processor in which another process has to read the groups and attributes of a file;
# on a busy machine they take longer.
REHEARSAL_SECONDS, REHEARSAL_LIMIT = 6, 300
# Memory that it may take for that, besides twice the size of the file.
REHEARSAL_MEMORY = 1 << 28


def damaged(path: str, why: object) -> InputError:
    """The error for a file that cannot be read."""
    return InputError(f"{path!r} is damaged or not a file of Keras ({str(why)[:200]}); {_FIX}")


def check_file(path: Path) -> int:
    """The size of a regular file.

    Raises:
        InputError: It is not one, or is too large.
    """
    check_kind(path)
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError) as error:
        raise InputError(
            f"the file {str(path)!r} cannot be read ({error}); check the path"
        ) from error
    if not os.path.isfile(path):
        if os.path.isfile(os.path.join(path, "saved_model.pb")):
            raise InputError(
                f"{str(path)!r} is a SavedModel, which has no architecture that can be read; load "
                "it with Keras, and save it with model.save('model.keras')"
            )
        raise InputError(f"{str(path)!r} is a directory; give the path of a file")
    if size > LARGEST:
        raise InputError(f"{str(path)!r} has {size:,} bytes; the limit is {LARGEST:,}")
    return size


def json_object(content: bytes | str, place: str) -> dict[str, Any]:
    """The object in a JSON text.

    Raises:
        InputError: It is too large, or not such a text.
    """
    data = content.encode() if isinstance(content, str) else content
    values = json_values(data)
    if len(data) > JSON_BYTES or values > JSON_VALUES:
        raise damaged(place, f"its configuration has {len(data):,} bytes and {values:,} values")
    try:
        found = parse_json(data)
    except ValueError as error:
        raise damaged(place, f"its configuration is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise damaged(place, f"its configuration is {shown(found)}, and not an object")
    return found


def json_file(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        InputError: It is not such a file, or is too large.
    """
    size = check_file(path)
    if size > JSON_BYTES:
        raise damaged(str(path), f"it has {size:,} bytes, and the limit is {JSON_BYTES:,}")
    return json_object(read_bytes(path), str(path))


def archive_members(path: Path, names: tuple[str, ...]) -> dict[str, bytes]:
    """Members of a .keras archive by name.

    Raises:
        InputError: It is not an archive, a member is missing, or it expands too much.
    """
    check_file(path)
    place = str(path)
    try:
        with zipfile.ZipFile(path) as archive:
            infos = archive.infolist()
            found = {}
            for name in names:
                own = [info for info in infos if info.filename == name]
                if len(own) != 1:
                    raise damaged(place, f"it has {len(own)} members {name!r}, and should have one")
                info = own[0]
                if info.file_size > max(SMALL, RATIO * info.compress_size):
                    raise damaged(
                        place,
                        f"{name!r} has {info.compress_size:,} bytes, and {info.file_size:,} "
                        "unpacked",
                    )
                with archive.open(info) as member:
                    content = member.read(info.file_size + 1)
                if len(content) != info.file_size:
                    raise damaged(place, f"{name!r} is not {info.file_size:,} bytes long")
                found[name] = content
            return found
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        ValueError,
        struct.error,
        OverflowError,
    ) as error:
        if isinstance(error, InputError):
            raise
        raise damaged(place, error) from error


def _rehearse(path: Path, content: bytes | None) -> None:
    """Raise an error if another process does not get through a file: a failure of Python there is
    one here too, and is reported where it happens.
    """
    words = [sys.executable, rehearsal.__file__, str(REHEARSAL_SECONDS), str(REHEARSAL_MEMORY)]
    words += [str(path)] if content is None else []
    try:
        done = subprocess.run(
            words, input=content or b"", capture_output=True, timeout=REHEARSAL_LIMIT
        )
    except subprocess.TimeoutExpired:
        raise damaged(str(path), f"it is not read in {REHEARSAL_LIMIT} seconds") from None
    except OSError:
        return
    if done.returncode == rehearsal.TOO_MUCH_MEMORY:
        raise damaged(str(path), "its groups and attributes take more memory than the file")
    if done.returncode < 0:
        raise damaged(
            str(path), f"the HDF5 library does not read it in {REHEARSAL_SECONDS} seconds, or fails"
        )


@contextlib.contextmanager
def opened(path: Path, content: bytes | None = None, *, trusted: bool = False) -> Iterator["Hdf5"]:
    """An HDF5 file, or the bytes of one.

    Args:
        path: The file; the archive that has the bytes.
        content: The bytes; None to read the file.
        trusted: This process has written the bytes.

    Raises:
        InputError: It is not an HDF5 file, or a part of it is damaged.
        MissingExtra: h5py is not installed.
    """
    size = check_file(path) if content is None else len(content)
    try:
        import h5py
    except ModuleNotFoundError as error:
        raise missing_extra(error) or error from error
    if not trusted:
        _rehearse(path, content)
    try:
        with h5py.File(path if content is None else io.BytesIO(content), "r") as file:
            yield Hdf5(file, size, str(path))
    except InputError:
        raise
    except (OSError, KeyError, RuntimeError, ValueError, TypeError, OverflowError) as error:
        raise damaged(str(path), error) from error


class Hdf5:
    """An open HDF5 file.

    Args:
        file: The file.
        size: Its size in bytes: all weights together have no more.
        place: Its name, for errors.
    """

    def __init__(self, file: "h5py.File", size: int, place: str):
        self.root: h5py.Group = file
        self.size, self.place, self._read = size, place, 0

    def child(self, group: "h5py.Group", path: str) -> Any:
        """The group or dataset at a path below a group; None if there is none.

        Raises:
            InputError: A link on the way is not a hard link.
        """
        import h5py

        parts = [part for part in path.split("/") if part]
        if len(parts) > DEPTH:
            raise damaged(self.place, f"the path {path[:80]!r} has {len(parts)} parts")
        found: Any = group
        for part in parts:
            if not isinstance(found, h5py.Group) or part not in found or part == ".":
                return None
            if not isinstance(found.get(part, getlink=True), h5py.HardLink):
                raise damaged(self.place, f"{part[:80]!r} is a link to another place")
            found = found[part]
        return found

    def group(self, group: "h5py.Group", path: str) -> "h5py.Group | None":
        """The group at a path; None if there is none."""
        import h5py

        found = self.child(group, path)
        return found if isinstance(found, h5py.Group) else None

    def numbered(self, group: "h5py.Group", path: str) -> list[np.ndarray]:
        """The arrays 0, 1, ... of a group."""
        own = self.group(group, path)
        found: list[np.ndarray] = []
        while own is not None and str(len(found)) in own:
            found.append(self.array(own, str(len(found))))
        return found

    def array(self, group: "h5py.Group", path: str) -> np.ndarray:
        """The numbers of a dataset, as float32 or float64.

        Raises:
            InputError: It does not exist, is not made of finite floats, or its bytes are not in the
                file.
        """
        import h5py

        found = self.child(group, path)
        if not isinstance(found, h5py.Dataset):
            raise damaged(self.place, f"the weight {path[-80:]!r} is missing")
        if found.dtype.kind != "f" or found.dtype.itemsize not in (2, 4, 8):
            raise damaged(self.place, f"the weight {path[-80:]!r} has the dtype {found.dtype}")
        plan = found.id.get_create_plist()
        plain = not (found.is_virtual or plan.get_external_count() or plan.get_nfilters())
        count = math.prod(found.shape or ())
        size = count * found.dtype.itemsize
        if found.shape is None or not plain:
            raise damaged(
                self.place,
                f"the weight {path[-80:]!r} is compressed, or in another file; write it as it is: "
                "h5repack -f NONE",
            )
        self._read += size
        if size > self.size or self._read > self.size or found.id.get_storage_size() < size:
            raise damaged(
                self.place,
                f"the weight {path[-80:]!r} is {found.shape}, and the file has {self.size:,} bytes",
            )
        numbers = np.asarray(found[()])
        if not np.isfinite(numbers).all():
            raise InputError(
                f"{self.place!r}: the weight {path[-80:]!r} has values that are not finite; {_FIX}"
            )
        return numbers.astype(np.float64 if found.dtype.itemsize == 8 else np.float32)

    def text(self, group: "h5py.Group", name: str) -> str | None:
        """A text attribute; None if there is none."""
        found = self._attribute(group, name)
        if found is None:
            return None
        if len(found) != 1:
            raise damaged(self.place, f"the attribute {name!r} is not one text")
        return found[0]

    def names(self, group: "h5py.Group", name: str) -> list[str] | None:
        """A list of texts: an attribute, or the attributes NAME0, NAME1, ... that a long list is
        stored in; None if there is none.
        """
        found = self._attribute(group, name)
        if found is not None:
            return found
        joined: list[str] = []
        part = 0
        while (more := self._attribute(group, f"{name}{part}")) is not None:
            joined += more
            part += 1
            if len(joined) > NAMES:
                raise damaged(self.place, f"{name!r} has more than {NAMES:,} names")
        return joined if part else None

    def _attribute(self, group: "h5py.Group", name: str) -> list[str] | None:
        import h5py

        if name not in group.attrs:
            return None
        attribute = group.attrs.get_id(name)
        shape, dtype = attribute.shape, attribute.dtype
        count = math.prod(shape)
        variable = h5py.check_string_dtype(dtype) is not None and dtype.kind == "O"
        empty = count == 0
        # texts of any length lie elsewhere in the file, and several may lie in one place
        small = count <= NAMES and (
            count * self.size <= 1 << 28 or count == 1 if variable else True
        )
        if not empty and (
            dtype.kind not in "SO"
            or (dtype.kind == "O" and not variable)
            or len(shape) > 1
            or not small
            or dtype.itemsize * count > min(self.size + 64, TEXT)
        ):
            raise damaged(self.place, f"the attribute {name!r} is {dtype} {shape}")
        if empty:
            return []
        value = group.attrs[name]
        texts = value.tolist() if isinstance(value, np.ndarray) else [value]
        found = []
        for one in texts:
            try:
                text = one.decode() if isinstance(one, bytes) else str(one)
            except UnicodeDecodeError as error:
                raise damaged(self.place, f"the attribute {name!r}: {error}") from error
            if len(text) > TEXT:
                raise damaged(self.place, f"the attribute {name!r} has {len(text):,} letters")
            found.append(text)
        return found
