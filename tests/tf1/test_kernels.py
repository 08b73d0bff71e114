"""TensorFlow 1.13.1's arithmetic: equal to its recordings to the last bit, and compiled loops equal
to NumPy's.
"""

import ctypes
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest

from ostinato.errors import InputError, SizeError
from ostinato.tf1.kernels import (
    elementwise,
    householder,
    libm,
    loops,
    products,
    random,
    registers,
    sums,
)
from recordings import GOLDEN

RECORDED = GOLDEN / "training"
recorded = pytest.mark.skipif(not RECORDED.exists(), reason="no recordings in ../shared")

f = np.float32


def load(name):
    return np.load(RECORDED / f"{name}.npz")


def seeds(name):
    cases = json.loads((RECORDED / "index.json").read_text())["cases"]
    (case,) = [c for c in cases if c["name"] == name]
    return {q["name"]: (q["seed"], q["seed2"]) for q in case["random_ops"]}


def in_order(name):
    return list(seeds(name).values())


def normal_numbers(*shape):
    return np.random.default_rng(math.prod(shape)).normal(size=shape).astype(f)


def equal(a, b):
    np.testing.assert_array_equal(np.asarray(a), np.asarray(b), strict=True)


def same_bits(a, b):
    assert a.dtype == b.dtype == f and a.shape == b.shape
    nan = np.isnan(a) & np.isnan(b)
    differ = (a.view(np.int32) != b.view(np.int32)) & ~nan
    assert not differ.any(), (np.argwhere(differ)[:5], a[differ][:5], b[differ][:5])


# ---------------------------------------------------------------- elementwise


@recorded
@pytest.mark.parametrize(
    ("name", "argument"),
    [
        ("exp", "a"),
        ("log", "b"),
        ("tanh", "a"),
        ("sigmoid", "a"),
        ("sqrt", "b"),
        ("rsqrt", "b"),
        ("softplus", "a"),
        ("elu", "a"),
        ("log1p", "b"),
        ("expm1", "a"),
    ],
)
def test_functions_of_45_numbers_are_recorded(name, argument):
    z = load("num_unary_45")
    equal(getattr(elementwise, name)(z[f"in/{argument}"]), z[f"out/y_{name}"])


@recorded
def test_powers_are_recorded():
    z = load("num_unary_45")
    equal(elementwise.power(z["in/b"], f(1.7)), z["out/y_pow"])


@recorded
@pytest.mark.parametrize(
    "name",
    ["exp", "log", "sqrt", "rsqrt", "tanh", "sigmoid", "sin", "cos", "log1p", "expm1"],
)
def test_functions_of_a_register_are_recorded(name):
    z = load("math_unary")
    equal(getattr(elementwise, name)(z["in/a"]), z[f"out/y_{name}"])


@recorded
@pytest.mark.parametrize("name", ["elu", "selu", "softplus"])
def test_activations_are_recorded(name):
    z = load("math_unary")
    equal(getattr(elementwise, name)(z["in/a"] - 1), z[f"out/y_{name}"])


@recorded
def test_the_table_of_inverse_roots_is_intels():
    equal(registers.tables()["roots"], load("rsqrtps_intel")["table"].reshape(-1))


def odd_numbers(size):
    numbers = np.concatenate(
        [
            [0, -0.0, math.inf, -math.inf, math.nan, 1e-42, -1e-42, 3e38, -3e38, 88.5, -103.5],
            [-87.5, -1, 1, 2, 0.5, -0.3, 120, 1e-20],
            *(normal_numbers(size) * scale for scale in (1, 30, 1e3, 1e-30)),
        ]
    )
    return numbers.astype(f)[:size]


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 63, 1000])
@pytest.mark.parametrize("name", registers.FUNCTIONS)
def test_compiled_functions_are_numpys(name, size):
    x = odd_numbers(size)
    if name in ("sin", "cos"):
        x = np.clip(x, -100, 100)
    for columns in {size, 1}:
        same_bits(elementwise._apply(name, x, columns), elementwise.apply_numpy(name, x, columns))


