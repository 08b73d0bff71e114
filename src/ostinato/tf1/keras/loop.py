"""Private: the loop of recurrent layers (tf.keras.backend.rnn)."""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError, SizeError
from ..core import nest
from ..core.constant import constant
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..flow.control_flow import while_loop
from ..ops import arrays, math
from ..ops.tensor_arrays import TensorArray
from . import arithmetic

__all__ = ["rnn"]


def _swap(x: Any) -> Tensor:
    """A tensor with its first two dimensions swapped."""
    return arrays.transpose(x, [1, 0, *range(2, len(x.shape))])


def _expand_mask(mask: Tensor, x: Tensor) -> Tensor:
    """A mask of rows, (B, 1), as large as a tensor (B, ...)."""
    for _ in range(len(x.shape) - len(mask.shape)):
        mask = arrays.expand_dims(mask, -1)
    return arrays.tile(mask, [1, *x.shape.as_list()[1:]])


def _keep_shapes(new: list, old: list) -> None:
    for state, before in zip(new, old):
        if hasattr(state, "set_shape"):
            state.set_shape(before.shape)


def _chosen(mask: Tensor, new: Sequence, old: Sequence) -> tuple:
    """The new values where the mask is true, and the old ones elsewhere."""
    masks = [_expand_mask(mask, x) for x in new]
    return tuple(arrays.where(m, n, o) for m, n, o in zip(masks, new, old))


def rnn(
    step_function: Callable,
    inputs: Any,
    initial_states: Sequence,
    go_backwards: bool = False,
    mask: Any = None,
    constants: Sequence | None = None,
    unroll: bool = False,
    input_length: int | None = None,
    time_major: bool = False,
    zero_output_for_mask: bool = False,
) -> tuple[Any, Any, Any]:
    """Iterate over the steps of a sequence.

    Args:
        step_function: Takes the input of a step and the list of states and constants; returns the
            output and the list of new states.
        inputs: (B, T, ...), or a structure of these.
        initial_states: The states before the first step, each (B, ...).
        go_backwards: Whether to begin with the last step.
        mask: Whether a step counts, (B, T). Other steps keep the output and the states of the step
            before.
        constants: Tensors that each step gets too.
        unroll: Whether each step has operations of its own, in place of a loop.
        input_length: T, if it is known.
        time_major: Whether inputs, outputs and the mask are (T, B, ...).
        zero_output_for_mask: Whether the output of masked steps is 0.

    Returns:
        The last output (B, ...), the outputs (B, T, ...), and the last states.

    Raises:
        SizeError: The inputs have fewer than three dimensions.
        InputError: `unroll` without a known number of steps, or a mask without states.
    """
    if not time_major:
        inputs = nest.map_structure(_swap, inputs)
    flat = nest.flatten(inputs)
    steps = arrays.shape(flat[0])[0]
    for x in flat:
        if x.shape.ndims is not None and x.shape.ndims < 3:
            raise SizeError(
                f"a recurrent layer was given {x}: give it three dimensions or more, "
                "(batch, time, size)"
            )
    if mask is not None:
        if not mask.dtype.base_dtype.is_bool:
            mask = math.cast(mask, "bool")
        if len(mask.shape) == 2:
            mask = arithmetic.expand_dims(mask)
        if not time_major:
            mask = _swap(mask)
    loop = _Steps(step_function, inputs, list(initial_states), list(constants or ()), mask)
    loop.go_backwards, loop.zero_masked = go_backwards, zero_output_for_mask
    run = loop.unrolled if unroll else loop.looped
    last, outputs, states = run(steps, input_length)

    def with_sizes(output: Tensor) -> Tensor:
        output.set_shape(TensorShape([flat[0].shape[0], flat[0].shape[1], *output.shape[2:]]))
        return output

    outputs = nest.map_structure(with_sizes, outputs)
    if not time_major:
        outputs = nest.map_structure(_swap, outputs)
    return last, outputs, states


