"""Private: the operations of a graph: what they compute, their shapes and the functions that create
them. The import of this package sets Python's operators on tensors.
"""

from . import operators, slicing  # noqa: F401