@pytest.mark.skipif(not Path("/proc").exists(), reason="glibc is Linux's")
@pytest.mark.parametrize("name", ["expf", "logf", "log1pf", "expm1f", "sinf", "cosf"])
def test_the_c_librarys_functions_are_close(name):
    """To the last bit with glibc 2.28 to 2.40; other C libraries are close."""
    function = getattr(ctypes.CDLL(None), name)
    function.restype, function.argtypes = ctypes.c_float, [ctypes.c_float]
    x = (np.random.default_rng(0).normal(size=5000) * 8).astype(f)
    x = np.abs(x) if name == "logf" else np.maximum(x, f(-0.9)) if name == "log1pf" else x
    wanted = np.array([function(float(v)) for v in x], f)
    np.testing.assert_allclose(getattr(libm, name)(registers.NUMPY, x), wanted, rtol=2e-7)


def test_powers_are_the_c_librarys_where_the_base_is_odd():
    x = np.array([0, -0.0, -2, -2, 2, 1e-42, math.inf, -8, 1], f)
    y = np.array([2, -1, 3, 0.5, 200, 0.5, -1, 2, math.nan], f)
    with np.errstate(all="ignore"):
        wanted = np.power(x.astype(float), y.astype(float)).astype(f)
    same_bits(np.ascontiguousarray(elementwise.power(x, y)), wanted)


def test_nan_and_infinities_stay():
    x = np.full(9, math.nan, f)
    for name in ("exp", "log", "sqrt", "rsqrt", "tanh", "sigmoid", "log1p", "expm1"):
        assert np.isnan(getattr(elementwise, name)(x)).all(), name
    large = np.full(9, math.inf, f)
    assert np.isinf(elementwise.exp(large)).all() and not elementwise.exp(-large).any()
    assert np.isneginf(elementwise.log(np.zeros(9, f))).all()


def test_float64_is_numpys():
    x = np.abs(normal_numbers(11).astype(float))
    equal(elementwise.exp(x), np.exp(x))
    equal(elementwise.sqrt(x), np.sqrt(x))
    equal(products.matmul(x[None], x[:, None]), x[None] @ x[:, None])
    equal(sums.sum(x, (0,)), np.sum(x))


@pytest.mark.parametrize("shape", [(), (3,), (8,), (5, 7), (2, 3, 4)])
def test_gradients_have_their_own_order_in_the_rest(shape):
    y, dy = elementwise.sigmoid(normal_numbers(*shape)), normal_numbers(*shape)
    found, whole = elementwise.sigmoid_grad(y, dy), y.size // 8 * 8
    flat, d, got = y.ravel(), dy.ravel(), found.ravel()
    equal(got[:whole], (d * (flat * (1 - flat)))[:whole])
    equal(got[whole:], ((d * flat) * (1 - flat))[whole:])
    assert found.shape == shape
    equal(elementwise.tanh_grad(y, dy), np.asarray(dy * (1 - y * y)))


# ---------------------------------------------------------------- sums


def one_by_one(v):
    """The sum of a vector of up to 8192 numbers."""
    whole = len(v) // 8 * 8
    rest, accumulators = f(0), np.zeros(8, f)
    for x in v[whole:]:
        rest = f(rest + x)
    for i in range(0, whole, 8):
        accumulators = accumulators + v[i : i + 8]
    t = accumulators[:4] + accumulators[4:]
    return f(rest + f(f(t[0] + t[2]) + f(t[1] + t[3])))


@recorded
def test_sums_are_recorded():
    z = load("num_reduce")
    x = z["in/a"]
    for n in (3, 7, 8, 9, 15, 16, 17, 31, 33, 64, 65, 100, 250, 1000):
        equal(sums.sum(x[:n], (0,)), z[f"out/s{n}"])
        equal(sums.mean(x[:n], (0,)), z[f"out/m{n}"])
        equal(sums.l2_loss(x[:n]), z[f"out/l{n}"])
    two, three = x.reshape(25, 40), x.reshape(5, 10, 20)
    equal(sums.sum(two, (0,)), z["out/r0"])
    equal(sums.sum(two, (1,)), z["out/r1"])
    equal(sums.mean(two, (0,)), z["out/rm0"])
    equal(sums.mean(two, (-1,)), z["out/rm1"])
    for name in ("q0", "q1", "q2", "q01", "q02", "q12"):
        equal(sums.sum(three, [int(c) for c in name[1:]]), z[f"out/{name}"])


