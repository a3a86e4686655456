"""The fixed view of every image that is predicted and scored."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from iic_tf.data.image_set import ImageSet
from iic_tf.errors import expected
from iic_tf.views.image_view import ImageView


def central_views(images: ImageSet, view: ImageView, batch: int = 256) -> Iterator[tf.Tensor]:
    """The test views of all images, in their order and without the extra ones.

    Args:
        images: the data set.
        view: the view x of the training; of it the first crop size and `size` count, its colours
            are left as they are.
        batch: images in a batch; the last one may be smaller.

    Yields:
        float32 `[batch, size, size, channels]` in 0 to 1.

    Raises:
        InputError: a batch of less than 1, or a crop larger than the images.
    """
    # Checked here and not in the generator, which begins only when it is first asked.
    if batch < 1:
        raise expected("a batch of at least 1 image", batch, "batch")
    view.check_fits(images.height, images.width, images.name)
    matrix = view.centred(images.height, images.width)

    def views() -> Iterator[tf.Tensor]:
        for first in range(0, len(images), batch):
            raw = images.read(np.arange(first, min(first + batch, len(images))))
            yield view.apply(raw, np.tile(matrix, (len(raw), 1, 1)))

    return views()
