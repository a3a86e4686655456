"""Dictionaries of patches: how near a pixel's surroundings lie to patches that are often seen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.metrics.pixel_kmeans import PixelKMeans
from iic_tf.models.local_statistics import box_means
from iic_tf.networks.mirror import mirrored

DICTIONARIES: tuple[Config, ...] = (
    {"side": 1, "words": 24, "windows": (1, 11, 31)},
    {"side": 5, "words": 64, "windows": (5, 21)},
    {"side": 7, "words": 96, "windows": (11, 31)},
)
"""Values, patches of 5 and patches of 7 pixels, as a trunk has them beside one another."""

COMPONENTS = 48
"""Principal components of patches that are kept, at most."""

LEAST_CONTRAST = 1e-3
"""Added to the variance of a patch: below 0.03 of the range of values, contrast says nothing."""

SOFTENED = 0.1
"""Added to the variance of each component before it is whitened, as a share of their mean."""


@keras.saving.register_keras_serializable("iic_tf")
class PatchDictionary(keras.layers.Layer):  # type: ignore[misc]
    """How near the patch around each pixel lies to the words of a dictionary, averaged over cells.

    Coates, Lee, Ng: An Analysis of Single-Layer Networks in Unsupervised Feature Learning, AISTATS
    2011, section 3.1. Patches of more than a pixel are brought to mean 0 and deviation
    1 each, all are projected on their principal components and whitened, and k-means finds the
    words, their centres; nothing of it needs labels or gradients. Of a patch p, with z its
    whitened components and d_k = ‖z − c_k‖, the activation of word k is max(0, mean_j d_j − d_k),
    the paper's "triangle". Activations are averaged over cells of `stride` pixels, then over
    windows of cells.

    It begins with words drawn by chance, which mean nothing until it is fitted: `fit(pairs)` of a
    model with such a trunk does so before the first step (`models.dictionary_fitting`).

    Args:
        side: of the patches, odd, in pixels; 1: values of single pixels, as they are.
        words: centres, 2 or more.
        windows: sides of the windows, in pixels; brought to the nearest odd number of cells.
        stride: pixels to a cell.
        components: principal components that are kept, at most.

    Attributes:
        fitted: whether words were found.

    Raises:
        InputError: a value out of its range.

    Examples:
        >>> import numpy as np
        >>> layer = PatchDictionary(side=3, words=8, windows=(5,), stride=2)
        >>> layer(np.zeros((1, 8, 8, 3), "float32")).shape
        TensorShape([1, 4, 4, 8])
    """

    def __init__(
        self,
        side: int,
        words: int,
        windows: Sequence[int],
        stride: int = 4,
        components: int = COMPONENTS,
        **kwargs: Any,
    ):
        # Distances are differences of squares: float32 whatever the precision policy.
        super().__init__(**{**kwargs, "dtype": "float32", "trainable": False})
        if side < 1 or side % 2 == 0:
            raise expected("patches of an odd side", side, "side")
        if words < 2:
            raise expected("a dictionary of 2 words or more", words, "words")
        if stride < 1:
            raise expected("a stride of 1 pixel or more", stride, "stride")
        if not windows or min(windows) < 1:
            raise expected("windows of 1 pixel or more", tuple(windows), "windows")
        if components < 1:
            raise expected("1 component or more", components, "components")
        self.side, self.words, self.stride = side, words, stride
        self.windows, self.components = tuple(windows), components

    @property
    def cells(self) -> tuple[int, ...]:
        """Sides of the windows, in cells."""
        wide = (max(window, self.stride) / self.stride for window in self.windows)
        return tuple(2 * round((cells - 1) / 2) + 1 for cells in wide)

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        bands = int(input_shape[-1] or 0)
        values = self.side**2 * bands
        kept = min(self.components, values)

        def weight(name: str, begun: Any, *shape: int) -> Any:
            return self.add_weight(shape=shape, initializer=begun, trainable=False, name=name)

        chance = keras.initializers.RandomNormal(stddev=values**-0.5, seed=0)
        patch = (self.side, self.side, bands)
        self.projection = weight("projection", chance, *patch, kept)
        self.shift = weight("shift", "zeros", kept)
        words = keras.initializers.RandomNormal(seed=1)
        self.centres = weight("centres", words, self.words, kept)
        self.fitted_patches = weight("fitted_patches", "zeros")
        self.built = True

    @property
    def fitted(self) -> bool:
        return float(ops.convert_to_numpy(self.fitted_patches)) > 0

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """`[batch, height, width, bands]` in 0 to 1 → `[batch, ⌈h/stride⌉, ⌈w/stride⌉, features]`.

        Features are words · windows, every one 0 or more; images are mirrored at their borders.
        """
        x = mirrored(ops.cast(x, "float32"), self.side // 2)
        # From the middle of the range, or squares of large values would swallow small differences.
        x = x - 0.5
        z = ops.conv(x, ops.convert_to_tensor(self.projection), padding="valid")
        if self.side > 1:
            ones = np.ones((self.side, self.side, x.shape[-1], 1), np.float32)
            ones /= ones.size
            mean = ops.conv(x, ones, padding="valid")
            square = ops.conv(ops.square(x), ones, padding="valid")
            deviation = ops.sqrt(ops.maximum(square - ops.square(mean), 0.0) + LEAST_CONTRAST)
            z = (z - mean * ops.sum(self.projection, axis=(0, 1, 2))) / deviation
        z = z - self.shift
        centres = ops.convert_to_tensor(self.centres)
        squares = (
            ops.sum(ops.square(z), axis=-1, keepdims=True)
            - 2 * ops.matmul(z, ops.transpose(centres))
            + ops.sum(ops.square(centres), axis=-1)
        )
        distances = ops.sqrt(ops.maximum(squares, 1e-12))
        near = ops.relu(ops.mean(distances, axis=-1, keepdims=True) - distances)
        near = ops.average_pool(near, self.stride, padding="same")
        found = [near if side == 1 else box_means(near, side) for side in self.cells]
        return ops.concatenate(found, axis=-1)

    def fit(self, patches: NDArray[np.floating], seed: int) -> None:
        """Find the components and the words.

        Args:
            patches: in 0 to 1, `[n, side, side, bands]`, finite.
            seed: of k-means.

        Raises:
            InputError: fewer patches than words.
        """
        if len(patches) < self.words:
            raise InputError(
                f"Expected at least {self.words} patches of {self.side}×{self.side} valid pixels, "
                f"to find as many words in; received {len(patches)}."
            )
        rows = patches.reshape(len(patches), -1).astype(np.float64) - 0.5
        if self.side > 1:
            rows = rows - rows.mean(1, keepdims=True)
            rows /= np.sqrt(rows.var(1, keepdims=True) + LEAST_CONTRAST)
        mean = rows.mean(0)
        variances, axes = np.linalg.eigh(np.cov(rows - mean, rowvar=False).reshape(2 * mean.shape))
        kept = self.shift.shape[0]
        variances, axes = variances[::-1][:kept], axes[:, ::-1][:, :kept]
        softened = SOFTENED * max(rows.var(0).mean(), 1e-12)
        projection = axes / np.sqrt(np.maximum(variances, 0.0) + softened)
        z = (rows - mean) @ projection
        found = PixelKMeans(self.words, seed, restarts=1, iterations=60).fit(z).centres
        assert found is not None
        # Of fewer distinct patches than words, some words are said twice.
        centres = np.resize(found, (self.words, kept))
        self.projection.assign(projection.reshape(self.projection.shape))
        self.shift.assign(mean @ projection)
        self.centres.assign(centres)
        self.fitted_patches.assign(len(patches))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.words * len(self.windows))

    def get_config(self) -> Config:
        own = ("side", "words", "stride", "components")
        config = {name: getattr(self, name) for name in own}
        return {**super().get_config(), **config, "windows": list(self.windows)}


def dictionary_network(channels: int, stride: int = 4) -> Network:
    """`DICTIONARIES` beside one another as a `keras.Model`, for a `KerasTrunk`.

    Args:
        channels: bands of the images, 1 or more.
        stride: pixels to a cell.

    Raises:
        InputError: fewer than one band.
    """
    if channels < 1:
        raise expected("at least 1 channel", channels, "channels")
    image = keras.Input((None, None, channels))
    found = [
        PatchDictionary(**one, stride=stride, name=f"patches_of_{one['side']}")(image)
        for one in DICTIONARIES
    ]
    return keras.Model(image, keras.layers.Concatenate()(found), name="dictionary")


def dictionaries_of(network: Network) -> list[PatchDictionary]:
    """All of them in a network, at any depth."""
    return [one for one in network._flatten_layers() if isinstance(one, PatchDictionary)]
