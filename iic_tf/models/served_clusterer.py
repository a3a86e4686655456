"""The clusterer as a client meets it: raw pixel values in, a label and probabilities out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import tensorflow as tf

from iic_tf.annotations import Tensor, Tensors
from iic_tf.models.served import numbered, without_nan
from iic_tf.networks.empty_batch import of_any_batch
from iic_tf.views.axis_weights import central_weights, covering_weights
from iic_tf.views.image_view import ImageView

if TYPE_CHECKING:
    from iic_tf.models.class_map import MappedClusterer
    from iic_tf.models.clusterer import Clusterer


class ServedClusterer(tf.Module):  # type: ignore[misc]
    """A trained clusterer with its preprocessing inside the graph.

    Images of any height and width are taken. Each is scaled so that its shorter side has `side`
    pixels, the height of the images of the training, and its middle square is kept, as
    `iic_tf.data.image_folder` does it; then the central view is taken of it, as
    `iic_tf.views.central_views` does it. Images of side × side pixels are not scaled: for them all
    this is exactly how scores are taken. Others may come out one level of 255 off what
    `load_image_folder` makes of them, which rounds twice on its way to uint8.

    Clients hand on values from 0 to 255, those of 16-bit images divided by 257, in the channels
    and their order of the training; values beyond are clipped, and NaN counts as 0.

    Args:
        model: a `Clusterer`, as `IICClusterer` is.
        view: x of the training.
        side: height and width of the images of the training, in pixels.

    Raises:
        InputError: the view's crop is larger than the images.

    Examples:
        >>> from iic_tf import IICClusterer, ImageView
        >>> model = IICClusterer(3, 15, channels=3, size=16, network="B", width=0.1)
        >>> serve = ServedClusterer(model, ImageView(crops=(20,), size=16), side=24)
        >>> tuple(serve(np.zeros((2, 40, 30, 3), "float32"))["labels"].shape)  # images of any size
        (2,)
    """

    axes = ("batch",)
    """The dimensions of the labels, by name."""
    scene_features = 0
    tolerance = 1e-4
    """Of probabilities in another runtime; after the 36 convolutions of network A float32 sums in
    another order have differed by up to 2.3e-5."""

    def __init__(self, model: Clusterer | MappedClusterer, view: ImageView, side: int):
        super().__init__(name="served_clusterer")
        view.check_fits(side, side, "the training")
        self.model = model
        self.side = side
        self.low = np.zeros(model.channels, np.float32)
        self.high = np.full(model.channels, 255, np.float32)
        self._central = central_weights(view, side)

    @property
    def examples(self) -> tuple[tuple[int, int, int], ...]:
        """Batch, height and width of images that show what a runtime does: as trained, others."""
        return ((1, self.side, self.side), (5, self.side, self.side), (2, 33, 47), (3, 7, 5))

    def prepared(self, pixels: Tensor) -> Tensor:
        """Raw `[batch, height, width, channels]` → `[batch, size, size, channels]` in 0 to 1."""
        x = tf.clip_by_value(without_nan(tf.cast(pixels, tf.float32)), 0.0, 255.0) / 255.0
        height, width = tf.shape(x)[1], tf.shape(x)[2]
        short = tf.minimum(height, width)
        rows, columns = (
            self._central @ covering_weights(length, short, self.side) for length in (height, width)
        )
        return tf.einsum("jw,biwc->bijc", columns, tf.einsum("ih,bhwc->biwc", rows, x))

    def probabilities(self, pixels: Tensor) -> Tensor:
        """Main-head probabilities of the chosen sub-head, float32 `[batch, classes]`."""
        return of_any_batch(lambda some: self.model(self.prepared(some)), pixels)

    def __call__(self, pixels: Tensor) -> Tensors:
        """`labels` int32 `[batch]` and `probabilities` of raw pixels."""
        probabilities = self.probabilities(pixels)
        labels = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        return {"labels": numbered(labels, self.model), "probabilities": probabilities}
