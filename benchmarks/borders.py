"""What the border of a crop does to labels: clusters that live there, labels that change.

    python benchmarks/borders.py RUN [RUN ...]

takes crops of the size of the training's out of the run's own scenes, once alone and once with all
that its network sees around them, and prints a row for each run:

- `at border` and `inside`: of the overcluster that is the most at home at the border (a cluster of
  the main head where there is no other), its share of the pixels within 8 of the crop's edge and
  its share of all others, when the crop is shown alone;
- `unlike`: half the sum of such differences over all clusters, 0 to 1: how much border and inside
  differ in what is found there;
- `changed at border` and `inside`: the share of main labels that are others when more is shown;
- `accuracy` of `iic-tf evaluate`, where the run was evaluated.

Pixels are those that the network sees, after scaling down.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.registry import source_from_dict
from iic_tf.data.scene import Scene
from iic_tf.export.served_run import answer_served_as
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.recipe_files import run_recipe
from iic_tf.training.run import Run
from iic_tf.turns import MAIN, OVERCLUSTERING

BAND = 8
CROPS = 120


@dataclasses.dataclass(frozen=True)
class Figures:
    """See above; shares, 0 to 1."""

    at_border: float
    inside: float
    unlike: float
    changed_at_border: float
    changed_inside: float
    accuracy: float | None


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="folders of runs")
    print("| run | at border | inside | unlike | changed at border | inside | accuracy |")
    print("|---|---|---|---|---|---|---|")
    for folder in parser.parse_args().runs:
        found = dataclasses.astuple(figures(Run(Path(folder))))
        cells = ("—" if value is None else f"{value:.3f}" for value in found)
        print(f"| {Path(folder).name} | " + " | ".join(cells) + " |", flush=True)
    return 0


def figures(run: Run) -> Figures:
    served = answer_served_as(run, ServedSegmenter).served
    recipe: Any = run_recipe(run)
    scenes = source_from_dict(run.config()["source"]).load()
    side, band = recipe.crop * served.downscale, BAND * served.downscale
    edge = np.ones((side, side), bool)
    edge[band:-band, band:-band] = False
    head = OVERCLUSTERING if OVERCLUSTERING in served.model.clusters else MAIN
    counts = np.zeros((2, served.model.clusters[head]))
    changed = np.zeros(2)
    places = _places(scenes.scenes, side, served.margin, served.align)
    for scene, top, left in places:
        around = _around(scene, top, left, side, served)
        first = top - around[0], left - around[1]
        pixels = scene.read(*around).astype(np.float32)
        # Of a model with global features those of the larger window for both: the border alone.
        sums = None
        if served.scene_features:
            sums = served.scene_sums(pixels[None], (0, 0, *around[2:]))
        inner = np.s_[first[0] : first[0] + side, first[1] : first[1] + side]
        alone = pixels[inner]
        changes = _labels(served, pixels, MAIN, sums)[inner] != _labels(served, alone, MAIN, sums)
        clusters = _labels(served, alone, head, sums)
        for row, where in enumerate((edge, ~edge)):
            changed[row] += changes[where].mean() / len(places)
            counts[row] += np.bincount(clusters[where], minlength=counts.shape[1])
    shares = counts / counts.sum(axis=1, keepdims=True)
    home = int(np.argmax(shares[0] - shares[1]))
    accuracy = None
    if run.evaluation_file.is_file():
        accuracy = json.loads(run.evaluation_file.read_text(encoding="utf-8"))["accuracy"]
    unlike = float(np.abs(shares[0] - shares[1]).sum() / 2)
    return Figures(shares[0, home], shares[1, home], unlike, changed[0], changed[1], accuracy)


def _labels(served: ServedSegmenter, pixels: Any, head: str, sums: Any) -> NDArray[np.int64]:
    if head == MAIN:
        found = served.probabilities(pixels[None], sums)
    else:
        found = served.maps(pixels[None], head, sums)[0]
    return np.asarray(np.asarray(found)[0].argmax(-1), np.int64)


def _places(scenes: Any, side: int, margin: int, align: int) -> list[tuple[Scene, int, int]]:
    """Crops spread evenly over the scenes, the margin away from their borders."""
    rng = np.random.default_rng(0)
    large = [s for s in scenes if min(s.height, s.width) >= side + 2 * margin + align]
    found = []
    for number in range(CROPS):
        scene = large[number * len(large) // CROPS if len(large) > CROPS else number % len(large)]
        top, left = (
            int(rng.integers(margin, size - side - margin + 1)) // align * align
            for size in (scene.height, scene.width)
        )
        found.append((scene, top, left))
    return found


def _around(
    scene: Scene, top: int, left: int, side: int, served: ServedSegmenter
) -> tuple[int, int, int, int]:
    margin = -(-served.margin // served.align) * served.align
    first = max(0, top - margin), max(0, left - margin)
    last = min(scene.height, top + side + margin), min(scene.width, left + side + margin)
    return (*first, last[0] - first[0], last[1] - first[1])


if __name__ == "__main__":
    raise SystemExit(main())
