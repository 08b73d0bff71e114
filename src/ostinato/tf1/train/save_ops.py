"""Private: the operations that write checkpoints and read them."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core.constant import constant_value
from ..core.conversion import apply
from ..core.dtypes import DType
from ..core.errors import InvalidArgumentError, NotFoundError
from ..core.registry import define, not_differentiable
from ..core.tensors import Operation, Tensor
from ..files.bundle import write_bundle
from ..files.bundle_v1 import write_bundle_v1
from ..files.reader import open_checkpoint
from ..files.slices import parse_spec, within

__all__ = ["restore_tensors", "save_slices", "save_tensors"]


def _text(value: Any) -> str:
    if isinstance(value, np.ndarray):
        value = value.item()
    return value.decode() if isinstance(value, bytes) else str(value)


def _texts(values: Any) -> list[str]:
    return [_text(v) for v in np.asarray(values).reshape(-1).tolist()]


def _save(write: Any) -> Any:
    def compute(run: Any, op: Operation, path: Any, names: Any, specs: Any, *values: Any) -> tuple:
        write(_text(path), list(zip(_texts(names), _texts(specs), values, strict=True)))
        return ()

    return compute


def _restored_outputs(op: Operation) -> list:
    specs = constant_value(op.inputs[2])
    known = [""] * len(op.attrs["dtypes"]) if specs is None else _texts(specs)
    shapes: list[list[int] | None] = []
    for spec in known:
        if not spec:
            shapes.append(None)
            continue
        shape, part = parse_spec(spec)
        shapes.append([s.stop - s.start for s in within(part, shape)])
    return list(zip(op.attrs["dtypes"], shapes))


def _restore(run: Any, op: Operation, path: Any, names: Any, specs: Any) -> tuple:
    prefix = _text(path)
    checkpoint = open_checkpoint(prefix)
    wanted = _texts(names)
    missing = [n for n in wanted if n not in checkpoint]
    if missing:
        more = f" (nor are {', '.join(missing[1:6])})" if missing[1:] else ""
        raise NotFoundError(
            None,
            op,
            f"Key {missing[0]} not found in checkpoint{more}\n\t [[node {op.name}]]; the "
            f"checkpoint {prefix} holds {_some(checkpoint.saved)}: give the variables those "
            "names, or pass tf.train.Saver a dict from names in the checkpoint to variables",
        )
    values = []
    for name, spec, dtype in zip(wanted, _texts(specs), op.attrs["dtypes"]):
        value = checkpoint.get_slice(name, spec)
        if value.dtype != np.dtype(dtype.as_numpy_dtype):
            found = "string" if value.dtype == object else value.dtype.name
            raise InvalidArgumentError(
                None,
                op,
                f"tensor_name = {name}; expected dtype {dtype.name} does not equal original dtype "
                f"{found}: build the variable with the dtype of the checkpoint {prefix}",
            )
        values.append(value)
    return tuple(values)


def _some(names: Any) -> str:
    listed = sorted(names)
    return ", ".join(listed[:5]) + (f" and {len(listed) - 5} more" if listed[5:] else "")


define("SaveV2", lambda op: [], _save(write_bundle), stateful=True)
define("SaveSlices", lambda op: [], _save(write_bundle_v1), stateful=True)
define("RestoreV2", _restored_outputs, _restore, stateful=True)
not_differentiable("SaveV2", "SaveSlices", "RestoreV2")

_STRINGS = {"prefix": "string", "filename": "string", "tensor_names": "string"}


def save_tensors(
    prefix: Tensor, names: Sequence[str], specs: Sequence[str], tensors: Sequence[Tensor]
) -> Operation:
    """Write tensors to a checkpoint of format V2.

    Args:
        prefix: The path, ().
        names: The names.
        specs: The slices of partitioned variables, such as "7 4 0,3:0,4"; "" for others.
        tensors: The tensors; variables as references.
    """
    given = {
        "prefix": prefix,
        "tensor_names": list(names),
        "shape_and_slices": list(specs),
        "tensors*": list(tensors),
    }
    attrs = {"dtypes": [t.dtype.base_dtype for t in tensors]}
    dtypes = {**_STRINGS, "shape_and_slices": "string"}
    return apply("SaveV2", given, attrs=attrs, dtypes=dtypes)


def save_slices(
    filename: Tensor, names: Sequence[str], specs: Sequence[str], tensors: Sequence[Tensor]
) -> Operation:
    """Write tensors to a checkpoint of format V1; see `save_tensors`."""
    given = {
        "filename": filename,
        "tensor_names": list(names),
        "shapes_and_slices": list(specs),
        "data*": list(tensors),
    }
    attrs = {"T": [t.dtype.base_dtype for t in tensors]}
    dtypes = {**_STRINGS, "shapes_and_slices": "string"}
    return apply("SaveSlices", given, name="save", attrs=attrs, dtypes=dtypes)


def restore_tensors(
    prefix: Any,
    names: Sequence[str],
    specs: Sequence[str],
    dtypes: Sequence[DType],
    name: str | None = None,
) -> list[Tensor]:
    """Read tensors of a checkpoint, of format V2 or V1; see `save_tensors`."""
    given = {
        "prefix": os.fspath(prefix) if isinstance(prefix, os.PathLike) else prefix,
        "tensor_names": list(names),
        "shape_and_slices": list(specs),
    }
    attrs = {"dtypes": [d.base_dtype for d in dtypes]}
    strings = {**_STRINGS, "shape_and_slices": "string"}
    return apply("RestoreV2", given, name=name, attrs=attrs, dtypes=strings).outputs
