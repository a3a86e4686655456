"""Isola's co-occurrences: features that tell whether two patches lie near each other.

Isola, Zoran, Krishnan, Adelson: Learning visual groups from co-occurrences in space and time, 2015,
as a baseline of IIC has it (supplementary material, section 9): pairs are of dense features, and
classes are found by k-means on these, not by grouping affinities.
"""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf
from keras import ops

from iic_tf.annotations import Batch, Tensor, Trunk
from iic_tf.errors import expected
from iic_tf.losses.isola import near_sums
from iic_tf.models.pretext import PairPretext
from iic_tf.views.numbered_draws import uniform
from iic_tf.views.place_pairs import PlacePairs, near_and_far

OTHERS_DRAW = 111


@keras.saving.register_keras_serializable("iic_tf")
class IsolaSegmenter(PairPretext):
    """Isola's co-occurrences, for the pixels of scenes; see the module.

    Half of the pairs are near, patches whose centres are `patch` to `near` pixels apart on the axis
    on which they are further apart: patches do not overlap, and lie in any direction. The others
    are far, at least `far` pixels apart, or, `other_images` of them, of two images of a batch.

    Args:
        arguments: classes, overclusters, channels, width and inputs, as `Pretext`'s.
        near: the largest distance of near patches, in pixels.
        far: the least one of far patches, above `near`.
        other_images: the share of far pairs whose second patch is of the next image of what a
            device takes at once, 0 to 1. Far patches of one image still share its light and tint.
        trunk: as `IICSegmenter`'s; not frozen.
        kwargs: patch, margin, pairs and hidden of `PairPretext`; components, sample, starts and
            crops of k-means, as `KMeansSegmenter`'s.

    Raises:
        InputError: a value outside its range.

    Examples:
        >>> model = IsolaSegmenter(3, 15, 4, 0.1, near=11, far=22)
        >>> tuple(model(np.zeros((1, 16, 16, 4), "float32")).shape)  # probabilities of each pixel
        (1, 16, 16, 3)
    """

    arguments = (*PairPretext.own_arguments, "near", "far", "other_images")

    def __init__(
        self,
        *arguments: Any,
        near: int = 11,
        far: int = 22,
        other_images: float = 0.0,
        trunk: Trunk = "c",
        **kwargs: Any,
    ):
        super().__init__(*arguments, **kwargs)
        check_distances(self.patch, near, far)
        if not 0 <= other_images <= 1:
            raise expected("other_images, a share from 0 to 1", other_images, "other_images")
        self.near, self.far, self.other_images = near, far, other_images
        self.set_trunk(trunk, self.width)
        self.add_pretext(1)

    def place_pairs(self, rows: int, columns: int) -> PlacePairs:
        least = self.patch_cells
        nearest = max(least, self.to_cells(self.near))
        far = max(nearest + 1, self.to_cells(self.far))
        most = max(rows, columns, far)
        return PlacePairs(near_and_far((least, nearest), far, most), rows, columns)

    def pretext_sums(self, data: Batch, training: bool) -> Tensor:
        """(Σ binary cross-entropy, count) over the pairs of a batch."""
        means, shares = self.patches(data, training)
        lost = self.patch_cells - 1
        size = [means.shape[axis] + lost for axis in (1, 2)]
        near, first, second = self.drawn_pairs(data, *size)
        batch = tf.shape(means)[0]
        own = tf.broadcast_to(tf.range(batch)[:, None], tf.shape(near))
        draws = uniform(data["epoch"], data["number"], self.pairs, OTHERS_DRAW)
        other = (near == 0) & (draws < self.other_images)
        theirs = tf.where(other, (own + 1) % batch, own)
        at = [
            tf.concat([image[..., None], place], -1)
            for image, place in ((own, first), (theirs, second))
        ]
        logits = self.pretext(*(tf.gather_nd(means, one) for one in at))[..., 0]
        counted = (tf.gather_nd(shares, at[0]) > 0.5) & (tf.gather_nd(shares, at[1]) > 0.5)
        # An image alone has no other one.
        counted &= ~other | (theirs != own)
        flat = (ops.reshape(value, (-1,)) for value in (logits, near, counted))
        return near_sums(*flat)


def check_distances(patch: int, near: int, far: int) -> None:
    """Near patches must not overlap, and far ones be further apart than those.

    Raises:
        InputError: they would.
    """
    if near < patch:
        raise expected(f"near patches that do not overlap, near >= patch={patch}", near, "near")
    if far <= near:
        raise expected(f"far beyond near={near}", far, "far")
