"""Private: the variables of a graph by name, which `get_variable` creates and shares."""

import inspect
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ...errors import InputError, SizeError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DType, as_dtype
from ..core.graph import Graph, init_scope, name_scope
from ..core.graph_keys import GraphKeys
from ..core.shape import TensorShape, as_shape
from ..core.tensors import Tensor
from ..ops import arrays
from .partitions import PartitionedVariable, PartitionInfo, partitions_of, slices_of
from .variables import SaveSliceInfo, Variable

__all__ = ["VariableStore", "store_of"]


class VariableStore:
    """The variables of a graph.

    Attributes:
        variables: Variables by name, and the parts of partitioned ones.
        partitioned: Partitioned variables by name.
        scope: The current variable scope.
        opened: How often each variable scope was opened, by name.
    """

    def __init__(self) -> None:
        self.variables: dict[str, Variable] = {}
        self.partitioned: dict[str, PartitionedVariable] = {}
        self.scope: Any = None
        self.opened: dict[str, int] = {}

    def open(self, name: str) -> None:
        """Count a scope."""
        self.opened[name] = self.opened.get(name, 0) + 1

    def close_below(self, name: str) -> None:
        """Forget the scopes inside a scope."""
        for inner in self.opened:
            if inner.startswith(f"{name}/"):
                self.opened[inner] = 0

    def get_variable(self, name: str, **arguments: Any) -> Any:
        """An existing variable or a new one; see `tf.get_variable`.

        Args:
            name: The full name.
            **arguments: The arguments of `tf.get_variable`, with the scope's `reuse`.
        """
        custom_getter = arguments.pop("custom_getter")
        if custom_getter is None:
            return self._get(name, **arguments)
        if not callable(custom_getter):
            raise InputError(
                f"Passed a custom_getter which is not callable: {custom_getter!r}; give a function "
                "(getter, name, *args, **kwargs)"
            )
        if not _accepts(custom_getter, "constraint"):
            getter = partial(self._get, constraint=arguments.pop("constraint"))
        else:
            getter = self._get  # type: ignore[assignment]
        # A custom getter may leave out any argument.
        return custom_getter(getter=partial(_complete, getter), name=name, **arguments)

    def _get(self, name: str, partitioner: Any = None, **arguments: Any) -> Any:
        if partitioner is not None:
            if not callable(partitioner):
                raise InputError(
                    f"Partitioner must be callable, but received: {partitioner!r}; give one such "
                    "as tf.fixed_size_partitioner(3)"
                )
            return self._get_partitioned(name, partitioner, **arguments)
        if arguments["reuse"] is True and name in self.partitioned:
            return self._shared_parts(name, None, **arguments)
        if f"{name}/part_0" in self.variables:
            raise InputError(
                "No partitioner was provided, but a partitioned version of the variable was "
                f"found: {name}/part_0. Perhaps a variable of the same name was already created "
                "with partitioning? Give the same partitioner again"
            )
        return self._get_single(name, **arguments)

    def _shared_parts(
        self, name: str, partitions: Any, shape: Any = None, dtype: Any = None, **_: Any
    ) -> PartitionedVariable:
        found = self.partitioned[name]
        wanted = as_shape(shape)
        if not wanted.is_compatible_with(found.shape) or (
            as_dtype(dtype).base_dtype != found.dtype.base_dtype
        ):
            raise SizeError(
                f"Trying to reuse partitioned variable {name}, but specified shape {wanted} and "
                f"dtype {as_dtype(dtype).name}, and found shape {found.shape} and dtype "
                f"{found.dtype.name}: request those"
            )
        if partitions is not None and found.partitions != partitions:
            raise InputError(
                f"Trying to reuse partitioned variable {name}, but specified partitions "
                f"{partitions} and found partitions {found.partitions}: use the same partitioner"
            )
        return found

    def _get_partitioned(self, name: str, partitioner: Any, **arguments: Any) -> Any:
        shape, dtype = as_shape(arguments.pop("shape")), as_dtype(arguments.pop("dtype"))
        initializer, reuse = arguments.pop("initializer"), arguments["reuse"]
        if initializer is not None and not callable(initializer):
            # A value has its own shape, and a tensor its own dtype.
            value = convert_to_tensor(initializer, None if _is_tensor(initializer) else dtype)
            shape, dtype = shape.merge_with(value.shape), value.dtype.base_dtype
            initializer = value
        partitions = partitions_of(partitioner, shape, dtype)
        if name in self.variables:
            raise InputError(
                f"A partitioner was provided, but an unpartitioned version of the variable was "
                f"found: {name}. Perhaps a variable of the same name was already created without "
                "partitioning? Leave the partitioner out"
            )
        if name in self.partitioned:
            if reuse is False:
                raise InputError(
                    f"Partitioned variable with name {name} already exists. Did you mean to set "
                    "reuse=True or reuse=tf.AUTO_REUSE in VarScope?"
                )
            return self._shared_parts(name, partitions, shape, dtype)
        if reuse is True:
            raise InputError(
                f"PartitionedVariable {name} does not exist, or was not created with "
                "tf.get_variable(). Did you mean to set reuse=False or reuse=tf.AUTO_REUSE in "
                "VarScope?"
            )
        whole: list[int] = shape.as_list()  # type: ignore[assignment]
        parts = []
        for i, (offset, part_shape) in enumerate(slices_of(whole, partitions)):
            part_name = f"{name}/part_{i}"
            part_initializer, sizes = initializer, part_shape
            with name_scope(f"{part_name}/PartitionedInitializer"):
                if initializer is None:
                    part_initializer = _default_initializer(name, dtype)
                elif not callable(initializer):
                    part_initializer = arrays.slice(initializer, offset, part_shape)
                    sizes = None  # type: ignore[assignment]
            with name_scope(None):
                variable = self._get_single(
                    part_name,
                    shape=sizes,
                    dtype=dtype,
                    initializer=part_initializer,
                    partition_info=PartitionInfo(whole, offset),
                    **arguments,
                )
            variable._set_save_slice_info(SaveSliceInfo(name, whole, offset, part_shape))
            parts.append(variable)
        self.partitioned[name] = PartitionedVariable(name, shape, dtype, parts, partitions)
        return self.partitioned[name]

    def _get_single(
        self,
        name: str,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Callable | None = None,
        partition_info: PartitionInfo | None = None,
        reuse: Any = None,
        trainable: bool | None = None,
        collections: Sequence | None = None,
        caching_device: Any = None,
        validate_shape: bool = True,
        use_resource: bool | None = None,
        constraint: Callable | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Variable:
        of_value = initializer is not None and not callable(initializer)
        if isinstance(initializer, str):
            raise InputError(
                f"get_variable({name!r}) was given the initializer {initializer!r}: give one of "
                "tf, such as tf.glorot_uniform_initializer(), or a value"
            )
        if shape is not None and of_value:
            raise SizeError(
                f"If initializer is a constant, do not specify shape: get_variable({name!r}) was "
                f"given shape {as_shape(shape)} and a value, which has its own; leave shape out, "
                "or give tf.constant_initializer(value)"
            )
        kind, sizes = as_dtype(dtype).base_dtype, as_shape(shape)
        if name in self.variables:
            return self._shared(name, kind, sizes, reuse)
        if reuse is True:
            raise InputError(
                f"Variable {name} does not exist, or was not created with tf.get_variable(). Did "
                "you mean to set reuse=tf.AUTO_REUSE in VarScope? The scope has reuse=True: create "
                "the variable first, or write reuse=tf.AUTO_REUSE"
            )
        if initializer is None:
            initializer = _default_initializer(name, kind)
        initial_value: Any = initializer
        if not of_value:
            initial_value, takes_dtype = _initial_value(
                name, initializer, sizes, kind, partition_info
            )
        with init_scope():
            variable = Variable(
                initial_value,
                name=name,
                trainable=trainable,
                collections=collections,
                caching_device=caching_device,
                dtype=None if of_value or not takes_dtype else kind,
                validate_shape=validate_shape,
                constraint=constraint,
                use_resource=use_resource,
            )
        self.variables[name] = variable
        if regularizer:
            with name_scope(f"{name}/Regularizer/"), init_scope():
                loss = regularizer(variable)
            if loss is not None:
                variable.graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, loss)
        return variable

    def _shared(self, name: str, dtype: DType, shape: TensorShape, reuse: Any) -> Variable:
        found = self.variables[name]
        if reuse is False:
            raise InputError(
                f"Variable {name} already exists, disallowed. Did you mean to set reuse=True or "
                "reuse=tf.AUTO_REUSE in VarScope? A second use of its weights needs "
                "tf.variable_scope(..., reuse=True); other weights need another scope; a program "
                "run again in the same process needs tf.reset_default_graph() first"
            )
        if not shape.is_compatible_with(found.shape):
            raise SizeError(
                f"Trying to share variable {name}, but specified shape {shape} and found shape "
                f"{found.shape}: request its own shape"
            )
        if dtype != found.dtype.base_dtype:
            raise InputError(
                f"Trying to share variable {name}, but specified dtype {dtype.name} and found "
                f"dtype {found.dtype.name}: write dtype={found.dtype.base_dtype!r}"
            )
        return found


