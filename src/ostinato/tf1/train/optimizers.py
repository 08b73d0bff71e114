"""Private: the optimizers of tf.train."""

from typing import Any

from ...errors import InputError
from ..core.constant import constant
from ..core.conversion import convert_to_tensor
from ..core.graph import control_dependencies, get_default_graph, init_scope
from ..core.tensors import IndexedSlices, Operation, Tensor, TensorLike
from ..flow.flow_ops import group
from ..initializers import Constant, Ones
from ..ops import arrays, math
from ..state import ops
from ..state.variables import ResourceVariable, Variable, assign, assign_sub
from .optimizer import Optimizer

__all__ = [
    "AdadeltaOptimizer",
    "AdagradOptimizer",
    "AdamOptimizer",
    "FtrlOptimizer",
    "GradientDescentOptimizer",
    "MomentumOptimizer",
    "ProximalAdagradOptimizer",
    "ProximalGradientDescentOptimizer",
    "RMSPropOptimizer",
]


class _Numbers(Optimizer):
    """An optimizer that has numbers as tensors, which are made once for each call of
    `apply_gradients`.

    Attributes:
        numbers: The numbers by the names of their tensors.
    """

    def __init__(self, use_locking: bool, name: str, **numbers: Any):
        super().__init__(use_locking, name)
        self.numbers = numbers
        self._tensors: dict[str, Tensor] = {}

    def _prepare(self) -> None:
        given = {n: self._call_if_callable(v) for n, v in self.numbers.items()}
        self._tensors = {n: convert_to_tensor(v, name=n) for n, v in given.items()}

    def _cast(self, var: Variable, *names: str) -> list[Tensor]:
        """The tensors of numbers in the dtype of a variable."""
        return [math.cast(self._tensors[n], var.dtype.base_dtype) for n in names]


class GradientDescentOptimizer(_Numbers):
    """Gradient descent.

    Args:
        learning_rate: The factor of the gradient, a number, a tensor or a function.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        use_locking: bool = False,
        name: str = "GradientDescent",
    ):
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def _rule(self, var: Variable) -> tuple:
        (rate,) = self._cast(var, "learning_rate")
        return "GradientDescent", [], {"alpha": rate}, {}

    def _apply_sparse_duplicate_indices(self, grad: IndexedSlices, var: Variable) -> Any:
        # Repeated rows are subtracted one after another.
        if isinstance(var, ResourceVariable):
            step = -grad.values * self.numbers["learning_rate"]  # type: ignore[operator]
            return ops.scatter_op("ResourceScatterAdd", var.handle, grad.indices, step)
        (rate,) = self._cast(var, "learning_rate")
        step = grad.values * rate  # type: ignore[operator]
        return var.scatter_sub(IndexedSlices(step, grad.indices, grad.dense_shape))


class MomentumOptimizer(_Numbers):
    """Gradient descent with momentum. The slot is "momentum".

    Args:
        learning_rate: The factor of the accumulated gradient.
        momentum: The part of the accumulated gradient that stays after a step.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.
        use_nesterov: Whether to use Nesterov's momentum.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        momentum: TensorLike,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ):
        super().__init__(use_locking, name, learning_rate=learning_rate, momentum=momentum)
        self._use_nesterov = bool(use_nesterov)

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            self._zeros_slot(v, "momentum", self._name)

    def _rule(self, var: Variable) -> tuple:
        rate, momentum = self._cast(var, "learning_rate", "momentum")
        numbers = {"lr": rate, "momentum": momentum}
        return "Momentum", ["momentum"], numbers, {"use_nesterov": self._use_nesterov}


