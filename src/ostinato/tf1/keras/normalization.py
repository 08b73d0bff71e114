"""Private: batch normalization of tf.keras."""

from typing import Any

from ...errors import SizeError
from ..core.shape import TensorShape
from ..core.tensors import Tensor
from ..layers.core import in_training
from ..layers.specs import InputSpec
from ..ops import arrays, nn
from ..train.averages import assign_moving_average
from . import backend, constraints, initializers, regularizers
from .engine import Layer

__all__ = ["BatchNormalization"]


class BatchNormalization(Layer):
    """Channels with mean 0 and variance 1: those of the batch in training, the moving averages
    otherwise.

    Args:
        axis: The axis of the channels.
        momentum: The part of a moving average that stays.
        epsilon: A small number that is added to the variance.
        center, scale: Whether to add `beta`, and to multiply by `gamma`.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer:
            Functions of a shape, or names.
        beta_regularizer, gamma_regularizer: Functions of a variable whose result is a loss.
        beta_constraint, gamma_constraint: Functions of the value that return the value to use.
        **kwargs: `name`, `input_shape`, `trainable`.

    Source: Ioffe and Szegedy, Batch Normalization (2015), arXiv:1502.03167.
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ):
        super().__init__(**kwargs)
        self.axis, self.momentum, self.epsilon = axis, momentum, epsilon
        self.center, self.scale, self.supports_masking = center, scale, True
        self._first = {
            "gamma": initializers.get(gamma_initializer),
            "beta": initializers.get(beta_initializer),
            "moving_mean": initializers.get(moving_mean_initializer),
            "moving_variance": initializers.get(moving_variance_initializer),
        }
        self._regularizers = {
            "gamma": regularizers.get(gamma_regularizer),
            "beta": regularizers.get(beta_regularizer),
        }
        self._constraints = {
            "gamma": constraints.get(gamma_constraint),
            "beta": constraints.get(beta_constraint),
        }
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def build(self, input_shape: Any) -> None:
        sizes: list[Any] = TensorShape(input_shape).as_list()
        self.axis = self.axis % len(sizes)
        if sizes[self.axis] is None:
            raise SizeError(
                f"Axis {self.axis} of input tensor should have a defined dimension but the layer "
                f"received an input with shape {tuple(sizes)}: give that size"
            )
        self.input_spec = InputSpec(ndim=len(sizes), axes={self.axis: sizes[self.axis]})
        trained = {"gamma": self.scale, "beta": self.center}
        for name, first in self._first.items():
            if trained.get(name, True):
                variable = self.add_weight(
                    name,
                    shape=(sizes[self.axis],),
                    initializer=first,
                    regularizer=self._regularizers.get(name),
                    constraint=self._constraints.get(name),
                    trainable=name in trained,
                )
                setattr(self, name, variable)
        self.built = True

    def call(self, inputs: Any, training: Any = None) -> Tensor:
        """Compute the output.

        Args:
            inputs: A tensor.
            training: Whether the batch's averages are used; None for the learning phase.
        """
        if training is None:
            training = backend.learning_phase()
        rank = len(inputs.shape)
        axes = [i for i in range(rank) if i != self.axis]

        def wide(v: Any) -> Any:
            if v is None or self.axis == rank - 1:
                return v
            return arrays.reshape(v, [-1 if i == self.axis else 1 for i in range(rank)])

        averages = (self.moving_mean, self.moving_variance)
        used = list(averages)
        if isinstance(training, Tensor) or training:
            for i, (average, found) in enumerate(zip(averages, nn.moments(inputs, axes))):
                used[i] = _either(training, found, average)
                self._keep(training, average, used[i])
        output = nn.batch_normalization(
            inputs, wide(used[0]), wide(used[1]), wide(self.beta), wide(self.gamma), self.epsilon
        )
        output.set_shape(inputs.shape)
        return output

    def _keep(self, training: Any, average: Any, value: Tensor) -> None:
        def update() -> Any:
            return assign_moving_average(average, value, self.momentum, zero_debias=False)

        self.add_update(in_training(training, update, average.read_value))

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        return TensorShape(input_shape)


def _either(training: Any, found: Tensor, average: Any) -> Tensor:
    return in_training(training, lambda: found, average.read_value)
