"""A model as predictions ask it, be it a run's own or an export."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts
from iic_tf.export.legend import Legend
from iic_tf.export.predictor import Predictor


@dataclass(frozen=True)
class SceneModel:
    """A segmenter.

    Attributes:
        what: what it is, for messages, as `run runs/mine`.
        predictor: labels windows of scenes.
        legend: names, colours and numbers of its labels.
        low, high: raw values `[channels]` that become 0 and 1.
        fill: float32 `[channels]` in 0 to 1, what it sees where there is no data, if that is known.
        bands: which bands of files it was trained on, as `--bands` gave them; None: all.
        config: of the run, where it comes from one.
        notes: what the user has to know of it, a line each.
        digest: by which it is told from others.
    """

    what: str
    predictor: Predictor
    legend: Legend
    low: NDArray[np.float32]
    high: NDArray[np.float32]
    fill: NDArray[np.float32] | None = None
    bands: str | None = None
    config: Facts = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    digest: str = ""

    @property
    def channels(self) -> int:
        """Of the images that it labels."""
        return len(self.low)


@dataclass(frozen=True)
class ImageModel:
    """A clusterer, which labels whole images.

    Attributes:
        what: what it is, for messages.
        probabilities: of images uint8 `[n, side, side, channels]`, float32 `[n, k]`.
        names: of its labels.
        numbers: int32 `[k]`, what stands for each.
        named: whether these are classes that somebody named.
        channels: of the images.
        side: what the shorter side of images is scaled to, in pixels.
        background: what shows where images are transparent, see `iic_tf.data.image_folder`.
        config: of the run, where it comes from one.
    """

    what: str
    probabilities: Callable[[NDArray[np.uint8]], NDArray[np.float32]]
    names: tuple[str, ...]
    numbers: NDArray[np.int32]
    named: bool
    channels: int
    side: int
    background: Any
    config: Facts = field(default_factory=dict)
