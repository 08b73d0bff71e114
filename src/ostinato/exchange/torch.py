"""torch: layers of torch.nn and their `state_dict`s as Ostinato's layers."""

from pathlib import Path

from ..nn.torch_layers import GRU, LSTM, RNN
from ..nn.torch_modules import from_module
from . import torch_state

__all__ = ["from_module", "read"]


def read(
    path: Path,
    *,
    prefix: str | None = None,
    nonlinearity: str = "tanh",
    batch_first: bool = False,
) -> RNN | LSTM | GRU:
    """Read a layer from a `state_dict` of torch.nn in a .safetensors file.

    The `state_dict` is that of a torch.nn.RNN, LSTM or GRU, or of a torch.nn.RNNCell, LSTMCell or
    GRUCell, alone or as a part of a larger model. Sizes, layers, directions, biases and projections
    follow from the shapes.

    Args:
        path: The file. Files of torch.save are refused with the lines that convert them.
        prefix: The beginning of the names of its weights, such as "encoder.lstm."; None if the file
            has one such layer.
        nonlinearity: "tanh" or "relu", for an RNN; the file does not tell.
        batch_first: Sequences of the layer are (B, T, units); the file does not tell.

    Returns:
        The layer, in the dtype of the file and in training mode, as a new one of torch.nn is.

    Raises:
        InputError: The file is damaged, or its tensors are not those of such a layer.

    Example:
        >>> import os, tempfile
        >>> import torch
        >>> from safetensors.torch import save_file
        >>> from ostinato.exchange.torch import read
        >>> module = torch.nn.GRU(3, 5)
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = os.path.join(folder, "gru.safetensors")
        ...     save_file(module.state_dict(), path)
        ...     read(path)
        GRU(3, 5)
    """
    return torch_state.read(path, prefix=prefix, nonlinearity=nonlinearity, batch_first=batch_first)
