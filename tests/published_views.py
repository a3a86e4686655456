"""Views as the papers have them, and some images to take them of."""

import numpy as np

from iic_tf.data.image_set import ImageSet
from iic_tf.views.image_view import ImageView
from iic_tf.views.photometry import Photometry

COLOURS = Photometry(0.4, 0.4, 0.4, 0.125)
COLOUR_X = ImageView((20,), 32)
COLOUR_GX = ImageView((20,), 32, flip=0.5, photometry=COLOURS)
MNIST_X = ImageView((20,), 24, centre=0.5)
MNIST_GX = ImageView((16, 20, 24), 24, rotate=25, photometry=COLOURS)


def some(count=11, height=32, width=32, channels=3, extra=0, seed=0):
    """Images of noise, `extra` of them for the overclustering head alone."""
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count + extra, height, width, channels)).astype(np.uint8)
    return ImageSet("some", images[:count], extra=images[count:] if extra else None)
