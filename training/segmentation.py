"""Segmentation by Invariant Information Clustering as a task: network C on crops of scenes."""

from __future__ import annotations

import keras

from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.turns import MAIN, OVERCLUSTERING
from iic_tf.training.scene_task import SceneTask
from iic_tf.training.segmentation_recipe import SegmentationRecipe


class SegmentationTask(SceneTask):
    """A segmentation recipe and the scenes it is trained on."""

    recipe: SegmentationRecipe

    def model(self, seed: int) -> IICSegmenter:
        return build_model(self.recipe, self.scenes.channels, seed)

    @property
    def losses(self) -> str:
        return "−I in nats, from 0 down to −ln k (−(2λ − 1) ln k where λ is not 1)"

    def work(self) -> str:
        return f"{self.recipe.head_clusters[OVERCLUSTERING]} overclusters"


def build_model(recipe: SegmentationRecipe, channels: int, seed: int) -> IICSegmenter:
    """The model of a recipe with the initial weights of a seed, not yet trained."""
    keras.utils.set_random_seed(seed)
    clusters = recipe.head_clusters
    return IICSegmenter(
        classes=clusters[MAIN],
        overclusters=clusters[OVERCLUSTERING],
        channels=channels,
        width=recipe.width,
        sub_heads=recipe.sub_heads,
        inputs=recipe.inputs,
        radius=recipe.radius,
        lamb=recipe.lamb,
        overclustering_lamb=recipe.overclustering_lamb,
        collapsed=recipe.collapsed,
        turns=recipe.turns,
        dtype=recipe.precision,
    )
