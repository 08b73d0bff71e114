"""Private: iterators over datasets (tf.data.Iterator)."""

from typing import Any

from ...errors import InputError
from ..core import nest
from ..core.dtypes import as_dtype
from ..core.errors import FailedPreconditionError, OutOfRangeError
from ..core.executor import SessionPlan
from ..core.graph import get_default_graph
from ..core.registry import define, not_differentiable
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from .dataset import Dataset, IteratorPass
from .element_functions import flat_shapes

__all__ = ["Iterator"]

define(
    "IteratorGetNext",
    lambda op: list(zip(op.attrs["output_types"], op.attrs["output_shapes"])),
    lambda run, op: op.attrs["iterator"].next(run.session),
    stateful=True,
)
define(
    "MakeIterator",
    lambda op: [],
    lambda run, op, *values: op.attrs["iterator"].start(
        op.attrs["dataset"], IteratorPass(run.session, dict(zip(op.inputs, values)))
    ),
    stateful=True,
)
not_differentiable("IteratorGetNext", "MakeIterator")


class Iterator:
    """The elements of a dataset, one after another.

    Attributes:
        initializer: The operation that starts it.

    Args:
        types, shapes: The dtypes and shapes of an element.
        dataset: The dataset of an iterator that needs no initialization.
    """

    def __init__(self, types: Any, shapes: Any, dataset: Dataset | None = None):
        self.output_types, self.output_shapes = types, shapes
        self._dataset = dataset
        self._initializer: Operation | None = None

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> "Iterator":
        """An iterator for any dataset with such elements; see `make_initializer`."""
        types = nest.map_structure(as_dtype, output_types)
        if output_shapes is None:
            output_shapes = nest.map_structure(lambda _: TensorShape(None), types)
        return Iterator(types, output_shapes)

    @property
    def output_classes(self) -> Any:
        """tf.Tensor for each part of an element."""
        return nest.map_structure(lambda _: Tensor, self.output_types)

    @property
    def initializer(self) -> Operation:
        """The operation that starts it.

        Raises:
            InputError: The iterator needs none, or has several (`make_initializer`).
        """
        if self._initializer is None:
            raise InputError(
                "Iterator does not have an initializer: write "
                "dataset.make_initializable_iterator(), or iterator.make_initializer(dataset)"
            )
        return self._initializer

    def make_initializer(self, dataset: Dataset, name: str | None = None) -> Operation:
        """An operation that starts the iterator on a dataset.

        Raises:
            InputError: The dataset has elements of other dtypes.
        """
        ours, theirs = nest.flatten(self.output_types), nest.flatten(dataset.output_types)
        if [t.name for t in ours] != [t.name for t in theirs]:
            raise InputError(
                f"the iterator has elements of {self.output_types!r}, the dataset of "
                f"{dataset.output_types!r}: give a dataset with the iterator's dtypes"
            )
        attrs = {"iterator": self, "dataset": dataset}
        return get_default_graph().create_op(
            "MakeIterator", dataset.sources, name or "make_initializer", attrs
        )

    def get_next(self, name: str | None = None) -> Any:
        """The next element, as tensors."""
        attrs = {
            "iterator": self,
            "output_types": nest.flatten(self.output_types),
            "output_shapes": flat_shapes(self.output_types, self.output_shapes),
        }
        op = get_default_graph().create_op("IteratorGetNext", [], name or "IteratorGetNext", attrs)
        return nest.pack_sequence_as(self.output_types, op.outputs)

    def start(self, dataset: Dataset, of: IteratorPass) -> tuple:
        """Start on a dataset."""
        of.session.resources[self] = iter(dataset.elements(of))
        return ()

    def next(self, session: Any) -> tuple:
        """The values of the next element, in a session.

        Raises:
            FailedPreconditionError: The iterator was not started.
            OutOfRangeError: The dataset is at its end.
        """
        if self not in session.resources:
            if self._dataset is None:
                raise FailedPreconditionError(
                    "GetNext() failed because the iterator has not been initialized: run "
                    "sess.run(iterator.initializer) first"
                )
            sources = self._dataset.sources
            values = SessionPlan(sources, ()).run(session, {})
            self.start(self._dataset, IteratorPass(session, dict(zip(sources, values))))
        try:
            return tuple(next(session.resources[self]))
        except StopIteration:
            raise OutOfRangeError(
                "End of sequence: the iterator has no further elements; catch "
                "tf.errors.OutOfRangeError, or repeat the dataset"
            ) from None
