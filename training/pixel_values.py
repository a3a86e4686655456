"""What k-means is given of images: colours, local statistics, the features of a trunk."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.annotations import Tensor
from iic_tf.graphs import as_graph
from iic_tf.models.local_statistics import local_statistics, statistics_radius

if TYPE_CHECKING:
    from iic_tf.models.self_supervised import SelfSupervised

COMPONENTS = 8
"""Principal components of local statistics that k-means is given."""


class PixelValues(Protocol):
    """Numbers for each cell of an image as the network sees it.

    Attributes:
        stride: pixels to a cell.
        align: parts of an image begin at multiples of so many pixels.
        radius: how far, in pixels, a cell's numbers depend on others.
    """

    stride: int
    align: int
    radius: int

    def of(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        """`[height, width, channels]` in 0 to 1 → `[⌈height/stride⌉, ⌈width/stride⌉, values]`."""
        ...

    def fit(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Learn a scale of a sample `[n, values]`; what k-means is given of it."""
        ...

    def scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same of other values, `[..., values]`."""
        ...


class Colours:
    """The bands themselves, without a look at their surroundings."""

    stride = align = 1
    radius = 0

    def of(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        return seen

    def fit(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values

    def scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        return values


class Statistics:
    """Means and deviations of windows of 5, 11 and 21 pixels, as people make them by hand.

    Standardised, then their first eight principal components.
    """

    stride = align = 1

    def __init__(self) -> None:
        self.radius = statistics_radius()
        self._graph: Callable[..., Tensor] | None = None

    def of(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        if self._graph is None:
            spec = tf.TensorSpec((1, None, None, seen.shape[-1]), tf.float32)
            self._graph = as_graph(local_statistics, input_signature=[spec])
        return _first(self._graph(tf.constant(seen[None])))

    def fit(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        deviation = values.std(0)
        self._mean = values.mean(0)
        self._scale = np.where(deviation > 0, deviation, 1).astype(np.float32)
        rows = (values - self._mean) / self._scale
        _, vectors = np.linalg.eigh(rows.T.astype(np.float64) @ rows)
        self._axes = vectors[:, ::-1][:, :COMPONENTS].astype(np.float32)
        return self.scaled(values)

    def scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = ((values - self._mean) / self._scale) @ self._axes
        return found


class TrunkFeatures:
    """What a trunk makes of images, each feature standardised.

    Args:
        model: a `Segmenter`.
    """

    def __init__(self, model: SelfSupervised):
        self.stride = int(model.trunk.stride)
        self.align = int(model.window_align)
        self.radius = int(model.window_radius)
        spec = tf.TensorSpec((1, None, None, model.channels), tf.float32)
        self._graph = as_graph(
            lambda seen: tf.cast(model.features(seen), tf.float32), input_signature=[spec]
        )

    def of(self, seen: NDArray[np.float32]) -> NDArray[np.float32]:
        return _first(self._graph(tf.constant(seen[None])))

    def fit(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        deviation = values.std(0)
        self._mean = values.mean(0)
        self._scale = np.where(deviation > 0, deviation, np.inf).astype(np.float32)
        return self.scaled(values)

    def scaled(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        found: NDArray[np.float32] = (values - self._mean) / self._scale
        return found


def _first(found: Tensor) -> NDArray[np.float32]:
    return np.asarray(found[0], np.float32)
