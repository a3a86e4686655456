"""How much the clusters of a segmenter's heads tell of the crop: measured, and held down."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from keras import ops

from iic_tf.annotations import Tensor
from iic_tf.losses.crop_information import crop_sums
from iic_tf.metrics.crop_meter import CropMeter

_SUFFIX = "_crops"


class CropMeasure:
    """The meters of a model's heads, by the names of their sums.

    No attribute of Keras' kinds: files of models do not hold what an evaluation counts.

    Args:
        clusters: of each head, by name.
        sub_heads: of each.
    """

    def __init__(self, clusters: Mapping[str, int], sub_heads: int):
        self.meters = {
            sums_of(head): CropMeter(sub_heads, k, name=sums_of(head))
            for head, k in clusters.items()
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self.meters)

    def informations(self, head: str) -> list[float]:
        """I(z; crop) of a head's sub-heads, nats."""
        return self.meters[sums_of(head)].informations()


def sums_of(head: str) -> str:
    """The name of a head's sums."""
    return head + _SUFFIX


def head_of(name: str) -> str | None:
    """The head that sums of this name are of; None: they are others."""
    return name.removesuffix(_SUFFIX) if name.endswith(_SUFFIX) else None


def sums_of_maps(maps: Sequence[tuple[Tensor, Tensor]], valid: Tensor) -> Tensor:
    """`crop_sums` of x, `[sub_heads, clusters + 2]`.

    Args:
        maps: probabilities of both views, by sub-head, as `segmenter.maps_of_pairs` has them.
        valid: what share of x's pixels, or cells, holds data; None: all.
    """
    return ops.stack([crop_sums(p, valid) for p, _ in maps])
