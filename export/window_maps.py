"""What is found in the windows of a scene, and where it comes from."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.scene import Scene, Valid, with_nan
from iic_tf.data.windows import Window
from iic_tf.export.clip import Inside
from iic_tf.export.predictor import NO_DATA, Predictor


class Maps(NamedTuple):
    """What is found in a window's core.

    Attributes:
        labels: uint8 `[height, width]`, from 0 on, `NO_DATA` where there is none.
        confidence: float32 `[height, width]`, the largest probability; 0 where there is no data.
        percent: uint8 `[height, width, labels]`, all probabilities in percent, likewise `NO_DATA`;
            None where they were not asked for.
    """

    labels: NDArray[np.uint8]
    confidence: NDArray[np.float32]
    percent: NDArray[np.uint8] | None = None


class WindowMaps(Protocol):
    """Where maps of windows come from."""

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """What sums up the scene as a whole, `[1, scene_features]`."""
        ...

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """The maps of a window's core.

        Args:
            window: one of the scene's.
            pixels: raw values of the outer window, `[height, width, channels]`.
            valid: which of them hold data.
            sums: of the scene; None where the window shows all of it.
        """
        ...


class ByModel:
    """Maps as a model makes them."""

    def __init__(self, predictor: Predictor):
        self._predictor = predictor

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """The model's."""
        return self._predictor.sums(scene)

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """The maps of a window's core."""
        labels, best, every = self._predictor.maps(with_nan(pixels, valid), sums)
        inner = window.inner
        return Maps(labels[inner], best[inner], None if every is None else every[inner])


class Clipped:
    """Maps of what lies inside of polygons; all else is no data.

    The model sees what surrounds them: labels inside are those of the whole scene. Where nothing of
    a window lies inside it is not asked.

    Args:
        maps: those of the whole scene.
        inside: the polygons.
        bands: how many probabilities a pixel has; None where they were not asked for.
    """

    def __init__(self, maps: WindowMaps, inside: Inside, bands: int | None = None):
        self._maps = maps
        self._inside = inside
        self._bands = bands

    def sums(self, scene: Scene) -> NDArray[np.float32]:
        """Those of the whole scene."""
        return self._maps.sums(scene)

    def core(
        self,
        window: Window,
        pixels: NDArray[np.generic],
        valid: Valid,
        sums: NDArray[np.float32] | None,
    ) -> Maps:
        """The maps of a window's core."""
        inside = self._inside.core(window)
        if not inside.any():
            nothing = np.full(inside.shape, NO_DATA, np.uint8)
            every = None if self._bands is None else nothing[..., None].repeat(self._bands, -1)
            return Maps(nothing, np.zeros(inside.shape, np.float32), every)
        labels, best, every = self._maps.core(window, pixels, valid, sums)
        return Maps(
            np.where(inside, labels, np.uint8(NO_DATA)),
            np.where(inside, best, np.float32(0)),
            None if every is None else np.where(inside[..., None], every, np.uint8(NO_DATA)),
        )
