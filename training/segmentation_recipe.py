"""The values of a segmentation run by Invariant Information Clustering."""

from __future__ import annotations

from dataclasses import dataclass

from iic_tf.training.scene_recipe import SceneRecipe


@dataclass(frozen=True)
class SegmentationRecipe(SceneRecipe):
    """Values of a run of Invariant Information Clustering for segmentation."""

    method: str = "iic-segmentation"
