"""The values of a segmentation run."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from iic_tf.training.recipe import Recipe
from iic_tf.views.geometry import Geometry
from iic_tf.views.photometry import Photometry


@dataclass(frozen=True)
class SegmentationRecipe(Recipe):
    """Values of a run of Invariant Information Clustering for segmentation.

    Attributes:
        downscale: whole factor by which images are scaled down before anything else.
        crop: side of the training crops after scaling down, pixels.
        radius: half the side of the window of displacements, pixels after scaling down.
        collapsed: one information of the joints summed over displacements.
        geometry, photometry: what g is drawn from.
        jitter_x: draw colours for x too.
        masks: leave pixels of no class out of training.
    """

    method: str = "iic-segmentation"
    downscale: int = 1
    crop: int = 200
    radius: int = 10
    collapsed: bool = False
    geometry: Geometry = dataclasses.field(default_factory=Geometry)
    photometry: Photometry = dataclasses.field(default_factory=Photometry)
    jitter_x: bool = False
    masks: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_least({"downscale": 1, "crop": 2, "radius": 0})