class AdagradOptimizer(_Numbers):
    """Adagrad (Duchi et al., 2011). The slot is "accumulator".

    Args:
        learning_rate: The factor of the scaled gradient.
        initial_accumulator_value: The first value of the accumulated squares, above 0.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.

    Raises:
        InputError: `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ):
        _check_positive(initial_accumulator_value)
        super().__init__(use_locking, name, learning_rate=learning_rate)
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            dtype, shape = v.dtype.base_dtype, v.get_shape()
            initial: Any = Constant(self._initial_accumulator_value, dtype=dtype)
            if not shape.is_fully_defined():
                initial = arrays.fill(arrays.shape(v), self._initial_accumulator_value)
            self._get_or_make_slot_with_initializer(
                v, initial, shape, dtype, "accumulator", self._name
            )

    def _rule(self, var: Variable) -> tuple:
        (rate,) = self._cast(var, "learning_rate")
        return "Adagrad", ["accumulator"], {"lr": rate}, {"update_slots": True}


class AdadeltaOptimizer(_Numbers):
    """Adadelta (Zeiler, 2012). The slots are "accum" and "accum_update".

    Args:
        learning_rate: The factor of the update; 1.0 for that of the paper.
        rho: The part of the accumulated squares that stays after a step.
        epsilon: Added to the accumulated squares.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.
    """

    def __init__(
        self,
        learning_rate: TensorLike = 0.001,
        rho: TensorLike = 0.95,
        epsilon: TensorLike = 1e-08,
        use_locking: bool = False,
        name: str = "Adadelta",
    ):
        super().__init__(use_locking, name, lr=learning_rate, rho=rho, epsilon=epsilon)

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            self._zeros_slot(v, "accum", self._name)
            self._zeros_slot(v, "accum_update", self._name)

    def _rule(self, var: Variable) -> tuple:
        rate, rho, epsilon = self._cast(var, "lr", "rho", "epsilon")
        numbers = {"lr": rate, "rho": rho, "epsilon": epsilon}
        return "Adadelta", ["accum", "accum_update"], numbers, {}


class RMSPropOptimizer(_Numbers):
    """RMSProp (Hinton, 2012). The slots are "rms", "momentum", and "mg" where it is centered.

    Args:
        learning_rate: The factor of the scaled gradient.
        decay: The part of the mean square that stays after a step. It starts at 1.
        momentum: The part of the last update that is repeated.
        epsilon: Added to the mean square.
        use_locking: Accepted for compatibility; ignored.
        centered: Whether the square of the mean gradient is subtracted from the mean square.
        name: The name of the operations and the slots.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        decay: TensorLike = 0.9,
        momentum: TensorLike = 0.0,
        epsilon: TensorLike = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ):
        numbers = {"decay": decay, "momentum": momentum, "epsilon": epsilon}
        super().__init__(use_locking, name, learning_rate=learning_rate, **numbers)
        self._centered = centered

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            dtype, shape = v.dtype.base_dtype, v.get_shape()
            initial: Any = Ones(dtype) if shape.is_fully_defined() else arrays.ones_like(v)
            self._get_or_make_slot_with_initializer(v, initial, shape, dtype, "rms", self._name)
            if self._centered:
                self._zeros_slot(v, "mg", self._name)
            self._zeros_slot(v, "momentum", self._name)

    def _rule(self, var: Variable) -> tuple:
        rate, rho, momentum, epsilon = self._cast(
            var, "learning_rate", "decay", "momentum", "epsilon"
        )
        numbers = {"lr": rate, "rho": rho, "momentum": momentum, "epsilon": epsilon}
        if self._centered:
            return "CenteredRMSProp", ["mg", "rms", "momentum"], numbers, {}
        return "RMSProp", ["rms", "momentum"], numbers, {}


