"""Arithmetic, reductions and products give NumPy's values, TensorFlow's operations and right
gradients.
"""

import json

import numpy as np
import pytest

import ostinato.tf1 as tf
from ostinato.errors import InputError, SizeError
from ostinato.tf1.core.graph import get_default_graph
from ostinato.tf1.ops import arrays, math
from places import SHARED

GOLDEN = SHARED / "golden" / "training"
DRAWN = np.random.RandomState(0)
A = DRAWN.uniform(0.1, 0.9, (3, 4))
B = DRAWN.uniform(0.1, 0.9, (3, 4))
ROW = DRAWN.uniform(0.1, 0.9, 4)
I = np.array([[7, -7, 5], [-5, 9, 4]])
J = np.array([2, 3, -4])


def run(values, feed=None):
    return tf.Session().run(values, feed)


def listing(start=0):
    return [f"{op.type} {op.name}" for op in get_default_graph().get_operations()[start:]]


def built(make, *tensors):
    """The operations that a function adds, and its result."""
    start = len(get_default_graph().get_operations())
    result = make(*tensors)
    return listing(start), result


UNARY = {
    "abs": np.abs, "acos": np.arccos, "asin": np.arcsin, "asinh": np.arcsinh, "atan": np.arctan,
    "atanh": np.arctanh, "ceil": np.ceil, "cos": np.cos, "cosh": np.cosh, "exp": np.exp,
    "expm1": np.expm1, "floor": np.floor, "is_finite": np.isfinite, "is_inf": np.isinf,
    "is_nan": np.isnan, "log": np.log, "log1p": np.log1p, "negative": np.negative,
    "reciprocal": lambda x: 1 / x, "rint": np.rint, "round": np.rint,
    "rsqrt": lambda x: 1 / np.sqrt(x), "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "sign": np.sign, "sin": np.sin, "sinh": np.sinh, "sqrt": np.sqrt, "square": np.square,
    "tan": np.tan, "tanh": np.tanh,
}  # fmt: skip


@pytest.mark.parametrize("name", UNARY)
def test_a_function_of_one_tensor_is_numpys(name):
    for kind, tolerance in ((np.float64, 1e-14), (np.float32, 1e-6)):
        x = A.astype(kind)
        result = run(getattr(math, name)(arrays.identity(x)))
        wanted = np.asarray(UNARY[name](x))
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=tolerance)


def test_special_functions_have_their_known_values():
    x = np.array([0.5, 1.5])
    erf, erfc, lgamma, digamma = run(
        [f(x) for f in (math.erf, math.erfc, math.lgamma, math.digamma)]
    )
    np.testing.assert_allclose(erf, [0.5204998778130465, 0.9661051464753108], rtol=1e-14)
    np.testing.assert_allclose(erfc, 1 - erf, rtol=1e-13)
    np.testing.assert_allclose(lgamma, [0.5723649429247001, -0.1207822376352452], rtol=1e-13)
    np.testing.assert_allclose(digamma, [-1.9635100260214235, 0.03648997397857652], rtol=1e-12)


BINARY = {
    "add": np.add, "subtract": np.subtract, "multiply": np.multiply, "maximum": np.maximum,
    "minimum": np.minimum, "floordiv": np.floor_divide, "mod": np.mod, "truncatemod": np.fmod,
    "squared_difference": lambda x, y: (x - y) ** 2, "equal": np.equal, "less": np.less,
    "not_equal": np.not_equal, "less_equal": np.less_equal, "greater": np.greater,
    "greater_equal": np.greater_equal,
}  # fmt: skip


@pytest.mark.parametrize("name", BINARY)
def test_a_function_of_two_tensors_is_numpys(name):
    for x, y in ((A, ROW), (I.astype(np.int32), J.astype(np.int32)), (A, np.float64(0.3))):
        result = run(getattr(math, name)(x, y))
        wanted = BINARY[name](x, y)
        assert result.dtype == wanted.dtype
        np.testing.assert_allclose(result, wanted, rtol=1e-12, atol=1e-15)


