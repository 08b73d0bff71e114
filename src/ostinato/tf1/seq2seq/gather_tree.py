"""Private: the sequences of a beam search, from the ids of each step and their parents."""

from typing import Any

import numpy as np

from ..core.conversion import apply
from ..core.dtypes import DType
from ..core.errors import InvalidArgumentError
from ..core.registry import define, not_differentiable
from ..core.tensors import Operation, Tensor, TensorLike
from ..ops import arrays, math
from .sizes import size_at

__all__ = ["gather_tree", "gather_tree_from_array"]


def _outputs(op: Operation) -> list[tuple[DType, Any]]:
    steps, parents = op.inputs[0], op.inputs[1]
    return [(steps.dtype.base_dtype, steps.shape.merge_with(parents.shape).with_rank(3))]


def _follow(
    op: Operation, steps: np.ndarray, parents: np.ndarray, lengths: np.ndarray, end: np.ndarray
) -> np.ndarray:
    times, rows, width = steps.shape
    found = np.full_like(steps, end)
    for row in range(rows):
        count = min(times, int(lengths[row]))
        beams = np.arange(width)
        for time in range(count - 1, -1, -1):
            if beams.min(initial=0) < 0 or beams.max(initial=0) >= width:
                raise InvalidArgumentError(
                    None,
                    op,
                    f"Saw invalid parent ids {beams.tolist()} at (batch, time) == ({row}, {time}): "
                    f"give numbers of beams, from 0 to {width - 1}",
                )
            found[time, row] = steps[time, row, beams]
            beams = parents[time, row, beams]
        # ids after the first end token, in paths that go on after it
        ended = np.logical_or.accumulate(found[:, row] == end, axis=0)
        found[1:, row][ended[:-1]] = end
    return found


define("GatherTree", _outputs, _follow)
not_differentiable("GatherTree")


def gather_tree(
    step_ids: TensorLike,
    parent_ids: TensorLike,
    max_sequence_lengths: TensorLike,
    end_token: TensorLike,
    name: str | None = None,
) -> Tensor:
    """The ids of each beam's whole path.

    Args:
        step_ids: The ids that were added in each step, (T, B, beam width).
        parent_ids: The beam of the step before that each one continues, (T, B, beam width).
        max_sequence_lengths: The number of steps of each row, (B,).
        end_token: The id that follows the end of a path, ().
        name: The name of the operation.

    Returns:
        (T, B, beam width).
    """
    inputs = {
        "step_ids": step_ids,
        "parent_ids": parent_ids,
        "max_sequence_lengths": max_sequence_lengths,
        "end_token": end_token,
    }
    op = apply(
        "GatherTree",
        inputs,
        name=name,
        dtypes={"max_sequence_lengths": "int32"},
        same=("step_ids", "parent_ids", "end_token"),
    )
    return op.outputs[0]


def gather_tree_from_array(t: Tensor, parent_ids: Tensor, sequence_length: Tensor) -> Tensor:
    """Values of each step and beam in the order of whole paths.

    Args:
        t: (T, B, beam width, ...).
        parent_ids: See `gather_tree`.
        sequence_length: The number of steps of each beam, (B, beam width).

    Returns:
        A tensor of the shape of `t`.
    """
    steps, rows, width = (size_at(parent_ids, axis) for axis in range(3))
    beams = arrays.expand_dims(arrays.expand_dims(math.range(width), 0), 0)
    beams = arrays.tile(beams, [steps, rows, 1])
    longest = math.to_int32(math.reduce_max(sequence_length, axis=1))
    order = gather_tree(
        step_ids=beams,
        parent_ids=parent_ids,
        max_sequence_lengths=longest,
        end_token=width + 1,
    )
    # Steps past the end of a path stay where they are.
    valid = arrays.sequence_mask(sequence_length, maxlen=steps)
    order = arrays.where(arrays.transpose(valid, perm=[2, 0, 1]), x=order, y=beams)
    times = arrays.tile(arrays.reshape(math.range(steps), [-1, 1, 1]), [1, rows, width])
    places = arrays.tile(arrays.reshape(math.range(rows), [-1, 1, 1]), [1, steps, width])
    places = arrays.transpose(places, perm=[1, 0, 2])
    indices = arrays.stack([times, places, order], -1)
    sizes = arrays.shape(t)
    values = arrays.reshape(t, [steps, rows, width, -1])
    return arrays.reshape(arrays.gather_nd(values, indices), sizes)