@pytest.mark.parametrize("count", [1, 7, 8, 9, 63, 1000])
def test_compiled_sums_are_numpys(count):
    x = normal_numbers(5, count)
    equal(sums.sum(x, (1,)), sums.sum_rows_numpy(x))
    equal(sums.sum(x, (1,)), np.array([one_by_one(row) for row in x], f))


def test_long_sums_are_split_at_a_register():
    x = normal_numbers(2, 8195)
    # Row 1 begins at number 8195, three numbers into a register: it is split at 12296.
    wanted = [one_by_one(x[0, :4104]) + one_by_one(x[0, 4104:])]
    wanted += [one_by_one(x[1, :4101]) + one_by_one(x[1, 4101:])]
    equal(sums.sum(x, (1,)), np.array(wanted, f))


@pytest.mark.parametrize("columns", [1, 3, 8, 40])
def test_sums_over_the_first_axis_go_row_after_row(columns):
    x = normal_numbers(300, columns)
    total = np.zeros(columns, f)
    for row in x:
        total = total + row
    equal(sums.bias_add_grad(x), total)
    equal(sums.bias_add_grad(x.reshape(10, 30, columns)), total)


def test_sums_of_no_numbers_and_of_no_axes():
    x = normal_numbers(2, 3)
    equal(sums.sum(x, ()), x)
    equal(sums.sum(x[:0], (0,)), np.zeros(3, f))
    equal(sums.sum(f(2), ()), np.asarray(f(2)))
    equal(sums.sum(x, (0,), keepdims=True), sums.sum(x, (0,))[None])
    equal(sums.max(x, (1,)), x.max(1))
    equal(sums.sum(np.ones((2, 3), np.int32), (0, 1)), np.asarray(np.int32(6)))
    equal(sums.mean(np.array([-3, -4], np.int32), (0,)), np.asarray(np.int32(-3)))
    assert np.isnan(sums.mean(x[:0], (0,))).all()


@recorded
@pytest.mark.parametrize("name", ["C3", "C5", "C8", "C10", "rows20_C5"])
def test_softmaxes_are_recorded(name):
    z = load(f"num_softmax_{name}")
    logits, classes = z["in/a"], z["in/b"]
    loss, gradient = sums.sparse_softmax_cross_entropy(logits, classes)
    equal(loss, z["out/sp"])
    equal(gradient, z["out/gsp.0"])
    loss, gradient = sums.softmax_cross_entropy(logits, np.eye(logits.shape[1], dtype=f)[classes])
    equal(loss, z["out/ce"])
    equal(gradient, z["out/gce.0"])
    equal(sums.softmax(logits), z["out/sm"])
    equal(sums.log_softmax(logits), z["out/ls"])
    if "in/p" in z:
        equal(sums.softmax_cross_entropy(logits, z["in/p"])[0], z["out/ce2"])


@recorded
def test_losses_are_recorded():
    z = load("loss_nn_float32")
    logits, probabilities = z["in/logits"].astype(f), z["in/probs"].astype(f)
    loss, gradient = sums.softmax_cross_entropy(logits, probabilities)
    equal(loss, z["out/v1"])
    equal(gradient, z["out/g_v1.0"])
    loss, gradient = sums.sparse_softmax_cross_entropy(logits, z["in/labels"])
    equal(loss, z["out/sp"])
    equal(gradient, z["out/g_sp.0"])


def test_a_label_that_is_not_a_class_is_an_error():
    with pytest.raises(InputError, match=r"label value of 3 .* \[0, 3\)"):
        sums.sparse_softmax_cross_entropy(np.zeros((2, 3), f), np.array([0, 3]))
    with pytest.raises(SizeError, match=r"give \(B, C\)"):
        sums.softmax(np.zeros(3, f))


# ---------------------------------------------------------------- products


def by_numpy(a, b):
    block = products._block(a.shape[1])
    c = products.ordered_numpy(a, b, block)
    rows, columns = len(a) // 4 * 4, b.shape[1] % 8
    if rows and columns:
        c[:rows, -columns:] = products.last_columns_numpy(a[:rows], b[:, -columns:], block)
    return c


