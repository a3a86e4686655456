"""What the models for clustering have in common: a label for each image of one size."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from keras import ops

from iic_tf.annotations import Layer, Tensor
from iic_tf.errors import expected
from iic_tf.models.self_supervised import SelfSupervised
from iic_tf.networks.empty_batch import of_any_batch
from iic_tf.networks.network_a import NetworkA
from iic_tf.networks.network_b import NetworkB
from iic_tf.turns import MAIN
from iic_tf.views.inputs import input_channels, network_input

NETWORKS: dict[str, Callable[..., Layer]] = {"A": NetworkA, "B": NetworkB}


def check_network(network: str) -> None:
    """It must be one of `NETWORKS`.

    Raises:
        InputError: it is not.
    """
    if network not in NETWORKS:
        raise expected(f"one of {', '.join(NETWORKS)}", network, "network")


class Clusterer(SelfSupervised):
    """A trunk that makes a vector of an image, with heads that give it probabilities.

    A model sets `channels`, `size`, `inputs`, `trunk` and `heads`.
    """

    batch_source: ClassVar[str] = "iic_tf.ImagePairs"
    size: int
    inputs: str
    heads: dict[str, Layer]

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        self._check_shape(input_shape)
        inside = (*input_shape[:-1], input_channels(self.channels, self.inputs))
        self.trunk.build(inside)
        for head in self.heads.values():
            head.build(self.trunk.compute_output_shape(inside))
        self.built = True

    def image_shape(self) -> tuple[int | None, ...]:
        return (None, self.size, self.size, self.channels)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Probabilities of the classes.

        Args:
            x: images `[batch, size, size, channels]` in 0 to 1, any number of them from 0.
            training: whether BatchNormalization uses the batch's own statistics.

        Returns:
            float32 `[batch, classes]`.
        """
        if training:
            return self.answer(self.probabilities(x, MAIN, training))
        return of_any_batch(lambda x: self.answer(self.probabilities(x, MAIN)), x)

    def answer(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Of the probabilities by all sub-heads of the main head those that count."""
        return probabilities[0]

    def probabilities(self, x: Tensor, head: str = MAIN, training: bool = False) -> list[Tensor]:
        """Probabilities of every sub-head of a head, each float32 `[batch, k]`."""
        return self.answers(self.features(x, training), head)

    def answers(self, features: Tensor, head: str = MAIN) -> list[Tensor]:
        """The same of what the heads see, `[batch, features]`."""
        found: list[Tensor] = self.heads[head](features)
        return found

    def features(self, x: Tensor, training: bool = False) -> Tensor:
        """What the heads see: `[batch, size, size, channels]` → `[batch, features]`."""
        self._check_shape(tuple(x.shape))
        x = ops.cast(x, self.compute_dtype)
        return self.trunk(network_input(x, self.inputs), training=training)

    def shares_of_cells(self, x: Tensor, valid: Tensor | None = None) -> Tensor:
        """An image counts as one, `[batch]`."""
        return ops.ones_like(x[:, 0, 0, 0])

    def _check_shape(self, shape: tuple[int | None, ...]) -> None:
        if len(shape) != 4:
            raise expected("images [batch, size, size, channels]", shape, "shape")
        if shape[-1] != self.channels:
            raise expected(f"images of {self.channels} channels", shape[-1], "channels")
        if any(s not in (None, self.size) for s in shape[1:3]):
            wanted = f"images of {self.size}×{self.size} pixels, the model's size"
            raise expected(wanted, f"{shape[1]}×{shape[2]}", "size")
