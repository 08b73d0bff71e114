"""Operations on arrays have the names, shapes, values and gradients of TensorFlow's."""

import re

import numpy as np
import pytest

from ostinato.errors import InputError, SizeError
from ostinato.tf1.core import conversion, graph
from ostinato.tf1.core.constant import constant, constant_value
from ostinato.tf1.core.errors import InvalidArgumentError
from ostinato.tf1.core.session import Session
from ostinato.tf1.core.tensors import IndexedSlices
from ostinato.tf1.flow.gradients import gradients
from ostinato.tf1.ops import arrays, math


def run(*values, feed=None):
    return Session().run(list(values) if len(values) > 1 else values[0], feed)


def listing():
    """The names of the operations, with the type where it is another word."""
    return " ".join(
        o.name if o.name.rpartition("/")[2].split("_")[0] == o.type else f"{o.type}:{o.name}"
        for o in graph.get_default_graph().operations
    )


def placeholder(*sizes, dtype="float32"):
    return arrays.placeholder(dtype, sizes, name="x")


NUMBERS = np.arange(24, dtype=np.float32).reshape(2, 3, 4)

# The operation, from a placeholder of a shape, and NumPy's function.
SAME = {
    "identity": (arrays.identity, lambda v: v),
    "reshape": (lambda x: arrays.reshape(x, [-1, 6]), lambda v: v.reshape(-1, 6)),
    "expand_dims": (lambda x: arrays.expand_dims(x, -2), lambda v: v[:, :, None]),
    "squeeze": (lambda x: arrays.squeeze(x[:1], [0]), lambda v: v[0]),
    "squeeze of all": (lambda x: arrays.squeeze(x[:1, :1]), lambda v: v[0, 0]),
    "transpose": (lambda x: arrays.transpose(x, [2, 0, 1]), lambda v: v.transpose(2, 0, 1)),
    "transpose of all": (arrays.transpose, lambda v: v.T),
    "matrix_transpose": (arrays.matrix_transpose, lambda v: v.swapaxes(1, 2)),
    "concat": (lambda x: arrays.concat([x, x], -1), lambda v: np.concatenate([v, v], -1)),
    "concat of many": (
        lambda x: arrays.concat([x] * 17, 1),
        lambda v: np.concatenate([v] * 17, 1),
    ),
    "stack": (lambda x: arrays.stack([x, x + 1.0], 2), lambda v: np.stack([v, v + 1], 2)),
    "unstack": (lambda x: arrays.unstack(x, axis=1)[2], lambda v: v[:, 2]),
    "split": (lambda x: arrays.split(x, 2, 2)[1], lambda v: v[..., 2:]),
    "split in sizes": (lambda x: arrays.split(x, [1, -1], 2)[1], lambda v: v[..., 1:]),
    "slice": (lambda x: arrays.slice(x, [0, 1, 0], [1, 2, -1]), lambda v: v[:1, 1:3]),
    "index": (lambda x: x[1, ..., None, ::-2], lambda v: v[1, ..., None, ::-2]),
    "index of the last": (lambda x: x[-1, :, 1:-1], lambda v: v[-1, :, 1:-1]),
    "index by a tensor": (lambda x: x[:, constant(1)], lambda v: v[:, 1]),
    "tile": (lambda x: arrays.tile(x, [2, 1, 3]), lambda v: np.tile(v, [2, 1, 3])),
    "pad": (
        lambda x: arrays.pad(x, [[1, 0], [0, 2], [1, 1]]),
        lambda v: np.pad(v, [[1, 0], [0, 2], [1, 1]]),
    ),
    "pad with a value": (
        lambda x: arrays.pad(x, [[1, 0]] * 3, constant_values=5.0),
        lambda v: np.pad(v, [[1, 0]] * 3, constant_values=5),
    ),
    "pad reflected": (
        lambda x: arrays.pad(x, [[1, 1], [2, 0], [0, 3]], "reflect"),
        lambda v: np.pad(v, [[1, 1], [2, 0], [0, 3]], "reflect"),
    ),
    "pad mirrored": (
        lambda x: arrays.pad(x, [[2, 1], [1, 0], [0, 3]], "SYMMETRIC"),
        lambda v: np.pad(v, [[2, 1], [1, 0], [0, 3]], "symmetric"),
    ),
    "broadcast_to": (
        lambda x: arrays.broadcast_to(x[:1], [5, 2, 3, 4]),
        lambda v: np.broadcast_to(v[:1], [5, 2, 3, 4]),
    ),
    "gather of columns": (lambda x: arrays.gather(x, [2, 0, 2], axis=1), lambda v: v[:, [2, 0, 2]]),
    "gather_nd": (
        lambda x: arrays.gather_nd(x, [[0, 2], [1, 1], [0, 2]]),
        lambda v: v[[0, 1, 0], [2, 1, 2]],
    ),
    "scatter_nd": (
        lambda x: arrays.scatter_nd([[3], [3]], x, [4, 3, 4]),
        lambda v: np.concatenate([np.zeros((3, 3, 4)), v.sum(0)[None]]),
    ),
    "reverse": (lambda x: arrays.reverse(x, [0, -1]), lambda v: v[::-1, :, ::-1]),
    "reverse_sequence": (
        lambda x: arrays.reverse_sequence(x, [3, 1], seq_axis=2, batch_axis=0),
        lambda v: np.stack([v[0][:, [2, 1, 0, 3]], v[1]]),
    ),
    "reverse_sequence of steps": (
        lambda x: arrays.reverse_sequence(x, [2, 1, 0], seq_axis=0, batch_axis=1),
        lambda v: np.stack([v[::-1, 0], v[:, 1], v[:, 2]], 1),
    ),
    "where": (
        lambda x: arrays.where(x > 9.5, x, arrays.zeros_like(x)),
        lambda v: np.where(v > 9.5, v, 0),
    ),
    "where of rows": (
        lambda x: arrays.where([True, False], x, -x),
        lambda v: np.stack([v[0], -v[1]]),
    ),
    "boolean_mask": (
        lambda x: arrays.boolean_mask(x, np.array([[1, 0, 1], [0, 0, 1]], bool)),
        lambda v: v[[0, 0, 1], [0, 2, 2]],
    ),
    "dynamic_partition": (
        lambda x: arrays.dynamic_partition(x, [1, 0], 2)[1],
        lambda v: v[:1],
    ),
    "dynamic_stitch": (
        lambda x: arrays.dynamic_stitch([[2, 0], [1]], [x, x[:1] * 2.0]),
        lambda v: np.stack([v[1], v[0] * 2, v[0]]),
    ),
    "diag_part": (lambda x: arrays.diag_part(x[0, :, :3]), lambda v: v[0].diagonal()),
    "diag": (lambda x: arrays.diag(x[0, 0]), lambda v: np.diag(v[0, 0])),
    "matrix_diag": (arrays.matrix_diag, lambda v: v[..., None] * np.eye(4)),
    "matrix_diag_part": (arrays.matrix_diag_part, lambda v: v.diagonal(0, 1, 2)),
    "matrix_set_diag": (
        lambda x: arrays.matrix_set_diag(x, x[:, :, 0]),
        lambda v: np.where(np.eye(3, 4) > 0, v[:, :, :1], v),
    ),
    "matrix_band_part": (
        lambda x: arrays.matrix_band_part(x, 1, 0),
        lambda v: np.tril(v) - np.tril(v, -2),
    ),
    "fill": (lambda x: arrays.fill([2, 2], x[1, 2, 3]), lambda v: np.full([2, 2], v[1, 2, 3])),
}