@pytest.mark.parametrize("k", [1, 7, 8, 63, 609, 1300])
def test_compiled_products_are_numpys(k):
    for m, n in itertools.product([2, 3, 4, 7, 9], [2, 7, 8, 15, 17, 63]):
        _compare_products(m, n, k)


def _compare_products(m, n, k):
    a, b = normal_numbers(m, k), normal_numbers(k, n)
    at, bt = np.ascontiguousarray(a.T), np.ascontiguousarray(b.T)
    wanted = by_numpy(a, b)
    equal(products.matmul(a, b), wanted)
    equal(products.matmul(at, b, transpose_a=True), wanted)
    equal(products.matmul(a, bt, transpose_b=True), wanted)
    equal(products.matmul(at, bt, transpose_a=True, transpose_b=True), wanted)
    equal(products.batch_matmul(a[None, None], b[None, None]), wanted[None, None])


@pytest.mark.parametrize("m", [1, 2, 8, 63])
@pytest.mark.parametrize("k", [1, 7, 8, 63, 127, 128, 300])
def test_products_with_a_vector(m, k):
    a, v = normal_numbers(m, k), normal_numbers(k, 1)
    at = np.ascontiguousarray(a.T)
    dots = products.dots_numpy(a, v[:, 0])
    by_blocks = products.ordered_numpy(v.T, at, k if k < 128 else 16)[0]
    equal(products.matmul(v.T, a, transpose_b=True)[0], dots)
    equal(products.matmul(v.T, at)[0], by_blocks)
    if m > 1:
        equal(products.matmul(a, v)[:, 0], dots)
        equal(products.matmul(at, v, transpose_a=True)[:, 0], by_blocks)


def test_long_sums_are_cut_into_even_blocks():
    assert [products._block(k) for k in (7, 608, 609, 1216, 1700)] == [7, 608, 312, 608, 568]


def test_products_of_nothing_are_zero():
    equal(products.matmul(np.zeros((2, 0), f), np.zeros((0, 3), f)), np.zeros((2, 3), f))
    equal(
        products.batch_matmul(np.zeros((2, 2, 0), f), np.zeros((2, 0, 3), f)),
        np.zeros((2, 2, 3), f),
    )


def test_sizes_of_products_are_checked():
    with pytest.raises(SizeError, match=r"\(2, 3\) and \(4, 3\): give \(M, K\) and \(K, N\)"):
        products.matmul(np.zeros((2, 3), f), np.zeros((4, 3), f))
    with pytest.raises(SizeError, match=r"\(1, 2, 3\) and \(2, 3, 3\)"):
        products.batch_matmul(np.zeros((1, 2, 3), f), np.zeros((2, 3, 3), f))


def test_without_a_vector_unit_numpy_computes_the_same(monkeypatch):
    a, b = normal_numbers(9, 21), normal_numbers(21, 13)
    v, x = normal_numbers(21, 1), normal_numbers(3, 11)

    def results():
        return [
            products.matmul(a, b),
            products.matmul(a, v),
            sums.sum(x, (1,)),
            sums.softmax(x),
            elementwise.log1p(np.abs(x)),
        ]

    compiled = results()
    for module in (elementwise, products, sums):
        monkeypatch.setattr(module, "compiled", lambda: None)
    for one, other in zip(compiled, results()):
        equal(one, other)


# ---------------------------------------------------------------- random numbers


@recorded
def test_draws_are_recorded():
    z, s = load("random_ops"), in_order("random_ops")
    names = ("n1", "n4", "t1", "t3", "u1", "u6", "i1", "i2")
    streams = {n: random.RandomStream(*s[i]) for n, i in zip(names, (0, 3, 4, 6, 8, 11, 12, 13))}
    for run in range(3):
        equal(streams["n1"].normal((37,), f), z["runs/n1"][run])
        equal(streams["n4"].normal((7,), float), z["runs/n4"][run])
        equal(streams["t1"].truncated_normal((301,), f), z["runs/t1"][run])
        equal(streams["t3"].truncated_normal((11,), float), z["runs/t3"][run])
        equal(streams["u1"].uniform((37,), f), z["runs/u1"][run])
        equal(streams["u6"].uniform((9,), float), z["runs/u6"][run])
        equal(streams["i1"].integers((23,), 0, 10, np.int32), z["runs/i1"][run])
        equal(streams["i2"].integers((6,), -5, 1000, np.int64), z["runs/i2"][run])


