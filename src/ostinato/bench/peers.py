"""Each implementation of a layer on the same weights, as one call to time.

A maker takes a torch.nn layer (time first, one layer, one direction) with the weights to use, the input (T, B, I), the gradient of
the output (T, B, H), and the number of threads; it gives None for what the peer cannot do.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

import ostinato

from ..language import cell, sigmoid, split, tanh, weight


@dataclass(frozen=True)
class Runner:
    """What is timed.

    Attributes:
        call: One call; it returns when everything is computed.
        arrays: Makes of its result the output (T, B, H), and in training also the gradients of the input, of the two matrices and
            of the first bias, as torch.nn lays them out.
    """

    call: Callable[[], object]
    arrays: Callable[[object], list[np.ndarray]]


@cell
def own_cell(x, h, c, *, W=weight("4*H", "I"), U=weight("4*H", "H"), b=weight("4*H"), p_i=weight("H"), p_f=weight("H"), p_o=weight("H")):
    """A cell as a user would write it; with peepholes of 0 it is the LSTM."""
    i, f, g, o = split(W @ x + U @ h + b, 4)
    c_next = sigmoid(f + p_f * c) * c + sigmoid(i + p_i * c) * tanh(g)
    return sigmoid(o + p_o * c_next) * tanh(c_next), c_next


def _module(module: nn.Module, x: Tensor, g: Tensor, training: bool, batch_first: bool = False) -> Runner:
    if batch_first:
        x, g = x.transpose(0, 1).contiguous(), g.transpose(0, 1).contiguous()
    x = x.clone().requires_grad_(training)
    wanted = (x, *module.parameters())

    def inference():
        with torch.inference_mode():
            return module(x)[:1]

    def train():
        output = module(x)[0]
        return output, *torch.autograd.grad(output, wanted, g)

    def arrays(result):
        laid = [a.transpose(0, 1) if batch_first and k < 2 else a for k, a in enumerate(result[:5])]
        return [a.detach().numpy() for a in laid]

    return Runner(train if training else inference, arrays)


def ours(layer: nn.Module, x: Tensor, g: Tensor, training: bool, threads: int) -> Runner:
    """The public layer of the same name."""
    module = getattr(ostinato, type(layer).__name__)(layer.input_size, layer.hidden_size)
    module.load_state_dict(layer.state_dict())
    return _module(module, x, g, training)


def own(layer: nn.LSTM, x: Tensor, g: Tensor, training: bool, threads: int) -> Runner:
    """A user's own cell as a layer."""
    module = ostinato.Recurrent(own_cell, layer.input_size, layer.hidden_size, batch_first=False)
    zero = torch.zeros(layer.hidden_size)
    module.load_state_dict({"W_l0": layer.weight_ih_l0, "U_l0": layer.weight_hh_l0, "b_l0": layer.bias_ih_l0 + layer.bias_hh_l0,
                            "p_i_l0": zero, "p_f_l0": zero, "p_o_l0": zero})
    return _module(module, x, g, training)


def _torch(batch_first: bool):
    def make(layer: nn.Module, x: Tensor, g: Tensor, training: bool, threads: int) -> Runner:
        module = type(layer)(layer.input_size, layer.hidden_size, batch_first=batch_first)
        module.load_state_dict(layer.state_dict())
        return _module(module, x, g, training, batch_first)

    return make


def _onnxruntime(layer: nn.Module, x: Tensor, g: Tensor, training: bool, threads: int) -> Runner | None:
    if training:
        return None
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind, steps, batch, hidden = type(layer).__name__, *x.shape[:2], layer.hidden_size
    # ONNX has the LSTM's gates as i o f g and the GRU's as z r n.
    order = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}[kind]

    def gates(t: Tensor) -> np.ndarray:
        return t.detach().unflatten(0, (len(order), hidden))[order].flatten(0, 1).numpy()

    weights = {"W": gates(layer.weight_ih_l0)[None], "R": gates(layer.weight_hh_l0)[None],
               "b": np.concatenate([gates(layer.bias_ih_l0), gates(layer.bias_hh_l0)])[None]}
    node = helper.make_node(kind, ["x", *weights], ["y"], hidden_size=hidden, **({"linear_before_reset": 1} if kind == "GRU" else {}))
    graph = helper.make_graph(
        [node], "layer", [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(x.shape))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [steps, 1, batch, hidden])],
        [numpy_helper.from_array(np.ascontiguousarray(value), name) for name, value in weights.items()])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    # Bound input and output: nothing is copied or looked up by name in a call.
    bound = session.io_binding()
    bound.bind_ortvalue_input("x", onnxruntime.OrtValue.ortvalue_from_numpy(x.numpy()))
    output = onnxruntime.OrtValue.ortvalue_from_shape_and_type([steps, 1, batch, hidden], np.float32)
    bound.bind_ortvalue_output("y", output)
    return Runner(lambda: session.run_with_iobinding(bound), lambda _: [output.numpy()[:, 0]])


def _jax(layer: nn.Module, x: Tensor, g: Tensor, training: bool, threads: int) -> Runner:
    import jax
    from jax import numpy as jnp

    kind, hidden = type(layer).__name__, layer.hidden_size
    start = jnp.zeros((x.shape[1], hidden), jnp.float32)
    W, U, b, d = (jnp.array(p.detach().numpy().T, jnp.float32) for p in layer.parameters())
    weights = (W, U, b, d) if kind == "GRU" else (W, U, b + d)
    x, g = jnp.array(x.numpy()), jnp.array(g.numpy())

    def rnn(U, h, z):
        h = jnp.tanh(z + h @ U)
        return h, h

    def lstm(U, state, z):
        h, c = state
        i, f, g, o = jnp.split(z + h @ U, 4, -1)
        c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
        h = jax.nn.sigmoid(o) * jnp.tanh(c)
        return (h, c), h

    def gru(U, d, h, z):
        xr, xz, xn = jnp.split(z, 3, -1)
        hr, hz, hn = jnp.split(h @ U + d, 3, -1)
        z = jax.nn.sigmoid(xz + hz)
        h = (1 - z) * jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn) + z * h
        return h, h

    step = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[kind]

    @jax.jit
    def inference(x, W, U, b, *d):
        return jax.lax.scan(lambda s, z: step(U, *d, s, z), (start, start) if kind == "LSTM" else start, x @ W + b)[1]

    @jax.jit
    def train(x, g, *weights):
        output, back = jax.vjp(inference, x, *weights)
        return output, *back(g)

    if training:
        return Runner(lambda: jax.block_until_ready(train(x, g, *weights)),
                      lambda result: [np.asarray(a).T if k in (2, 3) else np.asarray(a) for k, a in enumerate(result[:5])])
    return Runner(lambda: jax.block_until_ready(inference(x, *weights)), lambda result: [np.asarray(result)])


# By peer, the settings that are tried: the fastest is timed.
MAKERS = {"torch": {"batch_first=False": _torch(False), "batch_first=True": _torch(True)},
          "onnxruntime": {"": _onnxruntime}, "jax": {"": _jax}}
_NEEDS = {"torch": ("torch",), "onnxruntime": ("onnxruntime", "onnx"), "jax": ("jax",)}


def missing(names) -> dict[str, str]:
    """Which of these peers are not there, each with why."""
    reasons = {}
    for name in names:
        for module in _NEEDS[name]:
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                reasons[name] = f"{error.name} is not installed (pip install '.[bench]')"
            except ImportError as error:
                reasons[name] = f"{module} cannot be imported ({error})"
    return reasons
