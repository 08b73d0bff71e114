"""Private: the operations on arrays together, under TensorFlow's names (array_ops)."""

from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from .choices import where
from .filling import (
    broadcast_dynamic_shape,
    broadcast_gradient_args,
    broadcast_static_shape,
    broadcast_to,
    fill,
    ones,
    ones_like,
    zeros,
    zeros_like,
)
from .indexing import (
    gather,
    gather_nd,
    list_diff,
    scatter_nd,
    setdiff1d,
    unique,
    unique_with_counts,
)
from .joining import (
    concat,
    concat_offset,
    pack_list,
    split,
    stack,
    unstack,
)
from .masks import boolean_mask, one_hot, sequence_mask
from .matrices import (
    diag,
    diag_part,
    matrix_band_part,
    matrix_diag,
    matrix_diag_part,
    matrix_set_diag,
)
from .padding import (
    mirror_pad,
    pad,
    tile,
)
from .partitions import (
    dynamic_partition,
    dynamic_stitch,
    parallel_dynamic_stitch,
)
from .reshaping import (
    expand_dims,
    invert_permutation,
    matrix_transpose,
    reshape,
    squeeze,
    transpose,
)
from .reversing import (
    reverse,
    reverse_sequence,
    reverse_v2,
)
from .shapes import (
    identity,
    identity_n,
    placeholder,
    placeholder_with_default,
    prevent_gradient,
    rank,
    rank_internal,
    shape,
    shape_internal,
    shape_n,
    size,
    size_internal,
    stop_gradient,
)
from .slicing import (
    slice,
    strided_slice,
    strided_slice_grad,
)

__all__ = [
    "boolean_mask",
    "broadcast_dynamic_shape",
    "broadcast_gradient_args",
    "broadcast_static_shape",
    "broadcast_to",
    "concat",
    "concat_offset",
    "constant",
    "convert_to_tensor",
    "diag",
    "diag_part",
    "dynamic_partition",
    "dynamic_stitch",
    "expand_dims",
    "fill",
    "gather",
    "gather_nd",
    "identity",
    "identity_n",
    "invert_permutation",
    "list_diff",
    "matrix_band_part",
    "matrix_diag",
    "matrix_diag_part",
    "matrix_set_diag",
    "matrix_transpose",
    "mirror_pad",
    "newaxis",
    "one_hot",
    "ones",
    "ones_like",
    "pack_list",
    "pad",
    "parallel_dynamic_stitch",
    "placeholder",
    "placeholder_with_default",
    "prevent_gradient",
    "rank",
    "rank_internal",
    "reshape",
    "reverse",
    "reverse_sequence",
    "reverse_v2",
    "scatter_nd",
    "sequence_mask",
    "setdiff1d",
    "shape",
    "shape_internal",
    "shape_n",
    "size",
    "size_internal",
    "slice",
    "split",
    "squeeze",
    "stack",
    "stop_gradient",
    "strided_slice",
    "strided_slice_grad",
    "tile",
    "transpose",
    "unique",
    "unique_with_counts",
    "unstack",
    "where",
    "zeros",
    "zeros_like",
]

newaxis = None
