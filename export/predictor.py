"""What labels a window of a scene, whichever runtime computes it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import Scene, has_nodata
from iic_tf.data.windows import Window, windows
from iic_tf.errors import InputError
from iic_tf.training.whole_scene import CORE

NO_DATA = 255
"""The label, in files, of pixels that hold no data."""

Maps = tuple[NDArray[np.uint8], NDArray[np.float32], NDArray[np.uint8] | None]
"""Labels, the largest probability, and all of them in percent where they were asked for."""


class Predictor(ABC):
    """Labels and confidence of a segmenter; labels go from 0 on, whatever numbers classes have.

    Args:
        clusters: how many labels there are.
        margin: raw pixels that windows must show around what is kept of them.
        align: raw pixels; windows begin at multiples of it.
    """

    def __init__(self, clusters: int, margin: int, align: int):
        self.clusters = clusters
        self.margin = margin
        self.align = align

    @abstractmethod
    def maps(self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None) -> Maps:
        """Labels and largest probability, as from a call, and the probabilities of all labels.

        These are in percent, `[height, width, clusters]`, `NO_DATA` where a pixel has NaN; None
        unless they were asked for when this was made.
        """

    @abstractmethod
    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """What labels of its windows depend on beside them, `[1, numbers]`; perhaps of none."""

    def __call__(
        self, pixels: NDArray[np.generic], sums: NDArray[np.float32] | None = None
    ) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
        """Raw `[height, width, channels]` → labels uint8 and largest probability, at that size.

        Where a pixel has NaN the label is `NO_DATA` and the probability 0.

        Args:
            pixels: raw values of a window.
            sums: of the scene that it is a window of, by `sums`; None: it is all.
        """
        labels, confidence, _ = self.maps(pixels, sums)
        return labels, confidence

    def percent(
        self, labels: NDArray[np.uint8], confidence: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        """The largest probability in percent, `NO_DATA` where there is none."""
        percent = np.rint(100 * confidence).astype(np.uint8)
        if self.clusters <= NO_DATA:
            percent[labels == NO_DATA] = NO_DATA
        return percent

    def windows(self, scene: Scene, factor: int = 1, core: int = CORE) -> Iterator[Window]:
        """Windows whose labels are those of the whole scene, given its sums.

        Args:
            scene: what is gone over.
            factor: cores begin at multiples of it, besides those that pooling asks for.
            core: side of a core, in pixels, before rounding up.
        """
        step = math.lcm(self.align, factor)
        rounded = -(-core // step) * step
        return windows(scene.height, scene.width, rounded, self.margin, self.align)

    def require(self, scene: Scene) -> None:
        """Refuse what cannot be labelled.

        Raises:
            InputError: an image that may hold no data in parts, where all numbers of label files
                are taken.
        """
        if self.clusters > NO_DATA and has_nodata(scene):
            raise InputError(
                f"Expected at most {NO_DATA} clusters for images with pixels of no data, whose "
                f"label is {NO_DATA}; received {self.clusters} and '{scene.name}'."
            )
