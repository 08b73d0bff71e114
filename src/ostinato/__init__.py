"""Ostinato: recurrent networks written as their equations, run as fused kernels."""

import importlib.util
from typing import TYPE_CHECKING, Any

from .language import (
    cell,
    clip,
    concat,
    exp,
    floor,
    hard_sigmoid,
    input,
    log,
    maximum,
    mean,
    minimum,
    relu,
    sigmoid,
    softplus,
    split,
    sqrt,
    state,
    tanh,
    weight,
    where,
)
from .language import sum_units as sum  # noqa: A004

if TYPE_CHECKING:
    from .nn.recurrent import Recurrent
    from .nn.torch_layers import GRU, LSTM, RNN

__version__ = "0.1.0"
__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "Recurrent",
    "cell",
    "clip",
    "concat",
    "exp",
    "floor",
    "hard_sigmoid",
    "input",
    "log",
    "maximum",
    "mean",
    "minimum",
    "relu",
    "sigmoid",
    "softplus",
    "split",
    "sqrt",
    "state",
    "sum",
    "tanh",
    "weight",
    "where",
]

# Layers are imported at their first use: importing torch takes a second or more, and most commands
# of the command line do not need it.
_LAYERS = {
    "GRU": "torch_layers",
    "LSTM": "torch_layers",
    "RNN": "torch_layers",
    "Recurrent": "recurrent",
}


def __getattr__(name: str) -> Any:
    if name in _LAYERS:
        globals()[name] = value = getattr(
            importlib.import_module(f".nn.{_LAYERS[name]}", __name__), name
        )
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