@pytest.mark.parametrize("sizes", [(2, 3, 4), (None, None, None)], ids=["known", "unknown"])
@pytest.mark.parametrize("name", SAME)
def test_values_shapes_and_gradients_are_numpys(name, sizes):
    make, function = SAME[name]
    x = placeholder(*(sizes if name not in ("unstack", "squeeze", "broadcast_to") else (2, 3, 4)))
    y = make(x)
    wanted = function(NUMBERS)
    weights = np.cos(np.arange(wanted.size, dtype=np.float32)).reshape(wanted.shape)
    (slope,) = gradients(math.reduce_sum(y * constant(weights)), x)
    if isinstance(slope, IndexedSlices):
        slope = conversion.convert_to_tensor(slope)
    value, found = run(y, slope, feed={x: NUMBERS})
    assert np.array_equal(value, wanted) and y.shape.is_compatible_with(wanted.shape)
    if None not in sizes and name != "boolean_mask" and "partition" not in name:
        assert y.shape.as_list() == list(wanted.shape)
    # All of them are linear, or nearly so: the difference in the direction of each element.
    for place in np.ndindex(NUMBERS.shape):
        moved = NUMBERS.copy()
        moved[place] += 0.25
        difference = float((weights * (function(moved) - wanted)).sum()) / 0.25
        assert abs(found[place] - difference) < 1e-3, place


