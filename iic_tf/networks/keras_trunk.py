"""Any Keras model of images as trunk, frozen or trained on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import ops
from numpy.typing import NDArray

from iic_tf.annotations import Config, Layer, Network, Tensor
from iic_tf.errors import InputError, expected
from iic_tf.networks.covering import mirrored_to, moved_back, steps_covering
from iic_tf.networks.hub_classes import with_classes_of
from iic_tf.networks.levels import Level, input_side, maps_of, measured
from iic_tf.networks.overlapping_windows import in_overlapping_windows
from iic_tf.networks.patch_dictionary import dictionaries_of
from iic_tf.networks.resize import enlarge
from iic_tf.networks.shown_bands import LEARNED, checked_bands, first_bands, of_channels
from iic_tf.networks.trunk_grid import TrunkGrid

KEPT, BATCH = "kept", "batch"


@keras.saving.register_keras_serializable("iic_tf")
class KerasTrunk(keras.layers.Layer):  # type: ignore[misc]
    """A `keras.Model` that makes feature maps of images, as trunk of any model here.

    Maps of several strides are brought to the finest one's (enlarged bilinearly, and moved back by
    as much as padded strides have moved their cells) and stand side by side. Images are padded at
    their lower and right borders, by mirroring, to a multiple of the largest stride (of those
    inside, too, where maps are enlarged again, as a U-Net's). A network
    that sees its window as a whole (attention, squeeze and excitation) or that takes images of one
    size only is taken over larger images in windows that overlap by half and are blended.

    A model of vectors, or `vector=True`, is a trunk for clustering: maps are averaged over the
    image.

    Args:
        network: maps images `[batch, height, width, channels]` to one map or several,
            `[batch, height/stride, width/stride, features]` each, or to vectors.
        low, high: what the network is to be shown for 0 and for 1; a number, or one for each of
            its channels. With means m and deviations d of ImageNet: −m/d and (1 − m)/d.
        bands: the bands of images that its channels are, by number from 0, one for each channel;
            `learned` for a linear map of all bands, trained with the heads (or from the model's
            `trunk_from` on), which begins as the first ones; None where images have as many bands
            as it has channels.
        frozen: whether its weights stay as they are.
        statistics: of its BatchNormalization, if it is not frozen: `kept`, or `batch` for those of
            the batch, as a network that begins from nothing needs.
        window: side, in pixels, of the windows of a network that sees all of them; None: 256, or
            the size that it takes. Rounded up to a multiple of twice the largest stride.
        vector: average maps over the image.
        stride: pixels to a cell of what it makes: a multiple of the finest map's, or less where all
            strides are multiples of it; None: 8 of several maps around it, else the finest one's.
        standardised: whether features have mean 0 and deviation 1 each over what it is fitted to,
            which `fit(pairs)` of a model does before the first step: maps of other depths have
            numbers of other sizes.
        levels: what `measured` said of the network; None: it is asked.

    Attributes:
        stride: pixels to a cell.
        receptive_radius: how far, in pixels, a pixel of the enlarged map sees.
        align: parts of an image that begin at multiples of so many pixels have the same cells.
        features: how many numbers a cell has.

    Raises:
        InputError: a network or a value that does not fit.

    Examples:
        >>> import keras, iic_tf
        >>> network = keras.Sequential([keras.Input((None, None, 3)),
        ...                             keras.layers.Conv2D(8, 3, 2, "same")])
        >>> trunk = iic_tf.KerasTrunk(network, low=-1, high=1)
        >>> model = iic_tf.IICSegmenter(classes=3, overclusters=15, channels=3, trunk=trunk)
        >>> trunk.stride
        2
    """

    def __init__(
        self,
        network: Network,
        low: float | Sequence[float] = 0.0,
        high: float | Sequence[float] = 1.0,
        bands: Sequence[int] | str | None = None,
        frozen: bool = True,
        statistics: str = KEPT,
        window: int | None = None,
        vector: bool = False,
        stride: int | None = None,
        standardised: bool = True,
        levels: Sequence[Config] | None = None,
        **kwargs: Any,
    ):
        super().__init__(**{"name": "trunk", **kwargs})
        if isinstance(network, dict):
            with_classes_of(network)
            network = keras.saving.deserialize_keras_object(network)
        if not isinstance(network, keras.Model):
            raise expected("a keras.Model as trunk", type(network).__name__)
        if statistics not in (KEPT, BATCH):
            raise expected(f"statistics {KEPT} or {BATCH}", statistics, "statistics")
        for name, value in (("stride", stride), ("window", window)):
            if value is not None and (type(value) is not int or value < 1):
                raise expected(f"a {name} of 1 pixel or more", value, name)
        side = input_side(network)
        self.network = network
        channels = int(network.input_shape[-1])
        self.low, self.high = (
            of_channels(v, channels, n) for v, n in ((low, "low"), (high, "high"))
        )
        self.bands = checked_bands(bands, channels)
        self.frozen, self.statistics = frozen, statistics
        of_vectors = len(_output_shapes(network)[0]) == 2
        self.vector = vector or of_vectors
        found: list[Level] = []
        if not of_vectors:
            found = measured(network) if levels is None else [Level(**level) for level in levels]
        self.grid = TrunkGrid.of(found, stride, window, side, self.vector)
        self._order = sorted(range(len(found)), key=lambda i: found[i].stride)
        self.standardised = standardised
        network.trainable = not frozen
        self.mixing: Layer | None = None
        if self.bands == LEARNED:
            self.mixing = keras.layers.Conv2D(
                channels,
                1,
                use_bias=False,
                kernel_initializer=first_bands,
                name="bands",
                dtype=self.dtype_policy,
            )
        for layer in network._flatten_layers():
            # A run over several replicas equals one device.
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    def set_policy(self, policy: str | keras.DTypePolicy) -> None:
        """Hand its features on in another precision; the network itself keeps its own."""
        self.dtype_policy = policy
        if self.mixing is not None:
            self.mixing.dtype_policy = policy

    # --- what it says of itself

    @property
    def levels(self) -> tuple[Level, ...]:
        """The network's maps, of the smallest stride first."""
        return self.grid.levels

    @property
    def stride(self) -> int:
        return self.grid.stride

    @property
    def window(self) -> int | None:
        return self.grid.window

    @property
    def align(self) -> int:
        return self.grid.align

    @property
    def receptive_radius(self) -> int:
        return self.grid.radius

    @property
    def border(self) -> int:
        """How many pixels of images are mirrored around it, beyond its own pads."""
        return self.grid.border

    @property
    def features(self) -> int:
        if not self.levels:
            return sum(int(one.shape[-1]) for one in maps_of(self.network.outputs))
        return sum(level.features for level in self.levels)

    @property
    def moves_statistics(self) -> bool:
        """Whether training moves statistics of BatchNormalization."""
        every = self.network._flatten_layers()
        normalises = any(isinstance(one, keras.layers.BatchNormalization) for one in every)
        return normalises and not self.frozen and self.statistics == BATCH

    @property
    def still(self) -> frozenset[int]:
        """The `id` of each weight that no step moves."""
        if self.frozen or self.statistics == KEPT:
            return frozenset(id(v) for v in self.non_trainable_weights)
        return frozenset()

    # --- as a layer

    def build(self, input_shape: tuple[int | None, ...]) -> None:
        if getattr(self, "built", False):
            # As Keras has read it from a file.
            return
        came, channels = input_shape[-1], int(self.network.input_shape[-1])
        if self.bands is None and came != channels:
            raise InputError(
                f"Expected bands=... of a trunk that takes {channels} channels, for images of "
                f"another number: which bands these are, by number from 0, or {LEARNED}; received "
                f"images of {came} bands."
            )
        side = input_side(self.network)
        if (
            self.vector
            and side is not None
            and any(s not in (None, side) for s in input_shape[1:3])
        ):
            wanted = f"images of {side}×{side} pixels, the only ones that the trunk takes"
            raise expected(wanted, f"{input_shape[1]}×{input_shape[2]}", "size")
        if isinstance(self.bands, tuple) and came is not None and max(self.bands) >= came:
            raise expected(f"bands below {came}, of which the images have", self.bands, "bands")
        if self.mixing is not None:
            self.mixing.build(input_shape)
        if self.standardised:
            self.mean, self.deviation = (
                self.add_weight(
                    shape=(self.features,),
                    initializer=kind,
                    trainable=False,
                    dtype="float32",
                    name=name,
                )
                for name, kind in (("mean", "zeros"), ("deviation", "ones"))
            )
            self.fitted_rows = self.add_weight(
                shape=(), initializer="zeros", trainable=False, dtype="float32", name="fitted_rows"
            )
        self.built = True

    @property
    def fitted(self) -> bool:
        """Whether nothing is left to be fitted: dictionaries, and the scale of features."""
        return self.scaled and all(one.fitted for one in dictionaries_of(self.network))

    @property
    def scaled(self) -> bool:
        """Whether features are standardised, or need not be."""
        return not self.standardised or float(ops.convert_to_numpy(self.fitted_rows)) > 0

    def fit(self, sums: NDArray[np.float64], squares: NDArray[np.float64], count: float) -> None:
        """Standardise from now on.

        Args:
            sums: of each feature over all rows, `[features]`.
            squares: of its squares.
            count: of the rows.

        Raises:
            InputError: of no rows.
        """
        if count < 1:
            raise expected("features of valid pixels, to standardise them by", "none")
        mean = sums / count
        deviation = np.sqrt(np.maximum(squares / count - mean**2, 0.0))
        # What never changes says nothing, and must not become large where it does.
        # 1e-6 of a mean is what float32 cannot tell from it.
        least = 1e-6 * np.maximum(deviation.max(initial=0.0), np.abs(mean))
        self.mean.assign(mean)
        self.deviation.assign(np.where(deviation > least, deviation, 1e30))
        self.fitted_rows.assign(count)

    def call(self, x: Tensor, training: bool = False) -> Tensor:
        """Features.

        Args:
            x: images `[batch, height, width, bands]` in 0 to 1.
            training: whether it is trained; a frozen trunk never is.

        Returns:
            `[batch, ⌈height/stride⌉, ⌈width/stride⌉, features]`, or vectors `[batch, features]`,
            in the layer's compute type.
        """
        training = bool(training) and not self.frozen and self.statistics == BATCH
        x = self.shown(x)
        if not self.levels:
            vectors = maps_of(self.network(x, training=training))
            found = ops.concatenate([ops.cast(one, "float32") for one in vectors], -1)
        elif self.vector:
            x = self._padded(x)
            maps = maps_of(self.network(x, training=training))
            found = ops.concatenate(
                [ops.mean(ops.cast(maps[i], "float32"), axis=(1, 2)) for i in self._order], -1
            )
        elif self.window:
            found = in_overlapping_windows(
                lambda parts: self._side_by_side(parts, training), x, self.window, self.stride
            )
        else:
            height, width = ops.shape(x)[1], ops.shape(x)[2]
            found = self._side_by_side(self._padded(x), training)
            found = found[
                :, : steps_covering(height, self.stride), : steps_covering(width, self.stride)
            ]
        if self.standardised:
            found = (ops.cast(found, "float32") - self.mean) / self.deviation
        found = ops.cast(found, self.compute_dtype)
        return ops.stop_gradient(found) if self.frozen and self.mixing is None else found

    def shown(self, x: Tensor) -> Tensor:
        """What the network is shown of images in 0 to 1."""
        if self.mixing is not None:
            x = self.mixing(x)
        elif self.bands is not None:
            x = ops.stack([x[..., i] for i in self.bands], axis=-1)
        x = ops.cast(x, "float32")
        low, high = (ops.convert_to_tensor(v, "float32") for v in (self.low, self.high))
        return low + x * (high - low)

    def _padded(self, x: Tensor) -> Tensor:
        """Mirrored at its lower and right borders to a multiple of all strides."""
        step = math.lcm(self.grid.deepest, self.stride)
        for axis in (1, 2):
            own = x.shape[axis] if x.shape[axis] is not None else tf.shape(x)[axis]
            x = mirrored_to(x, steps_covering(own, step) * step, axis)
        return x

    def _side_by_side(self, x: Tensor, training: bool) -> Tensor:
        """All levels at the trunk's stride, of images of a multiple of the largest.

        They meet at the finest one's stride, where cells are moved back best, and are averaged.
        """
        maps = maps_of(self.network(x, training=training))
        finest = self.grid.finest
        height, width = (
            (x.shape[i] if x.shape[i] is not None else tf.shape(x)[i]) // finest for i in (1, 2)
        )
        found = []
        for level, number in zip(self.levels, self._order, strict=True):
            large = enlarge(maps[number], level.stride // finest, height, width)
            found.append(moved_back(large, round(level.shift / finest), height, width))
        large = ops.concatenate(found, -1)
        factor = self.stride // finest
        return ops.average_pool(large, factor, padding="same") if factor > 1 else large

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        if self.vector:
            return (input_shape[0], self.features)
        sides = [None if s is None else -(-s // self.stride) for s in input_shape[1:3]]
        return (input_shape[0], *sides, self.features)

    def get_config(self) -> Config:
        from dataclasses import asdict

        inverse = sorted(range(len(self.levels)), key=lambda i: self._order[i])
        return {
            **super().get_config(),
            "network": keras.saving.serialize_keras_object(self.network),
            "low": list(self.low),
            "high": list(self.high),
            "bands": list(self.bands) if isinstance(self.bands, tuple) else self.bands,
            "frozen": self.frozen,
            "statistics": self.statistics,
            "window": self.window,
            "vector": self.vector,
            "stride": self.stride,
            "standardised": self.standardised,
            # In the order of the network's outputs.
            "levels": [asdict(self.levels[i]) for i in inverse] or None,
        }


def _output_shapes(network: Network) -> list[tuple[int | None, ...]]:
    return [tuple(one.shape) for one in maps_of(network.outputs)]
