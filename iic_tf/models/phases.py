"""Who is trained when: the parts of a model, each with an optimiser of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import keras
from keras import ops
from keras.optimizers import LossScaleOptimizer

from iic_tf.errors import expected
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
        optimizer: Any,
        parts: Mapping[str, Sequence[Any]],
        others: Mapping[str, Any] | None = None,
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

    def of(self, part: str) -> Any:
        """The optimiser of a part."""
        return self.first if part == self.names[0] else self.others[part]

    def apply(self, gradients: Mapping[str, Sequence[Any]], parts: Mapping[str, Any]) -> None:
        """Take a step on the parts that there are gradients of.

        Args:
            gradients: by part, of the loss as `first.scale_loss` scales it.
            parts: the variables, by part.
        """
        scaled = isinstance(self.first, LossScaleOptimizer)
        ordered = [(name, gradient) for name in self.names for gradient in gradients.get(name, ())]
        if scaled:
            # A step is skipped by all parts or by none, on all replicas.
            sound = propagate_nonfinite([g for _, g in ordered], len(gradients) > 1)
            ordered = [(name, g) for (name, _), g in zip(ordered, sound, strict=True)]
        # The first part last: its count of steps is what the others' rate goes by.
        for name in reversed(self.names):
            if name not in gradients:
                continue
            own = [g for part, g in ordered if part == name]
            optimizer = self.of(name)
            if scaled and name != self.names[0]:
                # Each scales by its own factor, which may differ once a part has rested.
                factor = optimizer.dynamic_scale / self.first.dynamic_scale
                own = [g * ops.cast(factor, g.dtype) for g in own]
            optimizer.apply(own, list(parts[name]))


def _like(first: Any, optimizer: Any) -> Any:
    """An optimiser that scales losses where the first one does."""
    optimizer = keras.optimizers.get(optimizer)
    wrap = isinstance(first, LossScaleOptimizer) and not isinstance(optimizer, LossScaleOptimizer)
    return LossScaleOptimizer(optimizer) if wrap else optimizer


def _following(optimizer: Any) -> Any:
    """An optimiser of the same kind and settings whose rate is always that of `optimizer`."""
    if isinstance(optimizer, LossScaleOptimizer):
        config = optimizer.get_config()
        config["inner_optimizer"] = _following(optimizer.inner_optimizer)
        return type(optimizer)(**config)
    config = {**optimizer.get_config(), "learning_rate": lambda: optimizer.learning_rate}
    return type(optimizer).from_config(config)
