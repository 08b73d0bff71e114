"""Initialisers of weights, and torch.nn's names for the weights."""

import math
import numbers
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import InputError, near
from .graph import Graph

__all__ = [
    "INITIALISERS",
    "MATRICES_ONLY",
    "TORCH_NAMES",
    "chrono",
    "initialise",
    "torch_names",
]

# Cells name initialisers, and importing the cells does not import torch.
if TYPE_CHECKING:
    from torch import Tensor


def _fill(weight: "Tensor", function: str, *arguments: float, **settings: str) -> None:
    """Call a function of `torch.nn.init`."""
    from torch.nn import init

    getattr(init, function)(weight, *arguments, **settings)


def _identity(weight: "Tensor", hidden_size: int) -> None:
    """Stack identity matrices, one for each gate."""
    import torch

    rows, columns = weight.shape
    weight.copy_(
        torch.eye(columns, dtype=weight.dtype, device=weight.device).repeat(-(-rows // columns), 1)[
            :rows
        ]
    )


# Each one fills a weight in place, given the layer's hidden size. A weight of two dimensions that
# stacks several gates is treated as one matrix, as in Keras and TensorFlow 1.
INITIALISERS: dict[str, Callable[["Tensor", int], None]] = {
    # torch.nn.RNNBase.reset_parameters
    "uniform": lambda w, hidden: _fill(
        w, "uniform_", -1 / math.sqrt(hidden), 1 / math.sqrt(hidden)
    ),
    "normal": lambda w, hidden: _fill(w, "normal_", 0.0, 1 / math.sqrt(hidden)),
    "zeros": lambda w, hidden: _fill(w, "zeros_"),
    "ones": lambda w, hidden: _fill(w, "ones_"),
    # Glorot and Bengio, Understanding the difficulty of training deep feedforward neural networks
    # (2010), equation 16
    "glorot": lambda w, hidden: _fill(w, "xavier_uniform_"),
    # He, Zhang, Ren and Sun, Delving Deep into Rectifiers (2015), equation 10
    "he": lambda w, hidden: _fill(w, "kaiming_normal_", nonlinearity="relu"),
    # Saxe, McClelland and Ganguli, Exact solutions to the nonlinear dynamics of learning (2013)
    "orthogonal": lambda w, hidden: _fill(w, "orthogonal_"),
    # Le, Jaitly and Hinton, A Simple Way to Initialize Recurrent Networks of Rectified Linear Units
    # (2015)
    "identity": _identity,
}
MATRICES_ONLY = {"glorot", "he", "orthogonal", "identity"}


def chrono(longest: int, gates: Sequence[int] = (1,)) -> Callable[[tuple[int, ...]], "Tensor"]:
    """Chrono initialiser for the bias of gates: the units get different time scales, from 1 to
    `longest` steps.

    Args:
        longest: T_max, the longest dependency in steps, roughly; 3 or more.
        gates: For each gate that the bias stacks: 1 for a forget gate, -1 for an input gate, and 0
            for any other, whose bias starts at 0. The default is for one forget gate.

    Returns:
        A function of the shape, for `weight(init=...)`.

    Raises:
        InputError: `longest` is below 3, or `gates` has other numbers. Calling the function raises
            it if the shape is not a vector of that number of gates.

    Source: Tallec and Ollivier, Can Recurrent Neural Networks Warp Time? (2018): log(u) with u
        uniform in 1 .. T_max - 1.

    Example:
        >>> import torch, ostinato
        >>> from ostinato.language.initialisers import chrono
        >>> layer = ostinato.Recurrent("lstm", 3, 5)
        >>> with torch.no_grad():
        ...     b = layer.b_l0.copy_(chrono(784, (-1, 1, 0, 0))(layer.b_l0.shape))  # i, f, g, o
        >>> bool((b[:5] == -b[5:10]).all()), b[10:].abs().max().item()
        (True, 0.0)
    """
    if not isinstance(longest, numbers.Integral) or longest < 3:
        raise InputError(f"chrono(longest={longest!r}): write a whole number of steps, 3 or more")
    if not gates or not set(gates) <= {-1, 0, 1}:
        raise InputError(
            f"chrono(gates={gates!r}): write 1, -1 or 0 for each gate that the bias stacks, such "
            f"as (-1, 1, 0, 0)"
        )

    def fill(shape: tuple[int, ...]) -> "Tensor":
        import torch

        if len(shape) != 1 or shape[0] % len(gates):
            raise InputError(
                f"chrono() with {len(gates)} gate(s) was given a weight of the shape "
                f"{tuple(shape)}: it needs a bias of that number of gates, so write one number in "
                "gates=(...) for each gate that the bias stacks"
            )
        bias = torch.empty(shape[0] // len(gates)).uniform_(1.0, longest - 1.0).log_()
        return torch.cat([gate * bias for gate in gates])

    return fill


def initialise(weight: "Tensor", how: Any, *, name: str, hidden_size: int) -> None:
    """Initialise a weight in place.

    Args:
        weight: The weight.
        how: The initialiser: None for "uniform", a name in `INITIALISERS`, a number, or a function
            of the shape that returns a tensor.
        name: The name of the weight in errors.
        hidden_size: The layer's H.

    Raises:
        InputError: An unknown initialiser, one that needs a matrix for a vector, or a function that
            returns another shape.
    """
    import torch

    with torch.no_grad():
        how = "uniform" if how is None else how
        if isinstance(how, str):
            if how not in INITIALISERS:
                raise InputError(
                    f"weight {name!r} has init={how!r}{near(how, INITIALISERS)}; the initialisers "
                    f"are {', '.join(INITIALISERS)}"
                )
            if how in MATRICES_ONLY and weight.dim() != 2:
                raise InputError(
                    f"weight {name!r} has init={how!r} and is a vector of {len(weight)}: {how} "
                    "needs two dimensions; write a number, 'uniform' or 'normal'"
                )
            INITIALISERS[how](weight, hidden_size)
        elif callable(how):
            values = torch.as_tensor(how(tuple(weight.shape)))
            if values.shape != weight.shape:
                raise InputError(
                    f"the init of weight {name!r} returned the shape {tuple(values.shape)}; it "
                    f"should be {tuple(weight.shape)}"
                )
            weight.copy_(values)
        elif isinstance(how, numbers.Real) and not isinstance(how, bool):
            weight.fill_(float(how))
        else:
            raise InputError(
                f"weight {name!r} has init={how!r}: write a number, a function of the shape, or "
                f"one of {', '.join(INITIALISERS)}"
            )


# The parameters of torch.nn for each weight of a cell, in the order of torch.nn. If there are
# several, the weight is their sum.
TORCH_NAMES: dict[str, dict[str, tuple[str, ...]]] = {
    "elman": {"W": ("weight_ih",), "U": ("weight_hh",), "b": ("bias_ih", "bias_hh")},
    "lstm": {"W": ("weight_ih",), "U": ("weight_hh",), "b": ("bias_ih", "bias_hh")},
    "lstm_projected": {
        "W": ("weight_ih",),
        "U": ("weight_hh",),
        "b": ("bias_ih", "bias_hh"),
        "R": ("weight_hr",),
    },
    "gru": {"W": ("weight_ih",), "U": ("weight_hh",), "b": ("bias_ih",), "d": ("bias_hh",)},
}


def torch_names(graph: Graph, *, bias: bool) -> Mapping[str, tuple[str, ...]]:
    """torch.nn's parameter names for each weight of a cell.

    Args:
        graph: The graph of a cell in `TORCH_NAMES`.
        bias: False for a layer without biases: its vectors have no parameters and stay 0.
    """
    return {
        weight: names if bias or len(graph.weights[weight].shape) == 2 else ()
        for weight, names in TORCH_NAMES[graph.name].items()
    }
