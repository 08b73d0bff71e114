"""Private: the gradients of operations: one rule for each type. The import of this package makes
them known to `core/registry.py`.
"""

from . import (  # noqa: F401
    arithmetic,
    arrays,
    elementwise,
    joining,
    nn,
    reductions,
    segments,
    tensor_arrays,
)