# A program and the operations that TensorFlow 1.13.1 adds after the placeholder.
OPERATIONS = {
    "a small shape": (lambda x: arrays.zeros([2, 3]), "Const:zeros"),
    "a large shape": (
        lambda x: arrays.ones([50, 30]),
        "Const:ones/shape_as_tensor ones/Const Fill:ones",
    ),
    "a shape that is one number": (
        lambda x: arrays.ones(2),
        "Const:ones/shape_as_tensor ones/Const Fill:ones",
    ),
    "a shape with a tensor": (
        lambda x: arrays.zeros([arrays.size_internal(x), 3]),
        "Size Const:zeros/mul/y Mul:zeros/mul Const:zeros/Less/y zeros/Less Const:zeros/packed/1 "
        "Pack:zeros/packed zeros/Const Fill:zeros",
    ),
    "zeros like an unknown shape": (
        lambda x: arrays.zeros_like(x),
        "ZerosLike:zeros_like",
    ),
    "zeros of another dtype": (
        lambda x: arrays.zeros_like(x, "int32"),
        "zeros_like/Shape zeros_like/Const Fill:zeros_like",
    ),
    "ones like a known shape": (
        lambda x: arrays.ones_like(x[0]),
        "Const:strided_slice/stack Const:strided_slice/stack_1 Const:strided_slice/stack_2 "
        "StridedSlice:strided_slice Const:ones_like/Shape ones_like/Const Fill:ones_like",
    ),
    "an index that is a tensor": (
        lambda x: x[arrays.rank_internal(x, optimize=False)],
        "Rank Const:add/y Add:add Pack:strided_slice/stack Pack:strided_slice/stack_1 "
        "Const:strided_slice/stack_2 StridedSlice:strided_slice",
    ),
    "a list with a tensor": (
        lambda x: arrays.reshape(x, [arrays.rank_internal(x, optimize=False), -1, 1]),
        "Rank Const:Reshape/shape/1 Const:Reshape/shape/2 Pack:Reshape/shape Reshape",
    ),
    "one tensor joined": (
        lambda x: arrays.concat([x], 0),
        "Const:concat/concat_dim Identity:concat",
    ),
    "a tensor of unknown rank transposed": (
        lambda x: arrays.transpose(arrays.placeholder("float32")),
        "Placeholder transpose/Rank Const:transpose/sub/y Sub:transpose/sub "
        "Const:transpose/Range/start Const:transpose/Range/delta transpose/Range "
        "Sub:transpose/sub_1 Transpose:transpose",
    ),
    "one-hot vectors": (
        lambda x: arrays.one_hot([1], 2, dtype="float32"),
        "Const:one_hot/on_value Const:one_hot/off_value Const:one_hot/indices Const:one_hot/depth "
        "OneHot:one_hot",
    ),
}


@pytest.mark.parametrize("program", OPERATIONS)
def test_operations_are_tensorflows(program):
    make, wanted = OPERATIONS[program]
    make(placeholder(None, 3))
    assert listing().removeprefix("Placeholder:x ") == wanted


def test_the_gradient_of_rows_is_indexed_slices():
    x = constant(NUMBERS[0])
    (slope,) = gradients(arrays.gather(x, [[1, 0], [1, 1]]), x)
    assert isinstance(slope, IndexedSlices)
    values, indices, shape = run(slope.values, slope.indices, slope.dense_shape)
    assert values.shape == (4, 4) and indices.tolist() == [1, 0, 1, 1] and shape.tolist() == [3, 4]
    whole = run(conversion.convert_to_tensor(slope))
    assert whole.tolist() == [[1] * 4, [3] * 4, [0] * 4]


def test_rows_pass_the_gradient_of_concat():
    x, y = constant(NUMBERS[0]), constant(NUMBERS[1])
    for axis, rows in ((0, [4, 0]), (1, [2, 0])):
        slopes = gradients(arrays.gather(arrays.concat([x, y], axis), rows), [x, y])
        found = run(*(conversion.convert_to_tensor(s) for s in slopes))
        wanted = np.zeros((2, 3, 4))
        if axis == 0:
            wanted[1, 1] = wanted[0, 0] = 1
        else:
            wanted[:, 2] = wanted[:, 0] = 1
        assert np.array_equal(found, wanted)


