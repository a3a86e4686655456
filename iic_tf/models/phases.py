"""Who is trained when: the parts of a model, each with an optimiser of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras
import tensorflow as tf
from keras import ops
from keras.optimizers import LossScaleOptimizer

from iic_tf.annotations import Optimizer, Tensor, Variable
from iic_tf.errors import expected
from iic_tf.models.soundness import where_sound
from iic_tf.replicas import propagate_nonfinite

EVERYTHING = "everything"
"""The phase of models that always train all their parts."""


class PartOptimizers:
    """One optimiser for each part of a model, so that each counts its own steps alone.

    Adam corrects its moments by how many steps there were. Keras' optimisers count the steps of
    all variables together: a head that starts after another one's 5,000 steps would get no
    correction, and steps of 3 to 6 times the rate. PyTorch counts by parameter, which this comes
    to as well, whatever the optimiser.

    The optimiser given serves the first part, which every phase trains; each other part gets one
    like it that follows its rate, schedules and later changes included.

    Args:
        optimizer: that of the first part.
        parts: the variables of each part, by name.
        others: those of all other parts, by name; None: like the first one.

    Raises:
        InputError: optimisers of other parts than there are.

    Attributes:
        first: that of the first part.
        others: those of the other parts, by name.
    """

    def __init__(
        self,
        optimizer: Optimizer,
        parts: Mapping[str, Sequence[Variable]],
        others: Mapping[str, Optimizer] | None = None,
    ):
        names = list(parts)
        if others is not None and set(others) != set(names[1:]):
            raise expected(f"an optimiser for each of {', '.join(names)}", [names[0], *others])
        self.names = names
        self.first = optimizer
        self.others = {
            name: _following(optimizer) if others is None else _like(optimizer, others[name])
            for name in names[1:]
        }
        for name, variables in parts.items():
            self.of(name).build(list(variables))
        if not names:
            # Of a model that trains nothing; it scales losses all the same.
            optimizer.build([])

    def of(self, part: str) -> Optimizer:
        """The optimiser of a part."""
        return self.first if part == self.names[0] else self.others[part]

    @property
    def loose(self) -> Tensor:
        """Whether a step's gradients may be not finite: then it is skipped, no more.

        Losses are scaled up until gradients overflow, and down again where they do. Once the scale
        is 1 or less, it is not the scale's doing.
        """
        if isinstance(self.first, LossScaleOptimizer):
            return tf.convert_to_tensor(self.first.dynamic_scale) > 1.0
        return tf.constant(False)

    def apply(
        self,
        gradients: Mapping[str, Sequence[Tensor]],
        parts: Mapping[str, Sequence[Variable]],
        sound: bool | Tensor = True,
        otherwise: Callable[[Sequence[Tensor]], None] = lambda given: None,
        given: Sequence[Tensor] = (),
    ) -> None:
        """Take a step on the parts that there are gradients of.

        Args:
            gradients: by part, of the loss as `first.scale_loss` scales it.
            parts: the variables, by part.
            sound: whether to, a bool or a tensor of one, the same on all replicas.
            otherwise: what is done instead.
            given: what it gets, tensors in lists.
        """
        ordered = [(name, gradient) for name in self.names for gradient in gradients.get(name, ())]
        values = [g for _, g in ordered]
        if isinstance(self.first, LossScaleOptimizer):
            # A step is skipped by all parts or by none, on all replicas.
            values = propagate_nonfinite(values, len(gradients) > 1)
        of = [part for part, _ in ordered]

        def take(values: Sequence[Tensor]) -> None:
            self._take(gradients, dict_of_lists(of, values), parts)

        if sound is True:
            take(values)
        else:
            where_sound(sound, take, values, otherwise, given)

    def _take(
        self,
        trained: Mapping[str, Sequence[Tensor]],
        gradients: Mapping[str, Sequence[Tensor]],
        parts: Mapping[str, Sequence[Variable]],
    ) -> None:
        # The first part last: its count of steps is what the others' rate goes by.
        for name in reversed(self.names):
            if name not in trained:
                continue
            own = list(gradients.get(name, ()))
            optimizer = self.of(name)
            if isinstance(self.first, LossScaleOptimizer) and name != self.names[0]:
                # Each scales by its own factor, which may differ once a part has rested.
                factor = optimizer.dynamic_scale / self.first.dynamic_scale
                own = [g * ops.cast(factor, g.dtype) for g in own]
            optimizer.apply(own, list(parts[name]))


def dict_of_lists(names: Sequence[str], values: Sequence[Tensor]) -> dict[str, list[Tensor]]:
    """What belongs to each name, in its order."""
    found: dict[str, list[Tensor]] = {}
    for name, value in zip(names, values, strict=True):
        found.setdefault(name, []).append(value)
    return found


def _like(first: Optimizer, optimizer: Optimizer) -> Optimizer:
    """An optimiser that scales losses where the first one does."""
    optimizer = keras.optimizers.get(optimizer)
    wrap = isinstance(first, LossScaleOptimizer) and not isinstance(optimizer, LossScaleOptimizer)
    return LossScaleOptimizer(optimizer) if wrap else optimizer


def _following(optimizer: Optimizer) -> Optimizer:
    """An optimiser of the same kind and settings whose rate is always that of `optimizer`."""
    if isinstance(optimizer, LossScaleOptimizer):
        config = optimizer.get_config()
        config["inner_optimizer"] = _following(optimizer.inner_optimizer)
        return type(optimizer)(**config)
    config = {**optimizer.get_config(), "learning_rate": lambda: optimizer.learning_rate}
    return type(optimizer).from_config(config)
