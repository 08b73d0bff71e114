"""Private: datasets and their iterators (tf.data).

The elements of a dataset are computed in Python when an iterator asks for them.
"""

import itertools
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Iterator as PythonIterator
from typing import Any, NamedTuple

import numpy as np

from ...errors import InputError
from ..core import nest
from ..core.constant import as_array, constant_value
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTYPES, as_dtype
from ..core.graph import get_default_graph
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..kernels.random import op_seeds, philox
from .element_functions import Element, ElementFunction, flat_shapes

__all__ = ["Dataset", "IteratorPass", "TextLineDataset"]


class IteratorPass(NamedTuple):
    """One pass of an iterator over a dataset: the session, and the values of its sources."""

    session: Any
    values: Mapping[Tensor, Any]


def _flatten_up_to(types: Any, value: Any) -> list:
    if not nest.is_sequence(types):
        return [value]
    if isinstance(types, dict):
        return [v for k in sorted(types) for v in _flatten_up_to(types[k], value[k])]
    return [v for t, part in zip(types, value) for v in _flatten_up_to(t, part)]


def _number(value: Any) -> int:
    """A count that is a number or a constant."""
    found = constant_value(value) if isinstance(value, Tensor) else value
    if found is None:
        raise InputError(f"tf.data was given {value} as a count: give a number or a constant")
    return int(found)


