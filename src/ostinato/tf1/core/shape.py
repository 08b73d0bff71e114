"""Private: static shapes, whose sizes and number of dimensions may be unknown before a run."""

import numbers
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from ...errors import SizeError

__all__ = ["Dimension", "TensorShape", "as_shape", "unknown_shape"]


class Dimension:
    """A size of a static shape.

    Attributes:
        value: The size, or None where it is known only in a run.
    """

    __slots__ = ("value",)

    def __init__(self, value: Any):
        value = getattr(value, "value", value)
        if value is not None:
            if isinstance(value, bool) or not isinstance(value, numbers.Integral) or value < 0:
                raise SizeError(f"a size of a shape is {value!r}: give a whole number, or None")
            value = int(value)
        self.value: int | None = value

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both may be the same size."""
        other = Dimension(other)
        return self.value is None or other.value is None or self.value == other.value

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raise a SizeError where the sizes differ."""
        if not self.is_compatible_with(other):
            raise SizeError(f"Dimensions {self} and {other} are not compatible")

    def merge_with(self, other: Any) -> "Dimension":
        """The known one of two sizes, which must not differ."""
        other = Dimension(other)
        self.assert_is_compatible_with(other)
        return other if self.value is None else self

    def _combine(self, other: Any, function: Any) -> "Dimension":
        other = Dimension(other)
        if self.value is None or other.value is None:
            return Dimension(None)
        return Dimension(function(self.value, other.value))

    def __add__(self, other: Any) -> "Dimension":
        return self._combine(other, lambda a, b: a + b)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Dimension":
        return self._combine(other, lambda a, b: a - b)

    def __rsub__(self, other: Any) -> "Dimension":
        return Dimension(other) - self

    def __mul__(self, other: Any) -> "Dimension":
        return self._combine(other, lambda a, b: a * b)

    __rmul__ = __mul__

    def __floordiv__(self, other: Any) -> "Dimension":
        return self._combine(other, lambda a, b: a // b)

    __div__ = __truediv__ = __floordiv__

    def __mod__(self, other: Any) -> "Dimension":
        return self._combine(other, lambda a, b: a % b)

    def __lt__(self, other: Any) -> bool | None:
        return self._compare(other, lambda a, b: a < b)

    def __le__(self, other: Any) -> bool | None:
        return self._compare(other, lambda a, b: a <= b)

    def __gt__(self, other: Any) -> bool | None:
        return self._compare(other, lambda a, b: a > b)

    def __ge__(self, other: Any) -> bool | None:
        return self._compare(other, lambda a, b: a >= b)

    def _compare(self, other: Any, function: Any) -> bool | None:
        other = Dimension(other)
        return None if None in (self.value, other.value) else function(self.value, other.value)

    def __eq__(self, other: object) -> Any:
        value = getattr(other, "value", other)
        if value is not None and not isinstance(value, numbers.Integral):
            return NotImplemented
        return None if self.value is None or value is None else self.value == value

    def __ne__(self, other: object) -> Any:
        equal = self.__eq__(other)
        return equal if equal is None or equal is NotImplemented else not equal

    def __hash__(self) -> int:
        return hash(self.value)

    def __int__(self) -> int:
        return self.value  # type: ignore[return-value]  # None raises a TypeError, as wanted

    def __index__(self) -> int:
        return self.value  # type: ignore[return-value]

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)

    def __repr__(self) -> str:
        return f"Dimension({self.value})"


