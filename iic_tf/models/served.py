"""The model as a client meets it: raw pixel values in, labels and probabilities out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Tensor, Tensors
from iic_tf.errors import expected
from iic_tf.networks.empty_batch import of_any_batch
from iic_tf.networks.resize import enlarge
from iic_tf.turns import MAIN
from iic_tf.views.inputs import BANDS

if TYPE_CHECKING:
    from iic_tf.models.class_map import MappedClusterer, MappedSegmenter
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.models.segmenter import Segmenter

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

    Attributes:
        scene_features: how many numbers sum up a scene as a whole, where its labels depend on it
            (`InfoSeg`); 0 where they depend on what lies around them alone.

    Examples:
        >>> from iic_tf import IICSegmenter
        >>> model = IICSegmenter(3, 15, channels=4, width=0.1)
        >>> serve = ServedSegmenter(model, low=[0] * 4, high=[255] * 4, downscale=2)
        >>> pixels = np.full((1, 16, 16, 4), 100, "float32")
        >>> pixels[0, 0, 0] = np.nan  # no data
        >>> int(serve(pixels)["labels"][0, 0, 0])
        -1
    """

    axes = ("batch", "height", "width")
    """The dimensions of the labels, by name."""

    def __init__(
        self,
        model: Segmenter | MappedSegmenter,
        low: Sequence[float] | NDArray[np.float32],
        high: Sequence[float] | NDArray[np.float32],
        downscale: int = 1,
        fill: Sequence[float] | NDArray[np.float32] | None = None,
    ):
        super().__init__(name="served_segmenter")
        self.model: Any = model
        self.low = np.asarray(low, np.float32)
        self.high = np.asarray(high, np.float32)
        self.fill = np.asarray(np.zeros(model.channels) if fill is None else fill, np.float32)
        self.downscale = downscale
        self.scene_features: int = model.scene_features
        self.tolerance: float = model.tolerance
        for name, value in (("low", self.low), ("high", self.high), ("fill", self.fill)):
            if value.shape != (model.channels,):
                raise expected(f"{model.channels} values", value.shape, f"{name}.shape")

    @property
    def examples(self) -> tuple[tuple[int, int, int], ...]:
        """Batch, height and width of images that show what a runtime does: several, odd, small."""
        return ((1, 33, 47), (2, 64, 64), (1, 7, 5), (3, 100, 31), (2, 1, 9))

    @property
    def margin(self) -> int:
        """How much, in raw pixels, windows of a scene must show around their cores."""
        # One more for where a box mean or an enlargement begins, one for the gradients.
        gradients = self.model.inputs != BANDS
        return int((self.model.window_radius + 1 + gradients) * self.downscale)

    @property
    def align(self) -> int:
        """Windows that begin at multiples of this have pooling fall on the same raw pixels."""
        return int(self.model.window_align * self.downscale)

    def prepared(self, pixels: Tensor) -> Tensor:
        """Raw `[batch, height, width, channels]` → 0 to 1, scaled down."""
        return self.prepared_with_share(pixels)[0]

    def prepared_with_share(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
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

    def maps(self, pixels: Tensor, head: str = MAIN, sums: Tensor | None = None) -> list[Tensor]:
        """Probabilities of each sub-head at the raw size, each `[batch, height, width, k]`.

        Args:
            pixels: raw values `[batch, height, width, channels]`.
            head: of the model's.
            sums: of the scene that the pixels are a window of, see `window`; None: they are all.
        """
        height, width = ops.shape(pixels)[1], ops.shape(pixels)[2]
        maps, _ = self._small_maps(pixels, head, sums)
        return [enlarge(m, self.downscale, height, width) for m in maps]

    def probabilities(self, pixels: Tensor, sums: Tensor | None = None) -> Tensor:
        """Main-head probabilities of the chosen sub-head, float32 `[batch, height, width, k]`.

        They are 0 for all clusters where a pixel holds no data.
        """

        def some(pixels: Tensor) -> Tensor:
            maps, _ = self._small_maps(pixels, MAIN, sums)
            return self._enlarged(maps, pixels)

        return of_any_batch(some, pixels)

    def scene_sums(self, pixels: Tensor, core: Tensor) -> Tensor:
        """Float32 `[batch, scene_features]` of windows, to be added up over a scene.

        Args:
            pixels: raw values of windows, `[batch, height, width, channels]`.
            core: top, left, height and width, int `[4]`, in raw pixels within a window, of what is
                counted in no other window.
        """
        return self._small_maps(pixels, MAIN, None, core)[1]

    def window(self, pixels: Tensor, sums: Tensor, core: Tensor) -> Tensors:
        """Labels of windows of a scene that do not depend on how it is cut.

        Of a model whose labels depend on the scene as a whole. Windows begin at multiples of
        `align` and show `margin` around their cores, or all that there is: `data.windows`.

        Args:
            pixels: as of `scene_sums`.
            sums: float32 `[batch or 1, scene_features]`: those returned, added up over all windows
                of the scene; zeros: of the window alone.
            core: as of `scene_sums`.

        Returns:
            `labels`, `probabilities` and `own_sums`, what the windows' cores add to the sums.
        """
        none = tf.cast(tf.equal(tf.shape(pixels)[0], 0), tf.int32)
        # Of no windows one row stands in, whatever came.
        rows = tf.maximum(tf.shape(sums)[0] * (1 - none), none)
        sums = tf.pad(sums, [[0, none], [0, 0]])[:rows]

        def some(pixels: Tensor) -> Tensors:
            maps, own = self._small_maps(pixels, MAIN, sums, core)
            return {**self._answer(self._enlarged(maps, pixels), pixels), "own_sums": own}

        found: Tensors = of_any_batch(some, pixels)
        return found

    def _enlarged(self, maps: list[Tensor], pixels: Tensor) -> Tensor:
        """The probabilities of the chosen sub-head at the size of the pixels."""
        height, width = ops.shape(pixels)[1], ops.shape(pixels)[2]
        found = enlarge(self.model.answer(maps), self.downscale, height, width)
        return found * tf.cast(holds_data(ops.cast(pixels, "float32")), found.dtype)

    def _small_maps(
        self, pixels: Tensor, head: str, sums: Tensor, core: Tensor | None = None
    ) -> tuple[list[Tensor], Tensor]:
        """Maps of each sub-head at the size that the model sees, and the pixels' own sums."""
        x, share = self.prepared_with_share(pixels)
        if not self.scene_features:
            return self.model.maps_of_images(x, head), None
        if core is not None:
            # Only at a scene's end a core may not be a multiple of it.
            sides = (ops.cast(core, "int32") + (self.downscale - 1)) // self.downscale
            core = tuple(sides[i] for i in range(4))
        found: tuple[list[Tensor], Tensor] = self.model.of_scene(x, sums, share, core, head)
        return found

    def __call__(self, pixels: Tensor) -> Tensors:
        """`labels` int32 `[batch, height, width]` and `probabilities` of raw pixels."""
        return self._answer(self.probabilities(pixels), pixels)

    def _answer(self, probabilities: Tensor, pixels: Tensor) -> Tensors:
        # TensorFlow's own: that of Keras takes the bits apart, which ONNX cannot.
        labels = numbered(tf.argmax(probabilities, axis=-1, output_type=tf.int32), self.model)
        none = tf.fill(tf.shape(labels), NO_LABEL)
        holds = holds_data(ops.cast(pixels, "float32"))[..., 0]
        return {"labels": tf.where(holds, labels, none), "probabilities": probabilities}


def numbered(
    labels: Tensor, model: Segmenter | MappedSegmenter | Clusterer | MappedClusterer
) -> Tensor:
    """Labels as the numbers of their classes, where a model's classes have numbers."""
    if getattr(model, "numbers", None) is None:
        return labels
    return tf.gather(tf.constant(model.numbers, tf.int32), labels)


def without_nan(values: Tensor) -> Tensor:
    """Values with 0 in place of NaN, in ONNX, too.

    Of a choice by any other condition than `is_nan` tf2onnx makes products, which NaN survives.
    """
    return tf.where(tf.math.is_nan(values), tf.zeros_like(values), values)


def holds_data(pixels: Tensor) -> Tensor:
    """Whether raw pixels are finite in all bands, `[batch, h, w, c]` → bool `[batch, h, w, 1]`."""
    # A comparison that NaN fails, too: ONNX has no is_finite, and makes "not above" of "<=".
    finite = tf.cast(tf.abs(pixels) < np.inf, tf.float32)
    return tf.reduce_min(finite, axis=-1, keepdims=True) > 0


def shrink(x: Tensor, factor: int) -> Tensor:
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
