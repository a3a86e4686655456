"""How much of the classes a trunk's features hold: what labels make of them, beside overclusters.

    python benchmarks/probe.py --out FILE.md RUN [RUN ...]

fits a linear classifier and one with a hidden layer of 128 to the features of single pixels, with
labels, on four fifths of a run's images, and scores it on the other fifth, each fifth in its turn;
once on the features that the run learned and once on those of its untrained network. Overclusters
are regions of these features, too, found without labels, which only name them: the gap is about
what labels are worth behind the same trunk. The folds are those of `iic-tf evaluate`, whose figure
of overclusters is of all pixels; a probe's is of a sample of them, one at most in a cell.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from iic_tf.data.crops import box_mean
from iic_tf.data.scene import IGNORE
from iic_tf.training.folds import Split
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import SegmentationScores
from iic_tf.training.tasks.segmentation import SegmentationRecipe, SegmentationTask
from iic_tf.training.tasks.task import fresh_model

CELLS = 90_000
"""How many cells of the feature maps are used of a set labelled throughout; else as many fewer."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="scored run folders")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    given = parser.parse_args()
    lines = [
        "| run | overclusters, no labels | linear, with labels | hidden layer, with labels | "
        "untrained features: linear | hidden layer |",
        "|---|---|---|---|---|---|",
    ]
    for run in given.runs:
        lines.append("| " + " | ".join([run.name, *row(run)]) + " |")
        given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


def row(folder: Path) -> list[str]:
    run = Run.open(folder)
    recipe = run_recipe(run)
    if not isinstance(recipe, SegmentationRecipe):
        raise SystemExit(f"Expected a run on scenes at '{folder}'; received one of {recipe.task}.")
    found = json.loads((folder / "evaluation.json").read_text(encoding="utf-8"))
    scores = SegmentationTask.scored(run, recipe, {}, Split(found["folds"]))
    seed = scores.config["seed"]
    accuracies = [found["overclustering"]["accuracy"]]
    for model in (run.load_best(), fresh_model(recipe, scores.config["channels"], seed)):
        cells = labelled_cells(scores, model, recipe.downscale, seed)
        accuracies += [accuracy(*cells, hidden, seed) for hidden in (0, 128)]
    return [f"{a:.3f}" for a in accuracies]


def labelled_cells(
    scores: SegmentationScores, model: Any, downscale: int, seed: int
) -> tuple[NDArray[np.float32], NDArray[np.integer], NDArray[np.integer]]:
    """Features `[cells, features]`, the class at the middle of each cell, and its fold."""
    rng = np.random.default_rng(seed)
    fold_of = {name: i for i, fold in enumerate(scores.fold_images) for name in fold}
    step = downscale * model.trunk.stride
    area = sum(s.height * s.width for s in scores.scenes.scenes) / step**2
    features, classes, folds = [], [], []
    for scene in scores.scenes.scenes:
        whole = (0, 0, scene.height, scene.width)
        seen = box_mean(scores.scenes.normalise(scene.read(*whole)), downscale)
        map_ = np.asarray(model.features(tf.constant(seen[None]), False))[0].astype(np.float32)
        truth = scene.read_mask(*whole)[step // 2 :: step, step // 2 :: step]
        known = np.argwhere(truth != IGNORE)
        count = min(len(known), round(len(known) * CELLS / area))
        rows, columns = known[rng.permutation(len(known))[:count]].T
        features.append(map_[rows, columns])
        classes.append(truth[rows, columns])
        folds.append(np.full(count, fold_of[scene.name]))
    return np.concatenate(features), np.concatenate(classes), np.concatenate(folds)


def accuracy(
    features: NDArray[np.float32],
    classes: NDArray[np.integer],
    folds: NDArray[np.integer],
    hidden: int,
    seed: int,
) -> float:
    """Each fold scored by a classifier of the others' cells."""
    keras.utils.set_random_seed(seed)
    right = 0
    for fold in np.unique(folds):
        others = folds != fold
        middle, spread = features[others].mean(0), features[others].std(0) + 1e-6
        even = (features - middle) / spread
        layers = [keras.layers.Dense(hidden, "relu")] if hidden else []
        probe = keras.Sequential([*layers, keras.layers.Dense(int(classes.max()) + 1)])
        probe.compile(
            optimizer=keras.optimizers.Adam(1e-3 if hidden else 3e-3),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )
        probe.fit(even[others], classes[others], batch_size=512, epochs=6, verbose=0)
        said = np.asarray(probe(even[~others])).argmax(-1)
        right += int((said == classes[~others]).sum())
    return right / len(classes)


if __name__ == "__main__":
    sys.exit(main())
