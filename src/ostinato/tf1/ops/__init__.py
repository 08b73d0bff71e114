"""Private: the operations of a graph: what they compute, their shapes and their gradients."""

from . import math  # noqa: F401  # the first: the modules of operations import one another
