"""torch.nn's own layer in place of one of ours: the same network with the same start, to compare
speed and results with.
"""

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..cells import CELLS
from ..errors import InputError
from .lengths import read_lengths
from .recurrent import Recurrent

# Which of torch.nn's layers computes a cell.
TORCH_LAYERS = {"elman": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def make_layer(
    cell: str,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    *,
    bidirectional: bool = False,
    dropout: float = 0.0,
    engine: str | None = None,
) -> nn.Module:
    """A recurrent layer for sequences (B, T, I): ours, or torch's in its place.

    Args:
        cell: A name in `ostinato.cells.CELLS`. Letters of the cell other than I and H are half of
            H.
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bidirectional: Have a second direction.
        dropout: Rate between layers; nothing where there is one.
        engine: "cpu", "reference", or None to choose; "torch" is torch's, and what is made after it
            starts as it would after ours.
    """
    graph = CELLS[cell].graph
    sizes = {
        letter: max(1, hidden_size // 2)
        for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}
    }
    layer = Recurrent(
        cell,
        input_size,
        hidden_size,
        num_layers,
        sizes=sizes,
        bidirectional=bidirectional,
        dropout=dropout if num_layers > 1 else 0.0,
        engine=None if engine == "torch" else engine,
    )
    if engine != "torch":
        return layer
    # torch's layer draws a start of its own before it takes ours
    with torch.random.fork_rng(devices=[]):
        return torch_twin(layer)


def torch_twin(layer: Recurrent) -> "TorchTwin":
    """torch.nn's layer with the weights of one of ours, which stays as it is.

    Args:
        layer: A layer of the cell elman, lstm or gru, that starts from 0.

    Raises:
        InputError: torch.nn has no such layer.

    Example:
        >>> import torch, ostinato
        >>> from ostinato.nn.torch_baseline import torch_twin
        >>> layer, x = ostinato.Recurrent("gru", 3, 5), torch.randn(2, 4, 3)
        >>> torch.allclose(torch_twin(layer)(x, lengths=[4, 2])[0], layer(x, lengths=[4, 2])[0],
        ...     atol=1e-6)
        True
    """
    name = next((name for name in TORCH_LAYERS if CELLS[name] is layer.cell), None)
    if name is None:
        other = " with other constants" * (layer.cell.name in TORCH_LAYERS)
        raise InputError(
            f"a twin of the cell {layer.cell.name!r}{other}: torch.nn has "
            f"{', '.join(TORCH_LAYERS)}; "
            "leave engine='torch' out, or take one of these"
        )
    if layer.learned_state:
        raise InputError(
            "a twin of a layer with learned_state=True: torch.nn's layers start from 0; make the "
            "layer without it"
        )
    return TorchTwin(layer, TORCH_LAYERS[name])


class TorchTwin(nn.Module):
    """One of torch.nn's layers, called as ours; made by `torch_twin`.

    Where ours has one bias, torch's second one is held at 0, so that both have the same parameters
    to learn.
    """

    def __init__(self, layer: Recurrent, kind: type[nn.Module]):
        super().__init__()
        self.input_size, self.hidden_size, self.num_layers = (
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
        )
        self.bidirectional, self.batch_first, self.output_size = (
            layer.bidirectional,
            layer.batch_first,
            layer.output_size,
        )
        # Recurrent gives a tuple of states for every cell, and our torch.nn names a bare one where
        # there is one.
        self._bare = layer.returned_state((0,)) == 0
        like = layer.cell_weights(0)["U"]
        self.layer = kind(
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            batch_first=layer.batch_first,
            dropout=layer.dropout,
            bidirectional=layer.bidirectional,
            device=like.device,
            dtype=like.dtype,
        )
        for number in range(layer.num_layers):
            for direction in range(layer.num_directions):
                weights = layer.cell_weights(number, direction)
                b, d = weights["b"], weights.get("d")
                b, d = b if isinstance(b, tuple) else (b, d)
                suffix = f"_l{number}{'_reverse' * direction}"
                for name, value in (
                    ("weight_ih", weights["W"]),
                    ("weight_hh", weights["U"]),
                    ("bias_ih", b),
                    ("bias_hh", d),
                ):
                    self._take(name + suffix, value)

    @torch.no_grad()
    def _take(self, name: str, value: Tensor | None):
        parameter = getattr(self.layer, name)
        if value is None:
            parameter.zero_().requires_grad_(False)
        else:
            parameter.copy_(value)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """States of 0, (L * D, B, H) each."""
        zeros = self.layer.weight_hh_l0.new_zeros(
            self.num_layers * (1 + self.bidirectional), batch_size, self.hidden_size
        )
        return (zeros,) * (2 if isinstance(self.layer, nn.LSTM) else 1)

    def forward(self, x: Tensor, state=None, lengths=None):
        """As `Recurrent` does, for one tensor of three dimensions."""
        time = 1 if self.batch_first else 0
        steps, batch = x.shape[time], x.shape[1 - time]
        if (
            state is not None
            and not isinstance(self.layer, nn.LSTM)
            and not isinstance(state, Tensor)
        ):
            (state,) = state
        if lengths is None or steps == 0:
            output, ends = self.layer(x, state)
            return output, self._returned(ends)
        lengths = read_lengths(lengths, steps, batch, "cpu")
        # torch packs no empty row: it is read as one step, and then what that gave is put back
        packed = pack_padded_sequence(
            x, lengths.clamp(min=1), batch_first=self.batch_first, enforce_sorted=False
        )
        output, ends = self.layer(packed, state)
        output, _ = pad_packed_sequence(output, batch_first=self.batch_first, total_length=steps)
        if batch and lengths.min() == 0:
            empty = (lengths == 0).to(x.device)[:, None]
            output = output.masked_fill(empty[:, None] if self.batch_first else empty, 0.0)
            given = self.initial_state(batch) if state is None else state
            ends, given = ((s,) if isinstance(s, Tensor) else s for s in (ends, given))
            ends = tuple(torch.where(empty, before, after) for before, after in zip(given, ends))
            ends = ends if isinstance(self.layer, nn.LSTM) else ends[0]
        return output, self._returned(ends)

    def _returned(self, ends):
        return ends if isinstance(ends, tuple) or self._bare else (ends,)

    def stream(self, batch_size: int = 1) -> "TwinStream":
        """One step at a time, as `Recurrent.stream` gives it."""
        return TwinStream(self, batch_size)


class TwinStream:
    """One step of a `TorchTwin` at a time, with the state kept in `state`."""

    def __init__(self, twin: TorchTwin, batch_size: int):
        if twin.bidirectional:
            raise InputError(
                "stream() of a layer with bidirectional=True: the reverse direction starts at the "
                "last step, which "
                "a stream has not seen; make the layer with bidirectional=False"
            )
        self.twin, self.batch_size, self.state = twin, batch_size, None

    @torch.no_grad()
    def step(self, x: Tensor) -> Tensor:
        """The output (B, H) of this step's input (B, I)."""
        time = 1 if self.twin.batch_first else 0
        output, self.state = self.twin(x.unsqueeze(time), self.state)
        return output.squeeze(time)
