"""Private: the parts of a written torch file that are the same for every layer: the loop over time,
layers and directions, and the reader of weights. Their source is copied to the file.
"""

import json
import math
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["CellModule", "RecurrentLayers", "read_tensors"]

# The dtypes of safetensors.
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


def read_tensors(path: Path) -> dict[str, Tensor]:
    """The tensors of a safetensors file: the length of a header, the header as JSON, the bytes."""
    content = bytearray(Path(path).read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:start])
    header.pop("__metadata__", None)
    tensors = {}
    for name, entry in header.items():
        dtype, shape = DTYPES[entry["dtype"]], entry["shape"]
        count, offset = math.prod(shape), start + entry["data_offsets"][0]
        tensors[name] = (
            torch.frombuffer(content, dtype=dtype, count=count, offset=offset).reshape(shape)
            if count
            else torch.empty(shape, dtype=dtype)
        )
    return tensors


# ---------------------------------------------------------------- functions of the cell language


def softplus(x: Tensor) -> Tensor:
    """The logarithm of 1 + exp(x)."""
    return F.softplus(x, threshold=40.0)


def hard_sigmoid(x: Tensor) -> Tensor:
    """x / 6 + 0.5, limited to 0 and 1."""
    return torch.where(x.abs() < 3, x / 6 + 0.5, (x.detach() / 6 + 0.5).clamp(0, 1))


def maximum(a: Tensor, b: Tensor) -> Tensor:
    """The larger value; of equal values the first one gets the gradient."""
    return torch.where(a < b, b, a)


def minimum(a: Tensor, b: Tensor) -> Tensor:
    """The smaller value; of equal values the first one gets the gradient."""
    return torch.where(b < a, b, a)


def concat(*parts: Tensor) -> Tensor:
    """The units of all parts, with the leading dimensions broadcast."""
    lead = torch.broadcast_shapes(*(part.shape[:-1] for part in parts))
    return torch.cat([part.expand(*lead, part.shape[-1]) for part in parts], -1)


def total(x: Tensor) -> Tensor:
    """The sum over the units."""
    return x.sum(-1, keepdim=True)


def mean(x: Tensor) -> Tensor:
    """The mean over the units; of equal numbers it is exactly that number."""
    first = x.sum(-1, keepdim=True) / x.shape[-1]
    rest = (x - first).sum(-1, keepdim=True) / x.shape[-1]
    return torch.where(first.isfinite(), first + rest, first)


# ---------------------------------------------------------------- layers


