"""What labels make of a run's features, beside colours and hand-made statistics.

A linear classifier says how much of the classes its inputs hold; k-means with many clusters says
how much of that is found without labels. Both are scored on images that gave them no label. The
figures tell a trunk that learned little from heads that make little of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.annotations import Facts, Json
from iic_tf.errors import InputError
from iic_tf.training.best_model import best_model
from iic_tf.training.labelled import labelled_data
from iic_tf.training.labelled_points import LabelledPoints
from iic_tf.training.linear_fit import DEFAULT_STRENGTHS, image_folds, logistic_map
from iic_tf.training.pixel_values import Colours, PixelValues, Statistics, TrunkFeatures
from iic_tf.training.progress import progress
from iic_tf.training.run import Run
from iic_tf.training.score_table import FEW_IMAGES, FEW_POINTS, GIVEN, PROBED
from iic_tf.training.tasks.segmentation import SEGMENTATION
from iic_tf.views.draws import generator

if TYPE_CHECKING:
    from iic_tf.models.linear_head import LinearHead
    from iic_tf.models.self_supervised import SelfSupervised
    from iic_tf.training.recipe import Recipe
    from iic_tf.training.scored import Scored

PIXELS = 20_000
"""Labelled pixels that the classifiers are fitted to and scored on, over all images."""

PER_CLASS = (5, 16)
"""Clusters of k-means for each class."""

POINTS, IMAGES, ALL = GIVEN


def probed(run: Run, recipe: Recipe, scored: Scored, place: Json) -> Json:
    """Linear classifiers and k-means on what a run learned and on what needs no learning.

    Each fold of images is scored by what was fitted to the other folds' labels: to all of them, to
    those of 5 images, to 50 points. Of scenes `PIXELS` labelled pixels are drawn, evenly over the
    images; of whole images all count, and there are features alone.

    Args:
        run: a trained run.
        recipe: the run's.
        scored: what `evaluate` scores of it.
        place: where the labelled images are.

    Returns:
        `largest_class`: the share of the commonest class among the drawn; `linear`: accuracies by
        input (`PROBED`) and labels (all, images_5, points_50); `clusters`, of scenes: by input
        and clusters a class, of k-means, many to one, each fold mapped by the others;
        `points` and `images`: how many there are.

    Raises:
        InputError: fewer than two labelled images.
    """
    model = best_model(run, recipe.model_class)
    data = labelled_data(run, recipe, model, place, None, None, None)
    if len(data.images) < 2:
        raise InputError(
            f"Expected at least 2 labelled images for --probe, which scores on images that gave no "
            f"label; received {len(data.images)}."
        )
    head = data.linear_head(model)
    points = data.points(model, head, PIXELS)
    counts = np.bincount(points.classes, minlength=head.classes)
    found: Json = {
        "points": len(points),
        "images": len(np.unique(points.images)),
        "largest_class": float(counts.max() / counts.sum()),
        "linear": linear_rows(points, columns_of(points, head), head.classes, data.seed),
    }
    if recipe.task == SEGMENTATION:
        found["clusters"] = _cluster_rows(scored, model)
    return found


def columns_of(
    points: LabelledPoints, head: LinearHead
) -> dict[str, tuple[NDArray[np.float32], float]]:
    """The inputs of each row, `[points, numbers]`, with the C of its regression.

    Args:
        points: the inputs of a linear head.
        head: the `LinearHead` that they are of.
    """
    strong, weak = DEFAULT_STRENGTHS
    features = points.inputs[:, : head.features]
    rows = {"features": (features, strong)}
    if not head.statistics:
        return rows
    statistics = points.inputs[:, head.inputs - head.statistics :]
    colours = statistics[:, : head.channels]
    first, second = np.triu_indices(head.channels)
    rows["colours"] = (np.hstack([colours, colours[:, first] * colours[:, second]]), weak)
    squared = np.hstack([statistics, np.square(statistics)])
    rows["statistics"] = (squared, weak)
    rows["together"] = (np.hstack([features, squared]), strong)
    return rows


def linear_rows(
    points: LabelledPoints,
    columns: Mapping[str, tuple[NDArray[np.float32], float]],
    classes: int,
    seed: int,
) -> dict[str, dict[str, float]]:
    """Accuracies of linear classifiers by their inputs and labels, over folds of images.

    Args:
        points: the classes, and which image each point is of; from two images on.
        columns: of each row its inputs `[points, numbers]` and C.
        classes: how many there are.
        seed: of the folds, and of what is drawn for few labels.
    """
    folds = image_folds(points.images, seed=seed)
    given = [_given(points, ~held, generator(seed, 0, i, "probe")) for i, held in enumerate(folds)]
    rows: dict[str, dict[str, float]] = {}
    with progress("probing features", len(columns) * len(folds) * 3) as bar:
        for name, (inputs, strength) in columns.items():
            right = dict.fromkeys((ALL, IMAGES, POINTS), 0)
            for held, labels in zip(folds, given, strict=True):
                for kind, chosen in labels.items():
                    kernel, bias = logistic_map(
                        inputs[chosen], points.classes[chosen], classes, strength
                    )
                    said = (inputs[held] @ kernel + bias).argmax(-1)
                    right[kind] += int((said == points.classes[held]).sum())
                    bar.advance()
            rows[name] = {kind: count / len(points) for kind, count in right.items()}
    return rows


def _given(
    points: LabelledPoints, others: NDArray[np.bool_], rng: np.random.Generator
) -> dict[str, NDArray[np.int64]]:
    """Which points may be learned from: all of the others', those of few images, a few."""
    there = np.flatnonzero(others)
    names = np.unique(points.images[there])
    few = rng.permutation(names)[:FEW_IMAGES]
    return {
        ALL: there,
        IMAGES: there[np.isin(points.images[there], few)],
        POINTS: np.sort(rng.permutation(there)[:FEW_POINTS]),
    }


