"""A layer taken one step at a time, with its state kept between steps."""

import torch
from torch import Tensor
from torch.overrides import handle_torch_function, has_torch_function

from .. import engines
from ..engines.torch_internals import BREAK, dynamo_compiling
from ..errors import ArgumentTypeError, InputError, SizeError
from . import overrides
from .arguments import as_tensor, is_tensor, whole

__all__ = ["Stream"]


class Stream:
    """One step of a layer at a time, with the layer's own weights; made by
    `layer.stream(batch_size)`.

    A stream gives what the layer gives for the whole sequence, without gradients and without
    dropout. The weights may be changed between steps. Changes that torch counts (in-place
    operations, optimizers, `load_state_dict`, new parameters) are always seen. Changes that it does
    not count, to part of a weight of more than 4 KiB through `.data`, NumPy, DLPack or shared
    memory, may go unseen: call `refresh()` after these, and after setting the layer's `engine` or
    `precision`.

    Args:
        layer: A layer of one direction.
        batch_size: How many sequences run side by side.

    Raises:
        InputError: The layer is bidirectional, or the batch size is not a whole number above 0.

    Example:
        >>> import torch, ostinato
        >>> layer = ostinato.Recurrent("gru", 3, 5)
        >>> stream = layer.stream()
        >>> stream.step(torch.zeros(1, 3)).shape
        torch.Size([1, 5])
    """

    def __init__(self, layer, batch_size: int = 1):
        if layer.bidirectional:
            raise InputError(
                "stream() of a layer with bidirectional=True: the reverse direction starts at the "
                "last step, which a stream has not seen; make the layer with bidirectional=False"
            )
        self.layer, self.batch_size = layer, whole("batch_size", batch_size)
        self._compiled = None
        self.reset()

    def __repr__(self):
        return f"Stream(batch_size={self.batch_size}) of {self.layer!r}"

    @property
    def state(self):
        """The state after the last step, as the layer returns it; can be set to such a state."""
        return self.layer.returned_state(
            tuple(torch.stack(of_layers) for of_layers in zip(*self._states()))
        )

    @state.setter
    def state(self, given):
        with torch.no_grad():
            states = self.layer.initial_state(self.batch_size, given)
            self._set(
                [
                    tuple(s[layer].detach().clone() for s in states)
                    for layer in range(self.layer.num_layers)
                ]
            )

    def refresh(self) -> None:
        """Read the layer's weights and settings again; the state stays.

        A call of the layer over a sequence sees every change by itself. A step sees all changes
        that torch counts.

        Example:
            >>> import torch, ostinato
            >>> layer = ostinato.LSTM(8, 64)
            >>> stream = layer.stream()
            >>> layer.weight_hh_l0.data[5, 3] = 1.0
            >>> stream.refresh()
        """
        self._set(self._states())

    def __getstate__(self):
        return self.__dict__ | {"_compiled": None, "_stored": self._states()}

    def _states(self) -> list[tuple[Tensor, ...]]:
        """The states of each layer, (B, units) each."""
        return self._compiled.states if self._compiled else self._stored

    def _set(self, states: list[tuple[Tensor, ...]]):
        self._compiled, self._stored = None, states

    def reset(self, rows=None) -> None:
        """Go back to the initial state.

        Args:
            rows: The sequences to reset, as row numbers or as one truth value for each row; None
                for all.

        Raises:
            InputError: A row that there is not.
        """
        if rows is None:
            self.state = None
            return
        device = self._states()[0][0].device
        rows = as_tensor(rows, device)
        chosen = torch.zeros(self.batch_size, dtype=torch.bool, device=device)
        if rows.dtype == torch.bool and rows.shape == chosen.shape:
            chosen = rows
        elif rows.numel() == 0 or (
            not rows.is_floating_point()
            and rows.dtype != torch.bool
            and 0 <= rows.min()
            and rows.max() < self.batch_size
        ):
            chosen[rows.reshape(-1).long()] = True
        else:
            raise InputError(
                f"reset(rows={rows.tolist()}): the rows are 0 to {self.batch_size - 1}; "
                f"write row numbers, or {self.batch_size} truth values"
            )
        before = self._states()
        self.reset()
        self._set(
            [
                tuple(torch.where(chosen[:, None], new, old) for new, old in zip(*states))
                for states in zip(self._states(), before)
            ]
        )

    def step(self, x, out: Tensor | None = None) -> Tensor:
        """One step.

        Args:
            x: This step's input, (B, I), or a tuple of one tensor for each input of the cell.
            out: Where to write the output, which saves making a tensor for it: (B, size of the
                output), of the weights' dtype.

        Returns:
            The output, (B, size of the output); `out` where that is given.

        Raises:
            SizeError: The input or `out` has another shape.
            ArgumentTypeError: The input or `out` is not made of tensors.
            TracingError: torch.jit.trace records the call.
        """
        if dynamo_compiling():
            torch._dynamo.graph_break(**BREAK)
            return torch.compiler.disable(Stream.step)(self, x, out)
        if (
            self._compiled
            and (output := self._compiled(x, out, self.layer._parameters.values())) is not None
        ):
            return output
        overrides.refuse_trace("Stream.step()")
        if (others := overrides.overriding(x, out)) and has_torch_function(others):
            return handle_torch_function(Stream.step, others, self, x, out)
        inputs = tuple(x) if isinstance(x, (tuple, list)) else (x,)
        if not all([is_tensor(i) and i.shape[:-1] == (self.batch_size,) for i in inputs]):
            given = ", ".join(
                str(tuple(i.shape)) if is_tensor(i) else type(i).__name__ for i in inputs
            )
            raise (SizeError if all(map(is_tensor, inputs)) else ArgumentTypeError)(
                f"step() was given {given}; it wants (batch, units) with a batch of "
                f"{self.batch_size}: give one step, x[:, t], or make the stream with another "
                "batch_size"
            )
        layer, states = self.layer, self._states()
        if out is not None and (
            not is_tensor(out) or out.shape != (self.batch_size, layer.output_size)
        ):
            given = tuple(out.shape) if is_tensor(out) else type(out).__name__
            raise (SizeError if is_tensor(out) else ArgumentTypeError)(
                f"step(out=...) was given {given}; it wants a tensor of "
                f"{(self.batch_size, layer.output_size)}, (batch, units)"
            )
        below, *further = layer.checked_inputs(tuple(i[None] for i in inputs))
        # A layer without parameters takes its dtype and its device from its inputs.
        states = [tuple(s.to(below.device, below.dtype) for s in of_layer) for of_layer in states]
        with torch.no_grad(), layer.full_precision():
            for k in range(layer.num_layers):
                below, states[k] = engines.scan(
                    layer.graph,
                    inputs=(below, *further),
                    states=states[k],
                    weights=layer.cell_weights(k),
                    engine=layer.engine,
                    precision=layer.precision,
                )
        self._set(states)
        self._compiled = layer.compile_step(inputs[0].detach(), states)
        return below[0] if out is None else out.copy_(below[0])
