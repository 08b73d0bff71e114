"""Private: decoders and the loop that runs them: dynamic_decode and BasicDecoder."""

from abc import ABC, abstractmethod
from collections import namedtuple
from typing import Any

from ...errors import ArgumentTypeError, SizeError
from ..core import nest
from ..core.constant import constant, constant_value
from ..core.conversion import convert_to_tensor
from ..core.graph import name_scope
from ..core.shape import TensorShape
from ..core.tensors import Tensor, TensorLike
from ..flow.control_flow import while_loop
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from ..rnn.checks import check_cell
from ..rnn.dynamic import cache_reads
from ..state import scopes
from .helpers import Helper
from .sizes import batch_major, check_layer, output_size_of, zero_rows

__all__ = ["BasicDecoder", "BasicDecoderOutput", "Decoder", "dynamic_decode"]


class Decoder(ABC):
    """A decoder for `dynamic_decode`. A program's own decoder defines the abstract members, and
    `finalize` where the outputs of the loop are not the results.
    """

    @property
    @abstractmethod
    def batch_size(self) -> Any:
        """The number of rows, ()."""

    @property
    @abstractmethod
    def output_size(self) -> Any:
        """The shapes of the outputs of a row in one step, in their structure."""

    @property
    @abstractmethod
    def output_dtype(self) -> Any:
        """The dtypes of the outputs, in the structure of `output_size`."""

    @abstractmethod
    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows (B,), the first input and the first state."""

    @abstractmethod
    def step(self, time: Tensor, inputs: Any, state: Any, name: str | None = None) -> tuple:
        """One step.

        Args:
            time: The number of the step, ().
            inputs: The input of the step.
            state: The state before the step.
            name: The name scope.

        Returns:
            The outputs, the next state, the next input and the finished rows.
        """

    def finalize(self, outputs: Any, final_state: Any, sequence_lengths: Tensor) -> tuple:
        """The results, from the outputs of all steps (T, B, ...) and the final state."""
        raise NotImplementedError

    @property
    def tracks_own_finished(self) -> bool:
        """Whether a row may be finished in one step and not in a later one."""
        return False


def dynamic_decode(
    decoder: Decoder,
    output_time_major: bool = False,
    impute_finished: bool = False,
    maximum_iterations: TensorLike | None = None,
    parallel_iterations: int = 32,
    swap_memory: bool = False,
    scope: Any = None,
) -> tuple[Any, Any, Any]:
    """Run a decoder until all rows are finished.

    Args:
        decoder: The decoder.
        output_time_major: Whether time is the first dimension of the outputs.
        impute_finished: Whether the outputs of finished rows are 0 and their states are kept;
            otherwise the steps go on for them.
        maximum_iterations: The largest number of steps, (); None for no limit.
        parallel_iterations, swap_memory: Accepted for compatibility; ignored.
        scope: The scope of the variables; None for "decoder".

    Returns:
        The outputs (B, T, ...), the final state, and the number of steps of each row.

    Raises:
        ArgumentTypeError: It is not a Decoder.
        SizeError: `maximum_iterations` is not one number.
    """
    if not isinstance(decoder, Decoder):
        raise ArgumentTypeError(
            f"Expected decoder to be type Decoder, but saw: {type(decoder).__name__}: give "
            "tf.contrib.seq2seq.BasicDecoder(...) or another decoder"
        )
    with scopes.variable_scope(scope, "decoder") as entered:
        cache_reads(entered)
        if maximum_iterations is not None:
            maximum_iterations = convert_to_tensor(
                maximum_iterations, dtype="int32", name="maximum_iterations"
            )
            if maximum_iterations.shape.ndims != 0:
                raise SizeError(
                    f"maximum_iterations must be a scalar, not of shape {maximum_iterations.shape}"
                    ": give one number"
                )
        finished, inputs, state = decoder.initialize()
        zero_outputs = zero_rows(decoder.output_size, decoder.batch_size, decoder.output_dtype)
        if maximum_iterations is not None:
            finished = math.logical_or(finished, 0 >= maximum_iterations)
        lengths = arrays.zeros_like(finished, dtype="int32")
        time = constant(0, dtype="int32")
        rows = constant_value(convert_to_tensor(decoder.batch_size, name="batch_size"))

        def array(size: Any, dtype: Any) -> TensorArray:
            shape = TensorShape(None)
            if isinstance(size, TensorShape) and size.ndims != 0:
                shape = TensorShape([None if rows is None else int(rows)]).concatenate(size)
            return TensorArray(dtype, size=0, dynamic_size=True, element_shape=shape)

        def step(
            time: Tensor, outputs: Any, state: Any, inputs: Any, finished: Tensor, lengths: Tensor
        ) -> tuple:
            output, next_state, next_inputs, now_finished = decoder.step(time, inputs, state)
            if not decoder.tracks_own_finished:
                now_finished = math.logical_or(now_finished, finished)
            lengths = arrays.where(
                math.logical_not(finished),
                arrays.fill(arrays.shape(lengths), time + 1),
                lengths,
            )
            nest.assert_same_structure(state, next_state)
            nest.assert_same_structure(outputs, output)
            nest.assert_same_structure(inputs, next_inputs)
            if impute_finished:
                output = nest.map_structure(
                    lambda new, zero: arrays.where(finished, zero, new), output, zero_outputs
                )
                next_state = nest.map_structure(
                    lambda new, old: _kept(finished, new, old), next_state, state
                )
            outputs = nest.map_structure(lambda a, o: a.write(time, o), outputs, output)
            return time + 1, outputs, next_state, next_inputs, now_finished, lengths

        empty = nest.map_structure(array, decoder.output_size, decoder.output_dtype)
        _, outputs, state, _, _, lengths = while_loop(
            lambda *variables: math.logical_not(math.reduce_all(variables[4])),
            step,
            (time, empty, state, inputs, finished, lengths),
            parallel_iterations=parallel_iterations,
            maximum_iterations=maximum_iterations,
            swap_memory=swap_memory,
        )
        outputs = nest.map_structure(lambda a: a.stack(), outputs)
        try:
            outputs, state = decoder.finalize(outputs, state, lengths)
        except NotImplementedError:
            pass  # the outputs of the loop are the results
        if not output_time_major:
            outputs = nest.map_structure(batch_major, outputs)
    return outputs, state, lengths


def _kept(finished: Tensor, new: Any, old: Any) -> Any:
    """The new state of rows that are not finished, the old one of the others."""
    if isinstance(old, TensorArray):
        return new
    new.set_shape(old.shape)
    return new if new.shape.ndims == 0 else arrays.where(finished, old, new)


class BasicDecoderOutput(namedtuple("BasicDecoderOutput", ("rnn_output", "sample_id"))):
    """The outputs of a `BasicDecoder`: the cell's outputs, after the output layer, and the ids that
    the helper took.
    """

    __slots__ = ()


class BasicDecoder(Decoder):
    """A decoder that runs a cell; a helper chooses its inputs.

    Args:
        cell: The cell.
        helper: The helper, such as a `TrainingHelper`.
        initial_state: The first state of the cell.
        output_layer: A layer of tf.layers for the cell's outputs, or None.

    Raises:
        ArgumentTypeError: An argument is of another kind.
    """

    def __init__(self, cell: Any, helper: Helper, initial_state: Any, output_layer: Any = None):
        check_cell(cell, "BasicDecoder")
        if not isinstance(helper, Helper):
            raise ArgumentTypeError(
                f"helper must be a Helper, received: {helper!r} ({type(helper).__name__}): give "
                "tf.contrib.seq2seq.TrainingHelper(...) or another helper"
            )
        check_layer(output_layer, "output_layer")
        self._cell, self._helper = cell, helper
        self._initial_state, self._output_layer = initial_state, output_layer

    @property
    def batch_size(self) -> Any:
        """The number of rows, ()."""
        return self._helper.batch_size

    @property
    def output_size(self) -> BasicDecoderOutput:
        """The shapes of the outputs of a row."""
        size = output_size_of(self._cell, self._output_layer)
        return BasicDecoderOutput(size, self._helper.sample_ids_shape)

    @property
    def output_dtype(self) -> BasicDecoderOutput:
        """The dtypes of the outputs; that of the cell's outputs is the dtype of its state."""
        dtype = nest.flatten(self._initial_state)[0].dtype
        size = output_size_of(self._cell, self._output_layer)
        return BasicDecoderOutput(
            nest.map_structure(lambda _: dtype, size), self._helper.sample_ids_dtype
        )

    def initialize(self, name: str | None = None) -> tuple:
        """The finished rows, the first input and the first state."""
        return (*self._helper.initialize(), self._initial_state)

    def step(self, time: Tensor, inputs: Any, state: Any, name: str | None = None) -> tuple:
        """One step; see `Decoder.step`."""
        with name_scope(name, "BasicDecoderStep"):
            output, state = self._cell(inputs, state)
            if self._output_layer is not None:
                output = self._output_layer(output)
            ids = self._helper.sample(time=time, outputs=output, state=state)
            finished, inputs, state = self._helper.next_inputs(
                time=time, outputs=output, state=state, sample_ids=ids
            )
        return BasicDecoderOutput(output, ids), state, inputs, finished
