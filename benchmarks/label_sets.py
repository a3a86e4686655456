"""Four labelled sets, a run of each, and what their labels are learned from."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from real_data import DATA, placed

from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import IGNORE, Scene, SceneSet, read_with_valid, with_nan
from iic_tf.models.linear_head import LinearHead
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.best_model import best_model
from iic_tf.training.labelled_points import LabelledPoints, labelled_points
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import labelled_scenes
from iic_tf.training.tasks.segmentation import SegmentationTask
from iic_tf.turns import OVERCLUSTERING

POOL = 120_000
"""Labelled pixels of a set that are learned from and scored on."""

SETS: dict[str, list[str]] = {
    "dubai": [*DATA["Dubai-5"], "--recipe", "aerial-cpu"],
    "s2": [*DATA["s2_india_rgbir"], "--recipe", "satellite-cpu"],
    "facade": [
        *("--data", "labelmefacade/images", "--masks", "labelmefacade/labels"),
        *("--class-file", "facade-3.yaml", "--classes", "3", "--recipe", "folder"),
    ],
    "camvid": [
        *("--data", "camvid/images", "--masks", "camvid/labels"),
        *("--class-file", "camvid-3.yaml", "--classes", "3", "--recipe", "folder"),
    ],
}


@dataclass(frozen=True)
class Labelled:
    """A set with its trained model, and a pool of its labelled pixels.

    Attributes:
        places: rows and columns `[pixels, 2]` of the pool.
        clusters: the overcluster of each, `[pixels]`.
        colours: what the network sees there, `[pixels, channels]`.
    """

    recipe: Any
    model: Any
    head: LinearHead
    scenes: SceneSet
    points: LabelledPoints
    places: NDArray[np.int64]
    clusters: NDArray[np.int64]
    overclusters: int

    @property
    def classes(self) -> int:
        return self.head.classes

    @property
    def statistics(self) -> NDArray[np.float32]:
        return self.points.inputs[:, -self.head.statistics :]

    @property
    def colours(self) -> NDArray[np.float32]:
        return self.statistics[:, : self.scenes.channels]


@dataclass(frozen=True)
class Pointed:
    """A scene of which a few pixels alone are labelled."""

    scene: Scene
    mask: NDArray[np.int32] | None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.scene, name)

    @property
    def has_mask(self) -> bool:
        return self.mask is not None

    def read_mask(self, top: int, left: int, height: int, width: int) -> NDArray[np.int32]:
        assert self.mask is not None
        return self.mask[top : top + height, left : left + width]


def trained(name: str, data: Path, runs: Path) -> Run:
    """The run of a set, trained with seed 0 where it is not there."""
    folder = runs / name
    if not (folder / "best.keras").is_file():
        options = ["--dataset", "folder", *placed(SETS[name], data), "--seed", "0"]
        command = [sys.executable, "-m", "iic_tf.cli", "train", *options, "--out", str(folder)]
        subprocess.run([*command, "--overwrite"], check=True)
    return Run.open(folder)


def opened(name: str, data: Path, runs: Path) -> Labelled:
    """A set with its pool, the same each time."""
    run = trained(name, data, runs)
    recipe: Any = run_recipe(run)
    model = best_model(run, recipe.model_class)
    scenes = labelled_scenes(source_from_dict(run.config()["source"]).load(), run.config())
    assert scenes.classes is not None
    head = LinearHead(len(scenes.classes), model.trunk.features, model.channels)
    by_scene = _pool(scenes)
    points = labelled_points(model, head, scenes, recipe.downscale, places=by_scene)
    places = np.concatenate(by_scene)
    if len(points) != len(places):
        raise SystemExit(f"Expected labels where there is data; received {points.notes}.")
    served = SegmentationTask.served(run, model, recipe)
    clusters = _clusters(served, scenes, by_scene)
    count = model.clusters[OVERCLUSTERING]
    return Labelled(recipe, model, head, scenes, points, places, clusters, count)


def with_points(given: Labelled, which: NDArray[np.int64]) -> SceneSet:
    """The images that these pixels of the pool are on, with labels there alone."""
    scenes = []
    for number in np.unique(given.points.images[which]):
        scene = given.scenes.scenes[number]
        own = which[given.points.images[which] == number]
        mask = np.full((scene.height, scene.width), IGNORE, np.int32)
        mask[tuple(given.places[own].T)] = given.points.classes[own]
        scenes.append(Pointed(scene, mask))
    return replace(given.scenes, scenes=tuple(scenes))


def _pool(scenes: SceneSet) -> list[NDArray[np.int64]]:
    """Every labelled pixel of all images as likely, in an order by chance."""
    rng = np.random.default_rng(0)
    labelled = [np.argwhere(_mask(scene) != IGNORE) for scene in scenes.scenes]
    share = min(1.0, POOL / sum(map(len, labelled)))
    return [found[rng.permutation(len(found))[: round(share * len(found))]] for found in labelled]


def _mask(scene: Scene) -> NDArray[np.int32]:
    whole = (0, 0, scene.height, scene.width)
    mask = scene.read_mask(*whole)
    _, valid = read_with_valid(scene, *whole)
    return mask if valid is None else np.where(valid, mask, IGNORE)


def _clusters(
    served: ServedSegmenter, scenes: SceneSet, places: list[NDArray[np.int64]]
) -> NDArray[np.int64]:
    graph = tf.function(
        lambda pixels: tf.argmax(served.maps(pixels, OVERCLUSTERING)[0][0], -1),
        input_signature=[tf.TensorSpec((1, None, None, scenes.channels), tf.float32)],
    )
    found = []
    for scene, own in zip(scenes.scenes, places, strict=True):
        raw = with_nan(*read_with_valid(scene, 0, 0, scene.height, scene.width))
        found.append(np.asarray(graph(tf.constant(raw[None])))[tuple(own.T)])
    return np.concatenate(found)
