"""Private: implementations of a layer in each library, with the same weights, as one call to time.

A maker takes a workload and returns a runner, or None if the library does not support it.
"""

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

import ostinato


@dataclass(frozen=True)
class Workload:
    """The computation to time.

    Attributes:
        layer: A torch.nn layer with the weights to use.
        x: The input, (T, B, I).
        g: The gradient of the output, (T, B, D * H).
        state: The initial states of a stream, (1, B, H) each; None for whole sequences, which start
            from 0.
        training: Forward and backward, instead of forward only.
        threads: Number of threads.
    """

    layer: nn.Module
    x: Tensor
    g: Tensor
    state: tuple[Tensor, ...] | None
    training: bool
    threads: int

    @property
    def kind(self) -> str:
        """RNN, LSTM or GRU."""
        return type(self.layer).__name__

    @property
    def directions(self) -> int:
        """D."""
        return 1 + self.layer.bidirectional

    def like(self, layers, **others) -> nn.Module:
        """A layer with the same sizes and weights, from a module with the layer names of torch."""
        layer = self.layer
        made = getattr(layers, self.kind)(
            layer.input_size,
            layer.hidden_size,
            layer.num_layers,
            bidirectional=layer.bidirectional,
            **others,
        )
        made.load_state_dict(layer.state_dict())
        return made


@dataclass(frozen=True)
class Runner:
    """A call to time.

    Attributes:
        call: One call; it returns when everything is computed.
        arrays: Function from the result to the arrays to compare, by name and in the layout of
            torch: "outputs"; in training also the gradients of input and weights; for a stream only
            the states. None if the computation differs.
    """

    call: Callable[[], object]
    arrays: Callable[[object], dict[str, np.ndarray]] | None = None


class PeerUnavailable(Exception):
    """A library or setting that does not work here, and why."""

    def __init__(self, what: str, why: str):
        super().__init__(why)
        self.what = what


# ---------------------------------------------------------------- ours and torch's


def in_torch(
    work: Workload, run: Callable, weights: Mapping[str, Tensor], batch_first: bool = False
) -> Runner:
    """A runner for a computation that torch differentiates.

    Args:
        work: The workload.
        run: Function from the input to a sequence whose first item is the output.
        weights: The weights, by the names of torch.
        batch_first: Input and output are (B, T, units).
    """
    x, g = (
        (t.transpose(0, 1).contiguous() for t in (work.x, work.g))
        if batch_first
        else (work.x, work.g)
    )
    x = x.clone().requires_grad_(work.training)
    wanted = (x, *weights.values())
    names = ("outputs", "gradients of the input", *(f"gradients of {name}" for name in weights))

    def inference():
        with torch.inference_mode():
            return run(x)[:1]

    def train():
        output = run(x)[0]
        return output, *torch.autograd.grad(output, wanted, g)

    def arrays(result):
        laid = [
            a.transpose(0, 1) if batch_first and place < 2 else a for place, a in enumerate(result)
        ]
        return {name: a.detach().numpy() for name, a in zip(names, laid)}

    return Runner(train if work.training else inference, arrays)


def _states(given) -> dict[str, np.ndarray]:
    """The states of a stream by name, (B, H) each."""
    parts = given if isinstance(given, (tuple, list)) else (given,)
    return {
        name: np.asarray(part).reshape(-1, part.shape[-1])
        for name, part in zip(("hidden states", "cell states"), parts)
    }


def _stepping(step: Callable, state) -> Runner:
    """A runner of one step per call, from the state of the previous call."""
    last = [state]

    def call():
        last[0] = step(last[0])

    return Runner(call, lambda _: _states(last[0]))


def _unpacked(state: tuple):
    """States as torch.nn takes them: a tuple of two, or one tensor."""
    return state if len(state) > 1 else state[0]


def ours(work: Workload) -> Runner:
    """The Ostinato layer of the same name, or its stream."""
    layer = work.like(ostinato)
    if work.state is None:
        return in_torch(work, layer, dict(layer.named_parameters()))
    stream, x, out = layer.stream(work.x.shape[1]), work.x[0], torch.empty_like(work.state[0][0])
    stream.state = _unpacked(work.state)
    return Runner(lambda: stream.step(x, out), lambda _: _states(stream.state))


def _torch(batch_first: bool):
    def make(work: Workload) -> Runner:
        layer = work.like(nn, batch_first=batch_first)
        if work.state is None:
            return in_torch(work, layer, dict(layer.named_parameters()), batch_first)
        x = work.x.transpose(0, 1) if batch_first else work.x
        return _stepping(
            torch.inference_mode()(lambda state: layer(x, state)[1]), _unpacked(work.state)
        )

    return make


