"""Pairs of a few tiny images of noise, for the tests of models of whole images."""

from __future__ import annotations

import numpy as np

from iic_tf.data.image_set import ImageSet
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView


def image_pairs(count: int = 12, repeats: int = 2, seed: int = 0, batch: int = 4) -> ImagePairs:
    raw = np.random.default_rng(seed).integers(0, 256, (count, 10, 10, 1)).astype(np.uint8)
    x, gx = ImageView((8,), 8, centre=True), ImageView((6, 8), 8, flip=0.5)
    return ImagePairs(ImageSet("noise", raw), batch, repeats, x, gx, seed=seed)
