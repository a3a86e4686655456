"""Losses beside the information of a segmenter's heads: cut, smoothness, reconstruction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from keras import ops

from iic_tf.annotations import Layer, Tensor
from iic_tf.errors import expected
from iic_tf.losses.neighbour_difference import neighbour_sums
from iic_tf.losses.soft_ncut import soft_ncut

_SUFFIX = "_further"


@dataclass(frozen=True)
class FurtherLosses:
    """Weights of the further losses of a head; 0 leaves one out.

    Attributes:
        ncut: of the soft normalised cut divided by K − 1, which is 1 for even probabilities.
        smooth: of `neighbour_difference`.
        reconstruction: of the mean squared error of the image painted from the class map.

    Raises:
        InputError: a weight below 0, or not finite.
    """

    ncut: float = 0.0
    smooth: float = 0.0
    reconstruction: float = 0.0

    def __post_init__(self) -> None:
        for name in ("ncut", "smooth", "reconstruction"):
            value = getattr(self, name)
            if not 0 <= value < float("inf"):
                raise expected(f"{name} >= 0 and finite", value, name)

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return bool(self.ncut or self.smooth or self.reconstruction)

    def sums(
        self, maps: Sequence[Tensor], images: Tensor, valid: Tensor, decoders: Sequence[Layer]
    ) -> Tensor:
        """What they are means of, over all sub-heads of a head.

        Args:
            maps: probabilities of each sub-head, `[batch, height, width, K]`.
            images: x, `[batch, height, width, bands]` in 0 to 1.
            valid: the share by which pixels count, `[batch, height, width]`; None: all.
            decoders: of each sub-head; of `reconstruction`.

        Returns:
            float32 `[4, 2]`, to be added up over batches: of cut, differences down, differences
            across and squared errors the sum and what it is divided by.
        """
        images = ops.cast(images, "float32")
        counted = ops.ones_like(images[..., 0]) if valid is None else ops.cast(valid, "float32")
        total: Tensor = ops.zeros((4, 2))
        for i, p in enumerate(maps):
            cut, neighbours, painted = ops.zeros((1, 2)), ops.zeros((2, 2)), ops.zeros((1, 2))
            if self.ncut:
                cut = ops.expand_dims(_cut(p, images, counted), 0)
            if self.smooth:
                neighbours = neighbour_sums(p, counted)
            if self.reconstruction:
                painted = ops.expand_dims(_errors(decoders[i](p), images, counted), 0)
            total = total + ops.concatenate([cut, neighbours, painted])
        return total

    def loss_of(self, sums: Tensor) -> Tensor:
        """The weighted loss of what `sums` returns, a scalar; 0 where nothing counts."""
        cut, down, across, error = (sums[i, 0] / ops.maximum(sums[i, 1], 1e-30) for i in range(4))
        return self.ncut * cut + self.smooth * (down + across) + self.reconstruction * error


def name_of(head: str) -> str:
    """The name of a head's sums."""
    return head + _SUFFIX


def head_of(name: str) -> str | None:
    """The head that sums of this name are of; None: they are none of further losses."""
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else None


def _cut(p: Tensor, images: Tensor, counted: Tensor) -> Tensor:
    # An image without a pixel that counts has no cut.
    some = ops.cast(ops.max(counted, axis=(1, 2)) > 0, "float32")
    cuts = soft_ncut(p, images, counted) / (p.shape[-1] - 1.0)
    return ops.stack([ops.sum(some * cuts), ops.sum(some)])


def _errors(painted: Tensor, images: Tensor, counted: Tensor) -> Tensor:
    squares = ops.sum(ops.square(painted - images), axis=-1)
    return ops.stack([ops.sum(counted * squares), images.shape[-1] * ops.sum(counted)])
