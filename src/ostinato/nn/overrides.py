"""Private: torch's tools that record a call, and types that replace it: what takes a call over, and
errors where none can.

A layer runs step by step, by kernels that torch does not see. A tool that records operations from
an example would fix the number of steps, and one that compiles Python would not find any.
torch.export.export(strict=False) works, because its programs check the sizes of their inputs; so
does torch.fx.symbolic_trace, to which a layer is one node.
"""

from collections.abc import Callable, Collection, Iterator

import torch
from torch import fx, nn
from torch.overrides import handle_torch_function, has_torch_function

from ..engines.memory import OWN
from ..errors import TracingError

_INSTEAD = (
    "write torch.export.export(model, args, strict=False), whose program takes inputs of its "
    "example's sizes and refuses others; or, of RNN, LSTM and GRU, load the state_dict into the "
    "layer of torch.nn with the same name and arguments, and use that. For an ONNX file use "
    "ostinato.exchange.onnx.write(layer, path)"
)


def refuse_trace(what: str, x: object = None, time: int = 0) -> None:
    """Raise an error where the number of steps of an example would be recorded without a check.

    A trace of torch.jit.trace has it. A file of torch.onnx.export(dynamo=True) has it too, with an
    input of any number of steps, if the time dimension is marked as dynamic.

    Args:
        what: The call, for the message.
        x: The input, or several.
        time: Its dimension of time.

    Raises:
        TracingError: torch.jit.trace is at work, or what uses it: torch.onnx.export(dynamo=False),
            TensorBoard's add_graph. Or torch.onnx.export(dynamo=True) has a dynamic time dimension.
    """
    if any(_is_symbolic(size) for one in _leaves([x]) for size in _sizes(one)[time : time + 1]):
        if torch.onnx.is_in_onnx_export():
            raise TracingError(
                f"{what} was called by torch.onnx.export with a dynamic time dimension. The file "
                "would have the number of steps of its example and give wrong results for any "
                "other. Write ostinato.exchange.onnx.write(layer, path), whose files take any "
                "number of steps; or leave this dimension out of dynamic_shapes and dynamic_axes, "
                "and give an example tensor that no other export has marked"
            )
    if torch.jit.is_tracing():
        raise TracingError(
            f"{what} was called by torch.jit.trace (torch.onnx.export with dynamo=False uses it "
            f"too). A trace has the number "
            f"of steps of its example and gives wrong results for any other: {_INSTEAD}"
        )


def _sizes(x: object) -> tuple:
    return tuple(x.shape) if isinstance(x, torch.Tensor) else ()


def _is_symbolic(size: object) -> bool:
    return isinstance(size, torch.SymInt)


def refuse_script(module: nn.Module):
    """Raise an error where torch.jit.script compiles a module, which has this as its
    `__prepare_scriptable__`.

    Raises:
        TracingError: Always.
    """
    raise TracingError(
        f"torch.jit.script was given {type(module).__name__}, which it cannot compile: {_INSTEAD}"
    )


def overriding(*values) -> list:
    """The values, in nested tuples and lists too, that replace torch's operations: they have a
    `__torch_function__` of their own.
    """
    return [
        t for t in _leaves(values) if type(t) not in OWN and hasattr(type(t), "__torch_function__")
    ]


def taken_over(function: Callable, others: Collection, module: nn.Module, *args):
    """The result that those values give for a call, function(module, *args); None where they leave
    it as it is.

    torch.fx.symbolic_trace records one node, as it does for torch.nn's layers. A subclass of
    Tensor, as a rule, has the function called on what it stands for, and gives the results its own
    type.

    Args:
        function: What a call of the module runs, without hooks.
        others: What `overriding` has found in the arguments, or among the parameters.
        module: The module called.
        args: The arguments.

    Raises:
        TracingError: torch.fx.symbolic_trace was given the module itself.
    """
    proxy = next((t for t in others if isinstance(t, fx.Proxy)), None)
    if proxy is not None:
        if proxy.tracer.root is module:
            raise TracingError(
                f"torch.fx.symbolic_trace was given {type(module).__name__} itself: give it a "
                f"module that calls it, in whose "
                "graph the call is one node"
            )
        return proxy.tracer.create_proxy(
            "call_module", proxy.tracer.path_of_module(module), args, {}
        )
    if others and has_torch_function(others):
        return handle_torch_function(function, others, module, *args)
    return None


def _leaves(values: Collection) -> Iterator:
    for value in values:
        if isinstance(value, (tuple, list)):
            yield from _leaves(value)
        else:
            yield value
