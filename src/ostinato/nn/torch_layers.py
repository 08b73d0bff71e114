"""RNN, LSTM and GRU with the interface of torch.nn: its parameter names, argument names and
states.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ..cells import elman, gru, lstm, lstm_projected
from ..errors import InputError
from ..language.initialisers import torch_names
from ..language.operations import relu
from ..language.tracing import Cell
from .arguments import at_least, truth, whole
from .recurrent import Recurrent, suffix

__all__ = ["GRU", "LSTM", "RNN"]


class _TorchNamed(Recurrent):
    """Base class of RNN, LSTM and GRU."""

    def __init__(
        self,
        cell: Cell,
        input_size: int,
        hidden_size: int,
        num_layers: int,
        *,
        bias: bool,
        **others: Any,
    ):
        if "proj_size" in others:
            raise InputError(
                f"{type(self).__name__}(proj_size={others['proj_size']!r}): only LSTM has a "
                f"projected output; leave proj_size out, or write LSTM(..., proj_size=...)"
            )
        super().__init__(
            cell,
            input_size,
            hidden_size,
            num_layers,
            names=torch_names(cell.graph, bias=truth("bias", bias)),
            **others,
        )
        self.bias = bias
        self.proj_size = self.sizes.get("P", 0)

    # The names of the arguments are torch.nn's.
    def forward(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, input: Tensor | PackedSequence, hx: Any = None, lengths: Any = None
    ) -> tuple[Any, Any]:
        """Run over sequences, as torch.nn does; `lengths` as for `Recurrent`.

        Args:
            input: (T, B, I), with batch_first (B, T, I); (T, I) for one sequence alone; or a
                PackedSequence.
            hx: The initial state: h, or for LSTM (h, c); each (L * D, B, units).
            lengths: Valid steps of each row: B whole numbers from 0 to T.

        Returns:
            The output, laid out as the input, and the final state, shaped as hx.
        """
        return super().forward(input, hx, lengths)

    # torch.nn returns a single state itself and not in a tuple.
    def returned_state(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, states: tuple[Tensor, ...]
    ) -> Tensor | tuple[Tensor, ...]:
        """The final state in the form of torch.nn: h, or for LSTM (h, c)."""
        (first, *others) = states
        return states if others else first

    def flatten_parameters(self) -> None:
        """Does nothing. torch.nn's layers need it for cuDNN."""

    @property
    def all_weights(self) -> list[list[nn.Parameter]]:
        """The parameters of each layer and direction, in torch.nn's order."""
        return [
            [getattr(self, name + suffix(*run)) for names in self.names.values() for name in names]
            for run in self._runs
        ]

    def extra_repr(self) -> str:
        words = [str(self.input_size), str(self.hidden_size)]
        defaults = {
            "proj_size": 0,
            "num_layers": 1,
            "bias": True,
            "batch_first": False,
            "dropout": 0.0,
            "bidirectional": False,
            "engine": None,
            "precision": None,
            "checkpoint": None,
        }
        words += [
            f"{name}={getattr(self, name)!r}"
            for name, default in defaults.items()
            if getattr(self, name) != default
        ]
        return ", ".join(words + self._regularised())


class RNN(_TorchNamed):
    """Drop-in replacement for torch.nn.RNN: the same arguments, `state_dict`, initialisation and
    results.

    As in torch.nn, the default layout is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for torch.nn.RNN,
    as quantize_dynamic does, passes it over. Under autocast it returns the dtype of its weights and
    not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I, the size of the input.
        hidden_size: H, the size of the hidden state.
        num_layers: L, the number of stacked layers.
        nonlinearity: "tanh" or "relu".
        bias: Whether there are biases, `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Drop rate between layers, in training.
        bidirectional: Whether to run in both directions.
        device: The device of the parameters.
        dtype: The dtype of the parameters.
        engine: The engine: "cpu", "reference", or None to choose automatically.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by saving every k-th state only: k, or True to choose k;
            see `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An invalid argument; an ArgumentTypeError if its type is wrong.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str | None = None,
        precision: str | None = None,
        checkpoint: int | bool | None = None,
        **regularisers: Any,
    ):
        cells = {"tanh": elman, "relu": elman.with_constants(activation=relu)}
        if nonlinearity not in cells:
            raise InputError(
                f"nonlinearity={nonlinearity!r}: write 'tanh' or 'relu'; for another one create a "
                "cell, Recurrent(elman.with_constants(activation=...), ...)"
            )
        super().__init__(
            cells[nonlinearity],
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            **regularisers,
        )
        self.nonlinearity = nonlinearity


class LSTM(_TorchNamed):
    """Drop-in replacement for torch.nn.LSTM: the same arguments, `state_dict`, initialisation and
    results.

    As in torch.nn, the default layout is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for
    torch.nn.LSTM, as quantize_dynamic does, passes it over. Under autocast it returns the dtype of
    its weights and not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I, the size of the input.
        hidden_size: H, the size of the hidden state.
        num_layers: L, the number of stacked layers.
        bias: Whether there are biases, `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Drop rate between layers, in training.
        bidirectional: Whether to run in both directions.
        proj_size: The size of the projected output, below H; 0 for no projection.
        device: The device of the parameters.
        dtype: The dtype of the parameters.
        engine: The engine: "cpu", "reference", or None to choose automatically.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by saving every k-th state only: k, or True to choose k;
            see `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An invalid argument; an ArgumentTypeError if its type is wrong.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str | None = None,
        precision: str | None = None,
        checkpoint: int | bool | None = None,
        **regularisers: Any,
    ):
        expected = (
            f"a whole number from 1 to hidden_size - 1, or 0 for none (hidden_size={hidden_size!r})"
        )
        if at_least("proj_size", proj_size, 0, expected) >= whole("hidden_size", hidden_size):
            raise InputError(f"proj_size={proj_size!r}: write {expected}")
        super().__init__(
            lstm_projected if proj_size else lstm,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            sizes={"P": proj_size} if proj_size else None,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            **regularisers,
        )


class GRU(_TorchNamed):
    """Drop-in replacement for torch.nn.GRU: the same arguments, `state_dict`, initialisation and
    results.

    As in torch.nn, the default layout is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for torch.nn.GRU,
    as quantize_dynamic does, passes it over. Under autocast it returns the dtype of its weights and
    not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I, the size of the input.
        hidden_size: H, the size of the hidden state.
        num_layers: L, the number of stacked layers.
        bias: Whether there are biases, `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Drop rate between layers, in training.
        bidirectional: Whether to run in both directions.
        device: The device of the parameters.
        dtype: The dtype of the parameters.
        engine: The engine: "cpu", "reference", or None to choose automatically.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by saving every k-th state only: k, or True to choose k;
            see `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An invalid argument; an ArgumentTypeError if its type is wrong.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: torch.device | str | None = None,
        dtype: torch.dtype | None = None,
        *,
        engine: str | None = None,
        precision: str | None = None,
        checkpoint: int | bool | None = None,
        **regularisers: Any,
    ):
        super().__init__(
            gru,
            input_size,
            hidden_size,
            num_layers,
            bias=bias,
            batch_first=batch_first,
            dropout=dropout,
            bidirectional=bidirectional,
            engine=engine,
            precision=precision,
            checkpoint=checkpoint,
            device=device,
            dtype=dtype,
            **regularisers,
        )
