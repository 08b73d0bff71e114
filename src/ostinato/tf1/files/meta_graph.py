"""Private: graphs with their collections and Savers (MetaGraphDefs), as in .meta files."""

import os
from collections.abc import Iterable, Mapping
from typing import Any

from ...errors import InputError
from ..app import logging
from ..core.errors import NotFoundError
from ..core.graph import Graph, get_default_graph, name_scope
from ..core.graph_keys import GraphKeys
from ..state.variables import RefVariable, ResourceVariable, SaveSliceInfo, Variable
from ..train.queues import QueueRunner
from ..train.saved_items import saveable_variables
from ..train.saver import Saver
from .bundle import replacing
from .contexts import context_to_message, restore_contexts
from .graph_def import as_graph_def, fill_graph_def, import_nodes
from .messages import (
    CollectionDef,
    CondContextDef,
    GraphDef,
    MetaGraphDef,
    QueueRunnerDef,
    SaverDef,
    VariableDef,
    WhileContextDef,
)
from .protobuf import Malformed, Message
from .table import open_regular
from .text_format import from_text, to_text

__all__ = [
    "export_meta_graph",
    "import_meta_graph",
    "read_graph_def",
    "variable_from_message",
    "variable_to_message",
    "write_graph",
]

_VARIABLES = {
    GraphKeys.GLOBAL_VARIABLES,
    GraphKeys.LOCAL_VARIABLES,
    GraphKeys.METRIC_VARIABLES,
    GraphKeys.MODEL_VARIABLES,
    GraphKeys.TRAINABLE_VARIABLES,
    GraphKeys.MOVING_AVERAGE_VARIABLES,
    GraphKeys.CONCATENATED_VARIABLES,
    GraphKeys.TRAINABLE_RESOURCE_VARIABLES,
    GraphKeys.GLOBAL_STEP,
    GraphKeys.EVAL_STEP,
    GraphKeys.WEIGHTS,
    GraphKeys.BIASES,
}
_CONTEXTS = {
    GraphKeys.COND_CONTEXT: CondContextDef,
    GraphKeys.WHILE_CONTEXT: WhileContextDef,
}
_LARGEST = 1 << 31  # bytes of a file with a graph, the limit of Protocol Buffers


# Variables


def variable_to_message(variable: Variable) -> Any:
    """A variable as a VariableDef."""
    message = VariableDef(
        variable_name=f"{variable.op.name}:0",
        initializer_name=variable.initializer.name,
        initial_value_name=variable.initial_value.name,
        trainable=variable.trainable,
    )
    if isinstance(variable, ResourceVariable):
        message.is_resource = True
        if variable._cached is not None:
            message.snapshot_name = variable._cached.name
    else:
        message.snapshot_name = variable.value().name
    info = variable._get_save_slice_info()
    if info is not None:
        where = message.save_slice_info_def
        where.full_name = info.full_name
        where.full_shape.extend(info.full_shape)
        where.var_offset.extend(info.var_offset)
        where.var_shape.extend(info.var_shape)
    return message


def variable_from_message(graph: Graph, message: Any, scope: str = "") -> Variable:
    """The variable of a VariableDef, among operations that were imported.

    Args:
        graph: The graph.
        message: The VariableDef.
        scope: The prefix of the names, with "/", or "".
    """

    def element(name: str) -> Any:
        return graph.as_graph_element(f"{scope}{name}")

    reference = element(message.variable_name)
    variable: Any = object.__new__(ResourceVariable if message.is_resource else RefVariable)
    variable.trainable, variable.constraint, variable.caching_device = message.trainable, None, None
    variable._initializer = element(message.initializer_name)
    variable._initial_value = None
    if message.initial_value_name:
        variable._initial_value = element(message.initial_value_name)
    if message.is_resource:
        variable.handle = reference
        variable._dtype, variable._shape = (reference.op.attrs[a] for a in ("dtype", "shape"))
        variable._is_initialized = None
        variable._element = graph.get_tensor_by_name(f"{reference.op.name}/Read/ReadVariableOp:0")
        variable._cached = element(message.snapshot_name) if message.snapshot_name else None
    else:
        variable._variable, variable._snapshot = reference, element(message.snapshot_name)
    if message.HasField("save_slice_info_def"):
        info = message.save_slice_info_def
        variable._set_save_slice_info(
            SaveSliceInfo(
                f"{scope}{info.full_name}", info.full_shape, info.var_offset, info.var_shape
            )
        )
    return variable