class TensorShape:
    """A static shape. Each size, or the number of dimensions, may be unknown before a run.

    Attributes:
        sizes: The sizes as a tuple, None for an unknown one; None if even their number is unknown.

    Args:
        dims: Sizes, a shape, one size, or None.
    """

    __slots__ = ("sizes",)

    def __init__(self, dims: Any):
        if isinstance(dims, TensorShape):
            self.sizes: tuple[int | None, ...] | None = dims.sizes
        elif dims is None:
            self.sizes = None
        elif isinstance(dims, (numbers.Integral, Dimension)):
            self.sizes = (Dimension(dims).value,)
        elif isinstance(dims, Iterable):
            self.sizes = tuple(Dimension(d).value for d in dims)
        else:
            raise SizeError(f"a shape is {dims!r}: give a list of sizes, such as [None, 4]")

    @property
    def dims(self) -> list[Dimension] | None:
        """The sizes as Dimensions; None if their number is unknown."""
        return None if self.sizes is None else [Dimension(d) for d in self.sizes]

    @property
    def ndims(self) -> int | None:
        """The number of dimensions, or None."""
        return None if self.sizes is None else len(self.sizes)

    rank = ndims

    def as_list(self) -> list[int | None]:
        """The sizes."""
        return list(self._known("as_list()"))

    def _known(self, of: str) -> tuple[int | None, ...]:
        if self.sizes is None:
            raise SizeError(f"{of} of a shape whose number of dimensions is unknown: set a shape")
        return self.sizes

    def is_fully_defined(self) -> bool:
        """Whether every size is known."""
        return self.sizes is not None and None not in self.sizes

    def num_elements(self) -> int | None:
        """The number of elements, if every size is known."""
        if self.sizes is None:
            return None
        sizes = [n for n in self.sizes if n is not None]
        return int(np.prod(sizes, dtype=np.int64)) if len(sizes) == len(self.sizes) else None

    def is_compatible_with(self, other: Any) -> bool:
        """Whether both may be the same shape."""
        other = TensorShape(other)
        if self.sizes is None or other.sizes is None:
            return True
        return len(self.sizes) == len(other.sizes) and all(
            a is None or b is None or a == b for a, b in zip(self.sizes, other.sizes)
        )

    def assert_is_compatible_with(self, other: Any) -> None:
        """Raise a SizeError where the shapes differ."""
        if not self.is_compatible_with(other):
            raise SizeError(f"Shapes {self} and {TensorShape(other)} are incompatible")

    def merge_with(self, other: Any) -> "TensorShape":
        """The shape of a tensor that has both shapes."""
        other = TensorShape(other)
        self.assert_is_compatible_with(other)
        if self.sizes is None:
            return other
        if other.sizes is None:
            return self
        return TensorShape([b if a is None else a for a, b in zip(self.sizes, other.sizes)])

    def concatenate(self, other: Any) -> "TensorShape":
        """The sizes of both, one after the other."""
        other = TensorShape(other)
        if self.sizes is None or other.sizes is None:
            return TensorShape(None)
        return TensorShape(self.sizes + other.sizes)

    def with_rank(self, rank: int) -> "TensorShape":
        """The shape, with this number of dimensions."""
        return self.merge_with(TensorShape([None] * rank))

    def with_rank_at_least(self, rank: int) -> "TensorShape":
        """The shape, which must have at least this number of dimensions."""
        if self.sizes is not None and len(self.sizes) < rank:
            raise SizeError(f"Shape {self} must have rank at least {rank}")
        return self

    def with_rank_at_most(self, rank: int) -> "TensorShape":
        """The shape, which must have at most this number of dimensions."""
        if self.sizes is not None and len(self.sizes) > rank:
            raise SizeError(f"Shape {self} must have rank at most {rank}")
        return self

    def most_specific_compatible_shape(self, other: Any) -> "TensorShape":
        """The shape that both are: sizes that differ are unknown."""
        other = TensorShape(other)
        if self.sizes is None or other.sizes is None or len(self.sizes) != len(other.sizes):
            return TensorShape(None)
        return TensorShape([a if a == b else None for a, b in zip(self.sizes, other.sizes)])

    def assert_same_rank(self, other: Any) -> None:
        """Raise a SizeError where the numbers of dimensions differ."""
        other = TensorShape(other)
        if None not in (self.ndims, other.ndims) and self.ndims != other.ndims:
            raise SizeError(f"Shapes {self} and {other} must have the same rank")

    def assert_is_fully_defined(self) -> None:
        """Raise a SizeError where a size is unknown."""
        if not self.is_fully_defined():
            raise SizeError(f"Shape {self} is not fully defined: give every size")

    def assert_has_rank(self, rank: int) -> None:
        """Raise a SizeError where the number of dimensions differs."""
        self.with_rank(rank)

    def __len__(self) -> int:
        return len(self._known("len()"))

    def __bool__(self) -> bool:
        return self.sizes is not None

    def __iter__(self) -> Iterator[Dimension]:
        return iter([Dimension(d) for d in self._known("iteration")])

    def __getitem__(self, key: Any) -> Any:
        if self.sizes is None:
            return TensorShape(None) if isinstance(key, slice) else Dimension(None)
        found = self.sizes[key]
        return TensorShape(found) if isinstance(key, slice) else Dimension(found)

    def __eq__(self, other: object) -> bool:
        try:
            return self.sizes == TensorShape(other).sizes
        except (SizeError, TypeError):
            return False

    def __hash__(self) -> int:
        return hash(self.sizes)

    def __str__(self) -> str:
        if self.sizes is None:
            return "<unknown>"
        inner = ", ".join("?" if d is None else str(d) for d in self.sizes)
        return f"({inner},)" if len(self.sizes) == 1 else f"({inner})"

    def __repr__(self) -> str:
        inner = None if self.sizes is None else [Dimension(d) for d in self.sizes]
        return f"TensorShape({inner})"


def as_shape(given: Any) -> TensorShape:
    """A TensorShape from sizes, a shape, or None."""
    return given if isinstance(given, TensorShape) else TensorShape(given)


def unknown_shape(rank: int | None = None) -> TensorShape:
    """A shape with unknown sizes, of a number of dimensions if it is given."""
    return TensorShape(None if rank is None else [None] * rank)
