"""Private: the fast arithmetic, which gives results within float32 rounding of TensorFlow's.

- `kernels`, `convolution`: operations of float32 numbers by torch.
- `body`, `operations`, `recurrence`: a loop as one step of a cell, for Ostinato's CPU engine.
- `gradient`: the loop of its gradients.
- `loops`: both in a plan.
"""

from .loops import FastArithmetic

__all__ = ["FastArithmetic"]
