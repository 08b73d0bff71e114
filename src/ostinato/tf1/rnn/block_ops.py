"""Private: operations that are a whole step, or a whole sequence, of an LSTM or a GRU."""

from typing import Any

import numpy as np

from ..core.conversion import apply
from ..core.registry import define, gradient, not_differentiable
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from ..kernels.elementwise import sigmoid, tanh
from ..kernels.products import matmul
from ..ops import arrays, math

__all__ = ["block_lstm", "gru_block_cell", "lstm_block_cell"]


# The LSTM: gates i, ci, f and o, the cell state cs, its tanh co, and the output h.


def _step(op: Operation, given: dict[str, np.ndarray], c: np.ndarray, h: np.ndarray) -> tuple:
    """One step, for an input x and the states before it: i, cs, f, o, ci, co and h."""
    peephole, limit = op.attrs["use_peephole"], op.attrs["cell_clip"]
    x = given["x"]
    gates = matmul(np.concatenate([x, h], 1), given["w"]) + given["b"]
    i, ci, f, o = np.split(gates, 4, 1)
    f = f + x.dtype.type(op.attrs["forget_bias"])
    if peephole:
        i, f = i + c * given["wci"], f + c * given["wcf"]
    i, f, ci = sigmoid(i), sigmoid(f), tanh(ci)
    cs = i * ci + f * c
    if limit > 0:
        cs = np.clip(cs, -x.dtype.type(limit), x.dtype.type(limit))
    o = sigmoid(o + cs * given["wco"] if peephole else o)
    co = tanh(cs)
    return i, cs, f, o, ci, co, o * co


def _step_gradient(
    op: Operation, given: dict[str, np.ndarray], c: np.ndarray, dcs: np.ndarray, dh: np.ndarray
) -> tuple[np.ndarray, np.ndarray, dict[str, np.ndarray]]:
    """The gradients of one step: those of the cell state before it, of the gates (joined), and of
    the peepholes. TensorFlow ignores the clipping.

    Args:
        op: The operation.
        given: The values of the step: i, cs, f, o, ci, co and the peepholes.
        c: The cell state before the step.
        dcs, dh: The gradients of the cell state and of the output after it.
    """
    i, cs, f, o, ci, co = (given[name] for name in ("i", "cs", "f", "o", "ci", "co"))
    do = o * (1 - o) * dh * co
    dcs = (1 - co * co) * dh * o + dcs
    if op.attrs["use_peephole"]:
        dcs = dcs + do * given["wco"]
    dci = (1 - ci * ci) * dcs * i
    df = f * (1 - f) * dcs * c
    di = i * (1 - i) * dcs * ci
    before = dcs * f
    peepholes = {"wci": di * c, "wcf": df * c, "wco": do * cs}
    if op.attrs["use_peephole"]:
        before = before + di * given["wci"] + df * given["wcf"]
        sums = {name: value.sum(0) for name, value in peepholes.items()}
    else:
        sums = {name: np.zeros_like(given[name]) for name in peepholes}
    return before, np.concatenate([di, dci, df, do], 1), sums


_STEP_INPUTS = ("x", "cs_prev", "h_prev", "w", "wci", "wcf", "wco", "b")
_STEP_VALUES = ("i", "cs", "f", "o", "ci", "co", "h")


def _step_outputs(op: Operation) -> list:
    x, cs = op.inputs[:2]
    rows = x.shape.with_rank(2)[0].merge_with(cs.shape.with_rank(2)[0])
    return [(x.dtype.base_dtype, [rows, cs.shape.with_rank(2)[1]])] * len(_STEP_VALUES)


def _lstm_block_cell(op: Operation, *values: np.ndarray) -> tuple:
    given = dict(zip(_STEP_INPUTS, values))
    return _step(op, given, given["cs_prev"], given["h_prev"])


def _lstm_block_cell_grad(op: Operation, *values: np.ndarray) -> tuple:
    names = (*_STEP_INPUTS, *_STEP_VALUES[:-1], "cs_grad", "h_grad")
    given = dict(zip(names, values))
    before, gates, sums = _step_gradient(
        op, given, given["cs_prev"], given["cs_grad"], given["h_grad"]
    )
    return before, gates, sums["wci"], sums["wcf"], sums["wco"]


def _step_grad_outputs(op: Operation) -> list:
    state, kind = op.inputs[1].shape, op.inputs[0].dtype.base_dtype
    units = state.with_rank(2)[1]
    gates = TensorShape([state[0], units * 4])
    return [(kind, state), (kind, gates), *[(kind, [units])] * 3]


define("LSTMBlockCell", _step_outputs, _lstm_block_cell)
define("LSTMBlockCellGrad", _step_grad_outputs, _lstm_block_cell_grad)
not_differentiable("LSTMBlockCellGrad")


