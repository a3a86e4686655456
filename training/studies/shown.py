"""What a run of a comparison is shown on: the same windows, or the same images, for all methods."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.scene import IGNORE, SceneSet, read_with_valid, with_nan
from iic_tf.graphs import as_graph
from iic_tf.models.served import holds_data
from iic_tf.pictures import to_rgb
from iic_tf.training.atomic import replacing
from iic_tf.training.best_model import best_model
from iic_tf.training.cluster_sample import cluster_sample, predictor
from iic_tf.training.run import Run
from iic_tf.training.survey import NOTHING
from iic_tf.training.tasks.registry import TASKS
from iic_tf.training.whole_scene import scene_summing

if TYPE_CHECKING:
    from iic_tf.models.clusterer import Clusterer
    from iic_tf.models.served import ServedSegmenter
    from iic_tf.training.recipe import Recipe

WINDOWS = 4
"""Scenes that are shown, spread evenly over all labelled ones, or over all."""

SIDE = 384
"""Of a window in the middle of a scene, pixels of the scene."""

IMAGES = 80
"""Whole images that are shown, drawn by seed 0 whatever the run's."""


@dataclass(frozen=True)
class Shown:
    """What is shown of a run.

    Attributes:
        pictures: uint8 `[h, w, 3]`, windows or images.
        labels: clusters of the main head, uint8 `[h, w]` of windows, whole numbers of images; 255
            is no data.
        truth: classes likewise, `IGNORE` where none is known; empty without labels.
        names: of scenes; empty for images.
    """

    pictures: list[NDArray[np.uint8]]
    labels: list[NDArray[np.integer]]
    truth: list[NDArray[np.integer]]
    names: list[str]


def save_shown(path: Path, run: Run, recipe: Recipe, task: Any) -> None:
    """Label the windows, or images, with a trained run and keep them, whole or not at all."""
    model = best_model(run, recipe.model_class)
    if hasattr(task, "scenes"):
        found = _of_scenes(TASKS[recipe.task].served(run, model, recipe), task.scenes)
    else:
        found = _of_images(model, recipe, task.images)
    arrays: dict[str, Any] = {"names": np.array(found.names, str)}
    for kind in ("pictures", "labels", "truth"):
        for number, one in enumerate(getattr(found, kind)):
            arrays[f"{kind}-{number}"] = one
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez_compressed(file, **arrays)


def load_shown(path: Path) -> Shown:
    """What was kept."""
    with np.load(path) as file:

        def those(kind: str) -> list[Any]:
            count = sum(name.startswith(f"{kind}-") for name in file.files)
            return [file[f"{kind}-{number}"] for number in range(count)]

        names = [str(name) for name in file["names"]]
        return Shown(those("pictures"), those("labels"), those("truth"), names)


def _of_scenes(served: ServedSegmenter, every: SceneSet) -> Shown:
    scenes = every.labelled or every

    @as_graph(  # type: ignore[untyped-decorator]
        input_signature=[
            tf.TensorSpec((1, None, None, scenes.channels), tf.float32),
            tf.TensorSpec((1, served.scene_features), tf.float32),
        ]
    )
    def label(pixels: tf.Tensor, sums: tf.Tensor) -> Any:
        found = tf.argmax(served.probabilities(pixels, sums)[0], -1, tf.int32)
        return tf.cast(tf.where(holds_data(pixels)[0, ..., 0], found, NOTHING), tf.uint8)

    summing = scene_summing(served)
    shown = Shown([], [], [], [])
    count = min(WINDOWS, len(scenes.scenes))
    for index in np.linspace(0, len(scenes.scenes) - 1, count).round().astype(int):
        scene = scenes.scenes[index]
        height, width = min(SIDE, scene.height), min(SIDE, scene.width)
        top, left = (scene.height - height) // 2, (scene.width - width) // 2
        raw, valid = read_with_valid(scene, top, left, height, width)
        found = label(tf.constant(with_nan(raw, valid)[None], tf.float32), summing(scene))
        shown.names.append(scene.name)
        shown.pictures.append(to_rgb(scenes.normalise(raw)[..., list(scenes.rgb)], stretch=True))
        shown.labels.append(np.asarray(found))
        if scene.has_mask:
            shown.truth.append(scene.read_mask(top, left, height, width))
    return shown


def _of_images(model: Clusterer, recipe: Any, images: Any) -> Shown:
    sample = cluster_sample(images, min(IMAGES, len(images)), 0)
    found = predictor(model)(sample, recipe.x)[model.sub_head].argmax(-1)
    bands = list({1: (0, 0, 0), 2: (0, 1, 1)}.get(sample.channels, (0, 1, 2)))
    pictures = [np.asarray(to_rgb(i[..., bands] / np.float32(255))) for i in sample.images]
    truth = [] if sample.labels is None else [np.asarray(one) for one in sample.labels]
    return Shown(pictures, [np.asarray(one) for one in found], truth, [])


def coloured(
    labels: NDArray[np.integer], class_of: NDArray[np.integer], colours: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """A map in colours, uint8 `[h, w, 3]`; grey where nothing is known."""
    numbers = np.full(NOTHING + 1, len(colours), np.int64)
    numbers[: len(class_of)] = class_of
    known = np.concatenate([colours, np.full((1, 3), 128, np.uint8)])
    inside = (labels >= 0) & (labels <= NOTHING) & (labels != IGNORE)
    found: NDArray[np.uint8] = known[numbers[np.where(inside, labels, NOTHING)]]
    return found


def sorted_images(
    pictures: list[NDArray[np.uint8]], rows: NDArray[np.integer], count: int
) -> NDArray[np.uint8]:
    """Images in so many rows, those of each row beside each other, uint8 `[h, w, 3]`."""
    height, width = pictures[0].shape[:2]
    longest = max(1, max(int((rows == row).sum()) for row in range(count)))
    sheet = np.full((count * (height + 2), longest * (width + 2), 3), 255, np.uint8)
    for row in range(count):
        for column, index in enumerate(np.flatnonzero(rows == row)):
            top, left = row * (height + 2), column * (width + 2)
            sheet[top : top + height, left : left + width] = pictures[index]
    return sheet