class Dataset:
    """A sequence of elements; an element is a tensor or a structure of tensors.

    Attributes:
        output_types, output_shapes, output_classes: The dtypes, shapes and classes of an element,
            in its structure.
        sources: The tensors that the elements are made of.
    """

    def __init__(
        self,
        types: Any,
        shapes: Any,
        elements: Callable[[IteratorPass], Iterable[Element]],
        sources: Iterable[Tensor] = (),
    ):
        self.output_types, self.output_shapes = types, shapes
        self.elements, self.sources = elements, list(dict.fromkeys(sources))

    @property
    def output_classes(self) -> Any:
        """tf.Tensor for each part of an element."""
        return nest.map_structure(lambda _: Tensor, self.output_types)

    @property
    def _shapes(self) -> list[TensorShape]:
        return flat_shapes(self.output_types, self.output_shapes)

    def _same(self, elements: Callable[[IteratorPass], Iterable[Element]]) -> "Dataset":
        return Dataset(self.output_types, self.output_shapes, elements, self.sources)

    # Sources

    @staticmethod
    def from_tensors(tensors: Any) -> "Dataset":
        """A dataset with one element.

        Args:
            tensors: The element: a structure of tensors or arrays.
        """
        structure, values = _values_of(tensors)
        types = nest.pack_sequence_as(structure, [t.dtype.base_dtype for t in values])
        shapes = nest.pack_sequence_as(structure, [t.shape for t in values])
        return Dataset(types, shapes, lambda of: [[of.values[t] for t in values]], values)

    @staticmethod
    def from_tensor_slices(tensors: Any) -> "Dataset":
        """A dataset of the rows of tensors.

        Args:
            tensors: A structure of tensors or arrays with the same number of rows.
        """
        structure, values = _values_of(tensors)
        rows = {t.shape[0].value for t in values if t.shape.ndims and t.shape[0].value is not None}
        if len(rows) > 1 or any(t.shape.ndims == 0 for t in values):
            raise InputError(
                f"from_tensor_slices was given shapes {[str(t.shape) for t in values]}: give "
                "tensors with the same number of rows"
            )
        types = nest.pack_sequence_as(structure, [t.dtype.base_dtype for t in values])
        shapes = nest.pack_sequence_as(structure, [t.shape[1:] for t in values])

        def elements(of: IteratorPass) -> Iterable[Element]:
            for row in zip(*(of.values[t] for t in values)):
                yield [_bytes(v) if isinstance(v, bytes) else np.asarray(v) for v in row]

        return Dataset(types, shapes, elements, values)

    @staticmethod
    def from_generator(
        generator: Callable, output_types: Any, output_shapes: Any = None, args: Any = None
    ) -> "Dataset":
        """A dataset of what a Python generator yields.

        Args:
            generator: Returns an iterator.
            output_types, output_shapes: The dtypes and shapes of an element.
            args: Arguments for the generator.
        """
        types = nest.map_structure(as_dtype, output_types)
        if output_shapes is None:
            output_shapes = nest.map_structure(lambda _: TensorShape(None), types)
        given = () if args is None else tuple(constant_value(a) for a in args)

        def elements(of: IteratorPass) -> Iterable[Element]:
            for value in generator(*given):
                yield [
                    as_array(v, t)
                    for v, t in zip(_flatten_up_to(types, value), nest.flatten(types))
                ]

        return Dataset(types, output_shapes, elements)

    @staticmethod
    def range(*args: Any) -> "Dataset":
        """The numbers of `range` as int64."""
        numbers = [_number(a) for a in args]
        return Dataset(
            DTYPES["int64"],
            TensorShape([]),
            lambda of: ([np.array(i, np.int64)] for i in range(*numbers)),
        )

    @staticmethod
    def zip(datasets: Any) -> "Dataset":
        """Elements of several datasets side by side.

        Args:
            datasets: A structure of datasets.
        """
        parts: list[Dataset] = nest.flatten(datasets)
        types = nest.map_structure(lambda d: d.output_types, datasets)
        shapes = nest.map_structure(lambda d: d.output_shapes, datasets)

        def elements(of: IteratorPass) -> Iterable[Element]:
            for row in zip(*(d.elements(of) for d in parts)):
                yield [v for element in row for v in element]

        return Dataset(types, shapes, elements, [t for d in parts for t in d.sources])

    # Changes of the order

    def concatenate(self, dataset: "Dataset") -> "Dataset":
        """The elements of this dataset, then those of another one."""
        return Dataset(
            self.output_types,
            self.output_shapes,
            lambda of: itertools.chain(self.elements(of), dataset.elements(of)),
            [*self.sources, *dataset.sources],
        )

    def repeat(self, count: Any = None) -> "Dataset":
        """The dataset several times, or without end for None and -1."""
        times = -1 if count is None else _number(count)

        def elements(of: IteratorPass) -> Iterable[Element]:
            for _ in itertools.count() if times < 0 else range(times):
                empty = True
                for element in self.elements(of):
                    empty = False
                    yield element
                if empty:
                    return

        return self._same(elements)

    def take(self, count: Any) -> "Dataset":
        """The first elements; all for -1."""
        n = _number(count)
        return self._same(lambda of: itertools.islice(self.elements(of), None if n < 0 else n))

    def skip(self, count: Any) -> "Dataset":
        """All but the first elements."""
        n = _number(count)
        return self._same(lambda of: itertools.islice(self.elements(of), n, None))

    def shard(self, num_shards: Any, index: Any) -> "Dataset":
        """Every `num_shards`-th element."""
        n, first = _number(num_shards), _number(index)
        return self._same(lambda of: itertools.islice(self.elements(of), first, None, n))

    def shuffle(
        self, buffer_size: Any, seed: Any = None, reshuffle_each_iteration: bool | None = None
    ) -> "Dataset":
        """The elements in a random order, drawn from a buffer.

        Args:
            buffer_size: The size of the buffer.
            seed: The seed; None for one from the graph.
            reshuffle_each_iteration: Whether each pass has another order; None for True.
        """
        graph, size = get_default_graph(), _number(buffer_size)
        seeds = op_seeds(graph.seed, None if seed is None else _number(seed), graph.last_id)
        if seeds == (0, 0):
            first, second = np.random.SeedSequence().generate_state(2)
            seeds = int(first), int(second)
        again = reshuffle_each_iteration is None or reshuffle_each_iteration
        passes = _words(*seeds)

        def elements(of: IteratorPass) -> Iterable[Element]:
            words = _words(next(passes), next(passes)) if again else _words(*seeds)
            source = iter(self.elements(of))
            buffer = list(itertools.islice(source, size))
            for element in source:
                at = next(words) % len(buffer)
                yield buffer[at]
                # the element at the start takes the place of the drawn one
                buffer[at] = buffer[0]
                del buffer[0]
                buffer.append(element)
            while buffer:
                at = next(words) % len(buffer)
                yield buffer[at]
                buffer[at] = buffer[0]
                del buffer[0]

        return self._same(elements)

    def prefetch(self, buffer_size: Any) -> "Dataset":
        """The dataset itself: elements are computed when they are asked for."""
        return self

    def cache(self, filename: Any = "") -> "Dataset":
        """The dataset, computed once in each session."""
        kept: list[Element] = []
        done: list[bool] = []

        def elements(of: IteratorPass) -> Iterable[Element]:
            if done:
                yield from kept
                return
            found = []
            for element in self.elements(of):
                found.append(element)
                yield element
            kept[:], done[:] = found, [True]

        return self._same(elements)

    def apply(self, transformation_func: Callable) -> "Dataset":
        """The result of a function of the dataset."""
        return transformation_func(self)

    # Batches

    def batch(self, batch_size: Any, drop_remainder: Any = False) -> "Dataset":
        """Elements in batches, along a new first dimension.

        Args:
            batch_size: The number of elements of a batch.
            drop_remainder: Whether a last, smaller batch is left out.
        """
        return self._batches(batch_size, drop_remainder, lambda i, arrays: _stacked(arrays))

    def _batches(
        self, batch_size: Any, drop_remainder: Any, join: Callable, shapes: Any = None
    ) -> "Dataset":
        size, drop = _number(batch_size), bool(drop_remainder)
        if size < 1:
            raise InputError(f"batch_size is {size}: give 1 or more")
        outer = [
            TensorShape([size if drop else None]).concatenate(s) for s in shapes or self._shapes
        ]

        def elements(of: IteratorPass) -> Iterable[Element]:
            source = iter(self.elements(of))
            while rows := list(itertools.islice(source, size)):
                if len(rows) == size or not drop:
                    yield [join(i, arrays) for i, arrays in enumerate(zip(*rows))]

        shapes = nest.pack_sequence_as(self.output_types, outer)
        return Dataset(self.output_types, shapes, elements, self.sources)

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any,
        padding_values: Any = None,
        drop_remainder: Any = False,
    ) -> "Dataset":
        """Elements in batches, padded to one shape.

        Args:
            batch_size, drop_remainder: See `batch`.
            padded_shapes: The shape of each part of an element; None or -1 for the largest size in
                the batch.
            padding_values: The value that pads each part; None for 0 and "".
        """
        types = nest.flatten(self.output_types)
        shapes = [
            TensorShape([None if d in (None, -1) else d for d in (s.as_list() if isinstance(
                s, TensorShape) else s)])
            for s in _flatten_up_to(self.output_types, padded_shapes)
        ]  # fmt: skip
        values = (
            [b"" if t.kind == "O" else 0 for t in types]
            if padding_values is None
            else [constant_value(v)[()] for v in _flatten_up_to(self.output_types, padding_values)]  # type: ignore[index]
        )

        def join(i: int, arrays: Any) -> np.ndarray:
            sizes = [
                d if d is not None else max(a.shape[k] for a in arrays)
                for k, d in enumerate(shapes[i].as_list())
            ]
            whole = np.full((len(arrays), *sizes), values[i], types[i].as_numpy_dtype)
            for row, a in zip(whole, arrays):
                row[tuple(slice(0, n) for n in a.shape)] = a
            return whole

        return self._batches(batch_size, drop_remainder, join, shapes)

    # Functions

    def map(self, map_func: Callable, num_parallel_calls: Any = None) -> "Dataset":
        """The result of a TensorFlow function for each element.

        Args:
            map_func: Takes the parts of an element and returns a structure of tensors.
            num_parallel_calls: Accepted for compatibility; ignored.
        """
        function = ElementFunction(map_func, self.output_types, self.output_shapes)
        return Dataset(
            nest.map_structure(lambda t: t.dtype.base_dtype, function.structure),
            nest.map_structure(lambda t: t.shape, function.structure),
            lambda of: (function(of.session, e) for e in self.elements(of)),
            self.sources,
        )

    def filter(self, predicate: Callable) -> "Dataset":
        """The elements for which a TensorFlow function is true."""
        function = ElementFunction(predicate, self.output_types, self.output_shapes)
        return self._same(lambda of: (e for e in self.elements(of) if function(of.session, e)[0]))

    # Iterators

    def make_one_shot_iterator(self) -> Any:
        """An iterator that needs no initialization and ends after one pass."""
        from .iterator import Iterator  # iterators need datasets

        return Iterator(self.output_types, self.output_shapes, self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Any:
        """An iterator that starts when its `initializer` is run."""
        from .iterator import Iterator  # iterators need datasets

        iterator = Iterator(self.output_types, self.output_shapes)
        iterator._initializer = iterator.make_initializer(self)
        return iterator

    def __repr__(self) -> str:
        return f"<Dataset shapes: {self.output_shapes}, types: {self.output_types}>"


class TextLineDataset(Dataset):
    """The lines of text files, without their ends.

    Args:
        filenames: A path or several.
        compression_type, buffer_size, num_parallel_reads: Accepted for compatibility; ignored.
    """

    def __init__(
        self,
        filenames: Any,
        compression_type: Any = None,
        buffer_size: Any = None,
        *,
        num_parallel_reads: Any = None,
    ):
        paths = np.ravel(as_array(filenames))

        def elements(of: IteratorPass) -> Iterable[Element]:
            for path in paths:
                with open(path, "rb") as file:
                    for line in file:
                        yield [_bytes(line.rstrip(b"\n").removesuffix(b"\r"))]

        super().__init__(DTYPES["string"], TensorShape([]), elements)


def _bytes(value: bytes) -> np.ndarray:
    found = np.empty((), object)
    found[()] = value
    return found


def _stacked(arrays: Any) -> np.ndarray:
    try:
        return np.stack(arrays)
    except ValueError:
        raise InputError(
            f"Cannot batch tensors with different shapes: {[a.shape for a in arrays]}; use "
            "padded_batch"
        ) from None


def _words(seed: int, seed2: int) -> PythonIterator[int]:
    """Random 32-bit words."""
    for block in itertools.count(0, 64):
        yield from (int(w) for w in philox(seed, seed2, start=block, count=256))


def _values_of(tensors: Any) -> tuple[Any, list[Tensor]]:
    # A list is one tensor; tuples and dictionaries are structures.
    if isinstance(tensors, tuple):
        parts = [_values_of(t) for t in tensors]
        structure: Any = tuple(s for s, _ in parts)
        if hasattr(tensors, "_fields"):
            structure = type(tensors)(*structure)
        return structure, [v for _, values in parts for v in values]
    if isinstance(tensors, dict):
        found = {k: _values_of(tensors[k]) for k in sorted(tensors)}
        return {k: found[k][0] for k in tensors}, [v for k in found for v in found[k][1]]
    return 0, [convert_to_tensor(tensors)]
