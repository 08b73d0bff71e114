"""torch.nn baselines: layers of torch.nn with the same weights, to compare speed and results."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from ..cells import CELLS
from ..errors import InputError
from .lengths import read_lengths
from .recurrent import Recurrent, suffix

__all__ = ["TORCH_LAYERS", "BaselineStream", "TorchBaseline", "make_layer", "torch_baseline"]

# The layer of torch.nn for each cell.
TORCH_LAYERS: dict[str, type[nn.RNN | nn.LSTM | nn.GRU]] = {
    "elman": nn.RNN,
    "lstm": nn.LSTM,
    "gru": nn.GRU,
}


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
    """Create a recurrent layer for sequences (B, T, I), or its torch.nn baseline.

    Args:
        cell: A name in `ostinato.cells.CELLS`. Letters of the cell other than I and H are half of
            H.
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bidirectional: Have a second direction.
        dropout: Drop rate between layers; ignored for a single layer.
        engine: "cpu", "reference", or None to choose; "torch" for the torch.nn baseline. It leaves
            the random generator in the same state as the others.
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
    # torch.nn draws weights of its own, which the baseline overwrites
    with torch.random.fork_rng(devices=[]):
        return torch_baseline(layer)


def torch_baseline(layer: Recurrent) -> "TorchBaseline":
    """The torch.nn baseline of a layer: torch.nn's layer with a copy of the weights.

    Args:
        layer: A layer of the cell elman, lstm or gru, without learned initial states.

    Raises:
        InputError: torch.nn has no equivalent layer.

    Example:
        >>> import torch, ostinato
        >>> from ostinato.nn.torch_baseline import torch_baseline
        >>> layer, x = ostinato.Recurrent("gru", 3, 5), torch.randn(2, 4, 3)
        >>> torch.allclose(torch_baseline(layer)(x, lengths=[4, 2])[0], layer(x, lengths=[4, 2])[0],
        ...     atol=1e-6)
        True
    """
    name = next((name for name in TORCH_LAYERS if CELLS[name] is layer.cell), None)
    if name is None:
        other = " with other constants" * (layer.cell.name in TORCH_LAYERS)
        raise InputError(
            f"engine='torch' does not support the cell {layer.cell.name!r}{other}: torch.nn has "
            f"{', '.join(TORCH_LAYERS)}; leave engine out, or choose one of these"
        )
    if layer.learned_state:
        raise InputError(
            "engine='torch' does not support learned_state=True: torch.nn's layers start from 0; "
            "create the layer without it"
        )
    return TorchBaseline(layer, TORCH_LAYERS[name])


class TorchBaseline(nn.Module):
    """A layer of torch.nn with the interface of `Recurrent`; see `torch_baseline`.

    If the cell has one bias, torch.nn's second bias is fixed at 0, so that both layers have the
    same learned parameters.
    """

    def __init__(self, layer: Recurrent, kind: type[nn.RNN | nn.LSTM | nn.GRU]):
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
        # Recurrent returns a tuple of states for every cell; RNN and GRU return the state itself.
        self._bare = isinstance(layer.returned_state((torch.empty(0),)), Tensor)
        like = layer.cell_weights(0)["U"]
        assert isinstance(like, Tensor)
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
                for name, value in (
                    ("weight_ih", weights["W"]),
                    ("weight_hh", weights["U"]),
                    ("bias_ih", b),
                    ("bias_hh", d),
                ):
                    self._copy(name + suffix(number, direction), value)

    @torch.no_grad()
    def _copy(self, name: str, value: Tensor | tuple[Tensor, ...] | None) -> None:
        """Copy a weight to a parameter of torch.nn; fix the parameter at 0 for None."""
        parameter = getattr(self.layer, name)
        if value is None:
            parameter.zero_().requires_grad_(False)
        else:
            assert isinstance(value, Tensor)
            parameter.copy_(value)

    def initial_state(self, batch_size: int) -> tuple[Tensor, ...]:
        """Zero states, (L * D, B, H) each."""
        zeros = self.layer.get_parameter("weight_hh_l0").new_zeros(
            self.num_layers * (1 + self.bidirectional), batch_size, self.hidden_size
        )
        return (zeros,) * (2 if isinstance(self.layer, nn.LSTM) else 1)

    def forward(
        self, x: Tensor, state: Any = None, lengths: Any = None
    ) -> tuple[Tensor, Tensor | tuple[Tensor, ...]]:
        """Run over sequences, as `Recurrent` does; x has three dimensions."""
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
        # torch cannot pack empty rows: they run for one step, whose results are replaced below
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

    def _returned(self, ends: Any) -> Any:
        return ends if isinstance(ends, tuple) or self._bare else (ends,)

    def stream(self, batch_size: int = 1) -> "BaselineStream":
        """A stream of steps, as `Recurrent.stream` returns it."""
        return BaselineStream(self, batch_size)


class BaselineStream:
    """Runs a `TorchBaseline` step by step, with its state in `state`."""

    def __init__(self, layer: TorchBaseline, batch_size: int):
        if layer.bidirectional:
            raise InputError(
                "stream() of a layer with bidirectional=True: the reverse direction starts at the "
                "last step, which a stream has not seen; make the layer with bidirectional=False"
            )
        self.layer, self.batch_size = layer, batch_size
        self.state: Any = None

    @torch.no_grad()
    def step(self, x: Tensor) -> Tensor:
        """The output (B, H) of this step's input (B, I)."""
        time = 1 if self.layer.batch_first else 0
        output, self.state = self.layer(x.unsqueeze(time), self.state)
        return output.squeeze(time)
