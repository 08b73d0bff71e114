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
    from .tasks import (
        Captioner,
        Classifier,
        Forecaster,
        FrameTagger,
        Generator,
        Tagger,
        Transcriber,
        Translator,
        load,
    )

__version__ = "0.1.0"
__all__ = [
    "Captioner",
    "Classifier",
    "Forecaster",
    "FrameTagger",
    "GRU",
    "Generator",
    "LSTM",
    "RNN",
    "Recurrent",
    "Tagger",
    "Transcriber",
    "Translator",
    "cell",
    "clip",
    "concat",
    "exp",
    "floor",
    "hard_sigmoid",
    "input",
    "load",
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

# Layers and tasks are imported at their first use: importing torch takes a second or more, and most
# commands of the command line do not need it.
_LAYERS = dict.fromkeys(("GRU", "LSTM", "RNN"), ".nn.torch_layers") | {"Recurrent": ".nn.recurrent"}


def __getattr__(name: str) -> Any:
    if name in __all__:
        module = importlib.import_module(_LAYERS.get(name, ".tasks"), __name__)
        globals()[name] = value = getattr(module, name)
        return value
    if not name.startswith("_") and importlib.util.find_spec(f"{__name__}.{name}"):
        return importlib.import_module(f".{name}", __name__)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
