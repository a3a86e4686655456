"""What tasks on crops of scenes have in common."""

from __future__ import annotations

import dataclasses
from typing import Any

from iic_tf.data.registry import Source, load_source
from iic_tf.data.scene import SceneSet
from iic_tf.errors import InputError
from iic_tf.models.segmenter import Segmenter
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.dim_images import dim_note
from iic_tf.training.look import draw_found
from iic_tf.training.run import Run
from iic_tf.training.scene_recipe import SceneRecipe
from iic_tf.training.task import EVALUATION_SEED_OFFSET
from iic_tf.views.pairs import Pairs


class SceneTask:
    """A recipe and the scenes it is trained on; a method says in `model` what is trained.

    Args:
        recipe: all values of the run; its class count goes before the source's.
        source: the data set.

    Raises:
        InputError: a crop not larger than the radius, or anything unfit in the data set.
    """

    recipe: SceneRecipe

    def __init__(self, recipe: SceneRecipe, source: Source):
        if recipe.displaced and recipe.radius >= recipe.crop:
            raise InputError(
                f"Expected a crop larger than the radius; received crop={recipe.crop}, "
                f"radius={recipe.radius}."
            )
        self.recipe = recipe
        self.source = dataclasses.replace(source, classes=recipe.classes)
        self.scenes = load_source(self.source)

    def model(self, seed: int) -> Segmenter:
        raise NotImplementedError

    @property
    def losses(self) -> str:
        """What the shown losses are, and their range."""
        raise NotImplementedError

    def work(self) -> str:
        """What the model is, in a few words, behind the number of classes."""
        raise NotImplementedError

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
            f"{self.work()}",
            *self._notes(),
        ]

    def _notes(self) -> list[str]:
        # Files of a folder alone can be stretched.
        advised = self.source.dataset == "folder" and not self.source.stretch
        return dim_note(self.scenes) if advised else []

    def callbacks(self, run: Run, seed: int) -> list[Any]:
        return []

    def look(self, run: Run) -> list[str]:
        scenes, recipe = self.scenes, self.recipe
        served = ServedSegmenter(
            run.load_best(), scenes.low, scenes.high, recipe.downscale, recipe.core
        )
        draw_found(run, served, scenes)
        return ["found.png"]


def build_pairs(recipe: SceneRecipe, scenes: SceneSet, seed: int) -> Pairs:
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
