"""The methods by name: what kind of recipe each has, and how it becomes a task."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from iic_tf.data.image_registry import ImageSource
from iic_tf.data.registry import Source, located
from iic_tf.training.clustering import ClusteringTask
from iic_tf.training.clustering_recipe import ClusteringRecipe
from iic_tf.training.infoseg import InfoSegTask
from iic_tf.training.infoseg_recipe import InfoSegRecipe
from iic_tf.training.recipe import Recipe
from iic_tf.training.segmentation import SegmentationTask
from iic_tf.training.segmentation_recipe import SegmentationRecipe
from iic_tf.training.task import Task


def task_of(recipe: Recipe, place: Mapping[str, Any]) -> Task:
    """The task of a recipe on the data set at `place`: values of `Source` or `ImageSource`.

    What the other kind of data set alone knows is left out.

    Raises:
        InputError: anything unfit in the values or files.
    """
    return TASKS[type(recipe)](recipe, place)


def _segmentation(recipe: Any, place: Mapping[str, Any]) -> Task:
    return SegmentationTask(recipe, located(_known(Source, place)))


def _infoseg(recipe: Any, place: Mapping[str, Any]) -> Task:
    return InfoSegTask(recipe, located(_known(Source, place)))


def _clustering(recipe: Any, place: Mapping[str, Any]) -> Task:
    return ClusteringTask(recipe, ImageSource(**_known(ImageSource, place)))


TASKS: dict[type[Recipe], Callable[[Any, Mapping[str, Any]], Task]] = {
    SegmentationRecipe: _segmentation,
    InfoSegRecipe: _infoseg,
    ClusteringRecipe: _clustering,
}


def _known(kind: Any, place: Mapping[str, Any]) -> dict[str, Any]:
    names = {f.name for f in dataclasses.fields(kind)}
    return {name: value for name, value in place.items() if name in names}
