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
from iic_tf.data.scene import SceneSet
from iic_tf.data.windows import windows
from iic_tf.errors import InputError, expected
from iic_tf.metrics import (
    Scores,
    adjusted_rand_index,
    apply_mapping,
    confusion_matrix,
    many_to_one,
    normalised_mutual_information,
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


def evaluate(
    run: Run,
    places: dict[str, str] | None = None,
    folds: int = 5,
    say: Callable[[str], None] = print,
) -> dict[str, Any]:
    """Score the best model of a run; write `evaluation.json` and confusion pictures.

    The main head is matched one to one by the Hungarian method over all labelled pixels (the
    papers' unsupervised protocol). For the overclustering head the labelled scenes are dealt into
    folds: each fold is scored with the many-to-one mapping that the others give, so that every
    labelled pixel counts once and none is scored with its own label. Sub-heads were chosen in
    training, by loss.

    Args:
        run: a trained run.
        places: where else to look, by the names of `Source`: `data`, `masks`, `class_file`,
            `image_glob`, `mask_glob`; what is left out stays as it was in training.
        folds: how many; as many as there are labelled scenes where these are fewer.
        say: gets each line shown to the user.

    Raises:
        InputError: nothing labelled, another number of classes than the run has, or data missing.
    """
    if folds < 2:
        raise expected("at least 2 folds", folds, "folds")
    config, recipe = run.config(), run.recipe()
    source = {**config["source"], "classes": recipe.classes, **(places or {})}
    scenes = labelled_scenes(load_source(located(source)), config)
    names = scenes.classes.names  # type: ignore[union-attr]
    if len(names) != recipe.classes:
        raise InputError(
            f"Expected {recipe.classes} classes in the masks, as many as the run's main head has "
            f"clusters; received {len(names)}: {', '.join(names)}."
        )
    parts = deal([s.name for s in scenes.scenes], folds, config["seed"])

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
    found = {name: confusions(labeller, scenes, parts) for name, labeller in labellers.items()}
    result = summary(found["trained"], names, chosen, chosen_overclusters(run))
    result["baselines"] = {
        name: summary(found[name], names, 0, 0) for name in ("kmeans", "untrained")
    }
    result |= {
        "sub_head": chosen,
        "chosen_by": "lowest unsupervised loss of epoch and sub-head",
        "images": len(scenes.scenes),
        "folds": [list(part) for part in parts],
        "protocol": (
            "main head: one to one (Hungarian method) over all labelled pixels; overclustering: "
            + (
                f"many to one, each of {len(parts)} folds of images with the mapping of the others"
                if len(parts) > 1
                else "many to one, mapped and scored on the same one image"
            )
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


def deal(names: Sequence[str], folds: int, seed: int) -> list[tuple[str, ...]]:
    """Deal whole scenes, never single crops, into folds that differ by one scene at most."""
    order = generator(seed, 0, 0, "folds").permutation(len(names))
    count = min(folds, len(names))
    return [tuple(names[i] for i in sorted(order[fold::count])) for fold in range(count)]


@dataclass
class Found:
    """Confusion matrices of each fold."""

    folds: list[Confusions]

    def whole(self, head: str, sub_head: int) -> NDArray[np.int64]:
        """Counts `[classes, clusters]` over all labelled pixels."""
        total: NDArray[np.int64] = sum(fold[head][sub_head] for fold in self.folds)  # type: ignore[assignment]
        return total

    def across(self, head: str, sub_head: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Each fold's clusters by themselves, and their many-to-one mapping from the others.

        Counts `[classes, folds · clusters]` and classes `[folds · clusters]`. A single scene has
        no others: its mapping is its own.
        """
        whole = self.whole(head, sub_head)
        counts = [fold[head][sub_head] for fold in self.folds]
        others = [whole - count if len(counts) > 1 else whole for count in counts]
        return np.hstack(counts), np.concatenate([many_to_one(other) for other in others])


def confusions(labeller: Labeller, scenes: SceneSet, parts: Sequence[Sequence[str]]) -> Found:
    """Go over all labelled scenes window by window."""
    fold_of = {name: i for i, part in enumerate(parts) for name in part}
    found = Found([{} for _ in parts])
    for scene in scenes.scenes:
        fold = found.folds[fold_of[scene.name]]
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
                    maps = fold.setdefault(head, [])
                    if len(maps) == i:
                        maps.append(np.zeros_like(matrix))
                    maps[i] += matrix
    return found


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
    matrix = found.whole(MAIN, main)
    result = scores(matrix, one_to_one(matrix), names).to_json()
    return {**result, "overclustering": overclustering(found, names, over).to_json()}


def overclustering(found: Found, names: Sequence[str], over: int) -> Scores:
    """Many to one, each fold with the mapping of the others; NMI and ARI need no mapping."""
    whole = found.whole(OVERCLUSTERING, over)
    return replace(
        scores(*found.across(OVERCLUSTERING, over), names),
        nmi=normalised_mutual_information(whole),
        ari=adjusted_rand_index(whole),
    )


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
    matrix = found.whole(MAIN, main)
    across = apply_mapping(*found.across(OVERCLUSTERING, over), len(names))
    pictures = {
        "confusion.png": (apply_mapping(matrix, one_to_one(matrix), len(names)), "one to one"),
        "confusion_overclustering.png": (across, "overclusters, many to one"),
    }
    for file, (confusion, title) in pictures.items():
        path: Path = run.pictures / file
        with replacing(path) as temporary:
            confusion_picture(confusion, names, title).save(temporary)