# Collections


def _collection(key: str, values: list) -> Any:
    """A collection as a CollectionDef; None for one that files cannot hold."""
    message = CollectionDef()
    if key in _CONTEXTS:
        messages = [context_to_message(c) for c in values]
    elif key in _VARIABLES and all(isinstance(v, Variable) for v in values):
        messages = [variable_to_message(v) for v in values]
    elif key in (GraphKeys.SAVERS, GraphKeys.QUEUE_RUNNERS):
        messages = [v.to_proto() for v in values]
    elif all(hasattr(v, "name") and isinstance(v.name, str) for v in values):
        message.node_list.value.extend(v.name for v in values)
        return message
    elif all(isinstance(v, (str, bytes)) for v in values):
        texts = [v.encode() if isinstance(v, str) else v for v in values]
        message.bytes_list.value.extend(texts)
        return message
    elif all(isinstance(v, int) for v in values):
        message.int64_list.value.extend(int(v) for v in values)
        return message
    elif all(isinstance(v, float) for v in values):
        message.float_list.value.extend(values)
        return message
    else:
        return None
    message.bytes_list.value.extend(m.SerializeToString() for m in messages)
    return message


def _restore_collections(graph: Graph, collections: Mapping[str, Any], scope: str) -> None:
    variables: dict[bytes, Variable] = {}
    for key in sorted(collections):
        message = collections[key]
        kind = message.WhichOneof("kind")
        if kind is None or kind == "any_list":
            continue
        values = getattr(message, kind).value
        if kind == "bytes_list" and key in _CONTEXTS:
            found: Iterable[Any] = restore_contexts(
                graph, [_CONTEXTS[key].FromString(v) for v in values], scope
            )
        elif kind == "bytes_list" and key in _VARIABLES:
            for v in values:
                if v not in variables:
                    variables[v] = variable_from_message(graph, VariableDef.FromString(v), scope)
            found = [variables[v] for v in values]
        elif kind == "bytes_list" and key == GraphKeys.SAVERS:
            found = [Saver.from_proto(SaverDef.FromString(v), scope.rstrip("/")) for v in values]
        elif kind == "bytes_list" and key == GraphKeys.QUEUE_RUNNERS:
            found = [QueueRunner.from_proto(QueueRunnerDef.FromString(v), scope) for v in values]
        elif kind == "node_list":
            found = [graph.as_graph_element(f"{scope}{v}") for v in values]
        else:
            found = list(values)
        for v in found:
            graph.add_to_collection(key, v)


# Files


def _write(path: str, message: Message, as_text: bool) -> None:
    with replacing(path) as file:
        file.write(to_text(message).encode() if as_text else message.SerializeToString())


def _read(path: Any, kind: type[Message]) -> Any:
    path = path.decode() if isinstance(path, bytes) else os.fspath(path)
    file, size = open_regular(path)
    with file:
        content = file.read(_LARGEST) if size < _LARGEST else b""
    try:
        if not content:
            raise Malformed(f"it has {size} bytes")
        try:
            return kind.FromString(content)
        except Malformed as error:
            try:
                return from_text(kind, content.decode())
            except (UnicodeDecodeError, Malformed):
                raise error from None
    except Malformed as error:
        raise InputError(
            f"{path} is not a {kind.__name__} ({error}): give a file that TensorFlow wrote, "
            "complete"
        ) from None


def read_graph_def(path: str) -> Any:
    """The GraphDef of a file, as bytes or as text."""
    return _read(path, GraphDef)


