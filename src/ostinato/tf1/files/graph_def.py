"""Private: graphs as GraphDefs: writing them and importing them."""

import heapq
import importlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ...errors import InputError, OstinatoError
from ..core.dtypes import DTYPES
from ..core.errors import InvalidArgumentError
from ..core.graph import Graph, get_default_graph
from ..core.registry import known
from ..core.shape import TensorShape
from ..core.tensors import Operation, Tensor
from .attributes import attr_value, decode_attr, shape_to_message
from .contexts import restore_loops
from .messages import GraphDef
from .signatures import OpSignature, signature

__all__ = [
    "as_graph_def",
    "fill_graph_def",
    "import_graph_def",
    "import_nodes",
    "node_def",
    "parsed_input",
]

_PRODUCER = 27  # the version of GraphDefs in TensorFlow 1.13.1
# These depend on functions of the program, which no file holds.
_OF_A_PROGRAM = {"PyFunc", "PyFuncStateless", "EagerPyFunc"}
# Types of later versions of TensorFlow that compute the same.
_RENAMED = {"AddV2": "Add", "BatchMatMulV2": "BatchMatMul"}


# Writing


def as_graph_def(graph: Graph, from_version: int | None = None, add_shapes: bool = False) -> Any:
    """A graph as a GraphDef.

    Args:
        graph: The graph.
        from_version: Accepted for compatibility; ignored.
        add_shapes: Whether to store the static shapes as attributes.
    """
    return fill_graph_def(graph, GraphDef(), add_shapes)


def fill_graph_def(graph: Graph, message: Any, add_shapes: bool = False) -> Any:
    """Write a graph into a GraphDef."""
    for op in graph.operations:
        _fill_node(op, message.node.add(), add_shapes)
    message.versions.producer = _PRODUCER
    return message


def node_def(op: Operation) -> Any:
    """An operation as a NodeDef."""
    return _fill_node(op, GraphDef().node.add(), False)


def _fill_node(op: Operation, node: Any, add_shapes: bool) -> Any:
    node.name, node.op, node.device = op.name, op.type, op.device
    for t in op.inputs:
        node.input.append(t.op.name if t.value_index == 0 else t.name)
    node.input.extend(sorted(f"^{c.name}" for c in op.control_inputs))
    known_as = signature(op.type)
    for name, (value, kind) in _attributes(op, known_as).items():
        try:
            node.attr[name] = attr_value(value, kind)
        except (InputError, AttributeError, TypeError):
            continue  # a Python object, which only this process can use
    if add_shapes and op.outputs:
        shapes = node.attr["_output_shapes"]
        values = shapes.list
        for t in op.outputs:
            shape_to_message(t.shape, values.shape.add())
        shapes.list = values
    return node


def _attributes(op: Operation, known_as: OpSignature | None) -> dict[str, tuple[Any, str | None]]:
    """The attributes of an operation, each with its value and kind."""
    if known_as is None:
        return {n: (v, None) for n, v in op.attrs.items() if v is not None}
    found: dict[str, tuple[Any, str | None]] = {}
    for arguments, tensors in ((known_as.inputs, op.inputs), (known_as.outputs, op.outputs)):
        _dtypes(arguments, tensors, found)
    for name, default in known_as.defaults.items():
        value = op.attrs.get(name)
        value = default if value is None else value
        if value is not None:
            found[name] = (value, known_as.kinds.get(name))
    for name in [*found]:
        # What the program stated goes before what the tensors show.
        if op.attrs.get(name) is not None:
            found[name] = (op.attrs[name], found[name][1])
    for name in known_as.defaults:
        if name not in found and op.attrs.get(name) is not None:
            found[name] = (op.attrs[name], known_as.kinds.get(name))
    return found


