"""Private: the base class of the layers of tf.layers and of the recurrent cells.

A layer of tf.layers opens a variable scope, in which `get_variable` creates or shares its
variables.
"""

from collections.abc import Callable, Sequence
from typing import Any

from ...errors import InputError
from ..core.dtypes import DTypeLike
from ..core.graph import Graph, get_default_graph, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import TensorLike
from ..state import scopes
from ..state.collections import global_variables
from ..state.partitions import PartitionedVariable
from ..state.variables import VariableAggregation, VariableSynchronization
from .base_layer import BaseLayer, accepts, snake_case, unique_layer_name

__all__ = ["BaseLayer", "Layer", "add_new"]


def add_new(values: Sequence, collection: str) -> None:
    """Add those values to a collection that are not in it yet."""
    kept = get_default_graph().get_collection_ref(collection)
    kept += [v for v in values if all(v is not k for k in kept)]


class Layer(BaseLayer):
    """A layer that creates its variables in a variable scope (tf.layers.Layer); see `BaseLayer`.

    Attributes:
        graph: The graph in which it was called.
        scope_name: The name of its variable scope.

    Args:
        trainable: Whether its variables are trained.
        name: The scope of its variables; None for the name of the class in snake case, with a
            number if that is in use.
        dtype: The dtype of its variables; None for that of the first input.
        **kwargs: `_scope`, the variable scope itself; `_reuse`, whether existing variables are
            used; and those of `BaseLayer`.
    """

    _use_resource_variables = False

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: DTypeLike | None = None,
        **kwargs: Any,
    ):
        scope = kwargs.pop("_scope", None)
        self._reuse = kwargs.pop("_reuse", None)
        super().__init__(trainable=trainable, name=name, dtype=dtype, **kwargs)
        self._graph: Graph | None = None
        self._scope: scopes.VariableScope | None = None
        self._current_scope: scopes.VariableScope | None = None
        if scope:
            with scopes.variable_scope(scope) as entered:
                self._scope = entered

    def _set_name(self, name: str | scopes.VariableScope | None) -> None:
        if isinstance(name, scopes.VariableScope):
            name = name.name
        if name:
            self._name = self._base_name = name
        else:
            self._base_name = snake_case(type(self).__name__)
            self._name = unique_layer_name(self._base_name)

    @property
    def graph(self) -> Graph | None:
        """The graph in which it was called."""
        return self._graph

    @property
    def scope_name(self) -> str:
        """The name of its variable scope.

        Raises:
            InputError: The layer was not called yet.
        """
        if self._scope is None:
            raise InputError(
                f"No name available for layer scope because the layer {self._name!r} has not been "
                "used yet: call the layer first"
            )
        return self._scope.name

    def _set_scope(self, scope: Any = None) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            entered = scopes.variable_scope(self._base_name if scope is None else scope)
        else:
            entered = scopes.variable_scope(scope, default_name=self._base_name)
        with entered as found:
            self._scope = found

    def _name_scope(self) -> str:
        assert self._current_scope is not None, "inside a call"
        return self._current_scope.original_name_scope

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Add losses to the layer and to the regularization losses of the graph; see
        `BaseLayer.add_loss`.
        """
        known, functions = len(self._losses), len(self._loss_functions)
        super().add_loss(losses, inputs)
        self._losses += [v for f in self._loss_functions[functions:] if (v := f()) is not None]
        del self._loss_functions[functions:]
        add_new(self._losses[known:], GraphKeys.REGULARIZATION_LOSSES)

    def add_weight(  # type: ignore[override]  # tf.layers has another order of arguments
        self,
        name: str,
        shape: Any,
        dtype: DTypeLike | None = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = VariableAggregation.NONE,
        partitioner: Callable | None = None,
    ) -> Any:
        """Create a variable in the scope of the layer, or use an existing one there; see
        `BaseLayer.add_weight`.
        """
        self._set_scope()
        reuse = self.built or self._reuse
        self._existing = set(map(id, global_variables()))
        with scopes.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as entered:
            self._current_scope = entered
            with name_scope(self._name_scope()):
                return super().add_weight(
                    name,
                    shape,
                    dtype=dtype,
                    initializer=entered.initializer if initializer is None else initializer,
                    regularizer=regularizer,
                    trainable=trainable,
                    constraint=constraint,
                    partitioner=partitioner,
                    use_resource=use_resource
                    or self._use_resource_variables
                    or entered.use_resource,
                    getter=scopes.get_variable,
                )

    def _is_new(self, variable: Any) -> bool:
        parts = list(variable) if isinstance(variable, PartitionedVariable) else [variable]
        return not any(id(p) in self._existing for p in parts)

    def __call__(self, inputs: TensorLike, *args: Any, **kwargs: Any) -> Any:
        """Create the variables, at the first call, and compute the output.

        Args:
            inputs: The input, or a structure of inputs.
            scope: The variable scope at the first call; None for the layer's name.
            *args, **kwargs: See `call`.
        """
        self._set_scope(kwargs.pop("scope", None))
        self._graph = get_default_graph()
        reuse = True if self.built else self._reuse
        with scopes.variable_scope(self._scope, reuse=reuse, auxiliary_name_scope=False) as entered:
            self._current_scope = entered
            if accepts(self.call, "scope"):
                kwargs["scope"] = entered
            outputs = super().__call__(inputs, *args, **kwargs)
        add_new(self.updates, GraphKeys.UPDATE_OPS)
        return outputs
