"""The equations of every cell, each with its paper. Gradients, time loops and kernels are derived
from these lines.

`cell.equations()` prints them. A cell has biases even where its paper leaves them out.
"""

from ..language.tracing import Cell
from . import classic, contrib, research
from .classic import *
from .contrib import *
from .research import *

__all__ = ["CELLS"]
__all__ += classic.__all__
__all__ += contrib.__all__
__all__ += research.__all__

CELLS: dict[str, Cell] = classic.CELLS | contrib.CELLS | research.CELLS
