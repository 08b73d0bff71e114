"""Private: the dtypes of TensorFlow 1."""

from typing import Any

import numpy as np

from ...errors import InputError

__all__ = ["DTYPES", "DType", "DTypeLike", "as_dtype"]


class DType:
    """The dtype of a tensor.

    Attributes:
        name: The name in TensorFlow, such as "float32"; "float32_ref" for a variable's.
        as_datatype_enum: The number of the dtype in TensorFlow's files.
        as_numpy_dtype: The NumPy dtype; object for strings and for handles.
        base_dtype: The dtype without "_ref".
    """

    def __init__(self, name: str, number: int, numpy_type: Any, base: "DType | None" = None):
        self.name, self.as_datatype_enum = name, number
        self.as_numpy_dtype = numpy_type
        self.base_dtype: DType = self if base is None else base
        self.kind = np.dtype(numpy_type).kind
        self.ref: DType = (
            self if base is not None else DType(f"{name}_ref", number + 100, numpy_type, self)
        )

    @property
    def is_ref_dtype(self) -> bool:
        """True for a variable's dtype."""
        return self.base_dtype is not self

    @property
    def is_floating(self) -> bool:
        """True for a floating-point dtype."""
        return self.kind == "f"

    @property
    def is_complex(self) -> bool:
        """True for a complex dtype."""
        return self.kind == "c"

    @property
    def is_integer(self) -> bool:
        """True for a dtype of whole numbers."""
        return self.kind in "iu"

    @property
    def is_bool(self) -> bool:
        """True for the dtype of truth values."""
        return self.kind == "b"

    @property
    def is_numpy_compatible(self) -> bool:
        """Whether NumPy has the dtype."""
        return self.base_dtype.name not in ("resource", "variant")

    @property
    def real_dtype(self) -> "DType":
        """The dtype of the real part."""
        return {"complex64": DTYPES["float32"], "complex128": DTYPES["float64"]}.get(
            self.base_dtype.name, self
        )

    @property
    def size(self) -> int:
        """The number of bytes of one number."""
        return np.dtype(self.as_numpy_dtype).itemsize

    @property
    def min(self) -> Any:
        """The smallest number."""
        limits = np.finfo if self.kind in "fc" else np.iinfo
        return False if self.is_bool else limits(self.as_numpy_dtype).min

    @property
    def max(self) -> Any:
        """The largest number."""
        limits = np.finfo if self.kind in "fc" else np.iinfo
        return True if self.is_bool else limits(self.as_numpy_dtype).max

    def is_compatible_with(self, other: Any) -> bool:
        """Whether a tensor of the other dtype may stand where this one is expected."""
        other = as_dtype(other)
        return self in (other, other.base_dtype)

    def __eq__(self, other: object) -> bool:
        if other is None:
            return False
        try:
            return as_dtype(other).name == self.name
        except (InputError, TypeError):
            return False

    def __hash__(self) -> int:
        return self.as_datatype_enum

    def __repr__(self) -> str:
        return f"tf.{self.name}"

    def __str__(self) -> str:
        return f"<dtype: {self.name!r}>"

    def __int__(self) -> int:
        return self.as_datatype_enum


DTypeLike = DType | str | type

# Name, number in TensorFlow's files (types.proto), NumPy's dtype.
DTYPES = {
    name: DType(name, number, numpy_type)
    for name, number, numpy_type in (
        ("float32", 1, np.float32),
        ("float64", 2, np.float64),
        ("int32", 3, np.int32),
        ("uint8", 4, np.uint8),
        ("int16", 5, np.int16),
        ("int8", 6, np.int8),
        ("string", 7, np.object_),
        ("complex64", 8, np.complex64),
        ("int64", 9, np.int64),
        ("bool", 10, np.bool_),
        ("uint16", 17, np.uint16),
        ("complex128", 18, np.complex128),
        ("float16", 19, np.float16),
        ("resource", 20, np.object_),
        ("variant", 21, np.object_),
        ("uint32", 22, np.uint32),
        ("uint64", 23, np.uint64),
    )
}
_BY_NAME = {d.name: d for d in DTYPES.values()} | {d.ref.name: d.ref for d in DTYPES.values()}
_BY_NUMBER = {d.as_datatype_enum: d for d in _BY_NAME.values()}
# `float` is float32 in TensorFlow and float64 in NumPy.
_ALIASES: dict[Any, str] = {
    float: "float32", int: "int32", bool: "bool", str: "string", bytes: "string",
    complex: "complex64", object: "string", np.object_: "string", np.str_: "string",
    np.bytes_: "string", "float": "float32", "double": "float64", "half": "float16",
}  # fmt: skip


def as_dtype(given: Any) -> DType:
    """The DType for a DType, a name, a number or a NumPy dtype.

    Raises:
        InputError: The dtype is not supported.
    """
    if isinstance(given, DType):
        return given
    if isinstance(given, int) and given in _BY_NUMBER:
        return _BY_NUMBER[given]
    name = _ALIASES.get(given, given) if isinstance(given, (type, str)) else given
    if not isinstance(name, str):
        try:
            numpy_dtype = np.dtype(name)
        except TypeError:
            name = None
        else:
            name = "string" if numpy_dtype.kind in "OSU" else numpy_dtype.name
    if name not in _BY_NAME:
        raise InputError(
            f"dtype {given!r} is not provided: use one of "
            f"{', '.join('tf.' + n for n in DTYPES if n not in ('resource', 'variant'))}"
        )
    return _BY_NAME[name]
