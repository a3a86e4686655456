"""What few labels are worth: six ways to use them on four sets, beside colours alone.

    python benchmarks/label_efficiency.py --data FOLDER --runs runs/label-efficiency --out OUT

writes `efficiency.json`, `efficiency.md` and `efficiency.svg` to OUT. FOLDER holds `dubai`,
`s2_india_rgbir`, `labelmefacade` and `camvid` in their publishers' layouts; runs of theirs, by IIC
without labels, are trained in the folder of `--runs` where they are not there. What is done already
is not done again.

Labels are those of 1, 5 or 10 whole images, or of 50 or 200 single pixels anywhere, drawn at
random, five times. The score is the share of right pixels among a sample of all labelled pixels: of
the images that gave no labels, or, where single pixels gave them, of all other pixels.

- `mapping`: overclusters, each with the class of most of its labels;
- `linear`: the linear head on features and statistics;
- `fine-tuned`: trunk and head trained on with the labels;
- `scratch`: the same network and head, untrained before, for twice as many steps;
- `statistics`: a logistic regression of the hand-made statistics alone;
- `colours`: a logistic regression of squares and products of a pixel's bands;
- `largest`: the most frequent class of the labels, everywhere.

Overclusters, features and their training have seen all images, never a label.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from label_sets import SETS, Labelled, opened, with_points
from label_table import draw, table
from numpy.typing import NDArray

from iic_tf.data.scene import SceneSet
from iic_tf.metrics import many_to_one
from iic_tf.models.linear_head import LinearHead, linear_maps
from iic_tf.models.served import ServedSegmenter
from iic_tf.training.fine_tune import Tuning, copied, train_with_labels
from iic_tf.training.json_files import write_json
from iic_tf.training.label_crops import LabelCrops
from iic_tf.training.labelled_points import MOST_POINTS
from iic_tf.training.linear_fit import fit_linear, logistic_map
from iic_tf.training.tasks.task import fresh_model

IMAGES = ("1 image", "5 images", "10 images")
POINTS = ("50 points", "200 points")
AMOUNTS = (*IMAGES, *POINTS)
CHEAP = ("mapping", "linear", "statistics", "colours", "largest")
TUNED = ("fine-tuned", "scratch")
SCORED_IMAGES = 20
"""Of those of a tuned network's score: its features are of nothing else, and take time."""


@dataclass(frozen=True)
class Draw:
    """What is labelled, and what is asked: numbers of pixels of the pool."""

    known: NDArray[np.int64]
    asked: NDArray[np.int64]
    scenes: SceneSet


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--tuned-draws", type=int, default=2, help="of what trains a network")
    parser.add_argument("--steps", type=int, default=60, help="of fine-tuning")
    parser.add_argument("--only", nargs="*", choices=SETS, default=list(SETS))
    given = parser.parse_args()
    given.out.mkdir(parents=True, exist_ok=True)
    file = given.out / "efficiency.json"
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    sets: dict[str, Labelled] = {}

    def scored(name: str, amount: str, number: int, way: str) -> None:
        scores = found.setdefault(name, {}).setdefault(amount, {}).setdefault(way, {})
        if str(number) in scores:
            return
        if name not in sets:
            sets[name] = opened(name, given.data, given.runs)
        started = time.monotonic()
        scores[str(number)] = score(sets[name], amount, number, way, given.steps)
        seconds = time.monotonic() - started
        print(
            f"{name}, {amount}, draw {number}, {way}: {scores[str(number)]:.3f}, {seconds:.0f} s",
            flush=True,
        )
        write_json(file, found)
        (given.out / "efficiency.md").write_text(table(found, given.steps), encoding="utf-8")

    for name in given.only:
        for amount in AMOUNTS:
            for number in range(given.draws):
                for way in CHEAP:
                    scored(name, amount, number, way)
    draw(found, given.out / "efficiency.svg")
    for number in range(given.tuned_draws):
        # What tells most first: a table that is cut short has that of all sets.
        for amount in ("5 images", "50 points", "1 image", "200 points", "10 images"):
            for name in given.only:
                for way in TUNED:
                    scored(name, amount, number, way)
            draw(found, given.out / "efficiency.svg")
    (given.out / "efficiency.md").write_text(table(found, given.steps), encoding="utf-8")
    return 0


