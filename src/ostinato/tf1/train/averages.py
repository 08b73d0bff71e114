"""Private: moving averages of variables."""

from collections.abc import Sequence
from typing import Any

from ...errors import ArgumentTypeError, InputError
from ..core.conversion import convert_to_tensor
from ..core.dtypes import DTYPES
from ..core.graph import control_dependencies, get_default_graph, init_scope, name_scope
from ..core.graph_keys import GraphKeys
from ..core.tensors import Operation, Tensor
from ..flow.flow_ops import group
from ..initializers import Zeros
from ..ops import math
from ..state.collections import global_variables, moving_average_variables, trainable_variables
from ..state.scopes import get_variable, get_variable_scope, variable_scope
from ..state.variables import Variable, assign_sub
from .slots import create_slot, create_zeros_slot

__all__ = ["ExponentialMovingAverage", "assign_moving_average"]


class ExponentialMovingAverage:
    """Exponential moving averages of variables: average -= (1 - decay) * (average - variable).

    Args:
        decay: The part of the average that stays, such as 0.999.
        num_updates: The number of updates so far, with which the decay starts lower:
            min(decay, (1 + num_updates) / (10 + num_updates)); None for always `decay`.
        zero_debias: Whether averages of tensors, which start at 0, are corrected for this.
        name: The name of the averages' variables below the variables'.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ):
        self._decay, self._num_updates = decay, num_updates
        self._zero_debias, self._name = zero_debias, name
        self._averages: dict[Any, Variable] = {}

    @property
    def name(self) -> str:
        """The name of the averages."""
        return self._name

    def apply(self, var_list: Sequence | None = None) -> Operation:
        """The operation that updates averages. An average of a variable starts at its initial
        value, one of a tensor at 0.

        Args:
            var_list: Variables and tensors; None for the trainable variables.

        Raises:
            InputError: One is not of floats.
        """
        variables = trainable_variables() if var_list is None else var_list
        debiased = set()
        for v in variables:
            if not v.dtype.base_dtype.is_floating:
                raise ArgumentTypeError(
                    f"The variables must be half, float, or double: {v.name} is "
                    f"{v.dtype.base_dtype.name}; leave it out"
                )
            if v not in self._averages:
                with init_scope():
                    if isinstance(v, Variable):
                        average = create_slot(v, v.initialized_value(), self._name)
                        get_default_graph().add_to_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, v)
                    else:
                        average = create_zeros_slot(v, self._name)
                        if self._zero_debias:
                            debiased.add(average)
                self._averages[v] = average
        with name_scope(self._name) as scope:
            decay: Any = convert_to_tensor(self._decay, name="decay")
            if self._num_updates is not None:
                count: Any = math.cast(self._num_updates, DTYPES["float32"], name="num_updates")
                decay = math.minimum(decay, (1.0 + count) / (10.0 + count))
            updates = [
                assign_moving_average(
                    self._averages[v], v, decay, zero_debias=self._averages[v] in debiased
                )
                for v in variables
            ]
            return group(*updates, name=scope)

    def average(self, var: Any) -> Variable | None:
        """The average of a variable, a variable too; None if it has none."""
        return self._averages.get(var)

    def average_name(self, var: Any) -> str:
        """The name of a variable's average."""
        if var in self._averages:
            return self._averages[var].op.name
        return get_default_graph().unique_name(f"{var.op.name}/{self._name}", mark_as_used=False)

    def variables_to_restore(
        self, moving_avg_variables: Sequence[Variable] | None = None
    ) -> dict[str, Variable]:
        """The variables for a Saver that gives them the values of their averages.

        Args:
            moving_avg_variables: The variables that have averages; None for the trainable ones and
                those of `tf.moving_average_variables()`.

        Returns:
            Variables by the names under which their values are saved; others under their own names.
        """
        given = moving_avg_variables
        if given is None:
            given = [*trainable_variables(), *moving_average_variables()]
        averaged = set(given)
        names = {self.average_name(v): v for v in averaged}
        known = {v.name for v in averaged}
        for v in dict.fromkeys([*moving_average_variables(), *global_variables()]):
            if v.name not in known and v.op.name not in names:
                names[v.op.name] = v
        return names


def assign_moving_average(
    variable: Variable, value: Any, decay: Any, zero_debias: bool = True, name: str | None = None
) -> Any:
    """Update a moving average.

    Args:
        variable: The average.
        value: The new value.
        decay: The part of the average that stays.
        zero_debias: Whether the average is corrected for starting at 0.
        name: The name of the operations.
    """
    if not isinstance(variable, Variable):
        raise InputError(f"assign_moving_average was given {variable!r}: give it a variable")
    with name_scope(name, "AssignMovingAvg") as scope:
        rest: Any = convert_to_tensor(1.0 - decay, name="decay")
        if rest.dtype.base_dtype != variable.dtype.base_dtype:
            rest = math.cast(rest, variable.dtype.base_dtype)
        if zero_debias:
            change = _debiased_change(variable, value, rest)
        else:
            change = (variable - value) * rest  # type: ignore[operator]
        return assign_sub(variable, change, name=scope)


def _debiased_change(average: Variable, value: Any, rest: Any) -> Tensor:
    """The change of an average that removes the zero at its start."""
    with variable_scope(average.op.name) as scope:
        with init_scope():
            zeros = Zeros(average.dtype.base_dtype)(average.get_shape())
        biased = get_variable(_unused("biased"), initializer=zeros, trainable=False)
        steps = get_variable(
            _unused("local_step"),
            shape=[],
            dtype=average.dtype.base_dtype,
            initializer=Zeros(),
            trainable=False,
        )
        update = assign_sub(biased, (biased - value) * rest, name=scope.name)
        count = steps.assign_add(1)
        with control_dependencies([update, count]):
            current = biased.read_value()
            weight = 1 - math.pow(1.0 - rest, steps.read_value())  # type: ignore[operator]
            return average - current / weight  # type: ignore[operator]


def _unused(name: str) -> str:
    scope = get_variable_scope()
    if scope.reuse:
        return name
    taken = {v.op.name for v in scope.global_variables()}
    number, found = 0, name
    while f"{scope.name}/{found}" in taken:
        number += 1
        found = f"{name}_{number}"
    return found
