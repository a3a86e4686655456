"""Clustering of whole images as a task: image sets, crops with copies, networks A and B."""

from __future__ import annotations

import dataclasses
from typing import Any

import keras

from iic_tf.data.image_registry import ImageSource, load_images
from iic_tf.models.iic_clusterer import IICClusterer
from iic_tf.models.turns import MAIN, OVERCLUSTERING
from iic_tf.training.circle import DrawCircle
from iic_tf.training.cluster_pictures import draw_clusters, draw_joint
from iic_tf.training.clustering_recipe import ClusteringRecipe
from iic_tf.training.run import Run
from iic_tf.training.task import EVALUATION_SEED_OFFSET
from iic_tf.views.image_pairs import ImagePairs


class ClusteringTask:
    """A clustering recipe and the images it is trained on.

    Args:
        recipe: all values of the run.
        source: the data set.

    Raises:
        InputError: anything unfit in the data set, or views that do not fit its images.
    """

    def __init__(self, recipe: ClusteringRecipe, source: ImageSource):
        self.recipe = recipe
        self.source = dataclasses.replace(source, side=recipe.side)
        self.images = load_images(self.source)

    def model(self, seed: int) -> IICClusterer:
        return build_clusterer(self.recipe, self.images.channels, seed)

    def pairs(self, seed: int) -> ImagePairs:
        return self._pairs(seed, self.recipe.steps, self.recipe.turns)

    def fixed_pairs(self, seed: int) -> ImagePairs:
        # Of ordinary images only, whoever's turn it is.
        return self._pairs(seed + EVALUATION_SEED_OFFSET, self.recipe.evaluation_steps, (MAIN,))

    def _pairs(self, seed: int, steps: int, turns: tuple[str, ...]) -> ImagePairs:
        return ImagePairs(
            self.images,
            batch=self.recipe.batch,
            repeats=self.recipe.repeats,
            x=self.recipe.x,
            gx=self.recipe.gx,
            seed=seed,
            steps=steps or None,
            turns=turns,
        )

    def names(self, drawn: dict[str, Any]) -> list[str]:
        files = self.images.files
        return [
            files[i] if files is not None and i < len(files) else f"number {i}"
            for i in drawn["image"]
        ]

    def facts(self) -> dict[str, Any]:
        images = self.images
        return {
            "source": dataclasses.asdict(self.source),
            "channels": images.channels,
            "height": images.height,
            "width": images.width,
            "images": len(images),
            "class_names": list(images.class_names) if images.class_names else None,
        }

    @property
    def losses(self) -> str:
        return "−I in nats, from 0 down to −ln k (−(2λ − 1) ln k where λ is not 1)"

    def greeting(self, pairs: Any) -> list[str]:
        images, recipe = self.images, self.recipe
        extra = images.pool(extra=True) - len(images)
        overclusters = recipe.head_clusters[OVERCLUSTERING] if recipe.overclustering else "no"
        return [
            f"{images.name}: {len(images)} images of {images.height}×{images.width}, "
            f"{images.channels} channels"
            + (f", {extra} more for the overclustering head" if extra else "")
            + (", labels used for scores only" if images.labelled else ", no labels"),
            f"{recipe.epochs} epochs of {pairs.steps} steps of {recipe.batch} images with "
            f"{recipe.repeats} copies each, views of {recipe.x.size}×{recipe.x.size}; network "
            f"{recipe.network}, {recipe.classes} classes, {overclusters} overclusters, "
            f"{recipe.sub_heads} sub-heads each",
        ]

    def callbacks(self, run: Run, seed: int) -> list[Any]:
        return [DrawCircle(run, self.images, self.recipe.x, seed)]

    def look(self, run: Run) -> list[str]:
        model = run.load_best()
        found = draw_clusters(run, model, self.images, self.recipe.x)
        found += draw_joint(run, model, self.fixed_pairs(run.config()["seed"]))
        return [*found, "circle.gif"]


def build_clusterer(recipe: ClusteringRecipe, channels: int, seed: int) -> IICClusterer:
    """The model of a recipe with the initial weights of a seed, not yet trained."""
    keras.utils.set_random_seed(seed)
    clusters = recipe.head_clusters
    return IICClusterer(
        classes=clusters[MAIN],
        overclusters=clusters[OVERCLUSTERING] if recipe.overclustering else 0,
        channels=channels,
        size=recipe.x.size,
        network=recipe.network,
        width=recipe.width,
        sub_heads=recipe.sub_heads,
        inputs=recipe.inputs,
        lamb=recipe.lamb,
        overclustering_lamb=recipe.overclustering_lamb,
        turns=recipe.turns,
        dtype=recipe.precision,
    )