class CellModule(nn.Module):
    """Base class of a cell: one direction of one layer."""

    output_size: int
    state_sizes: tuple[int, ...]
    # the learned initial states, (units,) each; None for zeros
    initial: nn.ParameterList | None

    def __init__(self):
        super().__init__()
        self.initial = None

    def before(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """The values that do not depend on the states, for all steps at once."""
        raise NotImplementedError

    def step(self, *values: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
        """The output and the new states of a step, from `before` and the states."""
        raise NotImplementedError

    def number(self, value: float) -> Tensor:
        """A number in the dtype of the weights."""
        like = next(self.parameters(), torch.empty(0))
        return like.new_tensor(value)

    def start(self, x: Tensor) -> tuple[Tensor, ...]:
        """The initial states, (B, units) each, for an input (T, B, I)."""
        if self.initial is None:
            return tuple(x.new_zeros(x.shape[1], units) for units in self.state_sizes)
        return tuple(state.expand(x.shape[1], -1) for state in self.initial)

    def forward(
        self,
        inputs: tuple[Tensor, ...],
        states: tuple[Tensor, ...],
        lengths: Tensor,
        reverse: bool,
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Run over sequences.

        Args:
            inputs: (T, B, units) each.
            states: The initial states, (B, units) each.
            lengths: Valid steps of each row, (B,).
            reverse: Go from each row's last valid step to its first.

        Returns:
            The outputs, (T, B, units), 0 past a row's end, and the states after its last step.
        """
        steps, batch = inputs[0].shape[:2]
        time = torch.arange(steps, device=lengths.device)[:, None]
        valid = (time < lengths)[..., None]
        inputs = tuple(torch.where(valid, x, 0.0) for x in inputs)
        order = torch.where(time < lengths, lengths - 1 - time, time)[..., None]
        if reverse:
            inputs = tuple(x.gather(0, order.expand_as(x)) for x in inputs)
        # values of weights alone have no steps
        before = [v if v.dim() > 1 else v.expand(steps, 1, -1) for v in self.before(*inputs)]
        outputs = []
        for t in range(steps):
            output, new = self.step(*(v[t] for v in before), *states)
            outputs.append(torch.where(valid[t], output.expand(batch, self.output_size), 0.0))
            states = tuple(torch.where(valid[t], n.expand_as(s), s) for n, s in zip(new, states))
        if not outputs:
            return inputs[0].new_zeros(0, batch, self.output_size), states
        output = torch.stack(outputs)
        return output.gather(0, order.expand_as(output)) if reverse else output, states


class RecurrentLayers(nn.Module):
    """Layers of a cell, one above another, in one or both directions.

    Args:
        cells: The cell of each layer and direction: layer 0, layer 0 reverse, layer 1, ...
        num_layers: L.
        bidirectional: There is a second direction; the two outputs are concatenated.
        batch_first: Sequences are (B, T, units), otherwise (T, B, units).
        dropout: Drop rate between layers, in training.
        single_state: Return the state itself and not a tuple of one.
        learned_state: The initial states are parameters.
    """

    def __init__(
        self,
        cells: list[CellModule],
        *,
        num_layers: int = 1,
        bidirectional: bool = False,
        batch_first: bool = True,
        dropout: float = 0.0,
        single_state: bool = False,
        learned_state: bool = False,
    ):
        super().__init__()
        self.cells = nn.ModuleList(cells)
        self.num_layers, self.bidirectional, self.batch_first = (
            num_layers,
            bidirectional,
            batch_first,
        )
        self.dropout, self.single_state = dropout, single_state
        for cell in cells if learned_state else ():
            cell.initial = nn.ParameterList(torch.empty(units) for units in cell.state_sizes)

    def forward(
        self,
        x: Tensor | tuple[Tensor, ...],
        state: Tensor | tuple[Tensor, ...] | None = None,
        lengths: Tensor | list[int] | None = None,
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Run over sequences.

        Args:
            x: (B, T, I), or (T, B, I) without `batch_first`; for a cell of several inputs a tuple.
            state: The initial states, (L * D, B, units) each.
            lengths: Valid steps of each row, from 0 to T; None where all are T.

        Returns:
            The output, laid out as x, with 0 past a row's end, and the states after each row's last
            valid step, shaped as `state`.
        """
        first, *further = x if isinstance(x, tuple) else (x,)
        if self.batch_first:
            first, *further = (one.transpose(0, 1) for one in (first, *further))
        if lengths is None:
            lengths = torch.full((first.shape[1],), first.shape[0], device=first.device)
        lengths = torch.as_tensor(lengths, device=first.device)
        if isinstance(state, Tensor):
            state = (state,)
        directions, ends = 1 + self.bidirectional, []
        for number in range(self.num_layers):
            if number and self.training and self.dropout:
                first = F.dropout(first, self.dropout)
            outputs = []
            for direction in range(directions):
                run = number * directions + direction
                cell = self.cell(run)
                start = cell.start(first) if state is None else tuple(s[run] for s in state)
                output, end = cell((first, *further), start, lengths, direction == 1)
                outputs.append(output)
                ends.append(end)
            first = torch.cat(outputs, -1)
        states = tuple(torch.stack(one) for one in zip(*ends))
        output = first.transpose(0, 1) if self.batch_first else first
        return output, states[0] if self.single_state else states

    def cell(self, run: int) -> CellModule:
        """The cell of a layer and direction."""
        cell = self.cells[run]
        assert isinstance(cell, CellModule)
        return cell

    def initial_state(self, batch: int) -> tuple[Tensor, ...]:
        """The states to start from, (L * D, B, units) each."""
        like = next(self.parameters(), torch.empty(0)).new_empty(0, batch, 0)
        starts = [self.cell(run).start(like) for run in range(len(self.cells))]
        return tuple(torch.stack(one) for one in zip(*starts))
