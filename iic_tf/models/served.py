"""The model as a client meets it: raw pixel values in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.errors import expected
from iic_tf.networks.resize import enlarge
from iic_tf.turns import MAIN
from iic_tf.views.inputs import BANDS

NO_LABEL = -1
"""The label of a pixel that holds no data."""


class ServedSegmenter(tf.Module):  # type: ignore[misc]
    """A trained segmenter with its preprocessing inside the graph.

    Training, scoring, prediction and both exports all go through this one description of what
    happens to a pixel: values from `low` to `high` become 0 to 1, the image is scaled down by box
    means, segmented, and the probabilities are enlarged to the size of the input.

    Values beyond `low` and `high`, however far, count as these. A pixel with NaN or an infinity in
    any band holds no data: the network sees `fill` in its place, box means leave it out, its label
    is −1 and its probabilities are 0. That is how a client says so, whatever number stands for no
    data in its files.

    Args:
        model: a `Segmenter`, as `IICSegmenter` and `InfoSeg` are.
        low, high: raw values `[channels]` that become 0 and 1.
        downscale: whole factor.
        fill: what is seen where there is no data, `[channels]` in 0 to 1; None for zeros.
        core: side, in raw pixels, of the windows whose labels a large scene should be put together
            from, where labels depend on the whole of what the model is shown; None where any will
            do.
    """

    axes = ("batch", "height", "width")
    """The dimensions of the labels, by name."""

    def __init__(
        self,
        model: Any,
        low: Sequence[float] | NDArray[np.float32],
        high: Sequence[float] | NDArray[np.float32],
        downscale: int = 1,
        core: int | None = None,
        fill: Sequence[float] | NDArray[np.float32] | None = None,
    ):
        super().__init__(name="served_segmenter")
        self.model = model
        self.low = np.asarray(low, np.float32)
        self.high = np.asarray(high, np.float32)
        self.fill = np.asarray(np.zeros(model.channels) if fill is None else fill, np.float32)
        self.downscale = downscale
        self.core = core
        self.tolerance: float = model.tolerance
        for name, value in (("low", self.low), ("high", self.high), ("fill", self.fill)):
            if value.shape != (model.channels,):
                raise expected(f"{model.channels} values", value.shape, f"{name}.shape")

    @property
    def examples(self) -> tuple[tuple[int, int, int], ...]:
        """Batch, height and width of images that show what a runtime does: several, odd, small."""
        # Sobel gradients mirror the image at its border, which takes two pixels.
        least = 2 * self.downscale
        sizes = ((1, 33, 47), (2, 64, 64), (1, 7, 5), (3, 100, 31))
        return tuple((n, max(height, least), max(width, least)) for n, height, width in sizes)

    @property
    def margin(self) -> int:
        """How far, in raw pixels, what lies beside a pixel can change its label."""
        # One more for where a box mean or an enlargement begins, one for the gradients.
        gradients = self.model.inputs != BANDS
        return int((self.model.trunk.receptive_radius + 1 + gradients) * self.downscale)

    @property
    def align(self) -> int:
        """Windows that begin at multiples of this have pooling fall on the same raw pixels."""
        return int(self.model.trunk.stride * self.downscale)

    def prepared(self, pixels: Any) -> Any:
        """Raw `[batch, height, width, channels]` → 0 to 1, scaled down."""
        return self.prepared_with_share(pixels)[0]

    def prepared_with_share(self, pixels: Any) -> tuple[Any, Any]:
        """The same, and of each pixel of it the share that holds data, `[batch, h, w, 1]`."""
        raw = ops.cast(pixels, "float32")
        holds = holds_data(raw)
        raw = without_nan(raw)
        span = np.maximum(self.high - self.low, np.float32(1e-12))
        x = ops.clip((raw - self.low) / span, 0.0, 1.0)
        if self.downscale == 1:
            return tf.where(holds, x, self.fill), tf.cast(holds, tf.float32)
        # Box means of what holds data: their sums over all pixels, by the share of those that do.
        x = tf.where(holds, x, tf.zeros_like(x))
        share = shrink(tf.cast(holds, tf.float32), self.downscale)
        some = share > 0
        mean = shrink(x, self.downscale) / tf.where(some, share, tf.ones_like(share))
        return tf.where(some, mean, self.fill), share

    def maps(self, pixels: Any, head: str = MAIN) -> list[Any]:
        """Probabilities of each sub-head at the raw size, each `[batch, height, width, k]`."""
        height, width = ops.shape(pixels)[1], ops.shape(pixels)[2]
        maps = self.model.maps(self.prepared(pixels), head)
        return [enlarge(m, self.downscale, height, width) for m in maps]

    def probabilities(self, pixels: Any) -> Any:
        """Main-head probabilities of the chosen sub-head, float32 `[batch, height, width, k]`.

        They are 0 for all clusters where a pixel holds no data.
        """
        height, width = ops.shape(pixels)[1], ops.shape(pixels)[2]
        found = enlarge(self.model(self.prepared(pixels)), self.downscale, height, width)
        return found * tf.cast(holds_data(ops.cast(pixels, "float32")), found.dtype)

    def __call__(self, pixels: Any) -> dict[str, Any]:
        """`labels` int32 `[batch, height, width]` and `probabilities` of raw pixels."""
        probabilities = self.probabilities(pixels)
        # TensorFlow's own: that of Keras takes the bits apart, which ONNX cannot.
        labels = tf.argmax(probabilities, axis=-1, output_type=tf.int32)
        none = tf.fill(tf.shape(labels), NO_LABEL)
        holds = holds_data(ops.cast(pixels, "float32"))[..., 0]
        return {"labels": tf.where(holds, labels, none), "probabilities": probabilities}


def without_nan(values: Any) -> Any:
    """Values with 0 in place of NaN, in ONNX, too.

    Of a choice by any other condition than `is_nan` tf2onnx makes products, which NaN survives.
    """
    return tf.where(tf.math.is_nan(values), tf.zeros_like(values), values)


def holds_data(pixels: Any) -> Any:
    """Whether raw pixels are finite in all bands, `[batch, h, w, c]` → bool `[batch, h, w, 1]`."""
    # A comparison that NaN fails, too: ONNX has no is_finite, and makes "not above" of "<=".
    finite = tf.cast(tf.abs(pixels) < np.inf, tf.float32)
    return tf.reduce_min(finite, axis=-1, keepdims=True) > 0


def shrink(x: Any, factor: int) -> Any:
    """Box means over factor × factor pixels; a box past the border takes the part inside.

    `[batch, h, w, c]` → `[batch, ⌈h/factor⌉, ⌈w/factor⌉, c]`; equal to `data.crops.box_mean`.
    """
    if factor == 1:
        return x
    height, width = ops.shape(x)[1], ops.shape(x)[2]
    # Not (-height) % factor: tf2onnx divides negative integers towards zero.
    below, beside = ((factor - size % factor) % factor for size in (height, width))
    pad = ((0, 0), (0, below), (0, beside), (0, 0))
    inside = tf.pad(tf.ones_like(x[:1, :, :, :1]), pad)
    total = ops.average_pool(tf.pad(x, pad), factor, padding="valid")
    return total / ops.average_pool(inside, factor, padding="valid")
