"""The values that runs on crops of scenes have in common."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

from iic_tf.training.recipe import Recipe
from iic_tf.views.geometry import Geometry
from iic_tf.views.photometry import Photometry


@dataclass(frozen=True)
class SceneRecipe(Recipe):
    """Values of a run on crops of scenes; each method adds its own.

    Attributes:
        downscale: whole factor by which images are scaled down before anything else.
        crop: side of the training crops after scaling down, pixels.
        radius: half the side of the window of displacements, pixels after scaling down.
        collapsed: one information of the joints summed over displacements.
        geometry, photometry: what g is drawn from.
        jitter_x: draw colours for x too.
        masks: leave pixels of no class out of training.
    """

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

    @property
    def displaced(self) -> bool:
        """Whether displaced pixels are compared, so that the radius means something."""
        return True

    @property
    def core(self) -> int | None:
        """Side of the windows that scenes are labelled in, raw pixels; None where any will do."""
        return None