def store_of(graph: Graph) -> VariableStore:
    """The variables of a graph."""
    return graph.kept.setdefault("variable_store", VariableStore())


# The arguments of the getter that a custom getter is given, in order.
_ARGUMENTS = (
    "shape",
    "dtype",
    "initializer",
    "regularizer",
    "reuse",
    "trainable",
    "collections",
    "caching_device",
    "partitioner",
    "validate_shape",
    "use_resource",
    "constraint",
    "synchronization",
    "aggregation",
)


def _complete(getter: Callable, name: str, *args: Any, **named: Any) -> Any:
    defaults = {"shape": None, "dtype": "float32", "initializer": None, "reuse": None}
    return getter(name, **defaults | dict(zip(_ARGUMENTS, args)) | named)


def _is_tensor(value: Any) -> bool:
    return isinstance(value, Tensor)


def _accepts(function: Callable, argument: str) -> bool:
    """Whether a function has a parameter of a name, or takes any name."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return True
    return any(p.name == argument or p.kind is p.VAR_KEYWORD for p in parameters)


def _default_initializer(name: str, dtype: DType) -> Callable:
    from ..initializers import GlorotUniform, Zeros  # they may create variables' values

    if dtype.is_floating:
        return GlorotUniform()
    if dtype.is_integer or dtype.is_bool or dtype.name == "string":
        return Zeros()
    raise InputError(f"An initializer for variable {name} of {dtype.name} is required: give one")


def _initial_value(
    name: str, initializer: Callable, shape: TensorShape, dtype: DType, part: PartitionInfo | None
) -> tuple[Callable[[], Any], bool]:
    """A function that makes the initial value, and whether the initializer takes the dtype."""
    if isinstance(initializer, type):
        initializer = initializer(dtype=dtype) if _accepts(initializer, "dtype") else initializer()
    if shape.is_fully_defined():
        named = {"partition_info": part} if _accepts(initializer, "partition_info") else {}
        return partial(initializer, shape.as_list(), dtype=dtype, **named), True
    try:
        inspect.signature(initializer).bind()
    except TypeError:
        given = "no shape" if shape.sizes is None else f"the shape {shape}"
        raise InputError(
            f"get_variable({name!r}) was given {given}: Shape of a new variable ({name}) must be "
            "fully defined; give a fully known shape=[...], or a value as initializer"
        ) from None
    return initializer, False
