"""One label for what looks alike: each superpixel gets the label that most of it speaks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import Scene, SceneSet, Valid
from iic_tf.data.windows import Window
from iic_tf.errors import InputError, expected
from iic_tf.export.predictor import NO_DATA
from iic_tf.export.window_maps import Maps, WindowMaps

COMPACTNESS = 0.1
"""Of SLIC, for values from 0 to 1: what a step across a superpixel weighs beside one of value."""

SIDES = (2, 128)
"""The least and the largest side of a superpixel; a window of 512 pixels holds 16 of these."""


def require_superpixels() -> None:
    """Refuse to begin without what makes superpixels.

    Raises:
        InputError: scikit-image is not installed.
    """
    try:
        import skimage  # noqa: F401
    except ImportError as error:
        raise InputError(
            f"Expected the package scikit-image for smooth labels; received no {error.name}. "
            "Install it: pip install 'iic_tf[smooth]'."
        ) from error


def check_side(side: int) -> None:
    """Refuse sides of superpixels that make no sense.

    Raises:
        InputError: one outside of `SIDES`.
    """
    least, most = SIDES
    if not least <= side <= most:
        raise expected(f"--smooth from {least} to {most}, pixels a side of a superpixel", side)


def superpixels(pixels: NDArray[np.float32], side: int) -> NDArray[np.int64]:
    """Parts of an image that look alike, by SLIC (Achanta et al. 2012) over all bands.

    Args:
        pixels: values `[height, width, bands]` in 0 to 1.
        side: of a superpixel, in pixels, about.

    Returns:
        Numbers from 0 on, `[height, width]`; each superpixel is connected.
    """
    from skimage.segmentation import slic

    height, width = pixels.shape[:2]
    count = max(1, round(height * width / side**2))
    if count == 1:
        return np.zeros((height, width), np.int64)
    found = slic(
        pixels,
        n_segments=count,
        compactness=COMPACTNESS,
        channel_axis=-1,
        convert2lab=False,
        start_label=0,
    )
    return np.asarray(found, np.int64)


def vote(
    parts: NDArray[np.int64],
    labels: NDArray[np.uint8],
    confidence: NDArray[np.float32],
    clusters: int,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Give all of each part the label with the largest sum of confidence.

    Pixels without data have no vote and stay so.

    Args:
        parts: numbers from 0 on, `[height, width]`.
        labels: uint8 `[height, width]`; `NO_DATA` where there is none, of at most 255 clusters.
        confidence: the largest probability, `[height, width]`.
        clusters: how many labels there are.

    Returns:
        Labels, and that sum over the pixels of the part that hold data: what the label has for
        sure of the mean probability there, `[height, width]`.

    Examples:
        >>> parts = np.array([[0, 0, 0, 1]])
        >>> labels = np.array([[0, 0, 1, 1]], np.uint8)
        >>> vote(parts, labels, np.array([[0.6, 0.5, 0.9, 1.0]], np.float32), 2)[0]
        array([[0, 0, 0, 1]], dtype=uint8)
    """
    there = np.ones(labels.shape, bool) if clusters > NO_DATA else labels != NO_DATA
    count = int(parts.max()) + 1
    cells = parts[there] * clusters + labels[there]
    votes = np.bincount(cells, confidence[there], count * clusters).reshape(count, clusters)
    pixels = np.bincount(parts[there], minlength=count)
    sure = votes.max(1) / np.maximum(pixels, 1)
    return (
        np.where(there, votes.argmax(1).astype(np.uint8)[parts], labels),
        np.where(there, sure.astype(np.float32)[parts], np.float32(0)),
    )


def smooth(
    found: Maps, pixels: NDArray[np.float32], valid: Valid, clusters: int, side: int
) -> Maps:
    """Maps in which each superpixel of the pixels has one label; see `superpixels` and `vote`.

    Args:
        found: those as a model makes them.
        pixels: what they are of, `[height, width, bands]` in 0 to 1.
        valid: which pixels hold data, `[height, width]`; None: all.
        clusters: how many labels there are.
        side: of a superpixel, in pixels, about.
    """
    shown = np.nan_to_num(np.clip(pixels, 0.0, 1.0))
    if valid is not None:
        # What stands where there is no data is not to part what there is.
        shown[~valid] = 0.0
    return Maps(*vote(superpixels(shown, side), found.labels, found.confidence, clusters))


class Smoothed:
    """Maps in which a superpixel has one label.

    Superpixels are those of a window's core, which lies at a fixed place of the scene.

    Args:
        maps: those to be smoothed.
        scenes: the set, under the value range of the run.
        clusters: how many labels there are.
        side: of a superpixel, in pixels of the scene.
    """

    def __init__(self, maps: WindowMaps, scenes: SceneSet, clusters: int, side: int):
        self._maps = maps
        self._scenes = scenes
        self._clusters = clusters
        self._side = side

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """Those of the scene."""
        return self._maps.sums(scene)

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """The maps of a window's core."""
        found = self._maps.core(window, pixels, valid, sums)
        inner = window.inner
        shown = self._scenes.normalise(pixels[inner])
        own = None if valid is None else valid[inner]
        return smooth(found, shown, own, self._clusters, self._side)
