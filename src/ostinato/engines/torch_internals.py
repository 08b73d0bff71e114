"""Private: names of torch that are not part of its public interface, in one place.

Each is looked up when it is first asked for; where a torch release lacks one, the module takes a
public name that says the same, or goes without.
"""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from . import memory


def _look_up(path: str, otherwise: Callable) -> Callable:
    """The object with this path below `torch`, or `otherwise` where it is missing."""
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
        if found is None:
            return otherwise
    return found


# The transform that is at work, as torch.vmap or torch.func.grad; None without any.
_transform = _look_up("_C._functorch.peek_interpreter_stack", lambda: None)
# Whether torch.jit.trace records operations.
_tracing = _look_up("_C._is_tracing", torch.jit.is_tracing)
# How many modes see each operation before it runs, as fake tensors and torch.export have them.
_modes = _look_up("_C._len_torch_dispatch_stack", lambda: 0)
# Whether a tensor stands for many, as in autograd with is_grads_batched.
_is_batched = _look_up("_C._functorch.is_legacy_batchedtensor", lambda t: False)
# The tensor in a wrapper that a transform as torch.func.grad left behind when it ended; else the
# tensor itself.
unwrapped = _look_up("_C._functorch.unwrap_if_dead", lambda t: t)
_compiling = torch.compiler.is_compiling
dynamo_compiling = torch.compiler.is_dynamo_compiling

# Why torch.compile ends its graph where a layer is called.
_REASON = (
    "a layer of Ostinato runs kernels of its own between two graphs of torch.compile: leave out "
    "fullgraph=True; for torch.export.export write strict=False; for a file for other tools use "
    "ostinato.exchange, as in ostinato.exchange.onnx.write(layer, path)"
)
# Older versions take no message.
BREAK = {"msg": _REASON} if torch.__version__ >= (2, 7) else {}


def traced() -> bool:
    """Whether calls are being traced or transformed rather than just run."""
    return (
        _transform() is not None
        or _tracing()
        or _modes() > 0
        or getattr(forward_ad, "_current_level", -1) >= 0
        or _compiling()
    )


def batched(gradients: Iterable[Tensor | None]) -> bool:
    """Whether some of these stand for many gradients at once, as with `is_grads_batched`, or are
    not numbers in memory.
    """
    for d in gradients:
        if d is not None and (_is_batched(d) or type(d) is not Tensor and not memory.is_dense(d)):
            return True
    return False