@recorded
def test_many_draws_are_recorded():
    z, s = load("random_ops_large"), in_order("random_ops_large")
    normal, truncated = random.RandomStream(*s[0]), random.RandomStream(*s[1])
    for run in range(2):
        equal(normal.normal((2000,), f), z["runs/n"][run])
        equal(truncated.truncated_normal((2000,), f), z["runs/t"][run])


@recorded
def test_classes_and_orders_are_recorded():
    z, s = load("random_multinomial"), in_order("random_multinomial")
    logits = elementwise.log(np.array([[0.1, 0.2, 0.7], [0.5, 0.25, 0.25]], f))
    stream = random.RandomStream(*s[0])
    for run in range(4):
        equal(stream.multinomial(logits, 5), z["runs/m1"][run])
    z, s = load("random_shuffle"), in_order("random_shuffle")
    stream = random.RandomStream(*s[0])
    for run in range(4):
        equal(stream.shuffle(10), z["runs/s1"][run].astype(np.int64))


@recorded
@pytest.mark.parametrize("noise_shape", [(5, 4), (5, 1)])
def test_dropout_is_recorded(noise_shape):
    z, s = load("random_dropout"), in_order("random_dropout")
    name, pair = ("d1", s[0]) if noise_shape == (5, 4) else ("d4", s[3])
    stream = random.RandomStream(*pair)
    for run in range(4):
        noise = np.floor(f(0.5) + stream.uniform(noise_shape, f))
        equal(np.ones((5, 4), f) / f(0.5) * noise, z[f"runs/{name}"][run])


def test_streams_of_no_numbers():
    stream = random.RandomStream(1, 2)
    assert stream.normal((0, 3), f).shape == (0, 3)
    assert stream.truncated_normal((0,), f).shape == (0,)
    assert stream.multinomial(np.zeros((2, 3), f), 0).shape == (2, 0)
    equal(stream.shuffle(1), np.zeros(1, np.int64))
    assert stream.block == 0


def test_classes_of_infinite_odds_are_never_drawn():
    logits = np.array([[-math.inf, 0, -math.inf, 1]], f)
    assert set(random.RandomStream(1, 2).multinomial(logits, 100)[0]) == {1, 3}


def test_short_numbers_are_drawn_from_one_word_each():
    drawn = random.RandomStream(1, 2).uniform((100,), np.float16)
    assert drawn.dtype == np.float16 and (drawn >= 0).all() and (drawn < 1).all()
    assert len(set(drawn.tolist())) > 80
    assert random.RandomStream(1, 2).normal((3,), np.float16).dtype == np.float16


# ---------------------------------------------------------------- orthogonal matrices


@recorded
@pytest.mark.parametrize(
    ("name", "shape", "gain"),
    [("orth44", (4, 4), 1), ("orth35", (3, 5), 1), ("orth63", (6, 3), 0.5), ("korth", (2, 8), 1)],
)
def test_small_orthogonal_matrices_are_recorded(name, shape, gain):
    pairs = {n.split("/")[0]: pair for n, pair in seeds("keras_initializers").items()}
    equal(
        orthogonal_matrix(pairs[name], shape, gain), load("keras_initializers")[f"initial/{name}"]
    )


@recorded
@pytest.mark.parametrize(("index", "shape"), [(0, (8, 32)), (1, (16, 64))])
def test_orthogonal_matrices_of_up_to_32_columns_are_recorded(index, shape):
    pair = in_order("num_orthogonal_large")[index]
    wanted = load("num_orthogonal_large")[f"initial/o{shape[0]}x{shape[1]}"]
    equal(orthogonal_matrix(pair, shape, 1), wanted)


@recorded
def test_larger_orthogonal_matrices_are_close():
    pair = in_order("num_orthogonal_large")[2]
    wanted = load("num_orthogonal_large")["initial/o64x64"]
    np.testing.assert_allclose(orthogonal_matrix(pair, (64, 64), 1), wanted, atol=1e-6)


def test_the_factors_are_a_matrix_in_float64():
    matrix = normal_numbers(9, 4).astype(float)
    q, r = householder.qr(matrix)
    np.testing.assert_allclose(q.T @ q, np.eye(4), atol=1e-14)
    np.testing.assert_allclose(q @ r, matrix, atol=1e-14)
    equal(r, np.triu(r))