def lstm_block_cell(
    forget_bias: float, cell_clip: float, use_peephole: bool, **given: Any
) -> tuple[Tensor, Tensor]:
    """One step of an LSTM: the new cell state and the output.

    Args:
        forget_bias: A constant added to the forget gate.
        cell_clip: The bound of the cell state; negative for none.
        use_peephole: Whether the gates see the cell state.
        given: x (B, I), cs_prev and h_prev (B, H), w (I + H, 4H), wci, wcf and wco (H,), b (4H,).
    """
    attrs = {"forget_bias": forget_bias, "cell_clip": cell_clip, "use_peephole": use_peephole}
    inputs = {name: given[name] for name in _STEP_INPUTS}
    op = apply("LSTMBlockCell", inputs, attrs=attrs, same=_STEP_INPUTS)
    return op.outputs[1], op.outputs[6]


@gradient("LSTMBlockCell")
def _lstm_block_cell_gradient(op: Operation, *grads: Any) -> list:
    given = dict(zip(_STEP_INPUTS, op.inputs))
    kept = dict(zip(_STEP_VALUES[:-1], op.outputs))
    attrs = {"use_peephole": op.attrs["use_peephole"]}
    whole = {**given, **kept, "cs_grad": grads[1], "h_grad": grads[6]}
    cs_prev, gates, *peepholes = apply("LSTMBlockCellGrad", whole, attrs=attrs).outputs
    x, h_prev = given["x"], given["h_prev"]
    rows, units = x.shape[0].value, h_prev.shape[1].value
    size = x.shape[1].value
    rows = -1 if rows is None else rows
    joined = math.matmul(gates, given["w"], transpose_b=True)
    dx = arrays.slice(joined, (0, 0), (rows, size))
    dh = arrays.slice(joined, (0, size), (rows, units))
    dw = math.matmul(arrays.concat([x, h_prev], 1), gates, transpose_a=True)
    return [dx, cs_prev, dh, dw, *peepholes, _bias_gradient(gates)]


def _bias_gradient(gates: Tensor) -> Tensor:
    attrs = {"data_format": "NHWC"}
    return apply("BiasAddGrad", {"out_backprop": gates}, attrs=attrs).outputs[0]


# The LSTM over a whole sequence, time first

_LSTM_INPUTS = ("seq_len_max", *_STEP_INPUTS)


def _lstm_outputs(op: Operation) -> list:
    x, cs = op.inputs[1:3]
    steps, rows, _ = x.shape.with_rank(3)
    shape = [steps, rows, cs.shape.with_rank(2)[1]]
    return [(x.dtype.base_dtype, shape)] * len(_STEP_VALUES)


def _block_lstm(op: Operation, *values: np.ndarray) -> tuple:
    given = dict(zip(_LSTM_INPUTS, values))
    x, c, h = given["x"], given["cs_prev"], given["h_prev"]
    results = [np.zeros((*x.shape[:2], c.shape[1]), x.dtype) for _ in _STEP_VALUES]
    for t in range(min(int(given["seq_len_max"]), len(x))):
        step = _step(op, {**given, "x": x[t]}, c, h)
        for result, value in zip(results, step):
            result[t] = value
        c, h = step[1], step[6]
    return tuple(results)


def _block_lstm_grad(op: Operation, *values: np.ndarray) -> tuple:
    names = (*_LSTM_INPUTS, *_STEP_VALUES, "cs_grad", "h_grad")
    given = dict(zip(names, values))
    x, w = given["x"], given["w"]
    size = x.shape[2]
    dx, dw = np.zeros_like(x), np.zeros_like(w)
    sums = {name: np.zeros_like(given[name]) for name in ("wci", "wcf", "wco", "b")}
    dc, dh = np.zeros_like(given["cs_prev"]), np.zeros_like(given["h_prev"])
    for t in reversed(range(min(int(given["seq_len_max"]), len(x)))):
        c = given["cs"][t - 1] if t else given["cs_prev"]
        h = given["h"][t - 1] if t else given["h_prev"]
        kept = {**given, **{name: given[name][t] for name in _STEP_VALUES}}
        dc, gates, peepholes = _step_gradient(
            op, kept, c, given["cs_grad"][t] + dc, given["h_grad"][t] + dh
        )
        joined = matmul(gates, w, False, True)
        dx[t], dh = joined[:, :size], joined[:, size:]
        dw += matmul(np.concatenate([x[t], h], 1), gates, True, False)
        for name, value in {**peepholes, "b": gates.sum(0)}.items():
            sums[name] = sums[name] + value
    return dx, dc, dh, dw, sums["wci"], sums["wcf"], sums["wco"], sums["b"]


define("BlockLSTM", _lstm_outputs, _block_lstm)
define(
    "BlockLSTMGrad",
    lambda op: [(t.dtype.base_dtype, t.shape) for t in op.inputs[1:9]],
    _block_lstm_grad,
)
not_differentiable("BlockLSTMGrad")