def drawn(given: Labelled, amount: str, number: int) -> Draw:
    """The labels of a draw: the same for all ways to use them."""
    rng = np.random.default_rng([number, *amount.encode()])
    count, images = int(amount.split()[0]), given.points.images
    if amount in POINTS:
        order = rng.permutation(len(images))
        known = order[:count]
        return Draw(known, order[count:], with_points(given, known))
    picked = rng.permutation(np.unique(images))[:count]
    known = np.flatnonzero(np.isin(images, picked))
    asked = np.flatnonzero(~np.isin(images, picked))
    scenes = tuple(given.scenes.scenes[i] for i in picked)
    return Draw(rng.permutation(known)[:MOST_POINTS], asked, replace(given.scenes, scenes=scenes))


def score(given: Labelled, amount: str, number: int, way: str, steps: int) -> float:
    labels = drawn(given, amount, number)
    if way in TUNED:
        return tuned(given, labels, way, number, steps)
    found = WAYS[way](given, labels)
    return float((found == given.points.classes[labels.asked]).mean())


def by_mapping(given: Labelled, labels: Draw) -> NDArray[np.int64]:
    counts = np.zeros((given.classes, given.overclusters), np.int64)
    np.add.at(counts, (given.points.classes[labels.known], given.clusters[labels.known]), 1)
    return np.asarray(many_to_one(counts)[given.clusters[labels.asked]])


def by_linear(given: Labelled, labels: Draw) -> NDArray[np.int64]:
    fit = fit_linear(given.points.taken(labels.known), given.head)
    return np.asarray((given.points.inputs[labels.asked] @ fit.kernel + fit.bias).argmax(-1))


def by_regression(inputs: NDArray[Any], given: Labelled, labels: Draw) -> NDArray[np.int64]:
    known = labels.known
    kernel, bias = logistic_map(inputs[known], given.points.classes[known], given.classes, 1.0)
    return np.asarray((inputs[labels.asked] @ kernel + bias).argmax(-1))


def by_colours(given: Labelled, labels: Draw) -> NDArray[np.int64]:
    colours = given.colours
    first, second = np.triu_indices(colours.shape[1])
    products = colours[:, first] * colours[:, second]
    return by_regression(np.concatenate([colours, products], -1), given, labels)


def by_largest(given: Labelled, labels: Draw) -> NDArray[np.int64]:
    return np.full(len(labels.asked), np.bincount(given.points.classes[labels.known]).argmax())


WAYS: dict[str, Callable[[Labelled, Draw], NDArray[np.int64]]] = {
    "mapping": by_mapping,
    "linear": by_linear,
    "statistics": lambda given, labels: by_regression(given.statistics, given, labels),
    "colours": by_colours,
    "largest": by_largest,
}


def tuned(given: Labelled, labels: Draw, way: str, seed: int, steps: int) -> float:
    head = LinearHead.from_config(given.head.get_config())
    tuning = Tuning(steps=steps)
    if way == "scratch":
        model = fresh_model(given.recipe, given.scenes.channels, seed)
        tuning = replace(tuning, steps=2 * steps, trunk_rate=1e-3, head_rate=1e-3, frozen=False)
    else:
        model = copied(given.model)
        fit_linear(given.points.taken(labels.known), head).onto(head)
    downscale = given.recipe.downscale
    crops = LabelCrops(labels.scenes, given.classes, tuning.crop, downscale, seed)
    train_with_labels(model, head, crops, tuning, say=lambda line: None)
    return of_network(given, model, head, labels.asked, seed)


def of_network(
    given: Labelled, model: Any, head: LinearHead, asked: NDArray[np.int64], seed: int
) -> float:
    """The share of right pixels of those asked on a few images."""
    scenes = given.scenes
    served = ServedSegmenter(model, scenes.low, scenes.high, given.recipe.downscale, scenes.fill)
    graph = tf.function(
        lambda pixels: tf.argmax(linear_maps(model, head, served.prepared(pixels))[0], -1),
        input_signature=[tf.TensorSpec((1, None, None, scenes.channels), tf.float32)],
    )
    right = count = 0
    images = np.unique(given.points.images[asked])
    for number in np.random.default_rng(seed).permutation(images)[:SCORED_IMAGES]:
        own = asked[given.points.images[asked] == number]
        scene = scenes.scenes[number]
        raw = scene.read(0, 0, scene.height, scene.width).astype(np.float32)
        cells = given.places[own] // given.recipe.downscale
        found = np.asarray(graph(tf.constant(raw[None])))[tuple(cells.T)]
        right += int((found == given.points.classes[own]).sum())
        count += len(own)
    return right / count


if __name__ == "__main__":
    raise SystemExit(main())
