"""Models that train a trunk and some layers by a loss, in one stage or several, of some epochs."""

from __future__ import annotations

from collections.abc import Sequence

from keras import ops

from iic_tf.annotations import Batch, Layer, Parts, Tensor, Tensors
from iic_tf.models.phases import EVERYTHING
from iic_tf.models.sums import SumsModel
from iic_tf.turns import RESTING

TRUNK = "trunk"


class LearnedStages(SumsModel):
    """What such models have in common, of images and of pixels.

    A model adds its layers to `learning`, by part, makes `heads` and meters, and then calls
    `build`; it says in `objective` what a batch gives for the loss of a stage, and in `judged` what
    it gives for the monitors.

    Attributes:
        learning: layers that are trained beside the trunk, by part.
    """

    learning: dict[str, list[Layer]]

    def build_learning(self, shape: tuple[int | None, ...]) -> None:
        """Build all layers behind features of this shape: those of `learning`, one on another."""
        for layers in self.learning.values():
            for layer in layers:
                layer.build(shape)

    # --- who is trained when

    def stage(self, epoch: int) -> str:
        """What a model does in an epoch; it is the name of the loss, too."""
        return EVERYTHING

    def trained_in(self, stage: str) -> tuple[str, ...]:
        """The parts beside the trunk that a stage trains."""
        return tuple(self.learning)

    def parts(self) -> Parts:
        own = {
            name: [variable for layer in layers for variable in layer.trainable_variables]
            for name, layers in self.learning.items()
        }
        trunk = self.trunk.trainable_variables
        if self.rests:
            # The first part is trained in every phase.
            return {**own, **({TRUNK: trunk} if trunk else {})}
        return {TRUNK: trunk, **own}

    def phase_of(self, epoch: int) -> str:
        return self.stage(epoch) + (RESTING if epoch < self.trunk_from else "")

    def parts_in(self, phase: str) -> tuple[str, ...]:
        own = self.trained_in(phase.removesuffix(RESTING))
        names = own if phase.endswith(RESTING) else (TRUNK, *own)
        return tuple(name for name in self.parts() if name in names)

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        return (phase.removesuffix(RESTING),)

    # --- the loss

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """Of a stage what `objective` says, of the monitors what `judged` says."""
        if tuple(names) == tuple(self.meters):
            return self.judged(data)
        (stage,) = names
        return {stage: self.objective(data, stage, training)}

    def objective(self, data: Batch, stage: str, training: bool) -> Tensor:
        """The sums of a batch of which `loss_of` makes a stage's loss: Σ losses, and how many."""
        raise NotImplementedError

    def judged(self, data: Batch) -> Tensors:
        """The sums of a batch, by monitor, as its meter adds them up."""
        raise NotImplementedError

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """The mean of so many losses, `[2]` → a float32 scalar."""
        return ops.cast(sums[0] / ops.maximum(sums[1], 1e-30), "float32")


def mean_sums(losses: Tensor, counted: Tensor | None = None) -> Tensor:
    """(Σ losses, how many there are), float64 `[2]`, of losses of any shape.

    Args:
        losses: one of each thing.
        counted: what each counts, 0 or 1, of the same shape; None: 1.
    """
    losses = ops.cast(losses, "float64")
    counted = ops.ones_like(losses) if counted is None else ops.cast(counted, "float64")
    return ops.stack([ops.sum(losses * counted), ops.sum(counted)])
