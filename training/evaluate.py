"""Scores of a run beside two baselines on the same pixels."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from iic_tf.data.registry import load_source, located
from iic_tf.data.scene import Scene, SceneSet
from iic_tf.data.windows import windows
from iic_tf.errors import InputError, expected
from iic_tf.metrics import (
    Scores,
    apply_mapping,
    confusion_matrix,
    many_to_one,
    one_to_one,
    scores,
)
from iic_tf.models.served import ServedSegmenter
from iic_tf.models.turns import HEADS, MAIN, OVERCLUSTERING
from iic_tf.pictures import confusion_picture
from iic_tf.training.labellers import KMeansLabeller, Labeller, NetworkLabeller
from iic_tf.training.run import Run, replacing, write_json
from iic_tf.training.train import build_model
from iic_tf.views.draws import generator

WINDOW = 512

Confusions = dict[str, list[NDArray[np.int64]]]
"""For each head one matrix `[classes, clusters]` a sub-head."""


@dataclass(frozen=True)
class Split:
    """Scenes whose labels map overclusters to classes, and those on which that is scored."""

    mapping: tuple[str, ...]
    scored: tuple[str, ...]


def evaluate(
    run: Run,
    places: dict[str, str] | None = None,
    mapping_share: float = 0.5,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score the best model of a run; write `evaluation.json` and confusion pictures.

    The main head is matched one to one by the Hungarian method over all labelled pixels (the
    papers' unsupervised protocol). The overclustering head is mapped many to one on the labelled
    scenes drawn for it, and scored on the others. Sub-heads were chosen in training, by loss.

    Args:
        run: a trained run.
        places: where else to look, by the names of `Source`: `data`, `masks`, `class_file`,
            `image_glob`, `mask_glob`; what is left out stays as it was in training.
        mapping_share: part of the labelled scenes, by number, that the mapping is read from.
        say: gets each line shown to the user.

    Raises:
        InputError: nothing labelled, another number of classes than the run has, or data missing.
    """
    if not 0 < mapping_share < 1:
        raise expected("0 < mapping share < 1", mapping_share, "mapping_share")
    config, recipe = run.config(), run.recipe()
    source = {**config["source"], "classes": recipe.classes, **(places or {})}
    scenes = labelled_scenes(load_source(located(source)), config)
    names = scenes.classes.names  # type: ignore[union-attr]
    if len(names) != recipe.classes:
        raise InputError(
            f"Expected {recipe.classes} classes in the masks, as many as the run's main head has "
            f"clusters; received {len(names)}: {', '.join(names)}."
        )
    split = split_scenes(scenes.scenes, mapping_share, config["seed"])

    def served(model: Any) -> NetworkLabeller:
        return NetworkLabeller(
            ServedSegmenter(model, config["low"], config["high"], recipe.downscale)
        )

    trained = run.load_best()
    chosen = int(trained.chosen)
    say(f"scoring {len(scenes.scenes)} labelled images of {scenes.name}")
    labellers: dict[str, Labeller] = {
        "trained": served(trained),
        "untrained": served(build_model(recipe, config["channels"], config["seed"])),
        "kmeans": KMeansLabeller(scenes, recipe.downscale, recipe.head_clusters, config["seed"]),
    }
    found = {name: confusions(labeller, scenes, split) for name, labeller in labellers.items()}
    result = summary(found["trained"], names, chosen, chosen_overclusters(run))
    result["baselines"] = {
        name: summary(found[name], names, 0, 0) for name in ("kmeans", "untrained")
    }
    result |= {
        "sub_head": chosen,
        "chosen_by": "lowest unsupervised loss of epoch and sub-head",
        "images": len(scenes.scenes),
        "mapping_images": list(split.mapping),
        "protocol": (
            "main head: one to one (Hungarian method) over all labelled pixels; overclustering: "
            f"many to one, mapping from {len(split.mapping)} images, scored on "
            f"{len(split.scored)}"
        ),
    }
    write_json(run.evaluation_file, result)
    _pictures(run, found["trained"], names, chosen, chosen_overclusters(run))
    for line in table(result):
        say(line)
    say(f"written: {run.evaluation_file}, {run.pictures / 'confusion.png'}")
    return result


def labelled_scenes(scenes: SceneSet, config: dict[str, Any]) -> SceneSet:
    """The scenes with masks, under the value range that the run was trained with."""
    labelled = scenes.labelled
    if labelled is None:
        raise InputError(
            f"Expected images with masks to score against; received none in '{scenes.name}' "
            f"({config['source'].get('data')}). Give --masks (and --class-file), or look with "
            "iic-tf predict."
        )
    if labelled.channels != config["channels"]:
        raise expected(f"images of {config['channels']} channels", labelled.channels, "channels")
    low, high = (np.asarray(config[key], np.float32) for key in ("low", "high"))
    return replace(labelled, low=low, high=high)


