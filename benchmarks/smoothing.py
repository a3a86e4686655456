"""What superpixels give: scores of a run's labels as found, and smoothed.

    python benchmarks/smoothing.py RUN [RUN ...] --sides 8 16 32 --out FILE.md

labels the labelled images of each run once with the main head and once with the overclusters, as
`iic-tf predict` does, and scores the labels as they are and as `--smooth N` makes them: the main
head one to one over all labelled pixels, overclusters many to one, each of five folds of images
with the mapping of the others. Sides are in pixels of the images.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import IGNORE, read_with_valid
from iic_tf.export.open_model import open_scene_model
from iic_tf.export.smoothing import smooth
from iic_tf.export.window_maps import ByModel
from iic_tf.metrics import confusion_matrix
from iic_tf.training.evaluate import head_scores
from iic_tf.training.folds import FoldConfusions, split_folds
from iic_tf.training.progress import track
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import labelled_scenes
from iic_tf.training.whole_scene import CORE, shows_all

HEADS = ("main", "overclusters")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+", help="run folders")
    parser.add_argument("--out", type=Path, required=True, help="file for the table")
    parser.add_argument("--sides", type=int, nargs="+", default=[8, 16, 32], help="of superpixels")
    given = parser.parse_args()
    names = ["as found", *(f"--smooth {side}" for side in given.sides)]
    lines = [f"| run, head | {' | '.join(names)} |", "|---" * (len(names) + 1) + "|"]
    for folder in given.runs:
        for head in HEADS:
            figures = [f"{value:.3f}" for value in scored(Run.open(folder), head, given.sides)]
            lines.append(f"| {folder.name}, {head} | {' | '.join(figures)} |")
            given.out.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
    return 0


def scored(run: Run, head: str, sides: Sequence[int]) -> list[float]:
    """Accuracy of the labels as found, and for each side of superpixels."""
    config = run.config()
    scenes = labelled_scenes(source_from_dict(config["source"]).load(), config)
    predictor = open_scene_model(run, head=head).predictor
    model = ByModel(predictor)
    names, clusters = (scenes.classes.names if scenes.classes else ()), predictor.clusters
    parts = split_folds([scene.name for scene in scenes.scenes], 5, config["seed"])
    fold_of = {name: i for i, part in enumerate(parts) for name in part}
    counts = np.zeros((1 + len(sides), len(parts), len(names), clusters), np.int64)
    for scene in track(scenes.scenes, "scoring"):
        steps = list(predictor.windows(scene, 1, CORE))
        sums = None if shows_all(steps[0], scene) else model.sums(scene)
        for window in steps:
            pixels, valid = read_with_valid(scene, *window.outer)
            truth = scene.read_mask(window.top, window.left, window.height, window.width)
            inner = window.inner
            own = None if valid is None else valid[inner]
            if own is not None:
                truth = np.where(own, truth, IGNORE)
            found = model.core(window, pixels, valid, sums)
            shown = scenes.normalise(pixels[inner])
            every = [found, *(smooth(found, shown, own, clusters, side) for side in sides)]
            for i, maps in enumerate(every):
                met = confusion_matrix(truth, maps.labels, len(names), clusters)
                counts[i, fold_of[scene.name]] += met
    matched = head == "main"
    folds = (FoldConfusions([{head: [fold]} for fold in one]) for one in counts)
    return [head_scores(one, names, head, 0, matched).accuracy for one in folds]


if __name__ == "__main__":
    sys.exit(main())
