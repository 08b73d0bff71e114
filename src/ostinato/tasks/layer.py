"""Private: the recurrent layer of a task, from its options: an Ostinato layer, or torch.nn's for
comparison.
"""

from torch import nn

from ..nn.torch_baseline import make_layer
from ..options import Options


def layer_of(
    options: Options, inputs: int, *, bidirectional: bool = False
) -> tuple[nn.Module, int]:
    """A layer `layer(x, state=None, lengths=None)` for sequences (B, T, inputs), and its output
    size.
    """
    layer = make_layer(
        options.cell,
        inputs,
        options.hidden,
        options.layers,
        bidirectional=bidirectional,
        dropout=options.dropout,
        engine=options.engine,
    )
    return layer, layer.output_size
