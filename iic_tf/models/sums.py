"""Losses that are functions of sums over a batch: replicas and micro-batches for nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Meter, Tensor, Tensors
from iic_tf.models.micro_batches import MicroBatches
from iic_tf.models.self_supervised import Monitor, SelfSupervised
from iic_tf.replicas import present, replica_count, sum_over_replicas, taking_part

if TYPE_CHECKING:
    from iic_tf.models.crop_measure import CropMeasure


class SumsModel(SelfSupervised):
    """A model whose losses are functions of sums over a batch, as the information of a joint is.

    It says in `sums` what a batch gives, in `loss_of` what loss these have, and in `bound` how low
    that can be. The sums are taken over micro-batches and replicas before the loss is: it is that
    of the global batch. A sum is over images or pairs, so that the gradient of the loss at the
    whole sum is that at every part's, and the gradient by weights is
    Σ_parts ⟨gradient, ∂ sum of the part⟩, which the optimiser sums over replicas.
    """

    def sums(self, data: Batch, names: Sequence[str], training: bool) -> Tensors:
        """What a batch gives, for each of these monitors a tensor."""
        raise NotImplementedError

    def loss_of(self, sums: Tensor, name: str) -> Tensor:
        """The loss of such a sum, a float32 scalar."""
        raise NotImplementedError

    def bound(self, name: str) -> float:
        """The lowest that this loss can be; −∞ where there is none."""
        raise NotImplementedError

    def monitors_in(self, phase: str) -> tuple[str, ...]:
        """Whose losses a phase trains."""
        return tuple(self.meters)

    def further_in(self, phase: str) -> tuple[str, ...]:
        """Names of further sums, whose losses a phase trains beside those of the monitors."""
        return ()

    def parts_in(self, phase: str) -> tuple[str, ...]:
        """The parts that a phase trains."""
        return tuple(self.parts())

    measured: CropMeasure | None = None
    """What is measured of an evaluation beside its losses (`crop_measure.CropMeasure`), if any."""

    def add_meters(self, meters: Mapping[str, Meter]) -> None:
        """Take what adds up the sums of an epoch, the decisive one first.

        A meter has `update_state(sums)`, `losses()`, `shares()` and `result()`, see `JointMeter`.
        """
        self.loss_meter = keras.metrics.Mean(name="loss")
        self.meters = dict(meters)

    @property
    def metrics(self) -> list[Meter]:
        """Trackers that Keras resets at the beginning of an epoch."""
        measured = self.measured.meters.values() if self.measured else ()
        return [self.loss_meter, *self.meters.values(), *measured]

    def train_phase(self, data: Batch, phase: str) -> Tensors:
        """One step on the parts of a phase, by the loss of the sums over the global batch."""
        monitors = self.monitors_in(phase)
        names = (*monitors, *self.further_in(phase))
        parts = {name: self.parts()[name] for name in self.parts_in(phase)}
        variables = [variable for part in parts.values() for variable in part]

        # Forward passes move statistics before it is known whether the step is sound.
        resting = self.resting()

        def sums_of(data: Batch) -> list[Tensor]:
            # What `add_loss` left of another pass is of another graph.
            self._clear_losses()
            found = self._counted(data, names, training=True)
            added = [ops.cast(one, "float32") for one in self.losses]
            return [*(found[name] for name in names), *([sum(added)] if added else [])]

        def loss_and_gradients(sums: list[Tensor]) -> tuple[Tensor, list[Tensor]]:
            count = len(names)
            sums, added = sum_over_replicas(sums[:count]), sums[count:]
            loss, by_sums = self._loss_and_gradients(sums, names)
            if not added:
                return loss, by_sums
            # A mean over replicas and parts, as of all that Keras' layers add: once what is the
            # same for all of them, as regularisers are.
            share = 1.0 / (replica_count() * self.micro_batches)
            by_added = self.optimizer.scale_loss(ops.convert_to_tensor(share, "float32"))
            return loss + share * sum_over_replicas(added)[0], [*by_sums, by_added]

        if self.micro_batches == 1:
            with tf.GradientTape() as tape:
                sums = sums_of(data)
            loss, by_sums = loss_and_gradients(sums)
            gradients = tape.gradient(sums, variables, output_gradients=by_sums)
        else:
            micro = MicroBatches(data, self.micro_batches)
            loss, by_sums = loss_and_gradients(micro.sum(sums_of))

            def gradients_of(data: Batch) -> list[Tensor]:
                with tf.GradientTape() as tape:
                    sums = sums_of(data)
                return list(tape.gradient(sums, variables, output_gradients=by_sums))

            gradients = micro.sum(gradients_of, again=True)
        rest = iter(gradients)
        by_part = {name: [next(rest) for _ in part] for name, part in parts.items()}
        sound = self.step_on(by_part, loss, data, resting)
        # Who takes steps by hand sees it, too.
        shown = tf.where(sound, loss / len(monitors), float("nan"))
        self.loss_meter.update_state(shown)
        return {"loss": self.loss_meter.result()}

    def test_step(self, data: Batch) -> Tensors:
        """Add a batch's sums, in evaluation mode, to those of the whole evaluation set."""
        self.check_batch(data)
        meters = {**self.meters, **(self.measured.meters if self.measured else {})}
        sums = sum_over_replicas(self._counted(data, tuple(meters), training=False))
        for name, meter in meters.items():
            meter.update_state(sums[name])
        first, *others = self.meters
        losses = {"loss": self.meters[first].result()}
        return losses | {f"{name}_loss": self.meters[name].result() for name in others}

    def monitors(self) -> dict[str, Monitor]:
        return {
            name: Monitor(
                [float(loss) for loss in meter.losses()],
                self.bound(name),
                np.asarray(meter.shares()).tolist(),
                self.measured.informations(name) if self.measured else (),
            )
            for name, meter in self.meters.items()
        }

    def _counted(self, data: Batch, names: Sequence[str], training: bool) -> Tensor:
        """The sums, all zeros where the share is a stand-in for no images."""
        with taking_part(data):
            found = self.sums(data, names, training)
            return {name: sums * ops.cast(present(), sums.dtype) for name, sums in found.items()}

    def _loss_and_gradients(
        self, sums: list[Tensor], names: Sequence[str]
    ) -> tuple[Tensor, list[Tensor]]:
        """Sum of the losses, and its gradient at each of the sums, scaled as wanted."""
        with tf.GradientTape() as tape:
            tape.watch(sums)
            loss = sum(self.loss_of(one, name) for one, name in zip(sums, names, strict=True))
            scaled = self.optimizer.scale_loss(loss)
        return loss, tape.gradient(scaled, sums)
