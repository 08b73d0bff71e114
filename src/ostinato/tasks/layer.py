"""The recurrent layer of a task, from its options: ours, or torch.nn's in its place to compare with."""

import torch
from torch import nn

from ..cells import CELLS
from ..layers import Recurrent
from ..options import Options


def layer_of(options: Options, inputs: int, *, bidirectional: bool = False) -> tuple[nn.Module, int]:
    """A layer `layer(x, state=None, lengths=None)` for sequences (B, T, inputs), and the units of its output.

    Args:
        options: The cell, the sizes and what runs it. Letters of the cell other than I and H are half of `hidden`.
    """
    graph = CELLS[options.cell].graph
    sizes = {letter: max(1, options.hidden // 2) for letter in (graph.letters | graph.output.size.letters) - {"I", "H"}}
    layer = Recurrent(options.cell, inputs, options.hidden, options.layers, sizes=sizes, bidirectional=bidirectional,
                      dropout=options.dropout if options.layers > 1 else 0.0, engine=None if options.engine == "torch" else options.engine)
    if options.engine == "torch":
        from ..twin import torch_twin

        # the twin draws a start of its own before it takes ours: what comes after in the model is to start as it does without
        with torch.random.fork_rng(devices=[]):
            return torch_twin(layer), layer.output_size
    return layer, layer.output_size