def split_scenes(scenes: Sequence[Scene], share: float, seed: int) -> Split:
    """Draw which scenes the mapping is read from: whole scenes, never single crops.

    A single scene serves both, which the protocol line then shows (1 image each).
    """
    names = [s.name for s in scenes]
    if len(names) == 1:
        return Split((names[0],), (names[0],))
    order = generator(seed, 0, 0, "mapping").permutation(len(names))
    count = min(len(names) - 1, max(1, round(share * len(names))))
    mapping = {names[i] for i in order[:count]}
    scored = tuple(n for n in names if n not in mapping)
    return Split(tuple(n for n in names if n in mapping), scored)


@dataclass
class Found:
    """Confusion matrices of the mapping part and of the scored part."""

    mapping: Confusions
    scored: Confusions
    whole: Confusions


def confusions(labeller: Labeller, scenes: SceneSet, split: Split) -> Found:
    """Go over all labelled scenes window by window."""
    parts: dict[str, Confusions] = {"mapping": {}, "scored": {}, "whole": {}}
    for scene in scenes.scenes:
        inside = ["whole"]
        inside += ["mapping"] * (scene.name in split.mapping)
        inside += ["scored"] * (scene.name in split.scored)
        for window in windows(scene.height, scene.width, WINDOW, labeller.margin, 64):
            labels = labeller.labels(scene.read(*window.outer))
            truth = scene.read_mask(window.top, window.left, window.height, window.width)
            for head in HEADS:
                for i, map_ in enumerate(labels[head]):
                    matrix = confusion_matrix(
                        truth,
                        map_[window.inner],
                        len(scenes.classes),  # type: ignore[arg-type]
                        labeller.clusters[head],
                    )
                    for part in inside:
                        maps = parts[part].setdefault(head, [])
                        if len(maps) == i:
                            maps.append(np.zeros_like(matrix))
                        maps[i] += matrix
    return Found(**parts)


def chosen_overclusters(run: Run) -> int:
    """The overclustering sub-head with the lowest loss in the best epoch."""
    with run.metrics_file.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    best = min(rows, key=lambda row: float(row["main_loss"]))
    losses: list[float] = []
    while f"{OVERCLUSTERING}_loss_{len(losses)}" in best:
        losses.append(float(best[f"{OVERCLUSTERING}_loss_{len(losses)}"]))
    return int(np.argmin(losses))


def summary(found: Found, names: Sequence[str], main: int, over: int) -> dict[str, Any]:
    """Scores of one labeller: the main head at the top, `overclustering` inside."""
    matrix = found.whole[MAIN][main]
    result = scores(matrix, one_to_one(matrix), names).to_json()
    return {**result, "overclustering": overclustering(found, names, over).to_json()}


def overclustering(found: Found, names: Sequence[str], over: int) -> Scores:
    """Many to one: mapping from one part of the scenes, scores on the other."""
    mapping = many_to_one(found.mapping[OVERCLUSTERING][over])
    return scores(found.scored[OVERCLUSTERING][over], mapping, names)


def table(result: dict[str, Any]) -> list[str]:
    """The scores as lines of text."""
    lines = [f"{'':34}accuracy  mean IoU     NMI     ARI"]
    rows = [
        ("trained, one to one", result),
        ("  k-means on pixels", result["baselines"]["kmeans"]),
        ("  untrained network", result["baselines"]["untrained"]),
        ("trained, overclusters many to one", result["overclustering"]),
        ("  k-means, as many clusters", result["baselines"]["kmeans"]["overclustering"]),
        ("  untrained network", result["baselines"]["untrained"]["overclustering"]),
    ]
    for name, row in rows:
        figures = (row[k] for k in ("accuracy", "mean_iou", "nmi", "ari"))
        lines.append(f"{name:34}" + "".join(f"{v:8.3f}" for v in figures))
    lines.append(f"{'class':24}  share  precision  recall    IoU")
    for line in result["per_class"]:
        cells = (line[k] for k in ("share", "precision", "recall", "iou"))
        text = ["   —" if v is None else f"{v:.3f}" for v in cells]
        lines.append(f"{line['name'][:24]:24}  {text[0]}      {text[1]}   {text[2]}  {text[3]}")
    lines.append(result["protocol"])
    return lines


def _pictures(run: Run, found: Found, names: Sequence[str], main: int, over: int) -> None:
    matrix = found.whole[MAIN][main]
    pictures = {
        "confusion.png": (apply_mapping(matrix, one_to_one(matrix), len(names)), "one to one"),
        "confusion_overclustering.png": (
            apply_mapping(
                found.scored[OVERCLUSTERING][over],
                many_to_one(found.mapping[OVERCLUSTERING][over]),
                len(names),
            ),
            "overclusters, many to one",
        ),
    }
    for file, (confusion, title) in pictures.items():
        path: Path = run.pictures / file
        with replacing(path) as temporary:
            confusion_picture(confusion, names, title).save(temporary)