def _dtypes(
    arguments: Sequence[tuple[str, str, bool]], tensors: Sequence[Tensor], found: dict
) -> None:
    """Add the attributes that the dtypes and the number of tensors show."""
    lists = [a for a in arguments if a[1] or a[2]]
    rest = len(tensors) - (len(arguments) - len(lists))
    at = 0
    for kind, number, several in arguments:
        count = rest // len(lists) if number or several else 1
        part = tensors[at : at + count]
        at += count
        if number:
            found[number] = (count, "int")
        if several:
            found[kind] = ([t.dtype.base_dtype for t in part], "types")
        elif kind not in DTYPES and part and kind not in found:
            found[kind] = (part[0].dtype.base_dtype, "type")


# Importing


def import_graph_def(
    graph_def: Any,
    input_map: Mapping[str, Any] | None = None,
    return_elements: Sequence[str] | None = None,
    name: str | None = None,
    op_dict: Any = None,
    producer_op_list: Any = None,
) -> list | None:
    """Add the operations of a GraphDef to the default graph.

    Args:
        graph_def: The GraphDef.
        input_map: Tensors that take the place of tensors of the GraphDef, by their names there.
        return_elements: Names of operations and tensors to return.
        name: The prefix of the names; None for "import", "" for none.
        op_dict, producer_op_list: Accepted for compatibility; ignored.

    Raises:
        InvalidArgumentError: Some operations are not provided; the message lists their types.
    """
    graph = get_default_graph()
    if not isinstance(graph_def, GraphDef):
        raise InputError(
            f"graph_def must be a GraphDef proto, not {type(graph_def).__name__}: write graph_def "
            "= tf.GraphDef(); graph_def.ParseFromString(file.read())"
        )
    with graph.name_scope("import" if name is None else name or None):
        made = import_nodes(graph, graph_def, _mapped(input_map))
    if return_elements is None:
        return None
    results: list[Operation | Tensor] = []
    for element in return_elements:
        op_name, colon, index = element.partition(":")
        if op_name not in made:
            raise InputError(
                f"return_elements has {element!r}, which the graph_def does not: its nodes are in "
                "graph_def.node"
            )
        results.append(made[op_name].outputs[int(index)] if colon else made[op_name])
    return results


def _mapped(input_map: Mapping[str, Any] | None) -> dict[tuple[str, int], Tensor]:
    found = {}
    for key, value in (input_map or {}).items():
        op_name, _, index = key.partition(":")
        found[op_name, int(index or 0)] = getattr(value, "_as_graph_element", lambda v=value: v)()
    return found


def import_nodes(
    graph: Graph, graph_def: Any, input_map: Mapping[tuple[str, int], Tensor] | None = None
) -> dict[str, Operation]:
    """Add the nodes of a GraphDef to a graph, in its current name scope.

    Args:
        graph: The graph.
        graph_def: The GraphDef.
        input_map: Tensors that take the place of others, by name and output.

    Returns:
        The operations by their names in the GraphDef.
    """
    nodes = list(graph_def.node)
    _check_types(nodes)
    made: dict[str, Operation] = {}
    later: list[tuple[Operation, int, str, int]] = []
    with graph.control_dependencies(None):
        for i in _order(nodes):
            node = nodes[i]
            try:
                made[node.name] = _import_node(graph, node, made, input_map or {}, later)
            except (OstinatoError, KeyError, IndexError, TypeError, AttributeError) as error:
                raise InvalidArgumentError(
                    f"the node {node.name!r} ({node.op}) of the GraphDef cannot be imported "
                    f"({error}): the file is damaged, or of a program that ostinato.tf1 does not "
                    "provide"
                ) from error
    for op, index, name, output in later:
        op.update_input(index, made[name].outputs[output])
    restore_loops(made.values())
    return made


def _check_types(nodes: Iterable[Any]) -> None:
    types = {_RENAMED.get(node.op, node.op) for node in nodes}
    if not all(known(t) for t in types):
        _import_all()
    missing = sorted(t for t in types if not known(t) or t in _OF_A_PROGRAM)
    if missing:
        raise InvalidArgumentError(
            f"the graph has operations of {len(missing)} types that ostinato.tf1 does not provide: "
            f"{', '.join(missing)}; build the model with ostinato.tf1 and restore its variables "
            "with tf.train.Saver, or cut the graph with tf.graph_util.extract_sub_graph"
        )


