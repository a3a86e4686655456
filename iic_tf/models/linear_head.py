"""Named classes by a linear classifier of what a trunk learned, beside hand-made statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Shape, Tensor, Variable
from iic_tf.errors import expected
from iic_tf.models.local_statistics import (
    WINDOWS,
    box_means,
    local_statistics,
    statistic_count,
    statistics_radius,
)
from iic_tf.networks.mirror import mirrored
from iic_tf.networks.resize import enlarge

if TYPE_CHECKING:
    from iic_tf.models.segmenter import Segmenter

POOLED = 21
"""Side of the window, in pixels, over which features are averaged, too."""

NEVER = -1e4
"""The bias of a class that is not to be found: a probability of 0, without infinities."""


@keras.saving.register_keras_serializable("iic_tf")
class LinearHead(keras.layers.Layer):  # type: ignore[misc]
    """Softmax of a linear map of a trunk's features, of their box means and of local statistics.

    The features are enlarged to the pixels, and averaged over windows there. Both commute with a
    linear map of them: it is taken of the small map, and only its `classes` numbers a place are
    enlarged and averaged. Weights are float32 whatever the precision policy.

    Of whole images, whose features are vectors, there are neither windows nor statistics:
    `channels=0`.

    Args:
        classes: how many, 2 or more.
        features: of the trunk.
        channels: bands of the images; 0: no statistics, and no box means.
        windows: sides of the statistics' windows, odd, pixels.
        pooled: side of the window of the features' means, odd, pixels; 0 for none.

    Raises:
        InputError: a value outside its range.
    """

    def __init__(
        self,
        classes: int,
        features: int,
        channels: int = 0,
        windows: Sequence[int] = WINDOWS,
        pooled: int = POOLED,
        **kwargs: Any,
    ):
        super().__init__(**{"name": "linear_head", **kwargs, "dtype": "float32"})
        for name, value, least in (
            *(("classes", classes, 2), ("features", features, 1)),
            *(("channels", channels, 0), ("pooled", pooled, 0)),
        ):
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise expected(f"a whole number from {least}", value, name)
        if any(side < 1 or side % 2 == 0 for side in (*windows, pooled or 1)):
            raise expected("odd sides of windows", [*windows, pooled], "windows, pooled")
        self.classes = classes
        self.features = features
        self.channels = channels
        self.windows = tuple(windows)
        self.pooled = pooled if channels else 0
        self.statistics = statistic_count(channels, self.windows) if channels else 0
        self.build()

    def build(self, input_shape: Shape | None = None) -> None:
        if getattr(self, "built", False):
            return

        def kernel(name: str, rows: int) -> Variable:
            return self.add_weight(shape=(rows, self.classes), initializer="zeros", name=name)

        self.kernel = kernel("kernel", self.features)
        if self.pooled:
            self.pooled_kernel = kernel("pooled_kernel", self.features)
        if self.statistics:
            self.statistics_kernel = kernel("statistics_kernel", self.statistics)
        self.bias = self.add_weight(shape=(self.classes,), initializer="zeros", name="bias")
        self.built = True

    @property
    def inputs(self) -> int:
        """How many numbers there are of a place: features, their box means, statistics."""
        return self.features * (2 if self.pooled else 1) + self.statistics

    @property
    def radius(self) -> int:
        """How far, in pixels, a pixel's class depends on others beyond where its features do."""
        return max(self.pooled // 2, statistics_radius(self.windows) if self.statistics else 0)

    def set_linear(self, kernel: NDArray[np.floating], bias: NDArray[np.floating]) -> None:
        """Take over a fitted map.

        Args:
            kernel: `[inputs, classes]`, rows in the order of `inputs_of`.
            bias: `[classes]`.

        Raises:
            InputError: of another shape.
        """
        if kernel.shape != (self.inputs, self.classes):
            raise expected(f"a kernel of {self.inputs} x {self.classes}", kernel.shape, "kernel")
        if bias.shape != (self.classes,):
            raise expected(f"{self.classes} numbers", bias.shape, "bias")
        ends = np.cumsum([self.features, self.features if self.pooled else 0])
        own, pooled, statistics = np.split(kernel, ends)
        self.kernel.assign(own)
        if self.pooled:
            self.pooled_kernel.assign(pooled)
        if self.statistics:
            self.statistics_kernel.assign(statistics)
        self.bias.assign(bias)

    def inputs_of(self, features: Tensor, x: Tensor | None = None, stride: int = 1) -> Tensor:
        """What the linear map is of, `[batch, h, w, inputs]` (of vectors `[batch, inputs]`).

        For fitting; `call` gives the same probabilities without making them.
        """
        features = ops.cast(features, "float32")
        if not self.channels:
            return features
        large = enlarge(features, stride, ops.shape(x)[1], ops.shape(x)[2])
        parts = [large, *([box_means(large, self.pooled)] if self.pooled else [])]
        return tf.concat([*parts, local_statistics(x, self.windows)], -1)

    def of_inputs(self, inputs: Tensor) -> Tensor:
        """Probabilities `[..., classes]` of what `inputs_of` made, `[..., inputs]`."""
        kernels = [self.kernel, *([self.pooled_kernel] if self.pooled else [])]
        kernels += [self.statistics_kernel] if self.statistics else []
        return ops.softmax(ops.matmul(inputs, ops.concatenate(kernels)) + self.bias, axis=-1)

    def logits(self, features: Tensor, x: Tensor | None = None, stride: int = 1) -> Tensor:
        """As `call`, before the softmax."""
        features = ops.cast(features, "float32")
        if not self.channels:
            return ops.matmul(features, self.kernel) + self.bias
        kernels = [self.kernel, *([self.pooled_kernel] if self.pooled else [])]
        small = ops.matmul(features, ops.concatenate(kernels, -1))
        large = enlarge(small, stride, ops.shape(x)[1], ops.shape(x)[2])
        found = large[..., : self.classes]
        if self.pooled:
            found = found + box_means(large[..., self.classes :], self.pooled)
        statistics = local_statistics(x, self.windows)
        return found + ops.matmul(statistics, self.statistics_kernel) + self.bias

    def call(self, features: Tensor, x: Tensor | None = None, stride: int = 1) -> Tensor:
        """Class probabilities.

        Args:
            features: the trunk's, `[batch, ⌈h/stride⌉, ⌈w/stride⌉, features]`; of whole images
                `[batch, features]`.
            x: the images that they are of, `[batch, h, w, channels]` in 0 to 1; of whole images
                nothing.
            stride: the trunk's, by its name.

        Returns:
            float32 `[batch, h, w, classes]`, or `[batch, classes]`.
        """
        return ops.softmax(self.logits(features, x, stride), axis=-1)

    def get_config(self) -> Config:
        return {
            **super().get_config(),
            "classes": self.classes,
            "features": self.features,
            "channels": self.channels,
            "windows": list(self.windows),
            "pooled": self.pooled,
        }


def linear_margin(model: Segmenter, head: LinearHead) -> int:
    """How many pixels of an image are mirrored at its border for a segmenter and its head."""
    needed = model.mirror + head.radius
    return int(-(-needed // model.window_align) * model.window_align)


def linear_maps(model: Segmenter, head: LinearHead, x: Tensor) -> Tensor:
    """Class probabilities of images of any size, mirrored at their borders.

    Args:
        model: a `Segmenter`.
        head: on its trunk's features.
        x: `[batch, height, width, channels]` in 0 to 1.

    Returns:
        float32 `[batch, height, width, classes]`.
    """
    return _inside(model, head, x, head)


def linear_inputs(model: Segmenter, head: LinearHead, x: Tensor) -> Tensor:
    """Of the same the inputs of the head's linear map, `[batch, height, width, inputs]`."""
    return _inside(model, head, x, head.inputs_of)


def _inside(model: Segmenter, head: LinearHead, x: Tensor, what: Callable[..., Tensor]) -> Tensor:
    x, margin = ops.convert_to_tensor(x), linear_margin(model, head)
    height, width = ops.shape(x)[1], ops.shape(x)[2]
    wide = mirrored(x, margin)
    found = what(model.features(wide), wide, stride=model.trunk.stride)
    return found[:, margin : margin + height, margin : margin + width]
