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
from numpy.typing import NDArray

from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import IGNORE, read_with_valid
from iic_tf.export.open_model import open_scene_model
from iic_tf.export.smoothing import smooth
from iic_tf.export.window_maps import ByModel
from iic_tf.metrics import apply_mapping, confusion_matrix, many_to_one, one_to_one
from iic_tf.training.folds import split_folds
from iic_tf.training.progress import track
from iic_tf.training.run import Run
from iic_tf.training.segmentation_scores import labelled_scenes
from iic_tf.training.whole_scene import CORE, shows_all

Counts = NDArray[np.int64]
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
    classes, clusters = len(scenes.classes or ()), predictor.clusters
    counts = np.zeros((1 + len(sides), len(scenes.scenes), classes, clusters), np.int64)
    for number, scene in enumerate(track(scenes.scenes, "scoring")):
        steps = list(predictor.windows(scene, 1, CORE))
        sums = None if shows_all(steps[0], scene) else model.sums(scene)
        for window in steps:
            pixels, valid = read_with_valid(scene, *window.outer)
            truth = scene.read_mask(window.top, window.left, window.height, window.width)
            if valid is not None:
                truth = np.where(valid[window.inner], truth, IGNORE)
            found = model.core(window, pixels, valid, sums)
            inner = window.inner
            shown = scenes.normalise(pixels[inner])
            own = None if valid is None else valid[inner]
            every = [found, *(smooth(found, shown, own, clusters, side) for side in sides)]
            for i, maps in enumerate(every):
                counts[i, number] += confusion_matrix(truth, maps.labels, classes, clusters)
    if head == "main":
        return [_share(own.sum(0), one_to_one(own.sum(0))) for own in counts]
    parts = split_folds([scene.name for scene in scenes.scenes], 5, config["seed"])
    return [_by_folds(own, [s.name for s in scenes.scenes], parts) for own in counts]


def _share(counts: Counts, mapping: Counts) -> float:
    mapped = apply_mapping(counts, mapping, len(counts))
    return float(np.trace(mapped) / mapped.sum())


def _by_folds(counts: Counts, names: Sequence[str], parts: Sequence[Sequence[str]]) -> float:
    right = 0
    for part in parts:
        own = np.isin(names, part)
        mapping = many_to_one(counts[~own].sum(0))
        mapped = apply_mapping(counts[own].sum(0), mapping, counts.shape[1])
        right += int(np.trace(mapped))
    return right / int(counts.sum())


if __name__ == "__main__":
    sys.exit(main())