def write_graph(graph_or_graph_def: Any, logdir: str, name: str, as_text: bool = True) -> str:
    """Write a graph to a file; returns its path.

    Args:
        graph_or_graph_def: The graph, or a GraphDef.
        logdir: The directory, which is created.
        name: The name of the file.
        as_text: Whether to write text.
    """
    message = graph_or_graph_def
    if isinstance(message, Graph):
        message = as_graph_def(message)
    os.makedirs(logdir, exist_ok=True)
    path = os.path.join(logdir, name)
    _write(path, message, as_text)
    return path


def export_meta_graph(
    filename: str | None = None,
    meta_info_def: Any = None,
    graph_def: Any = None,
    saver_def: Any = None,
    collection_list: Iterable[str] | None = None,
    as_text: bool = False,
    graph: Graph | None = None,
    export_scope: str | None = None,
    clear_devices: bool = False,
    clear_extraneous_savers: bool = False,
    strip_default_attrs: bool = False,
    **kwargs: Any,
) -> Any:
    """A graph with its collections as a MetaGraphDef, which is written to a file if one is given.

    Args:
        filename: The file, or None.
        meta_info_def: Information to add.
        graph_def: The graph; None for `graph`.
        saver_def: The operations of a Saver.
        collection_list: The collections to store; None for all.
        as_text: Whether to write text.
        graph: The graph; None for the default one.
        export_scope: Must be None.
        clear_devices, clear_extraneous_savers, strip_default_attrs: Accepted for compatibility;
            ignored.
    """
    if export_scope is not None:
        raise InputError(
            f"export_scope={export_scope!r} is not provided: export the whole graph, or cut it "
            "with tf.graph_util.extract_sub_graph"
        )
    graph = graph or get_default_graph()
    message = MetaGraphDef()
    if meta_info_def is not None:
        message.meta_info_def = meta_info_def
    message.meta_info_def.tensorflow_version = "1.13.1"
    if graph_def is not None:
        message.graph_def = graph_def
    else:
        fill_graph_def(graph, message.graph_def, add_shapes=True)
    if saver_def is not None:
        message.saver_def = saver_def
    keys = graph.get_all_collection_keys() if collection_list is None else collection_list
    for key in keys:
        values = graph.get_collection(key)
        stored = _collection(key, values) if values else None
        if stored is not None:
            message.collection_def[key] = stored
        elif values:
            logging.info("The collection %s is not in the MetaGraphDef: %s", key, values[0])
    if filename:
        _write(filename, message, as_text)
    return message


def import_meta_graph(
    meta_graph_or_file: Any,
    clear_devices: bool = False,
    import_scope: str | None = None,
    **kwargs: Any,
) -> Saver | None:
    """Add a graph and its collections to the default graph.

    Args:
        meta_graph_or_file: A MetaGraphDef, or the path of a .meta file.
        clear_devices: Accepted for compatibility; ignored.
        import_scope: The prefix of the names; None for none.
        kwargs: `input_map` and `return_elements`, as in `import_graph_def`, are not provided.

    Returns:
        The Saver of the graph; None if it has no variables.

    Raises:
        InvalidArgumentError: Some operations are not provided; the message lists their types.
        InputError: The file is not a MetaGraphDef.
        NotFoundError: The file does not exist.
    """
    if kwargs:
        raise InputError(
            f"import_meta_graph was given {', '.join(kwargs)}: give a file and import_scope only; "
            "tf.import_graph_def takes input_map and return_elements"
        )
    message = meta_graph_or_file
    if not isinstance(message, MetaGraphDef):
        if not os.path.isfile(message):
            raise NotFoundError(
                f"File {message} does not exist: give the path of a .meta file, such as "
                "'model.ckpt-10.meta'"
            )
        message = _read(message, MetaGraphDef)
    graph = get_default_graph()
    with name_scope(import_scope or None) as scope:
        import_nodes(graph, message.graph_def)
    try:
        _restore_collections(graph, message.collection_def, scope)
    except Malformed as error:
        raise InputError(f"a collection of {meta_graph_or_file} is damaged ({error})") from None
    if message.HasField("saver_def"):
        saver_def = SaverDef.FromString(message.saver_def.SerializeToString())
        return Saver(saver_def=saver_def, name=scope.rstrip("/") or None)
    return Saver() if saveable_variables(import_scope) else None
