"""torch.nn's RNN, LSTM and GRU: `Recurrent` with their parameter names, argument names and form of
the state.
"""

from torch import nn

from ..cells import elman, gru, lstm, lstm_projected
from ..errors import InputError
from ..language.initialisers import torch_names
from ..language.operations import relu
from .arguments import at_least, truth, whole
from .recurrent import Recurrent, suffix


class _TorchNamed(Recurrent):
    """What RNN, LSTM and GRU have in common: torch.nn's parameter names, argument names and form of
    the state.
    """

    def __init__(self, cell, input_size, hidden_size, num_layers, *, bias, **others):
        if "proj_size" in others:
            raise InputError(
                f"{type(self).__name__}(proj_size={others['proj_size']!r}): only LSTM has a "
                f"projected output; "
                "leave proj_size out, or write LSTM(..., proj_size=...)"
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

    def forward(self, input, hx=None, lengths=None):
        """Run over sequences, as torch.nn does; `lengths` as for `Recurrent`.

        Args:
            input: (T, B, I), with batch_first (B, T, I); (T, I) for one sequence alone; or a
                PackedSequence.
            hx: The initial state: h, or for LSTM (h, c); each (L * D, B, units).
            lengths: Valid steps of each row, B whole numbers from 0 to T.

        Returns:
            The output, laid out as the input, and the final state, shaped as hx.
        """
        return super().forward(input, hx, lengths)

    def returned_state(self, states):
        return states if len(states) > 1 else states[0]

    def flatten_parameters(self) -> None:
        """Nothing: torch.nn's layers need it for cuDNN, and these do not."""

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
    """torch.nn.RNN: the same arguments, `state_dict`, start and results.

    As in torch.nn the default is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for torch.nn.RNN,
    as quantize_dynamic does, passes it over. Under autocast it returns the dtype of its weights and
    not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L.
        nonlinearity: "tanh" or "relu".
        bias: Have `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Rate between layers, in training.
        bidirectional: Have a second direction.
        device: Where the parameters are.
        dtype: What the parameters are.
        engine: What runs it: "cpu", "reference", or None to choose.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by keeping every k-th state only: k, or True to choose; see
            `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An argument that cannot be used; an ArgumentTypeError where its type is wrong.
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        nonlinearity="tanh",
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
        *,
        engine=None,
        precision=None,
        checkpoint=None,
        **regularisers,
    ):
        cells = {"tanh": elman, "relu": elman.with_constants(activation=relu)}
        if nonlinearity not in cells:
            raise InputError(
                f"nonlinearity={nonlinearity!r}: write 'tanh' or 'relu'; for another one make a "
                f"cell, "
                "Recurrent(elman.with_constants(activation=...), ...)"
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
    """torch.nn.LSTM: the same arguments, `state_dict`, start and results.

    As in torch.nn the default is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for
    torch.nn.LSTM, as quantize_dynamic does, passes it over. Under autocast it returns the dtype of
    its weights and not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bias: Have `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Rate between layers, in training.
        bidirectional: Have a second direction.
        proj_size: Units of a projected output, below H; 0 for none.
        device: Where the parameters are.
        dtype: What the parameters are.
        engine: What runs it: "cpu", "reference", or None to choose.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by keeping every k-th state only: k, or True to choose; see
            `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An argument that cannot be used; an ArgumentTypeError where its type is wrong.
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        proj_size=0,
        device=None,
        dtype=None,
        *,
        engine=None,
        precision=None,
        checkpoint=None,
        **regularisers,
    ):
        wanted = (
            f"a whole number from 1 to hidden_size - 1, or 0 for none (hidden_size={hidden_size!r})"
        )
        if at_least("proj_size", proj_size, 0, wanted) >= whole("hidden_size", hidden_size):
            raise InputError(f"proj_size={proj_size!r}: write {wanted}")
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
    """torch.nn.GRU: the same arguments, `state_dict`, start and results.

    As in torch.nn the default is (T, B, I); write batch_first=True for (B, T, I).

    It is not a subclass of torch.nn.RNNBase, so code that looks for that class or for torch.nn.GRU,
    as quantize_dynamic does, passes it over. Under autocast it returns the dtype of its weights and
    not bfloat16. docs/torch.md lists what differs.

    Args:
        input_size: I.
        hidden_size: H.
        num_layers: L.
        bias: Have `bias_ih` and `bias_hh`.
        batch_first: Sequences are (B, T, units).
        dropout: Rate between layers, in training.
        bidirectional: Have a second direction.
        device: Where the parameters are.
        dtype: What the parameters are.
        engine: What runs it: "cpu", "reference", or None to choose.
        precision: "bfloat16" rounds the factors of products; see `Recurrent`.
        checkpoint: Train in less memory by keeping every k-th state only: k, or True to choose; see
            `Recurrent`.
        regularisers: `recurrent_dropout`, `variational`, `zoneout` and `weight_drop`; see
            `Recurrent`.

    Raises:
        InputError: An argument that cannot be used; an ArgumentTypeError where its type is wrong.
    """

    def __init__(
        self,
        input_size,
        hidden_size,
        num_layers=1,
        bias=True,
        batch_first=False,
        dropout=0.0,
        bidirectional=False,
        device=None,
        dtype=None,
        *,
        engine=None,
        precision=None,
        checkpoint=None,
        **regularisers,
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
