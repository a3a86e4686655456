"""Pictures of a finished clustering: what is in the clusters, and how sure the network is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from iic_tf.data.image_set import ImageSet
from iic_tf.models.clusterer import Clusterer
from iic_tf.pictures import circle_projection, confident_sheets, joint_picture, probability_bars
from iic_tf.training.atomic import replacing
from iic_tf.training.cluster_sample import cluster_sample, predictor
from iic_tf.training.picture_pages import write_pages
from iic_tf.training.run import Run
from iic_tf.turns import MAIN
from iic_tf.views.image_pairs import ImagePairs
from iic_tf.views.image_view import ImageView

SAMPLE = 5000
"""Images of which the most confident are looked for."""

BARS = 24
"""Images that are shown with their probabilities: drawn, not picked."""

POINTS = 2000
"""Images in the circle of the true classes."""


def draw_clusters(run: Run, model: Clusterer, images: ImageSet, view: ImageView) -> list[str]:
    """Draw `confident.png` and `bars.png` without a look at labels: clusters have numbers.

    Args:
        run: where to write.
        model: the trained model; of its main head the chosen sub-head is shown.
        images: the data set.
        view: the view x of the training.

    Returns:
        The names of the pictures.
    """
    sample = cluster_sample(images, SAMPLE, run.config()["seed"])
    p = predictor(model)(sample, view)[model.sub_head]
    return _written(
        run.pictures,
        {
            "confident.png": confident_sheets(sample.images, p),
            "bars.png": [probability_bars(sample.images[:BARS], p[:BARS])],
        },
    )


def _written(folder: Path, pictures: dict[str, list[Image.Image]]) -> list[str]:
    """Write pictures, each of some pages; the names of the files."""
    return [
        path.name for name, pages in pictures.items() for path in write_pages(folder / name, pages)
    ]


def draw_joint(run: Run, model: Clusterer, fixed: ImagePairs) -> list[str]:
    """Draw `joint.png`: the joint of the fixed pairs, of the main head's chosen sub-head.

    Args:
        run: where to write.
        model: the trained model, compiled; the meters are begun anew.
        fixed: the fixed pairs by which epoch and sub-head were chosen.

    Returns:
        The name of the picture.
    """
    for meter in model.meters.values():
        meter.reset_state()
    model.evaluate(fixed.dataset(0, fixed.steps), verbose=0)
    chosen = model.sub_head
    joint = np.asarray(model.meters[MAIN].joints)[chosen, 0]
    with replacing(run.pictures / "joint.png") as temporary:
        joint_picture(joint, f"Main head, sub-head {chosen}, fixed pairs").save(temporary)
    return ["joint.png"]


def draw_matched(
    folder: Path,
    model: Clusterer,
    images: ImageSet,
    view: ImageView,
    names: tuple[str, ...],
    mapping: NDArray[np.integer],
    seed: int,
) -> list[str]:
    """Draw `confident_matched.png`, `bars_matched.png` and `circle_truth.png`, with labels.

    Args:
        folder: where to write.
        model: the trained model; of its main head the chosen sub-head is shown.
        images: the data set, with labels.
        view: the view x of the training.
        names: of the classes.
        mapping: integers `[clusters]`, the class of each cluster; those of one class are added up.
        seed: of the sample of images.

    Returns:
        The names of the pictures.
    """
    sample = cluster_sample(images, SAMPLE, seed)
    found = predictor(model)(sample, view)[model.sub_head]
    p = found @ np.eye(len(names), dtype=found.dtype)[mapping]
    truth = sample.labels
    assert truth is not None
    bars = probability_bars(sample.images[:BARS], p[:BARS], names, truth[:BARS])
    circle = circle_projection(p[:POINTS], names, truth[:POINTS], "colour: true class", 640)
    return _written(
        folder,
        {
            "confident_matched.png": confident_sheets(sample.images, p, names, truth),
            "bars_matched.png": [bars],
            "circle_truth.png": [circle],
        },
    )
