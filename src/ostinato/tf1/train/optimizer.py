"""Private: the base class of optimizers."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core import nest
from ..core.conversion import convert_to_tensor
from ..core.graph import control_dependencies, get_default_graph, init_scope, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import IndexedSlices, Operation, Tensor
from ..flow.flow_ops import group, tuple_of
from ..flow.gradients import gradients
from ..flow.slices import convert_to_tensor_or_slices
from ..ops import arrays, math
from ..state import ops
from ..state.collections import trainable_variables
from ..state.variables import ResourceVariable, Variable, is_resource_variable
from .slots import create_slot, create_slot_with_initializer, create_zeros_slot
from .updates import apply_dense, apply_sparse

__all__ = ["Optimizer"]

GradientsAndVariables = Iterable[tuple[Tensor | IndexedSlices | None, Variable]]


class Optimizer:
    """Base class of optimizers.

    A subclass creates its slots in `_create_slots`, its numbers as tensors in `_prepare`, and
    updates in `_apply_dense` and `_apply_sparse`, or by naming a rule of `updates.py`.

    Args:
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.
    """

    GATE_NONE, GATE_OP, GATE_GRAPH = 0, 1, 2

    def __init__(self, use_locking: bool, name: str):
        if not name:
            raise InputError("Must specify the optimizer name: give one such as name='Adam'")
        self._use_locking, self._name = use_locking, name
        # Slots by the name of the slot and the variable; other variables by name and graph.
        self._slots: dict[str, dict[Variable, Variable]] = {}
        self._non_slot_dict: dict[tuple[str, Any], Variable] = {}

    def get_name(self) -> str:
        """The name of the optimizer."""
        return self._name

    # Steps

    def minimize(
        self,
        loss: Tensor,
        global_step: Any = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Tensor | None = None,
    ) -> Operation:
        """The operation of a training step: `compute_gradients` and `apply_gradients`.

        Args:
            loss: The number to make smaller.
            global_step: A variable that counts the steps, or None.
            var_list: The variables to train; None for the trainable ones.
            gate_gradients: When gradients are used: GATE_NONE, GATE_OP or GATE_GRAPH.
            aggregation_method: How to add gradients; see `tf.AggregationMethod`.
            colocate_gradients_with_ops: Accepted for compatibility; ignored.
            name: The name of the operation; None for the optimizer's.
            grad_loss: The gradient of the loss; None for 1.

        Raises:
            InputError: The loss depends on none of the variables.
        """
        pairs = self.compute_gradients(
            loss,
            var_list,
            gate_gradients,
            aggregation_method,
            colocate_gradients_with_ops,
            grad_loss,
        )
        if all(g is None for g, _ in pairs):
            raise InputError(
                "No gradients provided for any variable, check your graph for ops that do not "
                f"support gradients, between variables {[str(v) for _, v in pairs]} and loss "
                f"{loss}."
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Tensor,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: int | None = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Tensor | None = None,
    ) -> list[tuple[Any, Variable]]:
        """The gradients of a loss with their variables; None for a variable that it does not depend
        on. See `minimize` for the arguments.

        Raises:
            InputError: No variables are given or trainable, or `gate_gradients` is unknown.
        """
        if gate_gradients not in (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH):
            raise InputError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, "
                f"Optimizer.GATE_GRAPH.  Not {gate_gradients!r}"
            )
        if callable(loss):
            raise ArgumentTypeError(
                "`loss` passed to Optimizer.compute_gradients should be a tensor, not a function: "
                "call it first"
            )
        self._check_dtypes([loss, *([] if grad_loss is None else [grad_loss])])
        if var_list is None:
            variables = trainable_variables() + get_default_graph().get_collection(
                GraphKeys.TRAINABLE_RESOURCE_VARIABLES
            )
        else:
            variables = [w for v in nest.flatten(var_list) for w in _parts(v)]
        if not variables:
            raise InputError("No variables to optimize: create variables with trainable=True first")
        for v in variables:
            if not isinstance(v, (Variable, Tensor)):
                raise ArgumentTypeError(f"var_list has {v!r}: give variables")
        found = gradients(
            loss,
            variables,
            grad_ys=grad_loss,
            gate_gradients=gate_gradients == self.GATE_OP,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
        )
        if gate_gradients == self.GATE_GRAPH:
            found = tuple_of(found)
        pairs = list(zip(found, variables))
        self._check_dtypes([v for g, v in pairs if g is not None])
        return pairs

    def apply_gradients(
        self,
        grads_and_vars: GradientsAndVariables,
        global_step: Any = None,
        name: str | None = None,
    ) -> Operation:
        """The operation that applies gradients.

        Args:
            grads_and_vars: Pairs of a gradient and its variable; a variable with the gradient None
                stays as it is.
            global_step: A variable that counts the steps, or None.
            name: The name of the operation; None for the optimizer's.

        Raises:
            InputError: The list is empty, or no variable has a gradient.
        """
        pairs = []
        for g, v in grads_and_vars:
            if not isinstance(v, Variable):
                raise ArgumentTypeError(f"Variable must be a tf.Variable: {v!r}")
            if g is not None:
                g = convert_to_tensor_or_slices(g)
            pairs.append((g, v))
        if not pairs:
            raise InputError("No variables provided: give pairs of a gradient and a variable")
        variables = [v for g, v in pairs if g is not None]
        if not variables:
            raise InputError(
                f"No gradients provided for any variable: {[str(v) for _, v in pairs]}; check that "
                "the loss depends on them"
            )
        with init_scope():
            self._create_slots(variables)
        updates = []
        with name_scope(name, self._name) as scope:
            self._prepare()
            for grad, variable in pairs:
                if grad is not None:
                    with name_scope(f"update_{variable.op.name}"):
                        updates.append(self._update(grad, variable))
            if global_step is None:
                result: Any = self._finish(updates, scope)
            else:
                with control_dependencies([self._finish(updates, "update")]):
                    result = _count(global_step, scope)
        result = getattr(result, "op", result)
        steps = get_default_graph().get_collection_ref(GraphKeys.TRAIN_OP)
        if result not in steps:
            steps.append(result)
        return result

    def _update(self, grad: Tensor | IndexedSlices, variable: Variable) -> Any:
        if isinstance(grad, IndexedSlices):
            if variable.constraint is not None:
                raise InputError(
                    "Cannot use a constraint function on a sparse variable: "
                    f"{variable.op.name} is updated by rows; leave its constraint out"
                )
            return self._apply_sparse_duplicate_indices(grad, variable)
        update = self._apply_dense(grad, variable)
        if variable.constraint is None:
            return update
        with control_dependencies([update]):
            return variable.assign(variable.constraint(variable))

    def _check_dtypes(self, tensors: Sequence) -> None:
        for t in tensors:
            dtype = getattr(t, "dtype", None)
            if dtype is not None and not dtype.is_floating:
                raise InputError(
                    f"Invalid type {dtype.name} for {t.name}, expected: ['float32', 'float64', "
                    "'float16']; write tf.cast(x, tf.float32)"
                )

    # Variables

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """The slot of a variable, such as "momentum", or None; see `get_slot_names`."""
        return self._slots.get(name, {}).get(var)

    def get_slot_names(self) -> list[str]:
        """The names of the slots."""
        return sorted(self._slots)

    def variables(self) -> list[Variable]:
        """The variables of the optimizer in the default graph, by name."""
        graph = get_default_graph()
        found = [*self._non_slot_dict.values()]
        found += [slot for slots in self._slots.values() for slot in slots.values()]
        return sorted((v for v in found if v.graph is graph), key=lambda v: v.name)

    def _create_non_slot_variable(
        self, initial_value: Any, name: str, colocate_with: Variable
    ) -> Variable:
        key = (name, colocate_with.graph)
        if key not in self._non_slot_dict:
            self._non_slot_dict[key] = Variable(
                initial_value,
                name=name,
                trainable=False,
                use_resource=is_resource_variable(colocate_with),
            )
        return self._non_slot_dict[key]

    def _get_non_slot_variable(self, name: str, graph: Any = None) -> Variable:
        return self._non_slot_dict[name, graph or get_default_graph()]

    def _slot(self, name: str, var: Variable, create: Callable[[], Variable]) -> Variable:
        slots = self._slots.setdefault(name, {})
        if var not in slots:
            slots[var] = create()
        return slots[var]

    def _get_or_make_slot(
        self, var: Variable, val: Tensor, slot_name: str, op_name: str
    ) -> Variable:
        return self._slot(slot_name, var, lambda: create_slot(var, val, op_name))

    def _get_or_make_slot_with_initializer(
        self, var: Variable, initializer: Any, shape: Any, dtype: Any, slot_name: str, op_name: str
    ) -> Variable:
        def create() -> Variable:
            return create_slot_with_initializer(var, initializer, shape, dtype, op_name)

        return self._slot(slot_name, var, create)

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        return self._slot(slot_name, var, lambda: create_zeros_slot(var, op_name))

    # What a subclass defines

    def _create_slots(self, var_list: list[Variable]) -> None:
        """Create the slots of the variables."""

    def _prepare(self) -> None:
        """Make tensors of the numbers."""

    def _rule(self, var: Variable) -> tuple[str, list[str], dict[str, Any], dict[str, Any]]:
        """The rule of `updates.py`, the names of the slots in its order, its other inputs without
        the gradient, and its attributes.
        """
        raise NotImplementedError

    def _apply_dense(self, grad: Tensor, var: Variable) -> Operation:
        rule, slots, numbers, attrs = self._rule(var)
        variables = [var, *(self._slots[s][var] for s in slots)]
        return apply_dense(rule, variables, {**numbers, "grad": grad, "delta": grad}, **attrs)

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Any:
        """Add the rows of an index that is repeated."""
        indices, positions = arrays.unique(grad.indices)
        count = arrays.shape(indices)[0]  # type: ignore[index]
        values = math.unsorted_segment_sum(grad.values, positions, count)
        return self._apply_sparse(IndexedSlices(values, indices, grad.dense_shape), var)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Any:
        rule, slots, numbers, attrs = self._rule(var)
        variables = [var, *(self._slots[s][var] for s in slots)]
        given = {**numbers, "grad": grad.values, "indices": grad.indices}
        return apply_sparse(rule, variables, given, **attrs)

    def _finish(self, update_ops: list, name_scope: str) -> Operation:
        """Run all updates."""
        return group(*update_ops, name=name_scope)

    @staticmethod
    def _call_if_callable(number: Any) -> Any:
        return number() if callable(number) else number


def _parts(variable: Any) -> list:
    return list(variable) if hasattr(variable, "partitions") else [variable]


def _count(global_step: Any, scope: str) -> Any:
    if isinstance(global_step, ResourceVariable):
        one = convert_to_tensor(1, dtype=global_step.dtype)
        return ops.assign_resource(global_step.handle, one, scope, "AssignAddVariableOp")
    reference = global_step._ref() if isinstance(global_step, Variable) else global_step
    if not isinstance(reference, Tensor) or not reference.dtype.is_ref_dtype:
        raise ArgumentTypeError(
            f"global_step is {global_step!r}: give a variable, such as "
            "tf.train.get_or_create_global_step()"
        )
    return ops.update_op("AssignAdd", reference, 1, name=scope)
