"""What recipes have in common whose methods train a trunk and some layers."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Self

from iic_tf.annotations import Config, Optimizer, Optimizers, Rate
from iic_tf.models.adam import Adam
from iic_tf.training.recipe import LAST
from iic_tf.training.trunk_choice import TRUNK
from iic_tf.training.values import Values


class Learned(Values):
    """Stands before the recipe of a kind of data.

    A method sets `model_class` and `own`, the names of its values that the model has, too; and
    `step_by`, if it is not Adam that takes the steps.
    """

    keep: ClassVar[str] = LAST
    own: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[tuple[str, ...]] = ()
    """Of the model beside its trunk."""

    if TYPE_CHECKING:
        trunk_rate: float

        @property
        def trunk_from(self) -> int: ...

        epochs: int

        def of_epochs(self, epochs: int) -> Self: ...

        def scheduled_rate(self, steps: int, factor: float = 1.0, first: int = 0) -> Rate: ...

    @property
    def trained_parts(self) -> tuple[str, ...]:
        return self.parts

    def more(self, channels: int) -> Config:
        """Further arguments of the model."""
        return {}

    def step_by(self, rate: Rate) -> Optimizer:
        """The optimiser of a rate, or of a course of it."""
        # Epsilon as in the published runs of IIC.
        return Adam(rate, epsilon=1e-8)

    def optimizer(self, steps: int) -> Optimizers:
        if not self.trunk_from:
            return self.step_by(self.scheduled_rate(steps))
        slow = self.scheduled_rate(steps, self.trunk_rate, self.trunk_from)
        own = {name: self.step_by(self.scheduled_rate(steps)) for name in self.trained_parts}
        return {**own, TRUNK: self.step_by(slow)}