def test_sizes_are_constants_where_they_are_known():
    x = placeholder(2, 3)
    for t, wanted in ((arrays.shape(x), [2, 3]), (arrays.size(x), 6), (arrays.rank(x), 2)):
        assert t.op.type == "Const" and run(t).tolist() == wanted and t.dtype.name == "int32"
    assert arrays.shape(x, out_type="int64").dtype.name == "int64"
    y = arrays.placeholder("float32", [None, 3])
    unknown = [arrays.shape(y), arrays.size(y), *arrays.shape_n([x, y])]
    assert [t.op.type for t in unknown] == ["Shape", "Size", "ShapeN", "ShapeN"]
    found = run(*unknown, feed={y: np.ones((4, 3)), x: np.ones((2, 3))})
    assert [v.tolist() for v in found] == [[4, 3], 12, [2, 3], [4, 3]]


def test_shapes_are_followed_through_operations_on_sizes():
    x = placeholder(None, 3, 4)
    n = arrays.shape(x)[0]
    assert arrays.reshape(x, [n, 12]).shape.as_list() == [None, 12]
    assert arrays.reshape(x, arrays.concat([[n], [12]], 0)).shape.as_list() == [None, 12]
    assert arrays.fill(arrays.shape(x)[1:], 0.0).shape.as_list() == [3, 4]
    assert arrays.zeros(arrays.stack([2, n])).shape.as_list() == [2, None]
    assert arrays.placeholder("float32")[0].shape.ndims is None
    assert x[:, n].shape.as_list() == [None, 4] and x[n:, 1:].shape.as_list() == [None, None, 4]


def test_one_hot_and_masks_of_lengths():
    found = run(
        arrays.one_hot([1, 3, -1], 3, on_value=2.0, off_value=-1.0),
        arrays.one_hot([[0, 1]], 3, axis=1),
        arrays.sequence_mask([1, 3, 0]),
        arrays.sequence_mask([[1], [2]], 3, dtype="float32"),
    )
    assert found[0].tolist() == [[-1, 2, -1], [-1, -1, -1], [-1, -1, -1]]
    assert np.array_equal(found[1], np.array([[[1, 0], [0, 1], [0, 0]]], np.float32))
    assert found[2].tolist() == [[True, False, False], [True] * 3, [False] * 3]
    assert found[3].tolist() == [[[1, 0, 0]], [[1, 1, 0]]]


def test_distinct_values_keep_their_order():
    y, idx, count = run(*arrays.unique_with_counts([3, 1, 3, 2]))
    assert (y.tolist(), idx.tolist(), count.tolist()) == ([3, 1, 2], [0, 1, 0, 2], [2, 1, 1])
    assert run(arrays.unique(np.array(["b", "a", "b"])).idx).tolist() == [0, 1, 0]
    out, places = run(*arrays.setdiff1d([1, 2, 3, 2], [3, 1]))
    assert out.tolist() == [2, 2] and places.tolist() == [1, 3]
    assert run(arrays.where([[True, False], [False, True]])).tolist() == [[0, 0], [1, 1]]


def test_axes_of_a_broadcast_are_known_before_a_run():
    for a, b, wanted in (
        ([2, 3], [3], ([], [0])),
        ([2, 1], [1, 3], ([1], [0])),
        ([2, 1], [3, 1], None),
        ([1, 2], [1, 2], ([], [])),
        ([1, 2], [2], ([0], [0])),
    ):
        axes = arrays.broadcast_gradient_args(constant(a), constant(b))
        if wanted:
            assert tuple(constant_value(t).tolist() for t in axes) == wanted
    assert arrays.broadcast_static_shape([None, 1], [4, 1, 3]).as_list() == [4, None, 3]
    assert run(arrays.broadcast_dynamic_shape([2, 1], [3])).tolist() == [2, 3]


def test_text_is_stacked_sliced_and_chosen():
    words = constant(["one", "two"])
    assert run(words[1], arrays.concat([words, ["x"]], 0)[2]) == [b"two", b"x"]
    assert run(arrays.stack([words[0], "y"])).tolist() == [b"one", b"y"]
    assert run(arrays.where([True, False], words, arrays.zeros_like(words))).tolist() == [
        b"one",
        b"",
    ]


