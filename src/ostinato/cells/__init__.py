"""Every cell as its equations, each with its paper. The derivatives, time loops and kernels all
follow from these lines.

`cell.equations()` prints them. Biases are kept where a paper leaves them out.
"""

from ..language.tracing import Cell
from . import classic, contrib, research
from .classic import *
from .contrib import *
from .research import *

CELLS: dict[str, Cell] = classic.CELLS | contrib.CELLS | research.CELLS
