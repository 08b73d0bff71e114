"""Private: the Python file and the weights of a layer as plain torch."""

import re
import textwrap
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from ...engines.reference import summed
from ...nn.recurrent import Recurrent, suffix
from .cells import COLUMNS, call, cell_code, letters_of
from .source import Sources

__all__ = ["TorchFile", "add_layer", "layer_file", "layer_tensors"]

# The module whose source is copied to every file.
LAYERS = "ostinato.exchange.torch.layers_code"


@dataclass
class TorchFile:
    """The contents of a written model.

    Attributes:
        sources: The definitions of the Python file.
        title: The first line of its docstring.
        content: A sentence about the model.
        needs: The packages that the file needs.
        usage: The lines of code that use it, after those that load it.
        tensors: The weights.
        settings: Labels, tokens and scales, stored next to the weights.
    """

    sources: Sources = field(default_factory=Sources)
    title: str = ""
    content: str = ""
    needs: str = "torch 2.2 or later"
    usage: str = ""
    tensors: dict[str, Tensor] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)

    def text(self, name: str) -> str:
        """The Python file, for the name of the module."""
        about = f"{self.content} This file was written by Ostinato. It needs {self.needs} and "
        about += f"{name}.safetensors next to it:"
        lines = textwrap.wrap(about, COLUMNS, break_long_words=False, break_on_hyphens=False)
        use = [f"import {name}", "", f"model = {name}.load()", self.usage]
        code = [f"    {line}".rstrip() for line in use]
        return self.sources.text("\n".join([self.title, "", *lines, "", *code, ""]))


def layer_file(layer: Recurrent, dtype: torch.dtype) -> TorchFile:
    """A layer as a file."""
    file = TorchFile()
    made = add_layer(file.sources, layer)
    file.tensors = layer_tensors(layer)
    file.title = f"A layer of the cell {layer.graph.name} as a module of plain PyTorch."
    file.content = f"The layer was {type(layer).__name__}({layer.extra_repr()})."
    shape = "2, 6" if layer.batch_first else "6, 2"
    units = [size.at(layer._letters(0)) for size in layer.graph.inputs.values()]
    given = ", ".join(f"torch.zeros({shape}, {n})" for n in units)
    file.usage = (
        f"output, state = model({f'({given})' if len(units) > 1 else given}, lengths=[6, 4])"
    )
    add_load(file.sources, "RecurrentLayers", made, dtype)
    return file


def add_layer(sources: Sources, layer: Recurrent, head: str = "    model = ") -> list[str]:
    """Add the classes of a layer to a file.

    Args:
        sources: The definitions of the file.
        layer: The layer.
        head: The beginning of the statement that creates the layer.

    Returns:
        The lines of that statement.
    """
    graph = layer.graph
    fixed = frozenset(weight for weight, names in layer.names.items() if not names)
    name, count = _class_name(graph.name), 1
    code = cell_code(graph, name, fixed)
    while sources.blocks.get(code.name, code.text) != code.text:
        count += 1
        code = cell_code(graph, f"{name}{count}", fixed)
    sources.add(LAYERS, ["read_tensors", *sorted(code.functions), "RecurrentLayers"])
    sources.add_text(code.name, code.text)
    if "linear(" in code.text:
        sources.imports.add(("torch.nn.functional", "linear", "linear"))
    cells = []
    for number, _ in layer._runs:
        letters = layer._letters(number)
        sizes = ", ".join(f"size_{x}={letters[x]}" for x in letters_of(graph))
        cells.append(f"{code.name}({sizes})")
    defaults = {
        "num_layers": 1,
        "bidirectional": False,
        "batch_first": True,
        "dropout": 0.0,
        "learned_state": False,
    }
    options = [
        f"{option}={getattr(layer, option)!r}"
        for option, default in defaults.items()
        if getattr(layer, option) != default
    ]
    if isinstance(layer.returned_state((torch.empty(0),) * len(graph.states)), Tensor):
        options.append("single_state=True")
    one = call(f"{head}RecurrentLayers(", [f"[{', '.join(cells)}]", *options], ")")
    if len(one) == 1:
        return one
    indent = " " * (len(head) - len(head.lstrip()))
    listed = call(f"{indent}    [", cells, "],")
    rest = [f"{indent}    {option}," for option in options]
    return [f"{head}RecurrentLayers(", *listed, *rest, f"{indent})"]


def layer_tensors(layer: Recurrent, prefix: str = "") -> dict[str, Tensor]:
    """The weights of a layer by their names in a written file."""
    code = cell_code(layer.graph, "Cell")
    found = {}
    for k, run in enumerate(layer._runs):
        for name, weight in layer.cell_weights(*run).items():
            found[f"{prefix}cells.{k}.{code.weights[name]}"] = summed(weight).detach().clone()
        for place, name in enumerate(layer.graph.states if layer.learned_state else ()):
            state = getattr(layer, f"initial_{name}{suffix(*run)}")
            found[f"{prefix}cells.{k}.initial.{place}"] = state.detach().clone()
    return found


def add_load(
    sources: Sources, kind: str, made: list[str], dtype: torch.dtype = torch.float32
) -> None:
    """Add the functions that create a model and load its weights.

    Args:
        sources: The definitions of the file.
        kind: The class of the model.
        made: The lines of the statement that creates it as `model`.
        dtype: The dtype of the weights.
    """
    build = [
        f"def build() -> {kind}:",
        '    """The model with weights that are not set."""',
        *made,
        "    return model" + ("" if dtype is torch.float32 else f".to({dtype})"),
    ]
    sources.add_text("build", "\n".join(build))
    sources.imports.add(("pathlib", "Path", "Path"))
    sources.add_text("WEIGHTS", 'WEIGHTS = Path(__file__).with_suffix(".safetensors")')
    sources.add_text(
        "load",
        f'''def load(weights: Path = WEIGHTS) -> {kind}:
    """The model with its trained weights, in evaluation mode."""
    model = build()
    model.load_state_dict(read_tensors(weights))
    return model.eval()''',
    )
    sources.imports |= {
        ("torch", "", "torch"),
        ("torch", "Tensor", "Tensor"),
        ("torch", "nn", "nn"),
    }


def _class_name(name: str) -> str:
    """The name of the class of a cell: LstmCell for lstm."""
    words = re.split(r"_+", name)
    return "".join(word[:1].upper() + word[1:] for word in words) + "Cell"