def _torch_cell(compiled: bool):
    """The cell of torch.nn, which is faster than its layer for one step."""

    def make(work: Workload) -> Runner | None:
        if work.state is None:
            return None
        cell = getattr(nn, f"{work.kind}Cell")(work.layer.input_size, work.layer.hidden_size)
        cell.load_state_dict(
            {name.removesuffix("_l0"): value for name, value in work.layer.state_dict().items()}
        )
        step, x = torch.compile(cell) if compiled else cell, work.x[0]
        return _stepping(
            torch.inference_mode()(lambda state: step(x, state)),
            _unpacked(tuple(s[0] for s in work.state)),
        )

    return make


def _torch_compiled(work: Workload) -> Runner:
    """torch.compile of the cell for one step, otherwise of the layer."""
    if work.state is None:
        layer = work.like(nn)
        runner = in_torch(work, torch.compile(layer), dict(layer.named_parameters()))
    else:
        runner = _torch_cell(compiled=True)(work)

    def call():
        try:
            return runner.call()
        except Exception as error:
            raise PeerUnavailable(
                "torch.compile",
                f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}",
            ) from error

    return Runner(call, runner.arrays)


# ---------------------------------------------------------------- ONNX Runtime


def _reordered(a: np.ndarray, order: list[int]) -> np.ndarray:
    """A matrix or bias with its gates in another order."""
    return a.reshape(len(order), -1, *a.shape[1:])[order].reshape(a.shape)


def _runs(layer: nn.Module) -> list[list[np.ndarray]]:
    """The two matrices and two biases of each layer and direction."""
    return [[p.detach().numpy() for p in weights] for weights in layer.all_weights]