def block_lstm(
    forget_bias: float, cell_clip: float, use_peephole: bool, **given: Any
) -> tuple[Tensor, Tensor]:
    """An LSTM over a whole sequence: the cell states and the outputs, (T, B, H) each.

    Args:
        forget_bias, cell_clip, use_peephole: See `lstm_block_cell`.
        given: seq_len_max, x (T, B, I), and the others as for `lstm_block_cell`.
    """
    attrs = {"forget_bias": forget_bias, "cell_clip": cell_clip, "use_peephole": use_peephole}
    inputs = {name: given[name] for name in _LSTM_INPUTS}
    op = apply("BlockLSTM", inputs, attrs=attrs, dtypes={"seq_len_max": "int64"}, same=_STEP_INPUTS)
    return op.outputs[1], op.outputs[6]


@gradient("BlockLSTM")
def _block_lstm_gradient(op: Operation, *grads: Any) -> list:
    given = dict(zip(_LSTM_INPUTS, op.inputs))
    kept = dict(zip(_STEP_VALUES, op.outputs))
    attrs = {"use_peephole": op.attrs["use_peephole"]}
    whole = {**given, **kept, "cs_grad": grads[1], "h_grad": grads[6]}
    return [None, *apply("BlockLSTMGrad", whole, attrs=attrs).outputs]


# The GRU: gates r and u, the candidate c, and the new state h.

_GRU_INPUTS = ("x", "h_prev", "w_ru", "w_c", "b_ru", "b_c")


def _gru(op: Operation, *values: np.ndarray) -> tuple:
    x, h_prev, w_ru, w_c, b_ru, b_c = values
    gates = sigmoid(matmul(np.concatenate([x, h_prev], 1), w_ru) + b_ru)
    r, u = np.split(gates, 2, 1)
    c = tanh(matmul(np.concatenate([x, h_prev * r], 1), w_c) + b_c)
    return r, u, c, u * (h_prev - c) + c


def _gru_grad(op: Operation, *values: np.ndarray) -> tuple:
    x, h_prev, w_ru, w_c, _, _, r, u, c, dh = values
    size = x.shape[1]
    d_c_bar = dh * (1 - u) * (1 - c * c)
    d_u_bar = dh * (h_prev - c) * (u * (1 - u))
    of_candidate = matmul(d_c_bar, w_c, False, True)
    d_h_prevr = of_candidate[:, size:]
    d_r_bar = d_h_prevr * h_prev * (r * (1 - r))
    d_gates = np.concatenate([d_r_bar, d_u_bar], 1)
    of_gates = matmul(d_gates, w_ru, False, True)
    dx = of_gates[:, :size] + of_candidate[:, :size]
    return dx, of_gates[:, size:] + d_h_prevr * r + dh * u, d_c_bar, d_gates


def _gru_outputs(op: Operation) -> list:
    x, h_prev = op.inputs[:2]
    rows = x.shape.with_rank(2)[0].merge_with(h_prev.shape.with_rank(2)[0])
    return [(x.dtype.base_dtype, [rows, h_prev.shape[1]])] * 4


def _gru_grad_outputs(op: Operation) -> list:
    x, h_prev = op.inputs[:2]
    kind, rows, units = x.dtype.base_dtype, h_prev.shape[0], h_prev.shape[1]
    return [(kind, x.shape), (kind, h_prev.shape), (kind, [rows, units]), (kind, [rows, units * 2])]


define("GRUBlockCell", _gru_outputs, _gru)
define("GRUBlockCellGrad", _gru_grad_outputs, _gru_grad)
not_differentiable("GRUBlockCellGrad")


def gru_block_cell(**given: Any) -> Tensor:
    """One step of a GRU: the new state.

    Args:
        given: x (B, I), h_prev (B, H), w_ru (I + H, 2H), w_c (I + H, H), b_ru (2H,), b_c (H,).
    """
    inputs = {name: given[name] for name in _GRU_INPUTS}
    return apply("GRUBlockCell", inputs, same=_GRU_INPUTS).outputs[3]


@gradient("GRUBlockCell")
def _gru_block_cell_gradient(op: Operation, *grads: Any) -> list:
    given = dict(zip(_GRU_INPUTS, op.inputs))
    x, h_prev = given["x"], given["h_prev"]
    r, u, c, _ = op.outputs
    whole = {**given, "r": r, "u": u, "c": c, "d_h": grads[3]}
    dx, dh, d_c_bar, d_gates = apply("GRUBlockCellGrad", whole).outputs
    d_w_ru = math.matmul(arrays.concat([x, h_prev], 1), d_gates, transpose_a=True)
    d_b_ru = _bias_gradient(d_gates)
    joined = arrays.concat([x, h_prev * r], 1)
    d_w_c = math.matmul(joined, d_c_bar, transpose_a=True)
    return [dx, dh, d_w_ru, d_w_c, d_b_ru, _bias_gradient(d_c_bar)]