def _cluster_rows(scored: Any, model: SelfSupervised) -> dict[str, dict[str, float]]:
    """Many to one with many clusters, by what k-means is given."""
    clusters = {str(number): number * len(scored.names) for number in PER_CLASS}
    values: dict[str, PixelValues] = {
        "features": TrunkFeatures(model),
        "colours": Colours(),
        "statistics": Statistics(),
    }
    rows: dict[str, dict[str, float]] = {}
    for name, value in values.items():
        found = scored.clustered(value, clusters, f"k-means on {PROBED[name]}")
        rows[name] = {number: _accuracy(*found.across(number, 0)) for number in clusters}
    return rows


def _accuracy(counts: NDArray[np.int64], classes: NDArray[np.int64]) -> float:
    """Of counts `[classes, clusters]`, each cluster taken for one class."""
    return float(counts[classes, np.arange(len(classes))].sum() / counts.sum())


def probe_table(found: Facts) -> list[str]:
    """What `probed` found as lines of text."""
    unit = "pixels" if "clusters" in found else "images"
    labels = "".join(f"{text:>11}" for text in GIVEN.values())
    lines = [f"{'linear classifier, labels of':34}{labels}"]
    for name, row in found["linear"].items():
        figures = (row[kind] for kind in GIVEN)
        lines.append(f"  {PROBED[name]:32}" + "".join(f"{v:11.3f}" for v in figures))
    if "clusters" in found:
        heads = "".join(f"{f'{number} a class':>11}" for number in PER_CLASS)
        lines.append(f"{'k-means, many to one':34}{heads}")
        for name, row in found["clusters"].items():
            figures = (row[str(number)] for number in PER_CLASS)
            lines.append(f"  {PROBED[name]:32}" + "".join(f"{v:11.3f}" for v in figures))
    lines.append(f"{'largest class':34}{found['largest_class']:11.3f}")
    lines.append(
        f"of {found['points']} labelled {unit} of {found['images']} images; each fold of images "
        "scored by what the others' labels gave"
    )
    return lines
