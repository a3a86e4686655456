"""Segmentation as a task: scenes, crops, network C."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from iic_tf.data.registry import Source, load_source
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError
from iic_tf.models.iic_segmenter import IICSegmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.models.turns import MAIN, OVERCLUSTERING
from iic_tf.training.look import draw_found
from iic_tf.training.run import Run
from iic_tf.training.segmentation_recipe import SegmentationRecipe
from iic_tf.training.task import EVALUATION_SEED_OFFSET
from iic_tf.views.pairs import Pairs


class SegmentationTask:
    """A segmentation recipe and the scenes it is trained on.

    Args:
        recipe: all values of the run; its class count goes before the source's.
        source: the data set.

    Raises:
        InputError: a crop not larger than the radius, or anything unfit in the data set.
    """

    def __init__(self, recipe: SegmentationRecipe, source: Source):
        if recipe.radius >= recipe.crop:
            raise InputError(
                f"Expected a crop larger than the radius; received crop={recipe.crop}, "
                f"radius={recipe.radius}."
            )
        self.recipe = recipe
        self.source = dataclasses.replace(source, classes=recipe.classes)
        self.scenes = load_source(self.source)

    def model(self, seed: int) -> IICSegmenter:
        return build_model(self.recipe, self.scenes.channels, seed)

    def pairs(self, seed: int) -> Pairs:
        return build_pairs(self.recipe, self.scenes, seed)

    def fixed_pairs(self, seed: int) -> Pairs:
        fixed = self.recipe.replaced(steps=self.recipe.evaluation_steps)
        return build_pairs(fixed, self.scenes, seed + EVALUATION_SEED_OFFSET)

    def names(self, drawn: dict[str, Any]) -> list[str]:
        return [self.scenes.scenes[i].name for i in drawn["scene"]]

    def facts(self) -> dict[str, Any]:
        scenes = self.scenes
        return {
            "source": dataclasses.asdict(self.source),
            "channels": scenes.channels,
            "low": scenes.low,
            "high": scenes.high,
            "images": len(scenes.scenes),
            "class_names": list(scenes.classes.names) if scenes.classes else None,
        }

    def greeting(self, pairs: Any) -> list[str]:
        scenes, recipe, labelled = self.scenes, self.recipe, self.scenes.labelled
        return [
            f"{scenes.name}: {len(scenes.scenes)} images of {scenes.channels} channels, "
            f"{len(labelled.scenes) if labelled else 0} with masks (used for scores only"
            + (", and to leave pixels of no class out of training)" if recipe.masks else ")"),
            f"{recipe.epochs} epochs of {pairs.steps} steps of {recipe.batch} pairs of "
            f"{recipe.crop}×{recipe.crop}, scale 1/{recipe.downscale}; {recipe.classes} classes, "
            f"{recipe.head_clusters[OVERCLUSTERING]} overclusters",
        ]

    def callbacks(self, run: Run) -> list[keras.callbacks.Callback]:
        return []

    def look(self, run: Run) -> list[str]:
        scenes = self.scenes
        served = ServedSegmenter(run.load_best(), scenes.low, scenes.high, self.recipe.downscale)
        draw_found(run, served, scenes)
        return ["found.png"]


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


def build_pairs(recipe: SegmentationRecipe, scenes: SceneSet, seed: int) -> Pairs:
    """The paired views of a recipe."""
    return Pairs(
        scenes,
        crop=recipe.crop,
        batch=recipe.batch,
        steps=recipe.steps or None,
        seed=seed,
        downscale=recipe.downscale,
        geometry=recipe.geometry,
        photometry=recipe.photometry,
        jitter_x=recipe.jitter_x,
        masks=recipe.masks,
    )