def _onnxruntime(work: Workload) -> Runner | None:
    if work.training:
        return None
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    kind, (steps, batch, inputs), hidden, D = (
        work.kind,
        work.x.shape,
        work.layer.hidden_size,
        work.directions,
    )
    # Gate order in ONNX: LSTM i o f g, GRU z r n.
    order = {"RNN": [0], "LSTM": [0, 3, 1, 2], "GRU": [1, 0, 2]}[kind]
    runs = [[_reordered(w, order) for w in weights] for weights in _runs(work.layer)]
    states = [] if work.state is None else [f"state{k}" for k in range(len(work.state))]
    nodes, constants, below = [], {}, "x"
    for k in range(work.layer.num_layers):
        if k:
            nodes += [
                helper.make_node("Transpose", [f"y{k - 1}"], [f"turned{k}"], perm=[0, 2, 1, 3]),
                helper.make_node("Reshape", [f"turned{k}", "joined"], [f"x{k}"]),
            ]
            below, constants["joined"] = f"x{k}", np.array([steps, batch, D * hidden])
        W, R, b, d = (np.stack(parts) for parts in zip(*runs[k * D : (k + 1) * D]))
        constants |= {f"W{k}": W, f"R{k}": R, f"b{k}": np.concatenate([b, d], 1)}
        nodes.append(
            helper.make_node(
                kind,
                [below, f"W{k}", f"R{k}", f"b{k}", *(["", *states] if states else [])],
                ["", *(f"next_{name}" for name in states)] if states else [f"y{k}"],
                hidden_size=hidden,
                direction="bidirectional" if D > 1 else "forward",
                **({"linear_before_reset": 1} if kind == "GRU" else {}),
            )
        )

    def declared(name, shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    results = {f"next_{name}": [D, batch, hidden] for name in states} or {
        nodes[-1].output[0]: [steps, D, batch, hidden]
    }
    graph = helper.make_graph(
        nodes,
        "layer",
        [
            declared("x", [steps, batch, inputs]),
            *(declared(name, [D, batch, hidden]) for name in states),
        ],
        [declared(*result) for result in results.items()],
        [
            numpy_helper.from_array(np.ascontiguousarray(value), name)
            for name, value in constants.items()
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = work.threads, 1
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    x = onnxruntime.OrtValue.ortvalue_from_numpy(work.x.numpy())

    # Inputs and outputs are bound, so that a call neither copies nor looks up names.
    def bound(given, taken):
        binding = session.io_binding()
        binding.bind_ortvalue_input("x", x)
        for name, value in zip(states, given):
            binding.bind_ortvalue_input(name, value)
        for name, value in zip(results, taken):
            binding.bind_ortvalue_output(name, value)
        return binding

    taken = [
        onnxruntime.OrtValue.ortvalue_from_shape_and_type(shape, np.float32)
        for shape in results.values()
    ]
    if not states:
        binding = bound([], taken)
        # (T, D, B, H) to torch's (T, B, D * H)
        return Runner(
            lambda: session.run_with_iobinding(binding),
            lambda _: {"outputs": np.concatenate(list(taken[0].numpy().swapaxes(0, 1)), -1)},
        )
    given = [onnxruntime.OrtValue.ortvalue_from_numpy(s.numpy().copy()) for s in work.state]
    # Two bindings alternate: the output of one call is the input of the next. The input of a step
    # is a new array, and its output is read.
    turns, new = [(bound(given, taken), taken), (bound(taken, given), given)], work.x.numpy()

    def call():
        binding, result = turns[0]
        x.update_inplace(new)
        session.run_with_iobinding(binding)
        turns.reverse()
        return result, result[0].numpy()

    return Runner(call, lambda result: _states([value.numpy() for value in result[0]]))


# ---------------------------------------------------------------- JAX and Keras


def _in_jax(
    work: Workload, forward: Callable, weights: list, laid: Callable, batch_first: bool = False
) -> Runner:
    """A runner for a computation that JAX compiles and differentiates.

    Args:
        work: The workload.
        forward: Function from input, weights and states (or None) to the output and the last
            states.
        weights: A list of arrays for each layer and direction.
        laid: Function from the gradients of such a list to those of torch's two matrices and first
            bias.
        batch_first: Input and output are (B, T, units).
    """
    import jax
    from jax import numpy as jnp

    x, g = (
        jnp.array(t.transpose(0, 1).numpy() if batch_first else t.numpy()) for t in (work.x, work.g)
    )

    @jax.jit
    def inference(x, weights):
        return forward(x, weights, None)[0]

    @jax.jit
    def train(x, g, weights):
        output, back = jax.vjp(inference, x, weights)
        return output, back(g)

    @jax.jit
    def step(x, weights, state):
        return forward(x, weights, state)[1]

    def turned(a):
        return np.asarray(a).swapaxes(0, 1) if batch_first else np.asarray(a)

    def arrays(result):
        output, (dx, runs) = result
        found = {"outputs": turned(output), "gradients of the input": turned(dx)}
        for k, gradients in enumerate(runs):
            suffix = f"_l{k // work.directions}{'_reverse' * (k % work.directions)}"
            found |= {
                f"gradients of {name}{suffix}": np.asarray(a)
                for name, a in zip(("weight_ih", "weight_hh", "bias_ih"), laid(gradients))
            }
        return found

    if work.state is not None:
        return _stepping(
            lambda state: jax.block_until_ready(step(x, weights, state)),
            [jnp.array(s[0].numpy()) for s in work.state],
        )
    if work.training:
        return Runner(lambda: jax.block_until_ready(train(x, g, weights)), arrays)
    return Runner(
        lambda: jax.block_until_ready(inference(x, weights)),
        lambda result: {"outputs": turned(result)},
    )


def _jax(hoisted: bool):
    """JAX with the input product for all steps in advance, or with the product in the loop."""

    def make(work: Workload) -> Runner | None:
        if work.state is not None and not hoisted:
            return None
        import jax
        from jax import numpy as jnp

        kind, directions, hidden = work.kind, work.directions, work.layer.hidden_size
        weights = [
            [
                jnp.array(W.T),
                jnp.array(U.T),
                *((jnp.array(b), jnp.array(d)) if kind == "GRU" else (jnp.array(b + d),)),
            ]
            for W, U, b, d in _runs(work.layer)
        ]

        def rnn(state, z, U):
            return [jnp.tanh(z + state[0] @ U)]

        def lstm(state, z, U):
            h, c = state
            i, f, g, o = jnp.split(z + h @ U, 4, -1)
            c = jax.nn.sigmoid(f) * c + jax.nn.sigmoid(i) * jnp.tanh(g)
            return [jax.nn.sigmoid(o) * jnp.tanh(c), c]

        def gru(state, z, U, d):
            (h,) = state
            xr, xz, xn = jnp.split(z, 3, -1)
            hr, hz, hn = jnp.split(h @ U + d, 3, -1)
            z = jax.nn.sigmoid(xz + hz)
            return [(1 - z) * jnp.tanh(xn + jax.nn.sigmoid(xr + hr) * hn) + z * h]

        cell = {"RNN": rnn, "LSTM": lstm, "GRU": gru}[kind]

        def scanned(x, weights, reverse):
            W, U, b, *d = weights
            start = [jnp.zeros((x.shape[1], hidden), jnp.float32)] * (1 + (kind == "LSTM"))

            def step(state, of_step):
                state = cell(state, of_step if hoisted else of_step @ W + b, U, *d)
                return state, state[0]

            return jax.lax.scan(step, start, x @ W + b if hoisted else x, reverse=reverse)[1]

        def forward(x, weights, state):
            if state is not None:
                ((W, U, b, *d),) = weights
                state = cell(state, x[0] @ W + b, U, *d)
                return state[0], state
            for first in range(0, len(weights), directions):
                outputs = [
                    scanned(x, of_run, reverse=place > 0)
                    for place, of_run in enumerate(weights[first : first + directions])
                ]
                x = jnp.concatenate(outputs, -1) if directions > 1 else outputs[0]
            return x, None

        return _in_jax(
            work, forward, weights, lambda gradients: [gradients[0].T, gradients[1].T, gradients[2]]
        )

    return make


def _keras(work: Workload) -> Runner:
    import keras
    from jax import numpy as jnp

    kind, directions, hidden = work.kind, work.directions, work.layer.hidden_size
    # Gate order of the GRU in Keras: z r n; its two biases are one matrix.
    order = {"RNN": [0], "LSTM": [0, 1, 2, 3], "GRU": [1, 0, 2]}[kind]
    weights = [
        [
            jnp.array(a)
            for a in (
                _reordered(W, order).T,
                _reordered(U, order).T,
                np.stack([_reordered(b, order), _reordered(d, order)]) if kind == "GRU" else b + d,
            )
        ]
        for W, U, b, d in _runs(work.layer)
    ]
    layers, (steps, batch, units) = [], work.x.shape
    for _ in range(work.layer.num_layers):
        # zeros, because each call is given the weights
        layer = getattr(keras.layers, {"RNN": "SimpleRNN"}.get(kind, kind))(
            hidden,
            return_sequences=True,
            return_state=work.state is not None,
            kernel_initializer="zeros",
            recurrent_initializer="zeros",
        )
        layers.append(layer if directions == 1 else keras.layers.Bidirectional(layer))
        layers[-1].build((batch, steps, units))
        units = directions * hidden
    # The other variables are seeds of dropout, which is not used here.
    seeds = [[variable.value for variable in layer.non_trainable_variables] for layer in layers]

    def forward(x, weights, state):
        for k, layer in enumerate(layers):
            own = [a for of_run in weights[k * directions : (k + 1) * directions] for a in of_run]
            x, _ = layer.stateless_call(
                own, seeds[k], x, **({} if state is None else {"initial_state": state})
            )
        return (x, None) if state is None else (x[0], x[1:])

    def laid(gradients):
        W, U, b = map(np.asarray, gradients)
        return [_reordered(a, order) for a in (W.T, U.T, b[0] if kind == "GRU" else b)]

    return _in_jax(work, forward, weights, laid, batch_first=True)


# Settings of each library to try; the fastest is timed.
PEER_MAKERS = {
    "torch": {
        "batch_first=False": _torch(False),
        "batch_first=True": _torch(True),
        "cell": _torch_cell(compiled=False),
        "torch.compile": _torch_compiled,
    },
    "onnxruntime": {"": _onnxruntime},
    "jax": {
        "input's product before the loop": _jax(True),
        "input's product in the loop": _jax(False),
    },
    "keras": {"": _keras},
}
_NEEDS = {
    "torch": ("torch",),
    "onnxruntime": ("onnxruntime", "onnx"),
    "jax": ("jax",),
    "keras": ("jax", "keras"),
}


def missing(names) -> dict[str, str]:
    """The libraries that are not available, each with the reason."""
    reasons = {}
    for name in names:
        for module in _NEEDS[name]:
            try:
                importlib.import_module(module)
            except ModuleNotFoundError as error:
                reasons[name] = f"{error.name} is not installed (pip install '.[bench]')"
            except ImportError as error:
                reasons[name] = f"{module} cannot be imported ({error})"
    if (
        "keras" in names
        and "keras" not in reasons
        and (backend := importlib.import_module("keras").backend.backend()) != "jax"
    ):
        reasons["keras"] = (
            f"it was imported with the backend {backend}; set KERAS_BACKEND=jax before Python "
            "starts"
        )
    return reasons