class AdamOptimizer(_Numbers):
    """Adam (Kingma and Ba, 2014), with epsilon outside of the correction of the bias. The slots are
    "m" and "v". For rows of an embedding, every row with a nonzero mean gradient is updated.

    Args:
        learning_rate: The factor of the update.
        beta1: The part of the mean gradient that stays after a step.
        beta2: The part of the mean square that stays after a step.
        epsilon: Added to the square root of the mean square.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.
    """

    def __init__(
        self,
        learning_rate: TensorLike = 0.001,
        beta1: TensorLike = 0.9,
        beta2: TensorLike = 0.999,
        epsilon: TensorLike = 1e-08,
        use_locking: bool = False,
        name: str = "Adam",
    ):
        numbers = {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        super().__init__(use_locking, name, learning_rate=learning_rate, **numbers)

    def _create_slots(self, var_list: list[Variable]) -> None:
        first = min(var_list, key=lambda v: v.name)
        for beta in ("beta1", "beta2"):
            initial = self._call_if_callable(self.numbers[beta])
            self._create_non_slot_variable(initial, f"{beta}_power", first)
        for v in var_list:
            self._zeros_slot(v, "m", self._name)
            self._zeros_slot(v, "v", self._name)

    def _powers(self) -> list[Variable]:
        with init_scope():
            graph = get_default_graph()
        return [self._get_non_slot_variable(f"beta{i}_power", graph) for i in (1, 2)]

    def _cast_powers(self, var: Variable) -> list[Tensor]:
        return [math.cast(p, var.dtype.base_dtype) for p in self._powers()]

    def _rule(self, var: Variable) -> tuple:
        power1, power2 = self._cast_powers(var)
        rate, beta1, beta2, epsilon = self._cast(var, "learning_rate", "beta1", "beta2", "epsilon")
        numbers = {"beta1_power": power1, "beta2_power": power2, "lr": rate}
        numbers |= {"beta1": beta1, "beta2": beta2, "epsilon": epsilon}
        return "Adam", ["m", "v"], numbers, {"use_nesterov": False}

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Operation:
        power1, power2 = self._cast_powers(var)
        rate, beta1, beta2, epsilon = self._cast(var, "learning_rate", "beta1", "beta2", "epsilon")
        values: Any = grad.values
        step = rate * math.sqrt(1 - power2) / (1 - power1)  # type: ignore[operator]
        m, v = self._slots["m"][var], self._slots["v"][var]
        new_m = _decayed(m, beta1, values * (1 - beta1), grad.indices)  # type: ignore[operator]
        new_v = _decayed(v, beta2, (values * values) * (1 - beta2), grad.indices)  # type: ignore[operator]
        root = math.sqrt(new_v)
        update = assign_sub(var, step * new_m / (root + epsilon))  # type: ignore[operator]
        return group(update, new_m, new_v)

    def _finish(self, update_ops: list, name_scope: str) -> Operation:
        with control_dependencies(update_ops):
            updates = [
                power.assign(power * self._tensors[beta], use_locking=self._use_locking)  # type: ignore[operator]
                for power, beta in zip(self._powers(), ("beta1", "beta2"))
            ]
        return group(*update_ops, *updates, name=name_scope)


def _decayed(slot: Variable, factor: Tensor, values: Tensor, indices: Tensor) -> Any:
    """A mean after a step: all rows decay, and some rows get new values added."""
    whole = assign(slot, slot * factor)  # type: ignore[operator]
    with control_dependencies([whole]):
        if isinstance(slot, ResourceVariable):
            change = ops.scatter_op("ResourceScatterAdd", slot.handle, indices, values)
            with control_dependencies([change]):
                return slot.value()
        return ops.scatter_op("ScatterAdd", slot._ref(), indices, values).outputs[0]


class FtrlOptimizer(_Numbers):
    """FTRL (McMahan et al., 2013). The slots are "accum" and "linear".

    Args:
        learning_rate: The learning rate.
        learning_rate_power: How the rate falls with the accumulated squares, not above 0.
        initial_accumulator_value: The first value of the accumulated squares, not below 0.
        l1_regularization_strength, l2_regularization_strength: The regularization, not below 0.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.
        accum_name, linear_name: The names of the slots' variables; None for `name`.
        l2_shrinkage_regularization_strength: A penalty on the weights that is part of the gradient,
            not below 0.

    Raises:
        InputError: A number is outside of its range.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
    ):
        not_negative = {
            "initial_accumulator_value": initial_accumulator_value,
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
            "l2_shrinkage_regularization_strength": l2_shrinkage_regularization_strength,
        }
        for argument, number in not_negative.items():
            if number < 0.0:
                raise InputError(f"{argument} {number} needs to be greater than or equal to zero")
        if learning_rate_power > 0.0:
            raise InputError(
                f"learning_rate_power {learning_rate_power} needs to be less than or equal to zero"
            )
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            learning_rate_power=learning_rate_power,
        )
        self._initial_accumulator_value = initial_accumulator_value
        self._accum_name, self._linear_name = accum_name or name, linear_name or name

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            value = constant(
                self._initial_accumulator_value, dtype=v.dtype.base_dtype, shape=v.get_shape()
            )
            self._get_or_make_slot(v, value, "accum", self._accum_name)
            self._zeros_slot(v, "linear", self._linear_name)

    def _rule(self, var: Variable) -> tuple:
        rate, l1, l2 = self._cast(
            var, "learning_rate", "l1_regularization_strength", "l2_regularization_strength"
        )
        numbers = {"lr": rate, "l1": l1, "l2": l2}
        shrinkage = "l2_shrinkage_regularization_strength"
        if self.numbers[shrinkage] > 0:
            (numbers["l2_shrinkage"],) = self._cast(var, shrinkage)
        (numbers["lr_power"],) = self._cast(var, "learning_rate_power")
        rule = "FtrlV2" if "l2_shrinkage" in numbers else "Ftrl"
        return rule, ["accum", "linear"], numbers, {}


class ProximalGradientDescentOptimizer(_Numbers):
    """Gradient descent with regularization that sets weights to 0 (Duchi and Singer, 2009).

    Args:
        learning_rate: The factor of the gradient.
        l1_regularization_strength, l2_regularization_strength: The regularization.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ):
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )

    def _rule(self, var: Variable) -> tuple:
        # As in TensorFlow the numbers are not cast: float64 variables need float64 tensors.
        rate, l1, l2 = self._tensors.values()
        return "ProximalGradientDescent", [], {"alpha": rate, "l1": l1, "l2": l2}, {}


