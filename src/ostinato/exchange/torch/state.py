"""Private: `state_dict`s of torch.nn's recurrent layers and cells in safetensors files."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...data.files import Spec, read_header
from ...errors import InputError
from ...nn.torch_layers import GRU, LSTM, RNN
from ...nn.torch_modules import fill

__all__ = ["read"]

# The layer for each number of gates.
KINDS: dict[int, type[RNN | LSTM | GRU]] = {1: RNN, 3: GRU, 4: LSTM}
DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
}
# A weight of a layer, such as weight_hh_l1_reverse, or of a cell, such as weight_hh.
NAME = re.compile(r"(weight|bias)_(ih|hh|hr)(?:_l(\d{1,6})(_reverse)?)?")
FIRST = re.compile(r"(.*?)weight_ih(?:_l0)?")
# The ends of the names of files that torch.save writes.
PICKLES = (".pt", ".pth", ".bin", ".ckpt", ".pkl")


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
    path = Path(path)
    if path.suffix.lower() in PICKLES:
        raise InputError(
            f"{str(path)!r} is a file of torch.save, which is a pickle and can run any code when "
            "it is loaded; if you trust it, convert it with\n"
            "    from safetensors.torch import save_file\n"
            f"    save_file(torch.load({path.name!r}, weights_only=True), "
            f"{path.with_suffix('.safetensors').name!r})"
        )
    specs, _ = read_header(path)
    prefix = _prefix(path, specs) if prefix is None else prefix
    # names with another dot belong to other modules, or to parametrizations
    own = {
        name.removeprefix(prefix): spec
        for name, spec in specs.items()
        if name.startswith(prefix) and "." not in name.removeprefix(prefix)
    }
    where = f"{str(path)!r}" + (f" below {prefix!r}" if prefix else "")
    if any(name.startswith(f"{prefix}parametrizations.") for name in specs):
        raise InputError(
            f"{where}: the weights are parametrized; call "
            "torch.nn.utils.parametrize.remove_parametrizations before you save the state_dict"
        )
    try:
        layer = _layer(own, nonlinearity, batch_first)
    except _Misfit as misfit:
        raise InputError(
            f"{where} is not the state_dict of a torch.nn.RNN, LSTM or GRU or of their cells: "
            f"{misfit}"
        ) from None
    fill(layer, _tensors(path, prefix, own))
    return layer


class _Misfit(Exception):
    """The tensors of a file are not those of a layer."""


def _prefix(path: Path, specs: Mapping[str, Spec]) -> str:
    """The beginning of the names of the only recurrent layer in a file."""
    found = sorted({match[1] for name in specs if (match := FIRST.fullmatch(name))})
    if not found:
        names = ", ".join(name[:40] for name in [*specs][:5]) or "nothing"
        raise InputError(
            f"{str(path)!r} has no recurrent layer of torch.nn: it has {names}, and 'weight_ih_l0' "
            "is missing; give the state_dict of a model with torch.nn.RNN, LSTM or GRU"
        )
    if len(found) > 1:
        shown = ", ".join(repr(one[:60]) for one in found[:8]) + ", ..." * (len(found) > 8)
        raise InputError(
            f"{str(path)!r} has {len(found)} recurrent layers; choose one with prefix=, one of "
            f"{shown}"
        )
    return found[0]


def _layer(specs: Mapping[str, Spec], nonlinearity: str, batch_first: bool) -> RNN | LSTM | GRU:
    """A layer with the sizes of tensors, with weights of its own."""
    if "weight_ih_l0" not in specs and "weight_ih" not in specs:
        raise _Misfit("'weight_ih_l0' is missing")
    cell = "weight_ih_l0" not in specs
    end = "" if cell else "_l0"
    for name, spec in specs.items():
        match = NAME.fullmatch(name)
        if match is None or (match[3] is None) != cell:
            raise _Misfit(f"{name[:80]!r} is not a weight of it; give prefix= if it is elsewhere")
        if spec.dtype not in DTYPES or spec.dtype != specs["weight_ih" + end].dtype:
            raise _Misfit(f"{name!r} is {spec.dtype}, and all weights should have one float dtype")
        if len(spec.shape) != (1 if match[1] == "bias" else 2) or 0 in spec.shape:
            raise _Misfit(f"{name!r} has the shape {spec.shape}")
    if (hidden := specs.get("weight_hh" + end)) is None:
        raise _Misfit(f"'weight_hh{end}' is missing")
    projection = specs.get("weight_hr" + end)
    rows, inputs = specs["weight_ih" + end].shape
    size = projection.shape[1] if projection else hidden.shape[1]
    gates = rows // size if rows % size == 0 else 0
    if gates not in KINDS or (projection and gates != 4):
        raise _Misfit(
            f"'weight_ih{end}' has {rows} rows for {size} units; an RNN has as many, a GRU 3 times "
            "and an LSTM 4 times as many"
        )
    numbers = [int(match[3] or 0) for name in specs if (match := NAME.fullmatch(name))]
    arguments: dict[str, Any] = {
        "num_layers": 1 + max(numbers),
        "bidirectional": any(name.endswith("_reverse") for name in specs),
        "bias": any(name.startswith("bias") for name in specs),
        "batch_first": batch_first,
        "dtype": DTYPES[specs["weight_ih" + end].dtype],
        **({"proj_size": projection.shape[0]} if projection else {}),
        **({"nonlinearity": nonlinearity} if gates == 1 else {}),
    }
    # A file of few tensors may name a millionth layer, and sizes are products of its numbers.
    if arguments["num_layers"] > len(specs):
        raise _Misfit(f"it has {len(specs)} tensors for {arguments['num_layers']} layers")
    with torch.device("meta"):
        skeleton = KINDS[gates](inputs, size, **arguments)
    wanted = {
        name.removesuffix("_l0") if cell else name: tuple(parameter.shape)
        for name, parameter in skeleton.named_parameters()
    }
    for name in sorted(wanted.keys() | specs.keys()):
        found = specs[name].shape if name in specs else None
        if name not in wanted or found != wanted[name]:
            what = "is missing" if found is None else f"has the shape {found}"
            want = f"{wanted[name]} is expected" if name in wanted else "it is not expected"
            raise _Misfit(f"{name!r} {what}, and {want}")
    return KINDS[gates](inputs, size, **arguments)


def _tensors(path: Path, prefix: str, names: Mapping[str, Spec]) -> dict[str, Tensor]:
    """Some tensors of a file by the names of a layer's parameters."""
    from safetensors import safe_open

    found = {}
    with safe_open(path, "pt") as file:
        for name in names:
            tensor = file.get_tensor(prefix + name)
            if not tensor.isfinite().all():
                raise InputError(
                    f"{str(path)!r}: {prefix + name!r} has values that are not finite; restore the "
                    "file, or save the model again"
                )
            found[name if "_l" in name else f"{name}_l0"] = tensor
    return found
