"""The scores of a run on scenes: pixels of labelled ones, window by window."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.registry import load_source, located
from iic_tf.data.scene import SceneSet
from iic_tf.data.windows import windows
from iic_tf.errors import InputError, expected
from iic_tf.metrics import confusion_matrix
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.folds import Found, deal
from iic_tf.training.infoseg import build_infoseg
from iic_tf.training.infoseg_recipe import InfoSegRecipe
from iic_tf.training.labellers import KMeansLabeller, Labeller, NetworkLabeller
from iic_tf.training.recipe import Recipe
from iic_tf.training.run import Run
from iic_tf.training.scene_recipe import SceneRecipe
from iic_tf.training.segmentation import build_model
from iic_tf.training.segmentation_recipe import SegmentationRecipe

WINDOW = 512

BUILDERS: dict[type[Recipe], Callable[[Any, int, int], Any]] = {
    SegmentationRecipe: build_model,
    InfoSegRecipe: build_infoseg,
}
"""How the untrained model of a recipe is made, of channels and a seed."""


class SegmentationScores:
    """What there is to score of a run on scenes.

    Args:
        run: a trained run.
        places: where else to look, by the names of `Source`; what is left out stays as it was in
            training.
        folds: how many.

    Raises:
        InputError: nothing labelled, or data missing.
    """

    unit = "pixels"
    baselines = ("kmeans", "untrained")

    def __init__(self, run: Run, places: Mapping[str, str], folds: int):
        self.run = run
        self.config = run.config()
        recipe = run.recipe()
        assert isinstance(recipe, SceneRecipe)
        self.recipe = recipe
        source = {**self.config["source"], "classes": recipe.classes, **places}
        self.scenes = labelled_scenes(load_source(located(source)), self.config)
        self.names = self.scenes.classes.names  # type: ignore[union-attr]
        self.images = len(self.scenes.scenes)
        self.fold_images = deal([s.name for s in self.scenes.scenes], folds, self.config["seed"])
        self.folds = len(self.fold_images)

    def found(self, which: str) -> Found:
        """The confusion matrices of `trained`, `untrained` or `kmeans`."""
        return confusions(self._labeller(which), self.scenes, self.fold_images)

    def draw(self, mapping: NDArray[np.integer]) -> list[str]:
        """Nothing beside the confusion pictures."""
        return []

    def _labeller(self, which: str) -> Labeller:
        recipe, config = self.recipe, self.config
        if which == "kmeans":
            clusters = recipe.head_clusters
            return KMeansLabeller(self.scenes, recipe.downscale, clusters, config["seed"])
        model = (
            self.run.load_best()
            if which == "trained"
            else BUILDERS[type(recipe)](recipe, config["channels"], config["seed"])
        )
        low, high = config["low"], config["high"]
        return NetworkLabeller(ServedSegmenter(model, low, high, recipe.downscale, recipe.core))


def labelled_scenes(scenes: SceneSet, config: dict[str, Any]) -> SceneSet:
    """The scenes with masks, under the value range that the run was trained with."""
    labelled = scenes.labelled
    if labelled is None:
        raise InputError(
            f"Expected images with masks to score against; received none in '{scenes.name}' "
            f"({config['source'].get('data')}). Give --masks (and --class-file), or look with "
            "iic-tf predict."
        )
    if labelled.channels != config["channels"]:
        raise expected(f"images of {config['channels']} channels", labelled.channels, "channels")
    low, high = (np.asarray(config[key], np.float32) for key in ("low", "high"))
    return replace(labelled, low=low, high=high)


def confusions(labeller: Labeller, scenes: SceneSet, parts: Sequence[Sequence[str]]) -> Found:
    """Go over all labelled scenes window by window."""
    fold_of = {name: i for i, part in enumerate(parts) for name in part}
    found = Found([{} for _ in parts])
    for scene in scenes.scenes:
        fold = found.folds[fold_of[scene.name]]
        core = labeller.core or WINDOW
        for window in windows(scene.height, scene.width, core, labeller.margin, labeller.align):
            labels = labeller.labels(scene.read(*window.outer))
            truth = scene.read_mask(window.top, window.left, window.height, window.width)
            for head in labeller.clusters:
                for i, map_ in enumerate(labels[head]):
                    matrix = confusion_matrix(
                        truth,
                        map_[window.inner],
                        len(scenes.classes),  # type: ignore[arg-type]
                        labeller.clusters[head],
                    )
                    maps = fold.setdefault(head, [])
                    if len(maps) == i:
                        maps.append(np.zeros_like(matrix))
                    maps[i] += matrix
    return found
