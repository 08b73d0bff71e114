"""Recurrent layers as torch modules."""

__all__ = [
    "attention",
    "conv_lstm",
    "recurrent",
    "regularisation",
    "stream",
    "torch_baseline",
    "torch_layers",
    "torch_modules",
]