class ProximalAdagradOptimizer(_Numbers):
    """Adagrad with regularization that sets weights to 0 (Duchi and Singer, 2009). The slot is
    "accumulator".

    Args:
        learning_rate: The factor of the scaled gradient.
        initial_accumulator_value: The first value of the accumulated squares, above 0.
        l1_regularization_strength, l2_regularization_strength: The regularization.
        use_locking: Accepted for compatibility; ignored.
        name: The name of the operations and the slots.

    Raises:
        InputError: `initial_accumulator_value` is not positive.
    """

    def __init__(
        self,
        learning_rate: TensorLike,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ):
        _check_positive(initial_accumulator_value)
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )
        self._initial_accumulator_value = initial_accumulator_value

    def _create_slots(self, var_list: list[Variable]) -> None:
        for v in var_list:
            value = constant(
                self._initial_accumulator_value, dtype=v.dtype.base_dtype, shape=v.get_shape()
            )
            self._get_or_make_slot(v, value, "accumulator", self._name)

    def _rule(self, var: Variable) -> tuple:
        # As in TensorFlow the numbers are not cast: float64 variables need float64 tensors.
        rate, l1, l2 = self._tensors.values()
        return "ProximalAdagrad", ["accumulator"], {"lr": rate, "l1": l1, "l2": l2}, {}


def _check_positive(initial_accumulator_value: float) -> None:
    if initial_accumulator_value <= 0.0:
        raise InputError(
            f"initial_accumulator_value must be positive: {initial_accumulator_value}; the default "
            "is 0.1"
        )