def _import_all() -> None:
    """Import every module, since modules define the operations they create."""
    from .. import namespaces  # it imports modules by name

    for module in {m for table in namespaces.TABLE.values() for m, _ in table.values()}:
        importlib.import_module(f"..{module}", __package__)


def parsed_input(given: str) -> tuple[str, int]:
    """The operation of an input and its output; -1 for a control input."""
    if given.startswith("^"):
        return given[1:], -1
    name, _, index = given.rpartition(":")
    if name and index.isdigit():
        return name, int(index)
    return given, 0


def _order(nodes: Sequence[Any]) -> Iterable[int]:
    """The nodes, so that each comes after its inputs, and otherwise in their order. A Merge of a
    loop does not wait for the NextIteration.
    """
    index: dict[str, int] = {}
    for i, node in enumerate(nodes):
        if not node.name or node.name in index:
            raise InvalidArgumentError(
                f"the GraphDef has the node name {node.name!r} twice, or an empty one: give each "
                "node a name of its own"
            )
        index[node.name] = i
    next_iterations = {n.name for n in nodes if n.op in ("NextIteration", "RefNextIteration")}
    waiting = [0] * len(nodes)
    after: list[list[int]] = [[] for _ in nodes]
    for i, node in enumerate(nodes):
        merge = node.op in ("Merge", "RefMerge")
        for given in node.input:
            name, output = parsed_input(given)
            if name not in index:
                raise InvalidArgumentError(
                    f"the node {node.name!r} has the input {given!r}, which the GraphDef does not: "
                    "it is damaged, or a part of a graph; give the missing tensor in input_map"
                )
            if merge and output >= 0 and name in next_iterations:
                continue
            waiting[i] += 1
            after[index[name]].append(i)
    ready = [i for i, count in enumerate(waiting) if not count]
    heapq.heapify(ready)
    done = 0
    while ready:
        i = heapq.heappop(ready)
        done += 1
        yield i
        for j in after[i]:
            waiting[j] -= 1
            if not waiting[j]:
                heapq.heappush(ready, j)
    if done < len(nodes):
        stuck = next(n.name for n, count in zip(nodes, waiting) if count)
        raise InvalidArgumentError(f"the GraphDef has a cycle through the node {stuck!r}")


def _import_node(
    graph: Graph,
    node: Any,
    made: Mapping[str, Operation],
    input_map: Mapping[tuple[str, int], Tensor],
    later: list,
) -> Operation:
    inputs: list[Tensor | None] = []
    control = []
    waiting = []
    for given in node.input:
        name, output = parsed_input(given)
        if output < 0:
            control.append(made[name])
        elif (name, output) in input_map:
            inputs.append(input_map[name, output])
        elif name in made:
            inputs.append(made[name].outputs[output])
        else:
            waiting.append((len(inputs), name, output))
            inputs.append(None)
    # The first iteration's value stands for the later ones' until those exist.
    first = next((t for t in inputs if t is not None), None)
    full: list[Any] = [first if t is None else t for t in inputs]
    attrs = {n: decode_attr(a) for n, a in node.attr.items() if n != "_class"}
    shapes = attrs.pop("_output_shapes", None)
    kind = _RENAMED.get(node.op, node.op)
    known_as = signature(kind)
    if known_as is not None:
        for name, value in known_as.defaults.items():
            attrs.setdefault(name, value)
    if node.op == "Const":
        attrs["value"] = np.array(attrs["value"]) if attrs["value"].size < 2 else attrs["value"]
        attrs["value"].setflags(write=False)
    op = graph.create_op(kind, full, node.name, attrs)
    for i, source, output in waiting:
        later.append((op, i, source, output))
    op.add_control_inputs(control)
    for i, t in enumerate(op.outputs):
        if waiting and i == 0:
            t.shape = TensorShape(None)
        if shapes and i < len(shapes) and t.shape.is_compatible_with(shapes[i]):
            t.shape = t.shape.merge_with(shapes[i])
    if node.op == "Placeholder":
        graph.placeholders.append(op.outputs[0])
    return op