def test_a_default_stands_until_it_is_fed():
    x = arrays.placeholder_with_default([1.0, 2.0], [None])
    assert run(x * 2.0).tolist() == [2, 4] and run(x, feed={x: [3.0]}).tolist() == [3]
    assert constant_value(x) is None


def test_a_gradient_that_is_prevented_is_an_error():
    x = constant(1.0)
    assert gradients(arrays.stop_gradient(x), x) == [None]
    with pytest.raises(InputError, match="has no gradient: twice"):
        gradients(arrays.prevent_gradient(x, message="twice"), x)


ONES = np.ones((2, 3), np.float32)
WRONG = {
    "a size that is a fraction": (
        lambda: arrays.zeros([1.5]),
        r"tf\.zeros was given \[1\.5\]: give whole numbers",
    ),
    "a negative size": (lambda: arrays.placeholder("float32", [-1]), r"the shape \[-1\]: give"),
    "an axis that does not exist": (
        lambda: arrays.concat([ONES[0], ONES[0]], -2),
        r"tf\.concat.*axis -2 of 1 dim",
    ),
    "values that are not a list": (lambda: arrays.concat(0, [ONES]), "was given 0: give it a list"),
    "sizes that differ": (
        lambda: arrays.stack([constant(ONES), constant(ONES[:, :2])]),
        "3 and 2 differ",
    ),
    "dtypes that differ": (
        lambda: arrays.concat([constant(ONES), constant([[1]])], 0),
        r"tf\.cast",
    ),
    "an axis to unstack": (lambda: arrays.unstack(ONES, axis=2), r"tf\.unstack.*axis 2 of 2 dim"),
    "another number of parts": (lambda: arrays.unstack(ONES, 3), "2 and 3 differ"),
    "an unknown number of parts": (
        lambda: arrays.unstack(placeholder(None)),
        "not known; give num",
    ),
    "another number of elements": (
        lambda: arrays.reshape(ONES, [4, -1]),
        r"6 numbers.*\[4, -1\]",
    ),
    "a dimension that is not 1": (lambda: arrays.squeeze(ONES, 1), "a dimension there is not 1"),
    "a dimension twice": (
        lambda: arrays.transpose(ONES, [0, 0]),
        r"perm=\[0, 0\].*from 0 to 1 once",
    ),
    "an index past the end": (lambda: constant(ONES)[2], "indexed with 2.*within its shape"),
    "an index that is a fraction": (lambda: constant(ONES)[:1.5], "use whole numbers, slices"),
    "one of two values": (lambda: arrays.where([True], [1.0]), "give both"),
    "a condition that is a number": (
        lambda: arrays.where(constant(ONES), ONES, ONES),
        "compare first",
    ),
    "parts of another size": (lambda: arrays.split(constant(ONES), 2, 1), "not divisible by 2"),
    "a start that is not a list": (
        lambda: arrays.slice(ONES, 0, 1),
        "give a list with a number for each",
    ),
    "repetitions of another number": (
        lambda: arrays.tile(ONES, [2]),
        "a number for each dimension",
    ),
}


@pytest.mark.parametrize("mistake", WRONG)
def test_a_mistake_gets_an_error_with_the_fix(mistake):
    call, message = WRONG[mistake]
    with pytest.raises((InputError, SizeError), match=message):
        call()


WRONG_IN_A_RUN = {
    "no value": (lambda x: x, None, "must feed a value for placeholder tensor 'x'.*float32"),
    "an index": (lambda x: x[5], ONES, "out of bounds"),
    "a row": (
        lambda x: arrays.gather(x, [0, 2]),
        ONES,
        re.escape("indices[1] = 2 is not in [0, 2)"),
    ),
    "a shape": (lambda x: arrays.reshape(x, [4, -1]), ONES, r"6 numbers for the shape \[4, -1\]"),
    "a length": (lambda x: arrays.reverse_sequence(x, [4, 1], 1, 0), ONES, r"lengths \[4, 1\]"),
}


@pytest.mark.parametrize("mistake", WRONG_IN_A_RUN)
def test_a_mistake_in_a_run_gets_an_error(mistake):
    make, value, message = WRONG_IN_A_RUN[mistake]
    x = placeholder(None, 3)
    y = make(x)
    with pytest.raises(InvalidArgumentError, match=message):
        run(y, feed={} if value is None else {x: value})
