"""torch.nn's layers from Ostinato's layers, and the other way round."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ..cells import elman, gru, lstm, lstm_projected
from ..engines.reference import summed
from ..errors import InputError
from ..language.initialisers import TORCH_NAMES
from ..language.operations import relu
from ..language.tracing import Cell
from .recurrent import Recurrent, suffix
from .torch_layers import GRU, LSTM, RNN

__all__ = ["from_module", "to_torch"]


@dataclass(frozen=True)
class _TorchLayer:
    """The layer of torch.nn that computes a cell, with its arguments."""

    cell: Cell
    kind: Callable[..., nn.RNNBase]
    arguments: Mapping[str, str] = field(default_factory=dict)


_LAYERS = [
    _TorchLayer(elman, nn.RNN, {"nonlinearity": "tanh"}),
    _TorchLayer(elman.with_constants(activation=relu), nn.RNN, {"nonlinearity": "relu"}),
    _TorchLayer(lstm, nn.LSTM),
    _TorchLayer(lstm_projected, nn.LSTM),
    _TorchLayer(gru, nn.GRU),
]
# Ostinato's layer for each layer and cell of torch.nn.
_OWN: dict[type[nn.Module], type[RNN | LSTM | GRU]] = {
    nn.RNN: RNN,
    nn.LSTM: LSTM,
    nn.GRU: GRU,
    nn.RNNCell: RNN,
    nn.LSTMCell: LSTM,
    nn.GRUCell: GRU,
}


@torch.no_grad()
def to_torch(layer: Recurrent) -> nn.RNNBase:
    """The layer of torch.nn that computes the same, with copies of the weights; see
    `Recurrent.to_torch`.
    """
    key = layer.graph.key
    found = next((one for one in _LAYERS if one.cell.graph.key == key), None)
    if found is None or layer.learned_state:
        why = (
            f"no layer for the cell {layer.cell.name!r} as it is here"
            if found is None
            else "no learned initial states"
        )
        raise InputError(
            f"{type(layer).__name__}({layer.extra_repr()}).to_torch(): torch.nn has {why}; write "
            "any layer as a module of plain torch with ostinato.exchange.torch.write(layer, "
            "'layer.py')"
        )
    cell, arguments = found.cell, found.arguments
    like = layer.cell_weights(0)["W"]
    like = like if isinstance(like, Tensor) else like[0]
    no_bias = not layer.names["b"]
    module = found.kind(
        layer.input_size,
        layer.hidden_size,
        layer.num_layers,
        bias=not no_bias,
        batch_first=layer.batch_first,
        dropout=layer.dropout if layer.num_layers > 1 else 0.0,
        bidirectional=layer.bidirectional,
        device=like.device,
        dtype=like.dtype,
        **arguments,
        **({"proj_size": layer.sizes["P"]} if cell is lstm_projected else {}),
    )
    for run in layer._runs:
        weights = layer.cell_weights(*run)
        for weight, names in TORCH_NAMES[cell.graph.name].items():
            if no_bias and names[0].startswith("bias"):
                continue
            # A weight that is one tensor here and a sum in torch.nn is the first part of the sum.
            parts = weights[weight]
            given = (parts,) if isinstance(parts, Tensor) else parts
            if len(given) > len(names):
                given = (summed(given),)
            for k, name in enumerate(names):
                parameter = module.get_parameter(name + suffix(*run))
                if k < len(given):
                    parameter.copy_(given[k])
                else:
                    parameter.zero_()
    return module.train(layer.training)


def from_module(module: nn.Module, **options: Any) -> RNN | LSTM | GRU:
    """Ostinato's layer from a layer or a cell of torch.nn, with copies of the weights.

    Args:
        module: A torch.nn.RNN, LSTM or GRU, or a torch.nn.RNNCell, LSTMCell or GRUCell, which
            becomes a layer of one cell over (T, B, I).
        options: Further arguments of Ostinato's layer, such as `engine`.

    Returns:
        The layer: sizes, directions, biases, `nonlinearity`, `proj_size`, `batch_first`, `dropout`,
        dtype, device and training mode are the module's.

    Raises:
        InputError: The module is another one, or has weights of the old torch.nn.utils.weight_norm.

    Example:
        >>> import torch
        >>> from ostinato.exchange.torch import from_module
        >>> module = torch.nn.LSTM(3, 5, num_layers=2, batch_first=True)
        >>> from_module(module)
        LSTM(3, 5, num_layers=2, batch_first=True)
    """
    kind = next((kind for kind in _OWN if isinstance(module, kind)), None)
    if kind is None or type(module).forward is not kind.forward:
        own = kind is not None
        raise InputError(
            f"from_module was given a {type(module).__name__}"
            f"{' with a forward of its own' * own}; give one of "
            f"{', '.join(f'torch.nn.{one.__name__}' for one in _OWN)}"
        )
    names = [*_own_names(module)]
    for name in names:
        if f"{name}_g" in module._parameters:
            raise InputError(
                f"from_module: {name!r} is computed by torch.nn.utils.weight_norm; call "
                f"torch.nn.utils.remove_weight_norm(module, {name!r}) first"
            )
    values = {name: getattr(module, name) for name in names}
    like, given = values[names[0]], vars(module)
    arguments: dict[str, Any] = {
        "bias": module.bias,
        "device": like.device,
        "dtype": like.dtype,
        **({"nonlinearity": module.nonlinearity} if _OWN[kind] is RNN else {}),
    }
    if isinstance(module, nn.RNNBase):
        layers = module.num_layers
        arguments |= {
            "num_layers": layers,
            "batch_first": module.batch_first,
            "dropout": module.dropout if layers > 1 else 0.0,
            "bidirectional": module.bidirectional,
            **({"proj_size": module.proj_size} if kind is nn.LSTM else {}),
        }
    else:
        values = {f"{name}_l0": value for name, value in values.items()}
    layer = _OWN[kind](given["input_size"], given["hidden_size"], **arguments, **options)
    fill(layer, values)
    return layer.train(module.training)


def _own_names(module: nn.Module) -> list[str]:
    """The names of the weights of a layer or a cell of torch.nn."""
    if isinstance(module, nn.RNNBase):
        return [name for names in module._all_weights for name in names]
    names = ["weight_ih", "weight_hh"]
    return names + ["bias_ih", "bias_hh"] * bool(module.bias)


@torch.no_grad()
def fill(layer: Recurrent, values: Mapping[str, Tensor]) -> None:
    """Copy tensors to the parameters of these names."""
    for name, value in values.items():
        layer.get_parameter(name).copy_(value)