def orthogonal_matrix(pair, shape, gain):
    rows, columns = shape
    drawn = random.normal(*pair, rows * columns).reshape(max(shape), min(shape))
    q, r = householder.qr(drawn)
    q = q * np.sign(np.diag(r))
    return f(gain) * (q.T if rows < columns else q)


# ---------------------------------------------------------------- together


@recorded
@pytest.mark.parametrize("name", ["course_lab_12_1", "course_lab_12_2"])
def test_fifty_steps_of_training_are_recorded(name):
    z = load(name)
    names = ("rnn/basic_lstm_cell/kernel", "rnn/basic_lstm_cell/bias")
    names += ("fully_connected/weights", "fully_connected/biases")
    x = z["in/x_one_hot"].astype(f) if name[-1] == "1" else np.eye(10, dtype=f)[z["in/x_data"]]
    weights = [z[f"initial/{n}"] for n in names]
    equal(_train(x, z["in/y_data"][0], weights), z["steps/loss"][:50])
    for n, w in zip(names, weights):
        equal(w, z[f"after/50/{n}"])


def _train(x, labels, weights):
    """The losses of 50 steps of Adam on an LSTM with a dense layer, one sentence in a batch."""
    slots = [(np.zeros_like(w), np.zeros_like(w)) for w in weights]
    powers, losses = [f(0.9), f(0.999)], []
    for _ in range(50):
        loss, gradients = _loss(x, labels, *weights)
        losses.append(loss)
        rate = f(f(0.1) * np.sqrt(f(1) - powers[1]) / (f(1) - powers[0]))
        for w, (m, v), g in zip(weights, slots, gradients):
            m += (g - m) * (f(1) - f(0.9))
            v += (g * g - v) * (f(1) - f(0.999))
            w -= (m * rate) / (elementwise.sqrt(v) + f(1e-8))
        powers = [powers[0] * f(0.9), powers[1] * f(0.999)]
    return np.array(losses)


def _loss(x, labels, kernel, bias, dense, dense_bias):
    units, steps = len(dense), x.shape[1]
    c = h = np.zeros((1, units), f)
    kept, outputs = [], []
    for t in range(steps):
        row = np.concatenate([x[:, t], h], 1)
        i, j, g, o = np.split(products.matmul(row, kernel) + bias, 4, 1)
        i, j, o = elementwise.sigmoid(i), elementwise.tanh(j), elementwise.sigmoid(o)
        g = elementwise.sigmoid(g + f(1))
        previous, c = c, c * g + i * j
        kept.append((row, previous, i, j, g, o, elementwise.tanh(c)))
        h = kept[-1][-1] * o
        outputs.append(h)
    hidden = np.concatenate(outputs)
    entropies, d = sums.sparse_softmax_cross_entropy(
        products.matmul(hidden, dense) + dense_bias, labels
    )
    share = f(1) / f(steps)
    loss, d = sums.sum(entropies, (0,)) * share, d * share
    d_hidden = products.matmul(d, dense, transpose_b=True)
    d_kernel, d_bias = np.zeros_like(kernel), np.zeros_like(bias)
    dh = dc = np.zeros((1, units), f)
    for t in reversed(range(steps)):
        row, previous, i, j, g, o, active = kept[t]
        dh = dh + d_hidden[t : t + 1]
        dc = dc + elementwise.tanh_grad(active, dh * o)
        gates = [
            elementwise.sigmoid_grad(i, dc * j),
            elementwise.tanh_grad(j, i * dc),
            elementwise.sigmoid_grad(g, previous * dc),
            elementwise.sigmoid_grad(o, active * dh),
        ]
        dz, dc = np.concatenate(gates, 1), dc * g
        d_bias = d_bias + sums.bias_add_grad(dz)
        d_kernel = d_kernel + products.matmul(row, dz, transpose_a=True)
        dh = products.matmul(dz, kernel, transpose_b=True)[:, -units:]
    d_dense = products.matmul(hidden, d, transpose_a=True)
    return loss, [d_kernel, d_bias, d_dense, sums.bias_add_grad(d)]


def test_the_loops_are_compiled_once():
    assert loops.compiled() is loops.compiled()