class _Steps:
    """The steps of `rnn`, with inputs and mask (T, B, ...)."""

    go_backwards = zero_masked = False

    def __init__(
        self, function: Callable, inputs: Any, states: list, constants: list, mask: Any
    ) -> None:
        self.function, self.inputs = function, inputs
        self.states, self.constants, self.mask = states, constants, mask

    def unrolled(self, steps: Tensor, length: int | None) -> tuple[Any, Any, Any]:
        """The operations of each step."""
        count = nest.flatten(self.inputs)[0].shape.sizes[0]
        if not count:
            raise InputError("Unrolling requires a fixed number of timesteps: give the input one")
        parts = [self._listed(x) for x in nest.flatten(self.inputs)]
        masks = None if self.mask is None else self._listed(self.mask)
        states: Any = tuple(self.states)
        outputs: list = []
        for i in range(count):
            x = nest.pack_sequence_as(self.inputs, [part[i] for part in parts])
            output, new = self.function(x, (*states, *self.constants))
            if masks is not None:
                before = outputs[-1] if outputs and not self.zero_masked else None
                before = arrays.zeros_like(output) if before is None else before
                output = arrays.where(_expand_mask(masks[i], output), output, before)
                new = [arrays.where(_expand_mask(masks[i], n), n, s) for s, n in zip(states, new)]
            states = new
            outputs.append(output)
        return outputs[-1], arrays.stack(outputs), states

    def _listed(self, x: Tensor) -> list:
        parts = arrays.unstack(x)
        return parts[::-1] if self.go_backwards else parts

    def looped(self, steps: Tensor, length: int | None) -> tuple[Any, Any, Any]:
        """A loop over the steps."""
        flat = nest.flatten(self.inputs)
        arrays_of = [
            TensorArray(x.dtype, size=steps, tensor_array_name=f"input_ta_{i}")
            for i, x in enumerate(flat)
        ]
        self.input_arrays = [
            array.unstack(arithmetic.reverse(x, 0) if self.go_backwards else x)
            for array, x in zip(arrays_of, flat)
        ]
        # The first step outside of the loop tells the shape of the output.
        first = nest.pack_sequence_as(self.inputs, [x[0] for x in flat])
        self.like, _ = self.function(first, self.states + self.constants)
        output_arrays = tuple(
            TensorArray(o.dtype, size=steps, tensor_array_name=f"output_ta_{i}")
            for i, o in enumerate(nest.flatten(self.like))
        )
        time = constant(0, dtype="int32", name="time")
        body, kept = self._step, ()
        if self.mask is not None:
            body, kept = self._masked_step, self._start_mask(steps)
        results = while_loop(
            lambda time, *_: time < steps,
            body,
            (time, output_arrays, *kept, *self.states),
            maximum_iterations=length,
            parallel_iterations=32,
            swap_memory=True,
        )
        outputs = [array.stack() for array in results[1]]
        last = [o[-1] for o in outputs]
        return (
            nest.pack_sequence_as(self.like, last),
            nest.pack_sequence_as(self.like, outputs),
            results[2 + len(kept) :],
        )

    def _read(self, time: Tensor) -> Any:
        return nest.pack_sequence_as(self.inputs, [a.read(time) for a in self.input_arrays])

    def _step(self, time: Tensor, output_arrays: Any, *states: Any) -> tuple:
        output, new = self.function(self._read(time), (*states, *self.constants))
        flat_new = nest.flatten(new)
        _keep_shapes(flat_new, nest.flatten(states))
        written = tuple(a.write(time, o) for a, o in zip(output_arrays, nest.flatten(output)))
        return (time + 1, written, *nest.pack_sequence_as(self.states, flat_new))

    def _start_mask(self, steps: Tensor) -> tuple:
        if not self.states:
            raise InputError(
                "No initial states provided! A mask needs states: the step function has to return "
                "one at least"
            )
        if self.go_backwards:
            self.mask = arithmetic.reverse(self.mask, 0)
        array = TensorArray("bool", size=steps, tensor_array_name="mask_ta")
        self.mask_array = array.unstack(self.mask)
        self.zeros = tuple(arrays.zeros_like(o) for o in nest.flatten(self.like))
        return (self.zeros,)

    def _masked_step(self, time: Tensor, output_arrays: Any, before: Any, *states: Any) -> tuple:
        x = self._read(time)
        mask = self.mask_array.read(time)
        output, new = self.function(x, (*states, *self.constants))
        old_output = self.zeros if self.zero_masked else before
        outputs = _chosen(mask, nest.flatten(output), old_output)
        flat_new, flat_old = nest.flatten(new), nest.flatten(states)
        _keep_shapes(flat_new, flat_old)
        chosen = _chosen(mask, flat_new, flat_old)
        written = tuple(a.write(time, o) for a, o in zip(output_arrays, outputs))
        return (time + 1, written, outputs, *nest.pack_sequence_as(self.states, list(chosen)))