def test_divisions_treat_whole_numbers_as_tensorflow_does():
    x, y = tf.constant([7, -7, 8]), tf.constant([2, 2, -3])
    results = run([x / y, x // y, x % y, math.div(x, y), math.truncatediv(x, y), math.divide(x, y)])
    assert results[0].dtype == np.float64 and results[5].dtype == np.float64
    assert results[0].tolist() == [3.5, -3.5, 8 / -3] == results[5].tolist()
    assert [r.tolist() for r in results[1:5]] == [[3, -4, -3], [1, 1, -1], [3, -4, -3], [3, -3, -2]]
    assert run(math.div_no_nan([1.0, 2.0], [0.0, 4.0])).tolist() == [0.0, 0.5]
    with pytest.raises(tf.errors.InvalidArgumentError, match="Integer division by zero"):
        run(arrays.placeholder_with_default(x, [3]) // arrays.placeholder_with_default(0, []))


def test_a_division_by_a_constant_is_a_product_with_its_inverse():
    x = np.linspace(1, 2, 999, dtype=np.float32)
    fed = arrays.placeholder(tf.float32, [999])
    three = arrays.placeholder(tf.float32, [])
    by_constant, by_fed = run([fed / 3.0, fed / three], {fed: x, three: 3})
    assert np.array_equal(by_constant, x * (np.float32(1) / np.float32(3)))
    assert np.array_equal(by_fed, x / np.float32(3)) and not np.array_equal(by_constant, by_fed)


def test_operators_are_named_as_in_tensorflow():
    x, t = tf.constant([1.0, 2.0]), tf.constant([True, False])
    y = tf.constant([3.0, 4.0])
    found, _ = built(
        lambda: [
            x + y, 1.0 + x, x - 1.0, x * y, x / y, 2.0 / x, x // y, x % y, x**2.0, -x, abs(x),
            t & t, t | t, ~t, x < y, x <= 2.0, x > y, x >= y,
        ]
    )  # fmt: skip
    assert found == [
        "Add add", "Const add_1/x", "Add add_1", "Const sub/y", "Sub sub", "Mul mul",
        "RealDiv truediv", "Const truediv_1/x", "RealDiv truediv_1", "FloorDiv floordiv",
        "FloorMod mod", "Const pow/y", "Pow pow", "Neg Neg", "Abs Abs", "LogicalAnd and",
        "LogicalOr or", "LogicalNot LogicalNot", "Less Less", "Const LessEqual/y",
        "LessEqual LessEqual", "Greater Greater", "GreaterEqual GreaterEqual",
    ]  # fmt: skip
    assert built(lambda: t ^ t)[0] == [
        "LogicalOr xor/LogicalOr", "LogicalAnd xor/LogicalAnd", "LogicalNot xor/LogicalNot",
        "LogicalAnd xor",
    ]  # fmt: skip
    assert (x == x) is True and (x == y) is False


def test_a_numpy_array_on_the_left_leaves_the_operator_to_the_tensor():
    x = tf.constant(A)
    for result in (B * x, B - x, np.float64(2.0) * x):
        assert isinstance(result, tf.Tensor) and result.shape == (3, 4)
    assert run(B @ arrays.transpose(x)).shape == (3, 3)


def test_casts_make_operations_only_where_the_dtype_differs():
    x = tf.constant([1.7, -1.7])
    assert built(math.cast, x, tf.float32) == ([], x)
    found, results = built(
        lambda: [math.cast(x, tf.int32), math.to_int64(x), math.cast(x, tf.bool)]
    )
    assert found == ["Cast Cast", "Cast ToInt64", "Cast Cast_1"]
    assert [r.tolist() for r in run(results)] == [[1, -1], [1, -1], [True, True]]
    assert run(math.saturate_cast([300, -5, 7], tf.uint8)).tolist() == [255, 0, 7]


REDUCTIONS = {
    "reduce_sum": np.sum, "reduce_mean": np.mean, "reduce_prod": np.prod, "reduce_max": np.max,
    "reduce_min": np.min,
    "reduce_logsumexp": lambda x, axis, keepdims: np.log(
        np.sum(np.exp(x), axis=axis, keepdims=keepdims)
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", REDUCTIONS)
def test_a_reduction_is_numpys(name):
    x = DRAWN.uniform(0.5, 1.5, (2, 3, 4))
    for axis in (None, 0, -1, [0, 2], [1]):
        for keepdims in (False, True):
            tensor = getattr(math, name)(x, axis, keepdims)
            wanted = REDUCTIONS[name](
                x, axis=tuple(axis) if isinstance(axis, list) else axis, keepdims=keepdims
            )
            result = run(tensor)
            np.testing.assert_allclose(result, wanted, rtol=1e-12)
            assert tensor.shape == result.shape == wanted.shape


def test_reductions_are_named_as_in_tensorflow():
    x, unknown = arrays.ones([3, 4]), arrays.placeholder(tf.float32, None)
    assert built(math.reduce_sum, x)[0] == ["Const Const", "Sum Sum"]
    assert built(math.reduce_mean, x, 1)[0] == ["Const Mean/reduction_indices", "Mean Mean"]
    found, total = built(math.reduce_sum, unknown)
    assert found == [
        "Rank Rank", "Const range/start", "Const range/delta", "Range range", "Sum Sum_1",
    ]  # fmt: skip
    assert total.shape == ()
    assert run(total, {unknown: A}) == pytest.approx(A.sum(), rel=1e-6)
    assert math.reduce_sum(unknown, 0).shape.ndims is None
    partial = arrays.placeholder(tf.float32, [None, 5, 2])
    shapes = [
        math.reduce_sum(partial, over, keepdims).shape.as_list()
        for over, keepdims in ((0, False), (0, True), ([0, -1], False), (1, False))
    ]
    assert shapes == [[5, 2], [1, 5, 2], [5], [None, 2]]


def test_older_names_of_arguments_are_accepted():
    x = tf.constant(A)
    results = run(
        [
            math.reduce_sum(x, reduction_indices=[1], keep_dims=True),
            math.argmax(x, dimension=1),
            math.arg_min(x, 1),
            math.count_nonzero(x - A[0], keep_dims=False),
        ]
    )
    np.testing.assert_allclose(results[0], A.sum(1, keepdims=True))
    assert results[1].tolist() == A.argmax(1).tolist()
    assert results[2].tolist() == A.argmin(1).tolist()
    assert results[3] == 8 and results[3].dtype == np.int64


@pytest.mark.parametrize(
    "order, axis", [("euclidean", None), (2, 1), (1, 0), (np.inf, 1), (3, 1), (1, (0, 1)),
                    (np.inf, (0, 1)), ("fro", (0, 1))],
)  # fmt: skip
def test_norms_are_numpys(order, axis):
    x = A if axis is not None else A.reshape(-1)
    wanted = np.linalg.norm(x, None if order == "euclidean" else order, axis)
    np.testing.assert_allclose(run(math.norm(x, order, axis)), wanted, rtol=1e-12)


def test_extremes_of_nothing_are_the_limits():
    empty = arrays.placeholder_with_default(np.zeros((0, 2), np.float32), [None, 2])
    assert run(math.reduce_max(empty, 0)).tolist() == [np.finfo(np.float32).min] * 2
    assert run(math.reduce_sum(empty, 0)).tolist() == [0, 0]
    assert run(math.reduce_all(math.cast(empty, tf.bool))) == np.True_


def test_ranges_are_numpys():
    values = run(
        [
            math.range(4), math.range(1, 10, 3), math.range(5, 0, -2), math.range(0.0, 1.0, 0.25),
            math.range(2, dtype=tf.int64), math.lin_space(0.0, 1.0, 4), math.range(3, 1),
        ]
    )  # fmt: skip
    assert [v.tolist() for v in values[:5]] == [
        [0, 1, 2, 3], [1, 4, 7], [5, 3, 1], [0, 0.25, 0.5, 0.75], [0, 1],
    ]  # fmt: skip
    assert values[4].dtype == np.int64 and values[6].tolist() == []
    np.testing.assert_allclose(values[5], np.linspace(0, 1, 4), rtol=1e-6)
    assert math.range(1, 10, 3).shape == (3,)
    assert math.range(arrays.placeholder(tf.int32, [])).shape.as_list() == [None]


@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_sums_and_products_up_to_each_element(exclusive, reverse):
    x = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    options = {"exclusive": exclusive, "reverse": reverse}
    for axis in (0, 1, -1):
        for function, numpys, neutral in (
            (math.cumsum, np.cumsum, 0),
            (math.cumprod, np.cumprod, 1),
        ):
            y = np.flip(x, axis) if reverse else x
            if exclusive:
                y = np.roll(y, 1, axis)
                np.moveaxis(y, axis, 0)[0] = neutral
            wanted = numpys(y, axis)
            wanted = np.flip(wanted, axis) if reverse else wanted
            assert np.array_equal(run(function(x, axis, **options)), wanted)


def test_products_are_numpys():
    x, y = DRAWN.uniform(size=(2, 3, 4)), DRAWN.uniform(size=(2, 4, 5))
    pairs = [
        (math.matmul(x[0], y[0]), x[0] @ y[0]),
        (math.matmul(x[0], x[1], transpose_b=True), x[0] @ x[1].T),
        (math.matmul(x[0], x[1], adjoint_a=True), x[0].T @ x[1]),
        (math.matmul(x, y), x @ y),
        (math.matmul(x, x, transpose_b=True), x @ x.swapaxes(1, 2)),
        (math.matvec(x[0], y[0, :, 0]), x[0] @ y[0, :, 0]),
        (math.tensordot(x, y, [[2], [1]]), np.tensordot(x, y, [[2], [1]])),
        (math.tensordot(x[0], y[0], 1), x[0] @ y[0]),
        (math.tensordot(x, x, [[0, 2], [0, -1]]), np.tensordot(x, x, [[0, 2], [0, 2]])),
        (math.einsum("abc,acd->abd", x, y), x @ y),
        (math.einsum("ij,kj->ik", x[0], x[1]), x[0] @ x[1].T),
        (math.einsum("i,j->ij", ROW, ROW), np.outer(ROW, ROW)),
        (math.einsum("abc->ca", x), x.sum(1).T),
    ]
    for (tensor, wanted), value in zip(pairs, run([t for t, _ in pairs])):
        np.testing.assert_allclose(value, wanted, rtol=1e-12)
        assert tensor.shape == wanted.shape


def test_a_product_of_tensors_whose_sizes_are_not_known():
    x = arrays.placeholder(tf.float64, [None, 3, 4])
    y = tf.constant(DRAWN.uniform(size=(4, 5)))
    product = math.tensordot(x, y, [[2], [0]])
    assert product.shape.as_list() == [None, 3, 5]
    given = DRAWN.uniform(size=(2, 3, 4))
    value, factor = run([product, y], {x: given})
    np.testing.assert_allclose(value, given @ factor, rtol=1e-12)


def test_segments_are_summed():
    data = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    results = run(
        [
            math.segment_sum(data, [0, 0, 2]),
            math.segment_mean(data, [0, 0, 1]),
            math.segment_max(data, [0, 0, 1]),
            math.segment_prod(data, [0, 0, 1]),
            math.unsorted_segment_sum(data, [2, -1, 2], 3),
            math.unsorted_segment_min(data, [1, 0, 1], 2),
            math.unsorted_segment_mean(data, [1, 0, 1], 2),
            math.bincount([1, 3, 1]),
        ]
    )
    assert [r.tolist() for r in results] == [
        [[4, 6], [0, 0], [5, 6]],
        [[2, 3], [5, 6]],
        [[3, 4], [5, 6]],
        [[3, 8], [5, 6]],
        [[0, 0], [0, 0], [6, 8]],
        [[3, 4], [1, 2]],
        [[3, 4], [3, 4]],
        [0, 2, 0, 1],
    ]
    assert math.unsorted_segment_sum(data, [0, 0, 1], 2).shape == (2, 2)
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        run(math.unsorted_segment_sum(arrays.identity(data), [0, 5, 1], 2))


def test_sums_of_several_tensors():
    x, y = tf.constant(A), tf.constant(B)
    found, total = built(math.add_n, [x, y, x])
    assert found == ["AddN AddN"] and math.add_n([x]) is x
    np.testing.assert_allclose(run(total), 2 * A + B)
    np.testing.assert_allclose(run(math.accumulate_n([x, y])), A + B)
    assert math.scalar_mul(2.0, x).op.name == "Mul"


def test_numbers_are_checked():
    x = arrays.placeholder(tf.float32, [2])
    checked = math.check_numerics(x, "my message")
    assert run(checked, {x: [1, 2]}).tolist() == [1, 2]
    with pytest.raises(tf.errors.InvalidArgumentError, match="my message : Tensor had NaN values"):
        run(checked, {x: [np.nan, 1]})


# Gradients

DIFFERENTIATED = {
    "acos": lambda x, y: math.acos(x), "acosh": lambda x, y: math.acosh(x + 1.0),
    "asin": lambda x, y: math.asin(x), "asinh": lambda x, y: math.asinh(x),
    "atan": lambda x, y: math.atan(x), "atan2": math.atan2, "atanh": lambda x, y: math.atanh(x),
    "abs": lambda x, y: math.abs(x - 0.5), "add": lambda x, y: x + y[0],
    "add_n": lambda x, y: math.add_n([x, y, x]), "batch": lambda x, y: math.matmul(
        arrays.reshape(x, [1, 3, 4]), arrays.reshape(y, [1, 3, 4]), transpose_b=True),
    "cast": lambda x, y: math.cast(math.cast(x, tf.float32), tf.float64) * 0.0 + x,
    "cos": lambda x, y: math.cos(x), "cosh": lambda x, y: math.cosh(x),
    "cumprod": lambda x, y: math.cumprod(x, 1), "cumsum": lambda x, y: math.cumsum(
        x * y, 1, exclusive=True, reverse=True),
    "div_no_nan": math.div_no_nan, "erf": lambda x, y: math.erf(x),
    "erfc": lambda x, y: math.erfc(x), "exp": lambda x, y: math.exp(x),
    "expm1": lambda x, y: math.expm1(x), "floormod": lambda x, y: (x * 5.0) % y,
    "log": lambda x, y: math.log(x), "log1p": lambda x, y: math.log1p(x),
    "logsumexp": lambda x, y: math.reduce_logsumexp(x, 1), "lgamma": lambda x, y: math.lgamma(x),
    "max": lambda x, y: math.reduce_max(x, 1), "maximum": math.maximum,
    "mean": lambda x, y: math.reduce_mean(x, 1), "mean of all": lambda x, y: math.reduce_mean(x),
    "min": lambda x, y: math.reduce_min(x), "minimum": math.minimum, "mul": lambda x, y: x * y[:, :1],
    "product": lambda x, y: math.matmul(x, y, transpose_b=True),
    "product of both transposed": lambda x, y: math.matmul(
        x, arrays.transpose(y), transpose_a=True, transpose_b=True),
    "prod": lambda x, y: math.reduce_prod(x, 0), "pow": math.pow, "realdiv": lambda x, y: x / y[0],
    "reciprocal": lambda x, y: math.reciprocal(x), "rsqrt": lambda x, y: math.rsqrt(x),
    "segment_max": lambda x, y: math.segment_max(x, [0, 0, 1]),
    "segment_mean": lambda x, y: math.segment_mean(x, [0, 0, 1]),
    "segment_sum": lambda x, y: math.segment_sum(x, [0, 0, 1]),
    "sigmoid": lambda x, y: math.sigmoid(x), "sin": lambda x, y: math.sin(x),
    "sinh": lambda x, y: math.sinh(x), "sqrt": lambda x, y: math.sqrt(x),
    "square": lambda x, y: math.square(x), "squared_difference": lambda x, y:
        math.squared_difference(x, y[0]), "sub": lambda x, y: y[0] - x,
    "sum": lambda x, y: math.reduce_sum(x, 0), "tan": lambda x, y: math.tan(x),
    "tanh": lambda x, y: math.tanh(x), "tensordot": lambda x, y: math.tensordot(x, y, [[1], [1]]),
    "unsorted_max": lambda x, y: math.unsorted_segment_max(x, [1, 0, 1], 2),
    "unsorted_prod": lambda x, y: math.unsorted_segment_prod(x, [1, 0, 1], 2),
    "unsorted_sum": lambda x, y: math.unsorted_segment_sum(x, [1, -1, 1], 2),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERENTIATED)
def test_a_gradient_is_the_finite_difference(name):
    x, y = arrays.placeholder(tf.float64, [3, 4]), arrays.placeholder(tf.float64, [3, 4])
    result = DIFFERENTIATED[name](x, y)
    total = math.reduce_sum(result * result)
    with tf.Session() as sess:
        for changed, other, at in ((x, {y: B}, A), (y, {x: A}, B)):
            (slope,) = tf.gradients(total, changed)
            if slope is None:
                continue
            found = sess.run(slope, {changed: at, **other})
            wanted = np.empty_like(at)
            for i in np.ndindex(*at.shape):
                step = np.zeros_like(at)
                step[i] = 1e-6
                up, down = (sess.run(total, {changed: at + s, **other}) for s in (step, -step))
                wanted[i] = (up - down) / 2e-6
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "sqrt", "rsqrt", "reciprocal", "exp", "log"])
def test_a_second_gradient_is_the_finite_difference_of_the_first(name):
    x = arrays.placeholder(tf.float64, [3, 4])
    (slope,) = tf.gradients(getattr(math, name)(x), x)
    (curve,) = tf.gradients(slope * slope, x)
    with tf.Session() as sess:
        up, down = (sess.run(slope, {x: A + s}) for s in (1e-6, -1e-6))
        at, found = sess.run([slope, curve], {x: A})
        np.testing.assert_allclose(found, 2 * at * (up - down) / 2e-6, rtol=1e-5)


def test_a_gradient_has_tensorflows_operations_where_shapes_are_known():
    x, y = (tf.constant(v.astype(np.float32)) for v in (A, B))
    total = math.reduce_mean(math.square(x - y))
    found, _ = built(tf.gradients, total, x)
    assert found[3:] == [
        f"{kind} gradients/{name}"
        for kind, name in (
            ("Const", "Mean_grad/Reshape/shape"),
            ("Reshape", "Mean_grad/Reshape"),
            ("Const", "Mean_grad/Const"),
            ("Tile", "Mean_grad/Tile"),
            ("Const", "Mean_grad/Const_1"),
            ("RealDiv", "Mean_grad/truediv"),
            ("Const", "Square_grad/Const"),
            ("Mul", "Square_grad/Mul"),
            ("Mul", "Square_grad/Mul_1"),
            ("Neg", "sub_grad/Neg"),
        )
    ]


def test_a_gradient_has_tensorflows_operations_where_shapes_differ():
    x = arrays.placeholder(tf.float32, [None, 4])
    total = math.reduce_sum(x + ROW.astype(np.float32), 1)
    found, _ = built(tf.gradients, total, x)
    names = """Shape Shape, Const Size, Add add, FloorMod mod, Const Shape_1, Const range/start,
        Const range/delta, Range range, Const Fill/value, Fill Fill, DynamicStitch DynamicStitch,
        Const Maximum/y, Maximum Maximum, FloorDiv floordiv, Reshape Reshape, Tile Tile"""
    sums = """Shape Shape, Const Shape_1, BroadcastGradientArgs BroadcastGradientArgs, Sum Sum,
        Reshape Reshape, Sum Sum_1, Reshape Reshape_1"""
    wanted = [
        f"{pair.split()[0]} gradients/{scope}_grad/{pair.split()[1]}"
        for scope, group in (("Sum", names), ("add", sums))
        for pair in group.split(",")
    ]
    assert found[3:] == wanted


@pytest.mark.skipif(not GOLDEN.exists(), reason="../shared is absent")
def test_operations_are_those_of_the_recording():
    recorded = np.load(GOLDEN / "math_more.npz")
    (case,) = (
        c for c in json.loads((GOLDEN / "index.json").read_text())["cases"]
        if c["name"] == "math_more"
    )  # fmt: skip
    space = {"tf": tf, "np": np, **{n: recorded[f"in/{n}"] for n in case["inputs"]}}
    tf.set_random_seed(case["graph_seed"])
    for line in case["program"].split("\n"):
        exec(line, space)
    wanted = [w.split(" ", 1)[1] for w in bytes(recorded["graph_ops"]).decode().split("\n") if w]
    assert listing() == wanted


MISTAKES = {
    "another size": (
        lambda: tf.constant([1.0, 2.0]) + [1.0, 2.0, 3.0],
        SizeError,
        "add.*2 and 3 differ",
    ),
    "another dtype": (
        lambda: tf.constant([1]) * tf.constant([1.0]),
        InputError,
        r"float32 where int32 is expected: write tf\.cast",
    ),
    "a float function of whole numbers": (
        lambda: math.exp(tf.constant([1])),
        InputError,
        r"Exp was given Tensor.*floats: write tf\.cast",
    ),
    "an axis that is not there": (
        lambda: math.reduce_sum(tf.constant(A), axis=5),
        SizeError,
        "axis 5 of 2 dimension.*from -2 to 1",
    ),
    "an axis to look along": (
        lambda: math.argmax(tf.constant(ROW), 1),
        SizeError,
        r"tf\.argmax.*axis 1 of 1 dim",
    ),
    "a mean of truth values": (
        lambda: math.reduce_mean(tf.constant(ROW) > 0.0),
        InputError,
        r"tf\.reduce_mean.*tf\.cast\(x, tf\.float32\)",
    ),
    "truth of numbers": (
        lambda: math.reduce_all(tf.constant(ROW)),
        InputError,
        r"tf\.reduce_all.*compare first",
    ),
    "matrices that do not fit": (
        lambda: math.matmul(tf.constant(A), tf.constant(B)),
        SizeError,
        r"\(3, 4\) and \(3, 4\): 4 and 3 differ",
    ),
    "a vector as a matrix": (
        lambda: math.matmul(tf.constant(A), tf.constant(ROW)),
        SizeError,
        "give it two matrices",
    ),
    "both names of an argument": (
        lambda: math.reduce_sum(tf.constant(A), axis=0, reduction_indices=0),
        InputError,
        "Cannot specify both 'axis' and 'reduction_indices'",
    ),
    "a sum of nothing": (lambda: math.add_n([]), InputError, "at least one Tensor"),
    "an equation": (lambda: math.einsum("i->>", A), InputError, "incorrect format"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_gets_an_error_with_what_was_given_and_the_fix(mistake):
    make, error, match = MISTAKES[mistake]
    with pytest.raises(error, match=match):
        make()
