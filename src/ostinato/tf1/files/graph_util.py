"""Private: cutting and freezing GraphDefs (tf.graph_util)."""

from collections.abc import Iterable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..app import logging
from .attributes import make_tensor_proto
from .graph_def import parsed_input
from .messages import GraphDef

__all__ = ["convert_variables_to_constants", "extract_sub_graph"]


def extract_sub_graph(graph_def: Any, dest_nodes: Sequence[str]) -> Any:
    """The part of a GraphDef that some nodes depend on.

    Args:
        graph_def: The GraphDef.
        dest_nodes: The names of the nodes.

    Raises:
        InputError: A node does not exist.
    """
    if not isinstance(graph_def, GraphDef):
        raise ArgumentTypeError(
            "graph_def must be a graph_pb2.GraphDef proto: write graph.as_graph_def()"
        )
    if isinstance(dest_nodes, str):
        raise ArgumentTypeError(f"dest_nodes must be a list: write [{dest_nodes!r}]")
    nodes = {n.name: n for n in graph_def.node}
    reached: set[str] = set()
    stack = list(dest_nodes)
    while stack:
        name = stack.pop()
        if name in reached:
            continue
        if name not in nodes:
            raise InputError(
                f"{name} is not in graph: give names of operations, without ':0'; graph_def.node "
                "lists them"
            )
        reached.add(name)
        stack += [parsed_input(i)[0] for i in nodes[name].input]
    found = GraphDef()
    found.node.extend(n for n in graph_def.node if n.name in reached)
    found.versions = graph_def.versions
    return found


def convert_variables_to_constants(
    sess: Any,
    input_graph_def: Any,
    output_node_names: Sequence[str],
    variable_names_whitelist: Iterable[str] | None = None,
    variable_names_blacklist: Iterable[str] | None = None,
) -> Any:
    """The part of a GraphDef that some nodes depend on, with constants for its variables.

    Args:
        sess: The session with the variables' values.
        input_graph_def: The GraphDef, of the session's graph.
        output_node_names: The names of the nodes.
        variable_names_whitelist: The names of the variables to convert; None for all.
        variable_names_blacklist: The names of variables to leave.
    """
    part = extract_sub_graph(input_graph_def, output_node_names)
    wanted = {
        n.name: f"{n.name}/Read/ReadVariableOp:0" if n.op == "VarHandleOp" else f"{n.name}:0"
        for n in part.node
        if n.op in ("Variable", "VariableV2", "VarHandleOp")
        and (variable_names_whitelist is None or n.name in variable_names_whitelist)
        and n.name not in (variable_names_blacklist or ())
    }
    values = sess.run(wanted)
    logging.info("Froze %d variables.", len(values))
    found = GraphDef()
    for node in part.node:
        if node.name in values:
            _constant(found, node.name, node.attr["dtype"], values[node.name])
        elif node.op == "ReadVariableOp" and node.input[0] in values:
            made = found.node.add(name=node.name, op="Identity", input=[node.input[0]])
            made.attr["T"] = node.attr["dtype"]
        elif node.op == "ResourceGather" and node.input[0] in values:
            axis = f"{node.name}/axis"
            dtype = make_tensor_proto(0, "int32").dtype
            _constant(found, axis, type(node.attr["dtype"])(type=dtype), 0)
            made = found.node.add(name=node.name, op="GatherV2", input=[*node.input[:2], axis])
            made.attr["Tparams"], made.attr["Tindices"] = node.attr["dtype"], node.attr["Tindices"]
            made.attr["Taxis"] = type(node.attr["dtype"])(type=dtype)
        else:
            found.node.append(node)
    found.versions = part.versions
    return found


def _constant(graph_def: Any, name: str, dtype: Any, value: Any) -> None:
    node = graph_def.node.add(name=name, op="Const")
    node.attr["dtype"] = dtype
    node.attr["value"].tensor = make_tensor_proto(value)
